/* recurrent.c: Shape and parameters of recurrent layers, and the nodes that compute them. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/recurrent/recurrent.h"
#include <math.h>
#include <string.h>
#include "base/number.h"
#include "graph/bf16.h"
#include "graph/shape.h"
#include "ops/convolution/correlation.h"
#include "ops/registry.h"
#include "ops/shape/region.h"
#include "ops/shape/reshape.h"

enum { GRU_GATES = 3, LSTM_GATES = 4, FORGET = 1 };

/* ---- geometry ---- */
static Cell cell_kind(const Node *layer) {
  return layer->op == &op_lstm ? CELL_LSTM : layer->op == &op_gru ? CELL_GRU : CELL_RNN;
}

int recurrent_directions(const Node *layer) { return arg_is(layer, "direction", "both") ? 2 : 1; }

static bool starts_from(const Node *layer, const char *param) {
  return arg_const(layer, param)->kind == CONST_VALUE;
}

/* Whether the layer's initial values are the states of keep=true, not the arguments hidden= and cell=. */
static bool keeps_state(const Node *layer) {
  return layer->nin > 1 && !starts_from(layer, "hidden") && !starts_from(layer, "cell");
}

Recurrent recurrent_direction(const Node *layer, int direction) {
  static const int64_t gates[] = {LSTM_GATES, GRU_GATES, 1};
  Recurrent r = {.cell = cell_kind(layer), .units = arg_int(layer, "units"), .last = arg_bool(layer, "last")};
  const Shape in = layer->in[0]->shape;
  if (!shape_table(in, &r.rows, &r.channels)) {
    r.rows = 1;
    r.channels = in.dim[0];
  }
  r.gates = gates[r.cell];
  r.outputs = r.units;
  if (r.cell == CELL_LSTM && (r.project = arg_int(layer, "project") > 0))
    r.outputs = arg_int(layer, "project");
  r.reverse = direction == 1 || arg_is(layer, "direction", "reverse");
  r.before = arg_is(layer, "reset", "before");
  r.relu = arg_is(layer, "activation", "relu");
  r.clip = arg_number(layer, "clip");
  r.bf16 = node_is_bf16(layer);
  const KeptLayer *kept = layer->detail;
  if (kept && kept->masked) {
    r.calls = layer->nin - 1;
    r.first = kept->first;
  }
  r.keeps = kept || keeps_state(layer);
  r.hidden = r.keeps || starts_from(layer, "hidden");
  r.state = (r.keeps && r.cell == CELL_LSTM) || starts_from(layer, "cell") ? 1 + r.hidden : 0;
  return r;
}

const Recurrent *recurrent_of(const Node *node) { return node_forward(node)->detail; }

Record recurrent_record(const Recurrent *r) {
  Record at = {0};
  if (r->cell == CELL_RNN) at.width = r->outputs;
  else {
    at.state = r->gates * r->units;
    at.middle = at.hidden = at.state + r->units;
    if (r->project) at.hidden += r->units;
    at.width = at.hidden + r->outputs;
  }
  return at;
}

Record recurrent_value(const Recurrent *r) {
  if (r->records) return recurrent_record(r);
  const bool both = r->keeps && r->cell == CELL_LSTM;
  return (Record){.state = r->outputs, .width = r->outputs + (both ? r->units : 0)};
}

Slopes recurrent_slopes(const Recurrent *r) {
  Slopes s = {.other = r->gates * r->units, .rows = r->rows};
  s.width = s.other;
  if (r->project) s.width += r->outputs;
  if (r->cell == CELL_GRU && !r->before) s.width += s.other;
  if (r->hidden || r->state) s.rows++;
  return s;
}

int64_t recurrent_row(const Recurrent *r, int64_t step) { return r->reverse ? r->rows - 1 - step : step; }

int64_t recurrent_summed_bias(const Recurrent *r) {
  return (r->gates - (r->cell == CELL_GRU && !r->before)) * r->units;
}

int recurrent_outers(const Recurrent *r, int weight, Outer outer[MOST_OUTERS]) {
  const Record at = recurrent_record(r);
  const Slopes slopes = recurrent_slopes(r);
  const int64_t units = r->units, sums = r->gates * units, columns = r->outputs;
  if (weight == CORE_PROJECTION) {
    outer[0] = (Outer){slopes.other, 0, columns, at.middle, units, false};
    return 1;
  }
  if (r->cell != CELL_GRU || !r->before) {
    outer[0] = (Outer){r->cell == CELL_GRU ? slopes.other : 0, 0, sums, at.hidden, columns, true};
    return 1;
  }
  outer[0] = (Outer){0, 0, 2 * units, at.hidden, columns, true};
  outer[1] = (Outer){2 * units, 2 * units, units, at.state, columns, false};
  return 2;
}

