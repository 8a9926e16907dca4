"""Writes the weight files of the int8 models of tests/diag. Run in tests/diag/lib: python3 quantized.py."""
# SPDX-License-Identifier: Apache-2.0
import sys

sys.path.insert(0, "../../harness")
from quantized import layer, note, save, stored  # noqa: E402

good = {**stored("image", 1.0, -128), **layer("conv1", [2, 1, 3, 3], [1, 2, 3] * 6, [0.01, 0.02], [5, -5]),
        **stored("conv1", 0.5, -128), **layer("dense1", [3, 18], [7] * 54, [0.01], [0] * 3),
        **stored("dense1", 0.4, 0)}
norm = {**good, **stored("l2norm1", 0.01, 0)}


def without(*names):
    return {name: value for name, value in good.items() if name not in names}


save("tiny.int8.safetensors", good, note())
save("tiny.norm.safetensors", norm, note())
save("tiny.large.safetensors", {**good, "conv1.bias": ("I32", [2], [2**31 - 1, 0])}, note("double"))
save("tiny.scale.safetensors", {**good, **stored("conv1", 1e-41, -128)}, note())
save("tiny.sum.safetensors", {**good, **stored("dense1", 1e-12, 0)}, note())
save("tiny.scale-before.safetensors",
     {**good, **stored("conv1", 1e-41, -128), **stored("elu1", 0.5, -128), **stored("elu2", 0.002, 0)},
     note(elu2={"precision": "i16"}))
save("tiny.lacks.safetensors", {
    **without("conv1.bias", "conv1.weight.scale", "dense1.weight", "dense1.zero", "conv1.scale"),
    "dense1.weight": ("I32", [3, 18], [1] * 54), "dense1.zero": ("I32", [1], [200]),
    "conv1.weight.scale": ("F32", [3], [1.0] * 3), "conv1.scale": ("F32", [1], [float("nan")]),
    "conv2.weight": ("I8", [1], [1])}, note())
save("tiny.bounds.safetensors", {
    **good, "conv1.weight": ("I8", [2, 1, 3, 3], [-128] * 18), "dense1.weight.scale": ("F32", [1], [0.0])},
     note())
save("tiny.dead.safetensors",
     {**good, "conv1.weight": ("I8", [2, 1, 3, 3], [1, 2, 3] * 3 + [0] * 9)}, note())
idle = {**stored("image", 1.0, -128), **stored("conv1", 0.5, -128), **stored("dense1", 0.4, 0),
        **layer("conv1", [8, 1, 3, 3], [1, 2, 3] * 9 + [0] * 45, [0.01], [5, -5, 9, 700, -700, 0, 90, 900]),
        **layer("dense1", [3, 72], [7, 5, 2] * 72, [0.01], [0] * 3)}
save("wide.idle.safetensors", idle, note())
several = {**stored("image", 1.0, -128), **stored("conv1", 0.5, -128), **stored("conv2", 0.5, -128),
           **stored("dense1", 0.4, 0),
           **layer("conv1", [8, 1, 3, 3], [1, 2, 3] * 9 + [0] * 45, [0.01], idle["conv1.bias"][2]),
           **layer("conv2", [8, 8, 1, 1], [1, 2, 3, 4] * 8 + [0] * 32, [0.01], idle["conv1.bias"][2]),
           **layer("dense1", [3, 72], [7, 5, 2] * 72, [0.01], [0] * 3)}
save("several.idle.safetensors", several, note())
save("tiny.rounding.safetensors", good, note("half"))
save("tiny.version.safetensors", good, {"version": 2, "rounding": "single"})
save("tiny.text.safetensors", good, "single")
save("tiny.key.safetensors", good, {**note(), "scheme": "per-channel"})
save("tiny.fallback.safetensors", good, {**note(), "fallback": "f16"})
save("tiny.layer-key.safetensors", good, note(conv1={"round": "double"}))
save("tiny.unread.safetensors", good, note(conv1={"rounding": "float"}, conv2={"rounding": "double"},
                                           dense1={"mean": "factor"}, relu1={"precision": "i8"}))

