/* pace.h: Number of threads for each call of a net. Where other programs keep the processors busy, a team
 * of threads waits for the one that has none, and fewer threads are faster. Results do not depend on their
 * number. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_PACE_H
#define CNN_PACE_H
#include <stdbool.h>
#include <stdint.h>

typedef struct cnn_pace {
  int32_t most, threads, tried; /* the most there may be; now; on trial, or 0 */
  int64_t calls,
      tried_calls; /* that have been timed: with `threads` since it was chosen or last judged; on trial */
  double seconds, tried_seconds;
  double usual;          /* the mean time of a call; 0: not known yet */
  double wait, patience; /* seconds to the next trial; between trials */
  bool up;               /* the next trial is with more threads */
  bool woken;            /* the first call of the trial, which wakes its threads, is over */
} cnn_pace;

cnn_pace cnn_pace_of(int32_t most);
int32_t cnn_pace_threads(const cnn_pace *);     /* for the next call */
void cnn_pace_took(cnn_pace *, double seconds); /* how long it took */

/* Around a call: sets the number of threads, and takes the time. */
double cnn_pace_begin(cnn_pace *);
void cnn_pace_end(cnn_pace *, double begun);
#endif
