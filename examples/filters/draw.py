"""draw.py CNNC: draws a landscape as PNG, runs filters.cnn on it, and draws the image and the results in
filters.svg."""
# SPDX-License-Identifier: MIT-0
import math, os, random, subprocess, sys, tempfile
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, ".."))
import figure

HEIGHT, WIDTH = 160, 240


def noise(seed):
    """Smooth noise between -1 and 1 over the plane."""
    table = [[random.Random(f"{seed} {x} {y}").uniform(-1, 1) for x in range(64)] for y in range(64)]

    def at(x, y):
        i, j = math.floor(x), math.floor(y)
        ease = lambda t: t * t * (3 - 2 * t)
        u, v = ease(x - i), ease(y - j)
        mix = lambda row: (1 - u) * table[row % 64][i % 64] + u * table[row % 64][(i + 1) % 64]
        return (1 - v) * mix(j) + v * mix(j + 1)

    return at


def landscape():
    """Sky with clouds and a sun, two ridges, a lake with a path of light, a house: numbers from 0 to 1."""
    cloud, ridge, ground, grain = noise("cloud"), noise("ridge"), noise("ground"), random.Random(1)
    fractal = lambda f, x, y, n: sum(f(x * 2**k, y * 2**k) / 2**k for k in range(n))
    picture = []
    for y in range(HEIGHT):
        for x in range(WIDTH):
            far = 78 + 14 * fractal(ridge, x / 40, 0.5, 4)
            near = 98 + 9 * fractal(ridge, x / 25, 7.5, 5)
            if y > 118:    # the lake: the sky mirrored, with waves
                wave = fractal(cloud, x / 30, y / 2.5, 3)
                path = math.exp(-((x - 172 - 4 * wave) / 12)**2)
                value = 0.42 + 0.1 * wave + 0.3 * path - (y - 118) / 250
            elif y > near:
                value = 0.18 + 0.12 * fractal(ground, x / 3, y / 3, 2)
            elif y > far:
                value = 0.45 + 0.06 * fractal(ground, x / 8, y / 4, 3)
            else:
                sun = math.hypot(x - 172, y - 38)
                value = 0.85 - y / 300 + 0.13 * fractal(cloud, x / 45, y / 14, 4)
                value = 1.0 if sun < 13 else value + 0.2 * math.exp(-(sun - 13) / 14)
            if 40 <= x < 84 and 92 <= y < 118:
                value = 0.75 if x < 66 else 0.55
                if (x - 40) % 13 in (4, 5, 6, 7) and 100 <= y < 108:
                    value = 0.1
            if 76 <= y < 92 and abs(x - 62) < 26 - (91 - y) * 1.2 and y > 77:
                value = 0.3 + 0.05 * (y % 3)
            picture.append(value + grain.gauss(0, 0.008))
    return picture


def main():
    cnnc = figure.compiler()
    source = figure.grey(landscape(), WIDTH)
    with open(os.path.join(here, "picture.png"), "wb") as f:
        f.write(figure.png(source))
    with tempfile.TemporaryDirectory() as work:
        program, results = os.path.join(work, "filters"), os.path.join(work, "results.npz")
        subprocess.run([cnnc, os.path.join(here, "filters.cnn"), "-o", program], check=True)
        subprocess.run([program, "predict", os.path.join(here, "picture.png"), "-o", results], check=True)
        values = {name: numbers for name, (_, numbers) in figure.read_npz(results).items()}
    page = figure.Figure(columns=4)
    page.add(source, "the image")
    for name, caption, low, high in [
        ("smooth", "mean", 0, 1), ("soft", "Gaussian", 0, 1), ("sharp", "sharpened", 0, 1),
        ("curved", "Laplacian (gray: 0)", -0.5, 0.5), ("across", "Sobel, horizontally (gray: 0)", -1.5, 1.5),
        ("edges", "Sobel, the length of both", 0, 2)]:
        page.add(figure.grey(values[name], WIDTH, low, high), caption)
    page.save(os.path.join(here, "filters.svg"))


if __name__ == "__main__":
    main()
