// parallel.c: Decisions whether several threads are faster: for a whole net, and for a loop of a kernel.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/parallel.h"
#include <math.h>
#include "schedule/cost.h"

/* Measured with LLVM's OpenMP and awake threads: starting a team takes 1 microsecond, a barrier half a
 * microsecond.
 */
enum {
  TEAM_CYCLES = 1 << 16,   /* overhead of a team per call, with a margin: about 15 microseconds */
  KERNEL_CYCLES = 8000,    /* overhead of a team per kernel: the threads wait, and half of the kernel's inputs
                              are in the other core's cache. Measured: DS-CNN with 12 kernels takes 36
                              microseconds on one thread, and 60 on two threads (Xeon, AVX-512) */
  PARALLEL_MACS = 1 << 12, /* minimum multiply-adds of a parallel loop per vector lane (half a microsecond).
                              With fewer multiply-adds, the second thread saves less time than is needed to
                              move the values to the cache of its core. The cost of barriers is not included,
                              because the team waits before and after every layer anyway */
};

/* Whether a team makes the net faster. The multiply-adds and the loading of weights overlap, so the net takes
 * the longer of the two times. */
bool schedule_team(const Target *target, int64_t work, int64_t weight_bytes, int kernels) {
  const double multiplying = (double)work / (target->fmas * target->lanes);
  return fmax(multiplying, cost_read(target, weight_bytes)) >
         (double)TEAM_CYCLES + (double)KERNEL_CYCLES * kernels;
}

LoopKind schedule_outer(const Lower *l, int64_t macs) {
  return l->batch == 0 && !l->call && macs > PARALLEL_MACS * l->target->lanes ? PARALLEL : SERIAL;
}
