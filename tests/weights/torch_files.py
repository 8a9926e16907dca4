# torch_files.py: the cases of torch.tap.
# SPDX-License-Identifier: Apache-2.0
import os, re, shutil, struct, subprocess, zipfile, zlib
from tap import check, finish, start
from torch_pickle import Storage, Tensor, pickled

top = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
files = os.path.join(os.path.abspath(top), "tests", "weights")
start("torch")
for name in os.listdir(files):
    shutil.copy(os.path.join(files, name), name)
SECONDS = 60  # a case takes far less; this detects hangs
MEGABYTE = 1 << 20


def run(*words, memory=None):
    """memory: limit of the address space in MiB, ignored with sanitizers, which need more."""
    if memory and not os.environ.get("SANITIZED"):
        words = ["sh", "-c", f'ulimit -v {memory * 1024}; exec "$@"', "sh", *words]
    try:
        return subprocess.run(words, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as late:
        return subprocess.CompletedProcess(words, "none in time", late.stdout or b"", late.stderr or b"")


def cnnc(*words, **more):
    return run(os.environ["CNNC"], *words, **more)


def text_of(done):
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def exits(status, title, done, *says, silent=None):
    text = text_of(done)
    missing = [words for words in says if words not in text]
    good = done.returncode == status and not missing and not (silent and silent in text)
    check(good, title, f"exit {done.returncode}, without {missing}\n{text[:2000]}")


def c_of(weights, *more):
    """The C of the net with these weights, or cnnc's messages."""
    done = cnnc("net.cnn", f"--weights={weights}", *more, "-o", "-")
    return done.stdout if done.returncode == 0 else text_of(done)


# ---- Files of torch.save
wanted = {name: c_of(name + ".npz") for name in ("state", "ema")}
check(wanted["state"] != wanted["ema"] and b"_trained" in wanted["state"], "the expected weights exist")
for weights, like in [
    ("state.pt", "state"), ("protocol4.pth", "state"), ("epoch3.ckpt", "state"), ("epoch3.ckpt:ema", "ema"),
    ("epoch3.ckpt:model_state_dict", "state"), ("pair.bin:nets.one", "state"), ("pair.bin:nets.two.x", "ema"),
]:
    found = c_of(weights)
    check(found == wanted[like], f"{weights} has the numbers of {like}.npz", found[:1000])
os.rename("state.pt", "a:b.pt")
check(c_of("a:b.pt") == wanted["state"], "a file may have ':' in its name")
os.rename("a:b.pt", "state.pt")
shutil.copy("state.pt", "weights")
check(c_of("weights") == wanted["state"], "the suffix of a file does not matter")
exits(0, "a dependency file names the file", cnnc("net.cnn", "--weights=epoch3.ckpt:ema", "-MD", "-o", "x.c"))
with open("x.d") as file:
    check(file.read().split() == ["x.c:", "net.cnn", "epoch3.ckpt"], "  without the key")
shutil.copy("epoch3.ckpt", "kept.c")
exits(1, "input files are not overwritten", cnnc("net.cnn", "--weights=kept.c:ema", "-o", "kept.c"),
      "it is an input file")

# ---- Programs
with open("trained.cnn", "w") as file, open("net.cnn") as net:
    file.write(net.read().rstrip()[:-1] + "    train { loss = cross_entropy; epochs = 1; batch = 4 }\n}\n")
exits(0, "a program", cnnc("trained.cnn", "-O1", "-o", "trained"))
shape, values = (4, 6, 6, 2), [0.01 * i for i in range(288)]
head = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 6, 6, 2), }".ljust(117) + "\n"
with open("x.npy", "wb") as file:
    file.write(b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() +
               struct.pack("<288f", *values))
