// correlation.c: The sums gather, spread and weights (formulas in correlation.h): reference evaluation,
// reference nests, gradients and parameters.
// SPDX-License-Identifier: Apache-2.0
#include "graph/bf16.h"
#include "ops/convolution/correlation.h"
#include <string.h>
#include "base/number.h"
#include "graph/shape.h"
#include "kernel/window.h"

Correlation correlation_of(const Node *node) {
  const Node *forward = node_forward(node);
  Window w = *node->window;
  const Extent out = shape_extent(forward->shape);
  const bool transposed = forward->op->traits.transposed;
  Extent in = shape_extent(forward->in[0]->shape);
  if (forward->op->family == FAMILY_CONV_REPEATED) {
    const int64_t *factor = forward->detail;
    in.h *= factor[0];
    in.w *= factor[1];
  }
  Correlation k = {.large = transposed ? out : in, .small = transposed ? in : out, .groups = w.groups};
  k.taps = forward->op->traits.matrix_of_taps;
  k.rank = forward->op->traits.matrix ? 2 : forward->in[0]->shape.rank == 2 ? 3 : 4;
  for (int axis = 0; axis < 2; axis++) {
    window_compact(&w, axis, extent_side(k.large, axis), extent_side(k.small, axis));
    k.kernel[axis] = w.kernel[axis];
    k.stride[axis] = w.stride[axis];
    k.dilation[axis] = w.dilation[axis];
    k.before[axis] = w.before[axis];
  }
  k.l = k.large.c / k.groups;
  k.s = k.small.c / k.groups;
  return k;
}

bool correlation_pointwise(const Correlation *k) {
  bool same = true;
  for (int axis = 0; axis < 2; axis++)
    same = same && k->kernel[axis] == 1 && k->stride[axis] == 1 && k->before[axis] == 0;
  return same && k->large.h == k->small.h && k->large.w == k->small.w;
}

bool correlation_spreads(const Node *node) {
  return node->op->family == FAMILY_CONV_SCATTER || node->op->family == FAMILY_DEPTHWISE_SCATTER;
}

Correlation correlation_gathering(const Node *node) {
  const Correlation k = correlation_of(node);
  if (!correlation_spreads(node)) return k;
  Correlation turned = k;
  turned.large = k.small;
  turned.small = k.large;
  turned.l = k.s;
  turned.s = k.l;
  for (int axis = 0; axis < 2; axis++)
    turned.before[axis] = k.dilation[axis] * (k.kernel[axis] - 1) - k.before[axis];
  return turned;
}

int64_t correlation_macs(const Correlation *k) {
  return k->small.h * k->small.w * k->small.c * k->l * k->kernel[0] * k->kernel[1];
}

Cost correlation_cost(const Node *node) {
  const Correlation k = correlation_of(node);
  return (Cost){.macs = correlation_macs(&k)};
}

static int64_t padded(int64_t channels) { /* rounds up to a multiple of two 16-lane vectors */
  enum { VECTORS = 32 };
  return (channels + VECTORS - 1) / VECTORS * VECTORS;
}

/* Whether positions in tiles might need more than 31 bits. A position is the index of an element of a side.
 * It may be outside of the side, because it is computed before it is tested. If up to 16 images are
 * interleaved (Lower.images), positions are up to 16 times larger. In buffers of NEST_FAR or more elements,
 * positions have 64 bits. */
static bool far_positions(const int64_t reach[2], Extent e) {
  enum { FAR = 1 << 30, IMAGES = 16, FAR_TOGETHER = 100 << 20 };
  const int64_t row = e.w * e.c, elements = e.h * row;
  if (reach[0] > FAR / 2 || reach[1] > FAR / 2) return true;
  if (elements >= NEST_FAR) return false;
  const int64_t position = reach[0] * row + reach[1] * e.c; /* no overflow: all factors are less than 2^30 */
  return position > (elements * IMAGES < NEST_FAR ? FAR_TOGETHER : FAR);
}

