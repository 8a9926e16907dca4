/* places.h: Intersection and coverage of places (sets of bytes, lir.h), for verify.c. Shares no code with the
 * program builder. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PROGRAM_PLACES_H
#define CNNC_PROGRAM_PLACES_H
#include "lir/lir.h"

/* Whether two places intersect, for the same image. */
bool places_meet(const Place *, const Place *);
/* Whether two places intersect, for any two images. */
bool places_meet_in_any(const Place *, const Place *, int64_t images);
/* Whether the ranges cover bytes from .. to; sorts them. */
bool stretches_cover(Stretch *, int n, int64_t from, int64_t to);
/* Whether places in the same space cover all bytes of a place. */
bool places_cover(Arena *, const Place *, const Place *const *by, int n);
#endif
