"""steps.py: calls imported models step by step. Used by the scripts of tests/import."""
# SPDX-License-Identifier: Apache-2.0
import ctypes
import os
import subprocess

from libraries import library_command
from tap import check

CNNC = os.environ["CNNC"]


def imported(name, data, *options):
    """Writes a model's bytes to a file, and imports it as net m in m.cnn."""
    with open(name, "wb") as file:
        file.write(data)
    line = [CNNC, "import", name, "--name=m", "-o", "m", *options]
    return subprocess.run(line, capture_output=True, text=True)


class Steps:
    """The imported model, compiled. step(*inputs) returns the outputs of a call. kind: the C type of numbers;
    sizes: numbers per output; keeps: the model has states; options: options of cnnc; given: the C type of
    inputs, if it differs from `kind`."""

    made = 0

    def __init__(self, kind, sizes, keeps=True, options=(), given=None):
        Steps.made += 1
        self.keeps = keeps
        path = f"./m{Steps.made}.so"  # dlopen would return the loaded library again for an old name
        steps = ([CNNC, "m.cnn", "--weights=m.safetensors", *options, "-o", "m.c"],
                 library_command("m.c", path))
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True)
            if done.returncode:
                raise SystemExit(f"{step}: {done.stderr}")
        self.library, self.kind, self.sizes, self.given = ctypes.CDLL(path), kind, sizes, given or kind
        with open("m.h", encoding="utf-8") as file:
            header = file.read()
        trained = "m_trained" in header
        self.model = trained and ctypes.byref(ctypes.c_char.in_dll(self.library, "m_trained"))
        size = {words[1]: int(words[2]) for words in map(str.split, header.splitlines())
                if words[:1] == ["#define"] and len(words) > 2 and words[2].isdigit()}
        self.workspace = (ctypes.c_uint64 * (size["M_WORKSPACE_BYTES"] // 8 + 9))()
        self.state_bytes = size.get("M_STATE_BYTES", 0)
        if not keeps:
            return
        self.state = (ctypes.c_uint8 * self.state_bytes)(*[0xa5] * self.state_bytes)
        check(not self.library.m_state_ok(self.state), "a state with other bytes is invalid")
        self.library.m_reset(self.state)
        check(self.library.m_state_ok(self.state), "  and after a reset it is valid")

    def step(self, *inputs):
        given = [(self.given * len(x))(*x) for x in inputs]
        outputs = [(self.kind * n)() for n in self.sizes]
        model = [self.model] if self.model else []
        if self.keeps:
            self.library.m_step(*model, *given, *outputs, self.state, self.workspace)
        else:
            at = ctypes.addressof(self.workspace)
            self.library.m_infer(*model, *given, *outputs, ctypes.c_void_p(at + -at % 64))
        return [list(y) for y in outputs]
