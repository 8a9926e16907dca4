/* csv.c: Fuzz target for the CSV reader: cells of accepted rows are strings, line numbers increase, and every
 * error has a message. */
// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include "hosted/data/csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  cnn_csv csv;
  bool more = true;
  size_t letters = 0;
  cnn_status status = cnn_csv_open(&csv, "input", bytes, n);
  while (status.code == CNN_OK && more) {
    int64_t before = csv.next_line;
    status = cnn_csv_row(&csv, &more);
    if (status.code == CNN_OK && more && (csv.cells < 1 || csv.line < before || csv.next_line <= csv.line))
      abort();
    for (int32_t c = 0; status.code == CNN_OK && more && c < csv.cells; c++) letters += strlen(csv.cell[c]);
  }
  if (letters > n || (status.code == CNN_OK) != (status.message[0] == 0)) abort();
  cnn_csv_close(&csv);
  return 0;
}
