/* ops.c: Operators and losses. Small nets, built without the language. Their nests run in the interpreter and
 * are compared with eval: the reference schedule without fusion, and the schedules of the targets with
 * fusion. Eval's gradients are compared with central differences, and eval with PyTorch's numbers
 * (tests/golden/ops.py, special.py). */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "all.h"
#include "ops_net.h"

/* Checks a net: an input, a trained scale (so that the tested layers need an input gradient), and `layers`,
 * in which @0 names the current value $0. */
static void check(Shape shape, const char *layers, const char *loss, const char *loss_arguments) {
  Net net = net_new();
  snprintf(net.what, sizeof net.what, "%s -> %s, %s %s", shape_text(net.arena, shape), layers, loss,
           loss_arguments);
  net_input(&net, shape, F32, false);
  net_layer(&net, "scale", "init=1");
  net_chain(&net, layers);
  net_end(&net, loss, loss_arguments);
  CU_ASSERT_TRUE(net.good);
  if (net.good) {
    Data data = net_draw(&net, 4);
    net_check_nests(&net, &data);
    net_check_gradients(&net, &data);
  }
  arena_free(net.arena);
}

static Shape picture(int64_t h, int64_t w, int64_t c) { return shape_image(h, w, c); }

/* ---- the tests ---- */
static void test_activations(void) {
  static const char *const layers[] = {"relu",
                                       "relu6",
                                       "leaky_relu",
                                       "leaky_relu slope=-0.5",
                                       "prelu",
                                       "elu",
                                       "elu alpha=-0.3",
                                       "elu alpha=2",
                                       "selu",
                                       "gelu",
                                       "silu",
                                       "sigmoid",
                                       "hard_sigmoid",
                                       "hard_swish",
                                       "tanh",
                                       "softplus",
                                       "clip min=-1 max=2.5",
                                       "softmax",
                                       "log_softmax",
                                       "abs",
                                       "square",
                                       "square -> sqrt",
                                       "exp",
                                       "sin",
                                       "cos",
                                       "modulo n=8",
                                       "relu -> add x=1 -> sqrt"};
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    check(picture(2, 3, 5), layers[i], "mse", "");
    check(shape_vector(19), layers[i], "mse", "");
    check(shape_sequence(3, 2), layers[i], "huber", "");
  }
  check(picture(1, 2, 33), "softmax", "mse", "");
  check(picture(2, 1, 1), "softmax -> relu", "mae", "");
  check(picture(2, 3, 16), "log_softmax -> tanh", "mse", "");
}

static void test_combining(void) {
  static const char *const layers[] = {
      "@0 -> tanh -> add x=$0",
      "@0 -> sigmoid -> add x=$0,0.5,$0",
      "add x=2",
      "@0 -> tanh -> subtract x=$0",
      "subtract x=0.25",
      "@0 -> tanh -> multiply x=$0",
      "@0 -> tanh -> @1 -> multiply x=$0,3,$1,$0",
      "multiply x=-2",
      "@0 -> exp -> divide x=$0",
      "divide x=8",
      "@0 -> tanh -> maximum x=$0",
      "@0 -> tanh -> maximum x=0.3,$0",
      "@0 -> maximum x=$0",
      "@0 -> maximum x=$0,$0",
      "@0 -> global_avgpool -> multiply x=$0",
      "@0 -> global_avgpool -> @1 -> <0 -> tanh -> add x=$1",
      "@0 -> global_maxpool -> sigmoid -> subtract x=$0",
      "@0 -> global_avgpool -> exp -> @1 -> <0 -> divide x=$1 -> relu",
      "@0 -> global_avgpool -> maximum x=$0,0.1",
      "@0 -> global_avgpool -> square -> @1 -> <0 -> maximum x=$1",
      "@0 -> tanh -> concat x=$0",
      "@0 -> relu -> concat x=$0,$0 -> relu",
      "@0 -> slice channels=0..1 -> concat x=$0",
  };
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    check(picture(3, 2, 6), layers[i], "mse", "");
    check(shape_sequence(4, 3), layers[i], "mse", "");
  }
  check(picture(2, 2, 21), "@0 -> tanh -> concat x=$0 -> slice channels=3..40", "mse", "");
  check(shape_vector(18), "@0 -> tanh -> concat x=$0 -> add x=1 -> relu", "mse", "");
}

