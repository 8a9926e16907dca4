/* helium.h: int8 schedules for CPUs with Arm Helium: 16-byte vectors on boards. The schedules are proposed
 * and chosen like the schedules of dsp.h, which compute the kernels that Helium schedules do not support. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SCHEDULE_HELIUM_H
#define CNNC_SCHEDULE_HELIUM_H
#include "schedule/mcu/dsp.h"
#include "schedule/int8/int8_words.h"

bool helium_may(const Lower *); /* whether the kernel is a convolution or dense layer, on a CPU with Helium */
const char *helium_refused(const Lower *, const Choice *);
DspWork helium_finish_work(const Lower *,
                           double vectors); /* work to requantize `vectors` vectors of four sums to int8 */

/* Whether a Helium schedule computes the layer: yes if one of the schedules supports the layer, because no
 * other schedule is nearly as fast. */
static inline bool helium_takes(const Lower *l) {
  return schedule_helium_product.takes(l) || schedule_helium_depthwise.takes(l);
}
#endif
