/* prove.c: Prover of nests: proves that every access is in bounds, that every element that is read was
 * written and not yet overwritten, that every element of the results is written, and that parallel iterations
 * are disjoint.
 *
 * The prover walks the nest with calls inlined. All indices are affine expressions of the open loop variables
 * ("context variables", outermost first); size parameters are the first of them. The core is prover_low(e): a
 * lower bound of an affine expression e. The prover replaces the innermost variable of e by a bound of this
 * variable, and repeats this until the expression is constant. A bound comes from the variable's loop, or
 * from a condition that holds at the current statement. The prover tries all bounds of a variable, and uses
 * the best result. Each replacement alone is valid, so the result is correct for any order of replacements.
 *
 * Written elements are kept as boxes with affine corners. At the end of a loop, each box that the loop has
 * written is widened to the elements that all iterations write, if there is no gap between these elements.
 * Adjacent boxes are merged. Boxes that cannot be widened are forgotten, so a proof can fail, but it cannot
 * wrongly succeed. The elements that iterations of a loop touch are kept as ranges, with a step between the
 * touched elements of a range. Iterations are disjoint if their ranges are disjoint, or if each iteration
 * touches its own part of every step, as in the phases of a dilated convolution. If a resource runs out
 * (variables, fuel, 64 bits), a bound becomes unknown and the proof fails. */
// SPDX-License-Identifier: Apache-2.0
#include "nest/prover.h"
#include <string.h>
#include <stdio.h>
#include "base/number.h"

enum { FUEL = 20000 };

