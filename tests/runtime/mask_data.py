# mask_data.py: the cases of mask_data.tap.
# SPDX-License-Identifier: Apache-2.0
import json, os, shutil, struct, zlib
from folders import evaluate, exits, run, train, write
from tap import check, finish, start

start("masks")
SIDE = 8
NET = """net %s {
    input image: 8x8x3 as u8
    normalize(scale=1/255)
    conv(%d, 1x1)%s
    train { loss = %s; optimizer = adam(rate=0.1); epochs = 60; batch = 4
            metrics = [iou, dice, accuracy] %s }
}
"""


def png(path, rows, kind=2, depth=8, palette=None):  # kind: 0 gray, 2 RGB, 3 palette
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    os.makedirs(os.path.dirname(path), exist_ok=True)
    width = len(rows[0]) // (3 if kind == 2 else 1) * 8 // depth
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n"
                   + chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), depth, kind, 0, 0, 0))
                   + (chunk(b"PLTE", bytes(palette)) if palette else b"")
                   + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(row) for row in rows)))
                   + chunk(b"IEND", b""))


COLOURS = [(230, 20, 20), (20, 220, 30), (30, 30, 240)]
PALETTE = [v for colour in ((9, 9, 9), (0, 0, 0), (250, 0, 0)) for v in colour]


