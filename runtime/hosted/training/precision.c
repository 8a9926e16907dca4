/* precision.c: Average precision of detections, as COCO defines it (Lin et al. 2014): IoU thresholds from
 * 0.50 to 0.95, 101 points of recall, at most 100 detections of a class per image. */
// SPDX-License-Identifier: MIT-0
#include "hosted/training/precision.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 100, OVERLAPS = 10, RANGES = 4, TRIALS = RANGES * OVERLAPS };
enum { WRONG, RIGHT, NEITHER }; /* result of matching */

typedef struct Found {
  const cnn_found *of;
  int64_t row;
  double score, area;
} Found;

typedef struct Sought {
  const cnn_sought *of;
  int64_t row;
  double area;
  bool ignored, taken;
} Sought;

static const double range[RANGES][2] = {{0, 1e10}, {0, 1024}, {1024, 9216}, {9216, 1e10}};

typedef struct Room {
  bool masks;
  Found *found;
  Sought *sought, **order; /* order: annotations of an image, ignored annotations last */
  uint8_t *verdict;        /* [TRIALS][detections of a class] */
  double *overlap;         /* IoU in one image: [detections][annotations] */
  int64_t overlaps;
  double *precision, *recall;
} Room;

/* ---- Order */

static int before(int64_t a, int64_t b) { return (a > b) - (a < b); }

static int by_image(const void *a, const void *b) { /* by class, image and descending score */
  const Found *x = a, *y = b;
  if (x->of->label != y->of->label) return before(x->of->label, y->of->label);
  if (x->of->image != y->of->image) return before(x->of->image, y->of->image);
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return before(x->row, y->row);
}

/* Orders the detections of a class by descending score; of equal scores, the one with the lower row number
 * comes first. */
static int by_score(const void *a, const void *b) {
  const Found *x = a, *y = b;
  if (x->score != y->score) return x->score > y->score ? -1 : 1;
  return before(x->row, y->row);
}

static int sought_by_image(const void *a, const void *b) {
  const Sought *x = a, *y = b;
  if (x->of->label != y->of->label) return before(x->of->label, y->of->label);
  if (x->of->image != y->of->image) return before(x->of->image, y->of->image);
  return before(x->row, y->row);
}

/* ---- One image */

static double area_of(const double box[4]) { return (box[2] - box[0]) * (box[3] - box[1]); }

double cnn_boxes_shared(const double a[4], const double b[4]) {
  const double w = fmin(a[2], b[2]) - fmax(a[0], b[0]), h = fmin(a[3], b[3]) - fmax(a[1], b[1]);
  return w > 0 && h > 0 ? w * h : 0;
}

static double overlap_of(const Room *room, const Found *f, const Sought *s) {
  const cnn_found *of = f->of;
  const double area = s->area, both = room->masks ? (double)cnn_runs_shared(&of->mask, &s->of->mask)
                                                  : cnn_boxes_shared(of->box, s->of->box);
  return both > 0 ? both / (s->of->ignored ? f->area : f->area + area - both) : 0;
}

/* Returns the annotation that a detection matches, or NULL. Of the annotations that no other detection has
 * matched, it is the one with the largest IoU; the IoU must be at least `least`. An ignored annotation (a
 * crowd, or one outside the range of areas) matches only if no other annotation does. A crowd may match
 * several detections. */
static Sought *match(const Room *room, const Sought *first, const double *overlap, int64_t soughts,
                     double least) {
  Sought *best = NULL;
  for (int64_t i = 0; i < soughts; i++) {
    Sought *s = room->order[i];
    if (s->taken && !s->of->ignored) continue;
    if (best && !best->ignored && s->ignored) break;
    const double own = overlap[s - first];
    if (own < least) continue;
    least = own;
    best = s;
  }
  return best;
}

/* Matches the detections of an image with its annotations, once for each IoU threshold. room->order contains
 * the annotations, sorted for the range of areas `bound`. Fills one row of verdicts per threshold; a row
 * begins `stride` bytes after the previous one. */
static void judge(const Room *room, const Found *f, int64_t founds, const Sought *first, int64_t soughts,
                  const double bound[2], uint8_t *verdict, int64_t stride) {
  for (int k = 0; k < OVERLAPS; k++, verdict += stride) {
    const double least = fmin(0.5 + k * ((0.95 - 0.5) / (OVERLAPS - 1)), 1 - 1e-10);
    for (int64_t i = 0; i < soughts; i++) room->order[i]->taken = false;
    for (int64_t i = 0; i < founds; i++) {
      Sought *best = match(room, first, room->overlap + i * soughts, soughts, least);
      if (best) best->taken = true;
      if (best) verdict[i] = best->ignored ? NEITHER : RIGHT;
      else verdict[i] = f[i].area < bound[0] || f[i].area > bound[1] ? NEITHER : WRONG;
    }
  }
}

