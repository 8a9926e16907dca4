"""onnx_suite.py CNNC FOLDER: ONNX's official tests, imported by cnnc. Each supported model is compiled for
the target generic, and its outputs are compared with those of the test. The models listed in onnx_suite.txt
must be right. BLESS=1 writes that list, and docs/onnx-tests.md with the unsupported models and the
reasons."""
# SPDX-License-Identifier: Apache-2.0
import collections, ctypes, glob, itertools, math, os, re, struct, subprocess, sys, textwrap
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "harness"))
from tap import check, finish, start

cnnc, folder = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])


def fields(data):
    """(number, value) of each field of a protobuf message; values are numbers or bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 2:
            size = varint()
            yield key >> 3, data[at:at + size]
            at += size
        else:
            size = 8 if key & 7 == 1 else 4
            yield key >> 3, data[at:at + size]
            at += size


KINDS = {1: "f", 2: "B", 3: "b", 6: "i", 7: "q", 9: "?", 11: "d"}  # ONNX types as format characters of struct
TYPES = {"as u8": ctypes.c_uint8, "as i8": ctypes.c_int8, "as i32": ctypes.c_int32}


def tensor(path):
    """(name, shape, numbers, type) of a TensorProto of floats or of integers; None if it has another type, or
    a number beyond the range of float."""
    name, shape, kind, numbers = "", [], 0, []
    with open(path, "rb") as file:
        for number, value in fields(file.read()):
            if number == 1 and isinstance(value, int):
                shape.append(value)
            elif number == 1:
                packed = list(value)
                shape += packed if all(n < 128 for n in packed) else []
            elif number == 2:
                kind = value
            elif number == 8:
                name = value.decode()
            elif number == 4 or (number == 9 and kind in KINDS):
                form = KINDS.get(kind, "f")
                numbers += struct.unpack(f"<{len(value) // struct.calcsize(form)}{form}", value)
    whole = kind in KINDS and len(numbers) == math.prod(shape)
    whole = whole and not (kind == 11 and any(abs(n) > 3e38 for n in numbers))  # cnnc computes in float
    return (name, shape, numbers, kind) if whole else None


def moved(shape, numbers, back):
    """The array with the first axis moved to the end; unchanged if `back` is true."""
    if back or len(shape) < 2:
        return numbers
    inner = len(numbers) // shape[0]
    return [numbers[c * inner + i] for i in range(inner) for c in range(shape[0])]


def aligned(count):
    space = ctypes.create_string_buffer(count + 64)
    return space, ctypes.c_void_p(ctypes.addressof(space) + -ctypes.addressof(space) % 64)


def close(got, wanted):
    return all(a == b or abs(a - b) <= 1e-5 + 1e-3 * abs(b) or a != a and b != b for a, b in zip(got, wanted))


def elements(port):
    """Number of elements of a port, written as in the program: "image: 7x7x3 as u8", "x: [5, 8]"."""
    return math.prod(map(int, re.findall(r"\d+", re.sub(r" as \w+|^[^:]*:", "", port))))


def ports_of_model(case):
    """Names of the inputs that are not constants, and of the outputs, in the order of the model's graph."""
    with open(os.path.join(case, "model.onnx"), "rb") as file:
        graph = next(value for number, value in fields(file.read()) if number == 7)
    parts = list(fields(graph))
    names = lambda kind, field: [next((v.decode() for n, v in fields(value) if n == field), "")
                                 for number, value in parts if number == kind]
    constants = set(names(5, 8))
    return [name for name in names(11, 1) if name not in constants], names(12, 1)


def named(case, kind, read):
    """{name of a port of the model: tensor}. Tensors are assigned by their own names, otherwise by
    position."""
    ports = ports_of_model(case)[kind]
    own = {t[0]: t for t in read if t}
    if len(read) == len(ports) and not set(own) & set(ports):
        return {name: t for name, t in zip(ports, read) if t}
    return own


