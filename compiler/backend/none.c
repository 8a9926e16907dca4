/* none.c: Stubs for the browser build, which has no C compiler and reads no weight files. */
// SPDX-License-Identifier: Apache-2.0
#include "backend/backend.h"
#include "backend/origin.h"
#include "backend/quantized.h"
#include "backend/weights.h"
#include "quantize/quantize.h"

bool backend_compile(const Backend *backend, const BackendUnit *unit, int n, const char *output,
                     const char **why) {
  (void)backend, (void)unit, (void)n, (void)output;
  return *why = "the browser build has no C compiler", false;
}

const char *backend_data_path(Arena *arena, const char *cc) {
  (void)arena, (void)cc;
  return "";
}

bool backend_has_openmp(Arena *arena, const char *cc) {
  (void)arena, (void)cc;
  return true;
}

const System *system_here(void) { return NULL; }

const char *const *system_cross(Arena *arena, const System *system, const char *arch) {
  (void)arena, (void)system, (void)arch;
  return NULL;
}

bool backend_takes_units(Arena *arena, BackendKind kind, bool cross) {
  (void)arena, (void)kind, (void)cross;
  return false;
}

bool backend_run(const Backend *backend, const char *text, size_t n, const char **printed, const char **why) {
  (void)backend, (void)text, (void)n, (void)printed;
  return *why = "the browser build has no C compiler", false;
}

FILE *backend_file(Arena *arena) {
  (void)arena;
  return NULL;
}

const char *backend_messages(const Backend *backend) {
  (void)backend;
  return "";
}

void backend_begin(void) {}
void backend_end(void) {}

const char *backend_help(const Backend *backend) {
  (void)backend;
  return "write the C file, and compile it on another machine";
}

bool weights_read(Arena *arena, Diags *diags, const WeightsSource *way, const Graph *graph, float *out) {
  (void)arena, (void)graph, (void)out;
  diag_report(diags, DIAG_weights_file, NO_SPAN, NULL, "%s: the browser build cannot read weights",
              way->path);
  return false;
}

bool quantized_is(const char *path) { return (void)path, false; }

bool quantized_read(Arena *arena, Diags *diags, const WeightsSource *way, QuantFile **file) {
  (void)arena, (void)diags, (void)way;
  return *file = NULL, true;
}

bool quantize_has_boxes(const Node *node, const bool *boxes) { return (void)node, (void)boxes, false; }

Graph *quantize_graph(Arena *arena, Diags *diags, const Graph *graph, QuantFile *file,
                      const QuantizeOptions *options) {
  (void)arena, (void)diags, (void)graph, (void)file, (void)options;
  return NULL; /* not called: quantized_read finds no int8 model */
}

Graph *drop_idle_channels(Arena *arena, Graph *graph) {
  (void)arena;
  return graph; /* this build has no int8 models */
}

const char *weights_file(Arena *arena, const char *weights) {
  (void)arena;
  return weights;
}

bool origin_read(Arena *arena, Diags *diags, const char *path, Graph *graph) {
  (void)arena, (void)diags, (void)path, (void)graph;
  return true;
}
