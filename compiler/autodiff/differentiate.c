/* differentiate.c: Reverse-mode automatic differentiation. For training, this pass copies the graph in
 * training mode (in which batchnorm is decomposed, and dropout is active) and appends the losses. For
 * inspection, it copies the inference graph and marks a score of each output as another output. Each score
 * has a target, through which the caller passes the gradient of the score. Then the pass visits the nodes
 * from last to first, and their operators append the backward pass. For training, gradients are computed with
 * respect to the trained parameters; for inspection, with respect to the inputs.
 *
 * Requires: for training, a graph with a checked train block. Preserves: parameters and their offsets; nodes
 * stay in topological order. */
// SPDX-License-Identifier: Apache-2.0
#include "autodiff/forward.h"
#include "base/number.h"
#include "graph/bf16.h"
#include "graph/gradient.h"
#include "passes/passes.h"
#include "ops/registry.h"

/* ---- losses ---- */
static Shape target_shape(const Op *loss, Shape output) {
  if (!loss->traits.class_target) return output;
  Extent e = shape_extent(output);
  const Shape shape = output.rank == 3 && e.h * e.w > 1 ? shape_image(e.h, e.w, 1)
                      : output.rank == 2                ? shape_sequence(e.w, 1)
                                                        : shape_vector(1);
  return shape_with_rows(shape, output);
}

static LossDetail *loss_detail_of(const Graph *graph, const LossUse *use, const Node *made,
                                  const Node *output) {
  LossDetail *detail = NEW(graph->arena, LossDetail);
  detail->training = graph->training;
  detail->weight = use->weight;
  detail->classes = shape_extent(output->shape).c;
  detail->scores = output == made ? SCORES_NONE : made->op->traits.scores;
  detail->made = made;
  detail->graph = graph;
  return detail;
}

static Node *find_target(Graph *graph, const LossUse *use, Shape output) {
  const PortInfo info = {use->port, use->op->traits.class_target ? I32 : F32, false, 0};
  Node *target = graph_port_node(graph, &op_target, info);
  target->shape = target_shape(use->op, output);
  target->name = graph_port(graph, use->port)->name;
  return target;
}

static Node *loss_node(Graph *graph, const Op *op, const LossUse *use, const LossDetail *detail, Shape shape,
                       Result result, int nin, Node *const *in) {
  Node *node = graph_hidden(graph, op, NULL, shape, result, nin, in);
  node->arg = use->arg;
  node->detail = detail;
  node->name = "loss";
  node->span = use->span;
  return node;
}

static Node *object_part(Graph *graph, const LossUse *use, const LossDetail *of, int64_t at, Shape shape,
                         Node *const from[2]) {
  LossDetail *detail = NEW(graph->arena, LossDetail);
  *detail = *of;
  detail->at = at;
  return loss_node(graph, &op_object_part, use, detail, shape, RESULT_SAMPLE, 2, from);
}

/* One node computes a detection loss and its gradients as one vector (Loss.op in ops/registry.h).
 * op_object_part nodes extract and scale the parts of this vector. */
static Node *append_object_loss(Gradient *gradient, const LossUse *use, const Loss *loss) {
  Graph *graph = gradient->graph;
  Node *in[MOST_INPUTS], *own = graph_port(graph, use->port)->node;
  int64_t size = 1;
  /* in training, a node with the operator loss->inside may be replaced: hidden->of is the original node */
  if (loss->inside && own->op != loss->inside) own = own->hidden->of;
  int n = loss_operands(loss, own, in);
  for (int i = 0; i < use->nmore; i++) in[n++] = graph_port(graph, use->more[i])->node;
  for (int i = 0; i < TRUTH_PARTS; i++)
    if (i != TRUTH_INSTANCE || loss->instances) in[n++] = graph_truth(graph, (TruthPart)i);
  for (int i = 0; i < loss->trained; i++) size += shape_elements(in[i]->shape);
  const LossDetail *detail = loss_detail_of(graph, use, graph_port(graph, use->port)->node, in[0]);
  Node *made = loss_node(graph, loss->op, use, detail, shape_vector(size), RESULT_SAMPLE, n, in),
       *scale = loss_node(graph, &op_object_scale, use, detail, shape_vector(1), RESULT_BATCH, 0, NULL),
       *from[2] = {made, scale};
  made->salt = made->id;
  if (loss->inside) made->hidden = hidden_of(graph->arena, own);
  for (int64_t i = 0, at = 1; i < loss->trained; at += shape_elements(in[i++]->shape)) {
    if (!gradient_wanted(gradient, in[i])) continue;
    gradient_add(gradient, in[i], object_part(graph, use, detail, at, in[i]->shape, from));
  }
  return object_part(graph, use, detail, 0, shape_vector(1), from);
}

