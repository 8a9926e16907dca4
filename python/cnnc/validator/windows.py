# SPDX-License-Identifier: Apache-2.0
"""Windows over images and sequences: convolutions and pools of integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np

from .arithmetic import Whole
from .program import Layer


@dataclass(frozen=True)
class Window:
    """Sizes along height and width; before, after: the padding."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]
    out: tuple[int, int]


def extent(shape: Sequence[int], rows: int) -> tuple[int, int, int, int]:
    """The sizes rows, height, width, channels. A sequence has one row of pixels, a vector is one pixel."""
    if rows > 0:
        shape = shape[1:]
    full = (1,) * (3 - len(shape)) + tuple(shape)
    return (max(rows, 1), full[0], full[1], full[2])


def as_images(q: Whole, shape: Sequence[int], rows: int) -> Whole:
    """Reshapes [N, ...] to [N * rows, height, width, channels]."""
    r, h, w, c = extent(shape, rows)
    return q.reshape(q.shape[0] * r, h, w, c)


def _pair(given: Any, sequence: bool, one: int) -> tuple[int, int]:
    numbers = [int(n) for n in (given if isinstance(given, list) else [given])]
    if sequence:
        return (one, numbers[-1])
    return (numbers[0], numbers[-1])


def _sides(pad: Any, sequence: bool) -> tuple[tuple[int, int], tuple[int, int]]:
    """Explicit padding: before (top, left) and after (bottom, right)."""
    if not isinstance(pad, list):
        pad = [pad]
    if sequence:
        return (0, pad[0]), (0, pad[-1])
    if len(pad) == 4:
        return (pad[0], pad[2]), (pad[1], pad[3])
    return (pad[0], pad[-1]), (pad[0], pad[-1])


