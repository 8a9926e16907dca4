/* places.h: Sets of bytes: intersection and coverage of places. Used by verify.c, it shares no code with the
 * program builder. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PROGRAM_PLACES_H
#define CNNC_PROGRAM_PLACES_H
#include "lir/lir.h"

/* Bytes of the same image. */
bool places_meet(const Place *, const Place *);
/* Do they intersect for any two of the images? */
bool places_meet_in_any(const Place *, const Place *, int64_t images);
/* Is every byte from `from` to `to` in one of these? Sorts them. */
bool stretches_cover(Stretch *, int n, int64_t from, int64_t to);
/* Do the places, in the same space, cover all bytes of that one? */
bool places_cover(Arena *, const Place *, const Place *const *by, int n);
#endif
