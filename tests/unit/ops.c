/* ops.c: operators and losses. Small nets, built without the language: their nests, plain and scheduled for
 * every target that is built, fused and not, in the interpreter against eval; their gradients in eval against
 * central differences; PyTorch's numbers (tests/golden/ops.py, special.py) against eval. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "graph/eval.h"
#include "machine.h"
#include "passes/passes.h"
#include "passes/plan.h"

enum { IMAGES = 3 };

/* ---- nets ---- */
typedef struct Net {
  Arena *arena;
  Graph *graph;
  Diags *diags;
  Node *last, *named[4]; /* $0, $1, ... of the text */
  uint64_t random;
  char what[200];
  bool good;
} Net;

static double draw(Net *net) { /* -1 .. 1 */
  net->random = net->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)(int64_t)(net->random >> 11) / (double)(INT64_C(1) << 52) - 1;
}

static Const integer(int64_t i) { return (Const){.kind = CONST_INT, .i = i, .f = (double)i}; }

/* 3, 0.5, 3x5, [1,2], 1..3, $0, a word. */
static Const parse(Net *net, const char *s) {
  if (*s == '$') return (Const){.kind = CONST_VALUE, .node = net->named[s[1] - '0']};
  const bool list = *s == '[', range = strstr(s, "..") != NULL,
             dims = !list && !range && strchr(s, 'x') && strspn(s, "0123456789x") == strlen(s);
  if (list || range || dims) {
    Const *items = NEW_ARRAY(net->arena, Const, 16);
    int n = 0;
    for (const char *p = s + list; *p && *p != ']' && n < 16;) {
      const size_t size = strcspn(p, list ? ",]" : range ? "." : "x");
      items[n++] = parse(net, arena_copy(net->arena, p, size));
      p += size + strspn(p + size, list ? "," : range ? "." : "x");
    }
    return (Const){.kind = list ? CONST_LIST : range ? CONST_RANGE : CONST_DIMS, .n = n, .items = items};
  }
  if (!strcmp(s, "true") || !strcmp(s, "false")) return (Const){.kind = CONST_BOOL, .i = *s == 't'};
  if (*s && strspn(s, "-0123456789") == strlen(s)) return integer(strtoll(s, NULL, 10));
  if (strchr("-0123456789", *s)) return (Const){.kind = CONST_FLOAT, .f = strtod(s, NULL)};
  return (Const){.kind = CONST_WORD, .s = s};
}

static Const window(Net *net, Const value) {
  if (value.kind != CONST_INT) return value;
  Const *item = NEW(net->arena, Const);
  *item = value;
  return (Const){.kind = CONST_DIMS, .n = 1, .items = item};
}

/* "kernel=3 pad=same": with the defaults of the table. x=... takes all operands, "x=$0,2". Their values are
 * appended to `in`. */
static Const *arguments(Net *net, const Param *params, const char *text, Node **in, int *nin) {
  Const *value = NEW_ARRAY(net->arena, Const, 16);
  for (int i = 0; params[i].name; i++) {
    const size_t n = strlen(params[i].name);
    const char *given = text;
    while (given && !(strncmp(given, params[i].name, n) == 0 && given[n] == '='))
      given = strchr(given, ' ') ? strchr(given, ' ') + 1 : NULL;
    const char *from =
        given ? arena_copy(net->arena, given + n + 1, strcspn(given + n + 1, " ")) : params[i].value;
    if (!from || !*from) continue;
    const bool many = params[i].type == PARAM_OPERANDS || params[i].type == PARAM_VALUES;
    for (int k = 0; k < i; k++)
      if (!strcmp(from, params[k].name)) value[i] = value[k];
    if (value[i].kind == CONST_NONE)
      value[i] = parse(net, many ? arena_printf(net->arena, "[%s]", from) : from);
    if (params[i].type == PARAM_WINDOW || params[i].type == PARAM_SHAPE) value[i] = window(net, value[i]);
    if (value[i].kind == CONST_VALUE) in[(*nin)++] = value[i].node;
    for (int k = 0; k < value[i].n; k++)
      if (value[i].items[k].kind == CONST_VALUE) in[(*nin)++] = value[i].items[k].node;
  }
  return value;
}

