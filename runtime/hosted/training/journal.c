/* journal.c: Log of a run. All formats have the same columns: epoch, loss and metrics of training and
 * validation, rate, speed, time. */
// SPDX-License-Identifier: MIT-0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "hosted/training/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hosted/base/file.h"
#include "hosted/base/number.h"

static int32_t add(cnn_column *column, int32_t n, const char *prefix, const char *name, double value,
                   int digits) {
  snprintf(column[n].name, sizeof column[n].name, "%s%s", prefix, name);
  column[n].value = value;
  column[n].digits = digits;
  return n + 1;
}

static int32_t columns_of(const cnn_epoch *epoch, cnn_column column[CNN_COLUMNS]) {
  const cnn_measures *train = &epoch->train, *val = &epoch->val;
  bool validated = val->samples > 0; /* if false, the columns of validation are present but empty */
  int32_t n = add(column, 0, "", "epoch", epoch->epoch, 10);
  n = add(column, n, "", "loss", train->loss, 9);
  for (int32_t i = 0; i < train->metrics; i++)
    n = add(column, n, "", train->metric[i].name, train->metric[i].value, 9);
  n = add(column, n, "val_", "loss", validated ? val->loss : NAN, 9);
  const int32_t measured = validated && val->metrics > train->metrics ? val->metrics : train->metrics;
  for (int32_t i = 0; i < measured; i++) { /* some metrics, such as map, are not measured in training */
    const char *name = i < train->metrics ? train->metric[i].name : val->metric[i].name;
    n = add(column, n, "val_", name, validated ? val->metric[i].value : NAN, 9);
  }
  n = add(column, n, "", "rate", epoch->rate, 9);
  n = add(column, n, "", "images_per_second", epoch->images_per_second, 6);
  return add(column, n, "", "seconds", epoch->seconds, 6);
}

static void write_csv(cnn_journal *journal, const cnn_epoch *epoch, const cnn_column *column, int32_t n) {
  (void)epoch;
  for (int32_t i = 0; !journal->titled && i < n; i++)
    fprintf(journal->stream, "%s%s", column[i].name, i < n - 1 ? "," : "\n");
  journal->titled = true;
  for (int32_t i = 0; i < n; i++) {
    cnn_text value =
        isfinite(column[i].value) ? cnn_number(column[i].value, column[i].digits) : (cnn_text){""};
    fprintf(journal->stream, "%s%s", value.text, i < n - 1 ? "," : "\n");
  }
}

static void write_json(cnn_journal *journal, const cnn_epoch *epoch, const cnn_column *column, int32_t n) {
  (void)epoch;
  for (int32_t i = 0; i < n; i++) {
    cnn_text value =
        isfinite(column[i].value) ? cnn_number(column[i].value, column[i].digits) : (cnn_text){"null"};
    fprintf(journal->stream, "%s\"%s\": %s", i == 0 ? "{" : ", ", column[i].name, value.text);
  }
  fputs("}\n", journal->stream);
}

/* Builds a row in memory and writes it with one call. */
cnn_status cnn_journal_add(cnn_journal *journal, const cnn_epoch *epoch) {
  if (!journal->path) return cnn_success();
  char *row = NULL;
  size_t length = 0;
  journal->stream = open_memstream(&row, &length);
  if (!journal->stream) return cnn_failure(CNN_NO_MEMORY, "%s: no memory for a row", journal->path);
  cnn_column column[CNN_COLUMNS];
  int32_t n = columns_of(epoch, column);
  journal->write(journal, epoch, column, n);
  const bool made = ferror(journal->stream) == 0, closed = fclose(journal->stream) == 0;
  cnn_status status = cnn_success();
  if (!made || !closed || !row) {
    status = cnn_failure(CNN_NO_MEMORY, "%s: no memory for a row", journal->path);
  } else if (!cnn_write_all(journal->file, row, length)) {
    status = cnn_failure(CNN_BAD_FILE, "%s: cannot write: %s", journal->path, strerror(errno));
  }
  free(row);
  return status;
}

/* Opens the file and writes the rows of earlier epochs. The fields path and write must be set. */
static cnn_status start(cnn_journal *journal, const cnn_epoch *epoch, int32_t epochs) {
  if (!journal->path) return cnn_failure(CNN_NO_MEMORY, "no memory for a log");
  cnn_status status = cnn_success();
  journal->file = cnn_open_again(journal->path, O_WRONLY | O_CREAT | O_TRUNC);
  if (journal->file < 0) {
    status = cnn_failure(CNN_BAD_FILE, "%s: cannot write: %s", journal->path, strerror(errno));
    free(journal->path);
    journal->path = NULL;
  }
  for (int32_t i = 0; status.code == CNN_OK && i < epochs; i++) status = cnn_journal_add(journal, &epoch[i]);
  return status;
}

static char *joined(const char *a, const char *between, const char *b) {
  size_t room = strlen(a) + strlen(between) + strlen(b) + 1;
  char *text = malloc(room);
  if (text) snprintf(text, room, "%s%s%s", a, between, b);
  return text;
}

cnn_status cnn_journal_open(cnn_journal *journal, const char *path, const cnn_epoch *epoch, int32_t epochs) {
  size_t length = strlen(path);
  bool csv = length > 4 && strcmp(path + length - 4, ".csv") == 0;
  *journal = (cnn_journal){.path = joined(path, "", ""), .write = csv ? write_csv : write_json};
  return start(journal, epoch, epochs);
}

/* Creates a directory and its parents. */
static cnn_status directory_make(const char *directory) {
  char *path = joined(directory, "", "");
  if (!path) return cnn_failure(CNN_NO_MEMORY, "no memory for a log");
  for (char *end = path + 1; *end; end++) {
    if (*end != '/') continue;
    *end = 0;
    mkdir(path, 0777); /* any failure but EEXIST makes the last mkdir fail as well */
    *end = '/';
  }
  bool made = mkdir(path, 0777) == 0 || errno == EEXIST;
  cnn_status status =
      made ? cnn_success()
           : cnn_failure(CNN_BAD_FILE, "%s: cannot be created: %s", directory, strerror(errno));
  free(path);
  return status;
}

char *cnn_journal_events_path(const char *directory, const char *name) {
  return joined(directory, "/events.out.tfevents.", name);
}

cnn_status cnn_journal_open_events(cnn_journal *journal, const char *directory, const char *name,
                                   const cnn_epoch *epoch, int32_t epochs) {
  cnn_status status = directory_make(directory);
  if (status.code != CNN_OK) return status;
  *journal = (cnn_journal){.path = cnn_journal_events_path(directory, name), .write = cnn_events_write};
  return start(journal, epoch, epochs);
}

void cnn_journal_close(cnn_journal *journal) {
  if (journal->path) close(journal->file);
  free(journal->path);
  *journal = (cnn_journal){0};
}
