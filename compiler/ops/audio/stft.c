/* stft.c: stft, spectra of overlapping frames of samples. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include "base/number.h"
#include "kernel/routine.h"
#include "kernel/window.h"
#include "ops/audio/audio.h"

static const char frame_text[] =
#include "ops/audio/frame_text.inc"
    ;
static const char dft_text[] =
#include "ops/audio/dft_text.inc"
    ;
static const char rfft_text[] =
#include "ops/audio/rfft_text.inc"
    ;

enum { FAST_FROM = 64, MOST_FFT = 1 << 20 };

static const Param params[] = {
    {"size", PARAM_INT, NULL, "number of samples in a frame", 0, 0, NULL},
    {"step", PARAM_INT, NULL, "number of samples between the starts of adjacent frames", 0, 0, NULL},
    {"fft", PARAM_INT, "size", "length of the transform; if fft is above size, frames are padded with zeros",
     0, 0, NULL},
    {"window", PARAM_CHOICE, "hann",
     "window function by which the samples of a frame are multiplied; hann and hamming are periodic", 0, 0,
     "hann hann_symmetric hamming hamming_symmetric ones"},
    {"place", PARAM_CHOICE, "centre", "position of the frame in the transform, if fft is above size", 0, 0,
     "centre start"}, /* plain: ok */
    {"center", PARAM_BOOL, "false",
     "mirror fft/2 samples at both ends, so that sample t*step is the center of frame t", 0, 0, NULL},
    {"give", PARAM_CHOICE, "power",
     "result for each bin; complex: the real part of the bin, then its imaginary part", 0, 0,
     "power magnitude complex"},
    {"pad", PARAM_PAD, "valid", "zeros around the samples: valid, same, causal, N or [before, after]", 0, 0,
     NULL},
    {"scale", PARAM_NUMBER, "1", "factor by which the result is multiplied", 0, 0, NULL},
    {0}};

typedef enum Give { GIVE_POWER, GIVE_MAGNITUDE, GIVE_COMPLEX } Give;

typedef struct Frames {
  /* at: index of a frame's first sample among the inputs of the frame's transform */
  int64_t samples, frames, size, step, before, fft, at, bins;
  bool mirror;
  Give give;
} Frames;

/* ---- the shape ---- */
static bool transform_fits(ShapeContext *context, const Node *node) {
  const int64_t size = arg_int(node, "size"), fft = arg_int(node, "fft"), n = node->in[0]->shape.dim[0];
  const bool center = arg_bool(node, "center");
  Diag *diag = NULL;
  if (fft < size)
    diag_help(op_error_at(context, node, "fft", DIAG_bad_value,
                          "an fft of %lld is shorter than its frames of %lld", (long long)fft,
                          (long long)size),
              "fft=%lld, or more", (long long)size);
  else if (fft < 2 || fft > MOST_FFT)
    op_error_at(context, node, "fft", DIAG_bad_value, "fft of stft is %lld, but must be from 2 to %d",
                (long long)fft, MOST_FFT);
  else if (center && arg_const(node, "pad")->kind != CONST_NONE && !arg_is(node, "pad", "valid"))
    op_error_at(context, node, "pad", DIAG_bad_value, "stft takes center=true or pad, not both");
  else if (center && fft / 2 >= n) {
    diag = op_error_at(context, node, "center", DIAG_bad_value,
                       "center=true needs more than fft/2 = %lld samples, but the input has %lld",
                       (long long)(fft / 2), (long long)n);
    op_note_origin(context, diag, node->in[0]);
    diag_help(diag, "use an fft of at most %lld, or pad= instead of center=true", (long long)(2 * (n - 1)));
  } else return true;
  return false;
}

/* Sets the window for center=true: the transform of frame t is centered at sample t*step, as in torch.stft
 * and librosa.stft. */
