"""wcet.py: A bound on the cycles of an int8 model on a Cortex-M0+, M3 or M4, from its linked program. Needs
qemu-system-arm, gcc-arm-none-eabi and its newlib; no Python packages.

The program executes each instruction equally often for every input (tests/assure/constant.tap); it is run for
several inputs, and rejected if the counts differ. So the counts of one run hold for every input. The bound is
the sum of the counts, each times the largest number of cycles that Arm's tables give for the instruction: M4
DDI 0439, M3 DDI 0337, M0+ DDI 0484. The bound assumes no interrupts, aligned loads, no other bus master, RAM
without wait states, and flash with --flash-wait cycles per 16 bytes, without cache or prefetch."""
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

import boards
import flow_facts

CPUS = {"cortex-m4": ("-mcpu=cortex-m4 -mfpu=fpv4-sp-d16", "mps2-an386"),
        "cortex-m3": ("-mcpu=cortex-m3 -mfloat-abi=soft", "mps2-an385"),
        # ARMv6-M is a subset of ARMv7-M: its code runs on the same board
        "cortex-m0+": ("-mcpu=cortex-m0plus -mfloat-abi=soft", "mps2-an385")}
REFUSED = {"cortex-m7": "its caches and its branch prediction are not modeled",
           "cortex-m33": "Arm publishes no table of its cycles; --emit=schedule estimates them",
           "cortex-m55": "its caches and overlapping vector instructions are not modeled",
           "cortex-m85": "its caches and overlapping vector instructions are not modeled"}
BYTES = {"f32": 4, "i8": 1, "u8": 1, "i16": 2, "class": 4}
LINE = 16  # bytes of flash per fetch
FILLS = (0, 255, 128, 127, 256)  # value of all bytes of an input; 256: random bytes
STEPS = 40  # uncounted steps before the step of the last input: the path must not depend on the state

Insn = collections.namedtuple("Insn", "address size word operands function")
# executions: {address of an instruction: number of its executions}. flash: bytes of flash that are read as
# data. misses: cache misses, {"code": n, "data": n}. loops: {header: (largest number of back edges per
# entry, number of back edges in total)}
Run = collections.namedtuple("Run", "executions flash misses loops")


def instructions(elf, objdump):
    found, name = [], ""
    for line in boards.run(objdump, "-d", elf).split("\n"):
        head = re.match(r"^[0-9a-f]+ <(.+)>:", line)
        code = re.match(r"^\s*([0-9a-f]+):\s+((?:[0-9a-f]{4} ?)+)\s+(\S+)\s*(.*)", line)
        if head:
            name = head[1]
        elif code and not code[3].startswith("."):  # .word is data
            size = 2 * len(code[2].split())
            found.append(Insn(int(code[1], 16), size, code[3].split(".")[0], code[4], name))
    return found


def is_branch(word):
    other = ("bic", "bfi", "bfc", "bkp")
    return word in ("cbz", "cbnz", "tbb", "tbh") or (word[0] == "b" and word[:3] not in other)


def transfers(insn):
    """How many words an instruction loads or stores."""
    if re.match(r"v?(ldm|stm|push|pop)", insn.word):
        return boards.registers(insn.operands)
    if insn.word in ("ldrd", "strd"):
        return 2
    return int(bool(re.match(r"v?(ldr|str)", insn.word)))


def most_cycles(cpu, insn, multiply):
    """The most cycles of an instruction, without wait states."""
    word, jump = insn.word, 2 if cpu == "cortex-m0+" else 3
    n = transfers(insn)
    if n:
        return 1 + n + (jump if "pc" in insn.operands and word[:3] in ("pop", "ldm", "ldr") and
                        not re.search(r"\[pc", insn.operands) else 0)
    if word in ("tbb", "tbh"):
        return 2 + jump
    if word in ("bl", "blx") and cpu == "cortex-m0+":
        return 3
    if is_branch(word):
        return 1 + (1 if cpu == "cortex-m0+" else jump)
    if word in ("sdiv", "udiv"):
        return 12
    if re.match(r"v(div|sqrt)", word):
        return 14
    if word[0] == "v":
        return 3
    if word in ("mul", "muls") and cpu == "cortex-m0+":
        return multiply
    if cpu == "cortex-m3" and re.match(r"(umlal|smlal)", word):
        return 7
    if cpu == "cortex-m3" and re.match(r"(umull|smull)", word):
        return 5
    if cpu == "cortex-m3" and word in ("mla", "mls"):
        return 2
    return 4 if word in ("dmb", "dsb", "isb", "mrs", "msr") else 1


def waits(insn, n, wait):
    """Wait states of flash in n executions of an instruction. One line is fetched if the instruction may be
    the first that needs the line, and one line for the target of a branch."""
    begins = insn.address // LINE != (insn.address + insn.size - 1) // LINE or insn.address % LINE < insn.size
    returns = "pc" in insn.operands and not re.search(r"\[pc", insn.operands)
    return n * wait * (int(begins) + int(is_branch(insn.word) or returns))


