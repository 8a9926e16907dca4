# SPDX-License-Identifier: Apache-2.0
"""Test inputs: random numbers, the limits of stored numbers, and inputs that drive sums to their bounds."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
from numpy.typing import NDArray

from .program import Program
from .weights import Weights

Inputs = dict[str, NDArray[Any]]


def _span(form: str, weights: Weights, name: str) -> tuple[float, float]:
    """The least and the largest number of an input."""
    if form in ("u8", "i8"):
        return (0, 255) if form == "u8" else (-128, 127)
    if form == "i16":
        return (-32768, 32767)
    quant = weights.quant(name)
    if quant is None:
        return (-4, 4)
    lo, hi = quant.limits
    return (float((lo - quant.zero) * quant.scale), float((hi - quant.zero) * quant.scale))


def _typed(x: NDArray[Any], form: str) -> NDArray[Any]:
    return x.astype({"u8": np.uint8, "i8": np.int8, "i16": np.int16}.get(form, np.float32))


class Samples:
    def __init__(self, program: Program, weights: Weights, seed: int) -> None:
        self.ports = program.inputs
        self.span = {p.name: _span(p.form, weights, p.name) for p in self.ports}
        self.random = np.random.default_rng(seed)

    def _make(self, draw: Callable[[tuple[int, ...], float, float], Any], n: int) -> Inputs:
        made = {}
        for port in self.ports:
            lo, hi = self.span[port.name]
            x = np.broadcast_to(np.asarray(draw((n, *port.shape), lo, hi), np.float64), (n, *port.shape))
            made[port.name] = _typed(np.floor(x) if port.form != "f32" else x, port.form)
        return made

    def uniform(self, n: int) -> Inputs:
        """Random numbers over the whole range of the input."""

        def draw(shape: tuple[int, ...], lo: float, hi: float) -> Any:
            return self.random.uniform(lo, np.nextafter(hi + (hi - lo) / 256, lo), shape).clip(lo, hi + 0.0)

        return self._make(draw, n)

    def contrasts(self, n: int) -> Inputs:
        """Random numbers around a random level, with a random contrast."""

        def draw(shape: tuple[int, ...], lo: float, hi: float) -> Any:
            one = (shape[0],) + (1,) * (len(shape) - 1)
            level = self.random.uniform(lo, hi, one)
            spread = (hi - lo) * 2.0 ** -self.random.uniform(0, 6, one)
            return np.clip(level + spread * self.random.standard_normal(shape), lo, hi)

        return self._make(draw, n)

    def limits(self) -> Inputs:
        """Twelve inputs between the minimum and the maximum: constant, alternating by element or by row, with
        one element that differs from the others, and rising."""
        kinds = 12
        made = {}
        for port in self.ports:
            lo, hi = self.span[port.name]
            size = int(np.prod(port.shape))
            index = np.arange(size).reshape(port.shape)
            last = np.unravel_index(size - 1, port.shape)
            x = np.zeros((kinds, *port.shape))
            x[0], x[1], x[2] = lo, hi, (lo + hi) / 2
            x[3], x[4] = np.where(index % 2, lo, hi), np.where(index % 2, hi, lo)
            rows = index // max(port.shape[-1], 1) % 2
            x[5], x[6] = np.where(rows, lo, hi), np.where(rows, hi, lo)
            x[7], x[8], x[9], x[10] = lo, lo, hi, hi
            x[7].flat[0], x[8][last], x[9].flat[0], x[10][last] = hi, hi, lo, lo
            x[11] = lo + (hi - lo) * index / max(size - 1, 1)
            made[port.name] = _typed(np.floor(x) if port.form != "f32" else x, port.form)
        return made

    def outside(self) -> Inputs | None:
        """Inputs with floats outside of the range, infinities and NaN; None if no input is float."""
        if all(port.form != "f32" for port in self.ports):
            return None
        special = np.array([np.inf, -np.inf, np.nan, 1e30, -1e30, 0.0, -0.0, 1e-40], np.float32)
        made = self.uniform(len(special))
        for port in self.ports:
            if port.form == "f32":
                flat = made[port.name].reshape(len(special), -1)
                flat[:, :: max(flat.shape[1] // 8, 1)] = special[:, None]
        return made

    def driven(self, weights: Weights, program: Program, most: int) -> Inputs | None:
        """Inputs that drive sums to their bounds in layers that read an input: the signs of a filter's
        weights select the minimum or the maximum."""
        found = []
        for layer in program.layers.values():
            if layer.operator not in ("conv", "depthwise", "dense") or layer.owner + ".weight" not in weights:
                continue
            port = self._source(program, layer.inputs[0])
            if port is None or weights.kind(layer.owner + ".weight") != "i1":
                continue
            weight = weights[layer.owner + ".weight"]
            for f in range(min(len(weight), most)):
                signs = np.sign(weight[f].astype(np.int64))
                pattern = signs if weight.ndim == 2 or signs.ndim == 1 else np.moveaxis(signs, 0, -1)
                found.append((port, pattern))
        if not found:
            return None
        made = self.uniform(2 * len(found))
        for k, (port, pattern) in enumerate(found):
            lo, hi = self.span[port.name]
            tiled = _tiled(pattern, port.shape)
            made[port.name][2 * k] = np.where(tiled > 0, hi, lo)
            made[port.name][2 * k + 1] = np.where(tiled > 0, lo, hi)
        return made

    def _source(self, program: Program, name: str) -> Any:
        """The input that a layer reads, directly or through layers with one operand that keep the shape or
        flatten."""
        layer = program.layers[name]
        while layer.operator != "input" and len(layer.inputs) == 1:
            before = program.layers[layer.inputs[0]]
            if before.shape != layer.shape and layer.operator != "flatten":
                return None
            layer = before
        return next((p for p in self.ports if p.name == layer.name), None)

    def searched(
        self, measure: Callable[[Inputs], dict[str, Any]], layers: list[str], rounds: int
    ) -> Inputs | None:
        """Inputs with extreme sums in deeper layers, by random search: parts of the best inputs are drawn
        anew, and kept if the sums are more extreme.

        measure: returns the least and largest sum of each layer for each input."""
        kept: list[Inputs] = []
        for name in layers:
            for k, sign in ((0, -1), (1, 1)):
                pool = self.contrasts(16)
                for _ in range(rounds):
                    score = sign * measure(pool)[name][k]
                    best = int(np.argmax(score))
                    fresh = self._changed({p: x[best] for p, x in pool.items()}, 15)
                    pool = {p: np.concatenate([pool[p][best : best + 1], fresh[p]]) for p in pool}
                score = sign * measure(pool)[name][k]
                best = int(np.argmax(score))
                kept.append({p: x[best : best + 1] for p, x in pool.items()})
        return together(kept) if kept else None

    def _changed(self, one: Inputs, n: int) -> Inputs:
        """Copies of an input with a random block set to other numbers or to a limit."""
        made = {p: np.repeat(x[None], n, 0) for p, x in one.items()}
        for port in self.ports:
            lo, hi = self.span[port.name]
            flat = made[port.name].reshape(n, -1)
            for k in range(n):
                size = max(int(flat.shape[1] * 2.0 ** -self.random.uniform(1, 8)), 1)
                begin = int(self.random.integers(0, flat.shape[1] - size + 1))
                kind = self.random.integers(0, 3)
                block = (
                    self.random.uniform(lo, hi, size) if kind == 0 else np.full(size, hi if kind == 1 else lo)
                )
                flat[k, begin : begin + size] = _typed(
                    np.floor(block) if port.form != "f32" else block, port.form
                )
        return made


def _tiled(pattern: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Repeats the pattern along each dimension, and cuts the result to the shape."""
    if pattern.ndim == 1 and len(shape) > 1 and pattern.size == int(np.prod(shape)):
        return pattern.reshape(shape)
    while pattern.ndim > len(shape):
        pattern = pattern[0]
    while pattern.ndim < len(shape):
        pattern = pattern[None]
    repeats = [-(-s // p) for s, p in zip(shape, pattern.shape)]
    return np.tile(pattern, repeats)[tuple(slice(0, s) for s in shape)]


def together(parts: list[Inputs]) -> Inputs:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
