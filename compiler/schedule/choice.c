// choice.c: the one place where a kernel's schedule is picked.
// SPDX-License-Identifier: Apache-2.0
//
// The cost model ranks the methods that a family offers. What packs weights in its own way is chosen for the
// widest target of the file alone, for all targets of a file share one layout. A choice that was measured
// goes before the model, as far as it is possible for the kernel.
#include "schedule/choice.h"
#include "ops/registry.h"
#include <inttypes.h>
#include <math.h>
#include "base/number.h"
#include "graph/shape.h"
#include "schedule/float/direct.h"
#include "schedule/mcu/dsp.h"
#include "schedule/float/strassen.h"

static const double GAIN = 0.9;   /* of the direct convolution's time, from where on it is left alone */
static const double HOPELESS = 3; /* times the least predicted time: not measured */

/* ---- the kernel in words ---- */
static const char *axes(Arena *arena, const char *what, const int64_t value[2], int64_t otherwise) {
  if (value[0] == otherwise && value[1] == otherwise) return "";
  return arena_printf(arena, " %s %" PRId64 "x%" PRId64, what, value[0], value[1]);
}

static const char *key_of(const Lower *l) {
  const Node *root = l->node;
  Text key = {.arena = l->arena};
  text_put(&key, "%s", root->op->name);
  if (root->window) text_put(&key, " %" PRId64 "x%" PRId64, root->window->kernel[0], root->window->kernel[1]);
  if (root->nin) text_put(&key, " %s ->", shape_text(l->arena, root->in[0]->shape));
  text_put(&key, " %s", shape_text(l->arena, root->shape));
  if (root->window) {
    const Window *w = root->window;
    text_put(&key, "%s%s%s", axes(l->arena, "stride", w->stride, 1), axes(l->arena, "pad", w->before, 0),
             axes(l->arena, "dilation", w->dilation, 1));
    if (w->groups > 1) text_put(&key, " groups %" PRId64, w->groups);
  }
  for (int i = 0; i < l->kernel->nchain; i++) text_put(&key, " + %s", l->kernel->chain[i]->op->name);
  if (l->kernel->pool) text_put(&key, " + %s", l->kernel->pool->op->name);
  return key.s;
}

/* ---- sizes that only an operator's own loops take ---- */
static bool dense_near_limits(const Node *node) {
  enum { UNIT = 64, MOST_PACKED = INT32_MAX - (1 << 26) };
  const Node *forward = node_forward(node);
  const int64_t inputs = shape_row_elements(forward->in[0]->shape),
                units = shape_row_elements(forward->shape);
  return bounded_product(inputs + UNIT, units + UNIT) > MOST_PACKED;
}

bool choice_near_limits(const Lower *l) {
  switch (l->node->op->family) {
  case FAMILY_DENSE:
  case FAMILY_DENSE_INPUT:
  case FAMILY_DENSE_WEIGHTS: return !kernel_whole_batch(l->kernel) && dense_near_limits(l->node);
  case FAMILY_CONV:
  case FAMILY_CONV_SCATTER:
  case FAMILY_CONV_WEIGHTS:
  case FAMILY_DEPTHWISE:
  case FAMILY_DEPTHWISE_SCATTER:
  case FAMILY_DEPTHWISE_WEIGHTS: {
    const Correlation k = correlation_of(l->node);
    return correlation_near_limits(&k);
  }
  case FAMILY_INT8:          /* looks for itself */
  case FAMILY_CONV_REPEATED: /* made for no others */
  case FAMILY_NONE:
  case FAMILY_MAP:
  case FAMILY_POOL:
  case FAMILY_ALIAS: return false;
  }
  return false;
}

/* ---- what families offer ---- */
static bool one_to_one(const Correlation *k) { return k->groups > 1 && k->l == 1 && k->s == 1; }
static bool no_stride(const Correlation *k) { return k->stride[0] == 1 && k->stride[1] == 1; }

/* What cycles follow from: as a gathering, unless it has phases. */
static Correlation correlation_ranked(const Lower *l) {
  const Correlation own = correlation_of(l->node);
  return no_stride(&own) ? correlation_gathering(l->node) : own;
}

