# tap.py: Helpers of the tests in Python: a temporary directory, and checks, printed as TAP.
# SPDX-License-Identifier: Apache-2.0
import os, shutil, tempfile

work, count = None, 0


def start(name):
    """Changes to a new directory and returns its path."""
    global work
    work = tempfile.mkdtemp(prefix=f"cnnc-{name}.")
    os.chdir(work)
    return work


def check(good, title, why=""):
    global count
    count += 1
    print(("ok" if good else "not ok"), count, "-", title, flush=True)
    if not good:
        for line in str(why).splitlines()[-12:]:
            print("#", line)


def finish():
    print(f"1..{count}")
    os.chdir("/")
    shutil.rmtree(work, ignore_errors=True)
