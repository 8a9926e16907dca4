/* data_masks.c: Data sets of images, each with a mask of its pixel classes. There are two layouts: images/
 * and masks/ with equal file stems, in the directory itself or in train/, val/ and test/; or Pascal VOC's
 * JPEGImages/, SegmentationClass/ and ImageSets/Segmentation/. The value of a mask pixel is its class; 255:
 * the pixel is ignored. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/base/file.h"
#include "hosted/data/image.h"
#include "hosted/data/image_list.h"
#include "hosted/data/pixels.h"

enum { IGNORED = 255 };

typedef struct Pair {
  char *image, *mask;
} Pair;
typedef struct Pairs {
  Pair *pair;
  int64_t count;
} Pairs;
typedef struct Masks {
  Pairs pool[POOLS];
  cnn_gathered gathered; /* only used while the set is being opened */
  int64_t left_out;      /* number of pairs that --skip-bad dropped; first: error of the first dropped pair */
  char first[300];
} Masks;

/* ---- A sample */

static cnn_status classes_check(const cnn_data *data, const Pair *pair, const cnn_image *mask) {
  const int64_t limit = data->options.any_target ? 0 : cnn_pixels_limit(data);
  for (int64_t i = 0; limit > 0 && i < (int64_t)mask->height * mask->width; i++) {
    if (mask->pixel[i] == IGNORED || mask->pixel[i] < limit) continue;
    return cnn_failure(
        CNN_MISMATCH,
        "%s: the class of row %lld, column %lld is %d, but the net has only %lld classes (255 is ignored)",
        pair->mask, (long long)(i / mask->width), (long long)(i % mask->width), mask->pixel[i],
        (long long)limit);
  }
  return cnn_success();
}

static cnn_status pair_open(const cnn_data *data, const Pair *pair, cnn_image *image, cnn_image *mask) {
  *mask = (cnn_image){0};
  cnn_status status = cnn_image_read(image, pair->image);
  if (status.code == CNN_OK) status = cnn_image_read_classes(mask, pair->mask);
  if (status.code == CNN_OK && (image->height != mask->height || image->width != mask->width))
    status = cnn_failure(CNN_MISMATCH, "%s: the mask is %dx%d (height x width), but its image %s is %dx%d",
                         pair->mask, mask->height, mask->width, pair->image, image->height, image->width);
  if (status.code == CNN_OK) status = classes_check(data, pair, mask);
  if (status.code == CNN_OK) return status;
  cnn_image_free(image);
  cnn_image_free(mask);
  return status;
}

static cnn_status masks_truth(const cnn_data *data, int pool, int64_t index, cnn_image *image,
                              cnn_truth *truth) {
  const Masks *set = data->set;
  cnn_image mask;
  cnn_status status = pair_open(data, &set->pool[pool].pair[index], image, &mask);
  if (status.code != CNN_OK) return status;
  const int64_t n = (int64_t)mask.height * mask.width;
  *truth =
      (cnn_truth){.width = mask.width, .height = mask.height, .pixels = malloc(sizeof(int32_t) * (size_t)n)};
  for (int64_t i = 0; truth->pixels && i < n; i++)
    truth->pixels[i] = mask.pixel[i] == IGNORED ? -1 : mask.pixel[i];
  cnn_image_free(&mask);
  if (truth->pixels) return status;
  cnn_image_free(image);
  return cnn_data_no_memory(data);
}

static cnn_status masks_read(const cnn_data *data, int pool, int64_t index, void *const input[],
                             void *const target[]) {
  const Masks *set = data->set;
  cnn_image image;
  cnn_truth truth;
  cnn_status status = masks_truth(data, pool, index, &image, &truth);
  if (status.code != CNN_OK) return status;
  status = cnn_image_feed(&image, &data->network->input[0], data->options.fit, input[0]);
  cnn_pixels_store(data, truth.pixels, truth.height, truth.width, target);
  cnn_image_free(&image);
  free(truth.pixels);
  if (status.code == CNN_OK) return status;
  return cnn_failure(status.code, "%s: %s", set->pool[pool].pair[index].image, status.message);
}

static cnn_status masks_inspect(const cnn_data *data, int pool, int64_t index, void *input) {
  return masks_read(data, pool, index, (void *[]){input}, NULL);
}

static void masks_files(const cnn_data *data, cnn_each_file *each, void *context) {
  const Masks *set = data->set;
  for (int p = 0; p < POOLS; p++)
    for (int64_t i = 0; i < set->pool[p].count; i++) {
      each(context, set->pool[p].pair[i].image);
      each(context, set->pool[p].pair[i].mask);
    }
}

