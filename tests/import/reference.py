"""reference.py: computes a quantized ONNX model in the arithmetic of docs/int8.md, rounding `float`, with
numpy alone: the exact numbers that `cnnc import` must give. It shares nothing with the compiler. An int8
value is (q - zero) * scale with q in -128 .. 127; unsigned numbers are q + 128. For int16 values, q is in
-32768 .. 32767."""
# SPDX-License-Identifier: Apache-2.0
import collections, math
import numpy as np
from onnx import helper, numpy_helper

f32 = np.float32
To = collections.namedtuple("To", "scale zero bits")  # how a result is stored


def away(x):
    """Rounds to the nearest integers, halves away from zero."""
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


class Bytes:
    def __init__(self, q, to, unsigned, real=False):
        """real: the model stores the value as floats"""
        self.q, self.to, self.scale, self.zero = q.astype(np.int64), to, to.scale, to.zero
        self.unsigned, self.real = unsigned, real

    def floats(self):
        return ((self.q - self.zero).astype(f32) * self.scale).astype(f32)

    def rescaled(self, to, bound=None):
        if self.to == to and bound is None:
            return self.q
        return rounded(self.q - self.zero, self.scale / to.scale, to, bound)

    def whole(self):
        if self.to.bits == 16:
            return self.floats()
        return (self.q + 128).astype(np.uint8) if self.unsigned else self.q.astype(np.int8)


class Weights:
    """int8 constants, with one scale or one per filter."""
    def __init__(self, q, scale, axis, array):
        self.q, self.scale, self.axis, self.array = q.astype(np.int64), scale, axis, array

    def scales(self, filters):
        return np.broadcast_to(self.scale, filters).astype(f32)


class Pending:
    """A result before rounding: as floats, or as integers with a scale."""
    def __init__(self, floats, as_bytes, bound=None):
        self.make, self.as_bytes, self.bound = floats, as_bytes, bound

    def floats(self):
        x = self.make()
        return x if self.bound is None else np.clip(x, 0, self.bound).astype(f32)


def limits(to, bound=None):
    low, high = -(1 << to.bits - 1), (1 << to.bits - 1) - 1
    if bound is not None:
        low = max(low, to.zero)
    if bound not in (None, math.inf):
        high = min(high, to.zero + int(away(bound / float(to.scale))))
    return low, high


def rounded(x, factor, to, bound=None):
    """nearest-even((float)x * S), with the product clamped to the range first."""
    (low, high), zero = limits(to, bound), to.zero
    product = x.astype(f32) * np.asarray(factor, f32)
    return np.rint(np.clip(product, f32(low - zero), f32(high - zero))).astype(np.int64) + zero


def nearest(x, to, bound=None):
    return np.clip(away(np.asarray(x, np.float64) / float(to.scale)) + to.zero,
                   *limits(to, bound)).astype(np.int64)


def converted(x, to):
    """Floats as integers."""
    return np.clip(np.rint(x.astype(f32) / to.scale) + to.zero, *limits(to)).astype(np.int64)


def form(scale, zero, kind):
    """Scale, zero point and bits of the stored values of an ONNX type."""
    bits = 8 * kind.itemsize
    shift = 1 << bits - 1 if kind.kind == "u" else 0
    return To(f32(scale.reshape(-1)[0]), int(zero.reshape(-1)[0]) - shift, bits)


def windows(x, size, strides, pads, dilations, fill):
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=fill)
    out = [(x.shape[2 + k] - dilations[k] * (size[k] - 1) - 1) // strides[k] + 1 for k in range(2)]
    return np.stack([np.stack([
        x[:, :, i * dilations[0]:i * dilations[0] + strides[0] * (out[0] - 1) + 1:strides[0],
          j * dilations[1]:j * dilations[1] + strides[1] * (out[1] - 1) + 1:strides[1]]
        for j in range(size[1])], -1) for i in range(size[0])], -2)


def convolved(x, w, a):
    groups, (n, per, *size) = a.get("group", 1), w.shape
    taken = windows(x, size, a.get("strides", [1, 1]), a.get("pads", [0] * 4), a.get("dilations", [1, 1]), 0)
    parts = np.split(taken, groups, axis=1)
    return np.concatenate([np.einsum("nchwij,fcij->nfhw", part, some)
                           for part, some in zip(parts, np.split(w, groups))], axis=1)


def transposed(x, w, a):
    """Transposed convolution: the input with zeros inserted, convolved with the flipped window."""
    (n, c, *size), steps, pads, taps = x.shape, a["strides"], a.get("pads", [0] * 4), w.shape[2:]
    wide = np.zeros((n, c, *((size[k] - 1) * steps[k] + 1 for k in range(2))), x.dtype)
    wide[:, :, ::steps[0], ::steps[1]] = x
    border = [taps[k % 2] - 1 - pads[k] for k in range(4)]
    return convolved(wide, w.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1], {"pads": border})


