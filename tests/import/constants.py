#!/usr/bin/env python3
"""constants.py [NAME...]: more models of this folder, as make.py makes them: constants that are computed,
branches that are chosen by them, and what is reported of nodes without a form."""
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import make
from make import bad, case, f32, half, main, model, node, numbers, one

make.cases.clear()


def bad_files():
    """What must be refused."""
    for name, (nodes, inputs, outputs, weights) in refused.items():
        case(name, nodes, inputs, outputs, weights)
        bad(name, model(name))


refused = {
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
