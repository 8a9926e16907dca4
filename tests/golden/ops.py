#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints ops.inc: PyTorch's results for small nets, forward and backward, in double. tests/unit/ops.c
compares eval with them.

    python3 ops.py > ops.inc          (needs torch and torchvision; ops.inc is committed, so the tests do
                                       not)
"""
import torch
import torch.nn.functional as F
import torchvision.ops

torch.manual_seed(1)
torch.set_default_dtype(torch.float64)
IMAGES = 3


def flat(t):
    """The numbers of an NCHW, NCL or NC tensor in the order of a net's memory: channels last."""
    t = t.detach()
    if t.dim() > 2:
        t = t.movedim(1, -1)
    return [float(v) for v in t.flatten()]


def numbers(name, values):
    text = ", ".join("%.10g" % v if v == v else "NAN" for v in values) or "0"
    print("  .%s = (const double[]){%s}," % (name, text))


def case(shape, layers, net, x, target=None, loss=None, loss_text=("mse", ""), layer_parameters=(),
         statistics=(), boxes=None):
    """shape: shape of one image, as in the language; x: a batch. The net begins with a trained factor of 1
    per channel, as in the tests. boxes: a second input, which the first layer reads; the first input is then
    $0."""
    x = x.clone().requires_grad_()
    factor = torch.ones(x.shape[1], requires_grad=True)
    scaled = x * factor.reshape([1, -1] + [1] * (x.dim() - 2))
    scaled.retain_grad()
    y = net(scaled)
    if target is None:
        target = torch.rand_like(y.detach()) * 2 - 1
    total = (loss or F.mse_loss)(y, target)
    total.backward()
    gradients = [factor.grad.flatten()] + [p.grad.flatten()
                                           for p in layer_parameters] + [s.detach().flatten()
        for s in statistics]
    print("{")
    print('  .rank = %d, .dim = {%s}, .layers = "%s", .loss = "%s", ' % (
        len(shape), ", ".join(map(str, shape)), layers, loss_text[0]), end="")
    print('.loss_arguments = "%s", .total = %.12g,' % (loss_text[1], float(total.detach())))
    if boxes is not None:
        print("  .nboxes = %d," % len(boxes[0]))
        numbers("boxes", flat(boxes.movedim(-1, 1)))
    numbers("input", flat(x))
    numbers("target", flat(target if target.dim() != 3 or target.is_floating_point()
                           else target.unsqueeze(1)))
    numbers("output", flat(y))
    numbers("input_gradient", flat(scaled.grad))
    numbers("gradients", [float(v) for g in gradients for v in g])
    print("},")


def kinks():
    x = torch.tensor([-7, -3, -1, -0.0, 0, 0.5, 1, 3, 6, 7, -0.25, 2.5])
    return torch.stack([x, x.flip(0) * 0.5, x + 0.125])


def activations():
    # clip is not tested at its limits: there its derivative is 1 here and in torch 2.3, but 0 in torch 2.15
    for layers, net in [
        ("relu", F.relu), ("relu6", F.relu6), ("leaky_relu", F.leaky_relu),
        ("leaky_relu slope=-0.5", lambda x: F.leaky_relu(x, -0.5)), ("elu", F.elu),
        ("elu alpha=2", lambda x: F.elu(x, 2)),
        ("selu", F.selu), ("gelu", F.gelu), ("silu", F.silu), ("sigmoid", torch.sigmoid),
        ("hard_sigmoid", F.hardsigmoid), ("hard_swish", F.hardswish), ("tanh", torch.tanh),
        ("softplus", F.softplus), ("clip min=-0.9 max=2.4", lambda x: torch.clamp(x, -0.9, 2.4)),
        ("softmax", lambda x: F.softmax(x, 1)), ("log_softmax", lambda x: F.log_softmax(x, 1)),
        ("abs", torch.abs), ("square", torch.square), ("exp", torch.exp),
        ("@0 -> relu -> maximum x=$0", lambda x: torch.maximum(F.relu(x), x)),
    ]:
        case([12], layers, net, kinks())
    slope = torch.full([12], 0.25, requires_grad=True)
    case([12], "prelu", lambda x: F.prelu(x, slope), kinks(), layer_parameters=[slope])


