libcnnc_a_SOURCES += %D%/passes.h %D%/passes.c %D%/inference.c %D%/bands.c %D%/differentiate.c \
  %D%/whole_batch.c %D%/given.c %D%/recompute.h %D%/recompute.c %D%/place.h %D%/place.c %D%/fuse.h \
  %D%/fuse.c %D%/life.h %D%/store.c %D%/in_place.c %D%/layout.h %D%/layout.c %D%/memory.c \
  %D%/plan.h %D%/dump.c %D%/tables.h %D%/tables.c %D%/verify.c %D%/within.c
