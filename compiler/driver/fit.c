/* fit.c: --memory, --flash and --ram: plans and lowers again until the net fits. It prints nothing. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "compilation.h"
#include "kernel/lower.h"
#include "limits.h"
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

/* Packed weights and the gradients of shards use a part of the memory; the size of scratch is only known
 * after lowering. `train` is the plan that was lowered last. False: no plan fits; `least` is the one with the
 * fewest bytes. The last plan tried is the one for no room at all, so that the reported minimum fits when it
 * is requested. */
static bool fit_plan(Compilation *c, Plan *train, const PlanOptions *options, int64_t *least) {
  enum { TRIES = 8 };
  const int64_t most = c->options->memory;
  NetSizes sizes = layout_sizes(c->layout);
  int64_t room = INT64_MAX;
  bool stuck = false; /* there is no plan for that room */
  if (sizes.training_bytes < *least) *least = sizes.training_bytes;
  c->lowering.shards = sizes.shards;
  for (int i = 0; sizes.training_bytes > most; i++) {
    const int64_t others =
                      sizes.training_bytes - plan_training_needs(c->arena, train, sizes.shards, room).bytes,
                  left = most - others;
    if (i == TRIES || room <= 0) return false;
    room = i == TRIES - 1 || left < 0 || stuck ? 0 : left < room ? left : room - room / 64 - 1;
    train = plan_training_within(c->arena, c->graph, *options, room, sizes.shards);
    sizes = lower_training_again(c, train);
    if (sizes.training_bytes < *least) *least = sizes.training_bytes;
    const int64_t all = macs_of(train->graph);
    c->again = all > train->again_macs ? (double)train->again_macs / (double)(all - train->again_macs) : 0;
    stuck = plan_training_needs(c->arena, train, sizes.shards, room).bytes > room;
  }
  return true;
}

/* Inputs and outputs of batched convolutions are stored for every image; if nothing else helps, they are
 * computed image by image. */
static bool fit_training(Compilation *c, Plan *train) {
  PlanOptions options = plan_options(c, PLAN_TRAINING);
  int64_t least = INT64_MAX;
  options.images = train->images;
  bool fits = fit_plan(c, train, &options, &least);
  if (!fits && plan_conv_together(train)) {
    options.pays = NULL;
    c->lowering.shards = 0;
    c->again = 0;
    Plan *apart = plan_new(c->arena, c->graph, PLAN_TRAINING, options);
    lower_training_again(c, apart);
    fits = fit_plan(c, apart, &options, &least);
  }
  return fits || limits_refused(c->arena, c->diags, c->graph, c->options->memory, c->lowering.shards, least);
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
