/* board.h: what board.c has for a program. */
// SPDX-License-Identifier: MIT-0
#ifndef BOARD_H
#define BOARD_H
int board_main(void);  /* the program; its status is what the emulator ends with */
void board_say(int n); /* a number on a line of its own */
#endif