class Board(boards.Board):
    def __init__(self, work, cpu, prefix, level):
        super().__init__(work, "cortex-m4", prefix, level)
        options, self.machine = CPUS[cpu]
        abi = [] if "float-abi" in options else ["-mfloat-abi=hard"]
        self.options = ["-mthumb", *abi, *options.split()]

    def executions(self, elf, more=""):
        """Runs the program and counts its instructions. more: arguments of the plugin."""
        counted = elf + ".count"
        marks = f"start={self.mark(elf, 'mark_start')},stop={self.mark(elf, 'mark_stop')},out={counted}{more}"
        said = subprocess.run(["qemu-system-arm", "-M", self.machine, "-display", "none", "-serial", "none",
                               "-monitor", "none", "-semihosting-config", "enable=on,target=native",
                               "-kernel", elf, "-plugin", f"{self.plugin},{marks}"],
                              capture_output=True, text=True, timeout=600)
        if said.returncode:
            raise SystemExit(f"{elf} failed under qemu: {said.stdout}{said.stderr}")
        with open(counted) as lines:
            counts = {what: int(n) for what, n in (line.split() for line in lines)}
        named = {kind: {what.split(":")[1]: counts.pop(what) for what in list(counts)
                        if what.startswith(kind + ":")} for kind in ("most", "total", "misses")}
        loops = {int(header, 16): (n, named["total"][header]) for header, n in named["most"].items()}
        flash = counts.pop("flash")
        return Run({int(address, 16): n for address, n in counts.items()}, flash, named["misses"], loops)


def described(options):
    """The output of --emit=json, and the name of the function that computes the net. A net with states has
    NAME_step, also if the states come from --stream or --slide."""
    more = [one for one in options.cnnc_option if not one.startswith(("--report", "--acsl"))]
    net = json.loads(boards.run(options.cnnc, options.net, "--emit=json", *more))
    return net, net["net"] + ("_step" if "stream" in net else "_infer")


def program(call, inputs, outputs, fill, before):
    """C that calls the net and counts the instructions of one call. before: number of uncounted steps."""
    name, kind = call.rsplit("_", 1)
    state, kept, reset = "", "", ""
    if kind == "step":
        state, kept, reset = "&kept, ", f"static {name}_state kept;\n", f"  {name}_reset(&kept);\n"
    compute = f"{call}(&{name}_trained, (const void *)in, (void *)out, {state}&workspace);\n"
    return (f'#include "board.h"\n#include "net.h"\nstatic {name}_workspace workspace;\n{kept}'
            f"_Alignas(8) static unsigned char in[{inputs}];\n_Alignas(8) static char out[{outputs}];\n"
            f"static volatile unsigned fill = {fill}, before = {before}; /* in RAM: the code is that of all "
            "inputs */\nint main(void) {\n  uint32_t state = 1;\n"
            "  for (unsigned i = 0; i < sizeof in; i++) {\n    state = state * 1664525u + 1013904223u;\n"
            "    in[i] = (unsigned char)(fill > 255 ? state >> 24 : fill);\n  }\n"
            f"{reset}  for (unsigned i = before; i > 0; i--) {compute}"
            f"  mark_start();\n  {compute}  mark_stop();\n  return 0;\n}}\n")


def count(options, work, more=""):
    """The program's instructions, its loops (if their bounds are wanted), and a run for each input. more:
    arguments of the plugin."""
    board, build = Board(work, options.cpu, options.prefix, options.level), os.path.join(work, "net")
    net, call = described(options)
    if len(net["inputs"]) != 1 or len(net["outputs"]) != 1:
        raise SystemExit(f"{options.net}: has several inputs or outputs; wcet supports nets with one of each")
    sizes = [math.prod(net[ports][0]["shape"]) * BYTES[net[ports][0][key]]
             for ports, key in (("inputs", "type"), ("outputs", "as"))]
    if not options.c:
        boards.run(options.cnnc, options.net, f"--weights={options.weights}", f"--cpu={options.cpu}",
                   "-Wno-dead-filters", "-o", build + ".c", *options.cnnc_option)
    source = options.c or build + ".c"
    runs, loops = [], None
    boards.run(options.prefix + "gcc", *board.options, options.level, *options.cflag, "-std=c11",
               "-ffunction-sections", "-fdata-sections", "-c", source, "-o", build + ".o")
    fills = FILLS if net["inputs"][0]["type"] != "f32" else (0, 63)  # 63: floats near 0.75
    for fill in fills:
        before = STEPS if call.endswith("_step") and fill == fills[-1] else 0
        text = program(call, *sizes, fill, before).replace('"net.h"', f'"{os.path.basename(source)[:-2]}.h"')
        with open(build + "_main.c", "w") as file:
            file.write(text)
        board.compile(build + ".elf", [build + "_main.c", build + ".o"], [os.path.dirname(source) or "."])
        if not runs:
            code = instructions(build + ".elf", options.prefix + "objdump")
            if options.flow_facts:
                loops = flow_facts.loops(code, call)
                with open(build + ".loops", "w") as file:
                    file.write(flow_facts.plugin_text(loops))
                more += f",loops={build}.loops"
        runs.append(board.executions(build + ".elf", more))
    return code, loops, runs


