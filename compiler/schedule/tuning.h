/* tuning.h: Tuning file NAME.tune next to NAME.cnn: schedules of kernels, with the times that --tune
 * measured. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TUNING_H
#define CNNC_TUNING_H
#include "base/diag.h"
#include "base/text.h"
#include "schedule/schedule.h"

/* A line: x86-64-v4 conv 3x3 56x56x64 -> 56x56x64 pad 1x1 + relu: winograd m=4 tiles=56 us=102 model_us=141
 */
typedef struct Tuned {
  const char *target; /* for example "x86-64-v3/16" if weights are packed for vectors of 16 lanes */
  const char *key;
  Choice choice;
  double us, model_us; /* microseconds measured with this choice, and with the choice of the cost model */
  Span span;
  const char *refused; /* the reason why the choice cannot be used, set by the chooser; or NULL */
} Tuned;

typedef struct Tuning {
  Arena *arena;
  VEC(Tuned *) lines;
} Tuning;

Tuned *tuning_find(const Tuning *, const char *target, const char *key);
void tuning_set(Tuning *, Tuned); /* overwrites the line that has the same target and key, or adds a line */
const char *tuning_choice(Arena *, const Choice *);           /* the choice as text, for example "winograd m=4
                                                                 tiles=56" */
void tuning_put(Text *, const Tuning *, const char *program); /* prints the tuning file */
void tuning_read(Tuning *, Diags *, const Sources *,
                 uint32_t file);             /* invalid lines are reported and skipped */
void tuning_report(const Tuning *, Diags *); /* reports choices that could not be used */
#endif
