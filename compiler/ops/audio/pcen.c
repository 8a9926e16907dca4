/* pcen.c: pcen, per-channel energy normalization (Wang et al., 2017), as librosa.pcen. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "ops/audio/audio.h"

static const Param params[] = {
    {"smooth", PARAM_NUMBER, "0.025", "weight of the new row in the running mean", 0, 1, NULL},
    {"gain", PARAM_NUMBER, "0.98", "exponent of the running mean", 0, 1e6, NULL},
    {"bias", PARAM_NUMBER, "2", "added before the root; above 0", 0, 1e6, NULL},
    {"power", PARAM_NUMBER, "0.5", "exponent of the root; above 0", 0, 1e6, NULL},
    {"epsilon", PARAM_NUMBER, "1e-6", "added to the running mean; above 0", 0, 1e6, NULL},
    {0}};

static void shape(ShapeContext *context, Node *node) {
  static const char *const positive[] = {"bias", "power", "epsilon"};
  if (!audio_sequence(context, node, false)) return;
  for (int i = 0; i < 3; i++)
    if (!((float)arg_number(node, positive[i]) > 0)) {
      op_error_at(context, node, positive[i], DIAG_bad_value, "%s of pcen is %s, but must be above 0",
                  positive[i], text_float(context->arena, arg_number(node, positive[i])));
      return;
    }
  node->shape = node->in[0]->shape;
}

static void run(const Eval *eval) {
  const Node *node = eval->node;
  const Extent e = shape_extent(node->shape);
  const double smooth = arg_number(node, "smooth"), gain = arg_number(node, "gain"),
               bias = arg_number(node, "bias"), power = arg_number(node, "power"),
               epsilon = arg_number(node, "epsilon");
  for (int64_t c = 0; c < e.c; c++) {
    double mean = 1;
    for (int64_t t = 0; t < e.w; t++) {
      const double x = eval->in[0][t * e.c + c];
      mean = (1 - smooth) * mean + smooth * x;
      eval->out[t * e.c + c] = pow(x / pow(epsilon + mean, gain) + bias, power) - pow(bias, power);
    }
  }
}

static Val raise_to(Val x, double exponent) {
  return exponent == 0.5 ? vsqrt(x) : vexp(mul(vlog(x), num(x->nest, exponent)));
}

static void pcen_body(Lower *l, const Ix *y, const Ix *none, const Ix *c, int part, int lanes,
                      const void *context) {
  (void)none;
  Nest *b = l->b;
  const Node *node = context;
  const double smooth = arg_number(node, "smooth"), bias = arg_number(node, "bias"),
               power = arg_number(node, "power");
  Buf *mean = NEST_REGISTERS(b, "mean", lanes, 1);
  const Ref at = nest_at(b, mean, 0);
  nest_store(b, at, num(b, 1));
  NEST_FOR(b, t, shape_extent(node->shape).w) {
    Val x = nest_let(b, "x", walk_load(l, l->in[0], y, &t, c, part, lanes));
    nest_store(b, at, add(mul(num(b, 1 - smooth), nest_get(b, at)), mul(num(b, smooth), x)));
    Val scale =
        raise_to(add(num(b, arg_number(node, "epsilon")), nest_get(b, at)), -arg_number(node, "gain"));
    lower_store(l, sub(raise_to(fma_(x, scale, num(b, bias)), power), num(b, pow(bias, power))), y, &t, c,
                part, lanes);
  }
}

static void lower(Lower *l) {
  const Ix top = {0};
  nest_fn(l->b, l->b->name, false);
  walk_channels(l, shape_extent(l->node->shape).c, &top, &top, pcen_body, l->node);
}

const Op op_pcen = {
    .name = "pcen",
    .group = "audio",
    .summary = "per-channel energy normalization of a sequence",
    .detail =
        "m[t] = (1 - smooth)*m[t-1] + smooth*x[t], m[-1] = 1; y = (x/(epsilon + m)^gain + bias)^power - "
        "bias^power; as librosa.pcen. No gradient passes",
    .params = params,
    .example = "stft(512, 160) -> mel(40, 16000) -> pcen",
    .traits.front_end = true,
    .traits.needs_axes = true,
    .traits.features = true,
    .shape = shape,
    .eval = run,
    .lower = lower,
};
