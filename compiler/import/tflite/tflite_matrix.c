/* tflite_matrix.c: Import of matrix products in quantized TensorFlow Lite models. An operand
 * [1, n, height, width], which is an image in the program, becomes n rows. Each of these rows is a matrix of
 * height x width. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include "import/tflite/tflite_make.h"

/* An operand as `rows` matrices of height x width. rows = 1: the operand is one sequence in the program. */
typedef struct Matrices {
  int64_t rows, height, width;
} Matrices;

static Matrices matrices_of(const TflTensor *t) {
  const int64_t h = t->rank > 1 ? t->dim[t->rank - 2] : 1;
  return (Matrices){t->rank == 4 ? t->dim[1] : 1, h, t->dim[t->rank - 1]};
}

/* The call that converts an operand to sequences, one per row; "": the operand is already a sequence. */
static const char *as_matrices(Making *k, const TflTensor *t, const Matrices *m) {
  if (m->rows > 1) return "split_rows -> ";
  if (t->rank == 3) return "";
  return arena_printf(k->arena, "reshape([%" PRId64 ", %" PRId64 "]) -> ", m->height, m->width);
}

static const char *matrix_constant(Making *k, const TflTensor *t, const Matrices *m) {
  float *data = NEW_ARRAY(k->arena, float, t->size);
  for (int64_t i = 0; i < t->size; i++) data[i] = (float)tfl_number(t, i);
  return tfl_constant(
      k, m->rows > 1 ? shape_image(m->rows, m->height, m->width) : shape_sequence(m->height, m->width), data,
      t);
}

/* The name of the right operand in the form of matrices: a constant, the value itself, or a new statement. */
static const char *right_operand(Making *k, const TflOperator *op, const Matrices *m) {
  const TflTensor *t = tfl_in(k, op, 1);
  const char *name = t->data ? matrix_constant(k, t, m) : k->value[k->same[op->in[1]]];
  const char *moves = t->data && m->rows == 1 ? "" : as_matrices(k, t, m);
  if (!*moves) return name;
  const char *to = tfl_layer(k, "matrices");
  text_put(&k->text, "%s = %s -> %.*s\n", to, name, (int)strlen(moves) - 4, moves);
  k->current = -1;
  return to;
}

static bool check_operand(Making *k, const TflOperator *op, int i) {
  enum { MOST = 1 << 24 };
  const TflTensor *t = tfl_in(k, op, i);
  if (!t->data) return tfl_value(k, op, op->in[i]);
  if (i == 0) return tfl_no(k, op, "its first operand is a constant");
  if (!t->known || t->elem != tfl_out(k, op)->elem || (t->elem != F32 && t->scales != 1))
    return tfl_no(k, op, "the type of its constant does not match its result");
  return t->size <= MOST || tfl_no(k, op, "its constant has more than 2^24 numbers");
}

static bool check_operands(Making *k, const TflOperator *op, Matrices m[2]) {
  if (op->nin != 2 || !tfl_in(k, op, 1)) return tfl_no(k, op, "it must have two operands");
  if (op->asymmetric) return tfl_no(k, op, "it quantizes its input at run time (asymmetric_quantize_inputs)");
  for (int i = 0; i < 2; i++) {
    const TflTensor *t = tfl_in(k, op, i);
    if (!check_operand(k, op, i)) return false;
    if (t->rank < 2 || t->rank > 4 || (t->rank > 2 && t->dim[0] != 1))
      return tfl_no(k, op, "its operands are not matrices");
    m[i] = matrices_of(t);
  }
  const bool shared = m[0].rows == m[1].rows || m[0].rows == 1 || m[1].rows == 1;
  return shared || tfl_no(k, op, "its operands have different numbers of matrices");
}

bool tfl_matmul(Making *k, const TflOperator *op) {
  static const char *const transposed[] = {"", ", transpose=left", ", transpose=right", ", transpose=both"};
  Matrices m[2];
  if (!check_operands(k, op, m)) return false;
  const TflTensor *out = tfl_out(k, op);
  const int64_t inner = op->transposed[0] ? m[0].height : m[0].width,
                rows = m[0].rows > m[1].rows ? m[0].rows : m[1].rows,
                height = op->transposed[0] ? m[0].width : m[0].height,
                width = op->transposed[1] ? m[1].height : m[1].width;
  if ((op->transposed[1] ? m[1].width : m[1].height) != inner || out->size != rows * height * width)
    return tfl_no(k, op, "the sizes of its operands do not match");
  const char *right = right_operand(k, op, &m[1]), *layer = tfl_layer(k, "matmul");
  tfl_begin(k, op, op->in[0]);
  text_put(&k->text, "%s", as_matrices(k, tfl_in(k, op, 0), &m[0]));
  tfl_call(k, op, layer, "matmul(%s%s", right, transposed[op->transposed[0] + 2 * op->transposed[1]]);
  if (rows > 1) text_put(&k->text, " -> join_rows");
  tfl_scale(k, layer, out);
  tfl_end_as(k, op, layer, rows > 1 ? shape_image(rows, height, width) : shape_sequence(height, width));
  return true;
}
