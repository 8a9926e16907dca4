/* random_towers.c: Common trainable nets, 16 to 32 channels wide: convolutions with batchnorm in residual
 * blocks, or depthwise and 1x1 layers. In bf16, also wider convolutions before a pool, and grouped
 * convolutions. */
// SPDX-License-Identifier: Apache-2.0
#include "random.h"

/* Approximate multiply-adds of the stem and the first unit. */
enum { TOWER_MACS = 150000 };

static const char *tower_norm(Net *net) {
  static const char *const some[] = {"batchnorm", "batchnorm(epsilon=0.01)",
                                     "batchnorm(momentum=0.8, epsilon=0.01)"};
  return some[below(net, 3)];
}

static int64_t tower_channels(Net *net) {
  static const int64_t some[] = {16, 16, 17, 20, 24, 24, 31, 32, 32};
  return some[below(net, sizeof some / sizeof *some)];
}

/* Returns the text of a kernel size; *taps: number of elements of the kernel. */
static const char *tower_kernel(Net *net, int64_t *taps) {
  static const struct {
    const char *text;
    int64_t taps;
  } some[] = {{"3x3", 9}, {"3x3", 9}, {"3x3", 9}, {"5x5", 25}, {"1x3", 3}};
  const int64_t i = below(net, sizeof some / sizeof *some);
  *taps = some[i].taps;
  return some[i].text;
}

/* Each function writes `block unit(n, s=1)` and returns the multiply-adds per pixel. */
static int64_t make_residual(Net *net, int64_t c) { /* He et al., 2015; or with normalization first, 2016 */
  int64_t taps;
  const char *kernel = tower_kernel(net, &taps), *norm = tower_norm(net),
             *bend = chance(net, 70) ? "relu" : activation(net),
             *bias = chance(net, 70) ? ", bias=false" : "";
  if (chance(net, 65))
    text_put(&net->blocks,
             "block unit(n, s=1) {\n    conv(n, %s, stride=s, pad=same%s) -> %s -> %s\n    m = conv(n, %s, "
             "pad=same%s) -> %s\n",
             kernel, bias, norm, bend, kernel, bias, norm);
  else
    text_put(&net->blocks,
             "block unit(n, s=1) {\n    %s -> %s -> conv(n, %s, stride=s, pad=same%s)\n    m = %s -> %s -> "
             "conv(n, %s, pad=same%s)\n",
             norm, bend, kernel, bias, norm, bend, kernel, bias);
  text_put(&net->blocks,
           "    if s != 1 or in.channels != n { r = in -> conv(n, 1x1, stride=s%s) } else { r = in }\n",
           bias);
  if (chance(net, 80)) text_put(&net->blocks, "    m -> add(r) -> %s\n}\n", bend);
  else text_put(&net->blocks, "    m -> add(r)\n}\n");
  return 2 * taps * c * c;
}

static int64_t make_separable(Net *net,
                              int64_t c) { /* MobileNet: Howard et al., 2017; Sandler et al., 2018 */
  int64_t taps;
  const char *kernel = tower_kernel(net, &taps), *norm = tower_norm(net),
             *bend = chance(net, 50)   ? "relu6"
                     : chance(net, 50) ? "relu"
                                       : activation(net);
  if (chance(net, 50)) {
    text_put(&net->blocks,
             "block unit(n, s=1) {\n    depthwise(%s, stride=s, pad=same, bias=false) -> %s -> %s\n    "
             "conv(n, 1x1, bias=false) -> %s -> %s\n}\n",
             kernel, norm, bend, norm, bend);
    return c * (taps + c);
  }
  text_put(&net->blocks,
           "block unit(n, s=1) {\n    conv(2 * in.channels, 1x1, bias=false) -> %s -> %s\n    depthwise(%s, "
           "stride=s, pad=same, bias=false) -> %s -> %s\n",
           norm, bend, kernel, norm, bend);
  text_put(&net->blocks,
           "    m = conv(n, 1x1, bias=false) -> %s\n    if s == 1 and in.channels == n { m -> add(in) } else "
           "{ m }\n}\n",
           norm);
  return 2 * c * (taps + 2 * c);
}

