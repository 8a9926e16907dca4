/* interp.c: Nest interpreter, in double or with every result rounded to float. The interpreter checks most of
 * the properties that prove.c proves: it stops at an access outside a buffer, a read of an unwritten element,
 * or a conflict between two iterations of a parallel loop. The interpreter is slow and simple: it is the
 * oracle of tests, and computes the packs that fill.c does not support. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "nest/nest.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/random.h"
#include "nest/team.h"

enum {
  SEVERAL = -1
}; /* Touch.reader is SEVERAL - Interp.first if several iterations of the current parallel loop have read the
      element */

/* The last accesses to an element in the current parallel loop, as serial numbers of iterations. */
typedef struct Touch {
  int64_t writer, reader;
} Touch;

/* Compact form of a nest for execution: only the nonzero terms of each index. */
typedef struct Term {
  int64_t k;
  int slot;
} Term;
typedef struct Sum {
  int64_t c;
  const Term *term, *end;
} Sum;
typedef struct Axis { /* a dimension whose index is not constant, or is outside of the buffer */
  Sum index;
  int64_t stride; /* stride of the dimension in elements */
  int64_t limit;  /* indices from `limit` on are out of bounds; for a vector, indices of lane 0 */
  int dimension;
} Axis;
typedef struct Spot { /* the element of a reference; for a reference to a view, the element of the view's
                         buffer */
  double *at;         /* the address, if all indices are constant and the buffer is in registers or on the
                         stack; NULL: the address is computed on each access */
  const Buf *buf;
  int64_t flat;  /* part of the element's offset that the constant indices determine */
  int64_t width; /* numbers per element: the lanes of a register; 1 in memory */
  int naxes;
  Axis axis[];
} Spot;
typedef struct Test { /* lo <= e < hi */
  Sum e;
  int64_t lo, hi;
  bool ends; /* this is the last test of an alternative */
  bool none; /* this entry only marks the end of the alternatives and has no test */
} Test;
typedef struct Code { /* a compact form of a value: the ValNodes of large kernels do not fit in the caches */
  ValOp op;
  Elem elem;
  int lanes, part;
  const struct Code *a[3];
  Val e;
  union {
    const Spot *spot; /* LOAD */
    const Test *cond; /* PICK */
    const Sum *index; /* LANE, POSITION */
  } u;
} Code;
typedef struct Step {
  NestStmtKind kind;
  int lanes; /* STORE: number of lanes to store, or of bytes for packed words */
  const struct Step *next;
  const Code *val;  /* STORE, CHOSEN */
  const Spot *spot; /* STORE */
  const NestStmt *stmt;
  const struct Step *body, *otherwise; /* body: for a CALL, the body of the called function */
  const Test *cond;                    /* IF */
  const Sum *lo, *hi, *arg;            /* lo, hi: LOOP; arg: CALL */
} Step;
typedef struct Body {
  const NestFn *fn;
  const Step *first;
} Body;

typedef struct Interp {
  Run *run;
  Arena *arena;
  bool joined; /* the current statement is inside nested parallel loops that a team shares as one range */
  int64_t serial, first,
      now; /* serial numbers of parallel iterations. Of nested parallel loops, only the outermost counts, or
              only the innermost if the loops are joined. serial: the last number assigned; first: the first
              number of the current loop; now: the current iteration (0: outside parallel loops) */
  double **mem; /* by buffer id, including locals */
  Touch **touch;
  bool **over; /* by buffer id, then by element: whether the element was overwritten; only for buffers with
                  place OVER */
  VEC(Body) bodies; /* the functions that were compiled so far */
} Interp;

static void interp_exec(Interp *, int64_t *, const Step *);

