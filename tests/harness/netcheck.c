/* netcheck.c: Compares generated code and lowered programs with eval, the reference interpreter.
 *
 *     netcheck [--infer] [--special] [--nests | --rows=N | --choices | --programs | --commands | --races |
 *              --on=TARGET] FILE.cnn...
 *     netcheck --int8 | --int8-nests | --aware | --accuracy FILE.cnn...
 *     netcheck --stream | --stream-nests FILE.cnn...
 *     netcheck --share FILE.cnn...
 *     netcheck --model FILE.cnn FILE.safetensors ROUNDING VALUES
 *     netcheck --draw FILE.cnn ROUNDING SEED FILE.safetensors
 *
 * By default the compiled C is compared with eval in double, for targets of this CPU, at -O0, -O2 and -Os;
 * share.c selects some of these combinations, with $NETCHECK_ALL all of them. If there is a train block,
 * eval's gradients are compared with central differences, and the compiled gradients with eval's gradients.
 * Code of -O2 also runs on several threads, and must give the same bits as on one thread. Inspection code
 * (the values of all layers, the gradients of the inputs) always runs in the interpreter.
 *
 *     --nests      runs the loop nests in the interpreter: fast, without a C compiler
 *     --rows=N     like --nests, with N rows of a leading axis in all values
 *     --choices    like --nests, with each schedule that could be chosen
 *     --programs   like --nests, with up to $MUTANTS damaged programs for each lowered program: the verifier
 *                  must reject the damaged programs that misbehave
 *     --commands   runs cnnc with many command lines, and compares the lowered program with eval
 *     --on=TARGET  runs code for another CPU in an emulator, at -O2
 *     --races      runs code with 2 and 4 threads under ThreadSanitizer, which must report no race; then with
 *                  3 threads and without one barrier, for each barrier in turn: for at least one of them it
 *                  must report a race. Prints no line for a program without threads
 *     --special    inputs are NaN, infinities, zeros of both signs and denormals; inference only, with
 *                  --exact: the results must have eval's NaN and infinities
 *     --stream     computes programs in steps of several sizes, and in windows; --stream-nests: in the
 *                  interpreter alone
 *     --infer      inference only, for large nets
 *     --draw       writes a file of random int8 weights, like those of --int8
 *     --accuracy   rounds every result to float, compares each kernel of training with the same kernel in
 *                  double, and prints a table; convolutions are compared with each schedule
 *
 * Prints one TAP line per comparison. The first lines of a program may set
 *
 *     # check: images=3 batch=2 tolerance=1e-5 gradient=1e-4 difference=1e-6 rounding=0.125 cut=boxes
 *     # check: targets=generic,x86-64-v3 levels=-O0,-O2 compiler=cc
 *     # check: streams=5 precision=f16w
 *
 * If a program does not set targets, levels or compiler, share.c draws these settings from a seed, which is
 * printed. */
// SPDX-License-Identifier: Apache-2.0
#include "config.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "all.h"
#include "base/file.h"
#include "base/number.h"
#include "check.h"
#include "foreign.h"
#include "graph/bf16.h"
#include "int8_draw.h"
#include "races.h"

/* number of images for nests: interleaved in vectors of four, they fill one vector and a part of another */
enum { SEVERAL = 5 };
enum { SPOILED = 6 }; /* number of images with special numbers: one per kind */

static int cases;

void report(bool ok, const Check *check, const char *what, double error, double limit) {
  const char *name = strrchr(check->sample.path, '/');
  name = name ? name + 1 : check->sample.path;
  printf("%sok %d - %s %s: error %.2g, limit %.2g\n", ok ? "" : "not ", ++cases, name, what, error, limit);
  fflush(stdout);
}

void report_error(const Check *check, const char *what, double error, double limit) {
  report(error <= limit, check, what, error, limit);
}

static bool read_limit(Limits *limits, const char *word, const char *value) {
  if (!strcmp(word, "images")) limits->images = atoll(value);
  else if (!strcmp(word, "batch")) limits->batch = atoll(value);
  else if (!strcmp(word, "tolerance")) limits->tolerance = atof(value);
  else if (!strcmp(word, "gradient")) limits->gradient = atof(value);
  else if (!strcmp(word, "difference")) limits->difference = atof(value);
  else if (!strcmp(word, "rounding")) limits->rounding = atof(value);
  else if (!strcmp(word, "cut")) limits->cut = value;
  else if (!strcmp(word, "precision")) limits->f16w = !strcmp(value, "f16w");
  else if (!strcmp(word, "streams")) limits->streams = atoll(value);
  else return share_read(&limits->share, word, value);
  return true;
}

