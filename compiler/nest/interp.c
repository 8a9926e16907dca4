/* interp.c: runs a nest, in double or with every result rounded to float. It checks what prove.c proves: an
 * access outside its buffer, a read of an element that nobody wrote, or two iterations of a parallel loop
 * that meet in an element stop it. Slow and plain: an oracle, not an engine. */
// SPDX-License-Identifier: Apache-2.0
#include "nest/nest.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "base/random.h"

enum { SEVERAL = -1 }; /* of `reader`: more than one iteration of the parallel loop */

/* Who touched an element in the parallel loop that runs now: the serial number of its iteration. */
typedef struct Touch {
  int64_t writer, reader;
} Touch;

/* Where a reference points: of each dimension the terms whose coefficient is not 0, as few are. */
typedef struct Term {
  int64_t k;
  int slot;
} Term;
typedef struct Spot {
  const Ref *ref; /* NULL: this place of the table is free */
  int64_t c[DIMS];
  const Term *term, *end[DIMS]; /* of the first dimension first */
} Spot;

typedef struct Interp {
  const Nest *nest;
  Run *run;
  Arena *arena;
  int64_t serial, first, now; /* iterations of outermost parallel loops: counter; first of this loop, the one
                                 that runs (0: none does) */
  Touch *touch[BUFS];
  bool *over[BUFS]; /* by element of a buffer that is written over: it is */
  struct {
    Spot *at;
    size_t n, room;
  } spots; /* by the address of the reference; open addressing, room is a power of two */
} Interp;

static void exec(Interp *, int64_t *, const NestStmt *);

static double unset(void) { /* a NaN that no arithmetic makes */
  const uint64_t bits = UINT64_C(0x7ff80000dead0001);
  double v;
  memcpy(&v, &bits, sizeof v);
  return v;
}

bool nest_unset(double value) {
  const double mark = unset();
  return !memcmp(&mark, &value, sizeof value);
}

static void stop(Interp *in, const char *what, const Buf *buf) {
  if (!in->run->error[0])
    snprintf(in->run->error, sizeof in->run->error, "%s%s%s", what, buf ? ": " : "", buf ? buf->name : "");
}

static int64_t value_of(const int64_t *env, const Index *ix) {
  int64_t r = ix->c;
  for (int s = 1; s < SLOTS; s++) r += ix->k[s] * env[s];
  return r;
}

static int64_t elements(const Buf *buf) {
  return buf_room(buf, 0) * (buf->place == REGS ? buf->type.lanes : 1);
}

/* ---- memory ---- */
static void touched(Interp *in, const Buf *buf, int64_t first, int n, bool write) {
  if (!in->touch[buf->id]) in->touch[buf->id] = NEW_ARRAY(in->arena, Touch, elements(buf));
  for (int i = 0; i < n; i++) {
    Touch *touch = &in->touch[buf->id][first + i];
    bool other_wrote = touch->writer >= in->first && touch->writer != in->now;
    bool other_read =
        touch->reader == SEVERAL - in->first || (touch->reader >= in->first && touch->reader != in->now);
    if (other_wrote || (write && other_read)) stop(in, "parallel iterations meet", buf);
    if (write) touch->writer = in->now;
    else touch->reader = other_read ? SEVERAL - in->first : in->now;
  }
}

static void written_over(Interp *in, const Buf *buf, int64_t first, int n, bool write) {
  for (int i = 0; i < n; i++)
    if (write) in->over[buf->id][first + i] = true;
    else if (in->over[buf->id][first + i]) stop(in, "read after it is written over", buf);
}

static Spot *spot_place(const Interp *in, const Ref *ref) { /* its own, or the free one where it belongs */
  size_t i = (size_t)((uintptr_t)ref * UINT64_C(0x9e3779b97f4a7c15) >> 32);
  for (;; i++) {
    Spot *spot = &in->spots.at[i & (in->spots.room - 1)];
    if (!spot->ref || spot->ref == ref) return spot;
  }
}

static void make_room(Interp *in) {
  enum { FIRST = 256 };
  const Spot *old = in->spots.at;
  const size_t n = in->spots.room;
  in->spots.room = n ? 2 * n : FIRST;
  in->spots.at = NEW_ARRAY(in->arena, Spot, in->spots.room);
  for (size_t i = 0; i < n; i++)
    if (old[i].ref) *spot_place(in, old[i].ref) = old[i];
}

