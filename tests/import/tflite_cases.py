"""Small TensorFlow Lite models, each with one operator or family, and their expected results for each
rounding (tflite_reference.py). Used by tflite_ops.py and golden/tflite.py; with a folder as its argument, the
script writes the models into this folder, as seeds of the fuzz target."""
# SPDX-License-Identifier: Apache-2.0
import math
import os
import random
import sys

import tflite_reference as ref
from tflite_models import F32, I32, I64, I8, NONE, RELU, RELU6, RELU_N1, SAME, U8, VALID, Net, Tensor, conv, \
    ints, pool

ALL = [1, 4, 4, 16]  # 256 elements, one for each value of a byte


class Case:
    """want: for each output a function of (values by input, rounding); None: the model is only imported.
    near: permitted difference of an output."""

    def __init__(self, name, inputs, near=0, golden=True, rounds=True):
        self.name, self.net, self.inputs, self.near = name, Net(*inputs), inputs, near
        self.golden, self.rounds = golden, rounds
        self.outputs, self.wants = [], []

    def output(self, tensor, want):
        self.outputs.append(tensor)
        self.wants.append(want)

    def data(self):
        return self.net.write(*self.outputs)

    def samples(self, n=2):
        """Each input's elements: first all bytes in order, repeated, then random ones and the extremes."""
        rng = random.Random(7)
        for k in range(n):
            sample = []
            for t in self.inputs:
                size = math.prod(t.shape)
                draws = [rng.choice((-128, 127, rng.randrange(-128, 128))) for _ in range(size)]
                values = [(i + 7 * k) % 256 - 128 if k == 0 else draws[i] for i in range(size)]
                if t.kind == U8:
                    values = [v + 128 for v in values]
                if t.kind == I32:
                    values = [(5 * v + k) % t.limit for v in values]
                if t.kind == F32:
                    values = [ref.f32(v / 31) for v in values]  # no ties in rounding
                sample.append(values)
            yield sample


def maps(name, x, rows, **more):
    """rows: (operator, output, function of one number), and optionally (other inputs, options)."""
    case = Case(name, [x], **more)
    for op, y, function, *rest in rows:
        others, options = rest or ([], {})
        case.net.add(op, [x, *others], y, **options)
        case.output(y, lambda v, rounding, y=y, f=function: [f(q, x, y, rounding) for q in v[0]])
    return case


def out(scale, zero, shape=None):
    return Tensor(shape or ALL, I8, scale, zero)


def function_cases():
    x = Tensor(ALL, I8, 0.05, 3)
    six = [("RELU", out(0.05, 3), ref.relu(0, None)), ("RELU", out(0.031, -128), ref.relu(0, None)),
           ("RELU6", out(0.05, 3), ref.relu(0, 6)), ("RELU6", out(0.0235, -128), ref.relu(0, 6)),
           ("RELU_N1_TO_1", out(0.05, 3), ref.relu(-1, 1)), ("RELU_N1_TO_1", out(0.0078, 0), ref.relu(-1, 1)),
           ("RELU_0_TO_1", out(0.0039, -128), ref.relu(0, 1)), ("RELU", out(0.012, 4), ref.relu(0, None)),
           ("RELU6", out(3e-5, -128), ref.relu(0, 6))]
    yield maps("relus", x, six)
    slope = [("LEAKY_RELU", out(s, z), ref.leaky_relu(a), [], {"f0": ("f", a)})
             for s, z, a in ((0.05, 3, 0.25), (0.031, -60, 0.1), (0.0126, 11, 1.5), (0.2, 0, 0.0),
                               (0.0009, 1, 0.02), (0.011, 0, 40.0))]
    yield maps("leaky_relu", x, slope)
    for scale, zero in ((1e-6, 0), (0.0037, -128), (0.03, 5), (0.117, 127), (0.9, -3)):
        s = Tensor(ALL, I8, scale, zero)
        yield maps(f"sigmoid and tanh, {scale}", s, [
            ("LOGISTIC", out(1 / 256, -128), ref.logistic), ("TANH", out(1 / 128, 0), ref.tanh)])
    for scale, zero, os, oz in ((0.03, 5, 0.03, 5), (0.06, -10, 0.031, -116),
                                (0.11, 0, 0.06, -122), (0.004, 1, 0.003, 9)):
        s = Tensor(ALL, I8, scale, zero)
        yield maps(f"hard_swish, {scale}", s, [("HARD_SWISH", out(os, oz), ref.hard_swish)])
    real = {"ELU": lambda v: v if v > 0 else math.expm1(v), "EXP": math.exp,
            "GELU": lambda v: v / 2 * (1 + math.erf(v / math.sqrt(2)))}
    s = Tensor(ALL, I8, 0.03, 5)
    yield maps("elu", s, [("ELU", out(0.02, -70), ref.by_real(real["ELU"]))], golden=False)
    yield maps("tables", s, [("EXP", out(0.11, -128), ref.by_real(real["EXP"])),
                             ("GELU", out(0.03, -100), ref.by_real(real["GELU"]), [], {"f0": ("B", 0)})])
    rng = random.Random(5)
    case = Case("prelu", [x])
    for shape, s, z in (([1, 1, 16], 0.01, 0), ([1, 1, 1], 0.02, -5), ([1, 1, 16], 7.0, 0)):
        slopes = [rng.randrange(-128, 128) for _ in range(shape[-1])]
        alpha, y = Tensor(shape, I8, s, z, data=slopes), out(0.04, -20)
        case.net.add("PRELU", [x, alpha], y)
        case.output(y, lambda v, r, y=y, a=alpha, slopes=slopes:
                    [ref.prelu(q, x, a, slopes[k % len(slopes)], y, r) for k, q in enumerate(v[0])])
    yield case


