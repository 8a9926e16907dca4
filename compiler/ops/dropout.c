/* dropout.c: dropout: in training each element is zero with probability `rate`, the others are divided by 1 - rate; nothing in inference  (Srivastava et al., 2014).
 * Whether an element is kept depends on the seed, the step, the image, the layer and the element's index only, so the backward pass draws the same again. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/random.h"
#include "ops/lower.h"

static const Param params[] = {{"rate", PARAM_NUMBER, "0.5", "the part of the elements that is dropped, 0 to below 1", 0, 1, NULL}, {0}};

static double rate_of(const Node *node) { return arg_number(node, "rate"); }

static void shape(ShapeContext *context, Node *node) {
  if (rate_of(node) < 1) {
    node->shape = node->in[0]->shape;
    return;
  }
  Diag *diag = op_error_at(context, node, "rate", DIAG_bad_value, "a dropout rate of 1 drops everything");
  diag_help(diag, "rate is the part that is dropped: 0.5 drops half of the elements");
}

/* ---- the mask: y = x * (u >= rate) / (1 - rate); its own backward pass with dy for x ---- */
static void mask_run(const Eval *eval) {
  const double rate = rate_of(eval->node);
  const int64_t n = shape_elements(eval->node->shape);
  uint32_t key[2];
  random_keys(eval->seed, eval->step, (uint64_t)eval->sample, key);
  key[1] ^= (uint32_t)eval->node->salt;
  for (int64_t i = 0; i < n; i++) eval->out[i] = random_uniform(key[0], key[1], (uint32_t)i) < (float)rate ? 0 : eval->in[0][i] / (1 - rate);
}

static void mask_lower(Lower *l) {
  Nest *b = l->b;
  const Extent e = shape_extent(l->node->shape);
  const double rate = rate_of(l->node);
  Buf *keys = lower_keys(l);
  nest_fn(b, b->name, false);
  Val key0 = let("key0", load(at(keys, 0), 1)), key1 = let("key1", load(at(keys, 1), 1));
  FOR(y, e.h) FOR(x, e.w) FOR(c, e.c) {
    const Ix index = (y * e.w + x) * e.c + c;
    Val dropped = less(uniform(key0, key1, position(b, &index)), num(b, (double)(float)rate));
    lower_store(l, choose(dropped, num(b, 0), mul(load(at(l->in[0], y, x, c), 1), num(b, 1 / (1 - rate)))), &y, &x, &c, 1, 1);
  }
}

static void mask_backward(Gradient *gradient, Node *node, Node *dy) {
  Node *dx = graph_hidden(gradient_graph(gradient), node->op, node, node->shape, RESULT_SAMPLE, 1, &dy);
  gradient_add(gradient, node->in[0], dx); /* the salt is copied: the same elements are dropped */
}

static const Op op_mask = {.name = "dropout mask", .keeps_spatial = true, .eval = mask_run, .gradient = mask_backward, .lower = mask_lower};

/* ---- inference ---- */
static void run(const Eval *eval) {
  const int64_t n = shape_elements(eval->node->shape);
  for (int64_t i = 0; i < n; i++) eval->out[i] = eval->in[0][i];
}

static void backward(Gradient *gradient, Node *node, Node *dy) { gradient_add(gradient, node->in[0], dy); }

static Node *train(Graph *graph, Node *node) { return rate_of(node) > 0 ? graph_hidden(graph, &op_mask, node, node->shape, RESULT_SAMPLE, 1, node->in) : node; }

static bool identity(const Node *node) {
  (void)node;
  return true;
}

const Op op_dropout = {
  .name = "dropout", .group = "regularisation", .summary = "drops elements at random in training; nothing in inference", .detail = "training: y = 0 with probability rate, else x / (1 - rate)",
  .params = params, .example = "dense(128) -> relu -> dropout(0.5)", .family = FAMILY_ALIAS, .keeps_spatial = true,
  .shape = shape, .eval = run, .gradient = backward, .train = train, .identity = identity,
};
