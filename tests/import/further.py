#!/usr/bin/env python3
"""further.py [NAME...]: writes models of this folder, like make.py: forms of the graph, layouts, old opsets,
operators of other domains."""
# SPDX-License-Identifier: Apache-2.0
import numpy as np
from onnx import helper, numpy_helper
import make
from make import bad, case, f32, half, main, model, node, numbers, one, third

make.cases.clear()


# ---- the graph
case("unsorted", [
    node("Relu", "c", "y"), node("Add", "b a", "c"), node("Conv", "a w2", "b", pads=[1] * 4),
    node("Conv", "x w1", "a"), node("Constant", "", "unused", value_float=1.0)], {"x": [1, 2, 6, 5]}, "y",
    {"w1": (4, 2, 3, 3), "w2": (4, 4, 3, 3)})
sparse = helper.make_sparse_tensor(numpy_helper.from_array(np.array([2, -1], f32), "v"),
                                   numpy_helper.from_array(numbers(1, 4)), [2, 3])
case("written", [
    node("Constant", "", "bias", value_floats=[0.5, -1.0, 2.0]),
    node("Constant", "", "scales", value_floats=[1.0, 1.0, 2.0, 3.0]),
    node("Constant", "", "m", sparse_value=sparse), node("Conv", "x w bias", "a"),
    node("Resize", "a  scales", "b", mode="nearest", coordinate_transformation_mode="asymmetric",
         nearest_mode="floor"), node("GlobalMaxPool", "b", "c"), node("Flatten", "c", "d"),
    node("Gemm", "d m", "y", transB=1)], {"x": [1, 2, 3, 4]}, "y", {"w": (3, 2, 1, 1)})


# ---- repeated rows that are materialized; a boolean input; casts of fractions to integers
case("repeated", [
    node("Unsqueeze", "v second", "v1"), node("Expand", "v1 rows", "e"),
    node("Concat", "x e", "y", axis=2),
    node("Not", "truth", "n"), node("Cast", "n", "nf", to=1), node("Mul", "v nf", "q"),
    node("Tile", "v1 twice", "z"), node("Mul", "x three", "t"),
    node("Cast", "t", "ti", to=6), node("Cast", "ti", "w", to=1), node("Abs", "t", "ta"),
    node("Cast", "ta", "tb", to=2), node("Cast", "tb", "u", to=1), node("ReduceMean", "v", "m", axes=[1]),
    node("Unsqueeze", "m last", "m1"), node("Expand", "m1 plane", "k")],
    {"x": [1, 4, 6], "v": [1, 3], "truth": [1, 3]}, "y q z w u k",
    {"second": numbers(1), "last": numbers(-1), "rows": numbers(1, 4, 3), "twice": numbers(1, 2, 1),
     "three": third, "plane": numbers(1, 2, 5)}, last=("z", "k"))


case("mixed", [
    node("Reshape", "x cut", "a"), node("Transpose", "a", "b", perm=[0, 2, 1]),
    node("Reshape", "b joined", "c"),
    node("Slice", "c from to second", "d"), node("Unsqueeze", "d first", "y"),
    node("Transpose", "x", "t", perm=[0, 2, 1]), node("Unsqueeze", "t second", "u"), node("Abs", "u", "v"),
    node("Concat", "u v u", "w", axis=1), node("ReduceMean", "w", "m", axes=[1, 2])], {"x": [1, 4, 6]}, "y m",
    {"cut": numbers(4, 2, 3), "joined": numbers(0, -1), "from": numbers(1), "to": numbers(6),
     "first": numbers(0), "second": numbers(1)}, last=("y",))


