/* fit.c: Search for plans within --memory, --flash and --ram: repeats planning and lowering until the net
 * fits. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "compilation.h"
#include "kernel/lower.h"
#include "lir/limits.h"
#include "ops/registry.h"

static int64_t macs_of(const Graph *graph) {
  int64_t macs = 0;
  for (int i = 0; i < graph->nodes.n; i++) macs += node_macs(graph->nodes.data[i]);
  return macs;
}

static NetSizes lower_training_again(Compilation *c, Plan *train) {
  c->plans.train = train;
  lower_training(c);
  lay_out(c);
  return layout_sizes(c->layout);
}

/* Searches for a training plan within --memory, and lowers it. `train` is the plan that was lowered last.
 * Each try makes a plan whose values should need at most `room` bytes. A step also needs memory for packed
 * weights, for the gradients of shards, and for scratch. The size of this memory is only known after
 * lowering. The last try has a `room` of 0 and finds the plan with the least memory. So a --memory of exactly
 * the reported minimum succeeds. False: no plan fits. *least: the smallest number of bytes that a plan
 * needed. */
static bool fit_plan(Compilation *c, Plan *train, const PlanOptions *options, int64_t *least) {
  enum { TRIES = 8 };
  const int64_t most = c->options->memory;
  NetSizes sizes = layout_sizes(c->layout);
  int64_t room = INT64_MAX;
  bool exceeded = false; /* the last plan needed more than its `room` */
  if (sizes.training_bytes < *least) *least = sizes.training_bytes;
  c->lowering.shards = sizes.shards;
  for (int i = 0; sizes.training_bytes > most; i++) {
    const int64_t others =
                      sizes.training_bytes - plan_training_needs(c->arena, train, sizes.shards, room).bytes,
                  left = most - others;
    if (i == TRIES || room <= 0) return false;
    room = i == TRIES - 1 || left < 0 || exceeded ? 0 : left < room ? left : room - room / 64 - 1;
    train = plan_training_within(c->arena, c->graph, *options, room, sizes.shards);
    sizes = lower_training_again(c, train);
    if (sizes.training_bytes < *least) *least = sizes.training_bytes;
    const int64_t all = macs_of(train->graph);
    c->recompute_overhead = all > train->recomputed_macs
                                ? (double)train->recomputed_macs / (double)(all - train->recomputed_macs)
                                : 0;
    exceeded = plan_training_needs(c->arena, train, sizes.shards, room).bytes > room;
  }
  return true;
}

/* If no plan with batched convolutions fits, tries plans without batched kernels, because batched
 * convolutions store the inputs and outputs of every image. */
static bool fit_training(Compilation *c, Plan *train) {
  PlanOptions options = plan_options(c, PLAN_TRAINING);
  int64_t least = INT64_MAX;
  options.images = train->images;
  bool fits = fit_plan(c, train, &options, &least);
  if (!fits && plan_batches_conv(train)) {
    options.pays = NULL;
    c->lowering.shards = 0;
    c->recompute_overhead = 0;
    Plan *apart = plan_new(c->arena, c->graph, PLAN_TRAINING, options);
    lower_training_again(c, apart);
    fits = fit_plan(c, apart, &options, &least);
  }
  return fits ||
         report_memory_limit(c->arena, c->diags, c->graph, c->options->memory, c->lowering.shards, least);
}

bool fit(Compilation *c) {
  const Options *o = c->options;
  if (!c->layout || !(o->ram || o->flash || (c->plans.train && o->memory))) return true;
  if (o->ram) fit_ram(c);
  if (o->flash) fit_flash(c);
  const bool fits = !c->plans.train || !o->memory || fit_training(c, c->plans.train);
  stage_done(c, "fit");
  return fits;
}