/* Matches the detections of a class in an image with the annotations of this class, which begin at
 * room->sought[first]. Adds to truths[r] the number of these annotations whose area is in range r.
 * Crowds and difficult objects do not count. */
static bool judge_image(Room *room, const Found *f, int64_t founds, int64_t first, int64_t soughts,
                        int64_t truths[RANGES], uint8_t *verdict, int64_t stride) {
  Sought *s = room->sought + first;
  if (founds * soughts > room->overlaps) {
    free(room->overlap);
    room->overlaps = founds * soughts;
    room->overlap = malloc((size_t)room->overlaps * sizeof(double));
    if (!room->overlap) return false;
  }
  for (int64_t i = 0; i < founds; i++)
    for (int64_t k = 0; k < soughts; k++) room->overlap[i * soughts + k] = overlap_of(room, &f[i], &s[k]);
  for (int which = 0; which < RANGES; which++, verdict += OVERLAPS * stride) {
    int64_t n = 0;
    for (int64_t k = 0; k < soughts; k++) {
      const double area = s[k].of->area;
      s[k].ignored = s[k].of->ignored || area < range[which][0] || area > range[which][1];
      if (!s[k].ignored) room->order[n++] = &s[k];
    }
    truths[which] += n;
    for (int64_t k = 0; k < soughts; k++)
      if (s[k].ignored) room->order[n++] = &s[k];
    judge(room, f, founds, s, soughts, range[which], verdict, stride);
  }
  return true;
}

/* ---- One class */

/* Computes the precision at each point of recall, at[CNN_RECALL_POINTS], and returns the mean of these
 * precisions. `f` is sorted by descending score; verdict[f[i].row] is the verdict on f[i]. */
static double average(const Room *room, const Found *f, int64_t founds, int64_t truths,
                      const uint8_t *verdict, double *at) {
  double right = 0, wrong = 0, sum = 0;
  for (int64_t i = 0; i < founds; i++) {
    right += verdict[f[i].row] == RIGHT;
    wrong += verdict[f[i].row] == WRONG;
    room->recall[i] = right / (double)truths;
    room->precision[i] = right / (right + wrong + DBL_EPSILON);
  }
  for (int64_t i = founds - 1; i > 0; i--)
    if (room->precision[i] > room->precision[i - 1]) room->precision[i - 1] = room->precision[i];
  int64_t i = 0;
  for (int point = 0; point < CNN_RECALL_POINTS; point++) {
    const double least = point == CNN_RECALL_POINTS - 1 ? 1 : point * 0.01;
    while (i < founds && room->recall[i] < least) i++;
    at[point] = i < founds ? room->precision[i] : 0;
    sum += at[point];
  }
  return sum / (double)CNN_RECALL_POINTS;
}

/* Of the detections of a class, keeps at most MOST per image: those with the largest scores. Returns the
 * number of detections kept. */
static int64_t keep_best(Found *f, int64_t founds) {
  int64_t kept = 0, rank = 0;
  for (int64_t i = 0; i < founds; i++) {
    const int32_t image = f[i].of->image;
    rank = kept && f[kept - 1].of->image == image ? rank + 1 : 0;
    if (rank >= MOST) continue;
    f[kept] = f[i];
    f[kept].row = kept;
    kept++;
  }
  return kept;
}

static bool judge_class(Room *room, const Found *f, int64_t founds, int64_t s, int64_t s_end,
                        int64_t truths[RANGES]) {
  int64_t i = 0;
  while (i < founds || s < s_end) {
    int32_t image = i < founds ? f[i].of->image : INT32_MAX;
    if (s < s_end && room->sought[s].of->image < image) image = room->sought[s].of->image;
    int64_t i_end = i, t = s;
    while (i_end < founds && f[i_end].of->image == image) i_end++;
    while (t < s_end && room->sought[t].of->image == image) t++;
    if (!judge_image(room, f + i, i_end - i, s, t - s, truths, room->verdict + i, founds)) return false;
    i = i_end;
    s = t;
  }
  return true;
}

typedef struct Sums {
  double mean[6];
  int64_t classes[RANGES];
} Sums;

