/* nest_tiles.c: TILED loops as products of tile registers (AMX). The loops over rows, over equal blocks of
 * rows, over vectors of columns and over pairs (words of two bf16 or four int8 numbers) become instructions.
 * The loops over taps, which are between the loops over vectors and over pairs, remain loops. The addresses
 * and strides of the instructions come from the loads of the product and from its store. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/nest_print.h"
#include "nest/build.h"

enum { VECTOR = 16, TILE_ROW = 64, MOST_TILES = 4 };

/* The parts of a TILED loop: for each block { for each of its rows { for each vector { s = 0; for taps { for
 * pairs s = dot } ; store } } } */
typedef struct Tiled {
  const NestStmt *outer[3], *taps[4], *pairs, *dot, *store, *ahead; /* outer: over blocks, rows, vectors */
  int nouter, ntaps;
} Tiled;

static bool is_tile_product(Val val) {
  return val->op == DOT || (val->op == PRIMITIVE && val->primitive == &primitive_dot_bytes);
}

static void find_parts(const NestStmt *stmt, bool begun, Tiled *t) {
  for (; stmt; stmt = stmt->next) {
    begun = begun || stmt->kind == STORE;
    if (stmt->kind == STORE && is_tile_product(stmt->u.store.val)) t->dot = stmt;
    else if (stmt->kind == STORE && stmt->u.store.ref.buf->place != REGS) t->store = stmt;
    else if (stmt->kind == PREFETCH) t->ahead = stmt;
    if (stmt->kind != LOOP) continue;
    const bool pairs = begun && stmt->body->kind == STORE;
    if (!begun) t->outer[t->nouter++] = stmt;
    else if (pairs) t->pairs = stmt;
    else t->taps[t->ntaps++] = stmt;
    find_parts(stmt->body, begun, t);
  }
}

static int slot_of(const NestStmt *loop) { return loop ? loop->u.loop.slot : 0; }

/* The distance, in elements, between the elements that a reference accesses in two consecutive iterations of
 * a loop. */
static int64_t tiled_step(const Ref *ref, int slot) {
  int64_t step = 0;
  for (int d = 0; d < ref->buf->rank; d++) step += ref->at[d].k[slot] * buf_room(ref->buf, d + 1);
  return step;
}

static int64_t tiled_rounds(const Printer *p, const NestStmt *loop) {
  return loop ? printer_fold(p, &loop->u.loop.hi[0]).c - printer_fold(p, &loop->u.loop.lo[0]).c : 1;
}

/* Prints the address of an element, with 0 for the variables (`slot`) of the loops that became
 * instructions. */
enum { REPLACED = 4 };
static void print_first(Printer *p, const Ref *ref, const int slot[REPLACED]) {
  Ref first = *ref;
  for (int d = 0; d < ref->buf->rank; d++)
    for (int i = 0; i < REPLACED; i++)
      if (slot[i]) first.at[d].k[slot[i]] = 0;
  put("&");
  print_ref(p, &first);
}

/* Prints the address of the first prefetched line, and the number of lines that a step prefetches. */
static void print_ahead(Printer *p, const NestStmt *stmt, const int slot[REPLACED]) {
  if (!stmt) {
    put("NULL, 0");
    return;
  }
  Index first = stmt->u.prefetch.flat;
  for (int i = 0; i < REPLACED; i++)
    if (slot[i]) first.k[slot[i]] = 0;
  put("(const %s *)%s + ", printer_type(p, stmt->u.prefetch.buf->type.elem, 1),
      printer_buf(p, stmt->u.prefetch.buf));
  print_index(p, &first);
  put(", %d", p->nest->tiles.lines);
}

/* After a long pause, a tile store is slow, because the CPU's unit for tile stores is asleep. So a register
 * is stored after this number of products, to keep the unit awake. */
enum { MOST_PRODUCTS = 36 };

/* How the unit for tile stores is kept awake. If `every` is not 0, FN_TILE_ADD or FN_TILE_ADD_BYTES stores a
 * register once per `every` steps. If `level` is not -1, a register is stored at the end of the body of tap
 * loop `level`; the last tap loop is the innermost one. If `every` is 0 and `level` is -1, no register is
 * stored: a store of the result follows after at most MOST_PRODUCTS products. */
typedef struct Awake {
  int level;
  int64_t every;
} Awake;

static Awake keep_awake(const Printer *p, const Tiled *t, int64_t steps, int64_t sums) {
  int64_t products = steps * sums;
  if (products > MOST_PRODUCTS) return (Awake){-1, MOST_PRODUCTS / sums};
  for (int level = t->ntaps - 1; level >= 0; level--) {
    const int64_t more = products * tiled_rounds(p, t->taps[level]);
    if (more > MOST_PRODUCTS) return (Awake){level, 0};
    products = more;
  }
  return (Awake){-1, 0};
}

