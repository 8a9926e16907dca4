/* mask.c: Random dropping of values in training. The mask only depends on the seed, the step, the image, the
 * layer and, for dropout, the element's index. So the backward pass draws the same mask again. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/dropout/mask.h"
#include "base/random.h"
#include "kernel/lower.h"

static double rate_of(const Node *node) { return arg_number(node, "rate"); }
static bool by_sample(const Node *node) { return node->op == &op_drop_path_mask; }

void mask_shape(ShapeContext *context, Node *node) {
  if (rate_of(node) < 1) {
    node->shape = node->in[0]->shape;
    return;
  }
  Diag *diag =
      op_error_at(context, node, "rate", DIAG_bad_value, "a %s rate of 1 drops everything", node->op->name);
  diag_help(diag, "rate is the fraction that is dropped: 0.5 drops half");
}

/* ---- training; the backward pass is the same operator, with dy instead of x ---- */
static void run(const Eval *eval) {
  const Node *node = eval->node;
  const double rate = rate_of(node);
  const int64_t n = shape_row_elements(node->shape);
  uint32_t key[2];
  eval_keys(eval, key);
  for (int64_t i = 0; i < n; i++) {
    const bool dropped =
        random_uniform(key[0], key[1], by_sample(node) ? 0 : (uint32_t)(eval->row * n + i)) < (float)rate;
    eval->out[i] = dropped ? 0 : eval->in[0][i] / (1 - rate);
  }
}

static void lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const double rate = rate_of(l->node);
  const bool whole = by_sample(l->node);
  Buf *keys = lower_keys(l);
  nest_fn(b, b->name, false);
  Val key0 = nest_let(b, "key0", nest_load(b, nest_at(b, keys, 0), 1)),
      key1 = nest_let(b, "key1", nest_load(b, nest_at(b, keys, 1), 1)), limit = num(b, (double)(float)rate);
  Val all_dropped = whole ? nest_let(b, "u", uniform(key0, key1, num_i32(b, 0))) : NULL;
  NEST_FOR(b, y, e.h)
    NEST_FOR(b, x, e.w)
      NEST_FOR(b, c, e.c) {
        const Ix index = ((lower_row(l) * e.h + y) * e.w + x) * e.c + c;
        Val u = whole ? all_dropped : uniform(key0, key1, position(b, &index));
        lower_store(l,
                    choose(less(u, limit), num(b, 0),
                           mul(nest_load(b, nest_at(b, l->in[0], y, x, c), 1), num(b, 1 / (1 - rate)))),
                    &y, &x, &c, 1, 1);
      }
}

static void backward(Gradient *gradient, Node *node, Node *dy) {
  Node *dx = graph_hidden(gradient_graph(gradient), node->op, node, node->shape, RESULT_SAMPLE, 1, &dy);
  /* graph_hidden copies the random salt, so the same elements are dropped */
  gradient_add(gradient, node->in[0], dx);
}

const Op op_dropout_mask = {
    .name = "dropout mask", .traits.keeps_spatial = true, .eval = run, .gradient = backward, .lower = lower};
const Op op_drop_path_mask = {.name = "drop_path mask",
                              .traits.keeps_spatial = true,
                              .eval = run,
                              .gradient = backward,
                              .lower = lower};

Node *mask_train(Graph *graph, Node *node, const Op *mask) {
  return rate_of(node) > 0 ? graph_hidden(graph, mask, node, node->shape, RESULT_SAMPLE, 1, node->in) : node;
}

/* ---- inference ---- */
void mask_gradient(Gradient *gradient, Node *node, Node *dy) { gradient_add(gradient, node->in[0], dy); }

bool mask_identity(const Node *node) {
  (void)node;
  return true;
}
