/* board.h: Functions for programs on a qemu board. */
// SPDX-License-Identifier: Apache-2.0
#ifndef BOARD_H
#define BOARD_H
#include <stdint.h>
void put(const char *text);
void put_number(uint32_t number);
void mark_start(void); /* instruction counting starts here */
void mark_stop(void);  /* instruction counting ends here */
#endif
