// lower.c: Tests of convolutions, depthwise, transposed and dense layers with all their gradients. Their
// nests in the interpreter are compared with eval. Each kernel is tested for a third of the targets; for the
// target generic, the reference schedule is also tested.
// SPDX-License-Identifier: Apache-2.0
#include "all.h"
#include "machine.h"
#include "kernel/lower.h"
#include "ops/registry.h"
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "ops/convolution/correlation.h"
#include "passes/passes.h"
#include "schedule/schedule.h"

/* ---- nets of a few layers, built without the language ---- */
typedef struct Net {
  Arena *arena;
  Graph *graph;
  Diags *diags;
  Node *last;
  double *weights;
  uint64_t random;
  char what[256];
} Net;

static double draw(Net *net) { /* -1 .. 1 with few bits, so that sums are exact in double */
  net->random = net->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)((int64_t)(net->random >> 33) % 2001 - 1000) / 1024;
}

static double *draw_array(Net *net, int64_t n) {
  double *x = NEW_ARRAY(net->arena, double, n > 0 ? n : 1);
  for (int64_t i = 0; i < n; i++) x[i] = draw(net);
  return x;
}

static Const integer(int64_t i) { return (Const){.kind = CONST_INT, .i = i, .f = (double)i}; }

static Const parse(Net *net, const char *s) { /* parses "3", "3x5", "[1,2,3,4]" or a word */
  if (*s == '[' || strchr("0123456789", *s)) {
    const bool list = *s == '[', dims = strchr(s, 'x') != NULL;
    Const *items = NEW_ARRAY(net->arena, Const, 8);
    int n = 0;
    char *end;
    for (s += list; *s && *s != ']' && n < 8; s = *end ? end + 1 : end)
      items[n++] = integer(strtoll(s, &end, 10));
    return list || dims ? (Const){.kind = list ? CONST_LIST : CONST_DIMS, .n = n, .items = items} : items[0];
  }
  if (!strcmp(s, "true") || !strcmp(s, "false")) return (Const){.kind = CONST_BOOL, .i = *s == 't'};
  if (strspn(s, "0123456789.e-") == strlen(s)) return (Const){.kind = CONST_FLOAT, .f = strtod(s, NULL)};
  return (Const){.kind = CONST_WORD, .s = arena_copy(net->arena, s, strlen(s))};
}

/* Parses arguments such as "filters=8 kernel=3x3 pad=same"; other arguments get the operator's defaults. An
 * integer for a window argument becomes CONST_DIMS. */
static Const *arguments(Net *net, const Op *op, const char *text) {
  Const *value = NEW_ARRAY(net->arena, Const, 24);
  for (int i = 0; op->params && op->params[i].name; i++) {
    const Param *param = &op->params[i];
    const size_t n = strlen(param->name);
    const char *given = text;
    while (given && !(strncmp(given, param->name, n) == 0 && given[n] == '='))
      given = strchr(given, ' ') ? strchr(given, ' ') + 1 : NULL;
    const char *from = given ? given + n + 1 : param->value;
    if (!from) continue;
    value[i] = parse(net, arena_copy(net->arena, from, strcspn(from, " ")));
    if (param->type == PARAM_WINDOW && value[i].kind == CONST_INT) {
      Const *item = NEW(net->arena, Const);
      *item = value[i];
      value[i] = (Const){.kind = CONST_DIMS, .n = 1, .items = item};
    }
    if (param->type == PARAM_NUMBER && value[i].kind == CONST_WORD)
      value[i] = (Const){.kind = CONST_FLOAT, .f = strtod(from, NULL)};
  }
  return value;
}

static Net net_start(Shape input) {
  Net net = {.arena = arena_new(), .random = 7};
  Sources *sources = NEW(net.arena, Sources);
  sources->arena = net.arena;
  net.diags = diags_new(net.arena, sources);
  net.graph = graph_new(net.arena, "net");
  net.last = graph_node(net.graph, &op_input, 0, NULL);
  net.last->shape = input;
  net.last->name = "image";
  const Port port = {"image", net.last, NO_SPAN, AS_FLOATS};
  vec_push(net.arena, net.graph->inputs, port);
  return net;
}

