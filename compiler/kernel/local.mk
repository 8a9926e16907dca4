# compiler/kernel: lowering of fused kernels to loop nests
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/axes.c %D%/axes.h %D%/channels.c %D%/channels.h %D%/lower.c \
  %D%/lower.h %D%/map.c %D%/map.h %D%/numbers.c %D%/parts.c %D%/parts.h \
  %D%/rounded.c %D%/routine.c %D%/routine.h %D%/walk.c \
  %D%/walk.h %D%/window.c %D%/window.h
%D%/libcnnc_a-routine.$(OBJEXT): $(ROUTINE_TEXTS)
