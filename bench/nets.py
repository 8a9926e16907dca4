"""nets.py: the nets of examples/ as ONNX, with weights drawn from a fixed seed.

A picture is read as the generated code reads it, 8 bits a channel, and normalized in the graph; beyond that a
graph is what an exporter that favours onnxruntime would write: the normalization is one multiplication and
one addition, and flatten's order is in the weights of the dense layer that follows.
"""
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Builder:
    """An ONNX graph in the making; values are NCHW."""

    def __init__(self, weights):
        self.weights, self.nodes, self.initializers, self.names = weights, [], [], set()

    def op(self, kind, inputs, **attributes):
        name = f"v{len(self.nodes) + 1}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, name, array):
        if name not in self.names:
            self.names.add(name)
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name))
        return name

    def weight(self, name):
        return self.constant(name, self.weights[name])

    def conv(self, x, layer, stride=1, pad=0, groups=1, same=False, kind="Conv"):
        inputs = [x, self.weight(layer + ".weight")]
        if layer + ".bias" in self.weights:
            inputs.append(self.weight(layer + ".bias"))
        kernel = self.weights[layer + ".weight"].shape[2:]
        edges = dict(auto_pad="SAME_UPPER") if same else dict(pads=[pad] * 4)
        return self.op(kind, inputs, kernel_shape=kernel, strides=[stride, stride], group=groups, **edges)

    def relu(self, x):
        return self.op("Relu", [x])

    def maxpool(self, x, kernel, stride, pad=0, ceil=0, same=False):
        edges = dict(auto_pad="SAME_UPPER") if same else dict(pads=[pad] * 4, ceil_mode=ceil)
        return self.op("MaxPool", [x], kernel_shape=[kernel, kernel], strides=[stride, stride], **edges)

    def batchnorm(self, x, layer):
        return self.op("BatchNormalization",
                       [x] + [self.weight(f"{layer}.{p}")
                              for p in ("weight", "bias", "running_mean", "running_var")], epsilon=1e-5)

    def dense(self, x, layer, picture=None):
        """`picture` is the h, w, c of the value before flatten, whose order in .cnn is hwc; ONNX flattens
        chw."""
        weight = self.weights[layer + ".weight"]
        if picture:
            x = self.op("Flatten", [x])
            weight = weight.reshape(-1, *picture).transpose(0, 3, 1, 2).reshape(weight.shape)
        return self.op("Gemm", [x, self.constant(layer + ".weight", weight), self.weight(layer + ".bias")],
                       transB=1)

    def normalize(self, mean=0.0, std=1.0, scale=1.0):
        mean, std = (np.asarray(v, np.float64).reshape(1, -1, 1, 1) for v in (mean, std))
        x = self.op("Cast", ["image"], to=TensorProto.FLOAT)
        if np.any(scale / std != 1):
            x = self.op("Mul", [x, self.constant("factor", scale / std)])
        return self.op("Add", [x, self.constant("offset", -mean / std)]) if np.any(mean) else x

    def pooled(self, x):
        return self.op("Flatten", [self.op("GlobalAveragePool", [x])])

    def softmax(self, x):
        return self.op("Softmax", [x], axis=1)

    def model(self, shape, output, output_shape, pixels):
        kind = TensorProto.UINT8 if pixels else TensorProto.FLOAT
        graph = helper.make_graph(self.nodes, "net",
                                  [helper.make_tensor_value_info("image", kind, shape)],
                                  [helper.make_tensor_value_info(output, TensorProto.FLOAT, output_shape)],
                                  self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        return model.SerializeToString()


IMAGENET = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225], scale=1 / 255)
CAFFE = dict(mean=[123.68, 116.78, 103.94])


def lenet5(b):
    x = b.normalize(0.2860, 0.3530, 1 / 255)
    for layer, pad in [("stage1.conv1", 2), ("stage2.conv1", 0)]:
        x = b.op("AveragePool", [b.op("Tanh", [b.conv(x, layer, pad=pad)])], kernel_shape=[2, 2],
                 strides=[2, 2])
    x = b.op("Tanh", [b.dense(x, "dense1", picture=(5, 5, 16))])
    x = b.op("Tanh", [b.dense(x, "dense2")])
    return b.softmax(b.dense(x, "dense3"))


def resnet8(b):
    x = b.normalize([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616], 1 / 255)
    x = b.relu(b.batchnorm(b.conv(x, "conv1", same=True), "batchnorm1"))
    for i, stride in enumerate([1, 2, 2]):
        p, start = f"residual{i + 1}.", x
        x = b.relu(b.batchnorm(b.conv(x, p + "conv1", stride=stride, same=True), p + "batchnorm1"))
        x = b.batchnorm(b.conv(x, p + "main.conv1", same=True), p + "main.batchnorm1")
        if stride != 1:
            start = b.conv(start, p + "shortcut", stride=stride, same=True)
        x = b.relu(b.op("Add", [x, start]))
    return b.softmax(b.dense(b.pooled(x), "dense1"))


def mobilenet_v1(b):
    relu6 = lambda x: b.op("Clip", [x, b.constant("zero", 0.0), b.constant("six", 6.0)])
    x = b.normalize(1, 1, 1 / 127.5)
    x = relu6(b.batchnorm(b.conv(x, "conv1", stride=2, same=True), "batchnorm1"))
    for i, stride in enumerate([1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]):
        p = f"separable{i + 1}."
        groups = b.weights[p + "depthwise1.weight"].shape[0]
        x = relu6(b.batchnorm(b.conv(x, p + "depthwise1", stride=stride, groups=groups, same=True),
                              p + "batchnorm1"))
        x = relu6(b.batchnorm(b.conv(x, p + "conv1"), p + "batchnorm2"))
    return b.softmax(b.dense(b.pooled(x), "dense1"))


