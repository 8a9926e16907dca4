/* calibrated.c: Calibration: whether the weights that `cnnc quantize` writes are a complete int8 model. The
 * float net is calibrated several times, with different int16 values and different layers that stay float;
 * the quantizer must find a scale for each value that it stores. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "backend/quantized.h"
#include "int8.h"
#include "quantize/calibrate.h"
#include "quantize/quantize.h"

typedef enum Which { WHICH_NONE, WHICH_SOME, WHICH_ALL, WHICH_KINDS } Which;

/* The names of none, some or all of the nodes that satisfy the condition, depending on `which`. */
static Table chosen_names(const Sample *s, Which which, uint64_t state, bool (*condition)(const Node *)) {
  Table names = {0};
  for (int i = 0; i < s->graph->nodes.n && which != WHICH_NONE; i++) {
    const Node *node = s->graph->nodes.data[i];
    const bool drawn = sample_number(&state) < 0.4 || which == WHICH_ALL;
    if (drawn && condition(node)) table_set(s->arena, &names, node->name, &names);
  }
  return names;
}

static bool has_byte_output(const Graph *graph) {
  for (int o = 0; o < graph->outputs.n; o++)
    if (graph->outputs.data[o].as == AS_I8 || graph->outputs.data[o].as == AS_U8) return true;
  return false;
}

/* Whether the calibrated weights are a complete int8 model. */
static bool is_complete(const Check *check, const Table *ranges, const Table *keep, const Table *wide,
                        bool all_wide) {
  const Sample *s = &check->sample;
  const Calibration how = {.range = RANGE_MINMAX,
                           .no_correction = true,
                           .rounding = "single",
                           .keep = keep,
                           .wide = wide,
                           .all_wide = all_wide};
  const char *path = arena_printf(s->arena, "%s/%s-calibrated.safetensors", check->work, s->cname);
  Sources sources = {.arena = s->arena};
  Diags *diags = diags_new(s->arena, &sources);
  QuantFile *file = NULL;
  const WeightsSource way = {.path = path};
  const Calibrated *made = calibrate(s->arena, s->graph, s->weights, ranges, &how);
  if (made->missing || !arrays_save(&made->arrays, path)) return false;
  if (!quantized_read(s->arena, diags, &way, &file) || !file) return false;
  quantize_graph(s->arena, diags, s->graph, file, &(QuantizeOptions){0});
  Span where;
  const char *error = diags_errors(diags) ? diags_error(diags, 0, &where) : NULL;
  /* other errors are accepted: they report scales that differ too much, because some ranges of these nets
   * differ very much */
  if (!error || !strstr(error, " is not quantized for ")) return true;
  diags_print(diags, stderr, DIAG_TEXT, false);
  return false;
}

/* The range of each value on the samples, by name. */
static Table sample_ranges(const Sample *s) {
  const GraphRun run = sample_infer(s);
  Table ranges = {0};
  for (int i = 0; i < s->graph->nodes.n; i++) {
    const Node *node = s->graph->nodes.data[i];
    const double *value = run.value[node->id];
    Observed *seen = NEW(s->arena, Observed);
    seen->name = node->name;
    for (int64_t k = 0; value && k < s->count * shape_elements(node->shape); k++) {
      seen->lo = fmin(seen->lo, value[k]);
      seen->hi = fmax(seen->hi, value[k]);
    }
    table_set(s->arena, &ranges, node->name, seen);
  }
  return ranges;
}

static bool may_keep(const Node *node) {
  return calibrate_is_layer(node) && node->precision == PRECISION_GIVEN;
}

static bool may_widen(const Node *node) {
  return calibrate_can_widen(node) && node->precision == PRECISION_GIVEN;
}

void check_calibrated(Check *check) {
  static const char *const names[WHICH_KINDS] = {"no", "some", "all"};
  Sample *s = &check->sample;
  double incomplete = 0;
  sample_draw(s, 2, 1);
  const Table ranges = sample_ranges(s);
  const bool bytes = has_byte_output(s->graph); /* the layer of an int8 output is neither int16 nor float */
  for (Which wide = 0; wide < (bytes ? WHICH_SOME : WHICH_KINDS); wide++)
    for (Which keep = 0; keep < (bytes ? WHICH_SOME : WHICH_ALL); keep++) {
      const uint64_t seed = 1 + (uint64_t)s->graph->parameters + wide;
      const Table kept = chosen_names(s, keep, seed, may_keep),
                  widened = chosen_names(s, wide, seed + WHICH_KINDS, may_widen);
      if (is_complete(check, &ranges, &kept, &widened, wide == WHICH_ALL)) continue;
      printf("# with %s values in int16, and %s layers in float\n", names[wide], names[keep]);
      incomplete++;
    }
  report_error(check, "calibrated: models that are not complete", incomplete, 0);
}
