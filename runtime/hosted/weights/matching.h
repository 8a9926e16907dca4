/* matching.h: the weights of a net in a file, by name and shape, and a text on mismatches. Also
 * built into the compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_MATCHING_H
#define CNN_MATCHING_H
#include "hosted/weights/archive.h"

typedef struct cnn_wanted {
  const char *name;
  int32_t rank;
  int64_t dim[4];
  int64_t flattened[3]; /* a layer after flatten(order=hwc): the height, width and channels of the
                           flattened value; zeros: none */
  bool passing;         /* the file need not have it */
} cnn_wanted;

typedef struct cnn_matching {
  const cnn_tensor **source; /* by wanted: NULL where nothing fits */
  int32_t matched, missing, extra,
      differing;     /* found; not in the file; not in the net; of another shape or type */
  const char **line; /* a line for each of the last three */
  int32_t lines;
  const char *prefix;  /* "module.": more names are found with it than with the given one, but not
                          all names have it; the rest describes those; or NULL */
  int32_t behind;      /* number of names with it */
  const char *warning; /* on an ambiguity of shapes, or NULL */
  int32_t unordered;   /* then: of which weight */
} cnn_matching;

/* `prefix`: of the file's names only those count that begin with it, without it; NULL: all,
 * without what all of them begin with, if more are found so. All memory is the archive's. False: there was
 * none. */
bool cnn_match(cnn_archive *archive, const cnn_wanted *wanted, int32_t count, const char *prefix,
               cnn_matching *matching);
/* The same in order, ignoring names: the file's first array is the net's first weight. */
bool cnn_match_by_order(cnn_archive *archive, const cnn_wanted *wanted, int32_t count, const char *prefix,
                        cnn_matching *matching);
/* The longest run of layers, in order, of which all shapes agree; nothing else is found. */
bool cnn_match_run(cnn_archive *archive, const cnn_wanted *wanted, int32_t count, const char *prefix,
                   cnn_matching *matching);
/* Gives the archive's tensors other names, as the lines of a file say: "theirs = ours". A '*' matches any
 * text, the same in both, if ours has any; later lines win; "theirs =" leaves a tensor out; '#' begins a
 * comment. */
cnn_status cnn_rename(cnn_archive *archive, const char *path);
#endif
