#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Results of reference kernels for the models of tests/import/tflite_wide_cases.py: one line per sample and
library of kernels (litert: LiteRT; tflm: TensorFlow Lite for Microcontrollers), with a hash of the bytes of
each output.

    python3 tests/golden/tflite16.py >tests/golden/tflite16.txt

Needs numpy and the packages ai-edge-litert and tflite-micro. Reports on standard error which models these
kernels reject."""
import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from tflite_micro.python.tflite_micro import runtime

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "import"))
from tflite_models import F32, I8  # noqa: E402
from tflite_wide import digest  # noqa: E402
from tflite_wide_cases import all_cases  # noqa: E402

TYPES = {F32: np.float32, I8: np.int8}


def litert(data, case):
    it = Interpreter(model_content=data, num_threads=1,
                     experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    it.allocate_tensors()
    for sample in case.samples():
        for detail, t, values in zip(it.get_input_details(), case.inputs, sample):
            it.set_tensor(detail["index"], np.array(values, TYPES.get(t.kind, np.int16)).reshape(t.shape))
        it.reset_all_variables()
        it.invoke()
        yield [it.get_tensor(d["index"]) for d in it.get_output_details()]


def micro(data, case):
    for sample in case.samples():
        it = runtime.Interpreter.from_bytes(data, arena_size=1 << 24)
        for k, (t, values) in enumerate(zip(case.inputs, sample)):
            it.set_input(np.array(values, TYPES.get(t.kind, np.int16)).reshape(t.shape), k)
        it.invoke()
        yield [it.get_output(k) for k in range(len(case.outputs))]


def main():
    for case in all_cases():
        for name, kernels in (("litert", litert), ("tflm", micro)):
            try:
                for k, rows in enumerate(kernels(case.data(), case)):
                    if name in case.kernels:
                        print(case.name, name, k, *(digest(row.reshape(-1).tolist(), t.kind)
                                                    for row, t in zip(rows, case.outputs)), sep="\t")
            except (RuntimeError, ValueError) as error:
                if name in case.kernels:
                    print(f"{case.name}, {name}: {error}", file=sys.stderr)


main()
