"""draw.py CNNC: runs antialias.cnn on rings that become finer outwards, and on the same image shifted right
by one pixel. Draws the results in antialias.svg, and prints how much the results for the two images
differ."""
# SPDX-License-Identifier: MIT-0
import math, os, subprocess, sys, tempfile
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, ".."))
import figure

SIDE = 192
SHIFTS = 2


def rings(shift):
    """The distance between two rings falls to about two pixels at the corners of the image."""
    centre = SIDE / 2
    level = lambda r2: round(127.5 + 127.5 * math.cos(math.pi / 2 * r2 / (SIDE * 0.75)))
    return [level((x - shift - centre)**2 + (y - centre)**2) for y in range(SIDE) for x in range(SIDE)]


def main():
    cnnc = figure.compiler()
    inputs = [rings(shift) for shift in range(SHIFTS)]
    with tempfile.TemporaryDirectory() as work:
        program, batch, results = (os.path.join(work, name)
                                   for name in ("antialias", "rings.npy", "results.npz"))
        figure.write_npy(batch, [SHIFTS, SIDE, SIDE, 1], [x for image in inputs for x in image], "B")
        subprocess.run([cnnc, os.path.join(here, "antialias.cnn"), "-o", program], check=True)
        subprocess.run([program, "predict", batch, "-o", results], check=True)
        outputs = figure.read_npz(results)
    page = figure.Figure(columns=4)
    page.add(figure.grey([x / 255 for x in inputs[0]], SIDE), "the input")
    for name, caption in [("strided", "every fourth pixel"), ("blurred", "blurpool twice")]:
        (_, *plane), numbers = outputs[name][0], outputs[name][1]
        size = plane[0] * plane[1]
        images = [numbers[i * size:(i + 1) * size] for i in range(SHIFTS)]
        change = [abs(a - b) for a, b in zip(*images)]
        print(f"{caption}: shifted by one pixel, its pixels change by {sum(change) / size:.3f} on average, "
              f"{max(change):.3f} at most")
        if name == "blurred":
            page.add([[255] * SIDE] * SIDE, "")
        for i, image in enumerate(images):
            page.add(doubled(figure.grey(image, plane[1])), caption + (", shifted" if i else ""))
        page.add(doubled(figure.grey(change, plane[1])), "the difference")
    page.save(os.path.join(here, "antialias.svg"))


def doubled(rows, times=4):
    return [[x for x in row for _ in range(times)] for row in rows for _ in range(times)]


if __name__ == "__main__":
    main()
