/* micro_frontend.c: micro_frontend, audio features of int16 samples in integer arithmetic, bit-identical to
 * those of TensorFlow Lite Micro. The original is tensorflow/lite/experimental/microfrontend/lib, with the
 * int16 FFT of kiss_fft. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "base/number.h"
#include "kernel/routine.h"
#include "kernel/window.h"
#include "ops/audio/audio.h"
#include "ops/registry.h"
#include "ops/shape/stream_mask.h"

static const char text[] =
#include "ops/audio/micro_frontend_text.inc"
    ;

static const Param params[] = {
    {"rate", PARAM_INT, "16000", "samples per second", 0, 0, NULL},
    {"size", PARAM_INT, "480", "number of samples in a frame", 0, 0, NULL},
    {"step", PARAM_INT, "160", "number of samples between the starts of adjacent frames", 0, 0, NULL},
    {"bands", PARAM_INT, "40", "number of mel bands", 1, 1000, NULL},
    {"low", PARAM_NUMBER, "125", "frequency where the first band begins, in Hz", 0, 0, NULL},
    {"high", PARAM_NUMBER, "7500", "frequency where the last band ends, in Hz", 0, 0, NULL},
    {"smoothing_bits", PARAM_INT, "10", "number of fractional bits of the noise estimate", 1, 16, NULL},
    {"even", PARAM_NUMBER, "0.025", "weight of a new frame in the noise estimate of bands 0, 2, ...", 0, 1,
     NULL},
    {"odd", PARAM_NUMBER, "0.06", "weight of a new frame in the noise estimate of bands 1, 3, ...", 0, 1,
     NULL},
    {"remaining", PARAM_NUMBER, "0.05", "minimum fraction of the signal that noise reduction keeps", 0, 1,
     NULL},
    {"pcan", PARAM_BOOL, "true", "normalize the gain of each band", 0, 0, NULL},
    {"strength", PARAM_NUMBER, "0.95", "exponent of the gain", 0, 100, NULL},
    {"offset", PARAM_NUMBER, "80", "offset added to the noise estimate before the gain is computed", 0, 1e6,
     NULL},
    {"gain_bits", PARAM_INT, "21", "number of fractional bits of the gain", 16, 30, NULL},
    {"log", PARAM_BOOL, "true", "return logarithms", 0, 0, NULL},
    {"shift", PARAM_INT, "6", "number of fractional bits of the logarithms", 0, 15, NULL},
    {0}};

enum { NOISE_ROWS = 2 }; /* a row of the upper and a row of the lower 16 bits of the noise estimates */
enum { LEAST_FFT = 8, MOST_FFT_SIZE = 4096, LOGS = 130, GAINS = 125, PCAN_BITS = 12 };

/* Indices in the buffer `number` of the runtime function. */
enum {
  BITS_AT, /* fractional bits of the noise estimate */
  EVEN_AT, /* weight of a new frame in the estimate, for even and for odd bands, in units of 2^-14 */
  ODD_AT,
  REMAINING_AT, /* minimum fraction of the signal that noise reduction keeps, in units of 2^-14 */
  PCAN_AT,
  PCAN_SHIFT_AT,
  LOG_AT,
  CORRECTION_AT, /* the result of correction_bits */
  LOG_SHIFT_AT,
  NUMBERS
};

/* ---- the shape ---- */
static int64_t fft_of(const Node *node) {
  int64_t fft = 1;
  while (fft < arg_int(node, "size")) fft *= 2;
  return larger(fft, LEAST_FFT);
}

static int highest_bit(uint64_t x) {
  int n = 0;
  for (; x; x >>= 1) n++;
  return n;
}

/* log2 of the FFT's length, minus half of the 12 fractional bits of the filter bank, as in the original. */
static int correction_bits(const Node *node) { return highest_bit((uint64_t)fft_of(node)) - 1 - 6; }

/* With pcan=true, reports an error if the argument `param`, a number of bits, is below `least`: a shift count
 * of PCAN would be negative. */
