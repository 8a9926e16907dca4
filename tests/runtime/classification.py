# classification.py: the cases of classification.tap: programs that classify colors, on folders with various
# names.
# SPDX-License-Identifier: Apache-2.0
import json, os, shutil, struct, unicodedata
from folders import COLOURS, build, evaluate, exits, folders, png, run, train, write
from tap import check, finish, start

start("classes")
rgb = folders("rgb", red="red", green="green", blue="blue")
picture = f"{rgb}/red/00.png"
build("three", 3)
build("named", 3, 'labels ["Red", "green", "blue"]')
build("two", 2)

# ---- folders and labels
exits(
    1,
    "a folder that is not a label is rejected",
    *train("named", rgb),
    says="rgb: the folder 'red' is not one of the labels Red, green, blue; did you mean 'Red'?",
)
check(not os.path.exists("named.safetensors"), "before anything is written")
folders("strange", Red="red", green="green", orange="blue")
done = exits(
    1,
    "and so is one unlike all labels",
    *train("named", "strange"),
    says="the folder 'orange' is not one of the labels Red, green, blue",
)
check("did you mean" not in done.both, "without a guess", done.both)
folders("right", blue="blue", Red="red", green="green")
exits(0, "folders are labels by name", *train("named", "right", "--out", "named.safetensors"))
exits(0, "as predict shows", "./named", "predict", picture, "--weights", "named.safetensors", says=": Red ")
folders("fewer", Red="red", blue="blue")
exits(
    0,
    "fewer folders than labels: matched by name, with a note",
    *evaluate("named", "fewer", "--weights", "named.safetensors"),
    says=("no folder for green", "accuracy     1.0000"),
)

# ---- folders named by numbers
folders("numbers", **{"0": "red", "2": "blue", "1": "green"})
folders("padded", **{"00": "red", "01": "green", "02": "blue"})
for data in "numbers", "padded":
    exits(
        0,
        f"{data} are class numbers, with any labels",
        *evaluate("named", data, "--weights", "named.safetensors"),
        says="accuracy     1.0000",
    )

# ---- export as files
for data in "right", "numbers":
    exits(0, f"{data} is written as files", "./named", "data", "--data", data, "-o", data + "2")
    check(sorted(os.listdir(data + "2")) == ["sheet.png", "train", "val"], "  in parts, with a sheet",
          os.listdir(data + "2"))
    check(sorted(os.listdir(data + "2/train")) == ["Red", "blue", "green"], "  one folder per class",
          os.listdir(data + "2/train"))
    both = [json.loads(exits(0, f"  {of} is evaluated", *evaluate("named", of, "--weights",
                             "named.safetensors", "--json")).stdout) for of in (data, data + "2")]
    check(both[0]["samples"] == both[1]["samples"] and both[0]["classes"] == both[1]["classes"]
          and abs(both[0]["loss"] - both[1]["loss"]) < 1e-6, "  and has the same samples", both)
exits(0, "a net without labels writes class numbers", "./three", "data", "--data", "numbers",
      "-o", "numbers3")
check(sorted(os.listdir("numbers3/train")) == ["0", "1", "2"], "  as folders", os.listdir("numbers3/train"))
with open("planes.cnn", "w") as file:
    file.write("net planes { input image: 4x4x3 as i8 (layout=chw); flatten; dense(3) -> softmax }\n")
exits(0, "planes is built", os.environ["CNNC"], "planes.cnn", "-O0", "-o", "planes")
exits(0, "a set is written for i8, channels first", "./planes", "data", "--data", "right", "-o", "right3")
written = [{os.path.relpath(os.path.join(folder, name), root): open(os.path.join(folder, name), "rb").read()
            for folder, _, names in os.walk(root) for name in names} for root in ("right2", "right3")]
