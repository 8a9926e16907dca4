# SPDX-License-Identifier: Apache-2.0
"""Reference values for a net, from an ONNX file, a torch module or a function."""

from __future__ import annotations

import importlib
import itertools
import os
import re
import sys
from dataclasses import dataclass, field
from typing import Any, Callable, Container, Iterator, Mapping, Sequence, TYPE_CHECKING

import numpy as np

from . import _arrays, _listing
from ._arrays import Array
from ._facts import Port, Shape

if TYPE_CHECKING:
    from ._network import Net


@dataclass
class Values:
    """The values of one sample. A layer has several values if it is unknown which one is its result."""

    outputs: list[Array]
    layers: dict[str, list[Array]] = field(default_factory=dict)


def wanted(name: str, purpose: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise ImportError(f"{purpose} needs the package {name}: pip install {name}") from None


def orders(value: Array, shape: Shape, inner: bool = False) -> Iterator[Array]:
    """The value of a sample in each layout that the net may use. An output has its channels last, or the
    model's order; an inner layer of at most 4 dimensions may have any order of the dimensions."""
    if value.size != int(np.prod(shape)):
        return
    every = list(range(value.ndim))
    ways = [every[1:] + every[:1], every]
    if value.ndim > 3:
        ways.append(every[2:] + every[:2])
    if inner and value.ndim < 5:
        ways += map(list, itertools.permutations(every))
    seen = set()
    for way in ways:
        large = tuple(d for d in way if value.shape[d] > 1)
        if large not in seen:
            yield value.transpose(way).reshape(shape)
        seen.add(large)


def planes_first(sample: Array) -> Array:
    return np.moveaxis(sample, -1, 0) if sample.ndim > 1 else sample


def _of_model(sample: Array, order: _arrays.Order | None) -> Array:
    """Converts a sample from the net's layout to the model's input. If `order` is unknown, the model's input
    is assumed to have a batch dimension and its channels first."""
    if not order:
        return planes_first(sample)[None]
    batch = order.give(sample[None])
    return batch if order.batch else batch[0]


def _single(value: Array) -> Array:
    """Removes the first dimension if its size is 1: it may be a batch dimension."""
    result: Array = value[0] if value.ndim and len(value) == 1 else value
    return result


# ---- ONNX

_TYPES = {
    "tensor(float)": np.float32,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
}


# Layers are compared only in models below this size: the results of layers are added as outputs of the model,
# and protobuf cannot serialize a larger model in memory.
MOST_BYTES = 2**31 - 2**20


class Onnx:
    """A model run by onnxruntime. If the package onnx is installed, and the model is smaller than MOST_BYTES,
    the result also has the tensors of layers."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        tensors: Mapping[str, Sequence[str]],
        outputs: Sequence[str] = (),
        dropped: Sequence[str] = (),
        sizes: Sequence[int] = (),
        orders: Sequence[_arrays.Order | None] = (),
    ) -> None:
        """tensors: the nodes of each layer. dropped: the ArgMax nodes at outputs for which an imported net
        returns the scores. sizes: the number of elements of each output of the net. orders: the layouts of
        the net's inputs."""
        self._orders = orders
        runtime = wanted("onnxruntime", "comparing with an ONNX file")
        model: Any = os.fspath(path)
        try:
            onnx = importlib.import_module("onnx")
        except ImportError:
            onnx = None
        self._tensors: dict[str, list[str]] = {}
        self._outputs, self._sizes = list(outputs), list(sizes)
        self._scores: list[str] = []  # _outputs with the scores of dropped ArgMax nodes; or empty
        if onnx is not None:
            loaded = onnx.load(model)
            self._outputs = self._outputs or [port.name for port in loaded.graph.output]
            if loaded.ByteSize() < MOST_BYTES:
                self._show(onnx, loaded, tensors, dropped)
                model = loaded.SerializeToString()
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self._session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._outputs = self._outputs or [port.name for port in self._session.get_outputs()]

    def _show(
        self, onnx: Any, model: Any, tensors: Mapping[str, Sequence[str]], dropped: Sequence[str]
    ) -> None:
        made: dict[str, list[str]] = {}
        for node in model.graph.node:
            results = [name for name in node.output if name]
            made.update({name: results for name in (*node.output[:1], node.name) if name and results})
        # If a node became several layers, only the last layer has the node's result. If a node has several
        # results, it is unknown which of them a layer has.
        last = {name: layer for layer, nodes in tensors.items() for name in nodes}
        for layer, nodes in tensors.items():
            own = [name for name in nodes if last[name] == layer or len(made.get(name, [])) > 1]
            self._tensors[layer] = [result for name in own for result in made.get(name, [])]
        self._outputs = [made[name][0] if name in made else name for name in self._outputs]
        if dropped:
            self._scores = _with_scores(model.graph, self._outputs, dropped)
        layers = (name for names in self._tensors.values() for name in names)
        shown = {*self._outputs, *self._scores, *layers}
        for name in sorted(shown - {port.name for port in model.graph.output}):
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))

    def _feed(self, port: Any, sample: Array, order: _arrays.Order | None) -> Array:
        sizes = [size if isinstance(size, int) else None for size in port.shape]
        ways = (_of_model(sample, order), planes_first(sample)[None], sample[None], sample)
        for value in ways:
            if len(sizes) == value.ndim and all(a in (None, b) for a, b in zip(sizes, value.shape)):
                return np.ascontiguousarray(value.astype(_TYPES.get(port.type, np.float32)))
        raise ValueError(
            f"input {port.name} of the model takes {port.shape}, but the sample is {list(sample.shape)}"
        )

    def __call__(self, sample: list[Array]) -> Values:
        ports = self._session.get_inputs()
        if len(ports) != len(sample):
            raise ValueError(f"the model has {len(ports)} inputs, but the net has {len(sample)}")
        given = itertools.zip_longest(ports, sample, self._orders)
        feed = {port.name: self._feed(port, value, order) for port, value, order in given}
        layers = (name for names in self._tensors.values() for name in names)
        names = list(dict.fromkeys([*self._outputs, *self._scores, *layers]))
        found = dict(zip(names, self._session.run(names, feed)))
        single = {name: _single(value) for name, value in found.items()}
        classes = [single[name].size for name in self._outputs] == self._sizes
        return Values(
            [single[name] for name in (self._outputs if classes or not self._scores else self._scores)],
            {layer: [single[name] for name in names] for layer, names in self._tensors.items()},
        )


