/* noise.c: Background recordings of a set, in memory. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/calls.h"
#include "hosted/data/noise.h"

#include <stdio.h>
#include <stdlib.h>
#include "hosted/data/sound.h"

static cnn_status recording_read(cnn_sound *sound, const char *path, const cnn_port *port) {
  cnn_status status = cnn_sound_read(sound, path);
  if (status.code == CNN_OK) status = cnn_sound_convert(sound, path, port);
  if (status.code != CNN_OK) cnn_sound_free(sound);
  return status;
}

cnn_status cnn_noise_open(cnn_noise *noise, char **path, int64_t paths, const cnn_port *port,
                          cnn_noise_bad *bad) {
  const float **sample = calloc((size_t)paths + 1, sizeof *sample);
  int64_t *frames = calloc((size_t)paths + 1, sizeof *frames);
  cnn_status status = sample && frames ? cnn_success() : cnn_failure(CNN_NO_MEMORY, "out of memory");
  *noise = (cnn_noise){sample, frames, 0};
  for (int64_t i = 0; i < paths && status.code == CNN_OK; i++) {
    cnn_sound sound;
    status = recording_read(&sound, path[i], port);
    if (status.code == CNN_OK) {
      char *const used = path[i];
      path[i] = path[noise->recordings];
      path[noise->recordings] = used;
      sample[noise->recordings] = sound.sample;
      frames[noise->recordings++] = sound.frames;
    } else if (bad && status.code != CNN_NO_MEMORY) {
      if (bad->count++ == 0)
        snprintf(bad->first, sizeof bad->first, "%.*s", (int)sizeof bad->first - 1, status.message);
      status = cnn_success();
    }
  }
  if (status.code != CNN_OK) cnn_noise_close(noise);
  return status;
}

void cnn_noise_close(cnn_noise *noise) {
  for (int32_t r = 0; r < noise->recordings; r++) free((void *)(uintptr_t)noise->sample[r]);
  free((void *)(uintptr_t)noise->sample);
  free((void *)(uintptr_t)noise->frames);
  *noise = (cnn_noise){0};
}

void cnn_noise_feed(const cnn_noise *noise, int32_t r, double place, const cnn_port *port, void *input) {
  const int64_t length = cnn_port_length(port), channels = port->dim[1], frames = noise->frames[r],
                starts = frames > length ? frames - length + 1 : frames,
                drawn = (int64_t)(place * (double)starts);
  int64_t at = drawn < starts ? drawn : starts - 1;
  for (int64_t t = 0; t < length; t++, at = at + 1 < frames ? at + 1 : 0)
    for (int64_t c = 0; c < channels; c++)
      cnn_sound_store(port, input, t * channels + c, noise->sample[r][at * channels + c]);
}
