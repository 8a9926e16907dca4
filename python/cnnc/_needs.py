# SPDX-License-Identifier: Apache-2.0
"""Reports that numpy is missing: as an exception or, for python3 -m cnnc, as a message."""

import importlib.util
import sys

if not importlib.util.find_spec("numpy"):
    NEEDS = "cnnc needs numpy: python3 -m pip install numpy"
    if sys.argv[:1] == ["-m"]:
        sys.exit(f"cnnc: error: {NEEDS}")
    raise ImportError(NEEDS)
