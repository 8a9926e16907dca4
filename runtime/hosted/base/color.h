/* color.h: the colors of classes in pictures. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_COLOR_H
#define CNN_COLOR_H
#include <stdint.h>

void cnn_class_color(int64_t c, uint8_t rgb[3]); /* easy to tell apart on any ground */
/* That of Pascal VOC's masks, in which class 0, the ground, is black. */
void cnn_mask_color(int64_t c, uint8_t rgb[3]);
#endif
