# unusual_data.py: the cases of unusual_data.tap.
# SPDX-License-Identifier: Apache-2.0
import json, os, shutil, struct, zlib
from folders import build, exits, folders, png, train, write
from samples import chunk, npy, npz, write_png
from tap import check, finish, start

start("strange")
MARK = "\ufeff"


def net(name, text):
    with open(name + ".cnn", "w") as file:
        file.write(text)
    exits(0, f"{name} is built", os.environ["CNNC"], name + ".cnn", "-O1", "-o", name)


def data(program, path, title, *says, status=0, options=()):
    return exits(status, title, "./" + program, "data", "--data", path, *options, says=says)


# ---- a class of -1: an ignored sample, or labels numbered -1 and 1
TABLE = """net %s {
    input x: 3
    dense(%d) -> softmax
    train { loss = cross_entropy; epochs = 1; batch = 4 }
}
"""
net("two", TABLE % ("two", 2))
net("four", TABLE % ("four", 4))


def table(path, *classes):
    write(path, "a,b,c,kind\n" + "".join(f"{i},2,3,{c}\n" for i, c in enumerate(classes)))


def arrays(path, *classes, part=""):
    count = len(classes)
    made = {"x": npy((12, 3), range(36)), "y": npy((12,), [0, 1] * 6, "<i4", "i")} if part else {}
    made["x" + part] = npy((count, 3), range(3 * count))
    made["y" + part] = npy((count,), classes, "<i4", "i")
    npz(path, **made)


os.makedirs("t")
table("t/one.csv", *[-1, 1] * 6)
arrays("t/one.npz", *[-1, 1] * 6)
for path in "t/one.csv", "t/one.npz":
    for words in (["data"], ["train", "--out", "t/w.npz"], ["eval", "--weights", "two.npz"]):
        npz("two.npz", **{"dense1.weight": npy((2, 3), range(6)), "dense1.bias": npy((2,), [0, 0])})
        exits(1, f"{path}: classes of -1 and 1 are refused by {words[0]}", "./two", *words, "--data", path,
              says=(path, "its classes are -1 and 1, but classes are numbered from 0", "y[y == -1] = 0"))
table("t/some.csv", *[-1, 0, 1] * 4)
arrays("t/some.npz", *[-1, 0, 1] * 4)
arrays("t/last.npz", 0, -1, 1, -1, part="_test")
for path, count in ("t/some.csv", 4), ("t/some.npz", 4), ("t/last.npz", 2):
    data("two", path, f"{path}: rows of class -1 are counted",
         f"{count} samples have class -1, and are ignored")
table("t/three.csv", *[-1, 1, 2] * 4)
data("four", "t/three.csv", "  also if no row has class 0",
     "4 samples have class -1, and are ignored")
table("t/none.csv", *[-1] * 5)
data("two", "t/none.csv", "  and if all rows have it", "5 samples have class -1, and are ignored")
table("t/single.csv", -1, 0, 1, 0)
data("two", "t/single.csv", "  and a single one", "1 sample has class -1, and is ignored")
net("pixels", """net pixels {
    input x: 2x2x1
    conv(2, 1x1) -> softmax
    train { loss = cross_entropy; epochs = 1; batch = 4 }
}
""")
npz("t/pixels.npz", x=npy((4, 2, 2, 1), range(16)), y=npy((4, 2, 2), [-1, 1, 1, -1] * 4, "<i4", "i"))
done = data("pixels", "t/pixels.npz", "ignored pixels are not reported")
check("-1" not in done.both, "  and have none", done.both)

# ---- several outputs: labels are compared with the classes of the output that they belong to
net("heads", """net heads {
    input x: 3
    a = dense(4) -> softmax
    b = x -> dense(2) -> softmax
    c = x -> dense(1) -> sigmoid
    d = x -> dense(3) -> sigmoid
    e = x -> dense(3)
    output a, b, c, d, e
    train { loss = [cross_entropy(a), cross_entropy(b), binary_cross_entropy(c), binary_cross_entropy(d),
                    huber(e)]; epochs = 1; batch = 4 }
}
""")


