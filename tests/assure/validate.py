"""Compares the validator (python/cnnc/validator) with the generated C: programs of tests/int8 with random
weights, LeNet-5, and models of tests/models, each with all roundings. Also checks that the validator finds
mistakes that this script makes in the C."""

# SPDX-License-Identifier: Apache-2.0
import ast
import contextlib
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

from quantized import layer, note, save, stored
from tap import check, finish, start

from cnnc.validator import command

CNNC = shutil.which(os.environ.get("CNNC", "cnnc"))
TOP = Path(os.environ["top_srcdir"]).resolve()
NETCHECK = str(Path(os.environ["top_builddir"]).resolve() / "netcheck")
CC = os.environ.get("CC", "cc")
ALL = bool(os.environ.get("NETCHECK_ALL"))
SEED = int(os.environ.get("CNNC_TEST_SEED", "1"))
ROUNDINGS = ("single", "double", "float")
# FLOAT_NETS: nets whose outputs all depend on float layers. FLOAT_OUTPUTS: for other nets, the number of
# outputs that depend on float layers. Such outputs are not compared.
FLOAT_NETS = {"audio", "bf16", "edges", "kept", "precision"}
FLOAT_OUTPUTS = {"sums": 2}
# Models that are imported with each rounding, as in models.tap.
MODELS = ("ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "str_ww_ref_model", "vww_96_int8")
WIDE_MODELS = ("autoencoder_16x8", "residual_16x8", "separable_16x8")


def validate(net, weights, *more, samples):
    """Runs the command; returns its status, and all that it prints."""
    said = io.StringIO()
    words = [str(net), f"--weights={weights}", f"--samples={samples}", f"--seed={SEED}", f"--cc={CC}", *more]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            status = command.main(words, [CNNC])
        except SystemExit as usage:  # argparse has printed an error
            status = usage.code
    return status, said.getvalue()


def draw(program, rounding, name):
    """Writes random weights and scales. If the scales are incompatible, the next seed is tried."""
    for seed in range(SEED % 1000, SEED % 1000 + 20):
        subprocess.run([NETCHECK, "--draw", str(program), rounding, str(seed), name], check=True)
        words = [CNNC, str(program), f"--weights={name}", "-o", os.devnull]
        if "[scale-mismatch]" not in subprocess.run(words, capture_output=True, text=True).stderr:
            return


def program(path, rounding, levels):
    """Checks a program with random weights: the C of each optimization level must return the validator's
    numbers."""
    name = f"{path.stem}.safetensors"
    draw(path, rounding, name)
    for level in levels:
        status, said = validate(
            path,
            name,
            f"--options={level}",
            "--cflags=-O1",
            f"--search={3 if ALL else 0}",
            samples=60 if ALL else 12,
        )
        title = f"{path.stem}, {rounding}, {level}"
        if path.stem in FLOAT_NETS:
            check(
                status == 1 and "every output depends on layers in float" in said,
                f"{title}: nothing to compare",
                said,
            )
        else:
            whole = said.count("is not compared") == FLOAT_OUTPUTS.get(path.stem, 0)
            check(status == 0 and whole and " 0 differ" in said, title, said)


def models(names, roundings):
    for name in names:
        for rounding in roundings:
            done = subprocess.run(
                [
                    CNNC,
                    "import",
                    TOP / f"tests/models/{name}.tflite",
                    f"--rounding={rounding}",
                    f"--name={name}",
                    "-o",
                    name,
                ],
                capture_output=True,
                text=True,
            )
            status, said = validate(
                name + ".cnn",
                name + ".safetensors",
                "--search=1",
                "--cflags=-O1",
                "--options=--target=generic",
                samples=40 if ALL else 4,
            )
            check(
                status == 0 and "is not compared" not in said,
                f"{name}, imported with {rounding}",
                done.stderr + said,
            )


def without_numpy():
    """-S hides installed packages."""
    done = subprocess.run(
        [sys.executable, "-S", "-m", "cnnc", "validate", "net.cnn"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TOP / "python")},
    )
    good = done.returncode == 1 and done.stderr.startswith("cnnc: error: cnnc needs numpy: ")
    check(good and "Traceback" not in done.stderr, "without numpy, a message says so", done.stderr)


# ---- mistakes ----
SMALL = """net small {
    input image: 8x8x3 as u8
    conv(6, 3x3, pad=same) -> relu
    skip = depthwise(3x3, pad=same)
    conv(6, 1x1) -> add(skip) -> tanh -> avgpool(3, stride=2, pad=1) -> maxpool(2)
    scores = flatten -> dense(5) -> softmax
    output skip as i8, scores
}
"""


