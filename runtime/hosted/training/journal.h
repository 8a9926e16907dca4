/* journal.h: Log of a run, one row per epoch: JSON lines, CSV, or TensorBoard events. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_JOURNAL_H
#define CNN_JOURNAL_H
#include <stdio.h>
#include "cnn.h"

enum { CNN_COLUMNS = 2 * CNN_METRICS + 8 };
typedef struct cnn_column {
  char name[72];
  double value;
  int digits;
} cnn_column; /* NaN: empty */

typedef struct cnn_journal cnn_journal;
struct cnn_journal {
  int file;     /* file descriptor of the log, while path is not NULL */
  FILE *stream; /* the current row, in memory */
  char *path;
  void (*write)(cnn_journal *journal, const cnn_epoch *epoch, const cnn_column *column, int32_t columns);
  bool titled; /* the header, which precedes the first row, has been written */
};

/* Starts a new file; if a run is resumed, the file begins with the rows of its earlier epochs. A path that
 * ends in .csv selects CSV, any other path JSON lines. */
cnn_status cnn_journal_open(cnn_journal *journal, const char *path, const cnn_epoch *epoch, int32_t epochs);
/* Like cnn_journal_open, but writes TensorBoard events to a directory, which is created if needed. `name`:
 * name of the net, for the file's name. */
cnn_status cnn_journal_open_events(cnn_journal *journal, const char *directory, const char *name,
                                   const cnn_epoch *epoch, int32_t epochs);
/* path of the event file; the caller frees it; NULL: out of memory */
char *cnn_journal_events_path(const char *directory, const char *name);
/* Adds the row of an epoch. Does nothing if the journal is not open. */
cnn_status cnn_journal_add(cnn_journal *journal, const cnn_epoch *epoch);
void cnn_journal_close(cnn_journal *journal);

/* events.c */
void cnn_events_write(cnn_journal *journal, const cnn_epoch *epoch, const cnn_column *column,
                      int32_t columns);
#endif
