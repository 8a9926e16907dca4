/* fill.c: Fast interpreter for proved nests that fill one buffer from other buffers. It computes in float. It
 * is suitable for weights of hundreds of megabytes, for which interp.c takes minutes.
 *
 * If a loop runs in lanes, each statement of its body is executed for a group of up to MOST iterations before
 * the next statement. A loop can run in lanes under three conditions: its iterations share no register; its
 * inner loops have the same bounds in all iterations; none of its inner loops runs in lanes.
 *
 * Lanes execute the statements in a different order from a serial run, but with the same result if no element
 * is stored twice. To check this, stores are counted: the proof guarantees that each element is stored at
 * least once, so no element is stored twice if there are as many stores as elements. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "nest/nest.h"
#include <math.h>

enum { MOST = 64 }; /* maximum number of lanes */

typedef struct Fill {
  const Nest *nest;
  const float *const *from; /* by buffer id: the elements */
  float *to;
  float **reg;                 /* by id of a register or stack array: [elements][MOST] */
  VEC(const NestStmt *) laned; /* the loops that are run in lanes */
  int64_t env[SLOTS];
  int slot; /* slot of the loop that runs in lanes; 0: none */
  int64_t stored;
} Fill;

typedef struct Lanes {
  int a, b;
} Lanes; /* the lanes a, a + 1, ..., b - 1 */

/* ---- supported nests ---- */
static bool is_register(const Buf *buf) { return buf->place == REGS || buf->place == STACK; }

static bool value_fits(Val e) {
  if (e->type.lanes > 1 || (e->type.elem != F32 && !elem_is_half(e->type.elem))) return false;
  switch (e->op) {
  case NUM: return true;
  case LOAD: return e->ref->buf->place == INPUT || is_register(e->ref->buf);
  case ADD:
  case SUB:
  case MUL:
  case DIV:
  case MIN:
  case MAX:
  case FMA:
  case SQRT:
  case CONVERT:
  case PICK: break;
  default: return false;
  }
  for (int i = 0; i < 3 && e->a[i]; i++)
    if (!value_fits(e->a[i])) return false;
  return true;
}

static bool fits_lanes(const NestStmt *stmt) {
  for (; stmt; stmt = stmt->next) switch (stmt->kind) {
    case LOOP:
      if (stmt->u.loop.kind == CHOSEN || !fits_lanes(stmt->body)) return false;
      break;
    case IF:
      if (!fits_lanes(stmt->body) || !fits_lanes(stmt->otherwise)) return false;
      break;
    case STORE: {
      const Buf *buf = stmt->u.store.ref.buf;
      if (!(buf->place == OUTPUT || is_register(buf)) || buf->type.lanes > 1 ||
          !value_fits(stmt->u.store.val))
        return false;
      break;
    }
    case DECLARE:
      if (!is_register(stmt->u.declare.buf)) return false;
      break;
    case COMMENT: break;
    default: return false;
    }
  return true;
}

/* ---- choice of the loops that run in lanes ---- */
static bool declares_buffer(const NestStmt *stmt, const Buf *buf) {
  for (; stmt; stmt = stmt->next) {
    if (stmt->kind == DECLARE && stmt->u.declare.buf == buf) return true;
    if (stmt->kind == STORE && stmt->u.store.declare && stmt->u.store.ref.buf == buf) return true;
    if ((stmt->kind == LOOP || stmt->kind == IF) &&
        (declares_buffer(stmt->body, buf) || declares_buffer(stmt->otherwise, buf)))
      return true;
  }
  return false;
}

/* Whether lanes can use the reference. If it is to a register, the loop's body must declare the register, and
 * the index must be the same in all iterations. */
static bool register_fits(const NestStmt *loop, const Ref *ref) {
  if (!is_register(ref->buf)) return true;
  for (int d = 0; d < ref->buf->rank; d++)
    if (ref->at[d].k[loop->u.loop.slot]) return false;
  return declares_buffer(loop->body, ref->buf);
}

static bool registers_fit(const NestStmt *loop, Val e) {
  if (e->op == LOAD && !register_fits(loop, e->ref)) return false;
  for (int i = 0; i < 3 && e->a[i]; i++)
    if (!registers_fit(loop, e->a[i])) return false;
  return true;
}

static bool bounds_fit(const NestStmt *loop, const NestStmt *inner) {
  const int slot = loop->u.loop.slot;
  for (int i = 0; i < inner->u.loop.nlo; i++)
    if (inner->u.loop.lo[i].k[slot]) return false;
  for (int i = 0; i < inner->u.loop.nhi; i++)
    if (inner->u.loop.hi[i].k[slot]) return false;
  return true;
}

