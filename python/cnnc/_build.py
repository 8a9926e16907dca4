# SPDX-License-Identifier: Apache-2.0
"""Compilation of C to shared libraries: search for a C compiler, and a cache of compiled libraries."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Sequence

from ._tool import ToolError, tools

OLDEST_CLANG, NEWEST_CLANG = 14, 29
WANTED = (
    "no C compiler was found: install clang or gcc, or `pip install 'cnnc[cc]'` for the package ziglang; "
    "$CNNC_CC or cc= names another one"
)


def compiler(cc: str | None = None) -> list[str]:
    """The command of the C compiler: cc=, $CNNC_CC, clang, gcc, zig or the package ziglang, in this order."""
    given = cc or os.environ.get("CNNC_CC")
    if given:
        command = shlex.split(given)
        if not command or shutil.which(command[0]) is None:
            raise ToolError(f"the C compiler '{given}' was not found")
        return command
    for name in ("clang", *(f"clang-{n}" for n in range(NEWEST_CLANG, OLDEST_CLANG - 1, -1)), "gcc"):
        if shutil.which(name):
            return [name]
    baseline = "-mcpu=baseline"  # no instructions beyond the baseline, as with the other compilers
    if shutil.which("zig"):
        return ["zig", "cc", baseline]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc", baseline]
    raise ToolError(WANTED)


def _run(
    command: Sequence[str | os.PathLike[str]], zig_local: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [os.fspath(word) for word in command],
        env=_zig_environment(zig_local) if zig_local else None,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        check=False,
    )


def _zig_environment(local: str) -> dict[str, str]:
    """Environment variables for zig. Zig's C libraries are in cnnc's cache, or in $ZIG_GLOBAL_CACHE_DIR.
    All other files of zig's cache are in a temporary folder: zig does not notice changes of files that
    assembly code includes, and would reuse an old object."""
    return {"ZIG_GLOBAL_CACHE_DIR": str(cache() / "zig"), **os.environ, "ZIG_LOCAL_CACHE_DIR": local}


def _version(command: list[str]) -> str:
    done = _run([*command, "--version"])
    if done.returncode:
        raise ToolError(f"the C compiler '{shlex.join(command)}' does not run:\n{done.stderr.rstrip()}")
    return done.stdout


def cache() -> Path:
    """The folder of compiled libraries: $XDG_CACHE_HOME/cnnc, or ~/.cache/cnnc."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "cnnc"


def _compile(
    command: list[str], sources: Sequence[Path], output: Path, flags: Sequence[str], openmp: bool
) -> None:
    runtime = tools().runtime
    # Each net uses the runtime in its own library, even if the process has loaded another runtime.
    own = ["-Wl,-Bsymbolic", "-lpthread"] if runtime.suffix == ".a" else []
    common: list[str | os.PathLike[str]] = [
        *command,
        "-std=c11",
        "-fPIC",
        "-shared",
        "-fno-stack-protector",
        *flags,
        *sources,
        runtime,
        *own,
        "-lm",
        "-o",
        output,
    ]
    with tempfile.TemporaryDirectory(prefix="cnnc-") as zig:
        done = _run([*common, "-fopenmp"], zig) if openmp else None
        if done is None or done.returncode:  # without OpenMP: one thread, with the same results
            done = _run(common, zig)
    if done.returncode:
        raise ToolError(f"the C compiler '{shlex.join(command)}' failed:\n{done.stderr.rstrip()}")


def shared_library(source: Path, network: str, cc: str | None, optimise: str, openmp: bool) -> Path:
    """The library that contains a net's C and the bridge. The name of its folder is a hash of everything that
    it is built from, so that a change leads to a new library. The library is written under a temporary name,
    because two processes may build it at the same time."""
    command = compiler(cc)
    bridge = Path(__file__).resolve().parent / "bridge.c"
    include, runtime = tools().include, tools().runtime
    flags = [optimise, f"-DNETWORK={network}", f"-I{include}"]
    key = hashlib.sha256()
    for part in (*command, _version(command), network, optimise, str(openmp), str(runtime)):
        key.update(part.encode() + b"\0")
    for file in (source, source.with_suffix(".h"), bridge, *sorted(include.glob("*.h")), runtime):
        key.update(file.read_bytes())
    folder = cache() / key.hexdigest()[:32]
    library = folder / "net.so"
    if library.is_file():
        return library
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(suffix=".so", prefix=".net-", dir=folder)
    os.close(handle)
    try:
        _compile(command, [source, bridge], Path(temporary), flags, openmp)
        os.replace(temporary, library)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return library
