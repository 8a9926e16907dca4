/* input.c: what comes from outside: the inputs of a net, and the targets of its losses. What is not read
 * where the caller has it (passes/given.c) is converted to floats with the channels last. */
// SPDX-License-Identifier: Apache-2.0
#include "kernel/lower.h"

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

const Op op_input = {
    .name = "input", .summary = "an input of the net", .keeps_spatial = true, .lower = lower};
const Op op_target = {.name = "loss target", .summary = "what a loss compares an output with"};