/* ---- the shape ---- */
bool recurrent_input_fits(ShapeContext *context, const Node *node) {
  const Shape in = node->in[0]->shape;
  int64_t rows, channels;
  if (!in.rank) return false;
  if (shape_table(in, &rows, &channels) || (in.rank == 1 && !in.regions)) return true;
  const Extent e = shape_extent(in);
  Diag *diag =
      op_error(context, node, DIAG_wrong_shape, "%s needs a sequence, but its input is %s %s", node->op->name,
               in.regions ? "regions:" : "the image", shape_text(context->arena, in));
  op_note_origin(context, diag, node->in[0]);
  if (in.regions) {
    diag_help(diag, "put flatten before it to turn each region into a row of %lld numbers",
              (long long)shape_row_elements(in));
    return false;
  }
  diag_help(diag, "put reshape([%lld, %lld]) before it to turn the rows of the image into a sequence",
            (long long)e.h, (long long)(e.w * e.c));
  diag_fix(diag, (Span){node->span.file, node->span.start, node->span.start}, "reshape([%lld, %lld]) -> ",
           (long long)e.h, (long long)(e.w * e.c));
  return false;
}

/* Checks that an initial value is a vector with `each` numbers per direction. */
static bool start_fits(ShapeContext *context, const Node *node, const char *param, int input, int64_t each) {
  const int64_t needed = each * recurrent_directions(node);
  const Shape shape = node->in[input]->shape;
  if (!shape.rank) return false;
  if (shape.rank == 1 && !shape.regions && shape_elements(shape) == needed) return true;
  Diag *diag =
      op_error_at(context, node, param, DIAG_shape_mismatch, "%s of %s is %s, but must be a vector of %lld",
                  param, node->op->name, shape_text(context->arena, shape), (long long)needed);
  op_note_origin(context, diag, node->in[input]);
  if (recurrent_directions(node) == 2)
    diag_help(diag,
              "with direction=both the vector has the %lld numbers of the forward direction, then those of "
              "the reverse direction",
              (long long)each);
  return false;
}

static bool keep_fits(ShapeContext *context, const Node *node) {
  if (!arg_bool(node, "keep")) return true;
  const char *other = !arg_is(node, "direction", "forward") ? "direction"
                      : starts_from(node, "hidden")         ? "hidden"
                      : starts_from(node, "cell")           ? "cell"
                                                            : NULL;
  if (!other) return true;
  const bool way = !strcmp(other, "direction");
  Diag *diag = op_error_at(context, node, "keep", DIAG_wrong_type, "%s with keep=true cannot have %s%s%s",
                           node->op->name, other, way ? "=" : "", way ? arg_const(node, "direction")->s : "");
  diag_help(diag, way ? "only direction=forward can start from the state of the previous call"
                      : "keep=true starts from the state of the previous call: remove keep or the initial "
                        "value");
  return false;
}

static bool projection_fits(ShapeContext *context, const Node *node, const Recurrent *r) {
  if (!r->project || r->outputs < r->units) return true;
  op_error_at(context, node, "project", DIAG_bad_value, "project=%lld of lstm is not below its %s",
              (long long)r->outputs, text_counted(context->arena, r->units, "unit"));
  return false;
}

/* ---- parameters ---- */
static void start_weight(const ShapeContext *context, Weight *weight, Init init) {
  if (weight && !context->share) weight->init = init;
}

static Weight *make_parameter(ShapeContext *context, Node *node, const char *member, const Recurrent *r,
                              int way, int64_t rows, int64_t columns, Init init) {
  const int64_t dim[2] = {rows, columns};
  const char *name = way ? arena_printf(context->arena, "%s_reverse", member) : member;
  Weight *weight = op_weight(context, node, name, columns ? 2 : 1, dim, NULL, 0, 0, 0, columns > 0);
  const Init uniform = {INIT_UNIFORM, 1 / sqrt((double)r->units), 0, NULL};
  start_weight(context, weight, arg_is(node, "init", "keras") ? init : uniform);
  return weight;
}

static Init glorot_init(int64_t from, int64_t to) {
  return (Init){INIT_UNIFORM, sqrt(6.0 / (double)(from + to)), 0, NULL};
}

