/* ops_recurrent.c: Import of LSTM, GRU and RNN, whose gates have another order in ONNX than in the language;
 * and of TensorFlow Lite's SVDF. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include <strings.h>
#include "import/import.h"

enum { MOST_GATES = 4, MOST_ROWS_APART = 64 };
/* IN_PROJECTION: a matrix [outputs][units], for LSTMs of TensorFlow Lite. */
enum { IN_X, IN_W, IN_R, IN_BIAS, IN_LENGTHS, IN_HIDDEN, IN_CELL, IN_PEEPHOLES, IN_PROJECTION };
enum { OUT_ROWS, OUT_HIDDEN, OUT_CELL };

typedef struct Cells { /* Properties of a kind of layer. */
  const char *op, *word;
  int64_t gates;
  int from[MOST_GATES]; /* by gate of the language: index of this gate in ONNX */
  int nactivations;
  const char *activation[3];
} Cells;
static const Cells kinds[] = {{"LSTM", "lstm", 4, {0, 2, 3, 1}, 3, {"Sigmoid", "Tanh", "Tanh"}},
                              {"GRU", "gru", 3, {1, 0, 2}, 2, {"Sigmoid", "Tanh"}},
                              {"RNN", "rnn", 1, {0}, 1, {"Tanh"}}};

typedef struct Layer {
  const OnnxNode *node;
  const Cells *kind;
  const View *x;
  int time, batch;                                            /* x's dimensions of time and images */
  int64_t rows, images, channels, units, outputs, directions; /* outputs: length of h */
  const Tensor *weight, *hidden, *bias, *projection;
  const char *name, *relu;
  Value *start[2]; /* initial h and c, one row per image if there are several; NULL: zeros */
} Layer;

static bool used(const ModelImport *im, const OnnxNode *node, int output) {
  const int made = output < node->nout ? node->out[output] : 0;
  return made && (im->readers[made] || im->wanted[made]);
}

/* ---- unsupported forms ---- */
static bool activations_fit(ModelImport *im, Layer *l) {
  const AttributeProto *list = onnx_attribute(l->node, "activations");
  for (int k = 0; list && k < list->strings.n; k++) {
    const char *is = list->strings.data[k], *wanted = l->kind->activation[k % l->kind->nactivations];
    const bool relu = l->kind->gates == 1 && strcasecmp(is, "Relu") == 0;
    if (k == 0 && relu) l->relu = ", activation=relu";
    if (l->relu ? !relu : strcasecmp(is, wanted) != 0)
      return no(im, "the activation %s, where %s uses %s", is, l->kind->word, l->relu ? "relu" : wanted);
  }
  return true;
}

static bool attributes_fit(ModelImport *im, Layer *l) {
  const OnnxNode *node = l->node;
  if (given(node, IN_PEEPHOLES)) return no(im, "P: peephole connections");
  if (onnx_attribute(node, "clip"))
    return no(im, "clip limits the sums of the gates, but clip of lstm limits the cell state c");
  if (onnx_int(node, "input_forget", 0)) return no(im, "input_forget: coupled gates");
  return activations_fit(im, l);
}

/* Whether every image has all rows: other lengths are not supported. */
static bool lengths_fit(ModelImport *im, const Layer *l) {
  const Tensor *t = constant_of(im, l->node, IN_LENGTHS);
  if (given(l->node, IN_LENGTHS) && !t) return no(im, "sequence_lens: computed lengths");
  for (int64_t i = 0; t && i < t->n; i++)
    if (tensor_integer(t, i) != l->rows)
      return no(im, "sequence_lens, with lengths that differ from the number of rows");
  return true;
}