static Node *net_layer(Net *net, const Op *op, const char *text, Node *other) {
  Node *in[2] = {net->last, other}, *node = graph_node(net->graph, op, other ? 2 : 1, in);
  node->name = arena_printf(net->arena, "%s%d", op->name, node->id);
  node->arg = arguments(net, op, text);
  ShapeContext context = {.arena = net->arena, .graph = net->graph, .diags = net->diags};
  op->shape(&context, node);
  snprintf(net->what, sizeof net->what, "%s of %s, %s", op->name, shape_text(net->arena, net->last->shape),
           text);
  return net->last = node;
}

/* Adds an element-wise node of the current value and another value. */
static Node *combine(Net *net, const char *name, Node *other) {
  Node *in[2] = {net->last, other}, *node = graph_node(net->graph, op_find(name), 2, in);
  node->shape = net->last->shape;
  node->name = name;
  node->arg = NEW_ARRAY(net->arena, Const, 24);
  return net->last = node;
}

/* Random weights; variances are positive. */
static void net_weights(Net *net) {
  graph_layout_weights(net->graph);
  net->weights = draw_array(net, net->graph->parameters);
  for (int i = 0; i < net->graph->weights.n; i++) {
    const Weight *weight = net->graph->weights.data[i];
    double *values = net->weights + weight->offset;
    for (int64_t k = 0; k < weight->size && !strcmp(weight->member, "running_var"); k++)
      values[k] = 0.5 + fabs(values[k]);
  }
}

/* ---- a kernel in eval ---- */
/* of: operands, by node id; out: the result of the kernel. */
typedef struct Values {
  double *of[64];
  double *out;
  const double *start;
  int64_t size;
} Values;

static void eval_node(const Net *net, const Node *node, Values *values, double *out) {
  Eval eval = {
      .node = node, .in = NEW_ARRAY(net->arena, const double *, node->nin + 1), .out = out, .count = 1};
  for (int k = 0; k < node->nin; k++) eval.in[k] = values->of[node->in[k]->id];
  for (int k = 0; k < node->nweights; k++)
    eval.weight[k] = node->weight[k] ? net->weights + node->weight[k]->offset : NULL;
  node->op->eval(&eval);
}

/* Draws missing operands and computes the result. If the kernel adds to its result, the result initially
 * contains the numbers of `start`. */
static void eval_kernel(Net *net, const Kernel *kernel, Values *values, const double *start) {
  const Node *result = kernel->result;
  values->start = start;
  values->size = result->target ? result->target->size : shape_elements(result->shape);
  for (int k = 0; k < kernel->root->nin; k++) {
    const Node *in = kernel->root->in[k];
    if (!values->of[in->id]) values->of[in->id] = draw_array(net, shape_elements(in->shape));
  }
  const Node *node[17] = {kernel->normalize, kernel->root};
  int n = 2;
  for (int i = 0; i < kernel->nscales; i++) node[n++] = kernel->scale[i];
  for (int i = 0; i < kernel->nchain; i++) node[n++] = kernel->chain[i];
  node[n++] = kernel->pool;
  for (int i = 0; i < n; i++) {
    if (!node[i]) continue;
    for (int k = 1; k < node[i]->nin; k++)
      if (!values->of[node[i]->in[k]->id])
        values->of[node[i]->in[k]->id] = draw_array(net, shape_elements(node[i]->in[k]->shape));
    double *out = NEW_ARRAY(net->arena, double,
                            values->size > shape_elements(node[i]->shape) ? values->size
                                                                          : shape_elements(node[i]->shape));
    if (start) memcpy(out, start, (size_t)values->size * sizeof *out);
    eval_node(net, node[i], values, out);
    values->of[node[i]->id] = values->out = out;
  }
}

/* ---- the same kernel as a nest ---- */
/* Checks that nest_fill, a fast interpreter in float, fills a pack with the same numbers as nest_run. */
static void check_fill(const Net *net, const Pack *pack) {
  const int nbufs = pack->nest->nbufs;
  Run run = {.mem = NEW_ARRAY(net->arena, double *, nbufs), .single = true};
  const float **from = NEW_ARRAY(net->arena, const float *, nbufs);
  const int64_t n = buf_elements(pack->out);
  for (int i = 0; i < pack->source.n; i++) {
    const Weight *weight = pack->source.data[i];
    float *single = NEW_ARRAY(net->arena, float, weight->size);
    double *rounded = NEW_ARRAY(net->arena, double, weight->size);
    for (int64_t k = 0; k < weight->size; k++)
      rounded[k] = single[k] = (float)net->weights[weight->offset + k];
    from[pack->source_buf.data[i]->id] = single;
    run.mem[pack->source_buf.data[i]->id] = rounded;
  }
  float *got = NEW_ARRAY(net->arena, float, n);
  double *want = run.mem[pack->out->id] = NEW_ARRAY(net->arena, double, n);
  const bool filled = nest_fill(pack->nest, from, got), ran = nest_run(pack->nest, &run);
  bool equal = true;
  for (int64_t k = 0; k < n && filled && ran; k++) equal = equal && (double)got[k] == want[k];
  if (!filled || !equal)
    printf("    pack %s: %s\n", pack->name,
           filled ? "differs from the interpreter" : "only the interpreter can run it");
  CU_ASSERT_TRUE(filled && ran && equal);
}

