#!/bin/sh
# long.sh: what takes too long for every change: all tests with sanitizers, every program on every target, a
# minute of fuzzing for each reader, thousands of random programs, every choice of schedules, errors of
# functions, hundreds of kills of a training run, every allocation failing once, the nets of examples/ beside
# eval and onnxruntime, models of ONNX that cnnc writes, the first step of nets that find objects beside
# PyTorch, all inputs of the nets of MLPerf Tiny, on this CPU and in emulators, NaN in every program, damaged
# lowered programs, every program by threads under a race detector, valgrind over hostile programs, the
# language server by a client of others, the packages of Debian, nets trained by several processes.
# `make check-long` runs it in the build directory.
# long.sh SOURCE_DIR
# [sanitizers|targets|fuzz|random|choices|rows|programs|functions|kills|memory|examples|outputs|export|
#  steps|models|special|threads|valgrind|editor|packages|mpi]...
# SPDX-License-Identifier: Apache-2.0
set -eu
export NETCHECK_ALL=yes
top=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- sanitizers targets fuzz random choices rows programs functions kills memory \
  examples outputs export steps models special threads valgrind editor packages mpi
here=$(pwd)
seconds=${FUZZ_SECONDS:-65}
fuzz_targets=${FUZZ_TARGETS:-$(basename -s .c "$top"/tests/fuzz/*.c)}
clang=${CLANG:-clang}
passed=0 failed=0

verdict() { # verdict STATUS TITLE
  if [ "$1" = 0 ]; then passed=$((passed + 1)); echo "ok - $2"; else failed=$((failed + 1))
  echo "not ok - $2"; fi
}

sanitizers() {
  mkdir -p "$here/long-sanitizers"
  status=0
  # What is compiled by cnnc runs without sanitizers: make check's share of it is enough here.
  (unset NETCHECK_ALL && cd "$here/long-sanitizers" && { [ -f config.status ] ||
    "$top/configure" --silent --enable-sanitizers CC="$clang" CFLAGS='-O2 -g'; } && make -j2 -s &&
    make -j2 -s check) >"$here/long-sanitizers.log" 2>&1 || status=$?
  verdict "$status" "all tests with the address and undefined-behaviour sanitizers (long-sanitizers.log)"
  same_bytes
}

# What make check has a share of: every program on every target and in every emulator, compiled with -O1,
# nets of 8 bits by every rounding, the whole sweeps of the unit tests.
targets() {
  status=0
  programs=$(cd "$top" && ls tests/run/*.cnn tests/grad/*.cnn)
  # shellcheck disable=SC2086
  make -j2 -s check TESTS="$(echo $programs) $(cd "$top" && echo tests/targets/*[0-9m].tap) \
    tests/int8/int8.tap tests/unit/unit.tap" >"$here/long-targets.log" 2>&1 || status=$?
  verdict "$status" "every program on every target (long-targets.log)"
}

# Two compilers made the two cnnc, and evaluate arguments in different orders: what they write is the same.
same_bytes() {
  status=0
  for program in "$top"/tests/run/*.cnn "$top"/tests/grad/*.cnn \
    $(grep -l '^net ' "$top"/examples/*/*.cnn); do
    for options in -O0 -O2; do
      "$here/cnnc" "$program" "$options" -o - >"$here/long-one.c" 2>/dev/null || status=1
      ASAN_OPTIONS=detect_leaks=0 "$here/long-sanitizers/cnnc" "$program" "$options" -o - 2>/dev/null |
        cmp -s - "$here/long-one.c" || { status=1; echo "# $program $options"; }
    done
  done
  make -s randomnet hugenet
  for seed in $(seq 1 300); do # the numbers of random programs mean the same program everywhere
    for generator in randomnet 'randomnet joined' hugenet 'hugenet far'; do
      "$here"/$generator "$seed" >"$here/long-one.c"
      "$here"/long-sanitizers/$generator "$seed" | cmp -s - "$here/long-one.c" ||
        { status=1; echo "# $generator $seed"; }
    done
  done
  rm -f "$here/long-one.c"
  verdict "$status" "the same bytes from cnnc, randomnet and hugenet built by another compiler"
}

