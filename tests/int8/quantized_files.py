"""Nets with int8 weight files: header, views, and hostile files. Run by
quantized_files.tap."""
# SPDX-License-Identifier: Apache-2.0
import ctypes
import json
import os
import random
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.environ["top_srcdir"], "tests", "harness"))
from quantized import layer, note, save, stored  # noqa: E402
from tap import check, finish, start  # noqa: E402

CNNC = os.environ["CNNC"]
NET = """net tiny {
    input image: 6x6x1 as u8
    conv(2, 3x3, stride=2, pad=1) -> relu
    features = maxpool(3, stride=1, pad=1)
    flatten
    scores = dense(3) -> softmax
    output features as i8, scores%s
}
"""
GOOD = {**stored("image", 1.0, -128),
        **layer("conv1", [2, 1, 3, 3], list(range(-9, 9)), [0.01, 0.02], [5, -5]),
        **stored("conv1", 0.5, -128), **layer("dense1", [3, 18], [7] * 54, [0.01], [0] * 3),
        **stored("dense1", 0.4, 0)}


def run(*arguments):
    return subprocess.run([CNNC, *arguments], capture_output=True, text=True)


def written(given):
    with open("tiny.cnn", "w") as file:
        file.write(NET % given)
    made = run("tiny.cnn", "--weights=good.safetensors", "-o", "tiny.c")
    return made, open("tiny.h").read() if made.returncode == 0 else ""


def names():
    """The arrays of GOOD, in which the dense layer has the name of its value, scores."""
    good = dict(GOOD)
    for name in list(GOOD):
        if name.startswith("dense1"):
            good["scores" + name[6:]] = good.pop(name)
    return good


def test_header():
    save("good.safetensors", names(), note())
    made, header = written("")
    check(made.returncode == 0, "a net becomes an int8 model", made.stderr)
    for words, title in (("uint8_t image_values[", "the input has bytes"),
                         ("int8_t features_values[", "an output as i8"),
                         ("float scores_values[", "a float output"),
                         ("extern const tiny_model tiny_trained", "weights"),
                         ("#define TINY_IMAGE_ZERO 0", "the zero point of u8"),
                         ("TINY_FEATURES_SCALE 0x1p-1f", "scale"),
                         ("TINY_FEATURES_ZERO -128", "zero"), ('#define TINY_PRECISION "i8"', "precision")):
        check(words in header, f"  {title}: {words}", header)
    check("_pack" not in header and "_weights" not in header, "  nothing packs weights", header)
    for given, words in ((" as u8", "uint8_t scores_values["), (" as class", "int32_t scores_values["),
                         (" as f32", "float scores_values[")):
        made, header = written(given)
        check(words in header, f"scores{given}: {words}", made.stderr)
    check("TINY_SCORES_SIZE 3" in header, "  and its size", header)
    made, header = written(" as class")
    check("TINY_SCORES_SIZE 1 " in header, "a class is one number", header)


def test_views():
    graph = run("tiny.cnn", "--weights=good.safetensors", "--emit=graph", "-o", "-").stdout
    check("conv1: 3x3x2 i8 scale 0.5 zero -128" in graph, "--emit=graph shows scale and zero", graph)
    shown = json.loads(run("tiny.cnn", "--weights=good.safetensors", "--emit=json", "-o", "-").stdout)
    conv = [value for value in shown["layers"] if value["name"] == "conv1"][0]
    check((conv["type"], conv["scale"], conv["zero"]) == ("i8", 0.5, -128), "--emit=json, too", conv)
    check(conv["parameters"] == 20 and conv["bytes"] == 18, "  with parameters and bytes", conv)
    made = run("tiny.cnn", "--weights=good.safetensors", "--emit=model", "-o", "tiny.model")
    check(made.returncode == 0 and os.path.getsize("tiny.model") > 64, "--emit=model", made.stderr)
    made = run("tiny.cnn", "--weights=good.safetensors", "--batch=3", "--threads=openmp", "-o", "batch.c")
    check(made.returncode == 0, "--batch and --threads", made.stderr)


def test_damage():
    """Float weights are not an int8 file; changed bytes and numbers never crash cnnc."""
    rng, data, bad = random.Random(6), open("good.safetensors", "rb").read(), []
    size = int.from_bytes(data[:8], "little")
    for n in range(300):
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(8 + size, len(data)) if n % 2 else rng.randrange(len(data))
            changed[at] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        with open("bad.safetensors", "wb") as file:
            file.write(changed)
        made = run("tiny.cnn", "--weights=bad.safetensors", "--emit=c", "-o", "bad.out")
        if made.returncode not in (0, 1) or (made.returncode == 1) != ("error: " in made.stderr):
            bad.append(f"{made.returncode} {made.stderr}")
    check(not bad, "300 damaged files", "\n".join(bad[:3]))