def small_net(folder):
    """A net whose numbers rarely saturate, so that every constant matters."""
    drawn = random.Random(5)
    weight = lambda *shape: [drawn.randint(-127, 127) for _ in range(shape[0])]  # noqa: E731
    bias = lambda n: [drawn.randint(-900, 900) for _ in range(n)]  # noqa: E731
    scales = lambda n: [drawn.uniform(0.004, 0.008) for _ in range(n)]  # noqa: E731
    arrays = {
        **stored("image", 1 / 64, -5),
        **stored("conv1", 0.05, -128),
        **stored("skip", 0.09, 4),
        **stored("conv2", 0.11, -9),
        **stored("add1", 0.03, 6),
        **stored("scores", 0.02, 3),
        **layer("conv1", [6, 3, 3, 3], weight(162), scales(6), bias(6)),
        **layer("skip", [6, 1, 3, 3], weight(54), scales(6), bias(6)),
        **layer("conv2", [6, 6, 1, 1], weight(36), scales(6), bias(6)),
        **layer("scores", [5, 24], weight(120), scales(5), bias(5)),
    }
    save(folder / "small.safetensors", arrays, note())
    (folder / "small.cnn").write_text(SMALL)
    return folder / "small.cnn", folder / "small.safetensors"


def changed(pattern, by):
    """A mistake: at the first match of the pattern, the group is replaced by by(group)."""

    def make(text):
        found = re.search(pattern, text)
        assert found, pattern
        return text[: found.start(1)] + by(found[1]) + text[found.end(1) :]

    return make


def plus(n):
    return lambda text: str(int(text) + n)


