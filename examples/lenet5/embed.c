/* embed.c: a program that uses generated code: it reads ten test images from an IDX file and prints the
 * predicted classes.
 *
 *     cc -O2 embed.c lenet5.c -o embed && ./embed t10k-images-idx3-ubyte t10k-labels-idx1-ubyte */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include "lenet5.h"

static lenet5_workspace workspace; /* memory for the activations; no code allocates memory */

int main(int argc, char **argv) {
  FILE *images = argc == 3 ? fopen(argv[1], "rb") : NULL, *labels = argc == 3 ? fopen(argv[2], "rb") : NULL;
  if (!images || !labels) {
    fprintf(stderr, "usage: embed IMAGES LABELS (MNIST's files, unpacked)\n");
    return 2;
  }
  fseek(images, 16, SEEK_SET); /* the headers of the IDX files */
  fseek(labels, 8, SEEK_SET);
  for (int i = 0; i < 10; i++) {
    uint8_t image[LENET5_IMAGE_SIZE];
    float score[LENET5_OUTPUT_SIZE];
    const int truth = fgetc(labels);
    if (fread(image, 1, sizeof image, images) != sizeof image || truth < 0 || truth > 9) return 1;
    lenet5_infer(&lenet5_trained, image, score, &workspace);
    int best = 0;
    for (int c = 1; c < LENET5_OUTPUT_SIZE; c++)
      if (score[c] > score[best]) best = c;
    printf("image %d: %-11s %5.1f %%   (it is: %s)\n", i, lenet5_labels[best], 100 * (double)score[best],
           lenet5_labels[truth]);
  }
  fclose(images);
  fclose(labels);
  return 0;
}