bool correlation_near_limits(const Correlation *k) {
  enum { MOST_TAPS = 1 << 16, MOST_PACKED = INT32_MAX - (1 << 26), SQUARE_POINTS = 36, ROW_POINTS = 10 };
  int64_t reach[2];
  for (int axis = 0; axis < 2; axis++) {
    const int64_t large = extent_side(k->large, axis), small = extent_side(k->small, axis);
    reach[axis] = large + small + k->before[axis] + (small - 1) * k->stride[axis];
    reach[axis] += (k->kernel[axis] - 1) * k->dilation[axis];
    if (k->kernel[axis] > MOST_TAPS) return true;
  }
  if (far_positions(reach, k->large) || far_positions(reach, k->small)) return true;
  const int64_t taps = k->kernel[0] * k->kernel[1];
  const int64_t winograd = k->kernel[0] == k->kernel[1] ? SQUARE_POINTS : ROW_POINTS;
  const int64_t points = taps > 1 && k->groups == 1 ? larger(taps, winograd) : taps;
  const int64_t one_group = larger(bounded_product(padded(k->l), k->s), bounded_product(k->l, padded(k->s)));
  const int64_t pairs = k->l == 1 && k->s == 1 ? padded(k->groups) : bounded_product(k->groups, one_group);
  return bounded_product(pairs, points) > MOST_PACKED;
}

int correlation_weight_index(const Correlation *k, Ix *at_, const Ix *s, const Ix *l, const Ix *ky,
                             const Ix *kx) {
  int n = 0;
  if (k->taps) {
    at_[n++] = *s * k->l + *l;
    at_[n++] = *kx;
    return n;
  }
  at_[n++] = *s;
  at_[n++] = *l;
  if (k->rank > 3) at_[n++] = *ky;
  if (k->rank > 2) at_[n++] = *kx;
  return n;
}

/* ---- eval ---- */
/* In eval, the weights or their gradients have one matrix [s][l] per tap and group, or [l][s] with `gather`.
 * So the inner loops read and write adjacent elements. */
static double *new_matrices(Arena *arena, const Correlation *k) {
  return NEW_ARRAY(arena, double, k->kernel[0] * k->kernel[1] * k->small.c * k->l);
}

static int64_t matrix_index(const Correlation *k, bool gather, int64_t tap, int64_t s, int64_t l) {
  const int64_t group = s / k->s, in_group = s % k->s;
  return (tap * k->groups + group) * k->s * k->l + (gather ? l * k->s + in_group : in_group * k->l + l);
}

static void copy_weights(const Correlation *k, bool gather, const double *weight, double *matrices) {
  for (int64_t s = 0; s < k->small.c; s++)
    for (int64_t l = 0; l < k->l; l++)
      for (int64_t tap = 0; tap < k->kernel[0] * k->kernel[1]; tap++)
        matrices[matrix_index(k, gather, tap, s, l)] = *weight++;
}

static void add_to_weights(const Correlation *k, const double *matrices, double *weight) {
  for (int64_t s = 0; s < k->small.c; s++)
    for (int64_t l = 0; l < k->l; l++)
      for (int64_t tap = 0; tap < k->kernel[0] * k->kernel[1]; tap++)
        *weight++ += matrices[matrix_index(k, false, tap, s, l)];
}

/* For one tap and one group: indices of the first element of a small pixel, of a large pixel, and of the
 * matrix. */
typedef struct Products {
  int64_t small, large, matrix;
} Products;

static int64_t large_at(const Correlation *k, int axis, int64_t small, int64_t tap) {
  const int64_t at_ = small * k->stride[axis] + tap * k->dilation[axis] - k->before[axis];
  return at_ >= 0 && at_ < extent_side(k->large, axis) ? at_ : -1;
}

typedef void Visit(const Correlation *, const Eval *, double *matrices, const Products *);

