/* tflite_index.c: Import of operators on indices, and of SELECT, in quantized TensorFlow Lite models. In the
 * program, computed indices are floats, which are exact up to 2^24. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include "import/tflite/tflite_make.h"

bool tfl_is_index(const TflTensor *t) { return t->known && (t->elem == I32 || t->elem == I64) && !t->scales; }

/* Checks that an operand consists of indices, and is an input of the net or the result of an earlier
 * statement. False after tfl_no(). */
static bool computed_indices(Making *k, const TflOperator *op, int input) {
  const TflTensor *t = tfl_in(k, op, input);
  Shape shape;
  if (!t || !tfl_is_index(t)) return tfl_no(k, op, "its indices are not INT32 or INT64");
  if (!tfl_shape(t, &shape)) return tfl_no(k, op, "the shape of '%s' has more than one image", t->name);
  return k->there[op->in[input]] || tfl_no(k, op, "its indices are computed by a later operator");
}

/* Whether the indices are one vector per image, possibly with further dimensions of size 1. */
static bool lists_indices(const TflTensor *t) {
  return t->rank == 2 || (t->rank == 3 && t->dim[2] == 1) || (t->rank == 4 && t->dim[2] * t->dim[3] == 1);
}

/* ---- GATHER ---- */
/* Constant indices as a value of the program. The list is repeated `repeat` times. In each copy, `apart` is
 * added to the indices of the previous copy. NULL: an index is out of range. */
static const char *constant_indices(Making *k, const TflTensor *index, int64_t limit, int64_t repeat,
                                    int64_t apart) {
  float *data = NEW_ARRAY(k->arena, float, index->size *repeat + 1);
  for (int64_t r = 0; r < repeat; r++)
    for (int64_t i = 0; i < index->size; i++) {
      int64_t at = 0;
      int32_t word;
      if (index->elem == I64) tfl_element(index, i, &at);
      else tfl_element(index, i, &word), at = word;
      if (at < 0 || at >= limit) return NULL;
      data[r * index->size + i] = (float)(at + r * apart);
    }
  return tfl_constant(k, shape_vector(index->size * repeat), data, NULL);
}

typedef struct Selected {
  const char *before;    /* calls before gather, which selects along the first axis; "": none */
  const char *after;     /* calls that restore the order of the axes; "": none */
  int64_t repeat, apart; /* for constant indices: number of repeats, increment per repeat */
  Shape made;
} Selected;

static const char *matrix_text(Making *k, int64_t rows, int64_t columns) {
  return arena_printf(k->arena, "reshape([%" PRId64 ", %" PRId64 "])", rows, columns);
}

/* How gather selects n positions along an axis of a tensor [1, ...]. */
static Selected select_along(Making *k, const TflTensor *t, int axis, int64_t n) {
  const int64_t last = t->dim[t->rank - 1], *d = t->dim;
  Selected s = {.before = "", .after = "", .repeat = 1};
  if (t->rank == 2) s.made = shape_sequence(n, 1);
  else if (t->rank == 3 && axis == 1) s.made = shape_sequence(n, last);
  else if (axis == t->rank - 1) {
    const int64_t rows = t->rank == 3 ? d[1] : d[1] * d[2];
    s.before = t->rank == 3 ? "transpose -> "
                            : arena_printf(k->arena, "%s -> transpose -> ", matrix_text(k, rows, last));
    s.after = " -> transpose";
    s.made = shape_sequence(rows, n);
  } else if (axis == 1) {
    s.before = arena_printf(k->arena, "%s -> ", matrix_text(k, d[1], d[2] * last));
    s.made = shape_sequence(n, d[2] * last);
  } else {
    s.before = arena_printf(k->arena, "%s -> ", matrix_text(k, d[1] * d[2], last));
    s.repeat = d[1];
    s.apart = d[2];
    s.made = shape_sequence(n * d[1], last);
  }
  return s;
}

