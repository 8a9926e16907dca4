/* quantize.c: `cnnc quantize`: post-training quantization of a float net to an int8 weight file. If there is
 * data, the net is built as an executable. The executable's command `observe` runs the net on the data, and
 * writes the ranges of all values. Weights from QAT need no data, because they contain the ranges already.
 * The scales are chosen from the ranges. Then the int8 file is read in the same way as the compiler reads it.
 * If the data has targets, the int8 executable is evaluated on the test data. */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "command.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "backend/backend.h"
#include "backend/observed.h"
#include "backend/quantized.h"
#include "base/file.h"
#include "base/text.h"
#include "compile.h"
#include "flags.h"
#include "quantize_report.h"
#include "graph/op.h"
#include "ops/registry.h"
#include "quantize/quantize.h"
#include "sema/sema.h"

/* ---- the command line ---- */
static bool read_range_kind(const FlagUse *use, void *member, const char *text) {
  Quantizing *q = use->options;
  (void)member;
  static const char *const names[] = {"mse", "minmax", "entropy", "percentile", NULL};
  static const RangeKind kinds[] = {RANGE_MSE, RANGE_MINMAX, RANGE_ENTROPY, RANGE_PERCENTILE};
  static const double MOST = 99.99;
  int index = 0;
  q->calibrates = true;
  if (strncmp(text, "percentile=", 11) == 0) {
    char *end;
    q->how.range = RANGE_PERCENTILE;
    q->how.percentile = strtod(text + 11, &end);
    return (!*end && q->how.percentile > 50 && q->how.percentile <= 100) ||
           usage_error("--calibrate=percentile=P needs a number above 50 and at most 100, not '%s'",
                       text + 11);
  }
  if (!word_index("--calibrate", text, names, &index)) return false;
  q->how.range = kinds[index];
  q->how.percentile = MOST;
  return true;
}

static bool read_keep(const FlagUse *use, void *member, const char *text) {
  WordList *keeps = member;
  for (const char *at = text; *at;) {
    const size_t n = strcspn(at, ",");
    if (n) vec_push(use->arena, *keeps, arena_copy(use->arena, at, n));
    at += n + (at[n] != 0);
  }
  return keeps->n > 0 || usage_error("--keep needs layer names: --keep=conv1,dense1");
}

/* Reads an option whose argument is one of two words. *member: whether the argument is the second word. */
static bool read_second(const FlagUse *use, void *member, const char *text) {
  int index;
  if (!flag_choice(use, &index, text)) return false;
  *(bool *)member = index == 1;
  return true;
}

static bool read_loss(const FlagUse *use, void *member, const char *text) {
  char *end;
  const double points = *(double *)member = strtod(text, &end);
  (void)use;
  return (end != text && !*end && points >= 0 && points <= 100) ||
         usage_error("--max-loss must be a number of points from 0 to 100, not '%s'", text);
}

static bool read_positive(const FlagUse *use, void *member, const char *text) {
  flag_text(use, member, text);
  return (strspn(text, "0123456789") == strlen(text) && strlen(text) <= 9 && atoi(text) > 0) ||
         usage_error("--%s must be a positive integer, not '%s'", use->flag->name, text);
}