/* By so many bytes the weights of all phases are more than those of the layer. */
static int64_t phases_growth(const Lower *l, const Correlation *phases, int m) {
  const Correlation k = correlation_of(l->node);
  int64_t points = 1;
  if (!correlation_spreads(l->node) || no_stride(&k)) return 0;
  for (int axis = 0; axis < 2; axis++)
    if (phases->kernel[axis] > 1) points *= m + phases->kernel[axis] - 1;
  return 4 * k.groups * (phases->l * phases->s * points - k.l * k.s * k.kernel[0] * k.kernel[1]);
}

static Cycles cycles_of(const Lower *l, const Target *target, const Correlation *k, Method method, int m) {
  const Correlation phases = method == METHOD_WINOGRAD ? winograd_correlation(l->node) : *k;
  if (l->node->op->family == FAMILY_CONV_WEIGHTS)
    return method == METHOD_GROUPS     ? cost_groups_weights(target, k)
           : method == METHOD_WINOGRAD ? cost_winograd_weights(target, k, m)
                                       : cost_weights(target, k);
  if (method == METHOD_WINOGRAD)
    return cost_winograd(target, &phases, m, l->batch, l->weight_bytes + phases_growth(l, &phases, m));
  if (method == METHOD_STRASSEN) return cost_strassen(target, k, m, l->batch, l->weight_bytes);
  if (method == METHOD_GROUPS) return cost_groups(target, k, l->weight_bytes);
  if (method == METHOD_JOINED) return cost_joined(target, k, l->weight_bytes);
  if (correlation_spreads(l->node) && !no_stride(k)) return cost_phases(target, k, l->weight_bytes);
  if (method == METHOD_COLUMNS)
    return cost_columns(target, k, shape_row_elements(l->kernel->result->shape), l->weight_bytes);
  return cost_direct(target, k, l->weight_bytes);
}

static void offer(const Lower *l, Decision *d, Candidate candidate) {
  vec_push(l->arena, d->candidates, candidate);
}

/* Panels of weights, and what is joined, belong to one phase. correlation_near_limits knows of no phases, and
 * counts no points of groups, and fewer than there are with a stride. */
static const char *winograd_weights_refused(const Lower *l, const Correlation *k, int64_t points) {
  enum { UNIT = 16 }; /* what filters of a group are padded to */
  const Correlation own = correlation_of(l->node);
  const bool phases = correlation_spreads(l->node) && !no_stride(&own);
  if (phases && own.l % direct_unit(l, own.l)) return "filters that fill no vectors";
  if (!phases && k->groups == 1 && no_stride(&own)) return NULL;
  const int64_t each = bounded_product(k->l, k->s + UNIT), all = bounded_product(k->groups, each);
  return bounded_product(all, points) > INT32_MAX / 2 ? "too many weights" : NULL;
}

static void offer_winograd(const Lower *l, Decision *d, const Correlation *k, int m) {
  Winograd w[2];
  winograd_axes(k, m, w);
  const char *refused = winograd_refused(l, k);
  Candidate c = {.choice = {.method = METHOD_WINOGRAD, .m = m},
                 .refused = refused ? refused : winograd_weights_refused(l, k, w[0].n * w[1].n),
                 .name = winograd_name(l->arena, k, m)};
  c.cycles = cycles_of(l, l->target, k, METHOD_WINOGRAD, m);
  c.error = winograd_error(w, k->l);
  offer(l, d, c);
}

static void offer_winograds(const Lower *l, Decision *d, const Correlation *k) {
  int m[WINOGRAD_SIZES];
  const int n = winograd_sizes(k, m);
  for (int i = 0; i < n; i++) offer_winograd(l, d, k, m[i]);
}

static void offer_strassen(const Lower *l, Decision *d, const Correlation *k) {
  for (int parts = 2; parts <= 4 && strassen_takes(k); parts *= 2)
    offer(l, d,
          (Candidate){.choice = {.method = METHOD_STRASSEN, .m = parts},
                      .name = strassen_name(parts),
                      .refused = strassen_refused(l, k, parts),
                      .cycles = cycles_of(l, l->target, k, METHOD_STRASSEN, parts),
                      .error = strassen_error(parts / 2, k->l)});
}

