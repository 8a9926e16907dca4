# SPDX-License-Identifier: Apache-2.0
import gc
import json
import os
import re
import unittest
import warnings
import zipfile
from pathlib import Path

import numpy as np

import cnnc
from cnnc import _exchange, _listing
from common import FLOATS, TREE, Case, filled, has, random

MODELS = TREE / "tests/import"


def planes(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(x, -1, 1)


class Onnx(Case):
    def test_models(self) -> None:
        """outputs of ONNX models equal onnxruntime's"""
        for name in ("lenet", "gate", "residual", "activations"):
            net = cnnc.from_onnx(MODELS / f"{name}.onnx")
            x, y = (np.load(MODELS / f"{name}.{part}0.npy") for part in ("in", "out"))
            self.close(np.reshape(net(x), y.shape), y)
            self.assertEqual(net.name, name)
            self.assertIn("imported from ONNX", net.source)

    def test_orders(self) -> None:
        """inputs and outputs with layout="chw" have the model's shape and order"""
        net = cnnc.compile("net two { input x: 2x3x4 \n a = conv(6, 1x1) \n b = flatten \n output a, b }")
        comments = (
            "    input x: 2x3x4  # x 1x2x3x4, in this order\n"
            "    output a, b  # a 1x2x3x2x3; b 12x3, in this order\n"
        )
        orders = _listing.orders(comments, net.inputs, net.outputs)
        self.assertEqual(
            {name: (order.dims, order.channels) for name, order in orders.items()},
            {"x": ((2, 3, 4), 0), "a": ((2, 3, 2, 3), 2), "b": ((12, 3), 0)},
        )
        a, b = random((5, 2, 3, 6)), random((5, 36))
        np.testing.assert_array_equal(orders["a"].give(a), planes(a).reshape(5, 2, 3, 2, 3))
        np.testing.assert_array_equal(orders["b"].give(b), b.reshape(5, 12, 3))
        for order, value in (orders["a"], a), (orders["b"], b):
            np.testing.assert_array_equal(order.take(order.give(value), value.shape[1:]), value)
        self.assertEqual(_listing.orders("    output a, b  # a 1x4; b 12x3\n", (), net.outputs).keys(), {"b"})
        for sizes, order in ("12x3", (12, 3)), ("1x3x12", (3, 12)):  # 12x3 has no batch dimension
            found = _listing.orders(f"    output a, b  # a 1x4; b {sizes}\n", (), net.outputs)
            self.assertEqual((found["b"].dims, found["b"].channels), (order, int(sizes[:2] == "1x")))
        comments = "    output a, b  # a 1x4; b 1x2x3x2x3, one dimension last\n"
        found = _listing.orders(comments, (), net.outputs)
        self.assertEqual((found["b"].dims, found["b"].channels), ((2, 3, 2, 3), 1))
        self.assertEqual(_listing.orders("    output a, b\n", net.inputs, net.outputs), {})

    @unittest.skipUnless(has("onnxruntime"), "no onnxruntime")
    def test_orders_of_models(self) -> None:
        """outputs of imported models with layout="chw" equal onnxruntime's, in shape and values"""
        import onnxruntime

        seen = set()
        names = "lenet turned heads anchors not_kept last small_maps positions one_last".split()
        for name in names:
            session = onnxruntime.InferenceSession(MODELS / f"{name}.onnx")
            net = cnnc.from_onnx(MODELS / f"{name}.onnx")
            x = {port.name: random([d or 1 for d in port.shape]) for port in session.get_inputs()}
            expected = session.run(None, x)
            given = net(list(x.values())[0] if len(x) == 1 else x, layout="chw")
            given = list(given.values()) if isinstance(given, dict) else [given]
            self.assertEqual([g.shape for g in given], [e.shape for e in expected], name)
            for g, e in zip(given, expected):
                self.close(g, e)
            seen |= {(order.channels, len(order.dims)) for order in net._orders.values()}
        self.assertTrue({(0, 2), (0, 3), (1, 1), (1, 2), (1, 3), (1, 4)} <= seen, seen)

    def test_options(self) -> None:
        """options for outputs, shapes, names"""
        with self.assertRaisesRegex(cnnc.CompileError, r'import-shape(.|\n)*shapes=\{"x": "') as raised:
            cnnc.from_onnx(MODELS / "open.onnx")
        self.assertNotIn("--", str(raised.exception) + str(raised.exception.diagnostics))
        for shape in "1x1x", (1, 1, None, 8), "1, 1, 8, 8":
            with self.assertRaisesRegex(ValueError, re.escape(f"not {shape!r} for x")):
                cnnc.from_onnx(MODELS / "open.onnx", shapes={"x": shape})
        net = cnnc.from_onnx(MODELS / "open.onnx", shapes={"x": (1, 1, 8, 8)}, name="shaped")
        self.assertEqual((net.name, net.inputs[0].shape[:2]), ("shaped", (8, 8)))
        part = cnnc.from_onnx(MODELS / "activations.onnx", outputs=["c"])
        self.assertEqual([layer.operator for layer in part.layers], ["leaky_relu", "elu", "selu"])
        turned = cnnc.from_onnx(MODELS / "lenet.onnx", layout="chw")
        x = np.load(MODELS / "lenet.in0.npy")
        self.close(turned(x), cnnc.from_onnx(MODELS / "lenet.onnx")(x))
        np.testing.assert_array_equal(turned(np.moveaxis(x, -1, 0), layout="chw"), turned(x))

    def test_set(self) -> None:
        """set=: inputs as constants, of one number or several"""
        with self.assertRaisesRegex(cnnc.CompileError, r'set=\{"'):
            cnnc.from_onnx(MODELS / "set_inputs.onnx")
        x, y = (np.load(MODELS / f"set_inputs.{part}0.npy") for part in ("in", "out"))
        net = cnnc.from_onnx(MODELS / "set_inputs.onnx", set={"sr": 8000, "loud": False, "sizes": [1, 28]})
        self.close(np.reshape(net(x), y.shape), y)

    def test_trains(self) -> None:
        """an imported net is trained further"""
        net = cnnc.from_onnx(
            MODELS / "lenet.onnx", train="loss = cross_entropy\noptimizer = adam(rate=0.001)"
        )
        x = random((40, *net.inputs[0].shape))
        y = np.arange(40) % net.outputs[0].shape[0]
        history = net.train(x, y, validation=0, epochs=5)
        self.assertLess(history["loss"][-1], history["loss"][0])

    def test_refused(self) -> None:
        """a model that cannot be imported: all of its nodes are reported"""
        broken = next(MODELS.glob("bad/*.onnx"))
        with self.assertRaises(cnnc.CompileError) as raised:
            cnnc.from_onnx(broken)
        self.assertTrue(raised.exception.diagnostics[0].slug.startswith("import-"))

    def test_quantized(self) -> None:
        """a quantized model is imported as int8"""
        net = cnnc.from_onnx(MODELS / "qdq_channels.onnx")
        x, y = (np.load(MODELS / f"qdq_channels.{part}0.npy") for part in ("in", "out"))
        outputs = net(x)
        steps = outputs["y"] * 255  # outputs as multiples of the model's scale
        self.assertLess(np.abs(steps - np.round(steps)).max(), 1e-4)
        self.assertLess(np.abs(outputs["y"] - y).max(), 1.5 / 255)
        with self.assertRaisesRegex(ValueError, "an int8 model: its weights are constants"):
            net.weights
        with self.assertRaisesRegex(ValueError, "an int8 model: only its outputs"):
            net.features(x, net.layers[0].name)
        with self.assertRaisesRegex(ValueError, "an int8 model: train the float net"):
            net.train(x[None], np.zeros(1))
        weights = self.folder / "w.int8.safetensors"
        net.save(weights)
        program = self.write("p.cnn", net.source)
        for again in (cnnc.load(program, weights=weights), cnnc.load(program)):
            again.load_weights(weights)
            for name, value in again(np.stack([x, x])).items():
                np.testing.assert_array_equal(value[1], outputs[name])
        with self.assertRaisesRegex(ValueError, "rename is for float weights"):
            again.load_weights(weights, rename={"a": "b"})
        code = next(file for file in net.export(self.folder / "c") if file.suffix == ".c")
        self.assertIn("int8_t", code.read_text(encoding="utf-8"))
        floats = cnnc.load(program)
        for wrong in (self.write("short.safetensors", "{"), self.write("long.safetensors", "\xff" * 20)):
            with self.assertRaises(cnnc.CompileError):
                floats.load_weights(wrong)

    def test_quantized_files(self) -> None:
        """an int8 model keeps its weights when their file changes"""
        first = cnnc.from_onnx(MODELS / "qdq_channels.onnx")
        x = np.load(MODELS / "qdq_channels.in0.npy")
        program, path = self.write("p.cnn", first.source), self.folder / "w.safetensors"
        first.save(path)
        weights = path.read_bytes()
        net = cnnc.load(program, weights=path)
        outputs = net(x)
        net.save(path)
        self.assertEqual(path.read_bytes(), weights)
        code = [file.read_bytes() for file in net.export(self.folder / "before")]
        path.write_bytes(b"something else")
        self.assertEqual([file.read_bytes() for file in net.export(self.folder / "after")], code)
        path.unlink()
        self.assertEqual([file.read_bytes() for file in net.export(self.folder / "later")], code)
        net.save(path)
        self.assertEqual(path.read_bytes(), weights)
        kept = Path(net._constants.path)
        net.save(kept)
        self.assertEqual(kept.read_bytes(), weights)
        for name in ("w.npz", "w"):
            with self.assertRaisesRegex(ValueError, f"are written as .safetensors, not as '{name}'"):
                net.save(self.folder / name)
            self.assertFalse((self.folder / name).exists())
        # rejected arguments leave the net unchanged
        filled(FLOATS).save(self.folder / "other.safetensors")
        other = {"other": np.zeros(1, np.float32)}
        for wrong in (self.folder / "other.safetensors", self.folder / "missing.npz", other):
            with self.assertRaises(cnnc.CompileError):
                net.load_weights(wrong)
            for name, value in net(x).items():
                np.testing.assert_array_equal(value, outputs[name])
        net.save(path)
        self.assertEqual(path.read_bytes(), weights)
        floats, sample = filled(FLOATS), random((4, 3, 2))
        before, bias = floats(sample), floats.weights["last.bias"]
        with self.assertRaisesRegex(cnnc.CompileError, re.escape(str(path))):
            floats.load_weights(path)
        np.testing.assert_array_equal(floats(sample), before)
        bias[:] += 1
        self.close(floats(sample), before + 1)
        del net
        gc.collect()
        self.assertFalse(kept.parent.exists())

    @unittest.skipUnless(has("onnxruntime", "onnx"), "no onnxruntime, or no onnx")
    def test_quantized_check(self) -> None:
        """outputs of an int8 model are compared with onnxruntime's, but layers are not"""
        net = cnnc.from_onnx(MODELS / "qdq_channels.onnx", outputs=["y"])
        report = net.check(MODELS / "qdq_channels.onnx", tolerance=0.05)
        self.assertTrue(report, str(report))
        self.assertEqual([row.difference for row in report.layers], [None] * len(net.layers))

    def test_listing(self) -> None:
        """the nodes of each layer"""
        net = cnnc.from_onnx(MODELS / "gate.onnx")
        layers = {layer.operator: layer.name for layer in net.layers}
        self.assertEqual(
            (net._nodes["conv"], net._nodes[layers["global_avgpool"]], net._nodes["gemm"]),
            (["a"], ["b"], ["c"]),
        )
        norms = cnnc.from_onnx(MODELS / "norms.onnx")  # the scale d and bias e are in the groupnorm b
        self.assertEqual(norms._nodes["instancenormalization"], ["b", "d", "e"])
        for node, name in (
            ("/features/features.1/conv/conv.0/Conv", "features.1.conv.0"),
            ("/fc/Gemm", "fc"),
            ("/layer1/layer1.0/relu/Relu", "layer1.0.relu"),
            ("/Add", ""),
        ):
            self.assertEqual(_listing.module(node), name)


class Checks(Case):
    def test_function(self) -> None:
        """check against a function, by outputs and by layers"""
        net, right = filled(FLOATS), filled(FLOATS)
        report = net.check(right, n=3)
        self.assertTrue(report)
        self.assertEqual((report.first_wrong, report.samples, len(report.layers)), (None, 3, 4))
        self.assertRegex(repr(report), r"^outputs compared, worst 0.0e\+00 of the largest: right$")
        right.weights["last.bias"][1] += 3

        def values(x: np.ndarray) -> dict[str, np.ndarray]:
            return {
                "output": right(x),
                "first": right.features(x, "first"),
                "last": right.features(x, "last"),
            }

        report = net.check(values, random((5, 4, 3, 2)))
        self.assertFalse(report)
        assert report.first_wrong is not None
        self.assertEqual((report.first_wrong.name, report.first_wrong.line), ("last", 6))
        self.assertEqual([row.right for row in report.layers], [True, None, None, False])
        self.assertGreater(report.worst, 0.1)
        self.assertRegex(
            repr(report), r"^2 of 4 layers compared, worst \S+ of the largest: wrong from last \(line 6\) on$"
        )
        table = str(report).splitlines()
        self.assertRegex(
            next(line for line in table if line.startswith("last")), r"dense +3 +\d\.\de[-+]\d\d +wrong$"
        )
        self.assertRegex(next(line for line in table if line.startswith("relu1")), r"3x2x5 +-$")
        self.assertTrue(net.check(values, random((5, 4, 3, 2)), tolerance=10))
        self.assertTrue(net.check(net, random((4, 3, 2))))
        picture = filled("net p { input x: 4x3x2 \n conv(3, 2x2) \n }")
        self.assertTrue(picture.check(lambda x: planes(picture(np.moveaxis(x, 1, -1))), layout="chw"))

    def test_not_finite(self) -> None:
        """check reports values that are not finite"""
        net = filled(FLOATS)
        report = net.check(lambda x: net(x) * np.float32("nan"))
        self.assertFalse(report)
        self.assertEqual(report.first_wrong.name, "output")

    def test_mistakes(self) -> None:
        """invalid reference models"""
        net = filled(FLOATS)
        with self.assertRaisesRegex(
            TypeError, "the path of an ONNX file, a torch module, or a function; not int"
        ):
            net.check(3)
        with self.assertRaisesRegex(ValueError, "is 3, but the reference returns 2 for a sample"):
            net.check(lambda x: np.zeros((len(x), 2), np.float32))
        with self.assertRaisesRegex(ValueError, "the reference has 2 outputs, but the net has 1"):
            net.check(lambda x: (net(x), net(x)))
        with self.assertRaisesRegex(ValueError, "no samples"):
            net.check(net, np.zeros((0, 4, 3, 2), np.float32))

    @unittest.skipUnless(has("onnxruntime", "onnx"), "no onnxruntime, or no onnx")
    def test_onnx(self) -> None:
        """check against ONNX, layer by layer"""
        for name in ("lenet", "gate", "residual", "activations", "layernorm", "parts", "last"):
            path = MODELS / f"{name}.onnx"
            net = cnnc.from_onnx(path)
            report = net.check(path)
            self.assertTrue(report, f"{name}\n{report}")
            self.assertGreater(
                sum(row.difference is not None for row in report.layers), len(report.layers) // 2
            )
        for name in ("turned", "rearranged", "anchors"):  # the orders of values differ from those in ONNX
            report = cnnc.from_onnx(MODELS / f"{name}.onnx").check(MODELS / f"{name}.onnx")
            self.assertTrue(report, f"{name}\n{report}")
        net = cnnc.from_onnx(MODELS / "lenet.onnx")
        dense = next(layer for layer in net.layers if layer.operator == "dense")
        net.weights[f"{dense.name}.weight"][0] += 1
        report = net.check(MODELS / "lenet.onnx")
        self.assertEqual(report.first_wrong.name, dense.name, str(report))
        part = cnnc.from_onnx(MODELS / "activations.onnx", outputs=["c"])
        self.assertTrue(part.check(MODELS / "activations.onnx"))


    @unittest.skipUnless(has("onnxruntime", "onnx"), "no onnxruntime, or no onnx")
    def test_statements(self) -> None:
        """nodes that become several layers, booleans and dropped nodes: only the outputs are compared"""
        for name in "composed choices label fused loops scans optimized".split():
            path = MODELS / f"{name}.onnx"
            report = cnnc.from_onnx(path).check(path, tolerance=1e-3)
            self.assertTrue(report, f"{name}\n{report}")
            self.assertTrue(all(row.right is not None for row in report.outputs))
        from onnx import TensorProto, helper, save

        def write(nodes: "list[object]", kind: int = TensorProto.FLOAT, *more: str) -> Path:
            arrays = {"w": random((6, 4, 3, 3)), "v": random((5, 6, 1, 1), 2), "axes": np.array([1, 2])}
            kinds = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64}
            graph = helper.make_graph(
                nodes,
                "g",
                [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 4, 5, 6))],
                [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in more]
                + [helper.make_tensor_value_info("y", kind, None)],
                [helper.make_tensor(n, kinds[str(a.dtype)], a.shape, a.ravel()) for n, a in arrays.items()],
            )
            opset = [helper.make_opsetid("", 17)]
            save(helper.make_model(graph, opset_imports=opset, ir_version=8), self.folder / "m.onnx")
            return self.folder / "m.onnx"

        node = helper.make_node
        first, last = node("Conv", ["x", "w"], ["a"], "first"), node("Conv", ["b", "v"], ["y"], "last")
        for middle in (
            [node("Softsign", ["a"], ["b"], "middle")],
            [node("Sign", ["a"], ["b"], "middle")],
            [node("ThresholdedRelu", ["a"], ["b"], "middle", alpha=0.5)],
            [node("Tan", ["a"], ["b"], "middle")],
            [node("Greater", ["a", "x0"], ["c"]), node("Where", ["c", "a", "x0"], ["b"], "middle")],
        ):
            zero = node("Constant", [], ["x0"], value_float=0.25)
            path = write([zero, first, *middle, last])
            net = cnnc.from_onnx(path)
            self.assertTrue(net.check(path, tolerance=1e-3), str(net.check(path)))
            for weight in sorted(net.weights, reverse=True):  # the last layer's, then also the first layer's
                net.weights[weight][:] += 1
                report = net.check(path, tolerance=1e-3)
                assert report.first_wrong is not None
                self.assertEqual(f"{report.first_wrong.name}.weight", weight, f"{middle}\n{report}")
        for axes in ((1, 2), (1, 3), (1, 2, 3), (2, 3)):
            for keep in 0, 1:
                path = write([first, node("ReduceMean", ["a"], ["y"], axes=axes, keepdims=keep)])
                self.assertTrue(cnnc.from_onnx(path).check(path), f"{axes} {keep}")
        scores = [first, node("Flatten", ["a"], ["f"]), node("Softmax", ["f"], ["p"])]
        for axis, of, nodes in ((1, "p", scores), (1, "a", [first])):
            for keep in 0, 1:
                argmax = node("ArgMax", [of], ["y"], axis=axis, keepdims=keep)
                for more in (), (of,):  # without and with the scores as another output
                    path = write([*nodes, argmax], TensorProto.INT64, *more)
                    net = cnnc.from_onnx(path)
                    self.assertEqual([port.size for port in net.outputs], [72])
                    self.assertTrue(net.check(path))
                    next(iter(net.weights.values()))[0] += 1
                    self.assertFalse(net.check(path))


