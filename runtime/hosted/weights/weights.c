/* weights.c: Loading and saving of a net's weights. Weights are matched with a file's tensors by name or by
 * order. */
// SPDX-License-Identifier: MIT-0
#include "cnn_weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/weights/archive.h"
#include "hosted/weights/matching.h"
#include "hosted/weights/npz.h"
#include "hosted/weights/origin.h"
#include "hosted/weights/safetensors.h"

static cnn_tensor weight_tensor(const cnn_weight *weight, const float *weights) {
  cnn_tensor tensor = {.name = weight->name, .dtype = CNN_DTYPE_F32, .rank = weight->rank, .swapped = false};
  for (int32_t d = 0; d < weight->rank; d++) tensor.dim[d] = weight->dim[d];
  cnn_tensor_measure(&tensor); /* cannot fail: the compiler checked the size */
  tensor.data = (const unsigned char *)(weights + weight->offset);
  return tensor;
}

static cnn_wanted *wanted_of(const cnn_network *network) {
  cnn_wanted *wanted = calloc((size_t)network->weights + 1, sizeof *wanted);
  for (int32_t w = 0; wanted && w < network->weights; w++) {
    const cnn_weight *weight = &network->weight[w];
    wanted[w].name = weight->name;
    wanted[w].rank = weight->rank;
    for (int32_t d = 0; d < weight->rank; d++) wanted[w].dim[d] = weight->dim[d];
    wanted[w].passing = weight->role == CNN_PASSING;
    for (int32_t d = 0; d < 3; d++) wanted[w].flattened[d] = weight->flattened[d];
  }
  return wanted;
}

/* All lines as one text from malloc; NULL: there are none, or out of memory. */
static char *lines_join(const cnn_matching *matching) {
  size_t n = 0;
  for (int32_t i = 0; i < matching->lines; i++) n += strlen(matching->line[i]) + 1;
  char *text = n ? malloc(n) : NULL, *at = text;
  for (int32_t i = 0; text && i < matching->lines; i++)
    at += sprintf(at, i ? "\n%s" : "%s", matching->line[i]);
  return text;
}

/* Checks the numbers of the loaded tensors. */
static cnn_status all_usable(const cnn_network *network, const char *path, const cnn_tensor *const *source) {
  cnn_status status = cnn_success();
  for (int32_t w = 0; w < network->weights && status.code == CNN_OK; w++) {
    const cnn_weight *weight = &network->weight[w];
    if (source[w]) status = cnn_tensor_check(source[w], path, weight->name, weight->role == CNN_FROZEN);
  }
  return status;
}

/* Adds as many whole lines to a message as fit, and the number of the remaining lines. */
static void lines_add(cnn_status *status, const cnn_matching *matching) {
  enum { REST = 40 };
  for (int32_t i = 0; i < matching->lines; i++) {
    size_t used = strlen(status->message), room = sizeof status->message - used,
           n = strlen(matching->line[i]) + 1;
    if (n + (i + 1 < matching->lines ? REST : 0) < room)
      snprintf(status->message + used, room, "\n%s", matching->line[i]);
    else snprintf(status->message + used, room, "\n... and %d more", (int)(matching->lines - i));
    if (n + (i + 1 < matching->lines ? REST : 0) >= room) return;
  }
}

/* Number of weights that --match=order would find; 0 if it would fail. */
static int32_t found_by_order(const cnn_network *network, cnn_archive *archive, const char *prefix,
                              bool some) {
  cnn_matching matching = {0};
  cnn_wanted *wanted = wanted_of(network);
  bool (*const match)(cnn_archive *, const cnn_wanted *, int32_t, const char *, cnn_matching *) =
      some ? cnn_match_run : cnn_match_by_order;
  const bool done = wanted && match(archive, wanted, network->weights, prefix, &matching);
  free(wanted);
  return done && (some || matching.missing + matching.extra + matching.differing == 0) ? matching.matched : 0;
}

