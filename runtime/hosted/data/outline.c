/* outline.c: Rasterization of polygons and of run lengths. A polygon is drawn as COCO's tools draw it: its
 * sides are point sequences on a grid that is five times finer than the pixels. Where a side crosses the
 * middle of a pixel column, the pixels below change between inside and outside. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/outline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FINE = 5, LEAST = 6 }; /* points of the finer grid per pixel; smallest count of numbers in a polygon */

void cnn_outline_free(cnn_outline *outline) {
  if (!outline) return;
  free(outline->points);
  free(outline->corner);
  free(outline->run);
  free(outline);
}

static cnn_status no_memory(void) { return cnn_failure(CNN_NO_MEMORY, "out of memory for a mask"); }

/* Makes room for one more element; the capacity doubles when the number of elements reaches a power of two.
 * NULL: out of memory, and the array is unchanged. */
static void *room_for(void *array, int64_t count, size_t bytes) {
  if (count & (count - 1)) return array;
  return realloc(array, bytes * (size_t)(count ? 2 * count : 1));
}

static size_t power_above(size_t n) {
  size_t power = 1;
  while (power < n) power *= 2;
  return power;
}

/* ---- Reading */

cnn_status cnn_outline_polygon(cnn_outline *outline, const double *corner, size_t n, int32_t height,
                               int32_t width) {
  if (n < LEAST || n % 2 != 0)
    return cnn_failure(CNN_BAD_FORMAT, "has %zu numbers; a polygon has x and y of 3 points at least", n);
  if (n > INT32_MAX) return cnn_failure(CNN_BAD_FORMAT, "has too many numbers, %zu", n);
  for (size_t i = 0; i < n; i++) {
    const double size = i % 2 == 0 ? width : height;
    if (corner[i] >= -CNN_REACH * size && corner[i] <= (1 + CNN_REACH) * size) continue;
    return cnn_failure(CNN_BAD_FORMAT, "[%zu]: %g is far outside the image of %dx%d (height x width)", i,
                       corner[i], (int)height, (int)width);
  }
  int32_t *points = room_for(outline->points, outline->polygons, sizeof *points);
  if (!points) return no_memory();
  outline->points = points;
  const size_t room = power_above(outline->numbers + n);
  if (!outline->corner || room > power_above(outline->numbers)) {
    double *all = realloc(outline->corner, room * sizeof *all);
    if (!all) return no_memory();
    outline->corner = all;
  }
  memcpy(outline->corner + outline->numbers, corner, n * sizeof *corner);
  outline->numbers += n;
  points[outline->polygons++] = (int32_t)(n / 2);
  return cnn_success();
}

cnn_status cnn_outline_run(cnn_outline *outline, double pixels, int64_t *sum, int32_t height, int32_t width) {
  const int64_t all = (int64_t)height * width;
  if (!(pixels >= 0) || pixels != floor(pixels) || pixels > (double)(all - *sum))
    return cnn_failure(
        CNN_BAD_FORMAT,
        "run %d has %.17g pixels, but only %lld of the %lld pixels of %dx%d (height x width) are left",
        (int)outline->runs, pixels, (long long)(all - *sum), (long long)all, (int)height, (int)width);
  if (outline->runs > 2 && pixels == 0 && outline->run[outline->runs - 1] == 0)
    return cnn_failure(CNN_BAD_FORMAT, "runs %d and %d are both empty", (int)outline->runs - 1,
                       (int)outline->runs);
  uint32_t *run = room_for(outline->run, outline->runs, sizeof *run);
  if (!run) return no_memory();
  outline->run = run;
  run[outline->runs++] = (uint32_t)pixels;
  *sum += (int64_t)pixels;
  return cnn_success();
}

/* Reads one number: 5 bits per letter, least significant first; the sixth bit marks a continuation, and the
 * highest of the last five bits is the sign. Returns false if the number has an invalid letter, is not
 * terminated, or is too long. */
static bool number_unpack(const char **text, const char *end, int64_t *number) {
  uint64_t bits = 0;
  for (int shift = 0; shift <= 30; shift += 5) {
    if (*text == end || **text < '0' || **text > 'o') return false;
    const uint64_t letter = (uint64_t)(*(*text)++ - '0');
    bits |= (letter & 31) << shift;
    if (letter & 32) continue;
    *number = (int64_t)bits - (letter & 16 ? (int64_t)1 << (shift + 5) : 0);
    return true;
  }
  return false;
}

