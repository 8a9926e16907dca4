"""inference.py: the same net, weights and input in generated C and in onnxruntime: are the outputs equal, and which is faster?

Every net is built twice: by cnnc from examples/, and as ONNX by nets.py, with the weights that the program's own table of parameters asks for. The weights
reach the generated code through NAME_pack, as those of a program that loads a file would. The two take turns, and of each the shortest call counts.
"""
# SPDX-License-Identifier: Apache-2.0
import argparse, ctypes, json, os, subprocess, tempfile, time
import numpy as np
import onnxruntime
from nets import NETS, Builder, draw_weights

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
TURN = 0.1    # seconds of calls before the other has its turn
PAUSE = 0.25  # seconds before a turn with several threads: those of the other spin for up to 0.2 s after their last call

TIMER = """
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include "{net}.h"
#ifdef _OPENMP
#include <omp.h>
#endif

static {net}_model *model;
static {net}_workspace *workspace;

static void *room(size_t bytes) {{
  return aligned_alloc({upper}_ALIGNMENT, (bytes + {upper}_ALIGNMENT - 1) / {upper}_ALIGNMENT * {upper}_ALIGNMENT);
}}

int start(const float *weights, int threads) {{
#ifdef _OPENMP
  omp_set_num_threads(threads);
#endif
  (void)threads;
  model = room(sizeof *model);
  workspace = room(sizeof *workspace);
  if (model == NULL || workspace == NULL) return 0;
  {net}_pack(model, (const {net}_weights *)weights);
  return 1;
}}

double shortest(const uint8_t *image, float *output, double seconds) {{
  double least = 1e9, spent = 0;
  for (int calls = 0; calls < 3 || spent < seconds; calls++) {{
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    {net}_infer(model, image, output, workspace);
    clock_gettime(CLOCK_MONOTONIC, &b);
    double call = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
    least = call < least ? call : least;
    spent += call;
  }}
  return least;
}}

void stop(void) {{
  free(model);
  free(workspace);
}}
"""


class Ours:
    """A net as a shared library made by cnnc and a C compiler."""

    def __init__(self, options, net, facts, weights, image):
        source = os.path.join(ROOT, "examples", net, net + ".cnn")
        openmp = options.threads > 1
        with tempfile.TemporaryDirectory() as work:
            code, timer, library = (os.path.join(work, name) for name in (net + ".c", "timer.c", net + ".so"))
            threads = "--threads=" + ("openmp" if openmp else "none")
            subprocess.run([options.cnnc, source, "--no-train", "--target=native", threads, "-Wno-unread-input", "-o", code], check=True)
            with open(timer, "w") as f:
                f.write(TIMER.format(net=net, upper=net.upper()))
            flags = ["-O2", "-march=native", "-shared", "-fPIC", "-I", work] + (["-fopenmp"] if openmp else [])
            subprocess.run([options.cc, *flags, code, timer, "-o", library], check=True)
            self.library = ctypes.CDLL(library)
        self.library.shortest.restype = ctypes.c_double
        flat = np.concatenate([weights[row["name"]].ravel() for row in facts["weights"]])
        if not self.library.start(self.pointer(flat), options.threads):
            raise SystemExit(f"{net}: out of memory")
        self.image, self.output = image, np.zeros(facts["outputs"][0]["shape"], np.float32)

    @staticmethod
    def pointer(array):
        return array.ctypes.data_as(ctypes.c_void_p)

    def shortest(self, seconds):
        return self.library.shortest(self.pointer(self.image), self.pointer(self.output), ctypes.c_double(seconds))

    def result(self):
        return self.output

    def stop(self):
        self.library.stop()


class Theirs:
    """The net as ONNX in onnxruntime, input and output bound beforehand."""

    def __init__(self, options, net, facts, weights, image):
        h, w, c = image.shape
        *regions, channels = facts["outputs"][0]["shape"]
        regions = [] if regions == [1, 1] else regions
        builder = Builder(weights)
        output = NETS[net](builder)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = options.threads, 1
        model = builder.model([1, c, h, w], output, [1, channels, *regions])
        self.session = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        self.binding.bind_cpu_input("image", np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
        self.binding.bind_output(output)

    def shortest(self, seconds):
        least, spent, calls = np.inf, 0.0, 0
        while calls < 3 or spent < seconds:
            start = time.perf_counter()
            self.session.run_with_iobinding(self.binding)
            call = time.perf_counter() - start
            least, spent, calls = min(least, call), spent + call, calls + 1
        return least

    def result(self):
        return np.moveaxis(self.binding.copy_outputs_to_cpu()[0][0], 0, -1)


def compare(options, net):
    source = os.path.join(ROOT, "examples", net, net + ".cnn")
    facts = json.loads(subprocess.run([options.cnnc, source, "--emit=json", "-Wno-unread-input"], check=True, capture_output=True).stdout)
    weights = draw_weights(net, facts["weights"])
    image = np.random.default_rng(2).integers(0, 256, facts["inputs"][0]["shape"], dtype=np.uint8)
    sides = [Ours(options, net, facts, weights, image), Theirs(options, net, facts, weights, image)]
    least, end = [np.inf] * 2, time.monotonic() + options.seconds
    while time.monotonic() < end or least[1] == np.inf:
        for i, side in enumerate(sides):
            if options.threads > 1:
                time.sleep(PAUSE)
            least[i] = min(least[i], side.shortest(TURN))
    ours, theirs = (side.result() for side in sides)
    sides[0].stop()
    largest = np.abs(theirs).max()
    if not np.median(np.abs(theirs)) > 1e-5 * largest:
        raise SystemExit(f"{net}: nearly all outputs are zero, so that comparing them says nothing")
    error = float(np.abs(ours.ravel() - theirs.ravel()).max() / largest)
    if not error <= 2e-3:
        raise SystemExit(f"{net}: the outputs differ by {error:.2g} of the largest")
    return dict(net=net, ms=1e3 * least[0], peer=1e3 * least[1], ratio=least[1] / least[0], error=error, gflops=2e-9 * facts["totals"]["macs"] / least[0])


def newest_clang():
    names = [f"clang-{version}" for version in range(30, 13, -1)]
    return next((name for name in names if subprocess.run(["sh", "-c", "command -v " + name], capture_output=True).returncode == 0), "clang")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--cc", default=newest_clang(), help="compiler of the generated C (the newest clang)")
    parser.add_argument("--threads", type=int, default=1, help="of both (1)")
    parser.add_argument("--seconds", type=float, default=10, help="for each net (10)")
    parser.add_argument("nets", nargs="*", help="of " + " ".join(NETS))
    options = parser.parse_args()
    unknown = [net for net in options.nets if net not in NETS]
    if unknown or options.threads < 1:
        parser.error("no such net: " + " ".join(unknown) if unknown else "--threads is at least 1")
    version = subprocess.run([options.cc, "-dumpversion"], capture_output=True, text=True).stdout.strip()
    threads = "one thread" if options.threads == 1 else f"{options.threads} threads"
    print(f"batch 1, {threads}, fp32; onnxruntime {onnxruntime.__version__}, {options.cc} {version}\n")
    print("| net | cnnc ms | onnxruntime ms | ratio | GFLOP/s | largest difference |\n|---|---|---|---|---|---|", flush=True)
    for net in options.nets or NETS:
        row = compare(options, net)
        print("| {net} | {ms:.4f} | {peer:.4f} | {ratio:.2f} | {gflops:.1f} | {error:.1e} |".format(**row), flush=True)


if __name__ == "__main__":
    main()
