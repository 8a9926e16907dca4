# commands.py: the cases of commands.tap. Programs are built by $CNNC, run in a separate directory, and
# checked by exit status, output and files.
# SPDX-License-Identifier: Apache-2.0
import json, math, os, pty, select, shutil, signal, struct, subprocess, time, zipfile
from tap import check, finish, start

start("commands")


def run(*words, env=None):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120,
                          env={**os.environ, **(env or {})})
    done.both = done.stdout + done.stderr
    return done


def exits(status, title, *words, says="", env=None):
    done = run(*words, env=env)
    check(done.returncode == status and says in done.both, title,
          f"{' '.join(words)}: exit {done.returncode}\n{done.both}")
    return done


def build(name, text, *options):
    with open(name + ".cnn", "w") as file:
        file.write(text)
    exits(0, f"{name} is built", os.environ["CNNC"], name + ".cnn", "-o", name, *options)


def content(path):
    with open(path, "rb") as file:
        return file.read()


def npy(path, shape, values, code="B", kind="|u1"):  # an array of numpy's format, version 1
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({''.join(f'{n}, ' for n in shape)}), }}"
    head += " " * ((64 - (11 + len(head)) % 64) % 64) + "\n"
    data = b"\x93NUMPY\1\0" + struct.pack("<H",
                                          len(head)) + head.encode() + struct.pack(f"<{len(values)}{code}",
        *values)
    if path:
        with open(path, "wb") as file:
            file.write(data)
    return data


def npz(path, **arrays):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in arrays.items():
            archive.writestr(name + ".npy", data)


def floats(data):  # shape and values of a float array
    length = struct.unpack("<H", data[8:10])[0]
    shape = eval(data[10:10 + length].decode())["shape"]
    return shape, struct.unpack(f"<{math.prod(shape)}f", data[10 + length:])


build("dot", """net dot {
    input image: 8x8x1 as u8
    normalize(scale=1/255)
    conv(6, 3x3) -> batchnorm -> relu
    flatten
    dropout(0.1)
    dense(4)
    labels ["north", "east", "south", "west"]
    train {
        loss = cross_entropy
        optimizer = adam(rate=0.003)
        schedule = cosine(warmup=1)
        augment = [shift(1)]
        epochs = 12
        batch = 20
    }
}
""")
DATA = ("--data", "synthetic")

# ---- the command line
done = exits(2, "without arguments: the help, exit 2", "./dot", says="usage: dot COMMAND")
exits(0, "--help", "./dot", "--help", says="predict")
for command in "train", "eval", "predict", "bench", "info":
    exits(0, f"{command} --help", "./dot", command, "--help", says=f"usage: dot {command}")
for words in (["frobnicate"], ["train"], ["train", *DATA, "--frobnicate"], ["train", *DATA, "--epochs", "0"],
              ["train", *DATA, "--rate", "x"], ["train", *DATA, "--seed"],
              ["train", *DATA, "--log", "log.txt"], ["train", *DATA, "--plot", "plot.png"],
              ["train", *DATA, "--progress=loud"], ["train", *DATA, "more"], ["eval", *DATA],
              ["predict", "--weights", "w"], ["predict", "x.npy"], ["bench", "--seconds", "-1"],
              ["info", "x"], ["eval", *DATA, "--weights", "w", "--confusion", "c.png"]):
    exits(2, "exit 2: " + " ".join(words), "./dot", *words, says="dot")
for command in "train", "info", "filters", "dream":
    exits(2, f"{command} takes no inputs", "./dot", command, "more",
          says=f"dot {command}: unexpected argument 'more'")
for command in "bench", "features", "occlude", "saliency":
    exits(2, f"{command} takes one input", "./dot", command, "one.png", "two.png",
          says="this command takes only one input")
for command in "predict", "features", "occlude", "saliency":
    exits(2, f"{command} needs an input", "./dot", command, says="this command needs an input")
exits(1, "a file where TensorBoard's directory should be", "./dot", "train", *DATA, "--tensorboard",
      "dot.cnn", says="Not a directory")
