/* board.h: functions that the program calls to print and to measure time: defined in board.c for a board, and
 * in host.c for a workstation. */
// SPDX-License-Identifier: MIT-0
#ifndef BOARD_H
#define BOARD_H
#include <stdint.h>

int board_main(void); /* the program; 0: success */

void board_say(const char *text);
void board_say_number(uint32_t number);

/* On a board, the time between these two calls is measured, and board_say_measured prints it. */
void board_begin(void);
void board_end(void);
void board_say_measured(void); /* the maximum of all times */
#endif
