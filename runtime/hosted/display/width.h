/* width.h: Width of a text on a terminal, in columns. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_WIDTH_H
#define CNN_WIDTH_H

/* Width of UTF-8 text: a Chinese character is 2 columns wide, a combining character 0, an invalid character
 * 1. */
int cnn_text_columns(const char *text);
#endif
