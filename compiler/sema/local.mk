# compiler/sema: semantic analysis: from the syntax tree to the graph
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += \
  %D%/constants.c %D%/bind.c %D%/block.c %D%/context.h %D%/convert.c %D%/describe.c %D%/lint.c \
  %D%/fix.c %D%/fix.h %D%/foreign_names.c %D%/expand.c %D%/labels.c %D%/layer.c \
  %D%/loss.c %D%/match.c %D%/layer_names.c %D%/net_block.c %D%/scope.c %D%/sema.c %D%/sema.h %D%/shared.c \
  %D%/train_block.c %D%/value.c %D%/warn.c
