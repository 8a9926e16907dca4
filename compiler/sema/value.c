/* value.c: Evaluation of constant expressions. After an error the result is poison, which causes no further
 * messages. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "sema/context.h"
#include "ops/registry.h"

enum { DEEPEST_EXPRESSION = 2000, MOST_ITEMS = 1 << 24 };

const Choices choices_values = {.values = true};
static Const evaluate(Sema *, const Frame *, const Expr *, const Choices *, int depth);

/* ---- names, attributes and members ---- */

/* Reads x.height and similar sizes. The only dimension of a vector is its number of channels; for regions,
 * the sizes of one region are read. */
static bool attribute_read(Shape shape, const char *name, int64_t *value) {
  const int rank = shape.rank;
  if (strcmp(name, "size") == 0) return *value = shape_row_elements(shape), true;
  if (strcmp(name, "channels") == 0) return *value = shape.dim[rank - 1], true;
  if (strcmp(name, "height") == 0 && rank == 3) return *value = shape.dim[0], true;
  if (strcmp(name, "width") == 0 && rank == 3) return *value = shape.dim[1], true;
  if (strcmp(name, "length") == 0 && rank == 2) return *value = shape.dim[0], true;
  return false;
}

static const Entry *member_find(const Const *value, const char *name) {
  const Origin *origin = value->origin;
  if (!origin || !origin->members) return NULL;
  const Entry *entry = table_find(&origin->members->table, name);
  return entry && entry->kind == ENTRY_VALUE ? entry : NULL;
}

static void attribute_report(Sema *s, const Frame *frame, const Expr *e, const Const *value, int at) {
  const Ident part = e->part[at];
  static const char *const of_rank[] = {"", ".channels .size", ".length .channels .size",
                                        ".height .width .channels .size"};
  const Shape shape = value->node->shape;
  VEC(const char *) names = {0};
  for (const char *const *word = words_split(s->arena, of_rank[shape.rank]); *word; word++)
    vec_push(s->arena, names, *word + 1);
  const Scope *members = value->origin ? value->origin->members : NULL;
  for (int i = 0; members && i < members->entries.n; i++)
    if (members->entries.data[i]->kind == ENTRY_VALUE)
      vec_push(s->arena, names, members->entries.data[i]->name);
  vec_push(s->arena, names, NULL);
  const char *meant = name_meant(s->arena, part.s, names.data);
  Diag *diag =
      diag_report(s->diags, DIAG_unknown_attribute, part.span, frame->site, "'%s' is %s and has no '%s'",
                  path_text(s->arena, e, 0, at), shape_text(s->arena, shape), part.s);
  const Entry *entry = scope_find(frame->scope, e->part[0].s);
  if (entry) diag_note(diag, entry->span, "'%s' is defined here", e->part[0].s);
  else if (!node_is_input(value->node))
    diag_note(diag, value->node->span, "'in' is the output of %s here", value->node->op->name);
  else diag_note(diag, value->node->span, "'in' is the input here");
  if (meant) diag_meant(diag, part.span, part.s, meant);
  else if (value->origin && !value->origin->members && value->origin->blocks > 1)
    diag_help(
        diag,
        "its chain has %d blocks; the names inside a block are visible only if the chain has exactly one",
        value->origin->blocks);
  else
    diag_help(diag, "it has %s%s", words_join(s->arena, of_rank[shape.rank], "and"),
              members ? ", and the values named in its block" : "");
}

/* Reads the members and attributes after a value in a path. */
static Const parts_read(Sema *s, const Frame *frame, const Expr *e, Const value, bool quiet) {
  for (int i = 1; i < e->nparts; i++) {
    const Ident part = e->part[i];
    int64_t number;
    if (value.kind == CONST_POISON) return const_poison(e->span);
    if (value.kind != CONST_VALUE) {
      if (!quiet)
        diag_report(s->diags, DIAG_unknown_attribute, part.span, frame->site,
                    "%s has no '%s': only values of the net have attributes",
                    const_describe(s->arena, &value), part.s);
      return const_poison(e->span);
    }
    const Entry *member = member_find(&value, part.s);
    if (value.node->shape.rank && attribute_read(value.node->shape, part.s, &number))
      value = const_int(e->span, number);
    else if (member) value = member->value;
    else {
      if (!quiet && value.node->shape.rank) attribute_report(s, frame, e, &value, i);
      return const_poison(e->span);
    }
  }
  value.span = e->span;
  return value;
}

