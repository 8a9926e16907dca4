/* make.c: Writes the small valid files that are seeds of the fuzz targets. Usage: make DIRECTORY. The
 * directory (tests/fuzz) must have the folders safetensors/, npy/ and idx/. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "hosted/weights/npz.h"
#include "hosted/weights/safetensors.h"

static const char *directory;

static const char *path_to(const char *name) {
  static char path[4096];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  return path;
}

static void expect(cnn_status status) {
  if (status.code == CNN_OK) return;
  fprintf(stderr, "%s\n", status.message);
  exit(1);
}

static void bytes_write(const char *name, const void *bytes, size_t n) {
  cnn_writer writer;
  expect(cnn_writer_open(&writer, path_to(name)));
  cnn_writer_put(&writer, bytes, n);
  expect(cnn_writer_commit(&writer));
}

static cnn_tensor tensor_of(const char *name, cnn_dtype dtype, int64_t rows, int64_t columns,
                            const void *data) {
  cnn_tensor tensor = {.name = name, .dtype = dtype, .rank = 2, .dim = {rows, columns}, .data = data};
  cnn_tensor_measure(&tensor);
  return tensor;
}

/* Writes a zip file with one member, x.npy: the n bytes of `npy`, deflated. The local header has no sizes and
 * no checksum, so readers must take them from the zip file's central directory. */
static void deflated_write(const unsigned char *npy, size_t n) {
  unsigned char packed[1024], zip[2048] = {0}, *p = zip;
  z_stream stream = {0};
  deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = (unsigned char *)(uintptr_t)npy;
  stream.avail_in = (uInt)n;
  stream.next_out = packed;
  stream.avail_out = sizeof packed;
  deflate(&stream, Z_FINISH);
  size_t m = stream.total_out;
  deflateEnd(&stream);
  memcpy(p, "PK\3\4\24\0\0\0\10\0", 10);
  p[26] = 5;
  memcpy(p + 30, "x.npy", 5);
  memcpy(p + 35, packed, m);
  p += 35 + m;
  memcpy(p, "PK\1\2\24\0\24\0\0\0\10\0", 12);
  uint32_t crc = (uint32_t)crc32(0, npy, (uInt)n);
  for (int b = 0; b < 4; b++) {
    p[16 + b] = (unsigned char)(crc >> 8 * b);
    p[20 + b] = (unsigned char)(m >> 8 * b);
    p[24 + b] = (unsigned char)(n >> 8 * b);
  }
  p[28] = 5;
  memcpy(p + 46, "x.npy", 5);
  p += 51;
  memcpy(p, "PK\5\6", 4);
  p[8] = p[10] = 1;
  p[12] = 51;
  for (int b = 0; b < 2; b++) p[16 + b] = (unsigned char)((35 + m) >> 8 * b);
  bytes_write("npy/deflated", zip, (size_t)(p + 22 - zip));
}

int main(int argc, char **argv) {
  static const float numbers[6] = {1, -2, 0.5f, 3e10f, 0, 7};
  static const cnn_note note = {"format", "pt"};
  static const char npy[] = "\x93NUMPY\1\0\107\0{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }   "
                            "         \n\0\1\0\2\0\3\0\4\0\5\0\6";
  static const unsigned char idx[] = "\0\0\10\3\0\0\0\2\0\0\0\2\0\0\0\3abcdefghijkl",
                             labels[] = "\0\0\15\1\0\0\0\1\77\200\0\0";
  static const char header[] = "\4{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}\0\0\0\0";
  if (argc != 2) return 2;
  directory = argv[1];
  cnn_tensor tensors[3] = {tensor_of("conv1.weight", CNN_DTYPE_F32, 2, 3, numbers),
                           tensor_of("a", CNN_DTYPE_U8, 3, 4, numbers),
                           tensor_of("h", CNN_DTYPE_F16, 2, 2, numbers)};
  expect(cnn_safetensors_write(path_to("safetensors/three"), tensors, 3, &note, 1));
  expect(cnn_safetensors_write(path_to("safetensors/none"), tensors, 0, NULL, 0));
  bytes_write("safetensors/header", header, sizeof header - 1);
  for (int i = 0; i < 3; i++)
    expect(cnn_npy_write(path_to(i == 0 ? "npy/floats" : i == 1 ? "npy/bytes" : "npy/halves"), &tensors[i]));
  expect(cnn_npz_write(path_to("npy/three"), tensors, 3, NULL, 0));
  bytes_write("npy/fortran", npy, sizeof npy - 1);
  deflated_write((const unsigned char *)npy, sizeof npy - 1);
  bytes_write("idx/images", idx, sizeof idx - 1);
  bytes_write("idx/labels", labels, sizeof labels - 1);
  gzFile gz = gzopen(path_to("idx/packed"), "wb9");
  if (!gz || gzwrite(gz, idx, sizeof idx - 1) <= 0 || gzclose(gz) != Z_OK) return 1;
  return 0;
}
