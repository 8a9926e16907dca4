/* whole_batch.c: Choice of batched layers, and of interleaving. If large dense layers, and convolutions with
 * few pixels, are computed image by image, these layers read their weights from memory for each image. In
 * training, they also write the gradients of the weights for each image. PlanOptions.pays estimates which
 * layers are faster if they are batched.
 *
 * Requires: a graph. Preserves: the graph; sets plan->whole_batch, plan->together and plan->images. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "graph/bf16.h"
#include "kernel/lower.h"
#include "passes/passes.h"

enum { FEWEST_IMAGES = 8, MOST_IMAGES = 1024, MOST_ELEMENTS = 1 << 29, MOST_UNROLLED = 700 };

/* Whether at least one node needs the values of all images, for statistics. If so, no interleaving. */
static bool needs_all_images(const Graph *graph) {
  for (int i = 0; i < graph->nodes.n; i++)
    for (int k = 0; graph->nodes.data[i]->result == RESULT_BATCH && k < graph->nodes.data[i]->nin; k++) {
      const Node *in = graph->nodes.data[i]->in[k];
      if (in->result == RESULT_SAMPLE && !node_is_target(in) && !node_is_input(in)) return true;
    }
  return false;
}

static bool of_family(Family family, Family input, Family weights, const Node *node) {
  return node->op->family == family || node->op->family == input || node->op->family == weights;
}

/* Batched kernels keep partial sums in their results, and bf16 has too few bits for sums. So of the bf16
 * layers, only those are batched that sum products of bf16 pairs in registers. Gradients of weights are
 * floats, so they can be batched. */
static bool can_batch_dense(const Node *node, int64_t batch) {
  if (!of_family(FAMILY_DENSE, FAMILY_DENSE_INPUT, FAMILY_DENSE_WEIGHTS, node)) return false;
  if ((node->rounded || node_is_bf16(node)) && !bf16_dense_pairs(node) &&
      node->op->family != FAMILY_DENSE_WEIGHTS)
    return false;
  const Node *forward = node_forward(node);
  const int64_t inputs = shape_row_elements(forward->in[0]->shape),
                units = shape_row_elements(forward->shape), larger = inputs > units ? inputs : units;
  return !forward->in[0]->shape.regions && inputs * units >= TOGETHER_WEIGHTS && larger <= INT32_MAX / batch;
}

/* Whether the window is small enough for batched schedules, which unroll it: their nests have a few buffers
 * per tap and per phase of the stride. */
static bool unrolls(const Window *w) {
  const int64_t taps = bounded_product(w->kernel[0], w->kernel[1]),
                phases = bounded_product(w->stride[0], w->stride[1]);
  return taps <= MOST_UNROLLED && phases <= MOST_UNROLLED && 8 * taps + 36 * phases <= MOST_UNROLLED;
}

/* Whether a batched schedule supports the convolution. With several groups, only weight gradients are
 * supported (with Winograd). The schedules index weights by input and output channel, so
 * traits.matrix_of_taps is not supported. Indices must fit into an int. */
static bool can_batch_conv(const Node *node, int64_t batch) {
  if (!of_family(FAMILY_CONV, FAMILY_CONV_SCATTER, FAMILY_CONV_WEIGHTS, node)) return false;
  if (node->op->family != FAMILY_CONV_WEIGHTS && node_weight_elem(node) != F32) return false;
#ifdef __wasi__ /* the browser build has no batched schedules of weight gradients */
  if (node->op->family == FAMILY_CONV_WEIGHTS) return false;
#endif
  const Node *forward = node_forward(node);
  const Shape in = forward->in[0]->shape, out = forward->shape;
  const bool groups = forward->window->groups > 1 && node->op->family != FAMILY_CONV_WEIGHTS;
  return !in.regions && !groups && !forward->op->traits.matrix_of_taps && unrolls(forward->window) &&
         shape_row_elements(in) <= MOST_ELEMENTS / batch && shape_row_elements(out) <= MOST_ELEMENTS / batch;
}

bool plan_batches_conv(const Plan *plan) {
  for (int i = 0; plan->whole_batch && i < plan->graph->nodes.n; i++)
    if (plan->whole_batch[i] &&
        of_family(FAMILY_CONV, FAMILY_CONV_SCATTER, FAMILY_CONV_WEIGHTS, plan->graph->nodes.data[i]))
      return true;
  return false;
}