static bool independent(const NestStmt *loop, const NestStmt *stmt) {
  for (; stmt; stmt = stmt->next) {
    if (stmt->kind == LOOP && (!bounds_fit(loop, stmt) || !independent(loop, stmt->body))) return false;
    if (stmt->kind == IF && (!independent(loop, stmt->body) || !independent(loop, stmt->otherwise)))
      return false;
    if (stmt->kind == STORE &&
        (!register_fits(loop, &stmt->u.store.ref) || !registers_fit(loop, stmt->u.store.val)))
      return false;
  }
  return true;
}

static bool choose_lanes(Fill *f,
                         const NestStmt *stmt) { /* returns true if a loop in the statements was chosen */
  bool any = false;
  for (; stmt; stmt = stmt->next) {
    if (stmt->kind != LOOP && stmt->kind != IF) continue;
    const bool inside = choose_lanes(f, stmt->body), otherwise = choose_lanes(f, stmt->otherwise);
    const bool chosen = stmt->kind == LOOP && !inside && independent(stmt, stmt->body);
    if (chosen) vec_push(f->nest->arena, f->laned, stmt);
    any = any || inside || otherwise || chosen;
  }
  return any;
}

/* ---- running ---- */
static int64_t index_value(const Fill *f, const Index *ix) {
  int64_t r = ix->c;
  for (int s = 1; s < SLOTS; s++) r += ix->k[s] * f->env[s];
  return r;
}

static bool lane_holds(const Fill *f, const Cond *cond, int lane) {
  for (int i = 0; i < cond->n; i++) {
    bool all = true;
    for (int j = 0; j < cond->any[i].n && all; j++) {
      const Range *range = &cond->any[i].range[j];
      const int64_t v = index_value(f, &range->e) + range->e.k[f->slot] * lane;
      all = v >= range->lo && v < range->hi;
    }
    if (all) return true;
  }
  return false;
}

/* The longest run of lanes from `at` on in which the condition has the same value; sets *is to this value. */
static Lanes same_lanes(const Fill *f, const Cond *cond, Lanes all, int at, bool *is) {
  Lanes run = {at, at + 1};
  *is = lane_holds(f, cond, at);
  while (run.b < all.b && lane_holds(f, cond, run.b) == *is) run.b++;
  return run;
}

static int64_t
lane_place(const Fill *f, const Ref *ref,
           int64_t *step) { /* returns the index of lane 0's element; *step: the increment per lane */
  int64_t flat = 0;
  *step = 0;
  for (int d = 0; d < ref->buf->rank; d++) {
    flat = flat * ref->buf->dim[d] + index_value(f, &ref->at[d]);
    *step = *step * ref->buf->dim[d] + ref->at[d].k[f->slot];
  }
  return flat;
}

static void eval(const Fill *, Val, Lanes, float *);

static void eval_load(const Fill *f, const Ref *ref, Lanes at, float *r) {
  int64_t step;
  const int64_t flat = lane_place(f, ref, &step);
  const bool own = is_register(ref->buf);
  const float *from = own ? f->reg[ref->buf->id] + flat * MOST : f->from[ref->buf->id] + flat;
  if (own) step = 1;
  for (int l = at.a; l < at.b; l++) r[l] = from[l * step];
}

static void eval_pick(const Fill *f, Val e, Lanes at, float *r) {
  for (int l = at.a; l < at.b;) {
    bool is;
    const Lanes run = same_lanes(f, e->cond, at, l, &is);
    eval(f, e->a[is ? 0 : 1], run, r);
    l = run.b;
  }
}

/* Computes x*y - z and z - x*y with one rounding, like interp.c and like compilers that contract expressions.
 * False: the value has another form. */
static bool eval_difference(const Fill *f, Val e, Lanes at, float *r) {
  const bool left = e->a[0]->op == MUL;
  if (left == (e->a[1]->op == MUL)) return false;
  Val product = e->a[left ? 0 : 1];
  float x[MOST], y[MOST], z[MOST];
  eval(f, product->a[0], at, x);
  eval(f, product->a[1], at, y);
  eval(f, e->a[left ? 1 : 0], at, z);
  for (int l = at.a; l < at.b; l++) r[l] = left ? fmaf(x[l], y[l], -z[l]) : fmaf(-x[l], y[l], z[l]);
  return true;
}

