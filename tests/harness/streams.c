/* streams.c: Checks nets in steps (--stream) and in windows (--slide). For several numbers of rows per step,
 * eval runs the graph of a step call by call. Each row must equal the row that the net computes for the whole
 * sequence. With --slide, the result of each call must equal the result of the whole net for the last rows of
 * the input so far. Compiled steps must return exactly the results of the compiled whole net; float nets at
 * -O2 may differ by rounding. The graph of a step is also checked like other nets with states: its nests run
 * in the interpreter, and it is quantized with random parameters. */
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "all.h"
#include "base/number.h"
#include "check.h"
#include "int8.h"
#include "int8_draw.h"
#include "lir/names.h"
#include "ops/int8/int8.h"
#include "passes/passes.h"
#include "passes/stream.h"
#include "quantize/quantize.h"

typedef struct Stepping {
  const Check *check;
  const char *what;    /* "--stream=3" */
  const char *weights; /* weight file of an int8 model; otherwise NULL */
  Graph *graph;        /* the graph of one step */
  const Graph *whole;
  int64_t calls, windows;  /* calls of the step; calls of the whole net, one per window */
  double **input;          /* by input: [image][rows of all calls] */
  double **output, **want; /* by output: [image][call][elements], [image][window][elements] */
} Stepping;

/* ---- rows of inputs ---- */
static bool in_steps(const Stepping *s, int input) {
  return s->graph->stream->layer[s->whole->inputs.data[input].node->id].flows;
}

static Node *step_input(const Stepping *s, int i) { return s->graph->inputs.data[i].node; }
static Node *whole_input(const Stepping *s, int i) { return s->whole->inputs.data[i].node; }

/* Number of rows of an image for all calls; inputs without rows are the same in each call. */
static int64_t all_rows(const Stepping *s, int i) {
  return larger(s->calls * stream_rows(step_input(s, i)->shape), stream_rows(whole_input(s, i)->shape));
}
static int64_t all_elements(const Stepping *s, int i) {
  const int64_t n = shape_elements(whole_input(s, i)->shape);
  return in_steps(s, i) ? n / stream_rows(whole_input(s, i)->shape) * all_rows(s, i) : n;
}

/* The first row that a window of the whole net reads. */
static int64_t window_row(const Stepping *s, int i, int64_t window) {
  const Stream *stream = s->graph->stream;
  const int64_t step = stream_rows(step_input(s, i)->shape);
  return stream->window ? (stream->ready + window + 1) * step - stream->window : 0;
}

/* Copies rows first .. first + n - 1 of `all` rows, in the caller's order. */
static void cut_rows(const Node *node, int64_t all, const double *from, int64_t first, int64_t n,
                     double *to) {
  const Extent e = shape_extent(node->shape);
  const int64_t planes = node->port->chw ? e.c : 1,
                row = shape_elements(node->shape) / stream_rows(node->shape) / planes;
  for (int64_t p = 0; p < planes; p++)
    memcpy(to + p * n * row, from + (p * all + first) * row, (size_t)(n * row) * sizeof *to);
}

/* Inputs of all images for graph_run: of one step, or of one window of the whole net. */
static double **cut_inputs(const Stepping *s, const Graph *graph, int64_t at) {
  const Sample *sample = &s->check->sample;
  double **input = NEW_ARRAY(sample->arena, double *, graph->inputs.n + 1);
  for (int i = 0; i < graph->inputs.n; i++) {
    const Node *node = graph->inputs.data[i].node;
    const int64_t size = shape_elements(node->shape), rows = stream_rows(node->shape),
                  first = graph == s->whole ? window_row(s, i, at) : at * rows;
    input[i] = NEW_ARRAY(sample->arena, double, sample->count *size + 1);
    for (int64_t n = 0; n < sample->count; n++) {
      const double *from = s->input[i] + n * all_elements(s, i);
      if (in_steps(s, i)) cut_rows(node, all_rows(s, i), from, first, rows, input[i] + n * size);
      else memcpy(input[i] + n * size, from, (size_t)size * sizeof(double));
    }
  }
  return input;
}

/* ---- eval ---- */
static int64_t output_size(const Graph *graph, int o) {
  return shape_elements(graph->outputs.data[o].node->shape);
}

