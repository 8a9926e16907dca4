"""Int8 arithmetic of TensorFlow Lite operators in Python integers, modeled on its reference kernels; shares
no code with cnnc. Values are flat lists, channels last. Used by tflite_cases.py."""
# SPDX-License-Identifier: Apache-2.0
import math
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden"))
from int8_arithmetic import (INT_MAX, quantize_multiplier,  # noqa: E402
                             rounding_divide_by_pot as halved, saturating_rounding_doubling_high_mul as high)


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def nearest(x):  # halves away from zero
    return math.floor(abs(x) + 0.5) * (1 if x >= 0 else -1)


def clamp(q, lo=-128, hi=127):
    return max(lo, min(hi, q))


# ---- roundings ----
def fixed(x, m, e, rounding):
    """x times m * 2^(e - 31)."""
    if rounding == "single":
        return (x * m + (1 << (30 - e))) >> (31 - e)
    return halved(((x << max(e, 0)) * m + (1 << 30)) >> 31, max(-e, 0))


def scaled(x, factor, rounding, real=None):
    """real: the factor computed in floats."""
    if rounding == "float":
        return round(max(-1024, min(1024, f32(f32(x) * f32(factor if real is None else real)))))
    return fixed(x, *quantize_multiplier(factor), rounding)


# ---- functions of one number: (q, input, output, rounding) -> q, of tensors with scale and zero ----
def requantize(q, i, o, rounding):
    real = f32(i.scale[0] / o.scale[0])
    return clamp(scaled(q - i.zero[0], i.scale[0] / o.scale[0], rounding, real) + o.zero[0])


def relu(low, high_end):
    def function(q, i, o, rounding):
        lo = clamp(o.zero[0] + nearest(f32(low / o.scale[0])))
        hi = 127 if high_end is None else min(127, o.zero[0] + nearest(f32(high_end / o.scale[0])))
        return clamp(scaled(q - i.zero[0], f32(i.scale[0] / o.scale[0]), rounding) + o.zero[0], lo, hi)
    return function


def leaky_relu(slope):
    def function(q, i, o, rounding):
        factor = f32(i.scale[0] / o.scale[0])
        if q < i.zero[0]:
            factor = f32(f32(i.scale[0] * f32(slope)) / o.scale[0])
        return clamp(scaled(q - i.zero[0], factor, rounding) + o.zero[0])
    return function


def prelu(q, i, alpha, alpha_q, o, rounding):
    x = q - i.zero[0]
    if x >= 0:
        return clamp(scaled(x, f32(i.scale[0] / o.scale[0]), rounding) + o.zero[0])
    factor = f32(f32(i.scale[0] * alpha.scale[0]) / o.scale[0])
    return clamp(scaled(x * (alpha_q - alpha.zero[0]), factor, rounding) + o.zero[0])


def exp_on_negative(a, whole):  # gemmlowp's exp_on_negative_values
    fraction = 31 - whole
    quarter = 1 << (fraction - 2)
    low = (a & (quarter - 1)) - quarter
    x = (low << whole) + (1 << 28)
    x2 = high(x, x)
    x3, x4 = high(x2, x), high(x2, x2)
    result = 1895147668 + high(1895147668, x + halved(high(halved(x4, 2) + x3, 715827883) + x2, 1))
    factors = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
    for exponent, factor in zip(range(-2, whole), factors):
        if (low - a) & (1 << (fraction + exponent)):
            result = high(result, factor)
    return INT_MAX if a == 0 else result


def newton(a):  # 1 / ((1 + a) / 2) in Q2.29
    half = (a + INT_MAX + 1) // 2
    x = 1515870810 + high(half, -1010580540)
    for _ in range(3):
        x += max(-INT_MAX - 1, min(INT_MAX, high(x, (1 << 29) - high(half, x)) * 4))
    return x


def limited(q, i):
    """(the input in Q4.27, 0); if the input is out of range: (None, the result of the function: 127 or
    -128)."""
    m, shift = quantize_multiplier(i.scale[0] * (1 << 27))
    radius = math.floor(15 * 2.0**27 / 2.0**shift)
    x = q - i.zero[0]
    if x <= -radius or x >= radius:
        return None, (127 if x > 0 else -128)
    return fixed(x, m, shift, "double"), 0


def logistic(q, i, o, rounding):
    x, limit = limited(q, i)
    if x is None:
        return limit
    y = min(INT_MAX, newton(exp_on_negative(-abs(x), 4)) * 2)
    y = 1 << 30 if x == 0 else y if x > 0 else INT_MAX - y
    return clamp(halved(y, 23) - 128)


def tanh(q, i, o, rounding):
    x, limit = limited(q, i)
    if x is None:
        return limit
    y = 0 if x == 0 else min(INT_MAX, (newton(exp_on_negative(-abs(x), 5)) - (1 << 29)) * 4)
    return clamp(halved(y if x >= 0 else -y, 24))


