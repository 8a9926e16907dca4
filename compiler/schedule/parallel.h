/* parallel.h: Decisions whether several threads are faster in inference: for a whole net, and for a loop of a
 * kernel. (In training, threads share the batched kernels; in the other kernels, they compute different
 * images.) */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SCHEDULE_PARALLEL_H
#define CNNC_SCHEDULE_PARALLEL_H
#include "kernel/lower.h"

/* Whether a team of threads is faster than one thread, for a net with `work` multiply-adds, `weight_bytes` of
 * weights and `kernels` kernels. */
bool schedule_team(const Target *, int64_t work, int64_t weight_bytes, int kernels);
/* PARALLEL if calls compute one image, and a loop with `macs` multiply-adds is faster on several threads;
 * otherwise SERIAL. */
LoopKind schedule_outer(const Lower *, int64_t macs);
#endif
