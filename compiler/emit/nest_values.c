/* nest_values.c: Printer of the operands of a nest's statements: names, indices, conditions, values. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/literals.h"
#include "emit/nest_print.h"
#include "nest/build.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */
const char *printer_name(Printer *p, const char *name) { /* w0, w0_2, w0_3, ... */
  const char *wanted = name;
  for (int n = 2;; n++) {
    bool taken = prelude_has_name(wanted);
    for (int i = 0; i < p->taken.n && !taken; i++) taken = !strcmp(p->taken.data[i], wanted);
    if (!taken) break;
    wanted = arena_printf(p->arena, "%s_%d", name, n);
  }
  vec_push(p->arena, p->taken, wanted);
  return wanted;
}

/* The parameter of a merged function that replaces a number; NULL: the number is constant. */
static const char *printer_parameter(Printer *p, const void *of, int which) {
  const CodeNumbers *numbers = p->print->merged;
  const char *name = NULL;
  for (int i = 0; numbers && i < numbers->n;
       /* continues after a match: a number that the code uses twice has two entries */
       i++) {
    const CodeNumber *number = &numbers->data[i];
    if (number->of != of || number->which != which) continue;
    p->found[i] = true;
    if (number->parameter) name = p->parameter[number->parameter - 1];
  }
  return name;
}

const char *printer_buf(Printer *p, const Buf *buf) {
  p->mentioned[buf->id] = true;
  return p->buf_name[buf->id];
}

const char *printer_function(Printer *p, PreludeFn fn, Elem elem, int lanes) {
  if (lanes > p->print->lanes_max) nest_misuse(p->nest, "a vector exceeds the target's width");
  prelude_need(p->print->needs, fn, elem, lanes);
  if (lanes > 1 && p->print->names.helium) p->print->needs->helium = true;
  return prelude_function(p->arena, &p->print->names, fn, elem, lanes);
}

const char *printer_type(Printer *p, Elem elem, int lanes) {
  if (lanes > p->print->lanes_max) nest_misuse(p->nest, "a vector exceeds the target's width");
  prelude_need_type(p->print->needs, elem, lanes, false);
  return prelude_type(p->arena, elem, lanes);
}

const char *printer_memory_type(Printer *p, Elem elem, int lanes) {
  prelude_need_type(p->print->needs, elem, lanes, true);
  return printer_type(p, elem, lanes);
}

/* ---- indices ---- */
Index printer_fold(const Printer *p, const Index *ix) { return known_fold(&p->known, ix); }

/* Prints the terms of an index. of: CodeNumber.of for the numbers in the index. */
static void print_terms(Printer *p, const void *of, const Index *ix) {
  const char *number[SLOTS] = {NULL};
  for (int s = 0; p->print->merged && s < SLOTS; s++) number[s] = printer_parameter(p, of, s);
  index_put_with(p->out, ix, p->slot_name, number);
}

void print_index(Printer *p, const Index *raw) {
  const Index ix = printer_fold(p, raw);
  print_terms(p, raw, &ix);
}

/* Prints `value`, or the parameter that replaces it in a merged function. */
static void print_open(Printer *p, const void *of, int which, int64_t value) {
  const char *parameter = printer_parameter(p, of, which);
  if (parameter) put("%s", parameter);
  else put("%lld", (long long)value);
}

bool print_flat(Printer *p, const Buf *buf,
                const Index *at) { /* prints the position in the flat array: (y + 1)*14336 + x*256 + c */
  FlatTerm term[DIMS];
  const int n = code_flat(&p->known, buf, at, term);
  const char *cast = buf_room(buf, 0) >= NEST_FAR ? "(ptrdiff_t)" : "";
  for (int i = 0; i < n; i++) {
    const Index ix = printer_fold(p, term[i].at);
    const bool strides = term[i].stride > 1,
               paren = strides && (index_terms(&ix) > 1 || (*cast && !index_constant(&ix)));
    put("%s%s%s", i ? " + " : "", strides ? cast : "", paren ? "(" : "");
    print_index(p, term[i].at);
    put("%s", paren ? ")" : "");
    if (strides) {
      put("*");
      print_open(p, term[i].at, NUMBER_STRIDE, term[i].stride);
    }
  }
  return n > 0;
}

