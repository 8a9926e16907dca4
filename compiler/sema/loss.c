/* loss.c: Losses of a train block: finds the output or value of each loss, and checks that this output or
 * value is compatible with the loss. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/number.h"
#include "sema/context.h"
#include "ops/registry.h"

typedef struct LossReading {
  Sema *s;
  const Frame *frame;
  Training *training;
} LossReading;

static const Op *find_loss(const char *name) {
  for (int i = 0; loss_table[i]; i++)
    if (strcmp(loss_table[i]->name, name) == 0) return loss_table[i];
  return NULL;
}

static const Op *loss_named(const LossReading *r, const char *name, Span span) {
  const Op *op = find_loss(name);
  if (op) return op;
  VEC(const char *) names = {0};
  Text all = {.arena = r->s->arena};
  for (int i = 0; loss_table[i]; i++) {
    vec_push(r->s->arena, names, loss_table[i]->name);
    if (loss_parts(loss_table[i])) text_put(&all, "%s%s", i ? " " : "", loss_table[i]->name);
  }
  vec_push(r->s->arena, names, NULL);
  Diag *diag = diag_report(r->s->diags, DIAG_unknown_choice, span, NULL, "there is no loss '%s'", name);
  const char *meant = name_meant(r->s->arena, name, names.data);
  const char *advice = name_advice(r->s->arena, ADVICE_LOSS, name, NULL);
  if (advice) diag_help(diag, "%s", advice);
  else if (meant) name_suggest(r->s->arena, diag, span, name, meant);
  else diag_help(diag, "the losses are %s", words_join(r->s->arena, all.s, "and"));
  return NULL;
}

/* ---- the output of a loss ---- */

static int output_index(const Graph *graph, const char *name) {
  for (int i = 0; i < graph->outputs.n; i++)
    if (strcmp(graph->outputs.data[i].name, name) == 0) return i;
  return -1;
}

/* Whether the first positional argument is a path that names an output or a value, or an unknown name; false
 * for a constant. */
static bool names_port(const LossReading *r, const Arguments *args) {
  if (args->n == 0 || args->list[0].name.s || args->list[0].value->kind != EXPR_PATH) return false;
  const char *word = args->list[0].value->part[0].s;
  const Entry *entry = scope_find(r->frame->scope, word);
  return output_index(r->s->graph, word) >= 0 || !entry || entry->value.kind == CONST_VALUE;
}

static int output_unknown(const LossReading *r, Ident name) {
  VEC(const char *) names = {0};
  for (int i = 0; i < r->s->graph->outputs.n; i++)
    vec_push(r->s->arena, names, r->s->graph->outputs.data[i].name);
  vec_push(r->s->arena, names, NULL);
  Diag *diag = diag_report(r->s->diags, DIAG_unknown_name, name.span, NULL,
                           "the net has no output or value '%s'", name.s);
  const char *meant = name_meant(r->s->arena, name.s, names.data);
  if (!meant) meant = name_meant(r->s->arena, name.s, names_visible(r->s, r->frame->scope));
  if (meant) name_suggest(r->s->arena, diag, name.span, name.s, meant);
  else if (names.n == 2) diag_help(diag, "its only output is '%s'", names.data[0]);
  else diag_help(diag, "name one of the net's outputs, or one of its values");
  return -1;
}

/* The port of a value: an output, or an element of graph->values, which is added if necessary. */
static int port_of(const LossReading *r, Node *node, const char *name, Span span) {
  Graph *graph = r->s->graph;
  for (int i = 0; i < graph_ports(graph); i++)
    if (graph_port(graph, i)->node == node && graph_port(graph, i)->as != AS_I32) return i;
  vec_push(r->s->arena, graph->values, ((Port){name, node, span, AS_FLOATS}));
  return graph_ports(graph) - 1;
}

static int port_named(const LossReading *r, const Expr *e) {
  if (e->nparts == 1 && output_index(r->s->graph, e->part[0].s) >= 0)
    return output_index(r->s->graph, e->part[0].s);
  if (e->nparts == 1 && !scope_find(r->frame->scope, e->part[0].s)) return output_unknown(r, e->part[0]);
  const Const value = path_eval(r->s, r->frame, e, false);
  if (value.kind != CONST_VALUE || !value.node->shape.rank) return -1;
  return port_of(r, value.node, path_text(r->s->arena, e, 0, e->nparts), e->span);
}

static int port_of_loss(const LossReading *r, const Op *op, const Arguments *args, bool named, Span span) {
  const Graph *graph = r->s->graph;
  if (named) return port_named(r, args->list[0].value);
  if (graph->outputs.n == 1) return 0;
  Diag *diag = diag_report(r->s->diags, DIAG_loss_mismatch, span, NULL,
                           "the net has %d outputs, but this loss does not name an output", graph->outputs.n);
  diag_help(diag, "name the output: %s(%s); put several losses in a list", op->name,
            graph->outputs.n ? graph->outputs.data[0].name : "a");
  return -1;
}

/* ---- compatibility of loss and output ---- */