# The operators that may be between a dropped ArgMax and the output.
_PASSED = ("Cast", "Squeeze", "Unsqueeze", "Reshape", "Flatten", "Identity")


def _with_scores(graph: Any, outputs: Sequence[str], dropped: Sequence[str]) -> list[str]:
    """The outputs of an imported net. The scores replace the result of a dropped ArgMax; no scores occur
    twice."""
    maker = {name: node for node in graph.node for name in node.output if name}
    found: list[str] = []
    for output in outputs:
        tensor = output
        while tensor in maker and maker[tensor].op_type in _PASSED:
            tensor = maker[tensor].input[0]
        node = maker.get(tensor)
        if node is None or node.op_type != "ArgMax" or not {node.name, *node.output} & set(dropped):
            found.append(output)
        elif node.input[0] not in (*outputs, *found):
            found.append(node.input[0])
    return found


# ---- torch


def is_module(reference: object) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(reference, torch.nn.Module)


def _flat(result: Any) -> list[Any]:
    """The tensors that a module returns, as an exporter lists them."""
    if isinstance(result, Mapping):
        result = list(result.values())
    if isinstance(result, (list, tuple)):
        return [value for part in result for value in _flat(part)]
    return [] if result is None else [result]


class Torch:
    """A torch module, with the results of its modules that have no modules inside."""

    def __init__(
        self,
        module: Any,
        layers: Mapping[str, Sequence[str]],
        known: Sequence[str],
        orders: Sequence[_arrays.Order | None],
    ) -> None:
        """orders: the layouts of the net's inputs."""
        self._torch, self._orders = importlib.import_module("torch"), orders
        self._module, self._layers, self._known = module, layers, set(known)

    def _listen(
        self, calls: dict[str, list[Array]], made: dict[int, str], folded: dict[str, str], alive: list[Any]
    ) -> list[Any]:
        norm = self._torch.nn.modules.batchnorm._BatchNorm

        def hook(name: str) -> Callable[[Any, Any, Any], None]:
            def heard(module: Any, given: Any, result: Any) -> None:
                if not isinstance(result, self._torch.Tensor):
                    return
                before = made.get(id(given[0])) if given else None
                if isinstance(module, norm) and before and name not in self._known:
                    folded[before] = name  # exporters fold batch normalization into the layer before it
                made[id(result)] = name
                alive.append(result)  # so that its id is not reused
                calls.setdefault(name, []).append(result.detach().cpu().numpy().copy())

            return heard

        parts = [
            (name, part) for name, part in self._module.named_modules() if name and not any(part.children())
        ]
        return [part.register_forward_hook(hook(name)) for name, part in parts]

    def __call__(self, sample: list[Array]) -> Values:
        tensor = [
            self._torch.from_numpy(np.ascontiguousarray(_of_model(value, order).astype(np.float32)))
            for value, order in zip(sample, self._orders)
        ]
        calls: dict[str, list[Array]] = {}
        folded: dict[str, str] = {}
        hooks = self._listen(calls, {}, folded, [])
        training = self._module.training
        try:
            self._module.eval()
            with self._torch.no_grad():
                result = self._module(*tensor)
        finally:
            self._module.train(training)
            for hook in hooks:
                hook.remove()
        outputs = [_single(output.detach().cpu().numpy()) for output in _flat(result)]
        layers: dict[str, list[Array]] = {}
        for layer, names in self._layers.items():
            found = [_call(calls, folded.get(name, name)) for name in names]
            layers[layer] = [_single(value) for value in found if value is not None]
        return Values(outputs, layers)


