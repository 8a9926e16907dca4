/* compare.c: Comparison of processes: hashes of the program, the data, the settings and the weights. */
// SPDX-License-Identifier: MIT-0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L /* fseeko */
#endif
#include "hosted/training/compare.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "hosted/base/json.h"
#include "hosted/data/dataset.h"
#include "hosted/training/facts.h"

/* A data set's hash covers the numbers of samples, the class names, the names and sizes of all files, and the
 * contents of the files up to about WHOLE_BYTES bytes in total. If a file is larger than the rest of
 * WHOLE_BYTES, only its beginning and its end are read, because archives store checksums at their end. When
 * nothing is left of WHOLE_BYTES, the contents of the other files are not read. */
enum { WHOLE_BYTES = 64 << 20, END_BYTES = 64 << 10 };

static uint64_t mix_word(uint64_t sum, uint64_t word) {
  sum = (sum ^ word) * UINT64_C(0x9E3779B97F4A7C15);
  return sum ^ sum >> 29;
}

/* Adds bytes to a 64-bit hash: first their number, then eight bytes at a time, mixed by a multiplication. */
static uint64_t mix(uint64_t sum, const void *bytes, size_t n) {
  const unsigned char *at = bytes;
  sum = mix_word(sum, n);
  while (n > 0) {
    const size_t some = n < 8 ? n : 8;
    uint64_t word = 0;
    memcpy(&word, at, some);
    sum = mix_word(sum, word);
    at += some;
    n -= some;
  }
  return sum;
}

static uint64_t mix_text(uint64_t sum, const char *text) {
  return text ? mix(sum, text, strlen(text) + 1) : sum;
}

/* Adds at most `most` bytes of a file, from its current position, to a hash. */
static uint64_t mix_stream(uint64_t sum, FILE *file, int64_t most) {
  static unsigned char bytes[1 << 16];
  while (most > 0) {
    const size_t n = fread(bytes, 1, most < (int64_t)sizeof bytes ? (size_t)most : sizeof bytes, file);
    if (n == 0) break;
    sum = mix(sum, bytes, n);
    most -= (int64_t)n;
  }
  return sum;
}

static uint64_t program_sum(const cnn_network *network) {
  uint64_t sum = mix_text(1, network->target_name ? network->target_name() : network->target);
  FILE *file = fopen("/proc/self/exe", "rb");
  if (file) {
    sum = mix_stream(sum, file, INT64_MAX);
    fclose(file);
  }
  return mix_text(sum, network->name);
}

/* ---- data ---- */
typedef struct Files {
  uint64_t sum;
  size_t folder; /* length of the data set's own path, which may differ on another machine */
  int64_t left;  /* unread rest of WHOLE_BYTES; 0 or less: no more contents are read */
} Files;

static void see_file(void *context, const char *path) {
  Files *files = context;
  struct stat state;
  if (stat(path, &state) != 0 || !S_ISREG(state.st_mode)) return;
  const int64_t size = state.st_size;
  files->sum = mix_text(files->sum, strlen(path) > files->folder ? path + files->folder : "");
  files->sum = mix(files->sum, &size, sizeof size);
  if (files->left <= 0) return;
  FILE *file = fopen(path, "rb");
  if (!file) return;
  if (size <= files->left) files->sum = mix_stream(files->sum, file, size);
  else {
    files->sum = mix_stream(files->sum, file, END_BYTES);
    if (fseeko(file, -(off_t)END_BYTES, SEEK_END) == 0) files->sum = mix_stream(files->sum, file, END_BYTES);
  }
  fclose(file);
  files->left -= size <= files->left ? size : 2 * END_BYTES;
}

static uint64_t data_sum(const cnn_data *data) {
  Files files = {.sum = 2, .folder = strlen(data->path), .left = WHOLE_BYTES};
  cnn_data_files(data, see_file, &files);
  for (int part = 0; part < 3; part++) {
    const int64_t count = cnn_data_count(data, (cnn_part)part);
    files.sum = mix(files.sum, &count, sizeof count);
  }
  for (int32_t c = 0; c < cnn_data_classes(data); c++)
    files.sum = mix_text(files.sum, cnn_data_class(data, c));
  return files.sum;
}

