/* tflite_sparse.c: Conversion of sparse TensorFlow Lite tensors to dense tensors. The levels of a sparse
 * tensor are its dimensions in traversal order, then the dimensions within a block. Each level is dense, or
 * has a list of indices for each index of the previous level. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/tflite/flat.h"

enum { ORDER, BLOCKS, LEVELS }; /* fields of SparsityParameters */
enum { FORMAT, DENSE_SIZE, SEGMENTS_TYPE, SEGMENTS, INDICES_TYPE, INDICES }; /* fields of DimensionMetadata */
enum { MOST_LEVELS = 16 };

typedef struct List { /* a list of int32, uint16 or uint8 indices */
  FlatVector at;
  int width;
} List;

typedef struct Level {
  bool dense;
  int64_t size;         /* size of a dense level */
  List segment, index;  /* of a level that is not dense: entry i of the previous level has the indices
                           segment[i] .. segment[i+1] - 1 of `index` */
  int dimension, block; /* block: the block's size, for a level within blocks; otherwise 0 */
} Level;

typedef struct Sparse {
  const Flat *flat;
  int rank, levels;
  Level level[MOST_LEVELS];
  const int64_t *dim;
  FlatVector values;
  int width;
  uint8_t *to;
  uint64_t used, steps, most; /* used: number of values used; steps: number of indices visited, at most
                                 `most` */
  int64_t at[MOST_LEVELS];
} Sparse;

static List read_sparse_list(Flat *flat, FlatTable table, int type, int field) {
  static const int widths[] = {0, 4, 2, 1};
  const int64_t kind = flat_int(flat, table, type, 1, 0);
  List list = {.width = kind > 0 && kind < 4 ? widths[kind] : 0};
  if (list.width) list.at = flat_vector(flat, flat_table(flat, table, field), 0, (size_t)list.width);
  return list;
}

static int64_t sparse_index(const Sparse *s, List list, uint64_t i) {
  if (i >= list.at.n) return -1;
  const int64_t number = flat_int_at(s->flat, list.at, (uint32_t)i, list.width);
  return list.width == 4 ? number : number & ((1 << 8 * list.width) - 1);
}

static bool read_levels(Sparse *s, Flat *flat, FlatTable sparsity) {
  const FlatVector order = flat_vector(flat, sparsity, ORDER, 4),
                   blocks = flat_vector(flat, sparsity, BLOCKS, 4),
                   levels = flat_vector(flat, sparsity, LEVELS, 4);
  if (levels.n > MOST_LEVELS || order.n != levels.n || levels.n != (uint64_t)s->rank + blocks.n) return false;
  s->levels = (int)levels.n;
  for (int i = 0; i < s->levels; i++) {
    const FlatTable table = flat_table_at(flat, levels, (uint32_t)i);
    const int64_t of = flat_int_at(flat, order, (uint32_t)i, 4);
    const int64_t dimension = of < s->rank ? of : flat_int_at(flat, blocks, (uint32_t)(of - s->rank), 4);
    Level *level = &s->level[i];
    level->dense = flat_int(flat, table, FORMAT, 1, 0) == 0;
    level->size = flat_int(flat, table, DENSE_SIZE, 4, 0);
    level->segment = read_sparse_list(flat, table, SEGMENTS_TYPE, SEGMENTS);
    level->index = read_sparse_list(flat, table, INDICES_TYPE, INDICES);
    if (of < 0 || of >= s->levels || dimension < 0 || dimension >= s->rank) return false;
    if ((of >= s->rank) != (i >= s->rank))
      return false; /* the last levels are the dimensions within a block */
    level->dimension = (int)dimension;
    level->block = i < s->rank ? 0 : (int)level->size;
    if (i >= s->rank && (!level->dense || level->size < 1 || level->size > s->dim[dimension])) return false;
  }
  return true;
}

static bool put_value(Sparse *s) {
  int64_t index[MOST_LEVELS] = {0}, place = 0;
  for (int i = 0; i < s->levels; i++) {
    int64_t *at = &index[s->level[i].dimension];
    *at = s->level[i].block ? *at * s->level[i].block + s->at[i] : s->at[i];
  }
  for (int d = 0; d < s->rank; d++) {
    if (index[d] < 0 || index[d] >= s->dim[d]) return false;
    place = place * s->dim[d] + index[d];
  }
  const size_t w = (size_t)s->width;
  if ((s->used + 1) * w > s->values.n) return false;
  memcpy(s->to + (size_t)place * w, s->flat->bytes + s->values.at + s->used++ * w, w);
  return true;
}

/* Stores the values of level `at` and all later levels. before: the number of the current entry in the
 * previous level. */
static bool put_sparse_level(Sparse *s, int at, uint64_t before) {
  if (at == s->levels) return put_value(s);
  const Level *level = &s->level[at];
  const int64_t low = level->dense ? 0 : sparse_index(s, level->segment, before),
                high = level->dense ? level->size : sparse_index(s, level->segment, before + 1);
  if (low < 0 || high < low) return false;
  for (int64_t i = low; i < high; i++) {
    if (s->steps++ > s->most) return false;
    s->at[at] = level->dense ? i : sparse_index(s, level->index, (uint64_t)i);
    const uint64_t next = level->dense ? before * (uint64_t)level->size + (uint64_t)i : (uint64_t)i;
    if (s->at[at] < 0 || !put_sparse_level(s, at + 1, next)) return false;
  }
  return true;
}

bool flat_dense(Flat *flat, FlatTable sparsity, int rank, const int64_t *dim, FlatVector values, int width,
                uint8_t *to) {
  Sparse s = {.flat = flat, .rank = rank, .dim = dim, .values = values, .width = width, .to = to, .most = 64};
  uint64_t size = 1;
  for (int d = 0; d < rank; d++) size *= (uint64_t)dim[d];
  s.most += 4 * size;
  return read_levels(&s, flat, sparsity) && put_sparse_level(&s, 0, 0) &&
         s.used * (uint64_t)width == values.n;
}
