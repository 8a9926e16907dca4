/* tflite_prepare.c: Normalization of TensorFlow Lite models before their import. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "import/import.h"
#include "import/tflite/tflite.h"
#include "import/tflite/tflite_parts.h"

/* ---- weights as floats ---- */
enum { HALF = TFL_FLOAT16 };

static double half_float(uint32_t bits) { /* the value of a half-precision number */
  const int e = (int)(bits >> 10 & 31);
  const double part = bits & 1023, sign = bits >> 15 ? -1 : 1;
  if (e == 31) return part > 0 ? (double)NAN : sign * (double)INFINITY;
  return sign * (e ? ldexp(1024 + part, e - 25) : ldexp(part, -24));
}

static void store_float(uint8_t *to, float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  for (int i = 0; i < 4; i++) to[i] = (uint8_t)(bits >> 8 * i);
}

/* Whether a tensor is a 16- or 8-bit constant that can be converted to floats. */
static bool stands_for_floats(const TflTensor *t) {
  if (!t->data || t->size < 1) return false;
  if (t->code == HALF) return true;
  return (t->code == TFL_INT8 || t->code == TFL_INT16 || t->code == TFL_UINT8) && t->scales > 0 &&
         (t->scales == 1 || t->zeros);
}

static float weight_float(const TflTensor *t, int64_t i, int64_t inner) {
  if (t->code == HALF) return (float)half_float((uint32_t)(t->data[2 * i] | t->data[2 * i + 1] << 8));
  const int64_t q = t->code == TFL_INT8    ? (int8_t)t->data[i]
                    : t->code == TFL_UINT8 ? t->data[i]
                                           : (int16_t)(uint16_t)(t->data[2 * i] | t->data[2 * i + 1] << 8);
  return (float)(q - t->zero) * t->scale[t->scales > 1 ? i / inner % t->scales : 0];
}

/* Converts a constant to floats. False: the constant has more than *room elements. */
static bool as_floats(Arena *arena, const TflTensor *from, TflTensor *to, size_t *room) {
  if ((size_t)from->size > *room) return false;
  *room -= (size_t)from->size;
  uint8_t *data = arena_alloc(arena, 4 * (size_t)from->size);
  int64_t inner = 1;
  for (int d = from->rank - 1; d > from->axis && from->scales > 1; d--) inner *= from->dim[d];
  for (int64_t i = 0; i < from->size; i++) store_float(data + 4 * i, weight_float(from, i, inner));
  to->data = data;
  to->elem = F32;
  to->known = true;
  to->code = TFL_FLOAT32;
  to->type = "FLOAT32";
  to->scales = 0;
  return true;
}

/* Folds operators that only convert a constant: makes their results constants. */
static void fold_conversions(Arena *arena, TflModel *m, size_t *room) {
  for (int o = 0; o < m->noperators; o++) {
    const TflOperator *op = &m->op[o];
    if (op->nin < 1 || op->nout != 1 || op->in[0] < 0 || op->out[0] < 0) continue;
    const TflTensor *from = &m->tensor[op->in[0]];
    TflTensor *to = &m->tensor[op->out[0]];
    if (!from->data || to->data || from->size != to->size) continue;
    if (op->code == TFL_DENSIFY && from->code == to->code) to->data = from->data;
    if (op->code == TFL_DEQUANTIZE && to->code == TFL_FLOAT32 && stands_for_floats(from))
      as_floats(arena, from, to, room);
  }
}

/* Converts quantized weights of a float layer to floats. Only the weights' values matter, not how the layer's
 * kernel would round its input. */
