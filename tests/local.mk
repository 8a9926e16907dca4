# tests: a case is a file. Programs in run/ and grad/ are compared with eval by netcheck; *.tap are scripts;
# unit/ are CUnit suites.
TEST_EXTENSIONS = .tap .cnn
TAP_LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
TAP_LOG_COMPILER = $(SHELL)
CNN_LOG_DRIVER = $(TAP_LOG_DRIVER)
CNN_LOG_COMPILER = $(builddir)/netcheck
AM_TESTS_ENVIRONMENT = \
  CNNC='$(abs_top_builddir)/cnnc'; export CNNC; CC='$(TEST_CC)'; export CC; \
  CXX='$(TEST_CXX)'; export CXX; CLANG='$(TEST_CLANG)'; export CLANG; \
  srcdir='$(srcdir)'; export srcdir; top_srcdir='$(abs_top_srcdir)'; export top_srcdir; \
  top_builddir='$(abs_top_builddir)'; export top_builddir; \
  OMP_WAIT_POLICY=passive; export OMP_WAIT_POLICY; \
  CNNC_FAST='$(CNNC_FAST)'; export CNNC_FAST; \
  CNNC_TEST_SEED=$${CNNC_TEST_SEED:-$(TEST_SEED)}; export CNNC_TEST_SEED; \
  $(SANITIZER_ENVIRONMENT)
# The targets, levels and C compilers of each net depend on a seed, which by default depends on the commit.
# Logs print the seed; CNNC_TEST_SEED=N make check reproduces a run.
TEST_CC = $(CC)
TEST_CXX = $(CXX)
TEST_CLANG = $(CLANG)
TEST_SEED = $(shell sh '$(top_srcdir)/tests/harness/seed.sh')

# Waiting threads sleep, so that parallel tests are not delayed by spinning threads. Leaks are not detected,
# because some memory of cnnc is freed only at the end of the process. With SANITIZED, scripts skip valgrind.
if SANITIZERS
SANITIZER_ENVIRONMENT = SANITIZED=yes; export SANITIZED; \
  ASAN_OPTIONS='detect_leaks=0:allocator_may_return_null=1'; export ASAN_OPTIONS; \
  UBSAN_OPTIONS='print_stacktrace=1'; export UBSAN_OPTIONS;
else
SANITIZER_ENVIRONMENT =
endif

# The longest cases begin first, so that no processor is idle at the end. The program `unit` is run by a
# script: as a test itself, make would begin it only after all other tests.
LONG_CASES = tests/nets/random.tap tests/unit/unit.tap tests/web/web.tap tests/stream/stream.tap \
  tests/nets/accuracy.tap \
  tests/embed/misra.tap tests/int8/int8.tap tests/nets/programs.tap \
  tests/nets/choices.tap tests/embed/generated_c.tap tests/embed/pool.tap \
  tests/models/boards.tap tests/int8/quantize.tap tests/import/onnx_suite.tap tests/import/tflite_ops.tap \
  tests/embed/layer_names.tap tests/embed/embedded.tap tests/models/models.tap \
  tests/embed/several_nets.tap tests/int8/budget.tap tests/export/export.tap tests/nets/examples.tap
# Adding a file adds a case: NET_CASES and SCRIPT_CASES are expressions that list the files. configure
# substitutes them, because automake does not accept such expressions in TESTS.
TESTS += $(LONG_CASES) @NET_CASES@ @SCRIPT_CASES@

# ---- tiers: check-fast, check, check-long (Makefile.am) ----
# check-fast: cases that need no C compiler ($CC is `false`), and a share of the unit tests and nets.
FAST_CASES = tests/unit/unit.tap tests/nets/nests.tap tests/diag/diag.tap tests/diag/messages.tap \
  tests/emit/emit.tap tests/tree.tap tests/phrases.tap tests/cli/fix.tap tests/cli/help.tap \
  tests/docs/errors_page.tap
.PHONY: check-fast
check-fast:
	$(MAKE) $(if $(findstring jobserver,$(MAKEFLAGS)),,-j2) check TESTS='$(FAST_CASES)' CNNC_FAST=yes \
	  TEST_CC=false TEST_CXX=false TEST_CLANG=false

# After the last test: the skipped cases and their reasons.
.PHONY: skips list-tests
skips:
	@sh $(top_srcdir)/tests/harness/skips.sh $(top_srcdir)/tests/skips.txt $(TEST_LOGS)
