#!/usr/bin/env python3
"""shipped.py [NAME...]: writes models, like make.py: building blocks of models that packages ship."""
# SPDX-License-Identifier: Apache-2.0
import numpy as np
from onnx import helper
import make
from make import case, f32, main, node, numbers

make.cases.clear()


# ---- permuted elements
def backward(x, axis, y, step=-1, start=-1, end=-100):
    return node("Slice", f"{x} n{-start} n{-end} p{axis} n{-step}", y)


steps = {**{f"n{i}": numbers(-i) for i in (1, 2, 100)}, **{f"p{i}": numbers(i) for i in range(4)}}
case("backward", [
    node("Conv", "x w", "a", pads=[1] * 4), backward("a", 1, "b"), backward("b", 2, "c"),
    backward("c", 3, "d", -2), node("Slice", "d p0 far p1 two", "e"), node("Conv", "e w2", "y"),
    node("Slice", "x both back axes back", "z"), backward("a", 3, "u", -2, -2)],
    {"x": [1, 3, 4, 5]}, "y z u",
    {**steps, "w": (6, 3, 3, 3), "w2": (4, 3, 2, 2), "far": numbers(1 << 62), "two": numbers(2),
     "both": numbers(-1, 3), "back": numbers(-5, -3), "axes": numbers(3, 2)})
case("scattered", [
    node("Conv", "x w", "a"), node("Gather", "a channels", "b", axis=1),
    node("Gather", "b rows", "c", axis=2), node("Gather", "c columns", "d", axis=3),
    node("Reshape", "d flat", "e"), node("Gather", "e many", "f", axis=2),
    node("Gather", "f table", "y", axis=1), node("GlobalMaxPool", "a", "g"), node("Flatten", "g", "h"),
    node("Gather", "h channels", "i", axis=1), node("Gather", "i columns", "z", axis=1)],
    {"x": [1, 2, 6, 8]}, "y z",
    {"w": (5, 2, 1, 1), "channels": numbers(4, 0, 1, 1, -2), "rows": numbers(5, 0, 3),
     "flat": numbers(1, 5, -1), "columns": numbers(3, 1, 2, 0),
     "many": numbers(*(7 * i % 12 for i in range(40))), "table": numbers(3, 1, 0, 2).reshape(2, 2)},
    last=("y",))


# ---- unrolled recurrence: concatenated steps, states as inputs
def cells(x, count, made):
    for i in range(count):
        before = f"{made}h{i - 1}" if i else "h0"
        yield node("Gather", f"{x} i{i}", f"{made}x{i}", axis=0)
        yield node("Gemm", f"{made}x{i} wx bias", f"{made}a{i}")
        yield node("Gemm", f"{before} wh", f"{made}b{i}")
        yield node("Add", f"{made}a{i} {made}b{i}", f"{made}s{i}")
        yield node("Tanh", f"{made}s{i}", f"{made}h{i}")
        yield node("Unsqueeze", f"{made}h{i} p0", f"{made}y{i}")
    yield node("Concat", " ".join(f"{made}y{i}" for i in range(count)), made, axis=0)


case("unrolled", [
    node("Conv", "x w", "a"), node("Transpose", "a", "b", perm=[2, 0, 1]), *cells("b", 5, "f"),
    backward("b", 0, "c"), *cells("c", 5, "r"), backward("r", 0, "d"), node("Concat", "f d", "e", axis=2),
    node("MatMul", "e last", "steps")], {"x": [1, 3, 5]}, "steps",
    {**steps, **{f"i{i}": numbers(i).reshape(()) for i in range(5)}, "w": (4, 3, 1), "wx": (4, 6),
     "wh": (6, 6), "bias": (6,), "h0": (1, 6), "last": (12, 3)})
case("state", [
    node("Gather", "h zero", "a", axis=0), node("Gather", "h one", "b", axis=0), node("Gemm", "x w", "c"),
    node("Add", "a c", "d"), node("Tanh", "d", "e"), node("Mul", "e b", "y"),
    node("Unsqueeze", "e first", "f"), node("Unsqueeze", "y first", "g"),
    node("Concat", "f g", "h2", axis=0)],
    {"x": [1, 3], "h": [2, 1, 4]}, "y h2",
    {"w": (3, 4), "zero": np.int64(0), "one": np.int64(1), "first": numbers(0)}, last=("h",))


