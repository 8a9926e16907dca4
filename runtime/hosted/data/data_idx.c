/* data_idx.c: IDX files, the format of MNIST and Fashion-MNIST: http://yann.lecun.com/exdb/mnist/ and
 * https://github.com/zalandoresearch/fashion-mnist. A file begins with two zero bytes, a byte for the type,
 * and a byte for the number of dimensions. Then come the dimensions, 4 bytes each, and the elements; both are
 * big-endian. */
// SPDX-License-Identifier: MIT-0
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "hosted/data/dataset.h"
#include "hosted/data/image.h"

typedef struct IdxFile {
  char *path;
  cnn_file file;
  unsigned char *unpacked;
  cnn_tensor tensor;
  ArrayForm form;
} IdxFile;
typedef struct IdxSet {
  IdxFile images[POOLS], labels[POOLS];
  bool pictures;
} IdxSet;

/* ---- The format */

static const struct {
  unsigned char code;
  cnn_dtype dtype;
} types[] = {
    {0x08, CNN_DTYPE_U8},  {0x09, CNN_DTYPE_I8},  {0x0B, CNN_DTYPE_I16},
    {0x0C, CNN_DTYPE_I32}, {0x0D, CNN_DTYPE_F32}, {0x0E, CNN_DTYPE_F64},
};

/* Reads the header: all fields of the tensor except its data. */
static cnn_status header_parse(cnn_tensor *tensor, const char *path, const unsigned char *bytes, size_t n,
                               size_t *header) {
  *tensor = (cnn_tensor){.name = "", .swapped = !cnn_machine_big_endian(), .dtype = CNN_DTYPE_OTHER};
  if (n < 2 || bytes[0] != 0 || bytes[1] != 0)
    return cnn_failure(CNN_BAD_FORMAT, "%s: is not an IDX file: it does not begin with two zero bytes", path);
  if (n < 4) return cnn_failure(CNN_BAD_FORMAT, "%s: is cut off in the IDX header, at byte %zu", path, n);
  for (size_t t = 0; t < sizeof types / sizeof *types; t++)
    if (types[t].code == bytes[2]) tensor->dtype = types[t].dtype;
  if (tensor->dtype == CNN_DTYPE_OTHER)
    return cnn_failure(CNN_BAD_FORMAT, "%s: unknown type 0x%02X at byte 2 of the IDX file", path, bytes[2]);
  if (bytes[3] == 0 || bytes[3] > CNN_TENSOR_RANK)
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s: the number of dimensions, %d at byte 3 of the IDX file, is not supported", path,
                       bytes[3]);
  tensor->rank = bytes[3];
  *header = 4 + 4 * (size_t)tensor->rank;
  if (n < *header)
    return cnn_failure(CNN_BAD_FORMAT, "%s: is cut off in the IDX header, at byte %zu", path, n);
  for (int32_t d = 0; d < tensor->rank; d++) {
    const unsigned char *at = bytes + 4 + 4 * d;
    tensor->dim[d] = (int64_t)at[0] << 24 | (int64_t)at[1] << 16 | (int64_t)at[2] << 8 | at[3];
  }
  if (!cnn_tensor_measure(tensor) || tensor->bytes > SIZE_MAX / 2)
    return cnn_failure(CNN_BAD_FORMAT, "%s: the dimensions of the IDX file are too large", path);
  return cnn_success();
}

cnn_status cnn_idx_parse(cnn_tensor *tensor, const char *path, const unsigned char *bytes, size_t n) {
  size_t header;
  cnn_status status = header_parse(tensor, path, bytes, n, &header);
  if (status.code != CNN_OK) return status;
  char shape[200];
  if (tensor->bytes != n - header)
    return cnn_failure(CNN_BAD_FORMAT, "%s: %s: %s needs %zu bytes after the header, but there are %zu", path,
                       tensor->bytes > n - header ? "is cut off" : "contains additional bytes at the end",
                       cnn_tensor_shape(tensor, shape, sizeof shape), tensor->bytes, n - header);
  tensor->data = bytes + header;
  return cnn_success();
}

/* Unpacks a .gz: first the header, which determines the size, then the data and one more byte, to detect
 * excess data. */
