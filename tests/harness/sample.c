/* sample.c: Seeded weights, inputs and targets. Numbers are drawn so that they have the same value in float
 * and double, and variances are positive. */
// SPDX-License-Identifier: Apache-2.0
#include "sample.h"
#include "machine.h"
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "ops/int8/int8.h"
#include "graph/op.h"
#include "graph/shape.h"
#include "schedule/float/rows.h"
#include "sema/sema.h"
#include "syntax/ast.h"

double sample_number(uint64_t *state) { /* xorshift64* (Vigna, 2016) */
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return (double)((*state * UINT64_C(2685821657736338717)) >> 40) / (double)(1 << 24);
}

bool sample_read(Sample *sample, Arena *arena, const char *path, int64_t rows, bool f16w) {
  *sample = (Sample){.arena = arena, .path = path, .options = f16w ? "--precision=f16w" : ""};
  const SemaOptions options = {.precision = f16w ? PRECISION_F16W : PRECISION_GIVEN};
  Sources sources = {.arena = arena};
  Diags *diags = diags_new(arena, &sources);
  Ast *program = program_read(arena, diags, &sources, path, 0, NULL);
  if (program && !diags_errors(diags))
    sample->graph = sema_build(arena, diags, &sources, program, NULL, 0, &options);
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
                         weight->init.kind == INIT_CONSTANT)) { /* a constant in the program */
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

/* ---- QAT ---- */
/* Draws numbers whose sums and products are exact in float: otherwise a value might be rounded differently in
 * float and double. The scales of ranges and of filters are powers of two; to achieve this, the first weight
 * of each filter is the filter's largest weight. The drawn weights turn on the rounding of QAT only if QAT
 * starts in epoch 0. */
static double draw_step(uint64_t *state, double unit, double most) {
  return unit * floor(most / unit * (2 * sample_number(state) - 1));
}

static void draw_filters(const Node *node, float *to, uint64_t *state) {
  const Weight *weight = node->weight[0];
  const int64_t filters = int8_filters(node), terms = weight->size / filters;
  const double unit = exp2(round(log2(sqrt(3 / (double)terms) / 127)));
  for (int64_t f = 0; f < filters; f++)
    for (int64_t i = 0; i < terms; i++)
      to[int8_weight_index(node, f, i)] = (float)(i ? draw_step(state, unit / 8, 127 * unit)
                                                    : 127 * unit * (sample_number(state) < 0.5 ? -1 : 1));
}

static void draw_rounding(Sample *sample, uint64_t *state) {
  static const double zeros[] = {0, 100, 128}, unit = 0x1p-5;
  const Graph *graph = sample->graph;
  const QatSettings *aware = graph->training->aware;
  for (int w = 0; w < graph->weights.n; w++) {
    const Weight *weight = graph->weights.data[w];
    float *to = sample->weights + weight->offset;
    const double below = zeros[(int)(3 * sample_number(state))];
    if (weight == aware->on) to[0] = aware->start == 0;
    else if (weight->training_only) to[0] = (float)(-unit * below), to[1] = (float)(unit * (255 - below));
    else
      for (int64_t i = 0; i < weight->size && weight->rank == 1; i++)
        to[i] = strcmp(weight->member, "running_var")
                    ? (float)draw_step(state, 0.125, 1)
                    : exp2f((float)(2 * (int)(3 * sample_number(state)) - 2));
  }
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (node->rounds && node->rounds->weights)
      draw_filters(node, sample->weights + node->weight[0]->offset, state);
  }
}

static void round_inputs(Sample *sample) {
  for (int i = 0; i < sample->graph->inputs.n; i++) {
    const Node *node = sample->graph->inputs.data[i].node;
    for (int64_t k = 0; k < sample->count * shape_elements(node->shape) && node->port->elem == F32; k++) {
      float *x = (float *)sample->input[i] + k;
      *x = rintf(*x * 0x1p7f) * 0x1p-7f;
      sample->input_double[i][k] = (double)*x;
    }
  }
}

