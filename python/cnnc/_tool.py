# SPDX-License-Identifier: Apache-2.0
"""Search for cnnc and its runtime, and calls of cnnc, whose messages are parsed."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

log = logging.getLogger("cnnc")


@dataclass(frozen=True)
class Diagnostic:
    """A message of cnnc, with its place in the source. `slug` is for `cnnc --explain=SLUG`."""

    slug: str | None
    file: str | None
    line: int | None
    column: int | None
    message: str
    notes: tuple[Diagnostic, ...] = ()
    help: tuple[str, ...] = ()
    severity: str = "error"


class CompileError(Exception):
    """A program, a model or weights that cnnc rejects."""

    def __init__(self, text: str, diagnostics: Sequence[Diagnostic] = ()) -> None:
        super().__init__(text)
        self.diagnostics = list(diagnostics)


class ToolError(Exception):
    """A tool is missing or failed: cnnc, its runtime, or the C compiler."""


class CompileWarning(UserWarning):
    """A warning of cnnc."""


@dataclass(frozen=True)
class Tools:
    """The files of an installed cnnc, or of one in a build folder."""

    cnnc: Path
    folders: tuple[Path, ...] = field(repr=False)

    def find(self, what: str, *places: str) -> Path:
        for folder in self.folders:
            for place in places:
                for found in sorted(folder.glob(place)):
                    return found.resolve()
        raise ToolError(
            f"{what} is not next to {self.cnnc}: install cnnc (make install), or the package cnnc"
        )

    @property
    def runtime(self) -> Path:
        """libcnn.so; in a release libcnn.a, which also contains the libraries that it needs."""
        name, whole = "libcnn.so.0", "lib/libcnn.a"
        places = (
            f".libs/{name}",
            f"lib/{name}",
            f"lib64/{name}",
            f"lib/*/{name}",
            name,
        )  # lib/*: Debian's lib/CPU-linux-gnu
        return self.find("libcnn", *places, whole)

    @property
    def include(self) -> Path:
        return self.find("cnn.h", "include/cnn.h", "runtime/include/cnn.h").parent

    @property
    def cmake(self) -> Path:
        name = "cnncConfig.cmake"
        file = f"cmake/cnnc/{name}"
        build = f"cmake/{name}"
        return self.find(name, f"lib/{file}", f"lib64/{file}", f"lib/*/{file}", build).parent


def _here() -> Path:
    return Path(__file__).resolve().parent


def _source_tree() -> Path | None:
    tree = _here().parent.parent
    return tree if (tree / "configure.ac").is_file() and (tree / "runtime/include/cnn.h").is_file() else None


def tools() -> Tools:
    """Finds cnnc: $CNNC, or the executable of this package, of its source tree, or on the PATH."""
    own, tree = _here() / "prefix", _source_tree()
    given = os.environ.get("CNNC")
    candidates = (
        [shutil.which(given) or given]
        if given
        else [
            str(own / "bin/cnnc"),
            *([str(tree / "build/cnnc")] if tree else []),
            shutil.which("cnnc") or "",
        ]
    )
    for candidate in candidates:
        if not candidate or not os.access(candidate, os.X_OK) or Path(candidate).is_dir():
            continue
        cnnc = Path(candidate).resolve()
        named = os.environ.get("CNNC_RUNTIME")
        folders = [*([Path(named)] if named else []), cnnc.parent, cnnc.parent.parent]
        return Tools(cnnc, (*folders, *([tree] if tree else [])))
    raise ToolError(
        f"$CNNC is '{given}', which is not a program"
        if given
        else "cnnc was not found: install the package cnnc, or set $CNNC to its path"
    )


def environment() -> dict[str, str]:
    """The environment of cnnc. $CNNC_ZIG is the command of the package ziglang, which cnnc uses for --os, or
    if there is no other C compiler. $CNNC_RUNTIMES is the folder of the package cnnc-runtimes."""
    found: dict[str, str] = {}
    if importlib.util.find_spec("ziglang"):
        found["CNNC_ZIG"] = shlex.join([sys.executable, "-m", "ziglang"])
    runtimes = importlib.util.find_spec("cnnc_runtimes")
    if runtimes and runtimes.origin:
        found["CNNC_RUNTIMES"] = str(Path(runtimes.origin).parent)
    return {**found, **os.environ}


def run(
    arguments: Sequence[str | os.PathLike[str]], cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    command = [str(tools().cnnc), *(os.fspath(word) for word in arguments)]
    return subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, errors="replace", check=False
    )


def _diagnostic(row: dict[str, Any]) -> Diagnostic:
    return Diagnostic(
        row["slug"],
        row["file"],
        row["line"],
        row["column"],
        row["message"],
        tuple(map(_diagnostic, row["notes"])),
        tuple(map(_from_python, row["help"])),
        row["severity"],
    )


def _read(text: str) -> list[Diagnostic]:
    try:
        rows = json.loads(text or "[]")
    except ValueError:
        return []
    return [_diagnostic(row) for row in rows]


# Command-line options in the help of messages, and their equivalents in Python.
_SAYS: tuple[tuple[str, str], ...] = (
    (r"--shape[= ]([^\s=]+)=([^\s,;]+)", r'shapes={"\1": "\2"}'),
    (r"--input[= ]([^\s=]+)=([^\s,;]+)", r'inputs={"\1": "\2"}'),
    (r"--set[= ]([^\s=]+)=([^\s,;]+)", r'set={"\1": \2}'),
    (r"-D ([^\s=]+)=([^\s,;]+)", r'define={"\1": \2}'),
    (r"--(outputs)[= ]([^\s]+)", r'\1="\2".split(",")'),
    (r"--(layout|rename|weights|name)[= ]([^\s,;]+)", r'\1="\2"'),
)


def _from_python(text: str) -> str:
    """Replaces options in help texts with the arguments of this package's functions."""
    for option, argument in _SAYS:
        text = re.sub(option, argument, text)
    return text


