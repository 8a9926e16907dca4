# SPDX-License-Identifier: Apache-2.0
"""Operators that move numbers without arithmetic, so that they work for stored numbers and for floats."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np
from numpy.typing import NDArray

from .program import Layer
from .windows import as_images, extent

Array = NDArray[Any]


def _shaped(x: Array, layer: Layer) -> Array:
    return x.reshape(x.shape[0], *layer.shape)


def _axis(layer: Layer) -> int:
    """The axis of a concat in [N * rows, height, width, channels]."""
    return {"channels": 3, "length": 2, "width": 2, "height": 1}[layer.arguments["axis"]]


def concat(values: list[Array], layers: list[Layer], layer: Layer) -> Array:
    images = []
    for x, of in zip(values, layers):
        image = as_images(x, of.shape, of.rows)
        images.append(
            np.repeat(image, max(layer.rows, 1) // max(of.rows, 1), axis=0)
            if of.rows != layer.rows
            else image
        )
    return _shaped(np.concatenate(images, _axis(layer)).reshape(values[0].shape[0], -1), layer)


def _flatten(x: Array, of: Layer, layer: Layer) -> Array:
    image = as_images(x, of.shape, of.rows)
    if layer.arguments.get("order") == "chw":
        image = image.transpose(0, 3, 1, 2)
    return _shaped(image.reshape(x.shape[0], -1), layer)


def _slice(x: Array, of: Layer, layer: Layer) -> Array:
    first = int(layer.arguments["channels"][0])
    return x[..., first : first + layer.shape[-1]]


def _shuffle(x: Array, of: Layer, layer: Layer) -> Array:
    groups = int(layer.arguments["groups"])
    parts = x.reshape(*x.shape[:-1], groups, x.shape[-1] // groups)
    return _shaped(np.swapaxes(parts, -1, -2), layer)


def _blocks(layer: Layer, of: Layer) -> tuple[int, int]:
    """The factors between the heights, and between the widths, of operand and result; at least 1."""
    _, h, w, _ = extent(of.shape, of.rows)
    _, oh, ow, _ = extent(layer.shape, layer.rows)
    return max(h, oh) // min(h, oh), max(w, ow) // min(w, ow)


def _space_to_depth(x: Array, of: Layer, layer: Layer) -> Array:
    fy, fx = _blocks(layer, of)
    image = as_images(x, of.shape, of.rows)
    n, h, w, c = image.shape
    split = image.reshape(n, h // fy, fy, w // fx, fx, c)
    order = (0, 1, 3, 2, 4, 5) if layer.arguments.get("order") == "dcr" else (0, 1, 3, 5, 2, 4)
    return _shaped(split.transpose(order).reshape(x.shape[0], -1), layer)


def _depth_to_space(x: Array, of: Layer, layer: Layer) -> Array:
    fy, fx = _blocks(layer, of)
    image = as_images(x, of.shape, of.rows)
    n, h, w, c = image.shape
    c //= fy * fx
    if layer.arguments.get("order") == "dcr":
        moved = image.reshape(n, h, w, fy, fx, c).transpose(0, 1, 3, 2, 4, 5)
    else:
        moved = image.reshape(n, h, w, c, fy, fx).transpose(0, 1, 4, 2, 5, 3)
    return _shaped(moved.reshape(x.shape[0], -1), layer)


def _crop(x: Array, of: Layer, layer: Layer) -> Array:
    sides = layer.arguments["n"]
    sides = sides if isinstance(sides, list) else [sides]
    image = as_images(x, of.shape, of.rows)
    _, h, w, _ = extent(layer.shape, layer.rows)
    if len(of.shape) - (of.rows > 0) == 2:
        top, left = 0, int(sides[0])
    else:
        top, left = int(sides[0]), int(sides[2] if len(sides) == 4 else sides[-1])
    return _shaped(image[:, top : top + h, left : left + w].reshape(x.shape[0], -1), layer)


def _crop_like(x: Array, of: Layer, layer: Layer) -> Array:
    image = as_images(x, of.shape, of.rows)
    _, h, w, _ = extent(layer.shape, layer.rows)
    top, left = (image.shape[1] - h) // 2, (image.shape[2] - w) // 2
    return _shaped(image[:, top : top + h, left : left + w].reshape(x.shape[0], -1), layer)


def _split_heads(x: Array, of: Layer, layer: Layer) -> Array:
    n = int(layer.arguments["n"])
    image = as_images(x, of.shape, of.rows)
    r, h, w, c = image.shape
    return _shaped(image.reshape(r, h, w, n, c // n).transpose(0, 3, 1, 2, 4).reshape(x.shape[0], -1), layer)


def _join_heads(x: Array, of: Layer, layer: Layer) -> Array:
    n = int(layer.arguments["n"])
    image = as_images(x, of.shape, of.rows)
    r, h, w, c = image.shape
    return _shaped(image.reshape(r // n, n, h, w, c).transpose(0, 2, 3, 1, 4).reshape(x.shape[0], -1), layer)


def _shift(layer: Layer) -> tuple[int, int]:
    given = layer.arguments["shift"]
    return (int(given[0]), int(given[-1])) if isinstance(given, list) else (int(given), int(given))


def _split_windows(x: Array, of: Layer, layer: Layer) -> Array:
    image = as_images(x, of.shape, of.rows)
    image = np.roll(image, tuple(-s for s in _shift(layer)), (1, 2))
    n, h, w, c = image.shape
    _, wh, ww, _ = extent(layer.shape, layer.rows)
    if layer.arguments["mode"] == "grid":
        parts = image.reshape(n, wh, h // wh, ww, w // ww, c).transpose(0, 2, 4, 1, 3, 5)
    else:
        parts = image.reshape(n, h // wh, wh, w // ww, ww, c).transpose(0, 1, 3, 2, 4, 5)
    return _shaped(parts.reshape(x.shape[0], -1), layer)


def _join_windows(x: Array, of: Layer, layer: Layer) -> Array:
    _, h, w, c = extent(layer.shape, layer.rows)
    _, wh, ww, _ = extent(of.shape, of.rows)
    if layer.arguments["mode"] == "grid":
        parts = x.reshape(-1, h // wh, w // ww, wh, ww, c).transpose(0, 3, 1, 4, 2, 5)
    else:
        parts = x.reshape(-1, h // wh, w // ww, wh, ww, c).transpose(0, 1, 3, 2, 4, 5)
    return _shaped(np.roll(parts.reshape(-1, h, w, c), _shift(layer), (1, 2)).reshape(x.shape[0], -1), layer)


def _transpose(x: Array, of: Layer, layer: Layer) -> Array:
    return _shaped(np.swapaxes(x, -1, -2), layer)


def _repeat(x: Array, of: Layer, layer: Layer) -> Array:
    """Nearest-neighbor upsampling by integer factors."""
    image = as_images(x, of.shape, of.rows)
    fy, fx = _blocks(layer, of)
    return _shaped(image.repeat(fy, 1).repeat(fx, 2).reshape(x.shape[0], -1), layer)


MOVES: dict[str, Callable[[Array, Layer, Layer], Array]] = {
    "flatten": _flatten,
    "reshape": lambda x, of, layer: _shaped(x, layer),
    "slice": _slice,
    "channel_shuffle": _shuffle,
    "space_to_depth": _space_to_depth,
    "depth_to_space": _depth_to_space,
    "crop": _crop,
    "crop_like": _crop_like,
    "split_heads": _split_heads,
    "join_heads": _join_heads,
    "split_windows": _split_windows,
    "join_windows": _join_windows,
    "split_rows": lambda x, of, layer: _shaped(x, layer),
    "join_rows": lambda x, of, layer: _shaped(x, layer),
    "transpose": _transpose,
}


def is_repeat(layer: Layer, of: Layer) -> bool:
    if layer.operator not in ("upsample", "resize") or layer.arguments.get("mode") not in (
        "nearest",
        "nearest_exact",
    ):
        return False
    _, h, w, _ = extent(of.shape, of.rows)
    _, oh, ow, _ = extent(layer.shape, layer.rows)
    return oh % h == 0 and ow % w == 0


repeat = _repeat


def border(x: Array, of: Layer, layer: Layer, fill: int) -> Array:
    sides = layer.arguments["n"]
    sides = sides if isinstance(sides, list) else [sides]
    image = as_images(x, of.shape, of.rows)
    _, h, w, _ = extent(layer.shape, layer.rows)
    if len(of.shape) - (of.rows > 0) == 2:
        top, left = 0, int(sides[0])
    else:
        top, left = int(sides[0]), int(sides[2] if len(sides) == 4 else sides[-1])
    pads = ((0, 0), (top, h - top - image.shape[1]), (left, w - left - image.shape[2]), (0, 0))
    return _shaped(np.pad(image, pads, constant_values=fill).reshape(x.shape[0], -1), layer)


def is_border(layer: Layer) -> bool:
    a = layer.arguments
    if layer.operator != "zero_pad" or a["mode"] != "zero" or a["value"] != 0 or any(a["channels"]):
        return False
    sides = a["n"] if isinstance(a["n"], list) else [a["n"]]
    return all(n >= 0 for n in sides)
