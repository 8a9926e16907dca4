/* nest.c: a nest as C with vector extensions. All loops of kernels are printed here; what calls
 * kernels, image by image and thread by thread, is infer.c, train.c and their like.
 *
 * instance.c says which functions there are. Buffers a function uses are its parameters. Arrays keep their
 * dimensions, `in[y][x][c]`: prove.c has shown each index to be inside its own dimension. Names are made
 * unique in their C scope here, so that schedules need not care. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/nest.h"
#include "nest/instance.h"
#include "emit/names.h"
#include "nest/team.h"
#include "nest/build.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 140 };                                      /* columns of a line of parameters */
enum { CHOICE, COMPARISON, SUM, PRODUCT, UNARY, PRIMARY }; /* precedence of C's operators */

typedef VEC(const char *) Words;
typedef VEC(const NestStmt *) Stmts;

typedef struct Printer {
  Text *out;
  Arena *arena;
  const Nest *nest;
  const NestPrint *print;
  Instances *plan;
  const Instance *instance;
  Known known;
  const Used *used;
  const char *slot_name[SLOTS], *buf_name[BUFS];
  Words taken; /* names of this C function that are visible here */
  bool team;   /* the statements being printed are run by all threads of a team */
} Printer;

#define put(...) text_put(p->out, __VA_ARGS__)

static void print_body(Printer *, const NestStmt *, int depth);
static void print_value(Printer *, Val, int precedence);

