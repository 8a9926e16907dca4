/* summary.c: Table of layers, as text and JSON: one row per operator of the source. */
// SPDX-License-Identifier: Apache-2.0
#include "report/summary.h"
#include "graph/bf16.h"
#include "graph/contents.h"
#include "ops/registry.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "base/number.h"
#include "graph/op.h"
#include "passes/stream.h"

/* ---- receptive fields ---- */
#define FIELD_MOST (INT64_C(1) << 62)

/* The receptive field of an element of a value: a range of rows and columns of the net's input. all: the
 * field is the whole input; size: size of the field; jump: distance to the field of the next element; input:
 * size of the whole input. */
typedef struct Field {
  bool all;
  int64_t size[2];
  double jump[2];
  int64_t input[2];
} Field;

static Field field_input(const Node *node) {
  const Extent e = shape_extent(node->shape);
  return (Field){.size = {1, 1}, .jump = {1, 1}, .input = {e.h, e.w}};
}

/* Extends the field by the window of the layer. In a transposed convolution, the window is the range of
 * inputs that contribute to one output. */
static void field_window(Field *field, const Node *node) {
  const Window *w = node->window;
  for (int axis = 0; axis < 2; axis++) {
    const int64_t reach = w->dilation[axis] * (w->kernel[axis] - 1);
    const bool scatters = node->op->family == FAMILY_CONV_SCATTER;
    const double more = ceil((double)(scatters ? reach / w->stride[axis] : reach) * field->jump[axis]);
    const bool fits = (double)field->size[axis] + more < (double)FIELD_MOST;
    field->size[axis] = fits ? field->size[axis] + (int64_t)more : FIELD_MOST;
    if (scatters) field->jump[axis] /= (double)w->stride[axis];
    else field->jump[axis] *= (double)w->stride[axis];
  }
}

static void field_scaled(Field *field, const Node *node) {
  for (int axis = 0; axis < 2; axis++) {
    int64_t sees = 1;
    double jump = 1;
    node->op->traits.receptive_field(node, axis, &sees, &jump);
    const double size = (double)field->size[axis] + ceil((double)(sees - 1) * field->jump[axis]);
    field->size[axis] = size < (double)FIELD_MOST ? (int64_t)size : FIELD_MOST;
    field->jump[axis] *= jump;
  }
}

static Field field_of(const Node *node, const Field *fields) {
  if (node_is_input(node)) return field_input(node);
  if (node->op->source) return (Field){.jump = {1, 1}, .input = {FIELD_MOST, FIELD_MOST}};
  if (node->nin == 0) return (Field){.all = true};
  int first = 0; /* first operand that depends on the input */
  while (first + 1 < node->nin && node->in[first]->op->source) first++;
  Field field = fields[node->in[first]->id];
  for (int k = 0; k < node->nin; k++) {
    const Field *other = &fields[node->in[k]->id];
    field.all |= other->all;
    for (int axis = 0; axis < 2; axis++)
      if (other->size[axis] > field.size[axis]) field.size[axis] = other->size[axis];
  }
  if (node->window) field_window(&field, node);
  else if (node->op->traits.receptive_field) field_scaled(&field, node);
  else if (!node->op->traits.keeps_spatial && node->op->family != FAMILY_ALIAS) field.all = true;
  field.all |= field.size[0] >= field.input[0] && field.size[1] >= field.input[1];
  return field;
}

static const Field *fields_find(const Graph *graph) {
  Field *fields = NEW_ARRAY(graph->arena, Field, graph->nodes.n + 1);
  for (int i = 0; i < graph->nodes.n; i++) fields[i] = field_of(graph->nodes.data[i], fields);
  return fields;
}

/* ---- numbers of a layer ---- */

typedef struct Totals {
  int64_t parameters, parameter_bytes, trainable, frozen, statistics, macs, bytes;
  int products, rounded, halves; /* products: number of layers that multiply bf16 numbers; rounded: number of
                                    values stored as bf16; halves: number of layers with f16 weights */
} Totals;

static int64_t node_parameters(const Node *node) { /* a shared parameter counts only for its owner */
  int64_t n = node->op->cost ? node->op->cost(node).parameters : 0;
  for (int k = 0; k < node->nweights; k++)
    if (node->weight[k] && node->weight[k]->owner == node) n += node->weight[k]->size;
  return n;
}

