/* adapt.c: learner.c of examples/adapt learns ten patterns from a stream. */
// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include "learner.h"

static uint32_t state = 1;
static uint32_t next(void) { return state = state * 1664525u + 1013904223u; }

static int32_t
make(uint8_t picture[PICTURE_BYTES]) { /* a stripe whose place and direction are the class, in noise */
  const int32_t label = (int32_t)(next() >> 8) % 10;
  for (int i = 0; i < PICTURE_BYTES; i++) {
    const int at = label < 5 ? i / 28 : i % 28;
    picture[i] = (uint8_t)((next() >> 26) + (at / 5 == label % 5 ? 150 : 0));
  }
  return label;
}

static int right_of(int count) {
  uint8_t picture[PICTURE_BYTES];
  int right = 0;
  for (int i = 0; i < count; i++) {
    const int32_t label = make(picture);
    right += learner_predict(picture) == label;
  }
  return right;
}

int main(void) {
  uint8_t picture[PICTURE_BYTES];
  if (!learner_begin()) return printf("the memory is too small\n"), 1;
  const int before = right_of(300);
  for (int i = 0; i < 2000; i++) {
    const int32_t label = make(picture);
    if (!learner_sample(picture, label)) return printf("learning stopped\n"), 1;
  }
  const int after = right_of(300);
  printf("%d of 300 before, %d after\n", before, after);
  return before > 150 || after < 285;
}
