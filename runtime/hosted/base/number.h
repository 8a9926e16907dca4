/* number.h: Formatting of numbers, with a decimal point in any locale. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_NUMBER_H
#define CNN_NUMBER_H
#include <stdint.h>

typedef struct cnn_text {
  char text[48];
} cnn_text; /* returned by value, so that one printf call can use several texts */

/* Formats with `digits` significant digits: "0.001", "1.2e-05"; NaN is "nan". */
cnn_text cnn_number(double value, int digits);
cnn_text cnn_number_fixed(double value, int decimals);
cnn_text cnn_number_grouped(int64_t value);   /* "54,000" */
cnn_text cnn_number_bytes(uint64_t bytes);    /* "3.4 MB" */
cnn_text cnn_number_duration(double seconds); /* "0:07", "1:02:03" */
#endif