static bool run_pack(const Net *net, const Pack *pack, double *out) {
  check_fill(net, pack);
  Run run = {.mem = NEW_ARRAY(net->arena, double *, pack->nest->nbufs)};
  for (int i = 0; i < pack->source.n; i++)
    run.mem[pack->source_buf.data[i]->id] = net->weights + pack->source.data[i]->offset;
  run.mem[pack->out->id] = out;
  if (!nest_run(pack->nest, &run)) printf("    pack %s: %s\n", pack->name, run.error);
  return !run.error[0];
}

static bool run_kernel(const Net *net, const Lower *l, const Values *values, double *out) {
  Run run = {.mem = NEW_ARRAY(net->arena, double *, l->b->nbufs)};
  bool good = true;
  for (int i = 0; i < l->b->nbufs; i++) {
    const Buf *buf = l->b->buf[i];
    const Binding *binding = lower_binding(l, i);
    if (buf->place >= STACK) continue;
    if (buf == l->out) run.mem[i] = out;
    else if (binding->kind == BIND_VALUE) run.mem[i] = values->of[binding->node->id];
    else if (binding->kind == BIND_WEIGHT) run.mem[i] = net->weights + binding->weight->offset;
    else run.mem[i] = NEW_ARRAY(net->arena, double, buf_elements(buf));
    if (binding->kind == BIND_PACK) good = good && run_pack(net, binding->pack, run.mem[i]);
    for (int64_t k = 0; k < binding->elements && binding->kind == BIND_TABLE; k++)
      run.mem[i][k] = binding->table[k];
  }
  if (good && !nest_run(l->b, &run)) printf("    %s: %s\n", l->b->name, run.error);
  return good && !run.error[0];
}

static bool same(const double *got, const double *want, int64_t n, double *worst) {
  double scale = 0;
  *worst = 0;
  for (int64_t i = 0; i < n; i++) scale = fmax(scale, fabs(want[i]));
  for (int64_t i = 0; i < n; i++) *worst = fmax(*worst, isnan(got[i]) ? INFINITY : fabs(got[i] - want[i]));
  return *worst <= 1e-9 * (scale + 1);
}

static void check_against(Net *net, const Kernel *kernel, Values *values);

static void check_kernel(Net *net, const Kernel *kernel, Values *values) {
  eval_kernel(net, kernel, values,
              kernel->result->target ? draw_array(net, kernel->result->target->size) : NULL);
  check_against(net, kernel, values);
}

/* Compares the nests for a third of the targets with eval's result in values->out. Before the run, the
 * result contains values->start. */
static void check_against(Net *net, const Kernel *kernel, Values *values) {
  static int way;
  if (!values->out) eval_kernel(net, kernel, values, NULL);
  const double *start = values->start;
  for (const Target *target = target_table; target->name; target++) {
    if (machine_seen(target, net->graph) || !try_turn(way++, 3)) continue;
    for (int form = 0; form < 3; form++) { /* 0: the reference schedule; 1: weights packed for this target; 2:
                                              weights packed for a wider target */
      if ((form == 0 && (kernel->pool || strcmp(target->name, "generic"))) ||
          (form == 2 && target->lanes == LANES))
        continue;
      const Lower *l = schedule_kernel(net->arena, kernel, target,
                                       &(LowerOptions){.layout_lanes = form == 2 ? LANES : target->lanes,
                                                       .plain = form == 0,
                                                       .batch = kernel->result->hidden ? 1 : 0});
      double *out = NEW_ARRAY(net->arena, double, values->size), worst = INFINITY;
      if (start) memcpy(out, start, (size_t)values->size * sizeof *out);
      const bool ran = run_kernel(net, l, values, out),
                 good = ran && same(out, values->out, values->size, &worst);
      const char *how = form == 0 ? ", plain" : form == 2 ? ", layout of 16" : "";
      if (!good)
        printf("    %s: %s for %s%s differs by %g\n", net->what, kernel->root->op->name, target->name, how,
               worst);
      CU_ASSERT_TRUE(good);
    }
  }
}

