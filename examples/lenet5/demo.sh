#!/bin/sh
# demo.sh CNNC SOURCE_DIR WORK_DIR: trains LeNet-5 on Fashion-MNIST, evaluates it, generates C with the
# weights inside, and embeds this C in a program.
# SPDX-License-Identifier: MIT-0
set -eu
cnnc=$1 top=$2 work=$3
data=${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
here=$top/examples/lenet5
mkdir -p "$work"
cd "$work"

step() { printf '\n== %s\n' "$*"; }

step "what the net is:  cnnc lenet5.cnn"
"$cnnc" "$here/lenet5.cnn"

step "a program that can be trained:  cnnc lenet5.cnn -o lenet5"
"$cnnc" "$here/lenet5.cnn" -o lenet5

step "training on Fashion-MNIST:  ./lenet5 train --data $data --out lenet5.safetensors --plot lenet5.svg"
./lenet5 train --data "$data" --out lenet5.safetensors --plot lenet5.svg

step "the 10,000 test images:  ./lenet5 eval --data $data --weights lenet5.safetensors"
./lenet5 eval --data "$data" --weights lenet5.safetensors

step "C with the weights inside:  cnnc lenet5.cnn --weights=lenet5.safetensors -o lenet5.c"
"$cnnc" "$here/lenet5.cnn" --weights=lenet5.safetensors -o lenet5.c
ls -l lenet5.c lenet5.h

step "a small program around it:  cc -O2 embed.c lenet5.c -o embed"
gzip -dc "$data/t10k-images-idx3-ubyte.gz" >t10k-images
gzip -dc "$data/t10k-labels-idx1-ubyte.gz" >t10k-labels
${CC:-cc} -O2 -I. "$here/embed.c" lenet5.c -o embed
./embed t10k-images t10k-labels

printf '\nEverything is in %s: the program lenet5, its weights, the plot lenet5.svg, lenet5.c, lenet5.h.\n' \
  "$work"
