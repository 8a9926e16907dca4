#!/usr/bin/env python3
# make.py: recomputes the golden values with PyTorch: optimizers.txt, ops.inc, special.inc, aware.inc,
# yolo.inc, detection.inc, detection_losses.inc, nets.txt and steps.txt. Needs torch (1.13 or later),
# torchvision and numpy.
# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))
for script, printed in (("optimizers.py", None), ("ops.py", "ops.inc"), ("special.py", "special.inc"),
                        ("aware.py", "aware.inc"), ("yolo.py", "yolo.inc"), ("detection.py", None),
                        ("nets.py", None), ("steps.py", None)):
    text = subprocess.run([sys.executable, os.path.join(here, script)], check=True,
                          stdout=subprocess.PIPE).stdout
    if printed:
        with open(os.path.join(here, printed), "wb") as out:
            out.write(text)