exits(1, "no such data", "./dot", "train", "--data", "nowhere", says="nowhere")
exits(1, "no checkpoint to continue from", "./dot", "train", *DATA, "--resume", says="checkpoint")
exits(1, "a directory that does not exist", "./dot", "train", *DATA, "--out", "no/such.safetensors",
      says="no/such")

# ---- training
TRAIN = ("./dot", "train", *DATA, "--limit", "400", "--progress", "none")
done = exits(0, "train", *TRAIN, "--log", "dot.jsonl", "--plot", "dot.svg", "--threads", "1")
check(done.stdout.startswith("dot.safetensors: epoch ") and done.stdout.count("\n") == 1,
      "the result is on standard output", done.both)
check("epoch" not in done.stderr and done.stderr.startswith("data: ")
      and "\nlabels: 4 classes" in done.stderr, "--progress none still describes the data", done.both)
check(all(os.path.exists(f"dot{kind}.safetensors") for kind in ("", ".last", ".checkpoint")),
      "weights, the last, a checkpoint", os.listdir())
rows = [json.loads(line) for line in open("dot.jsonl")]
check(list(rows[0]) == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "rate", "images_per_second",
                        "seconds"] and len(rows) == 12, "the log", rows[:1])
check(content("dot.svg").startswith(b"<svg") and b"</svg>" in content("dot.svg"), "the plot")
exits(0, "the log as CSV", *TRAIN, "--out", "csv.safetensors", "--log", "dot.csv", "--epochs", "2")
lines = open("dot.csv").read().splitlines()
check(lines[0] == "epoch,loss,accuracy,val_loss,val_accuracy,rate,images_per_second,seconds"
      and len(lines) == 3, "its columns", lines)
done = run("./dot", "train", *DATA, "--limit", "100", "--epochs", "2", "--out", "plain.safetensors",
           env={"LC_ALL": "C"})
check("epoch 2/2  loss" in done.stderr and "\r" not in done.stderr and "\x1b" not in done.stderr,
      "one line per epoch without a terminal", done.both)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def fields(data):  # the fields of a protobuf message: number and value of each
    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value
    at = 0
    while at < len(data):
        key = varint()
        number, wire = key >> 3, key & 7
        if wire == 0:
            yield number, varint()
            continue
        size = varint() if wire == 2 else {1: 8, 5: 4}[wire]
        yield number, data[at:at + size] if wire == 2 else struct.unpack("<d" if wire == 1 else "<f",
            data[at:at + size])[0]
        at += size


# Step, time and values of each event after the first one; verifies the checksums, as TensorBoard does.
def events(path):
    def masked(data):
        crc = crc32c(data)
        return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
    data, at, out = content(path), 0, []
    assert crc32c(b"123456789") == 0xE3069283
    while at < len(data):
        length = struct.unpack("<Q", data[at:at + 8])[0]
        event = data[at + 12:at + 12 + length]
        assert data[at + 8:at + 12] == masked(data[at:at + 8]) and data[at + 12 + length:at + 16 +
            length] == masked(event)
        out.append(dict(fields(event)))
        at += 16 + length
    assert out[0][3] == b"brain.Event:2" and at == len(data)
    return [(event[2], event[1], {tag.decode(): value for tag,
                                  value in (dict(fields(value)).values() for _, value in fields(event[5]))})
                                  for event in out[1:]]


EVENTS = "events.out.tfevents.dot"
exits(0, "events for TensorBoard, in a separate directory", *TRAIN, "--out", "board.safetensors", "--log",
      "board.jsonl", "--tensorboard", "runs/board", "--epochs", "3")
logged, board = [json.loads(line) for line in open("board.jsonl")], events(f"runs/board/{EVENTS}")
check([step for step, _, _ in board] == [20, 40, 60]
      and all(abs(when - time.time()) < 60 for _, when, _ in board), "the step and the time of each epoch",
      board)
