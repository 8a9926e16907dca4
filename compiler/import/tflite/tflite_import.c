/* tflite_import.c: Conversion of a quantized TensorFlow Lite model to a program, its weights in cnnc's order,
 * and the scales and zero points of its values. Layers are named after their operators: conv1, conv2, ... */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include "base/table.h"
#include "import/import.h"
#include "import/tflite/tflite_make.h"
#include "import/common/wire.h"

bool tfl_no(Making *k, const TflOperator *op, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  const Refusal row = {.kind = op->name,
                       .title = arena_printf(k->arena, "%s %d", op->name, op->index),
                       .why = arena_vprintf(k->arena, format, ap)};
  vec_push(k->arena, k->problems, row);
  va_end(ap);
  return false;
}

/* ---- tensors ---- */
const TflTensor *tfl_in(const Making *k, const TflOperator *op, int i) {
  return i < op->nin && op->in[i] >= 0 ? &k->m->tensor[op->in[i]] : NULL;
}
const TflTensor *tfl_out(const Making *k, const TflOperator *op) { return &k->m->tensor[op->out[0]]; }
bool tfl_is_quantized(const TflTensor *t) { return t->elem == I8 || t->elem == I16; }
bool tfl_is_bytes(const Making *k, const TflOperator *op) { return tfl_is_quantized(tfl_out(k, op)); }
bool tfl_is_wide(const Making *k, const TflOperator *op) { return tfl_out(k, op)->elem == I16; }

bool tfl_shape(const TflTensor *t, Shape *shape) {
  if (t->rank < 2 || t->rank > 4 || t->size < 1 || t->dim[0] != 1) return false;
  *shape = t->rank == 4   ? shape_image(t->dim[1], t->dim[2], t->dim[3])
           : t->rank == 3 ? shape_sequence(t->dim[1], t->dim[2])
                          : shape_vector(t->dim[1]);
  return true;
}

/* The type that a value must have in the program: float or int16 if the tensor has this type, otherwise
 * int8. */
static Elem stored_type(const TflTensor *t) { return t->elem == F32 || t->elem == I16 ? t->elem : I8; }

/* Checks a value of the net: its type, its number of scales, and its shape. */
static bool check_value(Making *k, const TflOperator *op, int tensor, Elem wanted) {
  Shape shape;
  const TflTensor *t = tensor < 0 ? NULL : &k->m->tensor[tensor];
  if (!t) return tfl_no(k, op, "an input is missing");
  if (!t->known || t->elem != wanted || (t->is_u8 && op->code != TFL_QUANTIZE))
    return tfl_no(k, op, "'%s' is %s, but the net computes in %s", t->name, t->type,
                  wanted == I8    ? "INT8"
                  : wanted == I16 ? "INT16"
                                  : "FLOAT32");
  if (tfl_is_quantized(t) && t->scales != 1)
    return tfl_no(k, op, "'%s' has %d scales, but only one scale is supported", t->name, t->scales);
  if (!tfl_shape(t, &shape))
    return tfl_no(k, op, "the shape of '%s' has more than one image, or unsupported axes", t->name);
  return true;
}

bool tfl_any_value(Making *k, const TflOperator *op, int tensor) {
  if (!check_value(k, op, tensor, stored_type(&k->m->tensor[tensor]))) return false;
  return k->there[tensor] || tfl_no(k, op, "its input is a constant, or is computed by a later operator");
}

bool tfl_value(Making *k, const TflOperator *op, int tensor) {
  if (!check_value(k, op, tensor, tfl_out(k, op)->elem)) return false;
  return k->there[tensor] || tfl_no(k, op, "its input is a constant, or is computed by a later operator");
}

bool tfl_same_scale(Making *k, const TflOperator *op, const TflTensor *a, const TflTensor *b) {
  if (!tfl_is_quantized(a) || (a->scale[0] == b->scale[0] && a->zero == b->zero)) return true;
  return tfl_no(k, op,
                "its input and its result have different scales, but the reference kernel ignores the "
                "difference");
}

/* ---- arrays ---- */
void tfl_array(Making *k, const char *name, Elem elem, int rank, const int64_t *dim, const void *data) {
  arrays_add(&k->program->arrays, name, elem, rank, dim, data);
}