/* As in VGG: convolution, relu, pool; with enough channels for the bf16 schedules. */
static void write_pooled(Net *net) {
  static const int64_t inputs[] = {32, 48, 64, 64}, some[] = {24, 32, 40, 64};
  const int64_t h = 2 * between(net, 1, 3), w = 2 * between(net, 2, 8);
  Value *v = &net->value[net->nvalues++];
  *v = (Value){.name = "x0", .id = ++net->ids, .shape = picture(h, w, inputs[below(net, 4)]), .size = 1};
  text_put(net->out, "    input x0: %s\n    conv(%lld, 3x3, pad=same) -> relu -> %s(2)\n",
           shape_words(net, v->shape), (long long)some[below(net, 4)],
           chance(net, 70) ? "maxpool" : "avgpool");
  if (chance(net, 50))
    text_put(net->out, "    conv(%lld, %s, pad=same) -> %s\n", (long long)some[below(net, 4)],
             chance(net, 50) ? "1x1" : "3x3", activation(net));
}

/* As in ResNeXt: convolutions in groups of few channels. */
static void write_groups(Net *net) {
  static const int64_t widths[] = {4, 8, 8, 8, 16};
  const int64_t width = widths[below(net, 5)], groups = between(net, 2, 5), c = width * groups,
                h = between(net, 3, 12), w = between(net, 3, 17);
  Value *v = &net->value[net->nvalues++];
  *v = (Value){.name = "x0", .id = ++net->ids, .shape = picture(h, w, 16), .size = 1};
  text_put(net->out, "    input x0: %s\n    conv(%lld, 1x1) -> %s\n", shape_words(net, v->shape),
           (long long)c, activation(net));
  for (int i = 0; i < 2; i++)
    text_put(net->out, "    conv(%lld, %s, pad=same, stride=%d, groups=%lld, bias=%s) -> %s\n", (long long)c,
             chance(net, 70) ? "3x3" : "1x5", chance(net, 30) ? 2 : 1, (long long)groups,
             chance(net, 50) ? "true" : "false", chance(net, 50) ? "relu" : tower_norm(net));
}

static void write_units(Net *net) {
  const int64_t c = tower_channels(net), stem = chance(net, 70) ? 3 : c,
                unit = (chance(net, 50) ? make_residual : make_separable)(net, c);
  const int64_t pixels = TOWER_MACS / (unit + 9 * stem * c), h = between(net, 3, 8), fits = pixels / h,
                w = fits < 3   ? 3
                    : fits > 9 ? 9
                               : fits;
  Value *v = &net->value[net->nvalues++];
  *v = (Value){.name = "x0", .id = ++net->ids, .shape = picture(h, w, stem), .size = 1};
  text_put(net->out, "    input x0: %s\n    conv(%lld, 3x3, pad=same, bias=false) -> %s -> relu\n",
           shape_words(net, v->shape), (long long)c, tower_norm(net));
  text_put(net->out, chance(net, 70) ? "    unit(%lld)\n" : "    unit(%lld, s=2)\n", (long long)c);
  if (chance(net, 50)) text_put(net->out, "    unit(%lld, s=2)\n", (long long)tower_channels(net));
}

void write_tower(Net *net) {
  if (net->halves && chance(net, 30)) write_groups(net);
  else if (net->halves && chance(net, 50)) write_pooled(net);
  else write_units(net);
  text_put(net->out, "    %s\n", chance(net, 70) ? "global_avgpool" : "flatten -> dropout(0.25)");
  becomes(net, vector(between(net, 2, 10)), 4);
  net->now.softmax = chance(net, 50);
  text_put(net->out, "    dense(%lld)%s\n", (long long)net->now.shape.c,
           net->now.softmax ? " -> softmax" : "");
}