def window(layer: Layer, shape_in: Sequence[int], rows_in: int) -> Window:
    a = layer.arguments
    _, h, w, _ = extent(shape_in, rows_in)
    _, oh, ow, _ = extent(layer.shape, layer.rows)
    if "kernel" not in a:  # a global pool or a dense layer: one window
        return Window((h, w), (1, 1), (1, 1), (0, 0), (0, 0), (1, 1))
    rank = len(shape_in) - (rows_in > 0)
    sequence = rank == 2
    kernel = _pair(a["kernel"], sequence, 1)
    stride = _pair(a["stride"], sequence, 1)
    dilation = _pair(a["dilation"], sequence, 1)
    pad = a["pad"]
    reach = [dilation[i] * (kernel[i] - 1) + 1 for i in range(2)]
    if pad == "valid":
        before, after = (0, 0), (0, 0)
    elif pad == "causal":
        before, after = (0, reach[1] - 1), (0, 0)
    elif pad == "same":
        total = []
        for i, size in enumerate((h, w)):
            if layer.operator == "conv_transpose":
                extra = 0 if sequence and i == 0 else int(a["output_pad"])
                total.append((size - 1) * stride[i] + reach[i] + extra - size * stride[i])
            else:
                total.append(max((-(-size // stride[i]) - 1) * stride[i] + reach[i] - size, 0))
        before = (max(total[0], 0) // 2, max(total[1], 0) // 2)
        after = (total[0] - before[0], total[1] - before[1])
    else:
        before, after = _sides(pad, sequence)
    return Window(kernel, stride, dilation, before, after, (oh, ow))


def _padded(x: Whole, w: Window, fill: int) -> Whole:
    """The padded image. The padding below and to the right ends where the last window ends."""
    need = [
        max(
            (w.out[i] - 1) * w.stride[i]
            + (w.kernel[i] - 1) * w.dilation[i]
            + 1
            - w.before[i]
            - x.shape[1 + i],
            0,
        )
        for i in range(2)
    ]
    pads = ((0, 0), (w.before[0], need[0]), (w.before[1], need[1]), (0, 0))
    return np.pad(x, pads, constant_values=fill) if any(sum(p) for p in pads) else x


def taps(x: Whole, w: Window) -> Any:
    """For each position in the window: (ky, kx, the elements of the padded image that the outputs read
    there)."""
    for ky in range(w.kernel[0]):
        for kx in range(w.kernel[1]):
            y0, x0 = ky * w.dilation[0], kx * w.dilation[1]
            yield ky, kx, x[
                :,
                y0 : y0 + (w.out[0] - 1) * w.stride[0] + 1 : w.stride[0],
                x0 : x0 + (w.out[1] - 1) * w.stride[1] + 1 : w.stride[1],
            ]


# Products are added in double, which is exact: no sum reaches 2^53.
def convolve(x: Whole, weight: Whole, bias: Whole, w: Window, groups: int) -> Whole:
    """x: numbers minus their zero point, so that padding is 0; weight: [filters, channels / groups, height,
    width]."""
    filters, channels = weight.shape[:2]
    padded = _padded(x.astype(np.float64), w, 0)
    total = np.zeros((x.shape[0], *w.out, filters))
    weights = weight.astype(np.float64)
    for ky, kx, part in taps(padded, w):
        if channels == 1:
            total += np.repeat(part, filters // groups, axis=3) * weights[:, 0, ky, kx]
        elif groups == 1:
            total += part @ weights[:, :, ky, kx].T
        else:
            size = filters // groups
            for g in range(groups):
                total[..., g * size : (g + 1) * size] += (
                    part[..., g * channels : (g + 1) * channels]
                    @ weights[g * size : (g + 1) * size, :, ky, kx].T
                )
    return total.astype(np.int64) + bias


def convolve_transposed(x: Whole, weight: Whole, bias: Whole, w: Window, groups: int) -> Whole:
    """weight: [channels, filters / groups, height, width]."""
    n, h, wide, channels = x.shape
    filters = weight.shape[1] * groups
    full = [
        max((size - 1) * w.stride[i] + (w.kernel[i] - 1) * w.dilation[i] + 1, w.before[i] + w.out[i])
        for i, size in enumerate((h, wide))
    ]
    total = np.zeros((n, *full, filters))
    part, size = channels // groups, weight.shape[1]
    for ky in range(w.kernel[0]):
        for kx in range(w.kernel[1]):
            y0, x0 = ky * w.dilation[0], kx * w.dilation[1]
            place = total[
                :,
                y0 : y0 + (h - 1) * w.stride[0] + 1 : w.stride[0],
                x0 : x0 + (wide - 1) * w.stride[1] + 1 : w.stride[1],
            ]
            for g in range(groups):
                place[..., g * size : (g + 1) * size] += x[..., g * part : (g + 1) * part].astype(
                    np.float64
                ) @ weight[g * part : (g + 1) * part, :, ky, kx].astype(np.float64)
    cut = total[:, w.before[0] : w.before[0] + w.out[0], w.before[1] : w.before[1] + w.out[1]]
    return cut.astype(np.int64) + bias


def largest(x: Whole, w: Window, least: int) -> Whole:
    result = None
    for _, _, part in taps(_padded(x, w, least), w):
        result = part if result is None else np.maximum(result, part)
    assert result is not None
    return result


def sums(x: Whole, w: Window, zero: int, count_pad: bool) -> tuple[Whole, Whole]:
    """For each window: the sum of the stored numbers, and the number of elements that were summed. Padding is
    summed only with `count_pad`; its value is the zero point."""
    inside = np.zeros((1, *x.shape[1:3], 1), np.int64)
    inside[:] = 1
    if count_pad:
        sides = ((0, 0), (w.before[0], w.after[0]), (w.before[1], w.after[1]), (0, 0))
        counted = _padded_like(np.pad(inside, sides, constant_values=1), x.shape[1:3], w)
        value = _padded_like(np.pad(x, sides, constant_values=zero), x.shape[1:3], w)
    else:
        counted, value = _padded(inside, w, 0), _padded(x, w, 0)
    total = n = np.zeros((), np.int64)
    for (_, _, v), (_, _, k) in zip(taps(value, w), taps(counted, w)):
        total = total + v * k
        n = n + k
    return total, n


def _padded_like(x: Whole, size: Sequence[int], w: Window) -> Whole:
    need = []
    for i in range(2):
        end = (w.out[i] - 1) * w.stride[i] + (w.kernel[i] - 1) * w.dilation[i] + 1
        need.append(max(end - x.shape[1 + i], 0))
    return np.pad(x, ((0, 0), (0, need[0]), (0, need[1]), (0, 0)))


def is_within(w: Window, shape_in: Sequence[int], rows: int) -> bool:
    """Whether all windows are inside the image."""
    _, h, wide, _ = extent(shape_in, rows)
    return all(
        not w.before[i] and (w.out[i] - 1) * w.stride[i] + (w.kernel[i] - 1) * w.dilation[i] < size
        for i, size in enumerate((h, wide))
    )
