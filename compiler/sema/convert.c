/* convert.c: Conversion of a constant to a parameter's type, and errors about wrong types. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sema/context.h"
#include "ops/registry.h"

#define LARGEST_SIZE 2147483647

typedef struct Want {
  Sema *s;
  const Frame *frame;
  const char *what;
  const Param *p;
} Want;

/* ---- messages ---- */

static const char *range_text(Arena *arena, const Param *p) {
  if (p->lo >= p->hi) return p->type == PARAM_INT ? "a positive integer" : "a number";
  const char *kind = p->type == PARAM_INT ? "an integer" : "a number";
  if (p->hi >= 1e15 && p->lo == 0)
    return p->type == PARAM_INT ? "a non-negative integer" : "a non-negative number";
  if (p->hi >= 1e15) return arena_printf(arena, "%s from %s", kind, text_double(arena, p->lo));
  return arena_printf(arena, "%s from %s to %s", kind, text_double(arena, p->lo), text_double(arena, p->hi));
}

static const char *wanted_text(Arena *arena, const Param *p) {
  switch (p->type) {
  case PARAM_INT:
  case PARAM_NUMBER: return range_text(arena, p);
  case PARAM_BOOL: return "true or false";
  case PARAM_STRING: return "a string";
  case PARAM_WINDOW: return "a size: N, HxW or [h, w]";
  case PARAM_PAD: return "valid, same, causal, a number, [h, w] or [top, bottom, left, right]";
  case PARAM_BORDER: return "a number, [h, w] or [top, bottom, left, right]";
  case PARAM_REACH: return "a number or [before, after]";
  case PARAM_CHOICE: return words_join(arena, p->choices, "or");
  case PARAM_INIT:
    return arena_printf(arena, "%s, a number or a literal kernel", words_join(arena, init_words(arena), ""));
  case PARAM_CHANNELS: return "a number, or a list with one for each channel";
  case PARAM_NUMBERS: return "a number, or a list of numbers";
  case PARAM_SHAPE: return "a shape: 7x7x64, a number or a list of at most 3 numbers";
  case PARAM_RANGE: return "a range, as in 0..3";
  case PARAM_LIST: return "a list";
  case PARAM_VALUE: return "a value of the net";
  case PARAM_OPERAND:
  case PARAM_OPERANDS: return "a value of the net or a number";
  case PARAM_VALUES: return "values of the net";
  }
  return "";
}

/* Help for flatten(1), where 1 is PyTorch's start_dim. */
static void start_help(const Want *w, Diag *diag, const Const *c) {
  const Call *call = w->s->applying;
  int64_t i;
  if (!call || strcmp(w->what, "flatten") != 0 || !const_as_int(c, &i) || i != 1) return;
  diag_help(diag, "flatten has no argument for the first axis: write flatten");
  for (int k = 0; k < call->args.n; k++)
    if (call->args.list[k].value->span.start == c->span.start) argument_drop(diag, &call->args, k);
}

static Const wrong_type(const Want *w, const Const *c) {
  Arena *arena = w->s->arena;
  const char *wanted = wanted_text(arena, w->p);
  if (w->p->choices && w->p->type != PARAM_CHOICE)
    wanted = arena_printf(arena, "%s, or %s", wanted, words_join(arena, w->p->choices, "or"));
  Diag *diag = diag_report(w->s->diags, DIAG_wrong_type, c->span, w->frame->site,
                           "'%s' of %s takes %s, but this is %s", w->p->name, w->what, wanted,
                           const_describe(arena, c));
  start_help(w, diag, c);
  if (c->kind == CONST_STRING && w->p->type == PARAM_INIT)
    diag_help(diag, "--help %s lists the choices", w->what);
  return const_poison(c->span);
}

/* Help for reshape(-1). */
static void flatten_help(const Want *w, Diag *diag, const Const *c) {
  const Call *call = w->s->applying;
  int64_t i;
  const Const *all = c->kind == CONST_LIST && c->n == 1 ? &c->items[0] : c;
  if (!call || w->p->type != PARAM_SHAPE || !const_as_int(all, &i) || i != -1) return;
  diag_help(diag, "flatten makes a vector of all elements");
  if (strcmp(w->what, "reshape") == 0 && call->args.n == 1) diag_fix(diag, call->span, "flatten");
}

/* Help for batchnorm(16), where 16 is PyTorch's num_features. */
static void channels_help(const Want *w, Diag *diag, const Const *c) {
  const Call *call = w->s->applying;
  const Shape *in = call && w->s->applied_to ? &w->s->applied_to->shape : NULL;
  int64_t i;
  if (!in || !in->rank || !const_as_int(c, &i) || i != in->dim[in->rank - 1]) return;
  for (int k = 0; k < call->args.n; k++) {
    const Argument *given = &call->args.list[k];
    if (given->name.s || given->value->span.start != c->span.start || given->value->span.file != c->span.file)
      continue;
    diag_help(diag, "the input size is inferred, so it is not written: %s", w->what);
    argument_drop(diag, &call->args, k);
  }
}

