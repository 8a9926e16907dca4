# SPDX-License-Identifier: Apache-2.0
"""A net that is computed in steps: rows or windows of a sequence, or calls of a net that declares states."""

from __future__ import annotations

import copy
import dataclasses
import math
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple, Sequence

import numpy as np

from . import _arrays, _facts, _tool
from ._arrays import Array
from ._facts import Port, Shape
from ._library import Rows, aligned

if TYPE_CHECKING:
    from ._network import Net

MARK_BYTES = 16  # the header of a state: net and layout
CALL_BYTES = 8  # the number of calls; present if the first outputs are dropped


class StreamCheck(NamedTuple):
    """The result of net.check_stream: the net in steps, compared with the net on the whole sequence."""

    difference: float
    """the largest absolute difference"""
    row: int | None
    """the first row, or window, that differs; None: all are equal"""


def _rows(shape: Shape) -> int:
    return shape[0] if len(shape) > 1 else 1


def _text(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def options(rows: int | None, slide: int | None, lookahead: int) -> tuple[str, ...]:
    """The command-line options of cnnc for these arguments."""
    if rows is not None and slide is not None:
        raise ValueError("stream takes a number of rows or slide=, not both")
    for what, value in (("the rows of a step", rows), ("slide", slide)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"{what} must be a whole number above 0, not {value!r}")
    if lookahead and rows is None:
        raise ValueError("lookahead needs a stream of rows: stream(rows, lookahead=...)")
    if rows is None:
        return () if slide is None else (f"--slide={slide}",)
    return (f"--stream={rows}", *([f"--lookahead={lookahead}"] if lookahead else []))


class Stream:
    """A net that is computed in steps: s(x) computes one step for each group of rows in x."""

    def __init__(self, net: Net, options: tuple[str, ...] = ()) -> None:
        self._net, self._options = net, options
        self._library = net._library("plain", options)
        if not self._library.facts.state_bytes:
            raise ValueError(
                f"net {net.name} has no states, so nothing is kept between its calls; "
                "stream(rows) computes a sequence in steps, and stream(slide=rows) computes windows"
            )
        self._inputs, self._outputs = net.inputs, net.outputs
        if options:
            with warnings.catch_warnings():  # the first compilation has issued the warnings
                warnings.simplefilter("ignore", _tool.CompileWarning)
                text = net._cnnc("--emit=json", *net._program, *options, *net._fixed())
            facts = _facts.read(text)
            self._inputs = facts.inputs
            self._outputs = tuple(
                dataclasses.replace(port, shape=rows.shape) for port, rows in zip(net.outputs, facts.outputs)
            )
        self._fed = [self._library.input_rows(i) for i in range(len(self._inputs))]
        self._made = [self._library.output_rows(i) for i in range(len(self._outputs))]
        self._state = aligned((self._library.facts.state_bytes + 3) // 4)
        self.reset()

    # ---- the state

    def reset(self) -> None:
        """Returns to the initial state, to start a new sequence."""
        self._calls = 0
        self._library.reset(self._state)

    def copy(self) -> Stream:
        """A second stream with a copy of the state."""
        other = copy.copy(self)
        other._state = aligned(len(self._state))
        other._state[:] = self._state
        return other

    def _counts_calls(self) -> bool:
        """Whether the first outputs are dropped: rows before the sequence, or windows that are not full."""
        return self._library.facts.ready > 0 or any(rows.step and rows.offset < 0 for rows in self._made)

    @property
    def state(self) -> bytes:
        """The state as bytes: NAME_state in C, followed by the number of calls if the first outputs are
        dropped."""
        state = self._state.tobytes()[: self._library.facts.state_bytes]
        return state + self._calls.to_bytes(CALL_BYTES, "little") if self._counts_calls() else state

    @state.setter
    def state(self, value: bytes) -> None:
        own, size = self.state, self._library.facts.state_bytes
        if len(value) != len(own) or value[:MARK_BYTES] != own[:MARK_BYTES]:
            raise ValueError(f"these bytes are not a state of net {self._net.name} as compiled here")
        self._state.view(np.uint8)[:size] = np.frombuffer(value, np.uint8, size)
        self._calls = int.from_bytes(value[size:], "little")

    # ---- calls

    def _steps(self, port: Port, rows: Rows, value: Any) -> Array:
        """Reshapes [k * rows][...] to [k][rows][...]; a value without rows to [1][...]."""
        array, shape = _arrays.numbers(value, f"input {port.name}"), port.shape
        if self._options and not rows.step:
            if array.shape != shape:
                raise ValueError(
                    f"input {port.name} takes {_text(shape)}, the same in each step, not {_text(array.shape)}"
                )
            return array[None]
        n, rest = _rows(shape), shape[1:] if len(shape) > 1 else shape
        if array.shape == shape and len(shape) == 1:
            return array[None]
        if array.ndim != 1 + len(rest) or array.shape[1:] != rest or len(array) % n:
            raise ValueError(
                f"input {port.name} takes any number of {_text(shape)} values, one after the other along the "
                f"first axis, not {_text(array.shape)}"
            )
        return array.reshape(len(array) // n, *shape)

    def _take(self, x: Any) -> tuple[list[Array], int]:
        """The inputs of all steps, and the number of steps."""
        given = _arrays.by_name(self._inputs, x)
        steps = [self._steps(*each) for each in zip(self._inputs, self._fed, given)]
        moving = [bool(not self._options or rows.step) for rows in self._fed]
        counts = {p.name: len(a) for p, a, moves in zip(self._inputs, steps, moving) if moves}
        if len(set(counts.values())) > 1:
            raise ValueError(f"the inputs have different numbers of steps: {counts}")
        count = next(iter(counts.values()))
        steps = [a if moves else np.repeat(a, count, 0) for a, moves in zip(steps, moving)]
        named = {port.name: array for port, array in zip(self._inputs, steps)}
        planes = [self._library.planes(i) for i in range(len(self._inputs))]
        return _arrays.take_all(
            self._inputs, named if len(named) > 1 else steps[0], "hwc", planes, self._net._orders
        )[0], count

    def _give(self, port: Port, rows: Rows, made: Array) -> Array:
        """An output of all steps as one sequence, without rows before the start of the input, and without
        windows that are not full."""
        if self._library.facts.window:
            return made[max(0, self._library.facts.ready - self._calls) :]
        if len(port.shape) < 2:
            return made
        joined = made.reshape(len(made) * port.shape[0], *port.shape[1:])
        return joined[max(0, -rows.offset - self._calls * rows.step) :] if rows.step else joined

    def __call__(self, x: Any) -> Any:
        """Returns the outputs of all steps, concatenated: an array, or a dict by name for several outputs.
        Rows before the start of the sequence, and windows before the first full one, are dropped."""
        net = self._net
        inputs, count = self._take(x)
        outputs = _arrays.output_rooms(self._library, self._outputs, count)
        self._library.step(net._model(self._options), inputs, outputs, self._state, net._threads)
        result = {
            port.name: self._give(port, rows, _arrays.typed(port, output))
            for port, rows, output in zip(self._outputs, self._made, outputs)
        }
        self._calls += count
        return result if len(result) > 1 else result[self._outputs[0].name]


# ---- comparison with the whole sequence


def _dict(ports: Sequence[Port], value: Any) -> dict[str, Any]:
    return dict(zip((port.name for port in ports), _arrays.by_name(ports, value)))


def _windows(net: Net, stream: Stream, x: dict[str, Any], calls: int) -> Any:
    """The outputs of the net for the window of each call, from the first full window on."""
    samples: dict[str, Array] = {}
    for port, rows in zip(net.inputs, stream._fed):
        array, size = np.asarray(x[port.name]), _rows(port.shape)
        ends = [(k + 1) * rows.step for k in range(stream._library.facts.ready, calls)]
        samples[port.name] = np.stack([array[end - size : end] if rows.step else array for end in ends])
    return net(samples if len(samples) > 1 else next(iter(samples.values())))


def check(net: Net, x: Any, n: int, slide: int | None, lookahead: int) -> StreamCheck:
    """Implements net.check_stream."""
    stream = Stream(net, options(None if slide else n, slide, lookahead))
    given = _dict(net.inputs, x)
    whole = _rows(net.inputs[0].shape)
    rows = len(np.asarray(given[net.inputs[0].name]))
    calls = rows // stream._fed[0].step
    if calls <= stream._library.facts.ready or (not slide and rows != whole):
        raise ValueError(
            f"check_stream takes one sequence: {whole} rows{' or more' if slide else ''} of "
            f"input {net.inputs[0].name}, not {rows}"
        )
    cut = {
        port.name: np.asarray(given[port.name])[: calls * r.step] if r.step else given[port.name]
        for port, r in zip(net.inputs, stream._fed)
    }
    made = _dict(net.outputs, stream(cut if len(cut) > 1 else next(iter(cut.values()))))
    want = _dict(net.outputs, _windows(net, stream, given, calls) if slide else net(x))
    largest, first = 0.0, math.inf
    for port, r in zip(net.outputs, stream._made):
        if not slide and not r.step:
            continue  # an output per step, not of the whole sequence
        got = made[port.name]
        off = np.abs(got.astype(np.float64) - want[port.name][: len(got)])
        largest = max(largest, float(off.max(initial=0)))
        differing = np.flatnonzero(off.reshape(len(off), -1).any(1))
        first = min(first, *differing[:1], math.inf)
    return StreamCheck(largest, None if first == math.inf else int(first))