/* ---- settings and weights ---- */
static uint64_t settings_sum(const cnn_run *run, const cnn_train_options *options) {
  const cnn_recipe *recipe = &run->trainer.recipe;
  json_t *facts = cnn_facts(run->trainer.network, recipe);
  char *text = facts ? cnn_json_text(facts) : NULL;
  uint64_t sum = mix_text(3, text);
  const int64_t number[] = {(int64_t)recipe->seed, recipe->batch,      recipe->epochs,   run->samples,
                            options->shuffle,      options->overfit,   options->dry_run, options->resume,
                            (int64_t)options->fit, run->trainer.steps, run->finished,    run->at};
  sum = mix(sum, number, sizeof number);
  free(text);
  json_decref(facts);
  return sum;
}

#define OTHER_OPTIONS "process %d on %s has different options than process 0 on %s"

static uint64_t weights_sum(const cnn_run *run) {
  const cnn_trainer *trainer = &run->trainer;
  const size_t bytes = (size_t)trainer->network->parameters * sizeof(float);
  const float *const array[] = {trainer->weights, trainer->average, trainer->slot[0], trainer->slot[1]};
  uint64_t sum = 4;
  for (int i = 0; i < 4; i++)
    if (array[i]) sum = mix(sum, array[i], bytes);
  return sum;
}

cnn_status cnn_compare_weights(Exchange *x, const cnn_run *run, const cnn_train_options *options) {
  int32_t other;
  if (!x->ranks || cnn_exchange_same(x, weights_sum(run), &other)) return cnn_success();
  if (run->trainer.steps == 0)
    return cnn_failure(CNN_MISMATCH, "process %d on %s starts from different weights than process 0 on %s",
                       (int)other, x->place[other], x->place[0]);
  return cnn_failure(
      CNN_MISMATCH,
      "the weights of process %d on %s differ from those of process 0 on %s after epoch %d: the memory or "
      "processor of one process is faulty, or data were damaged between the processes; %s",
      (int)other, x->place[other], x->place[0], (int)run->finished + 1, cnn_run_kept(run, options));
}

/* Compares checkpoints. Must be called before data and options are compared: if the checkpoints differ, data
 * and options often differ as a result, and the message should name the cause. */
static cnn_status compare_checkpoints(Exchange *x, const cnn_run *run, const cnn_train_options *options) {
  const int64_t number[] = {run->trainer.steps, run->finished, run->at};
  int32_t other;
  if (!cnn_exchange_same(x, options->resume, &other))
    return cnn_failure(CNN_MISMATCH, OTHER_OPTIONS, (int)other, x->place[other], x->place[0]);
  if (!options->resume || cnn_exchange_same(x, mix(weights_sum(run), number, sizeof number), &other))
    return cnn_success();
  return cnn_failure(CNN_MISMATCH,
                     "process %d on %s continues from a different checkpoint than process 0 on %s",
                     (int)other, x->place[other], x->place[0]);
}

cnn_status cnn_compare_begin(Exchange *x, const cnn_data *data, const cnn_run *run,
                             const cnn_train_options *options) {
  int32_t other;
  if (!x->ranks) return cnn_success();
  if (!cnn_exchange_same(x, program_sum(x->network), &other))
    return cnn_failure(CNN_MISMATCH,
                       "process %d on %s runs a different program than process 0 on %s: all processes must "
                       "run the same file, on processors of the same kind",
                       (int)other, x->place[other], x->place[0]);
  const cnn_status status = compare_checkpoints(x, run, options);
  if (status.code != CNN_OK) return status;
  if (!cnn_exchange_same(x, data_sum(data), &other))
    return cnn_failure(CNN_MISMATCH, "process %d on %s has different data in %s than process 0 on %s",
                       (int)other, x->place[other], data->path, x->place[0]);
  if (!cnn_exchange_same(x, settings_sum(run, options), &other))
    return cnn_failure(CNN_MISMATCH, OTHER_OPTIONS, (int)other, x->place[other], x->place[0]);
  return cnn_compare_weights(x, run, options);
}