static void test_pools(void) {
  static const char *const windows[] = {"kernel=2",
                                        "kernel=3 stride=2",
                                        "kernel=3 stride=1 pad=same",
                                        "kernel=2x3 stride=1x2 pad=[1,0,1,2]",
                                        "kernel=3 stride=2 pad=1 ceil=true",
                                        "kernel=2 stride=3",
                                        "kernel=2 dilation=2 stride=1",
                                        "kernel=3 dilation=2 stride=2 pad=2",
                                        "kernel=1 stride=2",
                                        "kernel=5 stride=5 pad=2",
                                        "kernel=2 stride=2 ceil=true pad=same",
                                        "kernel=5 stride=1 pad=same"};
  const Shape inputs[] = {picture(7, 6, 3), picture(6, 8, 1), picture(5, 5, 18)};
  for (size_t i = 0; i < sizeof windows / sizeof *windows; i++)
    for (int k = 0; k < 3; k++) {
      if (k == 1 && i % 2 && !try_all()) continue;
      Arena *arena = arena_new();
      check(inputs[k], arena_printf(arena, "maxpool %s", windows[i]), "mse", "");
      check(inputs[k], arena_printf(arena, "avgpool %s -> relu", windows[i]), "mse", "");
      if (strstr(windows[i], "pad") && k == 0)
        check(inputs[k], arena_printf(arena, "tanh -> avgpool count_pad=true %s", windows[i]), "mse", "");
      arena_free(arena);
    }
  check(shape_sequence(9, 5), "maxpool kernel=3 stride=2 pad=[1,2]", "mse", "");
  check(shape_sequence(9, 5), "tanh -> avgpool kernel=3 stride=2 pad=causal", "mse", "");
  check(shape_sequence(9, 5), "tanh -> maxpool kernel=4 -> tanh", "mse", "");
  for (int k = 0; k < 3; k++) {
    check(inputs[k], "tanh -> global_avgpool", "mse", "");
    check(inputs[k], "square -> global_maxpool -> tanh", "mse", "");
  }
  check(shape_sequence(4, 20), "global_avgpool", "mse", "");
  check(shape_sequence(4, 20), "global_maxpool", "mse", "");
  check(picture(9, 9, 2), "tanh -> maxpool kernel=3 -> sigmoid -> avgpool kernel=2 stride=1", "mse", "");
}

static void test_normalization(void) {
  static const char *const layers[] = {
      "batchnorm",
      "batchnorm scale=false",
      "batchnorm shift=false momentum=0.5",
      "batchnorm scale=false shift=false epsilon=0.1 -> relu",
      "batchnorm frozen",
      "batchnorm frozen scale=false -> tanh",
      "batchnorm -> relu -> batchnorm",
      "@0 -> batchnorm -> add x=$0 -> relu",
      "scale init=2",
      "lrn",
      "lrn size=4 alpha=0.5 beta=0.5",
      "lrn size=2 alpha=1 beta=1 bias=2",
      "lrn size=3 alpha=0.3 beta=0.6 -> relu",
      "lrn size=7 alpha=2",
      "lrn size=4 alpha=1 even=after",
      "lrn size=1",
      "normalize mean=0.5 std=0.25 scale=2",
      "normalize",
      "dropout rate=0.3",
      "relu -> dropout -> tanh",
      "dropout rate=0",
  };
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    check(picture(3, 2, 5), layers[i], "mse", "");
    check(picture(2, 2, 18), layers[i], "mse", "");
    check(shape_vector(7), layers[i], "mse", "");
    check(shape_sequence(4, 3), layers[i], "mse", "");
  }
  check(picture(3, 2, 3), "normalize mean=[0.5,0.25,1] std=[0.25,0.5,2] scale=0.125 -> tanh", "mse", "");
}

static void test_shapes(void) {
  static const char *const layers[] = {
      "flatten",
      "flatten -> tanh",
      "tanh -> flatten order=chw",
      "flatten order=chw -> scale -> tanh",
      "reshape shape=6x2x5 -> tanh -> maxpool kernel=2",
      "reshape shape=60 -> relu",
      "tanh -> reshape shape=[12,5] -> avgpool kernel=2",
      "zero_pad n=1",
      "zero_pad n=[1,2] -> sigmoid",
      "tanh -> zero_pad n=[0,1,2,0]",
      "crop n=1 -> tanh",
      "tanh -> crop n=[0,1]",
      "crop n=[1,0,0,1]",
      "slice channels=1..4",
      "tanh -> slice channels=0..3 -> tanh",
      "slice channels=0..5",
      "@0 -> zero_pad n=1 -> crop n=1 -> add x=$0",
      "zero_pad n=2 -> maxpool kernel=3",
  };
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) check(picture(3, 4, 5), layers[i], "mse", "");
  check(shape_sequence(6, 10), "zero_pad n=[1,2] -> tanh -> crop n=[2,0]", "mse", "");
  check(shape_sequence(6, 10), "tanh -> flatten order=chw", "mse", "");
  check(picture(3, 4, 19), "zero_pad n=1 -> tanh", "mse", "");
  check(picture(3, 4, 19), "slice channels=1..19 -> tanh", "mse", "");
}

