"""Cases in the form of tflite_cases.py: products of two values."""
# SPDX-License-Identifier: Apache-2.0
import math
import random

import tflite_reference as ref
from int8_arithmetic import softmax
from tflite_cases import Case
from tflite_models import F32, I8, Net, Tensor

TURNS = ((0, 0), (0, 1), (1, 0), (1, 1))


def product(kind, v, w, a, b, y, turned, rounding):
    """Matrix product of the last two dimensions; the others are batch dimensions, or 1."""
    inner = a.shape[-2] if turned[0] else a.shape[-1]
    rows, columns = y.shape[-2:]
    result = []
    for n in range(math.prod(y.shape[:-2])):
        left, right = (x[s * (n % (len(x) // s)):][:s]
                       for x, s in ((v, rows * inner), (w, inner * columns)))
        if kind == I8:
            result += ref.matmul(left, right, a, b, y, (rows, inner, columns), turned, rounding)
        else:
            result += [sum(left[k * rows + i if turned[0] else i * inner + k] *
                           right[j * inner + k if turned[1] else k * columns + j] for k in range(inner))
                       for i in range(rows) for j in range(columns)]
    return result


def sizes(lead, rows, columns, turned):
    return [*lead, *((columns, rows) if turned else (rows, columns))]


def matrix(kind, shape, scale, zero, data=None):
    return Tensor(shape, kind, *((scale, zero) if kind == I8 else ()), data=data)


def of_values(kind):
    for name, left, right in (("sequences", [1], [1]), ("rows", [1, 3], [1, 3]), ("images", [1, 1], [1, 1]),
                              ("one for all rows", [1, 3], [1, 1]), ("one before rows", [1, 1], [1, 2])):
        for turned in TURNS if name in ("sequences", "rows") else TURNS[1:2]:
            rows, inner, columns = 5, 19, 7
            a = matrix(kind, sizes(left, rows, inner, turned[0]), 0.05, 3)
            b = matrix(kind, sizes(right, inner, columns, turned[1]), 0.02, -11)
            case = Case(f"BATCH_MATMUL of {name}, {turned}, {kind}", [a, b], near=0 if kind == I8 else 2e-4,
                        rounds=kind == I8)
            y = matrix(kind, [*max(left, right), rows, columns], 0.31, 17)
            case.net.add("BATCH_MATMUL", [a, b], y, f0=("B", turned[0]), f1=("B", turned[1]))
            case.output(y, lambda v, r, a=a, b=b, y=y, turned=turned:
                        product(kind, v[0], v[1], a, b, y, turned, r))
            yield case


def of_constants():
    rng = random.Random(12)
    for name, lead, right, scale in (("a sequence", [1], [], 0.11), ("an image", [1, 2], [1, 1], 0.11),
                                     ("rows", [1, 2], [1, 2], 0.11), ("small rows", [1, 2], [1, 2], 1e-5)):
        a, shape = matrix(I8, [*lead, 4, 6], 0.05, 3), [*right, 6, 5]
        data = [rng.randrange(-128, 128) for _ in range(math.prod(shape))]
        b, y = matrix(I8, shape, 0.02, -5, data), matrix(I8, [*lead, 4, 5], scale, -20)
        case = Case(f"BATCH_MATMUL of {name} and a constant", [a])
        case.net.add("BATCH_MATMUL", [a, b], y, f0=("B", 0), f1=("B", 0))
        case.output(y, lambda v, r, a=a, b=b, y=y, data=data: product(I8, v[0], data, a, b, y, (0, 0), r))
        yield case


def attention():
    """Heads of scores, their softmax, and their values."""
    q, k, v = (matrix(I8, [1, 2, 6, 4], s, z) for s, z in ((0.05, 3), (0.04, -9), (0.06, 0)))
    case = Case("softmax between two products", [q, k, v])
    scores, shares, y = (matrix(I8, shape, s, z) for shape, s, z in (
        ([1, 2, 6, 6], 0.2, 5), ([1, 2, 6, 6], 1 / 256, -128), ([1, 2, 6, 4], 0.05, -3)))
    case.net.add("BATCH_MATMUL", [q, k], scores, f0=("B", 0), f1=("B", 1))
    case.net.add("SOFTMAX", [scores], shares, f0=("f", 1.0))
    case.net.add("BATCH_MATMUL", [shares, v], y, f0=("B", 0), f1=("B", 0))
    case.output(scores, lambda x, r: product(I8, x[0], x[1], q, k, scores, (0, 1), r))


    def result(x, r):
        before = product(I8, x[0], x[1], q, k, scores, (0, 1), r)
        after = [e for n in range(12) for e in softmax(before[6 * n:][:6], 0.2)]
        return product(I8, after, x[2], shares, v, y, (0, 0), r)
    case.output(y, result)
    return case


def composite():
    """A call that is inlined: two products of three values."""
    q, k, v = (matrix(I8, [1, 5, 4], s, z) for s, z in ((0.05, 3), (0.04, -9), (0.06, 0)))
    case = Case("a composite", [q, k, v], golden=False)
    own = [matrix(I8, t.shape, t.scale[0], t.zero[0]) for t in (q, k, v)]
    scores, (made, y) = matrix(I8, [1, 5, 5], 0.2, 5), (matrix(I8, [1, 5, 4], 1.5, -3) for _ in range(2))
    inner = Net(*own)
    inner.add("BATCH_MATMUL", own[:2], scores, f0=("B", 0), f1=("B", 1))
    inner.add("BATCH_MATMUL", [scores, own[2]], made, f0=("B", 0), f1=("B", 0))
    case.net.add("STABLEHLO_COMPOSITE", [q, k, v], y, f1=("i", case.net.branch(inner, made)))

    def result(x, r):
        return product(I8, product(I8, x[0], x[1], q, k, scores, (0, 1), r), x[2], scores, v, y, (0, 0), r)
    case.output(y, result)
    return case


def matrix_cases():
    for kind in (I8, F32):
        yield from of_values(kind)
    yield from of_constants()
    yield attention()
    yield composite()
