# updated_nets.py: the cases of updated_nets.tap. Each net is quantized with two sets of random weights. Code
# generated from the first set with --updatable loads the model of the second set. It must give the same
# results as code generated from the second set.
# SPDX-License-Identifier: Apache-2.0
import json, math, os, random, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from samples import npy, npz
from tap import check, finish, start

CNNC = os.environ.get("CNNC", "cnnc")
CC = os.environ.get("CC", "cc").split()
start("updated_nets")

NETS = {
    "residual": """input x: 10x10x3 as i8
        a = conv(8, 3x3, pad=same) -> leaky_relu(0.1)
        b = a -> conv(8, 3x3, pad=same) -> batchnorm
        add(a, b) -> relu
        global_avgpool
        dense(4) -> softmax""",
    "separable": """input x: 11x9x2 as u8
        normalize(scale=1/128, mean=1)
        conv(6, 3x3, stride=2, pad=1) -> batchnorm -> relu6
        depthwise(3x3, pad=1) -> hard_swish
        conv(10, 1x1) -> relu
        maxpool(2)
        flatten -> dense(5)""",
    "branches": """input x: 8x8x4 as i8
        a = conv(5, 3x3) -> sigmoid
        b = x -> conv(5, 3x3) -> tanh
        c = a -> multiply(b)
        c -> concat(a) -> conv(6, 1x1) -> elu
        avgpool(3) -> flatten -> dense(3) -> softmax""",
    "upward": """input x: 5x6x4 as i8
        conv_transpose(6, 2x2, stride=2) -> relu
        a = conv(4, 3x3, pad=1)
        x -> conv(4, 1x1) -> upsample(2) -> subtract(a)
        conv(2, 3x3, pad=same) -> softmax""",
    "steps": """input x: 24x5 as i8
        conv(8, 5, pad=same) -> relu -> maxpool(2)
        conv(8, 3, dilation=2, pad=same) -> gelu
        global_avgpool -> dense(6) -> relu -> dense(3)""",
    "mixed": """input x: 8x8x3 as i8
        conv(8, 3x3, pad=same) -> prelu
        conv(8, 3x3, groups=2) -> relu
        normal = conv(6, 3x3, precision=f32) -> relu
        conv(4, 1x1) -> global_maxpool -> dense(3)""",
}
MAIN = """#include "%s.h"
#include <stdio.h>
#include <string.h>
static %s_workspace workspace;
static _Alignas(64) unsigned char bytes[1 << 20];
int main(int n, char **word) {
  const %s_model *model = %s;
  if (n > 1) {
    FILE *file = fopen(word[1], "rb");
    model = %s_open(bytes, fread(bytes, 1, sizeof bytes, file));
  }
  if (!model) return 3;
  unsigned state = 1;
  for (int k = 0; k < 30; k++) {
    unsigned char x[%s_X_SIZE];
    float y[%s_OUTPUT_SIZE];
    for (unsigned i = 0; i < sizeof x; i++) {
      state = state * 1664525u + 1013904223u;
      x[i] = (unsigned char)(state >> 24);
    }
    %s_infer(model, (const void *)x, y, &workspace);
    for (unsigned i = 0; i < %s_OUTPUT_SIZE; i++) printf("%%a ", (double)y[i]);
  }
}
"""


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=300)


def quantized(name, seed, *options):
    """Random weights, and their int8 form from cnnc quantize."""
    rng = random.Random(seed)
    facts = json.loads(run(CNNC, f"{name}.cnn", "--emit=json", "-o", "-").stdout)
    arrays = {}
    for weight in facts["weights"]:
        size, positive = math.prod(weight["shape"]), weight["name"].endswith("running_var")
        fan = math.sqrt(size / weight["shape"][0]) if len(weight["shape"]) > 1 else 2
        arrays[weight["name"]] = npy(tuple(weight["shape"]), [
            rng.uniform(0.5, 1.5) if positive else rng.uniform(-1.5, 1.5) / fan for _ in range(size)])
    npz(f"{name}{seed}.npz", **arrays)
    return run(CNNC, "quantize", f"{name}.cnn", f"--weights={name}{seed}.npz", "--data=synthetic",
               "--samples=20", "-o", f"{name}{seed}.safetensors", *options)


def answers(name, folder, trained, *words):
    """The results of the code in a folder."""
    upper = name.upper()
    with open(f"{folder}/main.c", "w") as file:
        file.write(MAIN % (name, name, name, f"&{name}_trained" if trained else "NULL", name, upper, upper,
                           name, upper))
    built = run(*CC, "-std=c11", "-O0", "-I", folder, f"{folder}/main.c", f"{folder}/{name}.c", "-o",
                f"{folder}/program", "-lm")
    if built.returncode:
        return built.returncode, built.stderr
    done = run(f"{folder}/program", *words)
    return done.returncode, done.stdout


for name, body in NETS.items():
    with open(f"{name}.cnn", "w") as file:
        file.write(f"net {name} {{\n        {body}\n}}\n")
    rounding = ("single", "double", "float")[list(NETS).index(name) % 3]
    made = [quantized(name, seed, f"--rounding={rounding}") for seed in (1, 2)]
    told = "\n".join(m.stdout + m.stderr for m in made)
    check(all(m.returncode == 0 for m in made), f"{name} is quantized, rounding {rounding}", told)
    for options in ["--cpu=cortex-m4"], ["-Os", "--target=generic"]:
        folder = f"{name}{options[0]}".replace("=", "_")
        for part in "fresh", "first":
            os.makedirs(f"{folder}/{part}")
        calls = [run(CNNC, f"{name}.cnn", f"--weights={name}{seed}.safetensors", *options, *more, "-o",
                     f"{folder}/{to}") for seed, more, to in (
                         (2, [], f"fresh/{name}.c"), (1, ["--updatable"], f"first/{name}.c"),
                         (2, ["--updatable"], "later.model"), (1, [], "plain.model"))]
        good = all(c.returncode == 0 for c in calls)
        check(good, f"  {' '.join(options)}: code and models", "\n".join(c.stderr for c in calls))
        if not good:
            continue
        fresh, later = answers(name, f"{folder}/fresh", True), answers(
            name, f"{folder}/first", False, f"{folder}/later.model")
        check(fresh[0] == 0 and later == fresh, "    after the update, the later results",
              f"{later[0]}\n{later[1][:300]}\n{fresh[1][:300]}")
        check(answers(name, f"{folder}/first", True)[1] != fresh[1], "    and other results before")
        check(answers(name, f"{folder}/first", False, f"{folder}/plain.model")[0] == 3,
              "    a model without --updatable is refused")
finish()