def prepared(case, text):
    """For each input and output of a test, in the order of the program: its tensor, its type in the program,
    and its number of images; 0 if all images share the tensor. Returns None if a tensor has negative indices
    or a type that this script cannot read."""
    names = [m[1] for m in re.finditer(r"^ *input .*# (\S*) [0-9x]+(?:, in this order)?$", text, re.M)]
    outs = [part.split(" ")[0] for part in re.search(r"^ *output .*?# (.*)$", text, re.M)[1].split("; ")]
    data = os.path.join(case, "test_data_set_0")
    read = [[tensor(path) for path in sorted(glob.glob(f"{data}/{kind}_*.pb"),
                                             key=lambda p: int(re.search(r"_(\d+)\.pb", p)[1]))]
            for kind in ("input", "output")]
    given, made = (named(case, kind, side) for kind, side in enumerate(read))
    given = {name: t for name, t in given.items() if t[3] not in (6, 7) or min(t[2], default=0) >= 0}
    if any(name not in given for name in names) or any(name not in made for name in outs):
        return None
    lines = re.findall(r"^ *input (.*?) *#", text, re.M)
    ports = re.search(r"^ *output (.*?) *#", text, re.M)[1].split(", ")
    types = [[TYPES.get(port[-6:].strip(), ctypes.c_float) for port in kind] for kind in (lines, ports)]
    if len(ports) != len(outs):
        types[1] = [ctypes.c_float] * len(outs)
    if any(made[name][3] in (2, 3) and kind == ctypes.c_float for name, kind in zip(outs, types[1])):
        return None
    counts = [len(given[name][2]) // elements(line) for name, line in zip(names, lines)]
    images = max(counts, default=1)
    inputs = [(given[name], kind, 0 if count < images else images)
              for name, kind, count in zip(names, types[0], counts)]
    return inputs, [(made[name], kind, images) for name, kind in zip(outs, types[1])]


def of_image(t, n, images):
    if images == 0:
        return t[1][len(t[1]) > 1 and t[1][0] == 1:], t[2]
    each, several = len(t[2]) // images, len(t[1]) > (images == 1) and t[1][0] == images
    return (t[1][1:] if several else t[1]), t[2][n * each:(n + 1) * each]


def run(library, net, inputs, outputs, trained, size):
    images = max((count for _, _, count in inputs), default=1)
    for orders in itertools.product((False, True), repeat=len(inputs)):
        fine = True
        for n in range(images):
            ins = [moved(*of_image(t, n, count), back) for (t, _, count), back in zip(inputs, orders)]
            outs = [of_image(t, n, count) for t, _, count in outputs]
            buffers = [(row[1] * len(x))(*x) for row, x in zip(inputs, ins)]
            results = [(row[1] * max(1, len(y[1])))() for row, y in zip(outputs, outs)]
            kept, workspace = aligned(size)
            getattr(library, net + "_infer")(*trained, *buffers, *results, workspace)
            fine = fine and all(any(close(list(got), moved(*y, back)) for back in (False, True))
                                for got, y in zip(results, outs))
        if fine:
            return True
    return False


def packed(number, data):
    """An encoded field of bytes."""
    size, length = b"", len(data)
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + data


def with_constants(case):
    """The model with all inputs but the first as constants, as weights are in real models."""
    more = b""
    for path in glob.glob(f"{case}/test_data_set_0/input_*.pb"):
        if not path.endswith("input_0.pb"):
            with open(path, "rb") as file:
                more += packed(5, file.read())
    with open(os.path.join(case, "model.onnx"), "rb") as file:
        model = list(fields(file.read()))
    with open("constants.onnx", "wb") as file:
        for number, value in model:
            if number == 7:
                file.write(packed(7, value + more))
            elif number == 8:
                file.write(packed(8, value))
    return "constants.onnx"


def outcome(case):
    """(kind, reason)"""
    made = subprocess.run([cnnc, "import", os.path.join(case, "model.onnx"), "-o", "net"],
                          capture_output=True, text=True, timeout=120)
    if made.returncode == 1:
        made = subprocess.run([cnnc, "import", with_constants(case), "-o", "net"], capture_output=True,
                              text=True, timeout=120)
    if made.returncode == 1:
        reasons = re.findall(r"^ += .*?'(?: and \d+ more)?: (.*)$", made.stderr, re.M)
        first = reasons[0] if reasons else made.stderr.split("error: ")[-1].split("\n")[0]
        return "refused", re.sub(r"\d+", "N", re.sub(r"'.*?'", "'...'", first))
    if made.returncode:
        return "wrong", made.stderr
    text = open("net.cnn").read()
    both = prepared(case, text)
    if not both:  # indices may be constants instead of inputs
        made = subprocess.run([cnnc, "import", with_constants(case), "-o", "net"], capture_output=True,
                              text=True, timeout=120)
        text = open("net.cnn").read()
        both = prepared(case, text) if made.returncode == 0 else None
    if not both:
        return "refused", "numeric types other than float and int8"
    net = re.search(r"^net (\w+)", text, re.M)[1]
    weights = ["--weights=net.safetensors"] if os.path.getsize("net.safetensors") > 16 else []
    name = os.path.basename(case)
    built = subprocess.run([cnnc, "net.cnn", *weights, "--target=generic", "-O1", "-o", name + ".so"],
                           capture_output=True, text=True, timeout=300)
    if built.returncode:
        return "wrong", built.stderr
    header = open(name + ".h").read()
    inputs, outputs = both
    parameters = re.search(r"_infer\((.*?)\);", header, re.S)[1]
    if re.search(r"(?<!const )\bfloat ", parameters):  # without int8 code, "as u8" and "as i8" give floats
        outputs = [(t, ctypes.c_int32 if kind == ctypes.c_int32 else ctypes.c_float, count)
                   for t, kind, count in outputs]
    size = int(re.search(r"_WORKSPACE_BYTES (\d+)", header)[1])
    library = ctypes.CDLL(os.path.abspath(name + ".so"))
    trained = net + "_trained"
    trained = [ctypes.byref(ctypes.c_char.in_dll(library, trained))] if trained in header else []
    right = run(library, net, inputs, outputs, trained, size)
    return ("right", "") if right else ("wrong", "outputs differ\n" + text)


here = os.path.dirname(os.path.abspath(__file__))
listed = os.path.join(here, "onnx_suite.txt")
page = os.path.join(here, "..", "..", "docs", "onnx-tests.md")


def write_page(right, reasons):
    """The imported tests, and the rejected ones by reason."""
    count, refused = len(right), sum(map(len, reasons.values()))
    fold = lambda text: textwrap.wrap(text, 110, break_long_words=False)
    lines = ["<!-- Made by `BLESS=1 make check TESTS=tests/import/onnx_suite.tap`; do not edit. -->",
             "# ONNX's official tests", ""]
    lines += fold(f"`cnnc import` is tested with the {count + refused} models of libonnx-testdata of Debian "
                  f"12 (onnx 1.12). {count} models are imported and compiled, and compute the numbers that "
                  f"the tests expect. No imported model computes different numbers. {refused} models are not "
                  "supported: most of them test integers, strings, sequences and other types that nets do "
                  "not use. Each heading below, except the last, is a reason that cnnc prints, with N "
                  "instead of each number.")
    for why, names in sorted(reasons.items(), key=lambda row: (-len(row[1]), row[0])):
        lines += ["", f"## {why} ({len(names)})", ""] + fold(", ".join(sorted(names)))
    lines += ["", f"## Imported, with the expected results ({count})", ""] + fold(", ".join(right))
    with open(page, "w") as file:
        file.write("\n".join(lines) + "\n")


def short(name):
    return os.path.basename(name).removeprefix("test_")


start("onnx")
wanted = set(open(listed).read().split()) if os.path.exists(listed) else set()
right, wrong, reasons, there = [], 0, collections.defaultdict(list), set()
paths = sorted(glob.glob(folder + "/**/model.onnx", recursive=True))
if not (os.environ.get("BLESS") or os.environ.get("NETCHECK_ALL")):  # the seed selects a half
    paths = paths[int(os.environ.get("CNNC_TEST_SEED", "1")) % 2::2]
for path in paths:
    name = os.path.relpath(os.path.dirname(path), folder)
    kind, why = outcome(os.path.dirname(path))
    there.add(name)
    if kind == "right":
        right.append(name)
    elif kind == "refused":
        reasons[why].append(short(name))
    wrong += kind == "wrong"
    if kind != "refused" or name in wanted:
        check(kind == "right", name, why)
print(f"# {len(right)} right, {wrong} wrong, {sum(map(len, reasons.values()))} refused:")
for why, names in sorted(reasons.items(), key=lambda row: -len(row[1])):
    print(f"# {len(names):5} {why}")
print(f"# {len(set(right) - wanted)} are right and not in onnx_suite.txt, "
      f"{len(wanted - there)} of it are not here")
check(len(set(right) & wanted) > 0 or os.environ.get("BLESS"), "some tests of the list pass")
if os.environ.get("BLESS"):
    with open(listed, "w") as file:
        file.write("\n".join(right) + "\n")
    write_page([short(name) for name in right], reasons)
finish()
