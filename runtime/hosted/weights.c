/* weights.c: the weights of a net in files, matched by name and shape. */
// SPDX-License-Identifier: MIT-0
#include "cnn_weights.h"

#include <stdlib.h>
#include <string.h>
#include "archive.h"
#include "npz.h"
#include "safetensors.h"

/* A text that grows by lines; failed: there was no memory for one. */
typedef struct Lines { char *text; size_t n; bool failed; } Lines;

static void lines_add(Lines *lines, const char *line) {
  size_t n = strlen(line);
  char *moved = lines->failed ? NULL : realloc(lines->text, lines->n + n + 2);
  if (!moved) {
    lines->failed = true;
    return;
  }
  lines->text = moved;
  memcpy(moved + lines->n, line, n);
  memcpy(moved + lines->n + n, "\n", 2);
  lines->n += n + 1;
}

static cnn_tensor weight_tensor(const cnn_weight *weight, const float *weights) {
  cnn_tensor tensor = {.name = weight->name, .dtype = CNN_DTYPE_F32, .rank = weight->rank, .swapped = false};
  for (int32_t d = 0; d < weight->rank; d++) tensor.dim[d] = weight->dim[d];
  cnn_tensor_measure(&tensor); /* the compiler checked its size */
  tensor.data = weights ? (const unsigned char *)(weights + weight->offset) : NULL;
  return tensor;
}

static bool same_shape(const cnn_tensor *a, const cnn_tensor *b) {
  return a->rank == b->rank && memcmp(a->dim, b->dim, sizeof a->dim[0] * (size_t)a->rank) == 0;
}

/* Which tensor each weight is to be read from, and what does not go together. */
static cnn_status match(const cnn_network *network, const cnn_archive *archive, const cnn_tensor **source, cnn_weights_report *report, Lines *lines) {
  char line[700], wanted[200], found[200];
  bool *used = calloc((size_t)archive->count + 1, sizeof *used);
  if (!used) return cnn_failure(CNN_NO_MEMORY, "out of memory");
  for (int32_t w = 0; w < network->weights; w++) {
    cnn_tensor own = weight_tensor(&network->weight[w], NULL);
    const cnn_tensor *tensor = cnn_archive_find(archive, own.name);
    if (tensor) used[tensor - archive->tensor] = true;
    cnn_tensor_shape(&own, wanted, sizeof wanted);
    if (!tensor) {
      report->missing++;
      snprintf(line, sizeof line, "missing: %.200s %s", own.name, wanted);
    } else if (!same_shape(&own, tensor)) {
      report->differing++;
      cnn_tensor_shape(tensor, found, sizeof found);
      snprintf(line, sizeof line, "another shape: %.200s is %s in the file, %s in the net", own.name, found, wanted);
    } else if (!cnn_tensor_numeric(tensor)) {
      report->differing++;
      snprintf(line, sizeof line, "another type: %.200s is %s in the file", own.name, cnn_dtype_name(tensor->dtype));
    } else {
      report->matched++;
      source[w] = tensor;
      continue;
    }
    lines_add(lines, line);
  }
  for (int32_t t = 0; t < archive->count; t++) {
    if (used[t] || cnn_tensor_is_counter(&archive->tensor[t])) continue;
    report->extra++;
    snprintf(line, sizeof line, "not in the net: %.200s %s", archive->tensor[t].name, cnn_tensor_shape(&archive->tensor[t], found, sizeof found));
    lines_add(lines, line);
  }
  free(used);
  return lines->failed ? cnn_failure(CNN_NO_MEMORY, "out of memory") : cnn_success();
}

/* The first of the chosen tensors with a number that is not finite. */
static cnn_status all_finite(const cnn_network *network, const char *path, const cnn_tensor *const *source) {
  cnn_status status = cnn_success();
  for (int32_t w = 0; w < network->weights && status.code == CNN_OK; w++) {
    if (source[w]) status = cnn_tensor_finite(source[w], path);
  }
  return status;
}

static cnn_status load(const cnn_network *network, const char *path, float *weights, cnn_weights_report *report, bool strict) {
  cnn_weights_report own = {0};
  Lines lines = {0};
  cnn_archive archive;
  if (report) *report = own;
  cnn_status status = cnn_archive_open(&archive, path);
  if (status.code != CNN_OK) return status;
  const cnn_tensor **source = calloc((size_t)network->weights + 1, sizeof *source);
  status = source ? match(network, &archive, source, &own, &lines) : cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  if (status.code == CNN_OK && (strict ? own.missing + own.extra + own.differing > 0 : own.matched == 0 && network->weights > 0))
    status = cnn_failure(CNN_MISMATCH, "%s: %s:\n%s", path, strict ? "these weights are not the net's" : "nothing matches the net's weights",
                         lines.text ? lines.text : "the file is empty");
  size_t end = strlen(status.message);
  if (end > 0 && status.message[end - 1] == '\n') status.message[end - 1] = 0;
  if (status.code == CNN_OK) status = all_finite(network, path, source);
  for (int32_t w = 0; w < network->weights && status.code == CNN_OK; w++)
    if (source[w]) cnn_tensor_floats(source[w], 0, network->weight[w].size, weights + network->weight[w].offset);
  free(source);
  cnn_archive_close(&archive);
  own.text = lines.text;
  if (report) *report = own;
  else free(lines.text);
  return status;
}

cnn_status cnn_weights_load(const cnn_network *network, const char *path, float *weights, cnn_weights_report *report) {
  return load(network, path, weights, report, true);
}

cnn_status cnn_weights_load_some(const cnn_network *network, const char *path, float *weights, cnn_weights_report *report) {
  return load(network, path, weights, report, false);
}

enum { NOTES = 16 };

cnn_status cnn_weights_save(const cnn_network *network, const char *path, const float *weights,
                            const char *const *notes) {
  cnn_note note[NOTES] = {{"format", "pt"}}; /* layouts and names are PyTorch's; its loaders ask for this */
  int32_t count = 1;
  for (; notes && notes[0] && count < NOTES; notes += 2) note[count++] = (cnn_note){notes[0], notes[1]};
  cnn_tensor *tensor = calloc((size_t)network->weights + 1, sizeof *tensor);
  if (!tensor) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  for (int32_t w = 0; w < network->weights; w++) tensor[w] = weight_tensor(&network->weight[w], weights);
  const size_t n = strlen(path);
  const bool zipped = n > 4 && strcmp(path + n - 4, ".npz") == 0;
  cnn_status status = zipped ? cnn_npz_write(path, tensor, network->weights)
                             : cnn_safetensors_write(path, tensor, network->weights, note, count);
  free(tensor);
  return status;
}
