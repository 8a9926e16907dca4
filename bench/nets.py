"""nets.py: the nets of examples/ and programs/ as ONNX, with weights drawn from a fixed seed.

An image has 8 bits per channel, as in the generated code, and is normalized in the graph. The graphs are
optimized for onnxruntime, as exporters do: the normalization is one multiplication and one addition, and
the order of flatten is folded into the weights of the dense layer after it.
"""
# SPDX-License-Identifier: Apache-2.0
import glob, math, os
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from image_nets import autoencoder, dcgan, deeplab_v3, espcn, fcn8s, fsrcnn, unet, unet_2015
from programs import csp, inception17, perceptron, pyramid, resnext50, trunk


class Builder:
    """Builder of an ONNX graph; values are NCHW."""

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

    def integers(self, name, values):
        self.initializers.append(numpy_helper.from_array(np.asarray(values, np.int64), name))
        return name

    def weight(self, name):
        return self.constant(name, self.weights[name])

    def conv(self, x, layer, stride=1, pad=0, groups=1, same=False, kind="Conv", pads=None, dilation=1):
        """`pads`: the padding of each side, if they are not all `pad`."""
        inputs = [x, self.weight(layer + ".weight")]
        if layer + ".bias" in self.weights:
            inputs.append(self.weight(layer + ".bias"))
        kernel = self.weights[layer + ".weight"].shape[2:]
        axes = len(kernel)
        edges = dict(auto_pad="SAME_UPPER") if same else dict(pads=pads or [pad] * 2 * axes)
        return self.op(kind, inputs, kernel_shape=kernel, strides=[stride] * axes, group=groups,
                       dilations=[dilation] * axes, **edges)

    def depthwise(self, x, layer, **arguments):
        return self.conv(x, layer, groups=self.weights[layer + ".weight"].shape[0], **arguments)

    def conv_transpose(self, x, layer, **window):
        return self.conv(x, layer, kind="ConvTranspose", **window)

    def relu(self, x):
        return self.op("Relu", [x])

    def prelu(self, x, layer):
        slope = self.weights[layer + ".weight"].reshape(-1, 1, 1)
        return self.op("PRelu", [x, self.constant(layer + ".weight", slope)])

    def relu6(self, x):
        return self.op("Clip", [x, self.constant("zero", 0.0), self.constant("six", 6.0)])

    def silu(self, x):
        return self.op("Mul", [x, self.op("Sigmoid", [x])])

    def hard_swish(self, x):
        return self.op("HardSwish", [x])

    def gelu(self, x):
        erf = self.op("Erf", [self.op("Mul", [x, self.constant("root", math.sqrt(0.5))])])
        half = self.op("Mul", [x, self.constant("half", 0.5)])
        return self.op("Mul", [half, self.op("Add", [erf, self.constant("one", 1.0)])])

    def maxpool(self, x, kernel, stride, pad=0, ceil=0, same=False):
        edges = dict(auto_pad="SAME_UPPER") if same else dict(pads=[pad] * 4, ceil_mode=ceil)
        return self.op("MaxPool", [x], kernel_shape=[kernel, kernel], strides=[stride, stride], **edges)

    def batchnorm(self, x, layer, epsilon=1e-5):
        return self.op("BatchNormalization",
                       [x] + [self.weight(f"{layer}.{p}")
                              for p in ("weight", "bias", "running_mean", "running_var")], epsilon=epsilon)

    def layernorm(self, x, layer):
        """Normalizes over channels. ONNX's operator needs them in the last axis, so the value is
        transposed."""
        x = self.op("LayerNormalization", [self.op("Transpose", [x], perm=[0, 2, 3, 1]),
            self.weight(layer + ".weight"), self.weight(layer + ".bias")], epsilon=1e-6)
        return self.op("Transpose", [x], perm=[0, 3, 1, 2])

    def dense(self, x, layer, image=None):
        """`image`: (h, w, c) of the value before flatten. A .cnn flattens in the order hwc, ONNX in chw."""
        weight = self.weights[layer + ".weight"]
        if image:
            x = self.op("Flatten", [x])
            weight = weight.reshape(-1, *image).transpose(0, 3, 1, 2).reshape(weight.shape)
        return self.op("Gemm", [x, self.constant(layer + ".weight", weight), self.weight(layer + ".bias")],
                       transB=1)

    def normalize(self, mean=0.0, std=1.0, scale=1.0):
        mean, std = (np.asarray(v, np.float64).reshape(1, -1, 1, 1) for v in (mean, std))
        x = self.op("Cast", ["image"], to=TensorProto.FLOAT)
        if np.any(scale / std != 1):
            x = self.op("Mul", [x, self.constant("factor", scale / std)])
        return self.op("Add", [x, self.constant("offset", -mean / std)]) if np.any(mean) else x

    def resize(self, x, factor, mode="nearest"):
        place = dict(nearest="asymmetric", linear="half_pixel")[mode]
        return self.op("Resize", [x, "", self.constant(f"factors of {x}", [1, 1, factor, factor])], mode=mode,
                       coordinate_transformation_mode=place, nearest_mode="floor")

    def cropped(self, x, before, size):
        """`size` rows and columns, from row and column `before`."""
        ends = [self.integers(f"{part} of {x}", 2 * [value])
                for part, value in (("begin", before), ("end", before + size))]
        return self.op("Slice", [x, *ends, self.integers(f"axes of {x}", [2, 3])])

    def pooled(self, x):
        return self.op("Flatten", [self.op("GlobalAveragePool", [x])])

    def softmax(self, x):
        return self.op("Softmax", [x], axis=1)

    def model(self, shape, outputs, output_shapes, pixels):
        kind = TensorProto.UINT8 if pixels else TensorProto.FLOAT
        graph = helper.make_graph(self.nodes, "net",
                                  [helper.make_tensor_value_info("image", kind, shape)],
                                  [helper.make_tensor_value_info(output, TensorProto.FLOAT, output_shape)
                                   for output, output_shape in zip(outputs, output_shapes)],
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
    x = b.op("Tanh", [b.dense(x, "dense1", image=(5, 5, 16))])
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
    x = b.normalize(1, 1, 1 / 127.5)
    x = b.relu6(b.batchnorm(b.conv(x, "conv1", stride=2, same=True), "batchnorm1"))
    for i, stride in enumerate([1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]):
        p = f"separable{i + 1}."
        x = b.relu6(b.batchnorm(b.depthwise(x, p + "depthwise1", stride=stride, same=True), p + "batchnorm1"))
        x = b.relu6(b.batchnorm(b.conv(x, p + "conv1"), p + "batchnorm2"))
    return b.softmax(b.dense(b.pooled(x), "dense1"))


def gated(b, x, layer, activation, kind, **slope):
    """Squeeze and excitation."""
    y = activation(b.conv(b.op("GlobalAveragePool", [x]), layer + ".conv1"))
    return b.op("Mul", [x, b.op(kind, [b.conv(y, layer + ".conv2")], **slope)])


def inverted(b, x, p, stride, activation, norm, gate):
    """The block of MobileNetV2 and later nets: a 1x1 convolution to more channels (left out in blocks without
    expansion), a depthwise convolution, and a 1x1 convolution to fewer channels. The names of the block's
    layers begin with `p`; norm(x, p, n) adds the nth normalization of the block."""
    y, n, layer = x, 1, p + "depthwise1"
    if p + "conv1.weight" in b.weights:
        y, n = activation(norm(b.conv(y, p + "conv1"), p, 1)), 2
    y = b.depthwise(y, layer, stride=stride, pad=b.weights[layer + ".weight"].shape[2] // 2)
    y = gate(activation(norm(y, p, n)))
    y = norm(b.conv(y, p + "narrow.conv1"), p + "narrow.", 1)
    channels = lambda name: b.weights[name + ".weight"].shape
    before = channels(p + "conv1")[1] if n == 2 else channels(layer)[0]
    return b.op("Add", [y, x]) if stride == 1 and before == channels(p + "narrow.conv1")[0] else y


def mobilenet_v2(b):
    norm = lambda x, p, n: b.batchnorm(x, f"{p}batchnorm{n}")
    block = lambda x, p, stride: inverted(b, x, p, stride, b.relu6, norm, lambda y: y)
    x = b.relu6(norm(b.conv(b.normalize(**IMAGENET), "conv1", stride=2, pad=1), "", 1))
    x = block(x, "inverted1.", 1)
    for stage, (depth, stride) in enumerate([(2, 2), (3, 2), (4, 2), (3, 1), (3, 2), (1, 1)], 1):
        for i in range(depth):
            x = block(x, f"stage{stage}.inverted{i + 1}.", 1 if i else stride)
    x = b.relu6(norm(b.conv(x, "conv2"), "", 2))
    return b.softmax(b.dense(b.pooled(x), "dense1"))


def mobilenet_v3(b, strides, hard):
    """`hard`: the number of the first block with hard_swish."""
    norm = lambda x, p, n: b.batchnorm(x, f"{p}norm{n}.batchnorm1", 1e-3)
    x = b.hard_swish(norm(b.conv(b.normalize(**IMAGENET), "conv1", stride=2, pad=1), "", 1))
    for i, stride in enumerate(strides, 1):
        layer = f"bneck{i}.excite1.gate"
        gate = lambda y: y if layer + ".conv1.weight" not in b.weights else gated(
            b, y, layer, b.relu, "HardSigmoid", alpha=1 / 6, beta=0.5)
        x = inverted(b, x, f"bneck{i}.", stride, b.hard_swish if i >= hard else b.relu, norm, gate)
    x = b.pooled(b.hard_swish(norm(b.conv(x, "conv2"), "", 2)))
    return b.softmax(b.dense(b.hard_swish(b.dense(x, "dense1")), "dense2"))


def mobilenet_v3_small(b):
    return mobilenet_v3(b, [2, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1], 4)


def mobilenet_v3_large(b):
    return mobilenet_v3(b, [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1], 7)


def efficientnet_b0(b):
    norm = lambda x, p, n: b.batchnorm(x, f"{p}batchnorm{n}")
    x = b.silu(norm(b.conv(b.normalize(**IMAGENET), "conv1", stride=2, pad=1), "", 1))
    for stage, (depth, stride) in enumerate([(1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)], 1):
        for i in range(depth):
            p = f"stage{stage}.mbconv{i + 1}."
            x = inverted(b, x, p, 1 if i else stride, b.silu, norm,
                         lambda y: gated(b, y, p + "excite1.gate", b.silu, "Sigmoid"))
    x = b.silu(norm(b.conv(x, "conv2"), "", 2))
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


def resnet20(b):
    x = b.normalize([0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616], 1 / 255)
    x = b.relu(b.batchnorm(b.conv(x, "conv1", pad=1), "batchnorm1"))
    for i in range(9):
        p, start, stride = f"residual{i + 1}.", x, 2 if i in (3, 6) else 1
        x = b.relu(b.batchnorm(b.conv(x, p + "conv1", stride=stride, pad=1), p + "batchnorm1"))
        x = b.batchnorm(b.conv(x, p + "main.conv1", pad=1), p + "main.batchnorm1")
        if stride != 1:
            half = b.maxpool(start, 1, 2)
            start = b.op("Concat", [half, b.op("Mul", [half, b.constant("nothing", 0.0)])], axis=1)
        x = b.relu(b.op("Add", [x, start]))
    return b.softmax(b.dense(b.pooled(x), "dense1"))


def resnet50(b):
    x = b.relu(b.batchnorm(b.conv(b.normalize(**IMAGENET), "conv1", stride=2, pad=3), "batchnorm1"))
    x = b.maxpool(x, 3, 2, pad=1)
    for stage, depth in enumerate([3, 4, 6, 3], 1):
        for i in range(depth):
            p, start, stride = f"stage{stage}.bottleneck{i + 1}.", x, 2 if stage > 1 and i == 0 else 1
            x = b.relu(b.batchnorm(b.conv(x, p + "conv1"), p + "batchnorm1"))
            x = b.relu(b.batchnorm(b.conv(x, p + "conv2", stride=stride, pad=1), p + "batchnorm2"))
            x = b.batchnorm(b.conv(x, p + "main.conv1"), p + "main.batchnorm1")
            if i == 0:
                start = b.batchnorm(b.conv(start, p + "shortcut.conv1", stride=stride),
                                    p + "shortcut.batchnorm1")
            x = b.relu(b.op("Add", [x, start]))
    return b.softmax(b.dense(b.pooled(x), "dense1"))


def densenet121(b):
    halve = lambda x: b.op("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x = b.relu(b.batchnorm(b.conv(b.normalize(**IMAGENET), "conv1", stride=2, pad=3), "batchnorm1"))
    x = b.maxpool(x, 3, 2, pad=1)
    for block, depth in enumerate([6, 12, 24, 16], 1):
        for i in range(depth):
            p = f"dense_block{block}.layer{i + 1}.new."
            y = b.conv(b.relu(b.batchnorm(x, p + "batchnorm1")), p + "conv1")
            y = b.conv(b.relu(b.batchnorm(y, p + "batchnorm2")), p + "conv2", pad=1)
            x = b.op("Concat", [x, y], axis=1)
        p = f"transition{block}."
        x = b.relu(b.batchnorm(x, p + "batchnorm1" if block < 4 else "batchnorm2"))
        if block < 4:
            x = halve(b.conv(x, p + "conv1"))
    return b.softmax(b.dense(b.pooled(x), "dense1"))


def convnext_t(b):
    x = b.layernorm(b.conv(b.normalize(**IMAGENET), "conv1", stride=4), "layernorm1")
    for stage, depth in enumerate([3, 3, 9, 3], 1):
        if stage > 1:
            x = b.conv(b.layernorm(x, f"stage{stage}.layernorm1"), f"stage{stage}.conv1", stride=2)
        for i in range(depth):
            p = f"stage{stage}.mix{i + 1}.main."
            y = b.layernorm(b.depthwise(x, p + "depthwise1", pad=3), p + "layernorm1")
            y = b.conv(b.gelu(b.conv(y, p + "conv1")), p + "conv2")
            factor = b.weights[p + "scale1.weight"].reshape(1, -1, 1, 1)
            x = b.op("Add", [b.op("Mul", [y, b.constant(p + "scale1.weight", factor)]), x])
    x = b.layernorm(b.op("GlobalAveragePool", [x]), "layernorm2")
    return b.softmax(b.dense(b.op("Flatten", [x]), "dense1"))


def googlenet(b):
    lrn = lambda x: b.op("LRN", [x], size=5, alpha=1e-4, beta=0.75, bias=1.0)
    halve = lambda x: b.maxpool(x, 3, 2, ceil=1)
    layer = lambda x, name, **window: b.relu(b.conv(x, name, **window))
    x = lrn(halve(layer(b.normalize(**CAFFE), "conv1", stride=2, pad=3)))
    x = halve(lrn(layer(layer(x, "conv2"), "conv3", pad=1)))
    for name in ["3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"]:
        three = layer(layer(x, name + ".three.conv1"), name + ".three.conv2", pad=1)
        five = layer(layer(x, name + ".five.conv1"), name + ".five.conv2", pad=2)
        pool = layer(b.maxpool(x, 3, 1, pad=1), name + ".pool")
        x = b.op("Concat", [layer(x, name + ".conv2"), three, five, pool], axis=1)
        if name in ("3b", "4e"):
            x = halve(x)
    return b.softmax(b.dense(b.pooled(x), "dense1"))


def lenet5_relu(b):
    x = b.normalize(0.2860, 0.3530, 1 / 255)
    x = b.maxpool(b.relu(b.conv(x, "stage1.conv1", pad=2)), 2, 2)
    x = b.maxpool(b.relu(b.conv(x, "stage2.conv1")), 2, 2)
    x = b.relu(b.dense(x, "dense1", image=(5, 5, 16)))
    return b.softmax(b.dense(b.relu(b.dense(x, "dense2")), "dense3"))


def fashion(b):
    x = b.normalize(0.2860, 0.3530, 1 / 255)
    for p in ("pair1.", "pair2.", ""):
        for i in (1, 2):
            x = b.relu(b.batchnorm(b.conv(x, f"{p}conv{i}", same=True), f"{p}batchnorm{i}"))
        x = b.maxpool(x, 2, 2) if p else b.pooled(x)
    return b.softmax(b.dense(x, "dense1"))


def lenet5_1998(b):
    squash = lambda x: b.op("Mul", [b.op("Tanh", [b.op("Mul", [x, b.constant("in", 2 / 3)])]),
                                    b.constant("out", 1.7159)])
    pool = lambda x, p: squash(b.depthwise(b.op("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2]),
                                           p + ".depthwise1"))

    def see(maps, layer):
        maps = b.op("Gather", [x, b.integers("maps " + layer, [i % 6 for i in maps])], axis=1)
        return b.conv(maps, layer)

    x = pool(squash(b.conv(b.normalize(0.2860, 0.3530, 1 / 255), "c1.conv1", pad=2)), "s2")
    maps = [see([0, 1, 2], "see1.conv1")]
    maps += [see([i + 1, i + 2, i + 3], f"three.{i}.conv1") for i in range(5)]
    maps += [see([i, i + 1, i + 2, i + 3], f"four.{i}.conv1") for i in range(6)]
    maps += [see([i, i + 1, i + 3, i + 4], f"pairs.{i}.conv1") for i in range(3)]
    x = pool(squash(b.op("Concat", maps + [see(range(6), "all")], axis=1)), "s4")
    x = b.op("Flatten", [squash(b.conv(x, "c5.conv1"))])
    return b.softmax(b.dense(squash(b.dense(x, "f6.dense1")), "dense1"))


def ds_cnn(b):
    layer = lambda x, p, i: b.relu(b.batchnorm(x, f"{p}batchnorm{i}"))
    x = layer(b.conv("image", "conv1", stride=2, same=True), "", 1)
    for i in range(4):
        p = f"separable{i + 1}."
        x = layer(b.depthwise(x, p + "depthwise1", pad=1), p, 1)
        x = layer(b.conv(x, p + "conv1"), p, 2)
    return b.softmax(b.dense(b.pooled(x), "dense1"))


def speech(b):
    x = b.relu(b.conv("image", "conv1", pad=1))
    for i in range(3):
        p, dilation = f"temporal{i + 1}.y.", 2**i
        y = b.depthwise(x, p + "depthwise1", pads=[8 * dilation, 0], dilation=dilation)
        y = b.conv(b.relu(b.batchnorm(y, p + "batchnorm1")), p + "conv1")
        x = b.relu(b.op("Add", [b.batchnorm(y, p + "batchnorm2"), x]))
    return b.softmax(b.dense(b.pooled(x), "dense1"))


def vgg16(b):
    x = b.normalize(**CAFFE)
    for stage, depth in enumerate([2, 2, 3, 3, 3], 1):
        for i in range(depth):
            x = b.relu(b.conv(x, f"stage{stage}.conv{i + 1}", pad=1))
        x = b.maxpool(x, 2, 2)
    x = b.relu(b.dense(x, "dense1", image=(7, 7, 512)))
    return b.softmax(b.dense(b.relu(b.dense(x, "dense2")), "dense3"))


def alexnet(b):
    lrn = lambda x: b.op("LRN", [x], size=5, alpha=1e-4, beta=0.75, bias=2.0)
    x = lrn(b.relu(b.conv(b.normalize(**CAFFE), "conv1", stride=4)))
    x = lrn(b.relu(b.conv(b.maxpool(x, 3, 2), "conv2", pad=2, groups=2)))
    x = b.relu(b.conv(b.maxpool(x, 3, 2), "conv3", pad=1))
    x = b.relu(b.conv(x, "conv4", pad=1, groups=2))
    x = b.relu(b.conv(x, "conv5", pad=1, groups=2))
    x = b.relu(b.dense(b.maxpool(x, 3, 2), "dense1", image=(6, 6, 256)))
    return b.softmax(b.dense(b.relu(b.dense(x, "dense2")), "dense3"))


def tiny_yolo(b):
    x = b.normalize(scale=1 / 255)
    for i in range(1, 9):
        x = b.op("LeakyRelu", [b.batchnorm(b.conv(x, f"layer{i}.conv1", same=True), f"layer{i}.batchnorm1")],
                 alpha=0.1)
        if i <= 6:
            x = b.maxpool(x, 2, 2) if i <= 5 else b.maxpool(x, 2, 1, same=True)
    return b.conv(x, "cells")


# NETS: the nets that bench/run measures by default; OTHERS: nets that it measures only if they or `all` are
# named.
NETS = {f.__name__: f for f in (lenet5, resnet8, mobilenet_v1, squeezenet, resnet18, vgg16, alexnet, unet,
                                tiny_yolo)}
OTHERS = {f.__name__: f for f in (lenet5_1998, lenet5_relu, fashion, speech, ds_cnn, resnet20, resnet50,
                                  densenet121, googlenet, mobilenet_v2, mobilenet_v3_small,
                                  mobilenet_v3_large, efficientnet_b0, convnext_t, unet_2015, fcn8s,
                                  deeplab_v3, autoencoder, espcn, fsrcnn, dcgan, resnext50, csp,
                                  inception17, pyramid, trunk, perceptron)}

# Options for examples that are measured with other constants than their defaults.
SIZES = {"unet": ["-D", "side=128", "-D", "classes=2"]}

# Divisor of the last layer's weights. Without it, the softmax of these random logits would be only 0 and 1,
# and would agree even if the logits were wrong.
LOGITS = {"resnet8": 10, "resnet20": 10, "squeezenet": 10, "resnet18": 100, "resnet50": 10000,
          "resnext50": 10000, "vgg16": 300, "alexnet": 100, "googlenet": 40, "densenet121": 3,
          "mobilenet_v3_small": 5, "mobilenet_v3_large": 100}


def find(net):
    """The path of a net's program, in examples/ or programs/."""
    here = os.path.dirname(os.path.abspath(__file__))
    return [*glob.glob(os.path.join(here, "..", "examples", "*", net + ".cnn")),
            os.path.join(here, "programs", net + ".cnn")][0]


def draw_weights(net, table):
    """Random weights, scaled as by He et al.; batchnorms are near the identity, with positive variances."""
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
    last = [row["name"] for row in table if row["name"].endswith(".weight")][-1]
    weights[last] /= LOGITS.get(net, 1)
    return weights
