/* prove_accesses.c: Part of the prover that records written elements as boxes, and checks each access against
 * these boxes, the bounds of the buffer, and the accesses of other iterations. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "nest/prover.h"
#include <string.h>

/* ---- written boxes ---- */
static bool merge(Prover *p, WrittenBox *into,
                  const WrittenBox *other) { /* merges boxes that are equal except in one dimension, where
                                                they touch or overlap */
  int differ = -1;
  if (into->ends != other->ends || (into->ends && !lin_equal(&into->end, &other->end))) return false;
  for (int d = 0; d < into->buf->rank; d++) {
    if (other->clip_lo[d] != into->clip_lo[d] || other->clip_hi[d] != into->clip_hi[d]) return false;
    if (lin_equal(&into->lo[d], &other->lo[d]) && lin_equal(&into->hi[d], &other->hi[d])) continue;
    if (differ >= 0) return false;
    differ = d;
  }
  if (differ < 0) return true;
  const Lin *alo = &into->lo[differ], *ahi = &into->hi[differ], *blo = &other->lo[differ],
            *bhi = &other->hi[differ];
  if (prover_low_of_difference(p, ahi, blo) < -1 || prover_low_of_difference(p, bhi, alo) < -1) return false;
  bool lower_a = prover_low_of_difference(p, blo, alo) >= 0,
       upper_a = prover_low_of_difference(p, ahi, bhi) >= 0;
  if (!lower_a && prover_low_of_difference(p, alo, blo) < 0) return false;
  if (!upper_a && prover_low_of_difference(p, bhi, ahi) < 0) return false;
  if (!lower_a) into->lo[differ] = *blo;
  if (!upper_a) into->hi[differ] = *bhi;
  return true;
}

/* Adds a box, merged with other boxes. After each merge the search starts again, because a merge may make
 * another merge possible. */
void prover_add_box(Prover *p, WrittenBox box) {
  for (int i = p->level; i < p->boxes.n; i++)
    if (p->boxes.data[i].buf == box.buf && merge(p, &box, &p->boxes.data[i])) {
      p->boxes.data[i] = p->boxes.data[--p->boxes.n];
      i = p->level - 1;
    }
  vec_push(p->arena, p->boxes, box);
}

void prover_forget(Prover *p, const Buf *buf) {
  for (int i = 0; i < p->boxes.n; i++)
    if (p->boxes.data[i].buf == buf)
      p->boxes.data[i].buf = NULL; /* the box is not removed, because p->level is an index of boxes */
  p->home[buf->id] = p->parallel;
  p->block[buf->id] = p->depth;
}

void prover_leave_block(Prover *p, int first) {
  int n = first;
  for (int i = first; i < p->boxes.n; i++) {
    const WrittenBox *box = &p->boxes.data[i];
    if (!box->buf || (box->buf->place >= STACK && p->block[box->buf->id] > p->depth)) continue;
    if (n != i) p->boxes.data[n] = *box;
    n++;
  }
  p->boxes.n = n;
}

