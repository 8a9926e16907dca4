"""inference.py: the same net, weights and input in generated C and in onnxruntime: are the outputs equal, and which is faster?

Every net is built twice: by cnnc from examples/, and as ONNX by the functions below, with the weights that the program's own table of parameters asks for,
drawn from a fixed seed. Runs are interleaved, one thread, and the least of many is taken.
"""
# SPDX-License-Identifier: Apache-2.0
import argparse, ctypes, json, os, subprocess, tempfile, time
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")


class Builder:
    """An ONNX graph in the making; values are NCHW."""

    def __init__(self, weights):
        self.weights, self.nodes, self.initializers, self.count = weights, [], [], 0

    def op(self, kind, inputs, **attributes):
        self.count += 1
        name = f"v{self.count}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, name, array):
        if name not in [i.name for i in self.initializers]:
            self.initializers.append(numpy_helper.from_array(np.asarray(array, np.float32), name))
        return name

    def weight(self, name):
        return self.constant(name, self.weights[name])

    def conv(self, x, layer, stride=1, pad=0, groups=1, same=None):
        inputs = [x, self.weight(layer + ".weight")]
        if layer + ".bias" in self.weights:
            inputs.append(self.weight(layer + ".bias"))
        kernel = self.weights[layer + ".weight"].shape[2:]
        attributes = dict(kernel_shape=kernel, strides=[stride, stride], group=groups)
        if same:
            attributes["auto_pad"] = "SAME_UPPER"
        else:
            attributes["pads"] = [pad] * 4
        return self.op("Conv", inputs, **attributes)

    def batchnorm(self, x, layer):
        return self.op("BatchNormalization", [x] + [self.weight(f"{layer}.{p}") for p in ("weight", "bias", "running_mean", "running_var")], epsilon=1e-5)

    def dense(self, x, layer):
        return self.op("Gemm", [x, self.weight(layer + ".weight"), self.weight(layer + ".bias")], transB=1)

    def normalize(self, x, mean, std, scale):
        shape = lambda v: np.asarray(v, np.float32).reshape(1, -1, 1, 1)
        x = self.op("Cast", [x], to=TensorProto.FLOAT)
        x = self.op("Mul", [x, self.constant("scale", shape(scale))])
        x = self.op("Sub", [x, self.constant("mean", shape(mean))])
        return self.op("Div", [x, self.constant("std", shape(std))])

    def model(self, shape, output, units):
        graph = helper.make_graph(self.nodes, "net", [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)],
                                  [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1, units])], self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        return model.SerializeToString()


def lenet5(b):
    x = b.normalize("image", 0.2860, 0.3530, 1 / 255)
    x = b.op("AveragePool", [b.op("Tanh", [b.conv(x, "stage1.conv1", pad=2)])], kernel_shape=[2, 2], strides=[2, 2])
    x = b.op("AveragePool", [b.op("Tanh", [b.conv(x, "stage2.conv1")])], kernel_shape=[2, 2], strides=[2, 2])
    x = b.op("Transpose", [x], perm=[0, 2, 3, 1])
    x = b.op("Flatten", [x])
    x = b.op("Tanh", [b.dense(x, "dense1")])
    x = b.op("Tanh", [b.dense(x, "dense2")])
    return b.op("Softmax", [b.dense(x, "dense3")]), 10


def resnet8(b):
    x = b.normalize("image", [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616], 1 / 255)
    x = b.op("Relu", [b.batchnorm(b.conv(x, "conv1", same=True), "batchnorm1")])
    for i, stride in enumerate([1, 2, 2]):
        p, start = f"residual{i + 1}.", x
        x = b.op("Relu", [b.batchnorm(b.conv(x, p + "conv1", stride=stride, same=True), p + "batchnorm1")])
        x = b.batchnorm(b.conv(x, p + "main.conv1", same=True), p + "main.batchnorm1")
        if stride != 1:
            start = b.conv(start, p + "shortcut", stride=stride, same=True)
        x = b.op("Relu", [b.op("Add", [x, start])])
    x = b.op("Flatten", [b.op("GlobalAveragePool", [x])])
    return b.op("Softmax", [b.dense(x, "dense1")]), 10


def mobilenet_v1(b):
    relu6 = lambda x: b.op("Clip", [x, b.constant("zero", 0.0), b.constant("six", 6.0)])
    x = b.normalize("image", 1, 1, 1 / 127.5)
    x = relu6(b.batchnorm(b.conv(x, "conv1", stride=2, same=True), "batchnorm1"))
    for i, stride in enumerate([1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1]):
        p = f"separable{i + 1}."
        groups = b.weights[p + "depthwise1.weight"].shape[0]
        x = relu6(b.batchnorm(b.conv(x, p + "depthwise1", stride=stride, groups=groups, same=True), p + "batchnorm1"))
        x = relu6(b.batchnorm(b.conv(x, p + "conv1"), p + "batchnorm2"))
    x = b.op("Flatten", [b.op("GlobalAveragePool", [x])])
    return b.op("Softmax", [b.dense(x, "dense1")]), 1000


