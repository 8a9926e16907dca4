/* statements.c: Conversion of a model's graph to statements, node by node; all unsupported nodes are reported
 * in one message. */
// SPDX-License-Identifier: Apache-2.0
#include "import/import.h"
#include "import/tflite/tflite.h"
#include <stdio.h>
#include <string.h>

/* ---- shared by the operators ---- */
void *no(ModelImport *im, const char *why, ...) {
  va_list args;
  va_start(args, why);
  im->why = arena_vprintf(im->arena, why, args);
  va_end(args);
  return NULL;
}

bool given(const OnnxNode *node, int input) { return input < node->nin && node->in[input] != 0; }

const Tensor *constant_of(const ModelImport *im, const OnnxNode *node, int input) {
  return given(node, input) ? im->item[node->in[input]].constant : NULL;
}

View *view_of(ModelImport *im, const OnnxNode *node, int input) {
  View *view = given(node, input) ? im->item[node->in[input]].view : NULL;
  return view ? view
              : no(im, given(node, input) ? "a constant where a value is expected" : "an input is missing");
}

/* Sets im->huge, and all sizes to 1, if the shape has more than INT32_MAX elements. */
static Shape bounded(ModelImport *im, Shape shape) {
  int64_t n = 1;
  for (int a = 0; a < shape.rank; a++)
    if (__builtin_mul_overflow(n, shape.dim[a], &n) || n > INT32_MAX) im->huge = true;
  for (int a = 0; a < shape.rank && im->huge; a++) shape.dim[a] = 1;
  return shape;
}

void value_of_regions(ModelImport *im, Value *value, int64_t regions) {
  value->regions = regions;
  if (shape_elements(value->shape) > INT32_MAX / regions) im->huge = true;
}

static bool is_call_of(const char *call, const char *const *words) {
  const size_t n = strcspn(call, "(");
  int k = 0;
  while (words[k] && (strlen(words[k]) != n || strncmp(words[k], call, n) != 0)) k++;
  return words[k] != NULL;
}

/* Sets whether the result of a statement may be infinite or NaN although the inputs of the model are
 * finite. */
static void set_odd(Value *value, const Statement *statement) {
  static const char *const makes[] = {"log", "sqrt", "power", "exp", "divide", NULL};
  static const char *const counts[] = {"argmax", "one_hot", NULL}, *const chooses[] = {"gather", NULL};
  const char *call = statement->call;
  value->odd = is_call_of(call, makes);
  for (int i = 0; i < statement->nin; i++) value->odd = value->odd || statement->in[i]->odd;
  if (is_call_of(call, counts)) value->odd = false;
  if (is_call_of(call, chooses)) value->odd = statement->in[0]->odd;
}

/* Sets whether a statement's result consists of integers (whole), and whether these are >= 0 (counts). */
static void set_whole(Value *value, const Statement *statement) {
  static const char *const words[] = {"argmax", "one_hot", "floor", NULL}, *const below[] = {"floor", NULL};
  value->whole = value->counts = statement->nin > 0 && is_move(statement);
  for (int i = 0; i < statement->nin; i++) {
    value->whole = value->whole && statement->in[i]->whole;
    value->counts = value->counts && statement->in[i]->counts;
  }
  if (!is_call_of(statement->call, words)) return;
  value->whole = true;
  value->counts = !is_call_of(statement->call, below);
}

static Value *emit_call(ModelImport *im, int nin, Value *const *in, Shape shape, const char *call) {
  Value *value = NEW(im->arena, Value);
  Statement *statement = NEW(im->arena, Statement);
  *statement = (Statement){
      .call = call, .nin = nin, .in = NEW_ARRAY(im->arena, Value *, nin), .out = value, .origin = im->node};
  *value = (Value){.shape = bounded(im, shape), .made = statement};
  for (int i = 0; i < nin; i++) {
    statement->in[i] = in[i];
    in[i]->reads++;
    if (in[i]->regions) value_of_regions(im, value, in[i]->regions);
  }
  set_whole(value, statement);
  set_odd(value, statement);
  value->kept = quant_kept(statement);
  vec_push(im->arena, im->statements, statement);
  return value;
}

