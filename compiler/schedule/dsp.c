// dsp.c: which schedule a kernel of 8 bits takes.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/dsp.h"

/* Why a layer has none; NULL: it has one. */
static const char *products_refused(const Lower *l) {
  const Correlation k = int8_geometry(l->node);
  if (correlation_near_limits(&k)) return "sizes near the limits of an index";
  if (!dsp_winograd_refused(l) || !dsp_depthwise_refused(l)) return NULL;
  const char *why = dsp_direct_refused(l);
  return why && k.groups > 1 ? dsp_depthwise_refused(l) : why;
}

bool schedule_dsp(Lower *l) {
  if (!l->target->dsp || !l->layout->dsp || l->threads) return false;
  const char *why = int8_is_wide(l->node) ? "a value has 16 bits"
                    : l->node->nin == 2   ? dsp_sum_refused(l)
                                          : products_refused(l);
  if (why) {
    lower_detail(l, "plain loops: %s", why);
    return false;
  }
  if (l->node->nin == 2) return schedule_dsp_sum(l);
  if (!dsp_winograd_refused(l)) return schedule_dsp_winograd(l);
  return !dsp_direct_refused(l) ? schedule_dsp_direct(l) : schedule_dsp_depthwise(l);
}
