# compiler/syntax: the syntax tree that the grammar builds, imports, syntax errors
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/advice.c %D%/ast.h %D%/ast_dump.c %D%/ast_build.c %D%/format.c %D%/format.h \
  %D%/imports.c %D%/literal.c %D%/mistake.c %D%/mistake.h %D%/parse.c %D%/parse.h
