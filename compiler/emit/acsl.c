/* acsl.c: ACSL annotations of the generated C: comments for Frama-C and its plugins WP and Eva. Kernels,
 * except merged ones, and inline functions get a contract. Their loops get an invariant, assigned locations
 * and a variant. With these annotations, a tool can verify the C without the nest and its proof
 * (docs/assurance.md). */
// SPDX-License-Identifier: Apache-2.0
#include "emit/acsl.h"
#include <stdint.h>
#include <string.h>

/* ---- buffers ---- */
/* Length of the array that a parameter points to, in objects of the pointer's type: rows or, for a flat
 * array, elements. */
static int64_t pointed(const Buf *buf) {
  int64_t last = 0;
  if (!code_is_flat(buf)) return buf->dim[0];
  for (int d = 0; d < buf->rank; d++) last += (buf->dim[d] - 1) * buf_room(buf, d + 1);
  return last + 1;
}

/* Whether the buffer is a part of a larger array in which elements of other parts are stored between the
 * buffer's elements. */
static bool has_gaps(const Buf *buf) { return pointed(buf) != buf_elements(buf) && code_is_flat(buf); }

static void put_pointed(Text *out, const char *name, const Buf *buf) {
  text_put(out, "%s + (0 .. %lld)", name, (long long)pointed(buf) - 1);
}

enum { ROWS_MOST = 64 };

/* Number of rows that put_cell_rows prints for a local array; a row consists of the elements along the last
 * axis. 0: put_cells prints the array in another form. */
static int64_t listed_rows(const Buf *buf) {
  int64_t rows = 1;
  if (buf->place < STACK || buf->rank < 2 || code_is_flat(buf)) return 0;
  for (int d = 0; d < buf->rank - 1; d++) rows *= buf->dim[d];
  return rows <= ROWS_MOST ? rows : 0;
}

/* Prints all elements of a local array, with one term per row: "window[0][0][0 .. 5], window[0][1][0 .. 5]".
 * WP compares each index of a local array separately. So if one term had several ranges, the provers would
 * have to find an index in each range. */
static void put_cell_rows(Text *out, const char *name, const Buf *buf) {
  const int64_t last = buf->dim[buf->rank - 1] - 1, rows = listed_rows(buf);
  for (int64_t row = 0; row < rows; row++) {
    int64_t inner = rows;
    text_put(out, "%s%s", row ? ", " : "", name);
    for (int d = 0; d < buf->rank - 1; d++) {
      inner /= buf->dim[d];
      text_put(out, "[%lld]", (long long)(row / inner % buf->dim[d]));
    }
    text_put(out, last ? "[0 .. %lld]" : "[0]", (long long)last);
  }
}

/* Prints all elements of a buffer as one range, "(&out[0][0][0])[0 .. 4703]", because provers compare such
 * ranges with linear arithmetic. If the buffer has gaps between its elements, or is a local array, prints a
 * range per index: "out[0 .. 27][0 .. 27][0 .. 5]". Exception: local arrays with few rows are printed row by
 * row. */
static void put_cells(Text *out, const char *name, const Buf *buf) {
  const bool range = buf->place < STACK && buf->rank > 1 && buf_contiguous(buf);
  if (code_is_variable(buf)) text_put(out, "%s", name);
  else if (code_is_flat(buf)) text_put(out, "%s[0 .. %lld]", name, (long long)pointed(buf) - 1);
  else if (listed_rows(buf)) put_cell_rows(out, name, buf);
  else {
    text_put(out, range ? "(&%s" : "%s", name);
    for (int d = 0; d < buf->rank; d++)
      text_put(out, range || buf->dim[d] == 1 ? "[0]" : "[0 .. %lld]", (long long)buf->dim[d] - 1);
    if (range) text_put(out, ")[0 .. %lld]", (long long)buf_elements(buf) - 1);
  }
}

static void add_once(Arena *arena, Words *list, const char *text) {
  for (int i = 0; i < list->n; i++)
    if (!strcmp(list->data[i], text)) return;
  vec_push(arena, *list, text);
}

