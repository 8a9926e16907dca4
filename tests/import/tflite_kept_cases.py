"""int8 TensorFlow Lite models whose layers keep state between calls. Used by tflite_kept.py and
golden/tflite_kept.py; with a folder as its argument, the script writes the models into this folder, as seeds
of the fuzz target."""
# SPDX-License-Identifier: Apache-2.0
import os
import random
import sys

from tflite_models import I8, I16, I32, NONE, RELU, Net, Tensor
from tflite_wide_cases import lstm

CALLS = 60


def whole(rng, n, most):
    return [rng.choice((-most, most)) if rng.random() < 0.05 else rng.randrange(-most, most + 1)
            for _ in range(n)]


class Case:
    """A model with one input and one output. kernels: the libraries of kernels that support it."""

    def __init__(self, name, x, kernels=("litert", "tflm")):
        self.name, self.x, self.net, self.kernels, self.outputs = name, x, Net(x), kernels, []

    def data(self):
        return self.net.write(*self.outputs)

    def calls(self):
        """The input of each call."""
        rng, n = random.Random(self.name), self.size(self.x)
        for k in range(CALLS):
            ends = {7: -128, 11: 127}
            yield [ends[k]] * n if k in ends else [rng.randrange(-128, 128) for _ in range(n)]

    @staticmethod
    def size(t):
        n = 1
        for d in t.shape:
            n *= d
        return n


def svdf(case, x, rng, units, memory, rank=1, state=I16, zero=0, room=1, y=(0.05, 0), activation=NONE,
         bias=True):
    """Adds an SVDF after x. LiteRT requires the activation RELU, but neither library's kernel applies it. The
    features use most of their range. With room=1, a few features exceed their range: then older kernels wrap
    around if the features are int8 with a zero point."""
    channels, features = x.shape[1], units * rank
    wide = state == I16
    w, most = 0.01, 511 if wide else 127
    own = room * x.scale[0] * w * 74 * 74 * channels**0.5 / (14000 if wide else 60)
    time = 0.002
    inputs = [x, Tensor([features, channels], I8, w, 0, data=whole(rng, features * channels, 127)),
              Tensor([features, memory], state, time, 0, data=whole(rng, features * memory, most)),
              Tensor([units], I32, own * time, 0, data=whole(rng, units, 1 << (18 if wide else 11)))
              if bias else None,
              Tensor([1, features * memory], state, own, zero, variable=True)]
    return case.net.add("SVDF", inputs, Tensor([1, units], I8, *y), f0=("i", rank), f1=("b", activation))


def svdf_cases():
    rng = random.Random(50)
    for title, channels, units, memory, changes, kernels in (
            ("of int16", 12, 9, 8, {"y": (0.8, 3)}, ("tflm",)),
            ("of rank 3, with RELU", 7, 6, 5, {"rank": 3, "y": (0.9, -128), "activation": RELU},
             ("litert", "tflm")),
            ("with RELU above the lowest byte", 7, 6, 5, {"y": (0.5, -100), "activation": RELU},
             ("litert", "tflm")),
            ("without biases", 5, 4, 10, {"bias": False, "y": (0.6, -20), "activation": RELU},
             ("litert",)),
            ("of one row", 9, 5, 1, {"y": (0.2, 0), "rank": 2, "activation": RELU},
             ("litert", "tflm")),
            ("of int8", 12, 9, 8, {"state": I8, "y": (0.5, 3)}, ("tflm",)),
            ("of int8 with a zero point", 10, 8, 6,
             {"state": I8, "zero": -9, "room": 3, "y": (0.9, -7), "rank": 2}, ("tflm",))):
        x = Tensor([1, channels], I8, 0.02, -5)
        case = Case(f"svdf {title}", x, kernels)
        case.outputs.append(svdf(case, x, rng, units, memory, **changes))
        yield case
    x = Tensor([1, 40], I8, 0.025, 0)
    case = Case("three svdfs and a dense layer", x)
    y = svdf(case, x, rng, 24, 10, 2, y=(0.7, -128), activation=RELU)
    y = svdf(case, y, rng, 16, 7, y=(8.0, -128), activation=RELU)
    y = svdf(case, y, rng, 6, 12, 1, y=(90.0, 4), activation=RELU)
    case.outputs.append(case.net.add(
        "FULLY_CONNECTED", [y, Tensor([5, 6], I8, 0.01, 0, data=whole(rng, 30, 127)),
                            Tensor([5], I32, 0.9, 0, data=whole(rng, 5, 3000))],
        Tensor([1, 5], I8, 60.0, 0), f0=("b", NONE)))
    yield case


def lstm_cases():
    rng = random.Random(51)
    for rows, channels, units, zero, y, cell, clip in (
            (5, 12, 17, 5, (0.0078125, 0), 2.0**-12, 10.0), (1, 5, 8, -128, (0.0071, -13), 2.0**-11, 0.0)):
        x = Tensor([1, rows, channels], I8, 0.013, zero)
        case = Case(f"lstm of {units} units, {rows} rows a call", x)
        case.outputs.append(lstm(case, x, rng, units, *y, cell, clip))
        yield case


def all_cases():
    yield from svdf_cases()
    yield from lstm_cases()


def main(folder):
    for number, case in enumerate(all_cases()):
        with open(os.path.join(folder, f"kept-{number}.tflite"), "wb") as file:
            file.write(case.data())


if __name__ == "__main__":
    main(sys.argv[1])