static bool has_bits(ShapeContext *context, const Node *node, const char *param, int least) {
  if (!arg_bool(node, "pcan") || arg_int(node, param) >= least) return true;
  Diag *diag = op_error_at(context, node, param, DIAG_bad_value,
                           "%s of micro_frontend is %lld, but frames of %lld samples need %d or more", param,
                           (long long)arg_int(node, param), (long long)arg_int(node, "size"), least);
  diag_help(diag, "%s=%d, or pcan=false", param, least);
  return false;
}

/* Follows the elements of `value` back through nodes that only copy elements. Returns a source of `value`
 * that is not an int16 input: a node that computes its elements, or an input of another type. NULL: there is
 * none. */
static const Node *other_samples(ShapeContext *context, const Node *value) {
  bool *read = NEW_ARRAY(context->arena, bool, value->id + 1);
  read[value->id] = true;
  for (int i = value->id; i >= 0; i--) {
    const Node *node = context->graph->nodes.data[i];
    if (!read[i]) continue;
    if (node_is_input(node) ? node->port->elem != I16
                            : !node_is_state(node) && !node_is_update(node) && !node_moves_elements(node))
      return node;
    for (int k = 0; k < node->nin; k++) read[node->in[k]->id] = true;
  }
  return NULL;
}

static bool takes_samples(ShapeContext *context, const Node *node) {
  const Node *other = other_samples(context, node->in[0]);
  if (!other) return true;
  Diag *diag =
      node_is_input(other)
          ? op_error(context, node, DIAG_wrong_type,
                     "micro_frontend takes int16 samples, but the input %s is %s", other->name,
                     elem_name(other->port->elem))
          : op_error(context, node, DIAG_wrong_type,
                     "micro_frontend takes int16 samples, but this value comes from %s", other->op->name);
  op_note_origin(context, diag, other);
  diag_help(diag, "apply it to an input of type i16, as in: input samples: 16000x1 as i16 (rate=16000)");
  return false;
}

static void shape(ShapeContext *context, Node *node) {
  int64_t frames;
  if (!audio_sequence(context, node, true) || !takes_samples(context, node)) return;
  if (arg_int(node, "size") > MOST_FFT_SIZE) {
    op_error_at(context, node, "size", DIAG_bad_value,
                "frames of %lld samples: micro_frontend takes at most %d", (long long)arg_int(node, "size"),
                MOST_FFT_SIZE);
    return;
  }
  const double low = arg_number(node, "low"), high = arg_number(node, "high"),
               most = (double)arg_int(node, "rate") / 2;
  if (!(low >= 0 && high > low && high < most)) {
    Diag *diag =
        op_error_at(context, node, "high", DIAG_bad_value, "the bands are from %.9g to %.9g Hz", low, high);
    diag_help(diag, "use 0 <= low < high < rate/2 = %.9g", most);
    return;
  }
  if (!has_bits(context, node, "smoothing_bits", correction_bits(node)) ||
      !has_bits(context, node, "gain_bits", PCAN_BITS + correction_bits(node)))
    return;
  if (!window_frames(context, node, &frames)) return;
  node->shape = audio_channels(node, arg_int(node, "bands"));
  node->shape.dim[0] = frames;
}

/* ---- tables, in the precision of the original ---- */
static float freq_to_mel(float f) { return 1127.0f * log1pf(f / 700.0f); }

typedef struct Tables {
  int64_t size, step, fft, bins, bands, frames;
  float number[NUMBERS];
  /* one array of n floats: log[LOGS] gain[GAINS] window[size] wave[fft] split[fft/2] first[bands + 2]
   * weight[bins][2] */
  float *log, *gain, *window, *wave, *split, *first, *weight;
  int64_t n;
} Tables;

static float *table_part(float **at, int64_t n) {
  float *part = *at;
  *at += n;
  return part;
}

static Tables new_tables(Arena *arena, int64_t frames, int64_t size, int64_t step, int64_t fft,
                         int64_t bands) {
  Tables t = {.size = size, .step = step, .fft = fft, .bins = fft / 2 + 1, .bands = bands, .frames = frames};
  t.n = LOGS + GAINS + size + fft + fft / 2 + bands + 2 + 2 * t.bins;
  float *at = NEW_ARRAY(arena, float, t.n);
  t.log = table_part(&at, LOGS);
  t.gain = table_part(&at, GAINS);
  t.window = table_part(&at, size);
  t.wave = table_part(&at, fft);
  t.split = table_part(&at, fft / 2);
  t.first = table_part(&at, bands + 2);
  t.weight = at;
  return t;
}