for weights, like in ("state.pt", "state.npz"), ("epoch3.ckpt:ema", "ema.npz"):
    for name in weights, like:
        exits(0, f"  predicts with {name}", run("./trained", "predict", "x.npy", "--weights", name, "-o",
                                                name.replace(":", "_") + ".npy"))
    with open(weights.replace(":", "_") + ".npy", "rb") as a, open(like + ".npy", "rb") as b:
        check(a.read() == b.read(), "    and gives the same")
exits(0, "  trains from one", run("./trained", "train", "--data", "synthetic", "--limit", "8", "--init",
                                  "epoch3.ckpt:ema", "--out", "w.safetensors"), "9 of 9 weights loaded")
shutil.copy("epoch3.ckpt", "scores.npy")
exits(2, "  does not overwrite its input", run("./trained", "predict", "x.npy", "--weights",
                                                    "scores.npy:ema", "-o", "scores.npy"),
      "the weights are read from it")

# ---- Names
def rename(*lines):
    with open("names", "w", newline="") as file:
        file.write("\n".join(lines))
    return cnnc("net.cnn", "--weights=state.pt", "--rename=names", "-o", "x.c")


found = c_of("parallel.pt")
check(found == wanted["state"], "a common prefix of all names is ignored", found[:1000])
with open("other.cnn", "w") as file, open("trained.cnn") as net:
    file.write(net.read().replace('name="features.', 'name="body.').replace('"head"', '"top"'))
done = cnnc("other.cnn", "--weights=state.pt", "--match=order")
exits(0, "by order", done, "# state.pt = net weights\nfeatures.0.weight = body.0.weight\n",
      "head.bias = top.bias\n", silent="receptive field")
check(done.stdout.count(b"\n") == 10, "  a line for each weight", done.stdout)
with open("names", "wb") as file:
    file.write(done.stdout)
by_order = cnnc("other.cnn", "--weights=state.pt", "--match=order", "-o", "x.c")
exits(0, "  also with an output", by_order, "head.bias = top.bias\n")
with open("x.c", "rb") as file:
    ordered = file.read()
exits(0, "  which --rename accepts", cnnc("other.cnn", "--weights=state.pt", "--rename=names", "-o", "x.c"))
with open("x.c", "rb") as file:
    check(file.read() == ordered, "    and gives the same")
exits(0, "  also of programs", cnnc("other.cnn", "-O1", "-o", "other"))
for weights in "state.pt", "state.npz":
    exits(0, f"    with {weights}", run("./other", "predict", "x.npy", "--weights", weights, "--rename",
                                        "names", "-o", "other.npy"))
    with open("other.npy", "rb") as a, open("state.npz.npy", "rb") as b:
        check(a.read() == b.read(), "      and give the same")
exits(2, "    not without a file", run("./other", "predict", "x.npy", "--rename", "names"))
exits(0, "    and --init", run("./other", "train", "--data", "synthetic", "--limit", "8", "--init",
                               "state.pt", "--rename", "names", "--out", "w.safetensors"),
      "9 of 9 weights loaded")
done = run("./other", "predict", "x.npy", "--weights", "state.pt", "--match=order", "-o", "y.npy")
exits(0, "  programs pair by order themselves", done)
warning, lines = done.stderr.split(b"\n", 1)
check(b'warning: tensor "features.1.weight" has the type I16' in warning, "    with a warning of integers",
      warning)
with open("y.npy", "rb") as a, open("other.npy", "rb") as b, open("names", "rb") as c:
    check(a.read() == b.read() and lines == c.read().split(b"\n", 1)[1], "    with the same lines", lines)
exits(0, "  and --init", run("./other", "train", "--data", "synthetic", "--limit", "8", "--init", "state.pt",
                             "--match=order", "--out", "w.safetensors"),
      "9 of 9 weights loaded", "\nhead.bias = top.bias\n")
with open("short.cnn", "w") as file:
    file.write("net s { input x: 6x6x2\n    conv(3, 3x3) -> batchnorm -> relu\n    conv(4, 3x3)\n"
               "    flatten\n    train { loss = mse; epochs = 1; batch = 4 } }\n")
