/* focal.c: focal, cross_entropy times (1 - p[t])^gamma  (Lin et al., 2017). Its arguments and output are checked; it is not built. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/losses/loss.h"

static const Param params[] = {{"gamma", PARAM_NUMBER, "2", "how much less an example counts that is classified well", 0, 100, NULL}, {0}};

const Op op_loss_focal = {
  .name = "focal", .group = "loss", .summary = "cross entropy that looks at what is still classified badly", .detail = "mean of -(1 - p[label])^gamma * log p[label]", .params = params,
  .example = "loss = focal(gamma=2)", .class_target = true, .shape = loss_classes_shape,
};
