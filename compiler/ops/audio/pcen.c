/* pcen.c: pcen, per-channel energy normalization (Wang et al., 2017), as in librosa.pcen. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "kernel/map.h"
#include "ops/audio/audio.h"
#include "ops/registry.h"
#include "ops/shape/stream_mask.h"

static const Param params[] = {
    {"smooth", PARAM_NUMBER, "0.025", "weight of the new row in the running mean", 0, 1, NULL},
    {"gain", PARAM_NUMBER, "0.98", "exponent of the running mean", 0, 1e6, NULL},
    {"bias", PARAM_NUMBER, "2", "constant added before the power is taken; must be above 0", 0, 1e6, NULL},
    {"power", PARAM_NUMBER, "0.5", "exponent; 0.5 is a square root; must be above 0", 0, 1e6, NULL},
    {"epsilon", PARAM_NUMBER, "1e-6", "constant added to the running mean; must be above 0", 0, 1e6, NULL},
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

static double next_mean(const Node *node, double mean, double x) {
  const double smooth = arg_number(node, "smooth");
  return (1 - smooth) * mean + smooth * x;
}

static double with_gain(const Node *node, double x, double mean) {
  const double bias = arg_number(node, "bias"), power = arg_number(node, "power");
  return pow(x / pow(arg_number(node, "epsilon") + mean, arg_number(node, "gain")) + bias, power) -
         pow(bias, power);
}

static void run(const Eval *eval) {
  const Extent e = shape_extent(eval->node->shape);
  for (int64_t c = 0; c < e.c; c++) {
    double mean = 1;
    for (int64_t t = 0; t < e.w; t++) {
      const double x = eval->in[0][t * e.c + c];
      mean = next_mean(eval->node, mean, x);
      eval->out[t * e.c + c] = with_gain(eval->node, x, mean);
    }
  }
}

static Val raise_to(Val x, double exponent) {
  return exponent == 0.5 ? vsqrt(x) : vexp(mul(vlog(x), num(x->nest, exponent)));
}

static Val next_mean_value(Nest *b, const Node *node, Val mean, Val x) {
  const double smooth = arg_number(node, "smooth");
  return add(mul(num(b, 1 - smooth), mean), mul(num(b, smooth), x));
}

/* Returns x, or y where `of` is 0. x is a quotient that is undefined where `of` is 0, and y is the limit of
 * this quotient. */
static Val unless_zero(Nest *b, Val of, Val x, Val y) { return choose(less_eq(vabs(of), num(b, 0)), y, x); }

/* Sets `exponent` to power * log1p(a/bias), and returns bias^power * expm1(exponent). The result is accurate
 * for small exponents, even where 1 + a/bias is rounded to 1. */
static Val small_difference(Nest *b, Val a, double bias, double power, Val *exponent) {
  Val u = nest_let(b, "part", mul(a, num(b, 1 / bias))), whole = nest_let(b, "whole", add(num(b, 1), u)),
      kept = nest_let(b, "kept", sub(whole, num(b, 1)));
  Val v = nest_let(b, "exponent",
                   mul(num(b, power), unless_zero(b, kept, mul(vlog(whole), div_(u, kept)), u))),
      e = nest_let(b, "factor", vexp(v)), more = nest_let(b, "more", sub(e, num(b, 1)));
  *exponent = v;
  return mul(num(b, pow(bias, power)), unless_zero(b, more, mul(more, div_(v, vlog(e))), v));
}

/* (a + bias)^power - bias^power, without the cancellation of the difference where a is small. */
static Val power_difference(Nest *b, Val a, double bias, double power) {
  static const double LARGE = 0x1p60;
  Val direct = sub(raise_to(add(a, num(b, bias)), power), num(b, pow(bias, power))), exponent;
  if (power == 0.5)
    return choose(less(a, num(b, LARGE)), div_(a, add(vsqrt(add(a, num(b, bias))), num(b, sqrt(bias)))),
                  direct);
  Val small = small_difference(b, a, bias, power, &exponent);
  return choose(less(vabs(exponent), num(b, 1)), small, direct);
}

static Val with_gain_value(Nest *b, const Node *node, Val x, Val mean) {
  Val scale = raise_to(add(num(b, arg_number(node, "epsilon")), mean), -arg_number(node, "gain"));
  return power_difference(b, nest_let(b, "gained", mul(x, scale)), arg_number(node, "bias"),
                          arg_number(node, "power"));
}

static void pcen_body(Lower *l, const Ix *y, const Ix *none, const Ix *c, int part, int lanes,
                      const void *context) {
  (void)none;
  Nest *b = l->b;
  const Node *node = context;
  Buf *mean = NEST_REGISTERS(b, "mean", lanes, 1);
  const Ref at = nest_at(b, mean, 0);
  nest_store(b, at, num(b, 1));
  NEST_FOR(b, t, shape_extent(node->shape).w) {
    Val x = nest_let(b, "x", walk_load(l, l->in[0], y, &t, c, part, lanes));
    nest_store(b, at, next_mean_value(b, node, nest_get(b, at), x));
    lower_store(l, with_gain_value(b, node, x, nest_get(b, at)), y, &t, c, part, lanes);
  }
}