# ---- norms and softmaxes, decomposed
def beside(x, axis, made, y):
    """Restores the reduced axis, with the shape of x."""
    yield node("Shape", x, f"{y}_sizes")
    yield node("ScatterElements", f"{y}_sizes p{axis} p1", f"{y}_shape")
    yield node("Reshape", f"{made} {y}_shape", f"{y}_back")
    yield node("Expand", f"{y}_back {y}_shape", y)


def by_squares(x, axis, size, y, weight="", bias=""):
    """JAX's layer norm: the variance is the mean of squares minus the square of the mean."""
    yield node("ReduceSum", f"{x} p{axis}", f"{y}1", keepdims=0, noop_with_empty_axes=1)
    yield node("Mul", f"{y}1 part{size}", f"{y}2")
    yield node("Mul", f"{x} {x}", f"{y}3")
    yield node("ReduceSum", f"{y}3 p{axis}", f"{y}4", keepdims=0)
    yield node("Div", f"{y}4 size{size}", f"{y}5")
    yield node("Mul", f"{y}2 {y}2", f"{y}6")
    yield node("Sub", f"{y}5 {y}6", f"{y}7")
    yield node("Max", f"none {y}7", f"{y}8")
    yield from beside(x, axis, f"{y}8", f"{y}9")
    yield node("Add", f"{y}9 small", f"{y}10")
    yield node("Sqrt", f"{y}10", f"{y}11")
    yield node("Reciprocal", f"{y}11", f"{y}12")
    yield from beside(x, axis, f"{y}2", f"{y}13")
    yield node("Sub", f"{x} {y}13", f"{y}14")
    yield node("Mul", f"{y}12 {weight}", f"{y}15") if weight else node("Identity", f"{y}12", f"{y}15")
    yield node("Mul", f"{y}14 {y}15", f"{y}16" if bias else y)
    if bias:
        yield node("Add", f"{y}16 {bias}", y)


def softmax(x, axis, y, log=False):
    yield node("ReduceMax", x, f"{y}1", axes=[axis], keepdims=0)
    yield node("Max", f"least {y}1", f"{y}2")
    yield from beside(x, axis, f"{y}2", f"{y}3")
    yield node("Sub", f"{x} {y}3", f"{y}4")
    yield node("Exp", f"{y}4", f"{y}5")
    yield node("ReduceSum", f"{y}5 p{axis}", f"{y}6", keepdims=0)
    if log:
        yield node("Log", f"{y}6", f"{y}7")
    yield from beside(x, axis, f"{y}7" if log else f"{y}6", f"{y}8")
    yield node("Sub", f"{y}4 {y}8", y) if log else node("Div", f"{y}5 {y}8", y)


def norm(x, y, axis=-1):
    return [node("ReduceMean", x, f"{y}1", axes=[axis]), node("Sub", f"{x} {y}1", f"{y}2"),
            node("Pow", f"{y}2 two", f"{y}3"), node("ReduceMean", f"{y}3", f"{y}4", axes=[axis]),
            node("Add", f"{y}4 small", f"{y}5"), node("Sqrt", f"{y}5", f"{y}6"),
            node("Div", f"{y}2 {y}6", y)]


apart = {"small": f32(1e-3), "none": f32(0), "two": f32(2), "least": f32(-np.inf),
         **{f"p{i}": numbers(i) for i in range(4)}}
apart.update({f"part{i}": f32(1 / i) for i in (6, 8)} | {f"size{i}": f32(i) for i in (6, 8)})
case("by_squares", [
    node("Conv", "x w", "a"), *by_squares("a", 2, 8, "b", "row", "shift"),
    *by_squares("b", 1, 6, "c", "column"),
    *softmax("c", 2, "d"), *softmax("c", 1, "e", log=True), node("Add", "d e", "f"),
    node("GlobalMaxPool", "f", "g"), node("Squeeze", "g p2", "h"),
    *by_squares("h", 1, 6, "y", "gain", "gain")],
    {"x": [1, 3, 8]}, "y f",
    {**apart, "w": (6, 3, 1), "row": (8,), "shift": (1, 8), "column": (1, 6, 1), "gain": (6,)}, opset=13)
