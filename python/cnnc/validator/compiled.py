# SPDX-License-Identifier: Apache-2.0
"""The generated C, compiled together with a function that calls it for many inputs."""

from __future__ import annotations

import ctypes
import shlex
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .program import Port, Program

C_TYPES = {"f32": ("float", np.float32), "i8": ("int8_t", np.int8), "u8": ("uint8_t", np.uint8)}
C_TYPES |= {"i16": ("int16_t", np.int16), "i32": ("int32_t", np.int32), "class": ("int32_t", np.int32)}


def _elements(port: Port) -> int:
    channels = 1 if port.form == "class" else port.shape[-1]
    return int(np.prod(port.shape[:-1], dtype=np.int64)) * channels


def output_shape(port: Port) -> tuple[int, ...]:
    return (*port.shape[:-1], 1) if port.form == "class" else port.shape


def glue(program: Program, prefix: str, header: Path) -> str:
    """C that runs n samples; a net with states is reset before each run of `calls` samples."""
    lines = [
        f'#include "{header.name}"',
        "#include <stddef.h>",
        "void cnnc_validate(void *const *in, void *const *out, size_t n, size_t calls);",
        "void cnnc_validate(void *const *in, void *const *out, size_t n, size_t calls) {",
        f"  static {prefix}_workspace workspace;",
    ]
    declared = header.read_text()
    states = f"{prefix}_step(" in declared
    arguments = [f"&{prefix}_trained"] if f"{prefix}_trained" in declared else []
    for i, port in enumerate(program.inputs):
        arguments.append(f"(const {C_TYPES[port.form][0]} *)in[{i}] + k * {_elements(port)}")
    for o, port in enumerate(program.outputs):
        arguments.append(f"({C_TYPES[port.form][0]} *)out[{o}] + k * {_elements(port)}")
    if states:
        lines.append(f"  static {prefix}_state state;")
        arguments.append("&state")
    arguments.append("&workspace")
    lines.append("  for (size_t k = 0; k < n; k++) {")
    if states:
        lines.append(f"    if (k % calls == 0) {prefix}_reset(&state);")
    name = "step" if states else "infer"
    lines += [f"    {prefix}_{name}({', '.join(arguments)});", "  }", "  (void)calls;", "}", ""]
    return "\n".join(lines)


def _pointers(arrays: list[NDArray[Any]]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


class Compiled:
    def __init__(
        self, program: Program, source: Path, prefix: str, cc: str, flags: str, folder: Path
    ) -> None:
        self.program = program
        own = folder / "validate_glue.c"
        own.write_text(glue(program, prefix, source.with_suffix(".h")))
        library = folder / "validate.so"
        command = [
            *shlex.split(cc),
            "-std=c11",
            "-shared",
            "-fPIC",
            *shlex.split(flags),
            f"-I{source.parent}",
        ]
        command += [str(source), str(own), "-lm", "-o", str(library)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise OSError(f"{shlex.join(command)}:\n{done.stderr.rstrip()}")
        self.run_all = ctypes.CDLL(str(library.resolve())).cnnc_validate
        self.run_all.restype = None

    def __call__(self, inputs: dict[str, NDArray[Any]], calls: int = 1) -> list[NDArray[Any]]:
        """The outputs, in the order of the program. inputs: arrays [N, ...] by name, as a caller passes
        them."""
        given = []
        for port in self.program.inputs:
            x = inputs[port.name]
            if port.channels_first and x.ndim == 4:
                x = x.transpose(0, 3, 1, 2)
            given.append(np.ascontiguousarray(x, C_TYPES[port.form][1]))
        n = len(given[0])
        results = [np.zeros((n, _elements(port)), C_TYPES[port.form][1]) for port in self.program.outputs]
        self.run_all(_pointers(given), _pointers(results), ctypes.c_size_t(n), ctypes.c_size_t(calls))
        return [y.reshape(n, *output_shape(port)) for y, port in zip(results, self.program.outputs)]