/* Selects rows of a constant table. */
static bool select_rows(Making *k, const TflOperator *op, int values, int indices) {
  const TflTensor *table = tfl_in(k, op, values), *out = tfl_out(k, op);
  if (table->rank != 2 || !table->known || table->elem != out->elem || table->elem == I16 ||
      (table->elem == I8 && table->scales != 1))
    return tfl_no(k, op, "its table is not a constant matrix of a supported type");
  if (!computed_indices(k, op, indices)) return false;
  if (!lists_indices(tfl_in(k, op, indices)))
    return tfl_no(k, op, "its indices must be one vector per image");
  if (table->elem == I8 && !tfl_same_scale(k, op, table, out)) return false;
  const int64_t n = tfl_in(k, op, indices)->size, *dim = table->dim;
  const char *layer = tfl_layer(k, "embedding");
  tfl_begin(k, op, op->in[indices]);
  if (tfl_in(k, op, indices)->rank > 2) text_put(&k->text, "flatten -> ");
  tfl_call(k, op, layer, "embedding(%" PRId64 ", %" PRId64, dim[0], dim[1]);
  char *data = arena_alloc(k->arena, (size_t)(table->size * elem_bytes(table->elem)));
  for (int64_t i = 0; i < table->size; i++) tfl_element(table, i, data + i * elem_bytes(table->elem));
  tfl_array(k, arena_printf(k->arena, "%s.weight", layer), table->elem, 2, dim, data);
  tfl_scale(k, layer, out);
  tfl_end_as(k, op, layer, shape_sequence(n, dim[1]));
  return true;
}

bool tfl_gather(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0), *index = tfl_in(k, op, 1), *out = tfl_out(k, op);
  if (!index) return tfl_no(k, op, "its indices are missing");
  const int axis = (int)(op->axis < 0 ? op->axis + in->rank : op->axis);
  if (in->data) {
    if (axis != 0 || op->groups) return tfl_no(k, op, "it does not select rows of a constant");
    return select_rows(k, op, 0, 1);
  }
  if (!tfl_value(k, op, op->in[0]) || !tfl_same_scale(k, op, in, out)) return false;
  if (axis < 1 || axis >= in->rank) return tfl_no(k, op, "it selects images");
  if (index->data && !tfl_is_index(index)) return tfl_no(k, op, "its indices are not INT32 or INT64");
  if (!index->data && !computed_indices(k, op, 1)) return false;
  if (op->groups != !index->data) return tfl_no(k, op, "its batch_dims is not supported");
  const int64_t n = index->data ? index->size : index->size / index->dim[0];
  Selected s = select_along(k, in, axis, n);
  if (!index->data && (s.repeat > 1 || !lists_indices(index)))
    return tfl_no(k, op, "its computed indices select columns, or are not one vector per image");
  if (shape_elements(s.made) != out->size) return tfl_no(k, op, "its result has an unexpected shape");
  if (index->data && !tfl_may_create(k, op, (int64_t)sizeof(float) * n * s.repeat)) return false;
  const char *name = index->data ? constant_indices(k, index, in->dim[axis], s.repeat, s.apart)
                                 : k->value[k->same[op->in[1]]];
  if (!name) return tfl_no(k, op, "an index is out of range");
  const char *layer = tfl_layer(k, "gather");
  tfl_begin(k, op, op->in[0]);
  text_put(&k->text, "%s", s.before);
  tfl_call(k, op, layer, "gather(%s", name);
  text_put(&k->text, "%s", s.after);
  tfl_end_as(k, op, layer, s.made);
  return true;
}

bool tfl_embedding(Making *k, const TflOperator *op) {
  const TflTensor *table = tfl_in(k, op, 1);
  if (!table || !table->data) return tfl_no(k, op, "its table is computed");
  return select_rows(k, op, 1, 0);
}

/* ---- selection by a constant ---- */
/* A mask with the shape of the condition: 1 where the condition equals `is`, otherwise 0. */
static TflTensor mask_of(Making *k, const TflTensor *condition, bool is) {
  TflTensor mask = *condition;
  uint8_t *data = arena_alloc(k->arena, 4 * (size_t)condition->size + 1);
  for (int64_t i = 0; i < condition->size; i++) {
    const float number = (condition->data[i] != 0) == is;
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    for (int b = 0; b < 4; b++) data[4 * i + b] = (uint8_t)(bits >> 8 * b);
  }
  mask.data = data;
  mask.elem = F32;
  mask.known = true;
  mask.scales = 0;
  return mask;
}

/* The name of a new value: input number `input` where the condition equals `is`, and 0 elsewhere. NULL after
 * tfl_no(). */
