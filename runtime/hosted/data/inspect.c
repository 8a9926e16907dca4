/* inspect.c: Check that the files of a data set are readable, before its samples are needed. Threads
 * divide the samples; the report is the same for any number of threads. */
// SPDX-License-Identifier: MIT-0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cnn.h"
#include "hosted/data/dataset.h"

enum { SHOWN = 10, THREADS_MOST = 64, SECONDS = 1 };

typedef struct Bad {
  int64_t at; /* the sample's index in the inspection */
  char *message;
} Bad;

typedef struct Work {
  const cnn_data *data;
  const cnn_inspection *inspection;
  bool *marks; /* [samples of all pools]: set for bad samples; NULL: the samples of the parts are inspected */
  int64_t samples;
  atomic_llong next;
  Bad bad[SHOWN + 1]; /* the first bad samples, in order, and room for one more */
  int64_t bads;
  int32_t running;
  cnn_status fatal; /* the error that ends the inspection */
  pthread_mutex_t mutex;
  pthread_cond_t done;
} Work;

/* Stores the message if the sample is among the first bad samples. */
static void bad_add(Work *work, int64_t at, const char *message) {
  if (work->marks) work->marks[at] = true;
  const int32_t shown = work->bads < SHOWN ? (int32_t)work->bads : SHOWN;
  int32_t place = shown;
  while (place > 0 && work->bad[place - 1].at > at) place--;
  memmove(work->bad + place + 1, work->bad + place, (size_t)(shown - place) * sizeof *work->bad);
  work->bad[place] = (Bad){at, cnn_path_join("", message)};
  work->bads++;
  if (shown < SHOWN) return;
  free(work->bad[SHOWN].message);
  work->bad[SHOWN] = (Bad){0};
}

static bool stopped(const Work *work) { return work->inspection->stop && *work->inspection->stop; }

static cnn_status inspect_one(const Work *work, int64_t at, void *input) {
  const cnn_data *data = work->data;
  int part = 0, pool = 0;
  int64_t index = at, place;
  while (work->marks && index >= data->pool[pool]) index -= data->pool[pool++];
  if (work->marks) return data->kind->read(data, pool, index, (void *[]){input}, NULL);
  while (index >= work->inspection->samples[part]) index -= work->inspection->samples[part++];
  if (!cnn_data_locate(data, (cnn_part)part, index, &pool, &place)) return cnn_success();
  return data->kind->inspect(data, pool, place, input);
}

static void *inspect_some(void *context) {
  Work *work = context;
  const cnn_port *port = &work->data->network->input[0];
  void *input = malloc((size_t)port->size * cnn_type_bytes(port->type));
  cnn_status status = input ? cnn_success() : cnn_data_no_memory(work->data);
  while (status.code != CNN_NO_MEMORY && !stopped(work)) {
    const int64_t at = atomic_fetch_add(&work->next, 1);
    if (at >= work->samples) break;
    status = inspect_one(work, at, input);
    if (status.code == CNN_OK || status.code == CNN_NO_MEMORY) continue;
    pthread_mutex_lock(&work->mutex);
    bad_add(work, at, status.message);
    pthread_mutex_unlock(&work->mutex);
  }
  free(input);
  pthread_mutex_lock(&work->mutex);
  if (status.code == CNN_NO_MEMORY) work->fatal = status;
  work->running--;
  pthread_cond_signal(&work->done);
  pthread_mutex_unlock(&work->mutex);
  return NULL;
}

__attribute__((format(printf, 2, 3))) static void tell(const Work *work, const char *format, ...) {
  char line[1100];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  if (work->inspection->tell) work->inspection->tell(work->inspection->context, line);
}

/* Waits for all threads. Reports progress from time to time if the inspection takes long. */
static void wait_for_threads(Work *work) {
  struct timespec until;
  int64_t wait = SECONDS;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += wait;
  pthread_mutex_lock(&work->mutex);
  while (work->running > 0) {
    if (pthread_cond_timedwait(&work->done, &work->mutex, &until) == 0) continue;
    const long long seen = atomic_load(&work->next);
    pthread_mutex_unlock(&work->mutex);
    tell(work, "checking the images: %lld of %lld", seen < work->samples ? seen : (long long)work->samples,
         (long long)work->samples);
    wait *= 2;
    until.tv_sec += wait;
    pthread_mutex_lock(&work->mutex);
  }
  pthread_mutex_unlock(&work->mutex);
}

static void run_threads(Work *work) {
  pthread_t thread[THREADS_MOST];
  int32_t wanted = work->inspection->threads < THREADS_MOST ? work->inspection->threads : THREADS_MOST;
  int32_t begun = 0;
  if (wanted > work->samples) wanted = (int32_t)work->samples;
  pthread_mutex_lock(&work->mutex);
  while (begun < wanted && pthread_create(&thread[begun], NULL, inspect_some, work) == 0) begun++;
  work->running = begun;
  pthread_mutex_unlock(&work->mutex);
  if (begun == 0) {
    work->running = 1;
    inspect_some(work);
  }
  wait_for_threads(work);
  for (int32_t i = 0; i < begun; i++) pthread_join(thread[i], NULL);
}

static cnn_status result(const Work *work) {
  static const char option[] = "--skip-bad leaves";
  if (work->fatal.code != CNN_OK || work->bads == 0) return work->fatal;
  const int32_t shown = work->bads < SHOWN ? (int32_t)work->bads : SHOWN;
  for (int32_t i = 0; i < shown; i++)
    if (!work->bad[i].message) return cnn_data_no_memory(work->data);
  if (work->bads == 1) return cnn_failure(CNN_BAD_FORMAT, "%s; %s it out", work->bad[0].message, option);
  for (int32_t i = 0; i < shown; i++) tell(work, "%s", work->bad[i].message);
  char more[48] = "";
  if (work->bads > SHOWN) snprintf(more, sizeof more, "; the first %d are above", SHOWN);
  return cnn_failure(CNN_BAD_FORMAT, "%s: %lld of %lld %ss cannot be read%s; %s them out", work->data->path,
                     (long long)work->bads, (long long)work->samples, work->data->file_kind, more, option);
}

static void inspect_all(Work *work) {
  pthread_mutex_init(&work->mutex, NULL);
  pthread_cond_init(&work->done, NULL);
  run_threads(work);
  pthread_mutex_destroy(&work->mutex);
  pthread_cond_destroy(&work->done);
}

static void bad_free(Work *work) {
  for (int32_t i = 0; i < SHOWN; i++) free(work->bad[i].message);
}

cnn_status cnn_pools_inspect(const cnn_data *data, bool *bad, char *first, size_t room) {
  const cnn_inspection inspection = {.threads = cnn_threads(0)};
  Work work = {.data = data, .inspection = &inspection, .marks = bad, .fatal = cnn_success()};
  for (int pool = 0; pool < POOLS; pool++) work.samples += data->pool[pool];
  if (work.samples > 0) inspect_all(&work);
  if (work.bad[0].message) snprintf(first, room, "%s", work.bad[0].message);
  bad_free(&work);
  return work.fatal;
}

cnn_status cnn_data_inspect(const cnn_data *data, const cnn_inspection *inspection) {
  Work work = {.data = data, .inspection = inspection, .fatal = cnn_success()};
  if (!data->kind->inspect) return cnn_success();
  for (int part = 0; part < 3; part++) work.samples += inspection->samples[part];
  if (work.samples == 0) return cnn_success();
  inspect_all(&work);
  const cnn_status status = result(&work);
  bad_free(&work);
  return status;
}
