# compiler/ops: one file per operator, and the common code of operators.
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/op_table.c %D%/ops.def %D%/registry.h %D%/input.c
libcnnc_a_SOURCES += %D%/activation/clip.c %D%/activation/elu.c %D%/activation/gelu.c \
  %D%/activation/hard_sigmoid.c %D%/activation/hard_swish.c %D%/activation/leaky_relu.c \
  %D%/activation/lines.c %D%/activation/lines.h \
  %D%/activation/log_softmax.c %D%/activation/prelu.c %D%/activation/relu.c %D%/activation/relu6.c \
  %D%/activation/selu.c %D%/activation/sigmoid.c %D%/activation/silu.c %D%/activation/softmax.c \
  %D%/activation/softmax.h %D%/activation/softplus.c %D%/activation/tanh.c
libcnnc_a_SOURCES += %D%/arithmetic/abs.c %D%/arithmetic/add.c %D%/arithmetic/bias.c \
  %D%/arithmetic/channel_max.c \
  %D%/arithmetic/channel_mean.c %D%/arithmetic/channel_sum.c \
  %D%/arithmetic/cos.c %D%/arithmetic/floor.c %D%/arithmetic/modulo.c %D%/arithmetic/sin.c \
  %D%/arithmetic/combine.c %D%/arithmetic/combine.h %D%/arithmetic/divide.c %D%/arithmetic/exp.c \
  %D%/arithmetic/log.c %D%/arithmetic/maximum.c %D%/arithmetic/minimum.c %D%/arithmetic/multiply.c \
  %D%/arithmetic/power.c %D%/arithmetic/scale.c %D%/arithmetic/sqrt.c \
  %D%/arithmetic/square.c %D%/arithmetic/subtract.c %D%/arithmetic/sum_gradients.c
libcnnc_a_SOURCES += %D%/audio/audio.c %D%/audio/audio.h %D%/audio/dct.c %D%/audio/decibel.c \
  %D%/audio/dft_routine.h %D%/audio/frame_routine.h %D%/audio/mel.c %D%/audio/micro_frontend.c \
  %D%/audio/micro_frontend_routine.h %D%/audio/pcen.c \
  %D%/audio/preemphasis.c %D%/audio/rfft_routine.h %D%/audio/spec_mask.c %D%/audio/stft.c \
  %D%/audio/unfold.c
libcnnc_a_SOURCES += %D%/attention/attention.c %D%/attention/attention.h \
  %D%/attention/attention_core.c %D%/attention/attention_slopes.c %D%/attention/attention_tiles.c \
  %D%/attention/matmul.c %D%/attention/matmul.h %D%/attention/multihead_attention.c \
  %D%/attention/relative_bias.c
libcnnc_a_SOURCES += %D%/convolution/conv.c %D%/convolution/conv_transpose.c \
  %D%/convolution/correlation.c %D%/convolution/correlation.h %D%/convolution/depthwise.c
libcnnc_a_SOURCES += %D%/dense/dense.c
libcnnc_a_SOURCES += %D%/detection/best_routine.h %D%/detection/box.c %D%/detection/box.h \
  %D%/detection/box_routine.h %D%/detection/cells.c %D%/detection/cells.h %D%/detection/decode.c \
  %D%/detection/decoder.c %D%/detection/decoder.h %D%/detection/default_boxes.c \
  %D%/detection/delta_routine.h %D%/detection/lists.c %D%/detection/lists.h \
  %D%/detection/match_routine.h %D%/detection/nms.c %D%/detection/nms_best_routine.h \
  %D%/detection/nms_routine.h \
  %D%/detection/nms_rows_routine.h %D%/detection/suppress_routine.h \
  %D%/detection/panoptic.c %D%/detection/panoptic_routine.h %D%/detection/proposals.c \
  %D%/detection/proposals_routine.h %D%/detection/proposals_sample.c \
  %D%/detection/proposals_sample.h %D%/detection/roi.c %D%/detection/roi.h \
  %D%/detection/roi_align.c %D%/detection/roi_pool.c %D%/detection/sample_routine.h \
  %D%/detection/yolo.c %D%/detection/yolo.h
