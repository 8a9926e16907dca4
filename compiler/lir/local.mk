# compiler/lir: the lowered program
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/lir.h %D%/live.c %D%/lower.c %D%/order.c %D%/overlap.c %D%/places.c \
  %D%/places.h %D%/share.c %D%/verify.c
