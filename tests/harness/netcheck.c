/* netcheck.c: what the compiler writes does what the program means.  netcheck [--nests | --choices | --on=TARGET] FILE.cnn...
 *
 * For each program: eval in double is compared with the compiled C, for every target that this CPU runs, at -O0 and -O2; with a train block also eval's
 * gradients with central differences, and the compiled gradients with eval's. Code of -O2 is run by threads too: the bits must be those of one. With --nests
 * the loop nests are run by the interpreter instead, which is fast and needs no C compiler; with --choices so are those of each schedule that could be chosen; with --on=TARGET code for another CPU runs in an emulator, at -O2. What
 * programs have for looking inside, the values of all layers and the gradients with respect to the inputs, is always run by the interpreter. A line a
 * comparison, in TAP. The first lines of a program may say
 *     # check: images=3 batch=2 tolerance=1e-5 gradient=1e-4 difference=1e-6 targets=generic */
// SPDX-License-Identifier: Apache-2.0
#include "config.h"
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/text.h"
#include "foreign.h"
#include "machine.h"
#include "ops/op.h"
#include "sample.h"
#include "schedule/choice.h"
#include "schedule/target.h"

typedef struct Limits { int64_t images, batch; double tolerance, gradient, difference; const char *targets; } Limits;
typedef struct Check { Sample sample; Limits limits; const char *work; } Check; /* work: a directory for compiled code; NULL: --nests */
typedef void InferFunction(const float *weights, void *const *input, float **output);
typedef void ThreadsFunction(int threads);
typedef float GradientsFunction(const float *weights, void *const *input, void *const *target, int32_t count, uint64_t seed, uint64_t step, float *gradients, float **output);

enum { SEED = 11, STEP = 3 };
static const double NEST_ERROR = 1e-6; /* constants of nests are floats, all else is double */
enum { SEVERAL = 5 }; /* images for nests: side by side in vectors of four, one whole group and a part of one */

static int cases;

static void report(bool ok, const Check *check, const char *what, double error, double limit) {
  const char *name = strrchr(check->sample.path, '/');
  printf("%sok %d - %s %s: error %.2g, limit %.2g\n", ok ? "" : "not ", ++cases, name ? name + 1 : check->sample.path, what, error, limit);
  fflush(stdout);
}

static Limits read_limits(Arena *arena, const char *path) {
  Limits limits = {2, 1, 1e-5, 1e-4, 1e-6, NULL};
  size_t n;
  const char *why, *text = file_read(arena, path, &n, &why), *line = text ? strstr(text, "# check:") : NULL;
  if (!line) return limits;
  char *copy = arena_copy(arena, line, strcspn(line, "\n")), *state = NULL;
  for (char *word = strtok_r(copy, " ", &state); word; word = strtok_r(NULL, " ", &state)) {
    char *value = strchr(word, '=');
    if (!value) continue;
    *value++ = 0;
    if (!strcmp(word, "images")) limits.images = atoll(value);
    else if (!strcmp(word, "batch")) limits.batch = atoll(value);
    else if (!strcmp(word, "tolerance")) limits.tolerance = atof(value);
    else if (!strcmp(word, "gradient")) limits.gradient = atof(value);
    else if (!strcmp(word, "difference")) limits.difference = atof(value);
    else if (!strcmp(word, "targets")) limits.targets = value;
    else fprintf(stderr, "%s: unknown limit %s\n", path, word), exit(2);
  }
  return limits;
}

/* ---- generated code behind two functions whose form does not depend on the net ---- */
static const char *port_type(const Node *node) { return node->elem == ELEM_U8 ? "uint8_t" : node->elem == ELEM_I8 ? "int8_t" : node->elem == ELEM_I32 ? "int32_t" : "float"; }

static void put_infer_call(Text *out, const Check *check, bool some) { /* from image `first` on a batch; some: what is left */
  const Sample *s = &check->sample;
  const Graph *graph = s->graph;
  text_put(out, "    %s_infer%s(%s", s->cname, some ? "_some" : "", graph->parameters > 0 ? "&model, " : "");
  for (int i = 0; i < graph->inputs.n; i++)
    text_put(out, "%s(const %s *)input[%d] + first * %lld", i ? ", " : "", port_type(graph->inputs.data[i].node), i, (long long)shape_elements(graph->inputs.data[i].node->shape));
  if (some) text_put(out, ", %lld - first", (long long)s->count);
  for (int i = 0; i < graph->outputs.n; i++) text_put(out, ", output[%d] + first * %lld", i, (long long)shape_elements(graph->outputs.data[i].node->shape));
  text_put(out, ", &workspace);\n");
}

