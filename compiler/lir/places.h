/* places.h: sets of bytes: which places share some, and which places together hold all of one. For verify.c:
 * nothing here is shared with the code that makes programs. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PROGRAM_PLACES_H
#define CNNC_PROGRAM_PLACES_H
#include "lir/lir.h"

/* Bytes of the same image. */
bool places_meet(const Place *, const Place *);
/* Bytes of any two of so many images. */
bool places_meet_in_any(const Place *, const Place *, int64_t images);
/* Are all bytes from `from` to `to` in one of these? It sorts them. */
bool stretches_cover(Stretch *, int n, int64_t from, int64_t to);
/* Do the places, of the same space, hold all bytes of that one? */
bool places_cover(Arena *, const Place *, const Place *const *by, int n);
#endif
