# docs: operators.md and diagnostics.md are generated from the compiler's tables (`make docs`);
# tests/docs/docs.tap checks that they are current. Each build generates the manual pages and shell
# completions from the same tables and from the runtime's help.
nobase_dist_doc_DATA += %D%/development.md %D%/language.md %D%/c-interface.md %D%/operators.md \
  %D%/diagnostics.md %D%/schedules.md %D%/looking.md %D%/errors.md %D%/misra.md %D%/data.md \
  %D%/browser.md %D%/embedding.md %D%/import.md %D%/nets.md %D%/int8.md %D%/onnx-tests.md \
  %D%/mpi.md %D%/editors.md %D%/python.md \
  %D%/from-pytorch.md %D%/from-keras.md %D%/transfer.md %D%/first-net.md %D%/cortex-m.md %D%/train.md \
  %D%/bf16.md %D%/streaming.md %D%/assurance.md %D%/releases.md %D%/teams.md \
  %D%/dev/adding-a-target.md %D%/dev/adding-an-operator.md %D%/dev/adding-other-parts.md \
  %D%/dev/decisions.md %D%/dev/glossary.md %D%/dev/howto-schedule.md %D%/dev/int8.md %D%/dev/lir.md \
  %D%/dev/nest.md \
  %D%/dev/overview.md %D%/dev/packaging.md %D%/dev/pipeline.md %D%/dev/schedules.md \
  %D%/dev/testing.md %D%/dev/training.md \
  %D%/looking/fashion-occlude.png %D%/looking/fashion-relu2.png %D%/looking/lenet5-dream-from.png \
  %D%/looking/lenet5-dream.png %D%/looking/lenet5-features.png \
  %D%/looking/lenet5-filters.png %D%/looking/lenet5-filters2.png %D%/looking/lenet5-occlude.png \
  %D%/looking/lenet5-saliency.png %D%/looking/lenet5-stage1.png \
  %D%/looking/speech-occlude.png %D%/looking/speech-relu1.png \
  %D%/looking/unet-occlude.png %D%/looking/unet-saliency.png
noinst_PROGRAMS += docgen
docgen_SOURCES = %D%/docgen.h %D%/docgen.c %D%/docgen_man.c %D%/docgen_program.c %D%/docgen_shell.c
docgen_LDADD = libcnnc.a libcnn.la $(CNNC_LIBS) -lm
docgen_LDFLAGS = $(AM_LDFLAGS) -static

man_MANS = %D%/cnnc.1 %D%/cnnc-program.1 %D%/cnn.5
bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
fishcompletiondir = $(datadir)/fish/vendor_completions.d
nodist_bashcompletion_DATA = %D%/cnnc.bash
nodist_zshcompletion_DATA = %D%/_cnnc
nodist_fishcompletion_DATA = %D%/cnnc.fish
CLEANFILES += $(man_MANS) %D%/cnnc.bash %D%/_cnnc %D%/cnnc.fish
# When cross-compiling, set DOCGEN to a docgen that runs on the build machine.
DOCGEN = ./docgen$(EXEEXT)
MADE_BY_DOCGEN = $(AM_V_GEN)$(MKDIR_P) $(@D) && $(DOCGEN)
%D%/cnnc.1: docgen$(EXEEXT)
	$(MADE_BY_DOCGEN) cnnc.1 >$@.new && mv $@.new $@
%D%/cnnc-program.1: docgen$(EXEEXT)
	$(MADE_BY_DOCGEN) cnnc-program.1 >$@.new && mv $@.new $@
%D%/cnn.5: docgen$(EXEEXT)
	$(MADE_BY_DOCGEN) cnn.5 >$@.new && mv $@.new $@
%D%/cnnc.bash: docgen$(EXEEXT)
	$(MADE_BY_DOCGEN) cnnc.bash >$@.new && mv $@.new $@
%D%/_cnnc: docgen$(EXEEXT)
	$(MADE_BY_DOCGEN) _cnnc >$@.new && mv $@.new $@
%D%/cnnc.fish: docgen$(EXEEXT)
	$(MADE_BY_DOCGEN) cnnc.fish >$@.new && mv $@.new $@

.PHONY: docs
docs: docgen$(EXEEXT)
	./docgen operators >$(top_srcdir)/docs/operators.md
	./docgen diagnostics >$(top_srcdir)/docs/diagnostics.md