static Net net_new(void) {
  Net net = {.arena = arena_new(), .random = 5, .good = true};
  Sources *sources = NEW(net.arena, Sources);
  sources->arena = net.arena;
  net.diags = diags_new(net.arena, sources);
  net.graph = graph_new(net.arena, "net");
  return net;
}

static Node *net_input(Net *net, Shape shape, ElemType elem, bool chw) {
  Node *node = graph_node(net->graph, &op_input, 0, NULL);
  node->shape = shape;
  node->name = "image";
  node->wrt = net->graph->inputs.n;
  node->elem = elem;
  node->chw = chw;
  const Port port = {"image", node, elem, chw, NO_SPAN};
  vec_push(net->arena, net->graph->inputs, port);
  return net->last = node;
}

static Node *net_layer(Net *net, const char *op_name, const char *text) {
  const Op *op = op_find(op_name);
  Node *in[16] = {net->last};
  int nin = 1;
  Const *args = arguments(net, op->params, text, in, &nin);
  Node *node = graph_node(net->graph, op, nin, in);
  node->name = arena_printf(net->arena, "%s%d", op_name, node->id);
  node->arg = args;
  node->frozen = strstr(text, "frozen") != NULL;
  ShapeContext context = {net->arena, net->graph, net->diags, NULL};
  op->shape(&context, node);
  if (!node->shape.rank) {
    printf("    %s: %s(%s) has no shape\n", net->what, op_name, text);
    net->good = false;
    node->shape = net->last->shape;
  }
  return net->last = node;
}

/* "maxpool kernel=3 -> relu -> @0 -> add x=$1": layers; @0 names the current value, <0 goes on from it. */
static void net_chain(Net *net, const char *text) {
  while (*text) {
    const size_t size = strstr(text, " -> ") ? (size_t)(strstr(text, " -> ") - text) : strlen(text);
    const char *layer = arena_copy(net->arena, text, size);
    const size_t name = strcspn(layer, " ");
    if (*layer == '@') net->named[layer[1] - '0'] = net->last;
    else if (*layer == '<') net->last = net->named[layer[1] - '0'];
    else net_layer(net, arena_copy(net->arena, layer, name), layer[name] ? layer + name + 1 : "");
    text += size + (text[size] ? 4 : 0);
  }
}

static void net_end(Net *net, const char *loss, const char *text) {
  const Port port = {"output", net->last, ELEM_F32, false, NO_SPAN};
  vec_push(net->arena, net->graph->outputs, port);
  graph_layout_weights(net->graph);
  Training *training = net->graph->training = NEW(net->arena, Training);
  for (int i = 0; loss_table[i]; i++) {
    if (strcmp(loss_table[i]->name, loss)) continue;
    Node *in[16];
    int nin = 0;
    const LossUse use = {.op = loss_table[i],
                         .arg = arguments(net, loss_table[i]->params, text, in, &nin),
                         .weight = strstr(text, "weight=") ? 1.5 : 1};
    vec_push(net->arena, training->losses, use);
  }
  if (strstr(text, "smoothing")) training->label_smoothing = 0.1;
}

/* ---- numbers to run a net on ---- */
typedef struct Data {
  double *weights, *input[4], *target;
  double **all_input, **all_target;
} Data;

static double *draw_array(Net *net, int64_t n, double scale) {
  double *x = NEW_ARRAY(net->arena, double, n + 1);
  for (int64_t i = 0; i < n; i++) x[i] = scale * draw(net);
  return x;
}

