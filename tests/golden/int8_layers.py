"""The layers of quantized TensorFlow Lite models as formulas on numpy integers, with each rounding. models.py
compares the results of reference kernels with these formulas. The rounding `litert` is `single` for dense
layers, otherwise `double`."""
# SPDX-License-Identifier: Apache-2.0
import math

import int8_arithmetic
import numpy as np
from ai_edge_litert import schema_py_generated as tflite

f32 = np.float32
OPS = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
WORDS = {"CONV_2D": "conv", "DEPTHWISE_CONV_2D": "depthwise", "FULLY_CONNECTED": "dense", "ADD": "add",
         "AVERAGE_POOL_2D": "avgpool", "SOFTMAX": "softmax", "RESHAPE": "flatten"}
OPTIONS = {"CONV_2D": tflite.Conv2DOptions, "DEPTHWISE_CONV_2D": tflite.DepthwiseConv2DOptions,
           "FULLY_CONNECTED": tflite.FullyConnectedOptions, "ADD": tflite.AddOptions,
           "AVERAGE_POOL_2D": tflite.Pool2DOptions}


# ---- roundings ----
def multiplier(m):
    q, e = math.frexp(m)
    fixed = math.floor(q * (1 << 31) + 0.5)
    if fixed == 1 << 31:
        fixed, e = fixed // 2, e + 1
    return (0, 0) if e < -31 else (fixed, e)


def fixed_point(x, ms, rounding):
    m = np.array([v[0] for v in ms], np.int64)
    e = np.array([v[1] for v in ms], np.int64)
    x = np.asarray(x, np.int64)
    if rounding == "single":
        return (x * m + (np.int64(1) << (30 - e))) >> (31 - e)
    h = ((x << np.maximum(e, 0)) * m + (1 << 30)) >> 31
    s = np.maximum(-e, 0)
    mask = (np.int64(1) << s) - 1
    return (h >> s) + ((h & mask) > ((mask >> 1) + (h < 0)))


# ---- the model ----
class Thing:
    pass


def tensors_of(model, graph):
    types = {tflite.TensorType.INT8: np.int8, tflite.TensorType.INT32: np.int32}
    made = []
    for i in range(graph.TensorsLength()):
        t, r = graph.Tensors(i), Thing()
        r.index, r.shape, q = i, t.ShapeAsNumpy().tolist() if t.ShapeLength() else [], t.Quantization()
        r.scale = q.ScaleAsNumpy().astype(f32) if q is not None and q.ScaleLength() else None
        r.zero = int(q.ZeroPoint(0)) if q is not None and q.ZeroPointLength() else 0
        b = model.Buffers(t.Buffer())
        r.data = None
        if b.DataLength():
            r.data = np.frombuffer(b.DataAsNumpy().tobytes(), types[t.Type()]).reshape(r.shape)
        made.append(r)
    return made


