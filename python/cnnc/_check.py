# SPDX-License-Identifier: Apache-2.0
"""Comparison of a net with a reference model."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Callable

import numpy as np

from . import _arrays, _exchange, _listing
from ._arrays import Array
from ._facts import Port, Shape
from ._reference import Onnx, Torch, Values, is_module, made_up, modules, of_function, orders

if TYPE_CHECKING:
    from ._network import Net


@dataclass(frozen=True)
class LayerCheck:
    """The comparison of a layer or an output. difference: the largest difference, relative to the largest
    value of the reference; None if the layer was not compared."""

    name: str
    operator: str
    shape: Shape
    line: int | None
    difference: float | None
    right: bool | None


@dataclass(frozen=True)
class Report:
    """Result of a comparison with a reference; print() shows a table."""

    net: str
    layers: tuple[LayerCheck, ...]
    outputs: tuple[LayerCheck, ...]
    samples: int
    tolerance: float
    rows: tuple[LayerCheck, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rows", (*self.layers, *self.outputs))

    @property
    def worst(self) -> float:
        """The largest of all differences; NaN or infinity if a compared value is not finite."""
        return float(np.max([row.difference for row in self.rows if row.difference is not None]))

    @property
    def first_wrong(self) -> LayerCheck | None:
        return next((row for row in self.rows if row.right is False), None)

    @property
    def right(self) -> bool:
        return self.first_wrong is None

    def __bool__(self) -> bool:
        return self.right

    def __repr__(self) -> str:
        compared = sum(row.difference is not None for row in self.layers)
        layers = f"{compared} of {len(self.layers)} layers compared" if compared else "outputs compared"
        verdict = "right"
        if (wrong := self.first_wrong) is not None:
            where = f" (line {wrong.line})" if wrong.line else ""
            verdict = (
                f"wrong from {wrong.name}{where} on" if wrong in self.layers else f"wrong in {wrong.name}"
            )
        return f"{layers}, worst {self.worst:.1e} of the largest: {verdict}"

    def __str__(self) -> str:
        cells = [("layer", "operator", "shape", "difference", "")]
        for row in self.rows:
            cells.append(
                (
                    row.name,
                    row.operator,
                    "x".join(map(str, row.shape)),
                    "-" if row.difference is None else f"{row.difference:.1e}",
                    "wrong" if row.right is False else "",
                )
            )
        widths = [max(len(cell[c]) for cell in cells) for c in range(4)]
        lines = [
            f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}  {e}".rstrip()
            for a, b, c, d, e in cells
        ]
        rule = "-" * max(map(len, lines))
        return "\n".join(
            [
                f"net {self.net}: {self.samples} samples, tolerance {self.tolerance:g} of the largest",
                rule,
                lines[0],
                rule,
                *lines[1:],
                rule,
                repr(self),
            ]
        )


CLOSE = 1e-4  # relative to the largest value; a smaller difference identifies a layout


class _Meter:
    """The largest difference over the samples, for each layout that the reference's value may have."""

    def __init__(self, inner: bool = False) -> None:
        self._inner = inner
        self._ways: dict[tuple[int, int], tuple[float, float]] = {}
        self._samples = 0

    def add(self, ours: Array, theirs: list[Array]) -> None:
        ways: dict[tuple[int, int], tuple[float, float]] = {}
        for i, value in enumerate(theirs):
            for k, turned in enumerate(orders(value, ours.shape, self._inner)):
                if self._samples and (i, k) not in self._ways:
                    continue
                turned = turned.astype(np.float64)  # converts booleans, too
                difference = np.abs(ours.astype(np.float64) - turned).max(initial=0)
                largest = float(np.abs(turned).max(initial=0))
                before = self._ways.get((i, k), (0.0, 0.0))
                ways[i, k] = (float(np.max([before[0], difference])), max(before[1], largest))
                if not self._samples and difference <= CLOSE * largest and np.ptp(turned) > 0:
                    self._ways, self._samples = {(i, k): ways[i, k]}, 1  # the layout is identified
                    return
        self._ways = ways
        self._samples += 1

    def result(self) -> float | None:
        parts = [difference / (largest or 1.0) for difference, largest in self._ways.values()]
        finite = [part for part in parts if not np.isnan(part)]
        return min(finite) if finite else parts[0] if parts else None


