# quick.sh: clang, also when cnnc runs it, compiles with -O0, three times faster, whatever other -O it is
# given. quick_cc is a C compiler that takes little time. With NETCHECK_ALL, clang optimizes, and quick_cc is
# $CC -O1.
# SPDX-License-Identifier: Apache-2.0
quick_cc="${CC:-cc} -O1"
if [ -z "${NETCHECK_ALL:-}" ] && command -v "${CLANG:-clang}" >/dev/null; then
  export CCC_OVERRIDE_OPTIONS='# O0'
  quick_cc=${CLANG:-clang}
fi
