"""image_nets.py: the nets of examples/ with image outputs (a class or a color per pixel), as ONNX. They
are written with nets.py's Builder, whose values are NCHW."""
# SPDX-License-Identifier: Apache-2.0


def double(b, x, p, **window):
    return b.relu(b.conv(b.relu(b.conv(x, p + "conv1", **window)), p + "conv2", **window))


def unet(b):
    x, skips = b.normalize(0.5, 0.5, 1 / 255), []
    for i in range(1, 5):
        skips.append(double(b, x, f"d{i}.", same=True))
        x = b.maxpool(skips[-1], 2, 2)
    x = double(b, x, "double5.", same=True)
    for i in range(1, 5):
        x = b.conv_transpose(x, f"up{i}.conv_transpose1", stride=2)
        x = double(b, b.op("Concat", [x, skips.pop()], axis=1), f"up{i}.double1.", same=True)
    return b.softmax(b.conv(x, "mask"))


def unet_2015(b):
    x, skips = b.normalize(0.5, 0.5, 1 / 255), []
    for i in range(1, 5):
        skips.append(double(b, x, f"d{i}."))
        x = b.maxpool(skips[-1], 2, 2)
    x = double(b, x, "double5.")
    for i, (before, size) in enumerate([(4, 56), (16, 104), (40, 200), (88, 392)], 1):
        grown = b.conv_transpose(x, f"up{i}.grown", stride=2)
        x = b.op("Concat", [b.cropped(skips.pop(), before, size), grown], axis=1)
        x = double(b, x, f"up{i}.double1.")
    return b.softmax(b.conv(x, "mask"))


def fcn8s(b):
    x, stages = b.normalize(0.5, 0.5, 1 / 255), []
    for stage, depth in [("stage1", 2), ("stage2", 2), ("third", 3), ("fourth", 3), ("stage5", 3)]:
        for i in range(1, depth + 1):
            x = b.conv(x, f"{stage}.conv{i}", same=True)
            x = b.relu(b.batchnorm(x, f"{stage}.batchnorm{i}"))
        x = x if stage == "stage1" else b.maxpool(x, 2, 2)
        stages.append(x)
    x = b.relu(b.batchnorm(b.conv(x, "conv1", same=True), "batchnorm1"))
    x = b.relu(b.batchnorm(b.conv(x, "conv2"), "batchnorm2"))
    grow = lambda x, p: b.conv_transpose(x, p + ".double1.conv_transpose1", stride=2, pad=1)
    coarse = grow(b.conv(x, "coarse.conv1"), "coarse")
    middle = grow(b.op("Add", [b.conv(stages[3], "middle.conv1"), coarse]), "middle")
    fine = b.op("Add", [b.conv(stages[2], "fine"), middle])
    return b.softmax(b.conv_transpose(fine, "conv_transpose1", stride=4, pad=2))


def deeplab_v3(b):
    def layer(x, p, n=1, active=True, **window):
        """Convolution, batch normalization and, if active, relu. The names of the layers begin with `p` (the
        block) and end with `n`."""
        x = b.batchnorm(b.conv(x, f"{p}conv{n}", **window), f"{p}batchnorm{n}")
        return b.relu(x) if active else x

    def window(stride, dilation):
        return dict(same=True) if stride > 1 else dict(pad=dilation)

    def residual(x, p, stride, dilation):
        main = layer(x, p, stride=stride, dilation=dilation, **window(stride, dilation))
        main = layer(main, p + "main.", active=False, pad=dilation, dilation=dilation)
        short = p + "shortcut."
        if short + "conv1.weight" in b.weights:
            x = layer(x, short, active=False, stride=stride)
        return b.relu(b.op("Add", [main, x]))

    x = layer(b.normalize(0.5, 0.5, 1 / 255), "", stride=2, same=True)
    for stage, (stride, dilation) in enumerate([(1, 1), (2, 1), (1, 2), (1, 4)], 1):
        x = residual(x, f"stage{stage}.residual1.", stride, dilation)
        x = residual(x, f"stage{stage}.residual2.", 1, dilation)
    p = "pyramid1."
    mean = b.resize(layer(b.op("GlobalAveragePool", [x]), p + "all."), 24)
    spread = [layer(x, f"{p}{name}.", pad=rate, dilation=rate) for name, rate in zip("abc", (3, 6, 9))]
    x = layer(b.op("Concat", [layer(x, p), *spread, mean], axis=1), p, 2)
    x = b.conv(layer(x, "", 2, pad=1), "conv3")
    return b.softmax(b.resize(x, 4, "linear"))


def autoencoder(b):
    x = b.normalize(scale=1 / 255)
    for name in ("conv1", "conv2"):
        x = b.relu(b.conv(x, name, stride=2, same=True))
    code = b.dense(x, "code", image=(7, 7, 8))
    rows = lambda array: array.reshape(7, 7, 8, -1).transpose(2, 0, 1, 3)  # hwc to chw
    weight, bias = (b.constant(name, rows(b.weights[name]).reshape(b.weights[name].shape))
                    for name in ("dense2.weight", "dense2.bias"))
    x = b.relu(b.op("Gemm", [code, weight, bias], transB=1))
    x = b.op("Reshape", [x, b.integers("picture", [-1, 8, 7, 7])])
    x = b.relu(b.conv_transpose(x, "conv_transpose1", stride=2, pads=[0, 0, 1, 1]))
    return b.op("Sigmoid", [b.conv_transpose(x, "picture", stride=2, pads=[0, 0, 1, 1])]), code


def shrunk(b):
    """The first layers of the nets of super_resolution/."""
    return b.op("AveragePool", [b.normalize(scale=1 / 255)], kernel_shape=[3, 3], strides=[3, 3])


def espcn(b):
    x = b.op("Tanh", [b.conv(shrunk(b), "conv1", pad=2)])
    x = b.op("Tanh", [b.conv(x, "conv2", pad=1)])
    return b.op("DepthToSpace", [b.conv(x, "conv3", pad=1)], blocksize=3, mode="CRD")


def fsrcnn(b):
    x = shrunk(b)
    for i, pad in enumerate([2, 0, 1, 1, 1, 1, 0], 1):
        x = b.prelu(b.conv(x, f"conv{i}", pad=pad), f"prelu{i}")
    return b.conv_transpose(x, "large", stride=3, pad=3)


def dcgan(b):
    x = b.conv_transpose("image", "main.0")
    for i in (1, 4, 7, 10):
        x = b.relu(b.batchnorm(x, f"main.{i}"))
        x = b.conv_transpose(x, f"main.{i + 2}", stride=2, pad=1)
    return b.op("Tanh", [x])
