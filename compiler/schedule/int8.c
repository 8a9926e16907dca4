// int8.c: which schedule a kernel of 8 bits takes.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/int8.h"

bool schedule_int8(Lower *l) {
  if (!l->target->halves || !l->layout->halves || l->threads) return false;
  if (l->node->nin == 2) return !int8_sum_refused(l) && schedule_int8_sum(l);
  if (!int8_winograd_refused(l)) return schedule_int8_winograd(l);
  if (!int8_direct_refused(l)) return schedule_int8_direct(l);
  if (!int8_depthwise_refused(l)) return schedule_int8_depthwise(l);
  return false;
}
