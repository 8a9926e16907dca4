/* augment.h: the random numbers of a sample's augmentation, for those who augment and those who mix. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_CORE_AUGMENT_H
#define CNN_CORE_AUGMENT_H
#include "cnn_core.h"

bool cnn_option_is(const cnn_option *, const char *name); /* called so */
double cnn_draw_uniform(const cnn_augmentation *, int32_t step,
                        uint32_t k); /* number k of a step of the recipe, 0 <= u < 1 */
double cnn_draw_normal(cnn_random random, uint32_t counter);
double cnn_normal_quantile(double p);
#endif