static Data draw_data(Net *net, double scale) {
  const Graph *graph = net->graph;
  Data data = {.weights = draw_array(net, graph->parameters, 1)};
  for (int i = 0; i < graph->weights.n; i++) {
    const Weight *weight = graph->weights.data[i];
    double *w = data.weights + weight->offset;
    for (int64_t k = 0; k < weight->size; k++)
      w[k] = !strcmp(weight->member, "running_var") ? 0.5 + fabs(w[k]) : w[k] < 0 ? w[k] - 0.2 : w[k] + 0.2;
  }
  for (int i = 0; i < graph->inputs.n; i++) {
    const Node *node = graph->inputs.data[i].node;
    data.input[i] = draw_array(net, IMAGES * shape_elements(node->shape), scale);
    for (int64_t k = 0; node->elem != ELEM_F32 && k < IMAGES * shape_elements(node->shape); k++)
      data.input[i][k] = floor(100 * fabs(draw(net)));
  }
  const Shape output = graph->outputs.data[0].node->shape;
  data.target = draw_array(net, IMAGES * shape_elements(output), 1);
  const Op *loss = graph->training->losses.data[0].op;
  const int64_t classes = shape_extent(output).c;
  for (int64_t k = 0; k < IMAGES * shape_elements(output); k++) {
    if (loss->class_target)
      data.target[k] = floor((double)(classes + 1) * (0.5 + 0.5 * draw(net))) - 1; /* -1 .. classes - 1 */
    if (!strcmp(loss->name, "binary_cross_entropy")) data.target[k] = data.target[k] > 0;
  }
  data.all_input = NEW_ARRAY(net->arena, double *, 4);
  data.all_target = NEW_ARRAY(net->arena, double *, 1);
  for (int i = 0; i < 4; i++) data.all_input[i] = data.input[i];
  data.all_target[0] = data.target;
  return data;
}

static GraphRun run_eval(Net *net, const Graph *graph, const Data *data, bool training) {
  GraphRun run = {.count = IMAGES,
                  .training = training,
                  .seed = 3,
                  .step = 4,
                  .weights = data->weights,
                  .input = (const double *const *)data->all_input};
  if (training) {
    run.target = (const double *const *)data->all_target;
    run.gradients = NEW_ARRAY(net->arena, double, graph->parameters + 1);
  }
  graph_run(net->arena, graph, &run);
  return run;
}

/* ---- a plan in the interpreter ---- */
static bool close_to(const char *what, const char *where, const double *got, const double *want, int64_t n,
                     double tolerance) {
  double scale = 1, worst = 0;
  int64_t at_ = 0;
  for (int64_t i = 0; i < n; i++) scale = fmax(scale, fabs(want[i]));
  for (int64_t i = 0; i < n; i++) {
    const double error = isnan(got[i]) != isnan(want[i]) ? INFINITY : fabs(got[i] - want[i]);
    if (error > worst) {
      worst = error;
      at_ = i;
    }
  }
  if (worst > tolerance * scale)
    printf("    %s: %s differs by %g at %lld: %.12g, not %.12g\n", what, where, worst, (long long)at_,
           got[at_], want[at_]);
  return worst <= tolerance * scale;
}

static bool check_plan(Net *net, Plan *plan, const Data *data, const GraphRun *want, const Target *target,
                       bool plain) {
  Machine m = {.arena = net->arena,
               .plan = plan,
               .images = IMAGES,
               .batch = IMAGES,
               .seed = 3,
               .step = 4,
               .weights = data->weights,
               .input = data->all_input,
               .target = data->all_target};
  const char *where = arena_printf(net->arena, "%s%s%s", plan->training ? "training, " : "", target->name,
                                   plain ? ", plain" : "");
  if (!machine_run(&m, target, plain)) {
    printf("    %s: %s: %s\n", net->what, where, m.error);
    return false;
  }
  bool good = true;
  for (int o = 0; o < plan->graph->outputs.n; o++) {
    const Node *node = plan->output[o];
    good = close_to(net->what, where, m.output[o], want->value[net->graph->outputs.data[o].node->id],
                    IMAGES * shape_elements(node->shape), 1e-6) &&
           good;
  }
  if (!plan->training) return good;
  for (int i = 0; i < plan->graph->training->losses.n; i++)
    good = close_to(net->what, arena_printf(net->arena, "loss, %s", where), m.loss[i],
                    want->value[plan->loss[i]->id], IMAGES, 1e-6) &&
           good;
  return close_to(net->what, arena_printf(net->arena, "gradients, %s", where), m.gradients, want->gradients,
                  plan->graph->parameters, 1e-6) &&
         good;
}

