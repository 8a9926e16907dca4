"""programs.py: the nets of programs/, which no example has, as ONNX, written with nets.py's Builder."""
# SPDX-License-Identifier: Apache-2.0


def layer(b, x, p, n=1, active=None, epsilon=1e-5, **window):
    """Convolution, batch normalization and activation; `p` begins the names of the block's layers."""
    x = b.batchnorm(b.conv(x, f"{p}conv{n}", **window), f"{p}batchnorm{n}", epsilon)
    return active(x) if active else x


def resnext50(b):
    imagenet = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225], scale=1 / 255)
    x = b.maxpool(layer(b, b.normalize(**imagenet), "", active=b.relu, stride=2, pad=3), 3, 2, pad=1)
    for stage, depth in enumerate([3, 4, 6, 3], 1):
        for i in range(depth):
            p, stride = f"stage{stage}.bottleneck{i + 1}.", 2 if stage > 1 and i == 0 else 1
            y = layer(b, layer(b, x, p, active=b.relu), p, 2, b.relu, stride=stride, pad=1, groups=32)
            y = layer(b, y, p + "main.")
            if i == 0:
                x = layer(b, x, p + "shortcut.", stride=stride)
            x = b.relu(b.op("Add", [y, x]))
    return b.softmax(b.dense(b.pooled(x), "dense1"))


def inception17(b):
    def chain(x, p, *names):
        for name in names:
            kernel = b.weights[f"{p}{name}.conv1.weight"].shape[2:]
            pads = [size // 2 for size in kernel] * 2
            x = layer(b, x, f"{p}{name}.", active=b.relu, pads=pads)
        return x

    x = "image"
    for module in range(1, 5):
        p = f"module{module}."
        once = chain(x, p + "once.", "narrow1", "across1", "down1")
        twice = chain(x, p + "twice.", "narrow1", "down1", "across1", "down2", "across2")
        mean = b.op("AveragePool", [x], kernel_shape=[3, 3], strides=[1, 1], pads=[1] * 4)
        parts = [chain(x, p, "narrow2"), once, twice, chain(mean, p, "pool")]
        x = b.op("Concat", parts, axis=1)
    return x


def pyramid(b):
    spread = [layer(b, "image", name + ".", active=b.relu, pad=rate, dilation=rate)
              for name, rate in zip("abc", (6, 12, 18))]
    x = b.op("Concat", [layer(b, "image", "", active=b.relu), *spread], axis=1)
    return layer(b, x, "", 2)


def csp(b):
    silu = lambda x, p, **window: layer(b, x, p + ".", active=b.silu, **window)

    def split(x, p, depth):
        left = silu(x, p + ".layer2")
        for i in range(1, depth + 1):
            block = f"{p}.deep1.bottleneck{i}."
            left = b.op("Add", [silu(silu(left, block + "layer1"), block + "layer2", pad=1), left])
        return silu(b.op("Concat", [left, silu(x, p + ".right")], axis=1), p + ".layer3")

    x = silu(b.normalize(scale=1 / 255), "layer1", stride=2, pad=2)
    for i, depth in enumerate([1, 2, 3, 1], 1):
        x = split(silu(x, f"layer{i + 1}", stride=2, pad=1), f"split{i}", depth)
    parts = [silu(x, "first")]
    while len(parts) < 4:
        parts.append(b.maxpool(parts[-1], 5, 1, pad=2))
    return silu(b.op("Concat", parts, axis=1), "layer7")


def trunk(b):
    conv = lambda x, name: b.conv(x, name, pad=1)
    start = x = conv(b.normalize(scale=1 / 255), "start")
    for i in range(1, 9):
        y = conv(b.relu(conv(x, f"residual{i}.conv1")), f"residual{i}.conv2")
        x = b.op("Add", [y, x])
    x = b.op("Add", [conv(x, "conv2"), start])
    return conv(b.op("DepthToSpace", [conv(x, "conv3")], blocksize=2, mode="CRD"), "conv4")


def perceptron(b):
    x = b.relu(b.dense(b.normalize(scale=1 / 255), "dense1", image=(28, 28, 1)))
    return b.softmax(b.dense(b.relu(b.dense(x, "dense2")), "dense3"))
