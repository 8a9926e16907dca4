/* runtime_precision.c: Compares average precision and panoptic quality with the numbers of COCO's
 * programs. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/training/panoptic.h"
#include "hosted/training/precision.h"

enum { SIDE = 128, MOST_CLASSES = 8, CURVE = 6 };

typedef struct Found {
  cnn_found found;
  int cut; /* the mask lacks a triangle of this side length in the upper left corner of its box */
} Found;
typedef struct Sought {
  cnn_sought sought;
  int cut;
} Sought;

typedef struct Case {
  const Found *found;
  int64_t founds;
  const Sought *sought;
  int64_t soughts;
  int32_t classes;
  bool masks;
  double mean[6], of_class[MOST_CLASSES], curve[MOST_CLASSES * CURVE];
} Case;

typedef struct Pair { /* [0]: a letter per pixel, which names the segment; [1]: each letter's class */
  const char *truth[2], *found[2];
} Pair;

typedef struct PanopticCase {
  const Pair *pair;
  int pairs;
  int32_t classes;
  double mean[3], of_class[MOST_CLASSES][3];
} PanopticCase;

#include "../golden/precision.inc"

static cnn_runs mask_of(const double box[4], int cut) {
  uint8_t pixel[SIDE * SIDE];
  for (int y = 0; y < SIDE; y++)
    for (int x = 0; x < SIDE; x++)
      pixel[y * SIDE + x] =
          x >= box[0] && x < box[2] && y >= box[1] && y < box[3] && x - box[0] + y - box[1] >= cut;
  cnn_runs runs;
  CU_ASSERT_FATAL(cnn_runs_make(&runs, pixel, 1, SIDE, SIDE));
  return runs;
}

static void check_case(const Case *c) {
  cnn_found *found = calloc((size_t)c->founds, sizeof *found);
  cnn_sought *sought = calloc((size_t)c->soughts, sizeof *sought);
  CU_ASSERT_FATAL(found && sought);
  for (int64_t i = 0; i < c->founds; i++) {
    found[i] = c->found[i].found;
    if (c->masks) found[i].mask = mask_of(found[i].box, c->found[i].cut);
  }
  for (int64_t i = 0; i < c->soughts; i++) {
    sought[i] = c->sought[i].sought;
    if (c->masks) sought[i].mask = mask_of(sought[i].box, c->sought[i].cut);
  }
  cnn_precision got;
  cnn_precision_class of[MOST_CLASSES];
  CU_ASSERT_FATAL(
      cnn_precision_measure(found, c->founds, sought, c->soughts, c->classes, c->masks, &got, of));
  const double mean[] = {got.ap, got.ap50, got.ap75, got.small, got.medium, got.large};
  for (int k = 0; k < 6; k++) CU_ASSERT_DOUBLE_EQUAL(mean[k], c->mean[k], 1e-9);
  for (int32_t k = 0; k < c->classes; k++) {
    CU_ASSERT_DOUBLE_EQUAL(of[k].ap, c->of_class[k], 1e-9);
    for (int point = 0; point < CURVE && of[k].truths; point++)
      CU_ASSERT_DOUBLE_EQUAL(of[k].curve[20 * point], c->curve[k * CURVE + point], 1e-9);
  }
  for (int64_t i = 0; i < c->founds; i++) cnn_runs_free(&found[i].mask);
  for (int64_t i = 0; i < c->soughts; i++) cnn_runs_free(&sought[i].mask);
  free(found);
  free(sought);
}

static void detections_are_counted_as_by_coco(void) {
  int masks = 0;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    check_case(&cases[i]);
    masks += cases[i].masks;
  }
  CU_ASSERT_EQUAL(masks, 4);
}

static void nothing_has_no_precision(void) {
  cnn_precision got;
  cnn_precision_class of[3];
  CU_ASSERT_FATAL(cnn_precision_measure(NULL, 0, NULL, 0, 3, false, &got, of));
  CU_ASSERT_EQUAL(got.ap, -1);
  CU_ASSERT_EQUAL(got.large, -1);
  CU_ASSERT_EQUAL(of[2].ap, -1);
  CU_ASSERT_EQUAL(of[2].truths, 0);
}

static void no_number_is_the_last_score(void) {
  const cnn_sought truth = {0, 0, false, 100, {0, 0, 10, 10}, {0}};
  const cnn_found found[] = {{0, 0, (double)NAN, {50, 50, 60, 60}, {0}}, {0, 0, 0.1, {0, 0, 10, 10}, {0}}};
  cnn_precision got;
  CU_ASSERT_FATAL(cnn_precision_measure(found, 2, &truth, 1, 1, false, &got, NULL));
  CU_ASSERT_DOUBLE_EQUAL(got.ap, 1, 1e-9);
}

/* ---- Segments */

