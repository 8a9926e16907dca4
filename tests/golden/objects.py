# objects.py: anchors, proposals and detection losses, with torchvision's functions where they exist. Golden
# values of single operators (detection.py, yolo.py) and of nets (steps.py) are computed with these functions.
# SPDX-License-Identifier: Apache-2.0
import torch
import torch.nn.functional as F
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.models.detection._utils import BoxCoder
from torchvision.ops import box_iou


def cells(height, width, sizes, ratios, stride):
    """Boxes in the order [cell][size][ratio]."""
    y = (torch.arange(height).double() + 0.5).mul(stride).reshape(-1, 1, 1, 1)
    x = (torch.arange(width).double() + 0.5).mul(stride).reshape(1, -1, 1, 1)
    sizes, roots = torch.tensor(sizes).double().reshape(-1, 1), torch.tensor(ratios).double().sqrt().reshape(
        1, -1)
    w, h = (sizes * roots)[None, None], (sizes / roots)[None, None]
    zero = torch.zeros(height, width, *w.shape[2:])
    return torch.stack([zero + v for v in (x - w / 2, y - h / 2, x + w / 2, y + h / 2)], -1).reshape(-1, 4)


def anchors(height, width, sides, stride):
    """Boxes in the order [cell][side], where a side is (width, height), around the center of each cell."""
    whole = torch.stack([cells(height, width, [1], [1], stride)] * len(sides), 1)
    centre, half = (whole[..., :2] + whole[..., 2:]) / 2, torch.tensor(sides).double() / 2
    return torch.cat([centre - half, centre + half], -1).reshape(-1, 4)


def proposed(objectness, deltas, boxes, size, before, most, iou):
    """The proposals, at most `most`, for an image of `size` (height, width)."""
    moved = BoxCoder((1., 1., 1., 1.)).decode_single(deltas, boxes)
    network = RegionProposalNetwork(None, None, 0.7, 0.3, 256, 0.5, dict(training=before, testing=before),
                                    dict(training=most, testing=most), iou).eval()
    return network.filter_proposals(moved[None], objectness.reshape(1, -1), [size], [len(moved)])[0][0]


def rpn_loss(scores, deltas, boxes, size, truth, high, low, sample):
    """The loss rpn. `sample` must be at least the number of eligible anchors: then no anchors are drawn at
    random."""
    inside = ((boxes[:, :2] >= 0).all(1) & (boxes[:, 2] <= size[1]) &
              (boxes[:, 3] <= size[0])).nonzero()[:, 0]
    network = RegionProposalNetwork(None, None, high, low, 1000, 1.0, {}, {}, 0.5)
    found, matched = network.assign_targets_to_anchors([boxes[inside]], [{"boxes": truth}])
    found = [found[0].to(scores)]
    wanted = BoxCoder((1., 1., 1., 1.)).encode_single(matched[0], boxes[inside])
    parts = network.compute_loss(scores.reshape(-1)[inside], deltas.reshape(-1, 4)[inside], found, [wanted])
    return sum(parts) * int((found[0] >= 0).sum()) / sample


def best_truths(regions, truth, overlap):
    """For each region, the ground-truth box with the largest overlap; -1 if no overlap reaches `overlap`."""
    if not len(truth):
        return torch.full([len(regions)], -1)
    most, best = box_iou(regions, truth).max(1)
    return torch.where(most >= overlap, best, -1)


def detection_loss(scores, deltas, regions, truth, labels, overlap):
    """Cross-entropy of all regions and smooth L1 of regions with an object, divided by the number of
    regions."""
    best = best_truths(regions, truth, overlap)
    wanted = torch.tensor([0 if b < 0 else int(labels[b]) + 1 for b in best])
    total = F.cross_entropy(scores, wanted) + 0 * deltas.sum()
    for row in (best >= 0).nonzero()[:, 0]:
        target = BoxCoder((10., 10., 5., 5.)).encode_single(truth[best[row]][None], regions[row][None])[0]
        first = 4 * int(wanted[row]) if deltas.shape[1] > 4 else 0
        total = total + F.smooth_l1_loss(deltas[row, first:first + 4], target, beta=1.0,
                                         reduction="sum") / len(regions)
    return total