static void each_product(const Correlation *k, const Eval *eval, double *matrices, Visit *visit) {
  for (int64_t y = 0; y < k->small.h; y++)
    for (int64_t x = 0; x < k->small.w; x++)
      for (int64_t ky = 0; ky < k->kernel[0]; ky++)
        for (int64_t kx = 0; kx < k->kernel[1]; kx++) {
          const int64_t ly = large_at(k, 0, y, ky), lx = large_at(k, 1, x, kx);
          if (ly < 0 || lx < 0) continue;
          Products p = {.small = (y * k->small.w + x) * k->small.c,
                        .large = (ly * k->large.w + lx) * k->large.c,
                        .matrix = (ky * k->kernel[1] + kx) * k->small.c * k->l};
          for (int64_t group = 0; group < k->groups; group++) {
            visit(k, eval, matrices, &p);
            p = (Products){p.small + k->s, p.large + k->l, p.matrix + k->s * k->l};
          }
        }
}

static void start_output(const Eval *eval, Extent e) { /* fills the output with the bias or zeros */
  const bool bias = !eval->node->hidden && eval->node->nweights > 1 && eval->node->weight[1];
  for (int64_t p = 0; p < e.h * e.w; p++)
    for (int64_t c = 0; c < e.c; c++) eval->out[p * e.c + c] = bias ? eval->weight[1][c] : 0;
}

/* out[j] += sum over i of in[i] * matrix[i][j] */
static void add_row_products(double *restrict out, const double *in, const double *matrix, int64_t rows,
                             int64_t columns) {
  for (int64_t i = 0; i < rows; i++, matrix += columns)
    for (int64_t j = 0; j < columns; j++) out[j] += in[i] * matrix[j];
}

static void visit_gather(const Correlation *k, const Eval *eval, double *matrices, const Products *p) {
  add_row_products(eval->out + p->small, eval->in[0] + p->large, matrices + p->matrix, k->l, k->s);
}
static void visit_spread(const Correlation *k, const Eval *eval, double *matrices, const Products *p) {
  add_row_products(eval->out + p->large, eval->in[0] + p->small, matrices + p->matrix, k->s, k->l);
}
static void visit_weights(const Correlation *k, const Eval *eval, double *matrices, const Products *p) {
  const double *gradient = eval->in[1] + p->small, *in = eval->in[0] + p->large;
  double *row = matrices + p->matrix;
  for (int64_t s = 0; s < k->s; s++, row += k->l)
    for (int64_t l = 0; l < k->l; l++) row[l] += in[l] * gradient[s];
}

void correlation_eval_gather(const Eval *eval) {
  const Correlation k = correlation_of(eval->node);
  Arena *arena = arena_new();
  double *matrices = new_matrices(arena, &k);
  copy_weights(&k, true, eval->weight[0], matrices);
  start_output(eval, k.small);
  each_product(&k, eval, matrices, visit_gather);
  arena_free(arena);
}

void correlation_eval_spread(const Eval *eval) {
  const Correlation k = correlation_of(eval->node);
  Arena *arena = arena_new();
  double *matrices = new_matrices(arena, &k);
  copy_weights(&k, false, eval->weight[0], matrices);
  start_output(eval, k.large);
  each_product(&k, eval, matrices, visit_spread);
  arena_free(arena);
}

void correlation_eval_weights(const Eval *eval) {
  const Correlation k = correlation_of(eval->node);
  Arena *arena = arena_new();
  double *matrices = new_matrices(arena, &k);
  each_product(&k, eval, matrices, visit_weights);
  add_to_weights(&k, matrices, eval->out);
  arena_free(arena);
}

/* ---- reference nests ---- */
static bool fits_index(int64_t bound) { return bound <= INT32_MAX; }

/* A loop over the taps for index i of the small side. The loop may include taps outside of the large side, so
 * the caller must test for them. */