static bool matrices_fit(ModelImport *im, Layer *l) {
  const bool both = !strcmp(onnx_text(l->node, "direction", "forward"), "bidirectional");
  const Tensor *w = l->weight, *r = l->hidden;
  if (l->x->rank != 3) return no(im, "a tensor of %s", text_counted(im->arena, l->x->rank, "dimension"));
  if (!w || !r || (given(l->node, IN_BIAS) && !l->bias)) return no(im, "computed weights");
  l->directions = both ? 2 : 1;
  l->outputs = r->rank == 3 ? r->dim[2] : 0;
  l->units = l->projection ? l->projection->dim[1] : l->outputs;
  l->channels = l->x->size[2];
  l->rows = l->x->size[l->time];
  l->images = l->x->along[l->batch].n && l->x->along[l->batch].f[0].axis == BATCH ? 1 : l->x->size[l->batch];
  const int64_t sums = l->kind->gates * l->units;
  if (l->units < 1 || w->rank != 3 || w->dim[0] != l->directions || w->dim[1] != sums ||
      w->dim[2] != l->channels || r->dim[0] != l->directions || r->dim[1] != sums ||
      (l->bias && l->bias->n != l->directions * 2 * sums))
    return no(im, "weights of the wrong shape");
  if (l->rows < 1 || l->images < 1 || l->images > MOST_ROWS_APART)
    return no(im, "a batch of %lld sequences", (long long)l->images);
  if (l->node->keeps && l->images > 1)
    return no(im, "states of %lld sequences; the limit is 1", (long long)l->images);
  return true;
}

/* ---- weights ---- */
/* The part of a tensor for one direction, from element `at` on, as [gates * units][columns] with the gates in
 * the language's order. */
static const Tensor *gates_of(ModelImport *im, const Layer *l, const Tensor *t, int64_t at, int64_t columns) {
  const int64_t sums = l->kind->gates * l->units, dim[] = {sums, columns};
  Tensor *made = constant_new(im, TENSOR_FLOAT, 2, dim);
  if (!made) return NULL;
  for (int64_t s = 0; s < sums; s++) {
    const int64_t from = l->kind->from[s / l->units] * l->units + s % l->units;
    for (int64_t k = 0; k < columns; k++)
      tensor_put(made, s * columns + k, tensor_number(t, at + from * columns + k));
  }
  return made;
}

static bool put_direction(ModelImport *im, const Layer *l, int64_t way) {
  const int64_t sums = l->kind->gates * l->units;
  const char *behind = way ? "_reverse" : "";
  const struct {
    const char *member;
    const Tensor *of;
    int64_t at, columns;
  } part[] = {{"weight_ih_l0", l->weight, way * sums * l->channels, l->channels},
              {"weight_hh_l0", l->hidden, way * sums * l->outputs, l->outputs},
              {"bias_ih_l0", l->bias, 2 * way * sums, 1},
              {"bias_hh_l0", l->bias, (2 * way + 1) * sums, 1}};
  for (int i = 0; i < 4; i++) {
    if (!part[i].of) continue;
    const Tensor *t = gates_of(im, l, part[i].of, part[i].at, part[i].columns);
    const int64_t dim[] = {sums, part[i].columns};
    if (!t) return false;
    put_weight(im, l->name, arena_printf(im->arena, "%s%s", part[i].member, behind), t, i < 2 ? 2 : 1, dim);
  }
  if (l->projection) put_weight(im, l->name, "weight_hr_l0", l->projection, 2, l->projection->dim);
  return true;
}

/* ---- initial states ---- */
static bool all_zeros(const Tensor *t) {
  for (int64_t i = 0; i < t->n; i++)
    if (tensor_number(t, i) != 0) return false;
  return true;
}

/* A constant state as [images][directions][outputs]. */
static const Tensor *states_by_image(ModelImport *im, const Layer *l, const Tensor *t) {
  const int64_t n = t->n / (l->images * l->directions);
  if (l->images == 1 || l->directions == 1 || !l->batch) return t;
  Tensor *made = constant_new(im, TENSOR_FLOAT, 1, &t->n);
  for (int64_t i = 0; made && i < t->n; i++) {
    const int64_t image = i / (n * l->directions), way = i / n % l->directions;
    tensor_put(made, i, tensor_number(t, (way * l->images + image) * n + i % n));
  }
  return made;
}

/* Sets the initial state: one vector for each image, which contains the numbers of the first direction, then
 * those of the second. The state may be a constant. */
