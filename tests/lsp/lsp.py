# lsp.py: the cases of lsp.tap: sessions of an editor.
# SPDX-License-Identifier: Apache-2.0
import json, os, subprocess
from lsp_client import Client, apply, uri_of
from lsp_hostile import hostile
from lsp_programs import programs
from lsp_speed import speed
from tap import check, finish, start

BLOCKS = """# A stage.
block stage(filters, kernel=3) {
    c1 = conv(filters, kernel, pad=same) -> relu
    maxpool(2)
}
const classes = 10
"""
NET = """import "blocks.cnn"

net digits {
    input image: 28x28x1 as u8
    normalize(scale=1 / 255)
    first = stage(8)
    stage(16, kernel=5)
    second = flatten
    dense(classes) -> softmax

    train {
        loss = cross_entropy
    }
}
"""
work = start("lsp")
os.mkdir("sub")
net, blocks = uri_of("digits.cnn"), uri_of("blocks.cnn")
with open("blocks.cnn", "w") as f:
    f.write(BLOCKS)
with open("digits.cnn", "w") as f:
    f.write(NET)


def line_of(text, what):
    """The position at which a piece of text begins."""
    at = text.index(what)
    return text[:at].count("\n"), at - (text.rfind("\n", 0, at) + 1)


def inside(text, what, step=1):
    line, character = line_of(text, what)
    return line, character + step


def hints(c, uri):
    return {(h["position"]["line"], h["position"]["character"]): h
            for h in c.of("textDocument/inlayHint", uri)}


def labels(c, uri):
    return [h["label"] for h in c.of("textDocument/inlayHint", uri)]


def begin():
    c = Client()
    answer = c.initialize()
    c.open(net, NET)
    return c, answer


def lifecycle():
    c = Client()
    check(c.ask("textDocument/hover")["error"]["code"] == -32002, "a request before initialize")
    c.tell("textDocument/didOpen", textDocument={"uri": net, "version": 1, "text": "net"})
    answer = c.initialize()
    check(answer["capabilities"]["positionEncoding"] == "utf-16", "utf-16 where nothing else is offered")
    check(answer["serverInfo"]["name"] == "cnnc", "it names itself")
    check(c.ask("initialize")["error"]["code"] == -32600, "a second initialize")
    check(c.ask("textDocument/none")["error"]["code"] == -32601, "an unknown method")
    check(c.ask("textDocument/hover", textDocument={"uri": net})["error"]["code"] == -32602,
          "documents sent before initialize are not open")
    c.tell("$/setTrace", value="off")
    check(c.ask("shutdown")["result"] is None, "shutdown")
    check(c.ask("textDocument/hover")["error"]["code"] == -32600, "a request after shutdown")
    c.tell("exit")
    check(c.close() == (0, ""), "exit after shutdown: 0")
    c = Client()
    c.initialize()
    c.tell("exit")
    check(c.close()[0] == 1, "exit without shutdown: 1")
    c = Client(["--stdio"])
    c.initialize()
    check(c.close()[0] == 1, "the editor is gone: 1")
    for words in (["file.cnn"], ["--what"], ["--std"]):
        run = subprocess.run([os.environ["CNNC"], "lsp", *words], capture_output=True, text=True, timeout=60)
        check(run.returncode == 2 and "error" in run.stderr, f"a wrong command line: {words[0]}", run.stderr)
    run = subprocess.run([os.environ["CNNC"], "lsp", "--help"], capture_output=True, text=True, timeout=60)
    check(run.returncode == 0 and "-I FOLDER" in run.stdout, "--help")
    c = Client()
    check(c.initialize(["utf-16", "utf-8"])["capabilities"]["positionEncoding"] == "utf-8",
          "utf-8 where it is offered")
    c.finish()


