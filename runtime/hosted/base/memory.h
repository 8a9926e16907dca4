/* memory.h: Size of the machine's memory. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_MEMORY_H
#define CNN_MEMORY_H
#include <stdint.h>

int64_t cnn_memory(void); /* bytes of memory that this process may use; 0: unknown */
#endif