Value *emit(ModelImport *im, int nin, Value *const *in, Shape shape, const char *call, ...) {
  va_list args;
  va_start(args, call);
  Value *value = emit_call(im, nin, in, shape, arena_vprintf(im->arena, call, args));
  va_end(args);
  return value;
}

Value *emit_one(ModelImport *im, Value *in, Shape shape, const char *call, ...) {
  va_list args;
  va_start(args, call);
  Value *value = emit_call(im, 1, &in, shape, arena_vprintf(im->arena, call, args));
  va_end(args);
  return value;
}

View *map_view(ModelImport *im, const View *view, const char *call, ...) {
  va_list args;
  va_start(args, call);
  Value *in = view->value;
  View *to = view_copy(im, view, emit_call(im, 1, &in, in->shape, arena_vprintf(im->arena, call, args)));
  va_end(args);
  return to;
}

const char *number_text(Arena *arena, double value) {
  if (value < 1e6 && value > -1e6 && value == (double)(int64_t)value)
    return arena_printf(arena, "%lld", (long long)value);
  return text_float(arena, value);
}

/* ---- required nodes ---- */
enum { MOST_PORTS = 1000 };

static bool find_outputs(ModelImport *im) {
  Onnx *o = im->onnx;
  const int asked = im->options->outputs.n;
  if (!asked && o->noutputs > MOST_PORTS) {
    diag_report(im->diags, DIAG_import_file, im->at, NULL, "the model has more than %d outputs", MOST_PORTS);
    return false;
  }
  if (asked) {
    o->noutputs = asked;
    o->output = NEW_ARRAY(im->arena, OnnxPort, asked);
  }
  for (int i = 0; i < asked; i++) {
    const char *name = im->options->outputs.data[i];
    int tensor = onnx_tensor(o, name);
    for (int k = 0; tensor == 0 && k < o->nnodes; k++)
      if (strcmp(o->node[k].name, name) == 0 && o->node[k].nout > 0) tensor = o->node[k].out[0];
    if (tensor == 0) {
      Diag *diag = diag_report(im->diags, DIAG_import_file, im->at, NULL,
                               "--outputs: there is no tensor or node '%s'", name);
      diag_help(diag, "cnnc import --list %s lists the nodes", o->path);
      return false;
    }
    o->output[i] = (OnnxPort){.name = o->tensor[tensor], .tensor = tensor, .rank = -1};
  }
  return true;
}

/* Adds the next values of states to the outputs: they are computed even if --outputs does not name them. */
static bool find_state_outputs(ModelImport *im) {
  Onnx *o = im->onnx;
  for (int i = 0; i < im->options->states.n; i++) {
    const char *name = im->options->states.data[i].output;
    const int tensor = onnx_tensor(o, name);
    bool there = false;
    for (int k = 0; k < o->noutputs; k++) there = there || o->output[k].tensor == tensor;
    if (there && tensor) continue;
    if (tensor == 0) {
      Diag *diag =
          diag_report(im->diags, DIAG_import_file, im->at, NULL, "--state: there is no tensor '%s'", name);
      if (o->noutputs) diag_help(diag, "the first output of the model is %s", o->output[0].name);
      return false;
    }
    OnnxPort *all = NEW_ARRAY(im->arena, OnnxPort, o->noutputs + 1);
    memcpy(all, o->output, sizeof *all * (size_t)o->noutputs);
    all[o->noutputs++] = (OnnxPort){.name = o->tensor[tensor], .tensor = tensor, .rank = -1};
    o->output = all;
  }
  return true;
}

