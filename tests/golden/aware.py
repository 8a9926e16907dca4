#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints aware.inc: a step of quantization-aware training, computed with PyTorch's
fake_quantize_per_channel_affine (weights) and fake_quantize_per_tensor_affine (values); all else is computed
in double. The file has the loss, the output, all gradients (of the straight-through estimator) and the new
ranges. Some values are outside their ranges.

    python3 aware.py > aware.inc          (needs torch; aware.inc is committed, so the tests do not)
"""
import torch
import torch.nn.functional as F

torch.manual_seed(3)
torch.set_default_dtype(torch.float64)
IMAGES, MOMENTUM = 3, 0.9


def weights(w, axis=0):
    scale = (w.detach().abs().amax([d for d in range(w.dim()) if d != axis]) / 127).float()
    zero = torch.zeros(len(scale), dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(w.float(), scale, zero, axis, -127, 127).double()


def value(x, ends):
    lo, hi = float(ends[0]), float(ends[1])
    scale = float(torch.tensor((hi - lo) / 255).float())
    seen.append((min(0, x.min().item()), max(0, x.max().item())))
    zero = round(-128 - lo / scale)
    return torch.fake_quantize_per_tensor_affine(x.float(), scale, zero, -128, 127).double()


def single(t):
    return t.float().double()


def drawn(*shape):
    return single(torch.randn(shape) / max(1, shape[-1] * len(shape)) ** 0.5).requires_grad_()


def numbers(name, values):
    print("static const double %s[] = {%s};" % (name, ", ".join("%.12g" % v for v in values)))


def flat(tensors):
    return [float(v) for t in tensors for v in t.detach().flatten()]


conv, gamma, beta, spread, spread_bias, conv2, bias2, dense, dense_bias = parameters = [
    drawn(4, 2, 3, 3), drawn(4), drawn(4), drawn(4, 3, 2, 2), drawn(3), drawn(2, 3, 2, 2), drawn(2),
    drawn(2, 18), drawn(2)]
mean, variance = single(torch.randn(4)), single(torch.rand(4) + 0.5)
ranges = single(torch.tensor([[-1.5, 1.2], [0, 2], [-2, 2.5], [0, 3], [-2.5, 1.7]]))
x, target, seen = single(torch.randn(IMAGES, 2, 6, 6)), single(torch.randn(IMAGES, 2)), []
y = F.conv2d(value(x, ranges[0]), weights(conv))
y = F.relu(F.batch_norm(y, mean, variance, gamma, beta, training=False, eps=1e-5))
y = F.max_pool2d(value(y, ranges[1]), 2)
y = value(F.conv_transpose2d(y, weights(spread, 1), spread_bias, 2), ranges[2])
y = value(F.relu(F.conv2d(y, weights(conv2), bias2)), ranges[3])
y = value(F.linear(y.permute(0, 2, 3, 1).flatten(1), weights(dense), dense_bias), ranges[4])
loss = F.mse_loss(y, target)
loss.backward()
moved = [MOMENTUM * old + (1 - MOMENTUM) * new for ends, s in zip(ranges.tolist(), seen)
         for old, new in zip(ends, s)]
own = parameters[:3] + [mean, variance] + parameters[3:]
print("// SPDX-License-Identifier: Apache-2.0")
print("/* Made by aware.py: parameters in the order of the program, then the switch and the ranges. */")
numbers("aware_weights", flat(own) + [1] + flat([ranges]))
numbers("aware_input", flat([x.permute(0, 2, 3, 1)]))
numbers("aware_target", flat([target]))
numbers("aware_output", flat([y]))
numbers("aware_loss", [loss.item()])
numbers("aware_gradients", flat([p if p.grad is None else p.grad for p in own]) + [1] + moved)
