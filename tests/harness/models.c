/* models.c: Test of imported nets (tests/models). The hash of each value in eval must equal the hash of this
 * value in a reference implementation with the same inputs. Nests and code are then compared with eval, as in
 * int8.c. */
// SPDX-License-Identifier: Apache-2.0
#include "config.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "all.h"
#include "int8.h"
#include "../models/inputs.h"
#include "base/arithmetic.h"
#include "ops/int8/int8.h"

enum {
  /* number of tested inputs, unless all are tested: one input with only the least number, one with only the
   * greatest number, and one random input for each of the four ranges in models/inputs.h */
  SOME = 6,
  SLOW = 1 /* number of tested inputs in the interpreter, which is slow */
};

/* The node that converts the caller's floats to int16, or NULL if the caller passes int8. */
static const Node *wide_input(const Graph *graph) {
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (node->op == &op_int8_from_float && node_is_input(node->in[0]) && node->elem == I16) return node;
  }
  return NULL;
}

/* Sets the float inputs to int16 values times the scale of `stored`, so that the conversion is exact. */
static void draw_wide_inputs(Sample *s, const Node *stored) {
  const int64_t n = shape_elements(stored->shape);
  int16_t *q = NEW_ARRAY(s->arena, int16_t, n);
  for (int64_t i = 0; i < s->count; i++) {
    float *to = (float *)s->input[0] + i * n;
    model_input_wide((int)i, q, n);
    for (int64_t k = 0; k < n; k++) {
      to[k] = (float)q[k] * stored->quant->scale;
      s->input_double[0][i * n + k] = (double)to[k];
    }
  }
}

static void draw_inputs(Sample *s) {
  const int64_t n = shape_elements(s->graph->inputs.data[0].node->shape);
  const Node *wide = wide_input(s->graph);
  if (wide) {
    draw_wide_inputs(s, wide);
    return;
  }
  for (int64_t i = 0; i < s->count; i++) {
    int8_t *to = (int8_t *)s->input[0] + i * n;
    model_input((int)i, to, n);
    for (int64_t k = 0; k < n; k++) s->input_double[0][i * n + k] = to[k];
  }
}

/* A column of the file VALUES (see netcheck.c). The file's line "layers" names the columns. Each following
 * line is for one input: the number of the input, then a hash per layer, or "-" if there is no hash. Lines
 * that begin with # state the origin of the hashes. */
typedef struct Column {
  const char *name;
  const Node *node; /* NULL: no such layer */
  int missing, wrong;
} Column;

enum { MOST_COLUMNS = 100, MOST_LINE = 4000 };

typedef struct Reference {
  Column column[MOST_COLUMNS];
  int columns, inputs;
} Reference;

static const Node *layer_named(const Graph *graph, const char *name) {
  for (int i = 0; i < graph->nodes.n; i++)
    if (strcmp(graph->nodes.data[i]->name, name) == 0) return graph->nodes.data[i];
  return NULL;
}

static void take_names(const Check *check, Reference *reference, char **state) {
  for (char *word; (word = strtok_r(NULL, " \n", state)) && reference->columns < MOST_COLUMNS;) {
    const char *name = arena_copy(check->sample.arena, word, strlen(word));
    reference->column[reference->columns++] =
        (Column){.name = name, .node = layer_named(check->sample.graph, name)};
  }
}

/* The lower byte of an int16 value is hashed first. */
static uint64_t hash_of(const Node *node, const double *value, int64_t n) {
  uint64_t hash = MODEL_HASH_START;
  for (int64_t i = 0; i < n; i++) {
    const uint32_t q = (uint32_t)(int32_t)value[i];
    hash = model_hash_byte(hash, (uint8_t)q);
    if (node->elem == I16) hash = model_hash_byte(hash, (uint8_t)(q >> 8));
  }
  return hash;
}

static void take_input(const Check *check, Reference *reference, int64_t input, char **state) {
  for (int c = 0; c < reference->columns; c++) {
    Column *column = &reference->column[c];
    const char *word = strtok_r(NULL, " \n", state);
    if (!word || !column->node) column->wrong++;
    else if (!strcmp(word, "-")) column->missing++;
    else {
      const int64_t n = shape_elements(column->node->shape);
      const uint64_t hash = hash_of(column->node, check->forward.value[column->node->id] + input * n, n);
      column->wrong += hash != (uint64_t)strtoull(word, NULL, 16);
    }
  }
  reference->inputs++;
}

static void read_reference(const Check *check, Reference *reference, const char *path) {
  char line[MOST_LINE];
  FILE *file = fopen(path, "r");
  while (file && fgets(line, sizeof line, file)) {
    char *state = NULL;
    const char *word = strtok_r(line, " ", &state);
    if (!word || *word == '#') continue;
    if (!strcmp(word, "layers")) take_names(check, reference, &state);
    else if (reference->inputs < check->sample.count && atoi(word) == reference->inputs)
      take_input(check, reference, reference->inputs, &state);
  }
  if (file) fclose(file);
}

/* Number of int8 and int16 values that have no column; inputs do not count. */
static int values_left_out(const Graph *graph, const Reference *reference) {
  int n = 0;
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    bool there = node_is_input(node) || (node->elem != I8 && node->elem != I16);
    for (int c = 0; c < reference->columns; c++) there |= reference->column[c].node == node;
    if (!there) printf("# %s is not in the table\n", node->name);
    n += !there;
  }
  return n;
}

static void compare_hashes(const Check *check, const char *rounding, const char *values) {
  const Sample *s = &check->sample;
  Reference reference = {.columns = 0};
  read_reference(check, &reference, values);
  int wrong = values_left_out(s->graph, &reference), compared = 0;
  for (int c = 0; c < reference.columns; c++) {
    const Column *column = &reference.column[c];
    wrong += column->wrong;
    compared += column->missing == 0;
    if (column->missing) printf("# %s is left out of the reference\n", column->name);
    if (column->wrong) printf("# %s: %d inputs differ\n", column->name, column->wrong);
  }
  const bool whole = compared > 0 && reference.inputs == s->count;
  report_error(check,
               arena_printf(s->arena, "%s: %d layers of %d inputs as the reference stores them", rounding,
                            compared, reference.inputs),
               whole ? wrong : HUGE_VAL, 0);
}

void check_model(Check *check, const char *weights, const char *rounding, const char *values) {
  Sample *s = &check->sample;
  Rounding of_all;
  s->training.graph = NULL;
  if (!int8_quantize(check, weights)) {
    report(false, check, "quantized", HUGE_VAL, 0);
    return;
  }
  sample_draw(s, try_all() ? MODEL_INPUTS : SOME, SEED);
  draw_inputs(s);
  check->forward = sample_infer(s);
  compare_hashes(check, rounding, values);
  /* If the layers of a model round in different ways, its nests and code are compared only if the input is
   * int16, or if everything is tested (try_all). Otherwise the tests of other models suffice. */
  if (rounding_find(rounding, &of_all) || wide_input(s->graph) || try_all())
    int8_compare(check, rounding, weights, SLOW);
}