/* The initial input biases for init=keras: 1 for the forget gate of an lstm, 0 for all other gates. */
static Init bias_init(ShapeContext *context, const Recurrent *r) {
  if (r->cell != CELL_LSTM) return (Init){INIT_CONSTANT, 0, 0, NULL};
  float *values = NEW_ARRAY(context->arena, float, r->gates * r->units);
  for (int64_t u = 0; u < r->units; u++) values[FORGET * r->units + u] = 1;
  return (Init){INIT_LITERAL, 0, 0, values};
}

/* Adds the parameters in PyTorch's order, which is also the order of weight files. */
static bool add_parameters(ShapeContext *context, Node *node, const Recurrent *r, int way) {
  Weight **to = node->weight + way * DIRECTION_WEIGHTS;
  const int64_t sums = r->gates * r->units;
  to[INPUT_WEIGHT] = make_parameter(context, node, "weight_ih_l0", r, way, sums, r->channels,
                                    glorot_init(r->channels, r->units));
  if (!to[INPUT_WEIGHT]) return false;
  to[HIDDEN_WEIGHT] = make_parameter(context, node, "weight_hh_l0", r, way, sums, r->outputs,
                                     (Init){INIT_ORTHOGONAL, (double)r->units, 0, NULL});
  if (!to[HIDDEN_WEIGHT]) return false;
  if (arg_bool(node, "bias")) {
    to[INPUT_BIAS] = make_parameter(context, node, "bias_ih_l0", r, way, sums, 0, bias_init(context, r));
    if (!to[INPUT_BIAS]) return false;
    to[HIDDEN_BIAS] =
        make_parameter(context, node, "bias_hh_l0", r, way, sums, 0, (Init){INIT_CONSTANT, 0, 0, NULL});
    if (!to[HIDDEN_BIAS]) return false;
  }
  if (r->project)
    to[PROJECTION] = make_parameter(context, node, "weight_hr_l0", r, way, r->outputs, r->units,
                                    glorot_init(r->units, r->outputs));
  return !r->project || to[PROJECTION];
}

/* Checks that the record and the slopes of all rows have at most SHAPE_MOST_ELEMENTS elements, like all
 * values. */
static bool sizes_fit(ShapeContext *context, const Node *node, const Recurrent *r) {
  int64_t most, width = recurrent_record(r).width, other = recurrent_slopes(r).width;
  if (other > width) width = other;
  if (size_multiply(r->rows + 1, width, &most) && most <= SHAPE_MOST_ELEMENTS) return true;
  op_error(context, node, DIAG_too_large, "%s of %lld units over %lld rows has too many intermediate sums",
           node->op->name, (long long)r->units, (long long)r->rows);
  return false;
}

void recurrent_shape(ShapeContext *context, Node *node) {
  enum { MOST_UNITS = 1 << 28 };
  if (!recurrent_input_fits(context, node)) return;
  if (arg_int(node, "units") > MOST_UNITS) {
    op_error_at(context, node, "units", DIAG_too_large, "%s of %lld units: too many", node->op->name,
                (long long)arg_int(node, "units"));
    return;
  }
  const int directions = recurrent_directions(node);
  Recurrent r = recurrent_direction(node, 0);
  if (!keep_fits(context, node) || !projection_fits(context, node, &r) || !sizes_fit(context, node, &r))
    return;
  if (r.hidden && !start_fits(context, node, "hidden", r.hidden, r.outputs)) return;
  if (r.state && !start_fits(context, node, "cell", r.state, r.units)) return;
  node->nweights = directions * DIRECTION_WEIGHTS;
  node->weight = NEW_ARRAY(context->arena, Weight *, node->nweights);
  for (int way = 0; way < directions; way++)
    if (!add_parameters(context, node, &r, way)) return;
  node->shape =
      r.last ? shape_vector(directions * r.outputs) : shape_sequence(r.rows, directions * r.outputs);
}

static int64_t core_macs(const Recurrent *r) {
  return r->rows * (r->gates * r->units * r->outputs + (r->project ? r->outputs * r->units : 0));
}

Cost recurrent_cost(const Node *node) {
  const Recurrent r = recurrent_direction(node, 0);
  return (Cost){.macs =
                    recurrent_directions(node) * (core_macs(&r) + r.rows * r.gates * r.units * r.channels)};
}

static Cost core_cost(const Node *node) { return (Cost){.macs = core_macs(recurrent_of(node))}; }

