"""Results of gemmlowp, TFLite, ruy and XNNPACK for edge cases and random numbers, by their formulas, in
Python integers of any size: python3 tests/golden/int8.py >tests/golden/int8.inc."""
# SPDX-License-Identifier: Apache-2.0
import math
import random
import struct

from int8_arithmetic import (INT_MAX, INT_MIN, quantize_multiplier, rounding_divide_by_pot,
                             saturating_rounding_doubling_high_mul, softmax)

rng = random.Random(8)


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def hexadecimal(x):
    mantissa, exponent = f32(x).hex().split("p")
    return mantissa.rstrip("0") + "p" + exponent + "f"


def double(x, m, e):  # MultiplyByQuantizedMultiplier of tensorflow/lite/kernels/internal/common.h
    return rounding_divide_by_pot(saturating_rounding_doubling_high_mul(x << max(e, 0), m), max(-e, 0))


def single(x, m, e):  # the same with TFLITE_SINGLE_ROUNDING
    shift = 31 - e
    return (x * m + (1 << (shift - 1))) >> shift


def nearest_even(y):
    return round(y)


def applications():
    rows = []

    def row(x, m, e):
        if abs(x) << max(e, 0) <= INT_MAX - 256:
            rows.append((x, m, e, double(x, m, e), single(x, m, e)))

    for e in range(-31, 3):
        for m in (1 << 30, (1 << 30) + 1, 1518500250, INT_MAX - 1, INT_MAX):
            half = 1 << max(0, -e)  # for m = 2^30 and e <= 0, half * m * 2^(e - 31) is 1/2
            for x in (0, 1, -1, half, -half, half - 1, 1 - half, half + 1, -half - 1, 3 * half, -3 * half,
                      INT_MAX - 256, 256 - INT_MAX, (INT_MAX - 256) // 4, -((INT_MAX - 256) // 4)):
                row(x, m, e)
        for _ in range(6):
            row(rng.randrange(INT_MIN, INT_MAX) >> rng.randrange(0, 24), rng.randrange(1 << 30, 1 << 31), e)
    return rows


def far_applications():
    """Sums of any size, also with x * 2^e outside of int32."""
    rows, own = [], random.Random(9)
    for e in range(-31, 31):
        for m in (1 << 30, 1518500250, INT_MAX):
            least = 1 << min(30, max(0, 30 - e))  # x * 2^e is about 2^30
            for x in (0, 1, -1, INT_MAX, INT_MIN, least, -least, min(INT_MAX, 2 * least), -2 * least):
                rows.append((x, m, e, double(x, m, e), single(x, m, e)))
        for _ in range(4):
            x, m = own.randrange(INT_MIN, INT_MAX) >> own.randrange(0, 31), own.randrange(1 << 30, 1 << 31)
            rows.append((x, m, e, double(x, m, e), single(x, m, e)))
    return rows


def reduced(x, m, e):  # the int64 MultiplyByQuantizedMultiplier of that file
    shift = 15 - e
    upper = (m + (1 << 15)) >> 16 if m < 0x7FFF0000 else 0x7FFF
    return (x * upper + (1 << (shift - 1))) >> shift


def wide_applications():
    """48-bit sums."""
    most = (1 << 47) - 1
    rows = []
    for e in range(-31, 15):
        for m in (1 << 30, (1 << 30) + 32767, (1 << 30) + 32768, 0x7FFEFFFF, 0x7FFF0000, INT_MAX):
            for x in (most, -most, 1 << 46, -1, 65535, -65536, 1 << 32, -(1 << 32) - 1):
                rows.append((x, m, e, reduced(x, m, e), single(x, m, e)))
        for _ in range(6):
            x, m = rng.randrange(-most, most + 1) >> rng.randrange(0, 40), rng.randrange(1 << 30, 1 << 31)
            rows.append((x, m, e, reduced(x, m, e), single(x, m, e)))
    return rows


def floats():
    rows = []
    for _ in range(400):
        x = rng.randrange(INT_MIN, INT_MAX) >> rng.randrange(0, 26)
        s = f32(2.0 ** rng.uniform(-20, 2))
        rows.append((x, s))
    rows += [(x, 0.5) for x in range(-9, 10)] + [(x, 0.25) for x in range(-9, 10)]
    return [(x, hexadecimal(s), nearest_even(max(-131072, min(131072, f32(f32(x) * s))))) for x, s in rows]


def multipliers():
    rows = [0.5, 1.0, 2.0, 3.999999999, 1 - 2.0**-32, 1 - 2.0**-33, 2.0**-31, 2.0**-32, 2.0**-33, 0.3, 0.007]
    rows += [2.0 ** rng.uniform(-33, 2) for _ in range(60)]
    return [(m.hex(), *quantize_multiplier(m)) for m in rows]


def additions():
    """Scales of a, b and the result; differences from the zero points; the sums with both roundings and in
    XNNPACK."""
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


def sums():
    """Scales of three to five addends and of the result, addends, and the sums. Each time that the number of
    addends doubles beyond two, one bit of precision is lost."""
    rows = []
    for _ in range(40):
        n = rng.randrange(3, 6)
        scales = [f32(2.0 ** rng.uniform(-6, 0)) for _ in range(n)]
        out = f32(max(scales) * rng.uniform(0.5, 4))
        bits = 20 - (math.ceil(math.log2(n)) - 1)
        t = 2 * max(scales)
        factors = [quantize_multiplier(s / t) for s in scales]
        last = quantize_multiplier(t / ((1 << bits) * out))
        ratios = [f32(s / out) for s in scales]
        shift = bits - (math.frexp(max(ratios))[1] - 1)
        whole = [round(f32(r * 2.0**shift)) for r in ratios]
        for _ in range(3):
            x = [rng.choice([-255, 255, rng.randrange(-255, 256)]) for _ in range(n)]
            made = [f(sum(f(v << bits, *q) for v, q in zip(x, factors)), *last) for f in (single, double)]
            made.append(((1 << (shift - 1)) + sum(w * v for w, v in zip(whole, x))) >> shift)
            rest = ["0"] * (5 - n)
            rows.append((n, [hexadecimal(s) for s in scales] + rest, hexadecimal(out), x + rest, made))
    return rows


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
    """The words of a row, or of a list in it, with braces around them."""
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
table("normalized", "softmaxes", softmaxes())
table("application", "far_applications", far_applications())
table("application", "wide_applications", wide_applications())
table("summed", "sums", sums())
