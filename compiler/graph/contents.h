/* contents.h: The numbers that an input of a net usually has, for measurements with generated inputs. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_GRAPH_CONTENTS_H
#define CNNC_GRAPH_CONTENTS_H
#include "graph/graph.h"

typedef enum ContentsKind {
  CONTENTS_NORMAL,  /* normally distributed, with mean 0 and standard deviation 1 */
  CONTENTS_BYTES,   /* pixels: the range of the type; float inputs 0 to 255 */
  CONTENTS_SOUND,   /* samples of a sound */
  CONTENTS_INDICES, /* integers from 0 to count - 1 */
  CONTENTS_MASK     /* ones: no position is masked */
} ContentsKind;

typedef struct Contents {
  ContentsKind kind;
  int64_t count; /* CONTENTS_INDICES: number of valid indices */
} Contents;

/* The contents follow from the type and the rate of the input, and from the operators that read the input,
 * directly or after operators without parameters. */
Contents graph_contents(const Graph *, int input); /* input: index in graph->inputs */
const char *contents_name(ContentsKind);           /* "normal", "bytes", "sound", "indices", "mask" */
#endif
