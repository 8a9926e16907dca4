# SPDX-License-Identifier: Apache-2.0
"""Functions of one number, computed in double; the tables of int8 nets are built from these results."""

from __future__ import annotations

import math
from typing import Any, Callable, TypeAlias

import numpy as np

from .program import Layer
from .weights import Weights

Real: TypeAlias = Any  # an array of float64
Function = Callable[[Real], Real]


def _libm(function: Callable[[float], float]) -> Function:
    """A function of the C library, for each element."""

    def safe(x: float) -> float:
        try:
            return function(x)
        except OverflowError:
            return math.inf
        except ValueError:
            return math.nan

    return lambda x: np.asarray(np.frompyfunc(safe, 1, 1)(x), np.float64)


exp, expm1, log, log1p, tanh, erf = map(
    _libm, (math.exp, math.expm1, math.log, math.log1p, math.tanh, math.erf)
)


def _log(x: Real) -> Real:
    return np.where(x > 0, log(np.where(x > 0, x, 1)), np.where(x == 0, -np.inf, np.nan))


def _gelu(a: dict[str, Any]) -> Function:
    if a.get("approximate") == "tanh":
        root = math.sqrt(2 / math.pi)
        return lambda x: 0.5 * x * (1 + tanh(root * (x + 0.044715 * x * x * x)))
    return lambda x: 0.5 * x * (1 + erf(x * math.sqrt(0.5)))


def _power(n: float) -> Function:
    if n == 0.5:
        return np.sqrt
    if n == -0.5:
        return lambda x: 1 / np.sqrt(x)
    return lambda x: np.power(x, n)


def _modulo(n: float) -> Function:
    n = float(np.float32(n))
    return lambda x: x - n * np.floor(x / n)


SELU = (1.0507009873554804934193349852946, 1.6732632423543772848170429916717)
FIXED: dict[str, Callable[[dict[str, Any]], Function]] = {
    "relu": lambda a: lambda x: np.where(x < 0, 0, x),
    "relu6": lambda a: lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda a: lambda x: np.where(x > 0, x, a["slope"] * x),
    "elu": lambda a: lambda x: np.where(x > 0, x, a["alpha"] * expm1(x)),
    "selu": lambda a: lambda x: SELU[0] * np.where(x > 0, x, SELU[1] * expm1(x)),
    "gelu": _gelu,
    "silu": lambda a: lambda x: x / (1 + exp(-x)),
    "sigmoid": lambda a: lambda x: 1 / (1 + exp(-x)),
    "hard_sigmoid": lambda a: lambda x: np.where(x <= -3, 0, np.where(x >= 3, 1, (x + 3) / 6)),
    "hard_swish": lambda a: lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "tanh": lambda a: tanh,
    "softplus": lambda a: lambda x: np.where(x > 0, x, 0) + log1p(exp(-np.abs(x))),
    "clip": lambda a: lambda x: np.where(x < a["min"], a["min"], np.where(x > a["max"], a["max"], x)),
    "abs": lambda a: np.abs,
    "square": lambda a: lambda x: x * x,
    "sqrt": lambda a: np.sqrt,
    "exp": lambda a: exp,
    "log": lambda a: _log,
    "power": lambda a: _power(float(a["n"])),
    "floor": lambda a: np.floor,
    "modulo": lambda a: _modulo(a["n"]),
    "sin": lambda a: _libm(math.sin),
    "cos": lambda a: _libm(math.cos),
}
WITH_NUMBERS = ("add", "subtract", "multiply", "divide", "maximum", "minimum")
WITH_PARAMETERS = {"prelu": ("weight",), "scale": ("weight",), "bias": ("bias",)}


def _with_numbers(layer: Layer) -> Function:
    given = layer.arguments["x"]
    numbers = [float(n) for n in (given if isinstance(given, list) else [given])]
    step = {
        "add": np.add,
        "subtract": np.subtract,
        "multiply": np.multiply,
        "divide": np.divide,
        "maximum": np.maximum,
        "minimum": np.minimum,
    }[layer.operator]

    def apply(x: Real) -> Real:
        for n in numbers:
            x = step(x, n)
        return x

    return apply


def _channels(given: Any, channels: int) -> Real:
    numbers = np.asarray(given if isinstance(given, list) else [given], np.float64)
    return np.broadcast_to(numbers, (channels,))[:, None]


def is_function(layer: Layer) -> bool:
    known = (*FIXED, *WITH_NUMBERS, *WITH_PARAMETERS, "normalize", "batchnorm")
    return len(layer.inputs) == 1 and layer.operator in known


def differs_by_channel(layer: Layer) -> bool:
    lists = any(isinstance(layer.arguments.get(key), list) for key in ("mean", "std", "scale", "x"))
    return layer.operator in (*WITH_PARAMETERS, "batchnorm") or (layer.operator == "normalize" and lists)


def of(layer: Layer, weights: Weights) -> Function:
    """The function of a layer. If the function differs between channels, its result has one row per
    channel."""
    if layer.operator in FIXED:
        return FIXED[layer.operator](layer.arguments)
    if layer.operator in WITH_NUMBERS:
        return _with_numbers(layer)
    channels = layer.shape[-1]
    if layer.operator == "normalize":
        scale, mean, std = (_channels(layer.arguments[key], channels) for key in ("scale", "mean", "std"))
        return lambda x: (x * scale - mean) / std

    def parameter(name: str, default: float) -> Real:
        array = weights.arrays.get(f"{layer.owner}.{name}")
        given = np.float64(default) if array is None else array.astype(np.float64).ravel()
        return np.broadcast_to(given, (channels,))[:, None]

    if layer.operator == "batchnorm":
        mean, variance = parameter("running_mean", 0), parameter("running_var", 1)
        weight, bias = parameter("weight", 1), parameter("bias", 0)
        return lambda x: (x - mean) / np.sqrt(variance + layer.arguments["epsilon"]) * weight + bias
    if layer.operator == "bias":
        bias = parameter("bias", 0)
        return lambda x: x + bias
    weight = parameter("weight", 1)
    if layer.operator == "prelu":
        return lambda x: np.where(x > 0, x, weight * x)
    return lambda x: weight * x
