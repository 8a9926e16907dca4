#!/bin/sh
# pictures.sh DATA N: the first N test pictures of Fashion-MNIST and their classes as C. The files have 16 and
# 8 bytes before them.
# SPDX-License-Identifier: MIT-0
set -eu
data=$1 n=$2 pixels=784

# FILE SKIPPED BYTES IN_A_ROW
numbers() {
  gzip -dcf "$1" | tail -c +$(($2 + 1)) | head -c "$3" | od -An -v -w"$4" -tu1 |
    sed 's/  */ /g; s/\([0-9]\) /\1,/g'
}

echo "static const unsigned char pictures[$n][$pixels] = {"
numbers "$data"/t10k-images-idx3-ubyte* 16 $((n * pixels)) $pixels | sed 's/^/{/; s/$/},/'
echo "};"
echo "static const unsigned char truth[$n] = {"
numbers "$data"/t10k-labels-idx1-ubyte* 8 "$n" "$n"
echo "};"
