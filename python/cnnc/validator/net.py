# SPDX-License-Identifier: Apache-2.0
"""Computation of an int8 net, layer by layer, as docs/int8.md defines it.

docs/int8.md does not define the bits of values that a layer computes in float. These values, and all values
that depend on them, are unknown here. Float values that a layer only moves or selects are known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Callable

import numpy as np
from numpy.typing import NDArray

from . import fixed, functions, moves, recurrent, windows
from .arithmetic import (
    F32,
    Factor,
    Quant,
    Whole,
    average,
    average_even,
    away,
    factor,
    factor_of_scales,
    from_floats,
    quotient,
    rounded,
    rounded_wide,
    stored,
    to_floats,
    together,
)
from .program import Layer, Program
from .weights import Weights

PRODUCTS = ("conv", "depthwise", "conv_transpose", "dense")
COMBINATIONS = ("add", "subtract", "multiply")
MEANS = ("avgpool", "global_avgpool")
POOLS = (*MEANS, "maxpool", "global_maxpool")
RECURRENT = ("lstm", "gru", "rnn", "svdf")
UNIT = F32(1 / 32768)
FLOATS = ("f32", "bf16")  # precision= of layers that compute in float
FIXED_SCALES = {"sigmoid": Quant(F32(1 / 256), -128), "tanh": Quant(F32(1 / 128), 0)}


@dataclass(frozen=True)
class Value:
    """Stored numbers with their scale, or floats (quant is None). numbers is None if docs/int8.md does not
    define them."""

    numbers: Any  # an array [N, ...]
    quant: Quant | None = None


@dataclass(frozen=True)
class Ending:
    """How a layer's result is stored: its scale, and the relu that is fused into the layer."""

    quant: Quant | None
    bound: str | None


class Unsupported(Exception):
    """A layer that this module cannot compute."""


