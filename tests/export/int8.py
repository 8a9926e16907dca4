"""int8.py CNNC SOURCE_DIR: exports int8 models with each rounding mode to ONNX, and imports them again. The
imported program must equal the original one, and its outputs must be the same bytes. The outputs of
onnxruntime, if it is installed, may differ by one step."""
# SPDX-License-Identifier: Apache-2.0
import fractions, math, os, random, sys
top = os.path.abspath(sys.argv[2])
sys.path.append(os.path.join(top, "tests", "harness"))
import compiled, quantized
from tap import check, finish, start
try:
    import numpy, onnxruntime
except ImportError:
    onnxruntime = None

NET = """net small {
    input image: 8x8x3 as u8
    a = image -> conv(8, 3x3, pad=same, name="one") -> relu
    b = a -> depthwise(3x3, pad=same, name="two") -> relu6
    c = a -> conv(8, 1x1, bias=false, name="three") -> batchnorm(name="norm")
    d = a -> add(b, c, name="sum") -> relu
    e = d -> maxpool(2, name="pool") -> conv(4, 3x3, pad=same, groups=2, name="four") -> tanh(name="curve")
    g = e -> flatten -> dense(5, name="five") -> softmax(name="scores")
    h = d -> conv_transpose(3, 2x2, stride=2, name="six")
    i = e -> concat(e, name="both") -> avgpool(2, name="mean")
    output g, h, i
}
"""
SHAPES = {"one": [8, 3, 3, 3], "two": [8, 1, 3, 3], "three": [8, 8, 1, 1], "four": [4, 4, 3, 3],
          "five": [5, 64], "six": [8, 3, 2, 2]}
READS = {"one": "image", "two": "one", "three": "one", "four": "sum", "five": "curve", "six": "sum"}
ZEROS = {"one": -128, "two": -128, "three": 5, "four": -3, "five": 0, "six": 7}


def arrays(seed):
    """Scales with which few values saturate."""
    numbers, scale, made = random.Random(seed), {"image": 1 / 64, "curve": 1 / 128}, {}
    made.update(quantized.stored("image", scale["image"], -128))
    for name, shape in SHAPES.items():
        spreads = name == "six"
        filters, terms = (shape[1], shape[0]) if spreads else (shape[0], math.prod(shape[1:]))
        if name == "four":
            scale["sum"] = 1.5 * max(scale[part] for part in ("one", "two", "three"))
            made.update(quantized.stored("sum", scale["sum"], -128))
        own = [numbers.uniform(0.004, 0.012) for _ in range(filters)]
        bias = [numbers.randrange(-3000, 3000) for _ in range(filters)]
        weight = [numbers.randrange(-127, 128) for _ in range(math.prod(shape))]
        made.update(quantized.layer(name, shape, weight, own, bias))
        scale[name] = scale[READS[name]] * 0.008 * 73 * 80 * math.sqrt(terms) / 60
        if name == "five":
            scale[name] /= 4
        made.update(quantized.stored(name, scale[name], ZEROS[name]))
    scale.update(both=scale["curve"])
    return made, [1 / 256, scale["six"], scale["both"]]


def operators(program):
    return sorted(layer["operator"] for layer in compiled.facts_of(cnnc, program)["layers"]
                  if layer["operator"] not in ("batchnorm", "flatten"))


def round_trip(rounding):
    made, steps = arrays(8)
    weights, model, back = rounding + ".safetensors", rounding + ".onnx", rounding + "_back"
    quantized.save(weights, made, quantized.note(rounding))
    out = compiled.command(cnnc, "net.cnn", "--weights=" + weights, "-o", model)
    check(out.returncode == 0, f"{rounding}: an int8 model is written as ONNX", out.stderr)
    if out.returncode:
        return
    check(("[onnx-rounding]" in out.stderr) == (rounding != "float"),
          f"{rounding}: a note says where ONNX rounds differently", out.stderr)
    out = compiled.command(cnnc, "import", model, "--rounding=" + rounding, "-o", back)
    check(out.returncode == 0, f"{rounding}: it is imported again", out.stderr)
    if out.returncode:
        return
    ours, theirs = operators("net.cnn"), operators(back + ".cnn")
    check(ours == theirs, f"{rounding}: as the same program", f"{ours}\n{theirs}")
    first = compiled.Net(cnnc, "net.cnn", weights, rounding)
    second = compiled.Net(cnnc, back + ".cnn", back + ".safetensors", back)
    inputs = [compiled.draw_inputs(first.facts, seed) for seed in range(4)]
    outputs = [first(x) for x in inputs]
    check(all(len({round(v / s) for y in outputs for v in y[k]}) > 5 for k, s in enumerate(steps)),
          f"{rounding}: the outputs of samples differ")
    check([second(x) for x in inputs] == outputs, f"{rounding}: with the same bytes")
    if rounding != "float":
        return
    if not onnxruntime:
        check(True, "onnxruntime computes the same up to a step # SKIP no onnxruntime")
        return
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    worst, others, count = 0, 0, 0
    for x, ys in zip(inputs, outputs):
        image = numpy.array(x[0], numpy.uint8).reshape(8, 8, 3).transpose(2, 0, 1)[None]
        for y, got, step in zip(ys, session.run(None, {session.get_inputs()[0].name: image}), steps):
            if got.ndim == 4:
                got = got.transpose(0, 2, 3, 1)
            off = numpy.abs(numpy.rint((got.ravel() - numpy.array(y)) / step))
            worst, others, count = max(worst, off.max()), others + (off > 0).sum(), count + off.size
    print(f"# {others} of {count} bytes are others than onnxruntime's")
    check(worst <= 1, "onnxruntime computes the same up to a step", f"{worst} steps")


