"""export.py CNNC SOURCE_DIR NAME[:SIDE][,CONST=VALUE]...: nets of examples/ as ONNX models and back: `cnnc
import` generates the same program from the model, up to names. For the nets in $COMPUTED (or for all nets),
both programs are compiled, too, and their outputs must be equal. Only the standard library is needed."""
# SPDX-License-Identifier: Apache-2.0
import glob, os, re, shutil, subprocess, sys
top = os.path.abspath(sys.argv[2])
sys.path.append(os.path.join(top, "tests", "harness"))
import compiled
from tap import check, finish, start

COMPUTED = os.environ.get("COMPUTED", "").split()
cnnc = os.path.abspath(sys.argv[1])
# NOTHING: operators without an effect in inference, which ONNX models do not have. FREE: arguments that may
# differ after the import; they are not compared.
NOTHING = ("dropout", "drop_path")
FREE = ("init", "bias_init", "pad", "order", "momentum", "mean", "std", "scale", "ceil", "count_pad", "x",
        "cos", "sin", "key", "value")


def reduced(word):
    """The program of an example with a smaller image and other constants."""
    name, *constants = word.split(",")
    name, _, side = name.partition(":")
    text = open(glob.glob(f"{top}/examples/*/{name}.cnn")[0]).read()
    if side:
        text = re.sub(r"^( *input \w*: )\d+x\d+x", rf"\g<1>{side}x{side}x", text, flags=re.M)
    for constant in constants:
        key, value = constant.split("=")
        text = re.sub(rf"^const {key} = \S+", f"const {key} = {value}", text, flags=re.M)
    return name, text


def both(value, shape):
    """The argument. In a layer of an image, a list with one number, [n], becomes [n, n]."""
    return value * 2 if isinstance(value, list) and len(value) == 1 and len(shape) == 3 else value


def pixel(shape):
    """The shape; the shape of an image of one pixel becomes that of a vector."""
    return shape[-1:] if shape[:-1] in ([1, 1], [1]) else shape


def layers(facts):
    """Each layer without names: operator, shape, arguments, layers of its inputs."""
    number = {port["name"]: f"input {n}" for n, port in enumerate(facts["inputs"])}
    rows = []
    for layer in facts["layers"]:
        inputs = [number[name] for name in layer["inputs"]]
        if layer["operator"] in NOTHING:
            number[layer["name"]] = inputs[0]
            continue
        shape = pixel(layer["shape"])
        if layer["operator"] == "flatten" and rows and rows[inputs[0]][1] == shape:  # a flatten of one pixel
            number[layer["name"]] = inputs[0]
            continue
        number[layer["name"]] = len(rows)
        if layer["operator"] in ("add", "multiply"):  # the importer may exchange their operands
            inputs.sort(key=str)
        arguments = {k: both(v, layer["shape"]) for k, v in layer["arguments"].items() if k not in FREE}
        rows.append((layer["operator"], shape, layer["parameters"], inputs, arguments))
    outputs = [pixel(port["shape"]) for port in facts["outputs"]]
    return rows, outputs


def same(ours, theirs):
    """The first difference between two programs; empty if there is none."""
    (a, outs), (b, others) = layers(ours), layers(theirs)
    for n, (row, other) in enumerate(zip(a, b)):
        if row != other:
            return f"layer {n} is {row}\nand comes back as {other}"
    if len(a) != len(b):
        return f"{len(a)} layers come back as {len(b)}: {[r[0] for r in a]} {[r[0] for r in b]}"
    return "" if outs == others else f"outputs {outs} come back as {others}"


def computed(name, weights, back):
    """The largest difference between the net and the reimported net, whose inputs are floats, not bytes."""
    first = compiled.Net(cnnc, name + ".cnn", weights, name)
    second = compiled.Net(cnnc, back + ".cnn", back + ".safetensors", back)
    inputs = compiled.draw_inputs(first.facts)
    return max(compiled.difference(y, x) for x, y in zip(first(inputs), second(inputs)))


def there_and_back(word, name, text, *options):
    """JSON of the program and of NAME_back.cnn, the program imported from the exported model. None if the
    export or the import fails."""
    with open(name + ".cnn", "w") as file:
        file.write(text)
    facts = compiled.facts_of(cnnc, name + ".cnn")
    compiled.write_weights(facts, name + ".safetensors")
    words = ["--weights=" + name + ".safetensors"] if facts["weights"] else []
    made = compiled.command(cnnc, name + ".cnn", *words, *options, "-o", name + ".onnx")
    check(made.returncode == 0, f"{word} is written as ONNX", made.stderr)
    if made.returncode:
        return None
    made = compiled.command(cnnc, "import", name + ".onnx", "-o", name + "_back")
    check(made.returncode == 0, f"{word} is imported again", made.stderr)
    return None if made.returncode else (facts, compiled.facts_of(cnnc, name + "_back.cnn"))


def compute_both(word, name):
    worst = computed(name, name + ".safetensors", name + "_back")
    check(worst < 2e-5, f"{word} computes the same", f"differs by {worst} of the largest")


