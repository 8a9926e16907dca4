/* stream.h: Results of the stream rules: for each node, the rows that a step computes, and the rows of its
 * operands that the node reads. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PASSES_STREAM_H
#define CNNC_PASSES_STREAM_H
#include "graph/op.h"
#include "graph/shape.h"
#include "passes/plan.h"

typedef struct Flow {
  bool depends;     /* the node depends on an input of which each call gets new rows */
  bool flows;       /* each call computes only new rows of the node */
  bool refused;     /* there is an error for the node, or for a node that it depends on */
  StepRows step;    /* step.rows 0: unknown after an error */
  int64_t up, down; /* the ratio up / down: rows of the node per row of the input */
  int64_t late;     /* delay of the node's rows, in rows of the input */
} Flow;

typedef struct Streams {
  Arena *arena;
  const Graph *graph, *written; /* written: messages use the operator names of this graph */
  const Streaming *options;
  Diags *diags; /* NULL: nothing is reported */
  const int *live;
  Flow *flow;            /* by node id */
  int64_t jump;          /* the number of rows of the first input in a step must be a multiple of `jump` */
  int64_t lookahead;     /* the smallest --lookahead with which no layer needs rows of later steps */
  int64_t window, begin; /* --slide; window: number of rows of the first input in a window; begin: index of
                            the first row of the first call */
  bool unpadded;         /* --slide: computes each Flow as if no layer had padding */
} Streams;

/* The rows of an operand that a node reads: in call k, rows k*rows + first .. k*rows + first + count - 1,
 * where `rows` is the number of rows of the operand that a step computes. Rows before the sequence have the
 * value `fill`. */
typedef struct StreamNeed {
  int64_t first, count;
  double fill;
  bool any;    /* no result depends on the fill */
  bool masked; /* rows before the sequence have other values, and must be replaced by the fill */
} StreamNeed;

/* False after an error. */
bool stream_rules(Streams *);
StreamRule stream_rule(const Node *);
bool stream_needs(const Streams *, const Node *, int k, StreamNeed *); /* false: the whole value is needed */
/* With --slide: sets `need` to all rows of the window. False: the value is not computed in steps. */
bool stream_needs_window(const Streams *, const Node *, StreamNeed *);
bool stream_in_regions(const Node *); /* whether each region depends on one region of the input */
/* Whether a layer with a state needs the number of earlier calls. The number is needed if rows before the
 * sequence must not change the state, or if the initial state is given. */
bool stream_state_counts(const Node *, StepRows in, StepRows out);
/* Whether the node is a mean over windows that may begin before row 0, and divides by the number of rows that
 * exist. */
bool stream_counts_rows(const Node *);
int stream_axis(Shape);     /* index of the row axis in the arrays of a Window */
int64_t stream_rows(Shape); /* number of rows of the value; 0: it has no rows */
Shape stream_with_rows(Shape, int64_t rows);
#endif
