/* focal.c: focal, cross_entropy times (1 - p[t])^gamma (Lin et al., 2017). The factor reduces the weight of
 * well-classified pixels. p = softmax(o); the paper uses a sigmoid per class. With q = 1 - p[t] and
 * g = gamma:
 *
 * L = -q^g * log p[t]          dL/do[c] = (q^g - g * q^(g-1) * p[t] * log p[t]) * (p[c] - [c = t])
 *
 * The smaller of the two numbers p[t] and q is computed from exponentials, and the larger as 1 minus the
 * smaller. (1 minus a rounded number near 1 would have few correct digits.) */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "ops/loss/loss.h"
#include "ops/activation/softmax.h"

static const Param params[] = {
    {"gamma", PARAM_NUMBER, "2",
     "exponent; a larger gamma reduces the weight of well-classified examples more", 0, 100, NULL},
    {0}};

static double gamma_of(const Node *node) { return arg_number(node, "gamma"); }

/* ---- eval ---- */
typedef struct Rest {
  double q, log_p;
} Rest; /* q: the probability of the other classes; log_p: log p[t] */

static Rest rest_of(const double *o, int64_t classes, int64_t label) {
  double largest, sum = 0;
  const double log_sum = softmax_log_sum(o, classes, &largest) + largest;
  for (int64_t c = 0; c < classes; c++) sum += c == label ? 0 : exp(o[c] - log_sum);
  return (Rest){sum, log1p(-sum) > -0.5 ? log1p(-sum) : o[label] - log_sum};
}

static void run(const Eval *eval) {
  const Node *node = eval->node;
  const Extent e = shape_joined(node->in[0]->shape);
  double sum = 0;
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double label = eval->in[1][p];
    if (!loss_label_counts(node, label, e.c)) continue;
    const Rest rest = rest_of(eval->in[0] + p * e.c, e.c, (int64_t)label);
    sum -= pow(rest.q, gamma_of(node)) * rest.log_p;
  }
  eval->out[0] = sum * eval->in[2][0];
}

static void gradient_run(const Eval *eval) {
  const Node *node = eval->node;
  const Extent e = shape_extent(node->shape);
  const double gamma = gamma_of(node);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *o = eval->in[0] + p * e.c, label = eval->in[1][p];
    double *d = eval->out + p * e.c, largest, log_sum = softmax_log_sum(o, e.c, &largest) + largest,
           factor = 0;
    const bool counts = loss_label_counts(node, label, e.c);
    const Rest rest = counts ? rest_of(o, e.c, (int64_t)label) : (Rest){0, 0};
    if (counts)
      factor = eval->in[2][0] * pow(rest.q, gamma) *
               (1 - (rest.q > 0 ? gamma * (1 - rest.q) * rest.log_p / rest.q : -gamma));
    for (int64_t c = 0; c < e.c; c++) d[c] = factor * ((double)c == label ? -rest.q : exp(o[c] - log_sum));
  }
}

/* ---- nests ---- */
typedef struct Focus {
  Val label, counts, p, q, power, log_p, sum;
} Focus; /* values of a pixel; p: p[t]; power: q^g; sum: the sum of the exponentials */

static Val focal_element(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                         const void *context) {
  Buf *const *row = context;
  return walk_load(l, *row, y, x, c, part, lanes);
}

/* Sum of the exponentials of the other classes; the label's exponential becomes 0 in `row`. */
static Val others_sum(Lower *l, Buf *row, Val label, int64_t classes, const Ix *y, const Ix *x) {
  Nest *b = l->b;
  NEST_FOR(b, c, classes)
    nest_store(b, nest_at(b, row, c),
               choose(loss_is_label(l, label, &c), num(b, 0), nest_load(b, nest_at(b, row, c), 1)));
  return walk_row_sum(l, classes, y, x, focal_element, &row);
}

/* log(1 - q) for 0 <= q <= 1/2, as precise as q: the rounding error of 1 - q cancels (Kahan). */
static Val log_complement(Nest *b, Val q) {
  const Val rest = nest_let(b, "rest", sub(num(b, 1), q)),
            rounded = nest_let(b, "rounded", sub(num(b, 1), rest));
  return choose(less(num(b, 0), rounded), mul(vlog(rest), div_(q, vmax(rounded, num(b, 0x1p-30)))),
                mul(num(b, -1), q));
}

