# compiler/driver: the command line and the pipeline
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/assure.c %D%/command.h %D%/compilation.c %D%/compilation.h %D%/compile.c \
  %D%/compile.h %D%/fit.c %D%/fit_board.c %D%/flags.c %D%/flags.h %D%/fmt.c \
  %D%/help.c %D%/help.h %D%/import.c %D%/import.h %D%/lsp.c \
  %D%/new.c %D%/options.c %D%/options.h %D%/options_check.c %D%/output.c %D%/quantize.c \
  %D%/quantize_report.c %D%/quantize_report.h %D%/topics.def %D%/tune.c %D%/tune.h

NEW_TEXTS = %D%/new/net.cnn.in %D%/new/makefile.in %D%/new/training.mk.in %D%/new/readme.md.in \
  %D%/new/own.md.in %D%/new/model.md.in
EXTRA_DIST += $(NEW_TEXTS)
%D%/new_texts.inc: $(NEW_TEXTS)
	$(AM_V_GEN)$(AS_ROWS)
BUILT_SOURCES += %D%/new_texts.inc
CLEANFILES += %D%/new_texts.inc
%D%/libcnnc_a-new.$(OBJEXT): %D%/new_texts.inc

ASSURE_TEXTS = %D%/assure/makefile.in %D%/assure/readme.md.in %D%/assure/run.c.in %D%/assure/builtin.h.in \
  %D%/assure/prove.sh.in %D%/assure/count.sh.in docs/misra.md
EXTRA_DIST += $(ASSURE_TEXTS)
%D%/assure_texts.inc: $(ASSURE_TEXTS)
	$(AM_V_GEN)$(AS_ROWS)
BUILT_SOURCES += %D%/assure_texts.inc
CLEANFILES += %D%/assure_texts.inc
%D%/libcnnc_a-assure.$(OBJEXT): %D%/assure_texts.inc
