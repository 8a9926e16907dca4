# docs: operators.md and diagnostics.md are made from the compiler's tables (`make docs`); tests/docs.tap checks that they are current.
EXTRA_DIST += %D%/language.md %D%/c-interface.md %D%/development.md %D%/operators.md %D%/diagnostics.md %D%/schedules.md %D%/looking.md %D%/data.md \
  %D%/from-pytorch.md %D%/from-keras.md %D%/looking
check_PROGRAMS += docgen
docgen_SOURCES = %D%/docgen.c
docgen_LDADD = libcnnc.a $(CNNC_LIBS) -lm

.PHONY: docs
docs: docgen$(EXEEXT)
	./docgen operators >$(top_srcdir)/docs/operators.md
	./docgen diagnostics >$(top_srcdir)/docs/diagnostics.md