# What each target begins with: its own folder; the parser also with every program of the other tests.
seeds() {
  ls -d "$top/tests/fuzz/$1" 2>/dev/null || true
  [ "$1" != tflite ] || echo "$top/tests/models"
  [ "$1" != onnx ] || ls -d "$top/tests/import" "$top/tests/import/bad"
  [ "$1" != syntax ] || ls -d "$top/tests/run" "$top/tests/grad" "$top/tests/diag" "$top/tests/broken"
}

fuzz() {
  mkdir -p "$here/long-fuzz"
  for name in $fuzz_targets; do
    status=0
    sh "$top/tests/fuzz/build.sh" "$clang" "$top" "$here" "$name" "$here/long-fuzz/$name" \
      >"$here/long-fuzz/$name.log" 2>&1 || status=$?
    mkdir -p "$here/long-fuzz/$name.corpus"
    for cases in tflite_cases tflite_wide_cases; do
      [ "$name" != tflite ] || python3 -B "$top/tests/import/$cases.py" "$here/long-fuzz/$name.corpus"
    done
    if [ "$status" = 0 ]; then
      dictionary=$top/tests/fuzz/$name.dict
      most=4096
      case $name in quantised|tflite) most=65536 ;; esac
      # shellcheck disable=SC2046
      (cd "$here/long-fuzz" && "./$name" -max_total_time="$seconds" -rss_limit_mb=4096 -timeout=20 \
        -max_len="$most" -artifact_prefix="$name-" $([ ! -f "$dictionary" ] || echo "-dict=$dictionary") \
        "$name.corpus" $(seeds "$name")) >>"$here/long-fuzz/$name.log" 2>&1 || status=$?
    fi
    verdict "$status" "$name: $seconds seconds of fuzzing without a finding (long-fuzz/$name.log)"
  done
}

# Other seeds than make check's; the mutants go through the cnnc that sanitizers() has built, if it has.
random_programs() {
  cnnc=$here/cnnc
  [ ! -x "$here/long-sanitizers/cnnc" ] || cnnc=$here/long-sanitizers/cnnc
  status=0
  make -s netcheck randomnet hugenet mutant >"$here/long-random.log" 2>&1 || status=$?
  top_srcdir=$top top_builddir=$here CNNC=$cnnc FIRST=${RANDOM_FIRST:-100000} NESTS=${RANDOM_NESTS:-1000} \
    CODE=${RANDOM_CODE:-100} MUTANTS=${RANDOM_MUTANTS:-5000} LIMITS=${RANDOM_LIMITS:-20000} \
    FAR=${RANDOM_FAR:-1000} INT8=${RANDOM_INT8:-3000} COMMANDS=${RANDOM_COMMANDS:-5000} \
    sh "$top/tests/nets/random.tap" >>"$here/long-random.log" 2>&1 || status=$?
  grep -q '^not ok' "$here/long-random.log" && status=1
  verdict "$status" "random programs and mutants (long-random.log)"
}

# Damaged lowered programs: those that misbehave are refused.
lowered_programs() {
  status=0
  make -s netcheck >"$here/long-programs.log" 2>&1 || status=$?
  MUTANTS=100 "$here/netcheck" --programs "$top"/tests/grad/*.cnn "$top"/tests/run/*.cnn \
    >>"$here/long-programs.log" 2>&1 || status=$?
  grep -q '^not ok' "$here/long-programs.log" && status=1
  mutants=$(sed -n 's/^# .*: \([0-9]*\) mutants.*/\1/p' "$here/long-programs.log" | paste -sd+ | tr -d '\n')
  verdict "$status" "$((${mutants:-0})) damaged lowered programs (long-programs.log)"
}

