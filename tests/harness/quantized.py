"""Files of quantised nets, for tests: safetensors by struct alone."""
# SPDX-License-Identifier: Apache-2.0
import json
import struct

CODE = {"I8": "b", "I32": "i", "I64": "q", "F32": "f"}


def save(path, arrays, note=None):
    """arrays: name -> (type, shape, numbers); note: the metadata `cnnc.quantization`, an object or a text."""
    header, data = {}, b""
    if note is not None:
        text = note if isinstance(note, str) else json.dumps(note)
        header["__metadata__"] = {"cnnc.quantization": text}
    for name, (kind, shape, numbers) in arrays.items():
        packed = struct.pack(f"<{len(numbers)}{CODE[kind]}", *numbers)
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def stored(name, scale, zero):
    return {name + ".scale": ("F32", [1], [scale]), name + ".zero": ("I8", [1], [zero])}


def layer(name, shape, numbers, scales, bias):
    return {name + ".weight": ("I8", shape, numbers),
            name + ".weight.scale": ("F32", [len(scales)], scales),
            name + ".bias": ("I32", [len(bias)], bias)}


def note(rounding="single", **layers):
    return {"version": 1, "rounding": rounding, "layers": layers}
