/* widen.c: Conversion of a scalar nest for one image to a nest that computes interleaved images.
 *
 * Every per-image value becomes a vector with one image per lane. The caller lists the parameters with
 * per-image values. A WORK, STACK or REGS buffer has per-image values if the nest stores such values in it.
 * Buffers with per-image values get a last dimension of `lanes` in memory; in registers, they become vectors.
 * Weights and tables stay scalars, which are broadcast. A sum over images (UPDATE) adds the lanes of a
 * vector. Lanes replace threads: no loop stays parallel.
 *
 * Requires: an unproved nest without vectors, runtime functions, and indices that depend on an image's
 * values. The result is proved like any other nest. */
// SPDX-License-Identifier: Apache-2.0
#include "nest/build.h"

typedef struct Widener {
  Nest *nest;
  int lanes;
  bool *wide; /* by buffer id: whether the buffer contains per-image values */
  bool changed;
} Widener;

static Buf *base_buffer(Buf *buf) { return buf->of ? buf->of : buf; }

/* ---- buffers with per-image values ---- */
static bool is_wide(const Widener *w, Val v) {
  if (v->op == LOAD) return w->wide[base_buffer(v->ref->buf)->id];
  for (int i = 0; i < 3 && v->a[i]; i++)
    if (is_wide(w, v->a[i])) return true;
  return false;
}

static void spread(Widener *w, const NestStmt *stmt) {
  for (; stmt; stmt = stmt->next) {
    if (stmt->kind == STORE) {
      const Buf *to = base_buffer(stmt->u.store.ref.buf);
      const bool local = to->place == WORK || to->place == STACK || to->place == REGS;
      if (local && !w->wide[to->id] && is_wide(w, stmt->u.store.val)) w->wide[to->id] = w->changed = true;
    }
    spread(w, stmt->body);
    spread(w, stmt->otherwise);
  }
}

static void widen_buffer(Widener *w, Buf *buf) {
  if (!w->wide[base_buffer(buf)->id]) return;
  if (buf->type.lanes != 1) nest_misuse(w->nest, "a nest with a vector cannot be widened");
  if (buf->place == REGS) {
    buf->type.lanes = w->lanes;
    return;
  }
  if (buf->rank == DIMS)
    nest_misuse(w->nest, nest_text(w->nest, "%s has no dimension left for images", buf->name));
  buf_append(buf,
             w->lanes); /* references need no change, because their index in the new dimension is already 0 */
}

/* ---- values ---- */
static ValNode *copy_of(Widener *w, Val v) {
  ValNode *copy = NEW(w->nest->arena, ValNode);
  *copy = *v;
  return copy;
}

static Val widened_value(Widener *w, Val v) {
  if (v->type.lanes != 1) nest_misuse(w->nest, "a nest with a vector cannot be widened");
  if (!is_wide(w, v)) return v;
  ValNode *copy = copy_of(w, v);
  for (int i = 0; i < 3 && v->a[i]; i++) copy->a[i] = widened_value(w, v->a[i]);
  copy->type.lanes = w->lanes;
  if (v->op == LOAD) copy->part = w->lanes;
  if (v->op == FMA && copy->a[0]->type.lanes == 1 && copy->a[1]->type.lanes == 1)
    copy->a[0] = splat(copy->a[0], w->lanes);
  return copy;
}

/* Splits the value of `sum = sum + x`: the scalar part is the previous value, the vector part is x of each
 * image. */
static Val shares(Widener *w, Val v, Val *before) {
  if (v->type.lanes == 1) {
    if (*before) nest_misuse(w->nest, "a sum over images may have only one scalar term");
    *before = v;
    return NULL;
  }
  if (v->op == ADD) {
    Val x = shares(w, v->a[0], before), y = shares(w, v->a[1], before);
    return x && y ? add(x, y) : x ? x : y;
  }
  if (v->op == FMA) {
    Val rest = shares(w, v->a[2], before);
    return rest ? fma_(v->a[0], v->a[1], rest) : mul(v->a[0], v->a[1]);
  }
  return v;
}

static Val lane_sum(Widener *w, Val v) {
  Val before = NULL, own = shares(w, v, &before);
  if (!before || !own) nest_misuse(w->nest, "a store to a sum over images must add to the sum");
  return add(before, hsum(own));
}

/* ---- statements ---- */
static void widen_store(Widener *w, NestStmt *stmt) {
  const Buf *to = base_buffer(stmt->u.store.ref.buf);
  Val v = widened_value(w, stmt->u.store.val);
  if (to->place == UPDATE && v->type.lanes > 1) v = lane_sum(w, v);
  else if (w->wide[to->id]) v = to->place == REGS ? v : splat(v, w->lanes);
  else if (v->type.lanes > 1)
    nest_misuse(w->nest, nest_text(w->nest, "%s has space for only one image", to->name));
  stmt->u.store.val = v;
  stmt->u.store.part = v->type.lanes;
}

static void widen_prefetch(Widener *w, NestStmt *stmt) {
  Index *flat = &stmt->u.prefetch.flat;
  if (!w->wide[base_buffer(stmt->u.prefetch.buf)->id]) return;
  flat->c *= w->lanes;
  for (int s = 1; s < SLOTS; s++) flat->k[s] *= w->lanes;
}

static void widen_body(Widener *w, NestStmt *stmt) {
  for (; stmt; stmt = stmt->next) {
    if (stmt->kind == STORE) widen_store(w, stmt);
    if (stmt->kind == PREFETCH) widen_prefetch(w, stmt);
    if (stmt->kind == ROUTINE) nest_misuse(w->nest, "a nest that calls a routine cannot be widened");
    if (stmt->kind == LOOP && stmt->u.loop.kind == PARALLEL) stmt->u.loop.kind = SERIAL;
    if (stmt->kind == LOOP && stmt->u.loop.kind == CHOSEN && is_wide(w, stmt->u.loop.chosen))
      nest_misuse(w->nest, "interleaved images cannot share a data-dependent index");
    widen_body(w, stmt->body);
    widen_body(w, stmt->otherwise);
  }
}

void nest_widen(Nest *nest, int lanes, const bool *images) {
  Widener w = {nest, lanes, NEW_ARRAY(nest->arena, bool, nest->nbufs + 1), true};
  for (int i = 0; i < nest->nbufs; i++) w.wide[i] = nest->buf[i]->place < STACK && images[i];
  while (w.changed) {
    w.changed = false;
    for (const NestFn *fn = nest->fns; fn; fn = fn->next) spread(&w, fn->body);
  }
  for (int i = 0; i < nest->nbufs; i++) widen_buffer(&w, nest->buf[i]);
  for (NestFn *fn = nest->fns; fn; fn = fn->next) widen_body(&w, fn->body);
}
