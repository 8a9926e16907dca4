/* schedule.h: the schedules by family. Each builds the whole nest of l->node for l->target, or returns false
 * before it has built anything. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SCHEDULE_H
#define CNNC_SCHEDULE_H
#include "schedule/cost.h"
#include "schedule/float/winograd.h"
#include "schedule/parallel.h"

bool schedule_conv_winograd(Lower *);         /* conv_winograd.c */
bool schedule_conv_winograd_weights(Lower *); /* conv_winograd_weights.c */
bool schedule_conv_strassen(Lower *);         /* conv_strassen.c */
bool schedule_conv(Lower *);                  /* conv_direct.c */
bool schedule_conv_columns(Lower *);          /* conv_columns.c */
bool schedule_conv_groups(Lower *);           /* conv_groups.c */
bool schedule_conv_groups_weights(Lower *);   /* conv_groups_weights.c */
bool schedule_conv_scatter(Lower *);          /* conv_scatter.c */
bool schedule_conv_joined(Lower *);           /* conv_joined.c */
bool schedule_conv_weights(Lower *);          /* conv_weights.c */
bool schedule_conv_repeated(Lower *);         /* conv_repeated.c */
/* By node id: the convolutions behind nearest upsampling that are to be computed from the picture in front of
 * it, as that is faster on the target; NULL: all that can be. */
bool *conv_repeated_where(Arena *, const Graph *, const Target *);
bool schedule_depthwise(Lower *); /* depthwise.c */
bool schedule_depthwise_scatter(Lower *);
bool schedule_depthwise_weights(Lower *);
bool schedule_dense(Lower *); /* dense.c */
bool schedule_dense_input(Lower *);
bool schedule_dense_weights(Lower *);
bool schedule_dense_rows(Lower *);     /* dense_rows.c: all three, for all rows of the leading axis */
bool schedule_dense_strassen(Lower *); /* dense_strassen.c: likewise, in training */
const char *dense_strassen_refused(const Lower *); /* why not; NULL: it can be */
/* What computing layers for all images at once depends on, besides the layer. */
typedef struct RowsCosts {
  const Target *target; /* the widest */
  int64_t weight_bytes; /* of the whole net */
  bool training, exact;
  Arena *arena;
} RowsCosts;
Cycles rows_alone(const RowsCosts *, const Node *, int64_t batch);    /* of a convolution, image by image */
Cycles rows_directly(const RowsCosts *, const Node *, int64_t batch); /* all of them */
Cycles rows_by_winograd(const RowsCosts *, const Node *, int m, int64_t batch);
const char *rows_direct_refused(const RowsCosts *, const Node *); /* why not; NULL: it can be */
const char *rows_winograd_refused(const RowsCosts *, const Node *);
/* rows.c; a WholeBatchPays */
bool rows_pay(const void *rows_costs, const Node *, int64_t batch, int64_t kept);
bool dense_pays_together(const RowsCosts *, int64_t batch); /* inference: do dense layers that are large? */
bool schedule_dense_weights_images(Lower *);                /* with images side by side; built of vectors */
bool schedule_conv_rows(Lower *);         /* conv_rows.c: for all images of a batch at once */
bool schedule_conv_rows_weights(Lower *); /* conv_rows_weights.c: likewise */
bool schedule_int8(Lower *);              /* int8_product.c */
bool schedule_map(Lower *);               /* map.c */

/* Strassen's algorithm with so many parts along each axis of a matrix: 2, or 4 where it is applied twice. */
bool strassen_takes(const Correlation *); /* as a gathering: is it the product of two matrices? */
const char *strassen_refused(const Lower *, const Correlation *, int parts);
const char *strassen_refused_for(Arena *, const Target *layout, bool exact, const Correlation *, int parts);
const char *strassen_name(int parts);
const char *columns_refused(const Lower *, const Correlation *);
const char *groups_refused(const Lower *, const Correlation *); /* of the node itself */
const char *groups_weights_refused(const Lower *, const Correlation *);
const char *joined_refused(const Lower *, const Correlation *); /* as a spreading */
/* Have all phases of a transposed convolution as many taps, side by side? Then: the gathering of stride 1
 * whose output channels are the filters of all phases, phase after phase. */
bool phases_alike(const Correlation *);
Correlation phases_correlation(const Correlation *);
Correlation winograd_correlation(const Node *);      /* that one, or as a gathering */
Correlation joined_correlation(const Correlation *); /* the gathering of stride 1 that computes all phases */

/* split_row(0, ty, t0) of Winograd's algorithm: the tiles of row ty of in[0] transformed to V[0][xi][panel of
 * channels][t0 ..][channel]. */
NestFn *winograd_split(Lower *, const Correlation *, const struct Winograd *axis, int lanes, Buf *V);

/* The schedule that is chosen for the kernel, as a nest that is proved and simplified. A nest that cannot be
 * proved is a bug: it ends the process with status 3. */
Lower *schedule_kernel(Arena *, const Kernel *, const Target *, const LowerOptions *);
/* With images side by side: the nest that brings a value into the caller's order. */
Nest *schedule_outputs(Arena *, const Node *value, int images);
#endif