static void center_frames(ShapeContext *context, Node *node) {
  const int64_t n = node->in[0]->shape.dim[0], size = arg_int(node, "size"), step = arg_int(node, "step"),
                fft = arg_int(node, "fft"), frames = n / step + 1,
                before = arg_is(node, "place", "start") ? fft / 2 : fft / 2 - (fft - size) / 2;
  Window *w = NEW(context->arena, Window);
  *w = (Window){
      .kernel = {1, size}, .stride = {1, step}, .dilation = {1, 1}, .before = {0, before}, .groups = 1};
  w->multiplier = 1;
  w->after[1] = larger((frames - 1) * step + size - before - n, 0);
  node->window = w;
}

/* Checks that the complex spectrum of all frames, which is computed before its powers, has at most
 * SHAPE_MOST_ELEMENTS elements, like all values. */
static bool spectrum_fits(ShapeContext *context, const Node *node, int64_t frames, int64_t bins) {
  int64_t most;
  if (size_multiply(frames, 2 * bins, &most) && most <= SHAPE_MOST_ELEMENTS) return true;
  Diag *diag = op_error(context, node, DIAG_too_large,
                        "the complex spectrum of this stft, %lld frames of %lld bins, has more than "
                        "2147483647 numbers",
                        (long long)frames, (long long)bins);
  op_note_origin(context, diag, node->in[0]);
  diag_help(diag, "use a smaller fft, a larger step, or fewer samples");
  return false;
}

static void shape(ShapeContext *context, Node *node) {
  int64_t frames;
  if (!audio_sequence(context, node, true) || !transform_fits(context, node)) return;
  if (arg_bool(node, "center")) {
    center_frames(context, node);
    frames = node->in[0]->shape.dim[0] / arg_int(node, "step") + 1;
  } else if (!window_frames(context, node, &frames)) return;
  const int64_t bins = arg_int(node, "fft") / 2 + 1;
  if (!spectrum_fits(context, node, frames, bins)) return;
  node->shape = node->in[0]->shape;
  node->shape.dim[0] = frames;
  node->shape.dim[1] = arg_is(node, "give", "complex") ? 2 * bins : bins;
}

static Frames frames_of(const Node *node) {
  const Window *w = node->window;
  const int64_t fft = arg_int(node, "fft"), size = w->kernel[1];
  return (Frames){.samples = shape_extent(node->in[0]->shape).w,
                  .frames = shape_extent(node->shape).w,
                  .size = size,
                  .step = w->stride[1],
                  .before = w->before[1],
                  .fft = fft,
                  .at = arg_is(node, "place", "start") ? 0 : (fft - size) / 2,
                  .bins = fft / 2 + 1,
                  .mirror = arg_bool(node, "center"),
                  .give = arg_is(node, "give", "complex")     ? GIVE_COMPLEX
                          : arg_is(node, "give", "magnitude") ? GIVE_MAGNITUDE
                                                              : GIVE_POWER};
}

/* Whether the transform is an FFT: its length must be a power of two, and at least FAST_FROM. All other
 * transforms are direct sums. */
static bool is_fast(const Frames *f) { return f->fft >= FAST_FROM && (f->fft & (f->fft - 1)) == 0; }

/* ---- tables ---- */
static double window_factor(const Node *node, int64_t i, int64_t size) {
  const bool symmetric =
                 arg_is(node, "window", "hann_symmetric") || arg_is(node, "window", "hamming_symmetric"),
             hamming = arg_is(node, "window", "hamming") || arg_is(node, "window", "hamming_symmetric");
  const int64_t period = symmetric ? size - 1 : size;
  if (arg_is(node, "window", "ones") || period == 0) return 1;
  const double a = hamming ? 0.54 : 0.5;
  return a - (1 - a) * cos(TURN * (double)i / (double)period);
}

static double *make_window(Arena *arena, const Node *node, int64_t size) {
  double *window = NEW_ARRAY(arena, double, size);
  for (int64_t i = 0; i < size; i++) window[i] = window_factor(node, i, size);
  return window;
}

