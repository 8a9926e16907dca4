#!/usr/bin/env python3
"""patterns.py [NAME...]: writes models of this folder, like make.py: patterns of nodes that exporters and
quantizers write for tables, padded steps, loops, caches and dilated convolutions."""
# SPDX-License-Identifier: Apache-2.0
import numpy as np
from onnx import helper
import make
from make import case, f32, i64, main, node, numbers

make.cases.clear()
make.integers |= {"ids", "others"}
draw = np.random.default_rng(5)
bytes_of = lambda *size: draw.integers(0, 256, size).astype(np.uint8)
signed = lambda *size: draw.integers(-128, 128, size).astype(np.int8)


# ---- tables of quantize_dynamic: rows are selected and moved before they are dequantized
case("quantized_tables", [
    node("Gather", "table ids", "g"), node("Transpose", "g", "t", perm=[1, 0, 2]),
    node("DequantizeLinear", "t scale zero", "f"), node("MatMul", "f w", "m"),
    node("Transpose", "m", "y", perm=[1, 0, 2]),
    node("Gather", "table others", "o"), node("DequantizeLinear", "o scale zero", "z"),
    node("Gather", "columns ids", "c", axis=1), node("Unsqueeze", "c last", "cu"),
    node("DequantizeLinear", "cu scale", "d", domain="com.microsoft"), node("Squeeze", "d last", "s"),
    node("Transpose", "s", "u", perm=[1, 2, 0])],
    {"ids": [1, 5], "others": [1, 3]}, "y z u",
    {"table": bytes_of(20, 8), "scale": f32(0.02), "zero": np.uint8(125), "w": (8, 3),
     "columns": bytes_of(4, 9), "last": numbers(-1)}, last=("y", "z", "u"))

# ---- a zero point for each column, as with per_channel; weights with a batch
case("dynamic_columns", [
    node("DynamicQuantizeLinear", "x", "q s z"), node("MatMulInteger", "q w z wz", "i"),
    node("Cast", "i", "f", to=1), node("Mul", "s ws", "k"), node("Mul", "f k", "a"),
    node("Transpose", "a", "t", perm=[0, 2, 1]),
    node("DynamicQuantizeLinear", "t", "tq ts tz"), node("ConvInteger", "tq c tz cz", "ci", pads=[1, 1]),
    node("Cast", "ci", "cf", to=1), node("Mul", "ts cs", "ck"), node("Mul", "cf ck", "y")],
    {"x": [1, 5, 8]}, "y",
    {"w": signed(8, 3), "wz": signed(3), "ws": f32([0.01, 0.02, 0.015]), "c": signed(4, 3, 3),
     "cz": signed(4), "cs": f32(0.02)}, last=("x",))

# ---- Keras's TimeDistributed: results of steps that are stacked along the first dimension, padded there
def stacked(x, step, to):
    """The slices of x along dimension 1, each by `step` (a function of two names), stacked along a first
    dimension."""
    nodes = [node("Split", f"{x} ones", " ".join(f"{to}{x}{k}" for k in range(4)), axis=1)]
    for k in range(4):
        nodes += [node("Squeeze", f"{to}{x}{k} second", f"{to}q{k}"), step(f"{to}q{k}", f"{to}m{k}"),
                  node("Unsqueeze", f"{to}m{k} first", f"{to}u{k}")]
    return nodes + [node("Concat", " ".join(f"{to}u{k}" for k in range(4)), to, axis=0)]


