/* match.c: Matching of arguments with parameters, for operators, blocks and settings. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "sema/context.h"
#include "ops/registry.h"

static int name_index(int n, const char *const *names, const char *name) {
  for (int i = 0; i < n; i++)
    if (strcmp(names[i], name) == 0) return i;
  return -1;
}

static const char *plural(int64_t n) { return n == 1 ? "" : "s"; }

static const char *arguments_text(Arena *arena, int n, const char *const *names) {
  Text text = {.arena = arena};
  for (int i = 0; i < n; i++) text_put(&text, "%s%s", i ? ", " : "", names[i]);
  return text.s;
}

static void arguments_help(Sema *s, Diag *diag, const char *kind, int n, const char *const *names) {
  if (n == 1) diag_help(diag, "the only argument of this %s is %s", kind, names[0]);
  else diag_help(diag, "the arguments of this %s are %s", kind, arguments_text(s->arena, n, names));
}

void argument_drop(Diag *diag, const Arguments *args, int which) {
  const Span here = args->list[which].span;
  if (args->n == 1 && args->given) {
    diag_fix(diag, args->span, "%s", "");
    return;
  }
  const uint32_t start = which ? args->list[which - 1].span.end : here.start;
  const uint32_t end = which || args->n == 1 ? here.end : args->list[1].span.start;
  diag_fix(diag, (Span){here.file, start, end}, "%s", "");
}

/* The operator named by activation=relu or activation="relu"; NULL: none. */
static const Op *activation_named(Sema *s, const Expr *e) {
  const bool word = e->kind == EXPR_PATH && e->nparts == 1;
  if (!word && e->kind != EXPR_STRING) return NULL;
  VEC(const char *) names = {0};
  for (int i = 0; op_table[i]; i++)
    if (strcmp(op_table[i]->group, "activation") == 0) vec_push(s->arena, names, op_table[i]->name);
  vec_push(s->arena, names, NULL);
  const char *meant = name_meant(s->arena, word ? e->part[0].s : e->s, names.data);
  return meant ? op_find(meant) : NULL;
}

static void activation_help(Sema *s, Diag *diag, const char *what, const Arguments *args, int which) {
  const Expr *value = args->list[which].value;
  const char *word = value->kind == EXPR_STRING                       ? value->s
                     : value->kind == EXPR_PATH && value->nparts == 1 ? value->part[0].s
                                                                      : "";
  if (strcmp(word, "None") == 0 || strcmp(word, "linear") == 0) {
    diag_help(diag, "%s applies no activation", what);
    argument_drop(diag, args, which);
    return;
  }
  const Op *op = activation_named(s, value);
  diag_help(diag, "an activation is a separate operator: %s(...) -> %s", what, op ? op->name : "relu");
  if (!op) return;
  argument_drop(diag, args, which);
  diag_fix(diag, (Span){args->span.file, args->span.end, args->span.end}, " -> %s", op->name);
}

/* Help for betas=[0.9, 0.999]. */
static void betas_help(Sema *s, Diag *diag, const Argument *given) {
  const Expr *e = given->value;
  diag_help(diag, "there are two arguments: beta1=0.9, beta2=0.999");
  if (e->kind != EXPR_LIST || e->n != 2) return;
  const char *text = sources_get(s->sources, given->span.file)->text;
  const Span a = e->items[0]->span, b = e->items[1]->span;
  diag_fix(diag, given->span, "beta1=%.*s, beta2=%.*s", (int)(a.end - a.start), text + a.start,
           (int)(b.end - b.start), text + b.start);
}

/* Whether an argument of another framework can be removed, because cnnc always behaves as if the argument had
 * this value. */
static bool is_default_value(Sema *s, const Argument *given) {
  const Expr *e = given->value;
  const bool minus = e->kind == EXPR_UNARY && e->op == OP_NEGATE;
  const Expr *number = minus ? e->a : e;
  const int64_t i = number->kind != EXPR_INT ? 0 : minus ? -number->i : number->i;
  if (name_is(s->arena, given->name.s, "axis")) return i == -1 || i == 3;
  if (name_is(s->arena, given->name.s, "dim")) return i == -1 || i == 1;
  if (name_is(s->arena, given->name.s, "startdim")) return i == 1;
  if (name_is(s->arena, given->name.s, "reduction"))
    return e->kind == EXPR_STRING && words_have("mean sum_over_batch_size", e->s);
  return true;
}

