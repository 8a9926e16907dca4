/* net_block.c: The net block: inputs, outputs, and checks of the complete net. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "autodiff/forward.h"
#include "graph/bf16.h"
#include "graph/shape.h"
#include "quantize/calibrate.h"
#include "sema/context.h"
#include "ops/registry.h"

/* ---- inputs ---- */

static const Param shape_param = {.name = "shape", .type = PARAM_SHAPE};
static const Param input_params[] = {
    {"layout", PARAM_CHOICE, "hwc", "layout of the caller's buffer", 0, 0, "hwc chw"},
    {"rate", PARAM_INT, "", "sampling rate of sound, in samples per second", 0, 0, NULL},
    {0}};

static Shape shape_eval(Sema *s, const Frame *frame, const Stmt *stmt) {
  const Const given = expr_eval(s, frame, stmt->value, NULL);
  if ((given.kind == CONST_LIST || given.kind == CONST_DIMS) && given.n > 3) {
    Diag *diag = diag_report(s->diags, DIAG_wrong_type, stmt->value->span, frame->site,
                             "a shape has at most three dimensions, but this has %d", given.n);
    diag_help(diag, "height x width x channels, length x channels, or one size; the batch is not a dimension "
                    "of the program (--batch)");
    return POISON;
  }
  const Const dims = param_convert(s, frame, "the input", &shape_param, &given);
  if (dims.kind != CONST_DIMS) return POISON;
  Shape shape = {.rank = dims.n};
  int64_t elements = 1;
  bool fits = true;
  for (int d = 0; d < dims.n; d++) {
    shape.dim[d] = dims.items[d].i;
    fits = fits && size_multiply(elements, shape.dim[d], &elements) && elements <= SHAPE_MOST_ELEMENTS;
  }
  if (fits) return shape;
  diag_report(s->diags, DIAG_too_large, stmt->value->span, frame->site,
              "the input %s, %s, has more than 2147483647 elements", stmt->name.s,
              shape_text(s->arena, shape));
  return POISON;
}

/* Index of a type's name in `names`; names[0] is the default. */
static int type_index(Sema *s, const Frame *frame, Ident type, const char *const *names, const char *what,
                      const char *list) {
  if (!type.s) return 0;
  for (int i = 0; names[i]; i++)
    if (strcmp(type.s, names[i]) == 0) return i;
  Diag *diag = diag_report(s->diags, DIAG_unknown_choice, type.span, frame->site, "'%s' is not a type of %s",
                           type.s, what);
  const char *meant = name_meant(s->arena, type.s, names);
  if (meant) name_suggest(s->arena, diag, type.span, type.s, meant);
  else diag_help(diag, "the types are f32 (the default), %s", list);
  return 0;
}

static Elem type_eval(Sema *s, const Frame *frame, Ident type) {
  static const char *const names[] = {"f32", "u8", "i8", "i16", "i32", NULL};
  static const Elem types[] = {F32, U8, I8, I16, I32};
  return types[type_index(s, frame, type, names, "inputs", "u8, i8, i16 and i32")];
}

static PortAs output_type_eval(Sema *s, const Frame *frame, Ident type) {
  static const char *const names[] = {"f32", "i8", "u8", "class", "i32", NULL};
  return (PortAs)type_index(s, frame, type, names, "outputs", "i8, u8, i32 and class");
}

void input_make(Sema *s, const Frame *frame, const Stmt *stmt) {
  Node *node = graph_port_node(s->graph, &op_input, (PortInfo){.index = s->graph->inputs.n});
  node->name = stmt->name.s;
  node->span = stmt->span;
  node->shape = shape_eval(s, frame, stmt);
  lint_input(s, stmt, node->shape);
  node->port->elem = type_eval(s, frame, stmt->type);
  const Bound bound = params_bind(s, frame, "input", "input", input_params, &stmt->args, stmt->span, 0, NULL);
  node->port->chw = bound.ok && strcmp(bound.arg[0].s, "chw") == 0;
  if (bound.ok && bound.arg[1].kind == CONST_INT) node->port->rate = bound.arg[1].i;
  if (node->shape.rank) s->bytes += 4.0 * (double)shape_elements(node->shape);
  vec_push(s->arena, s->graph->inputs, ((Port){node->name, node, stmt->name.span, AS_FLOATS}));
  static const Origin plain = {0};
  const Const value = const_value(stmt->name.span, node, &plain);
  scope_define(s, frame->scope, ENTRY_INPUT, stmt->name, value, frame->site);
  if (s->current.kind != CONST_NONE) return;
  s->current = const_value(stmt->name.span, node, NULL);
  frame->scope->in = s->current;
}

/* ---- outputs ---- */

static void output_add(Sema *s, Ident name, Node *node, PortAs as) {
  for (int i = 0; i < s->graph->outputs.n; i++) {
    const Port *before = &s->graph->outputs.data[i];
    if (strcmp(before->name, name.s) != 0) continue;
    Diag *diag =
        diag_report(s->diags, DIAG_duplicate_name, name.span, NULL, "there are two outputs '%s'", name.s);
    diag_note(diag, before->span, "the first output is here");
    return;
  }
  vec_push(s->arena, s->graph->outputs, ((Port){name.s, node, name.span, as}));
}