static void put_turn(float *to, double phase) {
  to[0] = (float)floor(.5 + INT16_MAX * cos(phase));
  to[1] = (float)floor(.5 + INT16_MAX * sin(phase));
}

static void make_waves(const Tables *t) {
  const double pi = 3.14159265358979323846264338327; /* the constant in kiss_fft */
  const int64_t n = t->fft / 2;
  for (int64_t i = 0; i < n; i++) put_turn(t->wave + 2 * i, -2 * pi * (double)i / (double)n);
  for (int64_t i = 0; i < n / 2; i++) put_turn(t->split + 2 * i, -pi * ((double)(i + 1) / (double)n + .5));
  const float arg = (float)pi * 2.0f / (float)t->size;
  for (int64_t i = 0; i < t->size; i++) {
    const float value = 0.5f - 0.5f * cosf(arg * ((float)i + 0.5f));
    t->window[i] = floorf(value * 4096 + 0.5f);
  }
}

static void make_bank(const Tables *t, const Node *node) {
  const float low = (float)arg_number(node, "low"), from = freq_to_mel(low),
              span = freq_to_mel((float)arg_number(node, "high")) - from,
              apart = span / (float)(t->bands + 1),
              hz = 0.5f * (float)arg_int(node, "rate") / ((float)t->bins - 1);
  int64_t bin = (int64_t)(1.5f + low / hz);
  float before = from;
  for (int64_t m = 0; m <= t->bands; m++) {
    const float center = from + apart * (float)(m + 1);
    t->first[m] = (float)smaller(bin, t->bins);
    for (; bin < t->bins && freq_to_mel((float)bin * hz) <= center; bin++) {
      const float weight = (center - freq_to_mel((float)bin * hz)) / (center - before);
      t->weight[2 * bin] = floorf(weight * 4096 + 0.5f);
      t->weight[2 * bin + 1] = floorf((1 - weight) * 4096 + 0.5f);
    }
    before = center;
  }
  t->first[t->bands + 1] = (float)smaller(bin, t->bins);
}

static float gain_at(const Node *node, int input_bits, uint32_t x) {
  const float at = (float)x / (float)((uint32_t)1 << input_bits),
              gain = (float)((uint32_t)1 << arg_int(node, "gain_bits")) *
                     powf(at + (float)arg_number(node, "offset"), -(float)arg_number(node, "strength"));
  return gain > INT16_MAX ? INT16_MAX : floorf(gain + 0.5f);
}

static void make_gains(const Tables *t, const Node *node, int input_bits) {
  t->gain[0] = gain_at(node, input_bits, 0);
  t->gain[1] = gain_at(node, input_bits, 1);
  for (int interval = 2; interval <= 32; interval++) {
    const uint32_t x0 = (uint32_t)1 << (interval - 1), x1 = x0 + (x0 >> 1),
                   x2 = interval == 32 ? x0 + (x0 - 1) : 2 * x0;
    const int32_t y0 = (int32_t)gain_at(node, input_bits, x0), y1 = (int32_t)gain_at(node, input_bits, x1),
                  y2 = (int32_t)gain_at(node, input_bits, x2), d1 = y1 - y0, d2 = y2 - y0, a1 = 4 * d1 - d2;
    float *to = t->gain + 4 * interval - 6;
    to[0] = (float)y0;
    to[1] = (float)(int16_t)a1;
    to[2] = (float)(int16_t)(d2 - a1);
  }
}

/* keeps_noise: whether the node is a step of a stream. A step also reads the noise estimates of the previous
 * call, and its value has two more rows: the new noise estimates. front_counts: whether a step also reads the
 * number of earlier calls, because its first frames may be before the start of the stream. */
static bool keeps_noise(const Node *node) { return node->nin > 1; }
static bool front_counts(const Node *node) { return node->nin == 3; }
static int64_t frames_in(const Node *node) {
  return shape_extent(node->shape).w - (keeps_noise(node) ? NOISE_ROWS : 0);
}