static void test_losses(void) {
  static const char *const outputs[] = {"scale", "softmax", "tanh -> log_softmax",
                                        "@0 -> tanh -> concat x=$0"};
  static const char *const cross_entropy[] = {"",
                                              "weight=1.5",
                                              "smoothing",
                                              "ignore=1",
                                              "weights=[1,2,0.5,1,1]",
                                              "weights=[1,2,0.5,0,1] ignore=2 smoothing"};
  for (int i = 0; i < 3; i++)
    for (size_t k = 0; k < sizeof cross_entropy / sizeof *cross_entropy; k++) {
      check(shape_vector(5), outputs[i], "cross_entropy", cross_entropy[k]);
      check(picture(2, 3, 5), outputs[i], "cross_entropy", cross_entropy[k]);
      check(shape_sequence(3, 5), outputs[i], "cross_entropy", cross_entropy[k]);
    }
  check(shape_vector(37), "scale", "cross_entropy", "smoothing");
  static const char *const numbers[] = {"mse", "mae", "huber", "binary_cross_entropy"};
  const Shape inputs[] = {shape_vector(1), shape_vector(21), picture(2, 3, 4), picture(3, 2, 17),
                          shape_sequence(5, 2)};
  for (int i = 0; i < 4; i++)
    for (int k = 0; k < 5; k++) {
      check(inputs[k], "scale", numbers[i], "");
      check(inputs[k], i < 3 ? "tanh" : "sigmoid", numbers[i],
            i == 2 ? "delta=0.3 weight=1.5" : "weight=1.5");
    }
  for (int k = 1; k < 5; k++) check(inputs[k], outputs[k == 2 ? 3 : 0], "hinge", k == 3 ? "weight=1.5" : "");
}

/* Inputs of floats, bytes or int16 numbers, as pixels or as channel planes, and layers after them. */
static void test_inputs(void) {
  static const char *const layers[] = {"normalize mean=0.5 std=0.25 scale=0.00390625 -> tanh", "relu",
                                       "flatten -> add x=1", "maxpool kernel=2"};
  static const Elem types[] = {F32, U8, I8, I16};
  for (int elem = 0; elem < 4; elem++)
    for (int chw = 0; chw < 2; chw++)
      for (int i = 0; i < 4; i++) {
        Net net = net_new();
        snprintf(net.what, sizeof net.what, "input %d %d -> %s", elem, chw, layers[i]);
        net_input(&net, picture(3, 4, 3), types[elem], chw);
        net_chain(&net, layers[i]);
        net_end(&net, "mse", "");
        Data data = net_draw(&net, 2);
        net_check_nests(&net, &data);
        arena_free(net.arena);
      }
}

static void test_two_inputs(void) {
  Net net = net_new();
  snprintf(net.what, sizeof net.what, "two inputs");
  net_input(&net, picture(3, 4, 6), F32, false);
  net.named[0] = net_layer(&net, "scale", "init=1");
  net_input(&net, picture(1, 1, 6), F32, false);
  net.graph->inputs.data[1].name = "gate";
  net_layer(&net, "scale", "init=1");
  net_chain(&net, "sigmoid -> multiply x=$0 -> batchnorm -> relu");
  net_end(&net, "mse", "");
  Data data = net_draw(&net, 2);
  net_check_nests(&net, &data);
  net_check_gradients(&net, &data);
  arena_free(net.arena);
}

/* ---- PyTorch's numbers ---- */
typedef struct Golden {
  int rank;
  int64_t dim[3];
  const char *layers, *loss, *loss_arguments;
  double total;
  int nboxes; /* boxes per image; the boxes are a second input, which the first layer of `layers` reads */
  const double *boxes;
  const double *input, *target, *output, *input_gradient, *gradients;
} Golden;

static const Golden golden[] = {
#include "../golden/ops.inc"
};

static double *copy(Net *net, const double *from, int64_t n) {
  double *to = NEW_ARRAY(net->arena, double, n + 1);
  memcpy(to, from, (size_t)n * sizeof *to);
  return to;
}

