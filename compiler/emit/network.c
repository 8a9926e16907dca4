/* network.c: Printer of NAME_network (the constant that describes the net to the runtime), of the functions
 * to which it points, and of main(). The types of the functions in NAME_network are the same for all nets. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include "emit/pool.h"
#include "graph/contents.h"
#include "graph/normalize_text.h"
#include "ops/registry.h"

/* ---- arguments of losses, optimizers, ... by name ---- */
static const Const *setting(const Param *params, const Const *arg, const char *name) {
  for (int i = 0; params && arg && params[i].name; i++)
    if (strcmp(params[i].name, name) == 0) return &arg[i];
  return NULL;
}

static double number(const Const *value, double otherwise) {
  if (!value) return otherwise;
  return value->kind == CONST_INT || value->kind == CONST_BOOL ? (double)value->i
         : value->kind == CONST_FLOAT                          ? value->f
                                                               : otherwise;
}

static void put_field(Text *out, const char *name, double value) { /* zero is the default and is omitted */
  if (value == 0) return;
  text_put(out, "  .%s = ", name);
  put_double(out, value);
  text_put(out, ",\n");
}

static void put_count(Text *out, const char *name, int64_t value) {
  if (value) text_put(out, "  .%s = %" PRId64 ",\n", name, value);
}

/* The float net: for an int8 model, the net before quantization. */
static const Graph *written(const Net *net) { return net->graph->floats ? net->graph->floats : net->graph; }

/* ---- ports ---- */
static void put_shape(Text *out, Shape shape) {
  text_put(out, ".rank = %d, ", shape.rank);
  if (shape.regions) text_put(out, ".regions = %" PRId64 ", ", shape.regions);
  text_put(out, ".dim = {");
  for (int i = 0; i < shape.rank; i++) text_put(out, "%s%" PRId64, i ? ", " : "", shape.dim[i]);
  text_put(out, "}");
}

/* Prints the fields step, offset and late of a port if a call has only some of the port's rows (--stream,
 * --slide). */
static void put_rows(Text *out, const StreamLayer *layer) {
  if (!layer || !layer->flows) return;
  text_put(out, ", .step = %" PRId64, layer->rows);
  if (layer->offset) text_put(out, ", .offset = %" PRId64, layer->offset);
  if (layer->late) text_put(out, ", .late = %" PRId64, layer->late);
}

static void put_contents(Text *out, Contents contents) {
  static const char *const names[] = {[CONTENTS_NORMAL] = NULL,
                                      [CONTENTS_BYTES] = "CNN_BYTES",
                                      [CONTENTS_SOUND] = "CNN_SOUND",
                                      [CONTENTS_INDICES] = "CNN_INDICES",
                                      [CONTENTS_MASK] = "CNN_MASK"};
  if (names[contents.kind]) text_put(out, ", .contents = %s", names[contents.kind]);
  if (contents.count) text_put(out, ", .indices = %" PRId64, contents.count);
}

static void put_inputs(Text *out, Net *net) {
  const Stream *stream = net->graph->stream;
  static const char *const types[] = {
      [F32] = "CNN_F32", [U8] = "CNN_U8", [I8] = "CNN_I8", [I16] = "CNN_I16", [I32] = "CNN_I32"};
  text_put(out, "static const cnn_port %s[] = {\n", net->own->network_inputs);
  for (int i = 0; i < net->graph->inputs.n; i++) {
    const Port *port = &net->graph->inputs.data[i];
    text_put(out, "  {.name = ");
    put_string(out, port->name);
    text_put(out, ", .type = %s, ", types[port->node->port->elem]);
    put_shape(out, port->node->shape);
    text_put(out, "%s, .size = %s", port->node->port->chw ? ", .chw = 1" : "", net->input[i].macro.SIZE);
    if (port->node->port->rate) text_put(out, ", .rate = %s", net->input[i].macro.RATE);
    if (stream) put_rows(out, &stream->layer[stream->whole->inputs.data[i].node->id]);
    put_contents(out, graph_contents(net->graph, i));
    const char *normalize = graph_normalize(net->arena, written(net), written(net)->inputs.data[i].node);
    if (normalize) {
      text_put(out, ",\n   .normalize = ");
      put_string(out, normalize);
    }
    text_put(out, "},\n");
  }
  text_put(out, "};\n");
}

