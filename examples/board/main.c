/* main.c: the program, which prints the best class of each image and its probability. */
// SPDX-License-Identifier: MIT-0
#include "board.h"
#include "garments.h"
#include "images.h" /* images[][] and their classes truth[]; replace with images of your camera */

static garments_workspace workspace;

int board_main(void) {
  const int n = (int)(sizeof truth / sizeof *truth);
  uint32_t hash = 0x811c9dc5u; /* FNV-1a of all scores */
  for (int i = 0; i < n; i++) {
    int8_t scores[GARMENTS_SCORES_SIZE];
    board_begin();
    garments_infer(&garments_trained, images[i], scores, &workspace);
    board_end();
    int best = 0;
    for (int c = 0; c < GARMENTS_SCORES_SIZE; c++) {
      if (scores[c] > scores[best]) best = c;
      hash = (hash ^ (uint8_t)scores[c]) * 0x01000193u;
    }
    board_say(garments_labels[best]);
    board_say(", ");
    board_say_number((uint32_t)(scores[best] - GARMENTS_SCORES_ZERO) * 100 / 256); /* the scale is 1/256 */
    board_say(" %");
    if (truth[i] != best) {
      board_say(" (it is: ");
      board_say(garments_labels[truth[i]]);
      board_say(")");
    }
    board_say("\n");
  }
  board_say("all bytes of the scores: ");
  board_say_number(hash);
  board_say("\n");
  board_say_measured();
  return 0;
}