#define AT(member) offsetof(Quantizing, member)
static const Flag quantize_options[] = {
    {"weights", 0, required_argument, flag_text, AT(weights), "--weights=FILE", "the float weights", "@file"},
    {"data", 0, required_argument, flag_text, AT(data), "--data=PATH",
     "a data set, as for the executable's commands; not needed for weights of quantization-aware training "
     "(quantize = int8 in the train block), which contain their ranges",
     "@file"},
    {NULL, 'o', required_argument, flag_text, AT(output), "-o FILE", "the output file", "@file"},
    {"samples", 0, required_argument, read_positive, AT(samples), "--samples=N",
     "number of calibration samples, from the training part of the data (500)", NULL},
    {"calibrate", 0, required_argument, read_range_kind, 0, "--calibrate=KIND",
     "calibration method: mse (minimizes the squared error), minmax (the observed range), percentile=99.99 "
     "(clips outliers at both ends), entropy (minimizes KL divergence)",
     "mse minmax percentile entropy"},
    {"rounding", 0, required_argument, flag_word, AT(how.rounding), "--rounding=KIND",
     "rounding of sums: single (the default), double, float", "single double float"},
    {"per-tensor", 0, no_argument, flag_set, AT(how.per_tensor), "--per-tensor",
     "one weight scale per layer instead of one per filter", NULL},
    {"reduce-range", 0, no_argument, flag_set, AT(how.reduced), "--reduce-range",
     "7-bit weights, -64 to 64: faster on x86 CPUs without VNNI, slightly less accurate", NULL},
    {"no-equalize", 0, no_argument, flag_set, AT(no_equalize), "--no-equalize",
     "do not equalize the weights of successive convolutions (cross-layer equalization)", NULL},
    {"no-bias-correction", 0, no_argument, flag_set, AT(how.no_correction), "--no-bias-correction",
     "do not correct biases for the mean error due to weight rounding", NULL},
    {"precision", 0, required_argument, read_second, AT(how.all_wide), "--precision=KIND",
     "type of the activations: i8 (the default) or i16, with int8 weights", "i8 i16"},
    {"keep", 0, required_argument, read_keep, AT(keeps), "--keep=LAYER[,...]", "layers that stay in float",
     NULL},
    {"fallback", 0, required_argument, read_second, AT(how.bf16), "--fallback=KIND",
     "precision of layers that stay in float: f32 (the default) or bf16", "f32 bf16"},
    {"max-loss", 0, required_argument, read_loss, AT(max_loss), "--max-loss=POINTS",
     "limit of the accuracy loss on the test part. To meet it, activations become int16, then layers stay in "
     "float (those with the largest error per multiply-add first)",
     NULL},
    {"report", 0, required_argument, flag_text, AT(report), "--report=FILE.json", "the report as JSON",
     "@file"},
    {"threads", 0, required_argument, read_positive, AT(threads), "--threads=N",
     "threads for the evaluation on the test part (default: all)", NULL},
    {"cc", 0, required_argument, flag_text, AT(cc), "--cc=COMPILER", "the C compiler for the executable",
     NULL},
    {"runtime-dir", 0, required_argument, flag_text, AT(runtime), "--runtime-dir=DIR",
     "the folder of libcnn.a", "@folder"},
    FLAG_DEFINE(AT(defines)),
    FLAG_INCLUDE(AT(directories)),
    FLAG_WARNINGS(AT(warnings)),
    FLAG_HELP(AT(help)),
    FLAG_END,
};

static bool read_quantize_line(Quantizing *q, int argc, char **argv) {
  if (!flags_read(q->arena, quantize_options, q, NULL, argc, argv)) return false;
  if (q->help) return true;
  if (argc - optind != 1) return usage_error("cnnc quantize needs one program: NET.cnn");
  q->program = argv[optind];
  if (!q->weights || !q->output)
    return usage_error(
        "cnnc quantize needs --weights=FILE and -o FILE, and --data=PATH unless the weights come from "
        "quantization-aware training");
  if (strcmp(q->output, "-") == 0)
    return usage_error("weights cannot be written to standard output: use -o FILE");
  if (!q->data && (q->calibrates || q->max_loss >= 0))
    return usage_error("%s needs --data=PATH", q->calibrates ? "--calibrate" : "--max-loss");
  return true;
}

/* Messages are recorded in several parts: about the source, then about each quantization. */
static void messages_begin(Quantizing *q) {
  q->diags = diags_new(q->arena, &q->sources);
  diags_options(q->diags, &q->warnings);
}

/* ---- executables that are built and run ---- */
static bool report_failure(Quantizing *q, const char *why) {
  if (why) diag_report(q->diags, DIAG_backend_failed, NO_SPAN, NULL, "%s", why);
  q->failed = true;
  return false;
}

/* Adds options that disable the build's warnings, which this command prints itself. */
static int disable_warnings(Arena *arena, const char **words) {
  int n = 0;
  for (int i = 0; i < DIAG_COUNT; i++)
    if (diag_info[i].level != DIAG_ERROR) words[n++] = arena_printf(arena, "-Wno-%s", diag_info[i].slug);
  return n;
}

