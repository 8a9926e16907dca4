/* data_classes.c: Mapping of class folders to classes: by name, if the net has labels; by number, if all
 * folder names are numbers; otherwise by alphabetical order. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/weights/classes.h"
#include "hosted/data/dataset.h"
#include "hosted/base/similar.h"
#include "hosted/base/unicode.h"

enum { LIST = 300 }; /* maximum bytes of the list of names in a message */

/* Converts a name that consists of digits to a number; -1: the name has other characters, or is too long. */
static int64_t number_of(const char *name) {
  if (!*name || strlen(name) > 9 || strspn(name, "0123456789") != strlen(name)) return -1;
  return strtol(name, NULL, 10);
}

static bool has_labels(const cnn_data *data) {
  bool classes = false;
  for (int32_t o = 0; o < cnn_ports(data->network); o++)
    classes = classes || cnn_target_wanted(data, o) || cnn_target_optional(data, o);
  return classes && data->network->labels > 0 && data->network->label;
}

int32_t cnn_label_find(const cnn_network *network, const char *name) {
  for (int32_t c = 0; c < network->labels; c++)
    if (cnn_names_compare(network->label[c], name) == CNN_SAME_NAME) return c;
  return -1;
}

/* The first folder whose name is not a label; `folders` if there is none. */
static int32_t stranger(const cnn_network *network, char *const *folder, int32_t folders) {
  int32_t f = 0;
  while (f < folders && cnn_label_find(network, folder[f]) >= 0) f++;
  return f;
}

/* The class of sounds whose folder is not a label: the label "unknown"; -1: there is no such label. */
static int32_t unknown_class(const cnn_data *data) {
  return data->sounds && has_labels(data) ? cnn_label_find(data->network, "unknown") : -1;
}

/* Whether the folder names are class numbers: all are numbers, each of a different class of the net. If the
 * label of a class is a number as well, it must be the same number. */
static bool are_numbers(const cnn_data *data, char *const *folder, int32_t folders) {
  const cnn_network *network = data->network;
  const bool labeled = has_labels(data);
  const int64_t classes = labeled ? network->labels : cnn_label_classes(data);
  for (int32_t f = 0; f < folders; f++) {
    const int64_t own = number_of(folder[f]);
    if (own < 0 || own >= classes) return false;
    if (labeled && number_of(network->label[own]) >= 0 && number_of(network->label[own]) != own) return false;
    for (int32_t g = 0; g < f; g++)
      if (number_of(folder[g]) == own) return false;
  }
  return folders > 0;
}

/* The first folder that is not a number; `folders` if all are numbers. */
static int32_t not_number(char *const *folder, int32_t folders) {
  int32_t f = 0;
  while (f < folders && number_of(folder[f]) >= 0) f++;
  return f;
}

/* The folder that an error message names: the first number that is not a class, or the first name that is not
 * a label. */
static const char *to_blame(const cnn_data *data, char *const *folder, int32_t folders) {
  const cnn_network *network = data->network;
  const bool numbers = not_number(folder, folders) == folders;
  for (int32_t f = 0; numbers && f < folders; f++)
    if (number_of(folder[f]) >= network->labels) return folder[f];
  return folder[stranger(network, folder, folders)];
}

/* Writes to `hint` why the folder `name`, which is a number, is not used as the number of a label. */
static void number_hint(const cnn_data *data, const char *name, char *const *folder, int32_t folders,
                        char *hint, size_t room) {
  const cnn_network *network = data->network;
  const int32_t other = not_number(folder, folders);
  if (number_of(name) >= network->labels) {
    snprintf(hint, room, ", and is not the number of a label (0 to %d)", (int)network->labels - 1);
    return;
  }
  if (other < folders) {
    snprintf(hint, room, ", and is not used as a number, because '%.80s' is not a number", folder[other]);
    return;
  }
  for (int32_t f = 0; f < folders; f++) {
    const int64_t own = number_of(folder[f]), label = number_of(network->label[own]);
    if (label >= 0 && label != own)
      snprintf(hint, room, ", and is not used as a number, because the label of class %d is '%.80s'",
               (int)own, network->label[own]);
    for (int32_t g = 0; g < f; g++)
      if (number_of(folder[g]) == own)
        snprintf(hint, room, ", and '%.80s' and '%.80s' are the same number", folder[g], folder[f]);
  }
}

static cnn_status refuse(const cnn_data *data, char *const *folder, int32_t folders) {
  const cnn_network *network = data->network;
  const char *name = to_blame(data, folder, folders),
             *similar = cnn_similar(name, network->label, network->labels);
  char list[LIST], hint[240] = "";
  if (similar) snprintf(hint, sizeof hint, "; did you mean '%.80s'?", similar);
  else if (number_of(name) >= 0) number_hint(data, name, folder, folders, hint, sizeof hint);
  return cnn_failure(CNN_MISMATCH, "%s: the folder '%s' is not one of the labels %s%s", data->path, name,
                     cnn_classes_list(network->label, network->labels, list, sizeof list), hint);
}

