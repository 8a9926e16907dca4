# quick.sh: makes clang ignore -O options and compile with -O0, also when cnnc runs clang: compiling is then
# three times faster. quick_cc is a fast C compiler. With NETCHECK_ALL, clang optimizes, and quick_cc is $CC
# -O1.
# SPDX-License-Identifier: Apache-2.0
quick_cc="${CC:-cc} -O1"
if [ -z "${NETCHECK_ALL:-}" ] && command -v "${CLANG:-clang}" >/dev/null; then
  export CCC_OVERRIDE_OPTIONS='# O0'
  quick_cc=${CLANG:-clang}
fi