static const LossUse *loss_of(const Graph *graph, int output) {
  for (int i = 0; graph->training && i < graph->training->losses.n; i++)
    if (graph->training->losses.data[i].port == output) return &graph->training->losses.data[i];
  return NULL;
}

/* Whether the loss itself computes an activation whose results are scores of this kind. */
static bool absorbs(const Op *op, Scores scores) {
  for (const Loss *loss = losses; loss->op; loss++)
    for (int i = 0; loss->op == op && i < 4 && loss->absorbs[i]; i++)
      if (loss->absorbs[i]->traits.scores == scores) return true;
  return false;
}

/* Whether the regions of an output are masks: each region has height, width and channels, and another output
 * has one box per region. */
static bool is_masks(const Graph *graph, Shape shape) {
  bool found = false;
  for (int o = 0; o < graph->outputs.n; o++) {
    const Node *node = graph->outputs.data[o].node;
    found = found || (node->op->traits.detects == DETECTS_BOXES && node->shape.dim[0] == shape.regions);
  }
  return found && shape.rank == 3;
}

/* The runtime's constant for the conversion of an output to class scores. */
static const char *scores_of(const Graph *graph, int output) {
  const Node *node = graph_port(graph, output)->node;
  const LossUse *use = loss_of(graph, output);
  const int64_t channels = shape_extent(node->shape).c;
  if (graph->training && graph->training->target_is_input) return "CNN_SCORES_NONE";
  if (node->op->traits.detects != DETECTS_NOTHING || is_masks(graph, node->shape)) return "CNN_SCORES_NONE";
  switch (node->op->traits.scores) {
  case SCORES_PROBABILITY: return "CNN_SCORES_PROBABILITY";
  case SCORES_LOG: return "CNN_SCORES_LOG";
  case SCORES_BINARY:
    return (use && absorbs(use->op, SCORES_BINARY)) || (!use && channels == 1) ? "CNN_SCORES_BINARY"
                                                                               : "CNN_SCORES_NONE";
  case SCORES_NONE: break;
  }
  const bool one_of_several = use && use->op->traits.class_target && channels > 1;
  if (use && absorbs(use->op, SCORES_BINARY) && !one_of_several) return "CNN_SCORES_BINARY_LOGIT";
  if (use ? use->op->traits.class_target : graph->nlabels > 0 && graph->nlabels == channels)
    return "CNN_SCORES_LOGIT";
  return "CNN_SCORES_NONE";
}

static void put_kind(Text *out, const Graph *graph, int output) {
  const Node *node = graph->outputs.data[output].node;
  if (node->op->traits.detects == DETECTS_BOXES) text_put(out, ", .kind = CNN_OUTPUT_DETECTIONS");
  if (node->op->traits.detects == DETECTS_SEGMENTS) {
    const int64_t things = node->op->traits.things(node), stuff = node->op->traits.classes(node) - things;
    text_put(out, ", .kind = CNN_OUTPUT_PANOPTIC, .stuff = %" PRId64 ", .things = %" PRId64,
             stuff > 0 ? stuff : 0, things);
  }
  if (is_masks(graph, node->shape))
    text_put(out, ", .kind = %s",
             node->op->traits.scores == SCORES_BINARY ? "CNN_OUTPUT_MASKS" : "CNN_OUTPUT_MASK_LOGITS");
}

static void put_criterion(Text *out, Net *net, const LossUse *use, int output) {
  const Param *params = use->op->params;
  const Const *weights = setting(params, use->arg, "weights");
  const bool weighted = weights && weights->kind == CONST_LIST && weights->n;
  if (weighted) {
    text_put(out, "static const float %s%d[] = {", net->own->network_classes, output);
    for (int i = 0; i < weights->n; i++) {
      text_put(out, "%s", i ? ", " : "");
      put_float(out, (float)number(&weights->items[i], 1));
    }
    text_put(out, "};\n");
  }
  text_put(out, "static const cnn_loss %s%d = {.weight = ", net->own->network_loss, output);
  put_double(out, use->weight);
  text_put(out, ", .smoothing = ");
  put_double(out, use->op->traits.class_target ? written(net)->training->label_smoothing : 0);
  text_put(out, ", .parameter = ");
  put_double(out, number(setting(params, use->arg, "delta"), number(setting(params, use->arg, "gamma"), 0)));
  text_put(out, ", .ignore = %" PRId64, (int64_t)number(setting(params, use->arg, "ignore"), -1));
  if (weighted) text_put(out, ", .class_weight = %s%d", net->own->network_classes, output);
  text_put(out, "};\n");
}

