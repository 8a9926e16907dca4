/* cross_entropy.c: cross_entropy of a softmax with labels t, at every pixel: -w[t] * log p[t], p =
 * softmax(o); the mean divides by the sum of the labels' weights. Label smoothing e moves e/C of the target
 * to every class (Szegedy et al., 2016; PyTorch's CrossEntropyLoss):
 *
 *     (1 - e) * w[t] * (L - o[t]) + e/C * sum over c of w[c] * (L - o[c]),     L = log(sum of exp(o))
 *     do[c] = p[c] * ((1 - e)*w[t] + e/C * sum of w) - [c = t] * (1 - e)*w[t] - e/C * w[c] */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "ops/loss/loss.h"
#include "ops/activation/softmax.h"

static const Param params[] = {
    {"weights", PARAM_LIST, "", "list with one weight per class", 0, 0, NULL},
    {"ignore", PARAM_INT, "-1", "a label to ignore; -1 is always ignored", -1, 2147483647, NULL},
    {0},
};

typedef struct Numbers {
  double kept, spread, weights;
} Numbers; /* kept: 1 - e; spread: e/C; weights: the sum of all class weights */

static Numbers numbers_of(const Node *node, int64_t classes) {
  const double e = loss_smoothing(node);
  const bool weights = loss_has_weights(node);
  Numbers n = {1 - e, e / (double)classes, weights ? 0 : (double)classes};
  for (int64_t c = 0; c < classes && weights; c++) n.weights += loss_class_weight(node, c);
  return n;
}

/* ---- the loss ---- */
static void run(const Eval *eval) {
  const Node *node = eval->node;
  const Extent e = shape_joined(node->in[0]->shape);
  const Numbers n = numbers_of(node, e.c);
  double sum = 0;
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *o = eval->in[0] + p * e.c, label = eval->in[1][p];
    double largest, log_sum = softmax_log_sum(o, e.c, &largest) + largest;
    if (!loss_label_counts(node, label, e.c)) continue;
    sum += n.kept * loss_label_weight(node, label, e.c) * (log_sum - o[(int64_t)label]);
    for (int64_t c = 0; c < e.c; c++) sum += n.spread * loss_class_weight(node, c) * (log_sum - o[c]);
  }
  eval->out[0] = sum * eval->in[2][0];
}

static Val weighted_scores(Lower *l, int64_t classes, const Ix *y, const Ix *x) { /* sum of w[c]*o[c] */
  Nest *b = l->b;
  Buf *scores = NEST_REGISTERS(b, "scores", 1, 1);
  nest_store(b, nest_at(b, scores, 0), num(b, 0));
  NEST_FOR(b, c, classes)
    nest_accumulate(b, nest_at(b, scores, 0), nest_load(b, nest_at(b, l->in[0], *y, *x, c), 1),
                    loss_class_weight_value(l, &c));
  return nest_get(b, nest_at(b, scores, 0));
}

static Val cross_entropy_share(Lower *l, Buf *row, const Ix *y, const Ix *x) {
  Nest *b = l->b;
  const int64_t classes = shape_extent(l->node->in[0]->shape).c;
  const Numbers n = numbers_of(l->node, classes);
  Val largest, sum = softmax_exponentials(l, l->in[0], row, classes, y, x, &largest);
  Val log_sum = nest_let(b, "log_sum", add(vlog(sum), largest));
  LabelValues label = loss_label(l, y, x);
  Val own = mul(mul(label.weight, num(b, n.kept)), sub(log_sum, label.score));
  if (n.spread == 0) return own;
  return fma_(mul(label.counts, num(b, n.spread)),
              sub(mul(num(b, n.weights), log_sum), weighted_scores(l, classes, y, x)), own);
}

static void lower(Lower *l) { loss_classes_lower(l, cross_entropy_share); }

/* ---- the gradient ---- */
static void gradient_run(const Eval *eval) {
  const Node *node = eval->node;
  const Extent e = shape_extent(node->shape);
  const Numbers n = numbers_of(node, e.c);
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *o = eval->in[0] + p * e.c, label = eval->in[1][p],
                 counts = loss_label_counts(node, label, e.c), weight = loss_label_weight(node, label, e.c);
    double largest, log_sum = softmax_log_sum(o, e.c, &largest) + largest;
    for (int64_t c = 0; c < e.c; c++) {
      const double own = (double)c == label ? n.kept * weight : 0,
                   all = n.kept * weight + counts * n.spread * n.weights;
      eval->out[p * e.c + c] =
          eval->in[2][0] * (exp(o[c] - log_sum) * all - own - counts * n.spread * loss_class_weight(node, c));
    }
  }
}

static void gradient_lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const Numbers n = numbers_of(l->node, e.c);
  Buf *row = lower_scratch(l, "row", 1, &e.c);
  nest_fn(b, b->name, false);
  Val scale = nest_let(b, "scale", nest_load(b, nest_at(b, l->in[2], 0, 0, 0), 1));
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) {
      Val largest, sum = softmax_exponentials(l, l->in[0], row, e.c, &y, &x, &largest);
      Val label = nest_let(b, "label", nest_load(b, nest_at(b, l->in[1], y, x, 0), 1)), counts, weight;
      loss_label_weights(l, label, &counts, &weight);
      Val own = nest_let(b, "own", mul(mul(scale, weight), num(b, n.kept)));
      Val spread =
          n.spread > 0 ? nest_let(b, "spread", mul(mul(scale, counts), num(b, n.spread))) : num(b, 0);
      Val all = nest_let(b, "all", div_(n.spread > 0 ? fma_(spread, num(b, n.weights), own) : own, sum));
      NEST_FOR(b, c, e.c) {
        Val d = sub(mul(normal_factor(nest_load(b, nest_at(b, row, c), 1)), all),
                    choose(loss_is_label(l, label, &c), own, num(b, 0)));
        lower_store(l, n.spread > 0 ? sub(d, mul(spread, loss_class_weight_value(l, &c))) : d, &y, &x, &c, 1,
                    1);
      }
    }
}

const Op op_loss_cross_entropy = {
    .name = "cross_entropy",
    .group = "loss",
    .summary = "cross entropy of classes, from a softmax, log_softmax or raw scores; an image output has one "
               "class per pixel",
    .detail = "mean of -log p[label], or the weighted mean with `weights`; samples with label -1 or `ignore` "
              "do not count",
    .params = params,
    .example = "loss = cross_entropy",
    .traits.class_target = true,
    .shape = loss_classes_shape,
    .eval = run,
    .lower = lower,
};
const Op op_loss_cross_entropy_scale = {.name = "cross_entropy scale",
                                        .params = params,
                                        .eval = loss_classes_scale_run,
                                        .lower = loss_classes_scale_lower};
const Op op_loss_cross_entropy_gradient = {
    .name = "cross_entropy gradient", .params = params, .eval = gradient_run, .lower = gradient_lower};