static void print_in_view(Printer *p, const Ref *ref) {
  const Index sum = code_in_view(&p->known, ref);
  put("[%s", printer_buf(p, ref->buf));
  if (!index_constant(&sum)) {
    put(" + ");
    print_terms(p, ref, &sum);
  } else if (sum.c) {
    put(" %c ", sum.c < 0 ? '-' : '+');
    print_open(p, ref, 0, llabs(sum.c));
  }
  put("]");
}

void print_ref(Printer *p, const Ref *ref) {
  const Buf *buf = ref->buf, *of = buf->of ? buf->of : buf;
  put("%s", printer_buf(p, of));
  if (code_is_variable(buf)) return;
  if (buf->of) print_in_view(p, ref);
  else if (buf->flat) {
    put("[");
    if (!print_flat(p, buf, ref->at)) put("0");
    put("]");
  } else
    for (int d = 0; d < buf->rank; d++) {
      put("[");
      print_index(p, &ref->at[d]);
      put("]");
    }
}

/* ---- conditions ---- */
static void print_range(Printer *p, const Range *r, RangeForm form) {
  if (form == RANGE_NO_FLAG) put("!");
  if (form == RANGE_WITHIN) {
    print_open(p, r, NUMBER_LOW, r->lo);
    put(" <= ");
    print_index(p, &r->e);
    put(" && ");
  }
  print_index(p, &r->e);
  if (form == RANGE_IS || form == RANGE_FROM) {
    put(form == RANGE_IS ? " == " : " >= ");
    print_open(p, r, NUMBER_LOW, r->lo);
  }
  if (form == RANGE_BELOW || form == RANGE_WITHIN) {
    put(" < ");
    print_open(p, r, NUMBER_HIGH, r->hi);
  }
}

static int tests_in(const Printer *p, const All *all) { /* the number of comparisons and flags to print */
  int n = 0;
  for (int i = 0; i < all->n; i++) {
    const RangeForm form = code_range(p->instance, &all->range[i]);
    n += form == RANGE_WITHIN ? 2 : form != RANGE_SETTLED;
  }
  return n;
}

void print_cond(Printer *p, const Cond *cond) {
  bool any = false;
  for (int i = 0; i < cond->n; i++) {
    if (known_decide_all(&p->known, &cond->any[i]) == 0) continue;
    bool paren = cond->n > 1 && tests_in(p, &cond->any[i]) > 1, more = false;
    put("%s%s", any ? " || " : "", paren ? "(" : "");
    for (int j = 0; j < cond->any[i].n; j++) {
      const RangeForm form = code_range(p->instance, &cond->any[i].range[j]);
      if (form == RANGE_SETTLED) continue;
      if (more) put(" && ");
      print_range(p, &cond->any[i].range[j], form);
      more = true;
    }
    put("%s", paren ? ")" : "");
    any = true;
  }
}

/* ---- values ---- */
void print_number(Printer *p, Elem elem, double value) {
  if (elem != F32 && value == INT32_MIN) {
    put("(-2147483647 - 1)");
    return;
  }
  if (elem != F32) {
    put("%lld", (long long)value);
    return;
  }
  if (isinf((float)value)) {
    put(value < 0 ? "-INFINITE" : "INFINITE");
    p->print->needs->infinite = true;
    return;
  }
  const char *text = text_float(p->arena, value);
  put("%s%sf", text, strpbrk(text, ".e") ? "" : ".");
}

static void print_num(Printer *p, Val e) {
  const char *parameter = printer_parameter(p, e, 0);
  if (parameter) put("%s", parameter);
  else print_number(p, e->type.elem, e->num);
}

