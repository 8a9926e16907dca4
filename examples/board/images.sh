#!/bin/sh
# images.sh DATA N: prints the first N test images of Fashion-MNIST and their classes as C. The image file
# has a header of 16 bytes, the class file a header of 8 bytes.
# SPDX-License-Identifier: MIT-0
set -eu
data=$1 n=$2 pixels=784

# choose NAME SKIPPED BYTES: prints the path of NAME or NAME.gz in the data set; it must have BYTES bytes
# after the first SKIPPED bytes
choose() {
  for file in "$data/$1" "$data/$1.gz"; do
    if [ ! -f "$file" ]; then continue; fi
    if [ "$(gzip -dcf "$file" | tail -c +$(($2 + 1)) | head -c "$3" | wc -c)" -eq "$3" ]; then
      printf '%s\n' "$file"
      return
    fi
    echo "images.sh: $file has fewer than $n images or classes" >&2
    exit 1
  done
  echo "images.sh: $data has neither $1 nor $1.gz" >&2
  exit 1
}

# numbers FILE SKIPPED BYTES IN_A_ROW: skips the first SKIPPED bytes of FILE, and prints the next BYTES bytes
# as numbers, IN_A_ROW per line
numbers() {
  gzip -dcf "$1" | tail -c +$(($2 + 1)) | head -c "$3" | od -An -v -w"$4" -tu1 |
    sed 's/  */ /g; s/\([0-9]\) /\1,/g'
}

images=$(choose t10k-images-idx3-ubyte 16 $((n * pixels)))
classes=$(choose t10k-labels-idx1-ubyte 8 "$n")
echo "static const unsigned char images[$n][$pixels] = {"
numbers "$images" 16 $((n * pixels)) $pixels | sed 's/^/{/; s/$/},/'
echo "};"
echo "static const unsigned char truth[$n] = {"
numbers "$classes" 8 "$n" "$n"
echo "};"
