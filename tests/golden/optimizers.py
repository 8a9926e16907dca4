#!/usr/bin/env python3
# optimizers.py: writes optimizers.txt: the weights that PyTorch's optimizers reach with given gradients, and
# the weights of LARS and LAMB by the formulas of their papers, all in double. Needs torch (1.13 or later).
# SPDX-License-Identifier: Apache-2.0
import os
import torch



class Lars(torch.optim.Optimizer):  # You, Gitman & Ginsburg 2017, algorithm 1
    def __init__(self, params, foreach, lr, momentum, weight_decay, trust):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, trust=trust))
        self.v = {}

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            decay = group["weight_decay"]
            for p in group["params"]:
                w, g = p.double(), p.grad.double()
                local = group["trust"] * w.norm() / (g.norm() + decay * w.norm())
                v = group["momentum"] * self.v.get(p, 0) + group["lr"] * local * (g + decay * w)
                self.v[p] = v
                p.copy_(w - v)


class Lamb(torch.optim.Optimizer):  # You et al. 2020, algorithm 2
    def __init__(self, params, foreach, lr, betas, eps, weight_decay):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))
        self.kept, self.t = {}, 0

    @torch.no_grad()
    def step(self):
        self.t += 1
        for group in self.param_groups:
            one, two = group["betas"]
            for p in group["params"]:
                w, g = p.double(), p.grad.double()
                m, v = self.kept.get(p, (0, 0))
                m, v = one * m + (1 - one) * g, two * v + (1 - two) * g * g
                self.kept[p] = m, v
                r = m / (1 - one ** self.t) / ((v / (1 - two ** self.t)).sqrt() + group["eps"])
                r = r + group["weight_decay"] * w
                p.copy_(w - group["lr"] * w.norm() / r.norm() * r)


CASES = [
    ("sgd", dict(rate=0.1), torch.optim.SGD, dict(lr=0.1)),
    ("sgd", dict(rate=0.05, momentum=0.9), torch.optim.SGD, dict(lr=0.05, momentum=0.9)),
    ("sgd", dict(rate=0.05, momentum=0.9, weight_decay=0.1), torch.optim.SGD,
     dict(lr=0.05, momentum=0.9, weight_decay=0.1)),
    ("sgd", dict(rate=0.05, momentum=0.8, nesterov=1, weight_decay=0.01), torch.optim.SGD,
     dict(lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.01)),
    ("adam", dict(rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8), torch.optim.Adam,
     dict(lr=0.001, betas=(0.9, 0.999), eps=1e-8)),
    ("adam", dict(rate=0.02, beta1=0.8, beta2=0.95, epsilon=1e-4, weight_decay=0.1), torch.optim.Adam,
     dict(lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1)),
    ("adamw", dict(rate=0.02, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.05), torch.optim.AdamW,
     dict(lr=0.02, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.05)),
    ("rmsprop", dict(rate=0.01, alpha=0.99, epsilon=1e-8), torch.optim.RMSprop,
     dict(lr=0.01, alpha=0.99, eps=1e-8)),
    ("rmsprop", dict(rate=0.01, alpha=0.9, epsilon=1e-6, momentum=0.7, weight_decay=0.1), torch.optim.RMSprop,
     dict(lr=0.01, alpha=0.9, eps=1e-6, momentum=0.7, weight_decay=0.1)),
    ("lars", dict(rate=2, momentum=0.9, trust=0.001), Lars,
     dict(lr=2, momentum=0.9, weight_decay=0, trust=0.001)),
    ("lars", dict(rate=1, momentum=0.8, weight_decay=0.05, trust=0.02), Lars,
     dict(lr=1, momentum=0.8, weight_decay=0.05, trust=0.02)),
    ("lamb", dict(rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-6), Lamb,
     dict(lr=0.01, betas=(0.9, 0.999), eps=1e-6, weight_decay=0)),
    ("lamb", dict(rate=0.02, beta1=0.8, beta2=0.95, epsilon=1e-4, weight_decay=0.1), Lamb,
     dict(lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=0.1)),
]
WEIGHTS = [0.5, -1.25, 3.0, 1e-3, -7.5e-2, 0.0]
STEPS = 12


def gradient(step):  # exact in float32, of very different sizes, with zeros
    return [((step * 7 + i * 5) % 13 - 6) * 2.0 ** ((step + 3 * i) % 9 - 6) for i in range(len(WEIGHTS))]


def line(letter, numbers):
    return letter + "".join(" %.9g" % x for x in numbers) + "\n"


out = open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "optimizers.txt"), "w", newline="\n")
for name, numbers, optimizer, arguments in CASES:
    out.write("case " + name + "".join(" %s=%g" % item for item in numbers.items()) + "\n")
    out.write(line("w", WEIGHTS))
    weights = torch.nn.Parameter(torch.tensor(WEIGHTS, dtype=torch.float32))
    stepper = optimizer([weights], foreach=False, **arguments)
    for step in range(STEPS):
        weights.grad = torch.tensor(gradient(step), dtype=torch.float32)
        stepper.step()
        out.write(line("g", gradient(step)) + line("w", weights.detach().tolist()))