case("scaled_norms", [
    *norm("x", "a"), node("Mul", "a three", "b"), *norm("b", "c"), node("Mul", "three c", "d"),
    node("Add", "d small", "e"), *norm("e", "f"), node("Mul", "f column", "g"), *norm("g", "h"),
    node("Mul", "h column", "i"), node("Add", "i row", "j"), *norm("j", "k"), node("Mul", "k plane", "l"),
    node("Add", "l plane", "y")], {"x": [1, 6, 4]}, "y",
    {**apart, "three": f32(3), "column": (1, 6, 1), "row": (4,), "plane": (6, 4)}, last=("x", "y"))
case("unbiased", [
    node("ReduceMean", "x", "a", axes=[2]), node("Sub", "x a", "b"), node("Mul", "b b", "c"),
    node("ReduceSum", "c p2", "d", keepdims=0), node("Div", "d size6", "e"), *beside("x", 2, "e", "f"),
    node("Add", "f none", "g"), node("Sqrt", "g", "h"), node("Div", "b h", "i"), node("Mul", "i row", "j"),
    node("Add", "j row", "y")], {"x": [1, 5, 7]}, "y",
    {**apart, "row": (7,)}, opset=13, last=("x", "y"))
case("no_norm", [  # similar patterns: a sum times another number, a maximum of another value
    node("ReduceSum", "x p1", "a", keepdims=1), node("Mul", "a part6", "b"), node("Sub", "x b", "c"),
    node("Mul", "c c", "d"), node("ReduceMean", "d", "e", axes=[1]), node("Add", "e small", "f"),
    node("Sqrt", "f", "g"), node("Div", "c g", "h"), node("ReduceMax", "x", "i", axes=[1]),
    node("Sub", "h i", "j"), node("Exp", "j", "k"), node("ReduceSum", "k p1", "l"), node("Div", "k l", "y")],
    {"x": [1, 8]}, "y", {**apart, "part6": f32(0.3)}, opset=13)


# ---- comparisons, and selection by them
case("choices", [
    node("Conv", "x w", "a"), node("Relu", "x", "b"), node("Greater", "x third", "g"),
    node("Less", "third a", "k"),
    node("LessOrEqual", "x a", "l"), node("GreaterOrEqual", "column b", "h"), node("Equal", "b none", "e"),
    node("Not", "g", "n"), node("Or", "g l", "o"), node("And", "n h", "p"), node("Xor", "k e", "q"),
    node("Where", "o x a", "r"), node("Where", "p none r", "s"), node("Where", "q s minus", "t"),
    node("Cast", "e", "e1", to=1), node("Cast", "e1", "e2", to=9), node("Cast", "e2", "e3", to=7),
    node("Cast", "e3", "e4", to=9), node("Where", "e4 t none", "u"), node("Add", "u b", "v"),
    node("GlobalMaxPool", "a", "m"), node("GreaterOrEqual", "m third", "c"), node("Where", "c v x", "y")],
    {"x": [1, 4, 3, 5]}, "y",
    {**apart, "w": (4, 4, 1, 1), "third": f32(0.3), "column": (1, 4, 1, 1), "minus": f32(-1e9)})


def branch(result, *nodes):
    return helper.make_graph(nodes, result, [], [helper.make_tensor_value_info(result, 1, None)])


def verified(most, made):
    """A second net runs if the score of the first one is large enough."""
    yield node("GreaterOrEqual", f"score {most}", f"{made}sure")
    yield node("If", f"{made}sure", made, else_branch=branch("other", node("Identity", "score", "other")),
               then_branch=branch("own", node("Gemm", "x w2", "d"), node("Sigmoid", "d", "own")))


case("verified", [
    node("Gemm", "x w1", "a"), node("Sigmoid", "a", "score"), *verified("low", "y"), *verified("high", "z")],
    {"x": [1, 6]}, "y z", {"w1": (6, 1), "w2": (6, 1), "low": f32(1e-6), "high": f32([1 - 1e-6])})


# ---- bounds without effect
case("unbounded", [
    node("Min", "x most", "a"), node("Max", "least a", "b"), node("Min", "b more", "c"),
    node("Max", "c less", "d"), node("Clip", "d less more", "e"), node("Exp", "e", "y")],
    {"x": [1, 3, 4]}, "y",
    {"most": f32(3.4028235e38), "least": f32(-3.4028235e38), "more": f32(np.inf), "less": f32(-np.inf)})


if __name__ == "__main__":
    main(lambda: None)
