#!/usr/bin/env python3
"""constants.py [NAME...]: writes models of this folder, like make.py: computed constants, branches that they
select, and reports of unsupported nodes."""
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import make
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from make import bad, case, f32, half, i64, main, model, node, numbers, one, third

make.cases.clear()


def branch(name, nodes, outputs, **weights):
    """A graph within a node."""
    made = [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()]
    results = [helper.make_tensor_value_info(k, TensorProto.FLOAT, None) for k in outputs.split()]
    return helper.make_graph(nodes, name, [], results, made)


def choice(condition, outputs, yes, no, name=""):
    return node("If", condition, outputs, name, then_branch=yes, else_branch=no)


def body(name, nodes, carried, outputs, **weights):
    """A graph that a Loop runs: its inputs are the iteration i, the condition c, and the carried values; j is
    an integer."""
    graph = branch(name, nodes, outputs, **weights)
    graph.output[0].type.tensor_type.elem_type = TensorProto.BOOL
    for n, kind in (("i", TensorProto.INT64), ("c", TensorProto.BOOL),
                    *((k, TensorProto.INT64 if k in "j" else TensorProto.FLOAT) for k in carried.split())):
        graph.input.append(helper.make_tensor_value_info(n, kind, [] if n in "icj" else None))
    for result in graph.output:
        if result.name == "j2":
            result.type.tensor_type.elem_type = TensorProto.INT64
    return graph


# ---- Loop with a constant count: the import repeats its body for each iteration
case("loops", [
    # weights that all iterations share; the iteration number as a factor; one row per iteration, concatenated
    node("Loop", "five on x", "last rows", "steps", body=body("step", [
        node("MatMul", "s w", "p"), node("Add", "p x", "q"), node("Tanh", "q", "next"),
        node("Cast", "i", "f", to=1), node("Mul", "next f", "row"), node("Identity", "c", "more")],
        "s", "more next row")),
    # a count that is a node's result; nested loops; two values that change places in each iteration
    node("Constant", "", "two", value_int=2),
    node("Loop", "two  x last", "u v", body=body("outer", [
        node("Loop", "three  a", "d", body=body("inner", [
            node("Sigmoid", "e", "g"), node("Mul", "g k", "e2"), node("Identity", "c", "go")],
            "e", "go e2", k=half)),
        node("Add", "d b", "h"), node("Identity", "c", "yes")], "a b", "yes h a")),
    # a condition that ends the loop after one iteration, and one that is false from the start
    node("Loop", "five on x", "once", body=body("end", [
        node("Relu", "z", "z2"), node("Identity", "never", "stop")], "z", "stop z2", never=np.array(False))),
    node("Loop", "five off x", "same", body=body("never", [
        node("Neg", "z", "z2"), node("Identity", "c", "more")], "z", "more z2")),
    node("Flatten", "rows", "flat", axis=0), node("Concat", "u v once same", "y", axis=1)],
    {"x": [1, 4]}, "flat y", {"w": (4, 4), "five": np.array(5, i64), "three": np.array(3, i64),
                              "on": np.array(True), "off": np.array(False)})
# A condition with 14 And nodes, each of which uses the previous result twice: each node is computed once.
case("long_conditions", [node("Loop", "most on x", "y", body=body("step", [
    node("Mul", "z decay", "z2"), node("And", "c c", "c0"),
    *(node("And", f"c{k} c{k}", f"c{k + 1}") for k in range(13)), node("Identity", "c13", "go")],
    "z", "go z2", decay=f32(0.99)))], {"x": [1, 4]}, "y", {"most": np.array(64, i64), "on": np.array(True)})


def scan(name, nodes, state, rows, outputs, **weights):
    """A graph that a Scan runs: its inputs are the states and one part of each scanned tensor."""
    graph = branch(name, nodes, outputs, **weights)
    for k in (*state.split(), *rows.split()):
        graph.input.append(helper.make_tensor_value_info(k, TensorProto.FLOAT, None))
    return graph