static Const input_name_read(Sema *s, const Frame *frame, Span span) {
  const Const *in = scope_in(frame->scope);
  if (in->kind != CONST_NONE) return *in;
  if (!s->no_input_reported && frame->naming)
    diag_help(diag_report(s->diags, DIAG_no_input, span, frame->site,
                          "'in' has no value: no input is declared before it"),
              "declare the input first: input image: 28x28x1");
  if (!frame->naming)
    diag_report(s->diags, DIAG_unknown_name, span, frame->site, "'in' is only defined inside a net or block");
  s->no_input_reported = true;
  return const_poison(span);
}

Const path_eval(Sema *s, const Frame *frame, const Expr *e, bool quiet) {
  const Ident first = e->part[0];
  if (strcmp(first.s, "in") == 0)
    return parts_read(s, frame, e, input_name_read(s, frame, first.span), quiet);
  const Entry *entry = scope_find(frame->scope, first.s);
  if (entry) return parts_read(s, frame, e, entry->value, quiet);
  if (!quiet) name_report(s, frame, first);
  return const_poison(e->span);
}

static Const word_eval(Sema *s, const Frame *frame, const Expr *e, const Choices *choices) {
  const Ident word = e->part[0];
  if (words_have(choices->words, word.s)) return const_word(e->span, word.s);
  if (strcmp(word.s, "in") == 0 || scope_find(frame->scope, word.s)) return path_eval(s, frame, e, false);
  Diag *diag =
      diag_report(s->diags, DIAG_unknown_choice, e->span, frame->site, "'%s' is not a choice for '%s'%s%s",
                  word.s, choices->argument, choices->of ? " of " : "", choices->of ? choices->of : "");
  const char *meant = name_meant(s->arena, word.s, words_split(s->arena, choices->words));
  if (meant) name_suggest(s->arena, diag, e->span, word.s, meant);
  else diag_help(diag, "the choices are %s", words_join(s->arena, choices->words, "and"));
  return const_poison(e->span);
}

/* ---- lists ---- */

/* In the result, `i` is the number of elements of the list, including those of its inner lists. list_eval
 * limits this number, since a list may contain large constant lists. */
static Const list_eval(Sema *s, const Frame *frame, const Expr *e, const Choices *choices, int depth) {
  Const *items = NEW_ARRAY(s->arena, Const, e->n);
  int64_t total = 0;
  bool poison = false;
  for (int i = 0; i < e->n; i++) {
    items[i] = evaluate(s, frame, e->items[i], choices, depth);
    const bool list = items[i].kind == CONST_LIST || items[i].kind == CONST_DIMS;
    total += list ? items[i].i : 1;
    poison |= items[i].kind == CONST_POISON;
    if (total > MOST_ITEMS) {
      diag_report(s->diags, DIAG_too_large, e->span, frame->site, "a list has more than %d items",
                  MOST_ITEMS);
      return const_poison(e->span);
    }
  }
  if (poison) return const_poison(e->span);
  return (Const){.kind = e->kind == EXPR_DIMS ? CONST_DIMS : CONST_LIST,
                 .span = e->span,
                 .n = e->n,
                 .items = items,
                 .i = total};
}

