/* journal.c: the log of a run. Both kinds have the same columns: epoch, loss and metrics of training and validation, rate, speed, time. */
// SPDX-License-Identifier: MIT-0
#include "journal.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "number.h"

enum { COLUMNS = 2 * CNN_METRICS + 8 };
typedef struct Column { char name[72]; double value; int digits; } Column;

static int32_t add(Column *column, int32_t n, const char *prefix, const char *name, double value, int digits) {
  snprintf(column[n].name, sizeof column[n].name, "%s%s", prefix, name);
  column[n].value = value;
  column[n].digits = digits;
  return n + 1;
}

static int32_t columns_of(const cnn_epoch *epoch, Column column[COLUMNS]) {
  const cnn_measures *train = &epoch->train, *val = &epoch->val;
  bool validated = val->samples > 0; /* else its columns are there, but empty */
  int32_t n = add(column, 0, "", "epoch", epoch->epoch, 10);
  n = add(column, n, "", "loss", train->loss, 9);
  for (int32_t i = 0; i < train->metrics; i++) n = add(column, n, "", train->metric[i].name, train->metric[i].value, 9);
  n = add(column, n, "val_", "loss", validated ? val->loss : NAN, 9);
  for (int32_t i = 0; i < train->metrics; i++) n = add(column, n, "val_", train->metric[i].name, validated ? val->metric[i].value : NAN, 9);
  n = add(column, n, "", "rate", epoch->rate, 9);
  n = add(column, n, "", "images_per_second", epoch->images_per_second, 6);
  return add(column, n, "", "seconds", epoch->seconds, 6);
}

static void write_csv(cnn_journal *journal, const Column *column, int32_t n) {
  for (int32_t i = 0; !journal->titled && i < n; i++) fprintf(journal->stream, "%s%s", column[i].name, i < n - 1 ? "," : "\n");
  journal->titled = true;
  for (int32_t i = 0; i < n; i++) {
    cnn_text value = isfinite(column[i].value) ? cnn_number(column[i].value, column[i].digits) : (cnn_text){""};
    fprintf(journal->stream, "%s%s", value.text, i < n - 1 ? "," : "\n");
  }
}

static void write_json(cnn_journal *journal, const Column *column, int32_t n) {
  for (int32_t i = 0; i < n; i++) {
    cnn_text value = isfinite(column[i].value) ? cnn_number(column[i].value, column[i].digits) : (cnn_text){"null"};
    fprintf(journal->stream, "%s\"%s\": %s", i == 0 ? "{" : ", ", column[i].name, value.text);
  }
  fputs("}\n", journal->stream);
}

cnn_status cnn_journal_add(cnn_journal *journal, const cnn_epoch *epoch) {
  Column column[COLUMNS];
  int32_t n = columns_of(epoch, column);
  (journal->csv ? write_csv : write_json)(journal, column, n);
  if (fflush(journal->stream) != 0) return cnn_failure(CNN_BAD_FILE, "%s: cannot write: %s", journal->path, strerror(errno));
  return cnn_success();
}

cnn_status cnn_journal_open(cnn_journal *journal, const char *path, const cnn_epoch *epoch, int32_t epochs) {
  size_t length = strlen(path);
  *journal = (cnn_journal){.path = path, .csv = length > 4 && strcmp(path + length - 4, ".csv") == 0};
  journal->stream = fopen(path, "w");
  if (!journal->stream) return cnn_failure(CNN_BAD_FILE, "%s: cannot write: %s", path, strerror(errno));
  cnn_status status = cnn_success();
  for (int32_t i = 0; status.code == CNN_OK && i < epochs; i++) status = cnn_journal_add(journal, &epoch[i]);
  return status;
}

void cnn_journal_close(cnn_journal *journal) {
  if (journal->stream) fclose(journal->stream);
  journal->stream = NULL;
}
