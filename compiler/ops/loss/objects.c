/* objects.c: Common code of detection losses: logarithms and exponentials for the runtime functions, and
 * nodes that select a part of a runtime function's resulting vector and multiply it by the loss's weight /
 * number of images. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/loss/objects.h"
#include "ops/registry.h"
#include <math.h>
#include "ops/activation/softmax.h"

/* ---- tables with one row per box ---- */
int64_t objects_rows(Shape shape) { return shape.rank == 1 ? shape_rows(shape) : shape.dim[0]; }
int64_t objects_columns(Shape shape) { return shape.dim[shape.rank - 1]; }

bool objects_table(ShapeContext *context, const Node *loss, const Node *value, const char *what) {
  const Shape shape = value->shape;
  if (!shape.rank) return false;
  if ((shape.rank == 2 && !shape.regions) || (shape.rank == 1 && shape.regions)) return true;
  Diag *diag =
      op_error(context, loss, DIAG_loss_mismatch, "%s needs %s with one row for each box, but these are %s",
               loss->op->name, what, shape_text(context->arena, shape));
  op_note_origin(context, diag, value);
  return false;
}

/* ---- ground truth ---- */
Objects loss_objects(Lower *l, int values) {
  return (Objects){shape_elements(l->node->in[values + TRUTH_CLASS]->shape), l->in[values + TRUTH_COUNT],
                   l->in[values + TRUTH_CLASS], l->in[values + TRUTH_BOX]};
}

/* ---- logarithms of box sizes ---- */
#define LEAST_SIZE 0x1p-20 /* minimum size, for the logarithm of empty boxes, which match nothing */

Buf *objects_logs_room(Lower *l, const char *name, int64_t n) {
  return lower_scratch(l, name, 2, (int64_t[]){n, OBJECTS_LOGS});
}

static Ref box_side(Nest *b, Buf *boxes, const Ix *row, const Ix *c) {
  const Ix zero = {0};
  return boxes->dim[0] == 1 ? nest_at(b, boxes, zero, *row, *c) : nest_at(b, boxes, *row, zero, *c);
}

void objects_logs_fill(Lower *l, Buf *logs, Buf *boxes, int64_t n) {
  Nest *b = l->b;
  NEST_FOR(b, r, n)
    NEST_FOR(b, c, OBJECTS_LOGS) {
      const Ix end = c + 2;
      const Val size =
          sub(nest_load(b, box_side(b, boxes, &r, &end), 1), nest_load(b, box_side(b, boxes, &r, &c), 1));
      nest_store(b, nest_at(b, logs, r, c), vlog(vmax(size, num(b, LEAST_SIZE))));
    }
}

void objects_logs_run(const double *boxes, int64_t n, double *logs) {
  for (int64_t r = 0; r < n; r++)
    for (int c = 0; c < OBJECTS_LOGS; c++) {
      const double size = boxes[4 * r + c + 2] - boxes[4 * r + c];
      logs[OBJECTS_LOGS * r + c] = log(size > LEAST_SIZE ? size : LEAST_SIZE);
    }
}

/* ---- softmax ---- */
Chances chances_room(Lower *l, Shape scores) {
  const int64_t rows = objects_rows(scores), classes = objects_columns(scores);
  return (Chances){rows, classes, lower_scratch(l, "softmax", 2, (int64_t[]){rows, classes}),
                   lower_scratch(l, "log_sum", 1, &rows), lower_scratch(l, "row", 1, &classes)};
}

void chances_fill(Lower *l, const Chances *p, Buf *scores) {
  Nest *b = l->b;
  const Ix zero = {0};
  NEST_FOR(b, r, p->rows) {
    Val largest;
    const bool flat = scores->dim[0] == 1;
    const Val sum = nest_let(
        b, "sum",
        softmax_exponentials(l, scores, p->row, p->classes, flat ? &zero : &r, flat ? &r : &zero, &largest));
    nest_store(b, nest_at(b, p->log_sum, r), add(vlog(sum), largest));
    NEST_FOR(b, c, p->classes)
      nest_store(b, nest_at(b, p->softmax, r, c), div_(nest_load(b, nest_at(b, p->row, c), 1), sum));
  }
}

void chances_run(const double *scores, int64_t rows, int64_t classes, double *softmax, double *log_sum) {
  for (int64_t r = 0; r < rows; r++) {
    double largest;
    log_sum[r] = softmax_log_sum(scores + r * classes, classes, &largest) + largest;
    for (int64_t c = 0; c < classes; c++)
      softmax[r * classes + c] = exp(scores[r * classes + c] - log_sum[r]);
  }
}

typedef struct Sigmoid {
  Buf *x, *sigmoid, *softplus;
} Sigmoid;

static void sigmoid_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                         const void *context) {
  const Sigmoid *of = context;
  Nest *b = l->b;
  const Val at = nest_let(b, "x", walk_load(l, of->x, y, x, c, part, lanes)),
            less_than_one = vexp(sub(num(b, 0), vabs(at)));
  walk_put(l, of->sigmoid, vsigmoid(at), y, x, c, part, lanes);
  walk_put(l, of->softplus, add(vlog(add(num(b, 1), less_than_one)), vmax(at, num(b, 0))), y, x, c, part,
           lanes);
}

void objects_sigmoid(Lower *l, Buf *x, Buf *sigmoid, Buf *softplus) {
  const Sigmoid of = {x, sigmoid, softplus};
  walk_pixels(l, (Extent){1, x->dim[0], x->dim[1], x->dim[2]}, sigmoid_body, &of);
}

/* ---- a part of the resulting vector, times the scale (weight / images): inputs vector, scale ---- */
static int64_t part_at(const Node *node) { return ((const LossDetail *)node->detail)->at; }

static void part_run(const Eval *eval) {
  const Node *node = eval->node;
  const int64_t n = shape_row_elements(node->shape), from = part_at(node) + eval->row * n;
  for (int64_t i = 0; i < n; i++) eval->out[i] = eval->in[0][from + i] * eval->in[1][0];
}

static void part_lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  int lanes = l->plain ? 1 : l->target->lanes;
  while (lanes > 1 && e.c % lanes) lanes /= 2;
  if (lanes < 4) lanes = 1;
  nest_fn(b, b->name, false);
  const Val scale = nest_let(b, "scale", nest_load(b, nest_at(b, l->in[1], 0, 0, 0), 1));
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, v, e.c / lanes) {
        const Ix c = v * lanes,
                 from = c + x * e.c + y * (e.w * e.c) + lower_row(l) * (e.h * e.w * e.c) + part_at(l->node);
        lower_store(l, mul(nest_load(b, nest_at(b, l->in[0], 0, 0, from), lanes), scale), &y, &x, &c, lanes,
                    lanes);
      }
}

const Op op_object_scale = {
    .name = "object loss scale", .eval = loss_images_scale_run, .lower = loss_images_scale_lower};
const Op op_object_part = {.name = "object loss part", .eval = part_run, .lower = part_lower};