/* ---- names ---- */
static bool reserved(const char *name) {
  static const char *const words[] = {
      "auto",      "break",   "case",    "char",     "const",    "continue", "default",  "do",
      "double",    "else",    "enum",    "extern",   "float",    "for",      "goto",     "if",
      "inline",    "int",     "long",    "register", "restrict", "return",   "short",    "signed",
      "sizeof",    "static",  "struct",  "switch",   "typedef",  "union",    "unsigned", "void",
      "volatile",  "while",   "asm",     "typeof",   "bool",     "true",     "false",    "int8_t",
      "int16_t",   "int32_t", "int64_t", "uint8_t",  "uint16_t", "uint32_t", "uint64_t", "size_t",
      "ptrdiff_t", "thread",  "threads"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    if (!strcmp(words[i], name)) return true;
  return prelude_has_name(name);
}

static const char *take_name(Printer *p, const char *name) { /* w0, w0_2, w0_3, ... */
  const char *wanted = name;
  for (int n = 2;; n++) {
    bool taken = reserved(wanted);
    for (int i = 0; i < p->taken.n && !taken; i++) taken = !strcmp(p->taken.data[i], wanted);
    if (!taken) break;
    wanted = arena_printf(p->arena, "%s_%d", name, n);
  }
  vec_push(p->arena, p->taken, wanted);
  return wanted;
}

static const char *need(Printer *p, PreludeFn fn, Elem elem, int lanes) {
  if (lanes > p->print->lanes_max) nest_misuse(p->nest, "a vector is wider than the target's");
  prelude_need(p->print->needs, fn, elem, lanes);
  return prelude_function(p->arena, &p->print->names, fn, elem, lanes);
}

static const char *type_name(Printer *p, Elem elem, int lanes) {
  if (lanes > p->print->lanes_max) nest_misuse(p->nest, "a vector is wider than the target's");
  prelude_need_type(p->print->needs, elem, lanes, false);
  return prelude_type(p->arena, &p->print->names, elem, lanes);
}

static const char *memory_type(Printer *p, Elem elem, int lanes) {
  prelude_need_type(p->print->needs, elem, lanes, true);
  return type_name(p, elem, lanes);
}

/* ---- indices ---- */
static Index fold(const Printer *p, const Index *ix) { return known_fold(&p->known, ix); }

static void print_index(Printer *p, const Index *raw) {
  Index ix = fold(p, raw);
  index_put(p->out, &ix, p->slot_name);
}

static bool print_flat(Printer *p, const Buf *buf,
                       const Index *at_) { /* (y)*14336 + (x)*256 + c; false if it is nothing but zeros */
  bool any = false;
  const char *cast = buf_room(buf, 0) >= NEST_FAR ? "(ptrdiff_t)" : "";
  for (int d = 0; d < buf->rank; d++) {
    Index ix = fold(p, &at_[d]);
    int n = index_terms(&ix);
    const int64_t stride = buf_room(buf, d + 1);
    if (!n) continue;
    bool paren = stride > 1 && (n > 1 || (*cast && !index_constant(&ix)));
    put("%s%s%s", any ? " + " : "", stride > 1 ? cast : "", paren ? "(" : "");
    print_index(p, &ix);
    put("%s", paren ? ")" : "");
    if (stride > 1) put("*%lld", (long long)stride);
    any = true;
  }
  return any;
}

static bool one_register(const Buf *buf) {
  return buf->place == REGS && buf_elements(buf) == 1;
} /* a variable, whatever its dimensions */

static void print_ref(Printer *p, const Ref *ref) {
  const Buf *buf = ref->buf, *of = buf->of ? buf->of : buf;
  put("%s", p->buf_name[of->id]);
  if (one_register(buf)) return;
  if (buf->of) {
    put("[%s", p->buf_name[buf->id]);
    Index sum = {0};
    for (int d = 0; d < of->rank; d++) {
      Index ix = fold(p, &ref->at[d]);
      sum.c = sum.c * of->room[d] + ix.c;
      for (int s = 1; s < SLOTS; s++) sum.k[s] = sum.k[s] * of->room[d] + ix.k[s];
    }
    if (sum.c && index_constant(&sum)) put(" %c %lld", sum.c < 0 ? '-' : '+', llabs(sum.c));
    else if (!index_constant(&sum)) {
      put(" + ");
      print_index(p, &sum);
    }
    put("]");
  } else if (buf->flat) {
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
static int flag_slot(const Printer *p, const Index *e) { /* of a condition on a flag of this function alone */
  const NestFn *fn = p->instance->fn;
  for (int s = 1; s <= fn->nparams; s++)
    if (fn->flag[s - 1] && e->k[s] == 1 && index_terms(e) == 1) return s;
  return 0;
}

static void print_range(Printer *p, const Range *r) {
  Index e = fold(p, &r->e);
  int flag = flag_slot(p, &e);
  if (flag && r->lo <= 0 && r->hi == 1) put("!%s", p->slot_name[flag]);
  else if (flag && r->lo == 1 && r->hi > 1) put("%s", p->slot_name[flag]);
  else if (r->lo != NO_LO && r->hi == r->lo + 1) {
    print_index(p, &e);
    put(" == %lld", (long long)r->lo);
  } else if (r->lo == NO_LO) {
    print_index(p, &e);
    put(" < %lld", (long long)r->hi);
  } else if (r->hi == NO_HI) {
    print_index(p, &e);
    put(" >= %lld", (long long)r->lo);
  } else {
    put("%lld <= ", (long long)r->lo);
    print_index(p, &e);
    put(" && ");
    print_index(p, &e);
    put(" < %lld", (long long)r->hi);
  }
}

static bool open_range(const Printer *p,
                       const Range *r) { /* not settled by constants, nor by having no bounds */
  Index e = fold(p, &r->e);
  return !index_constant(&e) && (r->lo != NO_LO || r->hi != NO_HI);
}

static int tests_in(const Printer *p, const All *all) { /* comparisons that are printed */
  int n = 0;
  for (int i = 0; i < all->n; i++)
    if (open_range(p, &all->range[i]))
      n += all->range[i].lo != NO_LO && all->range[i].hi != NO_HI && all->range[i].hi != all->range[i].lo + 1
               ? 2
               : 1;
  return n;
}

static void print_cond(Printer *p, const Cond *cond) {
  bool any = false;
  for (int i = 0; i < cond->n; i++) {
    if (known_decide_all(&p->known, &cond->any[i]) == 0) continue;
    bool paren = cond->n > 1 && tests_in(p, &cond->any[i]) > 1, more = false;
    put("%s%s", any ? " || " : "", paren ? "(" : "");
    for (int j = 0; j < cond->any[i].n; j++) {
      if (!open_range(p, &cond->any[i].range[j])) continue;
      if (more) put(" && ");
      print_range(p, &cond->any[i].range[j]);
      more = true;
    }
    put("%s", paren ? ")" : "");
    any = true;
  }
}

/* ---- values ---- */
static void print_number(Printer *p, Elem elem, double value) {
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

static void print_wide(Printer *p, Val e, int lanes) { /* where C does not broadcast by itself */
  if (e->type.lanes == lanes) print_value(p, e, CHOICE);
  else if (e->op == NUM && e->num == 0) put("(%s){0}", type_name(p, e->type.elem, lanes));
  else {
    put("%s(", need(p, FN_SPLAT, e->type.elem, lanes));
    print_value(p, e, CHOICE);
    put(")");
  }
}

static void print_arguments(Printer *p, const char *name, Val e) {
  put("%s(", name);
  for (int i = 0; i < 3 && e->a[i]; i++) {
    if (i) put(", ");
    print_wide(p, e->a[i], e->op == HSUM || e->op == HMAX ? e->a[i]->type.lanes : e->type.lanes);
  }
  put(")");
}

static void print_load(Printer *p, Val e) {
  int lanes = e->type.lanes;
  if (e->ref->buf->place == REGS || lanes == 1) {
    print_ref(p, e->ref);
    return;
  }
  if (e->part == lanes) {
    put("LOAD(%s, ", memory_type(p, e->type.elem, lanes));
    print_ref(p, e->ref);
    put(")");
    return;
  }
  put("%s(&", need(p, FN_LOAD_PART, e->type.elem, lanes));
  print_ref(p, e->ref);
  put(", %d)", e->part);
}

static bool negative(Val e) { return e->op == NUM && e->num < 0; }

static void print_fma(Printer *p, Val e) { /* x * y + z, or z - 4.f * y */
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

static void print_convert(Printer *p, Val e) {
  Elem to = e->type.elem, from = e->a[0]->type.elem;
  int lanes = e->type.lanes;
  if (lanes == 1) {
    put("(%s)", type_name(p, to, 1));
    print_value(p, e->a[0], UNARY);
    return;
  }
  if (lanes > p->print->lanes_max) nest_misuse(p->nest, "a vector is wider than the target's");
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

static void print_choice(Printer *p, Val e) { /* PICK, or SELECT by a scalar */
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
  type_name(p, e->type.elem, e->type.lanes);
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
  case CONVERT: return e->type.lanes == 1 ? UNARY : PRIMARY;
  case POSITION: {
    Index ix = fold(p, &e->index);
    return index_terms(&ix) > 1 ? SUM : ix.c < 0 ? UNARY : index_constant(&ix) ? PRIMARY : PRODUCT;
  }
  default: return PRIMARY;
  }
}

static void print_value(Printer *p, Val e, int precedence) {
  static const char *const sign[] = {[ADD] = " + ",  [SUB] = " - ",      [MUL] = " * ",   [DIV] = " / ",
                                     [LESS] = " < ", [LESS_EQ] = " <= ", [EQUAL] = " == "};
  static const PreludeFn fn[] = {
      [MIN] = FN_MIN, [MAX] = FN_MAX,   [MAX_NAN] = FN_MAX_NAN, [SELECT] = FN_SELECT,   [EXP] = FN_EXP,
      [LOG] = FN_LOG, [SQRT] = FN_SQRT, [TANH] = FN_TANH,       [SIGMOID] = FN_SIGMOID, [ERF] = FN_ERF,
      [ABS] = FN_ABS, [HSUM] = FN_SUM,  [HMAX] = FN_HIGHEST,    [RANDOM] = FN_RANDOM};
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
  case NUM: print_number(p, e->type.elem, e->num); break;
  case LOAD: print_load(p, e); break;
  case ADD:
  case SUB:
  case MUL:
  case DIV:
    print_value(p, e->a[0], own);
    put("%s", sign[e->op]);
    print_value(p, e->a[1], own + (e->op != ADD));
    break;
  case LESS:
  case LESS_EQ:
  case EQUAL: print_compare(p, e, sign[e->op]); break;
  case FMA: print_fma(p, e); break;
  case SELECT:
    if (e->a[0]->type.lanes == 1) {
      print_choice(p, e);
      break;
    }
    print_arguments(p, need(p, FN_SELECT, e->type.elem, lanes), e);
    break;
  case MIN:
  case MAX:
  case MAX_NAN:
  case EXP:
  case LOG:
  case SQRT:
  case TANH:
  case SIGMOID:
  case ERF:
  case ABS:
  case RANDOM: print_arguments(p, need(p, fn[e->op], e->type.elem, lanes), e); break;
  case HSUM:
  case HMAX: print_arguments(p, need(p, fn[e->op], F32, e->a[0]->type.lanes), e); break;
  case SHUFFLE: print_shuffle(p, e); break;
  case SPLAT: print_wide(p, e->a[0], lanes); break;
  case LANE:
    if (e->a[0]->op == LOAD && e->a[0]->ref->buf->place == REGS) print_value(p, e->a[0], PRIMARY);
    else {
      put("(");
      print_value(p, e->a[0], CHOICE);
      put(")");
    }
    put("[");
    print_index(p, &e->index);
    put("]");
    break;
  case CONVERT: print_convert(p, e); break;
  case POSITION: print_index(p, &e->index); break;
  case PICK: print_choice(p, e); break;
  }
  if (paren) put(")");
}

/* ---- statements ---- */
static void indent(Printer *p, int depth) { put("%*s", 2 * depth, ""); }

static void live_statements(Printer *p, const NestStmt *stmt,
                            Stmts *list) { /* what is to be printed of a body, settled branches resolved */
  for (; stmt; stmt = stmt->next) {
    if (used_dead(p->used, stmt) || (stmt->kind == PIN && p->print->standard)) continue;
    if (stmt->kind == IF || stmt->kind == LOOP) {
      int verdict = stmt->kind == IF ? known_branch(&p->known, stmt) : -1;
      if (verdict >= 0) {
        live_statements(p, verdict ? stmt->body : stmt->otherwise, list);
        continue;
      }
      Stmts inner = {0};
      live_statements(p, stmt->body, &inner);
      live_statements(p, stmt->otherwise, &inner);
      if (!inner.n) continue;
    }
    vec_push(p->arena, *list, stmt);
  }
}

static void print_block(Printer *p, const NestStmt *body, int depth, bool before_else) {
  Stmts list = {0};
  live_statements(p, body, &list);
  const NestStmt *only = list.n == 1 ? list.data[0] : NULL;
  bool one = only && !p->team && only->kind != DECLARE && only->kind != COMMENT &&
             !(only->kind == STORE && only->u.store.declare) && !(only->kind == IF && only->otherwise) &&
             !(before_else && (only->kind == IF || only->kind == LOOP));
  put(one ? "\n" : " {\n");
  print_body(p, body, depth + 1);
  if (!one) {
    indent(p, depth);
    put("}");
  }
  if (!one && !before_else) put("\n");
  if (before_else) one ? indent(p, depth) : put(" ");
}

static void print_limit(Printer *p, int n, const Index *bound,
                        bool max) { /* of two bounds, the larger or the smaller */
  Index a = fold(p, &bound[0]), b = n > 1 ? fold(p, &bound[1]) : a, gap = b;
  gap.c -= a.c;
  for (int s = 1; s < SLOTS; s++) gap.k[s] -= a.k[s];
  if (index_constant(&gap)) {
    index_put(p->out, max == (gap.c > 0) ? &b : &a, p->slot_name);
    return;
  }
  put("(");
  print_index(p, &b);
  put(max ? " > " : " < ");
  print_index(p, &a);
  put(" ? ");
  print_index(p, &b);
  put(" : ");
  print_index(p, &a);
  put(")");
}

static void print_shared_bounds(Printer *p, const NestStmt *stmt, const char *v,
                                const char *end) { /* this thread's share of the rounds */
  const Index *lo = stmt->u.loop.lo, *hi = stmt->u.loop.hi;
  for (int i = 0; i < 2; i++) {
    put(i ? ", %s = SHARE(" : "%s = SHARE(", i ? end : v);
    print_index(p, lo);
    put(", ");
    print_index(p, hi);
    put(i ? ", thread + 1)" : ", thread)");
  }
  put("; %s < %s", v, end);
  p->print->needs->team = true;
}

static void print_loop(Printer *p, const NestStmt *stmt, int depth) {
  int taken = p->taken.n, slot = stmt->u.loop.slot;
  const bool shared = p->team && stmt->u.loop.kind == PARALLEL, team = p->team;
  const char *v = take_name(p, stmt->u.loop.name), *end = NULL, *saved = p->slot_name[slot];
  if (stmt->u.loop.kind == UNROLLED) {
    put("UNROLL ");
    p->print->needs->unroll = true;
  }
  put("for (int ");
  if (stmt->u.loop.nhi > 1 || shared) end = take_name(p, arena_printf(p->arena, "%s_end", v));
  if (shared) print_shared_bounds(p, stmt, v, end);
  else {
    put("%s = ", v);
    print_limit(p, stmt->u.loop.nlo, stmt->u.loop.lo, true);
    if (end) {
      put(", %s = ", end);
      print_limit(p, 2, stmt->u.loop.hi, false);
      put("; %s < %s", v, end);
    } else {
      put("; %s < ", v);
      print_limit(p, 1, stmt->u.loop.hi, false);
    }
  }
  put("; %s++)", v);
  p->slot_name[slot] = v;
  p->team = team && !shared;
  print_block(p, stmt->body, depth, false);
  p->slot_name[slot] = saved;
  p->team = team;
  p->taken.n = taken;
}

static void print_store(Printer *p, const NestStmt *stmt) {
  const Ref *ref = &stmt->u.store.ref;
  const Buf *buf = ref->buf;
  Val val = stmt->u.store.val;
  int lanes = buf->place == REGS ? buf->type.lanes : val->type.lanes;
  if (stmt->u.store.declare) {
    const char *type = type_name(p, buf->type.elem, lanes);
    Text *out = p->out, text = {.arena = p->arena};
    p->out = &text; /* the value first: the name is not visible in it */
    print_wide(p, val, lanes);
    p->out = out;
    p->buf_name[buf->id] = take_name(p, buf->name);
    put("const %s %s = %s;\n", type, p->buf_name[buf->id], text.s);
    return;
  }
  if (buf->place != REGS && stmt->u.store.part != lanes) {
    put("%s(&", need(p, FN_STORE_PART, buf->type.elem, lanes));
    print_ref(p, ref);
    put(", ");
    print_value(p, val, CHOICE);
    put(", %d);\n", stmt->u.store.part);
    return;
  }
  if (buf->place == REGS || lanes == 1) print_ref(p, ref);
  else {
    put("AT(%s, ", memory_type(p, buf->type.elem, lanes));
    print_ref(p, ref);
    put(")");
  }
  Val sum = val->op == FMA && !negative(val->a[0]) && !negative(val->a[1]) ? val->a[2] : NULL;
  if (sum && sum->op == LOAD && sum->part == lanes && !memcmp(sum->ref, ref, sizeof *ref)) {
    put(" += ");
    print_value(p, val->a[0], PRODUCT);
    put(" * ");
    print_value(p, val->a[1], UNARY);
  } else {
    put(" = ");
    print_wide(p, val, lanes);
  }
  put(";\n");
}

static void print_declaration(Printer *p, const Buf *buf) {
  const char *name = take_name(p, buf->name);
  if (buf->place == VIEW) {
    put("ptrdiff_t %s = ", name);
    if (!print_flat(p, buf, buf->base)) put("0");
  } else {
    put("%s %s", type_name(p, buf->type.elem, buf->type.lanes), name);
    if (buf->flat) put("[%lld]", (long long)buf_elements(buf));
    for (int d = 0; d < buf->rank && !buf->flat && !one_register(buf); d++)
      put("[%lld]", (long long)buf->dim[d]);
  }
  put(";\n");
  p->buf_name[buf->id] = name;
}

static void print_list(Printer *p, const Words *items) { /* (a, b, c), lines of at most WIDTH columns */
  size_t column = p->out->n;
  while (column > 0 && p->out->s[column - 1] != '\n') column--;
  size_t margin = 0;
  while (column + margin < p->out->n && p->out->s[column + margin] == ' ') margin++;
  column = p->out->n - column;
  put("(");
  for (int i = 0; i < items->n; i++) {
    size_t n = strlen(items->data[i]) + 2;
    if (column + n > WIDTH && i) {
      put(",\n%*s", (int)margin + 4, "");
      column = margin + 4;
    } else if (i) put(", ");
    put("%s", items->data[i]);
    column += n;
  }
  put(")");
}

static void print_call(Printer *p, const NestStmt *stmt) {
  const Instance *callee = instance_called(p->plan, stmt->u.call.fn, &p->known, stmt->u.call.arg);
  Words items = {0};
  for (int i = 0; i < p->nest->nbufs; i++)
    if (callee->used.buf[i] && p->nest->buf[i]->place < STACK) vec_push(p->arena, items, p->buf_name[i]);
  for (int i = 0; i < callee->fn->nparams; i++) {
    if (callee->known.fixed[i + 1] || !callee->used.slot[i + 1]) continue;
    Text text = {.arena = p->arena};
    Index ix = fold(p, &stmt->u.call.arg[i]);
    index_put(&text, &ix, p->slot_name);
    vec_push(p->arena, items, text.s);
  }
  put("%s%s", callee->name, p->print->names.suffix);
  print_list(p, &items);
  put(";\n");
}

static void print_if(Printer *p, const NestStmt *stmt, int depth) {
  Stmts otherwise = {0};
  live_statements(p, stmt->otherwise, &otherwise);
  put("if (");
  print_cond(p, &stmt->u.branch.cond);
  put(")");
  print_block(p, stmt->body, depth, otherwise.n > 0);
  if (otherwise.n) {
    put("else");
    print_block(p, stmt->otherwise, depth, false);
  }
}

static void print_stmt(Printer *p, const NestStmt *stmt, int depth) {
  if (stmt->kind == COMMENT) {
    emit_comment(p->out, 2 * depth, stmt->u.comment);
    return;
  }
  indent(p, depth);
  switch (stmt->kind) {
  case LOOP: print_loop(p, stmt, depth); break;
  case IF: print_if(p, stmt, depth); break;
  case STORE: print_store(p, stmt); break;
  case DECLARE: print_declaration(p, stmt->u.declare.buf); break;
  case CALL: print_call(p, stmt); break;
  case PIN:
    put("PIN(%s);\n", p->buf_name[stmt->u.pin.view->id]);
    p->print->needs->pin = true;
    break; /* not where print->standard */
  case PREFETCH: {
    const Buf *buf = stmt->u.prefetch.buf;
    p->print->needs->prefetch = true;
    put("PREFETCH(");
    if (buf->rank > 1 && !buf->flat) put("(const %s *)", type_name(p, buf->type.elem, 1));
    put("%s + ", p->buf_name[buf->id]);
    print_index(p, &stmt->u.prefetch.flat);
    put(");\n");
    break;
  }
  case COMMENT: break;
  }
}

static void print_wait(Printer *p, int depth) {
  indent(p, depth);
  put("BARRIER();\n");
  p->print->needs->team = true;
}

static void print_piece(Printer *p, const Piece *piece, const NestStmt *const *stmt, int depth) {
  if (piece->wait) print_wait(p, depth);
  const bool one = piece->kind == PIECE_ONE;
  if (one) {
    indent(p, depth);
    put("if (thread == %s) {\n", piece->last ? "threads - 1" : "0");
    p->team = false;
  }
  for (int i = 0; i < piece->n; i++) print_stmt(p, stmt[piece->first + i], depth + one);
  if (one) {
    indent(p, depth);
    put("}\n");
    p->team = true;
  }
}

static void print_body(Printer *p, const NestStmt *stmt, int depth) {
  int taken = p->taken.n;
  Stmts list = {0};
  live_statements(p, stmt, &list);
  if (p->team) {
    const Pieces pieces = team_pieces(p->arena, p->nest, list.data, list.n);
    for (int i = 0; i < pieces.n; i++) print_piece(p, &pieces.data[i], list.data, depth);
    if (depth > 1) print_wait(p, depth); /* before the next round */
  } else
    for (int i = 0; i < list.n; i++) print_stmt(p, list.data[i], depth);
  p->taken.n = taken;
}

/* ---- functions ---- */
static const char *
pointer_text(Arena *arena, const Buf *buf,
             const char *declared) { /* declared: "restrict in", or "" for the type alone */
  const char *text = arena_printf(arena, "%s%s ", buf->place <= WEIGHTS ? "const " : "",
                                  prelude_type(arena, NULL, buf->type.elem, 1));
  if (buf->rank <= 1 || buf->flat) return arena_printf(arena, "%s*%s", text, declared);
  text = arena_printf(arena, "%s(*%s)", text, declared);
  for (int d = 1; d < buf->rank; d++) text = arena_printf(arena, "%s[%lld]", text, (long long)buf->room[d]);
  return text;
}

static void name_parameter(Printer *p, const Buf *buf, Words *items) {
  p->buf_name[buf->id] = take_name(p, buf->name);
  vec_push(p->arena, *items,
           pointer_text(p->arena, buf, arena_printf(p->arena, "restrict %s", p->buf_name[buf->id])));
}

static void print_parameters(Printer *p, const Instance *instance, bool entry) {
  Words items = {0};
  for (int i = 0; i < p->nest->nbufs; i++)
    if (instance->used.buf[i] && p->nest->buf[i]->place < STACK) name_parameter(p, p->nest->buf[i], &items);
  for (int i = 0; i < instance->fn->nparams; i++) {
    if (instance->known.fixed[i + 1] || !(entry || instance->used.slot[i + 1])) continue;
    p->slot_name[i + 1] = take_name(p, instance->fn->param[i]);
    vec_push(p->arena, items,
             arena_printf(p->arena, "%s %s",
                          entry                   ? "int32_t"
                          : instance->fn->flag[i] ? "const int"
                                                  : "int",
                          p->slot_name[i + 1]));
  }
  if (p->team) {
    vec_push(p->arena, items, "int thread");
    vec_push(p->arena, items, "int threads");
  }
  if (!items.n) vec_push(p->arena, items, "void");
  print_list(p, &items);
}

static void print_shared_call(Printer *p,
                              const Instance *instance) { /* the body with this instance's constants */
  Words items = {0};
  for (int i = 0; i < p->nest->nbufs; i++)
    if (instance->used.buf[i] && p->nest->buf[i]->place < STACK) vec_push(p->arena, items, p->buf_name[i]);
  for (int i = 0; i < instance->fn->nparams; i++) {
    if (!instance->used.slot[i + 1]) continue;
    if (instance->known.fixed[i + 1])
      vec_push(p->arena, items,
               arena_printf(p->arena, "/*%s*/%lld", instance->fn->param[i],
                            (long long)instance->known.value[i + 1]));
    else vec_push(p->arena, items, p->slot_name[i + 1]);
  }
  put("  %s%s", instance->body->name, p->print->names.suffix);
  print_list(p, &items);
  put(";\n");
}

static void print_function(Text *out, Instances *plan, const Instance *instance, const NestPrint *print) {
  Text text = {.arena = out->arena};
  bool entry = instance->fn == plan->nest->main;
  Printer *p = NEW(plan->arena, Printer);
  *p = (Printer){.out = &text,
                 .arena = plan->arena,
                 .nest = plan->nest,
                 .print = print,
                 .plan = plan,
                 .instance = instance,
                 .known = instance->known,
                 .used = &instance->used,
                 .team = entry && emit_nest_shares(plan->nest, print)};
  const bool kernel = entry ? print->apart : !instance->inlined;
  put("%s %s%svoid %s%s",
      kernel  ? "KERNEL"
      : entry ? "static"
              : "INLINE",
      print->names.attribute, *print->names.attribute ? " " : "", instance->name, print->names.suffix);
  if (kernel) print->needs->kernel = true;
  else if (!entry) print->needs->inlined = true;
  print_parameters(p, instance, entry);
  put(" {\n");
  for (int i = 0; entry && i < instance->fn->nparams; i++)
    if (!instance->used.slot[i + 1]) put("  (void)%s;\n", p->slot_name[i + 1]);
  const size_t body = text.n;
  if (instance->body) print_shared_call(p, instance);
  else print_body(p, instance->fn->body, 1);
  for (int i = 0; i < p->nest->nbufs;
       i++) /* a tile that sees padding alone reads no input, which shows when its loops are written out */
    if (instance->used.buf[i] && p->nest->buf[i]->place < STACK &&
        !text_mentions(&(Text){.s = text.s + body, .n = text.n - body}, p->buf_name[i]))
      put("  (void)%s;\n", p->buf_name[i]);
  put("}\n\n");
  text_bytes(out, text.s, text.n);
}

void emit_comment(Text *out, int columns, const char *text) {
  for (const char *line = text; *line;) {
    size_t n = strcspn(line, "\r\n");
    text_put(out, "%*s// ", columns, "");
    for (size_t i = 0; i < n; i++) text_put(out, "%c", (unsigned char)line[i] < ' ' ? ' ' : line[i]);
    while (n && line[n - 1] == ' ') n--;
    if (n && (line[n - 1] == '\\' || (n >= 3 && !memcmp(line + n - 3, "?\?/", 3))))
      text_put(out, "."); /* else the next line would be comment too */
    text_put(out, "\n");
    line += strcspn(line, "\r\n");
    line += strspn(line, "\r\n");
  }
}

static void print_heading(Text *out, const Nest *nest, const Used *used) {
  static const char *const place[] = {[INPUT] = "input",    [WEIGHTS] = "weights",       [OUTPUT] = "output",
                                      [UPDATE] = "updated", [OVER] = "input and output", [WORK] = "scratch"};
  emit_comment(out, 0, nest->about);
  size_t width = 0;
  for (int i = 0; i < nest->nbufs; i++)
    if (nest->buf[i]->place < STACK && used->buf[i] && strlen(nest->buf[i]->name) > width)
      width = strlen(nest->buf[i]->name);
  for (int i = 0; i < nest->nbufs; i++) {
    const Buf *buf = nest->buf[i];
    if (buf->place >= STACK || !used->buf[i]) continue;
    text_put(out, "//   %-*s ", (int)width, buf->name);
    buf_put_dims(out, buf);
    text_put(out, "  %s\n", place[buf->place]);
  }
}

/* ---- what emit calls ---- */
void emit_nest(Text *out, const Nest *nest, const NestPrint *print) {
  Arena *scratch = arena_new();
  Instances *plan = instances_of(scratch, nest);
  print_heading(out, nest, &plan->instances.data[plan->instances.n - 1]->used);
  for (int i = 0; i < plan->instances.n; i++) print_function(out, plan, plan->instances.data[i], print);
  arena_free(scratch);
}

bool emit_nest_shares(const Nest *nest, const NestPrint *print) {
  return print->team && team_shares(nest->main->body);
}

const char *emit_nest_pointer(Arena *arena, const Nest *nest, int buf_id) {
  return pointer_text(arena, nest->buf[buf_id], "");
}

const char *emit_nest_call(Arena *arena, const Nest *nest, const NestPrint *print,
                           const char *const *argument, const char *const *size) {
  const char *text = arena_printf(arena, "%s%s(", nest->name, print->names.suffix), *gap = "";
  for (int i = 0; i < nest->nbufs; i++) {
    if (nest->buf[i]->place >= STACK || !nest_uses(nest, i)) continue;
    text = arena_printf(arena, "%s%s(%s)%s", text, gap, pointer_text(arena, nest->buf[i], ""), argument[i]);
    gap = ", ";
  }
  for (int i = 0; i < nest->main->nparams; i++) {
    text = arena_printf(arena, "%s%s%s", text, gap, size[i]);
    gap = ", ";
  }
  if (emit_nest_shares(nest, print)) text = arena_printf(arena, "%s%sthread, threads", text, gap);
  return arena_printf(arena, "%s);", text);
}
