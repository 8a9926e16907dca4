"""Cases in the form of tflite_cases.py: operators on indices in small quantized models."""
# SPDX-License-Identifier: Apache-2.0
import math
import random

import tflite_reference as ref
from tflite_cases import Case
from tflite_models import BOOL, F32, I8, I32, Tensor, ints


def indices(shape, limit):
    """An input of integers below the limit."""
    t = Tensor(shape, I32)
    t.limit = limit
    return t


def int8(shape, scale=0.05, zero=3, data=None):
    return Tensor(shape, I8, scale, zero, data=data)


def taken(values, shape, axis, index):
    """The values at the positions `index` along an axis."""
    to = [*shape[:axis], len(index), *shape[axis + 1:]]
    return ref.moved(values, shape, to, lambda at: (*at[:axis], index[at[axis]], *at[axis + 1:]))


def constant_cases():
    for shape, axes in (([1, 4, 5, 6], (1, 2, 3)), ([1, 7, 4], (1, 2)), ([1, 9], (1,))):
        x = int8(shape)
        case = Case(f"GATHER of {'x'.join(map(str, shape))}", [x], rounds=False)
        for axis in axes:
            index = [n * 3 % shape[axis] for n in (0, 3, 1, 1, 2)]
            to = [*shape[:axis], 5, *shape[axis + 1:]]
            y = case.net.add("GATHER", [x, ints(index)], int8(to), f0=("i", axis))
            case.output(y, lambda v, r, s=shape, a=axis, i=index: taken(v[0], s, a, i))
        yield case


def computed_cases():
    x, at = int8([1, 7, 4]), indices([1, 3], 7)
    case = Case("GATHER by computed indices", [x, at], rounds=False)
    y = case.net.add("GATHER", [x, at], int8([1, 3, 4]), f0=("i", 1), f1=("i", 1))
    case.output(y, lambda v, r: taken(v[0], [1, 7, 4], 1, v[1]))
    yield case
    rng, words = random.Random(2), indices([1, 5], 11)
    data = [rng.randrange(-128, 128) for _ in range(11 * 6)]
    for name, values in (("GATHER", 0), ("EMBEDDING_LOOKUP", 1)):
        case = Case(f"rows of a table by {name}", [words], rounds=False, golden=name == "GATHER")
        table = int8([11, 6], data=data)
        inputs = [table, words] if values == 0 else [words, table]
        y = case.net.add(name, inputs, int8([1, 5, 6]), **({"f0": ("i", 0)} if values == 0 else {}))
        case.output(y, lambda v, r: [q for row in v[0] for q in data[6 * row:6 * row + 6]])
        yield case


def largest_cases():
    x = int8([1, 4, 5])
    case = Case("ARG_MAX and what it selects", [x], rounds=False)
    best = case.net.add("ARG_MAX", [x, ints([-1])], Tensor([1, 4], I32))
    data = list(range(-60, -50))
    y = case.net.add("GATHER", [int8([5, 2], data=data), best], int8([1, 4, 2]), f0=("i", 0))

    def place(v):
        return [max(range(5), key=lambda c, p=p: (v[5 * p + c], -c)) for p in range(4)]
    case.output(y, lambda v, r: [q for row in place(v[0]) for q in data[2 * row:2 * row + 2]])
    hot = case.net.add("ONE_HOT", [best, ints([5]), int8([], 0.5, -2, [0]), int8([], 0.5, -2, [-2])],
                       int8([1, 4, 5], 0.5, -2), f0=("i", -1))
    case.golden = False  # LiteRT has no ONE_HOT of constants in this version
    case.output(hot, lambda v, r: [0 if row == c else -2 for row in place(v[0]) for c in range(5)])
    yield case
    x = int8([1, 12])
    case = Case("TOPK_V2", [x], rounds=False)
    values, places = int8([1, 3]), Tensor([1, 3], I32)
    case.net.add("TOPK_V2", [x, Tensor([], I32, data=[3])], [values, places])
    case.output(values, lambda v, r: sorted(v[0], reverse=True)[:3])
    y = case.net.add("GATHER", [x, places], int8([1, 3]), f0=("i", 1), f1=("i", 1))
    case.output(y, lambda v, r: sorted(v[0], reverse=True)[:3])
    yield case


