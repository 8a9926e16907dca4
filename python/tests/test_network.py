# SPDX-License-Identifier: Apache-2.0
import copy
import ctypes
import pickle
import subprocess
import unittest
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import cnnc
from cnnc import _build
from cnnc._library import aligned
from common import FLOATS, SMALL, Case, filled, random


def by_hand(net: cnnc.Net, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """FLOATS in numpy: the convolution's value, and the output."""
    w, b = net.weights["first.weight"], net.weights["first.bias"]
    conv = np.empty((len(x), 3, 2, 5), np.float64)
    for i in range(3):
        for j in range(2):
            conv[:, i, j] = np.einsum("nhwc,fchw->nf", x[:, i : i + 2, j : j + 2].astype(np.float64), w) + b
    flat = np.maximum(conv, 0).reshape(len(x), -1)
    return conv, flat @ net.weights["last.weight"].T + net.weights["last.bias"]


STATES = """
net sums {
    input x: 2x3
    past = state(1x3, init=0.5)
    rows = past -> concat(in, axis=length)
    rows -> crop([2, 0]) -> update(past)
    rows -> conv(1, 2, bias=false, frozen=true, init=[[[1, 1], [0, 0], [0, 0]]])
}
"""


ROWS = """
net rows {
    input x: 40x6
    input speaker: 1x8
    y = x -> conv(8, 5, stride=2, pad=[3, 0]) -> relu -> add(speaker) -> gru(5)
    late = x -> conv(4, 3) -> maxpool(2, stride=2) -> conv(3, 3, pad=[1, 1])
    output y, late
}
"""
WORD = """
net word {
    input x: 24x6
    conv(8, 3) -> relu -> maxpool(2) -> conv(4, 3) -> global_avgpool -> dense(3)
}
"""
HEIGHT = "net height { input x: 12x5x2 as u8 \n conv(4, 3x3, pad=[2, 0, 1, 1]) -> relu -> conv(2, 1x1) }"


class Streams(Case):
    def test_copies(self) -> None:
        """nets are pickled and copied with their imports, constants and weights"""
        (self.folder / "common.cnn").write_text("block b(n) { dense(n) -> relu }\n")
        (self.folder / "a folder").mkdir()
        path = self.folder / "a folder" / "n.cnn"
        path.write_text('import "../common.cnn"\nconst k = 3\nnet n { input x: 8; b(4) -> dense(k) }\n')
        net = cnnc.load(path, define={"k": 5}, denormals="keep")
        net.load_weights({weight.name: random(weight.shape, 4) for weight in net._facts.weights})
        x = random((3, 8))
        for again in (pickle.loads(pickle.dumps(net)), copy.deepcopy(net)):
            np.testing.assert_array_equal(again(x), net(x))
            self.assertEqual((again.source, again.outputs), (net.source, net.outputs))
            self.assertEqual(again._given, net._given)
        before = net(x)
        for name in again.weights:
            again.weights[name] = 0.5
        self.assertGreater(np.abs(again(x) - before).max(), 0)
        np.testing.assert_array_equal(net(x), before)

    def test_assignments(self) -> None:
        """assignments to weights write into the arrays, or are errors"""
        net = filled("net n { input x: 3; dense(2) }")
        net.weights["dense1.weight"] = 3
        net.weights.update({"dense1.bias": [1, 2]})
        np.testing.assert_array_equal(net(np.ones(3, np.float32)), [10, 11])
        for value in (np.ones(3), np.ones((3, 2))):
            with self.assertRaisesRegex(ValueError, r"dense1.weight is \(2, 3\) in the net"):
                net.weights["dense1.weight"] = value
        with self.assertRaises(KeyError):
            net.weights["dense1.wieght"] = 3
        with self.assertRaises(TypeError):
            del net.weights["dense1.weight"]
        with self.assertRaisesRegex(cnnc.CompileError, "not valid Unicode"):
            cnnc.compile("net n { input x: 3; dense(2) } # \ud800")

    def test_steps(self) -> None:
        """a net with states continues after each call, for any split of the sequence"""
        net, x = cnnc.compile(STATES), random((10, 3))
        s = net.stream()
        y = s(x)
        before = np.concatenate([[0.5], x[:-1, 0]])
        self.close(y, (before + x[:, 0])[:, None])
        s.reset()
        first = s(x[:4])
        other, kept = s.copy(), s.state
        np.testing.assert_array_equal(np.concatenate([first, s(x[4:6]), s(x[6:])]), y)
        np.testing.assert_array_equal(other(x[4:]), y[4:])
        s.state = kept
        np.testing.assert_array_equal(s(x[4:]), y[4:])
        self.close(net(x[:2]), y[:2])  # a single call begins with the initial state
        for value in (b"", bytes(len(kept))):
            with self.assertRaisesRegex(ValueError, "not a state of net sums"):
                s.state = value
        with self.assertRaisesRegex(ValueError, "any number of 2x3"):
            s(x[:3])
        with self.assertRaisesRegex(ValueError, "no states"):
            filled(FLOATS).stream()

    def test_rows(self) -> None:
        """a sequence in steps, for any split, equals the whole sequence"""
        net = filled(ROWS)
        x, speaker = random((40, 6)), random((1, 8))
        want = net({"x": x, "speaker": speaker})
        s = net.stream(4, lookahead=4)

        def steps(stream: cnnc.Stream, first: int, last: int) -> dict[str, np.ndarray]:
            return stream({"x": x[first:last], "speaker": speaker})

        pieces = [steps(s, 0, 4), steps(s, 4, 24)]
        other, kept = s.copy(), s.state
        rest = steps(s, 24, 40)
        for name, rows in (("y", 20), ("late", 18)):
            made = np.concatenate([*(piece[name] for piece in pieces), rest[name]])
            self.assertEqual(len(made), rows)
            self.close(made, want[name][:rows])
            np.testing.assert_array_equal(steps(other.copy(), 24, 40)[name], rest[name])
        s.state = kept
        np.testing.assert_array_equal(steps(s, 24, 40)["late"], rest["late"])
        s.reset()
        first = s.state
        np.testing.assert_array_equal(steps(s, 0, 4)["late"], pieces[0]["late"])
        s.state = first  # the rows before the sequence are left out again
        np.testing.assert_array_equal(steps(s, 0, 4)["late"], pieces[0]["late"])
        difference, row = net.check_stream({"x": x, "speaker": speaker}, 4, lookahead=4)
        self.assertLess(difference, 1e-5)
        self.assertTrue(row is None or row >= 0)
        with self.assertRaisesRegex(ValueError, "x takes any number of 4x6"):
            steps(s, 0, 3)
        with self.assertRaisesRegex(ValueError, "speaker takes 1x8, the same in each step"):
            s({"x": x, "speaker": np.repeat(speaker, 10, 0)})
        with self.assertRaisesRegex(cnnc.CompileError, "stream-stride"):
            net.stream(3, lookahead=4)
        with self.assertRaisesRegex(cnnc.CompileError, "stream-future"):
            net.stream(4)

    def test_causal(self) -> None:
        """the state of a causal net has the size of the state in C; weights may change"""
        net, x = filled(HEIGHT), np.random.default_rng(4).integers(0, 255, (12, 5, 2), np.uint8)
        s = net.stream(3)
        self.close(s(x), net(x))
        self.assertEqual(len(s.state), s._library.facts.state_bytes)
        net.weights["conv1.bias"][:] += 1
        s.reset()
        self.close(s(x), net(x))
        self.assertLess(net.check_stream(x, n=3).difference, 1e-5)
        self.close(filled(HEIGHT, batch=3).stream(4)(x), filled(HEIGHT)(x))

    def test_windows(self) -> None:
        """windows: each call returns the result for the last rows, from the first full window on"""
        net, x = filled(WORD), random((60, 6))
        s = net.stream(slide=4)
        y = np.concatenate([s(x[:12]), s(x[12:])])
        self.close(y, net(np.stack([x[end - 24 : end] for end in range(24, 61, 4)])))
        self.assertLess(net.check_stream(x, slide=4).difference, 1e-5)
        with self.assertRaisesRegex(ValueError, "24 rows or more"):
            net.check_stream(x[:20], slide=4)
        with self.assertRaisesRegex(ValueError, "not both"):
            net.stream(4, slide=4)
        for wrong in (0, True, 1.5):
            with self.assertRaisesRegex(ValueError, "whole number above 0"):
                net.stream(wrong)

    def test_bytes(self) -> None:
        """an int8 model in steps equals the whole sequence bit for bit"""
        net, samples = filled(WORD), random((30, 24, 6))
        rows = filled(
            "net rows { input x: 30x6 \n conv(8, 3, pad=causal) -> relu -> conv(4, 5, pad=causal) }"
        )
        x = random((30, 6))
        int8 = rows.quantize(random((40, 30, 6)))
        self.assertEqual(int8.check_stream(x, n=5), (0, None))
        np.testing.assert_array_equal(int8.stream(2)(x), int8(x))
        self.assertEqual(net.quantize(samples).check_stream(random((44, 6)), slide=2), (0, None))


class Calls(Case):
    def test_values(self) -> None:
        """outputs equal those of numpy"""
        net, x = filled(FLOATS), random((5, 4, 3, 2))
        conv, output = by_hand(net, x)
        self.close(net(x), output)
        self.close(net.features(x, "first"), conv)
        self.close(net.features(x, "relu1"), np.maximum(conv, 0))
        self.close(net.features(x[0], "first"), conv[0])

    def test_batches(self) -> None:
        """one sample, a batch, batches padded with zeros, and threads"""
        net, x = filled(FLOATS), random((7, 4, 3, 2))
        y = net(x)
        self.assertEqual(y.shape, (7, 3))
        self.assertEqual(net(x[2]).shape, (3,))
        np.testing.assert_array_equal(net(x[2]), y[2])
        self.assertEqual(net(x[:0]).shape, (0, 3))
        self.assertEqual(net.features(x[:0], "first").shape, (0, 3, 2, 5))
        four = filled(FLOATS, batch=4)
        self.close(four(x), y)
        np.testing.assert_array_equal(filled(FLOATS, batch=4, threads=2)(x), four(x))
        np.testing.assert_array_equal(net(x[::-1]), y[::-1])

    def test_threads(self) -> None:
        """several threads of Python may call one net"""
        net, x = filled(FLOATS), random((400, 4, 3, 2))
        y = net(x)
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(net, np.split(x, 20)))
        np.testing.assert_array_equal(np.concatenate(found), y)

    def test_layouts(self) -> None:
        """channels first, for the caller and for the net"""
        net, x = filled(FLOATS), random((3, 4, 3, 2))
        np.testing.assert_array_equal(net(np.moveaxis(x, -1, 1), layout="chw"), net(x))
        planes = filled(FLOATS.replace("4x3x2", "4x3x2 (layout=chw)"))
        self.close(planes(x), net(x))
        self.close(planes(np.moveaxis(x, -1, 1), layout="chw"), net(x))
        np.testing.assert_array_equal(
            np.moveaxis(net.features(x, "first"), -1, 1),
            net.features(np.moveaxis(x, -1, 1), "first", layout="chw"),
        )
        picture = filled("net p { input x: 4x3x2 \n conv(3, 2x2) }")
        self.assertEqual(picture(np.moveaxis(x, -1, 1), layout="chw").shape, (3, 3, 3, 2))
        with self.assertRaisesRegex(ValueError, "layout must be 'hwc' or 'chw', not 'nchw'"):
            net(x, layout="nchw")

    def test_layouts_of_sequences(self) -> None:
        """a sequence with layout=chw: the program's shape, or channels first if the caller says so"""
        text = "net s { input x: 6x2%s%s\n first = conv(3, 3, pad=same) -> relu%s }"
        train = "\n train { loss = mse; optimizer = sgd(rate=0.01); batch = 5 }"
        for kind in "", " as u8":
            net, planes = filled(text % (kind, "", train)), filled(text % (kind, " (layout=chw)", train))
            x = np.random.default_rng(1).integers(0, 99, (5, 6, 2)).astype(net.inputs[0].dtype)
            first, want = np.ascontiguousarray(np.moveaxis(x, -1, 1)), net(x)
            self.close(planes(x), want)
            self.close(planes(x[0]), want[0])
            self.close(planes(first, layout="chw"), want)
            self.close(planes(first[0], layout="chw"), want[0])
            self.close(net(x, layout="chw"), want)
            self.close(planes.features(x, "first"), net.features(x, "first"))
            self.close(planes.features(first, "first", layout="chw"), net.features(x, "first"))
            self.assertTrue(planes.check(net, x))
            self.assertTrue(planes.check(lambda a: net(np.moveaxis(a, 1, -1)), first, layout="chw"))
            self.assertTrue(planes.check(lambda a: net(np.moveaxis(a, 1, -1)), layout="chw"))
            loss = net.gradients(x, want + 1).loss
            self.assertEqual(planes.gradients(x, want + 1).loss, loss)
            self.assertEqual(planes.gradients(first, want + 1, layout="chw").loss, loss)
            loss = net.evaluate(x, want + 1)["loss"]
            self.assertAlmostEqual(planes.evaluate(x, want + 1)["loss"], loss, 5)
            self.assertAlmostEqual(planes.evaluate(first, want + 1, layout="chw")["loss"], loss, 5)
            with self.assertRaisesRegex(ValueError, '6x2.*the array is 5x2x6; it looks like layout="chw"'):
                planes(first)
            with self.assertRaisesRegex(ValueError, '2x6.*the array is 5x6x2; it looks like layout="hwc"'):
                planes(x, layout="chw")
        x = random((5, 6, 2))
        net, planes = (filled(text % ("", given, "")).quantize(x) for given in ("", " (layout=chw)"))
        np.testing.assert_array_equal(planes(x), net(x))
        rows, planes = filled(text % ("", "", "")), filled(text % ("", " (layout=chw)", ""))
        self.close(planes.stream(2, lookahead=2)(x[0]), rows.stream(2, lookahead=2)(x[0]))
        self.assertLess(planes.check_stream(x[0], 2, lookahead=2).difference, 1e-5)

    def test_several(self) -> None:
        """several inputs and outputs are dicts by name"""
        net = cnnc.compile(
            "net two { input a: 2x2x1 \n input b: 2x2x1 \n sum = a -> add(b) \n "
            "less = a -> multiply(-1) \n output sum, less }"
        )
        a, b = random((3, 2, 2, 1)), random((3, 2, 2, 1), 5)
        y = net({"b": b, "a": a})
        self.assertEqual(list(y), ["sum", "less"])
        np.testing.assert_array_equal(y["sum"], a + b)
        np.testing.assert_array_equal(net({"a": a[0], "b": b[0]})["less"], -a[0])
        with self.assertRaisesRegex(TypeError, "2 inputs: pass a dict with a, b"):
            net(a)
        with self.assertRaisesRegex(ValueError, "the inputs are a, b; c is missing or unknown"):
            net({"a": a, "b": b, "c": b})
        with self.assertRaisesRegex(ValueError, r"different numbers of samples \(a: 3, b: 2\)"):
            net({"a": a, "b": b[:2]})

    def test_mistakes(self) -> None:
        """wrong types, shapes and layers are reported"""
        net = filled(SMALL)
        with self.assertRaisesRegex(TypeError, r"input image takes uint8 \(0 to 255\), not float64"):
            net(np.zeros((6, 6, 1)))
        with self.assertRaisesRegex(ValueError, "takes 6x6x1, or a batch of n: nx6x6x1; the array is 6x6$"):
            net(np.zeros((6, 6), np.uint8))
        with self.assertRaisesRegex(ValueError, '2x1x6x6; it looks like layout="chw"'):
            net(np.zeros((2, 1, 6, 6), np.uint8))
        with self.assertRaisesRegex(ValueError, "no layer 'conv'; did you mean 'conv1'"):
            net.features(np.zeros((6, 6, 1), np.uint8), "conv")
        with self.assertRaisesRegex(ValueError, "net small has no weights yet"):
            cnnc.compile(SMALL)(np.zeros((6, 6, 1), np.uint8))
        with self.assertRaisesRegex(ValueError, "must be at least 1"):
            cnnc.compile(SMALL, batch=0)

    def test_facts(self) -> None:
        """metadata of a net"""
        path = self.write("small.cnn", SMALL)
        net = cnnc.load(path)
        self.assertEqual(
            (net.name, net.source, net.labels), ("small", SMALL, ["zero", "one", "two", "three"])
        )
        self.assertEqual(
            [(p.name, p.shape, p.dtype.name) for p in (*net.inputs, *net.outputs)],
            [("image", (6, 6, 1), "uint8"), ("output", (4,), "float32")],
        )
        self.assertEqual(
            [layer.operator for layer in net.layers], ["normalize", "conv", "relu", "flatten", "dense"]
        )
        conv = net.layers[1]
        self.assertEqual(
            (conv.name, conv.line, conv.shape, conv.receptive_field, conv.arguments["filters"]),
            ("conv1", 6, (4, 4, 3), (3, 3), 3),
        )
        self.assertEqual((net.parameters, net.macs), (3 * 9 + 3 + 48 * 4 + 4, 16 * 27 + 48 * 4))
        self.assertGreater(net.workspace_bytes, 0)
        self.assertIn("conv1", net.summary())
        self.assertEqual(repr(net), "<cnnc.Net small: image 6x6x1 uint8 -> output 4 float32, 226 parameters>")
        wide = cnnc.compile("const n = 2\nnet c { input x: 2\n dense(n) }", define={"n": 5})
        self.assertEqual(wide.outputs[0].shape, (5,))

    def test_bf16(self) -> None:
        """precision="bf16" rounds the operands of products to the upper halves of their floats"""

        def rounded(x: np.ndarray) -> np.ndarray:
            bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
            return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)

        text = "net b { input x: 40; dense(9) -> tanh -> dense(3) }"
        net, exact = cnnc.compile(text, precision="bf16"), cnnc.compile(text)
        shapes = {"dense1.weight": (9, 40), "dense1.bias": (9,), "dense2.weight": (3, 9), "dense2.bias": (3,)}
        weights = {name: random(shape) for name, shape in shapes.items()}
        net.load_weights(weights)
        exact.load_weights(weights)
        x = random((2, 40))
        hidden = np.tanh(rounded(x) @ rounded(weights["dense1.weight"]).T + weights["dense1.bias"])
        wanted = rounded(hidden) @ rounded(weights["dense2.weight"]).T + weights["dense2.bias"]
        self.assertLess(np.abs(net(x) - wanted).max(), 2e-3)
        self.assertLess(np.sqrt(np.square(net(x) - wanted).mean()), np.abs(net(x) - exact(x)).max())
        with self.assertRaises(ValueError):
            cnnc.compile(text, precision="f16")


