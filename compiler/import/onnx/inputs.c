/* inputs.c: Inputs of a model as inputs of the program. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/import.h"

/* ---- sizes ---- */
static const ImportShape *shape_given(const ModelImport *im, const char *input) {
  for (int i = 0; i < im->options->shapes.n; i++)
    if (strcmp(im->options->shapes.data[i].input, input) == 0) return &im->options->shapes.data[i];
  return NULL;
}

static bool bytes_wanted(const ModelImport *im, const OnnxPort *port) {
  for (int i = 0; i < im->options->bytes.n; i++)
    if (strcmp(im->options->bytes.data[i], port->name) == 0) return true;
  return port->type == TENSOR_UINT8;
}

/* Sets all sizes that have this name. */
static void set_symbol(ModelImport *im, const char *symbol, int64_t size) {
  for (int i = 0; symbol && i < im->onnx->ninputs; i++) {
    OnnxPort *port = &im->onnx->input[i];
    for (int d = 0; d < port->rank; d++)
      if (!port->dim[d] && port->symbol[d] && !strcmp(port->symbol[d], symbol)) port->dim[d] = size;
  }
}

/* Dimensions with the same name are equal: sets those that --shape sets for another input, and then the
 * unknown batch sizes, which are 1. */
static void tie_sizes(ModelImport *im) {
  for (int i = 0; i < im->onnx->ninputs; i++) {
    const OnnxPort *port = &im->onnx->input[i];
    const ImportShape *shape = shape_given(im, port->name);
    for (int d = 0; shape && shape->rank == port->rank && d < port->rank; d++)
      if (!port->dim[d]) set_symbol(im, port->symbol[d], shape->dim[d]);
  }
  for (int i = 0; i < im->onnx->ninputs; i++) {
    const OnnxPort *port = &im->onnx->input[i];
    if (port->rank > 1 && !port->dim[0] && !shape_given(im, port->name)) set_symbol(im, port->symbol[0], 1);
  }
}

static void refuse_fixed_sizes(const ModelImport *im, const OnnxPort *port) {
  Text sizes = {.arena = im->arena};
  for (int d = 0; d < port->rank; d++) {
    const char *size = port->dim[d] ? arena_printf(im->arena, "%lld", (long long)port->dim[d]) : "?";
    text_put(&sizes, "%s%s", d ? "x" : "", size);
  }
  Diag *diag = diag_report(im->diags, DIAG_import_shape, im->at, NULL,
                           "--shape: the sizes of input '%s' are fixed in the model", port->name);
  diag_fact(diag, "the model has %s", sizes.s);
  diag_help(diag,
            "import the model without --shape, then change the size of input %s in the program; a layer "
            "that needs the old size is an error",
            port->name);
}

static bool sizes_of_input(ModelImport *im, OnnxPort *port) {
  const ImportShape *shape = shape_given(im, port->name);
  if (shape) {
    bool fits = true;
    if (port->rank >= 0 && port->rank != shape->rank) {
      diag_report(im->diags, DIAG_import_shape, im->at, NULL, "--shape: input '%s' has %d dimensions, not %d",
                  port->name, port->rank, shape->rank);
      return false;
    }
    for (int d = 0; fits && d < shape->rank; d++)
      fits = port->rank < 0 || port->dim[d] == 0 || port->dim[d] == shape->dim[d];
    if (!fits) {
      refuse_fixed_sizes(im, port);
      return false;
    }
    port->rank = shape->rank;
    memcpy(port->dim, shape->dim, sizeof port->dim);
  }
  if (port->rank > 1 && port->dim[0] == 0) port->dim[0] = 1;
  if (port->rank == 0) return false; /* the input is reported with the other scalar inputs */
  bool open = port->rank < 1;
  for (int d = 0; d < port->rank; d++) open = open || port->dim[d] == 0;
  if (!open) return true;
  Diag *diag = diag_report(im->diags, DIAG_import_shape, im->at, NULL,
                           "the size of input '%s' is symbolic in the model", port->name);
  Text example = {.arena = im->arena};
  for (int d = 0; d < port->rank; d++)
    text_put(&example, "%s%lld", d ? "x" : "",
             (long long)(port->dim[d]     ? port->dim[d]
                         : port->rank > 3 ? 224
                                          : 16));
  diag_help(diag, "set it with --shape %s=%s", port->name, example.s ? example.s : "1x3x224x224");
  return false;
}

/* ---- constant inputs ---- */
static bool refuse_setting(const ModelImport *im, const char *input, const char *why) {
  diag_report(im->diags, DIAG_import_shape, im->at, NULL, "--set gives input '%s' %s", input, why);
  return false;
}

