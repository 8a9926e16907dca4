/* quantize.c: `cnnc quantize`: a net of floats, its weights and data give a file of weights of 8 bits. The
 * net is built as a program, which runs on the data and writes which numbers its values take (its command
 * observe); scales are chosen from that here, the file is tried as the compiler reads it, and the program of
 * 8 bits is judged by the test of the data. */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "quantize.h"
#include "ops/registry.h"
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "backend/backend.h"
#include "backend/observed.h"
#include "backend/quantized.h"
#include "base/file.h"
#include "options.h"
#include "options_words.h"
#include "quantizing.h"
#include "base/text.h"
#include "graph/op.h"
#include "quantize/quantize.h"
#include "sema/sema.h"

enum {
  LONG_WEIGHTS = 256,
  LONG_DATA,
  LONG_CALIBRATE,
  LONG_SAMPLES,
  LONG_ROUNDING,
  LONG_PER_TENSOR,
  LONG_REDUCE_RANGE,
  LONG_NO_CORRECTION,
  LONG_NO_EQUALIZE,
  LONG_PRECISION,
  LONG_KEEP,
  LONG_MAX_LOSS,
  LONG_REPORT,
  LONG_THREADS,
  LONG_CC,
  LONG_RUNTIME
};

static const OptionRow quantize_options[] = {
    {"weights", LONG_WEIGHTS, required_argument, "--weights=FILE", "the weights in floats", "@file"},
    {"data", LONG_DATA, required_argument, "--data=PATH",
     "a data set, as the built program's commands take it; weights that were trained for 8 bits (quantize = "
     "int8 in the train block) hold their ranges, and need none",
     "@file"},
    {NULL, 'o', required_argument, "-o FILE", "what is written", "@file"},
    {"samples", LONG_SAMPLES, required_argument, "--samples=N", "of the data's training part (500)", NULL},
    {"calibrate", LONG_CALIBRATE, required_argument, "--calibrate=KIND",
     "how ranges are chosen: mse (the least squared error), minmax (all that was seen), percentile=99.99 "
     "(without so much at each end), entropy (what 8 bits tell most of)",
     "mse minmax percentile entropy"},
    {"rounding", LONG_ROUNDING, required_argument, "--rounding=KIND",
     "of sums: single (the default), double, float", "single double float"},
    {"per-tensor", LONG_PER_TENSOR, no_argument, "--per-tensor",
     "one scale for all weights of a layer, not one a filter", NULL},
    {"reduce-range", LONG_REDUCE_RANGE, no_argument, "--reduce-range",
     "weights of 7 bits, -64 to 64: faster on x86 CPUs without VNNI, a little less accurate", NULL},
    {"no-equalize", LONG_NO_EQUALIZE, no_argument, "--no-equalize",
     "leaves the channels between convolutions as they are; else weights are moved from the larger side to "
     "the smaller",
     NULL},
    {"no-bias-correction", LONG_NO_CORRECTION, no_argument, "--no-bias-correction",
     "leaves the bias as it is; else the mean shift of rounded weights is taken from it", NULL},
    {"precision", LONG_PRECISION, required_argument, "--precision=KIND",
     "of values: i8 (the default), i16: 16 bits, with weights of 8", "i8 i16"},
    {"keep", LONG_KEEP, required_argument, "--keep=LAYER[,...]", "layers that stay in floats", NULL},
    {"max-loss", LONG_MAX_LOSS, required_argument, "--max-loss=POINTS",
     "values get 16 bits, then layers stay in floats, those that lose most first, until the test of the data "
     "loses no more",
     NULL},
    {"report", LONG_REPORT, required_argument, "--report=FILE.json", "what is printed, as JSON", "@file"},
    {"threads", LONG_THREADS, required_argument, "--threads=N", "processors for the test of the data (all)",
     NULL},
    {"cc", LONG_CC, required_argument, "--cc=COMPILER", "the C compiler that builds the program", NULL},
    {"runtime-dir", LONG_RUNTIME, required_argument, "--runtime-dir=DIR", "where libcnn.a is", "@folder"},
    {NULL, 'D', required_argument, "-D NAME=VALUE", "replaces the value of a file's const", NULL},
    {NULL, 'I', required_argument, "-I DIR",
     "where imports are looked for, after the importing file's directory", "@folder"},
    {"help", 'h', no_argument, "-h, --help", "this page", NULL},
    {NULL, 0, 0, NULL, NULL, NULL},
};

