# SPDX-License-Identifier: Apache-2.0
"""Training and evaluation on arrays or a data set, with the same code as in executables."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping

import numpy as np

from . import _arrays, _step
from ._library import Settings

if TYPE_CHECKING:
    from ._network import Net

log = logging.getLogger("cnnc")
NOTE, EPOCH, END = 0, 3, 4  # values of cnn_event_kind


class History(Mapping[str, "list[float]"]):
    """Training history: a list for each of loss, val_loss, accuracy, rate ..., one number per epoch."""

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


def _put(arrays: dict[str, Any], net: Net, x: Any, y: Any, ending: str, layout: str) -> None:
    shapes = {port.name: port.shape for port in (*net.outputs, *net.inputs)}

    def put(name: str, value: Any, what: str, is_image: bool) -> None:
        array = _arrays.numbers(value, what)
        order = net._orders.get(name)
        if layout == "chw" and order and array.shape[1:] == order.dims:
            array = order.take(array, shapes[name])
        elif layout == "chw" and is_image and array.ndim == 4:
            array = np.moveaxis(array, 1, -1)
        arrays[name + ending] = array

    ranks = {port.name: len(port.shape) for port in net.inputs}
    inputs = x if isinstance(x, Mapping) else {net.inputs[0].name if len(net.inputs) == 1 else "x": x}
    for name, value in inputs.items():
        what = f"x[{name!r}]" if isinstance(x, Mapping) else "x"
        put(name, value, what, ranks.get(name, 0) == 3)
    if isinstance(y, Mapping):
        for name, value in y.items():
            put(name if name.endswith("_target") else name + "_target", value, f"y[{name!r}]", True)
    elif y is not None:
        put("y", y, "y", True)


def is_loader(x: Any) -> bool:
    """Whether x is an iterable of batches: neither arrays nor a path."""
    if isinstance(x, (str, os.PathLike, Mapping, np.ndarray)) or hasattr(x, "__array__"):
        return False
    if isinstance(x, (list, tuple)):  # batches are tuples or dicts; any other list is an array
        return bool(x) and isinstance(x[0], (tuple, Mapping))
    if not hasattr(x, "__iter__") and hasattr(x, "__getitem__"):
        raise TypeError(
            f"{type(x).__name__} returns single samples, but training needs an iterable of batches, such as "
            "torch.utils.data.DataLoader(x, batch_size=...)"
        )
    return hasattr(x, "__iter__")


def _data(folder: Path, net: Net, x: Any, y: Any, validation: Any = None, layout: str = "hwc") -> str:
    """The path of a data set: the caller's, or a file with the arrays."""
    _arrays.check_layout(layout)
    if isinstance(x, (str, os.PathLike)):
        if y is not None:
            raise ValueError("x is the path of a data set, which has its own targets: do not pass y")
        return os.fspath(x)
    arrays: dict[str, Any] = {}
    _put(arrays, net, x, y, "", layout)
    if isinstance(validation, tuple):
        _put(arrays, net, validation[0], validation[1], "_val", layout)
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return str(path)


def _part(validation: Any) -> float:
    if validation is None or isinstance(validation, tuple):
        return math.nan
    part = float(validation)
    if not 0 <= part < 1:
        raise ValueError("validation must be (x, y), or a fraction of the samples from 0 to below 1")
    return part


@contextlib.contextmanager
def _named_as_arrays(folder: Path) -> Iterator[None]:
    """In messages, replaces the path of the temporary data file with `the arrays`."""
    try:
        yield
    except RuntimeError as error:
        text = str(error).replace(f"{folder / 'data.npz'}: ", "the arrays: ")
        raise RuntimeError(text) from None


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
    layout: str,
) -> History:
    net._need_trainable()
    for name, value in (("epochs", epochs), ("batch", batch)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1")
    _step.check_numbers(rate, seed)
    if is_loader(x):
        if y is not None or batch is not None:
            raise ValueError(
                "x is an iterable of batches, which have targets and a size: do not pass y and batch"
            )
        epochs = epochs or net._library("train").epochs()
        return History(_step.train_from(net, x, validation, epochs, rate, seed, callback, layout))
    history: list[dict[str, float]] = []

    def hear(kind: int, note: str, numbers: dict[str, float]) -> bool:
        if kind == NOTE:
            log.info("%s", note)
        if kind != EPOCH:
            return True
        numbers["epoch"] = int(numbers["epoch"])
        history.append(numbers)
        return callback is None or callback(dict(numbers)) is not False

    with tempfile.TemporaryDirectory(prefix="cnnc-") as scratch, _named_as_arrays(Path(scratch)):
        folder = Path(scratch)
        out, first = folder / "best.safetensors", folder / "first.safetensors"
        settings = Settings(
            data=os.fsencode(_data(folder, net, x, y, validation, layout)),
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
        finally:  # also after Ctrl-C: keeps the trained weights
            if out.exists():
                net.load_weights(out)
    return History(history)


def evaluate(net: Net, x: Any, y: Any, layout: str) -> dict[str, float]:
    net._need_weights()
    if y is None and is_loader(x):
        x, y = _step.as_arrays(x)
    found: dict[str, float] = {}

    def hear(kind: int, note: str, numbers: dict[str, float]) -> bool:
        found.update(numbers)
        return True

    kind = "plain" if net._facts.totals.get("training_bytes") is None else "train"
    with tempfile.TemporaryDirectory(prefix="cnnc-") as scratch, _named_as_arrays(Path(scratch)):
        settings = Settings(
            data=os.fsencode(_data(Path(scratch), net, x, y, layout=layout)),
            val=math.nan,
            rate=math.nan,
            threads=net._threads,
        )
        net._library(kind).evaluate(settings, net._weights, hear)
    found["samples"] = int(found["samples"])
    return found
