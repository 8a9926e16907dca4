/* host.c: the functions of board.h for a workstation. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include "board.h"

void board_say(const char *text) { fputs(text, stdout); }
void board_say_number(uint32_t number) { printf("%lu", (unsigned long)number); }
void board_begin(void) {}
void board_end(void) {}
void board_say_measured(void) {}

int main(void) { return board_main(); }