def scale_cases():
    """Requantization with factors from 2^-31 to 2^21."""
    for zero in (-128, 0, 127):
        x = Tensor(ALL, I8, 0.5, zero)
        ends = [(0.5, 3), (0.5 * 2**-31 * 2**31.5, 0), (0.1255, zero), (0.25, -7), (0.7, 127), (2.0**20, 0),
                (2.0**30, 1), (0.5 * 255, -128), (1.0, -1), (0.1249, 2),
                (0.0071, -128), (3e-5, 127), (0.5 * 2.0**-21, 0)]
        yield maps(f"requantize, {zero}", x, [("QUANTIZE", out(s, z), ref.requantize) for s, z in ends])
    x, y = Tensor(ALL, I8, 0.03, 5), Tensor(ALL, I8, 0.03, 5)
    case = Case("relu6 after a conversion that changes nothing", [x])
    z = case.net.add("RELU6", [case.net.add("QUANTIZE", [x], y)], out(0.02, 0))
    case.output(z, lambda v, r: [ref.relu(0, 6)(q, x, z, r) for q in v[0]])
    yield case


def port_cases():
    x = Tensor(ALL, F32)
    q, r, y = Tensor(ALL, I8, 0.05, 3), Tensor(ALL, I8, 0.04, -128), Tensor(ALL, F32)
    case = Case("floats outside", [x])
    case.net.add("QUANTIZE", [x], q)
    case.net.add("RELU", [q], r)
    case.net.add("DEQUANTIZE", [r], y)

    def floats(v, rounding):
        qs = [ref.clamp(round(ref.f32(e / q.scale[0])) + 3) for e in v[0]]
        return [ref.f32((ref.relu(0, None)(e, q, r, rounding) + 128) * r.scale[0]) for e in qs]
    case.output(y, floats)
    yield case
    x, q, r, y = (Tensor(ALL, k, 0.05, z) for k, z in ((U8, 131), (I8, 3), (I8, 3), (U8, 131)))
    case = Case("bytes without signs outside", [x])
    case.net.add("QUANTIZE", [x], q)
    case.net.add("RELU", [q], r)
    case.net.add("QUANTIZE", [r], y)
    case.output(y, lambda v, rounding: [ref.relu(0, None)(e - 128, q, r, rounding) + 128 for e in v[0]])
    yield case
    x, q, y = Tensor(ALL, U8, 0.05, 131), Tensor(ALL, I8, 0.031, 9), Tensor(ALL, U8, 0.04, 7)
    case = Case("bytes without signs in other scales", [x])
    case.net.add("QUANTIZE", [x], q)
    case.net.add("QUANTIZE", [q], y)
    inner, outer = Tensor(ALL, I8, 0.05, 3), Tensor(ALL, I8, 0.04, -121)
    case.output(y, lambda v, rounding: [
        ref.requantize(ref.requantize(e - 128, inner, q, rounding), q, outer, rounding) + 128 for e in v[0]])
    yield case
    x, f, s, y = Tensor(ALL, I8, 0.05, 3), Tensor(ALL, F32), Tensor(ALL, F32), Tensor(ALL, I8, 1 / 200, -100)
    case = Case("floats within", [x])
    case.net.add("DEQUANTIZE", [x], f)
    case.net.add("LOGISTIC", [f], s)
    case.net.add("QUANTIZE", [s], y)
    case.output(y, lambda v, rounding: [ref.clamp(round(200 / (1 + math.exp(-(q - 3) * x.scale[0]))) - 100)
                                        for q in v[0]])
    case.near = 1
    yield case


