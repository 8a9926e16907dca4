/* tflite_import.c: a model of TensorFlow Lite as a program, its weights in our order, and the scales and
 * zeros of its values. A layer is called after its operator: conv1, conv2, ... */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include "base/text.h"
#include "exchange/tflite.h"
#include "exchange/wire.h"

enum { KINDS = 64 };
typedef struct Making {
  Arena *arena;
  const TflModel *m;
  TflProgram *program;
  bool bytes;         /* it is of 8 bits */
  const char **value; /* by tensor: its name in the program; NULL: it has none */
  bool *there;        /* by tensor: an input, or a statement made it */
  int current;        /* the tensor of the last statement */
  int count[KINDS];   /* of layers, by operator */
  Text text;
  VEC(const char *) problems;
} Making;

static bool no(Making *k, const TflOperator *op, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  vec_push(k->arena, k->problems,
           arena_printf(k->arena, "%s %d: %s", op->name, (int)(op - k->m->op),
                        arena_vprintf(k->arena, format, ap)));
  va_end(ap);
  return false;
}

/* ---- arrays ---- */
static void put_array(Making *k, const char *name, Elem elem, int rank, const int64_t *dim,
                      const void *data) {
  arrays_add(&k->program->arrays, name, elem, rank, dim, data);
}

/* Element i of what the file holds, as bytes of this machine. */
static void copy_element(const TflTensor *t, int64_t i, void *to) {
  const uint8_t *from = t->data + i * elem_bytes(t->elem);
  if (t->elem == I8) *(int8_t *)to = (int8_t)*from;
  else if (t->elem == I32) *(int32_t *)to = (int32_t)(uint32_t)wire_little(from, 4);
  else *(float *)to = wire_float(from);
}

/* channels last, filters first (conv) or last (depthwise: 1HWC), to filters, channels, height, width */
static void put_weight(Making *k, const char *layer, const TflTensor *t, bool depthwise) {
  const int64_t filters = t->rank == 2 ? t->dim[0]
                          : depthwise  ? t->dim[3]
                                       : t->dim[0],
                channels = t->rank == 2 ? t->dim[1]
                           : depthwise  ? 1
                                        : t->dim[3],
                taps = t->rank == 2 ? 1 : t->dim[1] * t->dim[2],
                dim[4] = {filters, channels, t->dim[1], t->dim[2]};
  char *data = arena_alloc(k->arena, (size_t)(t->size * elem_bytes(t->elem)));
  for (int64_t f = 0; f < filters; f++)
    for (int64_t c = 0; c < channels; c++)
      for (int64_t tap = 0; tap < taps; tap++)
        copy_element(t, depthwise ? tap * filters + f : (f * taps + tap) * channels + c,
                     data + ((f * channels + c) * taps + tap) * elem_bytes(t->elem));
  put_array(k, arena_printf(k->arena, "%s.weight", layer), t->elem, t->rank == 2 ? 2 : 4, dim, data);
  const int64_t scales = t->scales;
  if (t->elem == I8)
    put_array(k, arena_printf(k->arena, "%s.weight.scale", layer), F32, 1, &scales, t->scale);
}

static void put_bias(Making *k, const char *layer, const TflTensor *t, int64_t filters) {
  char *data = arena_alloc(k->arena, 4 * (size_t)filters);
  for (int64_t f = 0; t && f < filters; f++) copy_element(t, f, data + 4 * f);
  put_array(k, arena_printf(k->arena, "%s.bias", layer), k->bytes ? I32 : F32, 1, &filters, data);
}

static void put_scale(Making *k, const char *value, const TflTensor *t) {
  if (k->bytes && t->scales == 1) arrays_add_scale(&k->program->arrays, value, *t->scale, t->zero);
}

static bool same_scale(const TflTensor *a, const TflTensor *b) {
  return a->scale[0] == b->scale[0] && a->zero == b->zero;
}

/* ---- shapes ---- */
static bool shape_of(const TflTensor *t, Shape *shape) {
  if (t->rank < 2 || t->dim[0] != 1) return false;
  *shape = t->rank == 4   ? shape_picture(t->dim[1], t->dim[2], t->dim[3])
           : t->rank == 3 ? shape_sequence(t->dim[1], t->dim[2])
                          : shape_vector(t->dim[1]);
  return true;
}

