/* folders.h: Data set of class folders: types and functions shared by data_folders.c and data_sounds.c. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_FOLDERS_H
#define CNN_FOLDERS_H
#include <stdatomic.h>
#include "hosted/data/noise.h"
#include "hosted/data/image_list.h"

typedef struct Picture {
  char *path;
  int32_t folder;
  int32_t turn;    /* index of the file in its folder */
  int32_t silence; /* 0, or 1 + the number of the background recording from which the sample is cut */
  double place;    /* for silence: position of the cut in validation and tests, 0 to 1 */
} Picture;
typedef struct Kept {
  unsigned char *input;
  atomic_uchar *state;
  int64_t count;
} Kept; /* cache: the pool's first samples as net inputs */
typedef struct Pool {
  Picture *picture;
  int64_t count;
  Kept kept;
  bool there; /* the set has a folder for this part */
} Pool;
typedef struct Folders {
  Pool pool[POOLS];
  int32_t *class_of; /* [folder] */
  char **name;       /* composed names: see unicode.h */
  uint8_t *pools;    /* [folder]: a bit for each pool that has the folder */
  int32_t names;
  bool parts;                /* the class folders are inside part folders */
  cnn_gathered gathered;     /* only used while the set is being opened */
  cnn_skipped skipped;       /* files in class folders that are neither images nor, for a sequence input, WAV
                                files */
  cnn_skipped loose;         /* images outside class folders */
  bool all_kept;             /* the cache has room for all training and validation samples */
  cnn_image_list background; /* files of _background_noise_ */
  cnn_noise noise;
  cnn_noise_bad bad_noise; /* recordings that --skip-bad skipped */
} Folders;

/* Takes ownership of the name. False: out of memory; the caller still owns the name. */
bool cnn_folders_name_add(Folders *set, char *name);

/* ---- sounds: conventions of the Speech Commands data set */

/* Whether this is the name of a folder of background recordings. */
bool cnn_sounds_background(const char *name);
/* Adds the WAV files of a folder of background recordings. */
cnn_status cnn_sounds_background_add(Folders *set, const char *path, bool linked);
/* Moves the files listed in validation_list.txt from the training samples to the validation samples, and
 * those listed in testing_list.txt to the test samples. */
cnn_status cnn_sounds_lists(cnn_data *data, Folders *set);
/* Reads the background recordings, if they are needed. Adds a folder for the label "silence", if the net has
 * this label and the set has no such folder. */
cnn_status cnn_sounds_noise_open(cnn_data *data, Folders *set);
/* Adds samples of silence to each pool. Their number is the mean number of samples per class of this pool. */
cnn_status cnn_sounds_silence_add(cnn_data *data, Folders *set);
#endif
