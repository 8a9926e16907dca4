# transfer.py: the cases of transfer.tap: the commands of docs/transfer.md are run verbatim. Their weights are
# those of a small body that this script trains, and writes in the formats of PyTorch and Keras. The commands
# must print what the page shows, except for decimals, times and rates. Other tests use --init with layers
# that do not match the file.
# SPDX-License-Identifier: Apache-2.0
import collections, os, random, re, shutil, struct, subprocess, zipfile
from samples import npy, npz, write_png
from tap import check, finish, start
from torch_pickle import contiguous, pickled

top = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
with open(os.path.join(top, "docs", "transfer.md")) as file:
    page = file.read()
cnnc = os.environ["CNNC"] if os.sep in os.environ["CNNC"] else shutil.which(os.environ["CNNC"])
cnnc = os.path.abspath(cnnc)
work = start("transfer")
os.mkdir("bin")
os.symlink(cnnc, "bin/cnnc")
environment = {**os.environ, "PATH": os.path.join(work, "bin") + os.pathsep + os.environ["PATH"]}


def run(*words):
    return subprocess.run(words, capture_output=True, text=True, timeout=300, env=environment)


def exits(status, title, *words, says=(), silent=None):
    done = run(*words)
    both = done.stdout + done.stderr
    missing = [text for text in ([says] if isinstance(says, str) else says) if text not in both]
    check(done.returncode == status and not missing and not (silent and silent in both), title,
          f"{' '.join(words)}: exit {done.returncode}, without {missing}\n{both}")
    return done


