/* board.h: what a program has around it: board.c on a board, host.c on a workstation. */
// SPDX-License-Identifier: MIT-0
#ifndef BOARD_H
#define BOARD_H
#include <stdint.h>

int board_main(void); /* the program; 0: all went well */

void board_say(const char *text);
void board_say_number(uint32_t number);

/* The time between the two is measured, and printed by board_say_measured; not on a workstation. */
void board_begin(void);
void board_end(void);
void board_say_measured(void); /* the most of all times */
#endif
