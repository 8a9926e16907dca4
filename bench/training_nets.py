"""training_nets.py: Nets of bench/train, as functions of a builder and a value."""
# SPDX-License-Identifier: Apache-2.0


def lenet5(b, x):
    x = b.maxpool(b.relu(b.conv(x, 6, 5, pad=2)))
    x = b.flatten(b.maxpool(b.relu(b.conv(x, 16, 5))))
    return b.dense(b.relu(b.dense(b.relu(b.dense(x, 120)), 84)), 10)


def kann(b, x):  # the MNIST example of KANN
    x = b.relu(b.conv(b.relu(b.conv(x, 32, 3)), 32, 3))
    return b.dense(b.relu(b.dense(b.flatten(b.maxpool(x)), 128)), 10)


def resnet20(b, x):  # He et al. (2016), section 4.2
    x = b.relu(b.norm(b.conv(x, 16, 3, pad=1, bias=False)))
    for filters in (16, 32, 64):
        for unit in range(3):
            stride = 2 if filters > 16 and unit == 0 else 1
            y = b.relu(b.norm(b.conv(x, filters, 3, stride, 1, bias=False)))
            y = b.norm(b.conv(y, filters, 3, 1, 1, bias=False))
            x = b.relu(b.add(y, x if stride == 1 else b.norm(b.conv(x, filters, 1, stride, 0, bias=False))))
    return b.dense(b.mean(x), 10)


def mobilenet(b, x):  # Howard et al. (2017), width 0.25
    x = b.relu6(b.norm(b.conv(x, 8, 3, 2, 1, bias=False)))
    for filters, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2),
                            (256, 1)):
        x = b.relu6(b.norm(b.depthwise(x, 3, stride, 1)))
        x = b.relu6(b.norm(b.conv(x, filters, 1, bias=False)))
    return b.dense(b.mean(x), 10)


def resnet18(b, x):  # He et al. (2016)
    x = b.maxpool(b.relu(b.norm(b.conv(x, 64, 7, 2, 3, bias=False))))
    for filters in (64, 128, 256, 512):
        for unit in range(2):
            stride = 2 if filters > 64 and unit == 0 else 1
            y = b.relu(b.norm(b.conv(x, filters, 3, stride, 1, bias=False)))
            y = b.norm(b.conv(y, filters, 3, 1, 1, bias=False))
            x = b.relu(b.add(y, x if stride == 1 else b.norm(b.conv(x, filters, 1, stride, 0, bias=False))))
    return b.dense(b.mean(x), 1000)


def vgg(b, x):  # after Simonyan and Zisserman (2014), for images of 32x32
    for filters, layers in ((64, 2), (128, 2), (256, 3), (512, 3)):
        for _ in range(layers):
            x = b.relu(b.norm(b.conv(x, filters, 3, pad=1, bias=False)))
        x = b.maxpool(x)
    return b.dense(b.relu(b.dense(b.flatten(x), 512)), 10)


def mobilenet_v2(b, x):  # Sandler et al. (2018)
    x, inputs = b.relu6(b.norm(b.conv(x, 32, 3, 2, 1, bias=False))), 32
    for factor, filters, units, first in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                          (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for unit in range(units):
            stride, y = first if unit == 0 else 1, x
            if factor > 1:
                y = b.relu6(b.norm(b.conv(y, inputs * factor, 1, bias=False)))
            y = b.relu6(b.norm(b.depthwise(y, 3, stride, 1)))
            y = b.norm(b.conv(y, filters, 1, bias=False))
            x, inputs = b.add(y, x) if stride == 1 and inputs == filters else y, filters
    return b.dense(b.mean(b.relu6(b.norm(b.conv(x, 1280, 1, bias=False)))), 1000)


def densenet(b, x):  # Huang et al. (2017), three blocks of six layers that add 12 channels each
    x, channels = b.conv(x, 24, 3, pad=1, bias=False), 24
    for block in range(3):
        if block:
            x, channels = b.conv(b.relu(b.norm(x)), channels // 2, 1, bias=False), channels // 2
            x = b.avgpool(x)
        for _ in range(6):
            x, channels = b.concat(x, b.conv(b.relu(b.norm(x)), 12, 3, pad=1, bias=False)), channels + 12
    return b.dense(b.mean(b.relu(b.norm(x))), 10)


def squeeze_excite(b, x):  # Hu et al. (2018): residual blocks with gates
    x = b.relu(b.norm(b.conv(x, 32, 3, pad=1, bias=False)))
    for filters in (32, 64, 128):
        for unit in range(2):
            stride = 2 if filters > 32 and unit == 0 else 1
            y = b.relu(b.norm(b.conv(x, filters, 3, stride, 1, bias=False)))
            y = b.norm(b.conv(y, filters, 3, 1, 1, bias=False))
            gate = b.sigmoid(b.conv(b.relu(b.conv(b.squeeze(y), filters // 8, 1)), filters, 1))
            y = b.multiply(y, gate)
            x = b.relu(b.add(y, x if stride == 1 else b.norm(b.conv(x, filters, 1, stride, 0, bias=False))))
    return b.dense(b.mean(x), 10)


def alex_small(b, x):  # after Krizhevsky et al. (2012), for images of 64x64
    x = b.maxpool(b.lrn(b.relu(b.conv(x, 48, 5, 2, 2))))
    x = b.maxpool(b.lrn(b.relu(b.conv(x, 128, 5, pad=2, groups=2))))
    x = b.relu(b.conv(b.relu(b.conv(x, 192, 3, pad=1)), 192, 3, pad=1, groups=2))
    x = b.maxpool(b.relu(b.conv(x, 128, 3, pad=1, groups=2)))
    return b.dense(b.relu(b.dense(b.relu(b.dense(b.flatten(x), 512)), 512)), 10)


def three_dense(b, x):
    return b.dense(b.relu(b.dense(b.relu(b.dense(b.flatten(x), 1024)), 1024)), 10)


def mlp_small(b, x):
    x = b.flatten(x)
    for _ in range(3):
        x = b.relu(b.dense(x, 512))
    return b.dense(x, 10)


NETS = {  # net, input, batch
    "lenet5": (lenet5, (28, 28, 1), 64),
    "kann_mnist": (kann, (28, 28, 1), 64),
    "resnet20": (resnet20, (32, 32, 3), 128),
    "mobilenet_v1_025": (mobilenet, (96, 96, 3), 32),
    "resnet18_64": (resnet18, (64, 64, 3), 16),
    "vgg_32": (vgg, (32, 32, 3), 128),
    "mobilenet_v2_96": (mobilenet_v2, (96, 96, 3), 32),
    "densenet_32": (densenet, (32, 32, 3), 64),
    "squeeze_excite_32": (squeeze_excite, (32, 32, 3), 64),
    "mlp_small": (mlp_small, (16, 16, 2), 128),
    "three_dense": (three_dense, (28, 28, 1), 128),
    "alex_small": (alex_small, (64, 64, 3), 64),
    "resnet18_224": (resnet18, (224, 224, 3), 16),
    "mobilenet_v2_224": (mobilenet_v2, (224, 224, 3), 16),
}
