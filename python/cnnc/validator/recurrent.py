# SPDX-License-Identifier: Apache-2.0
"""Recurrent layers of int8 nets, except svdf (net.py): lstm, gru and rnn, for many inputs together."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .arithmetic import (
    F32,
    Factor,
    Quant,
    Whole,
    factor,
    factor_of_scales,
    rounded,
    rounded_wide,
    stored,
    together,
)
from .fixed import at_place, curve
from .weights import Weights

GATE, UNIT = F32(1 / 4096), F32(1 / 32768)


def _cut(x: Any) -> Any:
    return np.clip(x, -32768, 32767)


def _up(x: Any, s: int) -> Any:
    """x / 2^s, rounded half up."""
    return (x + (1 << (s - 1))) >> s


def _away(x: Any, s: int) -> Any:
    """x / 2^s, rounded half away from zero."""
    return (x + (1 << (s - 1)) - (x < 0)) >> s if s else x


def upper(x: Any) -> Any:
    """The upper byte of an int16 number, rounded."""
    return np.clip(_up(x, 8), -128, 127)


# ---- gemmlowp's 16-bit fixed point ----
def _wrap(x: Any) -> Any:
    return (x + 32768) % 65536 - 32768


def _times(a: Any, b: Any) -> Any:
    """a * b / 2^15, rounded half up, saturated."""
    return _cut((a * b + (1 << 14)) >> 15)


def _exponential(a: Whole, whole: int) -> Whole:
    fraction = 15 - whole
    quarter = 1 << (fraction - 2)
    low = (a & (quarter - 1)) - quarter
    rest = low - a
    x = _wrap(_cut(low << whole) + (1 << 12))
    x2 = _times(x, x)
    x3, x4 = _times(x2, x), _times(x2, x2)
    tail = _away(_wrap(_times(_wrap(_away(x4, 2) + x3), 10923) + x2), 1)
    y = _cut(28918 + _times(28918, _wrap(x + tail)))
    for i, step in enumerate((25520, 19875, 12055, 4435, 600, 11, 0)):
        if i < whole + 2:
            y = np.where(rest >> (fraction - 2 + i) & 1, _times(y, step), y)
    if whole > 5:
        y = np.where(a < -(1 << (fraction + 5)), 0, y)
    return np.where(a == 0, 32767, y)


def _reciprocal(x: Whole) -> Whole:
    half = (x + (1 << 15)) // 2
    y = _wrap(23130 + _times(half, -15420))
    for _ in range(3):
        y = _wrap(y + _cut(4 * _times(y, _wrap((1 << 13) - _times(half, y)))))
    return y


def fixed_logistic(q: Whole) -> Whole:
    above = _cut(2 * _reciprocal(_exponential(-np.abs(q), 3)))
    return np.where(q > 0, above, np.where(q < 0, 32767 - above, 1 << 14))


def fixed_tanh(q: Whole, whole: int) -> Whole:
    size = _cut(4 * (_reciprocal(_exponential(-np.abs(q), whole + 1)) - (1 << 13)))
    return np.where(q > 0, size, np.where(q < 0, _wrap(-size), 0))


# ---- products ----
@dataclass(frozen=True)
class Rows:
    """The products with one weight matrix, as int16 addends of the gates."""

    weight: Whole
    bias: Whole
    factor: Factor
    zero: int
    rounding: str
    wide: bool

    def __call__(self, x: Whole, of: slice = slice(None)) -> Whole:
        """x: stored numbers [..., columns]; `of`: the rows of the weight matrix whose sums are needed."""
        total = ((x - self.zero).astype(np.float64) @ self.weight[of].T.astype(np.float64)).astype(np.int64)
        f = Factor(self.factor.m[of], self.factor.e[of], self.factor.real[of])
        return (rounded_wide if self.wide else rounded)(self.rounding, total + self.bias[of], f)


def _rows(
    weights: Weights, name: str, bias: str | None, of: Quant, rounding: str, one: bool, wide: bool
) -> Rows:
    weight = weights[name].astype(np.int64)
    scales = weights[name + ".scale"].ravel()
    each = [
        factor_of_scales(of.scale, scales[s * len(scales) // len(weight)], GATE, one)
        for s in range(len(weight))
    ]
    given = weights.arrays.get(bias or "")
    numbers = np.zeros(len(weight), np.int64) if given is None else given.astype(np.int64)
    return Rows(weight, numbers, together(each), of.zero, rounding, wide)


@dataclass
class Cell:
    """One direction of a layer."""

    kind: str
    units: int
    x: Rows
    h: Rows
    value: Quant  # how h is stored
    rounding: str
    litert: bool
    before: bool
    relu: bool
    cell: Any  # the scale of c
    clip: float

    # ---- functions of gates ----
    def _logistic(self, a: Whole) -> Whole:
        return fixed_logistic(a) if self.litert else curve(a, GATE, False)

    def _tanh(self, a: Whole) -> Whole:
        return fixed_tanh(a, 3) if self.litert else curve(a, GATE, True)

    def _gate(self, gates: Whole, h: Whole, g: int) -> Whole:
        of = slice(g * self.units, (g + 1) * self.units)
        part = self.h(h, of)
        return _cut(gates[..., of] + (part if self.litert else _cut(part)))

    def start(self, n: int, h: Whole | None, c: Whole | None) -> dict[str, Whole]:
        shape = (n, self.units)
        if self.kind == "gru":
            return {"h": np.zeros(shape, np.int64) if h is None else h}
        return {
            "h": np.full(shape, self.value.zero, np.int64) if h is None else h,
            "c": np.zeros(shape, np.int64) if c is None else c,
        }

    def row(self, gates: Whole, s: dict[str, Whole]) -> Whole:
        """Updates the state; returns the next h, as stored numbers."""
        made: Whole = {"lstm": self._lstm, "gru": self._gru, "rnn": self._rnn}[self.kind](gates, s)
        return made

    def _next_cell(self, i: Whole, f: Whole, g: Whole, c: Whole) -> Whole:
        power = round(math.log2(float(self.cell)))
        if self.litert:
            kept, more = _away(f * c, 15), _away(i * g, 30 + power)
        else:
            unit = float(UNIT)
            kept = rounded(self.rounding, f * c, factor(unit * float(self.cell) / float(self.cell)))
            more = rounded(self.rounding, i * g, factor(unit * unit / float(self.cell)))
        total = _cut(_cut(kept) + _cut(more))
        if self.clip > 0:
            units = (
                float(F32(self.clip) / F32(self.cell))
                if self.litert
                else float(F32(self.clip)) / float(self.cell)
            )
            limit = min(int(units), 32767)
            total = np.clip(total, -limit, limit)
        return total

    def _lstm(self, gates: Whole, s: dict[str, Whole]) -> Whole:
        i, f, g, o = (self._gate(gates, s["h"], k) for k in range(4))
        i, f, o, g = self._logistic(i), self._logistic(f), self._logistic(o), self._tanh(g)
        s["c"] = self._next_cell(i, f, g, s["c"])
        power = round(math.log2(float(self.cell)))
        bent = fixed_tanh(s["c"], 15 + power) if self.litert else _cell_tanh(s["c"], power)
        unit = (
            UNIT / self.value.scale * UNIT
            if self.litert
            else float(UNIT) * float(UNIT) / float(self.value.scale)
        )
        s["h"] = stored(self.value).put(rounded(self.rounding, bent * o, factor(float(unit))))
        return s["h"]

    def _gru(self, gates: Whole, s: dict[str, Whole]) -> Whole:
        h, small = s["h"], upper(s["h"])
        r, z = self._logistic(self._gate(gates, small, 0)), self._logistic(self._gate(gates, small, 1))
        if self.before:
            a = self._gate(gates, upper(_up(r * h, 15)), 2)
        else:
            of = slice(2 * self.units, 3 * self.units)
            a = _cut(gates[..., of] + _up(r * _cut(self.h(small, of)), 15))
        s["h"] = _cut(_up((32768 - z) * self._tanh(a) + z * h, 15))
        return upper(s["h"])

    def _rnn(self, gates: Whole, s: dict[str, Whole]) -> Whole:
        a = self._gate(gates, s["h"], 0)
        if self.relu:
            f = factor(float(GATE) / float(self.value.scale))
            s["h"] = stored(self.value).put(rounded(self.rounding, np.maximum(a, 0), f))
        else:
            s["h"] = upper(self._tanh(a))
        return s["h"]


def _cell_tanh(c: Whole, power: int) -> Whole:
    """tanh of c; the scale of c is 2^power."""
    up = power + 12
    return at_place(c * (3 << up) if up >= 0 else (c * 3 + (1 << (-up - 1))) >> -up, True)


def cell_of(layer: Any, weights: Weights, first: Quant, value: Quant, way: int) -> Cell:
    name, a, rounding = layer.owner, layer.arguments, weights.rounding_of(layer.name)
    suffix = "_reverse" if way else ""  # the second direction of direction=both
    litert = layer.operator == "lstm" and weights.of(layer.name, "kernel") == "litert"
    before, wide = a.get("reset") == "before", first.bits == 16
    apart = layer.operator == "gru" and not before
    read = Quant(F32(1 / 128), 0) if layer.operator == "gru" else value
    x = _rows(
        weights, f"{name}.weight_ih_l0{suffix}", f"{name}.bias_ih_l0{suffix}", first, rounding, litert, wide
    )
    own = f"{name}.bias_hh_l0{suffix}" if apart else None
    h = _rows(weights, f"{name}.weight_hh_l0{suffix}", own, read, rounding, litert, wide)
    cell = weights[layer.name + ".cell.scale"].ravel()[0] if layer.operator == "lstm" else None
    return Cell(
        layer.operator,
        int(a["units"]),
        x,
        h,
        value,
        rounding,
        litert,
        before,
        a.get("activation") == "relu",
        cell,
        float(a.get("clip") or 0),
    )
