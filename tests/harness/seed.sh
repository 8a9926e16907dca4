#!/bin/sh
# seed.sh: prints the seed that selects how make check tests each net (targets, levels, compilers). It is
# derived from the commit; without a repository it is 1.
# SPDX-License-Identifier: Apache-2.0
cd "$(dirname "$0")/../.." || exit 1
commit=
if [ -e .git ]; then commit=$(git rev-parse --verify -q HEAD 2>/dev/null | cut -c1-7); fi
if [ -n "$commit" ]; then printf '%d\n' "0x$commit"; else echo 1; fi
