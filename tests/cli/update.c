/* update.c: the answers of firmware to a hundred inputs: update [MODEL] takes the model in the file, or else
 * the one that is compiled in; status 3: the firmware refuses the file. */
// SPDX-License-Identifier: Apache-2.0
#include "update.h"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  static update_workspace workspace;
  static input_type input[UPDATE_X_SIZE];
  static output_type scores[UPDATE_SCORES_SIZE];
  unsigned char *bytes = malloc(UPDATE_FILE_BYTES + 64);
  const update_model *model = NULL;
  uint32_t state = 1;
#ifdef TRAINED
  model = &update_trained;
#endif
  if (argc > 1) {
    FILE *file = fopen(argv[1], "rb");
    if (!file || !bytes) return 2;
    model = update_open(bytes, fread(bytes, 1, UPDATE_FILE_BYTES + 64, file));
    fclose(file);
  }
  if (!model) return 3;
#ifdef SCALES
  printf("%a %d ", (double)UPDATE_X_SCALE(model), (int)UPDATE_X_ZERO(model));
  printf("%a %d\n", (double)UPDATE_SCORES_SCALE(model), (int)UPDATE_SCORES_ZERO(model));
#endif
  for (int n = 0; n < 100; n++) {
    for (int i = 0; i < UPDATE_X_SIZE; i++) {
      state = state * 1664525u + 1013904223u;
      input[i] = (input_type)((int)(state >> 24) - 128);
    }
    update_infer(model, input, scores, &workspace);
    for (int i = 0; i < UPDATE_SCORES_SIZE; i++) printf(" %a", (double)scores[i]);
    printf("\n");
  }
  free(bytes);
  return 0;
}
