/* tflite_raise.c: Conversion of streaming models to models of whole sequences ("raising"). A variable is a
 * ring of rows if each call appends new rows to it, and keeps the last rows of the result in it. Each reader
 * of a ring becomes a window over the whole sequence, and padding replaces the initial rows. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include "base/number.h"
#include "import/tflite/tflite_parts.h"

enum { STEPS = 200, MOST_RAISED = 1 << 24 }; /* STEPS: number of calls in a sequence of the program */

/* The rows of a sequence that a tensor contains in one call: low .. high - 1, relative to the first new row
 * of the call. */
typedef struct TflRows {
  bool known;
  bool flat;    /* the tensor is [1, elements of all rows] */
  int sequence; /* the tensor with the rows of all calls; -1: none, because this tensor is only a state */
  int64_t n;    /* new rows per call */
  int64_t low, high;
  int64_t row[2]; /* width and channels of a row */
  int rank;       /* rank of the tensor; 4: rows have a width */
} TflRows;

typedef struct Raising {
  Arena *arena;
  const TflModel *m;
  bool narrow; /* images of width 1 become sequences */
  VEC(TflOperator) op;
  TflTensors tensor;
  TflRows *rows; /* by tensor of the model */
} Raising;

/* ---- rows of tensors ---- */
static const TflRows *raised_rows(const Raising *r, const TflOperator *op, int input) {
  const int t = input < op->nin ? op->in[input] : -1;
  return t >= 0 && r->rows[t].known ? &r->rows[t] : NULL;
}

static const TflTensor *raised_constant(const Raising *r, const TflOperator *op, int input) {
  const int t = input < op->nin ? op->in[input] : -1;
  return t >= 0 && r->m->tensor[t].data ? &r->m->tensor[t] : NULL;
}

/* Reads the number and the sizes of the rows of a tensor [1, rows, width, channels], [1, rows, channels] or
 * [1, channels]. False: the tensor has another shape. */
static bool read_rows(const TflTensor *t, int64_t *rows, TflRows *to) {
  if (t->rank < 2 || t->rank > 4 || t->size < 1 || t->dim[0] != 1) return false;
  *rows = t->rank == 2 ? 1 : t->dim[1];
  to->rank = t->rank;
  to->row[0] = t->rank == 4 ? t->dim[2] : 1;
  to->row[1] = t->dim[t->rank - 1];
  return true;
}

/* Whether a tensor consists of the new rows of a call, and is not flat. */
static bool has_new_rows(const TflRows *x) { return x->low == 0 && x->high == x->n && !x->flat; }
static int64_t count_of(const TflRows *x) { return x->high - x->low; }

static int add_raised(Raising *r, const TflTensor *like, int64_t rows, const int64_t row[2], int rank) {
  TflTensor t = *like;
  if (r->narrow && row[0] == 1) rank = 3;
  t.rank = rank == 2 ? 3 : rank;
  t.dim[0] = 1;
  t.dim[1] = STEPS * rows;
  t.dim[2] = rank == 4 ? row[0] : row[0] * row[1];
  if (rank == 4) t.dim[3] = row[1];
  t.size = STEPS * rows * row[0] * row[1];
  vec_push(r->arena, r->tensor, t);
  return r->tensor.n - 1;
}

/* Adds a tensor for the rows of a result with n new rows per call; false: the result does not have high - low
 * rows, or is too large. */
static bool raise_result(Raising *r, int out, int64_t n, int64_t low, int64_t high) {
  TflRows *to = &r->rows[out];
  int64_t rows;
  if (!read_rows(&r->m->tensor[out], &rows, to) || rows != high - low ||
      to->row[0] * to->row[1] > MOST_RAISED / STEPS / n)
    return false;
  to->known = true;
  to->n = n;
  to->low = low;
  to->high = high;
  to->sequence = add_raised(r, &r->m->tensor[out], n, to->row, to->rank);
  return true;
}