/* Sets the unknown sizes of an input that --set makes constant. If --shape is given, it defines these sizes.
 * Otherwise, a vector has as many elements as --set has values, and other unknown sizes are 1. */
static bool sizes_of_setting(const ModelImport *im, OnnxPort *port, const ImportSetting *set, int64_t *n) {
  const ImportShape *shape = shape_given(im, port->name);
  if (port->rank < 0) port->rank = shape ? shape->rank : set->value.n > 1;
  *n = 1;
  for (int d = 0; d < port->rank; d++) {
    const bool shaped = shape && shape->rank == port->rank;
    if (port->dim[d] == 0) port->dim[d] = shaped ? shape->dim[d] : port->rank == 1 ? set->value.n : 1;
    *n *= port->dim[d];
    if (*n > INT32_MAX)
      return refuse_setting(im, port->name, "a number, but the input has 2^31 or more elements");
  }
  if (set->value.n == 1 || set->value.n == *n) return true;
  const char *why = arena_printf(im->arena, "%d numbers, but its size is %lld", set->value.n, (long long)*n);
  return refuse_setting(im, port->name, why);
}

static bool set_input(ModelImport *im, OnnxPort *port, const ImportSetting *set) {
  const TensorType type = port->type ? port->type : TENSOR_FLOAT;
  int64_t n;
  if (tensor_width(type) == 0)
    return refuse_setting(im, port->name, "a number, but the type of the input is not supported");
  if (!sizes_of_setting(im, port, set, &n)) return false;
  Tensor *t = constant_new(im, type, port->rank, port->dim);
  if (!t) return refuse_setting(im, port->name, "too many numbers");
  for (int64_t i = 0; i < n; i++) {
    const double number = set->value.data[set->value.n == 1 ? 0 : i];
    tensor_put(t, i, number);
    if (tensor_whole(type) && tensor_number(t, i) != number)
      return refuse_setting(im, port->name,
                            arena_printf(im->arena, "%g, which the input's type cannot represent", number));
  }
  im->onnx->constant[port->tensor] = t;
  im->item[port->tensor].constant = t;
  return true;
}

bool set_inputs(ModelImport *im) {
  bool good = true;
  tie_sizes(im);
  for (int i = 0; i < im->options->settings.n; i++)
    for (int k = 0; k < im->onnx->ninputs; k++)
      if (strcmp(im->onnx->input[k].name, im->options->settings.data[i].input) == 0)
        good = set_input(im, &im->onnx->input[k], &im->options->settings.data[i]) && good;
  return good;
}

/* ---- values ---- */
/* Reports an input that is a string tensor: inputs of the language must be numbers. */
static bool refuse_text(ModelImport *im, const OnnxPort *port) {
  Diag *diag = diag_report(im->diags, DIAG_import_shape, im->at, NULL,
                           "input '%s' is a string tensor, which the language does not support", port->name);
  for (int i = 0; i < im->onnx->nnodes; i++) {
    const OnnxNode *node = &im->onnx->node[i];
    if (!im->live[i] || !given(node, 0) || node->in[0] != port->tensor || node->nout == 0) continue;
    const char *result = im->onnx->tensor[node->out[0]];
    diag_help(diag,
              "cut the model after %s '%s', for example with onnx.utils.extract_model, so that '%s' becomes "
              "its input",
              node->op, onnx_name(im->onnx, node), result);
    break;
  }
  return false;
}

/* Whether an input is a table of boxes, whose first dimension is not a batch. */
static bool is_boxes(const ModelImport *im, const OnnxPort *port) {
  bool read = false;
  for (int i = 0; i < im->onnx->nnodes && port->rank == 2; i++) {
    const OnnxNode *node = &im->onnx->node[i];
    read = read || (im->live[i] && strcmp(node->op, "RoiAlign") == 0 && given(node, 1) &&
                    node->in[1] == port->tensor);
  }
  return read;
}

static const ImportState *state_given(const ModelImport *im, const OnnxPort *port) {
  for (int i = 0; i < im->options->states.n; i++)
    if (strcmp(im->options->states.data[i].input, port->name) == 0) return &im->options->states.data[i];
  return NULL;
}

#ifndef __wasi__ /* the browser build imports neither recurrent layers nor attention */
/* Whether an input is a recurrent state [layers, 1, units], or is a state by --state, or has five or more
 * dimensions, so that its first dimension is not the batch. To be certain, this function needs another input
 * whose first dimension, the batch, is 1 or unknown. */
