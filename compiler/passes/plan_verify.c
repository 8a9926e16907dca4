/* plan_verify.c: Verifier of plans: invariants that hold after some passes (Pass.verify). */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include "kernel/lower.h"
#include "passes/fuse.h"
#include "passes/life.h"
#include "passes/passes.h"
#include "passes/node_tables.h"

static _Noreturn void broken_plan(const Plan *plan, const Node *node, const char *what) {
  fprintf(stderr, "cnnc: internal error: plan of %s, node %d (%s %s): %s\n", plan->graph->name, node->id,
          node->op->name, node->name, what);
  exit(3);
}

/* All elements of an alias are elements of the value that contains the alias. If the two values have the same
 * height and width, the channels of the alias are channels of the containing value. */
void verify_places(const Plan *plan) {
  for (int i = 0; i < plan->graph->nodes.n; i++) {
    const Node *node = plan->graph->nodes.data[i], *around = plan->inside[i].within;
    const int64_t from = plan->inside[i].from;
    if (!around) continue;
    const Extent own = shape_extent(node->shape), outer = shape_extent(around->shape);
    if (from < 0 || from + shape_elements(node->shape) > shape_elements(around->shape))
      broken_plan(plan, node, "it exceeds the value that contains it");
    if (own.h == outer.h && own.w == outer.w && from % shape_row_elements(around->shape) + own.c > outer.c)
      broken_plan(plan, node, "it has channels beyond those of the value that contains it");
  }
}

/* At most one kernel computes each value, kernels are in the order of phases, and each live output has a
 * producer: a kernel, the caller, or the value that contains it. */
void verify_kernels(const Plan *plan) {
  Arena *arena = arena_new();
  const int *live = fuse_uses(arena, plan);
  bool *made = NEW_ARRAY(arena, bool, plan->graph->nodes.n + 1);
  for (int k = 0; k < plan->kernels.n; k++) {
    const Kernel *kernel = plan->kernels.data[k], *before = k ? plan->kernels.data[k - 1] : NULL;
    if (made[kernel->result->id]) broken_plan(plan, kernel->result, "two kernels compute it");
    made[kernel->result->id] = true;
    if (kernel->means) made[kernel->means->id] = true;
    if (kernel->phase < plan->first_phase || kernel->phase >= plan->phases)
      broken_plan(plan, kernel->result, "its kernel runs in no phase");
    if (before &&
        (before->phase > kernel->phase || (before->phase == kernel->phase && before->batch > kernel->batch)))
      broken_plan(plan, kernel->result, "kernels must be sorted by phase, then batched kernels last");
  }
  for (int o = 0; o < plan->graph->outputs.n; o++) {
    const Node *node = plan->graph->outputs.data[o].node;
    while (node->op->family == FAMILY_ALIAS && node->nin) node = node->in[0];
    if (live[node->id] && !made[node->id] && !plan->inside[node->id].done && !plan_given(plan, node))
      broken_plan(plan, node, "no kernel computes this output");
  }
  arena_free(arena);
}

void verify_storage(const Plan *plan) {
  for (int k = 0; k < plan->kernels.n; k++) {
    const Node *result = plan->kernels.data[k]->result;
    if (plan->storage[result->id].kind == STORE_NONE) broken_plan(plan, result, "it is stored nowhere");
    if (plan->life[home_of(plan, result)->id].block.dies < k)
      broken_plan(plan, result, "its lifetime ends before it is computed");
    const Node *means = plan->kernels.data[k]->means;
    if (means && plan->storage[means->id].kind == STORE_NONE)
      broken_plan(plan, means, "it is stored nowhere");
  }
}

/* A value that a kernel overwrites has no users after this kernel, and is in the same memory space as the
 * result. (Later users of states are not checked here: pass_states ensures that an overwritten state has no
 * later users.) */
void verify_in_place(const Plan *plan) {
  for (int k = 0; k < plan->kernels.n; k++) {
    const Kernel *kernel = plan->kernels.data[k];
    const bool state = kernel->over && node_is_state(kernel->over);
    if (kernel->over && !state && plan->life[home_of(plan, kernel->over)->id].block.dies != k)
      broken_plan(plan, kernel->result, "it overwrites a value that is needed later");
    if (kernel->over && plan->storage[kernel->over->id].kind != plan->storage[kernel->result->id].kind)
      broken_plan(plan, kernel->result, "it overwrites a value in another memory space");
  }
}
