"""zoo.py: published nets with random weights: of torchvision, timm, Ultralytics, Hugging Face and Keras, the
light models of onnx's tests, and a net in the usual style of PyTorch code. Weights are random, statistics of
batch normalization are computed from noise, and each net is exported to ONNX by every exporter that supports
it."""
# SPDX-License-Identifier: Apache-2.0
import os, shutil, sys, tempfile, warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.gettempdir())

# library: the width and height of its images, and the names of its nets
NETS = {
    "torchvision": (224, """alexnet vgg11_bn resnet18 resnet50 resnext50_32x4d densenet121 squeezenet1_1
        googlenet inception_v3 mobilenet_v2 mobilenet_v3_small mnasnet1_0 shufflenet_v2_x1_0 efficientnet_b0
        regnet_y_400mf convnext_tiny segmentation.deeplabv3_mobilenet_v3_large
        segmentation.lraspp_mobilenet_v3_large efficientnet_v2_s regnet_x_400mf segmentation.fcn_resnet50
        vit_b_16 swin_t swin_v2_t maxvit_t vgg16 wide_resnet50_2"""),
    "ultralytics": (320, """yolov3-tiny yolov5n yolov5n-anchors yolov8n yolov8n-cls yolov8n-seg
        yolov8n-pose yolov9t yolov10n yolo11n yolo11n-seg yolo11n-pose yolo11n-obb yolo11n-cls yolo12n
        yolo26n rtdetr-l"""),
    "timm": (224, """resnet26d ecaresnet26t skresnet18 resnetv2_50x1_bit res2net50_26w_4s cspresnet50 dla34
        repvgg_a0 rexnet_100 ghostnet_100 lcnet_050 tf_efficientnet_lite0 mobilenetv4_conv_small
        nf_regnet_b0 convnextv2_atto poolformer_s12 hrnet_w18_small seresnext26d_32x4d ese_vovnet19b_dw
        mixnet_s dpn68 xception41 mobileone_s0 fastvit_t8 hgnetv2_b0 repghostnet_050 starnet_s1
        inception_next_atto convmixer_768_32 convformer_s18 mambaout_femto cspdarknet53 resnest14d
        densenetblur121d selecsls42b gernet_s tinynet_e eca_nfnet_l0 inception_v4 edgenext_xx_small
        vit_tiny_patch16_224 vit_small_patch16_224 deit_tiny_patch16_224 levit_128s mobilevit_s
        efficientvit_b0 efficientvit_m0 edgenext_x_small fastvit_sa12 mobilenetv4_hybrid_medium
        vit_small_patch14_dinov2"""),
    "transformers": (320, "rt_detr_r18 d_fine_n whisper_tiny_encoder"),  # Hugging Face
    "own": (96, "unet"),  # written here
    "keras": (224, """VGG16 MobileNet MobileNetV2 MobileNetV3Small ResNet50 DenseNet121 EfficientNetB0
        Xception ResNet50V2 InceptionV3 InceptionResNetV2 NASNetMobile EfficientNetV2B0
        MobileNetV3Large"""),
    "onnx": (224, """bvlc_alexnet densenet121 inception_v1 inception_v2 resnet50 shufflenet squeezenet vgg19
        zfnet512"""),
}
EXPORTERS = {"keras": ["tf2onnx"], "onnx": ["light"]}  # "light": a model of onnx's own tests
SIDES = {"inception_v3": 299, "yolov8n-cls": 224, "yolo11n-cls": 224, "VGG16": 128, "levit_128s": 224,
         "maxvit_t": 224, "swin_v2_t": 256, "mobilevit_s": 256, "vit_small_patch14_dinov2": 518}
SOUNDS = {"whisper_tiny_encoder": (80, 3000)}  # nets with one-dimensional inputs: channels, length


def nets():
    """(library, name, exporter) of all nets. Exporters without torch are first: TensorFlow cannot be loaded
    after torch, because both contain LLVM."""
    for exporter in ("light", "tf2onnx", "torch", "dynamo"):
        for library, (_, names) in NETS.items():
            for name in names.split() if exporter in EXPORTERS.get(library, ["torch", "dynamo"]) else []:
                yield library, name, exporter


def side_of(library, name):
    return SIDES.get(name) or NETS[library][0]


