"""board_streams.py: int8 models step by step on a Cortex-M in qemu: instructions of a step (board/count.c),
and of the whole window for models compiled with --slide. Needs qemu-system-arm, gcc-arm-none-eabi and its
newlib; the wake words of microWakeWord are fetched from their package by pip."""
# SPDX-License-Identifier: Apache-2.0
import argparse
import os
import pathlib
import re
import tempfile

import packages
from boards import CPUS, HERE, INPUT, MODELS, Board, quietly, run

CALLS = 10  # before the counted call, so that the state is full
WINDOW = os.path.join(MODELS, "str_ww_ref_model.tflite")
MAIN = """#include "board.h"
#include "net.h"
{input}static net_workspace workspace;
{state}static int8_t x[NET_X_SIZE], y[NET_Y_SIZE];
int main(void) {{
  fill(x, NET_X_SIZE);
  {before}
  mark_start();
  {call};
  mark_stop();
  show(y, NET_Y_SIZE);
  return 0;
}}
"""
STEP = "net_step(&net_trained, (const void *)x, (void *)y, &state, &workspace)"
WHOLE = "net_infer(&net_trained, (const void *)x, (void *)y, &workspace)"


def counted(options, board, words, steps):
    """Instructions of a call of net.cnn compiled with these options."""
    run(options.cnnc, "net.cnn", "--weights=net.safetensors", "--cpu=" + options.cpu, *words, "-o", "net.c")
    before = f"net_reset(&state);\n  for (int i = 0; i < {CALLS}; i++) {STEP};" if steps else ""
    with open("main.c", "w") as file:
        file.write(MAIN.format(input=INPUT, state="static net_state state;\n" if steps else "", before=before,
                               call=STEP if steps else WHOLE))
    board.compile("net.elf", ["main.c", "net.c"], ["."])
    _, code = board.count("net.elf")
    return sum(n for n, *_ in code.lines)


def imported(options, model):
    quietly(options.cnnc, "import", model, "--rounding=double", "--name=net", "-o", "net")


def window(options, board):
    imported(options, WINDOW)
    step, whole = counted(options, board, ["--slide=1"], True), counted(options, board, [], False)
    print(f"{'str_ww_ref_model':20} {step:12,} a step of one row, {whole:,} a window: 1/{whole / step:.1f}",
          flush=True)


def wake_words(options, board):
    with open(os.path.join(HERE, "wild.tsv")) as file:
        rows = [line.split("\t") for line in file if line.startswith("pymicro-wakeword==")]
    for package, path, sha256, *_ in rows:
        data, _ = packages.model_bytes(package, path, sha256, options.cache)
        with open("wake.tflite", "wb") as file:
            file.write(data)
        imported(options, "wake.tflite")
        with open("net.cnn") as file:
            rows = re.search(r"--stream=(\d+)", file.read())[1]
        step = counted(options, board, [f"--stream={rows}"], True)
        title = os.path.basename(path).removesuffix(".tflite")
        print(f"{title:20} {step:12,} a step of {rows} rows", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="bench/boards streams")
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--cpu", default="cortex-m4", choices=CPUS)
    parser.add_argument("--level", default="-O3", help="optimization level of the C compiler")
    parser.add_argument("--prefix", default="arm-none-eabi-")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path(HERE, "shipped"),
                        help="a folder for the package of the wake words")
    options = parser.parse_args()
    options.cnnc, options.cache = os.path.abspath(options.cnnc), options.cache.resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        board = Board(folder, options.cpu, options.prefix, options.level)
        print(f"instructions of a call on a {options.cpu}", flush=True)
        window(options, board)
        wake_words(options, board)
        os.chdir("/")


main()