static const Ix *taps(Nest *b, const char *name, const Correlation *k, int axis, const Ix *i) {
  const int64_t K = k->kernel[axis], S = k->stride[axis], D = k->dilation[axis], P = k->before[axis];
  const int64_t large = extent_side(k->large, axis), small = extent_side(k->small, axis);
  const Ix lo[2] = {NEST_Z, NEST_Z + P - *i * S}, hi[2] = {NEST_Z + K, NEST_Z + large + P - *i * S};
  const bool sticks_out = (small - 1) * S + K - 1 - P >= large;
  const bool clip_lo = D == 1 && P > 0,
             clip_hi = D == 1 && sticks_out && fits_index(large + P + (small - 1) * S);
  return nest_loop(b, name, SERIAL, clip_lo ? 2 : 1, lo, clip_hi ? 2 : 1, hi);
}

/* A loop over the indices of the small side for one tap. The loop may include indices for which the tap is
 * outside of the large side, so the caller must test for them. */
static const Ix *places(Nest *b, const char *name, const Correlation *k, int axis, const Ix *tap) {
  const int64_t K = k->kernel[axis], S = k->stride[axis], D = k->dilation[axis], P = k->before[axis];
  const int64_t large = extent_side(k->large, axis), small = extent_side(k->small, axis);
  const Ix lo[2] = {NEST_Z, NEST_Z + P - *tap * D}, hi[2] = {NEST_Z + small, NEST_Z + large + P - *tap * D};
  const bool sticks_out = small - 1 + D * (K - 1) - P >= large;
  const bool clip_lo = S == 1 && P > 0, clip_hi = S == 1 && sticks_out && fits_index(large + P + D * (K - 1));
  return nest_loop(b, name, SERIAL, clip_lo ? 2 : 1, lo, clip_hi ? 2 : 1, hi);
}

#define TAPS(b, v, axis, i) for (const Ix v = *taps(b, #v, &k, axis, &i); nest_enter(b);)
#define PLACES(b, v, axis, tap) for (const Ix v = *places(b, #v, &k, axis, &tap); nest_enter(b);)

/* Dimensions of the weight, in the order of the indices from correlation_weight_index. */
static void weight_sizes(const Correlation *k, int64_t dim[4]) {
  const int64_t sizes[4] = {k->small.c, k->l, k->kernel[0], k->kernel[1]};
  memcpy(dim, sizes, sizeof sizes);
  if (k->rank == 3) dim[2] = dim[3];
  if (!k->taps) return;
  dim[0] = k->small.c * k->l;
  dim[1] = k->kernel[1];
}

/* The weights in natural order, with folded constants. spread: the output channels are the channels of the
 * large side. */
static Buf *natural_weights(Lower *l, const Correlation *k, bool spread) {
  int64_t dim[4];
  weight_sizes(k, dim);
  Pack *pack = lower_pack_weights(l, "weight", k->rank, dim);
  Nest *b = pack->nest;
  NEST_FOR(b, g, k->groups)
    NEST_FOR(b, s, k->s)
      NEST_FOR(b, c, k->l)
        NEST_FOR(b, ky, k->kernel[0])
          NEST_FOR(b, kx, k->kernel[1]) {
            Ix index[4];
            const Ix small = g * k->s + s, large = g * k->l + c;
            const int rank = correlation_weight_index(k, index, &small, &c, &ky, &kx);
            nest_store(b, nest_ref(b, pack->out, rank, index),
                       lower_packed_weight(l, pack, rank, index, spread ? &large : &small,
                                           spread ? &small : &large));
          }
  return lower_pack_done(l, pack);
}

/* whether there is a bias, or a folded constant that is added like a bias */
static bool has_bias(const Lower *l) {
  const Node *node = l->node;
  return (!node->hidden && node->nweights > 1 && node->weight[1]) ||
         (l->kernel->nscales && node_weight_elem(node) == F32) ||
         (l->kernel->normalize && l->kernel->normalize_shift);
}

