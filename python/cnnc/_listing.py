# SPDX-License-Identifier: Apache-2.0
"""Parser of the output of `cnnc import`: which layer each node of a model became (--list), and the layouts of
inputs and outputs (comments of the program)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Iterable, Sequence

from ._arrays import Order
from ._facts import Layer, Port

_LINE = re.compile(r"^(\S+)\s+(\S+)\s+(.*)    # (.*)$")
_NAMED = re.compile(r'name="([^"]*)"')
_NOTHING = ("view", "constant", "not needed", "after an unsupported node")
# If a node with one of these operators is not a layer, it is a part of the previous layer.
_FOLDED = ("Add", "Sub", "Mul", "Div", "Identity")
_NORM = "batchnorm"


@dataclass(frozen=True)
class Node:
    operator: str  # ONNX's name
    form: str
    name: str

    @property
    def operators(self) -> list[str]:
        """The language's operators that `form` names."""
        nothing = self.form in _NOTHING or self.dropped
        return [] if nothing else [part.split("(")[0] for part in self.form.split(" -> ")]

    @property
    def dropped(self) -> bool:
        """Whether the node is an ArgMax that computes an output; the net returns the scores instead."""
        return self.form.startswith("dropped:")


def read(text: str) -> list[Node]:
    return [Node(found[1], found[3], found[4]) for line in text.splitlines() if (found := _LINE.match(line))]


def _aligned(operators: Sequence[str], layers: Sequence[Layer]) -> list[str] | None:
    """The layer of each operator of a listing; empty for a batch norm that is a part of the previous layer.
    None if the operators, or their order, differ from those of the layers (apart from missing batch
    norms)."""
    names, i = [], 0
    for operator in operators:
        while i < len(layers) and layers[i].operator == _NORM != operator:
            i += 1  # the exporter has folded this batch norm
        if i < len(layers) and layers[i].operator == operator:
            names.append(layers[i].name)
            i += 1
        elif operator == _NORM:
            names.append("")
        else:
            return None
    return names if all(layer.operator == _NORM for layer in layers[i:]) else None


def _move_folded(found: dict[str, list[str]], layers: Sequence[Layer]) -> None:
    """If the model has no node for a batch norm of the net, the exporter folded the batch norm into the layer
    before it. The nodes of that layer then have the result of the batch norm, and are assigned to it."""
    for layer in layers:
        before = layer.inputs[0] if layer.inputs else ""
        if layer.operator == _NORM and layer.name not in found and before in found:
            found[layer.name] = found.pop(before)


def tensors(nodes: Iterable[Node], layers: Sequence[Layer]) -> dict[str, list[str]]:
    """Maps layers to the nodes whose result the layer should have. If the listing has the same operators as
    the layers, in the same order, nodes are matched to layers by position; otherwise by name. Batch norms may
    be missing in the model or in the net."""
    listed = [node for node in nodes if node.operators or (node.form == "view" and node.operator in _FOLDED)]
    aligned = _aligned([name for node in listed for name in node.operators], layers)
    known = {layer.name for layer in layers}
    found: dict[str, list[str]] = {}
    at, last = 0, ""
    for node in listed:
        if aligned is not None:
            own = aligned[at : at + len(node.operators)]
            at += len(node.operators)
            name = own[-1] if own and own[-1] else last
            for part in own[:-1] if node.operator == "Split" else ():  # a layer for each result of the Split
                found.setdefault(part, []).append(node.name)
        elif node.operators:
            named = _NAMED.findall(node.form.split(" -> ")[-1])
            # If a batch norm is not a layer, it is a part of the previous layer.
            norm = node.operator == "BatchNormalization"
            name = named[0] if named and named[0] in known else last if norm else ""
        else:
            name = last
        if name:
            found.setdefault(name, []).append(node.name)
        last = name
    _move_folded(found, layers)
    return found


_IN_ORDER, _ONE_LAST = ", in this order", ", one dimension last"
_PORT = re.compile(rf"(\d+(?:x\d+)*)({_IN_ORDER}|{_ONE_LAST})?(?:;|$)")


def _order(port: Port, sizes: str, note: str) -> Order | None:
    dims = tuple(map(int, sizes.split("x")))
    sample = dims[1:] if dims[0] == 1 and len(dims) > 1 else dims
    both = len(sample) > 3 and note != _ONE_LAST
    batch = len(sample) < len(dims)
    channels = 0 if note == _IN_ORDER or not batch else 2 if both else 1
    return Order(sample, channels, batch) if math.prod(sample) == port.size else None


def orders(program: str, inputs: Sequence[Port], outputs: Sequence[Port]) -> dict[str, Order]:
    """The layouts of inputs and outputs, from the comments of an imported program."""
    result: dict[str, Order] = {}
    for word, ports in ("input", inputs), ("output", outputs):
        comments = re.findall(rf"^ *{word} [^#\n]*#(.*)$", program, re.MULTILINE)
        found = [row for comment in comments for row in _PORT.findall(comment.strip())]
        for port, (sizes, note) in zip(ports, found if len(found) == len(ports) else []):
            if order := _order(port, sizes, note):
                result[port.name] = order
    return result


def named(program: str) -> set[str]:
    """The names of layers that the program sets."""
    return set(_NAMED.findall(program))


def module(node: str) -> str:
    """The module that a node comes from: /features/features.1/conv/conv.0/Conv is features.1.conv.0."""
    parts: list[str] = []
    for part in node.strip("/").split("/")[:-1]:
        if parts and part.startswith(parts[-1] + "."):
            parts.pop()
        parts.append(part)
    return ".".join(parts)