exits(1, "all different shapes are reported", cnnc("short.cnn", "--weights=state.pt", "--match=order"),
      "3 differences", "another shape: conv2.weight (paired with features.3.weight) is [4, 3, 1, 1] in the "
      "file, [4, 3, 3, 3] in the net", "conv2.bias (paired with head.weight) is [5, 64]",
      "not in the net: head.bias [5]")
exits(0, "  also by programs", cnnc("short.cnn", "-O1", "-o", "short"))
exits(1, "    in all commands", run("./short", "predict", "x.npy", "--weights", "state.pt", "--match=order"),
      "the weights do not match this net", "another shape: conv2.weight (paired with features.3.weight)")
exits(0, "    but not --init, which loads matching layers",
      run("./short", "train", "--data", "synthetic", "--limit", "8", "--init", "state.pt", "--match=order",
          "--out", "short.safetensors"),
      "6 of 8 weights loaded; 2 initialized", "\nmissing: conv2.weight [4, 3, 3, 3]\n",
      "not in the net: features.3.weight [4, 3, 1, 1]\n", "\nfeatures.0.weight = conv1.weight\n")
exits(2, "--match needs a file", cnnc("net.cnn", "--match=order"), "--weights is missing")
exits(2, "  and standard output", cnnc("net.cnn", "--weights=state.pt", "--match=order", "-o", "-"))
exits(2, "  and a pairing", cnnc("net.cnn", "--weights=state.pt", "--match=size"), "order")

for title, lines in [
    ("nothing", []), ("the same names", ["*.*=*.*"]),
    ("a comment, a blank line", ["# a = b", "", " \t", "x = y"]),
    ("no end of line, and one of Windows", ["x=y\r", "features.*=features.*\r"]),
    ("later lines override", ["* = other.*", "features.* = features.*", "head.* = head.*"]),
    ("names without a matching line stay", ["feature.* = x.*", "*.weigh = x.*"]),
    ("a pattern that matches any text", ["*.0.weight = features.0.weight", "h*d.b*s = head.bias"]),
]:
    done = rename(*lines)
    exits(0, f"--rename: {title}", done)
for title, says, *lines in [
    ("no sign", "names:2: has no '='", "a=b", "features.0"),
    ("no name", "names:1: there is no name before '='", " = b"),
    ("another number of stars", "names:1: our name (on the right) must have as many '*' as theirs, or none",
     "a* = *b*"),
    ("a long name", "names:1: a name may have at most 500 characters", "a" * 501 + "=b"),
    ("many stars", "names:1: a name may have at most 500 characters, and at most 8 '*'",
     "*" * 9 + "=" + "*" * 9),
    ("two of one name", 'names: two arrays would be renamed to "same"', "head.weight = same",
     "head.bias = same"),
    ("a tensor left out", "missing: head.bias [5]", "head.bias ="),
    ("other names", "missing: features.0.weight [3, 2, 3, 3]; did you mean the file's feature.0.weight",
     "features.* = feature.*"),
]:
    exits(1, f"--rename: {title}", rename(*lines), says)
exits(1, "--rename: no such file", cnnc("net.cnn", "--weights=state.pt", "--rename=none", "-o", "x.c"),
      "none: cannot be opened")
with open("y.c", "w") as file:
    file.write("# nothing\n")
exits(1, "--rename: is not written over", cnnc("net.cnn", "--weights=state.pt", "--rename=y.c", "-o", "y.c"),
      "it is an input file")
exits(0, "  and a dependency", cnnc("net.cnn", "--weights=state.pt", "--rename=y.c", "-MD", "-o", "x.c"))
with open("x.d") as file:
    check(file.read().split() == ["x.c:", "net.cnn", "state.pt", "y.c"], "    in built executables")

# ---- One array without a name
def array_write(path, *shape):
    values, n = [0.5 * i for i in range(9)], str(shape)
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {n}, }}".ljust(117) + "\n"
    with open(path, "wb") as out:
        out.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() +
                  struct.pack("<9f", *values))


