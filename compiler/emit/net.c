/* net.c: Printer of the C file, from its first comment to its last function. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include "emit/acsl.h"
#include "emit/pool.h"
#include "report/codeless.h"

/* ---- start of the file ---- */
void put_banner(Text *out, Net *net, bool header) {
  const bool program = net->options->program;
  text_put(out, "/* %s: the net `%s` as C%s. Made by cnnc; change the program, not this file.\n", net->name,
           net->graph->name,
           header    ? ": declarations"
           : program ? ", with main()"
                     : "");
  text_put(out, " *\n * This text and the weights in it belong to the author of the net, who may use them in "
                "any way, without conditions.\n");
  if (!header && net->options->summary && *net->options->summary) {
    text_put(out, " *\n");
    put_comment(out, net->options->summary, " * ");
  }
  text_put(out, " */\n// SPDX-License-Identifier: MIT-0\n");
}

void put_includes(Text *out) {
  text_put(out, "#if __STDC_HOSTED__ || !defined(__GNUC__)\n#include <string.h>\n"
                "#else // without a C library: the builtins may call functions named memcpy and memset\n"
                "#define memcpy __builtin_memcpy\n#define memset __builtin_memset\n#endif\n\n");
}

static void put_top(Text *out, Net *net) {
  const bool single = !net->options->header;
  if (net_pool(net))
    text_put(out, "#if defined(__linux__) && !defined(_GNU_SOURCE)\n#define _GNU_SOURCE // for the number of "
                  "processors\n#endif\n");
  if (single) text_put(out, "#include <stddef.h>\n#include <stdint.h>\n");
  else text_put(out, "#include \"%s\"\n", net->options->header);
  put_includes(out);
  if (!single) return;
  put_network_types(out, net);
  put_declarations(out, net);
}

static void put_assertions(Text *out, Net *net) {
  text_put(out, "/* The sizes in the header must match the structs. */\n");
  if (net->weights)
    text_put(out, "_Static_assert(sizeof(%s) == %s * sizeof(float), \"weights\");\n", net->own->weights,
             net->macro->PARAMETERS);
  if (net->model)
    text_put(out, "_Static_assert(sizeof(%s) == %s, \"model\");\n", net->own->model, net->macro->MODEL_BYTES);
  text_put(out, "_Static_assert(sizeof(%s) == %s, \"workspace\");\n", net->own->workspace,
           net->macro->WORKSPACE_BYTES);
  if (net_steps(net))
    text_put(out, "_Static_assert(sizeof(%s) == %s, \"state\");\n", net->own->state, net->macro->STATE_BYTES);
  if (net->layout->train.program)
    text_put(out, "_Static_assert(sizeof(%s) == %s, \"training\");\n", net->own->training,
             net->macro->TRAINING_BYTES);
  text_put(out, "\n");
}

static void put_labels(Text *out, Net *net) {
  if (!net->graph->nlabels) return;
  text_put(out, "%sconst char *const %s[%d] = {", net_linkage(net), net->own->labels, net->graph->nlabels);
  for (int i = 0; i < net->graph->nlabels; i++) {
    text_put(out, "%s", i == 0 ? "\n  " : i % 8 ? ", " : ",\n  ");
    put_string(out, net->graph->label[i]);
  }
  text_put(out, "\n};\n\n");
}

/* ---- layers without code ---- */
/* Lists the layers without code. All other layers are named in the comment of a function. */
static void put_codeless(Text *out, Net *net) {
  bool any = false;
  const Table known = layout_layers(net->layout);
  for (int i = 0; i < net->graph->nodes.n; i++) {
    const Node *node = net->graph->nodes.data[i];
    if (node_is_input(node) || !*node->name || table_find(&known, node->name)) continue;
    if (!any) text_put(out, "// Layers without separate code:\n");
    any = true;
    emit_comment(out, 0,
                 arena_printf(net->arena, "  %s: %s", layer_text(net->arena, net->sources, node),
                              codeless_reason(net->layout, node)));
  }
  if (any) text_put(out, "\n");
}

/* ---- sections ---- */
/* Prints a line of a function's comment. The formula of an operator (an indented line) is printed once per
 * file. Any other line is printed only for the function's first target in the file that has this line. */
static void put_line_once(Text *out, Net *net, const char *of, const char *line) {
  static const char formula[] = "    ";
  const bool indented = strncmp(line, formula, strlen(formula)) == 0;
  const char *key = indented ? line : arena_printf(net->arena, "%s %s", of, line);
  if (table_find(&net->printed_lines, key)) return;
  table_set(net->arena, &net->printed_lines, key, net);
  emit_comment(out, 0, line);
}

static void put_lines_once(Text *out, Net *net, const char *of, const char *lines) {
  static const char ends[] = "\r\n";
  while (*lines) {
    const size_t n = strcspn(lines, ends);
    put_line_once(out, net, of, arena_copy(net->arena, lines, n));
    lines += n;
    lines += strspn(lines, ends);
  }
}

static void put_net_function(Text *out, Net *net, const Section *section, const Printed *function,
                             bool *done) {
  const size_t bare = strlen(function->function->name) - strlen(section->suffix);
  const char *of = arena_copy(net->arena, function->function->name, bare);
  put_lines_once(out, net, of, function->comment);
  for (int k = 0; k < function->also.n; k++)
    put_lines_once(out, net, of, arena_printf(net->arena, "also %s", function->also.data[k]));
  for (int i = 0; i < function->heading.n; i++) put_line_once(out, net, of, function->heading.data[i]);
  put_called(out, section, function, done);
  put_nest_text(out, function->text);
}

