/* detection.c: operators of boxes: torchvision's numbers (tests/golden/detection.py) against eval, and nests
 * against eval. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <stdio.h>
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
    const Shape shape = g->shape[i].rank == 3   ? shape_picture(dim[0], dim[1], dim[2])
                        : g->shape[i].rank == 2 ? shape_sequence(dim[0], dim[1])
                                                : shape_vector(dim[0]);
    net.named[i] = net_input(&net, shape, ELEM_F32, false);
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

CU_TestInfo suite_detection[] = {{"torchvision's numbers", test_golden}, CU_TEST_INFO_NULL};