static bool begin_from(ModelImport *im, Layer *l, int input, Value **start) {
  const Tensor *t = constant_of(im, l->node, input);
  const int64_t n = l->directions * (input == IN_HIDDEN ? l->outputs : l->units);
  const Shape shape = l->images > 1 ? shape_sequence(l->images, n) : shape_vector(n);
  if (!given(l->node, input) || (t && all_zeros(t))) return true;
  if (t) {
    if (t->n != n * l->images) return no(im, "a state of the wrong shape");
    *start =
        (t = states_by_image(im, l, t)) ? constant_statement(im, l->node, input, NULL, shape, t, true) : NULL;
    return *start != NULL;
  }
  const View *v = view_of(im, l->node, input);
  const int dims[] = {l->batch ? 0 : 1, 2};
  int image = l->batch ? 1 : 0;
  if (!v || v->rank != 3) return no(im, "a state of the wrong shape");
  *start = lay(im, v, 2, dims, l->images > 1, &image, false);
  return *start && (shape_equal((*start)->shape, shape) || no(im, "a state of the wrong shape"));
}

/* ---- states between calls ---- */
/* The output whose value in the previous call is this input, according to --state; 0: none. */
static int kept_output(const ModelImport *im, const OnnxNode *node, int input) {
  for (int i = 0; given(node, input) && i < im->options->states.n; i++)
    if (!strcmp(im->options->states.data[i].input, im->onnx->tensor[node->in[input]]))
      return onnx_tensor(im->onnx, im->options->states.data[i].output);
  return 0;
}

/* Whether an input is the final state of this layer in the previous call. The layer must be the only user of
 * the input, and the final state may have at most `readers` users. */
static bool keeps_part(const ModelImport *im, const OnnxNode *node, int input, int output, int readers) {
  const int made = output < node->nout ? node->out[output] : 0, to = kept_output(im, node, input);
  return to && made == to && im->readers[node->in[input]] == 1 && im->readers[to] <= readers;
}

static void drop_output(ModelImport *im, int tensor) {
  Onnx *o = im->onnx;
  int n = 0;
  for (int i = 0; i < o->noutputs; i++)
    if (o->output[i].tensor != tensor) o->output[n++] = o->output[i];
  o->noutputs = n;
}

void find_kept_layers(ModelImport *im) {
  enum { ANY = 1 << 30 };
  for (int i = 0; i < im->onnx->nnodes; i++) {
    OnnxNode *node = &im->onnx->node[i];
    const bool cell = !strcmp(node->op, "LSTM");
    if (!im->live[i] || (!cell && strcmp(node->op, "GRU") && strcmp(node->op, "RNN"))) continue;
    if (strcmp(onnx_text(node, "direction", "forward"), "forward") ||
        !keeps_part(im, node, IN_HIDDEN, OUT_HIDDEN, ANY) ||
        (cell && !keeps_part(im, node, IN_CELL, OUT_CELL, 1)))
      continue;
    node->keeps = true;
    for (int part = 0; part <= cell; part++) {
      drop_output(im, node->out[OUT_HIDDEN + part]);
      node->in[IN_HIDDEN + part] = 0;
    }
  }
}

/* ---- the layer ---- */
static Value *emit_layer(ModelImport *im, const Layer *l, Value *rows, bool last, bool again) {
  const char *direction = onnx_text(l->node, "direction", "forward");
  const int64_t n = l->directions * l->outputs;
  Value *in[3] = {rows};
  int nin = 1;
  Text call = {.arena = im->arena};
  text_put(&call, "%s(%lld", l->kind->word, (long long)l->units);
  if (l->directions == 2) text_put(&call, ", direction=both");
  else if (!strcmp(direction, "reverse")) text_put(&call, ", direction=reverse");
  if (last) text_put(&call, ", last=true");
  if (l->node->keeps) text_put(&call, ", keep=true");
  for (int k = 0; k < 2; k++)
    if (l->start[k]) {
      text_put(&call, ", %s=%%%d", k ? "cell" : "hidden", nin);
      in[nin++] = l->start[k];
    }
  if (!l->bias) text_put(&call, ", bias=false");
  if (l->kind->gates == 3 && !onnx_int(l->node, "linear_before_reset", 0)) text_put(&call, ", reset=before");
  if (l->relu) text_put(&call, "%s", l->relu);
  const double clip = onnx_float(l->node, "cnnc_clip", 0); /* clips the cells, as in TensorFlow Lite */
  if (l->projection) text_put(&call, ", project=%lld", (long long)l->outputs);
  if (clip > 0) text_put(&call, ", clip=%s", number_text(im->arena, clip));
  text_put(&call, again ? ", weights=\"%s\")" : ", name=\"%s\")", l->name);
  return emit(im, nin, in, last ? shape_vector(n) : shape_sequence(l->rows, n), "%s", call.s);
}

