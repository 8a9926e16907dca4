// cost.c: Analytical cost model of kernels: multiply-adds, memory traffic of weights, transforms.
// SPDX-License-Identifier: Apache-2.0
//
// The target's row in target/target.c has the machine's throughput, and the fraction of this throughput that
// generated code reaches.
#include "schedule/cost.h"
#include <math.h>
#include "base/number.h"
#include "ops/registry.h"
#include "schedule/float/axis.h"
#include "schedule/float/phases.h"
#include "schedule/float/strassen.h"

static const double PANEL_VECTORS = 2; /* width of a register tile, in vectors of channels */

static double vectors(int64_t channels, int lanes) { return (double)((channels + lanes - 1) / lanes); }

/* Sets the memory from which weights are loaded, and the load time. If the net's weights fill more than half
 * of a cache, the other layers evict this layer's weights from that cache between two calls. */
static void set_memory(Cycles *c, const Target *t, double bytes, int64_t net_bytes) {
  const bool far = net_bytes > t->l3 / 2, near = net_bytes <= t->l2 / 2;
  c->weight_bytes = (int64_t)bytes;
  c->from = far ? "memory" : near ? "the L2 cache" : "the last-level cache";
  c->memory = bytes / (far ? t->memory_rate : near ? t->l2_rate : t->l3_rate);
}

static double far_rate(const Target *t,
                       double bytes) { /* rate at which data of `bytes` bytes is loaded, in bytes per cycle */
  return bytes > (double)t->l3 / 2 ? t->memory_rate : bytes <= (double)t->l2 / 2 ? t->l2_rate : t->l3_rate;
}

double cost_read(const Target *t, int64_t bytes) { return (double)bytes / far_rate(t, (double)bytes); }

static Cycles summed(Cycles c) {
  c.total = c.transforms + fmax(c.products, c.memory);
  return c;
}

Cycles cost_with_weights(Cycles c, const Target *t, int64_t own_bytes, int64_t weight_bytes) {
  set_memory(&c, t, (double)own_bytes, weight_bytes);
  return summed(c);
}

static double
taps_inside(const Correlation *k,
            int axis) { /* number of taps inside the input, summed over all outputs of the axis */
  const int64_t large = axis ? k->large.w : k->large.h, small = axis ? k->small.w : k->small.h;
  const int64_t stride = k->stride[axis];
  int64_t n = 0;
  for (int64_t tap = 0; tap < k->kernel[axis]; tap++) {
    const int64_t start = tap * k->dilation[axis] - k->before[axis];
    const int64_t from = larger(0, ceil_divide(-start, stride));
    const int64_t to = smaller(small, ceil_divide(large - start, stride));
    n += larger(to - from, 0);
  }
  return (double)n;
}

static double cost_taps(const Correlation *k) { return taps_inside(k, 0) * taps_inside(k, 1); }
static double weight_bytes_of(const Correlation *k) {
  return 4.0 * (double)(k->groups * k->s * k->l * k->kernel[0] * k->kernel[1]);
}

static double cost_padding(const Correlation *k) {
  return 1 - cost_taps(k) / ((double)(k->small.h * k->small.w) * (double)(k->kernel[0] * k->kernel[1]));
}

Cycles cost_direct(const Target *t, const Correlation *k, int64_t net_bytes) {
  Cycles c = {.products = cost_taps(k) * (double)(k->groups * k->l) * vectors(k->s, t->lanes) / t->fmas /
                          t->rates->direct};
  set_memory(&c, t, weight_bytes_of(k), net_bytes);
  return summed(c);
}

Cycles cost_pairs(Cycles c, const Target *t) {
  if (t->dots > 0) c.products /= t->dots;
  c.memory /= 2;
  c.weight_bytes /= 2;
  return summed(c);
}

Cycles cost_pair_tiles(Cycles c, const Target *t, double products) {
  c.products = products / t->rates->direct;
  c.memory /= 2;
  c.weight_bytes /= 2;
  return summed(c);
}

/* Measured cycles. TILE_SUM: to store and load a vector of sums; PADDED_VECTOR: to copy a vector of the
 * input, if the kernel is larger than 1x1. */
