// map.c: Elementwise kernels, vectorized over channels or, with few channels, over several pixels.
// SPDX-License-Identifier: Apache-2.0
//
// Example: `x: 16x16x16 -> tanh` --target=x86-64-v3, lines 1-6 of tanh1:
//
//     static N_V3 void n_tanh1(const float (*restrict in)[16][16], float (*restrict out)[16][16]) {
//       for (int y = 0; y < 16; y++)
//         for (int x = 0; x < 16; x++)
//           for (int v = 0; v < 2; v++)
//             AT(v8, out[y][x][8*v]) = n_tanh_x8(LOAD(v8, in[y][x][8*v]));
//     }
#include "kernel/walk.h"
#include "schedule/schedule.h"

static void map_element(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  (void)context;
  lower_store(l, lower_root_map(l, y, x, c, part, lanes), y, x, c, part, lanes);
}

/* A row of pixels for one vector of channels: expressions that only depend on the channel (the square root
 * and the quotient of a batchnorm) are computed once per row. */
static void row(Lower *l, const Ix *y, const Ix *first, const Ix *c, int part, int lanes,
                const void *context) {
  Nest *b = l->b;
  (void)first;
  NEST_FOR(b, x, shape_extent(l->node->shape).w) map_element(l, y, &x, c, part, lanes, context);
}

static bool costly_channels(const Kernel *kernel) {
  bool costly = kernel->root->op->traits.fold == FOLD_SCALE;
  for (int i = 0; i < kernel->nchain; i++) costly = costly || kernel->chain[i]->op->traits.fold == FOLD_SCALE;
  return costly;
}

/* Whether loads convert the elements to floats (for example from bytes), and a vector has more lanes than
 * there are channels. If so, the kernel is built as scalar loops, which the C compiler vectorizes. */
static bool few_bytes(const Lower *l) {
  return l->in[0]->as_floats && shape_extent(l->node->shape).c < l->target->lanes;
}

/* Whether the buffer is an image without gaps between its pixels. */
static bool map_is_gapless(const Buf *buf) {
  return lower_pixels_touch(buf) && !buf->leads && buf->room[1] == buf->dim[1];
}

/* Whether n adjacent pixels can be computed as one pixel with all their channels; n is the number of lanes of
 * a vector. The kernel must be one function of one value, without parameters. */
static bool map_joins_pixels(const Lower *l) {
  const Extent e = shape_extent(l->node->shape);
  const int lanes = l->target->lanes;
  return lanes > 1 && e.c < lanes && e.h * e.w % lanes == 0 && l->images <= 1 && l->node->nin == 1 &&
         !l->node->nweights && !l->kernel->nchain && l->in[0] != l->out && map_is_gapless(l->in[0]) &&
         map_is_gapless(l->out);
}

static bool map_build(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const Ix zero = {0};
  if (map_joins_pixels(l)) {
    const Extent joined = lower_join_pixels(l, l->target->lanes);
    nest_fn(b, b->name, false);
    walk_pixels(l, joined, map_element, NULL);
    return true;
  }
  if (few_bytes(l)) {
    lower_plain_map(l);
    return true;
  }
  nest_fn(b, b->name, false);
  if (!costly_channels(l->kernel)) {
    walk_pixels(l, e, map_element, NULL);
    return true;
  }
  NEST_LOOP(b, y, walk_rows(l, e.h * e.w * e.c), 1, NEST_IX(0), 1, NEST_IX(e.h))
    walk_channels(l, e.c, &y, &zero, row, NULL);
  return true;
}

const Schedule schedule_map = {.name = "element by element",
                               .families = FAMILY_BIT(FAMILY_MAP),
                               .cycles = cost_kernel,
                               .build = map_build};
