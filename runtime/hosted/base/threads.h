/* threads.h: Number of threads of a net, and clocks. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_THREADS_H
#define CNN_THREADS_H
#include "cnn_network.h"

/* Sets the number of threads for calls of the net from this thread. Has no effect if the net was compiled
 * with --threads=none. */
void cnn_threads_use(const cnn_network *, int32_t threads);
/* Linux: moves OpenMP threads that are on the same processor to different processors. Threads sleep while
 * fewer threads are used. While another program runs on every other processor, even one of low priority,
 * Linux may wake a thread on the processor of a running thread of the team, where both together are no faster
 * than one thread. The thread pool of the generated code does the same by itself. */
void cnn_threads_spread(const cnn_network *, int32_t threads);
/* Programs call this before the first call of a net. Waiting threads of LLVM's OpenMP then spin for at most a
 * millisecond before they sleep, unless the environment sets another policy. */
void cnn_threads_spare(void);
/* Like cnn_threads, but 1 if the net has no `threads` function and OpenMP is not linked. */
int32_t cnn_threads_of_net(const cnn_network *, int32_t wanted);
/* Like cnn_threads, but for several processes on this machine. Unless `wanted` or OMP_NUM_THREADS sets the
 * number, the result is at most one process's share of the machine's processors, but at least 1. The reason:
 * the other processes may use the same processors as this process. */
int32_t cnn_threads_shared(int32_t wanted, int32_t processes);
double cnn_clock(void);      /* seconds since an arbitrary moment */
double cnn_wall_clock(void); /* seconds since 1970 */
#endif
