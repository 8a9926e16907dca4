# steps.py: writes steps.txt: PyTorch's loss and gradients in the first training step of the nets in nets/
# that segment images or detect objects, in double. Needs torch, torchvision and numpy.
# SPDX-License-Identifier: Apache-2.0
#
# Weights, images and pixel classes come from the runtime's counter-based random numbers, as in nets.py; the
# objects are in steps.txt. If rounding decided between two choices, such as two nearly equal scores,
# gradients could not be compared. Therefore all gradients must stay nearly the same when the weights change
# slightly.
import os
import types
import numpy
import torch
import torch.nn.functional as F
from torchvision.models.detection.ssd import SSD
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.ops import box_iou, roi_align
from nets import Net, uniform, write
from objects import anchors, cells, detection_loss, masks_loss, proposed, rpn_loss, yolo_loss

torch.set_default_dtype(torch.float64)
SIDE, THINGS, SAMPLE = 64, 3, 48


class Picture:
    """The objects of an image: classes, boxes, and for each pixel the number of its object."""

    def __init__(self, labels, boxes):
        self.labels = torch.tensor(labels, dtype=torch.int64)
        self.boxes = torch.tensor(boxes).reshape(-1, 4)
        self.instance = torch.zeros(SIDE, SIDE)
        at = torch.arange(SIDE) + 0.5
        for k, (x1, y1, x2, y2) in enumerate(boxes):  # the box without its lower right quarter
            inside = ((at >= y1) & (at < y2))[:, None] & (at >= x1) & (at < x2)
            missing = (2 * at >= y1 + y2)[:, None] & (2 * at >= x1 + x2)
            self.instance[inside & ~missing] = k + 1


PICTURES = [  # images 1 and 3: objects near the nets' proposals, some covering others; image 2: no objects
    Picture([0, 2, 1, 2, 1], [[12.375, 0.5, 62.125, 28], [0.5, 26.5, 33.625, 58.25],
                              [28, 54.875, 41.125, 63.5], [24.375, 26, 63.5, 49.75],
                              [2.5, 22.625, 21.5, 42.75]]),
    Picture([], []),
    Picture([1, 0, 1, 2], [[0.5, 0.5, 61.875, 31.875], [34.25, 6.125, 62.125, 26.5],
                           [23.125, 15.875, 45.25, 32.625], [11.625, 43.25, 28.875, 57.75]]),
]


# ---- layers ----
def grown(net, name, x, filters):
    return F.conv_transpose2d(x, net.take(name + ".weight", (x.shape[1], filters, 2, 2)),
                              net.take(name + ".bias", (filters,)), 2)


def stage(net, name, x, filters, kernel=3, act=F.relu):
    return act(net.norm(name + ".batchnorm1", net.conv(name + ".conv1", x, filters, kernel, pad=kernel // 2,
                                                       bias=False)))


def leaky(x):
    return F.leaky_relu(x, 0.1)


def half(x):
    return F.max_pool2d(x, 2)


