/* helium.h: schedules of 8 bits for CPUs with Arm's Helium: vectors of 16 bytes on boards. They are offered
 * and chosen as those of dsp.h, which do what these refuse. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SCHEDULE_HELIUM_H
#define CNNC_SCHEDULE_HELIUM_H
#include "schedule/mcu/dsp.h"
#include "schedule/int8/int8_words.h"

bool helium_may(const Lower *); /* a convolution or dense layer, on a CPU with Helium */
const char *helium_refused(const Lower *, const Choice *);
DspWork helium_finish_work(const Lower *, double vectors); /* sums of four channels each become 8 bits */

/* Vectors do all layers that they can do: no other schedule comes near. */
static inline bool helium_takes(const Lower *l) {
  return schedule_helium_product.takes(l) || schedule_helium_depthwise.takes(l);
}
#endif
