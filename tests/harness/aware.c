/* aware.c: Compares the outputs of QAT with those of the int8 model that is quantized from the QAT weights.
 * The forward pass of training rounds floats, and the int8 model computes with integers. The outputs must be
 * the same, except for the rounding of sums. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include "backend/quantized.h"

#include "check.h"
#include "emit/emit.h"
#include "int8_draw.h"
#include "quantize/calibrate.h"
#include "quantize/quantize.h"

static Graph *quantized(const Check *check) {
  const Sample *s = &check->sample;
  static const Table none = {0};
  const Calibration how = {
      .range = RANGE_MINMAX, .no_correction = true, .rounding = "float", .keep = &none, .wide = &none};
  const Table *ranges = aware_ranges(s->arena, s->graph, s->weights);
  const char *path = arena_printf(s->arena, "%s/%s.safetensors", check->work, s->cname);
  Sources sources = {.arena = s->arena};
  Diags *diags = diags_new(s->arena, &sources);
  QuantFile *file = NULL;
  const WeightsSource way = {.path = path};
  const QuantizeOptions options = {.floats = true};
  if (!ranges || !arrays_save(&calibrate(s->arena, s->graph, s->weights, ranges, &how)->arrays, path))
    return NULL;
  Graph *bytes = quantized_read(s->arena, diags, &way, &file)
                     ? quantize_graph(s->arena, diags, s->graph, file, &options)
                     : NULL;
  if (!bytes) diags_print(diags, stderr, DIAG_TEXT, false);
  return bytes;
}

/* Largest difference between the elements of two outputs, relative to the largest element of `a`; *mean: the
 * mean difference, relative to the same element. */
static double distance(const double *a, const double *b, int64_t n, double *mean) {
  double most = 0, far = 0;
  *mean = 0;
  for (int64_t i = 0; i < n; i++) {
    most = fmax(most, fabs(a[i]));
    far = fmax(far, fabs(a[i] - b[i]));
    *mean += fabs(a[i] - b[i]) / (double)n;
  }
  *mean /= fmax(most, 1e-30);
  return far / fmax(most, 1e-30);
}

void check_aware(Check *check) {
  /* A mean may be halfway between two neighboring int8 values. The int8 model then rounds to even; in
   * training, rounding errors of floats decide. So some values of the two nets differ by one int8 step. */
  static const double MOST = 0.04, MEAN = 0.006, PART = 4;
  Sample *s = &check->sample;
  if (!s->graph->training || !s->graph->training->aware) {
    report(false, check, "has no quantize", HUGE_VAL, 0);
    return;
  }
  sample_draw(s, check->limits.images ? check->limits.images : 4, 1);
  double *gradients = NEW_ARRAY(s->arena, double, s->graph->parameters + 1);
  const GraphRun training = sample_train(s, s->weights_double, gradients), floats = sample_infer(s);
  const Graph *bytes = quantized(check);
  if (!bytes) {
    report(false, check, "is quantized with the ranges of training", HUGE_VAL, 0);
    return;
  }
  Sample of_bytes = *s;
  of_bytes.graph = (Graph *)(uintptr_t)bytes;
  const float *kept = constant_weights(s->arena, bytes);
  of_bytes.weights_double = NEW_ARRAY(s->arena, double, bytes->parameters + 1);
  for (int64_t i = 0; i < bytes->parameters; i++) of_bytes.weights_double[i] = (double)kept[i];
  const GraphRun whole = sample_infer(&of_bytes);
  for (int o = 0; o < s->graph->outputs.n; o++) {
    const int64_t n = s->count * shape_elements(s->graph->outputs.data[o].node->shape);
    const double *a = training.value[s->training.graph->outputs.data[o].node->id],
                 *b = whole.value[bytes->outputs.data[o].node->id],
                 *c = floats.value[s->graph->outputs.data[o].node->id];
    const char *name = s->graph->outputs.data[o].name;
    double mean, unrounded;
    const double far = distance(a, b, n, &mean);
    const double before = distance(a, c, n, &unrounded);
    printf("# %s: training and int8 differ by %.2g at most, %.2g on average; training and floats by %.2g, "
           "%.2g\n",
           name, far, mean, before, unrounded);
    report_error(check, arena_printf(s->arena, "%s: training equals int8", name), far, MOST);
    report_error(check, arena_printf(s->arena, "%s: training equals int8 on average", name), mean, MEAN);
    report(PART * mean < unrounded, check, arena_printf(s->arena, "%s: training rounds", name), mean,
           unrounded / PART);
  }
}