void tfl_element(const TflTensor *t, int64_t i, void *to) {
  const uint8_t *from = t->data + i * elem_bytes(t->elem);
  if (t->elem == I8) *(int8_t *)to = (int8_t)*from;
  else if (t->elem == I16) *(int16_t *)to = (int16_t)(uint16_t)wire_little(from, 2);
  else if (t->elem == I64) *(int64_t *)to = (int64_t)wire_little(from, 8);
  else if (t->elem == I32) *(int32_t *)to = (int32_t)(uint32_t)wire_little(from, 4);
  else *(float *)to = wire_float(from);
}

double tfl_number(const TflTensor *t, int64_t i) {
  int16_t wide;
  if (t->elem == I8) return (double)((float)((int8_t)t->data[i] - t->zero) * t->scale[0]);
  if (t->elem == I16) return tfl_element(t, i, &wide), (double)((float)wide * t->scale[0]);
  return (double)wire_float(t->data + 4 * i);
}

int tfl_integers(const Making *k, const TflOperator *op, int input, int64_t *to) {
  const TflTensor *t = tfl_in(k, op, input);
  const int width = t && t->code == TFL_INT64 ? 8 : 4;
  if (!t || !t->data || t->size > 2 * TFLITE_RANK || (t->code != TFL_INT32 && t->code != TFL_INT64))
    return -1;
  for (int i = 0; i < (int)t->size; i++) {
    const uint64_t bits = wire_little(t->data + width * i, width);
    to[i] = width == 8 ? (int64_t)bits : (int32_t)(uint32_t)bits;
    if (to[i] > INT32_MAX || to[i] < -INT32_MAX) return -1; /* larger than every size, index or padding */
  }
  return (int)t->size;
}

void tfl_scale(Making *k, const char *value, const TflTensor *t) {
  if (tfl_is_quantized(t)) arrays_add_scale(&k->program->arrays, value, *t->scale, t->zero);
  if (t->elem == I16) tfl_say(k, value, "precision", "i16");
}

void tfl_say(Making *k, const char *layer, const char *key, const char *value) {
  Text *said = table_find(&k->said, layer);
  if (!said) {
    said = NEW(k->arena, Text);
    said->arena = k->arena;
    table_set(k->arena, &k->said, layer, said);
    vec_push(k->arena, k->layers, layer);
  }
  text_put(said, "%s\"%s\": \"%s\"", said->n ? ", " : "", key, value);
}

/* The metadata of all layers, printed as members of a JSON object. */
static const char *layers_said(Making *k) {
  Text text = {.arena = k->arena};
  for (int i = 0; i < k->layers.n; i++) {
    const Text *said = table_find(&k->said, k->layers.data[i]);
    text_put(&text, "%s\"%s\": {%s}", i ? ", " : "", k->layers.data[i], said->s);
  }
  return text.s;
}

void tfl_table(Making *k, const char *layer, int64_t channels, const int8_t *table) {
  const int64_t dim[2] = {channels, 256};
  tfl_array(k, arena_printf(k->arena, "%s.table", layer), I8, 2, dim, table);
}

/* ---- statements ---- */
const char *tfl_layer(Making *k, const char *word) {
  int *count = table_find(&k->count, word);
  if (!count) table_set(k->arena, &k->count, word, count = NEW(k->arena, int));
  return arena_printf(k->arena, "%s%d", word, ++*count);
}

void tfl_begin_named(Making *k, const char *name, int from) {
  const int in = k->same[from];
  if (name) text_put(&k->text, "%s = ", name);
  if (in != k->current) text_put(&k->text, "%s -> ", k->value[in]);
}

void tfl_begin(Making *k, const TflOperator *op, int from) { tfl_begin_named(k, k->value[op->out[0]], from); }

void tfl_call(Making *k, const TflOperator *op, const char *layer, const char *call, ...) {
  va_list ap;
  va_start(ap, call);
  const char *text = arena_vprintf(k->arena, call, ap);
  va_end(ap);
  text_put(&k->text, "%s%sname=\"%s\"%s)", text, text[strlen(text) - 1] == '(' ? "" : ", ", layer,
           tfl_is_bytes(k, op) ? "" : ", precision=f32");
}