static void fold_hybrids(Arena *arena, TflModel *m, size_t *room) {
  int *made = NEW_ARRAY(arena, int, m->ntensors + 1), n = m->ntensors, most = n;
  for (int o = 0; o < m->noperators; o++) most += m->op[o].nin;
  if (most > n + (1 << 20)) return;
  TflTensor *all = NEW_ARRAY(arena, TflTensor, most + 1);
  memcpy(all, m->tensor, sizeof *all * (size_t)n);
  for (int o = 0; o < m->noperators; o++) {
    TflOperator *op = &m->op[o];
    if (op->nout < 1 || op->out[0] < 0 || all[op->out[0]].code != TFL_FLOAT32) continue;
    if (op->code == TFL_DEQUANTIZE || op->code == TFL_CAST) continue;
    for (int i = 0; i < op->nin; i++) {
      const int t = op->in[i];
      if (t < 0 || t >= m->ntensors || all[t].code == HALF || !stands_for_floats(&all[t])) continue;
      if (!made[t]) {
        all[n] = all[t];
        if (!as_floats(arena, &all[t], &all[n], room)) continue;
        made[t] = n++;
      }
      op->in[i] = made[t];
      op->hybrid = true;
    }
  }
  m->tensor = all;
  m->ntensors = n;
}

/* ---- dilated convolutions, in Keras's form ---- */
static int *count_readers(Arena *arena, const TflModel *m) {
  int *readers = NEW_ARRAY(arena, int, m->ntensors + 1);
  for (int o = 0; o < m->noperators; o++)
    for (int i = 0; i < m->op[o].nin; i++)
      if (m->op[o].in[i] >= 0) readers[m->op[o].in[i]]++;
  for (int i = 0; i < m->noutputs; i++)
    if (m->output[i] >= 0) readers[m->output[i]] += 2;
  return readers;
}

/* The operator that reads a tensor as its first input, if it is the tensor's only reader; otherwise NULL. */
static TflOperator *only_tfl_reader(const TflModel *m, const int *readers, int tensor) {
  for (int o = 0; o < m->noperators && readers[tensor] == 1; o++)
    if (m->op[o].nin && m->op[o].in[0] == tensor && m->op[o].nout == 1 && m->op[o].out[0] >= 0)
      return &m->op[o];
  return NULL;
}

/* Reads n constant integers: at most two numbers for each of two axes. */
static bool small_integers(const TflModel *m, const TflOperator *op, int input, int n, int64_t *to) {
  const TflTensor *t = input < op->nin && op->in[input] >= 0 ? &m->tensor[op->in[input]] : NULL;
  if (!t || !t->data || t->code != TFL_INT32 || t->size != n) return false;
  for (int i = 0; i < n; i++) {
    to[i] = (int32_t)((uint32_t)t->data[4 * i] | (uint32_t)t->data[4 * i + 1] << 8 |
                      (uint32_t)t->data[4 * i + 2] << 16 | (uint32_t)t->data[4 * i + 3] << 24);
    if (to[i] < 0 || to[i] > INT32_MAX / 4) return false;
  }
  return true;
}

static void copy_shape(TflTensor *t, const TflTensor *as) {
  t->rank = as->rank;
  t->size = as->size;
  memcpy(t->dim, as->dim, sizeof t->dim);
}

/* Changes `op` to an identity. */
static void become_same(TflModel *m, TflOperator *op) {
  op->code = TFL_RESHAPE;
  op->nin = 1;
  op->nlist = -1;
  copy_shape(&m->tensor[op->out[0]], &m->tensor[op->in[0]]);
}

typedef struct Blocks {
  TflOperator *apart, *more, *conv, *less, *together; /* more, less: EXPAND_DIMS, SQUEEZE, RESHAPE or NULL */
  int axes;                                           /* number of spatial axes: 2; for sequences 1 */
  int64_t block[2], pad[4], crop[4];
} Blocks;