def mean_cases():
    for shape, scale, zero, scales in (([1, 7, 7, 5], 0.05, 3, (0.05, 0.0031, 0.7, 2.0**27)),
                                       ([1, 3, 5, 4], 0.02, -128, (0.02, 0.0051, 0.3, 1e-2)),
                                       ([1, 1, 2, 6], 0.02, 9, (0.0009, 3e-5, 1e-7, 0.0044))):
        x = Tensor(shape, I8, scale, zero)
        case = Case(f"mean of {shape[1]}x{shape[2]}", [x])
        _, h, w, c = shape
        for k, s in enumerate(scales):
            axes = ([1, 2], [2, 1], [-3, -2], [1, 2])[k]
            keep = k % 2
            y = Tensor([1, 1, 1, c] if keep else [1, c], I8, s, (zero, 0, -5, 100)[k])
            case.net.add("MEAN", [x, ints(axes)], y, f0=("B", keep))
            case.output(y, lambda v, r, y=y: [ref.mean([v[0][p * c + e] for p in range(h * w)], x, y, r)
                                              for e in range(c)])
        for axis in (1, 2):
            y = Tensor([1, w if axis == 1 else h, c], I8, 0.04, 1)
            case.net.add("MEAN", [x, ints([axis])], y, f0=("B", 0))
            case.output(y, lambda v, r, y=y, axis=axis: [
                ref.mean([v[0][((p * w + o) if axis == 1 else (o * w + p)) * c + e]
                          for p in range(h if axis == 1 else w)], x, y, r)
                for o in range(w if axis == 1 else h) for e in range(c)])
        yield case


def reduced(v, h, w, c, axes, fold):
    """fold(elements of these axes) for each remaining index."""
    rows = range(1 if 1 in axes else h)
    columns = range(1 if 2 in axes else w)
    return [fold([v[(i * w + j) * c + e] for i in (range(h) if 1 in axes else [row])
                  for j in (range(w) if 2 in axes else [column])])
            for row in rows for column in columns for e in range(c)]


def reduce_cases():
    h, w, c = 4, 5, 6
    x = Tensor([1, h, w, c], I8, 0.05, 3)
    line = Tensor([1, 7, 4], I8, 0.03, -128)
    for op, fold in ("REDUCE_MAX", max), ("REDUCE_MIN", min), ("SUM", None):
        # the reference kernel of SUM rescales nothing; LiteRT runs the optimized one
        case = Case(f"{op} over height and width", [x, line], golden=op != "SUM")
        for axes, shape in (([1, 2], [1, c]), ([1], [1, w, c]), ([2], [1, h, c]), ([-3, -2], [1, 1, 1, c])):
            sums = (0.05, 3), (0.4, -20), (0.021, 127), (1.1, 0)
            scale, zero = (0.05, 3) if fold else sums[len(case.wants)]
            y = Tensor(shape, I8, scale, zero)
            case.net.add(op, [x, ints(axes)], y, f0=("B", len(shape) == 4))
            over = [a % 4 for a in axes]
            n = (h if 1 in over else 1) * (w if 2 in over else 1)
            mean = Tensor(shape, I8, ref.f32(y.scale[0] / n), zero)
            case.output(y, lambda v, r, over=over, mean=mean, fold=fold: reduced(
                v[0], h, w, c, over, fold or (lambda q: ref.mean(q, x, mean, r))))
        y = Tensor([1, 4], I8, 0.03 if fold else 0.1, -128)
        case.net.add(op, [line, ints([1])], y, f0=("B", 0))
        mean = Tensor([1, 4], I8, ref.f32(y.scale[0] / 7), -128)
        case.output(y, lambda v, r, mean=mean, fold=fold: reduced(
            v[1], 1, 7, 4, [2], fold or (lambda q: ref.mean(q, line, mean, r))))
        yield case


