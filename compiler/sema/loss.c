/* loss.c: the losses of a train block: which output each belongs to, and whether the two go together. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "sema/context.h"

typedef struct LossReading {
  Sema *s;
  const Frame *frame;
  Training *training;
} LossReading;

static const Op *loss_find(const char *name) {
  for (int i = 0; loss_table[i]; i++)
    if (strcmp(loss_table[i]->name, name) == 0) return loss_table[i];
  return NULL;
}

static const Op *loss_named(const LossReading *r, const char *name, Span span) {
  const Op *op = loss_find(name);
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

/* ---- which output ---- */

static int output_index(const Graph *graph, const char *name) {
  for (int i = 0; i < graph->outputs.n; i++)
    if (strcmp(graph->outputs.data[i].name, name) == 0) return i;
  return -1;
}

/* A first positional argument that is a bare word names an output, unless it is a constant. */
static bool names_output(const LossReading *r, const Arguments *args) {
  if (args->n == 0 || args->list[0].name.s || args->list[0].value->kind != EXPR_PATH ||
      args->list[0].value->nparts != 1)
    return false;
  const char *word = args->list[0].value->part[0].s;
  const Entry *entry = scope_find(r->frame->scope, word);
  return output_index(r->s->graph, word) >= 0 || !entry || entry->value.kind == CONST_VALUE;
}

static int output_unknown(const LossReading *r, Ident name) {
  VEC(const char *) names = {0};
  for (int i = 0; i < r->s->graph->outputs.n; i++)
    vec_push(r->s->arena, names, r->s->graph->outputs.data[i].name);
  vec_push(r->s->arena, names, NULL);
  Diag *diag =
      diag_report(r->s->diags, DIAG_unknown_name, name.span, NULL, "the net has no output '%s'", name.s);
  const char *meant = name_meant(r->s->arena, name.s, names.data);
  if (meant) name_suggest(r->s->arena, diag, name.span, name.s, meant);
  else if (names.n == 2) diag_help(diag, "its only output is '%s'", names.data[0]);
  else diag_help(diag, "output statements name them: output %s", name.s);
  return -1;
}

static int output_of(const LossReading *r, const Op *op, const Arguments *args, bool named, Span span) {
  const Graph *graph = r->s->graph;
  if (named) {
    const Ident name = args->list[0].value->part[0];
    const int index = output_index(graph, name.s);
    return index < 0 ? output_unknown(r, name) : index;
  }
  if (graph->outputs.n == 1) return 0;
  Diag *diag =
      diag_report(r->s->diags, DIAG_loss_mismatch, span, NULL,
                  "the net has %d outputs, and this loss does not say for which it is", graph->outputs.n);
  diag_help(diag, "name the output: %s(%s); several losses stand in a list", op->name,
            graph->outputs.n ? graph->outputs.data[0].name : "a");
  return -1;
}

/* ---- whether loss and output go together ---- */

/* The operator that lets no gradient through to any parameter before the value; NULL: there is none. */
static const Node *gradient_stopped_by(const LossReading *r, const Node *output) {
  const Graph *graph = r->s->graph;
  const Node *stops = NULL;
  bool *wanted = NEW_ARRAY(r->s->arena, bool, graph->nodes.n + 1);
  wanted[output->id] = true;
  for (int i = output->id; i >= 0; i--) {
    const Node *node = graph->nodes.data[i];
    if (!wanted[i]) continue;
    if (node->nweights) return NULL;
    if (!node->op->gradient && node->nin) stops = node;
    for (int k = 0; k < node->nin && node->op->gradient; k++) wanted[node->in[k]->id] = true;
  }
  return stops;
}

static bool gradient_reaches(const LossReading *r, const LossUse *use) {
  const Port *output = &r->s->graph->outputs.data[use->output];
  const Node *stops = gradient_stopped_by(r, output->node);
  if (!stops) return true;
  Diag *diag = diag_report(r->s->diags, DIAG_loss_mismatch, use->span, NULL,
                           "the loss of output '%s' trains nothing: no gradient passes %s", output->name,
                           stops->op->name);
  diag_note(diag, stops->span, "%s is here", stops->op->name);
  diag_help(diag, "give the loss what stands before %s as an output of its own", stops->op->name);
  return false;
}