/* ---- the nodes that compute a layer ---- */
static const Box *part_box(const Node *node) { return node->detail; }
static void part_run(const Eval *eval) {
  box_cut(eval->in[0], shape_extent(eval->node->in[0]->shape), eval->out, shape_extent(eval->node->shape),
          *part_box(eval->node));
}
static void part_lower(Lower *l) { box_lower_cut(l, *part_box(l->node)); }
static void part_gradient(Gradient *gradient, Node *node, Node *dy) {
  if (gradient_wanted(gradient, node->in[0]))
    gradient_add(gradient, node->in[0],
                 box_gradient_place(gradient, node, dy, node->in[0]->shape, *part_box(node)));
}
static const Op op_part = {.name = "recurrent start",
                           .traits.layer_part = true,
                           .eval = part_run,
                           .gradient = part_gradient,
                           .lower = part_lower};

/* Conversion of regions to the rows of a sequence, and back. Regions are consecutive in memory, so no data
 * moves. */
static void regions_run(const Eval *eval) {
  const int64_t n = shape_row_elements(eval->node->shape);
  for (int64_t i = 0; i < n; i++) eval->out[i] = eval->in[0][eval->row * n + i];
}
static const Op op_regions = {.name = "rows input gradient", .family = FAMILY_ALIAS, .eval = regions_run};
static void rows_gradient(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_regions, node, 1, &dy);
}
static const Op op_rows = {.name = "recurrent rows",
                           .traits.layer_part = true,
                           .family = FAMILY_ALIAS,
                           .eval = reshape_eval,
                           .gradient = rows_gradient};

static int64_t rows_of_gate(const Node *part) { return recurrent_of(part)->units; }
static int64_t summed_bias(const Node *gates) { return recurrent_summed_bias(recurrent_of(gates)); }

static const Op op_gates_input = {.name = "gates input gradient",
                                  .family = FAMILY_CONV_SCATTER,
                                  .cost = correlation_cost,
                                  .eval = correlation_eval_spread,
                                  .lower = correlation_lower_spread};
static const Op op_gates_weights = {.name = "gates weight gradient",
                                    .family = FAMILY_CONV_WEIGHTS,
                                    .cost = correlation_cost,
                                    .eval = correlation_eval_weights,
                                    .lower = correlation_lower_weights};
static void gates_gradient(Gradient *gradient, Node *node, Node *dy) {
  correlation_backward(gradient, node, dy, &op_gates_input, &op_gates_weights);
}
static const Op op_gates = {.name = "recurrent gates",
                            .traits.layer_part = true,
                            .traits.matrix = true,
                            .traits.second_bias = summed_bias,
                            .traits.product = true,
                            .traits.scale_rows = rows_of_gate,
                            .family = FAMILY_CONV,
                            .cost = correlation_cost,
                            .eval = recurrent_eval_gates,
                            .gradient = gates_gradient,
                            .lower = correlation_lower_gather};

static const Op op_core = {.name = "recurrent core",
                           .traits.layer_part = true,
                           .traits.rounds_itself = true,
                           .cost = core_cost,
                           .eval = recurrent_eval_core,
                           .lower = recurrent_lower_core};
static const Op op_record = {.name = "recurrent record",
                             .traits.layer_part = true,
                             .traits.scale_rows = rows_of_gate,
                             .cost = core_cost,
                             .eval = recurrent_eval_record,
                             .lower = recurrent_lower_core};

/* ---- the backward pass ---- */
static const Op op_slopes = {.name = "recurrent slopes",
                             .cost = core_cost,
                             .eval = recurrent_eval_slopes,
                             .lower = recurrent_lower_slopes};
static const Op op_weights = {.name = "recurrent weight gradient",
                              .cost = core_cost,
                              .eval = recurrent_eval_weights,
                              .lower = recurrent_lower_weights};
static const Op op_projection = {
    .name = "projection weight gradient", .eval = recurrent_eval_weights, .lower = recurrent_lower_weights};

/* Returns a value with `channels` channels of the slopes, from channel `from` on, for all rows of the
 * sequence. */
static Node *slopes_part(Gradient *gradient, Node *record, Node *slopes, int64_t from, int64_t channels) {
  const Recurrent *r = recurrent_of(record);
  const Shape shape = shape_sequence(r->rows, channels);
  return shape_equal(shape, slopes->shape)
             ? slopes
             : box_gradient_cut(gradient, record, slopes, shape, (Box){0, 0, from});
}

