"""Small float TensorFlow Lite models, each with one operator or form, and their expected results. Used by
tflite_ops.py and golden/tflite.py."""
# SPDX-License-Identifier: Apache-2.0
import cmath
import math
import random

import tflite_reference as ref
from tflite_cases import Case, inside, tensor
from tflite_models import BOOL, C64, F16, F32, I8, I32, NONE, RELU, SAME, VALID, Net, Tensor, conv, ints

NEAR = 3e-5
IMAGE, SEQUENCE, VECTOR = [1, 4, 6, 8], [1, 10, 6], [1, 12]


def floats(shape, data=None, **more):
    return Tensor(shape, F32, data=data, **more)


def number(value):
    return floats([], [value])


def drawn(shape, seed=1, low=-1.0, high=1.0):
    rng = random.Random(seed)
    return [ref.f32(rng.uniform(low, high)) for _ in range(math.prod(shape))]


def value(kind, shape):
    return tensor(kind, shape)  # int8 tensors have a fixed scale


def case_of(name, shape=IMAGE, kind=F32, **more):
    near = 0 if kind == I8 else NEAR
    return Case(f"{name}, {kind}" if kind != F32 else name, [value(kind, shape)], near, rounds=False, **more)


def flat_index(shape, index):
    return ref.flat(shape, tuple(index))


def move(case, op, others, shape, source, border=0, first=False, **options):
    """Adds an operator that moves the elements of the case's input. first: the operator's other inputs come
    before this input."""
    x = case.inputs[0]
    y = value(x.kind, shape)
    case.net.add(op, [*others, x] if first else [x, *others], y, **options)
    case.output(y, lambda v, r: ref.moved(v[0], x.shape, shape, source, border))


# ---- moves ----
def transpose_cases(kind):
    case = case_of("transposes", kind=kind)
    for perm in ([0, 2, 1, 3], [0, 3, 1, 2], [0, 1, 3, 2], [0, 3, 2, 1]):
        to = [IMAGE[p] for p in perm]
        move(case, "TRANSPOSE", [ints(perm)], to,
             lambda at, perm=perm: tuple(at[perm.index(d)] for d in range(4)))
    yield case
    case = case_of("a transpose of a sequence", SEQUENCE, kind)
    move(case, "TRANSPOSE", [ints([0, 2, 1])], [1, 6, 10], lambda at: (0, at[2], at[1]))
    yield case


def part_cases(kind):
    case = case_of("SPLIT and SPLIT_V", kind=kind)
    x, parts = case.inputs[0], [value(kind, [1, 4, 6, 4]) for _ in range(2)]
    case.net.add("SPLIT", [Tensor([], I32, data=[-1]), x], parts, f0=("i", 2))
    for k, y in enumerate(parts):
        case.output(y, lambda v, r, k=k: ref.moved(v[0], IMAGE, [1, 4, 6, 4],
                                                   lambda at: (*at[:3], at[3] + 4 * k)))
    rows = [value(kind, [1, n, 6, 8]) for n in (1, 3)]
    case.net.add("SPLIT_V", [x, ints([1, -1]), Tensor([], I32, data=[1])], rows, f0=("i", 2))
    for low, y in zip((0, 1), rows):
        case.output(y, lambda v, r, low=low, y=y: ref.moved(v[0], IMAGE, y.shape,
                                                            lambda at: (0, at[1] + low, *at[2:])))
    yield case
    case = case_of("UNPACK and PACK", SEQUENCE, kind)
    x, steps = case.inputs[0], [value(kind, [1, 6]) for _ in range(10)]
    case.net.add("UNPACK", [x], steps, f0=("i", 10), f1=("i", 1))
    y = case.net.add("PACK", [steps[3], steps[0], steps[9]], value(kind, [1, 3, 6]), f0=("i", 3), f1=("i", 1))
    case.output(steps[4], lambda v, r: v[0][24:30])
    case.output(y, lambda v, r: [v[0][t * 6 + c] for t in (3, 0, 9) for c in range(6)])
    yield case
    case = case_of("slices with new axes and an ellipsis", kind=kind)
    masks = {f"f{k}": ("i", 0) for k in range(5)}
    x = case.inputs[0]
    y = case.net.add("STRIDED_SLICE", [x, ints([0, 2]), ints([0, 6]), ints([1, 1])],
                     value(kind, [1, 4, 6, 4]), **{**masks, "f2": ("i", 1)})
    case.output(y, lambda v, r: ref.moved(v[0], IMAGE, [1, 4, 6, 4], lambda at: (*at[:3], at[3] + 2)))
    y = case.net.add("STRIDED_SLICE", [x, ints([0, 0, -1]), ints([0, 1, 0]), ints([1, 1, 1])],
                     value(kind, [1, 1, 6, 8]), **{**masks, "f0": ("i", 1), "f1": ("i", 1), "f3": ("i", 2),
                                              "f4": ("i", 4)})
    case.output(y, lambda v, r: ref.moved(v[0], IMAGE, [1, 1, 6, 8], lambda at: (0, 3, *at[2:])))
    y = case.net.add("GATHER", [x, ints([2, 3, 4])], value(kind, [1, 4, 3, 8]), f0=("i", 2))
    case.output(y, lambda v, r: ref.moved(v[0], IMAGE, [1, 4, 3, 8], lambda at: (0, at[1], at[2] + 2, at[3])))
    yield case


