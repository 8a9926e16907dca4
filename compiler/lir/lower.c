/* lower.c: Lowering of a plan: a nest for each kernel and target, and an address for each buffer.
 *
 * Requires: a plan without addresses. Preserves: the kernels and their order, but clears kernel->over if a
 * result cannot overwrite its operand. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/number.h"
#include "nest/instance.h"
#include "nest/team.h"
#include "passes/plan.h"
#include "lir/lir.h"
#include "schedule/schedule.h"
#include "ops/registry.h"

enum { MOST_SHARDS = 8 };

typedef struct Lowering {
  Arena *arena;
  Program *program;
  Plan *plan;
  const ProgramOptions *options;
} Lowering;

int program_lanes(const Program *p, int target) {
  return p->batching.how == INTERLEAVED ? p->target[target]->lanes : 1;
}

bool program_counts(const Program *p) { return p->batching.how != ONE_BY_ONE; }

bool program_writes(const Program *p, int output) {
  const Place *place = &p->value[0][p->output[output]->id];
  return place->space == SPACE_OUTPUT && place->index == output;
}

int64_t program_room(const Program *p, SpaceKind space) {
  const int64_t bytes = p->space[space].bytes;
  return bytes ? bytes : SPACE_ALIGNMENT;
}

int64_t program_sum_middle(int64_t from, int64_t to) { return from + (to - from + 1) / 2; }

const char *space_name(SpaceKind space) {
  static const char *const names[] = {"nothing", "input", "output", "target", "weights", "model",    "table",
                                      "keys",    "arena", "kept",   "all",    "batch",   "gradient", "state"};
  return names[space];
}

/* ---- threads, slots, shards ---- */
/* Number of groups of interleaved images; without interleaving, number of images. */
static int64_t image_groups(const Program *p) {
  return (p->batching.images + p->batching.lanes - 1) / p->batching.lanes;
}

/* The work of a graph: its multiply-adds plus the elements of its values. */
static int64_t work_of(const Graph *graph) {
  int64_t work = 0;
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    work += shape_elements(node->shape) + node_macs(node);
  }
  return work;
}

static bool
wants_team(const Lowering *l) { /* Whether a team shares the calls of inference. With a batch, but no batched
                                   kernels, the threads compute different images instead (except in tests). */
  const Program *p = l->program;
  const ProgramOptions *o = l->options;
  return p->kind == PROGRAM_INFERENCE && o->threads &&
         (p->batching.how == WHOLE_BATCH || o->team ||
          (o->batch <= 1 && schedule_team(o->target[0], work_of(o->written), graph_weight_bytes(o->written),
                                          l->plan->kernels.n)));
}

/* Each shard needs memory for its gradients and its arena. Without threads and processes, one shard is
 * enough, unless the options request more. */
static int64_t shards_of(const Lowering *l) {
  const Program *p = l->program;
  const int64_t most_bytes = INT64_C(512) << 20,
                a_shard = graph_weight_bytes(l->options->written) + p->space[SPACE_ARENA].bytes;
  int64_t shards = l->options->shards;
  if (shards) return shards;
  const int64_t processes = l->options->processes;
  shards = l->options->threads || processes ? smaller(image_groups(p), larger(MOST_SHARDS, processes)) : 1;
  while (shards > 2 && shards / 2 >= processes && shards * a_shard > most_bytes) shards /= 2;
  return shards;
}

static bool any_shared(const Program *p) {
  for (int c = 0; c < p->calls.n; c++)
    for (int t = 0; t < p->ntargets; t++)
      if (p->calls.data[c].version[t].shared) return true;
  return false;
}

/* ---- nests ---- */
static LowerOptions lower_options(const Lowering *l, const Kernel *kernel, bool team) {
  const ProgramOptions *o = l->options;
  const Target *layout = target_widest(o->ntargets, o->target);
  const bool infer = l->program->kind == PROGRAM_INFERENCE;
  const bool own = o->layout_lanes == 0;
  return (LowerOptions){.layout_lanes = own ? layout->lanes : o->layout_lanes,
                        .layout = own ? layout : NULL,
                        .plain = o->plain,
                        .sums = o->sums,
                        .exact = o->exact,
                        .updatable = o->written->updatable,
                        .steps = l->plan->graph->stream != NULL,
                        .small = infer && o->small ? o->small[kernel->root->id] : SMALL_NOT,
                        .cycles = o->cycles,
                        .threads = team,
                        .batch = infer && !kernel->batch ? 0 : o->batch,
                        .call = infer && o->batch > 1 ? o->batch : 0,
                        .weight_bytes = o->weight_bytes ? o->weight_bytes : graph_weight_bytes(o->written),
                        .tuning = o->tuning};
}

