/* strassen.h: Product of two matrices of 2x2 blocks with seven products of blocks instead of eight:
 * Strassen's algorithm (1969) in Winograd's form, which needs fifteen additions. The blocks are in the order
 * 11, 12, 21, 22. Applied twice, the algorithm needs 49 products instead of 64. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_STRASSEN_H
#define CNNC_STRASSEN_H
#include "schedule/float/winograd.h"

enum { STRASSEN_BLOCKS = 4, STRASSEN_PRODUCTS = 7, STRASSEN_LEVELS = 2 /* maximum number of applications */ };

/* Error of a float sum over `channels` channels. typical: expected on random data, relative to the
 * largest output; worst: proven bound, relative to (largest input) * (largest weight) * channels. */
WinogradError strassen_error(int levels, int64_t channels);

/* conv_strassen.c. parts: number of parts into which each axis of a matrix is divided: 2, or 4 if the
 * algorithm is applied twice. */
/* whether the convolution, as a gather, is a product of two matrices */
bool strassen_takes(const Correlation *);
const char *strassen_refused_for(Arena *, const Target *layout, bool exact, const Correlation *, int parts);
const char *strassen_name(int parts);

/* The additions as statements: the four blocks of the left or right matrix become the factors of the seven
 * products, and the seven products become the four blocks of the result. The terms are floats, packed int16x2
 * words, or 32-bit integers modulo 2^32; `add` and `sub` build sums and differences of terms. */
typedef struct StrassenSums {
  Val (*add)(Val, Val), (*sub)(Val, Val);
} StrassenSums;
extern const StrassenSums strassen_floats;
void strassen_left(Nest *, const StrassenSums *, const Val *x, Val *y);
void strassen_right(Nest *, const StrassenSums *, const Val *x, Val *y);
void strassen_result(Nest *, const StrassenSums *, const Val *x, Val *y);

/* Row and column of block k. */
static inline int strassen_row(int k) { return k / 2; }
static inline int strassen_column(int k) { return k % 2; }

/* A tile: some rows times some vectors of columns of all four blocks of the result, computed from the factors
 * of the seven products (strassen_tile.c). part: lanes in use in the last vector; adds: the tile is added to
 * the result's previous contents. The functions left, right and result return references to an element of a
 * left factor, to a vector of a right factor, and to a vector of the result. */
enum { STRASSEN_VECTORS = 2 /* maximum number of vectors in a tile */ };
typedef struct StrassenTile StrassenTile;
struct StrassenTile {
  int rows, vectors, lanes, part;
  int64_t depth;
  bool adds;
  Ref (*left)(Nest *, const StrassenTile *, int product, const Ix *k, const Ix *r);
  Ref (*right)(Nest *, const StrassenTile *, int product, const Ix *k, int v);
  Ref (*result)(Nest *, const StrassenTile *, int block, const Ix *r, int v);
  /* Called before the product of each step, to prefetch; the first step is 0. NULL: no prefetch. Blocks of
   * the result are stored from step 1 on. */
  void (*fetch)(Nest *, const StrassenTile *, int step);
  const void *at; /* the caller's data for these functions: the position of the tile */
};
void strassen_tile(Nest *, const StrassenTile *);
#endif