check-local: check-TESTS
	@sh $(top_srcdir)/tests/harness/skips.sh $(top_srcdir)/tests/skips.txt $(TEST_LOGS)
	@echo "CNNC_TEST_SEED=$${CNNC_TEST_SEED:-$(TEST_SEED)} make check tests each net in the same way again"
list-tests:
	@echo $(TESTS)

EXTRA_DIST += %D%/README.md %D%/long.md %D%/long.sh %D%/skips.txt %D%/identical.sh \
  %D%/debian.tap %D%/editors.tap %D%/long.tap %D%/python.tap %D%/tree.tap %D%/warnings.tap \
  %D%/phrases.tap %D%/phrases.txt %D%/phrases_exempt.txt \
  %D%/harness/bare.c %D%/harness/bare.mjs %D%/harness/cli.sh \
  %D%/harness/compiled.py %D%/harness/editor.cjs %D%/harness/folders.py %D%/harness/grammar.c \
  %D%/harness/helium.ld %D%/harness/libraries.py %D%/harness/quantized.py \
  %D%/harness/racer.c %D%/harness/replay.c \
  %D%/harness/samples.py %D%/harness/sounds.py %D%/harness/torch_pickle.py \
  %D%/harness/quick.sh %D%/harness/seed.sh %D%/harness/skips.sh %D%/harness/steps.py %D%/harness/tap.py \
  %D%/harness/turn.sh \
  %D%/unit/unit.tap %D%/anywhere %D%/assure %D%/aware %D%/broken \
  %D%/cli %D%/diag %D%/docs %D%/embed %D%/emit \
  %D%/export %D%/fixtures %D%/fuzz %D%/golden %D%/grad %D%/import %D%/int8 %D%/lsp %D%/models \
  %D%/nests %D%/nets %D%/run %D%/runtime %D%/special %D%/targets %D%/walks %D%/web %D%/weights

# make dist also copies the folders of cases in the build directory, so the logs in them are removed.
dist-hook:
	find $(distdir)/tests -name '*.log' -o -name '*.trs' | xargs rm -f

check_PROGRAMS += netcheck randomnet hugenet mutant golden
golden_SOURCES = %D%/harness/golden.c
golden_LDADD = libcnn.la -ldl -lm
netcheck_SOURCES = %D%/harness/netcheck.c %D%/harness/accuracy.c %D%/harness/check.h \
  %D%/harness/compiled.c %D%/harness/nests.c %D%/harness/aware.c %D%/harness/int8.c \
  %D%/harness/int8.h %D%/harness/calibrated.c %D%/harness/models.c \
  %D%/models/inputs.h %D%/harness/all.h %D%/harness/int8_draw.c %D%/harness/int8_draw.h \
  %D%/harness/programs.c %D%/harness/commands.c %D%/harness/exchanges.c %D%/harness/slopes.c \
  %D%/harness/races.c %D%/harness/races.h %D%/harness/streams.c \
  %D%/harness/all.h %D%/harness/bytes.c %D%/harness/bytes.h %D%/harness/compare.c %D%/harness/compare.h \
  %D%/harness/foreign.c %D%/harness/foreign.h %D%/harness/sample.c %D%/harness/sample.h \
  %D%/harness/machine.c %D%/harness/machine.h %D%/harness/share.c %D%/harness/share.h
netcheck_LDADD = libcnnc.a $(CNNC_LIBS) -ldl -lm
# netcheck and cnnc with an additional schedule from outside of the tree, for tests/docs/howto_schedule.tap.
# EXTENDED/SCHEDULE.c is the schedule, and EXTENDED/schedule has the registry.def that lists it.
EXTEND = $(CC) $(DEFS) -I'$(EXTENDED)' $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) $(CPPFLAGS) $(AM_CFLAGS) $(CFLAGS) \
  $(LDFLAGS) '$(EXTENDED)/$(SCHEDULE).c' '$(srcdir)/compiler/schedule/registry.c'
netcheck-extended: $(netcheck_OBJECTS) libcnnc.a
	$(EXTEND) -o '$(EXTENDED)/netcheck' $(netcheck_OBJECTS) $(netcheck_LDADD) $(LIBS)
cnnc-extended: $(cnnc_OBJECTS) libcnnc.a
	$(EXTEND) -o '$(EXTENDED)/cnnc' $(cnnc_OBJECTS) $(cnnc_LDADD) $(LIBS)