def diagnostics():
    c, _ = begin()
    check(c.messages(net) == [], "a right program has no messages")
    at = inside(NET, "dense(classes)", 0)
    c.change(net, (at, (at[0], at[1] + 5), "densee"))
    found = c.messages(net)
    check(len(found) == 1 and found[0]["code"] == "unknown-operator" and found[0]["source"] == "cnnc",
          "an error has its slug", found)
    check(found[0]["range"] == {"start": {"line": at[0], "character": at[1]},
                                "end": {"line": at[0], "character": at[1] + 6}}, "and its position", found)
    check("did you mean 'dense'" in found[0]["message"], "and its help", found)
    actions = c.of("textDocument/codeAction", net, range=found[0]["range"],
                   context={"diagnostics": found})
    quick = [a for a in actions if a["kind"] == "quickfix"]
    broken = NET.replace("dense(", "densee(")
    check(len(quick) == 1 and apply(broken, quick[0]["edit"]["changes"][net]) == NET,
          "a code action fixes it", actions)
    whole = [a for a in actions if a["kind"] == "source.fixAll.cnnc"]
    check(len(whole) == 1 and apply(broken, whole[0]["edit"]["changes"][net]) == NET,
          "and so does the action for all fixes", actions)
    only = c.of("textDocument/codeAction", net, range=found[0]["range"],
                context={"diagnostics": [], "only": ["refactor"]})
    check(only == [], "no actions of kinds that were not requested", only)
    hover = c.at("textDocument/hover", net, at[0], at[1] + 1)
    check("unknown-operator" in hover["contents"]["value"] and "Wrong:" in hover["contents"]["value"],
          "hover explains the error", hover)
    c.change(net, NET.replace("stage(16, kernel=5)", "stage(16, kernel=5) -> conv(4, 9x9)"))
    found = c.messages(net)
    check(len(found) == 1 and "floor((" in found[0]["message"], "the formula is in the message", found)
    actions = c.of("textDocument/codeAction", net, range=found[0]["range"], context={"only": ["quickfix"]})
    check(len(actions) == 1 and "conv(4, 9x9, pad=same)" in apply(NET.replace(
        "stage(16, kernel=5)", "stage(16, kernel=5) -> conv(4, 9x9)"), actions[0]["edit"]["changes"][net]),
        "a code action sets pad=same", actions)
    related = found[0]["relatedInformation"]
    check(any(r["location"]["uri"] == blocks and "is the output of" in r["message"] for r in related),
          "other places are reported, in imports too", related)
    check(c.finish() == (0, ""), "the session ends well")


def broken():
    c, _ = begin()
    c.messages(net)
    before = labels(c, net)
    check(before == ["28x28x1", "14x14x8", "7x7x16", "784", "10", "10"], "shapes after the calls", before)
    at = line_of(NET, "dense(classes)")
    c.change(net, (at, (at[0], at[1] + 5), "dens)e("))
    found = c.messages(net)
    check(found and found[0]["severity"] == 1, "the text has a syntax error", found)
    now = labels(c, net)
    check(now[:4] == before[:4], "layers above keep their shapes", now)
    line = line_of(NET, "first = ")[0]
    c.change(net, NET.replace("first = stage(8)", "first = stage(8"))
    c.messages(net)
    now = hints(c, net)
    check(any(h["label"] == "784" for p, h in now.items() if p[0] > line),
          "layers below keep the shapes of the last valid text", now)
    hover = c.at("textDocument/hover", net, *inside(NET, "softmax"))
    check("digits" not in str(hover) and "10 -> 10" in hover["contents"]["value"],
          "hover uses it, too", hover)
    c.change(net, "")
    c.messages(net)
    check(labels(c, net) == [], "an empty text has no hints")
    c.change(net, NET)
    check(c.messages(net) == [] and labels(c, net) == before, "the text is restored")
    c.finish()


