/* prove.c: every access in bounds, every element read was written, or not yet written over, parallel
 * iterations disjoint.
 *
 * A walk over the nest with calls inlined. Everything is affine in the loop variables that are open ("context
 * variables", outermost first); size parameters are the first of them. The one engine is low(e): a lower
 * bound of an affine e, found by replacing the innermost variable by each of its bounds (of its loop, or of a
 * guard that holds here) and taking the best. Each replacement is valid alone, so the result is sound
 * whatever was tried.
 *
 * Written elements are kept as boxes with affine corners. A loop that closes widens the boxes written in it,
 * if its steps leave no gap; boxes that meet are merged. What does not fit is forgotten, so a proof can fail,
 * but not wrongly succeed. Whatever runs out (variables, fuel, 64 bits) makes a bound unknown and so a proof
 * fail.
 */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "nest/nest.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VARS = 24, GUARDS = 32, FUEL = 20000 };
#define UNKNOWN (-(INT64_C(1) << 61)) /* a lower bound that says nothing */

typedef struct Lin {
  int64_t c, k[VARS], bad;
} Lin; /* bad: it did not fit into 64 bits */
typedef struct Var {
  int nlo, nhi;
  Lin lo[BOUNDS], hi[BOUNDS];
  const char *name;
} Var; /* hi: inclusive */
typedef struct Frame {
  Lin slot[SLOTS];
  int64_t size[SLOTS];
} Frame; /* size: the largest magnitude of the slot */
typedef struct Box {
  const Buf *buf;
  int64_t clip_lo[DIMS], clip_hi[DIMS];
  Lin lo[DIMS], hi[DIMS];
} Box; /* written where also clip_lo <= i < clip_hi */
typedef struct Access {
  const Buf *buf;
  bool write, aside;
  Lin lo[DIMS], hi[DIMS];
} Access; /* aside: in another branch than the one that is walked */

typedef struct Prover {
  const Nest *nest;
  Proof *proof;
  Arena *arena; /* scratch */
  int nvars, nguards, fuel;
  int level; /* boxes from `level` on were written in the innermost open loop or branch: only they may merge
              */
  int parallel;    /* how many parallel loops are open */
  int depth;       /* how many blocks are open */
  int home[BUFS];  /* by buffer: how many parallel loops were open where it was declared */
  int block[BUFS]; /* by buffer: how many blocks */
  Var var[VARS];
  Lin guard[GUARDS]; /* affine and >= 0 here */
  VEC(Box) boxes;
  VEC(Access) accesses;
} Prover;

static void walk(Prover *, const Frame *, NestStmt *);

/* ---- affine arithmetic ---- */
static Lin lin_add(Lin a, const Lin *b, int64_t k) { /* a + k*b */
  int64_t t;
  bool bad = a.bad || b->bad;
  bad |= __builtin_mul_overflow(k, b->c, &t);
  bad |= __builtin_add_overflow(a.c, t, &a.c);
  for (int v = 0; v < VARS; v++)
    if (b->k[v]) {
      bad |= __builtin_mul_overflow(k, b->k[v], &t);
      bad |= __builtin_add_overflow(a.k[v], t, &a.k[v]);
    }
  a.bad = bad;
  return a;
}

static Lin lin_plus(Lin a, int64_t c) {
  if (__builtin_add_overflow(a.c, c, &a.c)) a.bad = 1;
  return a;
}

static Lin lin_times(const Lin *a, int64_t k) { return lin_add((Lin){0}, a, k); }
static bool lin_equal(const Lin *a, const Lin *b) {
  return !a->bad && !b->bad && a->c == b->c && !memcmp(a->k, b->k, sizeof a->k);
}

static Lin lin_of(const Frame *frame, const Index *ix) {
  Lin r = {.c = ix->c};
  for (int s = 1; s < SLOTS; s++)
    if (ix->k[s]) r = lin_add(r, &frame->slot[s], ix->k[s]);
  return r;
}

static int innermost(const Lin *e, int nvars) {
  for (int v = nvars - 1; v >= 0; v--)
    if (e->k[v]) return v;
  return -1;
}

static bool constant(const Lin *e) { return !e->bad && innermost(e, VARS) < 0; }

