# compiler/graph: the graph IR: nodes, shapes, the interface of operators
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/clone.c %D%/gradient.c %D%/gradient.h %D%/rounding.c %D%/graph.c %D%/graph.h \
  %D%/layer.c %D%/layer.h %D%/normalize.c %D%/normalize.h %D%/op.c %D%/op.h %D%/shape.c %D%/shape.h \
  %D%/verify.c
