# SPDX-License-Identifier: Apache-2.0
"""The generated C, compiled together with a function that calls it for many inputs."""

from __future__ import annotations

import ctypes
import re
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


def _defined(header: str, name: str) -> int | None:
    """The number of a macro in NAME.h."""
    found = re.search(rf"^#define {re.escape(name.upper())} +(\d+)\b", header, re.M)
    return int(found[1]) if found else None


def _check_sizes(program: Program, header: str, prefix: str, path: Path) -> None:
    for port in program.inputs + program.outputs:
        size = _defined(header, f"{prefix}_{port.name}_SIZE")
        if size not in (None, _elements(port)):
            raise ValueError(
                f"{path}: {port.name} has {size} elements, but {_elements(port)} in the program: its C is "
                "for other options, or for one step of a stream"
            )


def glue(program: Program, prefix: str, header: Path) -> str:
    """C that makes n calls. Each call computes the next `batch` samples. A net with states is reset before
    each run of `steps` calls."""
    lines = [
        f'#include "{header.name}"',
        "#include <stddef.h>",
        "void cnnc_validate(void *const *in, void *const *out, size_t n, size_t steps);",
        "void cnnc_validate(void *const *in, void *const *out, size_t n, size_t steps) {",
        f"  static {prefix}_workspace workspace;",
    ]
    declared = header.read_text()
    states, batch = f"{prefix}_step(" in declared, _defined(declared, f"{prefix}_BATCH") or 1
    arguments = [f"&{prefix}_trained"] if f"{prefix}_trained" in declared else []
    for i, port in enumerate(program.inputs):
        arguments.append(f"(const {C_TYPES[port.form][0]} *)in[{i}] + k * {batch * _elements(port)}")
    for o, port in enumerate(program.outputs):
        arguments.append(f"({C_TYPES[port.form][0]} *)out[{o}] + k * {batch * _elements(port)}")
    if states:
        lines.append(f"  static {prefix}_state state;")
        arguments.append("&state")
    arguments.append("&workspace")
    lines.append("  for (size_t k = 0; k < n; k++) {")
    if states:
        lines.append(f"    if (k % steps == 0) {prefix}_reset(&state);")
    name = "step" if states else "infer"
    lines += [f"    {prefix}_{name}({', '.join(arguments)});", "  }", "  (void)steps;", "}", ""]
    return "\n".join(lines)


def _pointers(arrays: list[NDArray[Any]]) -> Any:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


class Compiled:
    def __init__(
        self, program: Program, source: Path, prefix: str, cc: str, flags: str, folder: Path
    ) -> None:
        self.program = program
        header = source.with_suffix(".h")
        declared = header.read_text()
        _check_sizes(program, declared, prefix, header)
        self.batch = _defined(declared, f"{prefix}_BATCH") or 1
        own = folder / "validate_glue.c"
        own.write_text(glue(program, prefix, header))
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

    def _arranged(self, x: NDArray[Any], runs: int, calls: int) -> NDArray[Any]:
        """The samples in the order of the calls: each call computes one sample of each of `batch` runs. The
        last run is repeated until the number of runs is a multiple of the batch."""
        x = x.reshape(runs, calls, *x.shape[1:])
        x = np.concatenate([x, x[-1:].repeat(-runs % self.batch, 0)])
        x = x.reshape(-1, self.batch, *x.shape[1:]).swapaxes(1, 2)
        return np.ascontiguousarray(x)

    def __call__(self, inputs: dict[str, NDArray[Any]], calls: int = 1) -> list[NDArray[Any]]:
        """The outputs, in the order of the program. inputs: arrays [N, ...] by name, as a caller passes
        them. Each `calls` consecutive samples are one run from the initial state; `calls` divides N."""
        given = []
        for port in self.program.inputs:
            x = inputs[port.name]
            if port.channels_first and x.ndim == 4:
                x = x.transpose(0, 3, 1, 2)
            runs = len(x) // calls
            given.append(self._arranged(x.astype(C_TYPES[port.form][1]), runs, calls))
        groups = len(given[0])
        results = [
            np.zeros((groups, calls, self.batch, _elements(port)), C_TYPES[port.form][1])
            for port in self.program.outputs
        ]
        self.run_all(
            _pointers(given), _pointers(results), ctypes.c_size_t(groups * calls), ctypes.c_size_t(calls)
        )
        flat = [y.swapaxes(1, 2).reshape(-1, y.shape[-1])[: runs * calls] for y in results]
        return [y.reshape(len(y), *output_shape(port)) for y, port in zip(flat, self.program.outputs)]