/* Runs a net for successive calls. */
static void run_calls(const Stepping *s, const Graph *graph, int64_t calls, double **output) {
  const Sample *sample = &s->check->sample;
  double **state = graph_state_vector(sample->arena, graph, sample->count);
  for (int64_t call = 0; call < calls; call++) {
    GraphRun run = {.count = sample->count,
                    .weights = sample->weights_double,
                    .input = (const double *const *)cut_inputs(s, graph, call),
                    .state = state};
    graph_run(sample->arena, graph, &run);
    for (int o = 0; o < graph->outputs.n; o++)
      for (int64_t n = 0, size = output_size(graph, o); n < sample->count; n++)
        memcpy(output[o] + (n * calls + call) * size, run.value[graph->outputs.data[o].node->id] + n * size,
               (size_t)size * sizeof(double));
  }
}

/* ---- steps compared with the whole net ---- */
static double error_of(double got, double want, bool exact) {
  if (got == want || (isnan(got) && isnan(want))) return 0;
  return exact ? 1 : isfinite(got - want) ? fabs(got - want) : HUGE_VAL;
}

/* Error of output o: of the rows that the steps returned or, with --slide, of the windows. */
static double output_error(const Stepping *s, int o, bool exact, int64_t *compared) {
  const StreamLayer *layer = &s->graph->stream->output[o];
  const int64_t rows = larger(stream_rows(s->whole->outputs.data[o].node->shape), 1),
                whole = output_size(s->whole, o), size = output_size(s->graph, o), row = whole / rows;
  double error = 0, largest = 1e-3;
  for (int64_t image = 0; image < s->check->sample.count; image++) {
    const double *got = s->output[o] + image * s->calls * size,
                 *want = s->want[o] + image * s->windows * whole;
    if (s->graph->stream->window) got += s->graph->stream->ready * size;
    const int64_t first = s->graph->stream->window ? 0 : layer->offset,
                  n = s->graph->stream->window ? s->windows * rows
                                               : smaller(rows, s->calls * layer->rows + first);
    for (int64_t i = 0; i < n * row; i++) {
      error = fmax(error, error_of(got[i - first * row], want[i], exact));
      if (isfinite(want[i])) largest = fmax(largest, fabs(want[i]));
      ++*compared;
    }
  }
  return exact ? error : error / largest;
}

static void report_steps(const Stepping *s, const char *how, bool exact, double limit) {
  double error = 0;
  int64_t compared = 0;
  Arena *arena = s->check->sample.arena;
  for (int o = 0; o < s->whole->outputs.n; o++)
    if (s->graph->stream->window || s->graph->stream->output[o].flows)
      error = fmax(error, output_error(s, o, exact, &compared));
  report_error(s->check, arena_printf(arena, "%s: %s, %lld numbers", s->what, how, (long long)compared),
               error, limit);
}

/* ---- compiled ---- */
typedef void StepsFunction(const float *weights, void *const *input, void **output);

static void put_arguments(Text *out, const Stepping *s, const Graph *graph, int64_t calls) {
  const bool whole = graph == s->whole;
  for (int i = 0; i < graph->inputs.n; i++) {
    const Node *node = graph->inputs.data[i].node;
    const int64_t row = in_steps(s, i) ? shape_elements(node->shape) / stream_rows(node->shape) : 0,
                  step = row * stream_rows(step_input(s, i)->shape);
    text_put(out, "(const %s *)input[%d] + image * %lldL + %lldL + call * %lldL, ",
             elem_c_type(node->port->elem), i, (long long)all_elements(s, i),
             (long long)(whole && row ? window_row(s, i, 0) * row : 0), (long long)step);
  }
  for (int o = 0; o < graph->outputs.n; o++)
    text_put(out, "(%s *)output[%d] + (image * %lldL + call) * %lldL, ",
             elem_c_type(graph->outputs.data[o].node->elem), o, (long long)calls,
             (long long)output_size(graph, o));
}

/* Writes the code before each call. Before the first call, this code initializes the state. Before each call,
 * it saves the state, overwrites the state struct and the workspace, and restores the state. */
static void put_sleep(Text *out, const char *p) {
  text_put(out, "      if (call == 0) %s_reset(&state[image]);\n", p);
  text_put(out, "      if (!%s_state_ok(&state[image])) return;\n", p);
  text_put(out, "      const %s_state stored = state[image];\n", p);
  text_put(out, "      memset(&state[image], 0xFF, sizeof stored);\n");
  text_put(out, "      memset(&workspace, 0xFF, sizeof workspace);\n");
  text_put(out, "      if (%s_state_ok(&state[image])) return;\n", p);
  text_put(out, "      state[image] = stored;\n");
}