def order_cases():
    case = case_of("elements in another order")
    x = case.inputs[0]
    y = case.net.add("REVERSE_V2", [x, ints([2, 3])], floats(IMAGE))
    case.output(y, lambda v, r: ref.moved(v[0], IMAGE, IMAGE, lambda at: (0, at[1], 5 - at[2], 7 - at[3])))
    for axis, order in ((1, [3, 0, 0, 2]), (2, [-1, 1, 0]), (3, [7, 1, 2, 5, 0])):
        to = [len(order) if d == axis else n for d, n in enumerate(IMAGE)]
        y = case.net.add("GATHER", [x, ints([i % IMAGE[axis] for i in order])], floats(to), f0=("i", axis))
        case.output(y, lambda v, r, axis=axis, order=order, to=to: ref.moved(
            v[0], IMAGE, to, lambda at: tuple(order[i] % IMAGE[d] if d == axis else i
                                              for d, i in enumerate(at))))
    y = case.net.add("MINIMUM", [case.net.add("MAXIMUM", [x, number(-3.4028235e38)], floats(IMAGE)),
                                 number(3.4028235e38)], floats(IMAGE))
    case.output(y, lambda v, r: v[0])
    yield case


def choice_cases():
    """Branches of IF, one with a nested IF, and element-wise selection."""
    case = case_of("branches by values", VECTOR)
    net, x = case.net, case.inputs[0]
    total = net.add("SUM", [x, ints([0, 1])], floats([]), f0=("B", 0))
    for least in (-1e3, -30, 0.25, 1e3):
        near, far = floats(VECTOR), floats(VECTOR)
        inner, plain, leaf = Net(floats(VECTOR)), Net(floats(VECTOR)), Net(near)
        once = leaf.add("TANH", [near], floats(VECTOR))
        doubled = plain.add("ADD", [plain.tensors[0]] * 2, floats(VECTOR))
        first = inner.tensors[0]
        most = inner.add("REDUCE_MAX", [first, ints([0, 1])], floats([]), f0=("B", 0))
        large = inner.add("GREATER", [most, number(0.9)], Tensor([], BOOL))
        chosen = inner.add("IF", [large, first], floats(VECTOR), f0=("i", net.branch(leaf, once)),
                           f1=("i", net.branch(plain, doubled)))
        enough = net.add("GREATER_EQUAL", [total, number(least)], Tensor([], BOOL))
        outer = Net(far)
        y = net.add("IF", [enough, x], floats(VECTOR), f0=("i", net.branch(inner, chosen)),
                    f1=("i", net.branch(outer, outer.add("NEG", [far], floats(VECTOR)))))

        def want(v, r, least=least):
            if sum(v[0]) < least:
                return [-q for q in v[0]]
            return [math.tanh(q) if max(v[0]) > 0.9 else 2 * q for q in v[0]]
        case.output(y, want)
    odd = net.add("LOGICAL_OR", [net.add("GREATER", [x, number(0.5)], Tensor(VECTOR, BOOL)),
                                 net.add("LESS", [x, number(-0.5)], Tensor(VECTOR, BOOL))],
                  Tensor(VECTOR, BOOL))
    y = net.add("SELECT_V2", [odd, number(7.0), x], floats(VECTOR))
    case.output(y, lambda v, r: [7 if abs(q) > 0.5 else q for q in v[0]])
    yield case