/* ---- bounds ---- */
static int64_t lower(Prover *p, const Lin *e) {
  if (e->bad || p->fuel-- <= 0) return UNKNOWN;
  int v = innermost(e, p->nvars);
  if (v < 0) return e->c;
  int64_t best = UNKNOWN, k = e->k[v];
  const Var *var = &p->var[v];
  Lin rest = *e;
  rest.k[v] = 0;
  for (int i = 0; i < (k > 0 ? var->nlo : var->nhi); i++) {
    Lin replaced = lin_add(rest, k > 0 ? &var->lo[i] : &var->hi[i], k);
    int64_t bound = lower(p, &replaced);
    if (bound > best) best = bound;
  }
  for (int g = 0; g < p->nguards; g++) { /* guard: a*v + r >= 0, so v >= -r/a or v <= r/-a */
    const Lin *guard = &p->guard[g];
    int64_t a = guard->k[v], size = a > 0 ? a : -a;
    if ((a > 0) != (k > 0) || innermost(guard, p->nvars) != v) continue;
    Lin r = *guard;
    r.k[v] = 0;
    Lin scaled = lin_add(lin_times(&rest, size), &r,
                         k > 0 ? -k : k); /* |a|*e = |a|*rest + |a|*k*v >= |a|*rest - |k|*r */
    int64_t bound = lower(p, &scaled);
    if (bound <= UNKNOWN) continue;
    bound = -floor_divide(-bound, size);
    if (bound > best) best = bound;
  }
  return best;
}

static int64_t low(Prover *p, const Lin *e) {
  p->fuel = FUEL;
  return lower(p, e);
}

static int64_t high(Prover *p, const Lin *e) {
  Lin minus = lin_times(e, -1);
  return -low(p, &minus);
}

static int64_t low_of_difference(Prover *p, const Lin *a, const Lin *b) { /* of a - b */
  Lin gap = lin_add(*a, b, -1);
  return low(p, &gap);
}

static void fail(Prover *p, const char *what, const Buf *buf, int d, int64_t lo, int64_t hi) {
  if (p->proof->error[0]) return;
  const char *text =
      arena_printf(p->arena, "%s: %s%s%s", p->nest->name, what, buf ? " of " : "", buf ? buf->name : "");
  if (d >= 0)
    text = arena_printf(p->arena, "%s, dimension %d: %lld..%lld of 0..%lld", text, d, (long long)lo,
                        (long long)hi, (long long)buf->dim[d] - 1);
  if (p->nvars) text = arena_printf(p->arena, "%s; loops", text);
  for (int v = 0; v < p->nvars; v++) text = arena_printf(p->arena, "%s %s", text, p->var[v].name);
  snprintf(p->proof->error, sizeof p->proof->error, "%s", text);
}

/* ---- sizes of what is printed: indices are ints ---- */
static int64_t magnitude(const Frame *frame, const Index *ix) {
  int64_t sum = ix->c < 0 ? -ix->c : ix->c, term;
  for (int s = 1; s < SLOTS; s++) {
    if (!ix->k[s]) continue;
    if (__builtin_mul_overflow(ix->k[s] < 0 ? -ix->k[s] : ix->k[s], frame->size[s], &term) ||
        __builtin_add_overflow(sum, term, &sum))
      return INT64_MAX;
  }
  return sum;
}

static void check_magnitude(Prover *p, const Frame *frame, const Index *ix, const Buf *buf) {
  if (magnitude(frame, ix) > INT32_MAX) fail(p, "an index that may exceed 31 bits", buf, -1, 0, 0);
}

static int64_t slot_size(Prover *p, const Lin *e) {
  int64_t l = low(p, e), h = high(p, e);
  if (l <= UNKNOWN || h >= -UNKNOWN) return INT64_MAX;
  if (l < 0) l = -l;
  if (h < 0) h = -h;
  return l > h ? l : h;
}

/* ---- written boxes ---- */
static bool merge(Prover *p, Box *into,
                  const Box *other) { /* equal but for one dimension, and they meet or overlap there */
  int differ = -1;
  for (int d = 0; d < into->buf->rank; d++) {
    if (other->clip_lo[d] != into->clip_lo[d] || other->clip_hi[d] != into->clip_hi[d]) return false;
    if (lin_equal(&into->lo[d], &other->lo[d]) && lin_equal(&into->hi[d], &other->hi[d])) continue;
    if (differ >= 0) return false;
    differ = d;
  }
  if (differ < 0) return true;
  const Lin *alo = &into->lo[differ], *ahi = &into->hi[differ], *blo = &other->lo[differ],
            *bhi = &other->hi[differ];
  if (low_of_difference(p, ahi, blo) < -1 || low_of_difference(p, bhi, alo) < -1) return false;
  bool lower_a = low_of_difference(p, blo, alo) >= 0, upper_a = low_of_difference(p, ahi, bhi) >= 0;
  if (!lower_a && low_of_difference(p, alo, blo) < 0) return false;
  if (!upper_a && low_of_difference(p, bhi, ahi) < 0) return false;
  if (!lower_a) into->lo[differ] = *blo;
  if (!upper_a) into->hi[differ] = *bhi;
  return true;
}