check(written[0] == written[1], "  with the same images", [sorted(files)[:3] for files in written])
folders("gap", **{"0": "red", "2": "blue"})
exits(
    0,
    "also if one is missing",
    *train("three", "gap", "--out", "gap.safetensors"),
    says="no folder for 1",
)
exits(
    0,
    "the other keeps its number",
    "./three",
    "predict",
    "gap/2/00.png",
    "--weights",
    "gap.safetensors",
    says=": 2 ",
)
folders("many", **{str(i): "red" for i in range(4)})
exits(
    1,
    "a number that is not a class",
    *evaluate("named", "many", "--weights", "named.safetensors"),
    says="the folder '3' is not one of the labels Red, green, blue, and is not the number of a label (0 to 2",
)
folders("mixed", **{"1": "red", "green": "green"})
folders("doubled", **{"02": "red", "1": "green", "2": "blue"})
folders("renamed", **{"0": "red", "1": "green"})
build("turned", 3, 'labels ["1", "Red", "2"]')
for title, program, data, why in (
    ("a number and a name", "named", "mixed",
     "the folder '1' is not one of the labels Red, green, blue, and is not used as a number, because "
     "'green' is not a number"),
    ("two names of one number", "named", "doubled", "and '02' and '2' are the same number"),
    ("a number that is another label", "turned", "renamed",
     "the folder '0' is not one of the labels 1, Red, 2, and is not used as a number, because the label of "
     "class 0 is '1'"),
):
    done = exits(1, title, *train(program, data), says=why)
    check("is not the number of" not in done.both, "  without another reason", done.both)

# ---- sets without some classes, or with empty classes
exits(
    0,
    "fewer folders than classes, without labels",
    *train("three", "fewer", "--out", "fewer.safetensors"),
    says=("2 folders of images for 3 classes", "from 0: Red, blue"),
)
folders("one", red="red")
exits(
    1,
    "a single folder without labels",
    *train("two", "one"),
    says=("one: has one folder of images, 'red'", "the net has 2 classes"),
)
exits(
    0,
    "with labels it is one of the classes",
    *evaluate("named", folders("single", blue="blue"), "--weights", "named.safetensors"),
    says=(
        "single: the whole set, 24 samples, because it has no test part; "
        "if the net was trained on this set, 22 of them were used for training",
        "no folder for Red, green",
    ),
)
exits(0, "  weights record the validation part",
      *train("named", "single", "--val", "0.5", "--epochs", "1", "--out", "half.npz"))
for val, count in ("half.npz", 12), ("named.safetensors", 22):
    exits(0, f"  {val}", *evaluate("named", "single", "--weights", val),
          says=f"if the net was trained on this set, {count} of them were used for training")
exits(0, "  also if there was no validation part",
      *train("named", "single", "--val", "0", "--epochs", "1", "--out", "none.npz"))
exits(0, "  of all", *evaluate("named", "single", "--weights", "none.npz"),
      says="24 of them were used for training")
shutil.copytree("right", "hollow")
os.mkdir("hollow/zebra")
exits(
    1,
    "an empty folder of a class",
    *train("named", "hollow"),
    says="hollow/zebra: this class folder is empty",
)
write("hollow/zebra/a.gif", "GIF89a")
exits(
    1,
    "or one without an image",
    *train("named", "hollow"),
    says=("hollow/zebra: this class folder has no readable image", "hollow/zebra/a.gif"),
)

# ---- files in a set that are not read
odd = shutil.copytree("right", "odd")
for name in ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/._a.png", ".ipynb_checkpoints/x.png":
    write(f"{odd}/Red/{name}")
    write(f"{odd}/{name}")
done = exits(0, "litter", *train("named", odd, "--epochs", "1", "--out", "odd.safetensors"))
check("skip" not in done.both and "not read" not in done.both, "is ignored without a note", done.both)
for name in "blue/anim.gif", "blue/b.bmp", "green/notes.txt":
    write(f"{odd}/{name}")
done = exits(
    0,
    "other files are counted",
    *train("named", odd, "--epochs", "1", "--out", "odd.safetensors"),
    says="skipped 3 files that are not images (first: odd/blue/anim.gif)",
)
png(f"{odd}/alone.png", COLOURS["red"])
exits(
    0,
    "and images next to the folders",
    *evaluate("named", odd, "--weights", "named.safetensors"),
    says="skipped 1 image outside of the class folders (first: odd/alone.png)",
)

# ---- parts
for names in (
    ("Train", "Validation", "TEST"),
    ("training", "valid", "Testing"),
    ("Training_Set", "val", "test"),
):
    root = "parts_" + names[0]
    for name in names:
        folders(f"{root}/{name}", 5, Red="red", green="green", blue="blue")
    exits(
        0,
        f"{', '.join(names)} are parts",
        *train("named", root, "--epochs", "1", "--out", "parts.safetensors"),
        says="15 training, 15 validation and 15 test samples, 3 classes",
    )
