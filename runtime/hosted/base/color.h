/* color.h: colors of classes in images. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_COLOR_H
#define CNN_COLOR_H
#include <stdint.h>

void cnn_class_color(int64_t c, uint8_t rgb[3]); /* easy to distinguish on any background */
/* That of Pascal VOC's masks, in which class 0, the ground, is black. */
void cnn_mask_color(int64_t c, uint8_t rgb[3]);
#endif
