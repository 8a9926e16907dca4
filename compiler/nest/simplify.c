/* simplify.c: Simplification after the proof: a loop of one iteration becomes its body, and an `if` whose
 * condition is known becomes the selected branch; loops that do nothing disappear. The printer does the
 * simplifications that depend on the constants of one instance, such as dropping unused parameters and names.
 *
 * Changing values in place is correct, because the builder ensures that a node that uses a loop's variable is
 * only used inside that loop. */
// SPDX-License-Identifier: Apache-2.0
#include "nest/nest.h"

typedef struct Simplifier {
  Nest *nest;
  int slot;
  Index by;
} Simplifier; /* slot: the variable that `by` replaces */

/* ---- replacement of a variable by an index ---- */
static void put_in(const Simplifier *s, Index *ix) {
  int64_t k = ix->k[s->slot];
  if (!k) return;
  ix->k[s->slot] = 0;
  ix->c += k * s->by.c;
  for (int i = 1; i < SLOTS; i++) ix->k[i] += k * s->by.k[i];
}

static void put_in_cond(const Simplifier *s, Cond *cond) {
  for (int i = 0; i < cond->n; i++)
    for (int j = 0; j < cond->any[i].n; j++) put_in(s, &cond->any[i].range[j].e);
}

static void put_in_ref(const Simplifier *s, Ref *ref) {
  for (int d = 0; d < ref->buf->rank; d++) put_in(s, &ref->at[d]);
}

static void put_in_value(const Simplifier *s, Val v) {
  ValNode *e = (ValNode *)(uintptr_t)v;
  if (e->mark == s->nest->marks) return;
  e->mark = s->nest->marks;
  put_in(s, &e->index);
  if (e->ref) put_in_ref(s, (Ref *)(uintptr_t)e->ref);
  if (e->cond) put_in_cond(s, (Cond *)(uintptr_t)e->cond);
  for (int i = 0; i < 3 && e->a[i]; i++) put_in_value(s, e->a[i]);
}

static void put_in_body(const Simplifier *s, NestStmt *stmt) {
  for (; stmt; stmt = stmt->next) {
    switch (stmt->kind) {
    case LOOP:
      for (int i = 0; i < stmt->u.loop.nlo; i++) put_in(s, &stmt->u.loop.lo[i]);
      for (int i = 0; i < stmt->u.loop.nhi; i++) put_in(s, &stmt->u.loop.hi[i]);
      if (stmt->u.loop.chosen) put_in_value(s, stmt->u.loop.chosen);
      break;
    case IF: put_in_cond(s, &stmt->u.branch.cond); break;
    case STORE:
      put_in_ref(s, &stmt->u.store.ref);
      put_in_value(s, stmt->u.store.val);
      break;
    case DECLARE:
      for (int d = 0; stmt->u.declare.buf->place == VIEW && d < stmt->u.declare.buf->rank; d++)
        put_in(s, &stmt->u.declare.buf->base[d]);
      break;
    case CALL:
      for (int i = 0; i < stmt->u.call.fn->nparams; i++) put_in(s, &stmt->u.call.arg[i]);
      break;
    case PREFETCH: put_in(s, &stmt->u.prefetch.flat); break;
    case ROUTINE:
    case PIN:
    case COMMENT: break;
    }
    put_in_body(s, stmt->body);
    put_in_body(s, stmt->otherwise);
  }
}

/* ---- values ---- */
static Val
simple_value(Nest *nest,
             Val v) { /* if the condition of a PICK is known, replaces the PICK by the selected operand */
  ValNode *e = (ValNode *)(uintptr_t)v;
  for (int i = 0; i < 3 && e->a[i]; i++) e->a[i] = simple_value(nest, e->a[i]);
  if (e->op != PICK || (e->seen != 1 && e->seen != 2)) return e;
  Val chosen = e->a[e->seen == 1 ? 0 : 1];
  if (chosen->type.lanes == e->type.lanes) return chosen;
  ValNode *wide = NEW(nest->arena, ValNode);
  *wide = (ValNode){.op = SPLAT,
                    .type = e->type,
                    .nest = nest,
                    .a = {chosen},
                    .size = chosen->size + 1,
                    .scope = chosen->scope};
  return wide;
}

/* ---- statements ---- */
static NestStmt *simple_body(Nest *, NestStmt *);

static NestStmt **list_end(NestStmt **list) {
  while (*list) list = &(*list)->next;
  return list;
}

static bool one_round(const NestStmt *stmt) {
  if (stmt->u.loop.nlo > 1 || stmt->u.loop.nhi > 1) return false;
  Index count = stmt->u.loop.hi[0];
  count.c -= stmt->u.loop.lo[0].c;
  for (int s = 1; s < SLOTS; s++) count.k[s] -= stmt->u.loop.lo[0].k[s];
  return index_constant(&count) && count.c == 1;
}

static void drop_bounds(int *n, Index *bound,
                        int need) { /* drops one of two bounds if the proof found that bound redundant */
  if (*n == 1 || need == 3 || need == 0) return;
  if (need == 2) bound[0] = bound[1];
  *n = 1;
}

/* Simplifies a statement. Returns the statement, its body, its else branch, or NULL if nothing remains. */
static NestStmt *simple_statement(Nest *nest, NestStmt *stmt) {
  stmt->body = simple_body(nest, stmt->body);
  stmt->otherwise = simple_body(nest, stmt->otherwise);
  if (stmt->kind == STORE) stmt->u.store.val = simple_value(nest, stmt->u.store.val);
  if (stmt->kind == IF) {
    if (stmt->u.branch.seen == 1) return stmt->body;
    if (stmt->u.branch.seen == 2) return stmt->otherwise;
    return stmt->body || stmt->otherwise ? stmt : NULL;
  }
  if (stmt->kind != LOOP) return stmt;
  if (stmt->u.loop.seen == 2 || !stmt->body) return NULL;
  if (stmt->u.loop.chosen) stmt->u.loop.chosen = simple_value(nest, stmt->u.loop.chosen);
  drop_bounds(&stmt->u.loop.nlo, stmt->u.loop.lo, stmt->u.loop.need & 3);
  drop_bounds(&stmt->u.loop.nhi, stmt->u.loop.hi, stmt->u.loop.need >> BOUNDS);
  if (!one_round(stmt)) return stmt;
  nest->marks++;
  put_in_body(&(Simplifier){nest, stmt->u.loop.slot, stmt->u.loop.lo[0]}, stmt->body);
  return stmt->body;
}

static NestStmt *simple_body(Nest *nest, NestStmt *stmt) {
  NestStmt *first = NULL, **tail = &first;
  for (NestStmt *next; stmt; stmt = next) {
    next = stmt->next;
    stmt->next = NULL;
    *tail = simple_statement(nest, stmt);
    tail = list_end(tail);
  }
  return first;
}

void nest_simplify(Nest *nest) {
  nest->instances = NULL;
  for (NestFn *fn = nest->fns; fn; fn = fn->next) fn->body = simple_body(nest, fn->body);
}
