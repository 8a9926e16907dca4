"""cnnc quantize of a net with very large and very small values, with each rounding and with int16 values: the
command must accept the scales that it chooses. Run by quantize_extremes.tap."""
# SPDX-License-Identifier: Apache-2.0
import json
import math
import os
import random
import struct
import subprocess
import zipfile

from quantized import save
from tap import check, finish, start

CNNC, CLANG = os.environ["CNNC"], os.environ["CLANG"]
NET = """net extremes {
    input x: 6x6x4
    large = conv(4, 1x1)
    usual = x -> conv(2, 1x1)
    tiny = x -> conv(2, 1x1)
    fixed = x -> conv(2, 1x1)
    cut = large -> slice(1..3) -> concat(usual)
    which = x -> reshape(36x4) -> crop([0, 30]) -> argmax
    cropped = large -> crop(1) -> slice(2..4) -> reshape(16x2) -> gather(which)
    same = usual -> crop(1) -> reshape(16x2) -> gather(which)
    joined = cropped -> concat(same) -> conv(3, 1)
    none = usual -> subtract(usual) -> conv(2, 1x1)
    sum = usual -> add(tiny) -> relu
    product = tiny -> multiply(tiny) -> conv(2, 1x1)
    shares = tiny -> flatten -> softmax
    many = usual -> upsample(9) -> flatten -> softmax
    last = many -> dense(3)
    padded = usual -> zero_pad(0, channels=[1, 1]) -> reshape(12x12) -> conv(3, 3)
    border = usual -> zero_pad(1, value=2) -> conv(2, 3x3)
    rows = large -> reshape(36x4)
    gates = rows -> gru(3)
    cells = rows -> lstm(3)
    a_name_of_more_than_twenty = rows -> rnn(3, activation=relu)
    output cut, joined, none, sum, product, shares, last, padded, border, fixed, gates, cells,
        a_name_of_more_than_twenty
}
"""


def shapes():
    said = subprocess.run([CNNC, "n.cnn", "--emit=json", "-o", "-"], capture_output=True, text=True)
    check(said.returncode == 0, "the net compiles", said.stderr)
    return {w["name"]: w["shape"] for w in json.loads(said.stdout)["weights"]}


def write_weights():
    rng, arrays = random.Random(5), {}
    for name, shape in shapes().items():
        values = [rng.uniform(-0.5, 0.5) for _ in range(math.prod(shape))]
        layer = name.split(".")[0]
        if layer == "tiny":
            values = [1e-12 * v for v in values]
        if layer == "fixed":  # a filter that has only a bias
            values = [1e6 if name.endswith("bias") else 1e-12 * v for v in values]
        if name == "large.weight":  # the first channel is much larger than the others
            values = [(1e6 if i < 4 else 1) * v for i, v in enumerate(values)]
        arrays[name] = ("F32", shape, values)
    save("n.safetensors", arrays, None)


def write_data():
    rng, n = random.Random(6), 12
    values = [rng.gauss(0, 1) for _ in range(n * 144)]
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({n}, 6, 6, 4), }}".ljust(117) + "\n"
    with zipfile.ZipFile("d.npz", "w") as file:
        file.writestr("x.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() +
                      struct.pack(f"<{len(values)}f", *values))


def main():
    start("quantize_extremes")
    with open("n.cnn", "w") as file:
        file.write(NET)
    write_weights()
    write_data()
    for options in ([], ["--rounding=float", "--calibrate=minmax"], ["--precision=i16"]):
        title = " ".join(options) or "no options"
        made = subprocess.run([CNNC, "quantize", f"--cc={CLANG}", "n.cnn", "--weights=n.safetensors",
                               "--data=d.npz", "--samples=12", "--report=n.json", "-o", "q.safetensors",
                               *options], capture_output=True, text=True)
        check(made.returncode == 0, f"a net of extremes is quantized, {title}", made.stderr)
        if made.returncode:
            continue
        sqnr = {v["name"]: v.get("sqnr") for v in json.load(open("n.json"))["layers"]}
        for name in ("gates", "cells", "padded", "last", "border", "usual"):
            check((sqnr.get(name) or 99) > 12, f"  {name} is nearly the same", f"{sqnr}")
        check("a_name_of_more_than_twenty stays in float" in made.stderr,
              "  large sums of relu stay in float", made.stderr)
        names = [line.split() for line in made.stdout.splitlines() if "SQNR" in line]
        columns = {line.index(" i8 ") for line in made.stdout.splitlines() if " i8 " in line}
        check(names and len(columns) < 2, "  columns are aligned with long names", made.stdout)
        done = subprocess.run([CNNC, "n.cnn", "--weights=q.safetensors", "-o", "q.c"], capture_output=True,
                              text=True)
        check(done.returncode == 0, "  the file is compiled", done.stderr)
    finish()


main()