def pools():
    ties = torch.randint(-2, 3, [IMAGES, 2, 5, 6]).double()
    for layers, net in [
        ("maxpool kernel=2", lambda x: F.max_pool2d(x, 2)),
        ("maxpool kernel=3 stride=1 pad=1", lambda x: F.max_pool2d(x, 3, 1, 1)),
        ("maxpool kernel=3 stride=2 pad=1 ceil=true", lambda x: F.max_pool2d(x, 3, 2, 1, ceil_mode=True)),
        ("maxpool kernel=2 stride=3 ceil=true pad=1", lambda x: F.max_pool2d(x, 2, 3, 1, ceil_mode=True)),
        ("maxpool kernel=2x3 stride=1x2 dilation=2x1", lambda x: F.max_pool2d(x, (2, 3), (1, 2), 0, (2, 1))),
        ("avgpool kernel=3 stride=2 pad=1", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)),
        ("avgpool kernel=3 stride=2 pad=1 count_pad=true", lambda x: F.avg_pool2d(x, 3, 2, 1)),
        ("avgpool kernel=3 stride=2 pad=1 ceil=true", lambda x: F.avg_pool2d(x, 3, 2, 1, True, False)),
        ("avgpool kernel=3 stride=2 pad=1 ceil=true count_pad=true",
         lambda x: F.avg_pool2d(x, 3, 2, 1, True, True)),
        ("avgpool kernel=2 stride=3 ceil=true", lambda x: F.avg_pool2d(x, 2, 3, 0, True)),
        ("global_avgpool", lambda x: F.adaptive_avg_pool2d(x, 1)),
        ("global_maxpool", lambda x: F.adaptive_max_pool2d(x, 1)),
    ]:
        case([5, 6, 2], layers, net, ties)
    line = torch.randint(-2, 3, [IMAGES, 3, 9]).double()
    case([9, 3], "maxpool kernel=3 stride=2 pad=1", lambda x: F.max_pool1d(x, 3, 2, 1), line)
    case([9, 3], "avgpool kernel=4 stride=3 pad=1 count_pad=true ceil=true",
         lambda x: F.avg_pool1d(x, 4, 3, 1, True, True), line)


def normalisation():
    x = torch.randn(IMAGES, 6, 2, 2)
    for size, alpha, beta, k in [(5, 1e-4, 0.75, 1.0), (4, 0.5, 0.75, 2.0), (3, 1.0, 0.5, 1.0),
                                 (2, 2.0, 0.6, 1.0)]:
        case([2, 2, 6], "lrn size=%d alpha=%g beta=%g bias=%g" % (size, alpha, beta, k),
             lambda x: F.local_response_norm(x, size, alpha, beta, k), x)
    for shape, batch in [([2, 2, 6], x), ([4], torch.randn(IMAGES, 4)), ([5, 2], torch.randn(IMAGES, 2, 5))]:
        channels = batch.shape[1]
        weight, bias = torch.ones(channels, requires_grad=True), torch.zeros(channels, requires_grad=True)
        mean, variance = torch.zeros(channels), torch.ones(channels)
        case(shape, "batchnorm momentum=0.75",
             lambda x: F.batch_norm(x, mean, variance, weight, bias, True, 0.25, 1e-5), batch,
             layer_parameters=[weight, bias], statistics=[mean, variance])


