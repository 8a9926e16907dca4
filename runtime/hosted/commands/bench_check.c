/* bench_check.c: Numbers that distort a measurement: NaN, infinities, subnormal numbers. */
// SPDX-License-Identifier: MIT-0
#include "hosted/commands/bench_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cnn.h"
#include "hosted/base/number.h"
#include "hosted/commands/viewer.h"
#include "hosted/training/evaluate.h"

static const double SUBNORMAL_MOST = 1e-3; /* the largest fraction of subnormal numbers without a warning */

typedef struct Counts {
  int64_t all, subnormal, not_finite;
} Counts;

/* Tests bits: the processor may be in a mode that treats subnormal numbers as zeros. */
static Counts counts_of(const float *x, int64_t n) {
  Counts counts = {.all = n};
  for (int64_t i = 0; i < n; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    const uint32_t exponent = bits >> 23 & 255;
    counts.subnormal += exponent == 0 && bits << 9 != 0;
    counts.not_finite += exponent == 255;
  }
  return counts;
}

static void warn(cnn_bench_warnings *warnings, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void warn(cnn_bench_warnings *warnings, const char *format, ...) {
  va_list arguments;
  if (warnings->count == (int32_t)(sizeof warnings->line / sizeof *warnings->line)) return;
  va_start(arguments, format);
  vsnprintf(warnings->line[warnings->count++], sizeof warnings->line[0], format, arguments);
  va_end(arguments);
}

void cnn_bench_check_outputs(cnn_bench_warnings *warnings, const cnn_network *network, float *const *output,
                             int32_t samples) {
  for (int32_t o = 0; o < network->outputs; o++) {
    const Counts counts = counts_of(output[o], network->output[o].size * samples);
    if (counts.not_finite == 0) continue;
    warn(warnings, "%s of %s numbers of the output \"%.60s\" are NaN or infinite",
         cnn_number_grouped(counts.not_finite).text, cnn_number_grouped(counts.all).text,
         network->output[o].name);
    return;
  }
}

/* Arrays with many subnormal numbers: at most SHOWN of them are named. */
enum { SHOWN = 4 };

typedef struct Found {
  char text[400];
  int32_t count;
} Found;

static void see(Found *found, const char *name, Counts counts) {
  const double part = counts.all > 0 ? (double)counts.subnormal / (double)counts.all : 0;
  if (part <= SUBNORMAL_MOST) return;
  const size_t at = strlen(found->text);
  if (found->count++ < SHOWN)
    snprintf(found->text + at, sizeof found->text - at, "%s%.60s (%s %%)", at ? ", " : "", name,
             cnn_number_fixed(100 * part, 1).text);
}

static void warn_found(cnn_bench_warnings *warnings, const Found *found, const char *what) {
  char more[40] = "";
  if (found->count == 0) return;
  if (found->count > SHOWN) snprintf(more, sizeof more, " and %d more", (int)found->count - SHOWN);
  warn(warnings, "%s are subnormal (below 1.2e-38), which many CPUs compute up to 100x slower: %s%s", what,
       found->text, more);
}

bool cnn_bench_check_layers(cnn_bench_warnings *warnings, const cnn_network *network, const float *weights,
                            const cnn_batch *batch) {
  const cnn_look *look = network->look;
  float *memory = look ? cnn_aligned(look->bytes) : NULL;
  Found found = {0};
  if (!memory) return false;
  const uint32_t mode = cnn_denormals_set(false); /* as C that leaves the mode alone would compute */
  look->pack(memory, weights);
  look->forward(memory, weights, (const void *const *)batch->input);
  cnn_denormals_end(mode);
  for (int32_t i = 0; i < network->layers; i++)
    if (look->layer[i] >= 0 && cnn_layer_is_new(network, i))
      see(&found, network->layer[i].name,
          counts_of(memory + look->layer[i], network->layer[i].bytes / (int64_t)sizeof(float)));
  free(memory);
  warn_found(warnings, &found, "values of layers");
  return true;
}

void cnn_bench_check_gradients(cnn_bench_warnings *warnings, const cnn_network *network,
                               const float *gradients) {
  Found found = {0};
  for (int32_t i = 0; i < network->weights; i++)
    if (network->weight[i].role == CNN_TRAINED)
      see(&found, network->weight[i].name,
          counts_of(gradients + network->weight[i].offset, network->weight[i].size));
  warn_found(warnings, &found, "gradients of weights");
}