static const char *comma_list(Arena *arena, const Words *list) {
  Text out = {.arena = arena};
  for (int i = 0; i < list->n; i++) text_put(&out, "%s%s", i ? ", " : "", list->data[i]);
  return list->n ? out.s : "\\nothing";
}

/* ---- contracts of functions ---- */
static void put_separated(Printer *p, Text *out, const Buf *a, const Buf *b) {
  if (a->overlaps || b->overlaps || (a->place <= WEIGHTS && b->place <= WEIGHTS)) return;
  if (has_gaps(a) || has_gaps(b)) return; /* interleaved parts of one array are not separated */
  text_put(out, "    requires \\separated(");
  put_pointed(out, p->buf_name[a->id], a);
  text_put(out, ", ");
  put_pointed(out, p->buf_name[b->id], b);
  text_put(out, ");\n");
}

static bool is_parameter(const Printer *p, int buf) {
  return p->used->buf[buf] && p->nest->buf[buf]->place < STACK;
}

/* ---- numbers in the weights ---- */
/* Arguments of inline functions that must be in a range: factors and shifts. If such an argument is read from
 * the weights, the kernel's contract requires that the weights are in the range. So WP need not know the
 * weights. */
static const struct {
  const Primitive *of;
  int argument;
  int64_t lo, hi;
} range_table[] = {
    {&primitive_requantize_single, 2, -32, 30},
    {&primitive_requantize_double, 1, 0, INT32_MAX},
    {&primitive_requantize_double, 2, -62, 30},
    {&primitive_requantize_far_single, 2, -31, 30},
    {&primitive_requantize_far_double, 2, -31, 30},
    {&primitive_requantize_wide, 2, -32, 14},
    {&primitive_requantize_reduced, 2, -48, 14},
    {&primitive_requantize_exact, 2, -2000, 30},
    {&primitive_shift_wide, 1, 1, 63},
    {&primitive_shift_right, 1, 0, 31},
};
enum { RANGES = sizeof range_table / sizeof *range_table };

/* Prints the requirement that every element that the reference may read is at least lo and at most hi. For an
 * index that is not constant, the requirement covers all elements along the index's dimension. */
static void put_weight_range(Printer *p, Text *out, const Ref *ref, int64_t lo, int64_t hi) {
  const Buf *buf = ref->buf;
  const bool flat = code_is_flat(buf);
  Text names = {.arena = p->arena}, limits = names, element = names;
  for (int d = 0; d < (flat ? 1 : buf->rank); d++) {
    if (!flat && index_constant(&ref->at[d])) {
      text_put(&element, "[%lld]", (long long)ref->at[d].c);
      continue;
    }
    text_put(&limits, "%s0 <= i%d < %lld", names.n ? " && " : "", d,
             (long long)(flat ? pointed(buf) : buf->dim[d]));
    text_put(&names, "%si%d", names.n ? ", " : "", d);
    text_put(&element, "[i%d]", d);
  }
  text_put(out, "    requires ");
  if (names.n) text_put(out, "\\forall integer %s; %s ==> ", names.s, limits.s);
  text_put(out, "%lld <= %s%s <= %lld;\n", (long long)lo, p->buf_name[buf->id], element.s, (long long)hi);
}

static void find_value_weight_ranges(Printer *p, Val val, Words *found) {
  for (int i = 0; val->op == PRIMITIVE && i < RANGES; i++) {
    const Val argument = val->primitive == range_table[i].of ? val->a[range_table[i].argument] : NULL;
    Text range = {.arena = p->arena};
    if (!argument || argument->op != LOAD || argument->ref->buf->place != WEIGHTS) continue;
    put_weight_range(p, &range, argument->ref, range_table[i].lo, range_table[i].hi);
    add_once(p->arena, found, range.s);
  }
  for (int k = 0; k < 3; k++)
    if (val->a[k]) find_value_weight_ranges(p, val->a[k], found);
}

