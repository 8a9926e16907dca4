/* sound.c: WAV reader, resampler, and conversion to an input's channels and length. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/calls.h"
#include "hosted/data/sound.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "hosted/base/file.h"

enum {
  HEADER = 12, /* bytes of "RIFF", a size, "WAVE" */
  CHUNK = 8,   /* bytes of the name and the size of a chunk */
  TAG_PCM = 1,
  TAG_FLOAT = 3,
  TAG_EXTENSIBLE = 0xFFFE,
  MOST_CHANNELS = 64,
  MOST_RATE = 1000000,
  WIDTH = 6 /* zero crossings of the filter on each side of its center */
};
static const int64_t most_samples = INT64_C(1) << 28;

static uint32_t little(const unsigned char *at, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; i++) value |= (uint32_t)at[i] << (8 * i);
  return value;
}

bool cnn_sound_known(const unsigned char *bytes, size_t n) {
  return n >= HEADER && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WAVE", 4) == 0;
}

bool cnn_sound_named(const char *name) {
  const char *end = strrchr(name, '.');
  return end && strcasecmp(end, ".wav") == 0;
}

void cnn_sound_free(cnn_sound *sound) {
  free(sound->sample);
  *sound = (cnn_sound){0};
}

/* ---- Decoding */

cnn_status cnn_sound_format_read(cnn_sound_format *format, const char *path, const unsigned char *at,
                                 size_t n) {
  if (n < 16) return cnn_failure(CNN_BAD_FORMAT, "%s: its fmt chunk has %zu bytes, fewer than 16", path, n);
  const uint32_t channels = little(at + 2, 2), rate = little(at + 4, 4);
  *format = (cnn_sound_format){(int32_t)little(at, 2), (int32_t)channels, (int32_t)little(at + 14, 2), 0};
  if (format->tag == TAG_EXTENSIBLE && n >= 26) format->tag = (int32_t)little(at + 24, 2);
  if (channels < 1 || channels > MOST_CHANNELS)
    return cnn_failure(CNN_BAD_FORMAT, "%s: has %u channels; must be 1 to %d", path, channels, MOST_CHANNELS);
  if (rate < 1 || rate > MOST_RATE)
    return cnn_failure(CNN_BAD_FORMAT, "%s: has %u samples per second; must be 1 to %d", path, rate,
                       MOST_RATE);
  format->rate = (int32_t)rate;
  const bool pcm = format->tag == TAG_PCM && format->bits >= 8 && format->bits <= 32 && format->bits % 8 == 0,
             floats = format->tag == TAG_FLOAT && (format->bits == 32 || format->bits == 64);
  if (!pcm && !floats)
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s: its samples have format %d of %d bits; 8- to 32-bit PCM and floats are supported",
                       path, (int)format->tag, (int)format->bits);
  return cnn_success();
}

float cnn_sound_sample(const cnn_sound_format *format, const unsigned char *at) {
  if (format->tag == TAG_FLOAT && format->bits == 64) {
    const uint64_t bits = little(at, 4) | (uint64_t)little(at + 4, 4) << 32;
    double value;
    memcpy(&value, &bits, sizeof value);
    return (float)value;
  }
  const uint32_t word = little(at, format->bits / 8);
  float value;
  memcpy(&value, &word, sizeof value);
  if (format->tag == TAG_FLOAT) return value;
  if (format->bits == 8) return (float)((int32_t)word - 128) / 128;
  return (float)(int32_t)(word << (32 - format->bits)) * 0x1p-31f;
}

static cnn_status samples_read(cnn_sound *sound, const char *path, const cnn_sound_format *format,
                               const unsigned char *at, size_t n) {
  const size_t bytes = (size_t)(format->bits / 8), frame = bytes * (size_t)format->channels,
               frames = n / frame;
  if (frames < 1) return cnn_failure(CNN_BAD_FORMAT, "%s: has no samples", path);
  if ((int64_t)(frames * (size_t)format->channels) > most_samples)
    return cnn_failure(CNN_BAD_FORMAT, "%s: has more than 2^28 samples", path);
  sound->sample = malloc(frames * (size_t)format->channels * sizeof *sound->sample);
  if (!sound->sample) return cnn_failure(CNN_NO_MEMORY, "%s: no memory for its samples", path);
  sound->frames = (int64_t)frames;
  sound->channels = format->channels;
  sound->rate = format->rate;
  for (size_t i = 0; i < frames * (size_t)format->channels; i++)
    sound->sample[i] = cnn_sound_sample(format, at + i * bytes);
  return cnn_success();
}

