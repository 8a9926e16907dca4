# SPDX-License-Identifier: Apache-2.0
"""Import of models: ONNX, and torch and Keras through ONNX."""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

from . import _listing, _tool
from ._network import Net, _word
from ._reference import wanted

OPSET = 17


def listing(model: str | os.PathLike[str], options: Sequence[str] = ()) -> list[_listing.Node]:
    """The nodes of a model, each with the operators of the language that it becomes."""
    try:
        return _listing.read(_tool.cnnc(["import", model, "--list", *options]))
    except _tool.CompileError:
        return []  # without the listing, only outputs are compared, not layers


def _size(name: str, shape: Sequence[int] | str) -> str:
    text = shape if isinstance(shape, str) else "x".join(map(str, shape))
    if not re.fullmatch(r"\d+(x\d+)*", text):
        raise ValueError(
            f"shapes must have sizes such as (1, 3, 320, 320) or '1x3x320x320', not {shape!r} for {name}"
        )
    return text


def _options(
    outputs: Sequence[str] | None,
    shapes: Mapping[str, Sequence[int] | str] | None,
    inputs: Mapping[str, str] | None,
    layout: str | None,
    set: Mapping[str, object] | None = None,
) -> list[str]:
    options = [f"--outputs={','.join(outputs)}"] if outputs else []
    for name, shape in (shapes or {}).items():
        options += ["--shape", f"{name}={_size(name, shape)}"]
    for name, kind in (inputs or {}).items():
        options += ["--input", f"{name}={kind}"]
    for name, value in (set or {}).items():
        numbers = value if isinstance(value, (list, tuple)) else [value]
        options += ["--set", f"{name}={','.join(map(_word, numbers))}"]
    return [*options, *([f"--layout={layout}"] if layout else [])]


def _with_recipe(program: Path, recipe: str) -> None:
    """Appends a train block to the net."""
    text = program.read_text(encoding="utf-8")
    end = text.rindex("}")
    body = recipe.strip()
    if re.match(r"train\s*\{", body):
        body = body[body.index("{") + 1 : body.rindex("}")]
    lines = "".join(f"        {line.strip()}\n" for line in body.strip().splitlines())
    program.write_text(f"{text[:end]}    train {{\n{lines}    }}\n{text[end:]}", encoding="utf-8")


def from_onnx(
    path: str | os.PathLike[str],
    outputs: Sequence[str] | None = None,
    shapes: Mapping[str, Sequence[int] | str] | None = None,
    *,
    inputs: Mapping[str, str] | None = None,
    set: Mapping[str, object] | None = None,
    layout: str | None = None,
    name: str | None = None,
    rename: str | os.PathLike[str] | None = None,
    train: str | None = None,
    define: Mapping[str, object] = {},
    batch: int = 1,
    threads: int = 1,
    cc: str | None = None,
    denormals: str = "flush",
) -> Net:
    """Imports an ONNX model, as `cnnc import` does.

    outputs: names of the tensors or nodes to compute; shapes: sizes of inputs with symbolic dimensions;
    inputs: {"x": "u8"} makes the input x take bytes; set: {"sr": 16000} makes the input sr a constant;
    layout="chw": the net's buffers have the channels first; "nhwc" or "nchw": the layout of the model's
    inputs; rename: a file of names for layers; train: the lines of a train block, to train the net further.
    The program is net.source."""
    base = Path(tempfile.mkdtemp(prefix="cnnc-")) / "net"
    options = _options(outputs, shapes, inputs, layout, set)
    if rename is not None:
        options.append(f"--rename={os.fspath(rename)}")
    named = name or re.sub(r"\W", "_", Path(path).stem)
    named = named if re.match(r"[A-Za-z_]", named) else f"net_{named}"
    try:
        _tool.cnnc(["import", path, *options, f"--name={named}", "-o", base])
    except Exception:
        shutil.rmtree(base.parent, ignore_errors=True)
        raise
    program, weights = base.with_suffix(".cnn"), base.with_suffix(".safetensors")
    if train is not None:
        _with_recipe(program, train)
    with warnings.catch_warnings():  # warnings concern the model, not the user's code
        warnings.simplefilter("ignore", _tool.CompileWarning)
        net = Net(
            program,
            define=define,
            batch=batch,
            threads=threads,
            cc=cc,
            denormals=denormals,
            own=True,
            weights=weights if weights.exists() else None,
        )
    net._orders.update(_listing.orders(net.source, net.inputs, net.outputs))
    net._nodes, net._tensors = _listing.tensors(listing(path, options), net.layers), list(outputs or ())
    net._import = options
    return net


# ---- torch


