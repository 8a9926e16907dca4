# region_training.py: the cases of region_training.tap.
# SPDX-License-Identifier: Apache-2.0
import json, os, random, struct, zipfile
from folders import evaluate, exits, train
from tap import check, finish, start

start("regions")
IMAGES, REGIONS, SIDE, CELL = 160, 5, 16, 4
NET = """net %s {
    input image: 16x16x3 as u8
    input regions: 5x4
    features = image -> normalize(scale=1/255) -> conv(8, 3x3, pad=same) -> relu
    regions -> %s(features, 3, scale=1) -> flatten -> dense(16) -> relu -> dense(3) -> softmax
    train { loss = cross_entropy; optimizer = adam(rate=0.01); epochs = 8; batch = 8 }
}
"""
noise = random.Random(1)


def array(shape, values, code, kind):
    head = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    head += " " * ((64 - (11 + len(head)) % 64) % 64) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(head)) + head.encode() + struct.pack(
        f"<{len(values)}{code}", *values)


def write(path, **arrays):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in arrays.items():
            archive.writestr(name + ".npy", data)


def sample():  # cells in three colors; boxes around some of them, and the color of each
    cells = [[noise.randrange(3) for _ in range(SIDE // CELL)] for _ in range(SIDE // CELL)]
    image = [200 * (cells[y // CELL][x // CELL] == c) + noise.randrange(50)
             for y in range(SIDE) for x in range(SIDE) for c in range(3)]
    places = [(noise.randrange(SIDE // CELL), noise.randrange(SIDE // CELL)) for _ in range(REGIONS)]
    boxes = [CELL * v for x, y in places for v in (x, y, x + 1, y + 1)]
    return image, boxes, [cells[y][x] for x, y in places]


def data_set(path, samples, moved=0):  # moved: number of samples by which boxes are shifted
    images, boxes, classes = zip(*samples)
    boxes = boxes[moved:] + boxes[:moved]
    n = len(samples)
    write(path,
          image=array((n, SIDE, SIDE, 3), sum(images, []), "B", "|u1"),
          regions=array((n, REGIONS, 4), sum(boxes, []), "f", "<f4"),
          y=array((n, REGIONS), sum(classes, []), "i", "<i4"))


def learnt(name, data):
    weights = f"{name}.{data}.safetensors"
    exits(0, f"{name} trains on {data}", *train(name, data, "--out", weights))
    done = exits(0, f"{name} is evaluated", *evaluate(name, data, "--weights", weights, "--json"))
    return json.loads(done.stdout)


samples = [sample() for _ in range(IMAGES)]
data_set("right.npz", samples)
data_set("moved.npz", samples, 1)
for name in ("roi_align", "roi_pool"):
    program = name[4:]
    with open(program + ".cnn", "w") as file:
        file.write(NET % (program, name))
    exits(0, f"{program} is built", os.environ["CNNC"], program + ".cnn", "-O1", "-o", program)
    result = learnt(program, "right.npz")
    check(result["metrics"]["accuracy"] > 0.99, f"{name}: boxes are classified", result["metrics"])
    check(sum(c["samples"] for c in result["classes"]) == IMAGES * REGIONS, f"{name}: all regions count",
          result["classes"])
wrong = learnt("align", "moved.npz")
check(wrong["metrics"]["accuracy"] < 0.7, "but not with the boxes of another image", wrong["metrics"])

image, boxes, classes = samples[0]
write("one.npz",
      image=array((SIDE, SIDE, 3), image, "B", "|u1"),
      regions=array((REGIONS, 4), boxes, "f", "<f4"))
done = exits(0, "scores of each region are predicted", "./align", "predict", "one.npz", "--weights",
             "align.right.npz.safetensors", "--json")
output = json.loads(done.stdout)[0]["outputs"]["output"]
check(output["shape"] == [REGIONS, 3], "regions are the first dimension", output["shape"])
best = [max(range(3), key=lambda c: output["values"][3 * r + c]) for r in range(REGIONS)]
check(best == classes, "in the order of the boxes", (best, classes))
write("few.npz",
      image=array((SIDE, SIDE, 3), image, "B", "|u1"),
      regions=array((REGIONS - 1, 4), boxes[4:], "f", "<f4"))
exits(1, "another number of boxes is refused", "./align", "predict", "few.npz", "--weights",
      "align.right.npz.safetensors", says="regions")
finish()
