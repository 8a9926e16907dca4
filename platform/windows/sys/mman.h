/* mman.h: mmap() for Windows, which only maps files to read them. */
// SPDX-License-Identifier: MIT-0
#ifndef PLATFORM_MMAN_H
#define PLATFORM_MMAN_H
#include <stddef.h>
#include <stdint.h>
enum { PROT_READ = 1, MAP_PRIVATE = 2 };
#define MAP_FAILED ((void *)-1)
/* Maps the whole file. */
void *mmap(void *at, size_t bytes, int protection, int flags, int descriptor, int64_t offset);
int munmap(void *at, size_t bytes);
#endif
