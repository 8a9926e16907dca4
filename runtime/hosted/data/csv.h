/* csv.h: CSV reader, for files from spreadsheets and pandas (RFC 4180, with the usual extensions). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_CSV_H
#define CNN_CSV_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cnn_status.h"

typedef struct cnn_csv {
  const char *path; /* for messages */
  const unsigned char *at, *end;
  char separator; /* comma, semicolon or tab: whichever the first line has most of */
  int64_t line;   /* of the row that was read last, from 1 */
  int64_t next_line;
  int32_t cells;
  const char **cell; /* of that row: without quotes and blanks around them; good until the next row */
  int32_t room;
  size_t *start; /* where each cell begins in text */
  char *text;
  size_t text_bytes, text_room;
} cnn_csv;

/* The bytes must stay. UTF-8, which is checked, with or without a byte order mark; lines end in LF, CRLF or
 * CR. */
cnn_status cnn_csv_open(cnn_csv *csv, const char *path, const unsigned char *bytes, size_t n);
/* Empty lines are skipped. `more` is false after the last row. */
cnn_status cnn_csv_row(cnn_csv *csv, bool *more);
bool cnn_csv_has_more(cnn_csv *csv); /* another row follows */
void cnn_csv_close(cnn_csv *csv);    /* also after an open that failed */
#endif
