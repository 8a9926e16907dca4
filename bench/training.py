"""training.py: training steps of the same net on the same batches from the same weights, in generated C,
PyTorch and TensorFlow: images per second. A step is forward, backward and the optimizer's update. All
runtimes build the nets from the same description in training_nets.py, and the losses of the first steps must
agree. The runtimes run in turns, and the shortest step of each counts.
"""
# SPDX-License-Identifier: Apache-2.0
import argparse, ctypes, functools, json, multiprocessing, os, subprocess, tempfile, time
import numpy as np
import inputs
from compiler import newest_clang
from sides import march
from timing import shortest
from training_nets import NETS

HERE = os.path.dirname(os.path.abspath(__file__))
TURN = 0.4     # seconds of steps before the next side runs
# seconds to wait before a turn with several threads: the threads of other runtimes spin for up to 0.2 s after
# their last step
PAUSE = 0.25
BATCHES = 4    # number of different batches
# The timed steps repeat the first updates from the same weights, so that the loss of a small net does not
# vanish during the measurement: its gradients would become subnormal numbers, which are slow.
UPDATES = 16
RATE, MOMENTUM = 0.01, 0.9
# Permitted differences of the losses: before the first update, after it, and after later updates. Nets with
# batchnorm on a few pixels amplify rounding from update to update: for MobileNetV1 0.25, the losses of cnnc's
# C for AVX-512, for AVX2 and without vectors differ by 1e-6 after the first update, and by 7 % after the
# third.
BEFORE, FIRST, LATER = 1e-4, 2e-2, 1e-1
# The same in bf16, where PyTorch rounds more values than cnnc: also the results of layers.
BF16_BEFORE, BF16_FIRST, BF16_LATER = 5e-2, 3e-1, 6e-1


# ---- as a program of the language ----
class Text:
    def __init__(self):
        self.lines = []

    def put(self, x, text):
        name = f"v{len(self.lines) + 1}"
        self.lines.append(f"    {name} = {x} -> {text}")
        return name

    def conv(self, x, filters, kernel, stride=1, pad=0, bias=True, groups=1):
        return self.put(x,
                        f"conv({filters}, {kernel}x{kernel}, stride={stride}, pad={pad}, groups={groups}, "
                        f"bias={str(bias).lower()})")

    def depthwise(self, x, kernel, stride, pad):
        return self.put(x, f"depthwise({kernel}x{kernel}, stride={stride}, pad={pad}, bias=false)")

    def dense(self, x, units):
        return self.put(x, f"dense({units})")

    def norm(self, x):
        return self.put(x, "batchnorm")

    def lrn(self, x):
        return self.put(x, "lrn(5)")

    def relu(self, x):
        return self.put(x, "relu")

    def relu6(self, x):
        return self.put(x, "relu6")

    def maxpool(self, x):
        return self.put(x, "maxpool(2)")

    def mean(self, x):
        return self.put(x, "global_avgpool")

    def flatten(self, x):
        return self.put(x, "flatten")

    def add(self, x, y):
        return self.put(x, f"add({y})")

    def multiply(self, x, gate):
        return self.put(x, f"multiply({gate})")

    def concat(self, x, y):
        return self.put(x, f"concat({y})")

    def sigmoid(self, x):
        return self.put(x, "sigmoid")

    def avgpool(self, x):
        return self.put(x, "avgpool(2)")

    def squeeze(self, x):  # the mean over all positions
        return self.put(x, "global_avgpool")

    def program(self, net):
        function, shape, batch = NETS[net]
        scores = function(self, "x")
        return "\n".join([f"net {net} {{", "    input x: " + "x".join(map(str, shape)), *self.lines,
                          f"    out = {scores} -> softmax", "    output out",
                          f"    train {{ loss = cross_entropy; optimizer = sgd(rate={RATE}, "
                          f"momentum={MOMENTUM}); batch = {batch} }}", "}"])


def draw_weights(rows):
    random, weights = np.random.default_rng(1), {}
    for row in rows:
        member, shape = row["name"].rsplit(".", 1)[1], row["shape"]
        if len(shape) > 1:
            weights[row["name"]] = random.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
        else:
            weights[row["name"]] = np.full(shape, 1 if member in ("weight", "running_var") else 0, np.float32)
    return weights


