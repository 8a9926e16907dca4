/* elementwise.c: Elementwise losses: the mean over all elements of all images. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/loss/loss.h"

double loss_weight(const Node *node) { return node->detail ? ((const LossDetail *)node->detail)->weight : 1; }

double loss_smoothing(const Node *node) {
  const LossDetail *detail = node->detail;
  return detail && detail->training ? detail->training->label_smoothing : 0;
}

void loss_elements_shape(ShapeContext *context, Node *node) {
  (void)context;
  if (node->in[0]->shape.rank) node->shape = shape_vector(1);
}

/* ---- the loss; inputs: output, target, scale ---- */
void loss_elements_run(const Eval *eval) {
  const Node *node = eval->node;
  const int64_t n = shape_elements(node->in[0]->shape);
  double sum = 0;
  for (int64_t i = 0; i < n; i++)
    sum += node->op->map_eval(node, (double[]){eval->in[0][i], eval->in[1][i]}, NULL, 0);
  eval->out[0] = sum * eval->in[2][0];
}

static Map map_at(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes) {
  Map m = {.b = l->b, .node = l->node, .lower = l, .c = c, .part = part, .lanes = lanes};
  m.x[0] = walk_load(l, l->in[0], y, x, c, part, lanes);
  m.x[1] = walk_load(l, l->in[1], y, x, c, part, lanes);
  return m;
}

static Val scale_value(Lower *l) {
  Nest *b = l->b;
  return nest_load(b, nest_at(b, l->in[2], 0, 0, 0), 1);
}

static void store_share(Lower *l, Val sum) {
  const Ix zero = {0};
  lower_store(l, mul(sum, scale_value(l)), &zero, &zero, &zero, 1, 1);
}

/* Rows are summed separately, so that small numbers are not lost in the sum of a whole image. */
void loss_elements_lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_joined(l->node->in[0]->shape);
  int lanes = l->plain ? 1 : l->target->lanes;
  while (lanes > e.c) lanes /= 2;
  if (lanes < 4) lanes = 1;
  const int64_t vectors = e.c / lanes, rest = e.c % lanes;
  nest_fn(b, b->name, false);
  Buf *total = NEST_REGISTERS(b, "total", 1, 1);
  nest_store(b, nest_at(b, total, 0), num(b, 0));
  NEST_FOR(b, y, e.h) {
    Buf *row = NEST_REGISTERS(b, "row", lanes, 1), *tail = rest ? NEST_REGISTERS(b, "tail", 1, 1) : NULL;
    nest_store(b, nest_at(b, row, 0), num(b, 0));
    if (tail) nest_store(b, nest_at(b, tail, 0), num(b, 0));
    NEST_FOR(b, x, e.w) {
      NEST_FOR(b, v, vectors) {
        const Ix c = v * lanes;
        Map m = map_at(l, &y, &x, &c, lanes, lanes);
        nest_store(b, nest_at(b, row, 0), add(nest_get(b, nest_at(b, row, 0)), l->node->op->map(&m)));
      }
      if (rest)
        NEST_FOR(b, i, rest) {
          const Ix c = i + vectors * lanes;
          Map m = map_at(l, &y, &x, &c, 1, 1);
          nest_store(b, nest_at(b, tail, 0), add(nest_get(b, nest_at(b, tail, 0)), l->node->op->map(&m)));
        }
    }
    Val sum = hsum(nest_get(b, nest_at(b, row, 0)));
    nest_store(
        b, nest_at(b, total, 0),
        add(nest_get(b, nest_at(b, total, 0)), tail ? add(sum, nest_get(b, nest_at(b, tail, 0))) : sum));
  }
  store_share(l, nest_get(b, nest_at(b, total, 0)));
}

/* ---- the scale: the loss's weight / number of elements; input: target ---- */
int64_t loss_uncounted(const Node *node) {
  return node->detail ? ((const LossDetail *)node->detail)->uncounted : 0;
}

static int64_t elements_that_count(const Node *node) {
  const Shape target = node->in[0]->shape;
  return shape_elements(target) - loss_uncounted(node) * shape_row_elements(target);
}

void loss_images_scale_run(const Eval *eval) { eval->out[0] = loss_weight(eval->node) / (double)eval->count; }

void loss_images_scale_lower(Lower *l) {
  Nest *b = l->b;
  const Ix zero = {0};
  nest_fn(b, b->name, false);
  lower_store(l, div_(num(b, loss_weight(l->node)), convert(position(b, lower_count(l)), F32)), &zero, &zero,
              &zero, 1, 1);
}

void loss_elements_scale_run(const Eval *eval) {
  eval->out[0] = loss_weight(eval->node) / (double)(eval->count * elements_that_count(eval->node));
}

void loss_elements_scale_lower(Lower *l) {
  Nest *b = l->b;
  const Ix zero = {0};
  nest_fn(b, b->name, false);
  Val images = convert(position(b, lower_count(l)), F32);
  lower_store(l, div_(num(b, loss_weight(l->node) / (double)elements_that_count(l->node)), images), &zero,
              &zero, &zero, 1, 1);
}

/* ---- the gradient; inputs: output, target, scale ---- */
void loss_elements_gradient_run(const Eval *eval) {
  const Node *node = eval->node;
  const int64_t n = shape_row_elements(node->shape);
  for (int64_t i = 0; i < n; i++)
    eval->out[i] =
        eval->in[2][0] * node->op->map_slope(node, (double[]){eval->in[0][i], eval->in[1][i]}, 0, NULL, 0, 0);
}

static void elementwise_gradient_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                                      const void *context) {
  const Val *scale = context;
  Map m = map_at(l, y, x, c, part, lanes);
  lower_store(l, l->node->op->map_gradient(&m, *scale, 0), y, x, c, part, lanes);
}

void loss_elements_gradient_lower(Lower *l) {
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  const Val scale = nest_let(b, "scale", scale_value(l));
  walk_pixels(l, shape_extent(l->node->shape), elementwise_gradient_body, &scale);
}