/* The images of the check, a batch at a time and then what is left, and with training code their gradients. */
static void put_glue(Text *out, const Check *check, bool train) {
  const Sample *s = &check->sample;
  const Graph *graph = s->graph;
  const char *p = s->cname;
  const bool weights = graph->parameters > 0;
  text_put(out, "#include \"net.h\"\nvoid glue_infer(const float *weights, void *const *input, float **output);\n");
  text_put(out, "void glue_infer(const float *weights, void *const *input, float **output) {\n  static %s_workspace workspace;\n", p);
  if (weights) text_put(out, "  static %s_model model;\n  %s_pack(&model, (const %s_weights *)(const void *)weights);\n", p, p, p);
  else text_put(out, "  (void)weights;\n");
  text_put(out, "  int first = 0;\n  for (; first + %lld <= %lld; first += %lld)\n", (long long)check->limits.batch, (long long)s->count, (long long)check->limits.batch);
  put_infer_call(out, check, false);
  if (check->limits.batch > 1) text_put(out, "  if (first < %lld)\n", (long long)s->count), put_infer_call(out, check, true);
  text_put(out, "}\n");
  text_put(out, "#ifdef _OPENMP\n#include <omp.h>\nvoid glue_threads(int threads);\nvoid glue_threads(int threads) { omp_set_num_threads(threads); }\n#endif\n");
  if (!train) return;
  static const char head[] = "float glue_gradients(const float *weights, void *const *input, void *const *target, int32_t count, uint64_t seed, uint64_t step, float *gradients, float **output)";
  text_put(out, "%s;\n%s {\n  static %s_training training;\n  (void)weights, (void)gradients;\n  return %s_gradients(", head, head, p, p);
  if (weights) text_put(out, "(const %s_weights *)(const void *)weights, ", p);
  for (int i = 0; i < graph->inputs.n; i++) text_put(out, "(const %s *)input[%d], ", port_type(graph->inputs.data[i].node), i);
  for (int i = 0; i < graph->outputs.n; i++)
    if (s->training.target[i]) text_put(out, "(const %s *)target[%d], ", port_type(s->training.target[i]), i);
  text_put(out, "count, seed, step, ");
  if (weights) text_put(out, "(%s_weights *)(void *)gradients, ", p);
  for (int i = 0; i < graph->outputs.n; i++) text_put(out, "output[%d], ", i);
  text_put(out, "&training);\n}\n");
}

static bool write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  return file && fputs(text, file) >= 0 && fclose(file) == 0;
}

/* net.c and glue.c in a directory of their own; NULL if cnnc failed. */
static const char *write_code(const Check *check, const char *targets, const char *level, bool threads, bool train, int variant, const Text *glue) {
  Arena *arena = check->sample.arena;
  const char *cnnc = getenv("CNNC"), *dir = arena_printf(arena, "%s/%d", check->work, variant);
  const char *command = arena_printf(arena, "mkdir -p %s && %s -Wno-unread-input -Wno-unused-value %s -o %s/net.c --target=%s %s%s --batch=%lld --prefix=%s%s", dir, cnnc ? cnnc : "cnnc", check->sample.path, dir, targets, level,
                                     threads ? " --threads=openmp" : "", (long long)check->limits.batch, check->sample.cname, train ? " --train" : "");
  return system(command) == 0 && write_file(arena_printf(arena, "%s/glue.c", dir), glue->s) ? dir : NULL;
}

static bool by_threads(const char *level) { return strcmp(level, "-O2") == 0; }

static void *build(const Check *check, const char *target, const char *level, bool train, int variant) {
  const char *cc = getenv("CC");
  const bool threads = by_threads(level);
  Text glue = {.arena = check->sample.arena};
  put_glue(&glue, check, train);
  const char *dir = write_code(check, target, level, threads, train, variant, &glue);
  if (!dir) return NULL;
  const char *library = arena_printf(check->sample.arena, "%s/net.so", dir);
  const char *command = arena_printf(check->sample.arena, "%s -std=c11 -O1 -fPIC -shared -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror%s -I%s %s/net.c %s/glue.c -o %s", cc ? cc : "cc",
                                     threads ? " -fopenmp" : "", dir, dir, dir, library);
  return system(command) == 0 ? dlopen(library, RTLD_NOW | RTLD_LOCAL) : NULL;
}

/* ---- comparisons ---- */
/* Relative to the largest wanted number, or to `least` where all are smaller (gradients that are zero but for rounding); infinite for a NaN. */
static double worst(const double *got, const double *want, int64_t n, double least) {
  double error = 0, largest = least;
  for (int64_t i = 0; i < n; i++) {
    const double e = fabs(got[i] - want[i]);
    if (!(e <= error)) error = isnan(e) ? HUGE_VAL : e;
    if (fabs(want[i]) > largest) largest = fabs(want[i]);
  }
  return largest > 0 ? error / largest : error;
}

