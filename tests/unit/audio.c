/* audio.c: Tests of the audio operators. eval is compared with numbers of torchaudio, librosa, scipy,
 * tf.signal (tests/golden/audio.py) and TensorFlow Lite Micro. The number of multiply-adds is tested, too. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include "all.h"
#include "ops/registry.h"
#include "ops_net.h"

typedef struct Golden {
  const char *what, *layers;
  int64_t rows, channels, n;
  const double *input, *output;
} Golden;

static const Golden golden[] = {
#include "../golden/audio.inc"
};

static void check_golden(const Golden *g) {
  Net net = net_new();
  snprintf(net.what, sizeof net.what, "%s: %s", g->what, g->layers);
  net_input(&net, shape_sequence(g->rows, g->channels), F32, false);
  net_chain(&net, g->layers);
  CU_ASSERT_EQUAL(shape_elements(net.last->shape), g->n);
  if (shape_elements(net.last->shape) == g->n) {
    GraphRun run = {.count = 1, .input = (const double *const[]){g->input}};
    graph_run(net.arena, net.graph, &run);
    CU_ASSERT_TRUE(close_to(net.what, "output", run.value[net.last->id], g->output, g->n, 1e-6));
  } else printf("%s: %lld numbers\n", net.what, (long long)shape_elements(net.last->shape));
  arena_free(net.arena);
}

static void test_libraries(void) {
  for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) check_golden(&golden[i]);
}

/* ---- micro_frontend ---- */
enum { SAMPLES = 3200, QUARTER = 800, FEATURES = 720 };
static const double features[] = {
#include "../golden/micro_frontend.inc"
};
static const double peak_features[] = {
#include "../golden/micro_frontend_peaks.inc"
};

/* A signal of four quarters. The loudness changes abruptly from quarter to quarter. */
static double sample(int64_t i) {
  static const int64_t soft[] = {1, 7, 100, 3};
  return (double)(((i * i * 7 + i * 1103) % 65536 - 32768) / soft[i / QUARTER % 4]);
}

/* TensorFlow Lite Micro computes absolute values in int16, where the absolute value of -32768 overflows. This
 * signal has -32768 in the middle of every second frame. */
static double peak(int64_t i) { return i % 320 == 240 ? -32768 : (double)((i * i * 7 + i * 1103) % 41 - 20); }

static void check_features(double (*signal)(int64_t), const double *wanted) {
  Net net = net_new();
  double x[SAMPLES];
  for (int64_t i = 0; i < SAMPLES; i++) x[i] = signal(i);
  snprintf(net.what, sizeof net.what, "micro_frontend");
  net_input(&net, shape_sequence(SAMPLES, 1), I16, false);
  net_chain(&net, "micro_frontend");
  CU_ASSERT_EQUAL_FATAL(shape_elements(net.last->shape), FEATURES);
  GraphRun run = {.count = 1, .input = (const double *const[]){x}};
  graph_run(net.arena, net.graph, &run);
  for (int64_t i = 0; i < FEATURES; i++) CU_ASSERT_EQUAL(run.value[net.last->id][i], wanted[i]);
  arena_free(net.arena);
}

static void test_micro_frontend(void) {
  check_features(sample, features);
  check_features(peak, peak_features);
}

/* ---- costs ---- */
static int64_t chain_macs(int64_t samples, const char *windows) {
  Net net = net_new();
  int64_t macs = 0;
  snprintf(net.what, sizeof net.what, "costs");
  net_input(&net, shape_sequence(samples, 1), F32, false);
  if (*windows) net_chain(&net, windows);
  net_chain(&net, "preemphasis -> stft size=64 step=32 -> mel bands=10 rate=8000 -> decibel -> dct n=6");
  net_chain(&net, "conv filters=3 kernel=2 -> maxpool kernel=2 -> flatten -> dense units=4");
  for (int i = 0; i < net.graph->nodes.n; i++) macs += node_macs(net.graph->nodes.data[i]);
  arena_free(net.arena);
  return macs;
}

static void test_costs(void) {
  CU_ASSERT_TRUE(chain_macs(400, "") > 0);
  CU_ASSERT_EQUAL(chain_macs(2000, "unfold size=400"), 5 * chain_macs(400, ""));
}

CU_TestInfo suite_audio[] = {{"numbers of other libraries", test_libraries},
                             {"TensorFlow Lite Micro's features, bit for bit", test_micro_frontend},
                             {"costs: five regions count five times", test_costs},
                             CU_TEST_INFO_NULL};
