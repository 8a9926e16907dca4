/* layout.c: Memory layout: greedy placement in several orders, each block at the lowest address that is free
 * during its lifetime. If no order reaches the lower bound, a local search with a fixed seed changes the
 * orders. A result may overlap an operand that dies when the result is born, as far as the
 * permitted overlaps allow. */
// SPDX-License-Identifier: Apache-2.0
#include "passes/layout.h"
#include <stdbool.h>
#include <stdlib.h>
#include "base/arena.h"
#include "base/number.h"

/* approximate number of comparisons of blocks in one local search: about 20 milliseconds */
enum { SEARCH_WORK = 10 * 1000 * 1000 };

static int64_t span(const Block *a) { return a->dies - a->born + 1; }

static int64_t multiple_from(int64_t n, int64_t step) { return ceil_divide(n, step) * step; }

/* Maximum number of bytes that operand and result can share. */
static int64_t shared_bytes(const Overlap *o) {
  const int64_t up = multiple_from(larger(-o->most, 0), o->step); /* operand's start - result's start */
  return smaller(larger(o->result->bytes - up, 0), o->operand->bytes);
}

static int64_t largest_sum(Arena *arena, Block *const *block, int n, int steps, const Overlap *overlap,
                           int noverlaps) {
  int64_t *change = NEW_ARRAY(arena, int64_t, steps + 2), alive = 0, most = 0;
  for (int i = 0; i < n; i++) {
    change[block[i]->born] += block[i]->bytes;
    change[block[i]->dies + 1] -= block[i]->bytes;
  }
  for (int i = 0; i < noverlaps; i++) {
    change[overlap[i].result->born] -= shared_bytes(&overlap[i]);
    change[overlap[i].result->born + 1] += shared_bytes(&overlap[i]);
  }
  for (int k = 0; k < steps; k++) {
    alive += change[k];
    most = alive > most ? alive : most;
  }
  return most;
}

/* ---- greedy ---- */
static int compare_birth(const Block *a, const Block *b) {
  if (a->born != b->born) return a->born - b->born;
  return a->dies != b->dies ? a->dies - b->dies : a->number - b->number;
}
static int larger_first(int64_t x, int64_t y) { return (x < y) - (x > y); }

static int by_size(const void *a, const void *b) {
  const Block *x = *(Block *const *)a, *y = *(Block *const *)b;
  return x->bytes != y->bytes ? larger_first(x->bytes, y->bytes) : compare_birth(x, y);
}

static int by_span(const void *a, const void *b) {
  const Block *x = *(Block *const *)a, *y = *(Block *const *)b;
  return span(x) != span(y) ? larger_first(span(x), span(y)) : by_size(a, b);
}

static int by_area(const void *a, const void *b) {
  const Block *x = *(Block *const *)a, *y = *(Block *const *)b;
  const int order = larger_first(x->bytes * span(x), y->bytes * span(y));
  return order ? order : by_size(a, b);
}

static int by_birth(const void *a, const void *b) {
  const Block *x = *(Block *const *)a, *y = *(Block *const *)b;
  return x->born != y->born ? x->born - y->born : by_size(a, b);
}

/* Latest birth first: a result is placed before its operand; then the operand is placed as far above the
 * result as necessary. */
static int by_death(const void *a, const void *b) { return by_birth(b, a); }

static int by_size_and_death(const void *a, const void *b) {
  const Block *x = *(Block *const *)a, *y = *(Block *const *)b;
  return x->bytes != y->bytes ? larger_first(x->bytes, y->bytes) : compare_birth(y, x);
}

static int by_offset(const void *a, const void *b) {
  const Block *x = *(Block *const *)a, *y = *(Block *const *)b;
  return (x->offset > y->offset) - (x->offset < y->offset);
}

/* ---- placement of a block ---- */
typedef VEC(const Overlap *) Overlaps;

/* The lowest address from `offset` on at which the block does not conflict with `placed`; o: the permitted
 * overlap of these two blocks, or NULL. */
static int64_t place_beside(const Block *block, int64_t offset, const Block *placed, const Overlap *o) {
  const int64_t end = placed->offset + placed->bytes;
  if (offset >= end || offset + block->bytes <= placed->offset) return offset;
  if (!o) return end;
  if (block == o->result) { /* the starts differ by a multiple of `step`, by at most `most` bytes */
    const int64_t behind = multiple_from(offset - placed->offset, o->step);
    return behind <= o->most ? placed->offset + behind : end;
  }
  const int64_t front = larger(offset, placed->offset - o->most) - placed->offset;
  return smaller(placed->offset + multiple_from(front, o->step), end);
}

