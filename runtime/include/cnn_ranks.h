/* cnn_ranks.h: processes that train a net together, on one machine or on several. The runtime knows them by
 * this table alone; libcnn-mpi fills it in for MPI. */
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

/* All functions are called by the thread that opened the table; all processes call broadcast and gather in
 * the same order. A message that was begun has a number, from 0, until it has arrived; its bytes must stay as
 * they are until then. */
typedef struct cnn_ranks {
  int32_t rank, size; /* this process, from 0, and how many there are */
  int32_t here;       /* of these, those on this machine */
  void *context;
  int32_t (*send)(void *context, const void *bytes, size_t n, int32_t to, int32_t tag);
  int32_t (*receive)(void *context, void *bytes, size_t n, int32_t from, int32_t tag);
  bool (*arrived)(void *context, int32_t message); /* does not wait; true: the number is given back */
  void (*wait)(void *context, int32_t message);    /* gives the number back */
  void (*broadcast)(void *context, void *bytes, size_t n, int32_t from);
  /* Process r has bytes from[r] .. from[r + 1] - 1; afterwards each has all. */
  void (*gather)(void *context, void *bytes, const int64_t *from);
  void (*abandon)(void *context); /* ends all processes immediately; does not return */
} cnn_ranks;

/* How a program gets to them. */
typedef struct cnn_launch {
  const cnn_ranks *(*open)(void); /* NULL: it failed, and said so */
  void (*close)(void);
} cnn_launch;

/* As cnn_main, for a program that may be one of several processes. */
int cnn_main_launched(int argc, char **argv, const cnn_network *network, const cnn_launch *launch);

/* The same by MPI, in the library libcnn-mpi. */
int cnn_main_mpi(int argc, char **argv, const cnn_network *network);

#ifdef __cplusplus
}
#endif
#endif
