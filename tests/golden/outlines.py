"""outlines.py: writes files/outlines.json: polygons and maps of random objects, and the run lengths that
pycocotools computes for these objects. Run by hand, in this directory; needs pycocotools and numpy."""
# SPDX-License-Identifier: Apache-2.0
import json, random

import numpy
from pycocotools import mask

random.seed(5)
rows = []


def add(height, width, polygons):
    packed = mask.merge(mask.frPyObjects(polygons, height, width))
    runs, inside, at = [], 0, 0  # run lengths of the map that pycocotools unpacks, down its columns
    column_major = mask.decode(packed).flatten(order="F")
    for value in column_major:
        if value != inside:
            runs.append(at)
            inside, at = value, 0
        at += 1
    rows.append({"size": [height, width], "segmentation": polygons, "runs": [*map(int, runs), at],
                 "packed": packed["counts"].decode(), "area": int(mask.area(packed))})


def number(most):
    return round(random.uniform(0, most), random.choice([0, 1, 2]))


add(4, 6, [[0, 0, 6, 0, 6, 4, 0, 4]])  # the whole image
add(7, 9, [[1, 1, 5, 1, 5, 4, 1, 4]])
add(7, 9, [[1.5, 1.5, 5.5, 1.5, 5.5, 4.5, 1.5, 4.5]])
add(7, 9, [[2, 2, 2, 2, 2, 2]])  # one point
add(7, 9, [[1, 3, 8, 3, 1, 3]])  # a line
add(9, 9, [[0, 0, 8, 8, 8, 0, 0, 8]])  # a polygon that crosses itself
add(9, 9, [[-4, 2, 5, -6, 14, 5, 3, 13]])  # extends past the image on all sides
add(9, 9, [[1, 1, 4, 1, 4, 4, 1, 4], [3, 3, 8, 3, 8, 8, 3, 8]])  # two polygons that overlap
add(5, 200, [[2, 1, 198.5, 2, 197, 4.2, 1, 4]])
for _ in range(16):
    height, width = random.randint(3, 40), random.randint(3, 40)
    add(height, width, [[number(width if i % 2 == 0 else height) for i in range(2 * random.randint(3, 9))]
                        for _ in range(random.randint(1, 3))])
with open("files/outlines.json", "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