static void add_box(Prover *p, Box box) { /* a merge may make another possible */
  for (int i = p->level; i < p->boxes.n; i++)
    if (p->boxes.data[i].buf == box.buf && merge(p, &box, &p->boxes.data[i])) {
      p->boxes.data[i] = p->boxes.data[--p->boxes.n];
      i = p->level - 1;
    }
  vec_push(p->arena, p->boxes, box);
}

static void forget(Prover *p, const Buf *buf) { /* a new life of a local */
  for (int i = 0; i < p->boxes.n; i++)
    if (p->boxes.data[i].buf == buf) p->boxes.data[i].buf = NULL; /* in place: boxes keep their levels */
  p->home[buf->id] = p->parallel;
  p->block[buf->id] = p->depth;
}

static void
leave_block(Prover *p,
            int first) { /* locals of the block that ends, whose boxes stand from `first` on, are gone */
  int n = first;
  for (int i = first; i < p->boxes.n; i++) {
    const Box *box = &p->boxes.data[i];
    if (!box->buf || (box->buf->place >= STACK && p->block[box->buf->id] > p->depth)) continue;
    if (n != i) p->boxes.data[n] = *box;
    n++;
  }
  p->boxes.n = n;
}

static bool written(Prover *p, const Buf *buf, const Lin *lo, const Lin *hi) {
  for (int i = p->boxes.n - 1; i >= 0; i--) {
    const Box *box = &p->boxes.data[i];
    if (box->buf != buf) continue;
    bool inside = true;
    for (int d = 0; d < buf->rank && inside; d++) {
      inside =
          low_of_difference(p, &lo[d], &box->lo[d]) >= 0 && low_of_difference(p, &box->hi[d], &hi[d]) >= 0;
      if (inside && box->clip_lo[d] != NO_LO) inside = low(p, &lo[d]) >= box->clip_lo[d];
      if (inside && box->clip_hi[d] != NO_HI) inside = high(p, &hi[d]) < box->clip_hi[d];
    }
    if (inside) return true;
  }
  return false;
}

static void substitute(Lin *e, int v, const Lin *value) {
  const int64_t k = e->k[v];
  e->k[v] = 0;
  *e = lin_add(*e, value, k);
}

static bool one_round(const Var *var) {
  return var->nlo == 1 && var->nhi == 1 && lin_equal(&var->lo[0], &var->hi[0]);
}

static bool
widen(Prover *p, Box *box,
      int v) { /* to what all rounds of loop v wrote; false: gaps, a diagonal, a range that is not plain */
  const Var *var = &p->var[v];
  int dim = -1;
  if (one_round(var)) { /* the variable is that number */
    for (int d = 0; d < box->buf->rank; d++) {
      substitute(&box->lo[d], v, &var->lo[0]);
      substitute(&box->hi[d], v, &var->lo[0]);
    }
    return true;
  }
  for (int d = 0; d < box->buf->rank; d++) {
    if (!box->lo[d].k[v] && !box->hi[d].k[v]) continue;
    if (dim >= 0) return false;
    dim = d;
  }
  if (dim < 0) return true;
  Lin *lo = &box->lo[dim], *hi = &box->hi[dim];
  int64_t k = lo->k[v];
  if (k != hi->k[v] || var->nlo != 1 || var->nhi != 1) return false;
  if (low_of_difference(p, hi, lo) + 1 < (k > 0 ? k : -k)) return false;
  lo->k[v] = hi->k[v] = 0;
  *lo = lin_add(*lo, k > 0 ? &var->lo[0] : &var->hi[0], k);
  *hi = lin_add(*hi, k > 0 ? &var->hi[0] : &var->lo[0], k);
  return true;
}

static void close_boxes(Prover *p, int first,
                        int v) { /* loop variable v ends: widen what was written in it */
  int n = p->boxes.n - first;
  Box *fresh = NEW_ARRAY(p->arena, Box, n + 1);
  if (n) memcpy(fresh, p->boxes.data + first, (size_t)n * sizeof *fresh);
  p->boxes.n = first;
  for (int i = 0; i < n; i++)
    if (fresh[i].buf && widen(p, &fresh[i], v)) add_box(p, fresh[i]);
}

