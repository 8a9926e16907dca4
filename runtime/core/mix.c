/* mix.c: Mixing of two samples: mixup (Zhang et al., 2018) and cutmix (Yun et al., 2019). The share of the
 * first sample in the result is drawn from a beta distribution. Cutmix pastes a rectangle of the second
 * sample, clipped at the edges of the image, and then recomputes the share from the clipped rectangle. Class
 * numbers cannot be mixed. So a target that is a class number becomes the label of one of the two samples,
 * chosen at random. Each sample is chosen with a probability equal to its share of the result. Then the
 * expected loss is the same as with mixed labels. */
// SPDX-License-Identifier: MIT-0
#include "augment.h"
#include "scalar.h"

enum {
  TRIES = 64,
  GAMMA_NUMBERS = 4 * TRIES,
  LABEL = 30,
  PARTNER = 31,
  TOP = 28,
  LEFT = 29
}; /* LABEL, PARTNER, TOP, LEFT: indices of random numbers within a step */

/* A random number of the distribution Gamma(shape, 1), with the method of Marsaglia and Tsang (2000). For a
 * shape below 1, draws with shape + 1, and scales the result. Fewer than one attempt in twenty is
 * rejected. */
static double gamma_draw(cnn_random random, uint32_t first, double shape) {
  const double boosted = shape < 1 ? shape + 1 : shape, d = boosted - 1.0 / 3, c = 1 / (3 * cnn_sqrt(d));
  double value = d;
  for (uint32_t i = 0; i < TRIES; i++) {
    const double x = cnn_draw_normal(random, first + 2 * i), v = 1 + c * x;
    const double u = ((double)cnn_random_bits(random, first + 2 * i + 1) + 0.5) * 0x1p-32, cube = v * v * v;
    if (v <= 0 || cnn_log(u) >= 0.5 * x * x + d - d * cube + d * cnn_log(cube)) continue;
    value = d * cube;
    break;
  }
  const double u = ((double)cnn_random_bits(random, first + 2 * TRIES) + 0.5) * 0x1p-32;
  return shape < 1 ? value * cnn_power(u, 1 / shape) : value;
}

static double beta_draw(cnn_random random, double alpha) {
  const double x = gamma_draw(random, 0, alpha), y = gamma_draw(random, GAMMA_NUMBERS, alpha);
  return x + y > 0 ? x / (x + y) : 0.5;
}

static int32_t middle_of(const cnn_augmentation *a, int32_t step, uint32_t k, int32_t size) {
  return (int32_t)(cnn_draw_uniform(a, step, k) * size);
}
static int32_t within(int32_t x, int32_t size) { return x < 0 ? 0 : x > size ? size : x; }

bool cnn_mix_draw(const cnn_augmentation *a, int32_t step, int64_t samples, cnn_mix *mix) {
  const cnn_option *option = &a->recipe->augment[step];
  const cnn_augment_kind kind = cnn_augment_kind_of(option);
  if (kind != CNN_AUGMENT_MIXUP && kind != CNN_AUGMENT_CUTMIX) return false;
  const cnn_random random =
      cnn_random_keys((uint64_t)a->random.key[1] << 32 | a->random.key[0], (uint64_t)step + 1);
  const double share = beta_draw(random, option->value[0]);
  *mix = (cnn_mix){.plane = a->plane,
                   .share = share,
                   .partner = (int64_t)(cnn_draw_uniform(a, step, PARTNER) * (double)samples)};
  if (kind == CNN_AUGMENT_CUTMIX) {
    const int32_t h = a->plane.height, w = a->plane.width, tall = (int32_t)(h * cnn_sqrt(1 - share)),
                  wide = (int32_t)(w * cnn_sqrt(1 - share));
    const int32_t top = middle_of(a, step, TOP, h) - tall / 2, left = middle_of(a, step, LEFT, w) - wide / 2;
    mix->boxed = true;
    mix->top = within(top, h);
    mix->bottom = within(top + tall, h);
    mix->left = within(left, w);
    mix->right = within(left + wide, w);
    mix->share = 1 - (double)(mix->bottom - mix->top) * (mix->right - mix->left) / ((double)h * w);
  }
  mix->label = cnn_draw_uniform(a, step, LABEL) >= mix->share;
  return true;
}

static void blend(cnn_type type, double share, void *own, const void *other, int64_t n) {
  const float part = (float)share;
  for (int64_t i = 0; i < n; i++) {
    if (type == CNN_F32) {
      float *x = (float *)own + i;
      *x = part * *x + (1 - part) * ((const float *)other)[i];
    } else if (type == CNN_U8) {
      uint8_t *x = (uint8_t *)own + i;
      *x = (uint8_t)(part * (float)*x + (1 - part) * (float)((const uint8_t *)other)[i] + 0.5f);
    } else if (type == CNN_I32) { /* no mixing: all indices come from the sample with the larger share */
      if (share < 0.5) ((int32_t *)own)[i] = ((const int32_t *)other)[i];
    } else if (type == CNN_I16) {
      int16_t *x = (int16_t *)own + i;
      *x = (int16_t)((int32_t)(part * (float)(*x + 32768) +
                               (1 - part) * (float)(((const int16_t *)other)[i] + 32768) + 0.5f) -
                     32768);
    } else {
      int8_t *x = (int8_t *)own + i;
      *x = (int8_t)((int32_t)(part * (float)(*x + 128) +
                              (1 - part) * (float)(((const int8_t *)other)[i] + 128) + 0.5f) -
                    128);
    }
  }
}

static void paste(const cnn_mix *mix, cnn_plane plane, size_t pixel, void *own, const void *other) {
  const int32_t top = (int32_t)((int64_t)mix->top * plane.height / mix->plane.height),
                bottom = (int32_t)((int64_t)mix->bottom * plane.height / mix->plane.height);
  const int32_t left = (int32_t)((int64_t)mix->left * plane.width / mix->plane.width),
                right = (int32_t)((int64_t)mix->right * plane.width / mix->plane.width);
  for (int32_t y = top; y < bottom; y++) {
    const size_t at = ((size_t)y * (size_t)plane.width + (size_t)left) * pixel;
    memcpy((char *)own + at, (const char *)other + at, (size_t)(right - left) * pixel);
  }
}

void cnn_mix_input(const cnn_mix *mix, cnn_plane plane, cnn_type type, void *own, const void *other) {
  if (mix->boxed) paste(mix, plane, (size_t)plane.channels * cnn_core_bytes(type), own, other);
  else blend(type, mix->share, own, other, (int64_t)plane.height * plane.width * plane.channels);
}

void cnn_mix_target(const cnn_mix *mix, cnn_plane plane, bool classes, void *own, const void *other) {
  const int64_t n = (int64_t)plane.height * plane.width * plane.channels;
  if (mix->boxed && plane.height * plane.width > 1) paste(mix, plane, (size_t)plane.channels * 4, own, other);
  else if (!classes) blend(CNN_F32, mix->share, own, other, n);
  else if (mix->label) memcpy(own, other, (size_t)n * 4);
}
