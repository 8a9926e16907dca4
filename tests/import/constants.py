#!/usr/bin/env python3
"""constants.py [NAME...]: more models of this folder, as make.py makes them: constants that are computed,
branches that are chosen by them, and what is reported of nodes without a form."""
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import make
from onnx import TensorProto, helper, numpy_helper
from make import bad, case, f32, half, i64, main, model, node, numbers

make.cases.clear()


def branch(name, nodes, outputs, **weights):
    """A graph within a node."""
    made = [numpy_helper.from_array(np.asarray(v), k) for k, v in weights.items()]
    results = [helper.make_tensor_value_info(k, TensorProto.FLOAT, None) for k in outputs.split()]
    return helper.make_graph(nodes, name, [], results, made)


def choice(condition, outputs, yes, no, name=""):
    return node("If", condition, outputs, name, then_branch=yes, else_branch=no)


# ---- If of constants: the branch taken, and the other one not looked at
case("conditional", [
    node("Constant", "", "hot", value=numpy_helper.from_array(np.array(False))),
    node("Not", "hot", "cold"), node("Conv", "x w", "a", "conv", pads=[1] * 4),
    # its names are also the graph's or the other branch's; one within another, of two results
    choice("cold", "b", branch("yes", [
        node("Relu", "a", "t"), choice("flag", "u v", branch("inner", [
            node("Mul", "t k", "t2"), node("Add", "t2 k", "p")], "p t2", k=half),
            branch("other", [node("Abs", "t", "p"), node("Hardmax", "t", "t2")], "p t2")),
        node("Add", "u v", "r")], "r"), branch("no", [node("Hardmax", "a", "t")], "t"), "gate"),
    # as torch.jit writes squeeze: by the size of a dimension
    node("GlobalAveragePool", "b", "pooled"), node("Shape", "pooled", "sizes"),
    node("Gather", "sizes last", "n"),    node("Equal", "n single", "is_one"),
    choice("is_one", "s", branch("yes", [node("Squeeze", "pooled axes", "s1")], "s1"),
           branch("no", [node("Identity", "pooled", "s2")], "s2")),
    node("Flatten", "s", "f"),
    # a result that is a constant
    choice("flag", "c", branch("yes", [node("Exp", "k", "c1")], "c1", k=f32([1, 2, 3])),
           branch("no", [node("Neg", "k", "c2")], "c2", k=f32([4]))), node("Add", "f c", "y")],
    {"x": [1, 2, 5, 4]}, "y", {"w": (3, 2, 3, 3), "flag": np.array([True]), "last": np.array(3, i64),
                               "single": np.array(1, i64), "axes": numbers(3)})
# An input that only a branch reads that is left out is none of the program's, whether its condition is a
# constant or follows from sizes.
for name, condition in (("branch_constant", []),
                        ("branch_sizes", [node("Relu", "x", "r"), node("Shape", "r", "s"),
                                          node("Gather", "s second", "n"), node("Equal", "n four", "flag")])):
    case(name, condition + [
        choice("flag", "y", branch("yes", [node("Abs", "x", "p")], "p"),
               branch("no", [node("Add", "x z", "q")], "q"))], {"x": [1, 4]}, "y",
        {"second": np.array(1, i64), "four": np.array(4, i64)} if condition else {"flag": np.array(True)})
    make.settings[name] = {"z": f32([[1, 2, 3, 4]])}


def bad_files():
    """What must be refused."""
    for name, (nodes, inputs, outputs, weights) in refused.items():
        case(name, nodes, inputs, outputs, weights)
        bad(name, model(name))


refused = {
    # Only what is computed in any case is suggested.
    "cascade": ([
        node("MatMul", "x w", "s"), node("Sigmoid", "s", "p"), node("GreaterOrEqual", "p limit", "ge"),
        choice("ge", "y", branch("yes", [node("MatMul", "x w", "second")], "second"),
               branch("no", [node("Identity", "p", "first")], "first"), "if")], {"x": [1, 4]}, "y",
        {"w": (4, 1), "limit": half}),
    "branchless": ([node("If", "flag", "b"), node("Add", "x b", "y")], {"x": [1, 4]}, "y",
                   {"flag": np.array(True)}),
    # An output that has no layout is not suggested: the convolution before it is.
    "steps": ([
        node("Conv", "x k", "c", pads=[1] * 4), node("Relu", "c", "r"),
        node("Transpose", "r", "turn", perm=[3, 0, 1, 2]), node("Expand", "turn shape", "steps"),
        node("LSTM", "steps W R", "y", hidden_size=5)], {"x": [1, 1, 3, 9]}, "y",
        {"k": (4, 1, 3, 3), "shape": numbers(9, 2, 4, 3), "W": (1, 20, 12), "R": (1, 20, 5)}),
    # Nodes after a refused one are reported where nothing before them could change that, one line a kind;
    # of constants that follow from unknown sizes nothing is said.
    "blocked": ([
        node("Mystery", "x", "a"), node("Shape", "a", "s"), node("Tile", "half s", "t"),
        node("Mul", "a t", "b"), node("LSTM", "b W R", "h", "rnn", hidden_size=5),
        node("MatMul", "b b", "c", "first"), node("MatMul", "c b", "d", "second"), node("MatMul", "x w", "e"),
        node("Add", "d e", "f"), node("Relu", "e", "z")], {"x": [1, 4]}, "f h z",
        {"half": half, "W": (1, 20, 4), "R": (1, 20, 5), "w": (4, 4)}),
}

if __name__ == "__main__":
    main(bad_files)