static double worst_float(const float *got, const double *want, int64_t n, double least) {
  double *wide = malloc(sizeof *wide * (size_t)n);
  if (!wide) return HUGE_VAL;
  for (int64_t i = 0; i < n; i++) wide[i] = (double)got[i];
  const double error = worst(wide, want, n, least);
  free(wide);
  return error;
}

static void compare_outputs(Check *check, const char *what, float *const *output) {
  Sample *s = &check->sample;
  const Graph *graph = s->graph;
  const int64_t batch = check->limits.batch;
  const GraphRun run = sample_infer(s);
  double error = 0;
  for (int64_t first = 0; first < s->count; first += batch)
    for (int o = 0; o < graph->outputs.n; o++) {
      const Node *node = graph->outputs.data[o].node;
      const int64_t n = shape_elements(node->shape), images = s->count - first < batch ? s->count - first : batch;
      const double e = worst_float(output[o] + first * n, run.value[node->id] + first * n, images * n, 0);
      if (e > error) error = e;
    }
  report(error <= check->limits.tolerance, check, what, error, check->limits.tolerance);
}

static void new_outputs(const Sample *s, float **output) {
  for (int o = 0; o < s->graph->outputs.n; o++) output[o] = NEW_ARRAY(s->arena, float, s->count * shape_elements(s->graph->outputs.data[o].node->shape) + 1);
}

static bool same_bits(const Sample *s, float *const *a, float *const *b) {
  bool same = true;
  for (int o = 0; o < s->graph->outputs.n; o++) same = same && !memcmp(a[o], b[o], sizeof(float) * (size_t)(s->count * shape_elements(s->graph->outputs.data[o].node->shape)));
  return same;
}

static void check_threads(const Check *check, const char *what, void *library, InferFunction *infer, float *const *want) {
  const Sample *s = &check->sample;
  ThreadsFunction *use = NULL;
  *(void **)&use = dlsym(library, "glue_threads");
  float *again[MOST_PORTS] = {0};
  new_outputs(s, again);
  int differ = use ? 0 : 1;
  for (int threads = 2; use && threads <= 7 && !differ; threads += threads / 2 + 1) { /* 2, 4, 7 */
    use(threads);
    infer(s->weights, s->input, again);
    if (!same_bits(s, want, again)) differ = threads;
  }
  report(!differ, check, arena_printf(s->arena, "%s by threads", what), differ, 0);
}

static void check_infer(Check *check, const char *target, const char *level, int variant) {
  Sample *s = &check->sample;
  const char *what = arena_printf(s->arena, "infer %s %s", target, level);
  void *library = build(check, target, level, false, variant);
  InferFunction *infer = NULL;
  if (library) *(void **)&infer = dlsym(library, "glue_infer");
  if (!infer) { report(false, check, what, HUGE_VAL, check->limits.tolerance); return; }
  float *output[MOST_PORTS] = {0};
  new_outputs(s, output);
  ThreadsFunction *use = NULL;
  *(void **)&use = dlsym(library, "glue_threads");
  if (use) use(1);
  infer(s->weights, s->input, output);
  compare_outputs(check, what, output);
  if (by_threads(level)) check_threads(check, what, library, infer, output);
}

static double difference(const Sample *s, double *weights, int64_t i, double h) {
  const double value = weights[i];
  double *ignored = NEW_ARRAY(s->arena, double, s->graph->parameters + 1);
  weights[i] = value + h;
  const GraphRun up = sample_train(s, weights, ignored);
  weights[i] = value - h;
  const GraphRun down = sample_train(s, weights, ignored);
  weights[i] = value;
  return (sample_loss(s, &up) - sample_loss(s, &down)) / (2 * h);
}

/* Central differences of eval's loss against eval's backward pass, a few elements of each trained parameter; relative to the parameter's largest gradient. */
static void check_differences(Check *check, const double *gradients) {
  Sample *s = &check->sample;
  uint64_t state = 99;
  double error = 0;
  double *weights = NEW_ARRAY(s->arena, double, s->graph->parameters + 1);
  memcpy(weights, s->weights_double, (size_t)s->graph->parameters * sizeof *weights);
  for (int w = 0; w < s->graph->weights.n; w++) {
    const Weight *weight = s->graph->weights.data[w];
    if (weight->statistic || weight->frozen) continue;
    double largest = 1e-4;
    for (int64_t i = 0; i < weight->size; i++) largest = fmax(largest, fabs(gradients[weight->offset + i]));
    for (int k = 0; k < 6; k++) {
      const int64_t i = weight->offset + (int64_t)(sample_number(&state) * (double)weight->size);
      double e = HUGE_VAL, slope = 0;
      for (double h = 1e-5; h > 1e-8 && !(e <= check->limits.difference); h /= 10) { /* smaller steps, should the edge of a relu lie within the first */
        slope = difference(s, weights, i, h);
        e = fmin(e, fabs(slope - gradients[i]) / largest);
      }
      if (!(e <= error)) error = e;
      if (getenv("NETCHECK_VERBOSE")) fprintf(stderr, "%s[%lld]: gradient %.9g, difference %.9g\n", weight->name, (long long)(i - weight->offset), gradients[i], slope);
    }
  }
  report(error <= check->limits.difference, check, "gradients of eval against differences", error, check->limits.difference);
}

