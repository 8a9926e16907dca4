"""stack.py TREE: the bound on the stack of runtime functions: `depth` of each Routine is its longest chain of
calls, and no function calls itself.
SPDX-License-Identifier: Apache-2.0"""

import re
import sys
from pathlib import Path

OPS = Path(sys.argv[1]) / "compiler/ops"
calls: dict[str, set[str]] = {}
for path in OPS.glob("*/*_routine.h"):
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(), flags=re.DOTALL)
    for body in re.split(r"(?m)^(?=static )", text):
        name, *called = re.findall(r"cnn_(\w+)_routine\(", body) or [None]
        if name:
            calls[name] = set(called)


def depth(name: str, outer: tuple[str, ...] = ()) -> int:
    if name in outer:
        sys.exit(f"{name} calls itself")
    return 1 + max((depth(called, (*outer, name)) for called in calls[name]), default=0)


stated = {}
for path in OPS.glob("*/*.c"):
    routine = r'Routine \w+ = \{\s*\.name = "(\w+)",[^}]*?\.depth = (\d+)'
    for name, value in re.findall(routine, path.read_text()):
        stated[name] = int(value)
wanted = {name: depth(name) for name in stated}
if stated != wanted or len(stated) < 15:
    sys.exit(f"stated {stated}, right {wanted}")
