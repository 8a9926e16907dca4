/* module.c: prints the functions of a layout, with the comments above them. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/module.h"
#include <string.h>

static const char stand_in[] = "cnnc_function";

/* ---- comments ---- */
static void put_layer(Net *net, Text *out, const Node *node) {
  text_put(out, "%s%s", out->n ? "\n" : "", layer_text(net->arena, net->sources, node));
  if (!node->hidden && node->op->detail) text_put(out, "\n    %s", node->op->detail);
}

/* What a kernel computes: the layers in it, with their places in the program and their formulas, then what
 * the schedule says about itself. */
static const char *kernel_comment(Net *net, const Kernel *kernel, const Nest *nest) {
  Text out = {.arena = net->arena};
  if (kernel->normalize) put_layer(net, &out, kernel->normalize);
  if (kernel->gate) put_layer(net, &out, kernel->gate);
  put_layer(net, &out, kernel->root);
  for (int i = 0; i < kernel->nscales; i++) put_layer(net, &out, kernel->scale[i]);
  for (int i = 0; i < kernel->nchain; i++) put_layer(net, &out, kernel->chain[i]);
  if (kernel->pool) put_layer(net, &out, kernel->pool);
  if (kernel->means) put_layer(net, &out, kernel->means);
  if (nest->about && *nest->about) text_put(&out, "\n%s", nest->about);
  return out.s;
}

static void add_layer(Net *net, Printed *printed, Table *told, const Node *node, bool also) {
  const char *layer = node ? layer_text(net->arena, net->sources, node) : "";
  if (!*layer || table_find(told, layer)) return;
  table_set(net->arena, told, layer, printed);
  if (also) vec_push(net->arena, printed->also, layer);
}

/* The function computes the layers of the kernel; also: beside those that its comment has. */
static void add_layers(Net *net, Printed *printed, Table *told, const Kernel *kernel, bool also) {
  add_layer(net, printed, told, kernel->normalize, also);
  add_layer(net, printed, told, kernel->gate, also);
  add_layer(net, printed, told, kernel->root, also);
  for (int i = 0; i < kernel->nscales; i++) add_layer(net, printed, told, kernel->scale[i], also);
  for (int i = 0; i < kernel->nchain; i++) add_layer(net, printed, told, kernel->chain[i], also);
  add_layer(net, printed, told, kernel->pool, also);
  add_layer(net, printed, told, kernel->means, also);
}

/* ---- functions ---- */
static const char *print_nest(Net *net, Section *section, const NestFunction *function) {
  Text text = {.arena = net->arena};
  NestPrint print = section->print;
  Nest *nest = function->nest;
  print.team = function->team;
  const char *name = nest->name, *about = nest->about, *main = nest->main->name;
  nest->name = nest->main->name = stand_in;
  nest->about = "";
  emit_nest(&text, nest, &print);
  nest->name = name;
  nest->about = about;
  nest->main->name = main;
  return text.s;
}

static const char *renamed(Arena *arena, const char *text, const char *name) {
  Text out = {.arena = arena};
  for (const char *at; (at = strstr(text, stand_in)); text = at + strlen(stand_in)) {
    text_bytes(&out, text, (size_t)(at - text));
    text_put(&out, "%s", name);
  }
  text_put(&out, "%s", text);
  return out.s;
}

static void print_function(Net *net, Section *section, const NestFunction *function) {
  Printed *printed = &section->printed[function->id];
  const Kernel *kernel = function->kernel;
  const char *about = function->nest->about;
  Table told = {0};
  printed->function = function;
  printed->comment = kernel ? kernel_comment(net, kernel, function->nest) : about ? about : "";
  if (kernel) add_layers(net, printed, &told, kernel, false);
  for (int i = 0; i < function->also.n; i++) add_layers(net, printed, &told, function->also.data[i], true);
  printed->code = print_nest(net, section, function);
  printed->text = renamed(net->arena, printed->code, function->own);
  printed->call = arena_printf(net->arena, "%s(", function->name);
  printed->stack = function->stack;
  vec_push(net->arena, section->functions, printed);
}

/* ---- the net ---- */
static void section_begin(Net *net, Section *section, const Functions *functions, const char *attribute) {
  const Target *target = functions->target;
  const char *suffix = functions->suffix;
  *section = (Section){.target = target, .suffix = suffix, .attribute = attribute};
  const Target *vectors = target && target->vectors ? target->vectors : target;
  section->print = (NestPrint){{arena_printf(net->arena, "%s_", net->name), suffix, attribute,
                                .helium = vectors && vectors->dot == DOT_ACROSS,
                                .vnni = target && target->avx == AVX_VNNI},
                               !target || target->vectors ? LANES : target->lanes,
                               .apart = !target || target->dsp,
                               .load2 = target && target->dsp,
                               .alike = net->layout->options.merge,
                               .standard = target && !target->condition,
                               .needs = &section->needs};
}

static void print_section(Net *net, Section *section, const Functions *functions, const char *attribute) {
  section_begin(net, section, functions, attribute);
  section->printed = NEW_ARRAY(net->arena, Printed, functions->all.n + 1);
  for (int i = 0; i < functions->all.n; i++) print_function(net, section, functions->all.data[i]);
}

static void print_sections(Net *net) {
  const LayoutOptions *o = &net->layout->options;
  print_section(net, &net->pack, &net->layout->pack, "");
  net->section = NEW_ARRAY(net->arena, Section, o->ntargets);
  for (int t = 0; t < o->ntargets; t++) {
    const Target *target = o->target[t];
    print_section(net, &net->section[t], &net->layout->targets[t],
                  target->attribute
                      ? arena_printf(net->arena, "%s_%s", net->upper, name_upper(net->arena, target->suffix))
                      : "");
    if (o->merge) alike_share(net, &net->section[t]);
  }
}

Net *emit_net(Layout *layout, const Sources *sources, const EmitOptions *options) {
  Net *net = NEW(layout->arena, Net);
  *net = (Net){.arena = layout->arena,
               .layout = layout,
               .options = options,
               .graph = layout->graph,
               .sources = sources,
               .name = layout->options.prefix,
               .upper = layout->upper,
               .own = &layout->own,
               .macro = &layout->macro,
               .model = layout->model,
               .weights = layout->weights,
               .input = layout->input,
               .output = layout->output,
               .truth = layout->truth};
  print_sections(net);
  return net;
}

const char *net_linkage(const Net *net) { return net->options->program ? "static " : ""; }

const char *net_target_names(const Net *net) {
  const char *names = net->layout->options.target[0]->name;
  for (int t = 1; t < net->layout->options.ntargets; t++)
    names = arena_printf(net->arena, "%s,%s", names, net->layout->options.target[t]->name);
  return names;
}

const char *net_input_type(const Net *net, int i) {
  return elem_c_type(net->graph->inputs.data[i].node->port->elem);
}

const char *net_output_type(const Net *net, int i) {
  return elem_c_type(net->graph->outputs.data[i].node->elem);
}
