/* runtime_files.c: The runtime's files: arrays (.safetensors, .npy, .npz), weights by name and shape, images;
 * and malicious files. The files in tests/golden/files were written by the reference implementations (with
 * make.py in that folder). */
// SPDX-License-Identifier: Apache-2.0
#define _XOPEN_SOURCE 700
#include <CUnit/CUnit.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cnn_image.h"
#include "cnn_weights.h"
#include "hosted/weights/archive.h"
#include "hosted/data/image.h"
#include "hosted/weights/npz.h"
#include "hosted/weights/safetensors.h"
#include "runtime_scratch.h"

static const char *golden(const char *name) {
  static char path[4096];
  const char *top = getenv("top_srcdir");
  snprintf(path, sizeof path, "%s/tests/golden/files/%s", top ? top : ".", name);
  return path;
}

static bool same_files(const char *a, const char *b) {
  cnn_file one, two;
  if (cnn_file_open(&one, a).code != CNN_OK || cnn_file_open(&two, b).code != CNN_OK) return false;
  bool same = one.size == two.size && memcmp(one.data, two.data, one.size) == 0;
  cnn_file_close(&one);
  cnn_file_close(&two);
  return same;
}

/* ---- arrays ---- */

static void expect_numbers(const cnn_archive *archive, const char *name, const char *type, int32_t rank,
                           const double *numbers, int64_t n) {
  const cnn_tensor *tensor = cnn_archive_find(archive, name);
  CU_ASSERT_PTR_NOT_NULL_FATAL(tensor);
  CU_ASSERT_STRING_EQUAL(cnn_dtype_name(tensor->dtype), type);
  CU_ASSERT_EQUAL(tensor->rank, rank);
  CU_ASSERT_EQUAL_FATAL(tensor->size, n);
  for (int64_t i = 0; i < n; i++) {
    float single;
    CU_ASSERT_EQUAL(cnn_tensor_number(tensor, i), numbers[i]);
    cnn_tensor_floats(tensor, i, 1, &single);
    CU_ASSERT_EQUAL(single, (float)numbers[i]);
  }
}

static void safetensors_of_the_reference_are_read(void) {
  cnn_archive archive;
  CU_ASSERT_EQUAL_FATAL(cnn_archive_open(&archive, golden("reference.safetensors")).code, CNN_OK);
  CU_ASSERT_EQUAL(archive.count, 7);
  expect_numbers(&archive, "dense1.weight", "F32", 2, (const double[]){-2.5, -1.5, -0.5, 0.5, 1.5, 2.5}, 6);
  expect_numbers(&archive, "dense1.bias", "F64", 1, (const double[]){0.25, -1}, 2);
  expect_numbers(&archive, "scale1.weight", "F16", 1, (const double[]){1.5, -0.0, 65504, 0x1p-24}, 4);
  expect_numbers(&archive, "steps", "I64", 0, (const double[]){7}, 1);
  expect_numbers(&archive, "nothing", "F32", 2, NULL, 0);
  expect_numbers(&archive, "flags", "BOOL", 1, (const double[]){1, 0}, 2);
  expect_numbers(&archive, "\xC3\xA9 \"q\"", "U8", 3, (const double[]){9}, 1);
  CU_ASSERT_PTR_NULL(cnn_archive_find(&archive, "dense1"));
  CU_ASSERT_STRING_EQUAL(cnn_archive_note(&archive, "format"), "pt");
  CU_ASSERT_PTR_NULL(cnn_archive_note(&archive, "no"));
  cnn_archive_close(&archive);
}

static void safetensors_are_written_as_the_reference_writes_them(void) {
  cnn_archive archive;
  CU_ASSERT_EQUAL_FATAL(cnn_archive_open(&archive, golden("reference.safetensors")).code, CNN_OK);
  cnn_tensor backwards[7];
  for (int i = 0; i < 7; i++)
    backwards[i] = archive.tensor[6 - i]; /* the order of the tensors does not
                                             matter */
  CU_ASSERT_EQUAL(
      cnn_safetensors_write(scratch("copy.safetensors"), backwards, 7, archive.note, archive.notes).code,
      CNN_OK);
  cnn_archive_close(&archive);
  char copy[4096];
  snprintf(copy, sizeof copy, "%s", scratch("copy.safetensors"));
  CU_ASSERT(same_files(copy, golden("reference.safetensors")));
  CU_ASSERT_EQUAL(cnn_safetensors_write(scratch("no/such/directory"), NULL, 0, NULL, 0).code, CNN_BAD_FILE);
}

