# compiler/quantize: nets of 8 bits: how a graph becomes one
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/file.h %D%/file.c %D%/quantize.h \
  %D%/quantizer.h %D%/layers.c %D%/scales.c %D%/tables.c %D%/values.c \
  %D%/aware.c %D%/calibrate.h %D%/calibrate.c %D%/range.c \
  %D%/channels.h %D%/intervals.c %D%/channels.c %D%/drop.c \
  %D%/written.c %D%/equalize.c %D%/measure.h %D%/measure.c
