"""int16 TensorFlow Lite operators: compares the results of compiled code with recorded results of two sets of
reference kernels: LiteRT's, and those for microcontrollers (golden/tflite16.txt). Run by tflite_wide.tap."""
# SPDX-License-Identifier: Apache-2.0
import ctypes
import hashlib
import math
import os
import re
import struct
import subprocess
import sys

ROUNDINGS = {"litert": "litert", "tflm": "double"}
FORMATS = {0: "f", 7: "h", 9: "b"}  # struct's characters for F32, I16, I8


def digest(values, kind):
    return hashlib.sha256(struct.pack(f"<{len(values)}{FORMATS[kind]}", *values)).hexdigest()[:16]


class Net:
    """An imported model as a function; the caller passes and gets floats for int16 values."""

    def __init__(self, case, rounding, folder):
        self.case, self.why, self.program = case, "", ""
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "m")
        with open(path + ".tflite", "wb") as file:
            file.write(case.data())
        from libraries import library_command
        cnnc = os.environ["CNNC"]
        steps = ([cnnc, "import", path + ".tflite", "--name=m", f"--rounding={rounding}", "-o", path],
                 [cnnc, path + ".cnn", f"--weights={path}.safetensors", "-Wno-not-int8", "-o", path + ".c"],
                 library_command(path + ".c", path + ".so"))
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True)
            if done.returncode:
                self.why = done.stderr
                return
        self.program = open(path + ".cnn").read()
        header = open(path + ".h").read()
        size = int(re.search(r"M_WORKSPACE_BYTES (\d+)", header)[1])
        self.library = ctypes.CDLL(path + ".so")
        self.workspace = ctypes.create_string_buffer(size + 64)
        self.model = "m_trained" in header

    def run(self, sample):
        def array(t, n):
            return (ctypes.c_int8 if t.kind == 9 else ctypes.c_float) * n
        units = [t.scale[0] if t.kind == 7 else 1 for t in self.case.inputs]
        arrays = [array(t, len(v))(*(v if t.kind == 9 else [q * unit for q in v]))
                  for t, v, unit in zip(self.case.inputs, sample, units)]
        results = [array(t, math.prod(t.shape))() for t in self.case.outputs]
        at = ctypes.addressof(self.workspace)
        model = [ctypes.byref(ctypes.c_char.in_dll(self.library, "m_trained"))] if self.model else []
        self.library.m_infer(*model, *arrays, *results, ctypes.c_void_p(at + -at % 64))
        return [[round(v / t.scale[0]) for v in r] if t.kind == 7 else list(r)
                for t, r in zip(self.case.outputs, results)]


def read_golden():
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "tflite16.txt")
    golden = {}
    for line in open(path):
        name, kernels, sample, *hashes = line.rstrip("\n").split("\t")
        golden.setdefault((name, kernels), []).append(hashes)
    return golden


def main():
    from tap import check, finish, start
    from tflite_wide_cases import all_cases
    start("tflite_wide")
    golden = read_golden()
    seed, every = int(os.environ.get("CNNC_TEST_SEED", "1")), os.environ.get("NETCHECK_ALL")
    for number, case in enumerate(all_cases()):
        if (number + seed) % 2 and not every and len(sys.argv) < 2:
            continue
        if len(sys.argv) > 1 and sys.argv[1] not in case.name:
            continue
        for kernels in case.kernels:
            net, differ = Net(case, ROUNDINGS[kernels], f"{number}{kernels}"), []
            wanted = golden.get((case.name, kernels), [])
            for k, sample in enumerate(case.samples() if not net.why else ()):
                hashes = [digest(row, t.kind) for row, t in zip(net.run(sample), case.outputs)]
                differ += [f"sample {k}, output {o} differs" for o, (a, b) in
                           enumerate(zip(hashes, wanted[k] if k < len(wanted) else hashes[::-1])) if a != b]
            check(wanted and not net.why and not differ, f"{case.name}, {kernels}",
                  net.why + "\n".join(differ + net.program.splitlines()[-8:]))
    finish()


if __name__ == "__main__":
    main()
