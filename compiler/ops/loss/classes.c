/* classes.c: Losses over classes: a label per pixel, class weights, ignored labels. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/loss/loss.h"

static const Const *weights_of(const Node *node) {
  const Const *weights = arg_const(node, "weights");
  return weights->kind == CONST_LIST && weights->n ? weights : NULL;
}

static bool weights_fit(ShapeContext *context, const Node *node, int64_t classes) {
  const Const *weights = weights_of(node);
  if (!weights) return true;
  if (weights->n != classes) {
    Diag *diag =
        op_error_at(context, node, "weights", DIAG_bad_value, "%s has %s, but the output has %lld classes",
                    node->op->name, text_counted(context->arena, weights->n, "weight"), (long long)classes);
    op_note_origin(context, diag, node->in[0]);
    return false;
  }
  bool positive = false, numbers = true;
  for (int i = 0; i < weights->n; i++) {
    const Const *item = &weights->items[i];
    const double value = item->kind == CONST_INT ? (double)item->i : item->f;
    numbers = numbers && (item->kind == CONST_INT || item->kind == CONST_FLOAT) && value >= 0;
    positive = positive || value > 0;
  }
  if (!numbers || !positive)
    op_error_at(context, node, "weights", DIAG_bad_value,
                numbers ? "weights of %s are all zero" : "weights of %s must be non-negative numbers",
                node->op->name);
  return numbers && positive;
}

void loss_classes_shape(ShapeContext *context, Node *node) {
  const Node *output = node->in[0];
  const int64_t classes = shape_extent(output->shape).c;
  if (!output->shape.rank) return;
  if (classes < 2) {
    Diag *diag = op_error(context, node, DIAG_loss_mismatch,
                          "%s chooses between classes, but the output has only one channel", node->op->name);
    op_note_origin(context, diag, output);
    diag_help(diag, "binary_cross_entropy is for a single yes or no; two classes need two channels");
    return;
  }
  if (weights_fit(context, node, classes)) node->shape = shape_vector(1);
}

/* ---- labels ---- */
static int64_t classes_of(const Node *node) {
  return node->detail ? ((const LossDetail *)node->detail)->classes : shape_extent(node->in[0]->shape).c;
}
/* The ignored class, or -1. */
static int64_t loss_ignored(const Node *node) {
  return arg_const(node, "ignore")->kind == CONST_INT ? arg_int(node, "ignore") : -1;
}
bool loss_has_weights(const Node *node) { return weights_of(node) != NULL; }

double loss_class_weight(const Node *node, int64_t c) {
  const Const *weights = weights_of(node);
  if (!weights) return 1;
  return weights->items[c].kind == CONST_INT ? (double)weights->items[c].i : weights->items[c].f;
}

bool loss_label_counts(const Node *node, double label, int64_t channels) {
  return label >= 0 && label < (double)channels && label != (double)loss_ignored(node);
}
double loss_label_weight(const Node *node, double label, int64_t channels) {
  return loss_label_counts(node, label, channels) ? loss_class_weight(node, (int64_t)label) : 0;
}

/* ---- in nests ---- */
static Val table_value(Lower *l, const float *table, int64_t n, const Ix *c) {
  Map m = {.b = l->b, .node = l->node, .lower = l, .c = c, .part = 1, .lanes = 1};
  return map_constant(&m, table, n);
}

Val loss_class_weight_value(Lower *l, const Ix *c) {
  const int64_t classes = classes_of(l->node);
  if (!weights_of(l->node)) return num(l->b, 1);
  float *table = NEW_ARRAY(l->arena, float, classes);
  for (int64_t i = 0; i < classes; i++) table[i] = (float)loss_class_weight(l->node, i);
  return table_value(l, table, classes, c);
}

Val loss_is_label(Lower *l, Val label, const Ix *c) { return equal(label, position(l->b, c)); }

static bool ignores_a_class(const Node *node, int64_t classes) {
  return loss_ignored(node) >= 0 && loss_ignored(node) < classes;
}

/* 1 if a label counts: it is in 0 .. classes - 1 and is not the ignored class; otherwise 0. */
static Val counts_value(Lower *l, Val label, int64_t classes) {
  Nest *b = l->b;
  Val zero = num(b, 0), counts = choose(less(label, num_i32(b, 0)), zero,
                                        choose(less(label, num_i32(b, (int32_t)classes)), num(b, 1), zero));
  return ignores_a_class(l->node, classes)
             ? choose(equal(label, num_i32(b, (int32_t)loss_ignored(l->node))), zero, counts)
             : counts;
}

/* The weight of a label, 0 if it does not count. The weight is computed as a sum over the classes, without a
 * data-dependent index. */
static Val weight_value(Lower *l, Val label, Val counts, int64_t classes) {
  Nest *b = l->b;
  if (!weights_of(l->node)) return counts;
  Buf *weight = NEST_REGISTERS(b, "weight", 1, 1);
  nest_store(b, nest_at(b, weight, 0), num(b, 0));
  NEST_FOR(b, c, classes)
    nest_store(b, nest_at(b, weight, 0),
               add(nest_get(b, nest_at(b, weight, 0)),
                   choose(loss_is_label(l, label, &c), loss_class_weight_value(l, &c), num(b, 0))));
  return mul(nest_get(b, nest_at(b, weight, 0)), counts);
}