static void find_weight_ranges(Printer *p, const Instance *instance, const NestStmt *body, Words *found) {
  Stmts list = {0};
  code_statements(p->arena, instance, body, false, &list);
  for (int i = 0; i < list.n; i++) {
    const NestStmt *stmt = list.data[i];
    if (stmt->kind == STORE) find_value_weight_ranges(p, stmt->u.store.val, found);
    if (stmt->kind == LOOP || stmt->kind == IF) {
      find_weight_ranges(p, instance, stmt->body, found);
      find_weight_ranges(p, instance, stmt->otherwise, found);
    }
    if (stmt->kind == CALL) {
      const Instance *called = instance_called(p->plan, stmt->u.call.fn, &instance->known, stmt->u.call.arg);
      find_weight_ranges(p, called, called->fn->body, found);
    }
  }
}

static void put_requirements(Printer *p, Text *out, const Instance *instance) {
  for (int i = 0; i < p->nest->nbufs; i++) {
    if (!is_parameter(p, i)) continue;
    text_put(out, "    requires %s(", p->nest->buf[i]->place <= WEIGHTS ? "\\valid_read" : "\\valid");
    put_pointed(out, p->buf_name[i], p->nest->buf[i]);
    text_put(out, ");\n");
  }
  for (int i = 0; i < p->nest->nbufs; i++)
    for (int k = i + 1; is_parameter(p, i) && k < p->nest->nbufs; k++)
      if (is_parameter(p, k)) put_separated(p, out, p->nest->buf[i], p->nest->buf[k]);
  for (int i = 0; i < instance->fn->nparams; i++)
    if (instance->fn->size[i] && p->slot_name[i + 1])
      text_put(out, "    requires %lld <= %s <= %lld;\n", (long long)instance->fn->lo[i], p->slot_name[i + 1],
               (long long)instance->fn->hi[i]);
  Words ranges = {0};
  find_weight_ranges(p, instance, instance->fn->body, &ranges);
  for (int i = 0; i < ranges.n; i++) text_put(out, "%s", ranges.data[i]);
}

const char *acsl_contract(Printer *p, const Instance *instance) {
  static const char margin[] = "    ";
  Text out = {.arena = p->arena};
  Words assigned = {0};
  if (!p->print->acsl || p->print->merged) return "";
  put_requirements(p, &out, instance);
  for (int i = 0; i < p->nest->nbufs; i++) {
    Text cells = {.arena = p->arena};
    if (!is_parameter(p, i) || p->nest->buf[i]->place <= WEIGHTS) continue;
    put_cells(&cells, p->buf_name[i], p->nest->buf[i]);
    vec_push(p->arena, assigned, cells.s);
  }
  text_put(&out, "    assigns %s;", comma_list(p->arena, &assigned));
  return arena_printf(p->arena, "/*@ %s */\n", out.s + strlen(margin));
}

/* ---- locations that a loop assigns ---- */
typedef struct Effects {
  Printer *p;
  const NestStmt *open[SLOTS]; /* the loops around the current statement; [0] is the annotated loop */
  int nopen;
  bool *inside; /* by buffer id: whether the annotated loop declares the buffer */
  Words assigned;
  bool memory; /* whether the loop assigns elements of parameters */
} Effects;

/* An inclusive lower or upper bound of the loop's variable. If the loop has several such bounds, each of them
 * is valid; the result is then a constant bound, if there is one. */
static Index bound_of(const Printer *p, const NestStmt *loop, bool low) {
  const Index *bound = low ? loop->u.loop.lo : loop->u.loop.hi;
  const int n = low ? loop->u.loop.nlo : loop->u.loop.nhi;
  Index best = printer_fold(p, &bound[0]);
  for (int i = 1; i < n; i++) {
    const Index other = printer_fold(p, &bound[i]);
    if (index_constant(&other)) best = other;
  }
  if (!low) best.c--;
  return best;
}

/* The smallest or largest value of an index over all iterations of the annotated loop and of the loops inside
 * it. The result contains only variables from outside the annotated loop. */