static const Overlap *overlap_with(const Overlaps *of, const Block *other) {
  for (int i = 0; i < of->n; i++)
    if (of->data[i]->operand == other || of->data[i]->result == other) return of->data[i];
  return NULL;
}

/* The lowest possible address of `block`. placed: the blocks that live at the same time, sorted by offset;
 * of: the permitted overlaps of `block`. */
static int64_t lowest_place(const Block *block, Block *const *placed, int n, const Overlaps *of) {
  int64_t offset = 0, before;
  do {
    before = offset;
    for (int i = 0; i < n && placed[i]->offset < offset + block->bytes; i++)
      offset = place_beside(block, offset, placed[i], overlap_with(of, placed[i]));
    /* repeats, because at a higher address the block may violate other overlaps */
  } while (of->n && offset > before);
  return offset;
}

/* Interval tree of placed blocks by lifetime. A block lives during a span of steps if it lives at the first
 * step of the span, or is born later in the span. */
typedef VEC(Block *) Blocks;
typedef struct Placed {
  Arena *arena;
  int steps, leaves; /* leaves: a power of two, not less than steps */
  Blocks *cover;     /* binary tree over the steps, with root 1; each node has the blocks that live at all its
                        steps, but not at all steps of its parent */
  Blocks *born;      /* by step: the blocks that are born at the step */
  Overlaps *overlaps; /* by block number: the permitted overlaps of the block */
  Block **meeting;    /* result of placed_meeting */
  int64_t *before;    /* by block number: the offset before a move */
} Placed;

static Placed placed_new(Arena *arena, int n, int steps, const Overlap *overlap, int noverlaps) {
  Placed placed = {.arena = arena, .steps = steps, .leaves = 1};
  while (placed.leaves < steps) placed.leaves *= 2;
  placed.cover = NEW_ARRAY(arena, Blocks, 2 * placed.leaves);
  placed.born = NEW_ARRAY(arena, Blocks, steps + 1);
  placed.meeting = NEW_ARRAY(arena, Block *, n + 1);
  placed.before = NEW_ARRAY(arena, int64_t, n + 1);
  placed.overlaps = NEW_ARRAY(arena, Overlaps, n + 1);
  for (int i = 0; i < noverlaps; i++) {
    vec_push(arena, placed.overlaps[overlap[i].operand->number], &overlap[i]);
    vec_push(arena, placed.overlaps[overlap[i].result->number], &overlap[i]);
  }
  return placed;
}

static void placed_clear(Placed *placed) {
  for (int i = 0; i < 2 * placed->leaves; i++) placed->cover[i].n = 0;
  for (int i = 0; i < placed->steps; i++) placed->born[i].n = 0;
}

static void change_list(Arena *arena, Blocks *list, Block *block, bool add) {
  if (add) vec_push(arena, *list, block);
  else list->n--;
}

/* Appends a block to the lists of its lifetime. With add=false, removes the block, which must be the last one
 * of each list. */
static void placed_change(Placed *placed, Block *block, bool add) {
  int from = block->born + placed->leaves, to = block->dies + placed->leaves + 1;
  change_list(placed->arena, &placed->born[block->born], block, add);
  for (; from < to; from = (from + 1) / 2, to /= 2) {
    if (from % 2) change_list(placed->arena, &placed->cover[from], block, add);
    if (to % 2) change_list(placed->arena, &placed->cover[to - 1], block, add);
  }
}

/* Collects in placed->meeting the placed blocks that live at the same time as `block`; returns their
 * number. */
static int placed_meeting(Placed *placed, const Block *block) {
  int n = 0;
  for (int node = block->born + placed->leaves; node; node /= 2)
    for (int i = 0; i < placed->cover[node].n; i++) placed->meeting[n++] = placed->cover[node].data[i];
  for (int step = block->born + 1; step <= block->dies; step++)
    for (int i = 0; i < placed->born[step].n; i++) placed->meeting[n++] = placed->born[step].data[i];
  return n;
}

/* Places order[from .. n - 1], until a block ends above `most`. Returns the number of placed blocks,
 * including the first `from`. */