# ---- torch
def torch_net(library, name):
    if library == "torchvision":
        import torchvision
        table = torchvision.models
        for part in name.split(".")[:-1]:
            table = getattr(table, part)
        more = {"weights_backbone": None} if "." in name else {}
        more |= {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
        return getattr(table, name.split(".")[-1])(weights=None, **more)
    if library == "timm":
        import timm
        return timm.create_model(name, pretrained=False)
    if library == "own":
        return {"unet": unet}[name]()
    if library == "transformers":
        return {"rt_detr_r18": rt_detr, "d_fine_n": d_fine, "whisper_tiny_encoder": whisper}[name]()
    import ultralytics
    if name.startswith("rtdetr"):
        return ultralytics.RTDETR(name + ".yaml").model
    net = ultralytics.YOLO(name.removesuffix("-anchors") + ".yaml", verbose=False).model
    return with_anchors(net) if name.endswith("-anchors") else net


def unet():
    """A segmentation net with skip connections. It upsamples in three ways. Two of them, a transposed
    convolution and nearest neighbor, double the size. The third is bilinear interpolation to the size of
    another value, with which the result is then concatenated."""
    import torch
    from torch.nn import functional

    def double(n, m):
        layers = []
        for k in (n, m):
            layers += [torch.nn.Conv2d(k, m, 3, padding=1, bias=False), torch.nn.BatchNorm2d(m),
                       torch.nn.ReLU(inplace=True)]
        return torch.nn.Sequential(*layers)

    class Unet(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.down1, self.down2, self.down3 = double(3, 16), double(16, 32), double(32, 64)
            self.middle = double(64, 128)
            self.up3 = torch.nn.ConvTranspose2d(128, 64, 2, stride=2)
            self.after3, self.after2, self.after1 = double(128, 64), double(96, 32), double(48, 16)
            self.scores = torch.nn.Conv2d(16, 5, 1)

        def forward(self, x):
            d1 = self.down1(x)
            d2 = self.down2(functional.max_pool2d(d1, 2))
            d3 = self.down3(functional.max_pool2d(d2, 2))
            y = self.middle(functional.max_pool2d(d3, 2))
            y = self.after3(torch.cat((d3, self.up3(y)), 1))
            y = functional.interpolate(y, scale_factor=2, mode="nearest")
            y = self.after2(torch.cat((d2, y), 1))
            y = functional.interpolate(y, size=d1.shape[2:], mode="bilinear", align_corners=False)
            y = self.after1(torch.cat((d1, y), 1))
            return functional.softmax(self.scores(y), 1)

    return Unet()


# ---- Hugging Face: the configurations of published checkpoints
def rt_detr():
    from transformers import RTDetrConfig, RTDetrForObjectDetection
    small = {"model_type": "rt_detr_resnet", "embedding_size": 64, "hidden_sizes": [64, 128, 256, 512],
             "depths": [2, 2, 2, 2], "layer_type": "basic", "out_features": ["stage2", "stage3", "stage4"]}
    config = RTDetrConfig(backbone_config=small, encoder_in_channels=[128, 256, 512], decoder_layers=3,
                          hidden_expansion=0.5, freeze_backbone_batch_norms=False)
    return Detections(RTDetrForObjectDetection(config))


def d_fine():
    from transformers import DFineConfig, DFineForObjectDetection
    from transformers.models.d_fine import modeling_d_fine
    modeling_d_fine.torch_compilable_check = lambda *_: None  # a check that torch.export cannot export
    small = {"model_type": "hgnet_v2", "hidden_sizes": [128, 256, 512, 1024], "stem_channels": [3, 16, 16],
             "stage_in_channels": [16, 64, 256, 512], "stage_mid_channels": [16, 32, 64, 128],
             "stage_out_channels": [64, 256, 512, 1024], "stage_num_blocks": [1, 1, 2, 1],
             "stage_numb_of_layers": [3, 3, 3, 3], "stage_downsample": [False, True, True, True],
             "stage_light_block": [False, False, True, True], "stage_kernel_size": [3, 3, 5, 5],
             "out_indices": [3, 4], "use_learnable_affine_block": True}
    config = DFineConfig(backbone_config=small, encoder_in_channels=[512, 1024], encoder_hidden_dim=128,
                         encoder_ffn_dim=512, encode_proj_layers=[1], depth_mult=0.5, hidden_expansion=0.34,
                         d_model=128, decoder_in_channels=[128, 128], decoder_ffn_dim=512, decoder_layers=3,
                         decoder_n_points=[6, 6], num_feature_levels=2, feat_strides=[16, 32],
                         freeze_backbone_batch_norms=False)
    return Detections(DFineForObjectDetection(config))


def whisper():
    from transformers import WhisperConfig, WhisperModel
    tiny = WhisperConfig(d_model=384, encoder_layers=4, encoder_attention_heads=6, encoder_ffn_dim=1536,
                         decoder_layers=1, decoder_attention_heads=6, decoder_ffn_dim=1536)
    return WhisperModel(tiny).encoder


class Detections:
    """A module that returns the scores and boxes of a detector, concatenated."""

    def __new__(cls, net):
        import torch

        class Pair(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.net = net

            def forward(self, x):
                found = self.net(x)
                return torch.cat((found.logits, found.pred_boxes), 2)

        return Pair()


def with_anchors(net):
    """Replaces the net's head, which has no anchors, with YOLOv5's head before 2023, which uses anchors."""
    import torch

    class Detect(torch.nn.Module):
        anchors = ((10, 13, 16, 30, 33, 23), (30, 61, 62, 45, 59, 119), (116, 90, 156, 198, 373, 326))

        def __init__(self, head):
            super().__init__()
            self.i, self.f, self.type, self.stride = head.i, head.f, head.type, head.stride
            channels = [part[0].conv.in_channels for part in head.cv2]
            self.m = torch.nn.ModuleList(torch.nn.Conv2d(n, 255, 1) for n in channels)

        def forward(self, x):
            rows = []
            for conv, anchors, stride, y in zip(self.m, self.anchors, (8, 16, 32), x):
                n, _, h, w = y.shape
                y = conv(y).view(n, 3, 85, h, w).permute(0, 1, 3, 4, 2).contiguous()
                down, across = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
                grid = torch.stack((across, down), 2).expand(1, 3, h, w, 2).float() - 0.5
                shapes = torch.tensor(anchors).view(1, 3, 1, 1, 2).expand(1, 3, h, w, 2).float()
                xy, wh, rest = y.sigmoid().split((2, 2, 81), 4)
                y = torch.cat(((xy * 2 + grid) * stride, (wh * 2) ** 2 * shapes, rest), 4)
                rows.append(y.view(n, 3 * h * w, 85))
            return torch.cat(rows, 1)

    net.model[-1] = Detect(net.model[-1])
    return net


def calibrate_torch(net, shape):
    """Adds noise to one-dimensional parameters, such as factors and constants per channel. Fills matrices of
    zeros with random numbers. Sets the statistics of batch normalization from one pass over noise."""
    import torch
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() < 2:
                parameter.add_(0.1 * torch.randn_like(parameter))
            elif not parameter.any():
                parameter.normal_(std=0.02)
        for module in net.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.momentum = None
        net.train()
        net(torch.randn(4, *shape))
    return net.eval()


class Tensors:
    """A module that returns one tensor, as exporters require: the first of the net's results."""

    def __new__(cls, net):
        import torch

        class First(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.net = net

            def forward(self, x):
                y = self.net(x)
                while isinstance(y, (tuple, list, dict)):
                    y = y["out"] if isinstance(y, dict) and "out" in y else y[0]
                return y

        return First().eval()


def write_torch(library, name, exporter, path):
    import torch
    torch.manual_seed(1)
    side = side_of(library, name)
    shape = SOUNDS.get(name) or (3, side, side)
    net = calibrate_torch(torch_net(library, name), shape)
    if library == "ultralytics":  # as the library's own export does
        for module in net.modules():
            if hasattr(module, "export"):
                module.export, module.format = True, "onnx"
    if library != "timm":
        net = Tensors(net)
    example = torch.randn(1, *shape)
    with torch.no_grad():
        net(example)
        if exporter == "torch":
            torch.onnx.export(net, example, path, dynamo=False, opset_version=17)
        else:
            torch.onnx.export(net, example, path, dynamo=True, external_data=False, verbose=False)


# ---- Keras
def write_keras(name, path):
    import keras, numpy as np
    keras.utils.set_random_seed(1)
    side = side_of("keras", name)
    # No softmax, because it makes most scores 0. No preprocessing in EfficientNetV2B0, because the exporter
    # turns its constants into inputs.
    more = {"include_preprocessing": False} if name == "EfficientNetV2B0" else {}
    net = getattr(keras.applications, name)(weights=None, input_shape=(side, side, 3),
                                            classifier_activation=None, **more)
    random = np.random.default_rng(1)
    for weight in net.trainable_weights:
        if len(weight.shape) == 1:
            weight.assign(weight.numpy() + 0.1 * random.standard_normal(weight.shape))
    layers = [layer for layer in net._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in layers:
        layer.momentum = 0.0
    noise = random.standard_normal((4, side, side, 3)).astype("float32")
    raw = any(isinstance(layer, keras.layers.Rescaling) for layer in net._flatten_layers())
    net(60 * noise + 120 if raw else noise, training=bool(layers))
    net.export(path, format="onnx", verbose=False)


def load(library):
    """Imports the modules that all processes of the library's nets share."""
    if library in EXPORTERS:
        return
    import onnxscript, torch
    torch.set_num_threads(1)
    torch.backends.mha.set_fastpath_enabled(False)  # the fast path cannot be exported to ONNX
    if library == "transformers":
        sys.modules["torchaudio"] = None  # not needed, and often built for another version of CUDA
    if library != "own":
        __import__(library)


def light(name):
    """The path, without suffix, of a light model of onnx's tests. All elements of a large weight are equal.
    The expected outputs are stored next to the model."""
    import onnx
    return os.path.join(os.path.dirname(onnx.__file__), "backend", "test", "data", "light", "light_" + name)


def write(library, name, exporter, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if library == "onnx":
            shutil.copy(light(name) + ".onnx", path)
        elif library == "keras":
            write_keras(name, path)
        else:
            write_torch(library, name, exporter, path)