def _reference(net: Net, reference: Any) -> Callable[[list[Array]], Values]:
    names = [layer.name for layer in net.layers]
    layouts = [net._orders.get(port.name) for port in net.inputs]
    if is_module(reference):
        nodes = net._nodes or {name: [] for name in names}
        return Torch(reference, modules(nodes, _listing.named(net.source)), names, layouts)
    listed = _exchange.listing(reference, net._import)  # not net._nodes: the net may come from another file
    return Onnx(
        reference,
        _listing.tensors(listed, net.layers),
        net._tensors,
        [node.name for node in listed if node.dropped],
        [port.size for port in net.outputs],
        layouts,
    )


def check(net: Net, reference: Any, x: Any, n: int, tolerance: float, layout: str) -> Report:
    given = made_up(net.inputs, n, layout, net._orders) if x is None else x
    inputs, batched = _arrays.take_all(net.inputs, given, layout, [False] * len(net.inputs), net._orders)
    count = len(inputs[0])
    if count == 0:
        raise ValueError("there are no samples to compare")
    samples = [[array[i] for array in inputs] for i in range(count)]
    matched = isinstance(reference, (str, os.PathLike)) or is_module(reference)
    if matched:
        run = _reference(net, reference)
        theirs = [run(sample) for sample in samples]
    elif callable(reference):
        if not batched:
            given = {p.name: a for p, a in zip(net.inputs, inputs)} if len(inputs) > 1 else inputs[0]
        theirs = of_function(net, reference, given, layout, count)
    else:
        raise TypeError(
            "the reference must be the path of an ONNX file, a torch module, or a function; not "
            f"{type(reference).__name__}"
        )
    if len(theirs[0].outputs) != len(net.outputs):
        raise ValueError(
            f"the reference has {len(theirs[0].outputs)} outputs, but the net has {len(net.outputs)}"
        )
    return _compare(net, inputs, theirs, tolerance, matched)


def _is_typed(theirs: Array, port: Port, ours: Array) -> bool:
    """Whether the reference returns an output of an int8 model in the output's type, not as floats or
    scores."""
    return theirs.dtype.kind in "iu" or ours.size != port.size == theirs.size


def _compare(
    net: Net, inputs: list[Array], theirs: list[Values], tolerance: float, matched: bool
) -> Report:
    """matched: whether the assignment of the reference's values to layers was inferred. An inferred
    assignment may be wrong. Therefore, if all outputs are right, layers that differ are reported as not
    compared."""
    count = len(inputs[0])
    arranged = [
        np.ascontiguousarray(np.moveaxis(a, -1, 1)) if planes and a.ndim > 2 else a
        for a, planes in zip(inputs, net._planes)
    ]
    known = [] if net._constants else net.layers  # of an int8 model, only the outputs are compared
    compared = [layer.name for layer in known if theirs[0].layers.get(layer.name)]
    meters = {name: _Meter(inner=True) for name in compared}
    for i, row in enumerate(net._look(arranged, compared) if compared else []):
        for name in compared:
            meters[name].add(row[name], theirs[i].layers.get(name, []))

    def verdict(name: str, operator: str, shape: Shape, line: int | None, part: float | None) -> LayerCheck:
        return LayerCheck(
            name, operator, shape, line, part, None if part is None else bool(part <= tolerance)
        )

    layers = [
        verdict(
            layer.name,
            layer.operator,
            layer.shape,
            layer.line,
            meters[layer.name].result() if layer.name in meters else None,
        )
        for layer in net.layers
    ]
    outputs = []
    for o, (port, ours) in enumerate(zip(net.outputs, net._infer(arranged))):
        meter = _Meter()
        typed = _is_typed(theirs[0].outputs[o], port, ours[0])
        for i, value in enumerate(_arrays.typed(port, ours) if typed else ours):
            meter.add(value, [theirs[i].outputs[o]])
        part = meter.result()
        if part is None:
            raise ValueError(
                f"output {port.name} is {'x'.join(map(str, port.shape))}, but the reference returns "
                f"{'x'.join(map(str, theirs[0].outputs[o].shape))} for a sample"
            )
        outputs.append(verdict(port.name, "output", port.shape, None, part))
    if matched and all(row.right for row in outputs):
        layers = [
            replace(row, difference=None, right=None) if row.right is False else row for row in layers
        ]
    return Report(net.name, tuple(layers), tuple(outputs), count, tolerance)
