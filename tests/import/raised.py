"""TensorFlow Lite streaming models as programs of whole sequences: rows that a variable keeps for the next
call become padding, and steps of the program give the results of the model's calls. Run by raised.tap."""
# SPDX-License-Identifier: Apache-2.0
import ctypes
import random

from steps import Steps, imported
from tap import check, finish, start
from tflite_models import F32, I8, I32, RELU, RESOURCE, VALID, Net, Tensor, ints

start("raised")
SCALE, ZERO = 0.1, 3
KINDS = {I8: ctypes.c_int8, F32: ctypes.c_float}  # element types


class Stream:
    """A model with 3 rows of 4 numbers per call. Some arguments make the import keep the variable."""

    def __init__(self, kind, initial=None, second=None, between=None, shared=False):
        self.kind, self.random, self.count = kind, random.Random(5), 0
        self.x = self.value(1, 3, 4)
        self.net, self.init = Net(self.x), Net()
        self.net.add("CALL_ONCE", [], [], f0=("i", self.net.branch(self.init)))
        rows = self.ring(self.op("RESHAPE", [self.x, ints([1, 3, 1, 4])], (1, 3, 1, 4)), 2, initial)
        self.more = [rows] if shared else []
        if between:
            rows = self.op(between, [rows], (1, 5, 1, 4))
        y = self.conv(rows, 6, 5, stride=3)
        y = self.mixed(self.ring(y, 4, second), y)
        ring = self.ring(y, 2)
        flat = self.op("RESHAPE", [ring, ints([1, 18])], (1, 18))
        w, bias = self.weights((2, 18), 1), self.bias(2)
        y = self.op("FULLY_CONNECTED", [flat, w, bias], (1, 2), f0=("b", 0))
        self.y = self.op("LOGISTIC", [y], (1, 2), at=(1 / 256, -128))

    def value(self, *shape, at=(SCALE, ZERO), data=None):
        self.count += 1
        return Tensor(shape, self.kind, *(at if self.kind == I8 else ()), data=data, name=f"t{self.count}")

    def op(self, name, inputs, shape, at=(SCALE, ZERO), **options):
        return self.net.add(name, inputs, self.value(*shape, at=at), **options)

    def weights(self, shape, channels, axis=0):
        n = 1
        for d in shape:
            n *= d
        data = [self.random.randint(-90, 90) for _ in range(n)]
        if self.kind == I8:
            scales = [0.004 + 0.001 * i for i in range(channels)]
            return Tensor(shape, I8, scales if channels > 1 else scales[0], data=data, axis=axis, name="w")
        return Tensor(shape, F32, data=[0.005 * q for q in data], name="w")

    def bias(self, n):
        data = [self.random.randint(-400, 400) for _ in range(n)]
        if self.kind == F32:
            return Tensor([n], F32, data=[q / 1000 for q in data], name="b")
        return Tensor([n], I32, [0.0004 + 0.0001 * i for i in range(n)], data=data, name="b")

    def conv(self, x, filters, rows, stride=1):
        w, bias = self.weights((filters, rows, 1, x.shape[3]), filters), self.bias(filters)
        return self.op("CONV_2D", [x, w, bias], (1, 1, 1, filters), f0=("b", VALID), f1=("i", 1),
                       f2=("i", stride), f3=("b", RELU), f4=("i", 1), f5=("i", 1))

    def depthwise(self, x):
        rows, c = x.shape[1], x.shape[3]
        w, bias = self.weights((1, rows, 1, c), c, axis=3), self.bias(c)
        return self.op("DEPTHWISE_CONV_2D", [x, w, bias], (1, 1, 1, c), f0=("b", VALID), f1=("i", 1),
                       f2=("i", 1), f3=("i", 1), f4=("b", 0), f5=("i", 1), f6=("i", 1))

    def last_rows(self, x, n):
        return self.op("STRIDED_SLICE", [x, ints([0, -n, 0, 0]), ints([0, 0, 0, 0]), ints([1, 1, 1, 1])],
                       (1, n, *x.shape[2:]), f0=("i", 13), f1=("i", 15))

    def ring(self, x, history, initial=None):
        """x appended to the rows of earlier calls; the last rows are kept for the next call."""
        shape = (1, history, *x.shape[2:])
        n, own, handle = history * shape[3], Tensor([], RESOURCE), Tensor([], RESOURCE)
        first = [ZERO if self.kind == I8 else 0] * n if initial is None else [initial] * n
        for net, to in ((self.init, own), (self.net, handle)):
            net.add("VAR_HANDLE", [], to, f1=f"v{history}{x.shape}")
        self.init.add("ASSIGN_VARIABLE", [own, self.value(*shape, data=first)], [])
        old = self.op("READ_VARIABLE", [handle], shape)
        rows = self.op("CONCATENATION", [old, x], (1, history + x.shape[1], *x.shape[2:]), f0=("i", 1))
        self.net.add("ASSIGN_VARIABLE", [handle, self.last_rows(rows, history)], [])
        return rows

    def mixed(self, rows, x):
        """Depthwise convolutions over 3 rows for channels 0 and 1, and over 5 rows for the others; the last
        row is added."""
        parts = [self.value(1, 5, 1, n) for n in (2, 4)]
        self.net.add("SPLIT_V", [rows, ints([2, 4]), ints([3])], parts)
        a, b = self.depthwise(self.last_rows(parts[0], 3)), self.depthwise(parts[1])
        y = self.op("CONCATENATION", [a, b], (1, 1, 1, 6), f0=("i", 3))
        return self.op("ADD", [y, self.last_rows(rows, 1)], (1, 1, 1, 6), f0=("b", 0))

    def write(self):
        return self.net.write(self.y, *self.more)



