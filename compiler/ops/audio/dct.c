/* dct.c: dct, the first coefficients of the orthonormal DCT-II over the channels. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "ops/audio/audio.h"

static const Param params[] = {{"n", PARAM_INT, NULL, "number of coefficients", 0, 0, NULL}, {0}};

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  if (!in.rank) return;
  const int64_t channels = in.dim[in.rank - 1], n = arg_int(node, "n");
  if (n <= channels) {
    node->shape = audio_channels(node, n);
    return;
  }
  Diag *diag = op_error_at(context, node, "n", DIAG_bad_value, "dct of %s has fewer than %lld coefficients",
                           text_counted(context->arena, channels, "channel"), (long long)n);
  op_note_origin(context, diag, node->in[0]);
  diag_help(diag, "use at most %lld", (long long)channels);
}

/* The angle is reduced to less than one period in integers, so that large angles are exact. */
Bank dct_bank(Arena *arena, const Node *of) {
  const Node *node = node_forward(of);
  const int64_t n = shape_extent(node->in[0]->shape).c, k = shape_extent(node->shape).c;
  double *weight = NEW_ARRAY(arena, double, n *k);
  for (int64_t o = 0; o < k; o++)
    for (int64_t i = 0; i < n; i++)
      weight[o * n + i] = sqrt((o ? 2.0 : 1.0) / (double)n) *
                          cos(TURN * (double)((2 * i + 1) * o % (4 * n)) / (double)(4 * n));
  return (Bank){n, k, weight};
}

static Cost cost(const Node *node) {
  return (Cost){.macs = shape_extent(node->in[0]->shape).c * shape_row_elements(node->shape)};
}

static void run(const Eval *eval) {
  Arena *arena = arena_new();
  bank_eval(eval, dct_bank(arena, eval->node));
  arena_free(arena);
}

static void run_back(const Eval *eval) {
  Arena *arena = arena_new();
  bank_eval_transposed(eval, dct_bank(arena, eval->node));
  arena_free(arena);
}

static void lower(Lower *l) { bank_lower(l, dct_bank(l->arena, l->node), false); }
static void lower_back(Lower *l) { bank_lower(l, dct_bank(l->arena, l->node), true); }

static const Op op_back = {.name = "dct input gradient", .eval = run_back, .lower = lower_back};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  gradient_input(gradient, &op_back, node, 1, &dy);
}

const Op op_dct = {
    .name = "dct",
    .group = "audio",
    .summary = "orthonormal cosine transform of the channels",
    .detail = "DCT-II: y[k] = s*sum over c of x[c]*cos(pi*k*(2c + 1)/(2C)), s = sqrt(1/C) for k = 0, else "
              "sqrt(2/C); as in scipy.fft.dct(norm=\"ortho\")",
    .params = params,
    .example = "mel(40, 16000) -> decibel -> dct(13)",
    .traits.features = true,
    .traits.stream = STREAM_ROWS,
    .shape = shape,
    .cost = cost,
    .eval = run,
    .gradient = gradient,
    .lower = lower,
};
