/* notes.c: Metadata of weight files, as a JSON object of strings. */
// SPDX-License-Identifier: MIT-0
#include "hosted/weights/notes.h"

#include <string.h>

json_t *cnn_notes_make(const cnn_note *note, int32_t notes) {
  json_t *object = json_object();
  int failed = object == NULL;
  for (int32_t i = 0; i < notes; i++)
    failed |= json_object_set_new(object, note[i].key, json_string(note[i].value));
  if (!failed) return object;
  json_decref(object);
  return NULL;
}

static const char *text_keep(cnn_archive *archive, const char *text) {
  const size_t n = strlen(text) + 1;
  char *copy = cnn_archive_alloc(archive, n);
  if (copy) memcpy(copy, text, n);
  return copy;
}

cnn_status cnn_notes_parse(cnn_archive *archive, const char *path, json_t *notes) {
  if (!json_is_object(notes))
    return cnn_failure(CNN_BAD_FORMAT, "%s: __metadata__ is not an object of strings", path);
  archive->note = cnn_archive_alloc(archive, sizeof *archive->note * json_object_size(notes) + 1);
  if (!archive->note) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  const char *key;
  json_t *value;
  json_object_foreach(notes, key, value) {
    if (!json_is_string(value))
      return cnn_failure(CNN_BAD_FORMAT, "%s: \"%.200s\" of __metadata__ is not a string", path, key);
    cnn_note *note = &archive->note[archive->notes++];
    note->key = text_keep(archive, key);
    note->value = text_keep(archive, json_string_value(value));
    if (!note->key || !note->value) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  }
  return cnn_success();
}