static Const index_eval(Sema *s, const Frame *frame, const Expr *e, int depth) {
  const Const list = evaluate(s, frame, e->a, NULL, depth), index = evaluate(s, frame, e->b, NULL, depth);
  if (list.kind == CONST_POISON || index.kind == CONST_POISON) return const_poison(e->span);
  int64_t at;
  if (list.kind != CONST_LIST && list.kind != CONST_DIMS) {
    diag_report(s->diags, DIAG_wrong_type, e->a->span, frame->site,
                "only a list has an index, but this is %s", const_describe(s->arena, &list));
  } else if (!const_as_int(&index, &at)) {
    diag_report(s->diags, DIAG_wrong_type, e->b->span, frame->site, "an index is an integer, but this is %s",
                const_describe(s->arena, &index));
  } else if (at < 0 || at >= list.n) {
    Diag *diag = diag_report(s->diags, DIAG_index_range, e->b->span, frame->site,
                             "index %lld is outside a list of %d item%s", (long long)at, list.n,
                             list.n == 1 ? "" : "s");
    if (list.n) diag_help(diag, "the items have the indices 0 to %d", list.n - 1);
  } else {
    Const item = list.items[at];
    item.span = e->span;
    return item;
  }
  return const_poison(e->span);
}

static Const range_eval(Sema *s, const Frame *frame, const Expr *e, int depth) {
  Const *ends = NEW_ARRAY(s->arena, Const, 2);
  const Expr *const written[] = {e->a, e->b};
  ends[1] = (Const){.kind = CONST_FLOAT, .span = e->span, .f = INFINITY}; /* the end of the range lo.. */
  for (int i = 0; i < 1 + (e->b != NULL); i++) {
    ends[i] = evaluate(s, frame, written[i], NULL, depth);
    if (ends[i].kind == CONST_POISON) return const_poison(e->span);
    if (const_is_number(&ends[i])) continue;
    diag_report(s->diags, DIAG_wrong_type, written[i]->span, frame->site,
                "a range goes from a number to a number, but this is %s", const_describe(s->arena, &ends[i]));
    return const_poison(e->span);
  }
  return (Const){.kind = CONST_RANGE, .span = e->span, .n = 2, .items = ends};
}

/* ---- calls ---- */

static void function_report(Sema *s, const Frame *frame, Ident callee, const Choices *choices) {
  if (op_find(callee.s) || table_find(&s->blocks, callee.s)) {
    Diag *diag = diag_report(s->diags, DIAG_unknown_name, callee.span, frame->site,
                             "%s produces a value of the net, but the value has no name here", callee.s);
    if (choices && choices->values)
      diag_help(diag, "give the value a name first, x = %s(...), then write x here", callee.s);
    return;
  }
  Diag *diag = diag_report(s->diags, DIAG_unknown_name, callee.span, frame->site, "there is no function '%s'",
                           callee.s);
  const char *words = arena_printf(s->arena, "min max floor ceil round %s", init_words(s->arena));
  const char *meant = name_meant(s->arena, callee.s, words_split(s->arena, words));
  if (meant) diag_meant(diag, callee.span, callee.s, meant);
  else diag_help(diag, "the functions are min, max, floor, ceil and round");
}

static Const call_eval(Sema *s, const Frame *frame, const Expr *e, const Choices *choices, int depth) {
  if (form_find(init_table, e->callee.s)) return init_eval(s, frame, NULL, NULL, e);
  Const *args = NEW_ARRAY(s->arena, Const, e->args.n);
  bool named = false;
  for (int i = 0; i < e->args.n; i++) {
    args[i] = evaluate(s, frame, e->args.list[i].value, NULL, depth);
    named |= e->args.list[i].name.s != NULL;
  }
  if (!arithmetic_knows(e->callee.s)) {
    function_report(s, frame, e->callee, choices);
    return const_poison(e->span);
  }
  if (named) {
    diag_report(s->diags, DIAG_unknown_argument, e->args.span, frame->site,
                "the arguments of %s are numbers without names", e->callee.s);
    return const_poison(e->span);
  }
  return arithmetic_call(s, frame, e, e->args.n, args);
}

/* ---- and, or, ?: ---- */

