# fine_tuning.py: the cases of fine_tuning.tap: a small imported MobileNetV2, which was trained on other
# shapes, is trained further for three epochs on a folder of PNGs. The net is trained by an executable, and
# again by the Python package.
# SPDX-License-Identifier: Apache-2.0
import os, re, shutil, subprocess, sys
from tap import check, finish, start

top = os.path.abspath(os.environ["top_srcdir"])
cnnc = os.path.abspath(shutil.which(os.environ["CNNC"]))
work = start("tuned")
sys.path.append(os.path.join(top, "tests", "walks"))
import shapes

CLASSES = ("circle", "cross", "square")
RECIPE = """loss = cross_entropy
optimizer = adam(rate=0.005)
batch = 16
epochs = 3"""
model = os.path.join(top, "tests", "walks", "mobilenet.onnx")


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=500)


def accuracy(weights):
    made = run("./tuned", "eval", "--data", "shapes", "--weights", weights, "--json")
    found = re.search(r'"accuracy": *([0-9.]+)', made.stdout)
    return float(found[1]) if found else 2.0


def by_program():
    made = run(cnnc, "import", model, "--input", "picture=u8", "-o", "tuned")
    text = open("tuned.cnn").read()
    labels = "labels [" + ", ".join(f'"{name}"' for name in CLASSES) + "]\n"
    end = text.rindex("}")
    with open("tuned.cnn", "w") as file:
        file.write(text[:end] + labels + "train {\n" + RECIPE + "\n}\n}\n")
    os.rename("tuned.safetensors", "before.safetensors")
    made = run(cnnc, "tuned.cnn", "-o", "tuned")
    check(made.returncode == 0, "an imported MobileNetV2 becomes a program that trains it", made.stderr)
    before = accuracy("before.safetensors")
    made = run("./tuned", "train", "--data", "shapes", "--init", "before.safetensors", "--seed", "1",
               "--out", "after.safetensors")
    check(made.returncode == 0, "it is trained further", made.stderr)
    after = accuracy("after.safetensors")
    check(before < 0.7 and after > 0.9, "and classifies new shapes", f"{before} {after}")


PACKAGE = """
import sys, numpy as np
sys.path[:0] = [{package!r}, {walks!r}]
import random, cnnc, shapes
x = np.array([np.frombuffer(shapes.picture(random.Random(f"{{s}} {{n}}"), s), np.uint8).reshape(32, 32, 3)
              for n in range(60) for s in {classes}])
y = np.array([c for n in range(60) for c in range(3)])
net = cnnc.from_onnx({model!r}, inputs={{"picture": "u8"}}, train={recipe!r})
before = net.evaluate(x, y)["accuracy"]
net.train(x, y, seed=1)
print(before, net.evaluate(x, y)["accuracy"])
"""


def by_package():
    candidates = [os.environ.get("PYTHON", "python3"), "/usr/bin/python3"]
    python = next((one for one in candidates if shutil.which(one) and
                   not run(one, "-c", "import numpy").returncode), None)
    build = os.environ["top_builddir"]
    if python is None or os.environ.get("SANITIZED") or not os.path.exists(build + "/.libs/libcnn.so.0"):
        check(True, "the Python package does the same # SKIP no numpy, or no shared library")
        return
    os.environ.update(CNNC=cnnc, XDG_CACHE_HOME=work, CNNC_BUILD=build)
    made = run(python, "-c", PACKAGE.format(package=os.path.join(top, "python"), classes=CLASSES, model=model,
                                            walks=os.path.join(top, "tests", "walks"), recipe=RECIPE))
    numbers = list(map(float, made.stdout.split())) if made.returncode == 0 else []
    check(len(numbers) == 2 and numbers[0] < 0.7 and numbers[1] > 0.9, "the Python package does the same",
          made.stdout + made.stderr)


shapes.write("shapes", CLASSES, "train", 200)
shapes.write("shapes", CLASSES, "test", 20)
by_program()
by_package()
finish()
