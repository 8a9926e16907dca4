"""make.py: digits.pth and digits.onnx, which the walk of examples/firmware begins with where there is no
PyTorch."""
# SPDX-License-Identifier: Apache-2.0
import os, subprocess, sys
import torch
here = os.path.dirname(os.path.abspath(__file__))
folder = os.path.join(here, "..", "..", "examples", "firmware")
sys.path.append(folder)
from export import Digits


def digits():
    torch.manual_seed(1)
    model = Digits()
    model(torch.rand(16, 1, 28, 28))  # statistics of batch normalization
    with torch.no_grad():
        model.classifier.weight.mul_(8)
    torch.save(model.state_dict(), os.path.join(here, "digits.pth"))
    subprocess.run([sys.executable, os.path.join(folder, "export.py"), "digits.pth"], cwd=here, check=True)


digits()