/* Defines MODEL: the argument that passes the compiled-in model to the call, or nothing if the net has no
 * model. A net without weights may have an int8 model, with tables, so the generated header decides this. */
static void put_model(Text *out, Arena *arena, const char *p) {
  text_put(out, "#if %s_MODEL_BYTES > 0\n#define MODEL &%s_trained,\n", name_upper(arena, p), p);
  text_put(out, "#else\n#define MODEL\n#endif\n");
}

/* The streams of all images are computed alternately, in one workspace. */
static void put_calls(Text *out, const Stepping *s, const Graph *graph, int64_t calls) {
  const bool whole = graph == s->whole, packs = graph->parameters > 0 && !s->weights;
  const char *p = s->check->sample.cname;
  const long long images = (long long)s->check->sample.count;
  static const char head[] = "void glue_steps(const float *weights, void *const *input, void **output)";
  text_put(out, "#include <string.h>\n#include \"net.h\"\n");
  if (s->weights) put_model(out, s->check->sample.arena, p);
  text_put(out, "%s;\n%s {\n", head, head);
  text_put(out, "  static %s_workspace workspace;\n", p);
  if (!whole) text_put(out, "  static %s_state state[%lld];\n", p, images);
  if (packs)
    text_put(out, "  static %s_model model;\n  %s_pack(&model, (const %s_weights *)(const void *)weights);\n",
             p, p, p);
  else text_put(out, "  (void)weights;\n");
  text_put(out, "  for (int call = 0; call < %lld; call++)\n", (long long)calls);
  text_put(out, "    for (int image = 0; image < %lld; image++) {\n", images);
  if (!whole) put_sleep(out, p);
  text_put(out, "      %s_%s(", p, whole ? "infer" : "step");
  if (packs) text_put(out, "&model, ");
  else if (s->weights) text_put(out, "MODEL ");
  put_arguments(out, s, graph, calls);
  text_put(out, "%s&workspace);\n  }\n}\n", whole ? "" : "&state[image], ");
}

static double element_at(const void *values, Elem elem, int64_t i) {
  switch (elem) {
  case F32: return (double)((const float *)values)[i];
  case I16: return ((const int16_t *)values)[i];
  case I8: return ((const int8_t *)values)[i];
  default: return ((const uint8_t *)values)[i];
  }
}

static void **input_bytes(const Stepping *s) {
  const Sample *sample = &s->check->sample;
  void **input = NEW_ARRAY(sample->arena, void *, s->graph->inputs.n + 1);
  for (int i = 0; i < s->graph->inputs.n; i++) {
    const int64_t n = sample->count * all_elements(s, i);
    const Elem elem = step_input(s, i)->port->elem;
    input[i] = NEW_ARRAY(sample->arena, float, n + 1);
    for (int64_t k = 0; k < n; k++)
      if (elem == F32) ((float *)input[i])[k] = (float)s->input[i][k];
      else if (elem == I16) ((int16_t *)input[i])[k] = (int16_t)s->input[i][k];
      else ((uint8_t *)input[i])[k] = (uint8_t)(int64_t)s->input[i][k];
  }
  return input;
}

/* The options of the program, and the options of its steps. */
static const char *step_options(const Stepping *s) {
  return arena_printf(s->check->sample.arena, "%s %s", s->check->sample.options, s->what);
}

static bool run_compiled(const Stepping *s, const Graph *graph, int64_t calls, const Target *target,
                         const char *level, double **to) {
  Check check = *s->check;
  Arena *arena = check.sample.arena;
  Text glue = {.arena = arena};
  StepsFunction *steps = NULL;
  check.limits.batch = 1;
  if (graph != s->whole) check.sample.options = step_options(s);
  if (s->weights)
    check.sample.options = arena_printf(arena, "%s --weights=%s -Wno-not-int8 -Wno-dead-filters",
                                        check.sample.options, s->weights);
  put_calls(&glue, s, graph, calls);
  void *library = compiled_glue(&check, target, level, &glue);
  if (library) *(void **)&steps = dlsym(library, "glue_steps");
  if (!steps) return false;
  void **output = NEW_ARRAY(arena, void *, graph->outputs.n + 1);
  for (int o = 0; o < graph->outputs.n; o++)
    output[o] = NEW_ARRAY(arena, float, check.sample.count * calls * output_size(graph, o) + 1);
  steps(check.sample.weights, input_bytes(s), output);
  for (int o = 0; o < graph->outputs.n; o++)
    for (int64_t i = 0; i < check.sample.count * calls * output_size(graph, o); i++)
      to[o][i] = element_at(output[o], graph->outputs.data[o].node->elem, i);
  return true;
}

