# compiler/exchange: models of other tools as programs.
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/wire.h %D%/wire.c %D%/onnx.h %D%/onnx_schema.def %D%/onnx_read.c %D%/tensor.c \
  %D%/import.h %D%/import.c %D%/names.c %D%/view.c %D%/forms.c %D%/fold.c %D%/program_text.c \
  %D%/onnx_ops.def %D%/ops_window.c %D%/ops_dense.c %D%/ops_map.c %D%/ops_combine.c %D%/ops_norm.c \
  %D%/ops_shape.c %D%/ops_size.c
libcnnc_a_SOURCES += %D%/arrays.h %D%/arrays.c %D%/flat.h %D%/flat.c %D%/tflite.h %D%/tflite_read.c \
  %D%/tflite_import.c