static Limits read_limits(Arena *arena, const char *path) {
  Limits limits = {.batch = 1, .tolerance = 1e-5, .gradient = 1e-4, .difference = 1e-6, .rounding = 0.125};
  size_t n;
  const char *why, *text = file_read(arena, path, &n, &why);
  if (!text) return limits;
  limits.share = share_of(text, n);
  for (const char *line = text; (line = strstr(line, "# check:")); line++) {
    char *copy = arena_copy(arena, line, strcspn(line, "\n")), *state = NULL;
    for (char *word = strtok_r(copy, " ", &state); word; word = strtok_r(NULL, " ", &state)) {
      char *value = strchr(word, '=');
      if (!value) continue;
      *value++ = 0;
      if (read_limit(&limits, word, value)) continue;
      fprintf(stderr, "%s: unknown limit %s=%s\n", path, word, value);
      exit(2);
    }
  }
  return limits;
}

/* ---- against eval ---- */
/* Whether no number of the output for this image depends on sums that may overflow in float. */
static bool is_settled(const Check *check, const Node *node, int64_t image) {
  const int64_t n = shape_elements(node->shape);
  const double *want = check->forward.value[node->id] + image * n,
               *far = check->far.value[node->id] + image * n;
  for (int64_t i = 0; i < n; i++)
    if (!(want[i] == far[i] || (isnan(want[i]) && isnan(far[i])))) return false;
  return true;
}

/* Whether kernels of this operator may read numbers that the operator's formula does not contain. Attention
 * multiplies the values of excluded positions by 0. Sampling at a point outside the image multiplies the
 * pixels next to the point by 0. The fast Fourier transform adds samples, and later subtracts them. */
static bool is_spreading(const Node *node) {
  static const char *const always[] = {"stft", "grid_sample", "deformable_attention"};
  for (size_t i = 0; i < sizeof always / sizeof *always; i++)
    if (!strcmp(node->op->name, always[i])) return true;
  return !strcmp(node->op->name, "attention") &&
         (arg_is(node, "mask", "causal") || arg_const(node, "window")->kind != CONST_WORD);
}

bool may_spread(const Check *check, const Node *output) {
  const Graph *graph = check->sample.graph;
  bool *spreads = NEW_ARRAY(check->sample.arena, bool, graph->nodes.n + 1);
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    spreads[node->id] = is_spreading(node);
    for (int k = 0; k < node->nin; k++) spreads[node->id] |= spreads[node->in[k]->id];
    if (node == output) return spreads[node->id];
  }
  return false;
}

/* Error of an output for some of the images; images in which sums may overflow are not compared. An output
 * for which may_spread is true may have NaN or infinities where eval has none: such elements are accepted. */
static double special_output_error(const Check *check, const Node *node, const float *got, int64_t first,
                                   int64_t images) {
  const int64_t n = shape_elements(node->shape);
  const double *want = check->forward.value[node->id] + first * n;
  const bool spreads = may_spread(check, node);
  float *seen = NEW_ARRAY(check->sample.arena, float, images *n + 1);
  for (int64_t image = 0; image < images; image++) {
    const bool settled = is_settled(check, node, first + image);
    for (int64_t i = image * n; i < (image + 1) * n; i++)
      seen[i] = settled && (isfinite(got[i]) || !spreads) ? got[i] : (float)want[i];
  }
  return special_floats_error(seen, want, images * n, 1e-20);
}

double outputs_error(const Check *check, float *const *output) {
  const Graph *graph = check->sample.graph;
  const int64_t batch = check->limits.batch, count = check->forward.count;
  double error = 0;
  for (int o = 0; o < graph->outputs.n; o++) {
    const Node *node = graph->outputs.data[o].node;
    const int64_t n = shape_elements(node->shape);
    const double *want = check->forward.value[node->id];
    for (int64_t first = 0; first < count; first += batch) {
      const int64_t images = count - first < batch ? count - first : batch;
      const float *got = output[o] + first * n;
      const bool rounds = graph_has_bf16(graph);
      error = worse(error, check->special ? special_output_error(check, node, got, first, images)
                           : rounds       ? bf16_floats_error(got, want + first * n, images * n, 0)
                                          : floats_error(got, want + first * n, images * n, 0));
    }
  }
  return error;
}

