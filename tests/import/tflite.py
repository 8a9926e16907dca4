"""Valid and hostile TensorFlow Lite models: cnnc import accepts them, or rejects them with a message. A model
is built with FlatBuffers written by hand. Run by tflite.tap."""
# SPDX-License-Identifier: Apache-2.0
import os
import random
import resource
import struct
import subprocess

from tap import check, finish, start
from tflite_models import (F32, I8, I16, I32, I64, RESOURCE, SAME, U8, VALID, Builder, Net, Tensor,
                           ints)
from tflite_wide_cases import Case, lstm

CNNC = os.environ["CNNC"]
SANITIZED = os.environ.get("SANITIZED")  # sanitizers reserve terabytes
MOST_MEMORY = 1 << 30


def tensor(b, shape, kind, buffer, scale=(0.5,), zero=(0,), axis=0, name=b"t"):
    quantization = {2: lambda: b.vector("f", scale), 3: lambda: b.vector("q", zero), 6: ("i", axis)}
    return lambda: b.table({
        0: lambda: b.vector("i", shape), 1: ("b", kind), 2: ("I", buffer), 3: lambda: b.vector("B", name),
        4: lambda: b.table(quantization)})


def model(code=9, version=3, opcode=0, inputs=(0, 1, 2), weight=b"\1" * 12, tensors=None, activation=0,
          bias=struct.pack("<3i", 1, 2, 3), sums=0):
    """A dense layer from 4 numbers to 3."""
    b = Builder()
    tensors = tensors or {}
    of = [dict(shape=[1, 4], kind=9, buffer=0), dict(shape=[3, 4], kind=9, buffer=1),
          dict(shape=[3], kind=2, buffer=2), dict(shape=[1, 3], kind=9, buffer=0)]
    for i, change in tensors.items():
        of[i].update(change)
    buffers = [b"", weight, bias]
    root = b.table({
        0: ("I", version),
        1: lambda: b.tables([lambda: b.table({0: ("b", min(code, 127)), 3: ("i", code)})]),
        2: lambda: b.tables([lambda: b.table({
            0: lambda: b.tables([tensor(b, **t) for t in of]),
            1: lambda: b.vector("i", [0]), 2: lambda: b.vector("i", [3]),
            3: lambda: b.tables([lambda: b.table({
                0: ("I", opcode), 1: lambda: b.vector("i", list(inputs)), 2: lambda: b.vector("i", [3]),
                4: lambda: b.table({0: ("b", activation), 4: ("b", sums)})})])})]),
        4: lambda: b.tables([lambda d=d: b.table({0: lambda: b.vector("B", d)}) for d in buffers])})
    b.data[0:4] = struct.pack("<I", root)
    return bytes(b.data)


def run(*arguments):
    return subprocess.run([CNNC, *arguments], capture_output=True, text=True)


def imported(data, *options):
    with open("m.tflite", "wb") as file:
        file.write(data)
    for name in ("m.cnn", "m.safetensors"):
        if os.path.exists(name):
            os.remove(name)
    return run("import", "m.tflite", *options)


def refused(what, data, words, slug="import-file"):
    result = imported(data)
    good = result.returncode == 1 and words in result.stderr and f"[{slug}]" in result.stderr
    check(good and not os.path.exists("m.cnn"), f"{what} is refused: {words}", result.stderr)


def test_good():
    check(imported(model()).returncode == 0, "a dense layer is imported")
    made = run("m.cnn", "--weights=m.safetensors", "--emit=c", "-o", "-")
    check(made.returncode == 0 and "int8_t" in made.stdout, "  and compiles", made.stderr)
    check(imported(model(activation=1)).returncode == 0 and "-> relu" in open("m.cnn").read(), "with relu")
    check(imported(model(inputs=(0, 1))).returncode == 0, "without a bias")
    check(imported(model(), "--rounding=single").returncode == 0, "--rounding=single")
    check(b"single" in open("m.safetensors", "rb").read(), "  is in the file")
    check(imported(model(), "--rounding=half").returncode == 2, "--rounding has three words")
    printed = imported(model(), "-o", "-")
    check(printed.returncode == 0 and printed.stdout.startswith("# imported"), "-o - prints the program")
    check(not os.path.exists("m.cnn"), "  and writes nothing")
    floats = {0: dict(kind=0), 1: dict(kind=0), 2: dict(kind=0), 3: dict(kind=0)}
    data = model(tensors=floats, weight=struct.pack("<12f", *range(12)))
    check(imported(data).returncode == 0, "a float model is imported")
    made = run("m.cnn", "--weights=m.safetensors", "-o", "m.c")
    check(made.returncode == 0, "  and compiles", made.stderr)


