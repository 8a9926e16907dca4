#!/bin/sh
# long.sh: tests that take too long for every change, in parts.
# `make check-long` runs it in the build directory; PART="fuzz-1 kills" names the parts.
# long.sh SOURCE_DIR [PART]...
#
# A part is a list of steps. A step that has passed is not run again for the same commit, so a stopped part
# continues where it was. long-done/PART lists the steps; long-logs/PART.STEP.log is the output of a step.
# A sweep has many similar steps. The seed of the commit selects a share of them, such as one of four, and
# after SWEEP_MINUTES (2) a sweep begins none of the remaining steps. LONG_ALL=yes runs all steps.
# With LONG_MINUTES=10 a part begins no step after ten minutes; the next call goes on there.
# tests/long.md is the ledger: the line of a part is written when it ends.
# SPDX-License-Identifier: Apache-2.0
set -eu
export NETCHECK_ALL=yes
top=$(cd "$1" && pwd)
shift
all="sanitizers-unit sanitizers-programs sanitizers-front sanitizers-import sanitizers-int8
  sanitizers-nets sanitizers-embed sanitizers-runtime same-bytes targets-run targets-grad
  targets-aarch64 targets-armv7m targets-riscv64 targets-wasm32 targets-int8 targets-unit optimized
  fuzz-1 fuzz-2 fuzz-3 random-commands random-nests random-far random-sequences random-parts random-int8
  random-code random-mutants random-limits commands choices rows streams programs accuracy functions kills
  memory examples outputs export steps models special threads pool valgrind editor site packages release
  windows mpi assure validate"
[ $# -gt 0 ] || set -- $all
here=$(pwd)
seconds=${FUZZ_SECONDS:-65}
clang=${CLANG:-clang}
passed=0 failed=0 stopped=0
commit=$(cd "$top" && git rev-parse --short=10 HEAD 2>/dev/null || echo release)
[ -z "$(cd "$top" && git status --porcelain --untracked-files=no -- . ':!tests/long.md' 2>/dev/null)" ] ||
  commit=$commit+
seed=${CNNC_TEST_SEED:-$(sh "$(dirname "$0")/harness/seed.sh")}
mkdir -p "$here/long-done" "$here/long-logs"
export top_srcdir="$top" top_builddir="$here" CNNC="$here/cnnc" CLANG="$clang"

# ---- steps ----
# step NAME COMMAND...: passed if the status is 0 and no TAP line reports a failure
step() {
  count=$((count + 1))
  case " $names " in *" $1 "*) echo "long.sh: two steps $1 in $part" >&2; exit 2 ;; esac
  names="$names $1"
  name=$1 log=$here/long-logs/$part.$1.log done=$here/long-done/$part
  shift
  [ "$(head -n 1 "$done" 2>/dev/null)" = "$commit" ] || echo "$commit" >"$done"
  if grep -qxF "$name" "$done"; then steps=$((steps + 1)); return; fi
  if [ -n "${LONG_MINUTES:-}" ] && [ $(($(date +%s) - begin)) -ge $((60 * LONG_MINUTES)) ]; then
    left=$((left + 1))
    return
  fi
  status=0
  ("$@") >"$log" 2>&1 || status=$?
  if [ "$status" = 0 ] && grep -q '^1\.\.0 # SKIP' "$log"; then
    skipped="$skipped, $name skipped: $(sed -n 's/^1\.\.0 # SKIP //p' "$log" | head -n 1)"
    echo "ok - $part: $name # SKIP"
  elif [ "$status" = 0 ] && ! grep -q '^not ok' "$log"; then
    steps=$((steps + 1))
    echo "$name" >>"$done"
    echo "ok - $part: $name"
  else
    wrong="$wrong $name"
    echo "not ok - $part: $name (status $status, long-logs/$part.$name.log)"
  fi
}

