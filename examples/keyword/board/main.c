/* main.c: detection of words in samples that arrive 10 ms at a time, as from a microphone. */
// SPDX-License-Identifier: MIT-0
#include "board.h"
#include "gru.h"
#include "word.h" /* word[]: 16-bit samples at 16 kHz; replace with samples of your microphone */

/* AVERAGE: number of steps whose scores are averaged; HOLD: after a detection, no word is detected for this
 * number of steps */
enum { AVERAGE = 5, HOLD = 100 };

static gru_state state;         /* the state of one stream, which persists between calls */
static gru_workspace workspace; /* scratch: may share memory with other code */

static void say_detection(int step, int best, float score) {
  board_say_number((uint32_t)(step + 1) * 10); /* milliseconds of sound so far */
  board_say(" ms: ");
  board_say(gru_labels[best]);
  board_say(", ");
  board_say_number((uint32_t)(100 * score));
  board_say(" %\n");
}

int board_main(void) {
  const int steps = (int)(sizeof word / sizeof *word) / GRU_SAMPLES_SIZE;
  float recent[AVERAGE][GRU_OUTPUT_SIZE] = {{0}};
  gru_reset(&state);
  for (int step = 0, quiet = 0; step < steps; step++, quiet--) {
    float samples[GRU_SAMPLES_SIZE];
    for (int i = 0; i < GRU_SAMPLES_SIZE; i++) samples[i] = word[step * GRU_SAMPLES_SIZE + i] / 32768.0f;
    board_begin();
    gru_step(&gru_trained, samples, recent[step % AVERAGE], &state, &workspace);
    board_end();
    for (int c = 2; c < GRU_OUTPUT_SIZE && quiet <= 0; c++) { /* classes 0 and 1: silence, unknown word */
      float mean = 0;
      for (int k = 0; k < AVERAGE; k++) mean += recent[k][c] / AVERAGE;
      if (mean < 0.5f) continue;
      say_detection(step, c, mean);
      quiet = HOLD;
    }
  }
  board_say_measured();
  return 0;
}