# ---- Images: textures of several kinds, in any colors
def weave(kind, x, y, step):
    across, down = (x // step) % 2, (y // step) % 2
    rising, falling = ((x + y) // step) % 2, ((x - y) // step) % 2
    return {"rows": down, "columns": across, "rising": rising, "falling": falling, "checks": across ^ down,
            "grid": across & down, "diamonds": rising & falling, "zigzag": rising if down else falling}[kind]


def images(root, count, kinds, seed):
    chance = random.Random(seed)
    for kind in kinds:
        os.makedirs(f"{root}/{kind}")
        for i in range(count):
            step, dx, dy = chance.randint(2, 5), chance.randint(0, 31), chance.randint(0, 31)
            ground = [chance.randint(0, 255) for _ in range(3)]
            thread = [(v + chance.randint(70, 180)) % 256 for v in ground]
            def color(x, y):
                noise = chance.randint(-25, 25)
                return [min(255, max(0, v + noise))
                        for v in (thread if weave(kind, x + dx, y + dy, step) else ground)]
            write_png(f"{root}/{kind}/{i}.png", 24, 24, color)


images("base", 60, ("rows", "columns", "rising", "falling", "checks"), 1)
images("images/train", 8, ("grid", "diamonds", "zigzag"), 2)
images("images/val", 20, ("grid", "diamonds", "zigzag"), 4)
images("images/test", 40, ("grid", "diamonds", "zigzag"), 3)

# ---- The trained body, in the formats of other frameworks
BODY = """net textures {
    input image: 24x24x3 as u8
    normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225], scale=1/255)
    conv(12, 3x3, pad=1, bias=false, name="features.0") -> batchnorm(name="features.1") -> relu -> maxpool(2)
    conv(24, 3x3, pad=1, bias=false, name="features.4") -> batchnorm(name="features.5") -> relu -> maxpool(2)
    conv(32, 3x3, pad=1, bias=false, name="features.8") -> batchnorm(name="features.9") -> relu
    global_avgpool
    dense(5, name="classifier") -> softmax
    train { loss = cross_entropy; optimizer = adam(rate=0.003); epochs = 12; batch = 16 }
}
"""
with open("textures.cnn", "w") as file:
    file.write(BODY)
exits(0, "a body is built", "cnnc", "textures.cnn", "-o", "textures")
exits(0, "  and trained", "./textures", "train", "--data", "base", "--out", "textures.npz",
      "--progress", "none")
exits(0, "  well", "./textures", "eval", "--data", "base", "--weights", "textures.npz",
      says="accuracy     0.9")
arrays = {}
with zipfile.ZipFile("textures.npz") as archive:
    for name in archive.namelist():
        data = archive.read(name)
        length = struct.unpack("<H", data[8:10])[0]
        arrays[name[:-4]] = eval(data[10:10 + length].decode())["shape"], data[10 + length:]
state = collections.OrderedDict()
with zipfile.ZipFile("textures.pth", "w") as archive:
    for key, (name, (shape, data)) in enumerate(arrays.items()):
        state[name] = contiguous(str(key), shape)
        archive.writestr(f"archive/data/{key}", data)
    archive.writestr("archive/data.pkl", pickled(state))
KERAS = {"features.0": "conv2d", "features.1": "batch_normalization", "features.4": "conv2d_1",
         "features.5": "batch_normalization_1", "features.8": "conv2d_2",
         "features.9": "batch_normalization_2", "classifier": "dense"}
npz("textures_keras.npz", **{KERAS[name.rsplit(".", 1)[0]] + "." + name.rsplit(".", 1)[1]:
                             npy(shape, struct.unpack(f"<{len(data) // 4}f", data))
                             for name, (shape, data) in arrays.items()})


# ---- The page: the lines after a command are its output
def plain(text):
    return [re.sub(r"\d+\.\d+|epoch \d+ of", "#", line).rstrip() for line in text.splitlines()]


blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.M | re.S)
shown = None
for number, (kind, body) in enumerate(blocks, 1):
    title = f"block {number}: {kind or 'the output'}"
    if kind == "cnn":
        with open(re.search(r"^net (\w+)", body, re.M).group(1) + ".cnn", "w") as file:
            file.write(body)
    elif kind == "names":
        with open("names.txt", "w") as file:
            file.write(body)
    elif kind == "sh":
        done = run("sh", "-c", "exec 2>&1\n" + body)
        shown = done.stdout
        refused = "error" in (blocks[number][1] if number < len(blocks) and not blocks[number][0] else "")
        check((done.returncode != 0) == refused, title, shown)
    else:  # the page's lines are printed in this order, with others between them
        printed, at, missing = plain(shown), 0, []
        for line in plain(body.replace("\n    ", " ")):  # an indented line continues the one before
            found = next((i for i in range(at, len(printed)) if printed[i] == line), None)
            if line and line != "...":
                missing += [line] if found is None else []
                at = at if found is None else found + 1
        check(not missing, title, "\n".join(["not printed:", *missing, "printed:", *printed]))


def accuracy(program, weights):
    done = run("./" + program, "eval", "--data", "images", "--weights", weights)
    return float(re.search(r"^accuracy +([\d.]+)", done.stdout, re.M).group(1))


run("./whole", "train", "--data", "images", "--out", "scratch.npz", "--rate", "0.003", "--progress", "none")
reached = accuracy("weaves", "head.safetensors"), accuracy("whole", "scratch.npz")
check(reached[0] > 0.7 and reached[1] < 0.66, "a head on the frozen body beats a net from scratch",
      reached)

# ---- Matching by order: one sequence of whole layers
def net(name, *layers, frozen=False):
    body = "\n".join(f'    {layer}' for layer in layers)
    with open(name + ".cnn", "w") as file:
        file.write(f"net {name} {{\n    input x: 12x12x3\n{body}\n    global_avgpool -> dense(2)\n"
                   "    train { loss = cross_entropy; epochs = 1; batch = 4 }\n}\n")
    exits(0, f"{name} is built", "cnnc", name + ".cnn", "-O1", "-o", name)


def layers(path, *shapes):
    made = {}
    for name, shape in shapes:
        size = 1
        for n in shape:
            size *= n
        made[name] = npy(shape, [0.01 * (i % 7) for i in range(size)])
    npz(path, **made)


def starts(title, program, path, *says, status=0, silent=None, options=("--match=order",)):
    return exits(status, title, "./" + program, "train", "--data", "synthetic", "--limit", "8", "--init",
                 path, *options, "--out", "out.npz", "--progress", "none", says=says, silent=silent)


net("three", "conv(4, 3x3) -> relu", "conv(4, 3x3) -> relu", "conv(5, 3x3) -> relu")
layers("all.npz", ("a.w", (4, 3, 3, 3)), ("a.b", (4,)), ("b.w", (4, 4, 3, 3)), ("b.b", (4,)),
       ("c.w", (5, 4, 3, 3)), ("c.b", (5,)), ("head.w", (9, 5)), ("head.b", (9,)))
starts("a new head", "three", "all.npz", "all.npz: 6 of 8 weights loaded; 2 initialized; differences:\n",
       "missing: dense1.weight [2, 5]\nmissing: dense1.bias [2]\nnot in the net: head.w [9, 5]\n",
       "a.w = conv1.weight\n", "c.b = conv3.bias\n")
layers("gray.npz", ("a.w", (4, 1, 3, 3)), ("a.b", (4,)), ("b.w", (4, 4, 3, 3)), ("b.b", (4,)),
       ("c.w", (5, 4, 3, 3)), ("c.b", (5,)), ("d.w", (2, 9)), ("d.b", (2,)))
starts("another first layer: not even its bias", "three", "gray.npz", "4 of 8 weights loaded",
       "b.w = conv2.weight", "missing: conv1.bias [4]", "missing: dense1.bias [2]", silent="a.b = ")
layers("more.npz", ("x.w", (7, 3, 3, 3)), ("a.w", (4, 3, 3, 3)), ("a.b", (4,)), ("b.w", (4, 4, 3, 3)),
       ("b.b", (4,)), ("b.g", (4,)), ("c.w", (5, 4, 3, 3)), ("c.b", (5,)))
starts("a layer with more arrays does not match", "three", "more.npz", "2 of 8 weights loaded",
       "a.b = conv1.bias", silent="b.w = ")
layers("none.npz", ("a.w", (6, 3, 3, 3)), ("a.b", (6,)))
starts("nothing in common", "three", "none.npz", "no array matches a weight of the net:", status=1)
starts("  nor by name", "three", "none.npz", "no array matches a weight of the net:", status=1, options=[])
starts("other names in the same order", "three", "all.npz",
       "no array matches a weight of the net by name; --match=order finds 6 of 8:", status=1, options=[])
exits(1, "  for all weights of a program", "./three", "eval", "--data", "synthetic", "--weights", "all.npz",
      says="the weights do not match this net:")
layers("same.npz", ("a.w", (4, 3, 3, 3)), ("a.b", (4,)), ("b.w", (4, 4, 3, 3)), ("b.b", (4,)),
       ("c.w", (5, 4, 3, 3)), ("c.b", (5,)), ("d.w", (2, 5)), ("d.b", (2,)))
exits(1, "  where all of them are there", "./three", "eval", "--data", "synthetic", "--weights", "same.npz",
      says="the weights do not match this net by name; --match=order finds 8 of 8:")
layers("many.npz", *((f"other.{i}.weight", (3, 3)) for i in range(60)), ("conv1.weight", (4, 3, 3, 3)))
done = starts("a long list of differences ends at a whole line", "three", "many.npz",
              "1 of 8 weights loaded; 7 initialized", options=[])
lines = done.stderr.split("differences:\n")[1].splitlines()
check(len([line for line in lines if line.startswith(("missing: ", "not in"))]) == 12
      and "... and 55 more" in lines, "  with the number of omitted lines", lines)
exits(1, "the compiler needs all weights", "cnnc", "three.cnn", "--weights=all.npz", "--match=order",
      says=("does not have the weights of three",
            "NET train --init all.npz --match=order loads the longest sequence of matching layers"))

# ---- Frozen weights
net("cold", "conv(4, 3x3, frozen=true) -> relu", "conv(4, 3x3) -> relu", "conv(5, 3x3) -> relu")
starts("frozen weights in the file", "cold", "all.npz", "6 of 8 weights loaded")
os.remove("out.npz")
starts("frozen weights that are not in the file", "cold", "gray.npz",
       "cold: error: gray.npz: lacks 1 of the 2 frozen weights (first: conv1.weight), which would "
       "keep their initial values", status=1)
check(not os.path.exists("out.npz"), "  nothing is trained")
exits(0, "without a file: a warning", "./cold", "train", "--data", "synthetic", "--limit", "8", "--out",
      "out.npz", says="1 of 2 frozen weights keep random values (first: conv1.weight); --init loads them")
net("normed", "conv(4, 3x3, frozen=true) -> batchnorm(frozen=true) -> relu", "conv(4, 3x3) -> relu")
layers("bare.npz", ("conv1.weight", (4, 3, 3, 3)), ("conv1.bias", (4,)), ("batchnorm1.weight", (4,)),
       ("batchnorm1.bias", (4,)))
starts("frozen statistics that are not in the file", "normed", "bare.npz",
       "lacks 2 of the 6 frozen weights (first: batchnorm1.running_mean)", status=1, options=[])
net("given", "conv(1, 3x3, frozen=true, bias=false, init=[[1, 0, -1], [2, 0, -2], [1, 0, -1]])",
    "conv(4, 3x3) -> relu")
layers("rest.npz", ("conv2.weight", (4, 1, 3, 3)), ("conv2.bias", (4,)))
starts("values of the program are not random", "given", "rest.npz", "2 of 5 weights loaded",
       silent="frozen weights", options=[])
finish()
