# compiler/lir: the lowered program
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/footprint.c %D%/layout.c %D%/layout.h %D%/lir.h %D%/live.c %D%/lower.c \
  %D%/kernel_cache.c %D%/limits.c %D%/limits.h %D%/merge.c %D%/merge_sizes.c %D%/names.c %D%/names.h \
  %D%/naming.c %D%/order.c %D%/overlap.c %D%/own_names.def %D%/places.c %D%/places.h %D%/share.c \
  %D%/units.c %D%/verify.c
