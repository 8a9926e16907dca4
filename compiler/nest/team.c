/* team.c: Division of a nest's main function into pieces for a team of threads, and placement of barriers.
 *
 * The proof has shown that the iterations of a parallel loop are disjoint. Two consecutive pieces may also
 * run concurrently if neither piece writes elements that the other piece touches. The elements that a piece
 * touches are described by a box per buffer: the smallest and the largest index in each dimension, over all
 * iterations of all loops. */
// SPDX-License-Identifier: Apache-2.0
#include "nest/team.h"
#include "base/number.h"
#include "nest/build.h"
#include <string.h>

typedef struct Bounds {
  int64_t lo, hi;
} Bounds; /* inclusive */
typedef struct Box {
  bool any;
  Bounds at[DIMS];
} Box;
typedef struct Touched {
  Box *read, *written;
} Touched; /* the elements that are read and written, by buffer id */
typedef struct Env {
  Bounds slot[SLOTS];
} Env;
typedef struct Walk {
  const Nest *nest;
  Touched *touched;
} Walk;

/* ---- boxes ---- */
static Bounds bounds_of(const Env *env, const Index *ix) {
  Bounds b = {ix->c, ix->c};
  for (int s = 1; s < SLOTS; s++) {
    const int64_t k = ix->k[s];
    if (!k) continue;
    b.lo += k * (k > 0 ? env->slot[s].lo : env->slot[s].hi);
    b.hi += k * (k > 0 ? env->slot[s].hi : env->slot[s].lo);
  }
  return b;
}

static void box_add(Box *box, const Box *other, int rank) {
  if (!other->any) return;
  for (int d = 0; d < rank; d++)
    box->at[d] =
        box->any ? (Bounds){smaller(box->at[d].lo, other->at[d].lo), larger(box->at[d].hi, other->at[d].hi)}
                 : other->at[d];
  box->any = true;
}

static bool boxes_meet(const Box *a, const Box *b, int rank) {
  bool meet = a->any && b->any;
  for (int d = 0; d < rank; d++) meet = meet && a->at[d].lo <= b->at[d].hi && b->at[d].lo <= a->at[d].hi;
  return meet;
}

static Touched touched_nothing(Arena *arena, const Nest *nest) {
  return (Touched){NEW_ARRAY(arena, Box, nest->nbufs + 1), NEW_ARRAY(arena, Box, nest->nbufs + 1)};
}

static void touched_add(const Nest *nest, Touched *into, const Touched *more) {
  for (int i = 0; i < nest->nbufs; i++) {
    box_add(&into->read[i], &more->read[i], nest->buf[i]->rank);
    box_add(&into->written[i], &more->written[i], nest->buf[i]->rank);
  }
}

/* Whether two pieces conflict. Local arrays and registers do not count, because each thread has its own. */
static bool touched_meet(const Nest *nest, const Touched *a, const Touched *b) {
  for (int i = 0; i < nest->nbufs; i++) {
    const int rank = nest->buf[i]->rank;
    if (nest->buf[i]->place >= STACK) continue;
    if (boxes_meet(&a->written[i], &b->written[i], rank) || boxes_meet(&a->written[i], &b->read[i], rank) ||
        boxes_meet(&a->read[i], &b->written[i], rank))
      return true;
  }
  return false;
}

/* ---- elements touched by statements ---- */
static void touch_local(const Walk *w, const Buf *buf) {
  if (buf->place == VIEW) w->touched->read[buf->id].any = true;
}

static void touch(const Walk *w, const Env *env, const Ref *ref, int elements, bool write) {
  const Buf *buf = ref->buf->of ? ref->buf->of : ref->buf;
  Box box = {.any = true};
  for (int d = 0; d < buf->rank; d++) {
    box.at[d] = bounds_of(env, &ref->at[d]);
    if (!ref->buf->of) continue;
    const Bounds base = bounds_of(env, &ref->buf->base[d]);
    box.at[d].lo += base.lo;
    box.at[d].hi += base.hi;
  }
  if (buf->rank && buf->place != REGS) box.at[buf->rank - 1].hi += elements - 1;
  box_add(write ? &w->touched->written[buf->id] : &w->touched->read[buf->id], &box, buf->rank);
  touch_local(w, ref->buf);
}

static void touch_value(const Walk *w, const Env *env, Val v) {
  if (v->op == LOAD) touch(w, env, v->ref, v->part, false);
  for (int i = 0; i < 3 && v->a[i]; i++) touch_value(w, env, v->a[i]);
}

