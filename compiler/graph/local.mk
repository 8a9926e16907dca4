# compiler/graph: the graph IR: nodes, shapes, the interface of operators
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/bf16.c %D%/bf16.h %D%/clone.c %D%/contents.c %D%/contents.h \
  %D%/gradient.c %D%/gradient.h %D%/graph.c %D%/graph.h %D%/graph_verify.c %D%/node_text.c %D%/node_text.h \
  %D%/normalize_text.c %D%/normalize_text.h \
  %D%/op.c %D%/op.h %D%/rounding_switch.c %D%/shape.c %D%/shape.h \
  %D%/traits.h
