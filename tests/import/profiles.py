#!/usr/bin/env python3
"""profiles.py: writes the models for cnnc import --profile=sonnx: profile/right.onnx satisfies all
restrictions, profile/wrong.onnx violates each that profile.tap lists. Needs numpy and onnx."""
# SPDX-License-Identifier: Apache-2.0
import os
import numpy as np, onnx
from onnx import TensorProto, helper, numpy_helper

here = os.path.dirname(os.path.abspath(__file__))
random = np.random.default_rng(7)


def floats(name, *shape):
    return numpy_helper.from_array(random.standard_normal(shape).astype(np.float32), name)


def whole(name, *numbers):
    return numpy_helper.from_array(np.array(numbers, np.int64), name)


def save(name, nodes, inputs, outputs, constants, shapes, sparse=()):
    def ports(of):
        return [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in of.items()]

    graph = helper.make_graph(nodes, name, ports(inputs), ports(outputs), constants,
                              value_info=ports(shapes), sparse_initializer=sparse)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10,
                              producer_name="profiles.py")
    onnx.save(model, os.path.join(here, "profile", name + ".onnx"))


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(" "), [output], name=output, **attributes)


window = dict(dilations=[1, 1], kernel_shape=[2, 2], pads=[0, 0, 0, 0])
save("right", [
    node("Conv", "x w b", "conv", auto_pad="NOTSET", group=1, strides=[1, 1], dilations=[1, 1],
         kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    node("BatchNormalization", "conv gamma beta mean var", "norm", epsilon=1e-5, training_mode=0),
    node("Relu", "norm", "relu"),
    node("MaxPool", "relu", "pool", auto_pad="NOTSET", ceil_mode=0, storage_order=0, strides=[2, 2],
         **window),
    node("Conv", "pool wd bd", "depthwise", auto_pad="NOTSET", group=4, strides=[1, 1], dilations=[1, 1],
         kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    node("LeakyRelu", "depthwise", "leaky", alpha=0.1),
    node("Flatten", "leaky", "flat", axis=1),
    node("MatMul", "flat m", "product"),
    node("Add", "product v", "sum"),
    node("Softmax", "sum", "y", axis=1),
], {"x": [1, 2, 8, 8]}, {"y": [1, 5]},
    [floats("w", 4, 2, 3, 3), floats("b", 4), floats("gamma", 4), floats("beta", 4), floats("mean", 4),
     numpy_helper.from_array(np.ones(4, np.float32), "var"), floats("wd", 4, 1, 3, 3), floats("bd", 4),
     floats("m", 64, 5), floats("v", 5)],
    {"conv": [1, 4, 8, 8], "norm": [1, 4, 8, 8], "relu": [1, 4, 8, 8], "pool": [1, 4, 4, 4],
     "depthwise": [1, 4, 4, 4], "leaky": [1, 4, 4, 4], "flat": [1, 64], "product": [1, 5], "sum": [1, 5]})

values = helper.make_tensor("sparse", TensorProto.FLOAT, [1], [1.0])
indices = helper.make_tensor("sparse.at", TensorProto.INT64, [1], [2])
save("wrong", [
    node("Conv", "x w", "same", auto_pad="SAME_UPPER", group=2, strides=[1, 1], dilations=[1, 1],
         kernel_shape=[3, 3], pads=[0, 0, 0, 0]),
    node("Conv", "s w1", "line", auto_pad="NOTSET", group=1, strides=[1], dilations=[1], kernel_shape=[3],
         pads=[1, 1]),
    node("Conv", "x w4", "usual", kernel_shape=[3, 3]),
    node("MaxPool", "x", "pool", auto_pad="VALID", ceil_mode=1, storage_order=1, strides=[2, 2], **window),
    node("BatchNormalization", "same g g g g", "norm", epsilon=1e-5, training_mode=1),
    node("Gemm", "a k bias", "gemm", alpha=2.0, transB=1),
    node("Gemm", "a k", "bare"),
    node("MatMul", "x x", "matmul"),
    node("Softmax", "x", "softmax", axis=-1),
    node("Concat", "x x", "concat", axis=-3),
    node("ArgMax", "x", "argmax", axis=-1, keepdims=1, select_last_index=0),
    node("Clip", "x zero", "clip"),
    node("Slice", "s two one", "part"),
    node("Slice", "s two one one one", "rows"),
    node("Slice", "s from to axes steps", "parts"),
    node("Constant", "", "constant", value_float=1.0),
    node("LSTM", "s wl rl", "lstm", activations=["Tanh", "Tanh", "Tanh"], direction="forward", hidden_size=2,
         input_forget=1, layout=1),
    node("Reshape", "x shape", "reshaped"),
    node("Transpose", "x", "moved", perm=[0, 2, 3, 1]),
    node("Selu", "x", "selu"),
    helper.make_node("Relu", ["x"], ["open"], name="open", domain="com.example"),
], {"x": [1, 4, 8, 8], "s": [1, 4, 8], "a": [1, 6], "batch": ["N", 4]},
    {"norm": [1, 4, 8, 8], "gemm": [1, 6]},
    [floats("w", 4, 2, 3, 3), floats("w1", 4, 4, 3), floats("w4", 4, 4, 3, 3), floats("g", 4),
     floats("k", 6, 6), floats("bias", 6), floats("zero"), whole("two", 2), whole("one", 1),
     whole("from", 1, 3, 2), whole("to", 1, 2, 6), whole("axes", 0, 1, 2), whole("steps", 1, 1, -1),
     floats("wl", 1, 8, 8), floats("rl", 1, 8, 2), whole("shape", 4, 64)],
    {"same": [1, 4, 8, 8], "line": [1, 4, 8], "bare": [1, 6]},
    [helper.make_sparse_tensor(values, indices, [4])])
