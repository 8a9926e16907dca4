/* archive.c: Files of named arrays: opening, and conversion of elements. */
// SPDX-License-Identifier: MIT-0
#include "hosted/weights/archive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "hosted/weights/foreign.h"
#include "hosted/weights/npz.h"
#include "hosted/weights/safetensors.h"
#include "hosted/weights/torch.h"

typedef struct cnn_block {
  struct cnn_block *next;
} cnn_block; /* header of a block of memory */

enum { BLOCK_HEADER = 64 }; /* offset of the memory in the block, in bytes; it keeps the memory aligned */

void *cnn_archive_alloc(cnn_archive *archive, size_t bytes) {
  if (bytes > SIZE_MAX - BLOCK_HEADER) return NULL;
  cnn_block *block = calloc(1, bytes + BLOCK_HEADER);
  if (!block) return NULL;
  block->next = archive->blocks;
  archive->blocks = block;
  return (unsigned char *)block + BLOCK_HEADER;
}

void cnn_archive_close(cnn_archive *archive) {
  while (archive->blocks) {
    cnn_block *block = archive->blocks;
    archive->blocks = block->next;
    free(block);
  }
  cnn_file_close(&archive->file);
  *archive = (cnn_archive){0};
}

static bool is_zip(const unsigned char *bytes, size_t n) { /* an empty zip only has its end record */
  return (n >= 4 && memcmp(bytes, "PK\3\4", 4) == 0) || (n >= 22 && memcmp(bytes, "PK\5\6", 4) == 0);
}

static cnn_status zip_parse(cnn_archive *archive, const char *path, const char *key,
                            const unsigned char *bytes, size_t n) {
  cnn_zip zip;
  cnn_status status = cnn_zip_open(&zip, archive, path, bytes, n);
  if (status.code == CNN_OK && cnn_torch_is(&zip)) return cnn_torch_parse(archive, &zip, key);
  if (status.code == CNN_OK) status = cnn_foreign_zip(path, &zip);
  return status.code == CNN_OK ? cnn_npz_parse(archive, &zip) : status;
}

static cnn_status parse(cnn_archive *archive, const char *path, const char *key, const unsigned char *bytes,
                        size_t n) {
  *archive = (cnn_archive){0};
  cnn_status status = cnn_foreign_check(path, bytes, n);
  if (status.code != CNN_OK) return status;
  if (is_zip(bytes, n)) {
    status = zip_parse(archive, path, key, bytes, n);
  } else if (n >= 6 && memcmp(bytes, "\x93NUMPY", 6) == 0) {
    archive->tensor = cnn_archive_alloc(archive, sizeof *archive->tensor);
    if (!archive->tensor) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
    archive->count = 1;
    archive->tensor->name = CNN_NAMELESS;
    status = cnn_npy_parse(archive->tensor, path, bytes, n);
  } else {
    status = cnn_safetensors_parse(archive, path, bytes, n);
  }
  if (status.code == CNN_OK && key && !archive->torch)
    status =
        cnn_failure(CNN_MISMATCH, "%s: is not a PyTorch file, so it has no dictionary '%.100s'", path, key);
  if (status.code != CNN_OK) cnn_archive_close(archive);
  return status;
}

cnn_status cnn_archive_parse(cnn_archive *archive, const char *path, const unsigned char *bytes, size_t n) {
  return parse(archive, path, NULL, bytes, n);
}

size_t cnn_archive_file(const char *path) {
  const size_t n = strlen(path);
  char name[4096]; /* a longer path is used as it is, without a key */
  size_t file = n;
  struct stat about;
  if (n >= sizeof name) return n;
  memcpy(name, path, n + 1);
  while (file > 0 && stat(name, &about) != 0) {
    do file--;
    while (file > 0 && name[file] != ':');
    name[file] = 0;
  }
  return file > 0 ? file : n;
}

cnn_status cnn_archive_open(cnn_archive *archive, const char *path) {
  *archive = (cnn_archive){0};
  const size_t length = cnn_archive_file(path);
  char *name = malloc(length + 1);
  if (!name) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
  memcpy(name, path, length);
  name[length] = 0;
  cnn_file file;
  cnn_status status = cnn_file_open(&file, name);
  if (status.code == CNN_OK) {
    status = parse(archive, name, path[length] ? path + length + 1 : NULL, file.data, file.size);
    if (status.code == CNN_OK) archive->file = file;
    else cnn_file_close(&file);
  }
  free(name);
  return status;
}

const cnn_tensor *cnn_archive_find(const cnn_archive *archive, const char *name) {
  for (int32_t i = 0; i < archive->count; i++)
    if (strcmp(archive->tensor[i].name, name) == 0) return &archive->tensor[i];
  return NULL;
}