static Index extreme(const Effects *e, const Index *index, bool low) {
  Index ix = printer_fold(e->p, index);
  for (int i = e->nopen - 1; i >= 0; i--) {
    const int slot = e->open[i]->u.loop.slot;
    const int64_t k = ix.k[slot];
    if (!k) continue;
    const Index bound = bound_of(e->p, e->open[i], low == (k > 0));
    ix.k[slot] = 0;
    ix.c += k * bound.c;
    for (int s = 1; s < SLOTS; s++) ix.k[s] += k * bound.k[s];
  }
  return ix;
}

/* The smallest and the largest value of one index, over all elements that the loop assigns. */
typedef struct AssignedRange {
  Index low, high;
} AssignedRange;

static AssignedRange assigned_range(const Effects *e, const Index *index, int64_t dim) {
  AssignedRange r = {extreme(e, index, true), extreme(e, index, false)};
  if (index_constant(&r.low) && r.low.c < 0) r.low.c = 0;
  if (index_constant(&r.high) && r.high.c >= dim) r.high.c = dim - 1;
  return r;
}

static bool is_one_index(const AssignedRange *r) { return !memcmp(&r->low, &r->high, sizeof r->low); }

/* Number of values in the range; 0: this number is not constant. */
static int64_t index_count(const AssignedRange *r) {
  Index gap = r->high;
  for (int s = 1; s < SLOTS; s++) gap.k[s] -= r->low.k[s];
  return index_constant(&gap) ? gap.c - r->low.c + 1 : 0;
}

/* Number of assigned elements, if at least two indices have several values and the elements are consecutive
 * in memory; otherwise 0. */
static int64_t adjacent_elements(const Buf *buf, const AssignedRange *range) {
  int64_t elements = 1;
  int d = buf->rank - 1, ranges = 0;
  for (int i = 0; i < buf->rank; i++) ranges += !is_one_index(&range[i]);
  if (ranges < 2 || !buf_contiguous(buf)) return 0;
  while (d > 0 && index_count(&range[d]) == buf->dim[d]) elements *= buf->dim[d--];
  elements *= index_count(&range[d]);
  while (--d >= 0)
    if (!is_one_index(&range[d])) return 0;
  return elements > 0 ? elements : 0;
}

/* Prints the assigned elements: as one range, "(&out[y][0][0])[0 .. 83]", if adjacent_elements returns their
 * number; otherwise with a range per index, "out[y][0 .. 13][0 .. 3]". */
static void put_assigned_ranges(const Effects *e, Text *out, const Buf *buf, const AssignedRange *range) {
  const int64_t elements = adjacent_elements(buf, range);
  text_put(out, elements ? "(&%s" : "%s", e->p->buf_name[buf->id]);
  for (int d = 0; d < buf->rank; d++) {
    text_put(out, "[");
    index_put(out, &range[d].low, e->p->slot_name);
    if (!elements && !is_one_index(&range[d])) {
      text_put(out, " .. ");
      index_put(out, &range[d].high, e->p->slot_name);
    }
    text_put(out, "]");
  }
  if (elements) text_put(out, ")[0 .. %lld]", (long long)elements - 1);
}

static void add_whole(Effects *e, const Buf *buf) {
  Text cells = {.arena = e->p->arena};
  put_cells(&cells, e->p->buf_name[buf->id], buf);
  add_once(e->p->arena, &e->assigned, cells.s);
  e->memory = e->memory || buf->place < STACK;
}

/* Whether the loop may assign all elements of the buffer. */
static bool assigns_all(const Effects *e, const Ref *ref) {
  for (int d = 0; d < ref->buf->rank; d++) {
    const Index low = extreme(e, &ref->at[d], true), high = extreme(e, &ref->at[d], false);
    if (!index_constant(&low) || !index_constant(&high) || low.c > 0 || high.c < ref->buf->dim[d] - 1)
      return false;
  }
  return true;
}

