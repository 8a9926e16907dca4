#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Results of the nets of tests/models: for each input of tests/models/inputs.h, a hash of each layer's stored
values. Writes a file for each net and each of these references:

    litert    LiteRT's reference kernels, which round the sums of dense layers once and all others twice
    xnnpack   LiteRT with XNNPACK
    cmsis-nn  CMSIS-NN, with the calls of TensorFlow Lite for Microcontrollers
    single    the formulas of int8_layers.py with the rounding `single`, which cnnc quantize uses

    python3 tests/golden/models.py --cnnc build/cnnc --cmsis DIR [--board] tests/models
    python3 tests/golden/models.py --wide tests/models

The second command writes only the files of the int16 models, for litert and

    tflm      the reference kernels of TensorFlow Lite for Microcontrollers

Needs numpy and the packages ai-edge-litert, flatbuffers and, for int16 models, tflite-micro; for the other
models, also a C compiler and a checkout of CMSIS-NN, whose sources are compiled as plain C for this machine.
With --board, the sources are also compiled for a Cortex-M4 with DSP instructions and run in qemu; the results
must be the same. Prints how many hashes differ from the formulas of int8_layers.py."""
import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
BOARD = os.path.join(TOP, "bench", "board")
sys.path[:0] = [HERE, os.path.join(TOP, "bench")]
import cmsis  # noqa: E402
import int8_layers  # noqa: E402

WIDE_MODELS = ["residual_16x8", "separable_16x8", "autoencoder_16x8"]
MODELS = ["pretrainedResnet_quant", "kws_ref_model", "vww_96_int8", "ad01_int8", "str_ww_ref_model"]
EXTREMES, INPUTS = 2, 102
# XNNPACK has none of these int8 operators, so LiteRT's own kernels run. LiteRT's softmax computes in floats,
# with a table of the C library's exp, and sometimes differs by one from the integer reference kernels.
NOT_OF_XNNPACK = ("AVERAGE_POOL_2D", "SOFTMAX")
LEFT_OUT = {"RESHAPE": "RESHAPE keeps the bytes where they are",
            "SOFTMAX": "XNNPACK has no int8 softmax, and LiteRT's own computes in floats"}


# ---- inputs.h ----
def drawn(state, bits):
    state[:] = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
    return (state >> np.uint64(64 - bits)).astype(np.int64)


def inputs(n, bits=8):
    """All inputs of n numbers: [INPUTS][n]."""
    numbers, half = np.arange(INPUTS), 1 << bits - 1
    state = (numbers + 1).astype(np.uint64) * np.uint64(0x9e3779b97f4a7c15)
    own, divisor = drawn(state, bits) - half, 1 << numbers % 4
    least = np.where(divisor > 1, own, 0) - half // divisor
    x = np.stack([np.clip(least + drawn(state, bits) // divisor, -half, half - 1) for _ in range(n)], 1)
    for extreme in range(EXTREMES):
        x[extreme] = extreme * (2 * half - 1) - half
    return x


def hashes(values, bits=8):
    """One hash per array of `values`. int16 values are hashed as little-endian bytes."""
    rows = np.stack([v.reshape(-1) for v in values])
    rows = np.stack([rows >> s & 255 for s in range(0, bits, 8)], -1).reshape(len(rows), -1).astype(np.uint64)
    made = np.full(len(rows), 0xcbf29ce484222325, np.uint64)
    for column in rows.T:
        made = (made ^ column) * np.uint64(0x100000001b3)
    return made


# ---- the references: {layer's name: hashes of all inputs} ----
def formula(layers, source, xs, rounding):
    kept = [int8_layers.run(layers, source, x, rounding) for x in xs]
    return {layer.name: hashes([v[layer.out.index] for v in kept]) for layer in layers}


WIDE_WORDS = {**int8_layers.WORDS, "MEAN": "mean", "MUL": "multiply", "SUB": "subtract", "RELU": "relu",
              "LEAKY_RELU": "leaky_relu", "LOGISTIC": "sigmoid", "TANH": "tanh", "PAD": "pad",
              "CONCATENATION": "concat", "MAX_POOL_2D": "maxpool", "TRANSPOSE_CONV": "conv_transpose"}


class Layer:
    def __init__(self, op, name, tensor):
        self.op, self.name, self.tensor = op, name, tensor


def wide_layers(it):
    """The layers of an int16 model, with the names that cnnc gives them. The first one is the conversion of
    the input from floats, which only cnnc's net has."""
    layers, counts = [Layer("", "x_int16", it.get_input_details()[0]["index"])], {}

    def add(op, word, tensor):
        counts[word] = counts.get(word, 0) + 1
        layers.append(Layer(op, f"{word}{counts[word]}", tensor))

    for op in it._get_ops_details():
        tensor = int(op["outputs"][0])
        add(op["op_name"], WIDE_WORDS[op["op_name"]], tensor)
        if op["op_name"] == "MEAN" and it.get_tensor(tensor).ndim == 2:
            add("", "flatten", tensor)
    return layers


