#!/bin/sh
# examples.sh FOLDER: the programs below it as JSON, for the page's menu: {"lenet5/lenet5.cnn": "TEXT", ...}
# SPDX-License-Identifier: Apache-2.0
cd "$1" || exit 1
separator='{'
for file in */*.cnn; do
  printf '%s\n"%s": "' "$separator" "$file"
  sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' -e 's/$/\\n/' "$file" | tr -d '\n'
  printf '"'
  separator=,
done
printf '\n}\n'
