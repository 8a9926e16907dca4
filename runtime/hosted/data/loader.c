/* loader.c: Threads that fill the next batches while a step is computed. The threads share the samples of a
 * batch, so that expensive samples (image decoding, rotations, mixtures) are ready in time for the step. The
 * content of a batch only depends on its position in the epoch. */
// SPDX-License-Identifier: MIT-0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <pthread.h>
#include <stdlib.h>

#include "hosted/data/batch.h"

enum { AHEAD = 3 }; /* batches: one in use, two in preparation */

typedef struct Place {
  cnn_batch batch;
  int64_t at;            /* the batch's first sample, as an index into the course */
  int32_t first, end;    /* slots of the batch that this process reads: first <= slot < end */
  int32_t given, filled; /* given: the next slot to read; filled: number of slots that have been read */
  int32_t failed;        /* slot of the first sample that could not be read; status: its error */
  cnn_status status;
} Place;

typedef struct Worker {
  cnn_loader *loader;
  cnn_reader reader;
  pthread_t thread;
  uint32_t denormals; /* the mode of the thread that starts the worker */
} Worker;

struct cnn_loader {
  Place place[AHEAD];
  int64_t begun, taken; /* numbers of batches begun and batches taken; the last batch taken is in use */
  const cnn_course *course;
  int64_t at;    /* the next batch's first sample, as an index into the course */
  int32_t share; /* number of samples that a thread reads at a time */
  Worker *worker;
  int32_t workers, running;
  bool quit;
  pthread_mutex_t mutex;
  /* work: there may be samples to read, or the threads must end; done: a batch is complete */
  pthread_cond_t work, done;
};

int32_t cnn_course_count(const cnn_course *course, int64_t at) {
  int64_t count = course->part, batch_left = course->batch - at % course->batch, left = course->samples - at;
  if (count > batch_left) count = batch_left;
  return (int32_t)(count > left ? left : count);
}

bool cnn_course_ends_batch(const cnn_course *course, int64_t at) {
  return at % course->batch == 0 || at >= course->samples;
}

cnn_status cnn_loader_open(cnn_loader **result, const cnn_network *network, int32_t part, int32_t threads) {
  cnn_loader *loader = calloc(1, sizeof *loader);
  *result = loader;
  if (!loader) return cnn_failure(CNN_NO_MEMORY, "no memory for batches of %d samples", (int)part);
  pthread_mutex_init(&loader->mutex, NULL);
  pthread_cond_init(&loader->work, NULL);
  pthread_cond_init(&loader->done, NULL);
  loader->workers = threads;
  /* about two groups of samples per thread, so that all threads end at about the same time */
  loader->share = (part + 2 * threads - 1) / (2 * threads);
  loader->worker = calloc((size_t)threads, sizeof *loader->worker);
  bool fine = loader->worker != NULL;
  for (int i = 0; fine && i < AHEAD; i++) fine = cnn_batch_open(&loader->place[i].batch, network, part, true);
  for (int32_t i = 0; fine && i < threads; i++) {
    loader->worker[i].loader = loader;
    fine = cnn_reader_open(&loader->worker[i].reader, network);
  }
  if (fine) return cnn_success();
  cnn_loader_close(loader);
  *result = NULL;
  return cnn_failure(CNN_NO_MEMORY, "no memory for batches of %d samples", (int)part);
}

void cnn_loader_close(cnn_loader *loader) {
  if (!loader) return;
  cnn_loader_stop(loader);
  for (int i = 0; i < AHEAD; i++) {
    if (loader->place[i].batch.network) cnn_batch_close(&loader->place[i].batch);
  }
  for (int32_t i = 0; loader->worker && i < loader->workers; i++) cnn_reader_close(&loader->worker[i].reader);
  free(loader->worker);
  pthread_mutex_destroy(&loader->mutex);
  pthread_cond_destroy(&loader->work);
  pthread_cond_destroy(&loader->done);
  free(loader);
}

