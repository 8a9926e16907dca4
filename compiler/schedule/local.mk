# compiler/schedule: schedules of kernels, and the choice between them
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/choices.c %D%/choose.c %D%/choose.h %D%/conv_points.c %D%/conv_points.h \
  %D%/cost.c %D%/cost.h %D%/matrix.c %D%/matrix.h %D%/parallel.c %D%/parallel.h %D%/registry.c \
  %D%/registry.def %D%/schedule.c %D%/schedule.h %D%/tuning.c %D%/tuning.h
libcnnc_a_SOURCES += %D%/float/axis.c %D%/float/axis.h %D%/float/conv_columns.c \
  %D%/float/conv_diagonals.c %D%/float/conv_direct.c \
  %D%/float/conv_groups.c %D%/float/conv_groups_joined.c %D%/float/conv_groups_weights.c \
  %D%/float/conv_joined.c %D%/float/conv_matrix.c \
  %D%/float/conv_padded.c %D%/float/conv_pairs.c %D%/float/conv_repeated.c %D%/float/conv_repeated.h \
  %D%/float/conv_rows.c %D%/float/conv_rows_weights.c %D%/float/conv_rows_weights_matrix.c \
  %D%/float/conv_scatter.c %D%/float/conv_strassen.c %D%/float/conv_tile.c %D%/float/conv_tile.h \
  %D%/float/conv_weights.c %D%/float/conv_weights_matrix.c \
  %D%/float/conv_winograd.c %D%/float/conv_winograd.h \
  %D%/float/conv_winograd_tile.c %D%/float/conv_winograd_weights.c %D%/float/dense.c %D%/float/dense.h \
  %D%/float/dense_pairs.c %D%/float/dense_rows.c %D%/float/dense_strassen.c %D%/float/dense_strassen.h \
  %D%/float/dense_strassen_forward.c %D%/float/depthwise.c %D%/float/direct.h \
  %D%/float/gradient_tile.c %D%/float/gradient_tile.h %D%/float/images.c %D%/float/images.h \
  %D%/float/map.c %D%/float/matmul_pairs.c %D%/float/pair_rows.c %D%/float/pair_rows.h \
  %D%/float/phases.c %D%/float/phases.h %D%/float/rows.c %D%/float/rows.h %D%/float/strassen.c \
  %D%/float/strassen.h %D%/float/strassen_tile.c %D%/float/winograd.c %D%/float/winograd.h
libcnnc_a_SOURCES += %D%/int8/int8_cost.c %D%/int8/int8_cost.h %D%/int8/int8_depthwise.c \
  %D%/int8/int8_direct.c %D%/int8/int8_finish.c %D%/int8/int8_inner.c %D%/int8/int8_matrix.c \
  %D%/int8/int8_phases.c %D%/int8/int8_points.c %D%/int8/int8_points.h %D%/int8/int8_strassen.c \
  %D%/int8/int8_tiles.c %D%/int8/int8_tiles.h %D%/int8/int8_winograd.c %D%/int8/int8_words.c \
  %D%/int8/int8_words.h
libcnnc_a_SOURCES += %D%/mcu/dsp.c %D%/mcu/dsp.h %D%/mcu/dsp_depthwise.c %D%/mcu/dsp_direct.c \
  %D%/mcu/dsp_finish.c %D%/mcu/dsp_sum.c %D%/mcu/dsp_winograd.c %D%/mcu/helium.c %D%/mcu/helium.h \
  %D%/mcu/helium_depthwise.c
