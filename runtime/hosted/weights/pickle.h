/* pickle.h: Contents of a Python pickle, as values. It is read, never run: no name in it is looked up, and
 * nothing is called. Also built into the compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_PICKLE_H
#define CNN_PICKLE_H
#include "hosted/weights/archive.h"

typedef enum cnn_pickled_kind {
  CNN_PICKLED_OTHER, /* None, numbers with a point, bytes, sets, and objects that only Python could make */
  CNN_PICKLED_INTEGER,
  CNN_PICKLED_TEXT,
  CNN_PICKLED_NAME, /* of a class or function: "MODULE\nNAME" */
  CNN_PICKLED_TUPLE,
  CNN_PICKLED_LIST,
  CNN_PICKLED_DICT,    /* items: key, value, key, value ...; a later one is the one that counts */
  CNN_PICKLED_STORAGE, /* items: those of the tuple with its position */
  CNN_PICKLED_TENSOR,  /* items: storage, offset, sizes, strides ... */
  CNN_PICKLED_MODULE   /* an object with modules in it: a net as Python's code sees it */
} cnn_pickled_kind;

typedef struct cnn_pickled cnn_pickled;
struct cnn_pickled {
  cnn_pickled_kind kind;
  int32_t depth;       /* of the items in each other */
  int32_t count, room; /* items */
  int32_t seen;        /* for the reader of the value; 0 */
  cnn_pickled **item;
  int64_t number;   /* INTEGER */
  const char *text; /* TEXT, NAME: `bytes` long, without a NUL */
  size_t bytes;
};

/* The result of the pickle; all memory is that of `memory`, texts stay in `bytes`. `label` is for
 * messages. */
cnn_status cnn_pickle_read(cnn_archive *memory, const char *label, const unsigned char *bytes, size_t n,
                           cnn_pickled **value);
bool cnn_pickled_is(const cnn_pickled *value, const char *text); /* a TEXT or NAME that is `text` */
#endif
