"""boards.py: int8 models on a Cortex-M in qemu: compares cnnc with CMSIS-NN. Both have the same weights and
inputs, and must return the same bytes. Instructions are counted by a qemu plugin (board/count.c); cycles
follow from Arm's table for the Cortex-M4, without wait states. Needs qemu-system-arm, gcc-arm-none-eabi and
its newlib; no Python packages."""
# SPDX-License-Identifier: Apache-2.0
import argparse
import collections
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile

import cmsis
import drawn

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = os.path.join(HERE, "..", "tests", "models")
NETS = {"ResNet-8": "pretrainedResnet_quant", "DS-CNN": "kws_ref_model", "MobileNetV1 0.25": "vww_96_int8",
        "autoencoder": "ad01_int8", "MobileNetV2 0.35": "mobilenet_v2", "U-Net": "unet"}
FLASH = {"mps3-an547": 512 << 10}  # the flash of other boards is larger than any net here
CPUS = {"cortex-m4": ("-mcpu=cortex-m4 -mfpu=fpv4-sp-d16", "mps2-an386"),
        "cortex-m7": ("-mcpu=cortex-m7 -mfpu=fpv5-d16", "mps2-an500"),
        "cortex-m55": ("-mcpu=cortex-m55", "mps3-an547")}
CMSIS = "https://github.com/ARM-software/CMSIS-NN"


def run(*command, **options):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout


def quietly(*command):
    return run(*command, stderr=subprocess.DEVNULL)


# ---- cycles ----
def registers(operands):
    inside, n = re.search(r"\{(.*)\}", operands), 0
    for part in inside[1].split(",") if inside else ["r0"]:
        both = re.match(r"\s*[rsd](\d+)\s*-\s*[rsd](\d+)", part)
        n += int(both[2]) - int(both[1]) + 1 if both else 1
    return n


LOAD = re.compile(r"^v?ldr(b|h|sb|sh)?$")
STORE = re.compile(r"^v?str(b|h)?$")