/* Prints the loss of a port and, unless the loss reads annotations, the target that the loss reads. */
static void put_target(Text *out, const Net *net, const LossUse *use, int port) {
  const Shape shape = graph_port(net->graph, port)->node->shape;
  const Extent e = shape_extent(shape);
  if (use->op->traits.object_target) {
    text_put(out, ", .loss = \"%s\", .criterion = &%s%d", use->op->name, net->own->network_loss, port);
    return;
  }
  const bool classes = use->op->traits.class_target;
  text_put(out, ", .target = %s, .target_size = %" PRId64 ",\n   .loss = \"%s\", .criterion = &%s%d",
           classes ? "CNN_TARGET_CLASS" : "CNN_TARGET_VALUES",
           classes ? e.n * e.h * e.w : shape_elements(shape), use->op->name, net->own->network_loss, port);
}

/* Prints the outputs, then the values that only losses read. */
static void put_outputs(Text *out, Net *net) {
  const Graph *graph = written(net);
  const Stream *stream = net->graph->stream;
  const int ports = graph_ports(net->graph);
  for (int o = 0; o < ports; o++)
    if (loss_of(graph, o)) put_criterion(out, net, loss_of(graph, o), o);
  text_put(out, "static const cnn_port %s[] = {\n", net->own->network_outputs);
  for (int o = 0; o < ports; o++) {
    const Port *port = graph_port(graph, o);
    const LossUse *use = loss_of(graph, o);
    text_put(out, "  {.name = ");
    put_string(out, port->name);
    text_put(out, ", ");
    put_shape(out, graph_port(net->graph, o)->node->shape);
    if (o < graph->outputs.n) text_put(out, ", .size = %s", net->output[o].macro.SIZE);
    else text_put(out, ", .size = %" PRId64, shape_elements(port->node->shape));
    if (stream && !stream->window) put_rows(out, &stream->output[o]);
    text_put(out, ", .scores = %s", scores_of(graph, o));
    if (o < graph->outputs.n) put_kind(out, graph, o);
    if (use) put_target(out, net, use, o);
    text_put(out, "},\n");
  }
  text_put(out, "};\n");
}

/* ---- weights, layers, steps ---- */
static void put_weights(Text *out, Net *net) {
  if (!net->weights) return;
  text_put(out, "static const cnn_weight %s[] = {\n", net->own->network_weights);
  for (int i = 0; i < net->graph->weights.n; i++) {
    const Weight *weight = net->graph->weights.data[i];
    const bool all = !(net->graph->training && net->graph->training->decay_weights_only),
               decays = weight->decay || (all && !weight->statistic);
    text_put(out, "  {\"%s\", %d, {", weight->name, weight->rank);
    for (int d = 0; d < weight->rank; d++) text_put(out, "%s%" PRId64, d ? ", " : "", weight->dim[d]);
    const char *role = weight->training_only ? "CNN_PASSING"
                       : weight->statistic   ? "CNN_STATISTIC"
                       : weight->frozen      ? "CNN_FROZEN"
                                             : "CNN_TRAINED";
    const Node *flatten = graph_flatten_before(weight);
    const Extent from = flatten ? shape_extent(flatten->in[0]->shape) : (Extent){0};
    text_put(out, "}, %" PRId64 ", %" PRId64 ", %s, %d, {", weight->offset, weight->size, role, decays);
    text_put(out, from.h ? "%" PRId64 ", %" PRId64 ", %" PRId64 "}},\n" : "0}},\n", from.h, from.w, from.c);
  }
  text_put(out, "};\n");
}

static int64_t own_parameters(const Node *node) {
  int64_t n = 0;
  for (int k = 0; k < node->nweights; k++)
    if (node->weight[k] && node->weight[k]->owner == node) n += node->weight[k]->size;
  return n;
}

