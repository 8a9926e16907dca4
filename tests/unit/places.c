// places.c: Overlap and coverage of sets of bytes (lir/places.h), compared with byte-by-byte models.
// SPDX-License-Identifier: Apache-2.0
#include "lir/places.h"
#include <CUnit/CUnit.h>
#include <string.h>
#include "base/arena.h"

enum { BYTES = 600, STRIDE = 60, IMAGES = 5, PIECES = 6, TRIES = 20000 };

static int draw(uint64_t *state, int n) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int)((*state >> 33) % (uint64_t)n);
}

/* A random place in the first `most` bytes: the same columns of several pixels, or one contiguous range. */
static Place place_of(uint64_t *state, int pitch, int most) {
  Place p = {.space = SPACE_ALL, .stride = STRIDE};
  const bool columns = draw(state, 3) > 0;
  p.pitch = columns ? pitch : 1 + draw(state, most);
  p.width = columns ? 1 + draw(state, pitch) : p.pitch;
  const int pixels = columns ? 1 + draw(state, most / pitch) : 1;
  p.bytes = (pixels - 1) * p.pitch + p.width;
  p.offset = draw(state, most - (int)p.bytes + 1);
  return p;
}

static void mark(bool *byte, const Place *p, int64_t image) {
  for (int64_t at = 0; at < p->bytes; at++)
    if (at % p->pitch < p->width) byte[p->offset + image * p->stride + at] = true;
}

static bool share(const Place *a, int64_t images, const Place *b) {
  bool x[BYTES] = {0}, y[BYTES] = {0}, any = false;
  for (int64_t n = 0; n < images; n++) mark(x, a, n), mark(y, b, n);
  for (int i = 0; i < BYTES; i++) any = any || (x[i] && y[i]);
  return any;
}

/* Places that share a byte must be found to meet. Of the drawn pairs, many meet and some do not. */
static void test_meet(void) {
  uint64_t state = 1;
  int met = 0, apart = 0;
  for (int i = 0; i < TRIES; i++) {
    const int pitch = 2 + draw(&state, 11);
    const Place a = place_of(&state, pitch, STRIDE), b = place_of(&state, pitch, STRIDE);
    const bool one = places_meet(&a, &b), any = places_meet_in_any(&a, &b, IMAGES);
    CU_ASSERT_FATAL(one || !share(&a, 1, &b));
    CU_ASSERT_FATAL(any || !share(&a, IMAGES, &b));
    met += any;
    apart += !any;
  }
  CU_ASSERT(met > TRIES / 10 && apart > TRIES / 100);
}

/* Two parts of a concat, and two values after them: `behind` overlaps no part; `over` overlaps `left` of the
 * next image. The stride between images is not a multiple of the pitch between pixels. */
static void test_parts(void) {
  const Place left = {SPACE_ALL, 0, 8, STRIDE, 3 * 14 + 6, 14, 6},
              right = {SPACE_ALL, 0, 14, STRIDE, 50, 14, 8}, behind = {SPACE_ALL, 0, 64, STRIDE, 4, 4, 4},
              over = {SPACE_ALL, 0, 64, STRIDE, 5, 5, 5};
  CU_ASSERT(!places_meet_in_any(&left, &right, IMAGES));
  CU_ASSERT(!places_meet_in_any(&left, &behind, IMAGES) && !places_meet_in_any(&behind, &right, IMAGES));
  CU_ASSERT(places_meet_in_any(&left, &over, IMAGES) && places_meet_in_any(&over, &left, IMAGES));
  CU_ASSERT(!places_meet_in_any(&left, &over, 1));
}

static void test_cover(void) {
  uint64_t state = 1;
  int covered = 0, open = 0;
  for (int i = 0; i < TRIES; i++) {
    Arena *arena = arena_new();
    const int pitch = 2 + draw(&state, 5), n = draw(&state, PIECES + 1);
    Place piece[PIECES];
    const Place *by[PIECES];
    bool have[BYTES] = {0}, want[BYTES] = {0}, all = true;
    const Place p = place_of(&state, pitch, 20);
    for (int k = 0; k < n; k++) {
      piece[k] = place_of(&state, pitch, 20);
      by[k] = &piece[k];
      mark(have, &piece[k], 0);
    }
    mark(want, &p, 0);
    for (int k = 0; k < BYTES; k++) all = all && (have[k] || !want[k]);
    CU_ASSERT_EQUAL_FATAL(places_cover(arena, &p, by, n), all);
    covered += all;
    open += !all;
    arena_free(arena);
  }
  CU_ASSERT(covered > TRIES / 20 && open > TRIES / 20);
}

/* The parts of a concat of three flattened values. Two of these values are concats: their parts are columns
 * with pitch 10 and with pitch 6. The third value is one range. */
static void test_joined(void) {
  Arena *arena = arena_new();
  const Place all = {SPACE_OUTPUT, 0, 0, 100, 100, 100, 100},
              part[] = {{SPACE_OUTPUT, 0, 0, 100, 35, 10, 5},
                        {SPACE_OUTPUT, 0, 5, 100, 35, 10, 5},
                        {SPACE_OUTPUT, 0, 40, 100, 14, 6, 2},
                        {SPACE_OUTPUT, 0, 42, 100, 16, 6, 4},
                        {SPACE_OUTPUT, 0, 58, 100, 42, 42, 42}};
  const Place *by[5];
  for (int i = 0; i < 5; i++) by[i] = &part[i];
  CU_ASSERT(places_cover(arena, &all, by, 5));
  for (int left_out = 0; left_out < 5; left_out++) {
    for (int i = 0; i < 5; i++) by[i - (i > left_out)] = &part[i];
    CU_ASSERT(!places_cover(arena, &all, by, 4));
  }
  arena_free(arena);
}

CU_TestInfo suite_places[] = {{"overlapping sets", test_meet},
                              {"parts of all images", test_parts},
                              {"covered sets", test_cover},
                              {"parts of parts", test_joined},
                              CU_TEST_INFO_NULL};
