#!/usr/bin/env python3
"""attentions.py [NAME...]: writes models of this folder, like make.py: Attention, RotaryEmbedding,
RMSNormalization, and the fused operators of onnxruntime's transformer optimizer."""
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import make
from make import bad, case, f32, main, model, node, numbers

make.cases.clear()
make.TABLES += ("masked",)
inf = np.inf
heads3 = {"q_num_heads": 3, "kv_num_heads": 3}
seen = np.array([[j <= i for j in range(5)] for i in range(6)])
some = np.array([[(i + j) % 3 > 0 for j in range(5)] for i in range(6)])
blind = some & np.array([[i != 2] for i in range(6)])

case("attends", [
    node("Attention", "q k v", "a", **heads3),
    node("Attention", "q k v byhead", "b", scale=0.25, **heads3),
    node("Attention", "q k v some", "c", **heads3),
    node("Attention", "q k v blind", "d", is_causal=1, **heads3),
    node("Attention", "q k v seen", "e", **heads3),
    node("Attention", "q few few masked", "f", q_num_heads=3, kv_num_heads=1),
    node("Attention", "q few few masked", "g", q_num_heads=3, kv_num_heads=1, is_causal=1),
    node("Attention", "asks k v hidden", "h", **heads3)],
    {"q": [1, 6, 12], "k": [1, 5, 12], "v": [1, 5, 6], "few": [1, 5, 4], "masked": [6, 5]}, "a b c d e f g h",
    {"byhead": (1, 3, 6, 5), "some": some, "blind": blind, "seen": seen, "asks": (1, 4, 12),
     "hidden": f32([[0, -inf, 2, 0, -1]] * 4)}, opset=23, last=(*"abcdefghqkv", "few"))
case("attends_4d", [
    node("Reshape", "x apart", "r"), node("Transpose", "r", "t", perm=[0, 1, 3, 2]),
    node("Attention", "t t t", "a", is_causal=1), node("Transpose", "a", "b", perm=[0, 1, 3, 2]),
    node("Reshape", "b joined", "y"),
    node("Attention", "p p p", "z")],
    {"x": [1, 8, 3, 2], "p": [1, 2, 5, 4]}, "y z",
    {"apart": numbers(1, 2, 4, 6), "joined": numbers(1, 8, 3, 2)},
    opset=23, last="x")

# ---- four parts of a sequence as the batch of Attention: models of opset 23 compute windows in this form
parts = {"apart": numbers(4, 5, 3, 4), "whole": numbers(1, 20, 12)}
case("attends_rows", [
    node("MatMul", "x w", "x1"), node("Reshape", "x1 parts", "p"), node("Attention", "p p p", "a", **heads3),
    node("Attention", "a p p byrow", "b", **heads3),
    node("Attention", "b p p byhead", "c", **heads3), node("Attention", "c p p masked", "d", **heads3),
    node("Reshape", "d whole", "y"),
    node("Reshape", "p apart", "r"), node("Transpose", "r", "t", perm=[0, 2, 1, 3]),
    node("Attention", "t t t", "e", is_causal=1), node("Transpose", "e", "f", perm=[0, 2, 1, 3]),
    node("Reshape", "f whole", "z")],
    {"x": [1, 20, 12], "masked": [5, 5]}, "y z",
    {**parts, "parts": numbers(4, 5, 12), "w": (12, 12), "byrow": (4, 1, 5, 5), "byhead": (1, 3, 5, 5)},
    opset=23, last=("x", "y", "z", "masked"))
