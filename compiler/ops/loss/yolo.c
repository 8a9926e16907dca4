/* yolo.c: the loss of the yolo detection layer  (Redmon and Farhadi, 2018). It is not built. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/loss/loss.h"

static const Param params[] = {{0}};

const Op op_loss_yolo = {
    .name = "yolo",
    .group = "loss",
    .summary = "boxes, objectness and classes of a yolo layer",
    .detail = "as YOLOv3",
    .params = params,
    .example = "loss = yolo",
    .shape = loss_elements_shape,
};