def tile_cases():
    h, w, c = 2, 3, 4
    x = Tensor([1, h, w, c], I8, 0.05, 3)
    line = Tensor([1, 3, 2], I8, 0.03, -7)
    case = Case("tile", [x, line])
    for times in [1, 3, 1, 1], [1, 1, 2, 1], [1, 1, 1, 4]:
        y = Tensor([t * d for t, d in zip(times, x.shape)], I8, 0.05, 3)
        case.net.add("TILE", [x, ints(times)], y)
        case.output(y, lambda v, r, t=times: [v[0][((i % h) * w + j % w) * c + e % c] for i in range(h * t[1])
                                              for j in range(w * t[2]) for e in range(c * t[3])])
    y = Tensor([1, 6, 2], I8, 0.03, -7)
    case.net.add("TILE", [line, ints([1, 2, 1])], y)
    case.output(y, lambda v, r: v[1] * 2)
    a, b = Tensor([1, h, w, c], I8, 0.04, 0), Tensor([1, h, 2 * w, c], I8, 0.04, 0)
    case.net.add("ADD", [x, x], a)  # read only by TILE, in the next statement
    case.net.add("TILE", [a, ints([1, 1, 2, 1])], b)
    case.output(b, lambda v, r: [ref.add(q, x, q, x, a, r) for i in range(h) for _ in range(2)
                                 for q in v[0][i * w * c:(i + 1) * w * c]])
    yield case


def pair_cases():
    x = Tensor(ALL, I8, 0.05, 3)
    rng = random.Random(9)
    for word, op in (("ADD", lambda a, i, b, j, o, r: ref.add(a, i, b, j, o, r)),
                     ("SUB", lambda a, i, b, j, o, r: ref.add(a, i, b, j, o, r, subtract=True)),
                     ("MUL", ref.multiply)):
        case = Case(f"{word} with constants", [x])
        for shape in ([1, 1, 1, 16], [16], [], [1, 4, 4, 16], [1, 4, 1, 16]):
            values = [rng.randrange(-128, 128) for _ in range(math.prod(shape))]
            c = Tensor(shape, I8, 0.03, -9, data=values)
            wide = ([1] * 4 + shape)[-4:]
            other = ref.moved(values, wide, ALL, lambda at, wide=wide: tuple(
                0 if n == 1 else i for i, n in zip(at, wide)))
            for turned in (False, True) if shape == [1, 1, 1, 16] else (False,):
                y = out(0.07, -4)
                case.net.add(word, [c, x] if turned else [x, c], y, f0=("b", NONE))
                case.output(y, lambda v, r, y=y, c=c, other=other, turned=turned, op=op: [
                    op(b, c, a, x, y, r) if turned else op(a, x, b, c, y, r) for a, b in zip(v[0], other)])
        yield case
    other = Tensor(ALL, I8, 0.03, -9)
    case = Case("MUL by large factors", [x, other])
    for scale, zero in ((3e-4, 0), (1e-6, -128), (2e-7, 20)):
        y = out(scale, zero)
        case.net.add("MUL", [x, other], y, f0=("b", NONE))
        case.output(y, lambda v, r, y=y: [ref.multiply(a, x, b, other, y, r) for a, b in zip(*v)])
    yield case
    case = Case("MAXIMUM and MINIMUM", [x])
    for word, function in (("MAXIMUM", max), ("MINIMUM", min)):
        c, y = Tensor([1, 1, 1, 16], I8, 0.05, 3, data=list(range(-128, 128, 16))), out(0.05, 3)
        case.net.add(word, [x, c], y)
        case.output(y, lambda v, r, f=function: [f(q, -128 + 16 * (k % 16)) for k, q in enumerate(v[0])])
    yield case
    gate = Tensor([1, 1, 1, 16], I8, 1 / 256, -128)
    # LiteRT multiplies the two scales as floats, TensorFlow Lite for Microcontrollers as doubles, so their
    # results may differ
    case, y = Case("a gate before its image", [gate, x], golden=False), out(0.04, 1)
    case.net.add("MUL", [gate, x], y, f0=("b", NONE))
    case.output(y, lambda v, r: [ref.multiply(v[0][k % 16], gate, q, x, y, r) for k, q in enumerate(v[1])])
    yield case


# ---- moves ----
def tensor(kind, shape, zero=3):
    return Tensor(shape, kind, *((0.05, zero) if kind == I8 else ()))


def move(case, name, inputs, shape, source, border=None, **options):
    """Adds an operator that moves the elements of the case's first input. source: as in ref.moved."""
    x = case.inputs[0]
    y = tensor(x.kind, shape)
    case.net.add(name, [x, *inputs], y, **options)
    fill = x.zero[0] if x.zero else 0
    case.output(y, lambda v, r: ref.moved(v[0], x.shape, shape, source, fill if border is None else border))


def inside(shape, at):
    return at if all(0 <= i < n for i, n in zip(at, shape)) else None


