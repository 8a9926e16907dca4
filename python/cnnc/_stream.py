# SPDX-License-Identifier: Apache-2.0
"""A net with states, called step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _arrays
from ._facts import Port, Shape
from ._library import aligned

if TYPE_CHECKING:
    from ._network import Net

MARK_BYTES = 16  # of the net and its layout


def _rows(shape: Shape) -> int:
    return shape[0] if len(shape) > 1 else 1


class Stream:
    """net.stream(): the states of a net between its calls. s(x) makes as many steps as x has rows for."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._library = net._library("plain")
        if not self._library.facts.state_bytes:
            raise ValueError(f"net {net.name} has no states: nothing is kept between its calls")
        self._state = aligned((self._library.facts.state_bytes + 3) // 4)
        self.reset()

    def reset(self) -> None:
        """Begins anew."""
        self._library.reset(self._state)

    def copy(self) -> Stream:
        """Another stream that goes on from here."""
        other = Stream(self._net)
        other._state[:] = self._state
        return other

    @property
    def state(self) -> bytes:
        """The state as bytes: NAME_state in C."""
        return self._state.tobytes()[: self._library.facts.state_bytes]

    @state.setter
    def state(self, value: bytes) -> None:
        own = self.state
        if len(value) != len(own) or value[:MARK_BYTES] != own[:MARK_BYTES]:
            raise ValueError(f"these bytes are no state of net {self._net.name} as it is compiled here")
        self._state.view(np.uint8)[: len(own)] = np.frombuffer(value, np.uint8)

    def _steps(self, port: Port, value: Any) -> _arrays.Array:
        """[k * rows][...] as [k][rows][...]."""
        array, rows, shape = _arrays.numbers(value, f"input {port.name}"), _rows(port.shape), port.shape
        rest = shape[1:] if len(shape) > 1 else shape
        if array.shape == shape and len(shape) == 1:
            return array[None]
        if array.ndim != 1 + len(rest) or array.shape[1:] != rest or len(array) % rows:
            raise ValueError(
                f"input {port.name} takes any number of {'x'.join(map(str, shape))} one after the other, "
                f"not {'x'.join(map(str, array.shape))}"
            )
        return array.reshape(len(array) // rows, *shape)

    def __call__(self, x: Any) -> Any:
        """The outputs of all steps, concatenated: an array, or a dict by name for several outputs."""
        net = self._net
        given = _arrays.by_name(net.inputs, x)
        steps = {port.name: self._steps(port, value) for port, value in zip(net.inputs, given)}
        counts = {name: len(array) for name, array in steps.items()}
        if len(set(counts.values())) > 1:
            raise ValueError(f"the inputs have different numbers of steps: {counts}")
        first = next(iter(steps.values()))
        inputs, _ = _arrays.take_all(
            net.inputs, steps if len(steps) > 1 else first, "hwc", net._planes, net._orders
        )
        outputs = [np.empty((len(first), *port.shape), np.float32) for port in net.outputs]
        self._library.step(net._model(), inputs, outputs, self._state, net._threads)
        result = {
            port.name: output.reshape(len(output) * _rows(port.shape), *port.shape[1:])
            if len(port.shape) > 1
            else output
            for port, output in zip(net.outputs, outputs)
        }
        return result if len(result) > 1 else result[net.outputs[0].name]
