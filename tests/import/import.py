"""import.py CNNC [NAME...]: imports the models of tests/import: the program must equal NAME.cnn, and its
outputs those of onnxruntime (NAME.out0.npy ...). The outputs of quantized models must equal the results of
the arithmetic of docs/int8.md (NAME.want0.npy ..., from reference.py). These outputs may differ by one step
from those of onnxruntime, whose kernels add in floats. With the state dict of the exported module
(NAME.state.safetensors) as its weights, the program must give the same results. For bad files, the messages
must equal NAME.err. Only the standard library is needed."""
# SPDX-License-Identifier: Apache-2.0
import ast, ctypes, glob, math, os, re, resource, shutil, struct, subprocess, sys
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "harness"))
from tap import check, finish, start

cnnc, models = sys.argv[1], here
bless = os.environ.get("BLESS")
sanitized = os.environ.get("SANITIZED")  # sanitizers reserve terabytes
MOST_MEMORY = 3 << 29  # bytes for the import of a bad file; constants take at most 1 GiB of these
OPTIONS = {"open": ["--shape", "x=1x1x6x7"], "tied": ["--shape", "x=1x5x4"],
           "computed_loops": ["--set", "times=1"],
           "set_inputs": ["--set", "sr=8000", "--set", "loud=false", "--set", "sizes=1,28"]}


TYPES = {"<f4": (ctypes.c_float, "f"), "|u1": (ctypes.c_uint8, "B"), "|i1": (ctypes.c_int8, "b")}


def numbers(path):
    """The type and the numbers of a .npy of 32-bit floats or of bytes."""
    with open(path, "rb") as file:
        data = file.read()
    length = struct.unpack("<H", data[8:10])[0]
    head = ast.literal_eval(data[10:10 + length].decode())
    assert not head["fortran_order"], path
    kind, form = TYPES[head["descr"]]
    body = data[10 + length:]
    return kind, list(struct.unpack(f"<{len(body) // struct.calcsize(form)}{form}", body))


def arrays(name, what):
    return [numbers(path) for path in sorted(glob.glob(os.path.join(models, f"{name}.{what}[0-9]*.npy")))]


def command(*words, **more):
    return subprocess.run([cnnc, *words], capture_output=True, text=True, timeout=300, **more)


def with_little_memory():
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def aligned(count):
    """Bytes that begin at a multiple of 64."""
    space = ctypes.create_string_buffer(count + 64)
    return space, ctypes.c_void_p(ctypes.addressof(space) + -ctypes.addressof(space) % 64)


def computed(name, program, file):
    """The outputs of the compiled program for NAME.in0.npy ..., with the weights of a file."""
    text = open(program).read()
    net = re.search(r"^net (\w+)", text, re.M)[1]
    weights = ["--weights=" + file] if os.path.getsize(file) > 16 else []
    made = command(program, *weights, "-O1", "--exact", "--single-file", "-o", name + ".so")
    if made.returncode:
        return made.stderr
    header = command(program, *weights, "-O1", "--exact", "--emit=header", "-o", name + ".h")
    assert header.returncode == 0
    size = int(re.search(r"_WORKSPACE_BYTES (\d+)", open(name + ".h").read())[1])
    inputs, wanted = arrays(name, "in"), arrays(name, "out")
    buffers = [(kind * len(x))(*x) for kind, x in inputs] + [(kind * len(y))() for kind, y in wanted]
    library = ctypes.CDLL(os.path.abspath(name + ".so"))
    trained = [ctypes.byref(ctypes.c_char.in_dll(library, net + "_trained"))] if weights else []
    kept, workspace = aligned(size)
    getattr(library, net + "_infer")(*trained, *buffers, workspace)
    return [list(y) for y in buffers[len(inputs):]], wanted


def compare(name, program, file):
    result = computed(name, program, file)
    if isinstance(result, str):
        return result
    return differs(name, *result) if arrays(name, "want") else distance(*result, 2e-5)


def distance(results, rows, relative, step=0):
    """Describes too large a difference; "" if there is none. step: permitted difference of integers;
    relative: that of floats, as a fraction of the largest float."""
    for got, (kind, wanted) in zip(results, rows):
        most = max((abs(y) for y in wanted if math.isfinite(y)), default=0)
        worst = max(0 if a == b else abs(a - b) for a, b in zip(got, wanted))
        if not worst <= (relative * most if kind == ctypes.c_float else step):
            return f"differs by {worst} of {most}"
    return ""