# ---- cnnc: memory is on huge pages, as in cnnc's programs (cnn_aligned of runtime/hosted) ----
GLUE = """
#define _DEFAULT_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#include "cnn_core.h"
#include "{net}.h"

static cnn_trainer trainer;

void reset(const float *weights) {{
  const size_t bytes = (size_t)trainer.network->parameters * sizeof *weights;
  memcpy(trainer.weights, weights, bytes);
  for (int k = 0; k < 2; k++)
    if (trainer.slot[k]) memset(trainer.slot[k], 0, bytes);
  trainer.steps = 0;
}}

int start(const float *weights, int threads) {{
#ifdef _OPENMP
  omp_set_num_threads(threads);
#endif
  (void)threads;
  const cnn_network *network = &{net}_network;
  const size_t page = 2 << 20, bytes = (cnn_trainer_bytes(network, network->recipe, false) / page + 1) * page;
  void *memory = aligned_alloc(page, bytes);
  if (!memory) return 0;
  (void)madvise(memory, bytes, MADV_HUGEPAGE);
  cnn_trainer_place(&trainer, network, network->recipe, false, memory);
  reset(weights);
  return 1;
}}

float step(const float *x, const int32_t *y) {{
  const void *input[] = {{x}}, *target[] = {{y}};
  float *output[] = {{NULL}};
  return cnn_train_step(&trainer, input, target, {upper}_TRAIN_BATCH, output, 0);
}}
"""


class Ours:
    name = "cnnc"

    def __init__(self, options, net, weights, rows, program):
        openmp = options.threads > 1
        more = [f"--memory={options.memory}"] if options.memory else []
        more += [f"--precision={options.precision}"]
        runtime = os.path.join(HERE, "..", "runtime")
        core = [os.path.join(runtime, "core", name)
                for name in sorted(os.listdir(os.path.join(runtime, "core"))) if name.endswith(".c")]
        with tempfile.TemporaryDirectory() as work:
            source, code, glue, library = (os.path.join(work, name)
                                           for name in (net + ".cnn", net + ".c", "glue.c", net + ".so"))
            with open(source, "w") as f:
                f.write(program)
            subprocess.run([options.cnnc, source, "--train", "--target=native",
                            "--threads=" + ("openmp" if openmp else "none"), *more, "-o", code], check=True)
            with open(glue, "w") as f:
                f.write(GLUE.format(net=net, upper=net.upper()))
            flags = ["-O2", "-fno-math-errno", "-shared", "-fPIC", "-I", work, "-I",
                     os.path.join(runtime, "include")] + (["-fopenmp"] if openmp else [])
            subprocess.run([options.cc, *flags, *march("native"), code, glue, *core, "-o", library],
                           check=True)
            self.library = ctypes.CDLL(library)
        self.library.step.restype = ctypes.c_float
        self.flat = np.concatenate([weights[row["name"]].ravel() for row in rows])
        if not self.library.start(self.flat.ctypes.data_as(ctypes.c_void_p), options.threads):
            raise SystemExit(f"{net}: out of memory")

    def reset(self):
        self.library.reset(self.flat.ctypes.data_as(ctypes.c_void_p))

    @staticmethod
    def pointers(x, y):
        return x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p)

    def step(self, x, y):
        return self.library.step(*self.pointers(x, y))

    def bound(self, x, y):
        return functools.partial(self.library.step, *self.pointers(x, y))