# Other shapes than make check's, and all programs that it compiles.
schedule_choices() {
  status=0
  make -s netcheck >"$here/long-choices.log" 2>&1 || status=$?
  top_builddir=$here SHAPES='12x12x35 13x15x1 7x7x3' sh "$top/tests/nets/choices.tap" "$top"/tests/run/*.cnn \
    >>"$here/long-choices.log" 2>&1 || status=$?
  grep -q '^not ok' "$here/long-choices.log" && status=1
  verdict "$status" "each schedule that could be chosen (long-choices.log)"
}

# All programs that make check compiles, with three rows of every value; but for nms and the losses of
# objects, which take tables of rows.
all_rows() {
  status=0
  make -s netcheck >"$here/long-rows.log" 2>&1 || status=$?
  names=$(cd "$top/tests" && ls run/*.cnn grad/*.cnn | sed 's/\.cnn$//' |
    grep -v -e _far -e _large -e detection -e nms -e rcnn -e rpn -e multibox -e yolo -e region \
        -e mask_head -e panoptic)
  top_builddir=$here top_srcdir=$top ROWS_OF=$names sh "$top/tests/nets/rows.tap" \
    >>"$here/long-rows.log" 2>&1 || status=$?
  grep -q '^not ok' "$here/long-rows.log" && status=1
  verdict "$status" "values with a leading axis (long-rows.log)"
}

# The bounds on the errors of exp and the like, on one of every 61 floats.
functions() {
  status=0
  make -s unit >"$here/long-functions.log" 2>&1 &&
    CNNC=$here/cnnc CLANG=$clang top_srcdir=$top PRELUDE_STEP=61 ./unit prelude >>"$here/long-functions.log" \
    2>&1 || status=$?
  grep -q '^not ok' "$here/long-functions.log" && status=1
  verdict "$status" "functions against the C library (long-functions.log)"
}

# Training that is killed and resumed far more often than in make check, at other moments.
kills() {
  status=0
  CNNC=$here/cnnc KILLS=${KILLS:-300} KILL_SEED=${KILL_SEED:-2} \
    sh "$top/tests/runtime/reproducible_training.tap" >"$here/long-kills.log" 2>&1 || status=$?
  grep -q '^not ok' "$here/long-kills.log" && status=1
  verdict "$status" "the same bits from a training run that is killed and resumed (long-kills.log)"
}

# The same bits by any number of processes, under each MPI that is there.
processes() {
  status=0
  CNNC=$here/cnnc MPI_ALL=1 sh "$top/tests/runtime/mpi.tap" >"$here/long-mpi.log" 2>&1 || status=$?
  grep -q '^not ok' "$here/long-mpi.log" && status=1
  verdict "$status" "the same bits by any number of processes (long-mpi.log)"
}

# Every allocation of a command fails once.
memory() {
  status=0
  CNNC=$here/cnnc ALLOCATIONS=0 sh "$top/tests/cli/out_of_memory.tap" \
    >"$here/long-memory.log" 2>&1 || status=$?
  grep -q '^not ok' "$here/long-memory.log" && status=1
  verdict "$status" "a message and whole files, whichever allocation fails (long-memory.log)"
}

# Threads touch nothing that another one is at: ThreadSanitizer over all programs, and over nets of large
# layers. A program without a train block gets one, so that all of them train but those without gradients.
trained() { # trained PROGRAM
  losses=$("$here/cnnc" --emit=json "$1" -o - 2>/dev/null |
    sed -n '/^  "outputs"/,/^  ]/s/.*{"name": "\([^"]*\)".*/mse(\1)/p' | paste -sd,)
  if grep -q 'train {' "$1"; then cat "$1"; return; fi
  sed "\$s/}[^}]*\$/  train { loss = [$losses]; batch = 32 }\n}/" "$1"
}

threads() {
  rm -rf "$here/long-threads"
  log=$here/long-threads.log
  status=0
  make -s netcheck >"$log" 2>&1 || status=$?
  for kind in run grad; do
    mkdir -p "$here/long-threads/$kind"
    for program in "$top/tests/$kind"/*.cnn; do
      trained "$program" >"$here/long-threads/$kind/${program##*/}"
      refused=0
      "$here/cnnc" "$here/long-threads/$kind/${program##*/}" -o /dev/null 2>/dev/null || refused=$?
      [ "$refused" != 1 ] || cp "$program" "$here/long-threads/$kind"
    done
  done
  cp "$top"/tests/run/*.tune "$here/long-threads/run"
  n=0
  while read batch layers; do # lines go on behind a backslash
    n=$((n + 1))
    printf '# check: images=8 batch=%s\nnet n {\n  input x: 32x32x16\n  %s\n%s\n}\n' \
      "$batch" "$layers" '  train { loss = mse; batch = 8 }' >"$here/long-threads/$n.cnn"
  done <<'EOF'
1 conv(32, 3x3, pad=same) -> relu -> maxpool(2) -> conv(64, 3x3, pad=same) -> batchnorm -> relu -> \
dropout -> global_avgpool -> dense(10)
1 depthwise(3x3, pad=same) -> batchnorm -> relu6 -> conv(64, 1x1) -> relu6 -> avgpool(2) -> \
flatten -> dense(100)
1 conv(48, 5x5, stride=2, pad=2) -> tanh -> conv_transpose(16, 4x4, stride=2, pad=1) -> softmax -> add(x)
4 maxpool(4) -> flatten -> dense(1024) -> relu -> dense(1024) -> relu -> dense(10)
4 conv(8, 3x3) -> relu -> maxpool(2) -> flatten -> dense(10)
EOF
  CNNC=$here/cnnc CLANG=$clang top_srcdir=$top \
    ./netcheck --races long-threads/*.cnn long-threads/*/*.cnn >>"$log" 2>&1 || status=$?
  if grep -q '^1\.\.0 # SKIP' "$log"; then sed -n 's/^1\.\.0/ok - threads/p' "$log"; return; fi
  grep -q '^not ok' "$log" && status=1
  runs=$(grep -c '^ok.* races of' "$log" || true)
  verdict "$status" "no races in $runs runs by threads, and some without a barrier (long-threads.log)"
}

