/* strassen.h: the product of two matrices of 2x2 blocks by seven products of blocks instead of eight:
 * Strassen's algorithm (1969) in Winograd's form, which takes fifteen additions. The blocks are in the order
 * 11, 12, 21, 22. Applied to the products again it takes 49 instead of 64. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_STRASSEN_H
#define CNNC_STRASSEN_H
#include "schedule/winograd.h"

enum { STRASSEN_BLOCKS = 4, STRASSEN_PRODUCTS = 7, STRASSEN_LEVELS = 2 /* most */ };

/* How far a sum over so many channels may be from the exact one, in floats. typical: what to expect of random
 * data, relative to the largest output; worst: proven, relative to (largest input) * (largest weight) *
 * channels. */
WinogradError strassen_error(int levels, int64_t channels);

/* The additions as statements: four blocks of the left matrix, or of the right one, become the factors of the
 * seven products; seven products become the four blocks of the result. */
void strassen_left(Nest *, const Val *x, Val *y);
void strassen_right(Nest *, const Val *x, Val *y);
void strassen_result(Nest *, const Val *x, Val *y);
#endif
