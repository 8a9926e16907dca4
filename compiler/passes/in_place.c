/* in_place.c: Pass that proposes which results overwrite an operand of their kernel. An element-wise
 * operator, fused or not, may overwrite an operand: to store an element, it reads only the same element of
 * the operand. A kernel that replaces some rows of a state overwrites the state.
 *
 * Requires: lifetimes and storage. Preserves: everything except kernel->over, which it sets. After lowering,
 * a proof on the kernel's nest accepts or rejects each proposal. lir/overlap.c finds other overlaps. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/lower.h"
#include "passes/life.h"
#include "passes/passes.h"

static bool same_home(const Plan *plan, const Node *a, const Node *b) {
  return home_of(plan, a)->id == home_of(plan, b)->id;
}

static bool read_at_the_element(const Plan *plan, const Kernel *kernel, const Node *value) {
  const bool map = kernel->root->op->family == FAMILY_MAP;
  for (int i = 0; i < kernel->root->nin; i++)
    if (same_home(plan, kernel->root->in[i], value) && !(map && kernel->root->in[i] == value)) return false;
  for (int c = 0; c < kernel->nchain; c++)
    for (int i = 1; i < kernel->chain[c]->nin; i++)
      if (same_home(plan, kernel->chain[c]->in[i], value) && kernel->chain[c]->in[i] != value) return false;
  return true;
}

/* Whether the value fills a block that only kernels access. */
static bool fills_block(const Plan *plan, const Node *value) {
  const Node *home = home_of(plan, value);
  const StoreKind kind = plan->storage[value->id].kind;
  return (kind == STORE_ARENA || kind == STORE_KEPT) && !plan->home[value->id].rows &&
         !node_is_target(value) && home->result == RESULT_SAMPLE && plan->output_of[value->id] < 0 &&
         (home == value || shape_elements(home->shape) == shape_elements(value->shape));
}

static bool dies_in(const Plan *plan, int k, const Node *value) {
  const Kernel *kernel = plan->kernels.data[k];
  return plan->life[home_of(plan, value)->id].block.dies == k && fills_block(plan, value) &&
         plan->storage[value->id].kind == plan->storage[kernel->result->id].kind &&
         shape_equal(value->shape, kernel->result->shape) && value->elem == kernel->result->elem &&
         plan->home[value->id].elem == plan->home[kernel->result->id].elem &&
         read_at_the_element(plan, kernel, value);
}

static bool makes_own_place(const Plan *plan, int k) {
  const Node *result = plan->kernels.data[k]->result;
  return home_of(plan, result)->id == result->id && plan->life[result->id].block.born == k &&
         fills_block(plan, result);
}

/* Whether the value fills a block of the arena that only kernels access, or rows of such a block. */
static bool rows_in_arena(const Plan *plan, const Node *value) {
  const Home home = plan->home[value->id];
  return plan->storage[value->id].kind == STORE_ARENA && home.pitch == shape_extent(home.node->shape).c &&
         home.pitch == shape_extent(value->shape).c && home.node->result == RESULT_SAMPLE &&
         plan->output_of[value->id] < 0;
}

bool plan_may_overlap(const Plan *plan, int k, const Node *operand) {
  const Kernel *kernel = plan->kernels.data[k];
  return !kernel->over && rows_in_arena(plan, kernel->result) && rows_in_arena(plan, operand) &&
         plan->life[home_of(plan, kernel->result)->id].block.born == k &&
         plan->life[home_of(plan, operand)->id].block.dies == k;
}

/* The state whose memory the kernel updates by replacing some rows; NULL: there is none. */
static const Node *state_to_rewrite(const Plan *plan, const Kernel *kernel) {
  if (!kernel->root->op->traits.rewrites_state || kernel->result != kernel->root) return NULL;
  const Node *state = kernel->root->in[1];
  const Storage *storage = &plan->storage[kernel->result->id];
  return storage->kind == STORE_STATE && storage->index == state->port->index ? state : NULL;
}

static const Node *operand_to_replace(const Plan *plan, int k) {
  const Kernel *kernel = plan->kernels.data[k];
  const Node *state = state_to_rewrite(plan, kernel);
  if (state) return state;
  if (!makes_own_place(plan, k) || kernel->pool || kernel->root->result != RESULT_SAMPLE) return NULL;
  for (int i = 0; i < kernel->root->nin; i++)
    if (dies_in(plan, k, kernel->root->in[i])) return kernel->root->in[i];
  for (int c = 0; c < kernel->nchain; c++)
    for (int i = 1; i < kernel->chain[c]->nin; i++)
      if (dies_in(plan, k, kernel->chain[c]->in[i])) return kernel->chain[c]->in[i];
  return NULL;
}

void pass_in_place(PassState *state) {
  Plan *plan = state->plan;
  for (int k = 0; k < plan->kernels.n; k++) plan->kernels.data[k]->over = operand_to_replace(plan, k);
}