/* Whether the kernel is batched, computes the gradient of weights, and no other kernel adds to this
 * gradient. */
static bool sole_writer(const Lowering *l, const Kernel *kernel) {
  const Node *root = kernel->root;
  if (!kernel->batch || root->result != RESULT_SUM) return false;
  for (int k = 0; k < l->plan->kernels.n; k++) {
    const Kernel *other = l->plan->kernels.data[k];
    if (other != kernel && other->root->target && parameters_overlap(other->root->target, root->target))
      return false;
  }
  return true;
}

static Lower *lower_version(const Lowering *l, const Kernel *kernel, const Target *target,
                            const LowerOptions *options) {
  KernelCache *kept = l->options->cache;
  return kept ? kernel_cache_get(kept, l->arena, kernel, target, options)
              : schedule_kernel(l->arena, kernel, target, options);
}

static bool is_in_place(const Lower *lower) {
  return lower->out->place == OVER || (lower->out->place == UPDATE && !lower->kernel->result->target);
}

/* Whether `lower`, which may be NULL, still matches kernel->over and `sole`. Both may change after `lower`
 * was built. */
static bool lowered_so(const Lower *lower, const Kernel *kernel, bool sole) {
  return lower && lower->sole == sole && is_in_place(lower) == (kernel->over != NULL);
}

/* Lowers a kernel for all targets, which share one layout. If a result cannot overwrite an operand on one
 * target, it does not overwrite the operand on any target. If one target adds to a gradient, all targets add
 * to it. */
static void lower_versions(const Lowering *l, Kernel *kernel, KernelCall *call, bool sole) {
  LowerOptions options = lower_options(l, kernel, call->team);
  bool over = true, stored = true;
  options.sole = sole;
  for (int t = 0; t < l->program->ntargets; t++) {
    Version *version = &call->version[t];
    options.images = program_lanes(l->program, t);
    if (!lowered_so(version->lower, kernel, sole))
      version->lower = lower_version(l, kernel, l->program->target[t], &options);
    over = over && is_in_place(version->lower);
    stored = stored && !lower_adds(version->lower);
  }
  if (kernel->over && !over) {
    kernel->over = NULL;
    lower_versions(l, kernel, call, sole);
  } else if (sole && !stored) lower_versions(l, kernel, call, false);
}

static int64_t aligned_size(int64_t bytes) {
  return (bytes + SPACE_ALIGNMENT - 1) / SPACE_ALIGNMENT * SPACE_ALIGNMENT;
}

static bool is_used(const Lower *lower, int buffer) {
  return lower->b->buf[buffer]->place < STACK && nest_uses(lower->b, buffer);
}

/* Scratch bytes of the buffers before `buffer`; unused buffers need no memory. */
static int64_t scratch_before(const Lower *lower, int buffer) {
  int64_t bytes = 0;
  for (int i = 0; i < buffer; i++)
    if (is_used(lower, i) && lower_binding(lower, i)->kind == BIND_SCRATCH)
      bytes += aligned_size(buf_bytes(lower->b->buf[i]));
  return bytes;
}

static void lower_call(const Lowering *l, Kernel *kernel, bool team) {
  Program *p = l->program;
  const bool whole = p->batching.how == WHOLE_BATCH;
  KernelCall call = {.kernel = kernel,
                     .how = kernel->batch                    ? CALL_ONCE
                            : p->batching.how == INTERLEAVED ? CALL_LANES
                                                             : CALL_IMAGE,
                     .version = NEW_ARRAY(l->arena, Version, p->ntargets + 1)};
  if (p->kind == PROGRAM_INFERENCE) call.team = team && (kernel->batch || !whole);
  if (p->kind == PROGRAM_TRAINING) call.team = kernel->batch && l->options->threads;
  lower_versions(l, kernel, &call, sole_writer(l, kernel));
  for (int t = 0; t < p->ntargets; t++) {
    Version *version = &call.version[t];
    version->scratch = scratch_before(version->lower, version->lower->b->nbufs);
    version->shared = call.team && team_shares(version->lower->b->main->body);
  }
  vec_push(l->arena, p->calls, call);
}