void print_wide(Printer *p, Val e,
                int lanes) { /* prints an explicit broadcast where C does not broadcast implicitly */
  if (e->type.lanes == lanes) print_value(p, e, CHOICE);
  else if (e->op == NUM && e->num == 0) put("(%s){0}", printer_type(p, e->type.elem, lanes));
  else {
    put("%s(", printer_function(p, FN_SPLAT, e->type.elem, lanes));
    print_value(p, e, CHOICE);
    put(")");
  }
}

static void print_arguments(Printer *p, const char *name, Val e) {
  const bool own = e->op == HSUM || e->op == HMAX || (e->op == PRIMITIVE && primitive_across(e->primitive));
  put("%s(", name);
  for (int i = 0; i < 3 && e->a[i]; i++) {
    if (i) put(", ");
    print_wide(p, e->a[i], own ? e->a[i]->type.lanes : e->type.lanes);
  }
  put(")");
}

static void print_lookup(Printer *p, Val e) {
  put("%s(&", printer_function(p, FN_LOOKUP, I32, e->type.lanes));
  print_ref(p, e->ref);
  put(", ");
  print_value(p, e->a[0], CHOICE);
  put(")");
}

static void print_load(Printer *p, Val e) {
  int lanes = e->type.lanes;
  if (val_is_words(e) && e->ref->buf->type.elem == BF16) {
    put("%s(&", printer_function(p, FN_PAIRS, I32, lanes));
    print_ref(p, e->ref);
    put(")");
    return;
  }
  if (val_is_words(e)) {
    if (lanes == 1) prelude_need_primitive(p->print->needs, &primitive_word, 1);
    put("%s(&", lanes == 1 ? prelude_primitive(p->arena, &p->print->names, &primitive_word, 1)
                           : printer_function(p, FN_WORDS, I32, lanes));
    print_ref(p, e->ref);
    put(")");
    return;
  }
  if (e->ref->buf->place == REGS || lanes == 1) {
    print_ref(p, e->ref);
    return;
  }
  if (e->part == lanes) {
    put("LOAD(%s, ", printer_memory_type(p, e->type.elem, lanes));
    print_ref(p, e->ref);
    put(")");
    return;
  }
  put("%s(&", printer_function(p, FN_LOAD_PART, e->type.elem, lanes));
  print_ref(p, e->ref);
  put(", %d)", e->part);
}

bool negative(Val e) { return e->op == NUM && e->num < 0; }

static void print_fma(Printer *p, Val e) { /* prints x * y + z, or z - 4.f * y */
  Val x = e->a[0], y = e->a[1];
  if (negative(y)) {
    x = e->a[1];
    y = e->a[0];
  }
  if (negative(x)) {
    print_value(p, e->a[2], SUM);
    put(" - ");
    print_number(p, x->type.elem, -x->num);
    put(" * ");
    print_value(p, y, UNARY);
    return;
  }
  print_value(p, e->a[0], PRODUCT);
  put(" * ");
  print_value(p, e->a[1], UNARY);
  put(" + ");
  print_value(p, e->a[2], SUM);
}

bool printer_bytes_at_once(const Printer *p, const Buf *buf, Elem number, int lanes) {
  return p->print->names.helium && lanes == 4 && buf->place != REGS && number == I32 &&
         (buf->type.elem == I8 || buf->type.elem == U8);
}