static void offer_groups(const Lower *l, Decision *d, const Correlation *k) {
  const Correlation own = correlation_of(l->node);
  const bool weights = l->node->op->family == FAMILY_CONV_WEIGHTS;
  if (own.groups > 1)
    offer(l, d,
          (Candidate){.choice = {.method = METHOD_GROUPS},
                      .name = "diagonals of groups",
                      .refused = (weights ? groups_weights_refused : groups_refused)(l, &own),
                      .cycles = cycles_of(l, l->target, k, METHOD_GROUPS, 0)});
}

static void offer_weights(const Lower *l, Decision *d, const Correlation *k) {
  offer(l, d,
        (Candidate){.choice = {.method = METHOD_DIRECT},
                    .name = "tap by tap",
                    .cycles = cycles_of(l, l->target, k, METHOD_DIRECT, 0)});
  offer_groups(l, d, k);
  offer_winograds(l, d, k);
}

static void offer_conv(const Lower *l, Decision *d, const Correlation *k) {
  offer(l, d,
        (Candidate){.choice = {.method = METHOD_DIRECT},
                    .name = correlation_spreads(l->node) ? "phases of a direct convolution" : "direct",
                    .cycles = cycles_of(l, l->target, k, METHOD_DIRECT, 0)});
  if (k->l == 1 && k->groups == 1 && !correlation_spreads(l->node))
    offer(l, d,
          (Candidate){.choice = {.method = METHOD_COLUMNS},
                      .name = "columns",
                      .refused = columns_refused(l, k),
                      .cycles = cycles_of(l, l->target, k, METHOD_COLUMNS, 0)});
  offer_groups(l, d, k);
  offer_winograds(l, d, k);
  offer_strassen(l, d, k);
}

/* Transposed, with a stride: phase after phase, or all of them at once. */
static void offer_phases(const Lower *l, Decision *d, const Correlation *k) {
  offer(l, d,
        (Candidate){.choice = {.method = METHOD_DIRECT},
                    .name = "phases of a direct convolution",
                    .cycles = cycles_of(l, l->target, k, METHOD_DIRECT, 0)});
  offer(l, d,
        (Candidate){.choice = {.method = METHOD_JOINED},
                    .name = "phases side by side",
                    .refused = joined_refused(l, k),
                    .cycles = cycles_of(l, l->target, k, METHOD_JOINED, 0)});
  offer_groups(l, d, k);
  if (phases_alike(k)) {
    const Correlation phases = phases_correlation(k);
    offer_winograds(l, d, &phases);
  }
}

static Cycles stream_of(const Lower *l) {
  const Node *root = l->node;
  int64_t weights = 0, values = shape_row_elements(l->kernel->result->shape);
  for (int k = 0; k < root->nweights; k++) weights += root->weight[k] ? root->weight[k]->size : 0;
  for (int k = 0; k < root->nin; k++) values += shape_row_elements(root->in[k]->shape);
  const int64_t window = root->window ? root->window->kernel[0] * root->window->kernel[1] : 1;
  const int64_t elements = shape_row_elements(root->shape);
  const int64_t macs = root->op->cost ? node_macs(root) : bounded_product(window, elements);
  return cost_stream(l->target, macs, 4 * values, 4 * weights, l->weight_bytes);
}

static Cycles own_cycles(const Lower *l) {
  const Family family = l->node->op->family;
  Cycles c = stream_of(l);
  if (family == FAMILY_CONV_REPEATED) {
    const Correlation k = correlation_of(l->node);
    return cost_repeated(l->target, &k, l->node->detail, l->weight_bytes);
  }
  if (family == FAMILY_DEPTHWISE || family == FAMILY_DEPTHWISE_SCATTER) {
    Correlation k = correlation_of(l->node); /* a vector of channels has the products of one input channel */
    k.s = k.groups;
    k.groups = k.l = 1;
    c.products = cost_direct(l->target, &k, l->weight_bytes).products;
    c.total = fmax(c.products, c.memory);
  }
  return c;
}

