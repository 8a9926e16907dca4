# sets.py: the cases of sets.tap.
# SPDX-License-Identifier: Apache-2.0
import os, shutil
from folders import build, evaluate, exits, folders, run, train
from tap import check, finish, start

start("sets")


def damage(path, change):
    with open(path, "rb") as file:
        data = change(file.read())
    with open(path, "wb") as file:
        file.write(data)


# ---- pictures that cannot be read
build("three", 3)
folders("rgb", red="red", green="green", blue="blue")
exits(0, "a sound set", *train("three", "rgb", "--epochs", "1", "--out", "rgb.safetensors"))
damage("rgb/red/03.png", lambda data: b"")
done = exits(
    1,
    "an empty picture is found before training",
    *train("three", "rgb", "--epochs", "1", "--out", "one.safetensors"),
    says="rgb/red/03.png: is empty",
)
check(not any(name.startswith("one.") for name in os.listdir(".")), "  and nothing is written", os.listdir("."))
check("cannot be read" not in done.both, "  one is told by itself", done.both)
os.makedirs("rgb/val")
for name in "red", "green", "blue":
    os.makedirs(f"rgb/train/{name}")
    for file in os.listdir(f"rgb/{name}"):
        os.rename(f"rgb/{name}/{file}", f"rgb/train/{name}/{file}")
    os.rmdir(f"rgb/{name}")
    shutil.copytree(f"rgb/train/{name}", f"rgb/val/{name}")
damage("rgb/val/blue/07.png", lambda data: data[:40])
damage("rgb/train/green/11.png", lambda data: data[:-4])
damage("rgb/train/blue/05.png", lambda data: data[:60] + b"\0\0" + data[62:])
os.remove("rgb/val/green/02.png")
os.symlink("nowhere.png", "rgb/val/green/02.png")
bad = (
    "rgb/train/blue/05.png: the PNG is damaged",
    "rgb/train/green/11.png: the PNG is damaged",
    "rgb/train/red/03.png: is empty",
    "rgb/val/blue/07.png: the PNG is damaged",
    "rgb/val/green/02.png: cannot be opened",
    "rgb/val/red/03.png: is empty",
    "rgb: 6 of 144 pictures cannot be read",
)
for more in [], ["--dry-run"], ["--resume"]:
    exits(
        1,
        f"all of them are told, of all parts {more}",
        *train("three", "rgb", "--epochs", "2", "--out", "rgb.safetensors", *more),
        says=bad,
    )
for name in os.listdir("rgb/val/red"):
    damage(f"rgb/val/red/{name}", lambda data: b"GIF89a")
done = exits(
    1,
    "of many the first ten",
    *train("three", "rgb", "--epochs", "1", "--out", "one.safetensors"),
    says=("rgb: 29 of 144 pictures cannot be read; the first 10 are above", "rgb/train/red/03.png: is empty"),
)
check(done.stderr.count(".png: ") == 10, "  and no more", done.stderr)
exits(0, "samples that are not read do not count", *train("three", "rgb", "--dry-run", "--limit", "1"))
done = exits(
    1,
    "eval tells them too",
    *evaluate("three", "rgb", "--weights", "rgb.safetensors"),
    says=("rgb/train/red/03.png: is empty", "of 144 pictures cannot be read"),
)
check("accuracy" not in done.stdout, "  before it evaluates", done.stdout)

finish()
