/* key.c: whether two nests are the same code. A nest's key is all of it that decides what it computes and how
 * it is printed, as one row of numbers: its own name and its comment are not in it, nor are buffers and
 * functions that nothing uses. Layers of equal shape have nests with equal keys. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "nest/instance.h"
#include "nest/nest.h"
#include "nest/team.h"

typedef struct Writer {
  Arena *arena;
  NestKey *key;
  const Nest *nest;
  bool team;               /* PARALLEL loops are shared out */
  int *met, n;             /* by buffer id: when it was met first, from 1 on */
  VEC(const NestFn *) fns; /* in the order in which they are met */
} Writer;

static void key_number(Writer *w, int64_t number) { vec_push(w->arena, w->key->words, number); }

static void add_text(Writer *w, const char *s) {
  const size_t n = strlen(s);
  key_number(w, (int64_t)n);
  for (size_t i = 0; i < n; i++) key_number(w, s[i]);
}

static void add_double(Writer *w, double number) { /* by its bits: -0 is not 0 */
  int64_t bits;
  memcpy(&bits, &number, sizeof bits);
  key_number(w, bits);
}

/* ---- buffers, indices, conditions ---- */
static void add_index(Writer *w, const Index *index) {
  key_number(w, index->c);
  for (int s = 1; s < SLOTS; s++)
    if (index->k[s]) {
      key_number(w, s);
      key_number(w, index->k[s]);
    }
  key_number(w, 0);
}

static void add_buf(Writer *w, const Buf *buf) {
  const bool first = !w->met[buf->id];
  if (first) w->met[buf->id] = ++w->n;
  key_number(w, w->met[buf->id]);
  if (!first) return;
  add_text(w, buf->name);
  key_number(w, buf->place);
  key_number(w, buf->type.elem);
  key_number(w, buf->type.lanes);
  key_number(w, buf->rank);
  for (int d = 0; d < buf->rank; d++) {
    key_number(w, buf->dim[d]);
    key_number(w, buf->room[d]);
  }
  key_number(w, buf->apart);
  key_number(w, buf->flat);
  key_number(w, buf->overlaps);
  if (!buf->of) return;
  add_buf(w, buf->of);
  for (int d = 0; d < buf->of->rank; d++) add_index(w, &buf->base[d]);
}

static void add_ref(Writer *w, const Ref *ref) {
  const Buf *of = ref->buf->of ? ref->buf->of : ref->buf;
  add_buf(w, ref->buf);
  for (int d = 0; d < of->rank; d++) add_index(w, &ref->at[d]);
}

static void add_cond(Writer *w, const Cond *cond) {
  key_number(w, cond->n);
  for (int i = 0; i < cond->n; i++) {
    const All *all = &cond->any[i];
    key_number(w, all->n);
    for (int j = 0; j < all->n; j++) {
      add_index(w, &all->range[j].e);
      key_number(w, all->range[j].lo);
      key_number(w, all->range[j].hi);
    }
  }
}

/* ---- values, statements ---- */
static void key_value(Writer *w, Val e) {
  key_number(w, e->op);
  key_number(w, e->type.elem);
  key_number(w, e->type.lanes);
  key_number(w, e->part);
  if (e->op == NUM) add_double(w, e->num);
  if (e->op == PRIMITIVE) add_text(w, e->primitive->name);
  if (e->op == LOAD) add_ref(w, e->ref);
  for (int i = 0; e->op == SHUFFLE && i < e->type.lanes; i++) key_number(w, e->lane[i]);
  if (e->op == LANE || e->op == POSITION) add_index(w, &e->index);
  if (e->op == PICK) {
    add_cond(w, e->cond);
    key_number(w, e->seen);
  }
  for (int i = 0; i < 3 && e->a[i]; i++) key_value(w, e->a[i]);
}

static void add_loop(Writer *w, const NestStmt *stmt) {
  add_text(w, stmt->u.loop.name);
  key_number(w, stmt->u.loop.kind == PARALLEL && !w->team ? SERIAL : stmt->u.loop.kind);
  key_number(w, stmt->u.loop.slot);
  key_number(w, stmt->u.loop.nlo);
  for (int i = 0; i < stmt->u.loop.nlo; i++) add_index(w, &stmt->u.loop.lo[i]);
  key_number(w, stmt->u.loop.nhi);
  for (int i = 0; i < stmt->u.loop.nhi; i++) add_index(w, &stmt->u.loop.hi[i]);
  if (stmt->u.loop.kind == CHOSEN) key_value(w, stmt->u.loop.chosen);
}