static void sum_class(Room *room, Found *f, int64_t founds, const int64_t truths[RANGES], Sums *sums,
                      cnn_precision_class *of) {
  double at[CNN_RECALL_POINTS];
  of->truths = truths[0];
  of->ap = of->ap50 = -1;
  if (founds) qsort(f, (size_t)founds, sizeof *f, by_score);
  for (int which = 0; which < RANGES; which++) {
    if (!truths[which]) continue;
    double sum = 0;
    for (int k = 0; k < OVERLAPS; k++) {
      const uint8_t *verdict = room->verdict + (which * OVERLAPS + k) * founds;
      const double ap = average(room, f, founds, truths[which], verdict, at);
      sum += ap;
      if (which == 0 && k == 0) of->ap50 = ap, memcpy(of->curve, at, sizeof at);
      if (which == 0 && k == 0) sums->mean[1] += ap;
      if (which == 0 && k == OVERLAPS / 2) sums->mean[2] += ap;
    }
    sum /= (double)OVERLAPS;
    if (which == 0) of->ap = sum;
    sums->mean[which ? which + 2 : 0] += sum;
    sums->classes[which]++;
  }
}

/* ---- All classes */

static bool measure(Room *room, int64_t founds, int64_t soughts, int32_t classes, Sums *sums,
                    cnn_precision_class *of_class) {
  int64_t f = 0, s = 0;
  for (int32_t label = 0; label < classes; label++) {
    int64_t f_end = f, s_end = s, truths[RANGES] = {0};
    while (f_end < founds && room->found[f_end].of->label == label) f_end++;
    while (s_end < soughts && room->sought[s_end].of->label == label) s_end++;
    Found *own = room->found + f;
    const int64_t kept = keep_best(own, f_end - f);
    if (!judge_class(room, own, kept, s, s_end, truths)) return false;
    cnn_precision_class of = {0};
    sum_class(room, own, kept, truths, sums, &of);
    if (of_class) of_class[label] = of;
    f = f_end;
    s = s_end;
  }
  return true;
}

/* Fills room->found and room->sought. A NaN score becomes minus infinity, so that it is sorted last. */
static void fill(Room *room, const cnn_found *found, int64_t founds, const cnn_sought *sought,
                 int64_t soughts) {
  for (int64_t i = 0; i < founds; i++) {
    const double area = room->masks ? (double)cnn_runs_area(&found[i].mask) : area_of(found[i].box);
    const double score = isnan(found[i].score) ? -INFINITY : found[i].score;
    room->found[i] = (Found){&found[i], i, score, area};
  }
  for (int64_t i = 0; i < soughts; i++) {
    const double area = room->masks ? (double)cnn_runs_area(&sought[i].mask) : area_of(sought[i].box);
    room->sought[i] = (Sought){.of = &sought[i], .row = i, .area = area};
  }
  if (founds) qsort(room->found, (size_t)founds, sizeof *room->found, by_image);
  if (soughts) qsort(room->sought, (size_t)soughts, sizeof *room->sought, sought_by_image);
}

bool cnn_precision_measure(const cnn_found *found, int64_t founds, const cnn_sought *sought, int64_t soughts,
                           int32_t classes, bool masks, cnn_precision *result,
                           cnn_precision_class *of_class) {
  const size_t n = (size_t)founds + 1, m = (size_t)soughts + 1;
  Room room = {.masks = masks,
               .found = calloc(n, sizeof *room.found),
               .sought = calloc(m, sizeof *room.sought),
               .order = calloc(m, sizeof *room.order),
               .verdict = malloc(n * TRIALS),
               .precision = malloc(n * sizeof(double)),
               .recall = malloc(n * sizeof(double))};
  bool fine = room.found && room.sought && room.order && room.verdict && room.precision && room.recall;
  Sums sums = {0};
  if (fine) {
    fill(&room, found, founds, sought, soughts);
    fine = measure(&room, founds, soughts, classes, &sums, of_class);
  }
  for (int i = 0; i < 6; i++) {
    const int64_t count = sums.classes[i < 3 ? 0 : i - 2];
    sums.mean[i] = count ? sums.mean[i] / (double)count : -1;
  }
  if (fine)
    *result =
        (cnn_precision){sums.mean[0], sums.mean[1], sums.mean[2], sums.mean[3], sums.mean[4], sums.mean[5]};
  free(room.found);
  free(room.sought);
  free(room.order);
  free(room.verdict);
  free(room.overlap);
  free(room.precision);
  free(room.recall);
  return fine;
}
