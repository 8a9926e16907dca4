# metadata.py: writes the .safetensors files of this folder whose metadata or numbers are refused, for
# `input x: 2; dense(3)`, and with a variance for `input x: 4x4x1; conv(2, 3x3) -> batchnorm`.
# SPDX-License-Identifier: Apache-2.0
import json, os, struct

DENSE = {"dense1.weight": ("F32", [3, 2], [0.5] * 6), "dense1.bias": ("F32", [3], [0.0] * 3)}
NORM = {"conv1.weight": ("F32", [2, 1, 3, 3], [0.5] * 18), "conv1.bias": ("F32", [2], [0.0] * 2),
        "batchnorm1.weight": ("F32", [2], [1.0] * 2), "batchnorm1.bias": ("F32", [2], [0.0] * 2),
        "batchnorm1.running_mean": ("F32", [2], [-1.0] * 2)}


def write(name, tensors, classes=None):
    header, body = {"__metadata__": {"format": "pt", "net": "a"}}, b""
    if classes:
        header["__metadata__"]["classes"] = json.dumps(classes)
    for key, (kind, shape, values) in tensors.items():
        data = struct.pack(f"<{len(values)}{'f' if kind == 'F32' else 'i'}", *values)
        header[key] = {"dtype": kind, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


write("integers", {**DENSE, "dense1.weight": ("I32", [3, 2], [1056964608] * 6)})
write("names.more", DENSE, list("abcdefg"))
write("names.fewer", DENSE, ["a"])
write("names.twice", DENSE, ["a", "b", "a"])
write("variance", {**NORM, "batchnorm1.running_var": ("F32", [2], [1.0, -1e-3])})