static void start_gradients(Gradient *gradient, Node *record, Node *slopes) {
  const Recurrent *r = recurrent_of(record);
  if (r->hidden && gradient_wanted(gradient, record->in[r->hidden]))
    gradient_add(gradient, record->in[r->hidden],
                 box_gradient_cut(gradient, record, slopes, shape_vector(r->outputs), (Box){0, r->rows, 0}));
  if (r->state && gradient_wanted(gradient, record->in[r->state]))
    gradient_add(
        gradient, record->in[r->state],
        box_gradient_cut(gradient, record, slopes, shape_vector(r->units), (Box){0, r->rows, r->outputs}));
}

/* Appends the node that computes the slopes. Its inputs are dy, the record, the initial values and, if a
 * later call or segment reads c, the gradient of the final c. At this point, the record's gradient is the
 * gradient of the final c (see op_final_cell). */
static Node *make_slopes(Gradient *gradient, Node *record, Node *dy) {
  Node *in[5] = {dy, record}, *final = gradient_given(gradient, record);
  const Slopes to = recurrent_slopes(recurrent_of(record));
  int n = 1;
  for (int k = 1; k < record->nin; k++) in[++n] = record->in[k];
  if (final) in[++n] = final;
  return graph_hidden(gradient_graph(gradient), &op_slopes, record, shape_sequence(to.rows, to.width),
                      RESULT_SAMPLE, n + 1, in);
}

/* Gradient of the layer's value (a part of the record): appends the gradients of the core's inputs and
 * weights. */
static void value_gradient(Gradient *gradient, Node *node, Node *dy) {
  Node *record = node->in[0];
  const Recurrent *r = recurrent_of(record);
  const Slopes to = recurrent_slopes(r);
  if (!gradient_wanted(gradient, record)) return;
  Node *slopes = make_slopes(gradient, record, dy);
  Node *sums = slopes_part(gradient, record, slopes, 0, r->gates * r->units);
  if (gradient_wanted(gradient, record->in[0])) gradient_add(gradient, record->in[0], sums);
  start_gradients(gradient, record, slopes);
  Node *from[3] = {slopes, record, r->hidden ? record->in[r->hidden] : NULL};
  if (gradient_trained(gradient, record, CORE_WEIGHT))
    gradient_sum(gradient, &op_weights, record, CORE_WEIGHT, r->hidden ? 3 : 2, from);
  if (gradient_trained(gradient, record, CORE_PROJECTION))
    gradient_sum(gradient, &op_projection, record, CORE_PROJECTION, 2, from);
  if (!gradient_trained(gradient, record, CORE_BIAS)) return;
  if (r->cell == CELL_GRU && !r->before)
    sums = slopes_part(gradient, record, slopes, to.other, r->gates * r->units);
  gradient_sum(gradient, &op_channel_sum, record, CORE_BIAS, 1, &sums);
}

static int64_t value_from(const Node *node) { return part_box(node)->c; }
static const Op op_value = {.name = "recurrent value",
                            .traits.layer_part = true,
                            .traits.channel_slice = value_from,
                            .eval = part_run,
                            .gradient = value_gradient,
                            .lower = part_lower};
static const Op op_last = {.name = "recurrent last",
                           .traits.layer_part = true,
                           .eval = part_run,
                           .gradient = value_gradient,
                           .lower = part_lower};

/* The final h is the row of the value that is computed last. The final c is a part of the record, so its
 * gradient is added to the gradient of the record, where value_gradient reads it. value_gradient runs
 * later, because the backward pass reaches the value after the final c. value_gradient always runs, because
 * every node that reads c also reads h, and so the value has a gradient. */
static const Op op_final = {.name = "recurrent final",
                            .traits.layer_part = true,
                            .eval = part_run,
                            .gradient = part_gradient,
                            .lower = part_lower};
static void cell_gradient(Gradient *gradient, Node *node, Node *dy) {
  gradient_add(gradient, node->in[0], dy);
}
static const Op op_final_cell = {.name = "recurrent final",
                                 .traits.layer_part = true,
                                 .eval = part_run,
                                 .gradient = cell_gradient,
                                 .lower = part_lower};

/* ---- construction ---- */
static void set_weights(Graph *graph, Node *node, int n, Weight *const *weight) {
  Weight **own = NEW_ARRAY(graph->arena, Weight *, n);
  for (int k = 0; k < n; k++) own[k] = weight[k];
  node->nweights = n;
  node->weight = own;
}

