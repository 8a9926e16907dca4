# SPDX-License-Identifier: Apache-2.0
import json
import math
import os
import subprocess
import unittest
from pathlib import Path

import numpy as np

import cnnc
from cnnc import _build, _tool
from common import FLOATS, SMALL, Case, digits, filled, has, random


class Training(Case):
    def test_numbers(self) -> None:
        """invalid rates and seeds are errors"""
        net = cnnc.compile("net n { input x: 3; dense(2); train { loss = mse } }")
        x, y = random((4, 3)), random((4, 2))
        for words, text in (
            ({"rate": float("nan")}, "rate must be"),
            ({"rate": float("inf")}, "rate must be"),
            ({"rate": -0.1}, "rate must be"),
            ({"seed": -1}, "seed must be"),
            ({"seed": 2**70}, "seed must be"),
        ):
            for call in (net.train, net.step):
                with self.assertRaisesRegex(ValueError, text):
                    call(x, y, **words)

    def test_learns(self) -> None:
        """training reduces the loss and reports each epoch"""
        net, (x, y) = cnnc.compile(SMALL), digits(200)
        told: list[dict[str, float]] = []
        history = net.train(x, y, epochs=4, seed=7, callback=told.append)
        self.assertEqual(len(history["loss"]), 4)
        self.assertEqual(history["epoch"], [1, 2, 3, 4])
        self.assertEqual(told, history.epochs)
        self.assertLess(history["loss"][-1], history["loss"][0])
        self.assertGreater(history["val_accuracy"][-1], 0.9)
        self.assertTrue({"accuracy", "val_loss", "rate", "seconds", "images_per_second"} <= set(history))
        found = net.evaluate(*digits(100, 8))
        self.assertEqual(found["samples"], 100)
        self.assertGreater(found["accuracy"], 0.9)
        self.assertAlmostEqual(
            found["accuracy"], float((net(digits(100, 8)[0]).argmax(1) == digits(100, 8)[1]).mean())
        )
        with self.assertRaises(KeyError):
            history["val_iou"]

    def test_as_programs(self) -> None:
        """weights equal those of the executable bit for bit, and metrics up to rounding"""
        path, (x, y) = self.write("small.cnn", SMALL), digits(120)
        np.savez(self.folder / "data.npz", x=x, y=y)
        cc = _build.compiler()[0]
        done = subprocess.run(
            [str(_tool.tools().cnnc), "small.cnn", f"--cc={cc}", "-o", "small"],
            cwd=self.folder,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            self.skipTest("programs cannot be linked here")
        subprocess.run(
            [
                "./small",
                "train",
                "--data",
                "data.npz",
                "--seed=5",
                "--rate=0.01",
                "--batch=8",
                "--epochs=2",
                "--log=log.jsonl",
            ],
            cwd=self.folder,
            check=True,
            capture_output=True,
        )
        rows = [json.loads(line) for line in (self.folder / "log.jsonl").read_text().splitlines()]
        theirs = cnnc.load(path, self.folder / "small.safetensors")
        for threads in (1, 2):
            net = cnnc.load(path, threads=threads)
            history = net.train(x, y, seed=5, rate=0.01, batch=8, epochs=2)
            for name, w in net.weights.items():
                np.testing.assert_array_equal(w, theirs.weights[name])
            for name in ("loss", "accuracy", "val_loss"):
                np.testing.assert_allclose(history[name], [row[name] for row in rows], rtol=1e-6)
        printed = subprocess.run(
            ["./small", "eval", "--data", "data.npz", "--weights", "small.safetensors", "--json"],
            cwd=self.folder,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        wanted = json.loads(printed)
        found = theirs.evaluate(x, y)
        self.assertAlmostEqual(found["loss"], wanted["loss"], 6)
        self.assertEqual((found["samples"], found["accuracy"]), (120, wanted["metrics"]["accuracy"]))

    def test_goes_on(self) -> None:
        """training continues from the current weights, trained or loaded"""
        net, (x, y) = cnnc.compile(SMALL), digits(100)
        first = net.train(x, y, epochs=3)["loss"]
        self.assertLess(net.train(x, y, epochs=1)["loss"][0], first[0])
        other = cnnc.compile(SMALL, net.weights)
        self.assertLess(other.train(x, y, epochs=1)["loss"][0], first[0])

    def test_validation(self) -> None:
        """validation: samples, a fraction, none"""
        x, y = digits(80)
        self.assertNotIn("val_loss", cnnc.compile(SMALL).train(x, y, validation=0, epochs=1))
        self.assertIn("val_loss", cnnc.compile(SMALL).train(x, y, validation=0.5, epochs=1))
        wrong = cnnc.compile(SMALL).train(x, y, validation=(x, (y + 1) % 4), epochs=6)
        self.assertLess(wrong["val_accuracy"][-1], 0.2)
        self.assertGreater(wrong["accuracy"][-1], 0.5)
        with self.assertRaisesRegex(ValueError, "a fraction of the samples from 0 to below 1"):
            cnnc.compile(SMALL).train(x, y, validation=1.5)

    def test_stops(self) -> None:
        """a callback that returns False ends the training, an exception is passed on, and the weights trained
        so far are kept"""
        x, y = digits(100)
        net = cnnc.compile(SMALL)
        history = net.train(x, y, epochs=50, callback=lambda epoch: epoch["epoch"] < 2)
        self.assertEqual(history["epoch"], [1, 2])
        self.assertEqual(net(x).shape, (100, 4))

        def angry(epoch: dict) -> None:
            raise KeyboardInterrupt

        net = cnnc.compile(SMALL)
        with self.assertRaises(KeyboardInterrupt):
            net.train(x, y, callback=angry)
        self.assertTrue(np.isfinite(net(x)).all())

    def test_sets(self) -> None:
        """a data set by its name, and dicts of arrays"""
        net = cnnc.compile(SMALL)
        self.assertEqual(len(net.train("synthetic", epochs=1)["loss"]), 1)
        self.assertGreater(net.evaluate("synthetic")["samples"], 0)
        x, y = digits(60)
        net.train({"image": x}, {"output": y}, validation=({"image": x}, {"output": y}), epochs=1)
        with self.assertRaisesRegex(ValueError, "do not pass y"):
            net.train("synthetic", y)

    def test_outputs(self) -> None:
        """several outputs with different numbers of classes"""
        net = cnnc.compile("""net heads {
            input x: 6
            a = dense(10) -> softmax
            b = x -> dense(3) -> softmax
            c = x -> dense(4)
            output a, b, c
            train { loss = [cross_entropy(a), cross_entropy(b), huber(c)]; epochs = 2; batch = 10 }
        }""")
        x, labels = random((60, 6)), np.arange(60)
        y = {"a": labels % 10, "b": labels % 3, "c": random((60, 4))}
        self.assertEqual(len(net.train(x, y, validation=(x, y))["val_loss"]), 2)
        self.assertIn("a_accuracy", net.evaluate(x, y))
        with self.assertRaisesRegex(RuntimeError, '"b" has 3 classes'):
            net.train(x, y | {"b": labels % 4})

    def test_refused(self) -> None:
        """unusable arguments are rejected"""
        x, y = digits(20)
        with self.assertRaisesRegex(ValueError, "net floats has no train block"):
            cnnc.compile(FLOATS).train(random((4, 4, 3, 2)), [0, 1, 2, 0])
        with self.assertRaisesRegex(RuntimeError, "20|19"):
            cnnc.compile(SMALL).train(x, y[:19])
        with self.assertRaisesRegex(RuntimeError, "4"):
            cnnc.compile(SMALL).train(x, y + 3)
        with self.assertRaisesRegex(ValueError, "epochs must be at least 1"):
            cnnc.compile(SMALL).train(x, y, epochs=0)
        with self.assertRaisesRegex(ValueError, "has no weights yet"):
            cnnc.compile(SMALL).evaluate(x, y)


LINEAR = SMALL.replace("cross_entropy", "linear")


def softmax_loss(outputs: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """The cross entropy of raw scores and its gradient."""
    p = np.exp(outputs - outputs.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    rows = np.arange(len(y))
    d = p.copy()
    d[rows, y] -= 1
    return float(-np.log(p[rows, y]).mean()), d / len(y)


class Steps(Case):
    def test_gradients(self) -> None:
        """gradients of a batch equal finite differences and change no weight"""
        net, (x, y) = filled(SMALL), digits(12)
        found = net.gradients(x, y)
        before = net.weights["conv1.weight"].copy()
        self.close(found.outputs, net(x))
        for index in ((0, 0, 0, 0), (1, 0, 2, 1), (2, 0, 1, 1)):
            losses = []
            for change in (0.01, -0.01):
                net.weights["conv1.weight"][index] = before[index] + change
                losses.append(net.gradients(x, y).loss)
            net.weights["conv1.weight"][index] = before[index]
            slope = (losses[0] - losses[1]) / 0.02
            self.assertAlmostEqual(slope, float(found.weights["conv1.weight"][index]), 3)
        np.testing.assert_array_equal(net.weights["conv1.weight"], before)

    def test_steps_learn(self) -> None:
        """steps reduce the loss; a batch of any size is one step with the mean gradient"""
        net, (x, y) = cnnc.compile(SMALL), digits(64)
        first = net.step(x[:16], y[:16], seed=4)
        for i in range(0, 640, 16):
            last = net.step(x[i % 64 :][:16], y[i % 64 :][:16])
        self.assertLess(last, first / 2)
        self.assertGreater(net.evaluate(x, y)["accuracy"], 0.9)
        sgd = SMALL.replace("adam(rate=0.02)", "sgd(rate=0.5)")
        one, two = cnnc.compile(sgd), cnnc.compile(sgd)
        one.step(x, y, seed=1)  # four batches of the train block
        parts = [two.gradients(x[i : i + 16], y[i : i + 16], seed=1).weights for i in range(0, 64, 16)]
        for name, weight in two.weights.items():
            mean = np.mean([part[name] for part in parts], axis=0)
            np.testing.assert_allclose(one.weights[name], weight - 0.5 * mean, rtol=1e-4, atol=1e-6)

    def test_not_finite(self) -> None:
        """a step with a gradient that is not finite changes neither weights nor running statistics"""
        text = FLOATS.rstrip().removesuffix("}").replace("-> relu", "-> batchnorm -> relu")
        text += "    train { loss = mse\n batch = 16 } }"
        one, two = cnnc.compile(text), cnnc.compile(text)
        x, y = random((40, 4, 3, 2), 1), random((40, 3), 2)
        one.step(x, y, seed=3)
        two.step(x, y, seed=3)
        for count in (16, 40):  # a part of the train block's batch, and several parts
            bad = x[:count].copy()
            bad[5] = 1e30
            before = {name: value.copy() for name, value in one.weights.items()}
            with self.assertRaisesRegex(FloatingPointError, "the weights are unchanged"):
                one.step(bad, y[:count])
            for name, value in one.weights.items():
                np.testing.assert_array_equal(value, before[name], err_msg=name)
        one.step(x, y)
        two.step(x, y)
        for name, value in one.weights.items():
            np.testing.assert_array_equal(value, two.weights[name], err_msg=name)

    def test_own_loss(self) -> None:
        """the caller's loss, as a function or a gradient, makes the same step as the program's loss"""
        x, y = digits(16)
        nets = [cnnc.compile(text) for text in (SMALL, LINEAR, LINEAR)]
        value = nets[0].step(x, y, seed=5)
        self.assertAlmostEqual(nets[1].step(x, dloss=lambda o: softmax_loss(o, y), seed=5), value, 5)
        outputs = nets[2].gradients(x, dloss=np.zeros((16, 4), np.float32), seed=5).outputs
        nets[2].step(x, dloss=softmax_loss(outputs, y)[1])
        for name, weight in nets[0].weights.items():
            for other in nets[1:]:
                np.testing.assert_allclose(other.weights[name], weight, rtol=1e-4, atol=1e-6)
        with self.assertRaisesRegex(ValueError, "train block; the loss of output is not linear"):
            nets[0].step(x, dloss=np.zeros((16, 4)))

    def test_calls(self) -> None:
        """with steps in the train block a sample is several calls: x is [n][steps][...]"""
        net = cnnc.compile(
            "net sums { input x: 2\n s = state(2)\n x -> add(s) -> update(s)\n y = dense(2)\n output y\n"
            " train { loss = mse; optimizer = sgd(rate=0.01, momentum=0); batch = 4; steps = 3 } }",
            weights={"y.weight": np.eye(2, dtype=np.float32), "y.bias": np.zeros(2, np.float32)},
        )
        x = random((6, 3, 2))
        found = net.gradients(x[:4], np.zeros((4, 3, 2), np.float32))
        self.close(found.outputs, np.cumsum(x[:4], 1))
        self.assertAlmostEqual(found.loss, float((np.cumsum(x[:4], 1) ** 2).mean()), 5)
        self.assertAlmostEqual(net.step(x, np.cumsum(x, 1)), 0, 5)
        for wrong in (x[:, :2], x[0], x[:, 0]):
            with self.assertRaisesRegex(ValueError, "a sample consists of 3 calls, so input x must be nx3x"):
                net.step(wrong, x)

    def test_one_call(self) -> None:
        """a net with states but one call per sample: x is [n][...] or [n][1][...]"""
        text = (
            "net sums { input x: 2x3\n s = state(2x3, init=0.5)\n x -> add(s) -> update(s)\n y = conv(3, 1)\n"
            " output y\n train { loss = mse; optimizer = sgd(rate=0.01); batch = 4; %s } }"
        )
        weights = {"y.weight": np.eye(3, dtype=np.float32)[:, :, None], "y.bias": np.zeros(3, np.float32)}
        x = random((4, 2, 3))
        for steps in "steps = 1", "":
            net = cnnc.compile(text % steps, weights)
            found = net.gradients(x, x)
            self.close(found.outputs, x + np.float32(0.5))
            self.assertAlmostEqual(found.loss, 0.25, 5)
            for layout in "hwc", "chw":
                one = net.gradients(x[:, None], x[:, None], layout=layout)
                self.close(one.outputs, found.outputs[:, None])
                self.assertEqual(one.loss, found.loss)
            self.assertAlmostEqual(net.step(x[:, None], x[:, None]), 0.25, 5)
            for wrong in (np.stack([x, x], 1), x[0], x[:, None, None]):
                with self.assertRaisesRegex(ValueError, "input x takes 2x3|takes a batch"):
                    net.gradients(wrong, x)
        net = cnnc.compile(text % "steps = 2", weights)
        pairs = np.stack([x, x + 1], 1)
        found = [net.gradients(pairs, pairs, layout=layout).loss for layout in ("hwc", "chw")]
        self.assertEqual(found[0], found[1])
        stateless = cnnc.compile("net p { input x: 2x3\n conv(3, 1)\n train { loss = mse; batch = 4 } }")
        with self.assertRaisesRegex(ValueError, "input x takes 2x3"):
            stateless.gradients(x[:, None], x)

    def test_loader(self) -> None:
        """training from an iterable of batches: every epoch reads it again"""
        x, y = digits(80)
        passes = []

        class Loader:
            def __iter__(self):
                passes.append(1)
                return ((x[i : i + 16], y[i : i + 16]) for i in range(0, 64, 16))

        net = cnnc.compile(SMALL)
        history = net.train(Loader(), epochs=8, seed=2, validation=(x[64:], y[64:]))
        self.assertEqual((len(passes), history["epoch"]), (8, list(range(1, 9))))
        self.assertLess(history["loss"][-1], history["loss"][0] / 2)
        self.assertEqual(net.evaluate(x[64:], y[64:])["loss"], min(history["val_loss"]))
        self.assertEqual(net.evaluate([(x[64:70], y[64:70]), (x[70:], y[70:])])["samples"], 16)
        self.assertEqual(len(cnnc.compile(SMALL).train(list(Loader()), callback=lambda e: False)["loss"]), 1)

    def test_step_mistakes(self) -> None:
        """unusable arguments of step and train are rejected"""
        net, (x, y) = cnnc.compile(SMALL), digits(16)
        for error, text, call in (
            (TypeError, "y, the targets .* or dloss", lambda: net.step(x)),
            (ValueError, "1 elements per sample and the batch 16", lambda: net.step(x, y[:3])),
            (TypeError, "class numbers .*, not float64", lambda: net.step(x, y * 1.0)),
            (ValueError, r"x\[None\] makes a batch", lambda: net.step(x[0], y[:1])),
            (TypeError, "can be read once", lambda: net.train(iter([(x, y)]), epochs=2)),
            (TypeError, r"must return batches \(x, y\)", lambda: net.train([(x, y, y)], epochs=1)),
            (TypeError, "x must be an array of numbers", lambda: net.train(np.array(["a"]), y)),
            (RuntimeError, "^the arrays: ", lambda: net.train(x, y[:5])),
            (ValueError, "no train block", lambda: cnnc.compile(FLOATS).step(x, y)),
        ):
            with self.assertRaisesRegex(error, text):
                call()

    @unittest.skipUnless(has("torch"), "torch is not here")
    def test_with_torch(self) -> None:
        """torch's DataLoader, and a loss by its autograd"""
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        x, y = digits(64)
        planes = torch.from_numpy(x).movedim(-1, 1).contiguous()
        loader = DataLoader(TensorDataset(planes, torch.from_numpy(y)), batch_size=16, shuffle=True)
        history = cnnc.compile(SMALL).train(loader, epochs=6, validation=loader, layout="chw")
        self.assertGreater(history["val_accuracy"][-1], 0.9)
        with self.assertRaisesRegex(TypeError, "TensorDataset returns single samples.*DataLoader"):
            cnnc.compile(SMALL).train(loader.dataset)

        def loss(outputs: np.ndarray) -> tuple[float, np.ndarray]:
            scores = torch.tensor(outputs, requires_grad=True)
            value = torch.nn.functional.cross_entropy(scores, torch.from_numpy(y[:16]))
            value.backward()
            return value.item(), scores.grad

        one, two = cnnc.compile(SMALL), cnnc.compile(LINEAR)
        self.assertAlmostEqual(one.step(x[:16], y[:16], seed=3), two.step(x[:16], dloss=loss, seed=3), 5)
        for name, weight in one.weights.items():
            np.testing.assert_allclose(two.weights[name], weight, rtol=1e-4, atol=1e-6)


class Quantizing(Case):
    def test_quantize(self) -> None:
        """an int8 model from arrays: similar outputs, its file, the measured accuracy"""
        net, (x, y) = cnnc.compile(SMALL), digits(120)
        net.train(x, y, epochs=4, seed=1)
        path = self.folder / "small.int8.safetensors"
        small = cnnc.quantize(net, x, y, path, calibrate="minmax")
        self.assertGreater(float((small(x).argmax(1) == net(x).argmax(1)).mean()), 0.95)
        self.assertLess(small.quantization["lost"], 5)
        np.testing.assert_array_equal(cnnc.compile(SMALL, path)(x), small(x))
        kept = net.quantize(x[:50], keep=["dense1"])
        f32 = [row["name"] for row in kept.quantization["layers"] if row["precision"] == "f32"]
        self.assertEqual(f32, ["dense1"])
        np.savez(self.folder / "samples.npz", x=x[:40])
        before = os.getcwd()
        os.chdir(self.folder)
        try:
            self.assertEqual(net.quantize("samples.npz").outputs, net.outputs)
        finally:
            os.chdir(before)
        with self.assertRaisesRegex(cnnc.CompileError, "no layer"):
            net.quantize(x, keep=["conv9"])
        with self.assertRaisesRegex(ValueError, "cannot be quantized again"):
            small.quantize(x)


class Exports(Case):
    def setUp(self) -> None:
        super().setUp()
        self.x, y = digits(40)
        self.net = cnnc.compile(SMALL)
        self.net.train(self.x, y, epochs=2)

    def test_c(self) -> None:
        """C with the weights, for any compiler"""
        files = self.net.export(self.folder / "out", target="generic")
        self.assertEqual([file.name for file in files], ["small.c", "small.h"])
        self.write(
            "app.c",
            '#include <stdio.h>\n#include "out/small.h"\nint main(void) {\n'
            "  static small_workspace w; uint8_t image[36]; float score[4];\n"
            "  if (fread(image, 1, 36, stdin) != 36) return 1;\n"
            "  small_infer(&small_trained, image, score, &w);\n"
            '  for (int c = 0; c < 4; c++) printf("%.9g %s\\n", score[c], small_labels[c]);\n}\n',
        )
        subprocess.run([*_build.compiler(), "app.c", "out/small.c", "-o", "app"], cwd=self.folder, check=True)
        printed = subprocess.run(
            ["./app"], cwd=self.folder, input=self.x[0].tobytes(), capture_output=True
        ).stdout
        rows = [line.split() for line in printed.decode().splitlines()]
        self.assertEqual([row[1] for row in rows], self.net.labels)
        self.close(np.array([float(row[0]) for row in rows]), self.net(self.x[0]))

    def test_program(self) -> None:
        """a program with its weights"""
        try:
            (file,) = self.net.export(self.folder, kind="program")
        except cnnc.CompileError as error:
            self.skipTest(f"programs cannot be linked here: {str(error).splitlines()[0]}")
        np.save(self.folder / "x.npy", self.x)
        subprocess.run(
            [file, "predict", "x.npy", "-o", "y.npy"], cwd=self.folder, check=True, capture_output=True
        )
        self.close(np.load(self.folder / "y.npy"), self.net(self.x))

    def test_wasm(self) -> None:
        """WebAssembly"""
        try:
            files = self.net.export(self.folder, kind="wasm")
        except cnnc.CompileError as error:
            self.skipTest(f"no WebAssembly here: {str(error).splitlines()[0]}")
        wasm = next(file for file in files if file.suffix == ".wasm")
        self.assertEqual(wasm.read_bytes()[:4], b"\0asm")

    def known(self, word: str) -> bool:
        return (
            word in subprocess.run([str(_tool.tools().cnnc), "--help"], capture_output=True, text=True).stdout
        )

    def test_library(self) -> None:
        """a library with build files"""
        if not self.known(" library"):
            self.skipTest("this cnnc has no --emit=library")
        names = {str(path.relative_to(self.folder)) for path in self.net.export(self.folder, kind="library")}
        self.assertTrue({"src/small.c", "src/small.h", "library.json", "CMakeLists.txt"} <= names, names)

    def test_onnx(self) -> None:
        """ONNX with equal outputs"""
        try:
            (file,) = self.net.export(self.folder, kind="onnx")
        except cnnc.ToolError as error:
            if "cnnc writes no ONNX" not in str(error):
                raise
            self.skipTest("this cnnc writes no ONNX")
        again = cnnc.from_onnx(file, inputs={"image": "u8"})
        self.close(again(self.x), self.net(self.x))

    def test_mistakes(self) -> None:
        """unknown kinds and missing weights are rejected"""
        with self.assertRaisesRegex(ValueError, "one of c, library, program, wasm, onnx, not 'exe'"):
            self.net.export(self.folder, kind="exe")
        with self.assertRaisesRegex(ValueError, "has no weights yet"):
            cnnc.compile(SMALL).export(self.folder)


if __name__ == "__main__":
    unittest.main()