static int name_order(const void *a, const void *b) {
  return strcmp((*(const cnn_tensor *const *)a)->name, (*(const cnn_tensor *const *)b)->name);
}

bool cnn_archive_twice(const cnn_archive *archive, const char **name) {
  const size_t count = (size_t)archive->count;
  const cnn_tensor **order = malloc(sizeof *order * (count + 1));
  *name = NULL;
  if (!order) return false;
  for (size_t i = 0; i < count; i++) order[i] = &archive->tensor[i];
  qsort(order, count, sizeof *order, name_order);
  for (size_t i = 1; i < count; i++)
    if (strcmp(order[i - 1]->name, order[i]->name) == 0) *name = order[i]->name;
  free(order);
  return true;
}

const char *cnn_archive_note(const cnn_archive *archive, const char *key) {
  for (int32_t i = 0; i < archive->notes; i++)
    if (strcmp(archive->note[i].key, key) == 0) return archive->note[i].value;
  return NULL;
}

static const struct {
  const char *name;
  int64_t bits;
} dtypes[] = {
    {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},   {"I8", 8},    {"F8_E5M2", 8},
    {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16}, {"BF16", 16}, {"I32", 32},
    {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},    {"I64", 64}, {"U64", 64},  {"other", 0},
};

const char *cnn_dtype_name(cnn_dtype dtype) { return dtypes[dtype].name; }
int64_t cnn_dtype_bits(cnn_dtype dtype) { return dtypes[dtype].bits; }

bool cnn_machine_big_endian(void) {
  const uint16_t one = 1;
  unsigned char first;
  memcpy(&first, &one, 1);
  return first == 0;
}

bool cnn_tensor_measure(cnn_tensor *tensor) {
  int64_t size = 1, bits;
  for (int32_t d = 0; d < tensor->rank; d++)
    if (tensor->dim[d] < 0 || __builtin_mul_overflow(size, tensor->dim[d], &size)) return false;
  if (__builtin_mul_overflow(size, cnn_dtype_bits(tensor->dtype), &bits) || bits % 8 != 0) return false;
  tensor->size = size;
  tensor->bytes = (size_t)(bits / 8);
  return true;
}

bool cnn_tensor_numeric(const cnn_tensor *tensor) {
  switch (tensor->dtype) {
  case CNN_DTYPE_F16:
  case CNN_DTYPE_BF16:
  case CNN_DTYPE_F32:
  case CNN_DTYPE_F64: return true;
  default: return cnn_tensor_whole(tensor);
  }
}

bool cnn_tensor_in_order(const cnn_tensor *tensor) { return !tensor->fortran && !tensor->stride; }

/* Offset, in elements, of element number i in C order, if the array is stored in another order. */
static int64_t place_of(const cnn_tensor *tensor, int64_t i) {
  int64_t place = 0, stride = tensor->size;
  for (int32_t d = tensor->rank - 1; d >= 0; d--) {
    stride /= tensor->dim[d];
    place += i % tensor->dim[d] * (tensor->stride ? tensor->stride[d] : stride);
    i /= tensor->dim[d];
  }
  return place;
}

/* The bits of an element as an integer, whatever the byte order of the file. */
static uint64_t element_bits(const cnn_tensor *tensor, int64_t i) {
  if (!cnn_tensor_in_order(tensor)) i = place_of(tensor, i);
  size_t width = (size_t)(cnn_dtype_bits(tensor->dtype) / 8);
  const unsigned char *at = tensor->data + (size_t)i * width;
  bool big = cnn_machine_big_endian() != tensor->swapped;
  uint64_t bits = 0;
  for (size_t b = 0; b < width; b++) bits |= (uint64_t)at[big ? width - 1 - b : b] << (8 * b);
  return bits;
}

static double half_number(uint64_t bits) {
  int exponent = (int)(bits >> 10 & 31);
  double fraction = (double)(bits & 1023), sign = bits & 0x8000 ? -1 : 1;
  if (exponent == 31) {
    uint32_t wide =
        (uint32_t)(bits & 0x8000) << 16 | 0x7F800000u | (uint32_t)(bits & 1023) << 13; /* infinity or NaN */
    float value;
    memcpy(&value, &wide, sizeof value);
    return (double)value;
  }
  if (exponent == 0) return sign * fraction * 0x1p-24;
  double value = (1024 + fraction) * 0x1p-25;
  for (; exponent > 0; exponent--) value *= 2; /* doubling is exact */
  return sign * value;
}