static TflOperator *add_raised_operator(Raising *r, const TflOperator *op, int in, int out) {
  TflOperator to = *op;
  to.in = NEW_ARRAY(r->arena, int, op->nin + 1);
  to.out = NEW_ARRAY(r->arena, int, op->nout + 1);
  for (int i = 0; i < op->nin; i++) to.in[i] = op->in[i];
  for (int i = 0; i < op->nout; i++) to.out[i] = op->out[i];
  to.in[0] = in;
  to.out[0] = out;
  vec_push(r->arena, r->op, to);
  return &r->op.data[r->op.n - 1];
}

static void add_raised_reshape(Raising *r, const TflOperator *op, int in, int out) {
  TflOperator *to = add_raised_operator(r, op, in, out);
  to->code = TFL_RESHAPE;
  to->activation = TFL_NONE;
  to->nin = to->nout = 1;
  to->nlist = -1;
}

/* ---- operators that keep the rows ---- */
/* Whether the operator is known to map zeros to zeros. This is required if the operator reads rows before the
 * first call, because these rows are zeros. */
static bool keeps_zero(int code) {
  switch (code) {
  case TFL_QUANTIZE:
  case TFL_DEQUANTIZE:
  case TFL_RELU:
  case TFL_RELU6:
  case TFL_CONCATENATION:
  case TFL_STRIDED_SLICE: return true;
  default: return false;
  }
}

static bool is_by_element(int code) {
  switch (code) {
  case TFL_ADD:
  case TFL_SUB:
  case TFL_MUL:
  case TFL_DIV:
  case TFL_MAXIMUM:
  case TFL_MINIMUM:
  case TFL_LOGISTIC:
  case TFL_TANH:
  case TFL_EXP:
  case TFL_HARD_SWISH:
  case TFL_LEAKY_RELU:
  case TFL_ELU:
  case TFL_SOFTMAX: return true;
  default: return keeps_zero(code);
  }
}

/* Converts an elementwise operator. All values of the operator must have the same rows, and its constants
 * must be the same for each row. */
static bool raise_elements(Raising *r, const TflOperator *op) {
  const TflRows *first = NULL;
  for (int i = 0; i < op->nin; i++) {
    const TflRows *x = raised_rows(r, op, i);
    const TflTensor *c = raised_constant(r, op, i);
    const int rank = r->m->tensor[op->out[0]].rank;
    if (c && rank > 2 && c->rank >= rank - 1 && c->dim[c->rank + 1 - rank] != 1) return false;
    if (c) continue;
    if (!x || x->flat || (first && (x->n != first->n || x->low != first->low || x->high != first->high)))
      return false;
    first = x;
  }
  if (!first || (first->low < 0 && !keeps_zero(op->code)) ||
      !raise_result(r, op->out[0], first->n, first->low, first->high))
    return false;
  TflOperator *to = add_raised_operator(r, op, op->in[0], r->rows[op->out[0]].sequence);
  const bool narrowed = r->tensor.data[to->out[0]].rank < r->m->tensor[op->out[0]].rank;
  for (int i = 0; i < op->nin; i++) {
    TflTensor constant = r->tensor.data[op->in[i]];
    if (raised_rows(r, op, i)) to->in[i] = raised_rows(r, op, i)->sequence;
    else if (narrowed && constant.rank == 4) { /* [1, 1, 1, channels] */
      constant.dim[2] = constant.dim[--constant.rank];
      vec_push(r->arena, r->tensor, constant);
      to->in[i] = r->tensor.n - 1;
    }
  }
  return true;
}

/* Converts a reshape. It must keep the number of rows, or join all rows to one vector, for a dense layer. */
static bool raise_reshape(Raising *r, const TflOperator *op) {
  const TflRows *x = raised_rows(r, op, 0);
  const TflTensor *out = &r->m->tensor[op->out[0]];
  TflRows *to = &r->rows[op->out[0]];
  int64_t rows;
  if (!x || x->flat || out->size != count_of(x) * x->row[0] * x->row[1] || !read_rows(out, &rows, to))
    return false;
  if (out->rank == 2 && count_of(x) > 1) { /* the operand of a dense layer over all rows */
    const int rank = to->rank;
    *to = *x;
    to->rank = rank;
    return to->flat = true;
  }
  if (!raise_result(r, op->out[0], x->n, x->low, x->high)) return false;
  const TflTensor *from = &r->tensor.data[x->sequence], *made = &r->tensor.data[to->sequence];
  if (from->rank == made->rank && !memcmp(from->dim, made->dim, sizeof *from->dim * (size_t)from->rank))
    to->sequence = x->sequence;
  else add_raised_reshape(r, op, x->sequence, to->sequence);
  return true;
}

