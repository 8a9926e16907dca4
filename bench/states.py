"""states.py --cnnc CNNC [--kept FOLDER] [NET...]: state dicts of torchvision's nets, by name. Each net is
exported with its batch normalization and imported. Then the state dict of another instance of the same class
is loaded into the imported program, as .safetensors and as .pt. With these weights, the program must compute
the same outputs as PyTorch."""
# SPDX-License-Identifier: Apache-2.0
import argparse, os, subprocess, sys, warnings
top = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path += [os.path.join(top, "tests", "harness"), os.path.join(top, "bench")]
import compiled, zoo
from compile import write_safetensors

NETS = ["resnet18", "vgg11_bn", "mobilenet_v2", "squeezenet1_1", "densenet121", "efficientnet_b0"]
MOST = 1e-4  # largest accepted difference, relative to the largest number of the output


def drawn(name, seed):
    import torch
    torch.manual_seed(seed)
    return zoo.calibrate_torch(zoo.torch_net("torchvision", name), zoo.side_of("torchvision", name))


def export(net, example, path):
    import torch
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, example, path, dynamo=False, opset_version=17, do_constant_folding=False,
                          training=torch.onnx.TrainingMode.PRESERVE)


def measure(options, name):
    """For each file of the state dict, the largest difference from PyTorch's output, relative to the largest
    number of that output."""
    import torch
    base = os.path.join(options.kept, "state-" + name)
    example = torch.randn(1, 3, zoo.side_of("torchvision", name), zoo.side_of("torchvision", name))
    export(drawn(name, 1), example, base + ".onnx")
    words = [options.cnnc, "import", base + ".onnx", "-o", base, "--name=net"]
    subprocess.run(words, check=True, capture_output=True, text=True)
    other = drawn(name, 2)
    torch.save(other.state_dict(), base + ".pt")
    floats = {key: x.numpy() for key, x in other.state_dict().items() if x.is_floating_point()}
    write_safetensors(base + ".state.safetensors", floats)
    with torch.no_grad():
        wanted = other(example)[0].tolist()
    image = example[0].permute(1, 2, 0).flatten().tolist()
    found = []
    for suffix in (".state.safetensors", ".pt"):
        file = base + suffix
        net = compiled.Net(options.cnnc, base + ".cnn", file, file, ["-O1", "--target=native"])
        found.append(compiled.difference(net([image])[0], wanted))
        for end in (".so", ".h", ".o", ".weights.o"):
            if os.path.exists(file + end):
                os.remove(file + end)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--cnnc", required=True)
    parser.add_argument("--kept", default=os.path.join(top, "bench", "nets"))
    parser.add_argument("nets", nargs="*", metavar="NET", default=NETS)
    options = parser.parse_args()
    options.cnnc, options.kept = os.path.abspath(options.cnnc), os.path.abspath(options.kept)
    os.makedirs(options.kept, exist_ok=True)
    zoo.load("torchvision")
    print("| net | .safetensors | .pt |\n|---|---|---|")
    worst = 0
    for name in options.nets:
        found = measure(options, name)
        worst = max(worst, *found)
        print(f"| {name} | {found[0]:.0e} | {found[1]:.0e} |", flush=True)
    sys.exit(worst > MOST)


if __name__ == "__main__":
    main()