static cnn_status unpack(IdxFile *idx, size_t *size) {
  size_t header;
  cnn_status status = cnn_file_inflate(idx->path, idx->file.data, idx->file.size, 4 + 4 * CNN_TENSOR_RANK,
                                       &idx->unpacked, size);
  if (status.code == CNN_OK) status = header_parse(&idx->tensor, idx->path, idx->unpacked, *size, &header);
  if (status.code != CNN_OK) return status;
  free(idx->unpacked);
  idx->unpacked = NULL;
  status = cnn_file_inflate(idx->path, idx->file.data, idx->file.size, header + idx->tensor.bytes + 1,
                            &idx->unpacked, size);
  cnn_file_close(&idx->file);
  return status;
}

static cnn_status idx_open(IdxFile *idx) {
  cnn_status status = cnn_file_open(&idx->file, idx->path);
  if (status.code != CNN_OK) return status;
  bool packed = idx->file.size >= 2 && idx->file.data[0] == 0x1F && idx->file.data[1] == 0x8B;
  if (!packed) return cnn_idx_parse(&idx->tensor, idx->path, idx->file.data, idx->file.size);
  size_t size;
  status = unpack(idx, &size);
  return status.code == CNN_OK ? cnn_idx_parse(&idx->tensor, idx->path, idx->unpacked, size) : status;
}

static void idx_close(IdxFile *idx) {
  cnn_file_close(&idx->file);
  free(idx->unpacked);
  free(idx->path);
}

/* ---- finding the files ----
 * Names: train-images-idx3-ubyte.gz, t10k-labels.idx1-ubyte, emnist-letters-test-images-idx3-ubyte, ... */

static bool idx_role(const char *file, int *pool, bool *labels) {
  char name[256];
  size_t n = strlen(file);
  if (n >= sizeof name) return false;
  for (size_t i = 0; i <= n; i++) name[i] = (char)tolower((unsigned char)file[i]);
  if (!strstr(name, "idx")) return false;
  *labels = strstr(name, "labels") != NULL;
  if (!*labels && !strstr(name, "images")) return false;
  *pool = strstr(name, "t10k") || strstr(name, "test") ? POOL_TEST
          : strstr(name, "train")                      ? POOL_TRAIN
          : strstr(name, "val")                        ? POOL_VAL
                                                       : POOLS;
  return *pool != POOLS;
}

/* A file that is not compressed is preferred to its .gz. Two different files for the same purpose are an
 * error. */
static cnn_status idx_choose(cnn_data *data, IdxFile *idx, const char *name) {
  char *path = cnn_path_join(data->path, name);
  if (!path) return cnn_data_no_memory(data);
  if (idx->path) {
    size_t n = strlen(idx->path), m = strlen(path);
    bool packed = m == n + 3 && strncmp(path, idx->path, n) == 0 &&
                  strcmp(path + n, ".gz") == 0; /* paths are sorted, so the .gz follows */
    cnn_status status =
        packed ? cnn_success()
               : cnn_failure(CNN_BAD_FORMAT, "%s and %s: a directory must contain one set of IDX files",
                             idx->path, path);
    free(path);
    return status;
  }
  idx->path = path;
  return cnn_success();
}

/* ---- The set */

static cnn_status idx_read(const cnn_data *data, int pool, int64_t index, void *const input[],
                           void *const target[]) {
  const IdxSet *set = data->set;
  const IdxFile *images = &set->images[pool], *labels = &set->labels[pool];
  const cnn_tensor *tensor = &images->tensor;
  const cnn_port *port = &data->network->input[0];
  if (labels->path) cnn_label_store(data, (int32_t)cnn_tensor_number(&labels->tensor, index), target);
  if (!set->pictures) return cnn_array_read(tensor, images->form, index, port, images->path, input[0]);
  int32_t h = (int32_t)tensor->dim[1], w = (int32_t)tensor->dim[2],
          channels = tensor->rank == 4 ? (int32_t)tensor->dim[3] : 1;
  cnn_image image = {h, w, channels,
                     (uint8_t *)(uintptr_t)(tensor->data + (size_t)index * (size_t)h * (size_t)w *
                                                               (size_t)channels)}; /* pixels are only read */
  return cnn_image_feed(&image, port, data->options.fit, input[0]);
}

static bool idx_label(const cnn_data *data, int pool, int64_t index, int32_t *label) {
  const IdxSet *set = data->set;
  if (data->classes == 0 || !set->labels[pool].path) return false;
  *label = (int32_t)cnn_tensor_number(&set->labels[pool].tensor, index);
  return true;
}