static Const report_bad_value(const Want *w, DiagId id, const Const *c, const char *must) {
  Diag *diag = diag_report(w->s->diags, id, c->span, w->frame->site, "'%s' of %s is %s, but must be %s",
                           w->p->name, w->what, const_text(w->s->arena, c), must);
  channels_help(w, diag, c);
  flatten_help(w, diag, c);
  return const_poison(c->span);
}

static Const too_large(const Want *w, const Const *c) {
  diag_report(w->s->diags, DIAG_too_large, c->span, w->frame->site,
              "'%s' of %s is %s, but must be at most %d", w->p->name, w->what, const_text(w->s->arena, c),
              LARGEST_SIZE);
  return const_poison(c->span);
}

/* ---- numbers ---- */

static Const int_convert(const Want *w, const Const *c) {
  int64_t i;
  if (!const_is_number(c)) return wrong_type(w, c);
  if (!const_as_int(c, &i)) return report_bad_value(w, DIAG_wrong_type, c, "an integer");
  const double lo = w->p->lo, hi = w->p->hi;
  if (lo >= hi && i < 1) return report_bad_value(w, DIAG_bad_size, c, "at least 1");
  if (lo >= hi && i > LARGEST_SIZE) return too_large(w, c);
  const bool size = i <= 0 && lo > 0;
  if (lo < hi && ((double)i < lo || (double)i > hi))
    return report_bad_value(w, size ? DIAG_bad_size : DIAG_bad_value, c, range_text(w->s->arena, w->p));
  return const_int(c->span, i);
}

/* Checks that no number of a constant becomes infinity in float, and that no number except 0 becomes 0. False
 * after an error. */
static bool floats_only(const Want *w, const Const *c) {
  if (c->kind == CONST_LIST)
    for (int i = 0; i < c->n; i++)
      if (!floats_only(w, &c->items[i])) return false;
  if (c->kind != CONST_FLOAT || (isfinite((float)c->f) && ((float)c->f != 0 || c->f == 0))) return true;
  const char *value = c->f > 0 ? "infinity" : "minus infinity";
  diag_report(w->s->diags, DIAG_bad_value, c->span, w->frame->site,
              "'%s' of %s is %s, which is %s in 32-bit floats", w->p->name, w->what,
              const_text(w->s->arena, c), isfinite((float)c->f) ? "0" : value);
  return false;
}

static Const number_convert(const Want *w, const Const *c) {
  if (!const_is_number(c)) return wrong_type(w, c);
  if (w->p->lo < w->p->hi && (c->f < w->p->lo || c->f > w->p->hi))
    return report_bad_value(w, DIAG_bad_value, c, range_text(w->s->arena, w->p));
  return *c;
}

/* ---- sizes ---- */

/* Converts to a list of 1 to `most` integers, each at least `least`. */
static bool sizes_convert(const Want *w, const Const *c, int64_t least, int most, Const *out) {
  const bool list = c->kind == CONST_LIST || c->kind == CONST_DIMS;
  const int n = list ? c->n : 1;
  const Const *from = list ? c->items : c;
  if (n < 1 || n > most) return wrong_type(w, c), false;
  Const *items = NEW_ARRAY(w->s->arena, Const, n);
  for (int k = 0; k < n; k++) {
    int64_t i;
    if (!const_is_number(&from[k])) return wrong_type(w, list ? c : &from[k]), false;
    if (!const_as_int(&from[k], &i))
      return report_bad_value(w, DIAG_wrong_type, &from[k], list ? "made of integers" : "an integer"), false;
    if (i < least)
      return report_bad_value(w, DIAG_bad_size, c,
                              least ? "at least 1 on each axis" : "at least 0 on each side"),
             false;
    if (i > LARGEST_SIZE) return too_large(w, c), false;
    items[k] = const_int(from[k].span, i);
  }
  *out = (Const){.kind = CONST_LIST, .span = c->span, .n = n, .items = items, .i = n};
  return true;
}

static Const dims_convert(const Want *w, const Const *c, int most) {
  Const sizes;
  if (!sizes_convert(w, c, 1, most, &sizes)) return const_poison(c->span);
  sizes.kind = CONST_DIMS;
  return sizes;
}

