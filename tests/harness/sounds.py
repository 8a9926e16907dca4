# sounds.py: Helpers of the tests of sounds in tests/runtime: WAV files, nets, predictions.
# SPDX-License-Identifier: Apache-2.0
import os, struct
from folders import exits

PCM, FLOAT = 1, 3


def coded(value, bits, tag):
    if tag == FLOAT:
        return struct.pack("<f" if bits == 32 else "<d", value)
    if bits == 8:
        return bytes([max(0, min(255, round(value * 128) + 128))])
    top = 1 << (bits - 1)
    return max(-top, min(top - 1, round(value * top))).to_bytes(bits // 8, "little", signed=True)


def wav(path, frames, rate, bits=16, tag=PCM):
    """frames: a list of tuples, one number per channel. A chunk of odd size precedes the samples."""
    channels = len(frames[0])
    body = b"".join(coded(value, bits, tag) for frame in frames for value in frame)
    size = channels * bits // 8
    form = struct.pack("<IHHIIHH", 16, tag, channels, rate, rate * size, size, bits)
    rest = b"WAVELIST" + struct.pack("<I", 3) + b"abc\0fmt " + form + b"data"
    rest += struct.pack("<I", len(body)) + body
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(b"RIFF" + struct.pack("<I", len(rest)) + rest)


def net(name, text):
    with open(name + ".cnn", "w") as file:
        file.write(text)
    exits(0, f"{name} is built", os.environ["CNNC"], name + ".cnn", "-O1", "-o", name)


def numbers(path):
    """The floats of an .npy file."""
    with open(path, "rb") as file:
        content = file.read()
    start = 10 + struct.unpack("<H", content[8:10])[0]
    return struct.unpack(f"<{(len(content) - start) // 4}f", content[start:])
