"""sides.py: the measured sides: a net in cnnc's C, in onnxruntime and in OpenVINO, with the same weights.
Each side has a `call` that timing.py times: one foreign function, with inputs and outputs bound beforehand.
Its `results()` are the outputs of the last call, [batch][h][w][c]."""
# SPDX-License-Identifier: Apache-2.0
import ctypes, functools, glob, json, os, platform, subprocess, tempfile
import numpy as np
import inputs
from nets import Builder

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")

# Blocks of 4 MB and more are on huge pages, as in cnnc's programs (cnn_aligned of runtime/hosted).
GLUE = """
#define _DEFAULT_SOURCE
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "{net}.h"
#ifdef _OPENMP
#include <omp.h>
#endif

#if {upper}_PARAMETERS
static {net}_model *model;
#endif
static {net}_workspace *workspace;
static const void *image;
static float *outputs[{n}];

static void *room(size_t bytes) {{
  const size_t huge = 2 << 20, unit = bytes < 2 * huge ? {upper}_ALIGNMENT : huge;
  const size_t rounded = (bytes + unit - 1) / unit * unit;
  void *block = aligned_alloc(unit, rounded);
#ifdef MADV_HUGEPAGE
  if (block && unit == huge) (void)madvise(block, rounded, MADV_HUGEPAGE);
#endif
  return block;
}}

int start(const float *weights, int threads) {{
#ifdef _OPENMP
  omp_set_num_threads(threads);
#endif
#ifdef POOL
  {net}_threads(threads);
#endif
  (void)threads;
  workspace = room(sizeof *workspace);
  if (workspace == NULL) return 0;
#if {upper}_PARAMETERS
  model = room(sizeof *model);
  if (model == NULL) return 0;
  {net}_pack(model, (const {net}_weights *)weights);
#else
  (void)weights;
#endif
  return 1;
}}

void bind(const void *from, float **to) {{
  image = from;
  for (int i = 0; i < {n}; i++) outputs[i] = to[i];
}}

void call(void) {{
#if {upper}_PARAMETERS
  {net}_infer(model, image, {outputs}, workspace);
#else
  {net}_infer(image, {outputs}, workspace);
#endif
}}

void stop(void) {{
#if {upper}_PARAMETERS
  free(model);
#endif
  free(workspace);
}}
"""


def march(target):
    """Compiler options for the target. SSE4a is off: clang mixes it with AVX, which makes some nets slow."""
    sse4a = ["-mno-sse4a"] if platform.machine() == "x86_64" else []
    return ["-march=" + target, *sse4a]


def precision_of(options):
    """cnnc's option for products of bf16 numbers or for weights in half precision, if these are measured."""
    if getattr(options, "bf16", False):
        return ["--precision=bf16"]
    return ["--precision=f16w"] if getattr(options, "precision", "") == "f16w" else []


