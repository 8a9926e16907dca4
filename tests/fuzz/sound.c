/* sound.c: fuzz target for the reader of WAV files. */
// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <stdlib.h>
#include "hosted/data/sound.h"

enum { LENGTH = 100, RATE = 8000, MOST = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  static int16_t input[LENGTH];
  static float floats[2 * LENGTH];
  const cnn_port port = {
      .name = "x", .type = CNN_I16, .rank = 2, .dim = {LENGTH, 1}, .size = LENGTH, .rate = RATE};
  const cnn_port stereo = {.name = "x", .type = CNN_F32, .rank = 2, .dim = {LENGTH, 2}, .size = 2 * LENGTH};
  cnn_sound sound = {0};
  if (n <= MOST && cnn_sound_decode(&sound, "input", bytes, n).code == CNN_OK) {
    if (sound.frames < 1 || sound.channels < 1) abort();
    const double place = (double)bytes[n - 1] / 256;
    (void)cnn_sound_feed(&sound, "input", &stereo, place, floats);
    (void)cnn_sound_feed(&sound, "input", &stereo, -1, floats);
    if (sound.rate >= 100)
      (void)cnn_sound_feed(&sound, "input", &port, place, input); /* resampling from lower rates is slow */
  }
  cnn_sound_free(&sound);
  return 0;
}
