/* torch.c: Fuzz target for the reader of PyTorch files. An input that is not a zip file is used as the pickle
 * in a zip file with valid storages, so that mutations also test the reader of pickles. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include "archive.h"
#include "hosted/weights/torch.h"

enum { STORAGES = 12, STORAGE = 2048 };

typedef struct Zip {
  uint8_t *bytes;
  size_t n, directory_bytes, members;
  uint8_t directory[64 * (STORAGES + 2)];
} Zip;

static uint8_t *put_number(uint8_t *at, uint64_t value, int bytes) {
  for (int b = 0; b < bytes; b++) at[b] = (uint8_t)(value >> (8 * b));
  return at + bytes;
}

static void add(Zip *zip, const char *name, const void *data, size_t n) {
  const size_t length = strlen(name);
  uint8_t *local = zip->bytes + zip->n, *entry = zip->directory + zip->directory_bytes;
  memset(local, 0, 30);
  memset(entry, 0, 46);
  memcpy(local, "PK\3\4", 4);
  put_number(local + 26, length, 2);
  memcpy(local + 30, name, length);
  if (n > 0) memcpy(local + 30 + length, data, n);
  memcpy(entry, "PK\1\2", 4);
  put_number(entry + 20, n, 4);
  put_number(entry + 24, n, 4);
  put_number(entry + 28, length, 2);
  put_number(entry + 42, zip->n, 4);
  memcpy(entry + 46, name, length);
  zip->n += 30 + length + n;
  zip->directory_bytes += 46 + length;
  zip->members++;
}

static void finish(Zip *zip) {
  const size_t at = zip->n;
  uint8_t *end = zip->bytes + at + zip->directory_bytes;
  memcpy(zip->bytes + at, zip->directory, zip->directory_bytes);
  memset(end, 0, 22);
  memcpy(end, "PK\5\6", 4);
  put_number(end + 8, zip->members, 2);
  put_number(end + 10, zip->members, 2);
  put_number(end + 12, zip->directory_bytes, 4);
  put_number(end + 16, at, 4);
  zip->n = at + zip->directory_bytes + 22;
}

/* Reads only the part of the file that `key` names. */
static void touch_key(const Zip *whole, const char *key) {
  cnn_archive archive = {0};
  cnn_zip zip;
  cnn_status status = cnn_zip_open(&zip, &archive, "input", whole->bytes, whole->n);
  if (status.code != CNN_OK || !cnn_torch_is(&zip)) abort();
  status = cnn_torch_parse(&archive, &zip, key);
  for (int32_t i = 0; status.code == CNN_OK && i < archive.count; i++) tensor_touch(&archive.tensor[i]);
  cnn_archive_close(&archive);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  if (n >= 2 && bytes[0] == 'P' && bytes[1] == 'K') {
    archive_touch(bytes, n);
    return 0;
  }
  Zip zip = {.bytes = malloc(n + STORAGES * (STORAGE + 200) + 4096)};
  uint8_t storage[STORAGE];
  if (!zip.bytes) return 0;
  add(&zip, "a/data.pkl", bytes, n);
  add(&zip, "a/byteorder", n % 2 ? "big" : "little", n % 2 ? 3 : 6);
  for (int i = 0; i < STORAGES; i++) {
    char name[32];
    snprintf(name, sizeof name, "a/data/%d", i);
    memset(storage, i, sizeof storage);
    add(&zip, name, storage, i % 4 == 3 ? 0 : STORAGE);
  }
  finish(&zip);
  archive_touch(zip.bytes, zip.n);
  touch_key(&zip, "model");
  touch_key(&zip, "a.b");
  free(zip.bytes);
  return 0;
}
