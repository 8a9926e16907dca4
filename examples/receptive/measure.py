"""measure.py CNNC: the receptive fields of the three nets of this folder, computed and measured. cnnc
computes them from windows, strides and dilations. The script measures the gradient of the center pixel's
score with respect to the input, averaged over random weights and inputs. Prints a table and draws
receptive.svg."""
# SPDX-License-Identifier: MIT-0
import json, math, os, random, struct, subprocess, sys, tempfile
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, ".."))
import figure

ROUNDS = 40


def write_weights(path, rows, rng):
    """Random weights, as cnnc would initialize them, as a .safetensors file."""
    head, data = {}, b""
    for row in rows:
        n = math.prod(row["shape"])
        spread = math.sqrt(2 / math.prod(row["shape"][1:]))
        numbers = struct.pack(f"<{n}f", *(rng.gauss(0, spread) for _ in range(n)))
        head[row["name"]] = {"dtype": "F32", "shape": row["shape"],
                             "data_offsets": [len(data), len(data) + len(numbers)]}
        data += numbers
    text = json.dumps(head).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + data)


def mean_gradient(cnnc, net, work):
    """The net's metadata, and the mean of |gradient| at each pixel of its input."""
    source, program = os.path.join(here, net + ".cnn"), os.path.join(work, net)
    facts = json.loads(subprocess.run([cnnc, source, "--emit=json"], check=True, capture_output=True).stdout)
    # Without --exact, rounding errors of Winograd could turn gradients of 0 into small numbers.
    subprocess.run([cnnc, source, "--exact", "-o", program], check=True)
    shape, rng = facts["inputs"][0]["shape"], random.Random(1)
    weights, picture, result = (os.path.join(work, name) for name in ("w.safetensors", "x.npy", "g.npy"))
    total = [0.0] * math.prod(shape)
    for _ in range(ROUNDS):
        write_weights(weights, facts["weights"], rng)
        figure.write_npy(picture, shape, [rng.gauss(0, 1) for _ in total])
        subprocess.run([program, "saliency", picture, "--weights", weights, "-o", result], check=True,
                       capture_output=True)
        with open(result, "rb") as f:
            total = [t + abs(g) / ROUNDS for t, g in zip(total, figure.read_npy(f.read())[1])]
    return facts, total


def main():
    cnnc = figure.compiler()
    page = figure.Figure(columns=3, scale=4)
    print("net      by the formula  measured  half of the gradient within")
    with tempfile.TemporaryDirectory() as work:
        for net in ["plain", "pooled", "dilated"]:
            facts, total = mean_gradient(cnnc, net, work)
            height, width, _ = facts["inputs"][0]["shape"]
            rows = [y for y in range(height) if any(total[y * width:(y + 1) * width])]
            extent, middle = rows[-1] - rows[0] + 1, height // 2
            inside = lambda r: sum(total[y * width + x] for y in range(middle - r, middle + r + 1)
                                   for x in range(middle - r, middle + r + 1))
            half = next(r for r in range(middle) if inside(r) >= inside(middle) / 2)
            formula = facts["layers"][-1]["receptive_field"]
            text = "x".join(str(n) for n in formula)
            print(f"{net:8} {text:14}  {extent}x{extent:<5}  {2 * half + 1}x{2 * half + 1}")
            image = figure.grey([math.sqrt(t / max(total)) for t in total], width)
            reach = formula[0] // 2 + 1   # a margin around the size that the formula gives
            for i in range(-reach, reach + 1):
                for y, x in [(i, -reach), (i, reach), (-reach, i), (reach, i)]:
                    image[middle + y][middle + x] = 110
            page.add(image, f"{net}: {text}")
    page.save(os.path.join(here, "receptive.svg"))


if __name__ == "__main__":
    main()
