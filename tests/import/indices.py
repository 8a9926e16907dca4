#!/usr/bin/env python3
"""indices.py [NAME...]: writes models with computed indices, like make.py: the last layers of detectors
without nms, selection of queries, sampling between pixels."""
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import make
from make import case, f32, main, node, numbers

make.cases.clear()


# ---- the last layers of YOLOv10: the best rows, and among these the best pairs of row and class
def best_rows(anchors, classes, most):
    """The nodes that read boxes [1, anchors, 4] and scores [1, anchors, classes], and their constants."""
    return [
        node("ReduceMax", "scores", "best", axes=[-1], keepdims=0),
        node("TopK", "best k", "top rows", axis=-1),
        node("Unsqueeze", "rows last", "column"), node("Tile", "column four", "by_box"),
        node("Tile", "column all", "by_class"), node("GatherElements", "boxes by_box", "kept", axis=1),
        node("GatherElements", "scores by_class", "kept_scores", axis=1),
        node("Flatten", "kept_scores", "pairs", axis=1), node("TopK", "pairs k", "score pair", axis=-1),
        node("Mod", "pair n", "label"), node("Div", "pair n", "row")], {
            "k": numbers(most), "last": numbers(-1), "four": numbers(1, 1, 4), "n": np.int64(classes),
            "all": numbers(1, 1, classes)}


rows, constants = best_rows(20, 6, 7)
case("end_to_end", [
    node("Conv", "x w", "c"), node("Reshape", "c flat", "f"), node("Transpose", "f", "t", perm=[0, 2, 1]),
    node("Split", "t parts", "boxes raw", axis=2), node("Sigmoid", "raw", "scores"), *rows,
    node("Unsqueeze", "row last", "r"), node("Expand", "r wide", "rw"),
    node("GatherElements", "kept rw", "found", axis=1), node("Unsqueeze", "score last", "s"),
    node("Unsqueeze", "label last", "l"), node("Cast", "l", "lf", to=1),
    node("Concat", "found s lf", "y", axis=-1)],
    {"x": [1, 3, 4, 5]}, "y",
    {"w": (10, 3, 1, 1), "flat": numbers(1, 10, -1), "parts": numbers(4, 6), "wide": numbers(1, 7, 4),
     **constants}, last="y")
rows, constants = best_rows(15, 5, 6)
case("end_by_pairs", [  # the rows as torch.arange and an index choose them
    node("Transpose", "x", "t", perm=[0, 2, 1]), node("Split", "t parts", "boxes scores", axis=2), *rows,
    node("Unsqueeze", "row last", "r"), node("Concat", "images r", "at", axis=-1),
    node("GatherND", "kept at", "found"), node("Unsqueeze", "score last", "s"),
    node("Unsqueeze", "label last", "l"), node("Cast", "l", "lf", to=1),
    node("Concat", "found s lf", "y", axis=-1)],
    {"x": [1, 9, 15]}, "y",
    {"parts": numbers(4, 5), "images": np.zeros((1, 6, 1), np.int64), **constants}, last="xy")

# ---- RT-DETR's selection of queries: rows of the memory and of the boxes with the highest class scores
case("queries", [
    node("MatMul", "x w", "logits"), node("MatMul", "x v", "boxes"),
    node("ReduceMax", "logits", "best", axes=[-1], keepdims=0), node("TopK", "best k", "top rows", axis=1),
    node("Unsqueeze", "rows last", "r"), node("Expand", "r wide", "rw"), node("Expand", "r four", "rb"),
    node("GatherElements", "x rw", "a", axis=1), node("GatherElements", "boxes rb", "b", axis=1),
    node("Sigmoid", "b", "s"), node("Concat", "a s", "y", axis=-1), node("Gather", "table rows", "e"),
    node("Add", "e a", "z")],
    {"x": [1, 30, 8]}, "y z",
    {"w": (8, 5), "v": (8, 4), "k": numbers(6), "last": numbers(-1), "wide": numbers(1, 6, 8),
     "four": numbers(1, 6, 4), "table": (30, 8)}, last="xyz")

# ---- deformable attention: two levels of two points, four heads
HEADS, POINTS, LEVELS, QUERIES, CHANNELS = 4, 2, ((5, 4), (3, 2)), 6, 8


