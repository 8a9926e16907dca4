/* sha256.h: SHA-256 (FIPS 180-4). */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SHA256_H
#define CNNC_SHA256_H
#include <stddef.h>
#include "base/arena.h"

/* The hash of n bytes as 64 hexadecimal digits. */
const char *sha256_text(Arena *, const void *bytes, size_t n);
#endif
