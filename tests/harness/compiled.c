/* compiled.c: Compares generated C, compiled for this CPU or for another one in an emulator, with eval;
 * runs threads under ThreadSanitizer. */
// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/text.h"
#include "bytes.h"
#include "check.h"
#include "foreign.h"
#include "machine.h"
#include "races.h"

typedef void InferFunction(const float *weights, void *const *input, float **output);
typedef void ThreadsFunction(int threads);
typedef float GradientsFunction(const float *weights, void *const *input, void *const *target, int32_t count,
                                uint64_t seed, uint64_t step, float *gradients, float **output);

static int variant; /* number of the next directory; each net.c gets its own directory */

/* ---- generated code, with two functions whose signature does not depend on the net ---- */
static const char *port_type(const Node *node) { return elem_c_type(node->port->elem); }

/* Whether the output is an array of int32. In code with training all outputs are floats. */
static bool is_whole(const Graph *graph, int output, bool train) {
  return graph->outputs.data[output].node->elem == I32 && !train;
}

/* Writes a call for the batch that begins with image `first`, a variable of the generated code. With `some`,
 * the call is for the remaining images, which are fewer than a batch. */
static void put_infer_call(Text *out, const Check *check, bool train, bool some) {
  const Sample *s = &check->sample;
  const Graph *graph = s->graph;
  const bool steps = graph->stream || graph_states(graph) > 0;
  text_put(out, "    %s%s_%s%s(%s", steps ? "for (int call = 0; call < calls; call++) " : "", s->cname,
           steps ? "step" : "infer", some ? "_some" : "", graph->parameters > 0 ? "&model, " : "");
  for (int i = 0; i < graph->inputs.n; i++) {
    const Node *node = graph->inputs.data[i].node;
    const long long size = shape_elements(node->shape);
    text_put(out, "%s(const %s *)input[%d] + first * %lld", i ? ", " : "", port_type(node), i, size);
  }
  if (some) text_put(out, ", %lld - first", (long long)s->count);
  for (int i = 0; i < graph->outputs.n; i++)
    text_put(out, ", %s(output[%d] + first * %lld)", is_whole(graph, i, train) ? "(int32_t *)(void *)" : "",
             i, (long long)shape_elements(graph->outputs.data[i].node->shape));
  text_put(out, "%s, &workspace);\n", steps ? ", &state" : "");
}

/* For a net with states, each batch needs several calls, the first of which begins with the initial state.
 * Such a net has no function for fewer images than a batch, so the last batch repeats some images. */
static void put_step_calls(Text *out, const Check *check, bool train) {
  const Sample *s = &check->sample;
  const long long batch = check->limits.batch, count = s->count;
  text_put(out, "  static %s_state state;\n  const int calls = %d;\n", s->cname, STATE_CALLS);
  text_put(out, "  for (int at = 0; at < %lld; at += %lld) {\n", count, batch);
  text_put(out, "    const int first = at + %lld <= %lld ? at : %lld;\n    %s_reset(&state);\n", batch, count,
           count - batch, s->cname);
  text_put(out, "    if (!%s_state_ok(&state)) continue;\n", s->cname);
  put_infer_call(out, check, train, false);
  text_put(out, "  }\n");
}

/* Writes the calls for all images: for whole batches, then for the remaining images. */
static void put_infer_calls(Text *out, const Check *check, bool train) {
  const long long batch = check->limits.batch, count = check->sample.count;
  text_put(out, "  int first = 0;\n  for (; first + %lld <= %lld; first += %lld)\n", batch, count, batch);
  put_infer_call(out, check, train, false);
  if (batch > 1) {
    text_put(out, "  if (first < %lld)\n", count);
    put_infer_call(out, check, train, true);
  }
}

/* Writes code that converts int32 outputs to floats; the other outputs are floats already. */
static void put_whole_outputs(Text *out, const Sample *s, bool train) {
  for (int o = 0; o < s->graph->outputs.n; o++) {
    if (!is_whole(s->graph, o, train)) continue;
    text_put(out,
             "  for (int i = 0; i < %lld; i++) {\n    union { float number; int32_t whole; } bits = {0};\n",
             (long long)(s->count * shape_elements(s->graph->outputs.data[o].node->shape)));
    text_put(out, "    bits.number = output[%d][i];\n    output[%d][i] = (float)bits.whole;\n  }\n", o, o);
  }
}

