# SPDX-License-Identifier: Apache-2.0
import os
import shutil
import stat
import subprocess
import sys
import unittest
from pathlib import Path

import numpy as np

import cnnc
from cnnc import _build, _tool
from common import FLOATS, SMALL, TREE, Case, has, random


class Compilers(Case):
    def wrapper(self, name: str) -> Path:
        """A C compiler that counts the shared libraries that it builds."""
        real = shutil.which(_build.compiler()[0])
        path = self.write(
            name,
            f'#!/bin/sh\ncase " $* " in *" -shared "*) echo x >>"{self.folder}/calls" ;; esac\n'
            f'exec "{real}" "$@"\n',
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def calls(self) -> int:
        path = self.folder / "calls"
        return len(path.read_text().split()) if path.exists() else 0

    def test_cache(self) -> None:
        """a library is compiled once, and again after a change"""
        self.environment(XDG_CACHE_HOME=str(self.folder / "cache"))
        cc = str(self.wrapper("counting-cc"))
        for text, calls in ((FLOATS, 1), (FLOATS, 1), (FLOATS.replace("relu", "tanh"), 2), (FLOATS, 2)):
            cnnc.compile(text, cc=cc)
            self.assertEqual(self.calls(), calls)
        kept = sorted(path.name for path in (self.folder / "cache/cnnc").glob("*/*"))
        self.assertEqual(kept, ["net.so", "net.so"])

    def test_batches(self) -> None:
        """nets that differ only in their batch have different libraries"""
        self.environment(XDG_CACHE_HOME=str(self.folder / "cache"))
        images = random((5, 4, 3, 2))
        shapes = {"first.weight": (5, 2, 2, 2), "first.bias": (5,), "last.weight": (3, 30), "last.bias": (3,)}
        weights = {name: random(shape) for name, shape in shapes.items()}
        results = [cnnc.compile(FLOATS, weights, batch=batch)(images) for batch in (3, 4, 1)]
        self.assertEqual(len(list((self.folder / "cache/cnnc").glob("*/net.so"))), 3)
        for result in results:
            np.testing.assert_allclose(result, results[-1], rtol=1e-5)

    def test_environment(self) -> None:
        """$CNNC_CC names the compiler"""
        self.environment(XDG_CACHE_HOME=str(self.folder / "cache"), CNNC_CC=str(self.wrapper("other-cc")))
        cnnc.compile(FLOATS)
        self.assertEqual(self.calls(), 1)
        self.environment(CNNC_CC="no-such-compiler")
        with self.assertRaisesRegex(cnnc.ToolError, "'no-such-compiler' was not found"):
            cnnc.compile(FLOATS)

    def test_none(self) -> None:
        """without a C compiler, the error names what to install"""
        if has("ziglang"):
            self.skipTest("ziglang is installed")
        self.environment(PATH=str(self.folder), CNNC=str(_tool.tools().cnnc))
        os.environ.pop("CNNC_CC", None)
        with self.assertRaisesRegex(cnnc.ToolError, r"install clang or gcc, or `pip install 'cnnc\[cc\]'`"):
            cnnc.compile(FLOATS)

    def test_zig(self) -> None:
        """zig on the PATH comes before the package ziglang, whose command is passed to cnnc in $CNNC_ZIG"""
        path = self.write("zig", "#!/bin/sh\n")
        path.chmod(0o755)
        self.environment(PATH=str(self.folder), CNNC_CC="")
        self.assertEqual(_build.compiler()[:2], ["zig", "cc"])
        named = _tool.environment().get("CNNC_ZIG", "")
        self.assertEqual(named.endswith("-m ziglang"), has("ziglang"))

    def test_broken(self) -> None:
        """the output of a C compiler that fails is reported, and nothing is cached"""
        self.environment(XDG_CACHE_HOME=str(self.folder / "cache"))
        path = self.write(
            "broken-cc", '#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "no room" >&2\nexit 1\n'
        )
        path.chmod(0o755)
        with self.assertRaisesRegex(cnnc.ToolError, "(?s)broken-cc' failed:.*no room"):
            cnnc.compile(FLOATS, cc=str(path))
        self.assertEqual(list((self.folder / "cache/cnnc").glob("*/*")), [])

    def test_two(self) -> None:
        """three concurrent processes share the cache"""
        path, cache = self.write("net.cnn", FLOATS), self.folder / "cache"
        script = f"import cnnc; print(cnnc.load({str(path)!r}).parameters)"
        paths = os.pathsep.join([str(Path(cnnc.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": paths}
        running = [
            subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE)
            for _ in range(3)
        ]
        printed = [process.communicate()[0] for process in running]
        self.assertEqual(len(set(printed)), 1)
        self.assertEqual([process.returncode for process in running], [0, 0, 0])
        self.assertEqual([p.name for p in cache.glob("cnnc/*/*")], ["net.so"])

    def test_each(self) -> None:
        """clang and gcc, with and without threads"""
        x = random((3, 4, 3, 2))
        weights = {
            "first.weight": random((5, 2, 2, 2)),
            "first.bias": random((5,)),
            "last.weight": random((3, 30)),
            "last.bias": random((3,)),
        }
        found = []
        for cc in (os.environ.get("CLANG", "clang"), "gcc"):
            if shutil.which(cc.split()[0]):
                for threads in (1, 2):
                    with self.assertWarns(cnnc.CompileWarning):
                        found.append(cnnc.compile(FLOATS, weights, cc=cc, threads=threads)(x))
        for y in found[1:]:
            self.close(y, found[0])

    def test_bridge(self) -> None:
        """bridge.c compiles without a warning"""
        source = Path(cnnc.__file__).parent / "bridge.c"
        done = subprocess.run(
            [
                *_build.compiler(),
                "-std=c11",
                "-Wall",
                "-Wextra",
                "-Wpedantic",
                "-Wconversion",
                "-Wshadow",
                "-Werror",
                "-fsyntax-only",
                "-DNETWORK=net_network",
                f"-I{_tool.tools().include}",
                source,
            ],
            capture_output=True,
            text=True,
        )
        self.assertEqual(done.stderr, "")
        self.assertEqual(done.returncode, 0)


class Places(Case):
    def test_prefix(self) -> None:
        """an installed cnnc in a relocated prefix, also with lib64 or Debian's folders"""
        tools = _tool.tools()
        for place in ("lib", "lib64", "lib/some-linux-gnu"):
            prefix = self.folder / place.replace("/", "-")
            for folder in ("bin", place, "include"):
                (prefix / folder).mkdir(parents=True)
            shutil.copy(tools.cnnc, prefix / "bin/cnnc")
            shutil.copy(tools.runtime, prefix / place / "libcnn.so.0")
            for header in tools.include.glob("*.h"):
                shutil.copy(header, prefix / "include")
            self.environment(CNNC=str(prefix / "bin/cnnc"))
            self.assertEqual(_tool.tools().runtime, prefix / place / "libcnn.so.0")
            self.assertEqual(_tool.tools().include, prefix / "include")
            os.environ["CNNC"] = "cnnc"
            self.environment(PATH=f"{prefix / 'bin'}:{os.environ['PATH']}")
            self.assertEqual(_tool.tools().cnnc, prefix / "bin/cnnc")

    def test_missing(self) -> None:
        """errors name missing files"""
        self.environment(CNNC=str(self.folder / "nothing"))
        with self.assertRaisesRegex(cnnc.ToolError, r"\$CNNC is '.*nothing', which is not a program"):
            cnnc.compile(FLOATS)
        path = self.write("cnnc", "#!/bin/sh\n")
        path.chmod(0o755)
        alone = _tool.Tools(path, (path.parent,))
        with self.assertRaisesRegex(cnnc.ToolError, "libcnn is not next to"):
            alone.runtime


class Command(Case):
    def command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        paths = os.pathsep.join([str(Path(cnnc.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
        return subprocess.run(
            [sys.executable, "-m", "cnnc", *words],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
        )

    def test_passes(self) -> None:
        """python3 -m cnnc runs cnnc"""
        own = str(_tool.tools().cnnc)
        path = str(self.write("net.cnn", SMALL))
        for words in (["--version"], [path], [path, "--nonsense"], ["nowhere.cnn"]):
            theirs = subprocess.run([own, *words], capture_output=True, text=True)
            ours = self.command(*words)
            self.assertEqual(
                (ours.returncode, ours.stdout, ours.stderr), (theirs.returncode, theirs.stdout, theirs.stderr)
            )
        self.assertEqual(self.command("--version").stdout.split()[1], cnnc.__version__)
        self.assertIn("convert MODEL.keras", self.command("--help").stdout)

    def test_own(self) -> None:
        """commands of the package"""
        done = self.command("convert", "nothing.keras", "-o", "w.safetensors")
        self.assertEqual((done.returncode, done.stderr), (1, "cnnc: error: no such file: nothing.keras\n"))
        self.assertEqual(self.command("convert").returncode, 2)

    def test_cmake(self) -> None:
        """--cmake-dir, also of a build folder: CMake finds cnnc and its runtime there"""
        done = self.command("--cmake-dir")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        folder = Path(done.stdout.strip())
        self.assertTrue((folder / "cnncConfig.cmake").is_file())
        if shutil.which("cmake") is None:
            self.skipTest("no cmake")
        names = "CNNC_EXECUTABLE", "CNN_INCLUDE_DIR", "CNN_LIBRARY"
        lines = "".join(
            f"file(REAL_PATH ${{{name}}} path)\nmessage(STATUS {name}=${{path}})\n" for name in names
        )
        self.write(
            "CMakeLists.txt",
            f"cmake_minimum_required(VERSION 3.19)\nproject(p C)\nfind_package(cnnc REQUIRED)\n{lines}",
        )
        made = subprocess.run(
            ["cmake", "-S", self.folder, "-B", self.folder / "build", f"-Dcnnc_DIR={folder}"],
            capture_output=True,
            text=True,
        )
        self.assertEqual(made.returncode, 0, made.stderr)
        tools = _tool.tools()
        self.assertIn(f"CNNC_EXECUTABLE={tools.cnnc}\n", made.stdout)
        self.assertIn(f"CNN_INCLUDE_DIR={tools.include}\n", made.stdout)
        self.assertRegex(made.stdout, f"CNN_LIBRARY={tools.runtime.parent}/libcnn\\.")


class Typed(Case):
    @unittest.skipUnless(has("mypy"), "no mypy")
    def test_mypy(self) -> None:
        """mypy --strict reports nothing"""
        package = Path(cnnc.__file__).parent
        done = subprocess.run(
            [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(self.folder), str(package)],
            capture_output=True,
            text=True,
            cwd=TREE,
        )
        self.assertEqual(done.returncode, 0, done.stdout)


if __name__ == "__main__":
    unittest.main()