static bool boolean_is(Sema *s, const Frame *frame, const Expr *e, const Const *c, const char *what) {
  if (c->kind == CONST_BOOL) return true;
  if (c->kind == CONST_POISON) return false;
  Diag *diag = diag_report(s->diags, DIAG_not_boolean, e->span, frame->site,
                           "%s is true or false, but this is %s", what, const_describe(s->arena, c));
  if (const_is_number(c)) diag_help(diag, "compare it: %s != 0", name_or_x(e));
  return false;
}

static Const logic_eval(Sema *s, const Frame *frame, const Expr *e, int depth) {
  const char *what = e->op == OP_AND ? "a side of 'and'" : "a side of 'or'";
  const Const a = evaluate(s, frame, e->a, NULL, depth);
  if (!boolean_is(s, frame, e->a, &a, what)) return const_poison(e->span);
  if ((a.i != 0) == (e->op == OP_OR)) return const_bool(e->span, a.i != 0);
  const Const b = evaluate(s, frame, e->b, NULL, depth);
  return boolean_is(s, frame, e->b, &b, what) ? const_bool(e->span, b.i != 0) : const_poison(e->span);
}

static Const binary_eval(Sema *s, const Frame *frame, const Expr *e, int depth) {
  const Const a = evaluate(s, frame, e->a, NULL, depth);
  return arithmetic_binary(s, frame, e, a, evaluate(s, frame, e->b, NULL, depth));
}

static Const conditional_eval(Sema *s, const Frame *frame, const Expr *e, const Choices *choices, int depth) {
  const Const condition = evaluate(s, frame, e->a, NULL, depth);
  if (!boolean_is(s, frame, e->a, &condition, "the condition before '?'")) return const_poison(e->span);
  Const chosen = evaluate(s, frame, condition.i ? e->b : e->c, choices, depth);
  if (chosen.kind != CONST_POISON) chosen.span = e->span;
  return chosen;
}

/* ---- expressions ---- */

static Const evaluate(Sema *s, const Frame *frame, const Expr *e, const Choices *choices, int depth) {
  if (!sema_step(s, e->span, frame->site)) return const_poison(e->span);
  if (++depth > DEEPEST_EXPRESSION) {
    diag_report(s->diags, DIAG_too_deep, e->span, frame->site, "this expression is nested too deeply");
    return const_poison(e->span);
  }
  switch (e->kind) {
  case EXPR_INT: return const_int(e->span, e->i);
  case EXPR_FLOAT: return const_float(e->span, e->f);
  case EXPR_BOOL: return const_bool(e->span, e->i != 0);
  case EXPR_STRING:
    if (damage_within(s, e->span.file, e->span.start, e->span.end)) break;
    return (Const){.kind = CONST_STRING, .span = e->span, .s = e->s};
  case EXPR_DIMS:
  case EXPR_LIST: return list_eval(s, frame, e, choices && choices->values ? &choices_values : NULL, depth);
  case EXPR_PATH:
    return choices && choices->words && e->nparts == 1 ? word_eval(s, frame, e, choices)
                                                       : path_eval(s, frame, e, false);
  case EXPR_CALL: return call_eval(s, frame, e, choices, depth);
  case EXPR_INDEX: return index_eval(s, frame, e, depth);
  case EXPR_UNARY: return arithmetic_unary(s, frame, e, evaluate(s, frame, e->a, NULL, depth));
  case EXPR_BINARY:
    return e->op == OP_AND || e->op == OP_OR ? logic_eval(s, frame, e, depth)
                                             : binary_eval(s, frame, e, depth);
  case EXPR_RANGE: return range_eval(s, frame, e, depth);
  case EXPR_CONDITIONAL: return conditional_eval(s, frame, e, choices, depth);
  case EXPR_POISON: break;
  }
  return const_poison(e->span);
}

Const expr_eval(Sema *s, const Frame *frame, const Expr *e, const Choices *choices) {
  return evaluate(s, frame, e, choices, 0);
}
