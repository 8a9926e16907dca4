# SPDX-License-Identifier: Apache-2.0
"""Test of an installed package cnnc with the installed cnnc, not of the source tree: compiles a net, trains
it, calls it, writes C and ONNX, and imports the ONNX model."""

import tempfile
from pathlib import Path

import cnnc
import numpy as np

PROGRAM = """
net corners {
    input image: 8x8x1 as u8
    normalize(scale=1/255)
    conv(4, 3x3, pad=same) -> relu
    maxpool(2)
    flatten
    dense(4) -> softmax
    train { loss = cross_entropy; optimizer = adam(rate=0.01); batch = 16 }
}
"""


def corners(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with one quarter brighter than the others, and the index of that quarter."""
    y = np.arange(n) % 4
    x = np.random.default_rng(1).integers(0, 100, (n, 8, 8, 1), np.uint8)
    for image, corner in zip(x, y):
        image[corner // 2 * 4 :, corner % 2 * 4 :][:4, :4] += 120
    return x, y


net = cnnc.compile(PROGRAM)
x, y = corners(400)
history = net.train(x, y, epochs=5)
right = float((net(x).argmax(1) == y).mean())
with tempfile.TemporaryDirectory() as folder:
    written = {file.name for file in net.export(Path(folder))}
    (model,) = net.export(Path(folder), kind="onnx")
    again = cnnc.from_onnx(model)
    difference = float(np.abs(again(x[:16]) - net(x[:16])).max())
print(f"{Path(cnnc.__file__).parent}: {history['val_accuracy'][-1]:.2f} after {len(history['loss'])} epochs")
assert right > 0.9, f"{right} of the corners are classified correctly"
assert written == {"corners.c", "corners.h"}, written
assert difference < 1e-5, f"{difference} between the net and its ONNX model"
