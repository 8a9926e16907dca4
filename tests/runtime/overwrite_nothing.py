# overwrite_nothing.py: the cases of overwrite_nothing.tap: files that programs must not overwrite, and the
# output of a resumed run.
# SPDX-License-Identifier: Apache-2.0
import gzip, json, math, os, random, shutil, signal, struct, subprocess, time, zipfile, zlib
from tap import check, finish, start

start("keep")
random.seed(1)


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    done.both = done.stdout + done.stderr
    return done


def exits(status, title, *words, says=""):
    done = run(*words)
    said = [says] if isinstance(says, str) else says
    check(done.returncode == status and all(part in done.both for part in said), title,
          f"{' '.join(words)}: exit {done.returncode}\n{done.both}\nwanted: {said}")
    return done


def build(name, text, *options):
    with open(name + ".cnn", "w") as file:
        file.write(text)
    exits(0, f"{name} is built", os.environ["CNNC"], name + ".cnn", "-o", name, "-O0", *options)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def tensors(path):  # without metadata
    data = content(path)
    return data[8 + struct.unpack("<Q", data[:8])[0]:]


def npy(shape, values, code, kind):
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({''.join(f'{n}, ' for n in shape)}), }}"
    head += " " * ((64 - (11 + len(head)) % 64) % 64) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H",
                                          len(head)) + head.encode() + struct.pack(f"<{len(values)}{code}",
        *values)


def npz(path, **arrays):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in arrays.items():
            archive.writestr(name + ".npy", data)


