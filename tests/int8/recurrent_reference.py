"""Integer recurrent layers in Python: lstm as TensorFlow Lite for microcontrollers and as LiteRT computes it,
gru and rnn as docs/int8.md defines them. Shares nothing with the compiler. Used by recurrent.py."""
# SPDX-License-Identifier: Apache-2.0
import math
import struct


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def clamp(x, bits):
    return max(-(1 << (bits - 1)), min((1 << (bits - 1)) - 1, x))


def wrap(x):
    return (x + 32768) % 65536 - 32768


def multiplier(real):
    q, shift = math.frexp(real)
    fixed = math.floor(q * (1 << 31) + 0.5)
    if fixed == 1 << 31:
        fixed, shift = fixed // 2, shift + 1
    return (0, 0) if shift < -31 else (fixed, shift)


def by_pot(x, e):  # gemmlowp's RoundingDivideByPOT
    mask = (1 << e) - 1
    return (x >> e) + ((x & mask) > (mask >> 1) + (x < 0))


def scaled(x, factor, rounding):
    m, e = multiplier(factor)
    if rounding == "single":
        return (x * m + (1 << (30 - e))) >> (31 - e)
    if rounding == "float":
        return round(max(-131072.0, min(131072.0, f32(f32(x) * f32(factor)))))
    return by_pot(((x << max(e, 0)) * m + (1 << 30)) >> 31, max(-e, 0))


# ---- sigmoid and tanh by interpolation of the logistic function (reference_integer_ops) ----
def point(n):
    def logistic(x):
        return 65536 / (1 + math.exp(-x))
    if n == 255:
        return 65535
    here, next_ = logistic(n / 24), logistic((n + 1) / 24)
    y = here - ((here + next_) / 2 - logistic((n + 0.5) / 24)) / 2
    return math.floor(y + 0.5)


POINTS = [point(n) for n in range(256)]


def sigmoid(q):
    x = q * 3
    n, rest = abs(x) >> 9, abs(x) & 511
    y = 0x7FFF << 10 if n >= 255 else (POINTS[n] << 9) + rest * (POINTS[n + 1] - POINTS[n])
    return (y + 512 if x >= 0 else (1 << 25) - y + 511) >> 10


def tanh(q, power=-12):
    up = power + 12
    x = q * (3 << up) if up >= 0 else (q * 3 + (1 << (-up - 1))) >> -up
    n, rest = abs(x) >> 8, abs(x) & 255
    y = 0xFFFF << 8 if n >= 255 else (POINTS[n] << 8) + rest * (POINTS[n + 1] - POINTS[n])
    return (y - (1 << 23) + 128 if x >= 0 else -y + (1 << 23) + 127) >> 8


# ---- gemmlowp's 16-bit fixed point (fixedpoint/fixedpoint.h) ----
def product(a, b):
    if a == b == -32768:
        return 32767
    ab = a * b
    nudged = ab + ((1 << 14) if ab >= 0 else 1 - (1 << 14))
    return abs(nudged) >> 15 if nudged >= 0 else -(abs(nudged) >> 15)


def exponential(a, whole):
    fraction = 15 - whole
    low = (a & ((1 << (fraction - 2)) - 1)) - (1 << (fraction - 2))
    x = wrap(clamp(low << whole, 16) + 4096)
    x2 = product(x, x)
    x3, x4 = product(x2, x), product(x2, x2)
    tail = by_pot(wrap(product(wrap(by_pot(x4, 2) + x3), 10923) + x2), 1)
    y = clamp(28918 + product(28918, wrap(x + tail)), 16)
    for exponent, factor in zip(range(-2, whole), (25520, 19875, 12055, 4435, 600, 11, 0)):
        if (low - a) & (1 << (fraction + exponent)):
            y = product(y, factor)
    if whole > 5 and a < -(1 << (fraction + 5)):
        y = 0
    return 32767 if a == 0 else y


def reciprocal(x):
    half = (x + 32768) // 2
    y = wrap(23130 + product(half, -15420))
    for _ in range(3):
        y = wrap(y + clamp(product(y, wrap(8192 - product(half, y))) * 4, 16))
    return y


def fixed_sigmoid(q):
    y = clamp(reciprocal(exponential(-abs(q), 3)) * 2, 16)
    return 16384 if q == 0 else y if q > 0 else 32767 - y


