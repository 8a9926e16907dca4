"""layers.py: single layers in generated C and in other runtimes, with float inputs and outputs. Each layer is
a separate net; inference.py does the rest."""
# SPDX-License-Identifier: Apache-2.0
import os, tempfile
import inference
from sides import case_of_program

CONVOLUTIONS = [  # family, input, filters, kernel, stride, pad
    ("first", "224x224x3", 64, 7, 2, 3), ("first", "224x224x3", 64, 3, 1, 1),
    ("first", "227x227x3", 96, 11, 4, 0), ("first", "416x416x3", 16, 3, 1, 1),
    ("stride 2", "56x56x64", 128, 3, 2, 1), ("stride 2", "28x28x128", 256, 3, 2, 1),
    ("stride 2", "14x14x256", 512, 3, 2, 1),
    ("1x1", "56x56x128", 128, 1, 1, 0), ("1x1", "28x28x256", 256, 1, 1, 0),
    ("1x1", "14x14x512", 512, 1, 1, 0), ("1x1", "7x7x1024", 1024, 1, 1, 0),
    ("depthwise", "112x112x32", 0, 3, 1, 1), ("depthwise", "112x112x64", 0, 3, 2, 1),
    ("depthwise", "56x56x128", 0, 3, 1, 1), ("depthwise", "14x14x512", 0, 3, 1, 1),
    # Pixels with 512 channels are 2 KB apart, so the cache lines of a channel share two sets of the L1 cache;
    # with 1024 channels, they share one set. The other sizes are for comparison.
    ("depthwise", "14x14x528", 0, 3, 1, 1), ("depthwise", "14x14x512", 0, 3, 2, 1),
    ("depthwise", "14x14x528", 0, 3, 2, 1), ("depthwise", "7x7x1024", 0, 3, 1, 1),
    ("depthwise", "7x7x1040", 0, 3, 1, 1), ("depthwise", "14x14x480", 0, 5, 1, 2),
    ("depthwise", "28x28x192", 0, 7, 1, 3),
    ("3x3", "224x224x64", 64, 3, 1, 1), ("3x3", "112x112x128", 128, 3, 1, 1),
    ("3x3", "56x56x64", 64, 3, 1, 1), ("3x3", "56x56x256", 256, 3, 1, 1),
    ("3x3", "28x28x128", 128, 3, 1, 1), ("3x3", "28x28x512", 512, 3, 1, 1),
    ("3x3", "14x14x256", 256, 3, 1, 1), ("3x3", "14x14x512", 512, 3, 1, 1), ("3x3", "7x7x512", 512, 3, 1, 1),
    ("5x5", "27x27x96", 256, 5, 1, 2), ("5x5", "14x14x32", 64, 5, 1, 2),
]
# Layers of ResNeXt-50 32x4d, and at the end one with two channels per group.
GROUPED = [  # input, filters, kernel, stride, pad, groups
    ("56x56x128", 128, 3, 1, 1, 32), ("56x56x256", 256, 3, 2, 1, 32), ("28x28x256", 256, 3, 1, 1, 32),
    ("28x28x512", 512, 3, 2, 1, 32), ("14x14x512", 512, 3, 1, 1, 32), ("14x14x1024", 1024, 3, 2, 1, 32),
    ("7x7x1024", 1024, 3, 1, 1, 32), ("28x28x128", 128, 3, 1, 1, 64),
]
# inputs, units, batch
DENSE = [(4096, 4096, 1), (9216, 4096, 1), (1024, 1000, 1), (4096, 4096, 16), (1024, 1024, 64)]


def convolution(layer):
    family, shape, filters, kernel, stride, pad = layer
    groups = int(shape.split("x")[2]) if family == "depthwise" else 1
    operator = f"depthwise({kernel}x{kernel}" if groups > 1 else f"conv({filters}, {kernel}x{kernel}"
    return f"{family} {shape} {filters or ''} {kernel}x{kernel}" + f" /{stride}" * (
        stride > 1), shape, f"{operator}, stride={stride}, pad={pad})", lambda b: b.conv("image", "layer",
        stride, pad, groups)


def grouped(layer):
    shape, filters, kernel, stride, pad, groups = layer
    width = int(shape.split("x")[2]) // groups
    return f"groups of {width} {shape} {filters} {kernel}x{kernel}" + f" /{stride}" * (
        stride > 1), shape, f"conv({filters}, {kernel}x{kernel}, stride={stride}, pad={pad}, " \
        f"groups={groups})", lambda b: b.conv("image", "layer", stride, pad, groups)


def dense(layer):
    inputs, units, batch = layer
    return f"dense {inputs} {units}" + f" batch {batch}" * (batch > 1), str(
        inputs), f"dense({units})", lambda b: b.dense("image", "layer")


def make_case(options, work, shape, text, build, batch):
    source = os.path.join(work, "layer.cnn")
    with open(source, "w") as f:
        f.write(f"net net {{\n    input image: {shape}\n    layer = {text}\n    output layer\n}}\n")
    return case_of_program(options, source, build, batch)


def main():
    layers = {name: (*rest, batch) for batch,
              (name, *rest) in [(1, convolution(layer)) for layer in CONVOLUTIONS] +
              [(1, grouped(layer)) for layer in GROUPED] +
              [(layer[2], dense(layer)) for layer in DENSE]}
    options = inference.read_options(layers, "layer", 1.5, more=inference.MOBILE_PEERS)
    peaks = {threads: inference.peak(options, threads) for threads in options.threads}
    inference.print_head(options, peaks, "layer")
    for name in options.nets or layers:
        for threads in options.threads:
            with tempfile.TemporaryDirectory() as work:
                inference.print_row(options, name, make_case(options, work, *layers[name]), threads, peaks)


if __name__ == "__main__":
    main()