static void print_taps(Printer *p, const NestStmt *loop, int depth, bool block) {
  put("%*sfor (int ", 2 * depth, "");
  const char *v = printer_name(p, loop->u.loop.name);
  put("%s = ", v);
  print_limit(p, loop->u.loop.nlo, loop->u.loop.lo, true);
  put("; %s < ", v);
  print_limit(p, loop->u.loop.nhi, loop->u.loop.hi, false);
  put("; %s++)%s\n", v, block ? " {" : "");
  p->slot_name[loop->u.loop.slot] = v;
}

void print_tiled(Printer *p, const NestStmt *stmt, int depth) {
  Tiled t = {.outer = {stmt}, .nouter = 1};
  find_parts(stmt->body, false, &t);
  const Val dot = t.dot->u.store.val;
  const int bytes = dot->op == PRIMITIVE; /* int8: the arguments are (sum, x, w), not (x, w, sum) */
  const Ref *x = dot->a[bytes]->a[0]->ref, *w = dot->a[1 + bytes]->ref, *to = &t.store->u.store.ref;
  const NestStmt *wide = tiled_step(w, slot_of(t.outer[t.nouter - 1])) ? t.outer[--t.nouter] : NULL,
                 *row = t.outer[t.nouter - 1], *blocks = t.nouter > 1 ? t.outer[0] : NULL;
  const int slot[REPLACED] = {slot_of(row), slot_of(blocks), slot_of(wide), slot_of(t.pairs)},
            taken = p->taken.n, pairs = p->nest->tiles.pairs;
  const int size = elem_bytes(x->buf->type.elem), word = WORD_BYTES / size; /* elements of a word */
  const int64_t rows = tiled_rounds(p, row), nblocks = tiled_rounds(p, blocks),
                vectors = tiled_rounds(p, wide), steps = tiled_rounds(p, t.pairs);
  if (rows != p->nest->tiles.rows || vectors > 2 || nblocks * vectors > MOST_TILES ||
      dot->type.lanes != VECTOR || tiled_step(x, slot[3]) != word || elem_bytes(w->buf->type.elem) != size ||
      steps % pairs)
    nest_misuse(p->nest, "a product for which the tile registers have a different shape");
  put("%s(%lld);\n", printer_function(p, FN_TILE_CLEAR, F32, VECTOR), (long long)(nblocks * vectors));
  const Awake awake = keep_awake(p, &t, steps / pairs, nblocks * vectors);
  for (int i = 0; i < t.ntaps; i++) print_taps(p, t.taps[i], depth + i, i == awake.level);
  put("%*s%s(", 2 * (depth + t.ntaps), "",
      printer_function(p, bytes ? FN_TILE_ADD_BYTES : FN_TILE_ADD, F32, VECTOR));
  print_first(p, x, slot);
  put(", %lld, %lld, %lld, ", (long long)(size * tiled_step(x, slot[0])),
      (long long)(blocks ? size * tiled_step(x, slot[1]) : 0), (long long)nblocks);
  print_first(p, w, slot);
  put(", %lld, %lld, %d, %lld, ", (long long)(size * tiled_step(w, slot[3])),
      (long long)(wide ? size * tiled_step(w, slot[2]) : 0), pairs, (long long)(steps / pairs));
  print_ahead(p, t.ahead, slot);
  put(", ");
  if (awake.every) print_first(p, to, slot);
  else put("NULL");
  put(", %lld);\n", (long long)awake.every);
  if (awake.level >= 0) {
    put("%*s%s(", 2 * (depth + awake.level + 1), "", printer_function(p, FN_TILE_AWAKE, F32, VECTOR));
    print_first(p, to, slot);
    put(");\n%*s}\n", 2 * (depth + awake.level), "");
  }
  p->taken.n = taken;
  put("%*s%s(", 2 * depth, "", printer_function(p, FN_TILE_STORE, F32, VECTOR));
  print_first(p, to, slot);
  put(", %lld, %lld, %lld, %d);\n", (long long)(4 * tiled_step(to, slot[0])),
      (long long)(blocks ? 4 * tiled_step(to, slot[1]) : 0), (long long)nblocks, wide != NULL);
}

void print_tile_shape(Printer *p, bool begin) {
  const TileShape *shape = &p->nest->tiles;
  if (begin) {
    put("  static const uint8_t shape[64] = {1"); /* palette 1; from byte 16: bytes per row; from byte 48:
                                                     number of rows */
    for (int i = 0; i < 8; i++)
      put(", [%d] = %d, [%d] = %d", 16 + 2 * i, i == 4 || i == 5 ? 4 * shape->pairs : TILE_ROW, 48 + i,
          i < 6 ? shape->rows : shape->pairs);
    put("};\n");
  }
  put("  %s(%s);\n", printer_function(p, FN_TILE_SHAPE, F32, VECTOR), begin ? "shape" : "NULL");
}
