#!/usr/bin/env python3
"""tones.py FOLDER [FILES_PER_WORD]: writes WAV files to try the example without recordings: a folder for each
word, and one of background noise. A word is two tones in noise; their pitch depends on the word."""
# SPDX-License-Identifier: MIT-0
import math
import os
import random
import struct
import sys
import wave

WORDS = "yes no up down left right on off stop go".split()
RATE = 16000


def sound(rng, word):
    """A second of noise, with two tones in the middle unless word is None."""
    samples = [rng.gauss(0, 0.01) for _ in range(RATE)]
    if word is None:
        return samples
    pitch = 300 * 1.25 ** WORDS.index(word) * rng.uniform(0.98, 1.02)
    start, length = rng.randrange(3000, 6000), rng.randrange(5000, 7000)
    for i in range(length):
        second = 1.5 if i > length // 2 else 1
        envelope = math.sin(math.pi * i / length)
        samples[start + i] += 0.3 * envelope * math.sin(2 * math.pi * pitch * second * i / RATE)
    return samples


def write(path, samples):
    with wave.open(path, "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", round(32767 * max(-1, min(1, s)))) for s in samples))


def main():
    folder, n = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 24
    rng = random.Random(4)
    for word in [*WORDS, "_background_noise_"]:
        os.makedirs(os.path.join(folder, word), exist_ok=True)
        for i in range(n):
            write(os.path.join(folder, word, f"{i:03}.wav"), sound(rng, word if word in WORDS else None))


main()
