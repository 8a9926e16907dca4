"""exported.py: speed of nets exported from PyTorch. cnnc imports the ONNX file; onnxruntime and OpenVINO run
the same file. The three runtimes run in turns, and the shortest call of each counts. Weights are random; the
models stay in bench/nets. The default nets have attention; `untuned` selects convolutional nets that were not
used to tune schedules. The nets of timm, torchvision and Ultralytics come from zoo.py. Whisper's encoder, a
stage of Swin, an encoder layer of RT-DETR and WRN-16-4 are defined here.
"""
# SPDX-License-Identifier: Apache-2.0
import json, math, os, subprocess, sys
import numpy as np
import inference
from imports import matched
from sides import ROOT, Case, Ours
from timing import in_turns

MOST = 2e-3  # largest accepted difference, relative to the largest number of an output
MOST_BF16 = 0.2  # large: each runtime rounds different values to bf16
KEPT = os.path.join(ROOT, "bench", "nets")
NETS = {  # library (of zoo.py, or "parts": this file), the net's name in it, exporter
    "ViT-Ti": ("timm", "vit_tiny_patch16_224", "dynamo"),
    "ViT-S": ("timm", "vit_small_patch16_224", "dynamo"),
    "whisper-tiny encoder": ("parts", "whisper", "torch"), "Swin-T": ("torchvision", "swin_t", "torch"),
    "Swin-T stage 1": ("parts", "swin_stage", "torch"), "MobileViT-S": ("timm", "mobilevit_s", "dynamo"),
    "EfficientViT-B0": ("timm", "efficientvit_b0", "dynamo"),
    "EdgeNeXt-XS": ("timm", "edgenext_x_small", "torch"),
    "YOLO11n": ("ultralytics", "yolo11n", "torch"), "YOLO12n": ("ultralytics", "yolo12n", "torch"),
    "RT-DETR encoder": ("parts", "detr_encoder", "torch"), "RT-DETR-l": ("ultralytics", "rtdetr-l", "torch"),
    "ViT-Ti block": ("parts", "vit_block", "torch"),
}
UNTUNED = {
    "ShuffleNetV2": ("torchvision", "shufflenet_v2_x1_0", "torch"),
    "RegNetY-400MF": ("torchvision", "regnet_y_400mf", "torch"),
    "RepVGG-A0": ("timm", "repvgg_a0", "torch"), "WRN-16-4": ("parts", "wide_resnet", "torch"),
    "HRNet-W18-small": ("timm", "hrnet_w18_small", "torch"), "YOLOv8n": ("ultralytics", "yolov8n", "torch"),
    "MobileNetV4-small": ("timm", "mobilenetv4_conv_small", "torch"),
    "ConvNeXt-atto": ("timm", "convnext_atto", "torch"),
}


# ---- writing the models, in a separate process
def whisper():
    """The encoder of whisper-tiny. Its input is the spectrum of 30 s of audio."""
    sys.modules["torchaudio"] = None  # not needed, and often built for another version of CUDA
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder
    sizes = dict(d_model=384, encoder_layers=4, encoder_attention_heads=6, encoder_ffn_dim=1536,
                 return_dict=False)
    return WhisperEncoder(WhisperConfig(**sizes)), (80, 3000)


