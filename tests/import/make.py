#!/usr/bin/env python3
"""make.py [NAME...]: writes the models of this folder, and onnxruntime's results: NAME.onnx,
NAME.in0.npy ... and NAME.out0.npy ..., in the memory layout of the imported program. further.py writes more
models. Needs numpy, onnx and onnxruntime."""
# SPDX-License-Identifier: Apache-2.0
import os, sys
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

here = os.path.dirname(os.path.abspath(__file__))
cases = {}


def node(op, inputs, outputs, name="", **attributes):
    results = [result.strip("-") for result in outputs.split()]  # "-" is an omitted result
    return helper.make_node(op, inputs.split(" "), results, name=name or results[0], **attributes)


def scoped(node, scopes, classes="['Net', 'torch.nn.Conv2d', 'aten.conv2d.default']"):
    """Metadata in the form of PyTorch's torch.export exporter: the module of each node."""
    node.metadata_props.add(key="pkg.torch.onnx.class_hierarchy", value=classes)
    node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=scopes)
    return node


def case(name, nodes, inputs, outputs, weights=None, opset=17, last=(), scale=1.0):
    """inputs: name -> shape, outputs: names; `last`: those whose channels are last in ONNX, too"""
    cases[name] = (nodes, inputs, outputs.split(), weights or {}, opset, last, scale)


integers = {"signed"}  # names of inputs with small whole numbers, which are negative only in this one
truths = {"truth"}  # names of boolean inputs
settings = {}  # inputs with fixed values, by case: name -> number or array


def model(name):
    nodes, inputs, outputs, weights, opset, _, scale = cases[name]
    random = np.random.default_rng(len(name))
    made = []
    for key, shape in weights.items():
        array = shape
        if isinstance(shape, tuple):
            array = (random.standard_normal(shape) * scale * 0.5).astype(np.float32)
            if key.endswith("var"):
                array = np.abs(array) + np.float32(0.5)
        made.append(numpy_helper.from_array(np.asarray(array), key))
    types = {k: TensorProto.INT64 if k in integers else TensorProto.BOOL if k in truths else TensorProto.FLOAT
             for k in inputs}
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info(k, types[k], v) for k, v in inputs.items()] +
        [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
         for k, v in settings.get(name, {}).items()],
        [helper.make_tensor_value_info(k, TensorProto.INT32 if k == "label" else TensorProto.FLOAT, None)
         for k in outputs], made)
    domains = sorted({node.domain for node in nodes} - {""})
    sets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=sets, ir_version=9 if name == "functions" else 8,
                             producer_name="make.py", functions=functions() if name == "functions" else [])


def functions():
    """Two functions. Block is a convolution, then Leaky. Leaky is a LeakyRelu (slope 0.5 by default) in a
    branch of an If."""
    sets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    leaky = helper.make_node("LeakyRelu", ["a"], ["b"])
    leaky.attribute.append(onnx.AttributeProto(name="alpha", ref_attr_name="slope", type=1))
    inner = helper.make_node("Leaky", ["b"], ["c"], domain="own")
    inner.attribute.append(onnx.AttributeProto(name="slope", ref_attr_name="slope", type=1))
    result = [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)]
    on = helper.make_node("Constant", [], ["on"], value=numpy_helper.from_array(np.array(True)))
    plain = helper.make_node("Identity", ["a"], ["b"])
    chosen = helper.make_node("If", ["on"], ["c"], then_branch=helper.make_graph([leaky], "yes", [], result),
                              else_branch=helper.make_graph([plain], "no", [], result))
    conv = helper.make_node("Conv", ["a", "w"], ["b"], name="conv")
    slope = [helper.make_attribute("slope", 0.5)]
    return [helper.make_function("own", "Leaky", ["a"], ["c"], [on, chosen], sets, attribute_protos=slope),
            helper.make_function("own", "Block", ["a", "w"], ["c"], [conv, inner], sets,
                                 attribute_protos=slope)]


NOT_IN_ONNXRUNTIME = ("even_windows",)  # expected values are computed by the standard's definition
TABLES = ("boxes", "rows", "h", "h2", "steps")  # values whose first dimension is not the batch


def in_memory(key, array, last):
    if key in TABLES:
        return np.ascontiguousarray(array)
    last = key in last
    one = array[0] if array.ndim > 1 else array
    if one.ndim > 1 and not last:
        one = np.moveaxis(one, 0, -1)
    return np.ascontiguousarray(one)