/* ---- folders whose names are spelled differently in different parts */

/* Whether two folders in different parts are the same class: their names differ only in case, each part has
 * at most one folder with such a name, and at most one of the two names is a label. */
static bool is_one(const cnn_data *data, char *const *folder, const uint8_t *pools, int32_t folders,
                   int32_t f, int32_t g) {
  const cnn_network *network = data->network;
  if ((pools[f] & pools[g]) || cnn_names_compare(folder[f], folder[g]) != CNN_SAME_LETTERS) return false;
  uint8_t all = 0;
  for (int32_t h = 0; h < folders; h++) {
    if (h != f && cnn_names_compare(folder[f], folder[h]) == CNN_OTHER_NAME) continue;
    if (all & pools[h]) return false;
    all |= pools[h];
  }
  return !has_labels(data) || cnn_label_find(network, folder[f]) < 0 ||
         cnn_label_find(network, folder[g]) < 0;
}

/* Whether `name` is a better name for a class than `other`: a label is best, then the name in the training
 * part. */
static bool is_better(const cnn_data *data, const char *name, uint8_t pools, const char *other) {
  if (has_labels(data) && cnn_label_find(data->network, other) >= 0) return false;
  return (has_labels(data) && cnn_label_find(data->network, name) >= 0) || (pools & 1 << POOL_TRAIN);
}

/* Removes merged folders from the list. Before the call, number[f] is the index of the folder into which f
 * was merged, or f itself. After the call, it is the index of that folder in the new list. */
static int32_t join(char **folder, int32_t folders, int32_t *number) {
  int32_t kept = 0;
  for (int32_t f = 0; f < folders; f++)
    while (number[number[f]] != number[f]) number[f] = number[number[f]];
  for (int32_t f = 0; f < folders; f++) {
    if (number[f] != f) free(folder[f]);
    else folder[kept++] = folder[f], number[f] = -kept; /* new indices are negative, old ones not */
  }
  for (int32_t f = 0; f < folders; f++)
    if (number[f] >= 0) number[f] = number[number[f]];
  for (int32_t f = 0; f < folders; f++) number[f] = -number[f] - 1;
  return kept;
}

int32_t cnn_folders_join(cnn_data *data, char **folder, const uint8_t *pools, int32_t folders,
                         int32_t *number) {
  for (int32_t f = 0; f < folders; f++) number[f] = f;
  for (int32_t f = 0; f < folders; f++)
    for (int32_t g = f + 1; number[f] == f && g < folders; g++) {
      if (number[g] != g || !is_one(data, folder, pools, folders, f, g)) continue;
      const bool better = is_better(data, folder[g], pools[g], folder[f]);
      cnn_data_note(data,
                    "the folders '%s' and '%s', which belong to different parts (train, val, test), are "
                    "treated as one class, '%s'",
                    folder[f], folder[g], folder[better ? g : f]);
      number[better ? f : g] = better ? g : f;
    }
  return join(folder, folders, number);
}

/* ---- class names */

static bool class_name_set(cnn_data *data, int32_t c, const char *name) {
  data->class_name[c] = cnn_path_join("", name);
  return data->class_name[c] != NULL;
}

static cnn_status names_make(cnn_data *data, int32_t classes) {
  data->class_name = calloc((size_t)classes + 1, sizeof *data->class_name);
  data->classes = data->class_name ? classes : 0;
  return data->class_name ? cnn_success() : cnn_data_no_memory(data);
}

static cnn_status by_label(cnn_data *data, char *const *folder, int32_t folders, int32_t *class_of) {
  const cnn_network *network = data->network;
  cnn_status status = names_make(data, network->labels);
  for (int32_t f = 0; f < folders; f++) {
    const int32_t c = cnn_label_find(network, folder[f]), unknown = unknown_class(data);
    class_of[f] = c >= 0 ? c : unknown >= 0 ? unknown : (int32_t)number_of(folder[f]);
  }
  for (int32_t c = 0; c < network->labels && status.code == CNN_OK; c++)
    if (!class_name_set(data, c, network->label[c])) status = cnn_data_no_memory(data);
  return status;
}

