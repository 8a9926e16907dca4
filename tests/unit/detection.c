/* detection.c: Box operators and the losses of detectors: compares eval with torchvision's numbers
 * (tests/golden/detection.py). */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <stdio.h>
#include "graph/op.h"
#include "ops_net.h"

typedef struct Golden {
  const char *layers;
  int inputs;
  struct {
    int rank;
    int64_t dim[3];
  } shape[3];
  const double *input[3];
  int64_t outputs;
  const double *output;
} Golden;

static const Golden golden[] = {
#include "../golden/detection.inc"
};

static Net net_of(const Golden *g) {
  Net net = net_new();
  snprintf(net.what, sizeof net.what, "%s", g->layers);
  for (int i = 0; i < g->inputs; i++) {
    const int64_t *dim = g->shape[i].dim;
    const Shape shape = g->shape[i].rank == 3   ? shape_image(dim[0], dim[1], dim[2])
                        : g->shape[i].rank == 2 ? shape_sequence(dim[0], dim[1])
                                                : shape_vector(dim[0]);
    net.named[i] = net_input(&net, shape, F32, false);
  }
  net_chain(&net, g->layers);
  CU_ASSERT_TRUE_FATAL(net.good);
  return net;
}

static void test_golden(void) {
  for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
    Net net = net_of(&golden[i]);
    GraphRun run = {.count = 1, .input = golden[i].input};
    CU_ASSERT_EQUAL_FATAL(shape_elements(net.last->shape), golden[i].outputs);
    graph_run(net.arena, net.graph, &run);
    CU_ASSERT_TRUE(
        close_to(net.what, "output", run.value[net.last->id], golden[i].output, golden[i].outputs, 1e-8));
    arena_free(net.arena);
  }
}

/* ---- losses ---- */
enum { MOST = 8, TRAINED = 2 };

typedef struct GoldenLoss {
  const char *loss, *arguments;
  int values;
  struct {
    int rank;
    int64_t dim[3], regions;
  } shape[3];
  const double *value[3];
  int64_t objects;
  const double *label, *box;
  double total;
  const double *gradient[TRAINED]; /* NULL after the last gradient */
  const double *instance;          /* [24][28], or NULL */
} GoldenLoss;

static const GoldenLoss golden_losses[] = {
#include "../golden/detection_losses.inc"
};

/* The anchors that rpn uses must equal the anchors of detection.py. */
static const char anchors[] =
    "avgpool kernel=4 -> @0 -> slice channels=2..10 -> @1 -> <0 -> slice channels=0..2 -> "
    "proposals deltas=$1 anchors=[6x8,12x7] stride=4";

static Node *loss_of(Net *net, const GoldenLoss *g) {
  int64_t size = 1;
  Node *in[16];
  int n = 0;
  for (int i = 0; i < g->values; i++) {
    const int64_t *dim = g->shape[i].dim;
    Shape shape =
        g->shape[i].rank == 3 ? shape_image(dim[0], dim[1], dim[2]) : shape_sequence(dim[0], dim[1]);
    shape.regions = g->shape[i].regions;
    in[n++] = net_input(net, shape, F32, false);
    size += i < TRAINED && g->gradient[i] ? shape_elements(shape) : 0;
  }
  in[n++] = net_input(net, shape_vector(1), I32, false);
  in[n++] = net_input(net, shape_vector(MOST), I32, false);
  in[n++] = net_input(net, shape_sequence(MOST, 4), F32, false);
  if (g->instance) in[n++] = net_input(net, shape_image(24, 28, 1), U8, false);
  net_input(net, shape_image(24, 28, 10), F32, false);
  net_chain(net, anchors);
  Node *node = net_loss(net, g->loss, g->arguments, n, in);
  node->shape = shape_vector(size);
  node->hidden = hidden_of(net->arena, net->last);
  return node;
}

static void check_loss(const GoldenLoss *g) {
  Net net = net_new();
  snprintf(net.what, sizeof net.what, "%s %s, %d objects", g->loss, g->arguments, (int)g->objects);
  const Node *node = loss_of(&net, g);
  CU_ASSERT_TRUE_FATAL(net.good);
  double label[MOST] = {0}, box[MOST * 4] = {0},
         *out = NEW_ARRAY(net.arena, double, shape_elements(node->shape));
  const double count = (double)g->objects;
  for (int64_t i = 0; i < g->objects; i++) label[i] = g->label[i];
  for (int64_t i = 0; i < 4 * g->objects; i++) box[i] = g->box[i];
  const double *in[MOST_INPUTS];
  Eval eval = {.node = node, .in = in, .out = out, .training = true, .count = 1};
  for (int i = 0; i < g->values; i++) eval.in[i] = g->value[i];
  eval.in[g->values] = &count;
  eval.in[g->values + 1] = label;
  eval.in[g->values + 2] = box;
  eval.in[g->values + 3] = g->instance;
  node->op->eval(&eval);
  CU_ASSERT_TRUE(close_to(net.what, "loss", out, &g->total, 1, 1e-8));
  for (int i = 0, at = 1; i < TRAINED && g->gradient[i]; i++) {
    const int64_t n = shape_elements(node->in[i]->shape);
    CU_ASSERT_TRUE(close_to(net.what, i ? "gradient of deltas" : "gradient of scores", out + at,
                            g->gradient[i], n, 1e-8));
    at += (int)n;
  }
  arena_free(net.arena);
}

static void test_losses(void) {
  for (size_t i = 0; i < sizeof golden_losses / sizeof *golden_losses; i++) check_loss(&golden_losses[i]);
}

CU_TestInfo suite_detection[] = {
    {"torchvision's numbers", test_golden}, {"torchvision's losses", test_losses}, CU_TEST_INFO_NULL};