static cnn_segments segments_of(const char *const text[2]) {
  const int64_t pixels = (int64_t)strlen(text[0]);
  cnn_segments s = {.pixels = pixels, .of = malloc((size_t)pixels * sizeof *s.of)};
  s.count = (int32_t)strlen(text[1]) / 2;
  s.segment = calloc((size_t)s.count + 1, sizeof *s.segment);
  CU_ASSERT_FATAL(s.of && s.segment);
  for (int64_t i = 0; i < pixels; i++) s.of[i] = -1;
  for (int32_t k = 0; k < s.count; k++) {
    const char name = text[1][2 * k];
    s.segment[k] = (cnn_segment){text[1][2 * k + 1] - '0', k, name >= 'A' && name <= 'Z'};
    for (int64_t i = 0; i < pixels; i++)
      if (text[0][i] == name) s.of[i] = k;
  }
  return s;
}

static void check_quality(cnn_quality got, const double wanted[3]) {
  CU_ASSERT_DOUBLE_EQUAL(got.pq, wanted[0], 1e-9);
  CU_ASSERT_DOUBLE_EQUAL(got.sq, wanted[1], 1e-9);
  CU_ASSERT_DOUBLE_EQUAL(got.rq, wanted[2], 1e-9);
}

static void segments_are_counted_as_by_coco(void) {
  for (size_t i = 0; i < sizeof panoptic_cases / sizeof *panoptic_cases; i++) {
    const PanopticCase *c = &panoptic_cases[i];
    cnn_quality_counts counts[MOST_CLASSES] = {{0}};
    for (int k = 0; k < c->pairs; k++) {
      cnn_segments truth = segments_of(c->pair[k].truth), found = segments_of(c->pair[k].found);
      CU_ASSERT_FATAL(cnn_quality_add(counts, &truth, &found));
      free(truth.of);
      free(truth.segment);
      free(found.of);
      free(found.segment);
    }
    check_quality(cnn_quality_mean(counts, c->classes), c->mean);
    for (int32_t k = 0; k < c->classes; k++) check_quality(cnn_quality_of(&counts[k]), c->of_class[k]);
  }
}

static void nothing_has_no_quality(void) {
  const cnn_quality_counts counts[2] = {{0}};
  CU_ASSERT_EQUAL(cnn_quality_mean(counts, 2).pq, -1);
  CU_ASSERT_EQUAL(cnn_quality_of(&counts[0]).pq, 0);
}

/* ---- Masks */

static void masks_are_runs_of_columns(void) {
  static const uint8_t pixel[] = {0, 7, 7, 0, 7, 7, 3, 0, 0, 0, 0, 0};
  cnn_runs runs, none, other;
  CU_ASSERT_FATAL(cnn_runs_make(&runs, pixel, 7, 3, 4));
  static const uint32_t wanted[] = {1, 1, 1, 2, 1, 1, 5};
  CU_ASSERT_EQUAL_FATAL(runs.count, 7);
  CU_ASSERT_EQUAL(memcmp(runs.run, wanted, sizeof wanted), 0);
  CU_ASSERT_EQUAL(cnn_runs_area(&runs), 4);
  CU_ASSERT_EQUAL(cnn_runs_shared(&runs, &runs), 4);
  CU_ASSERT_FATAL(cnn_runs_make(&none, pixel, 1, 3, 4) && cnn_runs_make(&other, pixel, 7, 4, 3));
  CU_ASSERT_EQUAL(cnn_runs_shared(&runs, &none), 0);
  CU_ASSERT_EQUAL(cnn_runs_shared(&runs, &other), 0);
  cnn_runs_free(&runs);
  cnn_runs_free(&none);
  cnn_runs_free(&other);
}

/* The text is the same as from pycocotools.mask.encode. */
static void runs_have_the_text_of_coco(void) {
  uint32_t run[] = {3, 2, 1, 1, 5, 100000, 4, 1, 100};
  const cnn_runs runs = {.height = 1, .width = 100117, .count = 9, .run = run};
  char *text = cnn_runs_text(&runs);
  CU_ASSERT_PTR_NOT_NULL_FATAL(text);
  CU_ASSERT_STRING_EQUAL(text, "321O4odQ3OQ[nLP3");
  free(text);
}

CU_TestInfo suite_precision[] = {{"detections are counted like COCO", detections_are_counted_as_by_coco},
                                 {"without objects there is no precision", nothing_has_no_precision},
                                 {"a NaN score is sorted last", no_number_is_the_last_score},
                                 {"segments are counted like COCO", segments_are_counted_as_by_coco},
                                 {"without segments there is no quality", nothing_has_no_quality},
                                 {"masks are run lengths along columns", masks_are_runs_of_columns},
                                 {"run lengths have COCO's text form", runs_have_the_text_of_coco},
                                 CU_TEST_INFO_NULL};
