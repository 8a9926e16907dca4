# data_errors.py: the cases of data_errors.tap.
# SPDX-License-Identifier: Apache-2.0
import os, shutil, unicodedata
from folders import build, evaluate, exits, folders, run, train
from tap import check, finish, start

start("sets")


def damage(path, change):
    with open(path, "rb") as file:
        data = change(file.read())
    with open(path, "wb") as file:
        file.write(data)


# ---- unreadable images
build("three", 3)
folders("rgb", red="red", green="green", blue="blue")
exits(0, "a valid set", *train("three", "rgb", "--epochs", "1", "--out", "rgb.safetensors"))
damage("rgb/red/03.png", lambda data: b"")
done = exits(
    1,
    "an empty image is found before training",
    *train("three", "rgb", "--epochs", "1", "--out", "one.safetensors"),
    says="rgb/red/03.png: is empty",
)
check(not any(name.startswith("one.") for name in os.listdir(".")), "  and nothing is written",
      os.listdir("."))
check("cannot be read" not in done.both, "  a single one is reported without a count", done.both)
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
    "rgb: 6 of 144 images cannot be read",
)
for more in [], ["--dry-run"], ["--resume"]:
    exits(
        1,
        f"all of them are reported, in all parts {more}",
        *train("three", "rgb", "--epochs", "2", "--out", "rgb.safetensors", *more),
        says=bad,
    )
for name in os.listdir("rgb/val/red"):
    damage(f"rgb/val/red/{name}", lambda data: b"GIF89a")
done = exits(
    1,
    "of many the first ten",
    *train("three", "rgb", "--epochs", "1", "--out", "one.safetensors"),
    says=("rgb: 29 of 144 images cannot be read; the first 10 are above", "rgb/train/red/03.png: is empty"),
)
check(done.stderr.count(".png: ") == 10, "  and no more", done.stderr)
exits(0, "unread samples are not reported", *train("three", "rgb", "--dry-run", "--limit", "1"))
done = exits(
    1,
    "eval reports them too",
    *evaluate("three", "rgb", "--weights", "rgb.safetensors"),
    says=("rgb/train/red/03.png: is empty", "of 144 images cannot be read"),
)
check("accuracy" not in done.stdout, "  before evaluation", done.stdout)

# ---- other Unicode forms and capitals in names of folders
NAMES = {"Größe": "red", "Việt ấy": "green", "ぎょう한국ё": "blue"}
for program, form in ("words", "NFC"), ("apart", "NFD"):
    labels = '", "'.join(unicodedata.normalize(form, name) for name in NAMES)
    build(program, 3, f'labels ["{labels}"]')
for form in "NFC", "NFD":
    folders(form, **{unicodedata.normalize(form, name): colour for name, colour in NAMES.items()})
check(len(set(os.listdir("NFC") + os.listdir("NFD"))) == 6, "names on the disk are in another Unicode form")
for program in "words", "apart":
    for form in "NFC", "NFD":
        out = f"{program}.{form}.safetensors"
        exits(0, f"{form} finds the labels of {program}", *train(program, form, "--out", out))
        exits(
            0,
            "  each its own",
            *evaluate(program, "NFC", "--weights", out),
            says=("accuracy     1.0000", *(name for name in NAMES if program == "words")),
        )
exits(0, "without labels", *train("three", "NFD", "--out", "nfd.safetensors"))
exits(
    0,
    "  weights store the composed form",
    *evaluate("three", "NFC", "--weights", "nfd.safetensors"),
    says=("accuracy     1.0000", *NAMES),
)
shutil.copytree("NFC", "twice")
shutil.copytree("NFD", "twice", dirs_exist_ok=True)
exits(
    1,
    "both forms side by side",
    *train("words", "twice"),
    says=("twice/", "another folder next to it has the same name", "(Unicode NFC and NFD)"),
)

folders("capitals/train", Red="red", green="green", blau="blue")
folders("capitals/val", 5, red="red", GREEN="green", blau="blue")
folders("capitals/test", 5, RED="red", green="green", Blau="blue")
done = exits(
    0,
    "parts whose folders differ in capitals",
    *train("three", "capitals", "--out", "capitals.safetensors"),
    says=(
        "72 training, 15 validation and 15 test samples, 3 classes",
        "are treated as one class, 'Red'",
        "are treated as one class, 'green'",
        "are treated as one class, 'blau'",
    ),
)
check(done.stderr.count("treated as one class") == 4, "  are reported once each", done.stderr)
done = exits(
    0,
    "  and have the same classes",
    *evaluate("three", "capitals", "--weights", "capitals.safetensors"),
    says="accuracy     1.0000",
)
check([line.split()[0] for line in done.stdout.splitlines()[-3:]] == ["Red", "blau", "green"], "  by name",
      done.both)
build("labelled", 3, 'labels ["red", "green", "blau"]')
exits(
    0,
    "the spelling of the label is used",
    *train("labelled", "capitals", "--out", "labelled.safetensors", "--epochs", "1"),
    says="are treated as one class, 'red'",
)
folders("letters/train", a="red", A="green", b="blue")
folders("letters/val", 5, A="green", b="blue")
done = exits(
    0,
    "within a part, capitals distinguish classes",
    *train("three", "letters", "--out", "letters.safetensors", "--epochs", "1"),
    says=("3 classes", "the validation part contains no image of a"),
)
check("treated as one" not in done.both, "  where a part has both", done.both)
folders("parts/Train", 5, red="red", green="green", blue="blue")
folders("parts/train", 5, red="green", green="blue", blue="red")
exits(
    1,
    "Train and train side by side",
    *train("three", "parts"),
    says="parts/train: another folder next to it is also the training part; merge the two, or rename one",
)

# ---- output files in the folders of the data
folders("flat", red="red", green="green", blue="blue")
os.makedirs("flat/.runs")
OUT = ("--epochs", "1", "--out", "out.safetensors")
for option, name in (
    ("--log", "flat/red/log.csv"),
    ("--plot", "flat/blue/../red/plot.svg"),
    ("--out", "flat/green/w.safetensors"),
    ("--log", "flat/train.csv"),
    ("--log", "capitals/train/log.csv"),
):
    before = sorted(os.listdir(os.path.dirname(name)))
    data = name.split("/")[0]
    exits(
        2,
        f"{option} {name} is refused",
        *train("three", data, *OUT, option, name),
        says=f"{name} cannot be written: it would be inside the data set and would be read as data",
    )
    check(sorted(os.listdir(os.path.dirname(name))) == before, "  and nothing is written there")
os.makedirs("capitals/runs")
for option, name in (
    ("--log", "flat/log.csv"),
    ("--log", "flat/.runs/log.csv"),
    ("--plot", "capitals/runs/plot.svg"),
):
    exits(0, f"{option} {name} is outside of it", *train("three", name.split("/")[0], *OUT, option, name))
done = exits(0, "  and no part of the next run", *train("three", "flat", *OUT))
check("skipped" not in done.both and "log" not in done.both, "  at all", done.both)

finish()
