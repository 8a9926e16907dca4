# web: the browser build of the compiler, docs/browser.md. `make web` needs wasi-libc, clang's runtime for
# wasm32 (libclang-rt-N-dev-wasm32) and xz, and builds the page in web/page. Servers need not compress it.
# SPDX-License-Identifier: Apache-2.0
WEB_C = compiler/driver/main.c compiler/backend/none.c \
  compiler/quantize/qat.c compiler/quantize/calibrate.c compiler/quantize/range.c web/none.c \
  runtime/hosted/base/similar.c \
  web/none_import.c web/none_emit.c $(filter-out \
  compiler/backend/% compiler/reference/eval.c compiler/driver/lsp.c compiler/lsp/% compiler/driver/new.c \
  compiler/driver/fit_board.c compiler/driver/help.c compiler/driver/fmt.c compiler/driver/tune.c \
  compiler/sema/fix.c \
  compiler/schedule/tuning.c \
  compiler/passes/bands.c compiler/ops/shape/row_bands.c compiler/nest/dump.c \
  compiler/nest/interp.c compiler/nest/joined.c compiler/nest/fill.c compiler/nest/primitive_text.c \
  compiler/report/lir_dump.c compiler/emit/nest_joined.c compiler/emit/nest_tiles.c \
  compiler/emit/nest_words.c \
  compiler/report/schedule_dump.c compiler/lir/share.c compiler/emit/prelude_vectors.c \
  compiler/syntax/ast_dump.c compiler/passes/memory_limit.c compiler/emit/units.c compiler/emit/pool.c \
  compiler/lir/merge_sizes.c compiler/lir/kernel_cache.c \
  compiler/emit/acsl.c compiler/emit/acsl_entry.c \
  compiler/report/dot.c compiler/report/graph_dump.c compiler/report/plan_dump.c compiler/report/trace.c \
  compiler/report/wcet.c compiler/driver/assure.c compiler/base/sha256.c \
  compiler/driver/quantize%.c compiler/quantize/% compiler/emit/library.c \
  compiler/schedule/float/dense_strassen% compiler/schedule/float/strassen%.c \
  compiler/schedule/float/conv_strassen.c \
  compiler/schedule/float/conv_groups_weights.c compiler/schedule/float/conv_winograd_weights.c \
  compiler/schedule/float/conv_rows_weights%.c compiler/schedule/float/gradient_tile.c \
  compiler/schedule/float/conv_joined.c compiler/schedule/float/conv_matrix.c \
  compiler/schedule/float/conv_groups.c compiler/schedule/float/conv_groups_joined.c \
  compiler/schedule/float/conv_diagonals.c \
  compiler/schedule/float/conv_weights_matrix.c \
  compiler/schedule/float/conv_padded.c compiler/schedule/matrix.c \
  compiler/schedule/float/dense_pairs.c compiler/schedule/float/matmul_pairs.c \
  compiler/schedule/float/pair_rows.c \
  compiler/schedule/float/conv_repeated.c compiler/passes/stream%.c compiler/ops/shape/stream_mask.c \
  compiler/ops/shape/stream_ring.c \
  compiler/ops/recurrent/%.c compiler/ops/audio/%.c \
  compiler/ops/shape/state.c compiler/ops/shape/calls.c compiler/emit/state.c compiler/passes/states.c \
  compiler/ops/activation/lines.c compiler/kernel/parts.c \
  compiler/ops/index/% compiler/ops/arithmetic/cos.c compiler/ops/arithmetic/floor.c \
  compiler/ops/arithmetic/modulo.c compiler/ops/arithmetic/sin.c compiler/emit/prelude_periodic.c \
  compiler/ops/attention/% compiler/ops/normalization/rmsnorm.c compiler/ops/parts/% \
  compiler/ops/detection/panoptic.c compiler/ops/pooling/stochastic_pool.c \
  compiler/ops/int8/% compiler/schedule/int8/% compiler/schedule/mcu/% \
  compiler/import/tflite/% compiler/import/onnx/qdq.c compiler/import/onnx/int8_layers.c \
  compiler/import/onnx/onnx_quantized.c compiler/import/onnx/onnx_dynamic.c \
  compiler/import/onnx/onnx_tables.c \
  compiler/import/onnx/onnx_fused.c compiler/import/onnx/onnx_composed.c \
  compiler/import/onnx/onnx_loop.c compiler/import/onnx/profile.c \
  compiler/import/onnx/node_build.c compiler/import/onnx/ops_choice.c \
  compiler/import/onnx/ops_attention.c compiler/import/onnx/ops_einsum.c compiler/import/onnx/ops_index.c \
  compiler/import/onnx/ops_elements.c \
  compiler/import/onnx/forms_deformable.c compiler/import/onnx/forms_rotary.c \
  compiler/import/onnx/ops_recurrent.c \
  compiler/import/onnx/forms_attention.c compiler/import/onnx/ops_product.c \
  compiler/import/onnx/view_parts.c \
  compiler/import/onnx/fold_product.c compiler/import/onnx/ops_spectrum.c \
  compiler/import/onnx/state_hints.c compiler/import/onnx/broadcast.c \
  compiler/export/% runtime/%,$(filter \
  %.c,$(patsubst %.l,%.c,$(patsubst %.y,%.c,$(libcnnc_a_SOURCES)))))