def round_trip(word):
    name, text = reduced(word)
    both_facts = there_and_back(word, name, text)
    if not both_facts:
        return
    why = same(*both_facts)
    check(why == "", f"{word} is imported again as the same program", why)
    if name in COMPUTED or "all" in COMPUTED:
        compute_both(word, name)
    for path in glob.glob(name + ".*") + glob.glob(name + "_back.*"):
        os.remove(path)


def program_back(path, *options):
    """A program is reimported unchanged, and computes the same."""
    name = os.path.basename(path)[:-4]
    both_facts = there_and_back(name, name, open(path).read(), *options)
    if both_facts:
        why = same(*both_facts)
        check(why == "", f"{name} is imported again as the same program", why)
        compute_both(name, name)


def boxes(word):
    """A detector without nms is reimported as the operators that compute its boxes."""
    name, text = reduced(word)
    text = re.sub(r" -> nms\(.*\)|^ *labels .*|", "", text, flags=re.M)
    if there_and_back(word + " without nms", name, text):
        compute_both(word + " without nms", name)


def detections(program):
    """A model whose outputs are detected boxes. cnnc cannot import such a model, because the number of boxes
    depends on data."""
    name = os.path.basename(program)[:-4]
    facts = compiled.facts_of(cnnc, program)
    compiled.write_weights(facts, name + ".safetensors")
    words = ["--weights=" + name + ".safetensors"] if facts["weights"] else []
    made = compiled.command(cnnc, program, *words, "-o", name + ".onnx")
    check(made.returncode == 0, f"{name} is written with its nms", made.stderr)
    made = compiled.command(cnnc, "import", name + ".onnx", "-o", name + "_back")
    refused = made.returncode == 1 and "NonMaxSuppression" in made.stderr
    check(refused, "  which cannot be imported again", made.stderr)


def by_onnxruntime(programs, what, *options):
    """onnxruntime, if installed, computes the same results as these programs."""
    words = [sys.executable, "-B", f"{top}/bench/export.py", "--cnnc", cnnc, *options, *programs]
    made = subprocess.run(words, capture_output=True, text=True)
    if "ModuleNotFoundError" in made.stderr:
        print(f"# onnxruntime is not there, and has not computed {what}")
        return
    same = ("\n" + made.stdout).count("\nok - ") - 1  # the last "ok" line is about all programs
    check(made.returncode == 0 and same == len(programs), f"onnxruntime computes the same {what}",
          made.stdout + made.stderr)


def attention_programs():
    """Rows, products and attention, decomposed and as operators of opset 23."""
    names = ("attention", "attention_long", "matmul", "parts", "relative_bias", "repeated_rows", "rmsnorm",
             "multihead_attention", "index_forms")
    programs = [f"{top}/tests/run/{name}.cnn" for name in names]
    for opset in ("17", "23"):
        for program in programs:
            name = os.path.basename(program)[:-4]
            facts = compiled.facts_of(cnnc, program)
            compiled.write_weights(facts, name + ".safetensors")
            words = ["--weights=" + name + ".safetensors"] if facts["weights"] else []
            made = compiled.command(cnnc, program, *words, "--opset=" + opset, "-o", name + ".onnx")
            check(made.returncode == 0, f"{name} is written with opset {opset}", made.stderr)
        by_onnxruntime(programs, f"attention of opset {opset}", "--opset=" + opset)


def audio_programs():
    """Audio operators are reimported as convolutions and products, which compute the same."""
    audio, windows = (f"{top}/tests/export/{name}.cnn" for name in ("audio", "windows"))
    if there_and_back("audio", "audio", open(audio).read()):
        compute_both("audio", "audio")
    by_onnxruntime([audio, windows, f"{top}/tests/run/audio_stft.cnn", f"{top}/tests/run/audio_unfold.cnn"],
                   "audio operators")


def all_detections():
    programs = [f"{top}/tests/run/{name}.cnn" for name in ("boxes", "detection", "yolo_nms")]
    for word in ("ssd,side=32", "tiny_yolov3,side=64"):
        name, text = reduced(word)
        programs.append(os.path.abspath(name + ".cnn"))
        with open(programs[-1], "w") as file:
            file.write(text)
    for program in programs[1:]:
        detections(program)
    by_onnxruntime(programs, "boxes")


def table():
    """Each operator of the language has a row in the table of exports."""
    rows = lambda path, form: re.findall(form, open(os.path.join(top, "compiler", path)).read(), re.M)
    ops = rows("ops/ops.def", r"^OP\((\w+)\)")
    check(ops == rows("export/onnx_out.def", r"^(?:OUT|NONE)\((\w+),"), "every operator is in onnx_out.def")


start("export")
for path in glob.glob(f"{top}/examples/*/*.cnn"):  # imports of examples are next to them
    if not re.search(r"^net ", open(path).read(), re.M):
        shutil.copy(path, ".")
table()
program_back(f"{top}/tests/run/index_forms.cnn")
program_back(f"{top}/tests/export/operators.cnn", "--opset=23")
for opset in ("--opset=17", "--opset=23"):
    program_back(f"{top}/tests/export/grouped.cnn", opset)
boxes("tiny_yolov3,side=64")
boxes("ssd,side=32")
all_detections()
attention_programs()
audio_programs()
for word in sys.argv[3:]:
    round_trip(word)
finish()
