/* batch.h: Batches of samples in the net's format, and the threads that prepare the next batches during a
 * step. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_BATCH_H
#define CNN_BATCH_H
#include "cnn.h"
#include "hosted/data/truth.h"

/* input[inputs]; target[cnn_ports + 1]. The last target is the annotation record. Unused targets are NULL. */
typedef struct cnn_parts {
  void **input, **target;
} cnn_parts;

typedef struct cnn_batch {
  const cnn_network *network;
  int32_t capacity, count;
  void **input, **target; /* like cnn_parts, for all samples of the batch */
} cnn_batch;

/* Reads samples into batches; several readers may fill the same batch concurrently. */
typedef struct cnn_reader {
  const cnn_network *network;
  /* raw: a sample before augmentation; own: the same sample after augmentation; other: another augmented
   * sample, which is mixed into `own` */
  cnn_parts raw, own, other;
  float *scratch;
  cnn_truth truth; /* annotations of the last sample that was read, in pixels of the input */
} cnn_reader;

/* The order of an epoch's samples, and their split into batches. */
typedef struct cnn_course {
  const cnn_data *data;
  cnn_part from; /* training, validation or test part */
  const cnn_recipe *recipe;
  const int32_t *order; /* NULL: the order of the data set */
  int64_t samples;
  int32_t epoch;       /* from 0; selects the random numbers of the augmentation */
  int32_t batch, part; /* batch: samples per batch; part: maximum samples per call of gradients */
  /* Sets *from and *to: in a call with `count` samples, this process reads samples *from to
   * *to - 1. NULL: the process reads all samples. */
  void (*share)(const void *context, int64_t count, int64_t *from, int64_t *to);
  const void *context;
  bool augment;
  bool cuts; /* reads a random part, not the middle, of a recording that is longer than the input */
} cnn_course;

/* Returns false if memory runs out. */
bool cnn_batch_open(cnn_batch *batch, const cnn_network *network, int32_t capacity, bool targets);
void cnn_batch_close(cnn_batch *batch);
bool cnn_reader_open(cnn_reader *reader, const cnn_network *network); /* false: no memory */
void cnn_reader_close(cnn_reader *reader); /* also valid after a failed open, and without an open */
/* Reads sample `index` into slot `slot` without augmentation. */
cnn_status cnn_batch_read(cnn_batch *batch, cnn_reader *reader, int32_t slot, const cnn_data *data,
                          cnn_part part, int64_t index);
/* If the net's target is its input: sets the targets of all samples. */
void cnn_batch_reflect(cnn_batch *batch);
/* Reads sample `at` of a course, with the course's augmentation. */
cnn_status cnn_batch_take(cnn_batch *batch, cnn_reader *reader, int32_t slot, const cnn_course *course,
                          int64_t at);

/* Number of samples in the call of gradients that begins with sample `at`. */
int32_t cnn_course_count(const cnn_course *course, int64_t at);
/* Whether a batch is complete after `at` samples. */
bool cnn_course_ends_batch(const cnn_course *course, int64_t at);

typedef struct cnn_loader cnn_loader;
cnn_status cnn_loader_open(cnn_loader **loader, const cnn_network *network, int32_t part, int32_t threads);
void cnn_loader_close(cnn_loader *loader);
/* The course must not change until cnn_loader_stop. */
cnn_status cnn_loader_start(cnn_loader *loader, const cnn_course *course, int64_t at);
void cnn_loader_stop(cnn_loader *loader);
/* The next batch, valid until the next call; NULL without an error: the epoch is over. */
cnn_status cnn_loader_next(cnn_loader *loader, const cnn_batch **batch);
#endif
