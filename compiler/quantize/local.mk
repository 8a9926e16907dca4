# compiler/quantize: conversion of float nets to int8 models
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/quant_file.h %D%/quant_file.c %D%/quantize.h \
  %D%/quantizer.h %D%/layers.c %D%/recurrent_layers.c %D%/svdf_layers.c %D%/scales.c %D%/lookup_tables.c \
  %D%/values.c \
  %D%/qat.c %D%/calibrate.h %D%/calibrator.h %D%/calibrate.c %D%/calibrate_indices.c \
  %D%/calibrate_recurrent.c %D%/range.c \
  %D%/live_channels.h %D%/intervals.c %D%/live_channels.c %D%/drop.c \
  %D%/written.c %D%/equalize.c %D%/measure.h %D%/measure.c
