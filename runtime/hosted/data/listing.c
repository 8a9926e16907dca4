/* listing.c: Contents of a directory, in an order that does not depend on the file system. */
// SPDX-License-Identifier: MIT-0
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700 /* realpath */
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

bool cnn_path_stays(const char *path) {
  int64_t depth = 0;
  if (*path == '/') return false;
  while (*path && depth >= 0) {
    const size_t n = strcspn(path, "/");
    if (n == 2 && memcmp(path, "..", 2) == 0) depth--;
    else if (n > 0 && !(n == 1 && *path == '.')) depth++;
    path += n;
    path += *path == '/';
  }
  return depth >= 0;
}

static int entry_order(const void *a, const void *b) {
  return strcmp(((const Entry *)a)->name, ((const Entry *)b)->name);
}

static bool listing_add(Listing *listing, const char *name) {
  if ((listing->count & (listing->count - 1)) == 0) { /* full at counts 0, 1, 2, 4 ... */
    Entry *moved = realloc(listing->entry, sizeof *moved * (size_t)(listing->count ? 2 * listing->count : 1));
    if (!moved) return false;
    listing->entry = moved;
  }
  struct stat about = {0}, target;
  char *path = cnn_path_join(listing->path, name), *copy = cnn_path_join("", name);
  if (path && copy) {
    const bool linked = lstat(path, &about) == 0 && S_ISLNK(about.st_mode);
    if (linked && stat(path, &target) == 0) about = target;
    listing->entry[listing->count++] =
        (Entry){copy, S_ISDIR(about.st_mode), linked, {(uint64_t)about.st_dev, (uint64_t)about.st_ino}};
  } else {
    free(copy);
  }
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

bool cnn_leads_back(const char *link) {
  const char *slash = strrchr(link, '/');
  char *parent = cnn_path_join("", slash ? link : ".");
  if (parent && slash) parent[slash == link ? 1 : slash - link] = 0;
  char *target = realpath(link, NULL), *folder = parent ? realpath(parent, NULL) : NULL;
  const size_t n = target ? strlen(target) : 0;
  const bool back = target && folder && strncmp(target, folder, n) == 0 &&
                    (folder[n] == '/' || folder[n] == 0 || strcmp(target, "/") == 0);
  free(parent);
  free(target);
  free(folder);
  return back;
}
