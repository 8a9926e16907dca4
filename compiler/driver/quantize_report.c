/* quantize_report.c: Results of `cnnc quantize`: one line per value, warnings, --report. */
// SPDX-License-Identifier: Apache-2.0
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/number.h"
#include "base/text.h"
#include "quantize_report.h"

double accuracy_loss(const Quantizing *q) {
  return q->before.share ? 100 * (q->before.value - q->after.value) : q->after.value - q->before.value;
}

/* ---- warnings ---- */
static void note_float_gates(Quantizing *q, const Chosen *c) {
  Diag *diag = diag_report(q->diags, DIAG_not_int8, c->node->span, c->node->site,
                           "%s stays in float: %.1f %% of its sums are above 8, the limit of its int8 form",
                           c->name, 100 * c->cut);
  diag_help(diag, "a batchnorm or normalize before it, or smaller weights, make the sums smaller");
}

void quantize_warn(Quantizing *q) {
  static const double MUCH = 0.01;
  for (int i = 0; i < q->made->chosen.n; i++) {
    const Chosen *c = &q->made->chosen.data[i];
    if (c->kept && c->gates) note_float_gates(q, c);
    if (c->kept || !(c->cut > MUCH)) continue;
    Diag *diag = diag_report(q->diags, DIAG_saturating_layer, c->node->span, c->node->site,
                             "%.1f %% of the calibration values of %s saturate", 100 * c->cut, c->name);
    if (c->gates)
      diag_help(diag, "sums of gates are limited to -8 .. 8; --keep=%s leaves the layer in float", c->name);
    else diag_help(diag, "--calibrate=minmax covers all values, with larger steps");
  }
}

static const char *precision_of(const Quantizing *q, const Chosen *c) {
  if (c->kept) return calibrate_has_bf16(&q->how, c->node) ? "bf16" : "f32";
  return c->wide ? "i16" : "i8";
}

/* ---- lines ---- */
static const char *decibels(Arena *arena, double signal, double noise) {
  const double db = measured_decibels(signal, noise);
  return isfinite(db) ? arena_printf(arena, "%.1f", db) : "exact";
}

static void put_measured(Text *line, const Measured *m) {
  if (!m->there) return;
  const double db = measured_decibels(m->signal, m->noise);
  text_put(line, isfinite(db) ? "  SQNR %s dB" : "  SQNR %s", decibels(line->arena, m->signal, m->noise));
  text_put(line, "  (alone %s)", decibels(line->arena, m->signal, m->alone));
}

/* width: of the column of names */
static void print_quantized_value(const Quantizing *q, const Chosen *c, int width) {
  Text line = {.arena = q->arena};
  if (c->kept) text_put(&line, "%-*s %s", width, c->name, precision_of(q, c));
  else {
    text_put(&line, "%-*s %-3s scale %-10.4g zero %4d  clamped %.2f %%", width, c->name, precision_of(q, c),
             (double)c->scale, c->zero, 100 * c->cut);
    put_measured(&line, &q->measured[c->last->id]);
  }
  if (c->bytes)
    text_put(&line, "  %s -> %s B", text_thousands(q->arena, c->bytes_before),
             text_thousands(q->arena, c->bytes));
  printf("%s\n", line.s);
}

/* The difference of two numbers, each rounded as it is printed, so that the printed difference agrees with
 * the printed numbers. */
static double printed_change(const char *before, const char *after) {
  return strtod(after, NULL) - strtod(before, NULL) + 0.0; /* never -0 */
}

static void print_evaluation(const Quantizing *q) {
  const Evaluation *a = &q->before, *b = &q->after;
  if (!q->data) return;
  if (!a->metric)
    printf("accuracy not compared: %s\n", q->seen.targets
                                              ? "no output has a loss or ends in softmax or sigmoid"
                                              : "the data has no targets");
  else {
    const char *format = a->share ? "%.1f" : "%.4g";
    const double unit = a->share ? 100 : 1;
    const char *before = arena_printf(q->arena, format, unit * a->value);
    const char *after = arena_printf(q->arena, format, unit * b->value);
    const double change = printed_change(before, after);
    if (a->share) printf("%s %s %% -> %s %% (%+.1f)\n", a->metric, before, after, change);
    else printf("%s %s -> %s (%+.3g)\n", a->metric, before, after, change);
  }
}

void quantize_print(const Quantizing *q) {
  if (q->ranges) printf("ranges from training\n");
  if (q->equalized)
    printf("weights equalized in %d pair%s of layers\n", q->equalized, q->equalized == 1 ? "" : "s");
  int width = 20;
  for (int i = 0; i < q->made->chosen.n; i++)
    width = (int)larger(width, (int64_t)strlen(q->made->chosen.data[i].name));
  for (int i = 0; i < q->made->chosen.n; i++) print_quantized_value(q, &q->made->chosen.data[i], width);
  print_evaluation(q);
}

/* ---- JSON ---- */
static json_t *real(double x) { return isfinite(x) ? json_real(x) : json_null(); }

static json_t *value_json(const Quantizing *q, const Chosen *c) {
  const Measured *m = &q->measured[c->last->id];
  json_t *value = json_pack("{s:s, s:s}", "name", c->name, "precision", precision_of(q, c));
  if (!c->kept) {
    json_object_set_new(value, "scale", json_real((double)c->scale));
    json_object_set_new(value, "zero", json_integer(c->zero));
    json_object_set_new(value, "clamped", json_real(c->cut));
  }
  if (!c->kept && m->there) {
    json_object_set_new(value, "sqnr", real(measured_decibels(m->signal, m->noise)));
    json_object_set_new(value, "alone", real(measured_decibels(m->signal, m->alone)));
  }
  if (c->bytes) {
    json_object_set_new(value, "bytes_before", json_integer((json_int_t)c->bytes_before));
    json_object_set_new(value, "bytes", json_integer((json_int_t)c->bytes));
  }
  return value;
}

bool quantize_report(Quantizing *q) {
  json_t *layers = json_array();
  if (!q->report) return json_decref(layers), true;
  for (int i = 0; i < q->made->chosen.n; i++)
    json_array_append_new(layers, value_json(q, &q->made->chosen.data[i]));
  /* scripts may still read the key of older versions, which has the British spelling */
  json_t *root = json_pack("{s:s, s:s, s:i, s:i, s:o}", "net", q->graph->name, "rounding", q->how.rounding,
                           "equalized", q->equalized, "equalised", q->equalized, "layers", layers);
  if (q->before.metric) {
    json_object_set_new(root, "metric", json_string(q->before.metric));
    json_object_set_new(root, "before", json_real(q->before.value));
    json_object_set_new(root, "after", json_real(q->after.value));
    json_object_set_new(root, "lost", json_real(accuracy_loss(q)));
  }
  const bool written = root && json_dump_file(root, q->report, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0;
  json_decref(root);
  if (!written) diag_report(q->diags, DIAG_cannot_write, NO_SPAN, NULL, "cannot write '%s'", q->report);
  return written;
}
