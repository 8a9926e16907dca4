# visualize_objects.py: the cases of visualize_objects.tap. The nets are so small that all numbers are known.
# SPDX-License-Identifier: Apache-2.0
import json, os
from folders import exits, run
from samples import npy, npz, read_npy, read_png, write_png
from tap import check, finish, start

start("asked")
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def build(name, text):
    with open(name + ".cnn", "w") as file:
        file.write(text)
    exits(0, f"{name} is built", os.environ["CNNC"], name + ".cnn", "-O1", "-o", name)


def near(a, b, most=1e-5):
    return len(a) == len(b) and all(abs(x - y) <= most for x, y in zip(a, b))


def marked(path):  # only a mark has black pixels next to white ones
    rows = read_png(path)[2]
    return any({a, b} == {BLACK, WHITE} for row in rows for a, b in zip(row, row[1:]))


# ---- A net that classifies each pixel by that pixel only
build("soft", """net soft {
    input image: 8x8x3 as u8
    normalize(scale=1/255)
    conv(2, 1x1) -> softmax
    labels ["warm", "cold"]
}
""")
npz("soft.npz", **{"conv1.weight": npy((2, 3, 1, 1), [9, 0, -9, -9, 0, 9]), "conv1.bias": npy((2,), [0, 0])})
write_png("halves.png", 32, 16, lambda x, y: (200, 40, 40) if x < 16 else (40, 40, 200))
SOFT = "--weights=soft.npz"
PLACE = (1 * 8 + 5) * 3  # input position of pixel 20,3 of the image: row 1, column 5

exits(0, "the gradient of one pixel", "./soft", "saliency", "halves.png", SOFT, "--class", "cold", "--pixel",
      "20,3", "-o", "s.npy")
shape, gradient = read_npy("s.npy")
wanted = [0.0] * len(gradient)
wanted[PLACE:PLACE + 3] = [-9 / 255, 0, 9 / 255]
check(shape == (8, 8, 3) and near(gradient, wanted), "is nonzero only there, for the requested class",
      gradient[PLACE - 3:PLACE + 6])
exits(0, "without a class", "./soft", "saliency", "halves.png", SOFT, "--pixel=20,3", "-o", "s1.npy")
exits(0, "and in the other half", "./soft", "saliency", "halves.png", SOFT, "--pixel=3,3", "-o", "s2.npy")
other = read_npy("s2.npy")[1]
check(near(read_npy("s1.npy")[1], gradient) and near(other[24:27], [9 / 255, 0, -9 / 255]),
      "by default the predicted class", other[:48])
exits(0, "without a pixel", "./soft", "saliency", "halves.png", SOFT, "--class=cold", "-o", "s3.npy")
check(near(read_npy("s3.npy")[1], [-9 / 255 / 64, 0, 9 / 255 / 64] * 64), "without a pixel, the mean",
      read_npy("s3.npy")[1][:6])

done = exits(0, "the probability of one pixel", "./soft", "occlude", "halves.png", SOFT, "--class=warm",
             "--pixel=3,3", "--window=1", "--fill=0", "-o", "o.npy",
             says="halves.png: warm at 3,3 probability ")
shape, value = read_npy("o.npy")
sure = value[0]
wanted = [sure] * 64
wanted[8] = 0.5  # row 1, column 0: black is neither warm nor cold
check(shape == (8, 8) and sure > 0.9 and near(value, wanted), "changes when that pixel is covered",
      value[:16])
check("; 0.5000 with rows 1 to 1, columns 0 to 0 covered" in done.stdout, "which is reported", done.stdout)

for command in (["features"], ["features", "--layer=conv1"], ["saliency"], ["occlude", "--window=2"]):
    words = ["./soft", *command, "halves.png", SOFT, "-o", "page.png"]
    exits(0, " ".join(command) + " of all", *words)
    plain = marked("page.png")
    exits(0, "and of a pixel", *words, "--pixel=20,3", "--class=1")
    check(marked("page.png") and not plain, "which is marked in the page")

for words, status, says in (
    (["--pixel=32,3"], 1, "--pixel 32,3: halves.png has X from 0 to 31 and Y from 0 to 15"),
    (["--pixel=3,16"], 1, "--pixel 3,16: halves.png has X from 0 to 31 and Y from 0 to 15"),
    (["--pixel=3,3", "--fit=crop"], 1, "because the image is cropped (--fit)"),
    (["--pixel=3,3", "--class=mild"], 1, "no output 'mild'"),
    (["--pixel=3"], 2, "--pixel needs X,Y, two integers of at least 0, not '3'"),
    (["--pixel=3,-1"], 2, "--pixel needs X,Y"), (["--pixel=3,4,5"], 2, "--pixel needs X,Y")):
    for command in "features", "saliency", "occlude":
        exits(status, f"{command} {' '.join(words)}", "./soft", command, "halves.png", SOFT, "-o", "no.png",
              *words, says=says)
