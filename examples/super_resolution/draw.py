"""draw.py CNNC FSRCNN_WEIGHTS [ESPCN_WEIGHTS]: shrinks a part of the image in ../filters to a third of its
width and height. Enlarges the small image with bilinear interpolation and with each net. Draws
super_resolution.svg, and prints the PSNR of each enlarged image."""
# SPDX-License-Identifier: MIT-0
import math, os, subprocess, sys, tempfile
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, ".."))
import figure

SIDE, FACTOR = 96, 3
BILINEAR = f"""net bilinear {{
    input image: {SIDE}x{SIDE}x1 as u8
    normalize(scale=1/255)
    small = avgpool({FACTOR})
    large = upsample({FACTOR}, mode=bilinear)
    given = image -> normalize(scale=1/255)
    output small, large, given
}}
"""


def main():
    cnnc = figure.compiler()
    picture = os.path.join(here, "..", "filters", "picture.png")
    with tempfile.TemporaryDirectory() as work:
        source, result = os.path.join(work, "bilinear.cnn"), os.path.join(work, "result.npz")
        with open(source, "w") as f:
            f.write(BILINEAR)

        def run(program, *weights):
            name = os.path.join(work, "net")
            subprocess.run([cnnc, program, "-o", name], check=True)
            subprocess.run([name, "predict", picture, "--fit=crop", *weights, "-o", result], check=True)
            return {key: numbers for key, (_, numbers) in figure.read_npz(result).items()}

        shown = run(source)
        for net, weights in zip(("fsrcnn", "espcn"), sys.argv[2:]):
            shown[net], = run(os.path.join(here, net + ".cnn"), "--weights", weights).values()
    page = figure.Figure(columns=5, scale=2)
    page.add(figure.grey(shown["given"], SIDE), "the image")
    page.add([[x for x in row for _ in range(FACTOR)] for row in figure.grey(shown["small"], SIDE // FACTOR)
              for _ in range(FACTOR)], "a third of its size")
    for name, title in [("large", "bilinear"), ("fsrcnn", "FSRCNN"), ("espcn", "ESPCN")]:
        if name not in shown:
            continue
        error = sum((a - b)**2 for a, b in zip(shown[name], shown["given"])) / SIDE**2
        caption = f"{title}, {-10 * math.log10(error):.1f} dB"
        print(caption)
        page.add(figure.grey(shown[name], SIDE), caption)
    page.save(os.path.join(here, "super_resolution.svg"))


if __name__ == "__main__":
    main()