static bool loss_fits(const LossReading *r, const LossUse *use) {
  const Loss *parts = loss_parts(use->op);
  Node *output = r->s->graph->outputs.data[use->output].node, *before = output;
  if (!output->shape.rank) return false;
  bool absorbs = false, absorbed = false;
  for (int i = 0; parts && i < 4 && parts->absorbs[i]; i++) {
    absorbs = true;
    absorbed |= output->op == parts->absorbs[i];
  }
  if (absorbed) before = output->in[0];
  Node loss = {.op = use->op, .name = "loss", .nin = 1, .in = &before, .arg = use->arg, .span = use->span};
  ShapeContext context = {.arena = r->s->arena, .graph = r->s->graph, .diags = r->s->diags};
  if (use->op->shape) use->op->shape(&context, &loss);
  if (use->op->shape && !loss.shape.rank) return false;
  const bool activation = output->op->group && strcmp(output->op->group, "activation") == 0;
  if (!absorbs || absorbed || !activation) return true;
  const char *takes = parts->absorbs[0]->name;
  const char *loss_name = use->op->name, *made_by = output->op->name,
             *name = r->s->graph->outputs.data[use->output].name;
  Diag *diag = output->op->softmax
                   ? diag_report(r->s->diags, DIAG_loss_mismatch, use->span, NULL,
                                 "%s does not go with the %s of output '%s'", loss_name, made_by, name)
                   : diag_report(r->s->diags, DIAG_activation_before_loss, use->span, NULL,
                                 "%s works on scores, and the %s of output '%s' cuts or squeezes them",
                                 loss_name, made_by, name);
  diag_note(diag, output->span, "the output is made by %s here", output->op->name);
  diag_help(diag, "end the net in a %s, or in the scores themselves", takes);
  return !output->op->softmax;
}

/* ---- one loss: name, name(...), with weight= and the output besides its own arguments ---- */

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

static double weight_of(const LossReading *r, const Op *op, const Argument *given) {
  static const Param param = {.name = "weight", .type = PARAM_NUMBER, .lo = 0, .hi = 1e9};
  if (!given) return 1;
  const Const value = expr_eval(r->s, r->frame, given->value, NULL),
              weight = param_convert(r->s, r->frame, op->name, &param, &value);
  return const_is_number(&weight) ? weight.f : 1;
}

static void loss_add(const LossReading *r, const Op *op, const Arguments *args, Span span) {
  Sema *s = r->s;
  const bool named = names_output(r, args);
  const Argument *weight;
  const Arguments own = own_arguments(r, args, named, &weight);
  const Bound bound = params_bind(s, r->frame, op->name, "loss", op->params, &own, span, 0, NULL);
  const LossUse use = {op, bound.arg, output_of(r, op, args, named, span), weight_of(r, op, weight), span};
  if (use.output < 0 || !bound.ok) return;
  for (int i = 0; i < r->training->losses.n; i++) {
    if (r->training->losses.data[i].output != use.output) continue;
    Diag *diag = diag_report(s->diags, DIAG_loss_mismatch, span, NULL, "output '%s' has a loss already",
                             s->graph->outputs.data[use.output].name);
    diag_note(diag, r->training->losses.data[i].span, "the first one is here");
    return;
  }
  if (!loss_fits(r, &use) || !gradient_reaches(r, &use)) return;
  if (!loss_parts(op)) not_built(s, r->training, span, arena_printf(s->arena, "loss %s", op->name));
  vec_push(s->arena, r->training->losses, use);
}

static void loss_read(const LossReading *r, const Expr *e) {
  static const Arguments none = {0};
  const Op *op = NULL;
  if (e->kind == EXPR_CALL) {
    if ((op = loss_named(r, e->callee.s, e->callee.span)) != NULL) loss_add(r, op, &e->args, e->span);
    return;
  }
  if (e->kind == EXPR_PATH && e->nparts == 1 &&
      (loss_find(e->part[0].s) || !scope_find(r->frame->scope, e->part[0].s))) {
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
    diag_report(s->diags, DIAG_missing_argument, e->span, NULL, "a net is trained by at least one loss");
  for (int i = 0; i < e->n; i++) loss_read(&r, e->items[i]);
}