static int put_layers(Text *out, Net *net) {
  int n = 0;
  text_put(out, "static const cnn_layer %s[] = {\n", net->own->network_layers);
  for (int i = 0; i < written(net)->nodes.n; i++) {
    const Node *node = written(net)->nodes.data[i];
    if (node_is_input(node)) continue;
    const int line = sources_get(net->sources, node->span.file)
                         ? sources_place(net->sources, node->span.file, node->span.start).line
                         : 0;
    text_put(out, "  {.name = \"%s\", .op = \"%s\", .line = %d, ", node->name, node->op->name, line);
    put_shape(out, node->shape);
    text_put(out, ", .parameters = %" PRId64 ", .macs = %" PRId64 ", .bytes = %" PRId64 "},\n",
             own_parameters(node), node_macs(node), 4 * shape_elements(node->shape));
    n++;
  }
  text_put(out, "};\n");
  return n;
}

static const char *name_of_step(const Kernel *kernel) {
  return *kernel->root->name ? kernel->root->name : kernel->root->op->name;
}

static int64_t macs_of_step(const Kernel *kernel) {
  int64_t macs = node_macs(kernel->root);
  for (int i = 0; i < kernel->nchain; i++) macs += node_macs(kernel->chain[i]);
  return macs;
}

static void put_network_steps(Text *out, Net *net) {
  if (!net->layout->infer.steps.n) return;
  text_put(out, "static const cnn_step %s[] = {\n", net->own->network_steps);
  for (int s = 0; s < net->layout->infer.steps.n; s++) {
    const Kernel *kernel = net->layout->infer.steps.data[s].call->kernel;
    text_put(out, "  {\"%s", name_of_step(kernel));
    for (int i = 0; i < kernel->nchain; i++) text_put(out, " + %s", kernel->chain[i]->op->name);
    if (kernel->pool) text_put(out, " + %s", kernel->pool->op->name);
    if (kernel->means) text_put(out, " + %s", kernel->means->op->name);
    text_put(out, "\", %" PRId64 "},\n", macs_of_step(kernel));
  }
  text_put(out, "};\n");
}

static const char *part_of_step(const Net *net, const Node *root) {
  bool loss = false;
  for (int i = 0; i < net->graph->training->losses.n; i++)
    loss = loss || net->layout->train.program->loss[i] == root;
  return root->result == RESULT_SUM ? "CNN_WEIGHT_GRADIENT"
         : root->backward && !loss  ? "CNN_INPUT_GRADIENT"
                                    : "CNN_FORWARD";
}

/* Prints the training steps. The last two entries are the work before and after the calls of kernels
 * (put_upkeep_mark). */
static void put_training_steps(Text *out, Net *net) {
  if (!net->layout->train.program || !net->options->program) return;
  text_put(out, "static const cnn_training_step %s[] = {\n", net->own->network_training_steps);
  for (int s = 0; s < net->layout->train.steps.n; s++) {
    const Kernel *kernel = net->layout->train.steps.data[s].call->kernel;
    text_put(out, "  {\"%s\", %" PRId64 ", %s},\n", name_of_step(kernel), macs_of_step(kernel),
             part_of_step(net, kernel->root));
  }
  text_put(out, "  {\"weights packed\", 0, CNN_UPKEEP},\n  {\"gradients added\", 0, CNN_UPKEEP},\n};\n");
}

/* ---- the recipe ---- */
static void put_options(Text *out, const Net *net, const char *name, const Setting *list, int n) {
  if (!n) return;
  text_put(out, "static const cnn_option %s[] = {\n", name);
  for (int i = 0; i < n; i++) {
    VEC(double) values = {0};
    for (int k = 0; list[i].form->params && list[i].form->params[k].name; k++) {
      const Const *value = &list[i].arg[k];
      const bool several = value->kind == CONST_RANGE || value->kind == CONST_DIMS;
      const int items = several ? value->n : value->kind == CONST_INT || value->kind == CONST_FLOAT;
      for (int m = 0; m < items; m++)
        vec_push(net->arena, values, number(several ? &value->items[m] : value, 0));
      if (value->kind == CONST_DIMS && items == 1) /* a dimension with one number N means N x N */
        vec_push(net->arena, values, number(value->items, 0));
    }
    text_put(out, "  {\"%s\", {", list[i].form->name);
    for (int k = 0; k < values.n; k++) {
      text_put(out, "%s", k ? ", " : "");
      put_double(out, values.data[k]);
    }
    text_put(out, "%s}, %d},\n", values.n ? "" : "0", values.n);
  }
  text_put(out, "};\n");
}