# ---- Scan: the import repeats its body for each row; inputs and results along another axis, or from the last
# row to the first
case("scans", [
    node("Scan", "start steps", "last rows", "cell", num_scan_inputs=1, body=scan("cell", [
        node("MatMul", "h r", "p"), node("Add", "p row", "q"), node("Tanh", "q", "next"),
        node("Mul", "next k", "twice")], "h", "row", "next twice", r=np.eye(4, dtype=f32) * half, k=f32(3))),
    node("Scan", "start start rows steps", "a b back", "two", num_scan_inputs=2, scan_input_axes=[0, -3],
         scan_input_directions=[1, 0], scan_output_axes=[1], scan_output_directions=[1],
         body=scan("two", [node("Max", "u s", "u2"), node("Sub", "v u", "w"), node("Add", "w t", "v2"),
                           node("Sigmoid", "v2", "row")], "u v", "s t", "u2 v2 row")),
    node("Concat", "last a b", "y", axis=1), node("Flatten", "rows", "flat", axis=0),
    node("Flatten", "back", "behind", axis=0)],
    {"steps": [3, 1, 4]}, "y flat behind", {"start": np.zeros((1, 4), f32)},
    last=("steps", "y", "flat", "behind"))

# ---- Loops whose count or condition is computed: from an input that --set fixes, a shape, or the iteration
case("computed_loops", [
    node("Add", "times one", "n"), node("Loop", "n on x", "a", "set", body=body("outer", [
        node("Shape", "s", "sizes"), node("Gather", "sizes one", "columns"),
        node("Loop", "columns on s", "t", body=body("inner", [
            node("Mul", "u k", "u2"), node("Identity", "c", "go")], "u", "go u2", k=half)),
        node("Tanh", "t", "next"), node("Identity", "c", "more")], "s", "more next")),
    node("Loop", " on a", "b", "while", body=body("while", [
        node("Sigmoid", "s", "next"), node("Add", "i one", "i1"), node("Less", "i1 four", "more")],
        "s", "more next")),
    node("Loop", "most on b one", "y count", "counts", body=body("counts", [
        node("Mul", "s k", "next"), node("Mul", "j two", "j2"), node("Greater", "j2 ten", "over"),
        node("Not", "over", "more")], "s j", "more next j2", k=f32(3)))],
    {"x": [1, 3]}, "y", {"on": np.array(True), "one": i64(1), "two": i64(2), "four": i64(4), "ten": i64(10),
                         "most": i64(2 ** 63 - 1)})
make.settings["computed_loops"] = {"times": np.array(1, i64)}

# ---- Conditions with sizes: outside of the loop (with a larger count), in its body (without a count), and
# the number of rows of another loop
case("sized_loops", [
    node("Relu", "x", "r"), node("Shape", "x", "size"), node("Cast", "size", "size32", to=6),
    node("Slice", "size32 p1 p2 p0", "part"), node("Squeeze", "part p0", "end32"),
    node("Cast", "end32", "end", to=7),
    node("Loop", "seven on zero start", "last32 final rows", "steps", body=body("recurrent", [
        node("Add", "j one", "j2"), node("Gather", "r j", "row", axis=1), node("MatMul", "s u", "m"),
        node("Add", "row m", "q"), node("Tanh", "q", "s2"), node("Less", "j2 end", "more"),
        node("Identity", "s2", "kept")], "j s", "more j2 s2 kept", u=np.eye(3, dtype=f32) * half)),
    node("Loop", " on rows", "more_rows", "inside", body=body("inside", [
        node("Mul", "z third", "z2"), node("Shape", "z", "zs"), node("Gather", "zs one", "columns"),
        node("Add", "i one", "i2"), node("GreaterOrEqual", "i2 columns", "over"),
        node("Not", "over", "more")], "z", "more z2", third=third)),
    node("Shape", "rows", "rs"), node("Gather", "rs zero", "number"), node("Sub", "number one", "fewer"),
    node("Loop", "most on more_rows", "yr", "after", body=body("after", [
        node("Sigmoid", "s", "next"), node("Less", "i fewer", "in"), node("And", "in c", "more")],
        "s", "more next")),
    node("Transpose", "yr", "y", perm=[1, 0, 2])],
    {"x": [1, 4, 3]}, "y final",
    {"on": np.array(True), "zero": i64(0), "one": i64(1), "seven": i64(7), "most": i64(2 ** 63 - 1),
     "p0": numbers(0), "p1": numbers(1), "p2": numbers(2), "start": np.zeros((1, 3), f32)})