def heads(path, **other):
    made = {}
    for part in "", "_val", "_test":
        made["x" + part] = npy((12, 3), range(36))
        made["e_target" + part] = npy((12, 3), range(36))
        for name, classes in (dict(a=[0, 1, 2, 3], b=[0, 1], c=[1, 0], d=[2, 1, 0]) | other).items():
            made[f"{name}_target{part}"] = npy((12,), (classes * 12)[:12], "<i4", "i")
    npz(path, **made)


heads("t/heads.npz")
exits(0, "each output of a net is trained with its own classes", "./heads", "train", "--data", "t/heads.npz",
      "--out", "t/heads.safetensors", says=("4 classes",))
exits(0, "  and evaluated", "./heads", "eval", "--data", "t/heads.npz", "--weights", "t/heads.safetensors",
      says=("a_accuracy", "d_accuracy", "e_mae"))
data("heads", "t/heads.npz", "  the classes of the first are counted", "3".ljust(39) + "9\n")
for name, classes, limit in ("a", [4], 4), ("b", [0, 2], 2), ("c", [2], 2), ("d", [3], 3), ("d", [-1], 3):
    heads("t/other.npz", **{name: classes})
    wrong = next(c for c in classes if not 0 <= c < limit)
    data("heads", "t/other.npz", f"class {wrong} of {name} is refused",
         f'"{name}_target": label {classes.index(wrong)} is {wrong}',
         f'but the output "{name}" has {limit} classes', status=1)
heads("t/other.npz", b=[-1, 0, 1])
data("heads", "t/other.npz", "a class of -1 is ignored in any output",
     "12 samples have class -1, and are ignored")

# ---- symbolic links
build("three", 3)


def images(root, count=6):
    return folders(root, count, red="red", green="green", blue="blue")


def link(target, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


def linked(root, title, *classes, skipped=1, first=""):
    """Checks the number of samples of each class, the number of skipped paths, and the first skipped path."""
    done = data("three", root, title)
    got = [int(row.split()[-1]) for row in done.stdout.splitlines()[1:]]
    told = f"skipped {skipped} path{'s' * (skipped > 1)} that were already read through another symbolic link"
    check(got == list(classes), "  each image is read once", done.both)
    check((told in done.stderr and first in done.stderr) if skipped else "skipped" not in done.stderr,
          "  and a line reports it" if skipped else "  and nothing is skipped", done.both)


link("..", images("up") + "/red/more/up")
linked("up", "a link to the folder of the class", 6, 6, 6, first="(first: up/red/more/up)")
link("../..", images("set") + "/red/more/set")
linked("set", "a link to the folder above", 6, 6, 6, first="(first: set/red/more/set)")
link(".", images("self") + "/self")
linked("self", "a link to the set next to its classes", 6, 6, 6, first="(first: self/self)")
link(os.path.abspath("outer"), images("outer/set") + "/blue/far")
linked("outer/set", "a link far above", 6, 6, 6, first="(first: outer/set/blue/far)")
link("../red", images("other") + "/blue/other")
linked("other", "a link to another class, which keeps its images", 6, 6, 6, skipped=6,
       first="(first: other/blue/other/00.png)")
for name in "abc":
    images("ring", 2)
    for other in "abc":
        link(f"../{other}", f"ring/red/{name}/{other}")
    png(f"ring/red/{name}/x.png", (9, 9, 9))
done = data("three", "ring", "links from each folder to each other")
check([row.split()[-1] for row in done.stdout.splitlines()[1:]] == ["2", "2", "5"], "  end", done.both)
images("pool", 4)
for name in "red", "green", "blue":
    for i in range(4):
        link(f"../../../pool/{name}/{i:02}.png", f"farm/train/{name}/{i}.png")
linked("farm", "a set that is made of links", 4, 4, 4, skipped=0)
for name in "red", "green", "blue":
    link(f"../../../pool/{name}", f"farm/val/{name}/all")
linked("farm", "links of both parts to the same files", 4, 4, 4, skipped=12,
       first="(first: farm/val/blue/all/00.png)")
images("copy/train", 4)
os.symlink("train", "copy/val")
linked("copy", "a part that is a link to another", 4, 4, 4, skipped=12, first="(first: copy/val/blue/00.png)")

BOXES = """net boxes {
    input image: 8x8x3 as u8
    normalize(scale=1/255)
    conv(3, 1x1) -> softmax
    train { loss = cross_entropy; epochs = 1 }
}
"""
net("boxes", BOXES)


def yolo(root, part="", count=3, row="0 0.5 0.5 0.2 0.4\n"):
    for i in range(count):
        os.makedirs(f"{root}/images{part}", exist_ok=True)
        write_png(f"{root}/images{part}/{i}.png", 100, 50, lambda x, y: (x, y, 90))
        write(f"{root}/labels{part}/{i}.txt", row)
    write(f"{root}/classes.txt", "cat\ndog\n")


def grey(path):
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0))
                   + chunk(b"IDAT", zlib.compress(bytes(9 * 8))) + chunk(b"IEND", b""))