/* Appends the activation of a layer, and returns the layer that has the result's scale. The rounding of int8
 * and int16 layers includes relu and relu6; clips to -1 .. 1, and activations of float layers, become
 * separate layers. */
static const char *put_activation(Making *k, const TflOperator *op, const char *layer) {
  const bool between = op->activation == TFL_ACTIVATION_RELU_N1_TO_1, bytes = tfl_is_bytes(k, op);
  const char *call = op->activation == TFL_ACTIVATION_RELU ? "relu" : between ? "clip" : "relu6";
  if (op->activation == TFL_NONE) return layer;
  text_put(&k->text, " -> ");
  const char *own = tfl_layer(k, call); /* the layer is counted even if its name is not used */
  if (!between && bytes) return text_put(&k->text, "%s", call), layer;
  layer = own;
  tfl_call(k, op, layer, between ? "%s(-1, 1" : "%s(", call);
  if (!bytes) return layer;
  const TflTensor *out = tfl_out(k, op);
  const double one = floor((double)(1 / out->scale[0]) + 0.5);
  int8_t *table = (int8_t *)arena_alloc(k->arena, 256);
  for (int q = INT8_MIN; q <= INT8_MAX; q++)
    table[q - INT8_MIN] = (int8_t)fmax(fmax(INT8_MIN, (double)out->zero - one),
                                       fmin(fmin(INT8_MAX, (double)out->zero + one), q));
  tfl_scale(k, layer, out);
  tfl_table(k, layer, 1, table);
  return layer;
}

void tfl_end_as(Making *k, const TflOperator *op, const char *layer, Shape from) {
  Shape to;
  k->layer[op->out[0]] = put_activation(k, op, layer);
  tfl_shape(tfl_out(k, op), &to);
  if (!shape_equal(from, to) && to.rank == 1) text_put(&k->text, " -> flatten");
  else if (!shape_equal(from, to)) text_put(&k->text, " -> reshape(%s)", shape_text(k->arena, to));
  text_put(&k->text, "\n");
  k->current = op->out[0];
  k->there[op->out[0]] = true;
}

void tfl_end(Making *k, const TflOperator *op, const char *layer) {
  Shape shape;
  tfl_shape(tfl_out(k, op), &shape);
  tfl_end_as(k, op, layer, shape);
}

/* ---- conversions ---- */
/* Finds tensors that are one value in the program: the operand and the result of a conversion to floats, or
 * of a conversion between equal quantizations. A float value that only a QUANTIZE reads gets the QUANTIZE's
 * scale. */
static void find_same(Making *k) {
  const TflModel *m = k->m;
  for (int t = 0; t < m->ntensors; t++) k->same[t] = k->stored[t] = t;
  for (int o = 0; o < m->noperators; o++) {
    const TflOperator *op = &m->op[o];
    const TflTensor *in = tfl_in(k, op, 0), *out = op->nout == 1 && op->out[0] >= 0 ? tfl_out(k, op) : NULL;
    if ((op->code != TFL_QUANTIZE && op->code != TFL_DEQUANTIZE) || !in || !out || in->data) continue;
    const int from = k->same[op->in[0]];
    const Elem elem = m->tensor[k->stored[from]].elem;
    const bool alike = tfl_is_quantized(in) && in->elem == out->elem && in->scales == 1 && out->scales == 1 &&
                       in->scale[0] == out->scale[0] && in->zero == out->zero && in->is_u8 == out->is_u8,
               callers = in->is_u8 != out->is_u8 && in->elem == out->elem && in->scales == 1 &&
                         out->scales == 1 && in->scale[0] == out->scale[0] && in->zero == out->zero;
    const bool stored = elem == F32 && tfl_is_quantized(out) && k->reads[from] == 1;
    if (stored) k->stored[from] = op->out[0];
    if (out->elem == F32 || alike || callers || stored) k->same[op->out[0]] = from;
  }
}