/* A value of the net, of the type that all have. */
static bool check_value(Making *k, const TflOperator *op, int tensor) {
  Shape shape;
  const TflTensor *t = tensor < 0 ? NULL : &k->m->tensor[tensor];
  if (!t) return no(k, op, "a value is left out");
  if (!t->known || t->elem != (k->bytes ? I8 : F32))
    return no(k, op, "'%s' is %s, where the net computes in %s", t->name, t->type,
              k->bytes ? "INT8" : "FLOAT32");
  if (k->bytes && t->scales != 1) return no(k, op, "'%s' has %d scales instead of one", t->name, t->scales);
  if (!shape_of(t, &shape))
    return no(k, op, "'%s' has a shape of more than one image, or of other axes", t->name);
  return true;
}

/* ---- statements ---- */
static const char *layer_name(Making *k, const TflOperator *op, const char *word) {
  return arena_printf(k->arena, "%s%d", word, ++k->count[op->code]);
}

static void begin_statement(Making *k, const TflOperator *op) {
  const int in = op->in[0], out = op->out[0];
  if (k->value[out]) text_put(&k->text, "%s = ", k->value[out]);
  if (in != k->current) text_put(&k->text, "%s -> ", k->value[in]);
}

static void end_statement(Making *k, const TflOperator *op) {
  if (op->activation == TFL_ACTIVATION_RELU) text_put(&k->text, " -> relu");
  if (op->activation == TFL_ACTIVATION_RELU6) text_put(&k->text, " -> relu6");
  text_put(&k->text, "\n");
  k->current = op->out[0];
  k->there[op->out[0]] = true;
}

static void put_window(Making *k, const TflOperator *op) {
  if (op->stride[0] != 1 || op->stride[1] != 1)
    text_put(&k->text, ", stride=%" PRId64 "x%" PRId64, op->stride[0], op->stride[1]);
  if (op->same) text_put(&k->text, ", pad=same");
  if (op->dilation[0] != 1 || op->dilation[1] != 1)
    text_put(&k->text, ", dilation=%" PRId64 "x%" PRId64, op->dilation[0], op->dilation[1]);
}

static bool window_known(Making *k, const TflOperator *op) {
  for (int a = 0; a < 2; a++)
    if (op->stride[a] < 1 || op->dilation[a] < 1 || op->size[a] < 1)
      return no(k, op, "it has a stride, a dilation or a size below 1");
  return true;
}

static bool check_weight(Making *k, const TflOperator *op, const TflTensor *w, int rank, int axis) {
  if (!w->data) return no(k, op, "its weights are computed, not constants");
  if (w->rank != rank || w->elem != (k->bytes ? I8 : F32))
    return no(k, op, "its weights are %s of %d dimensions", w->type, w->rank);
  if (!k->bytes) return true;
  if (w->scales < 1 || !w->zeros) return no(k, op, "its weights have no scale, or zero points other than 0");
  if (w->scales > 1 && w->axis != axis) return no(k, op, "its scales are not those of its filters");
  return true;
}

static bool check_bias(Making *k, const TflOperator *op, int64_t filters, const TflTensor **bias) {
  const int tensor = op->nin > 2 ? op->in[2] : -1;
  *bias = tensor < 0 ? NULL : &k->m->tensor[tensor];
  if (!*bias) return true;
  if (!(*bias)->data || (*bias)->size != filters || (*bias)->elem != (k->bytes ? I32 : F32))
    return no(k, op, "its bias is not one number of 32 bits a filter");
  return true;
}