static int place_from(Block *const *order, int from, int n, Placed *placed, int64_t most) {
  for (int i = from; i < n; i++) {
    const int meeting = placed_meeting(placed, order[i]);
    qsort(placed->meeting, (size_t)meeting, sizeof *placed->meeting, by_offset);
    order[i]->offset = lowest_place(order[i], placed->meeting, meeting, &placed->overlaps[order[i]->number]);
    if (order[i]->offset + order[i]->bytes > most) return i;
    placed_change(placed, order[i], true);
  }
  return n;
}

static int64_t height_of(Block *const *order, int n) {
  int64_t height = 0;
  for (int i = 0; i < n; i++) height = larger(height, order[i]->offset + order[i]->bytes);
  return height;
}

static int64_t place_in_order(Block *const *order, int n, Placed *placed) {
  placed_clear(placed);
  place_from(order, 0, n, placed, INT64_MAX);
  return height_of(order, n);
}

/* ---- search ---- */
static int random_below(uint64_t *state, int n) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int)((*state >> 33) % (uint64_t)n);
}

static int too_high(Block *const *order, int n, int64_t bound,
                    uint64_t *state) { /* picks a random block that ends above the bound */
  int chosen = 0, count = 0;
  for (int i = 0; i < n; i++)
    if (order[i]->offset + order[i]->bytes > bound && random_below(state, ++count) == 0) chosen = i;
  return chosen;
}

static void move_forward(Block **order, int from, int to) {
  Block *moved = order[from];
  for (int i = from; i > to; i--) order[i] = order[i - 1];
  order[to] = moved;
}

static void move_back(Block **order, int from, int to) {
  Block *moved = order[from];
  for (int i = from; i < to; i++) order[i] = order[i + 1];
  order[to] = moved;
}

/* Moves a block from position `from` of the order to the earlier position `to`, and places all blocks from
 * `to` on again. Undoes the move if one of these blocks ends above `height`. */
static void try_move(Block **order, int n, int from, int to, int64_t height, Placed *placed) {
  int64_t *before = placed->before;
  for (int i = n - 1; i >= to; i--) {
    before[order[i]->number] = order[i]->offset;
    placed_change(placed, order[i], false);
  }
  move_forward(order, from, to);
  int done = place_from(order, to, n, placed, height);
  if (done == n) return;
  while (done > to) placed_change(placed, order[--done], false);
  move_back(order, to, from);
  for (int i = to; i < n; i++) {
    order[i]->offset = before[order[i]->number];
    placed_change(placed, order[i], true);
  }
}

/* Repeatedly moves a random block that ends above the bound to a random earlier place in the order. */
static int64_t improve(Block **order, int n, int64_t bound, Placed *placed) {
  uint64_t state = 1;
  int64_t height = place_in_order(order, n, placed);
  for (int64_t work = SEARCH_WORK; work > 0 && height > bound; work -= (int64_t)n * (n + 16)) {
    const int from = too_high(order, n, bound, &state), to = random_below(&state, from + 1);
    try_move(order, n, from, to, height, placed);
    height = height_of(order, n);
  }
  return height;
}

Layout layout_blocks(Block *const *block, int n, int steps, const Overlap *overlap, int noverlaps) {
  static int (*const orders[])(const void *, const void *) = {by_size,  by_area,  by_span,
                                                              by_birth, by_death, by_size_and_death};
  enum { FOR_OVERLAPS = 2, ALL = sizeof orders / sizeof *orders };
  const int norders = noverlaps ? ALL : ALL - FOR_OVERLAPS;
  Arena *arena = arena_new();
  Layout layout = {INT64_MAX, largest_sum(arena, block, n, steps, overlap, noverlaps)};
  Block **order = NEW_ARRAY(arena, Block *, n + 1);
  int64_t *best = NEW_ARRAY(arena, int64_t, n + 1);
  for (int i = 0; i < n; i++) block[i]->number = i;
  Placed placed = placed_new(arena, n, steps, overlap, noverlaps);
  for (int o = 0; o < 2 * norders && layout.bytes > layout.bound;
       o++) { /* tries each order first, then a local search from each order */
    for (int i = 0; i < n; i++) order[i] = block[i];
    qsort(order, (size_t)n, sizeof *order, orders[o % norders]);
    const int64_t height =
        o < norders ? place_in_order(order, n, &placed) : improve(order, n, layout.bound, &placed);
    if (height >= layout.bytes) continue;
    layout.bytes = height;
    for (int i = 0; i < n; i++) best[i] = block[i]->offset;
  }
  for (int i = 0; i < n; i++) block[i]->offset = best[i];
  arena_free(arena);
  return layout;
}