# ---- PyTorch ----
class Torch:
    def __init__(self, options, net, weights, rows, program):
        import torch
        torch.set_num_threads(options.threads)
        self.torch, self.F = torch, torch.nn.functional
        self.name = "PyTorch " + torch.__version__.split("+")[0]
        self.bf16 = options.precision == "bf16"
        self.weight = {name: torch.tensor(value) for name, value in weights.items()}
        self.function, self.count = NETS[net][0], 0
        for name, value in self.weight.items():
            if value.dim() == 4:
                self.weight[name] = value.contiguous(memory_format=torch.channels_last)
        trained = [value.requires_grad_() for name, value in self.weight.items() if "running" not in name]
        self.optimizer = torch.optim.SGD(trained, lr=RATE, momentum=MOMENTUM)
        self.initial = {name: value.detach().clone() for name, value in self.weight.items()}

    def reset(self):
        with self.torch.no_grad():
            for name, value in self.weight.items():
                value.copy_(self.initial[name])
            for state in self.optimizer.state.values():
                state["momentum_buffer"].zero_()

    def take(self):
        self.count += 1
        return f"v{self.count}"

    def conv(self, x, filters, kernel, stride=1, pad=0, bias=True, groups=1):
        name = self.take()
        return self.F.conv2d(x, self.weight[name + ".weight"], self.weight[name + ".bias"] if bias else None,
                             stride, pad, 1, groups)

    def depthwise(self, x, kernel, stride, pad):
        return self.F.conv2d(x, self.weight[self.take() + ".weight"], None, stride, pad, 1, x.shape[1])

    def dense(self, x, units):
        name = self.take()
        return self.F.linear(x, self.weight[name + ".weight"], self.weight[name + ".bias"])

    def norm(self, x):
        name = self.take()
        w = [self.weight[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return self.F.batch_norm(x, *w, training=True, momentum=0.1, eps=1e-5)

    def lrn(self, x):
        self.take()
        return self.F.local_response_norm(x, 5)

    def relu(self, x):
        self.take()
        return self.F.relu(x)

    def relu6(self, x):
        self.take()
        return self.F.relu6(x)

    def maxpool(self, x):
        self.take()
        return self.F.max_pool2d(x, 2)

    def mean(self, x):
        self.take()
        return x.mean((2, 3))

    def flatten(self, x):
        self.take()
        return x.permute(0, 2, 3, 1).flatten(1)

    def add(self, x, y):
        self.take()
        return x + y

    def multiply(self, x, gate):
        self.take()
        return x * gate

    def concat(self, x, y):
        self.take()
        return self.torch.cat((x, y), 1)

    def sigmoid(self, x):
        self.take()
        return x.sigmoid()

    def avgpool(self, x):
        self.take()
        return self.F.avg_pool2d(x, 2)

    def squeeze(self, x):
        self.take()
        return x.mean((2, 3), keepdim=True)

    def batch(self, x, y):  # channels last, with which oneDNN is faster
        torch = self.torch
        return torch.from_numpy(x).permute(0, 3, 1, 2), torch.from_numpy(y).long()

    def loss(self, x, y):
        self.count = 0
        with self.torch.autocast("cpu", self.torch.bfloat16, enabled=self.bf16):
            return self.F.cross_entropy(self.function(self, x), y)

    def run(self, x, y):
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss(x, y)
        loss.backward()
        self.optimizer.step()
        return loss

    def step(self, x, y):
        return float(self.run(*self.batch(x, y)).detach())

    def bound(self, x, y):
        return functools.partial(self.run, *self.batch(x, y))


class TorchCompiled(Torch):
    """Forward and backward passes with torch.compile; the update is the same as without it."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.name += " compiled"
        self.loss = self.torch.compile(self.loss)


# ---- TensorFlow: Keras layers in a compiled step ----
class TensorFlow:
    def __init__(self, options, net, weights, rows, program, xla=False):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow as tf
        tf.config.threading.set_intra_op_parallelism_threads(options.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self.tf, self.keras = tf, tf.keras
        self.name = f"TensorFlow {tf.__version__}" + (" XLA" if xla else "")
        self.weight, self.count = weights, 0
        function, shape, batch = NETS[net]
        x = tf.keras.Input(shape, batch)
        self.model = tf.keras.Model(x, function(self, x))
        self.set_weights()
        self.optimizer = tf.keras.optimizers.SGD(RATE, momentum=MOMENTUM)
        self.optimizer.build(self.model.trainable_variables)
        loss_of = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        @tf.function(jit_compile=xla)
        def run(x, y):
            with tf.GradientTape() as tape:
                loss = loss_of(y, self.model(x, training=True))
            self.optimizer.apply_gradients(zip(tape.gradient(loss, self.model.trainable_variables),
                                               self.model.trainable_variables))
            return loss

        self.run = run

    def take(self):
        self.count += 1
        return f"v{self.count}"

    def reset(self):
        self.set_weights()
        for momentum in self.optimizer.momentums:
            momentum.assign(self.tf.zeros_like(momentum))

    def set_weights(self):
        for layer in self.model.layers:
            w = {part: self.weight[f"{layer.name}.{part}"]
                 for part in ("weight", "bias", "running_mean", "running_var")
                 if f"{layer.name}.{part}" in self.weight}
            if "running_mean" in w:
                layer.set_weights([w["weight"], w["bias"], w["running_mean"], w["running_var"]])
            elif w:
                value = w["weight"]
                depthwise = isinstance(layer, self.keras.layers.DepthwiseConv2D)
                value = value.T if value.ndim == 2 else value.transpose(2, 3, 0,
                    1) if depthwise else value.transpose(2, 3, 1, 0)
                layer.set_weights([value] + ([w["bias"]] if "bias" in w else []))

    def padded(self, x, pad):
        return self.keras.layers.ZeroPadding2D(pad)(x) if pad else x

    def conv(self, x, filters, kernel, stride=1, pad=0, bias=True, groups=1):
        return self.keras.layers.Conv2D(filters, kernel, stride, use_bias=bias, name=self.take(),
                                        groups=groups, padding=self.padding(kernel, stride, pad)
                                        )(self.unpadded(x, kernel, stride, pad))

    @staticmethod
    def padding(kernel, stride, pad):  # "same" with stride 1 needs no ZeroPadding2D
        return "same" if stride == 1 and 2 * pad == kernel - 1 and pad else "valid"

    def unpadded(self, x, kernel, stride, pad):
        return x if self.padding(kernel, stride, pad) == "same" else self.padded(x, pad)

    def depthwise(self, x, kernel, stride, pad):
        return self.keras.layers.DepthwiseConv2D(kernel, stride, use_bias=False, name=self.take(),
                                                 padding=self.padding(kernel, stride, pad))(self.unpadded(x,
            kernel, stride, pad))

    def dense(self, x, units):
        return self.keras.layers.Dense(units, name=self.take())(x)

    def norm(self, x):
        return self.keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=self.take())(x)

    def lrn(self, x):  # TensorFlow does not divide alpha by the size
        normalised = functools.partial(self.tf.nn.local_response_normalization, depth_radius=2, bias=1.0,
                                       alpha=1e-4 / 5, beta=0.75)
        return self.keras.layers.Lambda(normalised, name=self.take())(x)

    def relu(self, x):
        return self.keras.layers.ReLU(name=self.take())(x)

    def relu6(self, x):
        return self.keras.layers.ReLU(6, name=self.take())(x)

    def maxpool(self, x):
        return self.keras.layers.MaxPooling2D(2, name=self.take())(x)

    def mean(self, x):
        return self.keras.layers.GlobalAveragePooling2D(name=self.take())(x)

    def flatten(self, x):
        return self.keras.layers.Flatten(name=self.take())(x)

    def add(self, x, y):
        return self.keras.layers.Add(name=self.take())([x, y])

    def multiply(self, x, gate):
        return self.keras.layers.Multiply(name=self.take())([x, gate])

    def concat(self, x, y):
        return self.keras.layers.Concatenate(name=self.take())([x, y])

    def sigmoid(self, x):
        return self.keras.layers.Activation("sigmoid", name=self.take())(x)

    def avgpool(self, x):
        return self.keras.layers.AveragePooling2D(2, name=self.take())(x)

    def squeeze(self, x):
        return self.keras.layers.GlobalAveragePooling2D(keepdims=True, name=self.take())(x)

    def step(self, x, y):
        return float(self.run(self.tf.constant(x), self.tf.constant(y)))

    def bound(self, x, y):
        x, y = self.tf.constant(x), self.tf.constant(y)
        return lambda: self.run(x, y).numpy()


class TensorFlowXla(TensorFlow):
    def __init__(self, *arguments):
        super().__init__(*arguments, xla=True)


SIDES = {"cnnc": Ours, "torch": Torch, "compiled": TorchCompiled, "tensorflow": TensorFlow,
         "xla": TensorFlowXla}


# ---- each side in a separate process: their libraries conflict ----
def serve(pipe, kind, options, net, weights, rows, program, data):
    side = SIDES[kind](options, net, weights, rows, program)
    losses = [side.step(*batch) for batch in data]
    side.reset()
    pipe.send((side.name, losses, [side.step(*data[0]) for _ in range(UPDATES)]))
    call = side.bound(*data[0])
    while pipe.recv():
        pipe.send(shortest(call, TURN, side.reset, UPDATES))


class Side:
    def __init__(self, kind, *arguments):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, kind, *arguments))
        self.process.start()
        theirs.close()
        try:
            self.name, self.losses, self.timed_losses = self.pipe.recv()
        except EOFError:
            raise SystemExit(f"{kind} does not run") from None

    def shortest(self):
        self.pipe.send(True)
        return self.pipe.recv()

    def stop(self):
        self.pipe.send(False)
        self.process.join()


def batches(net):
    random, (_, shape, batch) = np.random.default_rng(2), NETS[net]
    return [(inputs.normal((batch, *shape), seed), random.integers(0, 10, batch, dtype=np.int32))
            for seed in range(BATCHES)]


def compare(options, net):
    program = Text().program(net)
    with tempfile.NamedTemporaryFile("w", suffix=".cnn") as source:
        source.write(program)
        source.flush()
        facts = json.loads(subprocess.run([options.cnnc, source.name, "--emit=json"], check=True,
                                          capture_output=True).stdout)
    rows, data = facts["weights"], batches(net)
    weights = draw_weights(rows)
    sides = [Side(kind, options, net, weights, rows, program, data) for kind in ["cnnc", *options.peers]]
    for side in sides[1:]:
        errors = [abs(a - b) / max(1, abs(a)) for a, b in zip(sides[0].losses, side.losses)]
        bf16 = options.precision == "bf16"
        most = (BF16_BEFORE, BF16_FIRST, BF16_LATER) if bf16 else (BEFORE, FIRST, LATER)
        if not (errors[0] <= most[0] and errors[1] <= most[1] and max(errors) <= most[2]):
            raise SystemExit(
                             f"{net}: the losses of cnnc {sides[0].losses} and {side.name} {side.losses} "
                             "differ")
    least, end = [np.inf] * len(sides), time.monotonic() + options.seconds
    while time.monotonic() < end or np.inf in least:
        for i, side in enumerate(sides):
            if options.threads > 1:
                time.sleep(PAUSE)
            least[i] = min(least[i], side.shortest())
    for side in sides:
        side.stop()
    timed = sides[0].timed_losses
    if not np.isfinite(timed).all():
        raise SystemExit(f"{net}: the loss of the timed steps diverges: {timed}")
    loss = f"{timed[0]:.2f} to {timed[-1]:.2f}"
    return [side.name for side in sides], [NETS[net][2] / t for t in least], loss


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--cc", default=newest_clang(), help="compiler of the generated C (the newest clang)")
    parser.add_argument("--threads", type=int, default=1, help="threads of all runtimes (1)")
    parser.add_argument("--seconds", type=float, default=10, help="duration for each net (10)")
    parser.add_argument("--peers", default="torch,compiled,tensorflow,xla",
                        type=lambda text: text.split(","), help="of " + " ".join(list(SIDES)[1:]))
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32",
                        help="bf16: cnnc with --precision=bf16, PyTorch with autocast (f32)")
    parser.add_argument("--memory", default="", help="--memory=BYTES of cnnc")
    parser.add_argument("nets", nargs="*", help="of " + " ".join(NETS))
    options = parser.parse_args()
    unknown = [net for net in options.nets if net not in NETS] + [peer for peer in options.peers
        if peer not in SIDES]
    if unknown:
        parser.error("not known: " + " ".join(unknown))
    if options.precision == "bf16" and not set(options.peers) <= {"torch", "compiled"}:
        parser.error("--precision=bf16 needs --peers=torch,compiled")
    for i, net in enumerate(options.nets or NETS):
        names, rates, loss = compare(options, net)
        if i == 0:
            print(f"images/s, training with {options.threads} thread{'s' if options.threads > 1 else ''}, "
                  f"{options.precision.replace('f32', 'fp32')}, SGD with momentum\n")
            print("| net | batch | loss | " + " | ".join(names) + " | ratio to the best |\n|---" +
                  "|---" * (len(names) + 3) + "|")
        print(f"| {net} | {NETS[net][2]} | {loss} | " + " | ".join(f"{rate:,.0f}" for rate in rates) +
              f" | {rates[0] / max(rates[1:]):.2f} |", flush=True)


if __name__ == "__main__":
    main()