def shapes():
    c, _ = begin()
    c.open(blocks, BLOCKS)
    found = hints(c, blocks)
    conv = [h for h in found.values() if h["label"] == "28x28x8"]
    check(len(conv) == 2 and "stage1.c1: 14x14x16" in conv[0]["tooltip"].replace("stage2", "stage1"),
          "in a library: the first application, the others in the tooltip", found)
    part = c.of("textDocument/inlayHint", net, range={"start": {"line": 5, "character": 0},
                                                      "end": {"line": 5, "character": 99}})
    check([h["label"] for h in part] == ["14x14x8"], "only hints of the range", part)
    c.tell("workspace/didChangeConfiguration",
           settings={"cnnc": {"inlayHints": {"parameters": True, "multiplyAdds": True}}})
    check("14x14x8, 80 parameters, 56,448 multiply-adds" in labels(c, net), "parameters and multiply-adds",
          labels(c, net))
    c.tell("workspace/didChangeConfiguration", settings={"cnnc": {"inlayHints": {"shapes": False}}})
    check("80 parameters, 56,448 multiply-adds" in labels(c, net), "without the shapes", labels(c, net))
    lens = c.of("textDocument/codeLens", net)
    summary = subprocess.run([os.environ["CNNC"], "digits.cnn"], capture_output=True, text=True, timeout=60)
    number = next(line.split()[1] for line in summary.stdout.splitlines() if line.startswith("parameters"))
    check(len(lens) == 1 and lens[0]["command"]["title"].startswith(number + " parameters"),
          "the lens at the net has the numbers of the summary", lens)
    check("values" in lens[0]["command"]["title"] and "in training" in lens[0]["command"]["title"],
          "and memory", lens)
    c.finish()


def hover():
    c, _ = begin()
    c.open(blocks, BLOCKS)
    cases = [(blocks, BLOCKS, "conv(", "first.c1: 28x28x1 -> 28x28x8"),
             (blocks, BLOCKS, "conv(", "height: floor((28 + 2 - 1*(3 - 1) - 1) / 1) + 1 = 28"),
             (blocks, BLOCKS, "conv(", "80 parameters, 56,448 multiply-adds, receptive field 3x3"),
             (blocks, BLOCKS, "conv(", "25,088 activation bytes"),
             (blocks, BLOCKS, "pad=", "`pad`: "), (blocks, BLOCKS, "filters,", "parameter `filters`: 8, 16"),
             (net, NET, "stage(8)", "block stage(filters, kernel=3)"), (net, NET, "stage(8)", "A stage."),
             (net, NET, "first =", "value `first`: 14x14x8"), (net, NET, "image:", "input `image`: 28x28x1"),
             (net, NET, "classes", "const `classes` is 10"), (net, NET, "cross_entropy", "ignore=-1"),
             (net, NET, "loss =", "`loss`: ")]
    for uri, text, what, wanted in cases:
        found = c.at("textDocument/hover", uri, *inside(text, what))
        value = found["contents"]["value"] if found else ""
        check(wanted in value, f"hover over {what}: {wanted}", value)
    check(c.at("textDocument/hover", net, 1, 0) is None, "hover over nothing")
    listen = ("net listen {\n    input x: 60x4\n    conv(8, 5, stride=3, pad=[2, 0])\n"
              "    maxpool(2, stride=1)\n    global_avgpool\n}\n")
    for tail, wanted in (("    relu", "--stream=3: 1 row per step, offset -1, history 1"),
                         ("    global_avgpool", "1 row per step")):
        text = listen.replace("    global_avgpool", tail)
        c.change(net, text)
        value = c.at("textDocument/hover", net, *inside(text, "maxpool"))["contents"]["value"]
        check((wanted in value) == ("relu" in tail), f"hover in a net with {tail.strip()}: steps", value)
    c.change(net, "net ring {\n    input x: 40x2\n    conv(2, 3, dilation=6, pad=causal)\n}\n")
    value = c.at("textDocument/hover", net, 2, 6)["contents"]["value"]
    check("1 row per step, offset 0, history 12 (gather ring)" in value, "hover: a gather ring", value)
    c.finish()


def complete(c, text, marker="|"):
    """The completions at the mark, by label."""
    line, character = line_of(text, marker)
    c.change(net, text.replace(marker, ""))
    return {i["label"]: i for i in c.at("textDocument/completion", net, line, character)["items"]}


