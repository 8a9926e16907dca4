/* nearest.h: how far apart two names are, for "did you mean". Also built into the compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_NEAREST_H
#define CNN_NEAREST_H
#include <stdint.h>

int32_t
cnn_letters_between(const char *a,
                    const char *b); /* how many letters must change; of longer names the last 127 count */
#endif