Buf *correlation_bias_copies(Lower *l, const Correlation *k, bool spread, int64_t copies, int64_t padded) {
  if (!has_bias(l)) return NULL;
  const int64_t out = spread ? k->l : k->s, in = spread ? k->s : k->l, each = out * k->groups,
                total = copies * each, dim = padded > total ? padded : total;
  Pack *pack = lower_pack(l, "bias", 1, &dim);
  Nest *b = pack->nest;
  NEST_FOR(b, copy, copies)
    NEST_FOR(b, g, k->groups)
      NEST_FOR(b, c, out) {
        const Ix channel = g * out + c, first = g * in;
        nest_store(b, nest_at(b, pack->out, copy * each + channel),
                   lower_packed_bias(l, pack, &channel, &first));
      }
  if (dim > total)
    NEST_FROM(b, c, total, dim) nest_store(b, nest_at(b, pack->out, c), num(b, 0));
  return lower_pack_done(l, pack);
}

Buf *correlation_bias(Lower *l, const Correlation *k, bool spread, int64_t padded) {
  return correlation_bias_copies(l, k, spread, 1, padded);
}

/* The weights as [channels / sums][kernel][l][sums], for a loop that computes several channels of a group. */
static Buf *weights_of_sums(Lower *l, const Correlation *k, int64_t sums) {
  Pack *pack = lower_pack_weights(l, "weight", 5,
                                  (int64_t[]){k->small.c / sums, k->kernel[0], k->kernel[1], k->l, sums});
  Nest *b = pack->nest;
  NEST_FOR(b, g, k->groups)
    NEST_FOR(b, f, k->s / sums)
      NEST_FOR(b, ky, k->kernel[0])
        NEST_FOR(b, kx, k->kernel[1])
          NEST_FOR(b, c, k->l)
            NEST_FOR(b, u, sums) {
              Ix index[4];
              const Ix block = g * (k->s / sums) + f, small = block * sums + u, large = g * k->l + c;
              const int rank = correlation_weight_index(k, index, &small, &c, &ky, &kx);
              nest_store(b, nest_at(b, pack->out, block, ky, kx, c, u),
                         lower_packed_weight(l, pack, rank, index, &small, &large));
            }
  return lower_pack_done(l, pack);
}

/* The gather at position (y, x) of the small side, for `sums` channels of group g, starting with channel
 * `block * sums` of the small side. */
typedef struct Gather {
  Correlation k;
  int64_t sums;
  Buf *weights, *bias;
  Ix y, x, g, block;
} Gather;

static Val gathered_weight(Lower *l, const Gather *gather, const Ix *c, const Ix *ky, const Ix *kx, int u) {
  Nest *b = l->b;
  if (gather->sums > 1) return nest_load(b, nest_at(b, gather->weights, gather->block, *ky, *kx, *c, u), 1);
  Ix index[4];
  const int rank = correlation_weight_index(&gather->k, index, &gather->block, c, ky, kx);
  return nest_load(b, nest_ref(b, gather->weights, rank, index), 1);
}

static Buf *gather_sums(Lower *l, const Gather *gather) {
  const Correlation k = gather->k;
  const int sums = (int)gather->sums;
  Nest *b = l->b;
  Buf *sum = NEST_REGISTERS(b, "sum", 1, sums);
  for (int u = 0; u < sums; u++)
    nest_store(b, nest_at(b, sum, u),
               gather->bias ? nest_load(b, nest_at(b, gather->bias, gather->block * sums + u), 1)
                            : num(b, 0));
  TAPS(b, ky, 0, gather->y)
    TAPS(b, kx, 1, gather->x) {
      const Ix ly = gather->y * k.stride[0] + ky * k.dilation[0] - k.before[0];
      const Ix lx = gather->x * k.stride[1] + kx * k.dilation[1] - k.before[1];
      NEST_IF(b, cond_and(nest_within(b, ly, 0, k.large.h), nest_within(b, lx, 0, k.large.w)))
        NEST_FOR(b, c, k.l) {
          Val element = nest_load(b, nest_at(b, l->in[0], ly, lx, gather->g * k.l + c), 1);
          if (sums > 1) element = nest_let(b, "element", element);
          for (int u = 0; u < sums; u++)
            nest_accumulate(b, nest_at(b, sum, u), element, gathered_weight(l, gather, &c, &ky, &kx, u));
        }
    }
  return sum;
}

