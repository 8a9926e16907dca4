# out_of_memory.py: the cases of out_of_memory.tap, with a preloaded library that makes calls fail
# (allocation_faults.c). Each command is run several times, and in each run one allocation fails. ALLOCATIONS
# is the number of runs; the failing allocations are spread evenly over the command. 0: one run for each
# allocation.
# SPDX-License-Identifier: Apache-2.0
import json, os, shutil, signal, struct, subprocess, sys, zlib
from tap import check, finish, start

here = os.path.dirname(os.path.abspath(__file__))
most = int(os.environ.get("ALLOCATIONS", "60"))
work = start("nomemory")
cnnc, cc = os.environ["CNNC"], os.environ.get("CC", "cc").split()
made = subprocess.run([*cc, "-shared", "-fPIC", "-O1", "-o", f"{work}/faults.so",
                       f"{here}/allocation_faults.c", "-ldl"],
                      capture_output=True, text=True)
if made.returncode:  # not glibc
    print("1..0 # SKIP", made.stderr.splitlines()[0] if made.stderr else "no shared library")
    sys.exit(0)

NET = """net t {
    input image: 6x6x1 as u8
    normalize(scale=1/255)
    conv(2, 3x3) -> batchnorm -> relu
    flatten
    dense(3) -> softmax
    train {
        loss = cross_entropy
        optimizer = adam(rate=0.01)
        augment = [hflip]
        epochs = 1
        batch = 10
    }
}
"""
os.mkdir("fresh")  # the files that exist before each command
os.chdir("fresh")
with open("t.cnn", "w") as file:
    file.write(NET)
for name in "epoch3.ckpt", "net.cnn":
    shutil.copy(os.path.join(here, "..", "weights", name), name)
with open("names", "w") as file:
    file.write("# theirs = ours\nhead.* = head.*\n")
with open("wrong.cnn", "w") as file:
    file.write(NET.replace("3x3", "9x9").replace("adam", "adan"))
TRAIN = "./t", "train", "--data", "synthetic", "--limit", "40", "--threads", "1", "--progress", "none"


def run(words, directory, **faults):
    env = {**os.environ, "LD_PRELOAD": f"{work}/faults.so", "FAULT_COUNT": f"{work}/count",
           "OMP_NUM_THREADS": "1",
           **{f"FAULT_{key.upper()}": str(value) for key, value in faults.items()}}
    try:
        return subprocess.run(words, cwd=directory, env=env, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 99, "", "does not end")


def files(directory):
    found = {}
    for name in os.listdir(directory):
        with open(f"{directory}/{name}", "rb") as file:
            found[name] = file.read()
    return found


def steady(found):
    """The files whose contents do not depend on the time: without logs, plots and checkpoints."""
    return {name: data for name, data in found.items() if not name.endswith((".jsonl", ".csv", ".svg",
        ".checkpoint.safetensors")) and "tfevents" not in name}


for words in ([cnnc, "t.cnn", "-o", "t"], [*TRAIN, "-o", "w.safetensors"],
              [*TRAIN, "-o", "old.safetensors", "--rate=0.1"]):
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    check(done.returncode == 0, " ".join(words[:2]) + ": made ready", done.stderr)
with open("p.png", "wb") as file:
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", 8, 8, 8, 0, 0, 0, 0)))
    file.write(chunk(b"IDAT", zlib.compress(bytes(8 * 9))) + chunk(b"IEND", b""))
os.chdir(work)
before = files("fresh")


