# compiler/ops/settings: arguments of augmentations, metrics, optimizers, learning-rate schedules and others
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += \
  %D%/augment.c %D%/forms.h %D%/inits.c %D%/metrics.c %D%/optimizers.c %D%/quantizers.c \
  %D%/schedules.c