double cnn_tensor_number(const cnn_tensor *tensor, int64_t i) {
  uint64_t bits = element_bits(tensor, i);
  switch (tensor->dtype) {
  case CNN_DTYPE_BOOL: return bits ? 1 : 0;
  case CNN_DTYPE_I8: return (double)(int8_t)bits;
  case CNN_DTYPE_I16: return (double)(int16_t)bits;
  case CNN_DTYPE_I32: return (double)(int32_t)bits;
  case CNN_DTYPE_I64: return (double)(int64_t)bits;
  case CNN_DTYPE_F16: return half_number(bits);
  case CNN_DTYPE_BF16:
  case CNN_DTYPE_F32: {
    uint32_t narrow = (uint32_t)bits << (tensor->dtype == CNN_DTYPE_BF16 ? 16 : 0);
    float value;
    memcpy(&value, &narrow, sizeof value);
    return (double)value;
  }
  case CNN_DTYPE_F64: {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
  }
  default: return (double)bits; /* unsigned integers */
  }
}

void cnn_tensor_floats(const cnn_tensor *tensor, int64_t first, int64_t count, float *out) {
  bool plain = cnn_tensor_in_order(tensor) && (!tensor->swapped || cnn_dtype_bits(tensor->dtype) == 8);
  if (count <= 0) return;
  if (plain && tensor->dtype == CNN_DTYPE_F32) {
    memcpy(out, tensor->data + (size_t)first * 4, (size_t)count * 4);
  } else if (plain && tensor->dtype == CNN_DTYPE_U8) {
    for (int64_t i = 0; i < count; i++) out[i] = (float)tensor->data[first + i];
  } else {
    for (int64_t i = 0; i < count; i++) out[i] = (float)cnn_tensor_number(tensor, first + i);
  }
}

/* Formats the indices of element number i in C order, such as "[1, 4]". */
static void place_text(const cnn_tensor *tensor, int64_t i, char *text, size_t room) {
  cnn_tensor place = {.rank = tensor->rank};
  for (int32_t d = tensor->rank - 1; d >= 0; d--) {
    place.dim[d] = i % tensor->dim[d];
    i /= tensor->dim[d];
  }
  cnn_tensor_shape(&place, text, room);
}

static bool is_variance(const char *name) {
  static const char ending[] = ".running_var";
  const size_t n = strlen(name), m = sizeof ending - 1;
  return n >= m && strcmp(name + n - m, ending) == 0;
}

cnn_status cnn_tensor_check(const cnn_tensor *tensor, const char *path, const char *name, bool frozen) {
  enum { SOME = 1024 };
  const bool variance = is_variance(name);
  float value[SOME];
  for (int64_t first = 0; first < tensor->size; first += SOME) {
    const int64_t n = tensor->size - first < SOME ? tensor->size - first : SOME;
    cnn_tensor_floats(tensor, first, n, value);
    for (int64_t i = 0; i < n; i++) {
      const bool finite = isfinite(value[i]);
      if (finite ? !variance || value[i] >= 0 : frozen && value[i] < 0) continue;
      char place[200];
      place_text(tensor, first + i, place, sizeof place);
      if (finite)
        return cnn_failure(CNN_MISMATCH,
                           "%s: tensor \"%.200s\" is a variance, but has a negative number: %s is %g", path,
                           tensor->name, place, (double)value[i]);
      const bool held = !isfinite(cnn_tensor_number(tensor, first + i));
      return cnn_failure(CNN_MISMATCH, "%s: tensor \"%.200s\" is not finite: %s is %g%s", path, tensor->name,
                         place, (double)value[i], held ? "" : " as a float");
    }
  }
  return cnn_success();
}

bool cnn_tensor_whole(const cnn_tensor *tensor) {
  switch (tensor->dtype) {
  case CNN_DTYPE_BOOL:
  case CNN_DTYPE_U8:
  case CNN_DTYPE_I8:
  case CNN_DTYPE_I16:
  case CNN_DTYPE_U16:
  case CNN_DTYPE_I32:
  case CNN_DTYPE_U32:
  case CNN_DTYPE_I64:
  case CNN_DTYPE_U64: return true;
  default: return false;
  }
}

bool cnn_tensor_is_counter(const cnn_tensor *tensor) {
  static const char ending[] = ".num_batches_tracked";
  size_t n = strlen(tensor->name), m = sizeof ending - 1;
  return tensor->dtype == CNN_DTYPE_I64 && tensor->rank == 0 && n > m &&
         strcmp(tensor->name + n - m, ending) == 0;
}

const char *cnn_tensor_shape(const cnn_tensor *tensor, char *text, size_t room) {
  size_t n = 0;
  text[0] = 0;
  for (int32_t d = 0; d < tensor->rank && n < room; d++)
    n += (size_t)snprintf(text + n, room - n, "%s%lld", d ? ", " : "[", (long long)tensor->dim[d]);
  if (n < room) snprintf(text + n, room - n, tensor->rank ? "]" : "[]");
  return text;
}
