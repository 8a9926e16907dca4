/* constants.c: Arithmetic of constant expressions. Integers have 64 bits, and overflow is an error. '/' of
 * two integers is a float unless the division is exact. The remainder has the sign of the divisor, as in
 * Python. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "sema/context.h"

Const const_poison(Span span) { return (Const){.kind = CONST_POISON, .span = span}; }
Const const_int(Span span, int64_t i) {
  return (Const){.kind = CONST_INT, .span = span, .i = i, .f = (double)i};
}
Const const_float(Span span, double f) { return (Const){.kind = CONST_FLOAT, .span = span, .f = f}; }
Const const_bool(Span span, bool yes) { return (Const){.kind = CONST_BOOL, .span = span, .i = yes}; }
Const const_word(Span span, const char *word) { return (Const){.kind = CONST_WORD, .span = span, .s = word}; }
Const const_value(Span span, Node *node, const Origin *origin) {
  return (Const){.kind = CONST_VALUE, .span = span, .node = node, .origin = origin};
}

bool const_is_number(const Const *c) { return c->kind == CONST_INT || c->kind == CONST_FLOAT; }

bool const_as_int(const Const *c, int64_t *i) {
  if (c->kind == CONST_INT) return *i = c->i, true;
  if (c->kind != CONST_FLOAT || c->f != floor(c->f) || fabs(c->f) >= 9223372036854775808.0) return false;
  return *i = (int64_t)c->f, true;
}

/* ---- results ---- */

static Const report_constant_overflow(Sema *s, const Frame *frame, const Expr *e) {
  Diag *diag = diag_report(s->diags, DIAG_overflow, e->span, frame->site, "the result is too large");
  diag_help(diag, "integers have 64 bits, up to 9223372036854775807; the largest float is about 1.8e308");
  return const_poison(e->span);
}

static Const float_result(Sema *s, const Frame *frame, const Expr *e, double f) {
  if (isinf(f)) return report_constant_overflow(s, frame, e);
  if (!isnan(f)) return const_float(e->span, f);
  diag_report(s->diags, DIAG_bad_value, e->span, frame->site, "the result is not a real number");
  return const_poison(e->span);
}

static Const division_by_zero(Sema *s, const Frame *frame, const Expr *e, const char *what) {
  diag_report(s->diags, DIAG_division_by_zero, e->span, frame->site, "%s by zero", what);
  return const_poison(e->span);
}

/* ---- integers ---- */

static bool power_int(int64_t base, int64_t exponent, int64_t *result) {
  int64_t product = 1;
  for (;;) {
    if (exponent & 1 && __builtin_mul_overflow(product, base, &product)) return false;
    if ((exponent >>= 1) == 0) return *result = product, true;
    if (__builtin_mul_overflow(base, base, &base)) return false;
  }
}

