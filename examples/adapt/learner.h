/* learner.h: a net that learns from a stream of labeled images, in a fixed amount of memory, without an
 * operating system. */
// SPDX-License-Identifier: MIT-0
#ifndef LEARNER_H
#define LEARNER_H
#include <stdbool.h>
#include <stdint.h>

enum { IMAGE_BYTES = 28 * 28 };

/* false: the memory is too small (its size is constant, so the result is the same in every run) */
bool learner_begin(void);
int32_t learner_predict(const uint8_t image[IMAGE_BYTES]); /* the class, 0 to 9 */
/* Makes a training step after every eighth image. False: the loss or a weight was not finite, so training has
 * stopped; predictions use the weights from before that step. */
bool learner_sample(const uint8_t image[IMAGE_BYTES], int32_t label);
#endif