/* ---- accesses ---- */
static void note_access(Prover *p, const Buf *buf, bool write, const Lin *lo, const Lin *hi) {
  Access access = {.buf = buf, .write = write};
  memcpy(access.lo, lo, sizeof access.lo);
  memcpy(access.hi, hi, sizeof access.hi);
  vec_push(p->arena, p->accesses, access);
}

static bool disjoint(Prover *p, const Access *a, const Lin *lo,
                     const Lin *hi) { /* in the same rounds of all loops that are open */
  for (int d = 0; d < a->buf->rank; d++)
    if (low_of_difference(p, &lo[d], &a->hi[d]) > 0 || low_of_difference(p, &a->lo[d], &hi[d]) > 0)
      return true;
  return false;
}

/* A read finds what was there before the call: nothing that stands before it has written there. Other rounds:
 * check_rounds. */
static void check_not_written(Prover *p, const Buf *buf, const Lin *lo, const Lin *hi) {
  for (int i = 0; i < p->accesses.n; i++) {
    const Access *a = &p->accesses.data[i];
    if (a->buf == buf && a->write && !a->aside && !disjoint(p, a, lo, hi))
      fail(p, "read of elements that may be written over", buf, -1, 0, 0);
  }
}

static void check(Prover *p, const Frame *frame, const Ref *ref, int lanes, bool write) {
  const Buf *buf = ref->buf->of ? ref->buf->of : ref->buf;
  Lin lo[DIMS] = {{0}}, hi[DIMS] = {{0}};
  for (int d = 0; d < buf->rank; d++) {
    check_magnitude(p, frame, &ref->at[d], buf);
    lo[d] = lin_of(frame, &ref->at[d]);
    if (ref->buf->of) {
      Lin base = lin_of(frame, &ref->buf->base[d]);
      lo[d] = lin_add(lo[d], &base, 1);
    }
    hi[d] = d == buf->rank - 1 && buf->place != REGS ? lin_plus(lo[d], lanes - 1) : lo[d];
    int64_t l = low(p, &lo[d]), h = high(p, &hi[d]);
    if (l < 0 || h >= buf->dim[d])
      fail(p, write ? "store out of bounds" : "load out of bounds", buf, d, l, h);
  }
  if (buf->place != REGS && buf->rank == 0 && lanes > 1)
    fail(p, "a vector in a single element", buf, -1, 0, 0);
  p->proof->accesses++;
  if (write && (buf->place == INPUT || buf->place == WEIGHTS)) fail(p, "store to an input", buf, -1, 0, 0);
  bool fresh = buf->place != INPUT && buf->place != WEIGHTS && buf->place != UPDATE;
  bool known = fresh && written(p, buf, lo, hi);
  if (!write && buf->place == OVER) check_not_written(p, buf, lo, hi);
  if (!write && fresh && buf->place != OVER) {
    p->proof->reads++;
    if (!known) fail(p, "read of elements that may not be written", buf, -1, 0, 0);
  }
  if (write && buf->place >= STACK && p->home[buf->id] != p->parallel)
    fail(p, "parallel iterations share the local", buf, -1, 0, 0);
  if (buf->place == OVER || (p->parallel && buf->place < STACK)) note_access(p, buf, write, lo, hi);
  if (write && fresh && !known) {
    Box box = {.buf = buf};
    for (int d = 0; d < buf->rank; d++) {
      box.lo[d] = lo[d];
      box.hi[d] = hi[d];
      box.clip_lo[d] = NO_LO;
      box.clip_hi[d] = NO_HI;
    }
    add_box(p, box);
  }
}

static void widest(const Prover *p, Lin *e, int upto,
                   bool up) { /* a bound of e in the variables before upto */
  for (int v = p->nvars - 1; v >= upto; v--)
    if (e->k[v]) {
      int64_t k = e->k[v];
      e->k[v] = 0;
      *e = lin_add(*e, (k > 0) == up ? &p->var[v].hi[0] : &p->var[v].lo[0], k);
    }
}

static bool apart(Prover *p, const Lin *hi, const Lin *lo, int t) { /* lo at any later t' > hi at t */
  Lin gap = lin_add(*lo, hi, -1);
  if (gap.bad || gap.k[t] != 0) return false; /* different steps */
  int64_t step = lo->k[t];
  return step > 0 && low(p, &gap) > -step;
}

/* Rounds of loop t do not meet, in whatever order they run: if they are parallel, nowhere where one of them
 * writes; if they are not, where one reads what another one writes over. */
