"""drawn.py: nets of examples/ with random weights, quantized with `cnnc quantize`: for measurements of
speed, not of accuracy."""
# SPDX-License-Identifier: Apache-2.0
import array
import collections
import json
import math
import os
import random
import re
import struct

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples")
DEVIATION = 74  # of the bytes of an image

Program = collections.namedtuple("Program", "path constants output data")
PROGRAMS = {
    "mobilenet_v2": Program("mobilenet/mobilenet_v2.cnn", ["width=0.35", "side=96", "classes=10"],
                            ("dense(classes) -> softmax",
                             "scores = dense(classes) -> softmax\n    output scores as i8"), "synthetic"),
    "unet": Program("unet/unet.cnn", ["width=8", "side=48"], ("output mask", "output mask as i8"),
                    "synthetic:shapes,size=48,count=40"),
}
PICTURES = 8  # to choose scales by


def bytes_in_and_out(program):
    """Byte inputs and outputs like those of models for microcontrollers, with a scale that replaces
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
    """{name: (shape, numbers)}: He et al. (2015), with nontrivial batchnorms."""
    numbers = random.Random(1)
    layers, drawn = {layer["name"]: layer for layer in net["layers"]}, {}
    for weight in net["weights"]:
        layer, shape, kind = layers[weight["layer"]], weight["shape"], weight["name"].split(".")[-1]
        n = math.prod(shape)
        if kind == "running_var" or (kind == "weight" and layer["operator"] == "batchnorm"):
            values = [numbers.uniform(0.5, 1.5) for _ in range(n)]
        elif kind == "weight":
            inputs = shape[0] if layer["operator"] == "conv_transpose" else math.prod(shape[1:])
            seen = DEVIATION if layer["inputs"][0] == net["inputs"][0]["name"] else 1
            values = [numbers.gauss(0, math.sqrt(2 / inputs) / seen) for _ in range(n)]
        else:
            values = [numbers.gauss(0, 0.1) for _ in range(n)]
        drawn[weight["name"]] = (shape, values)
    return drawn


def write_weights(weights, path):
    head, at = {}, 0
    for name, (shape, values) in weights.items():
        head[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + 4 * len(values)]}
        at += 4 * len(values)
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, values in weights.values():
            array.array("f", values).tofile(file)


def make(name, cnnc, run, program, weights, rounding):
    """Writes the program and its int8 weights; returns its constants as options."""
    source = PROGRAMS[name]
    constants = [word for constant in source.constants for word in ("-D", constant)]
    with open(program, "w") as file:
        file.write(bytes_in_and_out(source))
    write_weights(draw(json.loads(run(cnnc, program, *constants, "--emit=json"))), weights + ".f32")
    run(cnnc, "quantize", program, *constants, "--weights=" + weights + ".f32", "--data=" + source.data,
        f"--samples={PICTURES}", "--rounding=" + rounding, "-o", weights)
    return constants