/* ---- rings ---- */
static bool initially_zero(const TflTensor *t, const TflTensor *initial) {
  const int width = t->size > 0 ? elem_bytes(t->elem) : 0;
  const int64_t zero = t->elem == F32 ? 0 : t->zero;
  for (int64_t i = 0; i < t->size * width; i++)
    if (initial->data[i] != (uint8_t)((uint64_t)zero >> 8 * (i % width))) return false;
  return true;
}

/* Reads the rows of a state. The state's initial value must be zeros. raise_ring finds the sequence of these
 * rows. */
static bool raise_state(Raising *r, const TflOperator *op) {
  TflRows *to = &r->rows[op->out[0]];
  const TflTensor *t = &r->m->tensor[op->out[0]];
  int64_t rows;
  if (!read_rows(t, &rows, to) || t->rank == 2 || !initially_zero(t, op->initial)) return false;
  to->sequence = -1;
  to->low = -rows;
  return true;
}

/* Converts concat(state, x) along the rows: earlier rows from the state, then the rows of x. */
static bool raise_ring(Raising *r, const TflOperator *op) {
  TflRows *state = &r->rows[op->in[0]], *to = &r->rows[op->out[0]];
  const TflRows *x = raised_rows(r, op, 1);
  if (op->nin != 2 || op->activation != TFL_NONE || !x || !has_new_rows(x) || state->known ||
      state->sequence >= 0 || state->low >= 0 || state->row[0] != x->row[0] || state->row[1] != x->row[1])
    return false;
  const int64_t history = -state->low;
  state->known = true; /* so that no second ring uses this state */
  *to = *x;
  to->low = state->low = -history;
  state->high = 0;
  state->n = x->n;
  state->sequence = x->sequence;
  return true;
}

/* Whether an update stores those rows of the state's sequence that the next call reads. */
static bool raise_update(Raising *r, const TflOperator *op) {
  const TflRows *state = raised_rows(r, op, 0), *x = raised_rows(r, op, 1);
  return state && x && !x->flat && state->sequence == x->sequence && x->high == x->n &&
         count_of(x) == count_of(state);
}

/* Reads the bounds of a slice, which must be constant. The operator's masks mark omitted bounds. */
static bool read_bounds(const Raising *r, const TflOperator *op, const TflTensor *t,
                        int64_t bound[3][TFLITE_RANK]) {
  for (int k = 0; k < 3; k++) {
    const TflTensor *list = raised_constant(r, op, 1 + k);
    if (!list || tflite_integers(list, TFLITE_RANK, bound[k]) != t->rank) return false;
  }
  for (int d = 0; d < t->rank; d++) {
    for (int k = 0; k < 2; k++) {
      if (bound[k][d] < 0) bound[k][d] += t->dim[d];
      if (op->mask[k] >> d & 1) bound[k][d] = k ? t->dim[d] : 0;
      bound[k][d] = bound[k][d] < 0 ? 0 : smaller(bound[k][d], t->dim[d]);
    }
    if (bound[2][d] != 1 || bound[0][d] >= bound[1][d]) return false;
  }
  return !op->mask[2] && !op->mask[3] && !op->mask[4] && !op->relative;
}

/* A slice along the rows selects rows of the same sequence. A slice along any other dimension slices each
 * row. */