static void check_rounds(Prover *p, int first, int t, bool parallel) {
  if (!parallel && one_round(&p->var[t])) return;
  for (int i = first; i < p->accesses.n; i++)
    for (int j = i; j < p->accesses.n; j++) {
      const Access *a = &p->accesses.data[i], *b = &p->accesses.data[j];
      if (a->buf != b->buf ||
          !(parallel ? a->write || b->write : a->buf->place == OVER && a->write != b->write))
        continue;
      bool apart_ = false;
      for (int d = 0; d < a->buf->rank && !apart_; d++)
        apart_ = apart(p, &a->hi[d], &b->lo[d], t) && apart(p, &b->hi[d], &a->lo[d], t);
      p->proof->pairs++;
      if (!apart_)
        fail(p,
             parallel ? "parallel iterations may meet in elements"
                      : "a round may read elements that another one has written over",
             a->buf, -1, 0, 0);
    }
}

static bool same_access(const Access *a, const Access *b) {
  if (a->buf != b->buf || a->write != b->write) return false;
  for (int d = 0; d < a->buf->rank; d++)
    if (!lin_equal(&a->lo[d], &b->lo[d]) || !lin_equal(&a->hi[d], &b->hi[d])) return false;
  return true;
}

static void close_accesses(Prover *p, int first,
                           int v) { /* out of loop v: forget v, and repeat no access twice */
  int n = p->accesses.n;
  p->accesses.n = first;
  for (int i = first; i < n; i++) {
    Access access = p->accesses.data[i];
    for (int d = 0; d < access.buf->rank; d++) {
      widest(p, &access.lo[d], v, false);
      widest(p, &access.hi[d], v, true);
    }
    bool known = false;
    for (int j = first; j < p->accesses.n && !known; j++) known = same_access(&p->accesses.data[j], &access);
    if (!known) p->accesses.data[p->accesses.n++] = access;
  }
}

static void leave_parallel(Prover *p,
                           int first) { /* outside of parallel loops only what is written over matters */
  int n = first;
  for (int i = first; i < p->accesses.n; i++)
    if (p->accesses.data[i].buf->place == OVER) p->accesses.data[n++] = p->accesses.data[i];
  p->accesses.n = n;
}

/* ---- conditions: 1 always, 0 never, -1 sometimes ---- */
static int decide_all(Prover *p, const Frame *frame, const All *all) {
  int verdict = 1;
  for (int i = 0; i < all->n; i++) {
    check_magnitude(p, frame, &all->range[i].e, NULL);
    Lin e = lin_of(frame, &all->range[i].e);
    int64_t l = low(p, &e), h = high(p, &e), lo = all->range[i].lo, hi = all->range[i].hi;
    if ((lo == NO_LO || l >= lo) && (hi == NO_HI || h < hi)) continue;
    if ((lo != NO_LO && h < lo) || (hi != NO_HI && l >= hi)) return 0;
    verdict = -1;
  }
  return verdict;
}

static int decide(Prover *p, const Frame *frame, const Cond *cond) {
  int verdict = 0;
  for (int i = 0; i < cond->n; i++) {
    int v = decide_all(p, frame, &cond->any[i]);
    if (v == 1) return 1;
    if (v < 0) verdict = -1;
  }
  return verdict;
}

static int seen_bit(int verdict) { return verdict == 1 ? 1 : verdict == 0 ? 2 : 4; }

static void assume_range(Prover *p, const Frame *frame, const Range *range) {
  Lin e = lin_of(frame, &range->e);
  if (constant(&e) || p->nguards + 2 > GUARDS) return;
  if (range->lo != NO_LO) p->guard[p->nguards++] = lin_plus(e, -range->lo);
  if (range->hi != NO_HI) p->guard[p->nguards++] = lin_plus(lin_times(&e, -1), range->hi - 1);
}

static void assume(Prover *p, const Frame *frame, const All *all) {
  for (int i = 0; i < all->n; i++) assume_range(p, frame, &all->range[i]);
}

static void assume_not(Prover *p, const Frame *frame, const Cond *cond) { /* where that is one range */
  if (cond->n != 1 || cond->any[0].n != 1) return;
  Range range = cond->any[0].range[0];
  if (range.lo == NO_LO) {
    range.lo = range.hi;
    range.hi = NO_HI;
  } else if (range.hi == NO_HI) {
    range.hi = range.lo;
    range.lo = NO_LO;
  } else return;
  assume_range(p, frame, &range);
}

/* ---- the walk ---- */
static void values(Prover *, const Frame *, Val);

