# compiler/format: the layout of a program's text.
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/format.h %D%/format.c