static const double TILE_SUM = 4, PADDED_VECTOR = 2;

Cycles cost_tiles(Cycles c, const Target *t, const Correlation *k, double products) {
  const bool copied = k->kernel[0] * k->kernel[1] > 1;
  c.transforms = TILE_SUM * (double)(k->small.h * k->small.w) * vectors(k->small.c, t->lanes);
  if (copied)
    c.transforms += PADDED_VECTOR * (double)(k->large.h * k->large.w) * vectors(k->large.c, t->lanes);
  return cost_pair_tiles(c, t, products);
}

Cycles cost_phases(const Target *t, const Correlation *k, int64_t net_bytes) {
  Correlation turned = *k; /* the sides' channel counts are exchanged, because the small side is the input */
  turned.l = k->s;
  turned.s = k->l;
  return cost_direct(t, &turned, net_bytes);
}

Cycles cost_joined(const Target *t, const Correlation *k, int64_t net_bytes) {
  const Correlation joined = joined_correlation(k);
  const double pieces =
      (double)(joined.small.h * joined.small.w * k->stride[0]) * vectors(k->stride[1] * k->l, t->lanes);
  Cycles c = cost_direct(t, &joined, net_bytes);
  c.transforms = t->rates->lane_store * pieces;
  return summed(c);
}

/* A group has one sum for each pair of an input channel and an output channel. Successive groups share a
 * vector of sums. At the end, the sums of each output are added; the lanes of all these sums except one must
 * be permuted first. */
Cycles cost_groups(const Target *t, const Correlation *k, int64_t net_bytes) {
  const int64_t n = smaller(k->l, k->s), wide = larger(k->l, k->s) / n;
  const double sums = vectors(k->groups * n, t->lanes) * (double)(n * wide);
  Cycles c = {.products = cost_taps(k) * sums / t->fmas / t->rates->direct,
              .transforms = 2 * (double)(k->small.h * k->small.w) * sums / t->fmas};
  set_memory(&c, t, weight_bytes_of(k), net_bytes);
  return summed(c);
}

static double taps_repeated(const Correlation *k, int axis,
                            int64_t factor) { /* like taps_inside, but taps that read the same input element
                                                 are merged and count as one */
  int64_t n = 0;
  for (int64_t r = 0; r < factor; r++) {
    const Axis a = axis_repeated(k, axis, factor, r);
    for (int64_t first = a.in_first; first < a.in_first + a.taps; first++)
      n += larger(smaller(a.count, a.in_size - first) - larger(0, -first), 0);
  }
  return (double)n;
}

Cycles cost_repeated(const Target *t, const Correlation *k, const int64_t factor[2], int64_t net_bytes) {
  const double products = taps_repeated(k, 0, factor[0]) * taps_repeated(k, 1, factor[1]);
  Cycles c = {.products = products * (double)(k->groups * k->l) * vectors(k->s, t->lanes) / t->fmas /
                          t->rates->direct};
  const int64_t packed = axis_repeated_taps(k, 0, factor[0]) * axis_repeated_taps(k, 1, factor[1]);
  set_memory(&c, t, 4 * (double)(k->groups * k->s * k->l * packed), net_bytes);
  return summed(c);
}

Cycles cost_columns(const Target *t, const Correlation *k, int64_t outputs, int64_t net_bytes) {
  const double rows = (double)k->small.h * vectors(k->small.w, t->lanes),
               filters = (double)(k->s * k->l * k->kernel[0] * k->kernel[1]);
  Cycles c = {.products = rows * filters / t->fmas / t->rates->direct,
              .transforms = t->rates->lane_store * (double)outputs};
  set_memory(&c, t, weight_bytes_of(k), net_bytes);
  return summed(c);
}

/* The tiles that cover the output. A tile has m outputs along each axis on which the kernel is longer than 1,
 * and one output along the other axes. */
typedef struct Tiles {
  double points, count; /* number of points of a tile; number of tiles */
  double transform;     /* time to transform a point, relative to a point of a 6x6 tile */
} Tiles;

static const double ROW_TRANSFORM = 2; /* Tiles.transform of tiles that are a row or a column (measured); most
                                          of the time is spent on scattered loads and stores */

