#!/bin/sh
# identical.sh OLD NEW [FILE.cnn...]: two builds of cnnc write the same C, byte for byte, for every program of
# tests/, examples/ and docs/ in each way of use below. Prints what differs, then the totals; status 1 where
# something does. For changes that must not change what is generated.
# SPDX-License-Identifier: Apache-2.0
set -eu
old=$1 new=$2
shift 2
top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
mkdir "$work/old" "$work/new"
trap 'rm -rf "$work"' EXIT
if [ $# -eq 0 ]; then
  mkdir "$work/docs"
  # Programs in pages: each block of ```cnn.
  for page in "$top"/README.md "$top"/docs/*.md; do
    awk -v out="$work/docs/$(basename "$page" .md)" '/^```cnn/ { n++; on = 1; next } /^```/ { on = 0 }
      on { print > (out "-" n ".cnn") }' "$page"
  done
  set -- "$top"/tests/run/*.cnn "$top"/tests/grad/*.cnn "$top"/tests/emit/*.cnn \
    "$top"/tests/golden/nets/*.cnn \
    $(find "$top/examples" -name '*.cnn') "$work"/docs/*.cnn
fi
same=0 refused=0 different=0
try() { # try FILE OPTION...
  status=0 other=0
  "$old" "$@" -o "$work/old/net.c" >/dev/null 2>&1 || status=$?
  "$new" "$@" -o "$work/new/net.c" >/dev/null 2>&1 || other=$?
  if [ $status != $other ]; then
    echo "$*: status $status and $other"
    different=$((different + 1))
  elif [ $status != 0 ]; then
    refused=$((refused + 1))
  elif cmp -s "$work/old/net.c" "$work/new/net.c" && cmp -s "$work/old/net.h" "$work/new/net.h"; then
    same=$((same + 1))
  else
    echo "$*: $(diff "$work/old/net.c" "$work/new/net.c" | grep -c '^[<>]') lines differ"
    different=$((different + 1))
  fi
}
for file in "$@"; do
  try "$file" --emit=c
  try "$file" --emit=c -O0
  try "$file" --emit=c --threads=openmp --target=x86-64-v3,x86-64
  try "$file" --emit=c --batch=16 --threads=openmp
  try "$file" --emit=c --train
  try "$file" --emit=c --train --threads=openmp --target=aarch64
done
echo "$same the same, $refused refused by both, $different different"
[ $different = 0 ]
