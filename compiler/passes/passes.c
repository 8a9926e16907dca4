/* passes.c: Pass manager: the table of passes in execution order, and the plans that they build. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/bf16.h"
#include "passes/passes.h"
#include <string.h>
#include "kernel/lower.h"
#include "passes/fuse.h"
#include "passes/alias.h"
#include "quantize/quantize.h"
#include "passes/recompute.h"

/* With --stream or --slide, builds the graph of one step; otherwise copies the source's graph. The driver
 * uses the result instead of the source's graph everywhere. */
static void do_stream(PassState *state) {
  Node **map = NEW_ARRAY(state->arena, Node *, state->written->nodes.n + 1);
  state->plan->graph = state->options.streaming ? stream_graph(state->arena, state->diags, state->written,
                                                               state->source, state->options.streaming)
                                                : graph_clone(state->arena, state->written, map);
}

static void simplify(PassState *state) {
  state->plan->graph = pass_inference(state->arena, state->written, &state->options);
}

static void do_drop(PassState *state) {
  state->plan->graph = drop_idle_channels(state->arena, state->plan->graph);
}

static void differentiate(PassState *state) {
  const TrainingGraph training = pass_differentiate(state->arena, state->written);
  state->plan->graph = training.graph;
  state->plan->loss = training.loss;
  state->plan->target = training.target;
}

static void do_look(PassState *state) {
  const LookGraph look = pass_look(state->arena, state->written);
  state->plan->graph = look.graph;
  state->plan->layer = look.layer;
  state->plan->score = look.score;
  state->plan->gradient = look.gradient;
}

static void recompute(PassState *state) {
  if (!state->phases && !state->again) return;
  const Recomputed done = pass_recompute(state->plan, state->times, state->again);
  state->plan->recomputed_work = done.work;
  state->plan->recomputed_macs = done.macs;
}

static void do_place(PassState *state) { place_values(state->arena, state->plan); }
static void fuse(PassState *state) { fuse_kernels(state->arena, state->plan, &state->options); }

enum {
  INFERENCE = 1u << PLAN_INFERENCE,
  TRAINING = 1u << PLAN_TRAINING,
  LOOK = 1u << PLAN_LOOK,
  ALL = INFERENCE | TRAINING | LOOK
};

const Pass pass_table[PASSES] = {
    [PASS_STREAM] = {"stream", INFERENCE, "the checked graph",
                     "values of the rows that a step computes; adds states for rows of earlier steps",
                     do_stream, NULL},
    [PASS_SIMPLIFY] = {"simplify", INFERENCE, "the checked graph",
                       "the values of outputs, the parameters, and the order of nodes", simplify, NULL},
    [PASS_DROP] = {"drop", INFERENCE, "a graph for inference or training, without dead values",
                   "values of outputs; drops dead int8 channels", do_drop, NULL},
    [PASS_BANDS] = {"bands", INFERENCE, "a graph for inference or training",
                    "values, to the bit; computes layers band by band", pass_bands, NULL},
    [PASS_DIFFERENTIATE] = {"differentiate", TRAINING, "the checked graph and its train block",
                            "values of the forward pass; parameters; topological order", differentiate, NULL},
    [PASS_LOOK] = {"look", LOOK, "the checked graph", "values of all layers; parameters; topological order",
                   do_look, NULL},
    [PASS_BF16] = {"bf16", INFERENCE | TRAINING,
                   "a graph for inference or training, with rounded values marked",
                   "values; adds bf16 copies of values that products read and other kernels read exactly",
                   pass_bf16, NULL},
    [PASS_WHOLE_BATCH] = {"whole-batch", INFERENCE | TRAINING, "a graph for inference or training",
                          "the graph; marks the layers that compute the whole batch in one call",
                          pass_whole_batch, NULL},
    [PASS_GIVEN] = {"given", ALL, "a graph for inference or training",
                    "the graph; marks the inputs that kernels read directly from the caller", pass_given,
                    NULL},
    [PASS_RECOMPUTE] = {"recompute", TRAINING, "the training graph, with batched layers marked",
                        "values, to the bit; adds copies of nodes, so that fewer values are stored",
                        recompute, NULL},
    [PASS_PLACE] = {"place", ALL, "a graph for inference or training",
                    "values; adds copies of inputs of concats; decides which values are views of others",
                    do_place, verify_places},
    [PASS_FUSE] = {"fuse", ALL, "views", "the graph; groups its nodes into kernels", fuse, verify_kernels},
    [PASS_STATES] = {"states", INFERENCE, "kernels in order",
                     "the order of kernels; decides which values are computed directly in their states",
                     pass_states, NULL},
    [PASS_STORE] = {"store", ALL, "kernels in order",
                    "the kernels; determines the lifetime and the memory of each value", pass_store,
                    verify_storage},
    [PASS_IN_PLACE] = {"in-place", ALL, "lifetimes of values",
                       "the kernels; proposes results that overwrite operands", pass_in_place,
                       verify_in_place},
};