@contextlib.contextmanager
def _plain_attention(torch: Any) -> Iterator[None]:
    """Turns off the fast path of attention modules: its operators have no form in ONNX."""
    mha = getattr(torch.backends, "mha", None)
    if mha is None:  # not in this version of torch
        yield
        return
    before = mha.get_fastpath_enabled()
    mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        mha.set_fastpath_enabled(before)


@contextlib.contextmanager
def _own_arrays(torch: Any) -> Iterator[None]:
    """Keeps equal parameters of different modules apart: outside of training, the older exporter merges
    arrays of equal numbers, such as copies of an untrained layer. Arrays that modules share stay shared."""
    merge = getattr(torch._C, "_jit_pass_onnx_deduplicate_initializers", None)
    if merge is None:  # not in this version of torch
        yield
        return
    torch._C._jit_pass_onnx_deduplicate_initializers = lambda graph, params, _: merge(graph, params, True)
    try:
        yield
    finally:
        torch._C._jit_pass_onnx_deduplicate_initializers = merge


def _export_legacy(torch: Any, module: Any, example: tuple[Any, ...], path: str, keep: bool) -> bool:
    if "dynamo" not in inspect.signature(torch.onnx.export).parameters:
        extra = {}
    else:
        extra = {"dynamo": False}
    mode = torch.onnx.TrainingMode.PRESERVE if keep else torch.onnx.TrainingMode.EVAL
    try:
        torch.onnx.export(
            module, example, path, opset_version=OPSET, training=mode, do_constant_folding=not keep, **extra
        )
    except (TypeError, AttributeError, NotImplementedError) as error:
        if re.search("dynamo|training|unexpected keyword|is_causal", str(error)):
            return False  # torch lacks an option; is_causal: it cannot trace this attention
        raise
    return True


def _export(module: Any, example: tuple[Any, ...], path: str, keep: bool) -> None:
    torch = wanted("torch", "importing a module of torch")
    training = module.training
    module.eval()
    try:
        with warnings.catch_warnings(), torch.no_grad(), _plain_attention(torch), _own_arrays(torch):
            warnings.simplefilter("ignore")
            if hasattr(torch.onnx, "TrainingMode") and _export_legacy(torch, module, example, path, keep):
                return
            torch.onnx.export(module, example, path, dynamo=True, external_data=False, optimize=not keep)
    finally:
        module.train(training)


def from_torch(
    module: Any,
    example: Any,
    keep_batchnorm: bool = False,
    *,
    name: str | None = None,
    outputs: Sequence[str] | None = None,
    inputs: Mapping[str, str] | None = None,
    layout: str | None = None,
    train: str | None = None,
    define: Mapping[str, object] = {},
    batch: int = 1,
    threads: int = 1,
    cc: str | None = None,
    denormals: str = "flush",
) -> Net:
    """Imports a torch module with its weights. example: an example input of the module, or a tuple of
    inputs. The exporter folds batch normalization into the layer before it. keep_batchnorm keeps it as a
    layer: the net can be trained further, and all names are those of the module's state dict."""
    arguments = tuple(example) if isinstance(example, (tuple, list)) else (example,)
    halves = {str(p.dtype) for p in module.parameters()} & {"torch.float16", "torch.bfloat16"}
    if halves:
        _tool.warn(
            f"the module has weights in {' and '.join(sorted(halves))}, but the net computes in float32"
        )
    with tempfile.TemporaryDirectory(prefix="cnnc-") as folder:
        path = os.path.join(folder, "model.onnx")
        _export(module, arguments, path, keep_batchnorm)
        return from_onnx(
            path,
            outputs,
            name=name or type(module).__name__.lower(),
            inputs=inputs,
            layout=layout,
            train=train,
            define=define,
            batch=batch,
            threads=threads,
            cc=cc,
            denormals=denormals,
        )


# ---- Keras


def from_keras(
    model: Any,
    *,
    name: str | None = None,
    outputs: Sequence[str] | None = None,
    shapes: Mapping[str, Sequence[int] | str] | None = None,
    inputs: Mapping[str, str] | None = None,
    layout: str | None = None,
    train: str | None = None,
    define: Mapping[str, object] = {},
    batch: int = 1,
    threads: int = 1,
    cc: str | None = None,
    denormals: str = "flush",
) -> Net:
    """Imports a Keras model with its weights through model.export(format="onnx"), which needs the package
    tf2onnx or, with the torch backend, onnxscript."""
    with tempfile.TemporaryDirectory(prefix="cnnc-") as folder:
        path = os.path.join(folder, "model.onnx")
        model.export(path, format="onnx", verbose=False)
        return from_onnx(
            path,
            outputs,
            shapes,
            name=name or re.sub(r"\W", "_", model.name),
            inputs=inputs,
            layout=layout,
            train=train,
            define=define,
            batch=batch,
            threads=threads,
            cc=cc,
            denormals=denormals,
        )
