# SPDX-License-Identifier: Apache-2.0
"""Pickling of nets: the program with its imports, the options, and the weights."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _tool

if TYPE_CHECKING:
    from ._network import Net

# Attributes that are copied as they are.
_FACTS = ("quantization", "_nodes", "_tensors", "_import", "_orders")


def _sources(net: Net) -> list[Path]:
    """The files that the compiler reads for the program, without those of its own library."""
    with tempfile.TemporaryDirectory(prefix="cnnc-") as folder:
        rule = Path(folder) / "rule"
        net._cnnc("--emit=json", *net._program, "-MF", rule)
        words = re.findall(r"(?:\\.|\$\$|[^\s\\$])+", rule.read_text(encoding="utf-8").partition(":")[2])
    paths = [re.sub(r"\\(.)|\$(\$)", lambda found: found[1] or found[2], word) for word in words]
    library = [folder / "share" for folder in _tool.tools().folders] + [
        folder / "lib" for folder in _tool.tools().folders
    ]
    files = [(net._cwd / path).resolve() for path in paths]
    return [file for file in files if not any(own in file.parents for own in library)]


def state(net: Net) -> dict[str, Any]:
    """What restore needs to make an equal net."""
    main = (net._cwd / net._path).resolve()
    files = {main, *_sources(net)}
    root = Path(os.path.commonpath([file.parent for file in files]))
    constants = net._constants
    return {
        "files": {str(file.relative_to(root)): file.read_bytes() for file in files},
        "main": str(main.relative_to(root)),
        "options": net._given,
        "weights": net._weights.copy() if net._filled and not constants else None,
        "constants": Path(constants.path).read_bytes() if constants else None,
        "facts": {name: getattr(net, name) for name in _FACTS},
    }


def restore(state: dict[str, Any]) -> Net:
    from ._network import Net

    root = Path(tempfile.mkdtemp(prefix="cnnc-"))
    for name, data in state["files"].items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    weights = None
    if state["constants"]:
        weights = root / "int8.safetensors"
        weights.write_bytes(state["constants"])
    net = Net(root / state["main"], own=True, weights=weights, **state["options"])
    weakref.finalize(net, shutil.rmtree, root, ignore_errors=True)
    if state["weights"] is not None:
        net._weights[:] = state["weights"]
        net._filled = True
    for name, value in state["facts"].items():
        setattr(net, name, value)
    return net
