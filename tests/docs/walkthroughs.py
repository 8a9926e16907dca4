# walkthroughs.py: the cases of walkthroughs.tap. The shell commands of a page are run in its folder,
# verbatim. If PyTorch is missing, the first step is omitted, and the next step reads the file of tests/walks.
# In the walkthrough of the web page, the small MobileNetV2 of tests/walks replaces torchvision's.
# SPDX-License-Identifier: Apache-2.0
import json, os, re, shutil, subprocess, sys
from tap import check, finish, start

top = os.path.abspath(os.environ["top_srcdir"])
cnnc = os.path.abspath(shutil.which(os.environ["CNNC"]))
work = start("walks")
sys.path.insert(0, os.path.join(top, "tests", "harness"))
import compiled

os.mkdir("bin")
os.symlink(cnnc, "bin/cnnc")
python = os.environ.get("PYTHON", "python3")
environment = {**os.environ, "PATH": os.path.join(work, "bin") + os.pathsep + os.environ["PATH"]}
environment.pop("MAKEFLAGS", None)


def sh(line):
    return subprocess.run(["sh", "-e", "-c", line], capture_output=True, text=True, timeout=300,
                          env=environment)


def has(*packages):
    return sh(f"{python} -c 'import {', '.join(packages)}'").returncode == 0


def commands(page):
    """The shell lines of a page, one command each."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", page, re.M | re.S)
    rest = re.sub(r"(?ms)^```.*?^```$", "", page)
    text = "".join(blocks) or "".join(re.findall(r"^    (.*\n)", rest, re.M))
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def folder(name):
    shutil.copytree(os.path.join(top, "examples", name), name)
    os.chdir(name)
    return open("README.md").read()


def native(program, weights, inputs):
    """The net's outputs on this machine."""
    return compiled.Net(cnnc, program, weights, "native")(inputs)[0]


# ---- from a .pth to firmware
def firmware():
    lines = commands(folder("firmware"))
    check(len(lines) == 5, "firmware takes four commands, and one to run it", "\n".join(lines))
    for end in "pth", "onnx":
        shutil.copy(os.path.join(top, "tests", "walks", "digits." + end), ".")
    if has("torch", "onnx"):
        os.remove("digits.onnx")
        done = sh(lines[0].replace("python3", python))
        check(done.returncode == 0 and os.path.exists("digits.onnx"), lines[0], done.stderr)
    else:
        check(True, f"{lines[0]} # SKIP no PyTorch")
    for line in lines[1:3]:
        done = sh(line)
        check(done.returncode == 0 and not done.stderr, line, done.stderr)
    missing = [tool for tool in ("arm-none-eabi-gcc", "qemu-system-arm") if not shutil.which(tool)]
    if missing:
        check(True, f"{lines[3]} # SKIP no {missing[0]}")
        return
    done = sh(lines[3].replace("-O2", "-O2 -Wall -Wextra -Werror"))
    check(done.returncode == 0, lines[3], done.stderr)
    done = sh("timeout 120 " + lines[4])
    picture = [i * 37 % 251 / 251 for i in range(784)]
    wanted, got = native("digits.cnn", "digits.pth", [picture]), done.stdout.split() + done.stderr.split()
    right = len(got) == len(wanted) and all(abs(int(a) - 1e6 * b) < 3 for a, b in zip(got, wanted))
    check(right and max(wanted) - min(wanted) > 0.01, "the device gives the scores of this machine",
          f"{got} instead of {wanted}")
    os.chdir(work)


# ---- from torchvision to a web page
SCORES = """import { readFileSync } from "node:fs";
import { start } from "./net.js";
const net = start(await WebAssembly.compile(readFileSync("net.wasm")), JSON.parse(readFileSync("net.json")));
net.inputs[0].numbers.forEach((_, i, all) => (all[i] = (i * 37) % 251 / 251));
net.run();
console.log(Array.from(net.outputs[0].numbers).join(" "));
"""


def page():
    text = folder("web")
    text = text[text.index("## From torchvision"):]
    lines = [line.split("#")[0].strip() for line in commands(text)]
    if not shutil.which("node") or sh("echo 'int f(void) { return 1; }' >f.c; clang=${CLANG:-clang}; $clang "
                                      "--target=wasm32 -nostdlib -Wl,--no-entry f.c -o f.wasm").returncode:
        check(True, "a net in a page # SKIP no node, or no clang with wasm-ld")
        return
    shutil.copy(os.path.join(top, "tests", "walks", "mobilenet.onnx"), ".")
    for line in lines[:2]:
        done = sh(line)
        check(done.returncode == 0 and not done.stderr, line, done.stdout + done.stderr)
    check(all(os.path.exists("page/" + name) for name in ("net.wasm", "net.json", "photo.html", "net.js")),
          "the page is complete")
    os.rename("page/net.js", "page/net.mjs")
    with open("page/scores.mjs", "w") as file:
        file.write(SCORES.replace("./net.js", "./net.mjs"))
    done = sh("cd page && node scores.mjs")
    count = json.load(open("page/net.json"))["inputs"][0]["shape"]
    picture = [i * 37 % 251 / 251 for i in range(count[0] * count[1] * count[2])]
    wanted, got = native("mobilenet.cnn", "mobilenet.safetensors", [picture]), done.stdout.split()
    right = len(got) == len(wanted) and compiled.difference(list(map(float, got)), wanted) < 1e-5
    check(right, "the page gives the scores of this machine", f"{got} instead of {wanted} {done.stderr}")
    os.chdir(work)


firmware()
page()
finish()
