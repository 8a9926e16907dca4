/* archive.h: named arrays of numbers, as files hold them: .safetensors, .npz, .npy, and PyTorch's. Depends on
 * file.h and the status type alone, and is also built into the compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_ARCHIVE_H
#define CNN_ARCHIVE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hosted/base/file.h"

typedef enum cnn_dtype { /* in the order in which safetensors ranks them; those without a number are carried,
                            not converted */
                         CNN_DTYPE_BOOL,
                         CNN_DTYPE_F4,
                         CNN_DTYPE_F6_E2M3,
                         CNN_DTYPE_F6_E3M2,
                         CNN_DTYPE_U8,
                         CNN_DTYPE_I8,
                         CNN_DTYPE_F8_E5M2,
                         CNN_DTYPE_F8_E4M3,
                         CNN_DTYPE_F8_E8M0,
                         CNN_DTYPE_I16,
                         CNN_DTYPE_U16,
                         CNN_DTYPE_F16,
                         CNN_DTYPE_BF16,
                         CNN_DTYPE_I32,
                         CNN_DTYPE_U32,
                         CNN_DTYPE_F32,
                         CNN_DTYPE_C64,
                         CNN_DTYPE_F64,
                         CNN_DTYPE_I64,
                         CNN_DTYPE_U64,
                         CNN_DTYPE_OTHER /* .npy only: texts, objects, structures */
} cnn_dtype;

#define CNN_NAMELESS "arr_0" /* what NumPy calls an array without a name, as that of an .npy is */
enum { CNN_TENSOR_RANK = 32 };
typedef struct cnn_tensor {
  const char *name;
  cnn_dtype dtype;
  bool swapped;          /* bytes of a number are in the other order than this machine's */
  bool fortran;          /* the first dimension runs fastest */
  const int64_t *stride; /* elements from one to the next of each dimension, where they are not one after
                            the other; or NULL */
  int32_t rank;
  int64_t dim[CNN_TENSOR_RANK];
  int64_t size; /* elements */
  size_t bytes;
  const unsigned char *data; /* aligned to nothing */
} cnn_tensor;

typedef struct cnn_note {
  const char *key, *value;
} cnn_note; /* the __metadata__ of a safetensors file */

typedef struct cnn_archive {
  cnn_file file;
  bool torch;         /* a PyTorch file */
  const char *others; /* then: "'ema' (12 tensors), ...": its other dictionaries; or NULL */
  int32_t count, notes;
  cnn_tensor *tensor;
  cnn_note *note;
  struct cnn_block *blocks; /* what it allocated */
} cnn_archive;

/* Detects the format by content, whatever the name. "FILE:KEY", if no file has that full name, is the
 * dictionary KEY of a PyTorch file. */
cnn_status cnn_archive_open(cnn_archive *archive, const char *path);
size_t cnn_archive_file(const char *path); /* letters of FILE in it */
void cnn_archive_close(cnn_archive *archive);
/* The same for bytes that the caller keeps alive; `path` is for messages. Close it all the same. */
cnn_status cnn_archive_parse(cnn_archive *archive, const char *path, const unsigned char *bytes, size_t n);
const cnn_tensor *cnn_archive_find(const cnn_archive *archive, const char *name); /* or NULL */
/* A name that two tensors have, or NULL. False: no memory. */
bool cnn_archive_twice(const cnn_archive *archive, const char **name);
const char *cnn_archive_note(const cnn_archive *archive, const char *key); /* or NULL */

const char *cnn_dtype_name(cnn_dtype dtype);        /* "F32" */
int64_t cnn_dtype_bits(cnn_dtype dtype);            /* 0 for CNN_DTYPE_OTHER */
bool cnn_tensor_numeric(const cnn_tensor *tensor);  /* the next two work */
bool cnn_tensor_in_order(const cnn_tensor *tensor); /* element i follows i others */
double cnn_tensor_number(const cnn_tensor *tensor,
                         int64_t i); /* element i, the last dimension running fastest */
void cnn_tensor_floats(const cnn_tensor *tensor, int64_t first, int64_t count, float *out);
/* that all its numbers are, as floats; else which is not. excludes: minus infinity may be among them */
cnn_status cnn_tensor_finite(const cnn_tensor *tensor, const char *path, bool excludes);
bool cnn_tensor_is_counter(const cnn_tensor *tensor); /* PyTorch's "NAME.num_batches_tracked": no weight,
                                                         though it lies among them */
const char *cnn_tensor_shape(const cnn_tensor *tensor, char *text,
                             size_t room); /* "[6, 1, 5, 5]"; returns text */

/* For the readers of formats. */
bool cnn_machine_big_endian(void);
void *cnn_archive_alloc(cnn_archive *archive, size_t bytes); /* zeroed; NULL if there is no memory */
/* Sets size and bytes from dtype and dim; false if they overflow or are not whole bytes. */
bool cnn_tensor_measure(cnn_tensor *tensor);
#endif