static Elem stored_elem(const Node *node) { return node->rounded ? BF16 : node->elem; }
static int64_t node_bytes(const Node *node) {
  return elem_bytes(stored_elem(node)) * shape_elements(node->shape);
}
bool is_layer(const Node *node) { return !node_is_input(node) && !(node->kept && !node_is_state(node)); }

static Totals totals_of(const Graph *graph) {
  Totals t = {0};
  for (int i = 0; i < graph->weights.n; i++) {
    const Weight *weight = graph->weights.data[i];
    t.parameters += weight->size;
    t.parameter_bytes += weight_bytes(weight);
    *(weight->statistic ? &t.statistics : weight->frozen ? &t.frozen : &t.trainable) += weight->size;
  }
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (!is_layer(node)) continue;
    const Cost cost = node->op->cost ? node->op->cost(node) : (Cost){0};
    t.parameters += cost.parameters;
    t.parameter_bytes += cost.bytes;
    t.trainable += cost.parameters; /* int8 parameters, which were trainable before quantization */
    t.macs += node_macs(node);
    t.bytes += node_bytes(node);
    t.products += node_is_bf16(node);
    t.rounded += node->rounded;
    t.halves += node_weight_elem(node) == F16;
  }
  return t;
}

/* ---- the table ---- */

enum { LAYER, OPERATOR, SHAPE, PARAMETERS, MACS, FIELD, BYTES, ROWS, OFFSET, HISTORY, COLUMNS };
static const char *const heading[COLUMNS] = {
    "layer",           "operator",         "output shape", "parameters", "multiply-adds",
    "receptive field", "activation bytes", "rows a step",  "offset",     "history"};
static const bool to_the_right[COLUMNS] = {[PARAMETERS] = true, [MACS] = true, [FIELD] = true,
                                           [BYTES] = true,      [ROWS] = true, [OFFSET] = true,
                                           [HISTORY] = true};

/* The graph that the table shows. If `graph` computes one step (--stream, --slide), the table shows the graph
 * of the whole net. */
static const Graph *shown_graph(const Graph *graph) { return graph->stream ? graph->stream->whole : graph; }
static int columns_of(const Graph *graph) { return graph->stream ? COLUMNS : ROWS; }

typedef struct Row {
  const char *cell[COLUMNS];
} Row;

static const char *field_text(Arena *arena, const Field *field, const Node *node) {
  if (field->all) return "all";
  if (!field->size[1]) return "none";
  if (node->shape.rank == 2) return arena_printf(arena, "%" PRId64, field->size[1]);
  return arena_printf(arena, "%" PRId64 "x%" PRId64, field->size[0], field->size[1]);
}

static const char *count_text(Arena *arena, int64_t n) { return arena_printf(arena, "%" PRId64, n); }

static Row summary_row(Arena *arena, const Node *node, const Field *field, const Stream *stream) {
  const char *operator = node->op->name;
  if (node_is_bf16(node)) operator = arena_printf(arena, "%s bf16", operator);
  if (node_weight_elem(node) == F16) operator = arena_printf(arena, "%s f16w", operator);
  Row row = {{node->name, operator, shape_text(arena, node->shape),
              text_thousands(arena, node_parameters(node)), text_thousands(arena, node_macs(node)),
              field_text(arena, field, node), text_thousands(arena, node_bytes(node)), "", "", ""}};
  if (!stream) return row;
  const StreamLayer *layer = &stream->layer[node->id];
  row.cell[ROWS] = layer->flows ? count_text(arena, layer->rows) : "all";
  row.cell[OFFSET] = count_text(arena, layer->offset);
  row.cell[HISTORY] = arena_printf(arena, "%" PRId64 "%s", layer->history, layer->gathers ? " gather" : "");
  return row;
}

LayerNumbers *layer_numbers(Arena *arena, const Graph *graph) {
  const Field *fields = fields_find(graph);
  LayerNumbers *numbers = NEW_ARRAY(arena, LayerNumbers, graph->nodes.n + 1);
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (!is_layer(node)) continue;
    numbers[i] = (LayerNumbers){node_parameters(node), node_macs(node), node_bytes(node),
                                field_text(arena, &fields[i], node)};
  }
  return numbers;
}