static void draw_input(const Node *node, int64_t n, void *to, double *numbers, uint64_t *state) {
  for (int64_t i = 0; i < n; i++) {
    const double u = sample_number(state);
    if (node->port->elem == U8) {
      ((uint8_t *)to)[i] = (uint8_t)(256 * u);
      numbers[i] = ((uint8_t *)to)[i];
    } else if (node->port->elem == I8) {
      ((int8_t *)to)[i] = (int8_t)(256 * u - 128);
      numbers[i] = ((int8_t *)to)[i];
    } else if (node->port->elem == I16) {
      ((int16_t *)to)[i] = (int16_t)(65536 * u - 32768);
      numbers[i] = ((int16_t *)to)[i];
    } else if (node->port->elem == I32) {
      ((int32_t *)to)[i] = (int32_t)(24 * u - 4);
      numbers[i] = ((int32_t *)to)[i];
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
    if (node->port->elem == I32) {
      ((int32_t *)to)[i] = (int32_t)(u * (double)classes);
      numbers[i] = ((int32_t *)to)[i];
    } else {
      ((float *)to)[i] = (float)u;
      numbers[i] = (double)((float *)to)[i];
    }
  }
}

/* ---- ground truth ---- */
static void draw_box(double *box, double height, double width, uint64_t *state) {
  const double side[2] = {width, height};
  for (int c = 0; c < 2; c++) {
    const double size = side[c] * (0.2 + 0.5 * sample_number(state)),
                 from = (side[c] - size) * sample_number(state);
    box[c] = (double)(float)from;
    box[c + 2] = (double)(float)(from + size);
  }
}

/* Draws up to five objects per image; the fifth object has an invalid class. */
static void draw_objects(Sample *sample, int64_t image, uint64_t *state) {
  const Graph *graph = sample->training.graph;
  const int first = graph_ports(graph);
  const int64_t most = graph->training->objects;
  double **part = sample->target_double + first;
  const Extent picture = shape_extent(graph->inputs.data[0].node->shape);
  int64_t count = (int64_t)(6 * sample_number(state));
  if (count > most) count = most;
  part[TRUTH_COUNT][image] = (double)count;
  for (int64_t k = 0; k < most; k++) {
    part[TRUTH_CLASS][image * most + k] = k == 4 ? -1 : floor(3 * sample_number(state));
    draw_box(part[TRUTH_BOX] + (image * most + k) * 4, (double)picture.h, (double)picture.w, state);
  }
  if (!graph->truth[TRUTH_INSTANCE]) return;
  const Extent e = shape_extent(graph->truth[TRUTH_INSTANCE]->shape);
  for (int64_t i = 0; i < e.h * e.w; i++)
    part[TRUTH_INSTANCE][image * e.h * e.w + i] = floor((double)(count + 1) * sample_number(state));
}

static size_t truth_bytes(const Graph *graph, size_t *instance) {
  const size_t most = (size_t)graph->training->objects, boxes = 4 + most * 4 + most * 16;
  const Node *map = graph->truth[TRUTH_INSTANCE];
  *instance = boxes;
  return (boxes + (map ? (size_t)shape_elements(map->shape) : 0) + 3) / 4 * 4;
}

/* Packs the objects of an image into a record in the form of NAME_truth, which callers pass. */
static void pack_objects(const Sample *sample, int64_t image, char *to) {
  const Graph *graph = sample->training.graph;
  double *const *part = sample->target_double + graph_ports(graph);
  const int64_t most = graph->training->objects;
  const Node *map = graph->truth[TRUTH_INSTANCE];
  size_t instance;
  truth_bytes(graph, &instance);
  int32_t *whole = (int32_t *)(void *)to;
  float *box = (float *)(void *)(to + 4 + most * 4);
  whole[0] = (int32_t)part[TRUTH_COUNT][image];
  for (int64_t k = 0; k < most; k++) whole[1 + k] = (int32_t)part[TRUTH_CLASS][image * most + k];
  for (int64_t k = 0; k < 4 * most; k++) box[k] = (float)part[TRUTH_BOX][image * 4 * most + k];
  const int64_t pixels = map ? shape_elements(map->shape) : 0;
  for (int64_t i = 0; i < pixels; i++)
    to[instance + (size_t)i] = (char)(uint8_t)part[TRUTH_INSTANCE][image * pixels + i];
}

static void draw_truth(Sample *sample, uint64_t *state) {
  const Graph *graph = sample->training.graph;
  const int first = graph_ports(graph);
  if (!graph->truth[TRUTH_COUNT]) return;
  for (int p = 0; p < TRUTH_PARTS; p++)
    if (graph->truth[p])
      sample->target_double[first + p] =
          NEW_ARRAY(sample->arena, double, sample->count *shape_elements(graph->truth[p]->shape));
  size_t instance, bytes = truth_bytes(graph, &instance);
  sample->target[first] = NEW_ARRAY(sample->arena, char, (int64_t)bytes * sample->count);
  for (int64_t image = 0; image < sample->count; image++) {
    draw_objects(sample, image, state);
    pack_objects(sample, image, (char *)sample->target[first] + (size_t)image * bytes);
  }
}

size_t sample_target_bytes(const Sample *sample, int index) {
  const Graph *graph = sample->training.graph;
  const Node *node = sample->training.target[index];
  size_t instance;
  if (!node || index > graph_ports(graph)) return 0;
  if (index == graph_ports(graph)) return (size_t)sample->count * truth_bytes(graph, &instance);
  return (size_t)(sample->count * shape_elements(node->shape)) * 4;
}

/* Whether the input consists of boxes, which must be valid. */
static bool is_boxes(const Sample *sample, const Node *input) {
  return sample->graph->training && sample->graph->training->objects && input->shape.rank == 2 &&
         input->shape.dim[1] == 4;
}

static void draw_boxes(Sample *sample, int input, uint64_t *state) {
  const Extent picture = shape_extent(sample->graph->inputs.data[0].node->shape);
  const int64_t n = sample->count * shape_elements(sample->graph->inputs.data[input].node->shape);
  for (int64_t i = 0; i < n; i += 4) {
    draw_box(sample->input_double[input] + i, (double)picture.h, (double)picture.w, state);
    for (int c = 0; c < 4; c++)
      ((float *)sample->input[input])[i + c] = (float)sample->input_double[input][i + c];
  }
}

int64_t sample_calls(const Sample *sample) {
  return sample->graph->training ? sample->graph->training->steps : 1;
}

void sample_draw(Sample *sample, int64_t count, uint64_t seed) {
  const Graph *graph = sample->graph;
  uint64_t state = seed * 2 + 1;
  sample->count = count;
  sample->weights = NEW_ARRAY(sample->arena, float, graph->parameters + 1);
  sample->weights_double = NEW_ARRAY(sample->arena, double, graph->parameters + 1);
  for (int i = 0; i < graph->weights.n; i++)
    draw_weight(graph->weights.data[i], sample->weights + graph->weights.data[i]->offset, &state);
  const bool rounds = graph->training && graph->training->aware;
  if (rounds) draw_rounding(sample, &state);
  for (int64_t i = 0; i < graph->parameters; i++) sample->weights_double[i] = (double)sample->weights[i];
  sample->input = NEW_ARRAY(sample->arena, void *, graph->inputs.n + 1);
  sample->input_double = NEW_ARRAY(sample->arena, double *, graph->inputs.n + 1);
  sample->target = NEW_ARRAY(sample->arena, void *, graph_ports(graph) + TRUTH_PARTS);
  sample->target_double = NEW_ARRAY(sample->arena, double *, graph_ports(graph) + TRUTH_PARTS);
  for (int i = 0; i < graph->inputs.n; i++) {
    const Node *node = graph->inputs.data[i].node;
    const int64_t n = count * sample_calls(sample) * shape_elements(node->shape);
    sample->input[i] = NEW_ARRAY(sample->arena, float, n);
    sample->input_double[i] = NEW_ARRAY(sample->arena, double, n);
    if (is_boxes(sample, node)) draw_boxes(sample, i, &state);
    else draw_input(node, n, sample->input[i], sample->input_double[i], &state);
  }
  if (rounds) round_inputs(sample);
  if (sample->training.graph) draw_truth(sample, &state);
  for (int o = 0; sample->training.graph && o < graph_ports(graph); o++) {
    const Node *target = sample->training.target[o];
    if (!target) continue;
    const int64_t n = count * shape_elements(target->shape),
                  classes = shape_extent(graph_port(graph, o)->node->shape).c;
    sample->target[o] = NEW_ARRAY(sample->arena, float, n);
    sample->target_double[o] = NEW_ARRAY(sample->arena, double, n);
    draw_target(target, classes, n, sample->target[o], sample->target_double[o], &state);
  }
}

/* ---- NaN, infinities and denormals ---- */
static void spoil_image(float *to, double *numbers, int64_t n, int kind, uint64_t *state) {
  static const float some[] = {NAN, INFINITY, -INFINITY, -0.f, 0.f, 0x1p-149f, -0x1p-140f, 0x1p-126f};
  static const float each[] = {NAN, NAN, INFINITY, -INFINITY};
  /* kind 0: all elements are NaN; kind 5: all elements are denormals or zeros */
  const bool all = kind == 0 || kind == 5;
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
    for (int64_t image = 0; image < sample->count && node->port->elem == F32; image++)
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

/* Runs the net. A net with states is called several times; the results are from the last call. */
static void run_calls(const Sample *sample, GraphRun *run) {
  const int states = graph_states(sample->graph);
  if (states) run->state = graph_state_vector(sample->arena, sample->graph, sample->count);
  for (int call = states ? STATE_CALLS : 1; call; call--) graph_run(sample->arena, sample->graph, run);
}

GraphRun sample_infer(const Sample *sample) {
  GraphRun run = run_of(sample, sample->weights_double);
  run_calls(sample, &run);
  return run;
}

static bool feeds_sum(Arena *arena, const Graph *graph, const Node *from) {
  bool *reached = NEW_ARRAY(arena, bool, graph->nodes.n);
  reached[from->id] = true;
  for (int i = from->id + 1; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    for (int k = 0; k < node->nin; k++) reached[i] = reached[i] || reached[node->in[k]->id];
    if (reached[i] && !node->op->map_eval && node->op->family != FAMILY_ALIAS) return true;
  }
  return false;
}

static void hide_far(void *context, const Node *node, double *value, int64_t n) {
  const Sample *sample = context;
  if (!feeds_sum(sample->arena, sample->graph, node)) return;
  for (int64_t i = 0; i < n; i++)
    if (isfinite(value[i]) && fabs(value[i]) > (double)FLT_MAX / 2) value[i] = NAN;
}

GraphRun sample_infer_far(const Sample *sample) {
  GraphRun run = run_of(sample, sample->weights_double);
  run.made = hide_far;
  run.context = (void *)(uintptr_t)sample;
  run_calls(sample, &run);
  return run;
}

/* At nodes through which no gradient passes, copies the values of the first run. */
static void hold_truncated(void *context, const Node *node, double *value, int64_t n) {
  const GraphRun *first = context;
  if (node->op->traits.stops_gradient) memcpy(value, first->value[node->id], (size_t)n * sizeof *value);
}

GraphRun sample_train(const Sample *sample, const double *weights, double *gradients) {
  GraphRun run = run_of(sample, weights);
  run.training = true;
  run.gradients = gradients;
  graph_run(sample->arena, sample->training.graph, &run);
  return run;
}

GraphRun sample_losses(const Sample *sample, const double *weights, double *ignored, const GraphRun *first) {
  GraphRun run = run_of(sample, weights);
  run.training = true;
  run.gradients = ignored;
  for (int i = 0; i < sample->graph->training->losses.n; i++)
    if (sample->training.loss[i]->id >= run.nodes) run.nodes = sample->training.loss[i]->id + 1;
  run.made = hold_truncated;
  run.context = (void *)(uintptr_t)first;
  graph_run(sample->arena, sample->training.graph, &run);
  return run;
}

/* Changes each element of a value by at most one unit in the last place of a float. Inputs, targets and
 * values that are all integers, such as indices and classes, are exact as floats and do not change. */
static void round_value(void *context, const Node *node, double *value, int64_t n) {
  bool whole = node_is_input(node) || node_is_target(node);
  for (int64_t i = 0; i < n && !whole; i++) {
    if (value[i] != floor(value[i])) break;
    whole = i + 1 == n;
  }
  for (int64_t i = 0; i < n && !whole; i++) value[i] *= 1 + (2 * sample_number(context) - 1) * 0x1p-23;
}

const double *sample_round(const Sample *sample, const double *gradients) {
  enum { DRAWS = 4 };
  const int64_t n = sample->graph->parameters;
  double *rounded = NEW_ARRAY(sample->arena, double, n + 1), *moved = NEW_ARRAY(sample->arena, double, n + 1);
  uint64_t state = 5;
  for (int draw = 0; draw < DRAWS; draw++) {
    GraphRun run = run_of(sample, sample->weights_double);
    run.training = true;
    run.gradients = rounded;
    run.made = round_value;
    run.context = &state;
    graph_run(sample->arena, sample->training.graph, &run);
    for (int64_t i = 0; i < n; i++) moved[i] = fmax(moved[i], fabs(rounded[i] - gradients[i]));
  }
  return moved;
}

double sample_loss(const Sample *sample, const GraphRun *run) {
  double sum = 0;
  for (int i = 0; i < sample->graph->training->losses.n; i++)
    for (int64_t n = 0; n < sample->count; n++) sum += run->value[sample->training.loss[i]->id][n];
  return sum;
}

/* PlanOptions.pays: whether the node has a batched kernel, whatever the kernel costs. */
static bool possible(const void *costs, const Node *node, int64_t batch, int64_t kept) {
  (void)batch;
  (void)kept;
  switch (node->op->family) {
  case FAMILY_DENSE:
  case FAMILY_DENSE_INPUT:
  case FAMILY_DENSE_WEIGHTS: return true;
  default: return !rows_direct_refused(costs, node) || !rows_winograd_refused(costs, node);
  }
}

PlanOptions sample_together(const Sample *s, const Target *layout, bool exact) {
  RowsCosts *costs = NEW(s->arena, RowsCosts);
  *costs = (RowsCosts){.target = layout, .exact = exact, .arena = s->arena};
  return (PlanOptions){.fusing = FUSE_ALL, .whole_batch = s->count + 2, .pays = possible, .costs = costs};
}

bool plan_any_together(const Plan *plan) {
  for (int i = 0; plan->whole_batch && i < plan->graph->nodes.n; i++)
    if (plan->whole_batch[i]) return true;
  return false;
}

/* The bands end at each possible node in turn. The number of bands alternates: two for the first node, one
 * per row for the second node, two for the third node. */
bool sample_next_bands(const Sample *s, PlanOptions *options) {
  const PlanOptions whole = {.fusing = options->fusing};
  const Graph *graph = plan_after(s->arena, s->graph, PLAN_INFERENCE, whole, "drop")->graph;
  int end = options->bands.n ? options->bands.end + 1 : 0;
  while (end < graph->nodes.n && !bands_can_end_at(s->arena, graph, end)) end++;
  options->bands = (Bands){end, options->bands.n == 2 ? SHAPE_MOST_ELEMENTS : 2};
  return end < graph->nodes.n;
}