/* ---- memory ---- */
/* All targets share one layout: each kernel gets the scratch size of the target that needs the most. */
static void lay_out_calls(const Lowering *l) {
  Program *p = l->program;
  Plan *plan = l->plan;
  int64_t *scratch = NEW_ARRAY(l->arena, int64_t, p->calls.n + 1);
  for (int c = 0; c < p->calls.n; c++)
    for (int t = 0; t < p->ntargets; t++)
      scratch[c] = larger(scratch[c], p->calls.data[c].version[t].scratch);
  plan_lay_out(l->arena, plan, scratch);
  for (int c = 0; c < p->calls.n; c++) p->calls.data[c].scratch_from = plan->scratch[c];
  const int64_t gradients = graph_weight_bytes(l->options->written);
  p->space[SPACE_ARENA] = (Space){plan->arena_bytes, plan->arena_bound};
  p->space[SPACE_KEPT] = (Space){plan->kept_bytes, plan->kept_bound};
  p->space[SPACE_ALL] = (Space){plan->all_bytes, plan->all_bound};
  p->space[SPACE_BATCH] = (Space){plan->batch_bytes, plan->batch_bytes};
  p->space[SPACE_GRADIENT] = (Space){gradients, gradients};
}

static SpaceKind space_of(StoreKind kind) {
  switch (kind) {
  case STORE_INPUT: return SPACE_INPUT;
  case STORE_OUTPUT: return SPACE_OUTPUT;
  case STORE_TARGET: return SPACE_TARGET;
  case STORE_ARENA: return SPACE_ARENA;
  case STORE_KEPT: return SPACE_KEPT;
  case STORE_ALL: return SPACE_ALL;
  case STORE_BATCH: return SPACE_BATCH;
  case STORE_GRADIENT: return SPACE_GRADIENT;
  case STORE_STATE: return SPACE_STATE;
  case STORE_NONE: break;
  }
  return SPACE_NONE;
}

static Place contiguous(SpaceKind space, int index, int64_t offset, int64_t stride, int64_t bytes) {
  return (Place){space, index, offset, stride, bytes, bytes, bytes};
}

/* The place of an input or target in the caller's array; the elements have the caller's type. */
static Place port_place(const Node *node) {
  const int64_t image = elem_bytes(node->port->elem) * shape_elements(node->shape);
  return contiguous(node_is_target(node) ? SPACE_TARGET : SPACE_INPUT, node->port->index, 0, image, image);
}

static Place value_place(const Lowering *l, const Node *node, int target) {
  const Program *p = l->program;
  const Storage *storage = &l->plan->storage[node->id];
  const SpaceKind space = space_of(storage->kind);
  const Home home = p->home[node->id];
  const Extent e = shape_extent(node->shape);
  const int64_t lanes = home.node->result == RESULT_BATCH ? 1 : program_lanes(p, target),
                image = home_bytes(&home, shape_elements(home.node->shape));
  Place place = {.space = space, .index = storage->index};
  if (space == SPACE_GRADIENT)
    return contiguous(space, 0, weight_from(node->target), 0, weight_bytes(node->target));
  place.offset = home_bytes(&home, home.offset * lanes);
  place.pitch = home_bytes(&home, home.pitch * lanes);
  place.width = home_bytes(&home, ((home.rows ? (e.n - 1) * home.rows : 0) + e.c) * lanes);
  place.bytes = ((home.rows ? 1 : e.n) * e.h * e.w - 1) * place.pitch + place.width;
  switch (space) {
  case SPACE_ALL: place.offset += storage->offset * p->batching.images; break;
  case SPACE_ARENA:
  case SPACE_KEPT:
  case SPACE_BATCH: place.offset += storage->offset; break;
  default: break;
  }
  if (space == SPACE_INPUT || space == SPACE_OUTPUT || space == SPACE_TARGET || space == SPACE_ALL ||
      space == SPACE_STATE)
    place.stride = image;
  if (space == SPACE_KEPT) place.stride = p->space[SPACE_KEPT].bytes;
  return place;
}

static Place scratch_place(const KernelCall *call, const Version *version, int buffer) {
  const int64_t from = call->scratch_from + scratch_before(version->lower, buffer);
  return contiguous(SPACE_ARENA, 0, from, 0, buf_bytes(version->lower->b->buf[buffer]));
}