def test_imported():
    """Tables and means as import writes them, and invalid ones."""
    with open("table.cnn", "w") as file:
        file.write("net table {\n  input x: 4x4x2 as i8\n  tanh(name=\"f\")\n"
                   "  y = global_avgpool(name=\"m\")\n  output y as i8\n}\n")
    good = {**stored("x", 0.5, 0), **stored("f", 0.5, 0), **stored("m", 0.1, 3),
            "f.table": ("I8", [1, 256], [(7 * i) % 256 - 128 for i in range(256)])}
    factor = note(m={"mean": "factor"})
    short = {**good, "f.table": ("I8", [1, 255], [0] * 255)}
    floats = {**good, "f.table": ("F32", [1, 256], [0.0] * 256)}
    alone = {name: array for name, array in good.items() if name not in ("f.scale", "f.zero")}
    for what, arrays, metadata, words in (
            ("a table, and a mean with a factor", good, factor, None),
            ("a table a channel", {**good, "f.table": ("I8", [2, 256], [1] * 512)}, factor, None),
            ("a table of 255", short, factor, "f.table: is I8 [1, 255]; must be I8 [1, 256]"),
            ("a float table", floats, factor, "f.table: is F32 [1, 256]; must be I8 [1, 256]"),
            ("a table without a scale", alone, factor, "f.scale (F32 [1]) and f.zero (I8 [1]) are missing"),
            ("a table without a layer", {**good, "g.table": good["f.table"]}, factor, "g.table: no layer"),
            ("a mean of another kind", good, note(m={"mean": "half"}),
             "\"mean\" of layer 'm' must be \"factor\""),
            ("a mean into a tiny scale", {**good, **stored("m", 1e-6, 0)}, factor, None)):
        save("table.safetensors", arrays, metadata)
        made = run("table.cnn", "--weights=table.safetensors", "--emit=c", "-o", "table.out")
        right = made.returncode == 0 if words is None else made.returncode == 1 and words in made.stderr
        check(right, what + (" is taken" if words is None else " is refused"), made.stderr)


def computed(name, layers, arrays, metadata, numbers, has_model=False, shape="2x2x1"):
    """The outputs of an int8 model with float inputs and outputs, for the inputs `numbers`."""
    with open(f"{name}.cnn", "w") as file:
        file.write(f"net {name} {{\n  input x: {shape}\n  {layers}\n}}\n")
    save(f"{name}.safetensors", arrays, metadata)
    made = run(f"{name}.cnn", f"--weights={name}.safetensors", "-Wno-not-int8", "-o", f"./lib{name}.so")
    check(made.returncode == 0, f"{layers}: made", made.stderr)
    if made.returncode:
        return []
    library = ctypes.CDLL(f"./lib{name}.so")
    array = ctypes.c_float * len(numbers)
    given, found, room = array(*numbers), array(), (ctypes.c_char * 65536)()
    at = (ctypes.addressof(room) + 63) // 64 * 64
    model = [ctypes.byref(ctypes.c_char.in_dll(library, f"{name}_trained"))] if has_model else []
    getattr(library, f"{name}_infer")(*model, given, found, ctypes.c_void_p(at))
    return [round(value, 2) for value in found]


def test_bounds():
    """A relu clips only its own input, not the values before this input."""
    found = computed("mean", "avgpool(2) -> relu", {**stored("x", 0.1, 0), **stored("relu1", 0.05, -128)},
                     note(), [-1, 1, 1, 0.2], has_model=True)
    check(found[:1] == [0.3], "relu after a mean clips the mean", found)
    wide = {"precision": "i16"}
    found = computed("twice", "relu -> relu6", {**stored("x", 0.001, 0), **stored("relu61", 0.001, 0)},
                     note(x=wide, relu61=wide), [-3, 2, 7, 20])
    check(found == [0, 2, 6, 6], "relu6 after relu clips at 6 in int16", found)
    table = {"tanh1.table": ("I8", [1, 256], [0] * 256)}
    found = computed("floats", "tanh(precision=f32)", {**stored("x", 0.01, 0), **table}, note(),
                     [0, 1, -1, 0.5])
    check(found == [0, 0.76, -0.76, 0.46], "an operator with a table can be computed in floats", found)
    slopes = {"f.weight": ("F32", [4100], [n % 2 for n in range(4100)])}
    found = computed("slopes", 'prelu(name="f")', {**stored("x", 0.01, 0), **stored("f", 0.01, 0), **slopes},
                     note(), [-1] * 4100, has_model=True, shape="1x1x4100")
    check(found == [0, -1] * 2050, "each of 4,100 channels has its own slope", found[:8])


