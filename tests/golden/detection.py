#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes detection.inc and detection_losses.inc: results of torchvision's box coder, suppression, region
proposals and losses for random numbers, in double. tests/unit/detection.c compares eval with them.

    python3 detection.py      (needs torch and torchvision)
"""
import contextlib
import os
import types
import torch
import torchvision
import objects
from objects import anchors, cells, detection_loss, masks_loss, rpn_loss
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.ops import batched_nms, box_iou, clip_boxes_to_image

torch.manual_seed(1)
torch.set_default_dtype(torch.float64)


def numbers(values):
    return "(const double[]){%s}" % (", ".join("%.10g" % v for v in values.detach().flatten()) or "0")


def case(layers, inputs, output):
    """inputs: the net's inputs in its memory layout; the last of them is the current value, the others are
    $0, $1, ..."""
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
        found = objects.proposed(objectness, deltas.reshape(-1, 4), anchors(height, width, sides, stride),
                                 (height * stride, width * stride), before, most, iou)
        missing = torch.zeros(most - len(found), 4)
        case("avgpool kernel=2 -> @0 -> slice channels=2..10 -> @1 -> <0 -> slice channels=0..2 -> "
             "proposals deltas=$1 anchors=[3x4,8x5] stride=2 before=%d max=%d iou=%g" % (
                 before, most, iou), [picture], torch.cat([found, missing]))


def shape_of(x):
    """In a shape of four dimensions, the first one is the number of regions."""
    size, regions = list(x.shape), 0
    if len(size) == 4:
        regions, size = size[0], size[1:]
    return "{%d, {%s}, %d}" % (len(size), ", ".join(map(str, size)), regions)


def loss_case(name, arguments, values, labels, truth, total, trained=2, instance=None):
    """Prints a case, with the gradients of `total` with respect to the first `trained` values."""
    by = torch.autograd.grad(total, values[:trained])
    print('{"%s", "%s",' % (name, arguments))
    print("  %d, {%s}," % (len(values), ", ".join(map(shape_of, values))))
    print("  {%s}," % ",\n   ".join(numbers(x) for x in values))
    print("  %d, %s, %s, %.12g," % (len(labels), numbers(labels), numbers(truth), float(total.detach())))
    print("  {%s}%s}," % (",\n   ".join(numbers(x) for x in by),
                          ",\n  %s" % ("NULL" if instance is None else numbers(instance))))


def multibox_case(count, overlap, negatives):
    """negatives: the number of negatives per positive that the loss uses. None: the largest number with which
    some negatives are not used."""
    made = cells(4, 4, [6, 11], [1, 2, 0.5], 6)
    scores = (torch.randn(len(made), 4) * 2).round(decimals=4).requires_grad_()
    deltas = torch.randn(len(made), 4).round(decimals=4).requires_grad_()
    truth, labels = boxes(count, 16).round(decimals=3), torch.randint(0, 3, [count])
    matched = SSDMatcher(overlap)(box_iou(truth, made)) if count else torch.full([len(made)], -1)
    if negatives is None:
        positives = int((matched >= 0).sum())
        negatives, left = divmod(len(made) - positives, positives)
        assert left > 0
    detector = types.SimpleNamespace(box_coder=BoxCoder((10., 10., 5., 5.)), neg_to_pos_ratio=negatives)
    made_losses = SSD.compute_loss(detector, [{"boxes": truth, "labels": labels + 1}], {
        "bbox_regression": deltas[None], "cls_logits": scores[None]}, [made], [matched])
    loss_case("multibox", "overlap=%g negatives=%d" % (overlap, negatives), [scores, deltas, made],
              labels, truth, sum(made_losses.values()))


def multibox():
    for count, overlap, negatives in [(3, 0.5, 3), (5, 0.3, 1), (0, 0.5, 3), (4, 0.5, 9)]:
        multibox_case(count, overlap, negatives)


def multibox_almost_all():
    multibox_case(7, 0.3, None)


def rpn():
    height, width, stride, sides = 6, 7, 4, [(6, 8), (12, 7)]
    size = (height * stride, width * stride)
    for count, high, low, sample in [(3, 0.7, 0.3, 200), (6, 0.5, 0.4, 100), (1, 0.9, 0.1, 84)]:
        scores = (torch.randn(height, width, 2) * 2).round(decimals=4).requires_grad_()
        deltas = torch.randn(height, width, 8).round(decimals=4).requires_grad_()
        truth, labels = boxes(count, 18).round(decimals=3), torch.randint(0, 3, [count])
        total = rpn_loss(scores, deltas, anchors(height, width, sides, stride), size, truth, high, low,
                         sample)
        loss_case("rpn", "high=%g low=%g sample=%d positives=1" % (high, low, sample), [scores, deltas],
                  labels, truth, total)


def head():
    for rows, count, overlap, each in [(8, 3, 0.5, True), (12, 5, 0.3, False), (5, 0, 0.5, True)]:
        regions, truth = boxes(rows, 20).round(decimals=3), boxes(count, 20).round(decimals=3)
        regions[:count] = truth + (torch.rand(count, 4) - 0.5).round(decimals=2)  # near ground-truth boxes
        labels, classes = torch.randint(0, 3, [count]), 4
        scores = (torch.randn(rows, classes) * 2).round(decimals=4).requires_grad_()
        deltas = torch.randn(rows, 4 * classes if each else 4).round(decimals=4).requires_grad_()
        total = detection_loss(scores, deltas, regions, truth, labels, overlap)
        loss_case("detection", "overlap=%g" % overlap, [scores, deltas, regions], labels, truth, total)


def outlines():
    height, width, side, classes = 24, 28, 4, 3
    for rows, count, overlap in [(6, 3, 0.5), (9, 4, 0.2), (3, 0, 0.5)]:
        regions, truth = boxes(rows, 20).round(decimals=3), boxes(count, 20).round(decimals=3)
        regions[:count] = truth + (torch.rand(count, 4) - 0.5).round(decimals=2)
        labels = torch.randint(0, classes, [count])
        instance = torch.zeros(height, width)
        for k, box in enumerate(truth):
            x1, y1, x2, y2 = box.round().long()
            instance[y1:y2 + 1, x1:x2] = k + 1
        scores = (torch.randn(rows, side, side, classes) * 2).round(decimals=4).requires_grad_()
        loss_case("masks", "overlap=%g" % overlap, [scores, regions], labels, truth,
                  masks_loss(scores, regions, truth, labels, instance, overlap), 1, instance)


version = torchvision.__version__.split("+")[0]
here = os.path.dirname(os.path.abspath(__file__))
parts = {"detection": (decoded, default_boxes, suppressed, proposed),
         "detection_losses": (multibox, rpn, head, outlines, multibox_almost_all)}
for name, cases in parts.items():
    with open(os.path.join(here, name + ".inc"), "w") as out, contextlib.redirect_stdout(out):
        print("/* %s.inc: made by detection.py with torchvision %s. */" % (name, version))
        print("// SPDX-License-Identifier: Apache-2.0")
        for make in cases:
            make()