static double unset(void) { /* a NaN that arithmetic never produces */
  const uint64_t bits = UINT64_C(0x7ff80000dead0001);
  double v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

bool nest_unset(double value) {
  const double mark = unset();
  return !memcmp(&mark, &value, sizeof value);
}

static void report_fault(Interp *in, const char *what, const Buf *buf) {
  if (!in->run->error[0])
    snprintf(in->run->error, sizeof in->run->error, "%s%s%s", what, buf ? ": " : "", buf ? buf->name : "");
}

static int64_t interp_index(const int64_t *env, const Sum *sum) {
  int64_t r = sum->c;
  for (const Term *term = sum->term; term < sum->end; term++) r += term->k * env[term->slot];
  return r;
}

static int64_t elements(const Buf *buf) {
  return buf_room(buf, 0) * (buf->place == REGS ? buf->type.lanes : 1);
}

/* ---- preparation of a nest for execution ---- */
static Sum index_sum(Arena *arena, const Index *a, const Index *b) { /* a + b; b may be NULL */
  int64_t k[SLOTS];
  int n = 0;
  for (int s = 1; s < SLOTS; s++) {
    k[s] = a->k[s] + (b ? b->k[s] : 0);
    n += k[s] != 0;
  }
  Term *term = NEW_ARRAY(arena, Term, n + 1), *end = term;
  for (int s = 1; s < SLOTS; s++)
    if (k[s]) *end++ = (Term){k[s], s};
  return (Sum){a->c + (b ? b->c : 0), term, end};
}

static const Sum *index_sums(Arena *arena, const Index *ix, int n) {
  Sum *sum = NEW_ARRAY(arena, Sum, n + 1);
  for (int i = 0; i < n; i++) sum[i] = index_sum(arena, &ix[i], NULL);
  return sum;
}

static const Spot *spot_of(const Interp *in, const Ref *ref, int lanes) {
  const Buf *view = ref->buf->of ? ref->buf : NULL, *buf = view ? view->of : ref->buf;
  const bool registers = buf->place == REGS;
  Spot *spot = arena_alloc(in->arena, sizeof *spot + (size_t)buf->rank * sizeof *spot->axis);
  spot->buf = buf;
  spot->width = registers ? buf->type.lanes : 1;
  for (int d = 0; d < buf->rank; d++) {
    const Sum index = index_sum(in->arena, &ref->at[d], view ? &view->base[d] : NULL);
    const int64_t limit = buf->dim[d] - (d == buf->rank - 1 && !registers ? lanes - 1 : 0);
    const int64_t stride = buf_room(buf, d + 1);
    if (index.term == index.end && index.c >= 0 && index.c < limit) spot->flat += index.c * stride;
    else spot->axis[spot->naxes++] = (Axis){index, stride, limit, d};
  }
  if (!spot->naxes && (registers || buf->place == STACK))
    spot->at = in->mem[buf->id] + spot->flat * spot->width;
  return spot;
}

static const Test *tests_of(Arena *arena, const Cond *cond) {
  int n = 0;
  for (int i = 0; i < cond->n; i++) n += cond->any[i].n ? cond->any[i].n : 1;
  Test *test = NEW_ARRAY(arena, Test, n + 1), *at = test;
  for (int i = 0; i < cond->n; i++) {
    if (!cond->any[i].n) *at++ = (Test){.lo = 0, .hi = 1}; /* an alternative without ranges is always true */
    for (int j = 0; j < cond->any[i].n; j++) {
      const Range *range = &cond->any[i].range[j];
      *at++ = (Test){.e = index_sum(arena, &range->e, NULL), .lo = range->lo, .hi = range->hi};
    }
    at[-1].ends = true;
  }
  *at = (Test){.none = true};
  return test;
}

static const Code *code_of(const Interp *in, Val e) {
  Code *code = NEW(in->arena, Code);
  *code = (Code){.op = e->op, .elem = e->type.elem, .lanes = e->type.lanes, .part = e->part, .e = e};
  for (int i = 0; i < 3 && e->a[i]; i++) code->a[i] = code_of(in, e->a[i]);
  if (e->op == LOAD) code->u.spot = spot_of(in, e->ref, e->part);
  if (e->op == PICK) code->u.cond = tests_of(in->arena, e->cond);
  if (e->op == LANE || e->op == POSITION) code->u.index = index_sums(in->arena, &e->index, 1);
  return code;
}

static const Step *body_of(Interp *, const NestFn *);

static const Step *compile_steps(Interp *in, const NestStmt *stmt) {
  const Step *first = NULL, **link = &first;
  for (; stmt; stmt = stmt->next) {
    Step *step = NEW(in->arena, Step);
    step->kind = stmt->kind;
    step->stmt = stmt;
    *link = step;
    link = &step->next;
    switch (stmt->kind) {
    case LOOP:
      step->lo = index_sums(in->arena, stmt->u.loop.lo, stmt->u.loop.nlo);
      step->hi = index_sums(in->arena, stmt->u.loop.hi, stmt->u.loop.nhi);
      if (stmt->u.loop.kind == CHOSEN) step->val = code_of(in, stmt->u.loop.chosen);
      step->body = compile_steps(in, stmt->body);
      break;
    case IF:
      step->cond = tests_of(in->arena, &stmt->u.branch.cond);
      step->body = compile_steps(in, stmt->body);
      step->otherwise = compile_steps(in, stmt->otherwise);
      break;
    case STORE:
      step->lanes =
          stmt->u.store.ref.buf->place == REGS ? stmt->u.store.ref.buf->type.lanes : stmt->u.store.part;
      step->val = code_of(in, stmt->u.store.val);
      step->spot = spot_of(in, &stmt->u.store.ref, step->lanes);
      break;
    case CALL:
      step->arg = index_sums(in->arena, stmt->u.call.arg, stmt->u.call.fn->nparams);
      step->body = body_of(in, stmt->u.call.fn);
      break;
    default: break;
    }
  }
  return first;
}

static const Step *body_of(Interp *in, const NestFn *fn) {
  for (int i = 0; i < in->bodies.n; i++)
    if (in->bodies.data[i].fn == fn) return in->bodies.data[i].first;
  const Body body = {fn, compile_steps(in, fn->body)};
  vec_push(in->arena, in->bodies, body);
  return body.first;
}

/* ---- memory ---- */
static void record_access(Interp *in, const Buf *buf, int64_t first, int n, bool write) {
  if (!in->touch[buf->id]) in->touch[buf->id] = NEW_ARRAY(in->arena, Touch, elements(buf));
  for (int i = 0; i < n; i++) {
    Touch *touch = &in->touch[buf->id][first + i];
    bool other_wrote = touch->writer >= in->first && touch->writer != in->now;
    bool other_read =
        touch->reader == SEVERAL - in->first || (touch->reader >= in->first && touch->reader != in->now);
    if (other_wrote || (write && other_read)) report_fault(in, "parallel iterations meet", buf);
    if (write) touch->writer = in->now;
    else touch->reader = other_read ? SEVERAL - in->first : in->now;
  }
}

static void written_over(Interp *in, const Buf *buf, int64_t first, int n, bool write) {
  for (int i = 0; i < n; i++)
    if (write) in->over[buf->id][first + i] = true;
    else if (in->over[buf->id][first + i]) report_fault(in, "read after it was overwritten", buf);
}

static double *locate(Interp *in, const int64_t *env, const Spot *spot, int lanes, bool write) {
  if (spot->at) return spot->at;
  const Buf *buf = spot->buf;
  int64_t flat = spot->flat;
  for (const Axis *axis = spot->axis; axis < spot->axis + spot->naxes; axis++) {
    const int64_t i = interp_index(env, &axis->index);
    if ((i < 0 || i >= axis->limit) && !in->run->error[0])
      snprintf(in->run->error, sizeof in->run->error, "%s[%lld], dimension %d of %lld", buf->name,
               (long long)i, axis->dimension, (long long)buf->dim[axis->dimension]);
    flat += i * axis->stride;
  }
  if (in->run->error[0]) return NULL;
  if (in->now && buf->place < STACK) record_access(in, buf, flat, lanes, write);
  if (buf->place == OVER) written_over(in, buf, flat, lanes, write);
  return in->mem[buf->id] + flat * spot->width;
}

/* ---- values ---- */
static bool test_holds(const int64_t *env, const Test *test) {
  while (!test->none) {
    const int64_t v = interp_index(env, &test->e);
    const bool holds = v >= test->lo && v < test->hi;
    if (holds && test->ends) return true;
    if (!holds)
      while (!test->ends) test++;
    test++;
  }
  return false;
}

static double random_value(double key0, double key1, double counter) {
  return (double)random_uniform((uint32_t)(int32_t)key0, (uint32_t)(int32_t)key1, (uint32_t)(int32_t)counter);
}

#define EXACT 0x1p53 /* integers up to this number are exact in double */

static double converted(Interp *in, double x, Elem elem) {
  static const double
      lo[] = {[I32] = INT32_MIN, [U8] = 0, [I8] = INT8_MIN, [I16] = INT16_MIN, [I64] = -EXACT},
      hi[] = {[I32] = INT32_MAX, [U8] = UINT8_MAX, [I8] = INT8_MAX, [I16] = INT16_MAX, [I64] = EXACT};
  if (elem == F32 || elem_is_half(elem)) return x;
  double v = trunc(x);
  if (!(v >= lo[elem] && v <= hi[elem]))
    report_fault(in, "a number is converted to a type that is too small for it", NULL);
  return v;
}

static double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

static double without_subnormal(double x) { return x < (double)FLT_MIN ? 0 : x; } /* x >= 0 or NaN */

static double rounded_to(Interp *in, Elem elem, double v) {
  if (elem == F32) return in->run->single ? (double)(float)v : v;
  if (elem == BF16) return bf16_nearest(v);
  if (elem == F16) return f16_nearest(v);
  if (elem == I32 && !(v >= INT32_MIN && v <= INT32_MAX)) report_fault(in, "integer overflow", NULL);
  if (elem == I64 && !(v >= -EXACT && v <= EXACT)) report_fault(in, "integer overflow", NULL);
  return v;
}

static double fused(const Interp *in, double x, double y, double z) {
  return in->run->single ? (double)fmaf((float)x, (float)y, (float)z) : x * y + z;
}

static double dot_of_halves(const Interp *in, double x, double w, double sum) {
  const uint32_t a = (uint32_t)(int32_t)x, b = (uint32_t)(int32_t)w;
  sum = fused(in, bf16_value((uint16_t)a), bf16_value((uint16_t)b), sum);
  return fused(in, bf16_value((uint16_t)(a >> 16)), bf16_value((uint16_t)(b >> 16)), sum);
}

/* Computes an operation for each lane: r[] gets the results, and X, Y and Z are the operands of a lane. */
static void apply(Interp *in, const Code *code, double (*const a)[LANES], double *r) {
  const int n = code->lanes;
  const Elem elem = code->elem;
  const double yes = n > 1 ? -1 : 1; /* result of a comparison that holds, as in C: -1 in vectors, else 1 */
#define EACH(value)                                                                                          \
  for (int l = 0; l < n; l++) r[l] = (value)
#define X a[0][l]
#define Y a[1][l]
#define Z a[2][l]
  switch (code->op) {
  case ADD: EACH(rounded_to(in, elem, X + Y)); break;
  case SUB: EACH(rounded_to(in, elem, X - Y)); break;
  case MUL: EACH(rounded_to(in, elem, X * Y)); break;
  case DIV: EACH(rounded_to(in, elem, X / Y)); break;
  case MIN: EACH(X < Y ? X : Y); break;
  case MAX: EACH(X > Y ? X : Y); break;
  case MAX_NAN: EACH(X > Y || isnan(X) ? X : Y); break;
  case LESS: EACH(X < Y ? yes : 0); break;
  case LESS_EQ: EACH(X <= Y ? yes : 0); break;
  case EQUAL: EACH(X == Y ? yes : 0); break;
  case SELECT: EACH(X != 0 ? Y : Z); break;
  case FMA: EACH(elem == F32 ? fused(in, X, Y, Z) : rounded_to(in, elem, X * Y + Z)); break;
  case DOT: EACH(dot_of_halves(in, X, Y, Z)); break;
  case EXP: EACH(rounded_to(in, F32, without_subnormal(exp(X)))); break;
  case DECAY: EACH(X < -64 ? 0 : rounded_to(in, F32, exp(X))); break;
  case LOG: EACH(rounded_to(in, F32, log(X))); break;
  case SQRT: EACH(rounded_to(in, F32, sqrt(X))); break;
  case TANH: EACH(rounded_to(in, F32, tanh(X))); break;
  case SIGMOID: EACH(rounded_to(in, F32, without_subnormal(sigmoid(X)))); break;
  case CDF: EACH(rounded_to(in, F32, 0.5 * erfc(-X * 0.70710678118654752440))); break;
  case POWER: EACH(rounded_to(in, F32, X < 0 ? NAN : pow(X, -0.75))); break;
  case SIN: EACH(rounded_to(in, F32, sin(X))); break;
  case COS: EACH(rounded_to(in, F32, cos(X))); break;
  case FLOOR: EACH(floor(X)); break;
  case ABS: EACH(fabs(X)); break;
  case CONVERT: EACH(rounded_to(in, elem, converted(in, X, elem))); break;
  case RANDOM: EACH(random_value(X, Y, Z)); break;
  case PRIMITIVE: EACH(code->e->primitive->run((const double[]){X, Y, Z})); break;
  case NUM:
  case LOAD:
  case SHUFFLE:
  case INTERLEAVE_LOW:
  case INTERLEAVE_HIGH:
  case HSUM:
  case HMAX:
  case LANE:
  case SPLAT:
  case POSITION:
  case PICK: break;
  }
#undef EACH
#undef X
#undef Y
#undef Z
}

static void fold_halves(Interp *in, const Code *code,
                        double *a) { /* adds or compares lanes in the same order as the prelude */
  for (int n = code->a[0]->lanes / 2; n >= 1; n /= 2)
    for (int l = 0; l < n; l++)
      a[l] = code->op == HSUM ? rounded_to(in, F32, a[l] + a[l + n]) : a[l] > a[l + n] ? a[l] : a[l + n];
}

static void interp_eval(Interp *, const int64_t *, const Code *, double *);

static void eval_operand(Interp *in, const int64_t *env, const Code *code, int lanes,
                         double *r) { /* broadcasts a scalar */
  interp_eval(in, env, code, r);
  for (int l = code->lanes; l < lanes; l++) r[l] = r[0];
}

static double pair_at(const double *half) {
  return (int32_t)(bf16_bits((float)half[0]) | (uint32_t)bf16_bits((float)half[1]) << 16);
}

static double word_at(const double *byte) {
  uint32_t word = 0;
  for (int i = 0; i < WORD_BYTES; i++) word |= (uint32_t)(uint8_t)(int8_t)byte[i] << 8 * i;
  return (int32_t)word;
}

static int byte_of(double word, int i) { return (int8_t)((uint32_t)(int32_t)word >> 8 * i & 255); }

static void eval_lookup(Interp *in, const int64_t *env, const Code *code, double *r) {
  double words[LANES];
  eval_operand(in, env, code->a[0], code->lanes, words);
  const double *p = locate(in, env, code->u.spot, code->part, false);
  for (int l = 0; l < code->lanes; l++) {
    double byte[WORD_BYTES] = {0};
    for (int i = 0; p && i < WORD_BYTES; i++) byte[i] = p[byte_of(words[l], i) - INT8_MIN];
    for (int i = 0; i < WORD_BYTES; i++)
      if (nest_unset(byte[i])) report_fault(in, "read before it is written", code->e->ref->buf);
    r[l] = word_at(byte);
  }
}

static void interp_eval_load(Interp *in, const int64_t *env, const Code *code, double *r) {
  const double *p = locate(in, env, code->u.spot, code->part, false);
  if (code->elem == I32 && val_is_words(code->e)) {
    for (int i = 0; p && i < code->part; i++)
      if (nest_unset(p[i])) report_fault(in, "read before it is written", code->e->ref->buf);
    const bool pairs = code->e->ref->buf->type.elem == BF16;
    for (int l = 0; l < code->lanes; l++)
      r[l] = !p ? 0 : pairs ? pair_at(p + 2 * l) : word_at(p + WORD_BYTES * l);
    return;
  }
  for (int l = 0; l < code->lanes; l++) {
    r[l] = p && l < code->part ? p[l] : 0;
    if (nest_unset(r[l])) report_fault(in, "read before it is written", code->e->ref->buf);
  }
}

static bool interp_eval_difference(
    Interp *in, const int64_t *env, const Code *code,
    double *r) { /* one rounding for x*y - z and z - x*y, as in compilers that contract expressions */
  const bool left = code->a[0]->op == MUL;
  if (code->elem != F32 || left == (code->a[1]->op == MUL)) return false;
  const Code *product = code->a[left ? 0 : 1];
  double x[LANES], y[LANES], z[LANES];
  const int n = code->lanes;
  eval_operand(in, env, product->a[0], n, x);
  eval_operand(in, env, product->a[1], n, y);
  eval_operand(in, env, code->a[left ? 1 : 0], n, z);
  for (int l = 0; l < n; l++) r[l] = left ? fused(in, x[l], y[l], -z[l]) : fused(in, -x[l], y[l], z[l]);
  return true;
}

static void eval_lane(Interp *in, const int64_t *env, const Code *code, double *r) {
  double a[LANES];
  const int64_t lane = interp_index(env, code->u.index);
  interp_eval(in, env, code->a[0], a);
  const bool inside = lane >= 0 && lane < code->a[0]->lanes;
  if (!inside) report_fault(in, "lane outside of a vector", NULL);
  r[0] = a[inside ? lane : 0];
}

static void eval_shuffle(Interp *in, const int64_t *env, const Code *code, double *r) {
  double a[2][LANES];
  const int from = code->a[0]->lanes;
  for (int i = 0; i < 2; i++) interp_eval(in, env, code->a[i], a[i]);
  for (int l = 0; l < code->lanes; l++) {
    const int lane = code->e->lane[l];
    r[l] = lane < from ? a[0][lane] : a[1][lane - from];
  }
}

static void eval_interleave(Interp *in, const int64_t *env, const Code *code, double *r) {
  double a[2][LANES];
  for (int i = 0; i < 2; i++) interp_eval(in, env, code->a[i], a[i]);
  for (int l = 0; l < code->lanes; l++) {
    const int half = l % 4 + (code->op == INTERLEAVE_HIGH ? 4 : 0), word = l / 4 * 4 + half / 2;
    uint32_t of[2];
    for (int i = 0; i < 2; i++) of[i] = (uint32_t)(int32_t)a[i][word] >> half % 2 * 16 & 0xffff;
    r[l] = (int32_t)(of[0] | of[1] << 16);
  }
}

static void eval_across(Interp *in, const int64_t *env, const Code *code, double *r) {
  double a[3][LANES];
  for (int i = 0; i < 3; i++) interp_eval(in, env, code->a[i], a[i]);
  r[0] = a[0][0];
  for (int l = 0; l < code->a[1]->lanes; l++)
    r[0] = code->e->primitive->run((const double[]){r[0], a[1][l], a[2][l]});
}

static void interp_eval(Interp *in, const int64_t *env, const Code *code, double *r) {
  double a[3][LANES];
  in->run->steps++;
  switch (code->op) {
  case NUM: r[0] = rounded_to(in, code->elem, code->e->num); return;
  case LOAD: (val_is_lookup(code->e) ? eval_lookup : interp_eval_load)(in, env, code, r); return;
  case POSITION: r[0] = rounded_to(in, I32, (double)interp_index(env, code->u.index)); return;
  case PICK: eval_operand(in, env, code->a[test_holds(env, code->u.cond) ? 0 : 1], code->lanes, r); return;
  case SPLAT: eval_operand(in, env, code->a[0], code->lanes, r); return;
  case HSUM:
  case HMAX:
    interp_eval(in, env, code->a[0], a[0]);
    fold_halves(in, code, a[0]);
    r[0] = a[0][0];
    return;
  case LANE: eval_lane(in, env, code, r); return;
  case SHUFFLE: eval_shuffle(in, env, code, r); return;
  case INTERLEAVE_LOW:
  case INTERLEAVE_HIGH: eval_interleave(in, env, code, r); return;
  case PRIMITIVE:
    if (!primitive_across(code->e->primitive)) break;
    eval_across(in, env, code, r);
    return;
  case SUB:
    if (interp_eval_difference(in, env, code, r)) return;
    break;
  default: break;
  }
  for (int i = 0; i < 3; i++)
    if (code->a[i]) eval_operand(in, env, code->a[i], code->lanes, a[i]);
    else if (code->op == PRIMITIVE)
      memset(a[i], 0, sizeof a[i]); /* the function of a primitive always takes three numbers */
  apply(in, code, a, r);
}

/* ---- statements ---- */
static void exec_chosen(Interp *in, int64_t *env, const Step *step) {
  const int64_t lo = interp_index(env, &step->lo[0]), last = interp_index(env, &step->hi[0]) - 1;
  double x[LANES];
  interp_eval(in, env, step->val, x);
  if (last < lo) report_fault(in, "a data-dependent index with an empty range", NULL);
  if (in->run->error[0]) return;
  env[step->stmt->u.loop.slot] = x[0] > (double)lo ? x[0] < (double)last ? (int64_t)x[0] : last : lo;
  interp_exec(in, env, step->body);
}

static void interp_exec_loop(Interp *in, int64_t *env, const Step *step) {
  const NestStmt *stmt = step->stmt;
  int64_t lo = INT64_MIN, hi = INT64_MAX;
  for (int i = 0; i < stmt->u.loop.nlo; i++) {
    int64_t v = interp_index(env, &step->lo[i]);
    lo = v > lo ? v : lo;
  }
  for (int i = 0; i < stmt->u.loop.nhi; i++) {
    int64_t v = interp_index(env, &step->hi[i]);
    hi = v < hi ? v : hi;
  }
  const bool parallel = stmt->u.loop.kind == PARALLEL && !in->now, joined = in->joined;
  const bool counts =
      parallel && !team_inner_loop(stmt); /* of joined loops, only the innermost iterations get numbers */
  if (parallel && !joined) in->first = in->serial + 1;
  in->joined = joined || (parallel && !counts);
  for (int64_t v = lo; v < hi && !in->run->error[0]; v++) {
    if (counts) in->now = ++in->serial;
    env[stmt->u.loop.slot] = v;
    interp_exec(in, env, step->body);
  }
  if (counts) in->now = 0;
  in->joined = joined;
}

static void exec_store_words(Interp *in, const int64_t *env, const Step *step) {
  double v[LANES];
  eval_operand(in, env, step->val, step->lanes / WORD_BYTES, v);
  double *p = locate(in, env, step->spot, step->lanes, true);
  for (int i = 0; p && i < step->lanes; i++) p[i] = byte_of(v[i / WORD_BYTES], i % WORD_BYTES);
}

static void interp_exec_store(Interp *in, const int64_t *env, const Step *step) {
  const int lanes = step->lanes;
  double v[LANES];
  eval_operand(in, env, step->val, lanes, v);
  double *p = locate(in, env, step->spot, lanes, true);
  for (int l = 0; p && l < lanes; l++) p[l] = v[l];
}

static void fill_from(double *at, const Buf *buf, int d) { /* marks the buffer's elements as unwritten;
                                                              other elements of the array are not changed */
  const int64_t lanes = buf->place == REGS ? buf->type.lanes : 1, step = buf_room(buf, d + 1) * lanes;
  for (int64_t i = 0; i < (d < buf->rank ? buf->dim[d] : lanes); i++)
    if (d < buf->rank) fill_from(at + i * step, buf, d + 1);
    else at[i] = unset();
}

static void fill_uninitialized(Interp *in, const Buf *buf) { fill_from(in->mem[buf->id], buf, 0); }

static void exec_routine(Interp *in, const NestStmt *stmt) {
  const Routine *routine = stmt->u.routine.of;
  double *memory[ROUTINE_BUFS];
  for (int i = 0; i < routine->nbufs && !in->run->error[0]; i++) {
    const Buf *buf = stmt->u.routine.buf[i];
    const int64_t n = buf_elements(buf);
    memory[i] = in->mem[buf->id];
    if (in->now && buf->place < STACK) record_access(in, buf, 0, (int)n, routine->writes[i]);
    if (buf->place == OVER) written_over(in, buf, 0, (int)n, routine->writes[i]);
    for (int64_t e = 0; e < n && !routine->writes[i]; e++)
      if (nest_unset(memory[i][e])) report_fault(in, "read before it is written", buf);
  }
  if (in->run->error[0]) return;
  routine->run(memory, stmt->u.routine.number);
  for (int i = 0; i < routine->nbufs; i++)
    for (int64_t e = 0; e < buf_elements(stmt->u.routine.buf[i]) && routine->writes[i]; e++)
      memory[i][e] = rounded_to(in, routine->elem[i], memory[i][e]);
}

static void interp_exec(Interp *in, int64_t *env, const Step *step) {
  for (; step && !in->run->error[0]; step = step->next) {
    const NestStmt *stmt = step->stmt;
    switch (step->kind) {
    case LOOP: (stmt->u.loop.kind == CHOSEN ? exec_chosen : interp_exec_loop)(in, env, step); break;
    case IF: interp_exec(in, env, test_holds(env, step->cond) ? step->body : step->otherwise); break;
    case STORE: (store_is_words(step->stmt) ? exec_store_words : interp_exec_store)(in, env, step); break;
    case DECLARE:
      if (stmt->u.declare.buf->place != VIEW) fill_uninitialized(in, stmt->u.declare.buf);
      break;
    case CALL: {
      int64_t callee[SLOTS] = {0};
      for (int i = 0; i < stmt->u.call.fn->nparams; i++) callee[i + 1] = interp_index(env, &step->arg[i]);
      interp_exec(in, callee, step->body);
      break;
    }
    case ROUTINE: exec_routine(in, stmt); break;
    case PIN:
    case PREFETCH:
    case COMMENT: break;
    }
  }
}

bool nest_run(const Nest *nest, Run *run) {
  Arena *arena = arena_new();
  Interp in = {.run = run,
               .arena = arena,
               .mem = NEW_ARRAY(arena, double *, nest->nbufs + 1),
               .touch = NEW_ARRAY(arena, Touch *, nest->nbufs + 1),
               .over = NEW_ARRAY(arena, bool *, nest->nbufs + 1)};
  int64_t env[SLOTS] = {0};
  run->error[0] = 0;
  run->steps = 0;
  for (int i = 0; i < nest->nbufs; i++) {
    const Buf *buf = nest->buf[i];
    if (buf->place < STACK) in.mem[i] = run->mem[i];
    else if (buf->place != VIEW) in.mem[i] = NEW_ARRAY(arena, double, elements(buf));
    if (buf->place == OVER) in.over[i] = NEW_ARRAY(arena, bool, elements(buf) + 1);
    if (buf->place == VIEW || buf->place == INPUT || buf->place == WEIGHTS || buf->place == UPDATE ||
        buf->place == OVER || buf->overlaps)
      continue;
    fill_uninitialized(&in, buf);
  }
  for (int i = 0; i < nest->main->nparams; i++) {
    env[i + 1] = run->size[i];
    if (run->size[i] < nest->main->lo[i] || run->size[i] > nest->main->hi[i])
      report_fault(&in, "a size parameter is out of its range", NULL);
  }
  interp_exec(&in, env, body_of(&in, nest->main));
  for (int i = 0; i < nest->nbufs; i++)
    for (int64_t e = 0; in.over[i] && !nest->main->nparams && e < elements(nest->buf[i]); e++)
      if (!in.over[i][e]) report_fault(&in, "not every element is overwritten", nest->buf[i]);
  arena_free(arena);
  return !run->error[0];
}
