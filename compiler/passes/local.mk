libcnnc_a_SOURCES += %D%/passes.h %D%/inference.c %D%/differentiate.c %D%/recompute.h %D%/recompute.c \
  %D%/fuse.h %D%/fuse.c %D%/layout.h %D%/layout.c %D%/place.h %D%/place.c %D%/plan.h %D%/plan.c %D%/within.c
