/* passes.h: Passes that turn the source's graph into a plan; passes.c has their table. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PASSES_H
#define CNNC_PASSES_H
#include "graph/graph.h"
#include "graph/op.h"
#include "passes/plan.h"

typedef struct PassState { /* state that is passed from pass to pass */
  Arena *arena;
  PlanKind kind;
  PlanOptions options;
  Diags *diags;               /* for errors of the pass "stream" */
  const Graph *source;        /* for these errors: the graph whose operator names appear in messages */
  const Graph *written;       /* the source's graph: never changed */
  Plan *plan;                 /* plan->graph: the graph after the passes so far */
  bool phases;                /* training: a step has several phases; the pass whole-batch sets this */
  bool trial;                 /* only the plan's size and work are needed: no verification */
  const unsigned char *again; /* training: by node id before recompute, number of rematerializations; NULL:
                                 only cheap values are rematerialized */
  const struct Times
      *times; /* training: execution order before recompute, shared by copies of the state; or NULL */
} PassState;

typedef enum PassId {
  PASS_STREAM,
  PASS_SIMPLIFY,
  PASS_DROP,
  PASS_BANDS,
  PASS_DIFFERENTIATE,
  PASS_LOOK,
  PASS_BF16,
  PASS_WHOLE_BATCH,
  PASS_GIVEN,
  PASS_RECOMPUTE,
  PASS_PLACE,
  PASS_FUSE,
  PASS_STATES,
  PASS_STORE,
  PASS_IN_PLACE,
  PASSES
} PassId;

typedef struct Pass {
  const char *name;
  unsigned kinds; /* bit k: runs for plans of PlanKind k */
  const char *needs, *keeps;
  void (*run)(PassState *);
  void (*verify)(const Plan *); /* checks invariants, after graph_verify; may be NULL */
} Pass;
extern const Pass pass_table[PASSES]; /* in execution order */

PassState passes_begin(Arena *, const Graph *, PlanKind, PlanOptions);
PassState passes_fork(Arena *, const PassState *);       /* a copy of a state before recompute */
void passes_run(PassState *, PassId first, PassId last); /* runs the passes for state->kind */

/* ---- passes ---- */
Graph *pass_inference(Arena *, const Graph *, const PlanOptions *);
/* A copy of the graph without dead values, and without nodes that are identities in inference; all inputs are
 * copied, also dead ones. A zero_pad is merged into the window of a convolution after it; other layers are
 * unchanged. map: by old node id, the new node; NULL: the old node was dead. */
Graph *inference_tidy(Arena *, const Graph *, Node ***map);
/* The graph of one call with --stream or --slide; NULL after an error. Error messages use the operator names
 * of `written`. */
Graph *stream_graph(Arena *, Diags *, const Graph *, const Graph *written, const Streaming *);
/* Moves updates to the end of the graph. Users of an update read the input of the update (the new value)
 * instead. */
Graph *states_last(Arena *, Graph *);
/* The training graph: forward pass in training mode, losses, backward pass. loss: the node of each loss of
 * graph->training. target: by port (graph_port), then by part of the annotations, the target node or NULL.
 * Parameters keep their offsets. */
typedef struct TrainingGraph {
  Graph *graph;
  Node **loss, **target;
} TrainingGraph;
TrainingGraph pass_differentiate(Arena *, const Graph *);
/* The graph of the commands `features` and `saliency`: inference with the values of all layers, then the
 * gradient of the scores with respect to the inputs. All these values are outputs of the graph. The arrays
 * contain indices of outputs. layer[n]: the value of node n of the source. score[o]: the class scores
 * of output o before softmax or sigmoid, weighted by target o. gradient[i]: the gradient of input i, or
 * -1. */
typedef struct LookGraph {
  Graph *graph;
  int *layer, *score, *gradient;
} LookGraph;
LookGraph pass_look(Arena *, const Graph *);
void pass_bands(PassState *);
void pass_bf16(PassState *);
void pass_whole_batch(PassState *);
void pass_given(PassState *);
void pass_states(PassState *);
void pass_store(PassState *);
void pass_in_place(PassState *);

/* ---- invariants after passes (plan_verify.c) ---- */
void verify_places(const Plan *);
void verify_kernels(const Plan *);
void verify_storage(const Plan *);
void verify_in_place(const Plan *);
#endif
