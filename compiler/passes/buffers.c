/* buffers.c: Buffer assignment: the offset of each value in its memory space, by liveness; lower bounds of
 * the memory for values in training and inference.
 *
 * Requires: lifetimes, storage, in-place results and permitted overlaps. Preserves: all of these; sets
 * offsets and sizes. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "kernel/lower.h"
#include "passes/life.h"
#include "passes/passes.h"

typedef VEC(Overlap) Overlaps;

/* By node id: the block of the value. A result that overwrites an operand shares the operand's block, which
 * lives until both values are dead. */
static Block **value_blocks(Arena *arena, const Plan *plan) {
  const int nodes = plan->graph->nodes.n;
  Block **of = NEW_ARRAY(arena, Block *, nodes + 1), *own = NEW_ARRAY(arena, Block, nodes + 1);
  for (int i = 0; i < nodes; i++) {
    own[i] = plan->life[i].block;
    of[i] = &own[i];
  }
  for (int k = 0; k < plan->kernels.n; k++) {
    const Kernel *kernel = plan->kernels.data[k];
    if (!kernel->over) continue;
    Block *block = of[kernel->result->id] = of[home_of(plan, kernel->over)->id];
    block->dies = own[kernel->result->id].dies;
  }
  for (int i = 0; i < nodes; i++) of[i] = of[home_of(plan, plan->graph->nodes.data[i])->id];
  return of;
}

static bool
has_block(const Plan *plan, Block *const *value, int id,
          StoreKind kind) { /* whether the value has this storage kind and is the first value in its block */
  const Life *life = &plan->life[id];
  return life->node && plan->storage[id].kind == kind && value[id]->born == life->block.born;
}

/* Offset of a value in its block, in bytes. */
static int64_t part_of_block(const Plan *plan, const Node *value) {
  const Home *home = &plan->home[value->id];
  return home_bytes(home, home->offset);
}

/* Converts the permitted overlaps of values to overlaps of their aligned blocks. */
static Overlaps block_overlaps(Arena *arena, const Plan *plan, Block *const *value) {
  Overlaps overlaps = {0};
  const int64_t align = plan_aligned(1);
  for (int i = 0; i < plan->overlaps.n; i++) {
    const ValueOverlap *one = &plan->overlaps.data[i];
    const Node *made = plan->kernels.data[one->kernel]->result;
    const Block *operand = value[one->operand->id], *result = value[made->id];
    const int64_t back = part_of_block(plan, one->operand) - part_of_block(plan, made);
    if (operand->dies == one->kernel && result->born == one->kernel && back % one->step == 0)
      vec_push(arena, overlaps,
               ((Overlap){operand, result, floor_divide(one->most + back, align) * align,
                          least_multiple(one->step, align)}));
  }
  return overlaps;
}

/* Lays out the values of one storage kind, together with the `more` blocks that `block` already contains. In
 * an image's record, as in the arena, a value may reuse the memory of a dead value, because the kernels of an
 * image run in order. */
static Layout lay_out_kind(Plan *plan, StoreKind kind, Block *const *value, Block **block, int more,
                           const Overlaps *overlaps) {
  const int nodes = plan->graph->nodes.n;
  int n = more;
  for (int i = 0; i < nodes; i++)
    if (has_block(plan, value, i, kind)) block[n++] = value[i];
  const Layout layout = layout_blocks(block, n, plan->kernels.n, overlaps->data, overlaps->n);
  for (int i = 0; i < nodes; i++)
    if (plan->storage[i].kind == kind) plan->storage[i].offset = value[i]->offset;
  return layout;
}

void plan_lay_out(Arena *arena, Plan *plan, const int64_t *scratch) {
  const int kernels = plan->kernels.n;
  Block **value = value_blocks(arena, plan),
        **block = NEW_ARRAY(arena, Block *, plan->graph->nodes.n + kernels + 1),
        *own = NEW_ARRAY(arena, Block, kernels + 1);
  const Overlaps overlaps = block_overlaps(arena, plan, value), none = {0};
  const Layout kept = lay_out_kind(plan, STORE_KEPT, value, block, 0, &none),
               all = lay_out_kind(plan, STORE_ALL, value, block, 0, &none);
  int n = 0;
  for (int k = 0; k < kernels; k++) {
    own[k] = (Block){plan_aligned(scratch[k]), k, k, 0, 0};
    if (scratch[k]) block[n++] = &own[k];
  }
  const Layout values = lay_out_kind(plan, STORE_ARENA, value, block, n, &overlaps);
  plan->kept_bytes = kept.bytes;
  plan->kept_bound = kept.bound;
  plan->all_bytes = all.bytes;
  plan->all_bound = all.bound;
  plan->arena_bytes = values.bytes;
  plan->arena_bound = values.bound;
  plan->scratch = NEW_ARRAY(arena, int64_t, kernels + 1);
  for (int k = 0; k < kernels; k++) plan->scratch[k] = own[k].offset;
}

/* ---- memory needs ---- */
typedef struct Needs {
  int64_t *alive, most;
} Needs; /* alive: bytes of the live values of one storage kind, by kernel; most: the maximum */

static Needs needs_of(Arena *arena, const Plan *plan, Block *const *value, StoreKind kind, int64_t times) {
  Needs needs = {NEW_ARRAY(arena, int64_t, plan->kernels.n + 2), 0};
  for (int i = 0; i < plan->graph->nodes.n; i++)
    if (has_block(plan, value, i, kind)) {
      needs.alive[value[i]->born] += times * value[i]->bytes;
      needs.alive[value[i]->dies + 1] -= times * value[i]->bytes;
    }
  for (int k = 0; k < plan->kernels.n; k++) {
    if (k) needs.alive[k] += needs.alive[k - 1];
    if (needs.alive[k] > needs.most) needs.most = needs.alive[k];
  }
  return needs;
}

static int64_t too_much(const Plan *plan, const Needs *needs, int64_t room) {
  int64_t sum = 0;
  for (int k = 0; k < plan->kernels.n; k++) sum += needs->alive[k] > room ? needs->alive[k] - room : 0;
  return sum;
}

TrainingNeeds plan_training_needs(Arena *arena, const Plan *plan, int64_t shards, int64_t room) {
  Block **value = value_blocks(arena, plan);
  const int64_t batch = plan->graph->training->batch;
  const Needs kept = needs_of(arena, plan, value, STORE_KEPT, batch),
              all = needs_of(arena, plan, value, STORE_ALL, batch),
              own = needs_of(arena, plan, value, STORE_ARENA, shards);
  return (TrainingNeeds){kept.most + all.most + own.most,
                         too_much(plan, &kept, room - all.most - own.most) +
                             too_much(plan, &own, room - all.most - kept.most)};
}

/* Bytes that the result of kernel k can share with an operand. */
static int64_t shared_at(const Plan *plan, int k, Block *const *value, const Node *operand) {
  if (!plan_may_overlap(plan, k, operand)) return 0;
  return smaller(value[operand->id]->bytes, value[plan->kernels.data[k]->result->id]->bytes);
}

int64_t plan_inference_least(const Plan *plan) {
  Arena *arena = arena_new();
  Block **value = value_blocks(arena, plan);
  const Needs needs = needs_of(arena, plan, value, STORE_ARENA, 1);
  int64_t least = 0;
  for (int k = 0; k < plan->kernels.n; k++) {
    const Node *root = plan->kernels.data[k]->root;
    int64_t shared = 0;
    for (int i = 0; i < root->nin; i++) shared = larger(shared, shared_at(plan, k, value, root->in[i]));
    least = larger(least, needs.alive[k] - shared);
  }
  arena_free(arena);
  return least;
}