def classes_of(number):  # three stripes whose order changes; an ignored column
    rows = [[(x // 3 + number + (y > 3)) % 3 for x in range(SIDE)] for y in range(SIDE)]
    for row in rows:
        row[7] = 255
    return rows


def pair(image, mask, number, **how):
    classes = classes_of(number)
    png(image, [[v for c in row for v in COLOURS[c % 3]] for row in classes])
    png(mask, classes, **(how or {"kind": 0}))


def build(name, *numbers):
    with open(name + ".cnn", "w") as file:
        file.write(NET % (name, *numbers))
    exits(0, f"{name} is built", os.environ["CNNC"], name + ".cnn", "-O1", "-o", name)


def learns(title, program, data, iou=0.99):
    weights = program + ".safetensors"
    exits(0, f"{title}: trains", *train(program, data, "--out", weights))
    done = exits(0, f"{title}: is evaluated", *evaluate(program, data, "--weights", weights, "--json"))
    result = json.loads(done.stdout)
    found = result["metrics"]
    good = found["iou"] > iou and found["dice"] > iou and found["accuracy"] > iou
    check(good, f"{title}: is learned", found)
    return result


# ---- images/ and masks/
for i in range(12):
    pair(f"plain/images/{i:02}.png", f"plain/masks/{i:02}.png", i)
    part = "train" if i < 8 else "val" if i < 10 else "test"
    pair(f"parts/{part}/images/{i:02}.png", f"parts/{part}/masks/{i:02}.png", i, kind=3, palette=PALETTE)
build("soft", 3, " -> softmax", "cross_entropy", "")
build("overlap", 3, " -> softmax", "dice", "; augment = [hflip, shift(1)]")
build("focus", 3, "", "focal", "")
build("yes", 3, " -> sigmoid", "binary_cross_entropy", "")
result = learns("greys", "soft", "plain")
check(sum(c["samples"] for c in result["classes"]) == 12 * 8 * 7, "pixels of class 255 do not count",
      result["classes"])
check(all(0.99 < c["iou"] <= 1 for c in result["classes"]), "each class has its IoU", result["classes"])
learns("palettes and parts, dice, moved", "overlap", "parts")
learns("focal of raw scores", "focus", "plain")
done = run(*evaluate("soft", "parts", "--weights", "soft.safetensors"))
check(" iou\n" in done.stdout and "2 samples" in done.stderr, "eval reads test/ and prints IoU", done.both)
learns("a sigmoid a class", "yes", "plain", 0.8)

# ---- Pascal VOC
for i in range(6):
    pair(f"voc/JPEGImages/2007_{i}.jpg", f"voc/SegmentationClass/2007_{i}.png", i, kind=3, palette=PALETTE)
write("voc/ImageSets/Segmentation/train.txt", "2007_0\n2007_1\r\n2007_2\n2007_3")
write("voc/ImageSets/Segmentation/val.txt", "2007_4\n2007_5\n")
done = exits(0, "VOC's folders are read", *train("soft", "voc", "--epochs", "1", "--out", "voc.safetensors"))
exits(0, "  and their parts", *train("soft", "voc", "--dry-run", "--out", "voc.safetensors"))

# ---- errors are reported
def broken(title, says, change):
    shutil.rmtree("bad", ignore_errors=True)
    shutil.copytree("plain", "bad")
    change()
    exits(1, title, *train("soft", "bad", "--epochs", "1", "--out", "bad.safetensors"), says=says)
    done = exits(0, "  --skip-bad leaves it out",
                 *train("soft", "bad", "--epochs", "1", "--out", "bad.safetensors", "--skip-bad"))
    check("skipped 1 unusable image" in done.both, "  and counts it", done.both)
    shutil.rmtree("bad")


broken("an image without a mask", "03.png: this image has no mask: the file bad/masks/03.png",
       lambda: os.remove("bad/masks/03.png"))
large = [[3 if (y, x) == (2, 5) else 0 for x in range(8)] for y in range(8)]
broken("a class that is too large",
       "04.png: the class of row 2, column 5 is 3, but the net has only 3 classes",
       lambda: png("bad/masks/04.png", large, 0))
broken("a mask of another size", "the mask is 4x8 (height x width), but its image bad/images/05.png is 8x8",
       lambda: png("bad/masks/05.png", [[0] * 8] * 4, 0))
broken("a color mask", "06.png: the PNG is damaged",
       lambda: png("bad/masks/06.png", [[0] * 24] * 8))
png("bits/images/a.png", [[99] * 24] * 8)
png("bits/masks/a.png", [[0b00011011, 0b11000110]] * 8, 0, 2)
exits(1, "fewer than 8 bits per pixel are read unscaled",
      *evaluate("soft", "bits", "--weights", "soft.safetensors"), says="row 0, column 3 is 3")
with open("whole.cnn", "w") as file:
    file.write("net whole { input image: 8x8x3 as u8; flatten; dense(3) -> softmax\n"
               "train { loss = cross_entropy } }")
exits(0, "a net of whole images is built", os.environ["CNNC"], "whole.cnn", "-O1", "-o", "whole")
exits(1, "which masks cannot train", *train("whole", "plain"),
      says='has a class for each pixel, but the output "output" does not')

# ---- shapes
with open("shapes.cnn", "w") as file:
    file.write("""net shapes {
    input image: 32x32x3 as u8
    normalize(mean=0.5, std=0.25, scale=1/255)
    conv(8, 5x5, pad=same) -> relu
    conv(6, 1x1) -> softmax
    train { loss = cross_entropy; optimizer = adam(rate=0.01); epochs = 2; batch = 8; metrics = [iou] }
}
""")
with open("units.cnn", "w") as file:
    file.write("net units { input image: 8x8x1 \n flatten -> dense(2) \n train { loss = cross_entropy } }\n")
exits(0, "a net for shapes is built", os.environ["CNNC"], "shapes.cnn", "-O1", "-o", "shapes")
exits(0, "shapes are generated", *train("shapes", "synthetic:shapes,count=100,size=32,seed=3,kind=pixels"),
      says="shapes: 90 training, 10 validation and 20 test samples, 6 classes")
done = exits(0, "  and evaluated", *evaluate("shapes", "synthetic:shapes,count=100,size=32,seed=3"),
             says=("background", "disc", "square", "triangle", "star", "ring"))
for option, says in (("cont=3", "unknown option 'cont'"), ("count=0", "an integer from 1 to"),
                     ("size=8", "an integer from 16 to 1024"), ("kind=dots", "there is no kind 'dots'"),
                     ("kind=boxes", "but no output of the net uses boxes")):
    exits(1, f"shapes,{option} is refused", *train("shapes", "synthetic:shapes," + option), says=says)
exits(1, "another word is refused", *train("shapes", "synthetic:circles"),
      says="the generated sets are synthetic and synthetic:shapes")
exits(1, "more classes than the net has are refused", *train("soft", "synthetic:shapes"),
      says="has 6 classes, but the output \"output\" has only 3")

# ---- export as files
exits(0, "shapes are written as files",
      "./shapes", "data", "--data", "synthetic:shapes,count=20,size=32", "-o", "files")
check(sorted(os.listdir("files")) == ["classes.txt", "sheet.png", "test", "train", "val"]
      and sorted(os.listdir("files/train")) == ["images", "masks"], "  in parts, with a sheet",
      os.listdir("files"))
check(len(os.listdir("files/train/masks")) == 18 and len(os.listdir("files/val/images")) == 2
      and len(os.listdir("files/test/images")) == 4, "  each sample once", os.listdir("files/train/masks"))
both = [json.loads(exits(0, f"  {data}: is evaluated",
                         *evaluate("shapes", data, "--weights", "shapes.safetensors", "--json")).stdout)
        for data in ("files", "synthetic:shapes,count=20,size=32")]
check(both[0] == both[1], "  and read back they are the same", both)
exits(2, "an existing folder is refused",
      "./shapes", "data", "--data", "synthetic:shapes,count=20", "-o", "files", says="already exists")
exits(0, "synthetic images are written as files", "./shapes", "data", "--data", "synthetic", "-o", "made")
check(sorted(os.listdir("made")) == ["sheet.png", "test", "train", "val"]
      and len(os.listdir("made/train/images")) == len(os.listdir("made/train/masks")) == 900,
      "  in parts, with a sheet", os.listdir("made"))
both = [json.loads(exits(0, f"  {data}: is evaluated",
                         *evaluate("shapes", data, "--weights", "shapes.safetensors", "--json")).stdout)
        for data in ("made", "synthetic")]
check(both[0] == both[1], "  and read back they are the same", both)
exits(0, "  and their pixels are counted", "./shapes", "data", "--data", "synthetic", says="class")
exits(0, "a net for numbers is built", os.environ["CNNC"], "units.cnn", "-O1", "-o", "units")
exits(1, "other sets are refused", "./units", "data", "--data", "synthetic", "-o", "others",
      says="only images with classes, masks or boxes can be written as files; with normalize")
finish()