static void check_node(Net *net, Node *node) {
  Values values = {0};
  const Kernel kernel = {.root = node, .result = node, .batch = node->result == RESULT_BATCH};
  check_kernel(net, &kernel, &values);
}

static double dot(const double *a, const double *b, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* The dot product of dy and layer(x) - layer(0). */
static double forward_product(Net *net, const Node *node, double *x, double *dy) {
  const int64_t n = shape_elements(node->shape);
  Values values = {0};
  double *out = NEW_ARRAY(net->arena, double, n), *zero = NEW_ARRAY(net->arena, double, n);
  values.of[node->in[0]->id] = x;
  eval_node(net, node, &values, out);
  values.of[node->in[0]->id] = NEW_ARRAY(net->arena, double, shape_elements(node->in[0]->shape));
  eval_node(net, node, &values, zero);
  return dot(dy, out, n) - dot(dy, zero, n);
}

/* The number of forward_product, computed with a gradient: the dot product of x and dx, or of w and dw. */
static double linear_product(Net *net, const Node *hidden, double *x, double *dy) {
  const int64_t n = hidden->target ? hidden->target->size : shape_elements(hidden->shape);
  Values values = {0};
  double *out = NEW_ARRAY(net->arena, double, n);
  const bool dy_first =
      hidden->nin == 1 ||
      shape_elements(hidden->in[0]->shape) != shape_elements(hidden->hidden->of->in[0]->shape) ||
      hidden->hidden->of->op == op_find("conv_transpose");
  values.of[hidden->in[dy_first ? 0 : 1]->id] = dy;
  if (hidden->nin == 2) values.of[hidden->in[dy_first ? 1 : 0]->id] = x;
  eval_node(net, hidden, &values, out);
  return dot(out, hidden->target ? net->weights + hidden->target->offset : x, n);
}

static Training *mean_square(Net *net) {
  Training *training = NEW(net->arena, Training);
  for (int i = 0; loss_table[i]; i++) {
    const LossUse use = {.op = loss_table[i], .weight = 1};
    if (!strcmp(use.op->name, "mse")) vec_push(net->arena, training->losses, use);
  }
  return training;
}

/* Checks a layer and each of its gradients. A layer is linear in its input and in its weights. Therefore
 * linear_product of the input gradient and linear_product of the weight gradient must both equal
 * forward_product. */
static void check_layer(Shape input, const Op *op, const char *text) {
  Net net = net_start(input);
  /* a layer with a weight, so that the next layer's input needs a gradient */
  net_layer(&net, op_find("scale"), "", NULL);
  Node *node = net_layer(&net, op, text, NULL);
  if (!node->shape.rank) {
    printf("    %s: no shape\n", net.what);
    CU_FAIL("the layer has no shape");
    arena_free(net.arena);
    return;
  }
  net_weights(&net);
  check_node(&net, node);
  const Port port = {"output", node, NO_SPAN, AS_FLOATS};
  vec_push(net.arena, net.graph->outputs, port);
  net.graph->training = mean_square(&net);
  Graph *graph = pass_differentiate(net.arena, net.graph).graph;
  double product[3] = {0};
  int gradients = 0;
  double *x = draw_array(&net, shape_elements(node->in[0]->shape)),
         *dy = draw_array(&net, shape_elements(node->shape));
  for (int i = 0; i < graph->nodes.n; i++) {
    Node *hidden = graph->nodes.data[i];
    if (!hidden->hidden || hidden->hidden->of->op != op) continue;
    snprintf(net.what, sizeof net.what, "%s of %s, %s", hidden->op->name, shape_text(net.arena, input), text);
    check_node(&net, hidden);
    if (!hidden->target || hidden->target != node->weight[1])
      product[1 + gradients++ % 2] = linear_product(&net, hidden, x, dy);
  }
  product[0] = forward_product(&net, node, x, dy);
  for (int i = 1; i < 3; i++) {
    if (fabs(product[i] - product[0]) > 1e-9 * (1 + fabs(product[0])))
      printf("    %s of %s, %s: gradient %d gives %g, not %g\n", op->name, shape_text(net.arena, input), text,
             i, product[i], product[0]);
    CU_ASSERT_DOUBLE_EQUAL(product[i], product[0], 1e-9 * (1 + fabs(product[0])));
  }
  CU_ASSERT_EQUAL(gradients, 2);
  arena_free(net.arena);
}

/* ---- sweeps ---- */
static void sweep(const Op *op, const Shape *inputs, const char *const *texts) {
  for (int i = 0; inputs[i].rank; i++)
    for (int k = 0; texts[k]; k++) check_layer(inputs[i], op, texts[k]);
}

static Shape picture(int64_t h, int64_t w, int64_t c) { return shape_image(h, w, c); }
static Shape sequence(int64_t length, int64_t c) { return shape_sequence(length, c); }

static void test_conv_kernels(void) { /* kernels, strides, dilations and padding on an odd image size */
  Arena *arena = arena_new();
  for (int kernel = 1; kernel <= 7; kernel++)
    for (int stride = 1; stride <= 3; stride++)
      for (int dilation = 1; dilation <= 2; dilation++)
        for (int pad = 0; pad < 2; pad++)
          check_layer(picture(13, 15, 3), &op_conv,
                      arena_printf(arena, "filters=5 kernel=%d stride=%d dilation=%d pad=%s", kernel, stride,
                                   dilation, pad ? "same" : "valid"));
  arena_free(arena);
}

static void test_conv_channels(void) {
  Arena *arena = arena_new();
  /* channel and filter counts near 4, 8 and 16 lanes; each channel count is tested with half of the filter
   * counts, or with all of them if try_all() */
  static const int counts[] = {1, 2, 3, 4, 5, 8, 9, 15, 16, 17, 33};
  enum { COUNTS = sizeof counts / sizeof *counts };
  for (int c = 0; c < COUNTS; c++)
    for (int f = try_all() ? 0 : c % 2; f < COUNTS; f += try_all() ? 1 : 2)
      check_layer(
          picture(5, 6, counts[c]), &op_conv,
          arena_printf(arena, "filters=%d kernel=3x3 pad=1 stride=%d", counts[f], 1 + (c + f / 2) % 2));
  check_layer(picture(4, 5, 70), &op_conv, "filters=68 kernel=1x1");
  check_layer(picture(3, 30, 16), &op_conv, "filters=33 kernel=3x3 pad=same");
  check_layer(picture(3, 3, 192), &op_conv,
              "filters=40 kernel=3x3 pad=1"); /* the weights do not fit into a panel, so the input channels
                                                 are split into blocks */
  check_layer(picture(3, 10, 264), &op_conv,
              "filters=256 kernel=1x1"); /* the outer loop is over panels, and prefetches the next panel */
  check_layer(picture(7, 7, 9), &op_conv,
              "filters=17 kernel=1x1"); /* the schedule joins all rows of the image into one row */
  arena_free(arena);
}

static void test_conv_arguments(void) {
  const Shape inputs[] = {picture(9, 9, 6), picture(1, 1, 6), picture(7, 3, 12), {0}};
  sweep(&op_conv, inputs,
        (const char *const[]){
            "filters=6 kernel=3x3 groups=3 pad=same", "filters=12 kernel=2x4 pad=[1,2,3,0] bias=false",
            "filters=9 kernel=3x1 pad=[1,2] stride=2x1 dilation=1x2 groups=3",
            "filters=4 kernel=5x5 pad=4 stride=3", "filters=24 kernel=3x3 groups=6 pad=same stride=2",
            "filters=3 kernel=1x1 stride=3", NULL});
  check_layer(picture(20, 20, 4), &op_conv, "filters=8 kernel=4x4 stride=4");
  check_layer(picture(23, 23, 3), &op_conv, "filters=7 kernel=11x11 stride=4 pad=2");
  check_layer(picture(6, 40, 4), &op_conv, "filters=4 kernel=3x3 dilation=7 pad=same");
  check_layer(sequence(150, 2), &op_conv,
              "filters=3 kernel=2 dilation=130 pad=causal"); /* outputs that read padding fill many tiles */
  check_layer(sequence(40, 3), &op_conv, "filters=5 kernel=15 pad=same");
  check_layer(sequence(70, 1), &op_conv, "filters=9 kernel=31 stride=3 pad=20");
}

static void test_conv_sequence(void) {
  const Shape inputs[] = {sequence(17, 5), sequence(1, 3), sequence(64, 16), {0}};
  sweep(&op_conv, inputs,
        (const char *const[]){"filters=4 kernel=3 pad=causal", "filters=18 kernel=2 pad=same stride=2",
                              "filters=3 kernel=4 pad=[3,1] dilation=1",
                              "filters=8 kernel=3 pad=causal dilation=9 bias=false", NULL});
}

static void test_depthwise(void) {
  const Shape inputs[] = {picture(9, 11, 1),  picture(8, 8, 3), picture(7, 7, 19),
                          picture(6, 20, 32), sequence(21, 7),  {0}};
  sweep(&op_depthwise, inputs,
        (const char *const[]){"kernel=3 pad=same", "kernel=3 stride=2 pad=1",
                              "kernel=2 multiplier=2 pad=same", "kernel=5 pad=4 dilation=2 bias=false",
                              "kernel=1 stride=3", "kernel=4 stride=3 pad=same multiplier=3",
                              "kernel=3 stride=4", NULL});
  check_layer(sequence(30, 5), &op_depthwise, "kernel=11 pad=causal");
}

static void test_conv_transpose(void) {
  const Shape inputs[] = {picture(4, 5, 3), picture(1, 1, 6), picture(3, 7, 18), {0}};
  sweep(&op_conv_transpose, inputs,
        (const char *const[]){
            "filters=6 kernel=3", "filters=2 kernel=4x4 stride=2 pad=1",
            "filters=9 kernel=3 stride=2 pad=same groups=3", "filters=3 kernel=2 stride=3 pad=same",
            "filters=5 kernel=3 stride=2 output_pad=1 bias=false", "filters=20 kernel=3 dilation=2 stride=3",
            "filters=4 kernel=4 stride=4", "filters=3 kernel=5x2 stride=1x2", NULL});
  check_layer(sequence(9, 4), &op_conv_transpose, "filters=3 kernel=4 stride=2 pad=[1,2]");
}

static void test_dense(void) {
  Arena *arena = arena_new();
  for (int inputs = 1; inputs <= 70; inputs += inputs < 5 ? 1 : 13)
    for (int units = 1; units <= 150; units += units < 5 ? 1 : 29)
      check_layer(shape_vector(inputs), op_find("dense"),
                  arena_printf(arena, "units=%d bias=%s", units, inputs % 2 ? "true" : "false"));
  arena_free(arena);
}

/* ---- fusion and folding ---- */
static void check_fused(Shape input, const Op *op, const char *text, bool scaled, bool normalized,
                        bool chained, const char *pool) {
  Net net = net_start(input);
  Node *image = net.last,
       *normalize = normalized ? net_layer(&net, op_find("normalize"), "mean=2 std=3 scale=0.5", NULL) : NULL;
  Node *root = net_layer(&net, op, text, NULL), *scale[2] = {NULL, NULL}, *chain[3] = {NULL};
  Kernel kernel = {.root = root,
                   .result = root,
                   .scale = scale,
                   .chain = chain,
                   .normalize = normalize,
                   .normalize_shift = normalized};
  if (scaled) {
    scale[kernel.nscales++] = net_layer(&net, op_find("batchnorm"), "", NULL);
    scale[kernel.nscales++] = net_layer(&net, op_find("batchnorm"), "scale=false shift=false", NULL);
  }
  if (chained) {
    Node *last = net.last, *other = graph_node(net.graph, &op_input, 0, NULL),
         *pixel = graph_node(net.graph, &op_input, 0, NULL);
    other->shape = root->shape;
    other->name = "other";
    pixel->name = "pixel";
    net.last = last;
    pixel->shape = root->shape.rank == 1 ? root->shape : picture(1, 1, shape_extent(root->shape).c);
    chain[kernel.nchain++] = net_layer(&net, op_find("prelu"), "", NULL);
    chain[kernel.nchain++] = combine(&net, "add", other);
    chain[kernel.nchain++] = combine(&net, "multiply", pixel);
  } else if (pool) {
    chain[kernel.nchain++] = net_layer(&net, op_find("leaky_relu"), "", NULL);
  }
  if (pool) kernel.pool = net_layer(&net, op_find(pool), "kernel=2 stride=2", NULL);
  kernel.result = net.last;
  net_weights(&net);
  Node read = *root; /* the passes make the root read the input of the folded node */
  Node *in[1] = {image};
  Values values = {0};
  values.of[image->id] = draw_array(&net, shape_elements(input));
  if (normalized) {
    eval_kernel(&net, &kernel, &values, NULL);
    read.in = in;
    kernel.root = &read;
    if (kernel.result == root) kernel.result = &read;
  }
  if (pool) CU_ASSERT_TRUE(root->op->traits.fuses_pool(root, kernel.pool));
  snprintf(net.what, sizeof net.what, "%s of %s, %s%s%s%s", op->name, shape_text(net.arena, input), text,
           scaled ? ", scaled" : "", normalized ? ", normalized" : "",
           chained ? ", chained"
           : pool  ? pool
                   : "");
  check_against(&net, &kernel, &values);
  arena_free(net.arena);
}

static void test_fused(void) {
  for (int form = 1; form < 8; form++) {
    const bool scaled = form & 1, normalized = form & 2, chained = form & 4;
    check_fused(picture(6, 7, 3), &op_conv, "filters=19 kernel=3x3", scaled, normalized, chained, NULL);
    check_fused(picture(9, 9, 4), &op_conv, "filters=6 kernel=2x2 groups=2 stride=2", scaled, normalized,
                chained, NULL);
    check_fused(shape_vector(29), op_find("dense"), "units=23", scaled, normalized, chained, NULL);
    check_fused(picture(3, 4, 192), &op_conv, "filters=33 kernel=3x3", scaled, normalized, chained, NULL);
    check_fused(picture(7, 5, 19), &op_conv, "filters=23 kernel=1x1", scaled, normalized, chained,
                NULL); /* the schedule joins all rows of the image into one row */
    if (normalized) continue;
    check_fused(picture(6, 7, 19), &op_depthwise, "kernel=3x3 pad=same", scaled, false, chained, NULL);
    check_fused(picture(4, 3, 5), &op_conv_transpose, "filters=7 kernel=3x3 stride=2", scaled, false, chained,
                NULL);
  }
}

/* Convolutions that also compute the pooling after them; some have few filters and one input channel, and are
 * vectorized over columns. */
static void test_pooled(void) {
  static const char *const text[] = {"filters=6 kernel=5 pad=2",
                                     "filters=19 kernel=3x3 pad=1",
                                     "filters=33 kernel=2x3 stride=2x1",
                                     "filters=3 kernel=4 stride=3 pad=2",
                                     "filters=5 kernel=3 dilation=2 pad=same",
                                     "filters=1 kernel=1",
                                     NULL};
  for (int i = 0; text[i]; i++)
    for (int form = 0; form < 4; form++) {
      const char *pool = form & 1 ? "maxpool" : "avgpool";
      check_fused(picture(11, 22, 1), &op_conv, text[i], form & 2, false, form & 2, pool);
      check_fused(picture(14, 13, 3), &op_conv, text[i], form & 2, false, form & 2, pool);
      check_fused(picture(13, 70, 1), &op_conv, text[i], form & 2, !strstr(text[i], "pad"), false, pool);
      check_fused(picture(12, 14, 6), &op_conv, text[i], false, false, form & 2, pool);
    }
}

static void test_columns(void) {
  const Shape inputs[] = {picture(9, 28, 1), picture(5, 40, 1), sequence(75, 1), {0}};
  Arena *arena = arena_new();
  for (int i = 0; inputs[i].rank; i++) {
    const bool flat = inputs[i].rank == 2;
    for (int filters = 1; filters <= 9; filters += 4)
      for (int kernel = 1; kernel <= 5; kernel += 2)
        for (int pad = 0; pad < 3; pad++)
          check_layer(inputs[i], &op_conv,
                      arena_printf(arena, "filters=%d kernel=%d pad=%s stride=%s", filters, kernel,
                                   pad == 2 ? "3"
                                   : pad    ? "same"
                                            : "valid",
                                   flat  ? "1"
                                   : pad ? "1"
                                         : "2x1"));
  }
  arena_free(arena);
}

CU_TestInfo suite_lower[] = {
    {"conv: kernels, strides, dilations, padding", test_conv_kernels},
    {"conv: channels and filters", test_conv_channels},
    {"conv: groups, forms of padding", test_conv_arguments},
    {"conv on sequences", test_conv_sequence},
    {"depthwise", test_depthwise},
    {"conv_transpose", test_conv_transpose},
    {"dense", test_dense},
    {"fused and folded", test_fused},
    {"fused pooling", test_pooled},
    {"vectors along columns", test_columns},
    CU_TEST_INFO_NULL,
};
