"""Recurrent layers of int8 models: compares every stored h of compiled code with recurrent_reference.py. Run
by recurrent.tap."""
# SPDX-License-Identifier: Apache-2.0
import ctypes
import os
import random
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "harness"))
import recurrent_reference as ref  # noqa: E402
from libraries import library_command  # noqa: E402
from quantized import note, save, stored  # noqa: E402
from tap import check, finish, start  # noqa: E402

CNNC = os.environ["CNNC"]
ROWS, CHANNELS, UNITS = 9, 6, 5
SCALE, ZERO = ref.f32(0.021), 7
GATES = {"lstm": 4, "gru": 3, "rnn": 1}


class Layer:
    """A layer with random numbers: its statement, its arrays, and its expected results."""

    def __init__(self, seed, call, rounding, litert=False):
        self.rng = random.Random(seed)
        self.word, self.call, self.rounding, self.litert = call.split("(")[0], call, rounding, litert
        self.arrays = stored("x", SCALE, ZERO)
        self.value = (ref.f32(self.rng.uniform(0.004, 0.009)), self.rng.randrange(-40, 40))
        self.asymmetric = self.word == "lstm" or "relu" in call
        if not self.asymmetric:
            self.value = (1 / 128, 0)
        else:
            self.arrays.update(stored("y", *self.value))
        self.cell = 2.0 ** self.rng.randrange(-14, -8)
        if self.word == "lstm":
            self.arrays["y.cell.scale"] = ("F32", [1], [self.cell])
        self.ih = self.product("ih", CHANNELS, SCALE, ZERO, True)
        apart = self.word == "gru" and "before" not in call
        self.hh = self.product("hh", UNITS, *self.value, apart)

    def product(self, member, columns, scale, zero, biased):
        rows = GATES[self.word] * UNITS
        weight = [[self.rng.randrange(-127, 128) for _ in range(columns)] for _ in range(rows)]
        scales = [ref.f32(self.rng.uniform(0.3, 1.5) * 0.004 / scale / 40)
                  for _ in range(self.rng.choice((1, GATES[self.word], rows)))]
        bias = [self.rng.randrange(-9000, 9000) if biased else 0 for _ in range(rows)]
        name = f"y.weight_{member}_l0"
        self.arrays[name] = ("I8", [rows, columns], [w for row in weight for w in row])
        self.arrays[name + ".scale"] = ("F32", [len(scales)], scales)
        if biased:
            self.arrays[f"y.bias_{member}_l0"] = ("I32", [rows], bias)
        return ref.Product(weight, scales, bias, scale, zero, self.litert)

    def wanted(self, x):
        if self.word == "gru":
            return ref.gru(x, self.ih, self.hh, "before" in self.call, self.rounding)
        if self.word == "rnn":
            return ref.rnn(x, self.ih, self.hh, self.value if "relu" in self.call else None, self.rounding)
        clip = re.search(r"clip=([\d.]+)", self.call)
        return ref.lstm(x, self.ih, self.hh, *self.value, self.cell, float(clip[1]) if clip else 0,
                        self.rounding, self.litert)[0]

    def built(self, folder):
        os.makedirs(folder, exist_ok=True)
        path = os.path.join(folder, "n")
        with open(path + ".cnn", "w") as file:
            file.write(f"net n {{\n  input x: {ROWS}x{CHANNELS} as i8\n  y = {self.call}\n"
                       "  output y as i8\n}\n")
        layers = {"y": {"kernel": "litert"}} if self.litert else {}
        save(path + ".safetensors", self.arrays, note(self.rounding, **layers))
        for step in ([CNNC, path + ".cnn", f"--weights={path}.safetensors", "-o", path + ".c"],
                     library_command(path + ".c", path + ".so")):
            done = subprocess.run(step, capture_output=True, text=True)
            if done.returncode:
                raise RuntimeError(done.stderr)
        self.library = ctypes.CDLL(path + ".so")
        size = int(re.search(r"N_WORKSPACE_BYTES (\d+)", open(path + ".h").read())[1])
        self.workspace = ctypes.create_string_buffer(size + 64)

    def run(self, x):
        numbers = [q for row in x for q in row]
        given, made = (ctypes.c_int8 * len(numbers))(*numbers), (ctypes.c_int8 * (ROWS * UNITS))()
        at = ctypes.addressof(self.workspace)
        model = ctypes.byref(ctypes.c_char.in_dll(self.library, "n_trained"))
        self.library.n_infer(model, given, made, ctypes.c_void_p(at + -at % 64))
        return [list(made[t * UNITS:(t + 1) * UNITS]) for t in range(ROWS)]


def samples(rng):
    for k in range(12):
        ends = k % 3 == 0
        yield [[rng.choice((-128, 127)) if ends else rng.randrange(-128, 128) for _ in range(CHANNELS)]
               for _ in range(ROWS)]


def test(call, rounding, litert=False):
    title, differ, seen = f"{call}, {'litert' if litert else rounding}", [], set()
    for seed in range(3):
        layer = Layer(f"{title} {seed}", call, rounding, litert)
        try:
            layer.built(re.sub(r"\W+", "_", f"{title} {seed}"))
        except RuntimeError as error:
            check(False, title, str(error))
            return
        for k, x in enumerate(samples(layer.rng)):
            got, wanted = layer.run(x), layer.wanted(x)
            seen.update(q for row in wanted for q in row)
            differ += [f"seed {seed}, sample {k}, row {t}: {a}, should be {b}"
                       for t, (a, b) in enumerate(zip(got, wanted)) if a != b]
    check(not differ and len(seen) > 60, title, "\n".join(differ[:5]) + f"\n{len(seen)} different bytes")


def main():
    start("recurrent")
    for rounding in ("double", "single", "float"):
        test(f"lstm({UNITS})", rounding)
        test(f"lstm({UNITS}, clip=0.7)", rounding)
        test(f"gru({UNITS})", rounding)
        test(f"gru({UNITS}, reset=before)", rounding)
        test(f"rnn({UNITS})", rounding)
        test(f"rnn({UNITS}, activation=relu)", rounding)
    test(f"lstm({UNITS})", "double", True)
    test(f"lstm({UNITS}, clip=0.7)", "double", True)
    finish()


main()