def png(path, side, values):  # gray
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(values[y * side:(y + 1) * side]) for y in range(side))
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", side, side, 8, 0, 0, 0, 0)))
        file.write(chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


NET = """net dot {
    input image: 6x6x1
    flatten
    dense(3) -> softmax
    train {
        loss = cross_entropy
        optimizer = adam(rate=0.01)
        epochs = 2
        batch = 10
    }
}
"""
COPY = """net copy {
    input image: 6x6x1
    conv(1, 3x3, pad=same) -> sigmoid
    train {
        loss = mse
        target = input
        optimizer = adam(rate=0.01)
        epochs = 1
    }
}
"""
build("dot", NET)
build("copy", COPY)

N = 60
labels = [i % 3 for i in range(N)]
values = [random.random() + (labels[i // 36] == i % 3) for i in range(N * 36)]


def data(path):
    npz(path, x=npy((N, 6, 6, 1), values, "f", "<f4"), y=npy((N,), labels, "i", "<i4"))


def idx(folder):
    os.makedirs(folder)
    with gzip.open(f"{folder}/train-images-idx3-ubyte.gz", "wb") as file:
        file.write(struct.pack(">4I", 0x803, N, 6, 6) + bytes(int(127 * v) for v in values))
    with open(f"{folder}/train-labels-idx1-ubyte", "wb") as file:
        file.write(struct.pack(">2I", 0x801, N) + bytes(labels))


def pictures(folder):
    for c in "abc":
        os.makedirs(f"{folder}/{c}")
        for i in range(4):
            png(f"{folder}/{c}/{i}.png", 6, [random.randrange(256) for _ in range(36)])


def spares(title, path, *words, says):
    """Checks that the command line is rejected, and that the file is unchanged."""
    before = content(path)
    done = exits(2, title, *words, says=says)
    check(content(path) == before, "  and the file stays", done.both)


TRAIN = ("./dot", "train", "--progress=none")

# ---- Input files are never overwritten, whatever path names them.
data("d.npz")
exits(0, "a run", *TRAIN, "--data=d.npz", "-o", "w.safetensors", "--log=w.csv", "--plot=w.svg")
reads = "d.npz cannot be written: the data are read from it"
spares("weights over the data", "d.npz", *TRAIN, "--data=d.npz", "-o", "d.npz", says=reads)
os.link("d.npz", "hard.csv")
spares("a log over the data, by a hard link", "d.npz", *TRAIN, "--data=d.npz", "--log=hard.csv",
       says="hard.csv cannot be written: the data are read from it")
os.symlink("d.npz", "soft.svg")
spares("a plot over the data, by a symbolic link", "d.npz", *TRAIN, "--data=d.npz", "--plot=soft.svg",
       says="soft.svg cannot be written: the data are read from it")
idx("idx")
for name in "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte":
    os.link(f"idx/{name}", "part.csv")
    spares(f"a log over {name}", f"idx/{name}", *TRAIN, "--data=idx", "--log=part.csv",
           says="part.csv cannot be written: the data are read from it")
    os.remove("part.csv")
exits(0, "weights next to the data", *TRAIN, "--data=idx", "-o", "idx/w.safetensors", "--log=idx/w.csv")
exits(0, "  and a second time", *TRAIN, "--data=idx", "-o", "idx/w.safetensors", "--log=idx/w.csv")
pictures("folders")
os.symlink("folders/b/1.png", "b1.svg")
spares("a plot over an image of the data", "folders/b/1.png", *TRAIN, "--data=folders", "--plot=b1.svg",
       says="b1.svg cannot be written: the data are read from it")
spares("a confusion matrix over an image of the data", "folders/b/1.png", "./dot", "eval", "--data=folders",
       "--weights=w.safetensors",
       "--confusion=b1.svg", says="b1.svg cannot be written: the data are read from it")
shutil.copy("w.safetensors", "init.safetensors")
for option in "init.safetensors", "init.last.safetensors", "init.checkpoint.safetensors":
    shutil.copy("w.safetensors", option)
    spares(f"weights over --init={option}", option, *TRAIN, "--data=d.npz", f"--init={option}", "-o",
           "init.safetensors",
           says=f"{option} cannot be written: the initial weights are read from it")
os.link("w.safetensors", "weights.txt")
spares("a confusion matrix over the weights", "w.safetensors", "./dot", "eval", "--data=d.npz",
       "--weights=w.safetensors", "--confusion=weights.txt",
       says="weights.txt cannot be written: the weights are read from it")

# ---- The executable and other outputs are not overwritten, either.
spares("weights over the program", "dot", *TRAIN, "--data=d.npz", "-o", "dot",
       says="dot cannot be written: it is this program")
os.symlink("dot", "dot.csv")
spares("a log over the program, by a link", "dot", *TRAIN, "--data=d.npz", "--log=dot.csv",
       says="dot.csv cannot be written: it is this program")
os.symlink("events.out.tfevents.dot", "same.csv")
os.symlink("w.csv", "same.svg")
exits(2, "a plot over the log", *TRAIN, "--data=d.npz", "--log=w.csv", "--plot=same.svg",
      says="same.svg cannot be written: --log names the same file")
open("events.out.tfevents.dot", "w").close()
exits(2, "events over the log", *TRAIN, "--data=d.npz", "--log=same.csv", "--tensorboard=.",
      says="names the same file")

os.mkfifo("pipe.safetensors")
exits(2, "weights into a named pipe", *TRAIN, "--data=d.npz", "-o", "pipe.safetensors",
      says="pipe.safetensors cannot be written: it is a named pipe, not a regular file")

exits(2, "two outputs with one new name", "./dot", "eval", "--data=d.npz", "--weights=w.safetensors",
      "--confusion=new.svg", "--curves=new.svg", says="new.svg cannot be written: --confusion names the same")
check(not os.path.exists("new.svg"), "  nothing is written")

# ---- Inputs.
png("p.png", 6, range(36))
exits(0, "weights of an autoencoder", "./copy", "train", "--data=synthetic", "--progress=none")
spares("a prediction over an image", "p.png", "./copy", "predict", "p.png", "--weights=copy.safetensors",
       "-o", "p.png",
       says="p.png cannot be written: it is an input")
with open("i.npy", "wb") as file:
    file.write(npy((6, 6, 1), values[:36], "f", "<f4"))
os.link("i.npy", "j.npy")
spares("a prediction over an array, by a link", "i.npy", "./copy", "predict", "p.png", "i.npy",
       "--weights=copy.safetensors", "-o", "j.npy",
       says="j.npy cannot be written: it is an input")
for command in ("features", "p.png"), ("occlude", "p.png"), ("saliency", "p.png"), ("dream", "--output=0",
    "--from=p.png"):
    spares(f"{command[0]} over its input", "p.png", "./dot", *command, "--weights=w.safetensors", "-o",
           "p.png", says="p.png cannot be written: it is an input")
shutil.copy("copy.safetensors", "w.png")
spares("filters over the weights", "w.png", "./copy", "filters", "--weights=w.png", "-o", "w.png",
       says="w.png cannot be written: the weights are read from it")

# ---- The suffix determines the format.
for name in "x.csv", "x.pt", "x.h5", "x.safetensor":
    exits(2, f"weights named {name}", *TRAIN, "--data=d.npz", "-o", name,
          says=f"--out writes a file that ends in .safetensors or .npz, not '{name}'")
    check(not os.path.exists(name), "  are not written")
exits(2, "a plot named .png", *TRAIN, "--data=d.npz", "--plot=x.png",
      says="--plot writes a file that ends in .svg, not 'x.png'")
exits(2, "a log named .txt", *TRAIN, "--data=d.npz", "--log=x.txt",
      says="--log writes a file that ends in .jsonl or .csv, not 'x.txt'")
exits(0, "weights named .npz", *TRAIN, "--data=d.npz", "-o", "x.npz", "--seed=5")
exits(0, "  and .safetensors", *TRAIN, "--data=d.npz", "-o", "y.safetensors", "--seed=5")
check(all(zipfile.is_zipfile(name) and set(zipfile.ZipFile(name).namelist()) == {"dense1.weight.npy",
    "dense1.bias.npy"}
          for name in ("x.npz", "x.last.npz")), "  are npz, as are the last ones")
check(os.path.exists("x.checkpoint.safetensors") and not os.path.exists("x.checkpoint.npz"),
      "  the checkpoint is not")
same = [run("./dot", "eval", "--data=d.npz", "--json", f"--weights={name}").stdout for name in ("x.npz",
    "y.safetensors")]
check(same[0] == same[1] and '"loss"' in same[0], "  and have the same values", "".join(same))
exits(0, "  a run continues next to them", *TRAIN, "--data=d.npz", "-o", "x.npz", "--resume", "--epochs=3")
exits(0, "weights without a suffix", *TRAIN, "--data=d.npz", "-o", "plain")
check(os.path.exists("plain") and os.path.exists("plain.last.safetensors"), "  have the given name")

# ---- A program that was changed after the checkpoint.
PROGRAM = """net turn {{
    input image: 6x6x1
    flatten
    dense(8) -> {activation}
    dense(3) -> softmax
    train {{
        loss = {loss}
        optimizer = {optimizer}
        schedule = {schedule}
        augment = [{augment}]
        metrics = [{metrics}]
        epochs = {epochs}
        batch = {batch}
        seed = {seed}
        average = {average}
        clip_norm = {clip}
    }}
}}
"""
FIRST = dict(loss="cross_entropy", optimizer="adamw(rate=0.002)", schedule="cosine", augment="hflip",
             metrics="accuracy", epochs=6, batch=10, seed=1,
             average=0, clip=0, activation="relu")
GOES = "--data=d.npz", "--progress=none", "-o", "turn.safetensors", "--resume"


def changed(**what):
    build("turn", PROGRAM.format(**{**FIRST, **what}))


def begin(*more):
    for kind in "", ".last", ".checkpoint":
        if os.path.exists(f"turn{kind}.safetensors"):
            os.remove(f"turn{kind}.safetensors")
    exits(0, "  begun", "./turn", "train", *GOES[:-1], *more)


changed()
begin("--epochs=2")
saved = {kind: content(f"turn{kind}.safetensors") for kind in ("", ".last", ".checkpoint")}


def again():
    for kind, data in saved.items():
        with open(f"turn{kind}.safetensors", "wb") as file:
            file.write(data)


done = exits(0, "all epochs are done", "./turn", "train", *GOES,
             says="all 2 epochs are done; --epochs=6 continues to the program's number of epochs")
check("from now on" not in done.both, "  nothing has changed")
for what, value, line in (
        ("optimizer", "adamw(rate=0.0002)", "from now on, rate is 0.0002; before it was 0.002"),
        ("optimizer", "adamw(rate=0.002, weight_decay=0.5)", "weight_decay=0.5); before it was adamw("),
        ("schedule", "cosine(warmup=1)",
         "from now on, schedule is cosine(warmup=1); before it was cosine"),
        ("augment", "hflip, shift(1)", "from now on, augment is hflip, shift(1); before it was hflip"),
        ("batch", "12", "from now on, batch is 12; before it was 10"),
        ("clip", "1", "from now on, clip_norm is 1; before it was 0"),
        ("epochs", "3", "from now on, epochs is 3; before it was 2"),
        ("activation", "tanh",
         "from now on, layers is flatten -> dense -> tanh -> dense -> softmax; before it was flatten "
         "-> dense -> relu")):
    again()
    changed(**{what: value})
    exits(0, f"{what} = {value}: said", "./turn", "train", *GOES,
          *([] if what == "epochs" else ["--epochs=3"]), says=line)
for what, value, line in (
        ("loss", "focal(gamma=2)",
         "the loss of a run cannot change: it was output: cross_entropy, now it is output: focal"),
        ("metrics", "accuracy, top(2)",
         "the metrics of a run cannot change: it was accuracy, now it is accuracy, top(2)"),
        ("seed", "2", "the program's seed was 1, now it is 2"),
        ("optimizer", "sgd(rate=0.1, momentum=0.9)",
         "the optimizer state of a run cannot change: it was adamw, without an average, now it is sgd with "
         "momentum"),
        ("average", "0.9", "it was adamw, without an average, now it is adamw, with an average")):
    again()
    changed(**{what: value})
    exits(1, f"{what} = {value}: refused", "./turn", "train", *GOES, "--epochs=3", says=line)
    check(all(content(f"turn{kind}.safetensors") == data for kind, data in saved.items()),
          "  and nothing is touched")
changed()
again()
exits(1, "another --seed: refused", "./turn", "train", *GOES, "--epochs=3", "--seed=9",
      says="the seed of a run cannot change: it was 1, now it is 9")
begin("--epochs=2", "--rate=0.01")
exits(0, "options of the run stay", "./turn", "train", *GOES, "--epochs=3",
      says="rate stays 0.01, as at the start of this run; the program has 0.002")
exits(0, "  unless they are given again", "./turn", "train", *GOES, "--epochs=4", "--rate=0.02",
      says="from now on, rate is 0.02; before it was 0.01")
changed(epochs=9)
exits(0, "the program's new number of epochs is used", "./turn", "train", *GOES,
      says="from now on, epochs is 9; before it was 4")

# ---- The logged rate of an epoch is the mean over the steps of the epoch, even if the run was interrupted in
# the middle of the epoch.
changed(schedule="constant")
begin("--epochs=1", "--log=rate.csv")


def rates(path):
    rows = [line.split(",") for line in open(path).read().splitlines()]
    return [float(row[rows[0].index("rate")]) for row in rows[1:]]


check(rates("rate.csv") == [0.002], "a constant rate is itself", rates("rate.csv"))
changed(schedule="cosine")
begin("--epochs=2", "--log=rate.csv", "--batch=9", "--val=0")  # 60 samples: 6 steps of 9 and one of 6
wanted = [sum(0.002 * 0.5 * (1 + math.cos(math.pi * (e + 9 * i / 60) / 2)) for i in range(7)) / 7
          for e in range(2)]
check(all(abs(a - b) < 1e-9 for a, b in zip(rates("rate.csv"), wanted)), "that of a schedule is the mean",
      f"{rates('rate.csv')} {wanted}")

# ---- A new run keeps the weights of an earlier one.
GOOD, BAD = ("--epochs=8", "--rate=0.05"), ("--epochs=1", "--rate=0.0001")
RUN = *TRAIN, "--data=d.npz", "-o", "run.safetensors"
OLD = "run.safetensors contains the weights of another run (epoch "


def kept(suffix=""):
    return content(f"run.previous{suffix}")


done = exits(0, "a good run", *RUN, *GOOD)
check("another run" not in done.both and not os.path.exists("run.previous.safetensors"), "  finds no file",
      done.both)
good = content("run.safetensors")
exits(0, "a bad run, dry", *RUN, *BAD, "--dry-run")
check(not os.path.exists("run.previous.safetensors"), "  writes nothing")
exits(0, "a bad run", *RUN, *BAD, says=(OLD, "val_loss 0.", "they are kept as run.previous.safetensors"))
bad = content("run.safetensors")
check(kept(".safetensors") == good and bad != good, "  keeps the weights before it")
exits(0, "another bad run", *RUN, *BAD, "--seed=7",
      says=(OLD, "run.previous.safetensors has better weights (epoch ", "and is kept"))
check(kept(".safetensors") == good and content("run.safetensors") != bad, "  keeps the better ones")
exits(0, "a good run over it", *RUN, *GOOD, says="and is kept")
check(kept(".safetensors") == good and content("run.safetensors") == good, "  and the last ones")
exits(0, "going on", *RUN, "--resume", "--epochs=9")
check(kept(".safetensors") == good, "  is the same run")
good = content("run.safetensors")
exits(0, "weights on other data", *TRAIN, "--data=folders", "-o", "run.safetensors",
      says=(OLD, "in place of the weights of an older run (epoch "))
check(kept(".safetensors") == good, "  cannot be compared: the newer weights are kept")
exits(2, "weights that would be replaced by others are not read", *RUN, "--init=run.previous.safetensors",
      says="run.previous.safetensors cannot be written: the initial weights are read from it")
exits(0, "npz files have the same metadata", *TRAIN, "--data=d.npz", "-o", "x.npz",
      says=("x.npz contains the weights of another run (epoch ", "); they are kept as x.previous.npz"))
with open("other.safetensors", "wb") as file:
    file.write(b"something else")
exits(1, "a file without weights", *TRAIN, "--data=d.npz", "-o", "other.safetensors",
      says="other.safetensors: will not be overwritten: it is not a weight file of a program built by cnnc")
shutil.copy("d.npz", "fresh.previous.npz")
exits(1, "a data set where weights would be kept", *TRAIN, "--data=d.npz", "-o", "fresh.npz",
      "--log=fresh.csv",
      says="fresh.previous.npz: will not be overwritten")
check(content("other.safetensors") == b"something else" and content("fresh.previous.npz") == content("d.npz")
      and
      not os.path.exists("fresh.csv"), "  none of them is changed")
header = json.dumps({"layer.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
elsewhere = struct.pack("<Q", len(header)) + header + b"\0\0\0\0"
with open("torch.safetensors", "wb") as file:
    file.write(elsewhere)
exits(0, "weights of another program", *TRAIN, "--data=d.npz", "-o", "torch.safetensors",
      says="they are kept as torch.original.safetensors")
exits(0, "  a second run", *TRAIN, "--data=d.npz", "-o", "torch.safetensors",
      says="they are kept as torch.previous.safetensors")
exits(0, "  and a third", *TRAIN, "--data=d.npz", "-o", "torch.safetensors",
      says="torch.previous.safetensors")
check(content("torch.original.safetensors") == elsewhere, "  leave the first as they are")
with open("torch.safetensors", "wb") as file:
    file.write(elsewhere)
exits(1, "  unless the name is taken", *TRAIN, "--data=d.npz", "-o", "torch.safetensors",
      says="torch.original.safetensors: will not be overwritten")
open("empty.safetensors", "w").close()
exits(0, "an empty file is overwritten", *TRAIN, "--data=d.npz", "-o", "empty.safetensors")
before = content("w.safetensors")
exits(1, "outputs are opened before anything is replaced", *TRAIN, "--data=d.npz", "-o", "w.safetensors",
      "--tensorboard=other.safetensors")
check(content("w.safetensors") == before and not os.path.exists("w.previous.safetensors"), "  none replaced")
LONG = *TRAIN, "--data=d.npz", "-o", "half.safetensors", "--epochs=30"
child = subprocess.Popen([*LONG, "--batch=1", "--epochs=10000"], stderr=subprocess.PIPE)
while not os.path.exists("half.checkpoint.safetensors"):
    time.sleep(0.01)
child.send_signal(signal.SIGINT)
child.communicate(timeout=60)
half = content("half.checkpoint.safetensors"), content("half.safetensors")
exits(0, "a run that was stopped", *LONG,
      says=("half.checkpoint.safetensors contains a run that was stopped in epoch ", " of 10000",
      "it is kept: '--resume --out half.stopped.safetensors' continues it"))
check((content("half.stopped.checkpoint.safetensors"), content("half.stopped.safetensors")) == half,
      "  is kept with its checkpoint")
exits(0, "  continues", *TRAIN, "--data=d.npz", "--resume", "-o", "half.stopped.safetensors", "--epochs=2")

# ---- NaN and infinities.
for value, shown in (math.nan, "nan"), (math.inf, "inf"):
    broken = [0.5] * 108
    broken[40] = value
    npz("broken.npz", **{"dense1.weight": npy((3, 36), broken, "f", "<f4"),
                         "dense1.bias": npy((3,), [0, 0, 0], "f", "<f4")})
    says = f'broken.npz: tensor "dense1.weight" is not finite: [1, 4] is {shown}'
    exits(1, f"weights with {shown}", "./dot", "eval", "--data=d.npz", "--weights=broken.npz", says=says)
    exits(1, "  to begin with", *TRAIN, "--data=d.npz", "--init=broken.npz", says=says)
    exits(1, "  compiled in", os.environ["CNNC"], "dot.cnn", "--weights=broken.npz", "-o", "broken.c",
          says=(says, "weights-file"))
broken = [0.5] * 108
broken[2] = 1e300
npz("broken.npz", **{"dense1.weight": npy((3, 36), broken, "d", "<f8"),
                     "dense1.bias": npy((3,), [0, 0, 0], "f", "<f4")})
exits(1, "weights beyond the range of float", "./dot", "eval", "--data=d.npz", "--weights=broken.npz",
      says='"dense1.weight" is not finite: [0, 2] is inf as a float')

# ---- a negative variance, and metadata that do not fit, in all readers
build("norm", """net norm {
    input x: 4
    dense(3) -> batchnorm -> dense(3) -> softmax
    train { loss = cross_entropy }
}
""")
parts = {"dense1.weight": ((3, 4), [0.5] * 12), "dense1.bias": ((3,), [0] * 3),
         "batchnorm1.weight": ((3,), [1] * 3), "batchnorm1.bias": ((3,), [0] * 3),
         "batchnorm1.running_mean": ((3,), [-1] * 3), "batchnorm1.running_var": ((3,), [0, -0.0, 1]),
         "dense2.weight": ((3, 3), [0.5] * 9), "dense2.bias": ((3,), [0] * 3)}
npz("rows.npz", x=npy((6, 4), [1] * 24, "f", "<f4"), y=npy((6,), [0, 1, 2] * 2, "i", "<i4"))
NORM = "./norm", "eval", "--data=rows.npz"


def norm(path, kind="<f4", code="f", comment="", **changed):
    with zipfile.ZipFile(path, "w") as archive:
        archive.comment = comment.encode()
        for name, (shape, numbers) in {**parts, **changed}.items():
            archive.writestr(name + ".npy", npy(shape, numbers, code, kind))


norm("norm.npz")
exits(0, "a variance of 0", *NORM, "--weights=norm.npz")
for kind, code in ("<f4", "f"), ("<f8", "d"), ("<f2", "e"):
    norm("norm.npz", kind, code, **{"batchnorm1.running_var": ((3,), [1, -0.25, 1])})
    says = 'norm.npz: tensor "batchnorm1.running_var" is a variance, but has a negative number: [1] is -0.25'
    exits(1, f"a negative variance in {kind}", *NORM, "--weights=norm.npz", says=says)
    exits(1, "  to begin with", "./norm", "train", "--data=rows.npz", "--init=norm.npz", says=says)
    exits(1, "  compiled in", os.environ["CNNC"], "norm.cnn", "--weights=norm.npz", "-o", "broken.c",
          says=(says, "weights-file"))
norm("norm.npz", "<i4", "i", **{name: (shape, [1] * len(v)) for name, (shape, v) in parts.items()})
exits(0, "integers as weights", *NORM, "--weights=norm.npz",
      says='norm.npz: warning: tensor "dense1.weight" has the type I32: its integers are converted to float')
for names, status, says in (
        (["a"], 0, "has 1 class name, but the net has 3 classes"),
        (list("abcdefg"), 1, "has 7 class names, but the net has 3 classes; correct or remove"),
        (["a", "b", "a"], 1, 'in its metadata "classes", the classes 0 and 2 are both \'a\'')):
    norm("norm.npz", comment=json.dumps({"net": "norm", "classes": json.dumps(names)}))
    exits(status, f"class names {names}", *NORM, "--weights=norm.npz", says=says)

sick = list(values)
sick[7 * 36 + 5] = math.nan
npz("nan.npz", x=npy((N, 6, 6, 1), sick, "f", "<f4"), y=npy((N,), labels, "i", "<i4"))
done = exits(1, "data that are not finite", *TRAIN, "--data=nan.npz", "--val=0", "-o", "nan.safetensors",
             says='nan.npz: the data are not finite: sample 7, number 5 of the input "image" is nan')
check("smaller rate" not in done.both and not os.path.exists("nan.safetensors"),
      "  no other message, and nothing is saved", done.both)
npz("nan.npz", x=npy((N, 6, 6, 1), values, "f", "<f4"), y=npy((N,), labels, "i", "<i4"),
    x_val=npy((N, 6, 6, 1), sick, "f", "<f4"), y_val=npy((N,), labels, "i", "<i4"))
exits(1, "validation data that are not finite", *TRAIN, "--data=nan.npz", "-o", "nan.safetensors",
      says=('nan.npz: the data are not finite: validation sample 7, number 5 of the input "image" is nan',
            "the finished part of epoch 1 is saved; once the cause is removed, --resume continues from "
            "nan.checkpoint"))
npz("nan.npz", x=npy((N, 6, 6, 1), values, "f", "<f4"), y=npy((N,), labels, "i", "<i4"),
    x_val=npy((N, 6, 6, 1), values, "f", "<f4"), y_val=npy((N,), labels, "i", "<i4"))
exits(0, "  finished steps are not lost", *TRAIN, "--data=nan.npz", "-o", "nan.safetensors", "--resume")
exits(0, "  and a run that never stopped", *TRAIN, "--data=nan.npz", "-o", "never.safetensors")
check(tensors("nan.last.safetensors") == tensors("never.last.safetensors"), "  it is the same to the bit")
sick = list(values)
sick[7 * 36 + 5] = math.nan
npz("step.npz", x=npy((N, 6, 6, 1), sick, "f", "<f4"), y=npy((N,), labels, "i", "<i4"))
for more in [], ["--batch=4"]:
    exits(1, f"samples that cannot be read in the middle of an epoch {more}", *TRAIN, "--data=step.npz",
          "--val=0",
          "--shuffle=off", "--init=never.safetensors", "-o", "step.safetensors", "--batch=2", *more,
          says=("sample 7, number 5", "the finished part of epoch 1 is saved"))
    check(not os.path.exists("step.safetensors"), "  are not reported as a result")
    check(tensors("step.last.safetensors") != tensors("never.safetensors"), "  keep earlier weights")
npz("step.npz", x=npy((N, 6, 6, 1), values, "f", "<f4"), y=npy((N,), labels, "i", "<i4"))
exits(0, "  and the run continues", *TRAIN, "--data=step.npz", "-o", "step.safetensors", "--resume",
      says="continuing after epoch 0 of 2")
build("line", """net line {
    input x: 2
    dense(1)
    train {
        loss = mse
        optimizer = sgd(rate=0.1)
        epochs = 2
        batch = 4
    }
}
""")
npz("nan.npz", x=npy((8, 2), range(16), "f", "<f4"), y=npy((8, 1), [0, 1, 2, math.inf, 4, 5, 6, 7], "f",
                                                           "<f4"))
exits(1, "targets that are not finite", "./line", "train", "--data=nan.npz", "--val=0", "--progress=none",
      says='nan.npz: the data are not finite: sample 3, number 0 of the target of "output" is inf')
npz("large.npz", x=npy((4, 2), [1e30] * 8, "f", "<f4"), y=npy((4, 1), [0] * 4, "f", "<f4"))
done = exits(1, "weights that overflow in the last step", "./line", "train", "--data=large.npz", "--val=0",
             "--progress=none", "--rate=1e30", "-o",
             "large.safetensors", "--epochs=1")
check(not [name for name in os.listdir() if name.startswith("large.") and name != "large.npz"],
      "  are not written", done.both)

# ---- Other cases.
changed()
done = exits(0, "--overfit with --epochs", "./turn", "train", "--data=d.npz", "--overfit=20", "--epochs=3",
             "-o", "few.safetensors", says="epoch 3 of 3")
done = exits(0, "  and without", "./turn", "train", "--data=d.npz", "--overfit=20", "-o", "few.safetensors",
             says="of 150")
for name, number, status in ("SIGINT", signal.SIGINT, 130), ("SIGTERM", signal.SIGTERM, 143):
    child = subprocess.Popen(["./turn", "train", "--data=d.npz", "--epochs=100000", "-o",
                              f"{name}.safetensors", "--progress=none"], stderr=subprocess.PIPE)
    until = time.time() + 60
    while not os.path.exists(f"{name}.checkpoint.safetensors") and time.time() < until:
        time.sleep(0.01)
    child.send_signal(number)
    child.communicate(timeout=60)
    check(child.returncode == status, f"{name} ends with {status}", child.returncode)
finish()
