"""errors.py: rounding errors of cnnc with bf16, and of OpenVINO with its default precision. The error of a
net is the largest difference from the outputs of cnnc's float code, relative to the largest output. Prints
the mean and the maximum of the errors over several draws of random weights. With --weights, prints the share
of Fashion-MNIST's test images that get the same class in float and in bf16 (top-1 agreement).
"""
# SPDX-License-Identifier: Apache-2.0
import gzip, os, sys
import numpy as np
import inference
from nets import NETS, OTHERS, find
from sides import ROOT, Ours

DRAWS = 8
FASHION = "/usr/share/datasets/fashion-mnist/t10k-images-idx3-ubyte.gz"


def draw(case, number):
    """Shuffles the weights of each array; draw 0 keeps the original weights."""
    random = np.random.default_rng(number)
    for weight in case.weights.values():
        if number and weight.ndim > 1:
            weight[...] = random.permutation(weight.ravel()).reshape(weight.shape)


def errors(options, net, number):
    """The errors with one draw of the weights: of cnnc in bf16, and of each peer."""
    case = inference.make_case(options, net, options.batch or 1)
    draw(case, number)
    sides = [Ours(options, case, 1), *(peer(options, case, 1) for peer in options.peers)]
    for side in sides:
        side.call()
    found = inference.errors_in_bf16(options, case, sides)
    sides[0].stop()
    return found


def print_errors(options):
    names = ["cnnc", *(peer.name for peer in options.peers)]
    columns = ["net", *(f"{name}, {what}" for name in names for what in ("mean", "largest"))]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|", flush=True)
    for net in options.nets or list(NETS):
        found = np.array([errors(options, net, number) for number in range(DRAWS)])
        cells = [f"{value:.1e}" for column in found.T for value in (column.mean(), column.max())]
        print("| " + " | ".join([net, *cells]) + " |", flush=True)


def print_agreement(options):
    sys.path.insert(0, os.path.join(ROOT, "python"))
    os.environ["CNNC"] = os.path.abspath(options.cnnc)
    import cnnc

    with gzip.open(FASHION) as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)
    for net in options.nets:
        with open(find(net), encoding="utf-8") as file:
            text = file.read()
        compiled = [cnnc.compile(text, weights=options.weights, precision=precision)
                    for precision in (None, "bf16")]
        classes = [np.argmax(np.asarray(compiled_net(images)), 1) for compiled_net in compiled]
        agree = np.mean(classes[0] == classes[1])
        print(f"{net}: the same class for {100 * agree:.2f} % of {len(images)} images")


def add_weights(parser):
    parser.add_argument("--weights", help="weights of the named net, trained with Fashion-MNIST")


def main():
    options = inference.read_options([*NETS, *OTHERS], "net", 0, peers="OpenVINO", add=add_weights)
    options.bf16 = True
    inference.print_machine(options, "bf16")
    if options.weights:
        print_agreement(options)
    else:
        print_errors(options)


if __name__ == "__main__":
    main()