/* The layer for one of several sequences: the initial states are those of this sequence. */
static Layer layer_of_sequence(ModelImport *im, const Layer *l, int64_t image) {
  Layer one = *l;
  for (int k = 0; k < 2 && l->images > 1; k++) {
    if (!l->start[k]) continue;
    const int64_t n = l->start[k]->shape.dim[1];
    Value *row = emit_one(im, l->start[k], shape_sequence(1, n), "crop([%lld, %lld])", (long long)image,
                          (long long)(l->images - 1 - image));
    one.start[k] = reshaped(im, row, shape_vector(n));
  }
  return one;
}

/* The rows of one of several sequences, or of the only sequence. */
static Value *sequence_of(ModelImport *im, const Layer *l, Value *all, int64_t image) {
  if (l->images == 1) return all;
  Value *one = emit_one(im, all, shape_image(1, l->rows, l->channels), "crop([%lld, %lld, 0, 0])",
                        (long long)image, (long long)(l->images - 1 - image));
  return reshaped(im, one, shape_sequence(l->rows, l->channels));
}

static Value *lay_sequences(ModelImport *im, const Layer *l) {
  const int channels = 2;
  int pos[2] = {l->batch, l->time};
  if (l->images == 1 && l->rows == 1) return lay(im, l->x, 1, &channels, 0, NULL, false); /* a vector */
  return l->images > 1 ? lay(im, l->x, 1, &channels, 2, pos, false)
                       : lay(im, l->x, 1, &channels, 1, pos + 1, false);
}

/* Runs the layer on each sequence, and concatenates the results: the last row of each, or all rows. */
static Value *run_sequences(ModelImport *im, const Layer *l, Value *all, bool last, bool again) {
  Value *made[MOST_ROWS_APART];
  const int64_t n = l->directions * l->outputs;
  for (int64_t i = 0; i < l->images; i++) {
    Value *rows = sequence_of(im, l, all, i);
    const Layer one = layer_of_sequence(im, l, i);
    if (!rows || !(made[i] = emit_layer(im, &one, rows, last, again || i))) return NULL;
    if (l->images > 1)
      made[i] = reshaped(im, made[i], last ? shape_sequence(1, n) : shape_image(1, l->rows, n));
  }
  return l->images > 1 ? join_values(im, (int)l->images, made, 0) : made[0];
}

/* The last row of a sequence as a vector. This vector is the final state if the layer computes the last row
 * last. */
static Value *last_row(ModelImport *im, const Layer *l, Value *rows) {
  Value *row = l->rows == 1 ? rows
                            : emit_one(im, rows, shape_sequence(1, l->outputs), "crop([%lld, 0])",
                                       (long long)l->rows - 1);
  return reshaped(im, row, shape_vector(l->outputs));
}

/* A view of the result, with the dimensions rows (unless `last`), directions, images and units in ONNX's
 * order. */
static View *result_view(ModelImport *im, const Layer *l, Value *value, bool last) {
  const int c = value->shape.rank - 1, way = l->batch ? !last : last ? 1 : 2, image = l->batch ? way + 1 : 0;
  View *view = view_new(im, value, last ? 3 : 4);
  if (l->images > 1) view_set(view, image, 0);
  else {
    view->size[image] = l->x->size[l->batch];
    view->along[image] = l->x->along[l->batch];
  }
  if (!last) view_set(view, l->time, c - 1);
  view->size[way] = l->directions;
  if (l->directions > 1) view->along[way] = factors_one(c, l->outputs, l->directions);
  view->size[view->rank - 1] = l->outputs;
  if (l->outputs > 1) view->along[view->rank - 1] = factors_one(c, 1, l->outputs);
  return view;
}

