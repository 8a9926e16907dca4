# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys
import tempfile
import unittest
import venv
from pathlib import Path
from typing import ClassVar

from common import FLOATS, TREE, has

SESSION = f"""
import numpy, cnnc
net = cnnc.compile('''{FLOATS}''')
net.load_weights({{name: numpy.ones(w.shape, 'f') for w in net._facts.weights for name in [w.name]}})
print(cnnc.__file__, net(numpy.ones((4, 3, 2), 'f')).tolist())
"""


@unittest.skipUnless(has("hatchling", "pip", "ensurepip"), "no hatchling to build a wheel")
class Wheel(unittest.TestCase):
    folder: ClassVar["tempfile.TemporaryDirectory[str]"]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory(prefix="cnnc-wheel-")
        cls.base = Path(cls.folder.name)
        subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "wheel",
                "-q",
                "--no-deps",
                "--no-index",
                "--no-build-isolation",
                "-w",
                cls.base,
                TREE / "python",
            ],
            check=True,
        )
        venv.create(cls.base / "venv", with_pip=True, system_site_packages=False)
        cls.python = cls.base / "venv/bin/python"
        (wheel,) = cls.base.glob("cnnc-*.whl")
        subprocess.run(
            [cls.python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel], check=True
        )

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def run_it(self, *words: str, command: str = "python", **values: str) -> str:
        """Runs a command in the wheel's venv; numpy and the packages `also` come from outside the venv."""
        import numpy

        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("CNNC", "CNNC_CC", "PYTHONPATH", "CNNC_RUNTIME")
        }
        borrowed = self.base / "borrowed"
        borrowed.mkdir(exist_ok=True)
        site = Path(numpy.__file__).parents[1]
        for name in ("numpy", "numpy.libs", *values.pop("also", "").split()):
            if (site / name).exists() and not (borrowed / name).exists():
                (borrowed / name).symlink_to(site / name)
        environment.update(values, PYTHONPATH=str(borrowed), XDG_CACHE_HOME=str(self.base / "cache"))
        done = subprocess.run(
            [self.base / "venv/bin" / command, *words],
            capture_output=True,
            text=True,
            env=environment,
            cwd=self.base,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_runs(self) -> None:
        """the installed wheel needs only numpy and a C compiler"""
        printed = self.run_it("-c", SESSION)
        self.assertIn(str(self.base / "venv"), printed)
        self.assertIn("[271.0, 271.0, 271.0]", printed)
        self.assertEqual(self.run_it("--version", command="cnnc").split()[0], "cnnc")

    def test_cmake(self) -> None:
        """--cmake-dir prints a folder of the installed wheel"""
        folder = Path(self.run_it("-m", "cnnc", "--cmake-dir").strip())
        self.assertTrue((folder / "cnncConfig.cmake").is_file())
        self.assertIn(self.base / "venv", folder.parents)

    @unittest.skipUnless(has("ziglang"), "no ziglang")
    def test_zig(self) -> None:
        """without clang and gcc the package ziglang compiles"""
        (self.base / "empty").mkdir(exist_ok=True)
        printed = self.run_it(
            "-c",
            SESSION,
            PATH=str(self.base / "empty"),
            also="ziglang",
            ZIG_GLOBAL_CACHE_DIR=str(self.base / "zig"),
            ZIG_LOCAL_CACHE_DIR=str(self.base / "zig"),
        )
        self.assertIn("[271.0, 271.0, 271.0]", printed)


if __name__ == "__main__":
    unittest.main()
