"""keyword_gru.py: examples/keyword/gru.cnn and the same net in PyTorch, trained on the same clips: accuracies
of both, and of the int8 model.

    python3 bench/keyword_gru.py [--cnnc build/cnnc] [--clips 120] [--epochs 20] [--seed 1]

The clips are synthetic words of one second, in noise. A class is a sequence of three gliding tones; their
time and pitch vary from clip to clip. Needs numpy and torch; takes a few minutes."""
# SPDX-License-Identifier: Apache-2.0
import argparse
import os
import re
import subprocess
import tempfile

import numpy as np
import torch

RATE, CLASSES, BANDS, FFT, SIZE, STEP = 16000, 12, 40, 512, 400, 160
HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.join(HERE, "..", "examples", "keyword", "gru.cnn")


# ---- clips ----
def words(seed):
    """The tones of each class; None for silence and unknown."""
    rng = np.random.default_rng(seed)
    return [None, None] + [rng.uniform(250, 2800, (3, 2)) for _ in range(CLASSES - 2)]


def clip(rng, label, lexicon):
    x = rng.standard_normal(RATE) * 10 ** rng.uniform(-2.5, -1.7)
    if label:
        tones = lexicon[label] if label > 1 else rng.uniform(250, 2800, (3, 2))
        pitch, at, loud = rng.uniform(0.94, 1.06), rng.uniform(0.35, 0.5), 10 ** rng.uniform(-0.9, -0.3)
        for first, last in tones:
            n = int(RATE * rng.uniform(0.1, 0.15))
            glide = np.linspace(first, last, n) * pitch
            begin = int(at * RATE)
            sound = loud * np.hanning(n) * np.sin(2 * np.pi * np.cumsum(glide) / RATE)
            x[begin:begin + n] += sound[:RATE - begin]
            at += n / RATE
    return np.clip(x, -1, 1).astype(np.float32)


def clips(seed, count, lexicon):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(CLASSES), count))
    return np.stack([clip(rng, y, lexicon) for y in labels])[..., None], labels.astype(np.int32)


# ---- PyTorch ----
def mel_weights():
    def mel(f):
        return 2595 * np.log10(1 + f / 700)
    points = 700 * (10 ** (np.linspace(mel(0), mel(RATE / 2), BANDS + 2) / 2595) - 1)
    bins = np.linspace(0, RATE / 2, FFT // 2 + 1)[:, None]
    rise = (bins - points[:-2]) / (points[1:-1] - points[:-2])
    fall = (points[2:] - bins) / (points[2:] - points[1:-1])
    return torch.tensor(np.maximum(0, np.minimum(rise, fall)), dtype=torch.float32)


def features(x):
    """The first layers of gru.cnn: log_mel(400, 160, 40, 16000, fft=512, pad=[240, 0]) -> add(6) ->
    multiply(0.25)."""
    x = torch.nn.functional.pad(torch.tensor(x[..., 0]), (SIZE - STEP + (FFT - SIZE) // 2, (FFT - SIZE) // 2))
    power = torch.stft(x, FFT, STEP, SIZE, torch.hann_window(SIZE), center=False,
                       return_complex=True).abs() ** 2
    return (torch.log(torch.clamp(power.transpose(1, 2) @ mel_weights(), min=1e-6)) + 6) * 0.25


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.gru, self.dense = torch.nn.GRU(BANDS, 64, batch_first=True), torch.nn.Linear(64, CLASSES)

    def forward(self, x):
        return self.dense(self.gru(x)[1][0])


def right(net, x, y):
    with torch.no_grad():
        return float((net(x).argmax(1) == y).float().mean()) * 100


def trained(data, epochs, seed, rate=0.002, batch=32):
    """Trains like the train block of gru.cnn: adam, one epoch of warm-up, a cosine schedule, gradients
    clipped to a norm of 1."""
    torch.manual_seed(seed)
    net, (x, y), (xv, yv), (xt, yt) = Net(), *((features(x), torch.tensor(y).long()) for x, y in data)
    steps = (len(x) + batch - 1) // batch
    adam = torch.optim.Adam(net.parameters(), rate)
    plan = torch.optim.lr_scheduler.LambdaLR(adam, lambda k: (k + 1) / steps if k < steps else 0.5 * (
        1 + np.cos(np.pi * (k - steps) / max(1, steps * (epochs - 1)))))
    best, kept = float("inf"), None
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(batch):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1)
            adam.step()
            plan.step()
        with torch.no_grad():
            loss = float(torch.nn.functional.cross_entropy(net(xv), yv))
        if loss < best:
            best, kept = loss, {k: v.clone() for k, v in net.state_dict().items()}
    net.load_state_dict(kept)
    return right(net, xt, yt)


# ---- cnnc ----
def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr}")
    return done.stdout + done.stderr


def compiled(cnnc, data, epochs, seed, folder):
    """The accuracies of the float net and of the int8 model."""
    names = (("x", "y"), ("x_val", "y_val"), ("x_test", "y_test"))
    npz, program = os.path.join(folder, "clips.npz"), os.path.join(folder, "gru")
    np.savez(npz, **{name: array for pair, arrays in zip(names, data) for name, array in zip(pair, arrays)})
    run(cnnc, PROGRAM, "-o", program)
    os.chdir(folder)
    run(program, "train", f"--data={npz}", f"--epochs={epochs}", f"--seed={seed}")
    told = run(cnnc, "quantize", PROGRAM, "--weights=gru.safetensors", f"--data={npz}", "-o",
               "gru.int8.safetensors")
    floats, bytes_ = re.search(r"accuracy ([\d.]+) % -> ([\d.]+) %", told).groups()
    return float(floats), float(bytes_)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cnnc", default=os.path.join(HERE, "..", "build", "cnnc"))
    parser.add_argument("--clips", type=int, default=120,
                        help="training clips of each class, and as many test clips")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    lexicon, cnnc = words(asked.seed), os.path.abspath(asked.cnnc)
    data = [clips(10 * asked.seed + k, n, lexicon) for k, n in
            enumerate((asked.clips, asked.clips // 4, asked.clips))]
    torch.set_num_threads(1)
    other = trained(data, asked.epochs, asked.seed)
    with tempfile.TemporaryDirectory() as folder:
        floats, bytes_ = compiled(cnnc, data, asked.epochs, asked.seed, folder)
    print(f"PyTorch {other:.2f} %, cnnc {floats:.2f} % ({floats - other:+.2f}), "
          f"int8 {bytes_:.2f} % ({bytes_ - floats:+.2f})")


main()