def masks(root, count=3, images="images", beside="masks"):
    for i in range(count):
        os.makedirs(f"{root}/{images}", exist_ok=True)
        os.makedirs(f"{root}/{beside}", exist_ok=True)
        write_png(f"{root}/{images}/{i}.png", 8, 8, lambda x, y: (x, y, 90))
        grey(f"{root}/{beside}/{i}.png")


ONE = "skipped 1 path that were already read through another symbolic link"
yolo("y1")
link("..", "y1/images/up")
link("..", "y1/labels/up")
data("boxes", "y1", "a link back among YOLO's images", ONE, "2 training, 1 validation")
yolo("y2", "/train")
yolo("y2", "/val", 2)
link("../train", "y2/images/val/more")
link("../train", "y2/labels/val/more")
link("0.png", "y2/images/val/7.png")
write("y2/labels/val/7.txt", "1 0.5 0.5 0.2 0.4\n")
data("boxes", "y2", "links from one part to another", "skipped 4 paths", "3 training, 2 validation")
yolo("y3/train")
yolo("y3/val", count=2)
write("y3/classes.txt", "cat\ndog\n")
link("../../train/images", "y3/val/images/more")
data("boxes", "y3", "  and where the parts are above the images", "skipped 3 paths",
     "3 training, 2 validation")
masks("m1")
link("..", "m1/images/up")
link("../../m1", "m1/images/set")
data("boxes", "m1", "links back among images with masks", "skipped 2 paths", "2 training, 1 validation")
masks("m2/train")
masks("m2/val", 2)
link("../../train/images", "m2/val/images/more")
link("../../train/masks", "m2/val/masks/more")
data("boxes", "m2", "a link from one part to another", "skipped 3 paths", "3 training, 2 validation")
npz("three.npz", **{"dense1.weight": npy((3, 48), [0] * 144), "dense1.bias": npy((3,), [0] * 3)})
exits(0, "predict follows no link back", "./three", "predict", "--weights", "three.npz", "up/red",
      says="up/red: skipped 1 symbolic link to folders that were already read (first: up/red/more/up)")

# ---- byte order marks
yolo("b1", row=MARK + "0 0.5 0.5 0.2 0.4\n")
write("b1/classes.txt", MARK + "cat\r\ndog\r\n")
done = data("boxes", "b1", "YOLO's texts with byte order marks", "2 classes")
check("\ncat  " in done.stdout and MARK not in done.both, "  the class is named without it", repr(done.both))
os.remove("b1/classes.txt")
for text in "names: [cat, dog]\n", "names:\n  0: cat\n  1: dog\n", "names:\r\n- cat\r\n- dog\r\n":
    write("b1/data.yaml", MARK + text)
    done = data("boxes", "b1", "  and with one in data.yaml", "2 classes")
    check("\ncat  " in done.stdout, "  the class is named", repr(done.both))
COCO = {"images": [{"id": 1, "file_name": "0.png", "width": 100, "height": 50}],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 20], "iscrowd": 0}]}


def coco(root, **members):
    yolo(root, "/train")
    shutil.rmtree(f"{root}/labels")
    made = json.loads(json.dumps(COCO))
    made["images"][0].update(members)
    write(f"{root}/annotations/instances_train.json", json.dumps(made))
    return f"{root}/annotations/instances_train.json"


path = coco("b2")
with open(path) as file:
    text = file.read()
write(path, MARK + text)
data("boxes", "b2", "COCO's JSON with a mark", "1 training", "1 class")
shutil.copytree("b2/images/train", "b3/JPEGImages")
write("b3/Annotations/0.xml", MARK + "<annotation><size><width>100</width><height>50</height></size><object>"
      "<name>cat</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object>"
      "</annotation>")
