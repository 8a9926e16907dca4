"""Fixed-point functions of gemmlowp and TensorFlow Lite in Python integers."""
# SPDX-License-Identifier: Apache-2.0
import math

INT_MAX, INT_MIN = 2**31 - 1, -(2**31)


def saturating_rounding_doubling_high_mul(a, b):  # gemmlowp/fixedpoint/fixedpoint.h
    return (a * b + (1 << 30)) >> 31


def rounding_divide_by_pot(x, e):
    mask = (1 << e) - 1
    return (x >> e) + ((x & mask) > ((mask >> 1) + (x < 0)))


def quantize_multiplier(m):  # tensorflow/lite/kernels/internal/quantization_util.cc
    if m == 0:
        return 0, 0
    q, shift = math.frexp(m)
    fixed = math.floor(q * (1 << 31) + 0.5)
    if fixed == 1 << 31:
        fixed //= 2
        shift += 1
    return (0, 0) if shift < -31 else (fixed, shift)


def exp_on_negative(a):  # gemmlowp, Q5.26 -> Q0.31
    mul, div = saturating_rounding_doubling_high_mul, rounding_divide_by_pot
    quarter = 1 << 24
    low = (a & (quarter - 1)) - quarter
    x = (low << 5) + (1 << 28)
    x2 = mul(x, x)
    x3, x4 = mul(x2, x), mul(x2, x2)
    tail = div(mul(div(x4, 2) + x3, 715827883) + x2, 1)
    result = 1895147668 + mul(1895147668, x + tail)
    rest = low - a
    for e, c in ((24, 1672461947), (25, 1302514674), (26, 790015084), (27, 290630308), (28, 39332535),
                 (29, 720401), (30, 242)):
        if rest & (1 << e):
            result = mul(result, c)
    return INT_MAX if a == 0 else result


def softmax(q, scale):  # tensorflow/lite/kernels/internal/reference/softmax.h
    mul, div = saturating_rounding_doubling_high_mul, rounding_divide_by_pot
    m, shift = quantize_multiplier(min(scale * (1 << 26), INT_MAX * 1.0))
    least = -math.floor(31 * (1 << 26) / (1 << shift))
    largest, exponential, total = max(q), [], 0
    for v in q:
        exponential.append(exp_on_negative(mul((v - largest) << shift, m)) if v - largest >= least else None)
        total += div(exponential[-1], 12) if exponential[-1] is not None else 0
    headroom = 32 - total.bit_length()
    part = (total << headroom) - (1 << 31)
    half = (part + INT_MAX + 1) // 2
    x = 1515870810 + mul(half, -1010580540)
    for _ in range(3):
        x += max(min(mul(x, (1 << 29) - mul(half, x)) * 4, INT_MAX), INT_MIN)
    reciprocal = max(min(x * 2, INT_MAX), INT_MIN)
    return [-128 if e is None else max(-128, min(127, div(mul(reciprocal, e), 12 - headroom + 31 - 8) - 128))
            for e in exponential]