static bool find_blocks(const TflModel *m, const int *readers, TflOperator *op, Blocks *b) {
  *b = (Blocks){.apart = op};
  if (op->code != TFL_SPACE_TO_BATCH_ND || op->nin != 3 || op->nout != 1 || op->in[0] < 0 || op->out[0] < 0)
    return false;
  b->axes = m->tensor[op->in[0]].rank - 2;
  if (b->axes < 1 || b->axes > 2 || !small_integers(m, op, 1, b->axes, b->block) ||
      !small_integers(m, op, 2, 2 * b->axes, b->pad))
    return false;
  b->conv = only_tfl_reader(m, readers, op->out[0]);
  if (b->conv && b->axes == 1 && (b->conv->code == TFL_EXPAND_DIMS || b->conv->code == TFL_RESHAPE)) {
    b->more = b->conv;
    b->conv = only_tfl_reader(m, readers, b->more->out[0]);
  }
  if (!b->conv || (b->conv->code != TFL_CONV_2D && b->conv->code != TFL_DEPTHWISE_CONV_2D)) return false;
  b->together = only_tfl_reader(m, readers, b->conv->out[0]);
  if (b->together && b->more && (b->together->code == TFL_SQUEEZE || b->together->code == TFL_RESHAPE)) {
    b->less = b->together;
    b->together = only_tfl_reader(m, readers, b->less->out[0]);
  }
  int64_t again[2];
  if (!b->together || b->together->code != TFL_BATCH_TO_SPACE_ND ||
      !small_integers(m, b->together, 1, b->axes, again) ||
      !small_integers(m, b->together, 2, 2 * b->axes, b->crop))
    return false;
  return again[0] == b->block[0] && (b->axes == 1 || again[1] == b->block[1]) && (b->axes == 2 || b->more);
}

static const int64_t *window_of(const TflModel *m, const TflOperator *conv) {
  const TflTensor *w = conv->nin > 1 && conv->in[1] >= 0 ? &m->tensor[conv->in[1]] : NULL;
  return w && w->rank == 4 ? &w->dim[1] : NULL;
}

/* Changes the convolution: its dilation is the block's size, its padding at the start is the block's padding
 * minus the crop, and its padding at the end follows from the sizes. False, without a change: the
 * sizes do not fit or are unknown, or the convolution itself has padding, a stride or a dilation. */
static bool become_dilated(TflModel *m, Blocks *b) {
  TflOperator *conv = b->conv;
  const TflTensor *x = &m->tensor[b->apart->in[0]], *y = &m->tensor[b->together->out[0]];
  const int64_t *window = window_of(m, conv);
  int64_t border[4] = {0}, dilation[2] = {1, 1};
  const TflTensor *in = &m->tensor[conv->in[0]];
  int first = 0; /* axis of the convolution for the first block dimension */
  if (b->axes == 1 && in->rank == 4 && in->dim[1] == 1 && window && window[0] == 1) first = 1;
  if (!window || conv->same || x->size < 0 || y->size < 0) return false;
  for (int a = 0; a < 2; a++)
    if (conv->stride[a] != 1 || conv->dilation[a] != 1) return false;
  for (int a = 0; a < b->axes; a++) {
    const int64_t low = b->pad[2 * a] - b->crop[2 * a];
    const int64_t high = y->dim[1 + a] + b->block[a] * (window[first + a] - 1) - low - x->dim[1 + a];
    if (low < 0 || high < 0 || b->block[a] < 1 || high > b->pad[2 * a + 1]) return false;
    dilation[first + a] = b->block[a];
    border[2 * (first + a)] = low;
    border[2 * (first + a) + 1] = high;
  }
  memcpy(conv->border, border, sizeof border);
  memcpy(conv->dilation, dilation, sizeof dilation);
  become_same(m, b->apart);
  TflTensor *to = &m->tensor[conv->out[0]];
  if (!b->more) return copy_shape(to, y), become_same(m, b->together), true;
  TflTensor *wide = &m->tensor[b->more->out[0]];
  for (int k = 0; k < 2; k++) { /* [1, length, channels] with an inserted axis of size 1 */
    TflTensor *t = k ? to : wide;
    const TflTensor *of = k ? y : x;
    t->rank = 4;
    t->size = of->size;
    t->dim[0] = t->dim[2 - first] = 1;
    t->dim[0] = 1;
    t->dim[1 + first] = of->dim[1];
    t->dim[3] = of->dim[2];
  }
  b->more->code = b->less ? TFL_RESHAPE : b->more->code;
  b->more->nin = 1;
  b->more->nlist = -1;
  if (b->less) b->less->code = TFL_RESHAPE, b->less->nin = 1, b->less->nlist = -1;
  if (b->less) copy_shape(&m->tensor[b->less->out[0]], y);
  become_same(m, b->together);
  return true;
}