/* Training: whether the node is the first loss or a later node. */
static bool is_backward(const Plan *plan, const Node *node) {
  for (int i = 0; plan->training && i < plan->graph->training->losses.n; i++)
    if (node->id >= plan->loss[i]->id) return true;
  return false;
}

/* By node id: the value's last reader among the nodes of the same pass (forward or backward); 0: none. */
static int *last_readers(Arena *arena, const Plan *plan) {
  int *last = NEW_ARRAY(arena, int, plan->graph->nodes.n + 1);
  for (int i = 0; i < plan->graph->nodes.n; i++) {
    const Node *reader = plan->graph->nodes.data[i];
    for (int k = 0; k < reader->nin; k++)
      if (is_backward(plan, reader->in[k]) == is_backward(plan, reader)) last[reader->in[k]->id] = i;
  }
  return last;
}

/* Bytes per image of the computed values of a node's pass (forward or backward) that are live across the
 * node, without its operands. If the node is batched, it separates phases, so these values must be stored
 * for all images. */
static int64_t bytes_kept_across(const Plan *plan, const int *last, int at) {
  const Graph *graph = plan->graph;
  const Node *node = graph->nodes.data[at];
  int64_t bytes = 0;
  for (int i = 0; i < at; i++) {
    const Node *value = graph->nodes.data[i];
    bool own = false;
    if (last[i] <= at || value->result != RESULT_SAMPLE || !value->nin) continue;
    for (int k = 0; k < node->nin; k++) own = own || node->in[k] == value;
    if (!own && is_backward(plan, value) == is_backward(plan, node))
      bytes += 4 * shape_elements(value->shape);
  }
  return bytes;
}

/* convs: whether convolutions and their input gradients may be batched, too */
static bool is_batched_layer(const PassState *state, const int *last, int at, int64_t batch, bool convs) {
  const PlanOptions *o = &state->options;
  const Node *node = state->plan->graph->nodes.data[at];
  if (can_batch_dense(node, batch)) return !o->pays || o->pays(o->costs, node, batch, 0);
  return (convs || node->op->family == FAMILY_CONV_WEIGHTS) && o->pays && can_batch_conv(node, batch) &&
         o->pays(o->costs, node, batch, bytes_kept_across(state->plan, last, at));
}

static bool batch_layers(PassState *state, int64_t batch) { /* false: no layer is batched */
  const Graph *graph = state->plan->graph;
  bool *whole_batch = state->plan->whole_batch = NEW_ARRAY(state->arena, bool, graph->nodes.n + 1);
  const int *last = last_readers(state->arena, state->plan);
  /* not with bf16: an activation that is fused later may round the result of a convolution */
  const bool convs = !graph_has_bf16(graph);
  bool any = false;
  for (int i = 0; i < graph->nodes.n && batch <= MOST_IMAGES; i++) {
    whole_batch[i] = is_batched_layer(state, last, i, batch, convs);
    any = any || whole_batch[i];
  }
  return any;
}

static void infer_whole_batch(PassState *state) {
  Plan *plan = state->plan;
  const int64_t batch = state->options.whole_batch;
  plan->together =
      plan->images == 1 && state->options.fusing == FUSE_ALL && batch && batch_layers(state, batch);
}

static void train_whole_batch(PassState *state) {
  Plan *plan = state->plan;
  const int64_t batch = plan->graph->training->batch;
  const bool statistics = needs_all_images(plan->graph), apart = statistics || plan->images == 1;
  const int64_t fewest = state->options.pays ? 2 : FEWEST_IMAGES;
  const bool together =
      apart && state->options.fusing == FUSE_ALL && batch >= fewest && batch_layers(state, batch);
  state->phases = statistics || together;
  if (apart) plan->images = 1;
}

static bool lacks_interleaving(const Graph *graph) {
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (node->op->traits.per_image || (node_is_input(node) && node->shape.regions)) return true;
  }
  return false;
}

void pass_whole_batch(PassState *state) {
  if (lacks_interleaving(state->plan->graph)) state->plan->images = 1;
  if (state->kind == PLAN_TRAINING) train_whole_batch(state);
  else infer_whole_batch(state);
}
