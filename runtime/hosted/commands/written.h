/* written.h: Check of a command's output files against its inputs, its other outputs and the program
 * itself. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_WRITTEN_H
#define CNN_WRITTEN_H
#include "cnn_data.h"
#include "hosted/commands/options.h"

/* path NULL: not requested; option NULL ends a list */
typedef struct cnn_written {
  const char *option, *path;
} cnn_written;

/* These functions return CNN_GO_ON; or, after an error message, the exit status for a wrong command line.
 * Existing files are compared by device and inode, new files by path. */
/* Compares the outputs with each other and with the program. */
int cnn_written_apart(const cnn_usage *usage, const cnn_written *written);
/* Compares the outputs with the input `path` (or NULL). `why` ends the message: "the weights are read from
 * it". */
int cnn_written_spares(const cnn_usage *usage, const cnn_written *written, const char *path, const char *why);
/* Checks that a file that is written several times, and read again, is not a named pipe or a socket, which
 * would wait for a reader after the training. */
int cnn_written_again(const cnn_usage *usage, const char *path);
int cnn_written_spares_data(const cnn_usage *usage, const cnn_written *written, const cnn_data *data);
#endif
