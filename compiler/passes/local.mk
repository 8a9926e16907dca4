# compiler/passes: from a graph to a plan
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/bands.c %D%/fuse.c %D%/fuse.h %D%/given.c %D%/in_place.c %D%/inference.c \
  %D%/layout.c %D%/layout.h %D%/life.h %D%/memory.c %D%/passes.c %D%/passes.h %D%/place.c %D%/place.h \
  %D%/plan.h %D%/recompute.c %D%/recompute.h %D%/store.c %D%/tables.c %D%/tables.h %D%/verify.c \
  %D%/whole_batch.c %D%/within.c
