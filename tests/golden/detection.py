#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes detection.inc: what torchvision's box coder, suppression and region proposals make of drawn numbers,
in double: tests/unit/detection.c holds them against eval.

    python3 detection.py > detection.inc      (needs torch and torchvision)
"""
import torch
import torchvision
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import batched_nms, clip_boxes_to_image

torch.manual_seed(1)
torch.set_default_dtype(torch.float64)


def numbers(values):
    return "(const double[]){%s}" % ", ".join("%.10g" % v for v in values.flatten())


def case(layers, inputs, output):
    """inputs: of the net, as its values lie in memory; the last of them is the current value, $0, $1, ... are
    the others."""
    print('{"%s",' % layers)
    print("  %d, {%s}," % (len(inputs), ", ".join("{%d, {%s}}" % (
        x.dim(), ", ".join(map(str, x.shape))) for x in inputs)))
    print("  {%s}," % ",\n   ".join(numbers(x) for x in inputs))
    print("  %d, %s}," % (output.numel(), numbers(output)))


def boxes(n, side):
    corner = torch.rand(n, 2) * side
    return torch.cat([corner, corner + torch.rand(n, 2) * side / 2 + 0.5], 1)


def decoded():
    b = boxes(9, 60)
    for classes, weights in [(1, (10., 10., 5., 5.)), (3, (10., 10., 5., 5.)), (5, (1., 2., 0.5, 0.25))]:
        deltas = torch.randn(9, 4 * classes) * 8
        made = BoxCoder(weights).decode_single(deltas, b).clamp(min=0)
        text = "" if weights[0] == 10 else " weights=[1,2,0.5,0.25]"
        case("decode deltas=$0" + text, [deltas, b], made)


def cells(height, width, sizes, ratios, stride):
    """Boxes by cell, size, ratio."""
    y = (torch.arange(height).double() + 0.5).mul(stride).reshape(-1, 1, 1, 1)
    x = (torch.arange(width).double() + 0.5).mul(stride).reshape(1, -1, 1, 1)
    sizes, roots = torch.tensor(sizes).double().reshape(-1, 1), torch.tensor(ratios).double().sqrt().reshape(
        1, -1)
    w, h = (sizes * roots)[None, None], (sizes / roots)[None, None]
    zero = torch.zeros(height, width, *w.shape[2:])
    return torch.stack([zero + v for v in (x - w / 2, y - h / 2, x + w / 2, y + h / 2)], -1).reshape(-1, 4)


def default_boxes():
    picture = torch.zeros(3, 4, 1)
    made = cells(3, 4, [2, 3.5], [1, 0.5, 3], 1)
    case("default_boxes sizes=[2,3.5] ratios=[1,0.5,3] stride=1", [picture], made)
    deltas = torch.randn(72, 8)
    moved = BoxCoder((10., 10., 5., 5.)).decode_single(deltas, made)
    case("default_boxes sizes=[2,3.5] ratios=[1,0.5,3] stride=1 -> decode deltas=$0", [deltas, picture],
         clip_boxes_to_image(moved.reshape(-1, 4), (3, 4)))


def suppressed():
    b, scores = boxes(20, 30), torch.rand(20, 3)
    each = boxes(60, 30).reshape(20, 12)
    for of in (b, each):
        rows = of.reshape(20, -1, 4).expand(20, 3, 4).reshape(-1, 4)
        flat, labels = scores.flatten(), torch.arange(3).repeat(20)
        kept = (flat >= 0.3).nonzero()[:, 0]
        kept = kept[batched_nms(rows[kept], flat[kept], labels[kept], 0.3)][:25]
        found = torch.cat([rows[kept], flat[kept, None], labels[kept, None]], 1)
        missing = torch.tensor([[0., 0, 0, 0, 0, -1]]).expand(25 - len(found), 6)
        case("nms scores=$0 iou=0.3 score=0.3 max=25", [scores, of], torch.cat([found, missing]))


def proposed():
    height, width, stride, sides = 6, 7, 2, [(3, 4), (8, 5)]
    for before, most, iou in [(40, 12, 0.5), (90, 90, 0.7), (7, 9, 0.3)]:
        picture = torch.randn(height * stride, width * stride, 5 * len(sides)).mul(2).round(decimals=4)
        features = picture.reshape(height, stride, width, stride, -1).mean((1, 3))
        objectness, deltas = features[..., :len(sides)], features[..., len(sides):]
        anchors = torch.stack([cells(height, width, [1], [1], stride)] * len(sides), 1)
        centre = (anchors[..., :2] + anchors[..., 2:]) / 2
        half = torch.tensor(sides).double() / 2
        anchors = torch.cat([centre - half, centre + half], -1).reshape(-1, 4)
        moved = BoxCoder((1., 1., 1., 1.)).decode_single(deltas.reshape(-1, 4), anchors)
        network = RegionProposalNetwork(None, None, 0.7, 0.3, 256, 0.5, dict(training=before, testing=before),
                                        dict(training=most, testing=most), iou).eval()
        found, _ = network.filter_proposals(moved[None], objectness.reshape(1, -1),
                                            [(height * stride, width * stride)], [len(moved)])
        missing = torch.zeros(most - len(found[0]), 4)
        case("avgpool kernel=2 -> @0 -> slice channels=2..10 -> @1 -> <0 -> slice channels=0..2 -> "
             "proposals deltas=$1 anchors=[3x4,8x5] stride=2 before=%d max=%d iou=%g" % (
                 before, most, iou), [picture], torch.cat([found[0], missing]))


version = torchvision.__version__.split("+")[0]
print("/* detection.inc: made by detection.py with torchvision %s. */" % version)
print("// SPDX-License-Identifier: Apache-2.0")
decoded()
default_boxes()
suppressed()
proposed()