/* 0 and FFFFFFFF; SoX and eSpeak write 7FFFF000, rounded down to whole frames, arecord 80000000; others
 * subtract the size of the header. */
bool cnn_sound_size_unknown(uint32_t size) {
  const uint32_t half = UINT32_C(0x80000000), slack = 0x2000;
  return size == 0 || size >= UINT32_MAX - slack || (size >= half - slack && size <= half + slack);
}

cnn_status cnn_sound_decode(cnn_sound *sound, const char *path, const unsigned char *bytes, size_t n) {
  cnn_sound_format format = {0};
  *sound = (cnn_sound){0};
  if (!cnn_sound_known(bytes, n)) return cnn_failure(CNN_BAD_FORMAT, "%s: is not a WAV file", path);
  for (size_t at = HEADER; at + CHUNK <= n;) {
    const uint32_t size = little(bytes + at + 4, 4);
    const size_t left = n - at - CHUNK;
    const bool data = memcmp(bytes + at, "data", 4) == 0,
               open = data && (size == 0 || size > left) && cnn_sound_size_unknown(size);
    if (size > left && !open)
      return cnn_failure(CNN_BAD_FORMAT, "%s: is cut off: a chunk at byte %zu has %u bytes, but %zu remain",
                         path, at, size, left);
    const unsigned char *body = bytes + at + CHUNK;
    if (memcmp(bytes + at, "fmt ", 4) == 0) {
      cnn_status status = cnn_sound_format_read(&format, path, body, size);
      if (status.code != CNN_OK) return status;
    }
    if (data && !format.channels)
      return cnn_failure(CNN_BAD_FORMAT, "%s: the samples (data chunk) come before their format (fmt chunk)",
                         path);
    if (data) return samples_read(sound, path, &format, body, open ? left : size);
    at += CHUNK + (size_t)size + size % 2;
  }
  return cnn_failure(CNN_BAD_FORMAT, "%s: has no samples", path);
}

cnn_status cnn_sound_read(cnn_sound *sound, const char *path) {
  cnn_file file = {0};
  *sound = (cnn_sound){0};
  cnn_status status = cnn_file_open(&file, path);
  if (status.code != CNN_OK) return status;
  status = cnn_sound_decode(sound, path, file.data, file.size);
  cnn_file_close(&file);
  return status;
}

/* ---- Resampling */

