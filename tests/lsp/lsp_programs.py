# lsp_programs.py: compares the responses for each program of tests/ and examples/ with the compiler: each
# call of a layer is followed by its shape, each name can be renamed, and formatting equals cnnc fmt's.
# SPDX-License-Identifier: Apache-2.0
import glob, os, re, subprocess
from lsp_client import Client, apply, uri_of


def shapes_missing(path, hints):
    """Layers of the program without a shape hint. States of keep=true, and regions viewed as rows, are
    ignored: they are not written in the program."""
    run = subprocess.run([os.environ["CNNC"], "--emit=graph", path, "-o", "-"], capture_output=True,
                         text=True, timeout=60)
    layers = re.findall(r"^%\d+ = (?!input\()[^)]*\) ([\w.]+): ((?:\d+ of )?[\dx]+)", run.stdout, re.M)
    told = "\n".join(h.get("tooltip", "") for h in hints)
    labels = {h["label"] for h in hints}
    if " more" in told:
        return []
    if not layers:  # a library has none
        return [] if "no-net" in run.stderr else ["no layers: " + run.stderr]
    return [f"{name}: {shape}" for name, shape in layers
            if f"{name}: {shape}" not in told and shape not in labels
            and not re.search(r"\.(hidden|cell|features)(_update)?$|_rows$", name)]


def names_refused(c, uri, text):
    """The number of names that were tried, and those that cannot be renamed."""
    seen, refused = set(), []
    for i, line in enumerate(text.split("\n")):
        for word in re.finditer(r"[A-Za-z_]\w*", line.split("#")[0]):
            column = len(line[:word.start()].encode())
            if word.group() in seen or not c.at("textDocument/prepareRename", uri, i, column):
                continue
            seen.add(word.group())
            answer = c.at("textDocument/rename", uri, i, column, newName="zz_another")
            if "failed" in answer:
                refused.append(f"{uri}:{i + 1}: {word.group()}: {answer}")
    return len(seen), refused


def programs(check):
    top = os.environ["top_srcdir"]
    paths = [path for folder in ("tests/run", "tests/grad", "examples/*")
             for path in sorted(glob.glob(os.path.join(top, folder, "*.cnn")))]
    c = Client()
    c.initialize(["utf-8"])
    shapes, refused, laid, names, hinted = [], [], [], 0, 0
    for path in paths:
        with open(path) as f:
            text = f.read()
        uri = uri_of(path)
        c.open(uri, text)
        mistakes = [m for m in c.messages(uri) if m["severity"] == 1]
        hints = c.of("textDocument/inlayHint", uri)
        hinted += len(hints)
        if mistakes or "import " in text:
            c.tell("textDocument/didClose", textDocument={"uri": uri})
            continue
        shapes += [f"{path}: {name}" for name in shapes_missing(path, hints)]
        n, wrong = names_refused(c, uri, text)
        names, refused = names + n, refused + wrong
        edits = c.of("textDocument/formatting", uri, options={})
        fmt = subprocess.run([os.environ["CNNC"], "fmt", path], capture_output=True, text=True, timeout=60)
        if apply(text, edits, "utf-8") != fmt.stdout:
            laid.append(path)
        c.tell("textDocument/didClose", textDocument={"uri": uri})
    print(f"# {len(paths)} programs, {hinted} hints, {names} names")
    check(len(paths) > 100 and hinted > 1000 and names > 500, "there are programs")
    check(not shapes, "programs: each layer has its shape after a call", "\n".join(shapes))
    check(not refused, "programs: each name can be renamed", "\n".join(refused))
    check(not laid, "programs: formatting is that of cnnc fmt", "\n".join(laid))
    c.finish()
