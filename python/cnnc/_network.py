# SPDX-License-Identifier: Apache-2.0
"""A net: compilation, inference, inspection, training and export."""

from __future__ import annotations

import difflib
import json
import os
import shutil
import tempfile
import warnings
import weakref
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence, Union

import numpy as np

from . import _arrays, _build, _facts, _tool
from ._arrays import Array
from ._library import Floats, Library, aligned

if TYPE_CHECKING:
    from ._check import Report
    from ._step import Gradients, Stepper
    from ._stream import Stream, StreamCheck
    from ._train import History

Weights = Union[str, "os.PathLike[str]", Mapping[str, Any]]
KINDS = ("c", "library", "program", "wasm", "onnx")


class Views(dict[str, Floats]):
    """The weights of a net by name, in the net's own layout. Assignments write into the arrays."""

    def __setitem__(self, name: str, value: Any) -> None:
        array, numbers = self[name], np.asarray(value)
        if numbers.shape not in ((), array.shape):
            raise ValueError(f"{name} is {array.shape} in the net, not {numbers.shape}")
        array[...] = numbers

    def update(self, *others: Any, **named: Any) -> None:
        for name, value in dict(*others, **named).items():
            self[name] = value

    def __ior__(self, others: Any) -> Views:  # type: ignore[override,misc]
        self.update(others)
        return self

    def __delitem__(self, name: str) -> None:
        raise TypeError("the weights of a net cannot be removed")


