# nets.py: writes nets.txt: PyTorch's losses and weights after 1 and 100 training steps of the nets in nets/,
# in double. Needs torch and numpy.
# SPDX-License-Identifier: Apache-2.0
#
# Weights, samples and targets come from the runtime's counter-based random numbers, so that the test
# generates the same numbers. In nets.txt, each case begins with its name.
import math
import os
import numpy
import torch
import torch.nn.functional as F

BATCHES, SAMPLES, EPOCHS, CLASSES = 4, 8, 25, 5
MASK = (1 << 64) - 1


def keys(seed, stream):
    z = (seed + 0x9E3779B97F4A7C15 * (stream + 1)) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    z ^= z >> 31
    return z & 0xFFFFFFFF, z >> 32


def uniform(seed, stream, n):
    key = keys(seed, stream)
    m = numpy.uint64(0xFFFFFFFF)
    x = (numpy.arange(n, dtype=numpy.uint64) * numpy.uint64(0x9E3779B9) & m) ^ numpy.uint64(key[0])
    x ^= x >> numpy.uint64(16)
    x = x * numpy.uint64(0x85EBCA6B) & m
    x ^= x >> numpy.uint64(13)
    x = (x + numpy.uint64(key[1])) & m
    x = x * numpy.uint64(0xC2B2AE35) & m
    x ^= x >> numpy.uint64(16)
    x = x * numpy.uint64(0x7FEB352D) & m
    x ^= x >> numpy.uint64(15)
    return (x >> numpy.uint64(8)).astype(numpy.float64) * 2.0 ** -24


def first_weight(index, name, shape):
    """Initial weights, equal to those of tests/harness/golden.c: dense and conv weights within
    sqrt(3/fan_in), factors and variances around 1."""
    u = uniform(11, index, int(numpy.prod(shape)))
    if len(shape) > 1:
        values = (2 * u - 1) * math.sqrt(3 / numpy.prod(shape[1:]))
    elif name.endswith("running_var"):
        values = 1 + 0.5 * u
    elif name.endswith("weight"):
        values = 1 + 0.2 * (2 * u - 1)
    else:
        values = 0.1 * (2 * u - 1)
    return torch.tensor(values.astype(numpy.float32).astype(numpy.float64).reshape(shape))


