/* footprint.c: Sizes of a layout's structs; flash, RAM and stack of inference. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/number.h"
#include "lir/layout.h"

int64_t aligned(int64_t floats) { return (floats + ALIGNED_FLOATS - 1) / ALIGNED_FLOATS * ALIGNED_FLOATS; }

int64_t floats_in(int64_t bytes) { return bytes / (int64_t)sizeof(float); }

/* ---- structs ---- */
/* A struct's size is a multiple of its widest member's alignment. */
int64_t members_bytes(const Part *part) {
  int64_t bytes = 0, unit = 1;
  for (int i = 0; i < part->members.n; i++) {
    bytes += part->members.data[i]->bytes;
    if (elem_bytes(part->members.data[i]->elem) > unit) unit = elem_bytes(part->members.data[i]->elem);
  }
  return (bytes + unit - 1) / unit * unit;
}

int64_t layout_model_bytes(const Layout *layout) {
  return layout->infer.members.n ? members_bytes(&layout->infer) : layout->model ? ALIGNMENT : 0;
}

int64_t layout_all_floats(const Layout *layout) {
  return layout->options.batch * floats_in(layout->infer.program->space[SPACE_ALL].bytes);
}

/* The state struct has a 16-byte mark, which identifies the net and its layout, then the states. The struct's
 * size is a multiple of 4, the alignment of the mark. */
int64_t layout_state_bytes(const Layout *layout) {
  const int n = graph_states(layout->graph);
  int64_t bytes = n || layout->graph->stream ? 16 : 0; /* the mark */
  for (int k = 0; k < n; k++) {
    const Node *state = graph_state(layout->graph, k);
    bytes += layout->options.batch * shape_elements(state->shape) * elem_bytes(state->elem);
  }
  return (bytes + 3) / 4 * 4;
}

int64_t layout_slot_floats(const Layout *layout) {
  return floats_in(program_room(layout->infer.program, SPACE_ARENA));
}

int64_t layout_training_floats(const Layout *layout, SpaceKind space) {
  const Program *p = layout->train.program;
  if (space == SPACE_ARENA) return floats_in(program_room(p, SPACE_ARENA));
  return floats_in(p->space[space].bytes) * (space == SPACE_BATCH ? 1 : p->batching.images);
}

static int64_t training_bytes(const Layout *layout) {
  const int64_t shards = layout->train.program->shards;
  return 4 *
         (ceil_divide(members_bytes(&layout->train), 4) + layout_training_floats(layout, SPACE_BATCH) +
          layout_training_floats(layout, SPACE_ALL) + layout_training_floats(layout, SPACE_KEPT) +
          shards * layout_training_floats(layout, SPACE_ARENA) + (shards - 1) * layout->graph->parameters);
}

static int64_t slack(const Program *p, SpaceKind space) {
  return p->space[space].bytes - p->space[space].bound;
}

NetSizes layout_sizes(const Layout *layout) {
  const Program *infer = layout->infer.program, *train = layout->train.program;
  NetSizes sizes = {.model_bytes = layout_model_bytes(layout),
                    .state_bytes = layout_state_bytes(layout),
                    .workspace_bytes =
                        4 * (layout_all_floats(layout) + infer->slots * layout_slot_floats(layout))};
  sizes.workspace_bound = sizes.workspace_bytes - layout->options.batch * slack(infer, SPACE_ALL) -
                          infer->slots * slack(infer, SPACE_ARENA);
  if (!train) return sizes;
  sizes.shards = train->shards;
  sizes.training_bytes = training_bytes(layout);
  sizes.training_bound = sizes.training_bytes - train->shards * slack(train, SPACE_ARENA) -
                         train->batching.images * (slack(train, SPACE_KEPT) + slack(train, SPACE_ALL));
  return sizes;
}

/* ---- flash, RAM, stack ---- */
static int64_t table_bytes(const Layout *layout) {
  int64_t bytes = 0;
  for (int i = 0; i < layout->tables.n; i++) bytes += layout->tables.data[i]->bytes;
  return bytes;
}

static int64_t label_bytes(const Graph *graph) {
  int64_t bytes = 0;
  for (int i = 0; i < graph->nlabels; i++) bytes += (int64_t)strlen(graph->label[i]) + 1;
  return bytes;
}

bool layout_is_board(const Layout *layout) {
  for (int t = 0; t < layout->options.ntargets; t++)
    if (!cpu_cycles(layout->options.target[t])) return false;
  return true;
}

/* Bytes of the constants that this call reads and no earlier call reads; seen: the constants that earlier
 * calls read. */
static int64_t flash_of(Arena *arena, const Step *step, int target, Table *seen) {
  const Nest *nest = step->call->version[target].lower->b;
  int64_t bytes = 0;
  for (int i = 0; step->member && step->member[target] && i < nest->nbufs; i++) {
    const Member *member = step->member[target][i];
    if (!member || table_find(seen, member->name)) continue;
    table_set(arena, seen, member->name, (void *)(uintptr_t)1);
    bytes += member->bytes;
  }
  return bytes;
}

/* Stack of NAME_infer: its own frame and the largest stack of a layer's function. gcc may inline another
 * layer's function into NAME_infer, so the second largest stack is added, up to gcc's limit for inlining. */
static int64_t footprint_stack_of(const Footprint *f) {
  enum { FRAME = 256, INLINED = 768 };
  int64_t first = 0, second = 0;
  for (int i = 0; i < f->n; i++) {
    const int64_t bytes = f->layer[i].stack;
    if (bytes > second) second = bytes;
    if (bytes > first) {
      second = first;
      first = bytes;
    }
  }
  return FRAME + first + (second < INLINED ? second : INLINED);
}

static void add_layer_footprints(const Layout *layout, Footprint *f, int target) {
  const Program *p = layout->infer.program;
  Table seen = {0};
  int64_t *live = NEW_ARRAY(layout->arena, int64_t, p->calls.n + 1);
  program_live(layout->arena, p, target, live);
  for (int s = 0; s < layout->infer.steps.n; s++) {
    const Step *step = &layout->infer.steps.data[s];
    LayerFootprint *layer = &f->layer[s];
    const int64_t flash = flash_of(layout->arena, step, target, &seen),
                  ram = live[step->call - p->calls.data], stack = step->function[target]->into->stack;
    layer->name = step->name;
    if (flash > layer->flash) layer->flash = flash;
    if (ram > layer->ram) layer->ram = ram;
    if (stack > layer->stack) layer->stack = stack;
  }
}

Footprint layout_footprint(const Layout *layout) {
  const NetSizes sizes = layout_sizes(layout);
  const int64_t tables = table_bytes(layout), labels = label_bytes(layout->graph);
  const bool flash = layout->options.embedded || !layout->weights;
  Footprint f = {.flash = (flash ? sizes.model_bytes : 0) + tables + labels,
                 .tables = tables,
                 .labels = labels,
                 .model = flash ? 0 : sizes.model_bytes,
                 .workspace = sizes.workspace_bytes,
                 .state = sizes.state_bytes,
                 .n = layout->infer.steps.n,
                 .layer = NEW_ARRAY(layout->arena, LayerFootprint, layout->infer.steps.n + 1)};
  for (int t = 0; t < layout->options.ntargets; t++) add_layer_footprints(layout, &f, t);
  f.stack = layout_is_board(layout) ? footprint_stack_of(&f) : -1;
  f.ram = f.model + f.workspace + f.state + larger(f.stack, 0);
  return f;
}