/* The operator that blocks the gradient to all parameters before the value; NULL: there is none. */
static const Node *gradient_stopped_by(const LossReading *r, const Node *output, bool inside) {
  const Graph *graph = r->s->graph;
  const Node *stops = NULL;
  bool *wanted = NEW_ARRAY(r->s->arena, bool, graph->nodes.n + 1);
  wanted[output->id] = true;
  for (int i = output->id; i >= 0; i--) {
    const Node *node = graph->nodes.data[i];
    if (!wanted[i]) continue;
    if (node->nweights) return NULL;
    const bool passes = node->op->gradient || (inside && node == output);
    if (!passes && node->nin) stops = node;
    for (int k = 0; k < node->nin && passes; k++) wanted[node->in[k]->id] = true;
  }
  return stops;
}

static bool absorbs_output(const Loss *parts, const Node *output) {
  for (int i = 0; parts && i < 4 && parts->absorbs[i]; i++)
    if (output->op == parts->absorbs[i]) return true;
  return false;
}

static bool inside_of(const Loss *parts, const Node *output) {
  return parts && parts->inside && output->op == parts->inside;
}

/* Reports a loss of an output `as i32`, which is rounded and has no gradient. */
static bool loss_takes_floats(const LossReading *r, const LossUse *use) {
  const Port *whole = NULL;
  for (int i = -1; i < use->nmore && !whole; i++) {
    const Port *port = graph_port(r->s->graph, i < 0 ? use->port : use->more[i]);
    if (port->as == AS_I32) whole = port;
  }
  if (!whole) return true;
  Diag *diag = diag_report(r->s->diags, DIAG_loss_mismatch, use->span, NULL,
                           "the loss of output '%s' trains nothing: i32 has no gradient", whole->name);
  diag_note(diag, whole->span, "'%s' is i32 here", whole->name);
  diag_help(diag, "give the value another name for the loss: floats = ..., output %s = floats as i32",
            whole->name);
  return false;
}

static bool gradient_reaches(const LossReading *r, const LossUse *use) {
  const Port *output = graph_port(r->s->graph, use->port);
  const Loss *parts = loss_parts(use->op);
  const Node *stops = gradient_stopped_by(
      r, output->node, absorbs_output(parts, output->node) || inside_of(parts, output->node));
  if (!stops || stops_training(r->s, stops)) return true; /* check_front_end reports this error */
  Diag *diag = diag_report(r->s->diags, DIAG_loss_mismatch, use->span, NULL,
                           "the loss of output '%s' trains nothing: no gradient passes through %s",
                           output->name, stops->op->name);
  diag_note(diag, stops->span, "%s is here", stops->op->name);
  diag_help(diag, "add an output for the value before %s, and use it in the loss", stops->op->name);
  return false;
}

/* Stores the operands of a loss in `in`, and returns their number. */
static int operands_of(const LossReading *r, const LossUse *use, Node **in) {
  int n = loss_operands(loss_parts(use->op), graph_port(r->s->graph, use->port)->node, in);
  for (int i = 0; i < use->nmore; i++) in[n++] = graph_port(r->s->graph, use->more[i])->node;
  return n;
}

static bool loss_fits(const LossReading *r, const LossUse *use) {
  const Loss *parts = loss_parts(use->op);
  Node *output = graph_port(r->s->graph, use->port)->node;
  if (!output->shape.rank) return false;
  const bool absorbs = parts && parts->absorbs[0], absorbed = absorbs_output(parts, output);
  Node *in[MOST_INPUTS];
  const int nin = operands_of(r, use, in);
  const LossDetail detail = {.training = r->training,
                             .weight = use->weight,
                             .classes = shape_extent(in[0]->shape).c,
                             .scores = absorbed ? output->op->traits.scores : SCORES_NONE,
                             .made = output};
  Node loss = {.op = use->op,
               .name = "loss",
               .nin = nin,
               .in = in,
               .arg = use->arg,
               .span = use->span,
               .detail = &detail};
  ShapeContext context = {.arena = r->s->arena, .graph = r->s->graph, .diags = r->s->diags};
  if (inside_of(parts, output)) loss.hidden = hidden_of(r->s->arena, output);
  if (use->op->shape) use->op->shape(&context, &loss);
  if (use->op->shape && !loss.shape.rank) return false;
  const Node *made = node_computed_by(output);
  const bool activation = made->op->group && strcmp(made->op->group, "activation") == 0,
             mismatch = output->op->traits.softmax;
  if (!absorbs || absorbed || !activation) return true;
  const char *takes = parts->absorbs[0]->name;
  const char *loss_name = use->op->name, *made_by = made->op->name,
             *name = graph_port(r->s->graph, use->port)->name;
  Diag *diag = mismatch ? diag_report(r->s->diags, DIAG_loss_mismatch, use->span, NULL,
                                      "%s does not match the %s of output '%s'", loss_name, made_by, name)
                        : diag_report(r->s->diags, DIAG_activation_before_loss, use->span, NULL,
                                      "%s needs scores, but the %s of output '%s' clips or compresses them",
                                      loss_name, made_by, name);
  diag_note(diag, made->span, "%s produces the output here", made_by);
  diag_help(diag, "end the net with a %s, or with raw scores", takes);
  return !mismatch;
}

