// conv.c: Convolution (as in all frameworks: a cross-correlation), and the gradients of its input and weight.
// SPDX-License-Identifier: Apache-2.0
//
// out[y][x][f] = bias[f] + sum over ky, kx, c of in[y*S + ky*D - P][x*S + kx*D - P][c] * weight[f][c][ky][kx]
//
// with S the stride, D the dilation and P the padding at the start of each axis; elements outside the input
// are zeros.
// With G groups, channels and filters are divided into G parts, and each part of the filters reads only its
// part of the channels (Krizhevsky et al., 2012).
#include "ops/convolution/correlation.h"
#include "kernel/window.h"

/* A direct convolution can also compute the pooling after it if each output of the convolution is a sum of at
 * most this number of terms. Fusing saves a pass over the result. This pass takes 4 to 43 % of the time of
 * convolution and pooling for up to 64 terms, and 0 to 4 % for 256 to 512 terms, but more for 5x5 kernels
 * with stride 2. (Measured with AVX-512, one thread, windows from 1x1 to 7x7, 16 to 512 filters.) With more
 * than 512 terms, fusing saves nothing. A pooled convolution reads all its weights for each row of the
 * result, so it is 2x slower if the weights exceed the cache. */
enum { MOST_TERMS_POOLED = 512 };

static const Param params[] = {
    {"filters", PARAM_INT, NULL, "output channels", 0, 0, NULL},
    {"kernel", PARAM_WINDOW, NULL, "size of the window: N, HxW or [h, w]; for a sequence, one number N", 0, 0,
     NULL},
    {"stride", PARAM_WINDOW, "1", "step from one window to the next", 0, 0, NULL},
    {"pad", PARAM_PAD, "valid",
     "zeros around an image: valid, same, N, [h, w] or [top, bottom, left, right]; a sequence: valid, same, "
     "causal, N or [before, after]",
     0, 0, NULL},
    {"dilation", PARAM_WINDOW, "1", "step from one element of the window to the next", 0, 0, NULL},
    {"groups", PARAM_INT, "1", "number of channel groups; each group is convolved separately", 0, 0, NULL},
    {"bias", PARAM_BOOL, "true", "adds a trained constant per filter", 0, 0, NULL},
    {"init", PARAM_INIT, "he",
     "initial weights; a literal kernel such as [[1, 0, -1], [2, 0, -2], [1, 0, -1]] initializes every "
     "filter; add frozen=true to exclude the filters from training",
     0, 0, NULL},
    {"bias_init", PARAM_INIT, "zeros", "initial bias", 0, 0, NULL},
    {0},
};

static void shape(ShapeContext *context, Node *node) {
  Extent out;
  if (!op_window(context, node, &out)) return;
  const int64_t filters = arg_int(node, "filters"), channels = shape_extent(node->in[0]->shape).c;
  if (!window_groups_fit(context, node, channels, filters)) return;
  correlation_shape(context, node, out.h, out.w, filters);
}

static const Op op_conv_input_gradient = {
    .name = "conv input gradient",
    .family = FAMILY_CONV_SCATTER,
    .traits.product = true,
    .cost = correlation_cost,
    .eval = correlation_eval_spread,
    .lower = correlation_lower_spread,
};
static const Op op_conv_weight_gradient = {
    .name = "conv weight gradient",
    .family = FAMILY_CONV_WEIGHTS,
    .traits.product = true,
    .cost = correlation_cost,
    .eval = correlation_eval_weights,
    .lower = correlation_lower_weights,
};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  correlation_backward(gradient, node, dy, &op_conv_input_gradient, &op_conv_weight_gradient);
}

/* Whether the convolution can also compute this pooling. The pooling must have 2x2 windows, without overlap
 * and without padding. The convolution needs few terms (MOST_TERMS_POOLED), or a window and strides for which
 * there are Winograd schedules. */
