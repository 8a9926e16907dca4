/* hinge.c: hinge, a margin of 1 between the score of label t and all other scores:
 *
 * 1/C * sum over c != t of max(0, 1 - o[t] + o[c])  (Crammer and Singer, 2001; PyTorch's MultiMarginLoss). */
// SPDX-License-Identifier: Apache-2.0
#include "ops/loss/loss.h"

static const Param params[] = {{0}};

static void shape(ShapeContext *context, Node *node) {
  const Node *output = node->in[0];
  if (!output->op->traits.softmax) {
    loss_classes_shape(context, node);
    return;
  }
  Diag *diag = op_error(context, node, DIAG_loss_mismatch,
                        "hinge takes raw scores, but the output comes from %s", output->op->name);
  op_note_origin(context, diag, output);
  diag_help(diag, "cross_entropy is for %s; use hinge directly after the dense layer", output->op->name);
}

/* ---- the loss ---- */
static void run(const Eval *eval) {
  const Extent e = shape_joined(eval->node->in[0]->shape);
  double sum = 0;
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *o = eval->in[0] + p * e.c, label = eval->in[1][p];
    for (int64_t c = 0; c < e.c && loss_label_counts(eval->node, label, e.c); c++) {
      const double margin = 1 - o[(int64_t)label] + o[c];
      if ((double)c != label && margin > 0) sum += margin / (double)e.c;
    }
  }
  eval->out[0] = sum * eval->in[2][0];
}

static Val hinge_share(Lower *l, Buf *row, const Ix *y, const Ix *x) {
  (void)row;
  Nest *b = l->b;
  const int64_t classes = shape_extent(l->node->in[0]->shape).c;
  LabelValues label = loss_label(l, y, x);
  Val short_of = nest_let(b, "short_of", sub(num(b, 1), label.score));
  Buf *sum = NEST_REGISTERS(b, "sum", 1, 1);
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  NEST_FOR(b, c, classes) {
    Val margin = vmax(add(short_of, nest_load(b, nest_at(b, l->in[0], *y, *x, c), 1)), num(b, 0));
    nest_store(
        b, nest_at(b, sum, 0),
        add(nest_get(b, nest_at(b, sum, 0)), choose(loss_is_label(l, label.label, &c), num(b, 0), margin)));
  }
  return mul(mul(nest_get(b, nest_at(b, sum, 0)), label.counts), num(b, 1 / (double)classes));
}

static void lower(Lower *l) { loss_classes_lower(l, hinge_share); }

/* ---- the gradient: 1/C for each class within the margin; for the label, minus the sum of the others ---- */
static void gradient_run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  const double share = eval->in[2][0] / (double)e.c;
  for (int64_t p = 0; p < e.h * e.w; p++) {
    const double *o = eval->in[0] + p * e.c, label = eval->in[1][p];
    double *d = eval->out + p * e.c;
    for (int64_t c = 0; c < e.c; c++) d[c] = 0;
    for (int64_t c = 0; c < e.c && loss_label_counts(eval->node, label, e.c); c++)
      if ((double)c != label && 1 - o[(int64_t)label] + o[c] > 0) {
        d[c] += share;
        d[(int64_t)label] -= share;
      }
  }
}

static void gradient_lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  Buf *row = lower_scratch(l, "row", 1, &e.c);
  nest_fn(b, b->name, false);
  Val share =
      nest_let(b, "share", mul(nest_load(b, nest_at(b, l->in[2], 0, 0, 0), 1), num(b, 1 / (double)e.c)));
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w) {
      LabelValues label = loss_label(l, &y, &x);
      Val short_of = nest_let(b, "short_of", sub(num(b, 1), label.score)),
          part = nest_let(b, "part", mul(share, label.counts));
      Buf *inside = NEST_REGISTERS(b, "inside", 1, 1);
      nest_store(b, nest_at(b, inside, 0), num(b, 0));
      NEST_FOR(b, c, e.c) {
        Val counted = choose(less(num(b, 0), add(short_of, nest_load(b, nest_at(b, l->in[0], y, x, c), 1))),
                             part, num(b, 0));
        nest_store(b, nest_at(b, row, c), choose(loss_is_label(l, label.label, &c), num(b, 0), counted));
        nest_store(b, nest_at(b, inside, 0),
                   add(nest_get(b, nest_at(b, inside, 0)), nest_get(b, nest_at(b, row, c))));
      }
      NEST_FOR(b, c, e.c)
        lower_store(l,
                    choose(loss_is_label(l, label.label, &c),
                           mul(num(b, -1), nest_get(b, nest_at(b, inside, 0))),
                           nest_get(b, nest_at(b, row, c))),
                    &y, &x, &c, 1, 1);
    }
}

const Op op_loss_hinge = {
    .name = "hinge",
    .group = "loss",
    .summary = "hinge loss on raw scores: the margin between the true class and the other classes",
    .detail = "mean of 1/C * sum over c != label of max(0, 1 - o[label] + o[c]), with C classes and raw "
              "scores o",
    .params = params,
    .example = "loss = hinge",
    .traits.class_target = true,
    .shape = shape,
    .eval = run,
    .lower = lower,
};
const Op op_loss_hinge_scale = {.name = "hinge scale",
                                .params = params,
                                .eval = loss_classes_scale_run,
                                .lower = loss_classes_scale_lower};
const Op op_loss_hinge_gradient = {
    .name = "hinge gradient", .params = params, .eval = gradient_run, .lower = gradient_lower};
