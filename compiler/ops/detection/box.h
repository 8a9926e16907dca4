/* box.h: what operators of boxes share. Boxes are rows x1 y1 x2 y2 in pixels of the picture. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DETECTION_BOX_H
#define CNNC_DETECTION_BOX_H
#include "graph/graph.h"

enum { BOX = 4 };

/* The picture that boxes are found in: the first input of the net with height, width and channels that the
 * node depends on; NULL: there is none. */
const Node *picture_of(const Node *);

/* How many of a sample may hold an object: `sample` times `positives`, rounded down, as the share is a float.
 */
int most_positives(const Node *);

/* A side of a box grows at most so much by a delta: the largest d of exp(d). */
double box_growth(void);
/* The box of a row of default_boxes. */
void default_box(const Node *, int64_t row, double box[BOX]);
extern const struct Op op_default_boxes, op_decode;

#endif
