/* most_memory.h: The limit on the memory of one import in the fuzz targets. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MOST_MEMORY_H
#define CNNC_MOST_MEMORY_H
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Maximum memory, in bytes, of the import of a small file. Most of the memory is for the constants that the
 * import computes (room_of_file in import/common/tensor.c) and for the nodes of unrolled loops. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define MOST_MEMORY ((size_t)1 << 29)
#else
#define MOST_MEMORY ((size_t)3 << 29)
#endif
#endif