/* Finds the nodes that the needed tensors depend on, and the readers of each tensor. */
static void find_needed_nodes(ModelImport *im, bool *needed) {
  const Onnx *o = im->onnx;
  memset(im->readers, 0, sizeof *im->readers * (size_t)o->ntensors);
  for (int t = 0; t < o->ntensors; t++) im->reader[t] = -1;
  for (int i = o->nnodes - 1; i >= 0; i--) {
    const OnnxNode *node = &o->node[i];
    im->live[i] = false;
    for (int k = 0; k < node->nout; k++) im->live[i] = im->live[i] || (node->out[k] && needed[node->out[k]]);
    im->live[i] = im->live[i] && branch_of(im, node) != BRANCH_LEFT_OUT;
    for (int k = 0, t; im->live[i] && (t = onnx_needs(o, node, k)) >= 0; k++)
      needed[t] |= t != 0 && reads_input(im, node, k);
    for (int k = 0; im->live[i] && k < node->nin; k++) {
      if (!reads_input(im, node, k)) continue;
      im->readers[node->in[k]]++;
      im->reader[node->in[k]] = i;
    }
  }
}

/* Adds the conditions of loops whose results are needed. Returns whether there are any further ones. */
static bool need_conditions(const Onnx *o, bool *needed) {
  bool more = false;
  for (int i = 0; i < o->conditions.n; i++) {
    const OnnxCondition *c = &o->conditions.data[i];
    bool used = false;
    for (int k = 0; k < c->outputs.n; k++) used = used || (c->results[k] && needed[c->results[k]]);
    more = more || (used && !needed[c->tensor]);
    needed[c->tensor] |= used;
  }
  return more;
}

static void find_live(ModelImport *im) {
  const Onnx *o = im->onnx;
  for (int i = 0; i < o->nnodes; i++)
    for (int k = 0; k < o->node[i].nout; k++) im->maker[o->node[i].out[k]] = i;
  for (int i = 0; i < o->noutputs; i++) im->wanted[o->output[i].tensor] = true;
  bool *needed = NEW_ARRAY(im->arena, bool, o->ntensors);
  memcpy(needed, im->wanted, sizeof *needed * (size_t)o->ntensors);
  do find_needed_nodes(im, needed);
  while (need_conditions(o, needed));
  for (int i = 0; i < o->noutputs; i++) im->readers[o->output[i].tensor]++;
}

OnnxNode *node_reading(const ModelImport *im, int tensor) {
  return im->reader[tensor] < 0 ? NULL : &im->onnx->node[im->reader[tensor]];
}

/* Finds tensors that depend on the values of inputs, not only on sizes and constants. Results of unsupported
 * TensorFlow Lite operators are among them. */
void find_varying(ModelImport *im, const OnnxPort *const *port, int n) {
  const Onnx *o = im->onnx;
  for (int i = 0; i < n; i++) im->varies[port[i]->tensor] = true;
  for (int i = 0; i < o->nnodes; i++) {
    const OnnxNode *node = &o->node[i];
    bool varies = node->refused != NULL;
    for (int k = 0; k < node->nin; k++)
      varies = varies || (im->varies[node->in[k]] && reads_input(im, node, k));
    varies = varies && strcmp(node->op, "Shape") != 0 && strcmp(node->op, "Size") != 0;
    for (int k = 0; varies && k < node->nout; k++) im->varies[node->out[k]] = node->out[k] != 0;
  }
}

/* ---- nodes ---- */
void add_problem(ModelImport *im, const OnnxNode *node) {
  const char *why = im->why ? im->why : "cnnc has no such operator";
  for (int i = 0; node->title && i < im->problems.n;
       i++) /* at most one problem is recorded per TensorFlow Lite operator */
    if (im->problems.data[i].node && im->problems.data[i].node->title == node->title) return;
  const Problem row = {.node = node, .what = onnx_name(im->onnx, node), .why = why};
  vec_push(im->arena, im->problems, row);
  im->refused[node->index] = row.why;
}

/* Whether all inputs of a node were imported; if not, an earlier problem is the cause. */
static bool inputs_known(const ModelImport *im, const OnnxNode *node) {
  for (int i = 0; i < node->nin; i++)
    if (node->in[i] && !im->item[node->in[i]].constant && !im->item[node->in[i]].view) return false;
  return true;
}