static void add_assigned(Effects *e, const Ref *ref) {
  const Buf *of = ref->buf->of ? ref->buf->of : ref->buf;
  Text cells = {.arena = e->p->arena};
  AssignedRange range[DIMS];
  if (e->inside[of->id]) return;
  if (of->place >= STACK || of->flat || ref->buf->of || assigns_all(e, ref)) {
    add_whole(e, of);
    return;
  }
  for (int d = 0; d < of->rank; d++) range[d] = assigned_range(e, &ref->at[d], of->dim[d]);
  put_assigned_ranges(e, &cells, of, range);
  add_once(e->p->arena, &e->assigned, cells.s);
  e->memory = true;
}

static void add_called(Effects *e, const NestStmt *stmt) {
  const Printer *p = e->p;
  const Instance *callee = instance_called(p->plan, stmt->u.call.fn, &p->known, stmt->u.call.arg);
  for (int i = 0; i < p->nest->nbufs; i++) {
    const Buf *buf = p->nest->buf[i];
    if (callee->used.buf[i] && buf->place > WEIGHTS && buf->place < STACK) add_whole(e, buf);
  }
}

static void add_effects(Effects *e, const NestStmt *body) {
  Stmts list = {0};
  code_statements(e->p->arena, e->p->instance, body, false, &list);
  for (int i = 0; i < list.n; i++) {
    const NestStmt *stmt = list.data[i];
    switch (stmt->kind) {
    case LOOP:
      e->open[e->nopen++] = stmt;
      add_effects(e, stmt->body);
      e->nopen--;
      break;
    case IF:
      add_effects(e, stmt->body);
      add_effects(e, stmt->otherwise);
      break;
    case STORE:
      if (stmt->u.store.declare) e->inside[stmt->u.store.ref.buf->id] = true;
      else add_assigned(e, &stmt->u.store.ref);
      break;
    case DECLARE: e->inside[stmt->u.declare.buf->id] = true; break;
    case CALL: add_called(e, stmt); break;
    case ROUTINE:
      for (int k = 0; k < stmt->u.routine.of->nbufs; k++)
        if (stmt->u.routine.of->writes[k]) add_whole(e, stmt->u.routine.buf[k]);
      break;
    case PIN:
    case PREFETCH:
    case COMMENT: break;
    }
  }
}

/* ---- loops ---- */
enum { UNROLL_MOST = 1 << 16 };

/* Maximum number of iterations of a loop. With `nested`, this number is multiplied by the largest
 * iterations(p, inner, true) of the loops `inner` directly in the body, except CHOSEN loops. 0: the result
 * would be less than 1, not constant, or larger than UNROLL_MOST. */
static int64_t iterations(const Printer *p, const NestStmt *loop, bool nested) {
  Index low = bound_of(p, loop, true), high = bound_of(p, loop, false);
  int64_t most = 1;
  Stmts list = {0};
  for (int s = 1; s < SLOTS; s++) high.k[s] -= low.k[s];
  if (!index_constant(&high)) return 0;
  code_statements(p->arena, p->instance, loop->body, false, &list);
  for (int i = 0; nested && i < list.n; i++)
    if (list.data[i]->kind == LOOP && list.data[i]->u.loop.kind != CHOSEN) {
      const int64_t n = iterations(p, list.data[i], true);
      if (!n) return 0;
      if (n > most) most = n;
    }
  const int64_t n = high.c - low.c + 1;
  return n < 1 || n > UNROLL_MOST || n * most > UNROLL_MOST ? 0 : n * (nested ? most : 1);
}

static bool condition_depends(const Cond *cond, int slot) {
  for (int i = 0; i < cond->n; i++)
    for (int k = 0; k < cond->any[i].n; k++)
      if (cond->any[i].range[k].e.k[slot]) return true;
  return false;
}

static bool picks_by(Val val, int slot) {
  if (val->op == PICK && condition_depends(val->cond, slot)) return true;
  for (int k = 0; k < 3; k++)
    if (val->a[k] && picks_by(val->a[k], slot)) return true;
  return false;
}

/* Whether a condition in a loop's body depends on the loop's variable: for example, whether an element of a
 * window is in the input or in the padding. */