static bool make_conv(Making *k, const TflOperator *op) {
  const bool depthwise = op->code == TFL_DEPTHWISE_CONV_2D;
  if (op->nin < 2 || op->in[1] < 0) return no(k, op, "it has no weights");
  const TflTensor *in = &k->m->tensor[op->in[0]], *w = &k->m->tensor[op->in[1]], *bias;
  if (!window_known(k, op) || !check_weight(k, op, w, 4, depthwise ? 3 : 0)) return false;
  const int64_t filters = w->dim[depthwise ? 3 : 0], channels = in->dim[3];
  if (!check_bias(k, op, filters, &bias)) return false;
  if (in->rank != 4 || (depthwise ? w->dim[0] != 1 || filters % channels : channels % w->dim[3] != 0))
    return no(k, op, "its weights do not fit its input");
  const char *layer = layer_name(k, op, depthwise ? "depthwise" : "conv");
  begin_statement(k, op);
  if (depthwise) text_put(&k->text, "depthwise(%" PRId64 "x%" PRId64, w->dim[1], w->dim[2]);
  else text_put(&k->text, "conv(%" PRId64 ", %" PRId64 "x%" PRId64, filters, w->dim[1], w->dim[2]);
  put_window(k, op);
  if (depthwise && filters != channels) text_put(&k->text, ", multiplier=%" PRId64, filters / channels);
  if (!depthwise && channels != w->dim[3]) text_put(&k->text, ", groups=%" PRId64, channels / w->dim[3]);
  text_put(&k->text, ", name=\"%s\")", layer);
  end_statement(k, op);
  put_weight(k, layer, w, depthwise);
  put_bias(k, layer, bias, filters);
  put_scale(k, layer, &k->m->tensor[op->out[0]]);
  return true;
}

static bool make_dense(Making *k, const TflOperator *op) {
  if (op->nin < 2 || op->in[1] < 0) return no(k, op, "it has no weights");
  const TflTensor *in = &k->m->tensor[op->in[0]], *w = &k->m->tensor[op->in[1]], *bias;
  if (!check_weight(k, op, w, 2, 0) || !check_bias(k, op, w->dim[0], &bias)) return false;
  if (in->size != w->dim[1]) return no(k, op, "its weights do not fit its input");
  const char *layer = layer_name(k, op, "dense");
  begin_statement(k, op);
  if (in->rank != 2) text_put(&k->text, "flatten -> ");
  text_put(&k->text, "dense(%" PRId64 ", name=\"%s\")", w->dim[0], layer);
  end_statement(k, op);
  put_weight(k, layer, w, false);
  put_bias(k, layer, bias, w->dim[0]);
  put_scale(k, layer, &k->m->tensor[op->out[0]]);
  return true;
}

static bool make_pool(Making *k, const TflOperator *op) {
  const char *word = op->code == TFL_MAX_POOL_2D ? "maxpool" : "avgpool";
  if (!window_known(k, op)) return false;
  const char *layer = layer_name(k, op, word);
  begin_statement(k, op);
  text_put(&k->text, "%s(%" PRId64 "x%" PRId64 ", stride=%" PRId64 "x%" PRId64 "%s, name=\"%s\")", word,
           op->size[0], op->size[1], op->stride[0], op->stride[1], op->same ? ", pad=same" : "", layer);
  end_statement(k, op);
  if (k->bytes && !same_scale(&k->m->tensor[op->in[0]], &k->m->tensor[op->out[0]]))
    return no(k, op, "it has other scales at its ends, which its reference ignores");
  return true;
}

static bool make_pair(Making *k, const TflOperator *op) {
  const char *word = op->code == TFL_ADD ? "add" : op->code == TFL_SUB ? "subtract" : "multiply";
  if (op->nin != 2 || !check_value(k, op, op->in[1]) || !k->there[op->in[1]])
    return no(k, op, "its second operand is no value of the net");
  const char *layer = layer_name(k, op, word);
  begin_statement(k, op);
  text_put(&k->text, "%s(%s, name=\"%s\")", word, k->value[op->in[1]], layer);
  end_statement(k, op);
  put_scale(k, layer, &k->m->tensor[op->out[0]]);
  return true;
}