class Code:
    """The instructions of an ELF file, with the number of executions of each instruction."""

    def __init__(self, elf, counts, objdump):
        self.read = counts.pop("flash")  # bytes of flash that are read as data
        counts = {int(address, 16): n for address, n in counts.items()}
        self.lines, name = [], None
        for line in run(objdump, "-d", "--no-show-raw-insn", elf).split("\n"):
            head = re.match(r"^[0-9a-f]+ <(.+)>:", line)
            insn = re.match(r"^\s*([0-9a-f]+):\s+(\S+)\s*(.*)", line)
            if head:
                name = head[1]
            elif insn:
                word = insn[2].split(".")[0]
                self.lines.append((counts.get(int(insn[1], 16), 0), word, insn[3], name))

    def cycles(self, i):
        """Cycles of all executions of one instruction, by Arm's table 3-1 for the Cortex-M4 (DDI 0439). A
        load or store directly after a load or store takes one cycle less. A taken branch takes three
        cycles."""
        n, word, operands, name = self.lines[i]
        before = self.lines[i - 1] if i and self.lines[i - 1][3] == name else (0, "", "", "")
        chained = before[0] and (LOAD.match(before[1]) or STORE.match(before[1]))
        if LOAD.match(word):
            return n if chained else 2 * n
        if STORE.match(word):
            return n if chained or "#" in operands or "," not in operands.split("[")[-1] else 2 * n
        if word in ("ldrd", "strd"):
            return 3 * n
        if re.match(r"v?(ldm|stm|push|pop)", word):
            jumps = "pc" in operands and word[:3] in ("pop", "ldm")
            return n * (1 + registers(operands) + (2 if jumps else 0))
        if word in ("sdiv", "udiv"):
            return 7 * n
        if word in ("b", "bl", "blx", "bx"):
            return 3 * n
        if word in ("cbz", "cbnz") or (word[0] == "b" and word[:3] not in ("bic", "bfi", "bfc")):
            behind = self.lines[i + 1][0] if i + 1 < len(self.lines) else 0
            return n + 2 * max(0, n - behind) if behind <= n else n + 2 * (n // 2)
        return n

    def functions(self):
        """{name: [instructions, cycles]}"""
        found = collections.defaultdict(lambda: [0, 0])
        for i, (n, _, _, name) in enumerate(self.lines):
            if n:
                found[name][0] += n
                found[name][1] += self.cycles(i)
        return found


# ---- compiling and running ----
def need_tools(prefix):
    """Ends the script with a message if a tool is missing."""
    missing = [tool for tool in (prefix + "gcc", "qemu-system-arm", "cc") if not shutil.which(tool)]
    if missing:
        raise SystemExit(f"{' and '.join(missing)} not found; on Debian: apt install gcc gcc-arm-none-eabi "
                         "libnewlib-arm-none-eabi qemu-system-arm")


class Board:
    def __init__(self, work, cpu, prefix, level="-O3"):
        need_tools(prefix)
        options, self.machine = CPUS[cpu]
        self.level = level
        self.options = ["-mthumb", "-mfloat-abi=hard", *options.split()]
        self.work, self.prefix = work, prefix
        self.plugin = os.path.join(work, "count.so")
        run("cc", "-O2", "-shared", "-fPIC", "-o", self.plugin, os.path.join(HERE, "board", "count.c"))

    def compile(self, out, sources, includes, more=()):
        board = os.path.join(HERE, "board")
        run(self.prefix + "gcc", *self.options, self.level, *more, "-std=c11", "-ffunction-sections",
            "-fdata-sections", "-fno-lto", *["-I" + i for i in includes], "-I" + board, *sources,
            os.path.join(board, "start.c"), "-nostartfiles", "-Wl,--gc-sections", "--specs=nano.specs",
            "-T", os.path.join(board, "board.ld"), "-o", out, stderr=subprocess.PIPE)

    def mark(self, elf, name):
        for line in run(self.prefix + "nm", elf).split("\n"):
            if line.endswith(" " + name):
                return hex(int(line.split()[0], 16) & ~1)
        raise SystemExit(f"{elf} has no {name}")

    def count(self, elf):
        """Runs a program in qemu. Returns its output, and its code with the counted executions."""
        counted = elf + ".count"
        plugin = f"{self.plugin},start={self.mark(elf, 'mark_start')},stop={self.mark(elf, 'mark_stop')}"
        said = subprocess.run(["qemu-system-arm", "-M", self.machine, "-display", "none", "-serial", "none",
                               "-monitor", "none", "-semihosting-config", "enable=on,target=native",
                               "-kernel", elf, "-plugin", f"{plugin},out={counted}"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
        if said.returncode:
            raise SystemExit(f"{elf} failed under qemu: {said.stdout}")
        with open(counted) as lines:
            counts = {what: int(n) for what, n in (line.split() for line in lines)}
        return said.stdout.strip(), Code(elf, counts, self.prefix + "objdump")

    def sizes(self, elf):
        """Bytes of flash."""
        text, data = run(self.prefix + "size", elf).split("\n")[1].split()[:2]
        return int(text) + int(data)


# ---- programs ----
INPUT = """static void fill(int8_t *to, int n) {
  uint32_t state = 1;
  for (int i = 0; i < n; i++) {
    state = state * 1664525u + 1013904223u;
    to[i] = (int8_t)(state >> 24);
  }
}
static void show(const int8_t *from, int n) {
  uint32_t hash = 0x811c9dc5u;
  for (int i = 0; i < n; i++) hash = (hash ^ (uint8_t)from[i]) * 0x01000193u;
  put_number(hash);
}
"""


def our_program(net):
    upper = net.name.upper()
    return (f'#include "board.h"\n#include "net.h"\n{INPUT}'
            f"static {net.name}_workspace workspace;\n"
            f"static int8_t input[{net.inputs}], output[{net.outputs}];\n"
            f"int main(void) {{\n  fill(input, {net.inputs});\n  mark_start();\n"
            f"  {net.name}_infer(&{net.name}_trained, (const void *)input, (void *)output, &workspace);\n"
            f"  mark_stop();\n  show(output, {net.outputs});\n  return 0;\n}}\n")


class Net:
    """A model of tests/models, or a net of examples/."""

    def __init__(self, options, work, title):
        self.title, self.name = title, NETS[title]
        self.dir = os.path.join(work, self.name)
        os.mkdir(self.dir)
        self.program = os.path.join(self.dir, self.name + ".cnn")
        self.weights = os.path.join(self.dir, self.name + ".safetensors")
        source = [self.program]
        if self.name in drawn.PROGRAMS:
            source += drawn.make(self.name, options.cnnc, quietly, *source, self.weights, options.rounding)
        else:
            quietly(options.cnnc, "import", os.path.join(MODELS, self.name + ".tflite"),
                    "--rounding=" + options.rounding, "--name=" + self.name, "-o",
                    os.path.join(self.dir, self.name))
        self.floats = json.loads(run(options.cnnc, *source, "--emit=json"))
        self.source = [*source, "--weights=" + self.weights, "-Wno-dead-filters"]
        self.quant = json.loads(run(options.cnnc, *self.source, "--emit=json"))
        self.inputs = math.prod(self.floats["inputs"][0]["shape"])
        self.outputs = math.prod(self.floats["outputs"][0]["shape"])

    def build(self, options, board, more=()):
        """Builds cnnc's program. Returns the executable's path, its flash in bytes, and the model's part of
        the flash."""
        run(options.cnnc, *self.source, "--cpu=" + options.cpu, "-o", os.path.join(self.dir, "net.c"),
            *options.cnnc_option, *more, **({"stderr": subprocess.DEVNULL} if more else {}))
        main, elf = os.path.join(self.dir, "main.c"), os.path.join(self.dir, "ours.elf")
        with open(main, "w") as file:
            file.write(our_program(self))
        board.compile(elf, [main, os.path.join(self.dir, "net.c")], [self.dir])
        with open(os.path.join(self.dir, "net.h")) as file:
            model = int(re.search(r"_MODEL_BYTES (\d+)", file.read())[1])
        return elf, board.sizes(elf), model

    def least(self, options):
        """Bytes of flash of the smallest possible model. The compiler reports this number if --flash=BYTES is
        smaller."""
        told = subprocess.run([options.cnnc, *self.source, "--cpu=" + options.cpu, "--flash=1", "-o",
                               os.path.join(self.dir, "least.c"), *options.cnnc_option],
                              stderr=subprocess.PIPE, text=True).stderr
        return int(re.search(r"needs ([\d,]+) bytes of flash", told)[1].replace(",", ""))

    def fitted(self, options, board, most):
        """Builds the program so that it needs at most `most` bytes of flash. Returns its path, its flash, and
        the budget: the largest suitable --flash=BYTES, found by bisection to within 256 bytes. The option
        limits the model alone, but the size of the code depends on the chosen schedules. The budget is 0 if
        the program fits without the option, and None if even the smallest model does not fit."""
        elf, flash, _ = self.build(options, board)
        if flash <= most:
            return elf, flash, 0
        least = self.least(options)
        elf, flash, _ = self.build(options, board, [f"--flash={least}"])
        if flash > most:
            return elf, flash, None
        near = 256
        fits, budget = least, least + most - flash  # budget: an upper bound, as the code may grow
        beyond = budget + 1
        while beyond - fits > near:
            if self.build(options, board, [f"--flash={budget}"])[1] <= most:
                fits = budget
            else:
                beyond = budget
            budget = (fits + beyond) // 2
        return (*self.build(options, board, [f"--flash={fits}"])[:2], fits)

    def theirs(self, library, board):
        main, elf = os.path.join(self.dir, "cmsis.c"), os.path.join(self.dir, "cmsis.elf")
        with open(main, "w") as file:
            file.write(cmsis.program(self, INPUT))
        board.compile(elf, [main, *library], [os.path.join(os.path.dirname(library[0]), "include")])
        return elf, board.sizes(elf)


def cmsis_library(options, board):
    """Compiles CMSIS-NN. Returns its object files; its headers are in `include` in the same folder."""
    source = options.cmsis
    if not source:
        source = os.path.join(board.work, "CMSIS-NN")
        run("git", "clone", "--quiet", "--depth=1", CMSIS, source)
    build = os.path.join(board.work, "cmsis")
    os.mkdir(build)
    os.symlink(os.path.abspath(os.path.join(source, "Include")), os.path.join(build, "include"))
    objects = []
    for folder, _, names in sorted(os.walk(os.path.join(source, "Source"))):
        for name in sorted(names):
            if not re.search(r"(?<!f16)(?<!f32)\.c$", name):
                continue
            out = os.path.join(build, name[:-2] + ".o")
            run(board.prefix + "gcc", *board.options, board.level, "-ffunction-sections", "-fdata-sections",
                "-w", "-c", "-I" + os.path.join(source, "Include"), os.path.join(folder, name), "-o", out)
            objects.append(out)
    return objects


def show_functions(code):
    for name, (n, cycles) in sorted(code.functions().items(), key=lambda item: -item[1][0])[:30]:
        print(f"    {name[:60]:60} {n:12,} {cycles:12,}")


def totals(code):
    return [sum(column) for column in zip(*code.functions().values())]


def row(options, board, library, title):
    """Prints a row of the table. If CMSIS-NN is measured, the row also has the numbers of CMSIS-NN, and its
    instructions divided by cnnc's. Returns a list with this ratio, or an empty list."""
    net = Net(options, board.work, title)
    theirs = net.theirs(library, board) if library else None
    elf, flash, budget = (net.fitted(options, board, theirs[1]) if options.fit else
                          (*net.build(options, board)[:2], 0))
    if max(flash, theirs[1] if theirs else 0) > FLASH.get(board.machine, math.inf):
        print(f"{title:18} takes more flash than {board.machine} has", flush=True)
        return []
    said, code = board.count(elf)
    mine = totals(code)
    line = f"{title:18} {mine[0]:14,} {mine[1]:12,} {flash:9,} {code.read:12,}"
    other, ratio = None, []
    if theirs:
        peer, other = board.count(theirs[0])
        both = totals(other)
        ratio = [both[0] / mine[0]]
        notes = [f"  --flash={budget}" if budget else "", "  does not fit" if budget is None else "",
                 "" if peer == said else "  the outputs differ!"]
        line += (f" {both[0]:14,} {both[1]:12,} {theirs[1]:9,} {other.read:12,} {ratio[0]:6.2f}"
                 f"{''.join(notes)}")
    print(line, flush=True)
    for each in (code, other) if options.layers else ():
        if each:
            show_functions(each)
    return ratio


def main():
    parser = argparse.ArgumentParser(prog="bench/boards")
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--cpu", default="cortex-m4", choices=CPUS)
    parser.add_argument("--cmsis", help="a checkout of CMSIS-NN (by default it is fetched)")
    parser.add_argument("--ours", action="store_true", help="measure only cnnc's program")
    parser.add_argument("--fit", action="store_true",
                        help="choose --flash=BYTES of cnnc such that its program needs no more flash than "
                             "CMSIS-NN's")
    parser.add_argument("--layers", action="store_true", help="also print each function that cnnc generated")
    parser.add_argument("--rounding", default="double")
    parser.add_argument("--level", default="-O3", help="level of the C compiler, for both programs")
    parser.add_argument("--prefix", default="arm-none-eabi-")
    parser.add_argument("--cnnc-option", action="append", default=[])
    parser.add_argument("--keep", help="a folder for the built programs")
    parser.add_argument("net", nargs="*", choices=[*NETS, []])
    options = parser.parse_args()
    if options.fit and options.ours:
        parser.error("--fit needs CMSIS-NN's program, which --ours omits")
    with tempfile.TemporaryDirectory() as temporary:
        if options.keep:
            os.makedirs(options.keep, exist_ok=True)
        board = Board(options.keep or temporary, options.cpu, options.prefix, options.level)
        library = None if options.ours else cmsis_library(options, board)
        print(f"{'net':18} {'instructions':>14} {'cycles':>12} {'flash':>9} {'flash read':>12} "
              f"{'CMSIS-NN':>14} {'cycles':>12} {'flash':>9} {'flash read':>12} {'ratio':>6}", flush=True)
        ratios = [ratio for title in options.net or NETS for ratio in row(options, board, library, title)]
        if ratios:
            print(f"geometric mean of the ratios {math.prod(ratios) ** (1 / len(ratios)):.2f}, "
                  f"the least {min(ratios):.2f}")


if __name__ == "__main__":
    main()
