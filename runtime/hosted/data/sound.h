/* sound.h: WAV files and WAV streams: 8- to 32-bit PCM and floats, with any sample rate. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_HOSTED_SOUND_H
#define CNN_HOSTED_SOUND_H
#include "cnn_network.h"
#include "cnn_status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct cnn_sound {
  float *sample; /* [frames][channels], full scale is -1 to 1 */
  int64_t frames;
  int32_t channels, rate;
} cnn_sound;

typedef struct cnn_sound_format {
  int32_t tag, channels, bits, rate; /* of the chunk "fmt "; channels 0: there is no such chunk */
} cnn_sound_format;

typedef struct cnn_resampling { /* a ratio of sample rates in lowest terms, and the filter for it */
  int64_t from, to;
  double base, reach; /* reach: source samples that a sample reads on each side */
} cnn_resampling;

bool cnn_sound_known(const unsigned char *bytes,
                     size_t n);         /* whether the bytes begin with the header of a WAV file */
bool cnn_sound_named(const char *name); /* *.wav */
cnn_status cnn_sound_decode(cnn_sound *sound, const char *path, const unsigned char *bytes, size_t n);
cnn_status cnn_sound_read(cnn_sound *sound, const char *path);
void cnn_sound_free(cnn_sound *sound);
/* The parts of a WAV file: its chunk "fmt ", one sample, and a frame's mean over all channels. */
cnn_status cnn_sound_format_read(cnn_sound_format *format, const char *path, const unsigned char *at,
                                 size_t n);
float cnn_sound_sample(const cnn_sound_format *format, const unsigned char *at);
float cnn_sound_mean(const float *frame, int32_t channels);
/* Whether the size of a data chunk is a placeholder of a program that wrote to a pipe. The samples then end
 * with the file. */
bool cnn_sound_size_unknown(uint32_t size);
/* Resamples to another rate as torchaudio.functional.resample does by default. */
cnn_status cnn_sound_resample(cnn_sound *sound, const char *path, int32_t rate);
cnn_resampling cnn_resampling_of(int32_t from, int32_t to);
/* The first and the last source frame that frame m reads; they can be outside of the sound. */
int64_t cnn_resampling_first(const cnn_resampling *ratio, int64_t m);
int64_t cnn_resampling_last(const cnn_resampling *ratio, int64_t m);
/* Channel c of frame m; sample[0] is frame `origin`, and `frames` is the end of the sound. */
float cnn_resampled(const cnn_resampling *ratio, const float *sample, int64_t origin, int64_t frames,
                    int32_t channels, int32_t c, int64_t m);
/* Checks that a WAV file can fill the input: the input must be a sequence of samples, f32 or i16. */
cnn_status cnn_sound_fits(const char *path, const cnn_port *port);
/* Checks also that a sound with this number of channels can be converted. */
cnn_status cnn_sound_channels_fit(const char *path, const cnn_port *port, int32_t channels);
/* Converts a sound to the rate and the channels of an input. If the input has one channel, it gets the mean
 * of the sound's channels. */
cnn_status cnn_sound_convert(cnn_sound *sound, const char *path, const cnn_port *port);
/* Fills an input with a converted sound, from frame `first` on. After the end of the sound, the input is
 * zero. */
void cnn_sound_cut(const cnn_sound *sound, const cnn_port *port, int64_t first, void *input);
/* Converts a sound (see cnn_sound_convert), and fills an input with it. A shorter sound is followed by zeros.
 * Of a longer sound, the input gets the part at `place`: 0 is the beginning of the sound, 1 is its end, and a
 * negative number means the middle. */
cnn_status cnn_sound_feed(cnn_sound *sound, const char *path, const cnn_port *port, double place,
                          void *input);
/* Stores `value`, whose full scale is 1, as element i of the input; for i16, it is rounded and saturated. */
void cnn_sound_store(const cnn_port *port, void *input, int64_t i, double value);
#endif