/* Largest norm among the channels of a value. The norm of a channel is the square root of the sum of its
 * squared elements, over all pixels and images. */
static double channel_size(const GraphRun *run, const Node *node) {
  const Extent e = shape_extent(node->shape);
  const int64_t pixels = e.h * e.w * (node->result == RESULT_BATCH ? 1 : run->count);
  double largest = 0;
  for (int64_t c = 0; c < e.c; c++) {
    double sum = 0;
    for (int64_t p = 0; p < pixels; p++) {
      const double v = run->value[node->id][p * e.c + c];
      sum += v * v;
    }
    largest = worse(largest, sqrt(sum));
  }
  return largest;
}

double gradient_floor(const Sample *sample, const GraphRun *run, const Weight *weight, double part) {
  const Graph *graph = sample->training.graph;
  double size = 0;
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (node->target != weight || node->result != RESULT_SUM) continue;
    double terms = 1; /* by the Cauchy-Schwarz inequality, an inner product of two channels is at most the
                         product of their norms */
    for (int k = 0; k < node->nin; k++) terms *= channel_size(run, node->in[k]);
    size += terms;
  }
  return part * size;
}

/* The difference that is accepted for a weight's gradient: its largest change if the values are rounded,
 * times a factor for the bits that a sum of many terms loses. A gradient may be nearly 0 because its terms
 * cancel; for example, a batch normalization removes any gradient that is the same for all images. In float,
 * the rounding errors of these terms remain. */
double gradient_rounding(const Weight *weight, const double *moved) {
  static const double SEVERAL_UNITS = 16;
  double most = 0;
  for (int64_t i = 0; moved && i < weight->size; i++) most = fmax(most, moved[weight->offset + i]);
  return SEVERAL_UNITS * most;
}

static double gradients_error(const Check *check, const float *gradients, const double *moved) {
  const Sample *s = &check->sample;
  double error = 0;
  for (int w = 0; w < s->graph->weights.n; w++) {
    const Weight *weight = s->graph->weights.data[w];
    const double *want = check->gradients + weight->offset,
                 least = fmax(gradient_floor(s, &check->training, weight, 1e-2),
                              gradient_rounding(weight, moved) / check->limits.gradient);
    const double e = floats_error(gradients + weight->offset, want, weight->size, least) /
                     (graph_has_bf16(s->graph) ? 2 : 1);
    if (getenv("NETCHECK_VERBOSE")) fprintf(stderr, "%s: error %.3g\n", weight->name, e);
    error = worse(error, e);
  }
  return error;
}

double training_error(const Check *check, float loss, const float *gradients, float *const *output) {
  const Sample *s = &check->sample;
  const GraphRun *run = &check->training;
  double error = gradients_error(check, gradients, NULL);
  if (!(error <= check->limits.gradient)) /* accepts larger errors where rounding may cause them */
    error = gradients_error(check, gradients, sample_round(s, check->gradients));
  error = worse(error, number_error((double)loss, sample_loss(s, run)));
  for (int o = 0; o < s->graph->outputs.n; o++) {
    const Node *node = s->training.graph->outputs.data[o].node;
    const int64_t n = s->count * shape_elements(node->shape);
    error = worse(error, (graph_has_bf16(s->graph) ? bf16_floats_error
                                                   : floats_error)(output[o], run->value[node->id], n, 0));
  }
  return error;
}

/* ---- a program ---- */
typedef enum Mode {
  COMPILED,
  FOREIGN,
  NESTS,
  CHOICES,
  PROGRAMS,
  COMMANDS,
  RACES,
  INT8,
  INT8_NESTS,
  AWARE,
  MODEL,
  ACCURACY,
  STREAM,
  STREAM_NESTS,
  SHARE
} Mode;

/* Reports images whose sums may overflow in float. Such images are not compared. */
static void find_far(Check *check) {
  const Sample *s = &check->sample;
  check->far = sample_infer_far(s);
  for (int o = 0; o < s->graph->outputs.n; o++) {
    int64_t unsettled = 0;
    for (int64_t i = 0; i < s->count; i++) unsettled += !is_settled(check, s->graph->outputs.data[o].node, i);
    if (unsettled)
      printf("# %s: in %lld of %lld images sums overflow\n", s->graph->outputs.data[o].name,
             (long long)unsettled, (long long)s->count);
  }
}

