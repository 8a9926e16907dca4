/* units.c: Assignment of functions to translation units, which are compiled in parallel. The assignment
 * depends only on the functions, so it is the same on every machine. */
// SPDX-License-Identifier: Apache-2.0
#include "lir/layout.h"

/* Limits. FEW and UNIT count numbers in the keys of functions; one number is about three bytes of C. */
enum {
  FEW = 22000,  /* code up to this size is compiled faster by one compiler process than by two */
  UNIT = 22000, /* size of a unit; the common beginning of each unit is about a tenth of this size */
  MOST = 64     /* approximate maximum number of units; cnnc keeps one file open per unit */
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

/* Divides functions into units, in program order. */
static void cut_functions(const Layout *layout, Units *units, int target, int64_t most, UnitUse use) {
  const Functions *functions = target < 0 ? &layout->pack : &layout->targets[target];
  int64_t size = 0;
  for (int i = 0; i < functions->all.n; i++) {
    const NestFunction *function = functions->all.data[i];
    if (function->into != function || (use != USE_PACKING && (use == USE_COLD) == function->hot)) continue;
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
  cut_functions(layout, &units, -1, most,
                USE_PACKING); /* the packing units come first, because they take longest to compile */
  for (int t = 0; t < layout->options.ntargets; t++) {
    cut_functions(layout, &units, t, most, USE_HOT);
    cut_functions(layout, &units, t, most, USE_COLD);
  }
  return units;
}
