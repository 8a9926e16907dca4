/* main.c: the device's program, which prints the scores of ten classes for an image. */
// SPDX-License-Identifier: MIT-0
#include "board.h"
#include "digits.h"

static float picture[DIGITS_PICTURE_SIZE], scores[DIGITS_SCORES_SIZE];
static digits_workspace workspace;

int board_main(void) {
  for (int i = 0; i < DIGITS_PICTURE_SIZE; i++) picture[i] = (float)(i * 37 % 251) / 251; /* replace this */
  digits_infer(&digits_trained, picture, scores, &workspace);
  for (int i = 0; i < DIGITS_SCORES_SIZE; i++) board_say((int)(1e6f * scores[i]));
  return 0;
}