void put_functions(Text *out, Net *net, const Section *section) {
  bool *done = NEW_ARRAY(net->arena, bool, section->codes + 1);
  const size_t helpers = out->n;
  if (!net->barrier) emit_prelude(out, &section->needs, &section->print.names);
  if (net->options->acsl) acsl_helpers(out, helpers, section->print.names.prefix);
  for (int i = 0; i < section->functions.n; i++)
    if (net->barrier) put_declared(out, section->functions.data[i]);
    else put_net_function(out, net, section, section->functions.data[i], done);
}

/* Prints the macro that precedes the functions of a target. */
static void put_attribute(Text *out, const Section *section, bool lowest) {
  if (!*section->attribute) return;
  if (lowest && section->target->condition) text_put(out, "#if %s\n", section->target->condition);
  emit_attribute(out, section->attribute, section->target->attribute, section->target->lanes);
  if (lowest && section->target->condition) text_put(out, "#else\n#define %s\n#endif\n", section->attribute);
  text_put(out, "\n");
}

static bool is_lowest(const Net *net, const Section *section) {
  return section == &net->section[net->layout->options.ntargets - 1];
}

void put_section_begin(Text *out, const Net *net, const Section *section) {
  const bool lowest = is_lowest(net, section);
  if (!section->target) return;
  if (!lowest && section->target->condition) text_put(out, "#if %s\n", section->target->condition);
  put_attribute(out, section, lowest);
}

void put_section_end(Text *out, const Net *net, const Section *section) {
  if (section->target && !is_lowest(net, section) && section->target->condition) text_put(out, "#endif\n\n");
}

static void put_section(Text *out, Net *net, int target) {
  const Section *section = &net->section[target];
  text_put(out, "/* ---- %s%s ---- */\n\n", section->target->name,
           is_lowest(net, section) ? "" : ": comments state only differences from the functions above");
  put_section_begin(out, net, section);
  put_functions(out, net, section);
  put_infer(out, net, target);
  if (net->layout->train.program) put_gradients(out, net, target);
  if (net->layout->look.program) put_look(out, net, target);
  put_section_end(out, net, section);
}

static void put_end(Text *out, const PreludeNeeds *needs) {
  emit_prelude_end(out, needs);
  text_put(out, "#if !__STDC_HOSTED__ && defined(__GNUC__)\n#undef memcpy\n#undef memset\n#endif\n");
}

static bool computes_floats(const Graph *graph) {
  for (int i = 0; i < graph->nodes.n; i++)
    if (graph->nodes.data[i]->elem == F32 && !node_is_input(graph->nodes.data[i])) return true;
  return false;
}

PreludeNeeds net_needs(const Net *net) {
  PreludeNeeds needs = net->pack.needs;
  for (int t = 0; t < net->layout->options.ntargets; t++) prelude_merge(&needs, &net->section[t].needs);
  needs.kernel = needs.kernel || phases_apart(net);
  needs.team = needs.team || net->layout->infer.program->team || packing_shared(net);
  needs.pool = net_pool(net) != NULL;
  needs.team = needs.team || (needs.pool && pool_used(net)) || (net->options->openmp && pool_used(net));
  needs.modes = needs.team || computes_floats(net->graph);
  needs.inlined = needs.inlined || needs.modes;
  needs.flush = net->macro->FLUSH_DENORMALS;
  return needs;
}

void put_flush(Text *out, const Net *net) {
  if (net_needs(net).modes) text_put(out, "  FLUSH_DENORMALS\n");
}

/* In an executable, the runtime sets the mode. */
static void put_flush_macro(Text *out, const Net *net) {
  if (!net->options->flush || net->options->program || !net_needs(net).modes) return;
  text_put(out, "#ifndef %s // --denormals=flush\n#define %s\n#endif\n\n", net->macro->FLUSH_DENORMALS,
           net->macro->FLUSH_DENORMALS);
}

void emit_c(Text *out, Net *net) {
  const PreludeNeeds needs = net_needs(net);
  put_banner(out, net, false);
  put_top(out, net);
  put_assertions(out, net);
  put_labels(out, net);
  emit_precise(out);
  put_init(out, net);
  emit_contraction(out, !net->options->no_fma);
  text_put(out, "\n");
  put_flush_macro(out, net);
  const size_t helpers = out->n;
  emit_prelude_file(out, &needs, net->section[0].print.names.prefix);
  if (net->options->acsl) acsl_helpers(out, helpers, net->section[0].print.names.prefix);
  if (needs.pool && needs.team) pool_declare(out, net, true);
  put_pack(out, net);
  put_open(out, net);
  put_embedded(out, net);
  if (net->layout->train.program) put_batch_struct(out, net);
  if (net->layout->look.program) put_look_struct(out, net);
  put_codeless(out, net);
  for (int t = net->layout->options.ntargets - 1; t >= 0; t--) put_section(out, net, t);
  put_dispatch(out, net);
  if (net_steps(net)) put_state_functions(out, net);
  put_infer_entries(out, net);
  if (net->layout->train.program) put_gradients_entry(out, net);
  if (net->layout->look.program) put_look_entries(out, net);
  put_network(out, net);
  put_main(out, net);
  if (net->barrier) put_barrier(out, net);
  put_end(out, &needs);
  if (net_pool(net)) pool_define(out, net);
}