static void put_recipe(Text *out, Net *net) {
  const Training *t = written(net)->training;
  const Param *optimizer = t->optimizer.form->params, *schedule = t->schedule.form->params;
  const Const *at = setting(schedule, t->schedule.arg, "at");
  const bool milestones = at && at->kind == CONST_LIST && at->n;
  put_options(out, net, net->own->network_augment, t->augment.data, t->augment.n);
  put_options(out, net, net->own->network_metrics, t->metrics.data, t->metrics.n);
  if (milestones) {
    text_put(out, "static const double %s[] = {", net->own->network_milestones);
    for (int i = 0; i < at->n; i++) {
      text_put(out, "%s", i ? ", " : "");
      put_double(out, number(&at->items[i], 0));
    }
    text_put(out, "};\n");
  }
  text_put(out, "static const cnn_recipe %s = {\n  .optimizer = CNN_%s,\n", net->own->network_recipe,
           name_upper(net->arena, t->optimizer.form->name));
  for (const char *const *s = (const char *const[]){"rate", "momentum", "weight_decay", "beta1", "beta2",
                                                    "epsilon", "alpha", "trust", NULL};
       *s; s++)
    put_field(out, *s, number(setting(optimizer, t->optimizer.arg, *s), 0));
  put_count(out, "nesterov", (int64_t)number(setting(optimizer, t->optimizer.arg, "nesterov"), 0));
  text_put(out, "  .schedule = CNN_%s,\n", name_upper(net->arena, t->schedule.form->name));
  static const char *const numbers[] = {"warmup", "factor", "power", "floor", "every", NULL};
  for (const char *const *s = numbers; *s; s++)
    put_field(out, *s, number(setting(schedule, t->schedule.arg, *s), 0));
  put_count(out, "patience", (int64_t)number(setting(schedule, t->schedule.arg, "patience"), 0));
  if (milestones)
    text_put(out, "  .milestones = %d, .milestone = %s,\n", at->n, net->own->network_milestones);
  text_put(out, "  .batch = %" PRId64 ", .epochs = %" PRId64 ", .seed = UINT64_C(%" PRIu64 "),\n", t->batch,
           t->epochs, (uint64_t)t->seed);
  put_count(out, "accumulate", t->accumulate);
  if (t->steps > 1) put_count(out, "steps", t->steps);
  put_count(out, "loss_from", t->loss_from);
  put_count(out, "early_stop", t->early_stop);
  put_field(out, "average", t->average);
  put_field(out, "clip_norm", t->clip_norm);
  put_count(out, "target_is_input", t->target_is_input);
  if (t->aware && net->layout->train.program)
    text_put(out, "  .quantize = 1, .quantize_start = %" PRId64 ", .quantize_switch = %" PRId64 ",\n",
             t->aware->start, t->aware->on->offset);
  if (t->augment.n)
    text_put(out, "  .augments = %d, .augment = %s,\n", t->augment.n, net->own->network_augment);
  if (t->metrics.n)
    text_put(out, "  .metrics = %d, .metric = %s,\n", t->metrics.n, net->own->network_metrics);
  text_put(out, "};\n");
}

/* ---- functions ---- */
static void put_infer_call(Text *out, Net *net, const char *function, bool timed) {
  Text list = {.arena = net->arena};
  const bool counts = program_counts(net->layout->infer.program), one = timed && !counts;
  if (net->model) list_add(&list, "model");
  for (int i = 0; i < net->graph->inputs.n; i++) {
    const char *type = net_input_type(net, i);
    list_add(&list, one ? arena_printf(net->arena, "(const %s *)input[%d] + i * %s", type, i,
                                       net->input[i].macro.SIZE)
                        : arena_printf(net->arena, "input[%d]", i));
  }
  if (timed && counts) list_add(&list, net->macro->BATCH);
  for (int o = 0; o < net->graph->outputs.n; o++)
    list_add(&list, one ? arena_printf(net->arena, "output[%d] + i * %s", o, net->output[o].macro.SIZE)
                        : arena_printf(net->arena, "output[%d]", o));
  if (timed && layout_all_floats(net->layout))
    list_add(&list, arena_printf(net->arena, "((%s *)workspace)->all", net->own->workspace));
  if (timed)
    list_add(&list, arena_printf(net->arena, "((%s *)workspace)->arena%s, mark, context", net->own->workspace,
                                 net->layout->infer.program->slots > 1 &&
                                         net->layout->infer.program->batching.how != WHOLE_BATCH
                                     ? "[0]"
                                     : ""));
  else list_add(&list, net_steps(net) ? "state, workspace" : "workspace");
  if (one) text_put(out, "for (int i = 0; i < %s; i++) ", net->macro->BATCH);
  const bool team = timed && net->layout->infer.program->team;
  if (team && net_pool(net)) pool_call(out, net, function, list.s);
  else text_put(out, team ? "TEAM(%s(%s, THREAD, THREADS));\n" : "%s(%s);\n", function, list.s);
}