MEANS = """net means {
    input x: 4x4x6 as i8
    inside = x -> avgpool(2, name="inside")
    edges = x -> avgpool(3, stride=2, pad=same, name="edges")
    padded = x -> avgpool(3, stride=2, pad=same, count_pad=true, name="padded")
    whole = x -> global_avgpool(name="whole")
    y = whole -> dense(1, name="y")
    output inside, edges, padded, whole, y
}
"""


def window_mean(x, zero, rows, columns, c, mean, padding):
    """The mean of channel c in a window of a 4x4x6 image. padding: the value outside; None: not counted."""
    numbers = [x[(h * 4 + w) * 6 + c] if h < 4 and w < 4 else padding for h in rows for w in columns]
    numbers = [q for q in numbers if q is not None]
    return mean(sum(numbers), len(numbers), zero)


def even_mean(total, n, zero):
    return zero + round(fractions.Fraction(total - n * zero, n))  # halves to even


def away_mean(total, n, zero):
    return (total + n // 2) // n if total > 0 else -((n // 2 - total) // n)


def means():
    """Means of bytes often end in .5. They must be rounded as in onnxruntime (rounding float) or as in LiteRT
    (single, double)."""
    with open("means.cnn", "w") as file:
        file.write(MEANS)
    layer = quantized.layer("y", [1, 6], [1] * 6, [0.01], [0])
    numbers = random.Random(4)
    for rounding, mean in (("float", even_mean), ("single", away_mean), ("double", away_mean)):
        for zero in (0, 3, -128, 127):
            name = f"means_{rounding}_{zero + 128}"
            quantized.save(name + ".safetensors",
                           {**layer, **quantized.stored("x", 0.5, zero), **quantized.stored("y", 0.5, 0)},
                           quantized.note(rounding))
            x = [numbers.choice((-128, -3, -2, -1, 0, 1, 2, 3, 4, 127)) for _ in range(96)]
            places = [(h, w, c) for h in range(2) for w in range(2) for c in range(6)]
            two, three = (lambda i: range(2 * i, 2 * i + 2)), (lambda i: range(2 * i, 2 * i + 3))
            expected = [[window_mean(x, zero, two(h), two(w), c, mean, None) for h, w, c in places],
                        [window_mean(x, zero, three(h), three(w), c, mean, None) for h, w, c in places],
                        [window_mean(x, zero, three(h), three(w), c, mean, zero) for h, w, c in places],
                        [window_mean(x, zero, range(4), range(4), c, mean, None) for c in range(6)]]
            for level in ("-O0", "-O2"):
                net = compiled.Net(cnnc, "means.cnn", name + ".safetensors", name + level, (level,))
                found = [[q / 0.5 + zero for q in y] for y in net([x])[:-1]]
                check(found == expected, f"means that round as {rounding}, zero point {zero}, {level}",
                      f"{found}\n{expected}")


OTHER = """net other {
    input x: 2x3x2 as i8
    y = x -> flatten
    f = x -> %s(name="f")
    output y as i8, f as i8
}
"""


def written(operator, arrays):
    with open("other.cnn", "w") as file:
        file.write(OTHER % operator)
    quantized.save("other.safetensors", arrays, quantized.note("float"))
    return compiled.command(cnnc, "other.cnn", "--weights=other.safetensors", "-o", "other.onnx")


def others():
    """Settings that have no form in ONNX give a note or an error. A net whose input is also an output is
    exported."""
    quantized.save("own.safetensors", arrays(8)[0], quantized.note("float", five={"rounding": "single"}))
    out = compiled.command(cnnc, "net.cnn", "--weights=own.safetensors", "-o", "own.onnx")
    check(out.returncode == 0 and "[onnx-rounding]" in out.stderr,
          "a note where one layer rounds in another way", out.stderr)
    ends = {**quantized.stored("x", 0.5, 0), **quantized.stored("f", 0.25, 3)}
    table = {"f.table": ("I8", [2, 256], [(7 * i) % 256 - 128 for i in range(512)])}
    out = written("prelu", {**ends, **table})
    told = "[onnx-operator]" in out.stderr and "has a lookup table instead of 'f.weight'" in out.stderr
    check(out.returncode == 1 and told and not os.path.exists("other.onnx"),
          "a table without its parameters has no form", out.stderr)
    out = written("relu", ends)
    check(out.returncode == 0, "an input that is an output, in bytes", out.stderr)
    out = compiled.command(cnnc, "import", "other.onnx", "--rounding=float", "-o", "other_back")
    check(out.returncode == 0, "  is imported again", out.stderr)
    if out.returncode:
        return
    first = compiled.Net(cnnc, "other.cnn", "other.safetensors", "first")
    second = compiled.Net(cnnc, "other_back.cnn", "other_back.safetensors", "second")
    x = compiled.draw_inputs(first.facts, 1)
    check(first(x) == second(x) and list(first(x)[0]) == list(x[0]), "  with the same bytes",
          f"{first(x)} {second(x)}")


cnnc = os.path.abspath(sys.argv[1])
start("onnx-bytes")
with open("net.cnn", "w") as file:
    file.write(NET)
for word in ("float", "single", "double"):
    round_trip(word)
others()
means()
finish()