static const Spot *spot_of(Interp *in, const Ref *ref) {
  if (2 * in->spots.n >= in->spots.room) make_room(in);
  Spot *spot = spot_place(in, ref);
  if (spot->ref) return spot;
  const Buf *view = ref->buf->of ? ref->buf : NULL;
  const int rank = (view ? view->of : ref->buf)->rank;
  Term *term = NEW_ARRAY(in->arena, Term, rank * (SLOTS - 1) + 1);
  *spot = (Spot){.ref = ref, .term = term};
  in->spots.n++;
  for (int d = 0; d < rank; d++) {
    spot->c[d] = ref->at[d].c + (view ? view->base[d].c : 0);
    for (int s = 1; s < SLOTS; s++) {
      const int64_t k = ref->at[d].k[s] + (view ? view->base[d].k[s] : 0);
      if (k) *term++ = (Term){k, s};
    }
    spot->end[d] = term;
  }
  return spot;
}

static double *locate(Interp *in, const int64_t *env, const Ref *ref, int lanes, bool write) {
  const Buf *buf = ref->buf->of ? ref->buf->of : ref->buf;
  const Spot *spot = spot_of(in, ref);
  const Term *term = spot->term;
  int64_t flat = 0;
  for (int d = 0; d < buf->rank; d++) {
    int64_t i = spot->c[d];
    for (; term < spot->end[d]; term++) i += term->k * env[term->slot];
    int64_t last = d == buf->rank - 1 && buf->place != REGS ? i + lanes - 1 : i;
    if ((i < 0 || last >= buf->dim[d]) && !in->run->error[0])
      snprintf(in->run->error, sizeof in->run->error, "%s[%lld], dimension %d of %lld", buf->name,
               (long long)i, d, (long long)buf->dim[d]);
    flat = flat * buf->room[d] + i;
  }
  if (in->run->error[0]) return NULL;
  if (in->now && buf->place < STACK) touched(in, buf, flat, lanes, write);
  if (buf->place == OVER) written_over(in, buf, flat, lanes, write);
  return in->run->mem[buf->id] + flat * (buf->place == REGS ? buf->type.lanes : 1);
}

/* ---- values ---- */
static bool holds(const int64_t *env, const Cond *cond) {
  for (int i = 0; i < cond->n; i++) {
    bool all = true;
    for (int j = 0; j < cond->any[i].n; j++) {
      int64_t v = value_of(env, &cond->any[i].range[j].e);
      all = all && v >= cond->any[i].range[j].lo && v < cond->any[i].range[j].hi;
    }
    if (all) return true;
  }
  return false;
}

static double random_value(double key0, double key1, double counter) {
  return (double)random_uniform((uint32_t)(int32_t)key0, (uint32_t)(int32_t)key1, (uint32_t)(int32_t)counter);
}

#define EXACT 0x1p53 /* whole numbers up to here are doubles */

static double converted(Interp *in, double x, Elem elem) {
  static const double
      lo[] = {[I32] = INT32_MIN, [U8] = 0, [I8] = INT8_MIN, [I16] = INT16_MIN, [I64] = -EXACT},
      hi[] = {[I32] = INT32_MAX, [U8] = UINT8_MAX, [I8] = INT8_MAX, [I16] = INT16_MAX, [I64] = EXACT};
  if (elem == F32) return x;
  double v = trunc(x);
  if (!(v >= lo[elem] && v <= hi[elem])) stop(in, "a number does not fit the type it is converted to", NULL);
  return v;
}