cnn_status cnn_outline_unpack(cnn_outline *outline, const char *text, size_t n, int32_t height,
                              int32_t width) {
  const char *const begin = text, *const end = text + n;
  int64_t sum = 0, number;
  cnn_status status = cnn_success();
  while (text < end && status.code == CNN_OK) {
    const char *const at = text;
    if (!number_unpack(&text, end, &number))
      return cnn_failure(CNN_BAD_FORMAT, "letter %zu cannot begin a number in compressed RLE",
                         (size_t)(at - begin));
    if (outline->runs > 2) number += outline->run[outline->runs - 2]; /* number: difference from that run */
    status = cnn_outline_run(outline, (double)number, &sum, height, width);
  }
  if (status.code == CNN_OK && sum != (int64_t)height * width)
    return cnn_failure(CNN_BAD_FORMAT, "the runs have %lld pixels, but %dx%d (height x width) has %lld",
                       (long long)sum, (int)height, (int)width, (long long)height * width);
  return status;
}

/* ---- Painting */

/* Fills the pixels with first <= index < end. The index counts the pixels column by column:
 * columns from left to right, and the pixels of a column from top to bottom. */
static void span_paint(int64_t first, int64_t end, int32_t height, int32_t width, uint8_t value,
                       uint8_t *map) {
  int64_t x = first / height, y = first % height;
  for (int64_t i = first; i < end; i++) {
    map[y * width + x] = value;
    if (++y == height) y = 0, x++;
  }
}

/* Transitions between inside and outside. `odd` has one byte per pixel, column by column (see span_paint),
 * and one byte for the end. A byte is 1 if an odd number of transitions is at its pixel. */
typedef struct Changes {
  uint8_t *odd;
  int64_t first, last; /* range of the transitions; first > last: none */
  int32_t height, width;
  bool begun;
  int32_t x, y; /* the point that was added last, on the finer grid */
} Changes;

/* Adds the next point of a side, and a transition if the side crosses the middle of a pixel column there. */
static void point_add(Changes *c, int32_t x, int32_t y) {
  if (c->begun && x != c->x) {
    const int32_t column = x < c->x ? x : x - 1, row = y < c->y ? y : c->y;
    if (column >= 0 && column % FINE == FINE / 2 && column / FINE < c->width) {
      double down = ceil((row + 0.5) / (double)FINE - 0.5);
      down = down < 0 ? 0 : down > c->height ? c->height : down;
      const int64_t place = (int64_t)(column / FINE) * c->height + (int64_t)down;
      c->odd[place] ^= 1;
      if (place < c->first) c->first = place;
      if (place > c->last) c->last = place;
    }
  }
  c->begun = true;
  c->x = x;
  c->y = y;
}

/* Adds a side from a to b: a point for each step along its longer axis, computed from the end with the
 * smaller coordinate on that axis. */
static void side_add(Changes *c, const int32_t a[2], const int32_t b[2]) {
  const int32_t wide = abs(b[0] - a[0]), tall = abs(b[1] - a[1]), along = wide >= tall ? 0 : 1;
  const int32_t steps = along == 0 ? wide : tall;
  if (steps == 0) {
    point_add(c, a[0], a[1]);
    return;
  }
  const bool back = a[along] > b[along];
  const int32_t *from = back ? b : a, *to = back ? a : b;
  const double slope = (double)(to[1 - along] - from[1 - along]) / steps;
  for (int32_t i = 0; i <= steps; i++) {
    const int32_t t = back ? steps - i : i, across = (int32_t)(from[1 - along] + slope * t + 0.5);
    if (along == 0) point_add(c, from[0] + t, across);
    else point_add(c, across, from[1] + t);
  }
}

static bool polygon_paint(const double *corner, int32_t points, int32_t height, int32_t width, uint8_t value,
                          uint8_t *map) {
  const int64_t all = (int64_t)height * width;
  Changes c = {calloc((size_t)all + 1, 1), all + 1, -1, .height = height, .width = width};
  if (!c.odd) return false;
  for (int32_t k = 0; k < points; k++) {
    int32_t end[2][2];
    for (int i = 0; i < 4; i++)
      end[i / 2][i % 2] = (int32_t)((double)FINE * corner[2 * ((k + i / 2) % points) + i % 2] + 0.5);
    side_add(&c, end[0], end[1]);
  }
  /* The inside of the polygon extends from one pixel with an odd number of transitions to the next one. */
  int64_t from = -1;
  for (int64_t at = c.first; at <= c.last; at++) {
    if (!c.odd[at]) continue;
    if (from >= 0) span_paint(from, at, height, width, value, map);
    from = from < 0 ? at : -1;
  }
  if (from >= 0) span_paint(from, all, height, width, value, map);
  free(c.odd);
  return true;
}

bool cnn_outline_paint(const cnn_outline *outline, int32_t height, int32_t width, uint8_t value,
                       uint8_t *map) {
  const double *corner = outline->corner;
  for (int32_t k = 0; k < outline->polygons; k++) {
    if (!polygon_paint(corner, outline->points[k], height, width, value, map)) return false;
    corner += 2 * (size_t)outline->points[k];
  }
  int64_t at = 0;
  for (int32_t i = 0; i < outline->runs; i++) {
    if (i % 2 == 1) span_paint(at, at + outline->run[i], height, width, value, map);
    at += outline->run[i];
  }
  return true;
}