array_write("kernel.npy", 1, 1, 3, 3)
array_write("square.npy", 3, 3)
for name, bias in ("filter", "bias=false"), ("biased", "bias=true"):
    with open(name + ".cnn", "w") as file:
        file.write(f"net {name} {{ input x: 8x8x1\n    conv(1, 3x3, {bias}) }}\n")
exits(0, "a single array is the only weight", cnnc("filter.cnn", "--weights=kernel.npy", "-o", "f.c"))
exits(1, "  of its shape", cnnc("filter.cnn", "--weights=square.npy", "-o", "f.c"),
      "another shape: conv1.weight (paired with arr_0) is [3, 3] in the file, [1, 1, 3, 3] in the net: it "
      "differs by dimensions of 1")
exits(1, "  but not if there are two", cnnc("biased.cnn", "--weights=kernel.npy", "-o", "f.c"),
      "missing: conv1.weight [1, 1, 3, 3]; did you mean the file's arr_0", "missing: conv1.bias [1]")

# ---- Refused files, and the help
with open("small.cnn", "w") as file:
    file.write('net small { input x: 6x6x2\n    conv(3, 3x3, name="features.0") }\n')
exits(1, "the other dictionaries are reported",
      cnnc("small.cnn", "--weights=epoch3.ckpt", "-o", "x.c"),
      "the file also has 'ema' (9 tensors): --weights=epoch3.ckpt:KEY selects one of them")
exits(1, "  not if one was chosen", cnnc("small.cnn", "--weights=epoch3.ckpt:ema", "-o", "x.c"),
      "not in the net: head.bias", silent="also has")
exits(1, "  also by programs", run("./other", "predict", "x.npy", "--weights", "epoch3.ckpt"),
      "the weights do not match this net by name; --match=order finds 9 of 9 (the file also has 'ema' (9 "
      "tensors); append ':' and one of these names to the file name):\n")
for weights, *says in [
    ("module.pt", "module.pt: is a whole PyTorch module",
     'weights_only=False).state_dict(), "weights.pt")'),
    ("modules.pt", "modules.pt: has a whole PyTorch module", 'weights_only=False)["model"].state_dict()'),
    ("modules.pt:model", "modules.pt: has a whole PyTorch module",
     'weights_only=False)["model"].state_dict()'),
    ("script.pt", "script.pt: is a TorchScript module", 'torch.jit.load("script.pt", map_location="cpu")'),
    ("before2020.pt", "is a PyTorch file from before 1.6", 'torch.load("before2020.pt", map_location="cpu")'),
    ("pair.bin", "pair.bin: contains no tensors, but dictionaries of tensors",
     "'nets.one' (9 tensors), 'nets.two.x' (9 tensors)"),
    ("epoch3.ckpt:sma", "epoch3.ckpt: has no dictionary of tensors named 'sma'; it has "
     "'model_state_dict' (9 tensors), 'ema' (9 tensors)"),
    ("epoch3.ckpt:", "no dictionary of tensors named ''"),
    ("epoch3.ckpt:epoch", "no dictionary of tensors named 'epoch'"),
    ("epoch3.ckpt:ema.head.bias", "no dictionary of tensors named 'ema.head.bias'"),
    ("state.npz:ema", "state.npz: is not a PyTorch file, so it has no dictionary 'ema'"),
    ("none.pt:ema", "none.pt:ema: cannot be opened"),
]:
    done = cnnc("net.cnn", f"--weights={weights}", "-o", "x.c")
    exits(1, f"{weights} is refused", done, *says)
    lines = [line for line in done.stderr.decode().splitlines() if line.startswith(("import ", "torch."))]
    if lines:
        try:
            compile("\n".join(lines), weights, "exec")
            check(len(lines) == 2, "  with lines that can be pasted", lines)
        except SyntaxError as error:
            check(False, "  with lines that can be pasted", error)

