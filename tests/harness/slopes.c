/* slopes.c: Compares eval's gradients, of parameters and of inputs, with difference quotients. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "check.h"
#include "graph/bf16.h"
#include "graph/op.h"
#include "machine.h"

enum { EACH = 6 }; /* number of tested elements per parameter or input */

static void report_slopes(const Check *check, const char *what, const Slopes *slopes) {
  const double limit = check->limits.difference;
  if (slopes->kinks)
    what = arena_printf(check->sample.arena, "%s, %lld of %lld at kinks", what, (long long)slopes->kinks,
                        (long long)slopes->judged);
  report(slopes_good(slopes, limit), check, what, slopes->error, limit);
}

static double largest_of(const double *x, int64_t n, double least) {
  double largest = least;
  for (int64_t i = 0; i < n; i++) largest = fmax(largest, fabs(x[i]));
  return largest;
}

/* ---- parameters ---- */
typedef struct LossAt {
  const Sample *sample;
  const GraphRun *first; /* the run that computed the gradients */
  double *weights, *ignored;
  int64_t element;
} LossAt;

static double loss_at(void *context, double x) {
  LossAt *at = context;
  const double before = at->weights[at->element];
  at->weights[at->element] = x;
  const GraphRun run = sample_losses(at->sample, at->weights, at->ignored, at->first);
  at->weights[at->element] = before;
  return sample_loss(at->sample, &run);
}

/* Checks the gradients of a few elements of each trained parameter. Errors are relative to the largest
 * gradient of the parameter. */
static void check_slopes(const Check *check) {
  const Sample *s = &check->sample;
  uint64_t state = 99;
  Slopes slopes = {0};
  LossAt at = {.sample = s,
               .first = &check->training,
               .weights = NEW_ARRAY(s->arena, double, s->graph->parameters + 1)};
  at.ignored = NEW_ARRAY(s->arena, double, s->graph->parameters + 1);
  memcpy(at.weights, s->weights_double, (size_t)s->graph->parameters * sizeof *at.weights);
  /* smaller gradients are rounding errors of the loss */
  const double least = 1e-5 * fmax(1, fabs(sample_loss(s, &check->training)));
  for (int w = 0; w < s->graph->weights.n; w++) {
    const Weight *weight = s->graph->weights.data[w];
    if (weight->statistic || weight->frozen) continue;
    const double scale = largest_of(check->gradients + weight->offset, weight->size, least);
    for (int k = 0; k < EACH; k++) {
      double error;
      at.element = weight->offset + (int64_t)(sample_number(&state) * (double)weight->size);
      const double gradient = check->gradients[at.element];
      const Slope slope = slope_judge(loss_at, &at, at.weights[at.element], gradient, scale,
                                      check->limits.difference, &error);
      slopes_add(&slopes, slope, error);
      if (getenv("NETCHECK_VERBOSE"))
        fprintf(stderr, "%s[%lld]: gradient %.9g, error %.3g%s\n", weight->name,
                (long long)(at.element - weight->offset), gradient, error,
                slope == SLOPE_KINK ? ", a kink" : "");
    }
  }
  report_slopes(check, "gradients of eval against differences", &slopes);
}

/* Root mean square of the differences of a parameter's gradients, relative to the largest gradient. */
static double mean_difference(const double *a, const double *b, int64_t n, double least) {
  double squares = 0;
  for (int64_t i = 0; i < n; i++) squares += (a[i] - b[i]) * (a[i] - b[i]);
  return sqrt(squares / (double)n) / largest_of(b, n, least);
}

/* For precision=bf16: compares the gradients of the same net in floats with difference quotients, and the
 * gradients in bf16 with those in floats. */
static void check_floats(const Check *check) {
  const Sample *s = &check->sample;
  Check floats = *check;
  Node **map = NEW_ARRAY(s->arena, Node *, s->graph->nodes.n + 1);
  floats.sample.graph = graph_clone(s->arena, s->graph, map);
  for (int i = 0; i < s->graph->nodes.n; i++) node_as_floats(map[i]);
  floats.sample.training = pass_differentiate(s->arena, floats.sample.graph);
  floats.gradients = NEW_ARRAY(s->arena, double, s->graph->parameters + 1);
  floats.training = sample_train(&floats.sample, s->weights_double, floats.gradients);
  check_slopes(&floats);
  double error = 0;
  for (int w = 0; w < s->graph->weights.n; w++) {
    const Weight *weight = s->graph->weights.data[w];
    const double *want = floats.gradients + weight->offset, *got = check->gradients + weight->offset,
                 least = fmax(1e-5, gradient_floor(&floats.sample, &floats.training, weight, 1e-2)),
                 e = mean_difference(got, want, weight->size, least);
    if (getenv("NETCHECK_VERBOSE")) fprintf(stderr, "%s: in bf16 %.3g\n", weight->name, e);
    error = worse(error, e);
  }
  report_error(check, "gradients of eval in bf16 against floats", error, check->limits.rounding);
}

void check_differences(Check *check) {
  const Sample *s = &check->sample;
  const QatSettings *aware = s->graph->training->aware;
  /* Rounding is a step function, for which difference quotients are useless. So the gradients of QAT are not
   * checked here, but compared with PyTorch's (tests/golden). */
  if (aware && s->weights[aware->on->offset] > 0) return;
  if (graph_has_bf16(s->graph)) check_floats(check);
  else check_slopes(check);
}

/* ---- gradients of the inputs ---- */
typedef struct ScoreAt {
  const Check *check;
  const Plan *plan;
  GraphRun *run;
  double *number;
} ScoreAt;

