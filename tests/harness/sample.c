/* sample.c: seeded weights, inputs and targets. Numbers are drawn so that float and double hold the same, and
 * variances are positive. */
// SPDX-License-Identifier: Apache-2.0
#include "sample.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "ops/op.h"
#include "sema/sema.h"
#include "syntax/ast.h"

double sample_number(uint64_t *state) { /* xorshift64* (Vigna, 2016) */
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return (double)((*state * UINT64_C(2685821657736338717)) >> 40) / (double)(1 << 24);
}

bool sample_read(Sample *sample, Arena *arena, const char *path, int64_t rows) {
  *sample = (Sample){.arena = arena, .path = path};
  Sources sources = {.arena = arena};
  Diags *diags = diags_new(arena, &sources);
  Ast *program = program_read(arena, diags, &sources, path, 0, NULL);
  if (program && !diags_errors(diags))
    sample->graph = sema_build(arena, diags, &sources, program, NULL, 0, NULL);
  if (!sample->graph || diags_errors(diags)) {
    diags_print(diags, stderr, DIAG_TEXT, false);
    return false;
  }
  for (int i = 0; rows && i < sample->graph->nodes.n; i++) sample->graph->nodes.data[i]->shape.regions = rows;
  sample->cname = sample->graph->name;
  if (sample->graph->training) sample->training = pass_differentiate(arena, sample->graph);
  return true;
}

static void draw_weight(const Weight *weight, float *to, uint64_t *state) {
  if (weight->frozen && (weight->init.kind == INIT_LITERAL ||
                         weight->init.kind == INIT_CONSTANT)) { /* its value is part of the program */
    for (int64_t i = 0; i < weight->size; i++)
      to[i] = weight->init.kind == INIT_LITERAL ? weight->init.values[i] : (float)weight->init.a;
    return;
  }
  const bool factor =
      weight->rank == 1 && (!strcmp(weight->member, "weight") || !strcmp(weight->member, "running_var"));
  const double fan = weight->rank > 1 ? (double)(weight->size / weight->dim[0]) : 4;
  for (int64_t i = 0; i < weight->size; i++) {
    const double u = sample_number(state);
    to[i] = (float)(factor ? 0.5 + u : (2 * u - 1) * sqrt(3 / fan));
  }
}

static void draw_input(const Node *node, int64_t n, void *to, double *numbers, uint64_t *state) {
  for (int64_t i = 0; i < n; i++) {
    const double u = sample_number(state);
    if (node->elem == ELEM_U8) {
      ((uint8_t *)to)[i] = (uint8_t)(256 * u);
      numbers[i] = ((uint8_t *)to)[i];
    } else if (node->elem == ELEM_I8) {
      ((int8_t *)to)[i] = (int8_t)(256 * u - 128);
      numbers[i] = ((int8_t *)to)[i];
    } else {
      ((float *)to)[i] = (float)(2 * u - 1);
      numbers[i] = (double)((float *)to)[i];
    }
  }
}

static void draw_target(const Node *node, int64_t classes, int64_t n, void *to, double *numbers,
                        uint64_t *state) {
  for (int64_t i = 0; i < n; i++) {
    const double u = sample_number(state);
    if (node->elem == ELEM_I32) {
      ((int32_t *)to)[i] = (int32_t)(u * (double)classes);
      numbers[i] = ((int32_t *)to)[i];
    } else {
      ((float *)to)[i] = (float)u;
      numbers[i] = (double)((float *)to)[i];
    }
  }
}