# ---- Where, Softmax, ArgMax and Pad with infinite numbers; indices computed from infinite numbers
case("chosen", [
    node("Relu", "x", "r"), node("Log", "r", "l"), node("Greater", "x third", "g"),
    node("Where", "g l low", "a"), node("Where", "always l x", "b"), node("Where", "g lowest third", "c"),
    node("Softmax", "c", "d", axis=-1), node("ArgMax", "b", "m", axis=2), node("Add", "m around", "i"),
    node("Pad", "x pads lowest", "p"), node("Add", "i one", "j"), node("GatherElements", "p j", "e", axis=2),
    node("Gather", "table i", "f")], {"x": [1, 4, 6]}, "a d e f",
    {"third": f32(1 / 3), "low": (1, 1, 6), "always": np.array([[True], [False], [True], [False]]),
     "lowest": f32(-np.inf), "around": numbers(-1, 0, 1), "one": numbers(1),
     "pads": numbers(0, 0, 1, 0, 0, 1),
     "table": (8,)}, last=("x", "a", "d", "f"))


# ---- Fourier transforms; a constant that is larger than the value
case("spectra", [
    node("STFT", "x step hann", "a"), node("STFT", "x step uneven", "b", onesided=0),
    node("STFT", "x step  size", "c"), node("Reshape", "x frames", "f"),
    node("DFT", "f", "d", axis=2, onesided=1), node("DFT", "f ten", "e", axis=1),
    node("DFT", "e ten", "g", axis=1, inverse=1), node("ReduceMean", "x", "m", axes=[1]),
    node("Squeeze", "m last", "n"), node("Add", "n large", "h")],
    {"x": [1, 128, 1]}, "a b c d e g h",
    {"step": np.int64(8), "hann": f32(0.5 - 0.5 * np.cos(np.arange(16) * np.pi / 8)), "size": np.int64(16),
     "uneven": (12,), "frames": numbers(1, 2, 64, 1), "ten": np.int64(2), "last": numbers(-1),
     "large": (1, 7)}, last=("x", "a", "b", "c", "d"))


# ---- dynamically quantized: a convolution with a rounded bias, a product, an LSTM
draw = np.random.default_rng(3)
eight = {name: draw.integers(-90, 90, size).astype(np.int8)
         for name, size in (("w", (8, 3, 3, 3)), ("m", (8, 5)), ("W", (1, 5, 16)), ("R", (1, 4, 16)))}
case("dynamic", [
    node("DynamicQuantizeLinear", "x", "xq xs xz"), node("ConvInteger", "xq w xz wz", "ci", pads=[1] * 4),
    node("Cast", "ci", "cf", to=1), node("Mul", "xs ws", "cs"), node("Div", "b cs", "bt"),
    node("Floor", "bt", "br"), node("Cast", "br", "bi", to=6), node("Reshape", "bi bshape", "bq"),
    node("Cast", "bq", "bf", to=1), node("Add", "cf bf", "cb"), node("Mul", "cb cs", "c"),
    node("Relu", "c", "r"), node("Reshape", "r rows", "rr"), node("Transpose", "rr", "t", perm=[2, 0, 1]),
    node("DynamicQuantizeLinear", "t", "tq ts tz"), node("MatMulInteger", "tq m tz mz", "mi"),
    node("Cast", "mi", "mf", to=1), node("Mul", "ts ms", "mm"), node("Mul", "mf mm", "p"),
    node("DynamicQuantizeLSTM", "p W R B     Ws Wz Rs Rz", "- h", hidden_size=4, domain="com.microsoft"),
    node("Reshape", "h flat", "y")],
    {"x": [1, 3, 3, 2]}, "y",
    {**eight, "wz": np.int8(3), "mz": np.int8(-2), "ws": f32(0.01), "ms": f32(0.02), "b": (8,),
     "bshape": numbers(1, 8, 1, 1), "rows": numbers(1, 8, 6), "flat": numbers(1, 4), "B": (1, 32),
     "Ws": f32([0.02]), "Wz": np.int8([1]), "Rs": f32([0.01]), "Rz": np.int8([-4])})

nodes, inputs, _, weights, *_ = make.cases["dynamic"]
case("dynamic_unsorted", nodes[::-1], inputs, "y", weights)