/* The convolution with a fused 2x2 pooling: the sums of a window remain in registers. */
static void gather_windows(Lower *l, Gather *gather) {
  enum { SIDE = 2 };
  const Correlation *k = &gather->k;
  const Node *pool = l->kernel->pool;
  const Extent e = shape_extent(pool->shape);
  const int sums = (int)gather->sums;
  Nest *b = l->b;
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, g, k->groups)
        NEST_FOR(b, f, k->s / sums) {
          Buf *window = NEST_REGISTERS(b, "window", 1, SIDE, SIDE, sums);
          NEST_FOR(b, r, SIDE)
            NEST_FOR(b, q, SIDE) {
              gather->y = SIDE * y + r;
              gather->x = SIDE * x + q;
              gather->g = g;
              gather->block = g * (k->s / sums) + f;
              Buf *sum = gather_sums(l, gather);
              for (int u = 0; u < sums; u++)
                nest_store(b, nest_at(b, window, r, q, u), nest_get(b, nest_at(b, sum, u)));
            }
          NEST_FOR(b, u, sums) {
            const Ix s = gather->block * sums + u;
            Val value[SIDE * SIDE];
            for (int i = 0; i < SIDE * SIDE; i++) {
              const Ix sy = SIDE * y + i / SIDE, sx = SIDE * x + i % SIDE;
              value[i] =
                  lower_finish(l, nest_get(b, nest_at(b, window, i / SIDE, i % SIDE, u)), &sy, &sx, &s, 1, 1);
            }
            lower_put(l, pool->op->traits.pool(value, SIDE * SIDE), &y, &x, &s, 1, 1);
          }
        }
}

void correlation_lower_gather(Lower *l) {
  const Correlation k = correlation_of(l->node);
  Gather gather = {.k = k, .sums = lower_sums(l, k.s)};
  gather.weights = gather.sums > 1 ? weights_of_sums(l, &k, gather.sums) : natural_weights(l, &k, false);
  gather.bias = correlation_bias(l, &k, false, 0);
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  if (l->kernel->pool) {
    gather_windows(l, &gather);
    return;
  }
  NEST_FOR(b, y, k.small.h)
    NEST_FOR(b, x, k.small.w)
      NEST_FOR(b, g, k.groups)
        NEST_FOR(b, f, k.s / gather.sums) {
          gather.y = y;
          gather.x = x;
          gather.g = g;
          gather.block = g * (k.s / gather.sums) + f;
          lower_store_sums(l, gather_sums(l, &gather), gather.sums, &y, &x, &gather.block);
        }
}

void correlation_lower_spread(Lower *l) {
  const Correlation k = correlation_of(l->node);
  Buf *w = natural_weights(l, &k, true), *bias = correlation_bias(l, &k, true, 0),
      *sums = lower_sums_in_memory(l);
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, k.large.h)
    NEST_FOR(b, x, k.large.w)
      NEST_FOR(b, c, k.large.c)
        nest_store(b, nest_at(b, sums, y, x, c), bias ? nest_load(b, nest_at(b, bias, c), 1) : num(b, 0));
  NEST_FOR(b, y, k.small.h)
    NEST_FOR(b, x, k.small.w)
      NEST_FOR(b, g, k.groups)
        NEST_FOR(b, f, k.s) {
          const Ix s = g * k.s + f;
          TAPS(b, ky, 0, y)
            TAPS(b, kx, 1, x) {
              const Ix ly = y * k.stride[0] + ky * k.dilation[0] - k.before[0],
                       lx = x * k.stride[1] + kx * k.dilation[1] - k.before[1];
              NEST_IF(b, cond_and(nest_within(b, ly, 0, k.large.h), nest_within(b, lx, 0, k.large.w)))
                NEST_FOR(b, c, k.l) {
                  Ix index[4];
                  const int rank = correlation_weight_index(&k, index, &s, &c, &ky, &kx);
                  nest_accumulate(b, nest_at(b, sums, ly, lx, g * k.l + c),
                                  nest_load(b, nest_at(b, l->in[0], y, x, s), 1),
                                  nest_load(b, nest_ref(b, w, rank, index), 1));
                }
            }
        }
  if (lower_finishes(l))
    NEST_FOR(b, y, k.large.h)
      NEST_FOR(b, x, k.large.w)
        NEST_FOR(b, c, k.large.c)
          lower_store(l, nest_load(b, nest_at(b, sums, y, x, c), 1), &y, &x, &c, 1, 1);
}