/* ---- execution ---- */
PassState passes_begin(Arena *arena, const Graph *graph, PlanKind kind, PlanOptions options) {
  PassState state = {.arena = arena, .kind = kind, .options = options, .written = graph};
  state.plan = NEW(arena, Plan);
  state.plan->training = kind == PLAN_TRAINING;
  /* bf16 and f16 weights are read as vectors, so images are not interleaved. */
  const bool apart = kind != PLAN_LOOK && graph_has_halves(graph);
  state.plan->images = options.images > 1 && !apart ? options.images : 1;
  return state;
}

static Node **mapped_nodes(Arena *arena, Node *const *node, int n, Node *const *map) {
  Node **to = NEW_ARRAY(arena, Node *, n + 1);
  for (int i = 0; i < n; i++) to[i] = node[i] ? map[node[i]->id] : NULL;
  return to;
}

PassState passes_fork(Arena *arena, const PassState *from) {
  PassState state = *from;
  const Graph *graph = from->plan->graph;
  Node **map = NEW_ARRAY(arena, Node *, graph->nodes.n + 1);
  state.arena = arena;
  state.plan = NEW(arena, Plan);
  *state.plan = *from->plan;
  state.plan->graph = graph_clone(arena, graph, map);
  state.plan->loss = mapped_nodes(arena, from->plan->loss, graph->training->losses.n, map);
  state.plan->target = mapped_nodes(arena, from->plan->target, graph_ports(graph) + TRUTH_PARTS, map);
  return state;
}

void passes_run(PassState *state, PassId first, PassId last) {
  for (const Pass *pass = pass_table + first; pass <= pass_table + last; pass++) {
    if (!(pass->kinds >> state->kind & 1)) continue;
    pass->run(state);
    if (!state->plan->graph) return;
    if (state->trial) continue;
    graph_verify(state->plan->graph);
    if (pass->verify) pass->verify(state->plan);
  }
}

Plan *plan_new(Arena *arena, const Graph *graph, PlanKind kind, PlanOptions options) {
  PassState state = passes_begin(arena, graph, kind, options);
  passes_run(&state, 0, PASSES - 1);
  return state.plan;
}

Plan *plan_inference(Arena *arena, const Graph *graph, Fusing fusing, int images, int64_t whole_batch) {
  return plan_new(arena, graph, PLAN_INFERENCE,
                  (PlanOptions){.fusing = fusing, .images = images, .whole_batch = whole_batch});
}

Plan *plan_training(Arena *arena, const Graph *graph, Fusing fusing, int images) {
  return plan_new(arena, graph, PLAN_TRAINING, (PlanOptions){.fusing = fusing, .images = images});
}

Plan *plan_look(Arena *arena, const Graph *graph) {
  return plan_new(arena, graph, PLAN_LOOK, (PlanOptions){.fusing = FUSE_NOTHING, .images = 1});
}

/* ---- --after ---- */
const char *const *pass_names(Arena *arena) {
  VEC(const char *) names = {0};
  for (int i = 0; i < PASSES; i++) vec_push(arena, names, pass_table[i].name);
  vec_push(arena, names, NULL);
  return names.data;
}

static PassId pass_find(const char *name) {
  int i = 0;
  while (i < PASSES && strcmp(pass_table[i].name, name) != 0) i++;
  return (PassId)i;
}

bool pass_belongs(const char *name, PlanKind kind) { return pass_table[pass_find(name)].kinds >> kind & 1; }

Plan *plan_after(Arena *arena, const Graph *graph, PlanKind kind, PlanOptions options, const char *name) {
  PassState state = passes_begin(arena, graph, kind, options);
  passes_run(&state, 0, pass_find(name));
  return state.plan;
}
