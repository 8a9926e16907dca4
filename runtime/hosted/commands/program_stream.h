/* program_stream.h: Commands that read recordings: `predict --stream`, and `eval` with detection windows. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_PROGRAM_STREAM_H
#define CNN_PROGRAM_STREAM_H
#include "hosted/commands/detect.h"
#include "hosted/commands/program.h"

typedef struct cnn_stream_arguments {
  const char *weights, *truth; /* truth: a JSON file of detection windows */
  const cnn_weights_names *names;
  const cnn_detect_options *detect;
  int64_t threads;
  bool json;
} cnn_stream_arguments;

/* Both functions return the exit status. */
int cnn_predict_stream(const cnn_program *program, const cnn_stream_arguments *arguments, int files,
                       char **file);
int cnn_eval_recordings(const cnn_program *program, const cnn_stream_arguments *arguments, int files,
                        char **file);
#endif