static Tables make_front_tables(Arena *arena, const Node *node) {
  Tables t = new_tables(arena, frames_in(node), arg_int(node, "size"), arg_int(node, "step"), fft_of(node),
                        arg_int(node, "bands"));
  for (int i = 0; i < LOGS - 2; i++) t.log[i] = (float)floor(65536 * (log2(1 + i / 128.0) - i / 128.0) + 0.5);
  const int correction = correction_bits(node), bits = (int)arg_int(node, "smoothing_bits");
  make_waves(&t);
  make_bank(&t, node);
  if (arg_bool(node, "pcan")) make_gains(&t, node, bits - correction);
  const float number[NUMBERS] = {[BITS_AT] = (float)bits,
                                 [EVEN_AT] = floorf((float)arg_number(node, "even") * (1 << 14)),
                                 [ODD_AT] = floorf((float)arg_number(node, "odd") * (1 << 14)),
                                 [REMAINING_AT] = floorf((float)arg_number(node, "remaining") * (1 << 14)),
                                 [PCAN_AT] = arg_bool(node, "pcan"),
                                 [PCAN_SHIFT_AT] =
                                     (float)(arg_int(node, "gain_bits") - correction - PCAN_BITS),
                                 [LOG_AT] = arg_bool(node, "log"),
                                 [CORRECTION_AT] = (float)correction,
                                 [LOG_SHIFT_AT] = (float)arg_int(node, "shift")};
  for (int i = 0; i < NUMBERS; i++) t.number[i] = number[i];
  return t;
}

/* ---- reference ---- */
typedef struct Complex {
  int64_t re, im;
} Complex;

static int64_t wrap(int64_t x) { return (int16_t)(uint16_t)x; }
static int64_t rounded_part(int64_t x) { return wrap((x + (1 << 14)) >> 15); }
static Complex divided_by(Complex x, int by) {
  return (Complex){rounded_part(x.re * (INT16_MAX / by)), rounded_part(x.im * (INT16_MAX / by))};
}
static Complex turned_by(Complex x, const float *w) {
  const int64_t re = (int64_t)w[0], im = (int64_t)w[1];
  return (Complex){rounded_part(x.re * re - x.im * im), rounded_part(x.re * im + x.im * re)};
}
static Complex complex_sum(Complex a, Complex b) { return (Complex){wrap(a.re + b.re), wrap(a.im + b.im)}; }
static Complex complex_difference(Complex a, Complex b) {
  return (Complex){wrap(a.re - b.re), wrap(a.im - b.im)};
}

/* The FFT of the n complex numbers x[0], x[every], x[2*every], ..., with decimation in time. */
static void transform_parts(const Tables *t, const Complex *x, int64_t n, int64_t every, Complex *to) {
  if (n == 1) {
    *to = *x;
    return;
  }
  const int radix = n == 2 ? 2 : 4;
  const int64_t m = n / radix;
  for (int q = 0; q < radix; q++) transform_parts(t, x + q * every, m, every * radix, to + q * m);
  for (int64_t k = 0; k < m; k++) {
    Complex f[4];
    for (int q = 0; q < radix; q++) {
      f[q] = divided_by(to[k + q * m], radix);
      if (q) f[q] = turned_by(f[q], t->wave + 2 * q * k * every);
    }
    if (radix == 2) {
      to[k] = complex_sum(f[0], f[1]);
      to[k + m] = complex_difference(f[0], f[1]);
      continue;
    }
    const Complex s = complex_sum(f[0], f[2]), d = complex_difference(f[0], f[2]),
                  o = complex_sum(f[1], f[3]), p = complex_difference(f[1], f[3]),
                  quarter = {p.im, wrap(-p.re)};
    to[k] = complex_sum(s, o);
    to[k + 2 * m] = complex_difference(s, o);
    to[k + m] = complex_sum(d, quarter);
    to[k + 3 * m] = complex_difference(d, quarter);
  }
}

