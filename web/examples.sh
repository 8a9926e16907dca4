#!/bin/sh
# examples.sh FOLDER NONE_C: prints the programs below FOLDER as JSON, for the page's menu:
# {"lenet5/lenet5.cnn": "TEXT", ...}, except those with an operator that the page lacks, an ABSENT(...) of
# web/none.c. floor, sin and cos are also functions of constants, so programs with them are kept.
# SPDX-License-Identifier: Apache-2.0
absent=$(sed -n -e '/floor\|sin\|cos/d' -e 's/^ABSENT(\(.*\))$/-e ^[^#]*\\<\1(/p' "$2")
cd "$1" || exit 1
separator='{'
for file in $(grep -L $absent */*.cnn); do
  printf '%s\n"%s": "' "$separator" "$file"
  sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' -e 's/$/\\n/' "$file" | tr -d '\n'
  printf '"'
  separator=,
done
printf '\n}\n'