class LRN(OpRun):
    """LRN as the standard defines it, for any batch size."""
    def _run(self, x, alpha=None, beta=None, bias=None, size=None):
        sums = [np.sum(x[:, max(0, c - (size - 1) // 2):c + size // 2 + 1] ** 2, axis=1)
                for c in range(x.shape[1])]
        return ((x / (bias + alpha / size * np.stack(sums, 1)) ** beta).astype(x.dtype),)


def newer(made):
    """Converts a model whose values have four dimensions to opset 7: operands that were broadcast along an
    axis, and slopes per channel, get trailing dimensions of size 1."""
    made = onnx.ModelProto.FromString(made.SerializeToString())
    made.opset_import[0].version = 7
    ranks, nodes = {w.name: len(w.dims) for w in made.graph.initializer}, []
    for old in made.graph.node:
        named = {attribute.name: attribute for attribute in old.attribute}
        rank = ranks.get(old.input[1], 1) if len(old.input) > 1 else 0
        more = 4 - named["axis"].i % 4 - rank if "axis" in named else 0
        more = 2 if old.op_type == "PRelu" and rank == 1 else more
        if more:
            nodes.append(node("Unsqueeze", old.input[1], old.output[0] + "_b",
                              axes=list(range(rank, rank + more))))
            old.input[1] = nodes[-1].output[0]
        if "broadcast" in named:
            old.ClearField("attribute")
        nodes.append(old)
    made.graph.ClearField("node")
    made.graph.node.extend(nodes)
    return made


def floats(made):
    """The float model that a dynamically quantized one becomes if its values are not rounded."""
    made = onnx.ModelProto.FromString(made.SerializeToString())
    arrays = {w.name: numpy_helper.to_array(w).astype(np.float32) for w in made.graph.initializer}
    added = {}  # by name: nodes may share weights
    for old in made.graph.node:
        names = list(old.input)
        if old.op_type == "DynamicQuantizeLinear":
            added |= {old.output[2 - k]: f32(k) for k in (1, 0)}
            names, old.op_type = names[:1], "Identity"
            del old.output[1:]
        elif old.op_type in ("MatMulInteger", "ConvInteger"):
            zeros = arrays[names[3]]
            if old.op_type == "ConvInteger" and zeros.ndim:
                zeros = zeros.reshape(-1, *[1] * (arrays[names[1]].ndim - 1))
            added[names[1] + ".floats"] = arrays[names[1]] - zeros
            names, old.op_type = [names[0], names[1] + ".floats"], old.op_type[:-len("Integer")]
        elif old.op_type == "DynamicQuantizeLSTM":
            for i, scale in (1, 8), (2, 10):
                zero, factor = (arrays[names[k]].reshape(-1, 1, 1) for k in (scale + 1, scale))
                w = (arrays[names[i]] - zero) * factor
                names[i] += ".floats"
                added[names[i]] = np.ascontiguousarray(w.transpose(0, 2, 1))
            names, old.op_type, old.domain = names[:8], "LSTM", ""
        elif old.op_type in ("Floor", "Cast"):
            old.op_type = "Identity"
            old.ClearField("attribute")
        old.ClearField("input")
        old.input.extend(names)
    made.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in added.items())
    return made


def make(name):
    _, inputs, outputs, _, _, last, _ = cases[name]
    made = model(name)
    path = os.path.join(here, name)
    onnx.save(made, path + ".onnx")
    random = np.random.default_rng(7)
    feed = {}
    for key, shape in inputs.items():
        sizes = [n if isinstance(n, int) else 1 if d == 0 or n == "batch" else d + 4
                 for d, n in enumerate(shape)]
        feed[key] = random.standard_normal(sizes).astype(np.float32)
        if key in integers:
            feed[key] = np.int64(2 * feed[key] if key == "signed" else np.abs(2 * feed[key]))
        if key in truths:
            feed[key] = feed[key] > 0
        if key == "boxes":
            feed[key] = np.sort(np.abs(6 * feed[key]).reshape(-1, 2, 2), axis=1).reshape(-1, 4)
    if made.opset_import[0].version < 7:  # onnxruntime does not support these opsets
        made = newer(made)
    if any(node.op_type.startswith("DynamicQuantize") for node in made.graph.node):
        made = floats(made)
    if name in NOT_IN_ONNXRUNTIME:
        session = ReferenceEvaluator(made, new_ops=[LRN])
    else:
        session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    for k, (key, array) in enumerate(feed.items()):
        array = array.astype(np.float32) if key in integers | truths else array
        np.save(f"{path}.in{k}.npy", in_memory(key, array, last))
    outputs = [key for key in outputs if key != "label"]  # the import drops it
    for k, (key, array) in enumerate(zip(outputs, session.run(outputs, feed | settings.get(name, {})))):
        np.save(f"{path}.out{k}.npy", in_memory(key, array, last))


f32, i64 = np.float32, np.int64
numbers = lambda *n: np.array(n, i64)
half, third, one = f32(0.5), f32(3), f32(1)

case("lenet", [
    node("Conv", "x conv1.weight conv1.bias", "a", "/conv1/Conv", pads=[2] * 4), node("Relu", "a", "b"),
    node("MaxPool", "b", "c", kernel_shape=[2, 2], strides=[2, 2]),
    node("Conv", "c conv2.weight", "d", "/conv2/Conv"), node("Relu", "d", "e"),
    node("MaxPool", "e", "f", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    node("Flatten", "f", "g"), node("Gemm", "g fc.weight fc.bias", "h", "/fc/Gemm", transB=1),
    node("Softmax", "h", "scores")], {"x": [1, 1, 13, 13]}, "scores",
    {"conv1.weight": (4, 1, 5, 5), "conv1.bias": (4,), "conv2.weight": (6, 4, 3, 3), "fc.weight": (5, 24),
     "fc.bias": (5,)})
case("mlp", [
    node("MatMul", "x w1", "a"), node("Add", "a b1", "b"), node("Tanh", "b", "c"),
    node("Gemm", "c w2 b2", "d", alpha=0.5, beta=2.0), node("LogSoftmax", "d", "y", axis=1)],
    {"x": [None, 8]}, "y", {"w1": (8, 6), "b1": (6,), "w2": (6, 3), "b2": (3,)})
case("residual", [
    node("Conv", "x w1", "a", pads=[1] * 4, strides=[2, 2]),
    node("BatchNormalization", "a bn.weight bn.bias bn.mean bn.var", "b"), node("Relu", "b", "c"),
    node("Conv", "x w2", "d", strides=[2, 2]), node("Add", "c d", "e"), node("Clip", "e zero six", "f"),
    node("GlobalAveragePool", "f", "g"), node("Flatten", "g", "h"), node("Gemm", "h w3", "y", transB=1)],
    {"x": [1, 3, 9, 7]}, "y",
    {"w1": (8, 3, 3, 3), "w2": (8, 3, 1, 1), "bn.weight": (8,), "bn.bias": (8,), "bn.mean": (8,),
     "bn.var": (8,), "w3": (4, 8), "zero": f32(0), "six": f32(6)})
case("windows", [
    node("Conv", "x w1", "a", group=4, dilations=[2, 1], pads=[2, 0, 1, 1]),
    node("Conv", "a w2", "b", group=2, auto_pad="SAME_LOWER", strides=[2, 2]),
    node("AveragePool", "b", "c", kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1),
    node("AveragePool", "c", "d", kernel_shape=[3, 2], pads=[1, 0, 1, 1]),
    node("MaxPool", "d", "y", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER")],
    {"x": [1, 4, 12, 11]}, "y", {"w1": (8, 1, 3, 3), "w2": (6, 4, 3, 3)})
case("transposed", [
    node("ConvTranspose", "x w1 b1", "a", strides=[2, 2], pads=[1] * 4, output_padding=[1, 1]),
    node("ConvTranspose", "a w2", "b", strides=[2, 2], auto_pad="SAME_UPPER"),
    node("ConvTranspose", "b w3", "y", group=2, dilations=[2, 2], output_shape=[20, 24])],
    {"x": [1, 3, 5, 6]}, "y", {"w1": (3, 4, 3, 3), "b1": (4,), "w2": (4, 4, 2, 2), "w3": (4, 1, 2, 2)})
case("activations", [
    node("LeakyRelu", "x", "a", alpha=0.2), node("Elu", "a", "b", alpha=1.5), node("Selu", "b", "c"),
    node("HardSigmoid", "c", "d"), node("HardSigmoid", "x", "e", alpha=1 / 6), node("Softplus", "e", "f"),
    node("PRelu", "x slope", "g"), node("Mul", "d f", "h"), node("Add", "h g", "i"), node("Abs", "i", "j"),
    node("Sqrt", "j", "k"), node("Pow", "k two", "l"), node("Neg", "l", "m"), node("Exp", "m", "n"),
    node("Clip", "n low high", "o"), node("Clip", "o low", "p"), node("Sigmoid", "p", "q"),
    node("HardSwish", "q", "y")], {"x": [1, 4, 5, 3]}, "y",
    {"slope": (4, 1, 1), "two": f32(2), "low": f32(0.125), "high": f32(0.75)})
case("together", [
    node("Sigmoid", "x", "a"), node("Mul", "x a", "b"),
    node("Add", "b three", "c"), node("Clip", "c zero six", "d"), node("Mul", "b d", "e"),
    node("Div", "e six", "f"),
    node("Div", "f root", "g"), node("Erf", "g", "h"), node("Add", "h one", "i"), node("Mul", "f i", "j"),
    node("Mul", "j half", "y")], {"x": [1, 4, 5, 3]}, "y",
    {"three": third, "zero": f32(0), "six": f32(6), "root": f32(2 ** 0.5), "one": one, "half": half})
case("layernorm", [
    node("Transpose", "x", "a", perm=[0, 2, 3, 1]), node("ReduceMean", "a", "b", axes=[-1]),
    node("Sub", "a b", "c"), node("Pow", "c two", "d"), node("ReduceMean", "d", "e", axes=[-1]),
    node("Add", "e epsilon", "f"), node("Sqrt", "f", "g"), node("Div", "c g", "h"),
    node("Mul", "h norm.weight", "i"), node("Add", "i norm.bias", "j"),
    node("MatMul", "j w", "k"), node("Add", "k wb", "l"), node("Mul", "l gamma", "m"),
    node("Transpose", "m", "n", perm=[0, 3, 1, 2]),
    node("Add", "x n", "y")], {"x": [1, 6, 4, 3]}, "y",
    {"two": f32(2), "epsilon": f32(1e-6), "norm.weight": (6,), "norm.bias": (6,), "w": (6, 6), "wb": (6,),
     "gamma": (6,)})
case("borders", [
    node("Pad", "x around half", "a", "", mode="constant"), node("Pad", "a sides", "b", mode="reflect"),
    node("Pad", "b sides", "c", mode="edge"), node("Pad", "c channels", "d"), node("Pad", "d less", "y")],
    {"x": [1, 3, 5, 4]}, "y",
    {"around": numbers(0, 0, 1, 2, 0, 0, 0, 1), "half": half, "sides": numbers(0, 0, 2, 1, 0, 0, 1, 2),
     "channels": numbers(0, 1, 0, 0, 0, 2, 0, 0), "less": numbers(0, -2, -1, 1, 0, 0, 0, -2)})
case("resized", [
    node("Resize", "x   s1", "a", mode="nearest", nearest_mode="round_prefer_ceil"),
    node("Resize", "a   s2", "b", mode="nearest", coordinate_transformation_mode="asymmetric",
         nearest_mode="floor"),
    node("Resize", "b   s3", "c", mode="nearest", coordinate_transformation_mode="half_pixel",
         nearest_mode="round_prefer_floor"),
    node("Resize", "c  up", "d", mode="cubic"),
    node("Resize", "d  up", "y", mode="cubic", coordinate_transformation_mode="align_corners")],
    {"x": [1, 3, 4, 5]}, "y",
    {"s1": numbers(1, 3, 6, 9), "s2": numbers(1, 3, 9, 6), "s3": numbers(1, 3, 7, 4),
     "up": np.array([1, 1, 2, 2], f32)})
case("positions", [
    node("Conv", "x w", "a"), node("Add", "a pos", "b"), node("Mul", "plane b", "c"),
    node("Sub", "all c", "d"),
    node("Max", "d least", "e"), node("Div", "one e", "f"), node("Concat", "f pos", "g", axis=1),
    node("Concat", "row g", "h", axis=2), node("Reshape", "h flat", "i"),
    node("Transpose", "i", "j", perm=[0, 2, 1]), node("Concat", "class j", "k", axis=1),
    node("Add", "k embedding", "y")], {"x": [1, 3, 4, 3]}, "y",
    {"w": (5, 3, 1, 1), "pos": (1, 5, 4, 3), "plane": (4, 3), "all": (5, 4, 1), "one": one,
     "least": np.linspace(0.5, 1, 5, dtype=f32).reshape(5, 1, 1), "row": (1, 10, 1, 3),
     "flat": numbers(1, 10, 15), "class": (1, 1, 10), "embedding": (1, 16, 10)}, last=("y",))
case("many", [
    *[node("Mul", f"x n{i}", f"a{i}") for i in range(19)],
    node("Concat", " ".join(f"a{i}" for i in range(19)), "y", axis=1)], {"x": [1, 2, 3, 4]}, "y",
    {f"n{i}": f32(i - 4.5) for i in range(19)})
case("twice", [
    node("Conv", "x w", "a"), node("InstanceNormalization", "a ones zeros", "b"),
    node("Mul", "b factor", "c"),
    node("Add", "b shift", "d"), node("Sub", "x mean", "e"), node("Mul", "e third", "f"),
    node("Div", "e third", "g"), node("Concat", "c d f g", "y", axis=1)], {"x": [1, 3, 4, 5]}, "y",
    {"w": (3, 3, 1, 1), "ones": np.ones(3, f32), "zeros": np.zeros(3, f32), "factor": (3, 1, 1),
     "shift": (3, 1, 1), "mean": (1, 3, 1, 1), "third": third})
case("keras", [
    node("Transpose", "x", "a", perm=[0, 2, 3, 1]), node("Relu", "a", "b"), node("Neg", "a", "c"),
    node("Relu", "c", "d"), node("Mul", "slope d", "e"), node("Add", "b e", "f"),
    node("Transpose", "f", "g", perm=[0, 3, 1, 2]), node("Pad", "g border least", "h"),
    node("MaxPool", "h", "y", kernel_shape=[3, 3], strides=[2, 2])], {"x": [1, 4, 5, 3]}, "y",
    {"slope": (1, 1, 4), "border": numbers(0, 0, 1, 0, 0, 0, 1, 1), "least": f32(-np.inf)})
case("label", [
    node("Conv", "x w", "a"), node("Softmax", "a", "scores", axis=1), node("ArgMax", "scores", "b", axis=1),
    node("Cast", "b", "label", to=6)], {"x": [1, 3, 4, 3]}, "scores label", {"w": (5, 3, 1, 1)})
case("reduced", [
    node("ReduceMean", "x", "mean", axes=[1]), node("ReduceMax", "x", "most", axes=[1]),
    node("Concat", "mean most", "a", axis=1), node("Conv", "a w", "b", pads=[1] * 4),
    node("Sigmoid", "b", "c"),
    node("Mul", "c x", "d"), node("ReduceL2", "d", "e", axes=[1]), node("Max", "e least", "f"),
    node("Div", "d f", "g"), node("ReduceSum", "g spatial", "h", keepdims=0),
    node("ReduceMin", "g", "i", axes=[2, 3]),
    node("ReduceL2", "x", "j", axes=[1, 2, 3], keepdims=0), node("Mul", "i gain", "k"),
    node("ReduceSumSquare", "k", "l", axes=[-3])], {"x": [1, 4, 5, 3]}, "g h j l",
    {"w": (1, 2, 3, 3), "least": f32(1e-6), "spatial": numbers(2, 3), "gain": f32(2)})
case("functions", [
    helper.make_node("Block", ["x", "w1"], ["a"], name="/first", domain="own", slope=0.25),
    helper.make_node("Block", ["a", "w2"], ["y"], name="/second", domain="own")],
    {"x": [1, 3, 4, 5]}, "y", {"w1": (4, 3, 1, 1), "w2": (2, 4, 3, 3)})
case("named", [
    node("MaxPool", "x", "a", "/maxpool/MaxPool", kernel_shape=[3, 3], pads=[1] * 4),
    node("Conv", "a w", "b", "/layer1/layer1.0/conv1/Conv", pads=[1] * 4),
    node("Add", "b a", "c", "/layer1/layer1.0/Add"),
    node("Sigmoid", "c", "d", "/layer1/layer1.0/Sigmoid_1"), node("Mul", "c d", "e"), node("Add", "e a", "f"),
    node("Mul", "f d", "y")],
    {"x": [1, 3, 4, 5]}, "y", {"w": (3, 3, 3, 3)})
case("norms", [
    node("Reshape", "x groups", "a"), node("InstanceNormalization", "a gw gb", "b"),
    node("Reshape", "b whole", "c"), node("Mul", "c weight", "d"), node("Add", "d bias", "e"),
    node("InstanceNormalization", "e iw ib", "f"), node("LRN", "f", "y", size=3, alpha=0.5)],
    {"x": [1, 8, 5, 4]}, "y",
    {"groups": numbers(0, 2, -1), "gw": np.ones(2, f32), "gb": np.zeros(2, f32),
     "whole": numbers(1, 8, 5, 4), "weight": (8, 1, 1), "bias": (8, 1, 1), "iw": (8,), "ib": (8,)})
case("shuffle", [
    node("Conv", "x w", "a"), node("Reshape", "a five", "b"),
    node("Transpose", "b", "c", perm=[0, 2, 1, 3, 4]), node("Reshape", "c four", "y")],
    {"x": [1, 3, 5, 4]}, "y",
    {"w": (6, 3, 1, 1), "five": numbers(1, 2, 3, 5, 4), "four": numbers(1, 6, 5, 4)})
case("blocks", [
    node("DepthToSpace", "x", "a", blocksize=2, mode="CRD"), node("DepthToSpace", "a", "b", blocksize=2),
    node("SpaceToDepth", "b", "c", blocksize=2), node("Reshape", "c six", "d"),
    node("Transpose", "d", "e", perm=[0, 1, 3, 5, 2, 4]), node("Reshape", "e four", "y")],
    {"x": [1, 16, 4, 4]}, "y", {"six": numbers(1, 4, 4, 2, 4, 2), "four": numbers(1, 16, 4, 4)})
case("parts", [
    node("Split", "x sizes", "a b", axis=1), node("Slice", "a starts ends axes", "c"),
    node("Slice", "b starts ends axes", "d"), node("Concat", "c d", "e", axis=1),
    node("Slice", "e zeros many positions steps", "f"), node("Gather", "f index", "g", axis=1),
    node("Pad", "f pads", "h"), node("Mul", "f f", "i"), node("Concat", "f i", "y", axis=2),
    node("Add", "h minus", "z"), node("Mul", "g g", "u")],
    {"x": [1, 6, 7, 6]}, "y z u",
    {"sizes": numbers(2, 4), "starts": numbers(1, 0), "ends": numbers(2 ** 40, -1), "axes": numbers(2, 3),
     "zeros": numbers(0, 0), "many": numbers(99, 99), "positions": numbers(2, 3), "steps": numbers(2, 1),
     "index": numbers(1, 2, 3), "pads": numbers(0, 1, 0, 1, 0, 2, 1, 0), "minus": f32(-0.5)})
case("sizes", [
    node("Resize", "x  twice", "a", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    node("Resize", "a   smaller", "b", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    node("Resize", "b   larger", "c", mode="linear", coordinate_transformation_mode="half_pixel"),
    node("Resize", "c   last", "y", mode="linear", coordinate_transformation_mode="align_corners")],
    {"x": [1, 3, 4, 5]}, "y",
    {"twice": np.array([1, 1, 2, 2], f32), "smaller": numbers(1, 3, 5, 7), "larger": numbers(1, 3, 11, 13),
     "last": numbers(1, 3, 21, 4)})
case("gate", [
    node("Conv", "x w", "a"), node("ReduceMean", "a", "b", axes=[2, 3], keepdims=0),
    node("Gemm", "b w1 b1", "c", transB=1), node("Relu", "c", "d"), node("Gemm", "d w2 b2", "e", transB=1),
    node("HardSigmoid", "e", "f", alpha=1 / 6), node("Unsqueeze", "f axes", "g"), node("Mul", "g a", "y")],
    {"x": [1, 3, 6, 5]}, "y",
    {"w": (8, 3, 3, 3), "w1": (2, 8), "b1": (2,), "w2": (8, 2), "b2": (8,), "axes": numbers(2, 3)})
case("sequence", [
    node("Conv", "x w1 b1", "a", pads=[1, 1]), node("Relu", "a", "b"),
    node("MaxPool", "b", "c", kernel_shape=[2], strides=[2]), node("Flatten", "c", "d"),
    node("Gemm", "d w2", "y", transB=1)], {"x": [1, 4, 10]}, "y",
    {"w1": (6, 4, 3), "b1": (6,), "w2": (3, 30)})
case("last", [
    node("Transpose", "x", "a", perm=[0, 3, 1, 2]), node("Conv", "a w", "b", auto_pad="SAME_UPPER"),
    node("Transpose", "b", "c", perm=[0, 2, 3, 1]), node("Add", "c bias", "d"), node("Relu", "d", "e"),
    node("Softmax", "e", "y", axis=-1)], {"x": [1, 5, 6, 3]}, "y", {"w": (4, 3, 3, 3), "bias": (4,)},
    last=("x", "y"))
case("several", [
    node("Conv", "x w", "a"), node("Add", "a z", "b"), node("GlobalMaxPool", "b", "c"),
    node("Sub", "b two", "d"), node("Div", "d scale", "y"), node("Max", "c c", "u")],
    {"x": [1, 3, 6, 5], "z": [1, 4, 6, 5]}, "y u",
    {"w": (4, 3, 1, 1), "two": f32(2), "scale": np.array([1, 2, 4, 8], f32).reshape(4, 1, 1)})
case("folded", [
    node("Shape", "x", "s"), node("Gather", "s zero", "n"), node("Unsqueeze", "n first", "m"),
    node("Concat", "m open", "t", axis=0), node("Transpose", "w", "v", perm=[1, 0]),
    node("Reshape", "x t", "a"), node("MatMul", "a v", "y")], {"x": [1, 2, 3, 2]}, "y",
    {"zero": np.array(0, i64), "first": numbers(0), "open": numbers(-1), "w": (3, 12)})
case("open", [
    node("Conv", "x w", "a"), node("GlobalAveragePool", "a", "y")], {"x": [None, 1, None, None]}, "y",
    {"w": (2, 1, 3, 3)})
case("powers", [
    node("Sigmoid", "x", "a"), node("Log", "a", "b"), node("Reciprocal", "a", "c"),
    node("Pow", "a half", "d"),
    node("Pow", "x third", "e"), node("Min", "b e", "f"), node("Min", "f d limit", "g"),
    node("Add", "g shift", "h", "bias"), node("Gelu", "h", "i", approximate="tanh"), node("Sub", "i c", "y")],
    {"x": [1, 3, 4, 5]}, "y",
    {"half": np.array(-0.5, np.float32), "third": np.array(3, np.float32),
     "limit": np.array(1.25, np.float32), "shift": (3, 1, 1)}, opset=20)
case("heads", [
    node("Conv", "x w1", "a"), node("MaxPool", "a", "b", kernel_shape=[2, 2], strides=[2, 2]),
    node("Reshape", "a flat", "c"), node("Reshape", "b flat", "d"), node("Concat", "c d", "e", axis=2),
    node("Split", "e sizes", "f classes", axis=1), node("Reshape", "f sides", "g"),
    node("Transpose", "g", "h", perm=[0, 2, 1, 3]), node("Softmax", "h", "i", axis=1),
    node("Conv", "i bins", "j"), node("Reshape", "j four", "k"), node("Split", "k", "left right", axis=1),
    node("Sub", "cell left", "l"), node("Add", "cell right", "m"), node("Concat", "l m", "n", axis=1),
    node("Sigmoid", "classes", "o"), node("Concat", "n o", "y", axis=1)], {"x": [1, 3, 4, 6]}, "y",
    {"w1": (23, 3, 1, 1), "flat": numbers(1, 23, -1), "sizes": numbers(20, 3), "sides": numbers(1, 4, 5, -1),
     "bins": np.arange(5, dtype=f32).reshape(1, 5, 1, 1), "four": numbers(1, 4, -1), "cell": (1, 2, 30)})
case("anchors", [
    node("Conv", "x w1", "a"), node("MaxPool", "a", "b", kernel_shape=[2, 2], strides=[2, 2]),
    node("Conv", "b w2", "c"), node("Reshape", "a large", "d"),
    node("Transpose", "d", "e", perm=[0, 1, 3, 4, 2]), node("Sigmoid", "e", "f"),
    node("Split", "f sizes", "g h", axis=4), node("Add", "g grid", "i"), node("Mul", "i h", "j"),
    node("Slice", "f start end axis", "k"), node("Concat", "j k", "l", axis=4),
    node("Reshape", "l rows", "m"),
    node("Reshape", "c small", "n"), node("Transpose", "n", "o", perm=[0, 1, 3, 4, 2]),
    node("Reshape", "o rows", "p"), node("Concat", "m p", "y", axis=1)], {"x": [1, 3, 4, 6]}, "y",
    {"w1": (8, 3, 1, 1), "w2": (6, 8, 1, 1), "large": numbers(1, 2, 4, 4, 6), "small": numbers(1, 2, 3, 2, 3),
     "sizes": numbers(2, 2), "grid": (1, 2, 4, 6, 2), "start": numbers(3), "end": numbers(4),
     "axis": numbers(4), "rows": numbers(1, -1, 3)}, last=("y",))
case("one_last", [  # an output with five dimensions: its second dimension becomes the last one
    node("Conv", "x w1", "a"), node("Relu", "a", "b"), node("Reshape", "b five", "y")],
    {"x": [1, 2, 12, 5]}, "y", {"w1": (3, 2, 1, 1), "five": numbers(1, 3, 4, 3, 5)})
case("joined", [
    node("Conv", "x w1", "a"), node("Conv", "x w2", "b"), node("Flatten", "a", "c"),
    node("Flatten", "b", "d"),
    node("Concat", "c d", "e", axis=1), node("Gemm", "e w3", "y", transB=1)], {"x": [1, 3, 4, 5]}, "y",
    {"w1": (4, 3, 1, 1), "w2": (2, 3, 3, 3), "w3": (3, 92)})
case("standardised", [
    node("ReduceMean", "w1", "a", axes=[1, 2, 3]), node("Sub", "w1 a", "b"), node("Mul", "b b", "c"),
    node("ReduceMean", "c", "d", axes=[1, 2, 3]), node("Add", "d small", "e"), node("Sqrt", "e", "f"),
    node("Div", "b f", "g"), node("Conv", "x g", "h"), node("Clip", "sides zero", "i"),
    node("Cast", "i", "j", to=7), node("Pad", "h j", "k"), node("Reshape", "w2 channels", "l"),
    node("BatchNormalization", "l gain none none ones", "m m1 m2", training_mode=1),
    node("Reshape", "m kernel", "n"), node("ReduceSumSquare", "w2", "o", axes=[1], keepdims=0),
    node("ReduceMax", "o", "p"), node("Conv", "k n", "q"), node("Mul", "q p", "y")], {"x": [1, 3, 5, 6]}, "y",
    {"w1": (4, 3, 3, 3), "small": f32(1e-5), "sides": np.array([0, 0, -1.5, 1, 0, 0, 2, 0], f32),
     "zero": f32(0), "w2": (5, 4, 2, 2), "channels": numbers(1, 5, -1), "gain": (5,),
     "none": np.zeros(5, f32), "ones": np.ones(5, f32), "kernel": numbers(5, 4, 2, 2)})
case("standardised_by", [
    node("Reshape", "w channels", "a"), node("ReduceMean", "a", "b", axes=[0, 2], keepdims=0),
    node("ReduceMean", "a", "c", axes=[0, 2]), node("Sub", "a c", "d"), node("Mul", "d d", "e"),
    node("ReduceMean", "e", "f", axes=[0, 2], keepdims=0),
    node("BatchNormalization", "a gain shift b f", "g", epsilon=1e-8), node("Reshape", "g kernel", "h"),
    node("Conv", "x h", "y")], {"x": [1, 3, 5, 6]}, "y",
    {"w": (5, 3, 2, 2), "channels": numbers(1, 5, -1), "gain": (5,), "shift": (5,),
     "kernel": numbers(5, 3, 2, 2)})
case("response", [
    node("Conv", "x w", "a"), node("ReduceL2", "a", "b", axes=[2, 3]), node("ReduceMean", "b", "c", axes=[1]),
    node("Add", "c small", "d"), node("Div", "b d", "e"), node("Mul", "a e", "f"), node("Mul", "f gain", "g"),
    node("Add", "g shift", "h"), node("Add", "a h", "y")], {"x": [1, 3, 5, 4]}, "y",
    {"w": (6, 3, 1, 1), "small": f32(1e-6), "gain": (6, 1, 1), "shift": (6, 1, 1)})
case("branches", [
    node("Conv", "x w1", "a"), node("Conv", "x w2", "b"), node("Unsqueeze", "a axis", "c"),
    node("Unsqueeze", "b axis", "d"), node("Concat", "c d", "e", axis=1),
    node("ReduceSum", "e axis", "f", keepdims=0), node("GlobalAveragePool", "f", "g"),
    node("Conv", "g w3", "h"), node("Reshape", "h apart", "i"), node("Softmax", "i", "j", axis=1),
    node("Mul", "e j", "k"), node("ReduceSum", "k axis", "y", keepdims=0)], {"x": [1, 3, 5, 4]}, "y",
    {"w1": (4, 3, 1, 1), "w2": (4, 3, 1, 1), "axis": numbers(1), "w3": (8, 4, 1, 1),
     "apart": numbers(1, 2, 4, 1, 1)})
moments = lambda x, axes, gain, shift, out: [
    node("ReduceMean", x, out + "1", axes=axes), node("Neg", out + "1", out + "2"),
    node("Sub", f"{x} {out}1", out + "3"), node("Mul", f"{out}3 {out}3", out + "4"),
    node("ReduceMean", out + "4", out + "5", axes=axes), node("Add", f"{out}5 small", out + "6"),
    node("Sqrt", out + "6", out + "7"), node("Reciprocal", out + "7", out + "8"),
    node("Mul", f"{out}8 {gain}", out + "9"), node("Mul", f"{x} {out}9", out + "x"),
    node("Mul", f"{out}2 {out}9", out + "y"), node("Add", f"{out}y {shift}", out + "z"),
    node("Add", f"{out}x {out}z", out)]
case("grouped", [
    node("Conv", "x w", "a"), node("Transpose", "a", "b", perm=[0, 2, 3, 1]), node("Reshape", "b five", "c"),
    *moments("c", [1, 2, 4], "gg", "gb", "d"), node("Reshape", "d four", "e"),
    *moments("e", [1, 2], "ig", "ib", "f"), *moments("f", [-1], "lg", "lb", "y")], {"x": [1, 3, 5, 4]}, "y",
    {"w": (6, 3, 1, 1), "five": numbers(1, 5, 4, 3, 2), "small": f32(1e-3), "gg": (1, 1, 1, 3, 2),
     "gb": (1, 1, 1, 3, 2), "four": numbers(1, 5, 4, 6), "ig": (1, 1, 1, 6), "ib": (1, 1, 1, 6),
     "lg": (1, 1, 1, 6), "lb": (6,)}, last=("y",))
case("two_shifts", [
    *moments("x", [2, 3], "gain", "shift", "m")[:-3], node("Mul", "m1 m9", "s"),
    node("Sub", "shift s", "t"), node("Add", "more t", "u"), node("Add", "mx u", "y")],
    {"x": [1, 4, 3, 3]}, "y",
    {"small": f32(1e-3), "gain": (4, 1, 1), "shift": (4, 1, 1), "more": (4, 1, 1)})
case("by_channel", [
    node("Conv", "x w", "a"), *moments("a", [2, 3], "g", "b", "c"),
    node("Transpose", "c", "d", perm=[0, 2, 3, 1]), *moments("d", [1, 2], "h", "k", "y")],
    {"x": [1, 3, 5, 4]}, "y", {"w": (6, 3, 1, 1), "small": f32(1e-3), "g": (6, 1, 1), "b": (6, 1, 1),
                               "h": (6,), "k": (6,)}, last=("y",))
case("regions", [
    node("Conv", "x w1", "a"), node("RoiAlign", "a boxes index", "b", output_height=3, output_width=2,
                                    sampling_ratio=2, spatial_scale=0.5),
    node("RoiAlign", "x boxes index", "c", output_height=3, output_width=2, sampling_ratio=1,
         coordinate_transformation_mode="output_half_pixel"),
    node("Concat", "b c", "d", axis=1), node("Conv", "d w2", "e"), node("Relu", "e", "f"),
    node("Flatten", "f", "g"), node("Gemm", "g w3", "rows", transB=1)],
    {"x": [1, 3, 8, 9], "boxes": [5, 4]}, "rows",
    {"w1": (4, 3, 1, 1), "index": numbers(0, 0, 0, 0, 0), "w2": (6, 7, 1, 1), "w3": (3, 36)})

NORM = "['Net', 'torch.nn.BatchNorm2d', 'aten.batch_norm.default']"
scopes = [  # (scope of a node, name of its weight); comment: the name of the imported layer
    ("['', 'body', 'body.0', 'conv2d']", "w0"),                      # body.0
    ('["", "it\'s", "conv2d"]', "w1"),                               # it_s
    (r"['', 'it\'s', 'two\\', 'conv2d']", "w2"),                     # two__: escaped
    ("['', 'conv2d']", "w3"),                                        # conv: not in any module
    ("['conv2d']", "w4"), ("[]", "w5"), ("", "w6"),                  # no module
    ("['', 'a', 'conv2d'", "w7"), ("['', 'a", "w8"), ("'a', 'b'", "w9"), ("['a' 'b']", "w10"),
    ("['', 'a', 'b\\", "w11"), ("['', 'a', 1]", "w12"),              # invalid lists
    (f"['', '{'a' * 5000}', 'conv2d']", "w13"),                      # too long
    ("['', 'used', 'conv2d']", "owner.weight"),                      # used: equal weights, stored once
    ("['', 'outer', 'conv2d']", "outer.inner.weight"),               # outer.inner, which is not called
    ("['', 'stem', 'stem.act', 'conv2d']", "stem.weight"),           # stem: a module in stem reads its weight
    ("['', 'outer', 'conv2d']", "outerwear.weight"),                 # outer: outerwear is another module
    ("['', 'norm', 'batch_norm']", "folded.weight"),                 # folded: a convolution and its norm
]
case("scopes", [
    scoped(node("Conv", f"t{i} {w}", f"t{i + 1}"), text, *([NORM] if w == "folded.weight" else []))
    for i, (text, w) in enumerate(scopes)], {"t0": [1, 2, 3, 2]}, f"t{len(scopes)}",
    {w: (2, 2, 1, 1) for _, w in scopes}, scale=2)


# Patterns that resemble supported ones, but are not supported.
no_forms = {
    "statistics": ([
        node("BatchNormalization", "w gain none none ones", "v mean", training_mode=1),
        node("Conv", "x v", "a"), node("Conv", "x w", "b"), node("Add", "b mean", "c"),
        node("Add", "a c", "y")], {"x": [1, 3, 4, 4]},
        {"w": (2, 3, 1, 1), "gain": (3,), "none": np.zeros(3, f32), "ones": np.ones(3, f32)}),
    "other_regions": ([
        node("RoiAlign", "x boxes index", "y", sampling_ratio=1, coordinate_transformation_mode="other"),
        node("RoiAlign", "x boxes index", "z", sampling_ratio=1, mode="max"),
        node("RoiAlign", "x boxes index", "u")], {"x": [1, 3, 8, 9], "boxes": [5, 4]},
        {"index": numbers(0, 0, 0, 0, 0)}),
    "no_second": ([node("Add", "w ", "v"), node("Conv", "x v", "y")], {"x": [1, 3, 4, 4]},
        {"w": (2, 3, 1, 1)}),
    "made_twice": ([node("Div", "x mean", "e"), node("Mul", "e third", "y"), node("Relu", "e", "e", "again")],
        {"x": [1, 3, 4, 4]}, {"mean": (3, 1, 1), "third": f32(3)}),
    # A boolean constant within the limit on bytes is refused: each element costs as much time as a float.
    "large_bytes": ([
        node("ConstantOfShape", "long", "a", value=helper.make_tensor("", TensorProto.BOOL, [1], [True])),
        node("Slice", "a zero four zero", "b"), node("Cast", "b", "c", to=1), node("Add", "x c", "y")],
        {"x": [4]},
        {"long": numbers(1 << 29), "zero": numbers(0), "four": numbers(4)}),
    # The result is within the limit, but not together with the operand and accumulators of the reduction.
    "large_reduction": ([
        node("ConstantOfShape", "long", "a", value=helper.make_tensor("", TensorProto.BOOL, [1], [True])),
        node("ReduceMax", "a", "b", axes=[0]), node("Slice", "b zero four one", "c"),
        node("Cast", "c", "d", to=1), node("Add", "x d", "y")], {"x": [1, 4]},
        {"long": numbers(1, 70 << 20), "zero": numbers(0), "four": numbers(4), "one": numbers(1)}),
}


def bad(name, data):
    with open(os.path.join(here, "bad", name + ".onnx"), "wb") as file:
        file.write(data if isinstance(data, bytes) else data.SerializeToString())


def bad_files():
    """Models that must be rejected."""
    whole = model("lenet").SerializeToString()
    bad("truncated", whole[:len(whole) // 2])
    bad("text", b"# Models\n\nThey are kept elsewhere.\n")
    nested = b""
    for _ in range(20000):
        length, size = len(nested), b""
        while length > 127:
            size, length = size + bytes([length & 127 | 128]), length >> 7
        nested = b"\x3a" + size + bytes([length]) + nested
    bad("nested", nested)
    metadata = model("scopes")
    metadata.graph.node[0].MergeFromString(b"\x48\x01")  # a number instead of a message
    bad("metadata", metadata)
    bad("no-graph", helper.make_model(helper.make_graph([], "", [], [])).SerializeToString()[:2])
    bad("unsized", model("open"))
    outside = model("mlp")
    tensor = outside.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "../../etc/passwd"), ("offset", "0"), ("length", "192")):
        tensor.external_data.add(key=key, value=value)
    bad("outside", outside)
    tensor.external_data[0].value = "missing.bin"
    bad("missing", outside)
    short = model("mlp")
    short.graph.initializer[1].raw_data = b"1234"
    bad("short", short)
    huge = model("mlp")
    huge.graph.initializer[1].dims[0] = 1 << 40
    bad("huge", huge)
    cases["detector"] = ([
        node("Conv", "x w", "a", "/conv/Conv"), node("Sigmoid", "a", "scores", "/Sigmoid"),
        node("NonZero", "scores", "y", "/NonZero"), node("Reshape", "a flat", "b"),
        node("Transpose", "b", "c", perm=[0, 2, 1]), node("MatMul", "b c", "z", "/MatMul"),
        node("Relu", "y", "u")], {"x": [1, 3, 6, 5]}, ["u", "z"],
        {"w": (4, 3, 3, 3), "flat": numbers(0, 4, -1)}, 17, (), 1.0)
    bad("detector", model("detector"))
    cases["no-form"] = ([
        node("Relu", "x", "a"), node("Einsum", "a a", "b", equation="ij,ij->ij"), node("Tile", "a t", "c"),
        node("Mystery", "a", "d"), node("Add", "b d", "y"), node("Expand", "a s", "repeated"),
        node("Dropout", "a  on", "dropped")], {"x": [1, 4]}, ["y", "c", "repeated", "dropped"],
        {"t": numbers(1, 2), "s": numbers(3, 4), "on": np.array(True)}, 17, (), 1.0)
    bad("no-form", model("no-form"))
    for name, (nodes, inputs, weights) in no_forms.items():
        outputs = ["y", "z", "u"] if name == "other_regions" else ["y"]
        cases[name] = (nodes, inputs, outputs, weights, 17, (), 1.0)
        bad(name, model(name))


def main(refused):
    for wanted in sys.argv[1:] or list(cases):
        make(wanted)
    refused()


if __name__ == "__main__":
    main(bad_files)
