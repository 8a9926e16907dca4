#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random detections and truths with COCO's AP of them; needs pycocotools.

    python3 tests/golden/detection.py >tests/golden/detection.inc

Cases have ties in scores, classes without truths or without detections, crowds, and areas on the limits 32^2
and 96^2."""
import contextlib
import io
import random

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SIDES = [8, 16, 31, 32, 33, 64, 95, 96, 97, 120]


def make(seed):
    draw = random.Random(seed)
    images, classes = draw.randint(5, 30), draw.randint(1, 5)
    truths, found = [], []
    for image in range(images):
        for _ in range(draw.randint(0, 6)):
            label, side = draw.randrange(classes), draw.choice(SIDES)
            box = [draw.randint(0, 200), draw.randint(0, 200), side, draw.choice([side, draw.choice(SIDES)])]
            if label != 3:
                truths.append((image, label, int(draw.random() < 0.15), box))
            for _ in range(draw.choice([0, 1, 1, 2])):
                near = [max(1, v + draw.randint(-4, 4)) for v in box]
                if label != 4:
                    found.append((image, label, draw.randint(1, 8) / 8, near if draw.random() < 0.7 else box))
    return images, classes, truths, found


def judge(images, classes, truths, found):
    coco = COCO()
    coco.dataset = {
        "images": [{"id": i} for i in range(images)],
        "categories": [{"id": c} for c in range(classes)],
        "annotations": [{"id": i + 1, "image_id": t[0], "category_id": t[1], "iscrowd": t[2], "bbox": t[3],
                         "area": t[3][2] * t[3][3]} for i, t in enumerate(truths)]}
    coco.createIndex()
    result = coco.loadRes([{"image_id": f[0], "category_id": f[1], "score": f[2], "bbox": f[3]}
                           for f in found])
    run = COCOeval(coco, result, "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    per_class = []
    for c in range(classes):
        of = run.eval["precision"][:, :, c, 0, 2]
        per_class.append(float(of[of > -1].mean()) if (of > -1).any() else -1.0)
    return [float(v) for v in run.stats[:6]], per_class


def box_text(box):
    return "{%d, %d, %d, %d}" % (box[0], box[1], box[0] + box[2], box[1] + box[3])


def numbers(values):
    rows = [", ".join(map(repr, values[i:i + 3])) for i in range(0, len(values), 3)]
    return ",\n      ".join(rows)


def main():
    print("/* detection.inc: made by detection.py with pycocotools: detections, truths and their AP. */")
    print("// SPDX-License-Identifier: Apache-2.0")
    cases = []
    for case in range(6):
        images, classes, truths, found = make(case)
        with contextlib.redirect_stdout(io.StringIO()):
            mean, per_class = judge(images, classes, truths, found)
        print("static const cnn_found found%d[] = {" % case)
        for f in found:
            print("    {%d, %d, %r, %s}," % (f[0], f[1], f[2], box_text(f[3])))
        print("};\nstatic const cnn_sought sought%d[] = {" % case)
        for t in truths:
            print("    {%d, %d, %d, %d, %s}," % (t[0], t[1], t[2], t[3][2] * t[3][3], box_text(t[3])))
        print("};")
        row = "{found%d, %d, sought%d, %d, %d,\n     {%s},\n     {%s}}" % (
            case, len(found), case, len(truths), classes, numbers(mean), numbers(per_class))
        cases.append("    " + row)
    print("static const Case cases[] = {\n%s};" % ",\n".join(cases))


main()
