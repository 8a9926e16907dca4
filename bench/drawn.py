"""drawn.py: nets of examples/ and single recurrent layers. All have random weights, quantized by `cnnc
quantize`: for measurements of speed, not of accuracy."""
# SPDX-License-Identifier: Apache-2.0
import array
import collections
import json
import math
import os
import random
import re
import struct

from cmsis import tensors

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples")
DEVIATION = 74  # standard deviation of the bytes of an image
INNER = ("weight_hh_l0", "weight_time")  # weights that multiply a layer's state, not its input

Program = collections.namedtuple("Program", "path constants output data")
PROGRAMS = {
    "mobilenet_v2": Program("mobilenet/mobilenet_v2.cnn", ["width=0.35", "side=96", "classes=10"],
                            ("dense(classes) -> softmax",
                             "scores = dense(classes) -> softmax\n    output scores as i8"), "synthetic"),
    "unet": Program("unet/unet.cnn", ["width=8", "side=48"], ("output mask", "output mask as i8"),
                    "synthetic:shapes,size=48,count=40"),
}
PICTURES = 8  # number of inputs for calibration
KINDS = {"b": "I8", "h": "I16", "i": "I32", "f": "F32"}


def bytes_in_and_out(program):
    """The program with int8 inputs and outputs, as in models for microcontrollers. The input's scale replaces
    normalize."""
    with open(os.path.join(EXAMPLES, program.path)) as file:
        text = file.read()
    for pattern, by in ((r" as u8", " as i8"), (r"\n *normalize\(.*\)", ""),
                        (re.escape(program.output[0]), program.output[1])):
        text, found = re.subn(pattern, by, text)
        if found != 1:
            raise SystemExit(f"{program.path} has no {pattern!r}")
    return text


def draw(net):
    """Random weights as {name: (shape, numbers)}, with the deviations of He et al. (2015). Batchnorms are not
    the identity."""
    numbers = random.Random(1)
    layers, drawn = {layer["name"]: layer for layer in net["layers"]}, {}
    for weight in net["weights"]:
        layer, shape, kind = layers[weight["layer"]], weight["shape"], weight["name"].split(".")[-1]
        n = math.prod(shape)
        if kind == "running_var" or (kind == "weight" and layer["operator"] == "batchnorm"):
            values = [numbers.uniform(0.5, 1.5) for _ in range(n)]
        elif kind.startswith("weight"):
            inputs = shape[0] if layer["operator"] == "conv_transpose" else math.prod(shape[1:])
            seen = DEVIATION if layer["inputs"][0] == net["inputs"][0]["name"] and kind not in INNER else 1
            values = [numbers.gauss(0, math.sqrt(2 / inputs) / seen) for _ in range(n)]
        else:
            values = [numbers.gauss(0, 0.1) for _ in range(n)]
        drawn[weight["name"]] = (shape, values)
    return drawn


def write_weights(weights, path, metadata=None):
    """weights: {name: (shape, numbers)}. Numbers that are not an array.array are written as floats."""
    head, at = {"__metadata__": metadata} if metadata else {}, 0
    weights = {name: (shape, values if isinstance(values, array.array) else array.array("f", values))
               for name, (shape, values) in weights.items()}
    for name, (shape, values) in weights.items():
        size = len(values) * values.itemsize
        head[name] = {"dtype": KINDS[values.typecode], "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, values in weights.values():
            values.tofile(file)


def quantize(cnnc, run, source, weights, data, rounding, *more):
    """Writes a program's int8 weights. source: the program's path, and its constants as options."""
    write_weights(draw(json.loads(run(cnnc, *source, "--emit=json"))), weights + ".f32")
    run(cnnc, "quantize", *source, "--weights=" + weights + ".f32", "--data=" + data,
        f"--samples={PICTURES}", "--rounding=" + rounding, *more, "-o", weights)


def make(name, cnnc, run, program, weights, rounding):
    """Writes the program and its int8 weights; returns its constants as options."""
    source = PROGRAMS[name]
    constants = [word for constant in source.constants for word in ("-D", constant)]
    with open(program, "w") as file:
        file.write(bytes_in_and_out(source))
    quantize(cnnc, run, [program, *constants], weights, source.data, rounding)
    return constants


def recurrent(call, rows, columns, cnnc, run, program, weights, rounding):
    """Writes a program of one recurrent layer, y, and its int8 weights. As in CMSIS-NN, the weights of an
    lstm have one scale per gate, and those of an svdf have one scale per tensor."""
    with open(program, "w") as file:
        file.write(f"net net {{\n    input x: {rows}x{columns} as i8\n    y = {call}\n    output y as i8\n"
                   "}\n")
    quantize(cnnc, run, [program], weights, "synthetic", rounding,
             *(["--per-tensor"] if call.startswith("svdf") else []))


def narrow(weights, rounding):
    """Changes the features and `weight_time` of an svdf from int16 to int8, in the weight file."""
    files, by = tensors(weights), 32767 / 127
    for name in ("y.features.scale", "y.weight_time.scale"):
        files[name][1][0] *= by
    for name, part in (("y.weight_time", by), ("y.bias", by * by)):
        shape, values = files[name]
        files[name] = shape, array.array(values.typecode, [round(v / part) for v in values])
    write_weights(files, weights, {"cnnc.quantization": json.dumps({"version": 1, "rounding": rounding})})