static void find_energies(const Tables *t, const Complex *z, uint64_t *energy) {
  const int64_t n = t->fft / 2;
  const Complex first = divided_by(z[0], 2);
  const int64_t sum = wrap(first.re + first.im), difference = wrap(first.re - first.im);
  energy[0] = (uint64_t)(sum * sum);
  energy[n] = (uint64_t)(difference * difference);
  for (int64_t k = 1; k <= n / 2; k++) {
    const Complex p = divided_by(z[k], 2), q = divided_by((Complex){z[n - k].re, wrap(-z[n - k].im)}, 2),
                  a = complex_sum(p, q), w = turned_by(complex_difference(p, q), t->split + 2 * (k - 1));
    const int64_t re = (a.re + w.re) >> 1, im = (a.im + w.im) >> 1, re2 = (a.re - w.re) >> 1,
                  im2 = (w.im - a.im) >> 1;
    energy[k] = (uint64_t)(re * re + im * im);
    energy[n - k] = (uint64_t)(re2 * re2 + im2 * im2);
  }
}

static uint64_t rounded_root(uint64_t x) {
  uint64_t root = (uint64_t)sqrtl((long double)x);
  while (root * root > x) root--;
  while ((root + 1) * (root + 1) <= x) root++;
  return x - root * root > root && root != (x >> 32 ? UINT32_MAX : UINT16_MAX) ? root + 1 : root;
}

static int64_t noise_gain(const Tables *t, uint64_t x) {
  if (x <= 2) return (int64_t)t->gain[x];
  const int bits = highest_bit(x);
  const float *of = t->gain + 4 * bits - 6;
  const int64_t part = (int64_t)((bits < 11 ? x << (11 - bits) : x >> (bits - 11)) & 0x3FF),
                slope = (((int64_t)of[2] * part) >> 5) + (int64_t)of[1] * 32;
  return wrap(((slope * part + (1 << 14)) >> 15) + (int64_t)of[0]);
}

static uint64_t natural_log(const Tables *t, uint64_t x) {
  const int whole = highest_bit(x) - 1;
  const int64_t rest = (int64_t)x - ((int64_t)1 << whole),
                part = whole < 16 ? rest << (16 - whole) : rest >> (whole - 16);
  const int64_t c0 = (int64_t)t->log[part >> 9], c1 = (int64_t)t->log[(part >> 9) + 1],
                two = ((int64_t)whole << 16) + part + c0 + (((c1 - c0) * (part & 511)) >> 16),
                natural = (45426 * two + 32768) >> 16;
  const uint64_t scaled = (uint64_t)natural << (int)t->number[LOG_SHIFT_AT];
  return ((scaled + 32768) & UINT32_MAX) >> 16;
}

static double band_feature(const Tables *t, uint64_t signal, uint64_t *noise, int64_t band) {
  const int bits = (int)t->number[BITS_AT], correct = (int)t->number[CORRECTION_AT];
  const uint64_t smooth = (uint64_t)t->number[band % 2 ? ODD_AT : EVEN_AT],
                 up = (signal << bits) & UINT32_MAX;
  *noise = ((up * smooth + *noise * ((1 << 14) - smooth)) >> 14) & UINT32_MAX;
  const uint64_t left = (up - (*noise > up ? up : *noise)) >> bits,
                 least = (signal * (uint64_t)t->number[REMAINING_AT]) >> 14;
  signal = left > least ? left : least;
  if (t->number[PCAN_AT] != 0) {
    const int shift = (int)t->number[PCAN_SHIFT_AT];
    const uint64_t snr = ((signal * (uint32_t)noise_gain(t, *noise)) >> shift) & UINT32_MAX;
    signal = snr < 8192 ? ((snr * snr) & UINT32_MAX) >> 20 : (snr >> 6) - 64;
  }
  if (t->number[LOG_AT] != 0) {
    signal = correct < 0 ? signal >> -correct : (signal << correct) & UINT32_MAX;
    signal = signal > 1 ? natural_log(t, signal) : 0;
  }
  return signal < UINT16_MAX ? (double)signal : UINT16_MAX;
}

static void frame_features(const Tables *t, Complex *x, Complex *z, uint64_t *energy, uint64_t *noise,
                           double *out, int shift) {
  transform_parts(t, x, t->fft / 2, 1, z);
  find_energies(t, z, energy);
  uint64_t sum = 0;
  for (int64_t m = 0; m <= t->bands; m++) {
    uint64_t next = 0;
    for (int64_t k = (int64_t)t->first[m]; k < (int64_t)t->first[m + 1]; k++) {
      const uint64_t e = (uint64_t)(int64_t)(int32_t)(uint32_t)energy[k];
      sum += (uint64_t)t->weight[2 * k] * e;
      next += (uint64_t)t->weight[2 * k + 1] * e;
    }
    if (m) out[m - 1] = band_feature(t, rounded_root(sum) >> shift, &noise[m - 1], m - 1);
    sum = next;
  }
}