def completion():
    c, _ = begin()
    with open("sub/more.cnn", "w") as f:
        f.write("const more = 1\n")
    cases = [("    stage(16, |", ["kernel", "filters", "name", "weights", "classes", "first"], ["conv"]),
             ("    de|", ["dense", "depthwise"], ["loss"]), ("    first -> |", ["conv", "stage"], ["repeat"]),
             ("    |", ["repeat", "conv", "stage", "first", "image"], ["classes"]),
             ("    conv(8, 3x3, pad=|", ["same", "valid", "causal"], ["conv"]),
             ("    conv(8, 3x3, pad=same, |", ["stride"], ["pad"]),
             ("    conv(8, 3x3, init=|", ["he", "normal"], ["conv"]),
             ("    conv(first.|", ["c1", "channels", "height"], ["conv"]),
             ("    x = |", ["in", "first", "conv"], ["repeat"]),
             ("    input y: 3 as |", ["u8", "f32", "i8", "i16", "i32"], ["in", "class"]),
             ("    output first as |", ["f32", "i8", "u8", "class", "i32"], ["in", "i16"]),
             ("    output y = first as |", ["class", "i32"], ["in", "i16"]),
             ("    train { |", ["loss", "optimizer", "epochs"], ["conv"]),
             ("    train { loss = |", ["cross_entropy", "mse"], ["adam"]),
             ("    train { optimizer = ad|", ["adam"], ["mse"]),
             ("    train { optimizer = adam(|", ["rate", "beta1"], ["filters"]),
             ("    # |", [], ["conv"]), ("    relu -> conv(8|", [], ["conv"])]
    for line, wanted, unwanted in cases:
        text = NET.replace("    second = flatten", line)
        found = complete(c, text)
        missing = [w for w in wanted if w not in found] + ["not " + u for u in unwanted if u in found]
        check(not missing, f"completion: {line.strip()}", f"{missing}: {sorted(found)[:20]}")
    text = NET.replace("    second = flatten", "    con|")
    item = complete(c, text)["conv"]
    check(item["textEdit"]["newText"] == "conv(${1:filters}, ${2:kernel})",
          "an operator with its required arguments", item)
    whole = c.result("completionItem/resolve", **item)
    check("output channels" in whole["documentation"]["value"], "its page is sent on request", whole)
    found = complete(c, NET.replace('"blocks.cnn"', '"|"'))
    check("blocks.cnn" in found and "sub/" in found and "digits.cnn" not in found, "paths of imports", found)
    found = complete(c, NET.replace('"blocks.cnn"', '"sub/|"'))
    check("sub/more.cnn" in found, "in folders", found)
    check("net" in complete(c, "|\n" + NET), "the keywords that begin a file")
    text = NET.replace("second = flatten", "second = conv(8, |")
    line, character = line_of(text, "|")
    c.change(net, text.replace("|", ""))
    help_ = c.at("textDocument/signatureHelp", net, line, character)
    signature = help_["signatures"][0]
    first, last = signature["parameters"][help_["activeParameter"]]["label"]
    check(signature["label"][first:last] == "kernel", "the signature, and the active argument", help_)
    c.change(net, text.replace("8, |", "8, 5x5"))
    number = c.at("textDocument/signatureHelp", net, line, character + 3)
    check(number == help_, "it stays while a number is typed", number)
    check(c.at("textDocument/completion", net, line, character + 3)["items"] == [], "which nothing completes")
    c.change(net, "block b(n, k=3")
    check(c.at("textDocument/signatureHelp", net, 0, 10) is None, "none where a block is declared")
    c.change(net, NET.replace("kernel=5", "kernel="))
    help_ = c.at("textDocument/signatureHelp", net, *inside(NET, "kernel=5", 7))
    check(help_["signatures"][0]["label"] == "stage(filters, kernel=3)" and help_["activeParameter"] == 1,
          "that of a block, with the named argument active", help_)
    check(c.at("textDocument/signatureHelp", net, 1, 0) is None, "no signature outside of calls")
    c.finish()