static bool masks_takes(const cnn_data *data, const char *below) {
  (void)data;
  return below[0] != '.' && !strstr(below, "/.") && strchr(below, '/') && cnn_image_named(below);
}

static void pair_free(const Pair *pair) {
  free(pair->image);
  free(pair->mask);
}

static void masks_close(cnn_data *data) {
  Masks *set = data->set;
  for (int p = 0; p < POOLS; p++) {
    for (int64_t i = 0; i < set->pool[p].count; i++) pair_free(&set->pool[p].pair[i]);
    free(set->pool[p].pair);
  }
  cnn_gathered_free(&set->gathered);
  free(set);
}

static const DataKind masks = {masks_read,    NULL,        masks_close, NULL, masks_files,
                               masks_inspect, masks_takes, masks_truth, NULL};

/* ---- Pairs */

/* Adds a pair; the set takes ownership of both paths. */
static cnn_status pair_add(const cnn_data *data, Pairs *pairs, Pair pair) {
  if ((pairs->count & (pairs->count - 1)) == 0) { /* full at counts 0, 1, 2, 4 ... */
    Pair *moved = realloc(pairs->pair, sizeof *moved * (size_t)(pairs->count ? 2 * pairs->count : 1));
    if (!moved) {
      pair_free(&pair);
      return cnn_data_no_memory(data);
    }
    pairs->pair = moved;
  }
  pairs->pair[pairs->count++] = pair;
  return cnn_success();
}

/* directory/stem.png, from malloc. */
static char *mask_path(const char *directory, const char *stem, size_t n) {
  char *name = malloc(n + sizeof ".png");
  if (!name) return NULL;
  memcpy(name, stem, n);
  memcpy(name + n, ".png", sizeof ".png");
  char *path = cnn_path_join(directory, name);
  free(name);
  return path;
}

/* Adds an image and the mask with the same stem. With --skip-bad, a pair with an error is dropped and
 * counted. */
static cnn_status pair_take(cnn_data *data, Masks *set, int pool, Pair pair) {
  cnn_status status = cnn_success();
  if (!pair.image || !pair.mask) status = cnn_data_no_memory(data);
  else if (!cnn_file_there(pair.mask))
    status = cnn_failure(CNN_MISMATCH, "%s: this image has no mask: the file %s does not exist", pair.image,
                         pair.mask);
  else if (data->options.skip_bad) {
    cnn_image image, mask;
    status = pair_open(data, &pair, &image, &mask);
    if (status.code == CNN_OK) {
      cnn_image_free(&image);
      cnn_image_free(&mask);
    }
  }
  if (status.code == CNN_OK) return pair_add(data, &set->pool[pool], pair);
  pair_free(&pair);
  if (!data->options.skip_bad || status.code == CNN_NO_MEMORY) return status;
  if (set->left_out++ == 0) snprintf(set->first, sizeof set->first, "%.299s", status.message);
  return cnn_success();
}

static cnn_status folder_pair(cnn_data *data, Masks *set, const cnn_image_list *pictures,
                              const cnn_folder *folder) {
  cnn_status status = cnn_success();
  const size_t above = strlen(folder->images) + 1;
  for (int64_t i = 0; i < pictures->count && status.code == CNN_OK; i++) {
    if (pictures->picture[i].again) continue;
    const char *path = pictures->picture[i].path, *below = path + above, *dot = strrchr(below, '.');
    Pair pair = {cnn_path_join("", path), mask_path(folder->beside, below, (size_t)(dot - below))};
    status = pair_take(data, set, folder->pool, pair);
  }
  return status;
}

/* Pairs each image with its mask, in all folders; each image is used once. */
static cnn_status folders_pair(cnn_data *data, Masks *set) {
  cnn_gathered *all = &set->gathered;
  cnn_status status = cnn_gathered_once(all);
  for (int32_t k = 0; k < all->count && status.code == CNN_OK; k++)
    status = folder_pair(data, set, &all->pictures[k], &all->folder[k]);
  cnn_again_note(data, &all->again);
  cnn_gathered_free(all);
  return status;
}

/* Gathers the images in images/ of a directory; their masks are in masks/. Sets *there to whether both
 * folders exist. */
static cnn_status directory_gather(Masks *set, int pool, const char *path, bool linked, bool *there) {
  Listing listing;
  cnn_status status = cnn_listing_read(&listing, path);
  *there = status.code == CNN_OK && cnn_listing_folder(&listing, "images") &&
           cnn_listing_folder(&listing, "masks");
  if (*there) {
    status = cnn_folders_gather(&set->gathered, pool, cnn_path_join(path, "images"),
                                cnn_path_join(path, "masks"), linked);
  }
  cnn_listing_free(&listing);
  return status;
}