/* Adds the weights that QAT needs: the switch, and for a core also the range of h if it is not fixed. */
static void add_rounding(Graph *graph, Node *node, const Recurrent *r, bool core) {
  if (!r->reads) return;
  rounding_add_switch(graph->arena, node, r->reads->aware);
  if (!core || !r->reads->range) return;
  Weight *all[CORE_RANGE + 1] = {[CORE_RANGE] = r->reads->range};
  for (int k = 0; k < CORE_RANGE; k++) all[k] = node->weight[k];
  set_weights(graph, node, CORE_RANGE + 1, all);
}

static Node *boxed_part(Graph *graph, const Node *layer, const Op *op, const char *suffix, Shape shape,
                        Node *from, Box at) {
  Node *node = graph_part(graph, layer, op, suffix, shape, 1, &from);
  Box *box = NEW(graph->arena, Box);
  *box = at;
  node->detail = box;
  return node;
}

Node *recurrent_rows(Graph *graph, const Node *layer, const Recurrent *r, Node *in) {
  if (!in->shape.regions) return in;
  return graph_part(graph, layer, &op_rows, "rows", shape_sequence(r->rows, r->channels), 1, &in);
}

Node *recurrent_gates(Graph *graph, const Node *layer, const Op *op, const Recurrent *r, int way,
                      Node *rows) {
  Node *gates = graph_part(graph, layer, op, way ? "gates_reverse" : "gates",
                           shape_sequence(r->rows, r->gates * r->units), 1, &rows);
  Window *window = NEW(graph->arena, Window);
  *window = (Window){{1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}, false, false, 1, 1};
  gates->window = window;
  return gates;
}

/* Input sums of the gates with which h and c stay zero in rows before row 0: in an lstm g is 0, in an rnn the
 * sum is 0, in a gru z is 1. */
static const double *idle_gates(Arena *arena, const Recurrent *r) {
  static const double ALL = 100; /* sigmoid(100) is 1 in floats and in double precision */
  double *gates = NEW_ARRAY(arena, double, r->gates * r->units);
  for (int64_t u = 0; u < r->units && r->cell == CELL_GRU; u++) gates[r->units + u] = ALL;
  return gates;
}

static Node *make_gates(Graph *graph, const Node *layer, const Recurrent *r, int way, Node *rows) {
  Node *gates = recurrent_gates(graph, layer, &op_gates, r, way, rows);
  gates->detail = r;
  set_weights(graph, gates, HIDDEN_BIAS + 1, layer->weight + way * DIRECTION_WEIGHTS);
  add_rounding(graph, gates, r, false);
  if (!r->calls) return gates;
  return stream_masked_channels(graph, gates, layer->in[r->calls], r->first.rows, r->first.offset,
                                idle_gates(graph->arena, r));
}

Node *recurrent_start(Graph *graph, const Node *layer, Node *given, int way, int64_t n, const char *suffix) {
  if (recurrent_directions(layer) == 1) return given;
  suffix = way ? arena_printf(graph->arena, "%s_reverse", suffix) : suffix;
  return boxed_part(graph, layer, &op_part, suffix, shape_vector(n), given, (Box){0, 0, way * n});
}

/* start: the initial h and c, if r has initial values. */
static Node *make_core(Graph *graph, const Node *layer, const Recurrent *r, int way, Node *gates,
                       Node *const start[2]) {
  const bool both = recurrent_directions(layer) == 2;
  const char *suffix = !both ? "" : way ? "reverse" : "forward";
  Weight *const *of = layer->weight + way * DIRECTION_WEIGHTS,
                *weight[CORE_WEIGHTS] = {of[HIDDEN_WEIGHT], of[HIDDEN_BIAS], of[PROJECTION]};
  const Record at = recurrent_value(r);
  const Shape shape = r->last ? shape_vector(r->outputs) : shape_sequence(r->rows, r->outputs);
  const bool whole = !r->records && at.width == r->outputs; /* the core's value is the layer's value */
  Node *in[3] = {gates};
  if (r->hidden) in[r->hidden] = start[0];
  if (r->state) in[r->state] = start[1];
  Node *core =
      graph_part(graph, layer, r->records ? &op_record : &op_core,
                 whole ? suffix
                 : way ? "record_reverse"
                       : "record",
                 whole ? shape : shape_sequence(r->rows, at.width), 1 + (r->hidden > 0) + (r->state > 0), in);
  core->detail = r;
  set_weights(graph, core, CORE_WEIGHTS, weight);
  add_rounding(graph, core, r, true);
  if (whole) return core;
  const int64_t last = recurrent_row(r, r->rows - 1);
  return boxed_part(graph, layer, r->last ? &op_last : &op_value, suffix, shape, core,
                    (Box){0, r->last ? last : 0, at.hidden});
}