bool tfl_convert(Making *k, const TflOperator *op) {
  const TflTensor *out = tfl_out(k, op);
  const int from = k->same[op->in[0]];
  if (k->stored[from] == op->out[0]) {
    if (!k->layer[from]) return tfl_no(k, op, "no layer computes its input");
    tfl_scale(k, k->layer[from], out);
    return k->there[op->out[0]] = true;
  }
  if (k->same[op->out[0]] == from) return k->there[op->out[0]] = true;
  const TflTensor *bytes = &k->m->tensor[k->stored[from]];
  if (!tfl_is_quantized(bytes) || !tfl_is_quantized(out))
    return tfl_no(k, op, "another operator uses the float value of its input");
  const bool wide = bytes->elem == I16 || out->elem == I16;
  Shape shape;
  const char *layer = tfl_layer(k, "requantize");
  tfl_shape(out, &shape);
  tfl_begin(k, op, from);
  tfl_call(k, op, layer, "reshape(%s", shape_text(k->arena, shape));
  tfl_end(k, op, layer);
  tfl_scale(k, layer, out);
  if (wide) return true; /* only conversions from int8 to int8 have a table */
  int8_t (*table)[256] = (int8_t (*)[256])arena_alloc(k->arena, 256);
  table_requantize(*table, k->rounding, bytes->scale[0], (int32_t)bytes->zero, out->scale[0],
                   stored_of(out->scale[0], (int32_t)out->zero, false, BOUND_NONE));
  tfl_table(k, layer, 1, *table);
  return true;
}

/* ---- operators ---- */
static const struct {
  int code;
  TflMake *make;
  const char *nodes, *onnx; /* nodes: name of the function that creates the operator's ONNX nodes */
} makes[] = {
#define OP(name, code, make, nodes, onnx) {code, make, #nodes, onnx},
#include "import/tflite/tflite_ops.def"
#undef OP
};

static TflMake *maker_of(int code) {
  for (size_t i = 0; i < sizeof makes / sizeof *makes; i++)
    if (makes[i].code == code) return makes[i].make;
  return NULL;
}

/* Reports an operator that is not supported in quantized models. */
bool tfl_none(Making *k, const TflOperator *op) {
  size_t i = 0;
  while (makes[i].code != op->code) i++;
  const bool floats = strcmp(makes[i].nodes, "nodes_none") != 0;
  return tfl_no(k, op, "%s", floats ? "it has no int8 or int16 form" : makes[i].onnx);
}

/* Whether a result of the operator consists of indices. */
static bool makes_indices(const TflOperator *op, const TflTensor *out) {
  switch (op->code) {
  case TFL_ARG_MAX:
  case TFL_CAST:
  case TFL_RESHAPE:
  case TFL_SQUEEZE:
  case TFL_EXPAND_DIMS: return tfl_is_index(out);
  default: return false;
  }
}

bool tfl_may_create(Making *k, const TflOperator *op, int64_t bytes) {
  if ((size_t)bytes > *k->room) return tfl_no(k, op, "its constants are too large");
  *k->room -= (size_t)bytes;
  return true;
}

/* The approximate bytes of an operator's constants in the program: 4 bytes per number. Operators may
 * share a buffer of the file, so the sum over all operators may exceed the size of the file. */
static int64_t bytes_of_constants(const Making *k, const TflOperator *op) {
  int64_t bytes = 0;
  for (int i = 0; i < op->nin; i++) {
    const TflTensor *t = tfl_in(k, op, i);
    if (t && t->data && t->size > 0) bytes += (int64_t)sizeof(float) * t->size;
  }
  return bytes;
}