static void join_blocks(Arena *arena, TflModel *m) {
  const int *readers = NULL;
  for (int o = 0; o < m->noperators; o++) {
    Blocks b;
    if (m->op[o].code != TFL_SPACE_TO_BATCH_ND) continue;
    if (!readers) readers = count_readers(arena, m);
    if (find_blocks(m, readers, &m->op[o], &b)) become_dilated(m, &b);
  }
}

/* ---- order ---- */
typedef struct Order {
  TflModel *m;
  int *maker, *stack, depth;                  /* maker: by tensor, the operator that produces it, or -1 */
  enum { IDLE, NEEDED, BEGUN, DONE } * state; /* by operator: progress of the sorting */
} Order;

static void find_makers(Order *r) {
  const TflModel *m = r->m;
  for (int t = 0; t < m->ntensors; t++) r->maker[t] = -1;
  for (int o = m->noperators - 1; o >= 0; o--)
    for (int i = 0; i < m->op[o].nout; i++)
      if (m->op[o].out[i] >= 0 && !m->tensor[m->op[o].out[i]].data) r->maker[m->op[o].out[i]] = o;
}

static void need(Order *r, int tensor) {
  const int o = tensor < 0 ? -1 : r->maker[tensor];
  if (o < 0 || r->state[o] != IDLE) return;
  r->state[o] = NEEDED;
  r->stack[r->depth++] = o;
}

/* An operator that was not visited yet and produces an input of this operator; -1: none. */
static int waits_for(const Order *r, const TflOperator *op) {
  for (int i = 0; i < op->nin; i++) {
    const int o = op->in[i] < 0 ? -1 : r->maker[op->in[i]];
    if (o >= 0 && r->state[o] == NEEDED) return o;
  }
  return -1;
}

static void need_inputs(Order *r) {
  while (r->depth) {
    const TflOperator *op = &r->m->op[r->stack[--r->depth]];
    for (int i = 0; i < op->nin; i++) need(r, op->in[i]);
  }
}

static bool is_of_state(const TflModel *m, const TflOperator *op) {
  return tflite_keeps_state(m, op) || op->code == TFL_STATE || op->code == TFL_UPDATE;
}

/* Keeps the operators that the outputs need. If one of these operators uses a state, all operators on states
 * are kept too. Sorts the operators so that operands are computed before they are used. Apart from this, the
 * operators stay in the file's order. */
void tflite_sort(Arena *arena, TflModel *m) {
  Order r = {.m = m};
  r.maker = NEW_ARRAY(arena, int, m->ntensors + 1);
  r.stack = NEW_ARRAY(arena, int, m->noperators + 1);
  r.state = (void *)NEW_ARRAY(arena, int, m->noperators + 1);
  TflOperator *sorted = NEW_ARRAY(arena, TflOperator, m->noperators + 1);
  int n = 0;
  find_makers(&r);
  for (int i = 0; i < m->noutputs; i++) need(&r, m->output[i]);
  need_inputs(&r);
  bool stateful = false;
  for (int o = 0; o < m->noperators; o++)
    stateful = stateful || (r.state[o] == NEEDED && is_of_state(m, &m->op[o]));
  for (int o = 0; o < m->noperators && stateful; o++)
    if (is_of_state(m, &m->op[o]) && r.state[o] == IDLE) r.state[o] = NEEDED, r.stack[r.depth++] = o;
  need_inputs(&r);
  for (int first = 0; first < m->noperators; first++) {
    if (r.state[first] != NEEDED) continue;
    for (r.stack[r.depth++] = first, r.state[first] = BEGUN; r.depth;) {
      const int o = r.stack[r.depth - 1], before = waits_for(&r, &m->op[o]);
      if (before >= 0) {
        r.stack[r.depth++] = before;
        r.state[before] = BEGUN;
        continue;
      }
      r.state[o] = DONE;
      sorted[n++] = m->op[o];
      r.depth--;
    }
  }
  m->op = sorted;
  m->noperators = n;
}

/* ---- the model ---- */
bool tflite_keeps_state(const TflModel *m, const TflOperator *op) {
  switch (op->code) {
  case TFL_CALL_ONCE:
  case TFL_VAR_HANDLE:
  case TFL_READ_VARIABLE:
  case TFL_ASSIGN_VARIABLE: return true;
  default: break;
  }
  for (int i = 0; i < op->nin; i++)
    if (op->in[i] >= 0 && m->tensor[op->in[i]].is_variable && !tflite_has_own_state(op, i)) return true;
  return false;
}