/* The batch that still has samples to read; begins a new batch if there is room. NULL: nothing to do now. */
static Place *place_with_work(cnn_loader *loader) {
  Place *last = &loader->place[(loader->begun + AHEAD - 1) % AHEAD];
  if (loader->begun > 0 && last->given < last->end) return last;
  if (loader->at >= loader->course->samples || loader->begun - loader->taken >= AHEAD - 1) return NULL;
  Place *place = &loader->place[loader->begun++ % AHEAD];
  place->at = loader->at;
  place->status = cnn_success();
  place->batch.count = cnn_course_count(loader->course, loader->at);
  int64_t first = 0, end = place->batch.count;
  if (loader->course->share) loader->course->share(loader->course->context, end, &first, &end);
  place->first = place->given = (int32_t)first;
  place->end = (int32_t)end;
  place->filled = 0;
  loader->at += place->batch.count;
  return place;
}

/* Reads the next group of samples of a batch. The mutex is locked at entry and at return, but not while
 * samples are read. */
static void fill_share(Worker *worker, Place *place) {
  cnn_loader *loader = worker->loader;
  int32_t slot = place->given, end = slot + loader->share;
  if (end > place->end) end = place->end;
  const int32_t count = end - slot;
  place->given = end;
  pthread_mutex_unlock(&loader->mutex);
  cnn_status status = cnn_success();
  for (; slot < end; slot++) {
    status = cnn_batch_take(&place->batch, &worker->reader, slot, loader->course, place->at + slot);
    if (status.code != CNN_OK) break;
  }
  pthread_mutex_lock(&loader->mutex);
  if (status.code != CNN_OK && (place->status.code == CNN_OK || slot < place->failed)) {
    place->status = status;
    place->failed = slot;
  }
  place->filled += count;
  if (place->filled == place->end - place->first) pthread_cond_signal(&loader->done);
}

static void *work(void *context) {
  Worker *worker = context;
  cnn_loader *loader = worker->loader;
  cnn_denormals_end(worker->denormals);
  pthread_mutex_lock(&loader->mutex);
  while (!loader->quit) {
    Place *place = place_with_work(loader);
    if (place) fill_share(worker, place);
    else pthread_cond_wait(&loader->work, &loader->mutex);
  }
  pthread_mutex_unlock(&loader->mutex);
  return NULL;
}

cnn_status cnn_loader_start(cnn_loader *loader, const cnn_course *course, int64_t at) {
  cnn_loader_stop(loader);
  loader->course = course;
  loader->at = at;
  loader->begun = loader->taken = 0;
  loader->quit = false;
  while (loader->running < loader->workers) {
    Worker *worker = &loader->worker[loader->running];
    worker->denormals = cnn_denormals_mode();
    if (pthread_create(&worker->thread, NULL, work, worker) != 0) break;
    loader->running++;
  }
  if (loader->running == 0) {
    return cnn_failure(CNN_NO_MEMORY,
                       "cannot start a thread to read the data: no memory, or too many threads");
  }
  return cnn_success();
}

void cnn_loader_stop(cnn_loader *loader) {
  pthread_mutex_lock(&loader->mutex);
  loader->quit = true;
  pthread_cond_broadcast(&loader->work);
  pthread_mutex_unlock(&loader->mutex);
  for (; loader->running > 0; loader->running--)
    pthread_join(loader->worker[loader->running - 1].thread, NULL);
}

cnn_status cnn_loader_next(cnn_loader *loader, const cnn_batch **batch) {
  *batch = NULL;
  Place *place = &loader->place[loader->taken % AHEAD];
  pthread_mutex_lock(&loader->mutex);
  bool over = loader->begun == loader->taken && loader->at >= loader->course->samples;
  while (!over && (loader->begun == loader->taken || place->filled < place->end - place->first))
    pthread_cond_wait(&loader->done, &loader->mutex);
  if (!over) loader->taken++;
  pthread_cond_broadcast(&loader->work);
  pthread_mutex_unlock(&loader->mutex);
  if (over) return cnn_success();
  if (place->status.code == CNN_OK) *batch = &place->batch;
  return place->status;
}
