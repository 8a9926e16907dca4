/* observed.h: Reader of calibration data, as written by the executables' command `observe`. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_OBSERVED_H
#define CNNC_OBSERVED_H
#include "quantize/calibrate.h"

typedef struct Observations {
  Table values;    /* maps the name of a value to its Observed */
  bool targets;    /* the data set has targets for the outputs */
  int64_t samples; /* number of samples in `input` */
  double **input;  /* input[i]: [samples][h][w][c] of input i, also with layout=chw */
} Observations;
/* The Observations must be all zero before the call. False, with the reason, on failure. */
bool observed_read(Arena *, const char *path, const Graph *, Observations *, const char **why);
#endif