static void values_pick(Prover *p, const Frame *frame, Val e) {
  int verdict = decide(p, frame, e->cond), guards = p->nguards;
  ((ValNode *)(uintptr_t)e)->seen |= seen_bit(verdict);
  if (verdict == 1) values(p, frame, e->a[0]);
  for (int i = 0; i < e->cond->n && verdict < 0; i++) {
    if (!decide_all(p, frame, &e->cond->any[i])) continue;
    assume(p, frame, &e->cond->any[i]);
    values(p, frame, e->a[0]);
    p->nguards = guards;
  }
  if (verdict == 1) return;
  assume_not(p, frame, e->cond);
  values(p, frame, e->a[1]);
  p->nguards = guards;
}

static void values(Prover *p, const Frame *frame, Val e) {
  if (e->op == LOAD) {
    check(p, frame, e->ref, e->part, false);
    return;
  }
  if (e->op == PICK) {
    values_pick(p, frame, e);
    return;
  }
  if (e->op == LANE || e->op == POSITION) {
    Lin index = lin_of(frame, &e->index);
    int64_t lo = e->op == LANE ? 0 : INT32_MIN, hi = e->op == LANE ? e->a[0]->type.lanes - 1 : INT32_MAX;
    check_magnitude(p, frame, &e->index, NULL);
    if (low(p, &index) < lo || high(p, &index) > hi)
      fail(p, e->op == LANE ? "lane out of a vector" : "position beyond 32 bits", NULL, -1, 0, 0);
  }
  for (int i = 0; i < 3 && e->a[i]; i++) values(p, frame, e->a[i]);
}

static int verdict_of_loop(Prover *p, const Var *var) { /* as for conditions: does it run at all */
  int verdict = 1;
  for (int i = 0; i < var->nlo; i++)
    for (int j = 0; j < var->nhi; j++) {
      if (low_of_difference(p, &var->hi[j], &var->lo[i]) >= 0) continue;
      if (low_of_difference(p, &var->lo[i], &var->hi[j]) > 0) return 0;
      verdict = -1;
    }
  return verdict;
}

static int needed_bounds(Prover *p, int n, const Lin *bound,
                         bool largest) { /* of two, where one is always the stricter: a bit each */
  if (n == 1) return 1;
  const Lin *a = &bound[largest ? 0 : 1], *b = &bound[largest ? 1 : 0];
  return low_of_difference(p, a, b) >= 0 ? 1 : low_of_difference(p, b, a) >= 0 ? 2 : 3;
}

static void walk_loop(Prover *p, const Frame *frame, NestStmt *stmt) {
  if (p->nvars == VARS) {
    fail(p, "too many loops around an access", NULL, -1, 0, 0);
    return;
  }
  int v = p->nvars, slot = stmt->u.loop.slot;
  bool parallel = stmt->u.loop.kind == PARALLEL;
  Var *var = &p->var[v];
  *var = (Var){.nlo = stmt->u.loop.nlo, .nhi = stmt->u.loop.nhi, .name = stmt->u.loop.name};
  for (int i = 0; i < var->nlo; i++) {
    var->lo[i] = lin_of(frame, &stmt->u.loop.lo[i]);
    check_magnitude(p, frame, &stmt->u.loop.lo[i], NULL);
  }
  for (int i = 0; i < var->nhi; i++) {
    var->hi[i] = lin_plus(lin_of(frame, &stmt->u.loop.hi[i]), -1);
    check_magnitude(p, frame, &stmt->u.loop.hi[i], NULL);
  }
  int verdict = verdict_of_loop(p, var);
  stmt->u.loop.seen |= seen_bit(verdict);
  if (verdict == 0) return;
  stmt->u.loop.need |= needed_bounds(p, var->nlo, var->lo, true) | needed_bounds(p, var->nhi, var->hi, false)
                                                                       << BOUNDS;
  int boxes = p->boxes.n, accesses = p->accesses.n, level = p->level;
  p->nvars++;
  p->level = boxes;
  p->depth++;
  p->parallel += parallel;
  Frame inner = *frame;
  inner.slot[slot] = (Lin){0};
  inner.slot[slot].k[v] = 1;
  inner.size[slot] = slot_size(p, &inner.slot[slot]);
  walk(p, &inner, stmt->body);
  p->level = level;
  p->depth--;
  p->parallel -= parallel;
  leave_block(p, boxes);
  check_rounds(p, accesses, v, parallel);
  close_accesses(p, accesses, v);
  if (!p->parallel) leave_parallel(p, accesses);
  if (verdict == 1) close_boxes(p, boxes, v);
  else p->boxes.n = boxes; /* perhaps it never ran */
  p->nvars--;
}