static void row_put(Text *out, const Row *row, int columns, const int *width) {
  Text line = {.arena = out->arena};
  for (int c = 0; c < columns; c++)
    text_put(&line, to_the_right[c] ? "%s%*s" : "%s%-*s", c ? "  " : "", width[c], row->cell[c]);
  while (line.n && line.s[line.n - 1] == ' ') line.n--;
  text_bytes(out, line.s, line.n);
  text_bytes(out, "\n", 1);
}

static void rule_put(Text *out, int columns, const int *width) {
  int n = 2 * (columns - 1);
  for (int c = 0; c < columns; c++) n += width[c];
  for (int i = 0; i < n; i++) text_bytes(out, "-", 1);
  text_bytes(out, "\n", 1);
}

static void ports_put(Text *out, const Graph *graph) {
  text_put(out, "net %s:", graph->name);
  for (int i = 0; i < graph->inputs.n; i++) {
    const Port *port = &graph->inputs.data[i];
    text_put(out, "%s %s %s %s", i ? "," : "", port->name, shape_text(graph->arena, port->node->shape),
             elem_name(port->node->port->elem));
  }
  text_put(out, " ->");
  for (int i = 0; i < graph->outputs.n; i++) {
    const Port *port = &graph->outputs.data[i];
    const Elem elem = port->node->elem;
    text_put(out, "%s %s %s", i ? "," : "", port->name, shape_text(graph->arena, port->node->shape));
    if (elem != F32) text_put(out, " %s", elem_name(elem));
  }
  text_put(out, "\n");
}

static void stream_totals(Text *out, const Graph *graph, int64_t whole) {
  Arena *arena = graph->arena;
  const int64_t step = totals_of(graph).macs;
  int64_t late = 0;
  text_put(out, "%-27s%s", "multiply-adds a step", text_thousands(arena, step));
  if (graph->stream->window && step) text_put(out, ": 1/%.1f of the window's", (double)whole / (double)step);
  for (int o = 0; o < graph->outputs.n; o++)
    if (graph->stream->output[o].late > late) late = graph->stream->output[o].late;
  text_put(out, "\n%-27s%" PRId64 "\n", "rows late", late);
}

static void totals_put(Text *out, const Graph *graph) {
  Arena *arena = graph->arena;
  const Totals t = totals_of(shown_graph(graph));
  text_put(out, "parameters     %s (%s bytes)", text_thousands(arena, t.parameters),
           text_thousands(arena, t.parameter_bytes));
  if (t.trainable != t.parameters)
    text_put(out, ": %s trainable, %s frozen, %s statistics", text_thousands(arena, t.trainable),
             text_thousands(arena, t.frozen), text_thousands(arena, t.statistics));
  text_put(out, "\nmultiply-adds  %s\nactivations    %s bytes\n", text_thousands(arena, t.macs),
           text_thousands(arena, t.bytes));
  if (t.products)
    text_put(out, "bf16           layers with bf16 products: %d; values stored as bf16: %d\n", t.products,
             t.rounded);
  if (t.halves) text_put(out, "f16w           layers with weights in f16: %d\n", t.halves);
  if (graph->stream) stream_totals(out, graph, t.macs);
}

void graph_summary(Text *out, const Graph *of) {
  const Graph *graph = shown_graph(of);
  const Field *fields = fields_find(graph);
  const int columns = columns_of(of);
  VEC(Row) rows = {0};
  Row head;
  memcpy(head.cell, heading, sizeof heading);
  vec_push(graph->arena, rows, head);
  for (int i = 0; i < graph->nodes.n; i++)
    if (is_layer(graph->nodes.data[i]))
      vec_push(graph->arena, rows, summary_row(graph->arena, graph->nodes.data[i], &fields[i], of->stream));
  int width[COLUMNS] = {0};
  for (int r = 0; r < rows.n; r++)
    for (int c = 0; c < columns; c++)
      if ((int)strlen(rows.data[r].cell[c]) > width[c]) width[c] = (int)strlen(rows.data[r].cell[c]);
  ports_put(out, of);
  rule_put(out, columns, width);
  for (int r = 0; r < rows.n; r++) {
    row_put(out, &rows.data[r], columns, width);
    if (r == 0) rule_put(out, columns, width);
  }
  rule_put(out, columns, width);
  totals_put(out, of);
}