static bool build_executable(Quantizing *q, const char *weights, const char *program) {
  const char *why = NULL, *self = file_self(q->arena);
  if (!self) return report_failure(q, "cannot find the cnnc executable");
  enum { OTHERS = 8 + DIAG_COUNT };
  const char **words = NEW_ARRAY(q->arena, const char *, OTHERS + q->defines.n + q->directories.n);
  int n = 0;
  words[n++] = self;
  words[n++] = q->program;
  words[n++] = arena_printf(q->arena, "-o%s", program);
  words[n++] = "--no-train";
  for (int i = 0; i < q->defines.n; i++)
    words[n++] = arena_printf(q->arena, "-D%s=%s", q->defines.data[i].name, q->defines.data[i].value);
  for (int i = 0; i < q->directories.n; i++)
    words[n++] = arena_printf(q->arena, "-I%s", q->directories.data[i]);
  if (weights) words[n++] = arena_printf(q->arena, "--weights=%s", weights);
  n += disable_warnings(q->arena, words + n);
  if (q->cc) words[n++] = arena_printf(q->arena, "--cc=%s", q->cc);
  if (q->runtime) words[n++] = arena_printf(q->arena, "--runtime-dir=%s", q->runtime);
  return backend_command(q->arena, "the program's build", words, false, &why) || report_failure(q, why);
}

/* Number of samples for measure_layers, which takes a few nanoseconds per product. */
static int64_t samples_measured(const Graph *graph) {
  const double PRODUCTS = 4e8;
  enum { MOST = 32 };
  double products = 1;
  for (int i = 0; i < graph->nodes.n; i++) products += (double)node_macs(graph->nodes.data[i]);
  return (int64_t)fmax(1, fmin(MOST, PRODUCTS / products));
}

static bool run_calibration(Quantizing *q, const char *program, const char *weights) {
  const char *why = NULL, *seen = arena_printf(q->arena, "%s/seen.json", q->work);
  char inputs[24];
  snprintf(inputs, sizeof inputs, "%lld", (long long)samples_measured(q->graph));
  const char *const run[] = {program,    "observe",  "--data", q->data, "--weights", weights, "--samples",
                             q->samples, "--inputs", inputs,   "-o",    seen,        NULL};
  if (!backend_command(q->arena, "the program", run, false, &why)) return report_failure(q, why);
  return observed_read(q->arena, seen, q->graph, &q->seen, &why) || report_failure(q, why);
}

static bool ends_in(const char *name, const char *end) {
  const size_t n = strlen(name), m = strlen(end);
  return n >= m && strcmp(name + n - m, end) == 0;
}

/* Reads the metric `wanted` of eval --json; NULL: the first metric; if there are no metrics, the loss. */
static bool read_evaluation(Arena *arena, const char *text, const char *wanted, Evaluation *judgement) {
  const char *name = NULL;
  json_t *root = json_loads(text, 0, NULL), *metrics = json_object_get(root, "metrics"), *value;
  *judgement = (Evaluation){0};
  json_object_foreach(metrics, name, value) {
    if (judgement->metric || !json_is_number(value) || (wanted && strcmp(name, wanted) != 0)) continue;
    *judgement = (Evaluation){arena_copy(arena, name, strlen(name)), json_number_value(value),
                              !ends_in(name, "mae") && !ends_in(name, "loss")};
  }
  const json_t *loss = json_object_get(root, "loss");
  if (!judgement->metric && json_is_number(loss) && (!wanted || strcmp(wanted, "loss") == 0))
    *judgement = (Evaluation){"loss", json_number_value(loss), false};
  json_decref(root);
  return judgement->metric != NULL;
}

static bool run_test(Quantizing *q, const char *program, const char *weights, const char *wanted,
                     Evaluation *judgement) {
  const char *why = NULL, *printed = "", *words[10] = {program, "eval", "--data", q->data, "--json"};
  int n = 5;
  *judgement = (Evaluation){0};
  if (weights) words[n++] = "--weights";
  if (weights) words[n++] = weights;
  if (q->threads) words[n++] = arena_printf(q->arena, "--threads=%s", q->threads);
  return backend_output(q->arena, "the program", words, &printed, &why) &&
         read_evaluation(q->arena, printed, wanted, judgement);
}

