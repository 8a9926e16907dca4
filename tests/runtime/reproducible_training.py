# reproducible_training.py: the cases of reproducible_training.tap: the same weights to the bit for any number
# of threads, from any directory, and after being killed at any moment.
# SPDX-License-Identifier: Apache-2.0
import json, os, random, subprocess, time
from tap import check, finish, start

work = start("steadfast")
kills = int(os.environ.get("KILLS", "20"))


LENET = """net lenet {
    input image: 28x28x1 as u8
    normalize(scale=1/255)
    conv(6, 5x5, pad=2) -> relu -> maxpool(2)
    conv(16, 5x5) -> relu -> maxpool(2)
    flatten
    dense(60) -> relu -> dropout(0.3)
    dense(10)
    train {
        loss = cross_entropy
        optimizer = adam(rate=0.002)
        schedule = cosine(warmup=1)
        augment = [hflip, shift(2), rotate(10), cutout(6), mixup(0.2)]
        epochs = 2
        batch = 48
    }
}
"""
NORMS = """net norms {
    input image: 12x12x3 as u8
    normalize(scale=1/255)
    a = conv(8, 3x3, pad=1, bias=false) -> batchnorm -> relu
    b = a -> conv(8, 3x3, pad=1, bias=false) -> batchnorm
    add(a, b) -> relu -> global_avgpool -> dense(5)
    train {
        loss = cross_entropy
        label_smoothing = 0.1
        optimizer = sgd(rate=0.05, momentum=0.9, weight_decay=0.0005)
        augment = [hflip, crop(10x10), noise(0.02)]
        average = 0.9
        epochs = 2
        batch = 30
    }
}
"""


def build(directory, name, text):
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/{name}.cnn", "w") as file:
        file.write(text)
    done = subprocess.run([os.environ["CNNC"], f"{name}.cnn", "-o", name], cwd=directory,
                          capture_output=True, text=True, timeout=120)
    check(done.returncode == 0, f"{name} is built in {directory}", done.stderr)


def words(name, out, *more):
    return [f"{work}/{name}", "train", "--data", "synthetic", "--limit", "400", "--progress", "none",
            "--out", f"{out}.safetensors", *more]


def train(name, out, *more):
    done = subprocess.run(words(name, out, *more), capture_output=True, text=True, timeout=120)
    return done.returncode == 0 or print("#", done.stderr)


def weights(out):
    return [open(f"{out}{kind}.safetensors", "rb").read() for kind in ("", ".last")]


def rows(path):
    return [{key: value for key, value in json.loads(line).items()
             if key not in ("images_per_second", "seconds")} for line in open(path)]


for name, text in ("lenet", LENET), ("norms", NORMS):
    build("one", name, text)
    build("two/deeper", name, text)
    train(f"one/{name}", f"{name}1", "--threads", "1")
    for threads in 2, 3, 7:
        same = train(f"one/{name}", f"{name}{threads}", "--threads",
                     str(threads)) and weights(f"{name}{threads}") == weights(f"{name}1")
        check(same, f"{name}: two epochs with {threads} threads: the bits of one thread")
    check(train(f"two/deeper/{name}", "deeper") and weights("deeper") == weights(f"{name}1"),
          f"{name}: the same bits, built in another directory")

# A run is killed at random moments and resumed each time, until it is complete. Checkpoints are written
# often: every few batches.
random.seed(os.environ.get("KILL_SEED", "1"))
LONG = ("--epochs", "40", "--limit", "150", "--threads", "2", "--log")
begun = time.time()
check(train("one/lenet", "whole", *LONG, "whole.jsonl"), "a run without interruption")
whole = time.time() - begun
killed, tries, codes = 0, 0, set()
while killed < kills and tries < 20 * kills:
    resume = ["--resume"] if os.path.exists("part.checkpoint.safetensors") else []
    # the run was complete before it was killed: begin another one
    if resume and len(rows("whole.jsonl")) == len(open("part.jsonl").readlines()):
        for kind in "", ".last", ".checkpoint":
            os.remove(f"part{kind}.safetensors")
        continue
    child = subprocess.Popen(words("one/lenet", "part", *LONG, "part.jsonl", *resume),
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    tries += 1
    time.sleep(random.uniform(0.003, 2.5 * whole / kills))
    child.kill()
    said = child.communicate()[1]
    codes.add(child.returncode)
    killed += child.returncode == -9
    if child.returncode not in (0, -9):
        print("#", said.decode())
done = train("one/lenet", "part", *LONG, "part.jsonl",
             *(["--resume"] if os.path.exists("part.checkpoint.safetensors") else []))
check(killed == kills and codes <= {0, -9}, f"killed {killed} times", codes)
check(done and weights("part") == weights("whole"),
      "and resumed: the weights of the uninterrupted run to the bit")
check(rows("part.jsonl") == rows("whole.jsonl"), "and its log")
left = [name for name in os.listdir(".") if name.startswith("part")
        and name not in ("part.safetensors", "part.last.safetensors", "part.checkpoint.safetensors",
                         "part.jsonl")]
print("# files left behind by kills:", len(left))
finish()
