/* quantise.c: `cnnc quantize`: a net of floats, its weights and data give a file of weights of 8 bits. The
 * net is built as a program, which runs on the data and writes which numbers its values take (its command
 * observe); scales are chosen from that here, and the file is tried as the compiler reads it. */
// SPDX-License-Identifier: Apache-2.0
#define _POSIX_C_SOURCE 200809L
#include "quantise.h"
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
#include "quantize/quantize.h"
#include "sema/sema.h"

enum {
  LONG_WEIGHTS = 256,
  LONG_DATA,
  LONG_CALIBRATE,
  LONG_SAMPLES,
  LONG_ROUNDING,
  LONG_PER_TENSOR,
  LONG_NO_CORRECTION,
  LONG_CC,
  LONG_RUNTIME
};

static const char usage[] =
    "cnnc quantize NET.cnn --weights=W --data PATH -o NET.int8.safetensors\n\n"
    "Runs the net on some of the data, chooses a scale for each value by the numbers it takes, and writes "
    "weights\n"
    "of 8 bits: cnnc NET.cnn --weights=NET.int8.safetensors compiles them.\n\n"
    "  --weights=FILE         the weights in floats\n"
    "  --data=PATH            a data set, as the built program's commands take it\n"
    "  -o FILE                what is written\n"
    "  --samples=N            of the data's training part (500)\n"
    "  --calibrate=KIND       how ranges are chosen: mse (the least squared error), minmax (all that was "
    "seen),\n"
    "                         percentile=99.99 (without so much at each end)\n"
    "  --rounding=KIND        of sums: single (the default), double, float\n"
    "  --per-tensor           one scale for all weights of a layer, not one a filter\n"
    "  --no-bias-correction   leaves the bias as it is; else the mean shift of rounded weights is taken from "
    "it\n"
    "  --cc=COMPILER          the C compiler that builds the program\n"
    "  --runtime-dir=DIR      where libcnn.a is\n"
    "  -h, --help             this page\n";

typedef struct Quantising {
  Arena *arena;
  Sources sources;
  Diags *diags;
  const char *program, *weights, *data, *output, *samples, *cc, *runtime, *work;
  Calibration how;
  bool help;
} Quantising;

/* ---- the command line ---- */
static bool read_calibrate(Quantising *q, const char *text) {
  static const char *const names[] = {"mse", "minmax", NULL};
  int index = 0;
  if (strncmp(text, "percentile=", 11) == 0) {
    char *end;
    q->how.range = RANGE_PERCENTILE;
    q->how.percentile = strtod(text + 11, &end);
    return (!*end && q->how.percentile > 50 && q->how.percentile <= 100) ||
           usage_error("--calibrate=percentile=P has a number above 50 up to 100, not '%s'", text + 11);
  }
  if (!read_word("--calibrate", text, names, &index)) return false;
  q->how.range = index ? RANGE_MINMAX : RANGE_MSE;
  return true;
}

static bool read_rounding(Quantising *q, const char *text) {
  static const char *const names[] = {"single", "double", "float", NULL};
  int index = 0;
  if (!read_word("--rounding", text, names, &index)) return false;
  q->how.rounding = names[index];
  return true;
}

static bool read_samples(Quantising *q, const char *text) {
  q->samples = text;
  return (strspn(text, "0123456789") == strlen(text) && atoll(text) > 0) ||
         usage_error("--samples is a whole number from 1 on, not '%s'", text);
}

static bool take_option(Quantising *q, int code, char **argv) {
  switch (code) {
  case 'o': q->output = optarg; return true;
  case 'h': return q->help = true;
  case LONG_WEIGHTS: q->weights = optarg; return true;
  case LONG_DATA: q->data = optarg; return true;
  case LONG_CALIBRATE: return read_calibrate(q, optarg);
  case LONG_SAMPLES: return read_samples(q, optarg);
  case LONG_ROUNDING: return read_rounding(q, optarg);
  case LONG_PER_TENSOR: return q->how.per_tensor = true;
  case LONG_NO_CORRECTION: return q->how.no_correction = true;
  case LONG_CC: q->cc = optarg; return true;
  case LONG_RUNTIME: q->runtime = optarg; return true;
  case ':': return usage_error("option '%s' of cnnc quantize needs a value", argv[optind - 1]);
  default:
    return usage_error("unknown option '%s' of cnnc quantize; cnnc quantize --help lists them",
                       argv[optind - 1]);
  }
}

static bool read_options(Quantising *q, int argc, char **argv) {
  static const struct option table[] = {{"weights", required_argument, NULL, LONG_WEIGHTS},
                                        {"data", required_argument, NULL, LONG_DATA},
                                        {"calibrate", required_argument, NULL, LONG_CALIBRATE},
                                        {"samples", required_argument, NULL, LONG_SAMPLES},
                                        {"rounding", required_argument, NULL, LONG_ROUNDING},
                                        {"per-tensor", no_argument, NULL, LONG_PER_TENSOR},
                                        {"no-bias-correction", no_argument, NULL, LONG_NO_CORRECTION},
                                        {"cc", required_argument, NULL, LONG_CC},
                                        {"runtime-dir", required_argument, NULL, LONG_RUNTIME},
                                        {"help", no_argument, NULL, 'h'},
                                        {NULL, 0, NULL, 0}};
  opterr = 0;
  for (int code, row = 0; (code = getopt_long(argc, argv, ":o:h", table, &row)) != -1;) {
    const char *word = argv[optind - 1 - (optarg && optarg == argv[optind - 1])];
    if (code >= LONG_WEIGHTS && !in_full(word, table[row].name)) code = '?';
    if (!take_option(q, code, argv)) return false;
  }
  if (q->help) return true;
  if (argc - optind != 1) return usage_error("cnnc quantize takes one program: NET.cnn");
  q->program = argv[optind];
  if (!q->weights || !q->data || !q->output)
    return usage_error("cnnc quantize needs --weights=FILE, --data=PATH and -o FILE");
  return true;
}