static void touch_routine(const Walk *w,
                          const NestStmt *stmt) { /* a runtime function touches all of its buffers */
  const Routine *routine = stmt->u.routine.of;
  for (int i = 0; i < routine->nbufs; i++) {
    const Buf *buf = stmt->u.routine.buf[i];
    Box box = {.any = true};
    for (int d = 0; d < buf->rank; d++) box.at[d] = (Bounds){0, buf->dim[d] - 1};
    box_add(routine->writes[i] ? &w->touched->written[buf->id] : &w->touched->read[buf->id], &box, buf->rank);
  }
}

static void touch_body(const Walk *w, const Env *env, const NestStmt *stmt);

static void touch_loop(const Walk *w, const Env *env,
                       const NestStmt *stmt) { /* a data-dependent index may have any value of its range */
  Env inner = *env;
  if (stmt->u.loop.chosen) touch_value(w, env, stmt->u.loop.chosen);
  Bounds b = {INT64_MIN, INT64_MAX};
  for (int i = 0; i < stmt->u.loop.nlo; i++) b.lo = larger(b.lo, bounds_of(env, &stmt->u.loop.lo[i]).lo);
  for (int i = 0; i < stmt->u.loop.nhi; i++) b.hi = smaller(b.hi, bounds_of(env, &stmt->u.loop.hi[i]).hi - 1);
  inner.slot[stmt->u.loop.slot] = b;
  if (b.lo <= b.hi) touch_body(w, &inner, stmt->body);
}

static void touch_call(const Walk *w, const Env *env, const NestStmt *stmt) {
  Env callee = {0};
  for (int i = 0; i < stmt->u.call.fn->nparams; i++)
    callee.slot[i + 1] = bounds_of(env, &stmt->u.call.arg[i]);
  touch_body(w, &callee, stmt->u.call.fn->body);
}

static void touch_statement(const Walk *w, const Env *env, const NestStmt *stmt) {
  switch (stmt->kind) {
  case LOOP: touch_loop(w, env, stmt); break;
  case IF:
    touch_body(w, env, stmt->body);
    touch_body(w, env, stmt->otherwise);
    break;
  case STORE:
    touch_value(w, env, stmt->u.store.val);
    touch(w, env, &stmt->u.store.ref, stmt->u.store.part, true);
    break;
  case CALL: touch_call(w, env, stmt); break;
  case ROUTINE: touch_routine(w, stmt); break;
  case PIN: touch_local(w, stmt->u.pin.view); break;
  case PREFETCH: touch_local(w, stmt->u.prefetch.buf); break;
  case DECLARE:
  case COMMENT: break;
  }
}

static void touch_body(const Walk *w, const Env *env, const NestStmt *stmt) {
  for (; stmt; stmt = stmt->next) touch_statement(w, env, stmt);
}

/* ---- pieces ---- */
static bool is_parallel(const NestStmt *stmt) { return stmt->kind == LOOP && stmt->u.loop.kind == PARALLEL; }
static bool holds_parallel(const NestStmt *stmt) {
  return team_shares(stmt->body) || team_shares(stmt->otherwise);
}

bool team_shares(const NestStmt *stmt) {
  for (; stmt; stmt = stmt->next)
    if (is_parallel(stmt) || holds_parallel(stmt)) return true;
  return false;
}

static const Buf *declared_by(const NestStmt *stmt) {
  if (stmt->kind == DECLARE) return stmt->u.declare.buf;
  return stmt->kind == STORE && stmt->u.store.declare ? stmt->u.store.ref.buf : NULL;
}

static void
mark_own(const NestStmt *stmt,
         bool *own) { /* marks buffers that are declared inside a statement or in functions that it calls */
  for (const NestStmt *
           list[] = {stmt->body, stmt->otherwise, stmt->kind == CALL ? stmt->u.call.fn->body : NULL},
          **s = list;
       s < list + 3; s++)
    for (const NestStmt *inner = *s; inner; inner = inner->next) {
      if (declared_by(inner)) own[declared_by(inner)->id] = true;
      mark_own(inner, own);
    }
}

/* Whether a statement writes local buffers of the main function. Local buffers are private to each thread, so
 * each thread must run the statement. */
