# found.py: the cases of found.tap.
# SPDX-License-Identifier: Apache-2.0
import json, os, struct
from folders import exits, run
from samples import npy, npz, read_png, write_png
from tap import check, finish, start

start("found")
WIDTH, HEIGHT = 64, 32  # of the nets' input


def build(name, text):
    with open(name + ".cnn", "w") as file:
        file.write(text)
    exits(0, f"{name} is built", os.environ["CNNC"], name + ".cnn", "-O1", "-o", name)


# ---- A net whose boxes are its biases
BOXES = [(8, 4, 24, 20), (30, 8, 60, 30), (31, 8, 60, 30), (2, 2, 9, 9)]
SCORES = [(0.9, 0.1), (0.05, 0.75), (0, 0.5), (0.1, 0.2)]
build("find", f"""net find {{
    input image: {HEIGHT}x{WIDTH}x3 as u8
    labels ["cat", "dog"]
    mean = image -> global_avgpool
    scores = mean -> dense(8) -> reshape(4x2)
    mean -> dense(16) -> reshape(4x4) -> nms(scores, score=0.3, max=5)
}}
""")
npz("find.npz", **{"scores.weight": npy((8, 3), [0] * 24), "scores.bias": npy((8,), sum(SCORES, ())),
                   "dense2.weight": npy((16, 3), [0] * 48), "dense2.bias": npy((16,), sum(BOXES, ()))})
WEIGHTS = "--weights=find.npz"
write_png("000000000139.png", 128, 64, lambda x, y: (90, 90, 90))  # twice the input
write_png("square.png", 64, 64, lambda x, y: (90, 90, 90))  # 16 columns of black at either side of the input


def predict(*words):
    return ["./find", "predict", *words, WEIGHTS]


done = run(*predict("000000000139.png"))
check(done.stdout == "000000000139.png: cat 0.9000 (16.0 8.0 48.0 40.0), dog 0.7500 (60.0 16.0 120.0 60.0)\n",
      "a line a picture, in its own pixels", done.both)
exits(0, "boxes are mapped back from letterbox, and cut", *predict("square.png"),
      says="cat 0.9000 (0.0 8.0 16.0 40.0), dog 0.7500 (28.0 16.0 64.0 60.0)\n")
exits(0, "and from another fit, if that is wanted", *predict("square.png", "--fit=stretch"),
      says="cat 0.9000 (8.0 8.0 24.0 40.0), dog")
exits(0, "and from a crop", *predict("square.png", "--fit=crop"), says="cat 0.9000 (8.0 20.0 24.0 36.0), dog")

done = run(*predict("000000000139.png", "square.png", "--json"))
results = json.loads(done.stdout)
check(len(results) == 4 and results[0]["image_id"] == 139 and results[2]["image_id"] == "square",
      "COCO's results: a row a box, pictures by their names", done.both)
check(results[1]["bbox"] == [60, 16, 60, 44] and results[1]["category_id"] == 2
      and results[1]["label"] == "dog" and abs(results[1]["score"] - 0.75) < 1e-6,
      "x y width height, categories from 1", results)

exits(0, "boxes are drawn", *predict("000000000139.png", "-o", "drawn.png"))
width, height, rows = read_png("drawn.png")
check((width, height) == (128, 64), "on the picture as it is", (width, height))
cat, dog = rows[39][16], rows[59][100]
check(cat != dog and cat != (90, 90, 90) and rows[8][47] == cat and rows[30][119] == dog,
      "each class in its colour", (cat, dog))
check(rows[20][30] == (90, 90, 90) and rows[62][5] == (90, 90, 90), "and the rest stays", rows[20][30])
check(rows[14][60] == dog and any(rows[11][x] not in (dog, (90, 90, 90)) for x in range(60, 128)),
      "with a label on a tab above", rows[11][60:])
exits(0, "raw rows are written, too", *predict("square.png", "-o", "raw.npy"))
with open("raw.npy", "rb") as file:
    raw = file.read()
check(b"(5, 6)" in raw[:128] and struct.unpack("<f", raw[-4:]) == (-1,), "of which the last are missing",
      raw[:128])
exits(1, "a picture shows one sample", *predict("square.png", "000000000139.png", "-o", "two.png"),
      says="a picture shows one sample, not 2")
with open("two.npy", "wb") as file:
    file.write(npy((2, HEIGHT, WIDTH, 3), [7] * (2 * HEIGHT * WIDTH * 3), "|u1", "B"))
results = json.loads(run(*predict("two.npy", "--json")).stdout)
check([r["image_id"] for r in results] == [0, 0, 1, 1] and results[2]["bbox"] == [8, 4, 16, 16],
      "samples of an array have numbers, and the input's pixels", results)
exits(0, "lines, too", *predict("two.npy"), says="two.npy[1]: cat 0.9000 (8.0 4.0 24.0 20.0), dog")