def complete(data):
    """Whether a checkpoint has the length that its header states. Times in it differ from run to run."""
    length = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:length])
    return "cnn_training" in header["__metadata__"] and len(data) - length == max(
        entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")


def arrays(data):
    """The arrays of a weight file, without the metadata of the run in its header."""
    return data[8 + struct.unpack("<Q", data[:8])[0]:] if data else None


def unfinished(name, data, whole, done):
    """Whether the file has the weights of an epoch whose evaluation failed, with another header."""
    return (name.endswith(".last.safetensors") and "is saved" in done.stderr
            and arrays(data) in (arrays(whole.get(name)), arrays(before.get(name))))


def sound(name, data, whole, done):
    """Whether an output is the old file or that of a successful run; logs may lack their last rows."""
    if name not in whole:
        return False
    if unfinished(name, data, whole, done):
        return True
    if name.endswith(".checkpoint.safetensors"):
        return complete(data)
    return data == before.get(name) or data == whole[name] or name.endswith((".jsonl", ".csv", ".svg"))


def misread(done):
    """Whether Jansson has aborted the program or reported a damaged text. Its string reader does not check
    whether memory for a character was allocated, which cannot be fixed here."""
    stopped = done.returncode == -signal.SIGABRT and "lex_scan_string: Assertion" in done.stderr
    return stopped or done.returncode == 1 and '" is damaged: ' in done.stderr


def suffers(title, *words, limit=None, status=0):
    shutil.copytree("fresh", "once")
    done = run(words, "once")
    whole, normal = files("once"), done
    shutil.rmtree("once")
    count = int(open("count").read().split()[0])
    check(done.returncode == status, f"{title}: {count} allocations", done.stderr)
    tries = limit or most
    numbers = range(1,
                    count + 1) if tries == 0 or tries >= count else sorted(
        {1 + i * count // tries for i in range(tries)})
    wrong, refused = [], 0
    for n in numbers:
        shutil.copytree("fresh", "try")
        done = run(words, "try", memory=n)
        found = files("try")
        shutil.rmtree("try")
        refused += done.returncode == 1
        why = None
        if done.returncode not in (status, 1) and not misread(done):
            why = f"status {done.returncode}"
        elif done.returncode == 1 and status == 0 and "memory" not in done.stderr and not misread(done):
            why = "no message about memory"
        elif done.returncode == 0 and (steady(found) != steady(whole) or set(found) != set(whole)
                                       or done.stdout != normal.stdout):
            why = "success, and another result"
        elif any(found.get(name) != before[name] and not unfinished(name, found.get(name), whole, done)
                 for name in before if name not in whole or whole[name] == before[name]):
            why = "an input was changed"
        elif not all(sound(name, data, whole, done) for name, data in found.items()):
            why = f"left: {[name for name, data in found.items() if not sound(name, data, whole, done)]}"
        if why:
            wrong.append(f"{n}: {why}: {done.stderr.strip()[-300:]}")
    check(not wrong, f"  each of {len(list(numbers))} failures: a message, and no partial file",
          "\n".join(wrong))
    check(status or refused > len(list(numbers)) // 2, "  most are reported", refused)


def goes_on(title, *words):
    """Checks that a command whose system calls are interrupted has the same result as without
    interruptions."""
    shutil.copytree("fresh", "once")
    normal, whole = run(words, "once"), files("once")
    shutil.rmtree("once")
    wrong = []
    for every in 2, 3, 5, 7:
        shutil.copytree("fresh", "try")
        done = run(words, "try", interrupt=every)
        found = files("try")
        shutil.rmtree("try")
        calls = int(open("count").read().split()[1])
        if done.returncode or done.stdout != normal.stdout or steady(found) != steady(whole) or set(
                found) != set(whole) or calls < 2:
            wrong.append(f"every {every}. of {calls}: {done.returncode} {done.stderr}")
    check(normal.returncode == 0 and not wrong, f"{title}, with interrupted calls", "\n".join(wrong))


goes_on("checking a program", cnnc, "t.cnn")
goes_on("C", cnnc, "t.cnn", "--train", "--weights=w.safetensors", "-o", "n.c", "-MD")
goes_on("C to standard output", cnnc, "t.cnn", "-o", "-")
goes_on("training", *TRAIN, "-o", "w.safetensors", "--log=l.csv", "--plot=l.svg", "--tensorboard=.")
goes_on("going on", *TRAIN, "-o", "old.safetensors", "--resume", "--epochs=2", "--log=l.jsonl")
goes_on("evaluating", "./t", "eval", "--data=synthetic", "--limit=40", "--weights=w.safetensors",
        "--confusion=c.svg")
goes_on("predicting", "./t", "predict", "p.png", "--weights=w.safetensors", "-o", "o.npy")

suffers("checking a program", cnnc, "t.cnn")
suffers("a wrong program", cnnc, "wrong.cnn", status=1)
suffers("C", cnnc, "t.cnn", "-o", "n.c")
suffers("C with training code and weights", cnnc, "t.cnn", "--train", "--weights=w.safetensors", "-o", "n.c")
suffers("C with weights of PyTorch", cnnc, "net.cnn", "--weights=epoch3.ckpt:ema", "--rename=names", "-o",
        "n.c")
suffers("a program", cnnc, "t.cnn", "-o", "n", limit=8)
suffers("training", *TRAIN, "-o", "w.safetensors", "--log=l.csv", "--plot=l.svg")
suffers("going on", *TRAIN, "-o", "old.safetensors", "--resume", "--epochs=2", "--log=l.jsonl")
suffers("evaluating", "./t", "eval", "--data=synthetic", "--limit=40", "--weights=w.safetensors",
        "--threads=1", "--confusion=c.svg")
suffers("predicting", "./t", "predict", "p.png", "--weights=w.safetensors", "--threads=1", "-o", "o.npy")
suffers("looking", "./t", "features", "p.png", "--weights=w.safetensors", "-o", "f.png")
finish()