/* Number of allocations by Jansson before the allocation that fails. */
static int failing;
static void *fail_once(size_t n) { return failing-- == 0 ? NULL : malloc(n); }

static bool written_whole_or_refused(const cnn_archive *archive, const cnn_note *note) {
  char whole[4096], scarce[4096];
  snprintf(whole, sizeof whole, "%s", scratch("whole.safetensors"));
  snprintf(scarce, sizeof scarce, "%s", scratch("scarce.safetensors"));
  bool good = cnn_safetensors_write(whole, archive->tensor, archive->count, note, 1).code == CNN_OK;
  bool failed = true;
  for (int allocation = 0; failed; allocation++) {
    failing = allocation;
    json_set_alloc_funcs(fail_once, free);
    const cnn_status status = cnn_safetensors_write(scarce, archive->tensor, archive->count, note, 1);
    json_set_alloc_funcs(malloc, free);
    failed = failing < 0;
    good = good && (failed ? status.code == CNN_NO_MEMORY || same_files(scarce, whole)
                           : status.code == CNN_OK && same_files(scarce, whole));
  }
  return good;
}

static void safetensors_are_written_whole_when_memory_runs_out(void) {
  cnn_archive archive;
  CU_ASSERT_EQUAL_FATAL(cnn_archive_open(&archive, golden("reference.safetensors")).code, CNN_OK);
  /* names of different lengths, so that memory runs out in any part of the header */
  for (int n = 0; n < 40; n++) {
    char text[40] = "";
    memset(text, 'a', (size_t)n);
    CU_ASSERT(written_whole_or_refused(&archive, &(cnn_note){"note", text}));
  }
  cnn_archive_close(&archive);
}

static void bfloat_and_half_numbers_are_exact(void) {
  static const unsigned char bytes[] = {0x80, 0x3F, 0x49, 0xC0, 0x80, 0x7F};
  cnn_tensor bf = {.dtype = CNN_DTYPE_BF16,
                   .rank = 1,
                   .dim = {3},
                   .size = 3,
                   .bytes = 6,
                   .data = bytes,
                   .swapped = cnn_machine_big_endian()};
  CU_ASSERT_EQUAL(cnn_tensor_number(&bf, 0), 1);
  CU_ASSERT_EQUAL(cnn_tensor_number(&bf, 1), -3.140625);
  CU_ASSERT(isinf(cnn_tensor_number(&bf, 2)));
  for (int bits = 0; bits < 0x10000; bits++) { /* compares every half-precision number with its definition */
    unsigned char two[2] = {(unsigned char)bits, (unsigned char)(bits >> 8)};
    cnn_tensor half = {
        .dtype = CNN_DTYPE_F16, .size = 1, .bytes = 2, .data = two, .swapped = cnn_machine_big_endian()};
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double sign = bits & 0x8000 ? -1 : 1, value = cnn_tensor_number(&half, 0);
    bool right = exponent == 31 ? (fraction ? isnan(value) : isinf(value) && value * sign > 0)
                                : value == sign * (exponent ? ldexp(1024 + fraction, exponent - 25)
                                                            : ldexp(fraction, -24));
    if (!right) CU_FAIL_FATAL("a half is read wrongly");
  }
}

typedef struct Hostile {
  const char *header;
  const char *says;
  int data;
  long long length;
} Hostile; /* length: the number in the length field; 0: the actual length */

