# SPDX-License-Identifier: Apache-2.0
"""Conversion of arrays between the caller's layouts and the net's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ._facts import Port, Shape
from ._library import Floats, Library

Array = NDArray[Any]
Layouts = ("hwc", "chw")


def check_layout(layout: str) -> None:
    if layout not in Layouts:
        raise ValueError(f"layout must be 'hwc' or 'chw', not {layout!r}")


@dataclass(frozen=True)
class Order:
    """How the layout of an input or output of an imported model maps to the layout in the net. Sequences that
    the program declares with layout=chw have an Order, too."""

    dims: Shape  # shape of a sample in the model
    channels: int  # number of leading dims that are last in the net; 0: the net has the model's order
    batch: bool = True  # whether the model has a batch dimension before dims

    def give(self, batch: Array) -> Array:
        """Converts a batch from the net's layout to the model's."""
        dims, n = self.dims, self.channels
        rows = batch.reshape(len(batch), *dims[n:], *dims[:n])
        turned = rows.transpose(0, *range(1 + len(dims) - n, 1 + len(dims)), *range(1, 1 + len(dims) - n))
        return np.ascontiguousarray(turned)

    def take(self, batch: Array, shape: Shape) -> Array:
        """Converts a batch from the model's layout to the net's; shape: the shape of a sample in the net."""
        dims, n = self.dims, self.channels
        rows = batch.reshape(len(batch), *dims)
        turned: Array = rows.transpose(0, *range(1 + n, 1 + len(dims)), *range(1, 1 + n))
        return turned.reshape(len(batch), *shape)


def declared(ports: Sequence[Port], planes: Sequence[bool]) -> dict[str, Order]:
    """The layouts of the sequences whose channels are first in the net's buffer (`planes`)."""
    return {
        port.name: Order((port.shape[1], port.shape[0]), 1)
        for port, first in zip(ports, planes)
        if first and len(port.shape) == 2
    }


def given_shape(port: Port, layout: str, order: Order | None = None) -> Shape:
    """A sample's shape in the caller's layout."""
    shape = port.shape
    if layout == "chw" and order:
        return order.dims
    return (*shape[2:], *shape[:2]) if layout == "chw" and len(shape) == 3 else shape


def _text(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _check_dtype(port: Port, array: Array) -> None:
    if array.dtype == port.dtype:
        return
    if array.dtype == object:
        raise TypeError(f"input {port.name} needs an array of {port.dtype}; this is not an array of numbers")
    values = ""
    if port.dtype != np.float32:
        limits = np.iinfo(port.dtype)
        values = f" ({limits.min} to {limits.max})"
    raise TypeError(
        f"input {port.name} takes {port.dtype}{values}, not {array.dtype}; "
        f"x.astype(numpy.{port.dtype}) converts it"
    )


def numbers(value: Any, what: str) -> Array:
    """Converts a list, an array or a torch tensor to an array of numbers."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{what} must be an array of numbers, but this is {type(value).__name__} of {array.dtype}"
        )
    return array


def take(port: Port, value: Any, layout: str, planes: bool, order: Order | None = None) -> tuple[Array, bool]:
    """Returns a batch in the layout of the net's buffer, and whether `value` is a batch, not one sample."""
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    _check_dtype(port, array)
    want = given_shape(port, layout, order)
    if array.shape != want and array.shape[1:] != want or array.ndim > len(want) + 1:
        hint = ""
        for other in Layouts:
            if other != layout and array.shape[array.ndim - len(want) :] == given_shape(port, other, order):
                hint = f'; it looks like layout="{other}"'
        raise ValueError(
            f"input {port.name} takes {_text(want)}, or a batch of n: nx{_text(want)}; "
            f"the array is {_text(array.shape) or 'a single number'}{hint}"
        )
    batched = array.ndim == len(want) + 1
    batch = array if batched else array[None]
    first = layout == "chw" and not order and len(port.shape) == 3
    if layout == "chw" and order:
        batch = order.take(batch, port.shape)
    if first != planes and len(port.shape) > 1:
        batch = np.moveaxis(batch, 1, -1) if first else np.moveaxis(batch, -1, 1)
    return np.ascontiguousarray(batch), batched


def by_name(ports: Sequence[Port], x: Any) -> list[Any]:
    """Returns the arrays of all inputs, from a dict by name or from the array of a single input."""
    if not isinstance(x, Mapping):
        if len(ports) == 1:
            return [x]
        raise TypeError(
            f"the net has {len(ports)} inputs: pass a dict with {', '.join(p.name for p in ports)}"
        )
    names = [port.name for port in ports]
    if wrong := sorted(set(x) ^ set(names)):
        raise ValueError(
            f"the inputs are {', '.join(names)}; {', '.join(map(str, wrong))} "
            f"{'is' if len(wrong) == 1 else 'are'} missing or unknown"
        )
    return [x[name] for name in names]


def _as_in_model(order: Order | None, array: Array, batched: bool) -> bool:
    """Whether the caller passed one sample, in exactly the shape of the imported model's input."""
    return order is not None and len(array) == 1 and batched == order.batch


def take_all(
    ports: Sequence[Port],
    x: Any,
    layout: str,
    planes: Sequence[bool],
    orders: Mapping[str, Order] = {},
) -> tuple[list[Array], bool | None]:
    """Returns the batches, and whether the caller passed batches. The second result is None in one case: only
    some inputs of an imported model have a batch dimension, and the caller passed one sample, in exactly the
    model's shapes."""
    check_layout(layout)
    taken = [
        take(port, value, layout, flat, orders.get(port.name))
        for port, value, flat in zip(ports, by_name(ports, x), planes)
    ]
    if len({(len(array), batched) for array, batched in taken}) > 1:
        if all(_as_in_model(orders.get(port.name), *each) for port, each in zip(ports, taken)):
            return [array for array, _ in taken], None
        counts = ", ".join(
            f"{port.name}: {len(array)}" if batched else f"{port.name}: one sample"
            for port, (array, batched) in zip(ports, taken)
        )
        raise ValueError(f"the inputs have different numbers of samples ({counts})")
    return [array for array, _ in taken], taken[0][1]


def output_rooms(library: Library, ports: Sequence[Port], count: int) -> list[Floats]:
    """Arrays for the outputs of `count` samples. The library always returns floats; for an output `as class`,
    these are the scores of all classes."""
    rooms = []
    for i, port in enumerate(ports):
        size = library.output_size(i)
        shape = port.shape if size == port.size else (*port.shape[:-1], size // port.size)
        rooms.append(np.empty((count, *shape), np.float32))
    return rooms


def typed(port: Port, floats: Floats) -> Array:
    """An output in the port's type, with the numbers that NAME_infer returns in C."""
    if port.dtype == np.float32:
        return floats
    values: Array
    if port.scale is None or port.zero is None:  # the first class with the largest score
        values = floats.argmax(-1, keepdims=True)
    else:
        values = np.rint(floats.astype(np.float64) / port.scale) + port.zero
    return values.astype(port.dtype)


def give(
    port: Port, batch: Array, layout: str, batched: bool | None, order: Order | None = None
) -> Array:
    """Converts an output to the caller's layout; batched: as take_all returns it."""
    if batched is None:
        batched = not order or order.batch
    if layout == "chw" and order:
        batch = order.give(batch)
    elif layout == "chw" and len(port.shape) == 3:
        batch = np.ascontiguousarray(np.moveaxis(batch, -1, 1))
    return batch if batched else batch[0]
