#!/usr/bin/env python3
"""quantized.py [NAME...]: writes the quantized models of this folder: NAME.onnx, NAME.in0.npy ...,
onnxruntime's results NAME.out0.npy ..., and the results of docs/int8.md's arithmetic, NAME.want0.npy ...
(reference.py). Needs numpy, onnx and onnxruntime."""
# SPDX-License-Identifier: Apache-2.0
import os, sys, tempfile
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization
from reference import Model

here = os.path.dirname(os.path.abspath(__file__))
f32, i8, u8, i16, u16, i32, i64 = np.float32, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.int64
OF = {f32: TensorProto.FLOAT, i8: TensorProto.INT8, u8: TensorProto.UINT8}


class Graph:
    """Builds a model node by node."""
    def __init__(self, seed):
        self.random, self.nodes, self.weights = np.random.default_rng(seed), [], {}

    def add(self, op, inputs, to, **attributes):
        domain = "com.microsoft" if op in ("QGemm", "QLinearAdd") else ""
        self.nodes.append(helper.make_node(op, inputs.split(" "), [to], name=to, domain=domain, **attributes))
        return to

    def constant(self, name, array):
        self.weights[name] = np.asarray(array)
        return name

    def drawn(self, name, *shape, scale=None):
        return self.constant(name, self.random.normal(
            0, scale or np.sqrt(2 / np.prod(shape[1:])), shape).astype(f32))

    def conv(self, x, to, channels, filters, size, **attributes):
        self.drawn(to + ".weight", filters, channels // attributes.get("group", 1), size, size)
        self.drawn(to + ".bias", filters, scale=0.1)
        return self.add("Conv", f"{x} {to}.weight {to}.bias", to, kernel_shape=[size, size],
                        pads=[size // 2] * 4, **attributes)

    def to_bytes(self, x, scale, zero, kind=i8):
        self.constant(x + "_s", f32(scale)), self.constant(x + "_z", kind(zero))
        return self.add("QuantizeLinear", f"{x} {x}_s {x}_z", x + "_q")

    def to_floats(self, x, scale=None, zero=None, kind=i8):
        """Dequantizes x_q with the scale of x or with another one."""
        base = x.removesuffix("_q")
        if scale is not None:
            self.constant(x + "_s", f32(scale)), self.constant(x + "_z", kind(zero))
            base = x
        return self.add("DequantizeLinear", f"{x} {base}_s {base}_z", x + "_f")

    def through(self, x, scale, zero, kind=i8):
        return self.to_floats(self.to_bytes(x, scale, zero, kind))

    def weight(self, name, shape, axis=None, kind=i8, zero=0):
        """An int8 weight, dequantized; axis: one scale per index of that dimension."""
        low, high = (-127, 128) if kind is i8 else (zero - 127 if zero >= 127 else 0, min(256, zero + 128))
        self.constant(name, self.random.integers(low, high, shape).astype(kind))
        count = () if axis is None else (shape[axis],)
        self.constant(name + "_s", self.random.uniform(0.002, 0.006, count).astype(f32))
        self.constant(name + "_z", np.full(count, zero, kind))
        more = {} if axis is None else {"axis": axis}
        return self.add("DequantizeLinear", f"{name} {name}_s {name}_z", name + "_f", **more)

    def bias(self, name, x_scale, weight, count):
        self.constant(name, self.random.integers(-900, 900, count).astype(i32))
        scale = f32(x_scale) * self.weights[weight + "_s"]
        self.constant(name + "_s", scale)
        return self.add("DequantizeLinear", f"{name} {name}_s", name + "_f", axis=0)

    def model(self, inputs, outputs, microsoft=False, opset=17):
        """inputs, outputs: name -> (type, shape)"""
        def ports(rows):
            return [helper.make_tensor_value_info(k, OF[kind], shape) for k, (kind, shape) in rows.items()]
        graph = helper.make_graph(self.nodes, "g", ports(inputs), ports(outputs),
                                  [numpy_helper.from_array(v, k) for k, v in self.weights.items()])
        sets = [helper.make_opsetid("", opset)] + [helper.make_opsetid("com.microsoft", 1)] * microsoft
        return helper.make_model(graph, opset_imports=sets, ir_version=8, producer_name="quantized.py")


def net():
    """A float net: convolutions, a shortcut, functions, a concatenation."""
    g = Graph(3)
    x = g.add("Relu", g.conv("x", "c1", 3, 8, 3), "r1")
    x = g.add("Relu", g.conv(x, "dw", 8, 8, 3, group=8, strides=[2, 2]), "r2")
    x = g.add("Relu", g.add("Add", g.conv(x, "c2", 8, 8, 1) + " " + x, "sum"), "r3")
    x = g.add("MaxPool", x, "pool", kernel_shape=[2, 2], strides=[2, 2])
    a = g.conv(x, "c3", 8, 8, 3)
    a = g.add("Mul", a + " " + g.add("Sigmoid", a, "gate"), "gated")
    b = g.add("LeakyRelu", g.conv(x, "c4", 8, 4, 3), "leaky", alpha=0.2)
    x = g.add("Concat", a + " " + b, "joined", axis=1)
    x = g.add("Flatten", g.add("GlobalAveragePool", x, "mean"), "flat")
    g.drawn("fc.weight", 10, 12), g.drawn("fc.bias", 10, scale=0.1)
    g.add("Softmax", g.add("Gemm", x + " fc.weight fc.bias", "fc", transB=1), "y", axis=-1)
    return g.model({"x": (f32, [1, 3, 12, 12])}, {"y": (f32, [1, 10])})


class Samples(quantization.CalibrationDataReader):
    def __init__(self):
        random = np.random.default_rng(5)
        self.left = [{"x": random.standard_normal((1, 3, 12, 12)).astype(f32)} for _ in range(12)]

    def get_next(self):
        return self.left.pop() if self.left else None


def by_onnxruntime(form, kind, per_channel, outputs):
    """The net as quantize_static writes it. Every stored value becomes an output, int16 values as floats."""
    wide = kind in (i16, u16)
    with tempfile.TemporaryDirectory() as folder:
        source, made = os.path.join(folder, "f.onnx"), os.path.join(folder, "q.onnx")
        onnx.save(net(), source)
        quantization.quantize_static(
            source, made, Samples(), quant_format=quantization.QuantFormat[form], per_channel=per_channel,
            activation_type=quantization.QuantType["Q" + kind.__name__.title().replace("Ui", "UI")],
            weight_type=quantization.QuantType.QInt8, extra_options={"ActivationSymmetric": wide})
        model = onnx.load(made)
    for name, shape in outputs.items():
        model.graph.output.append(helper.make_tensor_value_info(name, OF[f32 if wide else kind], shape))
    del model.graph.value_info[:]
    return model


INNER = {"r1": [1, 8, 12, 12], "r3": [1, 8, 6, 6], "gated": [1, 8, 3, 3], "joined": [1, 12, 3, 3],
         "fc": [1, 10]}


def qdq_channels():
    return by_onnxruntime("QDQ", u8, True, {k + "_QuantizeLinear_Output": v for k, v in INNER.items()})


def qdq_tensors():
    return by_onnxruntime("QDQ", i8, False, {k + "_QuantizeLinear_Output": v for k, v in INNER.items()})


def qdq_int16():
    return by_onnxruntime("QDQ", i16, True, {k + "_DequantizeLinear_Output": v for k, v in INNER.items()})


def qdq_uint16():
    return by_onnxruntime("QDQ", u16, False, {k + "_DequantizeLinear_Output": v for k, v in INNER.items()})


def qoperator():
    made = {"c1": INNER["r1"], "sum": INNER["r3"], **{k: INNER[k] for k in ("gated", "joined", "fc")}}
    return by_onnxruntime("QOperator", u8, True, {k + "_quantized": v for k, v in made.items()})


def qdq_bytes():
    """Raw bytes in and out; data movement of integers, with other scales at its ends; u8 weights."""
    g = Graph(11)
    x = g.add("DequantizeLinear", g.add("Transpose", "x", "moved", perm=[0, 3, 1, 2]) + " x_s x_z", "x_f")
    g.constant("x_s", f32(1 / 64)), g.constant("x_z", u8(128))
    w = g.weight("w1", (8, 3, 3, 3), kind=u8, zero=128)
    g.add("Conv", f"{x} {w} {g.bias('b1', 1 / 64, 'w1', 8)}", "a", pads=[1] * 4)
    g.constant("low", f32(0)), g.constant("high", f32(6))
    g.to_bytes(g.add("Clip", "a low high", "b"), 6 / 255, -128)
    g.add("MaxPool", "b_q", "c_q", kernel_shape=[2, 2], strides=[2, 2])
    g.constant("c_s", f32(6 / 255)), g.constant("c_z", i8(-128))
    c = g.to_floats("c_q")
    pool = g.through(g.add("MaxPool", c, "d", kernel_shape=[3, 3], pads=[1] * 4), 0.031, -100)
    w = g.weight("w2", (4, 8, 1, 1), axis=0)
    e = g.through(g.add("Conv", f"{c} {w}", "e"), 0.05, 7)
    g.to_bytes(g.add("Concat", f"{pool} {e} {c}", "f", axis=1), 0.04, -60)
    g.to_bytes(g.add("Add", f"{c} {pool}", "h"), 0.06, -128)
    sizes = {"f_q": (i8, [1, 20, 4, 4]), "h_q": (i8, [1, 8, 4, 4]), "e_q": (i8, [1, 4, 4, 4])}
    return g.model({"x": (u8, [1, 8, 8, 3])}, sizes)


def qdq_mixed():
    """Layers that stay in floats, for several reasons; float biases; a value as floats and as bytes;
    products."""
    g = Graph(12)
    x = g.through("x", 0.03, 3)
    g.drawn("b1", 6, scale=0.3)
    w = g.weight("w1", (6, 4, 3, 3), axis=0)
    g.add("Conv", f"{x} {w} b1", "a")  # a float bias
    a = g.through(g.add("Relu", "a", "a_r"), 0.04, -20)  # relu with a lower bound above the smallest byte
    w = g.weight("w2", (6, 6, 1, 1), kind=u8, zero=120)  # stays float because of its zero point
    b = g.through(g.add("Conv", f"{a} {w}", "b"), 0.05, 0)
    w = g.weight("w3", (6, 6, 1, 1))
    g.add("Conv", f"{b} {w}", "c")  # stays float because its users read floats
    s = g.add("Sigmoid", "c", "gate")
    c = g.through("c", 0.02, 10)
    g.add("Mul", f"{c} {s}", "d")  # bytes and floats
    d = g.through("d", 0.015, -11)
    d2 = g.through(d, 0.01, 5)  # quantized twice, with different scales
    g.to_bytes(g.add("Flatten", g.add("GlobalAveragePool", d2, "mean"), "m"), 0.004, 12)
    m = g.to_floats("m_q")
    w = g.weight("w4", (6, 5), axis=1)
    g.drawn("b4", 5, scale=0.1)
    g.add("Add", g.add("MatMul", f"{m} {w}", "p") + " b4", "q")
    q = g.through("q", 0.02, 0)
    g.add("Tanh", g.add("Mul", f"{q} {q}", "square"), "y")
    g.to_bytes("square", 0.01, -128)
    sizes = {"d_q": (i8, [1, 6, 4, 4]), "m_q": (i8, [1, 6]), "q_q": (i8, [1, 5]), "square_q": (i8, [1, 5]),
             "y": (f32, [1, 5])}
    return g.model({"x": (f32, [1, 4, 6, 6])}, sizes)


def qdq_wider():
    """Transposed convolutions, with scales by filter, and several filters for each channel."""
    g = Graph(15)
    x = g.through("x", 0.03, 3)
    w = g.weight("w1", (4, 6, 3, 3), axis=1)
    g.drawn("b1", 6, scale=0.3)
    a = g.through(g.add("ConvTranspose", f"{x} {w} b1", "a", strides=[2, 2], pads=[1] * 4), 0.05, 5)
    w = g.weight("w2", (12, 1, 3, 3), axis=0, kind=u8, zero=128)
    g.to_bytes(g.add("Conv", f"{a} {w}", "b", group=6, pads=[1] * 4), 0.06, 0)
    return g.model({"x": (f32, [1, 4, 5, 5])}, {"a_q": (i8, [1, 6, 9, 9]), "b_q": (i8, [1, 12, 9, 9])})


def qdq_joined():
    """Values of different scales, joined as floats; a move into a far smaller scale."""
    g = Graph(16)
    x = g.through("x", 0.006, 3)
    a = g.through(g.add("Transpose", g.through("z", 0.03, -9), "a", perm=[0, 1, 3, 2]), 0.02, 5)
    c = g.add("Concat", f"{x} {a}", "c", axis=1)
    g.add("Conv", f"{c} {g.weight('w', (5, 8, 1, 1), axis=0)}", "y")
    g.constant("sizes", np.array([1, 1, 2, 2], f32))
    g.to_bytes(g.add("Resize", f"{a}  sizes", "r", mode="nearest", nearest_mode="floor",
                     coordinate_transformation_mode="asymmetric"), 0.004, 11)
    return g.model({"x": (f32, [1, 4, 3, 3]), "z": (f32, [1, 4, 3, 3])},
                   {"c": (f32, [1, 8, 3, 3]), "y": (f32, [1, 5, 3, 3]), "r_q": (i8, [1, 4, 6, 6])})


def qdq_widths():
    """int8 and int16 values in one net: layers, sums, products and moves of both."""
    g = Graph(17)
    x = g.through("x", 0.0001, 0, i16)
    w = g.weight("w1", (6, 4, 3, 3), axis=0)
    a = g.through(g.add("Conv", f"{x} {w} {g.bias('b1', 0.0001, 'w1', 6)}", "a"), 0.04, -20)
    w = g.weight("w2", (6, 6, 1, 1), kind=u8, zero=128)
    b = g.through(g.add("Relu", g.add("Conv", f"{a} {w}", "b"), "b_r"), 0.0003, 32768, u16)
    c = g.through(g.add("Add", f"{a} {b}", "c"), 0.0002, 0, i16)
    d = g.through(g.add("Mul", f"{c} {c}", "d"), 0.05, -128)
    e = g.through(g.add("Concat", f"{d} {c} {b}", "e", axis=1), 0.00025, 0, i16)
    y = g.add("MatMul", g.add("Flatten", e, "f") + " " + g.weight("w3", (288, 5)), "y")
    z = g.through(y, 0.02, 0, i16)
    g.through(g.add("Relu", z, "r"), 0.03, -128)
    g.through(g.add("Sigmoid", z, "s"), 1 / 32768, 0, i16)
    sizes = {"b_r_q_f": (f32, [1, 6, 4, 4]), "c_q_f": (f32, [1, 6, 4, 4]), "d_q": (i8, [1, 6, 4, 4]),
             "e_q_f": (f32, [1, 18, 4, 4]), "y_q_f": (f32, [1, 5]), "r_q": (i8, [1, 5]),
             "s_q_f": (f32, [1, 5])}
    return g.model({"x": (f32, [1, 4, 6, 6])}, sizes, opset=21)


def qlinear():
    """Integer operators by hand, without any optional input."""
    g = Graph(13)
    for k, (scale, zero) in {"x": (0.02, 131), "a": (0.05, 90), "c": (0.06, 120), "y": (0.1, 128)}.items():
        g.constant(k + "_s", f32(scale)), g.constant(k + "_z", u8(zero))
    for k, shape in {"w": (5, 3, 3, 3), "m": (80, 6), "n": (6, 4)}.items():
        g.constant(k, g.random.integers(-127, 128, shape).astype(i8))
        g.constant(k + "_z", i8(0))
    g.constant("w_s", g.random.uniform(0.004, 0.009, 5).astype(f32)), g.constant("m_s", f32(0.004))
    g.constant("w_z", np.zeros(5, i8)), g.constant("n_s", f32(0.01))
    g.add("QLinearConv", "x x_s x_z w w_s w_z a_s a_z", "a", pads=[1] * 4, strides=[2, 2])
    g.add("QLinearAdd", "a a_s a_z a a_s a_z c_s c_z", "b")
    g.constant("flat", np.array([1, 80], i64))
    g.add("QLinearMatMul", g.add("Reshape", "b flat", "r") + " c_s c_z m m_s m_z y_s y_z", "p")
    g.constant("nb", g.random.integers(-500, 500, 4).astype(i32))
    g.add("QGemm", "p y_s y_z n n_s n_z nb y_s y_z", "y")
    made = {"a": (u8, [1, 5, 4, 4]), "p": (u8, [1, 6]), "y": (u8, [1, 4])}
    return g.model({"x": (u8, [1, 3, 8, 8])}, made, microsoft=True)


def qdq_products():
    """Products of two values: sequences, and the heads of an attention."""
    g = Graph(21)
    x, z = g.through("x", 0.02, 120, u8), g.through("z", 0.03, 140, u8)
    g.to_bytes(g.add("MatMul", f"{x} {z}", "p"), 0.05, 130, u8)
    g.constant("parts", np.array([0, 6, 2, 4], i64))

    def heads(to, perm):
        return g.add("Transpose", g.add("Reshape", f"{x} parts", to + "_r"), to, perm=perm)
    q, k, v = heads("q", [0, 2, 1, 3]), heads("k", [0, 2, 3, 1]), heads("v", [0, 2, 1, 3])
    s = g.through(g.add("MatMul", f"{q} {k}", "s"), 0.06, 100, u8)
    c = g.through(g.add("Softmax", s, "c", axis=-1), 1 / 256, 0, u8)
    g.to_bytes(g.add("MatMul", f"{c} {v}", "y"), 0.02, 125, u8)
    return g.model({"x": (f32, [1, 6, 8]), "z": (f32, [1, 8, 5])},
                   {"p_q": (u8, [1, 6, 5]), "s_q": (u8, [1, 2, 6, 6]), "y_q": (u8, [1, 2, 6, 4])})


def qdq_windows():
    """Attention of two heads in shifted windows, whose queries, keys and values are parts of a quantized
    tensor, and an error function."""
    g = Graph(22)
    for name, numbers in {"two": [2], "none": [0], "end": [1 << 40], "rows": [1], "columns": [2]}.items():
        g.constant(name, np.array(numbers, i64))
    for name, size in {"cut": (1, 2, 4, 2, 3, 12), "windows": (4, 12, 12), "parts": (4, 12, 3, 2, 2),
                       "joined": (4, 12, 4), "apart": (1, 2, 2, 4, 3, 4), "image": (1, 8, 6, 4)}.items():
        g.constant(name, np.array(size, i64))

    def rolled(x, to, axis):
        parts = [g.add("Slice", f"{x} two end {axis}", to + "_1"),
                 g.add("Slice", f"{x} none two {axis}", to + "_2")]
        return g.add("Concat", " ".join(parts), to, axis=1 if axis == "rows" else 2)

    def kept(x, like):
        """Quantizes x with the scale of another tensor, and dequantizes the result."""
        q = g.add("QuantizeLinear", f"{x} {like}_s {like}_z", x + "_q")
        return g.add("DequantizeLinear", f"{q} {like}_s {like}_z", x + "_f")
    x = g.add("Transpose", "x", "xt", perm=[0, 2, 3, 1])
    r = rolled(rolled(x, "r0", "rows"), "r", "columns")
    w = g.add("Transpose", g.add("Reshape", f"{r} cut", "c"), "ct", perm=[0, 1, 3, 2, 4, 5])
    w = g.through(g.add("Reshape", f"{w} windows", "w"), 0.02, 125, u8)
    l = g.through(g.add("MatMul", f"{w} {g.weight('all', (12, 12))}", "l"), 0.05, 120, u8)
    p = kept(g.add("Reshape", f"{l} parts", "p"), "l")
    p = kept(g.add("Transpose", p, "pt", perm=[2, 0, 3, 1, 4]), "l")
    q, k, v = (kept(g.add("Gather", f"{p} {g.constant(name + '_i', i64(i))}", name, axis=0), "l")
               for i, name in enumerate("qkv"))
    k = kept(g.add("Transpose", k, "kt", perm=[0, 1, 3, 2]), "l")
    s = g.through(g.add("MatMul", f"{q} {k}", "s"), 0.1, 120, u8)
    a = g.through(g.add("Softmax", s, "a", axis=-1), 1 / 256, 0, u8)
    o = g.through(g.add("MatMul", f"{a} {v}", "o"), 0.04, 128, u8)
    o = kept(g.add("Transpose", o, "ot", perm=[0, 2, 1, 3]), "o")
    o = kept(g.add("Reshape", f"{o} joined", "j"), "o")
    o = g.add("Transpose", g.add("Reshape", f"{o} apart", "b"), "bt", perm=[0, 1, 3, 2, 4, 5])
    g.add("QuantizeLinear", g.add("Reshape", f"{o} image", "y") + " o_s o_z", "y_q")
    g.constant("root", f32(np.sqrt(2)))
    e = g.through("z", 0.03, 128, u8)
    g.to_bytes(g.add("Erf", g.add("Div", f"{e} root", "d"), "e"), 1 / 128, 128, u8)
    m = g.through(g.add("MatMul", f"{e} {g.weight('few', (8, 6))}", "m"), 0.01, 128, u8)
    g.add("Add", f"{m} {g.drawn('shift', 6, scale=1)}", "f")  # in floats, with a number per channel
    return g.model({"x": (f32, [1, 12, 8, 6]), "z": (f32, [1, 5, 8])},
                   {"y_q": (u8, [1, 8, 6, 4]), "e_q": (u8, [1, 5, 8]), "f": (f32, [1, 5, 6])})


def hostile():
    """One node for each unsupported case."""
    g = Graph(14)
    rows = {"nothing": (f32(0), i8(0)), "negative": (f32(-1), i8(0)), "no_number": (f32("nan"), i8(0)),
            "infinite": (f32("inf"), i8(0)), "two_zeros": (f32(1), np.zeros(2, i8)), "whole": (i32(1), i8(0)),
            "table": (np.ones((1, 4), f32), np.zeros((1, 4), i8)), "wide": (f32(1), i16(3)),
            "wide_bytes": (f32(1), u16(0)), "words": (f32(1), i32(0)),
            "channels": (np.ones(4, f32), np.zeros(4, i8)), "fewer": (np.ones(3, f32), np.zeros(3, i8)),
            "unlike": (f32(1), u8(0))}
    g.constant("good_s", f32(0.1)), g.constant("good_z", i8(0))
    g.add("QuantizeLinear", "x good_s good_z", "good_q")
    for name, (scale, zero) in rows.items():
        g.constant(name + "_s", scale), g.constant(name + "_z", zero)
        to = {"words": "DequantizeLinear", "unlike": "DequantizeLinear"}.get(name, "QuantizeLinear")
        g.add(to, f"{'good_q' if to[0] == 'D' else 'x'} {name}_s {name}_z", name, axis=1)
    g.add("QuantizeLinear", "x channels_s channels_z", "no_axis", axis=7)
    g.add("QuantizeLinear", "x x good_z", "computed")
    g.add("QuantizeLinear", "x  good_z", "missing")
    g.add("QuantizeLinear", "good_q good_s good_z", "again")
    g.add("DequantizeLinear", "x good_s good_z", "floats")
    g.nodes.append(helper.make_node("Cast", ["good_q"], ["cast"], name="cast", to=TensorProto.FLOAT))
    g.add("Relu", "good_q", "relu")
    g.constant("w", np.ones((4, 4), i8))
    g.add("DequantizeLinear", "w fewer_s fewer_z", "weights", axis=0)
    g.add("DequantizeLinear", "w channels_s channels_z", "axis_2", axis=2)
    g.add("DynamicQuantizeLinear", "x", "dynamic")
    made = [node.output[0] for node in g.nodes if node.output[0] != "good_q"]
    return g.model({"x": (f32, [1, 4])}, {name: (f32, [1, 4]) for name in made})


CASES = [qdq_channels, qdq_tensors, qdq_int16, qdq_uint16, qoperator, qdq_bytes, qdq_mixed, qdq_wider,
         qdq_joined, qdq_widths, qlinear, qdq_products, qdq_windows]
# Inputs and outputs whose channels are last in ONNX, too.
LAST = {"qdq_bytes": ("x",), "qdq_products": ("x", "z", "p_q", "s_q", "y_q"),
        "qdq_windows": ("z", "y_q", "e_q", "f")}


def in_memory(array, last):
    one = array[0]
    return np.ascontiguousarray(np.moveaxis(one, 0, -1) if one.ndim > 1 and not last else one)


def make(case):
    name, model = case.__name__, case()
    path, random = os.path.join(here, name), np.random.default_rng(7)
    onnx.save(model, path + ".onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options,
                                           providers=["CPUExecutionProvider"])
    feed = {}
    for k, port in enumerate(session.get_inputs()):
        drawn = random.standard_normal(port.shape).astype(f32)
        feed[port.name] = drawn if "float" in port.type else random.integers(0, 256, port.shape).astype(u8)
        np.save(f"{path}.in{k}.npy", in_memory(feed[port.name], port.name in LAST.get(name, ())))
    outputs = [port.name for port in model.graph.output]
    rows = zip(outputs, session.run(outputs, feed), Model(model).run(feed))
    for k, (output, theirs, ours) in enumerate(rows):
        assert theirs.dtype == ours.dtype and theirs.shape == ours.shape, (name, output)
        last = output in LAST.get(name, ())
        np.save(f"{path}.out{k}.npy", in_memory(theirs, last))
        np.save(f"{path}.want{k}.npy", in_memory(ours, last))
        off = np.abs(theirs.astype(np.float64) - ours)
        print(f"{name} {output}: {np.count_nonzero(off)} of {off.size} differ, at most by {off.max():.4g}")


onnx.save(hostile(), os.path.join(here, "bad", "quantized.onnx"))
for case in CASES:
    if not sys.argv[1:] or case.__name__ in sys.argv[1:]:
        make(case)
