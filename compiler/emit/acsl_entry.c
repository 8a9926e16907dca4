/* acsl_entry.c: Printer of NAME.acsl.c, the entry point of Frama-C: a call of the net with any input, and the
 * command that checks the net. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "emit/example.h"

/* Names of the functions without a contract: eva_main, the functions of the C interface, the function that
 * calls the kernels, and merged kernels. WP skips these functions; Eva analyzes their bodies. */
static const char *uncontracted(const Net *net) {
  Text list = {.arena = net->arena};
  list_add(&list, "eva_main");
  list_add(&list, net->own->run);
  list_add(&list, infer_name(net));
  list_add(&list, net->own->target);
  if (net->weights) list_add(&list, net->own->pack);
  if (pack_clears(net, F32)) list_add(&list, pack_clears(net, F32));
  if (net->model) list_add(&list, net->own->open);
  if (net_steps(net))
    list_add(&list, arena_printf(net->arena, "%s, %s", net->own->reset, net->own->state_ok));
  for (int i = 0; i < net->section[0].functions.n; i++) {
    const NestFunction *function = net->section[0].functions.data[i]->function;
    if (function->merged) list_add(&list, function->name);
  }
  return list.s;
}

static const char *without_blanks(Arena *arena, const char *list) {
  char *copy = arena_copy(arena, list, strlen(list)), *to = copy;
  for (const char *c = list; *c; c++)
    if (*c != ' ') *to++ = *c;
  *to = 0;
  return copy;
}

static bool needs_primitive(const Net *net, const Primitive *primitive) {
  for (int i = 0; i < PRIMITIVES; i++)
    if (primitive_table[i] == primitive) return net->section[0].needs.primitive[i] != 0;
  return false;
}

/* Prints the option that lists the inline functions whose contracts Eva uses instead of the bodies. */
static void put_specified(Text *out, const Net *net) {
  static const Primitive *const specified[] = {&primitive_softmax_reciprocal, &primitive_quantize_float};
  const char *before = " -eva-use-spec ";
  for (int i = 0; i < 2; i++) {
    if (!needs_primitive(net, specified[i])) continue;
    text_put(out, "%s%s_%s", before, net->name, specified[i]->name);
    before = ",";
  }
}

static void put_commands(Text *out, const Net *net, const char *file) {
  const char *stem = arena_copy(net->arena, file, strlen(file) - strlen(".c"));
  const bool board = net->section[0].print.acsl_eva;
  text_put(out, "/* %s: entry point with which Frama-C checks %s. Run in the directory of both files:\n *\n",
           net->name, file);
  text_put(out,
           " * frama-c -c11 -machdep %s \\\n"
           " *   -cpp-extra-args=\"-w -D_Alignof=__alignof__ '-D_Alignas(x)=' '-D_Pragma(x)='\" \\\n"
           " *   -warn-special-float none %s.acsl.c %s \\\n",
           board ? "gcc_x86_32" : "gcc_x86_64", stem, file);
  if (!board)
    text_put(out,
             " *   -no-warn-signed-overflow -wp -wp-rte -rte-no-float-to-int -wp-no-init-const \\\n"
             " *     -wp-prover z3,cvc4 -wp-timeout 20 \\\n *     -wp-skip-fct %s \\\n",
             without_blanks(net->arena, uncontracted(net)));
  text_put(out, " *   %s-eva -eva-precision 0 \\\n", board ? "" : "-then -no-wp -warn-signed-overflow ");
  text_put(out, " *     -eva-msg-key=-initial-state,-final-states -main eva_main");
  put_specified(out, net);
  text_put(out, " \\\n *   -then -no-eva -report\n *\n");
  text_put(
      out,
      board
          ? " * Eva: no input leads to undefined behavior in this code, with C instead of the CPU's\n"
            " * instructions, and each call of a kernel satisfies its contract. This is confirmed if there\n"
            " * is no alarm and each precondition is valid. WP is not run: its memory model cannot read\n"
            " * words from arrays of bytes.\n */\n"
          : " * WP: each kernel satisfies its contract, for any caller. Eva: no input leads to\n"
            " * undefined behavior, and each call of a kernel satisfies its contract. Both are confirmed if\n"
            " * all goals of WP are proved and the report at the end has nothing \"to be validated\".\n "
            "*/\n");
  text_put(out, "// SPDX-License-Identifier: MIT-0\n");
}

static void put_unknown(Text *out, const char *address, const char *object) {
  text_put(out, "  Frama_C_make_unknown((char *)%s%s, sizeof %s);\n", address, object, object);
}

static void put_packing_call(Text *out, const Net *net) {
  if (!net->weights) return;
  text_put(out, "  static %s weights;\n  static %s packed;\n", net->own->weights, net->own->model);
  put_unknown(out, "&", "weights");
  text_put(out, "  %s(&packed, &weights);\n", net->own->pack);
}

static void put_net_call(Text *out, const Net *net, const Example *example, bool trained) {
  const char *indent = net_steps(net) ? "  " : "";
  if (net->model && !trained) put_unknown(out, "&", "model");
  if (net_steps(net)) text_put(out, "%s\n  while (Frama_C_interval(0, 1)) {\n", example->reset);
  for (int i = 0; i < net->graph->inputs.n; i++) {
    text_put(out, "%s", indent);
    put_unknown(out, "", example->name[i]);
  }
  text_put(out, "%s  %s\n%s", indent, example->call, net_steps(net) ? "  }\n" : "");
}

void emit_acsl_entry(Text *out, Net *net, const char *file) {
  const bool trained = net_trained(net);
  const Example example = example_of(net, trained);
  put_commands(out, net, file);
  text_put(out, "#include \"%s\"\n#include \"__fc_builtin.h\"\n\n%s\n\n", net->options->header,
           example.buffers);
  text_put(out, "void eva_main(void);\nvoid eva_main(void) {\n");
  put_packing_call(out, net);
  put_unknown(out, "&", "workspace");
  put_net_call(out, net, &example, trained);
  text_put(out, "}\n");
}
