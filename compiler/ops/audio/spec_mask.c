/* spec_mask.c: spec_mask, which sets rows and channels of a spectrogram to zero in training (SpecAugment,
 * Park et al., 2019). The masks only depend on the seed, the step, the image and the layer, so the backward
 * pass draws the same masks. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "base/random.h"
#include "ops/audio/audio.h"
#include "ops/shape/reshape.h"

enum { MOST_MASKS = 16, DRAWS = 4 /* random numbers for a pair of masks: width and start of each */ };

static const Param params[] = {
    {"rows", PARAM_INT, "10", "maximum number of rows in a mask", 0, 1000000, NULL},
    {"channels", PARAM_INT, "8", "maximum number of channels in a mask", 0, 1000000, NULL},
    {"count", PARAM_INT, "2", "number of row masks, and also number of channel masks", 1, MOST_MASKS, NULL},
    {0}};

static void shape(ShapeContext *context, Node *node) {
  if (audio_sequence(context, node, false)) node->shape = node->in[0]->shape;
}

typedef struct Axis {   /* an axis: rows or channels */
  int64_t length, most; /* most: maximum width of a mask */
} Axis;

static Axis mask_axis(const Node *node, int axis) {
  const Extent e = shape_extent(node->shape);
  const int64_t length = axis ? e.c : e.w;
  return (Axis){length, smaller(arg_int(node, axis ? "channels" : "rows"), length)};
}

/* ---- training; the backward pass is the same operator, with dy instead of x ---- */
/* Whether element `at` of the axis is in the mask that random numbers `draw` and draw + 1 select. The mask
 * has 0 .. most elements, all on the axis. */
static bool masked(const uint32_t key[2], Axis axis, uint32_t draw, int64_t at) {
  const int64_t width = (int64_t)(random_uniform(key[0], key[1], draw) * (float)(axis.most + 1)),
                start =
                    (int64_t)(random_uniform(key[0], key[1], draw + 1) * (float)(axis.length - width + 1));
  return at >= start && at < start + width;
}

static void run(const Eval *eval) {
  const Node *node = eval->node;
  const Extent e = shape_extent(node->shape);
  uint32_t key[2];
  eval_keys(eval, key);
  for (int64_t i = 0; i < e.w * e.c; i++) {
    bool drop = false;
    for (uint32_t k = 0; k < (uint32_t)arg_int(node, "count"); k++)
      drop = drop || masked(key, mask_axis(node, 0), DRAWS * k, i / e.c) ||
             masked(key, mask_axis(node, 1), DRAWS * k + 2, i % e.c);
    eval->out[i] = drop ? 0 : eval->in[0][i];
  }
}

static Val whole_part(Val x) { return convert(convert(x, I32), F32); }

static void lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const int count = (int)arg_int(l->node, "count");
  Val start[2][MOST_MASKS], end[2][MOST_MASKS];
  Buf *keys = lower_keys(l);
  nest_fn(b, b->name, false);
  Val key0 = nest_let(b, "key0", nest_load(b, nest_at(b, keys, 0), 1)),
      key1 = nest_let(b, "key1", nest_load(b, nest_at(b, keys, 1), 1));
  for (int k = 0; k < count; k++)
    for (int axis = 0; axis < 2; axis++) {
      const Axis a = mask_axis(l->node, axis);
      const int32_t draw = DRAWS * k + 2 * axis;
      Val width = nest_let(
              b, "width", whole_part(mul(uniform(key0, key1, num_i32(b, draw)), num(b, (double)a.most + 1)))),
          room = sub(num(b, (double)a.length + 1), width);
      start[axis][k] = nest_let(b, "start", whole_part(mul(uniform(key0, key1, num_i32(b, draw + 1)), room)));
      end[axis][k] = nest_let(b, "end", add(start[axis][k], width));
    }
  const Ix top = {0};
  NEST_FOR(b, x, e.w)
    NEST_FOR(b, c, e.c) {
      Val at[2] = {convert(position(b, &x), F32), convert(position(b, &c), F32)},
          value = nest_load(b, nest_at(b, l->in[0], top, x, c), 1);
      for (int k = 0; k < count; k++)
        for (int axis = 0; axis < 2; axis++)
          value = choose(less_eq(start[axis][k], at[axis]),
                         choose(less(at[axis], end[axis][k]), num(b, 0), value), value);
      lower_store(l, value, &top, &x, &c, 1, 1);
    }
}

static void backward(Gradient *gradient, Node *node, Node *dy) {
  Node *dx = graph_hidden(gradient_graph(gradient), node->op, node, node->shape, RESULT_SAMPLE, 1, &dy);
  gradient_add(gradient, node->in[0], dx); /* graph_hidden copies the random salt, so dx has the same masks */
}

static const Op op_masks = {.name = "spec_mask masks",
                            .params = params,
                            .traits.keeps_spatial = true,
                            .eval = run,
                            .gradient = backward,
                            .lower = lower};

static Node *train(Graph *graph, Node *node) {
  return graph_hidden(graph, &op_masks, node, node->shape, RESULT_SAMPLE, 1, node->in);
}

/* ---- inference: no masks ---- */
static void pass_back(Gradient *gradient, Node *node, Node *dy) { gradient_add(gradient, node->in[0], dy); }

static bool identity(const Node *node) {
  (void)node;
  return true;
}

const Op op_spec_mask = {
    .name = "spec_mask",
    .group = "regularization",
    .summary = "masks rows and channels of a spectrogram at random in training; no effect in inference",
    .detail = "in training, `count` random ranges of up to `rows` rows and `count` random ranges of up to "
              "`channels` channels are set to 0 (SpecAugment)",
    .params = params,
    .example = "mel(40, 16000) -> decibel -> spec_mask(rows=10, channels=8)",
    .family = FAMILY_ALIAS,
    .traits.keeps_spatial = true,
    .traits.needs_axes = true,
    .shape = shape,
    .eval = reshape_eval,
    .gradient = pass_back,
    .train = train,
    .identity = identity,
};
