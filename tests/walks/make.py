"""make.py: writes digits.pth, digits.onnx and mobilenet.onnx. The test of the walkthrough of
examples/firmware uses digits.pth, and without PyTorch also digits.onnx. mobilenet.onnx is a small MobileNetV2
that classifies rings, stripes and triangles."""
# SPDX-License-Identifier: Apache-2.0
import os, random, subprocess, sys
import torch
from torch import nn
from torchvision.models.mobilenetv2 import Conv2dNormActivation, MobileNetV2
here = os.path.dirname(os.path.abspath(__file__))
folder = os.path.join(here, "..", "..", "examples", "firmware")
sys.path += [folder, here]
import shapes
from export import Digits


def digits():
    torch.manual_seed(1)
    model = Digits()
    model(torch.rand(16, 1, 28, 28))  # sets the statistics of batch normalization
    with torch.no_grad():
        model.classifier.weight.mul_(8)
    torch.save(model.state_dict(), os.path.join(here, "digits.pth"))
    subprocess.run([sys.executable, os.path.join(folder, "export.py"), "digits.pth"], cwd=here, check=True)


class Prepared(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net((x - 127.5) / 64)


def mobilenet():
    torch.manual_seed(1)
    net = MobileNetV2(num_classes=3, width_mult=0.25,
                      inverted_residual_setting=[[1, 32, 1, 1], [4, 48, 2, 2], [4, 64, 2, 2]])
    net.features[-1] = Conv2dNormActivation(16, 48, kernel_size=1, activation_layer=nn.ReLU6)
    net.classifier = nn.Sequential(nn.Dropout(0.1), nn.Linear(48, 3))
    model, classes = Prepared(net), ("ring", "stripes", "triangle")
    numbers = random.Random(1)
    made = [(torch.frombuffer(bytearray(shapes.picture(numbers, shape)), dtype=torch.uint8), label)
            for _ in range(150) for label, shape in enumerate(classes)]
    x = torch.stack([pixels for pixels, _ in made]).view(-1, 32, 32, 3).permute(0, 3, 1, 2).float()
    y = torch.tensor([label for _, label in made])
    optimizer = torch.optim.Adam(model.parameters(), 0.005)
    for _ in range(8):
        for part in torch.randperm(len(x)).split(30):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x[part]), y[part])
            loss.backward()
            optimizer.step()
    print("loss", loss.item(), "accuracy", (model.eval()(x).argmax(1) == y).float().mean().item())
    torch.onnx.export(model, x[:1], os.path.join(here, "mobilenet.onnx"), dynamo=False, opset_version=17,
                      input_names=["picture"], output_names=["scores"], do_constant_folding=False,
                      training=torch.onnx.TrainingMode.PRESERVE)


digits()
mobilenet()