# ---- Classes of pixels lie over the picture
build("soft", """net soft {
    input image: 8x8x3 as u8
    normalize(scale=1/255)
    conv(2, 1x1) -> softmax
}
""")
npz("soft.npz", **{"conv1.weight": npy((2, 3, 1, 1), [9, 0, -9, -9, 0, 9]), "conv1.bias": npy((2,), [0, 0])})
write_png("halves.png", 32, 16, lambda x, y: (200, 40, 40) if x < 16 else (40, 40, 200))
exits(0, "classes are drawn", "./soft", "predict", "halves.png", "--weights=soft.npz", "-o", "soft.png")
width, height, rows = read_png("soft.png")
left, right = rows[8][4], rows[8][28]
check((width, height) == (32, 16) and left[0] < 200 and left[1] < 40 and right[0] > 40 and right[2] < 200,
      "over the picture as it is, ground in black", (width, height, left, right))
check(rows[8][15] != left and rows[8][16] == (128, 0, 0), "with an outline", rows[8][14:18])

# ---- What is found is held against the data
build("both", """net both {
    input image: 32x32x3 as u8
    pixels = image -> normalize(scale=1/255) -> conv(6, 1x1) -> softmax
    mean = image -> global_avgpool
    scores = mean -> dense(25) -> reshape(5x5)
    boxes = mean -> dense(20) -> reshape(5x4) -> nms(scores, score=0.1)
    output pixels, boxes
    train { loss = cross_entropy(pixels); metrics = [iou, map]; epochs = 1 }
}
""")
PLACES = [2, 2, 16, 16, 16, 2, 30, 16, 2, 16, 16, 30, 16, 16, 30, 30, 8, 8, 24, 24]
npz("both.npz", **{"pixels.weight": npy((6, 3, 1, 1), [0] * 18), "pixels.bias": npy((6,), [0] * 6),
                   "scores.weight": npy((25, 3), [0] * 75), "scores.bias": npy((25,), [0.5] * 25),
                   "boxes.weight": npy((20, 3), [0] * 60), "boxes.bias": npy((20,), PLACES)})
EVAL = ["./both", "eval", "--data", "synthetic:shapes,count=100,size=64", "--weights=both.npz"]
done = exits(0, "boxes are held against the data", *EVAL, "--json", "--curves", "curves.svg")
result = json.loads(done.stdout)
found, boxes = result["metrics"], result["boxes"]
check(0 < found["map"] < found["map50"] < 0.9 and found["map"] == boxes["ap"] and "iou" in found,
      "the metrics have the average precision", found)
classes = boxes["classes"]
check(len(classes) == 5 and all(0 <= c["ap"] <= c["ap50"] and c["samples"] > 0 for c in classes)
      and abs(sum(c["ap"] for c in classes) / 5 - boxes["ap"]) < 1e-8, "and so has each class", boxes)
os.makedirs("pets/images")
os.makedirs("pets/labels")
for name, line in (("a", "0 0.25 0.375 0.25 0.5"), ("b", "1 0.703125 0.59375 0.46875 0.6875")):
    write_png(f"pets/images/{name}.png", 64, 32, lambda x, y: (90, 90, 90))
    with open(f"pets/labels/{name}.txt", "w") as file:
        file.write(line + "\n")
alone = run("./find", "eval", "--data", "pets", WEIGHTS, "--json")
only = json.loads(alone.stdout)
check(only["classes"] == only["boxes"]["classes"] and only["classes"][1]["label"] == "dog"
      and only["loss"] is None, "a net of boxes alone has them as its classes", only)
same = [run(*EVAL, "--json", f"--threads={n}").stdout for n in (1, 3)]
check(same[0] == same[1] == done.stdout, "the same for any number of threads", same[0])
with open("curves.svg") as file:
    check(file.read().count("<polyline") == 5, "each class has a curve of precision")
exits(0, "training validates them", "./both", "train", "--data", "synthetic:shapes,count=40,size=32", "--log",
      "log.csv", "--plot", "plot.svg", "--progress=plain", says="  val_map50 ")
with open("log.csv") as log, open("plot.svg") as plot:
    head, picture = log.readline(), plot.read()
check(",iou,val_loss,val_iou,val_map,val_map50,val_map75," in head and ">map50<" in picture,
      "and has them in its log and plot", head)
exits(0, "a table has them, too", *EVAL, says=("map ", "map50 ", "AP50\n", "boxes: AP of small ones"))
npz("one.npz", x=npy((1, 8, 8, 3), [7] * 192, "|u1", "B"), y=npy((1, 8, 8), [1] * 64, "<i4", "i"))
exits(1, "no curves without boxes", "./soft", "eval", "--data", "one.npz", "--weights=soft.npz", "--curves",
      "no.svg", says="no output of the net has boxes")
finish()
