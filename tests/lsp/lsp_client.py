# lsp_client.py: a small client of the Language Server Protocol for the cases of this folder: it communicates
# with `cnnc lsp` through pipes.
# SPDX-License-Identifier: Apache-2.0
import json, os, select, subprocess, time


class Client:
    """One session with a server."""

    def __init__(self, arguments=(), patience=60):
        self.process = subprocess.Popen([os.environ["CNNC"], "lsp", *arguments], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.patience, self.buffer, self.id = patience, b"", 0
        self.diagnostics, self.asked, self.stray = {}, [], []
        self.versions, self.published = {}, []

    # ---- bytes
    def raw(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, message):
        body = json.dumps(message).encode()
        self.raw(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def receive(self, patience=None):
        """The next message; None after a timeout or at the end."""
        end = time.monotonic() + (self.patience if patience is None else patience)
        while True:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if found:
                length = int(head.split(b":")[1])
                if len(rest) >= length:
                    self.buffer = rest[length:]
                    return json.loads(rest[:length])
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                return None
            data = os.read(self.process.stdout.fileno(), 1 << 16)
            if not data:
                return None
            self.buffer += data

    def take(self, message):
        """Keeps messages that are not responses."""
        if message.get("method") == "textDocument/publishDiagnostics":
            self.diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
            self.published.append(message["params"]["uri"])
        elif "method" in message:
            self.asked.append(message["method"])
            if "id" in message:
                self.send({"jsonrpc": "2.0", "id": message["id"], "result": None})
        else:
            self.stray.append(message)

    # ---- requests and notifications
    def start(self, method, **params):
        self.id += 1
        self.send({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params})
        return self.id

    def wait(self, number):
        while True:
            message = self.receive()
            if message is None:
                return {"error": {"code": 0, "message": "no answer"}}
            if message.get("id") == number and "method" not in message:
                return message
            self.take(message)

    def ask(self, method, **params):
        return self.wait(self.start(method, **params))

    def result(self, method, **params):
        answer = self.ask(method, **params)
        if "error" in answer:
            return {"failed": answer["error"]}
        return answer["result"]

    def tell(self, method, **params):
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def initialize(self, encodings=("utf-16",), options=None, refresh=True):
        general = {"positionEncodings": list(encodings)} if encodings else {}
        workspace = {"inlayHint": {"refreshSupport": refresh}, "codeLens": {"refreshSupport": refresh}}
        item = {"completionItem": {"snippetSupport": True}}
        answer = self.result("initialize", processId=None, rootUri=None, initializationOptions=options or {},
                             capabilities={"general": general, "workspace": workspace,
                                           "textDocument": {"completion": item}})
        self.tell("initialized")
        return answer

    def open(self, uri, text):
        self.versions[uri] = 1
        self.tell("textDocument/didOpen", textDocument={"uri": uri, "languageId": "cnn", "version": 1,
                                                        "text": text})

    def change(self, uri, *changes):
        """Each change is a whole new text, or (begin, end, new text), with positions (line, character)."""
        self.versions[uri] += 1
        list_ = [{"text": c} if isinstance(c, str) else {"range": span(c[0], c[1]), "text": c[2]}
                 for c in changes]
        self.tell("textDocument/didChange", textDocument={"uri": uri, "version": self.versions[uri]},
                  contentChanges=list_)

    def at(self, method, uri, line, character, **more):
        return self.result(method, textDocument={"uri": uri}, position=place(line, character), **more)

    def of(self, method, uri, **more):
        return self.result(method, textDocument={"uri": uri}, **more)

    def messages(self, uri):
        """Waits for the next diagnostics of a document, and returns them."""
        self.published.clear()
        while uri not in self.published:
            message = self.receive()
            if message is None:
                return None
            self.take(message)
        return self.diagnostics[uri]

    def settle(self):
        """Waits until all sent messages are answered and diagnostics published."""
        while (message := self.receive(0.3)) is not None:
            self.take(message)

    def finish(self):
        """The exit status after shutdown and exit, and the text on standard error."""
        self.ask("shutdown")
        self.tell("exit")
        return self.close()

    def close(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            status = self.process.wait(self.patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = "it does not end"
        errors = self.process.stderr.read().decode(errors="replace")
        self.process.stdout.close()
        self.process.stderr.close()
        return status, errors


def place(line, character):
    return {"line": line, "character": character}


def span(start, end):
    return {"start": place(*start), "end": place(*end)}


def uri_of(path):
    return "file://" + os.path.abspath(path)


def offset(text, position, encoding="utf-16"):
    """The offset of a position in a text, in characters."""
    lines = text.split("\n")
    line, units = lines[position["line"]], 0
    for i, letter in enumerate(line):
        if units >= position["character"]:
            return sum(len(one) + 1 for one in lines[:position["line"]]) + i
        units += len(letter.encode("utf-16-le")) // 2 if encoding == "utf-16" else len(letter.encode())
    return sum(len(one) + 1 for one in lines[:position["line"]]) + len(line)


def apply(text, edits, encoding="utf-16"):
    """The text with the edits of a result."""
    for edit in sorted(edits, key=lambda e: (e["range"]["start"]["line"], e["range"]["start"]["character"]),
                       reverse=True):
        start, end = (offset(text, edit["range"][k], encoding) for k in ("start", "end"))
        text = text[:start] + edit["newText"] + text[end:]
    return text