static void compare_gradients(Check *check, const double *want, const GraphRun *run, const char *what, float loss, const float *gradients, float *const *output) {
  Sample *s = &check->sample;
  double least = 0; /* a hundredth of the largest gradient of the net: a bias before batchnorm has none, which floats reach to the rounding of its terms */
  for (int64_t i = 0; i < s->graph->parameters; i++) least = fmax(least, 1e-2 * fabs(want[i]));
  double error = fabs((double)loss - sample_loss(s, run)) / fmax(1, fabs(sample_loss(s, run)));
  for (int w = 0; w < s->graph->weights.n; w++) {
    const Weight *weight = s->graph->weights.data[w];
    const double e = worst_float(gradients + weight->offset, want + weight->offset, weight->size, least);
    if (getenv("NETCHECK_VERBOSE")) fprintf(stderr, "%s: error %.3g\n", weight->name, e);
    if (!(e <= error)) error = e;
  }
  for (int o = 0; o < s->graph->outputs.n; o++) {
    const Node *node = s->training.graph->outputs.data[o].node;
    const double e = worst_float(output[o], run->value[node->id], s->count * shape_elements(node->shape), 0);
    if (!(e <= error)) error = e;
  }
  report(error <= check->limits.gradient, check, what, error, check->limits.gradient);
}

/* As with one thread: loss, gradients and outputs. */
static void check_gradient_threads(Check *check, const char *what, void *library, GradientsFunction *function, float loss, const float *want, float *const *output) {
  const Sample *s = &check->sample;
  const size_t bytes = (size_t)s->graph->parameters * sizeof(float);
  ThreadsFunction *use = NULL;
  *(void **)&use = dlsym(library, "glue_threads");
  float *again[MOST_PORTS] = {0}, *gradients = NEW_ARRAY(s->arena, float, s->graph->parameters + 1);
  new_outputs(s, again);
  int differ = use ? 0 : 1;
  for (int threads = 2; use && threads <= 7 && !differ; threads += threads / 2 + 1) {
    use(threads);
    const float again_loss = function(s->weights, s->input, s->target, (int32_t)s->count, SEED, STEP, gradients, again);
    if (memcmp(&again_loss, &loss, sizeof loss) || memcmp(gradients, want, bytes) || !same_bits(s, again, output)) differ = threads;
  }
  report(!differ, check, arena_printf(s->arena, "%s by threads", what), differ, 0);
}

static void check_gradients(Check *check, const double *want, const GraphRun *run, const char *target, const char *level, int variant) {
  Sample *s = &check->sample;
  const char *what = arena_printf(s->arena, "gradients %s %s", target, level);
  void *library = build(check, target, level, true, variant);
  GradientsFunction *function = NULL;
  if (library) *(void **)&function = dlsym(library, "glue_gradients");
  if (!function) { report(false, check, what, HUGE_VAL, check->limits.gradient); return; }
  float *gradients = NEW_ARRAY(s->arena, float, s->graph->parameters + 1), *output[MOST_PORTS] = {0};
  new_outputs(s, output);
  memset(gradients, 0x7f, (size_t)s->graph->parameters * sizeof *gradients); /* they are overwritten */
  ThreadsFunction *use = NULL;
  *(void **)&use = dlsym(library, "glue_threads");
  if (use) use(1);
  const float loss = function(s->weights, s->input, s->target, (int32_t)s->count, SEED, STEP, gradients, output);
  compare_gradients(check, want, run, what, loss, gradients, output);
  if (by_threads(level)) check_gradient_threads(check, what, library, function, loss, gradients, output);
}

/* ---- on another CPU ---- */
typedef struct Bytes { unsigned char *data; size_t n, room; } Bytes;

/* Room for an array; the place where it begins. */
static size_t bytes_room(Bytes *bytes, size_t n) {
  const size_t start = (bytes->n + 63) / 64 * 64;
  bytes->n = start + n;
  return start;
}

static size_t bytes_add(Arena *arena, Bytes *bytes, const void *from, size_t n) {
  const size_t start = bytes_room(bytes, n);
  if (bytes->n > bytes->room) {
    unsigned char *data = NEW_ARRAY(arena, unsigned char, 2 * bytes->n);
    if (start) memcpy(data, bytes->data, start);
    bytes->data = data, bytes->room = 2 * bytes->n;
  }
  if (n) memcpy(bytes->data + start, from, n);
  return start;
}

