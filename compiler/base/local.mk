# compiler/base: memory, strings, numbers, files, messages
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += \
  %D%/arena.c %D%/arena.h \
  %D%/arithmetic.c %D%/arithmetic.h \
  %D%/arrays.c %D%/arrays.h \
  %D%/diag.c %D%/diag.h %D%/diag.def %D%/diag_record.h \
  %D%/diag_fix.c %D%/diag_json.c %D%/diag_print.c \
  %D%/elem.h \
  %D%/file.c %D%/file.h \
  %D%/number.h %D%/random.h %D%/sha256.c %D%/sha256.h \
  %D%/source.c \
  %D%/suggest.c \
  %D%/keys.c %D%/keys.h \
  %D%/table.c %D%/table.h \
  %D%/template.c %D%/template.h \
  %D%/text.c %D%/text.h
