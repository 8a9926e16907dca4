/* classes.c: Class names: stored in the metadata of weights, compared, and listed in messages. */
// SPDX-License-Identifier: MIT-0
#include "hosted/weights/classes.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/base/json.h"

/* ---- metadata: a JSON list of strings under "classes", next to "net", which marks files written by programs
 * that cnnc built */

static bool names_take(cnn_classes *classes, const json_t *list) {
  size_t i;
  const json_t *value;
  classes->name = calloc(json_array_size(list) + 1, sizeof *classes->name);
  if (!classes->name) return false;
  json_array_foreach(list, i, value) {
    const char *name = json_string_value(value);
    size_t n = strlen(name ? name : "") + 1;
    char *copy = malloc(n);
    if (!copy) return false;
    memcpy(copy, name ? name : "", n);
    classes->name[classes->count++] = copy;
  }
  return true;
}

static bool all_names(const json_t *list) {
  size_t i;
  const json_t *value;
  json_array_foreach(list, i, value) {
    if (json_string_length(value) == 0) return false;
  }
  return json_array_size(list) > 0 && json_array_size(list) < INT32_MAX;
}

typedef struct Named {
  const char *name;
  int32_t place;
} Named;

static int named_order(const void *a, const void *b) {
  const Named *one = a, *other = b;
  const int order = strcmp(one->name, other->name);
  return order ? order : (one->place > other->place) - (one->place < other->place);
}

bool cnn_classes_twice(const char *const *name, int32_t count, int32_t place[2]) {
  Named *named = calloc((size_t)count + 1, sizeof *named);
  bool found = false;
  for (int32_t c = 0; named && c < count; c++) named[c] = (Named){name[c] ? name[c] : "", c};
  if (named) qsort(named, (size_t)count, sizeof *named, named_order);
  for (int32_t c = 1; named && c < count && !found; c++) {
    found = named[c].name[0] && strcmp(named[c - 1].name, named[c].name) == 0;
    place[0] = named[c - 1].place;
    place[1] = named[c].place;
  }
  free(named);
  return found;
}

cnn_status cnn_classes_read(cnn_classes *classes, const cnn_archive *archive, const char *path) {
  *classes = (cnn_classes){0};
  const char *text = cnn_archive_note(archive, "net") ? cnn_archive_note(archive, "classes") : NULL;
  if (!text) return cnn_success();
  json_t *list = json_loads(text, 0, NULL);
  cnn_status status = cnn_success();
  if (!all_names(list))
    status = cnn_failure(CNN_BAD_FORMAT, "%s: its metadata \"classes\" must be a list of names", path);
  else if (!names_take(classes, list)) status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  int32_t place[2];
  if (status.code == CNN_OK && cnn_classes_twice((const char *const *)classes->name, classes->count, place))
    status =
        cnn_failure(CNN_BAD_FORMAT, "%s: in its metadata \"classes\", the classes %d and %d are both '%s'",
                    path, (int)place[0], (int)place[1], classes->name[place[0]]);
  if (status.code != CNN_OK) cnn_classes_free(classes);
  json_decref(list);
  return status;
}

void cnn_classes_free(cnn_classes *classes) {
  for (int32_t c = 0; c < classes->count; c++) free(classes->name[c]);
  free(classes->name);
  *classes = (cnn_classes){0};
}

char *cnn_classes_note(const char *const *name, int32_t count) {
  json_t *list = json_array();
  int failed = list == NULL;
  for (int32_t c = 0; c < count; c++) failed |= json_array_append_new(list, json_string(name[c]));
  char *text = failed ? NULL : cnn_json_text(list);
  json_decref(list);
  return text;
}

/* ---- Two lists */

cnn_status cnn_classes_count_check(const char *path, int32_t names, int64_t classes, char *doubt,
                                   size_t room) {
  if (names > classes)
    return cnn_failure(CNN_MISMATCH,
                       "%s: has %d class names, but the net has %lld class%s; correct or remove \"classes\" "
                       "in the metadata of the file",
                       path, (int)names, (long long)classes, classes == 1 ? "" : "es");
  if (names < classes)
    snprintf(doubt, room, "%s: has %d class name%s, but the net has %lld classes", path, (int)names,
             names == 1 ? "" : "s", (long long)classes);
  return cnn_success();
}

cnn_agreement cnn_classes_compare(const char *const *a, int32_t as, const char *const *b, int32_t bs,
                                  int32_t *place) {
  for (int32_t i = 0; i < as; i++) {
    if (!a[i] || (i < bs && (!b[i] || strcmp(a[i], b[i]) == 0))) continue;
    for (int32_t j = 0; j < bs; j++) {
      if (j == i || !b[j] || strcmp(a[i], b[j]) != 0) continue;
      *place = i;
      return CNN_CLASSES_MOVED;
    }
  }
  return cnn_classes_renamed(a, as, b, bs, place, 1) > 0 ? CNN_CLASSES_RENAMED : CNN_CLASSES_AGREE;
}

int32_t cnn_classes_renamed(const char *const *a, int32_t as, const char *const *b, int32_t bs,
                            int32_t *place, int32_t room) {
  int32_t count = 0;
  for (int32_t i = 0; i < as && i < bs; i++) {
    if (!a[i] || !b[i] || strcmp(a[i], b[i]) == 0) continue;
    if (count < room) place[count] = i;
    count++;
  }
  return count;
}

const char *cnn_classes_list(const char *const *name, int32_t count, char *text, size_t room) {
  enum { ENDING = 40 };
  size_t n = 0;
  text[0] = 0;
  for (int32_t c = 0; c < count; c++) {
    const size_t length = strlen(name[c]);
    const size_t needed = n + length + 3 + (c + 1 < count ? ENDING : 0);
    if (needed > room) {
      snprintf(text + n, room - n, " ... (%d in all)", (int)count);
      return text;
    }
    n += (size_t)snprintf(text + n, room - n, "%s%s", c ? ", " : "", name[c]);
  }
  return text;
}
