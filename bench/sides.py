"""sides.py: the sides that are measured: a net as C made by cnnc, in onnxruntime, in OpenVINO. Each is built from the same weights, times its own calls and
gives the outputs of the last one, [batch][h][w][c].
"""
# SPDX-License-Identifier: Apache-2.0
import ctypes, os, subprocess, tempfile, time
import numpy as np
from nets import Builder

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")

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

double shortest(const void *image, float *output, double seconds) {{
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


def march(target):
    return "-march=" + ("native" if target == "native" else target)


class Case:
    """A net with its program, the same as ONNX, weights, a batch of inputs and what the program says about it."""

    def __init__(self, net, source, build, batch, facts, weights):
        self.net, self.source, self.build, self.batch, self.facts, self.weights = net, source, build, batch, facts, weights
        random, shape = np.random.default_rng(2), [batch, *facts["inputs"][0]["shape"]]
        pixels = facts["inputs"][0]["type"] == "u8"
        self.images = random.integers(0, 256, shape, dtype=np.uint8) if pixels else random.normal(0, 1, shape).astype(np.float32)
        self.shape = [batch, *facts["outputs"][0]["shape"]]


class Ours:
    """As a shared library made by cnnc and a C compiler."""

    def __init__(self, options, case, threads):
        net, source = case.net, case.source
        with tempfile.TemporaryDirectory() as work:
            code, timer, library = (os.path.join(work, name) for name in (net + ".c", "timer.c", net + ".so"))
            kind = "--threads=" + ("openmp" if threads > 1 else "none")
            subprocess.run([options.cnnc, source, "--no-train", "--target=" + options.target, f"--batch={case.batch}", kind, "-Wno-unread-input", "-o", code], check=True)
            with open(timer, "w") as f:
                f.write(TIMER.format(net=net, upper=net.upper()))
            flags = ["-O2", march(options.target), "-shared", "-fPIC", "-I", work] + (["-fopenmp"] if threads > 1 else [])
            subprocess.run([options.cc, *flags, code, timer, "-o", library], check=True)
            self.library = ctypes.CDLL(library)
        self.library.shortest.restype = ctypes.c_double
        flat = np.concatenate([case.weights[row["name"]].ravel() for row in case.facts["weights"]])
        if not self.library.start(self.pointer(flat), threads):
            raise SystemExit(f"{net}: out of memory")
        self.images, self.outputs = case.images, np.zeros(case.shape, np.float32)

    @staticmethod
    def pointer(array):
        return array.ctypes.data_as(ctypes.c_void_p)

    def shortest(self, seconds):
        return self.library.shortest(self.pointer(self.images), self.pointer(self.outputs), ctypes.c_double(seconds))

    def result(self):
        return self.outputs

    def stop(self):
        self.library.stop()


def as_onnx(case):
    """The net for the others: its bytes, its input as they want it, the name of its output."""
    batch, *plane, c = case.images.shape
    *regions, channels = case.shape[1:]
    builder = Builder(case.weights)
    output = case.build(builder)
    model = builder.model([batch, c, *plane], output, [batch, channels, *([] if regions == [1, 1] else regions)], case.images.dtype == np.uint8)
    return model, np.ascontiguousarray(np.moveaxis(case.images, -1, 1)), output


class Peer:
    """Another runtime, called from Python with everything bound beforehand."""

    def shortest(self, seconds):
        least, spent, calls = np.inf, 0.0, 0
        while calls < 3 or spent < seconds:
            start = time.perf_counter()
            self.call()
            call = time.perf_counter() - start
            least, spent, calls = min(least, call), spent + call, calls + 1
        return least


class OnnxRuntime(Peer):
    name = "onnxruntime"

    def __init__(self, options, case, threads):
        import onnxruntime
        model, images, output = as_onnx(case)
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
        self.session = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        self.binding.bind_cpu_input("image", images)
        self.binding.bind_output(output)

    def call(self):
        self.session.run_with_iobinding(self.binding)

    def result(self):
        return np.moveaxis(self.binding.copy_outputs_to_cpu()[0], 1, -1)

    @staticmethod
    def version():
        import onnxruntime
        return onnxruntime.__version__


class OpenVINO(Peer):
    """Its CPU kernels are those of oneDNN, and code of its own."""
    name = "OpenVINO"

    def __init__(self, options, case, threads):
        import openvino
        model, images, _ = as_onnx(case)
        core = openvino.Core()
        settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}
        self.images = images
        self.request = core.compile_model(core.read_model(model, b""), "CPU", settings).create_infer_request()
        self.request.set_input_tensor(openvino.Tensor(self.images, shared_memory=True))

    def call(self):
        self.request.infer()

    def result(self):
        return np.moveaxis(np.array(self.request.get_output_tensor().data), 1, -1)

    @staticmethod
    def version():
        import openvino
        return openvino.__version__.split("-")[0]


PEERS = [OnnxRuntime, OpenVINO]