def deformable():
    pixels = [h * w for h, w in LEVELS]
    nodes = [node("Transpose", "x", "rows", perm=[0, 2, 1]), node("Split", "rows sizes", "m0 m1", axis=1),
             node("MatMul", "asks wl", "l0"), node("Sigmoid", "l0", "l1"), node("Reshape", "l1 apart", "at"),
             node("Mul", "at two", "g0"), node("Sub", "g0 one", "g1"), node("MatMul", "asks ww", "s0"),
             node("Reshape", "s0 heads", "s1"), node("Softmax", "s1", "s2", axis=-1),
             node("Transpose", "s2", "s3", perm=[0, 2, 1, 3]), node("Reshape", "s3 alone", "shares")]
    constants = {"sizes": numbers(*pixels), "two": f32(2), "one": f32(1), "last": numbers(-2),
                 "wl": (5, HEADS * 2 * POINTS * 2), "ww": (5, HEADS * 2 * POINTS),
                 "apart": numbers(1, QUERIES, HEADS, 2, POINTS, 2), "heads": numbers(1, QUERIES, HEADS, -1),
                 "alone": numbers(HEADS, 1, QUERIES, 2 * POINTS),
                 "points": numbers(HEADS, QUERIES, POINTS, 2),
                 "joined": numbers(HEADS, CHANNELS // HEADS, QUERIES, 2 * POINTS),
                 "all": numbers(1, CHANNELS, QUERIES), "over": numbers(-1)}
    for k, (h, w) in enumerate(LEVELS):
        nodes += [node("Transpose", f"m{k}", f"i{k}", perm=[0, 2, 1]),
                  node("Reshape", f"i{k} size{k}", f"v{k}"),
                  node("Gather", f"g1 level{k}", f"p{k}", axis=3),
                  node("Transpose", f"p{k}", f"q{k}", perm=[0, 2, 1, 3, 4]),
                  node("Reshape", f"q{k} points", f"r{k}"),
                  node("GridSample", f"v{k} r{k}", f"t{k}", mode="bilinear", padding_mode="zeros"),
                  node("Unsqueeze", f"t{k} last", f"u{k}")]
        constants[f"size{k}"] = numbers(HEADS, CHANNELS // HEADS, h, w)
        constants[f"level{k}"] = np.int64(k)
    nodes += [node("Concat", "u0 u1", "stack", axis=-2), node("Reshape", "stack joined", "samples"),
              node("Mul", "samples shares", "weighted"),
              node("ReduceSum", "weighted over", "sum", keepdims=0),
              node("Reshape", "sum all", "c"), node("Transpose", "c", "y", perm=[0, 2, 1])]
    return nodes, constants


nodes, constants = deformable()
case("deformable", nodes, {"x": [1, CHANNELS, sum(h * w for h, w in LEVELS)], "asks": [1, QUERIES, 5]}, "y",
     constants, last=("asks", "y"))

# ---- one level of a deformable attention: places of each head, a part of the results of one dense layer
case("level", [
    node("Reshape", "x apart", "v"), node("MatMul", "asks w", "all"), node("Reshape", "all parts", "b"),
    node("Gather", "b second", "l", axis=3), node("Slice", "l zero two last", "p"),
    node("Transpose", "p", "t", perm=[0, 2, 1, 3, 4]), node("Reshape", "t points", "g"),
    node("GridSample", "v g", "s"), node("Reshape", "s joined", "y"), node("Slice", "l two three last", "z")],
    {"x": [1, 8, 5, 4], "asks": [1, 6, 5]}, "y z",
    {"apart": numbers(4, 2, 5, 4), "w": (5, 4 * 2 * 3 * 3), "parts": numbers(1, 6, 4, 2, 3, 3),
     "second": np.int64(1), "zero": numbers(0), "two": numbers(2), "three": numbers(3), "last": numbers(-1),
     "points": numbers(4, 6, 3, 2), "joined": numbers(1, 8, 6, 3)}, last=("asks", "z"))

# ---- samples between pixels, ranks and rounded numbers
case("samples", [
    node("Conv", "x w", "f"), node("Tanh", "f", "flow"), node("Transpose", "flow", "grid", perm=[0, 2, 3, 1]),
    node("GridSample", "x grid", "a", padding_mode="border"),
    node("GridSample", "x grid", "b", mode="nearest", align_corners=1),
    node("GridSample", "x grid", "c", padding_mode="reflection", align_corners=1),
    node("ArgMax", "x", "m", axis=1, keepdims=1), node("Cast", "m", "mf", to=1),
    node("OneHot", "m depth ends", "h", axis=1), node("Squeeze", "h third", "hs"),
    node("Floor", "x", "below"), node("Ceil", "x", "above"), node("Sin", "below", "sine"),
    node("Cos", "above", "cosine"), node("Add", "sine cosine", "d"),
    node("Concat", "a b c d mf hs", "y", axis=1)],
    {"x": [1, 3, 6, 5]}, "y",
    {"w": (2, 3, 1, 1), "depth": numbers(4), "ends": f32([0.5, 2]), "third": numbers(2)})

# ---- quotients of integers, which are rounded towards 0; 41 * (1/41) in float is below 1, so a product with
# the reciprocal would be rounded to 0
case("whole_quotients", [
    node("Mul", "x many", "large"), node("Floor", "large", "below"), node("Cast", "below", "i", to=7),
    node("Mul", "below prime_float", "multiples"), node("Floor", "multiples", "whole"),
    node("Cast", "whole", "w", to=7), node("Div", "i three", "d"), node("Div", "w prime", "e"),
    node("ArgMax", "x", "m", axis=1, keepdims=1), node("Div", "m three", "g"), node("Div", "m prime", "h"),
    *(node("Cast", name, name + "f", to=1) for name in "degh"), node("Concat", "df ef gf hf", "y", axis=1)],
    {"x": [1, 83, 6, 5]}, "y",
    {"many": f32(4), "three": np.int64(3), "prime": np.int64(41), "prime_float": f32(41)})

if __name__ == "__main__":
    main(lambda: None)
