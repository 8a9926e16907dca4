"""libraries.py: the command that compiles a test's C file to a library: mostly `$CLANG -O0`, which is seven
times faster than `$CC -O1`. `$CC -O1` compiles one of 16 libraries, chosen by the seed; with NETCHECK_ALL or
without $CLANG, it compiles all of them."""
# SPDX-License-Identifier: Apache-2.0
import os, shutil

SLOW = 16
CLANG = os.environ.get("CLANG", "clang")
made = int(os.environ.get("CNNC_TEST_SEED", "1"))


def library_command(source, library):
    global made
    made += 1
    slow = made % SLOW == 0 or os.environ.get("NETCHECK_ALL") or not shutil.which(CLANG)
    compiler = [*os.environ.get("CC", "cc").split(), "-O1"] if slow else [CLANG, "-O0"]
    return [*compiler, "-std=c11", "-w", "-shared", "-fPIC", source, "-o", library, "-lm"]