/* q^g, with repeated squaring for the integer part of g, because exp amplifies the rounding of its
 * operand. */
static Val power_of(Nest *b, Val q, double gamma) {
  Val power = num(b, 1), square = q;
  for (int whole = (int)gamma; whole; whole /= 2) {
    if (whole % 2) power = nest_let(b, "power", mul(power, square));
    if (whole > 1) square = nest_let(b, "square", mul(square, square));
  }
  const double rest = gamma - floor(gamma);
  return rest > 0 ? nest_let(b, "power", mul(power, vexp(mul(num(b, rest), vlog(q))))) : power;
}

static Focus focus_at(Lower *l, Buf *row, int64_t classes, const Ix *y, const Ix *x) {
  Nest *b = l->b;
  Focus f = {0};
  Val largest;
  f.sum = softmax_exponentials(l, l->in[0], row, classes, y, x, &largest);
  const LabelValues label = loss_label(l, y, x);
  f.label = label.label;
  f.counts = label.counts;
  const Val counted = less(num(b, 0), f.counts), /* a label that does not count gets the score 0 */
      score = nest_let(b, "score", choose(counted, sub(label.score, largest), num(b, 0))),
            own = nest_let(b, "own", div_(vexp(score), f.sum)),
            others = nest_let(b, "others", div_(others_sum(l, row, f.label, classes, y, x), f.sum)),
            likely = nest_let(b, "likely", less(others, own));
  f.p = nest_let(b, "p", choose(likely, sub(num(b, 1), others), own));
  f.q = nest_let(b, "q", vmax(choose(likely, others, sub(num(b, 1), own)), num(b, 1e-30)));
  f.power = power_of(b, f.q, gamma_of(l->node));
  f.log_p = nest_let(b, "log_p", choose(likely, log_complement(b, f.q), sub(score, vlog(f.sum))));
  return f;
}

static Val focal_share(Lower *l, Buf *row, const Ix *y, const Ix *x) {
  const Focus f = focus_at(l, row, shape_extent(l->node->in[0]->shape).c, y, x);
  return mul(mul(num(l->b, -1), f.counts), mul(f.power, f.log_p));
}

static void lower(Lower *l) { loss_classes_lower(l, focal_share); }

static void gradient_lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  Buf *row = lower_scratch(l, "row", 1, &e.c);
  nest_fn(b, b->name, false);
  Val scale = nest_let(b, "scale", nest_load(b, nest_at(b, l->in[2], 0, 0, 0), 1));
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) {
      const Focus f = focus_at(l, row, e.c, &y, &x);
      Val slope = div_(mul(mul(f.p, f.log_p), num(b, gamma_of(l->node))), f.q);
      Val factor = nest_let(b, "factor", mul(mul(scale, f.counts), mul(f.power, sub(num(b, 1), slope)))),
          part = nest_let(b, "part", div_(factor, f.sum));
      Val own = nest_let(b, "minus", mul(num(b, -1), mul(factor, f.q)));
      NEST_FOR(b, c, e.c)
        lower_store(
            l, choose(loss_is_label(l, f.label, &c), own, mul(part, nest_load(b, nest_at(b, row, c), 1))), &y,
            &x, &c, 1, 1);
    }
}

const Op op_loss_focal = {
    .name = "focal",
    .group = "loss",
    .summary = "cross entropy with larger weights for badly classified examples",
    .detail = "mean of -(1 - p[label])^gamma * log p[label]",
    .params = params,
    .example = "loss = focal(gamma=2)",
    .traits.class_target = true,
    .shape = loss_classes_shape,
    .eval = run,
    .lower = lower,
};
const Op op_loss_focal_scale = {.name = "focal scale",
                                .params = params,
                                .eval = loss_classes_scale_run,
                                .lower = loss_classes_scale_lower};
const Op op_loss_focal_gradient = {
    .name = "focal gradient", .params = params, .eval = gradient_run, .lower = gradient_lower};