def load(path):
    model = tflite.Model.GetRootAs(open(path, "rb").read(), 0)
    graph = model.Subgraphs(0)
    tensors = tensors_of(model, graph)
    layers, counts = [], {}
    for k in range(graph.OperatorsLength()):
        op, layer = graph.Operators(k), Thing()
        code = model.OperatorCodes(op.OpcodeIndex())
        layer.op = OPS[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        layer.ins = [tensors[i] for i in op.InputsAsNumpy() if i >= 0]
        layer.out = tensors[op.OutputsAsNumpy()[0]]
        layer.options = None
        if layer.op in OPTIONS:
            layer.options = OPTIONS[layer.op]()
            layer.options.Init(op.BuiltinOptions().Bytes, op.BuiltinOptions().Pos)
        counts[layer.op] = counts.get(layer.op, 0) + 1
        layer.name = WORDS[layer.op] + str(counts[layer.op])
        layers.append(layer)
    return layers, tensors[graph.InputsAsNumpy()[0]]


# ---- computing ----
def cut(layer, q):
    act = layer.options.FusedActivationFunction()
    lo = max(-128, layer.out.zero) if act in (1, 3) else -128
    hi = min(127, math.floor(float(f32(6) / layer.out.scale[0]) + 0.5) + layer.out.zero) if act == 3 else 127
    return np.clip(q, lo, hi)


def rounded(layer, sums, rounding):
    if rounding == "litert":
        rounding = "single" if layer.op == "FULLY_CONNECTED" else "double"
    scales = np.broadcast_to(layer.ins[1].scale, (sums.shape[-1],))
    s_in, s_out = layer.ins[0].scale[0], layer.out.scale[0]
    one = layer.op == "FULLY_CONNECTED" and len(layer.ins[1].scale) == 1
    if rounding == "float":
        factor = (s_in * scales.astype(f32) / s_out).astype(f32)
        y = np.clip(sums.astype(f32) * factor, f32(-1024), f32(1024))
        return cut(layer, np.rint(y).astype(np.int64) + layer.out.zero)
    ms = [multiplier((float(f32(s_in * s)) if one else float(s_in) * float(s)) / float(s_out))
          for s in scales]
    return cut(layer, fixed_point(sums, ms, rounding) + layer.out.zero)


def windows(layer, a, w, padding):
    (h, wd), (oh, ow) = a.shape[:2], layer.out.shape[1:3]
    kh, kw = w
    sh, sw = layer.options.StrideH(), layer.options.StrideW()
    same = layer.options.Padding() == 0
    ph = max((oh - 1) * sh + kh - h, 0) // 2 if same else 0
    pw = max((ow - 1) * sw + kw - wd, 0) // 2 if same else 0
    rows, columns = max((oh - 1) * sh + kh, h + ph), max((ow - 1) * sw + kw, wd + pw)
    p = np.full((rows, columns, a.shape[2]), padding, np.int64)
    p[ph:ph + h, pw:pw + wd] = a
    for ky in range(kh):
        for kx in range(kw):
            yield ky, kx, p[ky:ky + (oh - 1) * sh + 1:sh, kx:kx + (ow - 1) * sw + 1:sw]


def conv(layer, a, rounding):
    w = layer.ins[1].data.astype(np.int64)
    sums = np.zeros(layer.out.shape[1:], np.int64) + layer.ins[2].data
    for ky, kx, v in windows(layer, a[0] - layer.ins[0].zero, w.shape[1:3], 0):
        sums += v @ w[:, ky, kx].T if layer.op == "CONV_2D" else v * w[0, ky, kx]
    return rounded(layer, sums, rounding)[None]


def dense(layer, a, rounding):
    w = layer.ins[1].data.astype(np.int64)
    bias = layer.ins[2].data if len(layer.ins) > 2 else 0
    return rounded(layer, (a.reshape(-1, w.shape[1]) - layer.ins[0].zero) @ w.T + bias, rounding)


def add(layer, a, b, rounding):
    (sa, sb), so = (float(t.scale[0]) for t in layer.ins), float(layer.out.scale[0])
    a, b = a - layer.ins[0].zero, b - layer.ins[1].zero
    if rounding == "float":
        ra, rb = (f32(t.scale[0] / layer.out.scale[0]) for t in layer.ins)
        shift = 20 - (math.frexp(float(max(ra, rb)))[1] - 1)
        fa, fb = (int(np.rint(f32(r * f32(2.0**shift)))) for r in (ra, rb))
        return cut(layer, (((1 << (shift - 1)) + a * fa + b * fb) >> shift) + layer.out.zero)
    t = 2 * max(sa, sb)
    q = sum(fixed_point(x << 20, [multiplier(s / t)], rounding) for x, s in ((a, sa), (b, sb)))
    return cut(layer, fixed_point(q, [multiplier(t / ((1 << 20) * so))], rounding) + layer.out.zero)


def avgpool(layer, a):
    size = (layer.options.FilterHeight(), layer.options.FilterWidth())
    sums = sum(v for _, _, v in windows(layer, a[0], size, 0))
    n = size[0] * size[1]
    assert layer.options.Padding() == 1
    return cut(layer, np.where(sums > 0, (sums + n // 2) // n, -((-sums + n // 2) // n)))[None]


def softmax_of(layer, a):
    rows = [int8_arithmetic.softmax([int(v) for v in row], float(layer.ins[0].scale[0]))
            for row in a.reshape(-1, a.shape[-1])]
    return np.array(rows).reshape(a.shape)


def run(layers, source, x, rounding):
    value = {source.index: x.astype(np.int64).reshape(source.shape)}
    for layer in layers:
        a = value[layer.ins[0].index]
        if layer.op in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            r = conv(layer, a, rounding)
        elif layer.op == "FULLY_CONNECTED":
            r = dense(layer, a, rounding)
        elif layer.op == "ADD":
            r = add(layer, a, value[layer.ins[1].index], rounding)
        elif layer.op == "AVERAGE_POOL_2D":
            r = avgpool(layer, a)
        elif layer.op == "SOFTMAX":
            r = softmax_of(layer, a)
        else:
            r = a.reshape(layer.out.shape)
        value[layer.out.index] = r
    return value
