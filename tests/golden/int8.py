"""What gemmlowp, TFLite, ruy and XNNPACK make of edges and random numbers: python3 tests/golden/int8.py
>tests/golden/int8.inc. Formulas as those have them, in Python's integers of any size."""
# SPDX-License-Identifier: Apache-2.0
import math
import random
import struct

rng = random.Random(8)
INT_MAX, INT_MIN = 2**31 - 1, -(2**31)


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def hexadecimal(x):
    mantissa, exponent = f32(x).hex().split("p")
    return mantissa.rstrip("0") + "p" + exponent + "f"


def saturating_rounding_doubling_high_mul(a, b):  # gemmlowp/fixedpoint/fixedpoint.h
    return (a * b + (1 << 30)) >> 31


def rounding_divide_by_pot(x, e):
    mask = (1 << e) - 1
    return (x >> e) + ((x & mask) > ((mask >> 1) + (x < 0)))


def double(x, m, e):  # MultiplyByQuantizedMultiplier of tensorflow/lite/kernels/internal/common.h
    return rounding_divide_by_pot(saturating_rounding_doubling_high_mul(x << max(e, 0), m), max(-e, 0))


def single(x, m, e):  # the same with TFLITE_SINGLE_ROUNDING
    shift = 31 - e
    return (x * m + (1 << (shift - 1))) >> shift


def nearest_even(y):
    return round(y)


def quantize_multiplier(m):  # tensorflow/lite/kernels/internal/quantization_util.cc
    if m == 0:
        return 0, 0
    q, shift = math.frexp(m)
    fixed = math.floor(q * (1 << 31) + 0.5)
    if fixed == 1 << 31:
        fixed //= 2
        shift += 1
    return (0, 0) if shift < -31 else (fixed, shift)


def applications():
    rows = []

    def row(x, m, e):
        if abs(x) << max(e, 0) <= INT_MAX - 256:
            rows.append((x, m, e, double(x, m, e), single(x, m, e)))

    for e in range(-31, 3):
        for m in (1 << 30, (1 << 30) + 1, 1518500250, INT_MAX - 1, INT_MAX):
            half = 1 << max(0, -e)  # sums whose product ends in a half, where m is 2^30
            for x in (0, 1, -1, half, -half, half - 1, 1 - half, half + 1, -half - 1, 3 * half, -3 * half,
                      INT_MAX - 256, 256 - INT_MAX, (INT_MAX - 256) // 4, -((INT_MAX - 256) // 4)):
                row(x, m, e)
        for _ in range(6):
            row(rng.randrange(INT_MIN, INT_MAX) >> rng.randrange(0, 24), rng.randrange(1 << 30, 1 << 31), e)
    return rows


def floats():
    rows = []
    for _ in range(400):
        x = rng.randrange(INT_MIN, INT_MAX) >> rng.randrange(0, 26)
        s = f32(2.0 ** rng.uniform(-20, 2))
        rows.append((x, s))
    rows += [(x, 0.5) for x in range(-9, 10)] + [(x, 0.25) for x in range(-9, 10)]
    return [(x, hexadecimal(s), nearest_even(max(-1024, min(1024, f32(f32(x) * s))))) for x, s in rows]


def multipliers():
    rows = [0.5, 1.0, 2.0, 3.999999999, 1 - 2.0**-32, 1 - 2.0**-33, 2.0**-31, 2.0**-32, 2.0**-33, 0.3, 0.007]
    rows += [2.0 ** rng.uniform(-33, 2) for _ in range(60)]
    return [(m.hex(), *quantize_multiplier(m)) for m in rows]


def additions():
    """(a, b, out) scales, then the sums of values apart from their zeros, by both roundings and XNNPACK."""
    rows = []
    for _ in range(60):
        a, b, out = (f32(2.0 ** rng.uniform(-8, 0)) for _ in range(3))
        t = 2 * max(a, b)
        qa, qb, qo = quantize_multiplier(a / t), quantize_multiplier(b / t), quantize_multiplier(
            t / ((1 << 20) * out))
        ra, rb = f32(a / out), f32(b / out)
        e = math.frexp(max(ra, rb))[1] - 1
        shift = 20 - e
        fa, fb = round(f32(ra * 2.0**shift)), round(f32(rb * 2.0**shift))
        for _ in range(4):
            x, y = rng.randrange(-255, 256), rng.randrange(-255, 256)
            sums = [f(f(x << 20, *qa) + f(y << 20, *qb), *qo) for f in (single, double)]
            sums.append(((1 << (shift - 1)) + fa * x + fb * y) >> shift)
            rows.append((hexadecimal(a), hexadecimal(b), hexadecimal(out), x, y, sums))
    return rows


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


def softmaxes():
    rows = []
    for scale in (0.05, 0.1, 0.25, 1.0, 3.9, 0.001, 2.0**-20, 40.0):
        scale = f32(scale)
        for _ in range(4):
            q = [rng.randrange(-128, 128) for _ in range(10)]
            rows.append((hexadecimal(scale), q, softmax(q, scale)))
        for q in ([-128] * 10, [127] * 10, [127] + [-128] * 9, [0, -1] * 5):
            rows.append((hexadecimal(scale), q, softmax(q, scale)))
    return rows


def words(row):
    """Those of a row or a list in it, with its braces."""
    found = [w for v in row for w in (words(v) if isinstance(v, list | tuple) else [f"{v},"])]
    return ["{" + found[0], *found[1:-1], found[-1].rstrip(",") + "},"]


def table(kind, name, rows):
    print(f"static const struct {kind} {name}[] = {{")
    line = "   "
    for word in (w for row in rows for w in words(row)):
        if len(line) + 1 + len(word) > 110:
            print(line)
            line = "   "
        line += " " + word
    print(line + "\n};")


print("/* Made by int8.py: gemmlowp's, TFLite's, ruy's and XNNPACK's arithmetic. */")
print("// SPDX-License-Identifier: Apache-2.0")
table("application", "applications", applications())
table("floating", "floatings", floats())
table("factor", "factors", multipliers())
table("added", "additions", additions())
table("normalised", "softmaxes", softmaxes())
