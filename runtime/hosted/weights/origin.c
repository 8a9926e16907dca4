/* origin.c: Metadata of a weight file about a net: the net's name, inputs with their normalization, and class
 * names. */
// SPDX-License-Identifier: MIT-0
#include "hosted/weights/origin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/weights/classes.h"

/* Formats "image: 28x28x1 as u8 -> normalize(mean=0, std=1, scale=0.5)", as in the language. Returns the
 * length; text NULL: only the length. */
static size_t input_put(char *text, size_t room, const cnn_port *port, const char *before) {
  static const char *const types[] = {
      [CNN_F32] = "", [CNN_U8] = " as u8", [CNN_I8] = " as i8", [CNN_I16] = " as i16", [CNN_I32] = " as i32"};
  char shape[48];
  int n = snprintf(shape, sizeof shape, "%d", (int)port->dim[0]);
  for (int32_t d = 1; d < port->rank; d++)
    n += snprintf(shape + n, sizeof shape - (size_t)n, "x%d", (int)port->dim[d]);
  const char *layout = port->chw ? " (layout=chw)" : "", *normalize = port->normalize ? port->normalize : "";
  return (size_t)snprintf(text, room, "%s%s: %s%s%s%s%s", before, port->name, shape, types[port->type],
                          layout, *normalize ? " -> " : "", normalize);
}

static char *inputs_text(const cnn_network *network) {
  size_t length = 0, at = 0;
  for (int32_t i = 0; i < network->inputs; i++)
    length += input_put(NULL, 0, &network->input[i], i ? "; " : "");
  char *text = calloc(length + 1, 1);
  for (int32_t i = 0; text && i < network->inputs; i++)
    at += input_put(text + at, length + 1 - at, &network->input[i], i ? "; " : "");
  return text;
}

cnn_status cnn_origin_make(cnn_origin *origin, const cnn_network *network) {
  const bool named = network->label && network->labels > 0;
  *origin = (cnn_origin){.inputs = inputs_text(network)};
  if (named) origin->classes = cnn_classes_note(network->label, network->labels);
  if (!origin->inputs || (named && !origin->classes)) {
    cnn_origin_free(origin);
    return cnn_failure(CNN_NO_MEMORY, "no memory to describe %s, or a class name is not UTF-8",
                       network->name);
  }
  origin->note[origin->notes++] = (cnn_note){"net", network->name};
  origin->note[origin->notes++] = (cnn_note){"inputs", origin->inputs};
  if (named) origin->note[origin->notes++] = (cnn_note){"classes", origin->classes};
  return cnn_success();
}

void cnn_origin_free(cnn_origin *origin) {
  free(origin->inputs);
  free(origin->classes);
  *origin = (cnn_origin){0};
}

/* Reports renamed classes on one line: at most ten, and only classes that fit into `room` bytes. */
static void tell_renamed(const cnn_classes *classes, const char *path, const cnn_network *network,
                         char *doubt, size_t room) {
  enum { ENDING = 40 };
  const char *const *name = (const char *const *)classes->name;
  int32_t place[CNN_CLASSES_SHOWN];
  const int32_t count =
      cnn_classes_renamed(name, classes->count, network->label, network->labels, place, CNN_CLASSES_SHOWN);
  if (count == 1) {
    snprintf(doubt, room, "%s: class %d was '%s' when these weights were trained; the label is '%s' now",
             path, (int)place[0], name[place[0]], network->label[place[0]]);
    return;
  }
  size_t n = (size_t)snprintf(
      doubt, room, "%s: %d classes had other names when these weights were trained: ", path, (int)count);
  int32_t told = 0;
  for (; told < count && told < CNN_CLASSES_SHOWN && n < room; told++) {
    const int32_t c = place[told];
    const char *was = name[c], *is = network->label[c];
    if (n + strlen(was) + strlen(is) + 2 * ENDING > room) break;
    n += (size_t)snprintf(doubt + n, room - n, "%s%d was '%s', is '%s' now", told ? "; " : "", (int)c, was,
                          is);
  }
  if (told < count && n < room)
    snprintf(doubt + n, room - n, "%sand %d more", told ? "; " : "", (int)(count - told));
}

static cnn_status classes_check(const cnn_archive *archive, const char *path, const cnn_network *network,
                                char *doubt, size_t room) {
  cnn_classes classes;
  int32_t c = 0;
  cnn_status status = cnn_classes_read(&classes, archive, path);
  if (status.code != CNN_OK || !network->label || classes.count == 0) {
    cnn_classes_free(&classes);
    return status;
  }
  const char *const *name = (const char *const *)classes.name;
  char list[300];
  status = cnn_classes_count_check(path, classes.count, network->labels, doubt, room);
  if (status.code != CNN_OK) {
    cnn_classes_free(&classes);
    return status;
  }
  switch (cnn_classes_compare(name, classes.count, network->label, network->labels, &c)) {
  case CNN_CLASSES_AGREE: break;
  case CNN_CLASSES_RENAMED: tell_renamed(&classes, path, network, doubt, room); break;
  case CNN_CLASSES_MOVED:
    status =
        cnn_failure(CNN_MISMATCH,
                    "%s: class %d of these weights is '%s', but the net's label '%s' is for another class; "
                    "the weights were trained with the classes %s, in this order",
                    path, (int)c, name[c], name[c], cnn_classes_list(name, classes.count, list, sizeof list));
    break;
  }
  cnn_classes_free(&classes);
  return status;
}

const char *cnn_origin_normalize(const cnn_archive *archive) {
  const char *inputs = cnn_archive_note(archive, "net") ? cnn_archive_note(archive, "inputs") : NULL;
  if (!inputs || strstr(inputs, "; ")) return NULL;
  const char *arrow = strstr(inputs, " -> ");
  return arrow ? arrow + 4 : "no normalize";
}

/* Compares the normalization: inputs whose scale differs from the scale in training would silently give wrong
 * results. */
static void normalize_check(const cnn_archive *archive, const char *path, const cnn_network *network,
                            char *doubt, size_t room) {
  const char *theirs = cnn_origin_normalize(archive);
  const char *ours = network->input[0].normalize ? network->input[0].normalize : "no normalize";
  if (theirs && strcmp(theirs, ours) != 0)
    snprintf(doubt, room, "%s: these weights were trained with %.200s, but the program has %.200s", path,
             theirs, ours);
}

cnn_status cnn_origin_check(const cnn_archive *archive, const char *path, const cnn_network *network,
                            char *doubt, size_t room) {
  *doubt = 0;
  cnn_status status = classes_check(archive, path, network, doubt, room);
  if (status.code == CNN_OK && !*doubt) normalize_check(archive, path, network, doubt, room);
  return status;
}

bool cnn_weights_fixed(const cnn_network *network) {
  return network->parameters == 0 && network->model_bytes > 0;
}