check(len(logged) == 3 and all(list(row) == list(values)
                               and all(math.isclose(row[name], values[name], rel_tol=1e-5) for name in row)
                               for row, (_, _, values) in zip(logged, board)),
      "and the numbers of the log", (logged, board))
before = content(f"runs/board/{EVENTS}")
exits(0, "to which a resumed run appends", *TRAIN, "--out", "board.safetensors", "--tensorboard",
      "runs/board", "--resume", "--epochs", "5")
check(content(f"runs/board/{EVENTS}").startswith(before)
      and [step for step, _, _ in events(f"runs/board/{EVENTS}")] == [20, 40, 60, 80, 100],
      "after the same bytes as before")
try:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    theirs = EventAccumulator("runs/board").Reload()
    ours = {(name, step): value for step, _, values in events(f"runs/board/{EVENTS}") for name,
            value in values.items()}
    read = {(name, event.step): event.value for name in theirs.Tags()["scalars"]
            for event in theirs.Scalars(name)}
    check(len(read) > 10 and read == ours, "TensorBoard reads the same scalars", f"{read}\n{ours}")
except ImportError:
    check(True, "TensorBoard reads the same scalars # SKIP there is no tensorboard")

reference = content("dot.safetensors"), content("dot.last.safetensors")


def same(name):
    return (content(f"{name}.safetensors"), content(f"{name}.last.safetensors")) == reference


for words, env in (["--threads", "2"], {}), (["--threads", "3"], {}), ([], {"OMP_NUM_THREADS": "1"}), ([],
        {"OMP_NUM_THREADS": "3"}):
    run(*TRAIN, "--out", "again.safetensors", *words, env=env)
    check(same("again"), f"the same bits: {' '.join(words)} {env}")
run(*TRAIN, "--out", "seed.safetensors", "--seed", "2")
check(not same("seed"), "another seed, other weights")