case("dynamic_shared", [
    node("DynamicQuantizeLinear", "x", "xq xs xz"), node("MatMulInteger", "xq m xz mz", "ai"),
    node("Cast", "ai", "af", to=1), node("Mul", "xs ms", "as"), node("Mul", "af as", "a"),
    node("DynamicQuantizeLSTM", "a W R B     Ws Wz Rs Rz", "- b", hidden_size=4, domain="com.microsoft"),
    node("DynamicQuantizeLSTM", "b W R B     Ws Wz Rs Rz", "- c", hidden_size=4, domain="com.microsoft"),
    node("DynamicQuantizeLinear", "c", "cq cs cz"), node("MatMulInteger", "cq m cz mz", "di"),
    node("Cast", "di", "df", to=1), node("Mul", "cs ms", "ds"), node("Mul", "df ds", "d"),
    node("Reshape", "d flat", "y")],
    {"x": [1, 1, 4]}, "y",
    {"m": draw.integers(-90, 90, (4, 4)).astype(np.int8), "mz": np.int8(5), "ms": f32(0.02),
     "flat": numbers(1, 4), "W": draw.integers(-90, 90, (1, 4, 16)).astype(np.int8), "R": eight["R"],
     "B": (1, 32), "Ws": f32([0.02]), "Wz": np.int8([1]), "Rs": f32([0.01]), "Rz": np.int8([-4])})


# ---- windows
case("padded_by_axis", [
    node("ConvTranspose", "x w1", "a", strides=[1, 2], pads=[0, 1, 0, 1], output_padding=[0, 1]),
    node("ConvTranspose", "a w2", "b", strides=[3, 2], output_padding=[2, 0]),
    node("ConvTranspose", "b w3", "y", strides=[3, 2], pads=[0, 0, 1, 0], output_padding=[2, 1])],
    {"x": [1, 3, 4, 3]}, "y", {"w1": (3, 4, 1, 3), "w2": (4, 4, 2, 3), "w3": (4, 2, 2, 2)})


# ---- the order of outputs: channels last, or ONNX's order
case("turned", [
    node("Conv", "x w", "c", pads=[1] * 4), node("Relu", "c", "d"),
    node("Transpose", "d", "wide", perm=[0, 1, 3, 2]), node("Transpose", "d", "y", perm=[0, 2, 1, 3]),
    node("Reshape", "c flat", "e"), node("Transpose", "e", "z", perm=[0, 2, 1]),
    node("Slice", "x zero one one", "f"), node("Transpose", "f", "g", perm=[0, 1, 3, 2]),
    node("Sigmoid", "g", "plane"), node("Split", "d", "p q", "halves", axis=1), node("Neg", "q", "u")],
    {"x": [1, 2, 4, 6]}, "wide y z plane u",
    {"w": (4, 2, 3, 3), "flat": numbers(1, 4, 24), "zero": numbers(0), "one": numbers(1)},
    last=("y", "z", "plane"))
case("rearranged", [
    node("Reshape", "x parts", "a"), node("Transpose", "a", "b", perm=[0, 3, 1, 5, 2, 4]),
    node("Reshape", "b whole", "c"), node("Conv", "c w", "d"),
    node("Transpose", "d", "e", perm=[0, 3, 2, 1]), node("Conv", "e w2", "y")],
    {"x": [1, 24, 5, 6]}, "y",
    {"parts": numbers(1, 2, 3, 4, 5, 6), "whole": numbers(1, 8, 18, 5), "w": (3, 8, 2, 2),
     "w2": (2, 4, 1, 3)})


# ---- a wave between zeros: the constants are longer than the first value
case("padded_wave", [
    node("Slice", "x n0 n1 n2", "a"), node("Slice", "x n1 n9 n2", "b"), node("Slice", "x n0 n8 n2", "c"),
    node("Mul", "c half", "d"), node("Sub", "b d", "e"), node("Concat", "zeros a e zeros", "f", axis=-1),
    node("Conv", "f w", "y", strides=[2]), node("Concat", "zeros a", "z", axis=2)], {"x": [1, 1, 9]}, "y z",
    {"n0": numbers(0), "n1": numbers(1), "n2": numbers(2), "n8": numbers(8), "n9": numbers(9), "half": half,
     "zeros": np.zeros((1, 1, 4), f32), "w": (2, 1, 4)})