static bool raise_slice(Raising *r, const TflOperator *op) {
  const TflRows *x = raised_rows(r, op, 0);
  const TflTensor *in = &r->m->tensor[op->in[0]];
  int64_t bound[3][TFLITE_RANK];
  bool whole = true;
  if (!x || x->flat || in->rank < 3 || !read_bounds(r, op, in, bound)) return false;
  for (int d = 2; d < in->rank; d++) whole = whole && !bound[0][d] && bound[1][d] == in->dim[d];
  const int64_t low = x->low + bound[0][1], high = x->low + bound[1][1];
  if (!raise_result(r, op->out[0], x->n, low, high)) return false;
  if (whole) {
    r->rows[op->out[0]].sequence = x->sequence;
    return true;
  }
  const int to = r->rows[op->out[0]].sequence, rank = r->tensor.data[x->sequence].rank;
  TflOperator *slice = add_raised_operator(r, op, x->sequence, to);
  bound[0][1] = 0;
  bound[1][1] = STEPS * x->n;
  for (int k = 0; k < 3; k++) {
    if (rank < in->rank) bound[k][2] = bound[k][3];
    slice->in[1 + k] = tflite_add_integers(r->arena, &r->tensor, rank, bound[k]);
  }
  slice->mask[0] = slice->mask[1] = 0;
  return true;
}

static bool raise_concat(Raising *r, const TflOperator *op) {
  const int rank = r->m->tensor[op->out[0]].rank;
  const int64_t axis = op->axis < 0 ? op->axis + rank : op->axis;
  if (axis == 1 && rank > 2) return raise_ring(r, op);
  if (axis != rank - 1 || !raise_elements(r, op)) return false;
  r->op.data[r->op.n - 1].axis = r->tensor.data[r->rows[op->out[0]].sequence].rank - 1;
  return true;
}

/* ---- windows ---- */
/* Adds padding to a window of `kernel` rows; the padding replaces the rows before the first call. */
static bool raise_window(TflOperator *to, const TflRows *x, int64_t kernel) {
  const int64_t before = -x->low, reach = to->dilation[0] * (kernel - 1), stride = to->stride[0];
  /* SAME pads the rows of each call, but a window over the sequence is only padded before its first row */
  if (to->same && (kernel > 1 || stride > 1)) return false;
  if (stride < 1 || x->n % stride || x->high != x->n || before < 0 || before > reach ||
      before <= reach - stride)
    return false;
  if (to->same && x->row[0] == 1) to->same = false;
  if (to->same && before) return false;
  to->border[0] = before;
  return true;
}

/* Applies an operator with a window over rows to the whole sequence. */
static bool raise_windowed(Raising *r, const TflOperator *op, const TflRows *x, int64_t kernel) {
  const int64_t stride = op->stride[0];
  TflOperator window = *op;
  if (!raise_window(&window, x, kernel) || !raise_result(r, op->out[0], x->n / stride, 0, x->n / stride))
    return false;
  add_raised_operator(r, &window, x->sequence, r->rows[op->out[0]].sequence);
  return true;
}

static bool raise_conv(Raising *r, const TflOperator *op) {
  const TflRows *x = raised_rows(r, op, 0);
  const TflTensor *w = raised_constant(r, op, 1);
  return x && !x->flat && w && w->rank == 4 && !op->border[0] && !op->border[1] &&
         raise_windowed(r, op, x, w->dim[1]);
}

/* In the model, a pool reads the zero rows before the first call. In the program, a pool ignores padding. So
 * only windows that need no padding are converted. */
static bool raise_pool(Raising *r, const TflOperator *op) {
  const TflRows *x = raised_rows(r, op, 0);
  return x && !x->low && raise_windowed(r, op, x, op->size[0]);
}