static const char *tfl_masked(Making *k, const TflOperator *op, int input, bool is) {
  const TflTensor *t = tfl_in(k, op, input), mask = mask_of(k, tfl_in(k, op, 0), is);
  if (!t->data && !tfl_value(k, op, op->in[input])) return NULL;
  const char *by = tfl_constant_beside(k, op, &mask, true), *of = !by ? NULL
                                                                  : t->data
                                                                      ? tfl_constant_beside(k, op, t, true)
                                                                      : k->value[k->same[op->in[input]]];
  if (!of) return NULL;
  const char *name = tfl_layer(k, "masked");
  text_put(&k->text, "%s = %s -> multiply(%s, precision=f32)\n", name, of, by);
  k->current = -1;
  return name;
}

/* Imports SELECT as the sum of its two masked inputs. The sum is exact, because one addend is 0. */
bool tfl_select(Making *k, const TflOperator *op) {
  const TflTensor *condition = tfl_in(k, op, 0), *a = tfl_in(k, op, 1), *b = tfl_in(k, op, 2);
  if (op->nin != 3 || !condition->data || condition->code != TFL_BOOL || condition->size < 1)
    return tfl_no(k, op, "its condition is not a BOOL constant");
  if (!a || !b || (a->data && b->data)) return tfl_no(k, op, "it selects between constants");
  const char *first = tfl_masked(k, op, 1, true), *second = first ? tfl_masked(k, op, 2, false) : NULL;
  if (!second) return false;
  const char *layer = tfl_layer(k, "select");
  if (k->value[op->out[0]]) text_put(&k->text, "%s = ", k->value[op->out[0]]);
  text_put(&k->text, "%s -> add(%s, name=\"%s\", precision=f32)", first, second, layer);
  tfl_scale(k, layer, tfl_out(k, op));
  tfl_end(k, op, layer);
  return true;
}

/* ---- maximum ---- */
/* The operator that produces a tensor; NULL: an input, or a constant. */
static const TflOperator *tfl_maker(const TflModel *m, int tensor) {
  for (int o = 0; o < m->noperators; o++)
    for (int i = 0; i < m->op[o].nout; i++)
      if (m->op[o].out[i] == tensor) return &m->op[o];
  return NULL;
}

/* The ARG_MAX that produces an output, directly or through a few casts and reshapes; NULL if there is none,
 * or if the operand of the ARG_MAX is not computed. */
static const TflOperator *argmax_output(const TflModel *m, int tensor) {
  enum { MOST_PASSED = 8 };
  for (int steps = 0; steps < MOST_PASSED; steps++) {
    const TflOperator *op = tfl_maker(m, tensor);
    if (!op || op->nin < 1 || op->in[0] < 0) return NULL;
    if (op->code == TFL_ARG_MAX) return tfl_maker(m, op->in[0]) ? op : NULL;
    if (op->code != TFL_CAST && op->code != TFL_RESHAPE && op->code != TFL_SQUEEZE &&
        op->code != TFL_EXPAND_DIMS)
      return NULL;
    tensor = op->in[0];
  }
  return NULL;
}

const char *tfl_leave_out_argmax(Arena *arena, TflModel *m) {
  Text comments = {.arena = arena};
  text_put(&comments, "%s", "");
  int n = 0;
  for (int i = 0; i < m->noutputs; i++) {
    const TflOperator *op = argmax_output(m, m->output[i]);
    const int tensor = op ? op->in[0] : m->output[i];
    bool twice = false;
    for (int j = 0; j < m->noutputs; j++) twice = twice || (op && j != i && m->output[j] == tensor);
    if (op)
      text_put(&comments, "# dropped: %s %d; take the argmax of the scores in the caller\n", op->name,
               op->index);
    if (!twice) m->output[n++] = tensor;
  }
  m->noutputs = n;
  return comments.s;
}

bool tfl_argmax(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0);
  int64_t axis[2 * TFLITE_RANK];
  Shape shape;
  if (tfl_integers(k, op, 1, axis) != 1) return tfl_no(k, op, "its axis is not a constant");
  if (axis[0] != -1 && axis[0] != in->rank - 1) return tfl_no(k, op, "its axis must be the channels");
  if (!tfl_any_value(k, op, op->in[0])) return false;
  tfl_shape(in, &shape);
  shape.dim[shape.rank - 1] = 1;
  const char *layer = tfl_layer(k, "argmax");
  tfl_begin(k, op, op->in[0]);
  text_put(&k->text, "argmax(name=\"%s\")", layer);
  tfl_end_as(k, op, layer, shape);
  return true;
}