case("stacked_pads", [
    *stacked("x", lambda a, b: node("MatMul", f"{a} w", b), "s"), node("Pad", "s behind", "a"),
    node("Transpose", "a", "y", perm=[1, 0, 2]), node("Pad", "s around", "b", mode="edge"),
    node("ReduceMax", "b", "z", axes=[0]), node("Pad", "s both seven", "c"),
    node("Transpose", "c", "u", perm=[1, 0, 2]),
    node("Reshape", "v0 apart", "v"), *stacked("v", lambda a, b: node("Conv", f"{a} k", b), "p"),
    node("Pad", "p places", "d"),
    node("Transpose", "d", "q", perm=[1, 2, 0, 3]), node("Pad", "p cut lowest", "e"),
    node("Transpose", "e", "t", perm=[1, 2, 0, 3])],
    {"x": [1, 4, 5], "v0": [1, 4, 18]}, "y z u q t",
    {"ones": numbers(1, 1, 1, 1), "second": numbers(1), "first": numbers(0), "w": (5, 3), "k": (2, 3, 2),
     "behind": numbers(0, 0, 0, 2, 0, 0), "around": numbers(1, 0, 0, 2, 0, 0),
     "both": numbers(0, 0, 1, 3, 0, -1), "seven": f32(7), "places": numbers(1, 0, 0, 2, 1, 0, 0, 0),
     "cut": numbers(-1, 0, 0, 0, 2, 0, 0, -1), "lowest": f32(-np.inf), "apart": numbers(1, 4, 3, 6)},
    last=("x", "y", "z", "u"))

# ---- dilated convolutions as TensorFlow computes them: parts of the image as a batch (SpaceToBatchND)
swap = lambda a, b: node("Transpose", a, b, perm=[1, 0, 2, 3])
apart = lambda x, k, to: [swap(x, f"{to}a"), node("SpaceToDepth", f"{to}a", f"{to}b", blocksize=k),
                          swap(f"{to}b", to)]
back = lambda x, k, to: [swap(x, f"{to}a"), node("DepthToSpace", f"{to}a", f"{to}b", blocksize=k),
                         swap(f"{to}b", to)]
case("dilated_blocks", [
    node("Relu", "x", "r"), *apart("r", 2, "p"), node("Conv", "p k bias", "c"), node("Tanh", "c", "t"),
    *back("t", 2, "y"),
    node("Pad", "x pads", "xp"), *apart("xp", 3, "q"), node("Conv", "q d", "e", group=3, pads=[1, 0, 1, 0]),
    *back("e", 3, "ep"), node("Slice", "ep from to axes", "z"),
    node("ReduceMean", "x", "one", axes=[1]), *apart("one", 2, "s"),
    node("Conv", "s m", "f", dilations=[1, 2]),
    node("MaxPool", "f", "g", kernel_shape=[2, 1]), *back("g", 2, "u"),
    # blocks of one row and two columns, by Reshape; parts at a stride are a batch of images
    node("Reshape", "x columns", "h"), node("Transpose", "h", "hp", perm=[3, 0, 1, 2]),
    node("Conv", "hp k bias", "hc"), node("Transpose", "hc", "hb", perm=[1, 2, 3, 0]),
    node("Reshape", "hb joined", "q1"), node("Unsqueeze", "q1 first", "v"),
    node("Conv", "p k", "n", strides=[2, 2]), *back("n", 2, "w")],
    {"x": [1, 3, 12, 16]}, "y z u v w",
    {"k": (4, 3, 3, 3), "bias": (4,), "d": (6, 1, 3, 3), "m": (1, 1, 3, 2),
     "pads": numbers(0, 0, 1, 2, 0, 0, 2, 0),
     "from": numbers(1, 2), "to": numbers(10, 14), "axes": numbers(2, 3), "columns": numbers(3, 12, 8, 2),
     "joined": numbers(4, 10, 12), "first": numbers(0)})

# ---- atan, up to infinity
case("arctangent", [
    node("Atan", "x", "a"), node("Mul", "x large", "b"), node("Atan", "b", "c"), node("Sub", "x x", "zero"),
    node("Div", "x zero", "d"), node("Atan", "d", "e"), node("Mul", "x small", "f"), node("Atan", "f", "g"),
    node("Div", "g small", "h"),
    node("Concat", "a c e h", "y", axis=1)],
    {"x": [1, 12]}, "y", {"large": f32(3e30), "small": f32(1e-6)})

# ---- caches: parts that are written by constant indices, and inputs of five dimensions
def box(*ranges):
    """The indices of a box, as torch exports the assignment to a slice."""
    grid = np.meshgrid(*(np.arange(*r) for r in ranges), indexing="ij")
    return np.stack(grid, -1).astype(np.int64)