# ---- Handwritten files in the format of torch.save, without torch
def put(content, storages=None, folder="archive/", how=zipfile.ZIP_STORED, order=None):
    with zipfile.ZipFile("x.pt", "w", how) as archive:
        archive.writestr(folder + "data.pkl", content if isinstance(content, bytes) else pickled(content))
        if order:
            archive.writestr(folder + "byteorder", order)
        for key, data in (storages or {}).items():
            archive.writestr(folder + "data/" + key, data)


def floats(*values, order="<"):
    return struct.pack(f"{order}{len(values)}f", *values)


with open("one.cnn", "w") as file:
    file.write('net one { input x: 2\n    dense(2, bias=false, name="a") }\n')


def one(*more, **limits):
    return cnnc("one.cnn", "--weights=x.pt", *more, "-o", "one.c", **limits)


def holds(title, *values):
    """Checks that the C file contains these weights."""
    done = one("--target=generic")
    text = open("one.c").read() if done.returncode == 0 else ""
    found = [float.fromhex(n) for n in re.findall(r"-?0x[0-9a-f.]+p[-+]?[0-9]+", text)]
    check(found and not set(values) - set(found), title, f"{found}\n{text_of(done)}")
    if os.path.exists("one.c"):
        os.remove("one.c")


SOUND = {"a.weight": Tensor(Storage("0", 4), 0, (2, 2), (2, 1))}
DATA = {"0": floats(0.5, 1.25, -2.5, 7.75)}
BIG = {"0": floats(0.5, 1.25, -2.5, 7.75, order=">")}
for title, more in [("stored", {}), ("deflated", {"how": zipfile.ZIP_DEFLATED}),
                    ("without a folder", {"folder": ""}), ("little-endian", {"order": "little"}),
                    ("big-endian", {"order": "big", "storages": BIG})]:
    put(SOUND, **{"storages": DATA, **more})
    holds(f"a file made by hand is read: {title}", 0.5, 1.25, -2.5, 7.75)


class Shell:
    """Pickles that call os.system if they are executed."""

    def __reduce__(self):
        return os.system, ("touch ran",)


for title, content in [
    ("alone", Shell()), ("beside tensors", {"x": Shell(), **SOUND}), ("as a name", {Shell(): 1, **SOUND}),
    ("by its old name", b"cposix\nsystem\n(X\x09\0\0\0touch rantR."),
    ("through builtins", b"cbuiltins\nexec\n(X\x1b\0\0\0import os; os.mkdir('ran')  tR."),
    ("as an object", b"\x80\2cos\nsystem\n(X\x09\0\0\0touch rant\x81}b."),
    ("as a tensor's storage", {"a.weight": Tensor(Shell(), 0, (2, 2), (2, 1))}),
]:
    put(content, DATA)
    done = one()
    check(not os.path.exists("ran") and done.returncode in (0, 1), f"os.system, {title}, is not called",
          text_of(done))
put({"x": Shell(), **SOUND}, DATA)
holds("  and the other tensors are read", 7.75)


def tensor(offset=0, size=(2, 2), stride=(2, 1), elements=4, key="0", kind="FloatStorage"):
    return {"a.weight": Tensor(Storage(key, elements, kind), offset, size, stride)}