/* ---- the net ---- */
static bool read_net(Quantizing *q) {
  Ast *ast = program_read(q->arena, q->diags, &q->sources, q->program, q->directories.n, q->directories.data);
  const SemaOptions options = {.ndirs = q->directories.n, .dirs = q->directories.data};
  Graph *graph = ast && !diags_errors(q->diags) ? sema_build(q->arena, q->diags, &q->sources, ast,
                                                             q->defines.data, q->defines.n, &options)
                                                : NULL;
  if (diags_errors(q->diags)) return false;
  if (!graph) return diag_no_net(q->diags);
  const WeightsSource way = {.path = q->weights};
  QuantFile *bytes = NULL;
  if (!quantized_read(q->arena, q->diags, &way, &bytes)) return false;
  if (bytes) {
    diag_report(q->diags, DIAG_weights_file, NO_SPAN, NULL,
                "%s is already quantized: cnnc quantize needs float weights", q->weights);
    return false;
  }
  q->graph = graph;
  q->values = NEW_ARRAY(q->arena, float, graph->parameters + 1);
  return weights_read(q->arena, q->diags, &way, graph, q->values);
}

/* Whether the layer `name` of --keep can stay in float. Reports an error if the program sets precision=i8 or
 * precision=i16 for the layer. */
static bool may_keep(const Quantizing *q, const char *name) {
  for (int i = 0; i < q->graph->nodes.n; i++) {
    const Node *node = q->graph->nodes.data[i];
    if (strcmp(node->name, name) != 0 ||
        !(node->precision == PRECISION_I8 || node->precision == PRECISION_I16))
      continue;
    diag_report(q->diags, DIAG_bad_value, node->span, node->site,
                "--keep leaves %s in float, but the program says precision=%s", name,
                node->precision == PRECISION_I8 ? "i8" : "i16");
    return false;
  }
  return true;
}

/* Copies the names of --keep to q->keep, and checks that they are layers with weights. */
static bool check_keep(Quantizing *q) {
  VEC(const char *) names = {0};
  for (int i = 0; i < q->graph->nodes.n; i++)
    if (calibrate_is_layer(q->graph->nodes.data[i])) vec_push(q->arena, names, q->graph->nodes.data[i]->name);
  vec_push(q->arena, names, NULL);
  for (int k = 0; k < q->keeps.n; k++) {
    const char *name = q->keeps.data[k], *near = suggest(name, names.data);
    bool found = false;
    for (int i = 0; i < names.n - 1; i++) found |= strcmp(names.data[i], name) == 0;
    table_set(q->arena, &q->keep, name, q);
    if (found && may_keep(q, name)) continue;
    if (found) return false;
    Diag *diag = diag_report(q->diags, DIAG_unknown_name, NO_SPAN, NULL,
                             "--keep: the net has no layer '%s' with weights", name);
    if (near) diag_help(diag, "did you mean '%s'?", near);
  }
  return !diags_errors(q->diags);
}

/* Equalizes the weights, unless the ranges of QAT are used, or --no-equalize is set. *path: the weight file
 * for the calibration. */
static bool equalize_net(Quantizing *q, const char **path) {
  *path = q->weights;
  q->equalized = q->no_equalize || q->ranges ? 0 : equalize(q->arena, q->graph, q->values);
  if (!q->equalized) return true;
  Arrays arrays = {.arena = q->arena, .net = q->graph->name};
  for (int w = 0; w < q->graph->weights.n; w++) {
    const Weight *weight = q->graph->weights.data[w];
    arrays_add(&arrays, weight->name, F32, weight->rank, weight->dim, q->values + weight->offset);
  }
  *path = arena_printf(q->arena, "%s/equal.safetensors", q->work);
  return arrays_save(&arrays, *path) || report_failure(q, strerror(errno));
}

/* Chooses scales, writes the int8 weights to `path`, reads them as the compiler does, and measures the error
 * of each layer. */
static bool calibrate_net(Quantizing *q, const char *path) {
  const WeightsSource way = {.path = path};
  QuantFile *file = NULL;
  Node **made = NEW_ARRAY(q->arena, Node *, q->graph->nodes.n + 1);
  if (!q->how.cells)
    q->how.cells =
        measure_cells(q->arena, q->graph, q->values, q->seen.samples, (const double *const *)q->seen.input);
  q->made = calibrate(q->arena, q->graph, q->values, q->ranges ? q->ranges : &q->seen.values, &q->how);
  if (q->made->missing)
    return report_failure(
        q, arena_printf(q->arena,
                        q->ranges ? "training stored no range for '%s': --calibrate=mse chooses it from data"
                                  : "the calibration stored no range for '%s'",
                        q->made->missing));
  if (!arrays_save(&q->made->arrays, path)) return report_failure(q, strerror(errno));
  const Graph *bytes =
      quantized_read(q->arena, q->diags, &way, &file)
          ? quantize_graph(q->arena, q->diags, q->graph, file, &(QuantizeOptions){.made = made})
          : NULL;
  if (!bytes) return false;
  q->measured = measure_layers(q->arena, q->graph, q->values, bytes, made, q->seen.samples,
                               (const double *const *)q->seen.input);
  return true;
}