# ---- interruption
for number, what in (signal.SIGINT, "Ctrl-C"), (signal.SIGKILL, "kill -9"), (signal.SIGTERM, "SIGTERM"):
    name, tries, stops, waited = f"stop{number}", 0, 0, 0.03
    words = [*TRAIN, "--out", f"{name}.safetensors", "--log", f"{name}.jsonl"]
    codes = []
    while tries < 40:
        resume = ["--resume"] if os.path.exists(f"{name}.checkpoint.safetensors") else []
        child = subprocess.Popen([*words, *resume], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        tries += 1
        try:
            child.wait(waited if stops < 4 else 60)
        except subprocess.TimeoutExpired:
            child.send_signal(number)
            child.wait(60)
        codes.append(child.returncode)
        stops += child.returncode != 0
        waited *= 1.2
        if child.returncode == 0:
            break
    check(same(name) and all(code in (0, -9 if number == signal.SIGKILL else 128 + number) for code in codes),
          f"to the bit after {what}, {stops} times", codes)
    mine = [json.loads(line) for line in open(f"{name}.jsonl")]
    check([[row["epoch"], row["val_loss"]] for row in mine] == [[row["epoch"], row["val_loss"]]
                                                                for row in rows], "and the log is complete")
    left = [file for file in os.listdir() if file.startswith(name) and file.endswith(".tmp")]
    check(not left, "and no partial file is left", left)
done = exits(0, "continuing to more epochs", *TRAIN, "--resume", "--epochs", "14")

# ---- experiments
before = sorted(os.listdir())
exits(0, "--dry-run", *TRAIN, "--dry-run", "--out", "dry.safetensors", "--log", "dry.csv", "--plot",
      "dry.svg", "--tensorboard", "dry")
check(sorted(os.listdir()) == before, "which writes nothing", os.listdir())
exits(0, "--overfit", *TRAIN, "--overfit", "8", "--out", "over.safetensors", says="accuracy 1.0000")
exits(0, "--init", *TRAIN[:-1], "plain", "--init", "dot.safetensors", "--out", "init.safetensors",
      "--epochs", "1", says="of 8 weights loaded")
exits(0, "--val 0, --shuffle=off", *TRAIN, "--val", "0", "--shuffle=off", "--epochs", "1", "--out",
      "v.safetensors", "--log", "v.jsonl")
exits(2, "a batch that is too large", *TRAIN, "--batch", "99999999999",
      says="--batch needs a whole number of at most 2147483647, not '99999999999'")
exits(0, "without its own labels: any batch", *TRAIN, "--batch", "50", "--epochs", "1", "--out",
      "v.safetensors")

# ---- the live bar
child, screen = pty.fork()
if child == 0:
    os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
    os.execvp("./dot", ["./dot", "train", *DATA, "--limit", "2000", "--epochs", "3", "--out",
                        "bar.safetensors"])
shown, begun = b"", time.time()
while time.time() - begun < 60:
    if select.select([screen], [], [], 1)[0]:
        try:
            got = os.read(screen, 65536)
        except OSError:
            break
        if not got:
            break
        shown += got
status = os.waitpid(child, 0)[1]
shown = shown.decode()
check(status == 0 and "\r\x1b[K" in shown and "images/s" in shown and "left" in shown
      and "accuracy" in shown, "the live bar", shown[-600:])

# ---- evaluation
WEIGHTS = ("--weights", "dot.safetensors")
done = exits(0, "eval", "./dot", "eval", *DATA, *WEIGHTS, "--confusion", "c.svg", says="precision")
check("north" in done.stdout and b"</svg>" in content("c.svg"),
      "its table of classes and the plot of confusions", done.both)
exits(0, "the confusions as text", "./dot", "eval", *DATA, *WEIGHTS, "--confusion", "c.txt")
table = [line.split() for line in open("c.txt").read().splitlines()[2:]]
shown = [[int(value.replace(".", "0")) for value in row[1:]] for row in table[1:]]
samples = [int(line.split()[1]) for line in done.stdout.splitlines()[-4:]]
check(table[0] == ["north", "east", "south", "west"] and [sum(row) for row in shown] == samples,
      "whose rows add up to the samples of each class", (table, samples))
result = json.loads(exits(0, "eval --json", "./dot", "eval", *DATA, *WEIGHTS, "--json").stdout)
check(list(result) == ["samples", "loss", "metrics", "classes"] and list(result["metrics"]) == ["accuracy"]
      and len(result["classes"]) == 4
      and list(result["classes"][0]) == ["label", "samples", "precision", "recall", "f1"]
      and result["classes"][1]["label"] == "east", "its keys", result)
check(sum(row["samples"] for row in result["classes"]) == result["samples"], "its samples")

# ---- prediction
picture = [(7 * i * i + 3 * i) % 256 for i in range(3 * 64)]
npy("one.npy", (8, 8, 1), picture[:64])
npy("three.npy", (3, 8, 8, 1), picture)
done = exits(0, "predict", "./dot", "predict", "one.npy", "three.npy", *WEIGHTS)
lines = done.stdout.splitlines()
check([line.split(":")[0] for line in lines] == ["one.npy", "three.npy[0]", "three.npy[1]", "three.npy[2]"],
      "one line per input", done.both)
check(all(len(line.split(": ")[1].split(", ")) == 4 and len(line.split()[-1].split(".")[1]) == 4
          for line in lines), "labels and scores of four decimals", done.both)
rows = json.loads(exits(0, "predict --json", "./dot", "predict", "three.npy", *WEIGHTS, "--json").stdout)
check([list(row) for row in rows] == [["input", "index", "class", "label", "score", "scores"]] * 3
      and [row["index"] for row in rows] == [0, 1, 2], "its keys", rows)
check(all(abs(sum(row["scores"]) - 1) < 1e-6 and row["score"] == max(row["scores"]) for row in rows),
      "scores of a linear output are its softmax", rows)
exits(0, "-o OUT.npy", "./dot", "predict", "three.npy", *WEIGHTS, "-o", "out.npy")
shape, raw = floats(content("out.npy"))
powers = [math.exp(value - max(raw[:4])) for value in raw[:4]]
check(shape == (3, 4) and all(abs(p / sum(powers) - s) < 1e-6 for p, s in zip(powers, rows[0]["scores"])),
      "raw outputs stay raw", (shape, raw))
exits(0, "-o for one input", "./dot", "predict", "one.npy", *WEIGHTS, "-o", "out.npy")
check(floats(content("out.npy")) == ((4,), raw[:4]), "has no leading n, and the same bits")
exits(2, "-o with another suffix", "./dot", "predict", "one.npy", *WEIGHTS, "-o", "out.txt")

# ---- invalid combinations
npy("small.npy", (3, 8, 7, 1), picture[:168])
exits(1, "an input of another size", "./dot", "predict", "small.npy", *WEIGHTS, says="[3, 8, 7, 1]")
exits(1, "an input that does not exist", "./dot", "predict", "nothing.png", *WEIGHTS, says="nothing.png")
with open("cut.safetensors", "wb") as file:
    file.write(reference[0][:-9])
exits(1, "truncated weights", "./dot", "predict", "one.npy", "--weights", "cut.safetensors",
      says="cut.safetensors")
npz("class.npz", x=npy(None, (3, 8, 8, 1), picture), y=npy(None, (3,), [0, 4, 1], "q", "<i8"))
exits(1, "a class out of range", "./dot", "train", "--data", "class.npz", says="label 1 is 4")
npz("short.npz", x=npy(None, (3, 8, 8, 1), picture), y=npy(None, (2,), [0, 1], "q", "<i8"))
exits(1, "fewer targets than samples", "./dot", "train", "--data", "short.npz", says="2 samples")

# ---- times
result = json.loads(exits(0, "bench --json", "./dot", "bench", "--seconds", "0.1", "--json").stdout)
check(list(result) == ["latency_ms", "images_per_second", "gflops", "threads", "inputs", "weights",
                       "warnings", "layers"]
      and list(result["latency_ms"]) == ["min", "median", "p99"]
      and all(list(row) == ["name", "ms", "gflops"] for row in result["layers"]) and result["layers"],
      "its keys", result)
result = json.loads(exits(0, "bench --train --json", "./dot", "bench", "--train", "--seconds", "0.1",
                          "--json", "--threads", "1").stdout)
check(list(result["step_ms"]) == ["min", "median", "p99"] and result["images_per_second"] > 0, "its keys",
      result)
layers = {row.pop("name"): row for row in result["layers"]}
check([list(row) for row in layers.values()] == len(layers) * [
          ["forward_ms", "input_gradient_ms", "weight_gradient_ms", "ms", "gflops"]]
      and all(row["ms"] > 0 for row in layers.values()) and "loss" in layers
      and any(row["forward_ms"] > 0 and row["weight_gradient_ms"] > 0 for row in layers.values()),
      "and its layers, forward and backward", result)
check([row["name"] for row in result["rest"]] == ["weights packed", "gradients added", "update"],
      "and the time outside of layers", result)
parts = sum(row["ms"] for row in [*layers.values(), *result["rest"]])
check(0.2 * result["step_ms"]["min"] < parts < 5 * result["step_ms"]["p99"],
      "whose sum is about the time of a step", [parts, result["step_ms"]])
check(result["warnings"] == [] and result["inputs"] == {"image": "bytes, 0 to 255"}
      and result["weights"] == "next to the program" and result["loss"]["rate"] == 0.003
      and 0.01 < result["loss"]["last"] < 2 * result["loss"]["first"] != 2 * result["loss"]["last"]
      and result["loss"]["updates"] > 1, "training at a loss that moves", result)
exits(0, "bench of given samples", "./dot", "bench", "--seconds", "0.01", *DATA, says="image: data")
exits(0, "bench of an input", "./dot", "bench", "one.npy", "--seconds", "0.01", says="image: file")
exits(2, "not of both", "./dot", "bench", "one.npy", *DATA, says="INPUT excludes --train and --data")
exits(1, "bench with truncated weights", "./dot", "bench", "--weights", "cut.safetensors",
      says="cut.safetensors")
exits(0, "info", "./dot", "info", says="parameters")

# ---- inputs and warnings of bench
CONTENTS = {  # the declaration of an input, its uses, the contents that follow
    "x: 8": ("x -> dense(4)", "normal"), "x: 8 as u8": ("x -> dense(4)", "bytes"),
    "x: 8 as i8": ("x -> dense(4)", "bytes"), "x: 8 as i16": ("x -> dense(4)", "normal"),
    "x: 2x2x2": ("x -> normalize(scale=1/255) -> flatten -> dense(4)", "bytes"),
    "x: 8x1": ("x -> normalize(mean=120, std=60) -> flatten -> dense(4)", "bytes"),
    "x: 2x4": ("x -> normalize(mean=0.5, std=0.2) -> flatten -> dense(4)", "normal"),
    "x: 4x2": ("x -> flatten -> multiply(1/127.5) -> subtract(1) -> dense(4)", "bytes"),
    "x: 6x6x1": ("x -> zero_pad(1) -> avgpool(2) -> normalize(scale=1/255) -> flatten -> dense(4)", "bytes"),
    "x: 2x2": ("x -> flatten -> multiply(0.125) -> dense(4)", "normal"),
    "x: 64x1 (rate=16000)": ("x -> conv(4, 3) -> global_avgpool", "sound"),
    "x: 3 as i32": ("x -> embedding(9, 2) -> flatten -> dense(4)", "indices", 9),
    "x: 3": ("a = x -> embedding(9, 2)\n x -> reshape(3x1) -> embedding(7, 2) -> add(a) -> flatten",
             "indices", 7),
    "x: 4 as u8": ("x -> one_hot(5) -> flatten -> dense(4)", "indices", 5),
    "x: 4 as i32": ("constant(6x2) -> gather(x) -> flatten -> dense(4)", "indices", 6),
    "x: 5 as i32": ("x -> dense(4)", "mask"),
    "x: 6x6": ("s = constant(6x4)\n s -> attention(s, s, mask=x) -> flatten -> dense(4)", "mask"),
}
for port, (uses, kind, *count) in CONTENTS.items():
    with open("contents.cnn", "w") as file:
        file.write(f"net contents {{\n input {port}\n {uses}\n}}\n")
    done = run(os.environ["CNNC"], "contents.cnn", "--emit=json")
    found = json.loads(done.stdout)["inputs"][0] if done.returncode == 0 else {}
    check((found.get("contents"), [found[k] for k in found if k == "indices"]) == (kind, count),
          f"contents of {port}: {kind}", (found, done.both))

build("slow", """net slow {
    input x: 64
    a = dense(32) -> multiply(1e-20) -> multiply(1e-20)
    tiny = a -> multiply(1e30) -> dense(2)
    huge = a -> multiply(1e30) -> multiply(1e30) -> multiply(1e20) -> exp
    output tiny, huge
    train { loss = mse(tiny) }
}
""")
exits(0, "subnormal numbers that the program flushes", "./slow", "bench", "--seconds", "0.01",
      says="warning: values of layers are subnormal (below 1.2e-38), which many CPUs compute")
done = exits(0, "subnormal numbers", "./slow", "bench", "--seconds", "0.01", "--denormals=keep",
             says="multiply2 (100.0 %)")
check("warning: values of layers are subnormal" in done.stdout
      and 'numbers of the output "huge" are NaN or infinite' in done.stdout
      and "inputs    x: normal, deviation 1\nweights   initial (init=)\n" in done.stdout,
      "and infinities are reported", done.both)
result = json.loads(
    run("./slow", "bench", "--train", "--seconds", "0.01", "--json", "--denormals=keep").stdout)
check(len(result["warnings"]) == 2 and result["loss"]["first"] != result["loss"]["last"], "in training",
      result)

# ---- other nets
shutil.copy("dot.safetensors", "kept.safetensors")
exits(0, "with weights inside", os.environ["CNNC"], "dot.cnn", "--weights=kept.safetensors", "-o", "full")
check(run("./full", "predict", "one.npy").stdout == lines[0] + "\n",
      "no --weights is needed, and the answers are the same")
exits(0, "and continues training from them", "./full", "train", *DATA, "--limit", "40", "--epochs", "1")
exits(0, "evaluates", "./full", "eval", *DATA, says="accuracy")

build("edge", """net edge {
    input image: 4x4x1 as u8
    conv(1, 1x3, init=[[1, 0, -1]], bias=false, frozen=true)
}
""")
npy("ramp.npy", (4, 4, 1), list(range(0, 32, 2)))
done = exits(0, "a net of frozen constants needs no weights", "./edge", "predict", "ramp.npy",
             says="ramp.npy: -4 -4 -4")
exits(1, "and cannot be trained", "./edge", "train", *DATA, says="without training code")

with open("coder.cnn", "w") as file:
    file.write("""net coder {
    input x: 4
    dense(2) -> tanh
    dense(4)
    train { loss = mse; target = input; metrics = [mae]; epochs = 1 }
}
""")
exits(0, "a net that restores its input", os.environ["CNNC"], "coder.cnn", "-o", "coder")
exits(0, "  learns", "./coder", "train", *DATA, "--limit", "40")
judged = run("./coder", "eval", *DATA, "--json").stdout
exits(0, "  is built without training", os.environ["CNNC"], "coder.cnn", "--no-train", "-o", "coder")
found = run("./coder", "eval", *DATA, "--json").stdout
check(found == judged and '"mae"' in found, "  and evaluated with the same result", found + judged)
exits(1, "  but not trained", "./coder", "train", *DATA, says="without training code")

build("pair", """net pair {
    input image: 4x4x1 as i8
    input more: 3
    seen = image -> flatten -> dense(4) -> tanh
    both = concat(seen, more)
    kind = both -> dense(3) -> softmax
    size = both -> dense(2)
    output kind, size
    train {
        loss = [cross_entropy(kind), mse(size)]
        epochs = 2
    }
}
""")
exits(0, "several inputs and outputs", "./pair", "train", *DATA, "--limit", "60", "--progress", "none",
      "--log", "pair.jsonl")
check(list(json.loads(open("pair.jsonl").readline()))[:5] == ["epoch", "loss", "kind_accuracy", "size_mae",
                                                              "val_loss"], "metrics by output")
exits(1, "a loss that is not finite", "./pair", "train", *DATA, "--rate", "1e30", "--out", "nan.safetensors",
      says="epoch 1, step 2: the gradient of ")
check(not os.path.exists("nan.safetensors") and not os.path.exists("nan.last.safetensors"), "saves nothing")
npz("pair.npz", image=npy(None, (2, 4, 4, 1), list(range(-16, 16)), "b", "|i1"),
    more=npy(None, (2, 3), [1, 2, 3, 4, 5, 6], "f", "<f4"))
PAIR = ("./pair", "predict", "pair.npz", "--weights", "pair.safetensors")
rows = json.loads(exits(0, "predict of several", *PAIR, "--json").stdout)
check([list(row) for row in rows] == [["input", "index", "outputs"]] * 2
      and list(rows[0]["outputs"]) == ["kind", "size"] and rows[0]["outputs"]["size"]["shape"] == [2]
      and len(rows[0]["outputs"]["size"]["values"]) == 2, "its keys", rows)
exits(0, "-o OUT.npz", *PAIR, "-o", "pair_out.npz")
with zipfile.ZipFile("pair_out.npz") as archive:
    check(sorted(archive.namelist()) == ["kind.npy", "size.npy"]
          and floats(archive.read("size.npy"))[0] == (2, 2), "keyed by output", archive.namelist())
exits(2, "which .npy cannot hold", *PAIR, "-o", "pair_out.npy")
finish()