static void hostile_safetensors_are_refused(void) {
  static const Hostile cases[] = {
      {"", "are too short", -8, 0},
      {"{}", "is cut off: the header", 0, 50},
      {"{}", "at most 100000000", 0, 1000000000},
      {"[]", "no '{'", 0, 0},
      {"{\"a\":", "invalid JSON", 0, 0},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":["
       "1],\"data_offsets\":[0,4]}}",
       "duplicate", 4, 0},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", "after byte 0", 8, 0},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":["
       "1],\"data_offsets\":[0,4]}}",
       "before byte 4", 4, 0},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "belong to no tensor", 5, 0},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "is cut off", 3, 0},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", "not a size", 4, 0},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", "not a size", 4, 0},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,4]}}",
       "size of tensor \"a\" overflows", 4, 0},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", "needs 4 bytes", 4, 0},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", "needs 8 bytes", 4, 0},
      {"{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}", "unknown dtype \"F33\"", 4, 0},
      {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", "no dtype", 4, 0},
      {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", "no shape", 4, 0},
      {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", "not two offsets", 4, 0},
      {"{\"a\":3}", "not an object", 0, 0},
      {"{\"__metadata__\":{\"a\":1}}", "not a string", 0, 0},
      {"{\"__metadata__\":[]}", "not an object of strings", 0, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    unsigned char bytes[1024] = {0};
    size_t header = strlen(cases[i].header), n = (size_t)((int)(8 + header) + cases[i].data);
    unsigned long long length = cases[i].length ? (unsigned long long)cases[i].length : header;
    for (int b = 0; b < 8; b++) bytes[b] = (unsigned char)(length >> (8 * b));
    memcpy(bytes + 8, cases[i].header, header);
    cnn_archive archive;
    cnn_status status = cnn_archive_parse(&archive, "bad.safetensors", bytes, n);
    CU_ASSERT_EQUAL(status.code, CNN_BAD_FORMAT);
    CU_ASSERT(strncmp(status.message, "bad.safetensors: ", 17) == 0);
    if (!strstr(status.message, cases[i].says)) printf("# %zu: %s\n", i, status.message);
    CU_ASSERT_PTR_NOT_NULL(strstr(status.message, cases[i].says));
    CU_ASSERT_EQUAL(archive.count, 0);
  }
}

static void zips_of_numpy_are_read(void) {
  static const double count[] = {0, 1, 2, 3, 4, 5};
  cnn_archive archive;
  CU_ASSERT_EQUAL_FATAL(cnn_archive_open(&archive, golden("compressed.npz")).code, CNN_OK);
  expect_numbers(&archive, "x", "F32", 2, count, 6);
  expect_numbers(&archive, "big", "F32", 2, count, 6);
  expect_numbers(&archive, "fortran", "I16", 2, count, 6);
  expect_numbers(&archive, "scalar", "F64", 0, (const double[]){3.5}, 1);
  CU_ASSERT_FALSE(cnn_tensor_numeric(cnn_archive_find(&archive, "names")));
  cnn_archive_close(&archive);
  CU_ASSERT_EQUAL_FATAL(cnn_archive_open(&archive, golden("stored.npz")).code, CNN_OK);
  expect_numbers(&archive, "x", "F32", 2, count, 6);
  expect_numbers(&archive, "y", "U8", 1, (const double[]){1, 0}, 2);
  CU_ASSERT_EQUAL(cnn_npz_write(scratch("copy.npz"), archive.tensor, archive.count, NULL, 0).code, CNN_OK);
  CU_ASSERT_EQUAL(cnn_npy_write(scratch("copy.npy"), cnn_archive_find(&archive, "x")).code, CNN_OK);
  cnn_archive_close(&archive);
  CU_ASSERT_EQUAL_FATAL(cnn_archive_open(&archive, scratch("copy.npz")).code, CNN_OK);
  expect_numbers(&archive, "x", "F32", 2, count, 6);
  expect_numbers(&archive, "y", "U8", 1, (const double[]){1, 0}, 2);
  cnn_archive_close(&archive);
  CU_ASSERT_EQUAL_FATAL(cnn_archive_open(&archive, scratch("copy.npy")).code, CNN_OK);
  expect_numbers(&archive, CNN_NAMELESS, "F32", 2, count, 6);
  cnn_archive_close(&archive);
}

/* Any byte of a file may be wrong, and the file may end anywhere. The result is an error or a valid file;
 * with sanitizers, this also shows that there is no undefined behavior. */
static void damaged_archives_do_no_harm(void) {
  static const char *const names[] = {"reference.safetensors", "compressed.npz", "stored.npz"};
  for (size_t f = 0; f < 3; f++) {
    cnn_file file;
    CU_ASSERT_EQUAL_FATAL(cnn_file_open(&file, golden(names[f])).code, CNN_OK);
    unsigned char *copy = malloc(file.size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    for (size_t i = 0; i < 2 * file.size; i++) {
      cnn_archive archive;
      memcpy(copy, file.data, file.size);
      copy[i / 2] ^= i & 1 ? 0xFF : 0x01;
      cnn_status status = cnn_archive_parse(&archive, names[f], copy, file.size);
      volatile double sum = 0;
      for (int32_t t = 0; t < archive.count; t++)
        for (int64_t k = 0; cnn_tensor_numeric(&archive.tensor[t]) && k < archive.tensor[t].size; k++)
          sum += cnn_tensor_number(&archive.tensor[t], k);
      CU_ASSERT_EQUAL(status.code == CNN_OK, status.message[0] == 0);
      cnn_archive_close(&archive);
      if (i < file.size) {
        CU_ASSERT_NOT_EQUAL(cnn_archive_parse(&archive, names[f], file.data, i).code, CNN_OK);
        cnn_archive_close(&archive);
      }
    }
    free(copy);
    cnn_file_close(&file);
  }
}

static void files_are_written_whole_or_not_at_all(void) {
  cnn_writer writer;
  const char *path = scratch_text("kept.txt", "before");
  CU_ASSERT_EQUAL_FATAL(cnn_writer_open(&writer, path).code, CNN_OK);
  cnn_writer_put(&writer, "after", 5);
  cnn_file file;
  CU_ASSERT_EQUAL_FATAL(cnn_file_open(&file, path).code, CNN_OK);
  CU_ASSERT(file.size == 6 && memcmp(file.data, "before", 6) == 0);
  cnn_file_close(&file);
  cnn_writer_abandon(&writer);
  CU_ASSERT_EQUAL_FATAL(cnn_writer_open(&writer, path).code, CNN_OK);
  cnn_writer_put(&writer, "after", 5);
  CU_ASSERT_EQUAL(cnn_writer_commit(&writer).code, CNN_OK);
  CU_ASSERT_EQUAL_FATAL(cnn_file_open(&file, path).code, CNN_OK);
  CU_ASSERT(file.size == 5 && memcmp(file.data, "after", 5) == 0);
  cnn_file_close(&file);
  CU_ASSERT_EQUAL(cnn_file_open(&file, scratch("")).code, CNN_BAD_FILE); /* a directory */
  CU_ASSERT_EQUAL(cnn_file_open(&file, scratch("none")).code, CNN_BAD_FILE);
  if (access("/dev/full", W_OK) == 0 && cnn_writer_open(&writer, "/dev/full").code == CNN_OK) {
    cnn_writer_put(&writer, "lost", 4);
    CU_ASSERT_EQUAL(cnn_writer_commit(&writer).code, CNN_BAD_FILE);
  }
}

/* A killed process leaves its temporary file. The next process that writes the same file removes this
 * temporary file, but not the temporary files of other files or of running processes. */
static void files_of_killed_processes_are_removed(void) {
  enum { NONE = 2147483646 }; /* no process has this number */
  static const char *const stale[] = {"w.%d-0.tmp", "w.%d-12.tmp"}, *const others[] = {"w.last.%d-0.tmp",
                                                                                       "w%d-0.tmp",
                                                                                       "w.%d-0.tmp2",
                                                                                       "w.%d-.tmp",
                                                                                       "w.-0.tmp",
                                                                                       "v.%d-0.tmp",
                                                                                       "w.%d0000000000-0.tmp",
                                                                                       "w.x%d-0.tmp"};
  char name[64], *gone[2], *kept[10];
  int n = 0;
  for (size_t i = 0; i < sizeof stale / sizeof *stale; i++) {
    snprintf(name, sizeof name, stale[i], NONE);
    gone[i] = strdup(scratch_text(name, "half"));
  }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    snprintf(name, sizeof name, others[i], NONE);
    kept[n++] = strdup(scratch_text(name, "whole"));
  }
  snprintf(name, sizeof name, "w.%ld-0.tmp", (long)getppid());
  kept[n++] = strdup(scratch_text(name, "being written"));
  cnn_writer writer;
  CU_ASSERT_EQUAL_FATAL(cnn_writer_open(&writer, scratch("w")).code, CNN_OK);
  CU_ASSERT_EQUAL(access(writer.temporary, F_OK), 0);
  cnn_writer_abandon(&writer);
  for (int i = 0; i < 2; i++) {
    CU_ASSERT_NOT_EQUAL(access(gone[i], F_OK), 0);
    free(gone[i]);
  }
  for (int i = 0; i < n; i++) {
    CU_ASSERT_EQUAL(access(kept[i], F_OK), 0);
    free(kept[i]);
  }
}

/* ---- weights of a net ---- */

static const cnn_weight weights[] = {
    {.name = "dense1.weight", .rank = 2, .dim = {2, 3}, .offset = 0, .size = 6},
    {.name = "dense1.bias", .rank = 1, .dim = {2}, .offset = 6, .size = 2},
};
static const cnn_network net = {.name = "n", .weights = 2, .weight = weights, .parameters = 8};

static void weights_come_back_as_they_were_saved(void) {
  float values[8] = {1, -2, 3.5f, -0.0f, 1e-40f, 1e38f, 7, 8}, back[8];
  cnn_weights_report report;
  CU_ASSERT_EQUAL_FATAL(cnn_weights_save(&net, scratch("w.safetensors"), values, NULL).code, CNN_OK);
  CU_ASSERT_EQUAL(cnn_weights_load(&net, scratch("w.safetensors"), back, &report).code, CNN_OK);
  CU_ASSERT_EQUAL(memcmp(values, back, sizeof values), 0);
  CU_ASSERT(report.matched == 2 && report.missing == 0 && report.extra == 0 && report.differing == 0 &&
            !report.text);
}

static void weights_that_differ_are_all_named(void) {
  static const float numbers[12] = {5, 6};
  cnn_tensor other[4] = {
      {.name = "dense1.weight",
       .dtype = CNN_DTYPE_F32,
       .rank = 2,
       .dim = {3, 2},
       .data = (const unsigned char *)numbers},
      {.name = "dense1.bias",
       .dtype = CNN_DTYPE_F32,
       .rank = 1,
       .dim = {2},
       .data = (const unsigned char *)numbers},
      {.name = "dense2.bias",
       .dtype = CNN_DTYPE_F32,
       .rank = 1,
       .dim = {3},
       .data = (const unsigned char *)numbers},
      {.name = "bn.num_batches_tracked",
       .dtype = CNN_DTYPE_I64,
       .rank = 0,
       .data = (const unsigned char *)numbers},
  };
  for (int i = 0; i < 4; i++) cnn_tensor_measure(&other[i]);
  float back[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  cnn_weights_report report;
  CU_ASSERT_EQUAL_FATAL(cnn_safetensors_write(scratch("o.safetensors"), other, 4, NULL, 0).code, CNN_OK);
  cnn_status status = cnn_weights_load(&net, scratch("o.safetensors"), back, &report);
  CU_ASSERT_EQUAL(status.code, CNN_MISMATCH);
  CU_ASSERT_PTR_NOT_NULL(strstr(status.message, "dense1.weight is [3, 2] in the file, [2, 3] in the net"));
  CU_ASSERT_PTR_NOT_NULL(strstr(status.message, "not in the net: dense2.bias [3]"));
  CU_ASSERT_PTR_NULL(strstr(status.message, "num_batches"));
  CU_ASSERT(report.matched == 1 && report.differing == 1 && report.extra == 1 && report.missing == 0);
  CU_ASSERT_EQUAL(back[6], 1); /* nothing was written */
  cnn_weights_report_free(&report);
  CU_ASSERT_EQUAL(cnn_weights_load_some(&net, scratch("o.safetensors"), back, &report).code, CNN_OK);
  CU_ASSERT(back[0] == 1 && back[6] == 5 && back[7] == 6);
  cnn_weights_report_free(&report);
  CU_ASSERT_EQUAL_FATAL(cnn_safetensors_write(scratch("o.safetensors"), other + 2, 1, NULL, 0).code, CNN_OK);
  CU_ASSERT_EQUAL(cnn_weights_load_some(&net, scratch("o.safetensors"), back, NULL).code, CNN_MISMATCH);
  CU_ASSERT_EQUAL(cnn_weights_load(&net, scratch("none"), back, NULL).code, CNN_BAD_FILE);
}

static void weights_are_read_from_zips_and_converted(void) {
  static const double numbers[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  cnn_tensor tensors[2] = {{.name = "dense1.weight",
                            .dtype = CNN_DTYPE_F64,
                            .rank = 2,
                            .dim = {2, 3},
                            .data = (const unsigned char *)numbers},
                           {.name = "dense1.bias",
                            .dtype = CNN_DTYPE_F64,
                            .rank = 1,
                            .dim = {2},
                            .data = (const unsigned char *)(numbers + 6)}};
  float back[8];
  for (int i = 0; i < 2; i++) cnn_tensor_measure(&tensors[i]);
  CU_ASSERT_EQUAL_FATAL(cnn_npz_write(scratch("w.npz"), tensors, 2, NULL, 0).code, CNN_OK);
  CU_ASSERT_EQUAL_FATAL(cnn_weights_load(&net, scratch("w.npz"), back, NULL).code, CNN_OK);
  for (int i = 0; i < 8; i++) CU_ASSERT_EQUAL(back[i], (float)(i + 1));
}

/* ---- images ---- */

static cnn_image picture(const char *name) {
  cnn_image image;
  cnn_status status = cnn_image_read(&image, golden(name));
  if (status.code != CNN_OK) printf("# %s\n", status.message);
  CU_ASSERT_EQUAL_FATAL(status.code, CNN_OK);
  return image;
}

/* The largest difference of two images' bytes; 256 if their sizes differ. */
static int distance(const cnn_image *a, const cnn_image *b) {
  int largest = 0;
  if (a->height != b->height || a->width != b->width || a->channels != b->channels) return 256;
  for (size_t i = 0; i < (size_t)a->height * (size_t)a->width * (size_t)a->channels; i++) {
    int d = abs(a->pixel[i] - b->pixel[i]);
    if (d > largest) largest = d;
  }
  return largest;
}

static void all_image_formats_are_read(void) {
  cnn_image image = picture("picture.png"), alpha = picture("alpha.png"), gray = picture("grey.png"),
            palette = picture("palette.png");
  CU_ASSERT(image.height == 23 && image.width == 31 && image.channels == 3 && gray.channels == 1 &&
            palette.channels == 3);
  for (size_t i = 0; i < 23 * 31; i++) { /* column x has alpha 8x, and is blended with black */
    unsigned a = (unsigned)(i % 31 * 8);
    for (size_t c = 0; c < 3; c++)
      CU_ASSERT_EQUAL(alpha.pixel[3 * i + c], (image.pixel[3 * i + c] * a + 127) / 255);
  }
  uint8_t luma[23 * 31];
  cnn_luma(image.pixel, sizeof luma, luma);
  CU_ASSERT_EQUAL(memcmp(luma, gray.pixel, sizeof luma), 0);
  cnn_image smooth = picture("smooth.jpg"), smooth_png = picture("smooth.png"), inks = picture("inks.jpg"),
            inks_png = picture("inks.png");
  CU_ASSERT(distance(&smooth, &smooth_png) <= 2); /* decoders may differ in the last bits */
  CU_ASSERT(distance(&inks, &inks_png) <= 3);
  CU_ASSERT_EQUAL(cnn_image_write(scratch("back.png"), &image).code, CNN_OK);
  cnn_image back;
  CU_ASSERT_EQUAL_FATAL(cnn_image_read(&back, scratch("back.png")).code, CNN_OK);
  CU_ASSERT_EQUAL(distance(&image, &back), 0);
  cnn_image *const all[] = {&image, &alpha, &gray, &palette, &smooth, &smooth_png, &inks, &inks_png, &back};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) cnn_image_free(all[i]);
  cnn_image odd = {1, 1, 2, (uint8_t *)luma};
  CU_ASSERT_EQUAL(cnn_image_write(scratch("odd.png"), &odd).code, CNN_BAD_ARGUMENT);
}

static void images_are_resampled_as_by_pillow(void) {
  static const char *const sizes[] = {"smaller.png", "larger.png", "taller.png"};
  cnn_image image = picture("picture.png");
  for (size_t s = 0; s < 3; s++) {
    cnn_image wanted = picture(sizes[s]);
    cnn_port port = {.name = "image",
                     .type = CNN_U8,
                     .rank = 3,
                     .dim = {wanted.height, wanted.width, 3},
                     .size = (int64_t)wanted.height * wanted.width * 3};
    cnn_image fitted = wanted;
    fitted.pixel = malloc((size_t)port.size);
    CU_ASSERT_EQUAL(cnn_image_feed(&image, &port, CNN_FIT_STRETCH, fitted.pixel).code, CNN_OK);
    CU_ASSERT_EQUAL(distance(&wanted, &fitted), 0);
    cnn_image_free(&fitted);
    cnn_image_free(&wanted);
  }
  cnn_image_free(&image);
}

static void images_fit_inputs(void) {
  uint8_t pixel[2 * 4] = {0, 10, 20, 30, 40, 50, 60, 70}, u[8];
  int8_t s[8];
  float f[48];
  cnn_image wide = {2, 4, 1, pixel};
  cnn_port same = {.name = "x", .type = CNN_I8, .rank = 3, .dim = {2, 4, 1}, .size = 8};
  CU_ASSERT_EQUAL(cnn_image_feed(&wide, &same, CNN_FIT_STRETCH, s).code, CNN_OK);
  for (int i = 0; i < 8; i++) CU_ASSERT_EQUAL(s[i], 10 * i - 128);
  cnn_port vector = {.name = "x", .type = CNN_U8, .rank = 1, .dim = {8}, .size = 8};
  CU_ASSERT_EQUAL(cnn_image_feed(&wide, &vector, CNN_FIT_STRETCH, u).code, CNN_OK);
  CU_ASSERT_EQUAL(memcmp(u, pixel, 8), 0);
  cnn_port color = {.name = "x", .type = CNN_F32, .rank = 3, .dim = {4, 4, 3}, .size = 48};
  CU_ASSERT_EQUAL(cnn_image_feed(&wide, &color, CNN_FIT_LETTERBOX, f).code, CNN_OK);
  for (int i = 0; i < 48; i++) CU_ASSERT_EQUAL(f[i], i < 12 || i >= 36 ? 0 : (float)pixel[(i - 12) / 3]);
  cnn_port square = {.name = "x", .type = CNN_U8, .rank = 3, .dim = {2, 2, 1}, .size = 4};
  CU_ASSERT_EQUAL(cnn_image_feed(&wide, &square, CNN_FIT_CROP, u).code, CNN_OK);
  CU_ASSERT(u[0] == 10 && u[1] == 20 && u[2] == 50 && u[3] == 60);
  cnn_port two = {.name = "x", .type = CNN_U8, .rank = 3, .dim = {2, 2, 2}, .size = 8},
           long_vector = {.name = "x", .rank = 1, .dim = {9}, .size = 9};
  CU_ASSERT_EQUAL(cnn_image_feed(&wide, &two, CNN_FIT_STRETCH, u).code, CNN_MISMATCH);
  CU_ASSERT_EQUAL(cnn_image_feed(&wide, &long_vector, CNN_FIT_STRETCH, u).code, CNN_MISMATCH);
}

/* A constant image stays constant at any size, and nothing outside the image is read (with sanitizers). */
static void resampling_is_sound_at_all_sizes(void) {
  for (int32_t h = 1; h <= 12; h++)
    for (int32_t out = 1; out <= 25; out++) {
      uint8_t *in = malloc((size_t)h * 5), *to = malloc((size_t)out * 3);
      cnn_area area = {h / 3.0, 0.25, h - h / 3.0, 4.5};
      void *memory = malloc(cnn_resample_scratch(h, 5, 1, area, out, 3));
      CU_ASSERT_FATAL(in && to && memory);
      memset(in, 77, (size_t)h * 5);
      cnn_resample(in, h, 5, 1, area, to, out, 3, 3, memory);
      for (int32_t i = 0; i < out * 3; i++) CU_ASSERT_EQUAL(to[i], 77);
      free(in);
      free(to);
      free(memory);
    }
}

static void damaged_images_do_no_harm(void) {
  static const char *const names[] = {"alpha.png", "palette.png", "smooth.jpg"};
  for (size_t f = 0; f < 3; f++) {
    cnn_file file;
    CU_ASSERT_EQUAL_FATAL(cnn_file_open(&file, golden(names[f])).code, CNN_OK);
    unsigned char *copy = malloc(file.size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    for (size_t i = 0; i < file.size; i++) {
      cnn_image image;
      if (i % 3 == 0) CU_ASSERT_NOT_EQUAL(cnn_image_decode(&image, names[f], file.data, i).code, CNN_OK);
      memcpy(copy, file.data, file.size);
      copy[i] ^= 0x11;
      cnn_image_decode(&image, names[f], copy, file.size);
      cnn_image_free(&image);
    }
    free(copy);
    cnn_file_close(&file);
  }
  /* An image of 100000 x 100000 pixels in 33 bytes: rejected before memory is allocated. */
  static const unsigned char bomb[] =
      "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1\x86\xa0\0\1\x86\xa0\10\6\0\0\0\xc8\x86\x8a\xde";
  cnn_image image;
  cnn_status status = cnn_image_decode(&image, "bomb.png", bomb, sizeof bomb - 1);
  CU_ASSERT_EQUAL(status.code, CNN_BAD_FORMAT);
  CU_ASSERT_PTR_NULL(image.pixel);
}

CU_TestInfo suite_weights[] = {
    {"safetensors of the reference implementation are read", safetensors_of_the_reference_are_read},
    {"safetensors are written like the reference implementation",
     safetensors_are_written_as_the_reference_writes_them},
    {"safetensors are written completely or not at all when memory runs out",
     safetensors_are_written_whole_when_memory_runs_out},
    {"bfloat and half numbers are exact", bfloat_and_half_numbers_are_exact},
    {"invalid safetensors are rejected", hostile_safetensors_are_refused},
    {"NumPy's zip archives are read", zips_of_numpy_are_read},
    {"damaged archives do no harm", damaged_archives_do_no_harm},
    {"files are written completely or not at all", files_are_written_whole_or_not_at_all},
    {"temporary files of killed processes are removed", files_of_killed_processes_are_removed},
    {"saved weights are loaded unchanged", weights_come_back_as_they_were_saved},
    {"all weights that do not match are reported", weights_that_differ_are_all_named},
    {"weights are read from zips and converted", weights_are_read_from_zips_and_converted},
    CU_TEST_INFO_NULL,
};

CU_TestInfo suite_image[] = {
    {"PNG and JPEG images of all kinds are read", all_image_formats_are_read},
    {"images are resampled as by Pillow", images_are_resampled_as_by_pillow},
    {"images are converted to inputs", images_fit_inputs},
    {"resampling is right at all sizes", resampling_is_sound_at_all_sizes},
    {"damaged images do no harm", damaged_images_do_no_harm},
    CU_TEST_INFO_NULL,
};
