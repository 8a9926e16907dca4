// rounding.c: Fake quantization for QAT (Jacob et al., 2018, section 3): values are rounded to int8 steps,
// and stay floats.
//
//     fake quantize            y = nearest(x / scale) * scale, clipped at both ends; dy/dx = 1 inside, else 0
//     fake quantize gradient   dx = dy where nothing is clipped, else 0
//     seen range               each image: the minimum and maximum, after clipping a fraction at each end
//     running range            range = momentum*range + (1 - momentum)*batch; the first batch sets the range
//
// A training step rounds with the range from the batches before it, so that images are independent. While
// the switch is 0, and before the first batch, y = x. Scale and zero point follow from the range as in cnnc
// quantize (quantize/calibrate.c). Weights are rounded where they are packed (kernel/rounded.c).
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "kernel/map.h"
#include "kernel/walk.h"
#include "ops/int8/int8.h"
#include "ops/registry.h"
#include "ops/rounding/rounding.h"

enum { RANGE, ON }; /* indices in the weights of a fake quantize node */
enum { LO, HI };    /* indices of a range */
enum { STEPS = 255, BINS = 2048 };

static const QatRounding *rounds_of(const Node *node) { return node->detail; }

/* ---- weights, for eval ---- */
/* Rounds the weights of n filters, starting at filter `first`. These weights share one scale. */
static void round_filters(const Node *of, const double *weight, int64_t first, int64_t n, double *to) {
  const int64_t terms = of->weight[0]->size / int8_filters(of);
  double most = 0;
  for (int64_t i = 0; i < n * terms; i++)
    most = fmax(most, fabs(weight[int8_weight_index(of, first + i / terms, i % terms)]));
  const float scale = most > 0 ? (float)(most / INT8_MAX) : 1;
  for (int64_t i = 0; i < n * terms; i++) {
    const int64_t at = int8_weight_index(of, first + i / terms, i % terms);
    to[at] = (double)nearbyintf((float)weight[at] / scale) * (double)scale;
  }
}

const double *rounding_weights(Arena *arena, const Node *node, const double *const *weight) {
  const Node *of = node_forward(node);
  const int index = rounding_switch(node);
  const int64_t rows = rounding_scale_rows(of);
  if (!rows || index < 0 || !(weight[index][0] > 0)) return weight[0];
  double *to = NEW_ARRAY(arena, double, of->weight[0]->size);
  for (int64_t f = 0; f < int8_filters(of); f += rows) round_filters(of, weight[0], f, rows, to);
  return to;
}

/* ---- values ---- */
RoundingGrid rounding_grid(const QatRounding *r, const double *range, const double *on) {
  const double given[] = {r->range ? range[LO] : r->lo, r->range ? range[HI] : r->hi};
  const float lo = (float)fmin(given[LO], 0), hi = (float)fmax(given[HI], 0),
              scale = (hi - lo) / (float)STEPS;
  if (!(on[0] > 0) || !(hi > lo)) return (RoundingGrid){0};
  const double zero = round((double)(INT8_MIN - lo / scale));
  return (RoundingGrid){true, scale, INT8_MIN - zero, INT8_MAX - zero};
}

static RoundingGrid grid_of(const Eval *eval) {
  return rounding_grid(rounds_of(eval->node), eval->weight[RANGE], eval->weight[ON]);
}

static double steps_of(const RoundingGrid *grid, double x) {
  static const float FAR = 1024;
  const float y = (float)x / grid->scale;
  return (double)nearbyintf(!(y > -FAR) ? -FAR : y > FAR ? FAR : y);
}

double rounding_nearest(const RoundingGrid *grid, double x) {
  return grid->any ? fmin(grid->most, fmax(grid->least, steps_of(grid, x))) * (double)grid->scale : x;
}

bool rounding_clips(const RoundingGrid *grid, double x) {
  const double steps = grid->any ? steps_of(grid, x) : 0;
  return grid->any && (steps < grid->least || steps > grid->most);
}

static void value_run(const Eval *eval) {
  const RoundingGrid grid = grid_of(eval);
  for (int64_t i = 0; i < shape_row_elements(eval->node->shape); i++)
    eval->out[i] = rounding_nearest(&grid, eval->in[0][i]);
}

static void gradient_run(const Eval *eval) {
  const RoundingGrid grid = grid_of(eval);
  for (int64_t i = 0; i < shape_row_elements(eval->node->shape); i++)
    eval->out[i] = rounding_clips(&grid, eval->in[1][i]) ? 0 : eval->in[0][i];
}