/* Whether an output of the node is already imported as a value. */
static bool is_known(const ModelImport *im, const OnnxNode *node) {
  for (int k = 0; k < node->nout; k++)
    if (node->out[k] && im->item[node->out[k]].view) return true;
  return false;
}

/* Whether a call contains an infinite number or NaN, which a program must not contain. */
static bool has_odd_number(const char *call) {
  for (const char *c = call; c[0]; c++)
    if (strchr("(=[- ", *c) && (strncmp(c + 1, "nan", 3) == 0 || strncmp(c + 1, "inf", 3) == 0)) return true;
  return false;
}

static View *import_by_row(ModelImport *im, const OnnxNode *node) {
  const OnnxOperator *row = onnx_operator(node->op);
  const int before = im->statements.n, weights = im->weights.n;
  View *view = row ? row->import(im, node) : no(im, "cnnc has no such operator");
  if (view && !keeps_bytes(im, node, before)) view = NULL;
  if (view && !weights_are_finite(im, weights)) view = NULL;
  if (view && im->huge) view = no(im, "a value of more than 2147483647 elements");
  for (int i = before; view && i < im->statements.n; i++)
    if (has_odd_number(im->statements.data[i]->call)) view = no(im, "a non-finite number");
  return view;
}

static void import_node(ModelImport *im, const OnnxNode *node) {
  im->node = node;
  im->why = NULL;
  im->huge = false;
  const BranchState branch = branch_of(im, node);
  if (branch != BRANCH_TAKEN) im->live[node->index] = branch == BRANCH_UNKNOWN;
  if (node->nout == 0 || is_known(im, node) || branch != BRANCH_TAKEN) return;
  if (import_if(im, node)) {
    if (im->why) add_problem(im, node);
    return;
  }
  if (node->refused || !inputs_known(im, node)) {
    im->why = never_imported(im, node);
    if (im->why) add_problem(im, node);
    return;
  }
  const int before = im->statements.n, second = given(node, 1) ? node->in[1] : 0;
  const Item kept = im->item[second];
  const bool placed = place_operand(im, node, &im->item[second]), constant = placed && fold(im, node);
  View *view = placed && !constant && !im->why ? import_by_row(im, node) : NULL;
  im->item[second] = kept;
  if (constant) {
    im->became[node->index] = "constant";
    return;
  }
  if (!view) {
    add_problem(im, node);
    return;
  }
  im->item[node->out[0]].view = view;
  Text text = {.arena = im->arena};
  for (int i = before; i < im->statements.n; i++)
    text_put(&text, "%s%s", i > before ? " -> " : "", im->statements.data[i]->call);
  im->became[node->index] = text.n ? text.s : "view";
}

/* ---- outputs ---- */
/* Lists the dimensions of an output that have several elements, except its batch, in dims. Returns the number
 * of listed dimensions, or -1 after no(). */
static int dimensions_of(ModelImport *im, const View *view, int dims[MOST_DIMS]) {
  int n = 0;
  for (int d = 0; d < view->rank; d++) {
    bool has = false, batch = false;
    for (int i = 0; i < view->along[d].n; i++) {
      has = has || view->along[d].f[i].axis != BATCH;
      batch = batch || view->along[d].f[i].axis == BATCH;
    }
    if (has && batch) return no(im, "a dimension that mixes the batch with other axes"), -1;
    if (batch && d > 0) return no(im, "the batch is not the first dimension of an output"), -1;
    if (has) dims[n++] = d;
  }
  return n;
}

/* The value, reshaped if necessary so that its channels are exactly the output's last dimension. */
static Value *with_last(ModelImport *im, Value *value, const View *view, int n, const int *dims) {
  Shape shape = {.rank = n};
  for (int k = 0; k < n; k++) shape.dim[k] = view->size[dims[k]];
  const int64_t channels = value->shape.dim[value->shape.rank - 1];
  return channels > shape.dim[n - 1] && channels % shape.dim[n - 1] == 0 ? reshaped(im, value, shape) : value;
}

/* Lays out an output in the order that needs the fewest moves. The orders are: the dimension after the batch
 * moved to the end (channels last); the two dimensions after the batch moved to the end, if the output has at
 * least four besides the batch; ONNX's order. Sets *comment as in ImportOutput.order. */