def fixed_tanh(q, whole=3):
    y = clamp((reciprocal(exponential(-abs(q), whole + 1)) - 8192) * 4, 16)
    return 0 if q == 0 else y if q > 0 else -y


# ---- layers ----
class Product:
    """Weights [rows][columns], a scale and a bias per row, for values with a scale and a zero point."""

    def __init__(self, weight, scales, bias, in_scale, in_zero, single_floats):
        self.weight, self.bias, self.zero = weight, bias, in_zero
        every = len(weight) // len(scales)
        self.factor = [(f32(in_scale * s) if single_floats else in_scale * s) * 4096
                       for s in scales for _ in range(every)]

    def row(self, s, x, rounding):
        total = self.bias[s] + sum(w * (q - self.zero) for w, q in zip(self.weight[s], x))
        return scaled(total, self.factor[s], rounding)


def lstm(x, ih, hh, scale, zero, cell, clip=0.0, rounding="double", litert=False, h=None, c=None):
    """h and c of each row; gates i f g o. cell: the scale of c."""
    units = len(hh.weight[0])
    power = round(math.log2(cell))
    h, c = list(h or [zero] * units), list(c or [0] * units)
    limit = int(max(-32768, min(32767, f32(f32(clip) / cell) if litert else f32(clip) / cell)))
    out = f32(f32(2.0**-15 / scale) * 2.0**-15) if litert else 2.0**-30 / scale
    hs, cs = [], []
    for row in x:
        made = []
        for u in range(units):
            a = []
            for g in range(4):
                first = clamp(ih.row(g * units + u, row, rounding), 16)
                second = hh.row(g * units + u, h, rounding)
                a.append(clamp(first + (second if litert else clamp(second, 16)), 16))
            s, t = (fixed_sigmoid, fixed_tanh) if litert else (sigmoid, tanh)
            i, f, g, o = s(a[0]), s(a[1]), t(a[2]), s(a[3])
            if litert:
                kept, more = by_pot(f * c[u], 15), by_pot(i * g, 30 + power)
            else:
                kept = clamp(scaled(f * c[u], 2.0**-15, rounding), 16)
                more = clamp(scaled(i * g, 2.0**-30 / cell, rounding), 16)
            c[u] = clamp(kept + more, 16)
            if clip > 0:
                c[u] = max(-limit, min(limit, c[u]))
            curve = fixed_tanh(c[u], 15 + power) if litert else tanh(c[u], power)
            made.append(clamp(zero + scaled(curve * o, out, rounding), 8))
        h = made
        hs.append(list(h))
        cs.append(list(c))
    return hs, cs


def upper(h):
    return clamp((h + 128) >> 8, 8)


def gru(x, ih, hh, before=False, rounding="single"):
    """h of each row as int8; gates r z n."""
    units = len(hh.weight[0])
    h, hs = [0] * units, []
    for row in x:
        small = [upper(v) for v in h]
        a = [clamp(ih.row(s, row, rounding), 16) for s in range(3 * units)]

        def hidden(s, of):
            return clamp(hh.row(s, of, rounding), 16)
        r = [sigmoid(clamp(a[u] + hidden(u, small), 16)) for u in range(units)]
        z = [sigmoid(clamp(a[units + u] + hidden(units + u, small), 16)) for u in range(units)]
        reset = [upper((r[u] * h[u] + 16384) >> 15) for u in range(units)]
        n = []
        for u in range(units):
            s = 2 * units + u
            part = hidden(s, reset) if before else (r[u] * hidden(s, small) + 16384) >> 15
            n.append(tanh(clamp(a[s] + part, 16)))
        h = [clamp(((32768 - z[u]) * n[u] + z[u] * h[u] + 16384) >> 15, 16) for u in range(units)]
        hs.append([upper(v) for v in h])
    return hs


def rnn(x, ih, hh, relu=None, rounding="single"):
    """relu: scale and zero point of h; None for tanh."""
    units = len(hh.weight[0])
    h, hs = [relu[1] if relu else 0] * units, []
    for row in x:
        a = [clamp(clamp(ih.row(u, row, rounding), 16) + clamp(hh.row(u, h, rounding), 16), 16)
             for u in range(units)]
        h = ([clamp(relu[1] + scaled(max(v, 0), 2.0**-12 / relu[0], rounding), 8) for v in a] if relu
             else [upper(tanh(v)) for v in a])
        hs.append(list(h))
    return hs