static void put_functions_of_weights(Text *out, Net *net) {
  text_put(out, "static void %s(float *weights, uint64_t seed) { ", net->own->network_init);
  if (net->weights) text_put(out, "%s((%s *)(void *)weights, seed); }\n", net->own->init, net->own->weights);
  else text_put(out, "(void)weights, (void)seed; }\n");
  text_put(out, "static void %s(void *model, const float *weights) { ", net->own->network_pack);
  if (net->weights)
    text_put(out, "%s(model, (const %s *)(const void *)weights); }\n", net->own->pack, net->own->weights);
  else if (net->model)
    text_put(out, "(void)weights, memcpy(model, &%s, sizeof %s); }\n", net->own->trained, net->own->trained);
  else text_put(out, "(void)model, (void)weights; }\n");
}

static void put_functions_of_steps(Text *out, Net *net) {
  text_put(out, "static void %s(void *state) { %s(state); }\n", net->own->network_reset, net->own->reset);
  text_put(out,
           "static void %s(const void *model, const void *const *input, float *const *output, "
           "void *state, void *workspace) {\n",
           net->own->network_step);
  if (!net->model) text_put(out, "  (void)model;\n");
  text_put(out, "  ");
  put_infer_call(out, net, net->own->step, false);
  text_put(out, "}\n");
}

static void put_functions_of_inference(Text *out, Net *net) {
  if (net_steps(net)) {
    put_functions_of_steps(out, net);
    return;
  }
  text_put(out,
           "static void %s(const void *model, const void *const *input, float *const *output, "
           "void *workspace) {\n",
           net->own->network_infer);
  if (!net->model) text_put(out, "  (void)model;\n");
  text_put(out, "  ");
  put_infer_call(out, net, net->own->infer, false);
  text_put(out, "}\n");
  if (!net->options->program) return;
  text_put(out,
           "static void %s(const void *model, const void *const *input, float *const "
           "*output, void *workspace, void (*mark)(void *, int32_t), void *context) {\n",
           net->own->network_infer_timed);
  if (!net->model) text_put(out, "  (void)model;\n");
  text_put(out, "  ");
  put_infer_call(out, net, net->own->run, true);
  text_put(out, "}\n");
}

typedef enum GradientsVariant { GRADIENTS, GRADIENTS_SHARED, GRADIENTS_TIMED } GradientsVariant;

