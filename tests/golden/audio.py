#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints audio.inc: results of torchaudio, librosa and scipy, and of the formulas of tf.signal in numpy.
tests/unit/audio.c compares eval with them.

    python3 audio.py > audio.inc      (needs torch, torchaudio, librosa and scipy; audio.inc is
                                       committed, so the tests do not)
"""
import librosa
import numpy as np
import scipy
import scipy.fft
import scipy.signal
import torch
torch.version.cuda = None  # torchaudio rejects a torch with another CUDA version; CUDA is not used here
import torchaudio
import torchaudio.functional as F

np.random.seed(1)
torch.set_default_dtype(torch.float64)


def case(what, layers, x, y):
    x, y = np.asarray(x), np.asarray(y)
    print("{")
    print('  .what = "%s", .rows = %d, .channels = %d,' % (what, x.shape[0], x.shape[1]))
    print('  .layers = "%s", .n = %d,' % (layers, y.size))
    for name, values in (("input", x), ("output", y)):
        print("  .%s = (const double[]){%s}," % (name, ", ".join("%.9g" % v for v in values.flatten())))
    print("},")


def samples(n):
    t = np.arange(n)
    return np.round(0.5 * np.sin(0.02 * t * (1 + t / n)) + 0.1 * np.random.randn(n), 6)[:, None]


def pairs(z):
    """[frames][2 * bins]: the real and the imaginary part of each bin."""
    return np.stack([z.real, z.imag], -1).reshape(z.shape[0], -1)


print("/* audio.inc: made by audio.py with torchaudio %s, librosa %s and scipy %s. */" % (
    torchaudio.__version__.split("+")[0], librosa.__version__, scipy.__version__))
print("// SPDX-License-Identifier: Apache-2.0")
x = samples(200)
wave = torch.from_numpy(x[:, 0].copy())

case("torchaudio.functional.preemphasis", "preemphasis coefficient=0.9", x, F.preemphasis(wave, 0.9)[:, None])
for name, window in (("hann", torch.hann_window(40)), ("hamming", torch.hamming_window(40)),
                     ("hann_symmetric", torch.hann_window(40, periodic=False)),
                     ("hamming_symmetric", torch.hamming_window(40, periodic=False)),
                     ("ones", torch.ones(40))):
    z = torch.stft(wave, 64, 50, 40, window, center=True, return_complex=True).numpy().T
    case("torch.stft " + name, "stft size=40 step=50 fft=64 center=true give=complex window=" + name, x,
         pairs(z))
z = torch.stft(wave, 50, 30, 50, torch.hann_window(50), center=False, return_complex=True)
case("torch.stft, no power of two", "stft size=50 step=30 give=magnitude", x, z.abs().numpy().T)
z = librosa.stft(x[:, 0], n_fft=128, hop_length=40, win_length=100, pad_mode="reflect").T
case("librosa.stft", "stft size=100 step=40 fft=128 center=true give=complex", x, pairs(z))
spectrum = torchaudio.transforms.Spectrogram(64, 48, 32)(wave).numpy().T
case("torchaudio.transforms.Spectrogram", "stft size=48 step=32 fft=64 center=true", x, spectrum)

# tf.signal.stft: frames of the window's length, then zero padding; its hann window is periodic.
frames = np.stack([x[t:t + 48, 0] * scipy.signal.get_window("hann", 48) for t in range(0, 200 - 47, 40)])
case("tf.signal.stft", "stft size=48 step=40 fft=64 place=start give=complex", x,
     pairs(np.fft.rfft(frames, 64)))

energy = np.round(np.random.rand(3, 65) ** 2 * 4, 5)
fb = F.melscale_fbanks(65, 60.0, 7600.0, 12, 16000)
case("torchaudio.functional.melscale_fbanks", "mel bands=12 rate=16000 low=60 high=7600", energy,
     torch.from_numpy(energy) @ fb)
fb = librosa.filters.mel(sr=16000, n_fft=128, n_mels=14, fmin=20, fmax=8000, dtype=np.float64)
case("librosa.filters.mel", "mel bands=14 rate=16000 low=20 like=librosa", energy, energy @ fb.T)


def tensorflow_mel(bands, bins, rate, low, high):
    """tf.signal.linear_to_mel_weight_matrix."""
    mel = lambda f: 1127.0 * np.log(1.0 + f / 700.0)
    at = mel(np.linspace(0.0, rate / 2.0, bins)[1:])[:, None]
    edge = np.linspace(mel(low), mel(high), bands + 2)
    low, center, high = edge[:-2], edge[1:-1], edge[2:]
    weight = np.maximum(0.0, np.minimum((at - low) / (center - low), (high - at) / (high - center)))
    return np.pad(weight, [[1, 0], [0, 0]])


case("tf.signal.linear_to_mel_weight_matrix", "mel bands=10 rate=16000 low=80 high=7000 like=tensorflow",
     energy, energy @ tensorflow_mel(10, 65, 16000, 80.0, 7000.0))
case("scipy.fft.dct", "dct n=7", energy[:, :16], scipy.fft.dct(energy[:, :16], norm="ortho")[:, :7])
case("torchaudio.functional.amplitude_to_DB", "decibel floor=0.01", energy[:, :9],
     F.amplitude_to_DB(torch.from_numpy(energy[:, :9]), 10.0, 0.01, 0.0))
case("librosa.pcen", "pcen", energy[:, :5], librosa.pcen(energy[:, :5].T, b=0.025).T)
case("librosa.pcen, other numbers", "pcen smooth=0.2 gain=0.8 bias=10 power=0.25 epsilon=0.001",
     energy[:, :5],
     librosa.pcen(energy[:, :5].T, b=0.2, gain=0.8, bias=10, power=0.25, eps=1e-3).T)
