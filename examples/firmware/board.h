/* board.h: functions of board.c that the program calls, and the function that board.c calls. */
// SPDX-License-Identifier: MIT-0
#ifndef BOARD_H
#define BOARD_H
int board_main(void);  /* the program; its status is the emulator's exit status */
void board_say(int n); /* prints a number on a line */
#endif
