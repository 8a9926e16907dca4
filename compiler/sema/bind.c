/* bind.c: Binding of arguments to a parameter table: each parameter gets an argument of its type, or its
 * default value. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "sema/context.h"

const char *const extra_names[EXTRAS] = {"name", "precision", "weights", "frozen"};

int params_count(const Param *params) {
  int n = 0;
  while (params && params[n].name) n++;
  return n;
}

const Form *form_find(const Form *const *table, const char *name) {
  for (; *table; table++)
    if (strcmp((*table)->name, name) == 0) return *table;
  return NULL;
}

const char *const *form_names(Arena *arena, const Form *const *table) {
  VEC(const char *) names = {0};
  for (; *table; table++) vec_push(arena, names, (*table)->name);
  vec_push(arena, names, NULL);
  return names.data;
}

static bool takes_many(ParamType type) { return type == PARAM_OPERANDS || type == PARAM_VALUES; }

static bool takes_values(ParamType type) {
  return type == PARAM_VALUE || type == PARAM_OPERAND || takes_many(type);
}

static const char *choices_of(Arena *arena, const Param *p) {
  if (p->choices) return p->choices;
  if (p->type == PARAM_PAD) return "valid same causal";
  if (p->type == PARAM_INIT) return init_words(arena);
  return NULL;
}

Const argument_bind(Sema *s, const Frame *frame, const char *what, const Param *p, const Expr *e) {
  if (p->type == PARAM_INIT) {
    const Const init = init_eval(s, frame, what, p, e);
    return init.kind == CONST_POISON ? init : param_convert(s, frame, what, p, &init);
  }
  const Choices choices = {choices_of(s->arena, p), p->name, what, takes_values(p->type)};
  const Const value = expr_eval(s, frame, e, &choices);
  return value.kind == CONST_POISON ? value : param_convert(s, frame, what, p, &value);
}

/* The list for a variadic parameter: all remaining positional arguments, or the named argument; lists are
 * flattened. */
static Const many_bind(Sema *s, const Frame *frame, const char *what, const Param *p, const Matched *m,
                       const Argument *named, Span call) {
  VEC(Const) items = {0};
  for (int i = 0; i < m->nrest + (named != NULL); i++) {
    const Const given = expr_eval(s, frame, i < m->nrest ? m->rest[i]->value : named->value, &choices_values);
    if (given.kind != CONST_LIST) vec_push(s->arena, items, given);
    for (int k = 0; given.kind == CONST_LIST && k < given.n; k++) vec_push(s->arena, items, given.items[k]);
  }
  const Const list = {.kind = CONST_LIST,
                      .span = named           ? named->value->span
                              : m->nrest == 1 ? m->rest[0]->value->span
                                              : call,
                      .n = items.n,
                      .items = items.data,
                      .i = items.n};
  return param_convert(s, frame, what, p, &list);
}

static void missing_report(Sema *s, const Frame *frame, const char *what, const Param *params,
                           const Matched *m, Span call) {
  Text missing = {.arena = s->arena}, help = {.arena = s->arena};
  int n = 0;
  for (int i = 0; params[i].name; i++) {
    if (params[i].value || m->slot[i] || (takes_many(params[i].type) && m->nrest)) continue;
    text_put(&missing, "%s'%s'", n++ ? ", " : "", params[i].name);
    text_put(&help, "%s%s: %s", help.n ? "; " : "", params[i].name,
             params[i].help ? params[i].help : "required");
  }
  Diag *diag = diag_report(s->diags, DIAG_missing_argument, call, frame->site, "%s needs its argument%s %s",
                           what, n == 1 ? "" : "s", missing.s);
  diag_help(diag, "%s", help.s);
}

static void values_collect(Sema *s, Bound *bound, const Const *c) {
  if (c->kind == CONST_VALUE) vec_push(s->arena, bound->values, c->node);
  for (int i = 0; c->kind == CONST_LIST && i < c->n; i++) values_collect(s, bound, &c->items[i]);
}

/* Collects the arguments that are values of the net, in the order of the parameters. */
static void bind_values(Sema *s, Bound *bound, const Param *params, int n) {
  for (int i = 0; i < n; i++)
    if (takes_values(params[i].type)) values_collect(s, bound, &bound->arg[i]);
}

/* Whether the first parameter is an optional value (the scores of nms) and the first positional argument is a
 * number, which belongs to the next parameter. */
static bool skips_parameter(Sema *s, const Frame *frame, const Param *params, const Arguments *args,
                            Const *given) {
  if (!params || !params->name || params->type != PARAM_VALUE || !params->value || !args->n ||
      args->list[0].name.s)
    return false;
  *given = expr_eval(s, frame, args->list[0].value, &choices_values);
  return given->kind != CONST_VALUE && given->kind != CONST_POISON;
}

Bound params_bind(Sema *s, const Frame *frame, const char *what, const char *kind, const Param *params,
                  const Arguments *args, Span call, int nextras, Extras *extras) {
  const int n = params_count(params);
  const char **names = NEW_ARRAY(s->arena, const char *, n + EXTRAS);
  int variadic = -1, all = n;
  for (int i = 0; i < n; i++) {
    names[i] = params[i].name;
    if (takes_many(params[i].type)) variadic = i;
  }
  for (int i = 0; i < nextras; i++) names[all++] = extra_names[i];
  Const given = {0};
  const int first = skips_parameter(s, frame, params, args, &given);
  const Matched m = arguments_match(s, frame, what, kind, all, names, first, n, variadic, args);
  if (extras)
    *extras = (Extras){nextras > 0 ? m.slot[n] : NULL, nextras > 1 ? m.slot[n + 1] : NULL,
                       nextras > 2 ? m.slot[n + 2] : NULL, nextras > 3 ? m.slot[n + 3] : NULL};

  Bound bound = {.arg = NEW_ARRAY(s->arena, Const, n), .ok = m.ok};
  bool missing = false;
  for (int i = 0; i < n; i++) {
    if (i == variadic && (m.nrest || m.slot[i]))
      bound.arg[i] = many_bind(s, frame, what, &params[i], &m, m.slot[i], call);
    else if (i == 0 && m.slot[0] && given.kind == CONST_POISON) bound.arg[0] = given;
    else if (m.slot[i]) bound.arg[i] = argument_bind(s, frame, what, &params[i], m.slot[i]->value);
    else missing |= !params[i].value;
  }
  if (missing && m.ok) missing_report(s, frame, what, params, &m, call);
  for (int i = 0; i < n; i++)
    if (bound.arg[i].kind == CONST_NONE && params[i].value)
      bound.arg[i] = param_default(s, what, &params[i], params, bound.arg);
  for (int i = 0; i < n; i++) bound.ok &= bound.arg[i].kind != CONST_POISON;
  bound.ok &= !missing;
  if (bound.ok) bind_values(s, &bound, params, n);
  return bound;
}

Bound form_bind(Sema *s, const Frame *frame, const char *kind, const Form *form, const Arguments *args,
                Span span) {
  return params_bind(s, frame, form->name, kind, form->params, args, span, 0, NULL);
}
