/* pace.h: Number of threads for each call of a net. If other programs occupy processors, some threads wait
 * for a processor, and the other threads wait for them; then fewer threads are faster. In a trial, a few
 * calls are timed with another number of threads (pace.c). Results do not depend on the number of threads. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_PACE_H
#define CNN_PACE_H
#include <stdbool.h>
#include <stdint.h>

#include "cnn_network.h"

typedef struct cnn_pace {
  int32_t most, threads, tried; /* numbers of threads: maximum; outside trials; in a trial (0: no trial) */
  /* calls: number of timed calls outside trials since the last mean; tried_calls: of the current trial */
  int64_t calls, tried_calls;
  double seconds, tried_seconds; /* total durations of `calls` and of `tried_calls` */
  /* mean duration of a call with `threads` threads, 0: unknown. latest: in the latest window; usual: the
   * smaller one of the two latest windows, because another program may have a turn in one of them */
  double latest, usual;
  double least;          /* duration of the shortest call; 0: unknown */
  double wait, patience; /* seconds to the next trial; seconds between trials */
  bool up;               /* the next trial uses more threads */
  bool woken;            /* the first call with this number of threads, which wakes them, is done */
} cnn_pace;

cnn_pace cnn_pace_of(int32_t most);
int32_t cnn_pace_threads(const cnn_pace *);     /* number of threads for the next call */
void cnn_pace_took(cnn_pace *, double seconds); /* duration of the last call */

/* These functions must be called before and after a call of the net. They set the number of threads, and
 * measure the time of the call. */
double cnn_pace_begin(cnn_pace *, const cnn_network *);
void cnn_pace_end(cnn_pace *, double begun);
#endif
