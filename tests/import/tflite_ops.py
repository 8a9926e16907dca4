"""Each TensorFlow Lite operator that cnnc imports: compares compiled code with tflite_reference.py for each
rounding, and with recorded results of LiteRT's reference kernels (golden/tflite.txt). Run by
tflite_ops.tap."""
# SPDX-License-Identifier: Apache-2.0
import ctypes
import hashlib
import itertools
import math
import os
import re
import subprocess
import sys

import tap
from libraries import library_command
from tap import check, finish, start
from tflite_cases import all_cases
from tflite_float_cases import float_cases
from tflite_index_cases import index_cases
from tflite_matrix_cases import matrix_cases
from tflite_models import F32, I32, U8

CNNC = os.environ["CNNC"]
TYPES = {F32: ctypes.c_float, I32: ctypes.c_float, U8: ctypes.c_uint8}


class Net:
    """An imported model as a function."""

    def __init__(self, case, rounding, folder):
        self.case, self.why, self.program = case, "", ""
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "m")
        with open(path + ".tflite", "wb") as file:
            file.write(case.data())
        steps = ([CNNC, "import", path + ".tflite", "--name=m", f"--rounding={rounding}", "-o", path],
                 [CNNC, path + ".cnn", f"--weights={path}.safetensors", "-Wno-not-int8", "-o", path + ".c"],
                 library_command(path + ".c", path + ".so"))
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True)
            if done.returncode:
                self.why = done.stderr
                return
        self.program = open(path + ".cnn").read()
        header = open(path + ".h").read()
        self.library = ctypes.CDLL(path + ".so")
        size = int(re.search(r"M_WORKSPACE_BYTES (\d+)", header)[1])
        self.workspace = ctypes.create_string_buffer(size + 64)
        self.model = "m_trained" in header

    def run(self, sample):
        arrays = [(TYPES.get(t.kind, ctypes.c_int8) * len(v))(*v) for t, v in zip(self.case.inputs, sample)]
        results = [(TYPES.get(t.kind, ctypes.c_int8) * math.prod(t.shape))() for t in self.case.outputs]
        at = ctypes.addressof(self.workspace)
        model = [ctypes.byref(ctypes.c_char.in_dll(self.library, "m_trained"))] if self.model else []
        self.library.m_infer(*model, *arrays, *results, ctypes.c_void_p(at + -at % 64))
        return [list(r) for r in results]


def compare(case, got, wanted):
    """The differences, as text."""
    lines = []
    for k, (a, b) in enumerate(zip(got, wanted)):
        off = [i for i in range(len(b)) if not abs(a[i] - b[i]) <= case.near]
        if len(a) != len(b) or off:
            lines.append(f"output {k}: {len(off)} of {len(b)} differ; {[(i, a[i], b[i]) for i in off[:5]]}")
    return lines


def test(case, rounding, golden):
    net = Net(case, rounding, f"{tap.count}")
    if net.why:
        check(False, f"{case.name}, {rounding}", net.why)
        return
    differ = []
    for k, sample in enumerate(case.samples()):
        got = net.run(sample)
        differ += compare(case, got, [want(sample, rounding) for want in case.wants])
        if rounding == "double" and (case.name, k) in golden:
            differ += [f"output {o}: LiteRT has other bytes" for o, (row, theirs) in
                       enumerate(zip(got, golden[case.name, k])) if digest(row) != theirs]
    check(not differ, f"{case.name}, {rounding}", "\n".join(differ + net.program.splitlines()[-8:]))


def read_golden():
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden")
    golden = {}
    for line in open(os.path.join(folder, "tflite.txt")):
        name, sample, *hashes = line.split("\n")[0].split("\t")
        golden[name, int(sample)] = hashes
    check(len(golden) > 50, "golden/tflite.txt has LiteRT's results")
    return golden


def digest(row):
    return hashlib.sha256(bytes(q & 255 for q in row)).hexdigest()[:16]


def main():
    start("tflite_ops")
    golden = read_golden()
    seed, every = int(os.environ.get("CNNC_TEST_SEED", "1")), os.environ.get("NETCHECK_ALL")
    cases = itertools.chain(all_cases(), float_cases(), matrix_cases(), index_cases())
    for number, case in enumerate(case for case in cases if len(sys.argv) < 2 or sys.argv[1] in case.name):
        roundings = ("double", "single", "float") if case.rounds else ("double",)
        for k, rounding in enumerate(roundings):
            if every or len(sys.argv) > 1 or len(roundings) == 1 or (seed + number) % 3 != k:
                test(case, rounding, golden)
    finish()


main()