/* ---- an LSTM whose final c is used: unrolled, from primitive operators ---- */
typedef struct Cell { /* state of one direction */
  const Layer *layer;
  int64_t way;
  bool one_bias;   /* layer ih has both biases: h starts from zeros, so the first row has no layer hh */
  const char *hh;  /* the layer hh, which all rows share; NULL: not emitted yet */
  Value *state[2]; /* h and c; NULL: zeros */
  Value *all;      /* h of all rows, as one sequence; NULL if unused */
} Cell;

static Value *gate_of(ModelImport *im, const Layer *l, Value *sums, int gate, const char *then) {
  const long long from = gate * l->units;
  Value *part = emit_one(im, sums, shape_vector(l->units), "slice(%lld..%lld)", from, from + l->units);
  return emit_one(im, part, part->shape, "%s", then);
}

static const char *cell_layer(ModelImport *im, const Cell *c, const char *kind) {
  return layer_called(im, arena_printf(im->arena, "%s.%s%s", c->layer->name, kind, c->way ? "_reverse" : ""));
}

/* The bias of the sums over x (part 0) or over h (part 1). With one_bias, the bias over x is the sum of both
 * biases. */
static const Tensor *cell_bias(ModelImport *im, const Cell *c, int64_t part) {
  const Layer *l = c->layer;
  const int64_t sums = l->kind->gates * l->units, at = 2 * c->way * sums;
  if (!l->bias || (part && c->one_bias)) return NULL;
  const Tensor *bias = gates_of(im, l, l->bias, at + part * sums, 1);
  if (!bias || !c->one_bias) return bias;
  const Tensor *other = gates_of(im, l, l->bias, at + sums, 1);
  if (!other) return NULL;
  Tensor *both = constant_new(im, TENSOR_FLOAT, 1, &sums);
  for (int64_t i = 0; both && i < sums; i++)
    tensor_put(both, i, tensor_number(bias, i) + tensor_number(other, i));
  return both;
}

static bool put_cell_sums(ModelImport *im, const Cell *c, const char *name, int64_t part, int rank) {
  const Layer *l = c->layer;
  const int64_t sums = l->kind->gates * l->units, columns = part ? l->units : l->channels,
                dim[] = {sums, columns, 1};
  const Tensor *of = gates_of(im, l, part ? l->hidden : l->weight, c->way * sums * columns, columns),
               *bias = cell_bias(im, c, part);
  if (!of || (!bias && l->bias && !(part && c->one_bias))) return false;
  put_weight(im, name, "weight", of, rank, dim);
  if (bias) put_weight(im, name, "bias", bias, 1, dim);
  return true;
}

/* The sums of the gates over x. One layer computes these sums for all rows. */
static Value *cell_inputs(ModelImport *im, const Cell *c, Value *rows) {
  const Layer *l = c->layer;
  const int64_t sums = l->kind->gates * l->units;
  const bool one = l->rows == 1;
  const char *name = cell_layer(im, c, "ih"), *bias = l->bias ? "" : ", bias=false";
  if (!put_cell_sums(im, c, name, 0, one ? 2 : 3)) return NULL;
  if (!one)
    return emit_one(im, rows, shape_sequence(l->rows, sums), "conv(%lld, 1%s, name=\"%s\")", (long long)sums,
                    bias, name);
  Value *vector = reshaped(im, rows, shape_vector(l->channels));
  return emit_one(im, vector, shape_vector(sums), "dense(%lld%s, name=\"%s\")", (long long)sums, bias, name);
}

static Value *cell_row(ModelImport *im, const Layer *l, Value *inputs, int64_t row) {
  const int64_t sums = l->kind->gates * l->units;
  if (l->rows == 1) return inputs;
  Value *one = emit_one(im, inputs, shape_sequence(1, sums), "crop([%lld, %lld])", (long long)row,
                        (long long)(l->rows - 1 - row));
  return reshaped(im, one, shape_vector(sums));
}

/* The sums of the gates over h. All rows share the weights of the layer that is emitted first. */
static Value *cell_hidden(ModelImport *im, Cell *c) {
  const Layer *l = c->layer;
  const int64_t sums = l->kind->gates * l->units;
  const bool first = !c->hh;
  if (first) c->hh = cell_layer(im, c, "hh");
  if (first && !put_cell_sums(im, c, c->hh, 1, 2)) return NULL;
  return emit_one(im, c->state[0], shape_vector(sums), "dense(%lld%s, %s=\"%s\")", (long long)sums,
                  l->bias && !c->one_bias ? "" : ", bias=false", first ? "name" : "weights", c->hh);
}