static void draw(Check *check, Mode mode) {
  Limits *limits = &check->limits;
  Sample *s = &check->sample;
  if (check->special) limits->images = SPOILED;
  if (!limits->images) limits->images = limits->batch > 2 ? limits->batch : 2;
  if ((mode == NESTS || mode == PROGRAMS || mode == COMMANDS) && limits->images < SEVERAL)
    limits->images = SEVERAL;
  if (mode == COMMANDS && s->training.graph)
    limits->images = smaller(limits->images, s->graph->training->batch);
  // A net with states has no function for fewer images than its batch, so the batch is at most `images`.
  if (graph_states(s->graph)) limits->batch = smaller(limits->batch, limits->images);
  sample_draw(s, limits->images, 1);
  if (check->special) sample_spoil(s, 1);
  const bool compares = mode != RACES; /* results are compared with eval's results */
  if (compares) check->forward = sample_infer(s);
  if (check->special) find_far(check);
  if (!s->training.graph || check->infer || mode == CHOICES) return;
  check->gradients = NEW_ARRAY(s->arena, double, s->graph->parameters + 1);
  if (limits->images > s->graph->training->batch && mode != NESTS && mode != PROGRAMS) {
    fprintf(stderr, "%s: %lld images are more than a batch of training\n", s->path,
            (long long)limits->images);
    exit(2);
  }
  if (compares) check->training = sample_train(s, s->weights_double, check->gradients);
}

/* -O0 and -Os use reference schedules, the same for every target. So they are compiled only for the target
 * generic; -O0 also for the best target of this CPU. */
static void check_all_compiled(Check *check) {
  const Share *share = &check->limits.share;
  const bool bf16 = graph_has_bf16(check->sample.graph);
  for (const Target *target = target_table; target->name; target++) {
    if (!target_runs_here(target) || (target->for_bf16 ? !bf16 : target->for_int8) ||
        !share_target(share, target->name))
      continue;
    const bool generic = strcmp(target->name, "generic") == 0, native = target == target_native();
    const bool half = share_has_turn(share, 0, 2), other = share_has_turn(share, 1, 2),
               turn = target->for_bf16 || (strcmp(target->name, "x86-64-v3") == 0 ? half : other);
    if ((generic || native) && share_level(share, "-O0", generic || half))
      check_compiled(check, target, "-O0");
    if (share_level(share, "-O2", native || turn)) check_compiled(check, target, "-O2");
    if (generic && share_level(share, "-Os", half)) check_compiled(check, target, "-Os");
  }
}

static void permit_roundings(Limits *limits) {
  limits->tolerance = fmax(limits->tolerance, BF16_ROUNDING);
  limits->gradient = fmax(limits->gradient, BF16_ROUNDING);
}

static void check_file(const char *path, Mode mode, bool special, bool infer, int64_t rows, const char *work,
                       const Target *foreign) {
  Arena *arena = arena_new();
  Check check = {.work = work, .limits = read_limits(arena, path), .special = special};
  check.infer = infer || special;
  check.rows = rows;
  check.sample.path = path;
  if (!sample_read(&check.sample, arena, path, rows, check.limits.f16w)) {
    printf("not ok %d - %s does not compile\n", ++cases, path);
    return;
  }
  if (graph_has_bf16(check.sample.graph)) permit_roundings(&check.limits);
  if (mode == SHARE) share_print(&check.limits.share, path);
  if (mode == SHARE || (mode == FOREIGN && !share_foreign(&check.limits.share, foreign->name))) {
    arena_free(arena);
    return;
  }
  if (mode == INT8 || mode == INT8_NESTS) {
    check_int8(&check, mode == INT8_NESTS);
    arena_free(arena);
    return;
  }
  if (mode == STREAM || mode == STREAM_NESTS) {
    check_streams(&check, mode == STREAM_NESTS);
    arena_free(arena);
    return;
  }
  if (mode == AWARE) {
    check_aware(&check);
    arena_free(arena);
    return;
  }
  draw(&check, mode);
  const bool here = mode == COMPILED || mode == NESTS;
  if (check.gradients && here) check_differences(&check);
  if (here && !check.infer) check_look(&check);
  switch (mode) {
  case CHOICES: check_choices(&check); break;
  case ACCURACY: check_accuracy(&check); break;
  case PROGRAMS:
    check_programs(&check);
    check_step_programs(&check);
    check_exchanges(&check);
    break;
  case NESTS: check_nests(&check); break;
  case COMMANDS: check_commands(&check); break;
  case FOREIGN: check_foreign(&check, foreign); break;
  case RACES: check_races(&check); break;
  case COMPILED: check_all_compiled(&check); break;
  case INT8:
  case INT8_NESTS:
  case AWARE:
  case MODEL:
  case STREAM:
  case STREAM_NESTS:
  case SHARE: break;
  }
  arena_free(arena);
}

