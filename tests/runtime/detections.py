# detections.py: the cases of detections.tap.
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
      "one line per image, in its own pixels", done.both)
exits(0, "boxes are mapped back from letterbox, and clipped", *predict("square.png"),
      says="cat 0.9000 (0.0 8.0 16.0 40.0), dog 0.7500 (28.0 16.0 64.0 60.0)\n")
exits(0, "and from another fit, with --fit", *predict("square.png", "--fit=stretch"),
      says="cat 0.9000 (8.0 8.0 24.0 40.0), dog")
exits(0, "and from a crop", *predict("square.png", "--fit=crop"), says="cat 0.9000 (8.0 20.0 24.0 36.0), dog")

done = run(*predict("000000000139.png", "square.png", "--json"))
results = json.loads(done.stdout)
check(len(results) == 4 and results[0]["image_id"] == 139 and results[2]["image_id"] == "square",
      "COCO's results: one row per box, images by their names", done.both)
check(results[1]["bbox"] == [60, 16, 60, 44] and results[1]["category_id"] == 2
      and results[1]["label"] == "dog" and abs(results[1]["score"] - 0.75) < 1e-6,
      "x y width height, categories from 1", results)

exits(0, "boxes are drawn", *predict("000000000139.png", "-o", "drawn.png"))
width, height, rows = read_png("drawn.png")
check((width, height) == (640, 320), "on the image, enlarged fivefold", (width, height))
cat, dog = rows[199][80], rows[299][500]
check(cat != dog and cat != (90, 90, 90) and rows[40][239] == cat and rows[150][599] == dog,
      "each class in its color", (cat, dog))
check(rows[100][150] == (90, 90, 90) and rows[310][25] == (90, 90, 90), "others stay", rows[100][150])
check(rows[78][300] == dog and any(rows[72][x] not in (dog, (90, 90, 90)) for x in range(300, 420)),
      "with a label on a tab above", rows[72][300:])
write_png("large.png", 700, 400, lambda x, y: (90, 90, 90))
exits(0, "on a large image", *predict("large.png", "-o", "drawn.png"))
check(read_png("drawn.png")[:2] == (700, 400), "at its own size", read_png("drawn.png")[:2])
exits(0, "raw rows are written, too", *predict("square.png", "-o", "raw.npy"))
with open("raw.npy", "rb") as file:
    raw = file.read()
check(b"(5, 6)" in raw[:128] and struct.unpack("<f", raw[-4:]) == (-1,), "without the missing last ones",
      raw[:128])
exits(1, "an image shows one sample", *predict("square.png", "000000000139.png", "-o", "two.png"),
      says="an image can show one sample, but there are 2")
with open("two.npy", "wb") as file:
    file.write(npy((2, HEIGHT, WIDTH, 3), [7] * (2 * HEIGHT * WIDTH * 3), "|u1", "B"))
results = json.loads(run(*predict("two.npy", "--json")).stdout)
check([r["image_id"] for r in results] == [0, 0, 1, 1] and results[2]["bbox"] == [8, 4, 16, 16],
      "samples of an array have numbers, and coordinates of the input", results)
exits(0, "lines, too", *predict("two.npy"), says="two.npy[1]: cat 0.9000 (8.0 4.0 24.0 20.0), dog")

# ---- Pixel classes are drawn over the image
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
      "over the original image, background in black", (width, height, left, right))
check(rows[8][15] != left and rows[8][16] == (128, 0, 0), "with an outline", rows[8][14:18])

# ---- Panoptic segments: objects of the first and of the last class are in two corners, on pixel class 0


def panoptic(name, objects, labels, outputs):
    build(name, f"""net {name} {{
    input image: 16x16x3 as u8
    {labels and "labels " + json.dumps(labels)}
    seen = image -> normalize(scale=1/255)
    pixels = seen -> conv({objects + 1}, 1x1) -> softmax
    mean = seen -> global_avgpool
    scores = mean -> dense({2 * objects}) -> reshape(2x{objects})
    found = mean -> dense(8) -> reshape(2x4) -> nms(scores, score=0.1, max=3)
    masks = found -> slice(0..4) -> roi_align(seen, 2, 1) -> conv({objects}, 1x1) -> sigmoid
    segments = pixels -> panoptic(found, masks)
    output {outputs}
}}
""")
    none = [0] * (2 * objects - 2)
    npz(f"{name}.npz", **{
        "pixels.weight": npy((objects + 1, 3, 1, 1), [0] * 3 * (objects + 1)),
        "pixels.bias": npy((objects + 1,), [3] + [0] * objects),
        "scores.weight": npy((2 * objects, 3), [0] * 6 * objects),
        "scores.bias": npy((2 * objects,), [0.75] + none + [0.5]),
        "found.weight": npy((8, 3), [0] * 24), "found.bias": npy((8,), [0, 0, 8, 8, 8, 8, 16, 16]),
        "masks.weight": npy((objects, 3, 1, 1), [0] * 3 * objects),
        "masks.bias": npy((objects,), [5] * objects)})


panoptic("things", 2, ["grass", "cat", "dog"], "found, segments")
write_png("meadow.png", 32, 32, lambda x, y: (90, 90, 90))
meadow = ["./things", "predict", "meadow.png", "--weights=things.npz"]
done = run(*meadow)
check(done.stdout == "meadow.png: cat 0.7500 (0.0 0.0 16.0 16.0), dog 0.5000 (16.0 16.0 32.0 32.0); "
      "grass 0.5312, cat 0.2344 score 0.7500, dog 0.2344 score 0.5000\n",
      "segments have names, sizes and, for objects, scores; the largest comes first", done.both)
