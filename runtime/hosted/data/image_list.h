/* image_list.h: Lists of the images in a folder. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_IMAGE_LIST_H
#define CNN_IMAGE_LIST_H
#include "hosted/data/dataset.h"

/* Number of skipped files, and the path of the first. */
typedef struct cnn_skipped {
  int64_t count;
  char *first;
} cnn_skipped;
typedef struct cnn_picture {
  char *path;
  cnn_identity identity;
  bool linked; /* the path contains a symbolic link */
  bool again;  /* skip this path: another path leads to the same image; see cnn_gathered_once */
} cnn_picture;
typedef struct cnn_image_list {
  int64_t count;
  cnn_picture *picture;
  cnn_skipped skipped; /* files that are neither images nor, with `sounds`, WAV files */
  cnn_skipped again;   /* links that lead back to a parent folder, or to a folder already read */
  bool sounds;         /* WAV files are listed as well */
} cnn_image_list;

/* Lists all images in a folder and its subfolders, up to eight levels deep, sorted by name. `linked`: the
 * folder itself was reached through a link of the set. After an error the list is empty. */
cnn_status cnn_image_list_collect(cnn_image_list *pictures, const char *directory, bool linked);
/* Like cnn_image_list_collect, but also lists WAV files. */
cnn_status cnn_sounds_collect(cnn_image_list *sounds, const char *directory, bool linked);
/* Adds the count of `some` to `all`. If `all` has no first path, moves the first path of `some` to `all`. */
void cnn_skipped_add(cnn_skipped *all, cnn_skipped *some);

/* A folder of images of a set that is being opened. */
typedef struct cnn_folder {
  int pool;
  int32_t class;         /* the set's number for the folder; 0 if folders are not classes */
  char *images, *beside; /* paths of the image folder and of the annotation folder; from malloc, or NULL */
} cnn_folder;
/* The images of all folders of the set. */
typedef struct cnn_gathered {
  cnn_image_list *pictures; /* [count]: the images of each folder */
  cnn_folder *folder;       /* [count] */
  int32_t count;
  cnn_skipped again;
} cnn_gathered;

/* Takes ownership of the images and the folder's paths, even after an error. */
cnn_status cnn_gathered_add(cnn_gathered *gathered, cnn_image_list *pictures, cnn_folder folder);
/* Gathers the images of a folder whose annotations are in another folder. The paths are from malloc, or NULL
 * if out of memory; the function takes ownership of them. */
cnn_status cnn_folders_gather(cnn_gathered *gathered, int pool, char *images, char *beside, bool linked);
/* Marks an image that is reached through a link if the set also contains the image under another path. So
 * each file is read once, under a path without links if there is one. gathered->again counts the marked
 * images and the links that the lists count in `again`. */
cnn_status cnn_gathered_once(cnn_gathered *gathered);
void cnn_gathered_free(cnn_gathered *gathered);

/* Adds notes on files that are reached twice, and on unusable files that --skip-bad drops. */
void cnn_again_note(cnn_data *data, const cnn_skipped *again);
void cnn_bad_note(cnn_data *data, int64_t count, const char *first);
void cnn_image_list_free(cnn_image_list *pictures);
#endif
