/* sampling.h: images between their pixels: what grid_sample and deformable_attention share. A point is a pair
 * of numbers; along an axis it is between two pixels, `low` and the one after it, whose weights are
 * 1 - |distance|, or 0 beyond. An axis of one pixel has no second one. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SAMPLING_H
#define CNNC_SAMPLING_H
#include "kernel/walk.h"

/* An image, and not too far; else that is said. */
bool sampling_takes_image(ShapeContext *, const Node *, const Node *image);
enum { SAMPLING_FAR = 1 << 22 }; /* pixels along an axis: so far, a float has quarters */
typedef enum Outside { OUTSIDE_ZEROS, OUTSIDE_BORDER, OUTSIDE_REFLECT } Outside;
typedef struct Sampling {
  bool nearest, corners;
  bool unit; /* points are in 0 .. 1 instead of -1 .. 1 */
  Outside outside;
} Sampling;

/* ---- the meaning ---- */
typedef struct SamplePoint { /* along an axis */
  int64_t low;
  int corners;                /* 1 or 2 */
  double weight[2], slope[2]; /* slope: of the weights, by the number that was given */
} SamplePoint;
SamplePoint sample_point(const Sampling *, double at, int64_t length);
/* The channels from .. to-1 of an image [h][w][c] at a point, times `factor`, added to `to`; or back. */
typedef struct SampleImage {
  Extent e;
  int64_t from, to;
} SampleImage;
void sample_take(const SampleImage *, const SamplePoint point[2], double factor, const double *image,
                 double *to);
void sample_spread(const SampleImage *, const SamplePoint point[2], double factor, const double *dy,
                   double *image);
/* The sum over the channels of dy times the sample, and its slopes along y and x. */
void sample_slopes(const SampleImage *, const SamplePoint point[2], const double *dy, const double *image,
                   double to[3]);

/* ---- the nest ---- */
typedef struct Sample { /* axis 0: y; at: of `low` */
  Lower *l;
  const Sampling *sampling;
  int64_t length[2];
  const Ix *at[2];
  Val weight[2][2], slope[2][2];
} Sample;
typedef void SampleBody(const Sample *, const void *context);
/* Chooses the pixels of a point in an image of such height and width. */
void sample_choose(Lower *, const Sampling *, Extent, Val y, Val x, bool slopes, SampleBody,
                   const void *context);
/* k: 2*row + column. Is there one? Its weight, a number, and its channels. */
enum { SAMPLE_CORNERS = 4 };
bool sample_has(const Sample *, int k);
Val sample_weight(const Sample *, int k);
Ref sample_corner(const Sample *, Buf *image, int k, const Ix *c);
/* What the channels c .. are at the point: the sum over its corners, added to `sum`, which may be NULL. */
Val sample_value(const Sample *, Buf *image, const Val weight[SAMPLE_CORNERS], const Ix *c, int part,
                 int lanes, Val sum);
/* dy times the weights, added to the channels of the corners. */
void sample_add(const Sample *, Buf *image, const Val weight[SAMPLE_CORNERS], Val dy, const Ix *c, int part,
                int lanes);
/* The products of dy with each corner, summed over the channels from .. from+n-1; dy lies at [y][x][c]. */
void sample_products(const Sample *, Buf *image, Buf *dy, const Ix *y, const Ix *x, const Ix *from, int64_t n,
                     Val product[SAMPLE_CORNERS]);
/* Of those: the sample, and its slopes along y and x. */
Val sample_total(const Sample *, const Val product[SAMPLE_CORNERS]);
Val sample_slope(const Sample *, int axis, const Val product[SAMPLE_CORNERS]);
#endif