def function_cases():
    x = int8([1, 4, 4, 16], 0.03, -128)
    case = Case("RSQRT", [x], near=1)
    y = case.net.add("RSQRT", [x], int8(x.shape, 0.02, -120))
    case.output(y, lambda v, r: [127 if q == -128 else ref.clamp(
        ref.nearest(1 / math.sqrt((q + 128) * x.scale[0]) / y.scale[0]) - 120) for q in v[0]])
    yield case
    x, f, z = int8([1, 4, 4, 16]), Tensor([1, 4, 4, 16], F32), int8([1, 4, 4, 16], 0.07, -5)
    case = Case("functions between conversions", [x], near=1, golden=False, rounds=False)
    case.net.add("DEQUANTIZE", [x], f)
    for name, number, function in (
            ("NEG", None, lambda a: -a), ("FLOOR", None, math.floor), ("SIN", None, math.sin),
            ("COS", None, math.cos), ("POW", 2.0, lambda a: a ** 2),
            ("FLOOR_DIV", 0.75, lambda a: math.floor(a / 0.75)),
            ("FLOOR_MOD", 1.5, lambda a: a - 1.5 * math.floor(a / 1.5))):
        numbers = [Tensor([], F32, data=[number])] if number else []
        made = case.net.add(name, [f, *numbers], Tensor(f.shape, F32))
        y = case.net.add("QUANTIZE", [made], int8(f.shape, 0.07, -5))
        case.output(y, lambda v, r, f=function: [ref.clamp(ref.nearest(
            f(ref.f32((q - 3) * x.scale[0])) / z.scale[0]) - 5) for q in v[0]])
    yield case


def choice_cases():
    a, b = int8([1, 4, 6]), int8([1, 4, 6], 0.05, 3)
    case = Case("SELECT_V2 by a constant", [a, b], rounds=False)
    rng = random.Random(8)
    for shape in ([1, 4, 6], [4, 1], [6]):
        by = [rng.randrange(2) for _ in range(math.prod(shape))]
        y = case.net.add("SELECT_V2", [Tensor(shape, BOOL, data=by), a, b], int8([1, 4, 6]))
        at = [i // 6 if shape == [4, 1] else i % math.prod(shape) for i in range(24)]
        case.output(y, lambda v, r, by=by, at=at: [v[0][i] if by[at[i]] else v[1][i] for i in range(24)])
    yield case
    case = Case("SQUARED_DIFFERENCE", [a, b], near=1)
    y = case.net.add("SQUARED_DIFFERENCE", [a, b], int8([1, 4, 6], 0.2, -128))
    case.output(y, lambda v, r: [ref.clamp(ref.nearest(((p - q) * 0.05) ** 2 / 0.2) - 128)
                                 for p, q in zip(*v)])
    yield case
    case = Case("an output that is an ARG_MAX", [a], rounds=False, golden=False)
    scores = case.net.add("RELU", [a], int8([1, 4, 6]))
    case.net.add("ARG_MAX", [scores, ints([-1])], Tensor([1, 4], I32, name="best"))
    case.outputs, case.wants = [scores], [lambda v, r: [max(q, 3) for q in v[0]]]
    best = case.net.tensors[-1]
    case.data = lambda: case.net.write(best)
    yield case


def pair_cases():
    x = Tensor([1, 5, 3], F32)
    case = Case("GATHER_ND of floats", [x], rounds=False)
    where = Tensor([1, 4, 2], I32, data=[0, 4, 0, 1, 0, 1, 0, 2])
    y = case.net.add("GATHER_ND", [x, where], Tensor([1, 4, 3], F32))
    case.output(y, lambda v, r: [v[0][3 * row + c] for row in (4, 1, 1, 2) for c in range(3)])
    yield case


def index_cases():
    yield from constant_cases()
    yield from computed_cases()
    yield from largest_cases()
    yield from function_cases()
    yield from choice_cases()
    yield from pair_cases()
