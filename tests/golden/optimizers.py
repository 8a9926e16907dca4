#!/usr/bin/env python3
# optimizers.py: makes optimizers.txt, the weights that PyTorch's optimizers reach on given gradients. Needs
# torch (any version from 1.13 on).
# SPDX-License-Identifier: Apache-2.0
import os
import torch

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