static void initial_parts(Graph *graph, const Node *layer, const Recurrent *r, int way, Node *start[2]) {
  if (r->hidden) start[0] = recurrent_start(graph, layer, layer->in[r->hidden], way, r->outputs, "hidden");
  if (r->state) start[1] = recurrent_start(graph, layer, layer->in[r->state], way, r->units, "cell");
}

static Node *make_whole(Graph *graph, const Node *layer, const Recurrent *r, int way, Node *rows) {
  Node *gates = make_gates(graph, layer, r, way, rows), *start[2] = {NULL};
  initial_parts(graph, layer, r, way, start);
  return make_core(graph, layer, r, way, gates, start);
}

Node *recurrent_cut(Graph *graph, const Node *layer, Node *from, Shape shape, Box at) {
  return boxed_part(graph, layer, &op_part, "", shape, from, at);
}

Node *recurrent_final(Graph *graph, Node *layer, Node *value, bool cell) {
  if (value->op == &op_concat) value = value->in[value->nin - 1]; /* the last segment, direction=forward */
  const bool whole = value->op == &op_core;
  Node *core = whole ? value : value->in[0];
  const Recurrent *r = core->detail;
  const Record at = recurrent_value(r);
  if ((whole || (r->records && !cell)) && value->shape.rank == 1) return value;
  const int64_t last = recurrent_row(r, r->rows - 1);
  if (r->records)
    return boxed_part(graph, layer, cell ? &op_final_cell : &op_final, "",
                      shape_vector(cell ? r->units : r->outputs), cell ? core : value,
                      (Box){0, last, cell ? at.state : 0});
  return boxed_part(graph, layer, &op_last, "", shape_vector(cell ? r->units : r->outputs), core,
                    (Box){0, last, cell ? at.state : at.hidden});
}

static const Const *concat_arg(Arena *arena, const char *axis) {
  Const *arg = NEW_ARRAY(arena, Const, 3);
  arg[1] = (Const){.kind = CONST_WORD, .s = axis};
  return arg;
}

static Node *concat_part(Graph *graph, const Node *layer, const char *suffix, Shape shape, int n,
                         Node *const *part, const char *axis) {
  Node *join = graph_part(graph, layer, &op_concat, suffix, shape, n, part);
  join->arg = concat_arg(graph->arena, axis);
  return join;
}

Node *recurrent_join(Graph *graph, const Node *layer, Node *const part[2]) {
  return concat_part(graph, layer, "", layer->shape, 2, part, "channels");
}

Node *recurrent_stacked(Graph *graph, const Node *layer, Node *above, Node *below) {
  const Shape shape = shape_sequence(above->shape.dim[0] + below->shape.dim[0], below->shape.dim[1]);
  return concat_part(graph, layer, "kept", shape, 2, (Node *[]){above, below}, "length");
}

/* ---- segments ----
 * In training, a direction of many rows is computed in at most sqrt(rows) segments, each with its own gates
 * and record. A segment starts from the final h and c of the previous segment. So with --memory, only h and
 * c between segments are stored, and the backward pass recomputes one record after the other (Gruslys et
 * al., 2016, "Memory-Efficient Backpropagation Through Time"). Results have the same bits with and without
 * recomputation, because the segments depend on the number of rows alone. */
enum {
  LEAST_ROWS = 48,
  SHORT_ROWS = 24
}; /* minimum number of rows; LEAST_ROWS: of a sequence that is
      divided; SHORT_ROWS: of all segments but the last */

typedef struct Segments {
  int n, given;            /* given: number of segments with a gradient so far */
  Node **rows, **gradient; /* by position in the sequence: value of a segment; gradient of its input */
} Segments;
typedef struct Segment {
  Segments *all;
  int at;          /* position in the sequence */
  int64_t element; /* index of the segment's first element in the sequence */
} Segment;

static int64_t segment_element(const Node *node) { return ((const Segment *)node->detail)->element; }

static void segment_run(const Eval *eval) {
  memcpy(eval->out, eval->in[0] + segment_element(eval->node),
         (size_t)shape_elements(eval->node->shape) * sizeof *eval->out);
}