static Place operand_place(const Lowering *l, const KernelCall *call, int target, int buffer) {
  const Program *p = l->program;
  const Version *version = &call->version[target];
  const Binding *binding = lower_binding(version->lower, buffer);
  const int64_t bytes = buf_bytes(version->lower->b->buf[buffer]);
  switch (binding->kind) {
  case BIND_VALUE:
    /* If images are interleaved, per-image kernels read an interleaved copy of the training targets, but a
     * batched kernel reads the caller's arrays. */
    if (p->batching.how == INTERLEAVED && call->how == CALL_ONCE && node_is_target(binding->node))
      return port_place(binding->node);
    return p->value[target][binding->node->id];
  case BIND_INPUT: return port_place(binding->node);
  case BIND_WEIGHT:
    return contiguous(p->kind == PROGRAM_INFERENCE ? SPACE_MODEL : SPACE_WEIGHTS, 0,
                      weight_from(binding->weight), 0, weight_bytes(binding->weight));
  case BIND_GRADIENT:
    return contiguous(SPACE_GRADIENT, 0, weight_from(binding->weight), 0, weight_bytes(binding->weight));
  case BIND_SCRATCH: return scratch_place(call, version, buffer);
  case BIND_KEYS: return contiguous(SPACE_KEYS, 0, 0, 0, bytes);
  case BIND_PACK: return contiguous(SPACE_MODEL, 0, 0, 0, bytes);
  case BIND_TABLE: return contiguous(SPACE_TABLE, 0, 0, 0, bytes);
  }
  return (Place){0};
}

static void place_arguments(const Lowering *l, KernelCall *call, int target) {
  Version *version = &call->version[target];
  const Nest *nest = version->lower->b;
  version->argument = NEW_ARRAY(l->arena, Operand, nest->nbufs + 1);
  for (int i = 0; i < nest->nbufs; i++) {
    Operand *argument = &version->argument[i];
    argument->used = is_used(version->lower, i);
    if (!argument->used) continue;
    argument->binding = lower_binding(version->lower, i);
    argument->place = operand_place(l, call, target, i);
    argument->repeated = argument->place.space == SPACE_BATCH && call->how == CALL_LANES;
  }
}

static void place_plan_values(const Lowering *l) {
  Program *p = l->program;
  p->value = NEW_ARRAY(l->arena, Place *, p->ntargets + 1);
  for (int t = 0; t < p->ntargets; t++) {
    p->value[t] = NEW_ARRAY(l->arena, Place, p->graph->nodes.n + 1);
    for (int i = 0; i < p->graph->nodes.n; i++) p->value[t][i] = value_place(l, p->graph->nodes.data[i], t);
    for (int c = 0; c < p->calls.n; c++) place_arguments(l, &p->calls.data[c], t);
  }
}

/* ---- phases, outputs, sums ---- */
static void find_phases(const Lowering *l) {
  Program *p = l->program;
  p->first_phase = l->plan->first_phase;
  for (int c = 0; c < p->calls.n; c++) {
    const Kernel *kernel = p->calls.data[c].kernel;
    Phase *last = p->phases.n ? &p->phases.data[p->phases.n - 1] : NULL;
    if (last && last->number == kernel->phase && last->once == kernel->batch) last->n++;
    else vec_push(l->arena, p->phases, ((Phase){kernel->phase, c, 1, kernel->batch, false}));
  }
}

/* Lists the outputs that are copied to the caller, because no call writes them directly. An output is copied
 * as soon as it is computed or, in inference without interleaving, after the last call. */
static void find_copies(const Lowering *l) {
  Program *p = l->program;
  const bool interleaved = p->batching.how == INTERLEAVED;
  for (int o = 0; o < p->graph->outputs.n; o++) {
    const Node *node = p->output[o];
    const bool given = l->plan->storage[node->id].kind == STORE_INPUT;
    if (p->kind == PROGRAM_LOOK || program_writes(p, o)) continue;
    const int after = p->kind != PROGRAM_TRAINING && !interleaved ? p->calls.n - 1
                      : given ? -1
                              : l->plan->last_writer[p->home[node->id].node->id];
    vec_push(l->arena, p->copies, ((Copy){o, after, node}));
  }
}

/* Lists the initial values of states. Consecutive elements with the same value are one fill. */
static void find_initial(const Lowering *l) {
  Program *p = l->program;
  for (int k = 0; k < graph_states(p->graph); k++) {
    const Node *state = graph_state(p->graph, k);
    const int64_t bytes = elem_bytes(state->elem);
    Fill fill = {k, 0, 0, state_initial(state, 0)};
    if (state_same_initial(state)) fill.to = shape_elements(state->shape) * bytes;
    for (int64_t i = fill.to / bytes; i < shape_elements(state->shape); i++) {
      const double value = state_initial(state, i);
      if (!(value == fill.value)) {
        vec_push(l->arena, p->initial, fill);
        fill = (Fill){k, fill.to, fill.to, value};
      }
      fill.to += bytes;
    }
    vec_push(l->arena, p->initial, fill);
  }
}