MISTAKES = {
    "a weight + 1": changed(r"\.conv1_weight = \{[{\s]*(-?\d+)", plus(1)),
    "a bias + 2": changed(r"\.skip_bias = \{\s*(-?\d+)", plus(2)),
    "a factor larger by 1/500": changed(
        r"\.conv2_factor = \{\s*(\d+)", lambda m: str(int(m) + int(m) // 500)
    ),
    "an exponent + 1": changed(r"\.scores_exponent = \{\s*(-?\d+)", plus(1)),
    "the zero point of an input + 1": changed(
        r"\(int32_t\)in\[[^;]*?\] - (-?\d+)\) \* \(int32_t\)weight", plus(1)
    ),
    "an entry of a table + 1": changed(r"_table = \{+(?:\s*-?\d+,){128}\s*(-?\d+)", plus(1)),
    "no half before the shift": changed(r"(\(INT64_C\(1\) << \(30 - e\)\))", lambda _: "0"),
    "a mean that is rounded down": changed(
        r"return (\(sum \+ \(\(n / 2 \^ sign\) - sign\)\)) / n", lambda _: "sum"
    ),
    "a window that ends early": changed(r"kx_end = \(\d+ - x < (3) \?", lambda _: "2"),
    "an exponential of softmax": changed(
        r"_exponential = \{\s*\d+, (\d+)", lambda m: str(int(m) - int(m) // 100)
    ),
    "a step of Newton less": changed(r"for \(int i = 0; i < (3); i\+\+\)", lambda _: "1"),
    "a sum with a swapped operand": changed(r"524288 \* \(\(int32_t\)(in)\[", lambda _: "in1"),
}


def mistakes():
    net, weights = small_net(Path("."))
    subprocess.run(
        [CNNC, net, f"--weights={weights}", "-O0", "--target=generic", "-o", "right.c"], check=True
    )
    text = Path("right.c").read_text()
    status, said = validate(net, weights, "--c=right.c", "--cflags=-O1", "--report=report.json", samples=200)
    check(status == 0, "a small net, without mistakes", said)
    report = json.loads(Path("report.json").read_text())
    reached = [s["most"] / s["bound"] for name, s in report["sums"].items()]
    check(
        report["different"] == 0 and len(report["sha256"]) == 4 and report["compared"] == ["skip", "scores"],
        "  its report",
        report,
    )
    check(
        report["sums"]["conv1"]["most"] > 0.9 * report["sums"]["conv1"]["bound"] and max(reached) <= 1,
        "  inputs drive the sums of the first layer to their bound",
        report["sums"],
    )
    turn = list(MISTAKES) if ALL else [name for k, name in enumerate(MISTAKES) if (k + SEED) % 3 == 0]
    for title in turn:
        shutil.copy("right.h", "wrong.h")
        Path("wrong.c").write_text(MISTAKES[title](text).replace('"right.h"', '"wrong.h"'))
        status, said = validate(net, weights, "--c=wrong.c", "--cflags=-O0", "--search=0", samples=200)
        check(status == 1 and "first difference" in said, f"found: {title}", said)


# ---- batches ----
def batches():
    net, weights = small_net(Path("."))
    for options in ("--batch=3 -O0 --target=generic", "--batch=7 --threads=pool"):
        status, said = validate(net, weights, f"--options={options}", "--search=0", samples=50)
        check(status == 0 and " 0 differ" in said, options, said)
    words = [CNNC, net, f"--weights={weights}", "-O0", "--target=generic", "--batch=3", "-o", "batch.c"]
    subprocess.run(words, check=True)
    status, said = validate(net, weights, "--c=batch.c", "--search=0", samples=50)
    check(status == 0 and " 0 differ" in said, "C that was generated with --batch=3", said)
    shutil.copy("batch.h", "wrong.h")
    text = MISTAKES["a weight + 1"](Path("batch.c").read_text())
    Path("wrong.c").write_text(text.replace('"batch.h"', '"wrong.h"'))
    status, said = validate(net, weights, "--c=wrong.c", "--search=0", samples=50)
    check(status == 1 and "first difference" in said, "  with a mistake", said)
    program(TOP / "tests/int8/state.cnn", "double", ["--batch=3 -O0 --target=generic"])


# ---- the command ----
def errors():
    Path("plain.cnn").write_text("net plain {\n  input x: 4\n  dense(2)\n}\n")
    save(
        "float.safetensors",
        {"dense1.weight": ("F32", [2, 4], [0.5] * 8), "dense1.bias": ("F32", [2], [0, 0])},
    )
    status, said = validate("plain.cnn", "float.safetensors", samples=2)
    check(status == 2 and "float weights" in said, "float weights are refused", said)
    for option in ("samples", "search", "seed"):
        status, said = validate("plain.cnn", "float.safetensors", f"--{option}=-1", samples=2)
        check(status == 2 and f"--{option}: -1 is less than 0" in said, f"--{option}=-1 is refused", said)
    Path("sequence.cnn").write_text("net sequence {\n  input x: 8x4\n  conv(4, 3, pad=causal)\n}\n")
    draw(Path("sequence.cnn"), "double", "sequence.safetensors")
    status, said = validate("sequence.cnn", "sequence.safetensors", "--options=--stream=1", samples=2)
    check(status == 2 and "x has 4 elements, but 32 in the program" in said, "C of a step is refused", said)
    status, said = validate("plain.cnn", "none.safetensors", samples=2)
    check(status == 2 and "none.safetensors" in said, "a missing file", said)
    Path("short.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{}")
    status, said = validate("plain.cnn", "short.safetensors", samples=2)
    check(status == 2 and "not a safetensors file" in said, "a file that is cut off", said)


def independence():
    """No module of the validator imports another part of the package."""
    wrong = []
    for path in sorted((TOP / "python/cnnc/validator").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = (
                [alias.name for alias in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            )
            outside = isinstance(node, ast.ImportFrom) and (
                node.level > 1 or (node.module or "").startswith("cnnc")
            )
            if outside or any(name.split(".")[0] == "cnnc" for name in names):
                wrong.append(f"{path.name}: {ast.unparse(node)}")
    check(not wrong, "the validator shares nothing with the compiler or the package", "\n".join(wrong))


def programs(rounding):
    chosen = sorted((TOP / "tests/int8").glob("*.cnn"))
    if not ALL:
        short = (
            "functions",
            "layers",
            "layouts",
            "matmul",
            "recurrent",
            "rows",
            "svdf",
            "transposed",
            "wide",
            "wide_functions",
            "sums",
            "indices",
            "kept_layers",
            "bf16",
            "imported",
            "state",
        )
        turn = (SEED + ROUNDINGS.index(rounding)) % 3
        chosen = [path for k, path in enumerate(p for p in chosen if p.stem in short) if k % 3 == turn]
    levels = ["-O0 --target=generic"] + (["-O2"] if ALL else [])
    for path in chosen:
        program(path, rounding, levels)


def lenet():
    for rounding in ROUNDINGS if ALL else (ROUNDINGS[SEED % 3],):
        program(
            TOP / "examples/lenet5/lenet5.cnn", rounding, ["-O0 --target=generic"] + (["-O2"] if ALL else [])
        )


CASES = {
    "command": lambda: (independence(), errors(), without_numpy()),
    "mistakes": mistakes,
    "batches": batches,
    "lenet5": lenet,
    **{rounding: lambda rounding=rounding: programs(rounding) for rounding in ROUNDINGS},
    "models": lambda: (
        (models(MODELS, (*ROUNDINGS, "litert")), models(WIDE_MODELS, ("double", "litert")))
        if ALL
        else models((MODELS[SEED % 5], WIDE_MODELS[SEED % 3]), ("double",))
    ),
}


def main():
    start("validate")
    for name in (os.environ.get("VALIDATE") or " ".join(CASES)).split():
        CASES[name]()
    finish()


if sys.version_info >= (3, 10):
    main()
