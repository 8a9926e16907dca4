/* image_list.c: Lists of the images in a folder, in an order that does not depend on the file system. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/image_list.h"

#include <stdlib.h>
#include <strings.h>
#include "hosted/data/image.h"
#include "hosted/data/sound.h"

enum { DEPTH_MOST = 8 }; /* maximum depth of nested folders */

/* Files that operating systems create in folders. Hidden files are not listed at all. */
static bool is_litter(const char *name) {
  static const char *const litter[] = {"Thumbs.db", "ehthumbs.db", "desktop.ini", "Icon\r"};
  for (size_t i = 0; i < sizeof litter / sizeof *litter; i++)
    if (strcasecmp(name, litter[i]) == 0) return true;
  return false;
}

/* The next two functions take ownership of the path. */
static bool add_picture(cnn_image_list *pictures, char *path, const Entry *entry, bool linked) {
  if ((pictures->count & (pictures->count - 1)) == 0) { /* full at counts 0, 1, 2, 4 ... */
    size_t room = (size_t)(pictures->count ? 2 * pictures->count : 1);
    cnn_picture *moved = realloc(pictures->picture, sizeof *moved * room);
    if (!moved) {
      free(path);
      return false;
    }
    pictures->picture = moved;
  }
  pictures->picture[pictures->count++] = (cnn_picture){path, entry->identity, linked || entry->linked, false};
  return true;
}

static void add_skipped(cnn_skipped *skipped, char *path) {
  if (skipped->count++ == 0) skipped->first = path;
  else free(path);
}

void cnn_skipped_add(cnn_skipped *all, cnn_skipped *some) {
  all->count += some->count;
  if (all->first || some->count == 0) return;
  all->first = some->first;
  some->first = NULL;
}

/* Folders that were entered through a link. Such a folder is entered only once, because links among folders
 * could otherwise form an unlimited number of paths. */
typedef struct Entered {
  cnn_identity *folder;
  int64_t count;
} Entered;

static bool same(cnn_identity a, cnn_identity b) { return a.device == b.device && a.node == b.node; }

static bool entered_before(const Entered *entered, cnn_identity folder) {
  for (int64_t i = 0; i < entered->count; i++)
    if (same(entered->folder[i], folder)) return true;
  return false;
}

static bool enter(Entered *entered, cnn_identity folder) {
  cnn_identity *moved = realloc(entered->folder, sizeof *moved * (size_t)(entered->count + 1));
  if (!moved) return false;
  entered->folder = moved;
  moved[entered->count++] = folder;
  return true;
}

static cnn_status collect(cnn_image_list *pictures, Entered *entered, const char *directory, bool linked,
                          int depth);

/* Lists a nested folder; takes ownership of the path. */
static cnn_status collect_below(cnn_image_list *pictures, Entered *entered, char *path, const Entry *entry,
                                bool linked, int depth) {
  const bool by_link = linked || entry->linked;
  if (by_link && (entered_before(entered, entry->identity) || (entry->linked && cnn_leads_back(path)))) {
    add_skipped(&pictures->again, path);
    return cnn_success();
  }
  cnn_status status = cnn_success();
  if (by_link && !enter(entered, entry->identity))
    status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  if (status.code == CNN_OK && depth < DEPTH_MOST)
    status = collect(pictures, entered, path, by_link, depth + 1);
  free(path);
  return status;
}

static cnn_status collect(cnn_image_list *pictures, Entered *entered, const char *directory, bool linked,
                          int depth) {
  Listing listing;
  cnn_status status = cnn_listing_read(&listing, directory);
  for (int32_t i = 0; i < listing.count && status.code == CNN_OK; i++) {
    const Entry *entry = &listing.entry[i];
    if (is_litter(entry->name)) continue;
    char *path = cnn_path_join(directory, entry->name);
    bool memory = path != NULL;
    if (memory && entry->directory) {
      status = collect_below(pictures, entered, path, entry, linked, depth);
    } else if (memory &&
               (cnn_image_named(entry->name) || (pictures->sounds && cnn_sound_named(entry->name)))) {
      memory = add_picture(pictures, path, entry, linked);
    } else if (memory) {
      add_skipped(&pictures->skipped, path);
    }
    if (!memory) status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", directory);
  }
  cnn_listing_free(&listing);
  return status;
}

static cnn_status collect_all(cnn_image_list *pictures, const char *directory, bool linked, bool sounds) {
  *pictures = (cnn_image_list){.sounds = sounds};
  if (linked && cnn_leads_back(directory)) {
    add_skipped(&pictures->again, cnn_path_join("", directory));
    return cnn_success();
  }
  Entered entered = {0};
  cnn_status status = collect(pictures, &entered, directory, linked, 0);
  free(entered.folder);
  if (status.code != CNN_OK) cnn_image_list_free(pictures);
  return status;
}

cnn_status cnn_image_list_collect(cnn_image_list *pictures, const char *directory, bool linked) {
  return collect_all(pictures, directory, linked, false);
}

