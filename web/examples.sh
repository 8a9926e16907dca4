#!/bin/sh
# examples.sh FOLDER NONE_C: prints the programs below FOLDER as JSON, for the page's menu:
# {"lenet5/lenet5.cnn": "TEXT", ...}. Programs with an operator that the page lacks, an ABSENT(...) in
# web/none.c, are left out; so are those of adapt/, board/ and web/, which show other uses of cnnc. Programs
# with floor, sin or cos are kept, because these are also functions of constants.
# SPDX-License-Identifier: Apache-2.0
absent=$(sed -n -e '/floor\|sin\|cos/d' -e 's/^ABSENT(\(.*\))$/-e ^[^#]*\\<\1(/p' "$2")
cd "$1" || exit 1
separator='{'
for file in $(ls */*.cnn | grep -v -e ^adapt/ -e ^board/ -e ^web/ | xargs grep -L $absent); do
  printf '%s\n"%s": "' "$separator" "$file"
  sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' -e 's/$/\\n/' "$file" | tr -d '\n'
  printf '"'
  separator=,
done
printf '\n}\n'