static void lower(Lower *l) {
  const Ix top = {0};
  nest_fn(l->b, l->b->name, false);
  walk_channels(l, shape_extent(l->node->shape).c, &top, &top, pcen_body, l->node);
}

/* ---- steps of a stream: the means of all rows, starting from the last mean of the previous call ---- */
/* Whether the node also reads the number of earlier calls, because its first rows may be before the start of
 * the stream. If so, its inputs are x, the number of earlier calls, and the mean of the previous row. */
static bool mean_counts(const Node *node) { return node->nin == 3; }

static void mean_run(const Eval *eval) {
  const Node *node = eval->node;
  const Extent e = shape_extent(node->shape);
  const double first = mean_counts(node) ? stream_first_row(eval, node->detail) : 0;
  for (int64_t c = 0; c < e.c; c++) {
    double mean = eval->in[node->nin - 1][c];
    for (int64_t t = 0; t < e.w; t++) {
      if (first + (double)t >= 0) mean = next_mean(node, mean, eval->in[0][t * e.c + c]);
      eval->out[t * e.c + c] = mean;
    }
  }
}

static void mean_body(Lower *l, const Ix *y, const Ix *none, const Ix *c, int part, int lanes,
                      const void *context) {
  Nest *b = l->b;
  const Node *node = context;
  Buf *mean = NEST_REGISTERS(b, "mean", lanes, 1);
  const Ref at = nest_at(b, mean, 0);
  nest_store(b, at, walk_load(l, l->in[node->nin - 1], y, none, c, part, lanes));
  NEST_FOR(b, t, shape_extent(l->node->shape).w) {
    Val x = walk_load(l, l->in[0], y, &t, c, part, lanes),
        next = next_mean_value(b, node, nest_get(b, at), x);
    if (mean_counts(node))
      next = choose(less(stream_row_number(l, node->detail, &t), num(b, 0)), nest_get(b, at), next);
    nest_store(b, at, next);
    lower_store(l, nest_get(b, at), y, &t, c, part, lanes);
  }
}

static void mean_lower(Lower *l) {
  const Ix top = {0};
  nest_fn(l->b, l->b->name, false);
  walk_channels(l, shape_extent(l->node->shape).c, &top, &top, mean_body, l->node);
}

static const Op op_pcen_mean = {.name = "pcen mean",
                                .params = params,
                                .traits.per_image = true,
                                .traits.layer_part = true,
                                .eval = mean_run,
                                .lower = mean_lower};

MAP_EVAL(gain_eval) { return with_gain(node, x[0], x[1]); }
MAP_VALUE(gain_map) { return with_gain_value(m->b, m->node, m->x[0], m->x[1]); }

static const Op op_pcen_gain = {
    .name = "pcen gain", .params = params, MAP_OPERATOR, .map_eval = gain_eval, .map = gain_map};

static Node *keep(Graph *graph, Node *layer, Node *calls, int64_t rows, int64_t offset) {
  const Shape shape = layer->shape;
  Node *x = layer->in[0], *state = state_hidden(graph, arena_printf(graph->arena, "%s.mean", layer->name),
                                                shape_sequence(1, shape.dim[1]), F32, NULL, 1);
  StreamRow *row = NEW(graph->arena, StreamRow);
  *row = (StreamRow){rows, offset};
  state->span = layer->span;
  state->site = layer->site;
  Node *mean = graph_part(graph, layer, &op_pcen_mean, "mean", shape, calls ? 3 : 2,
                          calls ? (Node *[]){x, calls, state} : (Node *[]){x, state});
  mean->detail = row;
  update_hidden(graph, rows_cut(graph, mean, shape.dim[0] - 1, 1), state);
  return graph_part(graph, layer, &op_pcen_gain, "", shape, 2, (Node *[]){x, mean});
}

const Op op_pcen = {
    .name = "pcen",
    .group = "audio",
    .summary = "per-channel energy normalization of a sequence",
    .detail = "m[t] = (1 - smooth)*m[t-1] + smooth*x[t], m[-1] = 1; y = (x/(epsilon + m)^gain + bias)^power "
              "- bias^power; as in librosa.pcen. No gradient passes",
    .params = params,
    .example = "stft(512, 160) -> mel(40, 16000) -> pcen",
    .keep = keep,
    .traits.stream = STREAM_RECURRENT,
    .traits.front_end = true,
    .traits.needs_axes = true,
    .traits.features = true,
    .shape = shape,
    .eval = run,
    .lower = lower,
};
