"""export.py DIGITS.pth: exports a module with the state dict of DIGITS.pth as the ONNX model digits.onnx.
Layers keep their names in the state dict, and batch normalization stays a separate layer."""
# SPDX-License-Identifier: MIT-0
import sys
import torch
from torch import nn


class Digits(nn.Module):
    """The net. In your project, import the class from your training code."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 8, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.classifier = nn.Linear(8 * 6 * 6, 10)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1)).softmax(1)


if __name__ == "__main__":
    model = Digits()
    model.load_state_dict(torch.load(sys.argv[1], weights_only=True))
    torch.onnx.export(model.eval(), torch.rand(1, 1, 28, 28), "digits.onnx", dynamo=False,
                      input_names=["picture"], output_names=["scores"], do_constant_folding=False,
                      training=torch.onnx.TrainingMode.PRESERVE)