write("b3/ImageSets/Main/train.txt", MARK + "0\n")
data("boxes", "b3", "Pascal VOC's XML and list with marks", "1 training", "1 class")
masks("b4", images="JPEGImages", beside="SegmentationClass")
for i in range(3):
    os.rename(f"b4/JPEGImages/{i}.png", f"b4/JPEGImages/{i}.jpg")
write("b4/ImageSets/Segmentation/train.txt", MARK + "0\n1\n")
data("boxes", "b4", "  and its list of masks", "1 training, 1 validation")
write("t/names.txt", MARK + "old.weight = dense1.weight\n")
npz("t/old.npz", **{"old.weight": npy((2, 3), range(6)), "dense1.bias": npy((2,), [0, 0])})
exits(0, "a file of --rename with a mark", "./two", "eval", "--data", "t/some.csv", "--weights", "t/old.npz",
      "--rename", "t/names.txt")
table("t/mark.csv", 0, 1, 0, 1)
with open("t/mark.csv") as file:
    text = file.read()
write("t/mark.csv", MARK + text)
data("two", "t/mark.csv", "a table with a mark", "CSV with a header")
for path in "b1/labels/0.txt", "b1/data.yaml", "b3/ImageSets/Main/train.txt":
    with open(path, "wb") as file:
        file.write("0 0.5".encode("utf-16"))
    data("boxes", path[:2], f"{path} in UTF-16 is refused", f"{path}: is UTF-16; save it as UTF-8", status=1)
    os.remove(path)

# ---- --skip-bad skips images that cannot be read
images("bad/train", 8)
images("bad/val", 4)
images("bad/test", 4)
for path, change in (("train/red/03", b""), ("val/green/01", b"<html>"), ("test/blue/02", None),
                     ("train/blue/05", None)):
    with open(f"bad/{path}.png", "rb") as file:
        whole = file.read()
    with open(f"bad/{path}.png", "wb") as file:
        file.write(whole[:50] + b"\0\0" + whole[52:] if change is None else change)
exits(1, "damaged images end the run", *train("three", "bad", "--out", "bad.npz"),
      says=("bad/train/red/03.png: is empty", "images cannot be read; --skip-bad leaves them out"))
told = "skipped 4 unusable images (first: bad/train/red/03.png: is empty"
exits(0, "  --skip-bad leaves them out of training and validation",
      *train("three", "bad", "--out", "bad.npz", "--epochs", "2", "--skip-bad"),
      says=("22 training, 11 validation and 11 test samples, 3 classes", told))
exits(0, "  of the test", "./three", "eval", "--data", "bad", "--weights", "bad.npz", "--skip-bad",
      says=("samples      11", told))
data("three", "bad", "  and of the count", told, "22 training", options=["--skip-bad"])
for name in os.listdir("bad/train/red"):
    write(f"bad/train/red/{name}", "no image")
data("three", "bad", "a class may lose all of its images", "15 training", "3 classes",
     "the training part contains no image of red", options=["--skip-bad"])
images("worst", 1)
for name in "red", "green", "blue":
    write(f"worst/{name}/00.png", "no image")
data("three", "worst", "but a set may not",
     "worst: none of its images can be read; the first that was skipped: worst/", status=1,
     options=["--skip-bad"])
images("single", 2)
write("single/red/01.png")
data("three", "single", "a single one is reported with the option",
     "01.png: is empty; --skip-bad leaves it out", status=1)

# ---- file names in annotations that lead out of the set
for name in "../0.png", "a/../../0.png", os.path.abspath("c0/images/train/0.png"), "..":
    coco("c0", file_name=name)
    data("boxes", "c0", f"COCO's name {name} is refused",
         f"images[0].file_name: '{name}' is outside of the image folder", status=1)
coco("c0", file_name="./a/../0.png")
os.makedirs("c0/images/train/a")
data("boxes", "c0", "  a name inside is accepted", "1 training")
write("b3/ImageSets/Main/train.txt", "../../c0/0\n")
data("boxes", "b3", "so is a name in a list of Pascal VOC", "'../../c0/0' is outside the data set", status=1)
write("b4/ImageSets/Segmentation/train.txt", "/etc/0\n")
data("boxes", "b4", "  and of its masks", "'/etc/0' in ImageSets is outside of the set", status=1)
finish()
