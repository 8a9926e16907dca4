"""sweep.py: the time of single layers of published nets, relative to the limits of this machine.

Each layer is a separate net with float inputs and outputs. The lower bound of a layer's time is the longer of
two times. One is the time of the layer's multiply-adds (without Winograd), at the peak rate of multiply-adds
in registers (peak.c). The other is the time of one pass over the layer's weights, input and output, at the
bandwidth for this number of bytes (bandwidth.c). The share of a layer is the bound divided by the measured
time. Winograd needs fewer multiplications, so shares above 100 % occur. """
# SPDX-License-Identifier: Apache-2.0
import argparse, collections, ctypes, json, os, re, subprocess, tempfile
import numpy as np
import inference
from compiler import newest_clang
from nets import find
from sides import ROOT, Ours, case_of_program, march, precision_of
from timing import shortest

NETS = ["resnet50", "vgg16", "alexnet", "googlenet", "resnext50", "densenet121", "mobilenet_v1",
        "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0", "convnext_t", "squeezenet", "resnet18",
        "resnet20", "inception17", "csp", "pyramid", "trunk", "unet", "unet_2015", "tiny_yolo", "deeplab_v3",
        "dcgan", "fsrcnn", "espcn", "lenet5", "ds_cnn", "speech", "perceptron"]
LEFT_OUT = ("init", "bias_init")  # arguments that do not affect speed

GLUE = """
#include <stdlib.h>
#include "net.h"
#ifdef _OPENMP
#include <omp.h>
#endif
static net_weights *weights, *gradients;
static net_training *training;
static const float *image;
static float *value;

static void *room(size_t bytes) { return aligned_alloc(64, (bytes + 63) / 64 * 64); }

int start(const float *from, int threads) {
#ifdef _OPENMP
  omp_set_num_threads(threads);
#endif
  (void)threads;
  weights = (net_weights *)from;
  gradients = room(sizeof *gradients);
  training = room(sizeof *training);
  return gradients && training;
}
void bind(const float *in, float *out) { image = in; value = out; }
void call(void) { net_gradients(weights, image, value, NET_TRAIN_BATCH, 1, 0, gradients, NULL, training); }
void stop(void) { free(gradients); free(training); }
"""


class Training:
    """A shared library that computes all gradients of a step, including that of the layer's input."""

    def __init__(self, options, case, threads):
        with tempfile.TemporaryDirectory() as work:
            code, glue, library = (os.path.join(work, name) for name in ("net.c", "glue.c", "net.so"))
            kind = "--threads=" + ("openmp" if threads > 1 else "none")
            subprocess.run([options.cnnc, *case.source, "--train", "--target=" + options.target, kind, "-o",
                            code], check=True)
            with open(glue, "w") as f:
                f.write(GLUE)
            flags = ["-O2", "-fno-math-errno", *march(options.target), "-shared", "-fPIC", "-I", work, "-I",
                     os.path.join(ROOT, "runtime", "include")] + (["-fopenmp"] if threads > 1 else [])
            subprocess.run([options.cc, *flags, code, glue, "-o", library], check=True)
            self.library = ctypes.CDLL(library)
        self.weights = np.concatenate([case.weights[row["name"]].ravel() for row in case.facts["weights"]])
        if not self.library.start(Ours.pointer(self.weights), threads):
            raise SystemExit("out of memory")
        self.images, self.target = case.images, np.zeros(case.shapes[0], np.float32)
        self.library.bind(Ours.pointer(self.images), Ours.pointer(self.target))
        self.call, self.stop = self.library.call, self.library.stop


def written(value):
    if isinstance(value, bool):
        return str(value).lower()
    return "[" + ", ".join(map(written, value)) + "]" if isinstance(value, list) else str(value)