static bool is_state(const ModelImport *im, const OnnxPort *port) {
  bool batch = false;
  for (int i = 0; i < im->onnx->ninputs; i++) {
    const OnnxPort *other = &im->onnx->input[i];
    const ImportShape *shape = shape_given(im, other->name);
    const int rank = shape ? shape->rank : other->rank;
    const int64_t first = shape ? shape->dim[0] : other->dim[0];
    batch = batch || (rank > 1 && first < 2 && !im->onnx->constant[other->tensor]);
  }
  const bool state = (port->rank == 3 && port->dim[1] == 1) || port->rank > 4 || state_given(im, port);
  return batch && port->rank >= 3 && port->dim[0] > 1 && state;
}

/* Whether the first dimension of a node's input is not a batch: the input is a mask, or has angles per
 * position, or the node is a norm over all dimensions. */
static bool takes_whole(const OnnxNode *node, int input, int rank) {
  if (strcmp(node->op, "Attention") == 0) return input == 3 && rank < 4;
  if (strcmp(node->op, "RotaryEmbedding") == 0)
    return (input == 1 || input == 2) && rank == 2 && given(node, 3);
  const int64_t axis = onnx_int(node, "axis", -1);
  return strcmp(node->op, "RMSNormalization") == 0 && input == 0 && (axis == 0 || axis == -rank);
}

static bool has_no_batch(const ModelImport *im, const OnnxPort *port) {
  if (im->options->together && port->dim[0] > 1) return true;
  for (int i = 0; i < im->onnx->nnodes; i++)
    for (int k = 0; im->live[i] && k < im->onnx->node[i].nin; k++)
      if (im->onnx->node[i].in[k] == port->tensor && takes_whole(&im->onnx->node[i], k, port->rank))
        return true;
  return is_boxes(im, port) || is_state(im, port);
}
#else
static bool has_no_batch(const ModelImport *im, const OnnxPort *port) { return is_boxes(im, port); }
#endif

/* A view of an input with four dimensions and no batch; the first two dimensions become one axis. */
static View *view_of_four(ModelImport *im, const OnnxPort *port) {
  const int64_t *dim = port->dim;
  Value *value = NEW(im->arena, Value);
  value->shape = shape_image(dim[0] * dim[1], dim[2], dim[3]);
  View *view = view_new(im, value, 4);
  for (int d = 0; d < 4; d++) {
    view->size[d] = dim[d];
    view->along[d] = d > 1 ? factors_one(d - 1, 1, dim[d]) : factors_one(0, d ? 1 : dim[1], dim[d]);
  }
  return view;
}

/* A view of an input with more dimensions than a value has axes, in ONNX's order: the last two dimensions
 * with several elements are axes, and all dimensions before them are one axis. */
static View *view_in_order(ModelImport *im, const OnnxPort *port, int first) {
  int axis = 0;
  for (int d = first; d < port->rank && axis < 3; d++) axis += port->dim[d] > 1;
  Value *value = NEW(im->arena, Value);
  value->shape.rank = axis ? axis : 1;
  for (int a = 0; a < 3; a++) value->shape.dim[a] = 1;
  View *view = view_new(im, value, port->rank);
  for (int d = port->rank - 1; d >= first; d--) {
    const int64_t n = port->dim[d];
    if (n == 1) continue;
    axis -= axis > 0;
    view->size[d] = n;
    view->along[d] = factors_one(axis, value->shape.dim[axis], n);
    value->shape.dim[axis] *= n;
  }
  if (first) {
    view->size[0] = port->dim[0];
    view->along[0] = factors_one(BATCH, 1, port->dim[0]);
  }
  return view;
}

/* Sets the axis of the value for each dimension of an input: first the positions in order, then the channels.
 * -1: the dimension is the batch, which is not an axis of the value. */
static void input_axes(const OnnxPort *port, int first, int axis[MOST_DIMS]) {
  int next = 0;
  for (int d = 0; d < port->rank; d++) axis[d] = d < first || d == port->channels ? -1 : next++;
  if (port->channels >= first) axis[port->channels] = next;
}

/* A view of an input: its dimensions from `first` on are axes of the value. If `first` is 1, dimension 0 is
 * the batch. */