static cnn_status by_number(cnn_data *data, char *const *folder, int32_t folders, int32_t *class_of) {
  const int32_t classes = (int32_t)cnn_label_classes(data);
  cnn_status status = names_make(data, classes);
  for (int32_t f = 0; f < folders && status.code == CNN_OK; f++) {
    class_of[f] = (int32_t)number_of(folder[f]);
    if (!class_name_set(data, class_of[f], folder[f])) status = cnn_data_no_memory(data);
  }
  for (int32_t c = 0; c < classes && status.code == CNN_OK; c++) {
    char number[16];
    snprintf(number, sizeof number, "%d", (int)c);
    if (!data->class_name[c] && !class_name_set(data, c, number)) status = cnn_data_no_memory(data);
  }
  return status;
}

static int name_order(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static cnn_status by_order(cnn_data *data, char *const *folder, int32_t folders, int32_t *class_of) {
  cnn_status status = names_make(data, folders);
  for (int32_t f = 0; f < folders && status.code == CNN_OK; f++)
    if (!class_name_set(data, f, folder[f])) status = cnn_data_no_memory(data);
  if (status.code != CNN_OK) return status;
  qsort(data->class_name, (size_t)folders, sizeof *data->class_name, name_order);
  for (int32_t f = 0; f < folders; f++)
    for (int32_t c = 0; c < folders; c++)
      if (strcmp(data->class_name[c], folder[f]) == 0) class_of[f] = c;
  return status;
}

/* ---- notes */

/* Writes the names of the classes without a folder to `text`: "b, c". Returns the number of these classes. */
static int32_t without_folder(const cnn_data *data, const int32_t *class_of, int32_t folders, char *text,
                              size_t room) {
  const char **missing = calloc((size_t)data->classes + 1, sizeof *missing);
  int32_t count = 0;
  for (int32_t c = 0; missing && c < data->classes; c++) {
    int32_t f = 0;
    while (f < folders && class_of[f] != c) f++;
    if (f == folders) missing[count++] = data->class_name[c];
  }
  if (count > 0) cnn_classes_list(missing, count, text, room);
  free(missing);
  return count;
}

static cnn_status few_folders(cnn_data *data, int32_t folders, int64_t classes) {
  const char *const *name = (const char *const *)data->class_name;
  char list[LIST];
  if (folders == 1)
    return cnn_failure(CNN_MISMATCH,
                       "%s: has one folder of images, '%s', but the net has %lld classes and no "
                       "labels to match it with; each class needs a folder, and --data names the folder that "
                       "contains all of these folders",
                       data->path, name[0], (long long)classes);
  cnn_data_note(data,
                "%d folders of images for %lld classes; without labels they are numbered in the order of "
                "their names, from 0: %s",
                (int)folders, (long long)classes, cnn_classes_list(name, folders, list, sizeof list));
  return cnn_success();
}

/* Sets data->nameless if a class name is not UTF-8, because weight files can only store UTF-8. */
static void check_text(cnn_data *data) {
  char *note = cnn_classes_note((const char *const *)data->class_name, data->classes);
  data->nameless = !note;
  if (!note) cnn_data_note(data, "a folder name is not UTF-8: the weight file will not have the class names");
  free(note);
}

/* Lists the folders whose sounds get the class "unknown". */
static void unknown_note(cnn_data *data, char *const *folder, int32_t folders) {
  const char **name = calloc((size_t)folders + 1, sizeof *name);
  int32_t count = 0;
  char list[LIST];
  for (int32_t f = 0; name && f < folders; f++)
    if (cnn_label_find(data->network, folder[f]) < 0) name[count++] = folder[f];
  if (count > 0)
    cnn_data_note(data, "%d folder%s whose name%s not a label, treated as 'unknown': %s", (int)count,
                  count == 1 ? "" : "s", count == 1 ? " is" : "s are",
                  cnn_classes_list(name, count, list, sizeof list));
  free(name);
}

cnn_status cnn_folders_name(cnn_data *data, char *const *folder, int32_t folders, int32_t *class_of) {
  const int32_t strange = has_labels(data) ? stranger(data->network, folder, folders) : folders;
  const bool labeled = has_labels(data);
  const bool unknown = unknown_class(data) >= 0;
  const bool numbers = (!labeled || (strange < folders && !unknown)) && are_numbers(data, folder, folders);
  if (labeled && strange < folders && !numbers && !unknown) return refuse(data, folder, folders);
  cnn_status status = (labeled ? by_label : numbers ? by_number : by_order)(data, folder, folders, class_of);
  if (status.code == CNN_OK) status = cnn_labels_fit(data, data->path);
  if (status.code != CNN_OK) return status;
  check_text(data);
  const int64_t classes = cnn_label_classes(data);
  char list[LIST];
  if (numbers) cnn_data_note(data, "the names of the folders are their class numbers");
  if (unknown) unknown_note(data, folder, folders);
  if (!labeled && !numbers) return folders < classes ? few_folders(data, folders, classes) : status;
  if (without_folder(data, class_of, folders, list, sizeof list) > 0)
    cnn_data_note(data, "no folder for %s", list);
  return status;
}