/* Inference of several images; the plan has chosen: what is computed for all images at once ends a phase. */
static void offer_dense(const Lower *l, Decision *d) {
  const int64_t macs = node_macs(l->node);
  const Cycles alone = stream_of(l),
               together = cost_together(l->target, macs, 4 * macs, l->call, l->weight_bytes);
  const bool small = !kernel_whole_batch(l->kernel) && together.total < GAIN * alone.total;
  offer(l, d, (Candidate){.choice = {.method = METHOD_OWN}, .name = "image by image", .cycles = alone});
  offer(l, d,
        (Candidate){.choice = {.method = METHOD_OWN},
                    .name = "all images at once",
                    .cycles = together,
                    .refused = small ? "so few weights stay in the first caches" : NULL});
}

/* In training: all images at once, as the plan has chosen. */
static void offer_dense_training(const Lower *l, Decision *d) {
  const Node *forward = node_forward(l->node);
  const int64_t inputs = shape_row_elements(forward->in[0]->shape),
                units = shape_row_elements(forward->shape), macs = inputs * units;
  offer(l, d,
        (Candidate){.choice = {.method = METHOD_OWN}, .name = "image by image", .cycles = stream_of(l)});
  offer(l, d,
        (Candidate){.choice = {.method = METHOD_OWN},
                    .name = "all images at once",
                    .cycles = cost_together(l->target, macs, 4 * macs, l->batch, l->weight_bytes)});
  offer(l, d,
        (Candidate){.choice = {.method = METHOD_STRASSEN, .m = 2},
                    .name = "all images by Strassen",
                    .refused = dense_strassen_refused(l),
                    .cycles = cost_dense_strassen(l->target, l->node, l->batch, l->weight_bytes),
                    .error = strassen_error(1, l->node->op->family == FAMILY_DENSE         ? inputs
                                               : l->node->op->family == FAMILY_DENSE_INPUT ? units
                                                                                           : l->batch)});
}

/* A convolution or a gradient of one that the plan has chosen to compute for all images at once. */
static void offer_rows(const Lower *l, Decision *d) {
  const RowsCosts costs = {.target = l->layout,
                           .weight_bytes = l->weight_bytes,
                           .training = !l->call,
                           .exact = l->exact,
                           .arena = l->arena};
  offer(l, d,
        (Candidate){.choice = {.method = METHOD_OWN},
                    .name = "image by image",
                    .cycles = rows_alone(&costs, l->node, l->batch)});
  offer(l, d,
        (Candidate){.choice = {.method = METHOD_OWN},
                    .name = "all images at once",
                    .refused = rows_direct_refused(&costs, l->node),
                    .cycles = rows_directly(&costs, l->node, l->batch)});
  const char *refused = rows_winograd_refused(&costs, l->node);
  const Correlation k = correlation_gathering(l->node);
  int m[WINOGRAD_SIZES];
  const int sizes = winograd_sizes(&k, m);
  for (int i = 0; i < sizes; i++) {
    Winograd w[2];
    winograd_axes(&k, m[i], w);
    offer(l, d,
          (Candidate){.choice = {.method = METHOD_WINOGRAD, .m = m[i]},
                      .name = arena_printf(l->arena, "all images by %s", winograd_name(l->arena, &k, m[i])),
                      .refused = refused,
                      .cycles = rows_by_winograd(&costs, l->node, m[i], l->batch),
                      .error = winograd_error(w, k.l)});
  }
}

