/* threads.h: Number of threads of a net. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_THREADS_H
#define CNN_THREADS_H
#include <stdint.h>

/* For nets called from this thread; nothing happens where they were compiled without OpenMP. */
void cnn_threads_use(int32_t threads);
/* For programs, before a net is called for the first time: threads that wait for each other spin for a
 * millisecond at most, then they sleep, unless the environment wants it otherwise. */
void cnn_threads_spare(void);
int32_t
cnn_threads_of_net(int32_t wanted); /* as cnn_threads, but 1 where the net was compiled without OpenMP */
/* As cnn_threads, where n processes share this machine: at most their part of it. The system may have
 * given each a smaller one, or the same larger one to several. */
int32_t cnn_threads_shared(int32_t wanted, int32_t processes);
double cnn_clock(void);      /* seconds since an arbitrary moment */
double cnn_wall_clock(void); /* seconds since 1970 */
#endif
