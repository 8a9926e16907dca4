"""boxes.py BASE: generates the program BASE_boxes.cnn from BASE.cnn, an imported detector, and BASE.names.
BASE.cnn reads floats, and each row of its output has the center and size of a box, and a score per class.
BASE_boxes.cnn reads bytes, and its output has the boxes that nms selects."""
# SPDX-License-Identifier: Apache-2.0
import re, sys

END = """    scores = {output} -> slice(4..{last})
    half = {output} -> slice(2..4) -> multiply(0.5)
    middle = {output} -> slice(0..2)
    corner = middle -> add(half)
    middle -> subtract(half) -> concat(corner)
    found = nms(scores, iou=0.7, score=least)
    output found
    labels [{labels}]
}}
"""

base = sys.argv[1]
with open(base + ".names") as file:
    names = file.read().splitlines()
with open(base + ".cnn") as file:
    text = file.read()
bytes_in = r"    input \1: \2 as u8\n    normalize(mean=0, std=1, scale=1/255)\n"
text = re.sub(r"^    input (\w+): (\S+).*\n", bytes_in, text, count=1, flags=re.M)
head, output = re.split(r"^    output (\w+).*\n", text, flags=re.M)[:2]
labels = ", ".join('"' + name + '"' for name in names)
with open(base + "_boxes.cnn", "w") as file:
    file.write("const least = 0.25  # scores below it are dropped\n\n" + head)
    file.write(END.format(output=output, last=4 + len(names), labels=labels))
