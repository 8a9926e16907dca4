/* plan_dump.c: Plan as text: its graph, with the results of the passes so far for each node. */
// SPDX-License-Identifier: Apache-2.0
#include "report/graph_dump.h"
#include "kernel/lower.h"
#include "passes/passes.h"
#include "passes/node_tables.h"

/* By node id: index of the kernel that computes the node; -1: none. */
static int *kernels_of(Arena *arena, const Plan *plan) {
  int *kernel = NEW_ARRAY(arena, int, plan->graph->nodes.n + 1);
  for (int i = 0; i < plan->graph->nodes.n; i++) kernel[i] = -1;
  for (int k = 0; k < plan->kernels.n; k++) {
    const Kernel *all = plan->kernels.data[k];
    kernel[all->root->id] = kernel[all->result->id] = k;
    for (int i = 0; i < all->nchain; i++) kernel[all->chain[i]->id] = k;
    for (int i = 0; i < all->nscales; i++) kernel[all->scale[i]->id] = k;
    if (all->normalize) kernel[all->normalize->id] = k;
    if (all->pool) kernel[all->pool->id] = k;
    if (all->means) kernel[all->means->id] = k;
    if (all->gate) kernel[all->gate->id] = k;
  }
  return kernel;
}

static void dump_kernel(Text *out, const Plan *plan, int k, const Node *node) {
  const Kernel *kernel = plan->kernels.data[k];
  text_put(out, "; kernel %d", k);
  if (plan->phases - plan->first_phase > 1) text_put(out, ", phase %d", kernel->phase);
  if (kernel->over && kernel->result->id == node->id) text_put(out, ", over %%%d", kernel->over->id);
}

static void dump_storage(Text *out, const Storage *storage) {
  static const char *const name[] = {
      [STORE_NONE] = NULL,        [STORE_INPUT] = "input",     [STORE_OUTPUT] = "output",
      [STORE_TARGET] = "target",  [STORE_ARENA] = "arena",     [STORE_KEPT] = "kept for each image",
      [STORE_ALL] = "all images", [STORE_BATCH] = "the batch", [STORE_GRADIENT] = "gradient"};
  if (name[storage->kind]) text_put(out, "; in memory: %s", name[storage->kind]);
}

void plan_dump(Text *out, const Plan *plan) {
  const Graph *graph = plan->graph;
  const int *kernel = kernels_of(graph->arena, plan);
  graph_dump_head(out, graph);
  if (plan->images > 1) text_put(out, "%d images interleaved\n", plan->images);
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    graph_dump_node(out, graph, node);
    if (plan_whole_batch(plan, node)) text_put(out, "; whole batch");
    if (plan_given(plan, node)) text_put(out, "; read directly from the caller");
    if (plan_not_before(plan, node)) text_put(out, "; not before phase %d", plan_not_before(plan, node));
    if (plan->inside && plan->inside[i].within)
      text_put(out, "; part of %%%d from element %lld", plan->inside[i].within->id,
               (long long)plan->inside[i].from);
    if (kernel[i] >= 0) dump_kernel(out, plan, kernel[i], node);
    if (plan->storage) dump_storage(out, &plan->storage[i]);
    text_put(out, "\n");
  }
  graph_dump_outputs(out, graph);
}
