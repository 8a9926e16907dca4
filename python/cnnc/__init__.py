# SPDX-License-Identifier: Apache-2.0
"""Python interface of cnnc: compiles neural networks to C, and calls them.

    net = cnnc.load("net.cnn", weights="net.safetensors")
    scores = net(images)

See docs/python.md."""

from . import _needs  # noqa: F401  (first: it reports that numpy is missing)
from ._check import LayerCheck, Report
from ._exchange import from_keras, from_onnx, from_torch
from ._facts import Layer, Port
from ._keras import convert
from ._network import Net, compile, load
from ._quantize import quantize
from ._step import Gradients
from ._stream import Stream, StreamCheck
from ._tool import CompileError, CompileWarning, Diagnostic, ToolError
from ._train import History

__all__ = [
    "CompileError",
    "CompileWarning",
    "Diagnostic",
    "Gradients",
    "History",
    "Layer",
    "LayerCheck",
    "Net",
    "Port",
    "Report",
    "Stream",
    "StreamCheck",
    "ToolError",
    "compile",
    "convert",
    "from_keras",
    "from_onnx",
    "from_torch",
    "load",
    "quantize",
]
__version__ = "0.1.0"