# The nets of examples/ at sizes that eval can do, and NaN and infinities in every program, both compiled for
# every target of this CPU.
examples() {
  status=0
  make -s netcheck >"$here/long-examples.log" 2>&1 || status=$?
  top_srcdir=$top top_builddir=$here CNNC=$here/cnnc CLANG=$clang TARGETS=x86-64-v4,x86-64-v3,generic \
    EXAMPLES="lenet5 lenet5_1998 lenet5_relu autoencoder speech ds_cnn resnet8 resnet20 filters:48 antialias \
      alexnet:67 vgg16:32 resnet18:64 resnet50:64 mobilenet_v1:64 mobilenet_v2,side=64 mobilenet_v3_small:64 \
      mobilenet_v3_large:64 squeezenet:64 googlenet:64 densenet121:64 efficientnet_b0:64 convnext_t:64 \
      unet,side=32 unet_2015:188,width=4 fcn8s,side=32 deeplab_v3,side=32 tiny_yolo:64 \
      tiny_yolov3,side=32 ssd,side=32 faster_rcnn mask_rcnn panoptic fast_rcnn rcnn \
      fsrcnn espcn dcgan" \
    sh "$top/tests/nets/examples.tap" >>"$here/long-examples.log" 2>&1 || status=$?
  grep -q '^not ok' "$here/long-examples.log" && status=1
  verdict "$status" "examples against eval (long-examples.log)"
}

# The nets of examples/ give what onnxruntime gives, at full size. Wants Python's venv and a package index the
# first time.
outputs() {
  status=0
  sh "$top/bench/run" outputs "$here" >"$here/long-outputs.log" 2>&1 || status=$?
  verdict "$status" "examples against onnxruntime (long-outputs.log)"
}

# Models of ONNX that cnnc writes: onnxruntime computes the same of every program of tests/run, and all nets
# of examples/ that classify come back as programs that do.
export_models() {
  status=0
  sh "$top/bench/run" export "$here" >"$here/long-export.log" 2>&1 || status=$?
  CNNC=$here/cnnc top_srcdir=$top COMPUTED=all sh "$top/tests/export/export.tap" \
    >>"$here/long-export.log" 2>&1 || status=$?
  grep -q '^not ok' "$here/long-export.log" && status=1
  verdict "$status" "models of ONNX against onnxruntime, and back (long-export.log)"
}

# tests/golden/steps.tap with the kernels that are chosen for this CPU.
first_steps() {
  status=0
  make -s golden >"$here/long-steps.log" 2>&1 || status=$?
  top_srcdir=$top top_builddir=$here CNNC=$here/cnnc LEVEL=-O2 sh "$top/tests/golden/steps.tap" \
    >>"$here/long-steps.log" 2>&1 || status=$?
  grep -q '^not ok' "$here/long-steps.log" && status=1
  verdict "$status" "the first step of nets that find objects against PyTorch (long-steps.log)"
}

# Each layer of the nets of tests/models, for all their inputs, against the kernels of others.
imported_models() {
  status=0
  make -s netcheck >"$here/long-models.log" 2>&1 || status=$?
  for test in models boards dotprod; do
    CNNC=$here/cnnc CLANG=$clang top_srcdir=$top top_builddir=$here sh "$top/tests/models/$test.tap" \
      >>"$here/long-models.log" 2>&1 || status=$?
  done
  grep -q '^not ok' "$here/long-models.log" && status=1
  verdict "$status" "every layer of the nets of tests/models against other kernels (long-models.log)"
}

