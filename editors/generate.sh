#!/bin/sh
# generate.sh [FOLDER]: writes the editors' syntax files, with the words of grammar/keywords.def and
# compiler/ops/ops.def, into this folder or FOLDER.
# SPDX-License-Identifier: Apache-2.0
set -e
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}

keywords=$(sed -n 's/^KEYWORD(\([a-z]*\),.*/\1/p' "$here/../grammar/keywords.def")
operators=$(sed -n 's/^[A-Z_]*(\([a-z0-9_]*\)[,)].*/\1/p' "$here/../compiler/ops/ops.def")

word_operators='and or not'
booleans='true false'
values='in'
statements=
for word in $keywords; do
  case " $word_operators $booleans $values " in
    *" $word "*) ;;
    *) statements="$statements $word" ;;
  esac
done

# joined SEPARATOR WORD...: prints the words with the separator between them
joined() {
  separator=$1
  shift
  list=
  for word in "$@"; do list="$list${list:+$separator}$word"; done
  printf '%s' "$list"
}

# write FILE SEPARATOR-OF-KEYWORDS SEPARATOR-OF-OPERATORS: writes FILE from the template FILE.in
write() {
  mkdir -p "$out/$(dirname "$1")"
  sed -e "s/@STATEMENTS@/$(joined "$2" $statements)/" \
    -e "s/@WORD_OPERATORS@/$(joined "$2" $word_operators)/" \
      -e "s/@BOOLEANS@/$(joined "$2" $booleans)/" -e "s/@VALUES@/$(joined "$2" $values)/" \
      -e "s/@OPERATORS@/$(joined "$3" $operators)/" "$here/$1.in" >"$out/$1"
}
write vim/syntax/cnn.vim ' ' '\\|'
write vscode/syntaxes/cnn.tmLanguage.json '|' '|'