static double score_at(void *context, double x) {
  ScoreAt *at = context;
  const double before = *at->number;
  double sum = 0;
  *at->number = x;
  graph_run(at->check->sample.arena, at->plan->graph, at->run);
  *at->number = before;
  for (int o = 0; o < at->check->sample.graph->outputs.n; o++) {
    const Node *score = at->plan->output[at->plan->score[o]];
    const int64_t n = at->run->count * shape_elements(score->shape);
    for (int64_t k = 0; k < n; k++) sum += at->run->target[o][k] * at->run->value[score->id][k];
  }
  return sum;
}

/* Index of element i of [h][w][c] in the caller's array. */
static int64_t place_in_input(const Node *input, int64_t i) {
  const Extent e = shape_extent(input->shape);
  const int64_t row = shape_row_elements(input->shape), j = i % row;
  return input->port->chw ? i - j + j % e.c * e.h * e.w + j / e.c : i;
}

/* Checks the gradients of a few elements of each input. Errors are relative to the largest gradient of the
 * input. The input named by `cut=` must have no gradient, and is not compared. */
static void check_input_gradients(Check *check, const Plan *plan, const GraphRun *run,
                                  double *const *caller) {
  const Sample *s = &check->sample;
  uint64_t state = 77;
  Slopes slopes = {0};
  for (int i = 0; i < s->graph->inputs.n; i++) {
    const Node *input = s->graph->inputs.data[i].node;
    const int64_t size = shape_elements(input->shape);
    const bool none = plan->gradient[i] < 0;
    const Node *shown = none ? NULL : plan->output[plan->gradient[i]];
    const double *gradient = none ? NEW_ARRAY(s->arena, double, size) : run->value[shown->id];
    const double scale = largest_of(gradient, size, 1e-4);
    if (check->limits.cut && !strcmp(input->name, check->limits.cut)) {
      slopes_add(&slopes, none ? SLOPE_RIGHT : SLOPE_WRONG, none ? 0 : HUGE_VAL);
      continue;
    }
    for (int k = 0; k < EACH; k++) {
      const int64_t element = (int64_t)(sample_number(&state) * (double)size);
      GraphRun again = *run;
      ScoreAt at = {check, plan, &again, caller[i] + place_in_input(input, element)};
      double error;
      const Slope slope =
          slope_judge(score_at, &at, *at.number, gradient[element], scale, check->limits.difference, &error);
      slopes_add(&slopes, slope, error);
    }
  }
  report_slopes(check, "input gradients of eval against differences", &slopes);
}

/* A run with the sample's inputs, which `caller` receives, and with random gradients of the scores. */
static GraphRun look_run(const Check *check, double **caller) {
  const Sample *s = &check->sample;
  double **seed = NEW_ARRAY(s->arena, double *, s->graph->outputs.n + 1);
  uint64_t state = 55;
  /* Integer inputs get a fraction: clip and similar operators have kinks at integers. And the mean of some
   * integers may equal one of these integers. Then rounding would decide whether the mean or the integer is
   * the maximum. */
  for (int i = 0; i < s->graph->inputs.n; i++) {
    const Node *input = s->graph->inputs.data[i].node;
    const int64_t n = s->count * shape_elements(input->shape);
    caller[i] = NEW_ARRAY(s->arena, double, n);
    const bool whole = input->port->elem != F32;
    for (int64_t k = 0; k < n; k++)
      caller[i][k] = s->input_double[i][k] + (whole ? 0.25 + sample_number(&state) / 4 : 0);
  }
  for (int o = 0; o < s->graph->outputs.n; o++) {
    const int64_t n = s->count * shape_elements(s->graph->outputs.data[o].node->shape);
    seed[o] = NEW_ARRAY(s->arena, double, n);
    for (int64_t k = 0; k < n; k++) seed[o][k] = 2 * sample_number(&state) - 1;
  }
  return (GraphRun){.count = s->count,
                    .weights = s->weights_double,
                    .input = (const double *const *)caller,
                    .target = (const double *const *)seed};
}

double look_error(const Check *check, const Program *p) {
  const Sample *s = &check->sample;
  double error = 0, **caller = NEW_ARRAY(s->arena, double *, s->graph->inputs.n + 1);
  GraphRun run = look_run(check, caller);
  graph_run(s->arena, p->graph, &run);
  Machine m = {.arena = s->arena, .images = s->count, .weights = s->weights_double, .input = caller};
  m.target = (double *const *)run.target;
  if (!machine_execute(&m, p)) {
    printf("# %s\n", m.error);
    return HUGE_VAL;
  }
  for (int o = 0; o < p->graph->outputs.n; o++) {
    const Node *node = p->output[o];
    const int64_t n = s->count * shape_elements(node->shape);
    error = worse(error, numbers_error(m.output[o], run.value[node->id], n, 1e-3));
  }
  return error;
}

void check_look(Check *check) {
  const Sample *s = &check->sample;
  Plan *plan = plan_look(s->arena, s->graph);
  const Target *target = target_native();
  double **caller = NEW_ARRAY(s->arena, double *, s->graph->inputs.n + 1);
  GraphRun run = look_run(check, caller);
  graph_run(s->arena, plan->graph, &run);
  check_input_gradients(check, plan, &run, caller);
  const Machine m = {.arena = s->arena, .plan = plan};
  const Program *p = machine_lower(&m, target, false);
  const char *wrong = program_verify(s->arena, p);
  if (wrong) printf("# %s\n", wrong);
  report_error(check, arena_printf(s->arena, "nests of inspection, %s", target->name),
               wrong ? HUGE_VAL : look_error(check, p), NEST_ERROR);
}