static bool writes_locals(Arena *arena, const Nest *nest, const NestStmt *stmt, const Touched *touched) {
  bool *own = NEW_ARRAY(arena, bool, nest->nbufs + 1), locals = declared_by(stmt) != NULL, memory = false;
  mark_own(stmt, own);
  for (int i = 0; i < nest->nbufs; i++)
    if (touched->written[i].any && !own[i]) *(nest->buf[i]->place >= STACK ? &locals : &memory) = true;
  if (locals && (memory || is_parallel(stmt) || holds_parallel(stmt)))
    nest_misuse(nest, "a statement that writes a local buffer is parallel or writes shared memory");
  return locals;
}

static PieceKind kind_of(Arena *arena, const Nest *nest, const NestStmt *stmt, const Touched *touched) {
  const bool each = writes_locals(arena, nest, stmt, touched);
  return is_parallel(stmt)      ? PIECE_SHARED
         : holds_parallel(stmt) ? PIECE_TOGETHER
         : each                 ? PIECE_EACH
                                : PIECE_ONE;
}

typedef struct Unit {
  int first, n;
  PieceKind kind;
  Touched touched;
} Unit; /* one statement, or several statements if one of them declares a name that a later one uses */

static int team_unit_end(const NestStmt *const *list, int n, const Touched *touched, int first) {
  int end = first + 1;
  for (int i = first; i < end; i++) {
    const Buf *local = declared_by(list[i]);
    for (int k = n - 1; local && k >= end; k--)
      if (touched[k].read[local->id].any || touched[k].written[local->id].any) end = k + 1;
  }
  return end;
}

static Unit next_unit(Arena *arena, const Nest *nest, const NestStmt *const *list, int n,
                      const Touched *touched, int first) {
  const int end = team_unit_end(list, n, touched, first);
  bool parallel = false;
  for (int i = first; i < end; i++) parallel = parallel || is_parallel(list[i]) || holds_parallel(list[i]);
  Unit unit = {first, 1, PIECE_ONE, touched[first]};
  if (parallel || end == first + 1) unit.kind = kind_of(arena, nest, list[first], &touched[first]);
  else
    for (unit.n = end - first; end > ++first;) touched_add(nest, &unit.touched, &touched[first]);
  return unit;
}

static const Touched *touched_by(Arena *arena, const Nest *nest, const NestStmt *const *list, int n) {
  Touched *touched = NEW_ARRAY(arena, Touched, n + 1);
  Env env;
  for (int s = 0; s < SLOTS; s++)
    env.slot[s] = (Bounds){NO_LO, NO_HI}; /* variables of enclosing loops may have any value */
  for (int i = 0; i < n; i++) {
    touched[i] = touched_nothing(arena, nest);
    touch_statement(&(Walk){nest, &touched[i]}, &env, list[i]);
  }
  return touched;
}

Pieces team_pieces(Arena *arena, const Nest *nest, const NestStmt *const *list, int n) {
  Pieces pieces = {0};
  const Touched *touched = touched_by(arena, nest, list, n);
  Touched others = touched_nothing(arena, nest),
          one = touched_nothing(arena, nest); /* elements touched since the last barrier: `one` by the latest
                                                 PIECE_ONE, `others` by all other pieces */
  bool open = false, last = false;
  for (int i = 0; i < n;) {
    const Unit unit = next_unit(arena, nest, list, n, touched, i);
    Piece *latest = pieces.n ? &pieces.data[pieces.n - 1] : NULL;
    const bool meets = touched_meet(nest, &others, &unit.touched);
    i += unit.n;
    if (unit.kind == PIECE_ONE && latest && latest->kind == PIECE_ONE && !meets) {
      latest->n += unit.n;
      touched_add(nest, &one, &unit.touched);
      continue;
    }
    const bool wait =
        open && (unit.kind == PIECE_TOGETHER || meets || touched_meet(nest, &one, &unit.touched));
    if (wait) {
      others = touched_nothing(arena, nest);
      last = false;
    } else touched_add(nest, &others, &one);
    one = touched_nothing(arena, nest);
    touched_add(nest, unit.kind == PIECE_ONE ? &one : &others, &unit.touched);
    vec_push(arena, pieces,
             ((Piece){.kind = unit.kind,
                      .first = unit.first,
                      .n = unit.n,
                      .last = unit.kind == PIECE_ONE && last,
                      .wait = wait}));
    open = unit.kind != PIECE_TOGETHER;
    if (!open) {
      others = touched_nothing(arena, nest);
      last = false;
    }
    if (unit.kind == PIECE_ONE)
      last = !last; /* pieces for one thread run on the first and on the last thread alternately */
  }
  return pieces;
}
