/* precision.c: the average precision of detected boxes, as COCO counts it (Lin et al. 2014): IoU from 0.50 to
 * 0.95, 101 points of recall, at most 100 detections of a class in an image. */
// SPDX-License-Identifier: MIT-0
#include "precision.h"
#include <float.h>
#include <math.h>
#include <stdlib.h>

enum { MOST = 100, POINTS = 101, OVERLAPS = 10, RANGES = 4 };
typedef enum { WRONG, RIGHT, NEITHER } Verdict;

typedef struct {
  const cnn_found *found;
  int64_t row;
  Verdict verdict;
} Found;

typedef struct {
  const cnn_sought *sought;
  int64_t row;
  bool ignored, taken;
} Sought;

static const double range[RANGES][2] = {{0, 1e10}, {0, 1024}, {1024, 9216}, {9216, 1e10}};

static int by_row(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int by_image(const void *a, const void *b) {
  const Found *x = a, *y = b;
  if (x->found->label != y->found->label) return x->found->label < y->found->label ? -1 : 1;
  if (x->found->image != y->found->image) return x->found->image < y->found->image ? -1 : 1;
  if (x->found->score != y->found->score) return x->found->score > y->found->score ? -1 : 1;
  return by_row(x->row, y->row);
}

/* Behind by_image, a row is the place in that order. */
static int by_score(const void *a, const void *b) {
  const Found *x = a, *y = b;
  if (x->found->score != y->found->score) return x->found->score > y->found->score ? -1 : 1;
  return by_row(x->row, y->row);
}

/* What is ignored comes last in its image. */
static int by_use(const void *a, const void *b) {
  const Sought *x = a, *y = b;
  if (x->sought->label != y->sought->label) return x->sought->label < y->sought->label ? -1 : 1;
  if (x->sought->image != y->sought->image) return x->sought->image < y->sought->image ? -1 : 1;
  if (x->ignored != y->ignored) return x->ignored ? 1 : -1;
  return by_row(x->row, y->row);
}

static double area_of(const double box[4]) { return (box[2] - box[0]) * (box[3] - box[1]); }

static double overlap_of(const cnn_found *f, const cnn_sought *s) {
  const double w = fmin(f->box[2], s->box[2]) - fmax(f->box[0], s->box[0]);
  const double h = fmin(f->box[3], s->box[3]) - fmax(f->box[1], s->box[1]);
  if (w <= 0 || h <= 0) return 0;
  const double both = w * h, own = area_of(f->box);
  return both / (s->ignored ? own : own + area_of(s->box) - both);
}

static void match(Found *f, Sought *s, int64_t soughts, double least, const double bound[2]) {
  Sought *best = NULL;
  for (int64_t i = 0; i < soughts; i++) {
    if (s[i].taken && !s[i].sought->ignored) continue;
    if (best && !best->ignored && s[i].ignored) break;
    const double overlap = overlap_of(f->found, s[i].sought);
    if (overlap < least) continue;
    least = overlap;
    best = &s[i];
  }
  const double area = area_of(f->found->box);
  if (best) {
    best->taken = true;
    f->verdict = best->ignored ? NEITHER : RIGHT;
  } else {
    f->verdict = area < bound[0] || area > bound[1] ? NEITHER : WRONG;
  }
}

/* The detections and truths of one class, by image. */
static void match_class(Found *f, int64_t founds, Sought *s, int64_t soughts, double least,
                        const double bound[2]) {
  for (int64_t i = 0; i < soughts; i++) s[i].taken = false;
  int64_t from = 0, to = 0, rank = 0;
  for (int64_t i = 0; i < founds; i++) {
    const int32_t image = f[i].found->image;
    rank = i && f[i - 1].found->image == image ? rank + 1 : 0;
    while (from < soughts && s[from].sought->image < image) from++;
    if (to < from) to = from;
    while (to < soughts && s[to].sought->image == image) to++;
    f[i].row = i;
    f[i].verdict = NEITHER;
    if (rank < MOST) match(&f[i], s + from, to - from, least, bound);
  }
}

/* `f` by descending score; precision[founds] is room to work in. */
static double average(const Found *f, int64_t founds, int64_t truths, double *precision, double *recall) {
  double right = 0, wrong = 0, sum = 0;
  for (int64_t i = 0; i < founds; i++) {
    right += f[i].verdict == RIGHT;
    wrong += f[i].verdict == WRONG;
    recall[i] = right / (double)truths;
    precision[i] = right / (right + wrong + DBL_EPSILON);
  }
  for (int64_t i = founds - 1; i > 0; i--)
    if (precision[i] > precision[i - 1]) precision[i - 1] = precision[i];
  int64_t at = 0;
  for (int point = 0; point < POINTS; point++) {
    const double least = point == POINTS - 1 ? 1 : point * 0.01;
    while (at < founds && recall[at] < least) at++;
    if (at < founds) sum += precision[at];
  }
  return sum / (double)POINTS;
}

typedef struct {
  Found *found, *ranked;
  Sought *sought;
  double *precision, *recall;
} Room;

static double of_range(Room *room, Found *f, int64_t founds, Sought *s, int64_t soughts, int which,
                       double of[OVERLAPS]) {
  int64_t truths = 0;
  for (int64_t i = 0; i < soughts; i++) {
    const cnn_sought *t = s[i].sought;
    s[i].ignored = t->ignored || t->area < range[which][0] || t->area > range[which][1];
    truths += !s[i].ignored;
  }
  if (!truths) return -1;
  qsort(s, (size_t)soughts, sizeof *s, by_use);
  double sum = 0;
  for (int k = 0; k < OVERLAPS; k++) {
    const double least = 0.5 + k * ((0.95 - 0.5) / 9);
    match_class(f, founds, s, soughts, fmin(least, 1 - 1e-10), range[which]);
    for (int64_t i = 0; i < founds; i++) room->ranked[i] = f[i];
    if (founds) qsort(room->ranked, (size_t)founds, sizeof *f, by_score);
    sum += of[k] = average(room->ranked, founds, truths, room->precision, room->recall);
  }
  return sum / (double)OVERLAPS;
}

static void measure(Room *room, int64_t founds, int64_t soughts, int32_t classes, double mean[6],
                    double *of_class) {
  int64_t count[RANGES] = {0}, f = 0, s = 0;
  for (int32_t label = 0; label < classes; label++) {
    int64_t f_end = f, s_end = s;
    while (f_end < founds && room->found[f_end].found->label == label) f_end++;
    while (s_end < soughts && room->sought[s_end].sought->label == label) s_end++;
    for (int which = 0; which < RANGES; which++) {
      double of[OVERLAPS];
      const double ap = of_range(room, room->found + f, f_end - f, room->sought + s, s_end - s, which, of);
      if (!which && of_class) of_class[label] = ap;
      if (ap < 0) continue;
      count[which]++;
      mean[which ? which + 2 : 0] += ap;
      if (!which) mean[1] += of[0], mean[2] += of[5];
    }
    f = f_end;
    s = s_end;
  }
  for (int i = 0; i < 6; i++) {
    const int64_t n = count[i < 3 ? 0 : i - 2];
    mean[i] = n ? mean[i] / (double)n : -1;
  }
}

bool cnn_precision_boxes(const cnn_found *found, int64_t founds, const cnn_sought *sought, int64_t soughts,
                         int32_t classes, cnn_precision *result, double *of_class) {
  const size_t n = (size_t)founds + 1, m = (size_t)soughts + 1;
  Room room = {calloc(n, sizeof *room.found), calloc(n, sizeof *room.ranked), calloc(m, sizeof *room.sought),
               calloc(n, sizeof(double)), calloc(n, sizeof(double))};
  const bool memory = room.found && room.ranked && room.sought && room.precision && room.recall;
  if (memory) {
    double mean[6] = {0};
    for (int64_t i = 0; i < founds; i++) room.found[i] = (Found){.found = &found[i], .row = i};
    for (int64_t i = 0; i < soughts; i++) room.sought[i] = (Sought){.sought = &sought[i], .row = i};
    qsort(room.found, (size_t)founds, sizeof *room.found, by_image);
    qsort(room.sought, (size_t)soughts, sizeof *room.sought, by_use);
    measure(&room, founds, soughts, classes, mean, of_class);
    *result = (cnn_precision){mean[0], mean[1], mean[2], mean[3], mean[4], mean[5]};
  }
  free(room.found);
  free(room.ranked);
  free(room.sought);
  free(room.precision);
  free(room.recall);
  return memory;
}
