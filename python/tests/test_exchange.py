# SPDX-License-Identifier: Apache-2.0
import gc
import re
import unittest
from pathlib import Path

import numpy as np

import cnnc
from cnnc import _listing
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
        """a model that cannot be imported is an error with diagnostics"""
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
        """check against ONNX: nodes that become several layers, booleans and dropped nodes"""
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


if __name__ == "__main__":
    unittest.main()
