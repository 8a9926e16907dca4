/* similar.h: "did you mean": the name that is most similar to a misspelt word. Also built into the
 * compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_SIMILAR_H
#define CNN_SIMILAR_H
#include <stdint.h>

/* How many letters are to be changed, added, removed or swapped with their neighbors, blind to case. Of
 * longer names the last 127 letters count. */
int32_t cnn_letters_between(const char *a, const char *b);
const char *cnn_similar(const char *word, const char *const *name, int32_t names); /* one of them, or NULL */
#endif