# ---- sizes with the same name are equal
case("tied", [
    node("Mul", "x m", "a"), node("Transpose", "s", "t", perm=[1, 0, 2]), node("Add", "a t", "b"),
    node("MatMul", "b w", "y")],
    {"x": ["batch", "length", 4], "m": ["batch", "length", 1], "s": [1, "batch", 4]}, "y", {"w": (4, 3)},
    last=("x", "m", "s", "y"))


# ---- layouts: the users of an input determine its channel axis
case("spectrogram", [
    node("Mul", "x half", "a"), node("Unsqueeze", "a one", "b"),
    node("Conv", "b w", "y", pads=[1] * 4)], {"x": [1, 8, 5]}, "y",
    {"half": half, "one": numbers(1), "w": (3, 1, 3, 3)}, last=("x",))
case("one_row", [
    node("Squeeze", "x two", "a"), node("Conv", "a w", "b"), node("Reshape", "z shape", "c"),
    node("Conv", "c w2", "d"), node("GlobalMaxPool", "b", "e"), node("GlobalMaxPool", "d", "f"),
    node("Flatten", "e", "g"), node("Flatten", "f", "h"), node("Add", "g h", "y")],
    {"x": [1, 4, 1, 9], "z": [1, 3, 7]}, "y",
    {"two": numbers(2), "w": (2, 4, 3), "shape": numbers(0, 1, 3, -1), "w2": (2, 1, 2, 2)}, last=("z",))
case("small_maps", [
    node("LRN", "x", "a", size=3), node("Neg", "x2", "b"), node("DepthToSpace", "b", "c", blocksize=2),
    node("PRelu", "x3 slopes", "d"), node("ReduceMean", "x4", "e", axes=[2, 3]), node("Add", "x5 row", "f"),
    node("Softmax", "x6", "g", axis=1)],
    {"x": [1, 8, 3, 3], **{f"x{i}": [1, 8, 3, 3] for i in range(2, 7)}}, "a c d e f g",
    {"slopes": (8, 1, 1), "row": (3,)}, last=("x5", "f"))


# ---- local response normalization
case("even_windows", [
    node("LRN", "x", "a", size=2, alpha=0.5), node("LRN", "a", "b", size=4, alpha=1.0, beta=0.6, bias=2.0),
    node("LRN", "b", "y", size=12, alpha=2.0)], {"x": [1, 5, 3, 2]}, "y")
case("bands", [  # windows over channels: of even size as in PyTorch, odd, and of even size as in ONNX
    node("Mul", "x x", "a"), node("Conv", "a w1", "b"), node("Add", "b one", "c"), node("Pow", "c beta", "d"),
    node("Div", "x d", "e"), node("Mul", "e e", "f"), node("Conv", "f w2", "g"), node("Add", "g one", "h"),
    node("Pow", "h beta", "i"), node("Div", "e i", "j"), node("Mul", "j j", "k"), node("Conv", "k w3", "l"),
    node("Add", "one l", "m"), node("Pow", "m beta", "n"), node("Div", "j n", "o"), node("Mul", "o o", "p"),
    node("Conv", "p w4", "q"), node("Add", "q one", "r"), node("Pow", "r beta", "s"),
    node("Div", "o s", "y")],
    {"x": [1, 5, 3, 2]}, "y",
    {"one": one, "beta": f32(0.75),
     **{f"w{i + 1}": np.sum([np.eye(5, k=k) * 0.25 for k in range(low, high)], 0, f32).reshape(5, 5, 1, 1)
        for i, (low, high) in enumerate([(-2, 2), (-1, 2), (-1, 3), (0, 4)])}})
case("fraction", [
    node("Pow", "x two", "a"), node("Pow", "a p", "b"), node("Sigmoid", "x", "c"), node("Pow", "c q", "d"),
    node("Add", "b d", "y")], {"x": [1, 4, 3]}, "y", {"two": f32(2), "p": f32(0.3), "q": f32(-1.75)})