/* Whether code generated with -O2 uses a thread pool (NETCHECK_THREADS=pool) rather than OpenMP. */
static bool has_pool(void) { return !strcmp(variable("NETCHECK_THREADS", "openmp"), "pool"); }
static const char *threads_option(void) { return has_pool() ? " --threads=pool" : " --threads=openmp"; }
static const char *threads_flags(void) { return has_pool() ? " -pthread -DNET_POOL" : " -fopenmp"; }

static void put_infer(Text *out, const Check *check, bool train) {
  const Sample *s = &check->sample;
  const char *p = s->cname;
  static const char head[] = "void glue_infer(const float *weights, void *const *input, float **output)";
  text_put(out, "#include \"net.h\"\n%s;\n%s {\n  static %s_workspace workspace;\n", head, head, p);
  if (s->graph->parameters > 0) {
    text_put(out, "  static %s_model model;\n", p);
    text_put(out, "  %s_pack(&model, (const %s_weights *)(const void *)weights);\n", p, p);
  } else text_put(out, "  (void)weights;\n");
  if (s->graph->stream || graph_states(s->graph)) put_step_calls(out, check, train);
  else put_infer_calls(out, check, train);
  put_whole_outputs(out, s, train);
  text_put(out,
           "}\n#ifdef _OPENMP\n#include <omp.h>\nvoid glue_threads(int threads);\n"
           "void glue_threads(int threads) { omp_set_num_threads(threads); }\n"
           "#elif defined(NET_POOL)\nvoid glue_threads(int threads);\n"
           "void glue_threads(int threads) { %s_threads(threads); }\n#endif\n",
           p);
}

static void put_gradients(Text *out, const Check *check) {
  const Sample *s = &check->sample;
  const Graph *graph = s->graph;
  const char *p = s->cname;
  const bool weights = graph->parameters > 0;
  static const char head[] =
      "float glue_gradients(const float *weights, void *const *input, void *const *target, int32_t count, "
      "uint64_t seed, uint64_t step, float *gradients, float **output)";
  text_put(out, "%s;\n%s {\n  static %s_training training;\n", head, head, p);
  text_put(out, "  (void)weights, (void)gradients;\n  return %s_gradients(", p);
  if (weights) text_put(out, "(const %s_weights *)(const void *)weights, ", p);
  for (int i = 0; i < graph->inputs.n; i++)
    text_put(out, "(const %s *)input[%d], ", port_type(graph->inputs.data[i].node), i);
  const int ports = graph_ports(graph);
  for (int i = 0; i < ports; i++)
    if (s->training.target[i]) text_put(out, "(const %s *)target[%d], ", port_type(s->training.target[i]), i);
  if (s->training.target[ports]) text_put(out, "(const %s_truth *)target[%d], ", p, ports);
  text_put(out, "count, seed, step, ");
  if (weights) text_put(out, "(%s_weights *)(void *)gradients, ", p);
  for (int i = 0; i < graph->outputs.n; i++) text_put(out, "output[%d], ", i);
  text_put(out, "&training);\n}\n");
}

static void put_glue(Text *out, const Check *check, bool train) {
  put_infer(out, check, train);
  if (train) put_gradients(out, check);
}

static bool write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  return file && fputs(text, file) >= 0 && fclose(file) == 0;
}

/* Writes net.c and glue.c into a new directory; NULL if cnnc failed. */
static const char *write_code(const Check *check, const char *targets, const char *level, bool threads,
                              bool train, const Text *glue) {
  Arena *arena = check->sample.arena;
  const char *cnnc = getenv("CNNC") ? getenv("CNNC") : "cnnc",
             *dir = arena_printf(arena, "%s/%d", check->work, variant++);
  Text command = {.arena = arena};
  text_put(&command,
           "mkdir -p %s && %s -Wno-unread-input -Wno-unused-value -Wno-slide-whole %s %s -o %s/net.c", dir,
           cnnc, check->sample.options, check->sample.path, dir);
  text_put(&command, " --target=%s %s --batch=%lld --prefix=%s", targets, level,
           (long long)check->limits.batch, check->sample.cname);
  text_put(&command, "%s%s", threads ? threads_option() : "", train ? " --train" : "");
  if (check->special) text_put(&command, " --exact");
  return system(command.s) == 0 && write_file(arena_printf(arena, "%s/glue.c", dir), glue->s) ? dir : NULL;
}

