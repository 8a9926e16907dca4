/* memory.h: Size of the memory that the process may use. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_MEMORY_H
#define CNN_MEMORY_H
#include <stdint.h>

int64_t cnn_memory(void); /* bytes; 0: unknown */
#endif
