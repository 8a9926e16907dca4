"""int8.py: int8 models, quantized with the same images: by `cnnc quantize`, and by onnxruntime's
quantize_static, whose model OpenVINO runs in int8, too. The float net of cnnc is in the same run. The sides
alternate, and the shortest call of each counts. The int8 outputs of cnnc and of onnxruntime are rounded
differently, so the table has the difference of each from the float outputs."""
# SPDX-License-Identifier: Apache-2.0
import ctypes, json, math, os, struct, subprocess, sys, tempfile
import numpy as np
import inputs
from inference import make_case, print_machine, read_options
from nets import NETS, OTHERS
from sides import Ours, march
from timing import in_turns

PICTURES = 8  # number of images for calibration

GLUE = """
#include <stdlib.h>
#include "{net}.h"
#ifdef _OPENMP
#include <omp.h>
#endif
static {net}_workspace *workspace;
static const void *image;
static float *outputs[{n}];

int start(int threads) {{
#ifdef _OPENMP
  omp_set_num_threads(threads);
#endif
  (void)threads;
  workspace = aligned_alloc(64, (sizeof *workspace + 63) / 64 * 64);
  return workspace != NULL;
}}

void bind(const void *from, float **to) {{
  image = from;
  for (int i = 0; i < {n}; i++) outputs[i] = to[i];
}}

void call(void) {{
  {net}_infer(&{net}_trained, image, {outputs}, workspace);
}}

void stop(void) {{ free(workspace); }}
"""


def write_weights(weights, path):
    head, at = {}, 0
    for name, array in weights.items():
        head[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(np.ascontiguousarray(array).tobytes() for array in weights.values())


def draw_pictures(case):
    return inputs.draw(case.facts["inputs"][0], PICTURES, 3)


def draw_targets(case):
    """Classes as targets for calibration: one for each image, or one for each pixel if the output is a
    map."""
    shape = [PICTURES, *case.shapes[0][1:-1]]
    return (np.arange(math.prod(shape)) % 2).reshape(shape).astype(np.uint8)


class OursInt8(Ours):
    """The output of cnnc quantize, as a shared library. The base class runs it."""

    def __init__(self, options, case, threads, work):
        net = case.net
        floats, data, quantized, code, glue, library = (
            os.path.join(work, net + end) for end in (".safetensors", ".npz", ".int8.safetensors", ".c",
                                                      "_glue.c", f"{threads}.so"))
        if not os.path.exists(quantized):
            write_weights(case.weights, floats)
            np.savez(data, x=case.pictures, y=draw_targets(case))
            subprocess.run([options.cnnc, "quantize", *case.source, "--weights=" + floats, "--data=" + data,
                            f"--samples={PICTURES}", "--calibrate=minmax", "--cc=" + options.cc,
                            "-o", quantized, *(["--reduce-range"] if options.reduced else [])],
                           check=True, capture_output=True)
        kind = "--threads=" + ("openmp" if threads > 1 else "none")
        subprocess.run([options.cnnc, *case.source, "--no-train", "--target=" + options.target, kind,
                        "--weights=" + quantized, "-Wno-unread-input", "-Wno-not-int8",
                        "-Wno-weights-order", "-o", code], check=True)
        with open(glue, "w") as file:
            n = len(case.shapes)
            file.write(GLUE.format(net=net, n=n, outputs=", ".join(f"outputs[{i}]" for i in range(n))))
        flags = ["-O2", *march(options.target), "-shared", "-fPIC", "-I", work]
        subprocess.run([options.cc, *flags, *(["-fopenmp"] if threads > 1 else []), code, glue, "-o",
                        library], check=True)
        self.library = ctypes.CDLL(library)
        if not self.library.start(threads):
            raise SystemExit(f"{net}: out of memory")
        self.images, self.outputs = case.images, [np.zeros(shape, np.float32) for shape in case.shapes]
        self.library.bind(self.pointer(self.images),
                          (ctypes.c_void_p * len(self.outputs))(*map(self.pointer, self.outputs)))
        self.call = self.library.call


def quantized_model(options, case, work):
    """The case's ONNX model after quantize_static: int8, with one weight scale per channel."""
    from onnxruntime import quantization
    model, *_ = case.onnx()
    planes = np.ascontiguousarray(np.moveaxis(case.pictures, -1, 1))
    floats, prepared, result = (os.path.join(work, name) for name in ("f.onnx", "p.onnx", "q.onnx"))
    with open(floats, "wb") as file:
        file.write(model)

    class Reader(quantization.CalibrationDataReader):
        left = iter([{"image": planes[i:i + 1]} for i in range(PICTURES)])

        def get_next(self):
            return next(self.left, None)

    quantization.quant_pre_process(floats, prepared, skip_symbolic_shape=True)
    quantization.quantize_static(prepared, result, Reader(), quant_format=quantization.QuantFormat.QDQ,
                                 per_channel=True, activation_type=quantization.QuantType.QUInt8,
                                 weight_type=quantization.QuantType.QInt8, reduce_range=options.reduced)
    with open(result, "rb") as file:
        return file.read()


def error(side, floats):
    """RMS (root mean square) of the difference over all outputs, relative to the RMS of the float outputs."""
    got, meant = (np.concatenate([x.ravel() for x in s.results()]) for s in (side, floats))
    return math.sqrt(float(((got - meant) ** 2).mean() / (meant**2).mean()))


def measure(options, case, threads, work):
    sides = [OursInt8(options, case, threads, work), Ours(options, case, threads)]
    case.model = quantized_model(options, case, work)
    sides += [peer(options, case, threads) for peer in options.peers]
    least = in_turns(sides, threads, options.seconds)
    errors = [error(side, sides[1]) for side in [sides[0], *sides[2:]]]
    sides[0].stop()
    sides[1].stop()
    return least, errors


def main():
    words = [word for word in sys.argv[1:] if word not in ("--precision=int8", "--reduce-range")]
    reduced = "--reduce-range" in sys.argv
    sys.argv[1:] = words
    options = read_options([*NETS, *OTHERS], "net", 5)
    options.reduced = reduced
    print_machine(options, "8 bits, weights 7 bits" if reduced else "8 bits")
    columns = ["net", "threads", "cnnc ms", "floats ms", "ratio"]
    columns += [text for peer in options.peers for text in (peer.name + " ms", "ratio")]
    print("| " + " | ".join(columns + ["errors"]) + " |\n" + "|---" * (len(columns) + 1) + "|", flush=True)
    best = []
    for net in options.nets or NETS:
        case = make_case(options, net, 1)
        case.pictures = draw_pictures(case)
        for threads in options.threads:
            case.model = None
            with tempfile.TemporaryDirectory() as work:
                (ours, *others), errors = measure(options, case, threads, work)
            cells = [net, threads, f"{1e3 * ours:.4g}"]
            cells += [text for other in others for text in (f"{1e3 * other:.4g}", f"{other / ours:.2f}")]
            cells.append(" ".join(f"{100 * e:.1f} %" for e in errors))
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)
            best += [min(others[1:]) / ours] if others[1:] else []
    if best:
        print(f"\nagainst the better peer: {math.exp(sum(map(math.log, best)) / len(best)):.2f} in the "
              "geometric mean")


if __name__ == "__main__":
    main()
