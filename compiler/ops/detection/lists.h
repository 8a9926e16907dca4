/* lists.h: Lists of positive numbers for box operators: sizes, ratios, weights, anchors. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DETECTION_LISTS_H
#define CNNC_DETECTION_LISTS_H
#include "graph/op.h"

/* Whether the argument is a list of positive numbers: `count` of them, or at least one if count is 0.
 * If not, reports an error. */
bool list_of_numbers(ShapeContext *, const Node *, const char *param, int count);
/* Whether the argument is a list of pairs [width, height] of positive numbers. If not, reports an error. */
bool list_of_pairs(ShapeContext *, const Node *, const char *param);

int list_count(const Node *, const char *param);
double list_number(const Node *, const char *param, int i);
double list_pair(const Node *, const char *param, int i, int k); /* k 0: width, 1: height */

#endif
