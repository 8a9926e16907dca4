/* noise.h: Background recordings of a set, in memory. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_HOSTED_NOISE_H
#define CNN_HOSTED_NOISE_H
#include "cnn_core.h"
#include "cnn_status.h"

/* Number of unreadable files that were skipped, and the message for the first of them. */
typedef struct cnn_noise_bad {
  int64_t count;
  char first[400];
} cnn_noise_bad;
/* Loads WAV files, and converts them to the rate and channels of the input. bad NULL: an unreadable file is
 * an error. Otherwise unreadable files are moved to the end of path[]. */
cnn_status cnn_noise_open(cnn_noise *noise, char **path, int64_t paths, const cnn_port *port,
                          cnn_noise_bad *bad);
void cnn_noise_close(cnn_noise *noise);
/* Fills an input with the part of recording r at `place`: 0 is the beginning of the recording, 1 is its end.
 * If the recording is shorter than the input, it is repeated. */
void cnn_noise_feed(const cnn_noise *noise, int32_t r, double place, const cnn_port *port, void *input);
#endif