static void idx_set_close(cnn_data *data) {
  IdxSet *set = data->set;
  for (int p = 0; p < POOLS; p++) {
    idx_close(&set->images[p]);
    idx_close(&set->labels[p]);
  }
  free(set);
}

static void idx_paths(const cnn_data *data, cnn_each_file *each, void *context) {
  const IdxSet *set = data->set;
  for (int p = 0; p < POOLS; p++) {
    if (set->images[p].path) each(context, set->images[p].path);
    if (set->labels[p].path) each(context, set->labels[p].path);
  }
}

static const DataKind idx_files = {idx_read, idx_label, idx_set_close, NULL, idx_paths,
                                   NULL,     NULL,      NULL,          NULL};

static cnn_status labels_open(cnn_data *data, IdxFile *labels, int64_t samples) {
  cnn_status status = idx_open(labels);
  if (status.code != CNN_OK) return status;
  if (labels->tensor.rank != 1 || labels->tensor.dim[0] != samples) {
    char shape[200];
    return cnn_failure(CNN_MISMATCH, "%s: has the shape %s, but the data set has %lld images", labels->path,
                       cnn_tensor_shape(&labels->tensor, shape, sizeof shape), (long long)samples);
  }
  for (int64_t i = 0; i < samples; i++) {
    status = cnn_label_check(data, CNN_EVERY_TARGET, labels->path, i, cnn_tensor_number(&labels->tensor, i));
    if (status.code != CNN_OK) return status;
  }
  return cnn_labels_fit(data, labels->path);
}

static cnn_status pool_open(cnn_data *data, IdxSet *set, int pool) {
  IdxFile *images = &set->images[pool], *labels = &set->labels[pool];
  const cnn_port *port = &data->network->input[0];
  if (!images->path) return cnn_success();
  cnn_status status = idx_open(images);
  if (status.code != CNN_OK) return status;
  const cnn_tensor *tensor = &images->tensor;
  set->pictures = tensor->dtype == CNN_DTYPE_U8 &&
                  (tensor->rank == 3 || (tensor->rank == 4 && (tensor->dim[3] == 1 || tensor->dim[3] == 3)));
  if (set->pictures &&
      (tensor->dim[1] > 1 << 14 || tensor->dim[2] > 1 << 14 || tensor->dim[1] < 1 || tensor->dim[2] < 1))
    return cnn_failure(CNN_BAD_FORMAT, "%s: the image size, %lld x %lld, is not supported", images->path,
                       (long long)tensor->dim[2], (long long)tensor->dim[1]);
  if (set->pictures)
    status = cnn_image_fits(images->path, (int32_t)tensor->dim[1], (int32_t)tensor->dim[2],
                            tensor->rank == 4 ? (int32_t)tensor->dim[3] : 1, port);
  else if (!cnn_array_form(tensor, port, true, false, &images->form))
    status = cnn_array_mismatch(images->path, tensor, port);
  data->pool[pool] = tensor->dim[0];
  if (status.code != CNN_OK) return status;
  if (labels->path) return labels_open(data, labels, data->pool[pool]);
  for (int32_t o = 0; o < cnn_ports(data->network); o++)
    if (cnn_target_wanted(data, o))
      return cnn_failure(CNN_BAD_FILE, "%s: there is no label file next to it", images->path);
  return cnn_success();
}

cnn_status cnn_data_open_idx(cnn_data *data, const Listing *listing) {
  bool labels, found = false;
  int pool;
  for (int32_t i = 0; i < listing->count; i++)
    if (!listing->entry[i].directory && idx_role(listing->entry[i].name, &pool, &labels) && !labels)
      found = true;
  if (!found) return cnn_success();
  if (data->network->inputs != 1)
    return cnn_failure(CNN_MISMATCH, "%s: IDX files have a single input, but the net has %d", data->path,
                       data->network->inputs);
  IdxSet *set = calloc(1, sizeof *set);
  if (!set) return cnn_data_no_memory(data);
  data->kind = &idx_files; /* from here on, closing `data` closes this set */
  data->set = set;
  data->title = "IDX files";
  cnn_status status = cnn_success();
  for (int32_t i = 0; i < listing->count && status.code == CNN_OK; i++)
    if (!listing->entry[i].directory && idx_role(listing->entry[i].name, &pool, &labels))
      status = idx_choose(data, labels ? &set->labels[pool] : &set->images[pool], listing->entry[i].name);
  for (pool = 0; pool < POOLS && status.code == CNN_OK; pool++) status = pool_open(data, set, pool);
  return status;
}
