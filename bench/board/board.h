/* board.h: what a program on a board of qemu has. */
// SPDX-License-Identifier: Apache-2.0
#ifndef BOARD_H
#define BOARD_H
#include <stdint.h>
void put(const char *text);
void put_number(uint32_t number);
void mark_start(void); /* instructions are counted from here */
void mark_stop(void);  /* to here */
#endif
