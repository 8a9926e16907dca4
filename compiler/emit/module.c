/* module.c: Printer of the functions of a layout, with the comments above them. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/pool.h"
#include <string.h>

/* ---- comments ---- */
static void put_layer(Net *net, Text *out, const Node *node) {
  text_put(out, "%s%s", out->n ? "\n" : "", layer_text(net->arena, net->sources, node));
  if (!node->hidden && node->op->detail) text_put(out, "\n    %s", node->op->detail);
}

/* Comment of a kernel: its layers, with source locations and formulas, then the schedule's remarks. */
static const char *kernel_comment(Net *net, const Kernel *kernel, const Nest *nest) {
  Text out = {.arena = net->arena};
  int n;
  Node *const *layer = kernel_layers(net->arena, kernel, &n);
  for (int i = 0; i < n; i++) put_layer(net, &out, layer[i]);
  if (nest->about && *nest->about) text_put(&out, "\n%s", nest->about);
  return out.s;
}

static void add_layer(Net *net, Printed *printed, Table *known, const Node *node, bool also) {
  const char *layer = layer_text(net->arena, net->sources, node);
  if (!*layer || table_find(known, layer)) return;
  table_set(net->arena, known, layer, printed);
  if (also) vec_push(net->arena, printed->also, layer);
}

/* Records that the function computes the layers of the kernel. also: the function's own comment does not name
 * these layers, so they are added to printed->also. */
static void add_layers(Net *net, Printed *printed, Table *known, const Kernel *kernel, bool also) {
  int n;
  Node *const *layer = kernel_layers(net->arena, kernel, &n);
  for (int i = 0; i < n; i++) add_layer(net, printed, known, layer[i], also);
}

/* ---- functions ---- */
static NestPrint print_of(const Section *section, const NestFunction *function) {
  NestPrint print = section->print;
  print.team = function->team;
  print.merged = function->merged ? &function->numbers : NULL;
  return print;
}

static void print_codes(Net *net, Section *section, const NestFunction *function, Printed *printed) {
  const NestPrint print = print_of(section, function);
  for (int i = 0; i < function->instances->instances.n; i++) {
    const Instance *instance = function->instances->instances.data[i];
    NestText *code = &section->code[instance->code];
    if (!code->body) *code = emit_nest_function(net->arena, function->instances, instance, &print);
    printed->text = code;
  }
}

void put_called(Text *out, const Section *section, const Printed *printed, bool *done) {
  const Instances *instances = printed->function->instances;
  for (int i = 0; i < instances->instances.n - 1; i++) {
    const int code = instances->instances.data[i]->code;
    if (!done[code]) put_nest_text(out, &section->code[code]);
    done[code] = true;
  }
}

static const char *function_comment(Net *net, const NestFunction *function) {
  const char *about = function->nest->about;
  return function->kernel ? kernel_comment(net, function->kernel, function->nest) : about ? about : "";
}

static void print_function(Net *net, Section *section, const NestFunction *function) {
  Printed *printed = &section->printed[function->id];
  printed->function = function;
  printed->comment = function_comment(net, function);
  if (!function->merged) printed->heading = emit_nest_heading(net->arena, function->instances);
  print_codes(net, section, function, printed);
  vec_push(net->arena, section->functions, printed);
}

/* Adds comments on the layers that a function computes in addition to the layers that its own comment
 * names. */
static void add_also(Net *net, const Section *section, const Functions *functions) {
  for (int i = 0; i < section->functions.n; i++) {
    Printed *printed = section->functions.data[i];
    for (int k = 0; k < functions->all.n; k++) {
      const NestFunction *function = functions->all.data[k];
      if (function->into != printed->function) continue;
      Table known = {0};
      if (function != printed->function) vec_push(net->arena, printed->also, function_comment(net, function));
      if (function->kernel) add_layers(net, printed, &known, function->kernel, false);
      for (int j = 0; j < function->also.n; j++)
        add_layers(net, printed, &known, function->also.data[j], true);
    }
  }
}

/* ---- the net ---- */
static void section_begin(Net *net, Section *section, const Functions *functions, const char *attribute) {
  const Target *target = functions->target;
  const char *suffix = functions->suffix;
  *section = (Section){.target = target, .suffix = suffix, .attribute = attribute};
  const Target *vectors = target && target->vectors ? target->vectors : target;
  section->print =
      (NestPrint){{arena_printf(net->arena, "%s_", net->name), suffix, attribute,
                   .helium = vectors && vectors->dot == DOT_ACROSS, .vnni = target && target->avx >= AVX_VNNI,
                   .bf16 = target && target->dots > 0 ? target->lanes : 0,
                   .f16 = target ? target_f16_lanes(target) : 0, .amx = target && target->avx == AVX_AMX},
                  !target || target->vectors ? LANES : target->lanes,
                  .apart = !target || target->dsp,
                  .load2 = target && target->dsp,
                  .acsl = net->options->acsl,
                  .acsl_eva = target && target_is_scalar_board(target),
                  .pool = net_pool(net) ? net_pool(net)->team : NULL,
                  .standard = target && !target->condition,
                  .needs = &section->needs};
}

static void print_section(Net *net, Section *section, const Functions *functions, const char *attribute) {
  section_begin(net, section, functions, attribute);
  section->codes = functions->codes.n;
  section->code = NEW_ARRAY(net->arena, NestText, functions->codes.n + 1);
  section->printed = NEW_ARRAY(net->arena, Printed, functions->all.n + 1);
  for (int i = 0; i < functions->all.n; i++)
    if (functions->all.data[i]->into == functions->all.data[i])
      print_function(net, section, functions->all.data[i]);
  add_also(net, section, functions);
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
               .output = layout->output};
  if (options->pool) net->pool = pool_names(net);
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
