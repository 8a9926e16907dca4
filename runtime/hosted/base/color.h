/* color.h: Colors of classes in images. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_COLOR_H
#define CNN_COLOR_H
#include <stdint.h>

void cnn_class_color(int64_t c, uint8_t rgb[3]); /* the color of class c in drawings */
/* The color map of Pascal VOC masks: class 0, the background, is black. */
void cnn_mask_color(int64_t c, uint8_t rgb[3]);
#endif