static Tiles all_tiles(const Correlation *k, int m) {
  Tiles tiles = {1, 1, k->kernel[0] > 1 && k->kernel[1] > 1 ? 1 : ROW_TRANSFORM};
  for (int axis = 0; axis < 2; axis++) {
    const int64_t size = k->kernel[axis] > 1 ? (m - 1) * k->stride[axis] + 1 : 1;
    const WinogradTiles along = winograd_tiles(k, axis, extent_side(k->small, axis), m);
    tiles.points *= (double)(size + k->kernel[axis] - 1);
    tiles.count *= (double)(along.phases * along.each);
  }
  return tiles;
}

/* Measured cycles per vector of a group's sums, to call register tiles, and to initialize and store the sums.
 * Groups have few channels, so these cycles are a larger part of the time than without groups. */
static const double GROUP_SUM = 7;

/* Cycles per image of a convolution with Winograd, without loading the weights, if `images` images are
 * computed together. */
static Cycles winograd_work(const Target *t, const Correlation *k, int m, int64_t images) {
  const Tiles all = all_tiles(k, m);
  const double points = all.points, tiles = all.count, groups = (double)k->groups,
               in = vectors(k->groups * k->l, t->lanes), out = vectors(k->s, t->lanes);
  const bool far = k->large.h * k->large.w * k->large.c * 4 > t->l2;
  const double sums = (double)images * tiles * (out < PANEL_VECTORS ? out : PANEL_VECTORS),
               waits = fmax(t->chains / sums, 1);
  Cycles c = {.transforms = tiles *
                            (in * (far ? t->rates->far_input_tile : t->rates->input_tile) +
                             groups * out * t->rates->output_tile) *
                            all.transform * points / 36,
              .products =
                  points * tiles * groups * (double)k->l * out / t->fmas / t->rates->winograd * waits};
  if (k->groups > 1) c.transforms += GROUP_SUM * points * tiles * groups * out;
  return c;
}

static double winograd_weights_of(const Correlation *k, int m) { /* number of transformed weights */
  return all_tiles(k, m).points * (double)(k->groups * k->l * k->s);
}

/* With a stride, packed weights are many times larger than the original weights. Measurements show that this
 * fraction of their load time does not overlap with the multiply-adds. */
static const double WAITED_FOR_STRIDE = 0.5;

Cycles cost_winograd(const Target *t, const Correlation *k, int m, int64_t batch, int64_t net_bytes) {
  const double weights = winograd_weights_of(k, m);
  Cycles c = winograd_work(t, k, m, 1);
  if (batch) c.transforms += t->rates->packed_point * weights / (double)batch;
  set_memory(&c, t, 4 * weights, larger(net_bytes, 4 * (int64_t)weights));
  if (k->stride[0] > 1) c.transforms += WAITED_FOR_STRIDE * c.memory;
  return summed(c);
}

/* Cycles to transfer weights, transformed inputs and products to and from the last-level cache. conv_points.c
 * divides the tiles into blocks. A block reads all weights, and writes its transformed inputs and its
 * products; every bundle of filters reads the transformed inputs. If Blocking.strassen_tiles is 0, the inputs
 * and products of a large block fill about the whole second-level cache. They are then transferred, because
 * only half of that cache is free for them. If Blocking.strassen_tiles is above 0, measurements show that
 * inputs and products are transferred only if both conditions are true: a block fills more than half of the
 * second-level cache, and the image is larger than that cache. */
static double strassen_passed(const Target *t, double points, double tiles, double in, double out,
                              double image) {
  const Blocking *most = &t->blocking;
  const bool fixed = most->strassen_tiles > 0, one = !fixed && tiles <= (double)most->winograd_tiles;
  const double bundle = one ? out : fmin(out, (double)most->winograd_products),
               tile = 4 * points * (in + bundle),
               fit = fixed ? (double)most->strassen_tiles : fmax((double)most->winograd_block / tile, 1),
               block = one ? tiles : fmin(fit, tiles);
  double bytes = 4 * points * in * out * (ceil(tiles / block) - 1 + t->rates->strassen_first);
  if (block * tile > (double)t->l2 / 2 && !(fixed && image <= (double)t->l2))
    bytes += 4 * points * tiles * (in * (1 + ceil(out / bundle)) + 2 * out);
  return bytes / t->l3_rate;
}

