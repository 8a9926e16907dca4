# compiler/emit: printing of C
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += %D%/nest.h %D%/nest.c %D%/nest_print.h %D%/nest_values.c %D%/nest_statements.c \
  %D%/nest_joined.c %D%/nest_tiles.c %D%/nest_words.c %D%/acsl.h %D%/acsl.c %D%/acsl_entry.c
libcnnc_a_SOURCES += %D%/prelude.h %D%/prelude.c %D%/prelude_macros.c %D%/prelude_vectors.c \
  %D%/prelude_periodic.c
libcnnc_a_SOURCES += %D%/emit.h %D%/module.h %D%/module.c %D%/literals.h %D%/literals.c %D%/frame.c
libcnnc_a_SOURCES += %D%/net.c %D%/header.c %D%/pack.c %D%/embed.c %D%/infer.c %D%/dispatch.c %D%/init.c \
  %D%/state.c %D%/train.c %D%/network.c %D%/timing.c %D%/units.c %D%/pool.h %D%/pool.c
libcnnc_a_SOURCES += %D%/look.c %D%/example.h %D%/example.c %D%/library.c

# The text of the header that generated code shares with the runtime, as a C string.
%D%/network_text.inc: runtime/include/cnn_network.h
	$(AM_V_GEN)$(MKDIR_P) %D% && $(SED) -n '/^#ifndef CNN_NETWORK_VERSION/,$$p' \
	  $(top_srcdir)/runtime/include/cnn_network.h | \
	  $(SED) -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' > $@.tmp && mv $@.tmp $@
BUILT_SOURCES += %D%/network_text.inc
CLEANFILES += %D%/network_text.inc
%D%/libcnnc_a-header.$(OBJEXT): %D%/network_text.inc

# The pool of threads as a C string.
%D%/pool_text.inc: %D%/pool.c.in
	$(AM_V_GEN)$(MKDIR_P) %D% && \
	  $(SED) -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' $< > $@.tmp && mv $@.tmp $@
EXTRA_DIST += %D%/pool.c.in
BUILT_SOURCES += %D%/pool_text.inc
CLEANFILES += %D%/pool_text.inc
%D%/libcnnc_a-pool.$(OBJEXT): %D%/pool_text.inc

# Templates as rows {"file name", "text"}.
AS_ROWS = $(MKDIR_P) $(@D) && for file in $^; do printf '{"%s",\n' "$${file\#\#*/}" && \
  $(SED) -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' "$$file" && \
  echo '},'; done > $@.tmp && mv $@.tmp $@
LIBRARY_TEXTS = %D%/library/library.properties.in %D%/library/library.json.in %D%/library/keywords.txt.in \
  %D%/library/CMakeLists.txt.in %D%/library/idf_component.yml.in %D%/library/module.yml.in \
  %D%/library/Kconfig.in %D%/library/README.md.in %D%/library/sketch.ino.in %D%/library/embed.c.in
EXTRA_DIST += $(LIBRARY_TEXTS)
%D%/library_texts.inc: $(LIBRARY_TEXTS)
	$(AM_V_GEN)$(AS_ROWS)
BUILT_SOURCES += %D%/library_texts.inc
CLEANFILES += %D%/library_texts.inc
%D%/libcnnc_a-library.$(OBJEXT): %D%/library_texts.inc
libcnnc_a_CPPFLAGS += -I$(top_builddir)/compiler
