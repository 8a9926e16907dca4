#!/usr/bin/env python3
"""queries.py [NAME...]: writes models, like make.py: parts of detectors with queries, and of nets that split
their values into windows twice; sums and products that repeat over parts of the channels; tables, reductions
and ranks along any dimension."""
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import make
from make import case, f32, main, node, numbers

make.cases.clear()
HEADS, POINTS, LEVELS, QUERIES, CHANNELS = 4, 3, ((5, 4), (3, 2)), 6, 8
SUM = 2 * POINTS

# ---- sampling locations of all heads and points, relative to the size of the query's box, for 20 and for 3
# queries
for name, queries in (("part_of_channels", 20), ("part_of_channels_few", 3)):
    case(name, [
        node("MatMul", "asks w", "o0"), node("Reshape", "o0 apart", "o"),
        node("Split", "areas two", "b s", axis=2), node("Unsqueeze", "b inner", "b1"),
        node("Unsqueeze", "s inner", "s1"), node("Mul", "o s1", "o1"), node("Mul", "o1 half", "o2"),
        node("Add", "b1 o2", "at"), node("Sub", "s1 at", "more"),
        node("Reshape", "more flat", "m"), node("MatMul", "m v", "y"), node("Div", "at s1", "z0"),
        node("Reshape", "z0 flat", "z")],
        {"asks": [1, queries, 5], "areas": [1, queries, 4]}, "y z",
        {"w": (5, HEADS * SUM * 2), "apart": numbers(1, queries, HEADS, SUM, 2), "two": numbers(2, 2),
         "inner": numbers(2, 3), "half": f32(0.5), "flat": numbers(1, queries, -1),
         "v": (HEADS * SUM * 2, 3)},
        last=("asks", "y", "z"))


# ---- deformable attention whose points of all levels are one dimension
def deformable():
    pixels = [h * w for h, w in LEVELS]
    nodes = [node("MatMul", "x wv", "v0"), node("Reshape", "v0 by_head", "v1"),
             node("Transpose", "v1", "v2", perm=[0, 2, 3, 1]), node("Reshape", "v2 images", "v3"),
             node("Split", "v3 sizes", "m0 m1", axis=-1), node("MatMul", "asks wl", "l0"),
             node("Sigmoid", "l0", "l1"), node("Reshape", "l1 apart", "at"), node("Mul", "two at", "g0"),
             node("Sub", "g0 one", "g1"), node("Transpose", "g1", "g2", perm=[0, 2, 1, 3, 4]),
             node("Reshape", "g2 grids", "g3"), node("Split", "g3 points", "r0 r1", axis=-2),
             node("MatMul", "asks ww", "s0"), node("Reshape", "s0 heads", "s1"),
             node("Softmax", "s1", "s2", axis=-1), node("Transpose", "s2", "s3", perm=[0, 2, 1, 3]),
             node("Reshape", "s3 alone", "shares")]
    depth = CHANNELS // HEADS
    constants = {"wv": (CHANNELS, CHANNELS), "by_head": numbers(1, -1, HEADS, depth),
                 "images": numbers(HEADS, depth, -1), "sizes": numbers(*pixels), "two": f32(2), "one": f32(1),
                 "wl": (5, HEADS * SUM * 2), "ww": (5, HEADS * SUM),
                 "apart": numbers(1, QUERIES, HEADS, SUM, 2), "grids": numbers(HEADS, QUERIES, SUM, 2),
                 "points": numbers(POINTS, POINTS), "heads": numbers(1, QUERIES, HEADS, SUM),
                 "alone": numbers(HEADS, 1, QUERIES, SUM), "all": numbers(1, CHANNELS, QUERIES),
                 "over": numbers(-1)}
    for k, (h, w) in enumerate(LEVELS):
        nodes += [node("Reshape", f"m{k} size{k}", f"i{k}"),
                  node("GridSample", f"i{k} r{k}", f"t{k}", mode="bilinear", padding_mode="zeros")]
        constants[f"size{k}"] = numbers(HEADS, depth, h, w)
    return nodes + [node("Concat", "t0 t1", "samples", axis=-1), node("Mul", "samples shares", "weighted"),
                    node("ReduceSum", "weighted over", "sum", keepdims=0), node("Reshape", "sum all", "c"),
                    node("Transpose", "c", "y", perm=[0, 2, 1])], constants


nodes, constants = deformable()
case("deformable_points", nodes, {"x": [1, sum(h * w for h, w in LEVELS), CHANNELS], "asks": [1, QUERIES, 5]},
     "y", constants, last=("x", "asks", "y"))