static Value *lay_output(ModelImport *im, const View *output, const char **comment) {
  const View *view = view_repeated(im, output);
  if (!view) return NULL;
  int dims[MOST_DIMS], order[3][MOST_DIMS], best = 0, least = INT32_MAX;
  const int n = dimensions_of(im, view, dims), before = im->statements.n;
  int ways = 1; /* number of orders to try; 1 for TensorFlow Lite, whose order is the language's order */
  if (n < 0) return NULL;
  while (!im->onnx->tflite && ways < 3 && ways < n && dims[ways - 1] == ways && (ways < 2 || n > 3)) ways++;
  for (int way = ways - 1; way >= 0; way--) {
    for (int k = 0; k < n; k++) order[way][k] = dims[(k + way) % n];
    const Value *value = lay_in_order(im, view, n, order[way]);
    const int moves = value ? im->statements.n - before : INT32_MAX;
    take_back(im, before);
    if (moves < least) best = way, least = moves;
  }
  *comment = best == 0 && ways > 1 ? ", in this order" : best == 1 && ways > 2 ? ", one dimension last" : "";
  Value *value = lay_in_order(im, view, n, order[best]);
  return value && (n == 2 || n == 3) ? with_last(im, value, view, n, order[best]) : value;
}

/* An output that does not depend on the inputs, such as a length that follows from the sizes. A model must
 * have other outputs, too. NULL after no(). */
static const View *constant_output(ModelImport *im, const OnnxPort *port, const Tensor *t) {
  const Shape shape = shape_vector(t->n);
  View *view = view_new(im, NULL, t->rank);
  bool computes = false;
  for (int i = 0; i < im->onnx->noutputs; i++)
    computes = computes || im->item[im->onnx->output[i].tensor].view;
  if (!computes || t->n < 1) return no(im, "a constant output");
  for (int64_t i = 0; i < t->n; i++)
    if (tensor_number(t, i) != (double)(float)tensor_number(t, i) && tensor_whole(t->type))
      return no(im, "a constant output with the integer %lld, which is not a float number",
                (long long)tensor_integer(t, i));
  int64_t inner = 1;
  for (int d = t->rank - 1; d >= 0; d--) {
    view->size[d] = t->dim[d];
    view->along[d] = factors_one(0, inner, t->dim[d]);
    inner *= t->dim[d];
  }
  view->value = constant_statement(im, NULL, 0, port->name, shape, t, true);
  return view->value ? view : NULL;
}

static void add_model_output(ModelImport *im, const OnnxPort *port) {
  const Item *item = &im->item[port->tensor];
  im->node = NULL;
  im->why = NULL;
  if (!item->view && !item->constant) return; /* the output depends on an earlier problem */
  const char *order = "";
  const View *view = item->view ? item->view : constant_output(im, port, item->constant);
  Value *value = view ? lay_output(im, view, &order) : NULL;
  if (!value) {
    const Problem row = {.tensor = port->tensor, .what = port->name, .why = im->why};
    vec_push(im->arena, im->problems, row);
    return;
  }
  /* whether the output needs a copy of the value: the value is an input of integers, or is also an output of
   * another type */
  bool other = !value->made && item->bytes;
  for (int i = 0; i < im->outputs.n; i++)
    other = other || (im->outputs.data[i].value == value && im->outputs.data[i].bytes != item->bytes);
  if (other) value = same_value(im, value);
  else if (!value->made)
    value = emit_one(im, value, value->shape, "add(0)"); /* this output is an input of the model */
  const ImportOutput output = {port, value, view, item->bytes, order};
  vec_push(im->arena, im->outputs, output);
}

static bool is_kept_output(const ModelImport *im, const OnnxPort *port) {
  for (int i = 0; i < im->options->states.n; i++)
    if (strcmp(im->options->states.data[i].output, port->name) == 0) return true;
  return false;
}

