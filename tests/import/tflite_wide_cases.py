"""Small TensorFlow Lite models with int16 values and int8 weights, each with one operator or family. The
expected results are recorded from two sets of reference kernels (golden/tflite16.txt). Used by tflite_wide.py
and golden/tflite16.py; with a folder as its argument, the script writes the models into this folder, as seeds
of the fuzz target."""
# SPDX-License-Identifier: Apache-2.0
import math
import os
import random
import sys

from tflite_models import BOOL, F32, I8, I16, I32, I64, NONE, RELU, RELU6, SAME, VALID, Net, Tensor, conv, \
    ints, pool

ALL = [1, 64, 64, 16]  # 65536 elements, one for each int16 value
SMALL = [1, 8, 6, 5]


class Case:
    """kernels: the libraries of kernels that have the operator."""

    def __init__(self, name, *inputs, kernels=("litert", "tflm")):
        self.name, self.net, self.inputs, self.kernels = name, Net(*inputs), inputs, kernels
        self.outputs = []

    def add(self, name, inputs, y, **options):
        self.outputs.append(self.net.add(name, inputs, y, **options))

    def data(self):
        return self.net.write(*self.outputs)

    def samples(self):
        """Two samples of each input: evenly spaced numbers of the whole range, and random ones, many of them
        at the extremes and near 0."""
        rng = random.Random(16)
        for k in range(2):
            sample = []
            for t in self.inputs:
                half, size = 128 if t.kind == I8 else 32768, math.prod(t.shape)
                step = max(1, 2 * half // size) | 1
                if k == 0:
                    sample.append([i * step % (2 * half) - half for i in range(size)])
                else:
                    sample.append([rng.choice((-half, half - 1, rng.randrange(-half, half),
                                               rng.randrange(-half // 64, half // 64))) for _ in range(size)])
            yield sample


def wide(shape, scale, **more):
    return Tensor(shape, I16, scale, 0, **more)


def drawn(rng, shape, kind, most):
    return [rng.randrange(-most, most + 1) for _ in range(math.prod(shape))]


# ---- functions of one number ----
def function_cases():
    for scale in (1.1e-4, 2.0**-12, 0.00091):
        case = Case(f"relus, {scale}", wide(ALL, scale))
        x = case.inputs[0]
        case.add("RELU", [x], wide(ALL, scale))
        case.add("RELU", [x], wide(ALL, scale * 0.943))
        case.add("RELU", [x], wide(ALL, scale * 2.71))
        case.add("RELU6", [x], wide(ALL, scale))
        for slope in (0.1, 0.0, 0.25, 1.5):
            case.add("LEAKY_RELU", [x], wide(ALL, scale), f0=("f", slope))
        yield case
    case = Case("relu6 and leaky_relu into other scales", wide(ALL, 1.7e-4), kernels=("litert",))
    x = case.inputs[0]
    case.add("RELU6", [x], wide(ALL, 1.83e-4))
    case.add("LEAKY_RELU", [x], wide(ALL, 1.63e-4), f0=("f", 0.3))
    case.add("LEAKY_RELU", [x], wide(ALL, 3.3e-4), f0=("f", 0.01))
    yield case
    # scales near powers of two are treated as powers of two
    power = 2.0**-12
    for scale in (1e-9, 1e-6, 3.3e-5, power / 2, 1.7e-4, power, power * 1.0005, power * 1.002, power * 2,
                  power * 1.9992, 0.001, 0.0123, 0.5, 2.6, 5.3):
        case = Case(f"sigmoid and tanh, {scale}", wide(ALL, scale))
        case.add("LOGISTIC", case.inputs, wide(ALL, 2.0**-15))
        case.add("TANH", case.inputs, wide(ALL, 2.0**-15))
        yield case
    # TensorFlow Lite for Microcontrollers computes the tables with the C library's float exp: an entry may
    # differ by one, so only LiteRT's results are recorded
    for scale, shape in ((3e-6, ALL), (1e-4, ALL), (1.7e-4, [1, 32768, 2]), (0.001, [1, 1000]), (0.05, ALL),
                         (0.9, [1, 3]), (2e-4, [1, 64, 1])):
        case = Case(f"softmax, {scale}, {shape[-1]}", wide(shape, scale), kernels=("litert",))
        case.add("SOFTMAX", case.inputs, wide(shape, 2.0**-15), f0=("f", 1.0))
        yield case


def scale_cases():
    x, y = wide(ALL, 1.1e-4), Tensor([1, 4, 4, 16], I8, 0.021, -7)
    case = Case("requantize 16 bits", x)
    for scale in (1.3e-4, 0.9e-4, 0.11, 1e-6):
        case.add("QUANTIZE", [x], wide(ALL, scale))
    for scale, zero in ((0.028, 0), (0.021, -128), (0.0001, 127)):
        case.add("QUANTIZE", [x], Tensor(ALL, I8, scale, zero))
    yield case
    case = Case("requantize int8 to int16", y)
    for scale in (0.021, 8.2e-5, 0.0003):
        case.add("QUANTIZE", [y], wide(y.shape, scale))
    yield case


# ---- pairs ----
def pair_cases():
    options = {"ADD": {"f1": ("B", 0)}, "SUB": {"f1": ("B", 0)}, "MUL": {}}
    for word in options:
        for a, b, y in ((1e-4, 1e-4, 1.9e-4), (1.1e-4, 0.7e-4, 1.3e-4), (3e-5, 2e-3, 1.1e-3),
                        (1.3e-4, 1e-6, 1e-4)):
            y = y if word != "MUL" else a * b * 29000
            case = Case(f"{word}, {a} and {b}", wide(ALL, a), wide(ALL, b))
            for activation in (NONE, RELU, RELU6):
                case.add(word, case.inputs, wide(ALL, y), f0=("b", activation), **options[word])
            yield case
    rng = random.Random(3)
    shape = [1, 4, 6, 8]
    for word in options:
        case = Case(f"{word} with constants", wide(shape, 1.1e-4))
        x = case.inputs[0]
        for own in ([1, 1, 1, 8], shape):
            c = wide(own, 0.9e-4, data=drawn(rng, own, I16, 32767))
            y = wide(shape, 1.7e-4 if word != "MUL" else 2.9e-4)
            case.add(word, [x, c], y, f0=("b", NONE), **options[word])
        yield case
    case = Case("a gate", wide(ALL, 1.4e-4), wide([1, 1, 1, 16], 2.0**-15))
    case.add("MUL", case.inputs, wide(ALL, 1.2e-4), f0=("b", NONE))
    yield case
    case = Case("powers of two by one scale", wide(ALL, 2.0**-12), wide(ALL, 2.0**-12), kernels=("litert",))
    for word in ("ADD", "SUB"):
        case.add(word, case.inputs, wide(ALL, 2.0**-12), f0=("b", NONE), f1=("B", 1))
    yield case
    case = Case("MAXIMUM and MINIMUM", wide(ALL, 1.1e-4), wide(ALL, 1.1e-4))
    for word in ("MAXIMUM", "MINIMUM"):
        case.add(word, case.inputs, wide(ALL, 1.1e-4))
    yield case


# ---- layers ----
def layer(rng, filters, terms, own, x_scale):
    """Random scales of weights (with `own`: one per filter), and a scale with which the result uses most of
    its range."""
    scales = [rng.uniform(0.002, 0.02) for _ in range(filters if own else 1)]
    return scales if own else scales[0], x_scale * max(scales) * 127 * math.sqrt(terms) * 0.7


def bias_of(rng, filters, x_scale, scales):
    unit = [x_scale * s for s in (scales if isinstance(scales, list) else [scales] * filters)]
    return Tensor([filters], I64, unit, 0, data=[rng.randrange(-10**6, 10**6) for _ in unit])


def layer_cases():
    rng, scale = random.Random(11), 1.3e-4
    for own in (True, False):
        x = wide([1, 9, 8, 6], scale)
        case = Case(f"convolutions, {'a scale a filter' if own else 'one scale'}", x)
        for kernel, stride, padding, end in (((3, 3), (1, 1), SAME, RELU), ((1, 1), (1, 1), VALID, NONE),
                                             ((3, 2), (2, 2), SAME, RELU6), ((2, 3), (1, 2), VALID, NONE)):
            scales, y = layer(rng, 8, kernel[0] * kernel[1] * 6, own, scale)
            shape = [8, *kernel, 6]
            w = Tensor(shape, I8, scales, 0, data=drawn(rng, shape, I8, 127))
            size = [-(-(n - (k - 1 if padding == VALID else 0)) // s)
                    for n, k, s in zip((9, 8), kernel, stride)]
            bias, out = bias_of(rng, 8, scale, scales), wide([1, *size, 8], y)
            case.outputs.append(conv(case.net, x, w, bias, out, stride, padding, end))
        yield case
    x = wide([1, 9, 8, 6], scale)
    case = Case("depthwise", x)
    for stride, times, padding in (((1, 1), 1, SAME), ((2, 2), 2, SAME), ((1, 1), 3, VALID)):
        scales, y = layer(rng, 6 * times, 9, True, scale)
        shape = [1, 3, 3, 6 * times]
        w = Tensor(shape, I8, scales, 0, axis=3, data=drawn(rng, shape, I8, 127))
        size = [-(-(n - (2 if padding == VALID else 0)) // s) for n, s in zip((9, 8), stride)]
        case.add("DEPTHWISE_CONV_2D", [x, w, bias_of(rng, 6 * times, scale, scales)],
                 wide([1, *size, 6 * times], y), f0=("b", padding), f1=("i", stride[1]), f2=("i", stride[0]),
                 f3=("i", times), f4=("b", NONE), f5=("i", 1), f6=("i", 1))
    yield case
    x = wide([1, 5, 4, 6], scale)
    case = Case("transposed convolutions", x)
    for kernel, stride, biased in ((3, 2, True), (4, 2, False), (2, 1, True)):
        scales, y = layer(rng, 5, kernel * kernel * 6, True, scale)
        shape, size = [5, kernel, kernel, 6], [1, 5 * stride, 4 * stride, 5]
        w = Tensor(shape, I8, scales, 0, data=drawn(rng, shape, I8, 127))
        more = [bias_of(rng, 5, scale, scales)] if biased else []
        case.add("TRANSPOSE_CONV", [ints(size), w, x, *more], wide(size, y), f0=("b", SAME), f1=("i", stride),
                 f2=("i", stride), f3=("b", NONE))
    yield case
    x = wide([1, 200], scale)
    for own in (True, False):
        case = Case(f"dense layers, {'a scale a unit' if own else 'one scale'}", x)
        for units, activation, biased in ((40, NONE, True), (400, RELU, False), (30, RELU6, True)):
            scales, y = layer(rng, units, 200, own, scale)
            w = Tensor([units, 200], I8, scales, 0, data=drawn(rng, [units, 200], I8, 127))
            bias = bias_of(rng, units, scale, scales) if biased else None
            case.add("FULLY_CONNECTED", [x, w, bias], wide([1, units], y), f0=("b", activation))
        yield case


# ---- pools and means ----
def pool_cases():
    x = wide([1, 9, 8, 6], 1.1e-4)
    case = Case("pools", x)
    for word in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        for size, stride, padding, activation, to in (((2, 2), (2, 2), VALID, NONE, (4, 4)),
                                                      ((3, 3), (2, 2), SAME, RELU, (5, 4)),
                                                      ((3, 2), (1, 1), SAME, RELU6, (9, 8)),
                                                      ((9, 8), (1, 1), VALID, NONE, (1, 1))):
            y = wide([1, *to, 6], 1.1e-4)
            case.outputs.append(pool(case.net, word, x, y, size, stride, padding, activation))
    yield case
    for shape in ([1, 9, 8, 6], [1, 7, 7, 5], [1, 64, 3, 4]):
        _, h, w, c = shape
        x = wide(shape, 1.1e-4)
        case = Case(f"means of {h}x{w}", x)
        for k, scale in enumerate((1.1e-4, 2.3e-5, 0.7e-4, 1e-6, 2e-3)):
            y = wide([1, 1, 1, c] if k % 2 else [1, c], scale)
            case.add("MEAN", [x, ints([1, 2])], y, f0=("B", k % 2))
        for axis in (1, 2):
            case.add("MEAN", [x, ints([axis])], wide([1, w if axis == 1 else h, c], 0.9e-4), f0=("B", 0))
        yield case


def reduce_cases():
    """LiteRT's kernel of SUM does not rescale. Counts are powers of two."""
    x = wide([1, 4, 8, 8], 8.47e-5)
    case = Case("sums", x, kernels=("tflm",))
    for axes, shape in (([1, 2], [1, 8]), ([1], [1, 8, 8]), ([2], [1, 4, 8])):
        for scale in (8.47e-5, 3.1e-4, 2.9e-3, 2 * 8.47e-5):
            case.add("SUM", [x, ints(axes)], wide(shape, scale), f0=("B", 0))
    yield case
    x = wide([1, 4, 6, 8], 8.47e-5)
    case = Case("the least and the largest", x, kernels=("litert",))
    for word in ("REDUCE_MIN", "REDUCE_MAX"):
        for axes, shape in (([1, 2], [1, 8]), ([1], [1, 6, 8]), ([2], [1, 4, 8])):
            case.add(word, [x, ints(axes)], wide(shape, 8.47e-5), f0=("B", 0))
    yield case
    case = Case("absolute values and a selection", x, wide([1, 4, 6, 8], 8.47e-5))
    case.add("ABS", [x], wide([1, 4, 6, 8], 8.47e-5))
    condition = Tensor([1, 4, 6, 8], BOOL, data=[i * i % 3 == 1 for i in range(192)])
    case.add("SELECT_V2", [condition, *case.inputs], wide([1, 4, 6, 8], 8.47e-5))
    yield case


# ---- factors of 4 and more ----
def far_cases():
    rng = random.Random(77)
    x = wide([1, 5, 4, 6], 1.3e-4)
    case = Case("layers by large factors", x)
    for scale in (1e-7, 3e-8):
        scales = [rng.uniform(0.002, 0.02) for _ in range(6)]
        w = Tensor([6, 1, 1, 6], I8, scales, 0, data=drawn(rng, [6, 1, 1, 6], I8, 127))
        case.outputs.append(conv(case.net, x, w, bias_of(rng, 6, 1.3e-4, scales),
                                 wide([1, 5, 4, 6], scale), (1, 1), SAME, NONE))
    yield case
    case = Case("means and conversions by large factors", x)
    case.add("MEAN", [x, ints([1, 2])], wide([1, 6], 1e-7), f0=("B", 0))
    case.add("QUANTIZE", [x], wide([1, 5, 4, 6], 1e-7))
    case.add("RELU", [x], wide([1, 5, 4, 6], 3e-6))
    yield case


# ---- moves ----
def move_cases():
    x, scale = wide(SMALL, 1.1e-4), 1.1e-4
    _, h, w, c = SMALL

    def sides(*n):
        return Tensor([4, 2], I32, data=n)
    case = Case("moves", x)
    case.add("RESHAPE", [x, ints([1, h * w * c])], wide([1, h * w * c], scale))
    case.add("RESHAPE", [x, ints([1, h, w * c])], wide([1, h, w * c], scale))
    case.add("PAD", [x, sides(0, 0, 1, 2, 0, 3, 0, 0)], wide([1, h + 3, w + 3, c], scale))
    case.add("CONCATENATION", [x, x], wide([1, h, w, 2 * c], scale), f0=("i", 3))
    case.add("CONCATENATION", [x, x], wide([1, 2 * h, w, c], scale), f0=("i", 1))
    case.add("STRIDED_SLICE", [x, ints([0, 1, 0, 1]), ints([1, 7, 6, 4]), ints([1, 2, 1, 1])],
             wide([1, 3, 6, 3], scale), **{f"f{k}": ("i", 0) for k in range(5)})
    yield case
    case = Case("more moves", x, kernels=("litert",))
    case.add("PADV2", [x, sides(0, 0, 1, 1, 1, 1, 0, 0), wide([1], scale, data=[-1234])],
             wide([1, h + 2, w + 2, c], scale))
    case.add("PAD", [x, sides(0, 0, 0, 0, 1, 1, 1, 3)], wide([1, h, w + 2, c + 4], scale))
    case.add("SLICE", [x, ints([0, 1, 2, 0]), ints([1, 3, -1, c])], wide([1, 3, w - 2, c], scale))
    case.add("RESIZE_NEAREST_NEIGHBOR", [x, ints([2 * h, 3 * w])], wide([1, 2 * h, 3 * w, c], scale))
    yield case


# ---- products of two values ----
def matmul_cases():
    for rows, inner, columns, y in (5, 19, 7, 0.031), (4, 300, 9, 2.0):
        a, b = wide([1, 2, rows, inner], 1.1e-4), wide([1, 2, inner, columns], 0.0007)
        turned = wide([1, 2, columns, inner], 0.0007)
        case = Case(f"products of {inner}", a, b, turned, kernels=("litert",))
        case.add("BATCH_MATMUL", [a, b], wide([1, 2, rows, columns], y), f0=("B", 0), f1=("B", 0))
        case.add("BATCH_MATMUL", [a, turned], wide([1, 2, rows, columns], y / 900), f0=("B", 0), f1=("B", 1))
        yield case


# ---- recurrent layers: int8 weights, int8 or int16 values, int16 cells ----
def lstm(case, x, rng, units, y_scale, y_zero, cell, clip, weight=0.008, **changes):
    """Adds an lstm after x; gates are in the order i f c o. changes: tensors that replace inputs."""
    channels, kind, bias = x.shape[2], x.kind, I64 if x.kind == I16 else I32

    def weights(columns):
        return [Tensor([units, columns], I8, weight * rng.uniform(0.5, 2), 0,
                       data=drawn(rng, [units, columns], I8, 127)) for _ in range(4)]

    def state(shape, kind, scale, zero=0):
        return Tensor(shape, kind, scale, zero, variable=True)
    inputs = [x, *weights(channels), *weights(units), None, None, None,
              *(Tensor([units], bias, 1e-5, 0,
                       data=drawn(rng, [units], I32, 15000 * (200 if kind == I16 else 1))) for _ in range(4)),
              None, None, state([1, units], kind, y_scale, y_zero), state([1, units], I16, cell),
              None, None, None, None]
    for at, tensor in changes.items():
        inputs[int(at[1:])] = tensor
    own = [Tensor([0], F32) for _ in range(4)] + [Tensor([0], kind, y_scale, y_zero)]
    return case.net.add("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs,
                        Tensor([1, x.shape[1], units], kind, y_scale, y_zero), f0=("b", 4),
                        f1=("f", clip), f3=("b", 0), intermediates=own)


def lstm_cases():
    rng = random.Random(40)
    for rows, channels, units, zero, y, cell, clip in (
            (30, 12, 17, 5, (0.0078125, 0), 2.0**-12, 10.0), (40, 5, 8, -128, (0.0071, -13), 2.0**-11, 0.0),
            (25, 20, 32, 127, (0.0052, 40), 2.0**-15, 0.9), (50, 3, 4, 0, (0.0079, 3), 2.0**-9, 3.0),
            (1, 9, 6, 11, (0.0066, -1), 2.0**-13, 1.0)):
        x = Tensor([1, rows, channels], I8, 0.013, zero)
        case = Case(f"lstm of {units} units, cells of {cell}", x)
        case.outputs.append(lstm(case, x, rng, units, *y, cell, clip))
        yield case
    x = Tensor([1, 20, 10], I8, 0.02, -3)
    case = Case("two lstms", x)
    first = lstm(case, x, rng, 12, 0.0078125, 0, 2.0**-12, 10.0)
    case.outputs.append(lstm(case, first, rng, 9, 0.007, 8, 2.0**-12, 10.0, weight=0.01))
    yield case
    for rows, channels, units, y, cell, clip in (
            (30, 12, 17, 2.0**-15, 2.0**-12, 10.0), (20, 5, 8, 2.9e-5, 2.0**-11, 0.0),
            (1, 9, 6, 2.5e-5, 2.0**-13, 1.0)):
        x = wide([1, rows, channels], 5e-5)
        case = Case(f"int16 lstm of {units} units, cells of {cell}", x, kernels=("tflm",))
        case.outputs.append(lstm(case, x, rng, units, y, 0, cell, clip))
        yield case


def port_cases():
    x, q, y = Tensor(ALL, F32), wide(ALL, 1.1e-4), Tensor(ALL, F32)
    case = Case("floats outside", x)
    case.net.add("QUANTIZE", [x], q)
    case.outputs.append(case.net.add("DEQUANTIZE", [case.net.add("TANH", [q], wide(ALL, 2.0**-15))], y))
    case.samples = lambda: [[[v * 1.1e-4 for v in range(-32768, 32768)]]]
    yield case


def all_cases():
    for family in (function_cases, scale_cases, pair_cases, layer_cases, pool_cases, move_cases, matmul_cases,
                   lstm_cases, port_cases, reduce_cases, far_cases):
        yield from family()


def main(folder):
    for number, case in enumerate(all_cases()):
        with open(os.path.join(folder, f"wide-{number}.tflite"), "wb") as file:
            file.write(case.data())


if __name__ == "__main__":
    main(sys.argv[1])
