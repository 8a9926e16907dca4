# grammar: tokens and the abstract syntax tree.
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/parser.y %D%/lexer.l %D%/keywords.def
BUILT_SOURCES += %D%/parser.h
# `make`, `make check` and `make install` build BUILT_SOURCES first; other targets need this dependency.
%D%/libcnnc_a-lexer.$(OBJEXT) compiler/syntax/libcnnc_a-mistake.$(OBJEXT): %D%/parser.h