static int64_t common_divisor(int64_t a, int64_t b) {
  while (b) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

/* A sinc with a Hann window of WIDTH zero crossings on each side; t counts zero crossings. */
static double filter_at(double t) {
  const double pi = 3.14159265358979323846, window = cos(t * pi / (double)WIDTH / 2);
  return t == 0 ? 1 : sin(pi * t) / (pi * t) * window * window;
}

cnn_resampling cnn_resampling_of(int32_t from, int32_t to) {
  const int64_t divisor = common_divisor(from, to);
  cnn_resampling ratio = {from / divisor, to / divisor, 0, 0};
  ratio.base = (double)(ratio.from < ratio.to ? ratio.from : ratio.to) * 0.99 /* rolloff */;
  ratio.reach = (double)WIDTH * (double)ratio.from / ratio.base;
  return ratio;
}

static double middle_of(const cnn_resampling *ratio, int64_t m) {
  return (double)m * (double)ratio->from / (double)ratio->to;
}

int64_t cnn_resampling_first(const cnn_resampling *ratio, int64_t m) {
  return (int64_t)ceil(middle_of(ratio, m) - ratio->reach);
}

int64_t cnn_resampling_last(const cnn_resampling *ratio, int64_t m) {
  return (int64_t)floor(middle_of(ratio, m) + ratio->reach);
}

float cnn_resampled(const cnn_resampling *ratio, const float *sample, int64_t origin, int64_t frames,
                    int32_t channels, int32_t c, int64_t m) {
  const double middle = middle_of(ratio, m), from = (double)ratio->from;
  int64_t first = cnn_resampling_first(ratio, m), last = cnn_resampling_last(ratio, m);
  double sum = 0;
  if (first < 0) first = 0;
  if (last > frames - 1) last = frames - 1;
  for (int64_t n = first; n <= last; n++)
    sum += (double)sample[(n - origin) * channels + c] * filter_at(((double)n - middle) * ratio->base / from);
  return (float)(sum * ratio->base / from);
}

cnn_status cnn_sound_resample(cnn_sound *sound, const char *path, int32_t rate) {
  const cnn_resampling ratio = cnn_resampling_of(sound->rate, rate);
  const int64_t frames = (sound->frames * ratio.to + ratio.from - 1) / ratio.from;
  const int32_t channels = sound->channels;
  if (ratio.from == ratio.to) return cnn_success();
  if (frames > most_samples / channels)
    return cnn_failure(CNN_BAD_FORMAT, "%s: has more than 2^28 samples at %d per second", path, (int)rate);
  float *made = malloc((size_t)(frames * channels) * sizeof *made);
  if (!made) return cnn_failure(CNN_NO_MEMORY, "%s: no memory for its samples", path);
  for (int64_t m = 0; m < frames; m++)
    for (int32_t c = 0; c < channels; c++)
      made[m * channels + c] = cnn_resampled(&ratio, sound->sample, 0, sound->frames, channels, c, m);
  free(sound->sample);
  sound->sample = made;
  sound->frames = frames;
  sound->rate = rate;
  return cnn_success();
}

/* ---- Inputs */

cnn_status cnn_sound_fits(const char *path, const cnn_port *port) {
  if (port->rank != 2)
    return cnn_failure(CNN_MISMATCH,
                       "%s: is a WAV file; the input \"%s\" is not a sequence of samples, L x 1", path,
                       port->name);
  if (port->type == CNN_F32 || port->type == CNN_I16) return cnn_success();
  return cnn_failure(CNN_MISMATCH, "%s: WAV files are read as i16 or f32; the input \"%s\" is %s", path,
                     port->name,
                     port->type == CNN_U8   ? "u8"
                     : port->type == CNN_I8 ? "i8"
                                            : "i32");
}

void cnn_sound_store(const cnn_port *port, void *input, int64_t i, double value) {
  if (port->type == CNN_F32) {
    ((float *)input)[i] = (float)value;
    return;
  }
  const double whole = value == value ? floor(value * 32768 + 0.5) : 0;
  ((int16_t *)input)[i] = (int16_t)fmax(-32768, fmin(32767, whole));
}

float cnn_sound_mean(const float *frame, int32_t channels) {
  double sum = 0;
  for (int32_t c = 0; c < channels; c++) sum += (double)frame[c];
  return (float)(sum / channels);
}

/* Averages the channels in place. */
static void channels_mix(cnn_sound *sound) {
  for (int64_t t = 0; t < sound->frames; t++)
    sound->sample[t] = cnn_sound_mean(sound->sample + t * sound->channels, sound->channels);
  sound->channels = 1;
}

cnn_status cnn_sound_channels_fit(const char *path, const cnn_port *port, int32_t channels) {
  const cnn_status status = cnn_sound_fits(path, port);
  if (status.code != CNN_OK || port->dim[1] == 1 || port->dim[1] == channels) return status;
  return cnn_failure(CNN_MISMATCH, "%s: has %d channels, but the input \"%s\" has %d", path, (int)channels,
                     port->name, (int)port->dim[1]);
}

cnn_status cnn_sound_convert(cnn_sound *sound, const char *path, const cnn_port *port) {
  const cnn_status status = cnn_sound_channels_fit(path, port, sound->channels);
  if (status.code != CNN_OK) return status;
  if (port->dim[1] != sound->channels) channels_mix(sound);
  return port->rate > 0 ? cnn_sound_resample(sound, path, port->rate) : status;
}

void cnn_sound_cut(const cnn_sound *sound, const cnn_port *port, int64_t first, void *input) {
  const int64_t length = cnn_port_length(port), channels = port->dim[1];
  for (int64_t t = 0; t < length; t++)
    for (int64_t c = 0; c < channels; c++)
      cnn_sound_store(port, input, t * channels + c,
                      first + t < sound->frames ? (double)sound->sample[(first + t) * channels + c] : 0);
}

cnn_status cnn_sound_feed(cnn_sound *sound, const char *path, const cnn_port *port, double place,
                          void *input) {
  const int64_t length = cnn_port_length(port);
  const cnn_status status = cnn_sound_convert(sound, path, port);
  if (status.code != CNN_OK) return status;
  const int64_t rest = sound->frames > length ? sound->frames - length : 0,
                drawn = (int64_t)(place * (double)(rest + 1)),
                first = place < 0      ? rest / 2
                        : drawn < rest ? drawn
                                       : rest;
  cnn_sound_cut(sound, port, first, input);
  return status;
}