def rows(x, columns):
    """The values of a head as [image][row and column of cells][values of a cell]."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1, columns)


# ---- nets ----
def double(net, name, x, filters):
    x = F.relu(net.conv(name + ".conv1", x, filters, 3, pad=1))
    return F.relu(net.conv(name + ".conv2", x, filters, 3, pad=1))


def unet(net, x):
    width, seen = 4, []
    for i, name in enumerate(("d1", "d2", "d3", "d4", "double5")):
        x = double(net, name, half(x) if i else x, width << i)
        seen.append(x)
    for i in range(1, 5):
        x = torch.cat([grown(net, "up%d.conv_transpose1" % i, x, width << 4 - i), seen[4 - i]], 1)
        x = double(net, "up%d.double1" % i, x, width << 4 - i)
    x = net.conv("mask", x, 4, 1)
    label = torch.tensor(numpy.floor(uniform(13, 0, x.numel() // 4).astype(numpy.float32) * 4))
    return F.cross_entropy(x, label.long().reshape(len(x), *x.shape[2:]))


def yolo(net, x):
    def head(name, x, sides):
        x = net.conv(name + ".conv1", stage(net, name + ".stage1", x, 16, act=leaky), 3 * (5 + THINGS), 1)
        return x.permute(0, 2, 3, 1).reshape(len(x), *x.shape[2:], 3, 5 + THINGS), sides

    for i, filters in enumerate((4, 6, 8)):
        x = half(stage(net, "stage%d" % (i + 1), x, filters, act=leaky))
    fine = stage(net, "fine", x, 12, act=leaky)
    deep = stage(net, "deep.stage1", half(fine), 16, act=leaky)
    deep = stage(net, "deep", deep, 12, 1, leaky)
    large = head("large", deep, [[24, 24], [30, 40], [48, 32]])
    up = F.interpolate(stage(net, "up", deep, 8, 1, leaky), scale_factor=2)
    small = head("small", torch.cat([up, fine], 1), [[8, 8], [12, 18], [18, 12]])
    total = 0
    for i, picture in enumerate(PICTURES):
        heads = [(t[i], sides) for t, sides in (large, small)]
        truths = list(zip(picture.labels.tolist(), picture.boxes.tolist()))
        total = total + sum(yolo_loss(k, heads, truths, 0.5, (SIDE, SIDE)) for k in range(2))
    return total / len(PICTURES)


def ssd(net, x):
    x = half(stage(net, "stage1", x, 4))
    x = half(stage(net, "stage3", stage(net, "stage2", x, 6), 6))
    x = half(stage(net, "stage4", x, 8))
    fine = stage(net, "fine.stage2", stage(net, "fine.stage1", x, 12), 12)
    middle = stage(net, "middle", half(fine), 12)
    coarse = stage(net, "coarse", half(middle), 16)
    scores, deltas, made = [], [], []
    for name, x, stride, sizes in (("a", fine, 8, [8, 12]), ("b", middle, 16, [16, 24]),
                                   ("c", coarse, 32, [32, 44])):
        scores.append(rows(net.conv(name + ".scores", x, 6 * (1 + THINGS), 3, pad=1), 1 + THINGS))
        deltas.append(rows(net.conv(name + ".deltas", x, 6 * 4, 3, pad=1), 4))
        made.append(cells(*x.shape[2:], sizes, [1, 2, 0.5], stride))
    scores, deltas, made = torch.cat(scores, 1), torch.cat(deltas, 1), torch.cat(made)
    detector = types.SimpleNamespace(box_coder=BoxCoder((10., 10., 5., 5.)), neg_to_pos_ratio=3)
    total = 0
    for i, picture in enumerate(PICTURES):
        matched = SSDMatcher(0.5)(box_iou(picture.boxes, made)) if len(picture.labels) else torch.full(
            [len(made)], -1)
        losses = SSD.compute_loss(detector, [{"boxes": picture.boxes, "labels": picture.labels + 1}], {
            "bbox_regression": deltas[i:i + 1], "cls_logits": scores[i:i + 1]}, [made], [matched])
        total = total + sum(losses.values())
    return total / len(PICTURES)


def rcnn(net, x, masks):
    x = half(stage(net, "seen.stage1", x, 4))
    fine = stage(net, "seen.fine.stage2", stage(net, "seen.fine.stage1", x, 6), 6)
    x = half(stage(net, "seen.stage3", stage(net, "seen.stage2", half(fine), 8), 8))
    x = stage(net, "seen.features.stage2", stage(net, "seen.features.stage1", x, 12), 12)
    shared = F.relu(net.conv("regions.shared", x, 16, 3, pad=1))
    objects = rows(net.conv("regions.objects", shared, 4, 1), 1)
    moves = rows(net.conv("regions.moves", shared, 16, 1), 4)
    made = anchors(*x.shape[2:], [(10, 10), (14, 20), (20, 14), (32, 32)], 8)
    regions, total = [], 0
    for i, picture in enumerate(PICTURES):  # the sample contains all regions, in any order
        total = total + rpn_loss(objects[i], moves[i], made, (SIDE, SIDE), picture.boxes, 0.7, 0.3, 256)
        found = proposed(objects[i].detach(), moves[i].detach(), made, (SIDE, SIDE), 150, 40, 0.7)
        found = torch.cat([picture.boxes, found])
        regions.append(torch.cat([found, torch.zeros(SAMPLE - len(found), 4)]))
    hidden = roi_align(x, regions, 5, 1 / 8, 2, True).permute(0, 2, 3, 1).flatten(1)
    hidden = F.relu(net.dense("judged.hidden", hidden, 24))
    scores = net.dense("judged.scores", hidden, 1 + THINGS).split(SAMPLE)
    deltas = net.dense("judged.deltas", hidden, 4 * (1 + THINGS)).split(SAMPLE)
    for i, picture in enumerate(PICTURES):
        total = total + detection_loss(scores[i], deltas[i], regions[i], picture.boxes, picture.labels, 0.5)
    if masks:
        y = roi_align(fine, regions, 6, 1 / 2, 2, True)
        y = F.relu(net.conv("outlines.conv1", y, 6, 3, pad=1))
        y = F.relu(net.conv("outlines.conv2", y, 6, 3, pad=1))
        y = net.conv("outlines.conv3", F.relu(grown(net, "outlines.conv_transpose1", y, 6)), THINGS, 1)
        for i, (picture, mask) in enumerate(zip(PICTURES, y.permute(0, 2, 3, 1).split(SAMPLE))):
            total = total + masks_loss(mask, regions[i], picture.boxes, picture.labels, picture.instance, 0.5)
    return total / len(PICTURES)


# name: net, side of the images, number of images, mean and deviation of `normalize`
CASES = {
    "unet": (unet, 32, 2, 0.5, 0.02),
    "yolo": (yolo, SIDE, 3, 0.5, 0.25),
    "ssd": (ssd, SIDE, 3, 0.5, 0.25),
    "faster_rcnn": (lambda net, x: rcnn(net, x, False), SIDE, 3, 0.5, 0.25),
    "mask_rcnn": (lambda net, x: rcnn(net, x, True), SIDE, 3, 0.5, 0.25),
}


class Shaken(Net):
    """A net with slightly changed weights."""

    def take(self, name, shape):
        if name not in self.weight:
            with torch.no_grad():
                super().take(name, shape).mul_(1 + 5e-7 * torch.randn(shape))
        return self.weight[name]


def step(net, case):
    """Returns the loss and the gradients, and updates the running statistics."""
    network, side, pictures, mean, deviation = CASES[case]
    x = torch.tensor(numpy.floor(uniform(12, 0, pictures * side * side * 3) * 256))
    x = (x.reshape(pictures, side, side, 3).permute(0, 3, 1, 2) / 255 - mean) / deviation
    loss = network(net, x)
    loss.backward()
    return float(loss.detach()), {name: w.grad for name, w in net.weight.items() if w.requires_grad}


def check(case, loss, gradients):
    for _ in range(8):
        other_loss, others = step(Shaken(), case)
        assert abs(other_loss - loss) < 1e-5 * loss, (case, loss, other_loss)
        for name, other in others.items():
            error = float((other - gradients[name]).abs().max() / gradients[name].abs().max())
            assert error < 1e-4, (case, name, error)


def make(folder):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    with open(os.path.join(folder, "steps.txt"), "w", newline="\n") as out:
        for case in CASES:
            net = Net()
            loss, gradients = step(net, case)
            check(case, loss, gradients)
            out.write("case %s\n" % case)
            for i, picture in enumerate(PICTURES if case != "unet" else []):
                for label, box in zip(picture.labels, picture.boxes):
                    out.write("object %d %d %s\n" % (i, label, " ".join("%g" % x for x in box)))
            out.write("step 1 %.9g\n" % loss)
            write(out, gradients, "gradient")
            write(out, {name: w for name, w in net.weight.items() if "running" in name})


if __name__ == "__main__":
    make(os.path.dirname(os.path.abspath(__file__)))