/* ---- the command line ---- */
static bool read_calibrate(Quantizing *q, const char *text) {
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
           usage_error("--calibrate=percentile=P has a number above 50 up to 100, not '%s'", text + 11);
  }
  if (!read_word("--calibrate", text, names, &index)) return false;
  q->how.range = kinds[index];
  q->how.percentile = MOST;
  return true;
}

static bool read_keep(Quantizing *q, const char *text) {
  for (const char *at = text; *at;) {
    const size_t n = strcspn(at, ",");
    if (n) vec_push(q->arena, q->keeps, arena_copy(q->arena, at, n));
    at += n + (at[n] != 0);
  }
  return q->keeps.n > 0 || usage_error("--keep names layers: --keep=conv1,dense1");
}

static bool read_loss(Quantizing *q, const char *text) {
  char *end;
  q->most_lost = strtod(text, &end);
  return (end != text && !*end && q->most_lost >= 0 && q->most_lost <= 100) ||
         usage_error("--max-loss is a number of points from 0 to 100, not '%s'", text);
}

static bool read_threads(Quantizing *q, const char *text) {
  q->threads = text;
  return (strspn(text, "0123456789") == strlen(text) && strlen(text) <= 9 && atoi(text) > 0) ||
         usage_error("--threads is a whole number from 1 on, not '%s'", text);
}

static bool read_rounding(Quantizing *q, const char *text) {
  static const char *const names[] = {"single", "double", "float", NULL};
  int index = 0;
  if (!read_word("--rounding", text, names, &index)) return false;
  q->how.rounding = names[index];
  return true;
}

static bool read_precision(Quantizing *q, const char *text) {
  static const char *const names[] = {"i8", "i16", NULL};
  int index = 0;
  if (!read_word("--precision", text, names, &index)) return false;
  q->how.all_wide = index == 1;
  return true;
}

static bool read_samples(Quantizing *q, const char *text) {
  q->samples = text;
  return (strspn(text, "0123456789") == strlen(text) && atoll(text) > 0) ||
         usage_error("--samples is a whole number from 1 on, not '%s'", text);
}

static bool take_option(Quantizing *q, int code) {
  switch (code) {
  case 'o': q->output = optarg; return true;
  case 'h': return q->help = true;
  case 'D': return read_define(q->arena, optarg, &q->defines);
  case 'I': vec_push(q->arena, q->directories, optarg); return true;
  case LONG_WEIGHTS: q->weights = optarg; return true;
  case LONG_DATA: q->data = optarg; return true;
  case LONG_CALIBRATE: return read_calibrate(q, optarg);
  case LONG_SAMPLES: return read_samples(q, optarg);
  case LONG_ROUNDING: return read_rounding(q, optarg);
  case LONG_PER_TENSOR: return q->how.per_tensor = true;
  case LONG_REDUCE_RANGE: return q->how.reduced = true;
  case LONG_NO_CORRECTION: return q->how.no_correction = true;
  case LONG_NO_EQUALIZE: return q->no_equalize = true;
  case LONG_PRECISION: return read_precision(q, optarg);
  case LONG_KEEP: return read_keep(q, optarg);
  case LONG_MAX_LOSS: return read_loss(q, optarg);
  case LONG_REPORT: q->report = optarg; return true;
  case LONG_THREADS: return read_threads(q, optarg);
  case LONG_CC: q->cc = optarg; return true;
  case LONG_RUNTIME: q->runtime = optarg; return true;
  default: return false;
  }
}