static bool fuses_pool(const Node *node, const Node *pool) {
  const Correlation k = correlation_of(node);
  if (correlation_near_limits(&k) || node->shape.regions) return false;
  const Window *w = pool->window;
  const Extent e = shape_extent(pool->shape);
  const bool winograd = k.kernel[0] == k.kernel[1] && (k.kernel[0] == 3 || k.kernel[0] == 5) &&
                        k.stride[0] == 1 && k.stride[1] == 1 && k.dilation[0] == 1 && k.dilation[1] == 1;
  const int64_t terms = k.kernel[0] * k.kernel[1] * k.l;
  bool halves = k.groups == 1 && (winograd || terms <= MOST_TERMS_POOLED) && 2 * e.h <= k.small.h &&
                2 * e.w <= k.small.w;
  for (int axis = 0; axis < 2; axis++)
    halves = halves && w->kernel[axis] == 2 && w->stride[axis] == 2 && w->dilation[axis] == 1 &&
             w->before[axis] == 0;
  return halves && pool->op->traits.pool;
}

/* A gate (squeeze and excitation) before a 1x1 convolution can scale the weights instead of the input. But
 * weights are read from slower memory than values that were just computed. With 2.5 pixels per filter,
 * scaling the weights is 1 or 2 % slower than scaling the input (14x14, 480 channels to 80 filters). A layer
 * with 4 pixels per filter and the layer before it are together 3 % faster if the weights are scaled; with 20
 * pixels per filter (28x28), 4 % faster (AVX-512, one thread). */
enum { PIXELS_A_FILTER = 4 };

static bool fuses_gate(const Node *node) {
  const Correlation k = correlation_of(node);
  return correlation_pointwise(&k) && k.groups == 1 && k.l > 1 &&
         PIXELS_A_FILTER * k.s <= k.small.h * k.small.w && !node->shape.regions &&
         !correlation_near_limits(&k);
}

/* ---- after an upsampling: in[0] is the upsampling's input, and `large` the upsampled image ---- */
static void eval_repeated(const Eval *eval) {
  const Extent in = shape_extent(eval->node->in[0]->shape), large = correlation_of(eval->node).large;
  Arena *arena = arena_new();
  double *repeated = NEW_ARRAY(arena, double, large.h *large.w *large.c);
  for (int64_t y = 0; y < large.h; y++)
    for (int64_t x = 0; x < large.w; x++)
      for (int64_t c = 0; c < large.c; c++)
        repeated[(y * large.w + x) * large.c + c] =
            eval->in[0][(y * in.h / large.h * in.w + x * in.w / large.w) * in.c + c];
  Eval of = *eval;
  of.in = (const double *[]){repeated};
  correlation_eval_gather(&of);
  arena_free(arena);
}

/* This operator has no reference schedule, because it is only created for a schedule that supports its
 * sizes. */
static const Op op_conv_repeated = {
    .name = "upsample + conv",
    .params = params,
    .family = FAMILY_CONV_REPEATED,
    .traits.product = true,
    .traits.layer_part = true,
    .cost = correlation_cost,
    .eval = eval_repeated,
};

const Op op_conv = {
    .name = "conv",
    .group = "convolution",
    .summary = "convolution of an image or a sequence",
    .params = params,
    .example = "conv(16, 3x3, pad=same)",
    .detail = "out[y][x][f] = bias[f] + sum over ky, kx, c of in[y*S + ky*D - P][x*S + kx*D - P][c] * "
              "weight[f][c][ky][kx]",
    .family = FAMILY_CONV,
    .traits.product = true,
    .traits.row_local = true,
    .traits.needs_axes = true,
    .shape = shape,
    .cost = correlation_cost,
    .eval = correlation_eval_gather,
    .gradient = gradient,
    .lower = correlation_lower_gather,
    .traits.after_repeats = &op_conv_repeated,
    .traits.fuses_pool = fuses_pool,
    .traits.fuses_gate = fuses_gate,
    .traits.int8 = INT8_PRODUCT,
    .traits.stream = STREAM_WINDOW,
};
