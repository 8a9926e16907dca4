/* stream.h: what the rules of streams say of each node of a graph, and what the pass makes of it. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PASSES_STREAM_H
#define CNNC_PASSES_STREAM_H
#include "graph/op.h"
#include "graph/shape.h"
#include "passes/plan.h"

typedef struct Flow {
  bool depends;     /* on an input that is given in steps */
  bool flows;       /* its rows are computed in steps, too */
  bool refused;     /* that it is not was reported */
  StepRows step;    /* rows 0: not known after a mistake */
  int64_t up, down; /* rows a step are those of the input times up / down */
  int64_t late;     /* rows of the input by which its rows come late */
} Flow;

typedef struct Streams {
  Arena *arena;
  const Graph *graph, *written; /* written: of which the messages name the operators */
  const Streaming *options;
  Diags *diags; /* NULL: nothing is reported */
  const int *live;
  Flow *flow;            /* by node id */
  int64_t jump;          /* a step has a multiple of so many rows of the first input */
  int64_t lookahead;     /* the least --lookahead with which nothing looks ahead */
  int64_t window, begin; /* --slide: rows of the first input in a window; the number of its very first row */
  bool unpadded;         /* --slide: flows are those of the net without padding */
} Streams;

/* What a node reads of operand k in call n: rows n*rows + first .. + count - 1; those before the first one of
 * the sequence count as `fill`. */
typedef struct StreamNeed {
  int64_t first, count;
  double fill;
  bool any;    /* no value depends on the fill */
  bool masked; /* rows below 0 have to be replaced by it */
} StreamNeed;

/* False after an error. */
bool stream_rules(Streams *);
StreamRule stream_rule(const Node *);
bool stream_needs(const Streams *, const Node *, int k, StreamNeed *); /* false: all of the value, as it is */
/* --slide: all rows of the window; false: it is there as a whole. */
bool stream_needs_window(const Streams *, const Node *, StreamNeed *);
/* A mean over the rows that there are, whose windows begin before the first one. */
bool stream_counts_rows(const Node *);
int stream_axis(Shape);     /* of its rows in a Window */
int64_t stream_rows(Shape); /* 0: it has none */
Shape stream_with_rows(Shape, int64_t rows);
#endif