static bool make(Making *k, const TflOperator *op) {
  if (op->code == TFL_STATE) return tfl_state(k, op);
  if (op->code == TFL_UPDATE) return tfl_update(k, op);
  TflMake *maker = maker_of(op->code);
  if (!maker) return tfl_no(k, op, "it is not supported yet");
  if (maker == tfl_none) return tfl_none(k, op);
  if (op->nin < 1 || op->nout != (op->code == TFL_TOPK_V2 ? 2 : 1))
    return tfl_no(k, op, "it has an unexpected number of inputs or results");
  const TflTensor *in = tfl_in(k, op, 0), *out = op->out[0] < 0 ? NULL : tfl_out(k, op);
  if (!in || !out) return tfl_no(k, op, "an input is missing");
  if (op->code == TFL_DEQUANTIZE && in->data && out->data) return true; /* a folded constant */
  if (out->data || k->there[op->out[0]])
    return tfl_no(k, op, "its result is a constant, or an earlier operator computes it");
  const bool converts = op->code == TFL_QUANTIZE || op->code == TFL_DEQUANTIZE;
  if (!check_value(k, op, op->out[0], makes_indices(op, out) ? out->elem : stored_type(out))) return false;
  if (converts) {
    if (!check_value(k, op, op->in[0], stored_type(in))) return false;
    if (!k->there[op->in[0]])
      return tfl_no(k, op, "its input is a constant, or is computed by a later operator");
  }
  if (op->activation < TFL_NONE || op->activation > TFL_ACTIVATION_RELU6)
    return tfl_no(k, op, "its activation is not relu, relu6 or relu_n1_to_1");
  if (op->activation == TFL_ACTIVATION_RELU_N1_TO_1 && out->elem == I16)
    return tfl_no(k, op, "its activation relu_n1_to_1 has no int16 form");
  return tfl_may_create(k, op, bytes_of_constants(k, op)) && maker(k, op);
}

/* ---- names of values ---- */
int tfl_first(const Making *k, const TflOperator *op) {
  const TflTensor *a = tfl_in(k, op, 0), *b = tfl_in(k, op, 1);
  if (op->code == TFL_TRANSPOSE_CONV) return 2;
  const bool turns =
      op->code == TFL_ADD || op->code == TFL_MUL || op->code == TFL_MAXIMUM || op->code == TFL_MINIMUM;
  return turns && a && b && !b->data && (a->data || a->size < b->size) ? 1 : 0;
}

/* Whether the statements of the operator read their first input by name. */
static bool names_input(int code) {
  return code == TFL_TILE || code == TFL_BATCH_MATMUL || code == TFL_SELECT || code == TFL_SELECT_V2;
}

/* Gives names to inputs, to outputs, and to values that have any use other than as the first operand of the
 * next statement. */
static void name_tensors(Making *k) {
  const TflModel *m = k->m;
  for (int i = 0; i < m->ninputs; i++)
    k->value[m->input[i]] = m->ninputs > 1 ? arena_printf(k->arena, "x%d", i + 1) : "x";
  for (int i = 0; i < m->noutputs; i++) {
    const int tensor = k->same[m->output[i]];
    if (!k->value[tensor]) k->value[tensor] = m->noutputs > 1 ? arena_printf(k->arena, "y%d", i + 1) : "y";
  }
  int current = m->input[0];
  for (int o = 0; o < m->noperators; o++) {
    const TflOperator *op = &m->op[o];
    if (op->code == TFL_UPDATE) { /* both operands get names, by which the update reads them */
      for (int i = 0; i < 2; i++) {
        const char **name = &k->value[k->same[op->in[i]]];
        if (!*name) *name = arena_printf(k->arena, "v%d", k->same[op->in[i]]);
      }
      current = -1;
      continue;
    }
    const bool made =
        op->nout && op->out[0] >= 0 && k->same[op->out[0]] == op->out[0] && !m->tensor[op->out[0]].data;
    for (int i = 0; i < op->nin && made; i++) {
      const int tensor = op->in[i] < 0 ? -1 : k->same[op->in[i]];
      if (tensor < 0 || k->value[tensor] || m->tensor[tensor].data) continue;
      if (i == tfl_first(k, op) && tensor == current && !names_input(op->code)) continue;
      k->value[tensor] = arena_printf(k->arena, "v%d", tensor);
    }
    if (made) current = op->out[0];
  }
}

static void count_reads(Making *k) {
  for (int o = 0; o < k->m->noperators; o++)
    for (int i = 0; i < k->m->op[o].nin; i++)
      if (k->m->op[o].in[i] >= 0) k->reads[k->m->op[o].in[i]]++;
  for (int i = 0; i < k->m->noutputs; i++) k->reads[k->m->output[i]]++;
}

