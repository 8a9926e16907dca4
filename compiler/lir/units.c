/* units.c: the translation units of a net, for as many C compilers at the same time: which of its functions
 * stand together. Decided on the size of their code before a line is printed, so it is the same on every
 * machine. */
// SPDX-License-Identifier: Apache-2.0
#include "lir/layout.h"

/* Numbers of the keys of code, each of which is about three bytes of C. */
enum {
  FEW = 22000,  /* that are compiled before a second compiler has begun */
  UNIT = 22000, /* of a unit; what each of them begins with is about a tenth of it */
  MOST = 64     /* units, each of which is an open file */
};

static int64_t code_size(const Functions *functions, const NestFunction *function) {
  const Instances *instances = function->instances;
  int64_t size = 0;
  for (int i = 0; i < instances->instances.n; i++)
    size += functions->codes.data[instances->instances.data[i]->code]->key->words.n;
  return size;
}

static int64_t functions_size(const Functions *functions) {
  int64_t size = 0;
  for (int i = 0; i < functions->all.n; i++)
    if (functions->all.data[i]->into == functions->all.data[i])
      size += code_size(functions, functions->all.data[i]);
  return size;
}

/* In their order: calls of one file are near each other. */
static void cut_functions(const Layout *layout, Units *units, int target, int64_t most, UnitUse use) {
  const Functions *functions = target < 0 ? &layout->pack : &layout->targets[target];
  int64_t size = 0;
  for (int i = 0; i < functions->all.n; i++) {
    const NestFunction *function = functions->all.data[i];
    if (function->into != function || (use != USE_PACKING && (use == USE_SELDOM) == function->steady))
      continue;
    if (!size) vec_push(layout->arena, *units, ((Unit){.target = target, .use = use}));
    Unit *unit = &units->data[units->n - 1];
    vec_push(layout->arena, unit->functions, function);
    size += code_size(functions, function);
    if (size >= most) size = 0;
  }
}

Units layout_units(const Layout *layout) {
  Units units = {0};
  int64_t size = functions_size(&layout->pack);
  for (int t = 0; t < layout->options.ntargets; t++) size += functions_size(&layout->targets[t]);
  if (size <= FEW) return units;
  const int64_t most = size / MOST > UNIT ? size / MOST : UNIT;
  cut_functions(layout, &units, -1, most, USE_PACKING); /* takes long: not the last to begin */
  for (int t = 0; t < layout->options.ntargets; t++) {
    cut_functions(layout, &units, t, most, USE_STEADY);
    cut_functions(layout, &units, t, most, USE_SELDOM);
  }
  return units;
}
