/* eval.h: Reference interpreter of graphs for the tests and `cnnc quantize`. It calls the eval functions of
 * the operators. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_EVAL_H
#define CNNC_EVAL_H
#include "graph/graph.h"

typedef struct GraphRun {
  int64_t count; /* number of images */
  int nodes;     /* 0: all nodes; n: only the first n nodes, without updates of states */
  bool training;
  uint64_t seed, step;
  const double *weights;       /* graph->parameters numbers, in the order of the weights struct */
  const double *const *input;  /* by input: [count][h][w][c], or [count][c][h][w] if the port is chw */
  const double *const *target; /* by target port: [count][target elements]; NULL without training */
  double *const *state; /* by state: [count][h][w][c], read and updated. NULL: starts from the initial states,
                           and drops the new states */
  double *gradients; /* result: graph->parameters numbers: gradients, summed over the images; for statistics,
                        the new or unchanged values. NULL if Node.target is NULL for all nodes */
  /* NULL, or a function that is called with each computed value and its n elements. */
  void (*made)(void *context, const Node *, double *value, int64_t n);
  void *context;
  double **value; /* result, by node id: [count][h][w][c]; RESULT_BATCH: one value; NULL with Node.target */
} GraphRun;
void graph_run(Arena *, const Graph *, GraphRun *);
double **graph_state_vector(Arena *, const Graph *, int64_t count); /* initial states, for `count` images */

#endif
