# compiler/sema: from the syntax tree to the graph.
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += \
  %D%/arithmetic.c %D%/bind.c %D%/block.c %D%/context.h %D%/convert.c %D%/describe.c %D%/doubt.c \
  %D%/elsewhere.c %D%/expand.c %D%/labels.c %D%/layer.c \
  %D%/loss.c %D%/match.c %D%/names.c %D%/net.c %D%/scope.c %D%/sema.c %D%/sema.h %D%/share.c \
  %D%/train.c %D%/value.c %D%/warn.c
