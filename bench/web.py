"""web.py: nets as WebAssembly in node: cnnc's modules with and without relaxed vectors, and onnxruntime-web.

One thread. web.mjs calls the sides in turns, and the shortest call of each counts. The ratio is the time of
onnxruntime-web divided by the time of cnnc's faster module; a web page chooses one of the modules when it
loads. """
# SPDX-License-Identifier: Apache-2.0
import json, os, subprocess, tempfile
import numpy as np
from inference import error_of_output, make_case, print_machine, read_options
from nets import NETS, OTHERS
from sides import ROOT

MEASURED = ["lenet5", "resnet8", "mobilenet_v1", "mobilenet_v2", "squeezenet", "resnet18"]
TARGETS = ["wasm32", "wasm32-relaxed"]
PACKAGE = "onnxruntime-web"


def install():
    """Installs the peer from npm in bench/node_modules if it is not there. Returns its version."""
    folder = os.path.join(ROOT, "bench")
    file = os.path.join(folder, "node_modules", PACKAGE, "package.json")
    if not os.path.exists(file):
        subprocess.run(["npm", "install", "--prefix", folder, "--no-save", "--no-package-lock", "--silent",
                        PACKAGE], check=True)
    with open(file, encoding="utf-8") as text:
        return json.load(text)["version"]


def node():
    """The command that runs node. Its options: all code is optimized before the first call, and relaxed
    vectors are enabled in node 20."""
    option = "--experimental-wasm-relaxed-simd"
    known = subprocess.run(["node", option, "-e", "0"], capture_output=True).returncode == 0
    return ["node", "--no-liftoff", *([option] if known else [])]


def measure(options, case, work):
    """The shortest seconds of a call of each side, cnnc's first. Writes the outputs of all sides into the
    folder `work`."""

    def path(name):
        return os.path.join(work, name)

    np.savez(path("weights.npz"), **case.weights)
    for target in TARGETS:
        words = [options.cnnc, *case.source, "--no-train", "--target=" + target, "-Wno-unread-input"]
        subprocess.run([*words, "--weights=" + path("weights.npz"), "-Wno-weights-order", "--single-file",
                        "--cc=" + options.cc, "-o", path(target + ".wasm")], check=True)
        subprocess.run([*words, "--emit=json", "-o", path(target + ".json")], check=True)
    model, port, images, outputs = case.onnx()
    for name, data in (("model.onnx", model), ("images", case.images.tobytes()),
                       ("planes", images.tobytes())):
        with open(path(name), "wb") as file:
            file.write(data)
    order = {"folder": work, "targets": TARGETS, "port": port, "shape": list(images.shape),
             "type": str(images.dtype), "outputs": outputs, "seconds": options.seconds}
    done = subprocess.run([*node(), os.path.join(ROOT, "bench", "web.mjs"), json.dumps(order)], check=True,
                          capture_output=True, text=True)
    return json.loads(done.stdout)


def largest_difference(case, work):
    """The largest difference of the modules' outputs from the peer's, relative to the largest number of the
    peer's output."""

    def read(side, i, shape):
        return np.fromfile(os.path.join(work, f"{side}.{i}"), np.float32).reshape(shape)

    worst = 0.0
    for i, shape in enumerate(case.shapes):
        theirs = np.moveaxis(read(PACKAGE, i, [shape[0], shape[-1], *shape[1:-1]]), 1, -1)
        worst = max([worst] + [error_of_output(case, read(target, i, shape), theirs, 2e-3)
                               for target in TARGETS])
    return worst


def main():
    options = read_options([*NETS, *OTHERS], "net", 6, peers="none")
    version = install()
    options.target = ", ".join(TARGETS)
    print_machine(options, "fp32")
    engine = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout.strip()
    print(f"node {engine}; {PACKAGE} {version}; one thread")
    heads = ["net", *(f"{target}, ms" for target in TARGETS), f"{PACKAGE}, ms", "ratio", "largest difference"]
    print("| " + " | ".join(heads) + " |\n" + "|---" * len(heads) + "|", flush=True)
    ratios = []
    for net in options.nets or MEASURED:
        case = make_case(options, net, 1)
        with tempfile.TemporaryDirectory() as work:
            *ours, theirs = measure(options, case, work)
            difference = largest_difference(case, work)
        ratios.append(theirs / min(ours))
        cells = [net, *(f"{1e3 * seconds:.4g}" for seconds in (*ours, theirs)), f"{ratios[-1]:.2f}",
                 f"{difference:.0e}"]
        print("| " + " | ".join(cells) + " |", flush=True)
    print(f"\ngeometric mean: {np.exp(np.mean(np.log(ratios))):.2f}")


if __name__ == "__main__":
    main()