static bool decides(const Printer *p, int slot, const NestStmt *body) {
  Stmts list = {0};
  code_statements(p->arena, p->instance, body, false, &list);
  for (int i = 0; i < list.n; i++) {
    const NestStmt *stmt = list.data[i];
    if (stmt->kind == STORE && picks_by(stmt->u.store.val, slot)) return true;
    if (stmt->kind == IF && condition_depends(&stmt->u.branch.cond, slot)) return true;
    if ((stmt->kind == LOOP || stmt->kind == IF) && decides(p, slot, stmt->body)) return true;
    if (stmt->kind == IF && decides(p, slot, stmt->otherwise)) return true;
  }
  return false;
}

/* Whether lo <= v <= hi is an ACSL invariant of a loop over v from lo to hi. True is returned only if the
 * loop has one lower and one upper bound, and hi - lo is a constant of at least 0. */
static bool is_ordered(const Printer *p, const NestStmt *loop) {
  const Index low = printer_fold(p, &loop->u.loop.lo[0]);
  Index gap = printer_fold(p, &loop->u.loop.hi[0]);
  if (loop->u.loop.nlo > 1 || loop->u.loop.nhi > 1) return false;
  for (int s = 1; s < SLOTS; s++) gap.k[s] -= low.k[s];
  return index_constant(&gap) && gap.c >= low.c;
}

static const char *limit_text(Printer *p, const NestStmt *loop, bool low) {
  Text *out = p->out, text = {.arena = p->arena};
  p->out = &text;
  if (low) print_limit(p, loop->u.loop.nlo, loop->u.loop.lo, true);
  else print_limit(p, loop->u.loop.nhi, loop->u.loop.hi, false);
  p->out = out;
  return text.s;
}

/* The number of a loop's iterations that Eva analyzes separately; 0: none. A loop that assigns only local
 * variables is unrolled; otherwise Eva would lose the bounds of sums and windows. In code that WP does not
 * check, a short loop is also unrolled if a condition in its body depends on the loop's variable. */
static int64_t separate_iterations(const Printer *p, const NestStmt *loop, bool memory) {
  enum { SEPARATE_MOST = 256 };
  const int64_t n = iterations(p, loop, false);
  if (!memory) return iterations(p, loop, true) ? n : 0;
  return p->print->acsl_eva && n <= SEPARATE_MOST && decides(p, loop->u.loop.slot, loop->body) ? n : 0;
}

void print_loop_annotation(Printer *p, const NestStmt *loop, int depth, const char *v, const char *end) {
  if (!p->print->acsl || p->print->merged) return;
  Effects e = {.p = p, .inside = NEW_ARRAY(p->arena, bool, p->nest->nbufs + 1)};
  const char *lo = limit_text(p, loop, true), *hi = limit_text(p, loop, false), *top = end ? end : hi;
  const int margin = 2 * depth + 4;
  vec_push(p->arena, e.assigned, v);
  e.open[e.nopen++] = loop;
  add_effects(&e, loop->body);
  const int64_t n = separate_iterations(p, loop, e.memory);
  put("/*@ ");
  if (n) put("loop unroll %lld;\n%*s", (long long)n, margin, "");
  if (is_ordered(p, loop)) put("loop invariant %s <= %s <= %s;\n%*s", lo, v, top, margin, "");
  else {
    put("loop invariant %s <= %s && (%s <= %s || %s == %s);\n%*s", lo, v, v, top, v, lo, margin, "");
    if (end) put("loop invariant %s == %s;\n%*s", end, hi, margin, "");
  }
  put("loop assigns %s;\n%*sloop variant %s - %s; */\n%*s", comma_list(p->arena, &e.assigned), margin, "",
      top, v, 2 * depth, "");
}

/* ---- inline functions ---- */
/* Contracts of inline functions, and annotations of the loops in them. `name` is the beginning of the
 * function's name after the prefix. All other inline functions have the contract `assigns \nothing;`. */
