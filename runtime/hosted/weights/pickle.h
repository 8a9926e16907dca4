/* pickle.h: Contents of a Python pickle, as values. The pickle is read, never executed: no name in it is
 * looked up, and nothing is called. Also built into the compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_PICKLE_H
#define CNN_PICKLE_H
#include "hosted/weights/archive.h"

typedef enum cnn_pickled_kind {
  CNN_PICKLED_OTHER, /* None, floating-point numbers, integers of more than 8 bytes, bytes, sets, and
                      * objects that only Python can create */
  CNN_PICKLED_INTEGER,
  CNN_PICKLED_TEXT,
  CNN_PICKLED_NAME, /* a class or function: the name of its module and its
                     * own name, separated by a newline */
  CNN_PICKLED_TUPLE,
  CNN_PICKLED_LIST,
  CNN_PICKLED_DICT,    /* items: key, value, key, value ...; keys may repeat */
  CNN_PICKLED_STORAGE, /* items: "storage", type, file member, device, number of elements */
  CNN_PICKLED_TENSOR,  /* items: storage, offset, sizes, strides ... */
  CNN_PICKLED_MODULE   /* an object of PyTorch's class Module */
} cnn_pickled_kind;

typedef struct cnn_pickled cnn_pickled;
struct cnn_pickled {
  cnn_pickled_kind kind;
  int32_t depth;       /* nesting depth of the items */
  int32_t count, room; /* number of items, and room for them */
  int32_t seen;        /* free for use by the caller; initially 0 */
  cnn_pickled **item;
  int64_t number;   /* INTEGER */
  const char *text; /* TEXT, NAME: `bytes` long, not zero-terminated */
  size_t bytes;
};

/* Reads a pickle. `memory` owns all memory. Texts point into `bytes`, except names that STACK_GLOBAL
 * combines: these are in `memory`. `label` is for messages. */
cnn_status cnn_pickle_read(cnn_archive *memory, const char *label, const unsigned char *bytes, size_t n,
                           cnn_pickled **value);
/* Whether the value is a TEXT or NAME equal to `text`. */
bool cnn_pickled_is(const cnn_pickled *value, const char *text);
#endif