/* ---- inputs and outputs ---- */
/* The text for the type of an input or output; "": the caller passes floats, even for int16. */
static const char *type_text(const TflTensor *t) {
  return t->elem != I8 ? "" : t->is_u8 ? " as u8" : " as i8";
}

static bool computes_with_constants(const Making *k) {
  for (int o = 0; o < k->m->noperators; o++) {
    const TflOperator *op = &k->m->op[o];
    TflMake *maker = maker_of(op->code);
    const bool takes = maker == tfl_pair || maker == tfl_matmul || maker == tfl_gather || maker == tfl_select;
    for (int i = 0; i < 2 && takes; i++)
      if (tfl_in(k, op, i) && tfl_in(k, op, i)->data) return true;
  }
  return false;
}

/* Prints the inputs of the program. Returns an error, or NULL. */
static const char *put_tfl_inputs(Making *k) {
  for (int i = 0; i < k->m->ninputs; i++) {
    const int tensor = k->m->input[i];
    const TflTensor *t = &k->m->tensor[tensor];
    Shape shape;
    if (!tfl_shape(t, &shape)) return "an input is not an image, sequence or vector";
    if (!t->known || (!tfl_is_quantized(t) && t->elem != F32 && !tfl_is_index(t)))
      return arena_printf(
          k->arena, "an input is %s; supported are floats and quantized INT8, UINT8 and INT16", t->type);
    if (tfl_is_quantized(t) && t->scales != 1)
      return arena_printf(k->arena, "an int%s input must have one scale", t->elem == I8 ? "8" : "16");
    text_put(&k->text, "input %s: %s%s\n", k->value[tensor], shape_text(k->arena, shape), type_text(t));
    tfl_scale(k, k->value[tensor], t);
    k->layer[tensor] = k->value[tensor];
    k->there[tensor] = true;
  }
  /* constants follow the inputs in the program, so the first statement must name its operand */
  k->current = computes_with_constants(k) ? -1 : k->m->input[0];
  k->inputs = k->text;
  k->text = (Text){.arena = k->arena};
  return NULL;
}

static bool put_tfl_outputs(Making *k) {
  const TflModel *m = k->m;
  k->program->output = NEW_ARRAY(k->arena, Shape, m->noutputs + 1);
  k->program->noutputs = m->noutputs;
  text_put(&k->text, "output ");
  for (int i = 0; i < m->noutputs; i++) {
    const int tensor = m->output[i];
    if (!k->there[tensor]) return false;
    tfl_shape(&m->tensor[tensor], &k->program->output[i]);
    text_put(&k->text, "%s%s%s", i ? ", " : "", k->value[k->same[tensor]], type_text(&m->tensor[tensor]));
  }
  text_put(&k->text, "\n}\n");
  return true;
}

/* ---- the model ---- */
static TflProgram *refuse_file(Diags *diags, Span at, const char *path, const char *why) {
  diag_report(diags, DIAG_import_file, at, NULL, "cannot read '%s': %s", path, why);
  return NULL;
}

/* Converts a u8 tensor with one scale to int8, and marks it: the caller's bytes are the int8 numbers plus
 * 128. */
static void take_unsigned(TflModel *m, int tensor) {
  TflTensor *t = &m->tensor[tensor];
  if (t->elem != U8 || t->scales != 1 || t->zero < 0 || t->zero > UINT8_MAX || t->data) return;
  t->elem = I8;
  t->zero += INT8_MIN;
  t->is_u8 = true;
}

static Making *making_new(Arena *arena, TflModel *m, const char *rounding) {
  Making *k = NEW(arena, Making);
  const int n = m->ntensors + 1;
  *k = (Making){.arena = arena,
                .m = m,
                .program = NEW(arena, TflProgram),
                .same = NEW_ARRAY(arena, int, n),
                .stored = NEW_ARRAY(arena, int, n),
                .reads = NEW_ARRAY(arena, int, n),
                .value = NEW_ARRAY(arena, const char *, n),
                .layer = NEW_ARRAY(arena, const char *, n),
                .there = NEW_ARRAY(arena, bool, n),
                .unknown = NEW_ARRAY(arena, bool, n),
                .text = {.arena = arena},
                .constants = {.arena = arena},
                .list = {.arena = arena},
                .rounding = ROUNDING_DOUBLE,
                .litert = strcmp(rounding, "litert") == 0};
  rounding_find(rounding, &k->rounding);
  k->program->arrays.arena = arena;
  count_reads(k);
  find_same(k);
  name_tensors(k);
  return k;
}

