/* helium.h: schedules of 8 bits for CPUs with Arm's Helium: vectors of 16 bytes on boards. They are offered
 * and chosen as those of dsp.h, which do what these refuse. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SCHEDULE_HELIUM_H
#define CNNC_SCHEDULE_HELIUM_H
#include "schedule/mcu/dsp.h"
#include "schedule/int8/int8_words.h"

/* Why it cannot be done that way; NULL: it can. */
const char *helium_product_refused(const Lower *);
Cycles helium_product_cycles(const Lower *);
void schedule_helium_product(Lower *);
const char *helium_depthwise_refused(const Lower *);
Cycles helium_depthwise_cycles(const Lower *);
void schedule_helium_depthwise(Lower *);
DspWork helium_finish_work(const Lower *, double vectors); /* sums of four channels each become 8 bits */
#endif