Cycles cost_strassen(const Target *t, const Correlation *k, int parts, int64_t batch, int64_t net_bytes) {
  const double points = parts == 2 ? 7 : 49, tiles = (double)ceil_divide(k->small.h * k->small.w, parts),
               in = vectors(k->l / parts, t->lanes), out = vectors(k->s / parts, t->lanes),
               elements = (double)(k->l / parts * (k->s / parts));
  Cycles c = {.transforms = points * tiles * (t->rates->strassen_left * in + t->rates->strassen_result * out),
              .products = points * tiles * (double)(k->l / parts) * out / t->fmas / t->rates->strassen};
  if (batch) c.transforms += t->rates->packed_point * points * elements / (double)batch;
  set_memory(&c, t, 4 * points * elements, net_bytes);
  c.transforms += t->rates->strassen_loaded * c.memory +
                  strassen_passed(t, points, tiles, (double)(k->l / parts), (double)(k->s / parts),
                                  4 * (double)(k->large.h * k->large.w * k->large.c));
  return summed(c);
}

Cycles cost_weights(const Target *t, const Correlation *k) {
  const double large = vectors(k->l, t->lanes) * (double)k->s, small = vectors(k->s, t->lanes) * (double)k->l;
  const double elements = (double)(k->groups * k->l * k->s * k->kernel[0] * k->kernel[1]);
  const bool whole =
      k->kernel[0] * k->kernel[1] == 1 && large <= small; /* whether all stores are whole vectors */
  return summed((Cycles){.products = cost_taps(k) * (double)k->groups * (large < small ? large : small) /
                                     t->fmas / t->rates->direct,
                         .transforms = whole ? t->rates->row_sum * (double)k->groups * large
                                             : t->rates->lane_add * elements});
}

Cycles cost_groups_weights(const Target *t, const Correlation *k) {
  const int64_t n = smaller(k->l, k->s), wide = larger(k->l, k->s) / n;
  const double sums = vectors(k->groups * n, t->lanes) * (double)(n * wide),
               elements = (double)(k->groups * k->l * k->s * k->kernel[0] * k->kernel[1]);
  return summed(
      (Cycles){.products = cost_taps(k) * sums / t->fmas / t->rates->direct,
               .transforms = cost_taps(k) / (double)k->kernel[1] * sums + t->rates->lane_add * elements});
}

/* For a weight gradient: cycles to transform the tiles of an image to points, and to sum the products of the
 * points. */
static Cycles winograd_sums(const Target *t, const Correlation *k, int m) {
  const Tiles all = all_tiles(k, m);
  const double groups = (double)k->groups, large = groups * vectors(k->l, t->lanes),
               small = groups * vectors(k->s, t->lanes);
  return (Cycles){.products = all.points * all.count * (double)k->s * large / t->fmas / t->rates->winograd,
                  .transforms = all.count * (large * t->rates->input_tile + small * t->rates->output_tile) *
                                all.transform * all.points / 36};
}

/* For a weight gradient: cycles to transform the sums back, and to add them to the gradient. */
static double winograd_joined(const Target *t, const Correlation *k, int m) {
  const double elements = (double)(k->groups * k->l * k->s * k->kernel[0] * k->kernel[1]);
  return t->rates->joined_point * all_tiles(k, m).points * (double)(k->groups * k->s) *
             vectors(k->l, t->lanes) +
         t->rates->lane_add * elements;
}

int64_t cost_winograd_lines(const Target *t, const Correlation *k, int m) {
  const int64_t rows = winograd_tiles(k, 0, k->small.h, m).each,
                width = winograd_tiles(k, 1, k->small.w, m).each,
                bytes = 4 * (int64_t)all_tiles(k, m).points * width * k->groups * (k->l + k->s),
                most = larger(t->blocking.winograd_block / bytes, 1);
  return ceil_divide(rows, ceil_divide(rows, smaller(rows, most)));
}