# ---- four heads of queries, two of keys; one mask, which is an input; q, k and v computed, or inputs
grouped = [
    node("Reshape", "q four", "q1"), node("Transpose", "q1", "q2", perm=[0, 2, 3, 1, 4]),
    node("Reshape", "k two", "k1"), node("Transpose", "k1", "k2", perm=[0, 2, 3, 4, 1]),
    node("Reshape", "v two", "v1"), node("Transpose", "v1", "v2", perm=[0, 2, 3, 1, 4]),
    node("MatMul", "q2 k2", "s"), node("Mul", "s half", "s1"), node("Add", "s1 masked", "s2"),
    node("Softmax", "s2", "p", axis=-1), node("MatMul", "p v2", "o"),
    node("Transpose", "o", "o1", perm=[0, 3, 1, 2, 4]), node("Reshape", "o1 joined", "y")]
grouped_sizes = {"four": numbers(1, 6, 2, 2, 4), "two": numbers(1, 5, 2, 1, 4), "half": f32(0.5),
                 "joined": numbers(1, 6, 16)}
case("attends_grouped", [
    node("MatMul", "x w", "q"), node("MatMul", "z w2", "k"), node("MatMul", "z w3", "v"), *grouped],
    {"x": [1, 6, 12], "z": [1, 5, 12], "masked": [6, 5]}, "y",
    {**grouped_sizes, "w": (12, 16), "w2": (12, 8), "w3": (12, 8)}, last=("x", "z", "y", "masked"))
case("grouped_sum", grouped, {"q": [1, 6, 16], "k": [1, 5, 8], "v": [1, 5, 8], "masked": [6, 5]}, "y",
     grouped_sizes, last=("masked",))

# ---- parts of a sequence, each with one mask for all of its heads; the masks are an input
case("masked_parts", [
    node("MatMul", "x w", "x1"), node("Reshape", "x1 apart", "r"),
    node("Transpose", "r", "q", perm=[0, 2, 1, 3]), node("Transpose", "r", "k", perm=[0, 2, 3, 1]),
    node("Transpose", "m", "m1", perm=[1, 0, 2, 3]), node("MatMul", "q k", "s"), node("Add", "s m1", "s1"),
    node("Softmax", "s1", "p", axis=-1), node("MatMul", "p q", "a"),
    node("Transpose", "a", "b", perm=[0, 2, 1, 3]), node("Reshape", "b whole", "y")],
    {"x": [1, 20, 12], "m": [1, 4, 5, 5]}, "y", {**parts, "w": (12, 12)}, last="xym")

make.integers.add("places")
case("rotates", [
    node("RotaryEmbedding", "x cos sin", "a", num_heads=3),
    node("RotaryEmbedding", "x cache1 cache2 second", "b", num_heads=2, rotary_embedding_dim=4,
         interleaved=1),
    node("RotaryEmbedding", "x cache1 cache2 places", "c", num_heads=3),
    node("RotaryEmbedding", "p cos sin", "d")],
    {"x": [1, 5, 12], "cos": [1, 5, 2], "sin": [1, 5, 2], "places": [1, 5], "p": [1, 2, 5, 4]}, "a b c d",
    {"cache1": (7, 2), "cache2": (7, 2), "second": numbers(6, 0, 3, 3, 1).reshape(1, 5)}, opset=23,
    last=("x", "a", "b", "c", "cos", "sin"))

case("rms", [
    node("RMSNormalization", "x w6", "a", epsilon=1e-3), node("RMSNormalization", "x w56", "b", axis=2),
    node("Mul", "x x", "s"), node("ReduceMean", "s one", "m"), node("Add", "m e", "me"),
    node("Sqrt", "me", "r"), node("Div", "x r", "n"), node("Mul", "n w4", "c"),
    node("Pow", "x two", "s2"), node("ReduceMean", "s2 last", "m2"), node("Add", "m2 e", "me2"),
    node("Sqrt", "me2", "r2"), node("Reciprocal", "r2", "i2"), node("Mul", "x i2", "n2"),
    node("Mul", "w6 n2", "d"),
    node("ReduceMean", "s two_", "m3"), node("Add", "m3 e", "me3"), node("Sqrt", "me3", "r3"),
    node("Div", "x r3", "f")],
    {"x": [1, 4, 5, 6]}, "a b c d f",
    {"w6": (6,), "w56": (5, 6), "w4": (4, 1, 1), "one": numbers(1), "last": numbers(-1), "two_": numbers(2),
     "two": f32(2), "e": f32(1e-3)}, opset=23, last="xabdf")