def differs(name, results, theirs):
    pairs = [(a, b) for got, (kind, y) in zip(results, theirs) if kind != ctypes.c_float
             for a, b in zip(got, y)]
    off = sum(a != b for a, b in pairs)
    print(f"# {name}: {off} of {len(pairs)} bytes are others than onnxruntime's")
    why = distance(results, arrays(name, "want"), 2e-5)
    return f"docs/int8.md: {why}" if why else distance(results, theirs, 2e-2, step=1)


def good(name):
    made = command("import", os.path.join(models, name + ".onnx"), "-o", name, *OPTIONS.get(name, []))
    check(made.returncode == 0, f"{name} is imported", made.stderr)
    if made.returncode:
        return
    golden = os.path.join(models, name + ".cnn")
    if bless:
        shutil.copy(name + ".cnn", golden)
    check(open(golden).read() == open(name + ".cnn").read(), f"{name} is the program of {name}.cnn",
          open(name + ".cnn").read())
    why = compare(name, name + ".cnn", name + ".safetensors")
    check(why == "", f"{name} computes what onnxruntime does", why)
    state = os.path.join(models, name + ".state.safetensors")
    if os.path.exists(state):
        why = compare(name, name + ".cnn", state)
        check(why == "", f"{name} computes it with the state dict of its module", why)


def bad(name):
    made = command("import", name + ".onnx", preexec_fn=None if sanitized else with_little_memory)
    golden = os.path.join(models, "bad", name + ".err")
    if bless:
        with open(golden, "w") as file:
            file.write(made.stderr)
    check(made.returncode == 1 and made.stderr == open(golden).read(), f"bad/{name} is refused",
          f"status {made.returncode}\n{made.stderr}")
    check(not os.path.exists(name + ".cnn"), f"nothing is written for bad/{name}")
    part = re.search(r"help: (--outputs=\S+) is the largest part", made.stderr)
    if part:
        made = command("import", name + ".onnx", "-o", "part", part[1])
        check(made.returncode == 0, f"the part suggested for bad/{name} can be imported", made.stderr)


def field(number, value, more=0):
    """A field of a protobuf message: a number or bytes. `more` bytes of the field will be appended later."""
    def varint(n):
        return bytes([n & 127 | 128]) + varint(n >> 7) if n > 127 else bytes([n])

    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value) + more) + value


def write_product(path, units):
    """A model that multiplies 1024 numbers by a matrix of zeros, stored as a hole at the end of the file."""
    def port(name, size):
        dims = field(1, field(1, 1)) + field(1, field(1, size))
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))

    zeros = 4 * 1024 * units
    weight = field(1, units) + field(1, 1024) + field(2, 1) + field(8, b"w") + field(9, b"", zeros)
    transposed = field(1, b"transB") + field(3, 1) + field(20, 2)
    node = field(1, b"x") + field(1, b"w") + field(2, b"y") + field(4, b"Gemm") + field(5, transposed)
    ports = field(11, port(b"x", 1024)) + field(12, port(b"y", units))
    graph = field(1, node) + ports + field(5, weight, zeros)
    model = field(1, 8) + field(8, field(2, 17)) + field(7, graph, zeros)
    with open(path, "wb") as file:
        file.write(model)
        file.truncate(len(model) + zeros)


def most_memory(name, units):
    """Maximum memory of an import, in bytes. Memory of this process counts, too, so this process must be
    small."""
    write_product(name + ".onnx", units)
    child = subprocess.Popen([cnnc, "import", name + ".onnx"])
    _, status, used = os.wait4(child.pid, 0)
    return None if status else 1024 * used.ru_maxrss


def thrifty():
    small, large = most_memory("small", 1024), most_memory("large", 1024 * 17)
    check(small and large and large - small < 1.2 * 2 ** 26, "a model is in memory only once",
          f"64 MiB more of weights take {large and small and (large - small) >> 20} MiB")


def all_models(*folder):
    """The paths of all models, or of the models that the command line names."""
    paths = sorted(glob.glob(os.path.join(models, *folder, "*.onnx")))
    return [path for path in paths if not sys.argv[2:] or os.path.basename(path)[:-5] in sys.argv[2:]]


start("import")
thrifty()
for path in all_models():
    good(os.path.basename(path)[:-5])
for path in all_models("bad"):
    shutil.copy(path, ".")
    bad(os.path.basename(path)[:-5])
finish()