static cnn_status refuse(const cnn_network *network, const char *path, const cnn_matching *matching,
                         const char *given, bool some, const char *others, int32_t by_order) {
  cnn_status status;
  char order[100] = "";
  if (by_order > 0)
    snprintf(order, sizeof order, " by name; --match=order finds %d of %d", (int)by_order,
             (int)network->weights);
  if (matching->prefix)
    status =
        cnn_failure(CNN_MISMATCH,
                    "%.400s: has %d of the net's %d weights, with '%.200s' before their names; "
                    "%s--weights-prefix=%.200s%s%s",
                    path, (int)matching->behind, (int)network->weights, matching->prefix,
                    given ? "did you mean '" : "", matching->prefix, given ? "'?" : " removes that prefix",
                    matching->lines ? given ? " Other differences:" : ". Other differences:" : "");
  else
    status = cnn_failure(CNN_MISMATCH, "%.400s: %s%s%s%.400s%s:", path,
                         some ? "no array matches a weight of the net" : "the weights do not match this net",
                         order, others ? " (the file also has " : "", others ? others : "",
                         others ? "; append ':' and one of these names to the file name)" : "");
  if (!matching->prefix && matching->lines == 0)
    return cnn_failure(CNN_MISMATCH, "%.400s: contains no weights", path);
  lines_add(&status, matching);
  return status;
}

/* Opens the file, renames its tensors if there are rules for this, and matches them with the weights. */
static cnn_status find_all(const cnn_network *network, const char *path, const cnn_weights_names *names,
                           bool some, cnn_archive *archive, cnn_matching *matching) {
  cnn_status status = cnn_archive_open(archive, path);
  if (status.code == CNN_OK && names->rename) status = cnn_rename(archive, names->rename);
  if (status.code != CNN_OK) return status;
  cnn_wanted *wanted = wanted_of(network);
  bool (*const match)(cnn_archive *, const cnn_wanted *, int32_t, const char *, cnn_matching *) =
      !names->by_order ? cnn_match
      : some           ? cnn_match_run
                       : cnn_match_by_order;
  const bool done = wanted && match(archive, wanted, network->weights, names->prefix, matching);
  free(wanted);
  return done ? status : cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
}

/* Text from malloc with a line "theirs = ours" for each weight that was found; NULL: out of memory. */
static char *renames_make(const cnn_network *network, const cnn_matching *matching) {
  size_t n = 1;
  for (int32_t w = 0; w < network->weights; w++)
    if (matching->source[w]) n += strlen(matching->source[w]->name) + strlen(network->weight[w].name) + 4;
  char *text = malloc(n), *at = text;
  if (text) *text = 0;
  for (int32_t w = 0; text && w < network->weights; w++)
    if (matching->source[w])
      at += sprintf(at, "%s = %s\n", matching->source[w]->name, network->weight[w].name);
  return text;
}

void cnn_weights_report_free(cnn_weights_report *report) {
  free(report->text);
  free(report->taken);
  free(report->renames);
  *report = (cnn_weights_report){0};
}

/* A tensor of integers is probably of another net, or has the wrong type. */
static void warn_whole(cnn_weights_report *report, const cnn_network *network, const cnn_matching *matching) {
  for (int32_t w = 0; w < network->weights && !*report->warning; w++) {
    const cnn_tensor *tensor = matching->source[w];
    if (tensor && cnn_tensor_whole(tensor))
      snprintf(report->warning, sizeof report->warning,
               "tensor \"%.200s\" has the type %s: its integers are converted to float", tensor->name,
               cnn_dtype_name(tensor->dtype));
  }
}

