/* weights.c: Reader of a net's parameters from a weight file. It uses the runtime's code for weight files,
 * which is compiled into cnnc. Apart from base/suggest.c, only weights.c, origin.c and quantized.c use the
 * runtime. */
// SPDX-License-Identifier: Apache-2.0
#include "backend/weights.h"
#include <string.h>
#include "hosted/weights/matching.h"

static const cnn_wanted *wanted_of(Arena *arena, const Graph *graph) {
  cnn_wanted *wanted = NEW_ARRAY(arena, cnn_wanted, graph->weights.n + 1);
  for (int w = 0; w < graph->weights.n; w++) {
    const Weight *weight = graph->weights.data[w];
    const Node *flatten = graph_flatten_before(weight);
    const Extent from = flatten ? shape_extent(flatten->in[0]->shape) : (Extent){0};
    wanted[w] = (cnn_wanted){.name = weight->name,
                             .rank = weight->rank,
                             .flattened = {from.h, from.w, from.c},
                             .passing = weight->training_only};
    for (int d = 0; d < weight->rank; d++) wanted[w].dim[d] = weight->dim[d];
  }
  return wanted;
}

static void report_prefix(Diags *diags, const char *path, const Graph *graph, const cnn_matching *m,
                          const char *given) {
  Diag *diag = diag_report(diags, DIAG_weights_mismatch, graph->name_span, NULL,
                           "%s has %d of the %d weights of %s, with '%s' before their names", path,
                           (int)m->behind, graph->weights.n, graph->name, m->prefix);
  for (int i = 0; i < m->lines; i++) diag_fact(diag, "%s", m->line[i]);
  if (given) diag_help(diag, "did you mean '--weights-prefix=%s'?", m->prefix);
  else diag_help(diag, "--weights-prefix=%s removes that prefix", m->prefix);
}

static void report_differences(Diags *diags, const char *path, const Graph *graph, const cnn_matching *m,
                               const char *others, bool order) {
  Diag *diag = diag_report(diags, DIAG_weights_mismatch, graph->name_span, NULL,
                           "%s does not have the weights of %s: %d %s", path, graph->name, (int)m->lines,
                           m->lines == 1 ? "difference" : "differences");
  bool renamed = false;
  for (int i = 0; i < m->lines; i++) {
    diag_fact(diag, "%s", m->line[i]);
    renamed = renamed || strstr(m->line[i], "did you mean");
  }
  if (renamed)
    diag_help(diag, "name=\"...\" gives a layer the name in the file; --rename=FILE gives the file's arrays "
                    "the names of the net");
  if (order)
    diag_help(diag,
              "to train a net with a new head: NET train --init %s --match=order loads the longest sequence "
              "of matching layers",
              path);
  if (others) diag_help(diag, "the file also has %s: --weights=%s:KEY selects one of them", others, path);
}

static bool weights_match(Diags *diags, const char *path, const Graph *graph, const cnn_matching *m,
                          const char *prefix, const char *others, bool order) {
  if (m->prefix) return report_prefix(diags, path, graph, m, prefix), false;
  if (m->lines) return report_differences(diags, path, graph, m, others, order), false;
  if (m->warning) {
    const Node *flatten = graph_flatten_before(graph->weights.data[m->unordered]);
    Diag *diag =
        diag_report(diags, DIAG_weights_order, flatten->span, flatten->site, "%s: %s", path, m->warning);
    diag_help(diag, "for weights from PyTorch write flatten(order=chw)");
  }
  return true;
}

const char *weights_file(Arena *arena, const char *weights) {
  return arena_printf(arena, "%.*s", (int)cnn_archive_file(weights), weights);
}

/* Opens the file, renames its arrays, and matches them with the parameters. */
static cnn_status find_all(Arena *arena, const WeightsSource *way, const Graph *graph, cnn_archive *archive,
                           cnn_matching *matching) {
  cnn_status status = cnn_archive_open(archive, way->path);
  if (status.code == CNN_OK && way->rename) status = cnn_rename(archive, way->rename);
  if (status.code != CNN_OK) return status;
  const cnn_wanted *wanted = wanted_of(arena, graph);
  const bool done = way->order ? cnn_match_by_order(archive, wanted, graph->weights.n, way->prefix, matching)
                               : cnn_match(archive, wanted, graph->weights.n, way->prefix, matching);
  return done ? status : cnn_failure(CNN_NO_MEMORY, "%s: out of memory", way->path);
}

static bool all_usable(Diags *diags, const char *path, const Graph *graph, const cnn_matching *matching) {
  cnn_status status = cnn_success();
  for (int w = 0; w < graph->weights.n && status.code == CNN_OK; w++)
    if (matching->source[w])
      status = cnn_tensor_check(matching->source[w], path, graph->weights.data[w]->name,
                                graph->weights.data[w]->frozen);
  if (status.code != CNN_OK) diag_report(diags, DIAG_weights_file, NO_SPAN, NULL, "%s", status.message);
  return status.code == CNN_OK;
}

/* A tensor of integers is probably of another net, or has the wrong type. */
static void warn_whole(Diags *diags, const char *path, const Graph *graph, const cnn_matching *matching) {
  int count = 0, first = -1;
  for (int w = graph->weights.n - 1; w >= 0; w--) {
    if (!matching->source[w] || !cnn_tensor_whole(matching->source[w])) continue;
    first = w;
    count++;
  }
  if (!count) return;
  const cnn_tensor *tensor = matching->source[first];
  Diag *diag = diag_report(diags, DIAG_weights_integers, graph->name_span, NULL,
                           "%s has integers as float weights: tensor \"%s\" has the type %s", path,
                           tensor->name, cnn_dtype_name(tensor->dtype));
  if (count > 1) diag_fact(diag, "%d tensors have integers", count);
}

bool weights_read(Arena *arena, Diags *diags, const WeightsSource *way, const Graph *graph, float *out) {
  cnn_archive archive;
  cnn_matching matching;
  cnn_status status = find_all(arena, way, graph, &archive, &matching);
  if (status.code != CNN_OK) {
    cnn_archive_close(&archive);
    diag_report(diags, DIAG_weights_file, NO_SPAN, NULL, "%s", status.message);
    return false;
  }
  const bool fine =
      weights_match(diags, way->path, graph, &matching, way->prefix, archive.others, way->order != NULL) &&
      all_usable(diags, way->path, graph, &matching);
  if (fine) warn_whole(diags, way->path, graph, &matching);
  if (fine && way->order) text_put(way->order, "# %s = net %s\n", way->path, graph->name);
  for (int w = 0; fine && w < graph->weights.n; w++) {
    const Weight *weight = graph->weights.data[w];
    if (!matching.source[w]) continue; /* the file lacks this optional parameter, which stays 0 */
    cnn_tensor_floats(matching.source[w], 0, weight->size, out + weight->offset);
    if (way->order) text_put(way->order, "%s = %s\n", matching.source[w]->name, weight->name);
  }
  cnn_archive_close(&archive);
  return fine;
}