BEYOND = 'tensor "a.weight", [2, 2], is outside its storage of 4 elements'
SHAPELESS = 'tensor "a.weight" is described in another form than torch.save writes'
for title, says, content in [
    ("an offset", BEYOND, tensor(offset=1)), ("a huge offset", BEYOND, tensor(offset=(1 << 63) - 1)),
    ("an offset of more than 64 bits", SHAPELESS, tensor(offset=1 << 64)),
    ("a negative offset", SHAPELESS, tensor(offset=-1)),
    ("strides", BEYOND, tensor(stride=(3, 1))), ("huge strides", BEYOND, tensor(stride=(1 << 62, 1 << 62))),
    ("negative strides", SHAPELESS, tensor(stride=(2, -1))),
    ("too few strides", SHAPELESS, tensor(stride=(2,))),
    ("sizes", "[2, 4], is outside", tensor(size=(2, 4))),
    ("huge sizes", "more than 2147483647 elements", tensor(size=(1 << 62, 1 << 62), stride=(0, 0))),
    ("many repeated elements", "more than 2147483647 elements",
     tensor(size=(1 << 16, 1 << 16), stride=(0, 0))),
    ("negative sizes", SHAPELESS, tensor(size=(-2, -2))),
    ("33 dimensions", SHAPELESS, tensor(size=(1,) * 33, stride=(1,) * 33)),
    ("sizes that are strings", SHAPELESS, tensor(size=("2", "2"))), ("no sizes", "x.pt", tensor(size=None)),
    ("elements", '"data/0" should contain 5 elements of F32, but has 16 bytes', tensor(elements=5)),
    ("huge elements", "should contain 4611686018427387904 elements", tensor(elements=1 << 62)),
    ("negative elements", SHAPELESS, tensor(elements=-1)),
    ("a storage that does not exist", 'there is no "data/1"', tensor(key="1")),
    ("a storage outside", 'there is no "data/../../etc/passwd"', tensor(key="../../etc/passwd")),
    ("a type that is not a number", "a.weight", tensor(kind="ComplexFloatStorage")),
    ("a long name", "the name of a tensor has 100000 bytes", {"n" * 100000: SOUND["a.weight"]}),
    ("a name with a NUL", "has a NUL in it", {"a\0b": SOUND["a.weight"]}),
    ("a name with control characters", "?[31m", {"\x1b[31m": SOUND["a.weight"]}),
    ("tensors in a list", "contains no dictionary of tensors", [SOUND["a.weight"]]),
    ("nothing", "contains no dictionary of tensors", {}),
    ("a number", "contains no dictionary of tensors", 7),
]:
    put(content, DATA)
    exits(1, f"a file with {title} is refused", one(memory=512), "x.pt", says, silent="\x1b")
put(tensor(size=(2, 2), stride=(0, 0), elements=1), {"0": floats(1.5)})
holds("an element may be repeated", 1.5)

# ---- Invalid pickles
DEEP, CUT, NONE, REST = "100 deep", "it is cut off", "it pops a value from an empty stack", b"."
own = b"\x80\2]q\0h\0ah\0a."  # a list that contains itself
for title, says, content in [
    ("nothing", CUT, b""), ("no end", CUT, b"\x80\2}"), ("no value", NONE, b"\x80\2."),
    ("half a text", CUT, b"X\xff\xff\xff\xffabc."),
    ("a text of 2^64 letters", CUT, b"\x8d" + b"\xff" * 8 + b"."),
    ("half a name", "it is cut off in a name", b"ctorch\nFloat."), ("protocol 9", "above 5", b"\x80\x09N."),
    ("an undefined opcode", "byte 2: torch.save does not use opcode 0x00", b"\x80\2\0."),
    ("an old opcode", "opcode 0x49", b"I1\n."),
    ("an extension", "opcode 0x82", b"\x80\2\x82\1."), ("a value below a mark", NONE, b"N(0."),
    ("no mark", "up to a mark, but there is no mark", b"Nt."),
    ("a key alone", "a key without a value", b"}(Nu."),
    ("items of a number", "to a value that is not a container", b"K\1(NNu."),
    ("an empty memo", "it reads a memo entry that was never stored", b"h\0."),
    ("a memo of 2^32 entries", "memo has more than 1048576", b"Nr\xff\xff\xff\xff."),
    ("lists 1000 deep", DEEP, b"]" * 1000 + b"a" * 999 + REST),
    ("tuples 1000 deep", DEEP, b")" + b"\x85" * 1000 + REST),
    ("marks 1000 deep", DEEP, b"(" * 1000 + REST),
    ("a list that contains itself", "contains no dictionary", own),
    ("a list that contains itself 1000 times", DEEP, b"\x80\2]q\0" + b"h\0a" * 1000 + REST),
    ("a dictionary that contains itself", "contains no dictionary", b"\x80\2}q\0X\5\0\0\0modelh\0s."),
    ("two million values", "more than 1048576 values", b"N" * 2000000 + REST),
    ("lists that double", "x.pt", b"]" + b"".join(b"q%c](h%ch%ce" % (n, n, n) for n in range(90)) + REST),
    ("a long text named often", "x.pt", b"\x80\2}(X\0\0\x10\0" + b"a" * MEGABYTE + b"q\0" +
     b"h\0h\0\x93" * 300000 + b"u."),
]:
    put(content)
    exits(1, f"pickles: {title}", one(memory=512), says)
