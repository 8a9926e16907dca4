/* moves.h: Copies between a value and its parts, for split_heads, split_rows, split_windows and their
 * inverses. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PARTS_MOVES_H
#define CNNC_PARTS_MOVES_H
#include "kernel/parts.h"

/* Positions of one copied unit. A unit is all channels of one pixel of a part. In the whole value, these
 * channels are contiguous and start at channel whole_c of a pixel. */
typedef struct PartSpot {
  Ix whole_row, whole_y, whole_x, whole_c, part_row, part_y, part_x;
} PartSpot;

void parts_copy(const Eval *); /* elements keep their order */

/* ---- heads: row r*n + h of the parts contains C/n channels of row r, starting at channel h*C/n ---- */
void heads_run(const Eval *, bool to_parts);
void heads_lower(Lower *, bool to_parts);

/* ---- windows ---- */
typedef struct Windows {
  int64_t count[2], size[2]; /* number of windows, and window size, by axis */
  int64_t shift[2];          /* 0 <= shift < length of the axis */
  bool grid;
} Windows;
/* Reads the windows' shift; returns false after an error. whole: height and width of the image. */
bool windows_shift(ShapeContext *, const Node *, const int64_t whole[2], int64_t shift[2]);
Windows windows_of(const Node *);
void windows_run(const Eval *, bool to_parts);
void windows_lower(Lower *, bool to_parts);
#endif