static const struct {
  const char *name, *contract, *loop;
} helper_table[] = {
    {"chosen_x", "requires lo <= last; assigns \\nothing; ensures lo <= \\result <= last;", NULL},
    {"requantize_single", "requires -32 <= e <= 30; assigns \\nothing;", NULL},
    {"requantize_double", "requires 0 <= m; requires -62 <= e <= 30; assigns \\nothing;", NULL},
    {"requantize_far", "requires -31 <= e <= 30; assigns \\nothing;", NULL},
    {"requantize_wide_float", "assigns \\nothing;", NULL},
    {"requantize_wide", "requires -32 <= e <= 14; assigns \\nothing;", NULL},
    {"requantize_reduced", "requires -48 <= e <= 14; assigns \\nothing;", NULL},
    {"requantize_exact", "requires e <= 30; assigns \\nothing;",
     "loop invariant e <= 30; loop assigns e, factor; loop variant -e;"},
    {"shift_wide", "requires 1 <= s <= 63; assigns \\nothing;", NULL},
    {"shift_right", "requires 0 <= s <= 31; assigns \\nothing;", NULL},
    {"average", "requires n > 0; assigns \\nothing;", NULL},
    {"leading_zeros", "assigns \\nothing; ensures 0 <= \\result <= 31;", NULL},
    /* Eva and WP cannot bound the result of Newton's iteration. tests/assure/reciprocal.c checks the bounds
     * in the contract: the test does the function's computation for every argument. */
    {"softmax_reciprocal",
     "requires 0 <= zeros <= 31; assigns \\nothing; admit ensures 1073741820 <= \\result <= 2147483647;",
     "loop unroll 3; loop invariant 0 <= i <= 3; loop assigns i, x; loop variant 3 - i;"},
    /* Eva cannot bound the result, because it does not use the fact that comparisons with NaN are false.
     * tests/assure/quantize.c checks the bounds in the contract: the test does the function's computation
     * for every quotient. */
    {"quantize_float", "assigns \\nothing; admit ensures -131072 <= \\result <= 131072;", NULL},
    {"softmax_place", "requires 0 <= zeros <= 31; assigns \\nothing;", NULL},
    {"softmax_share_wide", "requires 0 <= zeros <= 31; assigns \\nothing;", NULL},
    {"softmax_share", "requires 0 <= zeros <= 31; assigns \\nothing;", NULL},
    {"exponential_halves", "requires 0 <= whole <= 13; assigns \\nothing;",
     "loop unroll 7; loop invariant 0 <= i <= 7; loop assigns i, y; loop variant 7 - i;"},
    {"reciprocal_halves", "assigns \\nothing;",
     "loop unroll 3; loop invariant 0 <= i <= 3; loop assigns i, y; loop variant 3 - i;"},
};
enum { HELPERS = sizeof helper_table / sizeof *helper_table };

static int helper_of(const char *line, const char *prefix) {
  const char *name = strchr(line, '(');
  while (name > line && name[-1] != ' ') name--;
  if (!strncmp(name, prefix, strlen(prefix))) name += strlen(prefix);
  for (int i = 0; i < HELPERS; i++)
    if (!strncmp(name, helper_table[i].name, strlen(helper_table[i].name))) return i;
  return HELPERS;
}

void acsl_helpers(Text *out, size_t from, const char *prefix) {
  static const char begin[] = "INLINE ", loop[] = "  for (";
  const char *text = arena_copy(out->arena, out->s + from, out->n - from);
  int helper = HELPERS;
  out->n = from;
  while (*text) {
    const size_t n = strcspn(text, "\n") + 1;
    if (!strncmp(text, begin, sizeof begin - 1)) {
      helper = helper_of(text, prefix);
      text_put(out, "/*@ %s */\n", helper < HELPERS ? helper_table[helper].contract : "assigns \\nothing;");
    }
    if (!strncmp(text, loop, sizeof loop - 1) && helper < HELPERS && helper_table[helper].loop)
      text_put(out, "  /*@ %s */\n", helper_table[helper].loop);
    text_bytes(out, text, n);
    text += n;
  }
}
