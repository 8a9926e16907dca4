/* cnn_ranks.h: Interface to processes that train a net together, on one machine or on several. The runtime
 * only calls the functions of the structs cnn_ranks and cnn_launch; libcnn-mpi implements them with MPI. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_RANKS_H
#define CNN_RANKS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cnn_network.h"
#ifdef __cplusplus
extern "C" {
#endif

/* The functions are only called from the thread that called cnn_launch.open. All processes call broadcast and
 * gather in the same order. `send` and `receive` start a message and return its number, counted from 0. Until
 * the message has arrived, its bytes must not change. */
typedef struct cnn_ranks {
  int32_t rank, size; /* number of this process, from 0, and number of processes */
  int32_t here;       /* number of processes on this machine */
  void *context;
  int32_t (*send)(void *context, const void *bytes, size_t n, int32_t to, int32_t tag);
  int32_t (*receive)(void *context, void *bytes, size_t n, int32_t from, int32_t tag);
  bool (*arrived)(void *context,
                  int32_t message); /* does not wait; true: the message has arrived and its number is free */
  void (*wait)(void *context, int32_t message); /* waits, and frees the message's number */
  void (*broadcast)(void *context, void *bytes, size_t n, int32_t from);
  /* Before the call, process r has bytes from[r] .. from[r + 1] - 1; after it, each process has all bytes. */
  void (*gather)(void *context, void *bytes, const int64_t *from);
  void (*abandon)(void *context); /* ends all processes immediately; does not return */
} cnn_ranks;

/* How a program connects to the other processes. */
typedef struct cnn_launch {
  const cnn_ranks *(*open)(void); /* NULL: it failed and has printed the error */
  void (*close)(void);
} cnn_launch;

/* Like cnn_main, for a program that may be one of several processes. */
int cnn_main_launched(int argc, char **argv, const cnn_network *network, const cnn_launch *launch);

/* Like cnn_main_launched, with processes connected by MPI; in the library libcnn-mpi. */
int cnn_main_mpi(int argc, char **argv, const cnn_network *network);

#ifdef __cplusplus
}
#endif
#endif
