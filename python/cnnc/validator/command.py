# SPDX-License-Identifier: Apache-2.0
"""The command python3 -m cnnc validate, which compares the generated C of an int8 net with docs/int8.md."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import program as programs
from .arithmetic import to_floats
from .compiled import Compiled
from .net import Net, Unsupported, Value
from .program import Port, Program
from .samples import Inputs, Samples, together
from .weights import Weights

CALLS = 3  # number of consecutive inputs for a net with states

DESCRIPTION = """Computes an int8 net in integers, as docs/int8.md defines it, without the compiler's
code. Compares these results with the outputs of the generated C, on random inputs, on the limits of the
stored numbers, and on inputs that drive sums to their bounds. If a number differs, prints the first
difference and ends with status 1."""


def _count(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not an integer") from None
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is less than 0")
    return number


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python3 -m cnnc validate", description=DESCRIPTION)
    parser.add_argument("net", type=Path, metavar="NET.cnn")
    parser.add_argument(
        "--weights", type=Path, required=True, metavar="W", help="the int8 weights (.safetensors)"
    )
    parser.add_argument(
        "--c", type=Path, metavar="NET.c", help="the generated C; without it cnnc generates it"
    )
    parser.add_argument("--prefix", help="the prefix of the C names (default: the net's name)")
    parser.add_argument(
        "--options", default="", help="options of cnnc, for the program and the C: '-O0 -Dn=3'"
    )
    parser.add_argument("--samples", type=_count, default=200, metavar="N", help="random inputs (200)")
    parser.add_argument("--seed", type=_count, default=1, metavar="N", help="seed of the random inputs (1)")
    parser.add_argument(
        "--search",
        type=_count,
        default=4,
        metavar="N",
        help="number of deeper layers for which inputs with extreme sums are searched (4)",
    )
    parser.add_argument(
        "--data", type=Path, metavar="FILE.npz", help="your inputs: an array [N, ...] for each input, by name"
    )
    parser.add_argument("--cc", default=os.environ.get("CC", "cc"), help="the C compiler ($CC or cc)")
    parser.add_argument("--cflags", default="-O2", help="its options (-O2)")
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="output of `cnnc --emit=json` for the program; with --c, cnnc is then not run",
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE.json", help="writes the result and the hashes of all files"
    )
    return parser.parse_args(arguments)


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{shlex.join(command)}:\n{done.stderr.rstrip()}")
    return done.stdout


def _describe(options: argparse.Namespace, cnnc: list[str]) -> Program:
    if options.json:
        return programs.read(json.loads(options.json.read_text()))
    more = [
        word
        for word in shlex.split(options.options)
        if word.startswith(("-D", "--shape", "--input", "--outputs"))
    ]
    return programs.read(json.loads(_run([*cnnc, str(options.net), "--emit=json", *more])))


def _own_inputs(path: Path, program: Program) -> Inputs:
    arrays = np.load(path)
    made = {}
    for port in program.inputs:
        if port.name not in arrays:
            raise ValueError(f"{path}: no array {port.name}")
        made[port.name] = arrays[port.name]
        if made[port.name].shape[1:] != port.shape:
            raise ValueError(f"{path}: {port.name} is {made[port.name].shape}; must be N x {port.shape}")
    return made


def expected(net: Net, port: Port) -> Any:
    """The numbers that the caller gets for an output; None: they depend on a float layer."""
    value: Value = net.values[port.layer]
    if value.numbers is None:
        return None
    if port.form == "class":
        return value.numbers.argmax(-1)[..., None].astype(np.int32)
    if port.form == "f32":
        return value.numbers if not value.quant else to_floats(value.numbers, value.quant)
    assert value.quant
    return (value.numbers + (128 if port.form == "u8" else 0)).astype(
        np.uint8 if port.form == "u8" else np.int8
    )


class Comparison:
    """Compares outputs, and counts inputs and differences."""

    def __init__(self, net: Net, compiled: Compiled) -> None:
        self.net, self.compiled = net, compiled
        self.inputs = self.different = 0
        self.first = ""
        self.unknown: set[str] = set()
        self.sums: dict[str, tuple[int, int]] = {}

    def check(self, title: str, inputs: Inputs) -> None:
        n, size = len(next(iter(inputs.values()))), self._portion(inputs)
        for begin in range(0, n, size):
            part = {name: x[begin : begin + size] for name, x in inputs.items()}
            rest = len(next(iter(part.values()))) % CALLS if self.net.program.states else 0
            if rest:  # repeats the last inputs to complete the last run of CALLS inputs
                part = {
                    name: np.concatenate([x, x[rest - CALLS :][: CALLS - rest]]) for name, x in part.items()
                }
            self._check(f"{title} {begin}", part)

    def _portion(self, inputs: Inputs) -> int:
        """The number of inputs per computation, which then needs about 100 MB."""
        numbers = max(int(np.prod(layer.shape)) for layer in self.net.program.layers.values())
        portion = max(CALLS, 4_000_000 // max(numbers, 1))
        return portion // CALLS * CALLS if self.net.program.states else portion

    def _check(self, title: str, inputs: Inputs) -> None:
        n = len(next(iter(inputs.values())))
        calls = CALLS if self.net.program.states and n >= CALLS else 1
        bad = np.zeros(n, bool)
        results = self._expected(inputs, n, calls)
        for o, (port, found) in enumerate(zip(self.net.program.outputs, self.compiled(inputs, calls))):
            wanted = results[o]
            if wanted is None:
                self.unknown.add(port.name)
                continue
            wanted = wanted.reshape(found.shape)
            same = (found == wanted) | ((found != found) & (wanted != wanted))
            bad |= ~same.reshape(n, -1).all(1)
            if not same.all() and not self.first:
                at = tuple(int(i) for i in np.argwhere(~same)[0])
                where = f"{title} + {at[0]}: {port.name}{list(at[1:])}"
                self.first = f"{where} is {found[at]}, must be {wanted[at]}"
        self.inputs += n
        self.different += int(bad.sum())

    def _expected(self, inputs: Inputs, n: int, calls: int) -> list[NDArray[Any] | None]:
        """The outputs of n inputs. In a net with states, each run has `calls` consecutive inputs."""
        outputs = self.net.program.outputs
        made: list[NDArray[Any] | None] = [None] * len(outputs)
        self.net.reset()
        if calls == 1:
            self.net.run(inputs)
            self._count_sums()
            return [expected(self.net, port) for port in outputs]
        whole = n // calls * calls
        for t in range(calls):
            self.net.run({name: x[t:whole:calls] for name, x in inputs.items()})
            self._count_sums()
            for o, port in enumerate(outputs):
                part = expected(self.net, port)
                if part is None:
                    continue
                if made[o] is None:
                    made[o] = np.zeros((n, *part.shape[1:]), part.dtype)
                made[o][t:whole:calls] = part  # type: ignore[index]
        return made

    def _count_sums(self) -> None:
        for name, (lo, hi) in self.net.sums.items():
            old = self.sums.get(name, (0, 0))
            self.sums[name] = (min(old[0], int(lo.min())), max(old[1], int(hi.max())))


def _bounds(net: Net) -> dict[str, int]:
    """By layer: an upper bound of the absolute value of its sums, for any inputs; without conv_transpose."""
    bounds = {}
    for layer in net.program.layers.values():
        name = layer.owner + ".weight"
        if layer.name not in net.sums:
            continue
        quant = net.values[layer.inputs[0]].quant
        assert quant
        lo, hi = quant.limits
        weight = np.abs(net.weights[name].astype(np.int64))
        if layer.operator == "conv_transpose":
            continue
        each = weight.reshape(len(weight), -1).sum(1) * max(quant.zero - lo, hi - quant.zero)
        bias = net.weights.arrays.get(layer.owner + ".bias")
        bounds[layer.name] = int((each + (0 if bias is None else np.abs(bias.astype(np.int64)))).max())
    return bounds


def _inputs(options: argparse.Namespace, comparison: Comparison, samples: Samples) -> None:
    net = comparison.net
    n = max(options.samples, 2)
    comparison.check("limits", samples.limits())
    comparison.check("random", samples.uniform(n // 2))
    comparison.check("contrast", samples.contrasts(n - n // 2))
    outside = samples.outside()
    if outside:
        comparison.check("outside", outside)
    driven = samples.driven(net.weights, net.program, max(2, min(32, n // 4)))
    if driven:
        comparison.check("driven", driven)
    deeper = sorted(net.sums, key=lambda name: -int(np.prod(net.program.layers[name].shape)))[
        : options.search
    ]

    def measure(inputs: Inputs) -> dict[str, Any]:
        net.reset()
        net.run(inputs)
        return net.sums

    found = samples.searched(measure, deeper, 4) if options.search else None
    if found:
        comparison.check("searched", found)
    if options.data:
        comparison.check(str(options.data), _own_inputs(options.data, net.program))


def _way_on(net: Net) -> str:
    """Returns what to change if every output depends on layers in float, as text."""
    layers = net.program.layers.values()
    known = {name for name, value in net.values.items() if value.numbers is not None and value.quant}
    ends = [
        name
        for name in net.program.layers
        if name in known and any(name in layer.inputs and layer.name not in known for layer in layers)
    ]
    if ends:
        last = net.program.layers[ends[-1]]
        return f"with an output after {last.name} (line {last.line}), the int8 layers up to it are compared"
    return "no int8 layer is before a layer in float, so none has a defined result"


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _report(
    options: argparse.Namespace, comparison: Comparison, source: Path, cnnc: list[str]
) -> dict[str, Any]:
    files = {"net": options.net, "weights": options.weights, "c": source, "header": source.with_suffix(".h")}
    bounds = _bounds(comparison.net)
    return {
        "inputs": comparison.inputs,
        "different": comparison.different,
        "first": comparison.first or None,
        "compared": [p.name for p in comparison.net.program.outputs if p.name not in comparison.unknown],
        "not_compared": sorted(comparison.unknown),
        "float_layers": sorted(comparison.net.floats),
        "sums": {
            name: {"least": lo, "most": hi, "bound": bounds.get(name)}
            for name, (lo, hi) in comparison.sums.items()
        },
        "seed": options.seed,
        "cc": f"{options.cc} {options.cflags}",
        "cnnc": _run([*cnnc, "--version"]).splitlines()[0] if not options.json else None,
        "sha256": {name: _hash(path) for name, path in files.items() if path.exists()},
    }


def validate(options: argparse.Namespace, cnnc: list[str], folder: Path) -> int:
    begin = time.monotonic()
    program = _describe(options, cnnc)
    weights = Weights(options.weights)
    source = options.c
    prefix = options.prefix or program.net
    if source is None:
        source = folder / "net.c"
        words = [
            str(options.net),
            f"--weights={options.weights}",
            f"--prefix={prefix}",
            *shlex.split(options.options),
        ]
        _run([*cnnc, *words, "-o", str(source)])
    net = Net(program, weights)
    comparison = Comparison(net, Compiled(program, source, prefix, options.cc, options.cflags, folder))
    _inputs(options, comparison, Samples(program, weights, options.seed))
    if options.report:
        options.report.write_text(json.dumps(_report(options, comparison, source, cnnc), indent=2) + "\n")
    for name in sorted(comparison.unknown):
        layers = ", ".join(sorted(net.floats))
        print(f"{options.net}: output {name} is not compared: it depends on layers in float ({layers})")
    if len(comparison.unknown) == len(program.outputs):
        print(f"{options.net}: nothing to compare: every output depends on layers in float")
        print(f"{options.net}: {_way_on(net)}")
        return 1
    if comparison.first:
        print(f"{options.net}: first difference: {comparison.first}")
    seconds = time.monotonic() - begin
    print(f"{options.net}: {comparison.inputs} inputs, {comparison.different} differ; {seconds:.1f} s")
    return 1 if comparison.different else 0


def main(arguments: list[str], cnnc: list[str]) -> int:
    options = _options(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="cnnc-validate.") as folder:
            return validate(options, cnnc, Path(folder))
    except (OSError, ValueError, KeyError, OverflowError, Unsupported) as error:
        print(f"cnnc: error: {error}", file=sys.stderr)
        return 2