static void scatter_outputs(const Lowering *l) {
  Program *p = l->program;
  p->scatter = NEW_ARRAY(l->arena, Nest **, p->graph->outputs.n + 1);
  for (int o = 0; o < p->graph->outputs.n; o++) {
    p->scatter[o] = NEW_ARRAY(l->arena, Nest *, p->ntargets + 1);
    for (int t = 0; t < p->ntargets; t++)
      p->scatter[o][t] = schedule_outputs(l->arena, p->output[o], program_lanes(p, t));
  }
}

/* Whether per-image kernels add to the gradient, so that each shard has its own sum. Also true if no kernel
 * computes the gradient. */
static bool shards_add_to(const Program *p, const Weight *weight) {
  bool together = false;
  for (int c = 0; c < p->calls.n; c++) {
    const Node *node = p->calls.data[c].kernel->root;
    if (!node->target || !parameters_overlap(node->target, weight)) continue;
    if (!kernel_whole_batch(p->calls.data[c].kernel)) return true;
    together = true;
  }
  return !together;
}

/* Whether the gradient must be cleared, because calls add to it or do not store all of its elements. */
static bool starts_with_zeros(const Program *p, const Weight *weight) {
  int64_t stored = 0;
  for (int c = 0; c < p->calls.n; c++) {
    const KernelCall *call = &p->calls.data[c];
    const Weight *target = call->kernel->root->target;
    if (target && parameters_overlap(target, weight) && p->ntargets && !lower_adds(call->version[0].lower))
      stored += target->size;
  }
  return stored < weight->size;
}

/* The gradients of the weights that satisfy the predicate, as byte ranges; adjacent ranges are merged. */
static Stretches gradients_of(const Lowering *l, bool (*is)(const Program *, const Weight *)) {
  const Graph *written = l->options->written;
  Stretches found = {0};
  for (int i = 0; i < written->weights.n; i++) {
    const Weight *weight = written->weights.data[i];
    Stretch *last = found.n ? &found.data[found.n - 1] : NULL;
    const int64_t from = weight_from(weight), to = from + weight_bytes(weight);
    if (!is(l->program, weight)) continue;
    if (last && last->to == from) last->to = to;
    else vec_push(l->arena, found, ((Stretch){from, to}));
  }
  return found;
}

Program *program_lower(Arena *arena, ProgramKind kind, Plan *plan, const ProgramOptions *options) {
  Program *p = NEW(arena, Program);
  const Lowering l = {arena, p, plan, options};
  p->kind = kind;
  p->graph = plan->graph;
  p->ntargets = options->ntargets;
  p->target = options->target;
  p->threads = options->threads;
  p->batching = (Batching){plan->images > 1 ? INTERLEAVED
                           : plan->together ? WHOLE_BATCH
                                            : ONE_BY_ONE,
                           plan->images, options->batch};
  p->home = plan->home;
  p->output = plan->output;
  p->loss = plan->loss;
  p->target_of = plan->target;
  p->layer = plan->layer;
  p->score = plan->score;
  p->gradient = plan->gradient;
  const bool team = wants_team(&l);
  if (options->cache) kernel_cache_begin(options->cache, kind, p->graph);
  for (int k = 0; k < plan->kernels.n; k++) lower_call(&l, plan->kernels.data[k], team);
  p->team = p->batching.how == WHOLE_BATCH ? team : kind == PROGRAM_INFERENCE && any_shared(p);
  p->slots = kind == PROGRAM_INFERENCE && options->threads ? smaller(image_groups(p), MOST_SHARDS) : 1;
  program_overlaps(arena, p, plan, options);
  lay_out_calls(&l);
  place_plan_values(&l);
  program_mark_overlaps(p, plan);
  find_phases(&l);
  find_copies(&l);
  if (kind == PROGRAM_INFERENCE) find_initial(&l);
  if (p->batching.how == INTERLEAVED) scatter_outputs(&l);
  p->shards = kind == PROGRAM_TRAINING ? shards_of(&l) : 1;
  if (kind == PROGRAM_TRAINING) p->cleared = gradients_of(&l, starts_with_zeros);
  if (kind == PROGRAM_TRAINING) p->sums = gradients_of(&l, shards_add_to);
  p->processes = kind == PROGRAM_TRAINING && options->processes > 0;
  if (p->processes) program_share(p, arena, options->written);
  program_order(p, arena);
  return p;
}
