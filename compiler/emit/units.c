/* units.c: the C text as several translation units, for as many C compilers at the same time. The first has
 * all but the functions of nests; these, the bulk of the text, are in the others. So all that units know of
 * each other are declarations of functions, whose parameters are pointers and numbers.
 *
 * The linker sees these functions, but nobody who links with what it makes does. Their symbols end with a
 * word behind a point, so that none is a function of C. Where the text is cut depends on the text alone. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "emit/module.h"

enum {
  FEW = 1 << 16,  /* bytes of functions that are compiled before a second compiler has begun */
  UNIT = 1 << 16, /* and of a unit; what each of them begins with is about a tenth of it */
  MOST = 64       /* units, each of which is an open file */
};
/* A function of a nest stands behind those that it alone calls, and begins with one of two words. */
enum { WORD = 7 };
static const char *entry_of(const char *function) {
  const char *entry = function;
  for (const char *line = entry; line; line = strchr(line, '\n')) {
    line += *line == '\n';
    if (strncmp(line, "static ", WORD) == 0 || strncmp(line, "KERNEL ", WORD) == 0) entry = line;
  }
  return entry;
}

static void put_hidden(Text *out, const char *head, size_t n, const char *name) {
  text_put(out, "__attribute__((visibility(\"hidden\"))) ");
  text_bytes(out, head, n);
  text_put(out, " __asm__(\"%s.unit\");\n", name);
}

void put_declared(Text *out, const Printed *function) {
  const char *head = entry_of(function->text) + WORD;
  put_hidden(out, head, (size_t)(strstr(head, " {\n") - head), function->function->name);
}

static void put_unit_function(Text *out, const Section *section, const Printed *function, bool *done) {
  const char *text = function->text, *entry = entry_of(text);
  put_declared(out, function);
  text_put(out, "%s", function->heading);
  put_called(out, section, function, done);
  text_bytes(out, text, (size_t)(entry - text));
  text_put(out, "%s", entry + WORD);
}

/* ---- threads that wait ---- */
/* OpenMP is known to the first unit alone. */
static void declare_barrier(Text *out, const Net *net) {
  const char *head = arena_printf(out->arena, "void %s(void)", net->barrier);
  put_hidden(out, head, strlen(head), net->barrier);
}

void put_barrier(Text *out, const Net *net) {
  if (!net_needs(net).team) return;
  declare_barrier(out, net);
  text_put(out, "void %s(void) { BARRIER(); }\n", net->barrier);
}

static void put_waiting(Text *out, const Net *net, const PreludeNeeds *needs) {
  if (!needs->team) return;
  declare_barrier(out, net);
  text_put(out, "#undef BARRIER\n#define BARRIER() %s()\n\n", net->barrier);
}

/* ---- cutting ---- */
static Text unit_begin(Net *net, const Section *section) {
  const PreludeNeeds needs = net_needs(net);
  Text text = {.arena = net->arena};
  text_put(&text, "#include <stddef.h>\n#include <stdint.h>\n");
  put_includes(&text);
  emit_precise(&text);
  emit_contraction(&text, !net->options->no_fma);
  emit_prelude_file(&text, &needs, net->section[0].print.names.prefix);
  put_waiting(&text, net, &needs);
  put_section_begin(&text, net, section);
  emit_prelude(&text, &section->needs, &section->print.names);
  return text;
}

typedef VEC(EmitUnit) EmitUnits;

static void unit_end(EmitUnits *units, Net *net, const Section *section, Text text, EmitUse use) {
  put_section_end(&text, net, section);
  const EmitUnit unit = {text, use};
  vec_push(net->arena, *units, unit);
}

static size_t section_bytes(const Section *section) {
  size_t bytes = 0;
  for (int i = 0; i < section->functions.n; i++) bytes += section->functions.data[i]->bytes;
  return bytes;
}

static void cut(EmitUnits *units, Net *net, const Section *section, size_t most, EmitUse use) {
  Text text = {0};
  bool *done = NULL;
  size_t bytes = 0;
  for (int i = 0; i < section->functions.n; i++) {
    if ((use == USE_SELDOM) == section->functions.data[i]->function->steady && use != USE_PACKING) continue;
    if (!bytes) {
      text = unit_begin(net, section);
      done = NEW_ARRAY(net->arena, bool, section->codes + 1);
    }
    put_unit_function(&text, section, section->functions.data[i], done);
    bytes += section->functions.data[i]->bytes;
    if (bytes < most) continue;
    unit_end(units, net, section, text, use);
    bytes = 0;
  }
  if (bytes) unit_end(units, net, section, text, use);
}

EmitUnit *emit_units(Arena *arena, Net *net, bool several, int *n) {
  EmitUnits units = {0};
  EmitUnit first = {.text = {.arena = arena}};
  size_t bytes = section_bytes(&net->pack);
  for (int t = 0; t < net->layout->options.ntargets; t++) bytes += section_bytes(&net->section[t]);
  if (several && bytes > FEW)
    net->barrier = arena_printf(arena, "%s_%s", net->name, names_unique(&net->layout->names, "barrier"));
  emit_c(&first.text, net);
  vec_push(arena, units, first);
  const size_t most = bytes / MOST > UNIT ? bytes / MOST : UNIT;
  if (net->barrier) cut(&units, net, &net->pack, most, USE_PACKING); /* takes long: not the last to begin */
  for (int t = 0; net->barrier && t < net->layout->options.ntargets; t++) {
    cut(&units, net, &net->section[t], most, USE_STEADY);
    cut(&units, net, &net->section[t], most, USE_SELDOM);
  }
  *n = units.n;
  return units.data;
}