# ---- reshaped constants: the new dimensions cross the boundaries of the old ones
case("uneven_constants", [
    node("Reshape", "u square", "a"), node("Flatten", "v", "b", axis=2), node("Reshape", "b rows", "c"),
    node("MatMul", "x a", "d"), node("MatMul", "d c", "e"), node("Unsqueeze", "k", "k1", axes=[0]),
    node("Reshape", "k1 copied", "k2"), node("Add", "e k2", "y")], {"x": [1, 4]}, "y",
    {"u": (6, 4), "square": numbers(4, -1), "v": (2, 5, 3, 2), "rows": numbers(6, 10), "k": (5, 2),
     "copied": numbers(1, -1)}, opset=12)


# ---- If with a constant condition: only the branch that is taken is imported
case("conditional", [
    node("Constant", "", "hot", value=numpy_helper.from_array(np.array(False))),
    node("Not", "hot", "cold"), node("Conv", "x w", "a", "conv", pads=[1] * 4),
    # a branch whose names also occur in the graph or in the other branch; a nested If with two results
    choice("cold", "b", branch("yes", [
        node("Relu", "a", "t"), choice("flag", "u v", branch("inner", [
            node("Mul", "t k", "t2"), node("Add", "t2 k", "p")], "p t2", k=half),
            branch("other", [node("Abs", "t", "p"), node("Hardmax", "t", "t2")], "p t2")),
        node("Add", "u v", "r")], "r"), branch("no", [node("Hardmax", "a", "t")], "t"), "gate"),
    # an If that depends on the size of a dimension, as torch.jit exports squeeze
    node("GlobalAveragePool", "b", "pooled"), node("Shape", "pooled", "sizes"),
    node("Gather", "sizes last", "n"),    node("Equal", "n single", "is_one"),
    choice("is_one", "s", branch("yes", [node("Squeeze", "pooled axes", "s1")], "s1"),
           branch("no", [node("Identity", "pooled", "s2")], "s2")),
    node("Flatten", "s", "f"),
    # an If whose result is a constant
    choice("flag", "c", branch("yes", [node("Exp", "k", "c1")], "c1", k=f32([1, 2, 3])),
           branch("no", [node("Neg", "k", "c2")], "c2", k=f32([4]))), node("Add", "f c", "y")],
    {"x": [1, 2, 5, 4]}, "y", {"w": (3, 2, 3, 3), "flag": np.array([True]), "last": np.array(3, i64),
                               "single": np.array(1, i64), "axes": numbers(3)})
# An input that is only read by an omitted branch is dropped, whether the condition is a constant or follows
# from sizes.
for name, condition in (("branch_constant", []),
                        ("branch_sizes", [node("Relu", "x", "r"), node("Shape", "r", "s"),
                                          node("Gather", "s second", "n"), node("Equal", "n four", "flag")])):
    case(name, condition + [
        choice("flag", "y", branch("yes", [node("Abs", "x", "p")], "p"),
               branch("no", [node("Add", "x z", "q")], "q"))], {"x": [1, 4]}, "y",
        {"second": np.array(1, i64), "four": np.array(4, i64)} if condition else {"flag": np.array(True)})
    make.settings[name] = {"z": f32([[1, 2, 3, 4]])}


# ---- constants that are computed, by family: all results, concatenated, are added to x
def computed(name, nodes, results, opset=17, **weights):
    weights = {k: np.asarray(v) for k, v in weights.items()} | {"every": numbers(-1), "front": numbers(1, -1)}
    parts = []
    for k, result in enumerate(results.split()):
        nodes = nodes + [node("Cast", result, f"cast{k}", to=TensorProto.FLOAT),
                         node("Reshape", f"cast{k} every", f"part{k}")]
        parts.append(f"part{k}")
    nodes = nodes + [node("Concat", " ".join(parts), "all", axis=0), node("Reshape", "all front", "c")]
    case(name, nodes, {}, "c", weights, opset)
    run = onnxruntime.InferenceSession(model(name).SerializeToString(), providers=["CPUExecutionProvider"])
    shape = run.run(None, {})[0].shape
    case(name, nodes + [node("Add", "x c", "y")], {"x": list(shape)}, "y", weights, opset)