/* ---- --max-loss ---- */
/* The value with the largest noise-to-signal ratio per MAC of its node. With `widen`, the candidates are the
 * values that can become int16; otherwise the layers that can become float. NULL: there are no candidates. */
static const Chosen *worst_value(const Quantizing *q, bool widen) {
  const Chosen *worst = NULL;
  double most = -1;
  for (int i = 0; i < q->made->chosen.n; i++) {
    const Chosen *c = &q->made->chosen.data[i];
    const Measured *m = &q->measured[c->last->id];
    if (c->kept || table_find(&q->keep, c->name)) continue;
    if (widen ? c->wide || table_find(&q->wide, c->name) || !calibrate_can_widen(c->node) ||
                    c->node->precision == PRECISION_I8
              : !calibrate_is_layer(c->node))
      continue;
    const double noise = m->signal > 0 ? m->alone / m->signal : 0,
                 share = noise / (double)(1 + node_macs(c->node));
    if (share <= most) continue;
    most = share;
    worst = c;
  }
  return worst;
}

/* Makes the noisiest values int16 or, if no value is left, the noisiest layers float. Each call changes at
 * most n / 8 values or layers, rounded up; n: the number of layers. False: all layers are float already. */
static bool raise_precision(Quantizing *q) {
  enum { PARTS = 8 };
  int layers = 0;
  for (int i = 0; i < q->graph->nodes.n; i++) layers += calibrate_is_layer(q->graph->nodes.data[i]);
  const bool widen = worst_value(q, true);
  for (int n = 0; n < (layers + PARTS - 1) / PARTS; n++) {
    const Chosen *worst = worst_value(q, widen);
    if (!worst) return n > 0;
    table_set(q->arena, widen ? &q->wide : &q->keep, worst->name, q);
  }
  return true;
}

static bool write_int8_weights(Quantizing *q) {
  const char *path = q->output, *why = NULL, *temporary = NULL;
  Outputs *outputs = outputs_new(q->arena);
  if (outputs_adopt(outputs, q->output, &temporary, &why) && !arrays_save(&q->made->arrays, temporary))
    why = strerror(errno);
  if (!why && outputs_commit(outputs, &path, &why)) return true;
  outputs_abandon(outputs);
  return diag_cannot_write(q->diags, path, why);
}

/* Quantizes, raising the precision until the loss of accuracy is within --max-loss. */
static bool quantize_within_loss(Quantizing *q) {
  const char *path = arena_printf(q->arena, "%s/int8.safetensors", q->work),
             *program = arena_printf(q->arena, "%s/net8", q->work);
  for (;;) {
    messages_begin(q);
    if (!calibrate_net(q, path)) return false;
    if (!q->before.metric) return true;
    if (!build_executable(q, path, program)) return false;
    if (!run_test(q, program, NULL, q->before.metric, &q->after))
      return report_failure(q, "the quantized executable reported no accuracy");
    if (q->max_loss < 0 || accuracy_loss(q) <= q->max_loss) return true;
    if (!raise_precision(q))
      return report_failure(q, arena_printf(q->arena,
                                            "the accuracy loss is %g points even with all layers in float",
                                            accuracy_loss(q)));
  }
}

/* Uses the ranges that QAT stored with the weights, unless --calibrate is set. If ranges of QAT are not used,
 * there must be data. */
static bool find_ranges(Quantizing *q) {
  q->ranges = q->calibrates ? NULL : aware_ranges(q->arena, q->graph, q->values);
  if (q->ranges) {
    q->how.range = RANGE_MINMAX;
    q->how.no_correction = true;
    return true;
  }
  if (q->data) return true;
  Diag *diag = diag_report(q->diags, DIAG_weights_mismatch, NO_SPAN, NULL,
                           "%s contains no ranges from training, and there is no data to choose them from",
                           q->weights);
  diag_help(diag, "--data=PATH names a data set; or train with quantize = int8(start=5) in the train block");
  return false;
}

