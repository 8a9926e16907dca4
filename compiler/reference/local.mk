# compiler/reference: the reference interpreter of graphs, in double precision
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/eval.c %D%/eval.h
