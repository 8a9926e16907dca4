/* board.h: functions that the program calls to print, and to measure time and stack; defined in board.c for a
 * board, and in host.c for a workstation. */
// SPDX-License-Identifier: MIT-0
#ifndef BOARD_H
#define BOARD_H
#include <stdint.h>

int board_main(void); /* the program; 0: success */

void board_say(const char *text);
void board_say_number(uint32_t number);

/* On a board, these two calls measure the time between them and the stack that is used in between. */
void board_begin(void);
void board_end(void);
void board_say_measured(void); /* prints the maxima of time and stack; nothing on a workstation */
#endif