/* Cosines and negative sines of one period. */
static double *make_wave(Arena *arena, int64_t fft) {
  double *wave = NEW_ARRAY(arena, double, 2 * fft);
  for (int64_t k = 0; k < fft; k++) {
    wave[2 * k] = cos(TURN * (double)k / (double)fft);
    wave[2 * k + 1] = -sin(TURN * (double)k / (double)fft);
  }
  return wave;
}

Bank stft_bank(Arena *arena, const Node *node) {
  const Frames f = frames_of(node);
  const double *window = make_window(arena, node, f.size), *wave = make_wave(arena, f.fft);
  double *weight = NEW_ARRAY(arena, double, 2 * f.bins * f.size);
  for (int64_t k = 0; k < f.bins; k++)
    for (int64_t i = 0; i < f.size; i++)
      for (int64_t part = 0; part < 2; part++)
        weight[(2 * k + part) * f.size + i] = window[i] * wave[2 * (k * (i + f.at) % f.fft) + part];
  return (Bank){f.size, 2 * f.bins, weight};
}

/* ---- reference ---- */
static double frame_sample(const Frames *f, const double *x, int64_t i) {
  const int64_t last = f->samples - 1, at = !f->mirror ? i : i < 0 ? -i : i > last ? 2 * last - i : i;
  return at >= 0 && at <= last ? x[at] : 0;
}

/* The bins of all frames: out[frames][bins][2]. */
static void transform(const Frames *f, const double *x, const double *window, const double *wave,
                      double *out) {
  for (int64_t t = 0; t < f->frames; t++)
    for (int64_t k = 0; k < f->bins; k++) {
      double re = 0, im = 0;
      for (int64_t i = 0; i < f->size; i++) {
        const double sample = window[i] * frame_sample(f, x, t * f->step + i - f->before);
        const int64_t at = k * (i + f->at) % f->fft;
        re += sample * wave[2 * at];
        im += sample * wave[2 * at + 1];
      }
      out[2 * (t * f->bins + k)] = re;
      out[2 * (t * f->bins + k) + 1] = im;
    }
}

static void run(const Eval *eval) {
  const Frames f = frames_of(eval->node);
  const double scale = arg_number(eval->node, "scale");
  Arena *arena = arena_new();
  double *bin = NEW_ARRAY(arena, double, 2 * f.frames * f.bins);
  transform(&f, eval->in[0], make_window(arena, eval->node, f.size), make_wave(arena, f.fft), bin);
  for (int64_t i = 0; i < f.frames * f.bins; i++) {
    const double re = bin[2 * i], im = bin[2 * i + 1], power = re * re + im * im;
    if (f.give == GIVE_COMPLEX) {
      eval->out[2 * i] = scale * re;
      eval->out[2 * i + 1] = scale * im;
    } else eval->out[i] = scale * (f.give == GIVE_MAGNITUDE ? sqrt(power) : power);
  }
  arena_free(arena);
}

/* ---- runtime functions ---- */
enum { BUFFERS = 5, NUMBERS = 8 };

static void run_routine(double *const *buf, const double *number) {
  const Frames f = {.samples = (int64_t)number[0],
                    .frames = (int64_t)number[1],
                    .size = (int64_t)number[2],
                    .step = (int64_t)number[3],
                    .before = (int64_t)number[4],
                    .fft = (int64_t)number[5],
                    .at = (int64_t)number[6],
                    .bins = (int64_t)number[5] / 2 + 1,
                    .mirror = number[7] != 0};
  transform(&f, buf[0], buf[1], buf[2], buf[4]);
  for (int64_t i = 0; i < f.size; i++) buf[3][i] = 0;
}

static const Routine frame_routine = {.name = "frame", .text = frame_text};

#define TRANSFORM                                                                                            \
  .uses = &frame_routine, .nbufs = BUFFERS, .nnumbers = NUMBERS, .elem = {F32, F32, F32, F32, F32},          \
  .writes = {[3] = true, [4] = true}, .whole = {true, true, true, true, true, true, true, true},             \
  .run = run_routine
