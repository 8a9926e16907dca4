/* none.c: schedules for nets of 8 bits, which the page does not have. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/prelude.h"
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

void prelude_vector_primitive(Text *out, const Primitive *primitive, int lanes, const PreludeNames *names) {
  (void)out, (void)primitive, (void)lanes, (void)names;
}

bool prelude_vector_of_floats(const Primitive *primitive) {
  (void)primitive;
  return false;
}