void loss_label_weights(Lower *l, Val label, Val *counts, Val *weight) {
  Nest *b = l->b;
  const int64_t classes = classes_of(l->node);
  *counts = nest_let(b, "counts", counts_value(l, label, classes));
  *weight = nest_let(b, "label_weight", weight_value(l, label, *counts, classes));
}

LabelValues loss_label(Lower *l, const Ix *y, const Ix *x) {
  Nest *b = l->b;
  const int64_t classes = classes_of(l->node);
  LabelValues v = {.label = nest_let(b, "label", nest_load(b, nest_at(b, l->in[1], *y, *x, 0), 1))};
  loss_label_weights(l, v.label, &v.counts, &v.weight);
  Buf *score = NEST_REGISTERS(b, "score", 1, 1);
  nest_store(b, nest_at(b, score, 0), num(b, 0));
  NEST_FOR(b, c, classes)
    nest_store(b, nest_at(b, score, 0),
               add(nest_get(b, nest_at(b, score, 0)),
                   choose(loss_is_label(l, v.label, &c), nest_load(b, nest_at(b, l->in[0], *y, *x, c), 1),
                          num(b, 0))));
  v.score = nest_get(b, nest_at(b, score, 0));
  return v;
}

/* Rows are summed separately, so that small numbers are not lost in the sum of a whole image. */
void loss_classes_lower(Lower *l, LossShare *share) {
  Nest *b = l->b;
  const Extent e = shape_joined(l->node->in[0]->shape);
  const Ix zero = {0};
  Buf *row = lower_scratch(l, "row", 1, &e.c);
  nest_fn(b, b->name, false);
  Buf *total = NEST_REGISTERS(b, "total", 1, 1);
  nest_store(b, nest_at(b, total, 0), num(b, 0));
  NEST_FOR(b, y, e.h) {
    Buf *line = NEST_REGISTERS(b, "line", 1, 1);
    nest_store(b, nest_at(b, line, 0), num(b, 0));
    NEST_FOR(b, x, e.w)
      nest_store(b, nest_at(b, line, 0), add(nest_get(b, nest_at(b, line, 0)), share(l, row, &y, &x)));
    nest_store(b, nest_at(b, total, 0),
               add(nest_get(b, nest_at(b, total, 0)), nest_get(b, nest_at(b, line, 0))));
  }
  lower_store(l, mul(nest_get(b, nest_at(b, total, 0)), nest_load(b, nest_at(b, l->in[2], 0, 0, 0), 1)),
              &zero, &zero, &zero, 1, 1);
}

/* ---- the scale: the loss's weight / sum of the labels' weights; input: target ---- */
void loss_classes_scale_run(const Eval *eval) {
  const Node *node = eval->node;
  const Shape target = node->in[0]->shape;
  const int64_t labels = shape_elements(target), classes = classes_of(node),
                from = loss_uncounted(node) * shape_row_elements(target);
  double sum = 0;
  for (int64_t n = 0; n < eval->count; n++)
    for (int64_t i = from; i < labels; i++)
      sum += loss_label_weight(node, eval->in[0][n * labels + i], classes);
  eval->out[0] = sum > 0 ? loss_weight(node) / sum : 0;
}

void loss_classes_scale_lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_joined(l->node->in[0]->shape);
  const int64_t classes = classes_of(l->node),
                from = loss_uncounted(l->node) * shape_extent(l->node->in[0]->shape).h;
  const Ix zero = {0};
  nest_fn(b, b->name, false);
  const Ix count = *lower_count(l);
  Buf *total = NEST_REGISTERS(b, "total", 1, 1);
  nest_store(b, nest_at(b, total, 0), num(b, 0));
  NEST_FROM(b, n, 0, count)
    NEST_FROM(b, y, from, e.h) {
      Buf *row = NEST_REGISTERS(b, "row", 1, 1);
      nest_store(b, nest_at(b, row, 0), num(b, 0));
      NEST_FOR(b, x, e.w) {
        Val label = nest_let(b, "label", nest_load(b, nest_at(b, l->in[0], n, y, x, 0), 1));
        nest_store(b, nest_at(b, row, 0),
                   add(nest_get(b, nest_at(b, row, 0)),
                       weight_value(l, label, counts_value(l, label, classes), classes)));
      }
      nest_store(b, nest_at(b, total, 0),
                 add(nest_get(b, nest_at(b, total, 0)), nest_get(b, nest_at(b, row, 0))));
    }
  Val sum = nest_let(b, "sum", nest_get(b, nest_at(b, total, 0))), some = less(num(b, 0), sum);
  lower_store(l, choose(some, div_(num(b, loss_weight(l->node)), choose(some, sum, num(b, 1))), num(b, 0)),
              &zero, &zero, &zero, 1, 1);
}