grid = f32([[[0.5, -1.5, 2, 0], [3, 1, -0.25, 7]], [[-2, 0.75, 1, 4], [6, -3, 0, 0.125]]])
whole = np.array([[7, -7, 3], [-3, 0, 2]], i64)
computed("fold_elements", [
    *(node(op, "a", op.lower()) for op in
      "Sign Tan Atan Sinh Cosh Relu Softplus Floor Ceil Round Erf Sin Cos "
      "IsNaN IsInf".split()), node("Asin", "unit", "asin"), node("Acos", "unit", "acos"),
    *(node(op, "whole two", op.lower()) for op in "LessOrEqual GreaterOrEqual Greater Less Equal Div Mod "
      "Pow".split()),
    node("Mod", "a step", "fmod", fmod=1), node("Xor", "less equal", "xor"), node("And", "less equal", "and"),
    node("Or", "less equal", "or"), node("Not", "less", "not"), node("Where", "less whole two", "where")],
    "sign tan atan sinh cosh relu softplus floor ceil round erf sin cos isnan isinf asin acos lessorequal "
    "greaterorequal greater less equal div mod pow fmod xor and or not where", a=grid, unit=grid / 8,
    whole=whole, two=i64(2), step=f32(0.75))
computed("fold_moves", [
    node("Tile", "a times", "tile"), node("Trilu", "a", "upper"), node("Trilu", "a one", "above"),
    node("Trilu", "a below", "lower", upper=0), node("Split", "a", "left right", axis=2),
    node("Split", "a parts", "first second", axis=-1), node("Pad", "a pads value", "padded"),
    node("Pad", "a turned", "reflected", mode="reflect"), node("Pad", "a wide", "edges", mode="edge"),
    node("Shape", "whole", "sizes"), node("ConstantOfShape", "sizes", "filled"),
    node("EyeLike", "whole", "eye", k=1),
    node("Expand", "row sizes", "rows"), node("Range", "zero seven two", "range"),
    node("CastLike", "a whole", "cut"),
    node("Dropout", "a", "kept mask")],
    "tile upper above lower left right first second padded reflected edges filled eye rows range cut kept "
    "mask",
    a=grid, times=numbers(1, 2, 3), one=i64(1), below=i64(-1), parts=numbers(1, 3),
    pads=numbers(0, 1, 2, 0, -1, 1), turned=numbers(1, 0, -1, 1, 0, 2),
    wide=numbers(1, 0, 3, 0, 2, 5), value=f32(9), whole=whole,
    row=f32([1, 2, 3]), zero=i64(0), seven=i64(7), two=i64(2))
computed("fold_indices", [
    node("GatherElements", "a columns", "taken", axis=2), node("GatherND", "a pairs", "pieces"),
    node("ScatterElements", "whole places news", "put", axis=1),
    node("ScatterElements", "whole places news", "added", axis=1, reduction="add"),
    node("ScatterND", "a pairs rows", "moved"), node("ScatterND", "a pairs rows", "times", reduction="mul"),
    node("NonZero", "a", "nonzero"), node("OneHot", "labels depth values", "hot"),
    node("OneHot", "labels depth values", "tall", axis=0), node("Compress", "a keep", "some", axis=1),
    node("Compress", "a keep", "few"), node("Gather", "a labels", "rounds", axis=2)],
    "taken pieces put added moved times nonzero hot tall some few rounds", opset=16, a=grid, whole=whole,
    columns=np.array([[[3, -1], [0, 1]], [[2, 2], [-4, 1]]], i64), pairs=np.array([[1, 0], [0, -1]], i64),
    places=np.array([[2, 0], [1, -3]], i64), news=np.array([[10, 20], [30, 40]], i64),
    rows=f32([[1, 2, 3, 4], [5, 6, 7, 8]]), labels=numbers(2, 0, -1), depth=i64(4), values=f32([-1, 2]),
    keep=np.array([False, True]))
computed("fold_reductions", [
    *(node("Reduce" + op, "a", op.lower(), axes=[1]) for op in
      "Prod Max Min Mean SumSquare L1 L2 LogSumExp".split()),
    node("ReduceLogSum", "positive", "logsum", axes=[0, 2], keepdims=0),
    node("ReduceSum", "a", "sum", keepdims=0),
    node("CumSum", "a axis", "run"), node("CumSum", "a axis", "back", exclusive=1, reverse=1),
    node("ArgMax", "whole", "argmax", axis=1), node("ArgMin", "whole", "argmin", axis=0, keepdims=0),
    node("ArgMax", "ties", "last", select_last_index=1), node("TopK", "a k", "top topi"),
    node("TopK", "a one", "low lowi", axis=1, largest=0), node("Softmax", "a", "soft"),
    node("LogSoftmax", "a", "logs", axis=0)],
    "prod max min mean sumsquare l1 l2 logsumexp logsum sum run back argmax argmin last top topi low lowi "
    "soft logs",
    a=grid, positive=np.abs(grid), whole=whole, ties=f32([[1], [3], [3]]), axis=i64(-1), k=numbers(2),
    one=numbers(1))