wide = {"conv1": {"precision": "i16"}}
narrow = {**good, "conv1.bias": ("I64", [2], [5, -5]), **stored("conv1", 0.002, 0),
          "dense1.bias": ("I64", [3], [0] * 3)}
save("tiny.wide.safetensors", narrow, note(**wide))
save("tiny.wide-form.safetensors",
     {**narrow, **stored("conv1", 0.002, 3), "dense1.bias": ("I32", [3], [0] * 3)},
     note(**wide, flatten1={"precision": "i16"}))
save("tiny.wide-large.safetensors", {**narrow, "conv1.bias": ("I64", [2], [2**47, 0])},
     note("double", **wide))
save("tiny.wide-bytes.safetensors", narrow, note(image={"precision": "i16"}, **wide))
save("tiny.wide-scale.safetensors", {**narrow, **stored("maxpool1", 1e-42, 0)},
     note(maxpool1={"precision": "i16"}, **wide))
save("tiny.wide-function.safetensors",
     {**narrow, **stored("sigmoid1", 0.004, -128), "dense1.bias": ("I32", [3], [0] * 3)}, note(**wide))
save("tiny.add.safetensors", {**good, **stored("add1", 0.5, -128), **stored("multiply1", 90, -128)}, note())
save("sum.far.safetensors", {**stored("x", 1.0, 0), **stored("y", 1e-4, 0), **stored("add1", 1e-6, 0)},
     note("float"))
save("tiny.wide-word.safetensors", narrow, note(conv1={"precision": "i32"}))

floats = {"conv1.weight": ("F32", [2, 1, 3, 3], [0.01, 0.02, 0.03] * 6),
          "conv1.bias": ("F32", [2], [0.1, 0.0]), "dense1.weight": ("F32", [3, 18], [0.07] * 54),
          "dense1.bias": ("F32", [3], [0.0] * 3)}
save("tiny.safetensors", floats, None)
save("half.safetensors", {**floats, "dense1.weight": ("F32", [3, 18], [0.07] * 53 + [-65520.0]),
                          "conv1.weight": ("F32", [2, 1, 3, 3], [0.01] * 17 + [3.4e38])}, None)
save("matmul.safetensors", {**stored("x", 0.02, 0), **stored("matmul1", 9.0, 0)}, note("double"))


def recurrent(rows, gates, out, cell=None, scale=0.01, bias=0):
    """A layer r with two units and two channels of x; out: scale and zero point of its value, or None."""
    arrays = {**stored("x", 0.02, 0), **(stored("r", *out) if out else {}),
              **({"r.cell.scale": ("F32", [1], [cell])} if cell else {})}
    for member in ("ih", "hh"):
        arrays[f"r.weight_{member}_l0"] = ("I8", [rows, 2], [5, -7] * rows)
        arrays[f"r.weight_{member}_l0.scale"] = ("F32", [gates], [scale] * gates)
    return {**arrays, "r.bias_ih_l0": ("I32", [rows], [bias] * rows)}


lstm = recurrent(8, 4, (0.008, 0), 2**-12)
litert = {"r": {"kernel": "litert"}}
save("lstm.bias.safetensors", recurrent(8, 4, (0.008, 0), 2**-12, bias=2**31 - 1), note("double"))
save("lstm.units.safetensors", recurrent(8, 4, (0.008, 0), 2**-12, scale=1e38), note("double"))
save("lstm.litert.safetensors", recurrent(8, 4, (0.008, 0), 0.25), note("double", **litert))
save("lstm.lacks.safetensors",
     {**recurrent(8, 4, None, 0.003, scale=0.0), "r.weight_hh_l0": ("I8", [8, 2], [-128] * 16),
      "r.bias_hh_l0": ("I32", [8], [0] * 8)}, note("double"))
save("gru.scale.safetensors", {**recurrent(6, 3, (0.01, 1)), "r.bias_hh_l0": ("I32", [6], [0] * 6)},
     note("double", **litert))
save("lstm.kernel.safetensors", lstm, note("double", r={"kernel": "tflm"}))
save("lstm.good.safetensors", lstm, note("double"))
