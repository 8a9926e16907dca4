#!/usr/bin/env python3
"""shipped.py [NAME...]: more models of this folder, as make.py makes them: what the models are made of that
packages ship."""
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import make
from make import case, f32, main, node, numbers

make.cases.clear()


# ---- elements in another order
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


# ---- recurrence that is unrolled: steps that are joined, state as inputs
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


# ---- bounds that bound nothing
case("unbounded", [
    node("Min", "x most", "a"), node("Max", "least a", "b"), node("Min", "b more", "c"),
    node("Max", "c less", "d"), node("Clip", "d less more", "e"), node("Exp", "e", "y")],
    {"x": [1, 3, 4]}, "y",
    {"most": f32(3.4028235e38), "least": f32(-3.4028235e38), "more": f32(np.inf), "less": f32(-np.inf)})


if __name__ == "__main__":
    main(lambda: None)
