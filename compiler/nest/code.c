// code.c: Contents of an instance's C function, for the printer and for keys.
// SPDX-License-Identifier: Apache-2.0
#include "nest/code.h"
#include <string.h>

/* ---- statements ---- */
static bool any_statement(const Instance *instance, const NestStmt *stmt, bool pins) {
  for (; stmt; stmt = stmt->next) {
    if (used_dead(&instance->used, stmt) || (stmt->kind == PIN && !pins)) continue;
    if (stmt->kind != IF && stmt->kind != LOOP) return true;
    const int verdict = stmt->kind == IF ? known_branch(&instance->known, stmt) : -1;
    if ((verdict != 0 && any_statement(instance, stmt->body, pins)) ||
        (verdict != 1 && any_statement(instance, stmt->otherwise, pins)))
      return true;
  }
  return false;
}

void code_statements(Arena *arena, const Instance *instance, const NestStmt *stmt, bool pins, Stmts *list) {
  for (; stmt; stmt = stmt->next) {
    if (used_dead(&instance->used, stmt) || (stmt->kind == PIN && !pins)) continue;
    if (stmt->kind == IF || stmt->kind == LOOP) {
      const int verdict = stmt->kind == IF ? known_branch(&instance->known, stmt) : -1;
      if (verdict >= 0) {
        code_statements(arena, instance, verdict ? stmt->body : stmt->otherwise, pins, list);
        continue;
      }
      if (!any_statement(instance, stmt->body, pins) && !any_statement(instance, stmt->otherwise, pins))
        continue;
    }
    vec_push(arena, *list, stmt);
  }
}

int code_limit(const Known *known, int n, const Index *bound, bool low, const Index *limit[BOUNDS]) {
  const Index a = known_fold(known, &bound[0]), b = n > 1 ? known_fold(known, &bound[1]) : a;
  Index gap = b;
  gap.c -= a.c;
  for (int s = 1; s < SLOTS; s++) gap.k[s] -= a.k[s];
  limit[0] = &bound[0];
  if (n == 1) return 1;
  if (index_constant(&gap)) {
    if (low == (gap.c > 0)) limit[0] = &bound[1];
    return 1;
  }
  limit[1] = &bound[1];
  return 2;
}

/* ---- conditions ---- */
static bool is_flag(const Instance *instance,
                    const Index *e) { /* whether the index is a flag of this function, without other terms */
  for (int s = 1; s <= instance->fn->nparams; s++)
    if (instance->fn->flag[s - 1] && e->k[s] == 1 && index_terms(e) == 1) return true;
  return false;
}

RangeForm code_range(const Instance *instance, const Range *range) {
  const Index e = known_fold(&instance->known, &range->e);
  if (index_constant(&e) || (range->lo == NO_LO && range->hi == NO_HI)) return RANGE_SETTLED;
  const bool flag = is_flag(instance, &e);
  if (flag && range->lo <= 0 && range->hi == 1) return RANGE_NO_FLAG;
  if (flag && range->lo == 1 && range->hi > 1) return RANGE_FLAG;
  if (range->lo != NO_LO && range->hi == range->lo + 1) return RANGE_IS;
  if (range->lo == NO_LO) return RANGE_BELOW;
  return range->hi == NO_HI ? RANGE_FROM : RANGE_WITHIN;
}

/* ---- references ---- */
int code_flat(const Known *known, const Buf *buf, const Index *at, FlatTerm term[DIMS]) {
  int n = 0;
  for (int d = 0; d < buf->rank; d++) {
    const Index ix = known_fold(known, &at[d]);
    if (index_terms(&ix)) term[n++] = (FlatTerm){&at[d], buf_room(buf, d + 1)};
  }
  return n;
}

Index code_in_view(const Known *known, const Ref *ref) {
  const Buf *of = ref->buf->of;
  Index sum = {0};
  for (int d = 0; d < of->rank; d++) {
    const Index ix = known_fold(known, &ref->at[d]);
    const int64_t stride = buf_room(of, d + 1);
    sum.c += ix.c * stride;
    for (int s = 1; s < SLOTS; s++) sum.k[s] += ix.k[s] * stride;
  }
  return sum;
}

bool code_is_flat(const Buf *buf) { return buf->rank <= 1 || buf->flat; }

bool code_is_variable(const Buf *buf) { return buf->place == REGS && buf_elements(buf) == 1; }

bool code_adds(const NestStmt *stmt) {
  const Ref *ref = &stmt->u.store.ref;
  const Val val = stmt->u.store.val;
  const int lanes = ref->buf->place == REGS ? ref->buf->type.lanes : val->type.lanes;
  if (val->op != FMA || stmt->u.store.declare || store_is_words(stmt) ||
      (val->a[0]->op == NUM && val->a[0]->num < 0) || (val->a[1]->op == NUM && val->a[1]->num < 0))
    return false;
  const Val sum = val->a[2];
  const bool whole = ref->buf->place == REGS || stmt->u.store.part == lanes;
  return whole && sum->op == LOAD && sum->part == lanes && !memcmp(sum->ref, ref, sizeof *ref);
}

const Ref *code_named_word(const NestStmt *stmt) {
  const Val val = stmt && stmt->kind == STORE && stmt->u.store.declare ? stmt->u.store.val : NULL;
  const bool word = val && val->op == LOAD && val->type.elem == I32 && val->type.lanes == 1;
  return word && val->ref->buf->place != REGS && val->ref->buf->place != VIEW ? val->ref : NULL;
}

/* Whether both statements load words of the same array into new names, and the second word is `distance`
 * words after the first. */
static bool words_apart(const NestStmt *stmt, const NestStmt *next, int64_t distance) {
  const Ref *a = code_named_word(stmt), *b = a ? code_named_word(next) : NULL;
  if (!b || a->buf != b->buf || a->buf->rank == 0) return false;
  int64_t gap = 0;
  for (int d = 0; d < a->buf->rank; d++) {
    const Index *x = &a->at[d], *y = &b->at[d];
    for (int s = 1; s < SLOTS; s++)
      if (x->k[s] != y->k[s]) return false;
    gap += (y->c - x->c) * buf_room(a->buf, d + 1);
  }
  return gap == distance;
}

int code_words_at_once(const NestStmt *const *list, int n) {
  int words = 1;
  while (words < n && words < WORDS_AT_ONCE && words_apart(list[words - 1], list[words], 1)) words++;
  return words == WORDS_AT_ONCE - 1 ? WORDS_AT_ONCE / 2 : words;
}

bool code_continues(const NestStmt *before, const NestStmt *stmt) {
  return before && words_apart(before, stmt, WORDS_AT_ONCE);
}