libcnnc_a_SOURCES += %D%/dropout/drop_path.c %D%/dropout/dropout.c %D%/dropout/mask.c \
  %D%/dropout/mask.h
libcnnc_a_SOURCES += %D%/recurrent/gru.c %D%/recurrent/lstm.c %D%/recurrent/recurrent.c \
  %D%/recurrent/recurrent.h %D%/recurrent/recurrent_core.c %D%/recurrent/recurrent_eval.c \
  %D%/recurrent/recurrent_keep.c %D%/recurrent/recurrent_slopes.c %D%/recurrent/rnn.c %D%/recurrent/svdf.c
libcnnc_a_SOURCES += %D%/rounding/bf16.c %D%/rounding/filters.c %D%/rounding/rounding.c \
  %D%/rounding/rounding.h
libcnnc_a_SOURCES += %D%/index/argmax.c %D%/index/deformable_attention.c %D%/index/embedding.c \
  %D%/index/grid_sample.c %D%/index/one_hot.c %D%/index/rotary.c %D%/index/sampling.c \
  %D%/index/sampling.h %D%/index/gather.c %D%/index/index.c %D%/index/index.h \
  %D%/index/topk.c %D%/index/whole.c %D%/index/topk_routine.h
libcnnc_a_SOURCES += %D%/int8/int8.h %D%/int8/int8.c %D%/int8/border.c %D%/int8/edges.c \
  %D%/int8/int8_combine.c %D%/int8/linear_sum.c %D%/int8/int8_pool.c %D%/int8/repeat.c \
  %D%/int8/rescale.c %D%/int8/product.c \
  %D%/int8/curve.c %D%/int8/int8_embedding.c %D%/int8/int8_matmul.c %D%/int8/int8_matmul_words.c \
  %D%/int8/int8_softmax.c %D%/int8/softmax_wide.c %D%/int8/int8_table.c \
  %D%/int8/transposed.c %D%/int8/int8_recurrent.h %D%/int8/int8_recurrent.c %D%/int8/int8_recurrent_core.c \
  %D%/int8/int8_recurrent_words.c \
  %D%/int8/int8_recurrent_keep.c %D%/int8/int8_svdf.h %D%/int8/int8_svdf.c
libcnnc_a_SOURCES += %D%/loss/binary_cross_entropy.c %D%/loss/classes.c %D%/loss/cross_entropy.c \
  %D%/loss/detection.c %D%/loss/detection_routine.h %D%/loss/dice.c %D%/loss/focal.c %D%/loss/hinge.c \
  %D%/loss/huber.c %D%/loss/linear.c %D%/loss/elementwise.c %D%/loss/loss.h \
  %D%/loss/losses.def %D%/loss/mae.c \
  %D%/loss/masks.c %D%/loss/masks_routine.h %D%/loss/mse.c %D%/loss/multibox.c %D%/loss/multibox_routine.h \
  %D%/loss/objects.c %D%/loss/objects.h %D%/loss/rpn.c %D%/loss/rpn_routine.h %D%/loss/yolo_loss.c \
  %D%/loss/yolo_routine.h
libcnnc_a_SOURCES += %D%/normalization/groupnorm.c %D%/normalization/instancenorm.c \
  %D%/normalization/l2norm.c %D%/normalization/layernorm.c %D%/normalization/standardize.c \
  %D%/normalization/standardize.h
libcnnc_a_SOURCES += %D%/normalization/batchnorm.c %D%/normalization/lrn.c \
  %D%/normalization/normalize.c %D%/normalization/rmsnorm.c
libcnnc_a_SOURCES += %D%/parts/join_heads.c %D%/parts/join_rows.c %D%/parts/join_windows.c \
  %D%/parts/moves.c %D%/parts/moves.h %D%/parts/split_heads.c %D%/parts/split_rows.c \
  %D%/parts/split_windows.c %D%/parts/transpose.c
