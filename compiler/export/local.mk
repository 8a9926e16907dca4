# compiler/export: export of programs as ONNX models
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/onnx_out.c %D%/onnx_out.def %D%/onnx_out.h %D%/onnx_out_parts.c %D%/out_attention.c \
  %D%/out_audio.c %D%/out_boxes.c %D%/out_bytes.c %D%/out_dense.c %D%/out_index.c %D%/out_map.c \
  %D%/out_norm.c %D%/out_recurrent.c %D%/out_rows.c %D%/out_shape.c %D%/out_size.c %D%/out_window.c \
  %D%/wire_write.c