/* ---- observing ---- */
static bool failed(Quantising *q, const char *why) {
  diag_report(q->diags, DIAG_backend_failed, NO_SPAN, NULL, "%s", why);
  return false;
}

static bool observe(Quantising *q, Table *observed) {
  Arena *arena = q->arena;
  const char *why = NULL, *self = backend_self(arena), *program = arena_printf(arena, "%s/net", q->work),
             *seen = arena_printf(arena, "%s/seen.json", q->work);
  if (!self) return failed(q, "cnnc does not find itself");
  const char *words[7] = {self, q->program, "-o", program};
  int n = 4;
  if (q->cc) words[n++] = arena_printf(arena, "--cc=%s", q->cc);
  if (q->runtime) words[n++] = arena_printf(arena, "--runtime-dir=%s", q->runtime);
  const char *const run[] = {program,     "observe",  "--data", q->data, "--weights", q->weights,
                             "--samples", q->samples, "-o",     seen,    NULL};
  if (!backend_command(arena, "the program's build", words, false, &why)) return failed(q, why);
  if (!backend_command(arena, "the program", run, false, &why)) return failed(q, why);
  return observed_read(arena, seen, observed, &why) || failed(q, why);
}

/* ---- the file ---- */
static Graph *read_net(Quantising *q, float **weights) {
  Ast *ast = program_read(q->arena, q->diags, &q->sources, q->program, 0, NULL);
  const SemaOptions options = {0};
  Graph *graph = ast && !diags_errors(q->diags)
                     ? sema_build(q->arena, q->diags, &q->sources, ast, NULL, 0, &options)
                     : NULL;
  if (!graph || diags_errors(q->diags)) return NULL;
  const WeightsWay way = {.path = q->weights};
  *weights = NEW_ARRAY(q->arena, float, graph->parameters + 1);
  return weights_read(q->arena, q->diags, &way, graph, *weights) ? graph : NULL;
}

static void tell(const Calibrated *made) {
  for (int i = 0; i < made->chosen.n; i++) {
    const Chosen *c = &made->chosen.data[i];
    printf("%-20s i8  scale %-11.4g zero %4d  clamped %.2f %%", c->name, (double)c->scale, c->zero,
           100 * c->cut);
    if (c->bytes) printf("  %lld -> %lld bytes", (long long)c->bytes_before, (long long)c->bytes);
    if (c->dead) printf("  %d filters do nothing", c->dead);
    putchar('\n');
  }
}

/* Written only if the compiler takes it. */
static bool write_file(Quantising *q, const Graph *graph, const Calibrated *made) {
  const char *tried = arena_printf(q->arena, "%s/int8.safetensors", q->work), *why = NULL, *temporary = NULL;
  const WeightsWay way = {.path = tried};
  Outputs *outputs = outputs_new(q->arena);
  QuantFile *file = NULL;
  if (!arrays_save(&made->arrays, tried)) why = strerror(errno);
  else if (!quantized_read(q->arena, q->diags, &way, &file) ||
           !quantize_graph(q->arena, q->diags, graph, file))
    return false;
  else if (outputs_adopt(outputs, q->output, &temporary, &why) && !arrays_save(&made->arrays, temporary))
    why = strerror(errno);
  if (!why && outputs_commit(outputs, &why)) return true;
  outputs_abandon(outputs);
  diag_report(q->diags, DIAG_cannot_write, NO_SPAN, NULL, "cannot write '%s': %s", q->output, why);
  return false;
}

static void run(Quantising *q) {
  Table observed = {0};
  float *weights;
  const Graph *graph = read_net(q, &weights);
  if (!graph || !observe(q, &observed)) return;
  const Calibrated *made = calibrate(q->arena, graph, weights, &observed, &q->how);
  if (made->missing) {
    failed(q, arena_printf(q->arena, "the program does not show the value '%s'", made->missing));
    return;
  }
  if (made->shares)
    diag_report(q->diags, DIAG_not_built_yet, NO_SPAN, NULL,
                "quantising layers that share weights, as '%s' does, is not built yet", made->shares);
  else if (write_file(q, graph, made)) tell(made);
}

static void remove_work(const Quantising *q) {
  static const char *const files[] = {"net", "seen.json", "int8.safetensors"};
  for (int i = 0; i < 3; i++) remove(arena_printf(q->arena, "%s/%s", q->work, files[i]));
  rmdir(q->work);
}

int quantise(Arena *arena, int argc, char **argv) {
  Quantising q = {
      .arena = arena, .sources = {.arena = arena}, .samples = "500", .how = {.rounding = "single"}};
  const char *folder = getenv("TMPDIR");
  if (!read_options(&q, argc, argv)) return 2;
  if (q.help) return fputs(usage, stdout), 0;
  char *work = arena_printf(arena, "%s/cnnc-quantize-XXXXXX", folder && *folder ? folder : "/tmp");
  q.diags = diags_new(arena, &q.sources);
  if (!mkdtemp(work))
    diag_report(q.diags, DIAG_cannot_write, NO_SPAN, NULL, "cannot write '%s': %s", work, strerror(errno));
  else {
    q.work = work;
    run(&q);
    remove_work(&q);
  }
  diags_print(q.diags, stderr, DIAG_TEXT, options_colour(0));
  return diags_errors(q.diags) ? 1 : 0;
}