static View *view_of_port(ModelImport *im, const OnnxPort *port, int first) {
  int axis[MOST_DIMS];
  const int rest = port->rank - first;
  if (rest > 4 - first) return view_in_order(im, port, first);
  if (rest == 4) return view_of_four(im, port);
  input_axes(port, first, axis);
  Value *value = NEW(im->arena, Value);
  value->shape.rank = port->channels == NO_CHANNELS ? rest + 1 : rest;
  for (int a = 0; a < value->shape.rank; a++) value->shape.dim[a] = 1;
  for (int d = first; d < port->rank; d++) value->shape.dim[axis[d]] = port->dim[d];
  View *view = view_new(im, value, port->rank);
  if (first) {
    view->size[0] = port->dim[0];
    view->along[0] = factors_one(BATCH, 1, port->dim[0]);
  }
  for (int d = first; d < port->rank; d++) view_set(view, d, axis[d]);
  return view;
}

static bool add_input(ModelImport *im, OnnxPort *port) {
  if (port->type == TENSOR_STRING) return refuse_text(im, port);
  if (!sizes_of_input(im, port)) return false;
  const bool whole = has_no_batch(im, port);
  const int first = port->rank > 1 && !whole ? 1 : 0, rest = port->rank - first;
  port->channels = whole || rest > 3  ? port->rank - 1
                   : rest < 2         ? first
                   : im->onnx->tflite ? port->rank - 1
                                      : channels_of_input(im, port);
  View *view = view_of_port(im, port, first);
  Value *value = view->value;
  value->name = port_name(im, port, "x");
  value->whole = port->type && tensor_whole(port->type);
  value->counts = tensor_counts(port->type);
  if (bytes_wanted(im, port)) port->type = TENSOR_UINT8;
  im->item[port->tensor].view = view;
  im->item[port->tensor].bytes = port_bytes(im, port);
  vec_push(im->arena, im->inputs, value);
  vec_push(im->arena, im->ports, port);
  return true;
}

static bool is_needed(const ModelImport *im, const OnnxPort *port) {
  return !im->onnx->constant[port->tensor] && im->readers[port->tensor] > 0;
}

static void refuse_scalars(ModelImport *im) {
  Text names = {.arena = im->arena}, help = {.arena = im->arena};
  int n = 0;
  for (int i = 0; i < im->onnx->ninputs; i++) {
    const OnnxPort *port = &im->onnx->input[i];
    const ImportShape *shape = shape_given(im, port->name);
    if (!is_needed(im, port) || port->type == TENSOR_STRING || (shape ? shape->rank : port->rank) != 0)
      continue;
    text_put(&names, "%s'%s'", n ? ", " : "", port->name);
    text_put(&help, "%s--set %s=NUMBER", n++ ? " " : "", port->name);
  }
  if (!n) return;
  Diag *diag = diag_report(im->diags, DIAG_import_shape, im->at, NULL,
                           n == 1 ? "input %s is a single number; a value of the language has at least one "
                                    "dimension"
                                  : "inputs %s are single numbers; a value of the language has at least one "
                                    "dimension",
                           names.s);
  diag_help(diag, "%s makes %s in the program", help.s, n == 1 ? "it a constant" : "them constants");
}

/* Adds a state: an input whose value is an output of the previous call. */
static bool add_kept(ModelImport *im, OnnxPort *port, const ImportState *state) {
  if (port->type && port->type != TENSOR_FLOAT) {
    diag_report(im->diags, DIAG_import_shape, im->at, NULL, "--state: input '%s' must be float", port->name);
    return false;
  }
  /* in [layers, batch, units], a batch of unknown size becomes 1 */
  if (!shape_given(im, port->name) && port->rank == 3 && port->dim[1] == 0) port->dim[1] = 1;
  if (!add_input(im, port)) return false;
  reserve_layer_name(im, im->inputs.data[im->inputs.n - 1]->name);
  for (int o = 0; o < im->onnx->noutputs; o++)
    if (strcmp(im->onnx->output[o].name, state->output) == 0)
      vec_push(im->arena, im->kept,
               ((KeptValue){im->inputs.data[im->inputs.n - 1], port, &im->onnx->output[o], state->init}));
  return true;
}

bool add_inputs(ModelImport *im) {
  bool good = true;
  refuse_scalars(im);
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < im->onnx->ninputs; i++) {
      OnnxPort *port = &im->onnx->input[i];
      const ImportState *state = state_given(im, port);
      if (!is_needed(im, port) || (state != NULL) != pass) continue;
      good = (state ? add_kept(im, port, state) : add_input(im, port)) && good;
    }
  if (!good) report_never_imported(im);
  if (good && im->inputs.n == im->kept.n)
    diag_report(im->diags, DIAG_import_file, im->at, NULL, "the model has no input that its outputs need");
  return good && im->inputs.n > 0;
}