/* output: the value that a loss reads. If the loss itself computes the activation of its port, it reads the
 * operand of this activation; otherwise it reads the value of the port. With `steps`, `output` joins the
 * values of all calls that the loss counts. made: the activation that the loss computes itself (with `steps`,
 * the activation of the last call). If the loss computes no activation, `made` equals `output`. A detection
 * loss has only `made`, the value of its port. */
typedef struct LossOperand {
  Node *made, *output;
} LossOperand;

static LossOperand loss_operand(Graph *graph, const LossUse *use) {
  const Loss *loss = loss_parts(use->op);
  const int64_t calls = graph->training->steps, first = graph->training->loss_from;
  LossOperand o = {.made = graph_port(graph, use->port)->node};
  if (use->op->traits.object_target) return o;
  if (calls <= 1) {
    loss_operands(loss, o.made, &o.output);
    return o;
  }
  if (node_is_input(o.made)) {
    o.made = o.output = calls_after(graph, o.made, calls, first);
    return o;
  }
  Node **counted = NEW_ARRAY(graph->arena, Node *, calls), *one = NULL;
  for (int64_t k = first; k < calls; k++) {
    one = calls_member(o.made, k);
    loss_operands(loss, one, &counted[k - first]);
  }
  const bool absorbed = counted[calls - 1 - first] != one;
  o.output = !absorbed && first == 0 ? o.made : calls_joined(graph, calls - first, counted);
  o.made = absorbed ? one : o.output;
  return o;
}

static void append_loss(Gradient *gradient, const LossUse *use, LossOperand o, TrainingGraph *result,
                        int index) {
  Graph *graph = gradient->graph;
  const Loss *loss = loss_parts(use->op);
  if (use->op->traits.object_target) {
    result->loss[index] = append_object_loss(gradient, use, loss);
    return;
  }
  const Training *t = graph->training;
  LossDetail *detail = loss_detail_of(graph, use, o.made, o.output);
  const Shape all = shape_with_rows(o.output->shape, graph_port(graph, use->port)->node->shape);
  if (!result->target[use->port]) result->target[use->port] = find_target(graph, use, all);
  Node *target = result->target[use->port];
  detail->uncounted = t->loss_from * (shape_rows(all) / larger(t->steps, 1));
  Node *scale = loss_node(graph, loss->scale, use, detail, shape_vector(1), RESULT_BATCH, 1, &target);
  Node *in[3] = {o.output, calls_after(graph, target, t->steps, t->loss_from), scale};
  result->loss[index] = loss_node(graph, loss->op, use, detail, shape_vector(1), RESULT_SAMPLE, 3, in);
  if (!gradient_wanted(gradient, o.output)) return;
  if (loss->slopes)
    in[2] = loss_node(graph, loss->slopes, use, detail, shape_sequence(2, shape_extent(o.output->shape).c),
                      RESULT_SAMPLE, 3, in);
  gradient_add(gradient, o.output,
               loss_node(graph, loss->gradient, use, detail, o.output->shape, RESULT_SAMPLE, 3, in));
}

/* The sum of all contributions to a value's gradient. A node has at most MOST_INPUTS operands, so the sum may
 * be a chain of nodes. */
static Node *sum_of_parts(Graph *graph, Node *of, const Contributions *part) {
  Node *in[MOST_INPUTS], *sum = NULL;
  for (int next = 0; next < part->n;) {
    int n = 0;
    if (sum) in[n++] = sum;
    while (n < MOST_INPUTS && next < part->n) in[n++] = part->data[next++];
    sum = graph_hidden(graph, &op_sum_gradients, of, of->shape, RESULT_SAMPLE, n, in);
  }
  return sum;
}

static void differentiate_backward(Gradient *gradient) {
  Graph *graph = gradient->graph;
  for (int i = gradient->forward - 1; i >= 0; i--) {
    Node *node = graph->nodes.data[i];
    Contributions *part = &gradient->part[i];
    if (!part->n || !node->op->gradient) continue;
    Node *dy = part->n == 1 ? part->data[0] : sum_of_parts(graph, node, part);
    node->op->gradient(gradient, node, dy);
  }
}

