#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random detections, masks and segments, and the results of COCO's programs for them. Needs numpy,
pycocotools and panopticapi (https://github.com/cocodataset/panopticapi, which PYTHONPATH may name).

    python3 tests/golden/precision.py >tests/golden/precision.inc

The cases contain equal scores, classes without annotations, and classes without detections. Crowd regions
cover other annotations, some images have more than 100 detections, and some areas are equal to the limits
32^2 and 96^2. A mask is a box without a triangle of side `cut` in its upper left corner. Segments are maps of
letters; a dot is an unlabeled pixel."""
import contextlib
import io
import os
import random
import tempfile

import numpy
from panopticapi.evaluation import PQStat, pq_compute_single_core
from panopticapi.utils import id2rgb
from PIL import Image
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SIDES = [8, 16, 31, 32, 33, 64, 95, 96, 97, 120]
SIDE = 128  # side of images with masks
ROWS, COLUMNS = 6, 9  # size of images with segments


def near(draw, box):
    return [max(1, v + draw.randint(-4, 4)) for v in box] if draw.random() < 0.7 else box


def make(seed, crowded):
    """Boxes are x, y, width, height. crowded: each image has a large crowd region, and image 2 has very many
    detections."""
    draw = random.Random(seed)
    images, classes = draw.randint(5, 30), draw.randint(1, 5)
    truths, found = [], []
    for image in range(images):
        for _ in range(draw.randint(0, 6)):
            label, side = draw.randrange(classes), draw.choice(SIDES)
            box = [draw.randint(0, 200), draw.randint(0, 200), side, draw.choice([side, draw.choice(SIDES)])]
            if label != 3:
                truths.append((image, label, int(draw.random() < 0.15), box, 0))
            for _ in range(120 if crowded and image == 2 else draw.choice([0, 1, 1, 2])):
                if label != 4:
                    found.append((image, label, draw.randint(1, 8) / 8, near(draw, box), 0))
        if crowded:
            truths.append((image, draw.randrange(classes), 1, [20, 20, 200, 150], 0))
    return images, classes, truths, found


def inside(box):
    x, y = min(box[0], SIDE - 1), min(box[1], SIDE - 1)
    return [x, y, min(box[2], SIDE - x), min(box[3], SIDE - y)]


def make_masks(seed):
    draw = random.Random(seed)
    images, classes = draw.randint(5, 30), draw.randint(2, 4)
    truths, found = [], []
    for image in range(images):
        for _ in range(draw.randint(0, 5)):
            label, side = draw.randrange(classes), draw.choice(SIDES)
            box = inside([draw.randint(0, 128 - min(side, 128)), draw.randint(0, 64), side, side])
            cut = draw.choice([0, 0, side // 2, side])
            if label != 3:
                truths.append((image, label, int(draw.random() < 0.15), box, cut))
            for _ in range(draw.choice([0, 1, 1, 2])):
                found.append((image, label, draw.randint(1, 8) / 8, inside(near(draw, box)),
                              draw.choice([cut, max(0, cut + draw.randint(-6, 6))])))
    return images, classes, truths, found


def bits(box, cut):
    y, x = numpy.mgrid[0:SIDE, 0:SIDE]
    x, y = x - box[0], y - box[1]
    return (x >= 0) & (y >= 0) & (x < box[2]) & (y < box[3]) & (x + y >= cut)


def runs(box, cut):
    return mask.encode(numpy.asfortranarray(bits(box, cut).astype(numpy.uint8)))


def judge(images, classes, truths, found, kind):
    masks = kind == "segm"
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i, "height": SIDE, "width": SIDE} for i in range(images)],
        "categories": [{"id": c} for c in range(classes)],
        "annotations": [{"id": i + 1, "image_id": t[0], "category_id": t[1], "iscrowd": t[2], "bbox": t[3],
                         **({"segmentation": runs(t[3], t[4])} if masks else {}),
                         "area": area_of(t, masks)} for i, t in enumerate(truths)]}
    coco.createIndex()
    result = coco.loadRes([{"image_id": f[0], "category_id": f[1], "score": f[2],
                            **({"segmentation": runs(f[3], f[4])} if masks else {"bbox": f[3]})}
                           for f in found])
    run = COCOeval(coco, result, kind)
    run.evaluate()
    run.accumulate()
    run.summarize()
    per_class, curves = [], []
    for c in range(classes):
        of = run.eval["precision"][:, :, c, 0, 2]
        per_class.append(float(of[of > -1].mean()) if (of > -1).any() else -1.0)
        curves += [float(v) for v in of[0, ::20]]
    return [float(v) for v in run.stats[:6]], per_class, curves


def area_of(truth, masks):
    return int(bits(truth[3], truth[4]).sum()) if masks else truth[3][2] * truth[3][3]


def box_text(box):
    return "{%d, %d, %d, %d}" % (box[0], box[1], box[0] + box[2], box[1] + box[3])


def numbers(values):
    rows = [", ".join(map(repr, values[i:i + 3])) for i in range(0, len(values), 3)]
    return ",\n      ".join(rows)


def put_case(name, kind, images, classes, truths, found):
    masks = kind == "segm"
    with contextlib.redirect_stdout(io.StringIO()):
        judged = judge(images, classes, truths, found, kind)
    print("static const Found found_%s[] = {" % name)
    for f in found:
        print("    {{%d, %d, %r, %s, {0}}, %d}," % (f[0], f[1], f[2], box_text(f[3]), f[4]))
    print("};\nstatic const Sought sought_%s[] = {" % name)
    for t in truths:
        fields = (*t[:3], area_of(t, masks), box_text(t[3]), t[4])
        print("    {{%d, %d, %d, %d, %s, {0}}, %d}," % fields)
    print("};")
    return "    {found_%s, %d, sought_%s, %d, %d, %s,\n     {%s},\n     {%s},\n     {%s}}" % (
        name, len(found), name, len(truths), classes, "true" if masks else "false", *map(numbers, judged))


def draw_segments(draw, classes, crowds):
    """A map of rectangles that may cover each other, and the class of each visible segment. Crowds have
    capital letters."""
    picture, labels = [["."] * COLUMNS for _ in range(ROWS)], {}
    for k in range(draw.randint(0, 6)):
        label = draw.randrange(classes)
        crowd = crowds and draw.random() < 0.25 and label not in [v for n, v in labels.items() if n.isupper()]
        name = chr(ord("A" if crowd else "a") + k)
        top, left = draw.randrange(ROWS), draw.randrange(COLUMNS)
        for y in range(top, min(ROWS, top + draw.randint(1, 5))):
            for x in range(left, min(COLUMNS, left + draw.randint(2, 7))):
                picture[y][x] = name
        labels[name] = label
    return rest(picture, labels)


def rest(picture, labels):
    there = {name for row in picture for name in row}
    return picture, {name: label for name, label in labels.items() if name in there}


def disturb(draw, picture, labels, classes):
    """A possible prediction: the annotation with some pixels and classes changed."""
    names = sorted(labels) + ["z"]
    found = [[draw.choice(names) if draw.random() < 0.12 else cell for cell in row] for row in picture]
    new = {name: draw.randrange(classes) if draw.random() < 0.15 else label for name, label in labels.items()}
    new["z"] = draw.randrange(classes)
    if draw.random() < 0.3:
        found = [["z" if cell == "." else cell for cell in row] for row in found]
    lower = [[cell.lower() for cell in row] for row in found]
    return rest(lower, {name.lower(): label for name, label in new.items()})


def panoptic_case(seed):
    draw = random.Random(seed)
    classes, pairs = draw.randint(2, 5), []
    for _ in range(draw.randint(5, 30)):
        picture, labels = draw_segments(draw, classes, True)
        pairs.append(((picture, labels), disturb(draw, picture, labels, classes)))
    return classes, pairs


def write_png(folder, name, picture):
    ids = numpy.array([[0 if cell == "." else ord(cell) for cell in row] for row in picture])
    Image.fromarray(id2rgb(ids).astype(numpy.uint8)).save(os.path.join(folder, name))


def judge_panoptic(classes, pairs):
    with tempfile.TemporaryDirectory() as truth, tempfile.TemporaryDirectory() as found:
        sets = []
        for i, pair in enumerate(pairs):
            about = []
            for folder, (picture, labels) in zip((truth, found), pair):
                write_png(folder, "%d.png" % i, picture)
                about.append({"image_id": i, "file_name": "%d.png" % i, "segments_info": [
                    {"id": ord(n), "category_id": label, "iscrowd": int(n.isupper()),
                     "area": sum(row.count(n) for row in picture)} for n, label in labels.items()]})
            sets.append(about)
        categories = {c: {"isthing": 1} for c in range(classes)}
        with contextlib.redirect_stdout(io.StringIO()):
            stat = PQStat()
            stat += pq_compute_single_core(0, sets, truth, found, categories)
        mean, per_class = stat.pq_average(categories, None)
    results = [mean] + [per_class[c] for c in range(classes)]
    return [[float(of[k]) for k in ("pq", "sq", "rq")] for of in results]


def segments_text(picture, labels):
    """The pixels row by row, and each segment's letter with its class: "a0B2"."""
    return '{"%s", "%s"}' % ("".join("".join(row) for row in picture),
                             "".join("%s%d" % (n, labels[n]) for n in sorted(labels)))


def put_panoptic(case):
    classes, pairs = panoptic_case(case)
    judged = judge_panoptic(classes, pairs)
    print("static const Pair pairs_%d[] = {" % case)
    for truth, found in pairs:
        print("    {%s,\n     %s}," % (segments_text(*truth), segments_text(*found)))
    print("};")
    rows = ",\n      ".join("{%s}" % ", ".join(map(repr, row)) for row in judged[1:])
    return "    {pairs_%d, %d, %d,\n     {%s},\n     {%s}}" % (
        case, len(pairs), classes, ", ".join(map(repr, judged[0])), rows)


def main():
    print("/* precision.inc: made by precision.py with pycocotools and panopticapi. */")
    print("// SPDX-License-Identifier: Apache-2.0")
    cases = [put_case("boxes%d" % k, "bbox", *make(k, False)) for k in range(6)]
    cases += [put_case("crowds%d" % k, "bbox", *make(10 + k, True)) for k in range(2)]
    cases += [put_case("masks%d" % k, "segm", *make_masks(20 + k)) for k in range(4)]
    print("static const Case cases[] = {\n%s};" % ",\n".join(cases))
    cases = [put_panoptic(k) for k in range(4)]
    print("static const PanopticCase panoptic_cases[] = {\n%s};" % ",\n".join(cases))


main()
