#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The GitHub Action of cnnc: measures each net of $NETS in this checkout and in a checkout of $BASE. Prints a
table, appends the table to $GITHUB_STEP_SUMMARY, and fails if a net exceeds a limit. action.yml describes the
variables.

Flash and RAM are the numbers of `cnnc --emit=json`, without the code. The accuracy is measured by `eval` of
an executable for this machine, built from the same program and weights."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

# Options for boards, which are omitted when the executable for this machine is built.
BOARD = re.compile(r"--(cpu|target|flash|ram|flash-wait)=")


class Refused(Exception):
    """Raised for a net that cannot be measured; the text is the reason."""


@dataclass
class Size:
    flash: int | None
    ram: int | None
    accuracy: float | None


def setting(name: str) -> str:
    return os.environ.get(name, "").strip()


def fail(text: str) -> NoReturn:
    print(f"::error::{text}")
    sys.exit(1)


def size_of(text: str) -> int | None:
    """The number of bytes in a text such as 256K."""
    if not text:
        return None
    found = re.fullmatch(r"(\d+)([KMG]?)", text)
    return int(found[1]) << (10 * " KMG".index(found[2] or " ")) if found else fail(f"'{text}' is not a size")


def number_of(name: str) -> float:
    try:
        return float(setting(name) or 0)
    except ValueError:
        fail(f"{name} must be a number, not '{setting(name)}'")


def unpack(archive: str, folder: Path) -> str:
    """Unpacks the archive of a release after a check of its hash; returns the path of cnnc."""
    path = Path(archive)
    if "://" in archive:
        path = folder / "archive.tar.gz"
        urllib.request.urlretrieve(archive, path)
    wanted = setting("SHA256")
    if wanted and hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
        fail(f"{archive} does not have the hash {wanted}")
    with tarfile.open(path) as tar:
        tar.extractall(folder, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(folder)
    (cnnc,) = folder.glob("cnnc-*/bin/cnnc")
    return str(cnnc)


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        raise Refused(done.stderr.strip() or f"{command[0]} ended with status {done.returncode}")
    return done.stdout


def accuracy_of(cnnc: str, net: list[str], folder: Path, data: str) -> float | None:
    if not data or not any(word.startswith("--weights=") for word in net):
        return None
    with tempfile.TemporaryDirectory() as made:
        program = f"{made}/net"
        run([cnnc, *(word for word in net if not BOARD.match(word)), "-o", program], folder)
        found = json.loads(run([program, "eval", "--data", data, "--json"], folder))
        return found["metrics"].get("accuracy")


def measure(cnnc: str, net: list[str], folder: Path, data: str) -> Size:
    board = json.loads(run([cnnc, *net, "--emit=json"], folder)).get("board", {})
    accuracy = accuracy_of(cnnc, net, folder, data)
    return Size(board.get("flash_bytes"), board.get("ram_bytes"), accuracy)


def exceeded(now: Size, before: Size | None) -> list[str]:
    """A message for each limit that a net exceeds."""
    found = []
    for what in ("flash", "ram"):
        name, value, most = (
            what.upper() if what == "ram" else what,
            getattr(now, what),
            setting(f"MAX_{what.upper()}"),
        )
        old = getattr(before, what) if before else None
        if value is None:
            continue
        if (limit := size_of(most)) is not None and value > limit:
            found.append(f"{name}: {value:,} bytes exceed {limit:,}")
        growth = number_of(f"{what.upper()}_GROWTH")
        if old is not None and value > old * (1 + growth / 100):
            found.append(f"{name}: {value:,} bytes, before {old:,}, which is more than {growth:g} % growth")
    loss = number_of("ACCURACY_LOSS")
    if before and before.accuracy is not None and now.accuracy is not None:
        if now.accuracy < before.accuracy - loss:
            found.append(
                f"accuracy: {now.accuracy:.4f}, before {before.accuracy:.4f}, a fall of more than {loss:g}"
            )
    return found


def cell(now: float | None, before: float | None, form: str) -> str:
    if now is None:
        return ""
    text = format(now, form)
    return text if before is None or now == before else f"{text} ({format(now - before, '+' + form)})"


def row(net: list[str], now: Size, before: Size | None, wrong: list[str]) -> str:
    old = before or Size(None, None, None)
    cells = (
        f"`{net[0]}`",
        cell(now.flash, old.flash, ",d"),
        cell(now.ram, old.ram, ",d"),
        cell(now.accuracy, old.accuracy, ".4f"),
        "; ".join(wrong) or ("new" if setting("BASE") and before is None else "ok"),
    )
    return f"| {' | '.join(cells)} |"


def before_of(cnnc: str, net: list[str], folder: Path | None, data: str) -> Size | None:
    """The size in the base branch. None: the branch does not have the net, or cnnc cannot compile it."""
    if not folder or not (folder / net[0]).is_file():
        return None
    try:
        return measure(cnnc, net, folder, data)
    except Refused as reason:
        print(f"::notice::{net[0]} of the base branch: {reason}")
        return None


def compare(cnnc: str, base: Path | None) -> tuple[list[str], bool]:
    """Returns the rows of the table, and whether all limits are met."""
    rows, fine = [], True
    data = str(Path(setting("DATA")).resolve()) if os.path.exists(setting("DATA")) else setting("DATA")
    for line in os.environ.get("NETS", "").splitlines():
        net = shlex.split(line, comments=True)
        if not net:
            continue
        try:
            now = measure(cnnc, net, Path.cwd(), data)
        except Refused as reason:
            print(f"::error file={net[0]}::{str(reason).splitlines()[0]}\n{reason}")
            rows.append(f"| `{net[0]}` | | | | does not compile |")
            fine = False
            continue
        before = before_of(cnnc, net, base, data)
        wrong = exceeded(now, before)
        for text in wrong:
            print(f"::error file={net[0]}::{text}")
        rows.append(row(net, now, before, wrong))
        fine = fine and not wrong
    return rows or fail("NETS names no net"), fine


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        folder, base = Path(made), setting("BASE")
        cnnc = unpack(setting("ARCHIVE"), folder) if setting("ARCHIVE") else "cnnc"
        if base:
            worktree = ["git", "worktree", "add", "--quiet", "--detach", str(folder / "base"), base]
            done = subprocess.run(worktree, capture_output=True, text=True, check=False)
            if done.returncode:
                fail(
                    f"no {base} in this checkout (actions/checkout: fetch-depth: 0): {done.stderr.strip()}"
                )
        try:
            rows, fine = compare(cnnc, folder / "base" if base else None)
        finally:
            if base:
                subprocess.run(["git", "worktree", "remove", "--force", str(folder / "base")], check=False)
    table = ["| net | flash | RAM | accuracy | result |", "|---|---:|---:|---:|---|", *rows, ""]
    summary = setting("GITHUB_STEP_SUMMARY")
    if summary:
        with open(summary, "a", encoding="utf-8") as file:
            file.write("\n".join(table) + "\n")
    print("\n".join(table))
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