/* bound: a lower bound of `bytes`: the largest total size of values and scratch memory that are live at the
 * same time. */
static void memory_put(Text *out, const char *what, int64_t bytes, int64_t bound, const char *of) {
  const double above = 100. * (double)(bytes - bound) / (double)bound, remarkable = 2;
  text_put(out, "%-15s%s bytes, ", what, text_thousands(out->arena, bytes));
  if (bytes == bound) text_put(out, "the least possible%s\n", of);
  else
    text_put(out, "%.2f %% above the lower bound%s (%s)%s\n", above, of, text_thousands(out->arena, bound),
             above > remarkable ? ": no search found a layout without gaps" : "");
}

void graph_memory(Text *out, const SummarySizes *sizes) {
  if (sizes->state_bytes)
    text_put(out, "%-27s%s\n", "state bytes", text_thousands(out->arena, sizes->state_bytes));
  memory_put(out, "workspace", sizes->workspace_bytes, sizes->workspace_bound, "");
  if (sizes->bands_to)
    text_put(out, "%-15swith the layers up to %s in row bands, for --ram\n", "", sizes->bands_to);
  /* The lower bound only applies to plans that store the same values as this plan. Plans that store fewer
   * values may need less memory. */
  const char *of = sizes->training_most ? " for the stored values" : "";
  if (sizes->training_bytes >= 0)
    memory_put(out, "training", sizes->training_bytes, sizes->training_bound, of);
  if (sizes->training_most)
    text_put(out, "%-15slimit %s bytes: %.1f %% more multiply-adds, to recompute values\n", "",
             text_thousands(out->arena, sizes->training_most), 100 * sizes->recompute_overhead);
}

/* ---- JSON ---- */

static void json_name(Text *out, const char *key, const char *value) {
  text_put(out, "\"%s\": ", key);
  text_json(out, value);
}

static void json_sizes(Text *out, int n, const int64_t *size) {
  text_put(out, "[");
  for (int i = 0; i < n; i++) text_put(out, "%s%" PRId64, i ? ", " : "", size[i]);
  text_put(out, "]");
}

static void json_shape(Text *out, Shape shape) {
  int64_t size[4];
  int n = 0;
  if (shape.regions) size[n++] = shape.regions;
  for (int d = 0; d < shape.rank; d++) size[n++] = shape.dim[d];
  text_put(out, "\"shape\": ");
  json_sizes(out, n, size);
}

static void json_field(Text *out, const Field *field) {
  if (field->all) {
    text_put(out, "\"receptive_field\": null, \"jump\": null");
    return;
  }
  text_put(out, "\"receptive_field\": ");
  json_sizes(out, 2, field->size);
  text_put(out, ", \"jump\": [%s, %s]", text_double(out->arena, field->jump[0]),
           text_double(out->arena, field->jump[1]));
}

static void json_contents(Text *out, Contents contents) {
  text_put(out, ", \"contents\": \"%s\"", contents_name(contents.kind));
  if (contents.count) text_put(out, ", \"indices\": %" PRId64, contents.count);
}

static void json_ports(Text *out, const Graph *graph, const char *key, bool inputs) {
  const int n = inputs ? graph->inputs.n : graph->outputs.n;
  const Port *ports = inputs ? graph->inputs.data : graph->outputs.data;
  static const char *const forms[] = {
      [AS_FLOATS] = "f32", [AS_I8] = "i8", [AS_U8] = "u8", [AS_CLASS] = "class", [AS_I32] = "i32"};
  text_put(out, "  \"%s\": [", key);
  for (int i = 0; i < n; i++) {
    text_put(out, "%s\n    {", i ? "," : "");
    json_name(out, "name", ports[i].name);
    text_put(out, ", ");
    json_shape(out, ports[i].node->shape);
    text_put(out, ", ");
    json_name(out, inputs ? "type" : "layer",
              inputs ? elem_name(ports[i].node->port->elem) : ports[i].node->name);
    if (inputs && ports[i].node->port->chw) text_put(out, ", \"layout\": \"chw\"");
    if (inputs && ports[i].node->port->rate) text_put(out, ", \"rate\": %" PRId64, ports[i].node->port->rate);
    if (inputs) json_contents(out, graph_contents(graph, i));
    if (!inputs) text_put(out, ", \"as\": \"%s\"", forms[ports[i].as]);
    text_put(out, "}");
  }
  text_put(out, "%s],\n", n ? "\n  " : "");
}