static bool read_options(Quantizing *q, int argc, char **argv) {
  for (int code; (code = command_option(q->arena, &quantize_command, argc, argv)) != -1;)
    if (!take_option(q, code)) return false;
  if (q->help) return true;
  if (argc - optind != 1) return usage_error("cnnc quantize takes one program: NET.cnn");
  q->program = argv[optind];
  if (!q->weights || !q->output)
    return usage_error(
        "cnnc quantize needs --weights=FILE and -o FILE, and --data=PATH but for weights that were "
        "trained for 8 bits");
  if (strcmp(q->output, "-") == 0) return usage_error("weights are not written to standard output: -o FILE");
  if (!q->data && (q->calibrates || q->most_lost >= 0))
    return usage_error("%s needs --data=PATH", q->calibrates ? "--calibrate" : "--max-loss");
  return true;
}

/* ---- the file ---- */
bool quantize_failed(Quantizing *q, const char *why) {
  if (why) diag_report(q->diags, DIAG_backend_failed, NO_SPAN, NULL, "%s", why);
  q->failed = true;
  return false;
}

static bool read_net(Quantizing *q) {
  Ast *ast = program_read(q->arena, q->diags, &q->sources, q->program, q->directories.n, q->directories.data);
  const SemaOptions options = {q->directories.n, q->directories.data, NULL, NULL};
  Graph *graph = ast && !diags_errors(q->diags) ? sema_build(q->arena, q->diags, &q->sources, ast,
                                                             q->defines.data, q->defines.n, &options)
                                                : NULL;
  if (!graph || diags_errors(q->diags)) return false;
  const WeightsWay way = {.path = q->weights};
  QuantFile *bytes = NULL;
  if (!quantized_read(q->arena, q->diags, &way, &bytes)) return false;
  if (bytes) {
    diag_report(q->diags, DIAG_weights_file, NO_SPAN, NULL,
                "%s is of 8 bits already: cnnc quantize takes weights of floats", q->weights);
    return false;
  }
  q->graph = graph;
  q->values = NEW_ARRAY(q->arena, float, graph->parameters + 1);
  return weights_read(q->arena, q->diags, &way, graph, q->values);
}

/* --keep names layers with weights. */
static bool keeps_layers(Quantizing *q) {
  VEC(const char *) names = {0};
  for (int i = 0; i < q->graph->nodes.n; i++)
    if (q->graph->nodes.data[i]->op->traits.int8 == INT8_PRODUCT)
      vec_push(q->arena, names, q->graph->nodes.data[i]->name);
  vec_push(q->arena, names, NULL);
  for (int k = 0; k < q->keeps.n; k++) {
    const char *name = q->keeps.data[k], *near = suggest(name, names.data);
    bool found = false;
    for (int i = 0; i < names.n - 1; i++) found |= strcmp(names.data[i], name) == 0;
    table_set(q->arena, &q->keep, name, q);
    if (found) continue;
    Diag *diag = diag_report(q->diags, DIAG_unknown_name, NO_SPAN, NULL,
                             "--keep: the net has no layer '%s' with weights", name);
    if (near) diag_help(diag, "did you mean '%s'?", near);
  }
  return !diags_errors(q->diags);
}

/* Weights that are equalized are those of the same net: it is observed with them. */
static bool equalized(Quantizing *q, const char **path) {
  *path = q->weights;
  q->equalized = q->no_equalize || q->ranges ? 0 : equalize(q->arena, q->graph, q->values);
  if (!q->equalized) return true;
  Arrays arrays = {.arena = q->arena, .net = q->graph->name};
  for (int w = 0; w < q->graph->weights.n; w++) {
    const Weight *weight = q->graph->weights.data[w];
    arrays_add(&arrays, weight->name, F32, weight->rank, weight->dim, q->values + weight->offset);
  }
  *path = arena_printf(q->arena, "%s/equal.safetensors", q->work);
  return arrays_save(&arrays, *path) || quantize_failed(q, strerror(errno));
}

