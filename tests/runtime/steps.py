# steps.py: the cases of steps.tap.
# SPDX-License-Identifier: Apache-2.0
import json, math, os, random
from folders import exits
from samples import npy, npz
from sounds import numbers, wav
from tap import check, finish, start

start("steps")
CALLS, FIRST, CLASSES, SAMPLES = 5, 1, 3, 40
WAKE = """net wake {
    input frames: 2x4
    past = state(1x4)
    rows = past -> concat(frames, axis=length)
    rows -> crop([2, 0]) -> update(past)
    rows -> conv(6, 3) -> relu -> lstm(5, keep=true, last=true) -> dense(3) -> softmax
    train {
        loss = cross_entropy
        optimizer = adam(rate=0.02)
        batch = 8
        epochs = 3
        steps = 5
        truncate = 2
        loss_from = 1
    }
}
"""


def build(name, text, *options):
    with open(f"{name}.cnn", "w") as file:
        file.write(text)
    exits(0, f"{name} is built {' '.join(options)}", os.environ["CNNC"], f"{name}.cnn", "-o", name, *options)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def evaluated(data, weights, *words):
    done = exits(0, f"eval of {data} {' '.join(words)}", *(words or ("./wake",)), "eval", "--data", data,
                 "--weights", weights, "--json")
    return json.loads(done.stdout)


draw = random.Random(3)
labels = [[draw.randrange(CLASSES) for _ in range(CALLS)] for _ in range(SAMPLES)]
labels[4][2] = labels[9][4] = -1
frames = [[[draw.gauss(label, 1) for _ in range(8)] for label in sample] for sample in labels]
x = npy([SAMPLES, CALLS, 2, 4], [v for sample in frames for call in sample for v in call])
y = npy([SAMPLES, CALLS], [v for sample in labels for v in sample], "<i4", "i")
npz("set.npz", x=x, y=y, x_val=x, y_val=y)

# ---- the losses of training, of eval, and of single calls agree
build("wake", WAKE)
exits(0, "weights that are not trained", "./wake", "train", "--data", "set.npz", "--epochs", "1", "--rate",
      "0", "--log", "log.jsonl", "--out", "w.safetensors")
with open("log.jsonl") as file:
    trained = json.loads(file.readline())
known = evaluated("set.npz", "w.safetensors")

done = exits(0, "a training step has inputs for all calls", "./wake", "bench", "--train", "--seconds", "0.01",
             "--weights", "w.safetensors", "--json")
check(0.1 < json.loads(done.stdout)["loss"]["first"] < 10, "and a loss", done.stdout)


def calls_alone():
    total = counted = right = 0
    for sample, wanted in zip(frames, labels):
        with open("calls.npy", "wb") as file:
            file.write(npy([CALLS, 2, 4], [v for call in sample for v in call]))
        exits(0, "predict", "./wake", "predict", "calls.npy", "--weights", "w.safetensors", "--out", "y.npy")
        scores = numbers("y.npy")
        for call in range(FIRST, CALLS):
            own = scores[call * CLASSES:(call + 1) * CLASSES]
            if wanted[call] < 0:
                continue
            total -= math.log(own[wanted[call]])
            right += max(range(CLASSES), key=lambda c: own[c]) == wanted[call]
            counted += 1
    return total / counted, right / counted


loss, accuracy = calls_alone()
check(abs(known["loss"] - loss) < 1e-5, "the loss of eval is the mean over the calls that count",
      f"{known['loss']} and {loss}")
check(abs(known["metrics"]["accuracy"] - accuracy) < 1e-6, "and so is the accuracy", f"{known} {accuracy}")
for key in ("val_loss", "loss"):
    check(abs(trained[key] - loss) < 2e-3 + (key == "loss") * 5e-2, f"{key} of training", f"{trained} {loss}")

# ---- the same bits
exits(0, "one thread", "./wake", "train", "--data", "set.npz", "--threads", "1", "--out", "one.safetensors")
check(evaluated("set.npz", "one.safetensors")["loss"] < loss, "it learns")
exits(0, "three threads", "./wake", "train", "--data", "set.npz", "--threads", "3", "--out", "3.safetensors")
check(read("one.last.safetensors") == read("3.last.safetensors"), "threads: the same bits")
exits(0, "one epoch", "./wake", "train", "--data", "set.npz", "--epochs", "1", "--out", "r.safetensors")
exits(0, "the others", "./wake", "train", "--data", "set.npz", "--epochs", "3", "--resume", "--out",
      "r.safetensors")
check(read("one.last.safetensors") == read("r.last.safetensors"), "--resume: the same bits")
header = exits(0, "header", os.environ["CNNC"], "wake.cnn", "--emit=header", "--train").stdout
check("WAKE_TRAIN_STEPS 5" in header, "the header has the number of calls")
told = exits(0, "a dry run", "./wake", "train", "--data", "set.npz", "--dry-run").both
need = float(told.split("training workspace ")[1].split()[0])
build("wake", WAKE, f"--memory={int(need * 0.95)}K")  # rematerialization alone saves the 5%
exits(0, "less memory", "./wake", "train", "--data", "set.npz", "--threads", "1", "--out", "m.safetensors")
check(read("one.last.safetensors") == read("m.last.safetensors"), "--memory: the same bits")
build("wake", WAKE, "--batch=3")
several = evaluated("set.npz", "w.safetensors")
check(abs(several["loss"] - loss) < 1e-5, "--batch: the same loss", f"{several} {loss}")

# ---- forms of data
exits(0, "calls in the order of the file", "./wake", "data", "--data", "set.npz", says="40 training")
npz("once.npz", x=x, y=npy([SAMPLES], [1] * SAMPLES, "<i4", "i"))
npz("each.npz", x=x, y=npy([SAMPLES, CALLS], [1] * SAMPLES * CALLS, "<i4", "i"))
check(evaluated("once.npz", "w.safetensors")["loss"] == evaluated("each.npz", "w.safetensors")["loss"],
      "a class of a sample is that of its calls")
npz("short.npz", x=npy([4, 3, 2, 4], [0] * 96), y=npy([4, 3], [0] * 12, "<i4", "i"))
exits(1, "another number of calls", "./wake", "train", "--data", "short.npz",
      says="has the shape [4, 3, 2, 4], but samples of \"frames\" have [5, 2, 4]")
exits(0, "synthetic samples", "./wake", "train", "--data", "synthetic", "--limit", "100", "--out",
      "s.safetensors")

# ---- sound: augmentations treat all calls of a sample as one recording
build("hear", """net hear {
    input samples: 100x1 (rate=8000)
    labels ["low", "high"]
    samples -> conv(4, 20, stride=10) -> relu -> gru(6, keep=true, last=true) -> dense(2) -> softmax
    train {
        loss = cross_entropy; optimizer = adam(rate=0.02); batch = 4; epochs = 20; steps = 6; loss_from = 5
        augment = [time_shift(3), gain(-3..3)]
    }
}
""")
for name, hertz in (("low", 300), ("high", 2000)):
    for i in range(12):
        tone = [(0.3 * math.sin(2 * math.pi * hertz * t / 8000 + i),) for t in range(600 + 10 * i)]
        wav(f"tones/{name}/{i}.wav", tone, 8000)
exits(0, "sounds", "./hear", "train", "--data", "tones", "--val", "0", "--out", "hear.safetensors")
done = exits(0, "eval of sounds", "./hear", "eval", "--data", "tones", "--weights", "hear.safetensors",
             "--json")
check(json.loads(done.stdout)["metrics"]["accuracy"] == 1, "the classes are distinguished", done.stdout)
finish()
