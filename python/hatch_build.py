# SPDX-License-Identifier: Apache-2.0
"""Puts into the wheel what was built in the tree around it: cnnc, its runtime, headers, the package for
CMake, as `make install` lays them out. CNNC_BUILD names another folder than build/."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return  # the package uses the files of the tree
        tree = Path(self.root).parent
        build = Path(os.environ.get("CNNC_BUILD", tree / "build")).resolve()
        self.folder = tempfile.TemporaryDirectory()
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform}"
        for source, place in self.parts(tree, build):
            if not source.is_file():
                raise FileNotFoundError(
                    f"{source} was not found: build cnnc first (./bootstrap build), or name the "
                    "folder in CNNC_BUILD"
                )
            build_data["force_include"][str(self.stripped(source, place))] = f"cnnc/prefix/{place}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if version != "editable":
            self.folder.cleanup()

    @staticmethod
    def parts(tree: Path, build: Path) -> list[tuple[Path, str]]:
        library = build / ".libs/libcnn.so.0"
        found = [
            (build / "cnnc", "bin/cnnc"),
            (library, "lib/libcnn.so.0"),
            (library, "lib/libcnn.so"),
            (build / ".libs/libcnn.a", "lib/libcnn.a"),
        ]
        found += [(file, f"include/{file.name}") for file in sorted((tree / "runtime/include").glob("*.h"))]
        found += [
            (build / "cmake" / name, f"lib/cmake/cnnc/{name}")
            for name in ("cnncConfig.cmake", "cnncConfigVersion.cmake")
        ]
        return found + [
            (tree / "LICENSES" / name, f"share/licenses/{name}") for name in ("Apache-2.0.txt", "MIT-0.txt")
        ]

    def stripped(self, source: Path, place: str) -> Path:
        """A copy without what only debuggers read."""
        if not place.startswith(("bin/", "lib/lib")):
            return source
        copy = Path(self.folder.name) / place.replace("/", "-")
        shutil.copy(source, copy)
        if strip := shutil.which("strip"):
            subprocess.run([strip, "-g" if copy.suffix == ".a" else "--strip-unneeded", copy], check=True)
        return copy