/* A view with the dimensions of the state's input, such as [1, 1, U] for [1, U]; NULL: not possible. */
static const View *with_rank(ModelImport *im, const View *view, const OnnxPort *input) {
  int64_t have = 1, want = 1;
  if (view->rank == input->rank) return view;
  for (int d = 0; d < view->rank; d++) have *= view->size[d];
  for (int d = 0; d < input->rank; d++) want *= input->dim[d];
  return have == want ? view_reshape(im, view, input->rank, input->dim) : NULL;
}

/* Lays out the next value of a state with its dimensions in the order of the state's axes: positions, then
 * channels. */
static Value *lay_kept(ModelImport *im, const View *made, const KeptValue *kept) {
  const View *view = with_rank(im, made, kept->input);
  if (!view) return no(im, "a state's next value that cannot be reshaped to the state's input");
  int dims[MOST_DIMS], order[MOST_DIMS], m = 0;
  const int n = dimensions_of(im, view, dims), channels = kept->input->channels;
  if (n < 0) return NULL;
  for (int pass = 0; pass < 2; pass++)
    for (int k = 0; k < n; k++)
      if ((dims[k] == channels) == pass) order[m++] = dims[k];
  Value *value = lay_in_order(im, view, n, order);
  if (!value || shape_equal(value->shape, kept->value->shape)) return value;
  if (shape_elements(value->shape) != shape_elements(kept->value->shape))
    return no(im, "a state whose next value and input differ in size");
  return reshaped(im, value, kept->value->shape);
}

static void add_update(ModelImport *im, const KeptValue *kept) {
  const Item *item = &im->item[kept->output->tensor];
  im->node = NULL;
  im->why = NULL;
  if (!item->view && !item->constant) return; /* the state depends on an earlier problem */
  Value *value = item->view ? lay_kept(im, item->view, kept) : no(im, "a state set to a constant");
  if (value) emit(im, 2, (Value *[]){value, kept->value}, value->shape, "update(%%*)");
  else {
    const Problem row = {.tensor = kept->output->tensor, .what = kept->output->name, .why = im->why};
    vec_push(im->arena, im->problems, row);
  }
}

/* ---- the model ---- */
static bool state_named(const ImportOptions *options, const char *input) {
  for (int i = 0; i < options->states.n; i++)
    if (!strcmp(options->states.data[i].input, input)) return true;
  return false;
}

/* The options, with the states of --state followed by all other states that the model declares. */
static const ImportOptions *own_states(Arena *arena, const ImportOptions *options, const Onnx *onnx) {
  if (!onnx->states.n) return options;
  ImportOptions *own = NEW(arena, ImportOptions);
  *own = *options;
  own->states.data = NULL;
  own->states.n = own->states.room = 0;
  for (int i = 0; i < options->states.n; i++) vec_push(arena, own->states, options->states.data[i]);
  for (int i = 0; i < onnx->states.n; i++) {
    const OnnxState *s = &onnx->states.data[i];
    if (!state_named(options, s->input))
      vec_push(arena, own->states, ((ImportState){s->input, s->output, s->init}));
  }
  return own;
}

static ModelImport *import_begin(Arena *arena, Diags *diags, Span at, const ImportOptions *options,
                                 Onnx *onnx) {
  ModelImport *im = NEW(arena, ModelImport);
  *im = (ModelImport){.arena = arena, .diags = diags, .at = at, .onnx = onnx};
  im->options = own_states(arena, options, onnx);
  im->computed = onnx->computed ? onnx->computed : NEW(arena, size_t);
  im->scales.arena = arena;
  im->item = NEW_ARRAY(arena, Item, onnx->ntensors);
  im->maker = NEW_ARRAY(arena, int, onnx->ntensors);
  im->readers = NEW_ARRAY(arena, int, onnx->ntensors);
  im->reader = NEW_ARRAY(arena, int, onnx->ntensors);
  im->wanted = NEW_ARRAY(arena, bool, onnx->ntensors);
  im->varies = NEW_ARRAY(arena, bool, onnx->ntensors);
  im->live = NEW_ARRAY(arena, bool, onnx->nnodes + 1);
  im->became = NEW_ARRAY(arena, const char *, onnx->nnodes + 1);
  im->refused = NEW_ARRAY(arena, const char *, onnx->nnodes + 1);
  for (int t = 0; t < onnx->ntensors; t++) {
    im->maker[t] = -1;
    im->item[t].constant = onnx->constant[t];
  }
  return im;
}

