# errors_page.py: each ```cnn block of docs/errors.md is net.cnn; the ```text block after it is the output of
# cnnc. After the words "`cnnc --fix net.cnn` changes the program to:", a ```cnn block is the fixed form of
# the program before it.
# SPDX-License-Identifier: Apache-2.0
import os, re, subprocess
from tap import check, finish, start

cnnc, page = os.environ["CNNC"], os.path.join(os.environ["top_srcdir"], "docs", "errors.md")
FIXED = "`cnnc --fix net.cnn` changes the program to:\n\n"
with open(page, encoding="utf-8") as file:
    text = file.read()
bless = os.environ.get("BLESS") and os.access(page, os.W_OK)
start("gallery")


def run(*arguments):
    result = subprocess.run([cnnc, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60)
    return result.stderr.decode()


def write(program):
    with open("net.cnn", "w", encoding="utf-8") as file:
        file.write(program)


pieces, at, title, program = [], 0, "", None
for block in re.finditer(r"^## ([^\n]*)$|^```(cnn|text)\n(.*?)^```$", text, re.M | re.S):
    if block[1]:
        title = block[1]
        continue
    wanted = None
    if block[2] == "text":
        write(program)
        wanted, what = run("net.cnn"), "messages"
    elif text[:block.start()].endswith(FIXED):
        write(program)
        run("--fix", "net.cnn")
        with open("net.cnn", encoding="utf-8") as file:
            wanted, what = file.read(), "fixed program"
    else:
        program = block[3]
    if wanted is None:
        continue
    check(block[3] == wanted or bless, f"{title}: {what}", wanted)
    pieces += [text[at:block.start(3)], wanted]
    at = block.end(3)
check(len(pieces) > 20, "the page has programs and messages")
if bless:
    with open(page, "w", encoding="utf-8") as file:
        file.write("".join(pieces) + text[at:])
finish()