def slice_cases(kind):
    shape = [1, 6, 5, 8]
    case = Case(f"slices, {kind}", [tensor(kind, shape)], rounds=False)
    masks = {f"f{k}": ("i", 0) for k in range(5)}
    move(case, "SLICE", [ints([0, 1, 2, 0]), ints([1, 3, -1, 8])], [1, 3, 3, 8],
         lambda at: (0, at[1] + 1, at[2] + 2, at[3]))
    move(case, "SLICE", [ints([0, 0, 0, 3], I64), ints([-1, 6, 5, 4], I64)], [1, 6, 5, 4],
         lambda at: (*at[:3], at[3] + 3))
    move(case, "STRIDED_SLICE", [ints([0, 1, 0, 0]), ints([1, 6, 5, 8]), ints([1, 2, 3, 1])], [1, 3, 2, 8],
         lambda at: (0, 1 + 2 * at[1], 3 * at[2], at[3]), **masks)
    move(case, "STRIDED_SLICE", [ints([0, -3, 0, 2]), ints([0, -1, 0, -2]), ints([1, 1, 1, 1])], [1, 2, 5, 4],
         lambda at: (0, 3 + at[1], at[2], 2 + at[3]), **{**masks, "f0": ("i", 0b0101), "f1": ("i", 0b0101)})
    move(case, "STRIDED_SLICE", [ints([0, 2, 0, 0]), ints([1, 3, 5, 8]), ints([1, 1, 1, 1])], [1, 5, 8],
         lambda at: (0, 2, at[1], at[2]), **{**masks, "f4": ("i", 0b0010)})
    yield case
    shape = [1, 9, 4]
    case = Case(f"slices of a sequence, {kind}", [tensor(kind, shape)], rounds=False)
    move(case, "SLICE", [ints([0, 2, 1]), ints([1, 5, 3])], [1, 5, 3], lambda at: (0, at[1] + 2, at[2] + 1))
    move(case, "STRIDED_SLICE", [ints([0, 0, 0]), ints([1, 9, 4]), ints([1, 4, 1])], [1, 3, 4],
         lambda at: (0, 4 * at[1], at[2]), **masks)
    yield case


