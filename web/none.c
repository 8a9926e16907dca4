/* none.c: schedules for nets of 8 bits, which the page does not have. */
// SPDX-License-Identifier: Apache-2.0
#include "schedule/dsp.h"
#include "schedule/schedule.h"

bool schedule_dsp(Lower *l) {
  (void)l;
  return false;
}

bool dsp_takes(const Lower *l) {
  (void)l;
  return false;
}

void dsp_offer(const Lower *l, Decision *d) { (void)l, (void)d; }

bool schedule_int8_product(Lower *l) {
  (void)l;
  return false;
}