def aligned(array):
    """A copy of the array that begins at the start of a cache line, like workspaces. numpy's arrays begin
    16 bytes after the start of a line, so that each AVX-512 vector would cross a line."""
    line = 64
    room = np.empty(array.nbytes + line, np.uint8)
    start = -room.ctypes.data % line
    copy = room[start:start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


class Case:
    """A net: its program (a file, and options of cnnc), the function that builds it as ONNX, weights, a batch
    of inputs, and the program's JSON."""

    def __init__(self, net, source, build, batch, facts, weights):
        self.net, self.source, self.build = net, source, build
        self.batch, self.facts, self.weights = batch, facts, weights
        self.images = aligned(inputs.draw(facts["inputs"][0], batch))
        self.shapes = [[batch, *output["shape"]] for output in facts["outputs"]]
        self.model = None  # the bytes of an ONNX model that replaces the one of onnx()

    def onnx(self):
        """The net for the peers: the bytes of the ONNX model, the name and numbers of its input, and the
        names of its outputs."""
        batch, *plane, c = self.images.shape
        builder = Builder(self.weights)
        outputs = self.build(builder)
        outputs = [outputs] if isinstance(outputs, str) else list(outputs)
        model = builder.model([batch, c, *plane], outputs, [channels_first(shape) for shape in self.shapes],
                              self.images.dtype == np.uint8)
        return (self.model or model, "image", np.ascontiguousarray(np.moveaxis(self.images, -1, 1)),
                outputs)


def case_of_program(options, source, build, batch):
    """A case for any program. The random weights preserve the variance of the values in every layer."""
    facts = json.loads(subprocess.run([options.cnnc, source, "--emit=json"], check=True, capture_output=True)
                       .stdout)
    random = np.random.default_rng(1)
    weights = {row["name"]: random.normal(0, 1 / np.sqrt(max(1, np.prod(row["shape"][1:]))), row["shape"])
               .astype(np.float32) for row in facts["weights"]}
    return Case("net", [source], build, batch, facts, weights)


class Ours:
    """A shared library built with cnnc and a C compiler."""

    def __init__(self, options, case, threads):
        net, source = case.net, case.source
        with tempfile.TemporaryDirectory() as work:
            code, glue, library = (os.path.join(work, name) for name in (net + ".c", "glue.c", net + ".so"))
            team = getattr(options, "team", "openmp") if threads > 1 else "none"
            subprocess.run([options.cnnc, *source, "--no-train", "--target=" + options.target,
                            f"--batch={case.batch}", "--threads=" + team, *precision_of(options),
                            "-Wno-unread-input", "-o", code], check=True)
            with open(glue, "w") as f:
                n = len(case.shapes)
                f.write(GLUE.format(net=net, upper=net.upper(), n=n,
                                    outputs=", ".join(f"outputs[{i}]" for i in range(n))))
            flags = ["-O2", *march(options.target), "-shared", "-fPIC", "-I",
                     work] + {"openmp": ["-fopenmp"], "pool": ["-pthread", "-DPOOL"]}.get(team, [])
            subprocess.run([options.cc, *flags, code, glue, "-o", library], check=True)
            self.library = ctypes.CDLL(library)
        flat = np.concatenate([np.zeros(0, np.float32)] + [case.weights[row["name"]].ravel()
                                                           for row in case.facts["weights"]])
        if not self.library.start(self.pointer(flat), threads):
            raise SystemExit(f"{net}: out of memory")
        self.images = case.images
        self.outputs = [aligned(np.zeros(shape, np.float32)) for shape in case.shapes]
        self.library.bind(self.pointer(self.images),
                          (ctypes.c_void_p * len(self.outputs))(*map(self.pointer, self.outputs)))
        self.call = self.library.call

    @staticmethod
    def pointer(array):
        return array.ctypes.data_as(ctypes.c_void_p)

    def results(self):
        return self.outputs

    def stop(self):
        self.library.stop()


def channels_first(shape):
    batch, *regions, channels = shape
    return [batch, channels, *([] if regions == [1, 1] else regions)]


class Unsupported(Exception):
    """Raised if a peer cannot compute a case; the text is the reason. The row of the case then has no numbers
    for this peer."""


class OnnxRuntime:
    name = "onnxruntime"

    def __init__(self, options, case, threads):
        import onnxruntime
        model, port, images, outputs = case.onnx()
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
        self.session = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
        self.binding = self.session.io_binding()
        self.binding.bind_cpu_input(port, images)
        for output in outputs:
            self.binding.bind_output(output)
        # the C++ function that the method run_with_iobinding calls, without that method's overhead
        self.call = functools.partial(self.session._sess.run_with_iobinding, self.binding._iobinding, None)

    def results(self):
        return [np.moveaxis(output, 1, -1) for output in self.raw()]

    def raw(self):
        """Outputs in the model's layout."""
        return self.binding.copy_outputs_to_cpu()

    @staticmethod
    def version():
        import onnxruntime
        return onnxruntime.__version__


class OpenVINO:
    """OpenVINO, which has CPU kernels of its own and uses those of oneDNN. Calls go through OpenVINO's C
    interface, because its Python method builds a dictionary of the outputs in each call. That takes longer
    than a call of a small net."""
    name = "OpenVINO"

    def __init__(self, options, case, threads):
        import openvino
        model, _, images, _ = case.onnx()
        self.library = ctypes.CDLL(
                                   glob.glob(os.path.join(os.path.dirname(openvino.__file__), "libs",
                                                          "libopenvino_c.so*"))[0])
        settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": "NO"}
        if not getattr(options, "bf16", False):  # OpenVINO's default is bf16 if the CPU has bf16 instructions
            settings["INFERENCE_PRECISION_HINT"] = "f32"
        words = [ctypes.c_char_p(str(word).encode()) for pair in settings.items() for word in pair]
        core, network, compiled, self.request = (ctypes.c_void_p() for _ in range(4))
        self.check(self.library.ov_core_create(ctypes.byref(core)))
        self.check(self.library.ov_core_read_model_from_memory_buffer(core, ctypes.c_char_p(model),
            ctypes.c_size_t(len(model)), None, ctypes.byref(network)))
        self.check(self.library.ov_core_compile_model(core, network, ctypes.c_char_p(b"CPU"),
                                                      ctypes.c_size_t(len(words)), ctypes.byref(compiled),
                                                      *words))
        self.check(self.library.ov_compiled_model_create_infer_request(compiled, ctypes.byref(self.request)))
        where, n = self.tensor(self.library.ov_infer_request_get_input_tensor_by_index, 0)
        assert n == images.nbytes
        ctypes.memmove(where, images.ctypes.data, n)
        self.shapes = [channels_first(shape) for shape in case.shapes]
        self.call = functools.partial(self.library.ov_infer_request_infer, self.request)

    def check(self, status):
        if status:
            raise SystemExit(f"OpenVINO: error {status}")

    def tensor(self, of, number):
        """Address and size of a tensor."""
        tensor, data, n = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_size_t()
        self.check(of(self.request, ctypes.c_size_t(number), ctypes.byref(tensor)))
        self.check(self.library.ov_tensor_data(tensor, ctypes.byref(data)))
        self.check(self.library.ov_tensor_get_byte_size(tensor, ctypes.byref(n)))
        return data, n.value

    def results(self):
        return [np.moveaxis(self.output(i, shape), 1, -1) for i, shape in enumerate(self.shapes)]

    def output(self, number, shape):
        data, n = self.tensor(self.library.ov_infer_request_get_output_tensor_by_index, number)
        return np.frombuffer((ctypes.c_char * n).from_address(data.value), np.float32).copy().reshape(shape)

    @staticmethod
    def version():
        import openvino
        return openvino.__version__.split("-")[0]


PEERS = [OnnxRuntime, OpenVINO]
