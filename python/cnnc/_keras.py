# SPDX-License-Identifier: Apache-2.0
"""Conversion of Keras weights (.keras, .h5) to .safetensors; needs the package h5py."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import warnings
import zipfile
from pathlib import Path
from typing import Any, Iterator, Mapping

import numpy as np

from ._arrays import Array
from ._library import Floats
from ._reference import wanted
from ._tool import CompileWarning

MEMBERS = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "alpha": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "bias": "bias",
}
KERNEL = ("kernel", "bias")
SEPARABLE = ("depthwise_kernel", "pointwise_kernel", "bias")
NORM = ("gamma", "beta")
# CELL: the variables of a recurrent cell. GATES: for each kind of layer, the indices of Keras's gates in
# PyTorch's order.
CELL = ("kernel", "recurrent_kernel", "bias")
GATES = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "SimpleRNN": (0,)}
# Names of the dense layers of MultiHeadAttention: in a .keras file, and in a .h5 file.
ATTENTION = {
    "query_dense": "query",
    "key_dense": "key",
    "value_dense": "value",
    "output_dense": "attention_output",
}
# The variables of a layer, in the order of a .keras file.
VARIABLES: dict[str, tuple[str, ...]] = {
    "Conv1D": KERNEL,
    "Conv2D": KERNEL,
    "Conv1DTranspose": KERNEL,
    "Conv2DTranspose": KERNEL,
    "DepthwiseConv1D": KERNEL,
    "DepthwiseConv2D": KERNEL,
    "Dense": KERNEL,
    "SeparableConv1D": SEPARABLE,
    "SeparableConv2D": SEPARABLE,
    "BatchNormalization": (*NORM, "moving_mean", "moving_variance"),
    "LayerNormalization": NORM,
    "GroupNormalization": NORM,
    "PReLU": ("alpha",),
}


def _layers(config: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The class and the configuration of each layer, also inside nested models."""
    inner = config.get("config", {})
    rows = inner.get("layers", []) if isinstance(inner, Mapping) else []
    for row in rows:
        yield from _layers(row)
        yield row["class_name"], row["config"]
    if isinstance(inner, Mapping) and isinstance(inner.get("layer"), Mapping):  # such as Bidirectional
        yield from _layers({"config": {"layers": [inner["layer"]]}})


