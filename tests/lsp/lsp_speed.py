# lsp_speed.py: the time of a key stroke in a large program, from the change to the messages and the hints.
# Also checks that the server's memory does not grow with the number of changes.
# SPDX-License-Identifier: Apache-2.0
import os, time
from lsp_client import Client, uri_of

LIMIT = 0.020  # seconds, on an idle machine; the minimum of several runs counts
STROKES, MOST_MORE = 300, 8000  # MOST_MORE is in kilobytes: each analysis needs more than 100
LOADED = 10  # permitted slowdown, as tests may run in parallel or with sanitizers


def resident(c):
    """Memory of the server in KB; None if the system does not report it."""
    try:
        with open(f"/proc/{c.process.pid}/status") as f:
            return next((int(line.split()[1]) for line in f if line.startswith("VmRSS")), None)
    except OSError:
        return None


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
    check(found == [] and len(hints) > 10, "a large program with hints after its calls", (found, hints))
    print(f"# a key stroke in VGG16: {min(times) * 1e3:.2f} ms at the least, "
          f"{sorted(times)[len(times) // 2] * 1e3:.2f} ms is the median")
    check(min(times) < LIMIT * LOADED, "a key stroke in VGG16 is fast", times)
    begun = resident(c)
    for i in range(STROKES):
        c.change(uri, ((0, 0), (0, 0), "#") if i % 2 == 0 else ((0, 0), (0, 1), ""))
        for method in ("hover", "completion", "codeLens", "inlayHint"):
            c.at("textDocument/" + method, uri, 2, 6)
    sanitized = "SANITIZED" in os.environ  # sanitizers keep freed memory
    check(sanitized or begun is None or resident(c) < begun + MOST_MORE,
          "the memory does not grow with the number of changes", f"{begun} kB, then {resident(c)} kB")
    c.finish()