def test_refused():
    refused("another version", model(version=4), "format version is not 3")
    refused("an unknown operator", model(code=11), "L2_NORMALIZATION 0: it has no int8 or int16 form",
            "import-operator")
    listed = imported(model(code=11), "--list")
    check(listed.returncode == 1 and "no form: it has no int8 or int16 form    # L2_NORMALIZATION 0" in
          listed.stdout and not listed.stderr, "  by --list, too", listed.stdout + listed.stderr)
    for version in 4, 5:
        refused(f"NON_MAX_SUPPRESSION_V{version}", model(code=116 + version, tensors={
            i: dict(kind=0) for i in range(4)}, weight=b"\0" * 48),
            " 0: a number of results that depends on values", "import-operator")
    refused("an operator without a name", model(code=250), "builtin operator 250 0", "import-operator")
    for code in 1000, 1001, -2, -3:  # the importer's own operators have, or had, these numbers
        refused(f"operator {code}", model(code=code), f"builtin operator {code} 0", "import-operator")
    refused("an operator code that does not exist", model(opcode=7), "the code of an operator does not exist")
    refused("a tensor that does not exist", model(inputs=(0, 9)), "a tensor of an operator does not exist")
    refused("a separate tensor", model(inputs=(3, 1)), "is computed by a later operator", "import-operator")
    refused("a scale of 0", model(tensors={0: dict(scale=[0.0])}), "a scale must be a number above 0")
    refused("a scale of NaN", model(tensors={1: dict(scale=[float("nan")])}), "must be a number above 0")
    refused("a negative scale", model(tensors={3: dict(scale=[-1.0])}), "must be a number above 0")
    refused("a zero point of 200", model(tensors={0: dict(zero=[200])}), "a zero point is not an int8 value")
    refused("weights with a zero point", model(tensors={1: dict(zero=[3])}), "zero points other than 0",
            "import-operator")
    refused("two scales for three filters", model(tensors={1: dict(scale=[1.0, 1.0], zero=[0, 0])}),
            "must have one scale per channel")
    refused("a buffer of another size", model(weight=b"\1" * 11), "the size of a tensor's buffer is wrong")
    refused("a size of 0", model(tensors={0: dict(shape=[1, 0])}), "an input is not an image")
    refused("sizes beyond 31 bits", model(tensors={0: dict(shape=[1, 65536, 65536, 9])}),
            "an invalid size")
    refused("a batch of two", model(tensors={0: dict(shape=[2, 4])}), "an input is not an image")
    refused("an input without a scale", model(tensors={0: dict(scale=[], zero=[])}), "must have one scale")
    refused("bytes of another type", model(tensors={3: dict(kind=3)}), "is UINT8", "import-operator")
    refused("an activation", model(activation=4), "its activation is not relu, relu6 or relu_n1_to_1",
            "import-operator")
    refused("weights that do not fit", model(tensors={0: dict(shape=[1, 5])}), "have the wrong shape",
            "import-operator")
    refused("an output of another shape", model(tensors={3: dict(shape=[1, 2])}), "shape differs from")


def wide(tensors=None, bias=struct.pack("<3q", 1, -2, 2**40), **more):
    """The same dense layer with int16 values."""
    of = {0: dict(kind=I16), 2: dict(kind=I64), 3: dict(kind=I16)}
    for i, change in (tensors or {}).items():
        of.setdefault(i, {}).update(change)
    return model(tensors=of, bias=bias, **more)


def test_wide():
    """Models with int16 values and int8 weights."""
    check(imported(wide()).returncode == 0, "an int16 dense layer is imported")
    file = open("m.safetensors", "rb").read().replace(b"\\", b"")
    check(b'"precision": "i16"' in file and b'"I64"' in file, "  which the file states, with an int64 bias")
    made = run("m.cnn", "--weights=m.safetensors", "--emit=c", "-o", "-")
    check(made.returncode == 0 and "int16_t" in made.stdout, "  and compiles", made.stderr)
    check("input x: 4\n" in open("m.cnn").read(), "  the caller passes floats")
    check(imported(wide(inputs=(0, 1))).returncode == 0, "without a bias")
    check(imported(wide(activation=3)).returncode == 0 and "-> relu6" in open("m.cnn").read(), "with relu6")
    check(imported(wide(), "--rounding=litert").returncode == 0, "--rounding=litert")
    file = open("m.safetensors", "rb").read().replace(b"\\", b"")
    check(b'"factor": "double"' in file, "  has double factors")