def masks_loss(scores, regions, truth, labels, instance, overlap):
    """Binary cross-entropy of masks. A target mask is sampled with grid_sample at the centers of the region's
    cells, and thresholded at 1/2."""
    height, width = instance.shape
    side = scores.shape[1]
    total, matched = (scores * 0).sum(), 0
    for row, best in enumerate(best_truths(regions, truth, overlap)):
        if best < 0:
            continue
        matched += 1
        step = (torch.arange(side) + 0.5) / side
        x = regions[row, 0] + step * (regions[row, 2] - regions[row, 0])
        y = regions[row, 1] + step * (regions[row, 3] - regions[row, 1])
        grid = torch.stack([(2 * x / width - 1).expand(side, side),
                            (2 * y / height - 1)[:, None].expand(side, side)], -1)
        inside = F.grid_sample((instance == best + 1).to(scores)[None, None], grid[None],
                               padding_mode="border", align_corners=False)[0, 0]
        total = total + F.binary_cross_entropy_with_logits(scores[row, :, :, labels[best]],
                                                           (inside >= 0.5).to(scores))
    return total / max(matched, 1)


def box_overlap(a, b):
    shared = (torch.minimum(a[2:], b[2:]) - torch.maximum(a[:2], b[:2])).clamp(min=0).prod()
    return shared / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared)


def yolo_boxes(t, anchors, picture):
    """Boxes (x1, y1, x2, y2) of the head's values t: H x W x A x (5 + classes)."""
    h, w = t.shape[:2]
    column, row = torch.arange(w).reshape(1, w, 1), torch.arange(h).reshape(h, 1, 1)
    x = (torch.sigmoid(t[..., 0]) + column) * (picture[1] / w)
    y = (torch.sigmoid(t[..., 1]) + row) * (picture[0] / h)
    size = torch.exp(t[..., 2:4]) * torch.tensor(anchors)
    return torch.stack([x - size[..., 0] / 2, y - size[..., 1] / 2, x + size[..., 0] / 2,
                        y + size[..., 1] / 2], -1)


def shape_overlap(size, anchor):
    shared = min(size[0], anchor[0]) * min(size[1], anchor[1])
    return shared / (size[0] * size[1] + anchor[0] * anchor[1] - shared)


def owners(truths, heads, picture, classes):
    """For each ground-truth box, the anchor that predicts it: (head, row of cells, column, anchor). None: the
    box is ignored."""
    found = []
    for label, box in truths:
        size = (box[2] - box[0], box[3] - box[1])
        if not 0 <= label < classes or min(size) <= 0:
            found.append(None)
            continue
        k, a = max(((k, a) for k, head in enumerate(heads) for a in range(len(head[1]))),
                   key=lambda at: shape_overlap(size, heads[at[0]][1][at[1]]))
        h, w = heads[k][0].shape[:2]
        x, y = (box[0] + box[2]) / 2 * w / picture[1], (box[1] + box[3]) / 2 * h / picture[0]
        found.append((k, min(max(int(y), 0), h - 1), min(max(int(x), 0), w - 1), a))
    return found


def yolo_loss(k, heads, truths, ignore, picture):
    t, anchors = heads[k]
    h, w, classes = t.shape[0], t.shape[1], t.shape[3] - 5
    own = owners(truths, heads, picture, classes)
    boxes = yolo_boxes(t, anchors, picture).detach()
    total = 0
    for place in ((y, x, a) for y in range(h) for x in range(w) for a in range(len(anchors))):
        of = [i for i, o in enumerate(own) if o == (k,) + place]
        if not of:
            near = [box_overlap(boxes[place], torch.tensor(box)) for label, box in truths
                    if 0 <= label < classes]
            if not any(float(n) > ignore for n in near):
                total = total + F.binary_cross_entropy_with_logits(t[place][4], torch.tensor(0.))
            continue
        box = truths[of[-1]][1]
        size = torch.tensor([box[2] - box[0], box[3] - box[1]])
        centre = torch.tensor([(box[0] + box[2]) / 2 * w / picture[1] - place[1],
                               (box[1] + box[3]) / 2 * h / picture[0] - place[0]])
        scale = 2 - float(size.prod()) / (picture[0] * picture[1])
        total = total + scale * ((torch.sigmoid(t[place][:2]) - centre) ** 2).sum()
        want = torch.log(size / torch.tensor(anchors[place[2]]))
        total = total + scale * ((t[place][2:4] - want) ** 2).sum()
        labels = torch.zeros(1 + classes)
        labels[[0] + [1 + truths[i][0] for i in of]] = 1
        total = total + F.binary_cross_entropy_with_logits(t[place][4:], labels, reduction="sum")
    return total
