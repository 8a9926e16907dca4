# compiler/schedule: how each family of kernels is tiled for them.
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += \
  %D%/axis.c %D%/axis.h \
  %D%/conv_columns.c %D%/conv_direct.c %D%/conv_groups.c %D%/conv_groups_weights.c \
  %D%/conv_joined.c %D%/conv_points.c %D%/conv_points.h %D%/conv_repeated.c \
  %D%/conv_scatter.c %D%/conv_strassen.c \
  %D%/conv_rows.c %D%/conv_rows_weights.c %D%/conv_tile.c \
  %D%/conv_tile.h %D%/conv_weights.c %D%/conv_winograd.c %D%/conv_winograd.h \
  %D%/conv_winograd_tile.c %D%/conv_winograd_weights.c \
  %D%/choice.c %D%/choice.h \
  %D%/cost.c %D%/cost.h \
  %D%/dense.c %D%/dense.h %D%/dense_rows.c %D%/dense_strassen.c \
  %D%/dense_strassen.h %D%/dense_strassen_forward.c \
  %D%/depthwise.c \
  %D%/direct.h \
  %D%/helium.c %D%/helium.h %D%/helium_depthwise.c \
  %D%/images.c %D%/images.h \
  %D%/dsp.c %D%/dsp.h %D%/dsp_direct.c %D%/dsp_depthwise.c %D%/dsp_finish.c \
  %D%/dsp_sum.c %D%/dsp_winograd.c \
  %D%/int8_depthwise.c %D%/int8_finish.c %D%/int8_inner.c %D%/int8_product.c \
  %D%/int8_strassen.c %D%/int8_winograd.c \
  %D%/int8_words.c %D%/int8_words.h \
  %D%/map.c \
  %D%/rows.c \
  %D%/schedule.c %D%/schedule.h \
  %D%/strassen.c %D%/strassen.h %D%/strassen_tile.c \
  %D%/tuning.c %D%/tuning.h \
  %D%/winograd.c %D%/winograd.h
