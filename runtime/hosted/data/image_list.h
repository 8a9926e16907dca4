/* image_list.h: lists of the images in a folder. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_IMAGE_LIST_H
#define CNN_IMAGE_LIST_H
#include "hosted/data/dataset.h"

/* Files that are left out, and the path of the first. */
typedef struct cnn_skipped {
  int64_t count;
  char *first;
} cnn_skipped;
typedef struct cnn_picture {
  char *path;
  cnn_identity identity;
  bool linked; /* a symbolic link is on the way to it */
  bool again;  /* it is in the set by another path: see cnn_gathered_once */
} cnn_picture;
typedef struct cnn_image_list {
  int64_t count;
  cnn_picture *picture;
  cnn_skipped skipped; /* no images */
  cnn_skipped again;   /* links that lead back to a folder above them, or to a folder that was read */
  bool sounds;         /* WAV files count as well */
} cnn_image_list;

/* All images in a folder and its subfolders, sorted by name. `linked`: the folder itself was reached
 * through a link of the set. After an error the list is empty. */
cnn_status cnn_image_list_collect(cnn_image_list *pictures, const char *directory, bool linked);
/* The same, with WAV files. */
cnn_status cnn_sounds_collect(cnn_image_list *sounds, const char *directory, bool linked);
/* Adds some to all. */
void cnn_skipped_add(cnn_skipped *all, cnn_skipped *some);

/* The images of all folders of a set, while it is opened. */
typedef struct cnn_folder {
  int pool;
  int32_t class;         /* the set's number for the folder; 0 where folders are no classes */
  char *images, *beside; /* from malloc, or NULL: the folder, and that of its annotations */
} cnn_folder;
typedef struct cnn_gathered {
  cnn_image_list *pictures; /* [count] by folder */
  cnn_folder *folder;       /* [count] */
  int32_t count;
  cnn_skipped again;
} cnn_gathered;

/* Takes ownership of the images and the folder's paths, even after an error. */
cnn_status cnn_gathered_add(cnn_gathered *gathered, cnn_image_list *pictures, cnn_folder folder);
/* The images of a folder whose annotations are in another; the paths are from malloc, NULL where there was
 * no memory, and taken over. */
cnn_status cnn_folders_gather(cnn_gathered *gathered, int pool, char *images, char *beside, bool linked);
/* Marks images that a link leads to, and that are there already: each file is read once, by its own path
 * where there is one. Counts them, and those of the lists, in `again`. */
cnn_status cnn_gathered_once(cnn_gathered *gathered);
void cnn_gathered_free(cnn_gathered *gathered);

/* Notes on files that are reached twice, and on unusable ones that --skip-bad leaves out. */
void cnn_again_note(cnn_data *data, const cnn_skipped *again);
void cnn_bad_note(cnn_data *data, int64_t count, const char *first);
void cnn_image_list_free(cnn_image_list *pictures);
#endif