/* PARAM_BORDER: N, [h, w], [t, b, l, r]; on sequences [before, after]. PARAM_REACH: N or [before, after]. */
static Const border_convert(const Want *w, const Const *c) {
  Const sizes;
  if (!sizes_convert(w, c, 0, 4, &sizes)) return const_poison(c->span);
  if (const_is_number(c)) return sizes.items[0];
  const bool four = sizes.n == 4 && w->p->type != PARAM_REACH;
  return sizes.n == 2 || four ? sizes : wrong_type(w, c);
}

static Const word_convert(const Want *w, const Const *c, const char *words) {
  if (words_have(words, c->s)) return const_word(c->span, c->s);
  Arena *arena = w->s->arena;
  Diag *diag = diag_report(w->s->diags, DIAG_unknown_choice, c->span, w->frame->site,
                           "'%s' is not a choice for '%s' of %s", c->s, w->p->name, w->what);
  const char *meant = name_meant(arena, c->s, words_split(arena, words));
  if (meant) name_suggest(arena, diag, c->span, c->s, meant);
  else diag_help(diag, "the choices are %s", words_join(arena, words, "and"));
  return const_poison(c->span);
}

/* ---- lists, ranges and values ---- */

static Const channels_convert(const Want *w, const Const *c) {
  if (const_is_number(c)) return *c;
  if (c->kind != CONST_LIST || c->n == 0) return wrong_type(w, c);
  for (int i = 0; i < c->n; i++)
    if (!const_is_number(&c->items[i])) return wrong_type(w, c);
  return *c;
}

static Const range_convert(const Want *w, const Const *c) {
  if (c->kind != CONST_RANGE) return wrong_type(w, c);
  if (c->items[0].f > c->items[1].f)
    return report_bad_value(w, DIAG_bad_value, c, "from the smaller to the larger");
  const double lo = w->p->lo, hi = w->p->hi;
  if (lo >= hi || (c->items[0].f >= lo && c->items[1].f <= hi)) return *c;
  Arena *arena = w->s->arena;
  return report_bad_value(
      w, DIAG_bad_value, c,
      arena_printf(arena, "within %s..%s", text_double(arena, lo), text_double(arena, hi)));
}

static bool numbers_only(const Const *c) {
  if (const_is_number(c)) return true;
  if (c->kind != CONST_LIST || c->n == 0) return false;
  for (int i = 0; i < c->n; i++)
    if (!numbers_only(&c->items[i])) return false;
  return true;
}

static Const operands_convert(const Want *w, const Const *c) {
  bool poison = false;
  for (int i = 0; i < c->n; i++) {
    const Const *item = &c->items[i];
    const bool fits = item->kind == CONST_VALUE || (w->p->type == PARAM_OPERANDS && const_is_number(item));
    if (!fits && item->kind != CONST_POISON) wrong_type(w, item);
    poison |= !fits;
  }
  return poison ? const_poison(c->span) : *c;
}

static Const typed_convert(const Want *w, const Const *c) {
  const Param *p = w->p;
  if (p->choices && c->kind == CONST_WORD) return *c;
  switch (p->type) {
  case PARAM_INT: return int_convert(w, c);
  case PARAM_NUMBER: return number_convert(w, c);
  case PARAM_BOOL: return c->kind == CONST_BOOL ? *c : wrong_type(w, c);
  case PARAM_STRING: return c->kind == CONST_STRING ? *c : wrong_type(w, c);
  case PARAM_WINDOW: return dims_convert(w, c, 2);
  case PARAM_SHAPE: return dims_convert(w, c, 3);
  case PARAM_PAD:
    if (c->kind == CONST_STRING) return word_convert(w, c, "valid same causal");
    return c->kind == CONST_WORD ? *c : border_convert(w, c);
  case PARAM_BORDER:
  case PARAM_REACH: return border_convert(w, c);
  case PARAM_CHOICE:
    if (c->kind == CONST_STRING) return word_convert(w, c, p->choices);
    return c->kind == CONST_WORD ? *c : wrong_type(w, c);
  case PARAM_INIT:
    if (c->kind == CONST_WORD || c->kind == CONST_CALL) return *c;
    return numbers_only(c) ? *c : wrong_type(w, c);
  case PARAM_CHANNELS:
  case PARAM_NUMBERS: return channels_convert(w, c);
  case PARAM_RANGE: return range_convert(w, c);
  case PARAM_LIST: return c->kind == CONST_LIST ? *c : wrong_type(w, c);
  case PARAM_VALUE: return c->kind == CONST_VALUE ? *c : wrong_type(w, c);
  case PARAM_OPERAND: return c->kind == CONST_VALUE || const_is_number(c) ? *c : wrong_type(w, c);
  case PARAM_OPERANDS:
  case PARAM_VALUES: return operands_convert(w, c);
  }
  return const_poison(c->span);
}