# ---- broadcasting in opsets before 7
case("along_axis", [
    node("Conv", "x w", "a"), node("Add", "a b", "c", broadcast=1, axis=1),
    node("Mul", "c v", "d", broadcast=1, axis=2), node("Sub", "d b", "e", broadcast=1, axis=-3),
    node("Div", "e u", "f", broadcast=1), node("GlobalMaxPool", "f", "g"),
    node("Squeeze", "g", "h", axes=[0, 2, 3]), node("Add", "f h", "i", broadcast=1, axis=1),
    node("Mul", "i third", "j", broadcast=1), node("Add", "j plane", "k", broadcast=1, axis=2),
    node("PRelu", "k slopes", "y")], {"x": [1, 3, 4, 4]}, "y",
    {"w": (4, 3, 1, 1), "b": (4,), "v": (4,), "u": np.array([1, 2, 3, 4], f32), "third": third,
     "plane": (4, 4), "slopes": (4, 1, 1)}, opset=6)
case("placed_last", [  # the last dimension has as many elements as the channels
    node("Add", "x b", "c", broadcast=1), node("Mul", "c v", "d", broadcast=1, axis=-1),
    node("Sub", "d b", "e", broadcast=1, axis=3), node("Div", "e u", "f", broadcast=1, axis=-2),
    node("PRelu", "f v", "y")], {"x": [1, 3, 3, 3]}, "y",
    {"b": (3,), "v": (3,), "u": np.array([1, 2, 3], f32)}, opset=6)


# ---- operators of onnxruntime's optimizer and of scikit-learn's converter
ms = {"domain": "com.microsoft"}
case("fused", [
    node("FusedConv", "x w1 b1", "a", activation="LeakyRelu", activation_params=[0.25], **ms),
    node("FusedConv", "a w2 b2 a", "b", activation="Clip", activation_params=[-0.5, 2.0], **ms),
    node("GlobalAveragePool", "b", "c"), node("Flatten", "c", "d"),
    node("FusedGemm", "d w3 b3", "y", activation="HardSigmoid", activation_alpha=0.3, activation_beta=0.4,
         transB=1, alpha=0.5, **ms), node("FusedGemm", "d w3", "z", activation="Relu", transB=1, **ms)],
    {"x": [1, 2, 5, 4]}, "y z",
    {"w1": (4, 2, 3, 3), "b1": (4,), "w2": (4, 4, 1, 1), "b2": (4,), "w3": (3, 4), "b3": (3,)})
case("fused_sequence", [
    node("FusedMatMul", "x w1", "a", transB=1, alpha=0.5, **ms), node("BiasGelu", "a b1", "b", **ms),
    node("SkipLayerNormalization", "b a g b1 b2", "c - - s", epsilon=1e-5, **ms),
    node("FastGelu", "c b2", "d", **ms), node("QuickGelu", "d", "e", alpha=1.5, **ms),
    node("Gelu", "e", "f", **ms), node("SimplifiedLayerNormalization", "f g", "h", axis=-1, epsilon=1e-5),
    node("SkipLayerNormalization", "h s g", "i", epsilon=1e-5, **ms),
    node("FusedMatMul", "i w2", "j", transA=1, **ms), node("Transpose", "j", "k", perm=[0, 2, 1]),
    node("FastGelu", "k", "y", **ms)], {"x": [1, 7, 4]}, "y",
    {"w1": (6, 4), "b1": (6,), "b2": (6,), "g": (6,), "w2": (7, 5)}, last=("x",))
case("hard_gate", [  # x * HardSigmoid(x) is HardSwish with beta=0.5 only
    node("HardSigmoid", "x", "a", alpha=1 / 6, beta=0.4), node("Mul", "a x", "b"),
    node("HardSigmoid", "b", "c", alpha=1 / 6, beta=0.5), node("Mul", "b c", "y")], {"x": [1, 4, 5, 3]}, "y")
case("scaled", [
    node("Scaler", "x", "a", domain="ai.onnx.ml", offset=[1.0, -2.0, 0.5], scale=[0.5, 2.0, 3.0]),
    node("Gemm", "a w", "y")], {"x": [1, 3]}, "y", {"w": (3, 4)})


