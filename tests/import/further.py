#!/usr/bin/env python3
"""further.py [NAME...]: more models of this folder, as make.py makes them: how the graph is written, layouts,
old opsets, operators of other domains."""
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


def bad_files():
    """What must be refused."""
    for name, (nodes, inputs, weights) in refused.items():
        case(name, nodes, inputs, "y", weights)
        bad(name, model(name))


refused = {
    "circle": ([node("Add", "x b", "a"), node("Relu", "a", "b"), node("Neg", "b", "y")], {"x": [1, 3]}, {}),
    "words": ([node("Constant", "", "a", value_strings=["yes", "no"]), node("Add", "x a", "y")],
              {"x": [1, 2]}, {}),
}

if __name__ == "__main__":
    main(bad_files)
