/* curves.h: Precision-recall curves of each class. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_CURVES_H
#define CNN_CURVES_H
#include "cnn_status.h"
#include "hosted/training/precision.h"

/* Writes an SVG of the curves at an IoU of 0.50; the legend lists the classes by descending AP. `name`: the
 * class names. */
cnn_status cnn_curves_write(const char *path, const char *title, const cnn_precision *precision,
                            const cnn_precision_class *of_class, int32_t classes, const char *const *name);
#endif