static double sigmoid(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

static double rounded(Interp *in, Elem elem, double v) {
  if (elem == F32) return in->run->single ? (double)(float)v : v;
  if (elem == I32 && !(v >= INT32_MIN && v <= INT32_MAX)) stop(in, "integer overflow", NULL);
  if (elem == I64 && !(v >= -EXACT && v <= EXACT)) stop(in, "integer overflow", NULL);
  return v;
}

static double fused(const Interp *in, double x, double y, double z) {
  return in->run->single ? (double)fmaf((float)x, (float)y, (float)z) : x * y + z;
}

static double apply(Interp *in, Val e, double x, double y, double z) { /* one lane */
  double yes = e->type.lanes > 1 ? -1 : 1;                             /* a mask, as in C */
  switch (e->op) {
  case ADD: return rounded(in, e->type.elem, x + y);
  case SUB: return rounded(in, e->type.elem, x - y);
  case MUL: return rounded(in, e->type.elem, x * y);
  case DIV: return rounded(in, e->type.elem, x / y);
  case MIN: return x < y ? x : y;
  case MAX: return x > y ? x : y;
  case MAX_NAN: return x > y || isnan(x) ? x : y;
  case LESS: return x < y ? yes : 0;
  case LESS_EQ: return x <= y ? yes : 0;
  case EQUAL: return x == y ? yes : 0;
  case SELECT: return x != 0 ? y : z;
  case FMA: return e->type.elem == F32 ? fused(in, x, y, z) : rounded(in, e->type.elem, x * y + z);
  case EXP: return rounded(in, F32, exp(x));
  case LOG: return rounded(in, F32, log(x));
  case SQRT: return rounded(in, F32, sqrt(x));
  case TANH: return rounded(in, F32, tanh(x));
  case SIGMOID: return rounded(in, F32, sigmoid(x));
  case ERF: return rounded(in, F32, erf(x));
  case ABS: return fabs(x);
  case CONVERT: return rounded(in, e->type.elem, converted(in, x, e->type.elem));
  case RANDOM: return random_value(x, y, z);
  case PRIMITIVE: return e->primitive->run((const double[]){x, y, z});
  case NUM:
  case LOAD:
  case SHUFFLE:
  case HSUM:
  case HMAX:
  case LANE:
  case SPLAT:
  case POSITION:
  case PICK: break;
  }
  return x;
}

static void fold_halves(Interp *in, Val e, double *a) { /* the order of the prelude's horizontal sums */
  for (int n = e->a[0]->type.lanes / 2; n >= 1; n /= 2)
    for (int l = 0; l < n; l++)
      a[l] = e->op == HSUM ? rounded(in, F32, a[l] + a[l + n]) : a[l] > a[l + n] ? a[l] : a[l + n];
}

static void eval(Interp *, const int64_t *, Val, double *);

static void eval_operand(Interp *in, const int64_t *env, Val e, int lanes,
                         double *r) { /* broadcast where it is a scalar */
  eval(in, env, e, r);
  for (int l = e->type.lanes; l < lanes; l++) r[l] = r[0];
}

static double word_at(const double *byte) {
  uint32_t word = 0;
  for (int i = 0; i < WORD_BYTES; i++) word |= (uint32_t)(uint8_t)(int8_t)byte[i] << 8 * i;
  return (int32_t)word;
}

static void eval_load(Interp *in, const int64_t *env, Val e, double *r) {
  const double *p = locate(in, env, e->ref, e->part, false);
  if (val_is_words(e)) {
    for (int i = 0; p && i < e->part; i++)
      if (nest_unset(p[i])) stop(in, "read before it is written", e->ref->buf);
    for (int l = 0; l < e->type.lanes; l++) r[l] = p ? word_at(p + WORD_BYTES * l) : 0;
    return;
  }
  for (int l = 0; l < e->type.lanes; l++) {
    r[l] = p && l < e->part ? p[l] : 0;
    if (nest_unset(r[l])) stop(in, "read before it is written", e->ref->buf);
  }
}

static bool eval_difference(Interp *in, const int64_t *env, Val e,
                            double *r) { /* x*y - z and z - x*y are fused by compilers that contract */
  bool left = e->a[0]->op == MUL;
  if (e->type.elem != F32 || left == (e->a[1]->op == MUL)) return false;
  Val product = e->a[left ? 0 : 1];
  double x[LANES], y[LANES], z[LANES];
  int n = e->type.lanes;
  eval_operand(in, env, product->a[0], n, x);
  eval_operand(in, env, product->a[1], n, y);
  eval_operand(in, env, e->a[left ? 1 : 0], n, z);
  for (int l = 0; l < n; l++) r[l] = left ? fused(in, x[l], y[l], -z[l]) : fused(in, -x[l], y[l], z[l]);
  return true;
}

static void eval(Interp *in, const int64_t *env, Val e, double *r) {
  double a[3][LANES];
  int n = e->type.lanes;
  in->run->steps++;
  if (e->op == SUB && eval_difference(in, env, e, r)) return;
  switch (e->op) {
  case NUM: r[0] = rounded(in, e->type.elem, e->num); return;
  case LOAD: eval_load(in, env, e, r); return;
  case POSITION: r[0] = rounded(in, I32, (double)value_of(env, &e->index)); return;
  case PICK: eval_operand(in, env, e->a[holds(env, e->cond) ? 0 : 1], n, r); return;
  case SPLAT: eval_operand(in, env, e->a[0], n, r); return;
  case HSUM:
  case HMAX:
    eval(in, env, e->a[0], a[0]);
    fold_halves(in, e, a[0]);
    r[0] = a[0][0];
    return;
  case LANE: {
    int64_t lane = value_of(env, &e->index);
    eval(in, env, e->a[0], a[0]);
    if (lane < 0 || lane >= e->a[0]->type.lanes) {
      stop(in, "lane out of a vector", NULL);
      lane = 0;
    }
    r[0] = a[0][lane];
    return;
  }
  case SHUFFLE: {
    int from = e->a[0]->type.lanes;
    eval(in, env, e->a[0], a[0]);
    eval(in, env, e->a[1], a[1]);
    for (int l = 0; l < n; l++) r[l] = e->lane[l] < from ? a[0][e->lane[l]] : a[1][e->lane[l] - from];
    return;
  }
  case PRIMITIVE:
    if (!primitive_across(e->primitive)) break;
    for (int i = 0; i < 3; i++) eval(in, env, e->a[i], a[i]);
    r[0] = a[0][0];
    for (int l = 0; l < e->a[1]->type.lanes; l++) r[0] = apply(in, e, r[0], a[1][l], a[2][l]);
    return;
  default: break;
  }
  for (int i = 0; i < 3 && e->a[i]; i++) eval_operand(in, env, e->a[i], n, a[i]);
  for (int l = 0; l < n; l++) r[l] = apply(in, e, a[0][l], e->a[1] ? a[1][l] : 0, e->a[2] ? a[2][l] : 0);
}

/* ---- statements ---- */
static void exec_chosen(Interp *in, int64_t *env, const NestStmt *stmt) {
  const int64_t lo = value_of(env, &stmt->u.loop.lo[0]), last = value_of(env, &stmt->u.loop.hi[0]) - 1;
  double x[LANES];
  eval(in, env, stmt->u.loop.chosen, x);
  if (last < lo) stop(in, "a chosen index of an empty range", NULL);
  if (in->run->error[0]) return;
  env[stmt->u.loop.slot] = x[0] > (double)lo ? x[0] < (double)last ? (int64_t)x[0] : last : lo;
  exec(in, env, stmt->body);
}

static void exec_loop(Interp *in, int64_t *env, const NestStmt *stmt) {
  int64_t lo = INT64_MIN, hi = INT64_MAX;
  for (int i = 0; i < stmt->u.loop.nlo; i++) {
    int64_t v = value_of(env, &stmt->u.loop.lo[i]);
    lo = v > lo ? v : lo;
  }
  for (int i = 0; i < stmt->u.loop.nhi; i++) {
    int64_t v = value_of(env, &stmt->u.loop.hi[i]);
    hi = v < hi ? v : hi;
  }
  bool parallel = stmt->u.loop.kind == PARALLEL && !in->now;
  if (parallel) in->first = in->serial + 1;
  for (int64_t v = lo; v < hi && !in->run->error[0]; v++) {
    if (parallel) in->now = ++in->serial;
    env[stmt->u.loop.slot] = v;
    exec(in, env, stmt->body);
  }
  if (parallel) in->now = 0;
}

static void exec_store(Interp *in, const int64_t *env, const NestStmt *stmt) {
  const Buf *buf = stmt->u.store.ref.buf;
  Val val = stmt->u.store.val;
  int lanes = buf->place == REGS ? buf->type.lanes : stmt->u.store.part;
  double v[LANES];
  eval_operand(in, env, val, lanes, v);
  double *p = locate(in, env, &stmt->u.store.ref, lanes, true);
  for (int l = 0; p && l < lanes; l++) p[l] = v[l];
}

static void fill_from(double *at, const Buf *buf,
                      int d) { /* what is around a part of an array is not its own */
  const int64_t lanes = buf->place == REGS ? buf->type.lanes : 1, step = buf_room(buf, d + 1) * lanes;
  for (int64_t i = 0; i < (d < buf->rank ? buf->dim[d] : lanes); i++)
    if (d < buf->rank) fill_from(at + i * step, buf, d + 1);
    else at[i] = unset();
}

static void fill(Interp *in, const Buf *buf) { fill_from(in->run->mem[buf->id], buf, 0); }

static void exec_routine(Interp *in, const NestStmt *stmt) {
  const Routine *routine = stmt->u.routine.of;
  double *memory[ROUTINE_BUFS];
  for (int i = 0; i < routine->nbufs && !in->run->error[0]; i++) {
    const Buf *buf = stmt->u.routine.buf[i];
    const int64_t n = buf_elements(buf);
    memory[i] = in->run->mem[buf->id];
    if (in->now && buf->place < STACK) touched(in, buf, 0, (int)n, routine->writes[i]);
    if (buf->place == OVER) written_over(in, buf, 0, (int)n, routine->writes[i]);
    for (int64_t e = 0; e < n && !routine->writes[i]; e++)
      if (nest_unset(memory[i][e])) stop(in, "read before it is written", buf);
  }
  if (in->run->error[0]) return;
  routine->run(memory, stmt->u.routine.number);
  for (int i = 0; i < routine->nbufs; i++)
    for (int64_t e = 0; e < buf_elements(stmt->u.routine.buf[i]) && routine->writes[i]; e++)
      memory[i][e] = rounded(in, routine->elem[i], memory[i][e]);
}

static void exec(Interp *in, int64_t *env, const NestStmt *stmt) {
  for (; stmt && !in->run->error[0]; stmt = stmt->next) switch (stmt->kind) {
    case LOOP: (stmt->u.loop.kind == CHOSEN ? exec_chosen : exec_loop)(in, env, stmt); break;
    case IF: exec(in, env, holds(env, &stmt->u.branch.cond) ? stmt->body : stmt->otherwise); break;
    case STORE: exec_store(in, env, stmt); break;
    case DECLARE:
      if (stmt->u.declare.buf->place != VIEW) fill(in, stmt->u.declare.buf);
      break;
    case CALL: {
      int64_t callee[SLOTS] = {0};
      for (int i = 0; i < stmt->u.call.fn->nparams; i++) callee[i + 1] = value_of(env, &stmt->u.call.arg[i]);
      exec(in, callee, stmt->u.call.fn->body);
      break;
    }
    case ROUTINE: exec_routine(in, stmt); break;
    case PIN:
    case PREFETCH:
    case COMMENT: break;
    }
}

bool nest_run(const Nest *nest, Run *run) {
  Arena *arena = arena_new();
  Interp in = {.nest = nest, .run = run, .arena = arena};
  int64_t env[SLOTS] = {0};
  run->error[0] = 0;
  run->steps = 0;
  for (int i = 0; i < nest->nbufs; i++) {
    const Buf *buf = nest->buf[i];
    if (buf->place == STACK || buf->place == REGS) run->mem[i] = NEW_ARRAY(arena, double, elements(buf));
    if (buf->place == OVER) in.over[i] = NEW_ARRAY(arena, bool, elements(buf) + 1);
    if (buf->place == VIEW || buf->place == INPUT || buf->place == WEIGHTS || buf->place == UPDATE ||
        buf->place == OVER)
      continue;
    fill(&in, buf);
  }
  for (int i = 0; i < nest->main->nparams; i++) {
    env[i + 1] = run->size[i];
    if (run->size[i] < nest->main->lo[i] || run->size[i] > nest->main->hi[i])
      stop(&in, "a size parameter is out of its range", NULL);
  }
  exec(&in, env, nest->main->body);
  for (int i = 0; i < nest->nbufs; i++)
    for (int64_t e = 0; in.over[i] && !nest->main->nparams && e < elements(nest->buf[i]); e++)
      if (!in.over[i][e]) stop(&in, "not every element is written over", nest->buf[i]);
  for (int i = 0; i < nest->nbufs; i++)
    if (nest->buf[i]->place == STACK || nest->buf[i]->place == REGS) run->mem[i] = NULL;
  arena_free(arena);
  return !run->error[0];
}
