# compiler/program: the lowered program
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/program.h %D%/lower.c %D%/order.c %D%/live.c %D%/share.c %D%/places.h %D%/places.c \
  %D%/verify.c %D%/dump.c %D%/schedules.c %D%/overlap.c