/* GRADIENTS_SHARED: the variant for several processes; GRADIENTS_TIMED: with timing marks. */
static void put_function_of_training(Text *out, Net *net, GradientsVariant variant) {
  static const char *const parameters[] = {[GRADIENTS] = "",
                                           [GRADIENTS_SHARED] = ", const cnn_exchange *exchange",
                                           [GRADIENTS_TIMED] =
                                               ", void (*mark)(void *, int32_t), void *context"};
  const OwnNames *own = net->own;
  const bool shared = variant == GRADIENTS_SHARED;
  const char *name = shared                       ? own->network_gradients_shared
                     : variant == GRADIENTS_TIMED ? own->network_gradients_timed
                                                  : own->network_gradients;
  Text list = {.arena = net->arena};
  if (net->model)
    list_add(&list, arena_printf(net->arena, "(const %s *)(const void *)weights", net->own->weights));
  for (int i = 0; i < net->graph->inputs.n; i++) list_add(&list, arena_printf(net->arena, "input[%d]", i));
  for (int o = 0; o < graph_ports(net->graph); o++)
    if (net->layout->train.program->target_of[o]) list_add(&list, arena_printf(net->arena, "target[%d]", o));
  if (truth_read(net)) list_add(&list, arena_printf(net->arena, "target[%d]", graph_ports(net->graph)));
  list_add(&list, "count, seed, step");
  if (net->model) list_add(&list, arena_printf(net->arena, "(%s *)(void *)gradients", net->own->weights));
  for (int o = 0; o < net->graph->outputs.n; o++)
    list_add(&list, arena_printf(net->arena, "output ? output[%d] : NULL", o));
  list_add(&list, "training");
  if (shared) list_add(&list, "exchange");
  else if (net_processes(net)) list_add(&list, "&alone");
  if (net->options->program) list_add(&list, variant == GRADIENTS_TIMED ? "mark, context" : "NULL, NULL");
  text_put(out,
           "static float %s(const float *weights, const void *const *input, const void "
           "*const *target, int32_t count, uint64_t seed, uint64_t step,\n"
           "                                  float *gradients, float *const *output, void *training%s) {\n",
           name, parameters[variant]);
  if (!net->model) text_put(out, "  (void)weights, (void)gradients;\n");
  if (!shared && net_processes(net))
    text_put(out, "  const cnn_exchange alone = {.last = %" PRId64 "};\n",
             net->layout->train.program->shards);
  text_put(out, "  return %s(%s);\n}\n", net->own->gradients, list.s);
}

/* ---- NAME_network ---- */
static void put_summary(Text *out, Net *net) {
  text_put(out, "#ifdef __GNUC__\n#pragma GCC diagnostic push\n#pragma GCC diagnostic ignored "
                "\"-Woverlength-strings\"\n#endif\n");
  text_put(out, "static const char %s[] =", net->own->network_summary);
  for (const char *line = net->options->summary; *line;) {
    const size_t length = strcspn(line, "\n") + (line[strcspn(line, "\n")] != 0);
    text_put(out, "\n  ");
    put_string(out, arena_copy(net->arena, line, length));
    line += length;
  }
  text_put(out, "%s;\n#ifdef __GNUC__\n#pragma GCC diagnostic pop\n#endif\n",
           *net->options->summary ? "" : " \"\"");
}

static int64_t total_macs(const Graph *graph) {
  int64_t macs = 0;
  for (int i = 0; i < graph->nodes.n; i++) macs += node_macs(graph->nodes.data[i]);
  return macs;
}

static void put_truth_sizes(Text *out, const Net *net) {
  const Graph *graph = net->graph;
  const Node *instance = net->layout->train.program->target_of[graph_ports(graph) + TRUTH_INSTANCE];
  text_put(out, "  .truth_objects = %s, .truth_bytes = sizeof(%s),\n", net->macro->TRUTH_OBJECTS,
           net->own->truth);
  if (instance)
    text_put(out, "  .truth_height = %" PRId64 ", .truth_width = %" PRId64 ",\n", instance->shape.dim[0],
             instance->shape.dim[1]);
}

static void put_sharing(Text *out, const Net *net) {
  const Program *p = net->layout->train.program;
  text_put(out, "  .shards = %" PRId64 ", .lanes = %d,\n  .gradients_shared = %s,\n", p->shards,
           p->batching.how == INTERLEAVED ? p->batching.lanes : 1, net->own->network_gradients_shared);
}

static void put_gradients_functions(Text *out, Net *net) {
  text_put(out, "  .gradients = %s,\n", net->own->network_gradients);
  if (net->options->program)
    text_put(out,
             "  .training_steps = %d, .training_step = %s,\n"
             "  .gradients_timed = %s,\n",
             net->layout->train.steps.n + 2, net->own->network_training_steps,
             net->own->network_gradients_timed);
  if (net_processes(net)) put_sharing(out, net);
}

static void put_inference_functions(Text *out, Net *net) {
  const Stream *stream = net->graph->stream;
  if (stream) {
    put_count(out, "window", stream->window);
    put_count(out, "ready", stream->ready);
  }
  if (net_steps(net))
    text_put(out, "  .state_bytes = %s,\n  .reset = %s,\n  .step = %s,\n", net->macro->STATE_BYTES,
             net->own->network_reset, net->own->network_step);
  else text_put(out, "  .infer = %s,\n", net->own->network_infer);
  if (net->options->program && !net_steps(net))
    text_put(out, "  .infer_timed = %s,\n", net->own->network_infer_timed);
}