cnn_status cnn_sounds_collect(cnn_image_list *sounds, const char *directory, bool linked) {
  return collect_all(sounds, directory, linked, true);
}

void cnn_image_list_free(cnn_image_list *pictures) {
  for (int64_t i = 0; i < pictures->count; i++) free(pictures->picture[i].path);
  free(pictures->picture);
  free(pictures->skipped.first);
  free(pictures->again.first);
  *pictures = (cnn_image_list){0};
}

/* ---- images of all folders, each file once */

static void folder_free(const cnn_folder *folder) {
  free(folder->images);
  free(folder->beside);
}

cnn_status cnn_gathered_add(cnn_gathered *gathered, cnn_image_list *pictures, cnn_folder folder) {
  const size_t room = (size_t)gathered->count + 1;
  cnn_image_list *lists = realloc(gathered->pictures, sizeof *lists * room);
  if (lists) gathered->pictures = lists;
  cnn_folder *folders = realloc(gathered->folder, sizeof *folders * room);
  if (folders) gathered->folder = folders;
  if (!lists || !folders) {
    cnn_image_list_free(pictures);
    folder_free(&folder);
    return cnn_failure(CNN_NO_MEMORY, "out of memory");
  }
  lists[gathered->count] = *pictures;
  folders[gathered->count++] = folder;
  *pictures = (cnn_image_list){0};
  return cnn_success();
}

cnn_status cnn_folders_gather(cnn_gathered *gathered, int pool, char *images, char *beside, bool linked) {
  cnn_image_list pictures = {0};
  cnn_status status = images && beside ? cnn_image_list_collect(&pictures, images, linked)
                                       : cnn_failure(CNN_NO_MEMORY, "out of memory");
  const cnn_folder folder = {.pool = pool, .images = images, .beside = beside};
  if (status.code == CNN_OK) return cnn_gathered_add(gathered, &pictures, folder);
  folder_free(&folder);
  return status;
}

void cnn_gathered_free(cnn_gathered *gathered) {
  for (int32_t k = 0; k < gathered->count; k++) {
    cnn_image_list_free(&gathered->pictures[k]);
    folder_free(&gathered->folder[k]);
  }
  free(gathered->pictures);
  free(gathered->folder);
  free(gathered->again.first);
  *gathered = (cnn_gathered){0};
}

/* An image of one of the lists. */
typedef struct Seen {
  cnn_picture *picture;
  int64_t turn; /* index of the image, counted over all lists */
} Seen;

/* Orders paths so that all paths of a file are adjacent; a file's paths without links precede its other
 * paths. */
static int seen_order(const void *a, const void *b) {
  const Seen *x = a, *y = b;
  const cnn_picture *p = x->picture, *q = y->picture;
  if (p->identity.device != q->identity.device) return p->identity.device < q->identity.device ? -1 : 1;
  if (p->identity.node != q->identity.node) return p->identity.node < q->identity.node ? -1 : 1;
  if (p->linked != q->linked) return p->linked ? 1 : -1;
  return (x->turn > y->turn) - (x->turn < y->turn);
}

cnn_status cnn_gathered_once(cnn_gathered *gathered) {
  cnn_image_list *list = gathered->pictures;
  int64_t all = 0, linked = 0;
  for (int32_t k = 0; k < gathered->count; k++) {
    for (int64_t i = 0; i < list[k].count; i++) linked += list[k].picture[i].linked;
    all += list[k].count;
    cnn_skipped_add(&gathered->again, &list[k].again);
  }
  if (linked == 0) return cnn_success();
  Seen *seen = malloc(sizeof *seen * (size_t)all);
  if (!seen) return cnn_failure(CNN_NO_MEMORY, "out of memory");
  for (int64_t k = 0, n = 0; k < gathered->count; k++)
    for (int64_t i = 0; i < list[k].count; i++, n++) seen[n] = (Seen){&list[k].picture[i], n};
  qsort(seen, (size_t)all, sizeof *seen, seen_order);
  for (int64_t i = 1; i < all; i++) {
    cnn_picture *picture = seen[i].picture;
    picture->again = picture->linked && same(picture->identity, seen[i - 1].picture->identity);
  }
  free(seen);
  for (int32_t k = 0; k < gathered->count; k++)
    for (int64_t i = 0; i < list[k].count; i++)
      if (list[k].picture[i].again) add_skipped(&gathered->again, cnn_path_join("", list[k].picture[i].path));
  return cnn_success();
}

/* ---- notes */

void cnn_again_note(cnn_data *data, const cnn_skipped *again) {
  if (again->count > 0)
    cnn_data_note(data,
                  "skipped %lld path%s that were already read through another symbolic link (first: %s)",
                  (long long)again->count, again->count == 1 ? "" : "s", again->first ? again->first : "");
}

void cnn_bad_note(cnn_data *data, int64_t count, const char *first) {
  if (count > 0)
    cnn_data_note(data, "skipped %lld unusable %s%s (first: %s)", (long long)count, data->file_kind,
                  count == 1 ? "" : "s", first);
}