/* A dense layer over all rows of a ring becomes a convolution over these rows, with one result per call. */
static bool raise_dense(Raising *r, const TflOperator *op) {
  const TflRows *x = raised_rows(r, op, 0);
  const TflTensor *w = raised_constant(r, op, 1), *out = &r->m->tensor[op->out[0]];
  if (!x || !w || w->rank != 2 || w->dim[1] != count_of(x) * x->row[0] * x->row[1] || out->size != w->dim[0])
    return false;
  TflOperator conv = *op;
  TflTensor filter = *w, image = r->tensor.data[x->sequence];
  conv.code = TFL_CONV_2D;
  conv.dense = true;
  conv.same = false;
  conv.stride[0] = x->n;
  conv.stride[1] = conv.dilation[0] = conv.dilation[1] = 1;
  filter.rank = 4;
  filter.dim[1] = count_of(x);
  filter.dim[2] = x->row[0];
  filter.dim[3] = x->row[1];
  if (!raise_window(&conv, x, count_of(x)) || !raise_result(r, op->out[0], 1, 0, 1)) return false;
  vec_push(r->arena, r->tensor, filter);
  const int weight = r->tensor.n - 1, made = r->rows[op->out[0]].sequence;
  int from = x->sequence, to = made;
  if (!r->narrow || x->row[0] > 1) { /* a 2-D convolution: input and result have rank 4 */
    const int64_t row[2] = {1, w->dim[0]};
    if (image.rank != 4) {
      from = add_raised(r, &image, x->n, x->row, 4);
      add_raised_reshape(r, op, x->sequence, from);
    }
    to = add_raised(r, out, 1, row, 4);
  }
  TflOperator *layer = add_raised_operator(r, &conv, from, to);
  layer->in[1] = weight;
  if (to != made) add_raised_reshape(r, op, to, made);
  return true;
}

/* ---- the model ---- */
const char *tflite_step_comment(Arena *arena, const TflModel *m) {
  return arena_printf(arena,
                      "A call of the model is a step of %" PRId64 " row%s: compile with --stream=%" PRId64
                      ", for sequences of any length.",
                      m->step, m->step == 1 ? "" : "s", m->step);
}

static bool raise_operator(Raising *r, const TflOperator *op) {
  if (op->code == TFL_UPDATE) return raise_update(r, op);
  if (op->nout != 1 || op->out[0] < 0) return false;
  if (op->code == TFL_STATE) return raise_state(r, op);
  if (op->nin < 1 || op->in[0] < 0) return false;
  switch (op->code) {
  case TFL_RESHAPE:
  case TFL_SQUEEZE:
  case TFL_EXPAND_DIMS: return raise_reshape(r, op);
  case TFL_STRIDED_SLICE: return raise_slice(r, op);
  case TFL_CONCATENATION: return raise_concat(r, op);
  case TFL_CONV_2D:
  case TFL_DEPTHWISE_CONV_2D: return raise_conv(r, op);
  case TFL_MAX_POOL_2D:
  case TFL_AVERAGE_POOL_2D: return raise_pool(r, op);
  case TFL_FULLY_CONNECTED: return raise_dense(r, op);
  default: return is_by_element(op->code) && raise_elements(r, op);
  }
}

static bool holds_states(const TflModel *m) {
  for (int o = 0; o < m->noperators; o++)
    if (m->op[o].code == TFL_STATE) return true;
  return false;
}

void tflite_raise(Arena *arena, TflModel *m, bool narrow) {
  TflModel parted = *m;
  const int input = m->input[0];
  int64_t n;
  if (!holds_states(m) || m->ninputs != 1) return;
  tflite_part(arena, &parted);
  Raising r = {
      .arena = arena, .m = &parted, .narrow = narrow, .rows = NEW_ARRAY(arena, TflRows, parted.ntensors + 1)};
  for (int t = 0; t < parted.ntensors; t++) vec_push(arena, r.tensor, parted.tensor[t]);
  if (!read_rows(&m->tensor[input], &n, &r.rows[input]) || !raise_result(&r, input, n, 0, n)) return;
  for (int o = 0; o < parted.noperators; o++)
    if (!raise_operator(&r, &parted.op[o])) return;
  for (int i = 0; i < m->noutputs; i++)
    if (!r.rows[m->output[i]].known || !has_new_rows(&r.rows[m->output[i]])) return;
  m->input[0] = r.rows[input].sequence;
  for (int i = 0; i < m->noutputs; i++) m->output[i] = r.rows[m->output[i]].sequence;
  m->op = r.op.data;
  m->noperators = r.op.n;
  m->tensor = r.tensor.data;
  m->ntensors = r.tensor.n;
  m->step = n;
}
