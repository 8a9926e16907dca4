# compiler/nest: the loop-nest IR
# SPDX-License-Identifier: Apache-2.0
libcnnc_a_SOURCES += \
  %D%/nest.h %D%/build.h %D%/primitive.h %D%/primitive.c %D%/primitive_text.c \
  %D%/integer_primitives.h \
  %D%/word_primitives.h %D%/primitive_dsp.c %D%/dsp_primitives.h \
  %D%/build.c %D%/val.c \
  %D%/prover.h %D%/prove.c %D%/prove_accesses.c %D%/prove_overlap.c \
  %D%/simplify.c %D%/count.c %D%/stack.c %D%/interp.c %D%/joined.c %D%/fill.c %D%/dump.c %D%/index.c \
  %D%/widen.c \
  %D%/key.c %D%/code.h %D%/code.c %D%/instance.h %D%/instance.c %D%/team.h %D%/team.c

# Each of these headers as a C string, without its lines up to the first #include.
PRIMITIVE_TEXTS = %D%/integer_primitives_text.inc %D%/word_primitives_text.inc %D%/dsp_primitives_text.inc
%D%/integer_primitives_text.inc: %D%/integer_primitives.h
%D%/word_primitives_text.inc: %D%/word_primitives.h
%D%/dsp_primitives_text.inc: %D%/dsp_primitives.h
$(PRIMITIVE_TEXTS):
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SED) -e '1,/^#include/d' -e 's/\\/\\\\/g' -e 's/"/\\"/g' \
	  -e 's/^/"/' -e 's/$$/\\n"/' $< > $@.tmp && mv $@.tmp $@
BUILT_SOURCES += $(PRIMITIVE_TEXTS)
CLEANFILES += $(PRIMITIVE_TEXTS)
%D%/libcnnc_a-primitive_text.$(OBJEXT): $(PRIMITIVE_TEXTS)
