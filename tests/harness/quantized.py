"""Weight files of int8 models, for tests: writes safetensors with struct."""
# SPDX-License-Identifier: Apache-2.0
import json
import math
import re
import struct

CODE = {"I8": "b", "I32": "i", "I64": "q", "F32": "f"}


def save(path, arrays, note=None):
    """arrays: name -> (type, shape, numbers). note: the metadata `cnnc.quantization`, as object or text."""
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


def chain(shape, layers):
    """The arrays of a net that is a chain of layers, with numbers that neither overflow nor all saturate.

    A layer is written as in the program: `conv(8, 3x3, pad=1)` or `a = dense(4)`. Its arguments may be sizes,
    stride=, pad= (same or one number) and groups=."""
    size, used = [int(n) for n in shape.split("x")], {}
    arrays = stored("x", 0.02, 3)
    for text in layers:
        named, kind, arguments = re.fullmatch(r"(?:(\w+) = )?(\w+)(?:\((.*)\))?", text).groups()
        used[kind] = used.get(kind, 0) + 1
        name, given = named or f"{kind}{used[kind]}", (arguments or "").split(", ")
        options = dict(word.split("=") for word in given if "=" in word)
        sizes = [word.split("x") for word in given if re.fullmatch(r"\d+x\d+", word)]
        window = [int(n) for n in sizes[0]] if sizes else [1, 1]
        stride, groups = int(options.get("stride", 1)), int(options.get("groups", 1))
        inputs = size[-1]
        if kind == "dense":
            form = [int(given[0]), math.prod(size)]
            size = form[:1]
        elif kind == "depthwise":
            form = [inputs, 1, *window]
        elif kind == "conv_transpose":
            form = [inputs, int(given[0]), *window]
        elif kind == "conv":
            form = [int(given[0]), inputs // groups, *window]
        else:
            arrays.update(stored(name, 0.05, -3) if kind == "add" else {})
            continue
        if kind != "dense":
            pad = options.get("pad", "0")
            for axis in range(2):
                over = 2 * int(pad) - window[axis] if pad != "same" else 0
                size[axis] = ((size[axis] - 1) * stride - over if kind == "conv_transpose"
                              else -(-size[axis] // stride) if pad == "same"
                              else (size[axis] + over) // stride + 1)
            size[2] = form[1] if kind == "conv_transpose" else form[0]
        filters = form[1] if kind == "conv_transpose" else form[0]
        terms = math.prod(form) // filters
        arrays.update(layer(name, form, [i * i * 7919 % 201 - 100 for i in range(math.prod(form))],
                            [0.5 / (58 * math.sqrt(terms))] * filters, [i % 7 - 3 for i in range(filters)]))
        arrays.update(stored(name, 0.02, 3))
    return arrays
