# SPDX-License-Identifier: Apache-2.0
"""Factors, roundings and stored numbers of int8 nets (docs/int8.md, "The arithmetic in full")."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Whole: TypeAlias = Any  # an array of int64; Any, since numpy's type hints differ between versions
F32 = np.float32
LIMITS = {8: (-128, 127), 16: (-32768, 32767)}


@dataclass(frozen=True)
class Quant:
    """How a value is stored: a number q means (q - zero) * scale."""

    scale: np.float32
    zero: int
    bits: int = 8

    @property
    def limits(self) -> tuple[int, int]:
        return LIMITS[self.bits]


@dataclass(frozen=True)
class Factor:
    """A quotient of scales, as m * 2^(e - 31) and as float32 (`real`). m, e and real may be arrays with one
    number per filter."""

    m: Any
    e: Any
    real: Any


def factor(number: float, real: Any = None) -> Factor:
    """The fixed-point form of a number."""
    given = F32(number) if real is None else real
    if not number < 2.0**40:
        return Factor(2**31 - 1, 41, given)
    part, e = math.frexp(number)
    m = math.floor(part * 2**31 + 0.5)
    if m == 2**31:
        m, e = 2**30, e + 1
    if e < -31:
        m = e = 0
    return Factor(m, e, given)


def factor_of_scales(a: Any, b: Any, out: Any, rounded: bool = False) -> Factor:
    """The factor a * b / out. `rounded`: a * b is rounded to float32 first."""
    product = F32(a) * F32(b)
    exact = float(product) if rounded else float(a) * float(b)
    return replace(factor(exact / float(out)), real=product / F32(out))


def quotient(a: Any, b: Any) -> Factor:
    """The factor a / b, which converts a value from scale a to scale b."""
    return replace(factor(float(a) / float(b)), real=F32(a) / F32(b))


def together(factors: list[Factor]) -> Factor:
    """Combines the factors of all filters into one Factor of arrays."""
    return Factor(
        np.array([f.m for f in factors], np.int64),
        np.array([f.e for f in factors], np.int64),
        np.array([f.real for f in factors], F32),
    )


def _nearest(x: Whole, real: Any) -> Whole:
    y = x.astype(F32) * np.asarray(real, F32)
    return np.rint(np.clip(y, -(2.0**17), 2.0**17)).astype(np.int64)


def rounded(rounding: str, x: Whole, f: Factor) -> Whole:
    """Multiplies sums of at most 32 bits by a factor, and rounds."""
    if rounding == "float":
        return _nearest(x, f.real)
    e = np.minimum(np.asarray(f.e), 30)
    m = np.where(np.asarray(f.e) > 30, 2**31 - 1, f.m)
    if rounding == "single":
        return x * m + (1 << (30 - e)) >> 31 - e
    left, s = np.maximum(e, 0), np.maximum(-e, 0)
    high = (x * m + (1 << (30 - left))) >> (31 - left)  # x * 2^left may exceed 64 bits
    half = np.where(s > 0, 1 << np.maximum(s - 1, 0), 0)
    return np.where(s > 0, (high + half - (high < 0)) >> s, high)


def rounded_wide(rounding: str, x: Whole, f: Factor) -> Whole:
    """Multiplies sums of at most 48 bits by a factor, and rounds."""
    if rounding == "float":
        return _nearest(x, f.real)
    m, e = np.asarray(f.m, object), np.asarray(f.e, object)
    if rounding == "double":
        m = np.where(
            np.asarray(f.m) < 0x7FFF0000, (np.asarray(f.m, np.int64) + (1 << 15)) >> 16, 0x7FFF
        ).astype(object)
        shift = 15 - e
    else:
        shift = 31 - e
    half = np.frompyfunc(lambda s: 1 << (s - 1), 1, 1)(shift)
    return ((x.astype(object) * m + half) >> shift).astype(np.int64)


def clamp(x: Whole, lo: int, hi: int) -> Whole:
    return np.clip(x, lo, hi)


def away(x: Any) -> Any:
    """Rounds to the nearest integer, half away from zero."""
    x = np.asarray(x, np.float64)
    return np.where(x >= 0, np.floor(x + 0.5), np.ceil(x - 0.5))


@dataclass(frozen=True)
class Stored:
    """The last step of a quantized computation: adds the zero point and clamps to lo .. hi."""

    zero: int
    lo: int
    hi: int

    def put(self, x: Whole) -> Whole:
        return np.clip(x + self.zero, self.lo, self.hi)


def stored(quant: Quant, bound: str | None = None) -> Stored:
    """Returns the limits of a stored value. bound: None, relu or relu6."""
    lo, hi = quant.limits
    if bound:
        lo = max(lo, quant.zero)
    if bound == "relu6":
        six = math.floor(float(F32(6) / quant.scale) + 0.5) + quant.zero
        hi = min(hi, six)
    return Stored(quant.zero, lo, hi)


def average(total: Whole, n: Any) -> Whole:
    """total / n, rounded half away from zero."""
    return np.where(total > 0, (total + n // 2) // n, -((n // 2 - total) // n))


def average_even(total: Whole, n: Any) -> Whole:
    """total / n, rounded half to even."""
    below = total // n
    twice = 2 * (total - below * n)
    return below + ((twice > n) | ((twice == n) & (below % 2 != 0)))


def from_floats(x: NDArray[np.float32], quant: Quant) -> Whole:
    """Quantizes floats, to nearest, ties to even."""
    with np.errstate(over="ignore", invalid="ignore"):
        y = x.astype(F32) / quant.scale
    y = np.where(y > F32(-(2.0**17)), y, F32(-(2.0**17)))
    return stored(quant).put(np.rint(np.minimum(y, F32(2.0**17))).astype(np.int64))


def to_floats(q: Whole, quant: Quant) -> Any:
    return (q - quant.zero).astype(F32) * quant.scale
