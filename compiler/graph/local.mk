libcnnc_a_SOURCES += %D%/graph.h %D%/shape.h %D%/shape.c %D%/graph.c %D%/clone.c %D%/eval.h %D%/eval.c \
  %D%/verify.c %D%/dump.h %D%/dump.c %D%/dot.h %D%/dot.c %D%/summary.h %D%/summary.c %D%/normalize.h \
  %D%/normalize.c %D%/op.c %D%/op.h %D%/forward.c %D%/forward.h %D%/layer.c %D%/layer.h