/* ---- on this CPU ---- */
static bool by_threads(const char *level) { return strcmp(level, "-O2") == 0; }

static void *build_glue(const Check *check, const char *targets, const char *forced, const char *level,
                        bool train, const Text *glue) {
  const bool threads = by_threads(level);
  Text flags = {.arena = check->sample.arena};
  const char *dir = write_code(check, targets, level, threads, train, glue);
  if (!dir) return NULL;
  if (threads) text_put(&flags, "%s", threads_flags());
  if (forced) {
    text_put(&flags, " -D");
    for (const char *c = check->sample.cname; *c; c++) text_put(&flags, "%c", toupper((unsigned char)*c));
    text_put(&flags, "_FORCE_TARGET=%s", forced);
  }
  return share_library(&check->limits.share, check->sample.arena, dir, flags.s ? flags.s : "");
}

/* If `targets` names several targets, `forced` is the target that runs; for a single target it is NULL. */
static void *build(const Check *check, const char *targets, const char *forced, const char *level,
                   bool train) {
  Text glue = {.arena = check->sample.arena};
  put_glue(&glue, check, train);
  return build_glue(check, targets, forced, level, train, &glue);
}

void *compiled_glue(const Check *check, const Target *target, const char *level, const Text *glue) {
  return build_glue(check, target->name, NULL, level, false, glue);
}

static ThreadsFunction *threads_of(void *library) {
  ThreadsFunction *use = NULL;
  *(void **)&use = dlsym(library, "glue_threads");
  return use;
}

/* Number of elements of an output in all calls of training; inference needs no more. */
static int64_t output_elements(const Sample *s, int o) {
  return s->count * sample_calls(s) * shape_elements(s->graph->outputs.data[o].node->shape);
}

static float **new_outputs(const Sample *s) {
  float **output = NEW_ARRAY(s->arena, float *, s->graph->outputs.n + 1);
  for (int o = 0; o < s->graph->outputs.n; o++)
    output[o] = NEW_ARRAY(s->arena, float, output_elements(s, o) + 1);
  return output;
}

static bool same_bits(const Sample *s, float *const *a, float *const *b) {
  for (int o = 0; o < s->graph->outputs.n; o++)
    if (memcmp(a[o], b[o], sizeof(float) * (size_t)output_elements(s, o))) return false;
  return true;
}

static void check_infer_threads(const Check *check, const char *what, void *library, InferFunction *infer,
                                float *const *want) {
  const Sample *s = &check->sample;
  ThreadsFunction *use = threads_of(library);
  float **again = new_outputs(s);
  int differ = use ? 0 : 1;
  for (int threads = 2; use && threads <= 7 && !differ; threads += threads / 2 + 1) { /* 2, 4, 7 */
    use(threads);
    infer(s->weights, s->input, again);
    if (!same_bits(s, want, again)) differ = threads;
  }
  report(!differ, check, arena_printf(s->arena, "%s by threads", what), differ, 0);
}

static void check_infer(const Check *check, void *library, const char *targets, const char *forced,
                        const char *level) {
  const Sample *s = &check->sample;
  const char *what = forced ? arena_printf(s->arena, "infer %s in a file of %s %s", forced, targets, level)
                            : arena_printf(s->arena, "infer %s %s", targets, level);
  InferFunction *infer = NULL;
  if (library) *(void **)&infer = dlsym(library, "glue_infer");
  if (!infer) {
    report(false, check, what, HUGE_VAL, check->limits.tolerance);
    return;
  }
  float **output = new_outputs(s);
  if (threads_of(library)) threads_of(library)(1);
  infer(s->weights, s->input, output);
  report_error(check, what, outputs_error(check, output), check->limits.tolerance);
  if (by_threads(level) && !forced) check_infer_threads(check, what, library, infer, output);
}

