/* mel.c: mel, a bank of triangular filters whose corners are equally spaced on the mel scale. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "base/number.h"
#include "ops/audio/audio.h"

static const Param params[] = {
    {"bands", PARAM_INT, NULL, "number of bands; each band is one triangle", 0, 0, NULL},
    {"rate", PARAM_NUMBER, NULL, "samples per second", 0, 0, NULL},
    {"low", PARAM_NUMBER, "0", "frequency where the first triangle begins, in Hz", 0, 0, NULL},
    {"high", PARAM_NUMBER, "", "frequency where the last triangle ends, in Hz; default: rate/2", 0, 0, NULL},
    {"like", PARAM_CHOICE, "torchaudio", "the library whose mel scale and triangles are used", 0, 0,
     "torchaudio librosa tensorflow"},
    {0}};

static double mel_low(const Node *node) { return arg_number(node, "low"); }
static double mel_rate(const Node *node) { return arg_number(node, "rate"); }
static double mel_high(const Node *node) {
  return arg_const(node, "high")->kind == CONST_NONE ? mel_rate(node) / 2 : arg_number(node, "high");
}

/* ---- the shape ---- */
static const char *hertz(Arena *arena, double f) { return arena_printf(arena, "%.9g", f); }

static bool range_fits(ShapeContext *context, const Node *node) {
  const double low = mel_low(node), high = mel_high(node), rate = mel_rate(node);
  const bool given = arg_const(node, "high")->kind != CONST_NONE;
  Arena *arena = context->arena;
  if (!(rate > 0)) {
    op_error_at(context, node, "rate", DIAG_bad_value, "rate of mel is %s, but must be above 0",
                hertz(arena, rate));
    return false;
  }
  if (low >= 0 && high > low && high <= rate / 2) return true;
  Diag *diag = op_error_at(context, node, given ? "high" : "low", DIAG_bad_value,
                           "the bands of mel are from %s to %s Hz, for samples at %s Hz", hertz(arena, low),
                           hertz(arena, high), hertz(arena, rate));
  diag_help(diag, "use 0 <= low < high <= rate/2 = %s", hertz(arena, rate / 2));
  return false;
}

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  if (!in.rank) return;
  if (in.dim[in.rank - 1] < 2) {
    Diag *diag = op_error(context, node, DIAG_wrong_shape,
                          "mel needs a spectrum of 2 bins or more, but its input is %s",
                          shape_text(context->arena, in));
    op_note_origin(context, diag, node->in[0]);
    diag_help(diag, "put stft before it to get a spectrum: T x (fft/2 + 1)");
    return;
  }
  if (range_fits(context, node)) node->shape = audio_channels(node, arg_int(node, "bands"));
}

/* ---- scales ---- */
typedef enum Like { LIKE_TORCHAUDIO, LIKE_LIBROSA, LIKE_TENSORFLOW } Like;

static Like mel_like(const Node *node) {
  return arg_is(node, "like", "librosa")      ? LIKE_LIBROSA
         : arg_is(node, "like", "tensorflow") ? LIKE_TENSORFLOW
                                              : LIKE_TORCHAUDIO;
}

/* Slaney's mel scale: linear below 1000 Hz, then logarithmic: 27 mel for a factor of 6.4. */
static const double break_mel = 15, break_hz = 1000, hz_of_mel = 200.0 / 3;

static double mel_of_hz(Like like, double hz) {
  if (like == LIKE_TORCHAUDIO) return 2595 * log10(1 + hz / 700);
  if (like == LIKE_TENSORFLOW) return 1127 * log(1 + hz / 700);
  return hz < break_hz ? hz / hz_of_mel : break_mel + log(hz / break_hz) / (log(6.4) / 27);
}

static double hz_of_scale(Like like, double mel) {
  if (like == LIKE_TORCHAUDIO) return 700 * (pow(10, mel / 2595) - 1);
  if (like == LIKE_TENSORFLOW) return 700 * (exp(mel / 1127) - 1);
  return mel < break_mel ? mel * hz_of_mel : break_hz * exp(log(6.4) / 27 * (mel - break_mel));
}

/* Weights [bands][bins] of triangles. torchaudio: slopes linear in Hz; librosa: also linear in Hz, each
 * triangle has area 1; tensorflow: slopes linear in mel, without bin 0. */
