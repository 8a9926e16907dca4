"""int8 TensorFlow Lite layers that keep state between calls: compiles models with --variables=keep, and
compares their results with recorded results of two sets of reference kernels: LiteRT's, and those for
microcontrollers (golden/tflite_kept.txt). If LiteRT is installed, the results are also compared with its own
results. Run by tflite_kept.tap."""
# SPDX-License-Identifier: Apache-2.0
import ctypes
import hashlib
import os
import sys

ROUNDINGS = {"litert": "litert", "tflm": "double"}


def digest(calls):
    """A hash of the bytes of all calls."""
    return hashlib.sha256(b"".join(bytes(q & 255 for q in call) for call in calls)).hexdigest()[:16]


def litert(case):
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
    it = Interpreter(model_content=case.data(), num_threads=1,
                     experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    it.allocate_tensors()
    x, y = it.get_input_details()[0]["index"], it.get_output_details()[0]["index"]
    for call in case.calls():
        it.set_tensor(x, np.array(call, np.int8).reshape(case.x.shape))
        it.invoke()
        yield it.get_tensor(y).reshape(-1).tolist()


def read_golden():
    top = os.environ["top_srcdir"]
    with open(os.path.join(top, "tests", "golden", "tflite_kept.txt"), encoding="utf-8") as file:
        return {tuple(line.split("\t")[:2]): line.split("\t")[2].strip() for line in file}


def main():
    from steps import Steps, imported
    from tap import check, finish, start
    from tflite_kept_cases import all_cases
    start("tflite_kept")
    golden = read_golden()
    try:
        import ai_edge_litert  # noqa: F401
        there = True
    except ImportError:
        there = False
    for case in all_cases():
        for kernels in case.kernels:
            title = f"{case.name}, {kernels}"
            told = imported("m.tflite", case.data(), f"--rounding={ROUNDINGS[kernels]}", "--variables=keep")
            check(told.returncode == 0, title, told.stderr)
            with open("m.cnn", encoding="utf-8") as file:
                text = file.read()
            keeps = ", 1, rank=" not in text
            check("keep=true" in text and "starts from zeros" not in text, "  keeps its state", text)
            net = Steps(ctypes.c_int8, (case.size(case.outputs[0]),), keeps)
            got = [net.step(x)[0] for x in case.calls()]
            seen = len({q for call in got for q in call})
            check(digest(got) == golden.get((case.name, kernels)), f"  gives the bytes of {kernels}",
                  f"{digest(got)}, {got[:3]}")
            check(seen > 12, "  which differ", f"{seen} different bytes")
            if kernels != "litert":
                continue
            if not there:
                check(True, "  and those of LiteRT as it is installed # SKIP no ai-edge-litert")
                continue
            wrong = [k for k, (a, b) in enumerate(zip(got, litert(case))) if a != b]
            check(not wrong, "  and those of LiteRT as it is installed", f"calls {wrong}")
    finish()


if __name__ == "__main__":
    main()
