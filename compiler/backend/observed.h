/* observed.h: Reader of the files that `observe` of a built program writes. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_OBSERVED_H
#define CNNC_OBSERVED_H
#include "quantize/calibrate.h"

typedef struct Observations {
  Table values;    /* of Observed, by name */
  bool targets;    /* the data includes the targets of the outputs */
  int64_t samples; /* that are here */
  double **input;  /* by input: [samples][h][w][c], in the caller's layout */
} Observations;
/* False, and why. */
bool observed_read(Arena *, const char *path, const Graph *, Observations *, const char **why);
#endif
