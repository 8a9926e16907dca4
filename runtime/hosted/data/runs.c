/* runs.c: Run-length encoding of masks. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/runs.h"

#include <stdlib.h>

bool cnn_runs_make(cnn_runs *runs, const uint8_t *map, uint8_t value, int32_t height, int32_t width) {
  *runs = (cnn_runs){.height = height, .width = width};
  for (int pass = 0; pass < 2; pass++) { /* first counts the runs, then stores them */
    bool inside = false;
    uint32_t length = 0;
    int64_t n = 0;
    for (int64_t x = 0; x < width; x++)
      for (int64_t y = 0; y < height; y++, length++) {
        if ((map[y * width + x] == value) == inside) continue;
        if (pass) runs->run[n] = length;
        n++;
        length = 0;
        inside = !inside;
      }
    if (pass) runs->run[n] = length;
    else runs->run = malloc((size_t)(n + 1) * sizeof *runs->run);
    if (!runs->run) return false;
    runs->count = n + 1;
  }
  return true;
}

void cnn_runs_free(cnn_runs *runs) {
  free(runs->run);
  *runs = (cnn_runs){0};
}

int64_t cnn_runs_area(const cnn_runs *runs) {
  int64_t area = 0;
  for (int64_t i = 1; i < runs->count; i += 2) area += runs->run[i];
  return area;
}

/* Walks along both masks in steps. A step ends where a run of either mask ends. */
int64_t cnn_runs_shared(const cnn_runs *a, const cnn_runs *b) {
  int64_t shared = 0, i = 0, k = 0;
  if (a->height != b->height || a->width != b->width) return 0;
  int64_t left_a = a->count ? a->run[0] : 0, left_b = b->count ? b->run[0] : 0;
  while (i < a->count && k < b->count) {
    const int64_t step = left_a < left_b ? left_a : left_b;
    if (i % 2 && k % 2) shared += step;
    left_a -= step;
    left_b -= step;
    if (!left_a && ++i < a->count) left_a = a->run[i];
    if (!left_b && ++k < b->count) left_b = b->run[k];
  }
  return shared;
}

/* Five bits per character, least significant first; the sixth bit marks a continuation, and the highest of
 * the last five bits is the sign. From the fourth on, a run is stored as the difference from the run two
 * positions earlier. */
char *cnn_runs_text(const cnn_runs *runs) {
  enum { CHARACTERS = 7, FIRST = '0' }; /* 7 characters of 5 bits are enough for 33 bits */
  char *text = malloc((size_t)runs->count * CHARACTERS + 1), *to = text;
  for (int64_t i = 0; text && i < runs->count; i++) {
    int64_t number = (int64_t)runs->run[i] - (i > 2 ? (int64_t)runs->run[i - 2] : 0);
    for (bool more = true; more;) {
      const int bits = (int)(number & 31);
      number = (number - bits) / 32;
      more = bits & 16 ? number != -1 : number != 0;
      *to++ = (char)(FIRST + bits + (more ? 32 : 0));
    }
  }
  if (text) *to = '\0';
  return text;
}

json_t *cnn_runs_json(const cnn_runs *runs) {
  char *text = cnn_runs_text(runs);
  json_t *object =
      text ? json_pack("{s:[i, i], s:s}", "size", (int)runs->height, (int)runs->width, "counts", text) : NULL;
  free(text);
  return object;
}
