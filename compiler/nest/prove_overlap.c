/* prove_overlap.c: Proof of the maximum overlap of a nest's result with a dead operand.
 *
 * A store may overwrite bytes of the operand after their last read. So the result may begin at most n bytes
 * after the start of the operand. n is the smallest distance from the end of a store to the start of a later
 * load, if both buffers begin at the same address. A convolution that processes its rows in order still reads
 * the input rows next to the row that it writes. So its result fits into the same memory with an offset of a
 * row or two ("diagonal memory optimization": Blacker et al., arXiv 2010.01668). The authors observe compiled
 * code, or analyze the source of a layer; this file derives the offset from the nest of any schedule.
 *
 * For kernels that work channel by channel, such as depthwise convolutions, an analysis in bytes finds no
 * overlap. But if pixels of operand and result have equal sizes and the offset is a number of whole pixels,
 * each channel of the result only overlaps the same channel of the operand. In this case, the analysis is in
 * pixels.
 *
 * The proof assumes that loads and stores run in the order of the statements, so threads must not share the
 * nest's loops. */
// SPDX-License-Identifier: Apache-2.0
#include "nest/prover.h"

static int64_t elem_size(const Buf *buf) { return elem_bytes(buf->type.elem); }
static int64_t pixel_bytes(const Buf *buf) { return elem_size(buf) * buf->room[buf->rank - 1]; }

/* Whether pixels of both buffers have the same number of channels of the same size, without gaps. */
static bool same_pixels(const Buf *a, const Buf *b) {
  return a->rank > 1 && b->rank > 1 && !a->apart && !b->apart && pixel_bytes(a) == pixel_bytes(b) &&
         a->dim[a->rank - 1] == a->room[a->rank - 1] && b->dim[b->rank - 1] == b->room[b->rank - 1] &&
         elem_size(a) == elem_size(b);
}

/* The position of an element, in bytes or pixels. */
static Lin linear_position(const Prover *p, const Buf *buf, const Lin *at) {
  Lin sum = {0};
  const int dims = p->overlap->by_pixel ? buf->rank - 1 : buf->rank;
  for (int d = 0; d < dims; d++) {
    const int64_t elements = buf_room(buf, d + 1);
    sum = lin_add(sum, &at[d],
                  p->overlap->by_pixel ? elements / buf->room[buf->rank - 1] : elements * elem_size(buf));
  }
  return sum;
}

/* The distance from the end of a store to the start of a load. */
static Lin distance(const Prover *p, const Access *store, const Lin *load) {
  const Lin end = linear_position(p, store->buf, store->hi),
            start = linear_position(p, p->overlap->operand, load);
  return lin_plus(lin_add(start, &end, -1), p->overlap->by_pixel ? -1 : -elem_size(store->buf));
}

static void allow(Prover *p, int64_t most) {
  if (most < p->overlap->most) p->overlap->most = most;
}

/* ---- distances in the same iterations of all open loops ---- */
static bool other_channels(Prover *p, const Access *store, const Lin *lo, const Lin *hi) {
  const int c = store->buf->rank - 1, d = p->overlap->operand->rank - 1;
  return p->overlap->by_pixel && (prover_low_of_difference(p, &lo[d], &store->hi[c]) > 0 ||
                                  prover_low_of_difference(p, &store->lo[c], &hi[d]) > 0);
}

void prover_overlap_load(Prover *p, const Lin *lo, const Lin *hi) {
  for (int i = 0; i < p->accesses.n; i++) {
    const Access *store = &p->accesses.data[i];
    if (store->buf != p->overlap->result || !store->write || store->aside) continue;
    if (other_channels(p, store, lo, hi)) continue;
    const Lin between = distance(p, store, lo);
    allow(p, prover_low(p, &between));
  }
}

/* ---- distances to a later iteration of loop t ---- */
static bool later_channels(Prover *p, const Access *store, const Access *load, int t) {
  const int c = store->buf->rank - 1, d = load->buf->rank - 1;
  return p->overlap->by_pixel && prover_apart(p, &store->hi[c], &load->lo[d], t);
}

/* The smallest distance to a load in a later iteration: in the next one, or in the last one if the positions
 * of loads decrease. */
static Lin later_distance(const Prover *p, const Access *store, const Access *load, int t) {
  Lin lo[DIMS];
  for (int d = 0; d < load->buf->rank; d++) {
    lo[d] = load->lo[d];
    const int64_t k = lo[d].k[t];
    if (k >= 0) lo[d] = lin_plus(lo[d], k);
    else {
      lo[d].k[t] = 0;
      lo[d] = lin_add(lo[d], &p->var[t].hi[0], k);
    }
  }
  return distance(p, store, lo);
}

void prover_overlap_rounds(Prover *p, int first, int t) {
  enum { MOST_ACCESSES = 400 };
  Var *var = &p->var[t];
  if (prover_one_round(var)) return;
  if (p->accesses.n - first > MOST_ACCESSES) {
    allow(p, UNKNOWN);
    return;
  }
  const Var all = *var;
  for (int i = first; i < p->accesses.n; i++)
    for (int j = first; j < p->accesses.n; j++) {
      const Access *store = &p->accesses.data[i], *load = &p->accesses.data[j];
      if (store->buf != p->overlap->result || !store->write || load->buf != p->overlap->operand) continue;
      if (later_channels(p, store, load, t)) continue;
      const Lin between = later_distance(p, store, load, t);
      for (int b = 0; b < var->nhi; b++) var->hi[b].c--; /* the store's iteration is not the last one */
      allow(p, prover_low(p, &between));
      *var = all;
    }
}

void prover_overlap_routine(Prover *p, const NestStmt *stmt) {
  for (int i = 0; i < stmt->u.routine.of->nbufs; i++) {
    const Buf *buf = stmt->u.routine.buf[i];
    if (buf == p->overlap->operand || buf == p->overlap->result) allow(p, UNKNOWN);
  }
}

/* ---- the overlap of a nest ---- */
static int64_t most_of(Nest *nest, OverlapProof *overlap) {
  Proof proof;
  overlap->most = buf_bytes(overlap->operand);
  if (!prover_walk(nest, &proof, overlap) || overlap->most <= UNKNOWN) return UNKNOWN;
  return overlap->most;
}

bool nest_overlap(Nest *nest, const Buf *operand, const Buf *result, int64_t *most, int64_t *step) {
  const int64_t bytes = buf_bytes(operand);
  OverlapProof by_byte = {.operand = operand, .result = result};
  OverlapProof by_pixel = {.operand = operand, .result = result, .by_pixel = true};
  *step = 1;
  *most = most_of(nest, &by_byte);
  if (same_pixels(operand, result)) {
    const int64_t pixel = pixel_bytes(result), pixels = most_of(nest, &by_pixel);
    if (pixels > UNKNOWN / pixel && pixels * pixel > *most) {
      *step = pixel;
      *most = pixels * pixel;
    }
  }
  if (*most > bytes) *most = bytes;
  return *most > -buf_bytes(result);
}