class Net:
    """The weights of a net, created at their first use, in the order of the program."""

    def __init__(self):
        self.weight, self.training = {}, True

    def take(self, name, shape):
        if name not in self.weight:
            self.weight[name] = first_weight(len(self.weight), name, shape)
            if "running" not in name:
                self.weight[name].requires_grad_()
        return self.weight[name]

    def conv(self, name, x, filters, kernel, stride=1, pad=0, groups=1, bias=True):
        w = self.take(name + ".weight", (filters, x.shape[1] // groups, kernel, kernel))
        return F.conv2d(x, w, self.take(name + ".bias", (filters,)) if bias else None, stride, pad, 1, groups)

    def dense(self, name, x, units):
        return F.linear(x, self.take(name + ".weight", (units, x.shape[1])),
                        self.take(name + ".bias", (units,)))

    def norm(self, name, x):
        c = x.shape[1]
        w = [self.take("%s.%s" % (name, part), (c,))
             for part in ("weight", "bias", "running_mean", "running_var")]
        return F.batch_norm(x, w[2], w[3], w[0], w[1], training=True, momentum=0.1, eps=1e-5)


def lenet(net, x):
    x = F.avg_pool2d(torch.tanh(net.conv("lenet1.conv1", x, 6, 5, pad=2)), 2)
    x = F.avg_pool2d(torch.tanh(net.conv("lenet1.conv2", x, 16, 5)), 2)
    x = x.permute(0, 2, 3, 1).flatten(1)
    x = torch.tanh(net.dense("lenet1.dense1", x, 40))
    return net.dense("lenet1.dense3", torch.tanh(net.dense("lenet1.dense2", x, 20)), CLASSES)


def residual(net, name, x, filters, stride=1):
    y = F.relu(net.norm(name + ".batchnorm1",
                        net.conv(name + ".conv1", x, filters, 3, stride, 1, bias=False)))
    y = net.norm(name + ".main.batchnorm1", net.conv(name + ".main.conv1", y, filters, 3, 1, 1, bias=False))
    if stride != 1:
        x = net.norm(name + ".shortcut.batchnorm1",
                     net.conv(name + ".shortcut.conv1", x, filters, 1, stride, bias=False))
    return F.relu(y + x)


def resnet(net, x):
    x = F.relu(net.norm("resnet1.batchnorm1", net.conv("resnet1.conv1", x, 8, 3, pad=1, bias=False)))
    x = residual(net, "resnet1.residual2", residual(net, "resnet1.residual1", x, 8), 16, 2)
    return net.dense("resnet1.dense1", x.mean((2, 3)), CLASSES)


def separable(net, name, x, filters, stride=1):
    x = F.relu6(net.norm(name + ".batchnorm1",
                         net.conv(name + ".depthwise1", x, x.shape[1], 3, stride, 1, x.shape[1], bias=False)))
    return F.relu6(net.norm(name + ".batchnorm2", net.conv(name + ".conv1", x, filters, 1, bias=False)))


def mobile(net, x):
    x = F.relu6(net.norm("mobile1.batchnorm1", net.conv("mobile1.conv1", x, 8, 3, 2, 1, bias=False)))
    x = separable(net, "mobile1.separable2", separable(net, "mobile1.separable1", x, 16), 24, 2)
    return net.dense("mobile1.dense1", x.mean((2, 3)), CLASSES)


def recurrent(net, kind, name, x, units, **more):
    """A recurrent module of torch.nn. A parameter has the layer's name, a dot, and its name in the module."""
    module = kind(x.shape[2], units, batch_first=True, dtype=torch.float64, **more)
    weights = {part: net.take("%s.%s" % (name, part), tuple(value.shape))
               for part, value in module.named_parameters()}
    return torch.func.functional_call(module, weights, x)


def words(net, x):
    x, _ = recurrent(net, torch.nn.LSTM, "words1.lstm1", x[:, 0], 12, bidirectional=True)
    x, _ = recurrent(net, torch.nn.LSTM, "words1.lstm2", x, 9, proj_size=4)
    x, _ = recurrent(net, torch.nn.GRU, "words1.rows", x, 10)
    _, (h, _) = recurrent(net, torch.nn.LSTM, "words1.h", x, 7)
    _, last = recurrent(net, torch.nn.RNN, "words1.last", x, 6, nonlinearity="relu")
    return net.dense("words1.dense1", torch.cat([h[0], last[0]], 1), CLASSES)


def attention(net, name, heads, query, key, value, bias=True, mask=None):
    """nn.MultiheadAttention. A parameter has the layer's name, a dot, and its name in the module."""
    module = torch.nn.MultiheadAttention(query.shape[2], heads, bias=bias, kdim=key.shape[2],
                                         vdim=value.shape[2], batch_first=True, dtype=torch.float64)
    weights = {part: net.take("%s.%s" % (name, part), tuple(value.shape))
               for part, value in module.named_parameters()}
    return torch.func.functional_call(module, weights, (query, key, value),
                                      dict(attn_mask=mask, need_weights=False))[0]


def layer_norm(net, name, x):
    w = [net.take("%s.%s" % (name, part), x.shape[2:]) for part in ("weight", "bias")]
    return F.layer_norm(x, x.shape[2:], w[0], w[1], 1e-5)


def looks(net, x):
    rows = x[:, 0]
    later = torch.ones(15, 15, dtype=torch.bool).triu(1)
    a = attention(net, "looks1.a.multihead_attention1", 2, rows, rows, rows) + rows
    a = layer_norm(net, "looks1.a.layernorm1", a)
    b = attention(net, "looks1.b", 4, a, rows, rows, bias=False, mask=later)
    few = rows[:, :11, :5]
    c = attention(net, "looks1.c", 2, a + b, few, few)
    d = attention(net, "looks1.d", 1, c, c, rows)
    e = layer_norm(net, "looks1.layernorm1", attention(net, "looks1.e", 8, d, rows, d) + d)
    return net.dense("looks1.dense1", e.flatten(1), CLASSES)


def focal(scores, label):
    log_p = F.log_softmax(scores, 1).gather(1, label[:, None])[:, 0]
    return (-(1 - log_p.exp()) ** 2 * log_p).mean()


def cross_entropy(**options):
    return lambda scores, label: F.cross_entropy(scores, label, **options)


SGD, ADAM, ADAMW, RMSPROP = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop
WEIGHTS = torch.tensor([1, 2, 0.5, 1, 3], dtype=torch.float64)


def constant(t):
    return 1


def cosine(t):  # factor of the rate 0.02; two epochs of warm-up from 0
    return t / 2 if t < 2 else (0.001 +
                                (0.02 - 0.001) * (1 + math.cos(math.pi * (t - 2) / (EPOCHS - 2))) / 2) / 0.02


# If a sum near 0 before a relu is computed in another order, its sign may change. Learning rates are so low
# that one such change moves no weight by more than 1e-3. name: net, shape of the input, loss, whether targets
# are classes (otherwise floats), optimizer with its arguments, function from the epoch to the factor of the
# rate, other settings
CASES = {
    "lenet_sgd": (lenet, (20, 20, 1), F.cross_entropy, True, SGD, dict(lr=0.05, momentum=0.9), constant, {}),
    "lenet_nesterov": (lenet, (20, 20, 1), cross_entropy(label_smoothing=0.1), True, SGD,
                       dict(lr=0.02, momentum=0.8, nesterov=True, weight_decay=0.01), cosine, {}),
    "lenet_adam": (lenet, (20, 20, 1), cross_entropy(weight=WEIGHTS, ignore_index=1), True, ADAM,
                   dict(lr=0.001, weight_decay=0.01), constant, {}),
    "lenet_adamw": (lenet, (20, 20, 1), F.multi_margin_loss, True, ADAMW, dict(lr=0.002, weight_decay=0.05),
                    lambda t: 0.3 ** (t // 10), dict(decay="weights")),
    "lenet_rmsprop": (lenet, (20, 20, 1), focal, True, RMSPROP, dict(lr=0.0005, momentum=0.5), constant, {}),
    "lenet_average": (lenet, (20, 20, 1), F.cross_entropy, True, SGD, dict(lr=0.05, momentum=0.9),
                      lambda t: (1 - t / EPOCHS) ** 0.9, dict(clip=0.1, average=0.95)),
    "resnet_sgd": (resnet, (12, 12, 3), F.cross_entropy, True, SGD,
                   dict(lr=0.02, momentum=0.8, weight_decay=5e-4), lambda t: 0.95 ** t, {}),
    "resnet_adamw": (resnet, (12, 12, 3), cross_entropy(label_smoothing=0.2), True, ADAMW,
                     dict(lr=0.002, eps=0.1, weight_decay=0.01), constant, dict(clip=0.5)),
    "resnet_huber": (resnet, (12, 12, 3), lambda y, t: F.huber_loss(y, t, delta=0.3), False, SGD,
                     dict(lr=0.02, momentum=0.5), constant, {}),
    "resnet_rmsprop": (resnet, (12, 12, 3), F.mse_loss, False, RMSPROP, dict(lr=0.0005, alpha=0.9), constant,
                       {}),
    "mobile_adam": (mobile, (16, 16, 3), F.cross_entropy, True, ADAM,
                    dict(lr=0.001, betas=(0.8, 0.99), eps=1e-6), constant, {}),
    "mobile_sgd": (mobile, (16, 16, 3), F.binary_cross_entropy_with_logits, False, SGD,
                   dict(lr=0.05, momentum=0.9, nesterov=True), constant, {}),
    "mobile_mae": (mobile, (16, 16, 3), F.l1_loss, False, SGD, dict(lr=0.02, momentum=0.9), constant, {}),
    "mobile_accumulate": (mobile, (16, 16, 3), F.cross_entropy, True, SGD,
                          dict(lr=0.05, momentum=0.9, weight_decay=0.001), constant,
                          dict(decay="weights", accumulate=2)),
    "words_adam": (words, (15, 8, 1), F.cross_entropy, True, ADAM, dict(lr=0.002), constant, {}),
    "looks_sgd": (looks, (15, 8, 1), F.cross_entropy, True, SGD, dict(lr=0.02, momentum=0.9), constant, {}),
    "looks_adamw": (looks, (15, 8, 1), F.mse_loss, False, ADAMW, dict(lr=0.002, eps=0.01, weight_decay=0.05),
                    constant, dict(decay="weights")),
    "words_adamw": (words, (6, 5, 1), F.mse_loss, False, ADAMW, dict(lr=0.002, weight_decay=0.05), constant,
                    dict(decay="weights")),
}


def batch(k, shape, classes):
    x = (2 * uniform(12, k, SAMPLES * int(numpy.prod(shape))) - 1).astype(numpy.float32).astype(numpy.float64)
    x = torch.tensor(x.reshape((SAMPLES,) + shape)).permute(0, 3, 1, 2)
    u = uniform(13, k, SAMPLES * CLASSES).astype(numpy.float32).astype(numpy.float64)
    return x, torch.tensor(numpy.floor(u[:SAMPLES] * CLASSES)
                           .astype(numpy.int64)) if classes else torch.tensor(u.reshape(SAMPLES, CLASSES))


def write(out, weights, what="weight"):
    for name, value in weights.items():
        flat = value.detach().flatten()
        some = range(0, len(flat), (len(flat) + 11) // 12)
        out.write("%s %s %d %.9g %.9g" % (what, name, len(flat), float(flat.abs().max()), float(flat.norm())))
        out.write("".join(" %d:%.9g" % (i, float(flat[i])) for i in some) + "\n")


def run(out, case):
    network, shape, loss_of, classes, optimizer, arguments, factor, more = CASES[case]
    net = Net()
    network(net, batch(0, shape, classes)[0])  # creates the weights; afterwards the statistics are reset
    for i, (name, value) in enumerate(net.weight.items()):
        value.data.copy_(first_weight(i, name, tuple(value.shape)))
    trained = {name: value for name, value in net.weight.items() if value.requires_grad}
    plain = [value for name, value in trained.items() if value.dim() < 2 and more.get("decay") == "weights"]
    others = [value for value in trained.values() if not any(value is p for p in plain)]
    rate, accumulate = arguments["lr"], more.get("accumulate", 1)
    stepper = optimizer([dict(params=others), dict(params=plain, weight_decay=0)], foreach=False, **arguments)
    average = None
    for step in range(100):
        t = step * accumulate / BATCHES
        for group in stepper.param_groups:
            group["lr"] = rate * factor(t)
        stepper.zero_grad()
        mean = 0
        for part in range(accumulate):
            x, target = batch((step * accumulate + part) % BATCHES, shape, classes)
            loss = loss_of(network(net, x), target) / accumulate
            loss.backward()
            mean += float(loss.detach())
        if "clip" in more:
            torch.nn.utils.clip_grad_norm_(trained.values(), more["clip"])
        stepper.step()
        if "average" in more:
            with torch.no_grad():
                average = {n: v.clone() if average is None or not v.requires_grad
                           else average[n] + (1 - more["average"]) * (v - average[n]) for n,
                           v in net.weight.items()}
        if step in (0, 99):
            out.write("step %d %.9g\n" % (step + 1, mean))
            write(out, average or net.weight)


def make(folder):
    torch.set_num_threads(1)
    with open(os.path.join(folder, "nets.txt"), "w", newline="\n") as out:
        for case in CASES:
            out.write("case %s\n" % case)
            run(out, case)


if __name__ == "__main__":
    make(os.path.dirname(os.path.abspath(__file__)))
