/* archive.h: Named arrays of numbers in files: .safetensors, .npz, .npy, and PyTorch's. Also built into the
 * compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_ARCHIVE_H
#define CNN_ARCHIVE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "hosted/base/file.h"

typedef enum cnn_dtype { /* cnn_safetensors_write sorts tensors by type, in the reverse order of these
                            constants. Tensors of some types can be read and
                            written as bytes, but not converted to numbers: see cnn_tensor_numeric */
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
                         CNN_DTYPE_OTHER /* any other type, such as texts in an .npy file, or quantized
                                            numbers in a PyTorch file */
} cnn_dtype;

#define CNN_NAMELESS "arr_0" /* NumPy's name for an array without a name, such as the array of an .npy */
enum { CNN_TENSOR_RANK = 32 };
typedef struct cnn_tensor {
  const char *name;
  cnn_dtype dtype;
  bool swapped; /* the byte order differs from this machine's */
  bool fortran; /* column-major: the first dimension runs fastest */
  const int64_t
      *stride; /* distance of neighbors in each dimension, in elements; NULL if the array is contiguous */
  int32_t rank;
  int64_t dim[CNN_TENSOR_RANK];
  int64_t size; /* number of elements */
  size_t bytes;
  const unsigned char *data; /* not aligned */
} cnn_tensor;

typedef struct cnn_note {
  const char *key, *value;
} cnn_note; /* an entry of a file's metadata: see notes.h */

typedef struct cnn_archive {
  cnn_file file;
  bool torch;         /* a PyTorch file */
  bool by_name;       /* the writer of the file has sorted the tensors by name: their order in the net is
                         unknown */
  const char *others; /* unread dictionaries of the PyTorch file: "'ema' (12 tensors), ..."; or NULL */
  int32_t count, notes;
  cnn_tensor *tensor;
  cnn_note *note;
  struct cnn_block *blocks; /* memory that the archive has allocated */
} cnn_archive;

/* Opens a file. The format is determined by the contents, not by the name. A path "FILE:KEY" that is not
 * itself the name of a file selects the dictionary KEY of a PyTorch file. */
cnn_status cnn_archive_open(cnn_archive *archive, const char *path);
size_t cnn_archive_file(const char *path); /* length of FILE in a path "FILE:KEY" */
void cnn_archive_close(cnn_archive *archive);
/* Like cnn_archive_open, for bytes that the caller keeps valid; `path` is for messages. This archive must be
 * closed, too. */
cnn_status cnn_archive_parse(cnn_archive *archive, const char *path, const unsigned char *bytes, size_t n);
const cnn_tensor *cnn_archive_find(const cnn_archive *archive, const char *name); /* or NULL */
/* Sets *name to a name that two tensors have, or NULL. False: out of memory. */
bool cnn_archive_twice(const cnn_archive *archive, const char **name);
const char *cnn_archive_note(const cnn_archive *archive, const char *key); /* or NULL */

const char *cnn_dtype_name(cnn_dtype dtype);        /* "F32" */
int64_t cnn_dtype_bits(cnn_dtype dtype);            /* 0 for CNN_DTYPE_OTHER */
bool cnn_tensor_numeric(const cnn_tensor *tensor);  /* whether its elements can be read as numbers */
bool cnn_tensor_in_order(const cnn_tensor *tensor); /* whether the elements are contiguous in C order */
double cnn_tensor_number(const cnn_tensor *tensor, int64_t i); /* element i in C order */
void cnn_tensor_floats(const cnn_tensor *tensor, int64_t first, int64_t count, float *out);
/* Checks that the tensor can be the net's parameter `name`: after conversion to float, all numbers are
 * finite, and a running variance is not negative. Minus infinity is allowed in a frozen parameter, because it
 * may be an attention mask. */
cnn_status cnn_tensor_check(const cnn_tensor *tensor, const char *path, const char *name, bool frozen);
bool cnn_tensor_whole(const cnn_tensor *tensor);      /* whether its elements are integers or booleans */
bool cnn_tensor_is_counter(const cnn_tensor *tensor); /* PyTorch's "NAME.num_batches_tracked", which is stored
                                                         among the weights but is not a weight */
/* Formats a shape: "[6, 1, 5, 5]"; returns text. */
const char *cnn_tensor_shape(const cnn_tensor *tensor, char *text, size_t room);

/* ---- for the code that reads and writes the file formats */
bool cnn_machine_big_endian(void);
void *cnn_archive_alloc(cnn_archive *archive, size_t bytes); /* zeroed; NULL: out of memory */
/* Sets size and bytes from dtype and dim. False: a number overflows, or the size is not a whole number of
 * bytes. */
bool cnn_tensor_measure(cnn_tensor *tensor);
#endif
