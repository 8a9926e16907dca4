/* tile_store.c: AMX products of 32 rows and 32 columns over many channels, whose sums are stored after the
 * last step; with `every`, a register that nothing reads is also stored after each `every` steps. Usage:
 * tile_store STEPS EVERY; prints the nanoseconds of a step in the fastest of 300 runs. With 24 steps, EVERY 0
 * and 8 show why the generated code stores an unread register (docs/dev/decisions.md). */
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { RUNS = 300, TILES = 9, PANELS = 4, TILE_ROWS = 32, STEP_BYTES = 64, PANEL_ROW = 128 };

#define STORE(tile, to, row)                                                                                 \
  __asm__ volatile("tilestored %%" tile ", (%0,%1,1)" : : "r"(to), "r"((long)(row)) : "memory")

static _Alignas(64) float sums[TILE_ROWS][32];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void tile(const char *left, long row, const char *right, int steps, int every) {
  __asm__ volatile("tilezero %tmm0\n\ttilezero %tmm1\n\ttilezero %tmm2\n\ttilezero %tmm3");
  for (int i = 0; i < steps; i++) {
    const char *x = left + STEP_BYTES * i, *w = right + 16L * PANEL_ROW * i;
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm6\n\ttileloadd (%2,%3,1), %%tmm4\n\t"
                     "tdpbf16ps %%tmm6, %%tmm4, %%tmm0\n\ttileloadd (%4,%1,1), %%tmm7\n\t"
                     "tdpbf16ps %%tmm7, %%tmm4, %%tmm1\n\ttileloadd (%5,%3,1), %%tmm5\n\t"
                     "tdpbf16ps %%tmm6, %%tmm5, %%tmm2\n\ttdpbf16ps %%tmm7, %%tmm5, %%tmm3"
                     :
                     : "r"(w), "r"((long)PANEL_ROW), "r"(x), "r"(row), "r"(w + 64), "r"(x + 16 * row)
                     : "memory");
    if (every && i % every == every - 1) STORE("tmm6", sums, 0);
  }
  STORE("tmm0", sums[0], sizeof *sums);
  STORE("tmm1", &sums[0][16], sizeof *sums);
  STORE("tmm2", sums[16], sizeof *sums);
  STORE("tmm3", &sums[16][16], sizeof *sums);
}

int main(int argc, char **argv) {
  const int steps = argc > 1 ? atoi(argv[1]) : 24, every = argc > 2 ? atoi(argv[2]) : 0;
  if (steps < 1 || steps > 256 || every < 0 || syscall(SYS_arch_prctl, 0x1023, 18) != 0) return 2;
  const long row = (long)STEP_BYTES * steps;
  const size_t left = (size_t)(TILES * TILE_ROWS * row), right = (size_t)(PANELS * steps * 16 * PANEL_ROW);
  char *memory = aligned_alloc(4096, (left + right + 4095) / 4096 * 4096);
  if (!memory) return 1;
  memset(memory, 0, left + right);
  uint8_t shape[64] = {1};
  for (int i = 0; i < 8; i++) {
    shape[16 + 2 * i] = 64;
    shape[48 + i] = 16;
  }
  __asm__ volatile("ldtilecfg (%0)" : : "r"(shape) : "memory");
  double least = 1e18;
  for (int run = 0; run < RUNS; run++) {
    const double start = now();
    for (int i = 0; i < TILES; i++)
      for (int j = 0; j < PANELS; j++)
        tile(memory + i * TILE_ROWS * row, row, memory + left + (long)j * steps * 16 * PANEL_ROW, steps,
             every);
    const double time = now() - start;
    least = time < least ? time : least;
  }
  __asm__ volatile("tilerelease");
  printf("%.1f\n", least / (TILES * PANELS * steps));
  free(memory);
  return 0;
}
