# make.py: generates the PyTorch files of tests/weights/torch.tap, their expected contents as .npz, and their
# pickles, the seeds of tests/fuzz/torch.c. Needs torch and numpy: python3 tests/weights/make.py
# SPDX-License-Identifier: Apache-2.0
import os, sys, zipfile
import numpy, torch
from torch import nn

os.chdir(os.path.dirname(os.path.abspath(__file__)))
torch.manual_seed(1)


class Net(nn.Module):
    """The net of net.cnn."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(),
                                      nn.Conv2d(3, 4, 1, bias=False))
        self.head = nn.Linear(64, 5)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


net = Net().eval()
nn.init.uniform_(net.features[1].running_mean)
nn.init.uniform_(net.features[1].running_var)
state = net.state_dict()


def expected(path, tensors):
    numpy.savez(path, **{name: t.detach().float().numpy() for name, t in tensors.items() if t.dim() > 0})


# every element type, and tensors that are not contiguous
state["features.0.weight"] = state["features.0.weight"].to(memory_format=torch.channels_last)
state["features.0.bias"] = state["features.0.bias"].half()
state["features.1.weight"] = torch.tensor([[0, 1], [0, 2], [0, 3]], dtype=torch.int16)[:, 1]
state["features.1.bias"] = state["features.1.bias"].bfloat16()
state["features.1.running_var"] = torch.tensor(0.25).expand(3)
state["features.3.weight"] = nn.Parameter(state["features.3.weight"].double())
state["head.weight"] = state["head.weight"].t().contiguous().t()
both = torch.rand(8)
state["head.bias"] = both[2:7]
torch.save(state, "state.pt")
expected("state.npz", state)
torch.save(state, "protocol4.pth", pickle_protocol=4)

# checkpoints, as training loops write them
other = {name: t.detach() + 1 if t.dim() else t for name, t in state.items()}
optimizer = torch.optim.Adam(net.parameters())
net(torch.rand(1, 2, 6, 6)).sum().backward()
optimizer.step()
torch.save({"epoch": 3, "loss": torch.tensor(0.5), "model_state_dict": state, "ema": other,
            "optimizer_state_dict": optimizer.state_dict(), "history": [0.5, None, True, -7, 1 << 70]},
           "epoch3.ckpt")
expected("ema.npz", other)
torch.save({"nets": {"one": state, "two.x": other}}, "pair.bin")
torch.save({"module." + name: t for name, t in state.items()}, "parallel.pt")

# files that are refused
sys.modules["nets"] = sys.modules["__main__"]
Net.__module__ = "nets"
torch.save(net, "module.pt")
torch.save({"epoch": 3, "model": net}, "modules.pt")
torch.save(state, "before2020.pt", _use_new_zipfile_serialization=False)
torch.jit.script(net).save("script.pt")

# seeds of the fuzz target, and one small whole file
os.makedirs("../fuzz/torch", exist_ok=True)
for name in "state.pt", "protocol4.pth", "pair.bin", "modules.pt":
    with zipfile.ZipFile(name) as archive, open("../fuzz/torch/" + name.replace(".", "_"), "wb") as file:
        pickle = next(member for member in archive.namelist() if member.endswith("/data.pkl"))
        file.write(archive.read(pickle))
torch.save({"a": torch.ones(2, 3).t()}, "../fuzz/torch/whole")
