"""draw.py CNNC [DATA]: trains the autoencoder on Fashion-MNIST, evaluates it, and draws test images above
their reconstructions in autoencoder.svg."""
# SPDX-License-Identifier: MIT-0
import gzip, os, subprocess, sys, tempfile
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, ".."))
import figure

SIDE, SHOWN = 28, 10


def main():
    cnnc = figure.compiler()
    data = sys.argv[2] if len(sys.argv) > 2 else "/usr/share/datasets/fashion-mnist"
    with gzip.open(os.path.join(data, "t10k-images-idx3-ubyte.gz")) as f:
        pictures = f.read(16 + SHOWN * SIDE * SIDE)[16:]
    with tempfile.TemporaryDirectory() as work:
        program, weights, batch, results = (os.path.join(work, name) for name in
                                            ("autoencoder", "w.safetensors", "batch.npy", "results.npz"))
        subprocess.run([cnnc, os.path.join(here, "autoencoder.cnn"), "-o", program], check=True)
        subprocess.run([program, "train", "--data", data, "--out", weights], check=True)
        subprocess.run([program, "eval", "--data", data, "--weights", weights], check=True)
        figure.write_npy(batch, [SHOWN, SIDE, SIDE, 1], pictures, "B")
        subprocess.run([program, "predict", batch, "--weights", weights, "-o", results], check=True)
        back = figure.read_npz(results)["picture"][1]
    page = figure.Figure(columns=SHOWN, scale=2, gap=4, line=4)
    for numbers in ([x / 255 for x in pictures], back):
        for i in range(SHOWN):
            page.add(figure.grey(numbers[i * SIDE * SIDE:(i + 1) * SIDE * SIDE], SIDE), "")
    page.save(os.path.join(here, "autoencoder.svg"))


if __name__ == "__main__":
    main()