special_values() {
  status=0
  make -s netcheck >"$here/long-special.log" 2>&1 || status=$?
  CNNC=$here/cnnc CLANG=$clang ./netcheck --special "$top"/tests/run/*.cnn \
    "$top"/tests/special/*.cnn >>"$here/long-special.log" 2>&1 || status=$?
  grep -q '^not ok' "$here/long-special.log" && status=1
  verdict "$status" "NaN and infinities in every program (long-special.log)"
}

valgrind_programs() {
  mkdir -p "$here/long-valgrind"
  for program in "$top"/tests/broken/*.cnn "$top"/tests/diag/*/*.cnn "$top/examples/lenet5/lenet5.cnn"; do
    status=0
    name=$(basename "$(dirname "$program")")-$(basename "$program" .cnn)
    (cd "$(dirname "$program")" && valgrind -q --error-exitcode=99 "$here/cnnc" "$(basename "$program")" -o \
      "$here/long-valgrind/$name.c") >"$here/long-valgrind/$name.log" 2>&1 || status=$?
    if [ "$status" -le 1 ]; then verdict 0 "valgrind: $name"
    else verdict 1 "valgrind: $name (status $status, long-valgrind/$name.log)"; fi
  done
}

# The client is that of Visual Studio Code, which npm fetches; without npm or a network nothing is tried.
editor() {
  status=0
  mkdir -p "$here/long-editor"
  if ! (cd "$here/long-editor" && npm install --no-audit --no-fund --prefix . \
    vscode-languageserver-protocol@3) >"$here/long-editor.log" 2>&1; then
    echo "# the language server was not tried: npm cannot fetch vscode-languageserver-protocol"
    return
  fi
  CNNC=$here/cnnc NODE_PATH=$here/long-editor/node_modules node "$top/tests/harness/editor.cjs" \
    >>"$here/long-editor.log" 2>&1 || status=$?
  verdict "$status" "a session of the language server with a client of others (long-editor.log)"
}

# The packages of what git has, and what lintian says of them.
debian_packages() {
  for tool in dpkg-buildpackage dh dh_python3 lintian git; do
    command -v $tool >/dev/null || { echo "# SKIP packages: no $tool"; return; }
  done
  rm -rf "$here/long-packages" && mkdir -p "$here/long-packages/cnnc"
  status=0
  (cd "$top" && git archive HEAD) | tar xf - -C "$here/long-packages/cnnc" || status=$?
  (cd "$here/long-packages/cnnc" && unset MAKEFLAGS MFLAGS MAKELEVEL &&
    CLANG=$clang DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -us -uc -b -d) \
    >"$here/long-packages.log" 2>&1 || status=$?
  verdict "$status" "the packages of Debian are built (long-packages.log)"
  status=0
  lintian --fail-on error "$here"/long-packages/*.changes >>"$here/long-packages.log" 2>&1 || status=$?
  verdict "$status" "lintian finds no error in them"
  status=0
  for package in "$here"/long-packages/*.deb; do
    dpkg-deb -x "$package" "$here/long-packages/root" || status=1
  done
  (cd "$here/long-packages/root/usr" && PATH=$PWD/bin:$PATH PYTHONPATH=$PWD/lib/python3/dist-packages \
    XDG_CACHE_HOME=$here/long-packages python3 -B "$top/python/tests/installed.py") \
    >>"$here/long-packages.log" 2>&1 || status=$?
  verdict "$status" "their module of Python compiles, calls and trains a net"
}

for part in "$@"; do
  case $part in
  sanitizers) sanitizers ;;
  targets) targets ;;
  fuzz) fuzz ;;
  random) random_programs ;;
  choices) schedule_choices ;;
  rows) all_rows ;;
  programs) lowered_programs ;;
  functions) functions ;;
  kills) kills ;;
  memory) memory ;;
  examples) examples ;;
  outputs) outputs ;;
  export) export_models ;;
  steps) first_steps ;;
  models) imported_models ;;
  special) special_values ;;
  threads) threads ;;
  valgrind) valgrind_programs ;;
  editor) editor ;;
  packages) debian_packages ;;
  mpi) processes ;;
  *) echo "long.sh: no part $part" >&2; exit 2 ;;
  esac
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
