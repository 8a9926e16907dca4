/* box.h: Common code of box operators. Boxes are rows x1 y1 x2 y2 in pixels of the image. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_DETECTION_BOX_H
#define CNNC_DETECTION_BOX_H
#include "graph/graph.h"

enum { BOX = 4 };

/* The image in which boxes are detected: of the network inputs that the node depends on, the first with
 * height, width and channels. NULL: there is none. */
const Node *picture_of(const Node *);

/* Maximum number of positive boxes among the boxes that a training step samples: the product of the arguments
 * sample= and positives=, rounded down. */
int most_positives(const Node *);

/* Limit of dw and dh; exp(limit) is the largest factor by which a delta enlarges a side of a box. */
double box_growth(void);
/* Sets `box` to row `row` of the value of a default_boxes node. */
void default_box(const Node *, int64_t row, double box[BOX]);
extern const struct Op op_default_boxes, op_decode;

#endif