/* ---- affine arithmetic ---- */
Lin lin_add(Lin a, const Lin *b, int64_t k) { /* a + k*b */
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

Lin lin_plus(Lin a, int64_t c) {
  if (__builtin_add_overflow(a.c, c, &a.c)) a.bad = 1;
  return a;
}

static Lin lin_times(const Lin *a, int64_t k) { return lin_add((Lin){0}, a, k); }
bool lin_equal(const Lin *a, const Lin *b) {
  return !a->bad && !b->bad && a->c == b->c && !memcmp(a->k, b->k, sizeof a->k);
}

Lin lin_of(const ProofEnv *env, const Index *ix) {
  Lin r = {.c = ix->c};
  for (int s = 1; s < SLOTS; s++)
    if (ix->k[s]) r = lin_add(r, &env->slot[s], ix->k[s]);
  return r;
}

static int innermost(const Lin *e, int nvars) {
  for (int v = nvars - 1; v >= 0; v--)
    if (e->k[v]) return v;
  return -1;
}

bool lin_constant(const Lin *e) { return !e->bad && innermost(e, VARS) < 0; }

/* ---- bounds ---- */
static int64_t lower_bound(Prover *p, const Lin *e) {
  if (e->bad || p->fuel-- <= 0) return UNKNOWN;
  int v = innermost(e, p->nvars);
  if (v < 0) return e->c;
  int64_t best = UNKNOWN, k = e->k[v];
  const Var *var = &p->var[v];
  Lin rest = *e;
  rest.k[v] = 0;
  for (int i = 0; i < (k > 0 ? var->nlo : var->nhi); i++) {
    Lin replaced = lin_add(rest, k > 0 ? &var->lo[i] : &var->hi[i], k);
    int64_t bound = lower_bound(p, &replaced);
    if (bound > best) best = bound;
  }
  for (int g = 0; g < p->nguards; g++) { /* the guard a*v + r >= 0 gives v >= -r/a if a > 0, else v <= r/-a */
    const Lin *guard = &p->guard[g];
    int64_t a = guard->k[v], size = a > 0 ? a : -a;
    if ((a > 0) != (k > 0) || innermost(guard, p->nvars) != v) continue;
    Lin r = *guard;
    r.k[v] = 0;
    Lin scaled = lin_add(lin_times(&rest, size), &r,
                         k > 0 ? -k : k); /* |a|*e = |a|*rest + |a|*k*v >= |a|*rest - |k|*r */
    int64_t bound = lower_bound(p, &scaled);
    if (bound <= UNKNOWN) continue;
    bound = -floor_divide(-bound, size);
    if (bound > best) best = bound;
  }
  return best;
}

int64_t prover_low(Prover *p, const Lin *e) {
  p->fuel = FUEL;
  return lower_bound(p, e);
}

int64_t prover_high(Prover *p, const Lin *e) {
  Lin minus = lin_times(e, -1);
  return -prover_low(p, &minus);
}

int64_t prover_low_of_difference(Prover *p, const Lin *a, const Lin *b) {
  Lin gap = lin_add(*a, b, -1);
  return prover_low(p, &gap);
}

bool prover_one_round(const Var *var) {
  return var->nlo == 1 && var->nhi == 1 && lin_equal(&var->lo[0], &var->hi[0]);
}

bool prover_chosen(const Prover *p, const Lin *e) {
  for (int v = 0; v < p->nvars; v++) {
    const Var *var = &p->var[v];
    if (!e->k[v]) continue;
    if (var->chosen && !prover_one_round(var)) return true;
    for (int i = 0; i < var->nlo; i++)
      if (prover_chosen(p, &var->lo[i])) return true;
    for (int i = 0; i < var->nhi; i++)
      if (prover_chosen(p, &var->hi[i])) return true;
  }
  return false;
}

void prover_fail(Prover *p, const char *what, const Buf *buf, int d, int64_t lo, int64_t hi) {
  if (p->proof->error[0]) return;
  const char *text =
      arena_printf(p->arena, "%s: %s%s%s", p->nest->name, what, buf ? ", buffer " : "", buf ? buf->name : "");
  if (d >= 0)
    text = arena_printf(p->arena, "%s, dimension %d: %lld..%lld is not in 0..%lld", text, d, (long long)lo,
                        (long long)hi, (long long)buf->dim[d] - 1);
  if (p->nvars) text = arena_printf(p->arena, "%s; loops", text);
  for (int v = 0; v < p->nvars; v++) text = arena_printf(p->arena, "%s %s", text, p->var[v].name);
  snprintf(p->proof->error, sizeof p->proof->error, "%s", text);
}

/* ---- magnitude of printed indices: they are ints ---- */
static int64_t prover_magnitude(const ProofEnv *env, const Index *ix) {
  int64_t sum = ix->c < 0 ? -ix->c : ix->c, term;
  for (int s = 1; s < SLOTS; s++) {
    if (!ix->k[s]) continue;
    if (__builtin_mul_overflow(ix->k[s] < 0 ? -ix->k[s] : ix->k[s], env->size[s], &term) ||
        __builtin_add_overflow(sum, term, &sum))
      return INT64_MAX;
  }
  return sum;
}

void prover_check_magnitude(Prover *p, const ProofEnv *env, const Index *ix, const Buf *buf) {
  if (prover_magnitude(env, ix) > INT32_MAX)
    prover_fail(p, "an index that may exceed 31 bits", buf, -1, 0, 0);
}

static int64_t prover_slot_size(Prover *p, const Lin *e) {
  int64_t l = prover_low(p, e), h = prover_high(p, e);
  if (l <= UNKNOWN || h >= -UNKNOWN) return INT64_MAX;
  if (l < 0) l = -l;
  if (h < 0) h = -h;
  return l > h ? l : h;
}

enum { FLOAT_WHOLE = 1 << 24 }; /* every integer up to this value is exact in float */

static void walk(Prover *, const ProofEnv *, NestStmt *);

/* ---- conditions: 1 always, 0 never, -1 sometimes ---- */
static int decide_all(Prover *p, const ProofEnv *env, const All *all) {
  int verdict = 1;
  for (int i = 0; i < all->n; i++) {
    prover_check_magnitude(p, env, &all->range[i].e, NULL);
    Lin e = lin_of(env, &all->range[i].e);
    int64_t l = prover_low(p, &e), h = prover_high(p, &e), lo = all->range[i].lo, hi = all->range[i].hi;
    if ((lo == NO_LO || l >= lo) && (hi == NO_HI || h < hi)) continue;
    if ((lo != NO_LO && h < lo) || (hi != NO_HI && l >= hi)) return 0;
    verdict = -1;
  }
  return verdict;
}

static int decide(Prover *p, const ProofEnv *env, const Cond *cond) {
  int verdict = 0;
  for (int i = 0; i < cond->n; i++) {
    int v = decide_all(p, env, &cond->any[i]);
    if (v == 1) return 1;
    if (v < 0) verdict = -1;
  }
  return verdict;
}

static int seen_bit(int verdict) { return verdict == 1 ? 1 : verdict == 0 ? 2 : 4; }

static void assume_range(Prover *p, const ProofEnv *env, const Range *range) {
  Lin e = lin_of(env, &range->e);
  if (lin_constant(&e) || p->nguards + 2 > GUARDS) return;
  if (range->lo != NO_LO) p->guard[p->nguards++] = lin_plus(e, -range->lo);
  if (range->hi != NO_HI) p->guard[p->nguards++] = lin_plus(lin_times(&e, -1), range->hi - 1);
}

static void assume(Prover *p, const ProofEnv *env, const All *all) {
  for (int i = 0; i < all->n; i++) assume_range(p, env, &all->range[i]);
}

static void
assume_not(Prover *p, const ProofEnv *env,
           const Cond *cond) { /* assumes the opposite of a condition, if the opposite is a single range */
  if (cond->n != 1 || cond->any[0].n != 1) return;
  Range range = cond->any[0].range[0];
  if (range.lo == NO_LO) {
    range.lo = range.hi;
    range.hi = NO_HI;
  } else if (range.hi == NO_HI) {
    range.hi = range.lo;
    range.lo = NO_LO;
  } else return;
  assume_range(p, env, &range);
}

/* ---- the walk ---- */
static void values(Prover *, const ProofEnv *, Val);

static void values_pick(Prover *p, const ProofEnv *env, Val e) {
  int verdict = decide(p, env, e->cond), guards = p->nguards;
  ((ValNode *)(uintptr_t)e)->seen |= seen_bit(verdict);
  if (verdict == 1) values(p, env, e->a[0]);
  for (int i = 0; i < e->cond->n && verdict < 0; i++) {
    if (!decide_all(p, env, &e->cond->any[i])) continue;
    assume(p, env, &e->cond->any[i]);
    values(p, env, e->a[0]);
    p->nguards = guards;
  }
  if (verdict == 1) return;
  assume_not(p, env, e->cond);
  values(p, env, e->a[1]);
  p->nguards = guards;
}

static void values(Prover *p, const ProofEnv *env, Val e) {
  if (e->op == LOAD) {
    if (e->a[0]) values(p, env, e->a[0]);
    prover_check(p, env, e->ref, e->part, false);
    return;
  }
  if (e->op == PICK) {
    values_pick(p, env, e);
    return;
  }
  if (e->op == LANE || e->op == POSITION) {
    Lin index = lin_of(env, &e->index);
    int64_t lo = e->op == LANE ? 0 : INT32_MIN, hi = e->op == LANE ? e->a[0]->type.lanes - 1 : INT32_MAX;
    prover_check_magnitude(p, env, &e->index, NULL);
    if (prover_low(p, &index) < lo || prover_high(p, &index) > hi)
      prover_fail(p, e->op == LANE ? "lane outside of a vector" : "position beyond 32 bits", NULL, -1, 0, 0);
  }
  for (int i = 0; i < 3 && e->a[i]; i++) values(p, env, e->a[i]);
}

static int
verdict_of_loop(Prover *p,
                const Var *var) { /* whether the loop has an iteration: 1 always, 0 never, -1 sometimes */
  int verdict = 1;
  for (int i = 0; i < var->nlo; i++)
    for (int j = 0; j < var->nhi; j++) {
      if (prover_low_of_difference(p, &var->hi[j], &var->lo[i]) >= 0) continue;
      if (prover_low_of_difference(p, &var->lo[i], &var->hi[j]) > 0) return 0;
      verdict = -1;
    }
  return verdict;
}

static int needed_bounds(Prover *p, int n, const Lin *bound,
                         bool largest) { /* bit k: bound k is needed; a bound that is never stricter than the
                                            other bound is not needed */
  if (n == 1) return 1;
  const Lin *a = &bound[largest ? 0 : 1], *b = &bound[largest ? 1 : 0];
  return prover_low_of_difference(p, a, b) >= 0 ? 1 : prover_low_of_difference(p, b, a) >= 0 ? 2 : 3;
}

/* Checks the value of a data-dependent index, and that its range is not empty. If the value is a float,
 * floats must represent all integers of the range. */
static void check_choice(Prover *p, const ProofEnv *env, const NestStmt *stmt, const Var *var, int verdict) {
  Val value = stmt->u.loop.chosen;
  values(p, env, value);
  if (verdict != 1) prover_fail(p, "a data-dependent index whose range may be empty", NULL, -1, 0, 0);
  if (value->type.elem == F32 &&
      (prover_low(p, &var->lo[0]) < -FLOAT_WHOLE || prover_high(p, &var->hi[0]) > FLOAT_WHOLE))
    prover_fail(p, "a data-dependent index outside the integers that a float represents exactly", NULL, -1, 0,
                0);
}

static void walk_rounds(Prover *p, const ProofEnv *env, const NestStmt *stmt, bool runs) {
  const LoopKind kind = stmt->u.loop.kind;
  int v = p->nvars++, slot = stmt->u.loop.slot;
  int boxes = p->boxes.n, accesses = p->accesses.n, level = p->level;
  p->level = boxes;
  p->depth++;
  p->parallel += kind == PARALLEL;
  p->chosen += kind == CHOSEN;
  ProofEnv inner = *env;
  inner.slot[slot] = (Lin){0};
  inner.slot[slot].k[v] = 1;
  inner.size[slot] = prover_slot_size(p, &inner.slot[slot]);
  walk(p, &inner, stmt->body);
  p->level = level;
  p->depth--;
  p->parallel -= kind == PARALLEL;
  p->chosen -= kind == CHOSEN;
  prover_leave_block(p, boxes);
  if (kind != CHOSEN) prover_check_rounds(p, accesses, v, kind == PARALLEL);
  if (kind != CHOSEN && p->overlap) prover_overlap_rounds(p, accesses, v);
  prover_close_accesses(p, accesses, v);
  if (!p->parallel) prover_leave_parallel(p, accesses);
  if (runs) prover_close_boxes(p, boxes, v);
  else p->boxes.n = boxes; /* if the loop possibly has no iteration, none of its stores is certain */
  p->nvars--;
}

static void walk_loop(Prover *p, const ProofEnv *env, NestStmt *stmt) {
  if (p->nvars == VARS) {
    prover_fail(p, "loops are nested too deeply", NULL, -1, 0, 0);
    return;
  }
  const LoopKind kind = stmt->u.loop.kind;
  Var *var = &p->var[p->nvars];
  *var = (Var){
      .nlo = stmt->u.loop.nlo, .nhi = stmt->u.loop.nhi, .name = stmt->u.loop.name, .chosen = kind == CHOSEN};
  for (int i = 0; i < var->nlo; i++) {
    var->lo[i] = lin_of(env, &stmt->u.loop.lo[i]);
    prover_check_magnitude(p, env, &stmt->u.loop.lo[i], NULL);
  }
  for (int i = 0; i < var->nhi; i++) {
    var->hi[i] = lin_plus(lin_of(env, &stmt->u.loop.hi[i]), -1);
    prover_check_magnitude(p, env, &stmt->u.loop.hi[i], NULL);
  }
  int verdict = verdict_of_loop(p, var);
  stmt->u.loop.seen |= seen_bit(verdict);
  if (kind == CHOSEN) check_choice(p, env, stmt, var, verdict);
  if (kind == PARALLEL &&
      p->chosen) /* not supported: each thread of a team would have to compute the data-dependent index */
    prover_fail(p, "a parallel loop in the scope of a data-dependent index", NULL, -1, 0, 0);
  stmt->u.loop.need |= needed_bounds(p, var->nlo, var->lo, true) | needed_bounds(p, var->nhi, var->hi, false)
                                                                       << BOUNDS;
  if (verdict == 0)
    return; /* the loop has no iteration in this call; its bounds stay, because other calls may need them */
  walk_rounds(p, env, stmt, verdict == 1);
}

/* Clips a box after `if (lo <= e < hi)` without an else branch: if the box's index is e (plus a constant) in
 * some dimension, only its elements with e in that range are written. False: there is no such dimension. */
static bool clip(const ProofEnv *env, WrittenBox *box, const Range *range) {
  Lin e = lin_of(env, &range->e);
  for (int d = 0; d < box->buf->rank; d++) {
    Lin shift = lin_add(box->lo[d], &e, -1);
    if (!lin_equal(&box->lo[d], &box->hi[d]) || !lin_constant(&shift)) continue;
    int64_t lo = range->lo == NO_LO ? NO_LO : range->lo + shift.c,
            hi = range->hi == NO_HI ? NO_HI : range->hi + shift.c;
    if (lo > box->clip_lo[d] && lo > 0)
      box->clip_lo[d] = lo; /* limits outside the buffer need no clip, because no access is there */
    if (hi < box->clip_hi[d] && hi < box->buf->dim[d]) box->clip_hi[d] = hi;
    return true;
  }
  return false;
}

/* Like clip, for a condition `e >= lo`, where e is a sum of size parameters minus the index in dimension 0.
 * The box gets an end that depends on the size parameters. A box that already has an end keeps this end if
 * the condition holds for each index before the end. */
static bool clip_end(Prover *p, const ProofEnv *env, WrittenBox *box, const Range *range) {
  if (range->lo == NO_LO || range->hi != NO_HI || !box->buf->rank) return false;
  const Lin given = lin_of(env, &range->e), e = lin_plus(given, -range->lo); /* at least 0 */
  if (box->ends) {
    const Lin behind =
        lin_plus(lin_add(box->end, &box->lo[0], -1), -1); /* at least 0 for an index in the box */
    return prover_low_of_difference(p, &e, &behind) >= 0;
  }
  if (!lin_equal(&box->lo[0], &box->hi[0])) return false;
  box->end = lin_plus(lin_add(e, &box->lo[0], 1), 1);
  for (int v = p->nest->main->nparams; v < VARS; v++)
    if (box->end.k[v]) return false;
  return box->ends = true;
}

static bool same_box(const WrittenBox *a, const WrittenBox *b) {
  if (a->buf != b->buf || a->ends != b->ends || (a->ends && !lin_equal(&a->end, &b->end))) return false;
  for (int d = 0; d < a->buf->rank; d++)
    if (!lin_equal(&a->lo[d], &b->lo[d]) || !lin_equal(&a->hi[d], &b->hi[d]) ||
        a->clip_lo[d] != b->clip_lo[d] || a->clip_hi[d] != b->clip_hi[d])
      return false;
  return true;
}

static void walk_branch(Prover *p, const ProofEnv *env, NestStmt *body) {
  p->depth++;
  walk(p, env, body);
  p->depth--;
  prover_leave_block(p, p->level); /* merges may have moved the body's boxes to any index from p->level on */
}

/* Sets `aside` of the accesses from index `first` on, which are in one branch of an IF. While the prover is
 * in the other branch, it ignores these accesses, because only one branch runs. */
static void set_aside(Prover *p, int first, bool aside) {
  for (int i = first; i < p->accesses.n; i++) p->accesses.data[i].aside = aside;
}

static void walk_if(Prover *p, const ProofEnv *env, NestStmt *stmt) {
  const Cond *cond = &stmt->u.branch.cond;
  int verdict = decide(p, env, cond), guards = p->nguards, boxes = p->boxes.n, level = p->level;
  stmt->u.branch.seen |= seen_bit(verdict);
  if (verdict >= 0) {
    walk_branch(p, env, verdict ? stmt->body : stmt->otherwise);
    return;
  }
  p->level = boxes;
  const int first = p->accesses.n;
  VEC(WrittenBox) kept = {0}; /* boxes written by all branches that were visited so far */
  for (int i = 0, branch = 0; i <= cond->n; i++) {
    bool last = i == cond->n;
    if (!last && !decide_all(p, env, &cond->any[i])) continue;
    if (last) assume_not(p, env, cond);
    else assume(p, env, &cond->any[i]);
    walk_branch(p, env, last ? stmt->otherwise : stmt->body);
    set_aside(p, first, true);
    p->nguards = guards;
    int n = 0;
    if (branch++ == 0) {
      for (int j = boxes; j < p->boxes.n; j++) vec_push(p->arena, kept, p->boxes.data[j]);
      n = kept.n;
    } else if (last && !stmt->otherwise) { /* the box is written under a condition: keep it with a clip */
      for (int j = 0; j < kept.n; j++) {
        bool fits = cond->n == 1;
        for (int k = 0; k < cond->any[0].n && fits; k++)
          fits = clip(env, &kept.data[j], &cond->any[0].range[k]) ||
                 clip_end(p, env, &kept.data[j], &cond->any[0].range[k]);
        if (fits) kept.data[n++] = kept.data[j];
      }
    } else /* keep boxes that this branch writes, too */
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
  for (int j = 0; j < kept.n; j++) prover_add_box(p, kept.data[j]);
}

static void walk_call(Prover *p, const ProofEnv *env, const NestStmt *stmt) {
  ProofEnv callee = {0};
  for (int i = 0; i < stmt->u.call.fn->nparams; i++) {
    prover_check_magnitude(p, env, &stmt->u.call.arg[i], NULL);
    callee.slot[i + 1] = lin_of(env, &stmt->u.call.arg[i]);
    callee.size[i + 1] = prover_slot_size(p, &callee.slot[i + 1]);
  }
  walk_branch(p, &callee, stmt->u.call.fn->body);
}

static void walk_routine(Prover *p, const NestStmt *stmt) {
  const Routine *routine = stmt->u.routine.of;
  if (p->overlap) prover_overlap_routine(p, stmt);
  for (int pass = 0; pass < 2; pass++)
    for (int i = 0; i < routine->nbufs; i++)
      if (routine->writes[i] == (pass == 1)) prover_check_whole(p, stmt->u.routine.buf[i], pass == 1);
}

static void check_view(
    Prover *p, const ProofEnv *env,
    const Buf *view) { /* the position of a view is printed as one sum, so its terms must not overflow */
  int64_t sum = 0, term;
  for (int d = 0; d < view->rank; d++) {
    int64_t stride = buf_room(view, d + 1);
    int64_t size = prover_magnitude(env, &view->base[d]);
    if (size > INT32_MAX || __builtin_mul_overflow(size, stride, &term) ||
        __builtin_add_overflow(sum, term, &sum))
      sum = INT64_MAX;
  }
  if (sum > INT32_MAX && (sum == INT64_MAX || buf_room(view, 0) < NEST_FAR))
    prover_fail(p, "a position that may exceed 31 bits", view, -1, 0, 0);
}

static void walk(Prover *p, const ProofEnv *env, NestStmt *stmt) {
  for (; stmt && !p->proof->error[0]; stmt = stmt->next) switch (stmt->kind) {
    case LOOP: walk_loop(p, env, stmt); break;
    case IF: walk_if(p, env, stmt); break;
    case STORE:
      values(p, env, stmt->u.store.val);
      if (stmt->u.store.declare) prover_forget(p, stmt->u.store.ref.buf);
      prover_check(p, env, &stmt->u.store.ref, stmt->u.store.part, true);
      break;
    case DECLARE:
      prover_forget(p, stmt->u.declare.buf);
      if (stmt->u.declare.buf->place == VIEW) check_view(p, env, stmt->u.declare.buf);
      break;
    case CALL: walk_call(p, env, stmt); break;
    case ROUTINE: walk_routine(p, stmt); break;
    case PREFETCH: prover_check_magnitude(p, env, &stmt->u.prefetch.flat, stmt->u.prefetch.buf); break;
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
    if (stmt->kind == LOOP && stmt->u.loop.chosen) clear_value(stmt->u.loop.chosen);
    if (stmt->kind == IF) stmt->u.branch.seen = 0;
    if (stmt->kind == STORE) clear_value(stmt->u.store.val);
    clear_seen(stmt->body);
    clear_seen(stmt->otherwise);
  }
}

static bool is_whole_buffer(Prover *p, const NestFn *main,
                            const Buf *buf) { /* whether all elements are written that nest_prove requires */
  Lin lo[DIMS] = {{0}}, hi[DIMS] = {{0}};
  for (int d = 0; d < buf->rank; d++) hi[d].c = buf->dim[d] - 1;
  if (prover_written(p, buf, lo, hi)) return true;
  for (int i = 0; i < main->nparams && buf->rank; i++) {
    if (!main->size[i] || main->hi[i] == 0 || buf->dim[0] % main->hi[i]) continue;
    hi[0] = (Lin){.c = -1};
    hi[0].k[i] = buf->dim[0] / main->hi[i];
    if (prover_written(p, buf, lo, hi)) return true;
  }
  return false;
}

bool prover_walk(Nest *nest, Proof *proof, OverlapProof *overlap) {
  *proof = (Proof){0};
  Arena *arena = arena_new();
  Prover *p = NEW(arena, Prover);
  p->nest = nest;
  p->overlap = overlap;
  p->proof = proof;
  p->arena = arena;
  p->home = NEW_ARRAY(arena, int, nest->nbufs + 1);
  p->block = NEW_ARRAY(arena, int, nest->nbufs + 1);
  const NestFn *entry = nest->main;
  ProofEnv env = {0};
  if (!entry) prover_fail(p, "a nest without a function", NULL, -1, 0, 0);
  if (nest->depth != nest->ground) prover_fail(p, "a block was left by break or return", NULL, -1, 0, 0);
  for (NestFn *fn = nest->fns; fn; fn = fn->next) clear_seen(fn->body);
  for (int i = 0; entry && i < entry->nparams; i++) {
    if (!entry->size[i])
      prover_fail(p, "a parameter of the main function that is not a size", NULL, -1, 0, 0);
    p->var[i] =
        (Var){.nlo = 1, .nhi = 1, .lo[0].c = entry->lo[i], .hi[0].c = entry->hi[i], .name = entry->param[i]};
    env.slot[i + 1].k[i] = 1;
    env.size[i + 1] = entry->hi[i];
    p->nvars++;
  }
  if (entry) walk(p, &env, entry->body);
  for (int i = 0; entry && i < nest->nbufs && !proof->error[0]; i++)
    if ((nest->buf[i]->place == OUTPUT || nest->buf[i]->place == OVER) &&
        !is_whole_buffer(p, entry, nest->buf[i]))
      prover_fail(p, "not every element is written", nest->buf[i], -1, 0, 0);
  arena_free(arena);
  return !proof->error[0];
}

bool nest_prove(Nest *nest, Proof *proof) { return prover_walk(nest, proof, NULL); }