class Net:
    def __init__(self, program: Program, weights: Weights) -> None:
        self.program, self.weights = program, weights
        self.fused: dict[str, str] = {}
        self.values: dict[str, Value] = {}
        self.state: dict[str, Any] = {}  # state and after: states by name before and after the call
        self.after: dict[str, Any] = {}
        self.sums: dict[str, tuple[Whole, Whole]] = {}  # by layer: the least and largest sum per input
        self.floats: set[str] = set()  # layers that compute in float
        self._ready: dict[Any, Any] = {}  # tables and factors by layer

    # ---- which layers are computed together ----
    def _identity(self, layer: Layer) -> bool:
        if layer.operator in ("dropout", "drop_path", "spec_mask"):
            return True
        if not layer.inputs:
            return False
        of = self.program.layers[layer.inputs[0]]
        if layer.operator == "channel_shuffle":
            groups = int(layer.arguments["groups"])
            return groups in (1, layer.shape[-1])
        return layer.operator in ("upsample", "resize", "crop_like") and layer.shape == of.shape

    def _has_own_arrays(self, layer: Layer) -> bool:
        names = ("weight", "bias", "running_mean", "running_var")
        return any(f"{layer.owner}.{name}" in self.weights for name in names)

    def _ends_with(self, first: Layer, layer: Layer, bound: str | None) -> bool:
        if len(layer.inputs) != 1 or layer.precision in FLOATS:
            return False
        if self._identity(layer):
            return True
        if layer.operator in ("relu", "relu6"):
            return bound is None
        norm = layer.operator == "batchnorm" and not self._has_own_arrays(layer)
        return norm and bound is None and first.operator in PRODUCTS

    def ending(self, layer: Layer) -> Ending:
        quant, bound, last = self.weights.quant(layer.name), None, layer
        while len(last.readers) == 1 and last.readers[0]:
            after = self.program.layers[last.readers[0]]
            if not self._ends_with(layer, after, bound):
                break
            own = self.weights.quant(after.name)
            if own and quant:
                break
            quant = own or quant
            bound = after.operator if after.operator in ("relu", "relu6") else bound
            self.fused[after.name] = layer.name
            last = after
        return Ending(quant, bound)

    # ---- which layers compute in float ----
    def _stays_float(self, layer: Layer) -> bool:
        if layer.precision:
            return layer.precision in FLOATS
        name = (
            "weight_feature"
            if layer.operator == "svdf"
            else "weight_ih_l0" if layer.operator in RECURRENT else "weight"
        )
        if layer.operator not in (*PRODUCTS, *RECURRENT):
            return False
        return self.weights.kind(f"{layer.owner}.{name}") == "f4"

    def _read(self, layer: Layer) -> list[Value]:
        return [self.values[name] for name in layer.inputs]

    def _all_stored(self, layer: Layer) -> bool:
        return all(value.quant for value in self._read(layer))

    def _wide(self, layer: Layer) -> bool:
        return self.weights.is_wide(layer.name) or any(
            v.quant and v.quant.bits == 16 for v in self._read(layer)
        )

    def _for_floats(self, layer: Layer) -> bool:
        if self.weights.quant(layer.name) or "" in layer.readers or not layer.readers:
            return False
        return all(self._stays_float(self.program.layers[name]) for name in layer.readers)

    def _wide_function(self, layer: Layer) -> bool:
        """Whether the function is defined for int16 values."""
        if layer.operator in ("relu", "relu6"):
            return True
        first = self._read(layer)[0].quant
        both = first is not None and first.bits == 16 and self.weights.is_wide(layer.name)
        if layer.operator == "leaky_relu":
            return layer.arguments["slope"] >= 0 and both
        return layer.operator in ("sigmoid", "tanh") and both and self._is_unit(layer)

    def _is_unit(self, layer: Layer) -> bool:
        own = self.weights.quant(layer.name)
        return own is not None and own.scale == UNIT

    def _form(self, layer: Layer) -> Callable[[Layer], Value] | None:
        """The method that computes the layer in integers; None: it is computed in float."""
        of = self.program.layers[layer.inputs[0]] if layer.inputs else layer
        ready = self._all_stored(layer)
        if of.rows < 0 or layer.rows < 0 or layer.precision == "f32":
            return None
        if (
            len(layer.inputs) == 1
            and layer.shape == of.shape
            and layer.name + ".table" in self.weights
            and ready
        ):
            return self._given_table
        if ready and moves.is_repeat(layer, of):
            return self._repeat
        if ready and moves.is_border(layer):
            return self._border
        if layer.operator in PRODUCTS and not self._stays_float(layer):
            return self._product
        if layer.operator in COMBINATIONS and len(layer.inputs) > 1 and ready and self._only_values(layer):
            return self._combination
        if layer.operator == "matmul" and ready and layer.arguments["scale"] > 0:
            return self._matmul
        if layer.operator in POOLS and ready and self._pool_fits(layer, of):
            return self._pool
        if layer.operator == "softmax" and ready:
            return self._softmax_form(layer, of)
        if (layer.operator in moves.MOVES or layer.operator == "concat") and ready:
            return self._move
        if layer.operator == "gather" and self._read(layer)[0].quant:
            return self._gather
        if layer.operator == "embedding" and self.weights.kind(layer.owner + ".weight") == "i1":
            return self._embedding
        if layer.operator == "argmax" and ready and not self.weights.quant(layer.name):
            return self._argmax
        if layer.operator in RECURRENT and not self._stays_float(layer) and self._recurrent_fits(layer):
            return self._recurrent
        function = functions.is_function(layer) and ready and not self._for_floats(layer)
        if function and (layer.shape[-1] <= 4096 or not functions.differs_by_channel(layer)):
            if self._wide_function(layer) or not self._wide(layer):
                return self._function
        return None

    def _only_values(self, layer: Layer) -> bool:
        given = layer.arguments["x"]
        count = 1 + (len(given) if isinstance(given, list) else 1)
        return count == len(layer.inputs) and (layer.operator == "add" or count == 2)

    def _pool_fits(self, layer: Layer, of: Layer) -> bool:
        w = windows.window(layer, of.shape, of.rows)
        most = 32767 if self._wide(layer) else (2**31 - 1) // 256
        return layer.operator not in MEANS or w.kernel[0] * w.kernel[1] <= most

    def _softmax_form(self, layer: Layer, of: Layer) -> Callable[[Layer], Value] | None:
        if not self._wide(layer):
            _, h, w, c = windows.extent(of.shape, of.rows)
            sizes = {"channels": c, "height": h, "positions": h * w}
            line = sizes.get(layer.arguments["axis"], w)
            return self._softmax if line <= 4095 else None
        first = self._read(layer)[0].quant
        both = first is not None and first.bits == 16 and self.weights.is_wide(layer.name)
        along = layer.arguments["axis"] == "channels" and layer.shape[-1] <= 65535
        return self._softmax_wide if both and along and self._is_unit(layer) else None

    def _recurrent_fits(self, layer: Layer) -> bool:
        first = self._read(layer)[0]
        if not first.quant or layer.arguments.get("project"):
            return False
        if not self._wide(layer):
            return True
        return layer.operator == "lstm" and first.quant.bits == 16 and self.weights.is_wide(layer.name)

    # ---- the net ----
    def run(self, inputs: dict[str, NDArray[Any]]) -> dict[str, Value]:
        """The values of layers by name, for inputs [N, ...]. States continue from the previous call."""
        self.values, self.sums, self.after = {}, {}, {}
        self._count = len(next(iter(inputs.values())))
        for layer in self.program.layers.values():
            if not layer.readers and layer.operator not in ("input", "update"):
                continue
            if layer.operator == "input":
                self.values[layer.name] = self._input(layer, inputs[layer.name])
            elif layer.name in self.fused or self._identity(layer):
                self.values[layer.name] = self.values[layer.inputs[0]]
            else:
                self.values[layer.name] = self._layer(layer)
        self.state.update(self.after)
        return self.values

    def _layer(self, layer: Layer) -> Value:
        if layer.operator == "state":
            return self._state(layer, self._count)
        if layer.operator == "update":
            return self._update(layer)
        form = self._form(layer)
        if form:
            if any(v.numbers is None for v in self._read(layer)):
                return Value(None, self._unknown(layer, form))
            return form(layer)
        numbers = self._in_floats(layer)
        if numbers is None and not self._moves_floats(layer):
            self.floats.add(layer.name)
        own = self.weights.quant(layer.name)
        if not own:
            return Value(numbers)
        return Value(None if numbers is None else from_floats(numbers, own), own)

    def _unknown(self, layer: Layer, form: Callable[[Layer], Value]) -> Quant | None:
        """The scale of a value whose numbers are not defined. To find it, the layer is computed with zeros in
        place of undefined operands."""
        kept, sums = dict(self.values), dict(self.sums)
        for name in layer.inputs:
            value, shape = self.values[name], self.program.layers[name].shape
            if value.numbers is None:
                self.values[name] = Value(
                    np.zeros((1, *shape), np.int64 if value.quant else F32), value.quant
                )
            else:
                self.values[name] = Value(value.numbers[:1], value.quant)
        quant = form(layer).quant
        self.values, self.sums = kept, sums
        return quant

    def _input(self, layer: Layer, x: NDArray[Any]) -> Value:
        quant = self.weights.quant(layer.name)
        if not quant:
            return Value(x)
        if x.dtype == np.uint8:
            return Value(x.astype(np.int64) - 128, quant)
        return Value(x.astype(np.int64) if x.dtype == np.int8 else from_floats(x, quant), quant)

    def floats_of(self, name: str) -> Any:
        value = self.values[name]
        if value.numbers is None or not value.quant:
            return value.numbers
        return to_floats(value.numbers, value.quant)

    # ---- layers ----
    def _product(self, layer: Layer) -> Value:
        value, of = self._read(layer)[0], self.program.layers[layer.inputs[0]]
        assert value.quant and value.numbers is not None
        end = self.ending(layer)
        assert end.quant
        wide = 16 in (value.quant.bits, end.quant.bits)
        weight = self.weights[layer.owner + ".weight"].astype(np.int64)
        filters = layer.shape[-1]
        bias = np.zeros(filters, np.int64)
        for name in (layer.owner + ".bias", layer.name + ".bias"):
            if name in self.weights:
                bias = self.weights[name].astype(np.int64)
                break
        x = windows.as_images(value.numbers - value.quant.zero, of.shape, of.rows)
        if layer.operator == "dense":
            x = x.reshape(x.shape[0], -1)
            total = (x.astype(np.float64) @ weight.T.astype(np.float64)).astype(np.int64) + bias
        else:
            w = windows.window(layer, of.shape, of.rows)
            groups = x.shape[3] if layer.operator == "depthwise" else int(layer.arguments["groups"])
            weight = weight.reshape(*weight.shape[:2], *w.kernel)  # sequences: one kernel size in the file
            compute = windows.convolve_transposed if layer.operator == "conv_transpose" else windows.convolve
            total = compute(x, weight, bias, w, groups)
        total = total.reshape(value.numbers.shape[0], *layer.shape)
        flat = total.reshape(total.shape[0], -1)
        self.sums[layer.name] = (flat.min(1), flat.max(1))
        if not wide and max(-flat.min(), flat.max()) > 2**31 - 1:
            raise OverflowError(f"a sum of {layer.name} exceeds 32 bits")
        y = self._rounded_product(layer, total, value.quant, end.quant, wide)
        return Value(stored(end.quant, end.bound).put(y), end.quant)

    def _rounded_product(self, layer: Layer, total: Whole, first: Quant, out: Quant, wide: bool) -> Whole:
        scales = self.weights[layer.owner + ".weight.scale"].ravel()
        if wide and self.weights.of(layer.name, "factor") == "double":
            real = np.array([float(first.scale) * float(s) / float(out.scale) for s in scales])
            y = away(total.astype(np.float64) * real)
            return np.clip(y, -(2.0**30), 2.0**30).astype(np.int64)
        one = layer.operator == "dense" and len(scales) == 1
        f = together([factor_of_scales(first.scale, s, out.scale, one) for s in scales])
        return (rounded_wide if wide else rounded)(self.weights.rounding_of(layer.name), total, f)

    def _operand(self, layer: Layer, k: int) -> Whole:
        """Operand k minus its zero point, in a shape that numpy broadcasts to the shape of the result."""
        name = layer.inputs[k]
        value, of = self.values[name], self.program.layers[name]
        assert value.numbers is not None
        image = windows.as_images(value.numbers, of.shape, of.rows)
        if value.quant:
            image = image - value.quant.zero
        rows, own = max(layer.rows, 1), max(of.rows, 1)
        n = value.numbers.shape[0]
        split = image.reshape(n, own, *image.shape[1:])
        return np.tile(split, (1, rows // own, 1, 1, 1)) if own != rows else split

    def _combination(self, layer: Layer) -> Value:
        end, rounding = self.ending(layer), self.weights.rounding_of(layer.name)
        assert end.quant
        quants = [v.quant for v in self._read(layer)]
        scales = [q.scale for q in quants if q]
        wide = any(q and q.bits == 16 for q in (*quants, end.quant))
        parts = [self._operand(layer, k) for k in range(len(layer.inputs))]
        if layer.operator == "multiply":
            f = factor_of_scales(scales[0], scales[1], end.quant.scale)
            if self.weights.of(layer.name, "factor") == "float":
                f = replace(factor(float(f.real)), real=f.real)
            y = rounded(rounding, parts[0] * parts[1], f)
        else:
            signs = [-1 if k and layer.operator == "subtract" else 1 for k in range(len(parts))]
            y = _add(rounding, parts, signs, scales, end.quant.scale, wide)
        y = stored(end.quant, end.bound).put(y)
        return Value(y.reshape(y.shape[0], *layer.shape), end.quant)

    def _matmul(self, layer: Layer) -> Value:
        end = self.ending(layer)
        first, second = (self.values[name].quant for name in layer.inputs)
        assert end.quant and first and second
        wide = 16 in (first.bits, second.bits, end.quant.bits)
        matrices = []
        for k in range(2):
            x = self._operand(layer, k)
            matrices.append(x.reshape(*x.shape[:2], -1, x.shape[-1]).astype(np.float64))
        turn, scale = layer.arguments["transpose"], float(layer.arguments["scale"])
        a = np.swapaxes(matrices[0], -1, -2) if turn in ("left", "both") else matrices[0]
        b = np.swapaxes(matrices[1], -1, -2) if turn in ("right", "both") else matrices[1]
        total = (a @ b).astype(np.int64)
        both = first.scale * second.scale
        real = both / end.quant.scale
        f = factor(float(both) * scale / float(end.quant.scale), real if scale == 1 else real * F32(scale))
        y = (rounded_wide if wide else rounded)(self.weights.rounding_of(layer.name), total, f)
        y = stored(end.quant, end.bound).put(y)
        return Value(y.reshape(y.shape[0], *layer.shape), end.quant)

    # ---- values that keep their scale ----
    def _requantized(self, layer: Layer, value: Value, to: Quant) -> Value:
        assert value.quant and value.numbers is not None
        if value.quant == to:
            return value
        x = value.numbers - value.quant.zero
        y = rounded(self.weights.rounding_of(layer.name), x, quotient(value.quant.scale, to.scale))
        return Value(stored(to).put(y), to)

    def _pool(self, layer: Layer) -> Value:
        value, of = self._read(layer)[0], self.program.layers[layer.inputs[0]]
        assert value.quant
        rounding, mean = self.weights.rounding_of(layer.name), layer.operator in MEANS
        w = windows.window(layer, of.shape, of.rows)
        end = self.ending(layer)
        if (
            mean
            and self.weights.of(layer.name, "mean") == "factor"
            and windows.is_within(w, of.shape, of.rows)
        ):
            return self._scaled_mean(layer, value, of, w, end)
        wanted = end.quant or value.quant
        inner = value.quant if mean and end.bound else wanted
        value = self._requantized(layer, value, inner)
        assert value.numbers is not None
        image = windows.as_images(value.numbers, of.shape, of.rows)
        store = stored(inner, end.bound)
        if not mean:
            y = np.clip(windows.largest(image, w, inner.limits[0]), store.lo, store.hi)
        else:
            total, n = windows.sums(image, w, inner.zero, bool(layer.arguments.get("count_pad")))
            if rounding == "float":
                y = store.put(average_even(total - n * inner.zero, n))
            else:
                y = np.clip(average(total, n), store.lo, store.hi)
        y = y.reshape(value.numbers.shape[0], *layer.shape)
        return self._requantized(layer, Value(y, inner), wanted)

    def _scaled_mean(self, layer: Layer, value: Value, of: Layer, w: windows.Window, end: Ending) -> Value:
        assert end.quant and value.quant and value.numbers is not None
        image = windows.as_images(value.numbers, of.shape, of.rows)
        total, _ = windows.sums(image, w, value.quant.zero, False)
        n = w.kernel[0] * w.kernel[1]
        f = quotient(value.quant.scale, end.quant.scale)
        shift = min(n.bit_length() - 1, 32, 31 + f.e)
        f = Factor((f.m << shift) // n, f.e - shift, value.quant.scale / (end.quant.scale * F32(n)))
        y = rounded(self.weights.rounding_of(layer.name), total - n * value.quant.zero, f)
        y = stored(end.quant, end.bound).put(y)
        return Value(y.reshape(value.numbers.shape[0], *layer.shape), end.quant)

    def _move(self, layer: Layer) -> Value:
        values = self._read(layer)
        quant = self.weights.quant(layer.name) or values[0].quant
        assert quant
        values = [self._requantized(layer, v, quant) for v in values]
        return Value(self._moved(layer, values), quant)

    def _moved(self, layer: Layer, values: list[Value]) -> Any:
        of = [self.program.layers[name] for name in layer.inputs]
        numbers = [v.numbers for v in values if v.numbers is not None]
        if layer.operator == "concat":
            return moves.concat(numbers, of, layer)
        return moves.MOVES[layer.operator](numbers[0], of[0], layer)

    def _repeat(self, layer: Layer) -> Value:
        value, of = self._read(layer)[0], self.program.layers[layer.inputs[0]]
        assert value.quant
        value = self._requantized(layer, value, self.weights.quant(layer.name) or value.quant)
        return Value(moves.repeat(value.numbers, of, layer), value.quant)

    def _border(self, layer: Layer) -> Value:
        value, of = self._read(layer)[0], self.program.layers[layer.inputs[0]]
        assert value.quant
        value = self._requantized(layer, value, self.weights.quant(layer.name) or value.quant)
        assert value.quant
        return Value(moves.border(value.numbers, of, layer, value.quant.zero), value.quant)

    # ---- functions ----
    def _table(self, layer: Layer, value: Value, table: Whole, quant: Quant) -> Value:
        """Applies a table with 256 entries per channel, [channels, 256], or for all channels, [1, 256]."""
        assert value.numbers is not None
        at = value.numbers + 128
        y = table[0][at] if len(table) == 1 else table[np.arange(table.shape[0]), at]
        return Value(y, quant)

    def _given_table(self, layer: Layer) -> Value:
        end = self.ending(layer)
        assert end.quant
        store = stored(end.quant, end.bound)
        table = np.clip(self.weights[layer.name + ".table"].astype(np.int64), store.lo, store.hi)
        return self._table(layer, self._read(layer)[0], table, end.quant)

    def _function(self, layer: Layer) -> Value:
        value, end = self._read(layer)[0], self.ending(layer)
        assert value.quant
        out = end.quant or FIXED_SCALES.get(layer.operator)
        if out is None:
            raise Unsupported(f"{layer.name}: the file has no scale for its value")
        if 16 in (value.quant.bits, out.bits):
            if layer.operator in ("sigmoid", "tanh"):
                y = fixed.curve(value.numbers, value.quant.scale, layer.operator == "tanh")
                return Value(stored(out, end.bound).put(y), out)
            return self._pieces(layer, value, out, end.bound)
        if layer.name not in self._ready:
            x = (np.arange(-128, 128) - value.quant.zero) * float(value.quant.scale)
            with np.errstate(all="ignore"):
                y = functions.of(layer, self.weights)(x[None, :].astype(np.float64))
                q = away(np.asarray(y) / float(out.scale))
            q = np.where(q > 2.0**20, 2.0**20, np.where(q > -(2.0**20), q, -(2.0**20))).astype(np.int64)
            self._ready[layer.name] = stored(out, end.bound).put(q)
        return self._table(layer, value, self._ready[layer.name], out)

    def _pieces(self, layer: Layer, value: Value, out: Quant, bound: str | None) -> Value:
        """Computes relu, relu6 and leaky_relu if the operand or the result is int16."""
        assert value.quant and value.numbers is not None
        leaks = layer.operator == "leaky_relu"
        if not leaks:
            bound = "relu6" if "relu6" in (layer.operator, bound) else "relu"
        slope = F32(layer.arguments["slope"] if leaks else 1)
        above, below = value.quant.scale / out.scale, value.quant.scale * slope / out.scale
        exact = float(value.quant.scale) / float(out.scale)
        as_floats = self.weights.of(layer.name, "factor") == "float"
        f = factor(float(above) if as_floats else exact, above)
        g = factor(float(below) if as_floats else exact * float(slope), below)
        x, rounding = value.numbers - value.quant.zero, self.weights.rounding_of(layer.name)
        y = rounded(rounding, x, f)
        if leaks:
            y = np.where(x < 0, rounded(rounding, x, g), y)
        return Value(stored(out, bound).put(y), out)

    def _softmax(self, layer: Layer) -> Value:
        value, of = self._read(layer)[0], self.program.layers[layer.inputs[0]]
        assert value.quant and value.numbers is not None
        if layer.name not in self._ready:
            self._ready[layer.name] = fixed.softmax_table(value.quant.scale)
        image = windows.as_images(value.numbers, of.shape, of.rows)
        n, h, w, c = image.shape
        axis = layer.arguments["axis"]
        if axis == "positions":
            image = image.reshape(n, 1, h * w, c)
        at = {"channels": 3, "height": 1}.get(axis, 2)
        y = np.moveaxis(fixed.softmax(np.moveaxis(image, at, -1), self._ready[layer.name]), -1, at)
        return Value(y.reshape(value.numbers.shape[0], *layer.shape), Quant(F32(1 / 256), -128))

    def _softmax_wide(self, layer: Layer) -> Value:
        value, own = self._read(layer)[0], self.weights.quant(layer.name)
        assert value.quant and value.numbers is not None
        y = fixed.softmax_wide(value.numbers, value.quant.scale, self.weights.rounding_of(layer.name))
        return Value(y, own)

    # ---- indices ----
    def _argmax(self, layer: Layer) -> Value:
        numbers = self._read(layer)[0].numbers
        assert numbers is not None
        return Value(numbers.argmax(-1)[..., None].reshape(-1, *layer.shape).astype(F32))

    def _index(self, name: str, count: int) -> Whole | None:
        x = self.floats_of(name)
        if x is None:
            return None
        return np.clip(np.trunc(np.nan_to_num(x, nan=0.0)), 0, count - 1).astype(np.int64)

    def _gather(self, layer: Layer) -> Value:
        value, of = self._read(layer)[0], self.program.layers[layer.inputs[0]]
        own = self.weights.quant(layer.name)
        if own:
            value = self._requantized(layer, value, own)
        assert value.numbers is not None
        return Value(self._gathered(layer, value.numbers, of), value.quant)

    def _gathered(self, layer: Layer, numbers: NDArray[Any], of: Layer) -> Any:
        image = windows.as_images(numbers, of.shape, of.rows)
        if len(of.shape) - (of.rows > 0) == 1:
            image = image.transpose(0, 1, 3, 2)
        rows = image.reshape(image.shape[0], -1, image.shape[-1])
        index = self._index(layer.inputs[1], rows.shape[1])
        if index is None:
            return None
        index = index.reshape(rows.shape[0], -1, rows.shape[2] if layer.arguments["each"] else 1)
        return np.take_along_axis(rows, index, 1).reshape(numbers.shape[0], *layer.shape)

    def _embedding(self, layer: Layer) -> Value:
        table, end = self.weights[layer.owner + ".weight"].astype(np.int64), self.ending(layer)
        index = self._index(layer.inputs[0], table.shape[0])
        assert index is not None
        return Value(table[index].reshape(index.shape[0], *layer.shape), end.quant)

    # ---- floats that are only moved or selected ----
    def _moves_floats(self, layer: Layer) -> bool:
        exact = (*moves.MOVES, "concat", "argmax", "one_hot", "topk", "gather", "relu", "embedding")
        return layer.operator in exact

    def _in_floats(self, layer: Layer) -> Any:
        """Computes an operator whose float results are exact; None: its results are not defined."""
        values = [Value(self.floats_of(name)) for name in layer.inputs]
        if any(v.numbers is None for v in values) or not self._moves_floats(layer) or layer.rows < 0:
            return None
        if not values:
            return None
        x = values[0].numbers
        assert x is not None
        if layer.operator == "relu":
            return np.where(x < 0, F32(0), x)
        if layer.operator == "argmax":
            return x.argmax(-1)[..., None].reshape(-1, *layer.shape).astype(F32)
        if layer.operator == "one_hot":
            flat = x.reshape(x.shape[0], -1, 1)
            return (flat == np.arange(layer.shape[-1])).astype(F32).reshape(-1, *layer.shape)
        if layer.operator == "topk":
            scores = x.reshape(x.shape[0], -1)
            order = np.argsort(-scores if layer.arguments["largest"] else scores, axis=1, kind="stable")
            order = order[:, : layer.shape[0]]
            best = np.take_along_axis(scores, order, 1)
            return np.stack([best, order.astype(F32)], -1).reshape(-1, *layer.shape)
        if layer.operator == "gather":
            return self._gathered(layer, x, self.program.layers[layer.inputs[0]])
        if layer.operator == "embedding":
            table = self.weights.arrays.get(layer.owner + ".weight")
            index = None if table is None else self._index(layer.inputs[0], table.shape[0])
            return None if index is None or table is None else table[index].reshape(-1, *layer.shape)
        return self._moved(layer, values)

    # ---- states, recurrent layers ----
    def reset(self) -> None:
        """Returns all states to their initial values."""
        self.state = {}

    def _state(self, layer: Layer, n: int) -> Value:
        own = self.weights.quant(layer.name)
        if layer.name not in self.state:
            given = layer.arguments["init"]
            x: Any = np.array(given if isinstance(given, list) else [given], np.float64)
            if own:
                q = np.rint(x / float(own.scale)).astype(np.int64)
                x = stored(own).put(q)
            x = x.reshape(layer.shape) if x.size > 1 else x
            x = np.broadcast_to(x, (n, *layer.shape))
            self.state[layer.name] = Value(x.astype(np.int64 if own else F32), own)
        kept: Value = self.state[layer.name]
        return kept

    def _update(self, layer: Layer) -> Value:
        """Sets the state for the next call. The value of the update layer is its first operand."""
        value, state = self.values[layer.inputs[0]], self.values[layer.inputs[1]]
        if not state.quant:
            self.after[layer.inputs[1]] = Value(self.floats_of(layer.inputs[0]))
        elif value.numbers is None:
            self.after[layer.inputs[1]] = Value(None, state.quant)
        elif not value.quant:
            self.after[layer.inputs[1]] = Value(from_floats(value.numbers, state.quant), state.quant)
        else:
            self.after[layer.inputs[1]] = self._requantized(layer, value, state.quant)
        return value

    def _recurrent(self, layer: Layer) -> Value:
        value = self._read(layer)[0]
        assert value.quant and value.numbers is not None
        if layer.operator == "svdf":
            return self._svdf(layer, value)
        if layer.operator == "lstm" or layer.arguments.get("activation") == "relu":
            own = self.weights.quant(layer.name)
        else:
            own = Quant(F32(1 / 128), 0)
        assert own
        n, channels = value.numbers.shape[0], self.program.layers[layer.inputs[0]].shape[-1]
        x = value.numbers.reshape(n, -1, channels)
        ways = {"forward": [False], "reverse": [True], "both": [False, True]}[layer.arguments["direction"]]
        results = []
        for way, reverse in enumerate(ways):
            if (layer.name, way) not in self._ready:
                self._ready[layer.name, way] = recurrent.cell_of(layer, self.weights, value.quant, own, way)
            results.append(self._direction(layer, self._ready[layer.name, way], x, way, reverse))
        y = np.concatenate(results, -1)
        return Value(y.reshape(n, *layer.shape), own)

    def _start(self, layer: Layer, cell: recurrent.Cell, n: int, way: int) -> dict[str, Whole]:
        starts: list[Whole | None] = []
        for key in ("hidden", "cell"):
            name = layer.arguments.get(key)
            if name is None:
                starts.append(None)
                continue
            if key == "cell":
                to = Quant(F32(cell.cell), 0, 16)
            else:
                to = Quant(recurrent.UNIT, 0, 16) if cell.kind == "gru" else cell.value
            given = self.values[name]
            if not given.quant:
                given = Value(from_floats(given.numbers, to), to)
            q = self._requantized(layer, given, to).numbers
            assert q is not None
            starts.append(q.reshape(n, -1)[:, way * cell.units : (way + 1) * cell.units])
        return cell.start(n, starts[0], starts[1])

    def _direction(self, layer: Layer, cell: recurrent.Cell, x: Whole, way: int, reverse: bool) -> Whole:
        keep = bool(layer.arguments["keep"])
        state: dict[str, Whole] = dict(self.state[layer.name]) if keep and layer.name in self.state else {}
        if not state:
            state = self._start(layer, cell, x.shape[0], way)
        gates = np.clip(cell.x(x), -32768, 32767)
        rows = x.shape[1]
        order = range(rows - 1, -1, -1) if reverse else range(rows)
        made: dict[int, Whole] = {}
        last = 0
        for t in order:
            made[t] = cell.row(gates[:, t], state)
            last = t
        if keep:
            self.after[layer.name] = state
        return made[last] if layer.arguments["last"] else np.stack([made[t] for t in range(rows)], 1)

    def _svdf(self, layer: Layer, value: Value) -> Value:
        features, own = self.weights.quant(layer.name + ".features"), self.weights.quant(layer.name)
        assert value.quant and value.numbers is not None and features and own
        a, name, rounding = layer.arguments, layer.owner, self.weights.rounding_of(layer.name)
        weight = self.weights[name + ".weight_feature"].astype(np.int64)
        scales = self.weights[name + ".weight_feature.scale"].ravel()
        count, memory, units = len(weight), int(a["memory"]), int(a["units"])
        f = together(
            [
                _as_float(value.quant.scale, scales[k * len(scales) // count], features.scale)
                for k in range(count)
            ]
        )
        n, channels = value.numbers.shape[0], self.program.layers[layer.inputs[0]].shape[-1]
        x = value.numbers.reshape(n, -1, channels) - value.quant.zero
        made = stored(features).put(rounded(rounding, _exact(x, weight.T), f))
        before = np.full((n, memory - 1, count), features.zero, np.int64)
        if a["keep"] and layer.name in self.state:
            before = self.state[layer.name]
        rows = np.concatenate([before, made], 1)
        if a["keep"]:
            self.after[layer.name] = rows[:, made.shape[1] :]
        time = self.weights[name + ".weight_time"].astype(np.int64)
        bias = self.weights.arrays.get(name + ".bias")
        total = np.zeros((n, made.shape[1], units), np.int64) + (0 if bias is None else bias.astype(np.int64))
        for j in range(memory):
            part = (rows[:, j : j + made.shape[1]] - features.zero) * time[:, j]
            total = total + part.reshape(n, -1, units, count // units).sum(-1)
        g = _as_float(features.scale, self.weights[name + ".weight_time.scale"].ravel()[0], own.scale)
        y = stored(own, "relu" if a["activation"] == "relu" else None).put(rounded(rounding, total, g))
        return Value(y.reshape(n, *layer.shape), own)


def _exact(a: Whole, b: Whole) -> Whole:
    """A matrix product, whose sums are exact in double."""
    return np.asarray(a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)


def _as_float(a: Any, b: Any, out: Any) -> Factor:
    """a * b / out, computed as floats."""
    real = F32(a) * F32(b) / F32(out)
    return factor(float(real), real)


def _add(
    rounding: str, parts: list[Whole], signs: list[int], scales: list[np.float32], out: np.float32, wide: bool
) -> Whole:
    """The sum or difference of values with several scales, rounded to the scale `out`."""
    lost = 0
    while len(parts) > 2 << lost:
        lost += 1
    if rounding == "float":
        ratios = [s / out for s in scales]
        shift = 20 - (math.frexp(float(max(ratios)))[1] - 1) - (0 if wide else lost)
        shift = min(shift, 39 if wide else 30)
        whole = [int(np.rint(np.ldexp(r, shift))) for r in ratios]
        total = sum((sign * f * x for sign, f, x in zip(signs, whole, parts)), np.int64(1 << (shift - 1)))
        return np.asarray(total >> shift)
    twice = 2 * float(max(scales))
    bits = (15 if wide else 20) - lost
    total = np.int64(0)
    for sign, scale, x in zip(signs, scales, parts):
        total = total + sign * rounded(rounding, x << bits, factor(float(scale) / twice))
    return rounded(rounding, np.asarray(total), factor(twice / (2.0**bits * float(out))))