/* ---- arguments, including defaults ---- */
static void json_value(Text *out, const Const *value);

static void json_items(Text *out, const Const *value) {
  text_put(out, "[");
  for (int i = 0; i < value->n; i++) {
    if (i) text_put(out, ", ");
    json_value(out, &value->items[i]);
  }
  text_put(out, "]");
}

static void json_value(Text *out, const Const *value) {
  switch (value->kind) {
  case CONST_INT: text_put(out, "%" PRId64, value->i); break;
  case CONST_FLOAT:
    text_put(out, "%s", isfinite(value->f) ? text_double(out->arena, value->f) : "null");
    break;
  case CONST_BOOL: text_put(out, value->i ? "true" : "false"); break;
  case CONST_STRING:
  case CONST_WORD: text_json(out, value->s); break;
  case CONST_DIMS:
  case CONST_LIST:
  case CONST_RANGE: json_items(out, value); break;
  case CONST_VALUE: text_json(out, value->node->name); break;
  case CONST_CALL:
    text_put(out, "{");
    json_name(out, "name", value->s);
    text_put(out, ", \"arguments\": ");
    json_items(out, value);
    text_put(out, "}");
    break;
  case CONST_NONE:
  case CONST_POISON: text_put(out, "null"); break;
  }
}

static void json_arguments(Text *out, const Node *node) {
  text_put(out, "\"arguments\": {");
  for (int i = 0; node->arg && node->op->params && node->op->params[i].name; i++) {
    text_put(out, i ? ", " : "");
    text_json(out, node->op->params[i].name);
    text_put(out, ": ");
    json_value(out, &node->arg[i]);
  }
  text_put(out, "}");
}

/* Writes the name of the layer whose weights the node shares, if the node shares weights. */
static void json_owner(Text *out, const Node *node) {
  if (!node->nweights || !node->weight[0] || node->weight[0]->owner == node) return;
  json_name(out, "weights", node->weight[0]->owner->name);
  text_put(out, ", ");
}

static void json_inputs(Text *out, const Node *node) {
  text_put(out, "\"inputs\": [");
  for (int k = 0; k < node->nin; k++) {
    text_put(out, k ? ", " : "");
    text_json(out, node->in[k]->name);
  }
  text_put(out, "], ");
}

/* Writes the source line of the layer, and the file if the layer is in an imported file. */
static void json_place(Text *out, SourcePlace place, bool imported) {
  text_put(out, ", ");
  if (imported) {
    json_name(out, "file", place.path);
    text_put(out, ", ");
  }
  text_put(out, "\"line\": %d, ", place.line);
}

/* If the program or an option sets the precision of the layer, writes the precision. If the stored values are
 * not f32, writes their type, and the scale and zero point if the values have these. */
static void json_elem(Text *out, const Node *node) {
  static const char *const names[] = {
      [PRECISION_F32] = "f32", [PRECISION_F16W] = NULL, [PRECISION_I8] = "i8", [PRECISION_I16] = "i16"};
  const char *given = node_is_bf16(node)                  ? "bf16"
                      : node_weight_elem(node) == F16     ? "f16w"
                      : node->precision == PRECISION_BF16 ? NULL
                                                          : names[node->precision];
  if (given) text_put(out, "\"precision\": \"%s\", ", given);
  if (stored_elem(node) == F32) return;
  json_name(out, "type", elem_name(stored_elem(node)));
  text_put(out, ", ");
  if (node->quant)
    text_put(out, "\"scale\": %s, \"zero\": %d, ", text_double(out->arena, (double)node->quant->scale),
             node->quant->zero);
}

