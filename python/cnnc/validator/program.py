# SPDX-License-Identifier: Apache-2.0
"""The program as `cnnc --emit=json` prints it, without weights: layers, shapes and arguments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Layer:
    """A layer, or an input of the net (operator `input`)."""

    name: str
    operator: str
    shape: tuple[int, ...]
    inputs: list[str]
    arguments: dict[str, Any]
    precision: str | None = None
    owner: str = ""  # the layer that has the weights
    rows: int = 0  # heads, windows or pixel rows that are computed separately; see _rows
    line: int = 0
    readers: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Port:
    name: str
    layer: str
    shape: tuple[int, ...]
    form: str  # f32, i8, u8, class
    channels_first: bool = False


@dataclass
class Program:
    net: str
    inputs: list[Port]
    outputs: list[Port]
    layers: dict[str, Layer]
    states: bool

    @property
    def output_layers(self) -> set[str]:
        return {port.layer for port in self.outputs}


# The number of rows of the layer's value that are computed separately; 0: the value is computed as a whole.
# A value that consists of the regions of an unfold has minus the number of regions.
def _rows(layer: Layer, before: Layer | None) -> int:
    shape, rows = layer.shape, before.rows if before else 0
    if layer.operator in ("split_heads", "split_windows", "split_rows"):
        return shape[0]
    if layer.operator == "unfold":
        return -shape[0]  # regions have no int8 form
    if layer.operator == "join_heads":
        left = rows // int(layer.arguments["n"])
        return left if left > 1 else 0
    if layer.operator in ("join_windows", "join_rows"):
        return 0
    return rows


def read(json: dict[str, Any]) -> Program:
    layers: dict[str, Layer] = {}
    inputs = [
        Port(p["name"], p["name"], tuple(p["shape"]), p["type"], p.get("layout") == "chw")
        for p in json["inputs"]
    ]
    for port in inputs:
        layers[port.name] = Layer(port.name, "input", port.shape, [], {})
    for row in json["layers"]:
        layer = Layer(
            row["name"],
            row["operator"],
            tuple(row["shape"]),
            row["inputs"],
            row["arguments"],
            row.get("precision"),
            row.get("weights", row["name"]),
            line=row["line"],
        )
        if layer.arguments.get("keep") is True:
            del layer.inputs[1:]  # the layer's states, which have no name in the program
        first = layers[layer.inputs[0]] if layer.inputs else None
        for name in layer.inputs[1:]:
            if layers[name].rows > (first.rows if first else 0) > 0:
                first = layers[name]
        layer.rows = _rows(layer, first)
        layers[layer.name] = layer
    outputs = [Port(p["name"], p["layer"], tuple(p["shape"]), p["as"]) for p in json["outputs"]]
    program = Program(json["net"], inputs, outputs, layers, "stream" in json)
    _find_readers(program)
    return program


def _find_readers(program: Program) -> None:
    """Sets the readers of each layer, counting only those that an output or a state needs. An output is a
    reader with an empty name."""
    live = {port.layer for port in program.outputs}
    live |= {layer.name for layer in program.layers.values() if layer.operator == "update"}
    for layer in reversed(list(program.layers.values())):
        if layer.name not in live:
            continue
        for name in layer.inputs:
            live.add(name)
            program.layers[name].readers.append(layer.name)
    for port in program.outputs:
        program.layers[port.layer].readers.append("")
