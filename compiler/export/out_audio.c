/* out_audio.c: ONNX export of audio operators: transforms as Conv, linear maps of the channels as MatMul. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "export/onnx_out.h"
#include "ops/audio/audio.h"

static const char *table(OnnxOut *o, const char *what, int rank, const int64_t *dim, const double *from) {
  int64_t n = 1;
  for (int d = 0; d < rank; d++) n *= dim[d];
  float *to = NEW_ARRAY(o->arena, float, n);
  for (int64_t i = 0; i < n; i++) to[i] = (float)from[i];
  return out_floats(o, what, rank, dim, to);
}

/* ---- spectra ---- */
/* |X|^2 or |X|, computed from the real parts and the imaginary parts. */
static const char *energy_out(OnnxOut *o, const char *parts, int64_t bins, bool root) {
  const int64_t from[] = {0, bins}, to[] = {bins, 2 * bins}, axis[] = {1};
  const char *squares = out_two(o, "Mul", parts, parts);
  const char *real = out_part(o, squares, 1, from, to, axis),
             *imaginary = out_part(o, squares, 1, from + 1, to + 1, axis);
  const char *sum = out_two(o, "Add", real, imaginary);
  return root ? out_one(o, "Sqrt", sum) : sum;
}

/* Computes the bins of all frames with a convolution. interleaved: real and imaginary parts alternate;
 * otherwise all real parts come first. */
static const char *bins_out(OnnxOut *o, const Node *node, bool interleaved) {
  const Window *w = node->window;
  const Bank bank = stft_bank(o->arena, node);
  const int64_t bins = bank.outputs / 2, size = bank.inputs, dim[] = {2 * bins, 1, size}, none[] = {0, 0};
  double *weight = NEW_ARRAY(o->arena, double, 2 * bins * size);
  for (int64_t i = 0; i < 2 * bins * size; i++) {
    const int64_t row = i / size, of = interleaved ? row : row % bins * 2 + row / bins;
    weight[i] = bank.weight[of * size + i % size];
  }
  const char *factors = table(o, "weight", 3, dim, weight), *x = out_input(o, 0);
  if (!arg_bool(node, "center")) return out_convolved(o, node, x, factors, 1, w->before, w->after);
  const int64_t frames = out_extent(node).w, from[] = {0}, axis[] = {2},
                length = out_extent(node->in[0]).w + w->before[1] + w->after[1];
  x = out_convolved(o, node, out_padded(o, x, node, w->before, w->after, "reflect", 0), factors, 1, none,
                    none);
  return (length - size) / w->stride[1] + 1 > frames ? out_part(o, x, 1, from, &frames, axis) : x;
}

const char *export_stft(OnnxOut *o, const Node *node) {
  const bool complex = arg_is(node, "give", "complex");
  const double scale = arg_number(node, "scale");
  const char *y = bins_out(o, node, complex);
  if (!complex) y = energy_out(o, y, out_extent(node).c, arg_is(node, "give", "magnitude"));
  return scale == 1 ? y : out_two(o, "Mul", y, out_number(o, "scale", scale));
}

/* ---- linear maps of the channels ---- */
static const char *bank_out(OnnxOut *o, const Node *node, Bank bank) {
  const int64_t dim[] = {bank.outputs, bank.inputs}, column[] = {0, bank.inputs, -1};
  const char *weight = table(o, "weight", 2, dim, bank.weight), *x = out_input(o, 0);
  if (node->shape.rank == 2) return out_two(o, "MatMul", weight, x);
  return out_shaped(o, out_two(o, "MatMul", weight, out_reshape(o, x, 3, column)), node->shape);
}

const char *export_mel(OnnxOut *o, const Node *node) { return bank_out(o, node, mel_bank(o->arena, node)); }
const char *export_dct(OnnxOut *o, const Node *node) { return bank_out(o, node, dct_bank(o->arena, node)); }

const char *export_decibel(OnnxOut *o, const Node *node) {
  const char *x = out_two(o, "Max", out_input(o, 0), out_number(o, "floor", arg_number(node, "floor")));
  return out_two(o, "Mul", out_one(o, "Log", x), out_number(o, "ten", 10 / log(10)));
}

/* ---- samples ---- */
const char *export_preemphasis(OnnxOut *o, const Node *node) {
  const int64_t channels = out_extent(node).c, dim[] = {channels, 1, 2};
  double *weight = NEW_ARRAY(o->arena, double, 2 * channels);
  for (int64_t c = 0; c < channels; c++) {
    weight[2 * c] = -arg_number(node, "coefficient");
    weight[2 * c + 1] = 1;
  }
  return out_convolved(o, node, out_input(o, 0), table(o, "weight", 3, dim, weight), channels,
                       node->window->before, node->window->after);
}

/* Extracts windows, which become images of the batch. */
const char *export_unfold(OnnxOut *o, const Node *node) {
  static const int64_t windows_first[] = {0, 2, 1, 3};
  const Window *w = node->window;
  const int64_t windows = node->shape.regions, size = w->kernel[1], dim[] = {windows, size};
  int64_t *row = NEW_ARRAY(o->arena, int64_t, windows *size);
  for (int64_t i = 0; i < windows * size; i++) row[i] = i / size * w->stride[1] + i % size;
  const char *x = out_input(o, 0);
  if (w->before[1] || w->after[1]) x = out_padded(o, x, node, w->before, w->after, "constant", 0);
  x = out_two(o, "Gather", x, out_integers(o, "rows", 2, dim, row));
  out_int(o, "axis", 2);
  return out_whole_rows(o, out_permute(o, x, 4, windows_first), node->shape);
}