/* Ranges, weights, and the file as the compiler reads it. */
static bool calibrated(Quantizing *q, const char *path) {
  const WeightsWay way = {.path = path};
  QuantFile *file = NULL;
  Node **made = NEW_ARRAY(q->arena, Node *, q->graph->nodes.n + 1);
  q->made = calibrate(q->arena, q->graph, q->values, q->ranges ? q->ranges : &q->seen.values, &q->how);
  if (q->made->missing)
    return quantize_failed(
        q, arena_printf(q->arena,
                        q->ranges ? "training has left no range of '%s': --calibrate=mse chooses it from data"
                                  : "the program does not show the value '%s'",
                        q->made->missing));
  if (!arrays_save(&q->made->arrays, path)) return quantize_failed(q, strerror(errno));
  const Graph *bytes =
      quantized_read(q->arena, q->diags, &way, &file)
          ? quantize_graph(q->arena, q->diags, q->graph, file, &(QuantizeOptions){.made = made})
          : NULL;
  if (!bytes) return false;
  q->measured = measure(q->arena, q->graph, q->values, bytes, made, q->seen.samples,
                        (const double *const *)q->seen.input);
  return true;
}

/* ---- --max-loss ---- */
/* What a value adds in noise, for what it computes: the worst of those that can get 16 bits, or of the layers
 * that can be one of floats. NULL: there is none. */
static const Chosen *worst_value(const Quantizing *q, bool widen) {
  const Chosen *worst = NULL;
  double most = -1;
  for (int i = 0; i < q->made->chosen.n; i++) {
    const Chosen *c = &q->made->chosen.data[i];
    const Measured *m = &q->measured[c->last->id];
    if (c->kept || table_find(&q->keep, c->name)) continue;
    if (widen ? c->wide || table_find(&q->wide, c->name) || !calibrate_can_widen(c->node) ||
                    c->node->precision == PRECISION_I8
              : c->node->op->traits.int8 != INT8_PRODUCT)
      continue;
    const double noise = m->signal > 0 ? m->alone / m->signal : 0,
                 share = noise / (double)(1 + node_macs(c->node));
    if (share <= most) continue;
    most = share;
    worst = c;
  }
  return worst;
}

/* The next values that get 16 bits, or then layers that stay in floats: an eighth of all layers at a time.
 * False: all do. */
static bool keep_more(Quantizing *q) {
  enum { PARTS = 8 };
  int layers = 0;
  for (int i = 0; i < q->graph->nodes.n; i++)
    layers += q->graph->nodes.data[i]->op->traits.int8 == INT8_PRODUCT;
  const bool widen = worst_value(q, true);
  for (int n = 0; n < (layers + PARTS - 1) / PARTS; n++) {
    const Chosen *worst = worst_value(q, widen);
    if (!worst) return n > 0;
    table_set(q->arena, widen ? &q->wide : &q->keep, worst->name, q);
  }
  return true;
}

static bool written(Quantizing *q) {
  const char *why = NULL, *temporary = NULL;
  Outputs *outputs = outputs_new(q->arena);
  if (outputs_adopt(outputs, q->output, &temporary, &why) && !arrays_save(&q->made->arrays, temporary))
    why = strerror(errno);
  if (!why && outputs_commit(outputs, &why)) return true;
  outputs_abandon(outputs);
  return diag_cannot_write(q->diags, q->output, why);
}

/* Quantizes, with more values in 16 bits and more layers in floats until no more is lost than may be. */
static bool quantized(Quantizing *q) {
  const char *path = arena_printf(q->arena, "%s/int8.safetensors", q->work),
             *program = arena_printf(q->arena, "%s/net8", q->work);
  for (;;) {
    q->diags = diags_new(q->arena, &q->sources);
    if (!calibrated(q, path)) return false;
    if (!q->before.metric) return true;
    if (!quantize_build(q, path, program)) return false;
    if (!quantize_judge(q, program, NULL, &q->after))
      return quantize_failed(q, "the program of 8 bits does not tell its accuracy");
    if (q->most_lost < 0 || quantize_lost(q) <= q->most_lost) return true;
    if (!keep_more(q))
      return quantize_failed(
          q, arena_printf(q->arena, "%g points are lost with all layers in floats", quantize_lost(q)));
  }
}