static void check_compiled_steps(const Stepping *s, const Target *target, const char *level) {
  const bool exact = strcmp(level, "-O2") != 0 || s->weights;
  for (int i = 0; i < s->graph->inputs.n; i++)
    if (step_input(s, i)->port->chw) return; /* with channels first, rows are not adjacent */
  const char *what = arena_printf(s->check->sample.arena, "%s %s", target->name, level);
  if (!run_compiled(s, s->graph, s->calls, target, level, s->output) ||
      !run_compiled(s, s->whole, s->windows, target, level, s->want))
    report_error(s->check, what, HUGE_VAL, 0);
  else report_steps(s, what, exact, exact ? 0 : s->check->limits.tolerance);
}

/* ---- a step as a separate net ---- */
/* A check of the step's graph as a separate net: each image has the rows of one call. */
static Check check_of_step(const Stepping *s) {
  enum { IMAGES = 5 };
  Check check = *s->check;
  Sample *sample = &check.sample;
  sample->graph = s->graph;
  sample->options = step_options(s);
  check.infer = true;
  sample_draw(sample, IMAGES, 1);
  check.forward = sample_infer(sample);
  return check;
}

/* ---- numbers of rows ---- */
static double **new_values(Arena *arena, const Graph *graph, int64_t calls) {
  double **value = NEW_ARRAY(arena, double *, graph->outputs.n + 1);
  for (int o = 0; o < graph->outputs.n; o++)
    value[o] = NEW_ARRAY(arena, double, calls *output_size(graph, o) + 1);
  return value;
}

static void draw_long(Stepping *s) {
  const Sample *sample = &s->check->sample;
  uint64_t seed = 5;
  s->input = NEW_ARRAY(sample->arena, double *, s->graph->inputs.n + 1);
  for (int i = 0; i < s->graph->inputs.n; i++) {
    const int64_t n = sample->count * all_elements(s, i);
    const Elem elem = step_input(s, i)->port->elem;
    s->input[i] = NEW_ARRAY(sample->arena, double, n + 1);
    for (int64_t k = 0; k < n; k++) {
      const double u = sample_number(&seed);
      s->input[i][k] = elem == U8    ? floor(256 * u)
                       : elem == I8  ? floor(256 * u) - 128
                       : elem == I16 ? floor(65536 * u) - 32768
                                     : (double)(float)(2 * u - 1);
    }
  }
  s->output = new_values(sample->arena, s->graph, sample->count * s->calls);
  s->want = new_values(sample->arena, s->whole, sample->count * s->windows);
}

static const char *option_of(Arena *arena, const Streaming *o) {
  if (o->slide) return arena_printf(arena, "--slide=%lld", (long long)o->slide);
  const char *text = arena_printf(arena, "--stream=%lld", (long long)o->use.data[0].rows);
  if (!o->lookahead) return text;
  return arena_printf(arena, "%s --lookahead=%lld", text, (long long)o->lookahead);
}

static bool find_steps(Stepping *s, const Check *check, const Graph *whole, const Streaming *options) {
  enum { MORE = 4 }; /* number of windows */
  Arena *arena = check->sample.arena;
  *s = (Stepping){.check = check, .whole = whole, .what = option_of(arena, options), .windows = 1};
  s->graph = stream_graph(arena, NULL, whole, whole, options);
  if (!s->graph) return false;
  graph_verify(s->graph);
  const Stream *stream = s->graph->stream;
  s->calls = stream_rows(whole_input(s, 0)->shape) / stream_rows(step_input(s, 0)->shape);
  if (stream->window) {
    s->windows = MORE;
    s->calls = stream->ready + MORE;
  }
  if (s->calls < 1) return false;
  draw_long(s);
  return true;
}

