"""compiler.py: The default C compiler of the benchmarks."""
# SPDX-License-Identifier: Apache-2.0
import shutil


def newest_clang():
    return next((name for name in (f"clang-{version}" for version in range(30, 13, -1))
                 if shutil.which(name)), "clang")