def _classes(config: Mapping[str, Any]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    return {settings["name"]: (kind, settings) for kind, settings in _layers(config) if "name" in settings}


def _present(kind: str, settings: Mapping[str, Any]) -> list[str]:
    """The names of the variables that a layer with these settings has."""
    absent = {
        name
        for name, flag in (("bias", "use_bias"), ("gamma", "scale"), ("beta", "center"))
        if not settings.get(flag, True)
    }
    return [name for name in VARIABLES[kind] if name not in absent]


def _turned(kind: str, name: str, w: Array) -> Floats:
    """Converts a weight to cnnc's layout, such as [h][w][in][out] to [out][in][h][w]."""
    if name == "depthwise_kernel" or (kind.startswith("Depthwise") and name == "kernel"):
        spatial = w.ndim - 2
        w = w.transpose(spatial, spatial + 1, *range(spatial)).reshape(-1, 1, *w.shape[:spatial])
    elif name == "alpha":
        if w.ndim > 1 and int(np.prod(w.shape[:-1])) != 1:
            raise ValueError(
                f"a PReLU with a slope for each position ({'x'.join(map(str, w.shape))}) is not supported: "
                "cnnc has one slope per channel (shared_axes=[1, 2])"
            )
        w = w.reshape(-1)
    elif w.ndim > 1:
        w = w.transpose(w.ndim - 1, w.ndim - 2, *range(w.ndim - 2))
    return np.ascontiguousarray(w, np.float32)


def _gates(kind: str, w: Array) -> Floats:
    """Moves the last axis, a block for each gate, to the front, in PyTorch's order of gates."""
    order = GATES[kind]
    blocks = w.T.reshape(len(order), -1, *w.shape[:-1])[list(order)]
    return np.ascontiguousarray(blocks.reshape(-1, *w.shape[:-1]), np.float32)


class _Weights:
    """The weights that were read, by their names in cnnc."""

    def __init__(self, classes: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
        self.classes = classes
        self.arrays: dict[str, Floats] = {}
        self.unknown: dict[str, str] = {}

    def recurrent(self, layer: str) -> tuple[str, Mapping[str, Any]] | None:
        """The kind and settings of the cells of a recurrent layer, also of a bidirectional one."""
        kind, settings = self.classes.get(layer, ("", {}))
        if kind == "Bidirectional":
            kind, settings = settings["layer"]["class_name"], settings["layer"]["config"]
        return (kind, settings) if kind in GATES else None

    def put(self, layer: str, key: str, value: Floats) -> None:
        if key in self.arrays:
            raise ValueError(f"two layers are called '{layer}': rename one of them in Keras")
        self.arrays[key] = value

    def add_cell(self, layer: str, kind: str, suffix: str, cell: Mapping[str, Array]) -> None:
        """Adds one direction of a recurrent layer. PyTorch has two biases. Keras's GRU may have both;
        otherwise the second is zero."""
        end = f"_l0{suffix}"
        self.put(layer, f"{layer}.weight_ih{end}", _gates(kind, cell["kernel"]))
        self.put(layer, f"{layer}.weight_hh{end}", _gates(kind, cell["recurrent_kernel"]))
        if "bias" in cell:
            bias = cell["bias"]
            both = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
            self.put(layer, f"{layer}.bias_ih{end}", _gates(kind, both[0]))
            self.put(layer, f"{layer}.bias_hh{end}", _gates(kind, both[1]))

    def is_attention(self, layer: str) -> bool:
        return self.classes.get(layer, ("", {}))[0] == "MultiHeadAttention"

    def add_attention(self, layer: str, parts: Mapping[str, Mapping[str, Array]]) -> None:
        """Adds the four dense layers in the form of nn.MultiheadAttention. Keras's kernels are
        [in][heads][channels], except that of attention_output: [heads][channels][out]."""
        sides = [parts[name]["kernel"] for name in list(ATTENTION.values())[:3]]
        last = parts["attention_output"]["kernel"]
        matrices = [side.reshape(side.shape[0], -1).T for side in sides]
        channels = {*(len(matrix) for matrix in matrices), matrices[0].shape[1], last.shape[-1]}
        if last.ndim != 3 or len(channels) > 1:
            raise ValueError(
                f"the MultiHeadAttention '{layer}' is not supported: the query, all heads together and the "
                "output must have the same number of channels"
            )
        if len({matrix.shape[1] for matrix in matrices}) == 1:
            joined = np.concatenate(matrices)
            self.put(layer, f"{layer}.in_proj_weight", np.ascontiguousarray(joined, np.float32))
        else:
            for name, matrix in zip("qkv", matrices):
                weight = np.ascontiguousarray(matrix, np.float32)
                self.put(layer, f"{layer}.{name}_proj_weight", weight)
        matrix = last.reshape(-1, last.shape[-1]).T
        self.put(layer, f"{layer}.out_proj.weight", np.ascontiguousarray(matrix, np.float32))
        if "bias" in parts["query"]:
            bias = [parts[name]["bias"].reshape(-1) for name in list(ATTENTION.values())[:3]]
            self.put(layer, f"{layer}.in_proj_bias", np.concatenate(bias).astype(np.float32))
            self.put(layer, f"{layer}.out_proj.bias", parts["attention_output"]["bias"].astype(np.float32))

    def add(self, layer: str, kind: str, name: str, value: Array) -> None:
        part = ""
        if kind.startswith("Separable"):
            part = ".depthwise" if name == "depthwise_kernel" else ".pointwise"
        member = "weight" if name == "pointwise_kernel" else MEMBERS[name]
        self.put(layer, f"{layer}{part}.{member}", _turned(kind, name, value))


def _function(value: Any) -> str:
    """The name of an activation: a word, None, or a serialized function or layer."""
    if isinstance(value, Mapping):
        inner = value.get("config")
        value = inner if isinstance(inner, str) else value.get("registered_name") or value.get("class_name")
    return str(value or "linear").lower()


def _sides(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The configurations of the layers that a Bidirectional layer contains."""
    sides = [settings.get(side) for side in ("layer", "backward_layer")]
    return [side["config"] for side in sides if isinstance(side, Mapping)]


def _other_arithmetic(kind: str, settings: Mapping[str, Any]) -> list[str]:
    """The settings of a recurrent layer with which Keras computes what lstm, gru and rnn cannot."""
    found = []
    if kind == "Bidirectional":
        merge = settings.get("merge_mode", "concat")
        if merge != "concat":
            found.append(f"merge_mode={merge!r}")
        sides = [settings.get(side) for side in ("layer", "backward_layer")]
        for i, side in enumerate(side for side in sides if isinstance(side, Mapping)):
            own = dict(side["config"], go_backwards=bool(side["config"].get("go_backwards")) != (i == 1))
            found += [words for words in _other_arithmetic(side["class_name"], own) if words not in found]
        return found
    if kind not in GATES:
        return found
    possible = {"activation": ("tanh", "relu") if kind == "SimpleRNN" else ("tanh",)}
    if kind != "SimpleRNN":
        possible["recurrent_activation"] = ("sigmoid",)
    for name, functions in possible.items():
        function = _function(settings.get(name, functions[0]))
        if function not in functions:
            found.append(f"{name}={function!r}")
    return [*found, *(["go_backwards=True"] if settings.get("go_backwards") else [])]


def _read_cell(variables: Any, found: _Weights, layer: str, suffix: str) -> None:
    kind, settings = found.recurrent(layer) or ("", {})
    names = [name for name in CELL if name != "bias" or settings.get("use_bias", True)]
    if len(names) == len(variables):
        cell = {name: variables[str(i)][()] for i, name in enumerate(names)}
        found.add_cell(layer, kind, suffix, cell)
    else:
        found.unknown[layer] = kind


def _read_attention(group: Any, found: _Weights, layer: str) -> None:
    parts: dict[str, dict[str, Array]] = {}
    for name, child in group.items():
        part = ATTENTION.get(name.lstrip("_"))  # Keras 3.0 saves the name of the private attribute
        if part and "vars" in child:
            variables = child["vars"]
            parts[part] = {key: variables[str(i)][()] for i, key in enumerate(KERNEL) if str(i) in variables}
    if len(parts) == len(ATTENTION):
        found.add_attention(layer, parts)
    else:
        found.unknown[layer] = "MultiHeadAttention"


def _read_native(group: Any, found: _Weights, owner: str = "", suffix: str = "") -> None:
    """Reads the groups of model.weights.h5. Each group has its variables by number, and the name of its
    layer. owner: the recurrent layer that contains a cell."""
    variables, last = group.get("vars"), group.name.split("/")[-1]
    layer = _text(last if variables is None else variables.attrs.get("name", last))
    if found.is_attention(layer):
        _read_attention(group, found, layer)
        return
    if found.recurrent(layer):
        owner, suffix = layer, ""
    suffix = "_reverse" if last == "backward_layer" else suffix
    if owner and last == "cell" and variables is not None:
        _read_cell(variables, found, owner, suffix)
    elif variables is not None and len(variables):
        kind, settings = found.classes.get(layer, ("", {}))
        names = _present(kind, settings) if kind in VARIABLES else []
        if len(names) == len(variables):
            for i, name in enumerate(names):
                found.add(layer, kind, name, variables[str(i)][()])
        elif not re.search(r"(^|/)seed_generator", group.name):
            found.unknown[layer] = kind or "layer"
    for name, child in group.items():
        if name != "vars" and hasattr(child, "items"):
            _read_native(child, found, owner, suffix)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _read_legacy(group: Any, found: _Weights) -> None:
    """Reads the groups of an .h5 file: arrays with names such as block/conv1/kernel:0."""
    cells: dict[tuple[str, str], dict[str, Array]] = {}
    attentions: dict[str, dict[str, dict[str, Array]]] = {}
    for outer in group.values():
        for raw in outer.attrs.get("weight_names", ()):
            path = _text(raw)
            parts = path.split(":")[0].split("/")
            layer, name = (parts[-2] if len(parts) > 1 else outer.name.split("/")[-1]), parts[-1]
            kind = found.classes.get(layer, ("", {}))[0]
            around = [part for part in (outer.name.split("/")[-1], *parts) if found.recurrent(part)]
            attention = [part for part in (outer.name.split("/")[-1], *parts) if found.is_attention(part)]
            if attention and name in KERNEL and layer in ATTENTION.values():
                attentions.setdefault(attention[-1], {}).setdefault(layer, {})[name] = outer[path][()]
            elif around and name in CELL:
                backward = any(part.startswith("backward_") for part in parts)
                cells.setdefault((around[0], "_reverse" if backward else ""), {})[name] = outer[path][()]
            elif kind in VARIABLES and name in (*VARIABLES[kind], "depthwise_kernel"):
                found.add(layer, kind, name, outer[path][()])
            else:
                found.unknown[layer] = kind or "layer"
    for layer, dense in attentions.items():
        found.add_attention(layer, dense)
    for (layer, suffix), cell in cells.items():
        kind = (found.recurrent(layer) or ("", {}))[0]
        if "kernel" in cell and "recurrent_kernel" in cell:
            found.add_cell(layer, kind, suffix, cell)
        else:
            found.unknown[layer] = kind


def _read(path: Path) -> _Weights:
    h5py = wanted("h5py", "reading weights of Keras")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if "model.weights.h5" not in names or "config.json" not in names:
                raise ValueError(f"{path} is not a Keras model: it has no config.json and model.weights.h5")
            found = _Weights(_classes(json.loads(archive.read("config.json"))))
            with h5py.File(io.BytesIO(archive.read("model.weights.h5")), "r") as file:
                _read_native(file, found)
        return found
    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise ValueError(
                f"{path} contains only weights, without the model: "
                "save the whole model with model.save('model.keras')"
            )
        found = _Weights(_classes(json.loads(_text(file.attrs["model_config"]))))
        _read_legacy(file["model_weights"] if "model_weights" in file else file, found)
    return found


def _write(path: Path, arrays: Mapping[str, Floats]) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "keras"}}  # Keras flattens in cnnc's order
    at = 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in arrays.values():
            file.write(array.astype("<f4").tobytes())
    os.replace(temporary, path)


def convert(model: str | os.PathLike[str], weights: str | os.PathLike[str]) -> list[str]:
    """Writes the weights of a Keras model (.keras, .h5) as .safetensors, in cnnc's layouts. Returns their
    names: the layers' names in Keras, with a suffix such as .weight or .running_mean."""
    source, target = Path(model), Path(weights)
    if target.suffix != ".safetensors":
        raise ValueError(f"weights are written as .safetensors, not as '{target.name}'")
    if not source.is_file():
        raise FileNotFoundError(f"no such file: {source}")
    found = _read(source)
    for layer, kind in found.unknown.items():
        warnings.warn(
            f"the weights of {layer}, a {kind}, are not written: cnnc has no such layer",
            CompileWarning,
            stacklevel=2,
        )
    inner = {id(side) for _, settings in found.classes.values() for side in _sides(settings)}
    for layer, (kind, settings) in found.classes.items():
        words = [] if id(settings) in inner else _other_arithmetic(kind, settings)
        if words:
            warnings.warn(
                f"{layer} ({kind}) has {' and '.join(words)}, which lstm, gru and rnn of cnnc do not "
                "compute: with these weights, a net has other outputs than the Keras model",
                CompileWarning,
                stacklevel=2,
            )
    _write(target, found.arrays)
    return list(found.arrays)
