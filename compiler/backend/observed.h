/* observed.h: reads what a built program's command `observe` wrote. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_OBSERVED_H
#define CNNC_OBSERVED_H
#include "quantize/calibrate.h"

/* Values by name, of Observed. False, and why. */
bool observed_read(Arena *, const char *path, Table *, const char **why);
#endif