def names():
    c, _ = begin()
    c.open(blocks, BLOCKS)
    at = inside(NET, "stage(8)")
    found = c.at("textDocument/definition", net, *at)
    check([(f["uri"], f["range"]["start"]) for f in found] == [(blocks, {"line": 1, "character": 6})],
          "the definition of a block is in the import", found)
    found = c.at("textDocument/definition", net, 0, 10)
    check(found["uri"] == blocks, "that of an import is its file", found)
    found = c.at("textDocument/references", blocks, 1, 8, context={"includeDeclaration": False})
    check(sorted((f["uri"], f["range"]["start"]["line"]) for f in found) == [(net, 5), (net, 6)],
          "the uses of a block, from where it is defined", found)
    found = c.at("textDocument/documentHighlight", blocks, *inside(BLOCKS, "kernel="))
    check([f["kind"] for f in found] == [3, 2], "highlights: written, read", found)
    rename = c.at("textDocument/rename", net, *at, newName="part")["changes"]
    new_net, new_blocks = apply(NET, rename[net]), apply(BLOCKS, rename[blocks])
    check(new_net == NET.replace("stage(", "part(") and new_blocks == BLOCKS.replace("stage(", "part("),
          "another name across the import", rename)
    rename = c.at("textDocument/rename", blocks, *inside(BLOCKS, "kernel="), newName="size")["changes"]
    check("stage(16, size=5)" in apply(NET, rename[net]) and
          "conv(filters, size, pad" in apply(BLOCKS, rename[blocks]), "a parameter, where it is named, too",
          rename)
    prepared = c.at("textDocument/prepareRename", net, *at)
    check(prepared["placeholder"] == "stage", "prepareRename returns the range", prepared)
    for new in ("conv", "first", "net", "2x", "a b", "", "classes", "é"):
        failed = c.at("textDocument/rename", net, *at, newName=new)
        check("failed" in failed, f"no such name: '{new}'", failed)
    check("failed" in c.at("textDocument/rename", net, 1, 0, newName="x"), "nothing to rename here")
    members = NET.replace("second = flatten", "second = in -> flatten\n    output o = first.c1")
    c.change(net, members)
    rename = c.at("textDocument/rename", net, *inside(members, "first.c1", 7), newName="inner")["changes"]
    check("first.inner" in apply(members, rename[net]) and "inner = conv" in apply(BLOCKS, rename[blocks]),
          "a value inside a block", rename)
    c.finish()


def unsaved():
    c, _ = begin()
    c.messages(net)
    c.open(blocks, BLOCKS)
    c.settle()
    c.change(blocks, BLOCKS.replace("classes = 10", "classes = 7"))
    c.settle()
    check(labels(c, net)[-1] == "7", "an unsaved import is used", labels(c, net))
    check("workspace/inlayHint/refresh" in c.asked, "the editor is asked to refresh other documents", c.asked)
    c.change(blocks, BLOCKS.replace("block stage", "block stages"))
    c.settle()
    check(c.diagnostics[net] and c.diagnostics[net][0]["code"] == "unknown-operator",
          "an error in another document because of it", c.diagnostics)
    c.change(blocks, BLOCKS.replace("conv(", "cov("))
    c.settle()
    check(len(c.diagnostics[blocks]) == 1, "an error in an import is reported once, in its file",
          c.diagnostics[blocks])
    c.tell("textDocument/didClose", textDocument={"uri": blocks})
    c.settle()
    check(c.diagnostics[net] == [] and c.diagnostics[blocks] == [], "once closed, the file on disk is used",
          c.diagnostics)
    new = uri_of("new.cnn")
    c.change(net, NET.replace("blocks.cnn", "new.cnn"))
    c.settle()
    check(c.diagnostics[net][0]["code"] == "import-not-found", "an import that does not exist", c.diagnostics)
    c.open(new, BLOCKS)
    c.settle()
    check(c.diagnostics[net] == [], "until the editor opens it", c.diagnostics)
    c.finish()
    c, _ = begin()
    c.messages(net)
    params = {"textDocument": {"uri": net}, "position": {"line": 4, "character": 5}}
    body = b"".join(message({"jsonrpc": "2.0", "id": i, "method": "textDocument/hover", "params": params})
                    for i in ("a", "b")) + message({"jsonrpc": "2.0", "method": "$/cancelRequest",
                                                    "params": {"id": "b"}})
    c.raw(body)
    check(c.wait("b").get("error", {}).get("code") == -32800,
          "a request that is canceled before it is processed")
    check("result" in c.wait("a"), "the one before it is answered")
    c.finish()