# ---- operands with fewer elements, which are broadcast
case("weighted", [  # one weight per position, as in attentive pooling
    node("Transpose", "x", "t", perm=[0, 2, 1]), node("MatMul", "t w", "s"),
    node("Softmax", "s", "a", axis=1),
    node("Mul", "a t", "m"), node("ReduceSum", "m axis", "y", keepdims=0), node("Conv", "p k", "q"),
    node("Reshape", "q flat", "r"), node("Softmax", "r", "u", axis=1), node("Reshape", "u map", "v"),
    node("Sub", "p v", "z")], {"x": [1, 5, 7], "p": [1, 3, 4, 6]}, "y z",
    {"w": (5, 1), "axis": numbers(1), "k": (1, 3, 1, 1), "flat": numbers(1, 24), "map": numbers(1, 1, 4, 6)})
case("loudest", [
    node("ReduceMax", "x", "top", keepdims=0), node("Sub", "top one", "low"), node("Clip", "x low", "a"),
    node("Clip", "a  top", "b"), node("Min", "b low", "c"), node("Div", "c top", "d"),
    node("Add", "low d", "e"),
    node("Clip", "e minus top", "y")], {"x": [1, 3, 4, 5]}, "y", {"one": one, "minus": f32(-1)})
case("not_kept", [  # a mean without keepdims, broadcast along another dimension
    node("ReduceMean", "x", "a", axes=[2], keepdims=0), node("Sub", "x a", "b"), node("Mul", "b b", "c"),
    node("ReduceMean", "c", "d", axes=[2], keepdims=0), node("Add", "d small", "e"),
    node("Sqrt", "e", "f"), node("Div", "b f", "y")], {"x": [1, 6, 6]}, "y", {"small": f32(1e-3)})
case("nothing_joined", [
    node("Relu", "x", "a"), node("Concat", "none a", "b", axis=2), node("Concat", "a none", "c", axis=2),
    node("Add", "b c", "y")], {"x": [1, 3, 5]}, "y", {"none": np.zeros((1, 3, 0), f32)})

# ---- reductions over one axis of images, and over several in sequence
case("one_axis", [
    node("ReduceMean", "x", "a", axes=[2]), node("ReduceMax", "x", "b", axes=[3], keepdims=0),
    node("Relu", "x", "c"), node("ReduceSum", "c two", "d", keepdims=0),
    node("ReduceMin", "x", "e", axes=[-1]),
    node("ReduceMean", "c", "f", axes=[3], keepdims=0), node("ReduceMean", "f", "g", axes=[2], keepdims=0),
    node("ReduceMean", "x", "h", axes=[-2]), node("ReduceMean", "h", "i", axes=[-1])],
    {"x": [1, 3, 4, 5]}, "a b d e g i", {"two": numbers(2)})
case("norm_moved", [  # optimizers move a Transpose after the difference
    node("Conv", "x k", "f"), node("Reshape", "f shape", "r"), node("ReduceMean", "r", "mean", axes=[1]),
    node("Sub", "r mean", "s"), node("Transpose", "s", "t", perm=[0, 2, 1]), node("Pow", "t two", "q"),
    node("ReduceMean", "q", "v", axes=[-1]), node("Add", "v small", "e"), node("Sqrt", "e", "d"),
    node("Div", "t d", "n"), node("Mul", "n g", "m"), node("Add", "m b", "y")], {"x": [1, 3, 3, 7]}, "y",
    {"k": (6, 3, 3, 1), "shape": numbers(1, 6, 7), "two": f32(2), "small": f32(1e-3), "g": (6,), "b": (6,)},
    last=("y",))
case("rows", [  # a product of the rows of a sequence, without the batch dimension
    node("Transpose", "x", "t", perm=[0, 2, 1]), node("Reshape", "t flat", "r"), node("Gemm", "r w b", "g"),
    node("Reshape", "g back", "h"), node("Softmax", "g", "s", axis=1), node("Reshape", "s back", "u"),
    node("Add", "h u", "y")], {"x": [1, 4, 7]}, "y",
    {"flat": numbers(7, 4), "w": (4, 3), "b": (3,), "back": numbers(1, 7, 3)}, last=("y",))