/* start: upper and lower 16 bits of the noise estimates [2][bands], then the number of frames before the
 * start of the stream. The features of these frames are 0, and these frames do not change the estimates.
 * out: the features, then the new noise estimates, in the format of `start`. */
static void find_features(Arena *arena, const Tables *t, const double *samples, const double *start,
                          double *out) {
  Complex *x = NEW_ARRAY(arena, Complex, t->fft / 2), *z = NEW_ARRAY(arena, Complex, t->fft / 2);
  uint64_t *energy = NEW_ARRAY(arena, uint64_t, t->bins), *noise = NEW_ARRAY(arena, uint64_t, t->bands);
  int64_t *y = NEW_ARRAY(arena, int64_t, t->fft);
  for (int64_t m = 0; m < t->bands; m++)
    noise[m] = ((uint64_t)start[m] << 16) + (uint64_t)start[t->bands + m];
  for (int64_t f = 0; f < t->frames; f++) {
    if ((double)f < start[NOISE_ROWS * t->bands]) {
      for (int64_t m = 0; m < t->bands; m++) out[f * t->bands + m] = 0;
      continue;
    }
    int64_t most = 0;
    for (int64_t i = 0; i < t->size; i++) {
      y[i] = wrap(((int64_t)samples[f * t->step + i] * (int64_t)t->window[i]) >> 12);
      most = larger(most, wrap(y[i] < 0 ? -y[i] : y[i])); /* -32768 is ignored, as in the original */
    }
    const int shift = 15 - highest_bit((uint64_t)most);
    for (int64_t i = 0; i < t->fft / 2; i++)
      x[i] = (Complex){wrap(y[2 * i] * (1 << shift)), wrap(y[2 * i + 1] * (1 << shift))};
    frame_features(t, x, z, energy, noise, out + f * t->bands, shift);
  }
  out += t->frames * t->bands;
  for (int64_t m = 0; m < t->bands; m++) {
    out[m] = (double)(noise[m] >> 16);
    out[t->bands + m] = (double)(noise[m] & UINT16_MAX);
  }
}

static void run(const Eval *eval) {
  const Node *node = eval->node;
  Arena *arena = arena_new();
  const Tables t = make_front_tables(arena, node);
  const int64_t halves = NOISE_ROWS * t.bands;
  double *start = NEW_ARRAY(arena, double, halves + 1),
         *out = NEW_ARRAY(arena, double, t.frames *t.bands + halves);
  for (int64_t i = 0; i < halves && keeps_noise(node); i++) start[i] = eval->in[node->nin - 1][i];
  if (front_counts(node)) start[halves] = -stream_first_row(eval, node->detail);
  find_features(arena, &t, eval->in[0], start, out);
  memcpy(eval->out, out, (size_t)shape_elements(node->shape) * sizeof *out);
  arena_free(arena);
}

/* ---- runtime function ---- */
enum { ARRAYS = 6, SIZES = 5 };

static void run_routine(double *const *buf, const double *number) {
  Arena *arena = arena_new();
  Tables t = new_tables(arena, (int64_t)number[0], (int64_t)number[1], (int64_t)number[2], (int64_t)number[3],
                        (int64_t)number[4]);
  for (int64_t i = 0; i < t.n; i++) t.log[i] = (float)buf[1][i];
  for (int i = 0; i < NUMBERS; i++) t.number[i] = (float)buf[2][i];
  find_features(arena, &t, buf[0], buf[3], buf[5]);
  for (int64_t i = 0; i < t.fft + t.bins + t.bands; i++) buf[4][i] = 0;
  arena_free(arena);
}

static const Routine routine = {.name = "micro_frontend",
                                .depth = 5,
                                .text = text,
                                .nbufs = ARRAYS,
                                .nnumbers = SIZES,
                                .elem = {F32, F32, F32, F32, I32, F32},
                                .writes = {[4] = true, [5] = true},
                                .whole = {true, true, true, true, true, true},
                                .run = run_routine};

