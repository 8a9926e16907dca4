// ops_net.c: Small nets of operators, built from text, and numbers to run them on.
// SPDX-License-Identifier: Apache-2.0
#include "ops_net.h"
#include "ops/registry.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- nets ---- */
static double draw(Net *net) { /* -1 .. 1 */
  net->random = net->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)(int64_t)(net->random >> 11) / (double)(INT64_C(1) << 52) - 1;
}

static Const integer(int64_t i) { return (Const){.kind = CONST_INT, .i = i, .f = (double)i}; }

/* Parses 3, 0.5, 3x5, [1,2], [[1,2],[3,4]], 1..3, $0 or a word. */
static Const parse(Net *net, const char *s) {
  if (*s == '$') return (Const){.kind = CONST_VALUE, .node = net->named[s[1] - '0']};
  const bool list = *s == '[', range = strstr(s, "..") != NULL,
             dims = !list && !range && strchr(s, 'x') && strspn(s, "0123456789x") == strlen(s);
  if (list || range || dims) {
    Const *items = NEW_ARRAY(net->arena, Const, 16);
    int n = 0;
    for (const char *p = s + list; *p && *p != ']' && n < 16;) {
      const size_t size = *p == '[' ? strcspn(p, "]") + 1 : strcspn(p, list ? ",]" : range ? "." : "x");
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

/* Parses arguments such as "kernel=3 pad=same"; other arguments get the operator's defaults. x=... lists
 * all operands, as in "x=$0,2"; the operands that are values are appended to `in`. */
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

Net net_new(void) {
  Net net = {.arena = arena_new(), .random = 5, .good = true};
  Sources *sources = NEW(net.arena, Sources);
  sources->arena = net.arena;
  net.diags = diags_new(net.arena, sources);
  net.graph = graph_new(net.arena, "net");
  return net;
}

Node *net_input(Net *net, Shape shape, Elem elem, bool chw) {
  Node *node = graph_port_node(net->graph, &op_input, (PortInfo){net->graph->inputs.n, elem, chw, 0});
  node->shape = shape;
  node->name = "image";
  const Port port = {"image", node, NO_SPAN, AS_FLOATS};
  vec_push(net->arena, net->graph->inputs, port);
  return net->last = node;
}

Node *net_layer(Net *net, const char *op_name, const char *text) {
  const Op *op = op_find(op_name);
  Node *in[16] = {net->last};
  int nin = 1;
  Const *args = arguments(net, op->params, text, in, &nin);
  Node *node = graph_node(net->graph, op, nin, in);
  node->name = arena_printf(net->arena, "%s%d", op_name, node->id);
  node->arg = args;
  node->frozen = strstr(text, "frozen") != NULL;
  ShapeContext context = {.arena = net->arena, .graph = net->graph, .diags = net->diags};
  op->shape(&context, node);
  if (!node->shape.rank) {
    printf("    %s: %s(%s) has no shape\n", net->what, op_name, text);
    net->good = false;
    node->shape = net->last->shape;
  }
  return net->last = node;
}

/* Adds layers: "maxpool kernel=3 -> relu -> @0 -> add x=$1". @0 gives the current value the name $0; <0
 * continues from $0. */
void net_chain(Net *net, const char *text) {
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

Node *net_loss(Net *net, const char *loss, const char *text, int nin, Node *const *in) {
  for (int i = 0; loss_table[i]; i++) {
    if (strcmp(loss_table[i]->name, loss)) continue;
    Node *node = graph_node(net->graph, loss_table[i], nin, in), *named[16];
    int values = 0;
    node->name = "loss";
    node->arg = arguments(net, loss_table[i]->params, text, named, &values);
    return node;
  }
  net->good = false;
  return NULL;
}

void net_end(Net *net, const char *loss, const char *text) {
  const Port port = {"output", net->last, NO_SPAN, AS_FLOATS};
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

/* ---- inputs ---- */
static double *draw_array(Net *net, int64_t n, double scale) {
  double *x = NEW_ARRAY(net->arena, double, n + 1);
  for (int64_t i = 0; i < n; i++) x[i] = scale * draw(net);
  return x;
}

Data net_draw(Net *net, double scale) {
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
    for (int64_t k = 0; node->port->elem != F32 && k < IMAGES * shape_elements(node->shape); k++)
      data.input[i][k] = floor(100 * fabs(draw(net)));
  }
  const Shape output = graph->outputs.data[0].node->shape;
  data.target = draw_array(net, IMAGES * shape_elements(output), 1);
  const Op *loss = graph->training->losses.data[0].op;
  const int64_t classes = shape_extent(output).c;
  for (int64_t k = 0; k < IMAGES * shape_elements(output); k++) {
    if (loss->traits.class_target)
      data.target[k] = floor((double)(classes + 1) * (0.5 + 0.5 * draw(net))) - 1; /* -1 .. classes - 1 */
    if (!strcmp(loss->name, "binary_cross_entropy")) data.target[k] = data.target[k] > 0;
  }
  data.all_input = NEW_ARRAY(net->arena, double *, 4);
  data.all_target = NEW_ARRAY(net->arena, double *, 1);
  for (int i = 0; i < 4; i++) data.all_input[i] = data.input[i];
  data.all_target[0] = data.target;
  return data;
}

GraphRun net_eval(Net *net, const Graph *graph, const Data *data, bool training) {
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
