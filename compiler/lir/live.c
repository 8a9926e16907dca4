/* live.c: Analysis of the arena bytes that are live during each call: values with later uses, operands and
 * scratch. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "lir/lir.h"

/* The bytes `from` to `to` - 1 of the arena, with the first and the last call that use these bytes. */
typedef struct Piece {
  int64_t from, to;
  int first, last;
} Piece;
typedef VEC(Piece) Pieces;

static void add_value(Piece *of, const Place *place, int call) {
  if (place->space != SPACE_ARENA) return;
  const int64_t to = place->offset + place->bytes;
  if (of->last < of->first) *of = (Piece){place->offset, to, call, call};
  if (place->offset < of->from) of->from = place->offset;
  if (to > of->to) of->to = to;
  if (call > of->last) of->last = call;
}

static Pieces pieces_of(Arena *arena, const Program *p, int target) {
  Pieces pieces = {0};
  const int nodes = p->graph->nodes.n;
  Piece *value = NEW_ARRAY(arena, Piece, nodes + 1);
  for (int i = 0; i < nodes; i++) value[i] = (Piece){.first = 0, .last = -1};
  for (int c = 0; c < p->calls.n; c++) {
    const Version *version = &p->calls.data[c].version[target];
    for (int i = 0; i < version->lower->b->nbufs; i++) {
      const Operand *operand = &version->argument[i];
      if (!operand->used || operand->place.space != SPACE_ARENA) continue;
      const Place *place = &operand->place;
      if (operand->binding->kind == BIND_SCRATCH)
        vec_push(arena, pieces, ((Piece){place->offset, place->offset + place->bytes, c, c}));
      else if (operand->binding->kind == BIND_VALUE)
        add_value(&value[p->home[operand->binding->node->id].node->id], place, c);
    }
  }
  for (int i = 0; i < p->copies.n; i++)
    add_value(&value[p->home[p->copies.data[i].node->id].node->id],
              &p->value[target][p->copies.data[i].node->id], p->calls.n - 1);
  for (int i = 0; i < nodes; i++)
    if (value[i].last >= value[i].first) vec_push(arena, pieces, value[i]);
  return pieces;
}

static int by_place(const void *a, const void *b) {
  const int64_t x = ((const Piece *)a)->from, y = ((const Piece *)b)->from;
  return (x > y) - (x < y);
}

/* Bytes that several live pieces share, as when a result overwrites its operand, are counted once. */
void program_live(Arena *arena, const Program *p, int target, int64_t *bytes) {
  Pieces pieces = pieces_of(arena, p, target);
  if (pieces.n) qsort(pieces.data, (size_t)pieces.n, sizeof *pieces.data, by_place);
  for (int c = 0; c < p->calls.n; c++) {
    int64_t end = 0;
    bytes[c] = 0;
    for (int i = 0; i < pieces.n; i++) {
      const Piece *piece = &pieces.data[i];
      if (piece->first > c || piece->last < c || piece->to <= end) continue;
      bytes[c] += piece->to - (piece->from > end ? piece->from : end);
      end = piece->to;
    }
  }
}