class Model:
    def __init__(self, model):
        self.graph = model.graph
        self.value = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}

    def run(self, feed):
        self.value.update(feed)
        for node in self.graph.node:
            inputs = [self.value[name] if name else None for name in node.input]
            a = {x.name: helper.get_attribute_value(x) for x in node.attribute}
            made = getattr(self, node.op_type)(a, *inputs)
            if isinstance(made, Pending) and not self.is_rounded(node.output[0]):
                made = made.floats()  # a node reads it as floats
            self.value[node.output[0]] = made
        return [self.result(self.value[port.name]) for port in self.graph.output]

    def is_rounded(self, name):
        readers = [node.op_type for node in self.graph.node if name in node.input]
        return readers in (["QuantizeLinear"], ["Relu"], ["Clip"])

    @staticmethod
    def result(x):
        return x.whole() if isinstance(x, Bytes) and not x.real else floats(x)

    # ---- conversions ----
    def QuantizeLinear(self, a, x, scale, zero):
        to, unsigned = form(scale, zero, zero.dtype), zero.dtype.kind == "u"
        if isinstance(x, Bytes):
            return Bytes(x.rescaled(to), to, unsigned)
        if isinstance(x, Pending):
            return Bytes(x.as_bytes(to, x.bound), to, unsigned)
        return Bytes(converted(x, to), to, unsigned)

    def DequantizeLinear(self, a, x, scale, zero=None):
        if isinstance(x, Bytes):
            own = Bytes(x.q, form(scale, zero, zero.dtype), x.unsigned, True)
            return own if own.to == x.to else own.floats()
        axis = a.get("axis", 1)
        spread = [-1 if d == axis % max(1, x.ndim) and scale.size > 1 else 1 for d in range(x.ndim)]
        z = np.zeros_like(scale, np.int64) if zero is None else zero.astype(np.int64)
        real = (x.astype(np.int64) - z.reshape(spread)) * scale.reshape(spread).astype(np.float64)
        array = real.astype(f32)
        if x.dtype == np.int32:
            return Weights(x, scale, axis, array)
        if x.size and self.is_input(x):
            unsigned = x.dtype == np.uint8
            return Bytes(x.astype(np.int64) - 128 * unsigned, form(scale, z, x.dtype), unsigned, True)
        symmetric = np.all(z == (128 if x.dtype == np.uint8 else 0))
        return Weights(x.astype(np.int64) - z.reshape(spread), scale, axis, array) if symmetric else array

    def is_input(self, x):
        return any(self.value[port.name] is x for port in self.graph.input)

    # ---- layers ----
    def layer(self, x, w, b, compute, filters, shape):
        """compute(x, w): the sums; shape: the shape in which one number per filter broadcasts to them."""
        bias = None if b is None else floats(b)
        if not isinstance(x, Bytes) or not isinstance(w, Weights):
            product = compute(floats(x), floats(w))
            return (product + (0 if bias is None else bias.reshape(shape))).astype(f32)
        unit = w.scales(filters)
        sums = compute(x.q - x.zero, w.q)
        exact = x.scale.astype(np.float64) * unit.astype(np.float64)
        if isinstance(b, Weights):
            own = b.scale.astype(np.float64) / exact
            words = np.where(np.abs(own - 1) < 1e-5, b.q, np.rint(b.q * own))
            sums = sums + words.astype(np.int64).reshape(shape)
        elif b is not None:
            sums = sums + np.rint(bias / exact).astype(np.int64).reshape(shape)

        def as_bytes(to, bound):
            factor = [f32(float(x.scale) * float(u) / float(to.scale)) for u in unit]
            return rounded(sums, np.array(factor, f32).reshape(shape), to, bound)

        def as_floats():
            product = compute(x.floats(), w.array)
            return (product + (0 if bias is None else bias.reshape(shape))).astype(f32)
        return Pending(as_floats, as_bytes)

    def Conv(self, a, x, w, b=None):
        return self.layer(x, w, b, lambda x, w: convolved(x, w, a), array_of(w).shape[0], (1, -1, 1, 1))

    def ConvTranspose(self, a, x, w, b=None):
        return self.layer(x, w, b, lambda x, w: transposed(x, w, a), array_of(w).shape[1], (1, -1, 1, 1))

    def Gemm(self, a, x, w, b=None):
        turned = a.get("transB", 0)
        filters = array_of(w).shape[0 if turned else 1]
        return self.layer(x, w, b, lambda x, w: x @ (w.T if turned else w), filters, (1, -1))

    def MatMul(self, a, x, w):
        if isinstance(x, Bytes) and isinstance(w, Bytes):
            product = (x.q - x.zero) @ (w.q - w.zero)
            return Pending(lambda: x.floats() @ w.floats(), lambda to, bound: rounded(
                product, f32(x.scale * w.scale) / to.scale, to, bound))
        return self.layer(x, w, None, lambda x, w: x @ w, array_of(w).shape[1], (1, -1))

    # ---- integer operators: dequantize, compute, quantize ----
    def QLinearConv(self, a, x, xs, xz, w, ws, wz, ys, yz, b=None):
        x, w = self.DequantizeLinear({}, x, xs, xz), self.DequantizeLinear({"axis": 0}, w, ws, wz)
        b = None if b is None else self.DequantizeLinear({"axis": 0}, b, np.broadcast_to(xs * ws, b.shape))
        return self.QuantizeLinear({}, self.Conv(a, x, w, b), ys, yz)

    def QLinearMatMul(self, a, x, xs, xz, w, ws, wz, ys, yz):
        x, w = self.DequantizeLinear({}, x, xs, xz), self.DequantizeLinear({"axis": -1}, w, ws, wz)
        return self.QuantizeLinear({}, self.MatMul(a, x, w), ys, yz)

    def QGemm(self, a, x, xs, xz, w, ws, wz, b, ys, yz):
        x = self.DequantizeLinear({}, x, xs, xz)
        w = self.DequantizeLinear({"axis": 0 if a.get("transB") else 1}, w, ws, wz)
        b = self.DequantizeLinear({"axis": 0}, b, np.broadcast_to(xs * ws, b.shape))
        return self.QuantizeLinear({}, self.Gemm(a, x, w, b), ys, yz)

    def pair(self, f, x, xs, xz, y, ys, yz, zs, zz):
        x, y = self.DequantizeLinear({}, x, xs, xz), self.DequantizeLinear({}, y, ys, yz)
        return self.QuantizeLinear({}, f({}, x, y), zs, zz)

    def QLinearAdd(self, a, *inputs):
        return self.pair(self.Add, *inputs)

    def QLinearMul(self, a, *inputs):
        return self.pair(self.Mul, *inputs)

    def single(self, f, a, x, xs, xz, ys, yz):
        return self.QuantizeLinear({}, f(a, self.DequantizeLinear({}, x, xs, xz)), ys, yz)

    def QLinearSigmoid(self, a, *inputs):
        return self.single(self.Sigmoid, a, *inputs)

    def QLinearLeakyRelu(self, a, *inputs):
        return self.single(self.LeakyRelu, a, *inputs)

    def QLinearSoftmax(self, a, *inputs):
        return self.single(self.Softmax, a, *inputs)

    def QLinearGlobalAveragePool(self, a, *inputs):
        return self.single(self.GlobalAveragePool, a, *inputs)

    def QLinearConcat(self, a, scale, zero, *rest):
        parts = [self.DequantizeLinear({}, *rest[i:i + 3]) for i in range(0, len(rest), 3)]
        return self.QuantizeLinear({}, self.Concat(a, *parts), scale, zero)

    # ---- bounds and functions ----
    def bounded(self, x, bound):
        if isinstance(x, Pending):
            return Pending(x.make, x.as_bytes, bound)
        return self.function(x, lambda v: np.clip(v, 0, bound), bound)

    def Relu(self, a, x):
        return self.bounded(x, math.inf)

    def Clip(self, a, x, low, high):
        assert low == 0
        return self.bounded(x, float(high))

    def function(self, x, f, bound=None):
        if not isinstance(x, Bytes):
            return f(floats(x).astype(np.float64)).astype(f32)
        real = f((x.q - x.zero) * float(x.scale))

        def as_bytes(to, _):
            if 16 not in (x.to.bits, to.bits):
                return nearest(real, to, bound)
            return converted(real, to) if bound is None else x.rescaled(to, bound)
        return Pending(lambda: real.astype(f32), as_bytes)

    def Sigmoid(self, a, x):
        return self.function(x, lambda v: 1 / (1 + np.exp(-v)))

    def Tanh(self, a, x):
        return self.function(x, np.tanh)

    def Erf(self, a, x):
        return self.function(x, np.vectorize(math.erf))

    def Div(self, a, x, y):
        return floats(x) / floats(y)

    def LeakyRelu(self, a, x):
        return self.function(x, lambda v: np.where(v > 0, v, a.get("alpha", 0.01) * v))

    def Softmax(self, a, x):
        return self.function(x, lambda v: np.exp(v - v.max(-1, keepdims=True)) /
                             np.exp(v - v.max(-1, keepdims=True)).sum(-1, keepdims=True))

    def GlobalAveragePool(self, a, x):
        return self.function(x, lambda v: v.mean((2, 3), keepdims=True))

    # ---- two values ----
    def Add(self, a, x, y):
        if not (isinstance(x, Bytes) and isinstance(y, Bytes)):
            return floats(x) + floats(y)

        def as_bytes(to, bound):
            ra, rb = x.scale / to.scale, y.scale / to.scale
            shift = 20 - math.frexp(max(ra, rb))[1] + 1
            fa, fb = (int(np.rint(np.ldexp(r, shift))) for r in (ra, rb))
            sums = (x.q - x.zero) * fa + (y.q - y.zero) * fb + (1 << (shift - 1))
            return np.clip((sums >> shift) + to.zero, *limits(to, bound))
        return Pending(lambda: x.floats() + y.floats(), as_bytes)

    def Mul(self, a, x, y):
        if not (isinstance(x, Bytes) and isinstance(y, Bytes)):
            return floats(x) * floats(y)
        product = (x.q - x.zero) * (y.q - y.zero)
        return Pending(lambda: x.floats() * y.floats(), lambda to, bound: rounded(
            product, f32(float(x.scale) * float(y.scale) / float(to.scale)), to, bound))

    # ---- moves ----
    def moved(self, f, *x):
        if not all(isinstance(v, Bytes) for v in x):
            return f(*map(floats, x))
        if len({v.to for v in x}) == 1:
            return Bytes(f(*(v.q for v in x)), x[0].to, x[0].unsigned, x[0].real)
        return Pending(lambda: f(*map(floats, x)), lambda to, _: f(*(v.rescaled(to) for v in x)))

    def MaxPool(self, a, x):
        strides, pads = a.get("strides", [1, 1]), a.get("pads", [0] * 4)
        return self.moved(lambda v: windows(v, a["kernel_shape"], strides, pads, [1, 1],
                                            -1e9 if v.dtype == f32 else -1e6).max((-2, -1)), x)

    def Concat(self, a, *x):
        return self.moved(lambda *v: np.concatenate(v, a["axis"]), *x)

    def Gather(self, a, x, index):
        return self.moved(lambda v: np.take(v, index, a["axis"]), x)

    def Slice(self, a, x, start, end, axis):
        cut = (slice(None),) * int(axis[0]) + (slice(int(start[0]), int(end[0])),)
        return self.moved(lambda v: v[cut], x)

    def Transpose(self, a, x):
        return self.moved(lambda v: v.transpose(a["perm"]), x)

    def Reshape(self, a, x, shape):
        return self.moved(lambda v: v.reshape([n or v.shape[k] for k, n in enumerate(shape)]), x)

    def Resize(self, a, x, _, sizes):
        return self.moved(lambda v: v.repeat(int(sizes[2]), 2).repeat(int(sizes[3]), 3), x)

    def Flatten(self, a, x):
        return self.moved(lambda v: v.reshape(len(v), -1), x)


def array_of(x):
    return x.q if isinstance(x, Weights) else x


def floats(x):
    if isinstance(x, Weights):
        return x.array
    return x.floats() if isinstance(x, (Bytes, Pending)) else x
