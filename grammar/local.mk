# grammar: tokens and the abstract syntax tree.
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/parser.y %D%/lexer.l %D%/keywords.def
BUILT_SOURCES += %D%/parser.h
