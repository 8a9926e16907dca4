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
  char separator; /* comma, semicolon or tab: the most frequent in the first line */
  int64_t line;   /* line number of the last row read, from 1 */
  int64_t next_line;
  int32_t cells;
  const char **cell; /* cells of the last row, without quotes and outer blanks; valid until the next row */
  int32_t room;
  size_t *start; /* offset of each cell in `text` */
  char *text;
  size_t text_bytes, text_room;
} cnn_csv;

/* Opens a CSV text; the bytes must stay valid until cnn_csv_close. The text must be UTF-8, which is checked;
 * it may begin with a byte order mark. Its lines end in LF, CRLF or CR. */
cnn_status cnn_csv_open(cnn_csv *csv, const char *path, const unsigned char *bytes, size_t n);
/* Reads a row; empty lines are skipped. `more` is false after the last row. */
cnn_status cnn_csv_row(cnn_csv *csv, bool *more);
bool cnn_csv_has_more(cnn_csv *csv); /* another row follows */
void cnn_csv_close(cnn_csv *csv);    /* also valid after a failed open */
#endif
