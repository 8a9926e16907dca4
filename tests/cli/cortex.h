/* cortex.h: what a program on the Cortex-M7 of cortex.c has around it. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CORTEX_H
#define CORTEX_H
#include <stdint.h>

int app_main(void);
void say_number(int32_t); /* in a line of its own */
#endif