def squeezenet(b):
    x = b.relu(b.conv(b.normalize(**IMAGENET), "conv1", stride=2))
    for i in range(1, 9):
        if i in (1, 3, 5):
            x = b.maxpool(x, 3, 2, ceil=1)
        s = b.relu(b.conv(x, f"fire{i}.s"))
        narrow, wide = b.relu(b.conv(s, f"fire{i}.conv3")), b.relu(b.conv(s, f"fire{i}.wide", pad=1))
        x = b.op("Concat", [narrow, wide], axis=1)
    return b.softmax(b.pooled(b.relu(b.conv(x, "conv2"))))


def resnet18(b):
    x = b.relu(b.batchnorm(b.conv(b.normalize(**IMAGENET), "conv1", stride=2, pad=3), "batchnorm1"))
    x = b.maxpool(x, 3, 2, pad=1)
    for i, stride in enumerate([1, 1, 2, 1, 2, 1, 2, 1]):
        p, start = f"basic{i + 1}.", x
        x = b.relu(b.batchnorm(b.conv(x, p + "conv1", stride=stride, pad=1), p + "batchnorm1"))
        x = b.batchnorm(b.conv(x, p + "main.conv1", pad=1), p + "main.batchnorm1")
        if stride != 1:
            start = b.batchnorm(b.conv(start, p + "shortcut.conv1", stride=stride), p + "shortcut.batchnorm1")
        x = b.relu(b.op("Add", [x, start]))
    return b.softmax(b.dense(b.pooled(x), "dense1"))


def vgg16(b):
    x = b.normalize(**CAFFE)
    for stage, depth in enumerate([2, 2, 3, 3, 3], 1):
        for i in range(depth):
            x = b.relu(b.conv(x, f"stage{stage}.conv{i + 1}", pad=1))
        x = b.maxpool(x, 2, 2)
    x = b.relu(b.dense(x, "dense1", picture=(7, 7, 512)))
    return b.softmax(b.dense(b.relu(b.dense(x, "dense2")), "dense3"))


def alexnet(b):
    lrn = lambda x: b.op("LRN", [x], size=5, alpha=1e-4, beta=0.75, bias=2.0)
    x = lrn(b.relu(b.conv(b.normalize(**CAFFE), "conv1", stride=4)))
    x = lrn(b.relu(b.conv(b.maxpool(x, 3, 2), "conv2", pad=2, groups=2)))
    x = b.relu(b.conv(b.maxpool(x, 3, 2), "conv3", pad=1))
    x = b.relu(b.conv(x, "conv4", pad=1, groups=2))
    x = b.relu(b.conv(x, "conv5", pad=1, groups=2))
    x = b.relu(b.dense(b.maxpool(x, 3, 2), "dense1", picture=(6, 6, 256)))
    return b.softmax(b.dense(b.relu(b.dense(x, "dense2")), "dense3"))


def unet(b):
    def double(x, p):
        return b.relu(b.conv(b.relu(b.conv(x, p + "conv1", same=True)), p + "conv2", same=True))

    x, skips = b.normalize(0.5, 0.5, 1 / 255), []
    for i in range(1, 5):
        skips.append(double(x, f"d{i}."))
        x = b.maxpool(skips[-1], 2, 2)
    x = double(x, "double5.")
    for i in range(1, 5):
        x = b.conv(x, f"up{i}.conv_transpose1", stride=2, kind="ConvTranspose")
        x = double(b.op("Concat", [x, skips.pop()], axis=1), f"up{i}.double1.")
    return b.softmax(b.conv(x, "mask"))


def tiny_yolo(b):
    x = b.normalize(scale=1 / 255)
    for i in range(1, 9):
        x = b.op("LeakyRelu", [b.batchnorm(b.conv(x, f"layer{i}.conv1", same=True), f"layer{i}.batchnorm1")],
                 alpha=0.1)
        if i <= 6:
            x = b.maxpool(x, 2, 2) if i <= 5 else b.maxpool(x, 2, 1, same=True)
    return b.conv(x, "cells")


NETS = {f.__name__: f for f in (lenet5, resnet8, mobilenet_v1, squeezenet, resnet18, vgg16, alexnet, unet,
                                tiny_yolo)}


# What the last layer's weights are divided by, where the softmax of random logits would be 0 and 1 only and
# agree whatever the logits are.
LOGITS = {"resnet8": 10, "squeezenet": 10, "resnet18": 100, "vgg16": 300, "alexnet": 100}


def draw_weights(net, table):
    """He-scaled numbers; batchnorms near the identity, variances positive."""
    random, weights = np.random.default_rng(1), {}
    for row in table:
        name, shape = row["name"], row["shape"]
        if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
            value = random.uniform(0.7, 1.3, shape)
        elif len(shape) == 1:
            value = random.uniform(-0.1, 0.1, shape)
        else:
            value = random.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / np.prod(shape[1:])))
        weights[name] = value.astype(np.float32)
    weights[table[-2]["name"]] /= LOGITS.get(net, 1)
    return weights