# Sorted by name: the code in a folder is similar, so the linked file compresses better.
WEB_OBJECTS = $(sort $(WEB_C:%.c=web/objects/%.o))
WEB_FLAGS = --target=`cat web/objects/target` -Wno-deprecated -Oz -msimd128 -D_WASI_EMULATED_GETPID \
  -D_WASI_EMULATED_MMAN

# wasm32-wasi is the deprecated name of the target, but the only one in Debian 12's wasi-libc.
web/objects/target:
	@$(MKDIR_P) web/objects; rm -f $@; for target in wasm32-wasip1 wasm32-wasi; do \
	  if printf '#include <stdio.h>\nint main(void) { return puts("") == 0; }\n' | \
	    $(CLANG) --target=$$target -x c - -o $@.try >/dev/null 2>&1; then echo $$target >$@; break; fi; done; \
	rm -f $@.try; test -s $@ || { echo "make web: wasi-libc or clang's runtime for wasm32" \
	  "(libclang-rt-N-dev-wasm32) is missing" >&2; exit 1; }

$(WEB_OBJECTS): web/objects/%.o: %.c | $(BUILT_SOURCES) web/objects/target
	$(AM_V_CC)$(MKDIR_P) $(@D) && $(CLANG) $(WEB_FLAGS) $(DEFS) $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) \
	  -I$(top_builddir)/compiler $(AM_CFLAGS) -Wno-pointer-bool-conversion -Wno-unused-function \
	  -Wno-string-conversion -fno-sanitize=all -MMD -MP -c $< -o $@

# binaryen's wasm-opt removes a tenth of the code; without it the page works, but exceeds 520 KiB (gzip).
# --low-memory-unused: the lowest addresses belong to the end of the stack, so no pointer refers to them.
WASM_OPT = wasm-opt -Oz --converge --one-caller-inline-max-function-size=0 --low-memory-unused --enable-simd \
  --enable-bulk-memory --enable-sign-ext --enable-nontrapping-float-to-int --enable-mutable-globals
web/cnnc.wasm: $(WEB_OBJECTS)
	$(AM_V_CCLD)$(CLANG) $(WEB_FLAGS) $(WEB_OBJECTS) -lwasi-emulated-getpid -lwasi-emulated-mman -lm \
	  -Wl,-z,stack-size=1048576 -Wl,--stack-first -Wl,--strip-all -o $@.linked && \
	  if command -v wasm-opt >/dev/null; then $(WASM_OPT) $@.linked -o $@; else cp $@.linked $@; fi && \
	  rm -f $@.linked
# Removes the uncompressed file of older versions.
web/page/cnnc.wasm.lzma: web/cnnc.wasm
	$(AM_V_GEN)$(MKDIR_P) $(@D) && rm -f $(@D)/cnnc.wasm && \
	  xz --format=lzma --lzma1=preset=9e,lc=4,pb=0,nice=273,mf=bt4 --stdout $< >$@.new && mv $@.new $@
-include $(WEB_OBJECTS:.o=.d)

web/page/examples.json: $(top_srcdir)/web/examples.sh $(srcdir)/web/none.c \
    $(wildcard $(srcdir)/examples/*/*.cnn)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && \
	  sh $(top_srcdir)/web/examples.sh $(top_srcdir)/examples $(top_srcdir)/web/none.c >$@.new && mv $@.new $@
web/page/colors.json: $(top_srcdir)/editors/vscode/syntaxes/cnn.tmLanguage.json
	$(AM_V_GEN)$(MKDIR_P) $(@D) && cp $< $@
WEB_PAGE = index.html page.css page.js worker.js wasi.js lzma.js
# Copies the files of the page without indentation and comment lines, except for the license.
$(WEB_PAGE:%=web/page/%): web/page/%: web/%
	$(AM_V_GEN)$(MKDIR_P) $(@D) && $(SED) -e 's/^ *//' -e '/SPDX/b' -e '/^\/\/ /d' $< >$@.new && mv $@.new $@
EXTRA_DIST += $(WEB_PAGE:%=web/%) web/examples.sh web/none.c web/none_import.c \
  web/none_emit.c compiler/backend/none.c

.PHONY: web
web: web/page/cnnc.wasm.lzma web/page/examples.json web/page/colors.json $(WEB_PAGE:%=web/page/%)

clean-local: web-clean
.PHONY: web-clean
web-clean:
	rm -rf web/objects web/page web/cnnc.wasm
