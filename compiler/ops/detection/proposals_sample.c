/* proposals_sample.c: The training form of proposals: the ground-truth boxes, then random proposals whose IoU
 * with a ground-truth box is at least 0.5, then random other proposals. The random numbers depend on
 * the seed, the step, the image and the layer. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/detection/proposals_sample.h"
#include "base/random.h"
#include "ops/detection/box.h"
#include "kernel/routine.h"
#include "ops/registry.h"

static const char text[] =
#include "ops/detection/sample_text.inc"
    ;

#define float double
#define int32_t double
#include "ops/detection/best_routine.h"
#include "ops/detection/box_routine.h"
#include "ops/detection/match_routine.h"
#include "ops/detection/sample_routine.h"
#undef float
#undef int32_t

enum { REGIONS, COUNT, LABEL, TRUTH };

static void run_routine(double *const *b, const double *n) {
  cnn_sample_routine(b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], (int)n[0], (int)n[1], (int)n[2],
                     (int)n[3]);
}

static void eval(const Eval *eval) {
  const Node *node = eval->node;
  const int64_t rows = node->in[REGIONS]->shape.dim[0], most = shape_elements(node->in[LABEL]->shape);
  Arena *arena = arena_new();
  double *draws = NEW_ARRAY(arena, double, rows), *scratch = NEW_ARRAY(arena, double, 2 * rows);
  uint32_t key[2];
  eval_keys(eval, key);
  for (int64_t i = 0; i < rows; i++) draws[i] = (double)random_uniform(key[0], key[1], (uint32_t)i);
  cnn_sample_routine(eval->in[REGIONS], draws, eval->in[COUNT], eval->in[LABEL], eval->in[TRUTH], scratch,
                     scratch + rows, eval->out, (int)rows, (int)most, (int)arg_int(node, "sample"),
                     most_positives(node));
  arena_free(arena);
}

static const Routine routine = {.name = "sample",
                                .depth = 5,
                                .text = text,
                                .uses = &match_routine,
                                .also = &best_routine,
                                .nbufs = 8,
                                .nnumbers = 4,
                                .elem = {F32, F32, I32, I32, F32, F32, F32, F32},
                                .writes = {[5] = true, [6] = true, [7] = true},
                                .whole = {true, true, true, true},
                                .run = run_routine};

static void lower(Lower *l) {
  Nest *b = l->b;
  Node *const *in = l->node->in;
  const int64_t rows = in[REGIONS]->shape.dim[0], sample = arg_int(l->node, "sample");
  Buf *keys = lower_keys(l), *draws = lower_scratch(l, "draws", 1, &rows),
      *kind = lower_scratch(l, "kind", 1, &rows), *rows_of = lower_scratch(l, "rows_of", 1, &rows),
      *found = lower_scratch(l, "found", 2, (int64_t[]){sample, BOX});
  nest_fn(b, b->name, false);
  Val key0 = nest_let(b, "key0", nest_load(b, nest_at(b, keys, 0), 1)),
      key1 = nest_let(b, "key1", nest_load(b, nest_at(b, keys, 1), 1));
  NEST_FOR(b, i, rows) nest_store(b, nest_at(b, draws, i), uniform(key0, key1, position(b, &i)));
  Buf *buf[] = {lower_contiguous(l, "regions", l->in[REGIONS]),
                draws,
                l->in[COUNT],
                l->in[LABEL],
                l->in[TRUTH],
                kind,
                rows_of,
                found};
  nest_routine(b, &routine, buf,
               (double[]){(double)rows, (double)shape_elements(in[LABEL]->shape), (double)sample,
                          (double)most_positives(l->node)});
  NEST_FOR(b, x, sample)
    NEST_FOR(b, c, BOX) {
      const Ix y = 0 * x;
      lower_store(l, nest_load(b, nest_at(b, found, x, c), 1), &y, &x, &c, 1, 1);
    }
}

static const Op op_sample = {
    .name = "proposals sample", .traits.per_image = true, .eval = eval, .lower = lower};

Node *proposals_sample(Graph *graph, Node *node) {
  if (!graph->training || !graph->training->objects) return node;
  Node *const in[] = {node, graph_truth(graph, TRUTH_COUNT), graph_truth(graph, TRUTH_CLASS),
                      graph_truth(graph, TRUTH_BOX)};
  return graph_hidden(graph, &op_sample, node, shape_sequence(arg_int(node, "sample"), BOX), RESULT_SAMPLE, 4,
                      in);
}