static bool has_halves(const Graph *graph) {
  for (int i = 0; i < graph->nodes.n; i++) {
    const Precision precision = graph->nodes.data[i]->precision;
    if (precision == PRECISION_BF16 || precision == PRECISION_F16W) return true;
  }
  return false;
}

/* Quantizes the net with random parameters. Its steps must return the same bytes as the whole net. */
static void check_int8_steps(const Check *of, const Streaming *options, bool nests) {
  Check check = *of;
  Sample *sample = &check.sample;
  Stepping s;
  if (has_halves(sample->graph)) return; /* layers in bf16 or f16w cannot have int8 weights */
  const char *rounding = rounding_name((Rounding)(check.limits.share.number % ROUNDINGS)),
             *weights = arena_printf(sample->arena, "%s/steps.safetensors", check.work);
  if (!int8_draw(sample->arena, sample->graph, weights, rounding, SEED, false) ||
      !int8_quantize(&check, weights))
    return;
  if (!find_steps(&s, &check, sample->graph, options)) return;
  run_calls(&s, s.graph, s.calls, s.output);
  run_calls(&s, s.whole, s.windows, s.want);
  report_steps(&s, arena_printf(sample->arena, "int8, %s", rounding), true, 0);
  s.weights = weights;
  if (!nests) check_compiled_steps(&s, target_native(), "-O2");
  if (nests || !int8_whole_numbers(s.graph)) return;
  Check step = check_of_step(&s);
  int8_compare(&step, rounding, weights, 2);
}

/* False: the net does not support these options. */
static bool check_way(Check *check, const Streaming *options, int way, bool nests) {
  Stepping s;
  const bool turn = try_all() || share_has_turn(&check->limits.share, way, nests ? 6 : 3);
  if (!find_steps(&s, check, check->sample.graph, options)) return false;
  run_calls(&s, s.graph, s.calls, s.output);
  run_calls(&s, s.whole, s.windows, s.want);
  report_steps(&s, "steps", true, 0);
  if (!turn) return true;
  Check step = check_of_step(&s);
  check_nests(&step);
  if (!nests) check_compiled_steps(&s, target_find("generic"), "-O0");
  if (!nests) check_compiled_steps(&s, target_native(), "-O2");
  if (!nests && try_all()) check_compiled_steps(&s, target_find("generic"), "-Os");
  check_int8_steps(check, options, nests);
  return true;
}

static int64_t least_step(const Check *check, bool slide, int64_t lookahead) {
  StreamUse use = {NULL, 1};
  Streaming options = {.use = {&use, !slide, 1}, .slide = slide, .lookahead = lookahead};
  Streams streams = {.arena = check->sample.arena,
                     .graph = check->sample.graph,
                     .written = check->sample.graph,
                     .options = &options};
  stream_rules(&streams);
  return streams.jump;
}

/* Checks mutants of the lowered program of a step, and of a window (programs.c). */
void check_step_programs(Check *check) {
  if (graph_states(check->sample.graph) || check->sample.graph->training) return;
  for (int slide = 0; slide < 2; slide++) {
    StreamUse use = {NULL, larger(least_step(check, slide, 0), 1)};
    const Streaming options = {.use = {&use, !slide, 1}, .slide = slide ? use.rows : 0};
    Stepping s;
    if (!find_steps(&s, check, check->sample.graph, &options)) continue;
    Check step = check_of_step(&s);
    check_programs(&step);
  }
}

void check_streams(Check *check, bool nests) {
  enum { WAYS = 3, LOOKAHEAD = 1000 };
  Sample *sample = &check->sample;
  int64_t computed = 0;
  sample_draw(sample, 2, 1);
  sample->training.graph = NULL;
  for (int way = 0; way < 2 * WAYS; way++) {
    const bool slide = way >= WAYS;
    const int64_t rows = (way % WAYS + 1) * larger(least_step(check, slide, LOOKAHEAD), 1);
    StreamUse use = {NULL, rows};
    const Streaming options = {
        .use = {&use, !slide, 1}, .slide = slide ? rows : 0, .lookahead = slide ? 0 : LOOKAHEAD};
    computed += check_way(check, &options, way, nests);
  }
  if (check->limits.streams)
    report_error(check,
                 arena_printf(sample->arena, "%lld ways, of at least %lld", (long long)computed,
                              (long long)check->limits.streams),
                 (double)larger(0, check->limits.streams - computed), 0);
}