computed("fold_norm", [node("LayerNormalization", "a gain shift", "norm", axis=1, epsilon=1e-3),
    node("LayerNormalization", "a lasts", "last")], "norm last", a=grid, gain=grid[0] + 1, shift=grid[1],
         lasts=grid[0, 0])
computed("fold_softmax", [node("Softmax", "a", "soft", axis=1),
    node("Softmax", "a", "flat", axis=0)], "soft flat",
         opset=11, a=grid)
computed("fold_products", [
    node("MatMul", "a square", "many"), node("MatMul", "a line", "lines"),
    node("MatMul", "line square", "one"),
    node("MatMul", "whole turned", "wholes"), node("MatMul", "line line", "dot"),
    node("Gemm", "m square bias", "gemm", alpha=0.5, beta=2.0),
    node("Gemm", "square m", "turned2", transA=1, transB=1),
    node("Einsum", "a square", "named", equation="bij,jk->bki"),
    node("Einsum", "a a", "trace", equation="bij,bij->b"),
    node("Einsum", "a square", "dots", equation="...i,ij->...j"),
    node("Einsum", "square", "diagonal", equation="ii"),
    node("Einsum", "line m", "implied", equation="b, ab")],
    "many lines one wholes dot gemm turned2 named trace dots "
    "diagonal implied", a=grid, square=np.arange(16, dtype=f32).reshape(4, 4) / 4 - 2,
    line=f32([1, -2, 3, 0.5]), whole=whole, turned=whole.T.copy(), m=grid[0], bias=f32([1, 2, 3, 4]))

# Inputs that --set makes constants: a rate on which a branch and a factor depend, a list of sizes, a boolean.
case("set_inputs", [
    node("Equal", "sr rate", "wide"), node("Not", "wide", "narrow"),
    choice("wide", "a", branch("yes", [node("Conv", "x w16", "p")], "p"), branch("no", [choice(
        "loud", "q", branch("louder", [node("Exp", "x", "r")], "r"),
        branch("lower", [node("Conv", "x w8", "t")], "t"))], "q")),
    node("Cast", "sr", "f", to=TensorProto.FLOAT), node("Div", "a f", "b"), node("Reshape", "b sizes", "c"),
    node("MatMul", "c m", "y")], {"x": [1, 2, 9]}, "y",
    {"rate": i64(16000), "w16": (3, 2, 4), "w8": (4, 2, 3), "m": (28, 5)})
make.settings["set_inputs"] = {"sr": np.array(8000, i64), "loud": np.array(False), "sizes": numbers(1, 28)}

# Products of a value and a constant over dimensions other than the last: with groups, with several summed
# dimensions, with the constant first, with several matrices.
case("contractions", [
    node("Conv", "x k", "a"), node("Reshape", "a cut", "g"), node("Transpose", "g", "t", perm=[0, 3, 1, 2]),
    node("Einsum", "t w1", "b", equation="btgi,gih->btgh"),
    node("Einsum", "w2 b", "c", equation="ho,btgh->bgto"),
    node("Einsum", "c w3", "d", equation="bgto,god->btd"), node("MatMul", "w4 d", "e"),
    node("Reshape", "e four", "f"), node("MatMul", "f w5", "h"), node("MatMul", "h w6", "i"),
    node("Einsum", "i w7", "y", equation="b c h w, c o -> b o h w"), node("Flatten", "x", "v"),
    node("Reshape", "v rows", "r"), node("Einsum", "r w8", "z", equation="bgi,gio->bgo")],
    {"x": [1, 3, 7]}, "y z",
    {"k": (32, 3, 3), "cut": numbers(1, 8, 4, 5), "w1": (8, 4, 3), "w2": (3, 4), "w3": (8, 4, 6),
     "w4": (7, 5), "four": numbers(1, 7, 2, 3), "w5": (7, 3, 4), "w6": (1, 4, 2), "w7": (7, 6),
     "rows": numbers(1, 3, 7), "w8": (3, 7, 5)}, last=("z",))

