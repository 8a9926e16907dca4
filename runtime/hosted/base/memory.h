/* memory.h: Memory of the machine. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_MEMORY_H
#define CNN_MEMORY_H
#include <stdint.h>

int64_t cnn_memory(void); /* bytes that the machine has, or this process may have; 0: not known */
#endif
