/* journal.h: the log of a run, a row an epoch, as JSON lines or CSV. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_JOURNAL_H
#define CNN_JOURNAL_H
#include <stdio.h>
#include "cnn.h"

typedef struct cnn_journal { FILE *stream; const char *path; bool csv, titled; } cnn_journal;

/* Starts the file anew, with the rows of epochs that a resumed run has behind it. A path that ends in .csv makes a CSV. */
cnn_status cnn_journal_open(cnn_journal *journal, const char *path, const cnn_epoch *epoch, int32_t epochs);
cnn_status cnn_journal_add(cnn_journal *journal, const cnn_epoch *epoch);
void cnn_journal_close(cnn_journal *journal);
#endif
