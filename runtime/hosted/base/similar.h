/* similar.h: "Did you mean": the known name that is most similar to a misspelled word. Also built into the
 * compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_SIMILAR_H
#define CNN_SIMILAR_H
#include <stdint.h>

/* The smallest number of edits that turn one name into the other. An edit changes, adds or removes a letter,
 * or swaps two adjacent letters; swapped letters are not edited again. Letters are bytes; the case of A to Z
 * is ignored. If a name has more than 127 letters, only its last 127 letters count. */
int32_t cnn_letters_between(const char *a, const char *b);
/* Returns the most similar name, or NULL if no name is similar enough. */
const char *cnn_similar(const char *word, const char *const *name, int32_t names);
#endif