/* Weights that were trained for 8 bits are what training has rounded: nothing is moved between them. */
static bool finds_ranges(Quantizing *q) {
  q->ranges = q->calibrates ? NULL : aware_ranges(q->arena, q->graph, q->values);
  if (q->ranges) {
    q->how.range = RANGE_MINMAX;
    q->how.no_correction = true;
    return true;
  }
  if (q->data) return true;
  Diag *diag = diag_report(
      q->diags, DIAG_weights_mismatch, NO_SPAN, NULL,
      "%s holds no ranges that training has left, and there is no data to choose them from", q->weights);
  diag_help(diag, "--data=PATH names a data set; or train with quantize = int8(start=5) in the train block");
  return false;
}

/* Training has rounded the weights of each filter to 8 bits, by a scale of its own. */
static bool suits_training(const Quantizing *q) {
  return !q->ranges || !(q->how.per_tensor || q->how.reduced) ||
         usage_error("%s: %s was trained for 8 bits with a scale for each filter; --calibrate=mse and "
                     "--data=PATH choose all anew",
                     q->how.per_tensor ? "--per-tensor" : "--reduce-range", q->weights);
}

static void run(Quantizing *q) {
  const char *program = arena_printf(q->arena, "%s/net", q->work), *weights;
  if (!read_net(q) || !finds_ranges(q)) return;
  q->wrong = !suits_training(q);
  if (q->wrong || !keeps_layers(q)) return;
  diags_print(q->diags, stderr, DIAG_TEXT, options_color(0)); /* of the source: each trial has its own */
  q->diags = diags_new(q->arena, &q->sources);
  if (q->data && !quantize_build(q, NULL, program)) return;
  if (!equalized(q, &weights) || (q->data && !quantize_observe(q, program, weights))) return;
  if (q->data && q->seen.targets) quantize_judge(q, program, q->weights, &q->before);
  if (q->most_lost >= 0 && !q->before.share) {
    quantize_failed(q, "--max-loss is in points of a metric, and the data has no test that gives one");
    return;
  }
  if (!quantized(q)) return;
  quantize_warn(q);
  if (written(q) && quantize_report(q)) quantize_tell(q);
}

static void remove_work(const Quantizing *q) {
  static const char *const files[] = {"net", "net8", "seen.json", "equal.safetensors", "int8.safetensors"};
  for (int i = 0; i < 5; i++) remove(arena_printf(q->arena, "%s/%s", q->work, files[i]));
  rmdir(q->work);
}

static int quantize(Arena *arena, const char *cnnc, int argc, char **argv) {
  (void)cnnc;
  Quantizing q = {.arena = arena,
                  .sources = {.arena = arena},
                  .samples = "500",
                  .most_lost = -1,
                  .how = {.rounding = "single"}};
  const char *folder = getenv("TMPDIR");
  if (!read_options(&q, argc, argv)) return 2;
  if (q.help) return command_help(arena, &quantize_command);
  char *work = arena_printf(arena, "%s/cnnc-quantize-XXXXXX", folder && *folder ? folder : "/tmp");
  q.diags = diags_new(arena, &q.sources);
  q.how.keep = &q.keep;
  q.how.wide = &q.wide;
  if (!mkdtemp(work)) diag_cannot_write(q.diags, work, strerror(errno));
  else {
    q.work = work;
    run(&q);
    remove_work(&q);
  }
  diags_print(q.diags, stderr, DIAG_TEXT, options_color(0));
  return q.wrong ? 2 : q.failed || diags_errors(q.diags) ? 1 : 0;
}

const Command quantize_command = {
    "quantize",
    "NET.cnn --weights=W [--data PATH] -o NET.int8.safetensors",
    "makes weights of 8 bits",
    "Runs the net on some of the data, chooses a scale for each value by the numbers it takes, and writes "
    "weights of 8 bits: cnnc NET.cnn --weights=NET.int8.safetensors compiles them.",
    "Exit status: 0; 1 when something is wrong in what was read or cannot be written; 2 for a wrong command "
    "line.",
    quantize_options,
    ".cnn",
    quantize,
};
