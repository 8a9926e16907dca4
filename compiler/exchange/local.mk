# compiler/exchange: models of other tools as programs, and programs as models.
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/wire.h %D%/wire.c %D%/onnx.h %D%/onnx_schema.def %D%/onnx_read.c \
  %D%/onnx_inline.c %D%/onnx_sort.c %D%/tensor.c \
  %D%/import.h %D%/import.c %D%/refusals.h %D%/refusals.c %D%/branches.c %D%/names.c %D%/view.c %D%/forms.c \
  %D%/fold.c %D%/fold.h %D%/folds.def %D%/fold_elements.c %D%/fold_move.c %D%/fold_index.c %D%/fold_reduce.c \
  %D%/fold_product.c \
  %D%/program_text.c \
  %D%/inputs.c %D%/layout.c %D%/permute.c %D%/broadcast.c %D%/onnx_fused.c \
  %D%/onnx_ops.def %D%/ops_window.c %D%/ops_dense.c %D%/ops_einsum.c %D%/ops_map.c \
  %D%/ops_combine.c %D%/ops_norm.c \
  %D%/ops_shape.c %D%/ops_size.c %D%/constant.c %D%/ops_reduce.c \
  %D%/onnx_frames.c %D%/qdq.c %D%/frames.c \
  %D%/wire_write.c %D%/onnx_out.h %D%/onnx_out.def %D%/onnx_out.c %D%/onnx_out_parts.c %D%/out_map.c \
  %D%/out_bytes.c %D%/out_window.c %D%/out_boxes.c %D%/out_dense.c %D%/out_norm.c %D%/out_shape.c \
  %D%/out_size.c
libcnnc_a_SOURCES += %D%/flat.h %D%/flat.c %D%/tflite.h %D%/tflite_read.c \
  %D%/tflite_make.h %D%/tflite_ops.def %D%/tflite_import.c \
  %D%/tflite_layers.c %D%/tflite_maps.c %D%/tflite_shape.c %D%/tflite_sparse.c %D%/tflite_prepare.c \
  %D%/tflite_parts.h %D%/tflite_parts.c \
  %D%/tflite_nodes.h %D%/tflite_nodes.c %D%/tflite_nodes_layers.c %D%/tflite_nodes_maps.c \
  %D%/tflite_nodes_shape.c