def family_of(operator, arguments, shape):
    kernel, groups = arguments.get("kernel", [1]), arguments.get("groups", 1)
    kernel = kernel * 2 if len(kernel) == 1 and len(shape) == 3 else kernel
    size = "x".join(map(str, kernel))
    words = [operator if operator != "conv" or size != "1x1" else "1x1"]
    if operator in ("conv", "conv_transpose") and size != "1x1":
        words.append("1-D" if len(kernel) == 1 else size if max(kernel) <= 7 else "large")
    if operator == "depthwise":
        words.append(size)
    words += ["groups"] * (groups > 1) + ["stride"] * (max(arguments.get("stride", [1])) > 1)
    words += ["dilation"] * (max(arguments.get("dilation", [1])) > 1)
    return " ".join(words)


def layers_of(options):
    """The layers with multiply-adds, each as (family, net, shape of the input, text), without duplicates, and
    about the same number from each net. The second result is the number of different layers in all nets."""
    found, seen = [], set()
    for net in NETS:
        facts = json.loads(subprocess.run([options.cnnc, find(net), "--emit=json", "-Wno-unread-input"],
                                          check=True, capture_output=True).stdout)
        shapes = {value["name"]: value["shape"] for value in facts["inputs"] + facts["layers"]}
        own = []
        for layer in facts["layers"]:
            if layer["operator"] not in ("conv", "depthwise", "conv_transpose", "dense"):
                continue
            arguments = {key: value for key, value in layer["arguments"].items() if key not in LEFT_OUT}
            words = ", ".join(f"{key}={written(value)}" for key, value in arguments.items())
            text = f"{layer['operator']}({words})"
            key = (text, tuple(shapes[layer["inputs"][0]]))
            if key not in seen:
                seen.add(key)
                own.append((family_of(layer["operator"], arguments, key[1]), net, key[1], text))
        found.append(own)
    per_net = options.layers / len(NETS)
    kept = [layer for own in found for i, layer in enumerate(own)
            if i * per_net // len(own) != (i - 1) * per_net // len(own)]
    known = {layer[0] for layer in kept}
    if not known.issuperset(options.families):
        raise SystemExit("families are: " + ", ".join(sorted(known)))
    return [layer for layer in kept if not options.families or layer[0] in options.families], len(seen)


def make_case(options, work, shape, text, batch):
    source = os.path.join(work, "net.cnn")
    train = f"    train {{ loss = mse; batch = {batch} }}\n" if options.train else ""
    first = "scale -> " if options.train else ""  # so that the gradient of the input is computed
    with open(source, "w") as f:
        f.write(f"net net {{\n    input image: {'x'.join(map(str, shape))}\n    value = {first}{text}\n"
                f"    output value\n{train}}}\n")
    return case_of_program(options, source, None, batch)


class Machine:
    """Measured limits of the machine: multiply-adds and bytes per second."""

    def __init__(self, options, work):
        self.peak = 1e9 * inference.peak(options, options.threads[0])
        self.program = os.path.join(work, "bandwidth")
        self.known, self.threads, self.bf16 = {}, options.threads[0], options.bf16
        width = inference.vector_bytes(options.target)
        subprocess.run([options.cc, "-O2", *march(options.target), f"-DWIDTH={width}",
                        os.path.join(ROOT, "bench", "bandwidth.c"), "-o", self.program], check=True)
        # floating-point operations per cycle: those of two vector multiply-adds, or a sixteenth of those of
        # a product of AMX tiles
        flops = {"-DTILES": 1024, "-DDOTS": width}.get("".join(inference.bf16_kind(options)), width)
        self.hertz = self.peak / self.threads / flops

    def rate(self, size):
        size = 1 << max(14, (size - 1).bit_length())
        if size not in self.known:
            self.known[size] = 1e9 * float(subprocess.run([self.program, str(size)], check=True,
                                                          capture_output=True, text=True).stdout)
        return self.known[size] * self.threads

    def least(self, case, train):
        """The lower bound of the seconds. Training computes, reads and writes three times as much as
        inference."""
        flops = 2 * case.facts["totals"]["macs"] * case.batch
        weights = sum(int(np.prod(row["shape"])) for row in case.facts["weights"])
        numbers = weights + case.batch * sum(int(np.prod(port["shape"])) for port in
                                             case.facts["inputs"] + case.facts["outputs"])
        times = 3 if train else 1
        size = 4 * numbers - (2 * weights if self.bf16 else 0)
        return times * max(flops / self.peak, size / self.rate(size))


def predicted(options, case, machine):
    """The seconds that the cost model predicts, for one image and one thread."""
    text = subprocess.run([options.cnnc, *case.source, "--emit=schedule", "--no-train",
                           "--target=" + options.target, *precision_of(options), "-o", "-"],
                          check=True, capture_output=True, text=True).stdout
    cycles = re.search(r"total ([\d,]+) cycles", text)
    return int(cycles.group(1).replace(",", "")) / machine.hertz if cycles else None


def geometric(values):
    return float(np.exp(np.mean(np.log(values))))


def print_results(rows, options):
    line = "{family} | {net} | {shape} | {text} | {batch} | {ms:.4g} | {share:.0f} % | {model}"
    head = "| family | net | input | layer | batch | ms | share | model over measured |\n" + "|---" * 8 + "|"
    if options.rows:
        print("\n" + head)
        for row in rows:
            print("| " + line.format(**row) + " |")
    print("\n| family | layers | share, geometric mean | least |\n|---|---|---|---|")
    families = collections.defaultdict(list)
    for row in rows:
        families[row["family"]].append(row["share"])
    for family, shares in sorted(families.items()):
        print(f"| {family} | {len(shares)} | {geometric(shares):.0f} % | {min(shares):.0f} % |")
    print(f"| all | {len(rows)} | {geometric([row['share'] for row in rows]):.0f} % | "
          f"{min(row['share'] for row in rows):.0f} % |")
    print("\nThe ten worst:\n\n" + head)
    for row in sorted(rows, key=lambda row: row["share"])[:10]:
        print("| " + line.format(**row) + " |")


def read_options():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--cc", default=newest_clang(), help="compiler of the generated C (the newest clang)")
    parser.add_argument("--threads", default="1", help="threads (1)")
    parser.add_argument("--target", default="native", help="target of cnnc (native)")
    parser.add_argument("--batches", default="1,8", help="images per call (1,8)")
    parser.add_argument("--seconds", type=float, default=0.3, help="duration for each layer (0.3)")
    parser.add_argument("--layers", type=int, default=200,
                        help="number of layers, spread over the nets (200)")
    parser.add_argument("--train", action="store_true", help="measure gradients instead of inference")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32",
                        help="precision of the products (f32)")
    parser.add_argument("--rows", action="store_true", help="print each layer")
    parser.add_argument("families", nargs="*", metavar="FAMILY",
                        help="families of layers, named as in the table (all)")
    options = parser.parse_args()
    options.threads, options.peers = [int(options.threads)], []
    options.bf16 = options.precision == "bf16"
    return options


def main():
    options = read_options()
    kind = "bf16" if options.bf16 else "fp32"
    inference.print_machine(options, kind + ", training" * options.train)
    rows = []
    with tempfile.TemporaryDirectory() as work:
        machine = Machine(options, work)
        layers, count = layers_of(options)
        print(f"peak {machine.peak / 1e9:.0f} GFLOP/s; {len(layers)} of {count} layers of {len(NETS)} nets",
              flush=True)
        for family, net, shape, text in layers:
            for batch in map(int, options.batches.split(",")):
                case = make_case(options, work, shape, text, batch)
                side = (Training if options.train else Ours)(options, case, options.threads[0])
                seconds = shortest(side.call, options.seconds)
                side.stop()
                model = None if options.train or batch > 1 else predicted(options, case, machine)
                rows.append({"family": family, "net": net, "shape": "x".join(map(str, shape)), "text": text,
                             "batch": batch, "ms": 1e3 * seconds,
                             "share": 100 * machine.least(case, options.train) / seconds,
                             "model": f"{model / seconds:.2f}" if model else ""})
    print_results(rows, options)


if __name__ == "__main__":
    main()