static void offer_all(const Lower *l, Decision *d) {
  if (dsp_takes(l)) {
    dsp_offer(l, d);
    return;
  }
  static const char *const names[] = {[FAMILY_NONE] = "its own loops",
                                      [FAMILY_MAP] = "element by element",
                                      [FAMILY_CONV] = "channels apart",
                                      [FAMILY_CONV_SCATTER] = "phases of a direct convolution",
                                      [FAMILY_CONV_REPEATED] = "phases of the picture that is repeated",
                                      [FAMILY_CONV_WEIGHTS] = "weight gradient",
                                      [FAMILY_DEPTHWISE] = "channels apart",
                                      [FAMILY_DEPTHWISE_SCATTER] = "channels apart",
                                      [FAMILY_DEPTHWISE_WEIGHTS] = "weight gradient",
                                      [FAMILY_DENSE] = "panels of units",
                                      [FAMILY_DENSE_INPUT] = "vectors of inputs",
                                      [FAMILY_DENSE_WEIGHTS] = "rows of weights",
                                      [FAMILY_POOL] = "window by window",
                                      [FAMILY_INT8] = "8 bits",
                                      [FAMILY_ALIAS] = "nothing"};
  const Family family = l->node->op->family;
  const bool own = l->plain || choice_near_limits(l);
  if (family == FAMILY_DENSE && !own && l->call > 1 && l->images <= 1) {
    offer_dense(l, d);
    return;
  }
  const bool dense = family == FAMILY_DENSE || family == FAMILY_DENSE_INPUT || family == FAMILY_DENSE_WEIGHTS;
  if (kernel_whole_batch(l->kernel) && !own) {
    (dense ? offer_dense_training : offer_rows)(l, d);
    return;
  }
  const bool gathers = family == FAMILY_CONV || family == FAMILY_DEPTHWISE;
  if (!own && (gathers || family == FAMILY_CONV_SCATTER || family == FAMILY_CONV_WEIGHTS)) {
    const Correlation k = correlation_ranked(l);
    if (!one_to_one(&k) && family == FAMILY_CONV_WEIGHTS) {
      offer_weights(l, d, &k);
      return;
    }
    if (!one_to_one(&k)) {
      if (no_stride(&k) || !correlation_spreads(l->node)) offer_conv(l, d, &k);
      else offer_phases(l, d, &k);
      return;
    }
  }
  const char *name = own ? "plain loops" : names[family];
  offer(l, d, (Candidate){.choice = {.method = METHOD_OWN}, .name = name, .cycles = own_cycles(l)});
}

/* ---- picking ---- */
static double cycles_for(const Lower *l, const Target *target, const Candidate *c) {
  const bool own = kernel_whole_batch(l->kernel) || c->choice.method == METHOD_OWN || dsp_takes(l);
  if (target == l->target || own) return c->cycles.total;
  const Correlation k = correlation_ranked(l);
  return cycles_of(l, target, &k, c->choice.method, c->choice.m).total;
}

/* The plan has said whether all images are computed at once. */
static void pick_planned(const Lower *l, Decision *d) {
  const bool whole = kernel_whole_batch(l->kernel);
  if ((!whole && l->node->op->family != FAMILY_DENSE) || d->candidates.n < 2) return;
  d->model = whole;
  for (int i = 2; whole && i < d->candidates.n; i++) {
    const Candidate *best = &d->candidates.data[d->model], *c = &d->candidates.data[i];
    if (!c->refused && (best->refused || c->cycles.total < best->cycles.total)) d->model = i;
  }
}

static void pick_by_model(const Lower *l, Decision *d) {
  double least = GAIN * cycles_for(l, l->layout, &d->candidates.data[0]);
  int possible = 1;
  for (int i = 1; i < d->candidates.n; i++) {
    if (d->candidates.data[i].refused) continue;
    const double cycles = cycles_for(l, l->layout, &d->candidates.data[i]);
    possible++;
    if (cycles < least) {
      d->model = i;
      least = cycles;
    }
  }
  pick_planned(l, d);
  d->chosen = d->model;
  d->why = possible == 1 ? d->candidates.n > 1 ? "nothing else is possible" : ""
           : d->model    ? "the least cycles"
                         : "nothing else takes less than 0.9 of its cycles";
}

static const char *name_of(const Lower *l, const Target *target) { /* in a file of measured choices */
  return target->lanes == l->layout_lanes ? target->name
                                          : arena_printf(l->arena, "%s/%d", target->name, l->layout_lanes);
}

static int find_method(const Decision *d, const Choice *choice) {
  for (int i = 0; i < d->candidates.n; i++)
    if (d->candidates.data[i].choice.method == choice->method && d->candidates.data[i].choice.m == choice->m)
      return i;
  return -1;
}