# sweep SHARE NAME COMMAND...: a step of a sweep; of SHARE successive steps, the seed selects one.
# SWEEP_MINUTES count from the first selected step of the part.
sweep() {
  share=$1
  shift
  turn=$((turn + 1))
  if [ -n "${LONG_ALL:-}" ]; then step "$@"
  elif [ $((turn % share)) != 0 ] || { [ -n "$sweep_end" ] && [ "$(date +%s)" -ge "$sweep_end" ]; }; then
    count=$((count + 1))
  else
    sweep_end=${sweep_end:-$(($(date +%s) + 60 * ${SWEEP_MINUTES:-2}))}
    step "$@"
  fi
}

# in_portions SHARE SIZE COMMAND FILE...: a sweep with one step per SIZE files; its steps are COMMAND-1,
# COMMAND-2, ...
in_portions() {
  of=$1 size=$2 command=$3 number=0
  shift 3
  while [ $# -gt 0 ]; do
    number=$((number + 1)) k=0 portion=
    while [ $k -lt "$size" ] && [ $# -gt 0 ]; do portion="$portion $1" k=$((k + 1)); shift; done
    # shellcheck disable=SC2086
    sweep "$of" "$command-$number" $command $portion
  done
}

# record RESULT: writes the part's line in the ledger
record() {
  ledger=$top/tests/long.md
  [ -w "$ledger" ] || return 0
  awk -F ' *[|] *' -v part="$part" -v line="| $part | $(date -u +%Y-%m-%d) | $commit | $1 |" '
    $2 == part { print line; next } { print }' "$ledger" >"$here/long-ledger" &&
    cat "$here/long-ledger" >"$ledger"
  rm -f "$here/long-ledger"
}

# The minutes of the part in all calls of this script for this commit.
minutes() {
  spent=$here/long-done/$part.seconds
  [ -f "$spent" ] || : >"$spent"
  before=$(awk -v commit="$commit" '$1 == commit { print $2 }' "$spent")
  all_seconds=$((${before:-0} + $(date +%s) - begin))
  echo "$commit $all_seconds" >"$spent"
  echo "$(((all_seconds + 59) / 60)) min"
}

run_part() {
  steps=0 count=0 names= turn=$seed sweep_end= skipped= wrong= left=0 begin=$(date +%s)
  "part_$(echo "${part%-[0-9]}" | tr - _)"
  took=$(minutes)
  if [ -n "$wrong" ]; then
    failed=$((failed + 1))
    record "FAILED:$wrong; $steps of $count steps passed$skipped; $took"
  elif [ $left -gt 0 ]; then
    stopped=$((stopped + 1))
    record "stopped: $steps of $count steps passed$skipped; $took"
  else
    passed=$((passed + 1))
    record "passed: $steps of $count steps$skipped; $took"
  fi
}

scripts_of() { (cd "$top" && for folder in "$@"; do ls "tests/$folder"/*.tap; done); }
programs() { ls "$top"/tests/run/*.cnn "$top"/tests/grad/*.cnn; }
tests_of() { (cd "$top" && ls "tests/$1"/*.cnn); }
netcheck() { make -s netcheck && ./netcheck "$@"; }

# ---- all tests with the address and undefined-behavior sanitizers ----
# Generated code is compiled without sanitizers, so the share of nets that make check tests is enough here.
build_sanitized() {
  mkdir -p "$here/long-sanitizers" && cd "$here/long-sanitizers" && { [ -f config.status ] ||
    "$top/configure" --silent --enable-sanitizers CC="$clang" CFLAGS='-O2 -g'; } && make -j2 -s
}
check_sanitized() { (unset NETCHECK_ALL && cd "$here/long-sanitizers" && make -j2 -s check TESTS="$*"); }
sanitized() { # sanitized SHARE SIZE TEST...
  step build build_sanitized
  share=$1 size=$2
  shift 2
  in_portions "$share" "$size" check_sanitized "$@"
}
part_sanitizers_unit() { sanitized 1 1 tests/unit/unit.tap; }
part_sanitizers_programs() { sanitized 6 8 $(tests_of run) $(tests_of grad); }
part_sanitizers_front() {
  sanitized 4 2 $(scripts_of cli diag broken emit lsp docs) $(cd "$top" && ls tests/*.tap)
}
part_sanitizers_import() { sanitized 4 1 $(scripts_of import export weights fuzz); }
part_sanitizers_int8() { sanitized 3 1 $(scripts_of int8 models aware); }
part_sanitizers_nets() { sanitized 4 1 $(scripts_of nets special golden); }
part_sanitizers_embed() { sanitized 4 1 $(scripts_of embed targets web); }
part_sanitizers_runtime() { sanitized 4 1 $(scripts_of runtime); }

# The two builds of cnnc are from different C compilers, which evaluate arguments in different orders; their
# output must be the same.
compare_bytes() { # compare_bytes PROGRAM...
  status=0
  for program in "$@"; do
    for options in -O0 -O2; do
      "$here/cnnc" "$program" "$options" -o - >long-one.c 2>/dev/null || status=1
      ASAN_OPTIONS=detect_leaks=0 "$here/long-sanitizers/cnnc" "$program" "$options" -o - 2>/dev/null |
        cmp -s - long-one.c || { status=1; echo "# $program $options"; }
    done
  done
  return $status
}
# The same for imported models, for their C with and without --updatable, and for exported models.
compare_models() { # compare_models MODEL...
  status=0
  for model in "$@"; do
    rm -rf long-import-1 long-import-2
    n=0
    for cnnc in "$here/cnnc" "$here/long-sanitizers/cnnc"; do
      n=$((n + 1))
      mkdir -p long-import-$n
      (export ASAN_OPTIONS=detect_leaks=0
        cd long-import-$n && "$cnnc" import "$model" -o net || exit
        for options in -O0 -O2 '-Os --cpu=cortex-m4' '-Os --cpu=cortex-m55'; do
          for more in '' --updatable; do
            # shellcheck disable=SC2086
            "$cnnc" net.cnn --weights=net.safetensors $options $more -o "net $options$more.c" || :
          done
        done
        "$cnnc" net.cnn --weights=net.safetensors --emit=onnx -o net.onnx || :) >long-import.$n 2>&1
    done
    diff -r long-import-1 long-import-2 >long-one.c || { status=1; echo "# $model"; head -n 5 long-one.c; }
  done
  return $status
}
# A seed must generate the same random program with both compilers.
compare_generators() {
  make -s randomnet hugenet && make -s -C "$here/long-sanitizers" randomnet hugenet || return
  status=0
  for seed in $(seq 1 100); do
    for generator in randomnet 'randomnet joined' hugenet 'hugenet far'; do
      "$here"/$generator "$seed" >long-one.c
      "$here"/long-sanitizers/$generator "$seed" | cmp -s - long-one.c ||
        { status=1; echo "# $generator $seed"; }
    done
  done
  return $status
}
part_same_bytes() {
  step build build_sanitized
  step generators compare_generators
  in_portions 4 20 compare_bytes $(programs) $(grep -l '^net ' "$top"/examples/*/*.cnn)
  in_portions 4 20 compare_models "$top"/tests/models/*.tflite "$top"/tests/import/*.onnx
  rm -rf long-one.c long-import*
}

# ---- all targets, levels and emulators; make check runs a share ----
check_all() { make -j2 -s check TESTS="$*"; }
on_target() { netcheck "--on=$target" "$@"; }
part_targets_run() { in_portions 5 5 check_all $(tests_of run); }
part_targets_grad() { in_portions 6 4 check_all $(tests_of grad); }
part_targets_aarch64() { target=aarch64 && in_portions 5 10 on_target $(programs); }
part_targets_armv7m() { target=armv7m && in_portions 5 10 on_target $(programs); }
part_targets_riscv64() { target=riscv64 && in_portions 5 10 on_target $(programs); }
part_targets_wasm32() {
  target=wasm32 && in_portions 5 10 on_target $(programs)
  target=wasm32-relaxed && step relaxed on_target "$top"/tests/run/conv*.cnn
}
int8() { netcheck --int8 "$@"; }
part_targets_int8() {
  in_portions 5 2 int8 "$top"/tests/int8/*.cnn \
    $(for name in activations elementwise pooling residual shapes; do echo "$top/tests/run/$name.cnn"; done)
}
part_targets_unit() {
  in_portions 2 1 check_all tests/unit/unit.tap tests/warnings.tap tests/embed/generated_c.tap \
    tests/embed/misra.tap tests/docs/docs.tap tests/import/tflite_ops.tap tests/import/tflite_wide.tap \
    tests/int8/recurrent.tap
}

# Scripts for which clang does not optimize in make check (harness/quick.sh).
part_optimized() {
  in_portions 5 2 check_all $(cd "$top" && grep -l harness/quick.sh tests/*.tap tests/*/*.tap)
}

# ---- fuzzing ----
# Seeds of each target: its own folder; for the importers and the parser also models and programs of other
# tests.
seeds() {
  ls -d "$top/tests/fuzz/$1" 2>/dev/null || true
  [ "$1" != tflite ] || echo "$top/tests/models"
  [ "$1" != onnx ] || ls -d "$top/tests/import" "$top/tests/import/bad"
  [ "$1" != syntax ] || ls -d "$top/tests/run" "$top/tests/grad" "$top/tests/diag" "$top/tests/broken"
}
fuzz() { # fuzz TARGET
  mkdir -p "$here/long-fuzz/$1.corpus"
  sh "$top/tests/fuzz/build.sh" "$clang" "$top" "$here" "$1" "$here/long-fuzz/$1" || return
  for cases in tflite_cases tflite_wide_cases tflite_kept_cases; do
    [ "$1" != tflite ] || python3 -B "$top/tests/import/$cases.py" "$here/long-fuzz/$1.corpus"
  done
  dictionary=$top/tests/fuzz/$1.dict most=4096
  case $1 in quantized|tflite) most=65536 ;; esac
  # shellcheck disable=SC2046
  (cd "$here/long-fuzz" && "./$1" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 \
    -max_len="$most" -artifact_prefix="$1-" $([ ! -f "$dictionary" ] || echo "-dict=$dictionary") \
    "$1.corpus" $(seeds "$1"))
}
part_fuzz() { # one of three shares of the targets, or $FUZZ_TARGETS
  names=$(basename -s .c "$top"/tests/fuzz/*.c | awk -v share="${part#fuzz-}" 'NR % 3 + 1 == share')
  for name in ${FUZZ_TARGETS:-$names}; do step "$name" fuzz "$name"; done
  [ "$seconds" = 65 ] || skipped="$skipped, of $seconds seconds"
}

# ---- random programs, with other seeds than make check's ----
# random KIND COUNT FIRST: runs random.tap with this kind of programs only. Mutants are compiled with the cnnc
# that has sanitizers, if it has been built.
random() {
  make -s netcheck randomnet hugenet mutant || return
  [ "$1" != MUTANTS ] || [ ! -x long-sanitizers/cnnc ] || CNNC=$here/long-sanitizers/cnnc
  env FIRST="$3" COMMANDS=0 \
    NESTS=0 SEQUENCES=0 STREAMS=0 PARTS=0 ROWS=0 INT8=0 CODE=0 MUTANTS=0 LIMITS=0 FAR=0 "$1=$2" \
    sh "$top/tests/nets/random.tap"
}
random_portions() { # random_portions SHARE KIND PORTIONS COUNT
  portion=0
  while [ $portion -lt "$3" ]; do
    first=$((${RANDOM_FIRST:-100000} + portion * $4)) portion=$((portion + 1))
    sweep "$1" "$2-$first" random "$2" "$4" "$first"
  done
}
part_random_commands() { random_portions 25 COMMANDS 50 100; }
part_random_nests() { random_portions 13 NESTS 25 40; random_portions 1 ROWS 1 8; }
part_random_far() { random_portions 5 FAR 10 100; }
part_random_sequences() { random_portions 40 SEQUENCES 80 25; random_portions 10 STREAMS 20 25; }
part_random_parts() { random_portions 20 PARTS 20 100; }
part_random_int8() { random_portions 10 INT8 30 100; }
part_random_code() { random_portions 5 CODE 10 10; }
part_random_mutants() { random_portions 5 MUTANTS 10 500; }
part_random_limits() { random_portions 5 LIMITS 10 2000; }

# ---- programs in the interpreter ----
commands() { netcheck --commands "$@"; }
part_commands() { in_portions 15 2 commands $(programs); }
# Every choice of a schedule: in nets with other shapes than make check's, and in programs of tests/run.
shape=
choices() { SHAPES=$shape sh "$top/tests/nets/choices.tap" "$@"; }
part_choices() {
  step netcheck make -s netcheck
  for shape in 12x12x35 13x15x1 7x7x3; do sweep 3 $shape choices; done
  in_portions 25 1 choices "$top"/tests/run/*.cnn
}
# Nets in steps and in windows, with all compilers and levels.
streams() { netcheck --stream "$@"; }
part_streams() {
  in_portions 15 2 streams "$top"/tests/stream/*.cnn \
    $(ls "$top"/tests/run/*.cnn | grep -v -e _far -e _large -e threads -e winograd)
}
# Nets in which every value has a leading axis of three rows; without programs whose operators need tables,
# sequences, states or values in several parts.
rows() { ROWS_OF=$* sh "$top/tests/nets/rows.tap"; }
part_rows() {
  step netcheck make -s netcheck
  in_portions 5 10 rows $(cd "$top/tests" && ls run/*.cnn grad/*.cnn | grep -v -e _far -e _large \
    -e detection -e nms -e rcnn -e rpn -e multibox -e yolo -e region -e mask_head -e panoptic -e audio |
    xargs grep -L -e 'lstm(' -e 'gru(' -e 'rnn(' -e 'svdf(' -e '^ *state ' \
      -e 'split_' -e 'join_' -e 'attention' | sed 's/\.cnn$//')
}
# Damaged lowered programs: the verifier must reject those that misbehave.
damaged() { MUTANTS=100 netcheck --programs "$@"; }
part_programs() { # without conv_blocks, which takes minutes for each mutant
  in_portions 40 1 damaged $(programs | grep -v conv_blocks) "$top"/tests/stream/*.cnn
}
# Rounding errors of each kernel with each schedule, on all targets.
accuracy() { FIRST=$1 NETS=10 sh "$top/tests/nets/accuracy.tap"; }
part_accuracy() {
  step netcheck make -s netcheck randomnet
  for first in 1 11 21 31 41; do sweep 3 "$first" accuracy $first; done
}
# The bounds on the errors of exp and similar functions, on one of every 61 floats.
functions() { make -s unit && PRELUDE_STEP=61 ./unit prelude; }
part_functions() { step prelude functions; }
special() { netcheck --special "$@"; }
part_special() { in_portions 12 2 special "$top"/tests/special/*.cnn "$top"/tests/run/*.cnn; }

# ---- executables ----
# Training that is killed and resumed far more often than in make check, at other moments.
kills() { KILLS=${KILLS:-300} KILL_SEED=${KILL_SEED:-2} sh "$top/tests/runtime/reproducible_training.tap"; }
part_kills() { step all kills; }
# The same bits with any number of processes, under each installed MPI.
processes() { MPI_ALL=1 sh "$top/tests/runtime/mpi.tap"; }
part_mpi() { step all processes; }
# Every allocation of a command fails once.
allocations() { ALLOCATIONS=0 sh "$top/tests/cli/out_of_memory.tap"; }
part_memory() { step all allocations; }

# ---- the nets of examples/ and tests/models ----
# Compared with eval, at small sizes.
examples() {
  make -s netcheck && EXAMPLES="$*" TARGETS=x86-64-v4,x86-64-v3,generic sh "$top/tests/nets/examples.tap"
}
part_examples() {
  in_portions 5 2 examples lenet5 lenet5_1998 lenet5_relu autoencoder speech ds_cnn resnet8 resnet20 \
    filters:48 antialias alexnet:67 vgg16:32 resnet18:64 resnet50:64 mobilenet_v1:64 mobilenet_v2,side=64 \
    mobilenet_v3_small:64 mobilenet_v3_large:64 squeezenet:64 googlenet:64 densenet121:64 \
    efficientnet_b0:64 \
    convnext_t:64 unet,side=32 unet_2015:188,width=4 fcn8s,side=32 deeplab_v3,side=32 tiny_yolo:64 \
    tiny_yolov3,side=32 ssd,side=32 faster_rcnn mask_rcnn panoptic fast_rcnn rcnn fsrcnn espcn dcgan
}
# Compared with onnxruntime, at full size. The first run needs Python's venv and a package index.
part_outputs() { step all sh "$top/bench/run" outputs "$here"; }
# ONNX export: onnxruntime agrees on every program of tests/run, and all classifiers of examples/ can be
# exported and imported with the same results.
part_export() {
  step onnxruntime sh "$top/bench/run" export "$here"
  step back env COMPUTED=all sh "$top/tests/export/export.tap"
}
# The first training step of detectors compared with PyTorch, with the kernels that are chosen for this CPU.
part_steps() {
  step golden make -s golden
  step all env LEVEL=-O2 sh "$top/tests/golden/steps.tap"
}
# Each layer of the nets of tests/models, for all their inputs, compared with hashes from other kernels.
part_models() {
  step netcheck make -s netcheck
  for test in models boards dotprod byte_order; do step $test sh "$top/tests/models/$test.tap"; done
}

# ---- threads ----
# No data races: all programs, and nets with large layers, run with ThreadSanitizer. A program without a train
# block gets one, so that all programs are trained except those without gradients.
trained() { # trained PROGRAM
  losses=$("$here/cnnc" --emit=json "$1" -o - 2>/dev/null |
    sed -n '/^  "outputs"/,/^  ]/s/.*{"name": "\([^"]*\)".*/mse(\1)/p' | paste -sd,)
  if grep -q 'train {' "$1"; then cat "$1"; return; fi
  sed "\$s/}[^}]*\$/  train { loss = [$losses]; batch = 32 }\n}/" "$1"
}
write_trained() {
  rm -rf long-threads
  for kind in run grad; do
    mkdir -p long-threads/$kind
    for program in "$top/tests/$kind"/*.cnn; do
      trained "$program" >"long-threads/$kind/${program##*/}"
      refused=0
      "$here/cnnc" "long-threads/$kind/${program##*/}" -o /dev/null 2>/dev/null || refused=$?
      [ "$refused" != 1 ] || cp "$program" long-threads/$kind
    done
  done
  cp "$top"/tests/run/*.tune long-threads/run
  n=0
  while read batch layers; do # lines continue after a backslash
    n=$((n + 1))
    printf '# check: images=8 batch=%s\nnet n {\n  input x: 32x32x16\n  %s\n%s\n}\n' \
      "$batch" "$layers" '  train { loss = mse; batch = 8 }' >long-threads/$n.cnn
  done <<'END'
1 conv(32, 3x3, pad=same) -> relu -> maxpool(2) -> conv(64, 3x3, pad=same) -> batchnorm -> relu -> \
dropout -> global_avgpool -> dense(10)
1 depthwise(3x3, pad=same) -> batchnorm -> relu6 -> conv(64, 1x1) -> relu6 -> avgpool(2) -> \
flatten -> dense(100)
1 conv(48, 5x5, stride=2, pad=2) -> tanh -> conv_transpose(16, 4x4, stride=2, pad=1) -> softmax -> add(x)
4 maxpool(4) -> flatten -> dense(1024) -> relu -> dense(1024) -> relu -> dense(10)
4 conv(8, 3x3) -> relu -> maxpool(2) -> flatten -> dense(10)
END
}
races() { netcheck --races "$@"; }
pool_races() { NETCHECK_THREADS=pool netcheck --races "$@"; }
part_threads() {
  step programs write_trained
  in_portions 8 5 races long-threads/*.cnn long-threads/*/*.cnn
}
part_pool() { # the same with --threads=pool
  step tap sh "$top/tests/embed/pool.tap"
  step programs write_trained
  in_portions 8 5 pool_races long-threads/*.cnn long-threads/*/*.cnn
}