Cycles cost_winograd_weights(const Target *t, const Correlation *k, int m) {
  const int64_t rows = winograd_tiles(k, 0, k->small.h, m).each;
  Cycles c = winograd_sums(t, k, m);
  c.transforms += winograd_joined(t, k, m) * (double)ceil_divide(rows, cost_winograd_lines(t, k, m));
  return summed(c);
}

double cost_passed(const Target *t, double bytes, int64_t batch) {
  return 2 * bytes / fmin(t->l3_rate, far_rate(t, (double)batch * bytes));
}

static double values_passed(const Target *t, const Correlation *k, int64_t batch) {
  const double bytes =
      4 * (double)(k->large.h * k->large.w * k->large.c + k->small.h * k->small.w * k->small.c);
  return cost_passed(t, bytes, batch);
}

/* Each panel of output channels reads all inputs, from the cache or memory that holds the inputs of all
 * images. Each block of input channels reads and writes the sums. */
Cycles cost_rows(const Target *t, const Correlation *k, bool spread, bool turned, int64_t batch,
                 int64_t net_bytes) {
  const Extent in = spread ? k->small : k->large, out = spread ? k->large : k->small;
  const double filters = vectors(out.c, t->lanes), panels = ceil(filters / PANEL_VECTORS),
               taps_ = (double)(k->kernel[0] * k->kernel[1]),
               block = (double)t->blocking.rows_panel / (4 * taps_ * PANEL_VECTORS * t->lanes),
               in_bytes = 4 * (double)(in.h * in.w * in.c), sums = (double)(out.h * out.w) * filters;
  Cycles c = {.products = cost_taps(k) * (double)in.c * filters / t->fmas / t->rates->direct,
              .transforms = panels * in_bytes / far_rate(t, (double)batch * in_bytes) +
                            t->rates->row_sum * sums * ceil((double)in.c / block) +
                            values_passed(t, k, batch)};
  set_memory(&c, t, weight_bytes_of(k), net_bytes);
  c.memory /= (double)batch;
  if (turned) c.transforms += t->rates->turned_weight * weight_bytes_of(k) / 4 / (double)batch;
  return summed(c);
}

/* If the gradients are in a cache, loading and storing them overlaps with the additions and costs nothing. */
double cost_gradient_sums(const Target *t, const Correlation *k, int64_t net_bytes) {
  return net_bytes > t->l3 / 2 ? 2 * weight_bytes_of(k) / t->memory_rate : 0;
}

Cycles cost_rows_weights(const Target *t, const Correlation *k, int64_t batch, int64_t net_bytes) {
  const double pixels = (double)(k->large.h * k->large.w), width = PANEL_VECTORS * t->lanes,
               large = vectors(k->l, t->lanes), images = floor(fmax((double)t->l1 / (4 * width * pixels), 1)),
               blocks = ceil((double)batch / images), elements = weight_bytes_of(k) / 4;
  Cycles c = {.products = cost_taps(k) * (double)k->s * large / t->fmas / t->rates->direct,
              .transforms =
                  t->rates->row_sum * pixels * large +
                  (t->rates->turned_weight * elements * blocks + cost_gradient_sums(t, k, net_bytes)) /
                      (double)batch};
  return summed(c);
}

/* Each block of images reads all weights. */
Cycles cost_winograd_rows(const Target *t, const Correlation *k, int m, bool packs, int64_t batch,
                          int64_t net_bytes) {
  const double weights = winograd_weights_of(k, m), tiles = all_tiles(k, m).count,
               blocks = ceil((double)batch / fmax(floor((double)t->blocking.winograd_tiles / tiles), 1));
  Cycles c = winograd_work(t, k, m, batch);
  c.transforms += values_passed(t, k, batch);
  if (packs) c.transforms += t->rates->packed_point * weights / (double)batch;
  set_memory(&c, t, 4 * weights, larger(net_bytes, 4 * (int64_t)weights));
  c.memory *= blocks / (double)batch;
  return summed(c);
}

