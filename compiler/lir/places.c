/* places.c: Intersection and coverage of places (sets of bytes, lir.h). A place is one range of bytes, or
 * columns: the same bytes of each pixel. */
// SPDX-License-Identifier: Apache-2.0
#include "lir/places.h"
#include <stdlib.h>
#include "base/number.h"

static int64_t end_of(const Place *place) { return place->offset + place->bytes; }

/* Whether a place contains all bytes from its first byte to its last: one pixel, or pixels without gaps. */
static bool is_stretch(const Place *place) {
  return place->width >= place->pitch || place->bytes <= place->width;
}

static int64_t remainder_of(int64_t a, int64_t b) { return a - floor_divide(a, b) * b; } /* in 0 .. b-1 */

/* ---- intersection ---- */
static bool columns_meet(int64_t a, int64_t wide_a, int64_t b, int64_t wide_b, int64_t pitch) {
  const int64_t between =
      remainder_of(b - a, pitch); /* distance within a pixel from the start of a to the start of b */
  return between < wide_a || pitch - between < wide_b;
}

/* Columns with equal pitch share a byte if they share a byte within a pixel. Columns with different pitches
 * are treated as whole ranges. */
bool places_meet(const Place *a, const Place *b) {
  if (a->space != b->space || a->index != b->index || end_of(a) <= b->offset || end_of(b) <= a->offset)
    return false;
  if (a->pitch != b->pitch || a->pitch <= 0) return true;
  return columns_meet(a->offset, a->width, b->offset, b->width, a->pitch);
}

/* A range that contains the place in all images. In SPACE_KEPT, the place itself: each image has its own
 * record, and records never overlap. */
static Place of_all_images(Place place, int64_t images) {
  if (place.stride == 0 || place.space == SPACE_KEPT) return place;
  place.bytes += place.stride * (images - 1);
  place.pitch = place.width = place.bytes;
  return place;
}

bool places_meet_in_any(const Place *a, const Place *b, int64_t images) {
  const int64_t stride = a->stride;
  if (stride != b->stride || stride <= 0 || a->space == SPACE_KEPT) {
    const Place x = of_all_images(*a, images), y = of_all_images(*b, images);
    return places_meet(&x, &y);
  }
  /* Pairs image n of place a with image n + later of place b. */
  for (int64_t later = larger(floor_divide(a->offset - end_of(b), stride), 1 - images);
       later < images && b->offset + later * stride < end_of(a); later++) {
    Place other = *b;
    other.offset += later * stride;
    if (places_meet(a, &other)) return true;
  }
  return false;
}

/* ---- coverage ---- */
static int by_start(const void *a, const void *b) {
  const Stretch *x = a, *y = b;
  return (x->from > y->from) - (x->from < y->from);
}

bool stretches_cover(Stretch *stretch, int n, int64_t from, int64_t to) {
  if (n) qsort(stretch, (size_t)n, sizeof *stretch, by_start); /* if n is 0, `stretch` may be NULL */
  for (int i = 0; i < n && from < to; i++)
    if (stretch[i].from <= from && stretch[i].to > from) from = stretch[i].to;
  return from >= to;
}

/* Whether columns, which are the same in all pixels, cover the bytes `from` to `to` - 1. These bytes may
 * extend from one pixel into the next. */
static bool columns_cover(Stretch *column, int n, int64_t pitch, int64_t from, int64_t to) {
  const int64_t start = to - from >= pitch ? 0 : remainder_of(from, pitch);
  return stretches_cover(column, n, start, start + smaller(to - from, pitch));
}

/* Whether the n places `by` cover the part of a place in the bytes `from` to `to` - 1. The caller chooses
 * `from` and `to` such that none of the n places begins or ends between these two bytes. */
static bool covered_between(Arena *arena, const Place *place, int64_t from, int64_t to,
                            const Place *const *by, int n) {
  Stretch *column = NEW_ARRAY(arena, Stretch, 3 * n + 1);
  const int64_t length = to - from;
  int64_t pitch = 1;
  int columns = 0;
  for (int i = 0; i < n; i++) {
    if (by[i]->offset > from || end_of(by[i]) < to) continue;
    if (is_stretch(by[i])) return true;
    if (columns && by[i]->pitch != pitch) continue;
    pitch = by[i]->pitch;
    for (int64_t round = -1; round <= 1;
         round++) { /* adds the columns of the pixel at `from` and of its neighbors */
      const int64_t start = remainder_of(by[i]->offset - from, pitch) + round * pitch;
      column[columns++] = (Stretch){start, start + by[i]->width};
    }
  }
  if (is_stretch(place)) return columns_cover(column, columns, pitch, 0, length);
  const int64_t start = remainder_of(place->offset - from, place->pitch);
  if (length >= place->pitch)
    return place->pitch == pitch && columns_cover(column, columns, pitch, start, start + place->width);
  for (int64_t first = start - place->pitch; first < length; first += place->pitch) {
    const int64_t a = larger(first, 0), b = smaller(first + place->width, length);
    if (a < b && !columns_cover(column, columns, pitch, a, b)) return false;
  }
  return true;
}

static int by_number(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

bool places_cover(Arena *arena, const Place *place, const Place *const *by, int n) {
  int64_t *cut = NEW_ARRAY(arena, int64_t, 2 * n + 2);
  int cuts = 0;
  cut[cuts++] = place->offset;
  cut[cuts++] = end_of(place);
  for (int i = 0; i < n; i++) {
    if (by[i]->offset > place->offset && by[i]->offset < end_of(place)) cut[cuts++] = by[i]->offset;
    if (end_of(by[i]) > place->offset && end_of(by[i]) < end_of(place)) cut[cuts++] = end_of(by[i]);
  }
  qsort(cut, (size_t)cuts, sizeof *cut, by_number);
  for (int i = 0; i + 1 < cuts; i++)
    if (cut[i] < cut[i + 1] && !covered_between(arena, place, cut[i], cut[i + 1], by, n)) return false;
  return true;
}
