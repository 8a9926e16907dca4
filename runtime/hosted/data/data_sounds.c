/* data_sounds.c: Conventions of the Speech Commands data set: lists of the files for validation and tests,
 * and silence cut from background recordings. */
// SPDX-License-Identifier: MIT-0
#include <stdlib.h>
#include <string.h>
#include "hosted/base/file.h"
#include "hosted/data/folders.h"
#include "hosted/data/sound.h"

/* ---- Lists of parts */

typedef struct PartList {
  char *text; /* contents of the file; lines are zero-terminated */
  char **line;
  int64_t count;
} PartList; /* sorted */

static int line_order(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list_close(PartList *list) {
  free(list->text);
  free(list->line);
}

static cnn_status list_read(cnn_data *data, PartList *list, const char *path) {
  size_t length = 0;
  cnn_status status = cnn_text_read(path, &list->text, &length);
  if (status.code != CNN_OK) return status;
  int64_t lines = 1;
  for (size_t i = 0; i < length; i++) lines += list->text[i] == '\n';
  list->line = malloc((size_t)lines * sizeof *list->line);
  if (!list->line) return cnn_data_no_memory(data);
  for (char *at = list->text; *at;) {
    const size_t n = strcspn(at, "\r\n");
    char *next = at + n + (at[n] != 0);
    at[n] = 0;
    if (n > 0) list->line[list->count++] = at;
    at = next;
  }
  qsort(list->line, (size_t)list->count, sizeof *list->line, line_order);
  int64_t kept = 0; /* each name once */
  for (int64_t i = 0; i < list->count; i++)
    if (i == 0 || strcmp(list->line[i], list->line[i - 1]) != 0) list->line[kept++] = list->line[i];
  list->count = kept;
  return status;
}

static bool list_has(const PartList *list, const char *name) {
  return list->count > 0 &&
         bsearch(&name, list->line, (size_t)list->count, sizeof *list->line, line_order) != NULL;
}

/* The path of a file relative to the set, as in the lists. */
static const char *below(const cnn_data *data, const char *path) {
  const size_t n = strlen(data->path);
  return path + n + strspn(path + n, "/");
}

/* Moves the listed files of the training pool to another pool. Returns the number of moved files; -1: out of
 * memory. */
static int64_t listed_move(const cnn_data *data, Folders *set, int to, const PartList *list) {
  Pool *from = &set->pool[POOL_TRAIN], *pool = &set->pool[to];
  int64_t kept = 0, moved = 0;
  Picture *grown = realloc(pool->picture, sizeof *grown * (size_t)(pool->count + from->count + 1));
  if (!grown) return -1;
  pool->picture = grown;
  for (int64_t i = 0; i < from->count; i++) {
    const char *name = below(data, from->picture[i].path);
    const bool named = list_has(list, name);
    if (named) pool->picture[pool->count++] = from->picture[i];
    else from->picture[kept++] = from->picture[i];
    moved += named;
  }
  from->count = kept;
  return moved;
}

enum { LISTS = 2 };
static const struct {
  const char *name;
  int pool;
} lists[LISTS] = {{"testing_list.txt", POOL_TEST}, {"validation_list.txt", POOL_VAL}};

static cnn_status list_apply(cnn_data *data, Folders *set, int l, const PartList *list) {
  const int64_t moved = list->count > 0 ? listed_move(data, set, lists[l].pool, list) : 0;
  if (moved < 0) return cnn_data_no_memory(data);
  if (moved < list->count)
    cnn_data_note(data, "%s/%s names %lld file%s not in the data set", data->path, lists[l].name,
                  (long long)(list->count - moved), list->count - moved == 1 ? " that is" : "s that are");
  return cnn_success();
}

/* A file cannot be in two parts: a net that is selected by it would also be tested with it. */
static cnn_status lists_differ(const cnn_data *data, const PartList *a, const PartList *b) {
  int64_t both = 0, first = 0;
  for (int64_t i = a->count - 1; i >= 0; i--)
    if (list_has(b, a->line[i])) both++, first = i;
  if (both == 0) return cnn_success();
  return cnn_failure(CNN_BAD_FORMAT, "%s: %lld file%s in both %s and %s (first: %s)", data->path,
                     (long long)both, both == 1 ? " is" : "s are", lists[0].name, lists[1].name,
                     a->line[first]);
}

/* Renumbers the files of each folder in each pool, from 0. */
static bool turns_count(Folders *set) {
  int32_t *next = malloc(((size_t)set->names + 1) * sizeof *next);
  for (int p = 0; next && p < POOLS; p++) {
    memset(next, 0, (size_t)set->names * sizeof *next);
    for (int64_t i = 0; i < set->pool[p].count; i++) {
      Picture *picture = &set->pool[p].picture[i];
      picture->turn = next[picture->folder]++;
    }
  }
  const bool memory = next != NULL;
  free(next);
  return memory;
}

cnn_status cnn_sounds_lists(cnn_data *data, Folders *set) {
  if (set->parts) return cnn_success();
  PartList list[LISTS] = {{0}};
  cnn_status status = cnn_success();
  for (int l = 0; l < LISTS && status.code == CNN_OK; l++) {
    char *path = cnn_path_join(data->path, lists[l].name);
    if (!path) status = cnn_data_no_memory(data);
    else if (cnn_file_there(path)) status = list_read(data, &list[l], path);
    free(path);
  }
  if (status.code == CNN_OK) status = lists_differ(data, &list[0], &list[1]);
  for (int l = 0; l < LISTS && status.code == CNN_OK; l++) status = list_apply(data, set, l, &list[l]);
  for (int l = 0; l < LISTS; l++) list_close(&list[l]);
  return status.code == CNN_OK && !turns_count(set) ? cnn_data_no_memory(data) : status;
}

/* ---- background recordings */

bool cnn_sounds_background(const char *name) { return strcmp(name, "_background_noise_") == 0; }

cnn_status cnn_sounds_background_add(Folders *set, const char *path, bool linked) {
  cnn_image_list found, *all = &set->background;
  cnn_status status = cnn_sounds_collect(&found, path, linked);
  if (status.code != CNN_OK) return status;
  cnn_picture *grown = realloc(all->picture, sizeof *grown * (size_t)(all->count + found.count + 1));
  if (grown) all->picture = grown;
  else status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  for (int64_t i = 0; grown && i < found.count; i++) {
    if (!cnn_sound_named(found.picture[i].path)) continue;
    all->picture[all->count++] = found.picture[i];
    found.picture[i].path = NULL;
  }
  cnn_image_list_free(&found);
  return status;
}

/* The number of the folder named silence; -1: there is none. */
static int32_t silence_folder(const Folders *set) {
  for (int32_t f = 0; f < set->names; f++)
    if (strcmp(set->name[f], "silence") == 0) return f;
  return -1;
}

static cnn_status noise_read(cnn_data *data, Folders *set) {
  const int64_t paths = set->background.count;
  char **path = malloc((size_t)(paths + 1) * sizeof *path);
  if (!path) return cnn_data_no_memory(data);
  for (int64_t i = 0; i < paths; i++) path[i] = set->background.picture[i].path;
  const cnn_status status = cnn_noise_open(&set->noise, path, paths, &data->network->input[0],
                                           data->options.skip_bad ? &set->bad_noise : NULL);
  for (int64_t i = 0; i < paths; i++) set->background.picture[i].path = path[i];
  free(path);
  if (status.code == CNN_OK && set->noise.recordings > 0) data->noise = &set->noise;
  return status;
}

cnn_status cnn_sounds_noise_open(cnn_data *data, Folders *set) {
  const cnn_network *network = data->network;
  const bool silence = cnn_label_find(network, "silence") >= 0 && silence_folder(set) < 0,
             mixed = network->recipe && cnn_augment_mixes_noise(network->recipe);
  if (set->background.count == 0 || (!silence && !mixed)) return cnn_success();
  const cnn_status status = noise_read(data, set);
  if (status.code != CNN_OK || !silence || !data->noise) return status;
  char *name = cnn_path_join("", "silence");
  if (name && cnn_folders_name_add(set, name)) return status;
  free(name);
  return cnn_data_no_memory(data);
}

/* The mean number of samples per class, over the classes that have samples in the pool. */
static int64_t mean_class(const Pool *pool, const int32_t *class_of, int32_t classes, uint8_t *seen) {
  int64_t present = 0;
  memset(seen, 0, (size_t)classes);
  for (int64_t i = 0; i < pool->count; i++) {
    const int32_t c = class_of[pool->picture[i].folder];
    if (c >= 0 && c < classes && !seen[c]) seen[c] = 1, present++;
  }
  return present > 0 ? (2 * pool->count + present) / (2 * present) : 0;
}

static bool silence_put(Folders *set, Pool *pool, int32_t folder, int64_t count) {
  const int64_t recordings = set->noise.recordings, each = (count + recordings - 1) / recordings;
  Picture *grown = realloc(pool->picture, sizeof *grown * (size_t)(pool->count + count + 1));
  if (!grown) return false;
  pool->picture = grown;
  for (int64_t i = 0; i < count; i++) {
    char *path = cnn_path_join("", set->background.picture[i % recordings].path);
    if (!path) return false;
    grown[pool->count++] = (Picture){.path = path,
                                     .folder = folder,
                                     .turn = (int32_t)i,
                                     .silence = (int32_t)(i % recordings) + 1,
                                     .place = ((double)(i / recordings) + 0.5) / (double)each};
  }
  return true;
}

cnn_status cnn_sounds_silence_add(cnn_data *data, Folders *set) {
  const int32_t folder = silence_folder(set);
  if (!data->noise || folder < 0 || set->pools[folder] != 0) return cnn_success();
  uint8_t *seen = malloc((size_t)data->classes + 1);
  bool memory = seen != NULL;
  for (int p = 0; p < POOLS && memory; p++) {
    Pool *pool = &set->pool[p];
    memory = silence_put(set, pool, folder, mean_class(pool, set->class_of, data->classes, seen));
  }
  free(seen);
  return memory ? cnn_success() : cnn_data_no_memory(data);
}
