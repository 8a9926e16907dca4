/* plan.c: where every value lives. Values of one image share an arena by liveness: the largest first, each at the lowest place that is free while it lives.
 *
 * Needs: the kernels in order. Keeps: them; sets storage. */
// SPDX-License-Identifier: Apache-2.0
#include "passes/plan.h"
#include <stdlib.h>
#include "passes/fuse.h"
#include "passes/passes.h"

enum { ALIGN = 16 }; /* floats: 64 bytes */
static int64_t rounded(int64_t floats) { return (floats + ALIGN - 1) / ALIGN * ALIGN; }

typedef struct Life { const Node *node; int64_t floats, offset; int born, dies, phase, last_phase; } Life;
typedef struct Planner { Arena *arena; Plan *plan; Life *life; } Planner; /* life: by node id of a value's home */

const Node *plan_home(const Node *node) {
  while (node->op->family == FAMILY_ALIAS && node->nin) node = node->in[0];
  return node;
}

static Node *value_of(const Plan *plan, const Node *node) { return plan->graph->nodes.data[plan_home(node)->id]; }

/* A BATCH kernel reads the values of all images, which exist together only after its phase. */
static void use(Planner *p, const Node *node, int kernel, int phase) {
  Life *life = &p->life[plan_home(node)->id];
  if (kernel > life->dies) life->dies = kernel;
  if (phase > life->last_phase) life->last_phase = phase;
}

static void set_lives(Planner *p) {
  const Plan *plan = p->plan;
  for (int k = 0; k < plan->kernels.n; k++) {
    const Kernel *kernel = plan->kernels.data[k];
    const Node *result = plan->graph->nodes.data[kernel->result->id];
    Life *life = &p->life[result->id];
    *life = (Life){result, rounded(shape_elements(result->shape)), 0, k, k, kernel->phase, kernel->phase};
    const int read = kernel->phase + (kernel->root->result == RESULT_BATCH);
    for (int i = 0; i < kernel->root->nin; i++) use(p, kernel->root->in[i], k, read);
    for (int c = 0; c < kernel->nchain; c++)
      for (int i = 1; i < kernel->chain[c]->nin; i++) use(p, kernel->chain[c]->in[i], k, read);
  }
}

/* ---- the arena ---- */
static int by_size(const void *a, const void *b) {
  const Life *x = *(Life *const *)a, *y = *(Life *const *)b;
  if (x->floats != y->floats) return x->floats > y->floats ? -1 : 1;
  return x->born - y->born;
}

static bool meet(const Life *a, const Life *b) { return a->born <= b->dies && b->born <= a->dies; }

static int64_t lowest_place(Life *const *placed, int n, const Life *life) {
  int64_t offset = 0;
  for (bool moved = true; moved;) {
    moved = false;
    for (int i = 0; i < n; i++)
      if (meet(placed[i], life) && placed[i]->offset < offset + life->floats && offset < placed[i]->offset + placed[i]->floats) offset = placed[i]->offset + placed[i]->floats, moved = true;
  }
  return offset;
}

static void lay_out_arena(Planner *p, Life **lives, int n) {
  qsort(lives, (size_t)n, sizeof *lives, by_size);
  for (int i = 0; i < n; i++) {
    lives[i]->offset = lowest_place(lives, i, lives[i]);
    if (lives[i]->offset + lives[i]->floats > p->plan->arena_floats) p->plan->arena_floats = lives[i]->offset + lives[i]->floats;
  }
  for (int k = 0; k < p->plan->kernels.n; k++) {
    int64_t alive = 0;
    for (int i = 0; i < n; i++) alive += lives[i]->born <= k && k <= lives[i]->dies ? lives[i]->floats : 0;
    if (alive > p->plan->arena_bound) p->plan->arena_bound = alive;
  }
}

/* ---- homes ---- */
static bool is_output(const Plan *plan, const Node *node, int *index) { /* the first output of that very value */
  for (int o = 0; o < plan->graph->outputs.n; o++)
    if (value_of(plan, plan->graph->outputs.data[o].node) == node) { *index = o; return true; }
  return false;
}

static StoreKind home_of(const Plan *plan, const Life *life, int *index) {
  const Node *node = life->node;
  if (node->target) return STORE_GRADIENT;
  if (node->result == RESULT_BATCH) return STORE_BATCH;
  if (!plan->training) return is_output(plan, node, index) ? STORE_OUTPUT : STORE_ARENA;
  for (int i = 0; i < plan->graph->training->losses.n; i++)
    if (plan->loss[i] == node) return STORE_KEPT;
  return life->last_phase > life->phase ? STORE_KEPT : STORE_ARENA;
}

static void set_storage(Planner *p) {
  Plan *plan = p->plan;
  const Graph *graph = plan->graph;
  Life **arena = NEW_ARRAY(p->arena, Life *, graph->nodes.n + 1);
  int n = 0;
  for (int i = 0; i < graph->nodes.n; i++) {
    Life *life = &p->life[i];
    const Node *node = graph->nodes.data[i];
    Storage *storage = &plan->storage[i];
    *storage = (Storage){STORE_NONE, 0, 0};
    if (fuse_in_place(node)) *storage = (Storage){node->op == &op_target ? STORE_TARGET : STORE_INPUT, node->wrt, 0};
    if (!life->node) continue;
    storage->kind = home_of(plan, life, &storage->index);
    if (storage->kind == STORE_ARENA) arena[n++] = life;
    if (storage->kind == STORE_KEPT) storage->offset = plan->kept_floats, plan->kept_floats += life->floats;
    if (storage->kind == STORE_BATCH) storage->offset = plan->batch_floats, plan->batch_floats += life->floats;
  }
  lay_out_arena(p, arena, n);
  for (int i = 0; i < n; i++) plan->storage[arena[i]->node->id].offset = arena[i]->offset;
  for (int i = 0; i < graph->nodes.n; i++) plan->storage[i] = plan->storage[plan_home(graph->nodes.data[i])->id];
}

static void set_outputs(Planner *p) {
  Plan *plan = p->plan;
  const int n = plan->graph->outputs.n;
  plan->output = NEW_ARRAY(p->arena, Node *, n + 1), plan->copy_output = NEW_ARRAY(p->arena, bool, n + 1);
  for (int o = 0; o < n; o++) {
    plan->output[o] = plan->graph->outputs.data[o].node;
    const Storage *storage = &plan->storage[plan->output[o]->id];
    plan->copy_output[o] = storage->kind != STORE_OUTPUT || storage->index != o;
  }
}

static Plan *plan_new(Arena *arena, Graph *graph) {
  Plan *plan = NEW(arena, Plan);
  plan->graph = graph;
  plan->storage = NEW_ARRAY(arena, Storage, graph->nodes.n + 1);
  return plan;
}

static Plan *lay_out(Arena *arena, Plan *plan, bool plain) {
  fuse_kernels(arena, plan, plain);
  Planner planner = {arena, plan, NEW_ARRAY(arena, Life, plan->graph->nodes.n + 1)};
  set_lives(&planner);
  set_storage(&planner);
  set_outputs(&planner);
  return plan;
}

Plan *plan_inference(Arena *arena, const Graph *graph, bool plain) { return lay_out(arena, plan_new(arena, pass_inference(arena, graph)), plain); }

Plan *plan_training(Arena *arena, const Graph *graph, bool plain) {
  TrainingGraph training = pass_differentiate(arena, graph);
  Plan *plan = plan_new(arena, training.graph);
  plan->training = true, plan->loss = training.loss, plan->target = training.target;
  return lay_out(arena, plan, plain);
}