void sample_draw(Sample *sample, int64_t count, uint64_t seed) {
  const Graph *graph = sample->graph;
  uint64_t state = seed * 2 + 1;
  sample->count = count;
  sample->weights = NEW_ARRAY(sample->arena, float, graph->parameters + 1);
  sample->weights_double = NEW_ARRAY(sample->arena, double, graph->parameters + 1);
  for (int i = 0; i < graph->weights.n; i++)
    draw_weight(graph->weights.data[i], sample->weights + graph->weights.data[i]->offset, &state);
  for (int64_t i = 0; i < graph->parameters; i++) sample->weights_double[i] = (double)sample->weights[i];
  sample->input = NEW_ARRAY(sample->arena, void *, graph->inputs.n + 1);
  sample->input_double = NEW_ARRAY(sample->arena, double *, graph->inputs.n + 1);
  sample->target = NEW_ARRAY(sample->arena, void *, graph->outputs.n + 1);
  sample->target_double = NEW_ARRAY(sample->arena, double *, graph->outputs.n + 1);
  for (int i = 0; i < graph->inputs.n; i++) {
    const Node *node = graph->inputs.data[i].node;
    const int64_t n = count * shape_elements(node->shape);
    sample->input[i] = NEW_ARRAY(sample->arena, float, n);
    sample->input_double[i] = NEW_ARRAY(sample->arena, double, n);
    draw_input(node, n, sample->input[i], sample->input_double[i], &state);
  }
  for (int o = 0; sample->training.graph && o < graph->outputs.n; o++) {
    const Node *target = sample->training.target[o];
    if (!target) continue;
    const int64_t n = count * shape_elements(target->shape),
                  classes = shape_extent(graph->outputs.data[o].node->shape).c;
    sample->target[o] = NEW_ARRAY(sample->arena, float, n);
    sample->target_double[o] = NEW_ARRAY(sample->arena, double, n);
    draw_target(target, classes, n, sample->target[o], sample->target_double[o], &state);
  }
}

/* ---- what is no ordinary number ---- */
static void spoil_image(float *to, double *numbers, int64_t n, int kind, uint64_t *state) {
  static const float some[] = {NAN, INFINITY, -INFINITY, -0.f, 0.f, 0x1p-149f, -0x1p-140f, 0x1p-126f};
  static const float each[] = {NAN, NAN, INFINITY, -INFINITY};
  const bool all = kind == 0 || kind == 5; /* NaN everywhere; denormal numbers and zeros everywhere */
  for (int64_t k = 0; k < (all ? n : 1 + n / 32); k++) {
    const int64_t i = all ? k : (int64_t)(sample_number(state) * (double)n);
    const int any = (int)(sample_number(state) * 8);
    to[i] = kind == 4 ? some[any] : kind == 5 ? some[3 + any % 5] : each[kind];
    numbers[i] = (double)to[i];
  }
}

void sample_spoil(Sample *sample, uint64_t seed) {
  uint64_t state = seed * 2 + 1;
  for (int i = 0; i < sample->graph->inputs.n; i++) {
    const Node *node = sample->graph->inputs.data[i].node;
    const int64_t n = shape_elements(node->shape);
    for (int64_t image = 0; image < sample->count && node->elem == ELEM_F32; image++)
      spoil_image((float *)sample->input[i] + image * n, sample->input_double[i] + image * n, n,
                  (int)(image % 6), &state);
  }
}

static GraphRun run_of(const Sample *sample, const double *weights) {
  return (GraphRun){.count = sample->count,
                    .seed = 11,
                    .step = 3,
                    .weights = weights,
                    .input = (const double *const *)sample->input_double,
                    .target = (const double *const *)sample->target_double};
}

GraphRun sample_infer(const Sample *sample) {
  GraphRun run = run_of(sample, sample->weights_double);
  graph_run(sample->arena, sample->graph, &run);
  return run;
}

GraphRun sample_train(const Sample *sample, const double *weights, double *gradients) {
  GraphRun run = run_of(sample, weights);
  run.training = true;
  run.gradients = gradients;
  graph_run(sample->arena, sample->training.graph, &run);
  return run;
}

double sample_loss(const Sample *sample, const GraphRun *run) {
  double sum = 0;
  for (int i = 0; i < sample->graph->training->losses.n; i++)
    for (int64_t n = 0; n < sample->count; n++) sum += run->value[sample->training.loss[i]->id][n];
  return sum;
}