/* After `if (lo <= e < hi)`, a box whose index is e (plus a constant) in some dimension is written where the
 * index is in that range. */
static bool clip(const Frame *frame, Box *box, const Range *range) {
  Lin e = lin_of(frame, &range->e);
  for (int d = 0; d < box->buf->rank; d++) {
    Lin shift = lin_add(box->lo[d], &e, -1);
    if (!lin_equal(&box->lo[d], &box->hi[d]) || !constant(&shift)) continue;
    int64_t lo = range->lo == NO_LO ? NO_LO : range->lo + shift.c,
            hi = range->hi == NO_HI ? NO_HI : range->hi + shift.c;
    if (lo > box->clip_lo[d] && lo > 0)
      box->clip_lo[d] = lo; /* a box may hang over its buffer: nobody reads there */
    if (hi < box->clip_hi[d] && hi < box->buf->dim[d]) box->clip_hi[d] = hi;
    return true;
  }
  return false;
}

static bool same_box(const Box *a, const Box *b) {
  if (a->buf != b->buf) return false;
  for (int d = 0; d < a->buf->rank; d++)
    if (!lin_equal(&a->lo[d], &b->lo[d]) || !lin_equal(&a->hi[d], &b->hi[d]) ||
        a->clip_lo[d] != b->clip_lo[d] || a->clip_hi[d] != b->clip_hi[d])
      return false;
  return true;
}

static void walk_branch(Prover *p, const Frame *frame, NestStmt *body, int boxes) {
  p->depth++;
  walk(p, frame, body);
  p->depth--;
  leave_block(p, boxes);
}

static void set_aside(Prover *p, int first, bool aside) { /* only one of the branches runs */
  for (int i = first; i < p->accesses.n; i++) p->accesses.data[i].aside = aside;
}

static void walk_if(Prover *p, const Frame *frame, NestStmt *stmt) {
  const Cond *cond = &stmt->u.branch.cond;
  int verdict = decide(p, frame, cond), guards = p->nguards, boxes = p->boxes.n, level = p->level;
  stmt->u.branch.seen |= seen_bit(verdict);
  if (verdict >= 0) {
    walk_branch(p, frame, verdict ? stmt->body : stmt->otherwise, boxes);
    return;
  }
  p->level = boxes;
  const int first = p->accesses.n;
  VEC(Box) kept = {0}; /* what every branch so far wrote */
  for (int i = 0, branch = 0; i <= cond->n; i++) {
    bool last = i == cond->n;
    if (!last && !decide_all(p, frame, &cond->any[i])) continue;
    if (last) assume_not(p, frame, cond);
    else assume(p, frame, &cond->any[i]);
    walk_branch(p, frame, last ? stmt->otherwise : stmt->body, boxes);
    set_aside(p, first, true);
    p->nguards = guards;
    int n = 0;
    if (branch++ == 0) {
      for (int j = boxes; j < p->boxes.n; j++) vec_push(p->arena, kept, p->boxes.data[j]);
      n = kept.n;
    } else if (last && !stmt->otherwise) { /* written only if: keep it with a clip */
      for (int j = 0; j < kept.n; j++) {
        bool fits = cond->n == 1;
        for (int k = 0; k < cond->any[0].n && fits; k++)
          fits = clip(frame, &kept.data[j], &cond->any[0].range[k]);
        if (fits) kept.data[n++] = kept.data[j];
      }
    } else /* written in both branches */
      for (int j = 0; j < kept.n; j++) {
        bool both = false;
        for (int k = boxes; k < p->boxes.n && !both; k++) both = same_box(&p->boxes.data[k], &kept.data[j]);
        if (both) kept.data[n++] = kept.data[j];
      }
    kept.n = n;
    p->boxes.n = boxes;
  }
  set_aside(p, first, false);
  p->level = level;
  for (int j = 0; j < kept.n; j++) add_box(p, kept.data[j]);
}

static void walk_call(Prover *p, const Frame *frame, const NestStmt *stmt) {
  Frame callee = {0};
  int boxes = p->boxes.n;
  for (int i = 0; i < stmt->u.call.fn->nparams; i++) {
    check_magnitude(p, frame, &stmt->u.call.arg[i], NULL);
    callee.slot[i + 1] = lin_of(frame, &stmt->u.call.arg[i]);
    callee.size[i + 1] = slot_size(p, &callee.slot[i + 1]);
  }
  walk_branch(p, &callee, stmt->u.call.fn->body, boxes);
}

