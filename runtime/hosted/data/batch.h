/* batch.h: A batch of samples in the net's format, and the threads that prepare the next ones during a
 * step. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_BATCH_H
#define CNN_BATCH_H
#include "cnn.h"
#include "hosted/data/truth.h"

typedef struct cnn_parts {
  void **input, **target;
} cnn_parts; /* [inputs] and [cnn_ports], then the record of the truth; NULL for what has none */

typedef struct cnn_batch {
  const cnn_network *network;
  int32_t capacity, count;
  void **input, **target; /* as cnn_parts, of all samples */
} cnn_batch;

/* Reads samples into batches; several may fill the same batch concurrently. */
typedef struct cnn_reader {
  const cnn_network *network;
  cnn_parts raw, own,
      other; /* one sample: as the data set gives it, augmented, and one that is mixed with it */
  float *scratch;
  cnn_truth truth; /* of the sample that was read last, in pixels of the input */
} cnn_reader;

/* The samples of an epoch in their order, cut into batches. */
typedef struct cnn_course {
  const cnn_data *data;
  cnn_part from; /* the part of the data set */
  const cnn_recipe *recipe;
  const int32_t *order; /* NULL: the order of the set */
  int64_t samples;
  int32_t epoch;       /* from 0; numbers the random numbers of the augmentation */
  int32_t batch, part; /* samples of a batch, and most of them in one call of gradients */
  /* Of `count` samples of a call, those that are read here: from .. to - 1; NULL: all. */
  void (*share)(const void *context, int64_t count, int64_t *from, int64_t *to);
  const void *context;
  bool augment;
  bool cuts; /* of recordings that are longer than the input a random part is read, not the middle */
} cnn_course;

bool cnn_batch_open(cnn_batch *batch, const cnn_network *network, int32_t capacity,
                    bool targets); /* false: no memory */
void cnn_batch_close(cnn_batch *batch);
bool cnn_reader_open(cnn_reader *reader, const cnn_network *network); /* false: no memory */
void cnn_reader_close(cnn_reader *reader); /* also after an open that failed, or none */
/* Reads sample `index` into place `slot` as it is. */
cnn_status cnn_batch_read(cnn_batch *batch, cnn_reader *reader, int32_t slot, const cnn_data *data,
                          cnn_part part, int64_t index);
/* Reads sample `at` of a course, augmented if the course says so. */
cnn_status cnn_batch_take(cnn_batch *batch, cnn_reader *reader, int32_t slot, const cnn_course *course,
                          int64_t at);

int32_t cnn_course_count(const cnn_course *course,
                         int64_t at); /* how many samples the call that begins at sample `at` takes */
bool cnn_course_ends_batch(const cnn_course *course,
                           int64_t at); /* a batch is complete when `at` samples have been seen */

typedef struct cnn_loader cnn_loader;
cnn_status cnn_loader_open(cnn_loader **loader, const cnn_network *network, int32_t part, int32_t threads);
void cnn_loader_close(cnn_loader *loader);
cnn_status cnn_loader_start(cnn_loader *loader, const cnn_course *course,
                            int64_t at); /* the course must stay as it is until the stop */
void cnn_loader_stop(cnn_loader *loader);
/* The next batch, valid until the next call; NULL with success: the epoch is over. */
cnn_status cnn_loader_next(cnn_loader *loader, const cnn_batch **batch);
#endif