/* The ArgMax that computes an output, directly or through casts and reshapes. The importer can drop this
 * ArgMax, because the caller can apply argmax to the scores. NULL: there is no ArgMax, or its operand is not
 * computed. */
static const OnnxNode *argmax_reader(const ModelImport *im, int tensor) {
  static const char *const passed[] = {"Cast",    "Squeeze",  "Unsqueeze", "Reshape",
                                       "Flatten", "Identity", NULL};
  for (int steps = 0; steps < 8 && im->maker[tensor] >= 0; steps++) {
    const OnnxNode *node = &im->onnx->node[im->maker[tensor]];
    if (strcmp(node->op, "ArgMax") == 0)
      return node->nin && node->in[0] && im->maker[node->in[0]] >= 0 ? node : NULL;
    int k = 0;
    while (passed[k] && strcmp(passed[k], node->op) != 0) k++;
    if (!passed[k] || node->nin == 0) return NULL;
    tensor = node->in[0];
  }
  return NULL;
}

/* Replaces each output that is the result of an ArgMax with the scores that the ArgMax reads. The same scores
 * become an output only once. */
static void leave_out_argmax(ModelImport *im) {
  Onnx *o = im->onnx;
  int n = 0;
  for (int i = 0; i < o->noutputs; i++) {
    OnnxPort port = o->output[i];
    const OnnxNode *node = argmax_reader(im, port.tensor);
    if (node) {
      port = (OnnxPort){.name = o->tensor[node->in[0]], .tensor = node->in[0], .rank = -1};
      im->became[node->index] = "dropped: take the argmax of the scores in the caller";
      vec_push(im->arena, im->left_out, node);
    }
    bool again = false;
    for (int k = 0; node && k < o->noutputs; k++)
      again = again || (k < n || k > i ? o->output[k].tensor == port.tensor : false);
    if (!again) o->output[n++] = port;
  }
  o->noutputs = n;
}

/* Drops inputs that only omitted branches read. */
static void drop_inputs(ModelImport *im) {
  int n = 0;
  find_live(im);
  for (int i = 0; i < im->inputs.n; i++) {
    if (im->readers[im->ports.data[i]->tensor] == 0 && im->inputs.data[i]->reads == 0) continue;
    im->inputs.data[n] = im->inputs.data[i];
    im->ports.data[n++] = im->ports.data[i];
  }
  im->inputs.n = im->ports.n = n;
}

static bool import_nodes(ModelImport *im) {
#ifndef __wasi__ /* the browser build reads no options */
  if (!names_of_inputs_known(im)) return false;
#endif
  if (!set_inputs(im) || !find_outputs(im) || !find_state_outputs(im)) return false;
  fold_conditions(im);
  find_live(im);
  leave_out_argmax(im);
  find_kept_layers(im);
  memset(im->wanted, 0, sizeof *im->wanted * (size_t)im->onnx->ntensors);
  find_live(im);
  canonical(im);
  find_live(im); /* after pattern matching, fewer nodes are needed */
  if (!im->onnx->tflite) report_state_hints(im);
  if (!add_inputs(im)) return false;
  find_varying(im, im->ports.data, im->ports.n);
  for (int i = 0; i < im->onnx->nnodes; i++)
    if (im->live[i]) import_node(im, &im->onnx->node[i]);
  for (int i = 0; i < im->onnx->noutputs; i++)
    if (!is_kept_output(im, &im->onnx->output[i])) add_model_output(im, &im->onnx->output[i]);
  for (int i = 0; i < im->kept.n; i++) add_update(im, &im->kept.data[i]);
  if (im->onnx->nguards > 1) drop_inputs(im);
  return true;
}