RoundingSteps rounding_steps(Nest *b, const QatRounding *r, Val on, Val lo, Val hi) {
  Val none = num(b, 0);
  lo = r->range ? vmin(lo, none) : num(b, r->lo);
  hi = r->range ? vmax(hi, none) : num(b, r->hi);
  Val some = less(lo, hi), scale = choose(some, div_(sub(hi, lo), num(b, STEPS)), num(b, 1)),
      zero = sub(num(b, INT8_MIN), div_(lo, scale)),
      away = choose(less(zero, none), sub(zero, num(b, 0.5)), add(zero, num(b, 0.5))),
      whole = convert(convert(vmax(vmin(away, num(b, INT8_MAX)), num(b, INT8_MIN)), I32), F32);
  return (RoundingSteps){b, choose(less(none, on), choose(some, num(b, 1), none), none), scale,
                         sub(num(b, INT8_MIN), whole), sub(num(b, INT8_MAX), whole)};
}

static Val steps_value(const RoundingSteps *grid, Val x) {
  return convert(nest_primitive(grid->b, &primitive_quantize_float, x, grid->scale, NULL), F32);
}

Val rounding_rounded(const RoundingSteps *grid, Val x) {
  Val steps = vmin(grid->most, vmax(grid->least, steps_value(grid, x)));
  return choose(less(num(grid->b, 0), grid->any), mul(steps, grid->scale), x);
}

Val rounding_passed(const RoundingSteps *grid, Val x, Val dy) {
  Val steps = steps_value(grid, x), none = num(grid->b, 0);
  Val inside = choose(less_eq(grid->least, steps), choose(less_eq(steps, grid->most), dy, none), none);
  return choose(less(none, grid->any), inside, dy);
}

static RoundingSteps steps_of_map(Map *m) {
  const QatRounding *r = rounds_of(m->node);
  const Val on = map_weight_at(m, ON, 0), low = r->range ? map_weight_at(m, RANGE, LO) : on,
            high = r->range ? map_weight_at(m, RANGE, HI) : on;
  return rounding_steps(m->b, r, on, low, high);
}

static Val value_map(Map *m) {
  const RoundingSteps grid = steps_of_map(m);
  return rounding_rounded(&grid, m->x[0]);
}

static Val gradient_map(Map *m) {
  const RoundingSteps grid = steps_of_map(m);
  return rounding_passed(&grid, m->x[1], m->x[0]);
}

static const Op op_gradient = {.name = "fake quantize gradient",
                               .family = FAMILY_MAP,
                               .traits.per_image = true,
                               .traits.keeps_spatial = true,
                               .eval = gradient_run,
                               .lower = lower_plain_map,
                               .map = gradient_map};

static void value_backward(Gradient *gradient, Node *node, Node *dy) {
  if (!gradient_wanted(gradient, node->in[0])) return;
  Node *dx = graph_hidden(gradient_graph(gradient), &op_gradient, node, node->shape, RESULT_SAMPLE, 2,
                          (Node *[]){dy, node->in[0]});
  gradient_add(gradient, node->in[0], dx);
}

static const Op op_value = {.name = "fake quantize",
                            .family = FAMILY_MAP,
                            .traits.per_image = true,
                            .traits.keeps_spatial = true,
                            .eval = value_run,
                            .gradient = value_backward,
                            .lower = lower_plain_map,
                            .map = value_map};

Node *rounding_value(Graph *graph, Node *value, const QatRounding *rounds) {
  Node *node = graph_hidden(graph, &op_value, value, value->shape, RESULT_SAMPLE, 1, &value);
  node->detail = rounds;
  node->nweights = ON + 1;
  node->weight = NEW_ARRAY(graph->arena, Weight *, ON + 1);
  node->weight[RANGE] = rounds->range;
  node->weight[ON] = rounds->aware->on;
  return node;
}

/* ---- observed range of an image ---- */
/* Number of elements that may be clipped at each end; if this number is below 1, no element is clipped. */
static double tail_of(const Node *node) {
  double all = 0;
  for (int k = 0; k < node->nin; k++) all += (double)shape_elements(node->in[k]->shape);
  return all * (1 - rounds_of(node)->aware->percentile / 100);
}

static void cut_tails(const Eval *eval, double *lo, double *hi) {
  const double tail = tail_of(eval->node), step = (*hi - *lo) / (double)BINS;
  double count[BINS] = {0}, below = 0, above = 0;
  int first = 0, last = 0;
  if (tail < 1 || !(*hi > *lo)) return;
  for (int k = 0; k < eval->node->nin; k++)
    for (int64_t i = 0; i < shape_elements(eval->node->in[k]->shape); i++)
      count[(int)fmax(0, fmin(BINS - 1, floor((eval->in[k][i] - *lo) / step)))]++;
  for (int i = 0; i < BINS; i++) {
    first += (below += count[i]) <= tail;
    last += (above += count[BINS - 1 - i]) <= tail;
  }
  *lo = fmin(0, *lo + step * first);
  *hi = fmax(0, *hi - step * last);
}

