/* parallel.h: Thresholds for threads in inference. In training, threads compute different images. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SCHEDULE_PARALLEL_H
#define CNNC_SCHEDULE_PARALLEL_H
#include "kernel/lower.h"

/* Whether a team of threads is faster for a net with these multiply-adds and weights, in that number of
 * kernels. */
bool schedule_team(const Target *, int64_t work, int64_t weight_bytes, int kernels);
/* PARALLEL if a loop with that number of multiply-adds is worth sharing, in a net that has a team; otherwise
 * SERIAL. */
LoopKind schedule_outer(const Lower *, int64_t macs);
#endif
