/* audio.c: the audio front end: numbers of torchaudio, librosa, scipy and tf.signal (tests/golden/audio.py)
 * against eval; the nests of the same nets against eval. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include "all.h"
#include "ops_net.h"

typedef struct Golden {
  const char *what, *layers;
  int64_t rows, channels, n;
  const double *input, *output;
} Golden;

static const Golden golden[] = {
#include "../golden/audio.inc"
};

static void check_golden(const Golden *g) {
  Net net = net_new();
  snprintf(net.what, sizeof net.what, "%s: %s", g->what, g->layers);
  net_input(&net, shape_sequence(g->rows, g->channels), F32, false);
  net_chain(&net, g->layers);
  CU_ASSERT_EQUAL(shape_elements(net.last->shape), g->n);
  if (shape_elements(net.last->shape) == g->n) {
    GraphRun run = {.count = 1, .input = (const double *const[]){g->input}};
    graph_run(net.arena, net.graph, &run);
    CU_ASSERT_TRUE(close_to(net.what, "output", run.value[net.last->id], g->output, g->n, 1e-6));
  } else printf("%s: %lld numbers\n", net.what, (long long)shape_elements(net.last->shape));
  arena_free(net.arena);
}

static void test_libraries(void) {
  for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) check_golden(&golden[i]);
}

CU_TestInfo suite_audio[] = {{"numbers of other libraries", test_libraries}, CU_TEST_INFO_NULL};
