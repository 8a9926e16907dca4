# SPDX-License-Identifier: Apache-2.0
"""A compiled net, loaded by ctypes: the functions of bridge.c."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, byref, c_char_p, c_double, c_float, c_int32, c_int64, c_uint64, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ._tool import CompileError, ToolError, tools

ALIGNMENT = 64
Floats = NDArray[np.float32]
Arrays = Sequence["NDArray[np.generic] | None"]


class Facts(ctypes.Structure):
    _fields_ = [
        (name, c_int64)
        for name in (
            "parameters",
            "model_bytes",
            "workspace_bytes",
            "batch",
            "layers",
            "labels",
            "look_bytes",
            "state_bytes",
            "window",
            "ready",
        )
    ] + [("trains", c_int32), ("starts", c_int32)]
    parameters: int
    model_bytes: int
    workspace_bytes: int
    batch: int
    layers: int
    labels: int
    look_bytes: int
    state_bytes: int  # 0: the net has no states
    window: int  # rows of a window; 0: no --slide
    ready: int  # calls before the one that returns the first row or the first full window
    trains: int
    starts: int


class Settings(ctypes.Structure):
    _fields_ = [
        ("data", c_char_p),
        ("init", c_char_p),
        ("out", c_char_p),
        ("val", c_double),
        ("rate", c_double),
        ("seed", c_uint64),
        ("seeded", c_int32),
        ("epochs", c_int32),
        ("batch", c_int32),
        ("threads", c_int32),
        ("stop", POINTER(c_int32)),
    ]


class _Target(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p),
        ("loss", c_char_p),
        ("size", c_int64),
        ("elements", c_int64),
        ("classes", c_int32),
    ]


@dataclass(frozen=True)
class Rows:
    """The rows of an input or output of a net that is computed in steps."""

    step: int  # rows in a call; 0: the whole value
    offset: int  # index of the first row of call 0; negative: before the start of the sequence
    late: int  # delay of the rows, in rows of the first input


@dataclass(frozen=True)
class Target:
    """The target of the loss of an output, or of an inner value that only a loss reads."""

    name: str
    loss: str | None  # None: there is no loss
    size: int  # elements of the target of a sample
    elements: int  # elements of the value of a sample
    classes: bool  # whether the target has class numbers (int32); if not: floats


# Arguments: kind, note, numbers by name. If the callback returns False, the training ends.
Report = Callable[[int, str, "dict[str, float]"], bool]
_REPORT = ctypes.CFUNCTYPE(None, c_int32, c_char_p, c_int32, POINTER(c_char_p), POINTER(c_double))

# name: result, arguments
_FUNCTIONS: dict[str, tuple[object, list[object]]] = {
    "tell": (None, [POINTER(Facts)]),
    "label": (c_char_p, [c_int64]),
    "planes": (c_int32, [c_int64]),
    "output_size": (c_int64, [c_int64]),
    "input_rows": (None, [c_int64, POINTER(c_int32)]),
    "output_rows": (None, [c_int64, POINTER(c_int32)]),
    "layer": (c_char_p, [c_int64]),
    "start": (None, [c_void_p]),
    "pack": (None, [c_void_p, c_void_p]),
    "free": (None, [c_void_p]),
    "load": (c_void_p, [c_char_p, c_char_p, c_void_p, c_char_p]),
    "save": (c_void_p, [c_char_p, c_void_p]),
    "infer": (None, [c_void_p, c_void_p, c_void_p, c_int64, c_void_p, c_void_p, c_int32]),
    "reset": (None, [c_void_p]),
    "step": (None, [c_void_p, c_void_p, c_void_p, c_int64, c_void_p, c_void_p, c_int32]),
    "look_pack": (None, [c_void_p, c_void_p]),
    "look": (None, [c_void_p, c_void_p, c_void_p]),
    "place": (c_int64, [c_int64]),
    "train": (c_void_p, [POINTER(Settings), _REPORT]),
    "init": (None, [c_void_p, c_uint64, c_int32]),
    "objects": (c_int32, []),
    "train_batch": (c_int32, []),
    "train_calls": (c_int32, []),
    "epochs": (c_int32, []),
    "targets": (c_int64, []),
    "target_of": (None, [c_int64, POINTER(_Target)]),
    "trainer": (c_void_p, [c_void_p, c_uint64, c_int32]),
    "trainer_free": (None, [c_void_p]),
    "gradients": (c_float, [c_void_p, c_void_p, c_void_p, c_int32, c_void_p, c_void_p, c_int32]),
    "part": (c_float, [c_void_p, c_void_p, c_void_p, c_int32, c_void_p, c_int32, c_int32]),
    "update": (c_double, [c_void_p, c_double, c_double, c_int32]),
    "quantize": (None, [c_void_p, c_double]),
    "epoch": (None, [c_void_p, c_double]),
    "result": (None, [c_void_p, c_void_p]),
    "evaluate": (c_void_p, [POINTER(Settings), c_void_p, _REPORT]),
}


def aligned(count: int) -> Floats:
    """An array of zeros, aligned to 64 bytes."""
    room = np.zeros(count * 4 + ALIGNMENT, np.uint8)
    start = -room.ctypes.data % ALIGNMENT
    return room[start : start + count * 4].view(np.float32)


def _address(array: NDArray[np.generic]) -> int:
    return int(array.ctypes.data)


def pointers(arrays: Sequence[NDArray[np.generic] | None]) -> ctypes.Array[c_void_p]:
    """The addresses of the arrays, NULL for None."""
    addresses = (None if array is None else _address(array) for array in arrays)
    return (c_void_p * max(1, len(arrays)))(*addresses)


class Library:
    """One of the libraries of a net: for inference, for training, or for the values of layers."""

    def __init__(self, path: Path) -> None:
        runtime = tools().runtime
        try:
            if runtime.suffix != ".a":  # loaded first: the net's library does not know the runtime's folder
                ctypes.CDLL(str(runtime), mode=ctypes.RTLD_GLOBAL)
            self._handle = ctypes.CDLL(str(path))
        except OSError as error:
            raise ToolError(f"a library cannot be opened: {error}") from None
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(self._handle, "bridge_" + name)
            function.restype, function.argtypes = result, arguments
        self._workspaces: list[Floats] = []
        self.facts = Facts()
        self._handle.bridge_tell(byref(self.facts))

    def labels(self) -> list[str]:
        return [self._handle.bridge_label(i).decode() for i in range(self.facts.labels)]

    def layers(self) -> list[str]:
        return [self._handle.bridge_layer(i).decode() for i in range(self.facts.layers)]

    def planes(self, index: int) -> bool:
        """Whether the buffer of the input is channels first."""
        return bool(self._handle.bridge_planes(index))

    def output_size(self, index: int) -> int:
        """The number of floats that a call writes to the output for a sample."""
        return int(self._handle.bridge_output_size(index))

    def input_rows(self, index: int) -> Rows:
        numbers = (c_int32 * 3)()
        self._handle.bridge_input_rows(index, numbers)
        return Rows(*numbers)

    def output_rows(self, index: int) -> Rows:
        numbers = (c_int32 * 3)()
        self._handle.bridge_output_rows(index, numbers)
        return Rows(*numbers)

    def _check(self, text: int | None, error: type[Exception] = CompileError) -> None:
        if text:
            message = ctypes.string_at(text).decode(errors="replace").rstrip()
            self._handle.bridge_free(text)
            raise error(message)

    def start(self, weights: Floats) -> None:
        self._handle.bridge_start(_address(weights))

    def load(self, path: str, rename: str | None, weights: Floats) -> str:
        """Reads a file into `weights`, or raises; returns a warning, or an empty text."""
        warning = ctypes.create_string_buffer(400)
        self._check(
            self._handle.bridge_load(
                os.fsencode(path), os.fsencode(rename) if rename else None, _address(weights), warning
            )
        )
        return warning.value.decode(errors="replace")

    def save(self, path: str, weights: Floats) -> None:
        self._check(self._handle.bridge_save(os.fsencode(path), _address(weights)))

    def pack(self, weights: Floats) -> Floats:
        model = aligned((self.facts.model_bytes + 3) // 4)
        self._handle.bridge_pack(_address(model), _address(weights))
        return model

    def infer(
        self,
        model: Floats,
        inputs: Sequence[NDArray[np.generic]],
        outputs: Sequence[Floats],
        count: int,
        threads: int,
    ) -> None:
        try:  # concurrent calls use separate workspaces
            workspace = self._workspaces.pop()
        except IndexError:
            workspace = aligned((self.facts.workspace_bytes + 3) // 4)
        state = aligned((self.facts.state_bytes + 3) // 4)
        self._handle.bridge_infer(
            _address(model),
            pointers(inputs),
            pointers(outputs),
            count,
            _address(state),
            _address(workspace),
            threads,
        )
        self._workspaces.append(workspace)

    def reset(self, state: Floats) -> None:
        self._handle.bridge_reset(_address(state))

    def step(
        self,
        model: Floats,
        inputs: Sequence[NDArray[np.generic]],
        outputs: Sequence[Floats],
        state: Floats,
        threads: int,
    ) -> None:
        """Calls the net once for each index of the first axis of the arrays. A call computes one sample: the
        first of its batch."""
        workspace, batch = aligned((self.facts.workspace_bytes + 3) // 4), self.facts.batch
        fed, made, count = list(inputs), list(outputs), len(inputs[0])
        if batch > 1:
            fed = [np.zeros((count, batch, *array.shape[1:]), array.dtype) for array in inputs]
            made = [np.empty((count, batch, *array.shape[1:]), np.float32) for array in outputs]
            for to, array in zip(fed, inputs):
                to[:, 0] = array
        self._handle.bridge_step(
            _address(model),
            pointers(fed),
            pointers(made),
            count,
            _address(state),
            _address(workspace),
            threads,
        )
        for rows, array in zip(outputs, made):
            if batch > 1:
                rows[:] = array[:, 0]

    def look(self, weights: Floats) -> Floats:
        """Allocates memory for the values of all layers, and packs the weights into it."""
        memory = aligned((self.facts.look_bytes + 3) // 4)
        self._handle.bridge_look_pack(_address(memory), _address(weights))
        return memory

    def look_at(self, memory: Floats, weights: Floats, inputs: Sequence[NDArray[np.generic]]) -> None:
        self._handle.bridge_look(_address(memory), _address(weights), pointers(inputs))

    def place(self, layer: int) -> int:
        return int(self._handle.bridge_place(layer))

    def _listen(self, report: Report, stop: c_int32, failures: list[BaseException]) -> ctypes._CFunctionType:
        def heard(
            kind: int, note: bytes | None, n: int, names: Sequence[bytes], values: Sequence[float]
        ) -> None:
            try:
                numbers = {names[i].decode(): values[i] for i in range(n)}
                if not report(kind, note.decode(errors="replace") if note else "", numbers):
                    stop.value = 1
            except BaseException as failure:  # also Ctrl-C: it is raised after the C code returns
                failures.append(failure)
                stop.value = 1

        return _REPORT(heard)

    def train(self, settings: Settings, report: Report) -> None:
        stop, failures = c_int32(0), list[BaseException]()
        settings.stop = ctypes.pointer(stop)
        text = self._handle.bridge_train(byref(settings), self._listen(report, stop, failures))
        if failures:
            raise failures[0]
        self._check(text, RuntimeError)

    def evaluate(self, settings: Settings, weights: Floats, report: Report) -> None:
        stop, failures = c_int32(0), list[BaseException]()
        settings.stop = ctypes.pointer(stop)
        text = self._handle.bridge_evaluate(
            byref(settings), _address(weights), self._listen(report, stop, failures)
        )
        if failures:
            raise failures[0]
        self._check(text, RuntimeError)

    # ---- steps of training

    def init(self, weights: Floats, seed: int | None) -> None:
        self._handle.bridge_init(_address(weights), seed or 0, seed is not None)

    def objects(self) -> bool:
        """Whether a loss compares its output with annotated objects."""
        return bool(self._handle.bridge_objects())

    def train_batch(self) -> int:
        return int(self._handle.bridge_train_batch())

    def train_calls(self) -> int:
        """The number of calls per sample: `steps` in the train block."""
        return int(self._handle.bridge_train_calls())

    def epochs(self) -> int:
        return int(self._handle.bridge_epochs())

    def targets(self) -> list[Target]:
        found = []
        for i in range(self._handle.bridge_targets()):
            t = _Target()
            self._handle.bridge_target_of(i, byref(t))
            loss = t.loss.decode() if t.loss is not None else None
            found.append(Target(t.name.decode(), loss, t.size, t.elements, bool(t.classes)))
        return found

    def trainer(self, weights: Floats, seed: int | None) -> int:
        trainer = self._handle.bridge_trainer(_address(weights), seed or 0, seed is not None)
        if not trainer:
            raise MemoryError("not enough memory for training")
        return int(trainer)

    def free_trainer(self, trainer: int) -> None:
        self._handle.bridge_trainer_free(trainer)

    def gradients(
        self,
        trainer: int,
        inputs: Arrays,
        targets: Arrays,
        outputs: Sequence[Floats],
        gradients: Floats,
        threads: int,
    ) -> float:
        count = len(outputs[0])
        return float(
            self._handle.bridge_gradients(
                trainer,
                pointers(inputs),
                pointers(targets),
                count,
                pointers(outputs),
                _address(gradients),
                threads,
            )
        )

    def part(
        self,
        trainer: int,
        inputs: Arrays,
        targets: Arrays,
        outputs: Sequence[Floats],
        whole: bool,
        threads: int,
    ) -> float:
        count = len(outputs[0])
        return float(
            self._handle.bridge_part(
                trainer, pointers(inputs), pointers(targets), count, pointers(outputs), whole, threads
            )
        )

    def update(self, trainer: int, rate: float, t: float, whole: bool) -> float:
        """Returns the learning rate; -1: a gradient is not finite, and no weight is updated."""
        return float(self._handle.bridge_update(trainer, rate, t, whole))

    def quantize(self, trainer: int, t: float) -> None:
        self._handle.bridge_quantize(trainer, t)

    def epoch(self, trainer: int, loss: float) -> None:
        self._handle.bridge_epoch(trainer, loss)

    def result(self, trainer: int) -> Floats:
        """A copy of the trained weights, or of their moving average if the train block has one."""
        weights = aligned(self.facts.parameters)
        self._handle.bridge_result(trainer, _address(weights))
        return weights