def losses():
    scores, pixels = torch.randn(IMAGES, 5) * 3, torch.randn(IMAGES, 4, 2, 3) * 3
    labels, map_ = torch.tensor([1, -1, 4]), torch.tensor([[[0, 1, 2], [3, -1, 2]], [[2, 2, 0], [1, 1, 3]],
                                                           [[-1, -1, 0], [3, 2, 1]]])
    weights5, weights4 = torch.tensor([1, 2, 0.5, 0, 3.0]), torch.tensor([1, 2, 0.5, 0.25])
    for text, smoothing, weighted, ignore in [("", 0, False, -1), ("smoothing", 0.1, False, -1),
                                              ("weights", 0, True, -1), ("weights smoothing", 0.1, True, -1),
                                              ("ignore=1 weights smoothing", 0.1, True, 1)]:
        for x, t, w, shape in [(scores, labels, weights5, [5]), (pixels, map_, weights4, [2, 3, 4])]:
            listed = "weights=[%s]" % ",".join("%g" % v for v in w)
            kept = torch.where(t == ignore, torch.full_like(t, -1), t)
            case(shape, "", lambda x: x, x, t, lambda y,
                 _: F.cross_entropy(y, kept, w if weighted else None, ignore_index=-1,
                                    label_smoothing=smoothing),
                                    ("cross_entropy", text.replace("weights", listed)))
    hinge_labels = torch.tensor([1, 0, 4])
    case([5], "", lambda x: x, scores, hinge_labels, F.multi_margin_loss, ("hinge", ""))
    target = torch.randn(IMAGES, 5)
    target[0, 0] = scores[0, 0]
    case([5], "", lambda x: x, scores, target, F.mse_loss, ("mse", ""))
    case([5], "", lambda x: x, scores, target, F.l1_loss, ("mae", ""))
    case([5], "", lambda x: x, scores, target, lambda y, t: F.huber_loss(y, t, delta=1.5),
         ("huber", "delta=1.5"))
    case([5], "", lambda x: x, scores, target, lambda y, t: (y * t).mean(), ("linear", ""))
    case([5], "sigmoid", torch.sigmoid, scores, (target > 0).double(), F.binary_cross_entropy,
         ("binary_cross_entropy", ""))
    case([5], "softmax", lambda x: F.softmax(x, 1), scores, labels, lambda y,
         t: F.nll_loss(torch.log(y), t, ignore_index=-1), ("cross_entropy", ""))
    case([2, 3, 4], "log_softmax", lambda x: F.log_softmax(x, 1), pixels, map_, lambda y,
         t: F.nll_loss(y, t, ignore_index=-1), ("cross_entropy", ""))
    for text, net, p in [("", lambda x: x, lambda y: F.softmax(y, 1)),
                         ("sigmoid", torch.sigmoid, lambda y: y),
                         ("softmax", lambda x: F.softmax(x, 1), lambda y: y)]:
        case([2, 3, 4], text, net, pixels, map_, lambda y, t: dice(p(y), t), ("dice", ""))


def dice(p, labels):
    """The mean over images, and over the classes that appear in them, of the dice loss
    1 - (2*sum(p*t) + 1) / (sum(p) + sum(t) + 1)."""
    counts = (labels >= 0).double().unsqueeze(1)
    t = F.one_hot(labels.clamp(min=0), p.shape[1]).movedim(-1, 1).double() * counts
    both, each, true = [v.sum((2, 3)) for v in (p * t, p * counts, t)]
    miss, appears = 1 - (2 * both + 1) / (each + true + 1), (true > 0).double()
    return ((miss * appears).sum(1) / appears.sum(1)).mean()


def blurred(x, kernel, stride):
    """Zhang's blurpool: the binomial filter with reflection padding."""
    taps = torch.tensor({2: [1., 1], 3: [1., 2, 1], 4: [1., 3, 3, 1], 5: [1., 4, 6, 4, 1]}[kernel])
    taps = torch.outer(taps, taps) / taps.sum() ** 2
    before, after, channels = (kernel - 1) // 2, kernel // 2, x.shape[1]
    padded = F.pad(x, (before, after, before, after), mode="reflect")
    return F.conv2d(padded, taps.expand(channels, 1, kernel, kernel), stride=stride, groups=channels)