/* Checks that with several threads loss, gradients and outputs are the same as with one thread. */
static void check_gradient_threads(const Check *check, const char *what, void *library,
                                   GradientsFunction *function, float loss, const float *want,
                                   float *const *output) {
  const Sample *s = &check->sample;
  const size_t bytes = (size_t)s->graph->parameters * sizeof(float);
  ThreadsFunction *use = threads_of(library);
  float **again = new_outputs(s), *gradients = NEW_ARRAY(s->arena, float, s->graph->parameters + 1);
  int differ = use ? 0 : 1;
  for (int threads = 2; use && threads <= 7 && !differ; threads += threads / 2 + 1) {
    use(threads);
    const float again_loss =
        function(s->weights, s->input, s->target, (int32_t)s->count, SEED, STEP, gradients, again);
    if (memcmp(&again_loss, &loss, sizeof loss) || memcmp(gradients, want, bytes) ||
        !same_bits(s, again, output))
      differ = threads;
  }
  report(!differ, check, arena_printf(s->arena, "%s by threads", what), differ, 0);
}

static void check_gradients(const Check *check, void *library, const char *target, const char *level) {
  const Sample *s = &check->sample;
  const char *what = arena_printf(s->arena, "gradients %s %s", target, level);
  GradientsFunction *function = NULL;
  if (library) *(void **)&function = dlsym(library, "glue_gradients");
  if (!function) {
    report(false, check, what, HUGE_VAL, check->limits.gradient);
    return;
  }
  float *gradients = NEW_ARRAY(s->arena, float, s->graph->parameters + 1), **output = new_outputs(s);
  /* not 0, to find gradients that are not written */
  memset(gradients, 0x7f, (size_t)s->graph->parameters * sizeof *gradients);
  if (threads_of(library)) threads_of(library)(1);
  const float loss =
      function(s->weights, s->input, s->target, (int32_t)s->count, SEED, STEP, gradients, output);
  report_error(check, what, training_error(check, loss, gradients, output), check->limits.gradient);
  if (by_threads(level)) check_gradient_threads(check, what, library, function, loss, gradients, output);
}

/* The widest target of this CPU, if wider than `target`, otherwise NULL. Code for both targets packs weights
 * for the wider target. */
static const Target *wider_here(const Target *target) {
  const Target *widest = target_native();
  return widest->lanes > target->lanes ? widest : NULL;
}

void check_compiled(Check *check, const Target *target, const char *level) {
  const Sample *s = &check->sample;
  const Target *wider = wider_here(target);
  void *library = build(check, target->name, NULL, level, check->gradients != NULL);
  check_infer(check, library, target->name, NULL, level);
  if (check->gradients) check_gradients(check, library, target->name, level);
  if (!wider || s->graph->parameters == 0 || !by_threads(level)) return;
  const char *both = arena_printf(s->arena, "%s,%s", wider->name, target->name);
  check_infer(check, build(check, both, target->name, level, false), both, target->name, level);
}

/* ---- on another CPU ---- */
typedef struct Bytes {
  unsigned char *data;
  size_t n, room;
} Bytes;

/* Reserves space for an array; returns its offset. */
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
    bytes->data = data;
    bytes->room = 2 * bytes->n;
  }
  if (n) memcpy(bytes->data + start, from, n);
  return start;
}

static size_t values_bytes(const Sample *s, const Node *node) {
  const size_t bytes = (size_t)elem_bytes(node->port ? node->port->elem : F32);
  return (size_t)(s->count * sample_calls(s) * shape_elements(node->shape)) * bytes;
}

/* A program with bare.c: bare_run reads weights, inputs and targets from the bytes bare_in, and writes
 * outputs, loss and gradients to bare_out. */
typedef struct Bare {
  const Check *check;
  Text main;
  Bytes in, out;
  size_t *infer_at, *train_at, loss_at, gradients_at; /* offsets in `out` */
} Bare;