def border_cases(kind):
    case = case_of("mirrored borders", kind=kind)

    def pads(*sides):
        return Tensor([len(sides) // 2, 2], I32, data=list(sides))

    def mirror(i, n, edge):
        return -i - edge if i < 0 else 2 * n - 2 - i + edge if i >= n else i
    move(case, "MIRROR_PAD", [pads(0, 0, 2, 1, 0, 3, 0, 0)], [1, 7, 9, 8],
         lambda at: (0, mirror(at[1] - 2, 4, 0), mirror(at[2], 6, 0), at[3]), f0=("b", 0))
    move(case, "MIRROR_PAD", [pads(0, 0, 1, 1, 1, 0, 0, 0)], [1, 6, 7, 8],
         lambda at: (0, mirror(at[1] - 1, 4, 1), mirror(at[2] - 1, 6, 1), at[3]), f0=("b", 1))
    yield case


# ---- reductions ----
def reduce_cases():
    fold = {"MEAN": lambda v: sum(v) / len(v), "SUM": sum, "REDUCE_MAX": max, "REDUCE_MIN": min}
    for shape, axes in ((IMAGE, [3]), (IMAGE, [1, 2]), (SEQUENCE, [-1]), (SEQUENCE, [1]), (VECTOR, [1])):
        case = case_of(f"reductions of {len(shape)} over {axes}", shape)
        case.near = 1e-4
        for k, (name, function) in enumerate(fold.items()):
            over, keep = {a % len(shape) for a in axes}, k % 2
            to = [1 if d in over else n for d, n in enumerate(shape) if keep or d not in over]
            if len(to) < 2:
                to, keep = [1, 1], 1
            y = floats(to)
            axis = Tensor([], I32, data=axes) if len(axes) == 1 else ints(axes)
            case.net.add(name, [case.inputs[0], axis], y, f0=("B", keep))

            def want(v, r, function=function, over=over, shape=shape):
                groups = {}
                for index in ref.indices(shape):
                    key = tuple(0 if d in over else i for d, i in enumerate(index))
                    groups.setdefault(key, []).append(v[0][ref.flat(shape, index)])
                return [function(g) for _, g in sorted(groups.items())]
            case.output(y, want)
        yield case


# ---- norms ----
def norm_of(v, gain, shift, epsilon, centered=True):
    mean = sum(v) / len(v) if centered else 0
    variance = sum((q - mean) ** 2 for q in v) / len(v)
    return [(q - mean) / math.sqrt(variance + epsilon) * g + b for q, g, b in zip(v, gain, shift)]


def norm_case(name, shape, build, centered=True):
    """build(net, x, shape of x with one channel, weights): returns the result of the last operator."""
    case, channels, epsilon = case_of(name, shape), shape[-1], 1e-3
    gain, shift = drawn([channels], 5, 0.5, 2), drawn([channels], 6)
    y = build(case.net, case.inputs[0], [*shape[:-1], 1], floats([channels], gain),
              floats([channels], shift), number(epsilon))
    case.near = 1e-3 if centered else 1e-4
    case.output(y, lambda v, r: [q for k in range(0, len(v[0]), channels)
                                 for q in norm_of(v[0][k:k + channels], gain, shift, epsilon, centered)])
    return case


def norm_cases():
    last, keep = Tensor([1], I32, data=[-1]), {"f0": ("B", 1)}

    def plain(net, x, one, gain, shift, epsilon, square="MUL", root="RSQRT"):
        mean = net.add("MEAN", [x, last], floats(one), **keep)
        d = net.add("SUB", [x, mean], floats(x.shape))
        squares = (net.add("SQUARED_DIFFERENCE", [x, mean], floats(x.shape)) if square == "SQUARED" else
                   net.add("POW", [d, number(2.0)], floats(x.shape)) if square == "POW" else
                   net.add("MUL", [d, d], floats(x.shape)))
        variance = net.add("MEAN", [squares, last], floats(one), **keep)
        variance = net.add("ADD", [variance, epsilon], floats(one))
        if root == "RSQRT":
            n = net.add("MUL", [d, net.add("RSQRT", [variance], floats(one))], floats(x.shape))
        elif root == "POW":
            n = net.add("MUL", [net.add("POW", [variance, number(-0.5)], floats(one)), d], floats(x.shape))
        else:
            n = net.add("DIV", [d, net.add("SQRT", [variance], floats(one))], floats(x.shape))
        return net.add("ADD", [net.add("MUL", [n, gain], floats(x.shape)), shift], floats(x.shape))

    def keras(net, x, one, gain, shift, epsilon):
        mean = net.add("MEAN", [x, last], floats(one), **keep)
        squares = net.add("SQUARED_DIFFERENCE", [x, mean], floats(x.shape))
        variance = net.add("MEAN", [squares, last], floats(one), **keep)
        root = net.add("RSQRT", [net.add("ADD", [variance, epsilon], floats(one))], floats(one))
        factor = net.add("MUL", [root, gain], floats(x.shape))
        moved = net.add("SUB", [shift, net.add("MUL", [mean, factor], floats(x.shape))], floats(x.shape))
        return net.add("ADD", [net.add("MUL", [x, factor], floats(x.shape)), moved], floats(x.shape))

    def rms(net, x, one, gain, shift, epsilon):
        squares = net.add("SQUARE", [x], floats(x.shape))
        mean = net.add("MEAN", [squares, last], floats(one), **keep)
        root = net.add("RSQRT", [net.add("ADD", [mean, epsilon], floats(one))], floats(one))
        scaled = net.add("MUL", [net.add("MUL", [x, root], floats(x.shape)), gain], floats(x.shape))
        return net.add("ADD", [scaled, shift], floats(x.shape))
    for shape in (VECTOR, SEQUENCE, IMAGE):
        for square, root in (("MUL", "RSQRT"), ("SQUARED", "SQRT"), ("POW", "POW")):
            yield norm_case(f"layernorm of {len(shape)} by {square} and {root}", shape,
                            lambda *a, s=square, q=root: plain(*a, square=s, root=q))
        yield norm_case(f"layernorm of {len(shape)} as Keras has it", shape, keras)
        yield norm_case(f"rmsnorm of {len(shape)}", shape, rms, centered=False)
    case = case_of("a length of 1")
    y = case.net.add("L2_NORMALIZATION", case.inputs, floats(IMAGE), f0=("b", NONE))
    case.output(y, lambda v, r: [q / max(math.sqrt(sum(p * p for p in v[0][k:k + 8])), 1e-6)
                                 for k in range(0, 192, 8) for q in v[0][k:k + 8]])
    yield case


# ---- weights in other forms ----
def weight_cases():
    x, rng = [1, 4, 6, 2], random.Random(9)
    numbers = [rng.randrange(-127, 128) for _ in range(3 * 9 * 2)]
    bias = drawn([3], 2)

    def layer(case, w, real):
        y = floats([1, 4, 6, 3])
        conv(case.net, case.inputs[0], w, floats([3], bias), y, (1, 1), SAME, RELU)

        def want(v, r):
            result = []
            for oy, ox, f in ref.indices([4, 6, 3]):
                total = bias[f]
                for ky, kx, c in ref.indices([3, 3, 2]):
                    at = inside([4, 6], (oy + ky - 1, ox + kx - 1))
                    if at:
                        total += v[0][(at[0] * 6 + at[1]) * 2 + c] * real[((f * 3 + ky) * 3 + kx) * 2 + c]
                result.append(max(total, 0))
            return result
        case.output(y, want)
    scales = [0.01, 0.002, 0.03]
    case = case_of("int8 weights of a float layer", x, golden=False)
    layer(case, Tensor([3, 3, 3, 2], I8, scales, 0, 0, data=numbers),
          [q * ref.f32(scales[k // 18]) for k, q in enumerate(numbers)])
    yield case
    case = case_of("dequantized weights", x)
    each = case.net.add("DEQUANTIZE", [Tensor([3, 3, 3, 2], I8, scales, 0, 0, data=numbers)],
                        floats([3, 3, 3, 2]))
    layer(case, each, [q * ref.f32(scales[k // 18]) for k, q in enumerate(numbers)])
    half = case.net.add("DEQUANTIZE", [Tensor([3, 3, 3, 2], F16, data=[q / 64 for q in numbers])],
                        floats([3, 3, 3, 2]))
    layer(case, half, [q / 64 for q in numbers])
    yield case


def sparse_cases():
    """A sparse matrix by rows, and one in blocks of 2x2, made dense by DENSIFY or in the layer."""
    def level(b, dense, segments=(), indices=()):
        fields = {0: ("b", 0 if dense else 1), 1: ("i", dense)}
        if not dense:
            fields.update({2: ("b", 1), 3: lambda: b.table({0: lambda: b.vector("i", segments)}),
                           4: ("b", 3), 5: lambda: b.table({0: lambda: b.vector("B", indices)})})
        return lambda: b.table(fields)

    def rows(b):
        return b.table({0: lambda: b.vector("i", [0, 1]),
                        2: lambda: b.tables([level(b, 4), level(b, 0, [0, 2, 2, 3, 4], [0, 11, 5, 1])])})

    def blocks(b):
        return b.table({0: lambda: b.vector("i", [0, 1, 2, 3]), 1: lambda: b.vector("i", [0, 1]),
                        2: lambda: b.tables([level(b, 2), level(b, 0, [0, 1, 3], [5, 0, 2]), level(b, 2),
                                             level(b, 2)])})
    by_row = {(0, 0): 1.0, (0, 11): 2.0, (2, 5): 3.0, (3, 1): 4.0}
    by_block = {(0, 10): 1.0, (0, 11): 2.0, (1, 10): 3.0, (1, 11): 4.0, (2, 0): 5.0, (2, 1): 6.0, (3, 0): 7.0,
                (3, 1): 8.0, (2, 4): 9.0, (2, 5): 10.0, (3, 4): 11.0, (3, 5): 12.0}
    for what, write, places in (("rows", rows, by_row), ("blocks", blocks, by_block)):
        case = case_of(f"sparse weights, {what}", VECTOR, golden=False)
        sparse = floats([4, 12], list(places.values()), sparse=write)
        w = case.net.add("DENSIFY", [sparse], floats([4, 12]))
        y = case.net.add("FULLY_CONNECTED", [case.inputs[0], w], floats([1, 4]), f0=("b", NONE))
        case.output(y, lambda v, r, places=places: [
            sum(v[0][c] * q for (row, c), q in places.items() if row == f) for f in range(4)])
        yield case


# ---- layers ----
def dilated_cases():
    """Convolutions between SPACE_TO_BATCH_ND, which pads, and BATCH_TO_SPACE_ND, which crops."""
    weight, bias = drawn([1, 3, 3, 2], 3), [0.5, -0.5]
    case = case_of("a dilated depthwise convolution", [1, 5, 6, 2])
    net, x = case.net, case.inputs[0]
    pad, cut = Tensor([2, 2], I32, data=[2, 3, 3, 3]), Tensor([2, 2], I32, data=[0, 1, 0, 0])
    apart = net.add("SPACE_TO_BATCH_ND", [x, ints([2, 3]), pad], floats([6, 5, 4, 2]))
    made = net.add("DEPTHWISE_CONV_2D", [apart, floats([1, 3, 3, 2], weight), floats([2], bias)],
                   floats([6, 3, 2, 2]), f0=("b", VALID), f1=("i", 1), f2=("i", 1), f3=("i", 1),
                   f4=("b", RELU), f5=("i", 1), f6=("i", 1))
    y = net.add("BATCH_TO_SPACE_ND", [made, ints([2, 3]), cut], floats([1, 5, 6, 2]))
    case.output(y, lambda v, r: [
        max(bias[c] + sum(v[0][(iy * 6 + ix) * 2 + c] * weight[(ky * 3 + kx) * 2 + c]
                          for ky, kx in ref.indices([3, 3])
                          for iy, ix in [(oy + 2 * ky - 2, ox + 3 * kx - 3)] if inside([5, 6], (iy, ix))), 0)
        for oy, ox, c in ref.indices([5, 6, 2])])
    yield case
    weight, sums = [q % 255 - 127 for q in range(0, 18 * 37, 37)], [300, -200]
    x, y = Tensor([1, 5, 6, 2], I8, 0.05, 3), Tensor([1, 5, 6, 2], I8, 0.2, -11)
    case, scale = Case("an int8 dilated depthwise convolution", [x]), ref.f32(0.01)
    w = Tensor([1, 3, 3, 2], I8, [0.01, 0.02], 0, 3, data=weight)
    bias = Tensor([2], I32, [0.05 * scale] * 2, 0, data=sums)
    apart = case.net.add("SPACE_TO_BATCH_ND", [x, ints([2, 3]), pad], Tensor([6, 5, 4, 2], I8, 0.05, 3))
    made = case.net.add("DEPTHWISE_CONV_2D", [apart, w, bias], Tensor([6, 3, 2, 2], I8, 0.2, -11),
                        f0=("b", VALID), f1=("i", 1), f2=("i", 1), f3=("i", 1), f4=("b", NONE), f5=("i", 1),
                        f6=("i", 1))
    case.net.add("BATCH_TO_SPACE_ND", [made, ints([2, 3]), cut], y)

    def dilated(v, rounding):
        result = []
        for oy, ox, c in ref.indices([5, 6, 2]):
            total = sums[c]
            for ky, kx in ref.indices([3, 3]):
                iy, ix = oy + 2 * ky - 2, ox + 3 * kx - 3
                if inside([5, 6], (iy, ix)):
                    total += (v[0][(iy * 6 + ix) * 2 + c] - 3) * weight[(ky * 3 + kx) * 2 + c]
            factor, real = ref.conv_scales(x, w, y, c)
            result.append(ref.clamp(ref.scaled(total, factor, rounding, real) - 11))
        return result
    case.output(y, dilated)
    yield case
    weight = drawn([4, 1, 3, 6], 8)
    case = case_of("a causal dilated convolution of a sequence", SEQUENCE)
    net, x = case.net, case.inputs[0]
    apart = net.add("SPACE_TO_BATCH_ND", [x, ints([4]), Tensor([1, 2], I32, data=[8, 2])], floats([4, 5, 6]))
    wide = net.add("EXPAND_DIMS", [apart, Tensor([], I32, data=[1])], floats([4, 1, 5, 6]))
    made = conv(net, wide, floats([4, 1, 3, 6], weight), floats([4], [0.0] * 4), floats([4, 1, 3, 4]), (1, 1),
                VALID)
    less = net.add("SQUEEZE", [made], floats([4, 3, 4]))
    y = net.add("BATCH_TO_SPACE_ND", [less, ints([4]), Tensor([1, 2], I32, data=[0, 2])], floats([1, 10, 4]))
    case.output(y, lambda v, r: [
        sum(v[0][(t + 4 * k - 8) * 6 + c] * weight[(f * 3 + k) * 6 + c]
            for k, c in ref.indices([3, 6]) if t + 4 * k >= 8) for t, f in ref.indices([10, 4])])
    yield case


def layer_cases():
    shape = [1, 3, 4, 5]
    case = case_of("Convolution2DTransposeBias", shape, golden=False)
    x, kernel, filters = case.inputs[0], 2, 3
    weight, bias = drawn([filters, kernel, kernel, 5], 4), drawn([filters], 5)
    y = floats([1, 6, 8, filters])
    case.net.add("CUSTOM Convolution2DTransposeBias",
                 [x, floats([filters, kernel, kernel, 5], weight), floats([filters], bias)], y,
                 custom=bytes([1, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0]))
    case.output(y, lambda v, r: [
        bias[f] + sum(v[0][((oy // 2) * 4 + ox // 2) * 5 + c] *
                      weight[((f * 2 + oy % 2) * 2 + ox % 2) * 5 + c] for c in range(5))
        for oy, ox, f in ref.indices([6, 8, filters])])
    yield case
    case = case_of("dense layers along a sequence", SEQUENCE)
    weight = drawn([4, 6], 7)
    y = case.net.add("FULLY_CONNECTED", [case.inputs[0], floats([4, 6], weight), None], floats([1, 10, 4]),
                     f0=("b", NONE), f2=("B", 1))
    case.output(y, lambda v, r: [sum(v[0][t * 6 + c] * weight[f * 6 + c] for c in range(6))
                                 for t, f in ref.indices([10, 4])])
    y = case.net.add("BATCH_MATMUL", [case.inputs[0], floats([4, 6], weight)], floats([1, 10, 4]),
                     f1=("B", 1))
    case.output(y, lambda v, r: [sum(v[0][t * 6 + c] * weight[f * 6 + c] for c in range(6))
                                 for t, f in ref.indices([10, 4])])
    yield case


def spectrum_cases():
    """Overlapping frames with GATHER, as in tf.signal.stft, and their spectra."""
    case = case_of("spectra of frames", [1, 80, 1])
    net, frames, size, step = case.net, 33, 16, 2
    where = Tensor([frames, size], I32, data=[t * step + i for t in range(frames) for i in range(size)])
    made = net.add("GATHER", [case.inputs[0], where], floats([1, frames, size, 1]), f0=("i", 1))
    made = net.add("RESHAPE", [made, ints([1, frames, size])], floats([1, frames, size]))
    made = net.add("EXPAND_DIMS", [made, ints([2])], floats([1, frames, 1, size]))
    made = net.add("RFFT2D", [made, ints([1, size])], Tensor([1, frames, 1, size // 2 + 1], C64))
    made = net.add("SQUEEZE", [made], Tensor([frames, size // 2 + 1], C64))

    def spectrum(x):
        return [sum(x[t * step + i] * cmath.exp(-2j * cmath.pi * k * i / size) for i in range(size))
                for t in range(frames) for k in range(size // 2 + 1)]
    for name, part in (("REAL", lambda z: z.real), ("IMAG", lambda z: z.imag), ("COMPLEX_ABS", abs),
                       ("CAST", lambda z: z.real)):
        y = net.add(name, [made], floats([frames, size // 2 + 1]))
        case.output(y, lambda v, r, part=part: [part(z) for z in spectrum(v[0])])
    yield case


# ---- constants ----
def constant_cases():
    """Constant expressions are folded: shapes, tables of sines, choices."""
    case = case_of("folded constants", SEQUENCE)
    net, x = case.net, case.inputs[0]
    steps = net.add("RANGE", [number(0.0), number(10.0), number(1.0)], floats([10]))
    angle = net.add("MUL", [net.add("EXPAND_DIMS", [steps, ints([1])], floats([10, 1])),
                            floats([6], [1, 0.5, 0.25, 1, 0.5, 0.25])], floats([10, 6]))
    even = Tensor([6], BOOL, data=[1, 1, 1, 0, 0, 0])
    table = net.add("SELECT_V2", [even, net.add("SIN", [angle], floats([10, 6])),
                                  net.add("COS", [angle], floats([10, 6]))], floats([10, 6]))
    y = net.add("ADD", [x, net.add("NEG", [table], floats([10, 6]))], floats(SEQUENCE))
    real = [-(math.sin if c < 3 else math.cos)(t / (1, 2, 4)[c % 3]) for t in range(10) for c in range(6)]
    case.output(y, lambda v, r: [q + p for q, p in zip(v[0], real)])
    sizes = net.add("SHAPE", [x], Tensor([3], I32), f0=("b", I32))
    masks = {f"f{k}": ("i", 0) for k in range(5)}
    length = net.add("STRIDED_SLICE", [sizes, ints([1]), ints([2]), ints([1])], Tensor([], I32),
                     **{**masks, "f4": ("i", 1)})
    half = net.add("FLOOR_DIV", [length, Tensor([], I32, data=[2])], Tensor([], I32))
    shape = net.add("PACK", [Tensor([], I32, data=[1]), half, Tensor([], I32, data=[12])], Tensor([3], I32),
                    f0=("i", 3), f1=("i", 0))
    y = net.add("RESHAPE", [x, shape], floats([1, 5, 12]))
    case.output(y, lambda v, r: v[0])
    bound = net.add("PACK", [Tensor([], I32, data=[1]), half, Tensor([], I32, data=[6])], Tensor([3], I32),
                    f0=("i", 3), f1=("i", 0))
    y = net.add("STRIDED_SLICE", [x, ints([0, 0, 0]), bound, ints([1, 1, 1])], floats([1, 5, 6]), **masks)
    case.output(y, lambda v, r: v[0][:30])
    yield case


def map_cases():
    case = case_of("more functions in floats")
    case.near = 1e-3
    real = {"RSQRT": ([], lambda q: 1 / math.sqrt(q)), "NEG": ([], lambda q: -q),
            "SQUARED_DIFFERENCE": ([number(0.5)], lambda q: (q - 0.5) ** 2)}
    x = case.net.add("ADD", [case.net.add("SQUARE", case.inputs, floats(IMAGE)), number(0.25)], floats(IMAGE))
    for name, (others, f) in real.items():
        y = case.net.add(name, [x, *others], floats(IMAGE))
        case.output(y, lambda v, r, f=f: [f(q * q + 0.25) for q in v[0]])
    y = case.net.add("SOFTMAX", case.inputs, floats(IMAGE), f0=("f", 0.5))
    case.output(y, lambda v, r: [p / sum(group) for k in range(0, 192, 8)
                                 for group in [[math.exp(q / 2) for q in v[0][k:k + 8]]] for p in group])
    yield case


def single_cases():
    """Operators of one value, each alone."""
    case = case_of("functions of one number in floats")
    case.near = 1e-3
    erf = lambda q: 0.5 * q * (1 + math.erf(q / math.sqrt(2)))  # noqa: E731
    for name, f, options in (
            ("RELU", lambda q: max(q, 0), {}), ("RELU6", lambda q: min(max(q, 0), 6), {}),
            ("RELU_N1_TO_1", lambda q: min(max(q, -1), 1), {}),
            ("RELU_0_TO_1", lambda q: min(max(q, 0), 1), {}),
            ("LOGISTIC", lambda q: 1 / (1 + math.exp(-q)), {}), ("TANH", math.tanh, {}),
            ("EXP", math.exp, {}), ("ABS", abs, {}), ("ELU", lambda q: q if q > 0 else math.expm1(q), {}),
            ("LEAKY_RELU", lambda q: q if q > 0 else q / 8, {"f0": ("f", 0.125)}),
            ("HARD_SWISH", lambda q: q * min(max(q + 3, 0), 6) / 6, {}), ("GELU", erf, {"f0": ("B", 0)})):
        y = case.net.add(name, case.inputs, floats(IMAGE), **options)
        case.output(y, lambda v, r, f=f: [f(q) for q in v[0]])
    far = case.net.add("EXP", case.inputs, floats(IMAGE))
    y = case.net.add("LOG", [far], floats(IMAGE))
    case.output(y, lambda v, r: v[0])
    yield case
    case = case_of("rows of channels in floats")
    x = case.inputs[0]
    y = case.net.add("LOG_SOFTMAX", [x], floats(IMAGE))
    rows = lambda v: [v[0][k:k + 8] for k in range(0, 192, 8)]  # noqa: E731
    case.output(y, lambda v, r: [q - math.log(sum(map(math.exp, row))) for row in rows(v) for q in row])
    yield case
    # the reference kernel omits the last channel of each window; LiteRT runs the optimized one
    case = case_of("a local response normalization", golden=False)
    x = case.inputs[0]
    y = case.net.add("LOCAL_RESPONSE_NORMALIZATION", [x], floats(IMAGE), f0=("i", 2), f1=("f", 1.5),
                     f2=("f", 0.25), f3=("f", 0.75))
    case.output(y, lambda v, r: [
        q / (1.5 + 0.25 * sum(p * p for p in row[max(c - 2, 0):c + 3])) ** 0.75
        for row in rows(v) for c, q in enumerate(row)])
    yield case


def sum_cases():
    case = case_of("a sum of several in floats", SEQUENCE)
    x = case.inputs[0]
    y = case.net.add("ADD_N", [x, x, floats(SEQUENCE, drawn(SEQUENCE, 5))], floats(SEQUENCE))
    case.output(y, lambda v, r: [2 * q + p for q, p in zip(v[0], drawn(SEQUENCE, 5))])
    yield case


def folded_cases():
    """Comparisons, integers and sorting of constants, as factors of a value."""
    case = case_of("comparisons of constants", SEQUENCE)
    net, x, steps = case.net, case.inputs[0], [2, 5, -3, 7, 0, 5]
    a, five = ints(steps), Tensor([1], I32, data=[5])
    real = {name: net.add(name, [a, five], Tensor([6], BOOL)) for name in
            ("LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL", "EQUAL", "NOT_EQUAL")}
    both = net.add("LOGICAL_AND", [real["LESS"], real["NOT_EQUAL"]], Tensor([6], BOOL))
    either = net.add("LOGICAL_OR", [real["GREATER"], real["EQUAL"]], Tensor([6], BOOL))
    neither = net.add("LOGICAL_NOT", [either], Tensor([6], BOOL))
    f = {"LESS": lambda q: q < 5, "LESS_EQUAL": lambda q: q <= 5, "GREATER": lambda q: q > 5,
         "GREATER_EQUAL": lambda q: q >= 5, "EQUAL": lambda q: q == 5, "NOT_EQUAL": lambda q: q != 5}
    for mask, fits in (*((real[name], f[name]) for name in f), (both, lambda q: q < 5),
                       (either, lambda q: q >= 5), (neither, lambda q: q < 5)):
        factor = net.add("CAST", [mask], floats([6]), f0=("b", BOOL), f1=("b", F32))
        y = net.add("MUL", [x, net.add("ADD", [factor, number(1.0)], floats([6]))], floats(SEQUENCE))
        case.output(y, lambda v, r, fits=fits: [q * (1 + fits(steps[k % 6])) for k, q in enumerate(v[0])])
    yield case
    case = case_of("arithmetic of constants", SEQUENCE)
    net, x, values = case.net, case.inputs[0], [2.5, -1.25, 0.5, 3.5, -0.75, 8.0]
    a, b = floats([6], values), floats([6], [1.5] * 6)
    floor, ceil, whole = ([net.add(n, [a], floats([6])) for n in ("FLOOR", "CEIL", "ROUND")])
    rest = net.add("FLOOR_MOD", [a, b], floats([6]))
    back = net.add("REVERSE_V2", [a, ints([0])], floats([6]))
    all_of = net.add("REDUCE_PROD", [a, ints([0])], floats([1]), f0=("B", 1))
    wide = net.add("BROADCAST_TO", [all_of, ints([6])], floats([6]))
    chosen = net.add("SELECT", [Tensor([6], BOOL, data=[1, 0, 1, 0, 0, 1]), a, b], floats([6]))
    product = math.prod(values)
    for part, want in ((floor, [math.floor(q) for q in values]), (ceil, [math.ceil(q) for q in values]),
                       (whole, [round(q) for q in values]), (rest, [q % 1.5 for q in values]),
                       (back, values[::-1]), (wide, [product] * 6),
                       (chosen, [2.5, 1.5, 0.5, 1.5, 1.5, 8.0])):
        y = net.add("ADD", [x, part], floats(SEQUENCE))
        case.output(y, lambda v, r, want=want: [q + want[k % 6] for k, q in enumerate(v[0])])
    yield case


def index_cases():
    """TOPK, ARG_MAX, and selection by their indices."""
    case = case_of("indices", VECTOR)
    net, x = case.net, case.inputs[0]
    ranks = lambda v: sorted(range(12), key=lambda i: (-v[i], i))[:5]
    best, where = net.add("TOPK_V2", [x, Tensor([], I32, data=[5])], [floats([1, 5]), Tensor([1, 5], I32)])
    case.output(best, lambda v, r: [v[0][i] for i in ranks(v[0])])
    table = drawn([12, 3])
    rows = net.add("GATHER", [floats([12, 3], table), where], floats([1, 5, 3]), f0=("i", 0))
    case.output(rows, lambda v, r: [table[3 * i + c] for i in ranks(v[0]) for c in range(3)])
    hot = net.add("ONE_HOT", [where, Tensor([], I32, data=[12]), number(2.0), number(-1.0)],
                  floats([1, 5, 12]), f0=("i", -1))
    case.output(hot, lambda v, r: [2 if c == i else -1 for i in ranks(v[0]) for c in range(12)])
    below = net.add("FLOOR", [net.add("SIN", [x], floats(VECTOR))], floats(VECTOR))
    case.output(below, lambda v, r: [math.floor(math.sin(q)) for q in v[0]])
    yield case


def float_cases():
    for kind in (F32, I8):
        for family in (transpose_cases, part_cases, border_cases):
            yield from family(kind)
    for family in (reduce_cases, norm_cases, weight_cases, order_cases, choice_cases, sparse_cases,
                   dilated_cases, layer_cases, spectrum_cases, constant_cases, map_cases,
                   single_cases, sum_cases, folded_cases, index_cases):
        yield from family()
