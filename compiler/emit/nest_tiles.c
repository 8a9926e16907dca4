/* nest_tiles.c: TILED loops as products of tile registers (AMX). The loop over rows, the one over vectors of
 * columns and the one over pairs become instructions; the loops over taps between them stay. Addresses and
 * strides are those of the loads that the statement prescribes. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/nest_print.h"
#include "nest/build.h"

enum { VECTOR = 16, TILE_ROW = 64 };

/* The parts of a TILED loop: for each row { for each of its vectors { s = 0; for taps { for pairs s = dot } ;
 * store } } */
typedef struct Tiled {
  const NestStmt *columns, *taps[4], *pairs, *dot, *store; /* columns: NULL, if there is one vector */
  int ntaps;
} Tiled;

static bool is_tile_product(Val val) {
  return val->op == DOT || (val->op == PRIMITIVE && val->primitive == &primitive_dot_bytes);
}

static void find_parts(const NestStmt *stmt, bool begun, Tiled *t) {
  for (; stmt; stmt = stmt->next) {
    begun = begun || stmt->kind == STORE;
    if (stmt->kind == STORE && is_tile_product(stmt->u.store.val)) t->dot = stmt;
    else if (stmt->kind == STORE && stmt->u.store.ref.buf->place != REGS) t->store = stmt;
    if (stmt->kind != LOOP) continue;
    const bool pairs = begun && stmt->body->kind == STORE;
    if (!begun) t->columns = stmt;
    else if (pairs) t->pairs = stmt;
    else t->taps[t->ntaps++] = stmt;
    find_parts(stmt->body, begun, t);
  }
}

static int slot_of(const NestStmt *loop) { return loop ? loop->u.loop.slot : 0; }

/* The distance, in elements of the buffer, from an element to the one at the next index of a loop. */
static int64_t tiled_step(const Ref *ref, int slot) {
  int64_t step = 0;
  for (int d = 0; d < ref->buf->rank; d++) step += ref->at[d].k[slot] * buf_room(ref->buf, d + 1);
  return step;
}

static int64_t tiled_rounds(const Printer *p, const NestStmt *loop) {
  return loop ? printer_fold(p, &loop->u.loop.hi[0]).c - printer_fold(p, &loop->u.loop.lo[0]).c : 1;
}

/* Prints the address of an element with index 0 of the loops that became instructions. */
static void print_first(Printer *p, const Ref *ref, const int slot[3]) {
  Ref first = *ref;
  for (int d = 0; d < ref->buf->rank; d++)
    for (int i = 0; i < 3; i++)
      if (slot[i]) first.at[d].k[slot[i]] = 0;
  put("&");
  print_ref(p, &first);
}

static void print_taps(Printer *p, const NestStmt *loop, int depth) {
  put("%*sfor (int ", 2 * depth, "");
  const char *v = printer_name(p, loop->u.loop.name);
  put("%s = ", v);
  print_limit(p, loop->u.loop.nlo, loop->u.loop.lo, true);
  put("; %s < ", v);
  print_limit(p, loop->u.loop.nhi, loop->u.loop.hi, false);
  put("; %s++)\n", v);
  p->slot_name[loop->u.loop.slot] = v;
}

void print_tiled(Printer *p, const NestStmt *stmt, int depth) {
  Tiled t = {0};
  find_parts(stmt->body, false, &t);
  const int slot[3] = {slot_of(stmt), slot_of(t.columns), slot_of(t.pairs)}, taken = p->taken.n;
  const Val dot = t.dot->u.store.val;
  const int bytes = dot->op == PRIMITIVE; /* its operands follow the sum; else the sum follows them */
  const Ref *x = dot->a[bytes]->a[0]->ref, *w = dot->a[1 + bytes]->ref, *to = &t.store->u.store.ref;
  const int size = elem_bytes(x->buf->type.elem), word = WORD_BYTES / size; /* elements of a word */
  const int64_t rows = tiled_rounds(p, stmt),
                second = rows > p->nest->tiles.rows ? rows - p->nest->tiles.rows : 0;
  const int wide = tiled_rounds(p, t.columns) > 1, pairs = p->nest->tiles.pairs;
  if (second > p->nest->tiles.rows || dot->type.lanes != VECTOR || tiled_step(x, slot[2]) != word ||
      elem_bytes(w->buf->type.elem) != size || tiled_rounds(p, t.pairs) % pairs)
    nest_misuse(p->nest, "a product for which the tile registers have another shape");
  put("%s();\n", printer_function(p, FN_TILE_CLEAR, F32, VECTOR));
  for (int i = 0; i < t.ntaps; i++) print_taps(p, t.taps[i], depth + i);
  put("%*s%s(", 2 * (depth + t.ntaps), "",
      printer_function(p, bytes ? FN_TILE_ADD_BYTES : FN_TILE_ADD, F32, VECTOR));
  print_first(p, x, slot);
  put(", %lld, ", (long long)(size * tiled_step(x, slot[0])));
  print_first(p, w, slot);
  put(", %lld, %d, %lld, %lld, %lld);\n", (long long)(size * tiled_step(w, slot[2])), pairs,
      (long long)(tiled_rounds(p, t.pairs) / pairs), (long long)second,
      (long long)(wide ? size * tiled_step(w, slot[1]) : 0));
  p->taken.n = taken;
  put("%*s%s(", 2 * depth, "", printer_function(p, FN_TILE_STORE, F32, VECTOR));
  print_first(p, to, slot);
  put(", %lld, %lld, %d);\n", (long long)(4 * tiled_step(to, slot[0])), (long long)second, wide);
}

void print_tile_shape(Printer *p, bool begin) {
  const TileShape *shape = &p->nest->tiles;
  if (begin) {
    put("  static const uint8_t shape[64] = {1"); /* palette 1; from byte 16 on bytes of a row, from 48 on
                                                     rows */
    for (int i = 0; i < 8; i++)
      put(", [%d] = %d, [%d] = %d", 16 + 2 * i, i == 4 || i == 5 ? 4 * shape->pairs : TILE_ROW, 48 + i,
          i < 6 ? shape->rows : shape->pairs);
    put("};\n");
  }
  put("  %s(%s);\n", printer_function(p, FN_TILE_SHAPE, F32, VECTOR), begin ? "shape" : "NULL");
}
