"""Constant time of int8 nets: each instruction must be executed equally often for many inputs. The executions
are counted with valgrind on this CPU, and with a plugin of qemu (bench/board/count.c) for a Cortex-M4."""

# SPDX-License-Identifier: Apache-2.0
import collections
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import boards
from tap import check, finish, start

from cnnc.validator import program as programs
from cnnc.validator.samples import Samples, together
from cnnc.validator.weights import Weights

CNNC = shutil.which(os.environ.get("CNNC", "cnnc"))
TOP = Path(os.environ["top_srcdir"]).resolve()
NETCHECK = str(Path(os.environ["top_builddir"]).resolve() / "netcheck")
CC = os.environ.get("CC", "cc").split()
ALL = bool(os.environ.get("NETCHECK_ALL"))
SEED = int(os.environ.get("CNNC_TEST_SEED", "1"))
MODELS = ("ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "str_ww_ref_model", "vww_96_int8")
INPUTS = 20 if ALL else 5

MAIN = """#include "net.h"
#include <stdio.h>
static NAME_workspace workspace;
int main(int argc, char **argv) {
  FILE *file = fopen(argv[argc - 1], "rb");
  static char in[SIZE_IN], out[SIZE_OUT];
  while (file && fread(in, sizeof in, 1, file) == 1)
    NAME_infer(&NAME_trained, (const void *)in, (void *)out, &workspace);
  return !file;
}
"""
WIDTH = {"f32": 4, "i8": 1, "u8": 1, "class": 4}


class Net:
    """A program with weights, and inputs for it: smallest and largest numbers, and random ones."""

    def __init__(self, path, weights):
        self.path, self.weights = Path(path), weights
        done = subprocess.run([CNNC, path, "--emit=json"], capture_output=True, text=True, check=True)
        self.program = programs.read(json.loads(done.stdout))
        samples = Samples(self.program, Weights(Path(weights)), SEED)
        drawn = together([samples.limits(), samples.uniform(INPUTS)])
        keep = sorted({*range(3), *range(12 + 3 - INPUTS, 12 + INPUTS)} if INPUTS < 12 else range(INPUTS))[
            :INPUTS
        ]
        self.inputs = [drawn[self.program.inputs[0].name][k] for k in keep]

    def c(self, options):
        name = self.program.net
        subprocess.run(
            [CNNC, self.path, f"--weights={self.weights}", "-o", "net.c", "-Wno-dead-filters", *options],
            check=True,
            stderr=subprocess.DEVNULL,
        )
        port, out = self.program.inputs[0], self.program.outputs[0]
        sizes = [boards.math.prod(p.shape) * WIDTH[p.form] for p in (port, out)]
        text = MAIN.replace("NAME", name).replace("SIZE_IN", str(sizes[0])).replace("SIZE_OUT", str(sizes[1]))
        Path("main.c").write_text(text)


def counts_of(dump):
    """The number of executions, by function and address, from a callgrind file. Lines with the costs of calls
    are skipped."""
    counts, name, skip = collections.Counter(), "", False
    for line in dump.read_text().splitlines():
        if line.startswith("fn="):
            name = line[3:]
        elif line.startswith("calls="):
            skip = True
        elif re.match(r"0x[0-9a-f]+ ", line):
            if not skip:
                address, *_, cost = line.split()
                counts[name, address] += int(cost)
            skip = False
    return counts


def counts_here(net, flags):
    """Runs the net on this CPU; returns the counts for each input."""
    for old in Path(".").glob("calls*"):
        old.unlink()
    subprocess.run(
        [*CC, "-std=c11", "-I.", *flags, "net.c", "main.c", "-o", "main", "-Wl,-z,now", "-lm"], check=True
    )
    Path("inputs").write_bytes(b"".join(x.tobytes() for x in net.inputs))
    infer = net.program.net + "_infer"
    done = subprocess.run(
        [
            "valgrind",
            "--tool=callgrind",
            "--dump-instr=yes",
            "--compress-pos=no",
            "--compress-strings=no",
            f"--toggle-collect={infer}",
            f"--dump-after={infer}",
            "--callgrind-out-file=calls",
            "./main",
            "inputs",
        ],
        capture_output=True,
        text=True,
    )
    files = sorted(Path(".").glob("calls.*"), key=lambda path: int(path.suffix[1:]))
    found = [counts_of(path) for path in files]
    found = [counts for counts in found if counts]
    if done.returncode or len(found) != len(net.inputs):
        raise RuntimeError(f"{len(found)} of {len(net.inputs)} calls counted\n{done.stderr[-800:]}")
    return found


def differences(found):
    """Functions with an instruction whose number of executions differs between the inputs."""
    names = collections.Counter()
    for counts in found[1:]:
        for name, address in set(counts) | set(found[0]):
            if counts[name, address] != found[0][name, address]:
                names[name] += 1
    return names


def constant(title, net, options, flags):
    net.c(options)
    try:
        found = counts_here(net, flags)
    except RuntimeError as error:
        check(False, title, error)
        return
    total = sum(found[0].values())
    check(
        total > 1000 and not differences(found),
        f"{title}: {total:,} instructions for each of {len(found)} inputs",
        differences(found),
    )


def lenet():
    path = TOP / "examples/lenet5/lenet5.cnn"
    subprocess.run([NETCHECK, "--draw", path, "single", "7", "lenet5.safetensors"], check=True)
    return Net(path, "lenet5.safetensors")


def model(name):
    subprocess.run(
        [CNNC, "import", TOP / f"tests/models/{name}.tflite", f"--name={name}", "-o", name],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return Net(name + ".cnn", name + ".safetensors")


def here():
    nets = [lenet(), *map(model, MODELS if ALL else MODELS[:1])]
    for net in nets:
        constant(f"{net.program.net}, -O0 --target=generic", net, ["-O0", "--target=generic"], ["-O2"])
        if ALL:
            constant(f"{net.program.net}, -O2 --target=x86-64", net, ["--target=x86-64"], ["-O2"])


def noticed():
    """Checks that the test notices a branch or a loop on data: its code is added to a primitive, and the
    counts must differ between inputs."""
    net = model("ad01_int8")
    net.c(["-O0", "--target=generic"])
    text = Path("net.c").read_text()
    pattern = r"(INLINE int32_t \w+_requantize_double\(int32_t x, [^)]*\) \{\n)"
    for title, branch in (
        ("a branch on a sign", "  static volatile int32_t k;\n  if (x > 0) k = x;\n"),
        ("a loop", "  static volatile int32_t k;\n  for (k = x & 3; k > 0;) k = k - 1;\n"),
    ):
        changed, n = re.subn(pattern, lambda found: found[1] + branch, text)
        Path("net.c").write_text(changed)
        found = counts_here(net, ["-O2"])
        check(n == 1 and differences(found), f"{title} in a primitive is noticed", differences(found))


# ---- a Cortex-M4 ----
def board():
    if not shutil.which("qemu-system-arm") or not shutil.which("arm-none-eabi-gcc"):
        check(True, "a Cortex-M4 # SKIP there is no arm-none-eabi-gcc or no qemu-system-arm")
        return
    for name in os.environ.get("CONSTANT_BOARD", " ".join(MODELS)).split():
        with tempfile.TemporaryDirectory() as work:
            net, target = model(name), boards.Board(work, "cortex-m4", "arm-none-eabi-")
            net.c(["--cpu=cortex-m4"])
            elf, found = str(Path(work) / "net.elf"), []
            boards.run(
                "arm-none-eabi-gcc",
                *target.options,
                target.level,
                "-std=c11",
                "-ffunction-sections",
                "-fdata-sections",
                "-c",
                "net.c",
                "-o",
                "net.o",
            )
            for x in net.inputs[: int(os.environ.get("CONSTANT_INPUTS", INPUTS))]:
                bytes_of = ", ".join(str(b) for b in x.tobytes())
                Path("board.c").write_text(
                    f'#include "board.h"\n#include "net.h"\nstatic {name}_workspace workspace;\n'
                    f"static const unsigned char in[] = {{{bytes_of}}};\nstatic char out[4096];\n"
                    f"int main(void) {{\n  mark_start();\n  {name}_infer(&{name}_trained, (const void *)in, "
                    "(void *)out, &workspace);\n  mark_stop();\n  return 0;\n}\n"
                )
                target.compile(elf, ["board.c", "net.o"], ["."])
                found.append(
                    collections.Counter(
                        {(line[3], k): line[0] for k, line in enumerate(target.count(elf)[1].lines)}
                    )
                )
            total = sum(found[0].values())
            check(
                total > 1000 and not differences(found),
                f"{name}, Cortex-M4: {total:,} instructions for each of {len(found)} inputs",
                differences(found),
            )


CASES = {"here": here, "noticed": noticed, **({"board": board} if ALL else {})}


def main():
    start("constant")
    for name in (os.environ.get("CONSTANT") or " ".join(CASES)).split():
        CASES[name]()
    finish()


if __name__ == "__main__":
    main()