.PHONY: netcheck-extended cnnc-extended
randomnet_SOURCES = %D%/harness/randomnet.c %D%/harness/random_draw.c %D%/harness/random_ops.c \
  %D%/harness/random_shapes.c %D%/harness/random_objects.c %D%/harness/random_joined.c \
  %D%/harness/random_parts.c %D%/harness/random_sequence.c \
  %D%/harness/random_towers.c %D%/harness/random_train.c %D%/harness/random.h
randomnet_LDADD = libcnnc.a $(CNNC_LIBS) -lm
hugenet_SOURCES = %D%/harness/hugenet.c %D%/harness/random_draw.c %D%/harness/random.h
hugenet_LDADD = libcnnc.a $(CNNC_LIBS) -lm
mutant_SOURCES = %D%/harness/mutant.c
mutant_LDADD = libcnnc.a $(CNNC_LIBS) -lm

if HAVE_CUNIT
check_PROGRAMS += unit
unit_SOURCES = %D%/unit/main.c %D%/unit/suites.def %D%/unit/base.c %D%/unit/syntax.c %D%/unit/sema.c \
  %D%/unit/nest.c %D%/unit/nest_cases.c %D%/unit/nest_cases.h %D%/unit/nest_kernels.c \
  %D%/unit/nest_kernels.h %D%/unit/nest_refused.c %D%/unit/nest_chosen.c %D%/unit/nest_overlap.c \
  %D%/unit/nest_counted.c %D%/unit/nest_rounds.c %D%/unit/mutate.c \
  %D%/unit/prelude.c %D%/unit/printed.c %D%/unit/printed.h %D%/unit/lower.c %D%/unit/ops.c \
  %D%/unit/audio.c %D%/unit/ops_check.c %D%/unit/ops_net.c %D%/unit/ops_net.h %D%/unit/layout.c \
  %D%/unit/places.c \
  %D%/unit/merge.c %D%/unit/kept.c %D%/unit/target.c \
  %D%/unit/winograd.c %D%/unit/strassen.c %D%/unit/compare.c %D%/unit/routine.c \
  %D%/unit/detection.c %D%/unit/sampling.c %D%/unit/onnx.c \
  %D%/harness/all.h %D%/harness/bytes.c %D%/harness/bytes.h %D%/harness/compare.c \
  %D%/harness/compare.h %D%/harness/machine.c %D%/harness/machine.h %D%/harness/sample.c \
  %D%/harness/sample.h %D%/harness/foreign.c %D%/harness/foreign.h %D%/unit/runtime_augment.c \
  %D%/unit/runtime_core.c %D%/unit/runtime_data.c %D%/unit/runtime_display.c \
  %D%/unit/runtime_findings.c \
  %D%/unit/runtime_files.c %D%/unit/runtime_formats.c \
  %D%/unit/runtime_matching.c %D%/unit/runtime_measure.c %D%/unit/runtime_net.c %D%/unit/runtime_net.h \
  %D%/unit/runtime_exchange.c %D%/unit/runtime_pace.c %D%/unit/runtime_images.c %D%/unit/runtime_place.c \
  %D%/unit/runtime_place.h \
  %D%/unit/runtime_precision.c %D%/unit/runtime_program.c \
  %D%/unit/runtime_scratch.c %D%/unit/runtime_scratch.h %D%/unit/runtime_sounds.c \
  %D%/unit/runtime_sets.c %D%/unit/runtime_sets.h \
  %D%/unit/runtime_synthetic.c %D%/unit/runtime_train.c %D%/unit/runtime_truth.c \
  %D%/unit/runtime_outline.c %D%/unit/runtime_boxes.c %D%/unit/runtime_coco.c \
  %D%/unit/runtime_objects.c %D%/unit/runtime_objects.h %D%/unit/yolo.c %D%/unit/aware.c %D%/unit/quantize.c \
  %D%/unit/vectors.c
unit_CPPFLAGS = $(AM_CPPFLAGS) $(CUNIT_CFLAGS) $(JANSSON_CFLAGS) -I$(top_srcdir)/%D%/unit \
  -I$(top_srcdir)/%D%/harness
unit_LDADD = libcnnc.a libcnn.la $(CUNIT_LIBS) $(CNNC_LIBS) $(PNG_LIBS) $(JPEG_LIBS) $(WEBP_LIBS) -lm
endif
