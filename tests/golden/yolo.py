#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints yolo.inc: results of nms after yolo, of panoptic, and of the loss yolo, computed by an independent
program with PyTorch's gradients. tests/unit/yolo.c compares eval with them.

    python3 yolo.py > yolo.inc          (needs torch and torchvision; yolo.inc is committed)
"""
import torch
import torch.nn.functional as F
from objects import box_overlap, yolo_loss

torch.manual_seed(4)
torch.set_default_dtype(torch.float64)


def numbers(name, values):
    print("  .%s = (const double[]){%s}," % (name, ", ".join("%.10g" % v for v in values) or "0"))


def rounded(t, to=64):
    """Rounds to multiples of 1/`to`, which are floats, so that both sides compute with the same values."""
    return torch.round(t * to) / to


def detections(t, anchors, picture, iou, score, most):
    """The result of nms after yolo. t: H x W x A x (5 + classes), decoded as in Darknet. Boxes are selected
    greedily, class by class."""
    h, w = t.shape[:2]
    column, row = torch.arange(w).reshape(1, w, 1), torch.arange(h).reshape(h, 1, 1)
    centre = torch.stack([(torch.sigmoid(t[..., 0]) + column) * (picture[1] / w),
                          (torch.sigmoid(t[..., 1]) + row) * (picture[0] / h)], -1)
    size = torch.exp(t[..., 2:4]) * torch.tensor(anchors)
    boxes = torch.cat([centre - size / 2, centre + size / 2], -1).reshape(-1, 4)
    likely = (torch.sigmoid(t[..., 4:5]) * torch.sigmoid(t[..., 5:])).reshape(len(boxes), -1)
    found = []
    for label in range(likely.shape[1]):
        kept = []
        for i in sorted(range(len(boxes)), key=lambda i: -likely[i, label]):
            if likely[i, label] >= score and all(box_overlap(boxes[i], boxes[k]) <= iou for k in kept):
                kept.append(i)
        found += [(float(likely[i, label]), i, label) for i in kept]
    found.sort(key=lambda f: (-f[0], f[1], f[2]))
    rows = [boxes[i].tolist() + [s, label] for s, i, label in found[:most]]
    return rows + [[0, 0, 0, 0, 0, -1]] * (most - len(rows))


def head(h, w, step, anchors, classes, iou, score, most):
    t = rounded(torch.randn(h, w, len(anchors), 5 + classes) * 1.5)
    rows = detections(t, anchors, (h * step[0], w * step[1]), iou, score, most)
    print("{")
    print("  .h = %d, .w = %d, .picture_h = %d, .picture_w = %d, .classes = %d, .most = %d," % (
        h, w, h * step[0], w * step[1], classes, most))
    print('  .yolo = "classes=%d anchors=[%s]",' % (classes, ",".join("[%g,%g]" % tuple(a) for a in anchors)))
    print('  .nms = "iou=%g score=%g max=%d",' % (iou, score, most))
    numbers("input", t.flatten().tolist())
    numbers("want", [x for row in rows for x in row])
    print("},")


def painted(scores, boxes, masks, threshold, picture):
    """The result of panoptic; masks are sampled with grid_sample and zero padding."""
    h, w = scores.shape[:2]
    result = torch.zeros(h, w, 2)
    result[..., 0] = scores.argmax(-1)
    y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    for k in sorted(range(len(boxes)), key=lambda k: -boxes[k, 4]):
        x1, x2 = boxes[k, [0, 2]] * w / picture[1]
        y1, y2 = boxes[k, [1, 3]] * h / picture[0]
        if boxes[k, 5] < 0 or x1 >= x2 or y1 >= y2:
            continue
        at = torch.stack([2 * (x - x1) / (x2 - x1) - 1, 2 * (y - y1) / (y2 - y1) - 1], -1)
        mask = masks[k, :, :, int(boxes[k, 5])]
        mask = F.grid_sample(mask[None, None], at[None], align_corners=False)[0, 0]
        own = (mask > threshold) & (x >= x1) & (x < x2) & (y >= y1) & (y < y2)
        free = own & (result[..., 1] == 0)
        if 2 * free.sum() >= own.sum():
            result[free] = torch.tensor([float(int(boxes[k, 5])), k + 1.0])
    return result


def panoptic(h, w, classes, rows, size, things, threshold, picture):
    scores, masks = torch.randn(h, w, classes), torch.rand(rows, *size, things)
    corner = torch.rand(rows, 2) * torch.tensor(picture[::-1]) * 0.8 - 2
    boxes = torch.cat([corner, corner + torch.rand(rows, 2) * torch.tensor(picture[::-1]) * 0.7,
                       torch.rand(rows, 1), torch.randint(-1, things, (rows, 1))], 1)
    scores, masks, boxes = rounded(scores, 1024), rounded(masks, 1024), rounded(boxes, 128)
    result = painted(scores, boxes, masks, threshold, picture)
    print("{")
    print("  .h = %d, .w = %d, .classes = %d, .rows = %d, .height = %d, .width = %d, .things = %d," % (
        h, w, classes, rows, *size, things))
    print('  .picture_h = %d, .picture_w = %d, .panoptic = "threshold=%g",' % (*picture, threshold))
    numbers("scores", scores.flatten().tolist())
    numbers("boxes", boxes.flatten().tolist())
    numbers("masks", masks.flatten().tolist())
    numbers("want", result.flatten().tolist())
    print("},")


def loss(picture, shapes, classes, ignore, truths, most):
    """shapes: cells and anchors of each head."""
    heads = [(rounded(torch.randn(*cells, len(anchors), 5 + classes) * 0.7).requires_grad_(), anchors)
             for cells, anchors in shapes]
    for k, (t, anchors) in enumerate(heads):
        total = yolo_loss(k, heads, truths, ignore, picture)
        total.backward()
        print("{")
        print("  .picture_h = %d, .picture_w = %d, .classes = %d, .heads = %d, .head = %d, .most = %d," % (
            *picture, classes, len(heads), k, most))
        print("  .cells = {%s}," % ", ".join("{%d, %d}" % cells for cells, _ in shapes))
        print("  .yolo = {%s}, .ignore = %g," % (", ".join('"classes=%d anchors=[%s]"' % (
            classes, ",".join("[%g,%g]" % tuple(a) for a in anchors)) for _, anchors in shapes), ignore))
        print("  .count = %d, .total = %.12g," % (len(truths), float(total.detach())))
        numbers("label", [label for label, _ in truths])
        numbers("box", [x for _, box in truths for x in box])
        numbers("input", t.flatten().tolist())
        numbers("gradient", t.grad.flatten().tolist())
        print("},")


print("/* yolo.inc: made by yolo.py with PyTorch %s. */" % torch.__version__.split("+")[0])
print("// SPDX-License-Identifier: Apache-2.0")
print("#ifdef HEADS")
head(3, 4, (8, 8), [[10, 13], [16, 30], [33, 23]], 2, 0.3, 0.1, 12)
head(2, 2, (16, 8), [[4, 9]], 4, 0.6, 0.25, 20)
head(5, 3, (4, 4), [[6, 6], [9, 4]], 1, 0, 0.05, 8)
print("#endif")
print("#ifdef PAINTINGS")
panoptic(9, 12, 4, 6, (5, 5), 3, 0.4, (9, 12))
panoptic(12, 10, 3, 8, (4, 6), 2, 0.45, (24, 40))
panoptic(7, 7, 1, 5, (1, 1), 1, 0.3, (28, 28))
print("#endif")
print("#ifdef LOSSES")
truths = [(1, [3, 2, 9, 12]), (2, [1, 1, 14.5, 10]), (0, [3.5, 2.75, 9, 11.75]), (2, [20, 9, 26, 16]),
          (3, [8, 8, 12, 12]), (-1, [0, 0, 20, 16]), (1, [6, 6, 6, 9]), (0, [16, 0, 32, 15.5])]
loss((16, 24), [((2, 3), [[12, 8], [16, 14]]), ((4, 6), [[4, 5], [7, 3], [6, 10]])], 3, 0.3, truths, 9)
loss((16, 24), [((4, 6), [[5, 5], [10, 10]])], 3, 0.5, truths[:4], 4)
loss((8, 8), [((2, 2), [[3, 4]])], 1, 0.5, [], 2)
print("#endif")