/* Emits a topk, then a slice for each of its two results (values, indices) that has users. */
bool tfl_topk(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0);
  int64_t n[2 * TFLITE_RANK];
  if (op->nout != 2 || tfl_integers(k, op, 1, n) != 1)
    return tfl_no(k, op, "its number of elements is not a constant");
  if (!tfl_any_value(k, op, op->in[0])) return false;
  if (in->rank != 2) return tfl_no(k, op, "its input must be a vector");
  const char *layer = tfl_layer(k, "topk");
  tfl_begin_named(k, layer, op->in[0]);
  text_put(&k->text, "topk(%" PRId64 ", name=\"%s\")\n", n[0], layer);
  for (int i = 0; i < 2; i++) {
    const int out = op->out[i];
    if (out < 0 || (!k->reads[out])) continue;
    if (!k->value[out]) k->value[out] = arena_printf(k->arena, "v%d", out);
    const char *part = tfl_layer(k, "slice");
    text_put(&k->text, "%s = %s -> slice(%d..%d, name=\"%s\") -> flatten\n", k->value[out], layer, i, i + 1,
             part);
    tfl_scale(k, part, &k->m->tensor[out]);
    k->current = out;
    k->there[out] = true;
    k->layer[out] = part;
  }
  return true;
}

/* Emits a one_hot of 1 and 0, then scales it to the operator's two numbers. */
bool tfl_one_hot(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0), *on = tfl_in(k, op, 2), *off = tfl_in(k, op, 3);
  int64_t n[2 * TFLITE_RANK];
  if (tfl_integers(k, op, 1, n) != 1 || !on || !off || !on->data || !off->data || on->size != 1 ||
      off->size != 1 || !on->known || !off->known || on->elem != off->elem ||
      on->elem != tfl_out(k, op)->elem)
    return tfl_no(k, op, "its depth and its two values must be constants of the type of its result");
  if (op->axis != -1 && op->axis != in->rank) return tfl_no(k, op, "its new axis is not the last one");
  if (!computed_indices(k, op, 0)) return false;
  if (!lists_indices(in)) return tfl_no(k, op, "its indices must be one vector per image");
  const TflTensor *out = tfl_out(k, op);
  TflTensor numbers[2] = {*on, *off};
  for (int i = 0; i < 2 && tfl_is_quantized(out); i++)
    numbers[i].scale = out->scale, numbers[i].zero = out->zero;
  const double low = tfl_number(&numbers[1], 0), step = tfl_number(&numbers[0], 0) - low;
  const char *layer = tfl_layer(k, "one_hot");
  tfl_begin(k, op, op->in[0]);
  if (in->rank > 2) text_put(&k->text, "flatten -> ");
  text_put(&k->text, "one_hot(%" PRId64 ", name=\"%s\")", n[0], layer);
  if (step != 1) {
    layer = tfl_layer(k, "multiply");
    text_put(&k->text, " -> multiply(%s, name=\"%s\")", text_float(k->arena, step), layer);
  }
  if (low != 0) {
    layer = tfl_layer(k, "add");
    text_put(&k->text, " -> add(%s, name=\"%s\")", text_float(k->arena, low), layer);
  }
  tfl_scale(k, layer, out);
  tfl_end_as(k, op, layer, shape_sequence(in->size, n[0]));
  return true;
}

/* Converts an index to another type; both types are floats in the program. */
bool tfl_cast(Making *k, const TflOperator *op) {
  const TflTensor *in = tfl_in(k, op, 0), *out = tfl_out(k, op);
  const bool whole = in->known && tfl_is_index(in), floats = out->known && out->elem == F32;
  if (!whole || !(floats || tfl_is_index(out)))
    return tfl_no(k, op, "it changes a number's type, from %s to %s", in->type, out->type);
  if (!computed_indices(k, op, 0)) return false;
  Shape shape;
  tfl_shape(out, &shape);
  tfl_begin(k, op, op->in[0]);
  text_put(&k->text, "reshape(%s)", shape_text(k->arena, shape));
  tfl_end(k, op, NULL);
  return true;
}
