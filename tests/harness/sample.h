/* sample.h: A net read from a file, with seeded weights, inputs and targets, for comparisons. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_SAMPLE_H
#define TEST_SAMPLE_H
#include "reference/eval.h"
#include "graph/graph.h"
#include "passes/passes.h"
#include "target/target.h"

typedef struct Sample {
  Arena *arena;
  const char *path, *cname; /* cname: prefix of the C symbols */
  const char *options;      /* options of cnnc with which the graph is compiled; "": none */
  Graph *graph;
  int64_t count;          /* images */
  float *weights;         /* in the layout of the weights struct */
  double *weights_double; /* the same weights in double */
  void **input;           /* in the caller's type: float or integers */
  double **input_double;
  TrainingGraph training; /* training.graph is NULL without a train block */
  /* By output port: int32_t classes or floats; the element of a port without a target is NULL. The annotation
   * records follow, in the form in which the caller passes them. In target_double, each part of a record is a
   * separate array. */
  void **target;
  double **target_double;
} Sample;

size_t sample_target_bytes(const Sample *, int index); /* bytes for all images; 0: no such target */

/* False after printing the program's errors. rows: size of a leading axis that is added to all values; 0: no
 * such axis. f16w: with --precision=f16w. */
bool sample_read(Sample *, Arena *, const char *path, int64_t rows, bool f16w);
void sample_draw(Sample *, int64_t count, uint64_t seed); /* weights, inputs and targets for `count` images */
int64_t sample_calls(const Sample *);                     /* number of calls per image in training */
void sample_spoil(Sample *, uint64_t seed); /* puts special numbers into float inputs: each image gets NaN, or
                                               infinities, or denormals and zeros, or a mixture */
double sample_number(uint64_t *state);      /* uniform in [0, 1) */
GraphRun sample_infer(const Sample *);      /* eval in double */
/* Like sample_infer, but in values that are later summed, elements beyond half of the float range become NaN.
 * In float, a partial sum of such elements may overflow even if the complete sum does not. */
GraphRun sample_infer_far(const Sample *);
GraphRun sample_train(const Sample *, const double *weights, double *gradients); /* forward and backward */
/* Runs forward in double, as in training, up to the losses. Values that the gradients treat as constant are
 * taken from the run `first`, so that finite differences keep them constant, too. */
GraphRun sample_losses(const Sample *, const double *weights, double *ignored, const GraphRun *first);
/* Change of each gradient if the values of the net and of its backward pass are rounded to floats: the
 * maximum over some draws. */
const double *sample_round(const Sample *, const double *gradients);
/* Plan options that batch every layer that can be batched, and pack weights for `layout`; exact:
 * like --exact. */
PlanOptions sample_together(const Sample *, const Target *layout, bool exact);
/* The next way to compute the first layers of inference in row bands, with the same options->fusing; false:
 * there is no other way. Start with options->bands {0, 0}. */
bool sample_next_bands(const Sample *, PlanOptions *options);
bool plan_any_together(const Plan *); /* the plan batches a layer */
double sample_loss(const Sample *, const GraphRun *);
#endif
