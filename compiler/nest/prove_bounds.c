/* prove_bounds.c: affine arithmetic, and the lower bound that all proofs rest on. */
// SPDX-License-Identifier: Apache-2.0
#include "nest/prover.h"
#include <stdio.h>
#include <string.h>
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

Lin lin_times(const Lin *a, int64_t k) { return lin_add((Lin){0}, a, k); }
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
  for (int g = 0; g < p->nguards; g++) { /* guard: a*v + r >= 0, so v >= -r/a or v <= r/-a */
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

int64_t prover_low_of_difference(Prover *p, const Lin *a, const Lin *b) { /* of a - b */
  Lin gap = lin_add(*a, b, -1);
  return prover_low(p, &gap);
}

bool prover_one_round(const Var *var) {
  return var->nlo == 1 && var->nhi == 1 && lin_equal(&var->lo[0], &var->hi[0]);
}

bool prover_chosen(const Prover *p, const Lin *e) { /* itself, or by a bound of a loop */
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
      arena_printf(p->arena, "%s: %s%s%s", p->nest->name, what, buf ? " of " : "", buf ? buf->name : "");
  if (d >= 0)
    text = arena_printf(p->arena, "%s, dimension %d: %lld..%lld of 0..%lld", text, d, (long long)lo,
                        (long long)hi, (long long)buf->dim[d] - 1);
  if (p->nvars) text = arena_printf(p->arena, "%s; loops", text);
  for (int v = 0; v < p->nvars; v++) text = arena_printf(p->arena, "%s %s", text, p->var[v].name);
  snprintf(p->proof->error, sizeof p->proof->error, "%s", text);
}

/* ---- sizes of what is printed: indices are ints ---- */
int64_t prover_magnitude(const ProofEnv *env, const Index *ix) {
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

int64_t prover_slot_size(Prover *p, const Lin *e) {
  int64_t l = prover_low(p, e), h = prover_high(p, e);
  if (l <= UNKNOWN || h >= -UNKNOWN) return INT64_MAX;
  if (l < 0) l = -l;
  if (h < 0) h = -h;
  return l > h ? l : h;
}