/* Checks that the data can be read, before cnnc builds the executable that reads them. */
static bool check_data(Quantizing *q) {
  if (!q->data || strncmp(q->data, "synthetic", 9) == 0 || access(q->data, R_OK) == 0) return true;
  static const char *const generated[] = {"synthetic", "synthetic:shapes", NULL};
  Diag *diag = diag_report(q->diags, DIAG_file_unreadable, NO_SPAN, NULL, "cannot read '%s': %s", q->data,
                           strerror(errno));
  const char *near = suggest(q->data, generated);
  if (near) diag_help(diag, "did you mean '%s'?", near);
  return false;
}

/* QAT rounds weights to int8 with one scale per filter: options that choose other scales are errors. */
static bool check_qat_options(const Quantizing *q) {
  return !q->ranges || !(q->how.per_tensor || q->how.reduced) ||
         usage_error("%s: %s was trained for int8 with a scale per filter; to choose new scales, use "
                     "--calibrate=mse and --data=PATH",
                     q->how.per_tensor ? "--per-tensor" : "--reduce-range", q->weights);
}

static void quantize_net(Quantizing *q) {
  const char *program = arena_printf(q->arena, "%s/net", q->work), *weights;
  if (!read_net(q) || !find_ranges(q) || !check_data(q)) return;
  q->wrong = !check_qat_options(q);
  if (q->wrong || !check_keep(q)) return;
  diags_print(q->diags, stderr, DIAG_TEXT,
              flag_wants_color(0)); /* messages about the source; later messages are recorded separately */
  messages_begin(q);
  if (q->data && !build_executable(q, NULL, program)) return;
  if (!equalize_net(q, &weights) || (q->data && !run_calibration(q, program, weights))) return;
  if (q->data && q->seen.targets) run_test(q, program, q->weights, NULL, &q->before);
  if (q->max_loss >= 0 && !q->before.share) {
    report_failure(q, "--max-loss needs data with a test part, and a metric in percent");
    return;
  }
  if (!quantize_within_loss(q)) return;
  quantize_warn(q);
  if (diags_errors(q->diags)) return; /* -Werror */
  if (write_int8_weights(q) && quantize_report(q)) quantize_print(q);
}

static void remove_work(const Quantizing *q) {
  static const char *const files[] = {"net" PROGRAM_SUFFIX, "net8" PROGRAM_SUFFIX, "seen.json",
                                      "equal.safetensors", "int8.safetensors"};
  for (int i = 0; i < 5; i++) remove(arena_printf(q->arena, "%s/%s", q->work, files[i]));
  rmdir(q->work);
}

static int quantize(Arena *arena, const char *cnnc, int argc, char **argv) {
  (void)cnnc;
  Quantizing q = {.arena = arena,
                  .sources = {.arena = arena},
                  .samples = "500",
                  .max_loss = -1,
                  .how = {.rounding = "single"}};
  if (!read_quantize_line(&q, argc, argv)) return 2;
  if (q.help) return command_help(arena, &quantize_command);
  char *work = arena_printf(arena, "%s/cnnc-quantize-XXXXXX", file_temporary(arena));
  messages_begin(&q);
  q.how.keep = &q.keep;
  q.how.wide = &q.wide;
  if (!mkdtemp(work)) diag_cannot_write(q.diags, work, strerror(errno));
  else {
    q.work = work;
    quantize_net(&q);
    remove_work(&q);
  }
  diags_print(q.diags, stderr, DIAG_TEXT, flag_wants_color(0));
  return q.wrong ? 2 : q.failed || diags_errors(q.diags) ? 1 : 0;
}

const Command quantize_command = {
    "quantize",
    "NET.cnn --weights=W [--data PATH] -o NET.int8.safetensors",
    "quantizes weights to int8",
    "Runs the net on calibration data, chooses a scale for each value, and writes int8 weights: "
    "cnnc NET.cnn --weights=NET.int8.safetensors compiles them.",
    "Exit status: 0; 1 if an input is invalid or the output cannot be written; 2 for a usage error.",
    quantize_options,
    ".cnn",
    quantize,
};
