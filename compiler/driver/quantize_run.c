/* quantize_run.c: the programs around `cnnc quantize`: the net as a program shows its values, and what the
 * test of the data says of it before and after. */
// SPDX-License-Identifier: Apache-2.0
#include <jansson.h>
#include <math.h>
#include <string.h>
#include "backend/backend.h"
#include "graph/op.h"
#include "quantizing.h"
#include "ops/registry.h"

/* The warnings of a build are those of this command, which prints them itself. */
static int add_silence(Arena *arena, const char **words) {
  int n = 0;
  for (int i = 0; i < DIAG_COUNT; i++)
    if (diag_info[i].level != DIAG_ERROR) words[n++] = arena_printf(arena, "-Wno-%s", diag_info[i].slug);
  return n;
}

bool quantize_build(Quantizing *q, const char *weights, const char *program) {
  const char *why = NULL, *self = backend_self(q->arena);
  if (!self) return quantize_failed(q, "cnnc does not find itself");
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
  n += add_silence(q->arena, words + n);
  if (q->cc) words[n++] = arena_printf(q->arena, "--cc=%s", q->cc);
  if (q->runtime) words[n++] = arena_printf(q->arena, "--runtime-dir=%s", q->runtime);
  return backend_command(q->arena, "the program's build", words, false, &why) || quantize_failed(q, why);
}

/* How many samples both nets are run on by eval: it takes a few nanoseconds for a product. */
static int64_t samples_measured(const Graph *graph) {
  const double PRODUCTS = 4e8;
  enum { MOST = 32 };
  double products = 1;
  for (int i = 0; i < graph->nodes.n; i++) products += (double)node_macs(graph->nodes.data[i]);
  return (int64_t)fmax(1, fmin(MOST, PRODUCTS / products));
}

bool quantize_observe(Quantizing *q, const char *program, const char *weights) {
  const char *why = NULL, *seen = arena_printf(q->arena, "%s/seen.json", q->work);
  char inputs[24];
  snprintf(inputs, sizeof inputs, "%lld", (long long)samples_measured(q->graph));
  const char *const run[] = {program,    "observe",  "--data", q->data, "--weights", weights, "--samples",
                             q->samples, "--inputs", inputs,   "-o",    seen,        NULL};
  if (!backend_command(q->arena, "the program", run, false, &why)) return quantize_failed(q, why);
  return observed_read(q->arena, seen, q->graph, &q->seen, &why) || quantize_failed(q, why);
}

static bool ends_in(const char *name, const char *end) {
  const size_t n = strlen(name), m = strlen(end);
  return n >= m && strcmp(name + n - m, end) == 0;
}

/* The first metric; without any, the loss. */
static bool read_judgement(Arena *arena, const char *text, Judgement *judgement) {
  const char *name = NULL;
  json_t *root = json_loads(text, 0, NULL), *metrics = json_object_get(root, "metrics"), *value;
  *judgement = (Judgement){0};
  json_object_foreach(metrics, name, value) {
    if (judgement->metric || !json_is_number(value)) continue;
    *judgement = (Judgement){arena_copy(arena, name, strlen(name)), json_number_value(value),
                             !ends_in(name, "mae") && !ends_in(name, "loss")};
  }
  const json_t *loss = json_object_get(root, "loss");
  if (!judgement->metric && json_is_number(loss))
    *judgement = (Judgement){"loss", json_number_value(loss), false};
  json_decref(root);
  return judgement->metric != NULL;
}

bool quantize_judge(Quantizing *q, const char *program, const char *weights, Judgement *judgement) {
  const char *why = NULL, *printed = "", *words[10] = {program, "eval", "--data", q->data, "--json"};
  int n = 5;
  *judgement = (Judgement){0};
  if (weights) words[n++] = "--weights";
  if (weights) words[n++] = weights;
  if (q->threads) words[n++] = arena_printf(q->arena, "--threads=%s", q->threads);
  return backend_output(q->arena, "the program", words, &printed, &why) &&
         read_judgement(q->arena, printed, judgement);
}

double quantize_lost(const Quantizing *q) {
  return q->before.share ? 100 * (q->before.value - q->after.value) : q->after.value - q->before.value;
}