static void eval(const Fill *f, Val e, Lanes at, float *r) {
  float a[3][MOST];
  if (e->op == LOAD) {
    eval_load(f, e->ref, at, r);
    return;
  }
  if (e->op == PICK) {
    eval_pick(f, e, at, r);
    return;
  }
  if (e->op == SUB && eval_difference(f, e, at, r)) return;
  for (int i = 0; i < 3 && e->a[i]; i++) eval(f, e->a[i], at, a[i]);
#define EACH(value)                                                                                          \
  for (int l = at.a; l < at.b; l++) r[l] = (value)
  switch (e->op) {
  case NUM: EACH((float)e->num); break;
  case ADD: EACH(a[0][l] + a[1][l]); break;
  case SUB: EACH(a[0][l] - a[1][l]); break;
  case MUL: EACH(a[0][l] * a[1][l]); break;
  case DIV: EACH(a[0][l] / a[1][l]); break;
  case MIN: EACH(a[0][l] < a[1][l] ? a[0][l] : a[1][l]); break;
  case MAX: EACH(a[0][l] > a[1][l] ? a[0][l] : a[1][l]); break;
  case FMA: EACH(fmaf(a[0][l], a[1][l], a[2][l])); break;
  case SQRT: EACH(sqrtf(a[0][l])); break;
  case CONVERT:
    if (e->type.elem == F16) EACH((float)f16_nearest((double)a[0][l]));
    else EACH(e->type.elem == BF16 ? (float)bf16_nearest((double)a[0][l]) : a[0][l]);
    break;
  default: break; /* value_fits excludes the other operations */
  }
#undef EACH
}

static void exec(Fill *, const NestStmt *, Lanes);

static void exec_store(Fill *f, const NestStmt *stmt, Lanes at) {
  const Ref *ref = &stmt->u.store.ref;
  float v[MOST];
  eval(f, stmt->u.store.val, at, v);
  int64_t step;
  const int64_t flat = lane_place(f, ref, &step);
  const bool own = is_register(ref->buf);
  float *to = own ? f->reg[ref->buf->id] + flat * MOST : f->to + flat;
  if (own) step = 1;
  else f->stored += at.b - at.a;
  for (int l = at.a; l < at.b; l++) to[l * step] = v[l];
}

static void exec_if(Fill *f, const NestStmt *stmt, Lanes at) {
  for (int l = at.a; l < at.b;) {
    bool is;
    const Lanes run = same_lanes(f, &stmt->u.branch.cond, at, l, &is);
    exec(f, is ? stmt->body : stmt->otherwise, run);
    l = run.b;
  }
}

static bool in_lanes(const Fill *f, const NestStmt *loop) {
  for (int i = 0; i < f->laned.n; i++)
    if (f->laned.data[i] == loop) return true;
  return false;
}

static void exec_loop(Fill *f, const NestStmt *stmt, Lanes at) {
  int64_t lo = INT64_MIN, hi = INT64_MAX;
  for (int i = 0; i < stmt->u.loop.nlo; i++) {
    const int64_t v = index_value(f, &stmt->u.loop.lo[i]);
    lo = v > lo ? v : lo;
  }
  for (int i = 0; i < stmt->u.loop.nhi; i++) {
    const int64_t v = index_value(f, &stmt->u.loop.hi[i]);
    hi = v < hi ? v : hi;
  }
  const bool lanes = in_lanes(f, stmt);
  const int slot = stmt->u.loop.slot;
  if (lanes) f->slot = slot;
  for (int64_t v = lo; v < hi; v += lanes ? MOST : 1) {
    f->env[slot] = v;
    exec(f, stmt->body, !lanes ? at : (Lanes){0, hi - v < MOST ? (int)(hi - v) : MOST});
  }
  f->env[slot] = 0;
  if (lanes) f->slot = 0;
}

static void exec(Fill *f, const NestStmt *stmt, Lanes at) {
  for (; stmt; stmt = stmt->next) switch (stmt->kind) {
    case LOOP: exec_loop(f, stmt, at); break;
    case IF: exec_if(f, stmt, at); break;
    case STORE: exec_store(f, stmt, at); break;
    default: break; /* fits_lanes excludes the other statements */
    }
}

bool nest_fill(const Nest *nest, const float *const *from, float *to) {
  Fill f = {.nest = nest, .from = from, .to = to};
  f.reg = NEW_ARRAY(nest->arena, float *, nest->nbufs + 1);
  const Buf *out = NULL;
  for (int i = 0; i < nest->nbufs; i++) {
    const Buf *buf = nest->buf[i];
    if (buf->place == OUTPUT && out) return false;
    if (buf->place == OUTPUT) out = buf;
    if (is_register(buf)) f.reg[i] = NEW_ARRAY(nest->arena, float, buf_elements(buf) * MOST);
  }
  if (!out || nest->main->nparams || !fits_lanes(nest->main->body)) return false;
  choose_lanes(&f, nest->main->body);
  exec(&f, nest->main->body, (Lanes){0, 1});
  return f.stored == buf_elements(out);
}
