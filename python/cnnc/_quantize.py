# SPDX-License-Identifier: Apache-2.0
"""Post-training quantization: `cnnc quantize` on the caller's arrays."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence

from . import _tool
from ._train import _data, is_loader

if TYPE_CHECKING:
    from ._network import Net


def quantize(
    net: Net,
    x: Any = None,
    y: Any = None,
    path: str | os.PathLike[str] | None = None,
    *,
    samples: int | None = None,
    calibrate: str | None = None,
    rounding: str | None = None,
    precision: str | None = None,
    keep: Sequence[str] = (),
    fallback: str | None = None,
    max_loss: float | None = None,
    per_tensor: bool = False,
    reduce_range: bool = False,
    equalize: bool = True,
    bias_correction: bool = True,
    layout: str = "hwc",
) -> Net:
    """Quantizes a net with float weights, as `cnnc quantize` does, and returns the int8 model.

    x: calibration samples (an array, a dict of arrays by the names of the inputs, an iterable of batches, or
    the path of a data set); not needed if training recorded the ranges. y: the targets of the samples, with
    which the accuracies of both nets are compared; optional. path: also writes the int8 weights there, as
    .safetensors. layout: as for net(x). The other arguments are options of `cnnc quantize`. The attribute
    `quantization` of the result has the measurements."""
    from ._network import Net

    net._need_floats("it cannot be quantized again")
    net._need_weights()
    if path is not None and Path(path).suffix != ".safetensors":
        raise ValueError(f"int8 weights are written as .safetensors, not as '{Path(path).name}'")
    if y is None and is_loader(x):
        from ._step import as_arrays

        x, y = as_arrays(x)
    values = {
        "samples": samples,
        "calibrate": calibrate,
        "rounding": rounding,
        "precision": precision,
        "fallback": fallback,
    }
    options = [f"--{name}={value}" for name, value in values.items() if value is not None]
    options += [f"--keep={','.join(keep)}"] if keep else []
    options += [f"--max-loss={max_loss}"] if max_loss is not None else []
    flags = {
        "--per-tensor": per_tensor,
        "--reduce-range": reduce_range,
        "--no-equalize": not equalize,
        "--no-bias-correction": not bias_correction,
    }
    options += [flag for flag, given in flags.items() if given]
    options += [f"--cc={net._cc}"] if net._cc else []
    with tempfile.TemporaryDirectory(prefix="cnnc-") as scratch:
        folder = Path(scratch)
        weights, out, report = (
            folder / "float.safetensors",
            folder / "int8.safetensors",
            folder / "report.json",
        )
        net.save(weights)
        data = []
        if x is not None:
            given = _data(folder, net, x, y, layout=layout)  # cnnc runs in the program's folder
            data = [f"--data={os.path.abspath(given) if os.path.exists(given) else given}"]
        program = (net._cwd / net._path).absolute()
        command: list[str | os.PathLike[str]] = [
            program,
            f"--weights={weights}",
            *data,
            *net._defines,
            *options,
        ]
        _tool.quantize([*command, f"--report={report}", "-o", out], net._cwd)
        if path is not None:
            shutil.copyfile(out, path)
        if net._own:  # `program` is deleted with `net`
            program = Path(shutil.copy(program, tempfile.mkdtemp(prefix="cnnc-")))
        quantized = Net(
            program,
            define=net._define,
            batch=net._batch,
            threads=net._threads,
            denormals=net._denormals,
            cc=net._cc,
            own=net._own,
            weights=out,
        )
        quantized.quantization = json.loads(report.read_text(encoding="utf-8"))
    return quantized
