# lsp_hostile.py: invalid and hostile messages: the server answers with errors and continues.
# SPDX-License-Identifier: Apache-2.0
import json, random
from lsp_client import Client


def alive(c):
    """Whether the server still answers."""
    return c.ask("textDocument/none").get("error", {}).get("code") == -32601


def headers(check):
    cases = [(b"Content-Length: -5\r\n\r\n", "a length below 0"),
             (b"Content-Length: 99999999999999999999999\r\n\r\n", "a length beyond 64 bits"),
             (b"Content-Length: many\r\n\r\n", "a length as text"), (b"Content-Type: x\r\n\r\n", None),
             (b"no header at all\r\n\r\n", "a line that is not a header"),
             (b"x" * 70000 + b"\r\n\r\n", "a long line"),
             (b"\x00\xff\xfe\r\n\r\n", "bytes"), (b"Content-Length: 2\r\n\r\n{}", "an empty message"),
             (b"Content-Length: 0\r\n\r\n", "a message without bytes"),
             (b"content-length:5\nX: y\n\n[1,2]", "a header with LF line ends"),
             (b"Content-Length: 4\r\n\r\nnull", "null"),
             (b"Content-Length: 3\r\n\r\n{\"a", "half of an object"),
             (b"Content-Length: 7\r\n\r\n\"\xff\xfe\xfd\xfc\"\r", "a text that is not UTF-8"),
             (b"Content-Length: 8\r\n\r\n\"\\ud800\"", "half of a surrogate pair"),
             (b"Content-Length: 6000\r\n\r\n" + b"[" * 6000, "deep brackets")]
    for data, title in cases:
        c = Client()
        c.initialize()
        c.raw(data)
        if title == "a length beyond 64 bits":  # everything after it is skipped
            first = c.receive()
            check(first and "error" in first and c.close()[0] == 1, f"hostile: {title}", first)
            continue
        answers = alive(c)
        told = any("error" in m and m["id"] is None for m in c.stray)
        check(answers and told == (title is not None), f"hostile: {title or 'a header without a length'}",
              c.stray)
        c.close()


def messages(check, net, uri):
    c = Client()
    c.initialize()
    c.open(uri, net)
    document = {"uri": uri}
    odd = [("textDocument/hover", {"textDocument": document, "position": {"line": -1, "character": 0}}),
           ("textDocument/hover", {"textDocument": document,
                                   "position": {"line": 2**62, "character": 2**62}}),
           ("textDocument/hover", {"textDocument": document, "position": {"line": "1"}}),
           ("textDocument/hover", {"textDocument": {"uri": 7}}), ("textDocument/hover", [1, 2]),
           ("textDocument/hover", None), ("textDocument/rename", {"newName": "\u0000"}),
           ("textDocument/codeAction", {"textDocument": document, "range": 3}),
           ("textDocument/codeAction", {"textDocument": document}),
           ("completionItem/resolve", {"data": {"x": 1}}),
           ("completionItem/resolve", {"label": "x", "data": "no"}),
           ("textDocument/inlayHint", {"textDocument": document, "range": {"start": {"line": 2**62}}}),
           ("textDocument/formatting", {"textDocument": document})]
    for method, params in odd:
        c.id += 1
        c.send({"jsonrpc": "2.0", "id": c.id, "method": method, "params": params})
        answer = c.wait(c.id)
        check(answer.get("error", {}).get("code") != 0, f"hostile: {method} {json.dumps(params)[:60]}",
              answer)
    notices = [("textDocument/didChange", {"textDocument": document, "contentChanges": 5}),
               ("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": 5}, 7, {}]}),
               ("textDocument/didChange", {"textDocument": document, "contentChanges": [
                   {"text": "x", "range": {"start": {"line": 5, "character": 0},
                                           "end": {"line": 1, "character": 0}}}]}),
               ("textDocument/didChange", {"textDocument": {"uri": "file:///none"}, "contentChanges": []}),
               ("textDocument/didClose", {"textDocument": {"uri": "file:///none"}}),
               ("textDocument/didOpen", {"textDocument": {"uri": "file:///%00%zz%f", "text": "net\u0000 a"}}),
               ("textDocument/didOpen", {"textDocument": {"uri": "untitled:Untitled-1", "text": net}}),
               ("workspace/didChangeConfiguration", {"settings": {"cnnc": {"include": ["/none", 5]}}}),
               ("$/cancelRequest", {"id": [1]}), ("$/cancelRequest", None)]
    for method, params in notices:
        c.send({"jsonrpc": "2.0", "method": method, "params": params})
        check(alive(c), f"hostile: {method} {json.dumps(params)[:60]}")
    c.send({"jsonrpc": "2.0", "id": {"a": 1}, "method": "shutdown"})
    c.send({"id": 3})
    check(alive(c), "hostile: a response instead of a request")
    check(c.finish() == (0, ""), "hostile: and it exits normally")


def at_random(check, net, uri, rounds=400, seed=1):
    """Changes a text at random in client and server, and sends requests for random positions."""
    draw = random.Random(seed)
    c = Client()
    c.initialize(["utf-8"])
    text, words = net, ["conv(", ")", "{", "}", "\n", "é", "😀", "\"", "->", "in.", "stage", "8", "=", ",",
                        "[", "#", "repeat 3 {", "import \"", "\r", "\t", "block a(b) {", " "]
    c.open(uri, text)
    methods = ["hover", "completion", "signatureHelp", "definition", "references", "documentHighlight",
               "prepareRename", "inlayHint", "codeLens", "formatting", "documentSymbol", "foldingRange"]
    failed = ""
    for i in range(rounds):
        data = text.encode()
        lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        line = draw.randrange(len(lines))
        character = draw.randrange(len(lines[line]) + 1)
        there = {"line": line, "character": character}
        if draw.random() < 0.6:
            c.change(uri, text if draw.random() < 0.02 else net) if draw.random() < 0.05 else c.tell(
                "textDocument/didChange", textDocument={"uri": uri, "version": i},
                contentChanges=[{"range": {"start": there, "end": {"line": line, "character": character +
                                                                   draw.randrange(4)}},
                                 "text": draw.choice(words)}])
        method = draw.choice(methods)
        answer = c.ask("textDocument/" + method, textDocument={"uri": uri}, position=there,
                       context={"includeDeclaration": True})
        if answer.get("error", {}).get("code", 1) == 0:
            failed = f"{i}: {method} {there}"
            break
    check(not failed and alive(c), f"hostile: {rounds} random changes and requests", failed)
    status, errors = c.finish()
    check(status == 0 and not errors, "hostile: nothing on standard error", errors)


def hostile(check, net, uri):
    headers(check)
    messages(check, net, uri)
    at_random(check, net, uri)