def test_moves():
    """A data movement may have its own scale: its input is requantized first."""
    for layer, wanted in (("zero_pad([1, 0])", [0, 0.2, 1, 0]), ("upsample([2, 1])", [0.2, 0.2, 1, 1]),
                          ("crop([0, 0])", [0.2, 1])):
        name = layer[:layer.index("(")]
        found = computed("moved_" + name, layer, {**stored("x", 0.1, 0), **stored(f"{name}1", 0.2, 7)},
                         note(), [0.2, 1, 0, 0], has_model=True, shape="2x1x1")
        check(found[:len(wanted)] == wanted, f"{layer} into another scale", found)


def test_factors():
    """LiteRT's special cases, and int16 functions."""
    wide = {"precision": "i16"}

    def made(layers, arrays, metadata):
        with open("factors.cnn", "w") as file:
            file.write(f"net factors {{\n  input x: 2x2x1\n  {layers}\n}}\n")
        save("factors.safetensors", {**stored("x", 0.0001, 0), **arrays}, metadata)
        return run("factors.cnn", "--weights=factors.safetensors", "--emit=c", "-o", "-")
    unit, near, huge = stored("f", 2.0**-15, 0), stored("f", 9e-5, 0), stored("x", 6, 0)
    dense = {"f.weight": ("I8", [1, 4], [1] * 4), "f.weight.scale": ("F32", [1], [0.01]),
             **stored("f", 9e-6, 0)}
    narrow, whole = {**dense, "f.bias": ("I32", [1], [7])}, {**dense, "f.bias": ("I64", [1], [7])}
    both, byfloat, bydouble = (note(x=wide, f={**wide, **more}) for more in (
        {}, {"factor": "float"}, {"factor": "double"}))
    relu, product, layer = 'relu(name="f")', 'x -> multiply(x, name="f")', 'flatten -> dense(1, name="f")'
    for what, layers, arrays, metadata, words in (
            ("int16 sigmoid", 'sigmoid(name="f")', unit, both, None),
            ("int16 softmax", 'softmax(name="f")', unit, both, None),
            ("int16 tanh in another scale", 'tanh(name="f")', near, both, "tanh has no int16 form"),
            ("sigmoid of a huge scale", 'sigmoid(name="f")', {**unit, **huge}, both, "which is too large"),
            ("softmax of a huge scale", 'softmax(name="f")', {**unit, **huge}, both, "which is too large"),
            ("a relu with a float factor", relu, near, byfloat, None),
            ("a relu with a double factor", relu, near, bydouble, "not supported for relu"),
            ("a product with a float factor", product, near, note(f={"factor": "float"}), None),
            ("double product", product, near, note(f={"factor": "double"}), "factor must not be a double"),
            ("int8 with double factors", layer, narrow, note(f={"factor": "double"}),
             "not supported for int8 layers"),
            ("int16 with double factors", layer, whole, bydouble, None),
            ("int16 with float factors", layer, whole, byfloat, "not supported for int16 layers"),
            ("a factor of an unknown layer", relu, near, note(x=wide, f=wide, g={"factor": "float"}),
             "no layer of that name uses a factor"),
            ("a float16 factor", relu, near, note(f={"factor": "half"}), "'f' must be \"float\" or")):
        done = made(layers, arrays, metadata)
        good = done.returncode == 0 and not done.stderr if words is None else words in done.stderr
        check(good, what + (" is taken" if words is None else f": {words}"), done.stderr)


def test_many():
    """Any number of unknown arrays is reported in linear time."""
    extra = {f"extra{n}": ("I8", [0], []) for n in range(200000)}
    save("many.safetensors", {**names(), **extra}, note())
    with open("tiny.cnn", "w") as file:
        file.write(NET % "")
    begin = time.time()
    made = run("tiny.cnn", "--weights=many.safetensors", "--emit=c", "-o", "many.out")
    seconds = time.time() - begin
    told = made.returncode == 1 and "200000 differences" in made.stderr
    check(told, "200,000 arrays too many", made.stderr)
    check(seconds < 30, "  are reported in seconds", f"{seconds:.1f}")


start("quantized")
test_header()
test_views()
test_damage()
test_imported()
test_bounds()
test_moves()
test_factors()
test_many()
finish()
