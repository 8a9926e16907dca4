/* passes.h: from the graph as written to what is compiled. Each pass makes a new graph or a plan and keeps
 * its input. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PASSES_H
#define CNNC_PASSES_H
#include "graph/graph.h"
#include "ops/op.h"
#include "passes/plan.h"

Graph *pass_inference(
    Arena *,
    const Graph *); /* drops what inference does not need, dead values, merges zero_pad into windows */
/* The training graph: forward in training mode, losses, backward. loss[i]: the loss node of graph->training's
 * loss i; target[o]: the op_target node of output o or NULL. loss and target are arrays in the arena.
 * Parameters keep their offsets. */
typedef struct TrainingGraph {
  Graph *graph;
  Node **loss, **target;
} TrainingGraph;
TrainingGraph pass_differentiate(Arena *, const Graph *);
/* The same, with what plan.c decides first: layers of all images at once, how many images lie side by side,
 * whether there are several phases. */
TrainingGraph plan_differentiate(Arena *, const Graph *, Fusing, int *images, bool *phases);
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
#endif
