# SPDX-License-Identifier: Apache-2.0
"""Single training steps: gradients, updates, custom losses, and training from an iterator of batches."""

from __future__ import annotations

import math
import operator
import time
import weakref
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Mapping, NamedTuple, Sized

import numpy as np

from . import _arrays
from ._arrays import Array
from ._facts import Port
from ._library import Floats, Target, pointers

if TYPE_CHECKING:
    from ._network import Net


class Gradients(NamedTuple):
    """The result of net.gradients."""

    loss: float
    """the mean loss of the samples, or the value that the function dloss returned"""
    outputs: Any
    """the outputs in training mode: an array, or a dict by name for several outputs"""
    weights: dict[str, Floats]
    """the gradient of the loss for each weight: zeros for frozen weights, new values for running
    statistics"""


class Stepper:
    """State between training steps: the optimizer's moments, and the numbers of steps and batches."""

    def __init__(self, net: Net, seed: int | None) -> None:
        net._need_trainable()
        self.net, self.library = net, net._library("train")
        if self.library.objects():
            raise ValueError(
                f"net {net.name} has a loss that compares annotated objects: train(path) reads data sets "
                "with such objects, but a step takes arrays"
            )
        if not net._filled:
            self.library.init(net._weights, seed)
            net._filled = True
        self.targets = self.library.targets()
        self.batch, self.calls = self.library.train_batch(), self.library.train_calls()
        self.by_call = self.calls > 1  # whether the arrays of the step have an axis of calls
        self.trainer = self.library.trainer(net._weights, seed)
        weakref.finalize(self, self.library.free_trainer, self.trainer)

    # ---- arrays

    def _separate(self, name: str, value: Any) -> Array:
        """Reshapes an input [n][calls][...] to [n * calls][...]."""
        array = _arrays.numbers(value, f"input {name}")
        if array.ndim < 2 or array.shape[1] != self.calls:
            raise ValueError(
                f"a sample consists of {self.calls} calls, so input {name} must be nx{self.calls}x...; the "
                f"array is {'x'.join(map(str, array.shape)) or 'a single number'}"
            )
        return array.reshape(-1, *array.shape[2:])

    def _has_calls(self, given: list[Any], layout: str) -> bool:
        """Whether inputs have the axis of calls; with one call per sample, they may omit it."""
        if self.calls > 1 or not self.library.facts.state_bytes:
            return self.calls > 1
        ranks = [
            len(_arrays.given_shape(port, layout, self.net._orders.get(port.name)))
            for port in self.net.inputs
        ]
        shapes = [np.shape(value) for value in given]
        return all(len(s) == 2 + rank and s[1] == 1 for s, rank in zip(shapes, ranks))

    def inputs(self, x: Any, layout: str) -> list[Array]:
        ports = self.net.inputs
        given = _arrays.by_name(ports, x)
        self.by_call = self._has_calls(given, layout)
        if self.by_call:
            x = {port.name: self._separate(port.name, v) for port, v in zip(ports, given)}
        arrays, batched = _arrays.take_all(self.net.inputs, x, layout, self.net._planes, self.net._orders)
        if not batched:
            raise ValueError("a step takes a batch of samples; x[None] makes a batch of one sample")
        if not len(arrays[0]):
            raise ValueError("the batch has no samples")
        return [array.reshape(len(array) // self.calls, -1) for array in arrays] if self.calls > 1 else arrays

    def wanted(self) -> list[Target]:
        return [target for target in self.targets if target.loss is not None]

    def target_arrays(self, y: Any, count: int, layout: str) -> list[Array | None]:
        """The targets as the generated code reads them: for each of self.targets an array, or None."""
        wanted = self.wanted()
        if not isinstance(y, Mapping):
            if y is None or len(wanted) != 1:
                names = ", ".join(target.name for target in wanted)
                raise TypeError(
                    f"y must be a dict with a target for each of {names}"
                    if len(wanted) != 1
                    else f"y is missing: the target of {names}"
                )
            y = {wanted[0].name: y}
        given = {name[: -len("_target")] if name.endswith("_target") else name: v for name, v in y.items()}
        if wrong := sorted(set(given) ^ {target.name for target in wanted}):
            raise ValueError(
                f"the targets are {', '.join(t.name for t in wanted)}; {', '.join(map(str, wrong))} "
                f"{'is' if len(wrong) == 1 else 'are'} missing or unknown"
            )
        return [
            None if target.loss is None else self._target(target, given[target.name], count, layout)
            for target in self.targets
        ]

    def _target(self, target: Target, value: Any, count: int, layout: str) -> Array:
        array = whole = _arrays.numbers(value, f"the target of {target.name}")
        if self.by_call and array.shape[:2] == (count, self.calls):
            array = array.reshape(-1, *array.shape[2:])
        order, shapes = self.net._orders.get(target.name), {p.name: p.shape for p in self.net.outputs}
        planes = layout == "chw" and not target.classes
        if planes and order and array.shape[1:] == order.dims:
            array = order.take(array, shapes[target.name])
        elif planes and array.ndim == 4:
            array = np.moveaxis(array, 1, -1)
        if array.size != count * target.size:
            raise ValueError(
                f"the target of {target.name} has {target.size} elements per sample and the batch {count} "
                f"samples; the array is {'x'.join(map(str, whole.shape)) or 'a single number'}"
            )
        if target.classes and array.dtype.kind not in "iub":
            raise TypeError(
                f"the target of {target.name} must be class numbers (integers), not {array.dtype}"
            )
        kind = np.int32 if target.classes else np.float32
        return np.ascontiguousarray(array.reshape(count, target.size), kind)

    def output_arrays(self, count: int) -> list[Floats]:
        return [np.empty((count, target.elements), np.float32) for target in self.targets]

    def given_outputs(self, arrays: list[Floats], layout: str) -> Any:
        result = {
            port.name: _arrays.give(
                port, array.reshape(-1, *port.shape), layout, True, self.net._orders.get(port.name)
            )
            for port, array in zip(self.net.outputs, arrays)
        }
        if self.by_call:
            result = {name: array.reshape(-1, self.calls, *array.shape[1:]) for name, array in result.items()}
        return result if len(result) > 1 else result[self.net.outputs[0].name]

    # ---- the caller's loss

    def own_targets(self, dloss: Any, count: int, layout: str) -> list[Array | None]:
        """Converts gradients with respect to the outputs to targets of the loss `linear`, the mean of output
        times target over all elements of the batch."""
        if others := [t.name for t in self.wanted() if t.loss != "linear"]:
            raise ValueError(
                f"dloss is for a net whose losses are all linear: loss = linear in the train block; "
                f"the loss of {', '.join(others)} is not linear"
            )
        return [
            None if array is None else array * np.float32(array.size)
            for array in self.target_arrays(dloss, count, layout)
        ]

    def zeros(self, count: int) -> list[Array | None]:
        return [
            None if t.loss is None else np.zeros((count, t.size), np.int32 if t.classes else np.float32)
            for t in self.targets
        ]

    # ---- steps

    def parts(self, inputs: list[Array]) -> Iterator[slice]:
        for start in range(0, len(inputs[0]), self.batch):
            yield slice(start, min(start + self.batch, len(inputs[0])))

    def forward(self, inputs: list[Array], scratch: Floats) -> list[Floats]:
        """The outputs in training mode, with the random numbers of the next step."""
        targets, outputs = self.zeros(len(inputs[0])), self.output_arrays(len(inputs[0]))
        for part in self.parts(inputs):
            self.library.gradients(
                self.trainer,
                _cut(inputs, part),
                _cut(targets, part),
                _cut(outputs, part),
                scratch,
                self.net._threads,
            )
        return outputs

    def own_loss(
        self, dloss: Any, inputs: list[Array], layout: str
    ) -> tuple[float | None, list[Array | None]]:
        """The value of the caller's loss, and the gradients of this loss as targets. If dloss is a function,
        it gets the outputs in training mode and returns the value and the gradients. If dloss is the
        gradients, the value is None."""
        if not callable(dloss):
            return None, self.own_targets(dloss, len(inputs[0]), layout)
        if len(inputs[0]) > self.batch:
            raise ValueError(
                f"with a function as the loss a batch has at most {self.batch} samples, the batch of the "
                "train block"
            )
        scratch = np.empty_like(self.net._weights)
        outputs = self.given_outputs(self.forward(inputs, scratch), layout)
        value, gradients = dloss(outputs)
        return float(value), self.own_targets(gradients, len(inputs[0]), layout)

    def gradients(self, x: Any, y: Any, dloss: Any, layout: str) -> Gradients:
        inputs = self.inputs(x, layout)
        count = len(inputs[0])
        if count > self.batch:
            raise ValueError(f"a batch has at most {self.batch} samples, the batch of the train block")
        own, targets = self.chosen_targets(inputs, y, dloss, layout)
        outputs, gradients = self.output_arrays(count), np.empty_like(self.net._weights)
        loss = self.library.gradients(self.trainer, inputs, targets, outputs, gradients, self.net._threads)
        arrays = {
            w.name: gradients[w.offset : w.offset + w.size].reshape(w.shape) for w in self.net._facts.weights
        }
        return Gradients(loss if own is None else own, self.given_outputs(outputs, layout), arrays)

    def chosen_targets(
        self, inputs: list[Array], y: Any, dloss: Any, layout: str
    ) -> tuple[float | None, list[Array | None]]:
        if (y is None) == (dloss is None):
            raise TypeError(
                "a step needs y, the targets of the program's loss, or dloss, the gradient of your own loss"
            )
        if dloss is not None:
            return self.own_loss(dloss, inputs, layout)
        return None, self.target_arrays(y, len(inputs[0]), layout)

    def step(
        self,
        x: Any,
        y: Any,
        dloss: Any,
        rate: float | None,
        epoch: float | None,
        layout: str,
    ) -> float:
        inputs = self.inputs(x, layout)
        own, targets = self.chosen_targets(inputs, y, dloss, layout)
        if epoch is not None:
            self.library.quantize(self.trainer, epoch)
        count, total = len(inputs[0]), 0.0
        whole = count <= self.batch
        outputs = self.output_arrays(count)
        for part in self.parts(inputs):
            loss = self.library.part(
                self.trainer,
                _cut(inputs, part),
                _cut(targets, part),
                _cut(outputs, part),
                whole,
                self.net._threads,
            )
            total += loss * (part.stop - part.start)
        self.rate = self.library.update(
            self.trainer, math.nan if rate is None else rate, math.nan if epoch is None else epoch, whole
        )
        self.net._packed = {}
        if self.rate < 0:
            raise FloatingPointError(
                "a gradient or a running statistic is not finite: a smaller rate may help; the weights are "
                "unchanged"
            )
        return total / count if own is None else own


def _cut(arrays: list[Any], part: slice) -> list[Any]:
    return [None if array is None else array[part] for array in arrays]


# ---- training from an iterator of batches


def batches(loader: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Yields (x, y) of each batch, which is a pair or a dict {"x": ..., "y": ...}."""
    for batch in loader:
        if isinstance(batch, Mapping) and set(batch) == {"x", "y"}:
            yield batch["x"], batch["y"]
        elif isinstance(batch, (tuple, list)) and len(batch) == 2:
            yield batch[0], batch[1]
        else:
            raise TypeError(
                'an iterator must return batches (x, y), or dicts {"x": ..., "y": ...}; x and y may be dicts '
                f"by name, but this is {type(batch).__name__}"
            )


def as_arrays(loader: Iterable[Any]) -> tuple[Any, Any]:
    """Concatenates all batches of a loader into one x and one y."""
    pairs = list(batches(loader))
    if not pairs:
        raise ValueError("the iterator returns no batches")

    def joined(values: list[Any]) -> Any:
        if isinstance(values[0], Mapping):
            return {name: joined([value[name] for value in values]) for name in values[0]}
        return np.concatenate([_arrays.numbers(value, "a batch") for value in values])

    return joined([x for x, _ in pairs]), joined([y for _, y in pairs])


def check_numbers(rate: float | None, seed: int | None) -> None:
    if rate is not None and not 0 <= rate < math.inf:
        raise ValueError(f"rate must be a finite number of at least 0, not {rate!r}")
    if seed is not None and not 0 <= operator.index(seed) < 2**64:
        raise ValueError(f"seed must be an integer from 0 to 2**64 - 1, not {seed!r}")


def train_from(
    net: Net,
    loader: Iterable[Any],
    validation: Any,
    epochs: int,
    rate: float | None,
    seed: int | None,
    callback: Callable[[dict[str, float]], object] | None,
    layout: str,
) -> list[dict[str, float]]:
    """Trains; an epoch is one pass over the loader. Keeps the weights with the least val_loss, or without
    validation the last weights."""
    if hasattr(loader, "__next__") and epochs > 1:
        raise TypeError(
            "an iterator can be read once, and training reads it once per epoch: pass a list, a DataLoader "
            "or another object that can be iterated again, or set epochs=1"
        )
    if validation is not None and not isinstance(validation, tuple):
        validation = as_arrays(validation)
    stepper = Stepper(net, seed)
    history: list[dict[str, float]] = []
    best, kept = math.inf, None
    try:
        for number in range(1, epochs + 1):
            row = one_epoch(stepper, loader, number, rate, layout)
            result = stepper.library.result(stepper.trainer)
            if validation is not None:
                measured = evaluate_with(net, result, validation, layout)
                row |= {f"val_{name}": value for name, value in measured.items() if name != "samples"}
            stepper.library.epoch(stepper.trainer, row.get("val_loss", row["loss"]))
            history.append(row)
            if "val_loss" not in row or row["val_loss"] < best:
                best, kept = row.get("val_loss", best), result
            if callback is not None and callback(dict(row)) is False:
                break
    finally:  # also after Ctrl-C
        net._weights[:] = stepper.library.result(stepper.trainer) if kept is None else kept
        net._packed = {}
    return history


def one_epoch(
    stepper: Stepper, loader: Iterable[Any], number: int, rate: float | None, layout: str
) -> dict[str, float]:
    start, loss, samples, rates = time.perf_counter(), 0.0, 0, []
    length = len(loader) if isinstance(loader, Sized) else 0
    for index, (x, y) in enumerate(batches(loader)):
        t = number - 1 + (index / length if length else 0)
        count = len(next(iter(x.values()))) if isinstance(x, Mapping) else len(x)
        loss += stepper.step(x, y, None, rate, t, layout) * count
        samples += count
        rates.append(stepper.rate)
    if not samples:
        raise ValueError("the iterator returns no batches")
    seconds = time.perf_counter() - start
    return {
        "epoch": number,
        "loss": loss / samples,
        "rate": sum(rates) / len(rates),
        "images_per_second": samples / seconds,
        "seconds": seconds,
    }


def evaluate_with(net: Net, weights: Floats, samples: tuple[Any, Any], layout: str) -> dict[str, float]:
    """Evaluates the net with these weights, and then restores the net's weights."""
    before = net._weights.copy()
    net._weights[:] = weights
    try:
        return net.evaluate(*samples, layout=layout)
    finally:
        net._weights[:] = before