def swin_stage():
    """Two Swin blocks for 56x56 pixels, the second one with shifted windows."""
    import torch
    from torchvision.models.swin_transformer import SwinTransformerBlock
    blocks = [SwinTransformerBlock(96, 3, [7, 7], [shift, shift]) for shift in (0, 3)]

    class ChannelsFirst(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = torch.nn.Sequential(*blocks)

        def forward(self, x):
            return self.blocks(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    return ChannelsFirst(), (96, 56, 56)


def detr_encoder():
    import torch
    return torch.nn.TransformerEncoderLayer(256, 8, 1024, activation="gelu", batch_first=True), (400, 256)


def vit_block():
    from timm.models.vision_transformer import Block
    return Block(192, 3, qkv_bias=True), (197, 192)


def wide_resnet():
    """WRN-16-4 for 32x32 pixels (Zagoruyko, Komodakis: Wide Residual Networks, table 1)."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, n, m, stride):
            super().__init__()
            self.before = nn.Sequential(nn.BatchNorm2d(n), nn.ReLU())
            self.body = nn.Sequential(nn.Conv2d(n, m, 3, stride, 1, bias=False), nn.BatchNorm2d(m), nn.ReLU(),
                                      nn.Conv2d(m, m, 3, 1, 1, bias=False))
            self.shortcut = nn.Conv2d(n, m, 1, stride, bias=False) if n != m or stride > 1 else None

        def forward(self, x):
            y = self.before(x)
            return self.body(y) + (self.shortcut(y) if self.shortcut else x)

    stages = [Block(n, m, stride) for a, b, first in ((16, 64, 1), (64, 128, 2), (128, 256, 2))
              for n, m, stride in ((a, b, first), (b, b, 1))]
    return nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), *stages, nn.BatchNorm2d(256), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 10)), (3, 32, 32)


def write_part(name, path):
    import torch, zoo
    zoo.load("own")
    torch.manual_seed(1)
    net, shape = globals()[name]()
    net = zoo.Tensors(net.eval())
    with torch.no_grad():
        torch.onnx.export(net, torch.randn(1, *shape), path, dynamo=False, opset_version=17)


def write(name):
    import zoo
    library, net, exporter = {**NETS, **UNTUNED}[name]
    path = base_of(name) + ".onnx"
    os.makedirs(KEPT, exist_ok=True)
    if library == "parts":
        write_part(net, path + ".new")
    else:
        zoo.load(library)
        zoo.write(library, net, exporter, path + ".new")
    os.replace(path + ".new", path)


def base_of(name):
    return os.path.join(KEPT, "-".join({**NETS, **UNTUNED}[name]))


# ---- measuring
class Exported(Case):
    def __init__(self, options, name):
        base = base_of(name)
        subprocess.run([options.cnnc, "import", base + ".onnx", "-o", base, "--name=net"], check=True,
                       capture_output=True)
        facts = json.loads(subprocess.run([options.cnnc, base + ".cnn", "--emit=json"], check=True,
                                          capture_output=True).stdout)
        super().__init__("net", [base + ".cnn"], None, 1, facts, weights_of(base + ".safetensors"))
        with open(base + ".onnx", "rb") as file:
            self.model = file.read()

    def onnx(self):
        """The bytes of the exported model, the name and numbers of its input, and the names of its
        outputs."""
        import onnx
        graph = onnx.load_model_from_string(self.model).graph
        port = graph.input[0]
        shape = [1] + [d.dim_value for d in port.type.tensor_type.shape.dim][1:]
        last = list(self.images.shape[1:]) == shape[1:] or self.images.size == max(self.images.shape)
        images = self.images.reshape(shape) if last else np.moveaxis(self.images, -1, 1)
        return self.model, port.name, np.ascontiguousarray(images), [out.name for out in graph.output]


def weights_of(path):
    with open(path, "rb") as file:
        head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        data = file.read()
    return {name: np.frombuffer(data[slice(*row["data_offsets"])], np.float32).reshape(row["shape"])
            for name, row in head.items() if name != "__metadata__"}


def difference(ours, theirs, most):
    """The largest difference of all outputs, each relative to the largest number of the peer's output. Ends
    the script if the difference exceeds `most`. Channels first and channels last are tried, and the smaller
    difference counts. Rows of a ranking may change places if their scores are nearly equal."""
    worst = 0
    for got, wanted in zip(ours.results(), theirs.raw(), strict=True):
        largest = np.abs(wanted).max()
        ways = [way.ravel() for way in (wanted, np.moveaxis(wanted, 1, -1))]
        off = min(float(np.abs(got.ravel() - way).max()) for way in ways) / largest
        if off > most and got.shape == wanted.shape and got.ndim == 3:
            off = float(np.abs(matched(got, wanted, most * largest) - wanted).max()) / largest
        worst = max(worst, off)
    if not worst <= most:
        raise SystemExit(f"the outputs differ by {worst:.2g} of the largest")
    return worst


def measure(options, name, threads, peaks):
    if not os.path.exists(base_of(name) + ".onnx"):
        subprocess.run([sys.executable, "-B", __file__, "--write", name], check=True, capture_output=True)
    try:
        case = Exported(options, name)
    except subprocess.CalledProcessError as problem:
        print(f"| {name} | not imported: {problem.stderr.decode().splitlines()[0]} |", flush=True)
        return math.nan
    sides = [Ours(options, case, threads)] + [peer(options, case, threads) for peer in options.peers]
    least, *theirs = in_turns(sides, threads, options.seconds)
    most = MOST_BF16 if options.bf16 else MOST
    worst = max((difference(sides[0], side, most) for side in sides[1:] if hasattr(side, "raw")), default=0)
    sides[0].stop()
    share = 2e-9 * case.facts["totals"]["macs"] / least / peaks[threads]
    cells = [name, threads, f"{1e3 * least:.4g}", f"{100 * share:.0f} %",
             *(f"{seconds / least:.2f}x" for seconds in theirs), f"{worst:.0e}"]
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)
    return min(theirs, default=math.nan) / least


def main():
    if sys.argv[1] == "--write":
        return write(sys.argv[2])
    options = inference.read_options([*NETS, *UNTUNED, "untuned"], "net", 6)
    nets = UNTUNED if options.nets == ["untuned"] else options.nets or NETS
    peaks = {threads: inference.peak(options, threads) for threads in options.threads}
    inference.print_machine(options, "bf16" if options.bf16 else "fp32")
    print("peak of " + "; ".join(f"{n} threads: {peaks[n]:.0f} GFLOP/s" for n in options.threads) + "\n")
    columns = ["net", "threads", "cnnc ms", "of peak", *(peer.name for peer in options.peers),
               "largest difference"]
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|", flush=True)
    ratios = [measure(options, name, threads, peaks)
              for name in nets for threads in options.threads]
    if options.peers:
        ratios = [ratio for ratio in ratios if ratio == ratio]
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"\nagainst the better peer: {mean:.2f} in the geometric mean")


if __name__ == "__main__":
    main()
