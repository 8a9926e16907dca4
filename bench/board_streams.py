"""board_streams.py: streaming int8 models and recurrent layers on a Cortex-M in qemu, compared with CMSIS-NN:
executed instructions per call, counted by board/count.c. Needs qemu-system-arm, gcc-arm-none-eabi and its
newlib; pip fetches the package that contains microWakeWord's models."""
# SPDX-License-Identifier: Apache-2.0
import argparse
import collections
import json
import os
import pathlib
import re
import tempfile
import types

import cmsis
import cmsis_recurrent
import cmsis_steps
import drawn
import packages
from boards import CPUS, HERE, INPUT, MODELS, Board, cmsis_library, quietly, run

CALLS = 12  # calls that are counted; the table has their mean
WINDOW = os.path.join(MODELS, "str_ww_ref_model.tflite")
Layer = collections.namedtuple("Layer", "call columns rows narrow", defaults=[1, False])
FILTER, RANK_2 = "svdf(64, memory=10, activation=relu)", "svdf(128, memory=8, rank=2)"
LAYERS = [Layer("lstm(20)", 28, 28), Layer("lstm(20)", 20), Layer("lstm(64)", 40), Layer("lstm(64)", 40, 49),
          Layer("lstm(128)", 64), Layer("lstm(128)", 64, 16), Layer(FILTER, 40),
          Layer(FILTER, 40, narrow=True), Layer(RANK_2, 64), Layer(RANK_2, 64, narrow=True),
          Layer("gru(64)", 40), Layer("rnn(64)", 40)]
MAIN = """#include "board.h"
#include <string.h>
{include}
{input}{data}
static int8_t input[{calls}][{inputs}], output[{outputs}];
int main(void) {{
  fill(input[0], sizeof input);
  {before};
  for (int i = 0; i < {calls}; i++) {{
    mark_start();
    {call};
    mark_stop();
    show(output, sizeof output);
    put(" ");
  }}
  return 0;
}}
"""


def counted(board, sources, folder, **parts):
    """Runs a program. Returns its outputs, and the mean number of instructions per call."""
    with open("main.c", "w") as file:
        file.write(MAIN.format(input=INPUT, **parts))
    board.compile("net.elf", ["main.c", *sources], [folder])
    said, code = board.count("net.elf")
    return said, sum(n for n, *_ in code.lines) // parts["calls"]


def ours(options, board, words, steps, sizes="NET_Y_SIZE", to="(void *)output"):
    """Compiles and runs net.cnn. Returns the outputs, and the mean number of instructions per call."""
    run(options.cnnc, "net.cnn", "--weights=net.safetensors", "--cpu=" + options.cpu, *words, "-o", "net.c")
    call, state = ("step", "&state, ") if steps else ("infer", "")
    return counted(board, ["net.c"], ".", include='#include "net.h"', calls=CALLS if steps else 1,
                   inputs="NET_X_SIZE", outputs=sizes, before="net_reset(&state)" if steps else "",
                   data="static net_workspace workspace;" + ("\nstatic net_state state;" if steps else ""),
                   call=f"net_{call}(&net_trained, (const void *)input[i], {to}, {state}&workspace)")


def theirs(library, board, data, call, calls, **parts):
    """Runs calls of CMSIS-NN. Returns the outputs, and the mean number of instructions per call."""
    return counted(board, library, os.path.join(os.path.dirname(library[0]), "include"),
                   include='#include "arm_nnfunctions.h"', data="\n".join(data), call=call, calls=calls,
                   **parts)


def layer_of_cmsis(library, board, layer):
    files, steps = cmsis.tensors("net.safetensors"), layer.rows == 1
    data, call = (cmsis_recurrent.lstm(files, layer.rows, steps) if layer.call.startswith("lstm") else
                  cmsis_recurrent.svdf(files))
    return theirs(library, board, data, f"if ({call}) return 1", CALLS if steps else 1, before="",
                  inputs=layer.rows * layer.columns,
                  outputs=f"{layer.rows} * {re.search('[0-9]+', layer.call)[0]}")


def compared(mine, said, peer, answer):
    return f" {peer:12,} {peer / mine:6.2f}{'' if said == answer else '  the outputs differ!'}"