def measured(code):
    """The instructions of the net, without main and the marks before and after the call."""
    return [i for i in code if i.function not in ("main", "mark_start", "mark_stop")]


def paths(code, runs):
    """Functions that do not execute the same instructions for each input."""
    first = runs[0].executions
    return sorted({i.function for i in measured(code) for run in runs[1:]
                   if run.executions.get(i.address, 0) != first.get(i.address, 0)})


def write_flow_facts(options, loops, runs, work):
    """Writes the file of loop bounds, and copies the linked program to the same folder."""
    if any(run.loops != runs[0].loops for run in runs):
        sys.exit("wcet: no flow facts: the iterations of a loop depend on the input")
    elf = os.path.splitext(options.flow_facts)[0] + ".elf"
    shutil.copyfile(os.path.join(work, "net.elf"), elf)
    with open(options.flow_facts, "w") as file:
        file.write(flow_facts.ffx(loops, runs[0].loops, described(options)[1], os.path.basename(elf)))


def bound(options, code, run):
    """{function: [number of executed instructions, a bound of their cycles]}"""
    table, loads = collections.defaultdict(lambda: [0, 0]), 0
    for insn in measured(code):
        n = run.executions.get(insn.address, 0)
        loads += n * transfers(insn) * ("ldr" in insn.word or "ldm" in insn.word or "pop" in insn.word)
        table[insn.function][0] += n
        table[insn.function][1] += n * most_cycles(options.cpu, insn, options.multiply)
        table[insn.function][1] += waits(insn, n, options.flash_wait)
    data = options.flash_wait * min(loads, run.flash)
    if data:
        table["(data in flash)"] = [0, data]
    return {name: row for name, row in table.items() if any(row)}


def main():
    parser = argparse.ArgumentParser(prog="bench/wcet", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--cpu", default="cortex-m4", choices=[*CPUS, *REFUSED])
    parser.add_argument("--flash-wait", type=int, default=0, metavar="CYCLES")
    parser.add_argument("--multiply", type=int, default=32, choices=(1, 32),
                        help="cycles of a multiplication on a Cortex-M0+")
    parser.add_argument("--level", default="-O3", help="optimization level of the C compiler")
    parser.add_argument("--cflag", action="append", default=[], help="another option of the C compiler")
    parser.add_argument("--prefix", default="arm-none-eabi-")
    parser.add_argument("--cnnc-option", action="append", default=[])
    parser.add_argument("--weights", required=True)
    parser.add_argument("--c",
                        help="the generated C, with its header next to it (by default cnnc generates it)")
    parser.add_argument("--json", help="writes the result to this file")
    parser.add_argument("--flow-facts", metavar="FILE.ffx",
                        help="writes the loop bounds for OTAWA to this file, and the program to FILE.elf")
    parser.add_argument("net")
    options = parser.parse_args()
    if options.cpu in REFUSED:
        sys.exit(f"wcet: no bound for {options.cpu}: {REFUSED[options.cpu]}")
    with tempfile.TemporaryDirectory() as work:
        try:
            code, loops, runs = count(options, work)
        except flow_facts.Unsupported as reason:
            sys.exit(f"wcet: no flow facts: {reason}")
        except subprocess.CalledProcessError as failed:
            sys.exit(f"{failed.stderr or ''}wcet: {os.path.basename(failed.cmd[0])} failed "
                     f"(exit status {failed.returncode})")
        wrong = paths(code, runs)
        if wrong:
            sys.exit("wcet: no bound: the executed instructions depend on the input in " + ", ".join(wrong))
        if options.flow_facts:
            write_flow_facts(options, loops, runs, work)
    table = bound(options, code, runs[0])
    total = [sum(column) for column in zip(*table.values())]
    print(f"{'function':48} {'instructions':>14} {'cycles, at most':>16}")
    for name, row in sorted(table.items(), key=lambda item: -item[1][1]):
        print(f"{name[:48]:48} {row[0]:14,} {row[1]:16,}")
    print(f"{options.cpu}, {len(runs)} inputs, flash wait {options.flash_wait}: "
          f"{total[0]:,} instructions, at most {total[1]:,} cycles")
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"cpu": options.cpu, "flash_wait": options.flash_wait, "instructions": total[0],
                       "most_cycles": total[1], "functions": table}, file, indent=2)


if __name__ == "__main__":
    main()
