/* matching.h: Matching of a net's weights with the tensors of a file, by name or by order, and a text about
 * mismatches. Also built into the compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_MATCHING_H
#define CNN_MATCHING_H
#include "hosted/weights/archive.h"

typedef struct cnn_wanted {
  const char *name;
  int32_t rank;
  int64_t dim[4];
  int64_t flattened[3]; /* for a layer after flatten(order=hwc): height, width and channels of the flattened
                           value; otherwise zeros */
  bool passing;         /* the file may lack this weight */
} cnn_wanted;

typedef struct cnn_matching {
  const cnn_tensor **source; /* per weight: its tensor, or NULL */
  int32_t matched, missing, extra,
      differing;     /* number found; missing in the file; missing in the net; with another shape or type */
  const char **line; /* one line for each missing weight, extra tensor and mismatch */
  int32_t lines;
  const char *prefix;  /* a prefix, such as "module.", that only some names have, but with which more weights
                          are found than without it. The other fields then describe the matches with this
                          prefix. NULL: there is none */
  int32_t behind;      /* number of weights that are found with that prefix */
  const char *warning; /* a warning of ambiguous shapes, or NULL */
  int32_t unordered;   /* the weight that this warning is about */
} cnn_matching;

/* `prefix`: only names with this prefix count, and the prefix is removed. NULL: all names count, and a prefix
 * that all of them share is removed if more weights are then found. The archive owns all memory. False: out
 * of memory.
 */
bool cnn_match(cnn_archive *archive, const cnn_wanted *wanted, int32_t count, const char *prefix,
               cnn_matching *matching);
/* Matches in order, ignoring names: the file's first array is the net's first weight. */
bool cnn_match_by_order(cnn_archive *archive, const cnn_wanted *wanted, int32_t count, const char *prefix,
                        cnn_matching *matching);
/* Matches, in order, the longest run of layers that have the same shapes in the net and in the file; all
 * other layers stay unmatched. */
bool cnn_match_run(cnn_archive *archive, const cnn_wanted *wanted, int32_t count, const char *prefix,
                   cnn_matching *matching);
/* Renames the archive's tensors by the lines of a file: "theirs = ours". A '*' in theirs matches any text;
 * '*' in ours inserts that text, but ours need not have a '*'. Later lines have priority; "theirs =" leaves a
 * tensor out; '#' begins a comment. */
cnn_status cnn_rename(cnn_archive *archive, const char *path);
#endif
