#!/bin/sh
# build.sh CLANG SOURCE_DIR BUILD_DIR TARGET OUTPUT: builds tests/fuzz/TARGET.c and the code under test with
# libFuzzer and sanitizers.
# SPDX-License-Identifier: Apache-2.0
set -eu
clang=$1 top=$2 build=$3 target=$4 output=$5
readers="status file json archive safetensors npz zip pickle torch notes classes foreign"
sets="listing target array data data_arrays data_cifar csv data_csv data_classes data_folders data_idx
  data_synthetic data_masks data_shapes pixels shapes similar image image_png image_jpeg image_webp
  image_exif feed inspect threads unicode memory boxes coco data_coco voc data_voc yolo data_yolo outline
  truth sound noise data_sounds"
core="random resample augment augment_sound scalar"

cores() { for name in $core; do printf '%s ' "$top/runtime/core/$name.c"; done; }
hosted() { for name in "$@"; do printf '%s ' "$top"/runtime/hosted/*/"$name.c"; done; }

case $target in
  detection|masks|multibox|nms|panoptic|proposals|rpn|sample|topk|yolo) sources= ;;
  safetensors|npy|torch) sources=$(hosted $readers) ;;
  csv) sources=$(hosted status file csv unicode) ;;
  picture) sources="$(hosted status file image image_png image_jpeg image_webp image_exif) \
    $build/.libs/libcnn.a" ;;
  idx|coco|yolo_text|voc) sources="$(hosted $readers $sets) $(cores) $build/.libs/libcnn.a" ;;
  onnx|tflite) sources="$(ls "$top"/compiler/import/*.c "$top"/compiler/import/*/*.c \
    "$top"/compiler/base/*.c | tr '\n' ' ') $build/libcnnc.a" ;;
  lsp) sources="$(ls "$top"/compiler/lsp/*.c "$top"/compiler/sema/*.c "$top"/compiler/syntax/*.c \
    "$top"/compiler/base/*.c | tr '\n' ' ') $build/libcnnc.a" ;;
  quantized) sources="$(ls "$top"/compiler/quantize/*.c "$top"/compiler/ops/int8/*.c \
    "$top"/compiler/schedule/*.c "$top"/compiler/schedule/*/*.c "$top"/compiler/lir/*.c \
    "$top"/compiler/import/*.c "$top"/compiler/import/*/*.c \
    "$top"/compiler/base/*.c | tr '\n' ' ') \
    $top/compiler/backend/quantized.c $(hosted $readers) \
    $top/tests/harness/int8_draw.c $top/tests/harness/sample.c $build/libcnnc.a" ;;
  sound) sources=$(hosted status file sound) ;;
  runs) sources=$(hosted status outline runs) ;;
  *) sources="$(ls "$top"/compiler/base/*.c "$top"/compiler/syntax/*.c |
    tr '\n' ' ') $(ls "$build"/grammar/*.c | tr '\n' ' ') $(hosted similar)" ;;
esac
# FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION: checksums are ignored; otherwise no mutation would get past them.
exec "$clang" -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
  -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION \
  -I"$top/compiler" -I"$top/grammar" -I"$build/grammar" -I"$build" -I"$top/runtime" -I"$top/runtime/include" \
  -I"$top/tests/harness" \
  "$top/tests/fuzz/$target.c" $sources -o "$output" -ljansson -lexpat -lpng -ljpeg \
  -lwebpdemux -lwebp -lz -lm