libcnnc_a_SOURCES += %D%/pooling/avgpool.c %D%/pooling/blurpool.c %D%/pooling/global_avgpool.c \
  %D%/pooling/global_maxpool.c %D%/pooling/maxpool.c %D%/pooling/pool.c %D%/pooling/pool.h \
  %D%/pooling/stochastic_pool.c
libcnnc_a_SOURCES += %D%/shape/blocks.c %D%/shape/blocks.h %D%/shape/region.c \
  %D%/shape/calls.c %D%/shape/row_bands.c %D%/shape/region.h \
  %D%/shape/channel_shuffle.c %D%/shape/concat.c %D%/shape/constant.c %D%/shape/crop.c %D%/shape/crop_like.c \
  %D%/shape/depth_to_space.c %D%/shape/flatten.c %D%/shape/reshape.c %D%/shape/reshape.h %D%/shape/resize.c \
  %D%/shape/resize.h %D%/shape/slice.c %D%/shape/space_to_depth.c %D%/shape/state.c \
  %D%/shape/stream_mask.c %D%/shape/stream_mask.h %D%/shape/stream_ring.c %D%/shape/stream_ring.h \
  %D%/shape/upsample.c \
  %D%/shape/weave.c %D%/shape/weave.h %D%/shape/zero_pad.c
EXTRA_DIST += %D%/TEMPLATE.c

# Runtime functions, which the compiler copies into generated code: each *_routine.h as a C string, without
# its license line.
ROUTINE_TEXTS = %D%/audio/dft_text.inc %D%/audio/frame_text.inc %D%/audio/micro_frontend_text.inc \
  %D%/audio/rfft_text.inc \
  %D%/detection/best_text.inc %D%/detection/box_text.inc %D%/detection/delta_text.inc \
  %D%/detection/match_text.inc %D%/detection/nms_best_text.inc \
  %D%/detection/nms_rows_text.inc %D%/detection/nms_text.inc \
  %D%/detection/panoptic_text.inc \
  %D%/detection/proposals_text.inc %D%/detection/sample_text.inc %D%/detection/suppress_text.inc \
  %D%/index/topk_text.inc %D%/loss/detection_text.inc \
  %D%/loss/masks_text.inc %D%/loss/multibox_text.inc %D%/loss/rpn_text.inc %D%/loss/yolo_text.inc
$(ROUTINE_TEXTS): compiler/ops/%_text.inc: compiler/ops/%_routine.h
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	  $(SED) -e 1d -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' $< > $@.tmp && mv $@.tmp $@
BUILT_SOURCES += $(ROUTINE_TEXTS)
CLEANFILES += $(ROUTINE_TEXTS)
%D%/audio/libcnnc_a-micro_frontend.$(OBJEXT): %D%/audio/micro_frontend_text.inc
%D%/audio/libcnnc_a-stft.$(OBJEXT): %D%/audio/dft_text.inc %D%/audio/frame_text.inc \
  %D%/audio/rfft_text.inc
%D%/detection/libcnnc_a-nms.$(OBJEXT): %D%/detection/nms_text.inc %D%/detection/nms_rows_text.inc \
  %D%/detection/nms_best_text.inc
%D%/detection/libcnnc_a-panoptic.$(OBJEXT): %D%/detection/panoptic_text.inc
%D%/detection/libcnnc_a-proposals.$(OBJEXT): %D%/detection/proposals_text.inc
%D%/detection/libcnnc_a-proposals_sample.$(OBJEXT): %D%/detection/sample_text.inc
%D%/index/libcnnc_a-topk.$(OBJEXT): %D%/index/topk_text.inc
%D%/loss/libcnnc_a-detection.$(OBJEXT): %D%/loss/detection_text.inc
%D%/loss/libcnnc_a-masks.$(OBJEXT): %D%/loss/masks_text.inc
%D%/loss/libcnnc_a-multibox.$(OBJEXT): %D%/loss/multibox_text.inc
%D%/loss/libcnnc_a-rpn.$(OBJEXT): %D%/loss/rpn_text.inc
