/* places.h: Intersection and coverage of places (sets of bytes, lir.h), for verify.c. Shares no code with the
 * program builder. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PROGRAM_PLACES_H
#define CNNC_PROGRAM_PLACES_H
#include "lir/lir.h"

/* Whether two places of one image intersect. */
bool places_meet(const Place *, const Place *);
/* Whether the first place in any image intersects the second place in the same or in any other image. */
bool places_meet_in_any(const Place *, const Place *, int64_t images);
/* Sorts the n ranges. Returns whether the ranges cover the bytes `from` to `to` - 1. */
bool stretches_cover(Stretch *, int n, int64_t from, int64_t to);
/* Whether the n places `by`, which are in the same space as the place, cover all of its bytes. */
bool places_cover(Arena *, const Place *, const Place *const *by, int n);
#endif