# ---- tables of anchors, indexed along any dimension; rows of a value, selected by pairs of image and row
case("tables", [
    node("ReduceMax", "x", "best", axes=[-1], keepdims=0), node("TopK", "best k", "top rows", axis=1),
    node("Reshape", "rows flat", "r"), node("Gather", "inner r", "a", axis=1),
    node("Gather", "middle rows", "b0", axis=-2), node("Transpose", "b0", "b1", perm=[1, 2, 0, 3]),
    node("Reshape", "b1 wide", "b"), node("Unsqueeze", "r last", "column"),
    node("GatherND", "outer column", "c0"), node("Transpose", "c0", "c", perm=[1, 0, 2]),
    node("Concat", "images column", "at", axis=-1), node("GatherND", "x at", "d0"),
    node("Reshape", "d0 together", "d"), node("Concat", "a b c d", "y", axis=-1)],
    {"x": [1, 30, 8]}, "y",
    {"k": numbers(7), "last": numbers(-1), "flat": numbers(-1), "inner": (1, 30, 4), "middle": (3, 30, 2),
     "outer": (30, 1, 5), "images": np.zeros((7, 1), np.int64), "together": numbers(1, 7, 8),
     "wide": numbers(1, 7, 6)}, last="y")

# ---- D-FINE: boxes as means of distributions; the three highest probabilities of each distribution, and
# their mean
case("distributions", [
    node("MatMul", "x w", "d0"), node("Reshape", "d0 rows", "d1"), node("Softmax", "d1", "d2", axis=1),
    node("MatMul", "d2 places", "d3"), node("Reshape", "d3 boxes", "y"), node("Reshape", "d0 apart", "p0"),
    node("Softmax", "p0", "p", axis=-1), node("TopK", "p k", "best at", axis=-1),
    node("ReduceMean", "best", "mean", axes=[-1]), node("Concat", "best mean", "b", axis=-1),
    node("Cast", "at", "af", to=1), node("ReduceMax", "af", "most", axes=[1, 3], keepdims=0),
    node("Transpose", "p", "pt", perm=[0, 1, 3, 2]), node("TopK", "pt k", "unused places_of", axis=2),
    node("Cast", "places_of", "pf", to=1), node("Reshape", "b flat", "z0"),
    node("Reshape", "pf flat", "z1"), node("Concat", "z0 z1", "z", axis=-1), node("MatMul", "left z", "u")],
    {"x": [1, 6, 5]}, "y most z u",
    {"w": (5, 4 * 9), "rows": numbers(-1, 9), "places": (9,), "boxes": numbers(1, 6, 4),
     "apart": numbers(1, 6, 4, 9), "k": numbers(3), "flat": numbers(1, 6, -1), "left": (6,)},
    last=("x", "y", "z"))

# ---- integers divided and rounded down, as torch.div is exported by tracing
case("floor_quotients", [
    node("Mul", "x many", "large"), node("Floor", "large", "below"), node("Cast", "below", "i", to=7),
    node("Div", "i seven", "q"), node("Less", "i zero", "negative"), node("Xor", "negative no", "signs"),
    node("Mod", "i seven", "rest"), node("Equal", "rest zero", "exact"), node("Not", "exact", "inexact"),
    node("And", "signs inexact", "lower"), node("Sub", "q one", "q1"), node("Where", "lower q1 q", "f"),
    node("Mul", "f seven", "back"), node("Sub", "i back", "r"), node("Cast", "f", "ff", to=1),
    node("Cast", "r", "rf", to=1), node("Concat", "ff rf", "y", axis=1)],
    {"x": [1, 3, 6, 5]}, "y",
    {"many": f32(40), "seven": np.int64(7), "zero": np.int64(0), "no": np.bool_(False), "one": np.int64(1)})

# ---- MaxViT: windows joined, then a grid with other sizes than the windows
case("windows_twice", [
    node("Reshape", "x cut", "c0"), node("Transpose", "c0", "c1", perm=[0, 2, 4, 3, 5, 1]),
    node("Reshape", "c1 windows", "c2"), node("MatMul", "c2 w", "c3"), node("Reshape", "c3 apart", "c4"),
    node("Transpose", "c4", "c5", perm=[0, 5, 1, 3, 2, 4]), node("Reshape", "c5 image", "i"),
    node("Reshape", "i cut_again", "g0"), node("Transpose", "g0", "g1", perm=[0, 2, 4, 3, 5, 1]),
    node("Reshape", "g1 grid", "g2"), node("Transpose", "g2", "g3", perm=[0, 2, 1, 3]),
    node("MatMul", "g3 w", "g4"), node("Transpose", "g4", "g5", perm=[0, 2, 1, 3]),
    node("Reshape", "g5 grid_apart", "g6"), node("Transpose", "g6", "g7", perm=[0, 5, 1, 3, 2, 4]),
    node("Reshape", "g7 image", "y")],
    {"x": [1, 4, 6, 12]}, "y",
    {"cut": numbers(1, 4, 2, 3, 4, 3), "windows": numbers(1, 8, 9, 4), "w": (4, 4),
     "apart": numbers(1, 2, 4, 3, 3, 4), "image": numbers(1, 4, 6, 12),
     "cut_again": numbers(1, 4, 3, 2, 3, 4), "grid": numbers(1, 9, 8, 4),
     "grid_apart": numbers(1, 3, 3, 2, 4, 4)})