/* Adds the line of --list about an operator: the shape of its result, and its statements (the text after
 * `from`) or the problem. */
static void list_operator(Making *k, const TflOperator *op, size_t from, const char *problem) {
  const TflTensor *out = op->nout && op->out[0] >= 0 ? tfl_out(k, op) : NULL;
  Text shape = {.arena = k->arena};
  for (int d = 0; out && d < out->rank; d++) text_put(&shape, "%s%lld", d ? "x" : "", (long long)out->dim[d]);
  text_put(&k->list, "%-20s %-16s ", op->name, shape.n ? shape.s : "?");
  const char *made = k->text.s ? k->text.s + from : "";
  if (problem) text_put(&k->list, "no form: %s", problem);
  else if (!*made) text_put(&k->list, "no statement");
  for (; !problem && *made; made++)
    if (*made != '\n') text_put(&k->list, "%c", *made);
    else if (made[1]) text_put(&k->list, "; ");
  text_put(&k->list, "    # %s %d%s%s\n", op->name, op->index, out ? ", " : "", out ? out->name : "");
}

/* Emits the statements of all operators, and lists unsupported operators in k->problems. False if any
 * operator is unsupported. */
static bool make_statements(Making *k) {
  const TflModel *m = k->m;
  const char *stateful = NULL;
  for (int o = 0; o < m->noperators; o++) {
    const TflOperator *op = &m->op[o];
    const bool keeps = tflite_keeps_state(m, op);
    bool unknown = keeps;
    if (keeps && !stateful) {
      stateful = tflite_state_operators(k->arena, m);
      const Refusal row = {.title = stateful, .why = "the model keeps state between calls"};
      vec_push(k->arena, k->problems, row);
    }
    const size_t from = k->text.n;
    const bool made = !keeps && make(k, op);
    list_operator(k, op, from,
                  made            ? NULL
                  : k->problems.n ? k->problems.data[k->problems.n - 1].why
                                  : "it is not supported");
    for (int i = 0; i < op->nin; i++) unknown = unknown || (op->in[i] >= 0 && k->unknown[op->in[i]]);
    for (int i = 0; i < op->nout; i++) {
      if (op->out[i] < 0) continue;
      if (!made) k->there[k->current = op->out[i]] = true;
      k->unknown[op->out[i]] = unknown || !made;
    }
  }
  return !k->problems.n;
}

/* ---- refusals ---- */
/* Sets the requested outputs to the last values that can be computed: outputs, and operands of operators
 * that are unsupported or depend on unsupported operators. */
static void find_last_values(const Making *k, ImportOptions *options) {
  const TflModel *m = k->m;
  bool *asked = NEW_ARRAY(k->arena, bool, m->ntensors + 1),
       *made = NEW_ARRAY(k->arena, bool, m->ntensors + 1);
  for (int o = 0; o < m->noperators; o++) {
    const TflOperator *op = &m->op[o];
    bool known = true;
    for (int i = 0; i < op->nout; i++) {
      if (op->out[i] < 0) continue;
      known = known && !k->unknown[op->out[i]];
      made[op->out[i]] = !k->unknown[op->out[i]];
    }
    for (int i = 0; i < op->nin && !known; i++)
      if (op->in[i] >= 0 && made[op->in[i]]) asked[op->in[i]] = true;
  }
  for (int i = 0; i < m->noutputs; i++) asked[m->output[i]] = asked[m->output[i]] || made[m->output[i]];
  options->outputs.data = NULL;
  options->outputs.n = options->outputs.room = 0;
  for (int t = 0; t < m->ntensors; t++)
    if (asked[t]) vec_push(k->arena, options->outputs, m->tensor[t].name);
}

