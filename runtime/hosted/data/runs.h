/* runs.h: COCO run-length encoding of a mask: run lengths, column by column from the top left, starting with
 * background. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_RUNS_H
#define CNN_RUNS_H
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct cnn_runs {
  int32_t height, width;
  int64_t count;
  uint32_t *run; /* run lengths; their sum is height * width */
} cnn_runs;

/* Encodes the pixels of map[height][width] that have this value. False: out of memory. */
bool cnn_runs_make(cnn_runs *runs, const uint8_t *map, uint8_t value, int32_t height, int32_t width);
void cnn_runs_free(cnn_runs *runs);
int64_t cnn_runs_area(const cnn_runs *runs);
int64_t cnn_runs_shared(const cnn_runs *a,
                        const cnn_runs *b);  /* number of pixels in both masks; 0 if the sizes differ */
char *cnn_runs_text(const cnn_runs *runs);   /* COCO's "counts", from malloc; NULL: out of memory */
json_t *cnn_runs_json(const cnn_runs *runs); /* {"size": [height, width], "counts"}; NULL: out of memory */
#endif
