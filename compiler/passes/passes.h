/* passes.h: Passes from the graph as written to a plan; passes.c has their table. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PASSES_H
#define CNNC_PASSES_H
#include "graph/graph.h"
#include "graph/op.h"
#include "passes/plan.h"

typedef struct PassState { /* what passes hand on */
  Arena *arena;
  PlanKind kind;
  PlanOptions options;
  Diags *diags;               /* of the pass stream, which a program may not fit */
  const Graph *source;        /* of it: the graph whose operators messages name */
  const Graph *written;       /* as the program has it: never changed */
  Plan *plan;                 /* plan->graph: as the passes so far have left it */
  bool phases;                /* training: a step has several phases; set by whole-batch */
  bool trial;                 /* what it plans is measured and thrown away: not verified */
  const unsigned char *again; /* training: by node id before recompute, how often it is rematerialized;
                                 NULL: only nearly free values */
  const struct Times *times;  /* training: of the graph before recompute, which forks share, or NULL */
} PassState;

typedef enum PassId {
  PASS_STREAM,
  PASS_SIMPLIFY,
  PASS_DROP,
  PASS_BANDS,
  PASS_DIFFERENTIATE,
  PASS_LOOK,
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
  unsigned kinds; /* bit k: it belongs to plans of PlanKind k */
  const char *needs, *keeps;
  void (*run)(PassState *);
  void (*verify)(const Plan *); /* besides graph_verify; NULL: nothing. A broken invariant is a bug: exit 3 */
} Pass;
extern const Pass pass_table[PASSES]; /* in the order in which they run */

PassState passes_begin(Arena *, const Graph *, PlanKind, PlanOptions);
PassState passes_fork(Arena *, const PassState *);       /* a copy of the state so far, before recompute */
void passes_run(PassState *, PassId first, PassId last); /* those of its kind */

/* ---- the passes; inference.c and so on say what each does ---- */
Graph *pass_inference(Arena *, const Graph *, const PlanOptions *);
/* Without the identities of inference and without dead values, with padding in windows; layers as written.
 * map: by node id of the original, NULL for dead ones. */
Graph *inference_tidy(Arena *, const Graph *, Node ***map);
/* The graph of a step; NULL after an error. written: the graph of which messages name the operators. */
Graph *stream_graph(Arena *, Diags *, const Graph *, const Graph *written, const Streaming *);
Graph *states_last(Arena *, Graph *); /* updates behind all others; who read one reads its value */
/* The training graph: forward in training mode, losses, backward. loss[i]: the loss node of graph->training's
 * loss i; target[o]: the op_target node of port o (graph_port), then those of the parts of the truth, or
 * NULL. loss and target are arrays in the arena. Parameters keep their offsets. */
typedef struct TrainingGraph {
  Graph *graph;
  Node **loss, **target;
} TrainingGraph;
TrainingGraph pass_differentiate(Arena *, const Graph *);
/* The graph behind `features` and `saliency`: inference with every layer's value, then the gradient of the
 * scores with respect to the inputs. Its outputs are all there is to see; the rest are indices of them:
 * layer[n], the value of node n as written; score[o], what the class scores of output o are before their
 * softmax or sigmoid, weighed by the op_target of that index; gradient[i], of input i, -1 where none arrives.
 */
typedef struct LookGraph {
  Graph *graph;
  int *layer, *score, *gradient;
} LookGraph;
LookGraph pass_look(Arena *, const Graph *);
void pass_bands(PassState *);
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