# Padding of channels and of vectors.
case("borders_of_channels", [
    node("Pad", "x one", "a", mode="reflect"), node("Pad", "a both", "b", mode="edge"),
    node("Conv", "b w", "c"), node("Pad", "c deep", "d", mode="reflect"),
    node("GlobalAveragePool", "d", "e"), node("Flatten", "e", "f"),
    node("Pad", "f ends", "g", mode="reflect"), node("Pad", "g ends number", "h"), node("Relu", "h", "y")],
    {"x": [1, 3, 5, 4]}, "y",
    {"one": numbers(0, 2, 0, 0, 0, 1, 0, 0), "both": numbers(0, 1, 2, 0, 0, 0, 1, 3), "w": (4, 7, 3, 3),
     "deep": numbers(0, 3, 1, 1, 0, 0, 0, 2), "ends": numbers(0, 4, 0, 3), "number": half})

# One-hot vectors, exported as a comparison with the integers 0 to 8, or with some of them.
case("compared", [
    node("Reshape", "n column", "c"), node("Expand", "c wide", "e"), node("Equal", "e range", "same"),
    node("Cast", "same", "f", to=TensorProto.FLOAT), node("MatMul", "f w", "a"),
    node("Reshape", "n whole", "v"),
    node("Equal", "range4 v", "t"), node("Cast", "t", "g", to=TensorProto.FLOAT), node("Add", "a g", "y")],
    {"n": [1, 6]}, "y", {"column": numbers(1, 6, 1), "wide": numbers(1, 6, 9),
                         "range": np.arange(9)[None, None],
                         "w": (9, 4), "whole": numbers(1, 6, 1), "range4": numbers(3, 1, 4, 2)}, last=("y",))
make.integers.add("n")

# Queries that are constant, with scores that may all be hidden; outputs that are constant.
case("constant_queries", [
    node("MatMul", "x w", "k0"), node("Reshape", "k0 heads", "k1"),
    node("Transpose", "k1", "k", perm=[0, 2, 3, 1]), node("MatMul", "q k", "s"),
    node("Greater", "ranks one", "hide"), node("Where", "hide never zero", "m"), node("Add", "s m", "a"),
    node("Softmax", "a", "p", axis=-1), node("IsNaN", "p", "none"), node("Where", "none zero p", "c"),
    node("Transpose", "k1", "v", perm=[0, 2, 1, 3]), node("MatMul", "c v", "z"),
    node("Transpose", "z", "t", perm=[0, 2, 1, 3]), node("Reshape", "t flat", "y"),
    node("Shape", "x", "sizes"), node("Cast", "sizes", "n", to=1)],
    {"x": [1, 6, 8], "ranks": [1, 1, 5, 6]}, "y n",
    {"w": (8, 8), "heads": numbers(0, 6, 2, 4), "q": (1, 2, 5, 4), "one": one, "never": f32(-np.inf),
     "zero": f32(0), "flat": numbers(0, 5, 8)}, last=("x", "y"))

# Masks: a table whose first row is -inf; a boolean that is chosen by constant indices; scores that are hidden
# where other scores are above a number.
case("masks", [
    node("Gather", "table n", "b4"), node("Squeeze", "b4 last", "b"), node("MatMul", "x w", "q"),
    node("Transpose", "x", "k", perm=[0, 2, 1]), node("MatMul", "q k", "s"), node("Add", "s b", "a"),
    node("Softmax", "a", "p", axis=-1), node("MatMul", "p x", "y"),
    node("GatherND", "truth at", "t"), node("And", "all t", "keep"), node("Where", "keep zero never", "m"),
    node("Add", "s m", "d"), node("Softmax", "d", "e", axis=-1), node("MatMul", "e x", "z"),
    node("Div", "s root", "f"), node("Greater", "f zero", "hide"), node("Where", "hide never zero", "g"),
    node("Add", "s g", "h"), node("Softmax", "h", "i", axis=-1), node("MatMul", "i x", "v")],
    {"x": [1, 6, 8], "n": [1, 6, 6], "truth": [1, 6]}, "y z v",
    {"table": np.array([-np.inf, 1, -1, 2, 0, 0, 1], f32)[:, None], "last": numbers(-1), "w": (8, 8),
     "all": np.ones((1, 6, 1), bool), "zero": f32(0), "never": f32(-np.inf), "root": f32(2.83),
     "at": np.stack([np.zeros((1, 1, 6), i64), np.arange(6).reshape(1, 1, 6)], -1)}, last="xyzv")


