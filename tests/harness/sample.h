/* sample.h: a net read from a file, with seeded weights, inputs and targets, for comparisons. */
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
  const char *options;      /* of cnnc: the graph is what it makes of the program with them; "": as written */
  Graph *graph;
  int64_t count;          /* images */
  float *weights;         /* as the weights struct */
  double *weights_double; /* the same numbers */
  void **input;           /* as the caller holds them: float, uint8_t or int8_t */
  double **input_double;
  TrainingGraph training; /* graph NULL without a train block */
  /* By port, int32_t classes or floats; NULL where there is no loss. Behind them the records of the truth, as
   * the caller holds them; as doubles, each of its parts. */
  void **target;
  double **target_double;
} Sample;

size_t sample_target_bytes(const Sample *, int index); /* of all images; 0: there is no such target */

/* False after printing the program's errors. rows: of a leading axis that all values get; 0: none. */
bool sample_read(Sample *, Arena *, const char *path, int64_t rows);
void sample_draw(Sample *, int64_t count, uint64_t seed); /* weights, inputs and targets for `count` images */
void sample_spoil(Sample *, uint64_t seed); /* NaN, infinities, zeros of both signs and denormal numbers into
                                               the inputs of floats: an image of each kind */
double sample_number(uint64_t *state);      /* uniform in [0, 1) */
GraphRun sample_infer(const Sample *);      /* eval in double */
/* Where a value that sums depend on is beyond half of what floats hold, it is NaN: in floats such a sum may
 * be infinite on the way to what double holds. */
GraphRun sample_infer_far(const Sample *);
GraphRun sample_train(const Sample *, const double *weights,
                      double *gradients); /* forward and backward in double */
/* How far each gradient moves when the values of the net and of its backward pass are rounded to floats: at
   most, in some draws. */
const double *sample_round(const Sample *, const double *gradients);
/* A plan's options: all images at once through every layer that can compute them so, with weights packed for
 * `layout`; exact: as --exact. */
PlanOptions sample_together(const Sample *, const Target *layout, bool exact);
/* The next way to compute the first layers of inference band by band, of those for which options->fusing is
 * the same; false: there are no more. The first: where options->bands is {0, 0}. */
bool sample_next_bands(const Sample *, PlanOptions *options);
bool plan_any_together(const Plan *); /* is there such a layer? */
double sample_loss(const Sample *, const GraphRun *);
#endif
