# SPDX-License-Identifier: Apache-2.0
"""Functions in fixed point: softmax, and the logistic function and tanh of int16 values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .arithmetic import Factor, Whole, factor, rounded

MOST = 2**31 - 1


def times(a: Any, b: Any) -> Any:
    """a * b / 2^31, rounded half up."""
    return (a * b + (1 << 30)) >> 31


def halves_away(x: Any, e: int) -> Any:
    """x / 2^e, rounded half away from zero."""
    if e == 0:
        return x
    return ((x + (1 << (e - 1))) - (x < 0)) >> e


def exponential(a: int, whole: int) -> int:
    """exp(a * 2^(whole - 31)) * 2^31, for a <= 0; `whole`: the number of integer bits of a."""
    if a == 0:
        return MOST
    fraction = 31 - whole
    quarter = 1 << (fraction - 2)
    low = (a & (quarter - 1)) - quarter
    x = (low << whole) + (1 << 28)
    x2 = times(x, x)
    x3, x4 = times(x2, x), times(x2, x2)
    tail = halves_away(times(halves_away(x4, 2) + x3, 715827883) + x2, 1)
    y = 1895147668 + times(1895147668, x + tail)
    rest = low - a
    for i, step in enumerate((1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)):
        if i < whole + 2 and rest >> (fraction - 2 + i) & 1:
            y = times(y, step)
    return int(y)


def _limit(x: int) -> int:
    return max(-(2**31), min(MOST, x))


def reciprocal(x: int) -> int:
    """2 / (1 + x * 2^-31) * 2^29."""
    half = (x + 2**31) >> 1
    y = 1515870810 + times(half, -1010580540)
    for _ in range(3):
        y += _limit(4 * times(y, (1 << 29) - times(half, y)))
    return int(y)


def softmax_table(scale: Any) -> Whole:
    """exp(-i * scale) * 2^31 for i = 0 .. 255."""
    f = factor(min(float(scale) * 2**26, float(MOST)))
    least = math.floor(31.0 * 2**26 / math.ldexp(1, f.e))
    return np.array(
        [0 if d > least else exponential(int(times(-d << f.e, f.m)), 5) for d in range(256)], np.int64
    )


def softmax(q: Whole, table: Whole) -> Whole:
    """Softmax over the last axis; the result has the scale 1/256 and zero point -128."""
    below = q.max(-1, keepdims=True) - q
    e = table[below]
    total = halves_away(e, 12).sum(-1)
    zeros = 32 - np.frompyfunc(int.bit_length, 1, 1)(total.astype(object)).astype(np.int64)
    known: dict[int, int] = {}
    for t, z in zip(total.ravel().tolist(), zeros.ravel().tolist()):
        if t not in known:
            known[t] = _limit(2 * reciprocal((t << z) - 2**31))
    inverse = np.array([known[t] for t in total.ravel().tolist()], np.int64).reshape(total.shape)
    shift = (12 - zeros + 31 - 8)[..., None]
    y = times(inverse[..., None], e)
    y = ((y + (1 << (shift - 1))) - (y < 0)) >> shift
    return np.clip(y - 128, -128, 127)


# ---- int16: linear interpolation in a table ----
def _cut(x: Any) -> Any:
    return np.clip(x, -32768, 32767)


def _round(x: float) -> int:
    return math.floor(x + 0.5) if x >= 0 else math.ceil(x - 0.5)


def _lines(low: float, high: float, function: Any) -> Whole:
    step, points = (high - low) / 512, []
    for i in range(512):
        here = _round(function(low + i * step) * 2**15)
        middle = _round(function(low + i * step + step / 2) * 2**15)
        line = _round((function(low + (i + 1) * step) * 2**15 + here) / 2)
        points.append(here - _round((line - middle) / 2))
    return np.array(_cut([*points, _round(function(high) * 2**15)]), np.int64)


def _line_at(table: Whole, place: Whole) -> Whole:
    n = place >> 7
    rest = place - (n << 7)
    a, b = table[n + 256], table[n + 257]
    return a + (((b - a) * rest + 64) >> 7)


def softmax_wide(q: Whole, scale: Any, rounding: str) -> Whole:
    """Softmax of int16 numbers over the last axis."""
    exp, one_over = _lines(-10, 0, math.exp), _lines(0, 1, lambda x: 1 / (1 + x))
    f: Factor = factor(float(scale) / (10 / 65535.0))
    below = rounded(rounding, q - q.max(-1, keepdims=True), f)
    e = _line_at(exp, _cut(below + 32767))
    total = e.sum(-1, keepdims=True)
    bits = np.frompyfunc(int.bit_length, 1, 1)(total.astype(object)).astype(np.int64)
    place = ((total << (31 - bits)) + (1 << 13)) >> 14
    inverse = _line_at(one_over, _cut(place - (1 << 16) - (1 << 15)))
    shift = bits - 1
    return np.clip((e * inverse + (1 << (shift - 1))) >> shift, 0, 32767)


def _point(n: int) -> int:
    if n == 255:
        return 65535
    at = [2**16 / (1 + math.exp(-x / 24)) for x in (n, n + 0.5, n + 1)]
    return _round(at[0] - ((at[0] + at[2]) / 2 - at[1]) / 2)


POINTS = np.array([_point(n) for n in range(256)], np.int64)


def curve(q: Whole, scale: Any, tanh: bool) -> Whole:
    """The logistic function or tanh of int16 numbers, as int16 with the scale 1/32768."""
    exponent = math.log2(float(scale))
    e = round(exponent)
    if abs(exponent - e) < 1e-3 and (e == -12 or (tanh and e == -11)):
        multiple, shift = 3 << (e + 12), 0
    else:
        number, shift = float(scale) * (24 << 9), 0
        while number <= 32767 / 2 and shift < 31:
            number, shift = number * 2, shift + 1
        multiple = int(number)
    return at_place((q * multiple + ((1 << (shift - 1)) if shift else 0)) >> shift, tanh)


def at_place(at: Whole, tanh: bool) -> Whole:
    """The logistic function or tanh at a position in the table. Arguments that differ by 1 are 24 points of
    the table apart (tanh: 48)."""
    size = np.abs(at)
    bits, down = (8, 8) if tanh else (9, 10)
    n = size >> bits
    inside = np.minimum(n, 254)
    a, b = POINTS[inside], POINTS[inside + 1]
    y = np.where(
        n < 255, (a << bits) + (size - (inside << bits)) * (b - a), 65535 << 8 if tanh else 32767 << 10
    )
    y = y - (1 << (15 + bits))
    start = 0 if tanh else 1 << 24
    return (np.where(at < 0, -1 - y, y) + start + (1 << (down - 1))) >> down
