/* target.c: prints the target whose code runs. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include "small.h"

int main(void) { return puts(Small_target()) < 0; }
