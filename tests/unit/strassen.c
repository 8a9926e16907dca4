// strassen.c: Strassen's algorithm: the estimate of its rounding errors.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/float/strassen.h"
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 16, COLUMNS = 16 }; /* size of the result */

static float draw(uint64_t *state) { /* -1 .. 1 */
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (float)((double)(*state >> 40) / (1 << 23) - 1);
}

/* A matrix, or a block of a matrix. */
typedef struct Block {
  float *at;
  int rows, columns, pitch;
} Block;

static Block new_block(int rows, int columns) {
  return (Block){calloc((size_t)(rows * columns), sizeof(float)), rows, columns, columns};
}

static Block part(const Block *b, int row, int column) {
  const int rows = b->rows / 2, columns = b->columns / 2;
  return (Block){b->at + row * rows * b->pitch + column * columns, rows, columns, b->pitch};
}

/* The sum of the four quarters, each times its factor. The quarters are added in the order 11, 12, 21, 22. */
static Block sum(const Block *b, const int factor[4]) {
  Block s = new_block(b->rows / 2, b->columns / 2);
  for (int k = 0; k < 4; k++) {
    const Block p = part(b, k / 2, k % 2);
    for (int i = 0; i < s.rows * s.columns; i++)
      s.at[i] += (float)factor[k] * p.at[i / s.columns * p.pitch + i % s.columns];
  }
  return s;
}

/* The seven products by their definition, as factors of the quarters 11, 12, 21 and 22. */
static const int left[7][4] = {{1, 0, 0, 0}, {0, 1, 0, 0},  {1, 1, -1, -1}, {0, 0, 0, 1},
                               {0, 0, 1, 1}, {-1, 0, 1, 1}, {1, 0, -1, 0}};
static const int right[7][4] = {{1, 0, 0, 0},  {0, 0, 1, 0},  {0, 0, 0, 1}, {1, -1, -1, 1},
                                {-1, 1, 0, 0}, {1, -1, 0, 1}, {0, -1, 0, 1}};
static const int result[4][7] = {
    {1, 1, 0, 0, 0, 0, 0}, {1, 0, 1, 0, 1, 1, 0}, {1, 0, 0, -1, 0, 1, 1}, {1, 0, 0, 0, 1, 1, 1}};

static void multiply(const Block *a, const Block *b, Block *c, int levels) {
  if (levels == 0) {
    for (int i = 0; i < c->rows; i++)
      for (int j = 0; j < c->columns; j++)
        for (int k = 0; k < a->columns; k++)
          c->at[i * c->pitch + j] =
              fmaf(a->at[i * a->pitch + k], b->at[k * b->pitch + j], c->at[i * c->pitch + j]);
    return;
  }
  for (int p = 0; p < 7; p++) {
    Block l = sum(a, left[p]), r = sum(b, right[p]), product = new_block(l.rows, r.columns);
    multiply(&l, &r, &product, levels - 1);
    for (int k = 0; k < 4; k++) {
      const Block to = part(c, k / 2, k % 2);
      for (int i = 0; i < to.rows * to.columns; i++)
        to.at[i / to.columns * to.pitch + i % to.columns] += (float)result[k][p] * product.at[i];
    }
    free(l.at);
    free(r.at);
    free(product.at);
  }
}

static void check_error(int levels, int channels) {
  const WinogradError stated = strassen_error(levels, channels);
  uint64_t state = 7;
  double error = 0, largest = 0;
  for (int round = 0; round < 8; round++) {
    Block a = new_block(ROWS, channels), b = new_block(channels, COLUMNS), c = new_block(ROWS, COLUMNS);
    for (int i = 0; i < ROWS * channels; i++) a.at[i] = draw(&state);
    for (int i = 0; i < channels * COLUMNS; i++) b.at[i] = draw(&state);
    multiply(&a, &b, &c, levels);
    for (int i = 0; i < ROWS; i++)
      for (int j = 0; j < COLUMNS; j++) {
        double exact = 0;
        for (int k = 0; k < channels; k++)
          exact += (double)a.at[i * channels + k] * (double)b.at[k * COLUMNS + j];
        error = fmax(error, fabs((double)c.at[i * COLUMNS + j] - exact));
        largest = fmax(largest, fabs(exact));
      }
    free(a.at);
    free(b.at);
    free(c.at);
  }
  const bool good = error <= stated.typical * largest && error > stated.typical * largest / 8 &&
                    stated.typical < stated.worst;
  if (!good)
    printf("    %d levels, %d channels: %g, stated %g\n", levels, channels, error / largest, stated.typical);
  CU_ASSERT_TRUE(good);
}

static void test_error(void) { /* the estimate is neither too large nor too small */
  for (int channels = 64; channels <= 2048; channels *= 2)
    for (int levels = 1; levels <= STRASSEN_LEVELS; levels++) check_error(levels, channels);
}

CU_TestInfo suite_strassen[] = {{"the estimated rounding error", test_error}, CU_TEST_INFO_NULL};
