# box_data.py: the cases of box_data.tap.
# SPDX-License-Identifier: Apache-2.0
import json, os, shutil, struct
from folders import exits, train, write
from tap import check, finish, start

start("boxes")
NAMES = ["disc", "square", "triangle", "star", "ring"]
with open("net.cnn", "w") as file:
    file.write("""net net {
    input image: 32x32x3 as u8
    normalize(scale=1/255)
    conv(6, 3x3, pad=same) -> softmax
    train { loss = cross_entropy; epochs = 1 }
}
""")
exits(0, "a net is built", os.environ["CNNC"], "net.cnn", "-O1", "-o", "net")


def counted(title, data, *says, status=0, options=()):
    return exits(status, title, "./net", "data", "--data", data, *options, says=says)


def size_of(path):  # width and height of a PNG
    with open(path, "rb") as file:
        return struct.unpack(">II", file.read(24)[16:])


def load(path):
    with open(path) as file:
        return json.load(file)


# ---- shapes of every kind as files
for kind in ("boxes", "masks", "panoptic"):
    made = f"synthetic:shapes,count=20,size=48,kind={kind}"
    exits(0, f"shapes, {kind}: are written", "./net", "data", "--data", made, "-o", kind)
    size = size_of(f"{kind}/sheet.png")
    check(size == (8 * (7 * 48 + 6) + 6, 2 * 3 * (7 * 48 + 6) + 6), "  with a sheet", size)
    with open(f"{kind}/classes.txt") as file:
        check(file.read().split() == NAMES, "  and the names of the classes")
    one, two = counted("  counted when generated", made).stdout, counted("  counted as files", kind).stdout
    check(one == two and one.count("\n") >= 6 and "disc" in one, "  with the same counts", one + two)
    rows = []
    for name in sorted(os.listdir(f"{kind}/train/labels")):
        with open(f"{kind}/train/labels/{name}") as file:
            rows += [[float(v) for v in line.split()] for line in file]
    check(rows and all(row[0] in range(5) for row in rows), "  the labels have five classes", rows)
    check(all(x - w / 2 > -1e-5 and x + w / 2 < 1.00001 and y - h / 2 > -1e-5 and y + h / 2 < 1.00001
              for _, x, y, w, h in rows), "  their boxes are inside the image", rows)
    coco = load(f"{kind}/annotations/instances_train.json")
    boxes = [[(a["bbox"][0] + a["bbox"][2] / 2) / 48, (a["bbox"][1] + a["bbox"][3] / 2) / 48,
              a["bbox"][2] / 48, a["bbox"][3] / 48] for a in coco["annotations"]]
    same = len(boxes) == len(rows) and all(abs(b - v) < 1e-5 for box, row in zip(boxes, rows)
                                           for b, v in zip(box, row[1:]))
    check(same and len(coco["images"]) == 18, "  COCO's JSON has the same boxes", coco["images"])
    check(all(("segmentation" in a) == (kind != "boxes") for a in coco["annotations"]), "  and masks", coco)
segments = load("panoptic/annotations/panoptic_train.json")
check([c["isthing"] for c in segments["categories"]] == [0, 1, 1, 1, 1, 1]
      and len(os.listdir("panoptic/annotations/panoptic_train")) == len(segments["annotations"]) == 18,
      "segments have one image per sample, and stuff classes come first", segments["categories"])
exits(0, "a net with classes of pixels learns from segments",
      *train("net", "panoptic", "--dry-run", "--out", "a.safetensors"), says="COCO's segments: 18 training")
done = counted("boxes of one JSON file are read", "boxes/annotations/instances_test.json",
               "3 training, 1 validation and 0 test samples, 5 classes")
check("pixels" not in done.stdout, "  they have no pixels", done.stdout)
shutil.rmtree("boxes/annotations")
counted("boxes without JSON are in YOLO's format", "boxes",
        "images with YOLO boxes: 18 training, 2 validation and 4")
again = exits(0, "  and are written again", "./net", "data", "--data", "boxes", "-o", "boxes2")
check(load("boxes2/annotations/instances_val.json")["categories"][4]["name"] == "ring", "  with these names")

# ---- data that do not fit the net
for kind in ("boxes", "masks"):
    exits(1, f"a net without boxes does not learn from {kind}",
          *train("net", kind, "--out", "a.safetensors"), says="has boxes, but no output of the net uses")
    exits(1, "  nor from synthetic boxes", *train("net", f"synthetic:shapes,kind={kind}"),
          says="has boxes, but no output of the net uses boxes")
done = counted("other sets are counted, too", "synthetic", "synthetic")

# ---- errors are reported with their position
path = "boxes/train/labels/000003.txt"
with open(path, "a") as file:
    file.write("0 0.5 0.5 0.2 0.2\n7 0.5 0.5 0.2 0.2\n")
with open(path) as file:
    line = len(file.readlines())
counted("a class that is too large", "boxes", f"{path}:{line}: the class is 7, but there are 5 classes",
        status=1)
counted("  --skip-bad leaves it out", "boxes", "skipped 1 unusable object (first: boxes/train/labels",
        "18 training", options=["--skip-bad"])
os.remove("boxes/train/images/000005.png")
counted("a missing picture", "boxes", "the class is 7", status=1)
counted("  --skip-bad counts it", "boxes", "skipped 1 unusable object and 1 unusable image", "17 training",
        options=["--skip-bad"])
write("boxes/train/images/000006.png", "no picture")
counted("  and an invalid one", "boxes", "skipped 1 unusable object and 2 unusable images", "16 training",
        options=["--skip-bad"])
exits(1, "an invalid part is not exported", "./net", "data", "--data", "boxes", "-o", "boxes3",
      says="the class is 7")
check(not os.path.exists("boxes3"), "  and no folder is made", os.listdir("."))
write("voc/Annotations/x.xml", "<annotation><size><width>4</width><height>4</height></size></annotation>")
os.makedirs("voc/JPEGImages", exist_ok=True)
counted("an image missing from VOC's XML", "voc", "voc/JPEGImages/x.jpg: the image is missing", status=1)
write("empty/annotations/instances_train.json",
      '{"images":[],"categories":[{"id":1,"name":"a"}],"annotations":[]}')
counted("a set without images", "empty", "contains no image", status=1)
finish()