# ---- other tools ----
under_valgrind() { # under_valgrind PROGRAM...
  wrong_programs=
  for program in "$@"; do
    status=0
    (cd "$(dirname "$program")" && valgrind -q --error-exitcode=99 "$here/cnnc" "$(basename "$program")" \
      -o "$here/long-one.c") || status=$?
    [ "$status" -le 1 ] || wrong_programs="$wrong_programs $program"
  done
  rm -f "$here/long-one.c"
  [ -z "$wrong_programs" ] || { echo "not ok - valgrind:$wrong_programs"; return 1; }
}
part_valgrind() {
  in_portions 3 25 under_valgrind "$top"/tests/broken/*.cnn "$top"/tests/diag/*/*.cnn \
    "$top/examples/lenet5/lenet5.cnn"
}
# A session of the language server with the client of Visual Studio Code, which npm fetches.
editor() {
  mkdir -p "$here/long-editor"
  (cd "$here/long-editor" && npm install --no-audit --no-fund --prefix . vscode-languageserver-protocol@3) ||
    { echo '1..0 # SKIP npm cannot fetch vscode-languageserver-protocol'; return; }
  NODE_PATH=$here/long-editor/node_modules node "$top/tests/harness/editor.cjs"
}
part_editor() { step all editor; }
# The documentation site with the theme of PyPI, in Chromium where there is one.
site() { make -C "$here" -s site && sh "$top/tests/docs/site.tap"; }
part_site() { step all site; }
# Frama-C over published nets and seeded mistakes.
assure() { ASSURE="$*" sh "$top/tests/assure/assure.tap"; }
part_assure() {
  for case in reciprocal lenet5 lenet5_int8 kws ad01 str_ww resnet vww wide families boards mistakes; do
    step $case assure $case
  done
  step pack sh "$top/tests/assure/pack.tap"
}
# The validator of int8 nets: every program of tests/int8 with each rounding, models, mistakes in the C. Then
# their constant time, with valgrind and on a Cortex-M4 in qemu.
validate() { VALIDATE="$*" sh "$top/tests/assure/validate.tap"; }
constant() { CONSTANT="$*" sh "$top/tests/assure/constant.tap"; }
part_validate() {
  step netcheck make -s netcheck
  for case in command mistakes lenet5 single double float models; do step $case validate $case; done
  for case in here noticed board; do step constant-$case constant $case; done
  step wcet sh "$top/tests/assure/wcet.tap"
}
# The Debian packages, built from the git tree; lintian's reports; and the module in Debian's Python, which
# may not be the one on the PATH.
packages() {
  for tool in dpkg-buildpackage dh dh_python3 lintian git; do
    command -v $tool >/dev/null || { echo "1..0 # SKIP no $tool"; return; }
  done
  /usr/bin/python3 -c 'import numpy' || { echo '1..0 # SKIP no python3-numpy'; return; }
  rm -rf "$here/long-packages" && mkdir -p "$here/long-packages/cnnc" &&
    (cd "$top" && git archive HEAD) | tar xf - -C "$here/long-packages/cnnc" &&
    (cd "$here/long-packages/cnnc" && unset MAKEFLAGS MFLAGS MAKELEVEL CNNC top_srcdir top_builddir &&
      DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -us -uc -b -d) &&
    lintian --fail-on error "$here"/long-packages/*.changes &&
    for package in "$here"/long-packages/*.deb; do
      dpkg-deb -x "$package" "$here/long-packages/root" || return
    done && (cd "$here/long-packages/root/usr" && PATH=$PWD/bin:$PATH \
      PYTHONPATH=$PWD/lib/python3/dist-packages XDG_CACHE_HOME=$here/long-packages \
      /usr/bin/python3 -B "$top/python/tests/installed.py")
}
part_packages() { step all packages; }
has_venv() {
  python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    { echo '1..0 # SKIP no Python from 3.11 on with venv'; return 1; }
}
# A release, built twice and compared, and tests of its files, with zig, in a new venv and in emulators. Tools
# and sources come from the package indexes. RELEASE_TARGETS="x86_64-linux-gnu ..." selects targets.
release() {
  has_venv || return 0
  rm -rf "$here/long-release-1/out"
  # shellcheck disable=SC2086
  python3 -B "$top/release/build" --work="$here/long-release-1" $release_targets
}
# The second build: of a clone, with another umask and time zone, and with faketime on another day.
release_elsewhere() {
  has_venv || return 0
  clone=$here/long-release-clone later=
  ! command -v faketime >/dev/null || later='faketime -f +1d'
  export NO_FAKE_STAT=1 FAKE_UTIME=1 FAKETIME_DONT_FAKE_MONOTONIC=1 TZ=Pacific/Auckland LANG=C
  umask 077
  rm -rf "$here/long-release-2/out" "$clone"
  git clone -q "$top" "$clone" && (cd "$clone" && git checkout -q "${commit%+}" && autoreconf -fi) || return
  # shellcheck disable=SC2086
  $later python3 -B "$clone/release/build" --work="$here/long-release-2" $release_targets
}
same_release() {
  for name in 1 2; do
    [ -f "$here/long-release-$name/out/SHA256SUMS" ] || { echo '1..0 # SKIP nothing was built'; return; }
  done
  cmp "$here/long-release-1/out/SHA256SUMS" "$here/long-release-2/out/SHA256SUMS"
}
try_release() {
  [ -f "$here/long-release-1/out/SHA256SUMS" ] || { echo '1..0 # SKIP nothing was built'; return; }
  RELEASE=$here/long-release-1/out ZIG="$here/long-release-1/tools/bin/python -m ziglang" \
    sh "$top/tests/anywhere/release.tap"
}
# cnnc.exe is built with zig and compared in wine with cnnc; executables for other systems. If the part
# `release` has built these files from this commit, they are not built again.
exe_folder() {
  if [ "$(head -n 2 "$here/long-done/release" 2>/dev/null | tr '\n' ' ')" = "$commit first " ] &&
    [ -f "$here/long-release-1/x86_64-windows-gnu/build/cnnc.exe" ] &&
    [ -d "$here/long-release-1/runtimes/lib" ]; then echo "$here/long-release-1"
  else echo "$here/long-windows"; fi
}
exe() {
  has_venv || return 0
  [ "$(exe_folder)" = "$here/long-windows" ] || return 0
  python3 -B "$top/release/build" --work="$here/long-windows" x86_64-windows-gnu runtimes
}
exe_cases() { # exe_cases SCRIPT
  built=$(exe_folder)
  CNNC_EXE=$built/x86_64-windows-gnu/build/cnnc.exe CNNC_RUNTIMES=$built/runtimes/lib/cnnc WINDOWS_ALL=yes \
    ZIG="$built/tools/bin/python -m ziglang" \
    sh "$top/tests/anywhere/$1.tap"
}
compiles() { sh "$top/tests/anywhere/clang_cl.tap"; }
part_windows() {
  step clang_cl compiles
  step build exe
  step cases exe_cases windows
  step systems exe_cases systems
}
part_release() {
  release_targets=${RELEASE_TARGETS:-"x86_64-linux-gnu x86_64-linux-musl aarch64-linux-gnu
    aarch64-linux-musl x86_64-windows-gnu runtimes dist sdist"}
  step first release
  step second release_elsewhere
  step same same_release
  step use try_release
}

for part in "$@"; do
  case " $(echo $all) " in
  *" $part "*) run_part ;;
  *) echo "long.sh: no part $part; there are:" $all >&2; exit 2 ;;
  esac
done
echo "$passed parts passed, $failed failed, $stopped stopped (tests/long.md)"
[ "$((failed + stopped))" = 0 ]
