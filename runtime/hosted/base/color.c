/* color.c: Colors of classes in images. */
// SPDX-License-Identifier: MIT-0
#include "hosted/base/color.h"

#include <math.h>
#include <string.h>

/* The first twelve colors are the easiest to distinguish. The hue of a later class c is c * 0.618 turns
 * (the golden ratio minus 1), and every third color is darker. */
void cnn_class_color(int64_t c, uint8_t rgb[3]) {
  static const uint8_t first[][3] = {{230, 25, 75},  {0, 130, 200}, {60, 180, 75},  {245, 130, 48},
                                     {145, 30, 180}, {0, 165, 165}, {240, 50, 230}, {150, 190, 0},
                                     {170, 110, 40}, {255, 190, 0}, {128, 0, 0},    {0, 0, 150}};
  const int64_t known = sizeof first / sizeof *first;
  if (c >= 0 && c < known) {
    memcpy(rgb, first[c], 3);
    return;
  }
  const double turn = 6 * fmod((double)c * 0.6180339887498949, 1), bright = c % 3 ? 235 : 150;
  for (int i = 0; i < 3; i++) {
    const double away = fabs(fmod(turn + 6 - 2 * i, 6) - 3); /* 3: this channel's hue; 0: the opposite hue */
    rgb[i] = (uint8_t)(bright * fmin(1, fmax(0.1, away - 1)));
  }
}

/* Spreads the bits of the class number over the high bits of red, green and blue. */
void cnn_mask_color(int64_t c, uint8_t rgb[3]) {
  rgb[0] = rgb[1] = rgb[2] = 0;
  for (int bit = 7; bit >= 0 && c > 0; bit--, c >>= 3) {
    for (int i = 0; i < 3; i++) rgb[i] = (uint8_t)(rgb[i] | ((c >> i & 1) << bit));
  }
}
