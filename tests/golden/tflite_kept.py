#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Results of reference kernels for the models of tests/import/tflite_kept_cases.py, call after call: one line
per model and library of kernels (litert: LiteRT; tflm: TensorFlow Lite for Microcontrollers), with a hash of
the bytes of all calls.

    python3 tests/golden/tflite_kept.py >tests/golden/tflite_kept.txt

Needs numpy and, for the lines of each library, the packages ai-edge-litert and tflite-micro. Reports on
standard error which models these kernels reject."""
import os
import sys

import numpy as np

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "import"))
from tflite_kept import digest, litert  # noqa: E402
from tflite_kept_cases import all_cases  # noqa: E402


def micro(case):
    from tflite_micro.python.tflite_micro import runtime
    it = runtime.Interpreter.from_bytes(case.data(), arena_size=1 << 22)
    for x in case.calls():
        it.set_input(np.array(x, np.int8).reshape(case.x.shape), 0)
        it.invoke()
        yield it.get_output(0).reshape(-1).tolist()


def main():
    for name, kernels in (("litert", litert), ("tflm", micro)):
        for case in all_cases():
            if name not in case.kernels:
                continue
            try:
                print(case.name, name, digest(kernels(case)), sep="\t")
            except ImportError as error:
                print(f"{name}: {error}", file=sys.stderr)
                break
            except (RuntimeError, ValueError) as error:
                print(f"{case.name}, {name}: {error}", file=sys.stderr)


main()