static void put_bare_infer(Bare *bare) {
  const Sample *s = &bare->check->sample;
  Text *main = &bare->main;
  bytes_add(s->arena, &bare->in, s->weights, (size_t)s->graph->parameters * sizeof(float));
  text_put(main, "void bare_run(void) {\n  void *const input[] = {");
  for (int i = 0; i < s->graph->inputs.n; i++) {
    const size_t bytes = values_bytes(s, s->graph->inputs.data[i].node);
    text_put(main, "bare_in + %zu, ", bytes_add(s->arena, &bare->in, s->input[i], bytes));
  }
  text_put(main, "0}; float *output[] = {");
  for (int o = 0; o < s->graph->outputs.n; o++) {
    bare->infer_at[o] = bytes_room(&bare->out, values_bytes(s, s->graph->outputs.data[o].node));
    text_put(main, "(float *)(void *)(bare_out + %zu), ", bare->infer_at[o]);
  }
  text_put(main, "0};\n  glue_infer((const float *)(const void *)bare_in, input, output);\n");
}

static void put_bare_gradients(Bare *bare) {
  const Sample *s = &bare->check->sample;
  Text *main = &bare->main;
  bare->loss_at = bytes_room(&bare->out, sizeof(float));
  bare->gradients_at = bytes_room(&bare->out, (size_t)s->graph->parameters * sizeof(float));
  text_put(main, "  void *const target[] = {");
  for (int o = 0; o <= graph_ports(s->graph); o++) {
    const size_t bytes = sample_target_bytes(s, o);
    if (bytes) text_put(main, "bare_in + %zu, ", bytes_add(s->arena, &bare->in, s->target[o], bytes));
    else text_put(main, "0, ");
  }
  text_put(main, "0};\n");
  for (int o = 0; o < s->graph->outputs.n; o++) {
    bare->train_at[o] = bytes_room(&bare->out, values_bytes(s, s->graph->outputs.data[o].node));
    text_put(main, "  output[%d] = (float *)(void *)(bare_out + %zu);\n", o, bare->train_at[o]);
  }
  text_put(main, "  *(float *)(void *)(bare_out + %zu) = ", bare->loss_at);
  text_put(main, "glue_gradients((const float *)(const void *)bare_in, input, target, ");
  text_put(main, "%lld, %d, %d, (float *)(void *)(bare_out + %zu), output);\n", (long long)s->count, SEED,
           STEP, bare->gradients_at);
}

/* Writes net.c and glue.c into a new directory; glue.c defines the functions for bare.c and racer.c. NULL
 * if cnnc failed. */
static const char *write_bare(Bare *bare, const char *targets, bool threads) {
  const Sample *s = &bare->check->sample;
  const bool train = bare->check->gradients != NULL;
  Text glue = {.arena = s->arena};
  bare->main.arena = s->arena;
  bare->infer_at = NEW_ARRAY(s->arena, size_t, s->graph->outputs.n + 1);
  bare->train_at = NEW_ARRAY(s->arena, size_t, s->graph->outputs.n + 1);
  put_glue(&glue, bare->check, train);
  put_bare_infer(bare);
  if (train) put_bare_gradients(bare);
  text_put(&glue, "void bare_run(void);\nextern unsigned char bare_in[], bare_out[];\n");
  text_put(&glue, "extern const long bare_in_bytes, bare_out_bytes;\n");
  text_put(&glue, "const long bare_in_bytes = %zu, bare_out_bytes = %zu;\n", bare->in.n, bare->out.n);
  text_put(&glue, "_Alignas(64) unsigned char bare_in[%zu], bare_out[%zu];\n%s}\n", bare->in.n, bare->out.n,
           bare->main.s);
  return write_code(bare->check, targets, "-O2", threads, train, &glue);
}

static void check_foreign_file(const Check *check, const Target *target, const char *targets) {
  const Sample *s = &check->sample;
  const int outputs = s->graph->outputs.n;
  Bare bare = {.check = check};
  const char *dir = write_bare(&bare, targets, false), *what = arena_printf(s->arena, "infer %s", targets);
  unsigned char *out = NEW_ARRAY(s->arena, unsigned char, bare.out.n);
  if (!dir || !foreign_run(s->arena, target, dir, bare.in.data, bare.in.n, out, bare.out.n)) {
    report(false, check, what, HUGE_VAL, check->limits.tolerance);
    return;
  }
  float **output = NEW_ARRAY(s->arena, float *, outputs + 1);
  for (int o = 0; o < outputs; o++) output[o] = (float *)(void *)(out + bare.infer_at[o]);
  report_error(check, what, outputs_error(check, output), check->limits.tolerance);
  if (!check->gradients) return;
  for (int o = 0; o < outputs; o++) output[o] = (float *)(void *)(out + bare.train_at[o]);
  const float loss = *(float *)(void *)(out + bare.loss_at);
  const float *gradients = (float *)(void *)(out + bare.gradients_at);
  report_error(check, arena_printf(s->arena, "gradients %s", targets),
               training_error(check, loss, gradients, output), check->limits.gradient);
}

