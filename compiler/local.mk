# compiler: the command line and the pipeline
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/options.h %D%/options.c %D%/options_words.h %D%/options_words.c \
  %D%/options_check.h %D%/options_check.c %D%/options_targets.c \
  %D%/command.h %D%/command.c %D%/help.h %D%/help.c %D%/topics.def %D%/compile.h %D%/compile.c \
  %D%/compilation.h %D%/compilation.c %D%/lowering.c %D%/write.c %D%/library.c \
  %D%/capacity.h %D%/capacity.c %D%/budget.c %D%/streaming.c \
  %D%/fix.h %D%/fix.c %D%/fmt.h %D%/fmt.c %D%/import.h %D%/import.c %D%/lsp.h %D%/lsp.c \
  %D%/new.h %D%/new.c %D%/quantise.h %D%/quantise.c %D%/quantising.h \
  %D%/quantise_run.c %D%/quantise_tell.c %D%/tune.h %D%/tune.c

NEW_TEXTS = %D%/new/net.cnn.in %D%/new/makefile.in %D%/new/training.mk.in %D%/new/readme.md.in \
  %D%/new/own.md.in %D%/new/model.md.in
EXTRA_DIST += $(NEW_TEXTS)
%D%/new_texts.inc: $(NEW_TEXTS)
	$(AM_V_GEN)$(AS_ROWS)
BUILT_SOURCES += %D%/new_texts.inc
CLEANFILES += %D%/new_texts.inc
%D%/libcnnc_a-new.$(OBJEXT): %D%/new_texts.inc
