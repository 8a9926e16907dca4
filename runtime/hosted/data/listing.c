/* listing.c: what is in a directory, in an order that does not depend on the file system. */
// SPDX-License-Identifier: MIT-0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "hosted/data/dataset.h"

char *cnn_path_join(const char *directory, const char *name) {
  size_t n = strlen(directory), m = strlen(name);
  char *path = malloc(n + m + 2);
  if (!path) return NULL;
  memcpy(path, directory, n);
  if (n > 0 && directory[n - 1] != '/') path[n++] = '/';
  memcpy(path + n, name, m + 1);
  return path;
}

static int entry_order(const void *a, const void *b) {
  return strcmp(((const Entry *)a)->name, ((const Entry *)b)->name);
}

static bool listing_add(Listing *listing, const char *name) {
  if ((listing->count & (listing->count - 1)) == 0) { /* room doubles at each power of two */
    Entry *moved = realloc(listing->entry, sizeof *moved * (size_t)(listing->count ? 2 * listing->count : 1));
    if (!moved) return false;
    listing->entry = moved;
  }
  struct stat about;
  char *path = cnn_path_join(listing->path, name), *copy = cnn_path_join("", name);
  if (path && copy)
    listing->entry[listing->count++] = (Entry){copy, stat(path, &about) == 0 && S_ISDIR(about.st_mode)};
  else free(copy);
  free(path);
  return path && copy;
}

cnn_status cnn_listing_read(Listing *listing, const char *path) {
  *listing = (Listing){.path = path};
  DIR *directory = opendir(path);
  if (!directory) return cnn_failure(CNN_BAD_FILE, "%s: cannot be opened: %s", path, strerror(errno));
  bool memory = true;
  for (struct dirent *entry; memory && (entry = readdir(directory));)
    if (entry->d_name[0] != '.' && strcmp(entry->d_name, "__MACOSX") != 0)
      memory = listing_add(listing, entry->d_name);
  closedir(directory);
  if (!memory) {
    cnn_listing_free(listing);
    return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  }
  if (listing->count > 0) qsort(listing->entry, (size_t)listing->count, sizeof *listing->entry, entry_order);
  return cnn_success();
}

void cnn_listing_free(Listing *listing) {
  for (int32_t i = 0; i < listing->count; i++) free(listing->entry[i].name);
  free(listing->entry);
  *listing = (Listing){0};
}

const Entry *cnn_listing_find(const Listing *listing, const char *name) {
  for (int32_t i = 0; i < listing->count; i++)
    if (strcmp(listing->entry[i].name, name) == 0) return &listing->entry[i];
  return NULL;
}

bool cnn_listing_folder(const Listing *listing, const char *name) {
  const Entry *entry = cnn_listing_find(listing, name);
  return entry && entry->directory;
}

bool cnn_file_there(const char *path) {
  struct stat about;
  return stat(path, &about) == 0 && S_ISREG(about.st_mode);
}