static TflProgram *import_in_room(Arena *, Diags *, Span, const char *path, const ImportOptions *, TflModel *,
                                  const uint8_t *bytes, size_t n, size_t *room);

static TflProgram *refuse_operators(const Making *k, Diags *diags, Span at, const char *path,
                                    const ImportOptions *options, const uint8_t *bytes, size_t n) {
  Diag *diag = diag_report(
      diags, DIAG_import_operator, at, NULL, "%d of %d operator%s ha%s no form in the language",
      k->problems.n, k->m->noperators, k->m->noperators == 1 ? "" : "s", k->problems.n == 1 ? "s" : "ve");
  const int more = refusals_tell(k->arena, diag, k->problems.n, k->problems.data);
  if (more) diag_fact(diag, "and %d more: cnnc import --list prints them", more);
  ImportOptions *part = NEW(k->arena, ImportOptions);
  *part = *options;
  part->trial = true;
  find_last_values(k, part);
  Sources *sources = NEW(k->arena, Sources);
  sources->arena = k->arena;
  Diags *silent = diags_new(k->arena, sources);
  TflModel *m =
      part->outputs.n && !options->trial ? tflite_open(k->arena, silent, at, path, part, bytes, n) : NULL;
  if (!m || !tflite_is_quantized(m)) return NULL;
  const int operators = m->noperators;
  const TflProgram *made = import_in_room(k->arena, silent, at, path, part, m, bytes, n, k->room);
  if (made && (!part->admits_tflite || part->admits_tflite(k->arena, made)))
    refusals_help(k->arena, diag, part->outputs.n, part->outputs.data, operators, "operator");
  return NULL;
}

/* ---- the program ---- */
static Making *making_prepare(Arena *arena, const ImportOptions *options, TflModel *m,
                              const char **left_out) {
  for (int i = 0; i < m->ninputs; i++) take_unsigned(m, m->input[i]);
  for (int i = 0; i < m->noutputs; i++) take_unsigned(m, m->output[i]);
  *left_out = tfl_leave_out_argmax(arena, m);
  if (**left_out) tflite_sort(arena, m);
  return making_new(arena, m, options->rounding ? options->rounding : "double");
}

static TflProgram *import_in_room(Arena *arena, Diags *diags, Span at, const char *path,
                                  const ImportOptions *options, TflModel *m, const uint8_t *bytes, size_t n,
                                  size_t *room) {
  const char *why = NULL, *left_out;
  Making *k = making_prepare(arena, options, m, &left_out);
  k->room = room;
  if ((why = put_tfl_inputs(k))) return refuse_file(diags, at, path, why);
  if (!make_statements(k)) return refuse_operators(k, diags, at, path, options, bytes, n);
  if (!put_tfl_outputs(k)) return refuse_file(diags, at, path, "no operator computes an output");
  const char *step = m->step ? arena_printf(arena, "# %s\n", tflite_step_comment(arena, m)) : "";
  k->program->text =
      arena_printf(arena, "# imported from TensorFlow Lite\n%s%snet %s {\n%s%s%s", step, left_out,
                   options->net, k->inputs.s, k->constants.s ? k->constants.s : "", k->text.s);
  arrays_quantized(&k->program->arrays, rounding_name(k->rounding), layers_said(k), NULL);
  return k->program;
}

TflProgram *tflite_import(Arena *arena, Diags *diags, Span at, const char *path, const ImportOptions *options,
                          TflModel *m, const uint8_t *bytes, size_t n) {
  size_t room = room_of_file(n);
  return import_in_room(arena, diags, at, path, options, m, bytes, n, &room);
}

const char *tflite_list(Arena *arena, Diags *diags, Span at, const char *path, const ImportOptions *options,
                        TflModel *m, size_t n, bool *whole) {
  size_t room = room_of_file(n);
  const char *left_out;
  Making *k = making_prepare(arena, options, m, &left_out);
  k->room = &room;
  const char *why = put_tfl_inputs(k);
  if (why) return refuse_file(diags, at, path, why), NULL;
  *whole = make_statements(k);
  return arena_printf(arena, "%s%s", left_out, k->list.s ? k->list.s : "");
}