static bool make_concat(Making *k, const TflOperator *op) {
  const TflTensor *out = &k->m->tensor[op->out[0]];
  const int64_t axis = op->axis < 0 ? op->axis + out->rank : op->axis;
  if (axis != out->rank - 1) return no(k, op, "it joins another axis than channels");
  for (int i = 0; i < op->nin; i++) {
    if (!check_value(k, op, op->in[i]) || !k->there[op->in[i]])
      return no(k, op, "an operand is no value of the net");
    if (k->bytes && !same_scale(&k->m->tensor[op->in[i]], out))
      return no(k, op, "it has other scales at its ends, which its reference ignores");
  }
  begin_statement(k, op);
  text_put(&k->text, "concat(");
  for (int i = 1; i < op->nin; i++) text_put(&k->text, "%s%s", i > 1 ? ", " : "", k->value[op->in[i]]);
  text_put(&k->text, ", name=\"%s\")", layer_name(k, op, "concat"));
  end_statement(k, op);
  return true;
}

static bool make_reshape(Making *k, const TflOperator *op) {
  Shape shape;
  shape_of(&k->m->tensor[op->out[0]], &shape);
  if (k->bytes && !same_scale(&k->m->tensor[op->in[0]], &k->m->tensor[op->out[0]]))
    return no(k, op, "it has other scales at its ends, which its reference ignores");
  begin_statement(k, op);
  if (shape.rank == 1) text_put(&k->text, "flatten");
  else text_put(&k->text, "reshape(%s)", shape_text(k->arena, shape));
  end_statement(k, op);
  return true;
}

static bool make_softmax(Making *k, const TflOperator *op) {
  const TflTensor *out = &k->m->tensor[op->out[0]];
  if (op->beta != 1) return no(k, op, "it has beta %g, where 1 is built", (double)op->beta);
  if (k->bytes && (out->scale[0] != 1 / 256.0f || out->zero != INT8_MIN))
    return no(k, op, "its value has not the scale 1/256 and the zero -128");
  begin_statement(k, op);
  text_put(&k->text, "softmax(name=\"%s\")", layer_name(k, op, "softmax"));
  end_statement(k, op);
  return true;
}

static bool make(Making *k, const TflOperator *op) {
  if (op->nin < 1 || op->nout != 1) return no(k, op, "it has not one result");
  if (!check_value(k, op, op->in[0]) || !check_value(k, op, op->out[0])) return false;
  if (!k->there[op->in[0]]) return no(k, op, "what it reads is a constant, or made behind it");
  if (op->activation != TFL_NONE && op->activation != TFL_ACTIVATION_RELU &&
      op->activation != TFL_ACTIVATION_RELU6)
    return no(k, op, "it has an activation that is neither relu nor relu6");
  switch (op->code) {
  case TFL_CONV_2D:
  case TFL_DEPTHWISE_CONV_2D: return make_conv(k, op);
  case TFL_FULLY_CONNECTED: return make_dense(k, op);
  case TFL_AVERAGE_POOL_2D:
  case TFL_MAX_POOL_2D: return make_pool(k, op);
  case TFL_ADD:
  case TFL_SUB:
  case TFL_MUL: return make_pair(k, op);
  case TFL_CONCATENATION: return make_concat(k, op);
  case TFL_RESHAPE: return make_reshape(k, op);
  case TFL_SOFTMAX: return make_softmax(k, op);
  default: return no(k, op, "there is no form of it yet");
  }
}

/* ---- names of values ---- */
/* Of what is read elsewhere than in the next statement, and of outputs. */
static void name_values(Making *k) {
  const TflModel *m = k->m;
  int current = m->input[0];
  for (int i = 0; i < m->ninputs; i++)
    k->value[m->input[i]] = m->ninputs > 1 ? arena_printf(k->arena, "x%d", i + 1) : "x";
  for (int i = 0; i < m->noutputs; i++)
    if (!k->value[m->output[i]])
      k->value[m->output[i]] = m->noutputs > 1 ? arena_printf(k->arena, "y%d", i + 1) : "y";
  for (int o = 0; o < m->noperators; o++) {
    const TflOperator *op = &m->op[o];
    for (int i = 0; i < op->nin; i++) {
      const int tensor = op->in[i];
      if (tensor < 0 || k->value[tensor] || m->tensor[tensor].data || (i == 0 && tensor == current)) continue;
      k->value[tensor] = arena_printf(k->arena, "v%d", tensor);
    }
    if (op->nout) current = op->out[0];
  }
}