static size_t values_bytes(const Sample *s, const Node *node) { return (size_t)(s->count * shape_elements(node->shape)) * (node->elem == ELEM_U8 || node->elem == ELEM_I8 ? 1 : 4); }

/* One program does all: it reads weights, inputs and targets as one block of bytes, and writes outputs, loss and gradients as another. */
static void check_foreign(Check *check, const double *want, const GraphRun *run, const Target *target, int variant) {
  Sample *s = &check->sample;
  const Graph *graph = s->graph;
  const size_t parameters = (size_t)graph->parameters * sizeof(float);
  const char *targets = arena_printf(s->arena, "%s%s", variant % 2 ? "x86-64-v4," : "", target->name); /* every other time with packs of a wider target */
  Text glue = {.arena = s->arena}, main = {.arena = s->arena};
  Bytes in = {0}, out = {0};
  size_t infer_at[MOST_PORTS], train_at[MOST_PORTS] = {0};
  put_glue(&glue, check, want);
  bytes_add(s->arena, &in, s->weights, parameters);
  text_put(&main, "void bare_run(void) {\n  void *const input[] = {");
  for (int i = 0; i < graph->inputs.n; i++) text_put(&main, "bare_in + %zu, ", bytes_add(s->arena, &in, s->input[i], values_bytes(s, graph->inputs.data[i].node)));
  text_put(&main, "0}; float *output[] = {");
  for (int o = 0; o < graph->outputs.n; o++) text_put(&main, "(float *)(void *)(bare_out + %zu), ", infer_at[o] = bytes_room(&out, values_bytes(s, graph->outputs.data[o].node)));
  text_put(&main, "0};\n  glue_infer((const float *)(const void *)bare_in, input, output);\n");
  const size_t loss_at = bytes_room(&out, sizeof(float)), gradients_at = bytes_room(&out, parameters);
  if (want) {
    text_put(&main, "  void *const target[] = {");
    for (int o = 0; o < graph->outputs.n; o++)
      if (s->training.target[o]) text_put(&main, "bare_in + %zu, ", bytes_add(s->arena, &in, s->target[o], values_bytes(s, s->training.target[o])));
      else text_put(&main, "0, ");
    text_put(&main, "0};\n");
    for (int o = 0; o < graph->outputs.n; o++) text_put(&main, "  output[%d] = (float *)(void *)(bare_out + %zu);\n", o, train_at[o] = bytes_room(&out, values_bytes(s, graph->outputs.data[o].node)));
    text_put(&main, "  *(float *)(void *)(bare_out + %zu) = glue_gradients((const float *)(const void *)bare_in, input, target, %lld, %d, %d, (float *)(void *)(bare_out + %zu), output);\n", loss_at, (long long)s->count, SEED, STEP, gradients_at);
  }
  text_put(&glue, "void bare_run(void);\nextern unsigned char bare_in[], bare_out[];\nextern const long bare_in_bytes, bare_out_bytes;\n"
                  "const long bare_in_bytes = %zu, bare_out_bytes = %zu;\n_Alignas(64) unsigned char bare_in[%zu], bare_out[%zu];\n%s}\n", in.n, out.n, in.n, out.n, main.s);
  out.data = NEW_ARRAY(s->arena, unsigned char, out.n);
  const char *dir = write_code(check, targets, "-O2", false, want, variant, &glue), *what = arena_printf(s->arena, "infer %s", targets);
  if (!dir || !foreign_run(s->arena, target, dir, in.data, in.n, out.data, out.n)) {
    report(false, check, what, HUGE_VAL, check->limits.tolerance);
    return;
  }
  float *output[MOST_PORTS];
  for (int o = 0; o < graph->outputs.n; o++) output[o] = (float *)(void *)(out.data + infer_at[o]);
  compare_outputs(check, what, output);
  if (!want) return;
  for (int o = 0; o < graph->outputs.n; o++) output[o] = (float *)(void *)(out.data + train_at[o]);
  compare_gradients(check, want, run, arena_printf(s->arena, "gradients %s", targets), *(float *)(void *)(out.data + loss_at), (float *)(void *)(out.data + gradients_at), output);
}

/* ---- the same without a C compiler: everything in double, so that only mistakes differ ---- */
static int layout_of(const Check *check) { return check->sample.graph->nodes.n % 2 ? 16 : 0; } /* one or the other: as in a file of several targets, or the target's own */

/* The largest error of outputs, loss and gradients; `choices` of schedules: NULL for the cost model's. */
/* What a level makes of the plan, and whether its loops are plain. */
typedef struct Level { const char *name; Fusing fusing; bool plain; } Level;
static const Level levels[] = {
    {"-O2", FUSE_ALL, false}, {"-O0", FUSE_NOTHING, true}, {"-Os", FUSE_APART, true}};
