/* runtime_precision.c: average precision against the numbers of pycocotools. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include "hosted/training/precision.h"

typedef struct {
  const cnn_found *found;
  int64_t founds;
  const cnn_sought *sought;
  int64_t soughts;
  int32_t classes;
  double mean[6], of_class[8];
} Case;

#include "../golden/detection.inc"

static void boxes_are_counted_as_by_coco(void) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const Case *c = &cases[i];
    cnn_precision got;
    double of_class[8];
    CU_ASSERT_FATAL(
        cnn_precision_boxes(c->found, c->founds, c->sought, c->soughts, c->classes, &got, of_class));
    const double mean[] = {got.ap, got.ap50, got.ap75, got.small, got.medium, got.large};
    for (int k = 0; k < 6; k++) CU_ASSERT_DOUBLE_EQUAL(mean[k], c->mean[k], 1e-9);
    for (int32_t k = 0; k < c->classes; k++) CU_ASSERT_DOUBLE_EQUAL(of_class[k], c->of_class[k], 1e-9);
  }
}

static void nothing_has_no_precision(void) {
  cnn_precision got;
  CU_ASSERT_FATAL(cnn_precision_boxes(NULL, 0, NULL, 0, 3, &got, NULL));
  CU_ASSERT_EQUAL(got.ap, -1);
  CU_ASSERT_EQUAL(got.large, -1);
}

CU_TestInfo suite_precision[] = {{"boxes are counted as by COCO", boxes_are_counted_as_by_coco},
                                 {"nothing has no precision", nothing_has_no_precision},
                                 CU_TEST_INFO_NULL};
