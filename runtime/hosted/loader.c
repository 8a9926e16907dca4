/* loader.c: a thread that fills the next batches while a step is computed. What is in a batch depends on its place in the epoch alone. */
// SPDX-License-Identifier: MIT-0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <pthread.h>
#include <stdlib.h>

#include "batch.h"

enum { AHEAD = 3 }; /* batches: one in use, two in preparation */

struct cnn_loader {
  cnn_batch batch[AHEAD];
  cnn_status status[AHEAD];
  int64_t filled, taken;     /* batches since the start; `filled - taken` are ready, and the last one taken is still in use */
  const cnn_course *course;
  int64_t at;                /* where the thread is in the course */
  bool running, quit;
  pthread_t thread;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
};

int32_t cnn_course_count(const cnn_course *course, int64_t at) {
  int64_t count = course->part, batch_left = course->batch - at % course->batch, left = course->samples - at;
  if (count > batch_left) count = batch_left;
  return (int32_t)(count > left ? left : count);
}

bool cnn_course_ends_batch(const cnn_course *course, int64_t at) { return at % course->batch == 0 || at >= course->samples; }

cnn_status cnn_loader_open(cnn_loader **result, const cnn_network *network, int32_t part) {
  cnn_loader *loader = calloc(1, sizeof *loader);
  *result = loader;
  if (!loader) return cnn_failure(CNN_NO_MEMORY, "no memory for batches of %d samples", (int)part);
  pthread_mutex_init(&loader->mutex, NULL);
  pthread_cond_init(&loader->changed, NULL);
  for (int i = 0; i < AHEAD; i++) {
    if (!cnn_batch_open(&loader->batch[i], network, part, true)) {
      cnn_loader_close(loader);
      *result = NULL;
      return cnn_failure(CNN_NO_MEMORY, "no memory for batches of %d samples", (int)part);
    }
  }
  return cnn_success();
}

void cnn_loader_close(cnn_loader *loader) {
  if (!loader) return;
  cnn_loader_stop(loader);
  for (int i = 0; i < AHEAD; i++) {
    if (loader->batch[i].network) cnn_batch_close(&loader->batch[i]);
  }
  pthread_mutex_destroy(&loader->mutex);
  pthread_cond_destroy(&loader->changed);
  free(loader);
}

static cnn_status fill(cnn_batch *batch, const cnn_course *course, int64_t at) {
  batch->count = cnn_course_count(course, at);
  for (int32_t i = 0; i < batch->count; i++) {
    cnn_status status = cnn_batch_take(batch, i, course, at + i);
    if (status.code != CNN_OK) return status;
  }
  return cnn_success();
}

static void *work(void *context) {
  cnn_loader *loader = context;
  pthread_mutex_lock(&loader->mutex);
  while (!loader->quit && loader->at < loader->course->samples) {
    if (loader->filled - loader->taken >= AHEAD - 1) {
      pthread_cond_wait(&loader->changed, &loader->mutex);
      continue;
    }
    int64_t place = loader->filled % AHEAD;
    pthread_mutex_unlock(&loader->mutex);
    loader->status[place] = fill(&loader->batch[place], loader->course, loader->at);
    pthread_mutex_lock(&loader->mutex);
    loader->at += loader->batch[place].count;
    loader->filled++;
    pthread_cond_broadcast(&loader->changed);
  }
  pthread_mutex_unlock(&loader->mutex);
  return NULL;
}

cnn_status cnn_loader_start(cnn_loader *loader, const cnn_course *course, int64_t at) {
  cnn_loader_stop(loader);
  loader->course = course;
  loader->at = at;
  loader->filled = loader->taken = 0;
  loader->quit = false;
  if (pthread_create(&loader->thread, NULL, work, loader) != 0) return cnn_failure(CNN_NO_MEMORY, "cannot start a thread to read the data");
  loader->running = true;
  return cnn_success();
}

void cnn_loader_stop(cnn_loader *loader) {
  if (!loader->running) return;
  pthread_mutex_lock(&loader->mutex);
  loader->quit = true;
  pthread_cond_broadcast(&loader->changed);
  pthread_mutex_unlock(&loader->mutex);
  pthread_join(loader->thread, NULL);
  loader->running = false;
}

cnn_status cnn_loader_next(cnn_loader *loader, const cnn_batch **batch) {
  *batch = NULL;
  pthread_mutex_lock(&loader->mutex);
  while (loader->filled == loader->taken && loader->at < loader->course->samples) pthread_cond_wait(&loader->changed, &loader->mutex);
  if (loader->filled == loader->taken) {
    pthread_mutex_unlock(&loader->mutex);
    return cnn_success();
  }
  int64_t place = loader->taken++ % AHEAD;
  pthread_cond_broadcast(&loader->changed);
  pthread_mutex_unlock(&loader->mutex);
  if (loader->status[place].code == CNN_OK) *batch = &loader->batch[place];
  return loader->status[place];
}
