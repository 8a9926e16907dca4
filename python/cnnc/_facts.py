# SPDX-License-Identifier: Apache-2.0
"""Model metadata (--emit=json) as records."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Mapping

import numpy as np

DTYPES: dict[str, np.dtype[Any]] = {
    "f32": np.dtype(np.float32),
    "u8": np.dtype(np.uint8),
    "i8": np.dtype(np.int8),
    "i16": np.dtype(np.int16),
    "i32": np.dtype(np.int32),
}
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Port:
    """An input or an output of a net; its shape has no batch dimension. An int8 or uint8 output q of an int8
    model has the real value (q - zero) * scale."""

    name: str
    shape: Shape
    dtype: np.dtype[Any]
    scale: float | None = None
    zero: int | None = None

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __str__(self) -> str:
        return f"{self.name} {'x'.join(map(str, self.shape))} {self.dtype}"


@dataclass(frozen=True)
class Layer:
    """An operator of the program as written. receptive_field and jump are None if the receptive field
    covers all of the input."""

    name: str
    operator: str
    shape: Shape
    line: int
    parameters: int
    macs: int
    receptive_field: tuple[int, int] | None
    jump: tuple[int, int] | None
    bytes: int
    inputs: tuple[str, ...]
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Weight:
    name: str
    shape: Shape
    offset: int
    size: int


@dataclass(frozen=True)
class Facts:
    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    layers: tuple[Layer, ...]
    weights: tuple[Weight, ...]
    totals: Mapping[str, int | None]


def _pair(value: list[int] | None) -> tuple[int, int] | None:
    return None if value is None else (value[0], value[1])


def _layer(row: dict[str, Any]) -> Layer:
    return Layer(
        row["name"],
        row["operator"],
        tuple(row["shape"]),
        row["line"],
        row["parameters"],
        row["macs"],
        _pair(row["receptive_field"]),
        _pair(row["jump"]),
        row["bytes"],
        tuple(row.get("inputs", ())),
        row.get("arguments", {}),
    )


# The word after `as` of an output: the element type that the output has in an int8 model.
_FORMS = {"class": "i32", "i8": "i8", "u8": "u8"}


def _output(row: dict[str, Any], layers: Mapping[str, dict[str, Any]]) -> Port:
    layer = layers.get(row["layer"], {})
    stored = _FORMS.get(row["as"])
    if stored is None or layer.get("type") != stored:  # float weights: `as` has no effect
        stored, layer = "f32", {}
    return Port(row["name"], tuple(row["shape"]), DTYPES[stored], layer.get("scale"), layer.get("zero"))


def read(text: str) -> Facts:
    facts = json.loads(text)
    weights, offset = [], 0
    for row in facts["weights"]:  # members of the weights struct, without padding
        size = math.prod(row["shape"])
        weights.append(Weight(row["name"], tuple(row["shape"]), offset, size))
        offset += size
    layers = {row["name"]: row for row in facts["layers"]}
    return Facts(
        facts["net"],
        tuple(Port(row["name"], tuple(row["shape"]), DTYPES[row["type"]]) for row in facts["inputs"]),
        tuple(_output(row, layers) for row in facts["outputs"]),
        tuple(map(_layer, facts["layers"])),
        tuple(weights),
        facts["totals"],
    )
