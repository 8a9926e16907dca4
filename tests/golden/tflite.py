#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Results of LiteRT's reference kernels for the models of tests/import/tflite_cases.py: one line per sample,
with a hash of the bytes of each int8 output.

    python3 tests/golden/tflite.py >tests/golden/tflite.txt

Needs numpy and the package ai-edge-litert. Reports on standard error where tests/import/tflite_reference.py
differs from LiteRT, and which models LiteRT rejects."""
import hashlib
import itertools
import os
import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "import"))
from tflite_cases import all_cases  # noqa: E402
from tflite_float_cases import float_cases  # noqa: E402
from tflite_index_cases import index_cases  # noqa: E402
from tflite_matrix_cases import matrix_cases  # noqa: E402


def main():
    for case in itertools.chain(all_cases(), float_cases(), matrix_cases(), index_cases()):
        if not case.golden:
            continue
        try:
            it = Interpreter(model_content=case.data(), num_threads=1,
                             experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
            it.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            print(f"{case.name}: {error}", file=sys.stderr)
            continue
        for k, sample in enumerate(case.samples()):
            for detail, values in zip(it.get_input_details(), sample):
                it.set_tensor(detail["index"], np.array(values, detail["dtype"]).reshape(detail["shape"]))
            it.invoke()
            rows = [it.get_tensor(d["index"]).reshape(-1) for d in it.get_output_details()]
            for o, (row, want) in enumerate(zip(rows, case.wants)):
                off = np.abs(row.astype(float) - np.array(want(sample, "double"), float))
                if off.max() > case.near:
                    print(f"{case.name}, output {o}: {(off > case.near).sum()} of {row.size} differ",
                          file=sys.stderr)
            if rows[0].itemsize == 1 and not case.near:
                hashes = [hashlib.sha256(row.tobytes()).hexdigest()[:16] for row in rows]
                print(case.name, k, *hashes, sep="\t")


main()
