#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints special.inc: results of PyTorch's activations for NaN, infinities, zeros and denormals.
tests/unit/ops.c compares eval with them.

    python3 special.py > special.inc          (needs torch)
"""
import math
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
VALUES = [math.nan, math.inf, -math.inf, -0.0, 0.0, 1e-320, -1e-320, 1e300, -1e300]


def text(v):
    return "NAN" if math.isnan(v) else ("-" if v < 0 else "") + "INFINITY" if math.isinf(v) else "%.17g" % v


print("/* special.inc: made by special.py with PyTorch %s, a value at a time. */" % torch.__version__.split(
    "+")[0])
print("// SPDX-License-Identifier: Apache-2.0")
for layers, f in [
    ("relu", F.relu), ("relu6", F.relu6), ("leaky_relu", F.leaky_relu), ("elu", F.elu), ("selu", F.selu),
    ("gelu", F.gelu), ("silu", F.silu),
    ("sigmoid", torch.sigmoid), ("hard_sigmoid", F.hardsigmoid), ("hard_swish", F.hardswish),
    ("tanh", torch.tanh), ("softplus", F.softplus),
    ("clip min=-0.9 max=2.4", lambda x: torch.clamp(x, -0.9, 2.4)), ("abs", torch.abs),
    ("square", torch.square), ("sqrt", torch.sqrt),
    ("exp", torch.exp),
    ("@0 -> relu -> maximum x=$0", lambda x: torch.maximum(F.relu(x), x)),
    ("maximum x=0.5", lambda x: torch.maximum(x, torch.tensor([0.5]))),
]:
    print('{"%s",\n {%s}},' % (layers,
                               ", ".join(text(float(f(torch.tensor([v])).flatten()[0])) for v in VALUES)))