def bad_files():
    """Models that must be rejected."""
    for name, (nodes, inputs, outputs, weights) in refused.items():
        case(name, nodes, inputs, outputs, weights)
        bad(name, model(name))


refused = {
    "scan_long": ([node("Scan", "start x", "last", "long", num_scan_inputs=1, body=scan(
        "cell", [node("Add", "h row", "next")], "h", "row", "next"))], {"x": [65, 1, 2]}, "last",
        {"start": np.zeros((1, 2), f32)}),
    # Tensors inside a branch of an If are not suggested.
    "cascade": ([
        node("MatMul", "x w", "s"), node("Log", "s", "p"), node("GreaterOrEqual", "p limit", "ge"),
        choice("ge", "y", branch("yes", [node("MatMul", "x w", "l"), node("Log", "l", "second")], "second"),
               branch("no", [node("Identity", "p", "first")], "first"), "if")], {"x": [1, 4]}, "y",
        {"w": (4, 1), "limit": half}),
    # An input that cannot be imported does not hide other problems.
    "scalar": ([
        node("Cast", "sr", "f", to=TensorProto.FLOAT), node("Div", "x f", "d"),
        node("LSTM", "d W R", "y", hidden_size=5)], {"x": [9, 1, 12], "sr": []}, "y",
        {"W": (1, 20, 12), "R": (1, 20, 5)}),
    # Several inputs that cannot be imported: one help text for all of them; the reason that prevents the
    # import comes first.
    "scalars": ([
        node("Clip", "x low high", "c"), node("TopK", "c k", "t -"), node("DFT", "x", "d"),
        node("GatherElements", "t t", "g"), node("Round", "x", "e"),
        node("Floor", "x", "f")], {"x": [1, 3, 8], "low": [], "high": []}, "g d e f", {"k": numbers(2)}),
    # Indices, updates and conditions that do not fit, each with its own reason.
    "folded_indices": ([
        node("GatherElements", "m row", "a"), node("ScatterElements", "m square one", "b"),
        node("GatherND", "m square", "c", batch_dims=1), node("GatherND", "m long", "d"),
        node("ScatterND", "m long one", "e"), node("ScatterND", "m square one", "f"),
        node("Compress", "m keep", "g", axis=0),
        *(node("Mul", f"x {name}", f"y{name}") for name in "abcdefg")],
        {"x": [1, 2, 2]}, "ya yb yc yd ye yf yg",
        {"m": (2, 2), "row": numbers(0, 1), "square": np.array([[0, 1], [1, 0]], i64), "one": f32([1]),
         "long": np.array([[0, 1, 0]], i64), "keep": np.array([True, False, True])}),
    # Weights with infinities or NaN, and a constant that is too large for a float.
    "infinite_weights": ([
        node("Conv", "x w", "a"), node("Conv", "x w1 b1", "b"), node("Add", "x up", "c"),
        node("Mul", "x many", "d"), node("PRelu", "x slope", "e"), node("Gather", "table i", "f"),
        node("Add", "x huge", "g")], {"x": [1, 2, 3, 3], "i": [1, 4]}, "a b c d e f g",
        {"w": f32([[[[np.inf]], [[1]]]]), "w1": (1, 2, 1, 1), "b1": f32([-np.inf]),
         "up": f32([[[np.inf]], [[1]]]), "many": f32(np.nan), "slope": f32([[[np.nan]], [[1]]]),
         "table": f32([[1], [np.nan]]), "huge": np.array([[[1e300]], [[1]]])}),
    # The cell state after too many rows: the other outputs can be imported.
    "long_cell": ([
        node("LSTM", "x W R", "rows h c", hidden_size=5), node("Relu", "rows", "y")], {"x": [65, 1, 12]},
        "y h c", {"W": (1, 20, 12), "R": (1, 20, 5)}),
    # The help names --set if the model can be imported with a constant mask.
    "rounded_mask": ([
        node("Round", "padding_mask", "m"), node("Mul", "x m", "y")], {"x": [1, 4], "padding_mask": [1, 4]},
        "y", {}),
    # Each of these constants needs gigabytes: the border of a padded value, slopes and frames as long as the
    # declared size of an input, and sparse constants. The labels of three ellipses are too many.
    "large_constants": ([
        node("Pad", "x pads lowest", "a"), node("PRelu", "long third", "b"),
        node("STFT", "signal step  size", "c"), node("Slice", "long from to axis back", "d"),
        *(node("Constant", "", f"m{k}", sparse_value=helper.make_sparse_tensor(
            numpy_helper.from_array(one, "v"), numpy_helper.from_array(numbers(k)), [1 << 28]))
          for k in range(3)),
        *(node("Gather", f"m{k} step", f"s{k}") for k in range(3)),
        node("Einsum", "many many", "dots", equation=".........,...->..."), node("Mul", "x dots", "f"),
        *(node("Mul", f"x s{k}", f"e{k}") for k in range(3))],
        {"x": [1, 4, 6], "long": [1, 1 << 29, 1], "signal": [1, 1 << 29]}, "a b c d e0 e1 e2 f",
        {"pads": numbers(0, 0, (1 << 25) + 1, 0, 42, 1), "lowest": np.array(-np.inf, f32),
         "third": third[None], "step": np.array(1, i64), "size": np.array(1 << 28, i64),
         "from": numbers(-1), "to": numbers(-1 << 40), "axis": numbers(1), "back": numbers(-1),
         "many": np.ones([1] * 8, f32)}),
    # cnnc tries to import parts of the model. These attempts do not compute the constant of 800 MB again.
    "large_again": ([
        node("ConstantOfShape", "long", "a", value=numpy_helper.from_array(np.ones(1, f32))),
        node("Slice", "a zero four zero", "b"), node("Mul", "x b", "c"), node("Relu", "c", "d"),
        node("Mystery", "d", "y")], {"x": [1, 4]}, "y",
        {"long": numbers(190 << 20), "zero": numbers(0), "four": numbers(4)}),
    "equations": ([
        node("Relu", "x", "r"), node("Einsum", "r r", "a", equation="bi,bj->bij"),
        node("Einsum", "r w w", "b", equation="bi,ij,jk->bk"),
        node("Einsum", "r w", "c", equation="bi,ij->b"),
        node("Einsum", "r w", "d", equation=".i,ij->.j"),
        node("Einsum", "r w", "e", equation="bi,jk->bj"),
        node("Einsum", "r w", "f", equation="bij,ij->bj"), node("MatMul", "r three", "g"),
        node("Einsum", "r", "h", equation="bi->ib")], {"x": [1, 4]}, "a b c d e f g h",
        {"w": (4, 4), "three": (2, 4, 4)}),
    "branchless": ([node("If", "flag", "b"), node("Add", "x b", "y")], {"x": [1, 4]}, "y",
                   {"flag": np.array(True)}),
    # An output that has no layout is not suggested; the convolution before it is suggested.
    "steps": ([
        node("Conv", "x k", "c", pads=[1] * 4), node("Relu", "c", "r"),
        node("Transpose", "r", "turn", perm=[3, 0, 1, 2]), node("Expand", "turn shape", "steps"),
        node("LSTM", "steps W R", "y", hidden_size=5)], {"x": [1, 1, 3, 9]}, "y",
        {"k": (4, 1, 3, 3), "shape": numbers(9, 2, 4, 3), "W": (1, 20, 12), "R": (1, 20, 5)}),
    # Nodes after an unsupported node are reported only if they are unsupported with any result of earlier
    # nodes, one line per kind. Constants that follow from unknown sizes are not reported.
    "blocked": ([
        node("Mystery", "x", "a"), node("Shape", "a", "s"), node("Tile", "half s", "t"),
        node("Mul", "a t", "b"), node("LSTM", "b W R", "h", "rnn", hidden_size=5),
        node("MatMul", "b b", "c", "first"), node("MatMul", "c b", "d", "second"), node("MatMul", "x w", "e"),
        node("Add", "d e", "f"), node("Relu", "e", "z")], {"x": [1, 4]}, "f h z",
        {"half": half, "W": (1, 20, 4), "R": (1, 20, 5), "w": (4, 4)}),
}

if __name__ == "__main__":
    main(bad_files)
