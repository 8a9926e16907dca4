# compiler/import: import of ONNX and TFLite models as programs
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/statements.c %D%/import.h
libcnnc_a_SOURCES += %D%/common/program_text.c %D%/common/refusals.c %D%/common/refusals.h \
  %D%/common/tensor.c %D%/common/wire.c %D%/common/wire.h
libcnnc_a_SOURCES += %D%/onnx/branches.c %D%/onnx/broadcast.c %D%/onnx/constant_values.c %D%/onnx/fold.c \
  %D%/onnx/fold.h %D%/onnx/fold_elements.c %D%/onnx/fold_index.c %D%/onnx/fold_move.c \
  %D%/onnx/fold_product.c %D%/onnx/fold_reduce.c %D%/onnx/folds.def %D%/onnx/forms.c %D%/onnx/forms.h \
  %D%/onnx/forms_attention.c %D%/onnx/forms_deformable.c %D%/onnx/forms_rotary.c \
  %D%/onnx/forms_norm.c %D%/onnx/ops_elements.c %D%/onnx/ops_index.c %D%/onnx/int8_layers.c \
  %D%/onnx/inputs.c %D%/onnx/state_hints.c %D%/onnx/channel_axis.c %D%/onnx/onnx_names.c \
  %D%/onnx/onnx.h %D%/onnx/onnx_dynamic.c \
  %D%/onnx/node_build.c %D%/onnx/node_build.h %D%/onnx/onnx_quantized.c \
  %D%/onnx/onnx_composed.c %D%/onnx/onnx_composed.h \
  %D%/onnx/onnx_fused.c %D%/onnx/onnx_inline.c %D%/onnx/onnx_inline.h \
  %D%/onnx/onnx_loop.c %D%/onnx/onnx_ops.def %D%/onnx/onnx_read.c %D%/onnx/profile.c \
  %D%/onnx/onnx_schema.def %D%/onnx/onnx_sort.c %D%/onnx/onnx_tables.c \
  %D%/onnx/ops_attention.c %D%/onnx/ops_choice.c \
  %D%/onnx/ops_combine.c %D%/onnx/ops_dense.c \
  %D%/onnx/ops_einsum.c %D%/onnx/ops_map.c %D%/onnx/ops_norm.c %D%/onnx/ops_part.c %D%/onnx/ops_product.c \
  %D%/onnx/ops_recurrent.c \
  %D%/onnx/ops_reduce.c \
  %D%/onnx/ops_shape.c %D%/onnx/ops_size.c %D%/onnx/ops_spectrum.c %D%/onnx/ops_window.c \
  %D%/onnx/permute.c %D%/onnx/products.h %D%/onnx/qdq.c %D%/onnx/repeated.c %D%/onnx/view.c \
  %D%/onnx/view_parts.c
libcnnc_a_SOURCES += %D%/tflite/flat.c %D%/tflite/flat.h %D%/tflite/tflite.h %D%/tflite/tflite_import.c \
  %D%/tflite/tflite_layers.c %D%/tflite/tflite_index.c \
  %D%/tflite/tflite_make.h %D%/tflite/tflite_maps.c %D%/tflite/tflite_matrix.c \
  %D%/tflite/tflite_nodes.c \
  %D%/tflite/tflite_nodes.h %D%/tflite/tflite_nodes_layers.c %D%/tflite/tflite_nodes_maps.c \
  %D%/tflite/tflite_nodes_shape.c %D%/tflite/tflite_nodes_spectrum.c \
  %D%/tflite/tflite_ops.def %D%/tflite/tflite_parts.c \
  %D%/tflite/tflite_parts.h %D%/tflite/tflite_prepare.c %D%/tflite/tflite_raise.c %D%/tflite/tflite_read.c \
  %D%/tflite/tflite_recurrent.c %D%/tflite/tflite_shape.c %D%/tflite/tflite_sparse.c \
  %D%/tflite/tflite_states.c
