// ops_net.h: Small nets of operators for tests: built from text, run on random numbers, checked.
// SPDX-License-Identifier: Apache-2.0
#ifndef OPS_NET_H
#define OPS_NET_H
#include "reference/eval.h"
#include "passes/passes.h"

enum { IMAGES = 3 };

typedef struct Net {
  Arena *arena;
  Graph *graph;
  Diags *diags;
  Node *last, *named[4]; /* named: $0, $1, ... of the text */
  uint64_t random;
  char what[200];
  bool good;
} Net;

typedef struct Data {
  double *weights, *input[4], *target;
  double **all_input, **all_target;
} Data;

Net net_new(void);
Node *net_input(Net *, Shape, Elem, bool chw);
/* text: arguments such as "kernel=3 pad=same" */
Node *net_layer(Net *, const char *op_name, const char *text);
/* Adds layers: "maxpool kernel=3 -> relu -> @0 -> add x=$1". @0 gives the current value the name $0; <0
 * continues from $0. */
void net_chain(Net *, const char *text);
/* Adds only the node of the loss. */
Node *net_loss(Net *, const char *loss, const char *text, int nin, Node *const *in);
void net_end(Net *, const char *loss, const char *text);

Data net_draw(Net *, double scale);
GraphRun net_eval(Net *, const Graph *, const Data *, bool training);

bool close_to(const char *what, const char *where, const double *got, const double *want, int64_t n,
              double tolerance);
/* The gradient with respect to the output of the layer `scale`. */
const Node *gradient_of_scale(const Graph *, const Node *scale);
/* Compares inference and training in the interpreter with eval, for each target that machine_seen does not
 * skip. */
void net_check_nests(Net *, const Data *);
void net_check_gradients(Net *, Data *); /* compares gradients with central differences */
#endif