/* In every second program, weights are packed for a wider target. Each program is run only once, because
 * emulators are slow. */
void check_foreign(Check *check, const Target *target) {
  static int programs;
  const char *wide = arena_printf(check->sample.arena, "x86-64-v4,%s", target->name);
  check_foreign_file(check, target, programs++ % 2 ? wide : target->name);
}

/* ---- on threads, under ThreadSanitizer ---- */
/* A target whose vectors have at most 16 bytes, because ThreadSanitizer ignores wider ones. */
static const char *raced_target(const Check *check) {
  for (const char *const *name = (const char *const[]){"x86-64", "aarch64", NULL}; *name; name++)
    if (target_runs_here(target_find(*name)) && share_target(&check->limits.share, *name)) return *name;
  return "generic";
}

static int occurrences(const char *text, const char *word) {
  int n = 0;
  for (; (text = strstr(text, word)); text++) n++;
  return n;
}

/* Runs the program with this number of threads; `want` has the results of one thread. */
static void check_raced(const Bare *bare, const char *dir, int threads, const unsigned char *want) {
  const Check *check = bare->check;
  Arena *arena = check->sample.arena;
  unsigned char *out = NEW_ARRAY(arena, unsigned char, bare->out.n);
  const Races races = races_run(arena, dir, threads, NO_BARRIER, bare->in.data, bare->in.n, out, bare->out.n);
  report(races == RACES_NONE, check, arena_printf(arena, "races of %d threads", threads), races, RACES_NONE);
  if (races == RACES_FAILED) return;
  const bool differ = memcmp(out, want, bare->out.n) != 0;
  report(!differ, check, arena_printf(arena, "bits of %d threads", threads), differ, 0);
}

/* Checks that races would be detected: leaves out each barrier in turn, and at least one omission must be
 * detected. Not every omitted barrier causes a race: another barrier may follow closely, or each thread may
 * get the same part of two loops. With 3 threads such loops are less common than with 4. */
static void check_barriers(const Bare *bare, const char *dir, int barriers) {
  const Check *check = bare->check;
  Arena *arena = check->sample.arena;
  int unseen = 0;
  for (int i = 0; i < barriers; i++)
    if (races_run(arena, dir, 3, i, bare->in.data, bare->in.n, NULL, 0) != RACES_SEEN) unseen++;
  const char *what = arena_printf(arena, "silence without one of %d barriers", barriers);
  report_error(check, what, unseen, barriers - 1);
}

void check_races(const Check *check) {
  Arena *arena = check->sample.arena;
  Bare bare = {.check = check};
  const char *dir = write_bare(&bare, raced_target(check), true), *why = NULL;
  size_t n;
  const char *net = dir ? file_read(arena, arena_printf(arena, "%s/net.c", dir), &n, &why) : NULL;
  if (net && !strstr(net, has_pool() ? "_pool_call(" : "omp parallel")) return;
  if (!net || !races_compile(arena, dir, threads_flags())) {
    report(false, check, "races: no program", HUGE_VAL, 0);
    return;
  }
  unsigned char *want = NEW_ARRAY(arena, unsigned char, bare.out.n);
  if (races_run(arena, dir, 1, NO_BARRIER, bare.in.data, bare.in.n, want, bare.out.n) != RACES_NONE)
    report(false, check, "races of 1 thread", HUGE_VAL, 0);
  for (int threads = 2; threads <= 4; threads += 2) check_raced(&bare, dir, threads, want);
  const int barriers = occurrences(net, "BARRIER();");
  if (barriers > 1) check_barriers(&bare, dir, barriers);
}