shutil.rmtree("parts_Train/Validation/blue")
os.mkdir("parts_Train/extra")
exits(
    0,
    "a part without one of the classes is reported",
    *train("named", "parts_Train", "--epochs", "1", "--out", "parts.safetensors"),
    says=(
        "the validation part contains no image of blue",
        "parts_Train/extra is not read: only the parts train, val and test are read",
    ),
)
folders("vehicles", 5, train="red", car="green", plane="blue")
exits(
    0,
    "an image folder named train is a class",
    *train("three", "vehicles", "--epochs", "1", "--out", "vehicles.safetensors"),
    says="3 classes",
)
shutil.copytree("right", "flat/train")
png("flat/test/a.png", COLOURS["red"])
exits(
    0,
    "but not next to parts",
    *train("named", "flat", "--epochs", "1", "--out", "flat.safetensors"),
    says="flat/test is not read: it contains no class folders",
)

# ---- metadata of weights


def metadata(path):
    with open(path, "rb") as file:
        return json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))["__metadata__"]


def rename(path, to, change):  # weights with other metadata
    with open(path, "rb") as file:
        header, data = json.loads(file.read(struct.unpack("<Q", file.read(8))[0])), file.read()
    change(header["__metadata__"])
    text = json.dumps(header).encode()
    with open(to, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


exits(0, "a net without labels", *train("three", rgb, "--out", "rgb.safetensors"))
known = {
    "format": "pt",
    "net": "three",
    "inputs": "image: 4x4x3 as u8 -> normalize(mean=0, std=1, scale=0.003921569)",
    "classes": '["blue","green","red"]',
}
check(
    known.items() <= metadata("rgb.safetensors").items(),
    "its weights have the net, its input and the classes as metadata",
    metadata("rgb.safetensors"),
)
check(known.items() <= metadata("rgb.last.safetensors").items(), "so have the last weights")
check(
    {"net", "classes", "inputs", "cnn_training"} == set(metadata("rgb.checkpoint.safetensors")),
    "and the checkpoint",
)
shutil.copytree("rgb", "kept")
os.symlink("kept/red/00.png", "kept.png")
exits(
    2,
    "predict of a folder does not overwrite an image in it",
    "./three", "predict", "kept", "--weights", "rgb.safetensors", "-o", "kept.png",
    says="kept.png cannot be written: it is an input",
)
with open("kept/red/00.png", "rb") as whole, open("kept/red/cut.png", "wb") as file:
    file.write(whole.read()[:50])
exits(
    1,
    "predict of a folder continues after a damaged image",
    "./three", "predict", "kept", "--weights", "rgb.safetensors",
    says=("kept/red/cut.png: ", "kept: 1 of ", "kept/red/23.png: red"),
)
exits(0, "weights as .npz", *train("three", rgb, "--out", "rgb.npz"))
exits(
    0,
    "which have the classes and the order of a flatten as metadata",
    "./three", "predict", picture, "--weights", "rgb.npz",
    says="rgb/red/00.png: red ",
)
exits(
    0,
    "predict prints them",
    "./three",
    "predict",
    picture,
    "--weights",
    "rgb.safetensors",
    says="rgb/red/00.png: red ",
)
result = json.loads(run("./three", "predict", picture, "--weights", "rgb.safetensors", "--json").stdout)
check(result[0]["label"] == "red" and result[0]["class"] == 2, "as JSON, too", result)
folders("less", green="green", red="red")
done = exits(
    0,
    "a set with fewer classes is matched by name, with a note",
    *evaluate("three", "less", "--weights", "rgb.safetensors"),
    says=("no folder for blue", "accuracy     1.0000"),
)
check(
    [line.split()[:2] for line in done.stdout.splitlines()[-3:]]
    == [["blue", "0"], ["green", "24"], ["red", "24"]],
    "rows are matched by name",
    done.stdout,
)
exits(
    0,
    "also a single row",
    *evaluate("three", "one", "--weights", "rgb.safetensors"),
    says=("no folder for blue, green", "accuracy     1.0000"),
)
folders("misspelt", blue="blue", green="green", Red="red")
exits(
    1,
    "a folder that is not one of the classes",
    *evaluate("three", "misspelt", "--weights", "rgb.safetensors"),
    says="misspelt: the folder 'Red' is not one of the labels blue, green, red; did you mean 'red'?",
)
exits(
    0,
    "dream takes a class by name",
    "./three",
    "dream",
    "--output",
    "red",
    "-o",
    "red.png",
    "--weights",
    "rgb.safetensors",
)

# ---- folders of images to predict
WITH = ("--weights", "rgb.safetensors")
folders("shots/deep", 2, b="blue", a="green")
png("shots/z.png", COLOURS["red"])
write("shots/Thumbs.db")
done = exits(0, "predict a folder", "./three", "predict", "shots", "--weights", "rgb.safetensors")
wanted = [
    "shots/deep/a/00.png: green",
    "shots/deep/a/01.png: green",
    "shots/deep/b/00.png: blue",
    "shots/deep/b/01.png: blue",
    "shots/z.png: red",
]
check(
    [" ".join(line.split()[:2]) for line in done.stdout.splitlines()] == wanted and done.stderr == "",
    "all images, sorted by name",
    done.both,
)
write("shots/notes.txt")
exits(
    0,
    "skipped files are reported",
    "./three",
    "predict",
    "shots",
    *WITH,
    "-o",
    "shots.npy",
    says="shots: skipped 1 file, which is not an image (first: shots/notes.txt)",
)
with open("shots.npy", "rb") as file:
    check(b"(5, 3)" in file.read(), "-o has all of them")
check(len(json.loads(run("./three", "predict", "shots", *WITH, "--json").stdout)) == 5, "and JSON")
os.makedirs("nothing/here")
exits(
    1,
    "a folder without images",
    "./three",
    "predict",
    "nothing",
    *WITH,
    says="nothing: there are no images in this folder",
)

# ---- long and non-Latin names in the table of classes
names = {"a very long name of a class that goes on and on": "red", "Größe": "green", "赤い色": "blue"}
folders("scripts", **names)
exits(0, "long names, umlauts, Chinese", *train("three", "scripts", "--out", "scripts.safetensors"))
done = exits(0, "in the table of classes", *evaluate("three", "scripts", "--weights", "scripts.safetensors"))
rows = done.stdout.splitlines()[-4:]
columns = {sum(2 if unicodedata.east_asian_width(c) == "W" else 1 for c in row) for row in rows}
check(len(columns) == 1 and rows[1].startswith("Größe  "), "are aligned in columns", rows)

# ---- labels of the program and classes of the weights
build("other", 3, 'labels ["red", "green", "blue"]')
rename("rgb.safetensors", "other.in.safetensors", lambda notes: notes.update(net="other"))
exits(
    1,
    "the same names in another order are an error",
    "./other",
    "predict",
    picture,
    "--weights",
    "other.in.safetensors",
    says="class 0 of these weights is 'blue', but the net's label 'blue' is for another class; "
    "the weights were trained with the classes blue, green, red, in this order",
)
rename("rgb.safetensors", "renamed.safetensors", lambda notes: notes.update(classes='["rot","green","blue"]'))
exits(
    0,
    "another name is a warning",
    "./other",
    "predict",
    picture,
    "--weights",
    "renamed.safetensors",
    says="other: warning: renamed.safetensors: class 0 was 'rot' when these weights were trained; "
    "the label is 'red' now",
)
rename("rgb.safetensors", "rot.safetensors", lambda notes: notes.update(classes='["rot","green","blau"]'))
exits(
    0,
    "if two names differ both are reported",
    "./other",
    "predict",
    picture,
    "--weights",
    "rot.safetensors",
    says="other: warning: rot.safetensors: 2 classes had other names when these weights were trained: "
    "0 was 'rot', is 'red' now; 2 was 'blau', is 'blue' now\n",
)
rename(
    "rgb.safetensors",
    "brighter.safetensors",
    lambda notes: notes.update(inputs="image: 4x4x3 as u8 -> normalize(mean=0, std=1, scale=1)"),
)
exits(
    0,
    "so is a different normalization",
    "./three",
    "predict",
    picture,
    "--weights",
    "brighter.safetensors",
    says="with normalize(mean=0, std=1, scale=1), but the program has "
    "normalize(mean=0, std=1, scale=0.003921569)",
)
rename("rgb.safetensors", "damaged.safetensors", lambda notes: notes.update(classes="[1, 2]"))
exits(
    1,
    "metadata other than a list of names are rejected",
    "./three",
    "predict",
    picture,
    "--weights",
    "damaged.safetensors",
    says='its metadata "classes" must be a list of names',
)
rename(
    "rgb.safetensors",
    "foreign.safetensors",
    lambda notes: (notes.pop("net"), notes.update(classes="none of ours")),
)
exits(
    0,
    "but not in files of other programs",
    "./three",
    "predict",
    picture,
    "--weights",
    "foreign.safetensors",
    says=": 2 ",
)
exits(
    0,
    "--init from other classes goes on",
    *train(
        "other",
        folders("order", red="red", green="green", blue="blue"),
        "--init",
        "rgb.safetensors",
        "--epochs",
        "1",
    ),
    says=(
        "2 of 2 weights loaded",
        "class 0 of these weights is 'blue'",
        "rgb.safetensors: the rows of dense1 are matched to the labels by class name",
    ),
)
AT_ONCE = ("--init", "rgb.safetensors", "--epochs", "1", "--rate", "0")
exits(0, "the classes keep their rows", *train("other", "order", *AT_ONCE, "--out", "rows.safetensors"))
exits(
    0,
    "so that the net predicts them before training",
    *evaluate("other", "order", "--weights", "rows.safetensors"),
    says="accuracy     1.0000",
)
build("colours", 3, 'labels ["red", "green", "cyan"]')
folders("cyan", red="red", green="green", cyan="blue")
exits(
    0,
    "the rows of other classes are loaded unchanged",
    *train("colours", "cyan", *AT_ONCE, "--out", "cyan.safetensors"),
    says="the rows of the score layer cannot be matched to the labels: training adapts these rows",
)
rename(
    "rgb.checkpoint.safetensors",
    "turned.checkpoint.safetensors",
    lambda notes: notes.update(classes='["red","green","blue"]'),
)
exits(
    1,
    "--resume with other classes does not",
    *train("three", rgb, "--out", "turned.safetensors", "--resume", "--epochs", "31"),
    says="in this order",
)
exits(
    0, "with the same one", *train("three", rgb, "--out", "rgb.safetensors", "--resume", "--epochs", "31")
)

# ---- compiled-in weights
build("three", 3, "", "--weights=rgb.safetensors")
exits(
    0,
    "a program with compiled-in weights has their classes",
    "./three",
    "predict",
    picture,
    says="rgb/red/00.png: red ",
)
exits(
    0,
    "and matches folders with them",
    *evaluate("three", "less"),
    says=("no folder for blue", "accuracy     1.0000"),
)
exits(
    1,
    "cnnc refuses labels in another order",
    os.environ["CNNC"],
    "other.cnn",
    "--weights=rgb.safetensors",
    "-o",
    "other2",
    says=("class 0 of these weights is 'blue'", "[weights-mismatch]"),
)
exits(
    0,
    "and warns of other names",
    os.environ["CNNC"],
    "other.cnn",
    "-O1",
    "--weights=renamed.safetensors",
    "-o",
    "other2",
    says="class 0 was 'rot'",
)
exits(
    0,
    "C has them as a table",
    os.environ["CNNC"],
    "three.cnn",
    "-O1",
    "--weights=rgb.safetensors",
    "-o",
    "three.c",
)
check("three_labels[3]" in open("three.h").read() and '"green"' in open("three.c").read(), "with names")

# ---- default weight files
build("near", 3)
exits(
    2,
    "without weights",
    "./near",
    "predict",
    picture,
    says="this command needs --weights: there is no near.safetensors next to the program or in this ",
)
os.mkdir("place")
shutil.copy("near", "place/near")
shutil.copy("rgb.safetensors", "near.safetensors")
exits(
    0,
    "those in the working directory are used, and reported",
    "place/near",
    "predict",
    picture,
    says=("weights: near.safetensors\n", ": red "),
)
shutil.copy("rgb.safetensors", "place/near.safetensors")
exits(
    0,
    "those next to the program come first",
    "place/near",
    "predict",
    picture,
    says=("weights: place/near.safetensors\n", ": red "),
)
exits(0, "for eval", *evaluate("near", rgb), says="weights: ./near.safetensors\n")
exits(
    0,
    "and for filters",
    "./near",
    "filters",
    "--layer",
    "dense1",
    "-o",
    "f.png",
    says="weights: ./near.safetensors\n",
)
check(
    run("./near", "predict", picture, "--weights", "near.safetensors").stderr == "",
    "explicitly named weights are not reported",
)

finish()