const char *tflite_state_operators(Arena *arena, const TflModel *m) {
  Text names = {.arena = arena};
  for (int o = 0; o < m->noperators; o++) {
    int before = 0;
    if (!tflite_keeps_state(m, &m->op[o])) continue;
    while (before < o && strcmp(m->op[before].name, m->op[o].name) != 0) before++;
    if (before == o) text_put(&names, "%s%s", names.n ? ", " : "", m->op[o].name);
  }
  return names.n ? names.s : "";
}

bool tflite_is_quantized(const TflModel *m) {
  for (int o = 0; o < m->noperators; o++)
    for (int i = 0; i < m->op[o].nout; i++) {
      const TflTensor *t = m->op[o].out[i] < 0 ? NULL : &m->tensor[m->op[o].out[i]];
      if (t && !t->data && t->scales && t->code != TFL_FLOAT32) return true;
    }
  for (int i = 0; i < m->ninputs; i++)
    if (m->tensor[m->input[i]].scales && m->tensor[m->input[i]].code != TFL_FLOAT32) return true;
  return false;
}

static void prepare_model(Arena *arena, TflModel *m, size_t bytes, bool raises) {
  size_t room = 8 * bytes + (1 << 20); /* maximum number of elements to convert to floats */
  fold_conversions(arena, m, &room);
  tflite_keep_variables(arena, m);
  tflite_sort(arena, m);
  fold_hybrids(arena, m, &room);
  join_blocks(arena, m);
  const bool quantized = tflite_is_quantized(m);
  if (quantized) tflite_part(arena, m);
  if (raises) tflite_raise(arena, m, quantized);
}

/* ---- requested outputs and sizes ---- */
static TflModel *refuse_model(Diags *diags, Span at, const char *path, const char *why) {
  diag_report(diags, DIAG_import_file, at, NULL, "cannot read '%s': %s", path, why);
  return NULL;
}

static int tensor_called(const TflModel *m, const char *name) {
  for (int t = 0; t < m->ntensors; t++)
    if (strcmp(m->tensor[t].name, name) == 0) return t;
  return -1;
}

static bool choose_outputs(TflModel *m, Diags *diags, Span at, const char *path,
                           const ImportOptions *options) {
  const int n = options->outputs.n;
  if (n > TFLITE_IO) return refuse_model(diags, at, path, "--outputs names more than 64 tensors");
  for (int i = 0; i < n; i++) {
    const char *name = options->outputs.data[i];
    m->output[i] = tensor_called(m, name);
    if (m->output[i] >= 0) continue;
    Diag *diag = diag_report(diags, DIAG_import_file, at, NULL, "--outputs: there is no tensor '%s'", name);
    diag_help(diag, "cnnc import --list %s lists the names of all outputs of operators", path);
    return false;
  }
  if (n) m->noutputs = n;
  return true;
}

/* Drops the sizes of dynamic dimensions of inputs with --shape: the sizes in the file are only examples. */
static void open_sizes(TflModel *m, const ImportOptions *options) {
  for (int i = 0; i < options->shapes.n; i++) {
    const int t = tensor_called(m, options->shapes.data[i].input);
    for (int d = 0; t >= 0 && d < m->tensor[t].rank; d++)
      if (m->tensor[t].open[d]) m->tensor[t].dim[d] = 0;
  }
}

TflModel *tflite_open(Arena *arena, Diags *diags, Span at, const char *path, const ImportOptions *options,
                      const uint8_t *bytes, size_t n) {
  const char *why = NULL;
  TflModel *m = tflite_read(arena, bytes, n, &why);
  if (!m) return refuse_model(diags, at, path, why);
  if (!choose_outputs(m, diags, at, path, options)) return NULL;
  open_sizes(m, options);
  const bool keeps = options->variables && strcmp(options->variables, "keep") == 0;
  for (int o = 0; o < m->noperators; o++) m->op[o].stateful = keeps;
  prepare_model(arena, m, n, !keeps);
  return m;
}
