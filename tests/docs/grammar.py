# grammar.py: PEG parser with memoization, driven by a grammar of a page of docs/dev: an ```ebnf block, and a
# table of terminals with their regular expressions.
# SPDX-License-Identifier: Apache-2.0
import re

OPEN, CLOSE = "\x01", "\x02"  # indent and dedent


def indented(text):
    """The text with indent and dedent marks in place of indentation."""
    stack, lines = [0], []
    for line in text.splitlines():
        body = line.lstrip(" ")
        if not body:
            continue
        depth, marks = len(line) - len(body), ""
        if depth > stack[-1]:
            stack.append(depth)
            marks = OPEN
        while depth < stack[-1]:
            stack.pop()
            marks += CLOSE
        if depth != stack[-1]:
            raise ValueError(f"indentation matches no open block: {line}")
        lines.append(marks + body + "\n")
    return "".join(lines) + CLOSE * (len(stack) - 1)


class Grammar:
    """rules: name -> expression, a tuple of a kind and its parts. The first rule is the start."""

    def __init__(self, page):
        block = re.search(r"^```ebnf\n(.*?)^```$", page, re.M | re.S)[1]
        self.terminals = {name: re.compile(pattern.replace("\\|", "|"))
                          for name, pattern in re.findall(r"^\| `([A-Z]+)` \| `(.*?)` \|", page, re.M)}
        self.tokens = re.findall(r'"[^"]*"|[A-Za-z]+|[=|;{}()\[\]]', block)
        self.rules, self.at, self.used = {}, 0, set()
        while self.at < len(self.tokens):
            name = self.take()
            self.expect("=")
            self.rules[name] = self.choice()
            self.expect(";")
        self.start = next(iter(self.rules))
        self.blocks = "INDENT" in self.tokens

    def take(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, token):
        found = self.take()
        if found != token:
            raise ValueError(f"grammar: expected {token}, not {found}")

    def choice(self):
        parts = [self.sequence()]
        while self.tokens[self.at] == "|":
            self.at += 1
            parts.append(self.sequence())
        return parts[0] if len(parts) == 1 else ("choice", parts)

    def sequence(self):
        parts = []
        while self.tokens[self.at] not in "|;)]}":
            parts.append(self.item())
        return ("sequence", parts)

    def item(self):
        token = self.take()
        for opening, closing, kind in (("(", ")", "group"), ("[", "]", "option"), ("{", "}", "repeat")):
            if token == opening:
                inner = self.choice()
                self.expect(closing)
                return (kind, inner)
        return ("literal", token[1:-1]) if token[0] == '"' else ("name", token)

    def parse(self, text):
        """None if the text parses, otherwise the line of the syntax error."""
        self.text = indented(text) if self.blocks else re.sub(r"^ +|\n(?=\n)", "", text + "\n", flags=re.M)
        self.known, self.far = {}, 0
        end = self.rule(self.start, 0)
        if end == len(self.text):
            return None
        first = self.text.rfind("\n", 0, self.far) + 1
        return self.text[first:self.text.find("\n", self.far) % (len(self.text) + 1)].strip(OPEN + CLOSE)

    def rule(self, name, at):
        key = (name, at)
        if key not in self.known:
            self.known[key] = self.match(self.rules[name], at)
        return self.known[key]

    def terminal(self, pattern, at):
        found = pattern.match(self.text, at)
        self.far = max(self.far, at)
        return found.end() if found else None

    BLANKS, MARKS = re.compile(" *"), {"INDENT": re.compile(OPEN), "DEDENT": re.compile(CLOSE),
                                       "NEWLINE": re.compile("\n")}

    def match(self, expression, at):
        kind, part = expression
        if kind == "sequence":
            for one in part:
                at = self.match(one, at)
                if at is None:
                    return None
            return at
        if kind == "choice":
            for one in part:
                end = self.match(one, at)
                if end is not None:
                    self.used.add(id(one))
                    return end
            return None
        if kind == "repeat":
            end = self.match(part, at)
            while end is not None:
                self.used.add(id(part))
                at, end = end, self.match(part, end)
            return at
        if kind == "option":
            end = self.match(part, at)
            self.used.update([id(part)] if end is not None else [])
            return at if end is None else end
        if kind == "group":
            return self.match(part, at)
        at = self.BLANKS.match(self.text, at).end()
        if kind == "literal":
            end = at + len(part)
            word = part[-1].isalnum() and end < len(self.text) and (self.text[end].isalnum() or
                                                                    self.text[end] == "_")
            self.far = max(self.far, at)
            return end if self.text.startswith(part, at) and not word else None
        if part in self.rules:
            return self.rule(part, at)
        return self.terminal(self.MARKS.get(part) or self.terminals[part], at)

    def unused(self):
        """Alternatives, options and repetitions that no parsed text contained, as text."""
        def walk(expression, rule):
            kind, part = expression
            inner = part if kind in ("sequence", "choice") else [part] if kind in (
                "repeat", "option", "group") else []
            for one in inner:
                if kind in ("choice", "repeat", "option") and id(one) not in self.used:
                    yield f"{rule}: {show(one)}"
                yield from walk(one, rule)
        return [text for name, expression in self.rules.items() for text in walk(expression, name)]


def show(expression):
    kind, part = expression
    if kind in ("sequence", "choice"):
        return (" " if kind == "sequence" else " | ").join(map(show, part))
    left, right = {"repeat": "{}", "option": "[]", "group": "()"}.get(kind, ('""' if kind == "literal"
                                                                           else ("", "")))
    return left + (part if isinstance(part, str) else show(part)) + right
