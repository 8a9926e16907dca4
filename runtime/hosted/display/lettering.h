/* lettering.h: Text in images. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_LETTERING_H
#define CNN_LETTERING_H
#include "cnn_image.h"

/* `size` is a twelfth of the height of capitals, in pixels. Text is ASCII; other characters become question
 * marks. */
int32_t cnn_text_width(const char *text, double size);
int32_t cnn_text_height(double size); /* height of a line, with descenders */
/* Draws text onto an RGB image. `left` is the left end of the first letter, `top` is the top of the capitals.
 * Text that does not fit is cut off. */
void cnn_text_draw(const cnn_image *image, double left, double top, double size, const uint8_t color[3],
                   const char *text);
#endif