static const Routine dft_routine = {.name = "dft", .text = dft_text, .depth = 2, TRANSFORM};
static const Routine rfft_routine = {.name = "rfft", .text = rfft_text, .depth = 3, TRANSFORM};

static Buf *float_table(Lower *l, const double *values, int64_t n) {
  float *table = NEW_ARRAY(l->arena, float, n);
  for (int64_t i = 0; i < n; i++) table[i] = (float)values[i];
  return lower_table(l, table, n);
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Frames f = frames_of(l->node);
  const bool fast = is_fast(&f);
  const double scale = arg_number(l->node, "scale");
  const Ix top = {0};
  Buf *window = float_table(l, make_window(l->arena, l->node, f.size), f.size),
      *wave = float_table(l, make_wave(l->arena, f.fft), 2 * f.fft),
      *work = lower_scratch(l, "work", 1, (int64_t[]){fast ? 2 * f.fft : f.size}),
      *bin = lower_scratch(l, "bin", 2, (int64_t[]){f.frames, 2 * f.bins});
  nest_fn(b, b->name, false);
  nest_routine(b, fast ? &rfft_routine : &dft_routine,
               (Buf *[BUFFERS]){lower_contiguous(l, "samples", l->in[0]), window, wave, work, bin},
               (double[NUMBERS]){(double)f.samples, (double)f.frames, (double)f.size, (double)f.step,
                                 (double)f.before, (double)f.fft, (double)f.at, f.mirror});
  NEST_FOR(b, x, f.frames)
    NEST_FOR(b, c, shape_extent(l->node->shape).c) {
      Val value;
      if (f.give == GIVE_COMPLEX) value = nest_load(b, nest_at(b, bin, x, c), 1);
      else {
        Val re = nest_load(b, nest_at(b, bin, x, 2 * c), 1),
            im = nest_load(b, nest_at(b, bin, x, 2 * c + 1), 1);
        value = fma_(re, re, mul(im, im));
        if (f.give == GIVE_MAGNITUDE) value = vsqrt(value);
      }
      lower_store(l, scale == 1 ? value : mul(num(b, scale), value), &top, &x, &c, 1, 1);
    }
}

/* An FFT of n numbers counts as n * log2(n) multiply-adds. */
static Cost cost(const Node *node) {
  const Frames f = frames_of(node);
  int64_t doublings = 0;
  while (INT64_C(1) << doublings < f.fft) doublings++;
  return (Cost){.macs = f.frames * (is_fast(&f) ? f.fft * doublings : 2 * f.size * f.bins)};
}

/* With center=true the last frames may contain mirrored samples, so the end of the sequence must be known. */
static StreamRule stream_rule(const Node *node) {
  return arg_bool(node, "center") ? STREAM_AHEAD : STREAM_WINDOW;
}

const Op op_stft = {
    .name = "stft",
    .group = "audio",
    .summary = "spectra of overlapping frames of samples",
    .detail = "X[t][k] = sum over n < size of w[n]*x[t*step + n - before]*exp(-2*pi*i*k*(n + at)/fft), with "
              "`before` samples of padding at the start; at = 0 with place=start, else (fft - size)/2. With "
              "give=power the result is scale*|X|^2. L x 1 becomes T x (fft/2 + 1), or T x 2*(fft/2 + 1) "
              "with give=complex. center=true is as in librosa.stft and torch.stft, place=start as in "
              "tf.signal.stft. No gradient passes",
    .params = params,
    .example = "stft(480, 160, fft=512) -> mel(40, 16000)",
    .traits.per_image = true,
    .traits.front_end = true,
    .traits.needs_axes = true,
    .traits.features = true,
    .traits.stream_rule = stream_rule,
    .shape = shape,
    .cost = cost,
    .eval = run,
    .lower = lower,
};