static bool put_inputs(Making *k) {
  for (int i = 0; i < k->m->ninputs; i++) {
    const int tensor = k->m->input[i];
    Shape shape;
    if (tensor < 0 || !shape_of(&k->m->tensor[tensor], &shape)) return false;
    text_put(&k->text, "input %s: %s%s\n", k->value[tensor], shape_text(k->arena, shape),
             k->bytes ? " as i8" : "");
    put_scale(k, k->value[tensor], &k->m->tensor[tensor]);
    k->there[tensor] = true;
  }
  k->current = k->m->input[0];
  return true;
}

static bool put_outputs(Making *k) {
  const TflModel *m = k->m;
  k->program->output = NEW_ARRAY(k->arena, Shape, m->noutputs + 1);
  k->program->noutputs = m->noutputs;
  text_put(&k->text, "output ");
  for (int i = 0; i < m->noutputs; i++) {
    if (m->output[i] < 0 || !k->there[m->output[i]]) return false;
    shape_of(&m->tensor[m->output[i]], &k->program->output[i]);
    text_put(&k->text, "%s%s%s", i ? ", " : "", k->value[m->output[i]], k->bytes ? " as i8" : "");
  }
  text_put(&k->text, "\n}\n");
  return true;
}

/* ---- the whole ---- */
static TflProgram *refuse_file(Diags *diags, Span at, const char *path, const char *why) {
  diag_report(diags, DIAG_import_file, at, NULL, "cannot read '%s': %s", path, why);
  return NULL;
}

static TflProgram *refuse_operators(const Making *k, Diags *diags, Span at) {
  Diag *diag = diag_report(diags, DIAG_import_operator, at, NULL,
                           "%d operator%s of the model ha%s no form in the language", k->problems.n,
                           k->problems.n == 1 ? "" : "s", k->problems.n == 1 ? "s" : "ve");
  for (int i = 0; i < k->problems.n; i++) diag_fact(diag, "%s", k->problems.data[i]);
  return NULL;
}

static bool ports_fit(const TflModel *m) {
  for (int i = 0; i < m->ninputs; i++)
    if (m->input[i] < 0 || m->tensor[m->input[i]].data) return false;
  for (int i = 0; i < m->noutputs; i++)
    if (m->output[i] < 0) return false;
  return m->ninputs && m->noutputs;
}

TflProgram *tflite_import(Arena *arena, Diags *diags, Span at, const char *path, const char *net,
                          const char *rounding, const uint8_t *bytes, size_t n) {
  const char *why = NULL;
  const TflModel *m = tflite_read(arena, bytes, n, &why);
  if (!m) return refuse_file(diags, at, path, why);
  if (!ports_fit(m)) return refuse_file(diags, at, path, "its graph has no inputs or outputs");
  Making k = {.arena = arena,
              .m = m,
              .program = NEW(arena, TflProgram),
              .bytes = m->tensor[m->input[0]].elem == I8 && m->tensor[m->input[0]].scales == 1,
              .value = NEW_ARRAY(arena, const char *, m->ntensors + 1),
              .there = NEW_ARRAY(arena, bool, m->ntensors + 1),
              .text = {.arena = arena}};
  k.program->arrays.arena = arena;
  text_put(&k.text, "# imported from TensorFlow Lite\nnet %s {\n", net);
  name_values(&k);
  if (!put_inputs(&k)) return refuse_file(diags, at, path, "an input is no picture, sequence or vector");
  bool good = true; /* all that have no form are told */
  for (int o = 0; o < m->noperators; o++) {
    if (make(&k, &m->op[o])) continue;
    good = false;
    for (int i = 0; i < m->op[o].nout; i++)
      if (m->op[o].out[i] >= 0) k.there[k.current = m->op[o].out[i]] = true;
  }
  if (!good) return refuse_operators(&k, diags, at);
  if (!put_outputs(&k)) return refuse_file(diags, at, path, "an output is made by no operator");
  k.program->text = k.text.s;
  if (k.bytes) arrays_quantized(&k.program->arrays, rounding);
  return k.program;
}