TYPED = """
net typed {
    input x: 8x6x2
    maps = conv(3, 3x3) -> relu
    flatten
    y = dense(5)
    output maps as %s, y as %s
}
"""
CLASSES = "net classes { input x: 6 \n y = dense(2000) \n output y as class }"


class Typed(Case):
    """outputs `as i8`, `as u8` and `as class`"""

    def infer(self, net: cnnc.Net, x: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs of NAME_infer, the function of the generated C."""
        folder = self.folder / f"c-{net.outputs[-1].dtype}"  # a library is loaded once for each path
        net.export(folder)
        library, source = folder / "net.so", folder / f"{net.name}.c"
        command = [*_build.compiler(), "-O1", "-shared", "-fPIC", source, "-lm", "-o", library]
        subprocess.run(command, check=True)
        functions, workspace = ctypes.CDLL(str(library)), aligned(net.workspace_bytes)
        model = ctypes.addressof(ctypes.c_char.in_dll(functions, f"{net.name}_trained"))
        rows = []
        for sample in x:
            row = {port.name: np.full(port.shape, 99, port.dtype) for port in net.outputs}
            addresses = [model, sample.ctypes.data, *(a.ctypes.data for a in row.values())]
            addresses.append(workspace.ctypes.data)
            getattr(functions, f"{net.name}_infer")(*map(ctypes.c_void_p, addresses))
            rows.append(row)
        return {port.name: np.stack([row[port.name] for row in rows]) for port in net.outputs}

    def test_outputs(self) -> None:
        """outputs of int8 models have the types and numbers of the C interface"""
        x, path = random((20, 8, 6, 2)), self.folder / "w.safetensors"
        expected = filled(TYPED % ("f32", "f32")).quantize(x, path=path)(x)
        for form, dtype in ("i8", np.int8), ("u8", np.uint8), ("class", np.int32), ("f32", np.float32):
            text = TYPED % ("u8", form)
            net = cnnc.compile(text, path, batch=3)
            given, c = net(x), self.infer(cnnc.compile(text, path), x)
            for port in net.outputs:
                value = given[port.name]
                self.assertEqual((value.dtype, value.shape[1:]), (port.dtype, port.shape))
                np.testing.assert_array_equal(value, c[port.name], f"{port.name} as {form}")
                if port.scale is not None:
                    self.close((value - np.float32(port.zero)) * port.scale, expected[port.name])
            maps, y = net.outputs
            self.assertEqual((maps.dtype, y.dtype), (np.uint8, dtype))
            self.assertEqual(y.shape, (1 if form == "class" else 5,))
            self.assertEqual(net(x[0])["y"].shape, y.shape)
            self.assertEqual(cnnc.compile(text).outputs[1].dtype, np.float32)
            self.assertTrue(net.check(net, x), form)  # the reference has the types of the outputs
            self.assertTrue(net.check(lambda x: expected, x), form)  # the reference has floats

    def test_classes(self) -> None:
        """class numbers above 255 fit into the output's array"""
        x, path = random((50, 6)), self.folder / "w.safetensors"
        scores = filled(CLASSES).quantize(x, path=path)
        first = cnnc.compile(CLASSES.replace(" as class", ""), path)(x).argmax(1)
        for batch in 1, 8:
            net = cnnc.compile(CLASSES, path, batch=batch)
            np.testing.assert_array_equal(net(x)[:, 0], first)
        np.testing.assert_array_equal(scores(x[0]), first[:1])

    def test_steps(self) -> None:
        """classes and bytes step by step"""
        text = "net rows { input x: 30x6 \n y = conv(4, 3, pad=causal) -> relu \n output y as %s }"
        x, path = random((30, 6)), self.folder / "w.safetensors"
        filled(text % "f32").quantize(random((40, 30, 6)), path=path)
        for form in "i8", "u8", "class":
            net = cnnc.compile(text % form, path)
            given = net.stream(2)(x)
            self.assertEqual(given.dtype, net.outputs[0].dtype)
            np.testing.assert_array_equal(given, net(x))
            self.assertEqual(net.check_stream(x, n=5), (0, None))


class Weights(Case):
    def test_views(self) -> None:
        """weights are views: writing to them changes outputs"""
        net, x = filled(FLOATS), random((2, 4, 3, 2))
        before = net(x)
        net.weights["last.bias"][:] += 1
        self.close(net(x), before + 1)
        kept = net.weights["last.bias"]
        kept[:] -= 1
        self.close(net(x), before)

    def test_files(self) -> None:
        """weights from files and dicts, renamed, and saved"""
        net, x = filled(FLOATS), random((2, 4, 3, 2))
        for name in ("w.safetensors", "w.npz"):
            net.save(self.folder / name)
            np.testing.assert_array_equal(cnnc.compile(FLOATS, self.folder / name)(x), net(x))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            np.testing.assert_array_equal(cnnc.compile(FLOATS, net.weights)(x), net(x))
        theirs = {f"module.{name.replace('last', 'head')}": w.copy() for name, w in net.weights.items()}
        other = cnnc.compile(FLOATS)
        rename = self.write("names.txt", "module.head.* = last.*\nmodule.first.* = first.*\n")
        for names in (rename, {"module.head.*": "last.*", "module.first.*": "first.*"}):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", cnnc.CompileWarning)
                other.load_weights(theirs, rename=names)
            np.testing.assert_array_equal(other(x), net(x))

    def test_refused(self) -> None:
        """weights that do not match are rejected with all differences"""
        net = filled(FLOATS)
        arrays = {name: w.copy() for name, w in net.weights.items()}
        arrays["last.weight"] = arrays["last.weight"][:2]
        del arrays["first.bias"]
        with self.assertRaises(cnnc.CompileError) as raised:
            net.load_weights(arrays)
        lines = str(raised.exception).splitlines()
        self.assertEqual(sum("first.bias" in line for line in lines), 1)
        self.assertEqual(sum("last.weight" in line for line in lines), 1)
        self.assertEqual(len(lines), 3)
        with self.assertRaisesRegex(cnnc.CompileError, "missing.safetensors"):
            net.load_weights(self.folder / "missing.safetensors")

    def test_flatten(self) -> None:
        """a flatten whose order is ambiguous gives a warning at the caller's line"""
        net, path = filled(FLOATS), self.write("floats.cnn", FLOATS)
        arrays = {name: w.copy() for name, w in net.weights.items()}
        for take in (
            lambda: net.load_weights(arrays),
            lambda: cnnc.compile(FLOATS, arrays),
            lambda: cnnc.load(path, arrays),
        ):
            with self.assertWarnsRegex(cnnc.CompileWarning, "flatten") as told:
                take()
            line = take.__code__.co_firstlineno
            self.assertEqual((told.filename, told.lineno), (take.__code__.co_filename, line))


class Programs(Case):
    def test_refused(self) -> None:
        """a wrong program: the error has cnnc's own message, as text and in parts"""
        path = self.write("bad.cnn", "net bad {\n    input x: 4x4x1\n    conv(3, 9x9)\n}\n")
        with self.assertRaises(cnnc.CompileError) as raised:
            cnnc.load(path)
        own = subprocess.run(
            [str(cnnc._tool.tools().cnnc), path, "--color=never"], capture_output=True, text=True
        )
        self.assertEqual(str(raised.exception), own.stderr.rstrip())
        (told,) = raised.exception.diagnostics
        self.assertEqual(
            (told.slug, told.file, told.line, told.column), ("kernel-exceeds-input", str(path), 3, 5)
        )
        self.assertIn("does not fit", told.message)
        self.assertTrue(told.help and told.notes)
        with self.assertRaisesRegex(cnnc.CompileError, "^net.cnn:1:1: error"):
            cnnc.compile("nett x {}")
        with self.assertRaisesRegex(cnnc.CompileError, "nowhere.cnn"):
            cnnc.load(self.folder / "nowhere.cnn")

    def test_warnings(self) -> None:
        """warnings of cnnc become Python's, once"""
        text = "net w { input a: 2x2x1 \n input b: 2x2x1 \n a -> relu \n }"
        with self.assertWarns(cnnc.CompileWarning) as told:
            cnnc.compile(text)
        self.assertIn(
            "net.cnn:2:2: the input 'b' has no effect on any output [unused-value]", str(told.warning)
        )
        self.assertEqual(len([w for w in told.warnings if w.category is cnnc.CompileWarning]), 1)
        self.assertEqual(told.filename, __file__)


if __name__ == "__main__":
    unittest.main()
