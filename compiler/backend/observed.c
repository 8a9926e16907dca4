/* observed.c: Reader of calibration data (ranges, means, histograms, samples) from JSON. */
// SPDX-License-Identifier: Apache-2.0
#include "backend/observed.h"
#include <jansson.h>
#include <string.h>

static const double *numbers(Arena *arena, const json_t *list, int *n) {
  *n = (int)json_array_size(list);
  double *x = NEW_ARRAY(arena, double, *n + 1);
  for (int i = 0; i < *n; i++) x[i] = json_number_value(json_array_get(list, (size_t)i));
  return x;
}

static bool take_value(Arena *arena, const json_t *value, Table *table) {
  const char *name = json_string_value(json_object_get(value, "name"));
  Observed *seen = NEW(arena, Observed);
  if (!name) return false;
  seen->name = arena_copy(arena, name, strlen(name));
  seen->lo = json_number_value(json_object_get(value, "min"));
  seen->hi = json_number_value(json_object_get(value, "max"));
  seen->count = numbers(arena, json_object_get(value, "counts"), &seen->bins);
  seen->mean = numbers(arena, json_object_get(value, "mean"), &seen->channels);
  if (!seen->bins || !seen->channels || !(seen->lo <= 0) || !(seen->hi >= 0)) return false;
  table_set(arena, table, seen->name, seen);
  return true;
}

/* samples[n][i] is the list of all elements of input i in sample n. */
static bool take_inputs(Arena *arena, const json_t *samples, const Graph *graph, Observations *seen) {
  const int inputs = graph->inputs.n;
  seen->samples = (int64_t)json_array_size(samples);
  seen->input = NEW_ARRAY(arena, double *, inputs + 1);
  for (int i = 0; i < inputs; i++) {
    const int64_t size = shape_elements(graph->inputs.data[i].node->shape);
    seen->input[i] = NEW_ARRAY(arena, double, size * seen->samples + 1);
    for (int64_t n = 0; n < seen->samples; n++) {
      const json_t *list = json_array_get(json_array_get(samples, (size_t)n), (size_t)i);
      if ((int64_t)json_array_size(list) != size) return false;
      for (int64_t k = 0; k < size; k++)
        seen->input[i][n * size + k] = json_number_value(json_array_get(list, (size_t)k));
    }
  }
  return true;
}

bool observed_read(Arena *arena, const char *path, const Graph *graph, Observations *seen, const char **why) {
  json_error_t error;
  json_t *root = json_load_file(path, 0, &error), *values = json_object_get(root, "values"), *value;
  size_t i;
  bool good = json_is_array(values);
  json_array_foreach(values, i, value) good = good && take_value(arena, value, &seen->values);
  seen->targets = json_is_true(json_object_get(root, "targets"));
  good = good && take_inputs(arena, json_object_get(root, "inputs"), graph, seen);
  json_decref(root);
  if (!good) *why = "the observed ranges cannot be read";
  return good;
}