Bank mel_bank(Arena *arena, const Node *node) {
  const int64_t bins = shape_extent(node->in[0]->shape).c, bands = shape_extent(node->shape).c;
  const Like like = mel_like(node);
  const bool in_mel = like == LIKE_TENSORFLOW;
  const double from = mel_of_hz(like, mel_low(node)), to = mel_of_hz(like, mel_high(node));
  double *corner = NEW_ARRAY(arena, double, bands + 2), *weight = NEW_ARRAY(arena, double, bands *bins);
  for (int64_t i = 0; i < bands + 2; i++) {
    const double mel = from + (to - from) * (double)i / (double)(bands + 1);
    corner[i] = in_mel ? mel : hz_of_scale(like, mel);
  }
  for (int64_t m = 0; m < bands; m++)
    for (int64_t k = in_mel; k < bins; k++) {
      const double hz = mel_rate(node) / 2 * (double)k / (double)(bins - 1),
                   at = in_mel ? mel_of_hz(like, hz) : hz;
      const double up = (at - corner[m]) / (corner[m + 1] - corner[m]),
                   down = (corner[m + 2] - at) / (corner[m + 2] - corner[m + 1]),
                   height = like == LIKE_LIBROSA ? 2 / (corner[m + 2] - corner[m]) : 1;
      weight[m * bins + k] = height * fmax(0, fmin(up, down));
    }
  return (Bank){bins, bands, weight};
}

static void run(const Eval *eval) {
  Arena *arena = arena_new();
  bank_eval(eval, mel_bank(arena, eval->node));
  arena_free(arena);
}

/* ---- the nest: each band sums the same number of bins, from the first one that it uses ---- */
static int64_t first_bin(const Bank *bank, int64_t band) {
  int64_t k = 0;
  while (k < bank->inputs && !(bank->weight[band * bank->inputs + k] > 0)) k++;
  return k;
}

static int64_t widest_band(const Bank *bank) {
  int64_t most = 1;
  for (int64_t m = 0; m < bank->outputs; m++)
    for (int64_t k = bank->inputs - 1; k >= 0; k--)
      if (bank->weight[m * bank->inputs + k] > 0) {
        most = larger(most, k + 1 - first_bin(bank, m));
        break;
      }
  return most;
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Bank bank = mel_bank(l->arena, l->node);
  const int64_t bands = bank.outputs, width = widest_band(&bank), last = bank.inputs - width;
  float *values = NEW_ARRAY(l->arena, float, bands *(width + 1));
  for (int64_t m = 0; m < bands; m++) {
    const int64_t first = smaller(first_bin(&bank, m), last);
    values[m] = (float)first;
    for (int64_t k = 0; k < width; k++)
      values[bands + m * width + k] = (float)bank.weight[m * bank.inputs + first + k];
  }
  Buf *table = lower_table(l, values, bands * (width + 1));
  const Extent e = shape_extent(l->node->shape);
  nest_fn(b, b->name, false);
  NEST_LOOP(b, y, walk_rows(l, e.h * e.w * e.c * width), 1, NEST_IX(0), 1, NEST_IX(e.h))
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, m, bands) NEST_CHOSEN(b, first, nest_load(b, nest_at(b, table, m), 1), 0, last + 1) {
          Buf *sum = NEST_REGISTERS(b, "sum", 1, 1);
          nest_store(b, nest_at(b, sum, 0), num(b, 0));
          NEST_FOR(b, k, width)
            nest_store(b, nest_at(b, sum, 0),
                       fma_(nest_load(b, nest_at(b, table, bands + m * width + k), 1),
                            nest_load(b, nest_at(b, l->in[0], y, x, first + k), 1),
                            nest_get(b, nest_at(b, sum, 0))));
          lower_store(l, nest_get(b, nest_at(b, sum, 0)), &y, &x, &m, 1, 1);
        }
}

static Cost cost(const Node *node) { return (Cost){.macs = 2 * shape_row_elements(node->in[0]->shape)}; }

const Op op_mel = {
    .name = "mel",
    .group = "audio",
    .summary = "mel filter bank: weighted sums of the bins of a spectrum",
    .detail = "y[m] = sum over k of weight[m][k]*x[k]. The weights of a band are a triangle; the corners of "
              "all triangles are bands + 2 points, equally spaced in mel. like=torchaudio: mel = "
              "2595*log10(1 + f/700), and triangles are linear in Hz. like=librosa: Slaney's mel scale, and "
              "triangles are linear in Hz and have the area 1. like=tensorflow: mel = 1127*ln(1 + f/700), "
              "triangles are linear in mel, and bin 0 is not used. No gradient passes",
    .params = params,
    .example = "stft(512, 160) -> mel(40, 16000, low=60, high=7600)",
    .traits.per_image = true,
    .traits.front_end = true,
    .traits.features = true,
    .traits.stream = STREAM_ROWS,
    .shape = shape,
    .cost = cost,
    .eval = run,
    .lower = lower,
};