case("mirrored", [
    node("Pad", "x channels", "a", mode="reflect"), node("Pad", "x all", "b", mode="edge"),
    node("GlobalAveragePool", "x", "c"), node("Flatten", "c", "d"),
    node("Pad", "d ends", "e", mode="reflect"),
    node("Pad", "d ends half", "y")], {"x": [1, 4, 3, 5]}, "a b e y",
    {"channels": numbers(0, 1, 0, 0, 0, 2, 0, 0), "all": numbers(0, 2, 1, 0, 0, 0, 0, 3),
     "ends": numbers(0, 1, 0, 2), "half": half})

case("no_nan", [  # 0 where the divisor is 0, as TensorFlow divides
    node("Relu", "x", "a"), node("Equal", "a zero", "b"), node("Div", "x a", "c"),
    node("Where", "b zero c", "d"),
    node("ReduceMin", "a", "e"), node("Div", "x e", "f"), node("Equal", "zero e", "g"),
    node("Where", "g zero f", "h"), node("Add", "d h", "y"), node("Mul", "x least", "k"),
    node("Mul", "a least", "l"), node("Equal", "l zero", "m"), node("Div", "k l", "n"),
    node("Where", "m zero n", "z")], {"x": [1, 3, 4, 5]}, "y z", {"zero": f32(0), "least": f32(1e-38)})


def recurrent(kind, directions=1, units=4, channels=5):
    """W, R and B of a layer."""
    sums = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind] * units
    return (directions, sums, channels), (directions, sums, units), (directions, 2 * sums)


def weights_of(name, *arguments, **more):
    return dict(zip((name + part for part in "WRB"), recurrent(*arguments, **more)))


def recurrent_layers():
    """Both directions, last rows, initial states, three sequences in one call; outputs as vectors."""
    layers = [node("Transpose", "x", "rows", perm=[1, 0, 2]), node("Reshape", "x three", "many"),
              node("LSTM", "rows aW aR aB  h", "a0", hidden_size=4),
              node("LSTM", "rows bW bR bB  hb cb", "b0 b1", hidden_size=4, direction="bidirectional"),
              node("GRU", "rows cW cR cB", "c0 c1", hidden_size=4, linear_before_reset=1),
              node("GRU", "rows dW dR", "- d0", hidden_size=4, direction="reverse"),
              node("RNN", "rows eW eR eB length", "e0", hidden_size=4, direction="bidirectional",
                   activations=["Relu", "Relu"]),
              node("RNN", "many fW fR fB", "f0 f1", hidden_size=4),
              node("LSTM", "many gW gR gB", "- g0", hidden_size=4, direction="bidirectional")]
    results = "a0 b0 b1 c0 c1 d0 e0 f0 f1 g0".split()
    return layers + [node("Reshape", name + " flat", name.upper()) for name in results], " ".join(
        name.upper() for name in results)


case("recurrent", recurrent_layers()[0], {"x": [1, 6, 5]}, recurrent_layers()[1], {
    "h": np.zeros((1, 1, 4), np.float32), "hb": (2, 1, 4), "cb": (2, 1, 4), "length": np.int32([6]),
    "three": numbers(2, 3, 5), "flat": numbers(1, -1),
    **weights_of("a", "LSTM"), **weights_of("b", "LSTM", 2),
    **weights_of("c", "GRU"), **weights_of("d", "GRU"), **weights_of("e", "RNN", 2),
    **weights_of("f", "RNN"), **weights_of("g", "LSTM", 2)}, last=("x",))
case("recurrent_cell", [  # one row, with the state as input and output
    node("LSTM", "x W R B  h c", "y0 y1 y2", hidden_size=4), node("Reshape", "y0 flat", "y"),
    node("Reshape", "y1 flat", "yh"), node("Reshape", "y2 flat", "yc")],
    {"x": [1, 1, 5], "h": [1, 1, 4], "c": [1, 1, 4]}, "y yh yc",
    {"flat": numbers(1, -1), **weights_of("", "LSTM")}, last=("x", "h", "c"))

