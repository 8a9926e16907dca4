#!/usr/bin/env python3
"""exported.py [NAME...]: writes the models of this folder that come from torch.export (torch.onnx.export(...,
dynamo=True)), and onnxruntime's results: exported_NAME.onnx, .in0.npy and .out0.npy; for STATES, also the
state dict of the module. The exporter's metadata about its own run, such as stack traces, are removed, except
for the modules of the nodes. Needs torch, onnxscript, onnx and onnxruntime."""
# SPDX-License-Identifier: Apache-2.0
import json, os, struct, sys, tempfile, warnings
import numpy as np, onnx, onnxruntime, torch
from torch import nn
from torch.nn import functional

here = os.path.dirname(os.path.abspath(__file__))


class Unet(nn.Module):
    """Shortcuts, and three kinds of upsampling."""

    def __init__(self):
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, padding=1)
        self.down3 = nn.Conv2d(6, 8, 3, padding=1)
        self.norm1, self.norm2 = nn.BatchNorm2d(4), nn.BatchNorm2d(6)
        self.up3 = nn.ConvTranspose2d(8, 6, 3, stride=2, padding=1, output_padding=1)
        self.after3, self.after2 = nn.Conv2d(12, 6, 3, padding=1), nn.Conv2d(10, 4, 3, padding=1)
        self.up1, self.scores = nn.ConvTranspose2d(4, 4, 2, stride=2), nn.Conv2d(4, 3, 1)

    def forward(self, x):
        d1 = functional.relu(self.norm1(self.down1(x)))
        d2 = functional.relu(self.norm2(self.down2(functional.max_pool2d(d1, 2))))
        y = functional.relu(self.down3(functional.max_pool2d(d2, 2)))
        y = functional.relu(self.after3(torch.cat((d2, self.up3(y)), 1)))
        y = functional.interpolate(y, scale_factor=2, mode="nearest")
        y = functional.relu(self.after2(torch.cat((d1, y), 1)))
        y = functional.interpolate(self.up1(y), size=(48, 36), mode="bilinear", align_corners=False)
        return functional.softmax(self.scores(y), 1)


class Blocks(nn.Module):
    """A gated block, a block of ConvNeXt, a shuffle of channels."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(8, 8, 5, padding=2, groups=8)
        self.norm, self.squeeze, self.excite = nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
        self.wide, self.layernorm = nn.Conv2d(8, 8, 7, padding=3, groups=8), nn.LayerNorm(8, eps=1e-6)
        self.up, self.down, self.scale = nn.Linear(8, 16), nn.Linear(16, 8), nn.Parameter(torch.rand(8, 1, 1))
        self.group, self.dense = nn.GroupNorm(2, 8), nn.Linear(8, 5)

    def forward(self, x):
        x = functional.silu(self.stem(x))
        y = functional.hardswish(self.norm(self.depthwise(x)))
        gate = self.excite(functional.relu(self.squeeze(functional.adaptive_avg_pool2d(y, 1))))
        x = x + y * functional.hardsigmoid(gate)
        y = self.down(functional.gelu(self.up(self.layernorm(self.wide(x).permute(0, 2, 3, 1)))))
        x = x + self.scale * y.permute(0, 3, 1, 2)
        left, right = self.group(x).chunk(2, dim=1)
        x = functional.channel_shuffle(torch.cat((functional.relu6(left), functional.mish(right)), 1), 4)
        x = functional.avg_pool2d(x, 3, stride=2, padding=1) + functional.max_pool2d(x, 3, 2, padding=1)
        return self.dense(functional.dropout(torch.flatten(functional.adaptive_avg_pool2d(x, 1), 1),
                                             training=self.training))


class Block(nn.Module):
    """A block of ConvNeXt: dense layers on each position."""

    def __init__(self):
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.LayerNorm(6)
        self.mlp = nn.Sequential(nn.Linear(6, 10), nn.GELU(), nn.Linear(10, 6))

    def forward(self, x):
        return x + self.mlp(self.norm(self.depthwise(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


class Names(nn.Module):
    """Modules whose parameters are transposed, generated, stored once for two modules, or used by another
    module."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 2, stride=2)
        self.stages = nn.Sequential(Block(), nn.Sequential(Block()))
        self.parts = nn.ModuleDict({"one": nn.Linear(6, 6, bias=False), "other": nn.Linear(6, 6)})
        self.group, self.gate, self.head = nn.GroupNorm(2, 6), nn.PReLU(6), nn.Linear(6, 5)

    def forward(self, x):
        x = self.stages(self.stem(x)).permute(0, 2, 3, 1)
        x = self.gate(self.group((self.parts["one"](x) + self.parts["other"](x)).permute(0, 3, 1, 2)))
        return functional.linear(x.mean((2, 3)), self.head.weight, self.head.bias)


NETS = {"unet": (Unet, (3, 16, 12), {}), "blocks": (Blocks, (3, 16, 12), {}),
        "batch": (Blocks, (3, 12, 16), {"dynamic_shapes": ({0: torch.export.Dim("n")},)}),
        "names": (Names, (3, 8, 12), {})}
STATES = ["names"]
KEPT = ["pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"]


def bare(message):
    """Removes the exporter's metadata about its own run."""
    for field, value in message.ListFields():
        if field.name == "metadata_props" and isinstance(message, onnx.NodeProto):
            kept = [(entry.key, entry.value) for entry in value if entry.key in KEPT]
            message.ClearField(field.name)
            for key, text in kept:
                message.metadata_props.add(key=key, value=text)
        elif field.name in ("metadata_props", "doc_string"):
            message.ClearField(field.name)
        elif field.message_type:
            for inner in value if field.is_repeated else [value]:
                bare(inner)


def write_state(net, path):
    """Writes the state dict as .safetensors."""
    head, parts, at = {}, [], 0
    for name, tensor in net.state_dict().items():
        parts.append(tensor.numpy().tobytes())
        head[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + len(parts[-1])]}
        at += len(parts[-1])
    text = json.dumps(head).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


def make(name):
    kind, shape, options = NETS[name]
    torch.manual_seed(1)
    net = kind()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        for _ in range(8):
            net(torch.randn(4, *shape))  # sets the statistics of the normalizations
    if name == "names":
        net.stages[1][0].norm.load_state_dict(net.stages[0].norm.state_dict())
    net.eval()
    example = torch.randn(2 if options else 1, *shape)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = os.path.join(folder, "net.onnx")
        torch.onnx.export(net, (example,), path, dynamo=True, external_data=False, verbose=False, **options)
        model = onnx.load(path)
    bare(model)
    base = os.path.join(here, "exported_" + name)
    onnx.save(model, base + ".onnx")
    if name in STATES:
        write_state(net, base + ".state.safetensors")
    session = onnxruntime.InferenceSession(base + ".onnx", providers=["CPUExecutionProvider"])
    image = np.random.default_rng(7).standard_normal((1, *shape)).astype(np.float32)
    result = session.run(None, {session.get_inputs()[0].name: image})[0][0]
    np.save(base + ".in0.npy", np.ascontiguousarray(np.moveaxis(image[0], 0, -1)))
    np.save(base + ".out0.npy", np.ascontiguousarray(np.moveaxis(result, 0, -1)))


for wanted in sys.argv[1:] or NETS:
    make(wanted)
