/* sound_pipe.h: Reader of sound from standard input: WAV streams of any length, or raw samples. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_HOSTED_SOUND_PIPE_H
#define CNN_HOSTED_SOUND_PIPE_H
#include "hosted/data/sound.h"

typedef struct cnn_sound_pipe {
  FILE *file;
  const cnn_port *port;
  unsigned char begun[16]; /* the bytes that were read to find out whether a WAV header begins */
  size_t held, used;       /* number of these bytes; how many of them were passed on */
  int64_t rate;            /* samples per second after conversion; 0: unknown */
  bool wav;                /* the following members are only used for WAV */
  cnn_sound_format format;
  cnn_resampling ratio;
  uint32_t size; /* of the data chunk, in bytes */
  uint64_t left; /* bytes of the data chunk that were not read; UINT64_MAX: up to the end of the pipe */
  float *sample; /* frames origin .. end - 1 of the stream, with the input's channels */
  int64_t origin, end, room, given;
  bool ended; /* no frame follows frame end - 1 */
} cnn_sound_pipe;

/* Reads the header of a WAV stream, if there is one. Fails for WAV streams that do not fit the input, and for
 * the headers of other sound files. */
cnn_status cnn_sound_pipe_open(cnn_sound_pipe *pipe, FILE *file, const cnn_port *port);
/* Stores up to `count` rows of the input at `to`, in the input's type, and sets *got to their number; fewer
 * than `count` remain only at the end of the pipe. */
cnn_status cnn_sound_pipe_read(cnn_sound_pipe *pipe, void *to, int64_t count, int64_t *got);
void cnn_sound_pipe_close(cnn_sound_pipe *pipe);
#endif