static void add_call(Writer *w, const NestStmt *stmt) {
  const NestFn *fn = stmt->u.call.fn;
  int at = 0;
  while (at < w->fns.n && w->fns.data[at] != fn) at++;
  key_number(w, at);
  if (at == w->fns.n) vec_push(w->arena, w->fns, fn);
  for (int i = 0; i < fn->nparams; i++) add_index(w, &stmt->u.call.arg[i]);
}

static void add_routine(Writer *w, const NestStmt *stmt) {
  const Routine *routine = stmt->u.routine.of;
  add_text(w, routine->name);
  for (int i = 0; i < routine->nbufs; i++) add_buf(w, stmt->u.routine.buf[i]);
  for (int i = 0; i < routine->nnumbers; i++) add_double(w, stmt->u.routine.number[i]);
}

static void add_body(Writer *w, const NestStmt *stmt);

static void add_statement(Writer *w, const NestStmt *stmt) {
  key_number(w, stmt->kind);
  switch (stmt->kind) {
  case LOOP: add_loop(w, stmt); break;
  case IF:
    add_cond(w, &stmt->u.branch.cond);
    key_number(w, stmt->u.branch.seen);
    break;
  case STORE:
    add_ref(w, &stmt->u.store.ref);
    key_value(w, stmt->u.store.val);
    key_number(w, stmt->u.store.part);
    key_number(w, stmt->u.store.declare);
    break;
  case DECLARE: add_buf(w, stmt->u.declare.buf); break;
  case CALL: add_call(w, stmt); break;
  case ROUTINE: add_routine(w, stmt); break;
  case PIN: add_buf(w, stmt->u.pin.view); break;
  case PREFETCH:
    add_buf(w, stmt->u.prefetch.buf);
    add_index(w, &stmt->u.prefetch.flat);
    break;
  case COMMENT: add_text(w, stmt->u.comment); break;
  }
  if (stmt->kind != LOOP && stmt->kind != IF) return;
  add_body(w, stmt->body);
  add_body(w, stmt->otherwise);
}

static void add_body(Writer *w, const NestStmt *stmt) {
  for (; stmt; stmt = stmt->next) add_statement(w, stmt);
  key_number(w, -1);
}

static void add_function(Writer *w, const NestFn *fn) {
  if (fn != w->nest->main) add_text(w, fn->name);
  key_number(w, fn->kernel);
  key_number(w, fn->nparams);
  for (int i = 0; i < fn->nparams; i++) {
    add_text(w, fn->param[i]);
    key_number(w, fn->flag[i]);
    key_number(w, fn->size[i]);
  }
  add_body(w, fn->body);
}

/* ---- what others call ---- */
const NestKey *nest_key(Arena *arena, const Nest *nest, bool team) {
  Writer *w = NEW(arena, Writer);
  w->arena = arena;
  w->key = NEW(arena, NestKey);
  w->nest = nest;
  w->met = NEW_ARRAY(arena, int, nest->nbufs + 1);
  w->team = team && team_shares(nest->main->body);
  key_number(w, w->team);
  for (int i = 0; i < nest->nbufs; i++)
    if (nest->buf[i]->place < STACK && nest_uses(nest, i)) add_buf(w, nest->buf[i]);
  vec_push(arena, w->fns, nest->main);
  for (int i = 0; i < w->fns.n; i++) add_function(w, w->fns.data[i]);
  uint64_t hash = 0;
  for (int i = 0; i < w->key->words.n; i++)
    hash = (hash ^ (uint64_t)w->key->words.data[i]) * 0x9e3779b97f4a7c15u >> 7 ^ hash << 57;
  w->key->hash = hash;
  return w->key;
}

bool nest_key_equal(const NestKey *a, const NestKey *b) {
  return a->hash == b->hash && a->words.n == b->words.n &&
         !memcmp(a->words.data, b->words.data, sizeof *a->words.data * (size_t)a->words.n);
}
