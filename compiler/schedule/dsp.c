// dsp.c: which schedule a kernel of 8 bits takes.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/dsp.h"

bool schedule_dsp(Lower *l) {
  if (!l->target->dsp || !l->layout->dsp || l->threads) return false;
  if (l->node->nin == 2) return !dsp_sum_refused(l) && schedule_dsp_sum(l);
  if (!dsp_winograd_refused(l)) return schedule_dsp_winograd(l);
  if (!dsp_direct_refused(l)) return schedule_dsp_direct(l);
  if (!dsp_depthwise_refused(l)) return schedule_dsp_depthwise(l);
  return false;
}