void correlation_lower_weights(Lower *l) {
  const Correlation k = correlation_of(l->node);
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  NEST_FOR(b, g, k.groups)
    NEST_FOR(b, f, k.s)
      NEST_FOR(b, c, k.l)
        NEST_FOR(b, ky, k.kernel[0])
          NEST_FOR(b, kx, k.kernel[1]) {
            Buf *sum = NEST_REGISTERS(b, "sum", 1, 1);
            const Ix s = g * k.s + f;
            nest_store(b, nest_at(b, sum, 0), num(b, 0));
            PLACES(b, y, 0, ky)
              PLACES(b, x, 1, kx) {
                const Ix ly = y * k.stride[0] + ky * k.dilation[0] - k.before[0],
                         lx = x * k.stride[1] + kx * k.dilation[1] - k.before[1];
                NEST_IF(b, cond_and(nest_within(b, ly, 0, k.large.h), nest_within(b, lx, 0, k.large.w)))
                  nest_accumulate(b, nest_at(b, sum, 0),
                                  nest_load(b, nest_at(b, l->in[0], ly, lx, g * k.l + c), 1),
                                  nest_load(b, nest_at(b, l->in[1], y, x, s), 1));
              }
            Ix index[4];
            const Ref element =
                nest_ref(b, l->out, correlation_weight_index(&k, index, &s, &c, &ky, &kx), index);
            nest_store(b, element, add(nest_get(b, nest_at(b, sum, 0)), nest_load(b, element, 1)));
          }
}

/* ---- the backward pass, parameters ---- */
void correlation_backward(Gradient *gradient, Node *node, Node *dy, const Op *input, const Op *weights) {
  Node *x = node->in[0];
  gradient_input(gradient, input, node, 1, &dy);
  Node *both_sides[2] = {x, dy};
  if (node->op->traits.transposed) {
    both_sides[0] = dy;
    both_sides[1] = x;
  }
  if (gradient_trained(gradient, node, 0)) gradient_sum(gradient, weights, node, 0, 2, both_sides);
  if (gradient_trained(gradient, node, 1)) gradient_sum(gradient, &op_channel_sum, node, 1, 1, &dy);
}

static bool correlation_parameters(ShapeContext *context, Node *node, const Correlation *k, int64_t outputs) {
  int64_t dim[4];
  weight_sizes(k, dim);
  const int64_t taps_ = k->kernel[0] * k->kernel[1]; /* too many taps: op_weight reports an error */
  const int64_t large = bounded_product(k->l, taps_), small = bounded_product(k->s, taps_);
  const bool transposed = node->op->traits.transposed;
  const int64_t fan_in = transposed ? small : large, fan_out = transposed ? large : small;
  node->weight = NEW_ARRAY(context->arena, Weight *, 2);
  node->nweights = 2;
  node->weight[0] = op_weight(context, node, "weight", k->rank, dim, "init", 0, fan_in, fan_out, true);
  if (!node->weight[0]) return false;
  if (!arg_bool(node, "bias")) return true;
  node->weight[1] = op_weight(context, node, "bias", 1, &outputs, "bias_init", 0, fan_in, fan_out, false);
  return node->weight[1] != NULL;
}

void correlation_shape(ShapeContext *context, Node *node, int64_t h, int64_t w, int64_t outputs) {
  node->shape = window_shape(node, h, w, outputs);
  const Correlation k = correlation_of(node);
  if (!correlation_parameters(context, node, &k, outputs)) node->shape = POISON;
}