/* Starts the backward pass: all nodes so far are the forward pass. */
static Gradient gradient_begin(Graph *graph, bool training) {
  Gradient gradient = {.graph = graph, .training = training, .forward = graph->nodes.n};
  gradient.wanted = NEW_ARRAY(graph->arena, bool, graph->nodes.n + 1);
  gradient.part = NEW_ARRAY(graph->arena, Contributions, graph->nodes.n + 1);
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    gradient.wanted[i] = !training && node_is_input(node);
    for (int k = 0; training && k < node->nweights; k++)
      gradient.wanted[i] = gradient.wanted[i] || (!node->frozen && gradient_trainable(node->weight[k]));
    for (int k = 0; k < node->nin && !node->op->traits.stops_gradient; k++)
      gradient.wanted[i] = gradient.wanted[i] || gradient.wanted[node->in[k]->id];
  }
  return gradient;
}

TrainingGraph pass_differentiate(Arena *arena, const Graph *from) {
  Graph *graph = graph_forward(arena, from, NULL);
  TrainingGraph result = {graph, NEW_ARRAY(arena, Node *, graph->training->losses.n + 1),
                          NEW_ARRAY(arena, Node *, graph_ports(graph) + TRUTH_PARTS)};
  const LossUse *use = graph->training->losses.data;
  const int losses_n = graph->training->losses.n;
  LossOperand *operand = NEW_ARRAY(arena, LossOperand, losses_n + 1);
  for (int i = 0; i < losses_n; i++) operand[i] = loss_operand(graph, &use[i]);
  Gradient gradient = gradient_begin(graph, true);
  for (int i = 0; i < losses_n; i++) append_loss(&gradient, &use[i], operand[i], &result, i);
  for (int i = 0; i < TRUTH_PARTS; i++) result.target[graph_ports(graph) + i] = graph->truth[i];
  differentiate_backward(&gradient);
  for (int i = gradient.forward; i < graph->nodes.n; i++) graph->nodes.data[i]->backward = true;
  bf16_mark(arena, graph, losses_n, result.loss);
  return result;
}

/* ---- inspection ---- */
static Graph *copy_inference(Arena *arena, const Graph *graph, Node **map) {
  Graph *copy = graph_copy_head(arena, graph);
  copy->training = NULL;
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (node->op->identity && node->nin && node->op->identity(node)) {
      map[i] = map[node->in[0]->id];
      continue;
    }
    map[i] = graph_copy_node(arena, node, map);
    map[i]->rounds = NULL;
    node_as_floats(map[i]);
    if (node->op->parts) {
      map[i] = node->op->parts(copy, map[i], true);
      continue;
    }
    graph_append(copy, map[i]);
    if (node_is_state(node) || node_is_update(node))
      map[i] = node->op->train(copy, map[i]); /* a state's value in the first call; an update's operand */
  }
  return copy;
}

static int add_loss_output(Graph *graph, const char *name, Node *value) {
  const Port port = {.name = name, .node = value};
  vec_push(graph->arena, graph->outputs, port);
  return graph->outputs.n - 1;
}

/* If a softmax, log_softmax or sigmoid computes the output, the score is the operand of this activation. The
 * gradients of softmax and sigmoid are nearly 0 where their results are close to 0 or 1. */
static Node *score_of(Node *output) {
  return output->op->traits.scores != SCORES_NONE ? output->in[0] : output;
}

LookGraph pass_look(Arena *arena, const Graph *from) {
  Node **map = NEW_ARRAY(arena, Node *, from->nodes.n + 1);
  Graph *graph = copy_inference(arena, from, map);
  LookGraph look = {graph, NEW_ARRAY(arena, int, from->nodes.n + 1),
                    NEW_ARRAY(arena, int, from->outputs.n + 1), NEW_ARRAY(arena, int, from->inputs.n + 1)};
  Gradient gradient = gradient_begin(graph, false);
  for (int i = 0; i < from->nodes.n; i++)
    look.layer[i] = add_loss_output(graph, from->nodes.data[i]->name, map[i]);
  for (int o = 0; o < from->outputs.n; o++) {
    Node *score = score_of(map[from->outputs.data[o].node->id]),
         *seed = graph_port_node(graph, &op_target, (PortInfo){o, F32, false, 0});
    seed->shape = score->shape;
    seed->name = from->outputs.data[o].name;
    look.score[o] = add_loss_output(graph, from->outputs.data[o].name, score);
    gradient_add(&gradient, score, seed);
  }
  differentiate_backward(&gradient);
  for (int i = 0; i < from->inputs.n; i++) {
    Node *input = map[from->inputs.data[i].node->id];
    const Contributions *part = &gradient.part[input->id];
    look.gradient[i] = part->n ? add_loss_output(graph, input->name, sum_of_parts(graph, input, part)) : -1;
  }
  for (int i = gradient.forward; i < graph->nodes.n; i++) graph->nodes.data[i]->backward = true;
  return look;
}