static void print_convert(Printer *p, Val e) {
  Elem to = e->type.elem, from = e->a[0]->type.elem;
  int lanes = e->type.lanes;
  const Val load = e->a[0];
  if (load->op == LOAD && !val_is_words(load) && printer_bytes_at_once(p, load->ref->buf, to, lanes)) {
    put("%s(&", printer_function(p, FN_LOAD_BYTES, from, lanes));
    print_ref(p, load->ref);
    put(", %d)", load->part);
    return;
  }
  if (elem_is_half(to) || elem_is_half(from)) {
    const PreludeFn fn = to == BF16     ? FN_TO_BF16
                         : to == F16    ? FN_TO_F16
                         : from == BF16 ? FN_FROM_BF16
                                        : FN_FROM_F16;
    put("%s(", printer_function(p, fn, elem_is_half(to) ? to : from, lanes));
    print_value(p, e->a[0], CHOICE);
    put(")");
    return;
  }
  if (lanes == 1) {
    put("(%s)", printer_type(p, to, 1));
    print_value(p, e->a[0], UNARY);
    return;
  }
  if (lanes > p->print->lanes_max) nest_misuse(p->nest, "a vector exceeds the target's width");
  prelude_need_convert(p->print->needs, to, from, lanes);
  put("%s(", prelude_convert(p->arena, &p->print->names, to, from, lanes));
  print_value(p, e->a[0], CHOICE);
  put(")");
}

static void print_compare(Printer *p, Val e, const char *sign) {
  int lanes = e->type.lanes;
  for (int i = 0; i < 2; i++) {
    if (i) put("%s", sign);
    if (lanes > 1 && e->a[i]->type.lanes == 1) print_wide(p, e->a[i], lanes);
    else print_value(p, e->a[i], SUM);
  }
}

static void print_binary(Printer *p, Val e, int own, const char *sign) {
  print_value(p, e->a[0], own);
  put("%s", sign);
  print_value(p, e->a[1], own + (e->op != ADD));
}

static void print_primitive(Printer *p, Val e) {
  const int lanes = primitive_across(e->primitive) ? e->a[1]->type.lanes : e->type.lanes;
  if (lanes > p->print->lanes_max) nest_misuse(p->nest, "a vector exceeds the target's width");
  if (lanes > 1 && p->print->names.helium) p->print->needs->helium = true;
  prelude_need_primitive(p->print->needs, e->primitive, lanes);
  print_arguments(p, prelude_primitive(p->arena, &p->print->names, e->primitive, lanes), e);
}

static void print_choice(Printer *p, Val e) { /* prints a PICK, or a SELECT with a scalar condition */
  if (e->op == PICK) print_cond(p, e->cond);
  else print_value(p, e->a[0], COMPARISON);
  int first = e->op == PICK ? 0 : 1;
  put(" ? ");
  print_wide(p, e->a[first], e->type.lanes);
  put(" : ");
  print_wide(p, e->a[first + 1], e->type.lanes);
}

static void print_shuffle(Printer *p, Val e) {
  put("__builtin_shufflevector(");
  print_value(p, e->a[0], CHOICE);
  put(", ");
  print_value(p, e->a[1], CHOICE);
  for (int i = 0; i < e->type.lanes; i++) put(", %d", e->lane[i]);
  put(")");
  printer_type(p, e->type.elem, e->type.lanes);
}

static void print_lane(Printer *p, Val e) {
  if (e->a[0]->op == LOAD && e->a[0]->ref->buf->place == REGS) print_value(p, e->a[0], PRIMARY);
  else {
    put("(");
    print_value(p, e->a[0], CHOICE);
    put(")");
  }
  put("[");
  print_index(p, &e->index);
  put("]");
}

static int precedence_of(const Printer *p, Val e) {
  switch (e->op) {
  case MUL:
  case DIV: return PRODUCT;
  case ADD:
  case SUB:
  case FMA: return SUM;
  case LESS:
  case LESS_EQ:
  case EQUAL: return COMPARISON;
  case PICK: return CHOICE;
  case SELECT: return e->a[0]->type.lanes == 1 ? CHOICE : PRIMARY;
  case NUM: return negative(e) ? UNARY : PRIMARY;
  case CONVERT:
    return e->type.lanes == 1 && !elem_is_half(e->type.elem) && !elem_is_half(e->a[0]->type.elem) ? UNARY
                                                                                                  : PRIMARY;
  case POSITION: {
    Index ix = printer_fold(p, &e->index);
    return index_terms(&ix) > 1 ? SUM : ix.c < 0 ? UNARY : index_constant(&ix) ? PRIMARY : PRODUCT;
  }
  default: return PRIMARY;
  }
}