def test_wide_refused():
    for place, name in ((0, "an input"), (3, "a value")):
        for scale, what in ((0.0, "0"), (-0.5, "-0.5"), (float("nan"), "NaN"), (float("inf"), "infinity")):
            refused(f"{name} in int16 with the scale {what}", wide({place: dict(scale=[scale])}),
                    "a scale must be a number above 0")
        refused(f"{name} in int16 with a zero point", wide({place: dict(zero=[1], name=b"v")}),
                "'v' is INT16, but its zero point is not 0")
    refused("an int16 input without a scale", wide({0: dict(scale=[], zero=[])}), "must have one scale")
    refused("an int64 input", wide({0: dict(kind=I64)}), "an input is INT64")
    refused("a truncated bias", wide(bias=b"\0" * 23), "the size of a tensor's buffer is wrong")
    rows, threes = "FULLY_CONNECTED 0: ", struct.pack("<3i", 1, 2, 3)
    for what, data, words in (
            ("a value without a scale", wide({3: dict(scale=[], zero=[])}), "0 scales, but only one scale"),
            ("an int32 bias", wide({2: dict(kind=I32)}, threes), rows + "it sums int16 values"),
            ("int32 sums without a bias", wide(inputs=(0, 1), sums=I32), "int16 values in int32"),
            ("an int16 bias", wide({2: dict(kind=I16)}, b"\0" * 6), "must have one INT64 number"),
            ("a float bias", wide({2: dict(kind=F32)}, b"\0" * 12), "must have one INT64 number"),
            ("an int64 bias in an int8 layer", model(tensors={2: dict(kind=I64)}, bias=b"\0" * 24),
             "must have one INT32 number"),
            ("int16 values into int8", model(tensors={0: dict(kind=I16)}),
             "INT16, but the net computes in INT8"),
            ("int8 values into int16", wide({0: dict(kind=I8)}), "INT8, but the net computes in INT16"),
            ("floats into int16", wide({0: dict(kind=F32)}), "FLOAT32, but the net computes in INT16"),
            ("int16 weights", wide({1: dict(kind=I16)}, weight=b"\1" * 24), "its weights are INT16"),
            ("int64 weights", wide({1: dict(kind=I64)}, weight=b"\1" * 96), "its weights are INT64"),
            ("an end at -1 and 1", wide(activation=2), "relu_n1_to_1 has no int16 form")):
        refused(what, data, words, "import-operator")
    imported(wide(bias=struct.pack("<3q", 0, 0, 2**60)))
    made = run("m.cnn", "--weights=m.safetensors", "--emit=c", "-o", "-")
    good = made.returncode == 1 and "can exceed 48 bits" in made.stderr
    check(good, "a bias of 2^60 overflows", made.stderr)


def test_wide_operators():
    same = [1, 4, 4, 8]

    def value(scale=0.001, shape=tuple(same), **more):
        return Tensor(shape, I16, scale, 0, **more)

    def of(name, y, x=None, beside=(), **options):
        return one(name, ["x", *beside], y, x=x or value(), **options)
    unit, window = value(2.0**-15), {f"f{k}": ("i", 1) for k in range(1, 5)}
    for what, data, words in (
            ("a sigmoid of another scale", of("LOGISTIC", value()), "the scale 1/32768"),
            ("a tanh of another scale", of("TANH", value(2.0**-14)), "the scale 1/32768"),
            ("a softmax of another scale", of("SOFTMAX", value(), f0=("f", 1.0)), "the scale 1/32768"),
            ("a softmax with beta", of("SOFTMAX", unit, f0=("f", 2.0)), "beta is 2"),
            ("a sigmoid by a huge scale", of("LOGISTIC", unit, value(6.0)), "too large"),
            ("a tanh by a huge scale", of("TANH", unit, value(1e30)), "too large"),
            ("a softmax by a huge scale", of("SOFTMAX", unit, value(6.0), f0=("f", 1.0)), "too large"),
            ("a slope below 0", of("LEAKY_RELU", value(), f0=("f", -0.5)), "slope is negative"),
            ("a slope of NaN", of("LEAKY_RELU", value(), f0=("f", float("nan"))), "is not a finite number"),
            ("relu from -1 to 1", of("RELU_N1_TO_1", value()), "RELU_N1_TO_1 0: it has no int16 form"),
            ("prelu", of("PRELU", value(), beside=[value(shape=[8], data=[1] * 8)]), "no int16 form"),
            ("gelu", of("GELU", value(), f0=("B", 0)), "no int16 form"),
            ("a quotient", of("DIV", value(), beside=["x"], f0=("b", 0)), "no int16 form"),
            ("an int8 constant", of("ADD", value(), beside=[Tensor([8], I8, 0.1, 0, data=[1] * 8)]),
             "does not match its result"),
            ("a sum by shifts", of("ADD", value(2.0**-10), value(2.0**-12), beside=["x"], f0=("b", 0)),
             "a separate kernel"),
            ("a pool into another scale", of("MAX_POOL_2D", value(0.002), **window), "different scales"),
            ("the larger of two scales", of("MAXIMUM", value(0.002), beside=["x"]), "different scales"),
            ("joined values of other scales",
             of("CONCATENATION", value(0.002, (1, 4, 4, 16)), beside=["x"], f0=("i", 3)), "different scales"),
            ("a sigmoid into int8", of("LOGISTIC", Tensor(same, I8, 1 / 256, -128)), "computes in INT8")):
        refused(f"{what}, in int16,", data, words, "import-operator")
    for what, data in (("a relu", of("RELU", value(1e-9), value(0.5))),
                       ("a conversion", of("QUANTIZE", value(1e-9), value(0.5)))):
        imported(data)
        made = run("m.cnn", "--weights=m.safetensors", "--emit=c", "-o", "-")
        check(made.returncode == 0, f"{what} by 2^28 is compiled", made.stderr)