static void check_view(Prover *p, const Frame *frame,
                       const Buf *view) { /* its position is printed as one sum: terms must not overflow */
  int64_t sum = 0, term;
  for (int d = 0; d < view->rank; d++) {
    int64_t stride = buf_room(view, d + 1);
    int64_t size = magnitude(frame, &view->base[d]);
    if (size > INT32_MAX || __builtin_mul_overflow(size, stride, &term) ||
        __builtin_add_overflow(sum, term, &sum))
      sum = INT64_MAX;
  }
  if (sum > INT32_MAX && (sum == INT64_MAX || buf_room(view, 0) < NEST_FAR))
    fail(p, "a position that may exceed 31 bits", view, -1, 0, 0);
}

static void walk(Prover *p, const Frame *frame, NestStmt *stmt) {
  for (; stmt && !p->proof->error[0]; stmt = stmt->next) switch (stmt->kind) {
    case LOOP: walk_loop(p, frame, stmt); break;
    case IF: walk_if(p, frame, stmt); break;
    case STORE:
      values(p, frame, stmt->u.store.val);
      if (stmt->u.store.declare) forget(p, stmt->u.store.ref.buf);
      check(p, frame, &stmt->u.store.ref, stmt->u.store.part, true);
      break;
    case DECLARE:
      forget(p, stmt->u.declare.buf);
      if (stmt->u.declare.buf->place == VIEW) check_view(p, frame, stmt->u.declare.buf);
      break;
    case CALL: walk_call(p, frame, stmt); break;
    case PREFETCH: check_magnitude(p, frame, &stmt->u.prefetch.flat, stmt->u.prefetch.buf); break;
    case PIN:
    case COMMENT: break;
    }
}

/* ---- the whole nest ---- */
static void clear_value(Val v) {
  ((ValNode *)(uintptr_t)v)->seen = 0;
  for (int i = 0; i < 3 && v->a[i]; i++) clear_value(v->a[i]);
}

static void clear_seen(NestStmt *stmt) {
  for (; stmt; stmt = stmt->next) {
    if (stmt->kind == LOOP) stmt->u.loop.seen = stmt->u.loop.need = 0;
    if (stmt->kind == IF) stmt->u.branch.seen = 0;
    if (stmt->kind == STORE) clear_value(stmt->u.store.val);
    clear_seen(stmt->body);
    clear_seen(stmt->otherwise);
  }
}

static bool whole(Prover *p, const NestFn *main,
                  const Buf *buf) { /* or, with a size parameter, the part that belongs to it */
  Lin lo[DIMS] = {{0}}, hi[DIMS] = {{0}};
  for (int d = 0; d < buf->rank; d++) hi[d].c = buf->dim[d] - 1;
  if (written(p, buf, lo, hi)) return true;
  for (int i = 0; i < main->nparams && buf->rank; i++) {
    if (!main->size[i] || main->hi[i] == 0 || buf->dim[0] % main->hi[i]) continue;
    hi[0] = (Lin){.c = -1};
    hi[0].k[i] = buf->dim[0] / main->hi[i];
    if (written(p, buf, lo, hi)) return true;
  }
  return false;
}

bool nest_prove(Nest *nest, Proof *proof) {
  *proof = (Proof){0};
  Arena *arena = arena_new();
  Prover *p = NEW(arena, Prover);
  p->nest = nest;
  p->proof = proof;
  p->arena = arena;
  const NestFn *entry = nest->main;
  Frame frame = {0};
  if (!entry) fail(p, "a nest without a function", NULL, -1, 0, 0);
  if (nest->depth) fail(p, "a block was left by break or return", NULL, -1, 0, 0);
  for (NestFn *fn = nest->fns; fn; fn = fn->next) clear_seen(fn->body);
  for (int i = 0; entry && i < entry->nparams; i++) {
    if (!entry->size[i]) fail(p, "a parameter of the main function that is no size", NULL, -1, 0, 0);
    p->var[i] =
        (Var){.nlo = 1, .nhi = 1, .lo[0].c = entry->lo[i], .hi[0].c = entry->hi[i], .name = entry->param[i]};
    frame.slot[i + 1].k[i] = 1;
    frame.size[i + 1] = entry->hi[i];
    p->nvars++;
  }
  if (entry) walk(p, &frame, entry->body);
  for (int i = 0; entry && i < nest->nbufs && !proof->error[0]; i++)
    if ((nest->buf[i]->place == OUTPUT || nest->buf[i]->place == OVER) && !whole(p, entry, nest->buf[i]))
      fail(p, "not every element is written", nest->buf[i], -1, 0, 0);
  arena_free(arena);
  return !proof->error[0];
}
