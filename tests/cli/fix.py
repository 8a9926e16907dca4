# fix.py: the fixes of all messages of tests/diag. Each fix alone removes its message; --fix applies all of
# them; if each message of a program has a fix, the program then compiles. Other tests concern files: imports,
# byte order marks, permissions, files that --fix must not change.
# SPDX-License-Identifier: Apache-2.0
import glob, json, os, shlex, shutil, stat, subprocess
from tap import check, finish, start

cnnc = os.environ["CNNC"]
source = os.path.abspath(os.path.join(os.environ["top_srcdir"], "tests", "diag"))
work = start("fix")


def run(arguments):
    return subprocess.run([cnnc, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace", timeout=120)


def options(path):
    """The options of the first line, `# options: ...`; cases that write or read files are left to
    diag.tap."""
    with open(path, errors="replace") as file:
        first = file.readline()
    return shlex.split(first[len("# options:"):]) if first.startswith("# options:") else []


def messages(path, arguments=()):
    return json.loads(run([*arguments, "--diagnostics=json", path]).stderr)


def offset(text, line, column):
    lines = text.split("\n")
    return sum(len(row) + 1 for row in lines[:line - 1]) + column - 1


def apply(path, fixes):
    """Applies the fixes to the file, as an editor would; columns count code points."""
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    mark = text.startswith("\ufeff")
    text = text[mark:]
    for fix in sorted(fixes, key=lambda fix: (fix["line"], fix["column"]), reverse=True):
        text = text[:offset(text, fix["line"], fix["column"])] + fix["text"] + text[offset(text,
            fix["end_line"], fix["end_column"]):]
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write("\ufeff" * mark + text)


def count(found, message):
    same = ("slug", "message", "line", "column")
    return sum(all(one[key] == message[key] for key in same) for one in found)


def alone(name, path, before):
    """Applies the fix of each message alone."""
    for number, message in enumerate(before):
        if not message["fixes"]:
            continue
        original = open(path, "rb").read()
        apply(path, message["fixes"])
        after = messages(path)
        check(count(after, message) < count(before, message), f"{name}: message {number + 1} goes away",
              open(path).read() + json.dumps(after))
        open(path, "wb").write(original)


def together(name, path, before):
    result = run(["--fix", path])
    after = messages(path)
    check(not any(one["fixes"] for one in after), f"{name}: --fix applies all of them",
          open(path).read() + result.stderr)
    if any(not one["fixes"] for one in before):
        return
    slugs = [one["slug"] for one in after]
    check(slugs == [], f"{name}: the fixed program compiles",
          open(path).read() + result.stderr)
    check(result.returncode == (1 if any(one["severity"] == "error" for one in after) else 0),
          f"{name}: the status is that of the fixed program")


shutil.copytree(source, "diag")
for path in sorted(glob.glob("diag/*/*.cnn")):
    name = path[len("diag/"):-len(".cnn")]
    if name.startswith("lib/") or options(path):
        continue
    before = messages(path)
    if any("file" in fix for one in before for fix in one["fixes"]) or not any(one["fixes"]
            for one in before):
        continue
    try:
        open(path, encoding="utf-8").read()
    except UnicodeDecodeError:
        continue
    alone(name, path, before)
    together(name, path, before)


# An operator name of another framework is only replaced if an operator here has the same meaning.
found = messages(os.path.join(source, "unknown-operator/habits.cnn"))
texts = [fix["text"] for one in found for fix in one["fixes"]]
check(len(found) > 20 and texts == ["u8", "square", "rmsnorm", ""],
      "names of other frameworks without an equivalent stay", json.dumps(found))
found = messages(os.path.join(source, "unknown-name/other.cnn"))
check(len(found) == 1 and not found[0]["fixes"], "a name with another number stays",
      json.dumps(found))


# ---- consequences ----
# The fix of a message that follows from a suspicious size is not applied with the fix of this size.
for name, program, fixed in [
        ("input", "net a { input image: 1x28x28; conv(8, 3x3) -> flatten -> dense(10) }",
         "net a { input image: 28x28x1; conv(8, 3x3) -> flatten -> dense(10) }"),
        ("arguments", "net a { input image: 28x28x1; conv(1, 28, 3) -> flatten -> dense(10) }",
         "net a { input image: 28x28x1; conv(28, 3) -> flatten -> dense(10) }"),
        ("both", "net a { input image: 1x28x28; conv(1, 28, 3) -> rellu -> flatten -> dense(10) }",
         "net a { input image: 28x28x1; conv(28, 3) -> relu -> flatten -> dense(10) }"),
        ("block", "block s(n) { conv(n, 3x3) }\nnet a { input image: 1x28x28; s(8) -> flatten -> dense(10) }",
         "block s(n) { conv(n, 3x3) }\nnet a { input image: 28x28x1; s(8) -> flatten -> dense(10) }"),
        ("own mistake", "net a { input image: 1x28x28; conv(8, 30x30) -> flatten -> dense(10) }",
         "net a { input image: 28x28x1; conv(8, 30x30, pad=same) -> flatten -> dense(10) }"),
        ("other filters", "net a { input image: 3x32x32; conv(32, 6, 2) -> flatten -> dense(10) }",
         "net a { input image: 32x32x3; conv(32, 6, 2) -> flatten -> dense(10) }"),
        ("a list", "net a { input image: [1, 28, 28]; conv(8, 30x30) -> rellu -> flatten -> dense(10) }",
         "net a { input image: [1, 28, 28]; conv(8, 30x30) -> relu -> flatten -> dense(10) }"),
]:
    open("consequence.cnn", "w").write(program)
    result = run(["--fix", "consequence.cnn"])
    check(open("consequence.cnn").read() == fixed, f"only the cause is fixed: {name}",
          open("consequence.cnn").read() + result.stderr)


# ---- files ----

def write(path, text, mode=None):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(text.encode())
    if mode:
        os.chmod(path, mode)


def read(path):
    return open(path, "rb").read().decode()


write("own.cnn", 'block stage(n) { densse(n) -> rellu }\n')
write("lib/far.cnn", 'block far(n) { densse(n) }\n')
write("net.cnn",
      '\ufeffimport "own.cnn"\r\nnet a {\r\n    input x: 8\r\n    stage(4)\r\n    dense(2) -> '
      'sotfmax\r\n}\r\n', 0o640)
result = run(["--fix", "net.cnn"])
check(result.returncode == 0 and read("own.cnn") == 'block stage(n) { dense(n) -> relu }\n',
      "imports are fixed too", result.stderr)
check(read(
           "net.cnn") == '\ufeffimport "own.cnn"\r\nnet a {\r\n    input x: 8\r\n    stage(4)\r\n    '
                         'dense(2) -> softmax\r\n}\r\n', "no other byte of the file changes")
check(stat.S_IMODE(os.stat("net.cnn").st_mode) == 0o640, "its permissions stay")
check("net.cnn: fixed in 1 place\n" in result.stderr and "own.cnn: fixed in 2 places\n" in result.stderr,
      "changes are reported", result.stderr)
check(run(["--fix", "net.cnn"]).stderr == "", "a second --fix changes nothing")

write("far.cnn", 'import "far.cnn"\nnet a { input x: 8; far(2) }\n')
os.mkdir("user")
shutil.move("far.cnn", "user/net.cnn")
result = run(["-I", "lib", "--fix", "user/net.cnn"])
check(result.returncode == 1 and read("lib/far.cnn") == 'block far(n) { densse(n) }\n',
      "files found with -I are not changed", result.stderr)

write("target.cnn", "net a { input x: 8; densse(2) }\n")
os.symlink("target.cnn", "link.cnn")
result = run(["--fix", "link.cnn"])
check(os.path.islink("link.cnn") and read("target.cnn") == "net a { input x: 8; dense(2) }\n",
      "a symbolic link stays one", result.stderr)

write("one.cnn", "net a { input x: 8; densse(2) }\n")
result = run(["--fix", "one.cnn", "-o", "one.c"])
check(result.returncode == 0 and os.path.exists("one.c"), "the fixed program is compiled", result.stderr)

write("json.cnn", "net a { input x: 8; densse(2); transformer(3) }\n")
result = run(["--fix", "--diagnostics=json", "json.cnn"])
check([one["slug"] for one in json.loads(result.stderr)] == ["unknown-operator"],
      "remaining errors are reported as JSON alone", result.stderr)

write("twice.cnn", "block b(n) { densse(n) }\nnet a { input x: 8; b(4); b(2) }\n")
result = run(["--fix", "twice.cnn"])
check(result.returncode == 0 and read("twice.cnn").count("dense(n)") == 1,
      "a block that is applied twice is fixed once", result.stderr)

write("define.cnn", "const n = 4\nnet a { input x: 8; dense(n) }\n")
result = run(["--fix", "-D", "n=mni(2, 3)", "define.cnn"])
check(read("define.cnn") == "const n = 4\nnet a { input x: 8; dense(n) }\n",
      "definitions of -D are not written into the program", result.stderr)

if os.geteuid() != 0:
    write("readonly.cnn", "net a { input x: 8; densse(2) }\n", 0o444)
    result = run(["--fix", "readonly.cnn"])
    check(result.returncode == 1 and "densse" in read("readonly.cnn"),
          "a read-only file stays", result.stderr)

result = run(["--fix", "--diagnostics=sarif", "lib/far.cnn"])
write("sarif.cnn", "net a { input x: 8; densse(2) }\n")
found = json.loads(run(["--diagnostics=sarif", "sarif.cnn"]).stderr)["runs"][0]["results"][0]["fixes"][0]
change = found["artifactChanges"][0]
check(change["artifactLocation"]["uri"] == "sarif.cnn" and change["replacements"] == [
    {"deletedRegion": {"startLine": 1, "startColumn": 21, "endLine": 1, "endColumn": 27},
     "insertedContent": {"text": "dense"}}], "SARIF has the fix", found)
finish()