def resizing():
    x, line, deep = torch.randn(IMAGES, 3, 5, 4), torch.randn(IMAGES, 3, 7), torch.randn(IMAGES, 12, 3, 2)

    def to(mode, size, corners=None):
        return lambda x: F.interpolate(x, size, mode=mode, align_corners=corners)
    for layers, net in [
        ("resize size=7x9", to("bilinear", (7, 9), False)),
        ("resize size=3x2", to("bilinear", (3, 2), False)),
        ("resize size=8x7 corners=true", to("bilinear", (8, 7), True)),
        ("resize size=3x3 corners=true", to("bilinear", (3, 3), True)),
        ("resize size=7x9 mode=nearest", to("nearest", (7, 9))),
        ("resize size=2x3 mode=nearest", to("nearest", (2, 3))),
        ("upsample factor=2", to("nearest", (10, 8))),
        ("upsample factor=3x2 mode=bilinear", to("bilinear", (15, 8), False)),
        ("blurpool", lambda x: blurred(x, 3, 2)),
        ("blurpool kernel=2 stride=1", lambda x: blurred(x, 2, 1)),
        ("blurpool kernel=5 stride=2", lambda x: blurred(x, 5, 2)),
    ]:
        case([5, 4, 3], layers, net, x)
    case([7, 3], "resize size=12", to("linear", 12, False), line)
    case([7, 3], "upsample factor=2", to("nearest", 14), line)
    case([3, 2, 12], "depth_to_space factor=2", lambda x: F.pixel_shuffle(x, 2), deep)
    case([3, 2, 12], "channel_shuffle groups=3", lambda x: F.channel_shuffle(x, 3), deep)
    case([4, 6, 3], "space_to_depth factor=2", lambda x: F.pixel_unshuffle(x, 2),
         torch.randn(IMAGES, 3, 4, 6))


def norms():
    x, line, row = torch.randn(IMAGES, 6, 3, 2) + 2, torch.randn(IMAGES, 4, 5), torch.randn(IMAGES, 8)
    w = {n: torch.ones(n, requires_grad=True) for n in (4, 6, 8)}
    b = {n: torch.zeros(n, requires_grad=True) for n in (4, 6, 8)}

    def over_channels(x):
        return F.layer_norm(x.movedim(1, -1), [x.shape[1]], w[x.shape[1]], b[x.shape[1]]).movedim(-1, 1)

    def both(n):
        w[n].grad = b[n].grad = None
        return [w[n], b[n]]
    case([3, 2, 6], "layernorm", over_channels, x, layer_parameters=both(6))
    case([5, 4], "layernorm", over_channels, line, layer_parameters=both(4))
    case([8], "layernorm", over_channels, row, layer_parameters=both(8))
    for groups in (1, 2, 3, 6):
        case([3, 2, 6], "groupnorm groups=%d" % groups, lambda x: F.group_norm(x, groups, w[6], b[6]), x,
             layer_parameters=both(6))
    case([5, 4], "groupnorm groups=2 epsilon=0.1", lambda x: F.group_norm(x, 2, w[4], b[4], 0.1), line,
         layer_parameters=both(4))
    case([3, 2, 6], "instancenorm", lambda x: F.instance_norm(x, weight=w[6], bias=b[6]), x,
         layer_parameters=both(6))
    case([3, 2, 6], "l2norm", lambda x: F.normalize(x, dim=1), x)
    case([8], "l2norm epsilon=30", lambda x: F.normalize(x, dim=1, eps=30), row)