def layers(options, board, library):
    """Measures recurrent layers. A call computes either one row from the state of the previous call, or a
    whole sequence."""
    for layer in LAYERS:
        steps = layer.rows == 1
        drawn.recurrent(layer.call, CALLS if steps else layer.rows, layer.columns, options.cnnc, quietly,
                        "net.cnn", "net.safetensors", "double")
        if layer.narrow:
            drawn.narrow("net.safetensors", "double")
        said, mine = ours(options, board, ["--stream=1"] if steps else [], steps)
        title = f"{layer.columns} -> {layer.call}{', int8' if layer.narrow else ''}"
        line = f"{title:49} {layer.rows:4} {mine:12,}"
        if library and layer.call.startswith(("lstm", "svdf")):
            answer, peer = layer_of_cmsis(library, board, layer)
            line += compared(mine, said, peer, answer)
        print(line, flush=True)


def imported(options, model):
    quietly(options.cnnc, "import", model, "--rounding=double", "--name=net", "-o", "net")


def window(options, board):
    imported(options, WINDOW)
    step, whole = ours(options, board, ["--slide=1"], True)[1], ours(options, board, [], False)[1]
    print(f"{'str_ww_ref_model':49} {1:4} {step:12,}; the window: {whole:,}, {whole / step:.1f}x as many",
          flush=True)


def model(options):
    """net.cnn with its weights, in the form that cmsis.Writer reads."""
    describe = lambda *words: json.loads(run(options.cnnc, "net.cnn", *words, "--emit=json"))  # noqa: E731
    return types.SimpleNamespace(weights="net.safetensors", floats=describe(),
                                 quant=describe("--weights=net.safetensors"))


def with_logit(path):
    """Adds the logit as a second output to a wake-word net, because the net's score is 0 for most noise.
    Returns the number of rows of a step."""
    with open(path) as file:
        text = file.read()
    more = re.sub(r"(conv\(.*\)\n +y = sigmoid)", r"logit = \1", text)
    with open(path, "w") as file:
        file.write(more.replace("output y as u8", "output y as u8, logit as i8"))
    return int(re.search(r"--stream=(\d+)", text)[1])


def wake_words(options, board, library):
    with open(os.path.join(HERE, "wild.tsv")) as file:
        rows = [line.split("\t") for line in file if line.startswith("pymicro-wakeword==")]
    for package, path, sha256, *_ in rows:
        data, _ = packages.model_bytes(package, path, sha256, options.cache)
        with open("wake.tflite", "wb") as file:
            file.write(data)
        imported(options, "wake.tflite")
        rows = with_logit("net.cnn")
        said, mine = ours(options, board, [f"--stream={rows}"], True, 2, "(void *)output, (void *)&output[1]")
        line = f"{os.path.basename(path).removesuffix('.tflite'):49} {rows:4} {mine:12,}"
        if library:
            net = model(options)
            data, before, calls = cmsis_steps.step(net, rows)
            answer, peer = theirs(library, board, data, calls, CALLS, before=before, outputs=2,
                                  inputs=rows * net.floats["inputs"][0]["shape"][1])
            line += compared(mine, said, peer, answer)
        print(line, flush=True)


def main():
    parser = argparse.ArgumentParser(prog="bench/boards streams")
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--cpu", default="cortex-m4", choices=CPUS)
    parser.add_argument("--cmsis", help="a checkout of CMSIS-NN (by default it is fetched)")
    parser.add_argument("--ours", action="store_true", help="measure only cnnc's programs")
    parser.add_argument("--level", default="-O3", help="optimization level of the C compiler")
    parser.add_argument("--prefix", default="arm-none-eabi-")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path(HERE, "shipped"),
                        help="a folder for the package of the wake words")
    options = parser.parse_args()
    options.cnnc, options.cache = os.path.abspath(options.cnnc), options.cache.resolve()
    options.cmsis = options.cmsis and os.path.abspath(options.cmsis)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        board = Board(folder, options.cpu, options.prefix, options.level)
        library = None if options.ours else cmsis_library(options, board)
        print(f"instructions of a call on a {options.cpu}\n"
              f"{'inputs -> layer':49} {'rows':>4} {'instructions':>12} {'CMSIS-NN':>12} {'ratio':>6}")
        layers(options, board, library)
        wake_words(options, board, library)
        window(options, board)
        os.chdir("/")


main()