def pad_cases(kind):
    shape = [1, 3, 4, 4]
    case = Case(f"borders, {kind}", [tensor(kind, shape)], rounds=False)

    def pads(*sides):
        return Tensor([len(sides) // 2, 2], I32, data=list(sides))
    move(case, "PAD", [pads(0, 0, 1, 2, 0, 3, 0, 0)], [1, 6, 7, 4],
         lambda at: inside(shape, (0, at[1] - 1, at[2], at[3])))
    move(case, "PAD", [pads(0, 0, 0, 0, 1, 1, 1, 3)], [1, 3, 6, 8],
         lambda at: inside(shape, (0, at[1], at[2] - 1, at[3] - 1)))
    other = Tensor([1], kind, *((0.05, 3) if kind == I8 else ()), data=[-100])
    move(case, "PADV2", [pads(0, 0, 1, 1, 1, 1, 0, 0), other], [1, 5, 6, 4],
         lambda at: inside(shape, (0, at[1] - 1, at[2] - 1, at[3])), border=-100)
    yield case


def shape_cases(kind):
    shape = [1, 6, 1, 8]
    case = Case(f"other shapes, {kind}", [tensor(kind, shape)], rounds=False)

    def same(at):
        return next(i for k, i in enumerate(ref.indices(shape)) if k == at)
    for name, to, more in (("SQUEEZE", [1, 6, 8], []), ("RESHAPE", [1, 48], [ints([1, 48])]),
                           ("RESHAPE", [1, 4, 12], [ints([1, 4, 12])]),
                           ("RESHAPE", [1, 2, 3, 8], [ints([1, 2, 3, 8])])):
        move(case, name, more, to, lambda at, to=to: same(ref.flat(to, at)))
    yield case
    case = Case(f"blocks, {kind}", [tensor(kind, [1, 4, 6, 8])], rounds=False)
    move(case, "DEPTH_TO_SPACE", [], [1, 8, 12, 2],
         lambda at: (0, at[1] // 2, at[2] // 2, (at[1] % 2 * 2 + at[2] % 2) * 2 + at[3]), f0=("i", 2))
    move(case, "SPACE_TO_DEPTH", [], [1, 2, 3, 32],
         lambda at: (0, at[1] * 2 + at[3] // 16, at[2] * 2 + at[3] // 8 % 2, at[3] % 8), f0=("i", 2))
    yield case
    sequence = tensor(kind, [1, 7, 5])
    case = Case(f"a sequence as an image, {kind}", [sequence], rounds=False)
    middle, y = tensor(kind, [1, 1, 7, 5]), tensor(kind, [1, 1, 7, 5])
    case.net.add("EXPAND_DIMS", [sequence, ints([1])], middle)
    pool(case.net, "MAX_POOL_2D", middle, y, (1, 3), (1, 1), SAME)
    case.output(y, lambda v, r: [max(v[0][p * 5 + c] for p in range(max(0, x - 1), min(7, x + 2)))
                                 for x in range(7) for c in range(5)])
    yield case


def join_cases(kind):
    for axis, shapes in ((1, ([1, 2, 3, 4], [1, 4, 3, 4], [1, 1, 3, 4])), (2, ([1, 2, 3, 4], [1, 2, 1, 4])),
                         (-1, ([1, 2, 3, 4], [1, 2, 3, 1])), (1, ([1, 3, 4], [1, 2, 4]))):
        inputs = [tensor(kind, s) for s in shapes]
        at = axis % len(shapes[0])
        to = list(shapes[0])
        to[at] = sum(s[at] for s in shapes)
        case, y = Case(f"joined along {axis} of {len(to)}, {kind}", inputs, rounds=False), tensor(kind, to)

        def joined(v, r):
            result = []
            for index in ref.indices(to):
                k, place = 0, index[at]
                while place >= shapes[k][at]:
                    place -= shapes[k][at]
                    k += 1
                result.append(v[k][ref.flat(shapes[k], (*index[:at], place, *index[at + 1:]))])
            return result
        case.net.add("CONCATENATION", inputs, y, f0=("i", axis), f1=("b", NONE))
        case.output(y, joined)
        yield case


def resize_cases(kind):
    x = tensor(kind, [1, 3, 4, 3])
    case = Case(f"nearest, {kind}", [x], rounds=False)
    for h, w, half in ((6, 8, 0), (9, 4, 1), (12, 12, 0), (5, 7, 0), (2, 6, 1), (4, 3, 0)):
        move(case, "RESIZE_NEAREST_NEIGHBOR", [ints([h, w])], [1, h, w, 3], lambda at, h=h, w=w, half=half: (
            0, min(2, (2 * at[1] + half) * 3 // (2 * h)), min(3, (2 * at[2] + half) * 4 // (2 * w)), at[3]),
            f0=("B", 0), f1=("B", half))
    yield case
    case = Case(f"bilinear, {kind}", [x], rounds=False, near=1 if kind == I8 else 1e-5, golden=kind == F32)

    def bilinear(v, h, w, corners):
        def places(o, n, size):
            at = o * (n - 1) / (size - 1) if corners else max(0, (o + 0.5) * n / size - 0.5)
            low = min(int(at), n - 1)
            return ((low, 1 - (at - low)), (min(low + 1, n - 1), at - low))
        result = []
        for o in ref.indices([h, w, 3]):
            y = sum(v[(i * 4 + j) * 3 + o[2]] * a * b
                    for i, a in places(o[0], 3, h) for j, b in places(o[1], 4, w))
            result.append(ref.nearest(y) if kind == I8 else y)
        return result
    for h, w, corners in ((6, 8, 0), (5, 7, 0), (5, 7, 1)):
        y = tensor(kind, [1, h, w, 3])
        case.net.add("RESIZE_BILINEAR", [x, ints([h, w])], y, f2=("B", corners), f3=("B", 1 - corners))
        case.output(y, lambda v, r, h=h, w=w, corners=corners: bilinear(v[0], h, w, corners))
    yield case


# ---- layers ----
def transposed_cases(name="TRANSPOSE_CONV", scale=0.17):
    rng = random.Random(3)
    x = Tensor([1, 3, 4, 5], I8, 0.05, 3)
    case = Case(name, [x])
    for kernel, stride, padding in (((3, 3), (2, 2), SAME), ((2, 2), (2, 2), VALID), ((4, 4), (2, 2), SAME),
                                    ((3, 2), (1, 3), VALID), ((1, 1), (2, 2), SAME)):
        filters = 4
        weight = [rng.randrange(-127, 128) for _ in range(filters * kernel[0] * kernel[1] * 5)]
        w = Tensor([filters, *kernel, 5], I8, [0.011, 0.002, 0.0073, 0.02], 0, 0, data=weight)
        bias = [rng.randrange(-999, 999) for _ in range(filters)]
        b = Tensor([filters], I32, [0.05 * s for s in w.scale], 0, data=bias)
        size = [n * s if padding == SAME else (n - 1) * s + k for n, s, k in zip((3, 4), stride, kernel)]
        y = Tensor([1, *size, filters], I8, scale, -11)
        before = [max(0, (n - 1) * s + k - o) // 2 if padding == SAME else 0
                  for n, s, k, o in zip((3, 4), stride, kernel, size)]
        case.net.add("TRANSPOSE_CONV", [ints([1, *size, filters]), w, x, b], y, f0=("b", padding),
                     f1=("i", stride[1]), f2=("i", stride[0]))
        case.output(y, lambda v, r, w=w, weight=weight, bias=bias, y=y, stride=stride, before=before:
                    ref.transpose_conv(v[0], x, w, weight, bias, y, stride, before, r))
    yield case


def window_cases(name="PAD before CONV_2D", scale=0.09):
    """Padding before a convolution, and the activations after it."""
    rng = random.Random(4)
    x, weight = Tensor([1, 5, 5, 4], I8, 0.05, 3), [rng.randrange(-127, 128) for _ in range(3 * 9 * 4)]
    w = Tensor([3, 3, 3, 4], I8, [0.011, 0.002, 0.0073], 0, 0, data=weight)
    b = Tensor([3], I32, [0.05 * s for s in w.scale], 0, data=[100, -200, 3000])
    case = Case(name, [x])
    padded = tensor(I8, [1, 7, 7, 4])
    case.net.add("PAD", [x, Tensor([4, 2], I32, data=[0, 0, 1, 1, 1, 1, 0, 0])], padded)
    for activation, bounds in ((NONE, None), (RELU, (0, None)), (RELU_N1, (-1, 1)), (RELU6, (0, 6))):
        y = Tensor([1, 3, 3, 3], I8, scale, -20)
        conv(case.net, padded, w, b, y, (2, 2), VALID, activation)

        def sums(v, r, y=y, bounds=bounds):
            result = []
            for oy, ox, f in ref.indices([3, 3, 3]):
                total = [100, -200, 3000][f]
                for ky, kx, c in ref.indices([3, 3, 4]):
                    iy, ix = 2 * oy + ky - 1, 2 * ox + kx - 1
                    if 0 <= iy < 5 and 0 <= ix < 5:
                        total += (v[0][(iy * 5 + ix) * 4 + c] - 3) * weight[((f * 3 + ky) * 3 + kx) * 4 + c]
                factor, real = ref.conv_scales(x, w, y, f)
                q = ref.scaled(total, factor, r, real) - 20
                lo, hi = (-128, 127) if not bounds else (
                    -20 + ref.nearest(bounds[0] / y.scale[0]),
                    127 if bounds[1] is None else -20 + ref.nearest(bounds[1] / y.scale[0]))
                result.append(ref.clamp(q, max(lo, -128), min(hi, 127)))
            return result
        case.output(y, sums)
    yield case


def small_layer_cases():
    """Dense and depthwise layers whose sums are multiplied by 4 and more. Their factors do not round twice,
    so LiteRT, which rounds the sums of dense layers once, computes the same bytes."""
    rng = random.Random(21)
    x, n = Tensor([1, 1, 1, 12], I8, 0.05, 3), 12
    case = Case("dense and depthwise layers by large factors", [x])
    for scale in (2e-4, 5e-6, 4e-7):
        weight = [rng.randrange(-127, 128) for _ in range(5 * n)]
        bias = [rng.randrange(-9999, 9999) for _ in range(5)]
        w = Tensor([5, n], I8, 0.017, 0, data=weight)
        y = Tensor([1, 5], I8, scale, 7)
        case.net.add("FULLY_CONNECTED", [x, w, Tensor([5], I32, 0.05 * 0.017, 0, data=bias)], y,
                     f0=("b", NONE))
        unit = ref.f32(x.scale[0] * w.scale[0])
        case.output(y, lambda v, r, weight=weight, bias=bias, y=y, unit=unit: [
            ref.clamp(ref.scaled(bias[u] + sum((q - 3) * weight[u * n + k] for k, q in enumerate(v[0])),
                                 unit / y.scale[0], r, ref.f32(unit / y.scale[0])) + 7) for u in range(5)])
        scales = [rng.uniform(0.004, 0.02) for _ in range(n)]
        weight = [rng.randrange(-127, 128) for _ in range(n)]
        bias = [rng.randrange(-99, 99) for _ in range(n)]
        w = Tensor([1, 1, 1, n], I8, scales, 0, axis=3, data=weight)
        y = Tensor([1, 1, 1, n], I8, scale / 9, -3)
        case.net.add("DEPTHWISE_CONV_2D",
                     [x, w, Tensor([n], I32, [0.05 * s for s in w.scale], 0, data=bias)], y,
                     f0=("b", SAME), f1=("i", 1), f2=("i", 1), f3=("i", 1), f4=("b", NONE), f5=("i", 1),
                     f6=("i", 1))
        case.output(y, lambda v, r, w=w, weight=weight, bias=bias, y=y: [
            ref.clamp(ref.scaled(bias[k] + (q - 3) * weight[k], ref.conv_scales(x, w, y, k)[0], r,
                                 ref.conv_scales(x, w, y, k)[1]) - 3) for k, q in enumerate(v[0])])
    yield case


def float_cases():
    x = Tensor([1, 3, 4, 6], F32)
    real = {"RELU": lambda v: max(v, 0), "RELU6": lambda v: min(max(v, 0), 6), "TANH": math.tanh,
            "RELU_N1_TO_1": lambda v: min(max(v, -1), 1), "LOGISTIC": lambda v: 1 / (1 + math.exp(-v)),
            "HARD_SWISH": lambda v: v * min(max(v + 3, 0), 6) / 6, "EXP": math.exp, "ABS": abs,
            "SQUARE": lambda v: v * v}
    rows = [(name, Tensor(x.shape, F32), lambda q, i, o, r, f=f: f(q)) for name, f in real.items()]
    slope = ("LEAKY_RELU", Tensor(x.shape, F32), lambda q, i, o, r: q if q > 0 else 0.25 * q, [],
             {"f0": ("f", 0.25)})
    elu = ("ELU", Tensor(x.shape, F32), lambda q, i, o, r: q if q > 0 else math.expm1(q))
    yield maps("elu in floats", x, [elu], near=2e-5, golden=False, rounds=False)
    yield maps("functions in floats", x, rows + [slope], near=2e-5, rounds=False)
    case = Case("layers in floats", [x], near=2e-5, rounds=False)
    y = case.net.add("MEAN", [x, ints([1, 2])], Tensor([1, 6], F32), f0=("B", 0))
    case.output(y, lambda v, r: [sum(v[0][c::6]) / 12 for c in range(6)])
    slopes = [0.5, -1.0, 2.0, 0.0, 0.125, 1.0]
    y = case.net.add("PRELU", [x, Tensor([1, 1, 6], F32, data=slopes)], Tensor(x.shape, F32))
    case.output(y, lambda v, r: [q if q > 0 else q * slopes[k % 6] for k, q in enumerate(v[0])])
    y = case.net.add("DIV", [x, Tensor([], F32, data=[4.0])], Tensor(x.shape, F32), f0=("b", RELU))
    case.output(y, lambda v, r: [max(q / 4, 0) for q in v[0]])
    y = case.net.add("SUB", [Tensor([6], F32, data=slopes), x], Tensor(x.shape, F32), f0=("b", NONE))
    case.output(y, lambda v, r: [slopes[k % 6] - q for k, q in enumerate(v[0])])
    half = Tensor([6], 1, data=slopes)
    known = case.net.add("DEQUANTIZE", [half], Tensor([6], F32))
    y = case.net.add("MUL", [x, known], Tensor(x.shape, F32), f0=("b", NONE))
    case.output(y, lambda v, r: [slopes[k % 6] * q for k, q in enumerate(v[0])])
    yield case


def all_cases():
    yield from function_cases()
    yield from scale_cases()
    yield from port_cases()
    yield from mean_cases()
    yield from reduce_cases()
    yield from tile_cases()
    yield from pair_cases()
    for kind in (I8, F32):
        for family in (slice_cases, pad_cases, shape_cases, join_cases, resize_cases):
            yield from family(kind)
    yield from transposed_cases()
    yield from transposed_cases("TRANSPOSE_CONV by large factors", 2e-6)
    yield from window_cases()
    yield from window_cases("CONV_2D by large factors", 2e-5)
    yield from small_layer_cases()
    yield from float_cases()


def main(folder):
    from tflite_float_cases import float_cases  # a circular import
    from tflite_index_cases import index_cases
    from tflite_matrix_cases import matrix_cases
    for number, case in enumerate([*all_cases(), *float_cases(), *matrix_cases(), *index_cases()]):
        with open(os.path.join(folder, f"operators-{number}.tflite"), "wb") as file:
            file.write(case.data())


if __name__ == "__main__":
    main(sys.argv[1])