results = json.loads(run(*meadow, "--json").stdout)
check([r["category_id"] for r in results[:2]] == [2, 3] and results[0]["label"] == "cat",
      "classes of objects come after those of pixels", results)
segments = results[2]["segments_info"]
check([s["id"] for s in segments] == [1, 2, 3] and segments[0]["category_id"] == 1
      and segments[0]["label"] == "grass" and segments[0]["isthing"] == 0 and "score" not in segments[0]
      and segments[0]["bbox"] == [0, 0, 32, 32], "in COCO's panoptic format", segments)
check(segments[1]["label"] == "cat" and segments[1]["isthing"] == 1 and segments[1]["score"] == 0.75
      and segments[1]["iscrowd"] == 0 and sum(s["area"] for s in segments) == 32 * 32
      and segments[1]["segmentation"]["size"] == [32, 32], "with their pixels as runs", segments)
exits(0, "segments are drawn", *meadow, "-o", "meadow-drawn.png")
width, height, rows = read_png("meadow-drawn.png")
ground, cat, dog = rows[50][250], rows[120][80], rows[290][250]
check(width == 320 and 330 < height < 400 and len({ground, cat, dog}) == 3,
      "over the image, enlarged tenfold", (width, height, ground, cat, dog))
white = [row for row in rows if row[-1] == (255, 255, 255)]
strip = {pixel for row in rows[320:] for pixel in row}
check(len(white) == height - 320 and {(230, 25, 75), (0, 130, 200), (60, 180, 75)} <= strip,
      "with a legend below", strip)
with open("alone.cnn", "w") as file, open("things.cnn") as things:
    file.write(things.read().replace("output found, segments", "output segments").replace("things", "alone"))
exits(0, "segments alone", os.environ["CNNC"], "alone.cnn", "-O1", "-o", "alone")
exits(0, "have no scores", "./alone", "predict", "meadow.png", "--weights=things.npz",
      says="meadow.png: grass 0.5312, cat 0.2344, dog 0.2344\n")
panoptic("grounds", 5, ["round", "box", "roof", "point", "hole"], "found, segments")
shapes = ["--data", "synthetic:shapes,kind=panoptic,count=20,size=32"]
result = json.loads(run("./grounds", "eval", *shapes, "--weights=grounds.npz", "--json").stdout or "{}")
check([row["label"] for row in result["boxes"]["classes"]] == ["round", "box", "roof", "point", "hole"]
      and [row["label"] for row in result["segments"]["classes"]][:2] == ["background", "round"],
      "labels may name only the classes of objects; the data name the others", result)
panoptic("bare", 5, "", "segments")
done = run("./bare", "eval", *shapes, "--weights=bare.npz", "--json")
check(set(json.loads(done.stdout or "{}").get("metrics", {})) == {"pq", "sq", "rq"},
      "are evaluated by panoptic quality, not by boxes", done.both)

# ---- Detections are compared with the annotations
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
done = exits(0, "boxes are compared with the annotations", *EVAL, "--json", "--curves", "curves.svg")
result = json.loads(done.stdout)
found, boxes = result["metrics"], result["boxes"]
check(0 < found["map"] < found["map50"] < 0.9 and found["map"] == boxes["ap"] and "iou" in found,
      "the metrics have the average precision", found)
classes = boxes["classes"]
check(len(classes) == 5 and all(0 <= c["ap"] <= c["ap50"] and c["samples"] > 0 for c in classes)
      and abs(sum(c["ap"] for c in classes) / 5 - boxes["ap"]) < 1e-8, "and so does each class", boxes)
os.makedirs("pets/images")
os.makedirs("pets/labels")
for name, line in (("a", "0 0.25 0.375 0.25 0.5"), ("b", "1 0.703125 0.59375 0.46875 0.6875")):
    write_png(f"pets/images/{name}.png", 64, 32, lambda x, y: (90, 90, 90))
    with open(f"pets/labels/{name}.txt", "w") as file:
        file.write(line + "\n")
alone = run("./find", "eval", "--data", "pets", WEIGHTS, "--json")
only = json.loads(alone.stdout)
check(only["classes"] == only["boxes"]["classes"] and only["classes"][1]["label"] == "dog"
      and only["loss"] is None, "a net with only boxes has their classes", only)
same = [run(*EVAL, "--json", f"--threads={n}").stdout for n in (1, 3)]
check(same[0] == same[1] == done.stdout, "the same for any number of threads", same[0])
with open("curves.svg") as file:
    check(file.read().count("<polyline") == 5, "each class has a precision-recall curve")
exits(0, "training validates them", "./both", "train", "--data", "synthetic:shapes,count=40,size=32", "--log",
      "log.csv", "--plot", "plot.svg", "--progress=plain", says="  val_map50 ")
with open("log.csv") as log, open("plot.svg") as plot:
    head, picture = log.readline(), plot.read()
check(",iou,val_loss,val_iou,val_map,val_map50,val_map75," in head and ">map50<" in picture,
      "and has them in its log and plot", head)
exits(0, "a table has them, too", *EVAL, says=("map ", "map50 ", "AP50\n", "boxes: AP of small objects"))
npz("one.npz", x=npy((1, 8, 8, 3), [7] * 192, "|u1", "B"), y=npy((1, 8, 8), [1] * 64, "<i4", "i"))
exits(1, "no curves without boxes", "./soft", "eval", "--data", "one.npz", "--weights=soft.npz", "--curves",
      "no.svg", says="no output of the net has boxes")
finish()