void output_make(Sema *s, const Frame *frame, const Stmt *stmt) {
  if (s->output) {
    Diag *diag =
        diag_report(s->diags, DIAG_duplicate_statement, stmt->span, frame->site, "a second output statement");
    diag_note(diag, s->output->span, "the first output statement is here");
    diag_help(diag, "an output statement can name several outputs: output a, b");
    return;
  }
  s->output = stmt;
  for (int i = 0; i < stmt->noutputs; i++) {
    const OutputItem *item = &stmt->output[i];
    const Expr path = {.kind = EXPR_PATH, .span = item->name.span, .nparts = 1, .part = &item->name};
    const Expr *read = item->value ? item->value : &path;
    Const value = path_eval(s, frame, read, false);
    if (value.kind != CONST_VALUE && value.kind != CONST_POISON)
      diag_report(s->diags, DIAG_wrong_type, read->span, frame->site,
                  "an output is a value of the net, but this is %s", const_describe(s->arena, &value));
    if (value.kind != CONST_VALUE) value = value_poison(s, read->span);
    output_add(s, item->name, value.node, output_type_eval(s, frame, item->type));
  }
}

/* ---- the net ---- */

/* Moves inputs to the start of the graph. */
static void inputs_first(Graph *graph, Arena *arena) {
  Node **order = NEW_ARRAY(arena, Node *, graph->nodes.n);
  int n = 0;
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < graph->nodes.n; i++)
      if (node_is_input(graph->nodes.data[i]) == (pass == 0)) order[n++] = graph->nodes.data[i];
  for (int i = 0; i < n; i++) {
    graph->nodes.data[i] = order[i];
    order[i]->id = i;
  }
}

/* Adds the states of layers with keep=true; the program does not declare these states. */
static void states_keep(Graph *graph) {
  const int n = graph->nodes.n;
  Node **node = graph->nodes.data;
  graph->nodes.data = NULL;
  graph->nodes.n = graph->nodes.room = 0;
  for (int i = 0; i < n; i++)
    if (node[i]->op->keep && arg_bool(node[i], "keep")) node[i]->op->keep(graph, node[i], NULL, 0, 0);
    else graph_append(graph, node[i]);
  for (int i = 0, states = 0; i < graph->nodes.n; i++)
    if (node_is_state(graph->nodes.data[i])) graph->nodes.data[i]->port->index = states++;
}

static void outputs_finish(Sema *s, const NetDecl *net) {
  Graph *graph = s->graph;
  if (graph->inputs.n == 0) {
    if (s->no_input_reported) return;
    Diag *diag =
        diag_report(s->diags, DIAG_no_input, net->name.span, NULL, "net %s has no input", net->name.s);
    diag_help(diag, "declare it first: input image: 28x28x1");
    return;
  }
  if (!s->output && s->current.kind == CONST_VALUE)
    output_add(s, (Ident){"output", s->current.span}, s->current.node, AS_FLOATS);
  bool computes = false;
  for (int i = 0; i < graph->outputs.n; i++) {
    const Port *output = &graph->outputs.data[i];
    computes |= !node_is_input(output->node) ||
                strcmp(output->node->name, output->name) == 0; /* names_check reports equal names */
  }
  if (computes || diags_mistakes(s->diags)) return;
  Diag *diag = diag_report(s->diags, DIAG_empty_net, net->name.span, NULL,
                           "net %s computes nothing: its output is its input", net->name.s);
  diag_help(diag, "apply an operator, as in dense(10)");
}

/* Adds the conversions of outputs `as i32`. */
static void integer_outputs_convert(Graph *graph) {
  for (int i = 0; i < graph->outputs.n; i++) {
    Port *port = &graph->outputs.data[i];
    if (port->as != AS_I32 || !port->node->shape.rank) continue;
    port->node = graph_part(graph, port->node, &op_whole, "whole", port->node->shape, 1, &port->node);
    port->node->elem = I32;
    port->node->port = NULL;
    port->node->kept = true;
  }
}

/* Nets that detect objects may have other shapes in training. Builds the training graph in order to report
 * the layers that do not accept the shapes in training. */
static void training_check(Sema *s) {
  const Graph *graph = s->graph;
  if (!graph->training || !graph->training->objects || diags_mistakes(s->diags)) return;
  graph_forward(s->arena, graph, s->diags);
}

/* The argument precision= of a net, which is the default of its layers. */
static Precision precision_given(Sema *s, const Frame *frame, const NetDecl *net) {
  static const char *const names[] = {"precision"};
  if (!net->args.given) return frame->naming->precision;
  const Matched matched = arguments_match(s, frame, net->name.s, "net", 1, names, 0, 0, -1, &net->args);
  return precision_eval(s, frame, net->name.s, matched.slot[0]);
}

void net_build(Sema *s, const Scope *file, int order, const NetDecl *net) {
  s->graph->name = net->name.s;
  s->graph->name_span = net->name.span;
  Scope *scope = scope_new(s, file, net->body);
  scope->limit = order;
  Naming naming = {.prefix = "", .precision = s->options ? s->options->precision : PRECISION_GIVEN};
  Frame frame = {.scope = scope, .naming = &naming, .rounds = "", .net = true};
  naming.precision = precision_given(s, &frame, net);
  body_expand(s, &frame, net->body);
  if (s->stopped) return;
  outputs_finish(s, net);
  check_states(s);
  labels_check(s);
  if (s->train) {
    Scope *visible =
        scope_new(s, scope, NULL); /* visible in the train block: names above it, and all outputs */
    visible->limit = s->train_order;
    frame.scope = visible;
    train_read(s, &frame, s->train);
  }
  if (!diags_errors(s->diags)) states_keep(s->graph);
  integer_outputs_convert(s->graph);
  inputs_first(s->graph, s->arena);
  check_front_end(s);
  if (s->graph->training && s->graph->training->aware && !diags_errors(s->diags) &&
      !bf16_refused(s->diags, DIAG_bad_value, s->graph, "quantize trains for an int8 model"))
    aware_prepare(s->graph);
  graph_layout_weights(s->graph);
  if (!diags_errors(s->diags)) bf16_mark(s->arena, s->graph, 0, NULL);
  names_check(s);
  training_check(s);
}