NETS = {"lenet5": lenet5, "resnet8": resnet8, "mobilenet_v1": mobilenet_v1}


def draw_weights(table):
    """He-scaled numbers; batchnorms near the identity, variances positive."""
    random, weights = np.random.default_rng(1), {}
    for row in table:
        name, shape = row["name"], row["shape"]
        if name.endswith("running_var") or (name.endswith("weight") and len(shape) == 1):
            value = random.uniform(0.7, 1.3, shape)
        elif len(shape) == 1:
            value = random.uniform(-0.1, 0.1, shape)
        else:
            value = random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        weights[name] = value.astype(np.float32)
    return weights


TIMER = """
#include <stdint.h>
#include <time.h>
#include "{net}.h"
static {net}_workspace workspace;
double run(const uint8_t *image, float *output, int rounds) {{
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  for (int i = 0; i < rounds; i++) {net}_infer(&{net}_trained, image, output, &workspace);
  clock_gettime(CLOCK_MONOTONIC, &b);
  return ((double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec)) / rounds;
}}
"""


def build_ours(cnnc, cc, net, work, weights):
    source = os.path.join(ROOT, "examples", net, net + ".cnn")
    save_file(weights, os.path.join(work, "w.safetensors"))
    subprocess.run([cnnc, source, "--weights=" + os.path.join(work, "w.safetensors"), "--target=native", "-o", os.path.join(work, net + ".c")], check=True)
    with open(os.path.join(work, "timer.c"), "w") as f:
        f.write(TIMER.format(net=net))
    library = os.path.join(work, net + ".so")
    subprocess.run([cc, "-O2", "-march=native", "-shared", "-fPIC", "-I", work, os.path.join(work, net + ".c"), os.path.join(work, "timer.c"), "-o", library], check=True)
    run = ctypes.CDLL(library).run
    run.restype = ctypes.c_double
    return run


def compare(cnnc, cc, net, seconds):
    facts = json.loads(subprocess.run([cnnc, os.path.join(ROOT, "examples", net, net + ".cnn"), "--emit=json"], check=True, capture_output=True).stdout)
    h, w, c = facts["inputs"][0]["shape"]
    weights = draw_weights(facts["weights"])
    image = np.random.default_rng(2).integers(0, 256, (h, w, c), dtype=np.uint8)
    builder = Builder(weights)
    output, units = NETS[net](builder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(builder.model([1, c, h, w], output, units), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_cpu_input("image", np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
    binding.bind_output(output)
    with tempfile.TemporaryDirectory() as work:
        run = build_ours(cnnc, cc, net, work, weights)
        ours = np.zeros(units, np.float32)
        pointers = image.ctypes.data_as(ctypes.c_void_p), ours.ctypes.data_as(ctypes.c_void_p)
        rounds = max(1, int(0.002 / max(run(*pointers, 1), 1e-7)))
        best_ours = best_theirs = float("inf")
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            best_ours = min(best_ours, run(*pointers, rounds))
            for _ in range(rounds):
                start = time.perf_counter()
                session.run_with_iobinding(binding)
                best_theirs = min(best_theirs, time.perf_counter() - start)
    theirs = binding.copy_outputs_to_cpu()[0][0]
    error = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
    if error > 2e-3:
        raise SystemExit(f"{net}: the outputs differ by {error:.2g} of the largest")
    return dict(net=net, ms=1e3 * best_ours, peer=1e3 * best_theirs, ratio=best_theirs / best_ours, error=error, gflops=2e-9 * facts["totals"]["macs"] / best_ours)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--cc", default=None, help="compiler of the generated C (the newest clang)")
    parser.add_argument("--seconds", type=float, default=10, help="for each net")
    parser.add_argument("nets", nargs="*", default=list(NETS))
    options = parser.parse_args()
    cc = options.cc or next((c for v in range(30, 13, -1) for c in [f"clang-{v}"] if subprocess.run(["sh", "-c", f"command -v {c}"], capture_output=True).returncode == 0), "clang")
    version = subprocess.run([cc, "-dumpversion"], capture_output=True, text=True).stdout.strip()
    print(f"batch 1, one thread, fp32; onnxruntime {onnxruntime.__version__}, {cc} {version}\n")
    print("| net | cnnc ms | onnxruntime ms | ratio | GFLOP/s | largest difference |\n|---|---|---|---|---|---|")
    for net in options.nets:
        row = compare(options.cnnc, cc, net, options.seconds)
        print("| {net} | {ms:.4f} | {peer:.4f} | {ratio:.2f} | {gflops:.1f} | {error:.1e} |".format(**row), flush=True)


if __name__ == "__main__":
    main()