many = b"".join(b"K%cN" % (n % 256) for n in range(100000))
put(b"\x80\2}q\0(" + many + b"u(" + b"X\1\0\0\0ah\0" * 200000 + b"u.")
exits(1, "pickles: a dictionary in itself, over and over", one(memory=512), "x.pt")
put(b"N" * (65 * MEGABYTE))
exits(1, "pickles: 65 MB", one(memory=512), "its pickle has 68157440 bytes; the limit is 67108864")
put(b"\0" * (65 * MEGABYTE), how=zipfile.ZIP_DEFLATED)
exits(1, "  also packed", one(memory=128), "its pickle has 68157440 bytes")

# ---- Invalid zips
put(SOUND, DATA)
with open("x.pt", "rb") as file:
    whole = file.read()
bad = []
for n in list(range(0, len(whole), 7)) + [len(whole) - 1]:
    with open("x.pt", "wb") as file:
        file.write(whole[:n])
    done = one()
    if done.returncode != 1:
        bad.append((n, done.returncode))
check(not bad, "a file truncated anywhere is refused", bad)
bad = []
for n in range(0, len(whole), 5):
    with open("x.pt", "wb") as file:
        file.write(whole[:n] + bytes([whole[n] ^ 255]) + whole[n + 1:])
    done = one()
    if done.returncode not in (0, 1):
        bad.append((n, done.returncode))
check(not bad, "a file with a wrong byte does not crash cnnc", bad)


def zip_of(entries, packed, size):
    """A zip whose directory has many entries for the same deflated bytes."""
    local = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 33, 0, len(packed), size, 0, 0)
    directory = b""
    for n in range(entries):
        name = b"a/data.pkl" if n == 0 else b"a/data/%d" % n
        directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 33, zip_crc, len(packed), size,
                                 len(name), 0, 0, 0, 0, 0, 0) + name
    return local + packed + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, entries, entries,
                                                    len(directory), len(local) + len(packed), 0)


plain = b"N" * MEGABYTE
zip_crc = zlib.crc32(plain)
packer = zlib.compressobj(9, zlib.DEFLATED, -15)
with open("x.pt", "wb") as file:
    file.write(zip_of(5000, packer.compress(plain) + packer.flush(), MEGABYTE))
exits(1, "overlapping members are refused", one(memory=512),
      "the members of the zip archive are larger")

# ---- Keras
with zipfile.ZipFile("net.keras", "w") as archive:
    archive.writestr("metadata.json", "{}")
    archive.writestr("model.weights.h5", b"\x89HDF\r\n\x1a\n")
with open("net.h5", "wb") as file:
    file.write(b"\x89HDF\r\n\x1a\n" + bytes(64))
for name, says in ("net.keras", "is a Keras model"), ("net.h5", "is an HDF5 file"):
    shutil.copy(name, "w.bin")
    for path in name, "w.bin":
        exits(1, f"{path} is refused", cnnc("one.cnn", f"--weights={path}", "-o", "one.c"), says,
              "docs/from-keras.md", "import keras, numpy")
finish()