int64_t cost_winograd_images(const Target *t, const Correlation *k, int m, int64_t batch) {
  const Tiles all = all_tiles(k, m);
  const double bytes = 4 * all.points * all.count * (double)(k->groups * (k->l + k->s)),
               share = (double)t->l3 / 4;
  const int64_t most = larger((int64_t)fmin(share / bytes, (double)batch), 1);
  return ceil_divide(batch, ceil_divide(batch, most));
}

Cycles cost_winograd_rows_weights(const Target *t, const Correlation *k, int m, int64_t batch,
                                  int64_t net_bytes) {
  const double images = (double)cost_winograd_images(t, k, m, batch), blocks = ceil((double)batch / images);
  Cycles c = winograd_sums(t, k, m);
  c.transforms += values_passed(t, k, batch) +
                  (winograd_joined(t, k, m) + cost_gradient_sums(t, k, net_bytes)) * blocks / (double)batch;
  return summed(c);
}

Cycles cost_stream(const Target *t, int64_t macs, int64_t value_bytes, int64_t own_bytes, int64_t net_bytes) {
  Cycles c = {.products = (double)macs / t->lanes / t->fmas / t->rates->plain};
  set_memory(&c, t, (double)own_bytes, net_bytes);
  c.memory += (double)value_bytes / t->l2_rate;
  return summed(c);
}

Cycles cost_together(const Target *t, int64_t macs, int64_t own_bytes, int64_t batch, int64_t net_bytes) {
  Cycles c = {.products = (double)macs / t->lanes / t->fmas / t->rates->together};
  set_memory(&c, t, (double)own_bytes, net_bytes);
  c.memory /= (double)batch;
  return summed(c);
}

/* Strassen adds quarters of the matrices. Quarters of the weights (in a weight gradient: of the products) are
 * added once per batch, quarters of the values once per image. In an input gradient, the additions of the
 * weights take longer, because the sums of a panel do not fit in the first-level cache. */
Cycles cost_dense_strassen(const Target *t, const Node *node, int64_t batch, int64_t net_bytes) {
  const Family family = node->op->family;
  const Node *forward = node_forward(node);
  const double inputs = (double)shape_row_elements(forward->in[0]->shape),
               units = (double)shape_row_elements(forward->shape), macs = inputs * units,
               each = family == FAMILY_DENSE_INPUT ? 2 : 0.5;
  const int64_t unit = 2 * (family == FAMILY_DENSE         ? STRASSEN_VECTORS * (int64_t)t->lanes
                            : family == FAMILY_DENSE_INPUT ? t->blocking.dense_rows
                                                           : 1),
                images = ceil_divide(batch, unit) *
                         unit; /* number of images, including images of zeros that fill the last tile */
  Cycles c = {.products =
                  7.0 / 8 * macs * (double)images / (double)batch / t->lanes / t->fmas / t->rates->together,
              .transforms = each * macs / t->lanes / (double)batch + 8 * (inputs + units) / t->lanes};
  set_memory(&c, t, 4 * macs, net_bytes);
  c.memory /= (double)batch;
  return summed(c);
}

Cycles cost_kernel(const Lower *l, const Target *target, const Choice *choice) {
  (void)choice;
  const Node *root = l->node;
  int64_t weights = 0, values = shape_row_elements(l->kernel->result->shape);
  for (int k = 0; k < root->nweights; k++) weights += root->weight[k] ? root->weight[k]->size : 0;
  for (int k = 0; k < root->nin; k++) values += shape_row_elements(root->in[k]->shape);
  const int64_t window = root->window ? root->window->kernel[0] * root->window->kernel[1] : 1;
  const int64_t elements = shape_row_elements(root->shape);
  const int64_t macs = root->op->cost ? node_macs(root) : bounded_product(window, elements);
  return cost_stream(target, macs, 4 * values, 4 * weights, l->weight_bytes);
}

void cost_padding_detail(Lower *l, const Correlation *k) {
  const Family family = l->node->op->family;
  const bool skips = family == FAMILY_CONV || family == FAMILY_DEPTHWISE;
  const double share = skips ? cost_padding(k) : 0;
  if (share > 0.0005)
    lower_detail(l, "padding: %.1f %% of the taps are in the padding and are skipped", 100 * share);
}