def _call(calls: Mapping[str, list[Array]], name: str) -> Array | None:
    """The result of a module, or of a later call of the module: exporters name the second call relu_1."""
    again = re.fullmatch(r"(.*)_(\d+)", name)
    if name in calls:
        return calls[name][0]
    if again and again[1] in calls and int(again[2]) < len(calls[again[1]]):
        return calls[again[1]][int(again[2])]
    return None


# ---- functions


def of_function(net: Net, function: Callable[[Any], Any], x: Any, layout: str, n: int) -> list[Values]:
    """The values that a function returns. Like net(x), the function gets all samples in one call."""
    result = function(x)
    ports = list(net.outputs)
    layers: Mapping[str, Any] = {}
    if isinstance(result, Mapping):
        if missing := [port.name for port in ports if port.name not in result]:
            raise ValueError(
                f"the function does not return {', '.join(missing)}; it returns {', '.join(result)}"
            )
        layers = {name: value for name, value in result.items() if name not in {port.name for port in ports}}
        result = [result[port.name] for port in ports]
    outputs = list(result) if isinstance(result, (list, tuple)) else [result]
    rows = []
    for i in range(n):
        rows.append(
            Values(
                [_row(value, i) for value in outputs],
                {name: [_row(value, i)] for name, value in layers.items()},
            )
        )
    return rows


def _row(value: Any, i: int) -> Array:
    batch: Array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    return np.asarray(batch[i])


def made_up(ports: Sequence[Port], n: int, layout: str, known: Mapping[str, _arrays.Order] = {}) -> Any:
    """n samples of noise from a fixed seed, for a caller without samples."""
    random = np.random.default_rng(1)
    found: dict[str, Array] = {}
    for port in ports:
        shape = (n, *_arrays.given_shape(port, layout, known.get(port.name)))
        if port.dtype == np.float32:
            found[port.name] = random.standard_normal(shape, np.float32)
        else:
            info = np.iinfo(port.dtype)
            found[port.name] = random.integers(info.min, info.max + 1, shape, port.dtype)
    return found if len(found) > 1 else found[ports[0].name]


def modules(nodes: Mapping[str, Sequence[str]], named: Container[str]) -> dict[str, list[str]]:
    """For each layer, the torch modules whose result the layer computes. If a module became several
    layers, only the last of these computes the result of the module. If the names of nodes contain no
    modules, as those of torch.export, a layer that the program names (in `named`) has its module's name."""
    found = {}
    for layer, names in nodes.items():
        known = [name for name in map(_listing.module, names) if name]
        found[layer] = known or ([layer] if layer in named or not names else [])
    owner = {name: layer for layer, names in found.items() for name in names}
    return {
        layer: [name for name in names if name and owner[name] == layer] for layer, names in found.items()
    }
