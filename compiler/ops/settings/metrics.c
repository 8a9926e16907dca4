/* metrics.c: Arguments of metrics, which the runtime computes. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/settings/forms.h"
#include "graph/op.h"
#include "ops/registry.h"

static const Param none[] = {{0}};
static const Param top_params[] = {
    {"k", PARAM_INT, "5", "number of highest-scoring classes, one of which must be the label", 0, 0, NULL},
    {0}};

static const Form accuracy = {
    "accuracy",
    "fraction of the samples that are classified correctly; for a binary output, with the threshold 0.5",
    none, METRIC_CLASSES};
static const Form top = {"top", "fraction of labels that are among the k classes with the highest scores",
                         top_params, METRIC_CLASSES};
static const Form mae = {"mae", "mean absolute error", none, METRIC_VALUES};
static const Form iou = {"iou", "intersection over union, as a mean over the annotated or predicted classes",
                         none, METRIC_PIXELS};
static const Form dice = {"dice",
                          "Dice coefficient of pixels, as a mean over the annotated or predicted classes",
                          none, METRIC_PIXELS};

static const Form map = {"map",
                         "average precision of boxes and masks, as in COCO: mean over IoUs from 0.50 to 0.95",
                         none, METRIC_BOXES};
static const Form pq = {"pq", "panoptic quality: segmentation quality times recognition quality", none,
                        METRIC_SEGMENTS};

const Form *const metric_table[] = {&accuracy, &top, &mae, &iou, &dice, &map, &pq, NULL};