static void seen_run(const Eval *eval) {
  double lo = 0, hi = 0;
  for (int k = 0; k < eval->node->nin; k++)
    for (int64_t i = 0; i < shape_elements(eval->node->in[k]->shape); i++) {
      lo = fmin(lo, eval->in[k][i]);
      hi = fmax(hi, eval->in[k][i]);
    }
  cut_tails(eval, &lo, &hi);
  eval->out[LO] = lo;
  eval->out[HI] = hi;
}

typedef struct Ends {
  int input;
  Extent e;
  Buf *end; /* LO, HI */
} Ends;

/* Unused lanes are 0, which is in every range. */
static void ends_of_channels(Lower *l, const Ix *y0, const Ix *x0, const Ix *c, int part, int lanes,
                             const void *context) {
  (void)y0;
  (void)x0;
  const Ends *ends = context;
  Nest *b = l->b;
  Buf *least = NEST_REGISTERS(b, "least", lanes, 1), *most = NEST_REGISTERS(b, "most", lanes, 1);
  const Ref lo = nest_at(b, ends->end, LO), hi = nest_at(b, ends->end, HI);
  nest_store(b, nest_at(b, least, 0), num(b, 0));
  nest_store(b, nest_at(b, most, 0), num(b, 0));
  NEST_FOR(b, y, ends->e.h)
    NEST_FOR(b, x, ends->e.w) {
      Val v = nest_let(b, "v", walk_load(l, l->in[ends->input], &y, &x, c, part, lanes));
      nest_store(b, nest_at(b, least, 0), vmin(v, nest_get(b, nest_at(b, least, 0))));
      nest_store(b, nest_at(b, most, 0), vmax(v, nest_get(b, nest_at(b, most, 0))));
    }
  Val low = nest_get(b, nest_at(b, least, 0)), high = nest_get(b, nest_at(b, most, 0));
  nest_store(b, lo, vmin(lanes > 1 ? sub(num(b, 0), hmax(sub(num(b, 0), low))) : low, nest_get(b, lo)));
  nest_store(b, hi, vmax(lanes > 1 ? hmax(high) : high, nest_get(b, hi)));
}

/* Counts the elements in each bin between lo and hi, then moves lo and hi inward by the bins to clip. */
static void lower_tails(Lower *l, Buf *end) {
  Nest *b = l->b;
  Buf *count = lower_scratch(l, "bins", 1, (int64_t[]){BINS}), *sum = NEST_REGISTERS(b, "sum", 1, 2),
      *cut = NEST_REGISTERS(b, "cut", 1, 2);
  Val lo = nest_let(b, "lo", nest_get(b, nest_at(b, end, LO))),
      hi = nest_let(b, "hi", nest_get(b, nest_at(b, end, HI))),
      step = nest_let(b, "step", mul(sub(hi, lo), num(b, 1.0 / (double)BINS))),
      tail = num(b, tail_of(l->node));
  NEST_FOR(b, i, BINS) nest_store(b, nest_at(b, count, i), num(b, 0));
  for (int k = 0; k < l->node->nin; k++) {
    const Extent e = shape_joined(l->node->in[k]->shape);
    NEST_FOR(b, y, e.h)
      NEST_FOR(b, x, e.w)
        NEST_FOR(b, c, e.c) {
          Val place = div_(sub(nest_load(b, nest_at(b, l->in[k], y, x, c), 1), lo), step);
          NEST_CHOSEN(b, bin, place, 0, BINS)
          nest_store(b, nest_at(b, count, bin), add(nest_load(b, nest_at(b, count, bin), 1), num(b, 1)));
        }
  }
  for (int which = LO; which <= HI; which++) {
    nest_store(b, nest_at(b, sum, which), num(b, 0));
    nest_store(b, nest_at(b, cut, which), num(b, 0));
    NEST_FOR(b, i, BINS) {
      const Ix none = {0}, from = none + (BINS - 1) - i;
      nest_store(b, nest_at(b, sum, which),
                 add(nest_load(b, nest_at(b, count, which == LO ? i : from), 1),
                     nest_get(b, nest_at(b, sum, which))));
      nest_store(b, nest_at(b, cut, which),
                 add(nest_get(b, nest_at(b, cut, which)),
                     choose(less_eq(nest_get(b, nest_at(b, sum, which)), tail), num(b, 1), num(b, 0))));
    }
  }
  nest_store(b, nest_at(b, end, LO), vmin(fma_(step, nest_get(b, nest_at(b, cut, LO)), lo), num(b, 0)));
  nest_store(b, nest_at(b, end, HI), vmax(sub(hi, mul(step, nest_get(b, nest_at(b, cut, HI)))), num(b, 0)));
}