static void check_golden(const Golden *g) {
  Net net = net_new();
  const Shape shape = {.rank = g->rank, .dim = {g->dim[0], g->dim[1], g->dim[2]}};
  snprintf(net.what, sizeof net.what, "PyTorch: %s -> %s, %s %s", shape_text(net.arena, shape), g->layers,
           g->loss, g->loss_arguments);
  const Node *image = net_input(&net, shape, F32, false), *scale = net_layer(&net, "scale", "init=1");
  net.named[0] = net.last;
  if (g->boxes) net_input(&net, shape_sequence(g->nboxes, 4), F32, false);
  net_chain(&net, g->layers);
  net_end(&net, g->loss, g->loss_arguments);
  CU_ASSERT_TRUE(net.good);
  Data data = net_draw(&net, 1);
  for (int i = 0; i < net.graph->weights.n; i++) {
    const Weight *weight = net.graph->weights.data[i];
    for (int64_t k = 0; k < weight->size; k++) data.weights[weight->offset + k] = weight->init.a;
  }
  const TrainingGraph training = pass_differentiate(net.arena, net.graph);
  const int64_t n = IMAGES * shape_elements(shape), outputs = IMAGES * shape_elements(net.last->shape);
  data.all_input[0] = copy(&net, g->input, n);
  if (g->boxes) data.all_input[1] = copy(&net, g->boxes, (int64_t)IMAGES * g->nboxes * 4);
  data.all_target[0] = copy(&net, g->target, IMAGES * shape_elements(training.target[0]->shape));
  CU_ASSERT_PTR_EQUAL(image, net.graph->inputs.data[0].node);
  const GraphRun run = net_eval(&net, training.graph, &data, true);
  double total = 0;
  for (int i = 0; i < IMAGES; i++) total += run.value[training.loss[0]->id][i];
  CU_ASSERT_TRUE(close_to(net.what, "loss", &total, &g->total, 1, 1e-8));
  CU_ASSERT_TRUE(close_to(net.what, "output", run.value[training.graph->outputs.data[0].node->id], g->output,
                          outputs, 1e-8));
  CU_ASSERT_TRUE(close_to(net.what, "input gradient", run.value[gradient_of_scale(training.graph, scale)->id],
                          g->input_gradient, n, 1e-8));
  CU_ASSERT_TRUE(close_to(net.what, "gradients", run.gradients, g->gradients, net.graph->parameters, 1e-8));
  arena_free(net.arena);
}

static void test_golden(void) {
  for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) check_golden(&golden[i]);
}

/* ---- NaN, infinities, zeros of both signs and denormal numbers ---- */
enum { SPECIAL = 9 };
static const double special_input[SPECIAL] = {NAN,    INFINITY, -INFINITY, -0.0,  0.0,
                                              1e-320, -1e-320,  1e300,     -1e300};
static const struct {
  const char *layers;
  double want[SPECIAL];
} special[] = {
#include "../golden/special.inc"
};

static bool same_value(double got, double want) {
  if (!isfinite(want)) return isnan(want) ? isnan(got) : isinf(got) && signbit(got) == signbit(want);
  return fabs(got - want) <= 1e-12 * fabs(want) + 1e-322;
}

static void test_special(void) {
  for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
    Net net = net_new();
    snprintf(net.what, sizeof net.what, "%s", special[i].layers);
    net_input(&net, shape_vector(SPECIAL), F32, false);
    net_chain(&net, special[i].layers);
    GraphRun run = {.count = 1, .input = (const double *const[]){special_input}};
    graph_run(net.arena, net.graph, &run);
    for (int k = 0; k < SPECIAL; k++) {
      const double got = run.value[net.last->id][k];
      if (!same_value(got, special[i].want[k]))
        printf("    %s of %g is %g, not %g\n", net.what, special_input[k], got, special[i].want[k]);
      CU_ASSERT(same_value(got, special[i].want[k]));
    }
    arena_free(net.arena);
  }
}

/* If an operand is NaN, the gradients of all operands are 0. The gradients of the biases are compared,
 * because these are sums without a factor that is NaN. */
static void test_gradients_of_nan(void) {
  static const char *const layers[] = {"maximum x=$0", "minimum x=$0", "maximum x=$0,0.5"};
  for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
    Net net = net_new();
    snprintf(net.what, sizeof net.what, "%s with NaN", layers[i]);
    net.named[0] = net_input(&net, shape_vector(4), F32, false);
    net_input(&net, shape_vector(3), F32, false);
    net.graph->inputs.data[1].name = "second";
    net_layer(&net, "dense", "units=4");
    net_chain(&net, layers[i]);
    net_end(&net, "linear", "");
    CU_ASSERT_TRUE(net.good);
    Data data = net_draw(&net, 2);
    data.input[0][1] = NAN; /* sample 0: the first operand is NaN; sample 1: the second operand */
    data.input[1][3] = NAN;
    net_check_nests(&net, &data);
    arena_free(net.arena);
  }
}

CU_TestInfo suite_ops[] = {
    {"activations", test_activations},
    {"operators with several operands", test_combining},
    {"pools", test_pools},
    {"normalization and dropout", test_normalization},
    {"shapes", test_shapes},
    {"losses", test_losses},
    {"inputs", test_inputs},
    {"two inputs", test_two_inputs},
    {"PyTorch's numbers", test_golden},
    {"PyTorch's values of NaN, infinities and zeros", test_special},
    {"gradients of maximum and minimum of NaN", test_gradients_of_nan},
    CU_TEST_INFO_NULL,
};
