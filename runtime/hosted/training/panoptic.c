/* panoptic.c: Panoptic quality, with unknown pixels and crowds as in COCO's panoptic task. */
// SPDX-License-Identifier: MIT-0
#include "hosted/training/panoptic.h"

#include <stdlib.h>

/* Numbers of pixels: of each segment, and of each pair of an annotated and a detected segment that overlap.
 * Index 0 is for pixels without a segment. */
typedef struct Shared {
  const cnn_segments *truth, *found;
  int64_t *pixels; /* [1 + truths][1 + founds] */
  int64_t *of_truth, *of_found;
  bool *matched; /* whether the segment is matched: annotated segments, then detected segments */
} Shared;

/* Number of pixels that two segments share; index -1: pixels without a segment. */
static int64_t shared(const Shared *s, int32_t truth, int32_t found) {
  return s->pixels[(int64_t)(truth + 1) * (s->found->count + 1) + found + 1];
}

static void count_pixels(Shared *s) {
  for (int64_t i = 0; i < s->truth->pixels; i++) {
    const int32_t truth = s->truth->of[i], found = s->found->of[i];
    s->pixels[(int64_t)(truth + 1) * (s->found->count + 1) + found + 1]++;
    s->of_truth[truth + 1]++;
    s->of_found[found + 1]++;
  }
}

/* Matches each annotated segment, except crowds, with the detected segment of the same class for which the
 * IoU exceeds one half. There is at most one such segment, because segments do not overlap. */
static void match(Shared *s, cnn_quality_counts *of_class) {
  for (int32_t t = 0; t < s->truth->count; t++)
    for (int32_t f = 0; f < s->found->count && !s->truth->segment[t].ignored; f++) {
      const int32_t label = s->truth->segment[t].label;
      const int64_t both = shared(s, t, f);
      if (!both || label != s->found->segment[f].label) continue;
      const int64_t all = s->of_truth[t + 1] + s->of_found[f + 1] - both - shared(s, -1, f);
      const double iou = (double)both / (double)all;
      if (iou <= 0.5) continue;
      of_class[label].right++;
      of_class[label].iou += iou;
      s->matched[t] = s->matched[s->truth->count + f] = true;
    }
}

/* Counts misses and false detections. An unmatched detection is false if at most half of its pixels are
 * unknown or in a crowd of the same class. */
static void count_mistakes(const Shared *s, cnn_quality_counts *of_class) {
  for (int32_t t = 0; t < s->truth->count; t++) {
    const cnn_segment *segment = &s->truth->segment[t];
    if (!segment->ignored && !s->matched[t]) of_class[segment->label].missed++;
  }
  for (int32_t f = 0; f < s->found->count; f++) {
    const int32_t label = s->found->segment[f].label;
    int64_t crowd = 0; /* pixels shared with the last crowd of the class, as in COCO's code */
    for (int32_t t = 0; t < s->truth->count; t++)
      if (s->truth->segment[t].ignored && s->truth->segment[t].label == label) crowd = shared(s, t, f);
    const int64_t unknown = shared(s, -1, f) + crowd;
    if (!s->matched[s->truth->count + f] && 2 * unknown <= s->of_found[f + 1]) of_class[label].wrong++;
  }
}

bool cnn_quality_add(cnn_quality_counts *of_class, const cnn_segments *truth, const cnn_segments *found) {
  const size_t truths = (size_t)truth->count + 1, founds = (size_t)found->count + 1;
  Shared s = {truth,
              found,
              calloc(truths * founds, sizeof(int64_t)),
              calloc(truths, sizeof(int64_t)),
              calloc(founds, sizeof(int64_t)),
              calloc(truths + founds, sizeof(bool))};
  const bool fine = s.pixels && s.of_truth && s.of_found && s.matched;
  if (fine) {
    count_pixels(&s);
    match(&s, of_class);
    count_mistakes(&s, of_class);
  }
  free(s.pixels);
  free(s.of_truth);
  free(s.of_found);
  free(s.matched);
  return fine;
}

static double size_of(const cnn_quality_counts *c) {
  return (double)c->right + 0.5 * (double)c->wrong + 0.5 * (double)c->missed;
}

cnn_quality cnn_quality_of(const cnn_quality_counts *counts) {
  const double size = size_of(counts), right = (double)counts->right;
  if (size <= 0 || counts->right == 0) return (cnn_quality){0, 0, 0};
  return (cnn_quality){counts->iou / size, counts->iou / right, right / size};
}

cnn_quality cnn_quality_mean(const cnn_quality_counts *of_class, int32_t classes) {
  cnn_quality sum = {0, 0, 0};
  int32_t n = 0;
  for (int32_t label = 0; label < classes; label++) {
    if (size_of(&of_class[label]) <= 0) continue;
    const cnn_quality own = cnn_quality_of(&of_class[label]);
    sum.pq += own.pq;
    sum.sq += own.sq;
    sum.rq += own.rq;
    n++;
  }
  if (!n) return (cnn_quality){-1, -1, -1};
  return (cnn_quality){sum.pq / n, sum.sq / n, sum.rq / n};
}
