/* stream.c: simulates a camera whose images are negatives. LeNet-5 classifies these images, and learns them
 * one by one from the stream.
 *     ./stream train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte t10k-labels-idx1-ubyte
 */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include "learner.h"

enum { TESTED = 2000, STEP = 1000, STREAM = 8000 };

static bool next(FILE *images, FILE *labels, uint8_t *image, int *label) {
  *label = fgetc(labels);
  if (fread(image, 1, IMAGE_BYTES, images) != IMAGE_BYTES || *label < 0) return false;
  for (int i = 0; i < IMAGE_BYTES; i++) image[i] = (uint8_t)(255 - image[i]);
  return true;
}

static void test(FILE *images, FILE *labels, int seen) {
  uint8_t image[IMAGE_BYTES];
  int label, right = 0, tested = 0;
  fseek(images, 16, SEEK_SET); /* the headers of IDX files */
  fseek(labels, 8, SEEK_SET);
  for (; tested < TESTED && next(images, labels, image, &label); tested++)
    right += learner_predict(image) == label;
  if (tested)
    printf("after %4d images: %.1f %% of %d negatives right\n", seen, 100.0 * right / tested, tested);
}

int main(int argc, char **argv) {
  FILE *file[4] = {0};
  for (int i = 0; argc == 5 && i < 4; i++) file[i] = fopen(argv[i + 1], "rb");
  if (!file[0] || !file[1] || !file[2] || !file[3]) {
    fprintf(stderr,
            "usage: stream TRAIN_IMAGES TRAIN_LABELS TEST_IMAGES TEST_LABELS (MNIST's files, unpacked)\n");
    return 2;
  }
  if (!learner_begin()) return 1;
  fseek(file[0], 16, SEEK_SET);
  fseek(file[1], 8, SEEK_SET);
  uint8_t image[IMAGE_BYTES];
  int label;
  for (int seen = 0; seen <= STREAM; seen++) {
    if (seen % STEP == 0 && (seen < 3 * STEP || seen == STREAM)) test(file[2], file[3], seen);
    if (!next(file[0], file[1], image, &label)) break;
    if (!learner_sample(image, label)) {
      fprintf(stderr, "the loss or a weight is not finite after %d images: learning has stopped\n", seen + 1);
      return 1;
    }
  }
  return 0;
}
