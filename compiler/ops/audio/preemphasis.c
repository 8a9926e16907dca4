/* preemphasis.c: preemphasis, each sample minus a fraction of the previous sample. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/audio/audio.h"

static const Param params[] = {
    {"coefficient", PARAM_NUMBER, "0.97", "fraction of the previous sample that is subtracted", 0, 0, NULL},
    {0}};

static void shape(ShapeContext *context, Node *node) {
  if (!audio_sequence(context, node, false)) return;
  Window *window = NEW(context->arena, Window);
  *window = (Window){.kernel = {1, 2}, .stride = {1, 1}, .dilation = {1, 1}, .before = {0, 1}, .groups = 1};
  window->multiplier = 1;
  node->window = window;
  node->shape = node->in[0]->shape;
}

/* Index, in the input, of the sample for row 0 of the value. In a step of a stream the index is 1, because
 * the input begins with the last sample of the previous step. */
static int64_t first_sample(const Node *node) { return 1 - node->window->before[1]; }

/* y[t] = x[t + first] - coefficient*x[t + first + other], where x is 0 outside the input */
static void differ(const Eval *eval, int64_t first, int64_t other) {
  const Extent e = shape_extent(eval->node->shape), in = shape_extent(eval->node->in[0]->shape);
  const double coefficient = arg_number(eval->node, "coefficient");
  for (int64_t t = 0; t < e.w; t++)
    for (int64_t c = 0; c < e.c; c++) {
      const int64_t at = t + first;
      const double beside = at + other >= 0 && at + other < in.w ? eval->in[0][(at + other) * e.c + c] : 0;
      eval->out[t * e.c + c] = eval->in[0][at * e.c + c] - coefficient * beside;
    }
}

static void eval_forward(const Eval *eval) { differ(eval, first_sample(eval->node), -1); }
static void eval_back(const Eval *eval) { differ(eval, 0, 1); }

typedef struct Beside {
  int64_t first, other; /* as in `differ` */
  double coefficient;
  bool edge; /* the other sample is outside the input */
} Beside;

static void differ_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  const Beside *of = context;
  const Ix own = *x + of->first, other = own + of->other;
  Val value = walk_load(l, l->in[0], y, &own, c, part, lanes);
  if (!of->edge)
    value = fma_(walk_load(l, l->in[0], y, &other, c, part, lanes), num(l->b, -of->coefficient), value);
  lower_store(l, value, y, x, c, part, lanes);
}

static void lower_differ(Lower *l, int64_t first, int64_t other) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  Beside beside = {first, other, arg_number(l->node, "coefficient"), true};
  const Ix top = {0}, edge = top + (other < 0 ? 0 : e.w - 1);
  nest_fn(b, b->name, false);
  if (!first) walk_channels(l, e.c, &top, &edge, differ_body, &beside);
  beside.edge = false;
  const int64_t inner = first ? e.w : e.w - 1;
  if (inner)
    NEST_FOR(b, i, inner) {
      const Ix x = i + (other < 0 && !first ? 1 : 0);
      walk_channels(l, e.c, &top, &x, differ_body, &beside);
    }
}

static void lower(Lower *l) { lower_differ(l, first_sample(l->node), -1); }
static void lower_back(Lower *l) { lower_differ(l, 0, 1); }

static const Op op_back = {.name = "preemphasis input gradient", .eval = eval_back, .lower = lower_back};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

const Op op_preemphasis = {
    .name = "preemphasis",
    .group = "audio",
    .summary = "each sample minus a fraction of the previous sample",
    .detail = "y[t] = x[t] - coefficient*x[t-1], x[-1] = 0; as in torchaudio.functional.preemphasis",
    .params = params,
    .example = "preemphasis(0.97)",
    .traits.needs_axes = true,
    .traits.features = true,
    .traits.stream = STREAM_WINDOW,
    .shape = shape,
    .eval = eval_forward,
    .gradient = gradient,
    .lower = lower,
};