/* Stores in `start` the noise estimates before the first frame, and the number of frames before the start of
 * the stream (see find_features). */
static void put_noise(Lower *l, Buf *start, int64_t bands) {
  Nest *b = l->b;
  const Node *node = l->node;
  const StreamRow *row = node->detail;
  NEST_FOR(b, half, NOISE_ROWS)
    NEST_FOR(b, m, bands)
      nest_store(b, nest_at(b, start, half * bands + m),
                 keeps_noise(node) ? nest_load(b, nest_at(b, l->in[node->nin - 1], 0, half, m), 1)
                                   : num(b, 0));
  Val below = num(b, 0);
  if (front_counts(node))
    below = sub(num(b, -(double)row->offset),
                mul(nest_load(b, nest_at(b, l->in[1], 0, 0, 0), 1), num(b, (double)row->rows)));
  nest_store(b, nest_at(b, start, NOISE_ROWS * bands), below);
}

static void lower(Lower *l) {
  Nest *b = l->b;
  Tables *kept = NEW(l->arena, Tables); /* must exist as long as the nest */
  *kept = make_front_tables(l->arena, l->node);
  const Tables t = *kept;
  const Ix top = {0};
  Buf *table = lower_table(l, t.log, t.n), *number = lower_table(l, kept->number, NUMBERS),
      *work = lower_scratch_of(l, "work", I32, 1, (int64_t[]){t.fft + t.bins + t.bands}),
      *start = lower_scratch(l, "start", 1, (int64_t[]){NOISE_ROWS * t.bands + 1}),
      *features = lower_scratch(l, "features", 2, (int64_t[]){t.frames + NOISE_ROWS, t.bands});
  nest_fn(b, b->name, false);
  put_noise(l, start, t.bands);
  nest_routine(
      b, &routine,
      (Buf *[ARRAYS]){lower_contiguous(l, "samples", l->in[0]), table, number, start, work, features},
      (double[SIZES]){(double)t.frames, (double)t.size, (double)t.step, (double)t.fft, (double)t.bands});
  NEST_FOR(b, x, shape_extent(l->node->shape).w)
    NEST_FOR(b, c, t.bands) lower_store(l, nest_load(b, nest_at(b, features, x, c), 1), &top, &x, &c, 1, 1);
}

/* ---- steps of a stream ---- */
static Node *keep(Graph *graph, Node *layer, Node *calls, int64_t rows, int64_t offset) {
  const int64_t frames = layer->shape.dim[0];
  Node *samples = layer->in[0],
       *state = state_hidden(graph, arena_printf(graph->arena, "%s.noise", layer->name),
                             shape_sequence(NOISE_ROWS, layer->shape.dim[1]), F32, NULL, 0);
  StreamRow *row = NEW(graph->arena, StreamRow);
  *row = (StreamRow){rows, offset};
  state->span = layer->span;
  state->site = layer->site;
  layer->nin = calls ? 3 : 2;
  layer->in = NEW_ARRAY(graph->arena, Node *, layer->nin);
  layer->in[0] = samples;
  if (calls) layer->in[1] = calls;
  layer->in[layer->nin - 1] = state;
  layer->detail = row;
  layer->shape.dim[0] = frames + NOISE_ROWS;
  graph_append(graph, layer);
  update_hidden(graph, rows_cut(graph, layer, frames, NOISE_ROWS), state);
  return rows_cut(graph, layer, 0, frames);
}

const Op op_micro_frontend = {
    .name = "micro_frontend",
    .group = "audio",
    .summary = "audio features of int16 samples, bit-identical to the features of TensorFlow Lite Micro",
    .detail = "The steps are: window, int16 FFT, mel bands, square roots, noise reduction, gain "
              "normalization, logarithms. The result is T x bands integers in 0 .. 65535. The noise "
              "estimates start at 0. No gradient passes",
    .params = params,
    .example = "micro_frontend -> multiply(10/256)",
    .traits.per_image = true,
    .traits.needs_axes = true,
    .traits.features = true,
    .traits.front_end = true,
    .traits.stream = STREAM_WINDOW,
    .keep = keep,
    .shape = shape,
    .eval = run,
    .lower = lower,
};