class Kept:
    """A copy of an int8 weight file, so that the caller may change or delete the file."""

    def __init__(self, path: str) -> None:
        self.given = path  # the path in messages
        folder = tempfile.mkdtemp(prefix="cnnc-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.path = os.path.join(folder, os.path.basename(path))
        shutil.copyfile(path, self.path)


class Net:
    """A compiled net. Created by functions such as cnnc.load, cnnc.compile and cnnc.from_onnx."""

    def __init__(
        self,
        path: Path,
        *,
        define: Mapping[str, object],
        batch: int,
        threads: int,
        cc: str | None,
        own: bool = False,
        weights: Weights | None = None,
        rename: Weights | None = None,
        precision: str | None = None,
        denormals: str = "flush",
    ) -> None:
        self._path, self._cwd = path, Path.cwd()  # messages have the path as the caller wrote it
        if own:  # the folder is temporary: messages have only the file's name
            weakref.finalize(self, shutil.rmtree, path.parent, ignore_errors=True)
            self._path, self._cwd = Path(path.name), path.parent
        if precision not in (None, "f32", "bf16", "f16w"):
            raise ValueError(f"precision must be 'f32', 'bf16' or 'f16w', not {precision!r}")
        if denormals not in ("flush", "keep"):
            raise ValueError(f"denormals must be 'flush' or 'keep', not {denormals!r}")
        if batch < 1 or threads < 1:
            raise ValueError("batch and threads must be at least 1")
        self._batch, self._threads, self._cc, self._denormals = batch, threads, cc, denormals
        self._own, self._define = own, dict(define)
        self._given = {"define": self._define, "batch": batch, "threads": threads}
        self._given |= {"cc": cc, "precision": precision, "denormals": denormals}
        self.quantization: dict[str, Any] | None = None  # measurements of cnnc.quantize
        self._defines = [word for name, value in define.items() for word in ("-D", f"{name}={_word(value)}")]
        self._program = [*self._defines, *([f"--precision={precision}"] if precision else [])]
        self._nodes: dict[str, list[str]] = {}  # if imported: the ONNX nodes of each layer
        self._tensors: list[str] = []  # if imported with outputs=: the names of these outputs
        self._import: list[str] = []  # if imported: the options of the import
        # the weight file of an int8 model, whose weights are constants of its code
        self._constants = _int8_file(weights) if weights is not None and rename is None else None
        self._open()
        if weights is not None and not self._constants:
            self.load_weights(weights, rename)

    def _open(self) -> None:
        """Loads the net's metadata and its code for inference."""
        fixed = [f"--weights={self._constants.given}"] if self._constants else []
        self._facts = _facts.read(self._cnnc("--emit=json", *self._program, *fixed))
        self._libraries: dict[tuple[str, ...], Library] = {}
        plain = self._library("plain")
        self._planes = [plain.planes(i) for i in range(len(self.inputs))]
        # the layouts of sequences with layout=chw, and of the inputs and outputs of an imported net
        self._orders = _arrays.declared(self.inputs, self._planes)
        self._labels = plain.labels()
        self._weights: Floats = aligned(plain.facts.parameters)
        self._filled = not plain.facts.parameters
        self._shown = False  # whether the caller has views, which can change the weights
        self._packed: dict[tuple[str, ...], tuple[int, Floats]] = {}  # keys: options of the library
        self._stepper: Stepper | None = None
        if plain.facts.starts:
            plain.start(self._weights)
            self._filled = True

    def __reduce__(self) -> tuple[Any, ...]:
        from ._copy import restore, state

        return restore, (state(self),)

    # ---- facts

    @property
    def name(self) -> str:
        return self._facts.name

    @property
    def inputs(self) -> tuple[_facts.Port, ...]:
        return self._facts.inputs

    @property
    def outputs(self) -> tuple[_facts.Port, ...]:
        return self._facts.outputs

    @property
    def layers(self) -> tuple[_facts.Layer, ...]:
        return self._facts.layers

    @property
    def parameters(self) -> int:
        return self._facts.totals["parameters"] or 0

    @property
    def macs(self) -> int:
        return self._facts.totals["macs"] or 0

    @property
    def workspace_bytes(self) -> int:
        return self._library("plain").facts.workspace_bytes

    @property
    def labels(self) -> list[str]:
        """The names of the classes; empty without labels in the program."""
        return list(self._labels)

    @property
    def source(self) -> str:
        """The text of the program."""
        return (self._cwd / self._path).read_text(encoding="utf-8")

    def summary(self) -> str:
        """The table of layers, as cnnc prints it."""
        return self._cnnc("--emit=summary", *self._options())

    def __repr__(self) -> str:
        arrow = f"{', '.join(map(str, self.inputs))} -> {', '.join(map(str, self.outputs))}"
        return f"<cnnc.Net {self.name}: {arrow}, {self.parameters:,} parameters>"

    # ---- libraries

    def _cnnc(self, *options: str | os.PathLike[str]) -> str:
        return _tool.cnnc([self._path, *options], self._cwd)

    def _options(self) -> list[str]:
        return [*self._program, "--target=native", f"--batch={self._batch}", *self._fixed()]

    def _fixed(self) -> list[str]:
        return [f"--weights={self._constants.path}"] if self._constants else []

    def _library(self, kind: str, more: tuple[str, ...] = ()) -> Library:
        """kind: `plain`: inference; `look`: the values of all layers; `train`: training, with the same code
        as in executables that cnnc builds. more: further options of cnnc."""
        key = (kind, *more)
        if key not in self._libraries:
            openmp = self._threads > 1 or kind == "train"
            options = {"plain": ["--network"], "look": ["--network=look"], "train": ["--train"]}[kind]
            with tempfile.TemporaryDirectory(prefix="cnnc-") as folder:
                source = Path(folder) / "net.c"
                with warnings.catch_warnings():  # the first compilation has issued the warnings
                    warnings.simplefilter("ignore", _tool.CompileWarning)
                    self._cnnc(
                        *self._options(),
                        *options,
                        *more,
                        "--prefix=net",
                        "--embed=text",
                        f"--denormals={self._denormals}",
                        f"--threads={'openmp' if openmp else 'none'}",
                        "-o",
                        source,
                    )
                path = _build.shared_library(
                    source,
                    "net_network",
                    self._cc,
                    "-O1" if kind == "look" else "-O3",
                    openmp and self._threads > 1,
                )
            self._libraries[key] = Library(path)
        return self._libraries[key]

    # ---- weights

    @property
    def weights(self) -> dict[str, Floats]:
        """The arrays by name, as views: writing to them changes the weights of the net."""
        self._need_weights()
        self._need_floats("its weights are constants of its code")
        self._shown = True
        return Views(
            {
                w.name: self._weights[w.offset : w.offset + w.size].reshape(w.shape)
                for w in self._facts.weights
            }
        )

    def _need_weights(self) -> None:
        if not self._filled:
            raise ValueError(
                f"net {self.name} has no weights yet: pass weights= to load(), or call load_weights() "
                "or train()"
            )

    def _need_floats(self, why: str) -> None:
        if self._constants:
            raise ValueError(f"net {self.name} is an int8 model: {why}")

    def _need_trainable(self) -> None:
        self._need_floats("train the float net, and quantize that (net.quantize)")
        if self._facts.totals.get("training_bytes") is None:
            raise ValueError(
                f"the program of net {self.name} has no train block; "
                "the minimum is train { loss = cross_entropy }"
            )

    def load_weights(self, weights: Weights, rename: Weights | None = None) -> None:
        """Reads weights from a file (.safetensors, .npz, PyTorch's; FILE:KEY) or from arrays by name. Every
        name and shape must be the net's. rename: a file of lines `theirs = ours`, or a dict. An int8
        weight file makes the net an int8 model."""
        constants = _int8_file(weights)
        if constants and rename is not None:
            raise ValueError(
                "rename is for float weights: the names in an int8 weight file are always the program's"
            )
        before, warning = dict(vars(self)), ""
        try:
            if constants or self._constants:
                self._constants = constants
                self._open()
            if not constants:
                warning = self._load_floats(weights, rename)
        except BaseException:
            vars(self).update(before)  # restores the libraries, too
            raise
        if warning and not isinstance(weights, Views):
            _tool.warn(warning)

    def _load_floats(self, weights: Weights, rename: Weights | None) -> str:
        """Returns a warning, or an empty text."""
        with tempfile.TemporaryDirectory(prefix="cnnc-") as folder:
            path = _npz(Path(folder), weights) if isinstance(weights, Mapping) else os.fspath(weights)
            names = None
            if isinstance(rename, Mapping):
                names = os.path.join(folder, "names.txt")
                Path(names).write_text(
                    "".join(f"{theirs} = {ours}\n" for theirs, ours in rename.items()), "utf-8"
                )
            elif rename is not None:
                names = os.fspath(rename)
            warning = self._library("plain").load(path, names, self._weights)
        self._filled, self._packed, self._stepper = True, {}, None
        return warning

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the weights as .safetensors, or as .npz if the path ends in .npz. For an int8 model, save
        copies the .safetensors file that was loaded."""
        self._need_weights()
        if self._constants:
            target = Path(path)
            if target.suffix != ".safetensors":
                raise ValueError(f"int8 weights are written as .safetensors, not as '{target.name}'")
            if not (target.exists() and target.samefile(self._constants.path)):
                shutil.copyfile(self._constants.path, target)
            return
        self._library("plain").save(os.fspath(path), self._weights)

    def _model(self, more: tuple[str, ...] = ()) -> Floats:
        """The weights, packed for the kernels of a library."""
        self._need_weights()
        mark = zlib.crc32(self._weights.data.cast("B")) if self._shown else 0
        if more not in self._packed or self._packed[more][0] != mark:
            self._packed[more] = mark, self._library("plain", more).pack(self._weights)
        return self._packed[more][1]

    # ---- inference

    def __call__(self, x: Any, layout: str = "hwc") -> Any:
        """The outputs for a sample or a batch: an array, or a dict by name for several outputs. Pass several
        inputs as a dict by name. layout="chw": input and output images have the channels first, as in
        torch; inputs and outputs of an imported model have the model's shape."""
        inputs, batched = _arrays.take_all(self.inputs, x, layout, self._planes, self._orders)
        outputs = map(_arrays.typed, self.outputs, self._infer(inputs))
        result = {
            port.name: _arrays.give(port, output, layout, batched, self._orders.get(port.name))
            for port, output in zip(self.outputs, outputs)
        }
        return result if len(result) > 1 else result[self.outputs[0].name]

    def _infer(self, inputs: list[Array]) -> list[Floats]:
        """The outputs as floats; of an output `as class`, the scores."""
        count = len(inputs[0])
        whole = -(-count // self._batch) * self._batch
        if whole > count:  # pad the last call with zeros
            inputs = [np.concatenate([a, np.zeros((whole - count, *a.shape[1:]), a.dtype)]) for a in inputs]
        library = self._library("plain")
        outputs = _arrays.output_rooms(library, self.outputs, whole)
        library.infer(self._model(), inputs, outputs, whole, self._threads)
        return [output[:count] for output in outputs]

    def stream(
        self, rows: int | None = None, *, slide: int | None = None, lookahead: int = 0
    ) -> Stream:
        """Returns a stream, which computes the net in steps: s = net.stream(3); y = s(x). x has the rows of
        any number of steps. rows: the number of rows per step. slide, instead of rows: the number of rows
        from one window to the next, for a net with one result per window. If the net declares states,
        pass neither rows nor slide. lookahead: the number of rows by which outputs may be late."""
        from ._stream import Stream, options

        chosen = options(rows, slide, lookahead)
        self._need_weights()
        return Stream(self, chosen)

    def check_stream(
        self, x: Any, n: int = 1, *, slide: int | None = None, lookahead: int = 0
    ) -> StreamCheck:
        """Compares the outputs of the net in steps of n rows (with slide: in windows) with its outputs for
        the whole sequence. Returns the largest difference, and the first row that differs."""
        from ._stream import check

        self._need_weights()
        return check(self, x, n, slide, lookahead)

    # ---- values of layers

    def features(self, x: Any, layer: str, layout: str = "hwc") -> Floats:
        """The value of a layer of the program for a sample or a batch, computed without fusion."""
        self._need_floats("only its outputs can be inspected")
        names = [known.name for known in self.layers]
        if layer not in names:
            near = difflib.get_close_matches(layer, names, 1)
            raise ValueError(
                f"the net has no layer '{layer}'"
                + (f"; did you mean '{near[0]}'?" if near else "; summary() lists them all")
            )
        inputs, batched = _arrays.take_all(self.inputs, x, layout, self._planes, self._orders)
        shape = self.layers[names.index(layer)].shape
        rows = [row[layer] for row in self._look(inputs, [layer])]
        values = np.stack(rows) if rows else np.empty((0, *shape), np.float32)
        return _arrays.give(_facts.Port(layer, shape, np.dtype(np.float32)), values, layout, batched)

    def _look(self, inputs: list[Array], layers: Sequence[str]) -> list[dict[str, Floats]]:
        """For each sample, the values of these layers, each in the shape of its layer."""
        self._need_weights()
        library = self._library("look")
        memory = library.look(self._weights)
        places = {name: library.place(i) for i, name in enumerate(library.layers())}
        shapes = {layer.name: layer.shape for layer in self.layers}
        rows = []
        for n in range(len(inputs[0])):
            sample = [np.ascontiguousarray(array[n]) for array in inputs]
            library.look_at(memory, self._weights, sample)
            row: dict[str, Floats] = {}
            for name in layers:
                place, size = places[name], int(np.prod(shapes[name]))
                value = sample[-1 - place].reshape(-1) if place < 0 else memory[place : place + size]
                row[name] = value.astype(np.float32).reshape(shapes[name])
            rows.append(row)
        return rows

    def check(
        self, reference: Any, x: Any = None, n: int = 4, tolerance: float = 1e-4, layout: str = "hwc"
    ) -> Report:
        """Compares the net with a reference model, and each layer for which the reference has a value.

        reference: an ONNX file (run by onnxruntime), a torch module, or a function. The function is called
        with x, and returns the outputs, or a dict of outputs and layers by name. x: a batch; by default, n
        random samples."""
        from ._check import check

        return check(self, reference, x, n, tolerance, layout)

    # ---- training

    def train(
        self,
        x: Any,
        y: Any = None,
        validation: Any = None,
        epochs: int | None = None,
        batch: int | None = None,
        rate: float | None = None,
        seed: int | None = None,
        callback: Callable[[dict[str, float]], object] | None = None,
        layout: str = "hwc",
    ) -> History:
        """Trains as the train block specifies, starting from the net's weights, if it has any. Keeps the
        weights of the best epoch, or without validation of the last epoch.

        x, y: arrays, or dicts of arrays by name (x: of inputs; y: of outputs). Without y, x is the path of a
        data set, or an iterable of batches (x, y), such as torch's DataLoader. validation: the validation
        samples as (x, y), or the fraction of the training samples that is used for validation (0.1 by
        default; 0: no validation). If x is an iterable of batches, validation is (x, y), another iterable of
        batches, or None (no validation). callback: a function that gets a dict after each epoch, and ends the
        training by returning False. layout="chw": images and maps have the channels first."""
        from ._train import train

        return train(self, x, y, validation, epochs, batch, rate, seed, callback, layout)

    def evaluate(self, x: Any, y: Any = None, layout: str = "hwc") -> dict[str, float]:
        """Returns loss and metrics on samples (arrays, or an iterable of batches), or on the test part of
        a data set."""
        from ._train import evaluate

        return evaluate(self, x, y, layout)

    def gradients(
        self, x: Any, y: Any = None, dloss: Any = None, seed: int | None = None, layout: str = "hwc"
    ) -> Gradients:
        """Returns the loss of a batch, the outputs of the net in training mode, and the gradient of the loss
        for each weight. No weight changes. y and dloss as for step; x has at most as many samples as the
        train block's batch."""
        return self._steps(seed).gradients(x, y, dloss, layout)

    def step(
        self,
        x: Any,
        y: Any = None,
        dloss: Any = None,
        rate: float | None = None,
        epoch: float | None = None,
        seed: int | None = None,
        layout: str = "hwc",
    ) -> float:
        """Updates the weights once with the train block's optimizer, on a batch. Returns the loss before the
        update.

        y: the targets of the program's loss. dloss: used without y, for a loss of your own in a net with
        `loss = linear`. dloss is the gradient of the batch's loss with respect to the outputs, or a function
        that takes the outputs in training mode and returns (loss, gradient). If dloss is a gradient, step
        returns the sum of output times gradient as the loss. rate: the learning rate; by default the rate of
        the program's schedule after `epoch` epochs (None: the initial rate). seed: for new weights and
        dropout; pass it to the first step."""
        return self._steps(seed, rate).step(x, y, dloss, rate, epoch, layout)

    def _steps(self, seed: int | None, rate: float | None = None) -> Stepper:
        from ._step import Stepper, check_numbers

        check_numbers(rate, seed)
        if self._stepper is None or seed is not None:
            self._stepper = Stepper(self, seed)
        return self._stepper

    def quantize(
        self, x: Any = None, y: Any = None, path: str | os.PathLike[str] | None = None, **options: Any
    ) -> Net:
        """Returns an int8 model of the net, calibrated on samples; see cnnc.quantize(net, x, y, path,
        ...)."""
        from ._quantize import quantize

        return quantize(self, x, y, path, **options)

    # ---- writing

    def export(
        self, folder: str | os.PathLike[str], kind: str = "c", target: str | None = None
    ) -> list[Path]:
        """Writes the net with its weights into a folder and returns the files that were written. kind: "c"
        (with a header), "library" (with build files), "program", "wasm" or "onnx"."""
        if kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
        self._need_weights()
        base = Path(folder).absolute()
        base.mkdir(parents=True, exist_ok=True)
        output = {
            "c": base / f"{self.name}.c",
            "library": base,
            "program": base / self.name,
            "wasm": base / f"{self.name}.wasm",
            "onnx": base / f"{self.name}.onnx",
        }[kind]
        options = [*self._program, *([f"--target={target}"] if target else [])]
        if kind in ("c", "library", "program", "wasm") and self._batch > 1:
            options.append(f"--batch={self._batch}")
        if kind == "library":
            options.append("--emit=library")
        before = {path: path.stat().st_mtime_ns for path in base.rglob("*")}
        with tempfile.TemporaryDirectory(prefix="cnnc-") as scratch:
            if self._constants:
                options += self._fixed()
            elif self.parameters:
                weights = os.path.join(scratch, "weights.safetensors")
                self.save(weights)
                options.append(f"--weights={weights}")
            if kind in ("program", "wasm") and self._cc:
                options.append(f"--cc={self._cc}")
            self._cnnc(*options, "-o", output)
        return sorted(
            path for path in base.rglob("*") if path.is_file() and before.get(path) != path.stat().st_mtime_ns
        )


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _int8_file(weights: Weights) -> Kept | None:
    """A copy of the weight file if it is a .safetensors file whose metadata describe an int8 model; else
    None."""
    if isinstance(weights, Mapping) or not os.path.isfile(weights):
        return None
    with open(weights, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > os.path.getsize(weights) or file.read(1) != b"{":
            return None
        text = b"{" + file.read(size - 1)
    try:
        metadata = json.loads(text).get("__metadata__", {})
    except ValueError:
        return None
    return Kept(os.path.abspath(weights)) if "cnnc.quantization" in metadata else None


def _npz(folder: Path, weights: Mapping[str, Any]) -> str:
    path = folder / "weights.npz"
    arrays = {name: np.asarray(getattr(value, "detach", lambda: value)()) for name, value in weights.items()}
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return str(path)


def load(
    path: str | os.PathLike[str],
    weights: Weights | None = None,
    define: Mapping[str, object] = {},
    batch: int = 1,
    threads: int = 1,
    cc: str | None = None,
    rename: Weights | None = None,
    precision: str | None = None,
    denormals: str = "flush",
) -> Net:
    """Compiles a program, FILE.cnn, for this machine. weights, rename: as for Net.load_weights; define:
    values for the program's consts; batch: number of samples per call; threads: the number of threads, which
    does not change results; cc: the C compiler; precision: "bf16" computes products with bf16 numbers, "f16w"
    stores weights in half precision. A precision in the program overrides this argument. denormals: "flush"
    treats subnormal floats as zeros during a call, because some CPUs are slow on them; "keep" does not."""
    return Net(
        Path(path),
        define=define,
        batch=batch,
        threads=threads,
        cc=cc,
        weights=weights,
        rename=rename,
        precision=precision,
        denormals=denormals,
    )


def compile(
    text: str,
    weights: Weights | None = None,
    define: Mapping[str, object] = {},
    batch: int = 1,
    threads: int = 1,
    cc: str | None = None,
    rename: Weights | None = None,
    precision: str | None = None,
    denormals: str = "flush",
) -> Net:
    """Compiles the text of a program, with the arguments of load."""
    try:
        source = text.encode()
    except UnicodeEncodeError as error:
        raise _tool.CompileError(f"the program is not valid Unicode: {error}") from None
    path = Path(tempfile.mkdtemp(prefix="cnnc-")) / "net.cnn"
    path.write_bytes(source)
    return Net(
        path,
        define=define,
        batch=batch,
        threads=threads,
        cc=cc,
        own=True,
        weights=weights,
        rename=rename,
        precision=precision,
        denormals=denormals,
    )
