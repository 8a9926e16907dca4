"""levels.py: float nets at the optimization levels -O0, -Os, -O1 and -O2 on a Cortex-M in qemu: bytes of code
without weights, bytes of the workspace, and instructions of a call (board/count.c). Weights and input are
random. Needs qemu-system-arm, gcc-arm-none-eabi and its newlib."""
# SPDX-License-Identifier: Apache-2.0
import argparse, json, math, os, tempfile
from boards import CPUS, HERE, Board, run

LEVELS = {"-O0": "-O1", "-Os": "-Os", "-O1": "-O1", "-O2": "-O3"}  # cnnc's option: the C compiler's option
LENET = os.path.join(HERE, "..", "examples", "lenet5", "lenet5.cnn")
MAIN = """#include "board.h"
#include "net.h"
static @_weights weights;
static @_workspace workspace;
static INPUT input[INPUTS];
static float output[OUTPUTS];
static uint32_t state = 1;
static int drawn(void) {
  state = state * 1664525u + 1013904223u;
  return (int)(state >> 24);
}
int main(void) {
  float *all = (float *)&weights;
  for (unsigned i = 0; i < sizeof weights / sizeof *all; i++) all[i] = (float)(drawn() - 128) / 1024.0f;
  for (int i = 0; i < INPUTS; i++) input[i] = (INPUT)drawn();
  mark_start();
  @_infer(&weights, (const void *)input, (void *)output, &workspace);
  mark_stop();
  return 0;
}
"""


def measure(options, board, program, level):
    words = [options.cnnc, program, level, "--target=generic", "--no-train"]
    facts = json.loads(run(*words, "--emit=json"))
    name, inputs, outputs = facts["net"], facts["inputs"], facts["outputs"]
    if len(inputs) > 1 or len(outputs) > 1:
        raise SystemExit(f"{program}: the net must have one input and one output")
    code = os.path.join(board.work, "net.c")
    run(*words, "-o", code)
    text = MAIN.replace("@", name).replace("INPUTS", str(math.prod(inputs[0]["shape"])))
    text = text.replace("OUTPUTS", str(math.prod(outputs[0]["shape"])))
    main, elf = os.path.join(board.work, "main.c"), os.path.join(board.work, "net.elf")
    with open(main, "w") as file:
        file.write(text.replace("INPUT", "uint8_t" if inputs[0]["type"] == "u8" else "float"))
    board.compile(elf, [main, code], [board.work], (LEVELS[level],))
    found = board.count(elf)[1].functions()
    run(board.prefix + "gcc", *board.options, LEVELS[level], "-std=c11", "-c", code, "-o", elf + ".o")
    size = run(board.prefix + "size", elf + ".o").split("\n")[1].split()[0]
    return int(size), facts["totals"]["workspace_bytes"], sum(n for n, _ in found.values())


def main():
    parser = argparse.ArgumentParser(prog="bench/boards levels")
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--cpu", default="cortex-m4", choices=CPUS)
    parser.add_argument("--prefix", default="arm-none-eabi-")
    parser.add_argument("program", nargs="*", default=[LENET])
    options = parser.parse_args()
    print("| net | level | code, bytes | workspace, bytes | instructions |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as work:
        board = Board(work, options.cpu, options.prefix)
        for program in options.program:
            for level in LEVELS:
                size, memory, instructions = measure(options, board, program, level)
                title = os.path.splitext(os.path.basename(program))[0]
                print(f"| {title} | {level} | {size:,} | {memory:,} | {instructions:,} |", flush=True)


if __name__ == "__main__":
    main()