exits(1, "boxes of a net without detections", "./soft", "occlude", "halves.png", SOFT, "--box=1", "-o",
      "no.png", says="--box: no output of soft has boxes")

# ---- A net with one class per image has no pixels
build("whole", "net whole { input image: 8x8x3 as u8 \n global_avgpool -> dense(2) -> softmax }\n")
npz("whole.npz", **{"dense1.weight": npy((2, 3), [1, 0, 0, 0, 0, 1]), "dense1.bias": npy((2,), [0, 0])})
for command in "features", "saliency", "occlude":
    exits(1, f"{command} --pixel without pixels", "./whole", command, "halves.png", "--weights=whole.npz",
          "--pixel=3,3", "-o", "no.png", says="--pixel: no output of whole has scores per pixel")
exits(0, "a class with features", "./whole", "features", "halves.png", "--weights=whole.npz",
      "--class=1", "-o", "page.png")

# ---- A net with two constant boxes, whose scores are the brightness of their corners
build("find", """net find {
    input image: 16x16x1 as u8
    labels ["cat", "dog"]
    corners = image -> normalize(scale=1/255) -> avgpool(8, stride=8) -> flatten
    scores = corners -> dense(4) -> reshape(2x2)
    corners -> dense(8) -> reshape(2x4) -> nms(scores, score=0.1, max=3)
}
""")
npz("find.npz", **{"scores.weight": npy((4, 4), [1, 0, 0, 0] + [0] * 8 + [0, 0, 0, 1]),
                   "scores.bias": npy((4,), [0] * 4), "dense2.weight": npy((8, 4), [0] * 32),
                   "dense2.bias": npy((8,), [0, 0, 8, 8, 8, 8, 16, 16])})
FIND = "--weights=find.npz"
write_png("corners.png", 16, 16, lambda x, y: (204,) * 3 if x < 8 and y < 8 else (153,) * 3)
exits(0, "two boxes", "./find", "predict", "corners.png", FIND,
      says="corners.png: cat 0.8000 (0.0 0.0 8.0 8.0), dog 0.6000 (8.0 8.0 16.0 16.0)\n")
OCCLUDE = ["./find", "occlude", "corners.png", FIND, "--window=8", "--stride=8", "--fill=0"]
done = exits(0, "the score of the best box", *OCCLUDE, "-o", "o.npy",
             says="cat (0.0 0.0 8.0 8.0) score 0.8000; 0.0000 with rows 0 to 7, columns 0 to 7 covered\n")
shape, value = read_npy("o.npy")
check(shape == (2, 2) and near(value, [0, 0.8, 0.8, 0.8]), "is lost when it is covered", value)
for words in ["--box=2"], ["--class=dog"], ["--class=1", "--box=1"]:
    exits(0, "another one: " + " ".join(words), *OCCLUDE, *words, "-o", "o.npy", says="dog (8.0 8.0 ")
    check(near(read_npy("o.npy")[1], [0.6, 0.6, 0.6, 0]), "depends on another region", read_npy("o.npy")[1])
exits(0, "partially covered, it is found again", *OCCLUDE[:-3], "--window=4", "--stride=4", "--fill=0", "-o",
      "o.npy")
check(near(read_npy("o.npy")[1], [0.6, 0.6, 0.8, 0.8] * 2 + [0.8] * 8), "with a lower score",
      read_npy("o.npy")[1])
exits(0, "a page of it", *OCCLUDE, "-o", "page.png")
check(marked("page.png"), "has the box")
for words, status, says in (
    (["--box=3"], 1, "--box 3: find detects 2 boxes in corners.png"),
    (["--class=cat", "--box=2"], 1, "--box 2: find detects 1 box of class cat in corners.png"),
    (["--class=cow"], 1, "the net has no such label; its classes are 0 to 1, or 'cat' and so on"),
    (["--pixel=3,3"], 1, "--pixel: no output of find has scores per pixel; the net detects boxes"),
    (["--box=0"], 2, "--box needs a whole number"), (["--box=1", "--pixel=3,3"], 2, "mutually exclusive")):
    exits(status, " ".join(words), *OCCLUDE, "-o", "no.png", *words, says=says)
write_png("large.png", 64, 32, lambda x, y: (153,) * 3)
exits(0, "boxes are printed in pixels of the image", "./find", "occlude", "large.png", FIND, "--window=8",
      "--class=dog", "-o", "page.png", says="large.png: dog (32.0 16.0 64.0 32.0) score ")
write_png("dark.png", 16, 16, lambda x, y: (9, 9, 9))
exits(1, "no detection to explain", "./find", "occlude", "dark.png", FIND, "-o", "no.png",
      says="dark.png: find finds no box")
exits(1, "boxes have no gradient", "./find", "saliency", "corners.png", FIND, "-o", "no.png",
      says="has boxes, but class scores were requested; 'occlude' shows")
exits(0, "features of a detector", "./find", "features", "corners.png", FIND, "-o", "page.png")
check(not os.path.exists("no.png"), "nothing was written")
finish()
