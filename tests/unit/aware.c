// aware.c: QAT: compares a step of eval with PyTorch's fake quantization (tests/golden/aware.py).
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <string.h>
#include "reference/eval.h"
#include "ops_net.h"
#include "sema/sema.h"
#include "syntax/ast.h"
#include "../golden/aware.inc"

enum { PARAMETERS = sizeof aware_weights / sizeof *aware_weights };

static Graph *built(Arena *arena, const char *text) {
  Sources *sources = NEW(arena, Sources);
  sources->arena = arena;
  Diags *diags = diags_new(arena, sources);
  Ast *program = NEW(arena, Ast);
  program->main = parse_file(arena, diags, sources, sources_add(sources, "t.cnn", text, strlen(text)));
  vec_push(arena, program->files, program->main);
  return sema_build(arena, diags, sources, program, NULL, 0, NULL);
}

static const char net[] =
    "net n {\n"
    "  input x: 6x6x2\n"
    "  conv(4, 3x3, bias=false) -> batchnorm -> relu -> maxpool(2)\n"
    "  conv_transpose(3, 2x2, stride=2) -> conv(2, 2x2) -> relu -> flatten -> dense(2)\n"
    "  train { loss = mse; batch = 3; quantize = int8(start=0, momentum=0.9) }\n"
    "}\n";

static GraphRun step(Arena *arena, const Graph *graph, const double *weights, double *gradients) {
  GraphRun run = {.count = IMAGES,
                  .training = true,
                  .weights = weights,
                  .gradients = gradients,
                  .input = (const double *const[]){aware_input},
                  .target = (const double *const[]){aware_target}};
  graph_run(arena, graph, &run);
  return run;
}

static void test_step(void) {
  Arena *arena = arena_new();
  const TrainingGraph training = pass_differentiate(arena, built(arena, net));
  CU_ASSERT_EQUAL_FATAL(training.graph->parameters, PARAMETERS);
  double gradients[PARAMETERS], loss = 0;
  const GraphRun run = step(arena, training.graph, aware_weights, gradients);
  for (int n = 0; n < IMAGES; n++) loss += run.value[training.loss[0]->id][n];
  CU_ASSERT_TRUE(close_to("aware", "output", run.value[training.graph->outputs.data[0].node->id],
                          aware_output, 2 * IMAGES, 1e-6));
  CU_ASSERT_TRUE(close_to("aware", "loss", &loss, aware_loss, 1, 1e-6));
  CU_ASSERT_TRUE(close_to("aware", "gradients", gradients, aware_gradients, PARAMETERS, 1e-6));
  arena_free(arena);
}

/* Before rounding begins, QAT differs from float training only in the ranges, which the first step sets. */
static void test_before(void) {
  static const char until[] = "; quantize = int8(start=0, momentum=0.9)";
  Arena *arena = arena_new();
  const char *at = strstr(net, until),
             *floats = arena_printf(arena, "%.*s%s", (int)(at - net), net, at + strlen(until));
  const TrainingGraph training = pass_differentiate(arena, built(arena, net)),
                      plain = pass_differentiate(arena, built(arena, floats));
  const int64_t n = plain.graph->parameters;
  double weights[PARAMETERS], gradients[PARAMETERS], wanted[PARAMETERS];
  memcpy(weights, aware_weights, sizeof weights);
  for (int64_t i = n; i < PARAMETERS; i++) weights[i] = 0;
  const GraphRun run = step(arena, training.graph, weights, gradients),
                 other = step(arena, plain.graph, weights, wanted);
  CU_ASSERT_EQUAL(memcmp(gradients, wanted, (size_t)n * sizeof *wanted), 0);
  CU_ASSERT_EQUAL(memcmp(run.value[training.graph->outputs.data[0].node->id],
                         other.value[plain.graph->outputs.data[0].node->id], 2 * IMAGES * sizeof(double)),
                  0);
  CU_ASSERT_EQUAL(gradients[n], 0);
  double lo = 0, hi = 0;
  for (int i = 0; i < IMAGES * 72; i++) {
    lo = aware_input[i] < lo ? aware_input[i] : lo;
    hi = aware_input[i] > hi ? aware_input[i] : hi;
  }
  CU_ASSERT_EQUAL(gradients[n + 1], lo);
  CU_ASSERT_EQUAL(gradients[n + 2], hi);
  arena_free(arena);
}

CU_TestInfo suite_aware[] = {
    {"a QAT step equals PyTorch's", test_step}, {"before it rounds", test_before}, CU_TEST_INFO_NULL};