static bool cell_step(ModelImport *im, Cell *c, Value *sums) {
  const Layer *l = c->layer;
  const Shape row = shape_vector(l->units);
  if (c->state[0]) {
    Value *hidden = cell_hidden(im, c);
    if (!hidden) return false;
    sums = emit(im, 2, (Value *[]){sums, hidden}, sums->shape, "add(%%*)");
  }
  Value *i = gate_of(im, l, sums, 0, "sigmoid"), *g = gate_of(im, l, sums, 2, "tanh"),
        *o = gate_of(im, l, sums, 3, "sigmoid");
  Value *next = emit(im, 2, (Value *[]){i, g}, row, "multiply(%%*)");
  if (c->state[1]) {
    Value *f = gate_of(im, l, sums, 1, "sigmoid"),
          *old = emit(im, 2, (Value *[]){f, c->state[1]}, row, "multiply(%%*)");
    next = emit(im, 2, (Value *[]){old, next}, row, "add(%%*)");
  }
  Value *curve = emit_one(im, next, row, "tanh");
  c->state[0] = emit(im, 2, (Value *[]){o, curve}, row, "multiply(%%*)");
  c->state[1] = next;
  return true;
}

static bool run_cell(ModelImport *im, Cell *c, Value *rows, bool all) {
  const Layer *l = c->layer;
  const bool back = c->way || !strcmp(onnx_text(l->node, "direction", "forward"), "reverse");
  Value *made[MOST_ROWS_APART], *inputs = cell_inputs(im, c, rows);
  for (int k = 0; k < 2 && l->directions > 1; k++)
    if (c->state[k])
      c->state[k] = emit_one(im, c->state[k], shape_vector(l->units), "slice(%lld..%lld)",
                             (long long)(c->way * l->units), (long long)((c->way + 1) * l->units));
  for (int64_t r = 0; inputs && r < l->rows; r++) {
    const int64_t row = back ? l->rows - 1 - r : r;
    if (!cell_step(im, c, cell_row(im, l, inputs, row))) return false;
    if (all) made[row] = reshaped(im, c->state[0], shape_sequence(1, l->units));
  }
  if (inputs && all) c->all = l->rows > 1 ? join_values(im, (int)l->rows, made, 0) : made[0];
  return inputs != NULL;
}

static View *import_cell(ModelImport *im, const Layer *l, Value *x) {
  Cell cell[2];
  const bool all = used(im, l->node, OUT_ROWS);
  if (l->rows > MOST_ROWS_APART)
    return no(im, "the cell state Y_c after %lld rows; the limit is %d", (long long)l->rows, MOST_ROWS_APART);
  if (l->images > 1) return no(im, "Y_c of several sequences");
  for (int64_t way = 0; way < l->directions; way++) {
    cell[way] = (Cell){.layer = l, .way = way, .one_bias = !l->start[0], .state = {l->start[0], l->start[1]}};
    if (!run_cell(im, &cell[way], x, all)) return NULL;
  }
  for (int k = 0; k < 2; k++) {
    Value *of[] = {cell[0].state[k], l->directions > 1 ? cell[1].state[k] : NULL};
    Value *both = of[1] ? join_values(im, 2, of, 0) : of[0];
    if (used(im, l->node, OUT_HIDDEN + k))
      im->item[l->node->out[OUT_HIDDEN + k]].view = result_view(im, l, both, true);
  }
  if (!all) return im->item[l->node->out[OUT_CELL]].view;
  Value *rows[] = {cell[0].all, l->directions > 1 ? cell[1].all : NULL};
  return result_view(im, l, rows[1] ? join_values(im, 2, rows, 1) : rows[0], false);
}