def regions():
    # boxes: inside the image; partly outside; fully outside; the whole image; a single point; smaller than a
    # pixel of the features; inverted; far away; larger than the image on all sides; with corners at halves
    boxes = torch.tensor([
        [[1, 2, 9, 11], [-3, 4, 5, 19.5], [30, 30, 40, 35], [0, 0, 14, 12]],
        [[0, 0, 0, 0], [4.25, 3.5, 4.75, 3.75], [11, 10, 3, 2], [-900, -900, -800, 900]],
        [[-50, -40, 60, 70], [5, 3, 9, 7], [13.5, 11.5, 14.5, 12.5], [-2, -2, -1, 0.5]],
    ])
    x, ties = torch.randn(IMAGES, 2, 6, 7), torch.randint(-2, 3, [IMAGES, 2, 6, 7]).double()
    thin = torch.randn(IMAGES, 2, 1, 5)
    for size, scale, samples, aligned in [((3, 3), 0.5, 2, True), ((2, 4), 0.5, 3, False),
                                          ((1, 1), 0.25, 1, True), ((5, 2), 1.5, 2, False)]:
        case([6, 7, 2], "roi_align features=$0 size=%dx%d scale=%g samples=%d aligned=%s" % (
            *size, scale, samples, str(aligned).lower()),
            lambda x: torchvision.ops.roi_align(x, list(boxes), size, scale, samples, aligned), x,
            boxes=boxes)
    for features in (x, ties):
        for size, scale in [((3, 3), 0.5), ((2, 4), 0.25), ((8, 1), 1)]:
            case([6, 7, 2], "roi_pool features=$0 size=%dx%d scale=%g" % (*size, scale),
                 lambda x: torchvision.ops.roi_pool(x, list(boxes), size, scale), features, boxes=boxes)
    case([1, 5, 2], "roi_align features=$0 size=2 scale=0.25",
         lambda x: torchvision.ops.roi_align(x, list(boxes), 2, 0.25, 2, True), thin, boxes=boxes)
    case([1, 5, 2], "roi_pool features=$0 size=2 scale=0.25",
         lambda x: torchvision.ops.roi_pool(x, list(boxes), 2, 0.25), thin, boxes=boxes)