def micro(path, layers):
    """An interpreter of TensorFlow Lite for microcontrollers that gives the values of all layers."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema
    from tflite_micro.python.tflite_micro import runtime
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(open(path, "rb").read(), 0))
    model.subgraphs[0].outputs = np.array(sorted({layer.tensor for layer in layers[1:]}), np.int32)
    model.signatureDefs = None
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return runtime.Interpreter.from_bytes(bytes(builder.Output())), model.subgraphs[0].outputs.tolist()


def wide_hashes(path):
    """The layers of an int16 model, and {kernels: {layer's name: hashes}}."""
    it = Interpreter(path, num_threads=1, experimental_preserve_all_tensors=True,
                     experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    it.allocate_tensors()
    layers, source = wide_layers(it), it.get_input_details()[0]
    small, given = micro(path, layers)
    kept = {kernels: {layer.name: [] for layer in layers} for kernels in ("litert", "tflm")}
    for row in inputs(math.prod(source["shape"]), 16):
        x = row.astype(np.int16).reshape(source["shape"])
        it.set_tensor(source["index"], x)
        it.invoke()
        small.set_input(x, 0)
        small.invoke()
        for layer in layers:
            theirs = small.get_output(given.index(layer.tensor)) if layer.tensor in given else x
            kept["litert"][layer.name].append(it.get_tensor(layer.tensor).astype(np.int64))
            kept["tflm"][layer.name].append(theirs.astype(np.int64))
    return layers, {kernels: {name: hashes(values, 16) for name, values in table.items()}
                    for kernels, table in kept.items()}


def litert(path, layers, source, xs, resolver):
    it = Interpreter(path, num_threads=1, experimental_preserve_all_tensors=True,
                     experimental_op_resolver_type=resolver)
    it.allocate_tensors()
    delegated = sum(op["op_name"] == "DELEGATE" for op in it._get_ops_details())
    theirs = [layer for layer in layers if layer.op not in NOT_OF_XNNPACK]
    if delegated != (len(theirs) if resolver == OpResolverType.AUTO else 0):
        raise SystemExit(f"{path}: {delegated} operators are XNNPACK's")
    kept = {layer.name: [] for layer in layers}
    for x in xs:
        it.set_tensor(it.get_input_details()[0]["index"], x.astype(np.int8).reshape(source.shape))
        it.invoke()
        for layer in layers:
            kept[layer.name].append(it.get_tensor(layer.out.index).astype(np.int64))
    return {layer.name: hashes(kept[layer.name]) for layer in layers
            if layer.op != "SOFTMAX" or resolver == OpResolverType.BUILTIN_REF}


class Net:
    """An imported model with the members that cmsis.Writer reads."""

    def __init__(self, cnnc, path, work):
        base = os.path.join(work, "net")
        self.weights = base + ".safetensors"
        said = {"check": True, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        subprocess.run([cnnc, "import", path, "--name=net", "-o", base], **said)
        show = [cnnc, base + ".cnn", "--emit=json"]
        self.floats = json.loads(subprocess.run(show, **said).stdout)
        self.quant = json.loads(subprocess.run([*show, "--weights=" + self.weights], **said).stdout)
        self.inputs = math.prod(self.floats["inputs"][0]["shape"])


MAIN = """
static void show(int input, const char *layer, const int8_t *from, int n) {{
  uint64_t hash = MODEL_HASH_START;
  char text[18] = "                \\n";
  for (int i = 0; i < n; i++) hash = model_hash_byte(hash, (uint8_t)from[i]);
  for (int i = 0; i < 16; i++) text[i] = "0123456789abcdef"[hash >> (60 - 4 * i) & 15];
  put_number((uint32_t)input); put(" "); put(layer); put(" "); put(text);
}}
static int32_t scratch[4096];
int main(void) {{
  int status = 0;
  const cmsis_nn_context context = {{scratch, sizeof scratch}};
  for (int input = 0; input < MODEL_INPUTS; input++) {{
    model_input(input, {source}, {inputs});
    {calls}
  }}
  return status;
}}
"""
HOST = """#include <stdio.h>
#include "board.h"
void put(const char *text) { fputs(text, stdout); }
void put_number(uint32_t number) { printf("%lu", (unsigned long)number); }
"""


def cmsis_program(net):
    """A C program that calls CMSIS-NN, and prints a hash of the value of each layer that stores one."""
    writer = cmsis.Writer(net)
    writer.layers()
    stored = [(layer["name"], math.prod(layer["shape"])) for layer in net.quant["layers"]
              if layer["operator"] not in ("flatten", "reshape")]
    calls = writer.calls + [f'show(input, "{name}", {name}, {n});' for name, n in stored]
    source = net.floats["inputs"][0]["name"]
    return ('#include "board.h"\n#include "inputs.h"\n#include "arm_nnfunctions.h"\n'
            f"static int8_t {source}[{net.inputs}] __attribute__((aligned(16)));\n" + "\n".join(writer.data) +
            MAIN.format(source=source, inputs=net.inputs, calls="\n    ".join(calls)))


def cmsis_sources(folder):
    return [os.path.join(where, name) for where, _, names in sorted(os.walk(os.path.join(folder, "Source")))
            for name in sorted(names) if re.search(r"(?<!f16)(?<!f32)\.c$", name)]


def cmsis_nn(options, path, work, board):
    main, host, program = (os.path.join(work, n) for n in ("main.c", "host.c", "program"))
    with open(main, "w") as file:
        file.write(cmsis_program(Net(options.cnnc, path, work)))
    with open(host, "w") as file:
        file.write(HOST)
    common = ["-std=gnu11", "-O2", "-w", "-ffunction-sections", "-I" + BOARD,
              "-I" + os.path.join(TOP, "tests", "models"), "-I" + os.path.join(options.cmsis, "Include"),
              "-Wl,--gc-sections", main, *cmsis_sources(options.cmsis), "-o", program]
    if board:
        subprocess.run(["arm-none-eabi-gcc", "-mthumb", "-mfloat-abi=hard", "-mcpu=cortex-m4",
                        "-mfpu=fpv4-sp-d16", *common, os.path.join(BOARD, "start.c"), "-nostartfiles",
                        "--specs=nano.specs", "-T", os.path.join(BOARD, "board.ld")], check=True)
        command = ["qemu-system-arm", "-M", "mps2-an386", "-display", "none", "-serial", "none", "-monitor",
                   "none", "-semihosting-config", "enable=on,target=native", "-kernel", program]
    else:
        subprocess.run(["cc", *common, host, "-lm"], check=True)
        command = [program]
    made = {}
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in said.stdout.splitlines():
        number, name, digits = line.split()
        made.setdefault(name, np.zeros(INPUTS, np.uint64))[int(number)] = int(digits, 16)
    return made


# ---- the files ----
def versions(options):
    from importlib.metadata import version
    litert_version = "ai-edge-litert " + version("ai-edge-litert")
    told = {"litert": "LiteRT's reference kernels (BUILTIN_REF), " + litert_version,
            "tflm": "TensorFlow Lite for microcontrollers, tflite-micro " + version("tflite-micro")}
    if options.wide:
        return told
    commit = subprocess.run(["git", "-C", options.cmsis, "rev-parse", "HEAD"], stdout=subprocess.PIPE,
                            text=True, check=True).stdout.strip()
    return {**told,
            "xnnpack": f"XNNPACK in {litert_version}; AVERAGE_POOL_2D is LiteRT's own",
            "cmsis-nn": "CMSIS-NN, commit " + commit,
            "single": "tests/golden/int8_layers.py, rounding single"}


def write(folder, model, source, told, layers, table):
    with open(os.path.join(folder, f"{model}.{source}.txt"), "w") as file:
        print(f"# {told}", file=file)
        for layer in layers:
            if layer.name not in table:
                print(f"# {layer.name} is left out: {LEFT_OUT[layer.op]}", file=file)
        names = [layer.name for layer in layers]
        print("layers", *names, file=file)
        for i in range(INPUTS):
            print(i, *(f"{table[n][i]:016x}" if n in table else "-" for n in names), file=file)


def differences(what, layers, table, formulas):
    differ = [f"{layer.name}: {n}" for layer in layers if layer.name in table
              if (n := int((table[layer.name] != formulas[layer.name]).sum()))]
    print(f"{what}: {sum(len(t) for t in table.values())} hashes, of which differ from the formulas "
          f"{', '.join(differ) or 'none'}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cnnc")
    parser.add_argument("--cmsis")
    parser.add_argument("--board", action="store_true")
    parser.add_argument("folder")
    parser.add_argument("--wide", action="store_true", help="only the int16 models")
    options = parser.parse_args()
    told = versions(options)
    for model in WIDE_MODELS:
        layers, found = wide_hashes(os.path.join(options.folder, model + ".tflite"))
        for name, table in found.items():
            write(options.folder, model, name, told[name], layers, table)
    if options.wide:
        return
    for model in MODELS:
        path = os.path.join(options.folder, model + ".tflite")
        layers, source = int8_layers.load(path)
        xs = inputs(math.prod(source.shape))
        with tempfile.TemporaryDirectory() as work:
            found = {"litert": ("litert", litert(path, layers, source, xs, OpResolverType.BUILTIN_REF)),
                     "xnnpack": ("float", litert(path, layers, source, xs, OpResolverType.AUTO)),
                     "cmsis-nn": ("double", cmsis_nn(options, path, work, False)),
                     "single": ("single", formula(layers, source, xs, "single"))}
            if options.board:
                on_board = cmsis_nn(options, path, work, True)
                same = all((on_board[name] == table).all() for name, table in found["cmsis-nn"][1].items())
                print(f"{model}, cmsis-nn: a Cortex-M4 {'gives the same' if same else 'differs!'}",
                      flush=True)
        for name, (rounding, table) in found.items():
            write(options.folder, model, name, told[name], layers, table)
            if name != "single":
                differences(f"{model}, {name}", layers, table, formula(layers, source, xs, rounding))


if __name__ == "__main__":
    main()