def one(name, inputs, out, shape=(1, 4, 4, 8), kind=I8, x=None, **options):
    """A model with one operator on an image."""
    x = x or Tensor(shape, kind, *((0.05, 3) if kind == I8 else ()))
    net = Net(x)
    net.add(name, [x if t == "x" else t for t in inputs], out, **options)
    return net.write(out)


def test_operators():
    """Unsupported variants of the operators of tflite_ops.py."""
    def bytes8(shape, scale=0.05, zero=3, **more):
        return Tensor(shape, I8, scale, zero, **more)

    def pads(*sides):
        return Tensor([len(sides) // 2, 2], I32, data=list(sides))
    same, masks = [1, 4, 4, 8], {f"f{k}": ("i", 0) for k in range(5)}
    weight = Tensor([2, 3, 3, 8], I8, 0.01, 0, data=[1] * 144)
    wide, wider = Tensor([1, 8, 8, 8], I8, 0.05, 3), Tensor([1, 12, 12, 8], I8, 0.05, 3)
    for what, data, words in (
            ("a mean over channels", one("MEAN", ["x", ints([3])], bytes8([1, 4, 4])),
             "its axes are not height and width"),
            ("a mean over computed axes", one("MEAN", ["x", "x"], bytes8([1, 8])),
             "axes must be constant"),
            ("a maximum over channels", one("REDUCE_MAX", ["x", ints([3])], bytes8([1, 4, 4])),
             "its axes are not height and width"),
            ("a minimum of another scale", one("REDUCE_MIN", ["x", ints([1, 2])], bytes8([1, 8], 0.06)),
             "have different scales"),
            ("a sum over computed axes", one("SUM", ["x", "x"], bytes8([1, 8])), "axes must be constant"),
            ("copies along two axes", one("TILE", ["x", ints([1, 2, 2, 1])], bytes8([1, 8, 8, 8])),
             "along two axes"),
            ("a border around images", one("PAD", ["x", pads(1, 0, 0, 0, 0, 0, 0, 0)], bytes8(same)),
             "it pads the batch"),
            ("a border of less than nothing", one("PAD", ["x", pads(0, 0, -1, 0, 0, 0, 0, 0)], bytes8(same)),
             "padding is negative"),
            ("a border of another scale", one("PAD", ["x", pads(0, 0, 0, 0, 0, 0, 0, 0)], bytes8(same, 0.06)),
             "have different scales"),
            ("a slice backwards", one("STRIDED_SLICE", ["x", ints([0] * 4), ints(same), ints([1, -1, 1, 1])],
                                      bytes8(same), **masks), "its step is negative"),
            ("an empty slice", one("SLICE", ["x", ints([0, 3, 0, 0]), ints([1, 0, 4, 8])], bytes8(same)),
             "removes all elements"),
            ("a slice out of bounds", one("SLICE", ["x", ints([0] * 4), ints([1, 3, 4, 8])], bytes8(same)),
             "does not match its bounds"),
            ("channels with a step",
             one("STRIDED_SLICE", ["x", ints([0] * 4), ints(same), ints([1, 1, 1, 2])],
                 bytes8([1, 4, 4, 4]), **masks), "channels with a step"),
            ("joined images", one("CONCATENATION", ["x", "x"], bytes8([2, 4, 4, 8]), f0=("i", 0)),
             "more than one image"),
            ("one value joined", one("CONCATENATION", ["x"], bytes8(same), f0=("i", 3)), "only one value"),
            ("bilinear from the corner", one("RESIZE_BILINEAR", ["x", ints([8, 8])], wide),
             "its sampling positions are not supported"),
            ("nearest by corners", one("RESIZE_NEAREST_NEIGHBOR", ["x", ints([12, 12])], wider, f0=("B", 1)),
             "its sampling positions are not supported"),
            ("a transposed convolution of another size",
             one("TRANSPOSE_CONV", [ints([1, 12, 8, 2]), weight, "x"], bytes8([1, 12, 8, 2]), f0=("b", SAME),
                 f1=("i", 2), f2=("i", 2)), "does not match its stride"),
            ("a sigmoid of another scale", one("LOGISTIC", ["x"], bytes8(same)), "the scale 1/256"),
            ("a tanh of another scale", one("TANH", ["x"], bytes8(same)), "the scale 1/128"),
            ("a hard_swish by a tiny scale", one("HARD_SWISH", ["x"], bytes8(same, 1e-5)),
             "are incompatible"),
            ("a slope below 0", one("LEAKY_RELU", ["x"], bytes8(same), f0=("f", -1.0)), "slope is negative"),
            ("a slope far below 0",
             one("LEAKY_RELU", ["x"], bytes8(same), x=bytes8(same, 1e10), f0=("f", -3e38)),
             "slope is negative"),
            ("a slope of NaN", one("LEAKY_RELU", ["x"], bytes8(same), f0=("f", float("nan"))),
             "is not a finite number"),
            ("slopes a pixel", one("PRELU", ["x", bytes8([4, 4, 1], data=[1] * 16)], bytes8(same)),
             "must have one slope per channel, or one for all"),
            ("slopes that are computed", one("PRELU", ["x", "x"], bytes8(same)), "must be constants"),
            ("a constant of another shape", one("ADD", ["x", bytes8([3], data=[1] * 3)], bytes8(same)),
             "does not match its result"),
            ("two constants", one("ADD", [bytes8([8], data=[1] * 8)] * 2, bytes8(same)),
             "computes a constant"),
            ("blocks of nothing", one("DEPTH_TO_SPACE", ["x"], bytes8(same), f0=("i", 0)), "its block size"),
            ("other elements", one("RESHAPE", ["x"], bytes8([1, 64])), "different number of elements"),
            ("bytes without signs within", one("RELU", ["x"], bytes8(same), x=Tensor(same, U8, 0.05, 3)),
             "UINT8"),
            ("bytes into floats", one("RELU", ["x"], Tensor(same, F32)), "is INT8, but")):
        refused(what, data, words, "import-operator")
    x, y = bytes8(same), Tensor(same, F32)
    net = Net(x)
    net.add("DEQUANTIZE", [x], y)
    one_more, q = net.add("EXP", [y], Tensor(same, F32)), bytes8(same, 0.5)
    net.add("QUANTIZE", [one_more], q)
    refused("floats that are also rounded", net.write(one_more, q), "uses the float value", "import-operator")
    net = Net(x)
    mean = net.add("MEAN", [x, ints([3])], bytes8([1, 4, 4]))
    net.add("LOGISTIC", [x], q)
    told = imported(net.write(mean, q)).stderr
    check("MEAN 0" in told and "LOGISTIC 1" in told and "2 of 2 operators" in told,
          "all are reported together", told)


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def misread(data):
    """The failure if cnnc neither imports the damaged model nor refuses it; None: there is no failure."""
    with open("m.tflite", "wb") as file:
        file.write(data)
    result = subprocess.run([CNNC, "import", "m.tflite", "-o", "-"], capture_output=True, text=True,
                            preexec_fn=None if SANITIZED else limited, timeout=60)
    if result.returncode == 0 or result.returncode == 1 and "m.tflite: error: " in result.stderr:
        return None
    return f"status {result.returncode}: {result.stderr[:200]}"


def operators_of_sizes(kind):
    """Models of one or two operators, in floats or int8, whose results depend on sizes and constants."""
    def value(*shape, **more):
        return Tensor(shape, kind, *((0.05, 3) if kind == I8 else ()), **more)

    def net(name, inputs, *shape, **options):
        x, y = value(1, 4, 4, 8, name="x"), value(*shape, name="y")
        made = Net(x)
        made.add(name, [x if t == "x" else t for t in inputs], y, **options)
        return made, y
    zeros = {f"f{k}": ("i", 0) for k in range(5)}
    weight = Tensor([2, 3, 3, 8], kind, *((0.01, 0) if kind == I8 else ()), data=[1] * 144)
    pads, half = Tensor([4, 2], I32, data=[0, 0, 1, 1, 1, 1, 0, 0]), ints([1, 2, 4, 8])
    made = [net("RESHAPE", ["x", ints([1, 128])], 1, 128), net("RESHAPE", ["x"], 1, 128),
            net("TILE", ["x", ints([1, 1, 2, 1])], 1, 4, 8, 8), net("PAD", ["x", pads], 1, 6, 6, 8),
            net("CONCATENATION", ["x", "x"], 1, 4, 4, 16, f0=("i", 3)),
            net("STRIDED_SLICE", ["x", ints([0] * 4), half, ints([1] * 4)], 1, 2, 4, 8, **zeros),
            net("SLICE", ["x", ints([0] * 4), half], 1, 2, 4, 8),
            net("RESIZE_NEAREST_NEIGHBOR", ["x", ints([8, 8])], 1, 8, 8, 8),
            net("TRANSPOSE", ["x", ints([0, 2, 1, 3])], 1, 4, 4, 8),
            net("MEAN", ["x", ints([1, 2])], 1, 8), net("SPLIT", [ints([3]), "x"], 1, 4, 4, 8, f0=("i", 1)),
            net("CONV_2D", ["x", weight], 1, 2, 2, 2, f0=("b", VALID), f1=("i", 1), f2=("i", 1)),
            net("MAX_POOL_2D", ["x"], 1, 2, 2, 8, f0=("b", VALID), f1=("i", 2), f2=("i", 2), f3=("i", 2),
                f4=("i", 2)),
            net("TRANSPOSE_CONV", [ints([1, 9, 9, 2]), weight, "x"], 1, 9, 9, 2, f0=("b", VALID),
                f1=("i", 2), f2=("i", 2))]
    if kind == F32:
        small = Tensor([8], F32, data=[1] * 8)
        made += [net("BROADCAST_TO", ["x", ints([1, 4, 4, 8])], 1, 4, 4, 8),
                 net("GATHER", ["x", ints([0, 2])], 1, 4, 4, 2, f0=("i", 3)),
                 net("ADD", ["x", small], 1, 4, 4, 8), net("PACK", ["x", "x"], 2, 1, 4, 4, 8, f0=("i", 2)),
                 net("EXPAND_DIMS", ["x", ints([0])], 1, 1, 4, 4, 8),
                 net("ONE_HOT", [ints([1, 2]), ints([4]), *[Tensor([], F32, data=[1])] * 2], 2, 4),
                 net("RANGE", [Tensor([], I32, data=[0]), Tensor([], I32, data=[6]),
                               Tensor([], I32, data=[1])], 6)]
    return made


def test_hostile():
    """Sizes, constants and buffers that do not fit: the model is refused, and needs little memory."""
    most = 2**31 - 1
    for kind in (F32, I8):
        wrong = []
        for net, y in operators_of_sizes(kind):
            good = misread(net.write(y))
            wrong += [f"{net.ops[0][0]}: {good}"] if good else []
            for i, t in enumerate(net.tensors):
                shape, data = t.shape, t.data
                for other in ([most], [1, most, most, most], [-1, -1, 4, 8], [-2**31], [1, 0, 4, 8], [],
                              [1] * 9, [1, 46341, 46341, 1]):
                    t.shape = other
                    wrong.append(f"{net.ops[0][0]}, tensor {i} is {other}: {misread(net.write(y))}")
                t.shape = shape
                for short in (data[:-1], data[:1], data + data) if data else ():
                    t.data = short
                    wrong.append(f"{net.ops[0][0]}, {len(short)} bytes: {misread(net.write(y))}")
                for number in (most, -1, -2**31, 0, 2**30) if data and t.kind == I32 else ():
                    t.data = struct.pack("<i", number) * (len(data) // 4)
                    wrong.append(f"{net.ops[0][0]}, {number}: {misread(net.write(y))}")
                t.data = data
        count, wrong = len(wrong), [what for what in wrong if not what.endswith(": None")]
        of = "floats" if kind == F32 else "int8"
        check(not wrong, f"{count} models of {of} with hostile sizes are read or refused in little memory",
              "\n".join(wrong[:20]))


def floats(shape, data=None, **more):
    return Tensor(shape, F32, data=data, **more)


def dense(net, x, to):
    shape = [to.shape[1], x.shape[1]]
    return net.add("FULLY_CONNECTED", [x, floats(shape, [0.5] * shape[0] * shape[1])], to, f0=("b", 0))


def test_floats():
    """A float model: names, forms, options."""
    x, gain = floats([1, 8], name="in"), floats([8], [2.0] * 8)
    net, axis, one = Net(x), Tensor([], I32, data=[-1]), [1, 1]
    mean = net.add("MEAN", [x, axis], floats(one), f0=("B", 1))
    d = net.add("SUB", [x, mean], floats([1, 8]))
    squares = net.add("MEAN", [net.add("MUL", [d, d], floats([1, 8])), axis], floats(one), f0=("B", 1))
    root = net.add("RSQRT", [net.add("ADD", [squares, floats([], [1e-3])], floats(one))], floats(one))
    scaled = net.add("MUL", [net.add("MUL", [d, root], floats([1, 8])), gain], floats([1, 8]))
    y = net.add("ADD", [scaled, gain], floats([1, 8], name="scores"))
    told = imported(net.write(y))
    program = open("m.cnn").read()
    check(told.returncode == 0 and "y = layernorm(epsilon=0.001" in program and "mean" not in program,
          "a decomposed layer norm is one layer", told.stderr + program)
    check("input x: 8  # in 1x8" in program and "# scores 1x8" in program, "comments name inputs and outputs",
          program)
    x, mid, y = floats([1, 4], name="in"), floats([1, 3], name="mid"), floats([1, 2], name="end")
    net = Net(x)
    dense(net, x, mid)
    dense(net, mid, y)
    data = net.write(y)
    told = imported(data, "--outputs=mid")
    check(told.returncode == 0 and "dense2" not in open("m.cnn").read(), "--outputs by the name of a tensor",
          told.stderr)
    told = imported(data, "--outputs=middle")
    check(told.returncode == 1 and "there is no tensor 'middle'" in told.stderr and "--list" in told.stderr,
          "  which must be one")
    with open(os.environ["top_srcdir"] + "/tests/models/kws_ref_model.tflite", "rb") as file:
        words = file.read()
    told, listed = imported(words, "--outputs=middle"), imported(words, "--list")
    check(told.returncode == 1 and "no tensor 'middle'" in told.stderr and "--list" in told.stderr,
          "  also in an int8 model", told.stderr)
    lines = listed.stdout.splitlines()
    check(listed.returncode == 0 and len(lines) == 13 and lines[9].split()[:3] ==
          ["AVERAGE_POOL_2D", "1x1x1x64", "avgpool(25x5,"], "  --list has all of its operators",
          listed.stdout)
    last = lines[11].split("    # FULLY_CONNECTED 11, ")[1]
    check(imported(words, "--outputs=" + last).returncode == 0, "  with the names of their results")
    told = imported(data, "--list")
    check(told.returncode == 0 and "# FULLY_CONNECTED 1" in told.stdout, "--list has all operators",
          told.stdout)
    check(imported(data, "--layout=chw").returncode == 1, "--layout is for ONNX alone")
    net.ops.reverse()
    told = imported(net.write(y))
    check(told.returncode == 0 and "dense(3" in open("m.cnn").read(), "operators in another order",
          told.stderr)


def test_shapes():
    x, y = floats([1, 1, 1, 2], name="in", signature=[1, -1, -1, 2]), floats([1, 1, 1, 2])
    net = Net(x)
    net.add("RELU", [x], y)
    data = net.write(y)
    check(imported(data).returncode == 0 and "x: 1x1x2" in open("m.cnn").read(), "open sizes have an example")
    told = imported(data, "--shape", "in=1x5x7x2")
    check(told.returncode == 0 and "x: 5x7x2" in open("m.cnn").read(), "--shape sets them", told.stderr)
    told = imported(data, "--shape", "in=1x5x7x3")
    check(told.returncode == 1 and "are fixed in the model" in told.stderr, "  the others stay", told.stderr)


def test_reasons():
    """A rejected model: the messages list every unsupported operator by name, and the outputs that can be
    imported."""
    x, mid, y = floats([1, 4], name="in"), floats([1, 3], name="mid"), floats([1, 3], name="end")
    net = Net(x)
    dense(net, x, mid)
    net.add("CUSTOM Landmarks2TransformMatrix", [mid], y)
    z = net.add("UNIDIRECTIONAL_SEQUENCE_RNN", [y], floats([1, 3]))
    data = net.write(z)
    check(imported(data, "--list").returncode == 1, "--list fails if an operator has no form")
    told = imported(data).stderr
    check("2 of 3 operators have no form" in told, "counts operators", told)
    check("CUSTOM Landmarks2TransformMatrix 1: an operator outside TensorFlow Lite" in told,
          "a custom operator by its name", told)
    check("UNIDIRECTIONAL_SEQUENCE_RNN 2: a recurrent layer" in told, "  and what comes after it", told)
    check("--outputs=mid is the largest part that can be imported (1 operator)" in told, "  and the rest",
          told)
    check(imported(net.write(z), "--outputs=mid").returncode == 0, "  which can be imported")
    for kind, what in ((F32, "floats"), (I8, "8 bits")):
        def value(name="t"):
            return Tensor([1, 4], kind, *((0.5, 0) if kind == I8 else ()), name=name)
        x, old, y = value("in"), value(), value("end")
        net, handle = Net(x), Tensor([], RESOURCE)
        first = net.add("RELU", [x], value("first"))
        net.add("VAR_HANDLE", [], handle)
        net.add("READ_VARIABLE", [handle], old)
        net.add("ADD", [first, old], y)
        net.add("ASSIGN_VARIABLE", [handle, y], [])
        told = imported(net.write(y)).stderr
        words = "VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE: the model keeps state between calls"
        check(words in told and "error: 1 of " in told, f"state between calls, {what}", told)
        check("--outputs=first is the largest" in told, "  and the part without it", told)


def test_lstm():
    """An lstm's program, and its unsupported variants."""
    def model(rows=6, clip=2.5, cell=Tensor([1, 5], I16, 2.0**-12, variable=True), **changes):
        case = Case("lstm", Tensor([1, rows, 4], I8, 0.02, 3, name="x"))
        case.outputs.append(lstm(case, case.inputs[0], random.Random(1), 5, 0.007, 4, 2.0**-12, clip,
                                 **{"i19": cell, **changes}))
        return case.data()
    for options, call in (({}, 'lstm(5, clip=2.5, name="lstm1")'), ({"clip": 0.0}, 'lstm(5, name="lstm1")')):
        made = imported(model(**options))
        check(made.returncode == 0 and call in open("m.cnn").read(), call, made.stderr)
    check("keeps the state of lstm1 between calls" in open("m.cnn").read(), "  names the output of its state")
    check("input x: 6x4 " in open("m.cnn").read(), "  of a sequence")
    norm, gate = Tensor([5], I16, 0.01, data=[1] * 5), Tensor([5, 4], I8, 0.01, data=[1] * 20)
    for changes, why in (({"i9": norm}, "it has peepholes"), ({"i21": norm}, "it has layer norms"),
                         ({"i1": None}, "its input gate is coupled to its forget gate"),
                         ({"i16": Tensor([3, 5], I8, 0.01, data=[1] * 15)}, "no int8 form"),
                         ({"i2": None}, "a weight is missing"),
                         ({"i7": gate}, "its weights have the wrong shape"),
                         ({"i3": Tensor([5, 4], I8, 0.01, 1, data=[1] * 20)}, "one scale and zero point 0"),
                         ({"i13": Tensor([5], I64, data=[1] * 5)}, "one int32 number per unit"),
                         ({"i18": Tensor([1, 5], I8, 0.006, 4, variable=True)}, "and its result have"),
                         ({"i18": None}, "its state is missing"),
                         ({"cell": Tensor([1, 5], I8, 0.01, variable=True)}, "its cell state is INT8")):
        told = imported(model(**changes))
        check(told.returncode == 1 and why in told.stderr, why, told.stderr)


def test_sparse():
    def write(segments, indices, b):
        dense, sparse = {0: ("b", 0), 1: ("i", 2)}, {
            0: ("b", 1), 2: ("b", 1), 3: lambda: b.table({0: lambda: b.vector("i", segments)}),
            4: ("b", 1), 5: lambda: b.table({0: lambda: b.vector("i", indices)})}
        return b.table({0: lambda: b.vector("i", [0, 1]),
                        2: lambda: b.tables([lambda: b.table(dense), lambda: b.table(sparse)])})
    for segments, indices, good in (([0, 1, 3], [3, 0, 2], True), ([0, 1, 3], [3, 0, 4], False),
                                    ([0, 1, 4], [3, 0, 2], False), ([0, 2, 1], [3, 0, 2], False),
                                    ([0, 1, 2], [3, 0, 2], False), ([0, 1], [3, 0, 2], False)):
        x, y = floats([1, 4]), floats([1, 2])
        w = floats([2, 4], [1.0, 2.0, 3.0], sparse=lambda b, s=segments, i=indices: write(s, i, b))
        net = Net(x)
        net.add("FULLY_CONNECTED", [x, w], y, f0=("b", 0))
        told = imported(net.write(y))
        check(told.returncode == 0 if good else "sparse weights with invalid indices or sizes" in told.stderr,
              f"sparse weights of {segments} and {indices}", told.stderr)


def test_damage():
    """Changed bytes and truncated files: rejected or accepted, never a crash."""
    data, rng, bad = model(), random.Random(4), []
    cases, whole = [data[:n] for n in range(0, len(data), 7)], [data]
    whole.append(one("STRIDED_SLICE", ["x", ints([0] * 4), ints([1, 4, 4, 8]), ints([1, 2, 1, 1])],
                     Tensor([1, 2, 4, 8], I8, 0.05, 3), **{f"f{k}": ("i", 0) for k in range(5)}))
    whole.append(one("PRELU", ["x", Tensor([8], I8, 0.1, 0, data=[1] * 8)],
                     Tensor([1, 4, 4, 8], I8, 0.05, 3)))
    whole.append(wide())
    x = Tensor([1, 4, 4, 8], F32)
    wrong = Net(x)
    part = wrong.add("STRIDED_SLICE", [x, ints([0] * 4), ints([1, 4, 4, 8]), ints([1, 2, 1, 1])],
                     Tensor([1, 2, 4, 8], F32), **{f"f{k}": ("i", 0) for k in range(5)})
    whole.append(wrong.write(wrong.add("MEAN", [part, ints([1, 2])], Tensor([1, 8], F32))))
    for k in range(500):
        changed = bytearray(whole[k % len(whole)])
        for _ in range(rng.randrange(1, 4)):
            changed[rng.randrange(8, len(changed))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        cases.append(bytes(changed))
    for case in cases:
        result = imported(case)
        if result.returncode not in (0, 1) or (result.returncode == 1 and "error" not in result.stderr):
            bad.append(result.stderr)
    check(not bad, f"{len(cases)} damaged files", "\n".join(bad[:3]))


def main():
    start("tflite")
    test_good()
    test_refused()
    test_wide()
    test_wide_refused()
    test_wide_operators()
    test_operators()
    test_hostile()
    test_floats()
    test_shapes()
    test_reasons()
    test_lstm()
    test_sparse()
    test_damage()
    finish()


main()