enum { LEVELS = sizeof levels / sizeof *levels };

static double nests_error(const Check *check, Plan *plan, const Target *target, bool plain, Tuning *choices, const double *gradients, const GraphRun *run) {
  const Sample *s = &check->sample;
  const Graph *graph = plan->training ? s->training.graph : s->graph;
  Machine m = {.arena = s->arena, .plan = plan, .images = s->count, .batch = s->count + 2, .layout_lanes = layout_of(check), .tuning = choices, .seed = SEED, .step = STEP,
               .weights = s->weights_double, .input = s->input_double, .target = s->target_double};
  if (!machine_run(&m, target, plain)) {
    printf("# %s\n", m.error);
    return HUGE_VAL;
  }
  double error = 0;
  for (int o = 0; o < graph->outputs.n; o++) {
    const Node *node = graph->outputs.data[o].node;
    const double e = worst(m.output[o], run->value[node->id], s->count * shape_elements(node->shape), 1e-3);
    if (!(e <= error)) error = e;
  }
  double loss = 0, least = 1e-9; /* what is smaller is rounding, as in the tail of gelu */
  for (int i = 0; plan->training && i < graph->training->losses.n; i++)
    for (int64_t n = 0; n < s->count; n++) loss += m.loss[i][n];
  if (plan->training) error = fmax(error, fabs(loss - sample_loss(s, run)) / fmax(1, fabs(sample_loss(s, run))));
  for (int64_t i = 0; plan->training && i < graph->parameters; i++) least = fmax(least, 1e-3 * fabs(gradients[i]));
  for (int w = 0; plan->training && w < graph->weights.n; w++) {
    const Weight *weight = graph->weights.data[w];
    const double e = worst(m.gradients + weight->offset, gradients + weight->offset, weight->size, least);
    if (getenv("NETCHECK_VERBOSE")) fprintf(stderr, "%s: error %.3g\n", weight->name, e);
    if (!(e <= error)) error = e;
  }
  return error;
}

static void check_nests(const Check *check, Plan *plan, const Target *target, const Level *level,
                        const double *gradients, const GraphRun *run) {
  const double error = nests_error(check, plan, target, level->plain, NULL, gradients, run);
  const char *how = plan->images > 1 ? ", images innermost" : plan->together ? ", dense layers of all images at once" : "";
  report(error <= NEST_ERROR, check,
         arena_printf(check->sample.arena, "nests%s %s %s%s", plan->training ? " of gradients" : "",
                      target->name, level->name, how),
         error, NEST_ERROR);
}

/* A target's plan: one image after the other; large dense layers of all at once; as many side by side as it has lanes. */
static void check_target_nests(Check *check, const Target *target, const Level *level, int images,
                               const double *gradients, const GraphRun *forward, const GraphRun *run) {
  Sample *s = &check->sample;
  check_nests(check, plan_inference(s->arena, s->graph, level->fusing, images, 0), target, level, NULL,
              forward);
  if (!level->plain && images == 1) {
    Plan *together = plan_inference(s->arena, s->graph, FUSE_ALL, 1, s->count + 2);
    if (together->together) check_nests(check, together, target, level, NULL, forward);
  }
  Plan *training = gradients ? plan_training(s->arena, s->graph, level->fusing, images) : NULL;
  if (training && training->images == images) check_nests(check, training, target, level, gradients, run);
  if (!training || level->plain || images > 1 || target->lanes > 1) return;
  Plan *again =
      plan_training_within(s->arena, s->graph, FUSE_ALL, 1, 0, 1); /* all made again that saves room */
  check_nests(check, again, target, level, gradients, run);
}

/* Everything that could be chosen for a kernel, likely or not: the methods, then their variants. */
static int choices_of(const Lower *l, Choice choice[2 * MOST_VARIANTS]) {
  const Decision *d = l->decision;
  int n = 0;
  for (int i = 0; i < d->candidates.n && n < MOST_VARIANTS; i++)
    if (!d->candidates.data[i].refused && d->candidates.data[i].choice.method != METHOD_OWN) choice[n++] = d->candidates.data[i].choice;
  return n ? n + choice_variants(l, choice + n) : 0;
}

