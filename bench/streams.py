"""streams.py: LSTM and GRU layers compared with onnxruntime, for one row (a step of a stream) and for fifty
rows. Both sides have the same weights and inputs, and their results are compared."""
# SPDX-License-Identifier: Apache-2.0
import argparse
import functools
import math
import os
import subprocess
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

import sides
import timing

GATES = {"lstm": [0, 3, 1, 2], "gru": [1, 0, 2]}  # PyTorch's index of each ONNX gate (i o f c, z r h)
MOST = {"f32": 1e-4, "bf16": 5e-2, "f16w": 1e-2}  # permitted difference of the results
CASES = [(cell, units, rows) for cell in GATES for units in (64, 128, 256, 512) for rows in (1, 50)]


def name_of(case):
    return "{} {} L={}".format(*case)


def source_of(cell, units, rows, folder):
    path = os.path.join(folder, f"{cell}{units}x{rows}.cnn")
    with open(path, "w") as file:
        file.write(f"net net {{\n  input x: {rows}x{units}\n  {cell}({units}, name=\"r\")\n}}\n")
    return path


def model_of(cell, units, rows, weights):
    """The layer as ONNX, with the gates in ONNX's order."""
    def gates(name):
        return np.concatenate([np.split(weights["r." + name], len(GATES[cell]))[g] for g in GATES[cell]])
    given = {"W": gates("weight_ih_l0")[None], "R": gates("weight_hh_l0")[None],
             "B": np.concatenate([gates("bias_ih_l0"), gates("bias_hh_l0")])[None]}
    more = {"linear_before_reset": 1} if cell == "gru" else {}
    node = helper.make_node(cell.upper(), ["x", "W", "R", "B"], ["y"], hidden_size=units, **more)
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, 1, units])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, 1, 1, units])],
        [onnx.numpy_helper.from_array(value, name) for name, value in given.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model.SerializeToString()


class Peer:
    """onnxruntime on one thread, with input and output bound."""

    def __init__(self, model, images):
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = settings.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        self.binding.bind_cpu_input("x", images)
        self.binding.bind_output("y")
        self.call = functools.partial(self.session._sess.run_with_iobinding, self.binding._iobinding, None)

    def result(self):
        return self.binding.copy_outputs_to_cpu()[0]


def measure(options, case, folder):
    cell, units, rows = case
    drawn = sides.case_of_program(options, source_of(*case, folder), None, 1)
    ours = sides.Ours(options, drawn, 1)
    peer = Peer(model_of(*case, drawn.weights), drawn.images.reshape(rows, 1, units))
    ours.call(), peer.call()
    off = np.abs(ours.results()[0].ravel() - peer.result().ravel()).max()
    if not off < MOST[options.precision]:
        raise SystemExit(f"{name_of(case)}: the results differ by {off}")
    least = timing.in_turns([ours, peer], 1, options.seconds)
    ours.stop()
    return least


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--target", default="native")
    parser.add_argument("--precision", choices=list(MOST), default="f32",
                        help="bf16, f16w: of cnnc; onnxruntime computes in f32 (f32)")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--cc", default="clang-22")
    parser.add_argument("cases", nargs="*", help="lstm, gru, or names as the table has them")
    options = parser.parse_args()
    options.bf16 = options.precision == "bf16"
    total, count = 0.0, 0
    print(f"{'':16} {'cnnc':>9} {'onnxruntime':>12}   (microseconds; onnxruntime {onnxruntime.__version__})")
    with tempfile.TemporaryDirectory() as folder:
        for case in CASES:
            if options.cases and not {case[0], name_of(case)} & set(options.cases):
                continue
            ours, peer = measure(options, case, folder)
            total, count = total + math.log(peer / ours), count + 1
            print(f"{name_of(case):16} {ours * 1e6:9.1f} {peer * 1e6:12.1f}   {peer / ours:.2f}x", flush=True)
    if count:
        print(f"geometric mean {math.exp(total / count):.2f}x")


main()