def yolo_rows(t, anchors, stride):
    """Darknet's yolo layer: t is N x A*(5 + classes) x H x W, anchor-major."""
    n, channels, h, w = t.shape
    t = t.reshape(n, len(anchors), channels // len(anchors), h, w).permute(0, 3, 4, 1, 2)
    column, row = torch.arange(w).reshape(1, 1, w, 1), torch.arange(h).reshape(1, h, 1, 1)
    size = torch.tensor(anchors)
    return torch.stack([(torch.sigmoid(t[..., 0]) + column) * stride[1],
                        (torch.sigmoid(t[..., 1]) + row) * stride[0],
                        torch.exp(t[..., 2]) * size[:, 0], torch.exp(t[..., 3]) * size[:, 1]]
                       + list(torch.sigmoid(t[..., 4:]).unbind(-1)), -1).reshape(n, h * w * len(anchors), -1)


def yolo():
    for shape, classes, anchors in [([2, 3, 12], 1, [[0.5, 1.25], [2, 0.75]]), ([1, 2, 8], 3, [[3, 2]])]:
        text = ",".join("[%g,%g]" % tuple(a) for a in anchors)
        x = torch.randn(IMAGES, shape[2], shape[0], shape[1])
        case(shape, "yolo classes=%d anchors=[%s]" % (classes, text),
             lambda x: yolo_rows(x, anchors, (1, 1)).transpose(1, 2), x)
    anchors = [[4, 7], [9, 3]]
    case([4, 6, 12], "avgpool kernel=2x3 -> yolo classes=1 anchors=[[4,7],[9,3]]",
         lambda x: yolo_rows(F.avg_pool2d(x, (2, 3)), anchors, (2, 3)).transpose(1, 2),
         torch.randn(IMAGES, 12, 4, 6))


def curves():
    torch.manual_seed(2)
    x = torch.rand(IMAGES, 10) * 3 + 0.1
    signed = torch.where(torch.rand(IMAGES, 10) < 0.5, x, -x)
    for layers, net in [("log", torch.log), ("power n=0.5", torch.sqrt), ("power n=-0.5", torch.rsqrt)]:
        case([10], layers, net, x)
    for n in (-3, -2, -1, 1, 2, 3, 7):
        case([10], "power n=%d" % n, lambda x: torch.pow(x, n), signed)
    case([12], "gelu approximate=tanh", lambda x: F.gelu(x, approximate="tanh"), kinks())
    case([12], "@0 -> relu -> minimum x=$0", lambda x: torch.minimum(F.relu(x), x), kinks())
    shift = torch.zeros(10, requires_grad=True)
    case([10], "bias", lambda x: x + shift, signed, layer_parameters=[shift])


def channels():
    torch.manual_seed(3)
    x, line = torch.randn(IMAGES, 5, 3, 4), torch.randn(IMAGES, 21, 6)
    ties = torch.randint(-2, 1, [IMAGES, 11, 3, 2]).double()

    def mean(x):
        return x.mean(1, keepdim=True)

    def most(x):
        return x.amax(1, keepdim=True)
    case([3, 4, 5], "channel_mean", mean, x)
    case([6, 21], "channel_mean", mean, line)
    case([3, 4, 5], "channel_max", most, x)
    case([3, 2, 11], "channel_max", most, ties)
    case([6, 21], "channel_max", most, line)
    case([3, 4, 5], "channel_mean -> multiply x=$0", lambda x: mean(x) * x, x)
    case([3, 4, 5], "channel_max -> @1 -> <0 -> divide x=$1", lambda x: x / most(x), x)


def borders():
    torch.manual_seed(4)
    x, line = torch.randn(IMAGES, 3, 5, 4), torch.randn(IMAGES, 3, 7)

    def to(mode, size, corners=None):
        return lambda x: F.interpolate(x, size, mode=mode, align_corners=corners)
    for layers, net in [
        ("resize size=7x9 mode=cubic", to("bicubic", (7, 9), False)),
        ("resize size=3x2 mode=cubic", to("bicubic", (3, 2), False)),
        ("resize size=8x7 mode=cubic corners=true", to("bicubic", (8, 7), True)),
        ("resize size=1x3 mode=cubic corners=true", to("bicubic", (1, 3), True)),
        ("resize size=7x9 mode=nearest_exact", to("nearest-exact", (7, 9))),
        ("resize size=2x3 mode=nearest_exact", to("nearest-exact", (2, 3))),
        ("resize size=10x8 mode=nearest_exact", to("nearest-exact", (10, 8))),
        ("zero_pad n=[4,1,3,2] mode=reflect", lambda x: F.pad(x, (3, 2, 4, 1), mode="reflect")),
        ("zero_pad n=[1,7,0,6] mode=edge", lambda x: F.pad(x, (0, 6, 1, 7), mode="replicate")),
        ("zero_pad n=[1,2,3,0] value=-1.5 channels=[2,1]",
         lambda x: F.pad(x, (3, 0, 1, 2, 2, 1), value=-1.5)),
    ]:
        case([5, 4, 3], layers, net, x)
    case([7, 3], "zero_pad n=[6,2] mode=reflect", lambda x: F.pad(x, (6, 2), mode="reflect"), line)
    case([7, 3], "zero_pad n=[0,9] mode=edge", lambda x: F.pad(x, (0, 9), mode="replicate"), line)
    case([7, 3], "resize size=12 mode=nearest_exact", to("nearest-exact", 12), line)


print("/* ops.inc: made by ops.py with PyTorch %s and torchvision %s. */" % (
    torch.__version__.split("+")[0], torchvision.__version__.split("+")[0]))
print("// SPDX-License-Identifier: Apache-2.0")
activations()
pools()
normalisation()
losses()
resizing()
norms()
regions()
yolo()
curves()
channels()
borders()