/* Copies the result of the matching to a report. False: out of memory. */
static bool report_fill(cnn_weights_report *report, const cnn_network *network,
                        const cnn_matching *matching) {
  *report = (cnn_weights_report){.matched = matching->matched,
                                 .missing = matching->missing,
                                 .extra = matching->extra,
                                 .differing = matching->differing,
                                 .text = lines_join(matching),
                                 .taken = calloc((size_t)network->weights + 1, sizeof(bool))};
  for (int32_t w = 0; report->taken && w < network->weights; w++)
    report->taken[w] = matching->source[w] != NULL;
  if (matching->warning)
    snprintf(report->warning, sizeof report->warning, "%s; for weights from PyTorch write flatten(order=chw)",
             matching->warning);
  warn_whole(report, network, matching);
  return report->taken && (report->text || matching->lines == 0);
}

cnn_status cnn_weights_load_named(const cnn_network *network, const char *path,
                                  const cnn_weights_names *names, bool some, float *weights,
                                  cnn_weights_report *report) {
  static const cnn_weights_names plain = {0};
  cnn_archive archive;
  cnn_matching matching;
  if (!names) names = &plain;
  if (report) *report = (cnn_weights_report){0};
  cnn_status status = find_all(network, path, names, some, &archive, &matching);
  if (status.code != CNN_OK) {
    cnn_archive_close(&archive);
    return status;
  }
  const bool differs = matching.missing + matching.extra + matching.differing > 0,
             none = matching.matched == 0 && network->weights > 0;
  if (matching.prefix || (some ? none : differs)) {
    const bool try_order = none && !names->by_order && !matching.prefix;
    status = refuse(network, path, &matching, names->prefix, some && none, archive.others,
                    try_order ? found_by_order(network, &archive, names->prefix, some) : 0);
  }
  if (status.code == CNN_OK) status = all_usable(network, path, matching.source);
  for (int32_t w = 0; w < network->weights && status.code == CNN_OK; w++)
    if (matching.source[w])
      cnn_tensor_floats(matching.source[w], 0, network->weight[w].size, weights + network->weight[w].offset);
  if (report && !report_fill(report, network, &matching) && status.code == CNN_OK)
    status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  if (report && status.code == CNN_OK && names->by_order) {
    report->renames = renames_make(network, &matching);
    if (!report->renames) status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  }
  cnn_archive_close(&archive);
  return status;
}

cnn_status cnn_weights_load(const cnn_network *network, const char *path, float *weights,
                            cnn_weights_report *report) {
  return cnn_weights_load_named(network, path, NULL, false, weights, report);
}

cnn_status cnn_weights_load_some(const cnn_network *network, const char *path, float *weights,
                                 cnn_weights_report *report) {
  return cnn_weights_load_named(network, path, NULL, true, weights, report);
}

enum { NOTES = 16 };

cnn_status cnn_weights_save(const cnn_network *network, const char *path, const float *weights,
                            const char *const *notes) {
  cnn_origin origin;
  cnn_status status = cnn_origin_make(&origin, network);
  if (status.code != CNN_OK) return status;
  cnn_note note[1 + ORIGIN_NOTES + NOTES] = {
      {"format", "pt"}}; /* layouts and names are PyTorch's; loaders for PyTorch require this entry */
  memcpy(note + 1, origin.note, sizeof origin.note);
  int32_t count = 1 + origin.notes;
  for (; notes && notes[0] && count < 1 + ORIGIN_NOTES + NOTES; notes += 2)
    note[count++] = (cnn_note){notes[0], notes[1]};
  cnn_tensor *tensor = calloc((size_t)network->weights + 1, sizeof *tensor);
  for (int32_t w = 0; tensor && w < network->weights; w++)
    tensor[w] = weight_tensor(&network->weight[w], weights);
  const size_t n = strlen(path);
  const bool zipped = n > 4 && strcmp(path + n - 4, ".npz") == 0;
  if (!tensor) status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  else if (zipped) status = cnn_npz_write(path, tensor, network->weights, note, count);
  else status = cnn_safetensors_write(path, tensor, network->weights, note, count);
  free(tensor);
  cnn_origin_free(&origin);
  return status;
}
