/* augment_sound.c: Augmentation of sound: time shift, gain, background noise, speed. */
// SPDX-License-Identifier: MIT-0
#include "augment.h"
#include "scalar.h"

enum { WIDTH = 6 }; /* number of zero crossings of the resampling filter on each side of its center */
static const double log_ten = 2.3025850929940457;

static int64_t elements(cnn_plane plane) { return (int64_t)plane.width * plane.channels; }

static double between(const cnn_augmentation *a, int32_t step, uint32_t k, double lo, double hi) {
  return lo + (hi - lo) * cnn_draw_uniform(a, step, k);
}

static double amplitude(double decibels) { return cnn_exp(decibels * log_ten / 20); }

static void time_shift(const cnn_augmentation *a, int32_t step, cnn_plane plane, const float *in,
                       float *out) {
  const double most = a->recipe->augment[step].value[0] * a->rate / 1000;
  const int32_t limit = most < plane.width ? (int32_t)(most + 0.5) : plane.width;
  const int32_t later = (int32_t)cnn_draw_below(a, step, 0, (uint32_t)(2 * limit + 1)) - limit;
  const cnn_move move = {.right = later};
  cnn_move_picture(&move, in, out, 1, plane.width, plane.channels * (int32_t)sizeof(float), 0);
}

static void gain(const cnn_augmentation *a, int32_t step, cnn_plane plane, const float *in, float *out) {
  const double *v = a->recipe->augment[step].value;
  const float factor = (float)amplitude(between(a, step, 0, v[0], v[1]));
  for (int64_t i = 0; i < elements(plane); i++) out[i] = factor * in[i];
}

static double power(const float *sample, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += (double)sample[i] * (double)sample[i];
  return sum;
}

/* Copies a random part of a random background recording to `out`. Repeats the recording if it is shorter than
 * the plane. */
static void noise_cut(const cnn_augmentation *a, int32_t step, cnn_plane plane, float *out) {
  const cnn_noise *noise = a->noise;
  const uint32_t r = cnn_draw_below(a, step, 2, (uint32_t)noise->recordings);
  const int64_t frames = noise->frames[r], depth = plane.channels,
                starts = frames > plane.width ? frames - plane.width + 1 : frames;
  int64_t at = cnn_draw_below(a, step, 3, (uint32_t)starts);
  for (int64_t t = 0; t < plane.width; t++, at = at + 1 < frames ? at + 1 : 0)
    memcpy(out + t * depth, noise->sample[r] + at * depth, (size_t)depth * sizeof *out);
}

static void background(const cnn_augmentation *a, int32_t step, cnn_plane plane, const float *in,
                       float *out) {
  const double *v = a->recipe->augment[step].value;
  const int64_t n = elements(plane);
  const bool mixes = a->noise && a->noise->recordings > 0 && cnn_draw_uniform(a, step, 0) < v[2];
  if (mixes) noise_cut(a, step, plane, out);
  const double own = power(in, n), other = mixes ? power(out, n) : 0;
  if (!(own > 0 && other > 0)) {
    memcpy(out, in, (size_t)n * sizeof *out);
    return;
  }
  const float factor = (float)(cnn_sqrt(own / other) * amplitude(-between(a, step, 1, v[0], v[1])));
  for (int64_t i = 0; i < n; i++) out[i] = in[i] + factor * out[i];
}

static double sine(double half_turns) { /* sin(pi * half_turns), half_turns >= 0 */
  const double turn = half_turns - 2 * (double)(int64_t)(half_turns / 2),
               away = turn - (turn < 1 ? 0.5 : 1.5);
  const double value = cnn_cos_turn(away < 0 ? -away : away);
  return turn < 1 ? value : -value;
}

/* The value of the Hann-windowed sinc filter at a distance of t zero crossings from its center. */
static double filter_at(double t) {
  const double pi = 3.14159265358979323846, away = t < 0 ? -t : t;
  if (away < 1e-9) return 1;
  if (away >= (double)WIDTH) return 0;
  const double window = cnn_cos_turn(away / (double)WIDTH / 2);
  return sine(away) / (pi * away) * window * window;
}

/* Changes the speed of a sound; the center of the sound stays at the center of the plane. A faster sound has
 * silence at both ends. A slower sound loses both ends. */
static void speed(const cnn_augmentation *a, int32_t step, cnn_plane plane, const float *in, float *out) {
  const double *v = a->recipe->augment[step].value, factor = between(a, step, 0, v[0], v[1]),
               middle = (plane.width - 1) / 2.0, base = factor > 1 ? 1 / factor : 1,
               reach = (double)WIDTH / base;
  const int64_t depth = plane.channels;
  memset(out, 0, (size_t)elements(plane) * sizeof *out);
  for (int32_t t = 0; t < plane.width; t++) {
    const double at = middle + (t - middle) * factor;
    if (at <= -reach || at >= plane.width - 1 + reach) continue;
    const int32_t first = at > reach ? (int32_t)(at - reach) : 0,
                  last = at + reach < plane.width - 1 ? (int32_t)(at + reach) : plane.width - 1;
    for (int32_t s = first; s <= last; s++) {
      const float weight = (float)(base * filter_at((s - at) * base));
      for (int64_t c = 0; c < depth; c++) out[t * depth + c] += weight * in[s * depth + c];
    }
  }
}

bool cnn_augment_sound(const cnn_augmentation *a, int32_t step, cnn_plane plane, const float *in,
                       float *out) {
  if (plane.height != 1 || plane.width < 2) return false;
  switch (cnn_augment_kind_of(&a->recipe->augment[step])) {
  case CNN_AUGMENT_TIME_SHIFT: time_shift(a, step, plane, in, out); return true;
  case CNN_AUGMENT_GAIN: gain(a, step, plane, in, out); return true;
  case CNN_AUGMENT_BACKGROUND: background(a, step, plane, in, out); return true;
  case CNN_AUGMENT_SPEED: speed(a, step, plane, in, out); return true;
  default: return false;
  }
}

bool cnn_augment_mixes_noise(const cnn_recipe *recipe) {
  for (int32_t step = 0; step < recipe->augments; step++)
    if (cnn_augment_kind_of(&recipe->augment[step]) == CNN_AUGMENT_BACKGROUND) return true;
  return false;
}
