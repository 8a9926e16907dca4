# compiler/nest: loop nests, the middle of the compiler
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += \
  %D%/nest.h %D%/build.h \
  %D%/build.c %D%/val.c \
  %D%/prover.h %D%/prove.c %D%/prove_bounds.c %D%/prove_accesses.c \
  %D%/simplify.c %D%/interp.c %D%/fill.c %D%/dump.c %D%/widen.c \
  %D%/key.c %D%/instance.h %D%/instance.c %D%/team.h %D%/team.c