ModelImport *import_try(Arena *arena, Diags *diags, Span at, const ImportOptions *options, Onnx *onnx) {
  ModelImport *im = onnx ? import_begin(arena, diags, at, options, onnx) : NULL;
  if (!im || !import_nodes(im)) return NULL;
#ifndef __wasi__
  if (im->problems.n || im->onnx->conditions.n) im = import_unrolled(im);
  if (im->problems.n && !im->options->together) im = import_together(im);
#endif
  return im;
}

ModelImport *import_again(const ModelImport *im, Diags *diags, const ImportOptions *options) {
  const Onnx *o = im->onnx;
#ifdef __wasi__ /* the browser build only imports ONNX */
  Onnx *again = onnx_read(im->arena, diags, o->path, im->at, &options->loops, o->file, o->bytes);
#else
  Onnx *again = o->tflite ? tflite_graph(im->arena, diags, im->at, o->path, options, o->file, o->bytes)
                          : onnx_read(im->arena, diags, o->path, im->at, &options->loops, o->file, o->bytes);
#endif
  if (again) again->computed = im->computed;
  return import_try(im->arena, diags, im->at, options, again);
}

static bool is_output_value(const ModelImport *im, const Value *value) {
  bool found = false;
  for (int i = 0; i < im->outputs.n && !found; i++) found = im->outputs.data[i].value == value;
  return found;
}

/* Drops the stored numbers of a `constant` or `bias` statement. */
static void drop_constant(ModelImport *im, const Statement *s) {
  int n = 0;
  for (int i = 0; i < im->weights.n; i++) {
    const char *name = im->weights.data[i].name, *point = strrchr(name, '.');
    const char *layer = point ? arena_printf(im->arena, "name=\"%.*s\"", (int)(point - name), name) : "?";
    if (!strstr(s->call, layer)) im->weights.data[n++] = im->weights.data[i];
  }
  im->weights.n = n;
}

/* Drops unused statements, such as a reshape that a gather replaced, or products and masks that became
 * attention. Layers are kept. */
static void drop_unread(ModelImport *im) {
  int n = 0;
  for (int i = im->statements.n - 1; i >= 0; i--) {
    Statement *s = im->statements.data[i];
    const bool constant = strncmp(s->call, "constant(", 9) == 0 || strncmp(s->call, "bias(", 5) == 0;
    const bool layer = strstr(s->call, "name=") && !constant;
    const bool updates = strncmp(s->call, "update(", 7) == 0;
    if (s->out->reads || layer || updates || is_output_value(im, s->out)) continue;
    if (constant) drop_constant(im, s);
    for (int k = 0; k < s->nin; k++) s->in[k]->reads--;
    im->statements.data[i] = NULL;
  }
  for (int i = 0; i < im->statements.n; i++)
    if (im->statements.data[i]) im->statements.data[n++] = im->statements.data[i];
  im->statements.n = n;
}

bool import_finish(ModelImport *im) {
  if (im->outputs.n == 0) {
    diag_report(im->diags, DIAG_import_file, im->at, NULL,
                "the model has no outputs that depend on its inputs");
    return false;
  }
  drop_unread(im);
  make_frames(im);
  im->text = program_text(im);
  return true;
}

ModelImport *import_graph(Arena *arena, Diags *diags, Span at, const ImportOptions *options, Onnx *onnx) {
  ModelImport *im = import_try(arena, diags, at, options, onnx);
  if (!im) return NULL;
  if (im->problems.n) return report_problems(im), NULL;
  return import_finish(im) ? im : NULL;
}

ModelImport *import_model(Arena *arena, Diags *diags, const char *path, Span at,
                          const ImportOptions *options) {
  return import_graph(arena, diags, at, options, onnx_open(arena, diags, path, at));
}

ModelImport *import_bytes(Arena *arena, Diags *diags, const char *path, Span at, const ImportOptions *options,
                          const uint8_t *bytes, size_t n) {
  return import_graph(arena, diags, at, options, onnx_read(arena, diags, path, at, NULL, bytes, n));
}
