# SPDX-License-Identifier: Apache-2.0
import json
import os
import unittest
import warnings
import zipfile
from pathlib import Path

import numpy as np

import cnnc
from common import Case, has, random


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

    def test_other_cells(self) -> None:
        """recurrent layers with settings that change the arithmetic cause warnings"""
        import h5py

        def layer(kind: str, name: str = "r", **settings: object) -> dict[str, object]:
            return {"class_name": kind, "config": {"name": name, **settings}}

        def both(kind: str, merge: object = "concat", **settings: object) -> dict[str, object]:
            sides = {"layer": layer(kind, "f", **settings)}
            sides["backward_layer"] = layer(kind, "b", **{**settings, "go_backwards": True})
            return layer("Bidirectional", merge_mode=merge, **sides)

        relu = {"class_name": "function", "config": "relu", "registered_name": "function"}
        for row, words in (
            (layer("LSTM", activation="tanh", recurrent_activation="sigmoid"), ()),
            (layer("GRU", reset_after=False), ()),
            (layer("SimpleRNN", activation="relu"), ()),
            (layer("Dense", activation="relu"), ()),
            (both("LSTM"), ()),
            (layer("LSTM", recurrent_activation="hard_sigmoid"), ("recurrent_activation='hard_sigmoid'",)),
            (layer("GRU", activation=relu), ("activation='relu'",)),
            (layer("LSTM", activation=None), ("activation='linear'",)),
            (layer("SimpleRNN", activation="sigmoid"), ("activation='sigmoid'",)),
            (layer("GRU", go_backwards=True), ("go_backwards=True",)),
            (both("GRU", "sum"), ("merge_mode='sum'",)),
            (both("GRU", None), ("merge_mode=None",)),
            (both("LSTM", "ave", activation="elu"), ("merge_mode='ave'", "activation='elu'")),
        ):
            with h5py.File(self.folder / "c.h5", "w") as file:
                model = {"class_name": "Sequential", "config": {"name": "m", "layers": [row]}}
                file.attrs["model_config"] = json.dumps(model)
                file.create_group("model_weights")
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                cnnc.convert(self.folder / "c.h5", self.folder / "c.safetensors")
            said = [str(warning.message) for warning in caught]
            self.assertEqual(len(said), 1 if words else 0, f"{row}: {said}")
            for word in words:
                self.assertIn(word, said[0])

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