static void json_layers(Text *out, const Sources *sources, const Graph *graph) {
  const Field *fields = fields_find(graph);
  const char *between = "";
  text_put(out, "  \"layers\": [");
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (!is_layer(node)) continue;
    text_put(out, "%s\n    {", between);
    json_name(out, "name", node->name);
    text_put(out, ", ");
    json_name(out, "operator", node->op->name);
    json_place(out, sources_place(sources, node->span.file, node->span.start), node->span.file != 1);
    json_shape(out, node->shape);
    text_put(out, ", \"parameters\": %" PRId64 ", \"macs\": %" PRId64 ", ", node_parameters(node),
             node_macs(node));
    json_field(out, &fields[i]);
    text_put(out, ", \"bytes\": %" PRId64 ", ", node_bytes(node));
    json_elem(out, node);
    json_owner(out, node);
    json_inputs(out, node);
    json_arguments(out, node);
    text_put(out, "}");
    between = ",";
  }
  text_put(out, "%s],\n", *between ? "\n  " : "");
}

static void json_weights(Text *out, const Graph *graph) {
  text_put(out, "  \"weights\": [");
  for (int i = 0; i < graph->weights.n; i++) {
    const Weight *weight = graph->weights.data[i];
    text_put(out, "%s\n    {", i ? "," : "");
    json_name(out, "name", weight->name);
    text_put(out, ", \"shape\": ");
    json_sizes(out, weight->rank, weight->dim);
    text_put(out, ", ");
    json_name(out, "layer", weight->owner->name);
    text_put(out, "}");
  }
  text_put(out, "%s],\n", graph->weights.n ? "\n  " : "");
}

/* If the net has states (for example with --stream or --slide): writes how many rows of each layer a call
 * computes. */
static void json_stream(Text *out, const Graph *graph, const SummarySizes *sizes) {
  const Graph *whole = shown_graph(graph);
  bool any = false;
  if (!sizes->state_bytes) return;
  text_put(out, "  \"stream\": {\"rows\": %" PRId64 ", \"state_bytes\": %" PRId64 ", \"layers\": [",
           larger(stream_rows(graph->inputs.data[0].node->shape), 1), sizes->state_bytes);
  for (int i = 0; i < whole->nodes.n; i++) {
    const Node *node = whole->nodes.data[i];
    StreamLayer layer = {.rows = larger(stream_rows(node->shape), 1)};
    if (!is_layer(node)) continue;
    if (graph->stream) layer = graph->stream->layer[i];
    text_put(out, "%s\n    {", any ? "," : "");
    any = true;
    json_name(out, "name", node->name);
    text_put(out, ", \"rows\": %" PRId64 ", \"offset\": %" PRId64 ", \"history\": %" PRId64 "%s}", layer.rows,
             layer.offset, layer.history, layer.gathers ? ", \"ring\": \"gather\"" : "");
  }
  text_put(out, "\n  ], \"macs_per_step\": %" PRId64 ", \"macs_whole\": %" PRId64 "},\n",
           totals_of(graph).macs, totals_of(whole).macs);
}

void graph_json(Text *out, const Sources *sources, const Graph *graph, const SummarySizes *sizes,
                const char *more) {
  const Totals t = totals_of(shown_graph(graph));
  text_put(out, "{\n  ");
  json_name(out, "net", graph->name);
  text_put(out, ",\n");
  json_ports(out, graph, "inputs", true);
  json_ports(out, graph, "outputs", false);
  json_layers(out, sources, shown_graph(graph));
  json_weights(out, graph);
  json_stream(out, graph, sizes);
  text_put(out,
           "  \"totals\": {\"parameters\": %" PRId64 ", \"trainable\": %" PRId64 ", \"statistics\": %" PRId64
           ", \"macs\": %" PRId64,
           t.parameters, t.trainable, t.statistics, t.macs);
  text_put(out,
           ", \"weights_bytes\": %" PRId64 ", \"workspace_bytes\": %" PRId64
           ", \"workspace_bound\": %" PRId64,
           t.parameter_bytes, sizes->workspace_bytes, sizes->workspace_bound);
  text_put(out,
           sizes->training_bytes < 0 ? ", \"training_bytes\": null}" : ", \"training_bytes\": %" PRId64 "}",
           sizes->training_bytes);
  text_put(out, *more ? ",\n  %s\n}\n" : "%s\n}\n", more);
}