/* ---- a loss: name or name(...), with weight= and the output in addition to its own arguments ---- */

static Arguments own_arguments(const LossReading *r, const Arguments *args, bool named,
                               const Argument **weight) {
  VEC(Argument) own = {0};
  *weight = NULL;
  for (int i = named ? 1 : 0; i < args->n; i++) {
    const Argument *given = &args->list[i];
    if (given->name.s && strcmp(given->name.s, "weight") == 0 && !*weight) *weight = given;
    else vec_push(r->s->arena, own, *given);
  }
  Arguments rest = *args;
  rest.n = own.n;
  rest.list = own.data;
  return rest;
}

static double weight_of_loss(const LossReading *r, const Op *op, const Argument *given) {
  static const Param param = {.name = "weight", .type = PARAM_NUMBER, .lo = 0, .hi = 1e9};
  if (!given) return 1;
  const Const value = expr_eval(r->s, r->frame, given->value, NULL),
              weight = param_convert(r->s, r->frame, op->name, &param, &value);
  return const_is_number(&weight) ? weight.f : 1;
}

/* Sets the ports of the other values of a loss, such as deltas and boxes. */
static void extra_ports_read(const LossReading *r, LossUse *use, const Bound *bound) {
  use->nmore = bound->values.n;
  use->more = NEW_ARRAY(r->s->arena, int, bound->values.n + 1);
  for (int i = 0; i < bound->values.n; i++) {
    Node *node = bound->values.data[i];
    use->more[i] = port_of(r, node, node->name, use->span);
  }
}

/* Raises training->objects to the maximum number of objects of this loss. */
static void count_objects(Training *training, const LossUse *use) {
  const Node node = {.op = use->op, .arg = use->arg};
  const bool told = arg_const(&node, "most")->kind == CONST_INT;
  const int64_t most = told ? arg_int(&node, "most") : 64;
  training->objects = larger(training->objects, most);
  training->instances = training->instances || (loss_parts(use->op) && loss_parts(use->op)->instances);
}

static void loss_add(const LossReading *r, const Op *op, const Arguments *args, Span span) {
  Sema *s = r->s;
  const bool named = names_port(r, args);
  const Argument *weight;
  const Arguments own = own_arguments(r, args, named, &weight);
  const Bound bound = params_bind(s, r->frame, op->name, "loss", op->params, &own, span, 0, NULL);
  LossUse use = {.op = op,
                 .arg = bound.arg,
                 .port = port_of_loss(r, op, args, named, span),
                 .weight = weight_of_loss(r, op, weight),
                 .span = span};
  if (use.port < 0 || !bound.ok) return;
  extra_ports_read(r, &use, &bound);
  for (int i = 0; i < r->training->losses.n; i++) {
    if (r->training->losses.data[i].port != use.port) continue;
    Diag *diag = diag_report(s->diags, DIAG_loss_mismatch, span, NULL, "%s '%s' has a loss already",
                             use.port < s->graph->outputs.n ? "output" : "value",
                             graph_port(s->graph, use.port)->name);
    diag_note(diag, r->training->losses.data[i].span, "the first loss is here");
    diag_help(diag, "use another value in one of the two losses, or remove one of them");
    return;
  }
  if (!loss_takes_floats(r, &use) || !loss_fits(r, &use) || !gradient_reaches(r, &use)) return;
  vec_push(s->arena, r->training->losses, use);
  if (op->traits.object_target) count_objects(r->training, &use);
}

static void loss_read(const LossReading *r, const Expr *e) {
  static const Arguments none = {0};
  const Op *op = NULL;
  if (e->kind == EXPR_CALL) {
    if ((op = loss_named(r, e->callee.s, e->callee.span)) != NULL) loss_add(r, op, &e->args, e->span);
    return;
  }
  if (e->kind == EXPR_PATH && e->nparts == 1 &&
      (find_loss(e->part[0].s) || !scope_find(r->frame->scope, e->part[0].s))) {
    if ((op = loss_named(r, e->part[0].s, e->span)) != NULL) loss_add(r, op, &none, e->span);
    return;
  }
  const Const name = expr_eval(r->s, r->frame, e, NULL);
  if (name.kind == CONST_STRING && (op = loss_named(r, name.s, e->span)) != NULL)
    loss_add(r, op, &none, e->span);
  else if (name.kind != CONST_STRING && name.kind != CONST_POISON)
    diag_report(r->s->diags, DIAG_wrong_type, e->span, NULL,
                "a loss is a name, as in cross_entropy or huber(delta=2), but this is %s",
                const_describe(r->s->arena, &name));
}

void losses_read(Sema *s, const Frame *frame, const Expr *e, Training *training) {
  const LossReading r = {s, frame, training};
  if (e->kind != EXPR_LIST) return loss_read(&r, e);
  if (e->n == 0)
    diag_report(s->diags, DIAG_missing_argument, e->span, NULL, "training needs at least one loss");
  for (int i = 0; i < e->n; i++) loss_read(&r, e->items[i]);
}