def program():
    with open("m.cnn", encoding="utf-8") as file:
        return file.read()


def draw(kind, n):
    numbers = random.Random(n)
    if kind == I8:
        return [numbers.randint(-128, 127) for _ in range(n)]
    return [numbers.uniform(-2, 2) for _ in range(n)]


def alike(kind, got, want):
    return got == want if kind == I8 else all(abs(a - b) < 1e-6 for a, b in zip(got, want))


def run(kind, title):
    """Compares the model's calls with the program's steps and with the whole sequence."""
    calls, data = 200, Stream(kind).write()
    rows = [draw(kind, 12 * calls)[12 * k:12 * k + 12] for k in range(calls)]
    told = imported("m.tflite", data, "--variables=keep")
    check(told.returncode == 0 and program().count("state(") == 3, f"{title}: variables are kept",
          told.stderr)
    net = Steps(KINDS[kind], (2,))
    kept, bytes_kept = [net.step(x)[0] for x in rows], net.state_bytes
    told = imported("m.tflite", data)
    check(told.returncode == 0, f"{title}: raised", told.stderr)
    check("state(" not in program() and "compile with --stream=3" in program() and "600x4" in program(),
          "  to a sequence", program())
    net = Steps(KINDS[kind], (2,), options=("--stream=3",))
    made = [net.step(x)[0] for x in rows]
    check(all(alike(kind, *pair) for pair in zip(made, kept)), "  whose steps are the model's calls")
    check(net.state_bytes <= 1.2 * bytes_kept, "  with the same state", f"{net.state_bytes} {bytes_kept}")
    whole = Steps(KINDS[kind], (2 * calls,), keeps=False).step(sum(rows, []))[0]
    check(alike(kind, whole, sum(kept, [])), "  and the result for a whole sequence")


def from_samples():
    """The int8 model, whose input is replaced by features: rows of 4 samples, times 1/64. In steps, the
    program must give the bytes of the model's calls on these features, quantized with the scale of the
    model's input."""
    calls, samples = 200, draw(I8, 2400)
    imported("m.tflite", Stream(I8).write(), "--variables=keep")
    net = Steps(KINDS[I8], (2,))
    rows = [max(-128, min(127, ZERO + round(x / 64 / SCALE))) for x in samples]
    kept = [net.step(rows[12 * k:12 * k + 12])[0] for k in range(calls)]
    imported("m.tflite", Stream(I8).write())
    text = program()
    front = 'input samples: 2400x1 as i16\n    unfold(4) -> flatten -> multiply(0.015625, name="x")'
    with open("m.cnn", "w", encoding="utf-8") as file:
        file.write(text.replace("input x: 600x4 as i8", front))
    net = Steps(KINDS[I8], (2,), options=("--stream=12",), given=ctypes.c_int16)
    made = [net.step(samples[12 * k:12 * k + 12])[0] for k in range(calls)]
    check(front in program() and made == kept and len(set(map(tuple, made))) > 10,
          "features before an int8 model")


def stays(title, **words):
    for kind in KINDS:
        told = imported("m.tflite", Stream(kind, **words).write())
        check(told.returncode == 0 and "state(" in program() and "--stream" not in program(),
              f"not raised: {title}", told.stderr)


run(I8, "int8")
run(F32, "floats")
from_samples()
stays("a first value other than zero", initial=5)
stays("the same of a later variable", second=5)
stays("a function that is not 0 at 0 on rows of earlier calls", between="EXP")
stays("rows of earlier calls as an output", shared=True)
finish()