void put_network(Text *out, Net *net) {
  const Graph *graph = net->graph;
  const bool training = net->layout->train.program != NULL,
             recipe = written(net)->training != NULL; /* also without training code: eval needs the metrics */
  if (!net->options->network) return;
  text_put(out, "/* ---- for the runtime ---- */\n\n");
  put_inputs(out, net);
  put_outputs(out, net);
  put_weights(out, net);
  const int layers = put_layers(out, net);
  put_network_steps(out, net);
  put_training_steps(out, net);
  if (recipe) put_recipe(out, net);
  put_summary(out, net);
  text_put(out, "\n");
  put_functions_of_weights(out, net);
  put_functions_of_inference(out, net);
  if (training) put_function_of_training(out, net, GRADIENTS);
  if (training && net_processes(net)) put_function_of_training(out, net, GRADIENTS_SHARED);
  if (training && net->options->program) put_function_of_training(out, net, GRADIENTS_TIMED);
  if (net->layout->look.program) put_look_tables(out, net);
  text_put(out, "\n%sconst cnn_network %s = {\n", net->options->program ? "static " : "", net->own->network);
  text_put(out, "  .version = CNN_NETWORK_VERSION,\n  .name = \"%s\",\n  .target = \"%s\",\n", graph->name,
           net_target_names(net));
  text_put(out, "  .inputs = %d, .outputs = %d, .weights = %d, .layers = %d, .steps = %d, .labels = %d,\n",
           graph->inputs.n, graph->outputs.n, net->weights ? graph->weights.n : 0, layers,
           net->layout->infer.steps.n, graph->nlabels);
  text_put(out,
           "  .input = %s,\n  .output = %s,\n  .layer = %s,\n  "
           ".summary = %s,\n",
           net->own->network_inputs, net->own->network_outputs, net->own->network_layers,
           net->own->network_summary);
  if (graph->values.n) text_put(out, "  .values = %d,\n", graph->values.n);
  if (training && truth_read(net)) put_truth_sizes(out, net);
  if (net->weights) text_put(out, "  .weight = %s,\n", net->own->network_weights);
  if (net->layout->infer.steps.n) text_put(out, "  .timed = %s,\n", net->own->network_steps);
  if (graph->nlabels) text_put(out, "  .label = %s,\n", net->own->labels);
  text_put(out, "  .parameters = %s,\n  .macs = INT64_C(%" PRId64 "),\n  .batch = %s,\n",
           net->macro->PARAMETERS, total_macs(graph), net->macro->BATCH);
  if (training) text_put(out, "  .train_batch = %s,\n", net->macro->TRAIN_BATCH);
  text_put(out,
           "  .model_bytes = %s, .workspace_bytes = %s, .training_bytes = "
           "%s,\n",
           net->macro->MODEL_BYTES, net->macro->WORKSPACE_BYTES, net->macro->TRAINING_BYTES);
  if (recipe) text_put(out, "  .recipe = &%s,\n", net->own->network_recipe);
  if (initial_weights(net)) text_put(out, "  .initial = %s,\n", initial_weights(net));
  text_put(out, "  .target_name = %s,\n  .init = %s,\n  .pack = %s,\n", net->own->target,
           net->own->network_init, net->own->network_pack);
  if (net_pool(net)) text_put(out, "  .threads = %s,\n", net->own->threads);
  if (net->options->program) text_put(out, net->options->flush ? "  .flush_denormals = 1,\n" : "");
  else text_put(out, "#ifdef %s\n  .flush_denormals = 1,\n#endif\n", net->macro->FLUSH_DENORMALS);
  put_inference_functions(out, net);
  if (training) put_gradients_functions(out, net);
  if (net->layout->look.program) text_put(out, "  .look = &%s,\n", net->own->network_look);
  text_put(out, "};\n\n");
}

void put_main(Text *out, Net *net) {
  const char *function = net_processes(net) ? "cnn_main_mpi" : "cnn_main";
  if (net->options->program)
    text_put(out,
             "int %s(int argc, char **argv, const cnn_network *network);\nint main(int argc, char "
             "**argv) { return %s(argc, argv, &%s); }\n",
             function, function, net->own->network);
}