/* `argument`: FILE.cnn FILE.safetensors ROUNDING VALUES */
static void check_imported(char **argument, const char *work) {
  Arena *arena = arena_new();
  Check check = {.work = work, .limits = read_limits(arena, argument[0])};
  if (sample_read(&check.sample, arena, argument[0], 0, false))
    check_model(&check, argument[1], argument[2], argument[3]);
  arena_free(arena);
}

/* Writes random int8 weights of the net to the file. `argument`: FILE.cnn ROUNDING SEED FILE.safetensors */
static bool draw_file(char **argument) {
  Arena *arena = arena_new();
  Sample sample = {0};
  const bool written =
      sample_read(&sample, arena, argument[0], 0, false) &&
      int8_draw(arena, sample.graph, argument[3], argument[1], strtoull(argument[2], NULL, 10), false);
  arena_free(arena);
  return written;
}

int main(int argc, char **argv) {
  char work[] = "netcheck-XXXXXX", command[64];
  Mode mode = COMPILED;
  bool special = false, infer = false;
  const Target *foreign = NULL;
  int64_t rows = 0;
  int first = 1;
  for (; first < argc && !strncmp(argv[first], "--", 2); first++) {
    const char *option = argv[first];
    if (!strcmp(option, "--nests")) mode = NESTS;
    else if (!strcmp(option, "--choices")) mode = CHOICES;
    else if (!strcmp(option, "--accuracy")) mode = ACCURACY;
    else if (!strcmp(option, "--programs")) mode = PROGRAMS;
    else if (!strcmp(option, "--commands")) mode = COMMANDS;
    else if (!strcmp(option, "--races")) mode = RACES;
    else if (!strcmp(option, "--int8")) mode = INT8;
    else if (!strcmp(option, "--int8-nests")) mode = INT8_NESTS;
    else if (!strcmp(option, "--aware")) mode = AWARE;
    else if (!strcmp(option, "--stream")) mode = STREAM;
    else if (!strcmp(option, "--stream-nests")) mode = STREAM_NESTS;
    else if (!strcmp(option, "--share")) mode = SHARE;
    else if (!strcmp(option, "--model")) mode = MODEL;
    else if (!strcmp(option, "--draw")) return argc - first == 5 && draw_file(argv + first + 1) ? 0 : 99;
    else if (!strcmp(option, "--special")) special = true;
    else if (!strcmp(option, "--infer")) infer = true;
    else if (!strncmp(option, "--rows=", 7)) {
      mode = NESTS;
      rows = atoll(option + 7);
    } else if (!strncmp(option, "--on=", 5)) {
      mode = FOREIGN;
      foreign = target_find(option + 5);
    } else return fprintf(stderr, "netcheck: no option %s\n", option), 99;
    if (mode == FOREIGN && !foreign) return fprintf(stderr, "netcheck: no target %s\n", option + 5), 99;
  }
  Arena *arena = arena_new();
  const char *missing = foreign         ? foreign_missing(arena, foreign)
                        : mode == RACES ? races_missing(arena)
                                        : NULL;
  if (missing) return printf("1..0 # SKIP %s needs %s\n", foreign ? foreign->name : "--races", missing), 0;
  arena_free(arena);
  const bool compiles =
      mode != NESTS && mode != CHOICES && mode != PROGRAMS && mode != COMMANDS && mode != ACCURACY;
  if (compiles && !mkdtemp(work)) return perror(work), 99;
  if (mode == MODEL && argc - first == 4) check_imported(argv + first, work);
  for (int i = first; i < argc && mode != MODEL; i++)
    check_file(argv[i], mode, special, infer, rows, compiles ? work : NULL, foreign);
  accuracy_table();
  printf("1..%d\n", cases);
  if (!compiles) return 0;
  snprintf(command, sizeof command, "rm -rf %s", work);
  return system(command) != 0;
}