microsoft = {"domain": "com.microsoft"}
case("optimized", [
    node("FusedMatMul", "x w", "a", alpha=0.5, transB=1, **microsoft),
    node("BiasGelu", "a b", "c", **microsoft), node("FastGelu", "c b", "d", **microsoft),
    node("SkipLayerNormalization", "a d g b b", "y", epsilon=1e-3, **microsoft),
    node("LayerNormalization", "y g b", "z", epsilon=1e-3),
    node("SimplifiedLayerNormalization", "z g", "u", epsilon=1e-3),
    node("SkipSimplifiedLayerNormalization", "u z g", "v", epsilon=1e-3, **microsoft)],
    {"x": [1, 7, 5]}, "y z u v", {"w": (8, 5), "b": (8,), "g": (8,)}, opset=16, last="xyzuv")

case("optimized_attention", [
    node("MultiHeadAttention", "x k v b", "a", num_heads=2, **microsoft),
    node("MultiHeadAttention", "a k v   added", "c", num_heads=4, scale=0.25, **microsoft),
    node("RotaryEmbedding", "c first cache1 cache2", "r", num_heads=2, interleaved=1, **microsoft),
    node("MultiHeadAttention", "r r r", "d", num_heads=2, unidirectional=1, **microsoft),
    node("Attention", "d w c36", "e", num_heads=3, **microsoft),
    node("Attention", "e w2 c32   added2", "y", num_heads=2, scale=0.5, qkv_hidden_sizes=[8, 8, 16],
         **microsoft)],
    {"x": [1, 5, 12], "k": [1, 7, 12], "v": [1, 7, 12], "added": [1, 1, 5, 7]}, "d e y",
    {"b": (36,), "w": (12, 36), "c36": (36,), "w2": (12, 32), "c32": (32,), "added2": (1, 2, 5, 5),
     "cache1": (9, 3), "cache2": (9, 3), "first": numbers(2)}, opset=17, last=("x", "k", "v", "d", "e", "y"))


def refused():
    """Unsupported attention: with a cache, with scores that another node reads, a softcap, a padding mask."""
    for name, nodes, inputs in (
            ("attends_cache", [node("Attention", "q k v  pk pv", "y")],
             {"q": [1, 2, 3, 4], "k": [1, 2, 5, 4], "v": [1, 2, 5, 4], "pk": [1, 2, 6, 4],
              "pv": [1, 2, 6, 4]}),
            ("attends_scores", [node("Attention", "q k v", "a - - s"), node("ReduceSum", "s", "b"),
                                node("Add", "a b", "y")],
             {"q": [1, 2, 3, 4], "k": [1, 2, 5, 4], "v": [1, 2, 5, 4]}),
            ("attends_capped", [node("Attention", "q k v", "y", softcap=2.0)],
             {"q": [1, 2, 3, 4], "k": [1, 2, 5, 4], "v": [1, 2, 5, 4]}),
            ("optimized_cache", [node("MultiHeadAttention", "q k v    pk pv", "y", num_heads=2, **microsoft)],
             {"q": [1, 3, 8], "k": [1, 5, 8], "v": [1, 5, 8], "pk": [1, 2, 6, 4], "pv": [1, 2, 6, 4]}),
            ("optimized_padding", [node("MultiHeadAttention", "q k v  m", "y", num_heads=2, **microsoft)],
             {"q": [1, 3, 8], "k": [1, 5, 8], "v": [1, 5, 8], "m": [1, 5]})):
        make.cases[name] = (nodes, inputs, ["y"], {}, 23, (), 1.0)
        bad(name, model(name))


if __name__ == "__main__":
    main(refused)
