/* width.h: Width of a text on a terminal, in columns. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_WIDTH_H
#define CNN_WIDTH_H

/* UTF-8: 2 for a Chinese character, 0 for a combining one; 1 for an invalid one. */
int cnn_text_columns(const char *text);
#endif
