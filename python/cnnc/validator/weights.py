# SPDX-License-Identifier: Apache-2.0
"""The quantized weight file: its arrays, scales of values, and metadata (docs/int8.md, "The file")."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arithmetic import Quant

TYPES = {
    "I8": "<i1",
    "I16": "<i2",
    "I32": "<i4",
    "I64": "<i8",
    "F32": "<f4",
    "F16": "<f2",
    "F64": "<f8",
    "U8": "<u1",
}


class Weights:
    """The arrays by name, and the metadata, of an int8 weight file (.safetensors)."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        if len(data) < 8:
            raise ValueError(f"{path}: not a safetensors file")
        (length,) = struct.unpack_from("<Q", data)
        if length > len(data) - 8:
            raise ValueError(f"{path}: not a safetensors file")
        header = json.loads(data[8 : 8 + length])
        note = header.pop("__metadata__", {}).get("cnnc.quantization")
        if note is None:
            raise ValueError(f"{path}: float weights: only int8 nets have defined bits")
        said = json.loads(note)
        self.rounding: str = said.get("rounding", "single")
        self.layers: dict[str, dict[str, Any]] = said.get("layers", {})
        self.arrays: dict[str, NDArray[Any]] = {}
        for name, array in header.items():
            begin, end = array["data_offsets"]
            if array["dtype"] in TYPES:
                flat = np.frombuffer(data[8 + length + begin : 8 + length + end], TYPES[array["dtype"]])
                self.arrays[name] = flat.reshape(array["shape"])

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    def kind(self, name: str) -> str:
        """The type of an array: i1, f4, ...; empty if there is no such array."""
        return self.arrays[name].dtype.str[1:] if name in self.arrays else ""

    def of(self, layer: str, key: str, default: Any = None) -> Any:
        """An entry of the metadata of a layer or value."""
        return self.layers.get(layer, {}).get(key, default)

    def rounding_of(self, layer: str) -> str:
        return str(self.of(layer, "rounding", self.rounding))

    def is_wide(self, value: str) -> bool:
        return bool(self.of(value, "precision") == "i16")

    def quant(self, value: str) -> Quant | None:
        """The scale of a stored value; None if the file has none."""
        if value + ".scale" not in self.arrays:
            return None
        scale = np.float32(self.arrays[value + ".scale"].ravel()[0])
        return Quant(scale, int(self.arrays[value + ".zero"].ravel()[0]), 16 if self.is_wide(value) else 8)