bool prover_written(Prover *p, const Buf *buf, const Lin *lo, const Lin *hi) {
  for (int i = p->boxes.n - 1; i >= 0; i--) {
    const WrittenBox *box = &p->boxes.data[i];
    if (box->buf != buf) continue;
    bool inside = !box->ends || prover_low_of_difference(p, &box->end, &hi[0]) >= 1;
    for (int d = 0; d < buf->rank && inside; d++) {
      inside = prover_low_of_difference(p, &lo[d], &box->lo[d]) >= 0 &&
               prover_low_of_difference(p, &box->hi[d], &hi[d]) >= 0;
      if (inside && box->clip_lo[d] != NO_LO) inside = prover_low(p, &lo[d]) >= box->clip_lo[d];
      if (inside && box->clip_hi[d] != NO_HI) inside = prover_high(p, &hi[d]) < box->clip_hi[d];
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

static bool widen(Prover *p, WrittenBox *box, int v) { /* extends a box to all elements that loop v writes;
                                                          false if these elements are not known to be a box */
  const Var *var = &p->var[v];
  int dim = -1;
  if (prover_one_round(var)) {
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
  if (var->chosen)
    return false; /* the store is somewhere in the range, so no particular element is known to be written */
  Lin *lo = &box->lo[dim], *hi = &box->hi[dim];
  int64_t k = lo->k[v];
  if (k != hi->k[v] || var->nlo != 1 || var->nhi != 1) return false;
  if (prover_low_of_difference(p, hi, lo) + 1 < (k > 0 ? k : -k)) return false;
  lo->k[v] = hi->k[v] = 0;
  *lo = lin_add(*lo, k > 0 ? &var->lo[0] : &var->hi[0], k);
  *hi = lin_add(*hi, k > 0 ? &var->hi[0] : &var->lo[0], k);
  return true;
}

void prover_close_boxes(Prover *p, int first, int v) {
  int n = p->boxes.n - first;
  WrittenBox *fresh = NEW_ARRAY(p->arena, WrittenBox, n + 1);
  if (n) memcpy(fresh, p->boxes.data + first, (size_t)n * sizeof *fresh);
  p->boxes.n = first;
  for (int i = 0; i < n; i++)
    if (fresh[i].buf && widen(p, &fresh[i], v)) prover_add_box(p, fresh[i]);
}

/* ---- accesses ---- */
static void note_access(Prover *p, const Buf *buf, bool write, const Lin *lo, const Lin *hi) {
  Access access = {.buf = buf, .write = write};
  memcpy(access.lo, lo, sizeof access.lo);
  memcpy(access.hi, hi, sizeof access.hi);
  for (int d = 0; d < buf->rank; d++) {
    const Lin width = lin_add(hi[d], &lo[d], -1);
    access.width[d] = lin_constant(&width) ? width.c + 1 : 0;
  }
  vec_push(p->arena, p->accesses, access);
}

static bool
disjoint(Prover *p, const Access *a, const Lin *lo,
         const Lin *hi) { /* whether two accesses in the same iteration of all open loops are disjoint */
  for (int d = 0; d < a->buf->rank; d++)
    if (prover_low_of_difference(p, &lo[d], &a->hi[d]) > 0 ||
        prover_low_of_difference(p, &a->lo[d], &hi[d]) > 0)
      return true;
  return false;
}

/* Checks a read that needs the value from before the call: no earlier statement of this iteration may have
 * overwritten it. prover_check_rounds checks other iterations. */
static void check_not_written(Prover *p, const Buf *buf, const Lin *lo, const Lin *hi) {
  for (int i = 0; i < p->accesses.n; i++) {
    const Access *a = &p->accesses.data[i];
    if (a->buf == buf && a->write && !a->aside && !disjoint(p, a, lo, hi))
      prover_fail(p, "elements are read that may have been overwritten", buf, -1, 0, 0);
  }
}

/* Checks that a store that initializes elements or overwrites an operand has no data-dependent index. Stores
 * with a data-dependent index may only modify elements that were written before. */
static void check_not_chosen(Prover *p, const Buf *buf, const Lin *lo, const Lin *hi) {
  bool chosen = false;
  for (int d = 0; d < buf->rank; d++) chosen = chosen || prover_chosen(p, &lo[d]) || prover_chosen(p, &hi[d]);
  if (!chosen) return;
  prover_fail(p,
              buf->place == OVER
                  ? "an operand that is overwritten has a store at a data-dependent index"
                  : "elements may be stored at a data-dependent index before all are initialized",
              buf, -1, 0, 0);
}

/* Whether the buffer is followed: accesses to it must also be recorded outside parallel loops. */
static bool is_followed(const Prover *p, const Buf *buf) {
  return buf->place == OVER || (p->overlap && (buf == p->overlap->operand || buf == p->overlap->result));
}

/* Checks and records one access to the elements lo .. hi. */
static void check_range(Prover *p, const Buf *buf, const Lin *lo, const Lin *hi, bool write) {
  p->proof->accesses++;
  if (write && (buf->place == INPUT || buf->place == WEIGHTS))
    prover_fail(p, "store to an input", buf, -1, 0, 0);
  bool fresh = buf->place != INPUT && buf->place != WEIGHTS && buf->place != UPDATE;
  bool known = fresh && prover_written(p, buf, lo, hi);
  if (write && p->chosen && (buf->place == OVER || (fresh && !known))) check_not_chosen(p, buf, lo, hi);
  if (!write && buf->place == OVER) check_not_written(p, buf, lo, hi);
  if (!write && fresh && buf->place != OVER) {
    p->proof->reads++;
    if (!known) prover_fail(p, "elements may be read before they are written", buf, -1, 0, 0);
  }
  if (write && buf->place >= STACK && p->home[buf->id] != p->parallel)
    prover_fail(p, "parallel iterations write the same local buffer", buf, -1, 0, 0);
  if (p->overlap && !write && buf == p->overlap->operand) prover_overlap_load(p, lo, hi);
  if (is_followed(p, buf) || (p->parallel && buf->place < STACK)) note_access(p, buf, write, lo, hi);
  if (write && fresh && !known) {
    WrittenBox box = {.buf = buf};
    for (int d = 0; d < buf->rank; d++) {
      box.lo[d] = lo[d];
      box.hi[d] = hi[d];
      box.clip_lo[d] = NO_LO;
      box.clip_hi[d] = NO_HI;
    }
    prover_add_box(p, box);
  }
}

void prover_check(Prover *p, const ProofEnv *env, const Ref *ref, int lanes, bool write) {
  const Buf *buf = ref->buf->of ? ref->buf->of : ref->buf;
  Lin lo[DIMS] = {{0}}, hi[DIMS] = {{0}};
  for (int d = 0; d < buf->rank; d++) {
    prover_check_magnitude(p, env, &ref->at[d], buf);
    lo[d] = lin_of(env, &ref->at[d]);
    if (ref->buf->of) {
      Lin base = lin_of(env, &ref->buf->base[d]);
      lo[d] = lin_add(lo[d], &base, 1);
    }
    hi[d] = d == buf->rank - 1 && buf->place != REGS ? lin_plus(lo[d], lanes - 1) : lo[d];
    int64_t l = prover_low(p, &lo[d]), h = prover_high(p, &hi[d]);
    if (l < 0 || h >= buf->dim[d])
      prover_fail(p, write ? "store out of bounds" : "load out of bounds", buf, d, l, h);
  }
  if (buf->place != REGS && buf->rank == 0 && lanes > 1)
    prover_fail(p, "a vector is loaded from or stored to a buffer of one element", buf, -1, 0, 0);
  check_range(p, buf, lo, hi, write);
}

void prover_check_whole(Prover *p, const Buf *buf, bool write) {
  Lin lo[DIMS] = {{0}}, hi[DIMS] = {{0}};
  for (int d = 0; d < buf->rank; d++) hi[d].c = buf->dim[d] - 1;
  check_range(p, buf, lo, hi, write);
}

static void widest(const Prover *p, Lin *e, int upto,
                   bool up) { /* replaces e by its upper (or lower) bound over the variables from `upto` on */
  for (int v = p->nvars - 1; v >= upto; v--)
    if (e->k[v]) {
      int64_t k = e->k[v];
      e->k[v] = 0;
      *e = lin_add(*e, (k > 0) == up ? &p->var[v].hi[0] : &p->var[v].lo[0], k);
    }
}

bool prover_apart(Prover *p, const Lin *hi, const Lin *lo, int t) {
  Lin gap = lin_add(*lo, hi, -1);
  if (gap.bad || gap.k[t] != 0) return false; /* hi and lo change by different amounts per iteration */
  int64_t step = lo->k[t];
  return step > 0 && prover_low(p, &gap) > -step;
}

/* Whether two accesses touch disjoint elements in different iterations of loop t. Each access touches only a
 * part of every step (see Access). The parts are disjoint if their distance is at least their width and the
 * parts of all iterations fit into one step. */
static bool are_interleaved(Prover *p, const Access *a, const Access *b, int d, int t) {
  const int64_t step = common_divisor(a->step[d], b->step[d]);
  const Lin gap = lin_add(b->lo[d], &a->lo[d], -1), rounds = lin_add(p->var[t].hi[0], &p->var[t].lo[0], -1);
  if (!step || !a->width[d] || !b->width[d] || !lin_constant(&gap)) return false;
  const int64_t last = prover_high(p, &rounds), each = a->lo[d].k[t],
                shift = gap.c - step * floor_divide(gap.c, step);
  if (each <= 0 || last < 0 || last > step / each) return false;
  for (int64_t between = shift - step; between <= shift; between += step)
    if (each + between >= a->width[d] && each * last + between + b->width[d] <= step &&
        each - between >= b->width[d] && each * last - between + a->width[d] <= step)
      return true;
  return false;
}

/* Whether, in dimension d, all elements that access `a` touches in any iteration of loop t are before all
 * elements that access `b` touches. */
static bool in_front(Prover *p, const Access *a, const Access *b, int d, int t) {
  Lin hi = a->hi[d], lo = b->lo[d];
  widest(p, &hi, t, true);
  widest(p, &lo, t, false);
  return prover_low_of_difference(p, &lo, &hi) >= 1;
}

void prover_check_rounds(Prover *p, int first, int t, bool parallel) {
  if (!parallel && prover_one_round(&p->var[t])) return;
  for (int i = first; i < p->accesses.n; i++)
    for (int j = i; j < p->accesses.n; j++) {
      const Access *a = &p->accesses.data[i], *b = &p->accesses.data[j];
      if (a->buf != b->buf ||
          !(parallel ? a->write || b->write : a->buf->place == OVER && a->write != b->write))
        continue;
      bool apart_ = false;
      for (int d = 0; d < a->buf->rank && !apart_; d++)
        apart_ = (prover_apart(p, &a->hi[d], &b->lo[d], t) && prover_apart(p, &b->hi[d], &a->lo[d], t)) ||
                 are_interleaved(p, a, b, d, t) || in_front(p, a, b, d, t) || in_front(p, b, a, d, t);
      p->proof->pairs++;
      if (!apart_)
        prover_fail(p,
                    parallel ? "parallel iterations may access the same element"
                             : "an iteration may read elements that another iteration has overwritten",
                    a->buf, -1, 0, 0);
    }
}

static bool same_access(const Access *a, const Access *b) {
  if (a->buf != b->buf || a->write != b->write) return false;
  for (int d = 0; d < a->buf->rank; d++)
    if (!lin_equal(&a->lo[d], &b->lo[d]) || !lin_equal(&a->hi[d], &b->hi[d]) || a->step[d] != b->step[d] ||
        a->width[d] != b->width[d])
      return false;
  return true;
}

static void note_steps(Access *a, int v) { /* must be called before v is forgotten */
  for (int d = 0; d < a->buf->rank; d++) {
    const int64_t k = a->lo[d].k[v];
    if (k != a->hi[d].k[v]) a->width[d] = 0;
    a->step[d] = common_divisor(a->step[d], k < 0 ? -k : k);
  }
}

void prover_close_accesses(Prover *p, int first, int v) {
  int n = p->accesses.n;
  p->accesses.n = first;
  for (int i = first; i < n; i++) {
    Access access = p->accesses.data[i];
    note_steps(&access, v);
    for (int d = 0; d < access.buf->rank; d++) {
      widest(p, &access.lo[d], v, false);
      widest(p, &access.hi[d], v, true);
    }
    bool known = false;
    for (int j = first; j < p->accesses.n && !known; j++) known = same_access(&p->accesses.data[j], &access);
    if (!known) p->accesses.data[p->accesses.n++] = access;
  }
}

void prover_leave_parallel(Prover *p, int first) {
  int n = first;
  for (int i = first; i < p->accesses.n; i++)
    if (is_followed(p, p->accesses.data[i].buf)) p->accesses.data[n++] = p->accesses.data[i];
  p->accesses.n = n;
}