# ---- operators that are decomposed into others, and other forms of known ones
case("composed", [
    node("Conv", "x w", "c"), node("Softsign", "c", "a"), node("Sinh", "c", "b"), node("Cosh", "a", "d"),
    node("Tan", "a", "e"), node("Sign", "c", "f"), node("Celu", "c", "g", alpha=2.0),
    node("ThresholdedRelu", "c", "h", alpha=0.3), node("Mean", "a b c", "i"),
    node("Selu", "c", "j", alpha=2.0, gamma=3.0), node("ReduceLogSumExp", "c", "k0", axes=[2], keepdims=1),
    node("Add", "c k0", "k"), node("ReduceLogSumExp", "c", "z", axes=[1, 3], keepdims=0),
    node("Concat", "a b d e f g h i j k", "y", axis=1)], {"x": [1, 3, 4, 5]}, "y z", {"w": (2, 3, 1, 1)})
case("elements", [
    node("Conv", "x w", "c"), node("GatherElements", "c places", "a", axis=2),
    node("GatherND", "c row", "b", batch_dims=1), node("GatherND", "c pixels", "rows"),
    node("Tile", "c times", "e"), node("CumSum", "c down", "f", reverse=1), node("CumSum", "c across", "g"),
    node("Concat", "a e", "y", axis=2), node("Concat", "f g", "z", axis=1)],
    {"x": [1, 3, 4, 5]}, "y b rows z",
    {"w": (2, 3, 1, 1), "times": numbers(1, 1, 2, 1), "down": np.int64(2), "across": np.int64(-1),
     "places": np.random.default_rng(2).integers(-4, 4, (1, 2, 3, 5)), "row": numbers(1, -2)[None, :, None],
     "pixels": np.array([[0, 1, -1], [0, 0, 2]])}, last=("y", "b", "z"))
case("norm_of_all", [
    node("Conv", "x w", "c"), node("LayerNormalization", "c gain shift", "a mean inverse", axis=2),
    node("LayerNormalization", "a gains shifts", "y", axis=1), node("Mul", "a inverse", "z")],
    {"x": [1, 3, 4, 5]}, "y mean z",
    {"w": (2, 3, 1, 1), "gain": (4, 5), "shift": (4, 5), "gains": (2, 4, 5), "shifts": (2, 4, 5)},
    last=("y", "z"))
case("repeats_of_both", [  # each operand repeats along a dimension of the other one
    node("GlobalAveragePool", "x", "a"), node("Conv", "a w", "b"), node("Expand", "b three", "c"),
    node("Mul", "a c", "y"), node("Expand", "a across", "d"),
    node("MaxPool", "x", "e", kernel_shape=[2, 3]), node("Mul", "e d", "z")], {"x": [1, 4, 3, 3]}, "y z",
    {"w": (1, 4, 1, 1), "three": numbers(1, 1, 3, 1), "across": numbers(1, 1, 1, 3)})
case("negative_indices", [
    node("ReduceMax", "x", "best", axes=[-1], keepdims=0), node("TopK", "best k", "top rows", axis=1),
    node("Sub", "rows many", "back"), node("Unsqueeze", "back last", "b0"), node("Expand", "b0 wide", "b1"),
    node("GatherElements", "x b1", "a", axis=1), node("Gather", "table back", "b"),
    node("Concat", "a b", "y", axis=-1)],
    {"x": [1, 30, 8]}, "y",
    {"k": numbers(7), "last": numbers(-1), "many": np.int64(30), "wide": numbers(1, 7, 8), "table": (30, 4)},
    last="y")
case("hot_from_end", [  # negative indices, indices outside of the rows, fractions
    node("Mul", "x four", "f"), node("OneHot", "f depth ends", "a", axis=1), node("Cast", "f", "i", to=7),
    node("OneHot", "i whole ends", "b"), node("OneHot", "signed whole ends", "c"),
    node("Div", "signed two", "d0"), node("Cast", "d0", "d", to=1)],
    {"x": [1, 6, 7], "signed": [1, 9]}, "a b c d",
    {"four": f32(4), "depth": f32(3), "whole": np.int64(4), "ends": f32([0, 1]), "two": np.int64(2)},
    last="bc")
case("infinite_sums", [  # rows of -inf, with +inf, and with some of both
    node("Relu", "x", "a"), node("Log", "a", "b"), node("Reciprocal", "a", "c"),
    node("ReduceLogSumExp", "b", "d", axes=[2], keepdims=1), node("ReduceLogSumExp", "c", "e", axes=[2]),
    node("Concat", "b c", "f", axis=2), node("ReduceLogSumExp", "f", "z", axes=[1], keepdims=0),
    node("Concat", "d e", "y", axis=2)], {"x": [1, 12, 2]}, "y z")

if __name__ == "__main__":
    main(lambda: None)