Const param_convert(Sema *s, const Frame *frame, const char *what, const Param *p, const Const *c) {
  const Want w = {s, frame, what, p};
  if (c->kind == CONST_POISON) return *c;
  const Const converted = typed_convert(&w, c);
  return floats_only(&w, &converted) ? converted : const_poison(c->span);
}

/* ---- initializations ---- */

const char *init_words(Arena *arena) {
  Text words = {.arena = arena};
  for (const Form *const *form = init_table; *form; form++)
    text_put(&words, "%s%s", words.n ? " " : "", (*form)->name);
  return words.s ? words.s : "";
}

/* PARAM_INIT: he; normal(0.02); 0.1; [[1, 0, -1], ...]; a constant with one of these values; or a string
 * such as "he". p: the parameter; NULL if the expression is not an argument. */
Const init_eval(Sema *s, const Frame *frame, const char *what, const Param *p, const Expr *e) {
  static const Arguments none = {0};
  const Form *form = NULL;
  const Arguments *args = &none;
  if (e->kind == EXPR_CALL && (form = form_find(init_table, e->callee.s)) != NULL) {
    args = &e->args;
  } else {
    const Choices choices = {init_words(s->arena), p ? p->name : "init", what, false};
    const Const value = expr_eval(s, frame, e, &choices);
    if (value.kind == CONST_STRING && p && !form_find(init_table, value.s)) {
      const Want w = {s, frame, what, p};
      return word_convert(&w, &value, choices.words);
    }
    if (value.kind != CONST_WORD && value.kind != CONST_STRING) return value;
    form = form_find(init_table, value.s);
  }
  const Bound bound = form_bind(s, frame, "initialization", form, args, e->span);
  if (!bound.ok) return const_poison(e->span);
  const int n = params_count(form->params);
  return (Const){
      .kind = n ? CONST_CALL : CONST_WORD, .span = e->span, .s = form->name, .n = n, .items = bound.arg};
}

/* ---- default values, which parameter tables store as text ---- */

static Const default_list(Arena *arena, const char *text);

static Const default_parse(Arena *arena, const char *text) {
  double f;
  if (text[0] == '[') return default_list(arena, text);
  if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) return const_bool(NO_SPAN, text[0] == 't');
  if (!text_number(text, &f)) return const_word(NO_SPAN, text);
  const bool integer = strpbrk(text, ".eE") == NULL;
  return integer ? const_int(NO_SPAN, strtoll(text, NULL, 10)) : const_float(NO_SPAN, f);
}

/* The numbers of a list in a default, such as [10, 10, 5, 5] or (0.02, 0). */
static Const default_list(Arena *arena, const char *text) {
  VEC(Const) items = {0};
  for (const char *at = text + 1; *at && *at != ']' && *at != ')';) {
    at += strspn(at, " ,");
    const size_t n = strcspn(at, ",])");
    if (n) vec_push(arena, items, default_parse(arena, arena_copy(arena, at, n)));
    at += n;
  }
  return (Const){.kind = CONST_LIST, .n = items.n, .items = items.data, .i = items.n};
}

/* The initialization in a default such as normal(1); arguments that this text omits get their own
 * defaults. */
static Const default_init(Sema *s, const char *text) {
  const size_t length = strcspn(text, "(");
  const char *name = arena_copy(s->arena, text, length);
  const Param *params = form_find(init_table, name)->params;
  const Const given = default_list(s->arena, text + length);
  const int n = params_count(params);
  Const *arg = NEW_ARRAY(s->arena, Const, n);
  for (int i = 0; i < n; i++)
    arg[i] = i < given.n ? given.items[i] : param_default(s, "initialization", &params[i], params, arg);
  return (Const){.kind = CONST_CALL, .span = NO_SPAN, .s = name, .n = n, .items = arg};
}

/* The default value of a parameter. If the default is the name of another parameter ("kernel"), the result is
 * that parameter's value. The default "" means that there is no value. */
Const param_default(Sema *s, const char *what, const Param *p, const Param *table, const Const *bound) {
  if (p->value[0] == 0) return (Const){.kind = CONST_NONE};
  for (int i = 0; table[i].name; i++)
    if (strcmp(table[i].name, p->value) == 0) {
      Const same = bound[i];
      same.span = NO_SPAN;
      return same;
    }
  static const Frame nowhere = {0};
  const bool call = p->type == PARAM_INIT && strchr(p->value, '(');
  Const value = call ? default_init(s, p->value) : default_parse(s->arena, p->value);
  if (p->type == PARAM_STRING) value = (Const){.kind = CONST_STRING, .s = p->value};
  return param_convert(s, &nowhere, what, p, &value);
}
