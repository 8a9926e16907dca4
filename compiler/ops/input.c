/* input.c: Inputs of a net, and targets of its losses. Kernels read some of them directly from the caller
 * (passes/caller_inputs.c); the others are converted to the channels-last layout and the element type of
 * their node. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/lower.h"
#include "ops/registry.h"

static void lower(Lower *l) { /* in[0]: the caller's buffer */
  Nest *b = l->b;
  const Node *node = l->node;
  const Extent e = shape_extent(node->shape);
  nest_fn(b, b->name, false);
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, e.c) {
        Val value = node->port->chw ? nest_load(b, nest_at(b, l->in[0], c, y, x), 1)
                                    : nest_load(b, nest_at(b, l->in[0], y, x, c), 1);
        lower_store(l, convert(value, node->elem), &y, &x, &c, 1, 1);
      }
}

const Op op_input = {.name = "input",
                     .role = ROLE_INPUT,
                     .summary = "an input of the net",
                     .traits.keeps_spatial = true,
                     .lower = lower};
const Op op_target = {.name = "loss target", .role = ROLE_TARGET, .summary = "the target of a loss"};

/* Size of the first image input, or 1x1 if the net has none. Ground-truth boxes and instances are in pixels
 * of this image. */
static Extent picture_extent(const Graph *graph) {
  for (int i = 0; i < graph->inputs.n; i++)
    if (graph->inputs.data[i].node->shape.rank == 3) return shape_extent(graph->inputs.data[i].node->shape);
  return (Extent){1, 1, 1, 1};
}

Node *graph_truth(Graph *graph, TruthPart part) {
  static const char *const names[] = {"count", "class", "box", "instance"};
  static const Elem types[] = {I32, I32, F32, U8};
  if (graph->truth[part]) return graph->truth[part];
  const Extent picture = picture_extent(graph);
  const int64_t objects = graph->training->objects;
  Node *node = graph->truth[part] =
      graph_port_node(graph, &op_target, (PortInfo){graph_ports(graph) + (int)part, types[part], false, 0});
  node->shape = part == TRUTH_COUNT   ? shape_vector(1)
                : part == TRUTH_CLASS ? shape_vector(objects)
                : part == TRUTH_BOX   ? shape_sequence(objects, 4)
                                      : shape_image(picture.h, picture.w, 1);
  node->name = names[part];
  return node;
}
