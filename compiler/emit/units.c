/* units.c: Division of the C text into several translation units, for parallel compilation. lir/units.c has
 * assigned the functions to units. If there are several units, the second and later units have the functions
 * of nests, and the first unit has the functions that call them. Units share only declarations of functions,
 * whose parameters are pointers and numbers.
 *
 * The functions that units share have hidden visibility. Their symbols contain a period, so that they differ
 * from all names of C functions. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/pool.h"

/* Declares a function of another unit; head: its return type, name and parameters. */
void put_hidden(Text *out, const char *head, const char *name) {
  text_put(out, "__attribute__((visibility(\"hidden\"))) %s __asm__(\"%s.unit\");\n", head, name);
}

void put_declared(Text *out, const Printed *function) {
  put_hidden(out, function->text->head, function->function->name);
}

static void put_unit_function(Text *out, const Section *section, const Printed *function, bool *done) {
  const NestText *text = function->text;
  put_declared(out, function);
  for (int i = 0; i < function->heading.n; i++) emit_comment(out, 0, function->heading.data[i]);
  put_called(out, section, function, done);
  text_put(out, "%s%s%s", text->lead, text->head, text->body);
}

/* ---- waiting threads ---- */
/* Declares the barrier function, which is in the first unit: only that unit uses OpenMP. */
static void declare_barrier(Text *out, const Net *net) {
  const char *head = arena_printf(out->arena, "void %s(void)", net->barrier);
  put_hidden(out, head, net->barrier);
}

void put_barrier(Text *out, const Net *net) {
  if (!net_needs(net).team || net_pool(net)) return;
  declare_barrier(out, net);
  text_put(out, "void %s(void) { BARRIER(); }\n", net->barrier);
}

static void put_waiting(Text *out, const Net *net, const PreludeNeeds *needs) {
  if (!needs->team) return;
  if (net_pool(net)) {
    pool_declare(out, net, false);
    return;
  }
  declare_barrier(out, net);
  text_put(out, "#undef BARRIER\n#define BARRIER() %s()\n\n", net->barrier);
}

/* ---- the units ---- */
static void unit_begin(Text *out, const Net *net, const Section *section) {
  const PreludeNeeds needs = net_needs(net);
  text_put(out, "#include <stddef.h>\n#include <stdint.h>\n");
  put_includes(out);
  emit_precise(out);
  emit_contraction(out, !net->options->no_fma);
  emit_prelude_file(out, &needs, net->section[0].print.names.prefix);
  put_waiting(out, net, &needs);
  put_section_begin(out, net, section);
  emit_prelude(out, &section->needs, &section->print.names);
}

static EmitUnit print_unit(const Net *net, const Unit *unit) {
  const Section *section = unit->target < 0 ? &net->pack : &net->section[unit->target];
  EmitUnit printed = {{.arena = net->arena}, unit->use};
  bool *done = NEW_ARRAY(net->arena, bool, section->codes + 1);
  unit_begin(&printed.text, net, section);
  for (int i = 0; i < unit->functions.n; i++)
    put_unit_function(&printed.text, section, &section->printed[unit->functions.data[i]->id], done);
  put_section_end(&printed.text, net, section);
  return printed;
}

EmitUnit *emit_units(Arena *arena, Net *net, bool several, int *n) {
  const Units others = several ? layout_units(net->layout) : (Units){0};
  EmitUnit *units = NEW_ARRAY(arena, EmitUnit, others.n + 1);
  if (others.n)
    net->barrier = arena_printf(arena, "%s_%s", net->name, names_unique(&net->layout->names, "barrier"));
  units->text.arena = arena;
  emit_c(&units->text, net);
  for (int i = 0; i < others.n; i++) units[i + 1] = print_unit(net, &others.data[i]);
  *n = others.n + 1;
  return units;
}