case("scattered_boxes", [
    node("Conv", "x w", "n"), node("ScatterND", "c rows n", "a"),  # rows 4 and 5
    node("Slice", "n zero two third", "h"), node("ScatterND", "c corner h", "b"),  # rows 2, 3, columns 1, 2
    node("ScatterND", "c planes plane", "d"),  # a constant in channels 0, 1 and 2
    node("ScatterND", "zeros rows n", "e"), node("ScatterND", "c rows n", "f", reduction="add"),
    node("ScatterElements", "x columns x3", "g", axis=3), node("ScatterElements", "x last x1", "i", axis=-2),
    node("Slice", "x zero one two", "x1"), node("Slice", "x zero three fourth", "x3"),
    node("ScatterND", "x spread pair", "j"), node("ReduceMean", "x", "m", axes=[1]),
    node("Slice", "m zero two third", "pair0"), node("Reshape", "pair0 four", "pair"),
    node("Concat", "a b d e f", "y", axis=1), node("Concat", "g i j", "z", axis=1)],
    {"x": [1, 3, 2, 5], "c": [1, 3, 6, 5]}, "y z",
    {"w": (3, 3, 1, 1), "rows": box((1,), (3,), (4, 6), (5,)), "corner": box((1,), (3,), (2, 4), (1, 3)),
     "planes": box((1,), (3,)), "plane": (1, 3, 6, 5), "zeros": np.zeros((1, 3, 6, 5), f32),
     "zero": numbers(0), "one": numbers(1), "two": numbers(2), "three": numbers(3), "third": numbers(3),
     "fourth": numbers(3), "columns": np.broadcast_to(numbers(2, 3, 4), (1, 3, 2, 3)).copy(),
     "last": np.full((1, 3, 1, 5), -1), "four": numbers(4),
     "spread": numbers([0, 2, 1, 4], [0, 0, 0, 0], [0, 1, 1, 1], [0, 2, 0, 3])})

case("caches", [
    node("Gather", "cache zero", "c0"), node("Gather", "cache one", "c1"),
    node("Slice", "c0 p1 p4 p2", "past"), node("Concat", "past x", "all", axis=2),
    node("ScatterND", "c0 whole all", "n0"), node("Conv", "all w", "y"),
    node("Neg", "c1", "n1"), node("Unsqueeze", "n0 p0", "u0"), node("Unsqueeze", "n1 p0", "u1"),
    node("ScatterND", "cache first u0", "s0"), node("ScatterND", "s0 second u1", "s1"),
    node("Gather", "s1 one", "back"), node("Slice", "back p2 p4 p2", "part"),
    node("ReduceMean", "part", "z", axes=[2, 3])],
    {"x": [1, 3, 1, 5], "cache": [2, 1, 3, 4, 5]}, "y z",
    {"zero": i64(0), "one": i64(1), "p0": numbers(0), "p1": numbers(1), "p2": numbers(2), "p4": numbers(4),
     "w": (2, 3, 4, 1), "whole": box((1,), (3,), (4,), (5,)), "first": numbers([0]), "second": numbers([1])})

make.TABLES += ("cache",)

case("states_of_rows", [  # an initial state for each sequence
    node("Reshape", "v steps3", "x"),
    node("GRU", "x gW gR gB  h", "a b", hidden_size=4, linear_before_reset=1),
    node("LSTM", "x lW lR lB  hc h", "c d", hidden_size=4),
    *[node("Reshape", name + " flat", to) for name, to in zip("abcd", "yzut")]],
    {"v": [1, 6, 5], "h": [1, 3, 4]}, "y z u t",
    {"flat": numbers(1, -1), "hc": (1, 3, 4), "steps3": numbers(2, 3, 5), "gW": (1, 12, 5), "gR": (1, 12, 4),
     "gB": (1, 24), "lW": (1, 16, 5), "lR": (1, 16, 4), "lB": (1, 32)})

# ---- outputs that do not depend on the input
case("constant_outputs", [
    node("Relu", "x", "y"), node("Shape", "x", "n"), node("Cast", "n", "sizes", to=1),
    node("Identity", "t", "u")], {"x": [1, 4, 3]}, "y sizes u", {"t": (1, 2, 3)}, last=("u",))

if __name__ == "__main__":
    main(lambda: None)
