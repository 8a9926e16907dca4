// strassen_tile.c: A tile (rows times vectors) of all four blocks of a matrix product, with Strassen.
// SPDX-License-Identifier: Apache-2.0
//
// The seven products are computed one after the other in the same registers. If strassen_result adds a
// product to only one sum, the product's loop continues with that sum in the registers; sums that are needed
// later are kept on the stack. Therefore, few additions remain after the products.
#include "schedule/float/strassen.h"

static int strassen_tile_part_of(const StrassenTile *t, int v) {
  return v == t->vectors - 1 ? t->part : t->lanes;
}

static Val load_sums(Nest *b, const StrassenTile *t, Buf *sums, const Ix *r, int v) {
  return nest_load(b, nest_at(b, sums, *r, v * t->lanes), t->lanes);
}

/* a = sums; a = 0 if sums is NULL */
static void strassen_tile_begin(Nest *b, const StrassenTile *t, Buf *a, Buf *sums) {
  NEST_UNROLL(b, r, t->rows)
    for (int v = 0; v < t->vectors; v++)
      nest_store(b, nest_at(b, a, r, v), sums ? load_sums(b, t, sums, &r, v) : splat(num(b, 0), t->lanes));
}

static void strassen_tile_keep(Nest *b, const StrassenTile *t, Buf *a, Buf *sums) { /* sums = a */
  NEST_UNROLL(b, r, t->rows)
    for (int v = 0; v < t->vectors; v++)
      nest_store(b, nest_at(b, sums, r, v * t->lanes), nest_get(b, nest_at(b, a, r, v)));
}

static void strassen_tile_join(Nest *b, const StrassenTile *t, Buf *a, Buf *sums) { /* a += sums */
  NEST_UNROLL(b, r, t->rows)
    for (int v = 0; v < t->vectors; v++)
      nest_store(b, nest_at(b, a, r, v), add(nest_get(b, nest_at(b, a, r, v)), load_sums(b, t, sums, &r, v)));
}

/* a += product */
static void multiply(Nest *b, const StrassenTile *t, Buf *a, int step, int product) {
  if (t->fetch) t->fetch(b, t, step);
  NEST_FOR(b, k, t->depth) {
    Val y[STRASSEN_VECTORS];
    for (int v = 0; v < t->vectors; v++)
      y[v] = nest_let(b, nest_text(b, "w%d", v), nest_load(b, t->right(b, t, product, &k, v), t->lanes));
    NEST_UNROLL(b, r, t->rows)
      for (int v = 0; v < t->vectors; v++)
        nest_accumulate(b, nest_at(b, a, r, v), nest_load(b, t->left(b, t, product, &k, &r), 1), y[v]);
  }
}

/* Stores a + sums in a block of the result, or adds a + sums to that block; sums NULL: only a. */
static void strassen_tile_put(Nest *b, const StrassenTile *t, Buf *a, int block, Buf *sums) {
  NEST_UNROLL(b, r, t->rows)
    for (int v = 0; v < t->vectors; v++) {
      const int part = strassen_tile_part_of(t, v);
      const Ref ref = t->result(b, t, block, &r, v);
      Val sum = nest_get(b, nest_at(b, a, r, v));
      if (sums) sum = add(sum, load_sums(b, t, sums, &r, v));
      if (t->adds) sum = add(nest_load_part(b, ref, part, t->lanes), sum);
      nest_store_part(b, ref, sum, part);
    }
}

void strassen_tile(Nest *b, const StrassenTile *t) {
  const int width = t->vectors * t->lanes;
  Buf *a = NEST_REGISTERS(b, "a", t->lanes, t->rows, t->vectors);
  Buf *first = NEST_BUF(b, STACK, "p", t->rows, width), *u2 = NEST_BUF(b, STACK, "u", t->rows, width),
      *u3 = NEST_BUF(b, STACK, "u", t->rows, width);
  strassen_tile_begin(b, t, a, NULL);
  multiply(b, t, a, 0, 0);
  strassen_tile_keep(b, t, a, first);
  multiply(b, t, a, 1, 1);
  strassen_tile_put(b, t, a, 0, NULL);
  strassen_tile_begin(b, t, a, first);
  multiply(b, t, a, 2, 5);
  strassen_tile_keep(b, t, a, u2);
  multiply(b, t, a, 3, 6);
  strassen_tile_keep(b, t, a, u3);
  multiply(b, t, a, 4, 3);
  strassen_tile_put(b, t, a, 2, NULL);
  strassen_tile_begin(b, t, a, NULL);
  multiply(b, t, a, 5, 4);
  strassen_tile_put(b, t, a, 3, u3);
  strassen_tile_join(b, t, a, u2);
  multiply(b, t, a, 6, 2);
  strassen_tile_put(b, t, a, 1, NULL);
}
