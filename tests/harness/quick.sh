# quick.sh: sets quick_cc, a fast C compiler, and makes clang compile with -O0 whatever its options, also when
# cnnc runs it: compiling is then three times faster. With NETCHECK_ALL, clang optimizes, and quick_cc is
# $CC -O1.
# SPDX-License-Identifier: Apache-2.0
quick_cc="${CC:-cc} -O1"
if [ -z "${NETCHECK_ALL:-}" ] && command -v "${CLANG:-clang}" >/dev/null; then
  export CCC_OVERRIDE_OPTIONS='# O0'
  quick_cc=${CLANG:-clang}
fi
