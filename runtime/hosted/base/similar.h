/* similar.h: "Did you mean": the known name that is most similar to a misspelled word. Also built into the
 * compiler (see file.h). */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_SIMILAR_H
#define CNN_SIMILAR_H
#include <stdint.h>

/* Number of letters to change, add, remove or swap with a neighbor, ignoring case. Only the last 127 letters
 * of a longer name count. */
int32_t cnn_letters_between(const char *a, const char *b);
/* Returns the most similar name, or NULL. */
const char *cnn_similar(const char *word, const char *const *name, int32_t names);
#endif