static const char *why_not(const Lower *l, const Decision *d, const Target *target, const Choice *choice) {
  const int method = find_method(d, choice);
  if (method < 0) return "the kernel has no such schedule";
  if (d->candidates.data[method].refused) return d->candidates.data[method].refused;
  if (choice->method != METHOD_DIRECT || target != l->target || dsp_takes(l)) return NULL;
  int pixels[MOST_TILES], most;
  direct_tiles(l, pixels, &most);
  return choice->pixels > most ? arena_printf(l->arena, "a tile has at most %d pixels", most) : NULL;
}

/* What was measured for a target, if it can be done. --exact is no reason to complain: the next compilation
 * may be without it. */
static const Tuned *measured(const Lower *l, const Decision *d, const Target *target) {
  Tuned *tuned = l->tuning && !l->batch && !l->plain && l->images <= 1
                     ? tuning_find(l->tuning, target == l->target ? d->target : d->layout_target, d->key)
                     : NULL;
  const char *refused = tuned ? why_not(l, d, target, &tuned->choice) : NULL;
  if (refused && !l->exact) tuned->refused = refused;
  return refused ? NULL : tuned;
}

static void pick_measured(Lower *l, Decision *d) {
  const Tuned *of_layout = measured(l, d, l->layout),
              *own = l->target == l->layout ? of_layout : measured(l, d, l->target);
  d->layout = l->target->lanes != l->layout->lanes;
  if (of_layout) {
    d->chosen = find_method(d, &of_layout->choice);
    d->why = arena_printf(l->arena, "measured for %s", l->layout->name);
  }
  if (own && find_method(d, &own->choice) == d->chosen) {
    d->tuned = own;
    l->choice = own->choice;
    d->why = own->us > 0
                 ? arena_printf(l->arena, "measured: %.1f us, against %.1f us of the cost model's choice",
                                own->us, own->model_us)
                 : "the file of measured choices says so";
  }
}

void choice_make(Lower *l) {
  Decision *d = l->decision = NEW(l->arena, Decision);
  d->key = key_of(l);
  d->target = name_of(l, l->target);
  d->layout_target = name_of(l, l->layout);
  offer_all(l, d);
  pick_by_model(l, d);
  pick_measured(l, d);
  if (!d->tuned) l->choice = d->candidates.data[d->chosen].choice;
}

/* ---- what to measure ---- */
static void add_variant(Choice *variant, int *n, Choice choice) {
  if (*n < MOST_VARIANTS) variant[(*n)++] = choice;
}

static void add_variants(const Lower *l, const Candidate *c, Choice *variant, int *n) {
  int pixels[MOST_TILES], most;
  Choice choice = c->choice;
  add_variant(variant, n, choice);
  if (choice.method == METHOD_WINOGRAD || choice.method == METHOD_STRASSEN)
    for (int tiles = 32; tiles <= 256; tiles *= 2) {
      choice.tiles = tiles;
      add_variant(variant, n, choice);
    }
  if (choice.method != METHOD_DIRECT || l->node->op->family == FAMILY_CONV_SCATTER) return;
  const int tiles = direct_tiles(l, pixels, &most);
  for (int i = 1; i < tiles; i++) {
    choice.pixels = pixels[i];
    add_variant(variant, n, choice);
  }
  choice.pixels = 0;
  for (int order = ORDER_ROWS; order <= ORDER_PANELS; order++) {
    choice.order = (Order)order;
    add_variant(variant, n, choice);
  }
}

int choice_variants(const Lower *l, Choice variant[MOST_VARIANTS]) {
  const Decision *d = l->decision;
  const Candidate *first = &d->candidates.data[d->layout ? d->chosen : d->model];
  int n = 0;
  if (first->choice.method == METHOD_OWN || dsp_takes(l)) return 0;
  add_variants(l, first, variant, &n);
  for (int i = 0; i < d->candidates.n && !d->layout; i++) {
    const Candidate *c = &d->candidates.data[i];
    if (!c->refused && c != first && c->cycles.total < HOPELESS * first->cycles.total)
      add_variants(l, c, variant, &n);
  }
  return n;
}
