// registry.c: Table of all schedules.
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "schedule/schedule.h"

#define SCHEDULE(name) &schedule_##name,
const Schedule *const schedule_registry[] = {
#include "schedule/registry.def"
    NULL};
#undef SCHEDULE

const Schedule *schedule_named(const char *tuning_name) {
  for (const Schedule *const *s = schedule_registry; *s; s++)
    if ((*s)->tuning_name && strcmp((*s)->tuning_name, tuning_name) == 0) return *s;
  return NULL;
}

/* ---- the operators' own nests, which are vectorized where possible: kernel/walk.h ---- */
static const char *plain_title(const Lower *l, const Choice *choice) {
  (void)choice;
  if (l->plain) return "reference loops";
  switch (l->node->op->family) {
  case FAMILY_NONE:
  case FAMILY_MATMUL:
  case FAMILY_INT8: return "its own loops";
  case FAMILY_POOL: return "window by window";
  case FAMILY_ALIAS: return "nothing";
  default: return "reference loops"; /* the schedules of other families support all but the largest sizes */
  }
}

const Schedule schedule_plain = {.name = "reference loops", .title = plain_title, .cycles = cost_kernel};
