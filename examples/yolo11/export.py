"""export.py WEIGHTS SIZE: exports an Ultralytics detector for images of SIZE x SIZE pixels as ONNX, and
writes the names of its classes, one per line. WEIGHTS: yolo11n.pt, or yolo11n.yaml for random weights."""
# SPDX-License-Identifier: Apache-2.0
import os, sys
from ultralytics import YOLO

weights, size = sys.argv[1], int(sys.argv[2])
base = os.path.splitext(os.path.basename(weights))[0]
model = YOLO(weights)
if weights.endswith(".yaml"):
    model.save(base + ".pt")
model.export(format="onnx", imgsz=size, opset=17, simplify=False)
with open(base + ".names", "w") as file:
    file.writelines(name + "\n" for name in model.names.values())
