/* augment.h: Augmentation steps and their random numbers, shared by the files that augment and mix
 * samples. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_CORE_AUGMENT_H
#define CNN_CORE_AUGMENT_H
#include "cnn_core.h"

typedef enum cnn_augment_kind {
  CNN_AUGMENT_HFLIP,
  CNN_AUGMENT_VFLIP,
  CNN_AUGMENT_SHIFT,
  CNN_AUGMENT_ROTATE,
  CNN_AUGMENT_ZOOM,
  CNN_AUGMENT_CROP,
  CNN_AUGMENT_RESIZED_CROP,
  CNN_AUGMENT_NOISE,
  CNN_AUGMENT_BRIGHTNESS,
  CNN_AUGMENT_CONTRAST,
  CNN_AUGMENT_SATURATION,
  CNN_AUGMENT_HUE,
  CNN_AUGMENT_CUTOUT,
  CNN_AUGMENT_MIXUP,
  CNN_AUGMENT_CUTMIX,
  CNN_AUGMENT_TIME_SHIFT,
  CNN_AUGMENT_GAIN,
  CNN_AUGMENT_BACKGROUND,
  CNN_AUGMENT_SPEED,
  CNN_AUGMENTS, /* number of kinds; also the kind of an option with an unknown name */
} cnn_augment_kind;

cnn_augment_kind cnn_augment_kind_of(const cnn_option *); /* the kind with the option's name */
/* Random number k of a step of the recipe, 0 <= k < 32. cnn_draw_uniform returns a number 0 <= u < 1.
 * cnn_draw_below returns an integer from 0 to limit - 1. */
double cnn_draw_uniform(const cnn_augmentation *, int32_t step, uint32_t k);
uint32_t cnn_draw_below(const cnn_augmentation *, int32_t step, uint32_t k, uint32_t limit);
size_t cnn_core_bytes(cnn_type); /* bytes of one element */
/* Applies a sound augmentation step to the sequence `in`, and writes the result to `out`. Returns false and
 * writes nothing if the step is not a sound step, or if the plane is not a sequence (height 1, width > 1). */
bool cnn_augment_sound(const cnn_augmentation *, int32_t step, cnn_plane plane, const float *in, float *out);
double cnn_draw_normal(cnn_random random, uint32_t counter);
double cnn_normal_quantile(double p);
#endif