static int64_t floor_mod(int64_t a, int64_t b) {
  if (b == -1) return 0;
  const int64_t r = a % b;
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static Const integers(Sema *s, const Frame *frame, const Expr *e, int64_t a, int64_t b) {
  int64_t r = 0;
  bool fits = true;
  switch (e->op) {
  case OP_PLUS: fits = !__builtin_add_overflow(a, b, &r); break;
  case OP_MINUS: fits = !__builtin_sub_overflow(a, b, &r); break;
  case OP_TIMES: fits = !__builtin_mul_overflow(a, b, &r); break;
  case OP_DIVIDE:
    if (b == 0) return division_by_zero(s, frame, e, "division");
    if (b == -1) fits = !__builtin_sub_overflow(0, a, &r);
    else if (a % b != 0) return const_float(e->span, (double)a / (double)b);
    else r = a / b;
    break;
  case OP_MODULO:
    if (b == 0) return division_by_zero(s, frame, e, "remainder of a division");
    r = floor_mod(a, b);
    break;
  default: /* OP_POWER */
    if (b < 0 && a == 0) return division_by_zero(s, frame, e, "division");
    if (b < 0) return float_result(s, frame, e, pow((double)a, (double)b));
    fits = power_int(a, b, &r);
    break;
  }
  return fits ? const_int(e->span, r) : report_constant_overflow(s, frame, e);
}

/* ---- floats ---- */

static Const floats(Sema *s, const Frame *frame, const Expr *e, double a, double b) {
  switch (e->op) {
  case OP_PLUS: return float_result(s, frame, e, a + b);
  case OP_MINUS: return float_result(s, frame, e, a - b);
  case OP_TIMES: return float_result(s, frame, e, a * b);
  case OP_DIVIDE:
    return b == 0 ? division_by_zero(s, frame, e, "division") : float_result(s, frame, e, a / b);
  case OP_MODULO: {
    if (b == 0) return division_by_zero(s, frame, e, "remainder of a division");
    const double r = fmod(a, b);
    return float_result(s, frame, e, r != 0 && (r < 0) != (b < 0) ? r + b : r);
  }
  default: /* OP_POWER */
    return a == 0 && b < 0 ? division_by_zero(s, frame, e, "division") : float_result(s, frame, e, pow(a, b));
  }
}

/* ---- comparisons ---- */

static int compare_consts(const Const *a, const Const *b) {
  if (a->kind == CONST_INT && b->kind == CONST_INT) return a->i < b->i ? -1 : a->i > b->i;
  return a->f < b->f ? -1 : a->f > b->f;
}

static bool comparable(const Const *a, const Const *b) {
  if (const_is_number(a) && const_is_number(b)) return true;
  const bool a_list = a->kind == CONST_DIMS || a->kind == CONST_LIST,
             b_list = b->kind == CONST_DIMS || b->kind == CONST_LIST;
  if (a_list && b_list) return true;
  return a->kind == b->kind && (a->kind == CONST_STRING || a->kind == CONST_BOOL || a->kind == CONST_RANGE);
}

static bool equal_consts(const Const *a, const Const *b) {
  if (!comparable(a, b)) return false;
  if (const_is_number(a)) return compare_consts(a, b) == 0;
  if (a->kind == CONST_STRING) return strcmp(a->s, b->s) == 0;
  if (a->kind == CONST_BOOL) return a->i == b->i;
  if (a->n != b->n) return false;
  for (int i = 0; i < a->n; i++)
    if (!equal_consts(&a->items[i], &b->items[i])) return false;
  return true;
}

/* ---- operators ---- */

static const char *const symbol[] = {
    [OP_OR] = "or",    [OP_AND] = "and",  [OP_NOT] = "not",  [OP_EQ] = "==",
    [OP_NE] = "!=",    [OP_LT] = "<",     [OP_LE] = "<=",    [OP_GT] = ">",
    [OP_GE] = ">=",    [OP_PLUS] = "+",   [OP_MINUS] = "-",  [OP_TIMES] = "*",
    [OP_DIVIDE] = "/", [OP_MODULO] = "%", [OP_POWER] = "**", [OP_NEGATE] = "-",
};

static Const report_not_a_number(Sema *s, const Frame *frame, const Expr *e, const Expr *operand,
                                 const Const *c) {
  Diag *diag = diag_report(s->diags, DIAG_wrong_type, operand->span, frame->site,
                           "'%s' takes numbers, but this is %s", symbol[e->op], const_describe(s->arena, c));
  if (c->kind == CONST_VALUE)
    diag_help(diag, "values of the net are combined by operators, as in a -> add(b)");
  return const_poison(e->span);
}

Const arithmetic_unary(Sema *s, const Frame *frame, const Expr *e, Const a) {
  if (a.kind == CONST_POISON) return const_poison(e->span);
  if (e->op == OP_NOT) {
    if (a.kind == CONST_BOOL) return const_bool(e->span, !a.i);
    Diag *diag = diag_report(s->diags, DIAG_not_boolean, e->a->span, frame->site,
                             "'not' takes true or false, but this is %s", const_describe(s->arena, &a));
    if (const_is_number(&a)) diag_help(diag, "compare it: %s == 0", name_or_x(e->a));
    return const_poison(e->span);
  }
  if (a.kind == CONST_FLOAT) return const_float(e->span, -a.f);
  if (a.kind != CONST_INT) return report_not_a_number(s, frame, e, e->a, &a);
  return a.i == INT64_MIN ? report_constant_overflow(s, frame, e) : const_int(e->span, -a.i);
}

Const arithmetic_binary(Sema *s, const Frame *frame, const Expr *e, Const a, Const b) {
  if (a.kind == CONST_POISON || b.kind == CONST_POISON) return const_poison(e->span);
  if (e->op == OP_EQ || e->op == OP_NE) {
    if (comparable(&a, &b)) return const_bool(e->span, equal_consts(&a, &b) == (e->op == OP_EQ));
    diag_report(s->diags, DIAG_wrong_type, e->span, frame->site, "%s and %s cannot be compared",
                const_describe(s->arena, &a), const_describe(s->arena, &b));
    return const_poison(e->span);
  }
  if (!const_is_number(&a)) return report_not_a_number(s, frame, e, e->a, &a);
  if (!const_is_number(&b)) return report_not_a_number(s, frame, e, e->b, &b);
  switch (e->op) {
  case OP_LT: return const_bool(e->span, compare_consts(&a, &b) < 0);
  case OP_LE: return const_bool(e->span, compare_consts(&a, &b) <= 0);
  case OP_GT: return const_bool(e->span, compare_consts(&a, &b) > 0);
  case OP_GE: return const_bool(e->span, compare_consts(&a, &b) >= 0);
  default: break;
  }
  return a.kind == CONST_INT && b.kind == CONST_INT ? integers(s, frame, e, a.i, b.i)
                                                    : floats(s, frame, e, a.f, b.f);
}

/* ---- functions: min max floor ceil round ---- */

bool arithmetic_knows(const char *function) { return words_have("min max floor ceil round", function); }

static Const rounded_const(Sema *s, const Frame *frame, const Expr *e, const Const *c) {
  if (c->kind == CONST_INT) return const_int(e->span, c->i);
  const char kind = e->callee.s[0];
  const double r = kind == 'f'   ? floor(c->f)
                   : kind == 'c' ? ceil(c->f)
                                 : nearbyint(c->f); /* half to even, as in Python */
  return fabs(r) < 9223372036854775808.0 ? const_int(e->span, (int64_t)r)
                                         : report_constant_overflow(s, frame, e);
}

Const arithmetic_call(Sema *s, const Frame *frame, const Expr *e, int n, const Const *args) {
  const bool one = e->callee.s[0] != 'm';
  if (!one && n == 1 && (args->kind == CONST_LIST || args->kind == CONST_DIMS))
    return arithmetic_call(s, frame, e, args->n, args->items);
  for (int i = 0; i < n; i++) {
    if (args[i].kind == CONST_POISON) return const_poison(e->span);
    if (const_is_number(&args[i])) continue;
    diag_report(s->diags, DIAG_wrong_type, args[i].span, frame->site, "%s takes numbers, but this is %s",
                e->callee.s, const_describe(s->arena, &args[i]));
    return const_poison(e->span);
  }
  if (n == 0) {
    diag_report(s->diags, DIAG_missing_argument, e->span, frame->site,
                one ? "%s takes a number" : "%s takes one number or more", e->callee.s);
    return const_poison(e->span);
  }
  if (one && n > 1) {
    diag_report(s->diags, DIAG_too_many_arguments, args[1].span, frame->site, "%s takes one number",
                e->callee.s);
    return const_poison(e->span);
  }
  if (one) return rounded_const(s, frame, e, args);
  const int sign = e->callee.s[1] == 'i' ? -1 : 1;
  int best = 0;
  for (int i = 1; i < n; i++)
    if (sign * compare_consts(&args[i], &args[best]) > 0) best = i;
  Const result = args[best];
  result.span = e->span;
  return result;
}
