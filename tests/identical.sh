#!/bin/sh
# identical.sh [--no-comments] OLD NEW [FILE.cnn...]: whether two builds of cnnc generate the same C, byte for
# byte, from each program with each set of options below. By default the programs are those of tests/run,
# tests/grad, tests/emit, tests/golden/nets, examples/ and the pages. With --no-comments, comments,
# indentation and blank lines may differ. Prints each difference, then the totals; status 1 if there is a
# difference. SPDX-License-Identifier: Apache-2.0
set -eu
comments=yes
if [ "$1" = --no-comments ]; then comments=no; shift; fi
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
code() { # code FILE: its lines without comments, indentation and blank lines
  awk '{
    code = ""
    for (rest = $0; rest != "";) {
      if (inside) {
        end = index(rest, "*/")
        rest = end ? substr(rest, end + 2) : ""
        inside = !end
      } else if (match(rest, /"([^"\\]|\\.)*"|\/\*|\/\/|'"'"'([^'"'"'\\]|\\.)+'"'"'/)) {
        token = substr(rest, RSTART, RLENGTH)
        comment = token == "/*" || token == "//"
        code = code substr(rest, 1, comment ? RSTART - 1 : RSTART + RLENGTH - 1)
        if (comment) sub(/[ \t]+$/, "", code)
        rest = token == "//" ? "" : substr(rest, RSTART + RLENGTH)
        inside = token == "/*"
      } else {
        code = code rest
        rest = ""
      }
    }
    gsub(/^[ \t]+|[ \t]+$/, "", code)
    if (code != "") print code }' "$1"
}
same=0 refused=0 different=0
try() { # try FILE OPTION...
  status=0 other=0
  "$old" "$@" -o "$work/old/net.c" >/dev/null 2>&1 || status=$?
  "$new" "$@" -o "$work/new/net.c" >/dev/null 2>&1 || other=$?
  if [ $status != $other ]; then
    echo "$*: status $status and $other"
    different=$((different + 1))
    return
  elif [ $status != 0 ]; then
    refused=$((refused + 1))
    return
  fi
  lines=0
  for name in net.c net.h; do
    if cmp -s "$work/old/$name" "$work/new/$name"; then continue; fi
    for build in old new; do
      if [ $comments = no ]; then code "$work/$build/$name"; else cat "$work/$build/$name"; fi \
        >"$work/$build.text"
    done
    found=$(diff "$work/old.text" "$work/new.text" | grep -c '^[<>]') || :
    lines=$((lines + found))
  done
  if [ $lines = 0 ]; then
    same=$((same + 1))
  else
    echo "$*: $lines lines differ"
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