static void unknown_report(Sema *s, const Frame *frame, const char *what, const char *kind, int n,
                           const char *const *names, const Arguments *args, int which) {
  const Ident name = args->list[which].name;
  bool drop = false;
  const char *advice = name_advice(s->arena, ADVICE_ARGUMENT, name.s, &drop);
  VEC(const char *) list = {0};
  for (int i = 0; i < n; i++) vec_push(s->arena, list, names[i]);
  vec_push(s->arena, list, NULL);
  Diag *diag = diag_report(s->diags, DIAG_unknown_argument, name.span, frame->site, "%s has no argument '%s'",
                           what, name.s);
  const char *meant = name_meant(s->arena, name.s, list.data);
  if (name_is(s->arena, name.s, "activation") && strcmp(kind, "operator") == 0)
    activation_help(s, diag, what, args, which);
  else if (strcmp(name.s, "betas") == 0 && name_index(n, names, "beta2") >= 0)
    betas_help(s, diag, &args->list[which]);
  else if (strcmp(name.s, "beta") == 0 && name_index(n, names, "beta2") >= 0)
    diag_help(diag,
              "there are two betas: beta1 for the mean of gradients, beta2 for the mean of their squares");
  else if (strcmp(kind, "augmentation") == 0 && strcmp(name.s, "padding") == 0)
    diag_help(diag, "%s", name_advice(s->arena, ADVICE_AUGMENT, "randomcrop", NULL));
  else if (advice) diag_help(diag, "%s", advice);
  else if (meant) diag_meant(diag, name.span, name.s, meant);
  else if (words_have("weights frozen", name.s))
    diag_help(diag, "%s has no parameters to share or freeze", what);
  else if (n) arguments_help(s, diag, kind, n, names);
  else diag_help(diag, "it takes no arguments");
  if (drop && is_default_value(s, &args->list[which])) argument_drop(diag, args, which);
}

static void duplicate_report(Sema *s, const Frame *frame, const char *what, const char *name,
                             const Argument *again, const Argument *first) {
  Diag *diag = diag_report(s->diags, DIAG_duplicate_argument, again->span, frame->site,
                           "'%s' of %s is set twice", name, what);
  diag_note(diag, first->span,
            again->name.s && !first->name.s ? "the argument is set by position here"
                                            : "the first value is here");
}

Matched arguments_match(Sema *s, const Frame *frame, const char *what, const char *kind, int n,
                        const char *const *names, int first, int positional, int variadic,
                        const Arguments *args) {
  Matched m = {.slot = NEW_ARRAY(s->arena, const Argument *, n), .ok = true};
  VEC(const Argument *) rest = {0};
  int at = first;
  bool clean = true;
  m.ok = !damage_within(s, args->span.file, args->span.start,
                        args->span.end); /* after a syntax error, arguments may be missing */
  for (int i = 0; i < args->n && m.ok; i++) {
    const Argument *given = &args->list[i];
    if (!given->name.s && at == variadic) {
      vec_push(s->arena, rest, given);
    } else if (!given->name.s && at < positional) {
      m.slot[at++] = given;
    } else if (!given->name.s) {
      const char *most = positional ? arena_printf(s->arena, "at most %d", positional - first) : "no";
      Diag *diag = diag_report(s->diags, DIAG_too_many_arguments, given->span, frame->site,
                               "too many arguments: %s takes %s argument%s without a name", what, most,
                               plural(positional - first));
      if (positional) arguments_help(s, diag, kind, positional - first, names + first);
      else diag_help(diag, "remove this one");
      clean = false;
      break;
    } else {
      const int index = name_index(n, names, given->name.s);
      const Argument *before = index < 0 ? NULL : index == variadic && rest.n ? rest.data[0] : m.slot[index];
      if (index < 0) unknown_report(s, frame, what, kind, n, names, args, i);
      else if (before) duplicate_report(s, frame, what, names[index], given, before);
      else m.slot[index] = given;
      clean &= index >= 0 && !before;
    }
  }
  m.ok &= clean;
  m.nrest = rest.n;
  m.rest = rest.data;
  return m;
}

/* A word may be a choice, and a call may be a form such as normal(1), so only other expressions are
 * checked. */
void arguments_check(Sema *s, const Frame *frame, const Arguments *args) {
  for (int i = 0; i < args->n; i++)
    if (args->list[i].value->kind != EXPR_PATH && args->list[i].value->kind != EXPR_CALL)
      expr_eval(s, frame, args->list[i].value, NULL);
}