static void check_nests(Net *net, const Data *data) {
  GraphRun forward = run_eval(net, net->graph, data, false);
  for (int form = 0; form < 2; form++) {
    const bool plain = form == 0;
    Plan *inference = plan_inference(net->arena, net->graph, plain, 1, 0),
         *training = plan_training(net->arena, net->graph, plain, 1);
    GraphRun backward = run_eval(net, training->graph, data, true);
    backward.value[net->graph->outputs.data[0].node->id] =
        backward
            .value[training->graph->outputs.data[0].node->id]; /* check_plan looks by the first graph's id */
    for (const Target *target = target_table; target->name; target++) {
      if (machine_seen(target) || (plain && strcmp(target->name, "generic"))) continue;
      CU_ASSERT_TRUE(check_plan(net, inference, data, &forward, target, plain));
      CU_ASSERT_TRUE(check_plan(net, training, data, &backward, target, plain));
    }
  }
}

/* ---- central differences ---- */
static double loss_of(Net *net, const TrainingGraph *training, const Data *data) {
  const GraphRun run = run_eval(net, training->graph, data, true);
  double sum = 0;
  for (int i = 0; i < IMAGES; i++) sum += run.value[training->loss[0]->id][i];
  return sum;
}

/* The gradient with respect to the input of the tested layers: what the first layer, a scale of 1, was given.
 */
static const Node *gradient_of_scale(const Graph *graph, const Node *scale) {
  for (int i = 0; i < graph->nodes.n; i++)
    if (graph->nodes.data[i]->target == scale->weight[0]) return graph->nodes.data[i]->in[0];
  return NULL;
}

static double difference(Net *net, const TrainingGraph *training, Data *data, double *x) {
  const double step = 1e-5, old = *x;
  *x = old + step;
  const double above = loss_of(net, training, data);
  *x = old - step;
  const double below = loss_of(net, training, data);
  *x = old;
  return (above - below) / (2 * step);
}

static void check_gradients(Net *net, Data *data) {
  TrainingGraph training = pass_differentiate(net->arena, net->graph);
  const GraphRun run = run_eval(net, training.graph, data, true);
  double *differences = NEW_ARRAY(net->arena, double, training.graph->parameters + 1);
  for (int i = 0; i < training.graph->weights.n; i++) {
    const Weight *weight = training.graph->weights.data[i];
    for (int64_t k = weight->offset; k < weight->offset + weight->size; k++)
      differences[k] = weight->statistic ? run.gradients[k]
                       : weight->frozen  ? 0
                                         : difference(net, &training, data, &data->weights[k]);
  }
  CU_ASSERT_TRUE(close_to(net->what, "gradient of the weights", run.gradients, differences,
                          training.graph->parameters, 1e-6));
  for (int i = 0; i < net->graph->inputs.n; i++) {
    const Node *scale = NULL;
    for (int k = 0; k < net->graph->nodes.n && !scale; k++)
      if (!strcmp(net->graph->nodes.data[k]->op->name, "scale") &&
          net->graph->nodes.data[k]->in[0] == net->graph->inputs.data[i].node)
        scale = net->graph->nodes.data[k];
    const Node *gradient = scale ? gradient_of_scale(training.graph, scale) : NULL;
    if (!gradient) continue;
    const int64_t n = shape_elements(scale->shape) * IMAGES, channels = scale->weight[0]->size;
    double *dx = NEW_ARRAY(net->arena, double, n);
    for (int64_t k = 0; k < n; k++)
      dx[k] = difference(net, &training, data, &data->input[i][k]) /
              data->weights[scale->weight[0]->offset + k % channels];
    CU_ASSERT_TRUE(close_to(net->what, "gradient of the input", run.value[gradient->id], dx, n, 1e-6));
  }
}

/* A net on one input (after a trained scale, so that a gradient is wanted) or two, the second named $0. */
static void check(Shape shape, const char *layers, const char *loss, const char *loss_arguments) {
  Net net = net_new();
  snprintf(net.what, sizeof net.what, "%s -> %s, %s %s", shape_text(net.arena, shape), layers, loss,
           loss_arguments);
  net_input(&net, shape, ELEM_F32, false);
  net_layer(&net, "scale", "init=1");
  net_chain(&net, layers);
  net_end(&net, loss, loss_arguments);
  CU_ASSERT_TRUE(net.good);
  if (net.good) {
    Data data = draw_data(&net, 4);
    check_nests(&net, &data);
    check_gradients(&net, &data);
  }
  arena_free(net.arena);
}