def hard_swish(q, i, o, rounding):
    def int16(x):
        return max(-(1 << 15), min((1 << 15) - 1, x))

    def product(a, b):
        ab = a * b
        nudged = ab + ((1 << 14) if ab >= 0 else 1 - (1 << 14))
        return int16(int(math.copysign(abs(nudged) >> 15, nudged)))

    hires = f32(i.scale[0] / 128)
    out_m, out_e = quantize_multiplier(f32(hires / o.scale[0]))
    gate_m, gate_e = quantize_multiplier(f32(hires / f32(3 / 32768)))
    out_m, gate_m = (min((1 << 15) - 1, (m + (1 << 15)) >> 16) for m in (out_m, gate_m))
    x = (q - i.zero[0]) * 128
    gate = int16(x << (gate_e - 1)) if gate_e > 0 else x
    gate = product(gate, gate_m)
    gate = int16(gate * 2) if gate_e > 0 else halved(gate, -gate_e)
    gate = (gate + (1 << 15)) >> 1
    both = gate * product(x, out_m)
    both = int16(int(math.copysign(abs(both) >> 15, both)))
    return clamp(halved(both, -out_e) + o.zero[0])


def by_real(function):
    """A function of quantized numbers: `function` of the real number, rounded."""
    def quantized(q, i, o, rounding):
        y = function((q - i.zero[0]) * i.scale[0]) / o.scale[0]
        return clamp((nearest(y) if abs(y) < 1e6 else 1000000 if y > 0 else -1000000) + o.zero[0])
    return quantized


# ---- means ----
def mean(values, i, o, rounding):
    n, x = len(values), sum(values) - len(values) * i.zero[0]
    m, e = quantize_multiplier(i.scale[0] / o.scale[0])
    shift = min(n.bit_length() - 1, 32, 31 + e)
    if rounding == "float":
        y = round(max(-1024, min(1024, f32(x * f32(f32(i.scale[0]) / f32(o.scale[0] * n))))))
    else:
        y = fixed(x, (m << shift) // n, e - shift, rounding)
    return clamp(y + o.zero[0])


# ---- pairs ----
def add(qa, a, qb, b, o, rounding, subtract=False):
    sa, sb, so = a.scale[0], b.scale[0], o.scale[0]
    xa, xb = qa - a.zero[0], qb - b.zero[0]
    if rounding == "float":
        ra, rb = f32(sa / so), f32(sb / so)
        shift = 20 - (math.frexp(max(ra, rb))[1] - 1)
        fa, fb = round(f32(math.ldexp(ra, shift))), round(f32(math.ldexp(rb, shift)))
        return clamp((((1 << (shift - 1)) + fa * xa + (-fb if subtract else fb) * xb) >> shift) + o.zero[0])
    twice = 2 * max(sa, sb)
    ya, yb = scaled(xa << 20, sa / twice, rounding), scaled(xb << 20, sb / twice, rounding)
    return clamp(scaled(ya - yb if subtract else ya + yb, twice / ((1 << 20) * so), rounding) + o.zero[0])


def multiply(qa, a, qb, b, o, rounding):
    real = f32(f32(a.scale[0] * b.scale[0]) / o.scale[0])
    x = (qa - a.zero[0]) * (qb - b.zero[0])
    return clamp(scaled(x, a.scale[0] * b.scale[0] / o.scale[0], rounding, real) + o.zero[0])


# ---- convolutions ----
def conv_scales(i, w, o, f):
    s = w.scale[f if len(w.scale) > 1 else 0]
    return i.scale[0] * s / o.scale[0], f32(f32(i.scale[0] * s) / o.scale[0])


def transpose_conv(q, i, w, weight, bias, o, stride, before, rounding):
    (_, h, wide, c), (_, oh, ow, filters), (_, kh, kw, _) = i.shape, o.shape, w.shape
    sums = [bias[k % filters] for k in range(oh * ow * filters)]
    for y in range(h):
        for x in range(wide):
            for ky in range(kh):
                for kx in range(kw):
                    oy, ox = y * stride[0] + ky - before[0], x * stride[1] + kx - before[1]
                    if not (0 <= oy < oh and 0 <= ox < ow):
                        continue
                    for f in range(filters):
                        sums[(oy * ow + ox) * filters + f] += sum(
                            (q[(y * wide + x) * c + k] - i.zero[0])
                            * weight[((f * kh + ky) * kw + kx) * c + k] for k in range(c))
    return [clamp(scaled(s, *conv_scales(i, w, o, k % filters)[:1], rounding,
                         conv_scales(i, w, o, k % filters)[1]) + o.zero[0]) for k, s in enumerate(sums)]


# ---- moves: the index in the input of each element of the output, -1 for a border ----
def indices(shape):
    """All indices of a shape, in order."""
    if not shape:
        yield ()
        return
    for first in range(shape[0]):
        for rest in indices(shape[1:]):
            yield (first, *rest)


def flat(shape, index):
    at = 0
    for size, i in zip(shape, index):
        at = at * size + i
    return at


def moved(values, shape, out_shape, source, border=0):
    """source: maps an index of the output to one of the input, or None."""
    result = []
    for index in indices(out_shape):
        at = source(index)
        result.append(border if at is None else values[flat(shape, at)])
    return result


def matmul(a, b, i, j, o, size, turned, rounding):
    """a, b: two matrices as lists; size: rows, inner, columns of the product; turned: adj_x, adj_y
    (transposed)."""
    rows, inner, columns = size
    factor = f32(i.scale[0] * j.scale[0]) / o.scale[0]
    real = f32(f32(i.scale[0] * j.scale[0]) / o.scale[0])
    result = []
    for y in range(rows):
        for x in range(columns):
            left = [a[k * rows + y if turned[0] else y * inner + k] - i.zero[0] for k in range(inner)]
            right = [b[x * inner + k if turned[1] else k * columns + x] - j.zero[0] for k in range(inner)]
            total = sum(p * q for p, q in zip(left, right))
            result.append(clamp(scaled(total, factor, rounding, real) + o.zero[0]))
    return result
