/* pictures.c: the pictures in a folder, in an order that does not depend on the file system. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/pictures.h"

#include <stdlib.h>
#include <strings.h>
#include "hosted/data/dataset.h"
#include "hosted/data/image.h"

enum { DEPTH_MOST = 8 }; /* of folders in folders; links may go in circles */

/* What systems leave in folders unasked. Names that begin with a dot are not listed at all. */
static bool is_litter(const char *name) {
  static const char *const litter[] = {"Thumbs.db", "ehthumbs.db", "desktop.ini", "Icon\r"};
  for (size_t i = 0; i < sizeof litter / sizeof *litter; i++)
    if (strcasecmp(name, litter[i]) == 0) return true;
  return false;
}

/* Both take the path over. */
static bool add_picture(cnn_pictures *pictures, char *path) {
  if ((pictures->count & (pictures->count - 1)) == 0) { /* room doubles at each power of two */
    size_t room = (size_t)(pictures->count ? 2 * pictures->count : 1);
    char **moved = realloc(pictures->path, sizeof *moved * room);
    if (!moved) {
      free(path);
      return false;
    }
    pictures->path = moved;
  }
  pictures->path[pictures->count++] = path;
  return true;
}

static void add_skipped(cnn_skipped *skipped, char *path) {
  if (skipped->count++ == 0) skipped->first = path;
  else free(path);
}

static cnn_status collect(cnn_pictures *pictures, const char *directory, int depth) {
  Listing listing;
  cnn_status status = cnn_listing_read(&listing, directory);
  for (int32_t i = 0; i < listing.count && status.code == CNN_OK; i++) {
    const Entry *entry = &listing.entry[i];
    if (is_litter(entry->name)) continue;
    char *path = cnn_path_join(directory, entry->name);
    bool memory = path != NULL;
    if (memory && entry->directory) {
      if (depth < DEPTH_MOST) status = collect(pictures, path, depth + 1);
      free(path);
    } else if (memory && cnn_image_named(entry->name)) {
      memory = add_picture(pictures, path);
    } else if (memory) {
      add_skipped(&pictures->skipped, path);
    }
    if (!memory) status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", directory);
  }
  cnn_listing_free(&listing);
  return status;
}

cnn_status cnn_pictures_collect(cnn_pictures *pictures, const char *directory) {
  *pictures = (cnn_pictures){0};
  cnn_status status = collect(pictures, directory, 0);
  if (status.code != CNN_OK) cnn_pictures_free(pictures);
  return status;
}

void cnn_pictures_free(cnn_pictures *pictures) {
  for (int64_t i = 0; i < pictures->count; i++) free(pictures->path[i]);
  free(pictures->path);
  free(pictures->skipped.first);
  *pictures = (cnn_pictures){0};
}
