# SPDX-License-Identifier: Apache-2.0
"""Build hook of hatchling: the wheel gets the files of `make install` that WANTED lists.

CNNC_BUILD names the build folder if it is not build/. release/build passes an installed tree in CNNC_PREFIX,
and its platform in CNNC_PLATFORM. A source package contains the tree of `make dist` in source/, which
release/build passes in CNNC_SOURCE; building a wheel from the source package builds this tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, Iterator

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

WANTED = (
    "bin/cnnc",
    "include/*.h",
    "lib/libcnn.a",
    "lib/libcnn.so",
    "lib/libcnn.so.0",
    "lib/cmake/cnnc/*.cmake",
    "share/cnnc/lib/*.cnn",
    "share/doc/cnnc/LICENSES/*.txt",
    "share/doc/cnnc/sbom.spdx.json",
)


class Hook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return  # an editable package uses the files of the tree
        if self.target_name == "sdist":
            source = os.environ.get("CNNC_SOURCE")
            if not source:
                raise FileNotFoundError("a source package is made by release/build sdist")
            build_data["force_include"][source] = "source"
            return
        self.folder = tempfile.TemporaryDirectory()
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{os.environ.get('CNNC_PLATFORM') or platform}"
        given = os.environ.get("CNNC_PREFIX")
        prefix = Path(given) if given else self.installed()
        for file in self.parts(prefix):
            source = file if given else self.stripped(file)
            build_data["force_include"][str(source)] = f"cnnc/prefix/{file.relative_to(prefix)}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable" and self.target_name != "sdist":
            self.folder.cleanup()

    def installed(self) -> Path:
        """The files of the build, in a temporary folder."""
        source = Path(self.root) / "source"
        build = Path(os.environ.get("CNNC_BUILD", Path(self.root).parent / "build")).resolve()
        if (source / "configure").is_file():
            build = Path(self.folder.name) / "build"
            build.mkdir()
            jobs = f"-j{os.cpu_count() or 1}"
            configure = [source / "configure", "--silent", "CLANG=clang", "MPICC=no"]
            for command in (configure, ["make", "-s", jobs]):
                subprocess.run(command, cwd=build, check=True, env=self.outside(), stdout=subprocess.DEVNULL)
        if not (build / "cnnc").is_file():
            raise FileNotFoundError(
                f"{build}/cnnc was not found: build cnnc first (./bootstrap build), or name the folder in "
                "CNNC_BUILD"
            )
        make = ["make", "-s", "-C", build, "install", f"DESTDIR={self.folder.name}", "prefix=/prefix"]
        subprocess.run(make, check=True, env=self.outside(), stdout=subprocess.DEVNULL)
        return Path(self.folder.name) / "prefix"

    @staticmethod
    def outside() -> dict[str, str]:
        """The environment without the flags that a calling make passes to its submakes."""
        return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}

    @staticmethod
    def parts(prefix: Path) -> Iterator[Path]:
        for pattern in WANTED:
            yield from sorted(prefix.glob(pattern))

    def stripped(self, file: Path) -> Path:
        """The file itself; for a program or library a copy without debug information."""
        if not file.match("bin/*") and not file.match("lib/lib*"):
            return file
        copy = Path(self.folder.name) / file.name
        shutil.copy(file, copy)
        if strip := shutil.which("strip"):
            subprocess.run([strip, "-g" if copy.suffix == ".a" else "--strip-unneeded", copy], check=True)
        return copy
