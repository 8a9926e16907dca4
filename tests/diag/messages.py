# messages.py: the cases of messages.tap: prints the messages of a folder that no case of diag/ shows.
# SPDX-License-Identifier: Apache-2.0
import glob, re, sys

CALL = re.compile(r"\b(?:op_error|op_error_at|item_error|list_error|diag_report|diag_help|diag_fact)\s*\(")
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')


def argument_texts(source, at):
    """The string arguments of a call, adjacent literals joined; without those of nested calls."""
    depth, texts, begin = 1, [], at
    while depth and at < len(source):
        if source[at] == '"':
            match = LITERAL.match(source, at)
            texts.append((match.start(), match.end(), match.group(1)))
            at = match.end()
            continue
        depth += {"(": 1, ")": -1}.get(source[at], 0)
        at += 1
    joined = []
    for start, end, text in texts:
        if joined and not source[joined[-1][1]:start].strip():
            joined[-1] = (joined[-1][0], end, joined[-1][2] + text)
        else:
            joined.append((start, end, text))
    return [text for _, _, text in joined]


def pattern(text):
    text = text.encode().decode("unicode_escape").encode("latin-1").decode()
    parts = re.split(r"%(?:[-0-9.*]*)(?:ll|z|h|j)?[a-zA-Z]|%%", text)
    return re.compile("[^\n]*".join(map(re.escape, parts)))


shown = "".join(open(path, encoding="utf-8", errors="replace").read()
                for path in glob.glob("tests/diag/*/*.err") + glob.glob("tests/broken/*.err"))
missing = {}
for path in sorted(sum((glob.glob(f"{folder}/*.c") for folder in sys.argv[1:]), [])):
    source = open(path, encoding="utf-8").read()
    for call in CALL.finditer(source):
        for text in argument_texts(source, call.end()):
            if len(text) < 12 or " " not in text: # names of parameters, parts of messages
                continue
            if not pattern(text).search(shown):
                line = source.count("\n", 0, call.start()) + 1
                missing.setdefault(f"{path}:{line}: {text}")
print("\n".join(missing))