static void seen_lower(Lower *l) {
  Nest *b = l->b;
  const Ix zero = {0};
  nest_fn(b, b->name, false);
  Buf *end = NEST_REGISTERS(b, "end", 1, 2);
  for (int which = LO; which <= HI; which++) nest_store(b, nest_at(b, end, which), num(b, 0));
  for (int k = 0; k < l->node->nin; k++) {
    const Ends ends = {k, shape_joined(l->node->in[k]->shape), end};
    walk_channels(l, ends.e.c, &zero, &zero, ends_of_channels, &ends);
  }
  if (tail_of(l->node) >= 1) lower_tails(l, end);
  for (int which = LO; which <= HI; which++)
    nest_store(b, nest_at(b, l->out, 0, 0, which), nest_get(b, nest_at(b, end, which)));
}

static const Op op_seen = {
    .name = "seen range", .traits.per_image = true, .eval = seen_run, .lower = seen_lower};

/* ---- the running range ---- */
static void running_run(const Eval *eval) {
  const double momentum = rounds_of(eval->node)->aware->momentum;
  const bool first = !(eval->out[LO] < eval->out[HI]);
  double seen[2] = {0, 0};
  for (int64_t n = 0; n < eval->count; n++)
    for (int k = 0; k < eval->node->nin; k++) {
      seen[LO] = fmin(seen[LO], eval->in[k][2 * n + LO]);
      seen[HI] = fmax(seen[HI], eval->in[k][2 * n + HI]);
    }
  for (int which = LO; which <= HI; which++)
    eval->out[which] = first ? seen[which] : momentum * eval->out[which] + (1 - momentum) * seen[which];
}

static void running_lower(Lower *l) {
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  const Ix *count = lower_count(l);
  const double momentum = rounds_of(l->node)->aware->momentum;
  Buf *end = NEST_REGISTERS(b, "end", 1, 2);
  for (int which = LO; which <= HI; which++) {
    const Ref at = nest_at(b, end, which);
    nest_store(b, at, num(b, 0));
    NEST_FROM(b, n, 0, *count)
      for (int k = 0; k < l->node->nin; k++) {
        Val seen = nest_load(b, nest_at(b, l->in[k], n, 0, 0, which), 1);
        nest_store(b, at, which == LO ? vmin(seen, nest_get(b, at)) : vmax(seen, nest_get(b, at)));
      }
  }
  Val lo = nest_let(b, "lo", nest_load(b, nest_at(b, l->out, LO), 1)),
      hi = nest_let(b, "hi", nest_load(b, nest_at(b, l->out, HI), 1));
  for (int which = LO; which <= HI; which++) {
    Val seen = nest_get(b, nest_at(b, end, which));
    nest_store(b, nest_at(b, l->out, which),
               choose(less(lo, hi),
                      fma_(num(b, momentum), which == LO ? lo : hi, mul(num(b, 1 - momentum), seen)), seen));
  }
}

static const Op op_running = {.name = "running range", .eval = running_run, .lower = running_lower};

static Node *seen_node(Graph *graph, int n, Node *const *value, const QatRounding *rounds) {
  Node *node = graph_hidden(graph, &op_seen, value[0], shape_vector(2), RESULT_SAMPLE, n, value);
  node->detail = rounds;
  node->nweights = 0;
  return node;
}

void rounding_observe(Graph *graph, int n, Node *const *value, const QatRounding *rounds) {
  Node *seen[MOST_INPUTS];
  int parts = 0;
  if (n == 0) return;
  /* when `seen` is full, a further `seen range` node merges all ranges in `seen` into one range */
  for (int from = 0; from < n; from += MOST_INPUTS) {
    if (parts == MOST_INPUTS) parts = 0, seen[parts++] = seen_node(graph, MOST_INPUTS, seen, rounds);
    seen[parts++] = seen_node(graph, n - from < MOST_INPUTS ? n - from : MOST_INPUTS, value + from, rounds);
  }
  Node *running = graph_hidden(graph, &op_running, value[0], shape_vector(2), RESULT_BATCH, parts, seen);
  running->detail = rounds;
  running->nweights = 0;
  running->target = rounds->range;
}
