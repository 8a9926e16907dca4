# compiler/lsp: the language server for editors (LSP)
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/lsp.h %D%/server.h %D%/server.c %D%/rpc.c %D%/documents.c %D%/positions.c \
  %D%/analysis.c %D%/symbols.h %D%/symbols.c %D%/find.c %D%/words.c %D%/diagnostics.c \
  %D%/hints.c %D%/hover.c \
  %D%/context.h %D%/context.c %D%/complete.c %D%/navigate.c %D%/outline.c %D%/formatting.c
