# SPDX-License-Identifier: Apache-2.0
"""Training and evaluation: those of the programs that cnnc makes, on arrays."""

from __future__ import annotations

import logging
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping

import numpy as np

from ._library import Settings

if TYPE_CHECKING:
    from ._network import Net

log = logging.getLogger("cnnc")
NOTE, EPOCH, END = 0, 3, 4  # cnn_event_kind


class History(Mapping[str, "list[float]"]):
    """What training saw: a list for each of loss, val_loss, accuracy, rate ..., with a number an epoch."""

    def __init__(self, epochs: list[dict[str, float]]) -> None:
        self.epochs = epochs

    def __getitem__(self, name: str) -> list[float]:
        if not any(name in epoch for epoch in self.epochs):
            raise KeyError(name)
        return [epoch.get(name, math.nan) for epoch in self.epochs]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for epoch in self.epochs for name in epoch))

    def __len__(self) -> int:
        return len(dict.fromkeys(name for epoch in self.epochs for name in epoch))

    def __repr__(self) -> str:
        last = ", ".join(
            f"{name} {value:.4g}" for name, value in (self.epochs[-1] if self.epochs else {}).items()
        )
        return f"<cnnc.History of {len(self.epochs)} epochs; the last: {last}>"


def _put(arrays: dict[str, Any], net: Net, x: Any, y: Any, ending: str) -> None:
    inputs = x if isinstance(x, Mapping) else {net.inputs[0].name if len(net.inputs) == 1 else "x": x}
    for name, value in inputs.items():
        arrays[name + ending] = np.asarray(value)
    if isinstance(y, Mapping):
        for name, value in y.items():
            arrays[(name if name.endswith("_target") else name + "_target") + ending] = np.asarray(value)
    elif y is not None:
        arrays["y" + ending] = np.asarray(y)


def _data(folder: Path, net: Net, x: Any, y: Any, validation: Any = None) -> str:
    """The path of a data set: the caller's, or a file of the arrays."""
    if isinstance(x, (str, os.PathLike)):
        if y is not None:
            raise ValueError("x is the path of a data set, which has its own targets: y is one too many")
        return os.fspath(x)
    arrays: dict[str, Any] = {}
    _put(arrays, net, x, y, "")
    if isinstance(validation, tuple):
        _put(arrays, net, validation[0], validation[1], "_val")
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return str(path)


def _part(validation: Any) -> float:
    if validation is None or isinstance(validation, tuple):
        return math.nan
    part = float(validation)
    if not 0 <= part < 1:
        raise ValueError("validation is (x, y), or a part of the samples from 0 to below 1")
    return part


def train(
    net: Net,
    x: Any,
    y: Any,
    validation: Any,
    epochs: int | None,
    batch: int | None,
    rate: float | None,
    seed: int | None,
    callback: Callable[[dict[str, float]], object] | None,
) -> History:
    net._need_floats("train the one of floats, and quantise that (cnnc quantize)")
    if net._facts.totals.get("training_bytes") is None:
        raise ValueError(
            f"the program of net {net.name} has no train block, which says what is minimised and how: "
            "train { loss = cross_entropy } is the least"
        )
    for name, value in (("epochs", epochs), ("batch", batch)):
        if value is not None and value < 1:
            raise ValueError(f"{name} is a number from 1")
    history: list[dict[str, float]] = []

    def hear(kind: int, note: str, numbers: dict[str, float]) -> bool:
        if kind == NOTE:
            log.info("%s", note)
        if kind != EPOCH:
            return True
        numbers["epoch"] = int(numbers["epoch"])
        history.append(numbers)
        return callback is None or callback(dict(numbers)) is not False

    with tempfile.TemporaryDirectory(prefix="cnnc-") as scratch:
        folder = Path(scratch)
        out, first = folder / "best.safetensors", folder / "first.safetensors"
        settings = Settings(
            data=os.fsencode(_data(folder, net, x, y, validation)),
            out=os.fsencode(out),
            val=_part(validation),
            rate=math.nan if rate is None else rate,
            seed=seed or 0,
            seeded=seed is not None,
            epochs=epochs or 0,
            batch=batch or 0,
            threads=net._threads,
        )
        if net._filled and net.parameters:
            net.save(first)
            settings.init = os.fsencode(first)
        try:
            net._library("train").train(settings, hear)
        finally:  # also after Ctrl-C: what was learnt is kept
            if out.exists():
                net.load_weights(out)
    return History(history)


def evaluate(net: Net, x: Any, y: Any) -> dict[str, float]:
    net._need_weights()
    found: dict[str, float] = {}

    def hear(kind: int, note: str, numbers: dict[str, float]) -> bool:
        found.update(numbers)
        return True

    kind = "plain" if net._facts.totals.get("training_bytes") is None else "train"
    with tempfile.TemporaryDirectory(prefix="cnnc-") as scratch:
        settings = Settings(
            data=os.fsencode(_data(Path(scratch), net, x, y)),
            val=math.nan,
            rate=math.nan,
            threads=net._threads,
        )
        net._library(kind).evaluate(settings, net._weights, hear)
    found["samples"] = int(found["samples"])
    return found
