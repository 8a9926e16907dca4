/* store.c: Lifetime and memory space of each value.
 *
 * Requires: the kernels in order. Preserves: the kernels; sets life, storage and outputs. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/lower.h"
#include "passes/life.h"
#include "passes/passes.h"
#include "passes/node_tables.h"

enum { ALIGN = 64 };
int64_t plan_aligned(int64_t bytes) { return (bytes + ALIGN - 1) / ALIGN * ALIGN; }

const Node *home_of(const Plan *plan, const Node *node) { return plan->home[node->id].node; }

static void use(Plan *plan, const Node *node, int kernel) {
  Life *life = &plan->life[home_of(plan, node)->id];
  const Kernel *reader = plan->kernels.data[kernel];
  if (kernel > life->block.dies) life->block.dies = kernel;
  if (reader->phase > life->last_phase) life->last_phase = reader->phase;
  if (reader->batch) life->all = true;
}

/* Extends the life of a value to whole phases, if the value is stored for all images: each phase runs for one
 * image after the other. */
static void live_for_phases(const Plan *plan, Life *life) {
  Kernel *const *kernel = plan->kernels.data;
  while (life->block.born > 0 && !kernel[life->block.born]->batch &&
         kernel[life->block.born - 1]->phase == life->phase)
    life->block.born--;
  while (life->block.dies + 1 < plan->kernels.n && !kernel[life->block.dies + 1]->batch &&
         kernel[life->block.dies + 1]->phase == life->last_phase)
    life->block.dies++;
}

static void make_stored(Plan *plan, const Node *node, int k) { /* kernel k writes the value */
  const int phase = plan->kernels.data[k]->phase;
  const Node *home = plan->graph->nodes.data[home_of(plan, node)->id];
  const int64_t images = home->result == RESULT_BATCH ? 1 : plan->images;
  Life *life = &plan->life[home->id];
  if (!life->node)
    *life = (Life){
        home,
        {plan_aligned(home_bytes(&plan->home[home->id], images * shape_elements(home->shape))), k, k, 0, 0},
        phase,
        phase,
        false};
  use(plan, home, k); /* several kernels write the parts of a concat */
  plan->last_writer[home->id] = k;
}

static void set_lives(Plan *plan) {
  for (int k = 0; k < plan->kernels.n; k++) {
    const Kernel *kernel = plan->kernels.data[k];
    make_stored(plan, kernel->result, k);
    if (kernel->means) make_stored(plan, kernel->means, k);
    for (int i = 0; i < kernel->root->nin; i++) use(plan, kernel->root->in[i], k);
    for (int c = 0; c < kernel->nchain; c++)
      for (int i = 1; i < kernel->chain[c]->nin; i++) use(plan, kernel->chain[c]->in[i], k);
  }
  for (int i = 0; plan->training && i < plan->graph->training->losses.n; i++) {
    Life *life = &plan->life[plan->loss[i]->id];
    life->all = true;
    life->block.dies = plan->kernels.n - 1;
    life->last_phase = plan->phases - 1;
  }
  for (int i = 0; i < plan->graph->nodes.n; i++) {
    Life *life = &plan->life[i];
    if (!plan->training && life->last_phase > life->phase) life->all = true;
    if (life->all) live_for_phases(plan, life);
  }
}

static void mark_outputs(Arena *arena, Plan *plan) {
  plan->output_of = NEW_ARRAY(arena, int, plan->graph->nodes.n + 1);
  for (int i = 0; i < plan->graph->nodes.n; i++) plan->output_of[i] = -1;
  for (int o = plan->graph->outputs.n - 1; o >= 0; o--)
    plan->output_of[home_of(plan, plan->graph->outputs.data[o].node)->id] = o;
}

static StoreKind store_kind(const Plan *plan, const Life *life, int *index) {
  const Node *node = life->node;
  if (node->target) return STORE_GRADIENT;
  if (node->result == RESULT_BATCH) return STORE_BATCH;
  if (node_is_update(node) || (plan->state_of && plan->state_of[node->id] >= 0)) {
    *index = node_is_update(node) ? node->in[1]->port->index : plan->state_of[node->id];
    return STORE_STATE;
  }
  if (!plan->training && plan->images == 1 && plan->output_of[node->id] >= 0) {
    *index = plan->output_of[node->id];
    return STORE_OUTPUT;
  }
  return life->all ? STORE_ALL : life->last_phase > life->phase ? STORE_KEPT : STORE_ARENA;
}

static void set_storage(Plan *plan) {
  const Graph *graph = plan->graph;
  for (int i = 0; i < graph->nodes.n; i++) {
    const Life *life = &plan->life[i];
    const Node *node = graph->nodes.data[i];
    Storage *storage = &plan->storage[i];
    *storage = (Storage){STORE_NONE, 0, 0};
    if (node_is_state(node)) *storage = (Storage){STORE_STATE, node->port->index, 0};
    else if (plan_given(plan, node))
      *storage = (Storage){node_is_target(node) ? STORE_TARGET : STORE_INPUT, node->port->index, 0};
    if (!life->node) continue;
    storage->kind = store_kind(plan, life, &storage->index);
    if (storage->kind == STORE_BATCH) {
      storage->offset = plan->batch_bytes;
      plan->batch_bytes += life->block.bytes;
    }
  }
  for (int i = 0; i < graph->nodes.n; i++)
    plan->storage[i] = plan->storage[home_of(plan, graph->nodes.data[i])->id];
}

static void set_outputs(Arena *arena, Plan *plan) {
  const int n = plan->graph->outputs.n;
  plan->output = NEW_ARRAY(arena, Node *, n + 1);
  for (int o = 0; o < n; o++) plan->output[o] = plan->graph->outputs.data[o].node;
}

void pass_store(PassState *state) {
  Plan *plan = state->plan;
  const int n = plan->graph->nodes.n + 1;
  plan->storage = NEW_ARRAY(state->arena, Storage, n);
  plan->life = NEW_ARRAY(state->arena, Life, n);
  plan->last_writer = NEW_ARRAY(state->arena, int, n);
  set_lives(plan);
  mark_outputs(state->arena, plan);
  set_storage(plan);
  set_outputs(state->arena, plan);
}