static Shape picture(int64_t h, int64_t w, int64_t c) { return shape_picture(h, w, c); }

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

static void test_normalisation(void) {
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

static void test_inputs(
    void) { /* bytes and planes, read in place or converted, with what is fused behind the conversion */
  static const char *const layers[] = {"normalize mean=0.5 std=0.25 scale=0.00390625 -> tanh", "relu",
                                       "flatten -> add x=1", "maxpool kernel=2"};
  for (int elem = 0; elem < 3; elem++)
    for (int chw = 0; chw < 2; chw++)
      for (int i = 0; i < 4; i++) {
        Net net = net_new();
        snprintf(net.what, sizeof net.what, "input %d %d -> %s", elem, chw, layers[i]);
        net_input(&net, picture(3, 4, 3), (ElemType)elem, chw);
        net_chain(&net, layers[i]);
        net_end(&net, "mse", "");
        Data data = draw_data(&net, 2);
        check_nests(&net, &data);
        arena_free(net.arena);
      }
}

static void test_two_inputs(void) {
  Net net = net_new();
  snprintf(net.what, sizeof net.what, "two inputs");
  net_input(&net, picture(3, 4, 6), ELEM_F32, false);
  net.named[0] = net_layer(&net, "scale", "init=1");
  net_input(&net, picture(1, 1, 6), ELEM_F32, false);
  net.graph->inputs.data[1].name = "gate";
  net_layer(&net, "scale", "init=1");
  net_chain(&net, "sigmoid -> multiply x=$0 -> batchnorm -> relu");
  net_end(&net, "mse", "");
  Data data = draw_data(&net, 2);
  check_nests(&net, &data);
  check_gradients(&net, &data);
  arena_free(net.arena);
}

/* ---- PyTorch's numbers ---- */
typedef struct Golden {
  int rank;
  int64_t dim[3];
  const char *layers, *loss, *loss_arguments;
  double total;
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
  const Shape shape = {g->rank, {g->dim[0], g->dim[1], g->dim[2]}, 0};
  snprintf(net.what, sizeof net.what, "PyTorch: %s -> %s, %s %s", shape_text(net.arena, shape), g->layers,
           g->loss, g->loss_arguments);
  const Node *image = net_input(&net, shape, ELEM_F32, false), *scale = net_layer(&net, "scale", "init=1");
  net_chain(&net, g->layers);
  net_end(&net, g->loss, g->loss_arguments);
  CU_ASSERT_TRUE(net.good);
  Data data = draw_data(&net, 1);
  for (int i = 0; i < net.graph->weights.n; i++) {
    const Weight *weight = net.graph->weights.data[i];
    for (int64_t k = 0; k < weight->size; k++) data.weights[weight->offset + k] = weight->init.a;
  }
  const TrainingGraph training = pass_differentiate(net.arena, net.graph);
  const int64_t n = IMAGES * shape_elements(shape), outputs = IMAGES * shape_elements(net.last->shape);
  data.all_input[0] = copy(&net, g->input, n);
  data.all_target[0] = copy(&net, g->target, IMAGES * shape_elements(training.target[0]->shape));
  CU_ASSERT_PTR_EQUAL(image, net.graph->inputs.data[0].node);
  const GraphRun run = run_eval(&net, training.graph, &data, true);
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
    net_input(&net, shape_vector(SPECIAL), ELEM_F32, false);
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

CU_TestInfo suite_ops[] = {
    {"activations", test_activations},
    {"combining", test_combining},
    {"pools", test_pools},
    {"normalisation and dropout", test_normalisation},
    {"shapes", test_shapes},
    {"losses", test_losses},
    {"inputs", test_inputs},
    {"two inputs", test_two_inputs},
    {"PyTorch's numbers", test_golden},
    {"PyTorch's values of NaN, infinities and zeros", test_special},
    CU_TEST_INFO_NULL,
};