case("recurrent_cells", [  # c after the last row, in each direction, from given initial states or zeros
    node("Transpose", "x", "rows", perm=[1, 0, 2]),
    node("LSTM", "rows aW aR aB  h c", "a0 a1 a2", hidden_size=4),
    node("LSTM", "rows bW bR", "- b1 b2", hidden_size=4, direction="reverse"),
    node("LSTM", "rows cW cR cB  hc cc", "c0 - c2", hidden_size=4, direction="bidirectional"),
    node("ReduceMax", "rows", "one", axes=[0]), node("LSTM", "one dW dR dB", "- - d2", hidden_size=4),
    *[node("Reshape", name + " flat", name.upper()) for name in "a0 a1 a2 b1 b2 c0 c2 d2".split()]],
    {"x": [1, 5, 3], "h": [1, 1, 4], "c": [1, 1, 4]}, "A0 A1 A2 B1 B2 C0 C2 D2", {
    "flat": numbers(1, -1), "hc": (2, 1, 4), "cc": (2, 1, 4), **weights_of("a", "LSTM", channels=3),
    **weights_of("b", "LSTM", channels=3), **weights_of("c", "LSTM", 2, channels=3),
    **weights_of("d", "LSTM", channels=3)}, last=("x", "h", "c"))
make.TABLES += ("times",)
case("steps_together", [  # four images that are steps in time: the batch is a dimension of the value
    node("Unsqueeze", "steps one", "a"), node("Conv", "a k", "b", strides=[2], pads=[1, 1]),
    node("MaxPool", "b", "p", kernel_shape=[2], strides=[2]), node("Relu", "p", "r"),
    node("ReduceMean", "r", "m", axes=[2], keepdims=0), node("Unsqueeze", "m one", "rows"),
    node("LSTM", "rows W R B", "- h c", hidden_size=4), node("Reshape", "h flat", "y"),
    node("Reshape", "c flat", "z"), node("MatMul", "steps w", "product"),
    node("Transpose", "product", "times", perm=[1, 0])], {"steps": [4, 19]}, "y z times", {
    "one": numbers(1), "k": (5, 1, 5), "flat": numbers(1, -1), "w": (19, 3), **weights_of("", "LSTM")})


def bad_files():
    """Models that must be rejected."""
    for name, (nodes, inputs, weights) in refused.items():
        outputs = "y hn" if name == "state_hint" else "y"
        opset = {"wrong_axis": 6, "newer_opset": 99}.get(name, 17)
        case(name, nodes, inputs, outputs, weights, opset=opset)
        bad(name, model(name))


refused = {
    "contradicts": ([node("Conv", "x w", "a", kernel_shape=[5, 5]),
                     node("ConvTranspose", "x v", "b", kernel_shape=[3]), node("Add", "a b", "y")],
                    {"x": [1, 3, 6, 6]}, {"w": (4, 3, 3, 3), "v": (3, 4, 2, 2)}),
    "wrong_axis": ([node("Add", "x b", "y", broadcast=1, axis=2)], {"x": [1, 3, 4, 5]}, {"b": (3,)}),
    "circle": ([node("Add", "x b", "a"), node("Relu", "a", "b"), node("Neg", "b", "y")], {"x": [1, 3]}, {}),
    "recurrent_clip": ([node("LSTM", "x W R", "y", hidden_size=4, clip=3.0)], {"x": [3, 1, 5]},
                       weights_of("", "LSTM")),
    "recurrent_peepholes": ([node("LSTM", "x W R B    P", "y", hidden_size=4)], {"x": [3, 1, 5]},
                            {**weights_of("", "LSTM"), "P": (1, 12)}),
    "recurrent_activations": ([node("GRU", "x W R", "y", hidden_size=4, activations=["Relu", "Tanh"])],
                              {"x": [3, 1, 5]}, weights_of("", "GRU")),
    "state_hint": ([node("Add", "x h", "a"), node("Acos", "a", "y"), node("Sub", "x h", "hn")],
                   {"x": [1, 3], "h": [1, 3]}, {}),
    "newer_opset": ([node("Relu", "x", "a"), node("Acos", "a", "y")], {"x": [1, 3]}, {}),
    "words": ([node("Constant", "", "a", value_strings=["yes", "no"]), node("Add", "x a", "y")],
              {"x": [1, 2]}, {}),
}

if __name__ == "__main__":
    main(bad_files)