/* Inference with the n-th choice of every kernel that has so many; false: none has. */
static bool check_choice(const Check *check, const Target *target, int n, const GraphRun *run, double *worst) {
  Arena *arena = check->sample.arena;
  Plan *plan = plan_inference(arena, check->sample.graph, FUSE_ALL, 1, 0);
  Tuning choices = {.arena = arena};
  Text names = {.arena = arena};
  for (int k = 0; k < plan->kernels.n; k++) {
    Choice choice[2 * MOST_VARIANTS];
    const Lower *l = schedule_kernel(arena, plan->kernels.data[k], target, &(LowerOptions){.layout_lanes = layout_of(check) ? layout_of(check) : target->lanes, .images = 1});
    const Decision *d = l->decision;
    if (n >= choices_of(l, choice)) continue;
    tuning_set(&choices, (Tuned){.target = d->target, .key = d->key, .choice = choice[n]});
    if (l->layout != target) tuning_set(&choices, (Tuned){.target = d->layout_target, .key = d->key, .choice = choice[n]});
    text_put(&names, "%s%s by %s", names.n ? ", " : "", d->key, tuning_choice(arena, &choice[n]));
  }
  if (!choices.lines.n) return false;
  const double error = nests_error(check, plan, target, false, &choices, NULL, run);
  if (!(error <= NEST_ERROR)) printf("# error %.2g: %s\n", error, names.s);
  if (!(error <= *worst)) *worst = error;
  return true;
}

static void check_choices(const Check *check, const GraphRun *run) {
  for (const Target *target = target_table; target->name; target++) {
    double worst = 0;
    int n = 0;
    if (machine_seen(target)) continue;
    while (check_choice(check, target, n, run, &worst)) n++;
    if (n) report(worst <= NEST_ERROR, check, arena_printf(check->sample.arena, "nests %s by each of %d choices", target->name, n), worst, NEST_ERROR);
  }
}

static void check_all_nests(Check *check, const double *gradients, const GraphRun *run) {
  const GraphRun forward = sample_infer(&check->sample);
  for (const Level *level = levels; level < levels + LEVELS; level++)
    for (const Target *target = target_table; target->name; target++) {
      if (machine_seen(target) || (level->plain && strcmp(target->name, "generic") != 0)) continue;
      check_target_nests(check, target, level, 1, gradients, &forward, run);
      if (target->lanes > 1)
        check_target_nests(check, target, level, target->lanes, gradients, &forward, run);
    }
}

/* ---- looking inside: the same in double ---- */
static double weighed_scores(const Check *check, const Plan *plan, GraphRun *run) {
  double sum = 0;
  graph_run(check->sample.arena, plan->graph, run);
  for (int o = 0; o < check->sample.graph->outputs.n; o++) {
    const Node *score = plan->output[plan->score[o]];
    for (int64_t k = 0; k < run->count * shape_elements(score->shape); k++) sum += run->target[o][k] * run->value[score->id][k];
  }
  return sum;
}

/* Element i of [h][w][c] where the caller has it. */
static int64_t place_in_input(const Node *input, int64_t i) {
  const Extent e = shape_extent(input->shape);
  return input->chw ? i % e.c * e.h * e.w + i / e.c : i;
}

static double input_difference(const Check *check, const Plan *plan, GraphRun *run, double *number, double h) {
  const double value = *number;
  *number = value + h;
  const double up = weighed_scores(check, plan, run);
  *number = value - h;
  const double down = weighed_scores(check, plan, run);
  *number = value;
  return (up - down) / (2 * h);
}

/* A few elements of each input; relative to the largest gradient. */
static void check_input_gradients(Check *check, const Plan *plan, const GraphRun *run, double *const *caller) {
  Sample *s = &check->sample;
  uint64_t state = 77;
  double error = 0;
  for (int i = 0; i < s->graph->inputs.n; i++) {
    const Node *input = s->graph->inputs.data[i].node;
    const int64_t size = shape_elements(input->shape);
    const double *gradient = plan->gradient[i] < 0 ? NEW_ARRAY(s->arena, double, size) : run->value[plan->output[plan->gradient[i]]->id];
    double largest = 1e-4;
    for (int64_t k = 0; k < size; k++) largest = fmax(largest, fabs(gradient[k]));
    for (int k = 0; k < 6; k++) {
      const int64_t element = (int64_t)(sample_number(&state) * (double)size);
      GraphRun again = *run;
      double e = HUGE_VAL;
      for (double h = 1e-5; h > 1e-8 && !(e <= check->limits.difference); h /= 10) /* smaller steps, as above */
        e = fmin(e, fabs(input_difference(check, plan, &again, caller[i] + place_in_input(input, element), h) - gradient[element]) / largest);
      if (!(e <= error)) error = e;
    }
  }
  report(error <= check->limits.difference, check, "input gradients of eval against differences", error, check->limits.difference);
}