/* The gradient of the sequence is joined from the gradients of all its segments. */
static void segment_gradient(Gradient *gradient, Node *node, Node *dy) {
  const Segment *segment = node->detail;
  Segments *all = segment->all;
  Graph *graph = gradient_graph(gradient);
  all->gradient[segment->at] = dy;
  if (++all->given < all->n) return;
  Node *joined =
      graph_hidden(graph, &op_concat, node->in[0], node->in[0]->shape, RESULT_SAMPLE, all->n, all->gradient);
  joined->arg = concat_arg(graph->arena, "length");
  gradient_add(gradient, node->in[0], joined);
}

static const Op op_segment = {.name = "rows of a segment",
                              .traits.layer_part = true,
                              .traits.slice_offset = segment_element,
                              .eval = segment_run,
                              .gradient = segment_gradient};

static Node *segment_of(Graph *graph, const Node *layer, Node *rows, Segments *all, int at, int64_t first,
                        int64_t n) {
  const int64_t channels = shape_extent(rows->shape).c;
  Segment *segment = NEW(graph->arena, Segment);
  *segment = (Segment){all, at, first * channels};
  Node *node = graph_part(graph, layer, &op_segment, "segment", shape_sequence(n, channels), 1, &rows);
  node->detail = segment;
  return node;
}

/* Number of rows of a segment; if possible, it is the same for all segments, so that they share functions. */
static int64_t segment_rows(int64_t rows) {
  int64_t most = 1;
  while ((most + 1) * larger(most + 1, SHORT_ROWS) <= rows && most < MOST_INPUTS) most++;
  for (int64_t n = most; 3 * n > 2 * most; n--)
    if (rows % n == 0) return rows / n;
  return ceil_divide(rows, most);
}

/* Appends the segments of a direction in the order of their steps. Each segment directly follows its gates,
 * so the backward pass can recompute a record where it needs that record. */
static Node *make_segments(Graph *graph, Node *layer, const Recurrent *whole, int way, Node *rows) {
  const int64_t most = segment_rows(whole->rows), n = ceil_divide(whole->rows, most);
  Segments *all = NEW(graph->arena, Segments);
  *all = (Segments){.n = (int)n,
                    .rows = NEW_ARRAY(graph->arena, Node *, n),
                    .gradient = NEW_ARRAY(graph->arena, Node *, n)};
  Node *start[2] = {NULL}, *value = NULL;
  initial_parts(graph, layer, whole, way, start);
  for (int64_t k = 0; k < n; k++) {
    const int64_t first = k * most;
    Recurrent *r = NEW(graph->arena, Recurrent);
    *r = *whole;
    r->rows = smaller(most, whole->rows - first);
    r->hidden = start[0] ? 1 : 0;
    r->state = start[1] ? 1 + r->hidden : 0;
    const int at = (int)(r->reverse ? n - 1 - k : k);
    Node *part =
        segment_of(graph, layer, rows, all, at, r->reverse ? whole->rows - first - r->rows : first, r->rows);
    value = all->rows[at] = make_core(graph, layer, r, way, make_gates(graph, layer, r, way, part), start);
    if (k == n - 1) break;
    start[0] = recurrent_final(graph, layer, value, false);
    if (r->cell == CELL_LSTM) start[1] = recurrent_final(graph, layer, value, true);
  }
  if (whole->last) return value;
  return concat_part(graph, layer,
                     recurrent_directions(layer) == 1 ? ""
                     : way                            ? "reverse"
                                                      : "forward",
                     shape_sequence(whole->rows, whole->outputs), (int)n, all->rows, "length");
}

Node *recurrent_parts(Graph *graph, Node *layer, bool training) {
  Node *rows = layer->in[0], *made[2] = {NULL};
  const int directions = recurrent_directions(layer);
  for (int way = 0; way < directions; way++) {
    Recurrent *r = NEW(graph->arena, Recurrent);
    *r = recurrent_direction(layer, way);
    r->records = training;
    if (training && layer->rounds && layer->rounds->weights) r->reads = layer->rounds;
    rows = recurrent_rows(graph, layer, r, rows);
    if (training && graph->training && r->rows >= LEAST_ROWS)
      made[way] = make_segments(graph, layer, r, way, rows);
    else made[way] = make_whole(graph, layer, r, way, rows);
  }
  return directions == 2 ? recurrent_join(graph, layer, made) : made[0];
}
