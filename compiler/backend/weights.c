/* weights.c: matching the arrays of a file with the parameters of a net. The formats are read by the runtime's own readers, which depend on
 * nothing else of it and are compiled into cnnc as well: the one place where the compiler sees the runtime. */
// SPDX-License-Identifier: Apache-2.0
#include "backend/weights.h"
#include <string.h>
#include "hosted/archive.h"

static const char *weight_shape(Arena *arena, const Weight *weight) {
  char *text = "[";
  for (int d = 0; d < weight->rank; d++) text = arena_printf(arena, "%s%s%lld", text, d ? ", " : "", (long long)weight->dim[d]);
  return arena_printf(arena, "%s]", text);
}

static bool same_shape(const Weight *weight, const cnn_tensor *tensor) {
  bool same = weight->rank == tensor->rank;
  for (int d = 0; same && d < weight->rank; d++) same = weight->dim[d] == tensor->dim[d];
  return same;
}

/* What keeps a weight from being read from a tensor, or NULL. */
static const char *obstacle(Arena *arena, const Weight *weight, const cnn_tensor *tensor) {
  char shape[200];
  if (!tensor) return arena_printf(arena, "missing: %s %s", weight->name, weight_shape(arena, weight));
  if (!same_shape(weight, tensor))
    return arena_printf(arena, "another shape: %s is %s in the file, %s in the net", weight->name, cnn_tensor_shape(tensor, shape, sizeof shape),
                        weight_shape(arena, weight));
  if (!cnn_tensor_numeric(tensor)) return arena_printf(arena, "another type: %s is %s in the file", weight->name, cnn_dtype_name(tensor->dtype));
  return NULL;
}

static bool weights_match(Arena *arena, Diags *diags, const char *path, const Graph *graph, const cnn_archive *archive) {
  bool *used = NEW_ARRAY(arena, bool, archive->count + 1);
  VEC(const char *) differences = {0};
  for (int w = 0; w < graph->weights.n; w++) {
    const cnn_tensor *tensor = cnn_archive_find(archive, graph->weights.data[w]->name);
    const char *difference = obstacle(arena, graph->weights.data[w], tensor);
    if (tensor) used[tensor - archive->tensor] = true;
    if (difference) vec_push(arena, differences, difference);
  }
  for (int32_t t = 0; t < archive->count; t++) {
    const cnn_tensor *tensor = &archive->tensor[t];
    char shape[200];
    if (!used[t] && !cnn_tensor_is_counter(tensor))
      vec_push(arena, differences, arena_printf(arena, "not in the net: %s %s", tensor->name, cnn_tensor_shape(tensor, shape, sizeof shape)));
  }
  if (differences.n == 0) return true;
  Diag *diag = diag_report(diags, DIAG_weights_mismatch, graph->name_span, NULL, "%s does not have the weights of %s: %d %s", path, graph->name, differences.n,
                           differences.n == 1 ? "difference" : "differences");
  for (int i = 0; i < differences.n; i++) diag_fact(diag, "%s", differences.data[i]);
  return false;
}

bool weights_read(Arena *arena, Diags *diags, const char *path, const Graph *graph, float *out) {
  cnn_archive archive;
  cnn_status status = cnn_archive_open(&archive, path);
  if (status.code != CNN_OK) {
    diag_report(diags, DIAG_weights_file, NO_SPAN, NULL, "%s", status.message);
    return false;
  }
  bool fine = weights_match(arena, diags, path, graph, &archive);
  for (int w = 0; fine && w < graph->weights.n; w++) {
    status = cnn_tensor_finite(cnn_archive_find(&archive, graph->weights.data[w]->name), path);
    fine = status.code == CNN_OK;
    if (!fine) diag_report(diags, DIAG_weights_file, NO_SPAN, NULL, "%s", status.message);
  }
  for (int w = 0; fine && w < graph->weights.n; w++) {
    const Weight *weight = graph->weights.data[w];
    cnn_tensor_floats(cnn_archive_find(&archive, weight->name), 0, weight->size, out + weight->offset);
  }
  cnn_archive_close(&archive);
  return fine;
}