static void check_look(Check *check) {
  Sample *s = &check->sample;
  Plan *plan = plan_look(s->arena, s->graph);
  const Target *target = target_native();
  double *seed[MOST_PORTS] = {0}, *caller[MOST_PORTS] = {0};
  uint64_t state = 55;
  for (int i = 0; i < s->graph->inputs.n; i++) { /* the edges of clip and its like lie at whole numbers, where bytes would meet them */
    const Node *input = s->graph->inputs.data[i].node;
    const int64_t n = s->count * shape_elements(input->shape);
    caller[i] = NEW_ARRAY(s->arena, double, n);
    for (int64_t k = 0; k < n; k++) caller[i][k] = s->input_double[i][k] + (input->elem == ELEM_F32 ? 0 : 0.375);
  }
  for (int o = 0; o < s->graph->outputs.n; o++) {
    const int64_t n = s->count * shape_elements(s->graph->outputs.data[o].node->shape);
    seed[o] = NEW_ARRAY(s->arena, double, n);
    for (int64_t k = 0; k < n; k++) seed[o][k] = 2 * sample_number(&state) - 1;
  }
  GraphRun run = {.count = s->count, .weights = s->weights_double, .input = (const double *const *)caller, .target = (const double *const *)seed};
  graph_run(s->arena, plan->graph, &run);
  check_input_gradients(check, plan, &run, caller);
  Machine m = {.arena = s->arena, .plan = plan, .images = s->count, .weights = s->weights_double, .input = caller, .target = seed};
  double error = machine_run(&m, target, false) ? 0 : HUGE_VAL;
  if (m.error) printf("# %s\n", m.error);
  for (int o = 0; o < plan->graph->outputs.n && !m.error; o++)
    error = fmax(error, worst(m.output[o], run.value[plan->output[o]->id], s->count * shape_elements(plan->output[o]->shape), 1e-3));
  report(error <= 1e-6, check, arena_printf(s->arena, "nests of looking inside %s", target->name), error, 1e-6);
}

static bool wanted(const Check *check, const char *target) { return !check->limits.targets || strstr(check->limits.targets, target); }

typedef enum Mode { COMPILED, FOREIGN, NESTS, CHOICES } Mode;

static void check_file(const char *path, Mode mode, const char *work, const Target *foreign) {
  static int variant;
  Arena *arena = arena_new();
  Check check = {.work = work, .limits = read_limits(arena, path)};
  check.sample.path = path;
  if (!sample_read(&check.sample, arena, path)) {
    printf("not ok %d - %s does not compile\n", ++cases, path);
    return;
  }
  if (mode == NESTS && check.limits.images < SEVERAL) check.limits.images = SEVERAL;
  sample_draw(&check.sample, check.limits.images > check.limits.batch ? check.limits.images : check.limits.batch, 1);
  if (mode == CHOICES) {
    const GraphRun forward = sample_infer(&check.sample);
    check_choices(&check, &forward);
    arena_free(arena);
    return;
  }
  const bool train = check.sample.training.graph != NULL;
  double *gradients = NEW_ARRAY(arena, double, check.sample.graph->parameters + 1);
  GraphRun run = {0};
  if (train) {
    run = sample_train(&check.sample, check.sample.weights_double, gradients);
    if (!foreign) check_differences(&check, gradients);
  }
  if (!foreign) check_look(&check);
  if (mode == NESTS) {
    check_all_nests(&check, train ? gradients : NULL, &run);
    arena_free(arena);
    return;
  }
  if (foreign) check_foreign(&check, train ? gradients : NULL, &run, foreign, variant++);
  static const char *const level[] = {
      "-O0", "-O2", "-Os"}; /* loops are plain at -Os as at -O0, the same for every target */
  for (const Target *target = target_table; target->name && !foreign; target++)
    for (int l = 0; l < (strcmp(target->name, "generic") == 0 ? 3 : 2); l++) {
      if (!target_runs_here(target) || !wanted(&check, target->name)) continue;
      check_infer(&check, target->name, level[l], variant++);
      if (train) check_gradients(&check, gradients, &run, target->name, level[l], variant++);
    }
  arena_free(arena);
}

int main(int argc, char **argv) {
  char work[] = "netcheck-XXXXXX", command[64];
  const char *option = argc > 1 ? argv[1] : "";
  const Mode mode = !strcmp(option, "--nests") ? NESTS : !strcmp(option, "--choices") ? CHOICES : !strncmp(option, "--on=", 5) ? FOREIGN : COMPILED;
  const Target *foreign = mode == FOREIGN ? target_find(option + 5) : NULL;
  Arena *arena = arena_new();
  const char *missing = foreign ? foreign_missing(arena, foreign) : NULL;
  if (mode == FOREIGN && !foreign) return fprintf(stderr, "netcheck: no target %s\n", argv[1] + 5), 99;
  if (missing) return printf("1..0 # SKIP %s wants %s\n", foreign->name, missing), 0;
  arena_free(arena);
  const bool compiles = mode == COMPILED || mode == FOREIGN;
  if (compiles && !mkdtemp(work)) return perror(work), 99;
  for (int i = 1 + (mode != COMPILED); i < argc; i++) check_file(argv[i], mode, compiles ? work : NULL, foreign);
  printf("1..%d\n", cases);
  if (!compiles) return 0;
  snprintf(command, sizeof command, "rm -rf %s", work);
  return system(command) != 0;
}