static const PreludeFn fn[] = {[MIN] = FN_MIN,
                               [MAX] = FN_MAX,
                               [MAX_NAN] = FN_MAX_NAN,
                               [SELECT] = FN_SELECT,
                               [EXP] = FN_EXP,
                               [LOG] = FN_LOG,
                               [SQRT] = FN_SQRT,
                               [TANH] = FN_TANH,
                               [SIGMOID] = FN_SIGMOID,
                               [CDF] = FN_CDF,
                               [POWER] = FN_POWER,
                               [ABS] = FN_ABS,
                               [HSUM] = FN_SUM,
                               [HMAX] = FN_HIGHEST,
                               [RANDOM] = FN_RANDOM,
                               [SIN] = FN_SIN,
                               [COS] = FN_COS,
                               [FLOOR] = FN_FLOOR,
                               [DOT] = FN_DOT,
                               [DECAY] = FN_DECAY,
                               [INTERLEAVE_LOW] = FN_INTERLEAVE_LOW,
                               [INTERLEAVE_HIGH] = FN_INTERLEAVE_HIGH};

void print_value(Printer *p, Val e, int precedence) {
  static const char *const sign[] = {[ADD] = " + ",  [SUB] = " - ",      [MUL] = " * ",   [DIV] = " / ",
                                     [LESS] = " < ", [LESS_EQ] = " <= ", [EQUAL] = " == "};
  int verdict = e->op == PICK ? known_pick(&p->known, e) : -1, lanes = e->type.lanes;
  if (verdict >= 0) {
    if (e->a[1 - verdict]->type.lanes == lanes) print_value(p, e->a[1 - verdict], precedence);
    else print_wide(p, e->a[1 - verdict], lanes);
    return;
  }
  int own = precedence_of(p, e);
  bool paren = own < precedence;
  if (paren) put("(");
  switch (e->op) {
  case NUM: print_num(p, e); break;
  case LOAD: (val_is_lookup(e) ? print_lookup : print_load)(p, e); break;
  case ADD:
  case SUB:
  case MUL:
  case DIV: print_binary(p, e, own, sign[e->op]); break;
  case LESS:
  case LESS_EQ:
  case EQUAL: print_compare(p, e, sign[e->op]); break;
  case FMA: print_fma(p, e); break;
  case SELECT:
    if (e->a[0]->type.lanes == 1) print_choice(p, e);
    else print_arguments(p, printer_function(p, FN_SELECT, e->type.elem, lanes), e);
    break;
  case DOT:
  case INTERLEAVE_LOW:
  case INTERLEAVE_HIGH:
  case MIN:
  case MAX:
  case MAX_NAN:
  case EXP:
  case DECAY:
  case LOG:
  case SQRT:
  case TANH:
  case SIGMOID:
  case CDF:
  case POWER:
  case SIN:
  case COS:
  case FLOOR:
  case ABS:
  case RANDOM: print_arguments(p, printer_function(p, fn[e->op], e->type.elem, lanes), e); break;
  case PRIMITIVE: print_primitive(p, e); break;
  case HSUM:
  case HMAX: print_arguments(p, printer_function(p, fn[e->op], F32, e->a[0]->type.lanes), e); break;
  case SHUFFLE: print_shuffle(p, e); break;
  case SPLAT: print_wide(p, e->a[0], lanes); break;
  case LANE: print_lane(p, e); break;
  case CONVERT: print_convert(p, e); break;
  case POSITION: print_index(p, &e->index); break;
  case PICK: print_choice(p, e); break;
  }
  if (paren) put(")");
}
