# lsp_speed.py: how long a key stroke takes in a large program, from the change to the messages and the hints.
# SPDX-License-Identifier: Apache-2.0
import os, time
from lsp_client import Client, uri_of

LIMIT = 0.020  # seconds, on a machine that does nothing else; the least of several counts
LOADED = 10  # times as long where tests run beside each other, or with sanitizers


def speed(check, rounds=30):
    path = os.path.join(os.environ["top_srcdir"], "examples", "vgg16", "vgg16.cnn")
    uri = uri_of(path)
    with open(path) as f:
        text = f.read()
    c = Client()
    c.initialize(refresh=False)
    c.open(uri, text)
    c.messages(uri)
    line = next(i for i, one in enumerate(text.split("\n")) if "conv(" in one or "dense(" in one)
    times = []
    for i in range(rounds):
        start = time.perf_counter()
        at = len(text.split("\n")[line])
        c.change(uri, ((line, at), (line, at), " ") if i % 2 == 0 else ((line, at), (line, at + 1), ""))
        found = c.messages(uri)
        hints = c.of("textDocument/inlayHint", uri)
        times.append(time.perf_counter() - start)
    check(found == [] and len(hints) > 10, "a large program with hints behind its calls", (found, hints))
    print(f"# a key stroke in VGG16: {min(times) * 1e3:.2f} ms at the least, "
          f"{sorted(times)[len(times) // 2] * 1e3:.2f} ms as a rule")
    check(min(times) < LIMIT * LOADED, "a key stroke in VGG16 is fast", times)
    c.finish()
