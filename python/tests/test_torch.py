# SPDX-License-Identifier: Apache-2.0
import unittest

import numpy as np

import cnnc
from cnnc import _exchange
from common import Case, has, random


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
        """check accepts modules of sequences, with the batch first or second, in both layouts"""
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
        """inputs in the model's shapes, whose batch dimensions are at different positions"""
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

    def test_untrained(self) -> None:
        """equal layers of an untrained transformer stay apart; the state dict loads by name"""
        import torch
        from torch import nn

        class Vision(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.patch, self.shared = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 8)
                self.cls, self.pos = nn.Parameter(torch.rand(1, 1, 8)), nn.Parameter(torch.rand(1, 5, 8))
                self.enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)

            def forward(self, x: "torch.Tensor") -> "torch.Tensor":
                rows = self.patch(x).flatten(2).transpose(1, 2)
                rows = torch.cat([self.cls.expand(len(x), -1, -1), rows], 1) + self.pos
                return self.shared(torch.relu(self.shared(self.enc(rows))))

        torch.manual_seed(2)
        module, x = Vision().eval(), torch.rand(1, 3, 8, 8)
        count = sum(array.numel() for array in module.parameters())
        net = cnnc.from_torch(module, x)
        self.assertEqual(net.parameters, count)  # copies of a layer are apart, the shared layer is one
        for array in module.parameters():
            array.data.normal_()
        self.assertFalse(net.check(module))
        net.load_weights(module.state_dict())
        self.assertTrue(net.check(module), str(net.check(module)))

    @unittest.skipUnless(has("onnxscript"), "no onnxscript")
    def test_scopes(self) -> None:
        """layers of a model of torch.export are compared with the modules of their names"""
        torch, module = torch_net()
        path = self.folder / "m.onnx"
        torch.onnx.export(module, (torch.rand(1, 3, 8, 8),), path, dynamo=True, external_data=False)
        net = cnnc.from_onnx(path)
        report = net.check(module)
        self.assertTrue(report, str(report))
        compared = {row.name for row in report.layers if row.difference is not None}
        self.assertLessEqual({"features.4.conv1", "features.4.conv2", "fc"}, compared)
        net.weights["features.4.conv2.weight"][:] += 1
        self.assertEqual(net.check(module).first_wrong.name, "features.4.conv2")

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


if __name__ == "__main__":
    unittest.main()
