# resume.py: the cases of resume.tap: the file of the best weights when a run is resumed.
# SPDX-License-Identifier: Apache-2.0
import os, shutil, struct
from folders import exits
from tap import check, finish, start

start("resume")
with open("t.cnn", "w") as file:
    file.write("""net t {
    input image: 6x6x1 as u8
    normalize(scale=1/255)
    flatten -> dense(4) -> softmax
    train {
        loss = cross_entropy
        optimizer = adam(rate=0.003)
        batch = 16
        epochs = 4
    }
}
""")
exits(0, "t is built", os.environ["CNNC"], "t.cnn", "-O1", "-o", "t")
RUN = ("./t", "train", "--data", "synthetic", "--limit", "60", "--progress", "none", "--threads", "1")
WORSE = ("--rate", "100")  # epochs that are not better


def tensors(path):
    with open(path, "rb") as file:
        data = file.read()
    return data[8 + struct.unpack("<Q", data[:8])[0] :]


def copy(name):
    """A run whose best epoch is the second of three."""
    for kind in "", ".last", ".checkpoint":
        shutil.copy(f"base{kind}.safetensors", f"{name}{kind}.safetensors")
    return f"{name}.safetensors"


exits(0, "two epochs", *RUN, "--epochs", "2", "--out", "first.safetensors")
for kind in "", ".last", ".checkpoint":
    shutil.copy(f"first{kind}.safetensors", f"base{kind}.safetensors")
exits(0, "and one that is worse", *RUN, "--resume", "--epochs", "3", *WORSE, "--out", "base.safetensors",
      says="base.safetensors: epoch 2 of 3")
check(tensors("base.safetensors") == tensors("first.safetensors"), "the best weights stay")
exits(0, "another run", *RUN, "--epochs", "1", "--seed", "9", "--out", "other.safetensors")
MORE = ("--resume", "--epochs", "4", *WORSE)
out = copy("same")
exits(0, "the best weights are there", *RUN, *MORE, "--out", out, says="same.safetensors: epoch 2 of 4")

# ---- the best weights are lost, and the checkpoint has only those of the last epoch
out = copy("none")
os.remove(out)
done = exits(0, "no best weights", *RUN, *MORE, "--out", out,
             says=("none.safetensors is missing, but the best weights so far, of epoch 2, were in it: the "
                   "best of the epochs from 4 on replaces them", "none.safetensors: epoch 4 of 4"))
check(os.path.exists(out) and tensors(out) == tensors("none.last.safetensors"), "the next best is saved",
      done.both)
out = copy("swapped")
shutil.copy("other.safetensors", out)
done = exits(0, "those of another run", *RUN, *MORE, "--out", out,
             says=("swapped.safetensors contains other weights, but", "swapped.safetensors: epoch 4 of 4",
                   "they are kept as swapped.previous.safetensors"))
check(tensors("swapped.previous.safetensors") == tensors("other.safetensors"), "which are kept", done.both)
out = copy("cut")
with open(out, "r+b") as file:
    file.truncate(300)
exits(1, "a damaged file", *RUN, *MORE, "--out", out, says="cut.safetensors: will not be overwritten")
os.remove(out)
exits(0, "can be removed", *RUN, *MORE, "--out", out, says="cut.safetensors: epoch 4 of 4")
out = copy("over")
os.remove(out)
exits(1, "no epoch is left", *RUN, "--resume", "--out", out,
      says=("over.safetensors is missing, but the best weights of this run, of epoch 2, were in it; "
            "over.last.safetensors has those of the last epoch, and --epochs=N with a larger N trains on"))

# ---- the best weights are those of the checkpoint
for title, other in (("missing", None), ("of another run", "other.safetensors")):
    shutil.copy("first.checkpoint.safetensors", "again.checkpoint.safetensors")
    if other:
        shutil.copy(other, "again.safetensors")
    exits(0, f"the last weights are the best: {title}", *RUN, "--resume", "--epochs", "3", *WORSE, "--out",
          "again.safetensors",
          says=("the weights of epoch 2 are written again from again.checkpoint.safetensors",
                "again.safetensors: epoch 2 of 3"))
    check(tensors("again.safetensors") == tensors("first.safetensors"), "they are equal")
    os.remove("again.safetensors")

# ---- a run that was killed after it wrote the best weights, and before it wrote the checkpoint
exits(0, "the first epoch", *RUN, "--epochs", "1", "--out", "killed.safetensors")
exits(0, "it continues", *RUN, "--epochs", "2", "--resume", "--out", "killed.safetensors")
shutil.copy("first.safetensors", "ahead.safetensors")
exits(0, "the first epoch again", *RUN, "--epochs", "1", "--out", "early.safetensors")
shutil.copy("early.checkpoint.safetensors", "ahead.checkpoint.safetensors")
done = exits(0, "the second epoch is made again", *RUN, "--epochs", "2", "--resume", "--out",
             "ahead.safetensors", says="ahead.safetensors: epoch 2 of 2")
check("written again" not in done.both and "contains" not in done.both and
      tensors("ahead.safetensors") == tensors("killed.safetensors"), "without a message", done.both)
finish()
