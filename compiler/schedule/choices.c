// choices.c: Lists of choices (a schedule and its parameters), which the cost model ranks and --tune
// measures.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/schedule.h"

void choices_add(Choices *choices, Choice choice) {
  if (choices->n < MOST_CHOICES) choices->choice[choices->n++] = choice;
}

void choices_itself(const Lower *l, const Choice *choice, Choices *choices) {
  (void)l;
  choices_add(choices, *choice);
}

void choices_by_tiles(const Lower *l, const Choice *choice, Choices *choices) {
  Choice blocks = *choice;
  choices_itself(l, choice, choices);
  for (blocks.tiles = 32; blocks.tiles <= 256; blocks.tiles *= 2) choices_add(choices, blocks);
}