/* ---- Pascal VOC */

static cnn_status voc_names_take(cnn_data *data, Masks *set, int pool, char *names) {
  char *images = cnn_path_join(data->path, "JPEGImages"),
       *beside = cnn_path_join(data->path, "SegmentationClass");
  cnn_status status = images && beside ? cnn_success() : cnn_data_no_memory(data);
  for (char *name = names; *name && status.code == CNN_OK;) {
    const size_t n = strcspn(name, "\r\n \t");
    const char end = name[n];
    name[n] = 0;
    if (!cnn_path_stays(name)) {
      status = cnn_failure(CNN_MISMATCH, "%s: the name '%.200s' in ImageSets is outside of the set",
                           data->path, name);
    } else if (n > 0) {
      char file[256];
      snprintf(file, sizeof file, "%.200s.jpg", name);
      status = pair_take(data, set, pool, (Pair){cnn_path_join(images, file), mask_path(beside, name, n)});
    }
    name += n + (end != 0);
  }
  free(images);
  free(beside);
  return status;
}

/* Reads the names in ImageSets/Segmentation/PART.txt; a part without that file is empty. */
static cnn_status voc_part(cnn_data *data, Masks *set, int pool, const char *part) {
  char below[64];
  snprintf(below, sizeof below, "ImageSets/Segmentation/%s.txt", part);
  char *path = cnn_path_join(data->path, below);
  if (!path) return cnn_data_no_memory(data);
  char *names = NULL;
  size_t n = 0;
  cnn_status status = cnn_file_there(path) ? cnn_text_read(path, &names, &n) : cnn_success();
  free(path);
  if (names) status = voc_names_take(data, set, pool, names);
  free(names);
  return status;
}

static cnn_status voc_take(cnn_data *data, Masks *set) {
  cnn_status status = voc_part(data, set, POOL_TRAIN, "train");
  if (status.code == CNN_OK) status = voc_part(data, set, POOL_VAL, "val");
  if (status.code == CNN_OK) status = voc_part(data, set, POOL_TEST, "test");
  return status;
}

/* ---- Opening */

static cnn_status parts_take(cnn_data *data, Masks *set, const Listing *listing, bool *ours) {
  if (cnn_listing_folder(listing, "JPEGImages") && cnn_listing_folder(listing, "SegmentationClass")) {
    *ours = true;
    return voc_take(data, set);
  }
  cnn_status status = directory_gather(set, POOL_TRAIN, data->path, false, ours);
  for (int32_t i = 0; i < listing->count && status.code == CNN_OK && !cnn_listing_folder(listing, "images");
       i++) {
    const int pool = listing->entry[i].directory ? cnn_data_part_of(listing->entry[i].name) : POOLS;
    if (pool == POOLS) continue;
    bool there = false;
    char *path = cnn_path_join(data->path, listing->entry[i].name);
    status =
        path ? directory_gather(set, pool, path, listing->entry[i].linked, &there) : cnn_data_no_memory(data);
    *ours = *ours || there;
    free(path);
  }
  return status.code == CNN_OK ? folders_pair(data, set) : status;
}

cnn_status cnn_data_open_masks(cnn_data *data, const Listing *listing) {
  Masks *set = calloc(1, sizeof *set);
  if (!set) return cnn_data_no_memory(data);
  data->kind = &masks; /* from here on, closing `data` closes this set */
  data->set = set;
  data->title = "images with masks";
  bool ours = false;
  cnn_status status = parts_take(data, set, listing, &ours);
  if (!ours) { /* not a set of this kind */
    masks_close(data);
    data->kind = NULL;
    data->set = NULL;
    return status;
  }
  data->pixels = true;
  int64_t pairs = 0;
  for (int p = 0; p < POOLS; p++) pairs += data->pool[p] = set->pool[p].count;
  if (status.code == CNN_OK && pairs == 0)
    status = cnn_failure(CNN_MISMATCH, "%s: contains no image with a mask%s%s", data->path,
                         set->left_out ? "; the first that was skipped: " : "", set->first);
  if (status.code == CNN_OK && data->network->inputs != 1)
    status = cnn_failure(CNN_MISMATCH, "%s: an image is a single input, but the net has %d", data->path,
                         (int)data->network->inputs);
  if (status.code == CNN_OK) status = cnn_image_fits(data->path, 0, 0, 3, &data->network->input[0]);
  if (status.code == CNN_OK) status = cnn_pixels_fit(data, data->path);
  cnn_bad_note(data, set->left_out, set->first);
  return status;
}