View *import_recurrent(ModelImport *im, const OnnxNode *node) {
  Layer l = {.node = node, .weight = constant_of(im, node, IN_W), .hidden = constant_of(im, node, IN_R)};
  for (int i = 0; i < 3; i++)
    if (!strcmp(node->op, kinds[i].op)) l.kind = &kinds[i];
  l.x = view_of(im, node, IN_X);
  l.bias = constant_of(im, node, IN_BIAS);
  l.projection = constant_of(im, node, IN_PROJECTION);
  l.time = onnx_int(node, "layout", 0) != 0;
  l.batch = !l.time;
  if (!l.x || !attributes_fit(im, &l) || !matrices_fit(im, &l) || !lengths_fit(im, &l)) return NULL;
  l.name = layer_of(im, node, IN_W);
  Value *all = lay_sequences(im, &l);
  if (!all || !begin_from(im, &l, IN_HIDDEN, &l.start[0]) || !begin_from(im, &l, IN_CELL, &l.start[1]))
    return NULL;
  if (used(im, node, OUT_CELL)) return import_cell(im, &l, all);
  for (int64_t way = 0; way < l.directions; way++)
    if (!put_direction(im, &l, way)) return NULL;
  const bool rows = used(im, node, OUT_ROWS), last = used(im, node, OUT_HIDDEN);
  Value *made = rows ? run_sequences(im, &l, all, false, false) : NULL;
  if (rows && !made) return NULL;
  if (last) {
    const bool in_rows = rows && l.images == 1 && !strcmp(onnx_text(node, "direction", "forward"), "forward");
    Value *end = in_rows ? last_row(im, &l, made) : run_sequences(im, &l, all, true, rows);
    if (!end) return NULL;
    im->item[node->out[OUT_HIDDEN]].view = result_view(im, &l, end, true);
    if (!rows) return view_copy(im, im->item[node->out[OUT_HIDDEN]].view, end);
  }
  return made ? result_view(im, &l, made, false) : no(im, "none of its outputs is used");
}

/* ---- SVDF, which only TensorFlow Lite has: one row for each call ---- */
/* Inputs: x, the weights of the features, the weights over time, the biases. */
View *import_svdf(ModelImport *im, const OnnxNode *node) {
  enum { IN_FEATURES = 1, IN_TIME, IN_BIASES };
  static const int channels = 1;
  const View *x = view_of(im, node, IN_X);
  const Tensor *w = constant_of(im, node, IN_FEATURES), *time = constant_of(im, node, IN_TIME),
               *bias = constant_of(im, node, IN_BIASES);
  const int64_t rank = onnx_int(node, "rank", 1), features = w && w->rank == 2 ? w->dim[0] : 0;
  if (!x) return NULL;
  if (x->rank != 2) return no(im, "a tensor of %s", text_counted(im->arena, x->rank, "dimension"));
  const bool batch = x->along[0].n && x->along[0].f[0].axis == BATCH;
  if (!batch && x->size[0] != 1)
    return no(im, "a batch of %lld rows that share one state", (long long)x->size[0]);
  if (!w || !time || (given(node, IN_BIASES) && !bias)) return no(im, "computed weights");
  if (features < 1 || rank < 1 || features % rank != 0 || w->dim[1] != x->size[1] || time->rank != 2 ||
      time->dim[0] != features || (bias && bias->n != features / rank))
    return no(im, "weights of the wrong shape");
  const int64_t units = features / rank;
  const char *name = layer_of(im, node, IN_FEATURES);
  Value *row = lay(im, x, 1, &channels, 0, NULL, false);
  if (!row) return NULL;
  put_weight(im, name, "weight_feature", w, 2, w->dim);
  put_weight(im, name, "weight_time", time, 2, time->dim);
  if (bias) put_weight(im, name, "bias", bias, 1, &units);
  Value *y =
      emit_one(im, row, shape_sequence(1, units), "svdf(%lld, %lld, rank=%lld%s%s%s, name=\"%s\")",
               (long long)units, (long long)time->dim[1], (long long)rank, bias ? "" : ", bias=false",
               onnx_int(node, "relu", 0) ? ", activation=relu" : "", node->keeps ? ", keep=true" : "", name);
  Value *vector = reshaped(im, y, shape_vector(units));
  if (!vector) return NULL;
  View *view = view_new(im, vector, 2);
  view->size[0] = x->size[0];
  view->along[0] = x->along[0];
  view_set(view, 1, 0);
  return view;
}