def torch_net() -> "tuple[object, object]":
    import torch
    from torch import nn

    class Block(nn.Module):  # one relu, called twice, and a sum that is not a module
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2, self.relu = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1), nn.ReLU()

        def forward(self, x: "torch.Tensor") -> "torch.Tensor":
            return self.relu(x + self.conv2(self.relu(self.conv1(x))))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(3, 8, 3, padding=1),
                nn.BatchNorm2d(8),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
                Block(),
            )
            self.act, self.fc = nn.Hardswish(), nn.Linear(128, 5)

        def forward(self, x: "torch.Tensor") -> "torch.Tensor":
            return self.fc(self.act(self.features(x)).flatten(1))

    torch.manual_seed(3)
    net = Net()
    net.features[1].running_mean.uniform_(-1, 1)
    net.features[1].running_var.uniform_(0.5, 2)
    return torch, net


def sequence_module(part, call):
    """A torch module that calls `part` with its inputs."""
    import torch

    class Sequence(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = part

        def forward(self, *x):
            return call(self.part, *x)

    return Sequence()


@unittest.skipUnless(has("torch"), "no torch")
class Torch(Case):
    def test_sequences(self) -> None:
        """modules of sequences, with the batch first or second, are compared in their own layout"""
        import torch
        from torch import nn

        torch.manual_seed(1)
        for part, call, shapes in (
            (nn.GRU(3, 5, batch_first=True), lambda m, x: m(x)[0], [(1, 7, 3)]),
            (nn.GRU(5, 5, batch_first=True), lambda m, x: m(x)[0], [(1, 5, 5)]),
            (nn.LSTM(3, 5), lambda m, x: m(x), [(7, 1, 3)]),
            (
                nn.MultiheadAttention(8, 2),
                lambda m, x, y: m(x, y, y, need_weights=False),
                [(7, 1, 8), (5, 1, 8)],
            ),
            (nn.Conv1d(5, 5, 1), lambda m, x: m(x), [(1, 5, 5)]),
        ):
            module = sequence_module(part, call)
            given = tuple(torch.rand(*shape) for shape in shapes)
            net = cnnc.from_torch(module, given)
            x = {port.name: value.numpy() for port, value in zip(net.inputs, given)}
            for layout in "hwc", "chw":
                report = net.check(module, layout=layout)
                self.assertTrue(report, f"{part} {shapes}\n{report}")
            self.assertTrue(net.check(module, x, layout="chw"))
            if has("onnxruntime"):
                path = str(self.folder / "sequence.onnx")
                _exchange._export(module, given, path, False)
                self.assertTrue(net.check(path))

    def test_imported(self) -> None:
        """a torch module, with and without batch normalization"""
        torch, module = torch_net()
        x = random((2, 3, 8, 8))
        expected = module.eval()(torch.from_numpy(x)).detach().numpy()
        module.train()
        for keep in (False, True):
            net = cnnc.from_torch(module, torch.rand(1, 3, 8, 8), keep_batchnorm=keep, name="tiny")
            self.assertTrue(module.training)
            self.close(net(x, layout="chw"), expected)
            self.assertEqual("features.1.running_mean" in net.weights, keep)
            self.assertEqual(sum(layer.operator == "batchnorm" for layer in net.layers), int(keep))
            report = net.check(module)
            self.assertTrue(report, str(report))
            self.assertEqual(
                [row.operator for row in report.layers if row.difference is None],
                ["add", "flatten"],
                str(report),
            )
        self.assertEqual(set(net.weights), {n for n in module.state_dict() if "num_batches" not in n})
        net.load_weights(module.state_dict())
        self.close(net(x, layout="chw"), expected)
        half = torch.nn.Linear(3, 2).half()
        with self.assertWarnsRegex(cnnc.CompileWarning, "torch.float16, but the net computes in float32"):
            cnnc.from_torch(half, torch.rand(1, 3).half())
        net.weights["features.4.conv2.bias"][:] += 1
        report = net.check(module)
        self.assertEqual(report.first_wrong.name, "features.4.conv2")

    def test_initial_states(self) -> None:
        """inputs whose batch dimensions are at different places, as the model has them"""
        import torch
        from torch import nn

        torch.manual_seed(1)
        for part, shapes in (
            (nn.LSTM(3, 5), [(7, 1, 3), (1, 1, 5), (1, 1, 5)]),
            (nn.LSTM(3, 5, num_layers=2, batch_first=True), [(1, 7, 3), (2, 1, 5), (2, 1, 5)]),
        ):
            module = sequence_module(part, lambda m, x, h, c: m(x, (h, c)))
            given = tuple(torch.rand(*shape) for shape in shapes)
            with self.assertWarnsRegex(cnnc.CompileWarning, "look like states"):
                net = cnnc.from_torch(module, given)
            x = {port.name: value.numpy() for port, value in zip(net.inputs, given)}
            y, (h, c) = module(*given)
            want = [value.detach().numpy() for value in (y, h, c)]
            for result, value in zip(net(x, layout="chw").values(), want):
                self.close(result, value)
            for result, value in zip(net(x).values(), want):
                self.close(np.ravel(result), np.ravel(value))
            self.assertTrue(net.check(module, x))
            names = list(x)
            several = {name: np.stack([x[name].reshape(p.shape)] * 2) for name, p in zip(names, net.inputs)}
            for result, value in zip(net(several).values(), want):
                self.close(np.ravel(result), np.ravel([value] * 2))
            for name in names:
                with self.assertRaisesRegex(ValueError, "different numbers of samples"):
                    net({**several, name: several[name][0]})

    def test_transformers(self) -> None:
        """modules that torch computes with a separate fast path, and modules that only dynamo exports"""
        import torch
        from torch import nn

        torch.manual_seed(1)
        itself = sequence_module(
            nn.MultiheadAttention(8, 2, batch_first=True), lambda m, x: m(x, x, x, need_weights=False)
        )
        modules = [(itself, [(1, 7, 8)])]
        modules += [
            (nn.TransformerEncoderLayer(8, 2, 16, batch_first=first), [(1, 7, 8) if first else (7, 1, 8)])
            for first in (True, False)
        ]
        if has("onnxscript"):
            modules.append((nn.TransformerDecoderLayer(8, 2, 16), [(7, 1, 8), (5, 1, 8)]))
        for module, shapes in modules:
            given = tuple(torch.rand(*shape) for shape in shapes)
            net = cnnc.from_torch(module.eval(), given)
            self.assertTrue(net.check(module), f"{module}\n{net.check(module)}")
        if hasattr(torch.backends, "mha"):
            self.assertTrue(torch.backends.mha.get_fastpath_enabled())

    @unittest.skipUnless(has("onnxruntime", "onnx"), "no onnxruntime, or no onnx")
    def test_folded(self) -> None:
        """batch normalization that is folded only in the model, or only in the net"""
        torch, module = torch_net()
        x, files = torch.rand(1, 3, 8, 8), {kept: self.folder / f"{kept}.onnx" for kept in (True, False)}
        for kept, path in files.items():
            _exchange._export(module, (x,), str(path), kept)
        for kept in files:
            net = cnnc.from_torch(module, x, keep_batchnorm=kept)
            for path in files.values():
                report = net.check(path)
                self.assertTrue(report, f"{kept} {path.name}\n{report}")
                rows = {row.name: row.difference for row in report.layers}
                self.assertIsNotNone(rows["features.1" if kept else "features.0"])
                self.assertGreater(sum(value is not None for value in rows.values()), len(rows) - 4)
            net.weights["features.0.weight"][:] += 1
            report = net.check(files[not kept])
            self.assertEqual(report.first_wrong.name, "features.1" if kept else "features.0", str(report))

    def test_trained_further(self) -> None:
        """a net from a torch module is trained further"""
        torch, module = torch_net()
        net = cnnc.from_torch(
            module,
            torch.rand(1, 3, 8, 8),
            keep_batchnorm=True,
            train="loss = cross_entropy\noptimizer = adam(rate=0.005)\nbatch = 8",
        )
        x, y = random((64, 8, 8, 3)), np.arange(64) % 5
        before = net.weights["features.1.running_mean"].copy()
        history = net.train(x, y, validation=0, epochs=8)
        self.assertLess(history["loss"][-1], history["loss"][0] - 0.2)
        self.assertFalse(np.array_equal(before, net.weights["features.1.running_mean"]))


@unittest.skipUnless(has("h5py"), "no h5py")
class Keras(Case):
    KINDS = (
        ("Conv2D", "first", (3, 3, 2, 4)),
        ("DepthwiseConv2D", "middle", (3, 3, 4, 2)),
        ("Dense", "last", (8, 3)),
    )

    def config(self) -> str:
        rows = [
            {"class_name": kind, "config": {"name": name, "use_bias": name != "first"}}
            for kind, name, _ in self.KINDS
        ]
        rows.insert(1, {"class_name": "BatchNormalization", "config": {"name": "norm", "scale": False}})
        return json.dumps({"class_name": "Sequential", "config": {"name": "m", "layers": rows}})

    def arrays(self) -> dict[str, list[np.ndarray]]:
        found = {
            name: [
                random(shape, i),
                random((int(np.prod(shape[2:])) if len(shape) > 2 else shape[1],), i + 9),
            ]
            for i, (_, name, shape) in enumerate(self.KINDS)
        }
        del found["first"][1]
        return {**found, "norm": [random((4,), 20), random((4,), 21), random((4,), 22)]}

    def judge(self, path: Path) -> None:
        a = self.arrays()
        names = cnnc.convert(path, self.folder / "w.safetensors")
        text = (
            'net k {\n input x: 6x6x2\n conv(4, 3x3, bias=false, name="first")\n'
            ' depthwise(3x3, multiplier=2, name="middle")\n global_avgpool\n dense(3, name="last")\n}'
        )
        net = cnnc.compile(text, self.folder / "w.safetensors", rename={"norm.*": ""})
        self.assertEqual(
            sorted(names), sorted([*net.weights, "norm.bias", "norm.running_mean", "norm.running_var"])
        )
        np.testing.assert_array_equal(net.weights["first.weight"], a["first"][0].transpose(3, 2, 0, 1))
        np.testing.assert_array_equal(net.weights["middle.weight"][3, 0], a["middle"][0][:, :, 1, 1])
        np.testing.assert_array_equal(net.weights["last.weight"], a["last"][0].T)
        np.testing.assert_array_equal(net.weights["last.bias"], a["last"][1])

    def test_native(self) -> None:
        """weights of a .keras file"""
        import h5py

        with h5py.File(self.folder / "model.weights.h5", "w") as file:
            for name, arrays in self.arrays().items():
                group = file.create_group(f"layers/{'x' + name}/vars")
                group.attrs["name"] = name
                for i, array in enumerate(arrays):
                    group[str(i)] = array
            file.create_group("layers/dropout/seed_generator/vars")["0"] = np.zeros(2, np.uint32)
        with zipfile.ZipFile(self.folder / "m.keras", "w") as archive:
            archive.writestr("config.json", self.config())
            archive.write(self.folder / "model.weights.h5", "model.weights.h5")
        self.judge(self.folder / "m.keras")

    def test_legacy(self) -> None:
        """weights of an .h5 file"""
        import h5py

        members = {"norm": ["beta", "moving_mean", "moving_variance"], "middle": ["depthwise_kernel", "bias"]}
        with h5py.File(self.folder / "m.h5", "w") as file:
            file.attrs["model_config"] = self.config()
            for name, arrays in self.arrays().items():
                group = file.create_group(f"model_weights/{name}")
                paths = [f"{name}/{member}:0" for member in members.get(name, ["kernel", "bias"])][
                    : len(arrays)
                ]
                group.attrs["weight_names"] = [path.encode() for path in paths]
                for path, array in zip(paths, arrays):
                    group[path] = array
        self.judge(self.folder / "m.h5")

    def cells(self, bias: tuple[int, ...]) -> list[np.ndarray]:
        seed, units = len(bias), bias[-1] // 3
        return [random((5, 3 * units), seed), random((units, 3 * units), seed + 1), random(bias, seed + 2)]

    def gru(self, x: np.ndarray, cell: list[np.ndarray], after: bool) -> np.ndarray:
        """The formulas of Keras: gates z, r, h; reset_after has a second bias."""
        kernel, recurrent, bias = cell
        first, second = bias if after else (bias, np.zeros_like(bias))
        units, rows = recurrent.shape[0], []
        h = np.zeros(units)
        for row in x:
            a = np.split(row @ kernel + first, 3)
            b = np.split(h @ recurrent + second, 3)
            z, r = (1 / (1 + np.exp(-(a[k] + b[k]))) for k in range(2))
            last = r * b[2] if after else (r * h) @ recurrent[:, 2 * units :]
            h = z * h + (1 - z) * np.tanh(a[2] + last)
            rows.append(h)
        return np.array(rows)

    def test_recurrent(self) -> None:
        """GRU with and without reset_after, in both directions; LSTM's gates and biases"""
        import h5py

        down, up, before = self.cells((2, 12)), self.cells((2, 12)), self.cells((9,))
        up = [array[::-1].copy() for array in up]
        before[0] = random((8, 9), 7)
        lstm = [random((3, 8), 8), random((2, 8), 9), random((8,), 10)]
        rows = [
            {
                "class_name": "Bidirectional",
                "config": {
                    "name": "two",
                    "layer": {"class_name": "GRU", "config": {"name": "gru", "reset_after": True}},
                },
            },
            {"class_name": "GRU", "config": {"name": "one", "reset_after": False}},
            {"class_name": "LSTM", "config": {"name": "top"}},
        ]
        groups = {
            "two/forward_layer/cell": down,
            "two/backward_layer/cell": up,
            "one/cell": before,
            "top/cell": lstm,
        }
        with h5py.File(self.folder / "model.weights.h5", "w") as file:
            for path, arrays in groups.items():
                group = file.create_group(f"layers/{path}/vars")
                group.attrs["name"] = "gru_cell"
                for i, array in enumerate(arrays):
                    group[str(i)] = array
        with zipfile.ZipFile(self.folder / "r.keras", "w") as archive:
            archive.writestr(
                "config.json",
                json.dumps({"class_name": "Sequential", "config": {"name": "m", "layers": rows}}),
            )
            archive.write(self.folder / "model.weights.h5", "model.weights.h5")
        cnnc.convert(self.folder / "r.keras", self.folder / "r.safetensors")
        text = (
            'net k {\n input x: 6x5\n a = gru(4, direction=both, name="two")\n'
            ' b = a -> gru(3, reset=before, name="one")\n c = b -> lstm(2, name="top")\n output a, b, c\n}'
        )
        net = cnnc.compile(text, self.folder / "r.safetensors")
        x = random((6, 5), 11)
        both = np.concatenate([self.gru(x, down, True), self.gru(x[::-1], up, True)[::-1]], axis=1)
        made = net(x)
        np.testing.assert_allclose(made["a"], both, atol=1e-5)
        np.testing.assert_allclose(made["b"], self.gru(both, before, False), atol=1e-5)
        np.testing.assert_array_equal(net.weights["top.weight_ih_l0"], lstm[0].T)
        np.testing.assert_array_equal(net.weights["top.weight_hh_l0"], lstm[1].T)
        np.testing.assert_array_equal(net.weights["top.bias_ih_l0"], lstm[2])
        self.assertFalse(net.weights["top.bias_hh_l0"].any())
        with h5py.File(self.folder / "r.h5", "w") as file:
            file.attrs["model_config"] = json.dumps(
                {"class_name": "Sequential", "config": {"name": "m", "layers": rows}}
            )
            for path, arrays in groups.items():
                name = path.split("/")[0]
                way = path.split("/")[1].replace("_layer", "_gru").replace("cell", name)
                group = file.require_group(f"model_weights/{name}")
                paths = [
                    f"{name}/{way}/gru_cell/{member}:0" for member in ("kernel", "recurrent_kernel", "bias")
                ]
                there = group.attrs.get("weight_names", ())
                known = [p if isinstance(p, bytes) else p.encode() for p in there]
                group.attrs["weight_names"] = known + [p.encode() for p in paths]
                for p, array in zip(paths, arrays):
                    group[p] = array
        cnnc.convert(self.folder / "r.h5", self.folder / "r2.safetensors")
        again = cnnc.compile(text, self.folder / "r2.safetensors")
        for name, array in net.weights.items():
            np.testing.assert_array_equal(again.weights[name], array)

    def save_attention(self, kernels: dict[str, np.ndarray], biases: dict[str, np.ndarray]) -> None:
        """a.keras and a.h5 with the layer att, as Keras writes them"""
        import h5py

        layer = {"class_name": "MultiHeadAttention", "config": {"name": "att"}}
        config = json.dumps({"class_name": "Functional", "config": {"name": "m", "layers": [layer]}})
        native = {"attention_output": "output_dense", **{n: n + "_dense" for n in ("query", "key", "value")}}
        with h5py.File(self.folder / "model.weights.h5", "w") as file:
            file.create_group("layers/multi_head_attention/vars").attrs["name"] = "att"
            for name, kernel in kernels.items():
                group = file.create_group(f"layers/multi_head_attention/{native[name]}/vars")
                group.attrs["name"] = name
                for i, array in enumerate([kernel, biases[name]] if biases else [kernel]):
                    group[str(i)] = array
        with zipfile.ZipFile(self.folder / "a.keras", "w") as archive:
            archive.writestr("config.json", config)
            archive.write(self.folder / "model.weights.h5", "model.weights.h5")
        with h5py.File(self.folder / "a.h5", "w") as file:
            file.attrs["model_config"] = config
            group = file.create_group("model_weights/att")
            arrays = {f"att/{n}/kernel": k for n, k in kernels.items()}
            arrays |= {f"att/{n}/bias": b for n, b in biases.items()}
            group.attrs["weight_names"] = [path.encode() for path in arrays]
            for path, array in arrays.items():
                group[path] = array

    def test_attention(self) -> None:
        """MultiHeadAttention: keys as wide as the queries, and narrower; with and without biases"""
        heads, d = 3, 4
        for channels, biased in ((12, True), (12, False), (10, True)):
            kernels = {
                "query": random((12, heads, d), 1),
                "key": random((channels, heads, d), 2),
                "value": random((channels, heads, d), 3),
                "attention_output": random((heads, d, 12), 4),
            }
            shapes = {name: (12,) if name == "attention_output" else (heads, d) for name in kernels}
            biases = {n: random(shape, i) for i, (n, shape) in enumerate(shapes.items(), 5) if biased}
            self.save_attention(kernels, biases)
            x, y = random((6, 12), 9), random((7, channels), 10)
            q, k, v = (
                np.einsum("lc,chd->hld", from_, kernels[name]) + (biases[name][:, None] if biases else 0)
                for from_, name in ((x, "query"), (y, "key"), (y, "value"))
            )
            scores = np.exp(q @ k.transpose(0, 2, 1) / np.sqrt(d))
            seen = scores / scores.sum(-1, keepdims=True) @ v
            wanted = np.einsum("hld,hdc->lc", seen, kernels["attention_output"])
            wanted = wanted + (biases["attention_output"] if biases else 0)
            bias = "true" if biased else "false"
            text = (
                f"net k {{\n input x: [6, 12]\n input y: [7, {channels}]\n"
                f' x -> multihead_attention({heads}, key=y, bias={bias}, name="att")\n}}'
            )
            for name in ("a.keras", "a.h5"):
                cnnc.convert(self.folder / name, self.folder / "a.safetensors")
                net = cnnc.compile(text, self.folder / "a.safetensors")
                np.testing.assert_allclose(net({"x": x, "y": y}), wanted, atol=1e-4)
        kernels["query"] = random((11, heads, d), 1)
        self.save_attention(kernels, {})
        with self.assertRaisesRegex(ValueError, "MultiHeadAttention 'att' is not supported"):
            cnnc.convert(self.folder / "a.keras", self.folder / "a.safetensors")

    def test_refused(self) -> None:
        """other files and unknown layers are rejected"""
        import h5py

        with h5py.File(self.folder / "only.weights.h5", "w") as file:
            file["layers/dense/vars/0"] = np.zeros((2, 2))
        with self.assertRaisesRegex(ValueError, "contains only weights, without the model"):
            cnnc.convert(self.folder / "only.weights.h5", self.folder / "w.safetensors")
        with self.assertRaisesRegex(ValueError, "written as .safetensors, not as 'w.npz'"):
            cnnc.convert(self.folder / "m.keras", self.folder / "w.npz")
        with h5py.File(self.folder / "m.h5", "w") as file:
            file.attrs["model_config"] = self.config().replace('"Dense"', '"ConvLSTM1D"')
            group = file.create_group("model_weights/last")
            group.attrs["weight_names"] = [b"last/kernel:0"]
            group["last/kernel:0"] = np.zeros((8, 3))
        with self.assertWarnsRegex(cnnc.CompileWarning, "the weights of last, a ConvLSTM1D, are not written"):
            cnnc.convert(self.folder / "m.h5", self.folder / "w.safetensors")

    @unittest.skipUnless(has("keras"), "no keras")
    def test_keras(self) -> None:
        """files that Keras writes, and Keras models"""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        try:
            import keras
        except ImportError as error:
            self.skipTest(f"keras cannot be imported: {error}")
        from keras import layers

        keras.utils.set_random_seed(1)
        model = keras.Sequential(
            [
                keras.Input((10, 10, 2)),
                layers.Conv2D(4, 3, name="first", use_bias=False),
                layers.BatchNormalization(name="norm"),
                layers.DepthwiseConv2D(3, depth_multiplier=2, name="middle"),
                layers.ReLU(),
                keras.Sequential([layers.SeparableConv2D(5, 3, name="apart")]),
                layers.PReLU(shared_axes=[1, 2], name="slope", alpha_initializer="uniform"),
                layers.Conv2DTranspose(3, 2, strides=2, name="up"),
                layers.Flatten(),
                layers.Dense(4, name="last"),
            ]
        )
        x = random((3, 10, 10, 2))
        expected = np.asarray(model(x))
        program = """net k {
            input x: 10x10x2
            conv(4, 3x3, bias=false, name="first")
            batchnorm(epsilon=1e-3, name="norm")
            depthwise(3x3, multiplier=2, name="middle") -> relu
            depthwise(3x3, bias=false, name="apart.depthwise")
            conv(5, 1x1, name="apart.pointwise")
            prelu(name="slope")
            conv_transpose(3, 2x2, stride=2, name="up")
            flatten
            dense(4, name="last")
        }"""
        for name in ("m.keras", "m.h5"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.save(self.folder / name)
            cnnc.convert(self.folder / name, self.folder / "w.safetensors")
            with warnings.catch_warnings():
                warnings.simplefilter("error", cnnc.CompileWarning)
                net = cnnc.compile(program, self.folder / "w.safetensors")
            self.close(net(x), expected)
        if not has("tf2onnx"):
            return
        whole = cnnc.from_keras(model)
        self.close(whole(x), expected)


if __name__ == "__main__":
    unittest.main()
