/* similar.h: "did you mean": the name that a misspelt word most likely stands for. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_SIMILAR_H
#define CNN_SIMILAR_H
#include <stdint.h>

const char *cnn_similar(const char *word, const char *const *name, int32_t names); /* one of them, or NULL */
#endif