def _help_from_python(text: str) -> str:
    return re.sub(r"^.*= help: .*$", lambda line: _from_python(line[0]), text, flags=re.M)


def warn(text: str) -> None:
    """Issues a warning at the line that called this package: the innermost frame outside of the package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, CompileWarning, stacklevel=level)


def quantize(arguments: Sequence[str | os.PathLike[str]], cwd: Path | None = None) -> None:
    """Runs `cnnc quantize`, whose messages are plain text. Notes on the data set go to the log."""
    done = run(["quantize", *arguments], cwd)
    text = _help_from_python(done.stderr.rstrip())
    if done.returncode:
        error = CompileError if done.returncode == 1 else ToolError
        raise error(text or f"cnnc ended with status {done.returncode}")
    for line in re.findall(r"^data: .*", text, re.M):
        log.info("%s", line)
    if rest := re.sub(r"^data: .*\n?", "", text, flags=re.M).strip():
        warn(rest)


def cnnc(arguments: Sequence[str | os.PathLike[str]], cwd: Path | None = None) -> str:
    """Runs cnnc and returns its output. Its warnings become Python's; its errors are raised."""
    done = run([*arguments, "--diagnostics=json"], cwd)
    if done.returncode == 0:
        for told in _read(done.stderr):
            where = (
                f"{told.file}:{told.line}:{told.column}: "
                if told.line
                else f"{told.file}: " if told.file else ""
            )
            helps = "".join(f"\n= help: {line}" for line in told.help)
            warn(f"{where}{told.message} [{told.slug}]{helps}")
        return done.stdout
    if done.returncode == 1:
        text = run([*arguments, "--color=never"], cwd).stderr.rstrip()
        raise CompileError(_help_from_python(text), _read(done.stderr))
    raise ToolError(done.stderr.rstrip() or f"cnnc ended with status {done.returncode}")
