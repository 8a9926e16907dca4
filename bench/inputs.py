"""inputs.py: inputs for measurements, the same for cnnc and its peers: the numbers that a net usually gets,
which `contents` of `cnnc --emit=json` names. `bench` of an executable draws its inputs in the same way
(runtime/hosted/data/drawn.c)."""
# SPDX-License-Identifier: Apache-2.0
import numpy as np

TYPES = {"f32": np.float32, "u8": np.uint8, "i8": np.int8, "i16": np.int16, "i32": np.int32}


def normal(shape, seed=2):
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def sound(shape, rate):
    """A tone of 440 Hz in noise; shape: [..., length, channels]."""
    turns = np.arange(shape[-2], dtype=np.float64)[:, None] * 440 / rate
    return (0.25 * np.sin(2 * np.pi * turns) + 0.01 * normal(shape, 5)).astype(np.float32)


def draw(port, batch, seed=2):
    """A batch of an input: a row of the list `inputs` of the net's JSON, which in older builds of cnnc lacks
    `contents`."""
    shape, kind = [batch, *port["shape"]], TYPES[port["type"]]
    contents = port.get("contents", "bytes" if kind in (np.uint8, np.int8) else "normal")
    random = np.random.default_rng(seed)
    if contents == "indices":
        return random.integers(0, port["indices"], shape).astype(kind)
    if contents == "mask":
        return np.ones(shape, kind)
    if contents == "bytes":
        low = -128 if kind == np.int8 else 0
        return random.integers(low, low + 256, shape).astype(kind)
    x = sound(shape, port.get("rate", 16000)) if contents == "sound" else normal(shape, seed)
    return (x * (32768 if contents == "sound" else 4096)).clip(-32768, 32767).astype(kind) \
        if kind == np.int16 else x
