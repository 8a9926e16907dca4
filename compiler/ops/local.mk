# compiler/ops: one file an operator; lower.c is what they share on the way to nests.
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += \
  %D%/abs.c %D%/add.c %D%/avgpool.c %D%/batchnorm.c %D%/box.c %D%/box.h %D%/channel_sum.c %D%/clip.c %D%/combine.c %D%/combine.h %D%/concat.c %D%/conv.c %D%/conv_transpose.c \
  %D%/correlation.c %D%/correlation.h %D%/crop.c %D%/dense.c %D%/depthwise.c %D%/divide.c %D%/drop_path.c %D%/dropout.c %D%/elu.c %D%/exp.c %D%/flatten.c \
  %D%/gelu.c %D%/global_avgpool.c %D%/global_maxpool.c %D%/hard_sigmoid.c \
  %D%/hard_swish.c %D%/input.c %D%/leaky_relu.c %D%/log_softmax.c %D%/losses/binary_cross_entropy.c %D%/losses/classes.c %D%/losses/cross_entropy.c \
  %D%/losses/dice.c %D%/losses/focal.c %D%/losses/hinge.c %D%/losses/huber.c %D%/losses/loss.c %D%/losses/loss.h %D%/losses/losses.def %D%/losses/mae.c \
  %D%/losses/mse.c %D%/losses/yolo.c %D%/lower.c %D%/lower.h %D%/lrn.c %D%/map.c %D%/map.h %D%/mask.c %D%/mask.h %D%/maximum.c %D%/maxpool.c %D%/multiply.c %D%/normalize.c %D%/op.c %D%/op.h %D%/op_table.c \
  %D%/ops.def %D%/pool.c %D%/pool.h %D%/prelu.c %D%/relu.c %D%/relu6.c %D%/reshape.c %D%/scale.c %D%/selu.c %D%/sigmoid.c %D%/silu.c %D%/slice.c %D%/softmax.c %D%/softmax.h %D%/softplus.c \
  %D%/sqrt.c %D%/square.c %D%/subtract.c %D%/sum_gradients.c %D%/tanh.c %D%/walk.c %D%/walk.h %D%/window.c %D%/window.h %D%/zero_pad.c
EXTRA_DIST += %D%/TEMPLATE.c