def message(content):
    body = json.dumps(content).encode()
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def layout():
    c, _ = begin()
    odd = NET.replace("    stage(16, kernel=5)", "  stage( 16,kernel = 5 )   # é 😀 b").replace("d = f", "d=f")
    c.change(net, odd)
    edits = c.of("textDocument/formatting", net, options={"tabSize": 4, "insertSpaces": True})
    laid = subprocess.run([os.environ["CNNC"], "fmt", "-"], input=odd, capture_output=True, text=True,
                          timeout=60).stdout
    check(apply(odd, edits) == laid and laid != odd, "formatting is that of cnnc fmt", edits)
    c.change(net, laid.replace("\n", "\r\n"))
    check(apply(laid.replace("\n", "\r\n"), c.of("textDocument/formatting", net, options={})) == laid,
          "CRLF line ends")
    c.change(net, laid)
    check(c.of("textDocument/formatting", net, options={}) == [], "nothing to change")
    c.change(net, odd + "}")
    check(c.of("textDocument/formatting", net, options={}) is None, "a text with a syntax error stays")
    c.change(net, NET)
    symbols = c.of("textDocument/documentSymbol", net)
    check([s["name"] for s in symbols] == ["blocks.cnn", "digits"], "symbols", symbols)
    inner = {s["name"]: s.get("detail") for s in symbols[1]["children"]}
    check(inner == {"image": "28x28x1", "first": "14x14x8", "second": "784", "train": None},
          "those of the net, with shapes", inner)
    folds = c.of("textDocument/foldingRange", net)
    check({"startLine": 2, "endLine": 12} in folds and {"startLine": 10, "endLine": 11} in folds, "folding",
          folds)
    c.finish()


def encodings():
    for encoding in ("utf-16", "utf-8"):
        c = Client()
        c.initialize([encoding])
        text = 'net a {\n    input x: 8; labels ["é😀"]; densee(1)\n}\n'
        c.open(net, text)
        line = text.split("\n")[1]
        before = line[:line.index("densee")]
        units = len(before.encode("utf-16-le")) // 2 if encoding == "utf-16" else len(before.encode())
        found = [m for m in c.messages(net) if m["code"] == "unknown-operator"]
        check(found and found[0]["range"]["start"] == {"line": 1, "character": units},
              f"{encoding}: positions after multibyte characters", found)
        c.change(net, ((1, units + 5), (1, units + 6), ""))
        found = [m for m in c.messages(net) if m["code"] == "unknown-operator"]
        check(found == [], f"{encoding}: a change after them", found)
        c.change(net, ((1, units - 5), (1, 999), "]; dense(1)"), ((99, 0), (99, 9), "# end"))
        c.settle()
        check(c.of("textDocument/documentSymbol", net), f"{encoding}: a change beyond the ends")
        c.finish()


def marked():
    c = Client()
    c.initialize()
    text = "\ufeffnet a { input x: 8; densee(1) }\n"
    c.open(net, text)
    found = c.messages(net)
    check(found[0]["range"]["start"] == {"line": 0, "character": 21},
          "a byte order mark is a character", found)
    actions = c.of("textDocument/codeAction", net, range=found[0]["range"], context={})
    mended = [apply(text, action["edit"]["changes"][net]) for action in actions]
    check(mended == [text.replace("densee", "dense")] * 2, "fixes keep it", mended)
    before = {"line": 0, "character": 18}
    actions = c.of("textDocument/codeAction", net, range={"start": before, "end": before},
                   context={"only": ["quickfix"]})
    check(actions == [], "a range before the mistake gets no fix", actions)
    middle = "net a { input x: 8; labels [\"😀\"]; dense(1) }\n"
    c.change(net, middle, ((0, 30), (0, 31), ""))  # the second half of a surrogate pair
    c.settle()
    check("an empty label" in str(c.diagnostics[net]), "a position within a character is its beginning",
          c.diagnostics[net])
    c.finish()


for case in (lifecycle, diagnostics, broken, shapes, hover, completion, names, unsaved, layout, encodings,
             marked):
    case()
hostile(check, NET, net)
programs(check)
speed(check)
finish()
