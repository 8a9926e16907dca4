# compiler/ops/settings: arguments of named things in programs that are not operators.
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += \
  %D%/augment.c %D%/forms.h %D%/inits.c %D%/metrics.c %D%/optimizers.c %D%/quantizers.c \
  %D%/schedules.c
